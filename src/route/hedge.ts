/**
 * A second target is asked when the first takes longer than it usually does; whoever writes first is heard.
 *
 * In:  two ways to get an answer, the second possibly none. Out: the first to bring content; the other one is aborted, and
 * what it may have cost stands in `attempts`.
 * The wait is `afterMs`, or the 95th percentile of the target's last times to first token once 20 are known — "The Tail at
 * Scale" (Dean & Barroso 2013): a twentieth more requests took BigTable's 99.9th percentile from 1,800 ms to 74. Headers do
 * not count: providers send them at once. One second request at most, and no more of them than `share` of the calls.
 * Not here: what happens when an attempt fails, which is answered by the next one without waiting (routed.ts).
 */

import { LlmError } from '../errors.ts'
import { onAbort } from '../http/clock.ts'
import { ownOptions } from '../request.ts'
import type { Clock } from '../types.ts'
import { createRetryBudget } from './retry-budget.ts'

/** See {@link hedge}. */
export interface HedgeOptions {
  /** Milliseconds after which the second is asked. Default: the 95th percentile of what the target has shown. */
  afterMs?: number
  /** Second requests per call, at most. Default 0.05. */
  share?: number
  /** Second requests allowed in quiet times, per ten seconds. Default 1. */
  reserve?: number
}

/** One call's race. */
export interface Race<T> {
  clock: Clock
  /** The call's own: ends both. */
  signal: AbortSignal
  /** Asks. The second time `undefined`: there is nobody else to ask. */
  start(signal: AbortSignal): Promise<T> | undefined
  /** Who is asked first; asked after the first start. */
  target(): string
  /** The winner's target. */
  winner(value: T): string
  /** Lets go of an answer that came too late. */
  discard(value: T): void
}

/** A policy of second requests. */
export interface Hedge {
  race<T>(race: Race<T>): Promise<T>
}

const SAMPLES_NEEDED = 20
const SAMPLES_KEPT = 100
const PERCENTILE = 0.95

/** The policy; it learns, so one value serves all calls of a router. @throws LlmError `config` for a wait that is none. */
export function hedge(options: HedgeOptions = {}): Hedge {
  const { afterMs, share = 0.05, reserve = 1 }: HedgeOptions = ownOptions(options)
  if (afterMs !== undefined && !(afterMs >= 0)) {
    throw new LlmError({
      kind: 'config',
      message: `hedge.afterMs is ${afterMs}: pass milliseconds, 0 or more.`,
    })
  }
  const allowance = createRetryBudget(ownOptions({ ratio: share, reserve }))
  const seen = new Map<string, number[]>()

  function waitFor(target: string): number | undefined {
    if (afterMs !== undefined) return afterMs
    const samples = seen.get(target)
    if (samples === undefined || samples.length < SAMPLES_NEEDED) return undefined
    return [...samples].sort((a, b) => a - b)[Math.ceil(samples.length * PERCENTILE) - 1]
  }

  function learn(target: string, ms: number): void {
    const samples = seen.get(target) ?? []
    seen.set(target, samples)
    samples.push(ms)
    if (samples.length > SAMPLES_KEPT) samples.shift()
  }

  return {
    race<T>({ clock, signal, start, target, winner, discard }: Race<T>): Promise<T> {
      const startMs = clock.nowMs()
      allowance.deposit(startMs)
      return new Promise<T>((resolve, reject) => {
        const runners: AbortController[] = []
        let timer: unknown
        let running = 0
        let over = false
        let firstError: unknown
        const stop = onAbort(signal, (reason) => {
          clock.clearTimer(timer)
          for (const runner of runners) runner.abort(reason)
        })
        const run = (): void => {
          const runner = new AbortController()
          const askedMs = clock.nowMs()
          const answer = start(runner.signal)
          if (answer === undefined) return
          runners.push(runner)
          running++
          answer.then(
            (value) => {
              if (over) return discard(value)
              over = true
              clock.clearTimer(timer)
              stop()
              learn(winner(value), clock.nowMs() - askedMs)
              const late = new LlmError({ kind: 'aborted', message: 'Another target answered first.' })
              for (const other of runners) if (other !== runner) other.abort(late)
              // The call's signal ends the winner from now on.
              onAbort(signal, (reason) => runner.abort(reason))
              resolve(value)
            },
            (error: unknown) => {
              firstError ??= error
              if (--running > 0 || over) return
              over = true
              clock.clearTimer(timer)
              stop()
              reject(firstError)
            },
          )
        }
        run()
        const pauseMs = waitFor(target())
        if (pauseMs === undefined || signal.aborted) return
        timer = clock.setTimer(() => {
          if (!over && allowance.withdraw(clock.nowMs())) run()
        }, pauseMs)
      })
    },
  }
}
