/**
 * One attempt: an HttpRequest goes out, a successful response comes back with its body unread.
 *
 * In:  an encoded request and its provider. Out: an Exchange to read from, or a typed error.
 * It has one AbortController of its own, so that a deadline, the caller and a lost race each leave a reason of their
 * own, and a transport that ignores its signal still lets go of the caller.
 * Not here: trying again (retry.ts), reading the body as an answer (answer.ts).
 */

import { LlmError } from '../errors.ts'
import type { AuthorizeContext, FailedResponse, HttpRequest, HttpResponse } from '../provider.ts'
import type { Attempt } from '../types.ts'
import { openWindows, type Windows } from './bytes.ts'
import type { Call } from './call.ts'
import { onAbort, orAbort } from './clock.ts'
import { createDeadlines, limitMs, type Deadlines } from './deadlines.ts'
import type { Redactor } from './redact.ts'
import { retryAfterMs } from './retry-after.ts'
import { checkResponse, connectionError, hostOf, neverSent } from './transport.ts'

/** What an attempt needs of a provider; chat and embedding codecs both have it. */
export interface Target {
  readonly name: string
  authorize(http: HttpRequest, context: AuthorizeContext): HttpRequest | Promise<HttpRequest>
  error(response: FailedResponse): LlmError
}

/** A response under watch. */
export interface Exchange {
  readonly url: string
  readonly status: number
  readonly headers: Headers
  readonly deadlines: Deadlines
  /** The next window, watched by the deadlines. @throws a typed error, also for a lost connection. */
  read(): Promise<Uint8Array | undefined>
  /** Puts a window back, to be read next. */
  unread(window: Uint8Array): void
  /** The answer is whole: drains the body so that the connection is reused. */
  finish(): void
  /** The attempt failed: frees everything and notes why. */
  fail(error: LlmError): void
}

/** How one attempt differs from the others of its call. */
export interface AttemptInit {
  /** The pause before it. */
  delayMs: number
  /** The 401 after which keys are to be fetched anew. When they come out the same it is thrown again. */
  refresh?: LlmError | undefined
}

/** How long an error body may take: the status is known, and a server in trouble may never end it. */
const ERROR_BODY_MS = 5000

/**
 * @param use what to do with a 2xx; the attempt has failed when it throws.
 * @throws LlmError for everything but a 2xx, and whatever `use` throws.
 */
export async function exchange<T>(
  call: Call,
  target: Target,
  encoded: HttpRequest,
  init: AttemptInit,
  use: (open: Exchange) => Promise<T>,
): Promise<T> {
  const { clock, options, redactor } = call
  const startMs = clock.nowMs()
  const controller = new AbortController()
  const { signal } = controller
  const unbridge = onAbort(call.signal, (reason) => controller.abort(reason))
  const deadlines = createDeadlines({
    clock,
    timeouts: options.timeouts,
    expire: (error) => controller.abort(error),
  })
  const attempt: Attempt = {
    provider: target.name,
    model: call.info.model,
    durationMs: 0,
    delayMs: init.delayMs,
    maybeBilled: false,
  }
  let windows: Windows | undefined
  let over = false
  // A consumer that leaves between two reads is heard of in no other way.
  onAbort(signal, (reason) => fail(reason as LlmError))

  function release(): void {
    over = true
    deadlines.stop()
    unbridge()
    attempt.durationMs = clock.nowMs() - startMs
  }

  function fail(error: LlmError): void {
    if (over) return
    release()
    windows?.cancel(error)
    attempt.error = redactor.error(error).summary()
  }

  try {
    refuseBrowser(options.dangerouslyAllowBrowser)
    const http = await authorize()
    call.attempts.push(attempt)
    call.tell('onAttempt', { attempt: call.attempts.length, url: http.url.replace(/[?#].*/, '') })
    const response = await send(http)
    attempt.status = response.status
    // Masked like everything a server says: some echo the request's own headers.
    const requestId = requestIdOf(response.headers, redactor)
    if (requestId !== undefined) attempt.requestId = requestId
    call.tell('onResponse', {
      attempt: call.attempts.length,
      status: response.status,
      headersMs: clock.nowMs() - startMs,
      ...(requestId === undefined ? {} : { requestId }),
    })
    const body = openWindows(response.body, {
      signal,
      maxBytes: options.limits?.responseBytes,
      watch: deadlines,
      lost: (error) => bodyError(http.url, error),
    })
    windows = body
    if (response.status < 200 || response.status > 299) throw await failure(response, body)
    return await use({
      url: http.url,
      status: response.status,
      headers: response.headers,
      deadlines,
      read: body.read,
      unread: body.unread,
      finish() {
        attempt.maybeBilled = false
        // Noted when a deadline passed behind the last word of an answer that was whole.
        delete attempt.error
        if (over) return
        release()
        void body.drain(clock)
      },
      fail,
    })
  } catch (thrown) {
    const error = typed(target.name, thrown)
    fail(error)
    throw error
  }

  /** Every header this adds is a secret. */
  async function authorize(): Promise<HttpRequest> {
    const headers: Record<string, string> = { ...encoded.headers, ...lowerCased(options.headers) }
    const before: HttpRequest = { ...encoded, headers }
    const http = await orAbort(
      async () =>
        target.authorize(before, {
          nowMs: clock.epochMs(),
          signal,
          transport: call.transport,
          apiKey: options.apiKey,
          refresh: init.refresh !== undefined,
        }),
      signal,
    )
    let keys = ''
    for (const [name, value] of Object.entries(http.headers)) {
      if (headers[name] === value && !/key|auth|token|secret|cookie/.test(name)) continue
      redactor.add(value)
      keys += `${name}: ${value}\n`
    }
    if (init.refresh !== undefined && keys === call.keysSent) throw init.refresh
    call.keysSent = keys
    return http
  }

  async function send(http: HttpRequest): Promise<HttpResponse> {
    const connectMs = limitMs(options.timeouts, 'connect')
    deadlines.sent()
    attempt.maybeBilled = true
    let response: HttpResponse
    try {
      response = await orAbort(
        async () => call.transport.send(http, connectMs === Infinity ? { signal } : { signal, connectMs }),
        signal,
        // A late winner: nobody waits for this response any more.
        (late) => cancelBody(late),
      )
    } catch (thrown) {
      const error = signal.aborted ? (signal.reason as LlmError) : connectionError(http.url, thrown)
      attempt.maybeBilled = !neverSent(error)
      throw error
    }
    deadlines.headers()
    try {
      return checkResponse(response, http.url)
    } catch (error) {
      attempt.maybeBilled = false
      cancelBody(response)
      throw error
    }
  }

  async function failure(response: HttpResponse, body: Windows): Promise<LlmError> {
    const { status, headers } = response
    // A connection lost inside an error page changes nothing about the error; an abort is an abort.
    const page = await body.drain(clock, ERROR_BODY_MS)
    if (signal.aborted) throw signal.reason
    const error = target.error({ status, headers, body: new TextDecoder().decode(page) })
    // A refusal costs nothing. A gateway that gave up waiting (502, 504) may have had an answer written for it.
    attempt.maybeBilled = status >= 500 && status !== 503 && status !== 529
    const verdict = headers.get('x-should-retry')
    return error.with({
      retryAfterMs: retryAfterMs(headers, clock.epochMs()) ?? error.retryAfterMs,
      retryable: verdict === 'true' || (verdict !== 'false' && error.retryable),
    })
  }
}

function lowerCased(headers: Record<string, string> | undefined): Record<string, string> {
  // Not by assignment: a header named `__proto__` must stay visible, to be refused.
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]))
}

function cancelBody(response: HttpResponse | undefined): void {
  try {
    response?.body?.cancel().catch(() => {})
  } catch {
    // Not a stream at all: nothing is held.
  }
}

/** Response headers by which support finds a request; which one depends on who answers. */
const REQUEST_ID_HEADERS = [
  'x-request-id',
  'request-id',
  'x-amzn-requestid',
  'apim-request-id',
  'x-goog-request-id',
  'cf-ray',
]

function requestIdOf(headers: Headers, redactor: Redactor): string | undefined {
  for (const name of REQUEST_ID_HEADERS) {
    const value = headers.get(name)
    if (value !== null) return redactor.text(value).slice(0, 200)
  }
  return undefined
}

/** The connection was lost inside a body: whatever the runtime calls it, the answer is cut. */
function bodyError(url: string, cause: unknown): LlmError {
  const named = connectionError(url, cause)
  if (named === cause || named.kind === 'timeout') return named
  return new LlmError({
    kind: 'interrupted',
    phase: 'stream',
    code: named.code,
    message: `The connection to ${hostOf(url)} was lost before the answer was whole.`,
    cause,
  })
}

/** As it is, or for what a codec, a credential function or a transport threw that is none of our errors, one that says so. */
export function typed(provider: string, cause: unknown): LlmError {
  if (LlmError.is(cause)) return cause
  return new LlmError({
    kind: 'protocol',
    provider,
    retryable: false,
    message: `${provider}: something failed that was not foreseen; the cause says where.`,
    cause,
  })
}

/** A key in a page is everybody's key. */
function refuseBrowser(allowed: boolean | undefined): void {
  if (allowed === true || !('window' in globalThis) || !('document' in globalThis)) return
  throw new LlmError({
    kind: 'config',
    message:
      'This is a browser, where everybody can read the API key: call a server that uses toResponse(), or set ' +
      'dangerouslyAllowBrowser: true.',
  })
}
