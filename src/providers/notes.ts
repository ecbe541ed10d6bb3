/**
 * What a codec says when something cannot be: one way for each kind of error and of warning.
 *
 * In:  who speaks, and what it is about. Out: an `LlmError` to throw, or a warning added to the request's.
 * Warnings reach `completion.warnings`: nothing is dropped or changed in silence.
 * Not here: what servers say (errors.ts).
 */

import { LlmError } from '../errors.ts'
import type { ErrorKind, ErrorPhase } from '../errors.ts'
import type { Request, Warning } from '../types.ts'

// ------------------------------------------------------------------------------------------------ errors

/** An error that a codec raises itself. */
export function fault(
  kind: ErrorKind,
  provider: string,
  phase: ErrorPhase,
  message: string,
  cause?: unknown,
): LlmError {
  return new LlmError({ kind, provider, phase, message, cause })
}

/** The server sent what its format does not allow; `what` completes "{provider} …". */
export function protocol(provider: string, what: string): LlmError {
  return fault('protocol', provider, 'stream', `${provider} ${what}.`)
}

/** The body ended without the marker that says the answer is whole. */
export function interrupted(provider: string, marker: string): LlmError {
  return fault('interrupted', provider, 'stream', `The answer of ${provider} ended before ${marker}.`)
}

// ---------------------------------------------------------------------------------------------- warnings

/** Who speaks, and where warnings go. */
export interface Notes {
  provider: string
  warnings: Warning[]
}

/** An option the provider has no field for. */
export function unsupported({ provider, warnings }: Notes, field: string, detail?: string): void {
  const why = detail === undefined ? '' : `: ${detail}`
  const message = `${provider} has no equivalent of ${field}; it was not sent${why}.`
  warnings.push({ code: 'unsupported', field, message })
}

/** The options among these that were set, none of which the provider has a field for. */
export function unsupportedOptions(notes: Notes, request: Request, fields: readonly (keyof Request)[]): void {
  for (const field of fields) {
    const value = request[field]
    if (value !== undefined && value !== false && String(value) !== '') unsupported(notes, field)
  }
}

/** Something that went along as something else. */
export function converted({ warnings }: Notes, field: string, message: string): void {
  warnings.push({ code: 'converted', field, message })
}

/** A piece of history that could not go along; `what` completes "… was left out". */
export function leftOut({ provider, warnings }: Notes, what: string, field = 'messages'): void {
  const message = `${what} was left out: ${provider} cannot take it.`
  warnings.push({ code: 'dropped', field, message })
}

/** The words that stand where something cannot go along, so that neither the model nor the caller believes it did. */
export function notSent({ provider, warnings }: Notes, kind: string): string {
  const note = `[${kind} not sent]`
  const message = `${provider} cannot take the ${kind} here: it was replaced by the note "${note}".`
  warnings.push({ code: 'dropped', field: 'messages', message })
  return note
}
