import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { LlmError } from '../../src/errors.ts'
import { cohere } from '../../src/providers/cohere.ts'
import type { Message, Part, Request } from '../../src/types.ts'
import { corpusFolder } from '../corpus.ts'
import { ask, run, stream, sum, thrown } from './codec.ts'

const provider = cohere()
const fixture = (name: string): string => readFileSync(`fixtures/cohere/${name}`, 'utf8')
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const events = (text: string): { type: string }[] =>
  [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data = '']) => JSON.parse(data) as { type: string })
const sse = (...all: unknown[]): string => all.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')
const body = (extra: Partial<Request>): Record<string, unknown> =>
  JSON.parse(provider.encode(ask(extra)).body as string) as Record<string, unknown>
const warnings = (extra: Partial<Request>): (string | undefined)[] =>
  (provider.encode(ask(extra)).warnings ?? []).map((warning) => warning.field)
const assistant = (...content: Part[]): { messages: Message[] } => ({
  messages: [{ role: 'assistant', content }],
})

const usage = { tokens: { input_tokens: 71, output_tokens: 12, reasoning_tokens: 4 }, cached_tokens: 64 }
const birds = { id: 'doc:0', url: 'https://example.com/birds', title: 'Birds' }

describe('a Cohere answer', () => {
  it('is thought, text, sources, usage and a reason to stop, in every chunking', () => {
    const all = stream(provider, fixture('text.sse'), ask({ model: 'command-a' }))
    const cited = { text: 'Penguins live in the south', start: 3, end: 29 }
    expect(all[0]).toEqual({ type: 'start', provider: 'cohere', model: 'command-a', id: 'msg-1' })
    expect(sum(all)).toEqual({
      text: '🐧 Penguins live in the south.',
      reasoning: 'A short one.',
      toolCalls: [],
      sources: [birds, { id: 'search:1' }],
      parts: [
        { type: 'reasoning', text: 'A short one.', origin: { provider: 'cohere' } },
        {
          type: 'text',
          text: '🐧 Penguins live in the south.',
          // The wire counts characters, the penguin as one: here it is two UTF-16 units.
          sources: [
            { ...birds, ...cited },
            { id: 'search:1', ...cited },
          ],
        },
      ],
      finish: {
        type: 'finish',
        finishReason: 'stop',
        rawFinishReason: 'COMPLETE',
        usage: {
          inputTokens: 71,
          outputTokens: 12,
          totalTokens: 83,
          cachedInputTokens: 64,
          reasoningTokens: 4,
        },
      },
    })
    expect(all.find((event) => event.type === 'text-delta' && event.logprobs !== undefined)).toMatchObject({
      logprobs: [{ token: 'live in the south.', logprob: -0.75 }],
    })
  })

  it('is the same as one JSON body', () => {
    const [citation] = events(fixture('text.sse')).filter(
      ({ type }) => type === 'citation-start',
    ) as unknown as { delta: { message: { citations: unknown } } }[]
    const json = {
      id: 'msg-1',
      finish_reason: 'COMPLETE',
      message: {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'A short one.' },
          { type: 'text', text: '🐧 Penguins live in the south.' },
        ],
        citations: [citation?.delta.message.citations],
      },
      usage,
    }
    expect(sum(provider.decode(json, ask()).events)).toEqual(sum(stream(provider, fixture('text.sse'))))
  })

  it('plans aloud, then calls tools, one of them without arguments', () => {
    const all = stream(provider, fixture('tools.sse'))
    const { reasoning, toolCalls, finish } = sum(all)
    expect(reasoning).toBe('I will look at the clock.')
    expect(toolCalls).toEqual([
      { id: 'weather_1', name: 'weather', args: { city: 'Tokyo' } },
      { id: 'now_1', name: 'now', args: {} },
    ])
    expect(finish).toMatchObject({
      finishReason: 'tool-calls',
      usage: { inputTokens: 968, outputTokens: 83 },
    })
    const json = {
      id: 'msg-1',
      finish_reason: 'TOOL_CALL',
      message: {
        tool_plan: reasoning,
        tool_calls: [
          {
            id: 'weather_1',
            type: 'function',
            function: { name: 'weather', arguments: '{"city": "Tokyo"}' },
          },
          { id: 'now_1', type: 'function', function: { name: 'now', arguments: '' } },
        ],
      },
      usage: { tokens: { input_tokens: 968, output_tokens: 83 } },
    }
    expect(sum(provider.decode(json, ask()).events)).toEqual(sum(all))
  })

  it('goes back with its plan, its calls and each result', () => {
    const messages: Message[] = [
      {
        role: 'assistant',
        content: JSON.parse(JSON.stringify(sum(stream(provider, fixture('tools.sse'))).parts)) as Part[],
      },
      {
        role: 'tool',
        content: [
          { type: 'tool-result', id: 'weather_1', name: 'weather', content: '18 °C' },
          { type: 'tool-result', id: 'now_1', name: 'now', content: 'no clock', isError: true },
        ],
      },
    ]
    expect(body({ messages })['messages']).toEqual([
      {
        role: 'assistant',
        tool_plan: 'I will look at the clock.',
        tool_calls: [
          { id: 'weather_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Tokyo"}' } },
          { id: 'now_1', type: 'function', function: { name: 'now', arguments: '{}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'weather_1', content: '18 °C' },
      { role: 'tool', tool_call_id: 'now_1', content: 'Error: no clock' },
    ])
  })

  it.each([
    ['MAX_TOKENS', 'length'],
    ['STOP_SEQUENCE', 'stop'],
    ['ERROR_TOXIC', 'content-filter'],
    ['USER_CANCEL', 'unknown'],
    [undefined, 'unknown'],
  ])('that ends with %s ends as %s', (reason, finishReason) => {
    const end = sse({ type: 'message-end', delta: { finish_reason: reason, usage: null } })
    expect(sum(stream(provider, end)).finish).toEqual({
      type: 'finish',
      finishReason,
      rawFinishReason: reason,
      usage: {},
    })
  })

  it('counts billed units only where nothing else is counted', () => {
    const end = (usage: unknown): string =>
      sse({ type: 'message-end', delta: { finish_reason: 'COMPLETE', usage } })
    const billed = { billed_units: { input_tokens: 5, output_tokens: -2 } }
    expect(sum(stream(provider, end(billed))).finish?.usage).toEqual({ inputTokens: 5 })
  })

  it('flags a call that the token limit cut', () => {
    const all = events(fixture('tools.sse')).slice(0, 5)
    const cut = sse(...all, { type: 'message-end', delta: { finish_reason: 'MAX_TOKENS' } })
    expect(sum(stream(provider, cut)).toolCalls[0]).toMatchObject({ invalid: { raw: '{"city": "To' } })
  })
})

describe('a Cohere answer that fails', () => {
  it.each(['text.sse', 'tools.sse'])('%s is interrupted wherever it is cut before message-end', (name) => {
    const all = events(fixture(name))
    for (let kept = 0; kept < all.length; kept++) {
      expect(thrown(() => run(provider, [bytes(sse(...all.slice(0, kept)))]))).toMatchObject({
        kind: 'interrupted',
      })
    }
  })

  it.each(['ERROR', 'TIMEOUT'])('with finish_reason %s throws, the usage kept', (finish_reason) => {
    const end = sse({ type: 'message-end', delta: { finish_reason, error: 'the model died', usage } })
    const error = thrown(() => stream(provider, end)) as LlmError
    expect(error).toMatchObject({
      kind: 'server',
      code: finish_reason,
      usage: { inputTokens: 71 },
      retryable: true,
    })
    expect(error.message).toContain('the model died')
  })

  it('throws an error that came with a 200', () => {
    const error = { id: 'x', message: 'too many tokens: size limit exceeded by 100 tokens' }
    expect(thrown(() => stream(provider, sse(error)))).toMatchObject({ provider: 'cohere' })
    expect(thrown(() => provider.decode(error, ask()))).toMatchObject({ provider: 'cohere' })
  })

  it.each(['7', 'null', '[]', '{}', '{"id":"x"}'])('is a protocol error when a frame is %s', (data) => {
    expect(thrown(() => run(provider, [bytes(`data: ${data}\n\n`)]))).toMatchObject({ kind: 'protocol' })
  })

  it.each([
    [401, { message: 'invalid api token' }, 'auth'],
    [404, { message: "model 'x' not found, make sure the correct model ID was used" }, 'not-found'],
    [422, { message: 'invalid request: temperature must be at most 1' }, 'invalid-request'],
    [429, { message: 'You are past the per minute request limit' }, 'rate-limit'],
    [498, { message: 'invalid token' }, 'auth'],
    [503, { message: 'unavailable' }, 'overloaded'],
  ])('%i is read', (status, body, kind) => {
    const failed = { status, headers: new Headers(), body: JSON.stringify(body) }
    expect(provider.error(failed)).toMatchObject({ kind, status })
  })
})

describe('a Cohere request', () => {
  it('says nothing it was not told, and everything it was', () => {
    expect(body({})).toEqual({
      model: 'test-model',
      messages: [{ role: 'user', content: 'Hi' }],
      stream: true,
    })
    expect(
      body({
        system: 'Be brief.',
        maxTokens: 9,
        temperature: 0,
        topP: 0.5,
        topK: 4,
        stop: ['END'],
        seed: 1,
        presencePenalty: 0.1,
        frequencyPenalty: 0.2,
        logprobs: true,
        reasoning: { budgetTokens: 99 },
        schema: { type: 'object' },
        body: { safety_mode: 'STRICT' },
      }),
    ).toEqual({
      model: 'test-model',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
      ],
      stream: true,
      max_tokens: 9,
      temperature: 0,
      p: 0.5,
      k: 4,
      stop_sequences: ['END'],
      seed: 1,
      presence_penalty: 0.1,
      frequency_penalty: 0.2,
      logprobs: true,
      thinking: { type: 'enabled', token_budget: 99 },
      response_format: { type: 'json_object', json_schema: { type: 'object' } },
      safety_mode: 'STRICT',
    })
  })

  it.each([
    ['off', { type: 'disabled' }],
    ['low', { type: 'enabled', token_budget: 2048 }],
    ['max', { type: 'enabled' }],
  ] as const)('thinks %s', (reasoning, thinking) => {
    expect(body({ reasoning })['thinking']).toEqual(thinking)
  })

  it('offers tools, and cannot force one by name', () => {
    const tools = [{ name: 'f', inputSchema: { type: 'object' } }]
    expect(body({ tools, toolChoice: 'none' })).toMatchObject({
      tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }],
      tool_choice: 'NONE',
    })
    expect(body({ tools, toolChoice: { tool: 'f' } })['tool_choice']).toBe('REQUIRED')
    expect(warnings({ tools, toolChoice: { tool: 'f' } })).toEqual(['toolChoice'])
    expect(body({ toolChoice: 'required' })).not.toHaveProperty('tool_choice')
    const bad = [{ name: 'f', inputSchema: { type: 'string' } }]
    expect(thrown(() => provider.encode(ask({ tools: bad })))).toMatchObject({ kind: 'config' })
  })

  it('warns of what Cohere has no field for', () => {
    expect(warnings({ parallelToolCalls: true, promptCache: true, logprobs: 5 })).toEqual([
      'parallelToolCalls',
      'promptCache',
      'logprobs',
    ])
  })

  it('sends pictures, and names what it cannot send', () => {
    const content: Part[] = [
      { type: 'text', text: 'See' },
      { type: 'image', data: new Uint8Array([1, 2, 3]), mediaType: 'image/png', detail: 'low' },
      { type: 'image', url: 'https://example.com/a.png' },
      { type: 'file', data: 'AAAA', mediaType: 'application/pdf' },
      { type: 'image', fileId: 'file-1' },
    ]
    const extra: Partial<Request> = { messages: [{ role: 'user', content }] }
    expect(body(extra)['messages']).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'See' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AQID', detail: 'low' } },
          { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
          { type: 'text', text: '[file not sent]' },
          { type: 'text', text: '[image not sent]' },
        ],
      },
    ])
    expect(warnings(extra)).toEqual(['messages', 'messages'])
    const wrong: Part[] = [{ type: 'image', data: 'AAAA', mediaType: 'text/html' }]
    expect(
      thrown(() => provider.encode(ask({ messages: [{ role: 'user', content: wrong }] }))),
    ).toMatchObject({
      kind: 'invalid-request',
    })
  })

  it('takes over a turn of another provider: text before calls as the plan, foreign thoughts left out', () => {
    const extra = assistant(
      { type: 'reasoning', text: 'hm', signature: 's', origin: { provider: 'anthropic' } },
      { type: 'text', text: 'Let me see.' },
      { type: 'tool-call', id: 'toolu_1', name: 'f', invalid: { raw: '{"x', reason: 'cut' } },
    )
    expect(body(extra)['messages']).toEqual([
      {
        role: 'assistant',
        tool_plan: 'Let me see.',
        tool_calls: [
          { id: 'toolu_1', type: 'function', function: { name: 'f', arguments: '{"INVALID_JSON":"{\\"x"}' } },
        ],
      },
    ])
    expect(warnings(extra)).toEqual(['messages'])
  })

  it('keeps its own thoughts', () => {
    const extra = assistant(
      { type: 'reasoning', text: 'hm', origin: { provider: 'cohere' } },
      { type: 'text', text: 'Yes.' },
    )
    expect(body(extra)['messages']).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm' },
          { type: 'text', text: 'Yes.' },
        ],
      },
    ])
  })

  it('counts tokens of plain text and lists models', () => {
    const http = provider.countTokens?.encode(ask({ system: 'S' }))
    expect(http?.url).toBe('https://api.cohere.com/v1/tokenize')
    expect(JSON.parse(http?.body as string)).toEqual({ model: 'test-model', text: 'S\nHi' })
    expect(provider.countTokens?.decode({ tokens: [1, 2, 3] })).toBe(3)
    expect(provider.listModels?.decode({ models: [{ name: 'command-a' }], next_page_token: 'p' })).toEqual({
      models: ['command-a'],
      cursor: 'p',
    })
  })
})

corpusFolder('request encoding: cohere', 'recordings/cohere', (folder, ran) => {
  const metas = readdirSync(folder).filter((name) => name.endsWith('.meta.json'))
  it.each(metas)('%s', (name) => {
    const { url, request_body: recorded } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
      url: string
      request_body: {
        model: string
        messages: Message[]
        temperature?: number
        tools?: { function: { name: string; description: string; parameters: Record<string, unknown> } }[]
      }
    }
    const { model, messages, temperature, tools } = recorded
    const request = ask({
      model,
      messages,
      ...(temperature === undefined ? {} : { temperature }),
      ...(tools === undefined
        ? {}
        : {
            tools: tools.map(({ function: { parameters, ...tool } }) => ({
              ...tool,
              inputSchema: parameters,
            })),
          }),
    })
    const http = provider.encode(request)
    expect(http.url).toBe(url)
    expect(JSON.parse(http.body as string)).toEqual(recorded)
    ran()
  })
})
