/**
 * The small objects of the Responses API in our words: citations, usage, why it ended.
 *
 * In:  values as the wire has them. Out: ours, without what cannot be.
 * Not here: the order of events (openai-decode.ts).
 */

import type { FinishReason, Source, Usage } from '../types.ts'
import { countIn, defined, own, stringIn } from './body.ts'

/** `url_citation`, `file_citation`, `container_file_citation`, `file_path`. */
export function readSource(annotation: unknown, text: string): Source | undefined {
  const url = stringIn(annotation, 'url')
  const id = stringIn(annotation, 'file_id')
  if (url === undefined && id === undefined) return undefined
  const title = (stringIn(annotation, 'title') ?? stringIn(annotation, 'filename')) || undefined
  const start = countIn(annotation, 'start_index') ?? 0
  const end = countIn(annotation, 'end_index') ?? 0
  // Container files stand at 0 to 0: nowhere.
  const at = end > start ? { start: unitsOf(text, start), end: unitsOf(text, end) } : {}
  return defined({ id, url, title, ...at })
}

/** The server counts characters, JavaScript halves of them: an emoji is one there and two here. */
function unitsOf(text: string, characters: number): number {
  let units = 0
  let left = characters
  for (const character of text) {
    if (left-- <= 0) break
    units += character.length
  }
  return units
}

/** @param reason of an incomplete answer. */
export function reasonOf(
  status: string,
  reason: string | undefined,
  calls: number,
  refused: boolean,
): FinishReason {
  if (status === 'completed') return calls > 0 ? 'tool-calls' : refused ? 'content-filter' : 'stop'
  if (reason === 'max_output_tokens' || reason === 'max_tokens') return 'length'
  return reason === 'content_filter' ? 'content-filter' : 'unknown'
}

/** Cached tokens are part of the input, reasoning is part of the output: nothing to add. */
export function readUsage(usage: Record<string, unknown> | undefined): Usage {
  const input = own(usage, 'input_tokens_details')
  return {
    inputTokens: countIn(usage, 'input_tokens'),
    outputTokens: countIn(usage, 'output_tokens'),
    totalTokens: countIn(usage, 'total_tokens'),
    cachedInputTokens: countIn(input, 'cached_tokens'),
    cacheWriteTokens: countIn(input, 'cache_write_tokens'),
    reasoningTokens: countIn(own(usage, 'output_tokens_details'), 'reasoning_tokens'),
  }
}

/** Dollars, where the server says what the answer cost: OpenRouter in dollars, xAI in ticks of 1e-10 (docs.x.ai, 2026-08). */
export function readCost(usage: Record<string, unknown> | undefined): number | undefined {
  const ticks = countIn(usage, 'cost_in_usd_ticks')
  return countIn(usage, 'cost') ?? (ticks === undefined ? undefined : ticks / 1e10)
}
