/** What a batch run is told, and what it tells: options, counters, summary. In: options. Out: the same, or why they are none. */

import { LlmError } from '../errors.ts'
import type { Clock, Completion, Input, Options } from '../types.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { BatchRow } from './rows.ts'

/** Whatever answers: a client, a router, or a function of your own. */
export interface BatchClient {
  complete(input: Input, options?: Options): Promise<Completion>
}

/** Counters, as of now. */
export interface BatchProgress {
  /** Rows with an answer, those of an earlier run included. */
  done: number
  /** Rows that ended in an error, those of an earlier run included unless they are asked again. */
  failed: number
  /** Rows skipped because the checkpoint has them; part of `done`, or of `failed`. */
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

/** @throws LlmError `config` naming the option that cannot be. */
export function checkOptions({
  client,
  concurrency = 8,
  budget,
  attempts = 3,
  rowTimeoutMs,
}: BatchOptions): void {
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
