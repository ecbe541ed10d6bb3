import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { AuthorizeContext } from '../../src/provider.ts'
import { type VertexOptions, vertex } from '../../src/providers/vertex.ts'
import type { Part, Request } from '../../src/types.ts'
import { ask, run, stream, sum, thrown } from './codec.ts'

const provider = vertex({ project: 'my-project', location: 'europe-west4' })
const claude = (extra: Partial<Request> = {}): Request =>
  ask({ model: 'claude-sonnet-5-5', maxTokens: 64, ...extra })
const gemini = (extra: Partial<Request> = {}): Request => ask({ model: 'gemini-3.8-flash', ...extra })
const context: AuthorizeContext = {
  nowMs: 0,
  signal: new AbortController().signal,
  transport: { send: () => Promise.reject() },
}
const body = (request: Request): Record<string, unknown> =>
  JSON.parse(provider.encode(request).body as string) as Record<string, unknown>
const events = (...payloads: { type: string }[]): string =>
  payloads.map((payload) => `event: ${payload.type}\ndata: ${JSON.stringify(payload)}\n\n`).join('')

const CLAUDE_ANSWER = events(
  {
    type: 'message_start',
    message: {
      id: 'msg_vrtx_1',
      model: 'claude-sonnet-5-5',
      content: [],
      usage: { input_tokens: 9, output_tokens: 1 },
    },
  } as { type: string },
  {
    type: 'content_block_start',
    index: 0,
    content_block: { type: 'thinking', thinking: '', signature: '' },
  } as { type: string },
  { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'Hm.' } } as {
    type: string
  },
  { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'c2ln' } } as {
    type: string
  },
  { type: 'content_block_stop', index: 0 } as { type: string },
  { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } } as { type: string },
  { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'Bonjour.' } } as {
    type: string
  },
  { type: 'content_block_stop', index: 1 } as { type: string },
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 12 } } as {
    type: string
  },
  { type: 'message_stop' },
)

describe('a Vertex request', () => {
  it.each([
    ['europe-west4', 'https://europe-west4-aiplatform.googleapis.com/v1/'],
    ['global', 'https://aiplatform.googleapis.com/v1/'],
    ['eu', 'https://aiplatform.eu.rep.googleapis.com/v1/'],
  ])('for Gemini in %s goes to the host of the place', (location, host) => {
    const { url } = vertex({ project: 'p-1', location }).encode(gemini())
    const path = `projects/p-1/locations/${location}/publishers/google/models/gemini-3.8-flash`
    expect(url).toBe(`${host}${path}:streamGenerateContent?alt=sse`)
  })

  it('for Claude goes to Anthropic, in its format, the model in the path only', () => {
    const http = provider.encode(claude({ model: 'claude-haiku-4-5@20251001' }))
    expect(http.url).toBe(
      'https://europe-west4-aiplatform.googleapis.com/v1/projects/my-project/locations/europe-west4/' +
        'publishers/anthropic/models/claude-haiku-4-5@20251001:streamRawPredict',
    )
    expect(provider.encode(claude({ stream: false })).url).toMatch(/claude-sonnet-5-5:rawPredict$/)
    expect(body(claude())).toEqual({
      anthropic_version: 'vertex-2023-10-16',
      max_tokens: 64,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
      stream: true,
    })
    expect(body(claude({ stream: false }))).not.toHaveProperty('stream')
  })

  it('carries a token, or an API key in express mode', async () => {
    const tokens = ['t-1', 't-2']
    const signed = vertex({ project: 'p', apiKey: () => tokens.shift() ?? '' })
    expect((await signed.authorize(signed.encode(gemini()), context)).headers['authorization']).toBe(
      'Bearer t-1',
    )
    expect((await signed.authorize(signed.encode(claude()), context)).headers['authorization']).toBe(
      'Bearer t-2',
    )
    const express = vertex({ apiKey: 'key-1' })
    const http = await express.authorize(express.encode(gemini()), context)
    expect(http.url).toBe(
      'https://aiplatform.googleapis.com/v1/publishers/google/models/gemini-3.8-flash:streamGenerateContent?alt=sse',
    )
    expect(http.headers['x-goog-api-key']).toBe('key-1')
    expect(http.headers).not.toHaveProperty('authorization')
    expect(thrown(() => express.encode(claude()))).toMatchObject({ kind: 'config' })
  })

  it.each([
    { project: 'p', location: 'evil.com/#' },
    { project: 'p', location: 'a.b' },
    { project: 'p', location: '' },
    { project: '../..' },
    { project: 'p/locations/x' },
    { project: 'p?x=' },
    { project: '' },
  ] as VertexOptions[])('never leaves Google: %j', (options) => {
    expect(thrown(() => vertex(options).encode(gemini()))).toMatchObject({
      kind: 'config',
      provider: 'vertex',
    })
  })

  it.each(['../../files', 'a?b', 'a#b', '..'])('keeps the model %s in its segment', (model) => {
    const url = new URL(provider.encode(gemini({ model })).url)
    expect(url.host).toBe('europe-west4-aiplatform.googleapis.com')
    expect(url.pathname).toMatch(/publishers\/google\/models\/[^/]+:streamGenerateContent$/)
  })

  it('counts tokens with either publisher', () => {
    const { countTokens } = provider
    expect(countTokens?.encode(gemini()).url).toMatch(/google\/models\/gemini-3\.8-flash:countTokens$/)
    const http = countTokens?.encode(claude())
    expect(http?.url).toMatch(/anthropic\/models\/count-tokens:rawPredict$/)
    expect(JSON.parse(http?.body as string)).toMatchObject({ model: 'claude-sonnet-5-5' })
    expect([countTokens?.decode({ totalTokens: 3 }), countTokens?.decode({ input_tokens: 4 })]).toEqual([
      3, 4,
    ])
    expect(thrown(() => countTokens?.decode({}))).toMatchObject({ kind: 'protocol' })
  })

  it('offers tools of Google under either name', () => {
    const tools: Request['tools'] = [
      { type: 'provider', provider: 'gemini', value: { googleSearch: {} } },
      { type: 'provider', provider: 'vertex', value: { enterpriseWebSearch: {} } },
    ]
    expect(body(gemini({ tools }))['tools']).toEqual([{ googleSearch: {} }, { enterpriseWebSearch: {} }])
  })
})

describe('a Vertex answer', () => {
  it('of Gemini is read as Gemini, under the name vertex', () => {
    const text = readFileSync('fixtures/gemini/thinking-tools.sse', 'utf8')
    const all = stream(provider, text, gemini())
    expect(all[0]).toMatchObject({ type: 'start', provider: 'vertex' })
    const { parts, finish } = sum(all)
    expect(parts[1]).toMatchObject({
      origin: { provider: 'vertex', id: 'fc-1', thoughtSignature: 'c2lnLTE=' },
    })
    expect(finish?.finishReason).toBe('tool-calls')
  })

  it('of Claude is read as Claude, under the name vertex', () => {
    const all = stream(provider, CLAUDE_ANSWER, claude())
    expect(all[0]).toEqual({
      type: 'start',
      provider: 'vertex',
      model: 'claude-sonnet-5-5',
      id: 'msg_vrtx_1',
    })
    const { text, reasoning, finish } = sum(all)
    expect([text, reasoning]).toEqual(['Bonjour.', 'Hm.'])
    expect(finish).toMatchObject({ finishReason: 'stop', usage: { inputTokens: 9, outputTokens: 12 } })
    const message = {
      type: 'message',
      id: 'msg_vrtx_1',
      model: 'claude-sonnet-5-5',
      content: [{ type: 'text', text: 'Bonjour.' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 9, output_tokens: 12 },
    }
    expect(sum(provider.decode(message, claude()).events)).toMatchObject({ text: 'Bonjour.' })
  })

  it('keeps what Claude signed from Gemini, and gives it back to Claude', () => {
    const content = JSON.parse(JSON.stringify(sum(stream(provider, CLAUDE_ANSWER, claude())).parts)) as Part[]
    const messages: Request['messages'] = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content },
      { role: 'user', content: 'Again' },
    ]
    expect(JSON.stringify(body(gemini({ messages })))).not.toContain('c2ln')
    expect(JSON.stringify(body(claude({ messages })))).toContain('"signature":"c2ln"')
  })

  it('that breaks off is interrupted with either publisher', () => {
    const cut = new TextEncoder().encode(
      CLAUDE_ANSWER.slice(0, CLAUDE_ANSWER.indexOf('event: message_delta')),
    )
    expect(thrown(() => run(provider, [cut], claude()))).toMatchObject({
      kind: 'interrupted',
      provider: 'vertex',
    })
    expect(thrown(() => run(provider, [], gemini()))).toMatchObject({
      kind: 'interrupted',
      provider: 'vertex',
    })
  })

  it('that is an error is read in the shapes of both', () => {
    const error = (status: number, text: object): unknown =>
      provider.error({ status, headers: new Headers(), body: JSON.stringify(text) })
    const google = {
      error: {
        code: 401,
        message: 'Request had invalid authentication credentials.',
        status: 'UNAUTHENTICATED',
      },
    }
    expect(error(401, google)).toMatchObject({ kind: 'auth', provider: 'vertex' })
    const anthropic = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
    expect(error(529, anthropic)).toMatchObject({ kind: 'overloaded', provider: 'vertex' })
  })
})
