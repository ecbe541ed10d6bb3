/**
 * Anthropic's stream of content blocks as our events.
 *
 * In:  the events of the Messages API, as frames or as parsed values, or one whole message. Out: StreamEvents.
 * Content blocks become message parts, numbered as they show. A tool call is held back until the event after its block
 * shows that the token limit did not cut it. Spec: https://platform.claude.com/docs/en/api/messages-streaming.
 * Not here: URLs and keys (anthropic.ts), writing requests (anthropic-encode.ts).
 */

import { LlmError } from '../errors.ts'
import type { DecodedBody, Decoder, Frame } from '../provider.ts'
import { GrowingText } from '../stream/growing-text.ts'
import { createToolCalls } from '../stream/tool-calls.ts'
import type { Json, Origin, Request, Source, StreamEvent, Usage } from '../types.ts'
import { createSkeleton } from '../wire/skeleton.ts'
import { ANSWER_TOOL, ANTHROPIC, answersByTool } from './anthropic-encode.ts'
import { CUT_REASONS, limitWarning, readUsage, reasonOf } from './anthropic-finish.ts'
import { asArray, asRecord, asString, invalidArgsObject, own, parseFrameJson } from './body.ts'
import { streamError } from './errors.ts'
import { answerText, toolNames, unfinishedArgs } from './tool-names.ts'

/**
 * Reads one whole message, as `wire: 'json'` and batch results carry it.
 * @throws LlmError for an error object in place of a message.
 */
export function decodeMessage(json: unknown, provider: string, request?: Request): DecodedBody {
  const message = asRecord(json)
  if (
    message === undefined ||
    (own(message, 'type') !== 'error' && !Array.isArray(own(message, 'content')))
  ) {
    throw new LlmError({
      kind: 'protocol',
      provider,
      message: `The answer of ${provider} is not a message: it has no content.`,
    })
  }
  const decoder = createMessagesDecoder(provider, request)
  const events =
    own(message, 'type') === 'error'
      ? decoder.read(message)
      : decoder.read({ type: 'message_start', message })
  return {
    events: [...events, ...decoder.read({ type: 'message_stop' }), ...decoder.end()],
    raw: decoder.raw,
  }
}

/** A decoder that also takes payloads which are parsed already (Bedrock wraps them in frames of its own). */
export interface MessagesDecoder extends Decoder {
  /** @param payload one event of the stream, as a JSON value. */
  read(payload: unknown): StreamEvent[]
  /** What was reported so far. */
  readonly usage: Usage
}

/** A content block that is still open. */
type Block =
  | { kind: 'text'; part: number | undefined; text: GrowingText; citations: Json[] }
  // The forced tool call that carries a structured answer: its arguments are the text.
  | { kind: 'answer'; part: number | undefined; text: GrowingText; whole: unknown }
  | { kind: 'thinking'; part: number | undefined; text: GrowingText; signature: string }
  | { kind: 'tool'; origin: Origin | undefined }
  | { kind: 'provider'; value: Record<string, unknown>; input: string }

/** A `content_block_delta` that says one string, `delta[field]`. */
interface Piece {
  index: number
  delta: Record<string, unknown>
  field: string
}

/** Deltas of which `change` reads one string and keeps nothing else. */
const TEXT_FIELDS: Readonly<Record<string, string>> = {
  text_delta: 'text',
  thinking_delta: 'thinking',
  input_json_delta: 'partial_json',
}

/** Makes the decoder of one answer. `provider` is who sends it; parts are marked as Anthropic's in any case. */
export function createMessagesDecoder(provider: string, request?: Request): MessagesDecoder {
  const answerTool = request !== undefined && answersByTool(request) ? ANSWER_TOOL : undefined
  const names = request === undefined ? undefined : toolNames(request, provider, 128)
  const blocks = new Map<number, Block>()
  const seen = new Set<number>()
  const cited = new Set<string>()
  let parts = 0
  const nextPart = () => parts++
  const tools = createToolCalls(names === undefined ? { nextPart } : { nextPart, rename: names.toCaller })
  let started = false
  let id = ''
  let stopped = false
  let done = false
  let stopReason: string | undefined
  // A call whose block is closed, held back until the next event shows that it was not cut by the token limit.
  let closing: number | undefined
  let usage: Record<string, unknown> = {}
  let finish: Record<string, unknown> | undefined
  // Nearly every event is the one before it with another text: it is recognised instead of parsed.
  const skeleton = createSkeleton<Piece>()

  function start(message: Record<string, unknown>, out: StreamEvent[]): void {
    const newId = asString(own(message, 'id')) ?? ''
    if (started && newId !== '' && id !== '' && newId !== id) {
      // A proxy lost its upstream and spliced a second answer into the first one: two halves that do not belong
      // together, with signatures that Anthropic would refuse. Seen behind Vertex AI, 2026-08.
      if (parts > 0 || blocks.size > 0) {
        throw new LlmError({
          kind: 'interrupted',
          provider,
          phase: 'stream',
          message: `${provider} began a second answer in the middle of the first: the first one was lost on its way.`,
        })
      }
    }
    if (newId !== '') id = newId
    if (!started) {
      const model = asString(own(message, 'model')) ?? request?.model ?? ''
      out.push({ type: 'start', provider, model, ...(id === '' ? {} : { id }) })
    } else if (seen.size > 0) return
    started = true
    mergeUsage(own(message, 'usage'))
    // Not empty when the model's own program called a tool, and in a whole JSON body.
    const content = asArray(own(message, 'content'))
    const cut = CUT_REASONS.has(asString(own(message, 'stop_reason')) ?? '')
    content.forEach((value, index) => {
      const block = asRecord(value) ?? {}
      // Parts are numbered as they show, some only when they close.
      if (!isCall(blocks.get(index - 1))) close(index - 1, out)
      open(index, cut && index === content.length - 1 ? unfinished(block) : block, out)
    })
    stop(message)
  }

  function open(index: number, block: Record<string, unknown>, out: StreamEvent[]): void {
    if (!started) start({}, out)
    const type = asString(own(block, 'type')) ?? ''
    if (blocks.has(index)) {
      // The same block announced twice.
      if (sameBlock(blocks.get(index), type)) return
      close(index, out)
    }
    seen.add(index)
    switch (type) {
      case 'text': {
        const text: Block = { kind: 'text', part: undefined, text: new GrowingText(), citations: [] }
        blocks.set(index, text)
        append(text, own(block, 'text'), out)
        for (const citation of asArray(own(block, 'citations'))) cite(text, citation)
        break
      }
      case 'thinking': {
        const thinking: Block = { kind: 'thinking', part: undefined, text: new GrowingText(), signature: '' }
        blocks.set(index, thinking)
        append(thinking, own(block, 'thinking'), out)
        thinking.signature = asString(own(block, 'signature')) ?? ''
        break
      }
      case 'redacted_thinking': {
        const encrypted = asString(own(block, 'data')) ?? ''
        const value = {
          type: 'reasoning',
          text: '',
          encrypted,
          redacted: true,
          origin: { provider: ANTHROPIC },
        } as const
        out.push({ type: 'part', part: nextPart(), value })
        break
      }
      case 'tool_use': {
        const name = own(block, 'name')
        const input = own(block, 'input')
        if (name === answerTool) {
          const answer: Block = { kind: 'answer', part: undefined, text: new GrowingText(), whole: input }
          blocks.set(index, answer)
          append(answer, input, out)
          break
        }
        const caller = asRecord(own(block, 'caller'))
        const origin =
          caller === undefined || own(caller, 'type') === 'direct'
            ? undefined
            : { provider: ANTHROPIC, caller: caller as Json }
        blocks.set(index, { kind: 'tool', origin })
        // Compatible servers send the whole input here and no deltas; Anthropic sends {} and deltas. Quirk 14.
        tools.push({ index, id: own(block, 'id'), name, args: input }, out)
        break
      }
      default:
        // Server tools, their results, compaction, fallbacks, and whatever is invented next.
        blocks.set(index, { kind: 'provider', value: { ...block }, input: '' })
    }
  }

  function change(index: number, delta: Record<string, unknown>, out: StreamEvent[]): void {
    const block = blocks.get(index)
    if (block === undefined) {
      // Late pieces of a block that is closed are ignored: its part is final.
      if (seen.has(index)) return
      throw new LlmError({
        kind: 'protocol',
        provider,
        phase: 'stream',
        message: `${provider} sent a piece of content block ${index}, which it never began.`,
      })
    }
    switch (own(delta, 'type')) {
      case 'text_delta':
        append(block, own(delta, 'text'), out)
        break
      case 'thinking_delta':
        append(block, own(delta, 'thinking'), out)
        break
      case 'signature_delta':
        if (block.kind === 'thinking') block.signature += asString(own(delta, 'signature')) ?? ''
        break
      case 'citations_delta':
        if (block.kind === 'text') cite(block, own(delta, 'citation'))
        break
      case 'input_json_delta': {
        const json = own(delta, 'partial_json')
        if (block.kind === 'tool') tools.push({ index, args: json }, out)
        else if (block.kind === 'answer') append(block, json, out)
        else if (block.kind === 'provider') block.input += asString(json) ?? ''
        break
      }
      default:
        // Unknown deltas of unknown blocks (compaction_delta): text grows, everything else replaces.
        if (block.kind === 'provider') grow(block.value, delta)
    }
  }

  function append(block: Block, text: unknown, out: StreamEvent[]): void {
    if (typeof text !== 'string' || text === '' || block.kind === 'tool' || block.kind === 'provider') return
    block.part ??= nextPart()
    block.text.push(text)
    const type = block.kind === 'thinking' ? 'reasoning-delta' : 'text-delta'
    out.push({ type, part: block.part, text })
  }

  function close(index: number, out: StreamEvent[]): void {
    const block = blocks.get(index)
    if (block === undefined) return
    blocks.delete(index)
    if (block.kind === 'text') {
      if (block.citations.length === 0 || block.part === undefined) return
      const { part, citations } = block
      const text = block.text.toString()
      const sources = citations.map((citation) => ({ ...readSource(citation), start: 0, end: text.length }))
      const origin = { provider: ANTHROPIC, citations }
      out.push({ type: 'part', part, value: { type: 'text', text, sources, origin } })
      for (const citation of citations) {
        const source = readSource(citation)
        const key = JSON.stringify(source)
        if (!cited.has(key)) out.push({ type: 'source', source })
        cited.add(key)
      }
    } else if (block.kind === 'answer') {
      if (block.text.empty) append(block, answerText(block.whole), out)
    } else if (block.kind === 'thinking') {
      const { signature } = block
      const text = block.text.toString()
      if (text === '' && signature === '') return
      const origin = { provider: ANTHROPIC }
      const value =
        signature === ''
          ? ({ type: 'reasoning', text, origin } as const)
          : ({ type: 'reasoning', text, signature, origin } as const)
      out.push({ type: 'part', part: block.part ?? nextPart(), value })
    } else if (block.kind === 'tool') {
      closeTool(index, block.origin, out)
    } else {
      const value = { ...block.value }
      if (block.input !== '') value['input'] = parseInput(block.input)
      out.push({ type: 'part', part: nextPart(), value: { type: 'provider', provider: ANTHROPIC, value } })
    }
  }

  function closeTool(index: number, origin: Origin | undefined, out: StreamEvent[]): void {
    const from = out.length
    tools.close(index, out)
    if (origin === undefined) return
    for (const event of out.slice(from)) {
      if (event.type !== 'tool-call') continue
      const { part, type, ...call } = event
      out.push({ type: 'part', part, value: { type, ...call, origin } })
    }
  }

  function settle(out: StreamEvent[]): void {
    if (closing !== undefined) close(closing, out)
    closing = undefined
  }

  function stop(from: Record<string, unknown> | undefined): void {
    const reason = asString(own(from, 'stop_reason'))
    if (reason === undefined || from === undefined) return
    stopReason = reason
    stopped = true
    finish = Object.fromEntries(
      ['stop_reason', 'stop_sequence', 'stop_details', 'container'].flatMap((field) =>
        own(from, field) == null ? [] : [[field, own(from, field)]],
      ),
    )
  }

  function mergeUsage(reported: unknown): void {
    // message_delta repeats what changed since message_start, and wins; null says nothing.
    for (const [field, value] of Object.entries(asRecord(reported) ?? {})) {
      if (value !== null) usage = { ...usage, [field]: value }
    }
  }

  function finishAll(out: StreamEvent[]): void {
    const cut = CUT_REASONS.has(stopReason ?? '')
    if (!cut) settle(out)
    for (const index of blocks.keys()) {
      if (cut && isCall(blocks.get(index))) blocks.delete(index)
      else close(index, out)
    }
    tools.end(out, cut ? 'The answer reached its token limit inside the arguments.' : undefined)
  }

  function read(payload: unknown, hint = ''): StreamEvent[] {
    const out: StreamEvent[] = []
    const event = asRecord(payload)
    const type = asString(own(event, 'type')) ?? hint
    if (event === undefined || done) return out
    const index = own(event, 'index')
    const at = typeof index === 'number' ? index : -1
    if (type.startsWith('content_block')) settle(out)
    switch (type) {
      case 'message_start':
        start(asRecord(own(event, 'message')) ?? {}, out)
        break
      case 'content_block_start':
        open(at, asRecord(own(event, 'content_block')) ?? {}, out)
        break
      case 'content_block_delta':
        change(at, asRecord(own(event, 'delta')) ?? {}, out)
        break
      case 'content_block_stop':
        if (isCall(blocks.get(at))) closing = at
        else close(at, out)
        break
      case 'message_delta':
        mergeUsage(own(event, 'usage'))
        stop(asRecord(own(event, 'delta')))
        if (stopped) finishAll(out)
        break
      case 'message_stop':
        stopped = true
        done = true
        finishAll(out)
        break
      case 'error':
        throw streamError({ provider, error: own(event, 'error') ?? event })
      default:
      // ping, and event types that are invented after this was written.
    }
    return out
  }

  /** Reads the event of a piece once more, with another text. */
  function again({ index, delta, field }: Piece, text: string): StreamEvent[] {
    const out: StreamEvent[] = []
    if (done) return out
    delta[field] = text
    settle(out)
    change(index, delta, out)
    return out
  }

  return {
    read,
    push(frame: Frame) {
      // `[DONE]` is sent by some compatible servers after message_stop, and means nothing here.
      if (frame.data === '' || frame.data.startsWith('[DONE]')) return []
      const known = skeleton.match(frame.data)
      if (known !== undefined) return again(skeleton.tag!, known)
      const payload = parseFrameJson(frame.data, provider)
      const out = read(payload, frame.event)
      const piece = pieceOf(payload)
      if (piece !== undefined) skeleton.learn(frame.data, String(piece.delta[piece.field]), piece)
      return out
    },
    end() {
      if (!stopped) {
        throw new LlmError({
          kind: 'interrupted',
          provider,
          phase: 'stream',
          message: `The answer of ${provider} ended before message_stop.`,
        })
      }
      const out: StreamEvent[] = []
      const finishReason = reasonOf(stopReason, tools.count)
      if (finishReason === 'length' && request !== undefined && request.maxTokens === undefined) {
        out.push({ type: 'warning', warning: limitWarning(request) })
      }
      out.push({ type: 'finish', finishReason, rawFinishReason: stopReason, usage: readUsage(usage) })
      return out
    },
    get done() {
      return done
    },
    get raw() {
      return { usage: Object.keys(usage).length === 0 ? undefined : usage, finish }
    },
    get usage() {
      return readUsage(usage)
    },
  }
}

function pieceOf(payload: unknown): Piece | undefined {
  const delta = asRecord(own(payload, 'delta'))
  const index = own(payload, 'index')
  const field = asString(own(TEXT_FIELDS, asString(own(delta, 'type')) ?? ''))
  return delta !== undefined &&
    field !== undefined &&
    own(payload, 'type') === 'content_block_delta' &&
    typeof index === 'number' &&
    typeof own(delta, field) === 'string'
    ? { index, delta, field }
    : undefined
}

function cite(block: Block & { kind: 'text' }, citation: unknown): void {
  if (asRecord(citation) !== undefined) block.citations.push(citation as Json)
}

function readSource(citation: Json): Source {
  const source: Source = {}
  const url = asString(own(citation, 'url')) ?? asString(own(citation, 'source'))
  const title = asString(own(citation, 'title')) ?? asString(own(citation, 'document_title'))
  const text = asString(own(citation, 'cited_text'))
  const id = asString(own(citation, 'file_id'))
  if (id !== undefined) source.id = id
  if (url !== undefined) source.url = url
  if (title !== undefined) source.title = title
  if (text !== undefined && text !== '') source.text = text
  return source
}

function grow(value: Record<string, unknown>, delta: Record<string, unknown>): void {
  for (const [field, more] of Object.entries(delta)) {
    if (field === 'type' || field === '__proto__') continue
    const before = own(value, field)
    value[field] = typeof before === 'string' && typeof more === 'string' ? before + more : more
  }
}

/** Tool input in a whole body was completed by the server when the answer was cut: show that it is not whole. */
function unfinished(block: Record<string, unknown>): Record<string, unknown> {
  const input = own(block, 'input')
  return own(block, 'type') === 'tool_use' && input !== undefined
    ? { ...block, input: unfinishedArgs(input) }
    : block
}

function isCall(block: Block | undefined): boolean {
  return block?.kind === 'tool' || block?.kind === 'answer'
}

function parseInput(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return invalidArgsObject(json)
  }
}

function sameBlock(block: Block | undefined, type: string): boolean {
  switch (block?.kind) {
    case 'text':
    case 'thinking':
      return type === block.kind
    case 'tool':
    case 'answer':
      return type === 'tool_use'
    case 'provider':
      return block.value['type'] === type
    case undefined:
      return false
  }
}
