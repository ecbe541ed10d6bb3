import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import { ollama } from '../../src/providers/ollama.ts'
import type { Json, Message, Request } from '../../src/types.ts'
import { corpusFolder } from '../corpus.ts'
import { ask, run, stream, sum, thrown } from './codec.ts'

const provider = ollama()
const fixture = (name: string): string => readFileSync(`fixtures/ollama/${name}`, 'utf8')
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function body(request: Request): Record<string, Json> {
  return JSON.parse(provider.encode(request).body as string) as Record<string, Json>
}

function warningFields(request: Request): (string | undefined)[] {
  return (provider.encode(request).warnings ?? []).map((warning) => warning.field)
}

describe('an Ollama answer', () => {
  it('is text, usage and a reason to stop, in every chunking', () => {
    const { text, finish } = sum(stream(provider, fixture('text.ndjson')))
    expect(text).toBe('Blue light scatters — más 🔵')
    expect(finish).toEqual({
      type: 'finish',
      finishReason: 'stop',
      rawFinishReason: 'stop',
      usage: { inputTokens: 16, outputTokens: 9, totalTokens: 25 },
    })
  })

  it('is the same as a JSON body', () => {
    const streamed = sum(stream(provider, fixture('text.ndjson')))
    const [, , last = ''] = lines(fixture('text.ndjson'))
    const whole = JSON.parse(last) as { message: { content: string } }
    whole.message.content = streamed.text
    const { events, raw } = provider.decode(whole)
    expect(sum(events)).toEqual(streamed)
    expect(raw.usage).toMatchObject({ eval_count: 9, total_duration: 482007750 })
    expect(raw.usage).not.toHaveProperty('message')
  })

  it('names the model that answered', () => {
    expect(stream(provider, fixture('text.ndjson'))[0]).toEqual({
      type: 'start',
      provider: 'ollama',
      model: 'gemma3:1b',
    })
  })

  it('may think and call tools in parallel, all of them with function.index 0', () => {
    const events = stream(provider, fixture('thinking-tools.ndjson'))
    const { reasoning, text, toolCalls, parts, finish } = sum(events)
    expect(reasoning).toBe('Two cities, two calls.')
    expect(text).toBe('Looking.')
    expect(toolCalls.map(({ id, name }) => [id, name])).toEqual([
      ['call_paris', 'weather'],
      ['call_rome', 'weather'],
    ])
    expect(parts.map((part) => part.type)).toEqual(['reasoning', 'text', 'tool-call', 'tool-call'])
    expect(parts[0]).toMatchObject({ origin: { provider: 'ollama' } })
    expect(finish).toMatchObject({ finishReason: 'tool-calls', rawFinishReason: 'stop' })
  })

  it('keeps __proto__ in arguments as data', () => {
    const { toolCalls } = sum(stream(provider, fixture('thinking-tools.ndjson')))
    const args = toolCalls[1]?.args as object
    expect(Object.hasOwn(args, '__proto__')).toBe(true)
    expect(Object.getPrototypeOf(args)).toBe(Object.prototype)
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })

  it('gives no usage where the server gives none, and none where it gives nonsense', () => {
    const end = (more: object): string =>
      JSON.stringify({ model: 'm', message: { content: 'x' }, done: true, done_reason: 'stop', ...more })
    expect(sum(stream(provider, end({}))).finish?.usage).toEqual({})
    expect(sum(stream(provider, end({ eval_count: 3 }))).finish?.usage).toEqual({ outputTokens: 3 })
    const odd = sum(stream(provider, end({ prompt_eval_count: -1, eval_count: '7' })))
    expect(odd.finish?.usage).toEqual({})
  })

  it.each([
    ['length', 'length'],
    ['load', 'unknown'],
    ['a reason of next year', 'unknown'],
  ])('ends with done_reason %s as %s', (reason, finishReason) => {
    const line = JSON.stringify({ model: 'm', message: { content: 'x' }, done: true, done_reason: reason })
    expect(sum(stream(provider, line)).finish).toMatchObject({ finishReason, rawFinishReason: reason })
  })

  it('ignores what follows the last line', () => {
    const late = `${fixture('text.ndjson')}{"message":{"content":"late"},"done":false}\n`
    expect(sum(run(provider, [bytes(late)])).text).toBe('Blue light scatters — más 🔵')
  })

  it('carries log-probabilities with the text they belong to', () => {
    const line = JSON.stringify({
      model: 'm',
      message: { content: 'Hi' },
      logprobs: [{ token: 'Hi', logprob: -0.1, top_logprobs: [{ token: 'Hey', logprob: -2 }] }],
      done: true,
    })
    expect(stream(provider, line)[1]).toEqual({
      type: 'text-delta',
      part: 0,
      text: 'Hi',
      logprobs: [{ token: 'Hi', logprob: -0.1, top: [{ token: 'Hey', logprob: -2 }] }],
    })
  })
})

describe('an Ollama answer that breaks off', () => {
  it('is interrupted wherever it is cut before the last line', () => {
    const all = lines(fixture('thinking-tools.ndjson'))
    for (let kept = 0; kept < all.length; kept++) {
      const cut = bytes(all.slice(0, kept).join('\n'))
      expect(thrown(() => run(provider, [cut]))).toMatchObject({ kind: 'interrupted', provider: 'ollama' })
    }
  })

  it('delivers no tool call before the last line', () => {
    const decoder = provider.decoder(ask())
    const events = lines(fixture('thinking-tools.ndjson'))
      .slice(0, -1)
      .flatMap((data) => decoder.push({ event: 'message', data }))
    expect(events.some((event) => event.type === 'tool-call-start')).toBe(true)
    expect(events.some((event) => event.type === 'tool-call')).toBe(false)
  })

  it('throws the error that a line reports after a 200', () => {
    const error = thrown(() => run(provider, [bytes(fixture('error.ndjson'))]))
    expect(LlmError.is(error)).toBe(true)
    expect(error).toMatchObject({ kind: 'server', provider: 'ollama', retryable: true })
    expect((error as LlmError).message).toContain('unexpected EOF')
  })

  it.each(['<html>', '[1]', 'null', '7'])('is a protocol error when a line is %s', (line) => {
    expect(thrown(() => run(provider, [bytes(line)]))).toMatchObject({ kind: 'protocol' })
  })
})

describe('an Ollama request', () => {
  it('goes to /api/chat with sampling under options', () => {
    const request = ask({
      model: 'llama3',
      system: 'Be brief.',
      maxTokens: 64,
      temperature: 0,
      topP: 0.9,
      topK: 40,
      stop: ['END'],
      seed: 7,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      body: { keep_alive: '10m', options: { num_ctx: 32768 } },
    })
    const { method, url, warnings } = provider.encode(request)
    expect([method, url, warnings]).toEqual(['POST', 'http://localhost:11434/api/chat', []])
    expect(body(request)).toEqual({
      model: 'llama3',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
      ],
      stream: true,
      keep_alive: '10m',
      options: {
        num_predict: 64,
        temperature: 0,
        top_p: 0.9,
        top_k: 40,
        stop: ['END'],
        seed: 7,
        presence_penalty: 0.1,
        frequency_penalty: 0.2,
        num_ctx: 32768,
      },
    })
  })

  it('says nothing it was not told', () => {
    expect(body(ask({ stream: false }))).toEqual({
      model: 'test-model',
      messages: [{ role: 'user', content: 'Hi' }],
      stream: false,
    })
  })

  it('asks for a shape with format', () => {
    const schema = { type: 'object', properties: { city: { type: 'string' } } }
    expect(body(ask({ schema }))['format']).toEqual(schema)
  })

  it('sends a whole turn of tools back: arguments as objects, each result a message', () => {
    const { parts } = sum(stream(provider, fixture('thinking-tools.ndjson')))
    const messages: Message[] = [
      { role: 'user', content: 'Weather?' },
      { role: 'assistant', content: JSON.parse(JSON.stringify(parts)) as typeof parts },
      {
        role: 'tool',
        content: [
          { type: 'tool-result', id: 'call_paris', name: 'weather', content: '20 °C' },
          { type: 'tool-result', id: 'call_rome', name: 'weather', content: 'no such city', isError: true },
        ],
      },
    ]
    expect(body(ask({ messages }))['messages']).toEqual([
      { role: 'user', content: 'Weather?' },
      {
        role: 'assistant',
        content: 'Looking.',
        thinking: 'Two cities, two calls.',
        tool_calls: [
          { id: 'call_paris', function: { name: 'weather', arguments: { city: 'Paris' } } },
          {
            id: 'call_rome',
            function: {
              name: 'weather',
              arguments: JSON.parse('{"city":"Rome","__proto__":{"admin":true}}') as Json,
            },
          },
        ],
      },
      { role: 'tool', content: '20 °C', tool_name: 'weather', tool_call_id: 'call_paris' },
      { role: 'tool', content: 'Error: no such city', tool_name: 'weather', tool_call_id: 'call_rome' },
    ])
  })

  it('sends arguments that were not JSON as an object that says so', () => {
    const messages: Message[] = [
      {
        role: 'assistant',
        content: [{ type: 'tool-call', id: 'a', name: 'f', invalid: { raw: '{"x":', reason: 'cut' } }],
      },
    ]
    expect(body(ask({ messages }))['messages']).toEqual([
      {
        role: 'assistant',
        content: '',
        tool_calls: [{ id: 'a', function: { name: 'f', arguments: { INVALID_JSON: '{"x":' } } }],
      },
    ])
  })

  it('offers tools as functions, and none where the choice is none', () => {
    const tools = [{ name: 'f', description: 'does', inputSchema: { type: 'object', properties: {} } }]
    expect(body(ask({ tools }))['tools']).toEqual([
      {
        type: 'function',
        function: { name: 'f', description: 'does', parameters: { type: 'object', properties: {} } },
      },
    ])
    expect(body(ask({ tools, toolChoice: 'none' }))).not.toHaveProperty('tools')
    expect(body(ask({ tools: [] }))).not.toHaveProperty('tools')
    expect(warningFields(ask({ tools, toolChoice: 'required' }))).toEqual(['toolChoice'])
    expect(warningFields(ask({ tools, parallelToolCalls: false }))).toEqual(['parallelToolCalls'])
  })

  it('refuses a tool whose schema is not an object', () => {
    const tools = [{ name: 'f', inputSchema: ['string'] as unknown as Record<string, unknown> }]
    expect(thrown(() => provider.encode(ask({ tools })))).toMatchObject({ kind: 'config' })
  })

  it.each([
    ['qwen3', 'off', false, []],
    ['qwen3', 'medium', true, []],
    ['qwen3', 'high', true, ['reasoning']],
    ['gpt-oss:20b', 'high', 'high', []],
    ['gpt-oss:20b', 'off', 'low', ['reasoning']],
    ['gpt-oss:20b', 'max', 'high', ['reasoning']],
    ['qwen3', { budgetTokens: 1000 }, true, ['reasoning.budgetTokens']],
  ] as const)('thinks on %s with reasoning %j as think: %j', (model, reasoning, think, warnings) => {
    expect(body(ask({ model, reasoning }))['think']).toBe(think)
    expect(warningFields(ask({ model, reasoning }))).toEqual(warnings)
  })

  it('sends base64 images and names what it cannot send', () => {
    const messages: Message[] = [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Look:' },
          { type: 'image', data: new Uint8Array([1, 2, 3]), mediaType: 'image/png' },
          { type: 'image', url: 'data:image/png;base64,AQID' },
          { type: 'image', url: 'https://example.com/cat.png' },
          { type: 'file', data: 'AAAA', mediaType: 'application/pdf' },
        ],
      },
    ]
    const request = ask({ messages })
    expect(body(request)['messages']).toEqual([
      {
        role: 'user',
        content: 'Look:\n[image by URL or id not sent]\n[file not sent]',
        images: ['AQID', 'AQID'],
      },
    ])
    expect(provider.encode(request).warnings).toHaveLength(2)
  })

  it('refuses an image that is not one', () => {
    const messages: Message[] = [
      { role: 'user', content: [{ type: 'image', data: 'AAAA', mediaType: 'application/pdf' }] },
    ]
    expect(thrown(() => provider.encode(ask({ messages })))).toMatchObject({ kind: 'invalid-request' })
  })

  it('leaves out reasoning and parts of other providers, and says so', () => {
    const messages: Message[] = [
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'secret', signature: 's', origin: { provider: 'anthropic' } },
          { type: 'provider', provider: 'openai', value: { type: 'web_search_call' } },
          { type: 'text', text: 'Yes.' },
        ],
      },
    ]
    expect(body(ask({ messages }))['messages']).toEqual([{ role: 'assistant', content: 'Yes.' }])
    expect(warningFields(ask({ messages }))).toEqual(['messages', 'messages'])
  })

  it('never sends a lone surrogate', () => {
    const sent = provider.encode(ask({ messages: [{ role: 'user', content: 'x\ud83d' }] })).body as string
    expect(sent).toContain('x\ufffd')
    expect(sent).not.toContain('\\ud83d')
  })

  it.each(['file:///etc/passwd', 'http://user:pw@localhost', 'localhost:11434'])(
    'is refused for the base URL %s',
    (baseURL) => {
      expect(thrown(() => ollama({ baseURL }).encode(ask()))).toMatchObject({ kind: 'config' })
    },
  )

  it('carries a key only when there is one', async () => {
    const http = provider.encode(ask())
    const context = {
      nowMs: 0,
      signal: new AbortController().signal,
      transport: { send: () => Promise.reject() },
    }
    expect((await provider.authorize(http, context)).headers).not.toHaveProperty('authorization')
    const keyed = await provider.authorize(http, { ...context, apiKey: 'abc' })
    expect(keyed.headers['authorization']).toBe('Bearer abc')
  })
})

describe('Ollama errors over HTTP', () => {
  it.each([
    [404, '{"error":"model \\"nope\\" not found, try pulling it first"}', 'not-found'],
    [401, '{"error":"unauthorized","signin_url":"https://ollama.com/connect"}', 'auth'],
    [400, '{"error":"invalid character"}', 'invalid-request'],
    [429, '{"error":"too many requests"}', 'rate-limit'],
    [502, '{"error":"bad gateway"}', 'server'],
  ])('%i is read', (status, text, kind) => {
    const error = provider.error({ status, headers: new Headers(), body: text })
    expect(error).toMatchObject({ kind, status, provider: 'ollama' })
  })
})

it('lists the models that were pulled', () => {
  expect(provider.listModels?.encode().url).toBe('http://localhost:11434/api/tags')
  expect(provider.listModels?.decode({ models: [{ name: 'llama3:latest' }, { name: 7 }, null] })).toEqual({
    models: ['llama3:latest'],
  })
})

corpusFolder('request encoding: ollama', 'recordings/ollama', (folder, ran) => {
  const metas = readdirSync(folder).filter((name) => name.includes('chat') && name.endsWith('.meta.json'))
  it.each(metas)('%s', (name) => {
    const { request_body: recorded } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
      request_body: { model: string; messages: Message[] }
    }
    const { model, messages, ...rest } = recorded
    // The recorded client also sends `format: ''`, `options: {}` and `keep_alive: null`, which say nothing.
    const said = Object.entries(rest).filter(
      ([, value]) => value !== null && JSON.stringify(value).length > 2,
    )
    expect(body(ask({ model, messages }))).toEqual({ model, messages, ...Object.fromEntries(said) })
    ran()
  })
})
