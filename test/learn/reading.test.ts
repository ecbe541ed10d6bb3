import { describe, expect, it } from 'vitest'
import { attention, attentionMaps } from '../../src/learn/attention.ts'
import {
  attentionFlops,
  cacheBytes,
  cachedFlops,
  crossover,
  linearFlops,
  measuredCacheBytes,
  measuredDecodeMs,
  measuredForwardFlops,
  uncachedFlops,
} from '../../src/learn/kv-cache.ts'
import { blockedGemm } from '../../src/learn/gemm.ts'
import * as llm500 from '../../src/learn/llm500.ts'
import { batchNorm, layerNorm, leak, rmsNorm } from '../../src/learn/norm.ts'
import { createRandom, gaussian } from '../../src/learn/random.ts'
import type { Shape } from '../../src/learn/types.ts'
import { lively, someIds } from './gradient-check.ts'

const random = createRandom(1)
const rows = (n: number, width: number): number[][] =>
  Array.from({ length: n }, () => Array.from({ length: width }, () => gaussian(random)))

describe('attention in four passes', () => {
  it('computes what one head of the model computes', () => {
    const [T, D] = [5, 4]
    const [q, k, v] = [rows(T, D), rows(T, D), rows(T, D)]
    const { weights, out } = attention(q, k, v)
    const f = new Float64Array(3 * T * D + T * T + T * D)
    q.forEach((_, t) => f.set([...q[t]!, ...k[t]!, ...v[t]!], t * 3 * D))
    const memory = { f, gemm: blockedGemm(f) }
    const [att, to] = [3 * T * D, 3 * T * D + T * T]
    llm500.attentionForward(memory, to, att, 0, 1, T, D, 1)
    weights.flat().forEach((weight, i) => expect(weight).toBeCloseTo(f[att + i]!, 12))
    out.flat().forEach((value, i) => expect(value).toBeCloseTo(f[to + i]!, 12))
  })

  it('looks at everything when it is not causal, and never ahead when it is', () => {
    const x = rows(4, 3)
    expect(
      attention(x, x, x, false)
        .weights.flat()
        .every((w) => w > 0),
    ).toBe(true)
    attention(x, x, x).weights.forEach((row, t) => {
      expect(row.reduce((a, b) => a + b)).toBeCloseTo(1)
      expect(row.slice(t + 1).every((w) => w === 0)).toBe(true)
    })
  })

  it('refuses rows that do not fit', () => {
    expect(() => attention(rows(2, 3), rows(2, 4), rows(2, 4))).toThrow(RangeError)
    expect(() => attention(rows(2, 3), rows(2, 3), rows(1, 3))).toThrow(RangeError)
    expect(() => attention([], [], [])).toThrow(RangeError)
  })
})

describe('the attention maps of a model', () => {
  it('are distributions over the past, whatever stands behind the text', () => {
    const model = lively(llm500)
    const ids = someIds(4, model.shape.vocab, 2)
    const maps = attentionMaps(model, ids)
    expect([maps.length, maps[0]!.length, maps[0]![0]!.length]).toEqual([2, 2, 4])
    maps.flat().forEach((head) =>
      head.forEach((row, t) => {
        expect(row.reduce((a, b) => a + b)).toBeCloseTo(1)
        expect(row.slice(t + 1)).toEqual(row.slice(t + 1).map(() => 0))
      }),
    )
    expect(() => attentionMaps(model, [])).toThrow(RangeError)
    expect(() => attentionMaps(model, new Int32Array(99))).toThrow(RangeError)
  })
})

describe('norms', () => {
  const x = Array.from({ length: 3 }, () => rows(5, 8))

  it('LayerNorm and RMSNorm tell nobody; BatchNorm tells the past and strangers', () => {
    expect(leak(layerNorm, x, 1, 3)).toEqual({ past: 0, future: 0, rows: 0 })
    expect(leak(rmsNorm, x, 1, 3)).toEqual({ past: 0, future: 0, rows: 0 })
    const heard = leak(batchNorm, x, 1, 3)
    expect(heard.past).toBeGreaterThan(0.01)
    expect(heard.rows).toBeGreaterThan(0.01)
  })

  it('LayerNorm forgets a constant added to all channels, RMSNorm does not', () => {
    const shifted = x.map((row) => row.map((position) => position.map((value) => value + 3)))
    const difference = (norm: typeof layerNorm): number => {
      const [a, b] = [norm(x).flat(2), norm(shifted).flat(2)]
      return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))
    }
    expect(difference(layerNorm)).toBeLessThan(1e-12)
    expect(difference(rmsNorm)).toBeGreaterThan(0.1)
  })

  it('BatchNorm has nothing to say about a single position: generation one by one breaks under it', () => {
    expect(batchNorm([[[5, -2, 7]]])).toEqual([[[0, 0, 0]]])
    expect(
      layerNorm([[[5, -2, 7]]])
        .flat(2)
        .every((value) => value !== 0),
    ).toBe(true)
  })

  it('the model normalises as layerNorm does', () => {
    const row = rows(1, 8)[0]!
    const f = new Float64Array(8 * 4 + 2)
    f.set(row)
    f.fill(1, 8, 16)
    llm500.layerNormForward({ f, gemm: () => {} }, 24, 32, 33, 0, 8, 16, 1, 8)
    layerNorm([[row]])[0]![0]!.forEach((value, c) => expect(f[24 + c]).toBeCloseTo(value, 12))
  })
})

describe('the cost of a KV cache', () => {
  const shape: Shape = { layers: 3, heads: 2, channels: 16, context: 24, vocab: 19 }

  it('is as many bytes as the formula says', () => {
    expect(cacheBytes(shape, shape.context)).toBe(measuredCacheBytes(llm500.createModel(shape)))
    // Llama 2 7B at 4,096 tokens in 16 bits: 2 GiB.
    const llama = { layers: 32, heads: 32, channels: 4096, context: 4096, vocab: 32_000 }
    expect(cacheBytes(llama, 4096, 2)).toBe(2 * 2 ** 30)
  })

  it('is as many operations as are called', () => {
    const { context: T } = shape
    const full = T * (linearFlops(shape) + attentionFlops(shape, T))
    expect(measuredForwardFlops(shape)).toBe(full)
  })

  it('saves a factor that grows with the length: n² against n³', () => {
    expect(cachedFlops(shape, 1)).toBe(uncachedFlops(shape, 1))
    const saved = [16, 64, 256].map((n) => uncachedFlops(shape, n) / cachedFlops(shape, n))
    expect(saved[0]).toBeGreaterThan(8)
    expect(saved[2]! / saved[1]!).toBeGreaterThan(3)
  })

  it('is half attention at 6·C for a token and 12·C for a generation', () => {
    const layer = { ...shape, vocab: 0 }
    const { token, generation } = crossover(shape)
    expect(attentionFlops(layer, token)).toBe(linearFlops(layer))
    const share = cachedFlops(layer, generation) / (generation * linearFlops(layer))
    expect(share).toBeCloseTo(2, 1)
  })

  it('can be timed, token by token', () => {
    let clock = 0
    const times = measuredDecodeMs(llm500.createModel(shape), () => clock++)
    expect(times).toEqual(Array.from({ length: shape.context }, () => 1))
  })
})
