import { describe, expect, it } from 'vitest'
import { sampleToken } from '../../src/learn/llm500.ts'
import { createRandom } from '../../src/learn/random.ts'
import {
  entropyBits,
  minP,
  orders,
  repetitionPenalty,
  sample,
  softmax,
  stepsOf,
  survivors,
  temperature,
  topK,
  topP,
  type SamplingSettings,
} from '../../src/learn/sampling.ts'

const logits = Float64Array.from([1.2, -0.3, 3.1, 0.4, 2.6, -2, 0.9, 1.9])
/** The 0.999 quantile of chi-square with 1 to 7 degrees of freedom. */
const CRITICAL = [10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32]

/** The distribution the settings should give, from the definitions, in the order temperature, k, p, min-p. */
function closedForm({
  temperature: t = 1,
  topK: k = Infinity,
  topP: p = 1,
  minP: m = 0,
}: SamplingSettings): number[] {
  const normal = (weights: number[]): number[] => {
    const sum = weights.reduce((a, b) => a + b)
    return weights.map((weight) => weight / sum)
  }
  let chances = normal(Array.from(logits, (logit) => Math.exp(logit / t)))
  const rank = chances.map((chance) => chances.filter((other) => other > chance).length)
  chances = normal(chances.map((chance, i) => (rank[i]! < k ? chance : 0)))
  const before = chances.map((_, i) =>
    chances.filter((__, j) => rank[j]! < rank[i]!).reduce((a, b) => a + b, 0),
  )
  chances = normal(chances.map((chance, i) => (before[i]! < p ? chance : 0)))
  const best = Math.max(...chances)
  return normal(chances.map((chance) => (chance >= m * best ? chance : 0)))
}

const cases: SamplingSettings[] = [
  {},
  { temperature: 0.5 },
  { temperature: 2 },
  { topK: 3 },
  { topP: 0.8 },
  { minP: 0.2 },
  { temperature: 1.5, topK: 6, topP: 0.85, minP: 0.1 },
]

describe.each(cases)('sampling with %o', (settings) => {
  const expected = closedForm(settings)
  const draws = 20_000

  it.each([
    ['sampleToken', (random: () => number) => sampleToken(logits, settings, random)],
    [
      'the switchable steps',
      (random: () => number) => sample(logits, stepsOf(settings, orders.transformers), random),
    ],
  ])('%s draws from the closed form (chi-square, p > 0.001)', (_, draw) => {
    const random = createRandom(11)
    const counts = expected.map(() => 0)
    for (let i = 0; i < draws; i++) counts[draw(random)]! += 1
    const possible = expected.flatMap((p, id) => (p > 0 ? [id] : []))
    expected.forEach((p, id) => p === 0 && expect(counts[id]).toBe(0))
    const chiSquare = possible.reduce((sum, id) => {
      const mean = expected[id]! * draws
      return sum + (counts[id]! - mean) ** 2 / mean
    }, 0)
    expect(chiSquare).toBeLessThan(CRITICAL[possible.length - 2]!)
  })

  it('draws the same id by both ways from the same random numbers', () => {
    const [a, b] = [createRandom(3), createRandom(3)]
    const steps = stepsOf(settings, orders.transformers)
    for (let i = 0; i < 500; i++) expect(sampleToken(logits, settings, a)).toBe(sample(logits, steps, b))
  })
})

describe('the order of the steps', () => {
  it('decides who survives: a high temperature before top-p keeps more than after it', () => {
    const settings = { temperature: 3, topP: 0.8 }
    const first = survivors(logits, stepsOf(settings, orders.transformers))
    const last = survivors(logits, stepsOf(settings, orders['llama.cpp']))
    expect(first.length).toBeGreaterThan(last.length)
  })
})

describe('one step', () => {
  const all = survivors(logits, [])

  it('keeps the likeliest first', () => {
    expect(all.map(({ id }) => id)).toEqual([2, 4, 7, 0, 6, 3, 1, 5])
  })

  it('keeps everything when asked for more than there is, and always somebody', () => {
    expect(topK(1000)(all)).toEqual(all)
    expect(topP(1)(all)).toEqual(all)
    expect(minP(0)(all)).toEqual(all)
    expect(topP(1e-9)(all).map(({ id }) => id)).toEqual([2])
    expect(minP(1)(all).map(({ id }) => id)).toEqual([2])
  })

  it('at temperature 0 takes the likeliest', () => {
    expect(sample(logits, [temperature(0)], Math.random)).toBe(2)
    expect(sampleToken(logits, { temperature: 0 }, Math.random)).toBe(2)
  })

  it('at a tiny temperature does not overflow', () => {
    expect(sampleToken(logits, { temperature: 1e-300 }, () => 0.999)).toBe(2)
  })

  it('punishes what was written: it can change who is likeliest', () => {
    const [first] = survivors(logits, [repetitionPenalty(2, [2])])
    expect(first?.id).toBe(4)
    const negative = survivors([-1, -1.5], [repetitionPenalty(2, [0])])
    expect(negative.map(({ id }) => id)).toEqual([1, 0])
  })

  it.each([
    () => temperature(-1),
    () => temperature(NaN),
    () => topK(0),
    () => topK(NaN),
    () => topP(0),
    () => topP(1.5),
    () => minP(-0.1),
    () => minP(2),
    () => repetitionPenalty(0, []),
    () => sampleToken(logits, { temperature: -1 }, Math.random),
    () => sampleToken(logits, { temperature: NaN }, Math.random),
    () => sampleToken(logits, { topK: 0 }, Math.random),
    () => sampleToken(logits, { topP: -1 }, Math.random),
    () => sampleToken(logits, { minP: NaN }, Math.random),
  ])('refuses settings that mean nothing: %s', (make) => {
    expect(make).toThrow(RangeError)
  })
})

describe('entropy', () => {
  it('counts the bits of a fair choice and none of a certain one', () => {
    expect(entropyBits([0.25, 0.25, 0.25, 0.25])).toBeCloseTo(2)
    expect(entropyBits([1, 0, 0])).toBe(0)
    expect(entropyBits(softmax(survivors(logits, [temperature(0)])))).toBe(0)
  })
})
