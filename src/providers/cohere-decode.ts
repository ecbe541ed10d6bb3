/**
 * Cohere's answers as events, whether streamed or whole.
 *
 * In:  events, parsed. Out: our events. A whole body is read as the events it would have been.
 * `message-end` is the last that counts; the `[DONE]` behind it is not waited for.
 * Not here: framing and requests (cohere.ts).
 * Spec: https://docs.cohere.com/reference/chat-stream, https://docs.cohere.com/docs/citations
 */

import type { LlmError } from '../errors.ts'
import type { Decoder } from '../provider.ts'
import { createToolCalls } from '../stream/tool-calls.ts'
import type { FinishReason, Request, Source, StreamEvent, TokenLogprob, Usage } from '../types.ts'
import {
  asNumber,
  asRecord,
  countIn,
  defined,
  listIn,
  numberIn,
  own,
  recordIn,
  stringIn,
  totalOf,
} from './body.ts'
import { streamError } from './errors.ts'
import { interrupted, protocol } from './notes.ts'

type Wire = Record<string, unknown>

/** The codec's name. */
export const COHERE = 'cohere'

/** docs.cohere.com/reference/chat (v2), and the ones that v1 has besides. ERROR and TIMEOUT are failures, below. */
const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  COMPLETE: 'stop',
  STOP_SEQUENCE: 'stop',
  MAX_TOKENS: 'length',
  ERROR_LIMIT: 'length',
  TOOL_CALL: 'tool-calls',
  ERROR_TOXIC: 'content-filter',
}

/** A whole body as the events it would have been. */
export function bodyEvents(json: unknown): unknown[] {
  const message = own(json, 'message')
  if (asRecord(message) === undefined) return [json]
  const delta = (type: string, index: number, message: Wire): Wire => ({ type, index, delta: { message } })
  return [
    { type: 'message-start', id: own(json, 'id') },
    delta('tool-plan-delta', 0, { tool_plan: own(message, 'tool_plan') }),
    ...listIn(message, 'content').map((content, index) => ({
      ...delta('content-start', index, { content }),
      logprobs: own(content, 'type') === 'text' ? own(json, 'logprobs') : undefined,
    })),
    ...listIn(message, 'tool_calls').map((call, index) =>
      delta('tool-call-start', index, { tool_calls: call }),
    ),
    ...listIn(message, 'citations').map((citations, index) => delta('citation-start', index, { citations })),
    { type: 'message-end', delta: { finish_reason: own(json, 'finish_reason'), usage: own(json, 'usage') } },
  ]
}

interface Written {
  type: 'text' | 'reasoning'
  part: number
  pieces: string[]
  plan: boolean
}

interface Citation {
  contentIndex: number
  start: number | undefined
  end: number | undefined
  text: string | undefined
  sources: Source[]
}

/** A {@link Decoder} of parsed events. */
export interface CohereAnswer extends Pick<Decoder, 'end' | 'done' | 'raw'> {
  push(event: unknown): StreamEvent[]
}

/** Reads one answer. @param request what was asked: no event names the model. */
export function createAnswer(request: Request | undefined): CohereAnswer {
  const raw: Decoder['raw'] = {}
  let parts = 0
  let started = false
  let plan: Written | undefined
  /** Content blocks by wire index. */
  const written = new Map<number, Written>()
  const citations: Citation[] = []
  let finish: string | undefined
  const toolCalls = createToolCalls({ nextPart: () => parts++ })

  function write(slot: Written, text: unknown, out: StreamEvent[], logprobs?: TokenLogprob[]): void {
    if (typeof text !== 'string' || text === '') return
    slot.pieces.push(text)
    out.push(
      slot.type === 'text'
        ? { type: 'text-delta', part: slot.part, text, ...(logprobs === undefined ? {} : { logprobs }) }
        : { type: 'reasoning-delta', part: slot.part, text },
    )
  }

  function content(index: number, value: unknown, out: StreamEvent[], logprobs?: TokenLogprob[]): void {
    const thinking = own(value, 'thinking')
    const type = own(value, 'type') === 'thinking' || thinking !== undefined ? 'reasoning' : 'text'
    const slot = written.get(index) ?? { type, part: parts++, pieces: [], plan: false }
    written.set(index, slot)
    write(slot, slot.type === 'reasoning' ? thinking : own(value, 'text'), out, logprobs)
  }

  /** Reasoning is marked as ours at its end; text gets its sources. */
  function close(out: StreamEvent[]): void {
    for (const [index, slot] of [[-1, plan] as const, ...written]) {
      if (slot === undefined) continue
      const { type, part, pieces } = slot
      const text = pieces.join('')
      if (type === 'reasoning') {
        const origin = slot.plan ? { provider: COHERE, plan: true } : { provider: COHERE }
        if (text !== '') out.push({ type: 'part', part, value: { type, text, origin } })
        continue
      }
      const sources = citations.flatMap((one) => (one.contentIndex === index ? placed(one, text) : []))
      if (sources.length > 0) out.push({ type: 'part', part, value: { type, text, sources } })
    }
    const seen = new Set<string>()
    for (const source of citations.flatMap(({ sources }) => sources)) {
      const key = source.id ?? source.url ?? JSON.stringify(source)
      if (!seen.has(key)) out.push({ type: 'source', source })
      seen.add(key)
    }
  }

  return {
    raw,
    get done() {
      return finish !== undefined
    },
    push(value) {
      const out: StreamEvent[] = []
      const event = asRecord(value)
      const type = stringIn(event, 'type')
      // An error that came with a 200 has no type: { id, message }.
      if (event === undefined || (type === undefined && own(event, 'message') === undefined))
        throw protocol(COHERE, 'sent something that is neither an event nor an answer')
      if (type === undefined || type === 'error') throw streamError({ provider: COHERE, error: event })
      if (!started) {
        started = true
        const id = stringIn(event, 'id') || undefined
        const model = request?.model ?? ''
        out.push(defined({ type: 'start' as const, provider: COHERE, model, id }))
      }
      const delta = own(event, 'delta')
      const message = own(delta, 'message')
      const index = numberIn(event, 'index') ?? 0
      const logprobs = readLogprobs(own(event, 'logprobs'))
      if (type === 'content-start' || type === 'content-delta')
        content(index, own(message, 'content'), out, logprobs)
      else if (type === 'tool-plan-delta') {
        const text = own(message, 'tool_plan')
        if (typeof text !== 'string' || text === '') return out
        plan ??= { type: 'reasoning', part: parts++, pieces: [], plan: true }
        write(plan, text, out)
      } else if (type === 'tool-call-start' || type === 'tool-call-delta') {
        // An object here, an array of it elsewhere.
        const call = own(message, 'tool_calls')
        const called = own(call, 'function')
        toolCalls.push(
          { index, id: own(call, 'id'), name: own(called, 'name'), args: own(called, 'arguments') },
          out,
        )
      } else if (type === 'tool-call-end') toolCalls.close(index, out)
      else if (type === 'citation-start') citations.push(readCitation(own(message, 'citations')))
      else if (type === 'message-end') {
        const usage = recordIn(delta, 'usage')
        if (usage !== undefined) raw.usage = usage
        raw.finish = delta
        finish = stringIn(delta, 'finish_reason') ?? ''
        const failed = own(delta, 'error')
        if (finish === 'ERROR' || finish === 'TIMEOUT' || typeof failed === 'string')
          throw failure(finish, failed)
        close(out)
        toolCalls.end(out, finish === 'MAX_TOKENS' ? 'The answer reached its token limit.' : undefined)
      }
      return out
    },
    end() {
      if (finish === undefined) {
        throw interrupted(COHERE, 'message-end')
      }
      const reason = (own(FINISH_REASONS, finish) ?? 'unknown') as FinishReason
      const open = reason === 'stop' || reason === 'unknown'
      const finishReason = open && toolCalls.count > 0 ? 'tool-calls' : reason
      const rawFinishReason = finish === '' ? undefined : finish
      return [{ type: 'finish', finishReason, rawFinishReason, usage: readUsage(raw.usage) }]
    },
  }

  function failure(reason: string, detail: unknown): LlmError {
    const known = streamError({
      provider: COHERE,
      error: typeof detail === 'string' ? { message: detail } : { message: reason },
    })
    return known.with({ code: reason, usage: readUsage(raw.usage) })
  }
}

/**
 * `tokens` is what the model saw and wrote; `billed_units` is another, smaller count (135 against 1,645 recorded).
 * `cached_tokens` lies inside `tokens.input_tokens`.
 */
function readUsage(usage: unknown): Usage {
  const tokens = own(usage, 'tokens') ?? own(usage, 'billed_units')
  const inputTokens = countIn(tokens, 'input_tokens')
  const outputTokens = countIn(tokens, 'output_tokens')
  return {
    inputTokens,
    outputTokens,
    totalTokens: totalOf(inputTokens, outputTokens),
    cachedInputTokens: countIn(usage, 'cached_tokens'),
    reasoningTokens: countIn(tokens, 'reasoning_tokens'),
  }
}

/** One text for one or more tokens: their probabilities multiply. */
function readLogprobs(value: unknown): TokenLogprob[] | undefined {
  const logprobs = (Array.isArray(value) ? value : [value]).flatMap((item) => {
    const token = stringIn(item, 'text')
    const each = listIn(item, 'logprobs').flatMap((one) => asNumber(one) ?? [])
    return token === undefined || each.length === 0
      ? []
      : { token, logprob: each.reduce((sum, one) => sum + one, 0) }
  })
  return logprobs.length === 0 ? undefined : logprobs
}

function readCitation(citation: unknown): Citation {
  const plan = own(citation, 'type') === 'PLAN'
  return {
    contentIndex: plan ? -1 : (countIn(citation, 'content_index') ?? 0),
    start: countIn(citation, 'start'),
    end: countIn(citation, 'end'),
    text: stringIn(citation, 'text'),
    sources: listIn(citation, 'sources').flatMap((source) => readSource(source)),
  }
}

/** `{ type: 'document', id, document: { title, url, text } }` or `{ type: 'tool', id, tool_output }`. */
function readSource(source: unknown): Source[] {
  const document = own(source, 'document') ?? own(source, 'tool_output')
  const found = defined({
    id: stringIn(source, 'id'),
    url: stringIn(document, 'url'),
    title: stringIn(document, 'title'),
  })
  return Object.keys(found).length === 0 ? [] : [found]
}

/** The sources at their place. Offsets count characters; where that is not UTF-16 units, the cited text decides. */
function placed({ start, end, text, sources }: Citation, whole: string): Source[] {
  if (text === undefined || start === undefined || end === undefined) return sources
  let from = start
  if (whole.slice(from, end) !== text) from = whole.indexOf(text, start)
  const at = from < 0 ? {} : { start: from, end: from + text.length }
  return sources.map((source) => ({ ...source, text, ...at }))
}
