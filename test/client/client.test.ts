import { afterEach, describe, expect, test, vi } from 'vitest'
import { createClient } from '../../src/client.ts'
import { LlmError } from '../../src/errors.ts'
import type { EmbeddingProvider, HttpRequest, Provider } from '../../src/provider.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import type { Fit, Hooks, Options, Prices, Request } from '../../src/types.ts'
import { createFakeClock } from '../fake-clock.ts'
import { FAST, KEY, run } from '../integration/fixture.ts'
import { answerOf, chunk, ENDING, frame } from '../server.ts'

interface Call {
  url: string
  headers: Record<string, string>
  body: Record<string, unknown>
}

/** A fetch that answers from a list, the last one for ever, and records what it was asked. */
function fetchOf(...answers: ((call: Call, count: number) => Response)[]) {
  const calls: Call[] = []
  const fetch = async (url: unknown, init?: RequestInit): Promise<Response> => {
    const headers = Object.fromEntries(init?.headers as [string, string][])
    const call: Call = { url: String(url), headers, body: JSON.parse(String(init?.body ?? 'null')) as never }
    calls.push(call)
    return answers[Math.min(calls.length, answers.length) - 1]!(call, calls.length)
  }
  return { fetch: fetch as typeof globalThis.fetch, calls }
}

const good = (): Response => new Response(answerOf('ok'))
const bad =
  (status: number, message: string, headers: Record<string, string> = {}, code?: string) =>
  (): Response =>
    new Response(JSON.stringify({ error: { message, ...(code === undefined ? {} : { code }) } }), {
      status,
      headers,
    })
const provider = (): Provider => openaiChat({ baseURL: 'https://api.example.com/v1', apiKey: KEY })
const clientOf = (options: Options) =>
  createClient({ provider: provider(), model: 'm', retry: FAST, random: () => 0.5, ...options })

describe('a call', () => {
  test('sends the key in its header only, asks for no compression, and reports what it took', async () => {
    const { fetch, calls } = fetchOf(good)
    const completion = await clientOf({ fetch }).complete('hi')
    expect(calls[0]).toMatchObject({
      url: 'https://api.example.com/v1/chat/completions',
      headers: { authorization: `Bearer ${KEY}`, 'accept-encoding': 'identity' },
      body: { model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] },
    })
    expect(completion).toMatchObject({
      text: 'ok',
      provider: 'openai-chat',
      model: 'test-model',
      attempts: [{ provider: 'openai-chat', model: 'm', status: 200, delayMs: 0, maybeBilled: false }],
    })
    expect(JSON.stringify(completion)).not.toContain(KEY)
    expect(structuredClone(completion)).toEqual(completion)
  })

  test('extra headers go along, lower-cased; per-call options win', async () => {
    const { fetch, calls } = fetchOf(good)
    const client = clientOf({ fetch, headers: { 'X-A': 'client', 'x-b': 'client' } })
    await client.complete('hi', { headers: { 'x-b': 'call' }, temperature: 0.1 })
    expect(calls[0]?.headers).toMatchObject({ 'x-a': 'client', 'x-b': 'call' })
    expect(calls[0]?.body).toMatchObject({ temperature: 0.1 })
  })

  test('what the codec could not honour stands in the completion, and right behind start', async () => {
    const plain = provider()
    const warning = { code: 'unsupported' as const, field: 'seed', message: 'no seeds here' }
    const warning2 = { ...warning, field: 'topK' }
    const limited: Provider = {
      ...plain,
      encode: (request) => ({ ...plain.encode(request), warnings: [warning, warning2] }),
    }
    const { completion, events } = await run(clientOf({ provider: limited, fetch: fetchOf(good).fetch }))
    expect(completion?.warnings).toEqual([warning, warning2])
    expect(events.slice(0, 4).map((event) => event.type)).toEqual([
      'start',
      'warning',
      'warning',
      'text-delta',
    ])
  })

  test('stream() never throws, whatever it is given', async () => {
    for (const [input, options] of [
      ['', {}],
      [undefined, {}],
      ['hi', { timeouts: { idle: -1 } }],
      ['hi', { provider: 'openai' }],
      ['hi', { provider: undefined }],
      ['hi', { retry: { attempts: Number.NaN } }],
      ['hi', { schema: 5 }],
      ['hi', { hooks: null }],
    ] as [never, Options][]) {
      const { fetch } = fetchOf(bad(400, 'x'))
      const stream = createClient({ provider: provider(), model: 'm', fetch }).stream(input, options)
      await expect(stream.completion).rejects.toSatisfy((error) => LlmError.is(error))
    }
  })

  test('a name instead of a codec says where names live', async () => {
    await expect(createClient({ provider: 'openai' }).complete('hi')).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringContaining("import from 'llmswap'"),
    })
  })

  test('a codec has its own baseURL', async () => {
    await expect(clientOf({ baseURL: 'http://x' }).complete('hi')).rejects.toMatchObject({ kind: 'config' })
  })

  test('no model anywhere is a config error', async () => {
    const nameless = { ...provider(), name: 'nameless' }
    Object.assign(nameless, { defaultModel: undefined })
    await expect(createClient({ provider: nameless }).complete('hi')).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringContaining('pass model'),
    })
  })
})

test('the signal ends a slow loop at once, although more is decoded', async () => {
  const { fetch } = fetchOf(() => new Response(answerOf(...Array.from({ length: 100 }, () => 'x'))))
  const controller = new AbortController()
  const run = clientOf({ fetch, signal: controller.signal }).stream('hi')
  let seen = 0
  await expect(
    (async () => {
      for await (const event of run) {
        if (event.type === 'text-delta' && ++seen === 3) controller.abort('enough')
      }
    })(),
  ).rejects.toMatchObject({ kind: 'aborted', cause: 'enough', partial: { text: 'xxx' } })
  expect(seen).toBe(3)
})

test('the total deadline ends a run that nobody reads', async () => {
  const clock = createFakeClock()
  const run = clientOf({ fetch: fetchOf(good).fetch, clock, timeouts: { total: 1000 } }).stream('hi')
  const iterator = run[Symbol.asyncIterator]()
  await iterator.next()
  await clock.advance(1000)
  await expect(iterator.next()).rejects.toMatchObject({ kind: 'timeout', phase: 'total' })
})

describe('row 108: a browser', () => {
  afterEach(() => vi.unstubAllGlobals())
  test('is refused before a key leaves, unless told otherwise', async () => {
    vi.stubGlobal('window', {})
    vi.stubGlobal('document', {})
    const { fetch, calls } = fetchOf(good)
    await expect(clientOf({ fetch }).complete('hi')).rejects.toMatchObject({ kind: 'config' })
    expect(calls).toHaveLength(0)
    expect((await clientOf({ fetch, dangerouslyAllowBrowser: true }).complete('hi')).text).toBe('ok')
  })
})

describe('rows 27 to 41: statuses', () => {
  /** The pauses a call makes, on a fake clock. */
  async function pauses(headers: Record<string, string>, options: Options = {}) {
    const clock = createFakeClock(Date.UTC(2026, 10, 23))
    const { fetch, calls } = fetchOf(bad(429, 'slow down', headers), good)
    const outcome = run(clientOf({ fetch, clock, retry: {}, ...options }))
    for (let second = 0; second < 100; second++) await clock.advance(1000)
    const { completion, error } = await outcome
    return { delayMs: completion?.attempts[1]?.delayMs, error, requests: calls.length }
  }

  test('row 27: retry-after is a lower bound', async () => {
    expect((await pauses({ 'retry-after': '1' })).delayMs).toBe(1050)
  })
  test('row 28: a date', async () => {
    const { delayMs } = await pauses({ 'retry-after': 'Mon, 23 Nov 2026 00:00:11 GMT' })
    expect(delayMs).toBe(10_500)
  })
  test('rows 28 and 32: a date in the past, and nonsense, fall back to backoff', async () => {
    for (const value of ['Mon, 23 Nov 2020 00:00:11 GMT', 'soon', '-5', '5s', '20 Oct', '1, 2']) {
      expect((await pauses({ 'retry-after': value })).delayMs).toBe(500)
    }
  })
  test('row 29: milliseconds win', async () => {
    expect((await pauses({ 'retry-after-ms': '250', 'retry-after': '9' })).delayMs).toBe(262.5)
  })
  test('row 30: 0 is no hot loop', async () => {
    expect((await pauses({ 'retry-after-ms': '0' })).delayMs).toBe(10)
  })
  test('rows 31 and 39: a hint nobody waits for is handed on', async () => {
    for (const value of ['999999999', '2147483648', '120']) {
      const { error, requests } = await pauses({ 'retry-after': value })
      expect(error).toMatchObject({
        kind: 'rate-limit',
        retryAfterMs: Math.min(Number(value) * 1000, 0x7fffffff),
      })
      expect(requests).toBe(1)
    }
  })
  test('a hint longer than what is left of the call is handed on', async () => {
    const { error, requests } = await pauses({ 'retry-after': '10' }, { timeouts: { total: 5000 } })
    expect(error).toMatchObject({ kind: 'rate-limit', retryAfterMs: 10_000 })
    expect(requests).toBe(1)
  })
  test('row 35: x-should-retry is obeyed, both ways', async () => {
    const never = fetchOf(bad(503, 'x', { 'x-should-retry': 'false' }), good)
    expect((await run(clientOf({ fetch: never.fetch }))).error).toMatchObject({
      kind: 'overloaded',
      retryable: false,
    })
    expect(never.calls).toHaveLength(1)
    const always = fetchOf(bad(400, 'x', { 'x-should-retry': 'true' }), good)
    expect((await run(clientOf({ fetch: always.fetch }))).text).toBe('ok')
  })
  test.each([500, 502, 503, 504, 520, 529, 408, 409, 425])(
    'rows 36 to 40: %d is tried again',
    async (status) => {
      const { fetch, calls } = fetchOf(bad(status, 'x'), good)
      expect((await run(clientOf({ fetch }))).text).toBe('ok')
      expect(calls).toHaveLength(2)
    },
  )
  test.each([400, 401, 402, 403, 404, 405, 413, 415, 422])('rows 41 to 46: %d is not', async (status) => {
    const { fetch, calls } = fetchOf(bad(status, 'x'), good)
    const { error } = await run(clientOf({ fetch }))
    expect(error).toMatchObject({ status, retryable: false })
    expect(error?.attempts).toHaveLength(1)
    expect(calls).toHaveLength(1)
  })
  test('row 44: a key that the server echoes is masked', async () => {
    const { fetch } = fetchOf(bad(401, `Incorrect API key provided: ${KEY}.`))
    const { error } = await run(clientOf({ fetch }))
    expect(error).toMatchObject({ kind: 'auth' })
    expect(error?.message).toContain('***')
  })
  test('row 49: fails twice, then succeeds; every attempt is on record', async () => {
    const { fetch } = fetchOf(bad(500, 'one'), bad(529, 'two'), good)
    const { completion } = await run(clientOf({ fetch, retry: {}, clock: undefined as never }))
    expect(completion?.attempts).toMatchObject([
      { status: 500, delayMs: 0, maybeBilled: true, error: { kind: 'server', retryable: true } },
      { status: 529, delayMs: 250, maybeBilled: false, error: { kind: 'overloaded' } },
      { status: 200, delayMs: 1000, maybeBilled: false },
    ])
    expect(completion?.attempts[2]).not.toHaveProperty('error')
  }, 20_000)
  test('retry: false is one try', async () => {
    const { fetch, calls } = fetchOf(bad(503, 'x'), good)
    expect((await run(clientOf({ fetch, retry: false }))).error).toMatchObject({ kind: 'overloaded' })
    expect(calls).toHaveLength(1)
  })
  test('the request id is kept', async () => {
    const { fetch } = fetchOf(bad(400, 'x', { 'x-request-id': 'req_1' }))
    expect((await run(clientOf({ fetch }))).error).toMatchObject({
      requestId: 'req_1',
      attempts: [{ requestId: 'req_1' }],
    })
  })
})

describe('wire', () => {
  const whole = (): Response =>
    new Response(
      JSON.stringify({
        id: 'c',
        model: 'test-model',
        choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
      }),
    )
  test('a 400 that names stream_options is asked again without them, with a warning', async () => {
    const { fetch, calls } = fetchOf(bad(400, 'Unrecognized request argument supplied: stream_options'), good)
    const { completion, events } = await run(clientOf({ fetch, retry: false }))
    expect(calls[1]?.body).not.toHaveProperty('stream_options')
    expect(calls[1]?.body['stream']).toBe(true)
    expect(completion?.warnings).toMatchObject([{ code: 'fallback', field: 'wire' }])
    expect(events.slice(0, 2).map((event) => event.type)).toEqual(['start', 'warning'])
    expect(completion?.attempts).toMatchObject([{ status: 400, maybeBilled: false }, { status: 200 }])
  })
  test('a 400 that names stream is asked again as JSON; both together work too', async () => {
    const { fetch, calls } = fetchOf(
      bad(400, 'stream_options is not supported'),
      bad(400, "'stream' must be false for this model"),
      whole,
    )
    const { completion } = await run(clientOf({ fetch, retry: false }))
    expect(completion?.text).toBe('ok')
    expect(calls[2]?.body['stream'] ?? false).toBe(false)
    expect(completion?.warnings).toHaveLength(2)
  })
  test('each repair is made once', async () => {
    const { fetch, calls } = fetchOf(bad(400, 'stream is not allowed'))
    expect((await run(clientOf({ fetch, retry: false }))).error).toMatchObject({ kind: 'invalid-request' })
    expect(calls).toHaveLength(2)
  })
  test("wire: 'stream' does not fall back, wire: 'json' asks for one body", async () => {
    const strict = fetchOf(bad(400, 'stream is not allowed'), whole)
    expect((await run(clientOf({ fetch: strict.fetch }), { wire: 'stream' })).error).toMatchObject({
      status: 400,
    })
    const json = fetchOf(whole)
    const { completion } = await run(clientOf({ fetch: json.fetch }), { wire: 'json' })
    expect(completion).toMatchObject({ text: 'ok', usage: { outputTokens: 2 } })
    expect(json.calls[0]?.body['stream'] ?? false).toBe(false)
  })
  test('a 400 about something else is not asked again', async () => {
    const { fetch, calls } = fetchOf(bad(400, 'temperature is too high'))
    await run(clientOf({ fetch }))
    expect(calls).toHaveLength(1)
  })
})

describe('401', () => {
  test('a key function is asked again, once', async () => {
    const keys = ['old-key-1111', 'new-key-2222', 'never-3333']
    let asked = 0
    const { fetch, calls } = fetchOf(bad(401, 'expired'), good)
    const { completion } = await run(clientOf({ fetch, apiKey: () => keys[asked++]!, retry: false }))
    expect(completion?.text).toBe('ok')
    expect(calls.map((call) => call.headers['authorization'])).toEqual([
      'Bearer old-key-1111',
      'Bearer new-key-2222',
    ])
    expect(completion?.attempts).toMatchObject([{ status: 401 }, { status: 200 }])
  })
  test('a key that comes out the same is not sent again', async () => {
    const { fetch, calls } = fetchOf(bad(401, 'wrong key'))
    expect((await run(clientOf({ fetch, apiKey: () => KEY }))).error).toMatchObject({
      kind: 'auth',
      attempts: [{ status: 401 }],
    })
    expect(calls).toHaveLength(1)
  })
  test('a second 401 is final', async () => {
    let asked = 0
    const { fetch, calls } = fetchOf(bad(401, 'expired'))
    expect((await run(clientOf({ fetch, apiKey: () => `key-number-${asked++}` }))).error).toMatchObject({
      kind: 'auth',
    })
    expect(calls).toHaveLength(2)
  })
  test('a key function that fails is an auth error with its cause', async () => {
    const { fetch, calls } = fetchOf(good)
    const { error } = await run(
      clientOf({
        fetch,
        apiKey: () => {
          throw new Error('vault is sealed')
        },
      }),
    )
    expect(error).toMatchObject({ kind: 'auth', cause: { message: 'vault is sealed' } })
    expect(calls).toHaveLength(0)
  })
  test('a key function is called once per attempt', async () => {
    let asked = 0
    const { fetch } = fetchOf(bad(503, 'x'), good)
    await run(clientOf({ fetch, apiKey: () => `key-number-${asked++}` }))
    expect(asked).toBe(2)
  })
})

describe('fit', () => {
  const overflow = bad(
    400,
    "This model's maximum context length is 8192 tokens. However, you requested 10000 tokens (6000 in the messages, 4000 in the completion).",
    {},
    'context_length_exceeded',
  )
  function fitOf() {
    const applied: unknown[] = []
    const observed: unknown[] = []
    const fit: Fit = {
      apply(request: Request, numbers) {
        applied.push(numbers)
        return { ...request, messages: [{ role: 'user', content: `fit ${applied.length}` }] }
      },
      observe: (_, usage) => void observed.push(usage),
    }
    return { fit, applied, observed }
  }
  test('is applied before the call, and told what the server counted', async () => {
    const { fetch, calls } = fetchOf(good)
    const { fit, applied, observed } = fitOf()
    await run(clientOf({ fetch, fit }))
    expect(calls[0]?.body).toMatchObject({ messages: [{ content: 'fit 1' }] })
    expect(applied).toEqual([undefined])
    expect(observed).toMatchObject([{ inputTokens: 5, outputTokens: 2 }])
  })
  test('is applied once more with the numbers of the refusal, then the refusal stands', async () => {
    const { fetch, calls } = fetchOf(overflow)
    const { fit, applied } = fitOf()
    const { error } = await run(clientOf({ fetch, fit }))
    expect(error).toMatchObject({ kind: 'context-length' })
    expect(applied).toEqual([undefined, { actualTokens: 10_000, limitTokens: 8192 }])
    expect(calls).toHaveLength(2)
  })
  test('without it the refusal stands at once', async () => {
    const { fetch, calls } = fetchOf(overflow)
    expect((await run(clientOf({ fetch }))).error).toMatchObject({ kind: 'context-length' })
    expect(calls).toHaveLength(1)
  })
  test('one that throws is an error of the call; an observer that throws is not', async () => {
    const broken: Fit = {
      apply() {
        throw new Error('no tokenizer')
      },
    }
    expect((await run(clientOf({ fetch: fetchOf(good).fetch, fit: broken }))).error).toMatchObject({
      cause: { message: 'no tokenizer' },
    })
    const { fit } = fitOf()
    fit.observe = () => {
      throw new Error('observer')
    }
    expect((await run(clientOf({ fetch: fetchOf(good).fetch, fit }))).text).toBe('ok')
  })
})

describe('hooks', () => {
  function recorder() {
    const seen: [string, Record<string, unknown>][] = []
    const names = [
      'onRequest',
      'onAttempt',
      'onResponse',
      'onFirstEvent',
      'onRetry',
      'onFinish',
      'onError',
    ] as const
    const hooks = Object.fromEntries(
      names.map((name) => [name, (info: Record<string, unknown>) => void seen.push([name, info])]),
    ) as Hooks
    return { hooks, seen }
  }
  test('are told every step of a call, frozen, with one id and no key', async () => {
    const { hooks, seen } = recorder()
    await run(clientOf({ fetch: fetchOf(bad(503, 'x'), good).fetch, hooks }))
    expect(seen.map(([name]) => name)).toEqual([
      'onRequest',
      'onAttempt',
      'onResponse',
      'onRetry',
      'onAttempt',
      'onResponse',
      'onFirstEvent',
      'onFinish',
    ])
    expect(new Set(seen.map(([, info]) => info['callId'])).size).toBe(1)
    expect(seen.every(([, info]) => Object.isFrozen(info))).toBe(true)
    expect(seen[0]?.[1]).toMatchObject({ operation: 'chat', provider: 'openai-chat', model: 'm' })
    expect(seen[3]?.[1]).toMatchObject({ attempt: 1, error: { kind: 'overloaded' } })
    expect(seen[4]?.[1]).toMatchObject({ attempt: 2, url: 'https://api.example.com/v1/chat/completions' })
    expect(JSON.stringify(seen)).not.toContain(KEY)
  })
  test('one may abort the call, at every step', async () => {
    for (const name of ['onRequest', 'onAttempt', 'onResponse', 'onFirstEvent'] as const) {
      const controller = new AbortController()
      const hooks: Hooks = { [name]: () => controller.abort(name) }
      const { error } = await run(clientOf({ fetch: fetchOf(good).fetch, hooks, signal: controller.signal }))
      expect(error).toMatchObject({ kind: 'aborted', cause: name })
    }
  })
  test('onError is told a failure once', async () => {
    const { hooks, seen } = recorder()
    await run(clientOf({ fetch: fetchOf(bad(401, KEY)).fetch, hooks: [hooks] }))
    expect(seen.filter(([name]) => name === 'onError')).toHaveLength(1)
    expect(seen.at(-1)?.[1]).toMatchObject({ error: { kind: 'auth', name: 'LlmError' } })
    expect(JSON.stringify(seen)).not.toContain(KEY)
  })
  test('row 90: one that throws, now or later, changes nothing and is reported once', async () => {
    const reported: unknown[] = []
    const throwing: Hooks = Object.fromEntries(
      ['onRequest', 'onAttempt', 'onResponse', 'onFinish'].map((name, index) => [
        name,
        () => {
          if (index % 2 === 0) throw new Error(name)
          return Promise.reject(new Error(name))
        },
      ]),
    )
    throwing.onHookError = (error) => void reported.push(error)
    const { hooks, seen } = recorder()
    expect((await run(clientOf({ fetch: fetchOf(good).fetch, hooks: [throwing, hooks] }))).text).toBe('ok')
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(reported).toHaveLength(1)
    expect(seen.map(([name]) => name)).toContain('onFinish')
  })
})

describe('cost', () => {
  const prices: Prices = {
    price: (usage, model, name) =>
      model === 'test-model' && name === 'openai-chat'
        ? { total: (usage.outputTokens ?? 0) * 2, currency: 'USD', exact: '4', from: 'catalog' }
        : { total: undefined, reason: 'unknown' },
  }
  test('comes from the price list, by the model that answered', async () => {
    const { completion } = await run(clientOf({ fetch: fetchOf(good).fetch, prices }))
    expect(completion?.cost).toMatchObject({ total: 4, from: 'catalog' })
  })
  test('row 90: a price list that throws costs its price, not the answer', async () => {
    const reported: unknown[] = []
    const throwing: Prices = {
      price() {
        throw new Error('no such table')
      },
    }
    const hooks: Hooks = { onHookError: (error) => void reported.push(error) }
    const { completion } = await run(clientOf({ fetch: fetchOf(good).fetch, prices: throwing, hooks }))
    expect(completion?.text).toBe('ok')
    expect(completion).not.toHaveProperty('cost')
    expect(reported).toHaveLength(1)
  })
  test('what the provider reports wins, exactly', async () => {
    const plain = provider()
    const paid: Provider = {
      ...plain,
      decoder: (request) =>
        new Proxy(plain.decoder(request), {
          get: (decoder, key) => (key === 'reportedCost' ? 1.5e-7 : Reflect.get(decoder, key)),
        }),
    }
    const { completion } = await run(clientOf({ provider: paid, fetch: fetchOf(good).fetch, prices }))
    expect(completion?.cost).toEqual({
      total: 1.5e-7,
      currency: 'USD',
      exact: '0.00000015',
      from: 'provider',
    })
  })
  test('is absent, not 0, for an unknown model and without a list', async () => {
    const answer = (): Response => new Response(answerOf('x').replaceAll('test-model', 'other'))
    expect((await run(clientOf({ fetch: fetchOf(answer).fetch, prices }))).completion).not.toHaveProperty(
      'cost',
    )
    expect((await run(clientOf({ fetch: fetchOf(good).fetch }))).completion).not.toHaveProperty('cost')
  })
})

describe('schema', () => {
  const schema = {
    jsonSchema: { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] },
    validate: (value: unknown) =>
      typeof (value as { a?: unknown }).a === 'number'
        ? { value: value as { a: number } }
        : { issues: [{ message: 'expected a number', path: ['a'] }] },
  }
  const saying =
    (...texts: string[]) =>
    () =>
      new Response(answerOf(...texts))
  test('the object streams, is validated, and stands in the completion', async () => {
    const { fetch } = fetchOf(saying('{"a":', '1}'))
    const stream = clientOf({ fetch }).stream('hi', { schema })
    const objects: unknown[] = []
    for await (const event of stream)
      if (event.type === 'object-delta') objects.push(structuredClone(event.object))
    expect(objects.at(-1)).toEqual({ a: 1 })
    const { object } = await stream.completion
    expect(object?.a).toBe(1)
  })
  test('what does not fit is invalid-output with issues, after everything that was written', async () => {
    const { fetch } = fetchOf(saying('{"a":', '"x"}'))
    const { error, text } = await run(clientOf({ fetch }), { schema } as Options)
    expect(text).toBe('{"a":"x"}')
    expect(error).toMatchObject({
      kind: 'invalid-output',
      issues: [{ message: 'expected a number' }],
      partial: { text: '{"a":"x"}' },
    })
  })
  test('prose is invalid-output too, and a refusal is an answer', async () => {
    expect(
      (await run(clientOf({ fetch: fetchOf(saying('Sure!')).fetch }), { schema } as Options)).error,
    ).toMatchObject({
      kind: 'invalid-output',
    })
    const refused = (): Response =>
      new Response(chunk('No.') + chunk('', 'content_filter') + 'data: [DONE]\n\n')
    const { completion } = await run(clientOf({ fetch: fetchOf(refused).fetch }), { schema } as Options)
    expect(completion).toMatchObject({ text: 'No.', finishReason: 'content-filter' })
    expect(completion).not.toHaveProperty('object')
  })
  test('a validator that throws is an invalid-output with that cause', async () => {
    const throwing = {
      ...schema,
      validate: () => {
        throw new Error('validator bug')
      },
    }
    const { error } = await run(clientOf({ fetch: fetchOf(saying('{}')).fetch }), {
      schema: throwing,
    } as Options)
    expect(error).toMatchObject({ kind: 'invalid-output', cause: { message: 'validator bug' } })
  })
})

describe('embed', () => {
  function embedding(maxTexts: number): EmbeddingProvider {
    return {
      name: 'e',
      defaultModel: 'embedder',
      maxTexts,
      encode: (request): HttpRequest => ({
        method: 'POST',
        url: 'https://api.example.com/embed',
        headers: {},
        body: JSON.stringify(request),
      }),
      authorize: (http) => ({ ...http, headers: { ...http.headers, 'x-key': KEY } }),
      decode(json) {
        const { texts } = json as { texts: string[] }
        return {
          rows: texts.map((text) => Float32Array.of(Number(text))),
          usage: { inputTokens: texts.length },
        }
      },
      error: ({ status }) =>
        new LlmError({ kind: status === 503 ? 'overloaded' : 'invalid-request', message: 'x', status }),
    }
  }
  const echo = (call: Call): Response => new Response(JSON.stringify(call.body))
  test('batches, keeps the order, adds up the usage', async () => {
    const { fetch, calls } = fetchOf(echo)
    const client = createClient({ fetch, embedding: embedding(2), model: 'a chat model' })
    const { embeddings, usage, model } = await client.embed(['1', '2', '3', '4', '5'], {
      dimensions: 1,
      purpose: 'query',
    })
    expect(embeddings.map(([value]) => value)).toEqual([1, 2, 3, 4, 5])
    expect(usage).toEqual({ inputTokens: 5 })
    expect(model).toBe('embedder')
    expect(calls).toHaveLength(3)
    expect(calls[0]?.body).toEqual({ model: 'embedder', texts: ['1', '2'], dimensions: 1, purpose: 'query' })
  })
  test('takes a single text', async () => {
    expect(
      (await createClient({ fetch: fetchOf(echo).fetch, embedding: embedding(2) }).embed('7')).embeddings,
    ).toHaveLength(1)
  })
  test('is tried again like any call', async () => {
    const { fetch } = fetchOf(bad(503, 'x'), echo)
    expect(
      (await createClient({ fetch, embedding: embedding(2), retry: FAST }).embed(['1'])).embeddings,
    ).toHaveLength(1)
  })
  test('refuses no texts and empty ones, rejects without throwing', async () => {
    const client = createClient({ fetch: fetchOf(echo).fetch, embedding: embedding(2) })
    for (const texts of [[], [''], [5 as never], '']) {
      await expect(client.embed(texts)).rejects.toMatchObject({ kind: 'invalid-request' })
    }
    await expect(createClient({ provider: provider() }).embed('x')).rejects.toMatchObject({ kind: 'config' })
  })
  test('a server that loses a text is a protocol error, and errors hold no key', async () => {
    const lossy = (call: Call): Response =>
      new Response(JSON.stringify({ texts: (call.body['texts'] as string[]).slice(1) }))
    await expect(
      createClient({ fetch: fetchOf(lossy).fetch, embedding: embedding(9) }).embed(['1', '2']),
    ).rejects.toMatchObject({
      kind: 'protocol',
      attempts: [{ status: 200 }],
    })
    const failing = await createClient({ fetch: fetchOf(bad(400, KEY)).fetch, embedding: embedding(9) })
      .embed('1')
      .catch((error: unknown) => error)
    expect(JSON.stringify(failing)).not.toContain(KEY)
  })
})

describe('the other verbs', () => {
  const counting = (extra: Partial<Provider>): Provider => ({ ...provider(), ...extra })
  const get = (path: string): HttpRequest => ({
    method: 'POST',
    url: `https://api.example.com${path}`,
    headers: {},
    body: '{}',
  })
  test('countTokens asks the server, or says that it cannot', async () => {
    const able = counting({
      countTokens: { encode: () => get('/count'), decode: (json) => (json as { n: number }).n },
    })
    expect(
      await createClient({
        provider: able,
        fetch: fetchOf(() => new Response('{"n":7}')).fetch,
        model: 'm',
      }).countTokens('hi'),
    ).toBe(7)
    const { countTokens: _, ...unable } = provider()
    await expect(createClient({ provider: unable, model: 'm' }).countTokens('hi')).rejects.toMatchObject({
      kind: 'unsupported',
    })
  })
  test('listModels reads every page, and stops where a cursor repeats', async () => {
    const paged = counting({
      listModels: {
        encode: (cursor) => get(`/models?${cursor ?? ''}`),
        decode: (json) => json as { models: string[]; cursor?: string },
      },
    })
    const { fetch, calls } = fetchOf(
      () => new Response('{"models":["a"],"cursor":"2"}'),
      () => new Response('{"models":["b"],"cursor":"2"}'),
    )
    expect(await createClient({ provider: paged, fetch }).listModels()).toEqual(['a', 'b'])
    expect(calls.map((call) => call.url)).toEqual([
      'https://api.example.com/models?',
      'https://api.example.com/models?2',
    ])
  })
})

test('a codec that throws something else than an LlmError does not surprise anybody', async () => {
  const broken: Provider = {
    ...provider(),
    decoder: () => ({
      push() {
        throw new TypeError('bug in a codec')
      },
      end: () => [],
      done: false,
      raw: {},
    }),
  }
  const { error } = await run(clientOf({ provider: broken, fetch: fetchOf(good).fetch }))
  expect(error).toMatchObject({ kind: 'protocol', retryable: false, cause: { message: 'bug in a codec' } })
})

test('frames before a broken one are delivered, then the failure', async () => {
  const { fetch } = fetchOf(() => new Response(`${chunk('Hel')}${chunk('lo')}data: {broken\n\n${ENDING}`))
  const { text, error } = await run(clientOf({ fetch }))
  expect(text).toBe('Hello')
  expect(error).toMatchObject({
    kind: 'interrupted',
    cause: { kind: 'protocol' },
    partial: { text: 'Hello' },
  })
})

test('an error inside the stream: retried before content, an interruption after it', async () => {
  const failing = frame({ error: { message: 'overloaded', code: 503 } })
  const before = fetchOf(() => new Response(failing), good)
  expect((await run(clientOf({ fetch: before.fetch }))).text).toBe('ok')
  expect(before.calls).toHaveLength(2)
  const after = fetchOf(() => new Response(chunk('Hel') + failing), good)
  const { error, text } = await run(clientOf({ fetch: after.fetch }))
  expect(text).toBe('Hel')
  expect(error).toMatchObject({ kind: 'interrupted', cause: { kind: 'overloaded' } })
  expect(after.calls).toHaveLength(1)
})
