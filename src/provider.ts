/**
 * The codec contract: what one file in providers/ must answer, and what it is never asked to do.
 *
 * In:  our Request. Out: an HTTP request; then frames in, our StreamEvents out.
 * A provider is pure and synchronous except `authorize`; it never fetches, reads no environment, owns no clock.
 * Not here: sending (http/transport.ts), retrying, deadlines, the sum of the events (stream/accumulate.ts).
 */

import type { LlmError } from './errors.ts'
import type { Request, StreamEvent, Usage, Warning } from './types.ts'

/** One HTTP request, fully spelled out. Header names are lower case. */
export interface HttpRequest {
  method: 'GET' | 'POST'
  url: string
  headers: Record<string, string>
  /** Absent for GET. */
  body?: string | Uint8Array
  /** What could not be honoured as asked; reported in `completion.warnings`. */
  warnings?: Warning[]
  /** The schema is asked for through a forced tool of this name: its arguments are the answer, not a call. */
  answerTool?: string
}

/** What a transport answers; a `Response` is one. */
export interface HttpResponse {
  /** The HTTP status code. */
  readonly status: number
  readonly headers: Headers
  readonly body: ReadableStream<Uint8Array> | null
  /** `opaqueredirect` is how browsers show a refused redirect. */
  readonly type?: string
}

/** Sends one request once: no retries, no redirects, no deadlines of its own except `connectMs`. */
export interface Transport {
  send(request: HttpRequest, context: TransportContext): Promise<HttpResponse>
}

/** What a transport is given beside the request. */
export interface TransportContext {
  /** Aborted with a typed reason; the transport rejects with that very reason. */
  signal: AbortSignal
  /** Deadline for TCP and TLS, for transports that can observe it. */
  connectMs?: number
}

/**
 * One frame of a response body. SSE: `event` is 'message' when the stream names none. NDJSON: `data` is the line.
 * AWS event-stream: `event` is the event, exception or error name and `messageType` says which.
 */
export interface Frame {
  /** 'message' when an event stream names none. */
  event: string
  /** The payload as text. */
  data: string
  /** Of event streams: the last event id. */
  id?: string
  /** Of event streams: the reconnection time in milliseconds. */
  retry?: number
  /** Of AWS event streams. */
  messageType?: 'event' | 'exception' | 'error'
}

/** Bytes to frames: push windows as they arrive, then end once. */
export interface FrameDecoder {
  push(chunk: Uint8Array): Frame[]
  /** Flushes what the body ended with. */
  end(): Frame[]
}

/**
 * Frames to events. `push` and `end` throw `LlmError` for an error the provider sent inside the stream.
 * `end` emits the `finish` event, or throws kind `interrupted` when the terminal marker was not seen.
 */
export interface Decoder {
  push(frame: Frame): StreamEvent[]
  end(): StreamEvent[]
  /** The provider said that nothing follows: the caller may call `end()` now and stop reading. */
  readonly done: boolean
  /** The provider's last usage and finish objects, untouched. */
  readonly raw: { usage?: unknown; finish?: unknown }
  /** Tokens reported so far, for an answer that is interrupted before its `finish` event. */
  readonly usage?: Usage | undefined
  /** The cost the provider itself reported, in US dollars. */
  readonly reportedCost?: number | undefined
}

/** What `authorize` may use: the time, a way out, and a transport for token exchanges. */
export interface AuthorizeContext {
  /** Wall-clock milliseconds since 1970. */
  nowMs: number
  signal: AbortSignal
  transport: Transport
  /** Overrides the key the provider was made with. */
  apiKey?: string | (() => string | Promise<string>) | undefined
  /** True on the one retry after a 401: cached tokens are not to be used. */
  refresh?: boolean
}

/** An HTTP answer that is not a success, its body read up to 64 KiB. */
export interface FailedResponse {
  status: number
  headers: Headers
  body: string
}

/** A wire format: how to ask one family of servers, and how to read what they answer. */
export interface Provider {
  /** The name reported in completions and errors. */
  readonly name: string
  /** Tells the client what the first bytes of a good answer may look like. */
  readonly framing: 'sse' | 'ndjson' | 'aws'
  /** Used when the caller names no model. */
  readonly defaultModel?: string
  /**
   * Ours to theirs. Pure, synchronous.
   * @throws LlmError `config`, `unsupported` or `invalid-request` before any byte is sent.
   */
  encode(request: Request): HttpRequest
  /** Adds keys, tokens or signatures: the one async step before the wire. Every header it adds is a secret. */
  authorize(http: HttpRequest, context: AuthorizeContext): HttpRequest | Promise<HttpRequest>
  frames(limits?: { maxEventBytes?: number | undefined }): FrameDecoder
  /** @param request what was asked, where the answer cannot be read without it (renamed tools). */
  decoder(request?: Request): Decoder
  /** A whole JSON body: of `wire: 'json'`, of batch results, of servers that ignore `stream: true`. */
  decode(json: unknown, request?: Request): DecodedBody
  /** An HTTP failure, read. */
  error(response: FailedResponse): LlmError
  /** Counts a request's tokens at the server, where the provider offers it. */
  readonly countTokens?: {
    encode(request: Request): HttpRequest
    decode(json: unknown): number
  }
  /** Lists the models the key can use, where the provider offers it. */
  readonly listModels?: {
    encode(cursor?: string): HttpRequest
    decode(json: unknown): { models: string[]; cursor?: string }
  }
}

/** The events of a whole JSON body, and what a decoder would have kept beside them. */
export interface DecodedBody {
  events: StreamEvent[]
  raw: { usage?: unknown; finish?: unknown }
  reportedCost?: number | undefined
}

/** The embedding half of a provider; exported separately so that a chat bundle does not carry it. */
export interface EmbeddingProvider {
  readonly name: string
  /** Used when the caller names no model. */
  readonly defaultModel?: string
  /** Largest batch one request may carry. */
  readonly maxTexts: number
  /** The same for one model, where models differ. */
  maxTextsOf?(model: string): number
  encode(request: EmbedRequest): HttpRequest
  authorize(http: HttpRequest, context: AuthorizeContext): HttpRequest | Promise<HttpRequest>
  /** Rows in the order of the texts. */
  decode(json: unknown): { rows: Float32Array[]; usage: Usage; model?: string }
  error(response: FailedResponse): LlmError
}

/** One batch of texts, normalised. */
export interface EmbedRequest {
  model: string
  texts: string[]
  /** Length of the vectors. Default: the model's. */
  dimensions?: number
  /** What the vectors are for. Default: not said. */
  purpose?: 'query' | 'document'
  /** Raw provider fields, merged last. */
  body?: Record<string, unknown>
}
