/**
 * Time as the library sees it: the runtime's clock, a pause that can be cut short, and promises that lose to an abort.
 *
 * In:  a Clock and an AbortSignal whose reason is a typed error. Out: promises that settle when the signal fires.
 * Every listener added here is removed on every path: native fetch leaves twenty on a shared signal until collected.
 */

import type { Clock } from '../types.ts'

/** Longest delay a timer takes: beyond 2^31-1 ms `setTimeout` fires after 1 ms (Node 20, 22, 24; measured). */
const MAX_TIMER_MS = 0x7fff_ffff

/** The runtime's clock. Reads the globals at each call, so that fake timers installed later are honoured. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  epochMs: () => Date.now(),
  setTimer: (callback, delayMs) => setTimeout(callback, Math.min(Math.max(0, delayMs), MAX_TIMER_MS)),
  clearTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
}

/** Calls `listener` once with the reason when the signal fires, at once if it has; returns how to stop listening. */
export function onAbort(signal: AbortSignal, listener: (reason: unknown) => void): () => void {
  if (signal.aborted) {
    listener(signal.reason)
    return () => {}
  }
  const fire = (): void => listener(signal.reason)
  signal.addEventListener('abort', fire, { once: true })
  return () => signal.removeEventListener('abort', fire)
}

/** Resolves after `delayMs`, or rejects with the signal's reason as soon as it fires. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const dueMs = clock.nowMs() + delayMs
    let timer: unknown
    const wait = (): void => {
      const leftMs = dueMs - clock.nowMs()
      // Timers may fire a little early, and a long pause takes several of them.
      if (leftMs <= 0) {
        stop()
        resolve()
      } else timer = clock.setTimer(wait, Math.min(Math.ceil(leftMs), MAX_TIMER_MS))
    }
    const stop = onAbort(signal, (reason) => {
      clock.clearTimer(timer)
      reject(reason)
    })
    wait()
  })
}

/**
 * The promise, unless the signal fires first: then its reason, whether or not the work ever ends.
 * @param late receives what the work brings after that, to be thrown away properly.
 */
export function orAbort<T>(work: Promise<T>, signal: AbortSignal, late?: (value: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let lost = false
    const stop = onAbort(signal, (reason) => {
      lost = true
      reject(reason)
    })
    work.then(
      (value) => {
        stop()
        if (lost) late?.(value)
        else resolve(value)
      },
      (error: unknown) => {
        stop()
        reject(error)
      },
    )
  })
}
