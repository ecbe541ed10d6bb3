/** A clock that moves only when told, for everything with a deadline in it. */

import type { Clock } from '../src/types.ts'

export interface FakeClock extends Clock {
  /** Lets timers that are due fire in their order, and everything they set off run, up to that time. */
  advance(ms: number): Promise<void>
  /** Moves the wall clock alone, as NTP or a person does. */
  jump(ms: number): void
  /** Timers that are armed. */
  readonly armed: number
  /** Delays asked for, in order. */
  readonly delays: number[]
}

export function createFakeClock(startEpochMs: number = Date.UTC(2026, 10, 23)): FakeClock {
  const timers = new Map<number, { dueMs: number; callback: () => void }>()
  const delays: number[] = []
  let nowMs = 1000
  let skewMs = 0
  let ids = 0
  return {
    nowMs: () => nowMs,
    epochMs: () => startEpochMs + nowMs + skewMs,
    setTimer(callback, delayMs) {
      delays.push(delayMs)
      timers.set(++ids, { dueMs: nowMs + delayMs, callback })
      return ids
    },
    clearTimer: (timer) => void timers.delete(timer as number),
    async advance(ms) {
      const untilMs = nowMs + ms
      await settle()
      for (;;) {
        const [next] = [...timers]
          .filter(([, { dueMs }]) => dueMs <= untilMs)
          .sort((a, b) => a[1].dueMs - b[1].dueMs)
        if (next === undefined) break
        timers.delete(next[0])
        nowMs = Math.max(nowMs, next[1].dueMs)
        next[1].callback()
        await settle()
      }
      nowMs = untilMs
      await settle()
    },
    jump: (ms) => void (skewMs += ms),
    get armed() {
      return timers.size
    },
    delays,
  }
}

/** Runs every promise that can run, including those of streams. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 3; round++) await new Promise((resolve) => setImmediate(resolve))
}
