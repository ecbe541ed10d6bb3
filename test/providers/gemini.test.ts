import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import { gemini } from '../../src/providers/gemini.ts'
import type { Request, StreamEvent } from '../../src/types.ts'
import { ask, run, stream, sum, thrown } from './codec.ts'

const provider = gemini()
const fixture = (name: string): string => readFileSync(`fixtures/gemini/${name}`, 'utf8')
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
/** The payloads of a stream: what the same answer is without alt=sse. */
const frames = (text: string): unknown[] =>
  text
    .split('\r\n\r\n')
    .filter((event) => event !== '')
    .map((event) => JSON.parse(event.slice('data: '.length)) as unknown)
const sse = (...payloads: unknown[]): string =>
  payloads.map((payload) => `data: ${JSON.stringify(payload)}\r\n\r\n`).join('')
const candidate = (more: object): object => ({
  candidates: [{ index: 0, ...more }],
  responseId: 'r',
  modelVersion: 'm',
})
const says = (text: string, more: object = {}): object =>
  candidate({ content: { parts: [{ text }] }, ...more })
const wholes = [
  'text.sse',
  'thinking-tools.sse',
  'partial-args.sse',
  'server-tools.sse',
  'code-execution.sse',
  'grounding.sse',
]

describe('a Gemini answer', () => {
  it('is text, usage and a reason to stop, in every chunking', () => {
    const { text, finish } = sum(stream(provider, fixture('text.sse')))
    expect(text).toBe('Blue light scatters — más 🔵')
    expect(finish).toEqual({
      type: 'finish',
      finishReason: 'stop',
      rawFinishReason: 'STOP',
      usage: { inputTokens: 6, outputTokens: 9, totalTokens: 15, cachedInputTokens: 2 },
    })
  })

  it('names the model and the response', () => {
    expect(stream(provider, fixture('text.sse'))[0]).toEqual({
      type: 'start',
      provider: 'gemini',
      model: 'gemini-3.8-flash',
      id: 'resp-1',
    })
  })

  it.each(wholes)('%s is the same as an array without alt=sse', (name) => {
    expect(provider.decode(frames(fixture(name))).events).toEqual(stream(provider, fixture(name)))
  })

  it('is the same as one JSON body', () => {
    const streamed = sum(stream(provider, fixture('thinking-tools.sse')))
    const all = frames(fixture('thinking-tools.sse')) as { candidates: { content: { parts: unknown[] } }[] }[]
    const whole = structuredClone(all.at(-1)) as (typeof all)[number]
    whole.candidates[0]!.content.parts = all.flatMap((one) => one.candidates[0]!.content.parts)
    expect(sum(provider.decode(whole).events)).toEqual(streamed)
  })

  it('may come from a gateway that ends with [DONE]', () => {
    const late = sse(says('late'))
    const events = run(provider, [bytes(`${fixture('text.sse')}data: [DONE]\n\n${late}`)])
    expect(sum(events).text).toBe('Blue light scatters — más 🔵')
  })

  it('carries log-probabilities with the text they belong to', () => {
    const logprobsResult = {
      chosenCandidates: [{ token: 'Hi', tokenId: 1, logProbability: -0.5 }],
      topCandidates: [{ candidates: [{ token: 'Hey', logProbability: -1 }] }],
    }
    const events = stream(provider, sse(says('Hi', { logprobsResult, finishReason: 'STOP' })))
    expect(events[1]).toEqual({
      type: 'text-delta',
      part: 0,
      text: 'Hi',
      logprobs: [{ token: 'Hi', logprob: -0.5, top: [{ token: 'Hey', logprob: -1 }] }],
    })
  })

  it('shows pictures and sounds as parts', () => {
    const parts = [
      { inlineData: { mimeType: 'image/png', data: 'AAAA' }, thoughtSignature: 'sig' },
      { inlineData: { mimeType: 'audio/wav', data: 'BBBB' } },
    ]
    const { parts: got } = sum(stream(provider, sse(candidate({ content: { parts }, finishReason: 'STOP' }))))
    expect(got).toEqual([
      {
        type: 'image',
        mediaType: 'image/png',
        data: 'AAAA',
        origin: { provider: 'gemini', thoughtSignature: 'sig' },
      },
      { type: 'audio', mediaType: 'audio/wav', data: 'BBBB', origin: { provider: 'gemini' } },
    ])
  })

  it('has one candidate; of others it only says that they were there', () => {
    const body = sse({
      candidates: [
        { index: 1, content: { parts: [{ text: 'other' }] } },
        { index: 0, content: { parts: [{ text: 'one' }] }, finishReason: 'STOP' },
      ],
    })
    const events = stream(provider, body)
    expect(sum(events).text).toBe('one')
    expect(events.filter((event) => event.type === 'warning')).toHaveLength(1)
  })
})

describe('usage of Gemini', () => {
  const usageOf = (...usages: unknown[]): unknown =>
    sum(
      stream(
        provider,
        sse(...usages.map((usageMetadata) => ({ ...says('x', { finishReason: 'STOP' }), usageMetadata }))),
      ),
    ).finish?.usage

  it('counts thoughts as output and what tools read as input', () => {
    expect(sum(stream(provider, fixture('thinking-tools.sse'))).finish?.usage).toEqual({
      inputTokens: 65,
      outputTokens: 39,
      totalTokens: 104,
      reasoningTokens: 20,
    })
  })

  it('is the last object that counts, whole: never summed, never merged', () => {
    expect(
      usageOf(
        { promptTokenCount: 9, candidatesTokenCount: 1, thoughtsTokenCount: 50, totalTokenCount: 60 },
        { promptTokenCount: 9, candidatesTokenCount: 4, totalTokenCount: 13 },
        { trafficType: 'ON_DEMAND' },
      ),
    ).toEqual({ inputTokens: 9, outputTokens: 4, totalTokens: 13 })
  })

  it('is undefined where it is not reported or is nonsense', () => {
    expect(usageOf(undefined)).toEqual({})
    expect(usageOf({ promptTokenCount: -1, candidatesTokenCount: '4', totalTokenCount: null })).toEqual({})
  })
})

describe('tool calls of Gemini', () => {
  it('come whole, some with an id and a signature, some with neither', () => {
    const events = stream(provider, fixture('thinking-tools.sse'))
    const { parts, reasoning, toolCalls, finish } = sum(events)
    expect(reasoning).toBe('**Two cities**\nTwo calls.')
    expect(toolCalls).toEqual([
      { id: 'fc-1', name: 'weather', args: { city: 'Paris' } },
      { id: 'fc-2', name: 'weather', args: { city: 'Rome' } },
      { id: 'call_resp-1_0', name: 'now', args: {} },
    ])
    expect(parts.map((part) => ('origin' in part ? part.origin : undefined))).toEqual([
      { provider: 'gemini' },
      { provider: 'gemini', id: 'fc-1', thoughtSignature: 'c2lnLTE=' },
      { provider: 'gemini', id: 'fc-2' },
      undefined,
    ])
    // finishReason STOP with calls: https://github.com/googleapis/python-genai/issues/2868
    expect(finish).toMatchObject({ finishReason: 'tool-calls', rawFinishReason: 'STOP' })
  })

  it('are not handed out before the answer is whole', () => {
    const decoder = provider.decoder(ask())
    const events = frames(fixture('thinking-tools.sse')).flatMap((frame) =>
      decoder.push({ event: 'message', data: JSON.stringify(frame) }),
    )
    expect(events.some((event) => event.type === 'tool-call')).toBe(false)
  })

  it('come under the name the caller gave the tool', () => {
    const request = ask({ tools: [{ name: 'files/read now', inputSchema: { type: 'object' } }] })
    const body = candidate({
      content: { parts: [{ functionCall: { name: 'files_read_now', args: {} } }] },
      finishReason: 'STOP',
    })
    expect(sum(run(provider, [bytes(sse(body))], request)).toolCalls[0]?.name).toBe('files/read now')
  })

  it('may stream their arguments, which grow as JSON text', () => {
    const events = stream(provider, fixture('partial-args.sse'))
    const deltas = events.filter((event) => event.type === 'tool-call-delta')
    const args = {
      to: { name: 'Ada "the first" 🐙', vip: true },
      items: [{ sku: 'A-1', count: 2 }, { sku: 'B-2' }],
      'gift wrap': null,
    }
    expect(JSON.parse(deltas.map((event) => event.delta).join(''))).toEqual(args)
    expect(deltas.length).toBeGreaterThan(5)
    const { parts, finish } = sum(events)
    expect(parts).toEqual([
      {
        type: 'tool-call',
        id: 'call_resp-1_0',
        name: 'order',
        args,
        origin: { provider: 'gemini', thoughtSignature: 'c2lnLTI=' },
      },
    ])
    expect(finish).toMatchObject({
      finishReason: 'tool-calls',
      usage: { inputTokens: 36, outputTokens: 173 },
    })
  })

  it('are whole although the last piece of a streamed one is missing', () => {
    const all = frames(fixture('partial-args.sse'))
    const body = sse(...all.slice(0, -1), candidate({ finishReason: 'STOP' }))
    expect(sum(stream(provider, body)).toolCalls[0]).toHaveProperty('args.to.vip', true)
  })

  it('are flagged, not run, when the token limit cuts their arguments', () => {
    const all = frames(fixture('partial-args.sse'))
    const body = sse(...all.slice(0, 3), candidate({ finishReason: 'MAX_TOKENS' }))
    const { toolCalls, finish } = sum(stream(provider, body))
    expect(toolCalls[0]).toMatchObject({
      name: 'order',
      invalid: { raw: '{"to":{"name":"Ada \\"the first\\" 🐙' },
    })
    expect(finish?.finishReason).toBe('length')
  })

  it.each([
    [[{ jsonPath: '$.a[1000000000]', numberValue: 1 }]],
    [[{ jsonPath: '$.a[-1]', numberValue: 1 }]],
    [[{ jsonPath: 'a', numberValue: 1 }]],
    [[{ jsonPath: '$', numberValue: 1 }]],
    [[{ jsonPath: `$${'.a'.repeat(100_000)}`, numberValue: 1 }]],
    [
      [
        { jsonPath: '$.a', numberValue: 1 },
        { jsonPath: '$.a.b', numberValue: 1 },
        { jsonPath: '$.a[0]', numberValue: 1 },
      ],
    ],
    [[{ jsonPath: '$.a' }]],
  ])('are flagged, not guessed, when a path makes no sense', (partialArgs) => {
    const parts = [{ functionCall: { name: 'f', partialArgs } }]
    const { toolCalls } = sum(stream(provider, sse(candidate({ content: { parts }, finishReason: 'STOP' }))))
    expect(toolCalls).toHaveLength(1)
    expect(toolCalls[0]).toHaveProperty('invalid')
  })

  it('keep __proto__ in streamed and whole arguments as data', () => {
    const parts = [
      { functionCall: { name: 'f', partialArgs: [{ jsonPath: '$.__proto__.admin', boolValue: true }] } },
      { functionCall: { name: 'g', args: JSON.parse('{"__proto__":{"admin":true}}') as unknown } },
    ]
    const { toolCalls } = sum(stream(provider, sse(candidate({ content: { parts }, finishReason: 'STOP' }))))
    for (const { args } of toolCalls) {
      expect(Object.hasOwn(args as object, '__proto__')).toBe(true)
      expect(Object.getPrototypeOf(args)).toBe(Object.prototype)
    }
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })

  it('are history where Google ran them itself, and text follows the first finishReason', () => {
    const { text, toolCalls, parts, finish } = sum(stream(provider, fixture('server-tools.sse')))
    expect(text).toBe('It is 18 °C.')
    expect(toolCalls).toEqual([])
    expect(parts.map((part) => (part.type === 'provider' ? part.value : part.type))).toEqual([
      { functionCall: { name: 'mcp_weather', args: { city: 'Paris' } } },
      { functionResponse: { name: 'mcp_weather', response: { result: '18 °C' } } },
      'text',
    ])
    expect(finish).toMatchObject({ finishReason: 'stop', usage: { outputTokens: 140 } })
  })

  it('of a remote server that were not answered yet are no end, and not ours', () => {
    const mcpServers = [{ name: 'mcp', streamableHttpTransport: { url: 'https://example.com/mcp' } }]
    const request = ask({ tools: [{ type: 'provider', provider: 'gemini', value: { mcpServers } }] })
    const [call = {}] = frames(fixture('server-tools.sse'))
    expect(thrown(() => run(provider, [bytes(sse(call))], request))).toMatchObject({ kind: 'interrupted' })
    expect(sum(run(provider, [bytes(fixture('server-tools.sse'))], request)).text).toBe('It is 18 °C.')
    // Without such servers the same bytes are a call for the caller.
    expect(sum(run(provider, [bytes(sse(call))])).toolCalls).toMatchObject([{ name: 'mcp_weather' }])
  })

  it('ignore a piece of a call that never began', () => {
    const parts = [{ functionCall: {} }, { text: 'x' }]
    const { toolCalls, text } = sum(
      stream(provider, sse(candidate({ content: { parts }, finishReason: 'STOP' }))),
    )
    expect([toolCalls, text]).toEqual([[], 'x'])
  })
})

describe('the round trip of a Gemini answer', () => {
  /** The answer as the model turn of the next request. */
  const replayed = (events: StreamEvent[], more: Partial<Request> = {}): unknown => {
    const content = JSON.parse(JSON.stringify(sum(events).parts)) as ReturnType<typeof sum>['parts']
    const request = ask({ model: 'gemini-3.8-flash', messages: [{ role: 'assistant', content }], ...more })
    return (JSON.parse(provider.encode(request).body as string) as { contents: { parts: unknown[] }[] })
      .contents[0]?.parts
  }

  it('gives calls back with the ids and signatures they came with, and no others', () => {
    expect(replayed(stream(provider, fixture('thinking-tools.sse')))).toEqual([
      { text: '**Two cities**\nTwo calls.', thought: true },
      {
        functionCall: { id: 'fc-1', name: 'weather', args: { city: 'Paris' } },
        thoughtSignature: 'c2lnLTE=',
      },
      { functionCall: { id: 'fc-2', name: 'weather', args: { city: 'Rome' } } },
      { functionCall: { name: 'now', args: {} } },
    ])
  })

  it('gives server-side parts and the empty part that carries a signature back unchanged', () => {
    expect(replayed(stream(provider, fixture('code-execution.sse')))).toEqual([
      { executableCode: { language: 'PYTHON', code: 'print(6*7)', id: 'x1' }, thoughtSignature: 'c2lnLTM=' },
      { codeExecutionResult: { outcome: 'OUTCOME_OK', output: '42\n', id: 'x1' } },
      { text: 'It is 42.' },
      { text: '', thoughtSignature: 'c2lnLTQ=' },
    ])
  })

  it('keeps a signed piece of text apart from its unsigned neighbours', () => {
    const parts = [{ text: 'a' }, { text: 'b', thoughtSignature: 's' }, { text: 'c' }, { text: 'd' }]
    const events = stream(provider, sse(candidate({ content: { parts }, finishReason: 'STOP' })))
    expect(sum(events).text).toBe('abcd')
    expect(replayed(events)).toEqual([{ text: 'a' }, { text: 'b', thoughtSignature: 's' }, { text: 'cd' }])
  })

  it('keeps the signature of a thought', () => {
    const parts = [{ text: 'hm', thought: true, thoughtSignature: 's' }, { text: 'c' }]
    const events = stream(provider, sse(candidate({ content: { parts }, finishReason: 'STOP' })))
    expect(replayed(events)).toEqual([{ text: 'hm', thought: true, thoughtSignature: 's' }, { text: 'c' }])
  })
})

describe('sources of a Gemini answer', () => {
  it('stand at the text they support, in UTF-16 units though the wire counts bytes', () => {
    const { parts, sources, text } = sum(stream(provider, fixture('grounding.sse')))
    expect(text).toBe('Zürich liegt am See. Es ist schön.')
    const page = { url: 'https://example.com/zh', title: 'Zürich' }
    expect(parts).toEqual([
      {
        type: 'text',
        text,
        sources: [
          { ...page, text: 'Zürich liegt am See.', start: 0, end: 20 },
          { id: 'fileSearchStores/a', text: 'Zürich liegt am See.', start: 0, end: 20 },
          { ...page, text: 'Es ist schön.', start: 21, end: 34 },
          // The bytes spell something else than the segment: no offsets.
          { ...page, text: 'somewhere else' },
        ],
      },
    ])
    expect(sources).toEqual([page, { id: 'fileSearchStores/a', text: 'Am See.' }])
  })

  it('are counted within their text part, when signatures split the text', () => {
    const body = sse(
      candidate({
        content: { parts: [{ text: 'é. ' }, { text: 'Sure.', thoughtSignature: 's' }] },
        finishReason: 'STOP',
        citationMetadata: { citationSources: [{ startIndex: 4, endIndex: 9, uri: 'https://example.com/b' }] },
      }),
    )
    expect(sum(stream(provider, body)).parts[1]).toEqual({
      type: 'text',
      text: 'Sure.',
      origin: { provider: 'gemini', thoughtSignature: 's' },
      sources: [{ url: 'https://example.com/b', start: 0, end: 5 }],
    })
  })

  it('include the pages that were fetched', () => {
    const urlContextMetadata = {
      urlMetadata: [
        { retrievedUrl: 'https://example.com/', urlRetrievalStatus: 'URL_RETRIEVAL_STATUS_SUCCESS' },
        { retrievedUrl: 'https://example.com/404', urlRetrievalStatus: 'URL_RETRIEVAL_STATUS_ERROR' },
      ],
    }
    const { sources } = sum(stream(provider, sse(says('x', { finishReason: 'STOP', urlContextMetadata }))))
    expect(sources).toEqual([{ url: 'https://example.com/' }])
  })
})

describe('a Gemini answer that fails', () => {
  it.each(wholes)('%s is interrupted wherever it is cut before its last finishReason', (name) => {
    const all = frames(fixture(name))
    const rounds = name === 'server-tools.sse' ? [0, 2, 3] : [...all.keys()]
    for (const kept of rounds) {
      expect(thrown(() => run(provider, [bytes(sse(...all.slice(0, kept)))]))).toMatchObject({
        kind: 'interrupted',
      })
    }
  })

  it('says so when the prompt was blocked', () => {
    const error = thrown(() => stream(provider, fixture('blocked-prompt.sse'))) as LlmError
    expect(LlmError.is(error)).toBe(true)
    expect(error).toMatchObject({
      kind: 'content-filter',
      code: 'PROHIBITED_CONTENT',
      retryable: false,
      usage: { inputTokens: 9 },
    })
  })

  it.each(['SAFETY', 'RECITATION', 'BLOCKLIST', 'SPII', 'IMAGE_SAFETY', 'MODEL_ARMOR'])(
    'with %s is an error before any output and a finish reason after it',
    (finishReason) => {
      const before = thrown(() => stream(provider, sse(candidate({ finishReason }))))
      expect(before).toMatchObject({ kind: 'content-filter', code: finishReason })
      const after = sum(stream(provider, sse(says('Once'), candidate({ content: {}, finishReason }))))
      expect(after.text).toBe('Once')
      expect(after.finish).toMatchObject({ finishReason: 'content-filter', rawFinishReason: finishReason })
    },
  )

  it('with MALFORMED_FUNCTION_CALL and no content may be tried again', () => {
    const error = thrown(() => stream(provider, fixture('malformed-call.sse')))
    expect(error).toMatchObject({
      kind: 'invalid-output',
      code: 'MALFORMED_FUNCTION_CALL',
      retryable: true,
      usage: { inputTokens: 31 },
    })
    expect((error as Error).message).toContain('print(default_api.f(')
  })

  it.each(['LANGUAGE', 'OTHER', 'NO_IMAGE', 'REASON_OF_NEXT_YEAR'])(
    'with %s ends as unknown, its word kept',
    (reason) => {
      const { finish } = sum(stream(provider, sse(says('x', { finishReason: reason }))))
      expect(finish).toMatchObject({ finishReason: 'unknown', rawFinishReason: reason })
    },
  )

  it('blocked after output keeps the output', () => {
    const body = sse(says('Once'), { promptFeedback: { blockReason: 'OTHER' } })
    const { text, finish } = sum(stream(provider, body))
    expect([text, finish?.finishReason, finish?.rawFinishReason]).toEqual(['Once', 'content-filter', 'OTHER'])
  })

  it('throws the error it reports in the stream, also wrapped in an array', () => {
    const overloaded = { kind: 'overloaded', status: 503, provider: 'gemini', retryable: true }
    expect(thrown(() => run(provider, [bytes(fixture('error-after-text.sse'))]))).toMatchObject(overloaded)
    const error = { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' }
    expect(thrown(() => run(provider, [bytes(sse([{ error }]))]))).toMatchObject(overloaded)
    expect(thrown(() => provider.decode([{ error }]))).toMatchObject(overloaded)
    expect(thrown(() => provider.decode({ error }))).toMatchObject(overloaded)
  })

  it('with an error that has only a status is told by it', () => {
    const frame = sse({ error: { status: 'RESOURCE_EXHAUSTED', message: 'Slow down.' } })
    expect(thrown(() => run(provider, [bytes(frame)]))).toMatchObject({ kind: 'rate-limit' })
  })

  it.each(['7', 'null', '"text"', '[]', '[[]]'])('is a protocol error when a frame is %s', (data) => {
    expect(thrown(() => run(provider, [bytes(`data: ${data}\n\n`)]))).toMatchObject({ kind: 'protocol' })
  })

  it('with candidates of nonsense is interrupted, not crashed', () => {
    for (const candidates of [
      [],
      [null],
      [7],
      ['x'],
      {},
      [{ content: null }],
      [{ content: { parts: [null, 7, {}] } }],
    ]) {
      expect(thrown(() => stream(provider, sse({ candidates })))).toMatchObject({ kind: 'interrupted' })
    }
  })
})

describe('Gemini errors over HTTP', () => {
  const error = (status: number, body: unknown): LlmError =>
    provider.error({ status, headers: new Headers(), body: JSON.stringify(body) })

  it('say 400 for a bad key, and mean auth', () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }]
    const body = { error: { code: 400, message: 'API key not valid.', status: 'INVALID_ARGUMENT', details } }
    expect(error(400, body)).toMatchObject({ kind: 'auth', retryable: false })
  })

  it('hide when to come back in RetryInfo', () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.4s' }]
    const body = { error: { code: 429, message: 'Quota exceeded.', status: 'RESOURCE_EXHAUSTED', details } }
    expect(error(429, body)).toMatchObject({ kind: 'rate-limit', retryAfterMs: 34_400 })
    expect(error(429, [body])).toMatchObject({ kind: 'rate-limit', retryAfterMs: 34_400 })
  })

  it('are not worth waiting for when the quota of the day is used up', () => {
    const violations = [{ quotaId: 'GenerateRequestsPerDayPerProjectPerModel-FreeTier' }]
    const details = [{ '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations }]
    const body = { error: { code: 429, message: 'Quota exceeded.', status: 'RESOURCE_EXHAUSTED', details } }
    expect(error(429, body)).toMatchObject({ kind: 'quota', retryable: false })
  })

  it('are read by their status', () => {
    const of = (code: number, status: string, message = 'x'): string =>
      error(code, { error: { code, message, status } }).kind
    expect(of(401, 'UNAUTHENTICATED')).toBe('auth')
    expect(of(404, 'NOT_FOUND')).toBe('not-found')
    expect(of(500, 'INTERNAL')).toBe('server')
    expect(of(503, 'UNAVAILABLE', 'The model is overloaded.')).toBe('overloaded')
    expect(
      of(
        400,
        'INVALID_ARGUMENT',
        'The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).',
      ),
    ).toBe('context-length')
  })
})
