/**
 * Real time, only faster: real sockets need real timers, and a hint of 34 s need not take 34 s.
 *
 * In:  a factor. Out: a Clock whose milliseconds pass `factor` times as quickly as the machine's.
 */

import type { Clock } from '../../src/types.ts'

/** The wall clock starts on a fixed day, so that dates in headers mean the same in every run. */
const START_EPOCH_MS = Date.UTC(2026, 10, 23)

/** @param factor how many of its milliseconds pass per millisecond of the machine's. */
export function fastClock(factor: number): Clock {
  const startMs = performance.now()
  const nowMs = (): number => (performance.now() - startMs) * factor
  return {
    nowMs,
    epochMs: () => START_EPOCH_MS + nowMs(),
    setTimer: (callback, delayMs) => setTimeout(callback, Math.min(delayMs, 0x7fffffff) / factor),
    clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout),
  }
}
