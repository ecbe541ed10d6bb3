/**
 * May this target be asked right now?
 *
 * In:  outcomes of calls, with the time they happened. Out: a permit or a refusal, and the time it may recover.
 * Three separate reasons to stay away, because they heal differently:
 *   open     it is failing: too many of the last minute's calls broke. One probe decides when to close again.
 *   cooling  it said 429: healthy but full. Ends when the server's hint says so; nothing to probe.
 *   unusable it will refuse every call alike (wrong key, no such model, no money): a longer pause.
 * No clock and no timer in here: every question carries `nowMs`, so the machine is a plain function of its inputs.
 * Window and half-open follow the rolling-window breakers of resilience4j and Polly; doubling open time follows Envoy's
 * outlier ejection. Not here: choosing among targets (pick.ts).
 */

import type { ErrorKind, LlmError } from '../errors.ts'

/** Thresholds and pauses, in milliseconds unless named otherwise. */
export interface BreakerOptions {
  /** How far back outcomes count. Default 60,000. */
  windowMs?: number
  /** Fewer outcomes than this in the window never open it. Default 5. */
  minimumCalls?: number
  /** Share of failures in the window that opens it. Default 0.5. */
  failureRatio?: number
  /** First open time; doubles with every probe that fails. Default 5,000. */
  openMs?: number
  /** Longest open time. Default 60,000. */
  maxOpenMs?: number
  /** Cooldown after a 429 that gives no hint. Default 5,000. */
  cooldownMs?: number
  /** Pause after an answer that will not change soon (auth, billing, quota, not-found). Default 300,000. */
  unusableMs?: number
}

/** What an outcome means to the breaker. */
export type Outcome = 'success' | 'failure' | 'throttled' | 'unusable' | 'ignored'

/**
 * What each error kind says about the target's health. 4xx that blame the request say nothing: a thousand invalid
 * requests leave a healthy target healthy.
 */
const OUTCOME_OF_KIND: Readonly<Partial<Record<ErrorKind, Outcome>>> = {
  connect: 'failure',
  timeout: 'failure',
  protocol: 'failure',
  server: 'failure',
  overloaded: 'failure',
  interrupted: 'failure',
  'rate-limit': 'throttled',
  auth: 'unusable',
  billing: 'unusable',
  quota: 'unusable',
  'not-found': 'unusable',
}

/** The breaker's reading of an error. */
export function outcomeOf(error: LlmError): Outcome {
  return OUTCOME_OF_KIND[error.kind] ?? 'ignored'
}

/** Where the breaker stands. Plain JSON: store it, show it, start another process with it. */
export type BreakerState =
  | { state: 'closed' }
  | { state: 'open'; untilMs: number; openMs: number }
  | { state: 'half-open'; openMs: number; probing: boolean }
  | { state: 'cooling'; untilMs: number }
  | { state: 'unusable'; untilMs: number }

/** `probe` marks the one call that decides a half-open breaker. */
export type Permit = { granted: true; probe: boolean } | { granted: false; retryAtMs: number }

/** See {@link createBreaker}. */
export interface Breaker {
  /** Asks to make one call. A granted probe must be settled by `record`, whatever its outcome. */
  acquire(nowMs: number): Permit
  /** What `acquire` would say, without taking the probe. */
  peek(nowMs: number): Permit
  /** Settles a granted permit. `hintMs` is the server's own wish for a pause. */
  record(outcome: Outcome, permit: Permit, nowMs: number, hintMs?: number): void
  state(nowMs: number): BreakerState
}

/** Every pick asks every breaker: the two answers that carry nothing are made once. */
const GRANTED: Permit = /* @__PURE__ */ Object.freeze({ granted: true, probe: false } as const)
const PROBE: Permit = /* @__PURE__ */ Object.freeze({ granted: true, probe: true } as const)

/** Ten slices: the window forgets in steps of a tenth, at a fixed cost per call. */
const SLICES = 10

/** A full minute of jitterless doubling would reopen a fleet in step; a fifth spreads it. */
const JITTER = 0.2

/**
 * @param random a number in [0, 1), for the jitter of the open time.
 * @param initial a state from an earlier `state()`; a probe that was under way then is forgotten.
 */
export function createBreaker(
  options: BreakerOptions = {},
  random: () => number = Math.random,
  initial: BreakerState = { state: 'closed' },
): Breaker {
  const {
    windowMs = 60_000,
    minimumCalls = 5,
    failureRatio = 0.5,
    openMs: firstOpenMs = 5_000,
    maxOpenMs = 60_000,
    cooldownMs = 5_000,
    unusableMs = 300_000,
  } = options
  const sliceMs = windowMs / SLICES
  const slices = Array.from({ length: SLICES }, () => ({ number: -Infinity, calls: 0, failures: 0 }))
  let current: BreakerState = initial.state === 'half-open' ? { ...initial, probing: false } : initial

  function count(nowMs: number, failed: boolean): { calls: number; failures: number } {
    const number = Math.floor(nowMs / sliceMs)
    const slice = slices[((number % SLICES) + SLICES) % SLICES]!
    if (slice.number !== number) Object.assign(slice, { number, calls: 0, failures: 0 })
    slice.calls++
    if (failed) slice.failures++
    const sum = { calls: 0, failures: 0 }
    for (const { number: at, calls, failures } of slices) {
      if (at <= number - SLICES || at > number) continue
      sum.calls += calls
      sum.failures += failures
    }
    return sum
  }

  function forget(): void {
    for (const slice of slices) slice.number = -Infinity
  }

  function open(nowMs: number, openMs: number): void {
    forget()
    current = { state: 'open', openMs, untilMs: nowMs + openMs * (1 + JITTER * random()) }
  }

  /** Time alone moves three of the states on. */
  function settle(nowMs: number): BreakerState {
    if (current.state === 'open' && nowMs >= current.untilMs) {
      current = { state: 'half-open', openMs: current.openMs, probing: false }
    } else if ((current.state === 'cooling' || current.state === 'unusable') && nowMs >= current.untilMs) {
      current = { state: 'closed' }
    }
    return current
  }

  function peek(nowMs: number): Permit {
    const now = settle(nowMs)
    switch (now.state) {
      case 'closed':
        return GRANTED
      case 'half-open':
        return now.probing ? { granted: false, retryAtMs: nowMs + now.openMs } : PROBE
      default:
        return { granted: false, retryAtMs: now.untilMs }
    }
  }

  return {
    peek,
    acquire(nowMs) {
      const permit = peek(nowMs)
      if (permit.granted && permit.probe && current.state === 'half-open')
        current = { ...current, probing: true }
      return permit
    },
    record(outcome, permit, nowMs, hintMs) {
      const probe = permit.granted && permit.probe
      const was = settle(nowMs)
      if (outcome === 'throttled') {
        const untilMs = nowMs + (hintMs ?? cooldownMs)
        // A shorter hint from a slower call must not cut a longer pause short, and a cooldown must not close an open breaker.
        if (was.state === 'open') return
        if (was.state === 'cooling' || was.state === 'unusable') {
          if (untilMs > was.untilMs) current = { ...was, untilMs }
        } else current = { state: 'cooling', untilMs }
      } else if (outcome === 'unusable')
        current = { state: 'unusable', untilMs: nowMs + Math.max(unusableMs, hintMs ?? 0) }
      else if (was.state === 'half-open' && probe) {
        if (outcome === 'failure') open(nowMs, Math.min(was.openMs * 2, maxOpenMs))
        else if (outcome === 'success') {
          forget()
          current = { state: 'closed' }
        } else current = { ...was, probing: false }
      } else if (was.state === 'closed' && outcome !== 'ignored') {
        const { calls, failures } = count(nowMs, outcome === 'failure')
        if (outcome === 'failure' && calls >= minimumCalls && failures / calls >= failureRatio) {
          open(nowMs, firstOpenMs)
        }
      }
    },
    state: (nowMs) => ({ ...settle(nowMs) }),
  }
}
