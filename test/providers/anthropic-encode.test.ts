import { describe, expect, it } from 'vitest'
import { anthropic } from '../../src/providers/anthropic.ts'
import { encodeMessages } from '../../src/providers/anthropic-encode.ts'
import { traitsOf } from '../../src/providers/anthropic-models.ts'
import type { Message, Part, Request } from '../../src/types.ts'
import { ask, thrown } from './codec.ts'

const provider = anthropic()

type Body = Record<string, unknown> & {
  messages: { role: string; content: Record<string, unknown>[] }[]
  tools: Record<string, unknown>[]
}
const body = (extra: Partial<Request> = {}): Body =>
  JSON.parse(provider.encode(ask({ model: 'claude-sonnet-4-5', ...extra })).body as string) as Body
const said = (...content: Part[]): Message => ({ role: 'user', content })
const wrote = (...content: Part[]): Message => ({ role: 'assistant', content })
const blocks = (...messages: Message[]): Record<string, unknown>[][] =>
  body({ messages }).messages.map((message) => message.content)
const warned = (extra: Partial<Request>): string[] =>
  (provider.encode(ask({ model: 'claude-sonnet-4-5', ...extra })).warnings ?? []).map(
    (warning) => `${warning.code} ${warning.field}`,
  )
const call = { type: 'tool-call', id: 'toolu_1', name: 'f', args: { a: 1 } } as const

describe('a request to Anthropic', () => {
  it('is a model, a limit and messages', () => {
    const http = provider.encode(ask({ model: 'claude-sonnet-5-5', system: 'Be brief.' }))
    expect(http.method).toBe('POST')
    expect(http.url).toBe('https://api.anthropic.com/v1/messages')
    expect(http.headers).toEqual({
      accept: 'text/event-stream',
      'anthropic-version': '2023-06-01',
      'anthropic-dangerous-direct-browser-access': 'true',
      'content-type': 'application/json',
    })
    expect(JSON.parse(http.body as string)).toEqual({
      model: 'claude-sonnet-5-5',
      max_tokens: 128_000,
      system: 'Be brief.',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
      stream: true,
    })
    expect(http.warnings).toEqual([])
  })

  it('takes a base with or without /v1', () => {
    for (const baseURL of ['https://x.test', 'https://x.test/', 'https://x.test/v1', 'https://x.test/v1/']) {
      expect(anthropic({ baseURL }).encode(ask()).url).toBe('https://x.test/v1/messages')
    }
    expect(anthropic({ baseURL: 'https://x.test/anthropic' }).encode(ask()).url).toBe(
      'https://x.test/anthropic/v1/messages',
    )
    expect(thrown(() => anthropic({ baseURL: 'file:///etc' }).encode(ask()))).toMatchObject({
      kind: 'config',
    })
  })

  it('carries the key in one header, as a bearer token where asked', async () => {
    const context = { nowMs: 0, signal: new AbortController().signal, transport: undefined as never }
    const http = provider.encode(ask())
    expect((await anthropic({ apiKey: 'k1' }).authorize(http, context)).headers['x-api-key']).toBe('k1')
    const bearer = await anthropic({ apiKey: () => 'k2', bearer: true }).authorize(http, context)
    expect(bearer.headers['authorization']).toBe('Bearer k2')
    await expect(async () => provider.authorize(http, context)).rejects.toThrow('ANTHROPIC_API_KEY')
  })

  it('asks for betas once each, and lets headers of the caller win', () => {
    const file = said({ type: 'image', fileId: 'file_1' }, { type: 'file', fileId: 'file_2' })
    const custom = anthropic({ betas: ['a', 'files-api-2025-04-14'], headers: { accept: 'x' } })
    const { headers } = custom.encode(ask({ messages: [file] }))
    expect(headers['anthropic-beta']).toBe('a,files-api-2025-04-14')
    expect(headers['accept']).toBe('x')
  })

  it('asks for one JSON body, and merges raw fields last', () => {
    const http = provider.encode(
      ask({ stream: false, maxTokens: 9, body: { max_tokens: 10, metadata: { user_id: 'u' } } }),
    )
    expect(http.headers['accept']).toBe('application/json')
    expect(JSON.parse(http.body as string)).toMatchObject({ max_tokens: 10, metadata: { user_id: 'u' } })
    expect(http.body).not.toContain('"stream"')
  })
})

describe('max_tokens', () => {
  it.each([
    ['claude-3-haiku-20240307', 4096],
    ['claude-3-5-sonnet-20241022', 8192],
    ['claude-3-7-sonnet-20250219', 64_000],
    ['claude-opus-4-20250514', 32_000],
    ['claude-opus-4-1-20250805', 32_000],
    ['claude-sonnet-4-20250514', 64_000],
    ['claude-haiku-4-5', 64_000],
    ['claude-opus-4-6', 128_000],
    ['claude-fable-5-2', 128_000],
    ['us.anthropic.claude-sonnet-5-5', 128_000],
    ['claude-of-the-future', 8192],
    ['kimi-k3.1-pro', 8192],
  ])('of %s is %d unless set', (model, limit) => {
    expect(body({ model })['max_tokens']).toBe(limit)
    expect(body({ model, maxTokens: 7 })['max_tokens']).toBe(7)
  })

  it('stays above the thinking budget', () => {
    const big = body({ model: 'kimi', reasoning: { budgetTokens: 20_000 } })
    expect(big['thinking']).toEqual({ type: 'enabled', budget_tokens: 20_000 })
    expect(big['max_tokens']).toBe(28_192)
    const tight: Partial<Request> = { maxTokens: 3000, reasoning: { budgetTokens: 5000 } }
    expect(body(tight)).toMatchObject({ max_tokens: 3000, thinking: { budget_tokens: 2999 } })
    expect(warned(tight)).toEqual(['converted reasoning'])
    const none: Partial<Request> = { maxTokens: 500, reasoning: 'high' }
    expect(body(none)).not.toHaveProperty('thinking')
    expect(warned(none)).toEqual(['unsupported reasoning'])
  })
})

describe('reasoning', () => {
  it.each([
    ['claude-sonnet-4-5', 'low', { type: 'enabled', budget_tokens: 2048 }, undefined],
    ['claude-sonnet-4-5', { budgetTokens: 10 }, { type: 'enabled', budget_tokens: 1024 }, undefined],
    ['claude-opus-4-6', 'max', { type: 'adaptive' }, 'max'],
    ['claude-opus-4-6', { budgetTokens: 4000 }, { type: 'enabled', budget_tokens: 4000 }, undefined],
    ['claude-opus-4-8', 'minimal', { type: 'adaptive', display: 'summarized' }, 'low'],
    ['claude-sonnet-5-5', { budgetTokens: 9000 }, { type: 'adaptive', display: 'summarized' }, 'high'],
    ['claude-sonnet-4-5', 'off', undefined, undefined],
    ['claude-sonnet-5', 'off', { type: 'disabled' }, undefined],
    ['claude-fable-5', 'off', undefined, undefined],
    ['claude-3-5-haiku-latest', 'high', undefined, undefined],
    ['deepseek-flash', 'medium', { type: 'enabled', budget_tokens: 8192 }, undefined],
  ] as const)('%s, %o', (model, reasoning, thinking, effort) => {
    const sent = body({ model, reasoning })
    expect(sent['thinking']).toEqual(thinking)
    expect((sent['output_config'] as { effort?: string } | undefined)?.effort).toBe(effort)
  })

  it('says what could not be done', () => {
    expect(warned({ model: 'claude-fable-5', reasoning: 'off' })).toEqual(['unsupported reasoning'])
    expect(warned({ model: 'claude-3-5-haiku', reasoning: 'low' })).toEqual(['unsupported reasoning'])
    expect(warned({ model: 'claude-opus-4-8', reasoning: { budgetTokens: 1 } })).toEqual([
      'converted reasoning',
    ])
  })
})

describe('sampling', () => {
  it('passes what the model takes', () => {
    expect(body({ temperature: 0.3, topK: 5, stop: ['\n\nHuman', ' '] })).toMatchObject({
      temperature: 0.3,
      top_k: 5,
      stop_sequences: ['\n\nHuman'],
    })
    expect(warned({ stop: [' '] })).toEqual(['unsupported stop'])
  })

  it('quirk 59: leaves out what the model answers 400 to, and says so', () => {
    const sampling: Partial<Request> = { temperature: 0.3, topP: 0.5, topK: 5 }
    const newest: Partial<Request> = { ...sampling, model: 'claude-opus-4-7' }
    expect(Object.keys(body(newest)).sort()).toEqual(['max_tokens', 'messages', 'model', 'stream'])
    expect(warned(newest)).toEqual(['unsupported temperature', 'unsupported topP', 'unsupported topK'])
    expect(body({ model: 'claude-opus-4-7', temperature: 1 })['temperature']).toBe(1)
    expect(body({ temperature: 1.5 })['temperature']).toBe(1)
    expect(warned({ temperature: 1.5 })).toEqual(['converted temperature'])
    expect(warned({ temperature: 0.5, topP: 0.9 })).toEqual(['unsupported topP'])
    expect(warned({ ...sampling, reasoning: 'low' })).toEqual([
      'unsupported temperature',
      'unsupported topP',
      'unsupported topK',
    ])
    expect(body({ topP: 0.97, reasoning: 'low' })['top_p']).toBe(0.97)
  })

  it('has no seed, penalties or logprobs', () => {
    expect(warned({ seed: 1, presencePenalty: 1, frequencyPenalty: 1, logprobs: 3 })).toEqual([
      'unsupported seed',
      'unsupported presencePenalty',
      'unsupported frequencyPenalty',
      'unsupported logprobs',
    ])
    expect(warned({ logprobs: false })).toEqual([])
  })
})

describe('messages', () => {
  it('alternate: tool results and questions share a turn, results first', () => {
    const sent = body({
      messages: [
        said({ type: 'text', text: 'Weather?' }),
        wrote(call),
        { role: 'user', content: 'Hurry.' },
        { role: 'tool', content: [{ type: 'tool-result', id: 'toolu_1', name: 'f', content: 'Rain' }] },
      ],
    })
    expect(sent.messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'Weather?' }] },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'f', input: { a: 1 } }] },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'toolu_1', content: 'Rain' },
          { type: 'text', text: 'Hurry.' },
        ],
      },
    ])
  })

  it('have their system prompt at the top, and later ones as a user speaking', () => {
    const messages: Message[] = [
      { role: 'system', content: 'One.' },
      { role: 'user', content: 'Hi' },
      { role: 'system', content: 'Two.' },
    ]
    const sent = body({ system: 'Zero.', messages })
    expect(sent['system']).toBe('Zero.\n\nOne.')
    expect(sent.messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Hi' },
          { type: 'text', text: 'Two.' },
        ],
      },
    ])
    expect(warned({ messages })).toEqual(['converted messages'])
  })

  it('quirk 60: hold no blank text, no empty turn and no trailing space of a prefill', () => {
    expect(
      blocks(
        said({ type: 'text', text: 'Q' }),
        wrote({ type: 'text', text: ' \n' }),
        said({ type: 'text', text: '' }, { type: 'text', text: 'R' }),
        wrote({ type: 'text', text: 'So: ' }),
      ),
    ).toEqual([
      [
        { type: 'text', text: 'Q' },
        { type: 'text', text: 'R' },
      ],
      [{ type: 'text', text: 'So:' }],
    ])
  })

  it('quirk 60: hold no lone surrogate', () => {
    const [[block] = []] = blocks(said({ type: 'text', text: 'a\ud83d b' }))
    expect(block?.['text']).toBe('a\ufffd b')
  })

  it('carry pictures and documents by bytes, address and id', () => {
    const png = new Uint8Array([137, 80, 78, 71])
    expect(
      blocks(
        said(
          { type: 'image', data: png, mediaType: 'image/png' },
          { type: 'image', url: 'https://x.test/a.png' },
          { type: 'image', url: 'data:image/gif;base64,R0lG' },
          { type: 'image', fileId: 'file_1' },
          { type: 'file', data: 'JVBERg==', mediaType: 'application/pdf', name: 'a.pdf' },
          { type: 'file', url: 'https://x.test/a.pdf' },
          { type: 'file', data: btoa('a,b'), mediaType: 'text/csv', name: 'a.csv' },
          { type: 'file', fileId: 'file_2' },
        ),
      )[0],
    ).toEqual([
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw==' } },
      { type: 'image', source: { type: 'url', url: 'https://x.test/a.png' } },
      { type: 'image', source: { type: 'base64', media_type: 'image/gif', data: 'R0lG' } },
      { type: 'image', source: { type: 'file', file_id: 'file_1' } },
      {
        type: 'document',
        title: 'a.pdf',
        source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERg==' },
      },
      { type: 'document', source: { type: 'url', url: 'https://x.test/a.pdf' } },
      {
        type: 'document',
        title: 'a.csv',
        source: { type: 'text', media_type: 'text/plain', data: 'a,b' },
      },
      { type: 'document', source: { type: 'file', file_id: 'file_2' } },
    ])
  })

  it.each<Part>([
    { type: 'image', data: 'AAAA', mediaType: 'application/pdf' },
    { type: 'image', url: 'file:///etc/passwd' },
    { type: 'image', url: 'data:text/html;base64,AAAA' },
    { type: 'file', data: 'AAAA', mediaType: 'application/zip' },
    { type: 'file', data: '%%%', mediaType: 'text/plain' },
  ])('refuse what is not a picture or document: %o', (part) => {
    expect(thrown(() => blocks(said(part)))).toMatchObject({ kind: 'invalid-request', phase: 'encode' })
  })

  it('carry tool results with errors and pictures', () => {
    const result = (content: string | Part[], isError?: boolean): Message => ({
      role: 'tool',
      content: [
        { type: 'tool-result', id: 't', name: 'f', content, ...(isError === undefined ? {} : { isError }) },
      ],
    })
    expect(blocks(result('no such file', true))[0]).toEqual([
      { type: 'tool_result', tool_use_id: 't', content: 'no such file', is_error: true },
    ])
    expect(
      blocks(
        result([
          { type: 'text', text: 'See:' },
          { type: 'image', data: 'AAAA', mediaType: 'image/png' },
        ]),
      )[0],
    ).toEqual([
      {
        type: 'tool_result',
        tool_use_id: 't',
        content: [
          { type: 'text', text: 'See:' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
        ],
      },
    ])
    expect(blocks(result(''))[0]).toEqual([{ type: 'tool_result', tool_use_id: 't' }])
  })

  it('quirk 18: replay arguments that were no object as one', () => {
    const broken = { type: 'tool-call', id: 'a', name: 'f', invalid: { raw: '{"x', reason: 'cut' } } as const
    const array = { type: 'tool-call', id: 'b', name: 'f', args: [1] } as const
    expect(blocks(wrote(broken, array))[0]?.map((block) => block['input'])).toEqual([
      { INVALID_JSON: '{"x' },
      { INVALID_JSON: '[1]' },
    ])
  })

  it('take ids of other providers, rewritten to the alphabet and still told apart', () => {
    const ids = ['call|1', 'call:1', 'plain', 'call|1']
    const sent = blocks(wrote(...ids.map((id) => ({ ...call, id }))))[0]?.map((block) => block['id'])
    // The last one is another call: two of one id are a 400.
    expect(sent).toEqual(['call_1', 'call_1_2', 'plain', 'call_1_2_2'])
  })

  it('leave out what belongs to another provider or cannot be vouched for, and say so', () => {
    const messages = [
      wrote(
        { type: 'reasoning', text: 'x', signature: 's', origin: { provider: 'gemini' } },
        { type: 'reasoning', text: 'unsigned' },
        { type: 'provider', provider: 'openai', value: { type: 'web_search_call' } },
        { type: 'text', text: 'A', origin: { provider: 'openai', citations: [1] } },
        { type: 'audio', data: 'AAAA', mediaType: 'audio/wav' },
      ),
    ]
    expect(blocks(...messages)).toEqual([
      [
        { type: 'text', text: 'A' },
        { type: 'text', text: '[sound not sent]' },
      ],
    ])
    expect(warned({ messages })).toEqual(Array(4).fill('dropped messages'))
  })
})

describe('tools', () => {
  const tools: NonNullable<Request['tools']> = [
    { name: 'f', description: 'F', inputSchema: { type: 'object', properties: { a: { type: 'string' } } } },
  ]

  it('are sent with their schema untouched, closed only when strict', () => {
    expect(body({ tools }).tools).toEqual([
      {
        name: 'f',
        description: 'F',
        input_schema: { type: 'object', properties: { a: { type: 'string' } } },
      },
    ])
    const strict = body({ tools: tools.map((tool) => ({ ...tool, strict: true })) as never })
    expect(strict.tools[0]).toMatchObject({ strict: true, input_schema: { additionalProperties: false } })
    expect(body({ tools: [] })).not.toHaveProperty('tools')
  })

  it('may be those of Anthropic, and not of others', () => {
    const value = { type: 'web_search_20250305', name: 'web_search' }
    const mixed: Partial<Request> = {
      tools: [
        { type: 'provider', provider: 'anthropic', value },
        { type: 'provider', provider: 'openai', value: { type: 'web_search' } },
      ],
    }
    expect(body(mixed).tools).toEqual([value])
    expect(warned(mixed)).toEqual(['dropped tools'])
  })

  it.each([
    ['auto', { type: 'auto' }],
    ['none', { type: 'none' }],
    ['required', { type: 'any' }],
    [{ tool: 'my.f' }, { type: 'tool', name: 'my_f' }],
  ] as const)('are chosen: %o', (toolChoice, expected) => {
    expect(body({ tools, toolChoice })['tool_choice']).toEqual(expected)
  })

  it('may be forbidden to run in parallel', () => {
    expect(body({ tools, parallelToolCalls: false })['tool_choice']).toEqual({
      type: 'auto',
      disable_parallel_tool_use: true,
    })
    expect(body({ tools, parallelToolCalls: false, toolChoice: 'none' })['tool_choice']).toEqual({
      type: 'none',
    })
    expect(body({ tools, parallelToolCalls: true })).not.toHaveProperty('tool_choice')
  })

  it('cannot be forced while thinking, or when there are none', () => {
    const thinking: Partial<Request> = { tools, toolChoice: 'required', reasoning: 'low' }
    expect(body(thinking)['tool_choice']).toEqual({ type: 'auto' })
    expect(warned(thinking)).toEqual(['unsupported toolChoice'])
    expect(warned({ toolChoice: 'required' })).toEqual(['unsupported toolChoice'])
  })

  it('must take an object and have names of their own', () => {
    for (const inputSchema of [{ type: 'string' }, [], 'x', null, { type: ['object', 'null'] }]) {
      const odd = { tools: [{ name: 'f', inputSchema }] } as unknown as Partial<Request>
      expect(thrown(() => body(odd))).toMatchObject({ kind: 'config' })
    }
    const twins = { tools: ['a.b', 'a:b'].map((name) => ({ name, inputSchema: {} })) }
    expect(thrown(() => body(twins))).toMatchObject({ kind: 'config' })
  })
})

describe('a structured answer', () => {
  const schema = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }

  it('is asked for natively where the model can', () => {
    expect(body({ schema, reasoning: 'high', model: 'claude-opus-5-5' })['output_config']).toEqual({
      effort: 'high',
      format: { type: 'json_schema', schema: { ...schema, additionalProperties: false } },
    })
  })

  it('is asked for through a forced tool elsewhere, and beside other tools', () => {
    const model = 'claude-3-5-haiku-20241022'
    const alone = body({ schema, model })
    expect(alone.tools).toMatchObject([{ name: 'json_answer', input_schema: schema }])
    expect(alone['tool_choice']).toEqual({ type: 'tool', name: 'json_answer' })
    const tools = [{ name: 'f', inputSchema: {} }]
    expect(body({ schema, model, tools })['tool_choice']).toEqual({ type: 'any' })
    expect(body({ schema, model, tools, toolChoice: 'none' })['tool_choice']).toMatchObject({ type: 'tool' })
    expect(body({ schema, model: 'kimi', reasoning: 'low' })['tool_choice']).toEqual({ type: 'auto' })
  })

  it('is asked for through the tool when its shape cannot be enforced', () => {
    const map = { type: 'object', additionalProperties: { type: 'number' } }
    expect(body({ schema: map })).not.toHaveProperty('output_config')
    expect(body({ schema: map }).tools).toMatchObject([{ input_schema: map }])
  })
})

describe('promptCache', () => {
  it('is automatic, with a lifetime where asked', () => {
    expect(body({ promptCache: true })['cache_control']).toEqual({ type: 'ephemeral' })
    expect(body({ promptCache: { ttl: '1h' } })['cache_control']).toEqual({ type: 'ephemeral', ttl: '1h' })
    expect(body({ promptCache: false })).not.toHaveProperty('cache_control')
    expect(warned({ promptCache: { key: 'k' } })).toEqual(['unsupported promptCache.key'])
  })

  it('marks blocks where the cloud has no automatic way', () => {
    const { body: marked } = encodeMessages(ask({ system: 'S', promptCache: true }), {
      provider: 'x',
      explicitCache: true,
    })
    expect(JSON.parse(JSON.stringify(marked))).toMatchObject({
      system: [{ type: 'text', text: 'S', cache_control: { type: 'ephemeral' } }],
      messages: [{ content: [{ type: 'text', text: 'Hi', cache_control: { type: 'ephemeral' } }] }],
    })
  })
})

describe('the model table', () => {
  it('knows ids inside the ids of clouds', () => {
    expect(traitsOf('eu.anthropic.claude-opus-4-1-20250805-v1:0').maxTokens).toBe(32_000)
    expect(traitsOf('anthropic.claude-v2:1').thinking).toBe('none')
    expect(traitsOf('claude-opus-4-6@20260205').thinking).toBe('adaptive')
    expect(traitsOf('claude-mythos-5').off).toBe('never')
  })
})
