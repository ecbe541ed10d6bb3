/** Tokens of several answers in one sum. */

import type { Usage } from '../types.ts'

/** Of every count the sum of those who reported it; what nobody reported stays undefined. */
export function sumUsage(usages: readonly Usage[]): Usage {
  const sum: Record<string, number> = {}
  for (const usage of usages) {
    for (const [count, tokens] of Object.entries(usage)) {
      if (tokens !== undefined) sum[count] = (sum[count] ?? 0) + tokens
    }
  }
  return sum
}
