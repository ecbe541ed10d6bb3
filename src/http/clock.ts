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

/** Everybody who listens to one signal, and the one listener that is registered for all of them. */
interface Audience {
  listeners: Set<() => void>
  leave: () => void
}

/** Keyed by signals that callers own: gone when they are. */
const audiences = /* @__PURE__ */ new WeakMap<AbortSignal, Audience>()

/**
 * {@link onAbort} for a signal that many calls may share: one listener on it, however many calls there are. With a
 * listener each, eleven concurrent calls make Node print "Possible EventTarget memory leak detected" to people who did
 * nothing wrong (nodejs/node#52635).
 */
export function onSharedAbort(signal: AbortSignal, listener: (reason: unknown) => void): () => void {
  if (signal.aborted) return onAbort(signal, listener)
  const audience = audiences.get(signal) ?? openAudience(signal)
  const tell = (): void => listener(signal.reason)
  audience.listeners.add(tell)
  return () => {
    audience.listeners.delete(tell)
    if (audience.listeners.size > 0) return
    audience.leave()
    audiences.delete(signal)
  }
}

function openAudience(signal: AbortSignal): Audience {
  const listeners = new Set<() => void>()
  const leave = onAbort(signal, () => {
    for (const tell of listeners) tell()
  })
  const audience = { listeners, leave }
  audiences.set(signal, audience)
  return audience
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
 * What the work brings, unless the signal fires first: then its reason, whether or not the work ever ends.
 * @param work an async function; not begun when the signal has already fired.
 * @param late receives what the work brings after the signal, to be thrown away properly.
 */
export function orAbort<T>(
  work: () => Promise<T>,
  signal: AbortSignal,
  late?: (value: T) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const stop = onAbort(signal, reject)
    work()
      .finally(stop)
      .then((value) => (signal.aborted ? late?.(value) : resolve(value)), reject)
  })
}
