import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRetryBudget } from '../../src/route/retry-budget.ts'
import type { RetryBudget } from '../../src/route/retry-budget.ts'

const runs = process.env['LLMSWAP_FULL'] === '1' ? 5000 : 300

describe('retry budget', () => {
  it('P11: under total failure allows a fifth of the calls plus the reserve', () => {
    const budget = createRetryBudget()
    let retries = 0
    for (let caller = 0; caller < 100; caller++) budget.deposit(0)
    for (let attempt = 0; attempt < 1000; attempt++) if (budget.withdraw(0)) retries++
    expect(retries).toBe(30)
  })

  it('gives a quiet program its reserve, again in every window', () => {
    const budget = createRetryBudget({ reserve: 2 })
    expect([budget.withdraw(0), budget.withdraw(0), budget.withdraw(0)]).toEqual([true, true, false])
    expect(budget.withdraw(10_000)).toBe(true)
  })

  it('ten tenths of a retry are one, however they add up in binary', () => {
    const budget = createRetryBudget({ ratio: 0.1, reserve: 0 })
    for (let second = 0; second < 10; second++) budget.deposit(second * 1_000)
    expect(budget.withdraw(9_000)).toBe(true)
    expect(budget.withdraw(9_000)).toBe(false)
  })

  it('forgets a slice that nothing has overwritten', () => {
    const budget = createRetryBudget({ ratio: 1, reserve: 0 })
    budget.deposit(0)
    expect(budget.balance(9_999)).toBe(1)
    // Twelve slices later it is another slot's turn.
    expect(budget.balance(12_000)).toBe(0)
  })

  it('agrees with a model that keeps every event, over random commands', () => {
    const commands = fc.commands<Model, RetryBudget>(
      [fc.integer({ min: 0, max: 3_000 }).map(wait), fc.constant(deposit), fc.constant(withdraw)],
      { maxCommands: 200 },
    )
    fc.assert(
      fc.property(commands, (steps) =>
        fc.modelRun(
          () => ({ model: { nowMs: 0, calls: [], retries: [] }, real: createRetryBudget() }),
          steps,
        ),
      ),
      { numRuns: runs },
    )
  })
})

/** Every event that ever was, by the second it fell into. */
interface Model {
  nowMs: number
  calls: number[]
  retries: number[]
}

const second = ({ nowMs }: Model): number => Math.floor(nowMs / 1_000)

function left(model: Model): number {
  const within = (at: number): boolean => at > second(model) - 10
  return 10 + 0.2 * model.calls.filter(within).length - model.retries.filter(within).length
}

const wait = (ms: number): fc.Command<Model, RetryBudget> => ({
  check: () => true,
  run(model, budget) {
    model.nowMs += ms
    expect(budget.balance(model.nowMs)).toBeCloseTo(left(model), 9)
  },
  toString: () => `wait ${ms}`,
})

const deposit: fc.Command<Model, RetryBudget> = {
  check: () => true,
  run(model, budget) {
    budget.deposit(model.nowMs)
    model.calls.push(second(model))
    expect(budget.balance(model.nowMs)).toBeCloseTo(left(model), 9)
  },
  toString: () => 'deposit',
}

const withdraw: fc.Command<Model, RetryBudget> = {
  check: () => true,
  run(model, budget) {
    const allowed = left(model) >= 1 - 1e-9
    expect(budget.withdraw(model.nowMs)).toBe(allowed)
    if (allowed) model.retries.push(second(model))
  },
  toString: () => 'withdraw',
}
