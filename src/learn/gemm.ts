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

/** Terms of a sum taken at a time: a 4-row slice of `a` and a 2-column slice of `b` stay in the first-level cache. */
const CHUNK = 128
/** Columns of `b` taken at a time: 256 kB, within the second-level cache. */
const PANEL = 256

/**
 * The product by register tiles: 4 × 2 outputs at a time, so that a number once loaded is used 2 or 4 times. Both
 * operands are first copied into the order in which the inner loop reads them, as float64: JavaScript computes in
 * nothing else, and a conversion there would be paid M or N times. Sums of more than 128 terms are rounded to the
 * memory's precision in between.
 */
export function blockedGemm(f: Floats): Gemm {
  const left = new Float64Array(4 * CHUNK)
  const right = new Float64Array(CHUNK * PANEL)

  /** Columns of b in pairs, a missing last one as zeros: right[pair][k][2]. */
  function packRight(b: number, N: number, K: number, bRow: number): void {
    for (let n = 0, to = 0; n < N; n += 2) {
      for (let at = b + n, k = 0; k < K; k++, at += bRow, to += 2) {
        right[to] = f[at]!
        right[to + 1] = n + 1 < N ? f[at + 1]! : 0
      }
    }
  }

  /** Four rows of a, missing ones as copies of the first: left[k][4]. */
  function packLeft(a: number, rows: number, K: number, aRow: number, aCol: number): void {
    const second = rows > 1 ? aRow : 0
    const third = rows > 2 ? 2 * aRow : 0
    const fourth = rows > 3 ? 3 * aRow : 0
    for (let at = a, to = 0; to < 4 * K; at += aCol, to += 4) {
      left[to] = f[at]!
      left[to + 1] = f[at + second]!
      left[to + 2] = f[at + third]!
      left[to + 3] = f[at + fourth]!
    }
  }

  const chunk: Gemm = (out, a, b, M, N, K, aRow, aCol, bRow, outRow, add) => {
    packRight(b, N, K, bRow)
    for (let m = 0; m < M; m += 4) {
      packLeft(a + m * aRow, M - m, K, aRow, aCol)
      for (let n = 0, q = 0; n < N; n += 2) {
        let s0 = 0
        let s1 = 0
        let s2 = 0
        let s3 = 0
        let t0 = 0
        let t1 = 0
        let t2 = 0
        let t3 = 0
        for (let p = 0; p < 4 * K; p += 4, q += 2) {
          const b0 = right[q]!
          const b1 = right[q + 1]!
          const a0 = left[p]!
          const a1 = left[p + 1]!
          const a2 = left[p + 2]!
          const a3 = left[p + 3]!
          s0 += a0 * b0
          t0 += a0 * b1
          s1 += a1 * b0
          t1 += a1 * b1
          s2 += a2 * b0
          t2 += a2 * b1
          s3 += a3 * b0
          t3 += a3 * b1
        }
        const pair = n + 1 < N
        let o = out + m * outRow + n
        f[o] = (add && f[o]!) + s0
        if (pair) f[o + 1] = (add && f[o + 1]!) + t0
        if (m + 1 === M) continue
        o += outRow
        f[o] = (add && f[o]!) + s1
        if (pair) f[o + 1] = (add && f[o + 1]!) + t1
        if (m + 2 === M) continue
        o += outRow
        f[o] = (add && f[o]!) + s2
        if (pair) f[o + 1] = (add && f[o + 1]!) + t2
        if (m + 3 === M) continue
        o += outRow
        f[o] = (add && f[o]!) + s3
        if (pair) f[o + 1] = (add && f[o + 1]!) + t3
      }
    }
  }

  return (out, a, b, M, N, K, aRow, aCol, bRow, outRow, add) => {
    for (let n = 0; n < N; n += PANEL) {
      const columns = Math.min(PANEL, N - n)
      // Once even for K = 0, where the result is zeros.
      for (let k = 0; k === 0 || k < K; k += CHUNK) {
        const terms = Math.min(CHUNK, K - k)
        const [from, by] = [b + k * bRow + n, k === 0 ? add : 1]
        chunk(out + n, a + k * aCol, from, M, columns, terms, aRow, aCol, bRow, outRow, by)
      }
    }
  }
}
