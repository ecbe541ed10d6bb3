import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRetryBudget } from '../../src/route/retry-budget.ts'

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

  it('agrees with a model that keeps every event, over random histories', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 3_000 }), fc.boolean()), { maxLength: 200 }),
        (steps) => {
          const budget = createRetryBudget()
          const calls: number[] = []
          const retries: number[] = []
          let nowMs = 0
          for (const [waitMs, isRetry] of steps) {
            nowMs += waitMs
            const slice = Math.floor(nowMs / 1_000)
            const within = (at: number): boolean => at > slice - 10
            const left = 10 + 0.2 * calls.filter(within).length - retries.filter(within).length
            expect(budget.balance(nowMs)).toBeCloseTo(left, 9)
            if (isRetry) {
              const allowed = left >= 1 - 1e-9
              expect(budget.withdraw(nowMs)).toBe(allowed)
              if (allowed) retries.push(slice)
            } else {
              budget.deposit(nowMs)
              calls.push(slice)
            }
          }
        },
      ),
      { numRuns: runs },
    )
  })
})
