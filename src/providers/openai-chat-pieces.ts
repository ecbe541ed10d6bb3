/**
 * The pieces of a Chat Completions chunk that need no memory of the chunks before: usage, cost, errors, reasons to
 * stop, logprobs, reasoning details, and whether a chunk is one string and nothing else.
 *
 * In:  a piece as it came off the wire, every field of which may be absent or wrong. Out: its meaning, or nothing.
 * Not here: the answer as a whole (openai-chat-decode.ts).
 */

import type { FinishReason, Request, TokenLogprob, Usage } from '../types.ts'
import {
  asArray,
  asCount,
  asRecord,
  asString,
  countIn,
  listIn,
  listed,
  numberIn,
  own,
  recordIn,
  sumCounts,
  totalOf,
} from './body.ts'
import type { Dialect } from './openai-chat-dialect.ts'
import { readLogprob, readLogprobs as readEntries } from './parts.ts'

/**
 * Usage in our meaning. Traps: DeepSeek, Moonshot and Mistral count cached tokens elsewhere; xAI leaves reasoning out
 * of completion_tokens in some answers (291 + 26 + 196 = 513), which only the total gives away.
 */
export function readUsage(usage: unknown): Usage {
  const input = countIn(usage, 'prompt_tokens')
  const total = countIn(usage, 'total_tokens')
  const promptDetails = own(usage, 'prompt_tokens_details') ?? own(usage, 'prompt_token_details')
  const reasoning =
    countIn(own(usage, 'completion_tokens_details'), 'reasoning_tokens') ?? countIn(usage, 'reasoning_tokens')
  let output = countIn(usage, 'completion_tokens')
  if (reasoning && total !== undefined && total === sumCounts(input, output, reasoning)) {
    output = sumCounts(output, reasoning)
  }
  return {
    inputTokens: input,
    outputTokens: output,
    totalTokens: total ?? totalOf(input, output),
    cachedInputTokens:
      countIn(promptDetails, 'cached_tokens') ??
      countIn(usage, 'prompt_cache_hit_tokens') ??
      countIn(usage, 'cached_tokens') ??
      countIn(usage, 'num_cached_tokens'),
    cacheWriteTokens: countIn(promptDetails, 'cache_write_tokens'),
    reasoningTokens: reasoning,
  }
}

/** What the server says the answer cost, in dollars. */
export function costOf(usage: unknown, dialect: Dialect): number | undefined {
  if (dialect.cost === undefined) return undefined
  let value = usage
  for (const key of dialect.cost.path) value = own(value, key)
  const units = asCount(value)
  return units === undefined ? undefined : units * dialect.cost.usdPerUnit
}

/**
 * The error of a chunk, if it is one. Seen: `{error:{…}}`, `{error:"…"}`, `{object:"error",message}` (vLLM, Mistral),
 * `{type:"error",…}`, `{code,message}` or `{detail}` without choices (DashScope, FastAPI), `base_resp` (MiniMax).
 */
export function errorIn(chunk: Record<string, unknown>): unknown {
  const error = own(chunk, 'error')
  if (error !== undefined && error !== null && error !== '' && error !== false) return chunk
  const choices = own(chunk, 'choices')
  if (Array.isArray(choices) && choices.length > 0) return undefined
  if (own(chunk, 'object') === 'error' || own(chunk, 'type') === 'error') return chunk
  const base = numberIn(own(chunk, 'base_resp'), 'status_code')
  if (base !== undefined && base !== 0) return chunk
  if (choices !== undefined) return undefined
  const says = own(chunk, 'message') ?? own(chunk, 'detail')
  const coded = own(chunk, 'code') ?? own(chunk, 'type') ?? own(chunk, 'detail')
  return says != null && coded != null ? chunk : undefined
}

/** Whether a delta holds text, a role, and fields that are null, and nothing else. */
export function isPlain(delta: Record<string, unknown>): boolean {
  for (const key of Object.keys(delta)) {
    if (key !== 'content' && key !== 'role' && delta[key] !== null) return false
  }
  return true
}

/** The provider's words for why it stopped. Sources: each vendor's reference and recordings, 2026-11. */
const FINISH: Readonly<Record<Exclude<FinishReason, 'pause' | 'unknown'>, string>> = {
  // eos, eos_token: Together and TGI. end, end_turn, completed, done: proxies.
  stop: 'stop stop_sequence end end_turn eos eos_token completed complete done COMPLETE STOP',
  // model_length: Mistral. model_context_window_exceeded: Z.ai.
  length: 'length max_tokens model_length model_context_window_exceeded max_output_tokens MAX_TOKENS',
  'tool-calls': 'tool_calls function_call tool_use tool-calls',
  // sensitive: Z.ai.
  'content-filter': 'content_filter sensitive refusal safety SAFETY guardrail_intervened',
}

/** Reasons that are failures. network_error: Z.ai; insufficient_system_resource: DeepSeek; error: OpenRouter, Mistral. */
const FAILED = 'error network_error insufficient_system_resource'

/** Our word for why it stopped; `unknown` for none and for words nobody has seen. */
export function finishReasonOf(word: string | undefined): FinishReason {
  const row = Object.entries(FINISH).find(([, words]) => word !== undefined && listed(words, word))
  return (row?.[0] ?? 'unknown') as FinishReason
}

/** Whether a reason to stop is a failure. */
export function isFailure(word: string): boolean {
  return listed(FAILED, word)
}

/** All that a chunk says, when that is one string. */
export type Single =
  | { what: 'text'; text: string }
  | { what: 'reasoning'; text: string; field: string }
  | { what: 'call'; text: string; index: unknown; id: unknown; name: unknown }

/** Fields that carry reasoning text; the first that holds any is read, since proxies fill two with the same. */
export const REASONING_FIELDS = ['reasoning_content', 'reasoning', 'reasoning_text', 'thinking'] as const

/**
 * The one string of a chunk that says nothing else to a reader who has read it: such a chunk with another string in
 * its place need not be parsed. Undefined where that is not certain. Anything unusual makes it so: usage, citations,
 * logprobs, another choice, a reason to finish, a second field that is not empty.
 */
export function singleOf(chunk: unknown, choiceIndex: unknown): Single | undefined {
  const record = asRecord(chunk)
  const choices = own(record, 'choices')
  if (record === undefined || !Array.isArray(choices) || choices.length !== 1) return undefined
  for (const key of Object.keys(record)) {
    if (key !== 'choices' && typeof record[key] === 'object' && record[key] !== null) return undefined
  }
  const choice: unknown = choices[0]
  const delta = recordIn(choice, 'delta')
  const index = own(choice, 'index') ?? 0
  // An index that is an object is another one each time it is parsed.
  if (delta === undefined || index !== choiceIndex || typeof index === 'object') return undefined
  for (const field of ['usage', 'logprobs', 'finish_reason', 'error']) {
    if (!isNothing(own(choice, field))) return undefined
  }
  const said = Object.keys(delta).filter((key) => key !== 'role' && !isNothing(delta[key]))
  const [field = ''] = said
  if (said.length !== 1) return undefined
  const value = delta[field]
  if (field === 'content') return typeof value === 'string' ? { what: 'text', text: value } : undefined
  if (field === 'tool_calls') return singleCall(value)
  return typeof value === 'string' && REASONING_FIELDS.includes(field as never)
    ? { what: 'reasoning', text: value, field }
    : undefined
}

function singleCall(calls: unknown): Single | undefined {
  const [call, more] = asArray(calls)
  const target = recordIn(call, 'function')
  const args = own(target, 'arguments')
  if (more !== undefined || target === undefined || typeof args !== 'string') return undefined
  if (Object.keys(call as object).some((key) => !CALL_FIELDS.includes(key))) return undefined
  return {
    what: 'call',
    text: args,
    index: own(call, 'index') ?? undefined,
    id: own(call, 'id') ?? undefined,
    name: own(target, 'name') ?? undefined,
  }
}

const CALL_FIELDS: readonly string[] = ['index', 'id', 'type', 'function']

function isNothing(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}

/** Merges a streamed detail into the one it continues: same index and type (OpenRouter; one index per block). */
export function addDetail(details: Record<string, unknown>[], value: unknown): void {
  const detail = asRecord(value)
  if (detail === undefined || !isShallow(detail)) return
  const last = details.at(-1)
  const type = own(detail, 'type')
  const field = type === 'reasoning.text' ? 'text' : type === 'reasoning.summary' ? 'summary' : undefined
  const continues =
    last !== undefined &&
    field !== undefined &&
    last['type'] === type &&
    last['index'] === own(detail, 'index')
  if (!continues) {
    details.push({ ...detail })
    return
  }
  for (const key of Object.keys(detail)) {
    if (key === field) last[key] = (asString(last[key]) ?? '') + (asString(detail[key]) ?? '')
    else if (key !== '__proto__' && detail[key] !== null && detail[key] !== '') last[key] = detail[key]
  }
}

/** `logprobs.content`, or the older parallel arrays that Together and Fireworks still send. */
export function readLogprobs(logprobs: unknown): TokenLogprob[] {
  const values = listIn(logprobs, 'token_logprobs')
  return [
    ...readEntries(listIn(logprobs, 'content')),
    ...listIn(logprobs, 'tokens').flatMap((token, at) => readLogprob({ token, logprob: values[at] }) ?? []),
  ]
}

/** Deltas that may repeat what came before. The second one shows which kind they are, and it stays that way. */
export function createCumulative(): { push(delta: string): string } {
  let sofar = ''
  let repeats: boolean | undefined
  return {
    push(delta) {
      if (delta === '') return ''
      const extended = sofar !== '' && delta.startsWith(sofar)
      if (sofar !== '') repeats ??= extended && delta.length > sofar.length
      if (repeats === true && extended) {
        const more = delta.slice(sofar.length)
        sofar = delta
        return more
      }
      sofar += delta
      return delta
    },
  }
}

/** Nothing real nests deeper than this. */
const MAX_KEPT_DEPTH = 64

/** Whether a value may be kept as the server sent it: it has to survive JSON.stringify, which recurses. */
export function isShallow(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth < MAX_KEPT_DEPTH && Object.values(value).every((item) => isShallow(item, depth + 1))
}

/** Whether two reports are about one call of a server's own tool. */
export function sameCall(a: unknown, b: unknown): boolean {
  return own(a, 'type') === own(b, 'type') && own(a, 'arguments') === own(b, 'arguments')
}

/** The value when it is a string that says something. */
export function nonEmpty(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Whether this model's server leaves `<think>` tags in the text. */
export function splitsThinking(dialect: Dialect, request: Request | undefined): boolean {
  if (dialect.think !== 'split') return false
  return dialect.thinkModels === undefined || dialect.thinkModels.test(request?.model ?? '')
}
