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

/** 4 × 2 outputs at a time: a number once loaded is used 2 or 4 times before it leaves its register. */
export function blockedGemm(f: Floats): Gemm {
  return (out, a, b, M, N, K, aRow, aCol, bRow, outRow, add) => {
    for (let m = 0; m < M; m += 4) {
      for (let n = 0; n < N; n += 2) {
        let o = out + m * outRow + n
        let p = a + m * aRow
        let q = b + n
        if (m + 4 > M || n + 2 > N) {
          for (let i = 0; i < Math.min(4, M - m); i++) {
            for (let j = 0; j < Math.min(2, N - n); j++) {
              let sum = 0
              for (let k = 0; k < K; k++) sum += f[p + i * aRow + k * aCol]! * f[q + j + k * bRow]!
              f[o + i * outRow + j] = add * f[o + i * outRow + j]! + sum
            }
          }
          continue
        }
        let s0 = 0
        let s1 = 0
        let s2 = 0
        let s3 = 0
        let t0 = 0
        let t1 = 0
        let t2 = 0
        let t3 = 0
        for (let k = 0; k < K; k++) {
          const left = f[q]!
          const right = f[q + 1]!
          s0 += f[p]! * left
          t0 += f[p]! * right
          s1 += f[p + aRow]! * left
          t1 += f[p + aRow]! * right
          s2 += f[p + 2 * aRow]! * left
          t2 += f[p + 2 * aRow]! * right
          s3 += f[p + 3 * aRow]! * left
          t3 += f[p + 3 * aRow]! * right
          p += aCol
          q += bRow
        }
        f[o] = (add && f[o]!) + s0
        f[o + 1] = (add && f[o + 1]!) + t0
        o += outRow
        f[o] = (add && f[o]!) + s1
        f[o + 1] = (add && f[o + 1]!) + t1
        o += outRow
        f[o] = (add && f[o]!) + s2
        f[o + 1] = (add && f[o + 1]!) + t2
        o += outRow
        f[o] = (add && f[o]!) + s3
        f[o + 1] = (add && f[o + 1]!) + t3
      }
    }
  }
}
