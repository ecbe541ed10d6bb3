/**
 * `llmswap batch in.jsonl out.jsonl`: a file of prompts, a file of answers.
 *
 * In:  JSONL rows `{ "id"?, "prompt" | "messages", … }` from a file, a pipe or stdin (`-`); a BOM, CRLF and a torn last line
 * are taken in stride. Out: the checkpoint file itself — one line per row, written as it is answered — and a progress line
 * on stderr. Run it again with --resume and it goes on where it stopped, however it stopped.
 * What is wrong with the account and not with a row — no key, no money — ends the run, and marks no row as failed.
 */

import { createReadStream, existsSync, statSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { fileCheckpoint } from '../adapters/file-checkpoint.ts'
import { batch as runBatch } from '../batch/index.ts'
import type { BatchProgress } from '../batch/index.ts'
import { createClient } from '../complete.ts'
import { LlmError } from '../errors.ts'
import { resolveProvider } from '../providers/registry.ts'
import { CALL_FLAGS, callOptions, positive } from './ask.ts'
import { dollars, duration, EXIT, grouped, progressLine, UsageError } from './terminal.ts'
import type { Io } from './terminal.ts'

/** Different messages printed at the end; the rest is in the file. */
const MOST_TOLD = 10
/** Longest line read, in bytes: a row above it is reported with its number, not swallowed. */
const MAX_LINE_BYTES = 32 * 1024 * 1024

export async function batch(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...CALL_FLAGS,
      resume: { type: 'boolean', default: false },
      'retry-failed': { type: 'boolean', default: false },
      concurrency: { type: 'string', short: 'c' },
      budget: { type: 'string' },
    },
  })
  const [input, output] = positionals
  if (input === undefined || output === undefined || positionals.length > 2) {
    throw new UsageError('batch takes two files: llmswap batch in.jsonl out.jsonl.')
  }
  const isStdin = input === '-'
  if (!isStdin && !existsSync(input)) throw new UsageError(`There is no file ${input}.`)
  if (!isStdin && statSync(input).isDirectory())
    throw new UsageError(`${input} is a folder, not a file of rows.`)
  if (output === '-' || (existsSync(output) && !statSync(output).isFile())) {
    throw new UsageError(`The answers need a file that a later run can resume from; ${output} is none.`)
  }
  const resume = values.resume || values['retry-failed']
  if (!resume && existsSync(output) && statSync(output).size > 0) {
    throw new UsageError(
      `${output} exists. Nothing was overwritten: add --resume to go on with it, or name another file.`,
    )
  }
  const { signal: _, env, prices, timeouts, ...options } = callOptions(values, io)
  const line = progressLine(io)
  // A pipe can be read only once: its rows are not counted first, and there is no bar.
  const total = isStdin || !statSync(input).isFile() ? undefined : await countLines(input)
  const budget = values.budget === undefined ? undefined : { dollars: Number(values.budget) }
  const client = createClient({
    ...(env === undefined ? {} : { env }),
    ...(prices === undefined ? {} : { prices }),
  })
  const stop = new AbortController()
  io.signal.addEventListener('abort', () => stop.abort(io.signal.reason), { once: true })
  let hopeless: LlmError | undefined
  const giveUp = (error: unknown): void => {
    if (!LlmError.is(error)) return
    hopeless ??= error
    stop.abort(error)
  }
  const run = runBatch(rowsOf(input), {
    client: {
      async complete(row, given = {}) {
        // A row that names its own model fails alone.
        const isCommon = given.model === options.model && given.provider === options.provider
        try {
          if (isCommon) resolveProvider({ ...options, env: io.env })
        } catch (error) {
          giveUp(error)
          throw error
        }
        try {
          return await client.complete(row, given)
        } catch (error) {
          if (isCommon && isEveryRows(error)) giveUp(error)
          throw error
        }
      },
    },
    options,
    checkpoint: fileCheckpoint(output),
    retryFailed: values['retry-failed'],
    signal: stop.signal,
    ...(total === undefined ? {} : { total }),
    ...(budget === undefined ? {} : { budget }),
    ...(typeof timeouts?.total === 'number' ? { rowTimeoutMs: timeouts.total } : {}),
    ...(values.concurrency === undefined
      ? {}
      : { concurrency: positive(values.concurrency, '--concurrency') }),
    onProgress: (progress) => line.show(describe(progress, total, io)),
  })
  const failures = new Map<string, { first: string; count: number }>()
  let failed = 0
  for await (const { id, error } of run) {
    if (error === undefined) continue
    failed++
    const same = failures.get(error.message)
    if (same !== undefined) same.count++
    else if (failures.size < MOST_TOLD) failures.set(error.message, { first: id, count: 1 })
  }
  const summary = await run.summary
  line.show(describe(summary, total, io))
  line.end()
  let told = 0
  for (const [message, { first, count }] of failures) {
    told += count
    io.error(`${first}${count === 1 ? '' : ` and ${grouped(count - 1)} more`}: ${message}\n`)
  }
  if (failed > told) io.error(`… and ${grouped(failed - told)} more failed; see ${output}.\n`)
  if (summary.failed > failed)
    io.error(`${grouped(summary.failed - failed)} failed in an earlier run; see ${output}.\n`)
  if (hopeless !== undefined) {
    io.error(`Stopped: every row would fail alike. Once it is mended, --resume goes on from here.\n`)
    throw hopeless
  }
  if (summary.stopped === 'aborted') {
    io.error(`Stopped; --resume goes on from here.\n`)
    return EXIT.interrupted
  }
  if (summary.stopped === 'budget') io.error(`Stopped at the budget; --resume goes on from here.\n`)
  if (summary.failed > 0) io.error(`--retry-failed asks the rows that failed again.\n`)
  return summary.stopped === 'budget' || summary.failed > 0 ? EXIT.partly : EXIT.ok
}

/** True for what is wrong with the key or the account, whatever the row. */
function isEveryRows(error: unknown): boolean {
  return LlmError.is(error) && (error.phase === 'authorize' || ACCOUNT.has(error.kind))
}

const ACCOUNT: ReadonlySet<string> = new Set(['auth', 'billing', 'quota'])

const BAR = 24

function describe(progress: BatchProgress, total: number | undefined, io: Io): string {
  const ended = progress.done + progress.failed
  const filled = Math.min(BAR, Math.floor((ended / Math.max(1, total ?? 0)) * BAR))
  const facts = [`${grouped(ended)}${total === undefined ? '' : `/${grouped(total)}`} rows`]
  if (progress.failed > 0) facts.push(`${grouped(progress.failed)} failed`)
  if (progress.skipped > 0) facts.push(`${grouped(progress.skipped)} from before`)
  facts.push(`${grouped(progress.inputTokens + progress.outputTokens)} tokens`)
  if (progress.cost > 0) facts.push(dollars(progress.cost))
  if (progress.etaMs !== undefined && progress.etaMs > 0) facts.push(`${duration(progress.etaMs)} left`)
  const bar =
    io.errorIsTerminal && total !== undefined ? `[${'█'.repeat(filled)}${'·'.repeat(BAR - filled)}] ` : ''
  return bar + facts.join(' · ')
}

/** Lines of a file as text, however long the file; a line too long, or not JSON, comes as its error. */
async function* rowsOf(path: string): AsyncGenerator<unknown> {
  let number = 0
  for await (const line of linesOf(path)) {
    number++
    if (LlmError.is(line)) {
      yield line
      continue
    }
    if (line.trim() === '') continue
    try {
      yield JSON.parse(line) as unknown
    } catch {
      yield new LlmError({
        kind: 'config',
        message: `Line ${number} of ${path} is not JSON. It was not sent.`,
      })
    }
  }
}

async function* linesOf(path: string): AsyncGenerator<string | LlmError> {
  const source = path === '-' ? createReadStream('', { fd: 0, autoClose: false }) : createReadStream(path)
  const decoder = new TextDecoder()
  let pieces: Uint8Array[] = []
  let length = 0
  let number = 1
  let skipping = false
  const take = (): string | LlmError => {
    const line = skipping
      ? new LlmError({
          kind: 'config',
          message: `Line ${number} of ${path} is longer than ${grouped(MAX_LINE_BYTES)} bytes. It was not sent.`,
        })
      : decoder.decode(Buffer.concat(pieces)).replace(/\r$/, '')
    pieces = []
    length = 0
    skipping = false
    number++
    return line
  }
  try {
    for await (const piece of source as AsyncIterable<Uint8Array>) {
      let from = 0
      for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, from)) {
        if (!skipping) pieces.push(piece.subarray(from, at))
        yield take()
        from = at + 1
      }
      if (from < piece.length && !skipping) {
        pieces.push(piece.subarray(from))
        length += piece.length - from
        if (length > MAX_LINE_BYTES) {
          skipping = true
          pieces = []
        }
      }
    }
    if (pieces.length > 0 || skipping) yield take()
  } finally {
    source.destroy()
  }
}

/** Rows expected, for the bar: lines that are not blank. */
async function countLines(path: string): Promise<number> {
  let count = 0
  for await (const line of linesOf(path)) if (LlmError.is(line) || line.trim() !== '') count++
  return count
}
