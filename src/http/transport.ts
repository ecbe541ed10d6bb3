/**
 * One request, sent once with `fetch`.
 *
 * In:  an HttpRequest and a signal. Out: the response, its body unread.
 * Redirects are refused: following one to another origin drops `authorization` but forwards `x-api-key`,
 * `x-goog-api-key` and, for 307/308, the whole prompt (measured on Node 20, 22, 24).
 * Header values are checked before `Headers` sees them, because its own error quotes the value, key and all.
 * Not here: deadlines, retries (retry.ts), reading bodies (bytes.ts).
 */

import { LlmError } from '../errors.ts'
import type { HttpRequest, HttpResponse, Transport } from '../provider.ts'
import type { Warning } from '../types.ts'

/** A transport over `fetch`; the runtime's unless another one is given. */
export function fetchTransport(fetch?: typeof globalThis.fetch): Transport {
  return {
    async send(request, { signal }) {
      const init = {
        // No prototype: `fetch` reads any field it knows, inherited ones included.
        __proto__: null,
        method: request.method,
        headers: checkHeaders(request),
        body: request.body,
        redirect: 'manual',
        signal,
      } as unknown as RequestInit
      // A plain call: as a method of another object `fetch` throws "Illegal invocation" in browsers and workerd.
      const send = fetch ?? globalThis.fetch
      if (typeof send !== 'function') {
        const message = 'There is no fetch here: pass one as the option fetch, or a transport.'
        throw new LlmError({ kind: 'config', message })
      }
      try {
        return await send(request.url, init)
      } catch (cause) {
        throw signal.aborted ? signal.reason : connectionError(request.url, cause)
      }
    },
  }
}

/** Framing belongs to the transport; a caller who sets these sends requests a proxy reads differently (CWE-444). */
const RESERVED = /^(?:host|content-length|transfer-encoding|connection|upgrade|te|trailer|__proto__)$/i
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/**
 * Names and values that can be sent as they are.
 * @throws LlmError `config` that names the header and never shows the value.
 */
export function checkHeaders(request: HttpRequest): [string, string][] {
  const headers: [string, string][] = []
  for (const [name, value] of Object.entries(request.headers)) {
    if (!TOKEN.test(name) || RESERVED.test(name)) {
      throw badHeader(`The header ${JSON.stringify(name.slice(0, 80))} cannot be set.`)
    }
    if (typeof value !== 'string' || !FIELD_VALUE.test(value)) {
      throw badHeader(
        `The value of the header ${name} holds a line break or a character that headers cannot carry: copy it again.`,
      )
    }
    headers.push([name, value])
  }
  return headers
}

function badHeader(message: string): LlmError {
  return new LlmError({ kind: 'config', phase: 'headers', message })
}

/** What a failure's code tells: `retryable` where the kind's own answer would be wrong. */
type Failure = readonly [
  sign: RegExp,
  kind: 'config' | 'connect' | 'timeout' | 'protocol',
  phase: 'connect' | 'headers' | 'idle',
  advice: string,
  retryable?: boolean,
]

/**
 * Node's and undici's codes, observed 2026-11 on Node 20.20; Bun and Deno use the POSIX ones too. First match wins.
 * The last two rows are messages, for failures that undici gives no code of their own: a 101, and a 407, which `fetch`
 * turns into an error that says nothing at all (newer versions name it).
 */
const FAILURES: readonly Failure[] = [
  [/^UND_ERR_CONNECT_TIMEOUT/, 'timeout', 'connect', 'the connection could not be made in time'],
  [
    /^UND_ERR_HEADERS_TIMEOUT/,
    'timeout',
    'headers',
    "no response headers within the runtime's own 300 s; stream, or use llmswap/node",
  ],
  [/^UND_ERR_BODY_TIMEOUT/, 'timeout', 'idle', "the runtime's own limit between two reads passed"],
  [/^HPE_INVALID_CONSTANT/, 'protocol', 'headers', 'the server does not speak HTTP/1.1', true],
  [/^(?:HPE_|UND_ERR_HEADERS_OVERFLOW)/, 'protocol', 'headers', 'the server answers with broken HTTP'],
  [
    /^(?:CERT_|ERR_TLS_|ERR_SSL_|EPROTO$|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|HOSTNAME_MISMATCH)/,
    'connect',
    'connect',
    'TLS failed; check the certificate, the host name and the scheme of baseURL',
    false,
  ],
  [/^(?:ENOTFOUND|EAI_)/, 'connect', 'connect', 'the host name does not resolve; check baseURL and DNS'],
  [/^ECONNREFUSED/, 'connect', 'connect', 'nothing listens there; check baseURL and start the server'],
  [/^(?:EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)/, 'connect', 'connect', 'there is no route to the host'],
  [/^bad upgrade$/, 'protocol', 'headers', 'the server wants to switch protocols'],
  [
    /^(?:proxy authentication required)?$/,
    'config',
    'connect',
    'a proxy on the way wants a user name and a password',
  ],
]

function failureOf(sign: string | undefined): Failure | undefined {
  return sign === undefined ? undefined : FAILURES.find(([pattern]) => pattern.test(sign))
}

/**
 * `code` of a request that met a connection which the server had closed while it was idle. Every pool of connections
 * has this race; a new connection settles it, so it says nothing about the server's health.
 */
export const STALE_CONNECTION = 'stale-connection'

/**
 * True when the failure happened before a byte of the request went out, so that nothing can have been charged; false when
 * that is not known.
 */
export function neverSent(error: LlmError): boolean {
  return error.kind === 'config' || failureOf(codeOf(error.cause))?.[2] === 'connect'
}

/**
 * Whatever a transport or a body throws while our own signal is not aborted is a lost connection: `TypeError: fetch
 * failed` in Node, `Failed to fetch` in Chromium, a plain `Error: Network connection lost.` in workerd.
 */
export function connectionError(url: string, cause: unknown): LlmError {
  if (LlmError.is(cause)) return cause
  const code = codeOf(cause)
  const inner = cause instanceof Error ? cause.cause : undefined
  const wordless = code === undefined || code === 'UND_ERR_SOCKET'
  const failure = failureOf(wordless ? (inner instanceof Error ? inner.message : undefined) : code)
  const stale = failure === undefined && isStale(cause)
  const lost = stale ? 'its connection had been closed while it was idle' : 'the connection was lost'
  const [, kind = 'connect', phase = 'connect', advice = lost, retryable] = (failure ??
    []) as Partial<Failure>
  return new LlmError({
    kind,
    phase,
    retryable,
    code: stale ? STALE_CONNECTION : code,
    message: `The request to ${hostOf(url)} failed before an answer came: ${advice}.`,
    cause,
  })
}

/**
 * undici says how much a connection had carried: one that is closed instead of answering, after earlier answers, was
 * closed while it was idle. A reset says nothing of the kind and is an ordinary lost connection.
 */
function isStale(error: unknown): boolean {
  const inner = error instanceof Error && error.cause !== undefined ? error.cause : error
  const { socket } = (inner ?? {}) as { socket?: { bytesRead?: unknown } }
  return codeOf(inner) === 'UND_ERR_SOCKET' && Number(socket?.bytesRead) > 0
}

/** The first code down the cause chain; Node puts it one level down, Bun on the error itself. */
function codeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    const { code, errors } = at as { code?: unknown; errors?: unknown }
    if (typeof code === 'string') return code
    // Happy eyeballs: one error per address.
    if (Array.isArray(errors) && errors.length > 0) return codeOf(errors[0])
  }
  return undefined
}

function parsed(url: string, base?: string): URL | undefined {
  try {
    return new URL(url, base)
  } catch {
    return undefined
  }
}

/** The host alone: a path may hold a model id or a tenant, a query a key. */
export function hostOf(url: string): string {
  return parsed(url)?.host ?? 'the server'
}

/** This machine, and names without a dot, which only the local network resolves. */
const LOCAL = /^(?:localhost\.?|127(?:\.\d+){3}|\[::1\]|[^.:]+|.+\.localhost)$/

/** What to tell a caller whose key just went to another machine for everybody on the way to read. */
export function unencrypted(url: string): Warning[] {
  const { protocol, hostname, host } = new URL(url)
  if (protocol !== 'http:' || LOCAL.test(hostname)) return []
  return [
    {
      code: 'insecure',
      field: 'baseURL',
      message: `The key and the prompt went to ${host} unencrypted: use https in baseURL.`,
    },
  ]
}

/**
 * The response, if a client of a language model can go on with it.
 * @throws LlmError `redirect` for every 3xx, and for how browsers show one they were told not to follow;
 *   `protocol` for what is no response at all.
 */
export function checkResponse(response: HttpResponse, url: string): HttpResponse {
  const { status, headers, type } = (response ?? {}) as Partial<HttpResponse>
  if (typeof status !== 'number' || typeof headers?.get !== 'function') {
    throw new LlmError({
      kind: 'protocol',
      phase: 'headers',
      message: 'The fetch or transport that was passed in returned no Response.',
    })
  }
  if (type !== 'opaqueredirect' && (status < 300 || status > 399)) return response
  const location = headers.get('location')
  const target = location === null ? undefined : parsed(location, url)?.origin
  throw new LlmError({
    kind: 'redirect',
    phase: 'headers',
    status,
    message:
      `${hostOf(url)} redirects to ${target ?? 'another address'}. That would take the key and the prompt along: ` +
      'set baseURL to the final address.',
  })
}
