/**
 * Five clocks over one attempt, and one timer behind them.
 *
 * In:  what the attempt is doing now. Out: one call of `expire` with a typed error when a limit passes.
 *   headers     from sending to the response's headers
 *   firstToken  from sending to the first content event
 *   idle        one read; every byte ends it
 *   progress    reads since the last meaningful event, added up; comments and pings do not end it
 * `idle` and `progress` run only while a read is pending, so a slow consumer never trips them. Servers need both:
 * keep-alive comments held dead streams open for ever, and pings that did not count made live ones look stalled.
 * The timer is armed lazily: a read only moves a number, and the timer, when it fires early, asks again. A stream of
 * 10,000 reads sets a handful of timers instead of 20,000.
 * Not here: `connect` (only a transport can see it) and `total` (it spans attempts; client.ts).
 */

import { LlmError } from '../errors.ts'
import type { Clock, Timeouts } from '../types.ts'

/** Limits of one attempt, named as in {@link Timeouts}. */
export type Deadline = 'headers' | 'firstToken' | 'idle' | 'progress'

/** Design defaults, in milliseconds. A reasoning model may think for minutes before it says anything. */
export const DEFAULT_TIMEOUTS: Readonly<Record<Deadline | 'connect' | 'total', number>> = {
  connect: 10_000,
  headers: 300_000,
  firstToken: 300_000,
  idle: 90_000,
  progress: 600_000,
  total: Infinity,
}

/** A limit in milliseconds; `false`, absent-by-default and nonsense read as told: off, default, error. */
export function limitMs(timeouts: Timeouts | undefined, name: keyof Timeouts): number {
  const value = timeouts?.[name] ?? DEFAULT_TIMEOUTS[name]
  if (value === false) return Infinity
  if (typeof value === 'number' && value >= 0) return value
  throw new LlmError({
    kind: 'config',
    message: `timeouts.${name} is ${String(value)}: pass milliseconds, or false for no limit.`,
  })
}

/** The watch over one attempt. */
export interface Deadlines {
  /** Starts `headers` and `firstToken`. */
  sent(): void
  /** The headers are here. */
  headers(): void
  /** A read begins. */
  reading(): void
  /** The read ended. */
  read(): void
  /** A meaningful event came. */
  progressed(): void
  /** Stops every clock; nothing expires any more. */
  stop(): void
}

/** @param expire called at most once; the attempt is over then. */
export function createDeadlines(init: {
  clock: Clock
  timeouts: Timeouts | undefined
  expire: (error: LlmError) => void
}): Deadlines {
  const { clock, timeouts, expire } = init
  /** When each limit passes, in clock time; Infinity while it does not run. */
  const due = { headers: Infinity, firstToken: Infinity, idle: Infinity, progress: Infinity }
  const names = Object.keys(due) as Deadline[]
  const limits = { ...due }
  for (const name of names) limits[name] = limitMs(timeouts, name)
  let progressLeftMs = limits.progress
  let readSinceMs = 0
  let timer: unknown
  let timerDueMs = Infinity
  let stopped = false

  function arm(nowMs: number): void {
    const next = Math.min(due.headers, due.firstToken, due.idle, due.progress)
    // A read that begins after the attempt was given up must not start a clock that nobody will stop.
    if (stopped || next >= timerDueMs) return
    clock.clearTimer(timer)
    timerDueMs = next
    timer = clock.setTimer(fire, next - nowMs)
  }

  function fire(): void {
    timerDueMs = Infinity
    const nowMs = clock.nowMs()
    for (const name of names) {
      if (due[name] > nowMs) continue
      stop()
      expire(timeoutError(name, limits[name]))
      return
    }
    arm(nowMs)
  }

  function stop(): void {
    stopped = true
    clock.clearTimer(timer)
  }

  return {
    sent() {
      const nowMs = clock.nowMs()
      due.headers = nowMs + limits.headers
      due.firstToken = nowMs + limits.firstToken
      arm(nowMs)
    },
    headers() {
      due.headers = Infinity
    },
    reading() {
      const nowMs = clock.nowMs()
      readSinceMs = nowMs
      due.idle = nowMs + limits.idle
      due.progress = nowMs + progressLeftMs
      arm(nowMs)
    },
    read() {
      progressLeftMs -= clock.nowMs() - readSinceMs
      due.idle = due.progress = Infinity
    },
    progressed() {
      due.firstToken = Infinity
      progressLeftMs = limits.progress
    },
    stop,
  }
}

const WHAT_PASSED: Record<Deadline | 'total', string> = {
  headers: 'no response headers came within',
  firstToken: 'no content came within',
  idle: 'not a byte came for',
  progress: 'nothing but keep-alives came for',
  total: 'the call as a whole took longer than',
}

/** Says which limit passed and how to raise it. */
export function timeoutError(name: Deadline | 'total', ms: number): LlmError {
  return new LlmError({
    kind: 'timeout',
    phase: name,
    // What the caller allowed in all is used up: trying again would only be told the same.
    retryable: name !== 'total',
    message: `Timed out: ${WHAT_PASSED[name]} ${ms} ms. Raise timeouts.${name} if that is too little.`,
  })
}
