/**
 * `llmswap/testing`: a provider that says what a script tells it to.
 *
 * In:  answers as data, or a function of the request. Out: `{ provider, transport, calls }`, spread into options:
 *      `complete('hi', { ...fake('hello') })`.
 * The answer travels as HTTP and server-sent events through the very pipeline real providers use — retries,
 * deadlines, sniffing, partial JSON and all — so what a test exercises is what runs. Nothing is patched, no socket is
 * opened. Not here: a model. For one that really samples, talk to `scripts/serve-tiny.ts`.
 */

import { LlmError } from '../errors.ts'
import type { ErrorKind } from '../errors.ts'
import type { Decoder, FailedResponse, HttpRequest, HttpResponse, Provider, Transport } from '../provider.ts'
import { createToolCalls } from '../stream/tool-calls.ts'
import type { FinishReason, Request, Source, StreamEvent, Usage } from '../types.ts'
import { createSseDecoder } from '../wire/sse.ts'

/** How a call fails. With `kind: 'connect'` no response arrives at all. */
export interface FakeError {
  /** Default: what the status says. */
  kind?: ErrorKind
  /** HTTP status. Default 500; ignored when the error comes inside the stream. */
  status?: number
  /** The provider's sentence. */
  message?: string
  /** Sent as `retry-after-ms`. */
  retryAfterMs?: number
  /** Comes inside the stream, after this many pieces of the answer, instead of as an HTTP status. */
  after?: number
}

/** One answer. Every field may be left out; the order on the wire is reasoning, text, tool calls. */
export interface FakeAnswer {
  /** One string is sent word by word, an array piece by piece. */
  text?: string | string[]
  /** The same, of what the model thought. */
  reasoning?: string | string[]
  /** `args`: a value, or raw JSON text — broken, if that is what is tested. */
  toolCalls?: { name: string; args?: unknown; id?: string }[]
  /** Sent as JSON text: the answer to a `schema` request. */
  object?: unknown
  /** What the answer cites. */
  sources?: Source[]
  /** The model declines: its words are the text, the finish reason is `content-filter`. */
  refusal?: string
  /** Default: not reported. */
  usage?: Usage
  /** Default: `tool-calls` when there are any, else `stop`. */
  finishReason?: FinishReason
  /** Instead of the answer, or in the middle of it. */
  error?: FakeError
  /** Before the response headers. `Infinity`: never. */
  delayMs?: number
  /** Between headers and the first piece. `Infinity`: never. */
  firstTokenMs?: number
  /** Pieces per second; default: all at once. */
  tokensPerSecond?: number
  /** The body ends after this many pieces, without the terminal marker. */
  cutAfter?: number
  /** The model name of the answer; default: the one asked for. */
  model?: string
  /** Extra response headers. */
  headers?: Record<string, string>
}

/** What the fake was asked. */
export interface FakeCall {
  /** As the codec saw it: normalised, plain JSON. */
  request: Request
  headers: Record<string, string>
  /** True once the caller gave up on it. */
  aborted: boolean
}

/** A string is an answer's text; an array gives one answer per call; a function chooses by the request. */
export type FakeScript =
  | string
  | FakeAnswer
  | (string | FakeAnswer)[]
  | ((request: Request, callIndex: number) => string | FakeAnswer | Promise<string | FakeAnswer>)

/** What `fake()` returns; spread it into options. */
export interface Fake {
  provider: Provider
  transport: Transport
  calls: FakeCall[]
}

/** What can be set beside the script. */
export interface FakeOptions {
  /** The provider name in completions. Default `fake`. */
  name?: string
  /** Timers for `delayMs`, `firstTokenMs` and `tokensPerSecond`. Default: the runtime's. */
  setTimer?: (callback: () => void, delayMs: number) => unknown
}

/** One thing on the fake's wire. */
type Piece =
  | { type: 'text' | 'reasoning'; text: string }
  | { type: 'call'; index: number; id?: string; name?: string; args: string }
  | { type: 'source'; source: Source }
  | { type: 'finish'; finishReason: FinishReason; usage?: Usage }
  | { type: 'error'; error: FakeError }

/** Long enough to matter, short enough that every realistic tool call arrives in several pieces. */
const ARGS_PIECE = 8

/**
 * A scripted provider.
 * @throws LlmError `config`, through the call, when an array script has no answer left: a test that asks more often
 * than it expected should fail.
 */
export function fake(script: FakeScript, options: FakeOptions = {}): Fake {
  const { name = 'fake', setTimer = (callback, delayMs) => setTimeout(callback, delayMs) } = options
  const calls: FakeCall[] = []

  async function answerTo(request: Request, callIndex: number): Promise<FakeAnswer> {
    let answer: string | FakeAnswer | undefined
    if (typeof script === 'function') answer = await script(request, callIndex)
    else if (Array.isArray(script)) answer = script[callIndex]
    else answer = script
    if (answer === undefined) {
      throw new LlmError({
        kind: 'config',
        provider: name,
        message: `The fake's script has ${Array.isArray(script) ? script.length : 0} answers, and call ${callIndex + 1} came.`,
      })
    }
    return typeof answer === 'string' ? { text: answer } : answer
  }

  const transport: Transport = {
    async send(http, { signal }) {
      const request = JSON.parse(http.body as string) as Request
      const call: FakeCall = { request, headers: http.headers, aborted: signal.aborted }
      if (!signal.aborted) signal.addEventListener('abort', () => (call.aborted = true), { once: true })
      const answer = await answerTo(request, calls.push(call) - 1)
      await pause(answer.delayMs ?? 0, signal, setTimer)
      const { error } = answer
      if (error !== undefined && error.after === undefined) return failure(error)
      const pieces = piecesOf(answer)
      if (!request.stream)
        return response(200, JSON.stringify({ model: answer.model ?? request.model, pieces }), answer.headers)
      return {
        status: 200,
        headers: new Headers(answer.headers),
        body: bodyOf(answer, pieces, request, signal, setTimer),
      }
    },
  }

  return { provider: fakeProvider(name), transport, calls }
}

function fakeProvider(name: string): Provider {
  return {
    name,
    framing: 'sse',
    defaultModel: 'fake-1',
    encode: (request): HttpRequest => ({
      method: 'POST',
      url: 'https://fake.invalid/v1/answers',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
    }),
    authorize: (http) => http,
    frames: (limits) => createSseDecoder(limits),
    decoder: (request) => pieceDecoder(name, request),
    decode(json, request) {
      const { model, pieces } = json as { model: string; pieces: Piece[] }
      const decoder = pieceDecoder(name, request)
      const events = decoder.push({ event: 'start', data: JSON.stringify({ model }) })
      for (const piece of pieces)
        events.push(...decoder.push({ event: 'message', data: JSON.stringify(piece) }))
      events.push(...decoder.end())
      return { events, raw: decoder.raw }
    },
    error: (failed) => errorOf(name, failed),
  }
}

/** Pieces to events: the smallest codec there is. */
function pieceDecoder(name: string, request?: Request): Decoder {
  let parts = 0
  let open: { type: 'text' | 'reasoning'; part: number } | undefined
  let finish: Extract<Piece, { type: 'finish' }> | undefined
  const toolCalls = createToolCalls({ nextPart: () => parts++ })

  function apply(piece: Piece, out: StreamEvent[]): void {
    switch (piece.type) {
      case 'text':
      case 'reasoning':
        if (open?.type !== piece.type) open = { type: piece.type, part: parts++ }
        out.push({
          type: piece.type === 'text' ? 'text-delta' : 'reasoning-delta',
          part: open.part,
          text: piece.text,
        })
        break
      case 'call':
        open = undefined
        toolCalls.push(piece, out)
        break
      case 'source':
        out.push(piece)
        break
      case 'error':
        throw new LlmError({
          kind: piece.error.kind ?? 'server',
          provider: name,
          phase: 'stream',
          message: piece.error.message ?? 'The fake failed inside the stream, as its script says.',
        })
      case 'finish':
        finish = piece
    }
  }

  return {
    get done() {
      return finish !== undefined
    },
    get raw() {
      return finish === undefined ? {} : { usage: finish.usage, finish: finish.finishReason }
    },
    push(frame) {
      const out: StreamEvent[] = []
      if (frame.event === 'start') {
        const { model } = JSON.parse(frame.data) as { model: string }
        out.push({ type: 'start', provider: name, model, id: `fake-${request?.model ?? model}` })
      } else apply(JSON.parse(frame.data) as Piece, out)
      return out
    },
    end() {
      if (finish === undefined) {
        throw new LlmError({
          kind: 'interrupted',
          provider: name,
          phase: 'stream',
          message: 'The fake ended its stream before the finish event, as its script says.',
        })
      }
      const out: StreamEvent[] = []
      toolCalls.end(out, finish.finishReason === 'length' ? 'cut by the output limit' : undefined)
      out.push({
        type: 'finish',
        finishReason: finish.finishReason,
        rawFinishReason: finish.finishReason,
        usage: finish.usage ?? {},
      })
      return out
    },
  }
}

function piecesOf(answer: FakeAnswer): Piece[] {
  const pieces: Piece[] = []
  for (const text of chunked(answer.reasoning)) pieces.push({ type: 'reasoning', text })
  const said =
    answer.refusal ?? answer.text ?? (answer.object === undefined ? undefined : JSON.stringify(answer.object))
  for (const text of chunked(said)) pieces.push({ type: 'text', text })
  for (const source of answer.sources ?? []) pieces.push({ type: 'source', source })
  for (const [index, call] of (answer.toolCalls ?? []).entries()) {
    const args = typeof call.args === 'string' ? call.args : JSON.stringify(call.args ?? {})
    pieces.push({ type: 'call', index, id: call.id ?? `call_${index + 1}`, name: call.name, args: '' })
    for (let at = 0; at < args.length; at += ARGS_PIECE) {
      pieces.push({ type: 'call', index, args: args.slice(at, at + ARGS_PIECE) })
    }
  }
  const { error } = answer
  if (error?.after !== undefined) return [...pieces.slice(0, error.after), { type: 'error', error }]
  const finishReason =
    answer.finishReason ??
    (answer.refusal !== undefined
      ? 'content-filter'
      : (answer.toolCalls?.length ?? 0) > 0
        ? 'tool-calls'
        : 'stop')
  pieces.push({
    type: 'finish',
    finishReason,
    ...(answer.usage === undefined ? {} : { usage: answer.usage }),
  })
  return answer.cutAfter === undefined ? pieces : pieces.slice(0, answer.cutAfter)
}

/** Words with the blank that follows them, as models tend to send them. */
function chunked(text: string | string[] | undefined): string[] {
  if (text === undefined) return []
  return Array.isArray(text) ? text : (text.match(/\s*\S+\s*|\s+/g) ?? [])
}

function bodyOf(
  answer: FakeAnswer,
  pieces: Piece[],
  request: Request,
  signal: AbortSignal,
  setTimer: NonNullable<FakeOptions['setTimer']>,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const gapMs = answer.tokensPerSecond === undefined ? 0 : 1000 / answer.tokensPerSecond
  const frame = (piece: Piece): string => `data: ${JSON.stringify(piece)}\n\n`
  const start = `event: start\ndata: ${JSON.stringify({ model: answer.model ?? request.model })}\n\n`
  let next = -1
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (next < 0) {
        next = 0
        controller.enqueue(encoder.encode(start))
        return
      }
      try {
        await pause(next === 0 ? (answer.firstTokenMs ?? gapMs) : gapMs, signal, setTimer)
      } catch (reason) {
        controller.error(reason)
        return
      }
      // Unpaced answers go out in one piece, so that a test of a thousand words takes no thousand turns.
      const until = gapMs === 0 ? pieces.length : next + 1
      const text = pieces.slice(next, until).map(frame).join('')
      next = until
      if (text !== '') controller.enqueue(encoder.encode(text))
      if (next >= pieces.length) controller.close()
    },
  })
}

/** Waits, or rejects with the signal's reason. `Infinity` waits for the signal alone. */
function pause(
  delayMs: number,
  signal: AbortSignal,
  setTimer: NonNullable<FakeOptions['setTimer']>,
): Promise<void> {
  if (signal.aborted) return Promise.reject(signal.reason)
  if (delayMs <= 0) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    if (delayMs === Infinity) return
    setTimer(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, delayMs)
  })
}

function failure(error: FakeError): HttpResponse {
  if (error.kind === 'connect') throw new TypeError(error.message ?? 'The fake refused the connection.')
  const retryAfter: Record<string, string> =
    error.retryAfterMs === undefined ? {} : { 'retry-after-ms': String(error.retryAfterMs) }
  return response(error.status ?? 500, JSON.stringify({ error }), retryAfter)
}

function response(status: number, text: string, headers: Record<string, string> = {}): HttpResponse {
  return { status, headers: new Headers(headers), body: new Response(text).body }
}

/** The kinds HTTP statuses mean when the script names none. */
const KIND_OF_STATUS: Readonly<Record<number, ErrorKind>> = {
  400: 'invalid-request',
  401: 'auth',
  402: 'billing',
  403: 'auth',
  404: 'not-found',
  413: 'context-length',
  429: 'rate-limit',
  503: 'overloaded',
  529: 'overloaded',
}

function errorOf(provider: string, failed: FailedResponse): LlmError {
  let error: FakeError = {}
  try {
    error = (JSON.parse(failed.body) as { error?: FakeError }).error ?? {}
  } catch {
    // Not ours: a test that answers with HTML gets the status alone.
  }
  return new LlmError({
    kind:
      error.kind ?? KIND_OF_STATUS[failed.status] ?? (failed.status >= 500 ? 'server' : 'invalid-request'),
    provider,
    status: failed.status,
    message: error.message ?? `The fake answered ${failed.status}, as its script says.`,
  })
}
