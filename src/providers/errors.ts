/**
 * What went wrong at the server: every error body in the field, read into one `LlmError`.
 *
 * In:  an HTTP failure (status, headers, up to 64 KiB of body), or an error object found inside a stream.
 * Out: `LlmError` with kind, retryable, the provider's code, its sentence (≤ 500 characters, keys masked), the request
 *      id, and the wait the *body* asks for. Waits asked for in headers are read by http/retry.ts.
 * Not here: what the names and sentences mean (error-kinds.ts), and deciding to retry.
 */

import { LlmError } from '../errors.ts'
import type { ErrorKind, LlmErrorInit } from '../errors.ts'
import type { FailedResponse } from '../provider.ts'
import { asRecord, asString, listIn, numberIn, own, stringIn } from './body.ts'
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
  /** Names to look up, most telling first; the first is the provider's own code. */
  names: string[]
  status?: number | undefined
  retryAfterMs?: number | undefined
  requestId?: string | undefined
  /** An allowance per day is used up. */
  perDay?: true
  /** What the model wrote that the server could not accept (Groq). */
  failedGeneration?: string | undefined
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
  const { provider, response, fallbackKind = 'server' } = init
  const { status, headers, body } = response
  const html = htmlTitle(body)
  const facts = readFacts(html ?? parseBody(body))
  // x-amzn-errortype: "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"
  const amazon = headers.get('x-amzn-errortype')?.split(':', 1)[0] || undefined
  const code = facts.names[0] ?? amazon
  if (amazon !== undefined) facts.names.unshift(amazon)
  const kind = judge(facts, status) ?? fallbackKind
  const nothingThere = kind === 'not-found' && (html !== undefined || facts.message === '')
  const shouldRetry = headers.get('x-should-retry')
  const headline = `${provider} answered ${status}`
  return new LlmError({
    ...describe(
      facts,
      headline,
      nothingThere ? 'There is nothing at this path: check baseURL.' : ADVICE[kind],
    ),
    kind,
    provider,
    status,
    code,
    requestId: requestIdOf(headers) ?? facts.requestId,
    // OpenAI and Anthropic: `false` always counts, `true` only where retrying cannot harm.
    retryable:
      shouldRetry === 'false'
        ? false
        : shouldRetry === 'true' && kind === 'invalid-request'
          ? true
          : undefined,
  })
}

/**
 * An error object found inside a stream, or in a body with status 200.
 *
 * @param init.error the value that holds the error: the payload of an error event, `{error:{…}}`, or a string.
 * @param init.status the status the provider says it would have had, when it stands outside the object.
 */
export function streamError(init: { provider: string; error: unknown; status?: number }): LlmError {
  const { provider, error } = init
  const facts = readFacts(typeof error === 'string' ? parseBody(error) : error)
  const status = init.status ?? facts.status
  const kind = judge(facts, status) ?? 'server'
  return new LlmError({
    ...describe(facts, `${provider} reported an error inside its answer`, ADVICE[kind]),
    kind,
    provider,
    status,
    code: facts.names[0],
    requestId: facts.requestId,
  })
}

function judge(facts: ErrorFacts, status: number | undefined): ErrorKind | undefined {
  const waitGiven = facts.retryAfterMs !== undefined
  return facts.perDay ? 'quota' : kindOf({ ...facts, waitGiven }, status)
}

/** The fields that say in words what happened, and when to try again. */
function describe(
  facts: ErrorFacts,
  headline: string,
  advice: string | undefined,
): Pick<LlmErrorInit, 'message' | 'retryAfterMs' | 'issues'> {
  const { message, retryAfterMs, failedGeneration } = facts
  const said = maskKeys(message).slice(0, MAX_MESSAGE)
  const sentence = said === '' ? '.' : `: ${said}${/[.!?]$/.test(said) ? '' : '.'}`
  return {
    message: `${headline}${sentence}${advice === undefined ? '' : ` ${advice}`}`,
    retryAfterMs,
    issues:
      failedGeneration === undefined
        ? undefined
        : [{ message: `The model wrote: ${maskKeys(failedGeneration)}` }],
  }
}

// --------------------------------------------------------------------------------------------- reading

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

/** Bodies nest their errors up to four deep (OpenRouter: error → metadata.raw → error → message). */
const MAX_NESTING = 5

function readFacts(error: unknown): ErrorFacts {
  const facts: ErrorFacts = { message: '', names: [] }

  /** Adds a name or a number to look up. */
  function name(value: unknown): void {
    const text = typeof value === 'number' ? String(value) : asString(value)
    if (text && text.length <= 100) facts.names.push(text)
  }

  /** Adds a sentence unless it is there already; wrappers repeat what they wrap. */
  function say(text: string): void {
    if (text === '' || facts.message.includes(text) || facts.message.length > 4 * MAX_MESSAGE) return
    facts.message += facts.message === '' ? text : ` — ${text}`
  }

  function collect(value: unknown, depth: number): void {
    if (typeof value === 'string') return say(value)
    const body = asRecord(value)
    if (body === undefined || depth > MAX_NESTING) return
    // Innermost names first: innererror, details and metadata tell more than the wrapper around them.
    for (const detail of listIn(body, 'details')) googleDetail(detail)
    name(own(own(body, 'details'), 'error_code'))
    name(own(own(body, 'innererror'), 'code'))
    const nested = own(body, 'error')
    if (typeof nested !== 'string') collect(Array.isArray(nested) ? nested[0] : nested, depth + 1)
    // OpenRouter: `metadata.raw` is the upstream's body, as a JSON string or as plain text.
    const raw = own(own(body, 'metadata'), 'raw')
    collect(typeof raw === 'string' ? parseBody(raw) : raw, depth + 1)
    // MiniMax: HTTP 200 with base_resp { status_code: 1004, status_msg: 'login fail' } (2026-11).
    const base = own(body, 'base_resp')
    name(own(base, 'status_code'))
    for (const field of ['code', 'error_type', 'type', 'status', '__type']) {
      if (own(body, field) !== 'error') name(own(body, field))
    }
    sayAny(own(base, 'status_msg'), depth)
    for (const field of ['message', 'Message', 'detail', 'msg', 'errors', 'reason']) {
      sayAny(own(body, field), depth)
    }
    if (typeof nested === 'string') say(nested)
    facts.failedGeneration ??= stringIn(body, 'failed_generation') || undefined
    facts.requestId ??= stringIn(body, 'request_id') ?? stringIn(body, 'requestId')
    for (const field of ['status_code', 'raw_status_code', 'status', 'code']) {
      const status = numberIn(body, field) ?? Number(stringIn(body, field))
      if (Number.isInteger(status) && status >= 400 && status < 600) facts.status ??= status
    }
  }

  function sayAny(value: unknown, depth: number): void {
    if (!Array.isArray(value)) return collect(value, depth + 1)
    // FastAPI: [{ loc: ['body', 'messages'], msg: 'Field required', type: 'missing' }]
    for (const item of value.slice(0, 3)) {
      const text = stringIn(item, 'msg') ?? stringIn(item, 'message')
      if (text !== undefined) say([listIn(item, 'loc').join('.'), text].filter(Boolean).join(': '))
      name(own(item, 'code'))
    }
  }

  /** google.rpc: RetryInfo (the only place Gemini says how long to wait), QuotaFailure, ErrorInfo. */
  function googleDetail(detail: unknown): void {
    const type = stringIn(detail, '@type') ?? ''
    if (type.endsWith('RetryInfo')) {
      const seconds = /^([\d.]+)s$/.exec(stringIn(detail, 'retryDelay') ?? '')?.[1]
      if (seconds !== undefined) facts.retryAfterMs ??= Math.round(Number(seconds) * 1000)
    } else if (type.endsWith('QuotaFailure')) {
      // quotaId: "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
      for (const violation of listIn(detail, 'violations')) {
        if (/per ?day/i.test(stringIn(violation, 'quotaId') ?? '')) facts.perDay = true
      }
    } else if (type.endsWith('ErrorInfo')) name(own(detail, 'reason'))
  }

  collect(Array.isArray(error) ? error[0] : error, 0)
  facts.message = facts.message.replace(/\s+/g, ' ').trim()
  facts.retryAfterMs ??= waitInText(facts.message)
  return facts
}

/**
 * "Please try again in 20s" (OpenAI), "in 59ms", "in 7m12.5s" (Groq), "Please retry in 48.9s" (Gemini),
 * "Please retry after 6 seconds" (Azure).
 */
function waitInText(message: string): number | undefined {
  const found =
    /(?:try again|retry) (?:in|after) ((?:\d+(?:\.\d+)?\s?(?:ms|milliseconds?|h|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?)(?![a-z])\s?)+)/i.exec(
      message,
    )?.[1]
  if (found === undefined) return undefined
  let sum = 0
  for (const [, number, unit = ''] of found.toLowerCase().matchAll(/([\d.]+)\s?([a-z]+)/g)) {
    const milli = /^m(?:s|illi)/.test(unit)
    sum += Number(number) * (milli ? 1 : { h: 3_600_000, m: 60_000, s: 1000 }[unit[0] as 'h' | 'm' | 's'])
  }
  return Math.round(sum)
}

/** Where servers put the id that their support asks for; the provider's own name before a proxy's. */
const REQUEST_ID_HEADERS =
  'request-id x-request-id x-amzn-requestid apim-request-id mistral-correlation-id x-generation-id x-debug-trace-id cf-ray'

function requestIdOf(headers: Headers): string | undefined {
  const name = REQUEST_ID_HEADERS.split(' ').find((header) => headers.get(header))
  return name && headers.get(name)?.slice(0, 200)
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
