/**
 * May we try again, and when?
 *
 * The usual answer is five lines:
 *
 *     for (let n = 0; ; n++) {
 *       try { return await attempt() } catch (error) { if (n === 3) throw error }
 *       await new Promise((resolve) => setTimeout(resolve, 2 ** n * 1000))
 *     }
 *
 * What they lack, each with what it costs a thousand callers (`npm run retries` simulates them and prints these lines):
 *   - a verdict: 401, 400 and "out of credit" fail the same way every time, and a bill runs on —
 *     a wrong key: 4 requests a call and 7.0 s to hear of it; here 1 and 0.0 s;
 *   - jitter: callers that failed together come back together; full jitter spreads them over the whole interval —
 *     1,000 callers fail together: 1,000 come back within one tenth of a second; here 286;
 *   - the server's hint: it knows when it will answer. It is a lower bound here, plus up to 10 % of jitter, because
 *     everybody got the same hint. One longer than the caller cares to wait is handed on, not slept through —
 *     "in 20 seconds" told to 1,000 callers: 4,000 requests, 0 answers; here 2,000 and 1,000;
 *   - a deadline: a pause that outlives the call only delays the same error —
 *     "in 30 seconds" told to who has 5: the failure is known after 65.9 s; here after 0.0 s;
 *   - a budget: three tries triple the load exactly when the target can bear least (route/retry-budget.ts) —
 *     a dead target, 1,000 callers: 4.00 times the load, 3.00 times the load with three tries; here 1.21 times the load;
 *   - one owner: retries around retries multiply. A router sets its clients' retry to false —
 *     three layers of the five lines around each other: 64 requests for one call; here 3;
 *   - a cap, and a guard: `setTimeout` beyond 2^31-1 ms fires at once, which turns `Retry-After: 9999999` into a
 *     hot loop (it did, in three SDKs);
 *   - a way out: a sleeping call must end the moment it is aborted;
 *   - a point of no return: once content was delivered, trying again says everything twice (client.ts keeps that one).
 *
 * In:  a failure, how often we tried, how long is left. Out: milliseconds to wait, or undefined: give up.
 * Not here: reading hints (retry-after.ts), classifying failures (providers/errors.ts), circuit breaking (route/).
 */

import { LlmError } from '../errors.ts'
import type { Options, Retry } from '../types.ts'
import type { Call } from './call.ts'
import { orAbort, sleep } from './clock.ts'
import { STALE_CONNECTION } from './transport.ts'

/** The policy with every default filled in. */
export type RetryPolicy = Required<Retry>

/** Design defaults: three tries, 500 ms doubling to 30 s, hints up to a minute. */
export const DEFAULT_RETRY: RetryPolicy = { attempts: 3, baseMs: 500, maxMs: 30_000, maxRetryAfterMs: 60_000 }

/** When the server says "too many" it takes longer to be true again than after a dropped connection. */
const THROTTLED_BASE_FACTOR = 2
/** How far a pause may exceed the server's hint. */
const HINT_JITTER = 0.1
/** No pause is shorter, whatever the hint (`retry-after-ms: 0` is valid) or the dice say. */
const MIN_DELAY_MS = 10

/** `false` tries once. */
export function retryPolicy(retry: Retry | false | undefined): RetryPolicy {
  if (retry === false) return { ...DEFAULT_RETRY, attempts: 1 }
  const policy = { ...DEFAULT_RETRY }
  for (const name of Object.keys(policy) as (keyof RetryPolicy)[]) {
    const value = retry !== undefined && Object.hasOwn(retry, name) ? retry[name] : undefined
    if (value === undefined) continue
    if (!(value >= 0)) {
      throw new LlmError({
        kind: 'config',
        message: `retry.${name} is ${String(value)}: pass a number, 0 or more.`,
      })
    }
    policy[name] = value
  }
  return policy
}

/** Full jitter: anywhere between nothing and the exponential. `retries` counts from 1. Milliseconds. */
export function backoffMs(
  policy: RetryPolicy,
  retries: number,
  throttled: boolean,
  random: () => number,
): number {
  const baseMs = throttled ? policy.baseMs * THROTTLED_BASE_FACTOR : policy.baseMs
  return random() * Math.min(policy.maxMs, baseMs * 2 ** (retries - 1))
}

/**
 * The pause before the next try, in ms; undefined when there must be none.
 * @param failure its `retryable` and `retryAfterMs` decide, together with the policy.
 * @param tries how many were made, the failed one included.
 * @param leftMs what is left of the whole call's deadline; Infinity when it has none.
 */
export function retryDelayMs(
  policy: RetryPolicy,
  failure: LlmError,
  tries: number,
  leftMs: number,
  random: () => number,
): number | undefined {
  if (!failure.retryable || tries >= Math.min(policy.attempts, triesWorthwhile(failure))) return undefined
  const hintMs = failure.retryAfterMs
  if (hintMs !== undefined && hintMs > policy.maxRetryAfterMs) return undefined
  const throttled = failure.kind === 'rate-limit' || failure.kind === 'overloaded'
  const pauseMs =
    hintMs === undefined ? backoffMs(policy, tries, throttled, random) : hintMs * (1 + HINT_JITTER * random())
  const delayMs = Math.max(Math.min(MIN_DELAY_MS, policy.baseMs), diedInPool(failure, tries) ? 0 : pauseMs)
  return delayMs < leftMs ? delayMs : undefined
}

/** A connection that died in the pool says nothing of the server: a new one is as good now as later. Two in a row would. */
export function diedInPool(failure: LlmError, tries: number): boolean {
  return failure.code === STALE_CONNECTION && tries === 1
}

/** A name that does not resolve and a server that answers nonsense get one more chance, not two. */
function triesWorthwhile(failure: LlmError): number {
  return failure.kind === 'protocol' || failure.code === 'ENOTFOUND' ? 2 : Infinity
}

/** One call's tries. */
export interface Tries<T> {
  /** Told how long the pause before it was. */
  attempt(delayMs: number): Promise<T>
  /** Whether something was changed because of this failure, so that trying again at once makes sense (repair.ts). */
  repair?(failure: LlmError): Promise<boolean>
  /** Told before each pause. */
  onRetry?(tries: number, delayMs: number, failure: LlmError): void
}

/**
 * Runs `attempt` until it succeeds or trying again is pointless.
 * @param call its policy, clock, dice and signal; `leftMs` is asked before each pause.
 * @throws the last failure; the signal's reason when it fires during a pause or a repair.
 */
export async function retry<T>(
  call: Pick<Call, 'clock' | 'random' | 'signal' | 'leftMs'> & { options: Pick<Options, 'retry'> },
  { attempt, repair, onRetry }: Tries<T>,
): Promise<T> {
  const { clock, random, signal } = call
  const policy = retryPolicy(call.options.retry)
  let delayMs = 0
  for (let tries = 1; ;) {
    try {
      return await attempt(delayMs)
    } catch (failure) {
      if (!LlmError.is(failure) || signal.aborted) throw failure
      if (repair !== undefined && (await orAbort(() => repair(failure), signal))) continue
      const nextMs = retryDelayMs(policy, failure, tries, call.leftMs(), random)
      if (nextMs === undefined) throw failure
      delayMs = nextMs
      onRetry?.(tries, delayMs, failure)
      tries++
      await sleep(clock, delayMs, signal)
    }
  }
}
