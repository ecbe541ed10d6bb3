/**
 * The matrix product again, four times faster: WebAssembly SIMD whose bytes are written here, without a toolchain.
 * In: a length. Out: float32 memory whose `gemm` runs 4×8 outputs in eight 128-bit registers; what is left over at
 * the right and lower edge, and engines without SIMD or with code generation forbidden, get the TypeScript product.
 * Eight accumulators, two rows of b and one broadcast a fit the 16 registers of x86-64; 6×8 would spill.
 * Follows the WebAssembly Core Specification 2.0, §5 (binary format). Not here: relaxed fused multiply-add, whose
 * results differ between CPUs.
 */
import { blockedGemm, plainMemory } from './gemm.ts'
import type { Memory } from './types.ts'

/** Nested lists of bytes, flattened when a section is measured. */
type Code = (number | Code)[]

function flatten(code: Code): number[] {
  return code.flatMap((part) => (typeof part === 'number' ? part : flatten(part)))
}

/** Unsigned LEB128, the integers of the binary format. */
function leb(n: number): number[] {
  return n < 128 ? [n] : [(n & 127) | 128, ...leb(n >>> 7)]
}
/** A section, or a function body: its length, then itself. */
const sized = (body: Code): Code => [leb(flatten(body).length), body]
const name = (letter: string): Code => [1, letter.charCodeAt(0)]

const [I32, V128, VOID] = [0x7f, 0x7b, 0x40]
const get = (local: number): Code => [0x20, local]
const set = (local: number): Code => [0x21, local]
const constant = (n: number): Code => [0x41, n] // n < 64, where signed LEB128 is the byte itself
const add = (a: Code, b: Code): Code => [a, b, 0x6a]
const times = (a: Code, b: Code): Code => [a, b, 0x6c]
const simd = (op: number): Code => [0xfd, leb(op)]
const memory = (op: number, operands: Code, offset: number): Code => [operands, simd(op), 2, offset]
const [LOAD, LOAD_SPLAT, STORE, ZERO, MULTIPLY, ADD] = [0x00, 0x09, 0x0b, 0x0c, 0xe6, 0xe4]
/** counter = 0; do { body; counter += step } while (counter < limit), for limits known to be positive. */
const repeat = (counter: number, step: number, limit: number, body: Code): Code => [
  [constant(0), set(counter), 0x03, VOID, body, add(get(counter), constant(step)), 0x22, counter],
  [get(limit), 0x48, 0x0d, 0, 0x0b],
]

/** The module: memory m.m in, function g out; pointers and strides in bytes; M % 4 = N % 8 = 0, K > 0. */
export function gemmModule(): ReturnType<typeof Uint8Array.of> {
  const [out, a, b, M, N, K, aRow, aCol, bRow, outRow, accumulate] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
  const [m, n, k, q, o, row, left, right, splat, sums] = [11, 12, 13, 14, 15, 16, 21, 22, 23, 24]
  const a4 = [17, 18, 19, 20] // one pointer into each of the tile's four rows of a
  const columns = times(get(n), constant(4))
  /** Walks `row` down the four rows of the output tile; `visit` gets each of its eight registers. */
  const tile = (visit: (register: number, offset: number) => Code): Code => [
    [get(o), set(row)],
    a4.map((_, i) => [
      visit(sums + 2 * i, 0),
      visit(sums + 2 * i + 1, 16),
      add(get(row), get(outRow)),
      set(row),
    ]),
  ]
  const read = tile((register, offset) => [memory(LOAD, get(row), offset), set(register)])
  const write = tile((register, offset) => memory(STORE, [get(row), get(register)], offset))
  const zero: Code = [simd(ZERO), Array.from({ length: 16 }, () => 0)]
  const clear = Array.from({ length: 8 }, (_, i) => [zero, set(sums + i)])
  const multiplyAdd = (sum: number, x: number): Code => [
    [get(sum), get(splat), get(x), simd(MULTIPLY), simd(ADD), set(sum)],
  ]
  const step: Code = [
    [memory(LOAD, get(q), 0), set(left), memory(LOAD, get(q), 16), set(right)],
    a4.map((p, i) => [
      [memory(LOAD_SPLAT, get(p), 0), set(splat)],
      [multiplyAdd(sums + 2 * i, left), multiplyAdd(sums + 2 * i + 1, right)],
      [add(get(p), get(aCol)), set(p)],
    ]),
    [add(get(q), get(bRow)), set(q)],
  ]
  const start: Code = [
    [add(get(a), times(get(m), get(aRow))), set(a4[0]!)],
    a4.slice(1).map((p) => [add(get(p - 1), get(aRow)), set(p)]),
    [add(get(b), columns), set(q)],
    [add(add(get(out), times(get(m), get(outRow))), columns), set(o)],
    [get(accumulate), 0x04, VOID, read, 0x05, clear, 0x0b],
  ]
  const tiles = repeat(n, 8, N, repeat(m, 4, M, [start, repeat(k, 1, K, step), write]))
  const locals = [2, 10, I32, 11, V128]
  return Uint8Array.from(
    flatten([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      [1, sized([1, 0x60, 11, Array.from({ length: 11 }, () => I32), 0])],
      [2, sized([1, name('m'), name('m'), 0x02, 0x00, 0x01])],
      [3, sized([1, 0])],
      [7, sized([1, name('g'), 0x00, 0])],
      [10, sized([1, sized([locals, tiles, 0x0b])])],
    ]),
  )
}

type Kernel = (...args: number[]) => void

/** Float32 memory over the SIMD kernel, or {@link plainMemory} where WebAssembly SIMD is not to be had. */
export function wasmMemory(length: number): Memory {
  const pages = Math.ceil((length * 4) / 65536) + 1
  let memory: WebAssembly.Memory
  let kernel: Kernel
  try {
    memory = new WebAssembly.Memory({ initial: pages })
    const instance = new WebAssembly.Instance(new WebAssembly.Module(gemmModule()), { m: { m: memory } })
    kernel = instance.exports['g'] as Kernel
  } catch {
    return plainMemory(length)
  }
  const f = new Float32Array(memory.buffer, 0, length)
  const plain = blockedGemm(f)
  return {
    f,
    gemm: (out, a, b, M, N, K, aRow, aCol, bRow, outRow, accumulate) => {
      const m = M - (M % 4)
      const n = N - (N % 8)
      if (m > 0 && n > 0 && K > 0) {
        kernel(4 * out, 4 * a, 4 * b, m, n, K, 4 * aRow, 4 * aCol, 4 * bRow, 4 * outRow, accumulate)
        if (n < N) plain(out + n, a, b + n, m, N - n, K, aRow, aCol, bRow, outRow, accumulate)
        if (m < M) plain(out + m * outRow, a + m * aRow, b, M - m, N, K, aRow, aCol, bRow, outRow, accumulate)
      } else plain(out, a, b, M, N, K, aRow, aCol, bRow, outRow, accumulate)
    },
  }
}
