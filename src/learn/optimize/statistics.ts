/**
 * What a difference is worth. In: two rows of scores on the same examples. Out: wins, losses, the mean difference and
 * its bootstrap interval. Pairing removes the difficulty of the examples, which is most of the noise. Not here: tests
 * of significance; an interval that contains 0 says enough.
 */
import { createRandom } from '../random.ts'
import type { Comparison } from './types.ts'

/** The mean; NaN of nothing. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** The middle value, the mean of the two middle ones of an even number; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** 95 % percentile bootstrap interval of the mean (Efron 1979): the mean of resampled values, `resamples` times. */
export function bootstrapInterval(values: readonly number[], resamples = 2000, seed = 1): [number, number] {
  if (values.length === 0) return [Number.NaN, Number.NaN]
  const random = createRandom(seed)
  const means = Array.from({ length: resamples }, () => {
    let sum = 0
    for (let i = 0; i < values.length; i++) sum += values[Math.floor(random() * values.length)]!
    return sum / values.length
  }).sort((a, b) => a - b)
  return [means[Math.floor(0.025 * resamples)]!, means[Math.ceil(0.975 * resamples) - 1]!]
}

/** First against second, pair by pair. Pairs where either has no score are left out. */
export function compare(first: readonly (number | null)[], second: readonly (number | null)[]): Comparison {
  const differences = first.flatMap((a, i) => {
    const b = second[i]
    return a === null || b === null || b === undefined ? [] : [a - b]
  })
  const [low, high] = bootstrapInterval(differences)
  return {
    pairs: differences.length,
    wins: differences.filter((d) => d > 0).length,
    losses: differences.filter((d) => d < 0).length,
    ties: differences.filter((d) => d === 0).length,
    difference: mean(differences),
    low,
    high,
  }
}
