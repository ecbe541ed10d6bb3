/**
 * Many rows through one client: bounded, resumable, and none lost.
 *
 * In:  rows from any (async) iterable, of any length. Out: results, in order or as they complete.
 * What runs, in one loop: pull a row when a slot is free → ask → on a retryable error wait in line again while other
 * rows go ahead → write the checkpoint line → hand the result over. Memory holds the rows in flight, the results not
 * yet taken (at most as many), and 32 bytes per row id. A 429 pauses everyone, because the limit is everyone's.
 * Nothing runs until the results are asked for; a slow consumer slows the run.
 * Not here: provider batch endpoints, and files (adapters/file-checkpoint.ts).
 */

import { LlmError } from '../errors.ts'
import { systemClock } from '../http/clock.ts'
import type { Clock, Completion, Input, Options } from '../types.ts'
import {
  canonicalJson,
  createRowSet,
  digest,
  digestText,
  headerLine,
  readCheckpoint,
  rowLine,
} from './checkpoint.ts'
import type { BatchResult, Checkpoint, Digest, RowSet } from './checkpoint.ts'

/** One request: an id of your own, `messages` or `prompt`, and any option of a call. */
export interface BatchRow extends Omit<Options, 'signal' | 'retry'> {
  /** Default: `row-<index>`. Ids must be unique. */
  id?: string
  /** The conversation; either this or `prompt`. */
  messages?: Extract<Input, { messages: unknown }>['messages']
  /** Short for one user message. */
  prompt?: string
}

/** Whatever answers: a client, a router, or a function of your own. */
export interface BatchClient {
  complete(input: Input, options?: Options): Promise<Completion>
}

/** Counters, as of now. */
export interface BatchProgress {
  /** Rows with an answer, those of an earlier run included. */
  done: number
  /** Rows that ended in an error. */
  failed: number
  /** Rows skipped because the checkpoint has them; part of `done`. */
  skipped: number
  /** Rows being asked. */
  inFlight: number
  /** Retries so far. */
  retries: number
  /** To the end at the speed so far; undefined without `total`. */
  etaMs: number | undefined
  /** Dollars, of the rows whose cost is known. */
  cost: number
  inputTokens: number
  outputTokens: number
}

/** How the run ended. */
export interface BatchSummary extends BatchProgress {
  stopped: 'end' | 'budget' | 'aborted' | 'consumer'
}

/** See {@link batch}. */
export interface BatchOptions {
  /** Who answers. */
  client: BatchClient
  /** Rows asked at once. Default 8. */
  concurrency?: number
  /** Options of every row; a row's own win. */
  options?: Omit<Options, 'signal' | 'retry'>
  /** Where results are kept over a crash; `fileCheckpoint` of `llmswap/node` is one. Default: nowhere. */
  checkpoint?: Checkpoint
  /** Ask failed rows of an earlier run again. Default false. */
  retryFailed?: boolean
  /** Results in the order of the rows. Default false: as they complete. */
  ordered?: boolean
  /** Tries per row. Default 3. */
  attempts?: number
  /** Per row, all its tries and waits together. Default: none. */
  rowTimeoutMs?: number
  /** Dollars; no row is started that could exceed it. `estimate` gives a row's worst case; default: the dearest row so far. */
  budget?: { dollars: number; estimate?: (row: BatchRow) => number }
  /** Of the last answers, how many are kept for rows that ask the very same. Default 0: every row is asked. */
  dedupe?: number
  /** Rows expected, for `etaMs`. */
  total?: number
  /** Largest row as JSON text. Default 32 MiB. */
  maxRowBytes?: number
  /** Told after every row that ended. */
  onProgress?: (progress: BatchProgress) => void
  /** Stops starting rows, cancels those in flight, and ends after what is done is written. */
  signal?: AbortSignal
  /** Default: the runtime's. */
  clock?: Clock
  /** A number in [0, 1), for the jitter. Default: `Math.random`. */
  random?: () => number
}

/** A run: iterate it for the results, or await `summary` after. */
export interface BatchRun extends AsyncIterable<BatchResult> {
  readonly progress: BatchProgress
  /** Resolves when the iteration has ended. */
  readonly summary: Promise<BatchSummary>
}

/** A row on its way. */
interface Job {
  id: string
  index: number
  row: BatchRow
  request: Digest
  /** Tries made. */
  tries: number
  dueMs: number
  deadlineMs: number
  reserved: number
}

/** 50 × 0.02 is 1.0000000000000002 in binary; nobody means that by a budget of 1. */
const ROUNDING = 1 + 1e-9

const DEFAULTS = { baseMs: 500, throttledBaseMs: 1_000, maxMs: 30_000 }

/**
 * Runs rows; see the file's head. Errors of single rows are results, never a rejection.
 * @throws LlmError `config`, from the first `next()`: bad options, a checkpoint of another job or in use, a budget of 0 —
 *   before anything is sent.
 */
export function batch(rows: Iterable<unknown> | AsyncIterable<unknown>, options: BatchOptions): BatchRun {
  const progress: BatchProgress = {
    done: 0,
    failed: 0,
    skipped: 0,
    inFlight: 0,
    retries: 0,
    etaMs: undefined,
    cost: 0,
    inputTokens: 0,
    outputTokens: 0,
  }
  let settle: (summary: BatchSummary) => void = () => {}
  const summary = new Promise<BatchSummary>((resolve) => (settle = resolve))
  let taken = false
  return {
    progress,
    summary,
    [Symbol.asyncIterator]() {
      if (taken)
        throw new LlmError({ kind: 'config', message: 'A batch run can be iterated once; start another.' })
      taken = true
      return drive(rows, options, progress, settle)
    },
  }
}

async function* drive(
  rows: Iterable<unknown> | AsyncIterable<unknown>,
  options: BatchOptions,
  progress: BatchProgress,
  settle: (summary: BatchSummary) => void,
): AsyncGenerator<BatchResult, undefined, undefined> {
  checkOptions(options)
  const { client, checkpoint, signal, budget, concurrency = 8, attempts = 3, ordered = false } = options
  const { nowMs, setTimer, clearTimer } = options.clock ?? systemClock
  const random = options.random ?? Math.random
  const startedMs = nowMs()
  const cancel = new AbortController()

  const source = iteratorOf(rows)
  const waiting: Job[] = []
  const finished: BatchResult[] = []
  let finishedHead = 0
  // Results ahead of their turn, and undefined for rows that have none because an earlier run did them.
  const early = new Map<number, BatchResult | undefined>()
  const answers = createAnswers(options.dedupe ?? 0)
  let pulled = 0
  let turn = 0
  let reading = false
  let next: Job | undefined
  let exhausted = false
  let complete = false
  let stopped: BatchSummary['stopped'] = 'end'
  let pausedUntilMs = 0
  let dearest = 0
  let reserved = 0
  let fault: unknown
  let wake = (): void => {}

  const release = await checkpoint?.lock()
  const abort = (): void => {
    stopped = 'aborted'
    cancel.abort(signal?.reason)
    wake()
  }
  try {
    // What may not change between two runs of one job. Keys, functions and deadlines may.
    const job = digestText(digest(canonicalJson(jobOptions(options.options))))
    const resumed =
      checkpoint === undefined
        ? undefined
        : await readCheckpoint(checkpoint, job, options.retryFailed ?? false)
    const seen: RowSet = createRowSet()
    if (checkpoint !== undefined && resumed?.started === false) await checkpoint.append(headerLine(job))
    if (signal?.aborted === true) abort()
    else signal?.addEventListener('abort', abort, { once: true })

    /** The row leaves its slot in the very step in which its result is queued: in between it would be nowhere. */
    const settleRow = async (request: Digest, result: BatchResult, asked?: Job): Promise<void> => {
      try {
        await checkpoint?.append(rowLine(result, request))
      } catch (error) {
        fault ??= error
      }
      if (asked !== undefined) leave(asked)
      if (result.error === undefined) count(progress, result.completion)
      else progress.failed++
      if (ordered) inOrder(result.index, result)
      else finished.push(result)
      report()
      wake()
    }

    const leave = (one: Job): void => {
      progress.inFlight--
      reserved -= one.reserved
    }

    const inOrder = (index: number, result: BatchResult | undefined): void => {
      early.set(index, result)
      for (; early.has(turn); turn++) {
        const head = early.get(turn)
        early.delete(turn)
        if (head !== undefined) finished.push(head)
      }
    }

    const report = (): void => {
      const ended = progress.done + progress.failed - progress.skipped
      const left = options.total === undefined ? undefined : options.total - progress.done - progress.failed
      progress.etaMs =
        left === undefined || ended === 0 ? undefined : Math.max(0, ((nowMs() - startedMs) / ended) * left)
      try {
        options.onProgress?.({ ...progress })
      } catch {
        // An observer's fault is not the run's.
      }
    }

    /** Takes one row off the input, and settles at once what needs no asking. */
    const pull = async (): Promise<void> => {
      reading = true
      try {
        const { done, value } = await source.next()
        if (done === true) exhausted = true
        else await admit(value, pulled++)
      } catch (error) {
        fault ??= error
        exhausted = true
      }
      reading = false
      wake()
    }

    const admit = async (value: unknown, index: number): Promise<void> => {
      const row = readRow(value, index, options)
      if (LlmError.is(row)) {
        const id = idOf(value, index)
        await settleRow(digest(''), { id, index, error: row })
        return
      }
      const { id, request } = row
      const key = digest(id)
      if (seen.get(key) !== undefined) {
        const error = new LlmError({
          kind: 'config',
          message: `Row ${index} has the id of an earlier row: ${id}. It was not sent.`,
        })
        await settleRow(request, { id, index, error })
        return
      }
      seen.set(key, request)
      const before = resumed?.done.get(key)
      if (before === undefined) {
        next = { ...row, index, tries: 0, dueMs: 0, deadlineMs: Infinity, reserved: 0 }
      } else if (before.high !== request.high || before.low !== request.low) {
        throw new LlmError({
          kind: 'config',
          message: `The checkpoint belongs to another input: row ${index} (${id}) asked something else there.`,
        })
      } else {
        progress.done++
        progress.skipped++
        if (ordered) inOrder(index, undefined)
      }
    }

    const ask = async (one: Job): Promise<void> => {
      progress.inFlight++
      one.tries++
      const { id, index, row } = one
      let result: BatchResult
      try {
        const { input, callOptions } = callOf(row, options)
        const known = answers.get(one.request)
        const remainingMs = one.deadlineMs - nowMs()
        const completion =
          (await known) ??
          (await answers.keep(
            one.request,
            client.complete(input, {
              ...callOptions,
              retry: false,
              signal: cancel.signal,
              ...(remainingMs === Infinity
                ? {}
                : { timeouts: { ...callOptions.timeouts, total: Math.max(1, remainingMs) } }),
            }),
          ))
        result = { id, index, completion }
        dearest = Math.max(dearest, completion.cost?.total ?? 0)
      } catch (cause) {
        const error = asError(cause)
        if (cancel.signal.aborted) {
          leave(one)
          wake()
          return
        }
        const throttled = error.kind === 'rate-limit' || error.kind === 'overloaded'
        const backoffMs = Math.min(
          DEFAULTS.maxMs,
          (throttled ? DEFAULTS.throttledBaseMs : DEFAULTS.baseMs) * 2 ** (one.tries - 1),
        )
        const delayMs = (error.retryAfterMs ?? 0) + random() * backoffMs
        const atMs = nowMs() + delayMs
        if (error.kind === 'rate-limit') pausedUntilMs = Math.max(pausedUntilMs, atMs)
        if (error.retryable && one.tries < attempts && atMs < one.deadlineMs) {
          leave(one)
          progress.retries++
          one.dueMs = atMs
          waiting.push(one)
          wake()
          return
        }
        result = { id, index, error }
      }
      await settleRow(one.request, result, one)
    }

    /** Starts one row if something allows it; false when nothing does right now. */
    const start = (): boolean => {
      if (
        stopped !== 'end' ||
        fault !== undefined ||
        progress.inFlight >= concurrency ||
        nowMs() < pausedUntilMs
      )
        return false
      // Untaken results count as much as running rows: this is where backpressure comes from.
      if (finished.length - finishedHead + early.size >= concurrency * 2) return false
      const due = waiting.findIndex((one) => one.dueMs <= nowMs())
      const one = due >= 0 ? waiting.splice(due, 1)[0] : next
      if (one === undefined) return false
      if (budget !== undefined) {
        one.reserved = budget.estimate?.(one.row) ?? dearest
        if (progress.cost + reserved + one.reserved > budget.dollars * ROUNDING) {
          if (due >= 0) waiting.push(one)
          if (progress.inFlight > 0) return false
          stopped = 'budget'
          return false
        }
        reserved += one.reserved
      }
      if (due < 0) next = undefined
      if (one.tries === 0 && options.rowTimeoutMs !== undefined)
        one.deadlineMs = nowMs() + options.rowTimeoutMs
      void ask(one)
      return true
    }

    for (;;) {
      const change = new Promise<void>((resolve) => (wake = resolve))
      while (start());
      // Waiting rows hold slots of the line, so that a dead target does not pull the whole input into memory.
      if (
        next === undefined &&
        !reading &&
        !exhausted &&
        stopped === 'end' &&
        waiting.length < concurrency * 4
      )
        void pull()
      if (finishedHead < finished.length) {
        while (finishedHead < finished.length) {
          yield finished[finishedHead++]!
        }
        finished.length = 0
        finishedHead = 0
        continue
      }
      if (fault !== undefined && progress.inFlight === 0) throw fault
      const idle = progress.inFlight === 0 && !reading
      if (idle && (stopped !== 'end' || (exhausted && next === undefined && waiting.length === 0))) break
      const soonestMs = next === undefined ? Math.min(...waiting.map((one) => one.dueMs)) : 0
      const atMs = Math.max(soonestMs, pausedUntilMs)
      const timer =
        atMs > nowMs() && atMs < Infinity ? setTimer(() => wake(), Math.max(1, atMs - nowMs())) : undefined
      await change
      if (timer !== undefined) clearTimer(timer)
    }
    complete = true
  } finally {
    if (!complete && stopped === 'end') stopped = 'consumer'
    cancel.abort(new LlmError({ kind: 'aborted', message: 'The batch run was left before its end.' }))
    signal?.removeEventListener('abort', abort)
    await source.return?.()
    await release?.()
    settle({ ...progress, stopped })
  }
}

function checkOptions({ client, concurrency = 8, budget, attempts = 3, rowTimeoutMs }: BatchOptions): void {
  const bad = (field: string, wanted: string): never => {
    throw new LlmError({
      kind: 'config',
      message: `batch() needs ${field} to be ${wanted}; nothing was sent.`,
    })
  }
  if (typeof client?.complete !== 'function') bad('client', 'something with a complete() method')
  if (!Number.isInteger(concurrency) || concurrency < 1) bad('concurrency', 'a whole number above 0')
  if (!Number.isInteger(attempts) || attempts < 1) bad('attempts', 'a whole number above 0')
  if (budget !== undefined && !(budget.dollars > 0)) bad('budget.dollars', 'above 0')
  if (rowTimeoutMs !== undefined && !(rowTimeoutMs > 0)) bad('rowTimeoutMs', 'above 0')
}

/** The options that decide what is asked; anything that is not plain data is left out. */
function jobOptions(options: Options | undefined): Record<string, unknown> {
  const plain: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(options ?? {})) {
    if (['apiKey', 'timeouts', 'limits', 'hooks', 'headers', 'env'].includes(key)) continue
    if (key === 'provider' && typeof value === 'object') plain[key] = (value as { name: string }).name
    else if (typeof value !== 'function') plain[key] = value
  }
  return plain
}

function idOf(value: unknown, index: number): string {
  const id = typeof value === 'object' && value !== null ? (value as { id?: unknown }).id : undefined
  return typeof id === 'string' && id !== '' ? id : `row-${index}`
}

/** A row, checked; or the error that is its result. An input that failed to parse may hand its error in as the row. */
function readRow(
  value: unknown,
  index: number,
  { maxRowBytes = 32 * 1024 * 1024 }: BatchOptions,
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

function callOf(row: BatchRow, { options }: BatchOptions): { input: Input; callOptions: Options } {
  const { id: _, messages, prompt, ...own } = row
  return { input: messages ?? prompt ?? '', callOptions: { ...options, ...own } }
}

function asError(cause: unknown): LlmError {
  if (LlmError.is(cause)) return cause
  return new LlmError({
    kind: 'protocol',
    message: 'The client failed with something that is not an LlmError.',
    cause,
  })
}

function count(progress: BatchProgress, completion: Completion): void {
  progress.done++
  progress.cost += completion.cost?.total ?? 0
  progress.inputTokens += completion.usage.inputTokens ?? 0
  progress.outputTokens += completion.usage.outputTokens ?? 0
}

/** The last answers by request, for rows that ask the very same while or shortly after another did. */
function createAnswers(most: number): {
  get(request: Digest): Promise<Completion | undefined> | undefined
  keep(request: Digest, answer: Promise<Completion>): Promise<Completion>
} {
  const kept = new Map<string, Promise<Completion>>()
  return {
    // A twin that failed is no answer: the row asks for itself.
    get: (request) => (most === 0 ? undefined : kept.get(digestText(request))?.catch(() => undefined)),
    keep(request, answer) {
      if (most === 0) return answer
      const key = digestText(request)
      kept.set(key, answer)
      if (kept.size > most) kept.delete(kept.keys().next().value as string)
      answer.catch(() => kept.delete(key))
      return answer
    },
  }
}

function iteratorOf(
  rows: Iterable<unknown> | AsyncIterable<unknown>,
): Iterator<unknown> | AsyncIterator<unknown> {
  if (typeof rows === 'object' && rows !== null) {
    if (Symbol.asyncIterator in rows) return rows[Symbol.asyncIterator]()
    if (Symbol.iterator in rows) return rows[Symbol.iterator]()
  }
  throw new LlmError({
    kind: 'config',
    message: 'batch() needs rows to be an array or an (async) iterable of objects.',
  })
}
