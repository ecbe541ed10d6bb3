import { describe, expect, it } from 'vitest'
import { exp } from '../../src/learn/exp.ts'
import { createRandom } from '../../src/learn/random.ts'

describe('eˣ', () => {
  it('agrees with Math.exp to 14 digits, wherever that has as many', () => {
    const random = createRandom(1)
    for (const reach of [1e-9, 1, 20, 700]) {
      for (let i = 0; i < 20_000; i++) {
        const x = (2 * random() - 1) * reach
        // Both the table and r carry a rounding that grows with x.
        const bound = 1e-14 + Math.abs(x) * 3e-16
        expect(Math.abs(exp(x) / Math.exp(x) - 1), `${x}`).toBeLessThan(bound)
      }
    }
  })

  it('is 1 at 0, has no steps where the table changes, and keeps its bounds', () => {
    expect(exp(0)).toBe(1)
    for (let k = -64; k <= 64; k++) {
      const edge = ((k + 0.5) * Math.LN2) / 32
      expect(Math.abs(exp(edge + 1e-15) / exp(edge - 1e-15) - 1)).toBeLessThan(2e-14)
    }
    expect(exp(-1e9)).toBeGreaterThan(0)
    expect(exp(-Infinity)).toBeLessThan(1e-322)
    expect([exp(710), exp(1e9), exp(Infinity)]).toEqual([Infinity, Infinity, Infinity])
    expect(exp(709.5)).toBeLessThan(Infinity)
    expect(exp(NaN)).toBeNaN()
  })
})
