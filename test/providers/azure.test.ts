import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { AuthorizeContext } from '../../src/provider.ts'
import { azure, type AzureOptions } from '../../src/providers/azure.ts'
import type { Message } from '../../src/types.ts'
import { corpusFolder } from '../corpus.ts'
import { ask, run, stream, sum, thrown } from './codec.ts'

const resource = 'my-resource'
const context: AuthorizeContext = {
  nowMs: 0,
  signal: new AbortController().signal,
  transport: { send: () => Promise.reject() },
}
const urlOf = (options: AzureOptions, model = 'my-deployment'): string =>
  azure({ resource, ...options }).encode(ask({ model })).url
const body = (options: AzureOptions, extra = {}): Record<string, unknown> =>
  JSON.parse(azure({ resource, ...options }).encode(ask(extra)).body as string) as Record<string, unknown>
const sse = (...payloads: unknown[]): string =>
  payloads
    .map((payload) => `data: ${typeof payload === 'string' ? payload : JSON.stringify(payload)}\n\n`)
    .join('')

describe('an Azure request', () => {
  it.each([
    [{}, 'https://my-resource.openai.azure.com/openai/v1/chat/completions'],
    [
      { apiVersion: 'preview' },
      'https://my-resource.openai.azure.com/openai/v1/chat/completions?api-version=preview',
    ],
    [
      { apiVersion: '2024-10-21' },
      'https://my-resource.openai.azure.com/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21',
    ],
    [{ api: 'responses' }, 'https://my-resource.openai.azure.com/openai/v1/responses'],
    [
      { api: 'responses', apiVersion: '2025-04-01-preview' },
      'https://my-resource.openai.azure.com/openai/responses?api-version=2025-04-01-preview',
    ],
    [
      { api: 'foundry' },
      'https://my-resource.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview',
    ],
    [{ api: 'anthropic' }, 'https://my-resource.services.ai.azure.com/anthropic/v1/messages'],
    [
      { baseURL: 'https://my-resource.openai.azure.us/' },
      'https://my-resource.openai.azure.us/openai/v1/chat/completions',
    ],
  ] as [AzureOptions, string][])('with %j goes to %s', (options, url) => {
    expect(urlOf(options)).toBe(url)
  })

  it('names the deployment in the path of old versions, as one segment', () => {
    const old = { apiVersion: '2024-10-21' }
    expect(urlOf(old, '../../x?y#z')).toContain('/deployments/..%2F..%2Fx%3Fy%23z/chat/')
    expect(urlOf(old, '..')).toContain('/deployments/%252E%252E/chat/')
  })

  it.each([
    { resource: 'evil.com/#' },
    { resource: 'a.b' },
    { resource: '' },
    { apiVersion: '2024-10-21&x=' },
    { apiVersion: '../v1' },
    { baseURL: 'file:///etc' },
    { baseURL: 'https://user:pw@example.com' },
  ])('never leaves Azure: %j', (options) => {
    const send = (): unknown => urlOf(options)
    expect(thrown(send)).toMatchObject({ kind: 'config', provider: 'azure' })
  })

  it('needs to know where to go', () => {
    expect(thrown(() => azure({}))).toMatchObject({ kind: 'config' })
  })

  it('carries the key in its own header, or a fresh token', async () => {
    const keyed = azure({ resource, apiKey: 'key-1' })
    const http = await keyed.authorize(keyed.encode(ask()), context)
    expect(http.headers).toMatchObject({ 'api-key': 'key-1' })
    expect(http.headers).not.toHaveProperty('authorization')
    let n = 0
    const entra = azure({ resource, token: () => `t-${++n}`, api: 'anthropic' })
    for (const token of ['Bearer t-1', 'Bearer t-2']) {
      expect((await entra.authorize(entra.encode(ask()), context)).headers['authorization']).toBe(token)
    }
    await expect(azure({ resource }).authorize(http, context)).rejects.toMatchObject({ kind: 'config' })
  })

  it('knows which fields came when', () => {
    expect(body({}, { maxTokens: 9 })).toMatchObject({
      max_completion_tokens: 9,
      stream_options: { include_usage: true },
    })
    const old = body({ apiVersion: '2024-02-01' }, { maxTokens: 9 })
    expect(old).toMatchObject({ max_tokens: 9 })
    expect(old).not.toHaveProperty('stream_options')
    expect(body({ api: 'foundry' }, { maxTokens: 9 })).toMatchObject({ max_tokens: 9 })
  })

  it('speaks to Claude in its own format', () => {
    const http = azure({ resource, api: 'anthropic' }).encode(
      ask({ model: 'claude-sonnet-5-5', maxTokens: 64 }),
    )
    expect(http.headers).toMatchObject({ 'anthropic-version': '2023-06-01' })
    expect(JSON.parse(http.body as string)).toMatchObject({
      model: 'claude-sonnet-5-5',
      max_tokens: 64,
      stream: true,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
    })
  })
})

describe('an Azure answer', () => {
  const provider = azure({ resource })
  const chunk = (more: object): object => ({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    model: 'gpt-6.1-terra',
    ...more,
  })

  it('survives chunks with filter results and without choices, id, model or delta', () => {
    const events = stream(
      provider,
      sse(
        { id: '', model: '', object: '', choices: [], prompt_filter_results: [{ prompt_index: 0 }] },
        chunk({ choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] }),
        chunk({
          choices: [
            { index: 0, delta: { content: 'Hi' }, content_filter_results: { hate: { filtered: false } } },
          ],
        }),
        chunk({ choices: [{ index: 0, finish_reason: null, content_filter_offsets: { check_offset: 1 } }] }),
        chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
        chunk({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 } }),
        '[DONE]',
      ),
    )
    const start = events.filter((event) => event.type === 'start')
    expect(start).toEqual([{ type: 'start', provider: 'azure', model: 'gpt-6.1-terra', id: 'chatcmpl-1' }])
    expect(sum(events)).toMatchObject({
      text: 'Hi',
      finish: { finishReason: 'stop', usage: { inputTokens: 3 } },
    })
  })

  it('of every api is interrupted when it is cut, under the name azure', () => {
    for (const api of ['chat', 'responses', 'anthropic', 'foundry'] as const) {
      const error = thrown(() => run(azure({ resource, api }), []))
      expect(error, api).toMatchObject({ kind: 'interrupted', provider: 'azure' })
    }
  })

  it('of Claude is read in its own format', () => {
    const claude = azure({ resource, api: 'anthropic' })
    const message = {
      type: 'message',
      id: 'm',
      content: [{ type: 'text', text: 'Oui.' }],
      stop_reason: 'end_turn',
      usage: {},
    }
    const { events } = claude.decode(message, ask())
    expect(events[0]).toMatchObject({ type: 'start', provider: 'azure' })
    expect(sum(events).text).toBe('Oui.')
  })

  it.each([
    [401, { error: { code: '401', message: 'Access denied due to invalid subscription key.' } }, 'auth'],
    [
      404,
      { error: { code: 'DeploymentNotFound', message: 'The API deployment does not exist.' } },
      'not-found',
    ],
    [429, { error: { code: '429', message: 'Requests have exceeded the call rate limit.' } }, 'rate-limit'],
    [
      400,
      {
        error: {
          code: 'content_filter',
          message: 'The response was filtered.',
          innererror: { code: 'ResponsibleAIPolicyViolation', content_filter_result: {} },
        },
      },
      'content-filter',
    ],
  ])('that is a %i is read', (status, text, kind) => {
    const error = provider.error({ status, headers: new Headers(), body: JSON.stringify(text) })
    expect(error).toMatchObject({ kind, status, provider: 'azure' })
  })
})

corpusFolder('request encoding: azure', 'recordings/azure', (folder, ran) => {
  it.each(readdirSync(folder).filter((name) => name.endsWith('.meta.json')))('%s', (name) => {
    const { url, request_body: recorded } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
      url: string
      request_body: { model: string; messages: { role: Message['role']; content: string }[]; stream: boolean }
    }
    const { hostname, searchParams } = new URL(url)
    const apiVersion = searchParams.get('api-version') ?? ''
    const provider = azure({ resource: hostname.split('.')[0] ?? '', apiVersion })
    const http = provider.encode(ask({ model: recorded.model, messages: recorded.messages }))
    expect(http.url).toBe(url)
    expect(JSON.parse(http.body as string)).toEqual(recorded)
    ran()
  })
})
