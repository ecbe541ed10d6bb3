/**
 * What went wrong at the server: every error body in the field, read into one `LlmError`.
 *
 * In:  an HTTP failure (status, headers, up to 64 KiB of body), or an error object found inside a stream.
 * Out: `LlmError` with kind, retryable, the provider's code, its sentence (≤ 500 characters, keys masked), the request
 *      id, and the wait the *body* asks for. Waits asked for in headers are read by http/retry.ts.
 * Not here: what the names and sentences mean (error-kinds.ts), and deciding to retry.
 */

import { LlmError } from '../errors.ts'
import type { ErrorKind } from '../errors.ts'
import type { FailedResponse } from '../provider.ts'
import { asRecord, asString, own, numberIn, stringIn, listIn } from './body.ts'
import { kindOf } from './error-kinds.ts'

/** Longest part of a provider's sentence that is kept, in UTF-16 units. */
const MAX_MESSAGE = 500

/** What to do about it: the last half of the message. */
const ADVICE: Partial<Record<ErrorKind, string>> = {
  auth: 'Check the API key and what it may use.',
  billing: 'The account has to be topped up first.',
  quota: 'The allowance is used up; waiting a few seconds will not help.',
  'rate-limit': 'Too many requests or tokens for now; wait and try again.',
  overloaded: 'The server is busy; try again later or use another model.',
  'context-length': 'Shorten the conversation or choose a model with a larger window.',
  'content-filter': "The provider's filter refused it.",
  'not-found': 'Check the model id and what the key may use.',
}

/** An error body, whatever its shape, as the fields that matter. */
interface ErrorFacts {
  message: string
  /** Names to look up, most telling first. */
  names: string[]
  /** The provider's own code as reported: the first of code, type, status name. */
  code: string | undefined
  status: number | undefined
  retryAfterMs: number | undefined
  requestId: string | undefined
  /** An allowance per day is used up. */
  perDay: boolean
  /** What the model wrote that the server could not accept (Groq). */
  failedGeneration: string | undefined
}

/**
 * An HTTP failure as an error.
 *
 * Body shapes understood: `{error:{…}}`, `{error:"text"}`, `[{error:{…}}]` (Gemini without alt=sse and its compatible
 * endpoint), `{message}` / `{Message}` (Cohere, Bedrock), `{detail:"…"}`, `{detail:[{loc,msg}]}` (FastAPI: Mistral,
 * vLLM), `{message:{detail:[…]}}`, `{errors:[{message}]}` (Cloudflare), `metadata.raw` as a JSON string (OpenRouter),
 * `innererror` (Azure), google.rpc details, HTML, plain text, nothing.
 *
 * @param init.fallbackKind the kind when neither a table nor the status says anything.
 */
export function httpError(init: {
  provider: string
  response: FailedResponse
  fallbackKind?: ErrorKind
}): LlmError {
  const { provider, response, fallbackKind } = init
  const { status, headers } = response
  const html = htmlTitle(response.body)
  const facts = html === undefined ? readFacts(parseBody(response.body)) : { ...NO_FACTS, message: html }
  // x-amzn-errortype: "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"
  const amazon = headers.get('x-amzn-errortype')?.split(':', 1)[0]
  if (amazon !== undefined && amazon !== '') {
    facts.names.unshift(amazon)
    facts.code ??= amazon
  }
  const kind = judge(facts, status, fallbackKind ?? 'server')
  const advice =
    kind === 'not-found' && (html !== undefined || facts.message === '')
      ? 'There is nothing at this path: check baseURL.'
      : ADVICE[kind]
  return build(provider, facts, kind, {
    status,
    headline: `${provider} answered ${status}`,
    advice,
    requestId: requestIdOf(headers) ?? facts.requestId,
    shouldRetry: headers.get('x-should-retry'),
  })
}

/**
 * An error object found inside a stream, or in a body with status 200.
 *
 * @param init.error the value that holds the error: the payload of an error event, `{error:{…}}`, or a string.
 * @param init.status the status the provider says it would have had, when it stands outside the object.
 */
export function streamError(init: { provider: string; error: unknown; status?: number }): LlmError {
  const facts = readFacts(typeof init.error === 'string' ? parseBody(init.error) : init.error)
  const status = init.status ?? facts.status
  const kind = judge(facts, status, 'server')
  return build(init.provider, facts, kind, {
    status,
    headline: `${init.provider} reported an error inside its answer`,
    advice: ADVICE[kind],
    requestId: facts.requestId,
    shouldRetry: null,
  })
}

// --------------------------------------------------------------------------------------------- judging

function judge(facts: ErrorFacts, status: number | undefined, fallback: ErrorKind): ErrorKind {
  if (facts.perDay) return 'quota'
  return kindOf({ ...facts, waitGiven: facts.retryAfterMs !== undefined }, status) ?? fallback
}

function build(
  provider: string,
  facts: ErrorFacts,
  kind: ErrorKind,
  more: {
    status: number | undefined
    headline: string
    advice: string | undefined
    requestId: string | undefined
    shouldRetry: string | null
  },
): LlmError {
  const said = maskKeys(facts.message).slice(0, MAX_MESSAGE)
  const sentence = said === '' ? '.' : `: ${said}${/[.!?]$/.test(said) ? '' : '.'}`
  return new LlmError({
    kind,
    provider,
    message: `${more.headline}${sentence}${more.advice === undefined ? '' : ` ${more.advice}`}`,
    status: more.status,
    code: facts.code,
    requestId: more.requestId,
    retryAfterMs: facts.retryAfterMs,
    retryable: verdict(kind, more.shouldRetry),
    issues:
      facts.failedGeneration === undefined
        ? undefined
        : [{ message: `The model wrote: ${maskKeys(facts.failedGeneration)}` }],
  })
}

/** `x-should-retry` as OpenAI and Anthropic send it: `false` always counts, `true` only where retrying cannot harm. */
function verdict(kind: ErrorKind, shouldRetry: string | null): boolean | undefined {
  if (shouldRetry === 'false') return false
  return shouldRetry === 'true' && kind === 'invalid-request' ? true : undefined
}

// --------------------------------------------------------------------------------------------- reading

const NO_FACTS: Readonly<ErrorFacts> = {
  message: '',
  names: [],
  code: undefined,
  status: undefined,
  retryAfterMs: undefined,
  requestId: undefined,
  perDay: false,
  failedGeneration: undefined,
}

/** The body as JSON, or as the text it is. */
function parseBody(body: string): unknown {
  const text = body.trim().replace(/^\ufeff/, '')
  if (!/^[[{"]/.test(text)) return text
  try {
    return JSON.parse(text) as unknown
  } catch {
    // A body cut at 64 KiB, or two of them: the sentence is what people need.
    const message = /"message"\s*:\s*"((?:[^"\\]|\\.){1,2000})"/.exec(text)?.[1]
    return message ?? text
  }
}

/** What an HTML page calls itself; undefined when the body is not HTML. Tags never reach a message. */
function htmlTitle(body: string): string | undefined {
  if (!/^\s*(?:<!doctype html|<html|<head|<body|<center|<h1|<\?xml)/i.test(body)) return undefined
  const title = /<(?:title|h1)[^>]*>([^<]{1,200})</i.exec(body)?.[1]?.replace(/\s+/g, ' ').trim()
  return title === undefined || title === '' ? 'an HTML page' : `an HTML page titled "${title}"`
}

function readFacts(value: unknown): ErrorFacts {
  const facts: ErrorFacts = { ...NO_FACTS, names: [] }
  collect(Array.isArray(value) ? value[0] : value, facts, 0)
  facts.message = facts.message.replace(/\s+/g, ' ').trim()
  facts.retryAfterMs ??= waitInText(facts.message)
  return facts
}

/** Bodies nest their errors up to four deep (OpenRouter: error → metadata.raw → error → message). */
const MAX_NESTING = 5

function collect(value: unknown, facts: ErrorFacts, depth: number): void {
  if (typeof value === 'string') {
    say(facts, value)
    return
  }
  const body = asRecord(value)
  if (body === undefined || depth > MAX_NESTING) return
  const nested = own(body, 'error')
  // Innermost names first: innererror, details and metadata tell more than the wrapper around them.
  for (const detail of listIn(body, 'details')) googleDetail(detail, facts)
  addName(facts, own(own(body, 'details'), 'error_code'))
  addName(facts, own(own(body, 'innererror'), 'code'))
  if (asRecord(nested) !== undefined || Array.isArray(nested)) {
    collect(Array.isArray(nested) ? nested[0] : nested, facts, depth + 1)
  }
  upstream(own(body, 'metadata'), facts, depth)
  // MiniMax: HTTP 200 with base_resp { status_code: 1004, status_msg: 'login fail' } (2026-11).
  const base = own(body, 'base_resp')
  addName(facts, own(base, 'status_code'))
  for (const field of ['code', 'error_type', 'type', 'status', '__type'] as const) {
    if (own(body, field) !== 'error') addName(facts, own(body, field))
  }
  sayAny(facts, own(base, 'status_msg'), depth)
  for (const field of ['message', 'Message', 'detail', 'msg', 'errors', 'reason'] as const)
    sayAny(facts, own(body, field), depth)
  if (typeof nested === 'string') say(facts, nested)
  const generation = stringIn(body, 'failed_generation')
  if (generation !== undefined && generation !== '') facts.failedGeneration ??= generation
  facts.requestId ??= stringIn(body, 'request_id') ?? stringIn(body, 'requestId')
  for (const field of ['status_code', 'raw_status_code', 'status', 'code'] as const) {
    const status = numberIn(body, field) ?? Number(stringIn(body, field))
    if (Number.isInteger(status) && status >= 400 && status < 600) facts.status ??= status
  }
}

/** OpenRouter: `metadata.raw` is the upstream's body, as a JSON string or as plain text. */
function upstream(metadata: unknown, facts: ErrorFacts, depth: number): void {
  const raw = own(metadata, 'raw')
  if (typeof raw === 'string') collect(parseBody(raw), facts, depth + 1)
  else if (raw !== undefined) collect(raw, facts, depth + 1)
}

function sayAny(facts: ErrorFacts, value: unknown, depth: number): void {
  if (typeof value === 'string') say(facts, value)
  else if (Array.isArray(value)) {
    // FastAPI: [{ loc: ['body', 'messages'], msg: 'Field required', type: 'missing' }]
    for (const item of value.slice(0, 3)) {
      const text = stringIn(item, 'msg') ?? stringIn(item, 'message')
      const path = listIn(item, 'loc').join('.')
      if (text !== undefined) say(facts, path === '' ? text : `${path}: ${text}`)
      addName(facts, own(item, 'code'))
    }
  } else if (value !== undefined) collect(value, facts, depth + 1)
}

/** Adds a sentence unless it is there already; wrappers repeat what they wrap. */
function say(facts: ErrorFacts, text: string): void {
  if (text === '' || facts.message.includes(text) || facts.message.length > 4 * MAX_MESSAGE) return
  facts.message += facts.message === '' ? text : ` — ${text}`
}

function addName(facts: ErrorFacts, value: unknown): void {
  const name = typeof value === 'number' ? String(value) : asString(value)
  if (name === undefined || name === '' || name.length > 100) return
  facts.names.push(name)
  facts.code ??= name
}

/** google.rpc: RetryInfo (the only place Gemini says how long to wait), QuotaFailure, ErrorInfo. */
function googleDetail(detail: unknown, facts: ErrorFacts): void {
  const type = stringIn(detail, '@type') ?? ''
  if (type.endsWith('RetryInfo')) {
    const seconds = /^([\d.]+)s$/.exec(stringIn(detail, 'retryDelay') ?? '')?.[1]
    if (seconds !== undefined) facts.retryAfterMs ??= Math.round(Number(seconds) * 1000)
  } else if (type.endsWith('QuotaFailure')) {
    // quotaId: "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
    for (const violation of listIn(detail, 'violations')) {
      if (/per ?day/i.test(stringIn(violation, 'quotaId') ?? '')) facts.perDay = true
    }
  } else if (type.endsWith('ErrorInfo')) addName(facts, own(detail, 'reason'))
}

/**
 * "Please try again in 20s" (OpenAI), "in 59ms", "in 7m12.5s" (Groq), "Please retry in 48.9s" (Gemini),
 * "Please retry after 6 seconds" (Azure).
 */
function waitInText(message: string): number | undefined {
  const found =
    /(?:try again|retry) (?:in|after) ((?:\d+(?:\.\d+)?\s?(?:ms|milliseconds?|h|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?)(?![a-z])\s?)+)/i.exec(
      message,
    )
  if (found === null) return undefined
  let sum = 0
  for (const [, number, unit] of (found[1] ?? '').matchAll(/(\d+(?:\.\d+)?)\s?([a-z]+)/gi)) {
    const name = (unit ?? '').toLowerCase()
    const each =
      name === 'ms' || name.startsWith('milli')
        ? 1
        : name === 'h'
          ? 3_600_000
          : name.startsWith('m')
            ? 60_000
            : 1000
    sum += Number(number) * each
  }
  return Math.round(sum)
}

/** Where servers put the id that their support asks for; the provider's own name before a proxy's. */
const REQUEST_ID_HEADERS: readonly string[] = [
  'request-id',
  'x-request-id',
  'x-amzn-requestid',
  'apim-request-id',
  'mistral-correlation-id',
  'x-generation-id',
  'x-debug-trace-id',
  'cf-ray',
]

function requestIdOf(headers: Headers): string | undefined {
  for (const name of REQUEST_ID_HEADERS) {
    const value = headers.get(name)
    if (value !== null && value !== '') return value.slice(0, 200)
  }
  return undefined
}

/** Servers echo keys ("Incorrect API key provided: sk-ab***yz"). What looks like one keeps only its prefix. */
const KEY_LIKE: RegExp =
  /\b(sk-|gsk_|xai-|pplx-|hf_|ghp_|github_pat_|nvapi-|AIza|AKIA|ASIA|Bearer\s+)[\w.*+/=-]{4,}|([?&](?:key|api[-_]?key|access_token)=)[^&\s"']+/gi

/** The text with everything that looks like an API key or token replaced by `***`. */
export function maskKeys(text: string): string {
  return text.replace(
    KEY_LIKE,
    (_, prefix: string | undefined, parameter: string | undefined) => `${prefix ?? parameter ?? ''}***`,
  )
}
