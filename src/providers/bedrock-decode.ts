/**
 * Amazon Bedrock's event streams as our events: ConverseStream, and InvokeModel where the model speaks Anthropic's
 * Messages or Nova's Converse-shaped JSON.
 *
 * In:  AWS frames (wire/aws-frames.ts), or one Converse body. Out: StreamEvents.
 * Text and reasoning blocks have no start event; `messageStop` ends the answer and `metadata` with the usage follows it;
 * failures arrive as exception frames inside HTTP 200. `chunk` frames carry the model's own JSON in base64.
 * Spec: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html.
 * Not here: requests (bedrock-encode.ts), signatures and addresses (bedrock.ts).
 */

import type { LlmError } from '../errors.ts'
import type { DecodedBody, Decoder, Frame } from '../provider.ts'
import { createToolCalls } from '../stream/tool-calls.ts'
import type { Request, Source, StreamEvent, Usage } from '../types.ts'
import { createMessagesDecoder, decodeMessage } from './anthropic-decode.ts'
import type { MessagesDecoder } from './anthropic-decode.ts'
import { ANSWER_TOOL, ANTHROPIC } from './anthropic-encode.ts'
import { cachedUsage, isCut, reasonOf } from './anthropic-finish.ts'
import { answersByTool, BEDROCK, isClaude } from './bedrock-encode.ts'
import {
  asRecord,
  countIn,
  defined,
  listIn,
  numberIn,
  own,
  parseFrameJson,
  recordIn,
  stringIn,
} from './body.ts'
import { streamError } from './errors.ts'
import { bytesAsText } from './media.ts'
import { interrupted, protocol } from './notes.ts'
import { tellSources } from './parts.ts'
import { answerText, parseInput, toolNames, unfinishedArgs } from './tool-names.ts'

type Wire = Record<string, unknown>

/** A content block that is still open. */
type Block =
  | { kind: 'text'; part: number | undefined; text: string; sources: Source[] }
  | { kind: 'answer'; part: number | undefined; text: string }
  | { kind: 'reasoning'; part: number | undefined; text: string; signature: string; redacted: string }
  | { kind: 'tool' }
  // What the server ran itself, and its result.
  | { kind: 'provider'; value: Wire; input: string; content: unknown[] }

/** HTTP statuses that the exceptions of a stream stand for. API reference, ConverseStream errors (2026-11). */
const EXCEPTION_STATUS: Readonly<Record<string, number>> = {
  internalServerException: 500,
  modelStreamErrorException: 424,
  modelTimeoutException: 408,
  serviceUnavailableException: 503,
  throttlingException: 429,
  validationException: 400,
}

const EVENTS = [
  'messageStart',
  'contentBlockStart',
  'contentBlockDelta',
  'contentBlockStop',
  'messageStop',
  'metadata',
] as const

/**
 * Reads one whole answer of Converse, or of InvokeModel in Anthropic's format.
 * @throws LlmError for what is neither.
 */
export function decodeConverse(json: unknown, request?: Request): DecodedBody {
  const body = asRecord(json)
  if (Array.isArray(own(body, 'content'))) return decodeMessage(json, BEDROCK, request)
  const message = recordIn(own(body, 'output'), 'message')
  if (body === undefined || message === undefined) {
    throw protocol(BEDROCK, 'answered with something that is not a message: it has no output.message')
  }
  const decoder = createConverseDecoder(request)
  const cut = isCut(stringIn(body, 'stopReason'))
  const blocks = listIn(message, 'content')
  const events = decoder.read('messageStart', message)
  blocks.forEach((block, at) => {
    const last = cut && at === blocks.length - 1
    for (const [event, payload] of unfold(asRecord(block) ?? {}, at, last))
      events.push(...decoder.read(event, payload))
  })
  events.push(...decoder.read('messageStop', body), ...decoder.read('metadata', body))
  return { events: [...events, ...decoder.end()], raw: decoder.raw }
}

/** A block of a whole message as the events of a stream. */
function unfold(block: Wire, contentBlockIndex: number, cut: boolean): [string, Wire][] {
  const start = (value: unknown): [string, Wire] => ['contentBlockStart', { contentBlockIndex, start: value }]
  const delta = (value: unknown): [string, Wire] => ['contentBlockDelta', { contentBlockIndex, delta: value }]
  const stop: [string, Wire] = ['contentBlockStop', { contentBlockIndex }]
  const call = recordIn(block, 'toolUse')
  if (call !== undefined) {
    const input = own(call, 'input')
    // The server completes the arguments of a call that was cut: show that they are not whole.
    return [
      start({ toolUse: call }),
      delta({ toolUse: { input: cut ? unfinishedArgs(input ?? {}) : input } }),
      stop,
    ]
  }
  const result = recordIn(block, 'toolResult')
  if (result !== undefined) return [start({ toolResult: result }), stop]
  const reasoning = recordIn(block, 'reasoningContent')
  if (reasoning !== undefined) {
    const whole = recordIn(reasoning, 'reasoningText') ?? reasoning
    return [
      ...Object.entries(whole).map(([key, value]) => delta({ reasoningContent: { [key]: value } })),
      stop,
    ]
  }
  const cited = recordIn(block, 'citationsContent')
  if (cited !== undefined) {
    return [
      ...listIn(cited, 'content').map((piece) => delta(piece)),
      ...listIn(cited, 'citations').map((citation) => delta({ citation })),
      stop,
    ]
  }
  return own(block, 'text') === undefined ? [start(block), stop] : [delta(block), stop]
}

/** A decoder that also takes payloads which are parsed already. */
export interface ConverseDecoder extends Decoder {
  /** @param event the name of the event. @param payload its JSON. */
  read(event: string, payload: unknown): StreamEvent[]
}

/** Makes the decoder of one answer. */
export function createConverseDecoder(request?: Request): ConverseDecoder {
  const answerTool = request !== undefined && answersByTool(request) ? ANSWER_TOOL : undefined
  const names = request === undefined ? undefined : toolNames(request, BEDROCK, 64)
  // Signatures of Claude are portable: its reasoning goes on at Anthropic or Vertex.
  const origin = { provider: request !== undefined && isClaude(request.model) ? ANTHROPIC : BEDROCK }
  const blocks = new Map<number, Block>()
  const seen = new Set<number>()
  const cited = new Set<string>()
  let parts = 0
  const nextPart = () => parts++
  const tools = createToolCalls(names === undefined ? { nextPart } : { nextPart, rename: names.toCaller })
  // The model's own events inside `chunk` frames.
  let messages: MessagesDecoder | undefined
  let started = false
  let stopped = false
  let done = false
  let stopReason: string | undefined
  // A call whose block is closed, held back until the next event shows that it was not cut by the token limit.
  let closing: number | undefined
  let usage: Wire | undefined
  let finish: Wire | undefined

  function start(out: StreamEvent[]): void {
    if (started) return
    started = true
    out.push({ type: 'start', provider: BEDROCK, model: request?.model ?? '' })
  }

  function open(index: number, value: Wire): void {
    const call = recordIn(value, 'toolUse')
    if (call !== undefined && own(call, 'type') !== 'server_tool_use') {
      blocks.set(index, own(call, 'name') === answerTool ? answerBlock() : { kind: 'tool' })
    } else {
      blocks.set(index, { kind: 'provider', value, input: '', content: [] })
    }
  }

  function begin(index: number, value: Wire, out: StreamEvent[]): void {
    // The same block announced twice; and text and reasoning, which begin with their first piece (aimock says `start`).
    if (seen.has(index) || Object.keys(value).every((key) => key === 'text' || key === 'reasoningContent'))
      return
    seen.add(index)
    open(index, value)
    const call = recordIn(value, 'toolUse')
    if (call !== undefined && blocks.get(index)?.kind === 'tool') {
      tools.push({ index, id: own(call, 'toolUseId'), name: own(call, 'name') }, out)
    }
  }

  /** The open block at this index; text and reasoning begin with their first piece. */
  function blockFor(index: number, delta: Wire): Block | undefined {
    const found = blocks.get(index)
    if (found !== undefined || seen.has(index)) return found
    if (own(delta, 'toolUse') !== undefined || own(delta, 'toolResult') !== undefined) {
      throw protocol(BEDROCK, `sent a piece of content block ${index}, which it never began`)
    }
    seen.add(index)
    const block: Block =
      own(delta, 'reasoningContent') === undefined
        ? textBlock()
        : { kind: 'reasoning', part: undefined, text: '', signature: '', redacted: '' }
    blocks.set(index, block)
    return block
  }

  function change(index: number, delta: Wire, out: StreamEvent[]): void {
    const block = blockFor(index, delta)
    // Late pieces of a closed block are ignored: its part is final.
    if (block === undefined) return
    const input = own(own(delta, 'toolUse'), 'input')
    const reasoning = own(delta, 'reasoningContent')
    if (block.kind === 'tool') tools.push({ index, args: input }, out)
    else if (block.kind === 'answer')
      append(block, typeof input === 'object' ? answerText(input) : input, out)
    else if (block.kind === 'provider') {
      if (typeof input === 'string') block.input += input
      block.content.push(...listIn(delta, 'toolResult'))
    } else if (block.kind === 'reasoning') {
      append(block, own(reasoning, 'text'), out)
      block.signature += stringIn(reasoning, 'signature') ?? ''
      block.redacted += stringIn(reasoning, 'redactedContent') ?? ''
    } else {
      append(block, own(delta, 'text'), out)
      const citation = own(delta, 'citation')
      const source = citation === undefined ? undefined : readSource(citation)
      if (source !== undefined) block.sources.push(source)
    }
  }

  function append(
    block: Block & { text: string; part: number | undefined },
    text: unknown,
    out: StreamEvent[],
  ): void {
    if (typeof text !== 'string' || text === '') return
    block.part ??= nextPart()
    block.text += text
    const type = block.kind === 'reasoning' ? 'reasoning-delta' : 'text-delta'
    out.push({ type, part: block.part, text })
  }

  function close(index: number, out: StreamEvent[]): void {
    const block = blocks.get(index)
    if (block === undefined) return
    blocks.delete(index)
    if (block.kind === 'tool') tools.close(index, out)
    else if (block.kind === 'text') {
      const { part, text, sources } = block
      if (part === undefined || sources.length === 0) return
      const spans = sources.map((source) => ({ ...source, start: 0, end: text.length }))
      out.push({ type: 'part', part, value: { type: 'text', text, sources: spans } })
      tellSources(sources, cited, out)
    } else if (block.kind === 'reasoning') closeReasoning(block, out)
    else if (block.kind === 'provider') {
      const value = closeValue(block)
      out.push({ type: 'part', part: nextPart(), value: { type: 'provider', provider: BEDROCK, value } })
    }
  }

  function closeReasoning(block: Block & { kind: 'reasoning' }, out: StreamEvent[]): void {
    const { text, signature, redacted, part } = block
    if (redacted !== '') {
      const secret = { encrypted: redacted, redacted: true, origin: { provider: BEDROCK } }
      out.push({ type: 'part', part: part ?? nextPart(), value: { type: 'reasoning', text, ...secret } })
    } else if (part !== undefined || signature !== '') {
      const signed = signature === '' ? {} : { signature }
      out.push({
        type: 'part',
        part: part ?? nextPart(),
        value: { type: 'reasoning', text, ...signed, origin },
      })
    }
  }

  function settle(out: StreamEvent[]): void {
    if (closing !== undefined) close(closing, out)
    closing = undefined
  }

  function stop(payload: Wire | undefined, out: StreamEvent[]): void {
    stopReason = stringIn(payload, 'stopReason')
    stopped = true
    const fields = own(payload, 'additionalModelResponseFields')
    finish = { stopReason, ...(fields == null ? {} : { additionalModelResponseFields: fields }) }
    const cut = isCut(stopReason)
    if (!cut) settle(out)
    for (const [index, block] of blocks) {
      if (cut && block.kind === 'tool') blocks.delete(index)
      else close(index, out)
    }
    tools.end(out, cut ? 'The answer reached its token limit inside the arguments.' : undefined)
  }

  function read(event: string, payload: unknown): StreamEvent[] {
    const out: StreamEvent[] = []
    if (done) return out
    const value = asRecord(payload)
    const index = own(value, 'contentBlockIndex')
    const at = typeof index === 'number' ? index : -1
    if (event.startsWith('contentBlock')) {
      start(out)
      settle(out)
    }
    switch (event) {
      case 'messageStart':
        start(out)
        break
      case 'contentBlockStart':
        begin(at, recordIn(value, 'start') ?? {}, out)
        break
      case 'contentBlockDelta':
        change(at, recordIn(value, 'delta') ?? {}, out)
        break
      case 'contentBlockStop':
        if (blocks.get(at)?.kind === 'tool') closing = at
        else close(at, out)
        break
      case 'messageStop':
        start(out)
        stop(value, out)
        break
      case 'metadata':
        usage = recordIn(value, 'usage') ?? usage
        if (own(value, 'trace') != null) finish = { ...finish, trace: own(value, 'trace') }
        done = stopped
        break
      case 'chunk':
        out.push(...readChunk(value))
        break
      default:
      // Events that are invented after this was written.
    }
    return out
  }

  /** A frame of InvokeModel: `{ bytes }`, the model's own JSON in base64. */
  function readChunk(value: Wire | undefined): StreamEvent[] {
    const inner = asRecord(parseFrameJson(textOfBase64(own(value, 'bytes')), BEDROCK))
    if (own(inner, 'type') !== undefined) {
      messages ??= createMessagesDecoder(BEDROCK, request)
      return messages.read(inner)
    }
    // Nova writes each Converse event as the one member of an object.
    const event = EVENTS.find((name) => own(inner, name) !== undefined)
    if (event !== undefined) return read(event, own(inner, event))
    throw protocol(BEDROCK, 'streamed a format that no Claude or Nova model has: ask for it through Converse')
  }

  return {
    read,
    push(frame: Frame) {
      if (frame.messageType === 'exception' || frame.messageType === 'error') throw exception(frame)
      return frame.data === '' ? [] : read(frame.event, parseFrameJson(frame.data, BEDROCK))
    },
    end() {
      if (messages !== undefined) return messages.end()
      if (!stopped) {
        throw interrupted(BEDROCK, 'messageStop')
      }
      const finishReason = reasonOf(stopReason, tools.count)
      return [{ type: 'finish', finishReason, rawFinishReason: stopReason, usage: readUsage(usage) }]
    },
    get done() {
      return done || messages?.done === true
    },
    get raw() {
      return messages?.raw ?? { usage, finish }
    },
    get usage() {
      return messages?.usage ?? readUsage(usage)
    },
  }
}

const textBlock = (): Block => ({ kind: 'text', part: undefined, text: '', sources: [] })
const answerBlock = (): Block => ({ kind: 'answer', part: undefined, text: '' })

/** What a server tool's block came to, in the shape in which a message carries it. */
function closeValue({ value, input, content }: Block & { kind: 'provider' }): Wire {
  const call = recordIn(value, 'toolUse')
  const result = recordIn(value, 'toolResult')
  if (call !== undefined && input !== '') return { toolUse: { ...call, input: parseInput(input) } }
  if (result !== undefined && content.length > 0) return { toolResult: { ...result, content } }
  return value
}

/** A failure inside the stream: `{"message": "…"}`, or bare text in frames of type `error`. */
function exception({ event, data }: Frame): LlmError {
  let message: unknown = data
  try {
    message = own(JSON.parse(data), 'message') ?? own(JSON.parse(data), 'originalMessage') ?? data
  } catch {
    // Not JSON: the text is the message.
  }
  const status = numberIn(EXCEPTION_STATUS, event)
  return streamError(defined({ provider: BEDROCK, error: { code: event, message }, status }))
}

/** `inputTokens` leaves cache reads and writes out, so they are added. InvokeModel of Nova says `…TokenCount`. */
function readUsage(usage: Wire | undefined): Usage {
  const cached = (way: string): number | undefined =>
    countIn(usage, `cache${way}InputTokens`) ?? countIn(usage, `cache${way}InputTokenCount`)
  return cachedUsage(
    countIn(usage, 'inputTokens'),
    cached('Read'),
    cached('Write'),
    countIn(usage, 'outputTokens'),
  )
}

function readSource(citation: unknown): Source | undefined {
  const source = defined({
    url: stringIn(own(own(citation, 'location'), 'web'), 'url'),
    title: stringIn(citation, 'title') || undefined,
    text:
      listIn(citation, 'sourceContent')
        .map((piece) => stringIn(piece, 'text') ?? '')
        .join('') || undefined,
  })
  return Object.keys(source).length === 0 ? undefined : source
}

function textOfBase64(data: unknown): string {
  try {
    return bytesAsText(String(data))
  } catch {
    throw protocol(BEDROCK, 'sent a chunk that is not base64')
  }
}
