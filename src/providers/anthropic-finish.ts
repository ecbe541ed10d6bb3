/**
 * How an answer of Anthropic's ended and what it took.
 *
 * In:  the stop reason and the usage object as the wire has them. Out: our words and sums.
 * Not here: prices, and which of two usage objects counts (anthropic-decode.ts merges them).
 */

import type { FinishReason, Request, Usage, Warning } from '../types.ts'
import { traitsOf } from './anthropic-models.ts'
import { asArray, asCount, own, sumCounts } from './body.ts'

/** Stop reasons after which the last block may be unfinished. */
export const CUT_REASONS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'max_tokens',
  'model_context_window_exceeded',
])

/** What to say when an answer ends at a limit that nobody set. */
export function limitWarning(request: Request): Warning {
  const known = traitsOf(request.model).maxTokens
  return {
    code: 'default',
    field: 'maxTokens',
    message:
      known === undefined
        ? `The answer stopped at the default limit, because the maximum of ${request.model} is unknown here: set maxTokens.`
        : `The answer stopped at ${request.model}'s own maximum of output tokens.`,
  }
}

/** Wire-formats B.3; `compaction` (beta) asks to continue like `pause_turn`. */
const REASONS: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool-calls',
  pause_turn: 'pause',
  compaction: 'pause',
  refusal: 'content-filter',
}

/** @param calls how many tool calls there are: some servers say `end_turn` with calls, or nothing. Quirk 11. */
export function reasonOf(raw: string | undefined, calls: number): FinishReason {
  const reason = raw !== undefined && Object.hasOwn(REASONS, raw) ? REASONS[raw] : undefined
  if (raw === undefined || reason === 'stop') return calls > 0 ? 'tool-calls' : (reason ?? 'unknown')
  // The forced tool that carries a structured answer is not a call.
  if (reason === 'tool-calls') return calls > 0 ? reason : 'stop'
  return reason ?? 'unknown'
}

/**
 * `input_tokens` leaves cache reads and writes out, so they are added. Compaction runs on the same model and is billed,
 * but stands in `iterations` only; an adviser's tokens belong to another model and stay in `raw`.
 */
export function readUsage(usage: Record<string, unknown>): Usage {
  const runs = [
    usage,
    ...asArray(own(usage, 'iterations')).filter((run) => own(run, 'type') === 'compaction'),
  ]
  const sum = (field: string) => sumCounts(...runs.map((run) => asCount(own(run, field))))
  const cachedInputTokens = sum('cache_read_input_tokens')
  const cacheWriteTokens = sum('cache_creation_input_tokens')
  const uncached = sum('input_tokens')
  const inputTokens =
    uncached === undefined ? undefined : sumCounts(uncached, cachedInputTokens, cacheWriteTokens)
  const outputTokens = sum('output_tokens')
  return {
    inputTokens,
    outputTokens,
    totalTokens:
      inputTokens === undefined || outputTokens === undefined ? undefined : inputTokens + outputTokens,
    cachedInputTokens,
    cacheWriteTokens,
    reasoningTokens: asCount(own(own(usage, 'output_tokens_details'), 'thinking_tokens')),
  }
}
