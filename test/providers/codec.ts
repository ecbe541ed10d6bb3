/**
 * A codec under test: bytes through its frame decoder and its decoder, in every chunking.
 *
 * In: a provider and a body as text. Out: its events, or what they add up to. Throws what the codec throws.
 */
import { expect } from 'vitest'
import type { Provider } from '../../src/provider.ts'
import type { FinishEvent, Part, Request, Source, StreamEvent, ToolCall } from '../../src/types.ts'
import { splits } from '../wire/splits.ts'

/** A request with nothing but a question, and whatever a test adds. */
export function ask(extra: Partial<Request> = {}): Request {
  return { model: 'test-model', messages: [{ role: 'user', content: 'Hi' }], stream: true, ...extra }
}

/** The events of a body cut as given, until the codec is done or the body ends. */
export function run(
  provider: Provider,
  chunks: Iterable<Uint8Array>,
  request: Request = ask(),
): StreamEvent[] {
  const frames = provider.frames()
  const decoder = provider.decoder(request)
  const events: StreamEvent[] = []
  for (const chunk of chunks) {
    for (const frame of frames.push(new Uint8Array(chunk))) {
      if (!decoder.done) events.push(...decoder.push(frame))
    }
  }
  for (const frame of frames.end()) if (!decoder.done) events.push(...decoder.push(frame))
  events.push(...decoder.end())
  return events
}

/** All chunkings of a body are tried, or two of each nine, byte by byte among them. */
const STEP = process.env['LLMSWAP_FULL'] === '1' ? 1 : 9

/** The events of a body; fails when any chunking of it gives others. Random ids are numbered. */
export function stream(provider: Provider, body: string, request: Request = ask()): StreamEvent[] {
  const bytes = new TextEncoder().encode(body)
  const whole = numbered(run(provider, [bytes], request))
  let at = 0
  for (const { name, chunks } of splits(bytes)) {
    if (at++ % STEP > 1) continue
    expect(numbered(run(provider, chunks, request)), name).toEqual(whole)
  }
  return whole
}

/** What `fn` throws; undefined when it does not. */
export function thrown(fn: () => unknown): unknown {
  try {
    fn()
  } catch (error) {
    return error
  }
  return undefined
}

function numbered(events: StreamEvent[]): StreamEvent[] {
  const seen = new Map<string, string>()
  return events.map((event) => {
    if (!('id' in event) || event.type === 'start' || event.id === undefined) return event
    if (!/^(call_|toolu_)?[0-9a-zA-Z]{16,}$|^[0-9a-f-]{36}$/.test(event.id)) return event
    const id = seen.get(event.id) ?? `random-${seen.size}`
    seen.set(event.id, id)
    return Object.assign(Object.create(Object.getPrototypeOf(event) as object) as StreamEvent, event, { id })
  })
}

/** What events add up to, by the rules of the event types. */
export interface Sum {
  text: string
  reasoning: string
  parts: Part[]
  toolCalls: ToolCall[]
  sources: Source[]
  finish: FinishEvent | undefined
}

/** Adds events up without any code of the library. */
export function sum(events: readonly StreamEvent[]): Sum {
  const parts: Part[] = []
  const total: Sum = { text: '', reasoning: '', parts, toolCalls: [], sources: [], finish: undefined }
  for (const event of events) {
    if (event.type === 'text-delta') {
      const part = (parts[event.part] ??= { type: 'text', text: '' })
      if (part.type !== 'text') throw new Error(`text for part ${event.part}, which is a ${part.type}`)
      part.text += event.text
    } else if (event.type === 'reasoning-delta') {
      const part = (parts[event.part] ??= { type: 'reasoning', text: '' })
      if (part.type !== 'reasoning') throw new Error(`reasoning for part ${event.part}, a ${part.type}`)
      part.text += event.text
    } else if (event.type === 'tool-call') {
      const { part, ...call } = event
      parts[part] = call
    } else if (event.type === 'part') parts[event.part] = event.value
    else if (event.type === 'source') total.sources.push(event.source)
    else if (event.type === 'finish') total.finish = event
  }
  for (const part of parts) {
    if (part === undefined) continue
    if (part.type === 'text') total.text += part.text
    else if (part.type === 'reasoning') total.reasoning += part.text
    else if (part.type === 'tool-call') {
      const { type: _, origin: __, ...call } = part
      total.toolCalls.push(call as ToolCall)
    }
  }
  return total
}
