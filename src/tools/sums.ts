/**
 * Sums over the steps of a run.
 *
 * In:  usages and costs of steps. Out: one of each. What no step reported stays undefined; money is added exactly.
 * Not here: pricing (cost/price.ts).
 */

import { add, formatDecimal, parseDecimal, ZERO } from '../cost/decimal.ts'
import type { Cost, Usage } from '../types.ts'

const COUNTS = [
  'inputTokens',
  'outputTokens',
  'totalTokens',
  'cachedInputTokens',
  'cacheWriteTokens',
  'reasoningTokens',
] as const

/** Tokens in all: of every count the sum of the steps that reported it. */
export function sumUsage(usages: readonly Usage[]): Usage {
  const sum: Usage = {}
  for (const usage of usages) {
    for (const count of COUNTS) {
      const tokens = usage[count]
      if (tokens !== undefined) sum[count] = (sum[count] ?? 0) + tokens
    }
  }
  return sum
}

/** Money in all; undefined when a step has no cost, because part of a bill is not the bill. */
export function sumCost(costs: readonly (Cost | undefined)[]): Cost | undefined {
  let exact = ZERO
  for (const cost of costs) {
    const amount = cost === undefined ? undefined : parseDecimal(cost.exact)
    if (amount === undefined) return undefined
    exact = add(exact, amount)
  }
  const [first] = costs
  if (first === undefined) return undefined
  const text = formatDecimal(exact)
  const from = costs.every((cost) => cost!.from === 'provider') ? 'provider' : 'catalog'
  const sum: Cost = { total: Number(text), currency: first.currency, exact: text, from }
  return first.asOf === undefined ? sum : { ...sum, asOf: first.asOf }
}
