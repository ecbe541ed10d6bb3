/**
 * `llmswap batch in.jsonl out.jsonl`: a file of prompts, a file of answers.
 *
 * In:  JSONL rows `{ "id"?, "prompt" | "messages", … }`; a BOM, CRLF and a torn last line are taken in stride.
 * Out: the checkpoint file itself — one line per row, written as it is answered — and a progress line on stderr.
 * Run it again with --resume and it goes on where it stopped, however it stopped.
 */

import { existsSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { fileCheckpoint } from '../adapters/file-checkpoint.ts'
import { batch as runBatch } from '../batch/index.ts'
import type { BatchProgress } from '../batch/index.ts'
import { createClient } from '../complete.ts'
import { LlmError } from '../errors.ts'
import { CALL_FLAGS, callOptions, positive } from './ask.ts'
import { dollars, duration, EXIT, grouped, progressLine, UsageError } from './terminal.ts'
import type { Io } from './terminal.ts'

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
  if (!existsSync(input)) throw new UsageError(`There is no file ${input}.`)
  const resume = values.resume || values['retry-failed']
  if (!resume && existsSync(output) && statSync(output).size > 0) {
    throw new UsageError(
      `${output} exists. Nothing was overwritten: add --resume to go on with it, or name another file.`,
    )
  }
  const { signal: _, env, prices, ...options } = callOptions(values, io)
  const line = progressLine(io)
  const total = await countLines(input)
  const budget = values.budget === undefined ? undefined : { dollars: Number(values.budget) }
  const run = runBatch(rowsOf(input), {
    client: createClient({
      ...(env === undefined ? {} : { env }),
      ...(prices === undefined ? {} : { prices }),
    }),
    options,
    checkpoint: fileCheckpoint(output),
    retryFailed: values['retry-failed'],
    signal: io.signal,
    total,
    ...(budget === undefined ? {} : { budget }),
    ...(values.concurrency === undefined
      ? {}
      : { concurrency: positive(values.concurrency, '--concurrency') }),
    onProgress: (progress) => line.show(describe(progress, total, io)),
  })
  const failures: string[] = []
  for await (const { id, error } of run) {
    if (error !== undefined && failures.length < 10) failures.push(`${id}: ${error.message}`)
  }
  const summary = await run.summary
  line.show(describe(summary, total, io))
  line.end()
  for (const failure of failures) io.error(`${failure}\n`)
  if (summary.failed > failures.length) io.error(`… and ${summary.failed - failures.length} more failed.\n`)
  if (summary.stopped === 'budget') io.error(`Stopped at the budget; --resume goes on from here.\n`)
  if (summary.stopped === 'aborted') return EXIT.interrupted
  if (summary.stopped === 'budget' || summary.failed > 0) return EXIT.partly
  return EXIT.ok
}

const BAR = 24

function describe(progress: BatchProgress, total: number, io: Io): string {
  const ended = progress.done + progress.failed
  const filled = total === 0 ? BAR : Math.min(BAR, Math.floor((ended / total) * BAR))
  const facts = [`${grouped(ended)}/${grouped(total)} rows`]
  if (progress.failed > 0) facts.push(`${grouped(progress.failed)} failed`)
  if (progress.skipped > 0) facts.push(`${grouped(progress.skipped)} done before`)
  facts.push(`${grouped(progress.inputTokens + progress.outputTokens)} tokens`)
  if (progress.cost > 0) facts.push(dollars(progress.cost))
  if (progress.etaMs !== undefined && progress.etaMs > 0) facts.push(`${duration(progress.etaMs)} left`)
  const bar = io.errorIsTerminal ? `[${'█'.repeat(filled)}${'·'.repeat(BAR - filled)}] ` : ''
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
  const file = await open(path)
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
    for await (const piece of file.createReadStream({ autoClose: false }) as AsyncIterable<Uint8Array>) {
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
    await file.close()
  }
}

/** Rows expected, for the bar: lines that are not blank. */
async function countLines(path: string): Promise<number> {
  let count = 0
  for await (const line of linesOf(path)) if (LlmError.is(line) || line.trim() !== '') count++
  return count
}
