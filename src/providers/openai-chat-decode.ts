/**
 * Chat Completions answers: chunks of a stream, or one whole body, into our events.
 *
 * In:  parsed JSON of one chunk after another. Out: events; `end` gives 'finish', or throws `interrupted`.
 * One answer has one text part and one reasoning part, because the wire has one `content` and one reasoning string;
 * of several choices (`n` > 1) the first to appear is read and the rest is reported as dropped.
 * Tolerant by design: every field may be missing, null, '' or of a wrong type; nothing here is indexed by the wire.
 * Not here: SSE (wire/sse.ts), which call a fragment belongs to (stream/tool-calls.ts).
 */

import type { LlmError } from '../errors.ts'
import { GrowingText } from '../stream/growing-text.ts'
import { createToolCalls, type ToolCallFragment } from '../stream/tool-calls.ts'
import type {
  FinishReason,
  ImagePart,
  Json,
  Origin,
  Request,
  Source,
  StreamEvent,
  TokenLogprob,
} from '../types.ts'
import { asRecord, asString, countIn, defined, listIn, own, recordIn, stringIn } from './body.ts'
import { streamError } from './errors.ts'
import type { Dialect } from './openai-chat-dialect.ts'
import {
  addDetail,
  costOf,
  createCumulative,
  errorIn,
  finishReasonOf,
  isFailure,
  isPlain,
  isShallow,
  nonEmpty,
  readLogprobs,
  readUsage,
  REASONING_FIELDS,
  sameCall,
  singleOf,
  splitsThinking,
  type Single,
} from './openai-chat-pieces.ts'
import { interrupted } from './notes.ts'
import { markCalls } from './parts.ts'
import { createThinkSplitter } from './think-tags.ts'

/** Reads the chunks of one answer. */
export interface ChatReader {
  push(chunk: unknown): StreamEvent[]
  /** All that the chunk just read says, when that is one string. */
  single(chunk: unknown): Single | undefined
  /** Reads the chunk of `single` again, with `text` for its string. */
  again(single: Single, text: string): StreamEvent[]
  /** The `[DONE]` line, or the end of a JSON body: nothing is missing. */
  markDone(): void
  end(): StreamEvent[]
  readonly done: boolean
  readonly raw: { usage?: unknown; finish?: unknown }
  readonly reportedCost: number | undefined
}

/** What the reader has to know of its codec. */
export interface ChatReaderOptions {
  provider: string
  dialect: Dialect
  request: Request | undefined
  /** The caller's name of a tool from the name on the wire. */
  rename: ((wireName: string) => string) | undefined
}

/** Makes the reader of one answer. */
export function createChatReader(options: ChatReaderOptions): ChatReader {
  const { provider, dialect, request } = options
  const raw: { usage?: unknown; finish?: unknown } = {}
  let parts = 0
  const nextPart = (): number => parts++
  const calls = createToolCalls({
    nextPart,
    ...(options.rename === undefined ? {} : { rename: options.rename }),
  })
  const textMode = dialect.cumulative === true ? createCumulative() : undefined
  const reasoningMode = dialect.cumulative === true ? createCumulative() : undefined
  const split = splitsThinking(dialect, request) ? createThinkSplitter() : undefined

  let started = false
  let id: string | undefined
  let model: string | undefined
  /** Index of the choice we read, once one was seen. */
  let choiceIndex: unknown
  let dropWarned = false
  let sawDelta = false
  let finished: string | undefined
  let doneMarked = false
  let done = false
  let refused = false

  let textPart: number | undefined
  const text = new GrowingText()
  let heldLogprobs: TokenLogprob[] = []
  const cited: Source[] = []
  const sourceKeys = new Set<string>()

  let reasoningPart: number | undefined
  const reasoning = new GrowingText()
  let reasoningField: string | undefined
  let placeholderSeen = false
  const details: Record<string, unknown>[] = []

  /** Signatures and flags that a call has to carry back, by the message part of the call. */
  const callExtras = new Map<number, Origin>()
  /** Custom tools stream free text; it is wrapped into `{"input":"…"}` as it arrives. */
  const customCalls = new Map<unknown, { index: unknown; id: unknown }>()
  /** Part of the call that the last fragment belonged to. */
  let callPart: number | undefined
  const executed: unknown[] = []

  function failure(error: unknown): LlmError {
    return streamError({ provider, error })
  }

  function start(out: StreamEvent[]): void {
    if (started) return
    started = true
    out.push(defined({ type: 'start' as const, provider, model: model ?? request?.model ?? '', id }))
  }

  function emitText(delta: string, out: StreamEvent[]): void {
    if (delta === '') return
    textPart ??= nextPart()
    text.push(delta)
    const event: StreamEvent = { type: 'text-delta', part: textPart, text: delta }
    if (heldLogprobs.length > 0) {
      event.logprobs = heldLogprobs
      heldLogprobs = []
    }
    out.push(event)
  }

  function emitReasoning(delta: string, field: string, out: StreamEvent[]): void {
    reasoningPart ??= nextPart()
    reasoningField ??= field
    if (reasoningMode !== undefined) delta = reasoningMode.push(delta)
    if (delta === '') return
    if (delta === dialect.placeholder) {
      if (placeholderSeen) return
      placeholderSeen = true
    }
    reasoning.push(delta)
    out.push({ type: 'reasoning-delta', part: reasoningPart, text: delta })
  }

  function readContent(delta: string, out: StreamEvent[]): void {
    const more = textMode === undefined ? delta : textMode.push(delta)
    if (split === undefined) return emitText(more, out)
    const { thought, said } = split.push(more)
    if (thought !== '') emitReasoning(thought, 'content', out)
    emitText(said, out)
  }

  /** Mistral, and servers that mirror the request's blocks: `[{type:'thinking',thinking:[…]},{type:'text',text}]`. */
  function readBlocks(blocks: readonly unknown[], out: StreamEvent[]): void {
    for (const block of blocks) {
      const type = own(block, 'type')
      const thinking = own(block, 'thinking')
      if (type === 'thinking' || type === 'reasoning') {
        const pieces = Array.isArray(thinking) ? thinking : [thinking ?? own(block, 'text')]
        for (const piece of pieces)
          emitReasoning(asString(piece) ?? stringIn(piece, 'text') ?? '', 'content', out)
      } else if (type === 'reference') {
        for (const reference of listIn(block, 'reference_ids')) addSource({ id: String(reference) }, out)
      } else readContent(asString(block) ?? stringIn(block, 'text') ?? '', out)
    }
  }

  function readReasoning(delta: unknown, out: StreamEvent[]): void {
    const list = listIn(delta, 'reasoning_details')
    for (const detail of list) addDetail(details, detail)
    for (const field of REASONING_FIELDS) {
      const value = stringIn(delta, field)
      if (value !== undefined && value !== '') {
        emitReasoning(value, field, out)
        return
      }
    }
    // Encrypted details have no text, and yet make a part: they have to go back.
    for (const detail of list) {
      const piece = stringIn(detail, 'text') ?? stringIn(detail, 'summary') ?? ''
      emitReasoning(piece, 'reasoning_details', out)
    }
  }

  function readCall(call: unknown, out: StreamEvent[]): void {
    if (asRecord(call) === undefined) return
    const custom = own(call, 'custom')
    const target = custom ?? own(call, 'function') ?? call
    const index = own(call, 'index') ?? undefined
    const callId = own(call, 'id') ?? undefined
    const key = index ?? callId
    let args = own(target, 'arguments')
    if (custom !== undefined) {
      const piece = JSON.stringify(stringIn(custom, 'input') ?? '').slice(1, -1)
      args = customCalls.has(key) ? piece : `{"input":"${piece}`
      customCalls.set(key, { index, id: callId })
    }
    addFragment({ index, id: callId, name: own(target, 'name') ?? undefined, args }, out)
    const extra = recordIn(call, 'extra_content')
    if (callPart !== undefined && (extra !== undefined ? isShallow(extra) : custom !== undefined)) {
      const more = {
        extra_content: extra as Json | undefined,
        custom: custom === undefined ? undefined : true,
      }
      callExtras.set(callPart, { provider, ...callExtras.get(callPart), ...defined(more) })
    }
  }

  function addFragment(fragment: ToolCallFragment, out: StreamEvent[]): void {
    const before = out.length
    calls.push(fragment, out)
    const event = out.length > before ? out.at(-1) : undefined
    callPart =
      (fragment.index === undefined ? undefined : calls.partOf(fragment.index)) ??
      (event !== undefined && 'part' in event ? event.part : callPart)
  }

  function addSource(source: Source, out: StreamEvent[]): boolean {
    const key = JSON.stringify([source.id, source.url, source.start, source.end])
    if (sourceKeys.has(key)) return false
    sourceKeys.add(key)
    out.push({ type: 'source', source })
    return true
  }

  /** `url_citation` annotations, with offsets into `content`: OpenAI's search models and OpenRouter. */
  function readAnnotations(delta: unknown, out: StreamEvent[]): void {
    for (const annotation of listIn(delta, 'annotations')) {
      const found = own(annotation, 'url_citation') ?? annotation
      const url = stringIn(found, 'url')
      if (url === undefined) continue
      const from = countIn(found, 'start_index') ?? 0
      const to = countIn(found, 'end_index') ?? 0
      const source = defined({
        url,
        title: stringIn(found, 'title') || undefined,
        text: stringIn(found, 'content') || undefined,
        // OpenRouter sends 0..0 for sources of the answer as a whole.
        ...(to > from ? { start: from, end: to } : {}),
      })
      if (addSource(source, out)) cited.push(source)
    }
  }

  /** Perplexity repeats `search_results` and `citations` on every chunk; xAI sends `citations` on the last. */
  function readSearch(chunk: unknown, out: StreamEvent[]): void {
    for (const result of listIn(chunk, 'search_results')) addResult(result, 'snippet', out)
    for (const citation of listIn(chunk, 'citations')) {
      if (typeof citation !== 'string') addResult(citation, 'text', out)
      else if (citation !== '') addSource({ url: citation }, out)
    }
  }

  function addResult(result: unknown, textField: string, out: StreamEvent[]): void {
    const url = stringIn(result, 'url')
    if (!url) return
    const text = stringIn(result, textField) || undefined
    addSource(defined({ url, title: stringIn(result, 'title'), text }), out)
  }

  /** Groq's compound models run tools themselves: `executed_tools`, first with the call, then with the result. */
  function readExecuted(delta: unknown, out: StreamEvent[]): void {
    for (const tool of listIn(delta, 'executed_tools')) {
      if (!isShallow(tool)) continue
      for (const result of listIn(own(tool, 'search_results'), 'results')) addResult(result, 'content', out)
      const last = executed.at(-1)
      // The same call again, now with its output.
      const again = last !== undefined && own(last, 'output') === undefined && sameCall(last, tool)
      if (again) executed[executed.length - 1] = tool
      else executed.push(tool)
    }
  }

  /** OpenRouter's image models: `images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,…' } }]`. */
  function readImages(delta: unknown, out: StreamEvent[]): void {
    for (const image of listIn(delta, 'images')) {
      const url = stringIn(own(image, 'image_url'), 'url')
      if (url === undefined) continue
      const data = /^data:([^;,]+);base64,(.*)$/s.exec(url)
      const value: ImagePart =
        data === null ? { type: 'image', url } : { type: 'image', mediaType: data[1]!, data: data[2]! }
      out.push({ type: 'part', part: nextPart(), value })
    }
  }

  function readDelta(delta: Record<string, unknown>, choice: unknown, out: StreamEvent[]): void {
    sawDelta = true
    // Nearly every delta holds text and nothing else; it is not asked for ten other fields.
    const plain = isPlain(delta)
    if (!plain) readReasoning(delta, out)
    const logprobs = own(choice, 'logprobs')
    if (logprobs !== undefined && logprobs !== null) heldLogprobs.push(...readLogprobs(logprobs))
    const content = own(delta, 'content')
    if (typeof content === 'string') readContent(content, out)
    else if (Array.isArray(content)) readBlocks(content, out)
    else if (asRecord(content) !== undefined) readBlocks([content], out)
    if (!plain) readRest(delta, out)
  }

  function readRest(delta: Record<string, unknown>, out: StreamEvent[]): void {
    const refusal = stringIn(delta, 'refusal')
    if (refusal !== undefined && refusal !== '') {
      refused = true
      emitText(refusal, out)
    }
    // Audio models speak; what they say is text all the same.
    emitText(stringIn(own(delta, 'audio'), 'transcript') ?? '', out)
    readAnnotations(delta, out)
    readExecuted(delta, out)
    readImages(delta, out)
    for (const call of listIn(delta, 'tool_calls')) readCall(call, out)
    const legacy = own(delta, 'function_call')
    if (asRecord(legacy) !== undefined) {
      calls.push({ index: 0, name: own(legacy, 'name'), args: own(legacy, 'arguments') }, out)
    }
  }

  /** Of several reports the last one counts: Perplexity's grow with every chunk. */
  function keepUsage(usage: unknown): void {
    if (asRecord(usage) !== undefined && isShallow(usage)) raw.usage = usage
  }

  function readChoice(choice: unknown, out: StreamEvent[]): void {
    const index = own(choice, 'index') ?? 0
    choiceIndex ??= index
    if (index !== choiceIndex) {
      if (!dropWarned) {
        dropWarned = true
        out.push({
          type: 'warning',
          warning: {
            code: 'dropped',
            field: 'n',
            message: `${provider} answered with several choices; only the first is read.`,
          },
        })
      }
      return
    }
    const error = own(choice, 'error')
    if (error !== undefined && error !== null && error !== '') throw failure(error)
    // Perplexity and Writer send `message` beside `delta`; some proxies send a whole `message` as their only chunk.
    const delta = asRecord(own(choice, 'delta') ?? (sawDelta ? undefined : own(choice, 'message')))
    if (delta !== undefined) readDelta(delta, choice, out)
    // Moonshot reports usage inside the choice.
    keepUsage(own(choice, 'usage'))
    const reason = stringIn(choice, 'finish_reason')
    if (reason !== undefined && reason !== '') {
      if (isFailure(reason)) {
        throw failure({ message: `The answer ended with finish_reason "${reason}"`, code: reason })
      }
      finished = reason
      // In a JSON body the choice holds the whole message; what is kept is why it ended.
      const { delta: _, message: __, logprobs: ___, ...why } = choice as Record<string, unknown>
      raw.finish = why
    }
  }

  return {
    raw,
    get done() {
      return done
    },
    get reportedCost() {
      return costOf(raw.usage, dialect)
    },
    push(chunk) {
      const out: StreamEvent[] = []
      const record = asRecord(Array.isArray(chunk) ? chunk[0] : chunk)
      // Payloads such as `null` or `"ping"` say nothing.
      if (record === undefined || done) return out
      const error = errorIn(record)
      if (error !== undefined) throw failure(error)
      // Azure's first chunk has an empty id and model; Groq's last has the id "stub": the first real ones count.
      id ??= nonEmpty(own(record, 'id'))
      model ??= nonEmpty(own(record, 'model'))
      const choices = listIn(record, 'choices')
      if (id !== undefined || model !== undefined || choices.length > 0) start(out)
      readSearch(record, out)
      for (const choice of choices) if (asRecord(choice) !== undefined) readChoice(choice, out)
      // Some Groq streams report usage only here.
      keepUsage(own(record, 'usage') ?? own(own(record, 'x_groq'), 'usage'))
      // Perplexity ends with this object and without [DONE].
      if (own(record, 'object') === 'chat.completion.done') done = true
      return out
    },
    single: (chunk) => (done ? undefined : singleOf(chunk, choiceIndex)),
    again(single, text) {
      const out: StreamEvent[] = []
      if (done) return out
      if (single.what === 'text') readContent(text, out)
      else if (single.what === 'call') {
        const { index, id, name } = single
        addFragment({ index, id, name, args: text }, out)
      } else if (text !== '') emitReasoning(text, single.field, out)
      return out
    },
    markDone() {
      doneMarked = true
      done = true
    },
    end() {
      const out: StreamEvent[] = []
      // Snowflake never sends a finish_reason: [DONE] after an answer is enough, [DONE] after nothing is not.
      if (finished === undefined && !(doneMarked && sawDelta)) {
        throw interrupted(provider, 'a finish_reason or [DONE]')
      }
      start(out)
      const rest = split?.end()
      if (rest !== undefined) {
        if (rest.thought !== '') emitReasoning(rest.thought, 'content', out)
        emitText(rest.said, out)
      }
      for (const fragment of customCalls.values()) calls.push({ ...fragment, args: '"}' }, out)
      const reason = reasonOf()
      calls.end(
        out,
        reason === 'length'
          ? 'The answer reached its token limit before the arguments were finished.'
          : undefined,
      )
      closeParts(out)
      out.push({
        type: 'finish',
        finishReason: reason,
        rawFinishReason: finished,
        usage: readUsage(raw.usage),
      })
      return out
    },
  }

  function reasonOf(): FinishReason {
    if (refused) return 'content-filter'
    const reason = finishReasonOf(finished)
    // OpenAI itself says `stop` when tool_choice named the function; vLLM, Gemini and others always do.
    if ((reason === 'stop' || reason === 'unknown') && calls.count > 0) return 'tool-calls'
    return reason
  }

  /** Parts that carry more than their deltas said. */
  function closeParts(out: StreamEvent[]): void {
    if (reasoningPart !== undefined) {
      const origin: Origin = { provider, field: reasoningField! }
      if (details.length > 0) origin['details'] = details as Json
      const value = { type: 'reasoning', text: reasoning.toString(), origin } as const
      out.push({ type: 'part', part: reasoningPart, value })
    }
    if (textPart !== undefined && cited.length > 0) {
      const value = { type: 'text', text: text.toString(), sources: cited } as const
      out.push({ type: 'part', part: textPart, value })
    }
    markCalls(out, 0, (part) => callExtras.get(part))
    if (executed.length > 0) {
      out.push({
        type: 'part',
        part: nextPart(),
        value: { type: 'provider', provider, value: { executed_tools: executed } },
      })
    }
  }
}
