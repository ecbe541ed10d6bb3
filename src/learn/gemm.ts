/**
 * The matrix product in plain TypeScript. In: a length. Out: a flat array and `gemm` over it. Its slow twin is
 * `naiveGemm` (naive.ts), its fast one `wasmMemory` (gemm-wasm.ts), which falls back to this where there is no SIMD.
 */
import type { Floats, Gemm, Memory } from './types.ts'

/** Float32 memory with the register-blocked product below. */
export function plainMemory(length: number): Memory {
  const f = new Float32Array(length)
  return { f, gemm: blockedGemm(f) }
}

/** Float64 memory: the precision in which gradients are checked against finite differences. */
export function doubleMemory(length: number): Memory {
  const f = new Float64Array(length)
  return { f, gemm: blockedGemm(f) }
}

/** Terms of a sum taken at a time, even: a 2-row slice of `a` and a 2-column slice of `b` fit the first-level cache. */
export const CHUNK = 128
/** Columns of `b` taken at a time, even: 256 kB, within the second-level cache. */
export const PANEL = 256

/**
 * The product by register tiles, 2 × 2 outputs at a time, so that a number once loaded is used twice. Both operands
 * are first copied into the order in which the inner loop reads them, as float64: JavaScript computes in nothing else,
 * and a conversion there would be paid M or N times. Sums of more than 128 terms are rounded to the memory's precision
 * in between.
 */
export function blockedGemm(f: Floats): Gemm {
  const multiply = (shared ??= createMultiply())
  return inPanels((...args) => multiply(f, ...args))
}

/** A product out of products whose sums have at most CHUNK terms and whose rows at most PANEL columns. */
export function inPanels(multiply: Gemm): Gemm {
  return (out, a, b, M, N, K, aRow, aCol, bRow, outRow, add, bCol = 1) => {
    for (let n = 0; n < N; n += PANEL) {
      const columns = Math.min(PANEL, N - n)
      // Once even for K = 0, where the result is zeros.
      for (let k = 0; k === 0 || k < K; k += CHUNK) {
        const terms = Math.min(CHUNK, K - k)
        const [from, by] = [b + k * bRow + n * bCol, k === 0 ? add : 1]
        multiply(out + n, a + k * aCol, from, M, columns, terms, aRow, aCol, bRow, outRow, by, bCol)
      }
    }
  }
}

type Loop = (f: Floats, ...args: number[]) => void
let shared: Loop | undefined

/**
 * Called once, and that is 1.3 times as fast: what a function made only once finds in its scope, V8 compiles in as
 * constants, so the loop need not ask `left` and `right` at every step what they are, where they lie and how long.
 * Four sums are as many as its registers take beside the factors of two terms: 4 × 2 lives in memory, 0.7 times as fast.
 */
function createMultiply(): Loop {
  const left = new Float64Array(2 * CHUNK)
  const right = new Float64Array(CHUNK * PANEL)

  /** Two rows of a, a missing second one as a copy of the first: left[k][2], with zeros up to an even k. */
  const packLeft: Loop = (f, a, rows, K, aRow, aCol) => {
    const second = rows > 1 ? aRow : 0
    for (let at = a, to = 0; to < 2 * K; at += aCol, to += 2) {
      left[to] = f[at]!
      left[to + 1] = f[at + second]!
    }
    if (K % 2 === 1) left.fill(0, 2 * K, 2 * K + 2)
  }

  /** Columns of b in pairs, a missing last one as zeros: right[pair][k][2], with zeros up to an even k. */
  const packRight: Loop = (f, b, N, K, bRow, bCol) => {
    for (let n = 0, to = 0; n < N; n += 2) {
      for (let at = b + n * bCol, k = 0; k < K; k++, at += bRow, to += 2) {
        right[to] = f[at]!
        right[to + 1] = n + 1 < N ? f[at + bCol]! : 0
      }
      if (K % 2 === 1) right.fill(0, to, (to += 2))
    }
  }

  /** `rows` × `columns` outputs, 1 or 2 each: all the packed rows times the pair of columns packed at `q`. */
  const tile: Loop = (f, out, q, K, rows, columns, outRow, add) => {
    let s0 = 0
    let s1 = 0
    let t0 = 0
    let t1 = 0
    // Two terms a turn. `| 0` says that no index outgrows 32 bits, which otherwise is checked each time.
    for (let p = 0; p < 2 * K; p = (p + 4) | 0, q = (q + 4) | 0) {
      const a0 = left[p]!
      const a1 = left[(p + 1) | 0]!
      const b0 = right[q]!
      const b1 = right[(q + 1) | 0]!
      s0 += a0 * b0
      s1 += a0 * b1
      t0 += a1 * b0
      t1 += a1 * b1
      const c0 = left[(p + 2) | 0]!
      const c1 = left[(p + 3) | 0]!
      const d0 = right[(q + 2) | 0]!
      const d1 = right[(q + 3) | 0]!
      s0 += c0 * d0
      s1 += c0 * d1
      t0 += c1 * d0
      t1 += c1 * d1
    }
    f[out] = (add && f[out]!) + s0
    if (columns > 1) f[out + 1] = (add && f[out + 1]!) + s1
    if (rows < 2) return
    const next = out + outRow
    f[next] = (add && f[next]!) + t0
    if (columns > 1) f[next + 1] = (add && f[next + 1]!) + t1
  }

  return (f, out, a, b, M, N, K, aRow, aCol, bRow, outRow, add, bCol) => {
    packRight(f, b, N, K, bRow, bCol)
    for (let m = 0; m < M; m += 2) {
      packLeft(f, a + m * aRow, M - m, K, aRow, aCol)
      for (let n = 0; n < N; n += 2) {
        tile(f, out + m * outRow + n, n * (K + (K % 2)), K, M - m, N - n, outRow, add)
      }
    }
  }
}
