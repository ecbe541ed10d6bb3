/**
 * The slow twins of llm500.ts and gemm.ts: the same mathematics the way a textbook prints it, to be read beside the
 * fast versions and to check them. Arguments as there. Deliberately not here: anything clever.
 */
import { createModel, forward } from './llm500.ts'
import type { Floats, Gemm, Memory, Model } from './types.ts'

/** The triple loop: one output at a time, every number fetched anew. Twin of `blockedGemm` and `wasmMemory`. */
export function naiveGemm(f: Floats): Gemm {
  return (out, a, b, M, N, K, aRow, aCol, bRow, outRow, add, bCol = 1) => {
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let sum = 0
        for (let k = 0; k < K; k++) sum += f[a + m * aRow + k * aCol]! * f[b + k * bRow + n * bCol]!
        f[out + m * outRow + n] = (add && f[out + m * outRow + n]!) + sum
      }
    }
  }
}

/** Float32 memory with the triple loop. */
export function naiveMemory(length: number): Memory {
  const f = new Float32Array(length)
  return { f, gemm: naiveGemm(f) }
}

type Layer = (memory: Memory, ...args: number[]) => void

/** (out, att, qkv, B, T, C, H): attention position by position, never looking past t. Twin of `attentionForward`. */
export const naiveAttentionForward: Layer = ({ f }, out, att, qkv, B, T, C, H) => {
  const D = C / H
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      for (let t = 0; t < T; t++) {
        const q = qkv + (b * T + t) * 3 * C + h * D
        const row = att + ((b * H + h) * T + t) * T
        let sum = 0
        for (let s = 0; s <= t; s++) {
          const k = qkv + (b * T + s) * 3 * C + C + h * D
          let dot = 0
          for (let d = 0; d < D; d++) dot += f[q + d]! * f[k + d]!
          f[row + s] = Math.exp(dot / Math.sqrt(D))
          sum += f[row + s]!
        }
        for (let s = 0; s < T; s++) f[row + s] = s <= t ? f[row + s]! / sum : 0
        for (let d = 0; d < D; d++) {
          let mixed = 0
          for (let s = 0; s <= t; s++)
            mixed += f[row + s]! * f[qkv + (b * T + s) * 3 * C + 2 * C + h * D + d]!
          f[out + (b * T + t) * C + h * D + d] = mixed
        }
      }
    }
  }
}

/** (dqkv, dout, att, qkv, B, T, C, H): the chain rule, term by term. Twin of `attentionBackward`. */
export const naiveAttentionBackward: Layer = ({ f }, dqkv, dout, att, qkv, B, T, C, H) => {
  const D = C / H
  f.fill(0, dqkv, dqkv + B * T * 3 * C)
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      for (let t = 0; t < T; t++) {
        const at = (base: number, s: number, part: number): number =>
          base + (b * T + s) * 3 * C + part * C + h * D
        const row = att + ((b * H + h) * T + t) * T
        const d = dout + (b * T + t) * C + h * D
        const dWeights = Array.from({ length: t + 1 }, (_, s) => {
          let dot = 0
          for (let i = 0; i < D; i++) dot += f[d + i]! * f[at(qkv, s, 2) + i]!
          return dot
        })
        const mean = dWeights.reduce((sum, value, s) => sum + value * f[row + s]!, 0)
        for (let s = 0; s <= t; s++) {
          const dScore = (f[row + s]! * (dWeights[s]! - mean)) / Math.sqrt(D)
          for (let i = 0; i < D; i++) {
            f[at(dqkv, t, 0) + i]! += dScore * f[at(qkv, s, 1) + i]!
            f[at(dqkv, s, 1) + i]! += dScore * f[at(qkv, t, 0) + i]!
            f[at(dqkv, s, 2) + i]! += f[row + s]! * f[d + i]!
          }
        }
      }
    }
  }
}

/**
 * The logits of the token after `ids` without a cache: the whole window is computed again. Twin of `decode`. The model
 * needs a batch of at least 1; what stands behind `ids` in the window is padding, which causality hides.
 */
export function naiveLogits(model: Model, ids: ArrayLike<number>): Float64Array {
  const { context, vocab } = model.shape
  const window = new Int32Array(context)
  window.set(Array.from(ids).slice(-context))
  forward(model, window)
  const at = model.at('logits') + (Math.min(ids.length, context) - 1) * vocab
  return Float64Array.from(model.f.subarray(at, at + vocab))
}

/** The same parameters in another memory or with another batch. */
export function copyModel(
  model: Model,
  options: { batch?: number; memory?: (length: number) => Memory },
): Model {
  const copy = createModel(model.shape, options)
  copy.f.set(model.f.subarray(0, model.params))
  copy.step = model.step
  return copy
}
