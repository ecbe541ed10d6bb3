import { describe, expect, it } from 'vitest'
import type { LlmError } from '../../src/errors.ts'
import type { AuthorizeContext, HttpRequest, HttpResponse } from '../../src/provider.ts'
import { watsonx, type WatsonxOptions } from '../../src/providers/watsonx.ts'
import { ask, run, stream, sum, thrown } from './codec.ts'

const provider = watsonx({ projectId: 'p-1' })
const KEY = 'ibm-api-key-1234567890'

/** An identity service that counts, and hands out t-1, t-2 … */
function identity(answer?: (n: number) => Response | Promise<Response>) {
  const asked: HttpRequest[] = []
  const send = async (http: HttpRequest): Promise<HttpResponse> => {
    asked.push(http)
    const n = asked.length
    return answer === undefined ? Response.json({ access_token: `t-${n}`, expires_in: 3600 }) : answer(n)
  }
  const context = (more: Partial<AuthorizeContext> = {}): AuthorizeContext => ({
    nowMs: 1_000_000,
    signal: new AbortController().signal,
    transport: { send },
    ...more,
  })
  return { asked, context }
}

async function failure(work: Promise<unknown>): Promise<LlmError> {
  try {
    await work
  } catch (error) {
    return error as LlmError
  }
  throw new Error('it did not fail')
}

const sse = (...events: [event: string, data: unknown][]): string =>
  events
    .map(([event, data], id) => `id: ${id + 1}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    .join('')
const chunk = (more: object): unknown => ({
  id: 'chat-1',
  model_id: 'ibm/granite',
  model: 'ibm/granite',
  ...more,
})

describe('a watsonx request', () => {
  it('is Chat Completions with other names for a few fields', () => {
    const tools = [{ name: 'f', inputSchema: { type: 'object' } }]
    const request = ask({
      model: 'ibm/granite-4',
      tools,
      toolChoice: 'required',
      maxTokens: 9,
      temperature: 0,
    })
    const http = watsonx({ projectId: 'p-1', region: 'eu-de' }).encode(request)
    expect(http.url).toBe('https://eu-de.ml.cloud.ibm.com/ml/v1/text/chat_stream?version=2025-02-11')
    const body = JSON.parse(http.body as string) as Record<string, unknown>
    expect(body).toMatchObject({
      model_id: 'ibm/granite-4',
      project_id: 'p-1',
      messages: [{ role: 'user', content: 'Hi' }],
      max_tokens: 9,
      temperature: 0,
      tool_choice_option: 'required',
      tools: [{ type: 'function', function: { name: 'f' } }],
    })
    for (const field of ['model', 'stream', 'stream_options', 'tool_choice', 'space_id']) {
      expect(body).not.toHaveProperty(field)
    }
  })

  it('names one tool, a space, a version, one JSON body', () => {
    const tools = [{ name: 'f', inputSchema: { type: 'object' } }]
    const http = watsonx({
      spaceId: 's-1',
      version: '2026-01-01',
      baseURL: 'https://cpd.example.com/',
    }).encode(ask({ tools, toolChoice: { tool: 'f' }, stream: false }))
    expect(http.url).toBe('https://cpd.example.com/ml/v1/text/chat?version=2026-01-01')
    expect(JSON.parse(http.body as string)).toMatchObject({
      space_id: 's-1',
      tool_choice: { type: 'function', function: { name: 'f' } },
    })
  })

  it.each([{}, { projectId: '' }, { projectId: 'p', region: 'evil.com/#' }] as WatsonxOptions[])(
    'is refused for %j',
    (options) => {
      expect(thrown(() => watsonx(options))).toMatchObject({ kind: 'config', provider: 'watsonx' })
    },
  )
})

describe('the token of watsonx', () => {
  const http = provider.encode(ask())

  it('is traded for the key at the identity service, never at the model', async () => {
    const { asked, context } = identity()
    const signed = await watsonx({ projectId: 'p', apiKey: KEY }).authorize(http, context())
    expect(signed.headers['authorization']).toBe('Bearer t-1')
    expect(JSON.stringify(signed)).not.toContain(KEY)
    expect(asked[0]).toMatchObject({ method: 'POST', url: 'https://iam.cloud.ibm.com/identity/token' })
    expect(new URLSearchParams(asked[0]?.body as string).get('apikey')).toBe(KEY)
  })

  it('is kept until a minute before it ends, and not across keys', async () => {
    const { asked, context } = identity()
    const codec = watsonx({ projectId: 'p', apiKey: KEY })
    const at = async (nowMs: number, apiKey?: string): Promise<string | undefined> =>
      (await codec.authorize(http, context({ nowMs, apiKey }))).headers['authorization']
    expect(await at(0)).toBe('Bearer t-1')
    expect(await at(3_539_999)).toBe('Bearer t-1')
    expect(await at(3_540_000)).toBe('Bearer t-2')
    expect(await at(3_540_001, 'another-key')).toBe('Bearer t-3')
    expect(asked).toHaveLength(3)
  })

  it('is fetched anew after a 401', async () => {
    const { context } = identity()
    const codec = watsonx({ projectId: 'p', apiKey: KEY })
    await codec.authorize(http, context())
    const again = await codec.authorize(http, context({ refresh: true }))
    expect(again.headers['authorization']).toBe('Bearer t-2')
  })

  it('is fetched once for a hundred calls at once', async () => {
    const { asked, context } = identity()
    const codec = watsonx({ projectId: 'p', apiKey: KEY })
    const all = await Promise.all(Array.from({ length: 100 }, () => codec.authorize(http, context())))
    expect(new Set(all.map(({ headers }) => headers['authorization']))).toEqual(new Set(['Bearer t-1']))
    expect(asked).toHaveLength(1)
  })

  it('is asked for again by those who waited for a call that was aborted', async () => {
    const aborted = new Error('aborted')
    const { asked, context } = identity((n) =>
      n === 1 ? Promise.reject(aborted) : Response.json({ access_token: 'good', expires_in: 3600 }),
    )
    const codec = watsonx({ projectId: 'p', apiKey: KEY })
    const first = codec.authorize(http, context())
    const second = codec.authorize(http, context())
    expect(await failure(Promise.resolve(first))).toBe(aborted)
    expect((await second).headers['authorization']).toBe('Bearer good')
    expect(asked).toHaveLength(2)
  })

  it.each([
    [400, 'auth', false],
    [401, 'auth', false],
    [429, 'rate-limit', true],
    [503, 'overloaded', true],
  ])('refused with %i is %s, without the key in a word of it', async (status, kind, retryable) => {
    const { context } = identity(() =>
      Response.json(
        { errorCode: 'BXNIM0415E', errorMessage: `Provided API key ${KEY} could not be found.` },
        { status },
      ),
    )
    const codec = watsonx({ projectId: 'p', apiKey: KEY })
    const error = await failure(Promise.resolve(codec.authorize(http, context())))
    expect(error).toMatchObject({ kind, retryable, phase: 'authorize', provider: 'watsonx' })
    expect(JSON.stringify(error)).not.toContain(KEY)
  })

  it.each([
    ['{}', 'protocol'],
    ['<html>', 'protocol'],
    [JSON.stringify({ access_token: 'a\r\nx-evil: 1' }), 'protocol'],
    ['x'.repeat(1_000_000), 'protocol'],
  ])('that is none is a %s error', async (text, kind) => {
    const { context } = identity(() => new Response(text))
    const codec = watsonx({ projectId: 'p', apiKey: KEY })
    expect((await failure(Promise.resolve(codec.authorize(http, context())))).kind).toBe(kind)
  })

  it('may come ready-made', async () => {
    const { asked, context } = identity()
    const signed = await watsonx({ projectId: 'p', token: () => 'mine' }).authorize(http, context())
    expect([signed.headers['authorization'], asked.length]).toEqual(['Bearer mine', 0])
  })
})

describe('a watsonx answer', () => {
  const body = sse(
    [
      'message',
      chunk({ choices: [{ index: 0, finish_reason: null, delta: { role: 'assistant', content: '' } }] }),
    ],
    ['message', chunk({ choices: [{ index: 0, finish_reason: null, delta: { content: 'Hello ' } }] })],
    ['message', chunk({ choices: [{ index: 0, finish_reason: 'stop', delta: { content: 'there' } }] })],
    ['message', chunk({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } })],
  )

  it('is text, usage and a reason to stop, without [DONE]', () => {
    const events = stream(provider, body, ask({ model: 'ibm/granite' }))
    expect(events[0]).toMatchObject({
      type: 'start',
      provider: 'watsonx',
      model: 'ibm/granite',
      id: 'chat-1',
    })
    expect(sum(events)).toMatchObject({
      text: 'Hello there',
      finish: { finishReason: 'stop', usage: { inputTokens: 3, outputTokens: 2 } },
    })
  })

  it('is the same as one JSON body', () => {
    const json = chunk({
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hello there' } }],
      usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
    })
    expect(sum(provider.decode(json, ask()).events)).toEqual(sum(stream(provider, body)))
  })

  it('is interrupted when it is cut, and throws what it reports', () => {
    const cut = new TextEncoder().encode(body.slice(0, body.indexOf('"stop"')).replace(/id: 3[^]*$/, ''))
    expect(thrown(() => run(provider, [cut]))).toMatchObject({ kind: 'interrupted', provider: 'watsonx' })
    const errors = [{ code: 'token_quota_reached', message: 'This plan has no tokens left.' }]
    const failed = new TextEncoder().encode(sse(['error', { errors, trace: 'x', status_code: 403 }]))
    expect(thrown(() => run(provider, [failed]))).toMatchObject({ provider: 'watsonx' })
  })

  it('that is an error is read', () => {
    const errors = [
      { code: 'model_not_supported', message: "Model 'x' is not supported", more_info: 'https://…' },
    ]
    const text = JSON.stringify({ errors, trace: 'abc', status_code: 404 })
    const error = provider.error({ status: 404, headers: new Headers(), body: text })
    expect(error).toMatchObject({ kind: 'not-found', status: 404 })
    expect(error.message).toContain("Model 'x' is not supported")
  })
})
