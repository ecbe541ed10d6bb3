/**
 * What the steps of a run cost together.
 *
 * In:  costs of steps. Out: one, added exactly. Not here: pricing (cost/price.ts), tokens (stream/usage.ts).
 */

import { add, formatDecimal, parseDecimal, ZERO } from '../cost/decimal.ts'
import type { Cost } from '../types.ts'

/** Money in all; undefined when a step has no cost, because part of a bill is not the bill. */
export function sumCost(costs: readonly (Cost | undefined)[]): Cost | undefined {
  let exact = ZERO
  for (const cost of costs) {
    const amount = parseDecimal(cost?.exact ?? '')
    if (amount === undefined) return undefined
    exact = add(exact, amount)
  }
  const [first] = costs
  if (first === undefined) return undefined
  const text = formatDecimal(exact)
  const from = costs.every((cost) => cost!.from === 'provider') ? 'provider' : 'catalog'
  // Its items are one step's, not the sum's.
  const { items: _, ...same } = first
  return { ...same, total: Number(text), exact: text, from }
}
