import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fake } from '../../src/adapters/testing.ts'
import { createCatalog } from '../../src/cost/index.ts'
import { LlmError } from '../../src/errors.ts'
import { budget, createRouter, pace } from '../../src/route/index.ts'
import type { GateAttempt, Leave } from '../../src/route/index.ts'

const runs = process.env['LLMSWAP_FULL'] === '1' ? 2_000 : 200

const prices = createCatalog([
  {
    provider: 'a',
    model: 'a-1',
    // A dollar a token of output: sums a reader can do.
    rates: { input: '0', output: '1000000' },
    capabilities: [],
    asOf: '2026-11-10',
    source: 'test',
  },
])

describe('budget', () => {
  it('row 97: with $1 and 100 calls of $0.02 at once, at most 50 are sent', async () => {
    const { calls, ...target } = fake(() => ({ text: 'x', delayMs: 5 }), { name: 'a' })
    const money = budget({ dollars: 1, estimate: () => 0.02 })
    const router = createRouter({ targets: [{ ...target, model: 'a-1' }], budget: money })
    const ends = await Promise.allSettled(Array.from({ length: 100 }, () => router.complete('hi')))
    expect(calls.length).toBe(50)
    const refused = ends.filter((end) => end.status === 'rejected')
    expect(refused).toHaveLength(50)
    expect(refused.every(({ reason }) => LlmError.is(reason) && reason.kind === 'budget')).toBe(true)
    expect(money.reserved).toBeCloseTo(0, 9)
  })

  it('settles what an answer came to, and lets the rest be spent', async () => {
    const { calls, ...target } = fake(
      { text: 'x', usage: { inputTokens: 1, outputTokens: 2 } },
      { name: 'a' },
    )
    const money = budget({ dollars: 10, prices })
    const router = createRouter({
      targets: [{ ...target, provider: target.provider, model: 'a-1' }],
      budget: money,
    })
    await router.complete('hi', { maxTokens: 5 })
    expect([money.spent, money.reserved]).toEqual([2, 0])
    await router.complete('hi', { maxTokens: 8 })
    expect(money.spent).toBe(4)
    const error = await router.complete('hi', { maxTokens: 7 }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ kind: 'budget', message: /no room/ })
    expect(calls).toHaveLength(2)
  })

  it('counts retries that may have been billed, not those that never were', async () => {
    const target = (name: string, kind: 'connect' | 'server') => {
      const { provider, transport } = fake([{ error: { kind, status: 500 } }, 'second'], { name })
      return { provider, transport, model: 'm' }
    }
    for (const [kind, dollars] of [
      ['connect', 1],
      ['server', 1],
    ] as const) {
      const money = budget({ dollars: 10, estimate: () => 1 })
      const router = createRouter({
        targets: [target('a', kind)],
        retry: { baseMs: 0 },
        budget: money,
        random: () => 0,
      })
      const { attempts } = await router.complete('hi')
      const billed = attempts.slice(0, -1).filter(({ maybeBilled }) => maybeBilled).length
      expect(money.spent).toBe(dollars + billed)
    }
  })

  it('gives back what was reserved for an attempt that the next gate refused', async () => {
    const { provider, transport } = fake('x', { name: 'a' })
    const money = budget({ dollars: 10, estimate: () => 1 })
    const router = createRouter({
      targets: [{ provider, transport, model: 'm' }],
      budget: money,
      pace: pace({ requestsPerMinute: 1, maxWaitMs: 0 }),
      retry: false,
    })
    await router.complete('hi')
    await expect(router.complete('hi')).rejects.toMatchObject({ kind: 'rate-limit' })
    expect([money.spent, money.reserved]).toEqual([1, 0])
  })

  it('sends nothing without a price, and nothing elsewhere once the money is gone', async () => {
    const { calls, ...unknown } = fake('x', { name: 'other' })
    const router = createRouter({
      targets: [{ ...unknown, model: 'm' }],
      budget: budget({ dollars: 1, prices }),
    })
    expect(await router.complete('hi').catch((thrown: unknown) => thrown)).toMatchObject({ kind: 'budget' })
    expect(calls).toHaveLength(0)
  })

  it('lets go of the money of an answer that nobody wanted any more', async () => {
    const { provider, transport } = fake({ text: 'one two three', tokensPerSecond: 50 }, { name: 'a' })
    const money = budget({ dollars: 1, estimate: () => 0.5 })
    const router = createRouter({ targets: [{ provider, transport, model: 'm' }], budget: money })
    for await (const _ of router.stream('hi')) break
    expect(money.reserved).toBe(0)
    expect(money.spent).toBe(0.5)
  })

  it('P9: is never overspent, whatever is under way at once', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            worst: fc.integer({ min: 0, max: 40 }),
            part: fc.double({ min: 0, max: 1, noNaN: true }),
            end: fc.boolean(),
          }),
          { maxLength: 100 },
        ),
        (steps) => {
          let worst = 0
          const money = budget({ dollars: 100, estimate: () => worst })
          const running: { leave: Leave; worst: number }[] = []
          let ledger = 0
          for (const step of steps) {
            worst = step.worst
            try {
              running.push({ leave: money.enter({} as GateAttempt) as Leave, worst })
            } catch (error) {
              expect((error as LlmError).kind).toBe('budget')
            }
            const one = step.end ? running.shift() : undefined
            if (one !== undefined) {
              const total = one.worst * step.part
              ledger += total
              one.leave({
                usage: undefined,
                cost: { total, currency: 'USD', exact: '', from: 'catalog' },
                billed: true,
              })
            }
            expect(money.spent).toBeCloseTo(ledger, 9)
            expect(money.spent + money.reserved).toBeLessThanOrEqual(100 + 1e-6)
          }
        },
      ),
      { numRuns: runs },
    )
  })

  it('refuses a budget of nothing, and one that cannot know prices', () => {
    expect(() => budget({ dollars: 0, prices })).toThrow(LlmError)
    expect(() => budget({ dollars: Number.NaN, prices })).toThrow(LlmError)
    expect(() => budget({ dollars: 1 })).toThrow(LlmError)
  })
})
