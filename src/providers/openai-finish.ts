/**
 * The small objects of the Responses API in our words: log-probabilities, citations, usage, why it ended.
 *
 * In:  values as the wire has them. Out: ours, without what cannot be.
 * Not here: the order of events (openai-decode.ts).
 */

import type { FinishReason, Source, TokenLogprob, Usage } from '../types.ts'
import { asArray, asCount, asNumber, asString, own } from './body.ts'

/** Log-probabilities of one delta. */
export function readLogprobs(logprobs: unknown): TokenLogprob[] {
  const entries = asArray(logprobs)
  // Nearly always: this runs once per delta.
  if (entries.length === 0) return []
  return entries.flatMap((entry) => {
    const one = readLogprob(entry)
    if (one === undefined) return []
    const top = asArray(own(entry, 'top_logprobs')).flatMap((other) => readLogprob(other) ?? [])
    return [top.length === 0 ? one : { ...one, top }]
  })
}

function readLogprob(entry: unknown): { token: string; logprob: number } | undefined {
  const token = asString(own(entry, 'token'))
  const logprob = asNumber(own(entry, 'logprob'))
  return token === undefined || logprob === undefined ? undefined : { token, logprob }
}

/** `url_citation`, `file_citation`, `container_file_citation`, `file_path`. */
export function readSource(annotation: unknown, text: string): Source | undefined {
  const url = asString(own(annotation, 'url'))
  const id = asString(own(annotation, 'file_id'))
  if (url === undefined && id === undefined) return undefined
  const source: Source = {}
  if (id !== undefined) source.id = id
  if (url !== undefined) source.url = url
  const title = asString(own(annotation, 'title')) ?? asString(own(annotation, 'filename'))
  if (title !== undefined && title !== '') source.title = title
  const start = asCount(own(annotation, 'start_index'))
  const end = asCount(own(annotation, 'end_index'))
  // Container files stand at 0 to 0: nowhere.
  if (start !== undefined && end !== undefined && end > start) {
    source.start = unitsOf(text, start)
    source.end = unitsOf(text, end)
  }
  return source
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
    inputTokens: asCount(own(usage, 'input_tokens')),
    outputTokens: asCount(own(usage, 'output_tokens')),
    totalTokens: asCount(own(usage, 'total_tokens')),
    cachedInputTokens: asCount(own(input, 'cached_tokens')),
    cacheWriteTokens: asCount(own(input, 'cache_write_tokens')),
    reasoningTokens: asCount(own(own(usage, 'output_tokens_details'), 'reasoning_tokens')),
  }
}

/** Dollars, where the server says what the answer cost: OpenRouter in dollars, xAI in ticks of 1e-10 (docs.x.ai, 2026-08). */
export function readCost(usage: Record<string, unknown> | undefined): number | undefined {
  const ticks = asCount(own(usage, 'cost_in_usd_ticks'))
  return asCount(own(usage, 'cost')) ?? (ticks === undefined ? undefined : ticks / 1e10)
}
