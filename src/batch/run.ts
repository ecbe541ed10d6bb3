/**
 * Many rows through one client: bounded, resumable, and none lost.
 *
 * In:  rows from any (async) iterable, of any length. Out: results, in order or as they complete.
 * What runs, in one loop: pull a row when a slot is free → ask → on a retryable error wait in line again while other
 * rows go ahead → write the checkpoint line → hand the result over. Memory holds the rows in flight, at most twice as
 * many untaken results (eight times in order), and what ids.ts needs of each id. A 429 pauses everyone, because the limit
 * is everyone's. Nothing runs until the results are asked for; a slow consumer slows the run.
 * Not here: what a row may hold (rows.ts), provider batch endpoints, and files (adapters/file-checkpoint.ts).
 */

import { LlmError } from '../errors.ts'
import { systemClock } from '../http/clock.ts'
import type { Completion } from '../types.ts'
import { headerLine, readCheckpoint, rowLine } from './checkpoint.ts'
import type { BatchResult } from './checkpoint.ts'
import { digest, digestText } from './digest.ts'
import type { Digest } from './digest.ts'
import { checkOptions } from './options.ts'
import type { BatchOptions, BatchProgress, BatchSummary } from './options.ts'
import { callOf, idOf, jobText, readRow } from './rows.ts'
import type { BatchRow } from './rows.ts'

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

const BACKOFF = { baseMs: 500, throttledBaseMs: 1_000, maxMs: 30_000 }

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
  const { client, checkpoint, signal, budget, concurrency = 8, attempts = 3, ordered = false } = options
  const { nowMs, setTimer, clearTimer } = options.clock ?? systemClock
  const random = options.random ?? Math.random
  const startedMs = nowMs()
  const calls = new Set<AbortController>()
  let isCancelled = false
  const cancelAll = (reason: unknown): void => {
    isCancelled = true
    for (const one of calls) one.abort(reason)
  }
  // Untaken results count as much as running rows: this is where backpressure comes from. In order, one slow row keeps
  // all behind it untaken, and a slot should not stand idle for that.
  const mostUntaken = concurrency * (ordered ? 8 : 2)

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
  let isOver = false
  let stopped: BatchSummary['stopped'] | undefined
  let pausedUntilMs = 0
  let alarm: { atMs: number; timer: unknown } | undefined
  let dearest = 0
  let reserved = 0
  let fault: unknown
  let changed = (): void => {}
  // Undone at the end, the last first.
  const undo: (() => unknown)[] = []

  try {
    checkOptions(options)
    const source = iteratorOf(rows)
    const release = await checkpoint?.lock()
    if (release !== undefined) undo.push(release)
    // What may not change between two runs of one job. Keys, functions and deadlines may.
    const job = digestText(digest(jobText(options.options)))
    const { started, ids, unsent } = await readCheckpoint(checkpoint, job, options.retryFailed ?? false)
    let header = started ? Promise.resolve() : undefined
    undo.push(() => source.return?.())

    // ------------------------------------------------------------------------------------------ rows in

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
      pump()
    }

    const admit = async (value: unknown, index: number): Promise<void> => {
      const row = readRow(value, index, options.maxRowBytes)
      if (LlmError.is(row)) return refuse(idOf(value, index), index, row)
      const { id, request } = row
      const known = ids.admit(id, request, index)
      if (known.is === 'new') {
        next = { ...row, index, tries: 0, dueMs: 0, deadlineMs: Infinity, reserved: 0 }
      } else if (known.is === 'twice') {
        const message = `Row ${index} has the id of an earlier row, row ${known.earlier}: ${id}. It was not sent.`
        await refuse(id, index, new LlmError({ kind: 'config', message }))
      } else if (known.is === 'changed') {
        throw new LlmError({
          kind: 'config',
          message: `The checkpoint belongs to another input: row ${index} (${id}) asked something else there.`,
        })
      } else {
        if (known.is === 'done') progress.done++
        else progress.failed++
        progress.skipped++
        if (ordered) inOrder(index, undefined)
      }
    }

    /** Of a row that cannot be sent, every run tells, and the checkpoint once. */
    const refuse = async (id: string, index: number, error: LlmError): Promise<void> => {
      const isWritten = unsent.admit(String(index), digest(error.message), index).is === 'failed'
      if (!isWritten) await write({ id, index, error }, undefined)
      deliver({ id, index, error })
    }

    // ---------------------------------------------------------------------------------------- results out

    const write = async (result: BatchResult, request: Digest | undefined): Promise<void> => {
      // What a client that hears no signal answers after the end finds the checkpoint unlocked, perhaps in other hands.
      if (checkpoint === undefined || isOver) return
      try {
        // With the first row and not before: a run that does nothing leaves nothing that a later one must match.
        await (header ??= checkpoint.append(headerLine(job)))
        await checkpoint.append(rowLine(result, request))
      } catch (error) {
        fault ??= error
      }
    }

    const deliver = (result: BatchResult): void => {
      if (result.error === undefined) count(progress, result.completion)
      else progress.failed++
      if (ordered) inOrder(result.index, result)
      else finished.push(result)
      report()
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

    // -------------------------------------------------------------------------------------------- asking

    const ask = async (one: Job): Promise<void> => {
      progress.inFlight++
      one.tries++
      const { id, index } = one
      let result: BatchResult
      try {
        const completion = (await answers.get(one.request)) ?? (await answers.keep(one.request, call(one)))
        result = { id, index, completion }
        dearest = Math.max(dearest, costOf(completion))
      } catch (cause) {
        const error = asError(cause)
        if (isCancelled || waitsAgain(one, error)) {
          leave(one)
          pump()
          return
        }
        result = { id, index, error }
      }
      await write(result, one.request)
      // The row leaves its slot in the very step in which its result is queued: in between it would be nowhere.
      leave(one)
      deliver(result)
      pump()
    }

    const leave = (one: Job): void => {
      progress.inFlight--
      reserved -= one.reserved
    }

    const call = async ({ row, deadlineMs }: Job): Promise<Completion> => {
      const { input, callOptions } = callOf(row, options.options)
      // A signal of its own for each call: one for all would have as many listeners as rows run, and Node warns of eleven.
      const own = new AbortController()
      calls.add(own)
      let timer: unknown
      try {
        if (deadlineMs === Infinity)
          return await client.complete(input, { ...callOptions, retry: false, signal: own.signal })
        const leftMs = Math.max(1, Math.round(deadlineMs - nowMs()))
        const timeouts = { ...callOptions.timeouts, total: leftMs }
        const answer = client.complete(input, { ...callOptions, retry: false, signal: own.signal, timeouts })
        // A client of one's own may know no timeouts: it is told by its signal, and its row ends all the same.
        const late = new Promise<never>((_, reject) => {
          timer = setTimer(() => {
            reject(tooLate())
            own.abort()
          }, leftMs)
        })
        return await Promise.race([answer, late])
      } catch (error) {
        // What was left for the last try is nobody's setting.
        if (LlmError.is(error) && error.phase === 'total' && deadlineMs !== Infinity) throw tooLate(error)
        throw error
      } finally {
        if (timer !== undefined) clearTimer(timer)
        calls.delete(own)
      }
    }

    const tooLate = (cause?: LlmError): LlmError =>
      new LlmError({
        kind: 'timeout',
        phase: 'total',
        message: `The row took longer than its ${options.rowTimeoutMs} ms, all tries together.`,
        cause,
      })

    /** True when the row goes back in line; a 429 holds everyone up, because the limit is everyone's. */
    const waitsAgain = (one: Job, error: LlmError): boolean => {
      const isThrottled = error.kind === 'rate-limit' || error.kind === 'overloaded'
      const baseMs = isThrottled ? BACKOFF.throttledBaseMs : BACKOFF.baseMs
      const backoffMs = random() * Math.min(BACKOFF.maxMs, baseMs * 2 ** (one.tries - 1))
      const atMs = nowMs() + (error.retryAfterMs ?? 0) + backoffMs
      if (error.kind === 'rate-limit') pausedUntilMs = Math.max(pausedUntilMs, atMs)
      if (!error.retryable || one.tries >= attempts || atMs >= one.deadlineMs) return false
      progress.retries++
      one.dueMs = atMs
      waiting.push(one)
      return true
    }

    const worstCase = ({ row, index }: Job): number => {
      try {
        const dollars = budget?.estimate?.(row) ?? dearest
        if (dollars >= 0) return dollars
        const message = `budget.estimate() gave ${dollars} for row ${index}; it must be dollars, 0 or more.`
        throw new LlmError({ kind: 'config', message })
      } catch (error) {
        fault ??= error
        return 0
      }
    }

    const isFull = (): boolean => finished.length - finishedHead + early.size >= mostUntaken

    /** Starts one row if something allows it; false when nothing does right now. */
    const start = (): boolean => {
      if (stopped !== undefined || fault !== undefined || progress.inFlight >= concurrency) return false
      if (nowMs() < pausedUntilMs) return false
      // A row that was begun goes on however much is untaken: in order, everything may be waiting for it.
      const due = waiting.findIndex((one) => one.dueMs <= nowMs())
      const one = due >= 0 ? waiting[due] : isFull() ? undefined : next
      if (one === undefined) return false
      if (budget !== undefined) {
        one.reserved = worstCase(one)
        if (fault !== undefined) return false
        if (progress.cost + reserved + one.reserved > budget.dollars * ROUNDING) {
          if (progress.inFlight === 0) stopped = 'budget'
          return false
        }
        reserved += one.reserved
      }
      if (due >= 0) waiting.splice(due, 1)
      else next = undefined
      if (one.tries === 0 && options.rowTimeoutMs !== undefined)
        one.deadlineMs = nowMs() + options.rowTimeoutMs
      void ask(one)
      return true
    }

    // ---------------------------------------------------------------------------------------- the engine

    /** Whatever happened, this is next: fill the slots, fetch a row, set the alarm, tell the loop below. */
    function pump(): void {
      while (start());
      // Waiting rows hold slots of the line, so that a dead target does not pull the whole input into memory.
      if (
        next === undefined &&
        !reading &&
        !exhausted &&
        stopped === undefined &&
        waiting.length < concurrency * 4 &&
        !isFull()
      )
        void pull()
      const soonestMs = Math.min(...waiting.map((one) => one.dueMs))
      const isHeld = next !== undefined && pausedUntilMs > nowMs()
      wakeAt(isHeld ? pausedUntilMs : Math.max(soonestMs, pausedUntilMs))
      changed()
    }

    const wakeAt = (atMs: number): void => {
      if (alarm?.atMs === atMs) return
      if (alarm !== undefined) clearTimer(alarm.timer)
      const delayMs = atMs - nowMs()
      alarm =
        delayMs > 0 && delayMs < Infinity
          ? {
              atMs,
              timer: setTimer(
                () => {
                  alarm = undefined
                  pump()
                },
                Math.max(1, delayMs),
              ),
            }
          : undefined
    }

    const abort = (): void => {
      stopped = 'aborted'
      cancelAll(signal?.reason)
      pump()
    }
    if (signal?.aborted === true) abort()
    signal?.addEventListener('abort', abort, { once: true })
    undo.push(() => signal?.removeEventListener('abort', abort))

    pump()
    for (;;) {
      while (finishedHead < finished.length) {
        const result = finished[finishedHead++]!
        if (finishedHead === finished.length) finished.length = finishedHead = 0
        pump()
        yield result
      }
      if (progress.inFlight === 0) {
        if (fault !== undefined) throw fault
        const isEmpty = exhausted && next === undefined && waiting.length === 0
        if (!reading && (stopped !== undefined || isEmpty)) break
      }
      await new Promise<void>((resolve) => (changed = resolve))
    }
    complete = true
  } finally {
    isOver = true
    stopped ??= complete ? 'end' : 'consumer'
    if (alarm !== undefined) clearTimer(alarm.timer)
    cancelAll(new LlmError({ kind: 'aborted', message: 'The batch run was left before its end.' }))
    for (const one of undo.reverse()) await one()
    settle({ ...progress, stopped })
  }
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
  progress.cost += costOf(completion)
  progress.inputTokens += completion.usage.inputTokens ?? 0
  progress.outputTokens += completion.usage.outputTokens ?? 0
}

/** Dollars; 0 where they are unknown, or no number: one NaN would make every budget hold for ever. */
function costOf({ cost }: Completion): number {
  const dollars = cost?.total ?? 0
  return dollars >= 0 ? dollars : 0
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
