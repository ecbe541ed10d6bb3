import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ErrorKind } from '../../src/errors.ts'
import { httpError, maskKeys, streamError } from '../../src/providers/errors.ts'
import { corpusFolder } from '../corpus.ts'

function http(status: number, body: unknown, headers: Record<string, string> = {}) {
  return httpError({
    provider: 'acme',
    response: {
      status,
      headers: new Headers(headers),
      body: typeof body === 'string' ? body : JSON.stringify(body),
    },
  })
}

describe('error body shapes', () => {
  const shapes: [string, number, unknown, ErrorKind, string, string?][] = [
    [
      'nested object',
      400,
      { error: { message: 'Bad field', type: 'invalid_request_error', code: 'x_y' } },
      'invalid-request',
      'Bad field',
      'x_y',
    ],
    [
      'string (xAI: a bad key is a 400)',
      400,
      { code: 'invalid-argument', error: 'Incorrect API key provided: xa***yz.' },
      'auth',
      'Incorrect API key provided',
      'invalid-argument',
    ],
    ['string (Ollama)', 404, { error: 'model "x" not found' }, 'not-found', 'model "x" not found'],
    [
      'array-wrapped (Gemini)',
      503,
      [{ error: { code: 503, message: 'Try later', status: 'UNAVAILABLE' } }],
      'overloaded',
      'Try later',
      '503',
    ],
    [
      'message (Cohere)',
      404,
      { id: 'abc', message: 'model x was removed' },
      'not-found',
      'model x was removed',
    ],
    ['Message (AWS)', 403, { Message: 'User is not authorized' }, 'auth', 'User is not authorized'],
    ['detail string (Mistral)', 401, { detail: 'Invalid API Key' }, 'auth', 'Invalid API Key'],
    [
      'detail list (FastAPI)',
      422,
      { detail: [{ loc: ['body', 'messages'], msg: 'Field required', type: 'missing' }] },
      'invalid-request',
      'body.messages: Field required',
    ],
    [
      'detail inside message (Mistral)',
      422,
      {
        object: 'error',
        message: { detail: [{ loc: ['body'], msg: 'Extra inputs' }] },
        type: 'invalid_request',
      },
      'invalid-request',
      'body: Extra inputs',
      'invalid_request',
    ],
    [
      'metadata.raw as a JSON string (OpenRouter)',
      429,
      {
        error: {
          code: 429,
          message: 'Provider returned error',
          metadata: { raw: '{"error":{"message":"Overloaded upstream","type":"overloaded_error"}}' },
        },
      },
      'overloaded',
      'Overloaded upstream',
    ],
    [
      'metadata.raw as text',
      429,
      {
        error: {
          code: 429,
          message: 'Provider returned error',
          metadata: { raw: 'x is temporarily rate-limited' },
        },
      },
      'rate-limit',
      'temporarily rate-limited',
    ],
    [
      'innererror (Azure)',
      400,
      {
        error: {
          code: '400',
          message: 'The prompt was blocked',
          innererror: { code: 'ResponsibleAIPolicyViolation', content_filter_result: {} },
        },
      },
      'content-filter',
      'The prompt was blocked',
      'ResponsibleAIPolicyViolation',
    ],
    [
      'errors list (Cloudflare)',
      400,
      { errors: [{ message: 'AiError: bad', code: 5006 }] },
      'invalid-request',
      'AiError: bad',
    ],
    [
      'HTML',
      502,
      '<html><head><title>502 Bad Gateway</title></head><body>x</body></html>',
      'server',
      '502 Bad Gateway',
    ],
    ['plain text', 500, 'upstream connect error', 'server', 'upstream connect error'],
    ['nothing', 504, '', 'server', '504'],
    ['not JSON after all', 400, '{"error":{"message":"cut he', 'invalid-request', 'cut he'],
    [
      'base_resp (MiniMax)',
      400,
      { base_resp: { status_code: 1008, status_msg: 'insufficient balance' } },
      'billing',
      'insufficient balance',
      '1008',
    ],
    ['a number', 500, '5', 'server', '5'],
    ['null', 500, 'null', 'server', 'null'],
  ]
  it.each(shapes)('%s', (_, status, body, kind, text, code) => {
    const error = http(status, body)
    expect(error.kind).toBe(kind)
    expect(error.message).toContain(text)
    expect(error.status).toBe(status)
    if (code !== undefined) expect(error.code).toBe(code)
  })

  it('one HTML page does not colour how the next one is read', () => {
    const page = '<html><title>Blocked</title></html>'
    expect(http(400, page, { 'x-amzn-errortype': 'ThrottlingException' }).kind).toBe('rate-limit')
    expect(http(401, page).kind).toBe('auth')
  })

  it('a 404 page is told apart from an unknown model', () => {
    expect(http(404, '<html><h1>404 Not Found</h1></html>').message).toContain('check baseURL')
    expect(
      http(404, { error: { message: 'The model x does not exist', code: 'model_not_found' } }).message,
    ).toContain('Check the model id')
  })

  it('no tag of a page reaches the message', () => {
    expect(http(503, '<!DOCTYPE html><title>a</title><script>alert(1)</script>').message).not.toContain('<')
  })

  it('hostile bodies: depth, size, prototype keys', () => {
    const deep = `${'{"error":'.repeat(50_000)}1${'}'.repeat(50_000)}`
    expect(http(400, deep).kind).toBe('invalid-request')
    expect(http(400, { error: { message: 'x'.repeat(60_000) } }).message.length).toBeLessThan(700)
    http(400, '{"__proto__":{"polluted":1},"error":{"__proto__":{"message":"m"}}}')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('context overflow, in each provider’s own words', () => {
  const sentences: [number, string][] = [
    [400, 'prompt is too long: 213462 tokens > 200000 maximum'],
    [400, 'input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000'],
    [
      400,
      "This model's maximum context length is 8192 tokens. However, your messages resulted in 8227 tokens. Please reduce the length of the messages.",
    ],
    [
      400,
      "This endpoint's maximum context length is 131072 tokens. However, you requested about 200000 tokens",
    ],
    [400, 'Your input exceeds the context window of this model. Please adjust your input and try again.'],
    [400, "Input length (265330) exceeds model's maximum context length (262144)."],
    [400, 'The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).'],
    [400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens."],
    [400, 'Please reduce the length of the messages or completion.'],
    [
      413,
      'Request too large for model `m` in organization `o` on tokens per minute (TPM): Limit 6000, Requested 7123, please reduce your message size',
    ],
    [400, 'Input length 300000 exceeds the maximum allowed input length of 262144 tokens.'],
    [400, "The input (140000 tokens) is longer than the model's context length (131072 tokens)."],
    [
      422,
      'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens and 512 `max_new_tokens`',
    ],
    [400, 'the request exceeds the available context size, try increasing it'],
    [400, 'tokens to keep from the initial prompt is greater than the context length'],
    [400, 'prompt token count of 140000 exceeds the limit of 128000'],
    [400, 'invalid params, context window exceeds limit'],
    [400, 'Your request exceeded model token limit: 262144 (requested: 291351)'],
    [
      400,
      'Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
    ],
    [400, 'Range of input length should be [1, 98304]'],
    [400, 'Input is too long for requested model.'],
    [400, 'too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292'],
    [400, 'Prompt has 9000 tokens, but the configured context size is 8192 tokens'],
    [400, 'prompt too long; exceeded max context length by 812 tokens'],
    [429, 'Request too large for gpt-4 on tokens per min (TPM): Limit 10000, Requested 20000.'],
  ]
  it.each(sentences)('%i %s', (status, message) => {
    const code = status === 429 ? 'rate_limit_exceeded' : null
    expect(http(status, { error: { message, type: 'tokens', code } })).toMatchObject({
      kind: 'context-length',
      retryable: false,
    })
  })

  it('is not what these say', () => {
    expect(http(429, { message: 'Too many tokens, please wait before trying again.' }).kind).toBe(
      'rate-limit',
    )
    expect(
      http(400, {
        error: {
          message: 'max_tokens is too large: 100000. This model supports at most 16384 completion tokens',
          code: 'invalid_value',
        },
      }).kind,
    ).toBe('invalid-request')
  })

  it('is also 413 alone, and the codes', () => {
    expect(http(413, '').kind).toBe('context-length')
    expect(http(400, { error: { message: 'x', code: 'context_length_exceeded' } }).kind).toBe(
      'context-length',
    )
    expect(
      http(413, { type: 'error', error: { type: 'request_too_large', message: 'Request exceeds' } }).kind,
    ).toBe('context-length')
    expect(http(400, { message: 'x', error_type: 'TOO_MANY_TOKENS' }).kind).toBe('context-length')
    expect(http(400, { error: { code: '1261', message: 'Prompt exceeds max length' } }).kind).toBe(
      'context-length',
    )
  })
})

describe('429 is several things', () => {
  const cases: [string, unknown, ErrorKind, boolean, number?][] = [
    [
      'a rate',
      {
        error: {
          message: 'Rate limit reached. Please try again in 20s.',
          type: 'tokens',
          code: 'rate_limit_exceeded',
        },
      },
      'rate-limit',
      true,
      20_000,
    ],
    [
      'an empty quota (OpenAI)',
      {
        error: {
          message: 'You exceeded your current quota, please check…',
          type: 'insufficient_quota',
          code: 'insufficient_quota',
        },
      },
      'quota',
      false,
    ],
    [
      'a spend limit (Anthropic)',
      {
        type: 'error',
        error: {
          type: 'rate_limit_error',
          message: 'Limit',
          details: { error_code: 'enforced_spend_limit_reached' },
        },
      },
      'quota',
      false,
    ],
    [
      'a plan’s allowance (Z.ai)',
      { error: { code: '1308', message: 'Usage limit reached for 5 hour.' } },
      'quota',
      false,
    ],
    [
      'concurrency (Z.ai)',
      { error: { code: '1302', message: 'High concurrency usage of this API' } },
      'rate-limit',
      true,
    ],
    [
      'an empty account (Z.ai)',
      { error: { code: '1113', message: 'Insufficient balance or no resource package.' } },
      'billing',
      false,
    ],
    [
      'one minute (Gemini)',
      {
        error: {
          code: 429,
          message:
            'You exceeded your current quota, please check your plan and billing details. Please retry in 34.4s.',
          status: 'RESOURCE_EXHAUSTED',
          details: [
            {
              '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
              violations: [{ quotaId: 'GenerateRequestsPerMinutePerProjectPerModel-FreeTier' }],
            },
            { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.4s' },
          ],
        },
      },
      'rate-limit',
      true,
      34_400,
    ],
    [
      'one day (Gemini)',
      {
        error: {
          code: 429,
          message: 'You exceeded your current quota',
          status: 'RESOURCE_EXHAUSTED',
          details: [
            {
              '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
              violations: [{ quotaId: 'GenerateRequestsPerDayPerProjectPerModel-FreeTier' }],
            },
            { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34s' },
          ],
        },
      },
      'quota',
      false,
      34_000,
    ],
    [
      'capacity (Mistral)',
      {
        object: 'error',
        message: 'Service tier capacity exceeded for this model.',
        type: 'service_tier_capacity_exceeded',
        code: '3505',
      },
      'overloaded',
      true,
    ],
    [
      'an empty account (Moonshot)',
      { error: { type: 'exceeded_current_quota_error', message: 'suspended' } },
      'quota',
      false,
    ],
  ]
  it.each(cases)('%s', (_, body, kind, retryable, retryAfterMs) => {
    const error = http(429, body)
    expect(error).toMatchObject({ kind, retryable })
    expect(error.retryAfterMs).toBe(retryAfterMs)
  })

  it.each([
    ['Please try again in 59ms.', 59],
    ['Please try again in 7m12.5s.', 432_500],
    ['Please retry after 6 seconds.', 6000],
    ['Please try again in 1h2m.', 3_720_000],
    ['Please retry in 48.9s', 48_900],
    ['Please try again in a while', undefined],
  ])('%s', (message, ms) => {
    expect(http(429, { error: { message } }).retryAfterMs).toBe(ms)
  })
})

describe('statuses', () => {
  it.each<[number, ErrorKind, boolean]>([
    [301, 'redirect', false],
    [400, 'invalid-request', false],
    [401, 'auth', false],
    [402, 'billing', false],
    [403, 'auth', false],
    [404, 'not-found', false],
    [405, 'invalid-request', false],
    [408, 'server', true],
    [409, 'server', true],
    [410, 'not-found', false],
    [413, 'context-length', false],
    [415, 'invalid-request', false],
    [422, 'invalid-request', false],
    [424, 'server', true],
    [425, 'server', true],
    [429, 'rate-limit', true],
    [498, 'auth', false],
    [500, 'server', true],
    [502, 'server', true],
    [503, 'overloaded', true],
    [504, 'server', true],
    [520, 'server', true],
    [529, 'overloaded', true],
  ])('%i is %s', (status, kind, retryable) => {
    expect(http(status, '')).toMatchObject({ kind, retryable, status })
  })

  it('x-should-retry false always counts, true where retrying cannot harm', () => {
    expect(http(429, '', { 'x-should-retry': 'false' }).retryable).toBe(false)
    expect(http(500, '', { 'x-should-retry': 'false' }).retryable).toBe(false)
    expect(http(400, '', { 'x-should-retry': 'true' }).retryable).toBe(true)
    expect(http(401, '', { 'x-should-retry': 'true' }).retryable).toBe(false)
  })
})

describe('names with lying statuses', () => {
  it.each<[number, unknown, ErrorKind]>([
    [
      400,
      {
        error: {
          code: 400,
          message: 'API key not valid. Please pass a valid API key.',
          status: 'INVALID_ARGUMENT',
          details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }],
        },
      },
      'auth',
    ],
    [
      400,
      {
        type: 'error',
        error: {
          type: 'invalid_request_error',
          message: 'Your credit balance is too low to access the Anthropic API.',
        },
      },
      'billing',
    ],
    [400, { message: 'The provided model identifier is invalid.' }, 'not-found'],
    [
      400,
      { error: { message: "The requested model 'x' does not exist.", code: 'model_not_found' } },
      'not-found',
    ],
    [402, { error: { message: 'Insufficient Balance' } }, 'billing'],
    [
      403,
      {
        error: {
          code: 403,
          message: 'Your chosen model requires moderation and your input was flagged for "x"',
        },
      },
      'content-filter',
    ],
    [400, { error: { code: 'data_inspection_failed', message: 'x' } }, 'content-filter'],
    [
      400,
      { error: { code: 'tool_use_failed', message: 'x', failed_generation: '{"name":"f"}' } },
      'invalid-output',
    ],
  ])('%i %j', (status, body, kind) => {
    expect(http(status, body).kind).toBe(kind)
  })

  it('AWS names its error in a header', () => {
    const error = http(
      429,
      { message: 'slow' },
      { 'x-amzn-errortype': 'ThrottlingException:http://internal/' },
    )
    expect(error).toMatchObject({ kind: 'rate-limit', code: 'ThrottlingException' })
  })

  it('keeps what the model wrote when the server rejects it', () => {
    const error = http(400, {
      error: { code: 'tool_use_failed', message: 'x', failed_generation: '{"name":"f"}' },
    })
    expect(error.issues).toEqual([{ message: 'The model wrote: {"name":"f"}' }])
  })
})

describe('inside a stream', () => {
  it.each<[string, unknown, ErrorKind, boolean]>([
    ['OpenAI', { error: { message: 'The server had an error', type: 'server_error' } }, 'server', true],
    [
      'Anthropic',
      { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
      'overloaded',
      true,
    ],
    ['OpenRouter', { error: { code: 400, message: 'Token limit reached' } }, 'invalid-request', false],
    ['Gemini by RPC name', { error: { status: 'RESOURCE_EXHAUSTED', message: 'x' } }, 'rate-limit', true],
    ['Bedrock exception', { __type: 'throttlingException', message: 'x' }, 'rate-limit', true],
    [
      'Groq',
      { error: { message: 'x', type: 'invalid_request_error', code: 'tool_use_failed', status_code: 400 } },
      'invalid-output',
      false,
    ],
    ['Ollama', { error: 'an error was encountered while running the model' }, 'server', true],
    ['a string of JSON', '{"error":{"code":503,"message":"busy"}}', 'overloaded', true],
    ['a string', 'upstream died', 'server', true],
    ['nothing', undefined, 'server', true],
    ['general name only', { type: 'invalid_request_error', message: 'x' }, 'invalid-request', false],
  ])('%s', (_, error, kind, retryable) => {
    expect(streamError({ provider: 'acme', error })).toMatchObject({ kind, retryable, provider: 'acme' })
  })
})

describe('secrets', () => {
  it('what looks like a key keeps its prefix only', () => {
    const text =
      'Incorrect API key provided: sk-proj-abc123DEF, gsk_abcdef12, AIzaSyAbc-123, Bearer eyJhbGci.x.y, https://h/p?key=abc&x=1'
    const masked = maskKeys(text)
    for (const secret of ['abc123DEF', 'abcdef12', 'SyAbc', 'eyJ', 'key=abc'])
      expect(masked).not.toContain(secret)
    expect(http(401, { error: { message: text } }).message).not.toContain('abc123DEF')
  })
})

it('finds the request id in headers and bodies', () => {
  expect(http(500, '', { 'request-id': 'req_1' }).requestId).toBe('req_1')
  expect(http(500, { request_id: 'req_2', error: { message: 'x' } }).requestId).toBe('req_2')
})

corpusFolder('recorded error bodies', 'recordings/errors', (folder, ran) => {
  /** Where the status alone would say something else, or nothing: by a piece of the body. */
  const expected: [RegExp, ErrorKind][] = [
    [
      /model_not_found|not_found_error|NOT_FOUND|was removed|not found, make sure|model identifier is invalid/,
      'not-found',
    ],
    [/tool_use_failed/, 'invalid-output'],
    [/rate-limited upstream/, 'rate-limit'],
  ]
  for (const vendor of readdirSync(folder)) {
    it(vendor, () => {
      for (const file of readdirSync(join(folder, vendor)).filter((name) => !name.endsWith('.meta.json'))) {
        const path = join(folder, vendor, file)
        const body = readFileSync(path, 'utf8')
        const meta = JSON.parse(readFileSync(`${path}.meta.json`, 'utf8')) as { status: number }
        const error = httpError({
          provider: vendor,
          response: { status: meta.status, headers: new Headers(), body },
        })
        const kind = expected.find(([pattern]) => pattern.test(body))?.[1] ?? 'invalid-request'
        expect(error.kind, `${file}: ${body.slice(0, 200)}`).toBe(kind)
        expect(error.message.length, file).toBeGreaterThan(20)
        ran()
      }
    })
  }
})
