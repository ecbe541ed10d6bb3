/**
 * What all attempts of one call share: its signal, its total deadline, its record, its observers, its secrets.
 *
 * In:  options. Out: a Call to hand around, and `end()` to let go of everything.
 * One listener on the caller's signal, one timer for `total`, both gone when the call is over: a signal shared by ten
 * thousand calls ends with the listeners it began with. AbortSignal.any is not used: it is missing in edge-vm, and on
 * Node 20 it leaks.
 * Not here: what is sent (client.ts) and how (exchange.ts).
 */

import { LlmError } from '../errors.ts'
import type { Transport } from '../provider.ts'
import type { Attempt, CallInfo, Clock, Hooks, Options } from '../types.ts'
import { onSharedAbort, systemClock } from './clock.ts'
import { limitMs, timeoutError } from './deadlines.ts'
import { createRedactor, type Redactor } from './redact.ts'
import { fetchTransport } from './transport.ts'

/** One call, from its first attempt to its end. */
export interface Call {
  readonly options: Options
  readonly info: CallInfo
  readonly clock: Clock
  readonly random: () => number
  readonly transport: Transport
  readonly redactor: Redactor
  /** Monotonic milliseconds when it began. */
  readonly startMs: number
  /** Fires when the call is over before its time; the reason is an LlmError. */
  readonly signal: AbortSignal
  readonly attempts: Attempt[]
  /** The headers that carried keys last time; a refresh that gives the same ones is none. */
  keysSent: string
  /** What is left of `timeouts.total`. */
  leftMs(): number
  cancel(error: LlmError): void
  /** Tells the observers. What they throw is told once to `onHookError`. */
  tell<Name extends HookName>(hook: Name, facts: HookFacts<Name>): void
  /** Runs an observer of another make under the same rule. */
  observe(observer: () => unknown): void
  /** Lets go of the caller's signal and the timer. */
  end(): void
}

type HookName = Exclude<keyof Hooks, 'onHookError'>
/** What a hook is told beside {@link CallInfo}. */
type HookFacts<Name extends HookName> = Omit<Parameters<NonNullable<Hooks[Name]>>[0], keyof CallInfo>

/** Begins a call. @throws LlmError `config` for deadlines that are no numbers, `aborted` is left to the first await. */
export function openCall(
  options: Options,
  who: { operation: CallInfo['operation']; provider: string; model: string },
): Call {
  const clock = options.clock ?? systemClock
  const random = options.random ?? Math.random
  const startMs = clock.nowMs()
  const totalMs = limitMs(options.timeouts, 'total')
  const controller = new AbortController()
  const info: CallInfo = Object.freeze({ callId: newCallId(), ...who })
  const hooks = [options.hooks ?? []].flat()
  let hookFailed = false

  const stopListening =
    options.signal &&
    onSharedAbort(options.signal, (cause) =>
      cancel(new LlmError({ kind: 'aborted', message: 'The call was aborted by its signal.', cause })),
    )
  const timer =
    totalMs === Infinity ? undefined : clock.setTimer(() => cancel(timeoutError('total', totalMs)), totalMs)

  function cancel(error: LlmError): void {
    controller.abort(error)
  }

  function report(error: unknown): void {
    if (hookFailed) return
    hookFailed = true
    for (const hook of hooks) {
      try {
        hook.onHookError?.(error)
      } catch {
        // An observer of failing observers that fails itself has nobody left to tell.
      }
    }
  }

  function observe(observer: () => unknown): void {
    try {
      const told = observer()
      // An async observer's rejection is a failure like another, not an unhandled one.
      if (told instanceof Promise) told.catch(report)
    } catch (error) {
      report(error)
    }
  }

  return {
    options,
    info,
    clock,
    random,
    transport: options.transport ?? fetchTransport(options.fetch),
    redactor: createRedactor(),
    startMs,
    signal: controller.signal,
    attempts: [],
    keysSent: '',
    leftMs: () => totalMs - (clock.nowMs() - startMs),
    cancel,
    tell(name, facts) {
      if (hooks.length === 0) return
      const told = Object.freeze({ ...info, ...facts })
      for (const hook of hooks)
        observe(() => (hook[name] as ((facts: object) => unknown) | undefined)?.(told))
    },
    observe,
    end() {
      stopListening?.()
      clock.clearTimer(timer)
    },
  }
}

/** 52 random bits: unique within a process and, for logs, in practice beyond it. */
function newCallId(): string {
  return Math.floor(Math.random() * 2 ** 52).toString(36)
}
