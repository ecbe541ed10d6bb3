/**
 * Anthropic's stream of content blocks as our events.
 *
 * In:  the events of the Messages API, as frames or as parsed values, or one whole message. Out: StreamEvents.
 * Content blocks become message parts, numbered as they show. A tool call is held back until the event after its block
 * shows that the token limit did not cut it. Spec: https://platform.claude.com/docs/en/api/messages-streaming.
 * Not here: URLs and keys (anthropic.ts), writing requests (anthropic-encode.ts).
 */

import type { DecodedBody, Decoder, Frame } from '../provider.ts'
import { GrowingText } from '../stream/growing-text.ts'
import { createToolCalls } from '../stream/tool-calls.ts'
import type { Json, Origin, Part, Request, Source, StreamEvent, Usage } from '../types.ts'
import { createSkeleton } from '../wire/skeleton.ts'
import { ANSWER_TOOL, ANTHROPIC, answersByTool } from './anthropic-encode.ts'
import { isCut, limitWarning, readUsage, reasonOf } from './anthropic-finish.ts'
import {
  asRecord,
  asString,
  defined,
  isRecord,
  listIn,
  own,
  parseFrameJson,
  pick,
  recordIn,
  stringIn,
} from './body.ts'
import { streamError } from './errors.ts'
import { fault, interrupted, protocol } from './notes.ts'
import { markCalls, tellSources } from './parts.ts'
import { answerText, parseInput, toolNames, unfinishedArgs } from './tool-names.ts'

/**
 * Reads one whole message, as `wire: 'json'` and batch results carry it.
 * @throws LlmError for an error object in place of a message.
 */
export function decodeMessage(json: unknown, provider: string, request?: Request): DecodedBody {
  const failed = own(json, 'type') === 'error'
  if (!failed && !Array.isArray(own(json, 'content'))) {
    throw protocol(provider, 'answered with something that is not a message: it has no content')
  }
  const decoder = createMessagesDecoder(provider, request)
  const events = decoder.read(failed ? json : { type: 'message_start', message: json })
  events.push(...decoder.read({ type: 'message_stop' }), ...decoder.end())
  return { events, raw: decoder.raw }
}

/** A decoder that also takes payloads which are parsed already (Bedrock wraps them in frames of its own). */
export interface MessagesDecoder extends Decoder {
  /** @param payload one event of the stream, as a JSON value. */
  read(payload: unknown): StreamEvent[]
  /** What was reported so far. */
  readonly usage: Usage
}

/**
 * A content block that is still open. `answer` is the forced tool call that carries a structured answer: its arguments
 * are the text.
 */
interface Block {
  kind: 'text' | 'answer' | 'thinking' | 'tool' | 'provider'
  /** As it began, its type among it; of blocks that only Anthropic knows, with what came since. */
  value: Record<string, unknown>
  part: number | undefined
  /** What was said; the arguments of a tool that Anthropic runs. */
  text: GrowingText
  signature: string
  citations: Json[]
}

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
    const newId = stringIn(message, 'id') ?? ''
    if (started && newId !== '' && id !== '' && newId !== id) {
      // A proxy lost its upstream and spliced a second answer into the first one: two halves that do not belong
      // together, with signatures that Anthropic would refuse. Seen behind Vertex AI, 2026-08.
      if (parts > 0 || blocks.size > 0) {
        throw fault(
          'interrupted',
          provider,
          'stream',
          `${provider} began a second answer in the middle of the first: the first one was lost on its way.`,
        )
      }
    }
    if (newId !== '') id = newId
    if (!started) {
      const model = stringIn(message, 'model') ?? request?.model ?? ''
      out.push(defined({ type: 'start' as const, provider, model, id: id || undefined }))
    } else if (seen.size > 0) return
    started = true
    mergeUsage(own(message, 'usage'))
    // Not empty when the model's own program called a tool, and in a whole JSON body.
    const content = listIn(message, 'content')
    const cut = isCut(stringIn(message, 'stop_reason'))
    content.forEach((value, index) => {
      const block = asRecord(value) ?? {}
      // Parts are numbered as they show, some only when they close.
      if (!isCall(blocks.get(index - 1))) close(index - 1, out)
      open(index, cut && index === content.length - 1 ? unfinished(block) : block, out)
    })
    stop(message)
  }

  function open(index: number, value: Record<string, unknown>, out: StreamEvent[]): void {
    if (!started) start({}, out)
    // The same block announced twice.
    if (blocks.get(index)?.value['type'] === value['type']) return
    close(index, out)
    seen.add(index)
    const type = own(value, 'type')
    const input = own(value, 'input')
    const isAnswer = type === 'tool_use' && own(value, 'name') === answerTool
    const block: Block = {
      kind: isAnswer
        ? 'answer'
        : type === 'tool_use'
          ? 'tool'
          : type === 'text' || type === 'thinking'
            ? type
            : // Server tools, their results, compaction, fallbacks, and whatever is invented next.
              'provider',
      value: { ...value },
      part: undefined,
      text: new GrowingText(),
      signature: stringIn(value, 'signature') ?? '',
      citations: listIn(value, 'citations').filter(isRecord) as Json[],
    }
    blocks.set(index, block)
    if (type === 'redacted_thinking') close(index, out)
    // Compatible servers send the whole input here and no deltas; Anthropic sends {} and deltas. Quirk 14.
    else if (block.kind === 'tool') {
      tools.push({ index, id: own(value, 'id'), name: own(value, 'name'), args: input }, out)
    } else if (block.kind !== 'provider') append(block, isAnswer ? input : own(value, block.kind), out)
  }

  function change(index: number, delta: Record<string, unknown>, out: StreamEvent[]): void {
    const block = blocks.get(index)
    if (block === undefined) {
      // Late pieces of a block that is closed are ignored: its part is final.
      if (seen.has(index)) return
      throw protocol(provider, `sent a piece of content block ${index}, which it never began`)
    }
    switch (own(delta, 'type')) {
      case 'text_delta':
        append(block, own(delta, 'text'), out)
        break
      case 'thinking_delta':
        append(block, own(delta, 'thinking'), out)
        break
      case 'signature_delta':
        block.signature += stringIn(delta, 'signature') ?? ''
        break
      case 'citations_delta': {
        const citation = recordIn(delta, 'citation')
        if (citation !== undefined) block.citations.push(citation as Json)
        break
      }
      case 'input_json_delta': {
        const args = own(delta, 'partial_json')
        if (block.kind === 'tool') tools.push({ index, args }, out)
        else if (block.kind === 'provider') block.text.push(asString(args) ?? '')
        else append(block, args, out)
        break
      }
      default:
        // Unknown deltas of unknown blocks (compaction_delta): text grows, everything else replaces.
        grow(block.value, delta)
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
    const { kind, value, citations } = block
    const signature = block.signature || undefined
    const origin: Origin = { provider: ANTHROPIC }
    const put = (part: Part): void => {
      out.push({ type: 'part', part: block.part ?? nextPart(), value: part })
    }
    if (kind === 'tool') {
      const from = out.length
      tools.close(index, out)
      const caller = recordIn(value, 'caller')
      if (caller !== undefined && own(caller, 'type') !== 'direct') {
        markCalls(out, from, () => ({ ...origin, caller: caller as Json }))
      }
      return
    }
    if (kind === 'answer') {
      if (block.text.empty) append(block, answerText(value['input']), out)
      return
    }
    if (kind === 'text' && (citations.length === 0 || block.part === undefined)) return
    const text = block.text.toString()
    if (kind === 'text') {
      const found = citations.map(readSource)
      const sources = found.map((source) => ({ ...source, start: 0, end: text.length }))
      put({ type: 'text', text, sources, origin: { ...origin, citations } })
      tellSources(found, cited, out)
    } else if (kind === 'thinking') {
      if (text !== '' || signature !== undefined)
        put(defined({ type: 'reasoning' as const, text, signature, origin }))
    } else if (value['type'] === 'redacted_thinking') {
      put({ type: 'reasoning', text, encrypted: stringIn(value, 'data') ?? '', redacted: true, origin })
    } else {
      if (text !== '') value['input'] = parseInput(text)
      put({ type: 'provider', provider: ANTHROPIC, value })
    }
  }

  function settle(out: StreamEvent[]): void {
    if (closing !== undefined) close(closing, out)
    closing = undefined
  }

  function stop(from: Record<string, unknown> | undefined): void {
    const reason = stringIn(from, 'stop_reason')
    if (reason === undefined) return
    stopReason = reason
    stopped = true
    finish = pick(from, 'stop_reason stop_sequence stop_details container')
  }

  function mergeUsage(reported: unknown): void {
    // message_delta repeats what changed since message_start, and wins; null says nothing.
    for (const [field, value] of Object.entries(asRecord(reported) ?? {})) {
      if (value !== null) usage = { ...usage, [field]: value }
    }
  }

  function finishAll(out: StreamEvent[]): void {
    const cut = isCut(stopReason)
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
    const type = stringIn(event, 'type') ?? hint
    if (event === undefined || done) return out
    const index = own(event, 'index')
    const at = typeof index === 'number' ? index : -1
    if (type.startsWith('content_block')) settle(out)
    switch (type) {
      case 'message_start':
        start(recordIn(event, 'message') ?? {}, out)
        break
      case 'content_block_start':
        open(at, recordIn(event, 'content_block') ?? {}, out)
        break
      case 'content_block_delta':
        change(at, recordIn(event, 'delta') ?? {}, out)
        break
      case 'content_block_stop':
        if (isCall(blocks.get(at))) closing = at
        else close(at, out)
        break
      case 'message_delta':
        mergeUsage(own(event, 'usage'))
        stop(recordIn(event, 'delta'))
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
        throw interrupted(provider, 'message_stop')
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
  const delta = recordIn(payload, 'delta')
  const index = own(payload, 'index')
  const field = stringIn(TEXT_FIELDS, asString(own(delta, 'type')) ?? '')
  return delta !== undefined &&
    field !== undefined &&
    own(payload, 'type') === 'content_block_delta' &&
    typeof index === 'number' &&
    typeof own(delta, field) === 'string'
    ? { index, delta, field }
    : undefined
}

function readSource(citation: Json): Source {
  return defined({
    id: stringIn(citation, 'file_id'),
    url: stringIn(citation, 'url') ?? stringIn(citation, 'source'),
    title: stringIn(citation, 'title') ?? stringIn(citation, 'document_title'),
    text: stringIn(citation, 'cited_text') || undefined,
  })
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
