/**
 * A response body as batches of StreamEvents.
 *
 * In:  an Exchange and its codec. Out: `next()`, one batch per window, and what the codec kept beside the events.
 * One window is decoded in one synchronous go: bytes → frames → events, into one array. What came before a failure is
 * handed over before the failure is thrown.
 * A stream is whole when the provider's terminal marker says so: then `end()` is called at once and what the server
 * still sends is drained in the background.
 * Not here: retries; the sum of the events (stream/accumulate.ts).
 */

import type { LlmError } from '../errors.ts'
import type { Provider } from '../provider.ts'
import { isContent } from '../stream/content.ts'
import type { Stopwatch } from '../stream/timing.ts'
import type { Request, StreamEvent, Usage } from '../types.ts'
import { concat } from './bytes.ts'
import { typed, type Exchange } from './exchange.ts'
import { noAnswer, sniff } from './sniff.ts'

/** Events as they arrive. */
export interface Answer {
  /** The next batch, never empty; undefined when the answer is whole. After a rejection it is over. */
  next(): Promise<StreamEvent[] | undefined>
  /** What the codec kept: the provider's own objects, the usage so far, the cost it named. */
  kept(): {
    raw: { usage?: unknown; finish?: unknown }
    usage?: Usage | undefined
    reportedCost?: number | undefined
  }
  /** The validated object of a call with a schema, at the end. */
  readonly object?: unknown
}

/** @param init.nowMs the time of arrival, for timing. */
export async function readAnswer(
  exchange: Exchange,
  provider: Provider,
  request: Request,
  init: { stopwatch: Stopwatch; nowMs: () => number; maxEventBytes: number | undefined },
): Promise<Answer> {
  const content = await sniff(exchange, provider)
  if (content === 'json') return wholeAnswer(exchange, provider, request, arrived)
  const framer = provider.frames({ maxEventBytes: init.maxEventBytes })
  return framedAnswer(exchange, framer, provider.decoder(request), provider.name, arrived)

  /** All events of one window arrived together. */
  function arrived(events: StreamEvent[]): void {
    let content = 0
    for (const event of events) if (isContent(event)) content++
    if (content === 0) return
    exchange.deadlines.progressed()
    init.stopwatch.content(init.nowMs(), content)
  }
}

const NOTHING: Uint8Array = /* @__PURE__ */ new Uint8Array(0)

/** Kinds of errors of a read that say nothing about the answer: the connection broke, or a deadline passed. */
const LOST: ReadonlySet<LlmError['kind']> = /* @__PURE__ */ new Set(['interrupted', 'connect', 'timeout'])

function framedAnswer(
  exchange: Exchange,
  framer: ReturnType<Provider['frames']>,
  decoder: ReturnType<Provider['decoder']>,
  name: string,
  arrived: (events: StreamEvent[]) => void,
): Answer {
  let over = false
  let failure: LlmError | undefined
  let framesSeen = 0

  /** One window, or the end of the body, all the way to events. True when the answer is whole. */
  function decode(window: Uint8Array | undefined, out: StreamEvent[]): boolean {
    const frames = window === undefined ? framer.end() : framer.push(window)
    framesSeen += frames.length
    for (const frame of frames) {
      for (const event of decoder.push(frame)) out.push(event)
      if (decoder.done) break
    }
    if (!decoder.done && window !== undefined) return false
    if (framesSeen === 0) throw noAnswer(name, 'success and a body that holds no event', true)
    for (const event of decoder.end()) out.push(event)
    return true
  }

  /** A connection lost, or silent, behind the last word takes nothing from the answer. */
  function wasWhole(error: LlmError, out: StreamEvent[]): boolean {
    if (!LOST.has(error.kind)) return false
    try {
      for (const event of decoder.end()) out.push(event)
      return true
    } catch {
      return false
    }
  }

  async function next(): Promise<StreamEvent[] | undefined> {
    while (!over) {
      const events: StreamEvent[] = []
      let reading = true
      try {
        // A fault that was held back for the frames before it shows here, and not when the socket says more.
        framer.push(NOTHING)
        const window = await exchange.read()
        reading = false
        over = decode(window, events)
      } catch (thrown) {
        over = true
        const error = typed(name, thrown)
        if (!reading || !wasWhole(error, events)) exchange.fail((failure = error))
      }
      if (over && failure === undefined) exchange.finish()
      arrived(events)
      if (events.length > 0) return events
    }
    if (failure !== undefined) throw failure
    return undefined
  }

  return {
    next,
    kept: () => ({ raw: decoder.raw, usage: decoder.usage, reportedCost: decoder.reportedCost }),
  }
}

async function wholeAnswer(
  exchange: Exchange,
  provider: Provider,
  request: Request,
  arrived: (events: StreamEvent[]) => void,
): Promise<Answer> {
  const text = await readText(exchange)
  const json = parseBody(text, provider.name)
  const failure = errorIn(json)
  if (failure !== undefined) {
    const status = failure.status ?? exchange.status
    throw provider.error({ status, headers: exchange.headers, body: text.slice(0, 65_536) })
  }
  const body = provider.decode(json, request)
  arrived(body.events)
  exchange.finish()
  let events: StreamEvent[] | undefined = body.events
  return {
    async next() {
      const batch = events
      events = undefined
      return batch
    },
    kept: () => body,
  }
}

/** The whole body as text, without its byte order mark. */
export async function readText(exchange: Exchange): Promise<string> {
  const pieces: Uint8Array[] = []
  for (let window; (window = await exchange.read()) !== undefined;) pieces.push(window)
  return new TextDecoder().decode(concat(pieces))
}

/** @throws LlmError `protocol`; the payload is not quoted. */
export function parseBody(text: string, provider: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw noAnswer(provider, `${text.length} characters that are not JSON, or JSON that is cut short`)
  }
}

/**
 * A failure sent with status 200, as OpenRouter, Mistral and Ollama do, and the status it names; `"error": null` is
 * none.
 */
function errorIn(json: unknown): { status: number | undefined } | undefined {
  const body: unknown = Array.isArray(json) ? json[0] : json
  const error = ownField(body, 'error')
  if (!error && ownField(body, 'object') !== 'error' && ownField(body, 'type') !== 'error') return undefined
  const code = Number(ownField(error, 'code') ?? ownField(body, 'code'))
  return { status: code >= 400 && code <= 599 ? code : undefined }
}

function ownField(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined
}
