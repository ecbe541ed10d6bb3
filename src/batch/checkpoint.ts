/**
 * What a batch run has already done, on paper.
 *
 * In:  the lines of a checkpoint: one JSON header, then one JSON line per finished row.
 * Out: the ids of the finished rows, and the lines to append.
 * A line that was cut short by a kill can only be the last one: it is ignored. A bad line anywhere else is an error,
 * because something other than this library wrote it. Not here: files (adapters/file-checkpoint.ts), and what is kept of
 * an id (ids.ts).
 */

import { LlmError } from '../errors.ts'
import type { Completion } from '../types.ts'
import { digest, digestText, parseDigest } from './digest.ts'
import type { Digest } from './digest.ts'
import { createRowIds } from './ids.ts'
import type { RowIds } from './ids.ts'

/** Where lines are kept: `fileCheckpoint(path)` of `llmswap/node`, or anything append-only. */
export interface Checkpoint {
  /** Every line written so far, without line ends. The last may be torn. */
  read(): AsyncIterable<string>
  /** Resolves once the line would survive this process. */
  append(line: string): Promise<void>
  /** Refuses a second writer; returns what lets go. */
  lock(): Promise<() => Promise<void>>
}

/** One finished row. */
export type BatchResult =
  | { id: string; index: number; completion: Completion; error?: never }
  | { id: string; index: number; error: LlmError; completion?: never }

const VERSION = 1

/** What an earlier run left. */
export interface Resumed {
  /** False when the checkpoint is empty, so that a header is due. */
  started: boolean
  ids: RowIds
  /** Rows that could not be sent, by their index, with what was said of them: they are read again, but written down once. */
  unsent: RowIds
}

/**
 * Reads a checkpoint; without one, nothing was done.
 * @param job what must be the same for a resume to make sense: the options of the run.
 * @param retryFailed leave failed rows out, so that they run again.
 * @throws LlmError `config` for a checkpoint of another job, or a bad line before the last, with its number.
 */
export async function readCheckpoint(
  checkpoint: Checkpoint | undefined,
  job: string,
  retryFailed: boolean,
): Promise<Resumed> {
  const resumed: Resumed = { started: false, ids: createRowIds(), unsent: createRowIds() }
  if (checkpoint === undefined) return resumed
  let number = 0
  let torn = 0
  for await (const line of checkpoint.read()) {
    if (torn > 0) {
      throw new LlmError({
        kind: 'config',
        message: `Line ${torn} of the checkpoint is not one this library wrote; use another file, or remove that line.`,
      })
    }
    number++
    const record = parse(line)
    if (record === undefined) {
      // The only line of somebody else's file is no torn header, and must not be cut off.
      if (number === 1 && !headerLine(job).startsWith(line)) throw noHeader()
      torn = number
    } else if (number === 1) readHeader(record, job)
    else readRow(record, retryFailed, resumed)
  }
  resumed.started = number > (torn > 0 ? 1 : 0)
  return resumed
}

interface Line {
  version?: number
  job?: string
  id?: string
  index?: number
  request?: string
  error?: { message: string }
}

function parse(line: string): Line | undefined {
  try {
    const record = JSON.parse(line) as unknown
    return typeof record === 'object' && record !== null ? (record as Line) : undefined
  } catch {
    return undefined
  }
}

function readHeader(record: Line, job: string): void {
  if (record.version !== VERSION) throw noHeader()
  if (record.job !== job) {
    throw new LlmError({
      kind: 'config',
      message:
        'The checkpoint belongs to a job with other options (model, provider, system prompt …). Use another file, or the same options.',
    })
  }
}

function noHeader(): LlmError {
  return new LlmError({
    kind: 'config',
    message:
      'The checkpoint does not begin with a header of this library. Nothing was overwritten; use another file.',
  })
}

function readRow({ id, index, request, error }: Line, retryFailed: boolean, { ids, unsent }: Resumed): void {
  if (typeof id !== 'string') return
  const asked = parseDigest(request ?? '')
  if (asked === undefined) {
    if (error !== undefined) unsent.markDone(String(index), digest(error.message), true)
    return
  }
  // A row that failed and then succeeded has two lines: the later one counts.
  if (error !== undefined && retryFailed) ids.unmark(id)
  else ids.markDone(id, asked, error !== undefined)
}

/** The first line of a checkpoint. */
export function headerLine(job: string): string {
  return JSON.stringify({ version: VERSION, job })
}

/** The line of one finished row; `request` is undefined for one that was not sent. */
export function rowLine({ id, index, completion, error }: BatchResult, request: Digest | undefined): string {
  const asked = request === undefined ? {} : { request: digestText(request) }
  return JSON.stringify({ id, index, ...asked, ...(error === undefined ? { completion } : { error }) })
}
