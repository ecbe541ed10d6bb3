import { describe, expect, it } from 'vitest'
import { wasmMemory } from '../../src/learn/gemm-wasm.ts'
import { doubleMemory, plainMemory } from '../../src/learn/gemm.ts'
import {
  adamw,
  backward,
  createCache,
  createModel,
  decode,
  forward,
  generate,
  learningRate,
  loss,
  save,
  train,
} from '../../src/learn/llm500.ts'
import { naiveLogits } from '../../src/learn/naive.ts'
import { createRandom } from '../../src/learn/random.ts'
import { tales } from '../../src/learn/tales.ts'
import { presets, splitCorpus } from '../../src/learn/train.ts'
import type { Model, Shape } from '../../src/learn/types.ts'
import { lively, someIds } from './gradient-check.ts'
import * as llm500 from '../../src/learn/llm500.ts'

const shape: Shape = { layers: 2, heads: 4, channels: 32, context: 16, vocab: 31 }

function logitsOf(model: Model, rows: number): Float64Array {
  const at = model.at('logits')
  return Float64Array.from(model.f.subarray(at, at + rows * model.shape.vocab))
}

describe('a model', () => {
  it('begins at the loss of knowing nothing, ln V', () => {
    for (const preset of Object.values(presets)) {
      const model = createModel({ ...preset, vocab: 71 }, { batch: 2 })
      const value = loss(model, someIds(model.rows, 71, 1), someIds(model.rows, 71, 2))
      expect(Math.abs(value - Math.log(71))).toBeLessThan(0.05)
    }
  })

  it('can learn one batch by heart', () => {
    const model = createModel(shape, { batch: 4, memory: wasmMemory })
    const [ids, targets] = [someIds(model.rows, 31, 1), someIds(model.rows, 31, 2)]
    for (let step = 0; step < 200; step++) {
      loss(model, ids, targets)
      backward(model, ids, targets)
      adamw(model, 3e-3, 0, 1)
    }
    expect(loss(model, ids, targets)).toBeLessThan(0.05)
  })

  it.each([plainMemory, wasmMemory])('does not let the future change the past, not by one bit', (memory) => {
    const model = lively(llm500, memory)
    const { context: T, vocab: V } = model.shape
    const ids = someIds(model.rows, V, 1)
    forward(model, ids)
    const before = logitsOf(model, model.rows)
    for (let t = 1; t < T; t++) {
      const changed = ids.slice()
      changed[t] = (changed[t]! + 1) % V
      forward(model, changed)
      const after = logitsOf(model, model.rows)
      expect(after.subarray(0, t * V)).toEqual(before.subarray(0, t * V))
      expect(after.subarray(t * V, T * V)).not.toEqual(before.subarray(t * V, T * V))
      expect(after.subarray(T * V)).toEqual(before.subarray(T * V))
    }
  })

  it('treats the rows of a batch alike: exchanged rows give exchanged logits', () => {
    const model = lively(llm500)
    const { context: T, vocab: V } = model.shape
    const ids = someIds(model.rows, V, 1)
    forward(model, ids)
    const before = logitsOf(model, model.rows)
    forward(model, [...ids.subarray(T), ...ids.subarray(0, T)])
    const after = logitsOf(model, model.rows)
    expect([...after.subarray(T * V), ...after.subarray(0, T * V)]).toEqual([...before])
  })

  it.each([doubleMemory, plainMemory])(
    'decodes over a cache what the full forward pass computes',
    (memory) => {
      const model = lively(llm500, memory)
      const ids = someIds(model.shape.context, model.shape.vocab, 4)
      const cache = createCache(model)
      ids.forEach((id, t) => {
        const cached = decode(model, cache, id)
        const full = naiveLogits(model, ids.subarray(0, t + 1))
        for (let v = 0; v < full.length; v++)
          expect(Math.abs(cached[v]! - full[v]!)).toBeLessThan(1e-6 * Math.max(1, Math.abs(full[v]!)))
        expect(cache.length).toBe(t + 1)
      })
      expect(() => decode(model, cache, 0)).toThrow(RangeError)
    },
  )

  it('goes on past its window by reading the newer half of it again', () => {
    const model = lively(llm500)
    const { context, vocab } = model.shape
    const written: number[] = [...someIds(context, vocab, 6)]
    const run = generate(model, written, { temperature: 0 })
    for (let i = 0; i < 3 * context; i++) written.push(run.next().value.id)
    // Each token is the likeliest after some tail of the text, at least half a window long.
    for (let at = context; at < written.length; at++) {
      const tails = Array.from({ length: context / 2 + 1 }, (_, i) => written.slice(at - context / 2 - i, at))
      const likeliest = tails.map((tail) => {
        const logits = naiveLogits(model, tail)
        return logits.indexOf(Math.max(...logits))
      })
      expect(likeliest).toContain(written[at])
    }
  })
})

describe('training', () => {
  const { vocabulary, ...data } = splitCorpus(tales(20_000), shape.context)
  const small: Shape = { ...shape, vocab: vocabulary.chars.length }
  const run = (seed: number, memory = wasmMemory): { losses: number[]; file: Uint8Array } => {
    const model = createModel(small, { batch: 4, seed, memory })
    const steps = [...train(model, data, { steps: 30, lr: 3e-3, evalEvery: 10, seed })]
    expect(steps.flatMap(({ step, valLoss }) => (valLoss === undefined ? [] : [step]))).toEqual([10, 20, 30])
    return { losses: steps.map((step) => step.loss), file: save(model, vocabulary.chars) }
  }

  it('gives the same bytes for the same seed, others for another', () => {
    const [first, again, other] = [run(1), run(1), run(2)]
    expect(again.file).toEqual(first.file)
    expect(other.file).not.toEqual(first.file)
  })

  it('lowers the loss, and WebAssembly and TypeScript agree on it to 6 digits', () => {
    const [wasm, plain] = [run(1).losses, run(1, plainMemory).losses]
    expect(wasm.at(-1)!).toBeLessThan(wasm[0]! - 0.8)
    wasm.forEach((value, i) => expect(Math.abs(value - plain[i]!) / value).toBeLessThan(1e-5))
  })

  it('records the losses it had when this was written, to 6 digits on any engine', () => {
    const { losses } = run(1)
    const recorded = [4.1129736, 3.15365618, 3.25453298]
    recorded.forEach((value, i) =>
      expect(Math.abs(losses[[0, 14, 29][i]!]! - value) / value).toBeLessThan(1e-6),
    )
  })

  it('warms up, then follows half a cosine down to the smallest rate', () => {
    const options = { steps: 100, lr: 1, minLr: 0.2 }
    expect(learningRate(1, options)).toBeCloseTo(0.2)
    expect(learningRate(5, options)).toBe(1)
    expect(learningRate(52.5, options)).toBeCloseTo(0.6)
    expect(learningRate(100, options)).toBeCloseTo(0.2)
  })

  it('clips the gradient to the norm it was given', () => {
    const step = (clip: number): number => {
      const model = createModel(small, { batch: 1 })
      const ids = data.train.subarray(0, small.context)
      loss(model, ids, data.train.subarray(1, small.context + 1))
      backward(model, ids, data.train.subarray(1, small.context + 1))
      const norm = adamw(model, 0, 0, clip)
      const [m, P] = [model.at('moment1'), model.params]
      const moment = Math.hypot(...model.f.subarray(m, m + P)) * 10
      expect(norm).toBeGreaterThan(0.5)
      return moment / Math.min(norm, clip)
    }
    expect(step(0.1)).toBeCloseTo(1, 4)
    expect(step(1e9)).toBeCloseTo(1, 4)
  })

  it('says so when the loss leaves the numbers, when a corpus is too short, when there is no batch', () => {
    const model = createModel(small, { batch: 2 })
    model.f[0] = NaN
    expect(() => [...train(model, data, { steps: 50 })]).toThrow(/lower lr/)
    const short = { train: new Int32Array(small.context), val: data.val }
    expect(() => [...train(createModel(small, { batch: 1 }), short, { steps: 1 })]).toThrow(/windows/)
    expect(() => [...train(createModel(small), data, { steps: 1 })]).toThrow(RangeError)
    expect(() => forward(model, new Int32Array(3))).toThrow(/windows/)
    expect(() => forward(model, new Int32Array(0))).toThrow(/windows/)
    expect(() => forward(model, new Int32Array(small.context * 3))).toThrow(/windows/)
  })

  it('refuses shapes that cannot be', () => {
    for (const wrong of [{ heads: 3 }, { layers: 0 }, { channels: 1.5 }, { vocab: -1 }, { context: NaN }]) {
      expect(() => createModel({ ...shape, ...wrong })).toThrow(/shape/)
    }
  })
})

describe('the random numbers', () => {
  it('are the same for the same seed and fill [0, 1) evenly', () => {
    const [a, b] = [createRandom(7), createRandom(7)]
    const counts = new Float64Array(16)
    let different = 0
    for (let i = 0; i < 16_000; i++) {
      const value = a()
      if (b() !== value) different++
      counts[Math.floor(value * 16)]! += 1
    }
    expect(different).toBe(0)
    const chiSquare = counts.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0)
    expect(chiSquare).toBeLessThan(37.7) // 15 degrees of freedom, p = 0.001
  })
})
