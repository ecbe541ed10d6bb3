/**
 * What a batch run has already done, on paper and in memory.
 *
 * In:  the lines of a checkpoint: one JSON header, then one JSON line per finished row.
 * Out: the set of finished rows, small enough for a million of them, and the lines to append.
 * A line that was cut short by a kill can only be the last one: it is ignored. A bad line anywhere else is an error,
 * because something other than this library wrote it. Not here: files (adapters/file-checkpoint.ts).
 */

import { LlmError } from '../errors.ts'
import type { Completion } from '../types.ts'

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

/** 106 bits of a text in two numbers: at a million rows two of them collide once in 10^20 runs. */
export interface Digest {
  high: number
  low: number
}

/** Not cryptographic: it tells rows apart, it proves nothing. Two 53-bit lanes of multiply-xor over UTF-16 units. */
export function digest(text: string): Digest {
  return { high: lane(text, 0x9e3779b9, 0x85ebca77), low: lane(text, 0xc2b2ae3d, 0x27d4eb2f) }
}

function lane(text: string, seedA: number, seedB: number): number {
  let a = seedA
  let b = seedB
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    a = Math.imul(a ^ unit, 0x9e3779b1)
    b = Math.imul(b ^ unit, 0x5f356495)
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35)
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35)
  return (b >>> 11) * 2 ** 32 + (a >>> 0)
}

/** A digest as text, for a line. */
export function digestText({ high, low }: Digest): string {
  return `${high.toString(36)}.${low.toString(36)}`
}

/** JSON with sorted keys: two requests that mean the same give the same text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
  })
}

/**
 * Row ids seen, and for each the digest of its request: 32 bytes a row in one typed array that doubles, where a Map of
 * strings takes about 150. Open addressing with linear probing, at most half full.
 */
export interface RowSet {
  /** What is known of the id: the request's digest, or undefined. */
  get(id: Digest): Digest | undefined
  set(id: Digest, request: Digest): void
  delete(id: Digest): void
  readonly size: number
}

const FIELDS = 4

/** An empty set. */
export function createRowSet(): RowSet {
  let slots = 1024
  let table = new Float64Array(slots * FIELDS)
  let size = 0
  let used = 0

  // -1 in the first field marks a free slot, -2 one whose row was taken back.
  table.fill(-1)

  function find(into: Float64Array, capacity: number, { high, low }: Digest): number {
    let slot = low % capacity
    for (;;) {
      const at = slot * FIELDS
      if (into[at] === -1 || (into[at] === high && into[at + 1] === low)) return at
      slot = (slot + 1) % capacity
    }
  }

  function grow(): void {
    const wider = slots * 2
    const next = new Float64Array(wider * FIELDS).fill(-1)
    for (let at = 0; at < table.length; at += FIELDS) {
      if (table[at]! < 0) continue
      next.set(table.subarray(at, at + FIELDS), find(next, wider, { high: table[at]!, low: table[at + 1]! }))
    }
    table = next
    slots = wider
    used = size
  }

  return {
    get size() {
      return size
    },
    get(id) {
      const at = find(table, slots, id)
      return table[at] === -1 ? undefined : { high: table[at + 2]!, low: table[at + 3]! }
    },
    set(id, request) {
      if ((used + 1) * 2 > slots) grow()
      const at = find(table, slots, id)
      if (table[at] === -1) {
        size++
        used++
      }
      table.set([id.high, id.low, request.high, request.low], at)
    },
    delete(id) {
      const at = find(table, slots, id)
      if (table[at] === -1) return
      table[at] = -2
      size--
    },
  }
}

/** What a checkpoint says was done. */
export interface Resumed {
  done: RowSet
  failed: number
  /** False when the checkpoint is empty, so that a header is due. */
  started: boolean
}

/**
 * Reads a checkpoint.
 * @param job what must be the same for a resume to make sense: the options of the run.
 * @param retryFailed leave failed rows out of `done`, so that they run again.
 * @throws LlmError `config` for a checkpoint of another job, or a bad line before the last, with its number.
 */
export async function readCheckpoint(
  checkpoint: Checkpoint,
  job: string,
  retryFailed: boolean,
): Promise<Resumed> {
  const resumed: Resumed = { done: createRowSet(), failed: 0, started: false }
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
      torn = number
      continue
    }
    if (number === 1) readHeader(record, job)
    else readRow(record, resumed, retryFailed)
  }
  resumed.started = number > (torn > 0 ? 1 : 0)
  return resumed
}

interface Line {
  version?: number
  job?: string
  id?: string
  request?: string
  error?: unknown
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
  if (record.version === VERSION && record.job === job) return
  throw new LlmError({
    kind: 'config',
    message:
      record.version === VERSION
        ? 'The checkpoint belongs to a job with other options (model, provider, system prompt …). Use another file, or the same options.'
        : 'The checkpoint does not begin with a header of this library. Nothing was overwritten; use another file.',
  })
}

function readRow(record: Line, resumed: Resumed, retryFailed: boolean): void {
  const [high, low] = (record.request ?? '').split('.').map((text) => parseBase36(text))
  if (typeof record.id !== 'string' || high === undefined || low === undefined) return
  const id = digest(record.id)
  const hasFailed = record.error !== undefined
  if (hasFailed) resumed.failed++
  // A row that failed and then succeeded has two lines: the later one counts.
  if (hasFailed && retryFailed) resumed.done.delete(id)
  else resumed.done.set(id, { high, low })
}

/** parseInt keeps 53 bits in base 36, where Number() knows only bases up to 16. */
function parseBase36(text: string): number | undefined {
  const value = Number.parseInt(text, 36)
  return Number.isNaN(value) ? undefined : value
}

/** The first line of a checkpoint. */
export function headerLine(job: string): string {
  return JSON.stringify({ version: VERSION, job })
}

/** The line of one finished row. */
export function rowLine(result: BatchResult, request: Digest): string {
  const { id, index } = result
  return result.error === undefined
    ? JSON.stringify({ id, index, request: digestText(request), completion: result.completion })
    : JSON.stringify({ id, index, request: digestText(request), error: result.error })
}
