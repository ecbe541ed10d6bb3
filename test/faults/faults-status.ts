/** Rows 27 to 47: what servers answer instead of an answer. Data; see harness.ts. */

import type { ErrorKind } from '../../src/errors.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { gemini } from '../../src/providers/gemini.ts'
import type { Provider } from '../../src/provider.ts'
import { KEY, type Expected, type Fault, type Serve } from './harness.ts'
import { holding } from './matchers.ts'
import { http } from './server.ts'

/** A server that answers every request with this status. */
function status(code: number, body: unknown, headers: Record<string, string> = {}): Serve {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return () => http((response) => response.writeHead(code, headers).end(text))
}

const message = (text: string, more: object = {}): object => ({ error: { message: text, ...more } })
const nginx = (code: number): string =>
  `<html>\r\n<head><title>${code} Not Found</title></head>\r\n<body><center><h1>${code} Not Found</h1></center></body></html>`

const claude = (url: string): Provider => anthropic({ baseURL: url, apiKey: KEY })
const google = (url: string): Provider => gemini({ baseURL: url, apiKey: KEY })

/** R, F, B. */
const RFB = { tries: 3, failsOver: true, health: 'open' } as const
/** Neither retried nor tried elsewhere, and nobody's health. */
const NOTHING = { tries: 1, failsOver: false, health: 'closed' } as const

/** A row whose request itself is at fault. */
function refusal(row: number, name: string, kind: ErrorKind, serve: Serve, more: Partial<Fault> = {}): Fault {
  return { row, name, serve, ...more, expected: { ...NOTHING, kind } }
}

export const STATUS: Fault[] = [
  // ---------------------------------------------------------------------------------------- hints
  ...['999999999', '2147483648', '9'.repeat(400)].map((value): Fault => ({
    row: 31,
    name: `429, retry-after: ${value.slice(0, 12)}`,
    serve: status(429, message('slow down'), { 'retry-after': value }),
    expected: {
      tries: 1,
      failsOver: true,
      health: 'cooling',
      kind: 'rate-limit',
      error: { retryAfterMs: Math.min(Number(value) * 1000, 0x7fff_ffff) },
    },
  })),
  ...['Infinity', '1e400', '-5', '', 'abc', '5s', '20 Oct', '1, 2'].map((value): Fault => ({
    row: 32,
    name: `429, retry-after: ${JSON.stringify(value)} is no number`,
    serve: status(429, message('slow down'), { 'retry-after': value }),
    expected: {
      tries: 3,
      failsOver: true,
      health: 'cooling',
      kind: 'rate-limit',
      error: { retryAfterMs: undefined },
    },
  })),
  {
    row: 33,
    name: '429 whose body says 90 s: longer than anybody sleeps',
    codec: google,
    serve: status(429, {
      error: {
        code: 429,
        status: 'RESOURCE_EXHAUSTED',
        message: 'You exceeded your current quota.',
        details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '90s' }],
      },
    }),
    expected: {
      tries: 1,
      failsOver: true,
      health: 'cooling',
      kind: 'rate-limit',
      error: { retryAfterMs: 90_000 },
    },
  },
  // ---------------------------------------------------------------------------------------- quota
  ...(
    [
      [
        'OpenAI insufficient_quota',
        undefined,
        message('You exceeded your quota', { code: 'insufficient_quota' }),
      ],
      [
        'Anthropic enforced_spend_limit_reached',
        claude,
        {
          type: 'error',
          error: {
            type: 'rate_limit_error',
            message: 'limit',
            details: { error_code: 'enforced_spend_limit_reached' },
          },
        },
      ],
      ['Z.ai 1308', undefined, message('Usage limit reached for 5 hour.', { code: '1308' })],
      [
        'Gemini per day',
        google,
        {
          error: {
            code: 429,
            status: 'RESOURCE_EXHAUSTED',
            message: 'You exceeded your current quota.',
            details: [
              {
                '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
                violations: [{ quotaId: 'GenerateRequestsPerDayPerProjectPerModel-FreeTier' }],
              },
              { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34s' },
            ],
          },
        },
      ],
    ] as const
  ).map(([name, codec, body]): Fault => {
    return {
      row: 34,
      name,
      serve: status(429, body),
      ...(codec === undefined ? {} : { codec }),
      // Not a failure: set aside for a while, without a probe.
      expected: { tries: 1, failsOver: true, health: 'unusable', kind: 'quota' },
    }
  }),
  // --------------------------------------------------------------------------- x-should-retry
  {
    row: 35,
    name: '429 with x-should-retry: false',
    serve: status(429, message('no'), { 'x-should-retry': 'false' }),
    expected: { tries: 1, failsOver: true, health: 'cooling', kind: 'rate-limit' },
  },
  {
    row: 35,
    name: '400 with x-should-retry: true',
    serve: status(400, message('odd'), { 'x-should-retry': 'true' }),
    expected: { tries: 3, failsOver: false, health: 'closed', kind: 'invalid-request' },
  },
  // --------------------------------------------------------------------------------- the server
  ...(
    [
      [500, 'server'],
      [502, 'server'],
      [503, 'overloaded'],
      [504, 'server'],
    ] as const
  ).map(([code, kind]): Fault => ({
    row: 36,
    name: `${code} with JSON`,
    serve: status(code, message('broken')),
    expected: { ...RFB, kind, error: { status: code }, billed: code !== 503 },
  })),
  ...[520, 521, 522, 523, 524, 525, 526, 527].map((code): Fault => ({
    row: 37,
    name: `${code} of Cloudflare, a page`,
    serve: status(
      code,
      `<!DOCTYPE html><html><head><title>fault.test | ${code}: Web server is down</title></head><body><div>x</div></body></html>`,
      { 'content-type': 'text/html' },
    ),
    expected: {
      ...RFB,
      kind: 'server',
      error: { status: code, message: holding('Web server is down', '<') },
    },
  })),
  {
    row: 38,
    name: '529 overloaded_error',
    codec: claude,
    serve: status(529, { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }),
    expected: { ...RFB, kind: 'overloaded', billed: false },
  },
  {
    row: 39,
    name: '503 with retry-after: 120',
    serve: status(503, message('later'), { 'retry-after': '120' }),
    expected: {
      tries: 1,
      failsOver: true,
      health: 'open',
      kind: 'overloaded',
      error: { retryAfterMs: 120_000 },
    },
  },
  ...[408, 409, 425].map((code): Fault => ({
    row: 40,
    name: `${code}`,
    serve: status(code, message('again, please')),
    expected: { ...RFB, kind: 'server' },
  })),
  // ---------------------------------------------------------------------------------- the request
  ...[400, 405, 415, 422].map((code) =>
    refusal(41, `${code}`, 'invalid-request', status(code, message('temperature must be a number'))),
  ),
  ...(
    [
      [413, 'Request Entity Too Large'],
      [
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
      ],
      [400, 'prompt is too long: 213462 tokens > 200000 maximum'],
      [400, 'input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000'],
      [400, 'Your input exceeds the context window of this model.'],
      [400, 'The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).'],
      [400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens."],
      [400, 'Please reduce the length of the messages or completion.'],
      [400, 'prompt token count of 140000 exceeds the limit of 128000'],
      [400, 'the request exceeds the available context size, try increasing it'],
      [400, 'Input is too long for requested model.'],
      [400, 'Your request exceeded model token limit: 262144 (requested: 291351)'],
      [400, 'Range of input length should be [1, 98304]'],
      [400, 'too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292'],
      [400, 'context window exceeds limit'],
      [400, 'Prompt too long'],
      [500, 'prompt too long; exceeded max context length by 812 tokens'],
    ] as const
  ).map(([code, text]) => refusal(42, `${code} ${text}`, 'context-length', status(code, message(text)))),
  refusal(
    43,
    'Azure, 400 content_filter',
    'content-filter',
    status(400, message('The response was filtered', { code: 'content_filter' })),
  ),
  refusal(
    43,
    'Gemini, 200 with promptFeedback.blockReason',
    'content-filter',
    status(200, `data: ${JSON.stringify({ promptFeedback: { blockReason: 'SAFETY' } })}\n\n`),
    { codec: google },
  ),
  ...[401, 403].map((code): Fault => ({
    row: 44,
    name: `${code} that echoes the key`,
    serve: status(
      code,
      message(`Incorrect API key provided: ${KEY}. And the start of it: ${KEY.slice(0, 8)}***`),
      {
        'x-request-id': `req-${KEY}`,
      },
    ),
    // Set aside, because the next call would be refused alike; yet a wrong key is not papered over.
    expected: {
      tries: 1,
      failsOver: false,
      health: 'unusable',
      kind: 'auth',
      error: { message: holding('***') },
    },
  })),
  {
    row: 45,
    name: '402',
    serve: status(402, message('Insufficient Balance')),
    expected: { tries: 1, failsOver: true, health: 'unusable', kind: 'billing' },
  },
  {
    row: 46,
    name: '404 of a model',
    serve: status(404, message('The model `x` does not exist', { code: 'model_not_found' })),
    expected: { ...notFound('Check the model id') },
  },
  {
    row: 46,
    name: '404 of a path, a page of nginx',
    serve: status(404, nginx(404), { 'content-type': 'text/html' }),
    expected: { ...notFound('check baseURL') },
  },
  ...(
    [
      [204, ''],
      [200, ''],
      [200, '\n\n  '],
    ] as const
  ).map(([code, body]): Fault => ({
    row: 47,
    name: `${code} with ${JSON.stringify(body)}`,
    serve: status(code, body),
    expected: { ...RFB, tries: 2, kind: 'protocol' },
  })),
]

function notFound(advice: string): Expected {
  return {
    tries: 1,
    failsOver: true,
    health: 'unusable',
    kind: 'not-found',
    error: { status: 404, message: holding(advice) },
  }
}
