/**
 * Our events as server-sent events, and back: a Worker proxies an answer, the browser sees the same events.
 *
 * In:  an iterator of StreamEvents, or a body that `toSSE()` wrote. Out: bytes, a Response; or StreamEvents again.
 * Each frame is `data: <event as JSON>`. Of an error only kind, message and retryable cross; live values (`partial`,
 * `object`) do not cross and are derived again on the other side. One frame is written per read of the stream, so
 * backpressure reaches the provider, and a cancel stops the call.
 * Not here: reading providers' own SSE (providers/), which is a different protocol in the same clothes.
 */

import { LlmError, type ErrorKind } from '../errors.ts'
import type { ErrorSummary, StreamEvent } from '../types.ts'
import { createSseDecoder } from '../wire/sse.ts'
import { createReviver } from './live.ts'

/** Proxies and browsers drop connections that are silent for 30 to 100 s. */
const DEFAULT_HEARTBEAT_MS = 15_000

/** Media type of the stream; `no-transform` keeps proxies from buffering it for compression. */
const SSE_HEADERS: readonly (readonly [string, string])[] = [
  ['content-type', 'text/event-stream; charset=utf-8'],
  ['cache-control', 'no-cache, no-transform'],
  ['x-accel-buffering', 'no'],
]

/** Options of {@link eventsToSSE}. */
export interface SseOutOptions {
  /** Milliseconds of silence before a comment is sent. Default 15,000; 0 for none. */
  heartbeatMs?: number | undefined
}

/** The events as bytes, pulled one by one. A failure becomes an 'error' event, the last. */
export function eventsToSSE(
  events: AsyncIterator<StreamEvent, undefined, undefined>,
  options: SseOutOptions = {},
): ReadableStream<Uint8Array> {
  const heartbeatMs = options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS
  const encoder = new TextEncoder()
  let heartbeat: ReturnType<typeof setInterval> | undefined
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const beat = (): void => controller.enqueue(encoder.encode(': heartbeat\n\n'))
        if (heartbeatMs > 0) heartbeat = setInterval(beat, heartbeatMs)
        try {
          const result = await events.next()
          if (result.done === true) controller.close()
          else controller.enqueue(encoder.encode(frameOf(result.value)))
        } catch (error) {
          controller.enqueue(encoder.encode(frameOf({ type: 'error', error: summaryOf(error) })))
          controller.close()
        } finally {
          if (heartbeat !== undefined) clearInterval(heartbeat)
        }
      },
      async cancel() {
        if (heartbeat !== undefined) clearInterval(heartbeat)
        await events.return?.()
      },
    },
    // Nothing is read before somebody asks for it.
    { highWaterMark: 0 },
  )
}

/** Waits for the first event, because a status cannot be taken back once the body has begun. */
export async function eventsToResponse(
  events: AsyncIterator<StreamEvent, undefined, undefined>,
  init: ResponseInit & SseOutOptions = {},
): Promise<Response> {
  const { heartbeatMs, ...responseInit } = init
  const headers = new Headers(responseInit.headers as ConstructorParameters<typeof Headers>[0])
  for (const [name, value] of SSE_HEADERS) if (!headers.has(name)) headers.set(name, value)
  // The outcome of the first read is replayed to whoever reads the body.
  let first: Promise<IteratorResult<StreamEvent, undefined>> | undefined = events.next()
  let status = responseInit.status ?? 200
  try {
    await first
  } catch (error) {
    const { kind = 'server', retryAfterMs } = LlmError.is(error) ? error : {}
    status = STATUS[kind] ?? 502
    if (retryAfterMs !== undefined) headers.set('retry-after', String(Math.ceil(retryAfterMs / 1000)))
  }
  const replayed: AsyncIterator<StreamEvent, undefined, undefined> = {
    next() {
      const result = first ?? events.next()
      first = undefined
      return result
    },
    return: () => events.return!(),
  }
  const body = eventsToSSE(replayed, { heartbeatMs })
  return new Response(body, { ...responseInit, status, headers })
}

/** What a client of ours should do about it: its own fault, wait, or ours. Keys and credit are ours. */
const STATUS: { readonly [Kind in ErrorKind]?: number } = {
  'invalid-request': 400,
  unsupported: 400,
  'content-filter': 400,
  'context-length': 413,
  'too-large': 413,
  'rate-limit': 429,
  overloaded: 503,
  timeout: 504,
  config: 500,
  auth: 500,
  billing: 500,
  quota: 500,
  budget: 500,
}

function frameOf(event: StreamEvent): string {
  return `data: ${JSON.stringify(event)}\n\n`
}

function summaryOf(error: unknown): ErrorSummary {
  if (LlmError.is(error)) return error.summary()
  return { kind: 'server', message: 'The answer could not be read.', retryable: false }
}

/**
 * The events another llmswap wrote with `toSSE()` or `toResponse()`.
 * @throws LlmError of the kind that was sent, when the other side failed; `interrupted` when the stream ends before
 *   'finish'; `protocol` when the body holds something else.
 */
export function fromSSE(body: ReadableStream<Uint8Array>): AsyncIterable<StreamEvent> {
  return { [Symbol.asyncIterator]: () => readEvents(body) }
}

function readEvents(body: ReadableStream<Uint8Array>): AsyncIterator<StreamEvent, undefined, undefined> {
  const reader = body.getReader()
  const decoder = createSseDecoder()
  const revive = createReviver()
  let frames: { data: string }[] = []
  let head = 0
  let bodyEnded = false
  let over = false
  /** Calls of next() run one after the other. */
  let last: Promise<unknown> = Promise.resolve()

  function release(): void {
    over = true
    reader.cancel().catch(() => {})
  }

  async function step(): Promise<IteratorResult<StreamEvent, undefined>> {
    try {
      while (!over) {
        if (head < frames.length) {
          const event = revive(eventOf(frames[head++]!.data))
          if (event.type === 'error') throw errorOf(event.error)
          if (event.type === 'finish') release()
          return { done: false, value: event }
        }
        if (bodyEnded) throw interrupted('The stream ended before the answer was whole.')
        const { done, value } = await reader.read()
        bodyEnded = done
        frames = done ? decoder.end() : decoder.push(value)
        head = 0
      }
      return { done: true, value: undefined }
    } catch (error) {
      if (over) return { done: true, value: undefined }
      release()
      throw LlmError.is(error)
        ? error
        : interrupted('The connection was lost before the answer was whole.', error)
    }
  }

  return {
    next() {
      const turn = last.then(step)
      last = turn.catch(() => {})
      return turn
    },
    return() {
      if (!over) release()
      return Promise.resolve({ done: true, value: undefined })
    },
  }
}

/** What crossed the wire is not believed to be an error of ours before it was looked at. */
function errorOf(summary: unknown): LlmError {
  const { kind, message, retryable } = (summary ?? {}) as Partial<ErrorSummary>
  return new LlmError({
    kind: typeof kind === 'string' ? kind : 'server',
    message: typeof message === 'string' ? message : 'The other side failed without saying why.',
    retryable: retryable === true,
  })
}

function interrupted(message: string, cause?: unknown): LlmError {
  return new LlmError({ kind: 'interrupted', message, cause })
}

function eventOf(data: string): StreamEvent {
  try {
    const event: unknown = JSON.parse(data)
    if (typeof event === 'object' && event !== null && Object.hasOwn(event, 'type'))
      return event as StreamEvent
  } catch {
    // Said below, without the payload.
  }
  throw new LlmError({
    kind: 'protocol',
    message: 'The stream holds something other than events written by toSSE().',
  })
}
