/**
 * `llmswap/router`: the public names, nothing else. The lesson of this folder begins with five lines:
 *
 *     for (let n = 0; ; n++) {
 *       try { return await attempt() } catch (error) { if (n === 3) throw error }
 *       await new Promise((resolve) => setTimeout(resolve, 2 ** n * 1000))
 *     }
 *
 * What one call lacks there is http/retry.ts. What many calls and many targets lack is here, with what `npm run retries`
 * measures of it:
 *   jitter    so that callers do not return in step (http/retry.ts) —
 *             1,000 callers fail together: 1,000 come back within one tenth of a second; here 286
 *   hints     a target that names its time is left alone until then (breaker.ts: cooling) —
 *             "in 20 seconds" told to 1,000 callers: 4,000 requests, 0 answers; here 2,000 and 1,000
 *   deadlines one for all targets and pauses together; what cannot end in time moves on at once (routed.ts) —
 *             "in 30 seconds" told to who has 5: the failure is known after 65.9 s; here after 0.0 s
 *   budgets   shared by all calls to a target (retry-budget.ts) —
 *             a dead target, 1,000 callers: 4.00 times the load, 3.00 times the load with three tries; here 1.21 times the load
 *   one owner the router retries, its clients do not (router.ts) —
 *             three layers of the five lines around each other: 64 requests for one call; here 3
 * and somewhere else to go (pick.ts). To read in this order: router, routed, lanes, breaker, retry-budget, pick,
 * continuation, target; then what is imported by whoever wants it: pace, budget, hedge.
 */

export { createRouter } from './router.ts'
export type { Router, RouterOptions, TargetState } from './router.ts'
export type { Capability, Target } from './target.ts'
export type { BreakerOptions, BreakerState } from './breaker.ts'
export type { Interrupt } from './routed.ts'
export type { RetryBudgetOptions } from './retry-budget.ts'
export { budget } from './budget.ts'
export type { Budget, BudgetOptions } from './budget.ts'
export { hedge } from './hedge.ts'
export type { Hedge, HedgeOptions, Race } from './hedge.ts'
export { pace } from './pace.ts'
export type { PaceLimits, PaceOptions } from './pace.ts'
export type { Gate, GateAttempt, GateOutcome, Leave } from './gate.ts'
