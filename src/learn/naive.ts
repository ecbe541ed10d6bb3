/**
 * The slow twins of llm500.ts: the same mathematics written the way a textbook prints it, to be read beside the
 * fast versions and to check them. In and out as there. Deliberately not here: anything clever.
 */
import type { Floats, Gemm, Memory } from './types.ts'

/** The triple loop: one output at a time, every number fetched anew. Twin of `blockedGemm` and `wasmMemory`. */
export function naiveGemm(f: Floats): Gemm {
  return (out, a, b, M, N, K, aRow, aCol, bRow, outRow, add) => {
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let sum = add ? f[out + m * outRow + n]! : 0
        for (let k = 0; k < K; k++) sum += f[a + m * aRow + k * aCol]! * f[b + k * bRow + n]!
        f[out + m * outRow + n] = sum
      }
    }
  }
}

/** Float32 memory with the triple loop. */
export function naiveMemory(length: number): Memory {
  const f = new Float32Array(length)
  return { f, gemm: naiveGemm(f) }
}
