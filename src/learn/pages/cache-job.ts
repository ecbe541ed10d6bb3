/**
 * Measures what a token costs with and without a KV cache. In: a shape. Out: milliseconds by position, as they are
 * measured, and the prefill of a whole window at once. Random weights: time does not depend on what a model knows.
 */
import { createCache, createModel, decode, forward } from '../llm500.ts'
import type { Shape } from '../types.ts'
import type { Job } from './kit/worker.ts'
import { memoryOf } from './kit/model.ts'

/** What to measure. */
export interface CacheAsk {
  readonly shape: Shape
  /** Positions at which the whole prefix is read again. */
  readonly probes: number
}

/** One measurement. */
export type CacheAnswer =
  | { readonly kind: 'cached'; readonly position: number; readonly ms: number }
  | { readonly kind: 'uncached'; readonly position: number; readonly ms: number }
  | { readonly kind: 'prefill'; readonly ms: number; readonly tokens: number }
  | { readonly kind: 'done' }

/** Tokens timed together. */
const BLOCK = 8

/** Runs the measurement; the first pass warms the engine up and is not reported. */
export const measureCache: Job<CacheAsk, CacheAnswer> = async ({ shape, probes }, answer, control) => {
  const model = createModel(shape)
  const token = (t: number): number => (7 * t) % shape.vocab
  const warm = createCache(model)
  for (let t = 0; t < Math.min(32, shape.context); t++) decode(model, warm, token(t))
  // Eight tokens to a reading, because a page's clock may tick in tenths of a millisecond; the fastest of five rounds,
  // because that is the one that was not interrupted.
  const best = new Float64Array(shape.context).fill(Infinity)
  for (let round = 0; round < 5; round++) {
    const cache = createCache(model)
    for (let t = 0; t < shape.context; t += BLOCK) {
      const end = Math.min(shape.context, t + BLOCK)
      const start = performance.now()
      for (let i = t; i < end; i++) decode(model, cache, token(i))
      const each = (performance.now() - start) / (end - t)
      for (let i = t; i < end; i++) best[i] = Math.min(best[i]!, each)
      if (t % 64 === 0 && (await control.turn())) return
    }
  }
  for (let t = 0; t < shape.context; t++) answer({ kind: 'cached', position: t + 1, ms: best[t]! })
  for (let i = 1; i <= probes; i++) {
    const n = Math.max(1, Math.round((shape.context * i) / probes))
    let ms = Infinity
    for (let round = 0; round < 3; round++) {
      const start = performance.now()
      const cache = createCache(model)
      for (let t = 0; t < n; t++) decode(model, cache, token(t))
      ms = Math.min(ms, performance.now() - start)
    }
    answer({ kind: 'uncached', position: n, ms })
    if (await control.turn()) return
  }
  const whole = createModel(shape, { batch: 1, memory: memoryOf('wasm').memory })
  const ids = Int32Array.from({ length: shape.context }, (_, t) => token(t))
  let ms = Infinity
  for (let round = 0; round < 5; round++) {
    const start = performance.now()
    forward(whole, ids)
    ms = Math.min(ms, performance.now() - start)
  }
  answer({ kind: 'prefill', ms, tokens: shape.context })
  answer({ kind: 'done' })
}
