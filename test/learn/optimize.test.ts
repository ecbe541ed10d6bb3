/** The promises of the prompt search that hold on every landscape: bounds, repetition, resumption, and bad input. */
import { describe, expect, it } from 'vitest'
import { createRandom } from '../../src/learn/random.ts'
import {
  bootstrapInterval,
  compare,
  frontier,
  median,
  optimize,
  race,
  simulatedModel,
  type Example,
  type Individual,
  type Journal,
  type Mutate,
  type OptimizeOptions,
  type SearchEvent,
  type Strategy,
} from '../../src/learn/optimize/index.ts'

const FULL = process.env['LLMSWAP_FULL'] === '1'
const STRATEGIES: readonly Strategy[] = ['random', 'hill-climb', 'genetic', 'pareto']
// Joined, for a rope of a million characters is flattened anew on every look.
const MEGABYTE = Array(1_000_000).fill('x').join('')
const pairwise = simulatedModel('pairwise', 1)

/** A task that fails where it should not be touched again. */
function watched(strategy: Strategy, budget: number, seed: number): OptimizeOptions & { pairs: string[] } {
  const pairs: string[] = []
  return {
    ...pairwise,
    strategy,
    budget,
    seed,
    pairs,
    evaluate: (prompt, example) => {
      pairs.push(`${example.id} ${prompt}`)
      return pairwise.evaluate(prompt, example)
    },
  }
}

describe.each(STRATEGIES)('%s', (strategy) => {
  const seeds = Array.from({ length: FULL ? 12 : 3 }, (_, i) => i + 1)

  it.each(seeds)(
    'spends its budget, never more, on no pair twice; best so far only rises (seed %i)',
    async (seed) => {
      const budget = 100 + 37 * seed
      const events: SearchEvent[] = []
      const options = watched(strategy, budget, seed)
      const { record, best, stopReason } = await optimize({
        ...options,
        onEvent: (event) => events.push(event),
      })
      expect(options.pairs.length).toBeLessThanOrEqual(budget)
      expect(record.spent).toBe(options.pairs.length)
      expect(new Set(options.pairs).size).toBe(options.pairs.length)
      // Less than one whole prompt may be left over, never more: the searches do not give up early.
      if (stopReason === 'budget') expect(budget - record.spent).toBeLessThan(pairwise.examples.length)
      const heights = record.curve.map((point) => point.best)
      expect(heights).toEqual([...new Set(heights)].sort((a, b) => a - b))
      expect(best.mean).toBe(Math.max(...record.individuals.map(({ mean }) => mean ?? -Infinity)))
      expect(events.every((event) => event.spent <= budget)).toBe(true)
      expect(events.filter(({ type }) => type === 'evaluation')).toHaveLength(record.spent)
    },
  )

  it('repeats itself for the same seed, at any concurrency, and does not for another', async () => {
    const run = (seed: number, concurrency: number, slow = false) =>
      optimize({
        ...watched(strategy, 300, seed),
        concurrency,
        ...(slow && {
          evaluate: async (prompt: string, example: Example) => {
            for (let i = prompt.length % 5; i > 0; i--) await Promise.resolve()
            return pairwise.evaluate(prompt, example)
          },
        }),
      })
    const first = await run(5, 1)
    expect((await run(5, 1)).record).toEqual(first.record)
    expect((await run(5, 7, true)).record).toEqual(first.record)
    expect((await run(6, 1)).record.individuals).not.toEqual(first.record.individuals)
  })

  it('is killed anywhere and resumed from JSON to the same end, paying for nothing twice', async () => {
    const whole = await optimize(watched(strategy, 240, 3))
    for (const kill of [1, 8, 61, 170, 239]) {
      let saved = ''
      const killed = watched(strategy, 240, 3)
      let calls = 0
      const dies = optimize({
        ...killed,
        concurrency: 1,
        evaluate: (prompt, example, context) => {
          if (++calls > kill) throw new Error('the power went out')
          return killed.evaluate(prompt, example, context)
        },
        onState: (state) => {
          if (calls <= kill) saved = JSON.stringify(state)
        },
      })
      await dies.catch(() => undefined)
      const again = watched(strategy, 240, 3)
      const resumed = await optimize({ ...again, state: JSON.parse(saved) as Journal })
      expect(resumed.record).toEqual(whole.record)
      expect(again.pairs.length).toBe(whole.record.spent - kill)
      expect(again.pairs.filter((pair) => killed.pairs.includes(pair))).toEqual([])
    }
  })

  it('keeps the best it had when it is aborted', async () => {
    const abort = new AbortController()
    const options = watched(strategy, 400, 2)
    const result = await optimize({
      ...options,
      signal: abort.signal,
      onEvent: ({ spent }) => spent >= 100 && abort.abort(),
    })
    expect(result.stopReason).toBe('aborted')
    expect(result.record.spent).toBeLessThan(120)
    expect(result.best.mean).toBe(result.record.curve.at(-1)?.best)
    const continued = await optimize({ ...options, state: result.state })
    expect(continued.record).toEqual((await optimize(watched(strategy, 400, 2))).record)
  })
})

describe('what a gain is worth', () => {
  it('finds no gain on held-out examples when the scores are coin flips', async () => {
    const gains: number[] = []
    const gaps: number[] = []
    const ids = (prefix: string) => Array.from({ length: 20 }, (_, i) => ({ id: `${prefix}${i}` }))
    for (let seed = 1; seed <= (FULL ? 60 : 20); seed++) {
      const flip = createRandom(seed * 7919)
      const { holdout } = await optimize({
        candidates: ['start'],
        examples: ids('a'),
        holdout: ids('b'),
        evaluate: () => (flip() < 0.5 ? 1 : 0),
        mutate: (_, { random }) => `prompt ${random()}`,
        budget: 600,
        seed,
        strategy: 'genetic',
        concurrency: 1,
      })
      gains.push(holdout!.comparison.difference)
      gaps.push(holdout!.gap)
    }
    const [low, high] = bootstrapInterval(gains)
    expect(low).toBeLessThan(0.02)
    expect(high).toBeGreaterThan(-0.02)
    // The winner's curse itself: on the examples it was chosen by, the best of 28 coins looks far better.
    expect(bootstrapInterval(gaps)[0]).toBeGreaterThan(0.02)
  })

  it('counts the held-out evaluations within the budget', async () => {
    const options = watched('genetic', 200, 1)
    const { holdout, record } = await optimize({
      ...options,
      examples: pairwise.examples.slice(0, 5),
      holdout: pairwise.examples.slice(5),
    })
    expect(record.spent).toBe(options.pairs.length)
    expect(record.spent).toBeLessThanOrEqual(200)
    expect(holdout?.comparison.pairs).toBe(3)
  })

  it('compares pair by pair, which finds what unpaired means would miss', () => {
    const random = createRandom(4)
    const difficulty = Array.from({ length: 30 }, () => random() * 10)
    const better = difficulty.map((d, i) => d + 0.1 + (i % 2) * 0.1)
    const { wins, losses, low, high, difference } = compare(better, difficulty)
    expect([wins, losses]).toEqual([30, 0])
    expect(difference).toBeCloseTo(0.15, 10)
    expect(low).toBeGreaterThan(0.1)
    expect(high).toBeLessThan(0.2)
    expect(compare([1, null, 3], [0, 5, null])).toMatchObject({ pairs: 1, wins: 1, difference: 1 })
    expect(median([3, 1, 2, 10])).toBe(2.5)
  })

  it('has a bootstrap interval that holds the truth about as often as it says', () => {
    const random = createRandom(9)
    let held = 0
    for (let i = 0; i < 300; i++) {
      const [low, high] = bootstrapInterval(Array.from({ length: 40 }, random), 400, i)
      if (low <= 0.5 && 0.5 <= high) held++
    }
    expect(held / 300).toBeGreaterThan(0.88)
    expect(held / 300).toBeLessThan(0.99)
  })
})

describe('the frontier', () => {
  const one = (id: number, ...scores: number[]) =>
    ({ id, scores, mean: scores.reduce((a, b) => a + b) / scores.length }) as never
  const ids = (pool: never[]) =>
    [...frontier(pool)]
      .map(([who, wins]) => [(who as Individual).id, wins] as const)
      .sort((a, b) => a[0] - b[0])

  it('keeps whoever is best at something, and drops the dominated', () => {
    expect(ids([one(0, 5, 0, 0), one(1, 4, 4, 0), one(2, 0, 0, 1), one(3, 4, 3, 0)])).toEqual([
      [0, [0]],
      [1, [1]],
      [2, [2]],
    ])
    // 1 shares its only win with the better 0.
    expect(ids([one(0, 1, 1), one(1, 1, 0)])).toEqual([[0, [0, 1]]])
  })
})

describe('the minibatch gate', () => {
  it('pays three evaluations for a child that does not win, not eight', async () => {
    const { record } = await optimize({ ...watched('pareto', 300, 1) })
    const gated = record.individuals.filter(
      ({ fate, operator }) => fate === 'gated' && operator === 'reflect',
    )
    expect(gated.length).toBeGreaterThan(5)
    expect(gated.every(({ scores }) => scores.filter((score) => score !== null).length === 3)).toBe(true)
  })

  it('shows the mutator what the reviewer said about the minibatch', async () => {
    const seen: string[][] = []
    await optimize({
      ...watched('pareto', 60, 1),
      mutate: (request, context) => {
        if (request.operator === 'reflect')
          seen.push(
            request.lessons!.map(({ example, score, feedback }) => `${example.id} ${score} ${feedback}`),
          )
        return pairwise.mutate(request, context)
      },
    })
    expect(seen.length).toBeGreaterThan(3)
    expect(seen[0]).toHaveLength(3)
    expect(seen[0]![0]).toMatch(/^q\d 0\.\d+ Example q\d scored 0\.\d\d\.$/)
  })

  it('passes over minibatches without anything to learn', async () => {
    let asked = 0
    const { stopReason } = await optimize({
      candidates: ['perfect'],
      examples: [{ id: 'a' }, { id: 'b' }],
      evaluate: () => 1,
      mutate: () => `other ${asked++}`,
      budget: 8,
      strategy: { name: 'pareto', perfectScore: 1 },
    })
    expect(stopReason).toBe('budget')
  })

  it('merges two relatives that both beat their ancestor, and keeps the strengths of both', async () => {
    // A letter solves its example, the bare prompt solves c; reflection adds one letter to the bare prompt only.
    let merges = 0
    const { best, record } = await optimize({
      candidates: ['-'],
      examples: [...'abc'].map((id) => ({ id })),
      evaluate: (prompt, { id }) => (prompt.includes(id) || (id === 'c' && prompt === '-') ? 1 : 0),
      mutate: ({ operator, parents, ancestor }, { random }) => {
        if (operator === 'reflect')
          return parents[0] === '-' ? `-${'ab'[Math.floor(random() * 2)]}` : parents[0]!
        merges++
        expect(ancestor).toBe('-')
        return `${parents[0]}${parents[1]!.slice(1)}`
      },
      budget: 40,
      strategy: { name: 'pareto', gate: false },
    })
    expect(merges).toBe(1)
    expect(best.operator).toBe('merge')
    expect(best.mean).toBeCloseTo(2 / 3)
    expect(best.parents.map((id) => record.individuals[id]!.prompt).sort()).toEqual(['-a', '-b'])
  })
})

describe('bad input', () => {
  const base = { ...pairwise, budget: 100 }
  const said = (options: object) =>
    optimize({ ...base, ...options } as OptimizeOptions).catch((error: Error) => error)

  it.each([
    ['no candidate', { candidates: [] }, /no candidate/],
    ['an empty candidate', { candidates: ['x', ' '] }, /candidate is empty/],
    ['no example', { examples: [] }, /no example/],
    ['duplicate ids', { examples: [{ id: 'x' }, { id: 'x' }] }, /two examples have the id "x"/i],
    ['an id in both sets', { holdout: [{ id: 'q1' }] }, /"q1"/],
    ['a budget of 0', { budget: 0 }, /at least 8/],
    ['a budget of NaN', { budget: Number.NaN }, /at least 8/],
    ['a budget below one prompt', { budget: 7 }, /at least 8/],
    ['an unknown strategy', { strategy: 'magic' }, /no strategy/],
    ['a concurrency of 0', { concurrency: 0 }, /concurrency/],
  ])('%s is a clear error', async (_, options, message) => {
    const error = await said(options)
    expect(error).toBeInstanceOf(RangeError)
    expect((error as Error).message).toMatch(message)
  })

  it('refuses the state of another search', async () => {
    const { state } = await optimize({ ...base, seed: 1 })
    expect(await said({ state, seed: 2 })).toBeInstanceOf(RangeError)
    expect(await said({ state, seed: 1, strategy: 'random' })).toBeInstanceOf(RangeError)
    expect(await said({ state, seed: 1, candidates: ['other'] })).toBeInstanceOf(RangeError)
  })

  it('continues a finished search with a larger budget', async () => {
    const { state } = await optimize(watched('genetic', 150, 4))
    const more = watched('genetic', 400, 4)
    const { record } = await optimize({ ...more, state: JSON.parse(JSON.stringify(state)) as Journal })
    expect(record).toEqual((await optimize(watched('genetic', 400, 4))).record)
    expect(more.pairs.length).toBe(record.spent - state.evaluations.length)
  })

  it.each([
    ['throws', () => Promise.reject(new Error('no')), 'evaluator-threw'],
    [
      'throws at once',
      () => {
        throw new Error('no')
      },
      'evaluator-threw',
    ],
    ['returns NaN', () => Number.NaN, 'evaluator-not-a-number'],
    ['returns a word', () => 'good' as never, 'evaluator-not-a-number'],
    ['returns nothing', () => undefined as never, 'evaluator-not-a-number'],
    ['hangs', () => new Promise<number>(() => undefined), 'evaluator-timeout'],
  ] as const)(
    'an evaluator that %s costs its prompt, is counted, and leaves the best alone',
    async (_, fail, reason) => {
      let calls = 0
      const { best, record, stopReason } = await optimize({
        ...base,
        timeoutMs: 5,
        strategy: 'genetic',
        evaluate: (prompt, example) => (++calls % 13 === 0 ? fail() : pairwise.evaluate(prompt, example)),
      })
      expect(stopReason).toBe('budget')
      expect(record.skips[reason]).toBeGreaterThan(3)
      expect(best.mean).toBe(record.curve.at(-1)?.best)
      expect(record.individuals.find(({ fate }) => fate === 'failed')?.mean).toBeNull()
    },
  )

  it('says why when no candidate can be scored', async () => {
    const error = await said({
      evaluate: () => {
        throw new Error('wrong key')
      },
    })
    expect((error as Error).message).toMatch(/None of the 1 candidates.*wrong key/)
  })

  it.each<[string, Mutate, string]>([
    ['the same prompt', ({ parents }) => parents[0]!, 'prompt-unchanged'],
    ['an empty prompt', () => ' \n', 'prompt-empty'],
    ['no text', () => 7 as never, 'prompt-empty'],
    ['1 MB', () => MEGABYTE, 'prompt-too-long'],
    ['a prompt that is known', () => 'always this', 'prompt-known'],
    ['an exception', () => Promise.reject(new Error('no')), 'mutator-threw'],
    ['nothing, ever', () => new Promise<string>(() => undefined), 'mutator-timeout'],
  ])('a mutator that answers %s ends the search, counted, with the best kept', async (_, mutate, reason) => {
    // Five hundred timers in a row take their time; the bound is the lab's, whatever the strategy.
    for (const strategy of reason === 'mutator-timeout' ? (['genetic'] as const) : STRATEGIES) {
      const { best, record, stopReason } = await optimize({ ...base, mutate, strategy, timeoutMs: 1 })
      expect(stopReason).toBe('exhausted')
      // A prompt that is known is also unchanged once a strategy starts from it.
      const { 'prompt-unchanged': unchanged = 0, [reason as 'prompt-known']: skipped = 0 } = record.skips
      expect(skipped).toBeGreaterThan(0)
      expect(skipped + unchanged).toBeGreaterThanOrEqual(500)
      expect(best.prompt).toBe(record.individuals[record.curve.at(-1)!.id]!.prompt)
    }
  })

  it('counts a candidate that stands twice, and pays for it once', async () => {
    const { record } = await optimize({ ...base, candidates: ['a', 'a', 'b'], budget: 16 })
    expect(record.skips['prompt-known']).toBe(1)
    expect(
      record.individuals.filter(({ operator }) => operator === 'seed').map(({ prompt }) => prompt),
    ).toEqual(['a', 'b'])
  })

  it('stops before a call that could exceed the money', async () => {
    let paid = 0
    const { record, stopReason } = await optimize({
      ...base,
      budget: 10_000,
      maxCost: 1,
      evaluate: (prompt, example) => {
        paid += 0.01
        return { ...pairwise.evaluate(prompt, example), cost: 0.01 }
      },
      mutate: async (request, context) => {
        paid += 0.003
        return { prompt: (await pairwise.mutate(request, context)) as string, cost: 0.003 }
      },
    })
    expect(stopReason).toBe('cost')
    expect(paid).toBeLessThanOrEqual(1)
    expect(paid).toBeGreaterThan(0.8)
    expect(record.cost).toBeCloseTo(paid, 10)
  })
})

describe('the race', () => {
  it('always includes random search and hill climbing, at the same budget, and pays for shared pairs once', async () => {
    const asked: string[] = []
    const report = await race({
      ...pairwise,
      strategies: ['genetic'],
      seeds: [1, 2, 3],
      budget: 200,
      evaluate: (prompt, example) => {
        asked.push(`${example.id} ${prompt}`)
        return pairwise.evaluate(prompt, example)
      },
    })
    expect(report.rows.map(({ label }) => label).sort()).toEqual(['genetic', 'hill-climb', 'random'])
    expect(report.rows.flatMap(({ spent }) => spent).every((spent) => spent > 192 && spent <= 200)).toBe(true)
    expect(new Set(asked).size).toBe(asked.length)
    expect(report.made).toBe(asked.length)
    expect(report.made).toBeLessThan(report.charged)
    expect(JSON.parse(JSON.stringify(report))).toEqual(report)
  })

  it('names no winner of coin flips, and none from one seed', async () => {
    const options = {
      candidates: ['prompt 0.123'],
      examples: [{ id: 'a' }],
      mutate: (_: unknown, { random }: { random: () => number }) => `prompt ${random()}`,
      evaluate: (prompt: string) => (prompt.charCodeAt(9) % 2) * 0.5,
      budget: 20,
    }
    const report = await race({ ...options, seeds: [1, 2, 3, 4, 5, 6] })
    expect(report.winner).toBeUndefined()
    expect(report.verdict).toMatch(/^No clear winner/)
    expect((await race({ ...options, seeds: [1] })).verdict).toMatch(/one seed proves nothing/)
  })

  it('is resumed from its journals without a single new evaluation', async () => {
    const state = {}
    const options = { ...pairwise, seeds: [1, 2], budget: 80 }
    const first = await race({ ...options, state })
    const again = await race({ ...options, state: JSON.parse(JSON.stringify(state)) as typeof state })
    expect(again.made).toBe(0)
    expect({ ...again, made: first.made }).toEqual(first)
  })
})
