/**
 * How many retries the whole program may make, however many callers fail at once.
 *
 * In:  one deposit per first attempt, one withdrawal per retry. Out: whether that retry may go.
 * Without it three attempts per call triple the load on a target exactly when it can bear least; nested retries have
 * been seen to send 45 requests for one 429. With it, total requests ≤ (1 + ratio) × calls + reserve.
 * The shape is Finagle's RetryBudget: a share of recent calls plus a small reserve for quiet times.
 */

/** See {@link createRetryBudget}. */
export interface RetryBudgetOptions {
  /** Retries allowed per call of the last `windowMs`. Default 0.2. */
  ratio?: number
  /** Retries always allowed per window. Default 10. */
  reserve?: number
  /** Default 10,000. */
  windowMs?: number
}

/** A shared allowance of retries. */
export interface RetryBudget {
  /** A call begins. */
  deposit(nowMs: number): void
  /** Takes one retry if there is one. */
  withdraw(nowMs: number): boolean
  /** Retries left right now. */
  balance(nowMs: number): number
}

const SLICES = 10

/** A budget over a rolling window, in constant memory. */
export function createRetryBudget(options: RetryBudgetOptions = {}): RetryBudget {
  const { ratio = 0.2, reserve = 10, windowMs = 10_000 } = options
  const sliceMs = windowMs / SLICES
  const slices = Array.from({ length: SLICES }, () => ({ number: -Infinity, calls: 0, retries: 0 }))

  function slice(nowMs: number): { number: number; calls: number; retries: number } {
    const number = Math.floor(nowMs / sliceMs)
    const found = slices[((number % SLICES) + SLICES) % SLICES]!
    if (found.number !== number) Object.assign(found, { number, calls: 0, retries: 0 })
    return found
  }

  function balance(nowMs: number): number {
    const { number } = slice(nowMs)
    let left = reserve
    for (const { number: at, calls, retries } of slices) {
      if (at > number - SLICES && at <= number) left += calls * ratio - retries
    }
    return left
  }

  return {
    balance,
    deposit(nowMs) {
      slice(nowMs).calls++
    },
    withdraw(nowMs) {
      // 1e-9: ten deposits of 0.1 sum to 0.9999999999999999, which is one retry all the same.
      if (balance(nowMs) < 1 - 1e-9) return false
      slice(nowMs).retries++
      return true
    },
  }
}
