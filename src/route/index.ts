/** `llmswap/router`: the public names, nothing else. */

export { createRouter } from './router.ts'
export type { Router, RouterOptions, TargetState } from './router.ts'
export type { Capability, Target } from './target.ts'
export type { BreakerOptions, BreakerState } from './breaker.ts'
export type { Interrupt } from './routed.ts'
export type { RetryBudgetOptions } from './retry-budget.ts'
