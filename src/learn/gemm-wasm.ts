/**
 * The matrix product again, seven times faster: WebAssembly SIMD whose bytes are written here, without a toolchain.
 * In: a length. Out: float32 memory whose `gemm` runs 4×8 outputs in eight 128-bit registers; what is left over at
 * the right and lower edge, and engines without SIMD or with code generation forbidden, get the TypeScript product.
 * Eight accumulators, two rows of b and one broadcast a fit the 16 registers of x86-64; 6×8 would spill.
 * Both operands are first copied next to each other in the order of reading: rows of b that lie a power of two apart
 * share a few places of the first-level cache and push each other out, which costs a third of the speed.
 * Follows the WebAssembly Core Specification 2.0, §5 (binary format). Not here: relaxed fused multiply-add, whose
 * results differ between CPUs.
 */
import { blockedGemm, CHUNK, inPanels, PANEL, plainMemory } from './gemm.ts'
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
/** pointer += by */
const move = (pointer: number, by: Code): Code => [add(get(pointer), by), set(pointer)]
const simd = (op: number): Code => [0xfd, leb(op)]
const memory = (op: number | Code, operands: Code, offset: number): Code => [operands, op, 2, offset]
const load = (pointer: number, offset: number): Code => memory(simd(0x00), get(pointer), offset)
const loadSplat = (pointer: number, offset: number): Code => memory(simd(0x09), get(pointer), offset)
const store = (pointer: number, offset: number, value: Code): Code =>
  memory(simd(0x0b), [get(pointer), value], offset)
const copyFloat = (to: number, offset: number, from: number): Code =>
  memory(0x38, [get(to), memory(0x2a, get(from), 0)], offset)
const ZERO: Code = [simd(0x0c), Array.from({ length: 16 }, () => 0)]
const [MULTIPLY, ADD] = [simd(0xe6), simd(0xe4)]
/** do { body; counter += step } while (counter < limit): whoever gets here has at least one turn to make. */
const loop = (counter: number, step: number, limit: number, body: Code): Code => [
  [0x03, VOID, body, add(get(counter), constant(step)), 0x22, counter, get(limit), 0x48, 0x0d, 0, 0x0b],
]
const repeat = (counter: number, step: number, limit: number, body: Code): Code => [
  [constant(0), set(counter), loop(counter, step, limit, body)],
]

/**
 * The module: memory m.m in, function g out; pointers and strides in bytes; M % 4 = N % 8 = 0, K > 0. `left` is room
 * for 4·K numbers, `right` for N·K.
 */
export function gemmModule(): ReturnType<typeof Uint8Array.of> {
  const [out, a, b, M, N, K, aRow, aCol, bRow, outRow, accumulate] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
  const [bCol, left, right, m, n, k, l, r, p, row, end] = [11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]
  const [b0, b1, splat, sums] = [22, 23, 24, 25]
  const column = times(get(n), constant(4))
  /** r at the panel of column n: K times 8 numbers. */
  const panel: Code = [add(get(right), times(column, get(K))), set(r)]
  /** K times `count` numbers, `across` bytes apart, each time `along` bytes further, from p to where `to` points. */
  const pack = (to: number, count: number, across: number, along: number): Code =>
    repeat(k, 1, K, [
      [get(p), set(row)],
      Array.from({ length: count }, (_, i) => [copyFloat(to, 4 * i, row), move(row, get(across))]),
      [move(p, get(along)), move(to, constant(4 * count))],
    ])
  const packRight = repeat(n, 8, N, [
    [add(get(b), times(get(n), get(bCol))), set(p)],
    [panel, pack(r, 8, bCol, bRow)],
  ])
  const packLeft: Code = [
    [add(get(a), times(get(m), get(aRow))), set(p)],
    [get(left), set(l), pack(l, 4, aRow, aCol), get(l), set(end)],
  ]
  /** Walks `row` down the four rows of the output tile; `visit` gets each of its eight registers. */
  const tile = (visit: (sum: number, offset: number) => Code): Code => [
    [add(add(get(out), times(get(m), get(outRow))), column), set(row)],
    [0, 2, 4, 6].map((i) => [visit(sums + i, 0), visit(sums + i + 1, 16), move(row, get(outRow))]),
  ]
  const read = tile((sum, offset) => [load(row, offset), set(sum)])
  const write = tile((sum, offset) => store(row, offset, get(sum)))
  const clear = Array.from({ length: 8 }, (_, i) => [ZERO, set(sums + i)])
  const multiplyAdd = (sum: number, x: number): Code => [
    [get(sum), get(splat), get(x), MULTIPLY, ADD, set(sum)],
  ]
  const term: Code = [
    [load(r, 0), set(b0), load(r, 16), set(b1), move(r, constant(32))],
    [0, 2, 4, 6].map((i) => [
      [loadSplat(l, 2 * i), set(splat)],
      [multiplyAdd(sums + i, b0), multiplyAdd(sums + i + 1, b1)],
    ]),
  ]
  const multiply = repeat(n, 8, N, [
    [get(accumulate), 0x04, VOID, read, 0x05, clear, 0x0b],
    [get(left), set(l), panel, loop(l, 16, end, term), write],
  ])
  const locals = [2, 8, I32, 11, V128]
  return Uint8Array.from(
    flatten([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      [1, sized([1, 0x60, 14, Array.from({ length: 14 }, () => I32), 0])],
      [2, sized([1, name('m'), name('m'), 0x02, 0x00, 0x01])],
      [3, sized([1, 0])],
      [7, sized([1, name('g'), 0x00, 0])],
      [10, sized([1, sized([locals, packRight, repeat(m, 4, M, [packLeft, multiply]), 0x0b])])],
    ]),
  )
}

type Kernel = (...args: number[]) => void

/** Float32 memory over the SIMD kernel, or {@link plainMemory} where WebAssembly SIMD is not to be had. */
export function wasmMemory(length: number): Memory {
  const left = 16 * Math.ceil(length / 4)
  const right = left + 16 * CHUNK
  const pages = Math.ceil((right + 4 * PANEL * CHUNK) / 65536)
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
  const tiles = inPanels((out, a, b, M, N, K, aRow, aCol, bRow, outRow, add, bCol) => {
    const bytes = [4 * aRow, 4 * aCol, 4 * bRow, 4 * outRow, add, 4 * bCol, left, right] as const
    kernel(4 * out, 4 * a, 4 * b, M, N, K, ...bytes)
  })
  return {
    f,
    gemm: (out, a, b, M, N, K, aRow, aCol, bRow, outRow, add, bCol = 1) => {
      const m = M - (M % 4)
      const n = N - (N % 8)
      if (m > 0 && n > 0 && K > 0) {
        tiles(out, a, b, m, n, K, aRow, aCol, bRow, outRow, add, bCol)
        if (n < N) plain(out + n, a, b + n * bCol, m, N - n, K, aRow, aCol, bRow, outRow, add, bCol)
        if (m < M) plain(out + m * outRow, a + m * aRow, b, M - m, N, K, aRow, aCol, bRow, outRow, add, bCol)
      } else plain(out, a, b, M, N, K, aRow, aCol, bRow, outRow, add, bCol)
    },
  }
}
