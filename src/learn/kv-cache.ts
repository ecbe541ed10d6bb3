/**
 * What a KV cache saves and what it costs: formulas, each beside a function that measures the same on the real model.
 * In: a shape and a number of tokens. Out: floating point operations (a multiply-add is 2) and bytes. Matrix products
 * and attention are counted; norms, GELU and softmax, under 2 %, are not.
 */
import { createCache, createModel, decode, forward } from './llm500.ts'
import { plainMemory } from './gemm.ts'
import type { Cache, Memory, Model, Shape } from './types.ts'

/** Bytes of keys and values: 2·L·C·tokens·bytes each·sequences. */
export function cacheBytes(
  shape: Shape,
  tokens: number,
  bytesEach: number = 4,
  sequences: number = 1,
): number {
  return 2 * shape.layers * shape.channels * tokens * bytesEach * sequences
}

/** The measured counterpart: bytes an empty cache for the whole window occupies. */
export function measuredCacheBytes(model: Model): number {
  const { k, v } = createCache(model)
  return k.byteLength + v.byteLength
}

/** Operations of one token in all matrices: 24·C² per layer, and the head. Does not depend on the position. */
export function linearFlops({ layers, channels: C, vocab }: Shape): number {
  return layers * 24 * C * C + 2 * C * vocab
}

/** Operations of one token's attention over the `seen` tokens up to itself: 4·seen·C per layer. */
export function attentionFlops({ layers, channels }: Shape, seen: number): number {
  return layers * 4 * seen * channels
}

/** Operations to write n tokens with a cache: every token is computed once. Grows with n². */
export function cachedFlops(shape: Shape, n: number): number {
  return n * linearFlops(shape) + (attentionFlops(shape, 1) * n * (n + 1)) / 2
}

/** Operations to write n tokens without one: every token computes all before it again. Grows with n³. */
export function uncachedFlops(shape: Shape, n: number): number {
  let sum = 0
  for (let length = 1; length <= n; length++) sum += cachedFlops(shape, length)
  return sum
}

/**
 * Where attention costs as much as the matrices: for a single token at position 6·C, summed over a generation at
 * 12·C tokens. (The head is left out here.)
 */
export function crossover({ channels }: Shape): { token: number; generation: number } {
  return { token: 6 * channels, generation: 12 * channels }
}

/**
 * The measured counterpart: operations of all matrix products of one forward pass over a full window, counted as they
 * are called. The forward pass computes attention as full T×T products, the masked half included.
 */
export function measuredForwardFlops(shape: Shape): number {
  let flops = 0
  const counting = (length: number): Memory => {
    const { f, gemm } = plainMemory(length)
    return {
      f,
      gemm: (...args) => {
        flops += 2 * args[3]! * args[4]! * args[5]!
        gemm(...args)
      },
    }
  }
  forward(createModel(shape, { batch: 1, memory: counting }), new Int32Array(shape.context))
  return flops
}

/** Milliseconds per token, one by one, to write a full window with a cache; `now` is `performance.now` or a fake. */
export function measuredDecodeMs(model: Model, now: () => number): number[] {
  const cache: Cache = createCache(model)
  return Array.from({ length: model.shape.context }, (_, t) => {
    const start = now()
    decode(model, cache, t % model.shape.vocab)
    return now() - start
  })
}
