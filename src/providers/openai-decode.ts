/**
 * OpenAI's Responses stream as our events: https://developers.openai.com/api/reference/responses-streaming.
 *
 * In:  the events of the API, as frames, or one whole response object. Out: StreamEvents.
 * An answer is a list of output items; events name theirs by `output_index`, which is what counts here: item ids change
 * between events behind GitHub Copilot. `response.completed` or `response.incomplete` ends it.
 * Unknown events are ignored; a known one of the wrong shape is a protocol error; what only `*.done` events carry is
 * taken from there (LM Studio sends no argument deltas).
 * Not here: requests (openai-encode.ts), addresses and keys (openai.ts).
 */

import type { DecodedBody, Decoder, Frame } from '../provider.ts'
import { GrowingText } from '../stream/growing-text.ts'
import { createToolCalls } from '../stream/tool-calls.ts'
import type { Json, Origin, Request, StreamEvent, TokenLogprob } from '../types.ts'
import { createSkeleton } from '../wire/skeleton.ts'
import { asArray, asRecord, listIn, numberIn, own, parseFrameJson, pick, recordIn, stringIn } from './body.ts'
import { streamError } from './errors.ts'
import { fault, interrupted, protocol } from './notes.ts'
import { readCost, readSource, readUsage, reasonOf } from './openai-finish.ts'
import { markCalls, readLogprobs, tellSources } from './parts.ts'
import { toolNames } from './tool-names.ts'

type Wire = Record<string, unknown>

/** Key of an output item: its index, or its id from servers that send no index. */
type Key = number | string

/** One content part of a message item. */
interface TextSlot {
  part: number | undefined
  text: GrowingText
  refusal: boolean
  annotations: unknown[]
}

/** One paragraph of reasoning: a part of the summary, or of the raw thoughts of open models. */
interface Section {
  kind: 'summary' | 'content'
  index: number
  length: number
}

/** An output item that has begun. */
type Item =
  | { kind: 'message'; slots: Map<number, TextSlot> }
  | { kind: 'reasoning'; part: number | undefined; text: GrowingText; sections: Section[] }
  | { kind: 'function' }
  // Free text in place of arguments; shown as the JSON object { input }.
  | { kind: 'custom'; started: boolean }
  | { kind: 'provider' }

/** An event whose `delta` is text. */
interface Delta {
  event: Wire
  key: Key
  /** Its `content_index`. */
  at: number
  /** Text of the answer, and nothing beside it: nearly every event of a stream. */
  plain: boolean
}

/** Events whose `delta` is text; everything else under these types is a fault of the server. */
const TEXT_DELTAS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'response.output_text.delta',
  'response.refusal.delta',
  'response.reasoning_summary_text.delta',
  'response.reasoning_text.delta',
  'response.function_call_arguments.delta',
  'response.custom_tool_call_input.delta',
])

/** The count of events, and random characters that hide the length of what is said from who listens on the wire. */
const IGNORED_FIELDS: readonly string[] = ['sequence_number', 'obfuscation']

/**
 * Reads one whole response, as `wire: 'json'`, batches and background responses carry it.
 * @throws LlmError for an error or failed response, and `protocol` for what is no response at all.
 */
export function decodeResponse(json: unknown, provider: string, request?: Request): DecodedBody {
  const response = asRecord(json)
  if (own(response, 'error') != null) throw streamError({ provider, error: own(response, 'error') })
  if (response === undefined || !Array.isArray(own(response, 'output'))) {
    throw protocol(provider, 'answered with something that is not a response: it has no output')
  }
  const decoder = createResponsesDecoder(provider, request)
  const events = decoder.read({ type: 'response.created', response })
  const status = stringIn(response, 'status') ?? 'completed'
  events.push(...decoder.read({ type: `response.${status}`, response }))
  return { events: [...events, ...decoder.end()], raw: decoder.raw, reportedCost: decoder.reportedCost }
}

/** A decoder that also takes payloads which are parsed already. */
export interface ResponsesDecoder extends Decoder {
  /** @param payload one event of the stream, as a JSON value. */
  read(payload: unknown): StreamEvent[]
}

/** Makes the decoder of one answer. `provider` marks what only that service can read again. */
export function createResponsesDecoder(provider: string, request?: Request): ResponsesDecoder {
  const names = request === undefined ? undefined : toolNames(request, provider, 64)
  let parts = 0
  const nextPart = () => parts++
  const tools = createToolCalls(names === undefined ? { nextPart } : { nextPart, rename: names.toCaller })
  const items = new Map<Key, Item>()
  const closed = new Set<Key>()
  const types = new Set<unknown>()
  /** Calls that began with their name. */
  const announced = new Set<Key>()
  /** Calls whose arguments came in deltas. */
  const streamed = new Set<Key>()
  const cited = new Set<string>()
  let started = false
  let whole = false
  let refused = false
  let done = false
  let status: string | undefined
  let usage: Wire | undefined
  let finish: Wire | undefined
  let lastData = ''
  // Nearly every event is the one before it with another text: it is recognised instead of parsed.
  const skeleton = createSkeleton<Delta>(IGNORED_FIELDS)

  function start(response: Wire | undefined, out: StreamEvent[]): void {
    if (started) return
    started = true
    const id = stringIn(response, 'id') ?? ''
    const model = stringIn(response, 'model') || request?.model || ''
    out.push({ type: 'start', provider, model, ...(id === '' ? {} : { id }) })
  }

  function begin(key: Key, item: Wire, out: StreamEvent[]): Item {
    const known = items.get(key)
    if (known !== undefined) return known
    const begun = kindOf(item)
    items.set(key, begun)
    types.add(own(item, 'type'))
    if (begun.kind === 'function' || begun.kind === 'custom') {
      const name = stringIn(item, 'name') ?? ''
      const id = stringIn(item, 'call_id') ?? ''
      if (name !== '') announced.add(key)
      if (name !== '' || id !== '') tools.push({ index: key, id, name }, out)
    }
    return begun
  }

  // A resumed stream may begin inside an item, so pieces may come for items that were never announced.
  function item<K extends Item['kind']>(key: Key, type: string, kind: K, out: StreamEvent[]) {
    const found = begin(key, { type }, out)
    return found.kind === kind ? (found as Item & { kind: K }) : undefined
  }

  function slot(key: Key, index: number, out: StreamEvent[]): TextSlot | undefined {
    const message = item(key, 'message', 'message', out)
    if (message === undefined) return undefined
    let found = message.slots.get(index)
    if (found === undefined) {
      found = { part: undefined, text: new GrowingText(), refusal: false, annotations: [] }
      message.slots.set(index, found)
    }
    return found
  }

  function addText(target: TextSlot, text: string, logprobs: TokenLogprob[], out: StreamEvent[]): void {
    if (text === '') return
    target.part ??= nextPart()
    target.text.push(text)
    out.push(
      logprobs.length === 0
        ? { type: 'text-delta', part: target.part, text }
        : { type: 'text-delta', part: target.part, text, logprobs },
    )
  }

  function addThought(
    key: Key,
    kind: Section['kind'],
    index: number,
    text: string,
    out: StreamEvent[],
  ): void {
    const reasoning = item(key, 'reasoning', 'reasoning', out)
    if (reasoning === undefined || text === '') return
    let section = reasoning.sections.at(-1)
    let delta = text
    if (section === undefined || section.kind !== kind || section.index !== index) {
      if (section !== undefined) delta = SEPARATOR + text
      section = { kind, index, length: 0 }
      reasoning.sections.push(section)
    }
    section.length += text.length
    reasoning.part ??= nextPart()
    reasoning.text.push(delta)
    out.push({ type: 'reasoning-delta', part: reasoning.part, text: delta })
  }

  function addInput(key: Key, text: string, out: StreamEvent[]): void {
    const call = item(key, 'custom_tool_call', 'custom', out)
    if (call === undefined || text === '') return
    // Lone surrogates are written as escapes, and two halves next to each other read as one character again.
    const escaped = JSON.stringify(text).slice(1, -1)
    tools.push({ index: key, args: call.started ? escaped : `{"input":"${escaped}` }, out)
    call.started = true
  }

  /** The item is finished: what no delta brought is taken from here. */
  function close(key: Key, value: Wire, out: StreamEvent[]): void {
    if (closed.has(key)) return
    closed.add(key)
    const found = begin(key, value, out)
    const cut = own(value, 'status') === 'incomplete'
    if (found.kind === 'message') closeMessage(key, found.slots, value, out)
    else if (found.kind === 'reasoning') closeReasoning(key, found, value, out)
    else if (found.kind === 'function') closeCall(key, value, cut, own(value, 'arguments'), out)
    else if (found.kind === 'custom') {
      if (found.started) tools.push({ index: key, args: cut ? '' : '"}' }, out)
      closeCall(key, value, cut, found.started ? undefined : { input: own(value, 'input') ?? '' }, out)
    } else {
      const part = { type: 'provider', provider, value } as const
      out.push({ type: 'part', part: nextPart(), value: part })
    }
  }

  function closeMessage(key: Key, slots: Map<number, TextSlot>, value: Wire, out: StreamEvent[]): void {
    listIn(value, 'content').forEach((content, index) => {
      const target = slot(key, index, out)
      if (target === undefined) return
      if (own(content, 'type') === 'refusal') refuse(target)
      finishText(target, own(content, 'text') ?? own(content, 'refusal'), own(content, 'logprobs'), out)
      const annotations = listIn(content, 'annotations')
      if (annotations.length > target.annotations.length) target.annotations = [...annotations]
    })
    const phase = stringIn(value, 'phase')
    for (const target of slots.values()) {
      const { part, annotations, refusal } = target
      const text = target.text.toString()
      const sources = annotations
        .map((annotation) => readSource(annotation, text))
        .filter((source) => source !== undefined)
      if (part !== undefined && (sources.length > 0 || refusal || phase !== undefined)) {
        const origin: Origin = { provider }
        if (phase !== undefined) origin['phase'] = phase
        if (refusal) origin['refusal'] = true
        const marked = Object.keys(origin).length > 1 ? { origin } : {}
        const cites = sources.length > 0 ? { sources } : {}
        out.push({ type: 'part', part, value: { type: 'text', text, ...cites, ...marked } })
      }
      const pages = sources.map(({ start: _start, end: _end, ...source }) => source)
      tellSources(pages, cited, out)
    }
  }

  function closeReasoning(
    key: Key,
    found: Item & { kind: 'reasoning' },
    value: Wire,
    out: StreamEvent[],
  ): void {
    for (const kind of ['summary', 'content'] as const) {
      if (found.sections.some((section) => section.kind === kind)) continue
      listIn(value, kind).forEach((piece, index) => {
        addThought(key, kind, index, stringIn(piece, 'text') ?? '', out)
      })
    }
    const encrypted = stringIn(value, 'encrypted_content') ?? ''
    const origin: Origin = { provider }
    const id = stringIn(value, 'id')
    if (id !== undefined) origin['id'] = id
    const { sections } = found
    const text = found.text.toString()
    if (sections.length > 1 || sections[0]?.kind === 'content') {
      origin['sections'] = sections.map(({ kind, length }): Json[] => [kind, length])
    }
    if (found.part === undefined && encrypted === '' && id === undefined) return
    const secret = encrypted === '' ? {} : { encrypted }
    const part = found.part ?? nextPart()
    out.push({ type: 'part', part, value: { type: 'reasoning', text, ...secret, origin } })
  }

  function closeCall(key: Key, value: Wire, cut: boolean, args: unknown, out: StreamEvent[]): void {
    const from = out.length
    // From servers that leave id or name out at first and give the whole call at the end.
    if (!announced.has(key)) {
      tools.push({ index: key, id: own(value, 'call_id'), name: own(value, 'name') }, out)
    }
    if (cut) {
      if (tools.partOf(key) !== undefined && typeof args === 'string' && !streamed.has(key)) {
        tools.push({ index: key, args }, out)
      }
      return
    }
    tools.close(key, out, args)
    const namespace = stringIn(value, 'namespace')
    const custom = own(value, 'type') === 'custom_tool_call'
    if (namespace === undefined && !custom) return
    const origin: Origin = { provider }
    if (namespace !== undefined) origin['namespace'] = namespace
    if (custom) origin['custom'] = true
    markCalls(out, from, () => origin)
  }

  function finishText(target: TextSlot, text: unknown, logprobs: unknown, out: StreamEvent[]): void {
    if (target.text.empty && typeof text === 'string')
      addText(target, text, readLogprobs(asArray(logprobs)), out)
  }

  function refuse(target: TextSlot): void {
    target.refusal = true
    refused = true
  }

  function complete(response: Wire, by: string, out: StreamEvent[]): void {
    status = stringIn(response, 'status') ?? by
    usage = recordIn(response, 'usage') ?? usage
    finish = pick(response, 'status incomplete_details service_tier moderation')
    // What began and was never reported done (recorded: mcp_list_tools), and kinds of items that no event brought at
    // all: in a whole JSON body that is everything. Kinds, because ids may differ from those in the stream (OpenRouter).
    // A resumed stream leaves out what it sent before.
    const known = new Set(types)
    listIn(response, 'output').forEach((value, index) => {
      const output = asRecord(value) ?? {}
      if (items.get(index)?.kind === kindOf(output).kind) close(index, output, out)
      else if (whole && !known.has(own(output, 'type'))) close(`final ${index}`, output, out)
    })
    const cut = own(response, 'incomplete_details') != null
    tools.end(out, cut ? 'The answer was cut inside the arguments.' : undefined)
    done = true
  }

  function read(payload: unknown, hint = ''): StreamEvent[] {
    const out: StreamEvent[] = []
    const event = asRecord(payload)
    if (event === undefined || done) return out
    const type = stringIn(event, 'type') ?? hint
    const delta = own(event, 'delta')
    if (TEXT_DELTAS.has(type)) {
      if (delta != null && typeof delta !== 'string') throw protocol(provider, `sent a ${type} without text`)
      start(undefined, out)
    }
    const text = typeof delta === 'string' ? delta : ''
    const key = keyOf(event)
    const at = numberIn(event, 'content_index') ?? 0
    switch (type) {
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        whole = whole || !started
        start(recordIn(event, 'response'), out)
        break
      case 'response.output_item.added':
        start(undefined, out)
        begin(key, requireItem(event, type), out)
        break
      case 'response.output_item.done':
        start(undefined, out)
        close(key, requireItem(event, type), out)
        break
      case 'response.output_text.delta': {
        const target = closed.has(key) ? undefined : slot(key, at, out)
        if (target !== undefined) addText(target, text, readLogprobs(listIn(event, 'logprobs')), out)
        break
      }
      case 'response.refusal.delta': {
        const target = closed.has(key) ? undefined : slot(key, at, out)
        if (target === undefined) break
        refuse(target)
        addText(target, text, [], out)
        break
      }
      case 'response.output_text.done':
      case 'response.refusal.done': {
        const target = closed.has(key) ? undefined : slot(key, at, out)
        if (target === undefined) break
        if (type === 'response.refusal.done') refuse(target)
        finishText(target, own(event, 'text') ?? own(event, 'refusal'), own(event, 'logprobs'), out)
        break
      }
      case 'response.output_text.annotation.added':
        if (!closed.has(key)) slot(key, at, out)?.annotations.push(own(event, 'annotation'))
        break
      case 'response.reasoning_summary_text.delta':
        if (!closed.has(key)) addThought(key, 'summary', numberIn(event, 'summary_index') ?? 0, text, out)
        break
      case 'response.reasoning_text.delta':
        if (!closed.has(key)) addThought(key, 'content', at, text, out)
        break
      case 'response.function_call_arguments.delta':
        if (closed.has(key) || item(key, 'function_call', 'function', out) === undefined) break
        streamed.add(key)
        tools.push({ index: key, args: text }, out)
        break
      case 'response.custom_tool_call_input.delta':
        if (!closed.has(key)) addInput(key, text, out)
        break
      case 'response.completed':
      case 'response.incomplete':
        start(recordIn(event, 'response'), out)
        complete(recordIn(event, 'response') ?? {}, type.slice('response.'.length), out)
        break
      case 'response.failed':
      case 'error': {
        const response = recordIn(event, 'response')
        usage = recordIn(response, 'usage') ?? usage
        throw streamError({ provider, error: own(response, 'error') ?? own(event, 'error') ?? event })
      }
      case 'response.cancelled':
        throw fault(
          'interrupted',
          provider,
          'stream',
          `The answer of ${provider} was cancelled at the server.`,
        ).with({ retryable: false })
      default:
      // Progress of server-side tools, whose items come whole at the end, and events invented after this was written.
    }
    return out
  }

  function requireItem(event: Wire, type: string): Wire {
    const value = recordIn(event, 'item')
    if (value === undefined) throw protocol(provider, `sent a ${type} without an item`)
    return value
  }

  /** Reads an event once more, with another text. */
  function again({ event, key, at, plain }: Delta, text: string): StreamEvent[] {
    if (!plain) {
      event['delta'] = text
      return read(event)
    }
    const out: StreamEvent[] = []
    if (done || closed.has(key)) return out
    const target = slot(key, at, out)
    if (target !== undefined) addText(target, text, [], out)
    return out
  }

  return {
    read,
    push(frame: Frame) {
      // OpenRouter ends with [DONE], which the API itself does not.
      if (frame.data === '' || frame.data.startsWith('[DONE]')) return []
      const repeated = frame.data === lastData
      lastData = frame.data
      const known = repeated ? undefined : skeleton.match(frame.data)
      if (known !== undefined) return again(skeleton.tag!, known)
      const payload = parseFrameJson(frame.data, provider)
      // The same event delivered twice. A server that numbers everything 0 is not counting.
      if (repeated && (numberIn(payload, 'sequence_number') ?? 0) > 0) return []
      const out = read(payload, frame.event)
      const delta = own(payload, 'delta')
      if (typeof delta === 'string' && TEXT_DELTAS.has(stringIn(payload, 'type') ?? '')) {
        skeleton.learn(frame.data, delta, deltaOf(payload as Wire))
      }
      return out
    },
    end() {
      if (status === undefined) {
        throw interrupted(provider, 'response.completed')
      }
      const reason = stringIn(own(finish, 'incomplete_details'), 'reason')
      const finishReason = reasonOf(status, reason, tools.count, refused)
      return [{ type: 'finish', finishReason, rawFinishReason: reason ?? status, usage: readUsage(usage) }]
    },
    get done() {
      return done
    },
    get raw() {
      return { usage, finish }
    },
    get usage() {
      return readUsage(usage)
    },
    get reportedCost() {
      return readCost(usage)
    },
  }
}

/** Between the sections of a reasoning item, in its text. */
export const SEPARATOR = '\n\n'

function deltaOf(event: Wire): Delta {
  const plain = own(event, 'type') === 'response.output_text.delta' && listIn(event, 'logprobs').length === 0
  return { event, key: keyOf(event), at: numberIn(event, 'content_index') ?? 0, plain }
}

function keyOf(event: Wire): Key {
  return (
    numberIn(event, 'output_index') ?? stringIn(event, 'item_id') ?? stringIn(own(event, 'item'), 'id') ?? ''
  )
}

function kindOf(item: Wire): Item {
  switch (own(item, 'type')) {
    case 'message':
      return { kind: 'message', slots: new Map() }
    case 'reasoning':
      return { kind: 'reasoning', part: undefined, text: new GrowingText(), sections: [] }
    case 'function_call':
      return { kind: 'function' }
    case 'custom_tool_call':
      // xAI answers its own searches itself: recorded 2026, call_id "xs_call_…".
      return stringIn(item, 'call_id')?.startsWith('xs_call_') === true
        ? { kind: 'provider' }
        : { kind: 'custom', started: false }
    default:
      return { kind: 'provider' }
  }
}
