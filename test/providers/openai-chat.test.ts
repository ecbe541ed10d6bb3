import { describe, expect, it } from 'vitest'
import { vendor } from '../../src/providers/compatible.ts'
import { mistral } from '../../src/providers/mistral.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import type { Dialect } from '../../src/providers/openai-chat-dialect.ts'
import { createThinkSplitter } from '../../src/providers/think-tags.ts'
import type { Message, Part, Request } from '../../src/types.ts'
import { answer, call, data, delta, DONE, events, finish, server } from './chat.ts'

type Body = Record<string, unknown>

function request(extra: Partial<Request> = {}): Request {
  return { model: 'gpt-4o', messages: [{ role: 'user', content: 'Hi' }], stream: true, ...extra }
}

function encode(extra: Partial<Request> = {}, provider = openaiChat()): Body {
  return JSON.parse(provider.encode(request(extra)).body as string) as Body
}

function messages(list: Message[], provider = openaiChat()): unknown {
  return encode({ messages: list }, provider)['messages']
}

function warned(extra: Partial<Request>, provider = openaiChat()): string[] {
  return (provider.encode(request(extra)).warnings ?? []).map(({ code, field }) => `${code} ${field}`)
}

function refused(parts: Part[], provider = openaiChat()): unknown {
  try {
    provider.encode(request({ messages: [{ role: 'user', content: parts }] }))
  } catch (error) {
    return error
  }
  return undefined
}

const withDialect = (dialect: Dialect) => server({ dialect })

describe('the request', () => {
  it('is a POST with the model id untouched in the body, and nowhere in the URL', () => {
    const http = openaiChat().encode(request({ model: '../x?y#z' }))
    expect(http).toMatchObject({ method: 'POST', url: 'https://api.openai.com/v1/chat/completions' })
    expect(JSON.parse(http.body as string)).toMatchObject({ model: '../x?y#z' })
    expect(http.headers).toEqual({ 'content-type': 'application/json', accept: 'text/event-stream' })
  })

  it('carries organization, project and extra headers, and no key before authorize', async () => {
    const provider = openaiChat({
      apiKey: 'sk-1',
      organization: 'org',
      project: 'proj',
      headers: { 'x-a': 'b' },
    })
    const http = provider.encode(request())
    expect(http.headers).toMatchObject({ 'openai-organization': 'org', 'openai-project': 'proj', 'x-a': 'b' })
    expect(JSON.stringify(http)).not.toContain('sk-1')
    const signed = await provider.authorize(http, {
      nowMs: 0,
      signal: new AbortController().signal,
      transport: { send: () => Promise.reject(new Error('unused')) },
    })
    expect(signed.headers['authorization']).toBe('Bearer sk-1')
  })

  it('asks for a stream with usage, or for JSON, or leaves stream_options out when a server refused them', () => {
    expect(encode()).toMatchObject({ stream: true, stream_options: { include_usage: true } })
    expect(encode({ streamOptions: false })).not.toHaveProperty('stream_options')
    expect(encode({ stream: false })).not.toHaveProperty('stream')
    expect(openaiChat().encode(request({ stream: false })).headers['accept']).toBe('application/json')
  })

  it('names every option as the API does', () => {
    expect(
      encode({
        maxTokens: 9,
        temperature: 0.5,
        topP: 0.9,
        stop: ['a', 'b'],
        seed: 7,
        presencePenalty: 0.1,
        frequencyPenalty: 0.2,
        logprobs: 3,
        promptCache: { key: 'k', ttl: '1h' },
      }),
    ).toMatchObject({
      max_completion_tokens: 9,
      temperature: 0.5,
      top_p: 0.9,
      stop: ['a', 'b'],
      seed: 7,
      presence_penalty: 0.1,
      frequency_penalty: 0.2,
      logprobs: true,
      top_logprobs: 3,
      prompt_cache_key: 'k',
      prompt_cache_retention: '24h',
    })
    expect(encode({ logprobs: true })).toMatchObject({ logprobs: true })
    expect(encode({ logprobs: false })).not.toHaveProperty('logprobs')
    expect(encode({ stop: [] })).not.toHaveProperty('stop')
  })

  it('merges raw fields last: objects merge, arrays replace, null deletes', () => {
    expect(
      encode({ temperature: 1, body: { temperature: null, stream_options: { x: 1 }, n: 2 } }),
    ).toMatchObject({
      stream_options: { include_usage: true, x: 1 },
      n: 2,
    })
    expect(encode({ temperature: 1, body: { temperature: null } })).not.toHaveProperty('temperature')
  })

  it('reports what the server has no field for', () => {
    expect(warned({ topK: 3 })).toEqual(['unsupported topK'])
    expect(warned({ promptCache: { key: 'k', ttl: '5m' } }, server())).toEqual([
      'unsupported promptCache.key',
      'unsupported promptCache.ttl',
    ])
    expect(warned({ toolChoice: 'required' })).toEqual(['dropped toolChoice'])
    expect(warned({ logprobs: true }, vendor('groq'))).toEqual(['unsupported logprobs'])
    expect(warned({})).toEqual([])
  })
})

describe('turns', () => {
  it('puts the system prompt first, and later system turns where they stand', () => {
    expect(
      encode({
        system: 'Be brief.',
        messages: [
          { role: 'user', content: 'a' },
          { role: 'system', content: 'b' },
          { role: 'assistant', content: 'c' },
        ],
      })['messages'],
    ).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'a' },
      { role: 'system', content: 'b' },
      { role: 'assistant', content: 'c' },
    ])
  })

  it('sends pictures, documents and sounds', () => {
    expect(
      messages([
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Look' },
            { type: 'image', url: 'https://x.example/a.png', detail: 'low' },
            { type: 'image', data: new Uint8Array([1, 2, 3]), mediaType: 'image/png' },
            { type: 'image', url: 'data:image/gif;base64,AAAA' },
            { type: 'file', data: 'JVBERi0=', mediaType: 'application/pdf', name: 'a.pdf' },
            { type: 'file', data: 'JVBERi0=', mediaType: 'application/pdf' },
            { type: 'file', fileId: 'file-1' },
            { type: 'audio', data: 'UklGRg==', mediaType: 'audio/x-wav' },
            { type: 'audio', data: 'SUQz', mediaType: 'audio/mpeg' },
          ],
        },
      ]),
    ).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Look' },
          { type: 'image_url', image_url: { url: 'https://x.example/a.png', detail: 'low' } },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AQID' } },
          { type: 'image_url', image_url: { url: 'data:image/gif;base64,AAAA' } },
          { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } },
          { type: 'file', file: { filename: 'file.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } },
          { type: 'file', file: { file_id: 'file-1' } },
          { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } },
          { type: 'input_audio', input_audio: { data: 'SUQz', format: 'mp3' } },
        ],
      },
    ])
  })

  it.each<[string, Part, string]>([
    ['an image that is none', { type: 'image', data: 'AA', mediaType: 'application/pdf' }, 'invalid-request'],
    ['a data URL that is no image', { type: 'image', url: 'data:text/html;base64,AA' }, 'invalid-request'],
    ['an image at file:', { type: 'image', url: 'file:///etc/passwd' }, 'invalid-request'],
    ['a sound that is none', { type: 'audio', data: 'AA', mediaType: 'image/png' }, 'invalid-request'],
    ['an image by file id', { type: 'image', fileId: 'f' }, 'unsupported'],
    ['a file by URL', { type: 'file', url: 'https://x.example/a.pdf' }, 'unsupported'],
    ['a sound by URL', { type: 'audio', url: 'https://x.example/a.wav' }, 'unsupported'],
    ['a tool call of the user', { type: 'tool-call', id: 'a', name: 'f', args: {} }, 'invalid-request'],
  ])('%s is refused before any byte is sent', (_, part, kind) => {
    expect(refused([part])).toMatchObject({ kind, provider: 'openai-chat' })
  })

  it('a vendor that takes no pictures says so', () => {
    expect(refused([{ type: 'image', url: 'https://x.example/a.png' }], vendor('minimax'))).toMatchObject({
      kind: 'unsupported',
    })
  })

  it('answers tool calls, with failures the model can read', () => {
    expect(
      messages([
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'Wait.' },
            { type: 'tool-call', id: 'a', name: 'f', args: { x: 1 } },
            { type: 'tool-call', id: 'b', name: 'g', invalid: { raw: '{"y":', reason: 'cut' } },
          ],
        },
        {
          role: 'tool',
          content: [
            { type: 'tool-result', id: 'a', name: 'f', content: 'ok' },
            { type: 'tool-result', id: 'b', name: 'g', content: 'no such thing', isError: true },
          ],
        },
      ]),
    ).toEqual([
      {
        role: 'assistant',
        content: 'Wait.',
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
          { id: 'b', type: 'function', function: { name: 'g', arguments: '{"y":' } },
        ],
      },
      { role: 'tool', tool_call_id: 'a', content: 'ok' },
      { role: 'tool', tool_call_id: 'b', content: 'Error: no such thing' },
    ])
  })

  it('pictures in tool results follow in one user turn after the last result', () => {
    const image = { type: 'image' as const, data: 'AA', mediaType: 'image/png' }
    const conversation: Message[] = [
      { role: 'tool', content: [{ type: 'tool-result', id: 'a', name: 'f', content: [image] }] },
      {
        role: 'tool',
        content: [{ type: 'tool-result', id: 'b', name: 'g', content: [{ type: 'text', text: 'x' }, image] }],
      },
      { role: 'assistant', content: 'Nice.' },
    ]
    const block = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } }
    expect(messages(conversation)).toEqual([
      { role: 'tool', tool_call_id: 'a', content: 'The result follows in the next user message.' },
      { role: 'tool', tool_call_id: 'b', content: 'x' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'From the result of f:' },
          block,
          { type: 'text', text: 'From the result of g:' },
          block,
        ],
      },
      { role: 'assistant', content: 'Nice.' },
    ])
    expect(messages(conversation.slice(0, 1), withDialect({ imagesInToolResults: true }))).toEqual([
      { role: 'tool', tool_call_id: 'a', content: [block] },
    ])
  })

  it('a tool turn holds results and nothing else', () => {
    expect(() => messages([{ role: 'tool', content: 'ok' }])).toThrow(
      expect.objectContaining({ kind: 'invalid-request' }),
    )
  })

  it('parts of other providers are left out, with a warning', () => {
    expect(
      warned({
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'a' },
              { type: 'provider', provider: 'gemini', value: {} },
            ],
          },
          {
            role: 'assistant',
            content: [
              { type: 'text', text: 'b' },
              { type: 'provider', provider: 'anthropic', value: {} },
            ],
          },
        ],
      }),
    ).toEqual(['dropped messages', 'dropped messages'])
  })

  it('turns of one role are joined where the vendor wants them to alternate', () => {
    expect(
      messages(
        [
          { role: 'user', content: 'a' },
          { role: 'user', content: 'b' },
        ],
        vendor('perplexity'),
      ),
    ).toEqual([{ role: 'user', content: 'a\n\nb' }])
  })

  it('marks what Anthropic models behind OpenRouter should cache', () => {
    const mark = { type: 'ephemeral', ttl: '1h' }
    const asked = { system: 's', model: 'anthropic/claude-x', promptCache: { ttl: '1h' } as const }
    expect(encode(asked, vendor('openrouter'))['messages']).toEqual([
      { role: 'system', content: [{ type: 'text', text: 's', cache_control: mark }] },
      { role: 'user', content: [{ type: 'text', text: 'Hi', cache_control: mark }] },
    ])
    expect(encode({ ...asked, model: 'openai/gpt-x' }, vendor('openrouter'))['messages']).toEqual([
      { role: 'system', content: 's' },
      { role: 'user', content: 'Hi' },
    ])
  })
})

describe('tools and schemas', () => {
  const tools = [
    { name: 'f', description: 'd', inputSchema: { type: 'object', properties: { x: { type: 'number' } } } },
  ]

  it('are functions', () => {
    expect(encode({ tools, toolChoice: 'required', parallelToolCalls: false })).toMatchObject({
      tools: [
        { type: 'function', function: { name: 'f', description: 'd', parameters: tools[0]!.inputSchema } },
      ],
      tool_choice: 'required',
      parallel_tool_calls: false,
    })
    expect(encode({ tools, toolChoice: { tool: 'f' } })).toMatchObject({
      tool_choice: { type: 'function', function: { name: 'f' } },
    })
    expect(encode({ tools, toolChoice: 'required' }, mistral())).toMatchObject({ tool_choice: 'any' })
    expect(encode({ tools }, vendor('zai'))).toMatchObject({ tool_stream: true })
    expect(warned({ tools, toolChoice: 'required' }, vendor('zai'))).toEqual(['unsupported toolChoice'])
  })

  it('strict ones are converted, where the server enforces them', () => {
    const strict = [{ ...tools[0]!, strict: true }]
    const [tool] = encode({ tools: strict })['tools'] as { function: Body }[]
    expect(tool!.function).toMatchObject({
      strict: true,
      parameters: { additionalProperties: false, required: ['x'] },
    })
    expect(warned({ tools: strict }, server())).toEqual(['unsupported strict'])
  })

  it('without properties get an empty set; not an object is refused', () => {
    expect(encode({ tools: [{ name: 'f', inputSchema: {} }] })).toMatchObject({
      tools: [{ function: { parameters: { type: 'object', properties: {} } } }],
    })
    for (const inputSchema of [{ type: 'string' }, [], null, 'x'] as never[]) {
      expect(() => encode({ tools: [{ name: 'f', inputSchema }] })).toThrow(
        expect.objectContaining({ kind: 'config' }),
      )
    }
  })

  it('names outside the alphabet are mapped there and back; two that meet are refused', async () => {
    const named = [{ name: 'math.add!', inputSchema: {} }]
    expect(encode({ tools: named })).toMatchObject({ tools: [{ function: { name: 'math_add_' } }] })
    const body =
      call({ index: 0, id: 'a', function: { name: 'math_add_', arguments: '{}' } }) + finish('tool_calls')
    const { toolCalls } = await answer(body, server(), { tools: named })
    expect(toolCalls).toEqual([{ id: 'a', name: 'math.add!', args: {} }])
    expect(() => encode({ tools: [...named, { name: 'math_add_', inputSchema: {} }] })).toThrow(
      expect.objectContaining({ kind: 'config' }),
    )
  })

  it('the provider’s own go along untouched; another’s do not', () => {
    const value = { type: 'custom', custom: { name: 'sql' } }
    expect(encode({ tools: [{ type: 'provider', provider: 'openai-chat', value }] })).toMatchObject({
      tools: [value],
    })
    expect(warned({ tools: [{ type: 'provider', provider: 'anthropic', value }] })).toEqual(['dropped tools'])
  })

  it('a schema for the answer, in the server’s way', () => {
    const schema = { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] }
    expect(encode({ schema })).toMatchObject({
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'answer', strict: true, schema: { ...schema, additionalProperties: false } },
      },
    })
    expect(encode({ schema }, server())).toMatchObject({
      response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } },
    })
    const asObject = encode({ schema, system: 'Be brief.' }, vendor('deepseek'))
    expect(asObject).toMatchObject({ response_format: { type: 'json_object' } })
    expect((asObject['messages'] as Body[])[0]!['content']).toMatch(
      /^Be brief\.\n\nAnswer with JSON only.*"x"/s,
    )
    expect(warned({ schema }, vendor('deepseek'))).toEqual(['converted schema'])
    expect(warned({ schema }, withDialect({ schema: 'none' }))).toEqual(['unsupported schema'])
  })
})

describe('reasoning, asked for', () => {
  it.each<[string, Request['model'], Request['reasoning'], Body]>([
    ['openai-chat', 'gpt-5.2', 'off', { reasoning_effort: 'none' }],
    ['openai-chat', 'gpt-5.2', 'max', { reasoning_effort: 'xhigh' }],
    ['openai-chat', 'gpt-6.1-terra', 'max', { reasoning_effort: 'max' }],
    ['openai-chat', 'gpt-5-mini', 'off', { reasoning_effort: 'minimal' }],
    ['openai-chat', 'o3', 'minimal', { reasoning_effort: 'low' }],
    ['openai-chat', 'o3', { budgetTokens: 10_000 }, { reasoning_effort: 'medium' }],
    ['openai-chat', 'gpt-5-pro', 'low', { reasoning_effort: 'high' }],
    ['openrouter', 'x/y', 'low', { reasoning: { effort: 'low' } }],
    ['openrouter', 'x/y', { budgetTokens: 500 }, { reasoning: { max_tokens: 500 } }],
    ['openrouter', 'x/y', 'off', { reasoning: { effort: 'none' } }],
    ['deepseek', 'deepseek-flash', 'off', { thinking: { type: 'disabled' } }],
    ['deepseek', 'deepseek-flash', 'medium', { thinking: { type: 'enabled' }, reasoning_effort: 'high' }],
    ['zai', 'glm-5.1', 'high', { thinking: { type: 'enabled' } }],
    ['alibaba', 'qwen3.8-max', { budgetTokens: 99 }, { enable_thinking: true, thinking_budget: 99 }],
    ['alibaba', 'qwen3.8-max', 'off', { enable_thinking: false }],
    ['together', 'zai-org/GLM-5.3', 'max', { reasoning: { enabled: true }, reasoning_effort: 'max' }],
    ['vllm', 'qwen', 'off', { chat_template_kwargs: { enable_thinking: false, thinking: false } }],
    [
      'llamacpp',
      'qwen',
      { budgetTokens: 64 },
      { chat_template_kwargs: { enable_thinking: true, thinking: true }, thinking_budget_tokens: 64 },
    ],
    ['groq', 'qwen/qwen3.6-27b', 'high', { reasoning_effort: 'default', reasoning_format: 'parsed' }],
  ])('%s %s %j', (name, model, reasoning, fields) => {
    const provider = name === 'openai-chat' ? openaiChat() : vendor(name)!
    const {
      model: _,
      messages: __,
      stream: ___,
      stream_options: ____,
      ...rest
    } = encode({ model, reasoning: reasoning! }, provider)
    expect(rest).toEqual(fields)
  })

  it('warns when a word or a number had to be changed, or nothing could be sent', () => {
    expect(warned({ model: 'o3', reasoning: 'minimal' })).toEqual(['converted reasoning'])
    expect(warned({ model: 'o3', reasoning: { budgetTokens: 10_000 } })).toEqual(['converted reasoning'])
    expect(warned({ model: 'gpt-4o', reasoning: 'high' })).toEqual(['unsupported reasoning'])
    expect(warned({ reasoning: 'high' }, vendor('minimax'))).toEqual(['unsupported reasoning'])
    expect(warned({ model: 'sonar-pro', reasoning: 'high' }, vendor('perplexity'))).toEqual([
      'unsupported reasoning',
    ])
  })
})

describe('the answer', () => {
  it('log-probabilities stand on their text, also in the old shape', async () => {
    const token = { token: 'He', logprob: -0.1, bytes: [72], top_logprobs: [{ token: 'He', logprob: -0.1 }] }
    const body =
      delta({ role: 'assistant', content: '' }, { logprobs: { content: [] } }) +
      delta({ content: 'He' }, { logprobs: { content: [token] } }) +
      delta({ content: 'y' }, { logprobs: { tokens: ['y'], token_logprobs: [-2] } })
    const { logprobs } = await answer(body + finish('stop'))
    expect(logprobs).toEqual([
      { token: 'He', logprob: -0.1, top: [{ token: 'He', logprob: -0.1 }] },
      { token: 'y', logprob: -2 },
    ])
  })

  it('a refusal is text, and the reason is content-filter', async () => {
    const completion = await answer(
      delta({ refusal: 'I can’t ' }) + delta({ refusal: 'help.' }) + finish('stop'),
    )
    expect([completion.text, completion.finishReason, completion.rawFinishReason]).toEqual([
      'I can’t help.',
      'content-filter',
      'stop',
    ])
  })

  it('citations are sources of the text they support', async () => {
    const cite = (url: string, from: number, to: number): object => ({
      type: 'url_citation',
      url_citation: { url, title: 'T', start_index: from, end_index: to },
    })
    const body =
      delta({ content: 'Sky is blue.' }) +
      delta({ annotations: [cite('https://a', 0, 3), cite('https://b', 0, 0), cite('https://a', 0, 3)] }) +
      finish('stop')
    const completion = await answer(body)
    const sources = [
      { url: 'https://a', title: 'T', start: 0, end: 3 },
      { url: 'https://b', title: 'T' },
    ]
    expect(completion.sources).toEqual(sources)
    expect(completion.message.content).toEqual([{ type: 'text', text: 'Sky is blue.', sources }])
  })

  it('Perplexity: results once, cost, its own end', async () => {
    const extra = {
      citations: ['https://a'],
      search_results: [{ title: 'A', url: 'https://a', snippet: 's' }],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, cost: { total_cost: 0.005 } },
    }
    const body =
      delta({ content: 'Hel' }, { message: { content: 'Hel' } }, extra) +
      delta({ content: 'lo' }, { message: { content: 'Hello' } }, extra) +
      delta(
        { content: '' },
        { finish_reason: 'stop', message: { content: 'Hello' } },
        { ...extra, object: 'chat.completion.done' },
      )
    const completion = await answer(body, vendor('perplexity', { apiKey: 'k' }))
    expect(completion.text).toBe('Hello')
    expect(completion.sources).toEqual([{ url: 'https://a', title: 'A', text: 's' }])
    expect(completion.usage.totalTokens).toBe(3)
    expect(completion.cost).toMatchObject({ total: 0.005, from: 'provider' })
  })

  it('xAI: reasoning that completion_tokens leave out is added, cost in ticks', async () => {
    const usage = {
      prompt_tokens: 291,
      completion_tokens: 26,
      total_tokens: 513,
      completion_tokens_details: { reasoning_tokens: 196 },
      cost_in_usd_ticks: 37_756_000,
    }
    const completion = await answer(
      delta({ content: 'a' }) + finish('stop', { usage }),
      vendor('xai', { apiKey: 'k' }),
    )
    expect(completion.usage).toMatchObject({ outputTokens: 222, reasoningTokens: 196, totalTokens: 513 })
    expect(completion.cost?.total).toBeCloseTo(0.0037756, 10)
  })

  it.each([
    ['OpenAI', { prompt_tokens: 9, prompt_tokens_details: { cached_tokens: 4 } }, 4, undefined],
    [
      'OpenRouter',
      { prompt_tokens: 9, prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 5 } },
      0,
      5,
    ],
    ['DeepSeek', { prompt_tokens: 9, prompt_cache_hit_tokens: 6, prompt_cache_miss_tokens: 3 }, 6, undefined],
    ['Moonshot', { prompt_tokens: 9, cached_tokens: 7 }, 7, undefined],
    ['Mistral', { prompt_tokens: 9, num_cached_tokens: 8 }, 8, undefined],
    ['nobody', { prompt_tokens: 9 }, undefined, undefined],
  ])('cached tokens as %s counts them', async (_, usage, cached, written) => {
    const completion = await answer(delta({ content: 'a' }) + finish('stop', { usage }))
    expect(completion.usage.cachedInputTokens).toBe(cached)
    expect(completion.usage.cacheWriteTokens).toBe(written)
    expect(completion.usage.inputTokens).toBe(9)
  })

  it('Groq’s own tools: sources, and a part that does not go back', async () => {
    const tool = { index: 0, type: 'search', arguments: '{"query":"x"}' }
    const found = {
      ...tool,
      output: 'o',
      search_results: { results: [{ title: 'A', url: 'https://a', content: 'c' }] },
    }
    const groq = vendor('groq', { apiKey: 'k' })!
    const body =
      delta({ executed_tools: [tool] }) +
      delta({ executed_tools: [found] }) +
      delta({ content: 'Hi' }) +
      finish('stop')
    const { message, sources } = await answer(body, groq)
    expect(sources).toEqual([{ url: 'https://a', title: 'A', text: 'c' }])
    expect(message.content.at(-1)).toEqual({
      type: 'provider',
      provider: 'groq',
      value: { executed_tools: [found] },
    })
    expect(messages([message], groq)).toEqual([{ role: 'assistant', content: 'Hi' }])
  })

  it('pictures the model drew are parts', async () => {
    const body =
      delta({ images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }] }) +
      finish('stop')
    expect((await answer(body)).message.content).toEqual([
      { type: 'image', mediaType: 'image/png', data: 'AAAA' },
    ])
  })

  it('custom tools stream text; it comes and goes back as text', async () => {
    const body =
      call({ index: 0, id: 'a', type: 'custom', custom: { name: 'sql', input: '' } }) +
      call({ index: 0, custom: { input: 'SELECT "\ud83d' } }) +
      call({ index: 0, custom: { input: '\ude00"\n' } }) +
      finish('tool_calls')
    const { message, toolCalls } = await answer(body)
    expect(toolCalls).toEqual([{ id: 'a', name: 'sql', args: { input: 'SELECT "😀"\n' } }])
    expect(messages([message], server())).toEqual([
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'a', type: 'custom', custom: { name: 'sql', input: 'SELECT "😀"\n' } }],
      },
    ])
  })

  it('the old function_call is a tool call', async () => {
    const body =
      delta({ function_call: { name: 'f', arguments: '' } }) +
      delta({ function_call: { arguments: '{"x":1}' } }) +
      finish('function_call')
    const completion = await answer(body)
    expect(completion.finishReason).toBe('tool-calls')
    expect(completion.toolCalls).toMatchObject([{ name: 'f', args: { x: 1 } }])
  })

  it('what an audio model says is text', async () => {
    const body =
      delta({ audio: { id: 'au', transcript: 'Hel' } }) +
      delta({ audio: { transcript: 'lo' } }) +
      finish('stop')
    expect((await answer(body)).text).toBe('Hello')
  })

  it.each([
    ['stop', 'stop'],
    ['eos', 'stop'],
    ['length', 'length'],
    ['model_length', 'length'],
    ['content_filter', 'content-filter'],
    ['sensitive', 'content-filter'],
    ['weird', 'unknown'],
  ])('finish_reason %s is %s', async (raw, reason) => {
    const completion = await answer(delta({ content: 'a' }) + finish(raw) + DONE)
    expect([completion.finishReason, completion.rawFinishReason]).toEqual([reason, raw])
    expect(completion.raw.finish).toMatchObject({ finish_reason: raw })
  })

  it('says the same as a stream and as one JSON body', async () => {
    const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
    const calls = [
      { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
      { id: 'b', type: 'function', function: { name: 'f', arguments: '{"x":2}' } },
    ]
    const message = { role: 'assistant', reasoning_content: 'hm', content: 'Hello', tool_calls: calls }
    const json = JSON.stringify({
      id: 'chatcmpl-1',
      model: 'm-1',
      choices: [{ index: 0, message, finish_reason: 'tool_calls' }],
      usage,
    })
    const body =
      delta({ reasoning_content: 'h' }) +
      delta({ reasoning_content: 'm' }) +
      delta({ content: 'Hel' }) +
      delta({ content: 'lo' }) +
      call({ index: 0, ...calls[0] }) +
      call({ index: 1, ...calls[1] }) +
      finish('tool_calls') +
      data({ id: 'chatcmpl-1', choices: [], usage }) +
      DONE
    const streamed = await answer(body)
    const whole = await answer(json, server(), { wire: 'json' }, 'Hi', { type: 'application/json' })
    const same = ({
      text,
      reasoning,
      message,
      toolCalls,
      finishReason,
      usage,
      id,
      model,
    }: typeof whole): unknown => ({
      text,
      reasoning,
      message,
      toolCalls,
      finishReason,
      usage,
      id,
      model,
    })
    expect(same(whole)).toEqual(same(streamed))
    expect(whole.toolCalls).toHaveLength(2)
  })

  it('a JSON body that is an error, or holds nothing, is an error', () => {
    const codec = server()
    expect(() => codec.decode({ error: { message: 'x', code: 'rate_limit_exceeded' } })).toThrow(
      expect.objectContaining({ kind: 'rate-limit' }),
    )
    expect(() => codec.decode([{ error: { code: 503, message: 'x' } }])).toThrow(
      expect.objectContaining({ kind: 'overloaded' }),
    )
    for (const json of [null, [], {}, { choices: [] }, 'x', 5]) {
      expect(() => codec.decode(json)).toThrow(expect.objectContaining({ kind: 'interrupted' }))
    }
  })

  it('lists models', () => {
    const { listModels } = openaiChat()
    expect(listModels!.encode().url).toBe('https://api.openai.com/v1/models')
    expect(listModels!.decode({ data: [{ id: 'a' }, {}, { id: 'b' }] })).toEqual({ models: ['a', 'b'] })
  })

  it('events come in order: start, deltas, calls, closed parts, finish', () => {
    const body =
      delta({ reasoning: 'hm' }) +
      delta({ content: 'a' }) +
      call({ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } }) +
      finish('tool_calls')
    expect(events(body).map(({ type }) => type)).toEqual([
      'start',
      'reasoning-delta',
      'text-delta',
      'tool-call-start',
      'tool-call-delta',
      'tool-call',
      'part',
      'finish',
    ])
  })
})

describe('think tags', () => {
  const split = (...deltas: string[]): [string, string] => {
    const splitter = createThinkSplitter()
    let [thought, said] = ['', '']
    for (const step of [...deltas.map((text) => splitter.push(text)), splitter.end()]) {
      thought += step.thought
      said += step.said
    }
    return [thought, said]
  }
  it.each<[string[], [string, string]]>([
    [['<think>a</think>b'], ['a', 'b']],
    [[...'<think>a < b</think>\n\nc'], ['a < b', 'c']],
    [['no tags <think>x</think>'], ['', 'no tags <think>x</think>']],
    [
      ['<thin', 'g>'],
      ['', '<thing>'],
    ],
    [['<thi'], ['', '<thi']],
    [['<think>never closed </th'], ['never closed </th', '']],
    [['  '], ['', '  ']],
    [['<think></think>'], ['', '']],
  ])('%j', (deltas, expected) => {
    expect(split(...deltas)).toEqual(expected)
  })
})
