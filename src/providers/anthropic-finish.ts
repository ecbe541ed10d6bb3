/**
 * How an answer of Anthropic's ended and what it took.
 *
 * In:  the stop reason and the usage object as the wire has them. Out: our words and sums.
 * Not here: prices, and which of two usage objects counts (anthropic-decode.ts merges them).
 */

import type { FinishReason, Request, Usage, Warning } from '../types.ts'
import { traitsOf } from './anthropic-models.ts'
import { countIn, listIn, own, sumCounts, totalOf } from './body.ts'

/** Whether an answer that ended so may have an unfinished last block. */
export function isCut(reason: string | undefined): boolean {
  return reason !== undefined && own(REASONS, reason) === 'length'
}

/** What to say when an answer ends at a limit that nobody set. */
export function limitWarning({ model }: Request): Warning {
  const message =
    traitsOf(model).maxTokens === undefined
      ? `The answer stopped at the default limit, because the maximum of ${model} is unknown here: set maxTokens.`
      : `The answer stopped at ${model}'s own maximum of output tokens.`
  return { code: 'default', field: 'maxTokens', message }
}

/**
 * Wire-formats B.3; `compaction` (beta) asks to continue like `pause_turn`. The last two are Bedrock's: observed
 * guardrail_intervened, the other by the API reference.
 */
const REASONS: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool-calls',
  pause_turn: 'pause',
  compaction: 'pause',
  refusal: 'content-filter',
  guardrail_intervened: 'content-filter',
  content_filtered: 'content-filter',
}

/** @param calls how many tool calls there are: some servers say `end_turn` with calls, or nothing. Quirk 11. */
export function reasonOf(raw: string | undefined, calls: number): FinishReason {
  const reason = own(REASONS, raw ?? '') as FinishReason | undefined
  // The forced tool that carries a structured answer is not a call.
  if (reason === 'stop' || reason === 'tool-calls') return calls > 0 ? 'tool-calls' : 'stop'
  return raw === undefined && calls > 0 ? 'tool-calls' : (reason ?? 'unknown')
}

/**
 * `input_tokens` leaves cache reads and writes out, so they are added. Compaction runs on the same model and is billed,
 * but stands in `iterations` only; an adviser's tokens belong to another model and stay in `raw`.
 */
export function readUsage(usage: Record<string, unknown>): Usage {
  const runs = [usage, ...listIn(usage, 'iterations').filter((run) => own(run, 'type') === 'compaction')]
  const sum = (field: string): number | undefined => sumCounts(...runs.map((run) => countIn(run, field)))
  return cachedUsage(
    sum('input_tokens'),
    sum('cache_read_input_tokens'),
    sum('cache_creation_input_tokens'),
    sum('output_tokens'),
    countIn(own(usage, 'output_tokens_details'), 'thinking_tokens'),
  )
}

/** Usage of a server whose input leaves out what it read from and wrote to its cache. */
export function cachedUsage(
  uncached: number | undefined,
  cachedInputTokens: number | undefined,
  cacheWriteTokens: number | undefined,
  outputTokens: number | undefined,
  reasoningTokens?: number,
): Usage {
  const inputTokens =
    uncached === undefined ? undefined : sumCounts(uncached, cachedInputTokens, cacheWriteTokens)
  const totalTokens = totalOf(inputTokens, outputTokens)
  return { inputTokens, outputTokens, totalTokens, cachedInputTokens, cacheWriteTokens, reasoningTokens }
}
