/**
 * The searches against models whose best prompt is known. Each claim of the library about a mechanism is a landscape
 * where it must win and its ablation must lose; where a plain climber is as good, the test says that too.
 */
import { describe, expect, it } from 'vitest'
import {
  compare,
  mean,
  optimize,
  promptOf,
  simulatedModel,
  traitsOf,
  type SimulatedModel,
  type Strategy,
} from '../../src/learn/optimize/index.ts'

const FULL = process.env['LLMSWAP_FULL'] === '1'

/** Best scores by seed. */
async function finals(
  model: SimulatedModel,
  strategy: Strategy,
  budget: number,
  seeds: number,
): Promise<number[]> {
  const scores: number[] = []
  for (let seed = 1; seed <= seeds; seed++) {
    const { best, record } = await optimize({ ...model, strategy, budget, seed, concurrency: 1 })
    expect(record.spent).toBeLessThanOrEqual(budget)
    expect(best.mean).toBeLessThanOrEqual(model.optimum.score + 1e-12)
    scores.push(best.mean!)
  }
  return scores
}

const share = (scores: readonly number[], optimum: number): number =>
  scores.filter((score) => score > optimum - 1e-9).length / scores.length

describe('the simulated models', () => {
  it('read traits from prompts written by anyone', () => {
    for (const bits of [0, 1, 0b1010011, 2 ** 20 - 1]) expect(traitsOf(promptOf(bits, 20), 20)).toBe(bits)
    expect(traitsOf('As an EXPERT, reason step by step.', 10)).toBe(0b11)
  })

  it.each(['additive', 'pairwise'] as const)(
    '%s: the brute-forced optimum is the score of its prompt',
    (name) => {
      const { evaluate, examples, optimum } = simulatedModel(name, 2)
      expect(mean(examples.map((example) => evaluate(optimum.prompt, example).score))).toBeCloseTo(
        optimum.score,
        12,
      )
      let best = 0
      for (let bits = 0; bits < 2 ** 10; bits++) {
        best = Math.max(best, mean(examples.map((example) => evaluate(promptOf(bits, 10), example).score)))
      }
      expect(best).toBeCloseTo(optimum.score, 12)
    },
  )

  it('deceptive: one trait more is worse until the block is whole', () => {
    const { evaluate, optimum } = simulatedModel('deceptive')
    const scores = [0, 1, 3, 7, 15].map((bits) => evaluate(promptOf(bits, 20), { id: 'q1' }).score)
    expect(scores).toEqual([0.75, 0.5, 0.25, 0, 1])
    expect(traitsOf(optimum.prompt, 20)).toBe(2 ** 20 - 1)
  })
})

describe('the genetic search', () => {
  it.each(['additive', 'pairwise'] as const)(
    'finds the best of 1,024 prompts within 250 (%s), in four seeds of five',
    async (name) => {
      const model = simulatedModel(name)
      const scores = await finals(model, 'genetic', 250 * model.examples.length, FULL ? 50 : 5)
      expect(share(scores, model.optimum.score)).toBeGreaterThanOrEqual(0.8)
    },
  )

  it('finds the best of a million deceptive prompts within 2,000; without crossover, and by climbing, hardly ever', async () => {
    const model = simulatedModel('deceptive')
    const budget = 2000 * model.examples.length
    const genetic = { name: 'genetic', population: 160 } as const
    const crossed = await finals(model, genetic, budget, FULL ? 50 : 3)
    const [ablated, climbed] = [
      await finals(model, { ...genetic, crossoverRate: 0 }, budget, FULL ? 10 : 3),
      await finals(model, 'hill-climb', budget, FULL ? 10 : 3),
    ]
    expect(share(crossed, 1)).toBeGreaterThanOrEqual(FULL ? 0.8 : 2 / 3)
    for (const others of [ablated, climbed]) {
      expect(share(others, 1)).toBeLessThanOrEqual(FULL ? 0.3 : 1 / 3)
      // Seed by seed, not on the average alone.
      expect(compare(crossed.slice(0, others.length), others).low).toBeGreaterThan(0)
    }
  })

  it('has no lead over a climber where every step leads upwards', async () => {
    const model = simulatedModel('additive')
    const budget = 40 * model.examples.length
    const [bred, climbed] = [
      await finals(model, 'genetic', budget, 10),
      await finals(model, 'hill-climb', budget, 10),
    ]
    expect(compare(climbed, bred).difference).toBeGreaterThan(0)
  })

  it('beats random search at equal cost, also with parents drawn by the wheel', async () => {
    const model = simulatedModel('pairwise')
    const budget = 60 * model.examples.length
    const seeds = FULL ? 60 : 20
    const roulette = await finals(model, { name: 'genetic', selection: 'roulette' }, budget, seeds)
    const random = await finals(model, 'random', budget, seeds)
    expect(compare(roulette, random).low).toBeGreaterThan(0)
  })
})

describe('the Pareto search', () => {
  it('beats its greedy twin where a mediocre trick hides the specialists', async () => {
    const model = simulatedModel('specialists')
    const budget = 40 * model.examples.length
    const seeds = FULL ? 25 : 8
    const pareto = await finals(model, 'pareto', budget, seeds)
    const greedy = await finals(model, { name: 'pareto', selection: 'greedy' }, budget, seeds)
    const { low, wins, losses } = compare(pareto, greedy)
    expect(low).toBeGreaterThan(0.1)
    expect(wins).toBeGreaterThan(5 * losses)
    expect(mean(pareto)).toBeGreaterThan(0.8)
    expect(mean(greedy)).toBeLessThan(0.7)
  })

  it('reaches the best additive prompt with a third of the genetic budget: its gate refuses early', async () => {
    const model = simulatedModel('additive')
    const budget = 80 * model.examples.length
    expect(
      share(await finals(model, 'pareto', budget, FULL ? 20 : 10), model.optimum.score),
    ).toBeGreaterThanOrEqual(0.8)
    const ungated = await finals(
      model,
      { name: 'pareto', gate: false },
      Math.round(budget / 3),
      FULL ? 20 : 10,
    )
    const gated = await finals(model, 'pareto', Math.round(budget / 3), FULL ? 20 : 10)
    expect(compare(gated, ungated).low).toBeGreaterThan(0)
  })
})
