/** Bad input that every cloud shares: strings that become host names, credentials that have expired, verbs nobody offers. */
import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.ts'
import { LlmError } from '../../src/errors.ts'
import type { EmbeddingProvider, Provider } from '../../src/provider.ts'
import type { Json, Message } from '../../src/types.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { azureEmbeddings } from '../../src/providers/azure-embeddings.ts'
import { azure } from '../../src/providers/azure.ts'
import { bedrockEmbeddings } from '../../src/providers/bedrock-embeddings.ts'
import { bedrock } from '../../src/providers/bedrock.ts'
import { cohere } from '../../src/providers/cohere.ts'
import { gemini } from '../../src/providers/gemini.ts'
import { mistral } from '../../src/providers/mistral.ts'
import { ollama } from '../../src/providers/ollama.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { openai } from '../../src/providers/openai.ts'
import { vertexEmbeddings } from '../../src/providers/vertex-embeddings.ts'
import { vertex } from '../../src/providers/vertex.ts'
import { watsonx } from '../../src/providers/watsonx.ts'
import { ask, thrown } from './codec.ts'

describe('a string that becomes part of a host name', () => {
  const BAD = [
    'evil.example/',
    'evil.example#',
    'a.evil.example',
    'a@evil.example',
    'a:1',
    'a b',
    '-a',
    'ä',
    'a\n',
    '%2e',
  ]
  const texts = { model: 'm', texts: ['a'] }
  const places: [string, (value: string) => unknown][] = [
    ['region of bedrock', (region) => bedrock({ region })],
    ['region of bedrock embeddings', (region) => bedrockEmbeddings({ region })],
    ['resource of azure', (resource) => azure({ resource })],
    ['resource of azure, for Claude', (resource) => azure({ resource, api: 'anthropic' })],
    ['resource of azure embeddings', (resource) => azureEmbeddings({ resource }).encode(texts)],
    ['location of vertex', (location) => vertex({ project: 'p', location }).encode(ask())],
    ['location of vertex embeddings', (location) => vertexEmbeddings({ project: 'p', location })],
    ['region of watsonx', (region) => watsonx({ projectId: 'p', region })],
  ]

  it.each(places)('%s is refused before anything is sent, and not repeated', (_, make) => {
    for (const value of BAD) {
      const error = thrown(() => make(value))
      expect(LlmError.is(error), JSON.stringify(value)).toBe(true)
      expect(error).toMatchObject({ kind: 'config' })
      expect((error as LlmError).message).not.toContain('evil')
    }
  })

  it('the project of vertex is a path segment and nothing more', () => {
    for (const project of ['../p', 'p/locations/x', 'p?x', 'p#x', 'p q', '']) {
      expect(
        thrown(() => vertex({ project }).encode(ask())),
        project,
      ).toMatchObject({ kind: 'config' })
    }
  })
})

/** Keys that are fetched: an old one first, then as many new ones as are asked for. */
function keys(): { next: () => string; count: () => number } {
  let count = 0
  return { next: () => `key-number-${++count}`, count: () => count }
}

const PAIR = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret-of-the-pair' }
const expired = (): Response =>
  Response.json({ error: { message: 'The token has expired.' } }, { status: 401 })
const expiredAws = (): Response =>
  Response.json(
    { message: 'The security token included in the request is expired' },
    { status: 403, headers: { 'x-amzn-errortype': 'ExpiredTokenException' } },
  )

const rows: [string, (next: () => string) => Provider, () => Response][] = [
  ['anthropic', (apiKey) => anthropic({ apiKey }), expired],
  ['openai', (apiKey) => openai({ apiKey }), expired],
  ['gemini', (apiKey) => gemini({ apiKey }), expired],
  ['mistral', (apiKey) => mistral({ apiKey }), expired],
  ['cohere', (apiKey) => cohere({ apiKey }), expired],
  ['vertex', (apiKey) => vertex({ project: 'p', apiKey }), expired],
  ['azure, by token', (token) => azure({ resource: 'r', token }), expired],
  ['watsonx, by token', (token) => watsonx({ projectId: 'p', token }), expired],
  [
    'bedrock, by signature',
    (next) => bedrock({ region: 'us-east-1', credentials: () => ({ ...PAIR, sessionToken: next() }) }),
    expiredAws,
  ],
]

describe.each(rows)('credentials that have expired at %s', (_, make, refusal) => {
  it('are fetched once more, and then it is auth', async () => {
    const { next, count } = keys()
    let sent = 0
    const client = createClient({
      provider: make(next),
      model: 'm',
      retry: { attempts: 3, baseMs: 1, maxMs: 1 },
      fetch: async () => {
        sent++
        return refusal()
      },
    })
    const error = await client.complete('Hi').catch((reason: unknown) => reason)
    expect(error).toMatchObject({ kind: 'auth', retryable: false })
    expect([sent, count()]).toEqual([2, 2])
    expect(JSON.stringify(error)).not.toMatch(/key-number|secret-of-the-pair/)
  })
})

const embedders: [string, (next: () => string) => EmbeddingProvider, () => Response][] = [
  ['azure', (token) => azureEmbeddings({ resource: 'r', token }), expired],
  ['vertex', (apiKey) => vertexEmbeddings({ project: 'p', apiKey }), expired],
  [
    'bedrock',
    (next) =>
      bedrockEmbeddings({ region: 'us-east-1', credentials: () => ({ ...PAIR, sessionToken: next() }) }),
    expiredAws,
  ],
]

it.each(embedders)('embed refreshes expired credentials once at %s', async (_, make, refusal) => {
  const { next, count } = keys()
  const client = createClient({
    embedding: make(next),
    retry: false,
    fetch: async () => refusal(),
  })
  const error = await client.embed(['a'], { model: 'titan-embed' }).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ kind: 'auth', retryable: false })
  expect(count()).toBe(2)
})

describe('counting and listing', () => {
  const counting: [string, Provider, unknown, number][] = [
    ['anthropic', anthropic(), { input_tokens: 7 }, 7],
    ['openai', openai(), { input_tokens: 7 }, 7],
    ['gemini', gemini(), { totalTokens: 7 }, 7],
    ['vertex', vertex({ project: 'p' }), { totalTokens: 7 }, 7],
    ['bedrock', bedrock({ region: 'us-east-1', apiKey: 'k' }), { inputTokens: 7 }, 7],
    ['cohere', cohere(), { tokens: [1, 2, 3, 4, 5, 6, 7] }, 7],
  ]

  it.each(counting)('%s counts through the client', async (_, provider, answer, tokens) => {
    const client = createClient({
      provider,
      model: 'm',
      apiKey: 'k',
      fetch: async () => Response.json(answer),
    })
    expect(await client.countTokens({ system: 'S', messages: [{ role: 'user', content: 'Hi' }] })).toBe(
      tokens,
    )
  })

  const listing: [string, Provider, unknown][] = [
    ['anthropic', anthropic(), { data: [{ id: 'a' }, { id: 'b' }], has_more: false }],
    ['openai', openai(), { data: [{ id: 'a' }, { id: 'b' }] }],
    ['mistral', mistral(), { data: [{ id: 'a' }, { id: 'b' }] }],
    ['gemini', gemini(), { models: [{ name: 'models/a' }, { name: 'models/b' }] }],
    ['ollama', ollama(), { models: [{ name: 'a' }, { name: 'b' }] }],
    ['cohere', cohere(), { models: [{ name: 'a' }, { name: 'b' }] }],
    [
      'bedrock',
      bedrock({ region: 'us-east-1', apiKey: 'k' }),
      { modelSummaries: [{ modelId: 'a' }, { modelId: 'b' }] },
    ],
    ['azure', azure({ resource: 'r' }), { data: [{ id: 'a' }, { id: 'b' }] }],
    [
      'watsonx',
      watsonx({ projectId: 'p', token: 't' }),
      { resources: [{ model_id: 'a' }, {}, { model_id: 'b' }] },
    ],
  ]

  it.each(listing)('%s lists through the client', async (_, provider, answer) => {
    const asked: string[] = []
    const client = createClient({
      provider,
      model: 'm',
      apiKey: 'k',
      fetch: async (url, init) => {
        asked.push(`${init?.method} ${String(url)}`)
        return Response.json(answer)
      },
    })
    expect(await client.listModels()).toEqual(['a', 'b'])
    expect(asked).toHaveLength(1)
    expect(asked[0]).toMatch(/^GET https?:\/\//)
  })

  it.each<[string, Provider]>([
    ['ollama', ollama()],
    ['mistral', mistral()],
    ['watsonx', watsonx({ projectId: 'p' })],
  ])('%s says that it does not count, and what does', async (_, provider) => {
    const error = await createClient({ provider, model: 'm', apiKey: 'k' })
      .countTokens('Hi')
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ kind: 'unsupported' })
    expect((error as LlmError).message).toContain('estimateTokens()')
  })
})

const CODECS: Provider[] = [
  anthropic(),
  openai(),
  openaiChat(),
  mistral(),
  gemini(),
  vertex({ project: 'p' }),
  {
    ...vertex({ project: 'p' }),
    name: 'vertex, Claude',
    encode: (request) => vertex({ project: 'p' }).encode({ ...request, model: `claude-${request.model}` }),
  },
  bedrock({ region: 'us-east-1' }),
  { ...bedrock({ region: 'us-east-1', api: 'invoke' }), name: 'bedrock, invoke' },
  azure({ resource: 'r' }),
  { ...azure({ resource: 'r', apiVersion: '2024-10-21' }), name: 'azure, dated' },
  { ...azure({ resource: 'r', api: 'responses' }), name: 'azure, responses' },
  { ...azure({ resource: 'r', api: 'anthropic' }), name: 'azure, Claude' },
  cohere(),
  ollama(),
  watsonx({ projectId: 'p' }),
]

describe.each(CODECS.map((codec) => [codec.name, codec] as const))('bad input at %s', (_, codec) => {
  it('a tool whose arguments are no object is refused by its name', () => {
    const schemas: unknown[] = [
      { type: 'array', items: { type: 'string' } },
      { type: 'string' },
      { type: ['object', 'null'] },
      [],
      null,
      'object',
    ]
    for (const inputSchema of schemas) {
      const tools = [{ name: 'lookUp', inputSchema: inputSchema as Record<string, unknown> }]
      const error = thrown(() => codec.encode(ask({ tools })))
      expect(error, JSON.stringify(inputSchema)).toMatchObject({ kind: 'config' })
      expect((error as LlmError).message).toContain('lookUp')
    }
  })

  it('a picture that is none is refused', () => {
    const content = [{ type: 'image' as const, data: 'YQ==', mediaType: 'text/plain' }]
    expect(thrown(() => codec.encode(ask({ messages: [{ role: 'user', content }] })))).toMatchObject({
      kind: 'invalid-request',
    })
  })

  it('arguments and schemas 100,000 levels deep are a typed error, not a full stack', () => {
    let deep: Json = 1
    for (let level = 0; level < 100_000; level++) deep = { a: deep }
    const messages: Message[] = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: [{ type: 'tool-call', id: 't', name: 'f', args: deep }] },
      { role: 'tool', content: [{ type: 'tool-result', id: 't', name: 'f', content: 'R' }] },
    ]
    const tools = [{ name: 'f', inputSchema: { type: 'object' } }]
    expect(thrown(() => codec.encode(ask({ messages, tools })))).toMatchObject({ kind: 'invalid-request' })
    const schema = { type: 'object', properties: { p: deep as Record<string, unknown> } }
    for (const request of [{ schema }, { tools: [{ name: 'f', inputSchema: schema, strict: true }] }]) {
      const error = thrown(() => codec.encode(ask(request)))
      expect(error).toSatisfy((value: unknown) => LlmError.is(value) || value === undefined)
      if (LlmError.is(error)) expect(error.kind).toMatch(/^(?:config|invalid-request)$/)
    }
  })

  it('__proto__ stays a name', () => {
    const args = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}') as Json
    const inputSchema = JSON.parse(
      '{"type":"object","properties":{"__proto__":{"type":"object","properties":{"polluted":{"type":"string"}}}}}',
    ) as Record<string, unknown>
    const messages: Message[] = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: [{ type: 'tool-call', id: '__proto__', name: '__proto__', args }] },
      { role: 'tool', content: [{ type: 'tool-result', id: '__proto__', name: '__proto__', content: 'R' }] },
    ]
    const http = codec.encode(
      ask({
        messages,
        tools: [{ name: '__proto__', inputSchema, strict: true }],
        body: args as Record<string, unknown>,
      }),
    )
    expect(String(http.body)).toContain('polluted')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect(Object.getPrototypeOf(JSON.parse(String(http.body)))).toBe(Object.prototype)
  })

  it('a model id cannot leave its place in the URL', () => {
    const { origin } = new URL(codec.encode(ask()).url)
    for (const model of [
      '../../x',
      '..',
      '.',
      'a/../../b',
      'm?key=1',
      'm#f',
      '%2e%2e',
      '@evil.example/',
      '//evil.example',
      'a\\..\\b',
    ]) {
      const { url } = codec.encode(ask({ model }))
      const parsed = new URL(url)
      expect(parsed.origin, model).toBe(origin)
      expect(parsed.hash, model).toBe('')
      expect([...parsed.searchParams.keys()].join(), model).toMatch(/^(?:alt|version|api-version)?$/)
      // What a parser resolves is what was written: nothing climbed.
      expect(parsed.pathname, model).toBe(url.slice(origin.length).split('?', 1)[0])
    }
  })
})
