/**
 * One row of a batch: what it may hold, and what is asked for it.
 *
 * In:  whatever the input yields. Out: an id, a request and its digest, or the error that is the row's result; input and
 * options of the call. Not here: whether the id was met before (ids.ts).
 */

import { LlmError } from '../errors.ts'
import type { Input, Options } from '../types.ts'
import { canonicalJson, digest } from './digest.ts'
import type { Digest } from './digest.ts'

/** One request: an id of your own, `messages` or `prompt`, and any option of a call. */
export interface BatchRow extends Omit<Options, 'signal' | 'retry'> {
  /** Default: `row-<index>`. Ids must be unique. */
  id?: string
  /** The conversation; either this or `prompt`. */
  messages?: Extract<Input, { messages: unknown }>['messages']
  /** Short for one user message. */
  prompt?: string
}

/**
 * The options that decide what is asked, as one text. Of what is not plain data — functions, a schema that holds itself —
 * only the presence counts.
 */
export function jobText(options: Options | undefined): string {
  const plain: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(options ?? {})) {
    if (['apiKey', 'timeouts', 'limits', 'hooks', 'headers', 'env'].includes(key)) continue
    if (key === 'provider' && typeof value === 'object') plain[key] = (value as { name: string }).name
    else if (typeof value !== 'function') plain[key] = isPlain(value) ? value : true
  }
  return canonicalJson(plain)
}

function isPlain(value: unknown): boolean {
  try {
    JSON.stringify(value)
    return true
  } catch {
    return false
  }
}

export function idOf(value: unknown, index: number): string {
  const id = typeof value === 'object' && value !== null ? (value as { id?: unknown }).id : undefined
  return typeof id === 'string' && id !== '' ? id : `row-${index}`
}

/** A row, checked; or the error that is its result. An input that failed to parse may hand its error in as the row. */
export function readRow(
  value: unknown,
  index: number,
  maxRowBytes: number = 32 * 1024 * 1024,
): { id: string; row: BatchRow; request: Digest } | LlmError {
  const bad = (problem: string): LlmError =>
    new LlmError({ kind: 'config', message: `Row ${index} ${problem}. It was not sent.` })
  if (LlmError.is(value)) return value
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return bad('is not an object')
  const row = value as BatchRow
  if (row.id !== undefined && (typeof row.id !== 'string' || row.id === ''))
    return bad('has an id that is not a text')
  if (typeof row.prompt !== 'string' && !Array.isArray(row.messages))
    return bad('has neither messages nor a prompt')
  const { id: _, ...request } = row
  let text: string
  try {
    text = canonicalJson(request)
  } catch {
    return bad('is not plain JSON')
  }
  if (text.length > maxRowBytes)
    return bad(`is ${text.length} characters long, above the limit of ${maxRowBytes}`)
  return { id: idOf(row, index), row, request: digest(text) }
}

export function callOf(row: BatchRow, options: Options | undefined): { input: Input; callOptions: Options } {
  const { id: _, messages, prompt, ...own } = row
  return { input: messages ?? prompt ?? '', callOptions: { ...options, ...own } }
}
