import { describe, expect, it } from 'vitest'
import { openai } from '../../src/providers/openai.ts'
import type { Message, Part, Request } from '../../src/types.ts'
import { ask, thrown } from './codec.ts'

const provider = openai()

type Body = Record<string, unknown> & { input: Record<string, unknown>[]; tools: Record<string, unknown>[] }
const body = (extra: Partial<Request> = {}): Body =>
  JSON.parse(provider.encode(ask({ model: 'gpt-6.1-terra', ...extra })).body as string) as Body
const input = (...messages: Message[]): unknown[] => body({ messages }).input
const warned = (extra: Partial<Request>): string[] =>
  (provider.encode(ask({ model: 'gpt-6.1-terra', ...extra })).warnings ?? []).map(
    (warning) => `${warning.code} ${warning.field}`,
  )
const said = (...content: Part[]): Message => ({ role: 'user', content })
const wrote = (...content: Part[]): Message => ({ role: 'assistant', content })
const thought = (extra: Partial<Extract<Part, { type: 'reasoning' }>> = {}): Part => ({
  type: 'reasoning',
  text: 'Hm.',
  encrypted: 'x',
  origin: { provider: 'openai', id: 'rs_1' },
  ...extra,
})

describe('a request to the Responses API', () => {
  it('stores nothing and takes reasoning along encrypted', () => {
    const http = openai({ organization: 'org', project: 'proj' }).encode(
      ask({ model: 'gpt-6.1-terra', system: 'Be brief.' }),
    )
    expect(http.url).toBe('https://api.openai.com/v1/responses')
    expect(http.headers).toEqual({
      accept: 'text/event-stream',
      'content-type': 'application/json',
      'openai-organization': 'org',
      'openai-project': 'proj',
    })
    expect(JSON.parse(http.body as string)).toEqual({
      model: 'gpt-6.1-terra',
      instructions: 'Be brief.',
      input: [{ role: 'user', content: 'Hi' }],
      store: false,
      include: ['reasoning.encrypted_content'],
      stream: true,
    })
    expect(http.warnings).toEqual([])
  })

  it('asks models that do not reason for nothing encrypted', () => {
    for (const model of [
      'gpt-4o-mini',
      'gpt-4.1',
      'gpt-3.5-turbo',
      'chatgpt-4o-latest',
      'gpt-5-chat-latest',
    ]) {
      expect(body({ model }), model).not.toHaveProperty('include')
    }
  })

  it('carries the key as a bearer token, of whatever name', async () => {
    const context = { nowMs: 0, signal: new AbortController().signal, transport: undefined as never }
    const http = await openai({ apiKey: 'k' }).authorize(provider.encode(ask()), context)
    expect(http.headers['authorization']).toBe('Bearer k')
    const other = openai({ name: 'acme', keyNames: ['ACME_KEY'] })
    await expect(async () => other.authorize(http, context)).rejects.toThrow('ACME_KEY')
  })

  it('asks for one JSON body, and merges raw fields last', () => {
    const http = provider.encode(ask({ stream: false, body: { store: true, metadata: { a: 'b' } } }))
    expect(JSON.parse(http.body as string)).toMatchObject({ store: true, metadata: { a: 'b' } })
    expect(http.body).not.toContain('"stream"')
    expect(http.headers['accept']).toBe('application/json')
  })

  it('has limits, parallel calls and log-probabilities', () => {
    expect(body({ maxTokens: 50, parallelToolCalls: false, logprobs: 3 })).toMatchObject({
      max_output_tokens: 50,
      parallel_tool_calls: false,
      top_logprobs: 3,
      include: ['reasoning.encrypted_content', 'message.output_text.logprobs'],
    })
    expect(body({ model: 'gpt-4o', logprobs: true })).toMatchObject({
      include: ['message.output_text.logprobs'],
    })
    expect(body({ logprobs: true })).not.toHaveProperty('top_logprobs')
  })

  it('quirk 59: leaves out what the model or the API does not take, and says so', () => {
    expect(body({ model: 'gpt-4o', temperature: 0.2, topP: 0.9 })).toMatchObject({
      temperature: 0.2,
      top_p: 0.9,
    })
    expect(body({ reasoning: 'off', temperature: 0.2 })).toMatchObject({ temperature: 0.2 })
    expect(body({ temperature: 0.2 })).not.toHaveProperty('temperature')
    expect(warned({ temperature: 0.2, topP: 0.9 })).toEqual(['unsupported temperature', 'unsupported topP'])
    expect(warned({ topK: 1, seed: 1, presencePenalty: 0, frequencyPenalty: 0, stop: ['x'] })).toEqual([
      'unsupported topK',
      'unsupported seed',
      'unsupported presencePenalty',
      'unsupported frequencyPenalty',
      'unsupported stop',
    ])
    expect(warned({ stop: [] })).toEqual([])
  })

  it('groups requests for the prompt cache', () => {
    expect(body({ promptCache: { key: 'k' } })['prompt_cache_key']).toBe('k')
    expect(warned({ promptCache: true })).toEqual([])
    expect(warned({ promptCache: { ttl: '1h' } })).toEqual(['unsupported promptCache.ttl'])
  })
})

describe('reasoning effort', () => {
  it.each([
    ['gpt-6.1-terra', 'off', 'none'],
    ['gpt-6.1-terra', 'max', 'max'],
    ['gpt-6.1-terra', 'minimal', 'low'],
    ['gpt-6-astra', 'off', 'low'],
    ['gpt-5.2', 'max', 'xhigh'],
    ['gpt-5.1', 'max', 'high'],
    ['gpt-5', 'minimal', 'minimal'],
    ['gpt-5-mini-2025-08-07', 'off', 'minimal'],
    ['gpt-5-pro', 'low', 'high'],
    ['o4-mini', 'minimal', 'low'],
    ['grok-4.7', 'max', 'high'],
    ['gpt-6.1-terra', { budgetTokens: 9000 }, 'high'],
    ['gpt-6.1-terra', { budgetTokens: 0 }, 'none'],
    ['gpt-6.1-terra', { budgetTokens: 99_999 }, 'max'],
  ] as const)('of %s, asked for %o: %s', (model, reasoning, effort) => {
    expect(body({ model, reasoning })['reasoning']).toEqual({ effort })
  })

  it('comes without a summary, which only verified organisations may ask for, unless asked', () => {
    const asked = body({ reasoning: 'low', body: { reasoning: { summary: 'auto' } } })
    expect(asked['reasoning']).toEqual({ effort: 'low', summary: 'auto' })
  })

  it('says what could not be done', () => {
    expect(warned({ reasoning: { budgetTokens: 1 } })).toEqual(['converted reasoning'])
    expect(warned({ reasoning: 'off', model: 'gpt-6-astra' })).toEqual(['converted reasoning'])
    expect(warned({ reasoning: 'high', model: 'gpt-4o' })).toEqual(['unsupported reasoning'])
    expect(warned({ reasoning: 'off', model: 'gpt-4o' })).toEqual([])
    expect(body({ reasoning: 'off', model: 'gpt-4o' })).not.toHaveProperty('reasoning')
  })
})

describe('input items', () => {
  it('are turns, calls and results in order', () => {
    expect(
      input(
        { role: 'system', content: 'S' },
        { role: 'user', content: 'Q' },
        { role: 'system', content: 'Now be brief.' },
        wrote(
          { type: 'text', text: 'A' },
          { type: 'text', text: 'B', sources: [{ url: 'u' }] },
          { type: 'tool-call', id: 'call_1', name: 'f', args: { a: 1 } },
        ),
        { role: 'tool', content: [{ type: 'tool-result', id: 'call_1', name: 'f', content: 'R' }] },
        said({ type: 'text', text: ' ' }),
      ),
    ).toEqual([
      { role: 'user', content: 'Q' },
      { role: 'system', content: 'Now be brief.' },
      { role: 'assistant', content: 'AB' },
      { type: 'function_call', call_id: 'call_1', name: 'f', arguments: '{"a":1}' },
      { type: 'function_call_output', call_id: 'call_1', output: 'R' },
    ])
  })

  it('carry pictures, files and sound', () => {
    expect(
      input(
        said(
          { type: 'text', text: 'Look' },
          { type: 'image', data: new Uint8Array([1, 2, 3]), mediaType: 'image/png', detail: 'low' },
          { type: 'image', url: 'https://x.test/a.png' },
          { type: 'image', fileId: 'file-1' },
          { type: 'file', data: 'JVBERg==', mediaType: 'application/pdf', name: 'a.pdf' },
          { type: 'file', url: 'https://x.test/a.pdf' },
          { type: 'file', fileId: 'file-2' },
          { type: 'audio', data: 'AAAA', mediaType: 'audio/mpeg' },
        ),
      ),
    ).toEqual([
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'Look' },
          { type: 'input_image', image_url: 'data:image/png;base64,AQID', detail: 'low' },
          { type: 'input_image', image_url: 'https://x.test/a.png' },
          { type: 'input_image', file_id: 'file-1' },
          { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERg==' },
          { type: 'input_file', file_url: 'https://x.test/a.pdf' },
          { type: 'input_file', file_id: 'file-2' },
          { type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } },
        ],
      },
    ])
  })

  it.each<Part>([
    { type: 'image', data: 'AAAA', mediaType: 'text/html' },
    { type: 'image', url: 'javascript:1' },
    { type: 'file', url: 'ftp://x.test/a' },
    { type: 'audio', url: 'https://x.test/a.mp3' },
    { type: 'audio', data: 'AAAA', mediaType: 'video/mp4' },
  ])('refuse what is not what it says: %o', (part) => {
    expect(thrown(() => input(said(part)))).toMatchObject({ kind: 'invalid-request' })
  })

  it('carry results with errors and pictures', () => {
    const result = (content: string | Part[], isError = false): unknown =>
      input({ role: 'tool', content: [{ type: 'tool-result', id: 'c', name: 'f', content, isError }] })[0]
    expect(result('gone', true)).toMatchObject({ output: 'Error: gone' })
    const picture: Part = { type: 'image', data: 'AAAA', mediaType: 'image/png' }
    expect(result([{ type: 'text', text: 'See' }, picture], true)).toMatchObject({
      output: [
        { type: 'input_text', text: 'Error:' },
        { type: 'input_text', text: 'See' },
        { type: 'input_image', image_url: 'data:image/png;base64,AAAA' },
      ],
    })
    expect(result('')).toMatchObject({ output: '' })
  })

  it('quirk 18: replay arguments that were no JSON as they were', () => {
    const broken = { type: 'tool-call', id: 'c', name: 'f', invalid: { raw: '{"x', reason: 'cut' } } as const
    expect(input(wrote(broken))).toMatchObject([{ arguments: '{"x' }])
  })

  it('quirk 34: hold no reasoning that nothing follows', () => {
    const answer: Part = { type: 'text', text: 'A' }
    expect(input(wrote(thought(), answer))).toEqual([
      {
        type: 'reasoning',
        id: 'rs_1',
        summary: [{ type: 'summary_text', text: 'Hm.' }],
        encrypted_content: 'x',
      },
      { role: 'assistant', content: 'A' },
    ])
    const lonely = [wrote(answer, thought(), { type: 'text', text: ' ' }), said({ type: 'text', text: 'Q' })]
    expect(input(...lonely)).toHaveLength(2)
    expect(warned({ messages: lonely })).toEqual(['dropped messages'])
  })

  it('leave out reasoning that the server cannot know, unless it keeps items', () => {
    const plain = wrote(
      { type: 'reasoning', text: 'Hm.', origin: { provider: 'openai', id: 'rs_1' } },
      { type: 'text', text: 'A' },
    )
    expect(input(plain)).toEqual([{ role: 'assistant', content: 'A' }])
    expect(warned({ messages: [plain] })).toEqual(['dropped messages'])
    expect(body({ messages: [plain], body: { store: true } }).input[0]).toMatchObject({ id: 'rs_1' })
  })

  it('put sections back together only while the text is unchanged', () => {
    const origin = {
      provider: 'openai',
      sections: [
        ['summary', 1],
        ['content', 2],
      ],
    }
    const [whole] = input(wrote(thought({ text: 'a\n\nbc', origin }), { type: 'text', text: 'A' }))
    expect(whole).toMatchObject({
      summary: [{ type: 'summary_text', text: 'a' }],
      content: [{ type: 'reasoning_text', text: 'bc' }],
    })
    const [edited] = input(wrote(thought({ text: 'other', origin }), { type: 'text', text: 'A' }))
    expect(edited).toMatchObject({ summary: [{ type: 'summary_text', text: 'other' }] })
  })

  it('leave out what belongs to another provider, and say so', () => {
    const messages = [
      wrote(
        thought({ origin: { provider: 'anthropic' } }),
        { type: 'provider', provider: 'anthropic', value: { type: 'server_tool_use' } },
        { type: 'text', text: 'A', origin: { provider: 'gemini', phase: 'x' } },
        {
          type: 'tool-call',
          id: 'toolu:1',
          name: 'my.f',
          args: {},
          origin: { provider: 'gemini', namespace: 'n' },
        },
        { type: 'image', url: 'https://x.test/a.png' },
      ),
    ]
    expect(input(...messages)).toEqual([
      { role: 'assistant', content: 'A' },
      { type: 'function_call', call_id: 'toolu_1', name: 'my_f', arguments: '{}' },
    ])
    expect(warned({ messages })).toEqual(Array(3).fill('dropped messages'))
  })

  it('pass provider parts through', () => {
    const value = { type: 'computer_call_output', call_id: 'c', output: { type: 'computer_screenshot' } }
    expect(input(said({ type: 'text', text: 'Q' }, { type: 'provider', provider: 'openai', value }))).toEqual(
      [{ role: 'user', content: 'Q' }, value],
    )
  })
})

describe('tools of the Responses API', () => {
  const parameters = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }
  const tools: NonNullable<Request['tools']> = [{ name: 'f', description: 'F', inputSchema: parameters }]

  it('are functions, strict only when asked', () => {
    expect(body({ tools }).tools).toEqual([
      { type: 'function', name: 'f', description: 'F', parameters, strict: false },
    ])
    const strict = tools.map((tool) => ({ ...tool, strict: true })) as NonNullable<Request['tools']>
    expect(body({ tools: strict }).tools).toEqual([
      {
        type: 'function',
        name: 'f',
        description: 'F',
        parameters: { ...parameters, additionalProperties: false },
        strict: true,
      },
    ])
    expect(body({ tools: [] })).not.toHaveProperty('tools')
  })

  it('are chosen, also those of free text', () => {
    const custom = { type: 'provider', provider: 'openai', value: { type: 'custom', name: 'sql' } } as const
    const choice = (toolChoice: Request['toolChoice']): unknown =>
      body({ tools: [...tools, custom], ...(toolChoice === undefined ? {} : { toolChoice }) })['tool_choice']
    expect(choice(undefined)).toBeUndefined()
    expect(choice('required')).toBe('required')
    expect(choice({ tool: 'f' })).toEqual({ type: 'function', name: 'f' })
    expect(choice({ tool: 'sql' })).toEqual({ type: 'custom', name: 'sql' })
    expect(warned({ toolChoice: 'required' })).toEqual(['unsupported toolChoice'])
    const foreign = { tools: [{ type: 'provider', provider: 'gemini', value: {} }] } as Partial<Request>
    expect(warned(foreign)).toEqual(['dropped tools'])
  })

  it('must take an object', () => {
    const odd = { tools: [{ name: 'f', inputSchema: { type: 'array' } }] }
    expect(thrown(() => body(odd))).toMatchObject({ kind: 'config' })
  })

  it('do not keep a shape from being asked for', () => {
    expect(body({ schema: parameters, tools })['text']).toEqual({
      format: {
        type: 'json_schema',
        name: 'answer',
        strict: true,
        schema: { ...parameters, additionalProperties: false },
      },
    })
    const map = { type: 'object', additionalProperties: { type: 'number' } }
    expect(body({ schema: map })['text']).toMatchObject({ format: { strict: false, schema: map } })
  })
})
