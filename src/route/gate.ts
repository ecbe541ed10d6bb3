/**
 * What an attempt has to pass before it is sent: the contract of pace.ts and budget.ts.
 *
 * In:  one attempt at one target. Out: leave to send it — now, or after a wait — or an LlmError; and whoever was let in says
 * afterwards what it came to. A gate is a value that the caller imports and hands to `createRouter`, so that a router
 * without one does not carry it.
 */

import type { Clock, Cost, Request, Usage } from '../types.ts'

/** An attempt that asks to be sent. */
export interface GateAttempt {
  /** The target's name, as in `state()`. */
  target: string
  /** The target's provider and model, as far as the options say. */
  provider: string
  model: string
  request: Request
  /** At least this many input tokens. */
  inputTokens: number
  clock: Clock
  signal: AbortSignal
  /** What is left of the call's deadline. */
  leftMs: number
}

/** What an attempt came to. */
export interface GateOutcome {
  /** As reported; undefined when nothing was. */
  usage: Usage | undefined
  /** Known only of whole answers. */
  cost?: Cost | undefined
  /** True when the provider may charge for it. */
  billed: boolean
}

/** Told once how the attempt ended. */
export type Leave = (outcome: GateOutcome) => void

/** See the file's head. */
export interface Gate {
  /** @throws LlmError when the attempt must not be sent. */
  enter(attempt: GateAttempt): Leave | Promise<Leave>
}
