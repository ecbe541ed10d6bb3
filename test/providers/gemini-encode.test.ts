import { describe, expect, it } from 'vitest'
import { gemini } from '../../src/providers/gemini.ts'
import type { Message, Part, Request } from '../../src/types.ts'
import { ask, thrown } from './codec.ts'

const provider = gemini()

interface Body {
  contents: { role: string; parts: Record<string, unknown>[] }[]
  tools?: Record<string, unknown>[]
  toolConfig?: unknown
  generationConfig?: Record<string, unknown>
  systemInstruction?: unknown
}

const body = (extra: Partial<Request>): Body => JSON.parse(provider.encode(ask(extra)).body as string) as Body
const warnings = (extra: Partial<Request>): (string | undefined)[] =>
  (provider.encode(ask(extra)).warnings ?? []).map((warning) => warning.field)
const user = (...content: Part[]): { messages: Message[] } => ({ messages: [{ role: 'user', content }] })
const assistant = (...content: Part[]): { messages: Message[] } => ({
  messages: [{ role: 'assistant', content }],
})
const parts = (extra: Partial<Request>): unknown => body(extra).contents[0]?.parts

describe('a Gemini request', () => {
  it('goes to the model, streamed over SSE or as one body, the key in a header only', async () => {
    const streamed = provider.encode(ask({ model: 'gemini-3.8-flash' }))
    const base = 'https://generativelanguage.googleapis.com/v1beta/models/gemini-3.8-flash'
    expect(streamed.url).toBe(`${base}:streamGenerateContent?alt=sse`)
    expect(provider.encode(ask({ model: 'models/gemini-3.8-flash', stream: false })).url).toBe(
      `${base}:generateContent`,
    )
    const context = {
      nowMs: 0,
      signal: new AbortController().signal,
      transport: { send: () => Promise.reject() },
    }
    const signed = await gemini({ apiKey: 'k-1' }).authorize(streamed, context)
    expect(signed.headers['x-goog-api-key']).toBe('k-1')
    expect(signed.url).not.toContain('k-1')
    await expect(provider.authorize(streamed, context)).rejects.toMatchObject({ kind: 'config' })
  })

  it.each([
    ['../../v1/files', 'models/..%2F..%2Fv1%2Ffiles:'],
    ['a?x=1', 'models/a%3Fx%3D1:'],
    ['a#b', 'models/a%23b:'],
    ['..', 'models/%252E%252E:'],
    ['models/..', 'models/%252E%252E:'],
    ['tunedModels/my-1', 'tunedModels/my-1:'],
    ['@evil.com/x', 'models/%40evil.com%2Fx:'],
  ])('keeps the model %s on the same host and path', (model, path) => {
    const url = new URL(provider.encode(ask({ model })).url)
    expect(url.host).toBe('generativelanguage.googleapis.com')
    expect(url.href).toContain(`/v1beta/${path}`)
  })

  it('says nothing it was not told', () => {
    expect(body({})).toEqual({ contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] })
  })

  it('gathers leading system prompts and sends later ones as the user, with a warning', () => {
    const extra: Partial<Request> = {
      system: 'Be brief.',
      messages: [
        { role: 'system', content: 'In French.' },
        { role: 'user', content: 'Hi' },
        { role: 'system', content: 'Now German.' },
      ],
    }
    expect(body(extra)).toEqual({
      systemInstruction: { parts: [{ text: 'Be brief.\n\nIn French.' }] },
      contents: [
        { role: 'user', parts: [{ text: 'Hi' }] },
        { role: 'user', parts: [{ text: 'Now German.' }] },
      ],
    })
    expect(warnings(extra)).toEqual(['messages'])
  })

  it('puts sampling and the shape of the answer into generationConfig, raw fields last', () => {
    const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
    const { generationConfig } = body({
      maxTokens: 64,
      temperature: 0,
      topP: 0.9,
      topK: 40,
      stop: ['END'],
      seed: 7,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      logprobs: 3,
      schema,
      body: { generationConfig: { candidateCount: 1, seed: null }, safetySettings: [] },
    })
    expect(generationConfig).toMatchObject({
      maxOutputTokens: 64,
      temperature: 0,
      topP: 0.9,
      topK: 40,
      stopSequences: ['END'],
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      responseLogprobs: true,
      logprobs: 3,
      responseMimeType: 'application/json',
      responseJsonSchema: schema,
      candidateCount: 1,
    })
    expect(generationConfig).not.toHaveProperty('seed')
  })

  it('warns of what Gemini has no field for', () => {
    expect(warnings({ parallelToolCalls: false, promptCache: { key: 'a' } })).toEqual([
      'parallelToolCalls',
      'promptCache',
    ])
    expect(warnings({ promptCache: true })).toEqual([])
  })

  it.each([
    ['gemini-3.8-flash', 'high', { includeThoughts: true, thinkingLevel: 'high' }, 0],
    ['gemini-3.8-flash', 'max', { includeThoughts: true, thinkingLevel: 'high' }, 0],
    ['gemini-3.8-flash', 'minimal', { includeThoughts: true, thinkingLevel: 'low' }, 1],
    ['gemini-3.8-flash', 'off', { includeThoughts: false, thinkingLevel: 'low' }, 1],
    ['gemini-3.5-flash-lite', 'minimal', { includeThoughts: true, thinkingLevel: 'minimal' }, 0],
    ['gemini-3-flash-preview', 'off', { includeThoughts: false, thinkingLevel: 'minimal' }, 1],
    ['gemini-4-argon', 'medium', { includeThoughts: true, thinkingLevel: 'medium' }, 0],
    ['gemini-flash-latest', 'low', { includeThoughts: true, thinkingLevel: 'low' }, 0],
    ['gemini-2.5-flash', 'off', { thinkingBudget: 0 }, 0],
    ['gemini-2.5-pro', 'off', { includeThoughts: false, thinkingBudget: 128 }, 1],
    ['gemini-2.5-flash', 'medium', { includeThoughts: true, thinkingBudget: 8192 }, 0],
    ['gemini-2.5-flash', { budgetTokens: 50 }, { includeThoughts: true, thinkingBudget: 50 }, 0],
  ] as const)('thinks on %s with reasoning %j', (model, reasoning, thinkingConfig, count) => {
    expect(body({ model, reasoning }).generationConfig).toEqual({ thinkingConfig })
    expect(warnings({ model, reasoning })).toHaveLength(count)
  })
})

describe('tools of a Gemini request', () => {
  const inputSchema = { type: 'object', properties: { city: { type: 'string' } } }

  it('are declarations, beside tools of its own', () => {
    const extra: Partial<Request> = {
      tools: [
        { name: 'weather', description: 'Weather', inputSchema },
        { type: 'provider', provider: 'gemini', value: { googleSearch: {} } },
        { type: 'provider', provider: 'openai', value: { type: 'web_search' } },
      ],
    }
    expect(body(extra).tools).toMatchObject([
      {
        functionDeclarations: [
          { name: 'weather', description: 'Weather', parametersJsonSchema: inputSchema },
        ],
      },
      { googleSearch: {} },
    ])
    expect(warnings(extra)).toEqual(['tools'])
    expect(body({ tools: [] })).not.toHaveProperty('tools')
  })

  it.each([
    ['auto', { mode: 'AUTO' }],
    ['none', { mode: 'NONE' }],
    ['required', { mode: 'ANY' }],
    [{ tool: 'a/b' }, { mode: 'ANY', allowedFunctionNames: ['a_b'] }],
  ] as const)('are chosen by %j', (toolChoice, functionCallingConfig) => {
    const tools = [{ name: 'a/b', inputSchema }]
    expect(body({ tools, toolChoice }).toolConfig).toEqual({ functionCallingConfig })
  })

  it('get names Gemini accepts, and never the same one', () => {
    const name = (tool: string): unknown => {
      const [first] = body({ tools: [{ name: tool, inputSchema }] }).tools ?? []
      return (first?.['functionDeclarations'] as { name: string }[] | undefined)?.[0]?.name
    }
    expect(name('mcp.files:read-now')).toBe('mcp.files:read-now')
    expect(name('1st tool')).toBe('_1st_tool')
    expect(name('ä')).toBe('_')
    expect(name('x'.repeat(80))).toHaveLength(64)
    const tools = [
      { name: 'a b', inputSchema },
      { name: 'a/b', inputSchema },
    ]
    expect(thrown(() => provider.encode(ask({ tools })))).toMatchObject({ kind: 'config' })
  })

  it('are refused when the schema is not an object', () => {
    const tools = [{ name: 'f', inputSchema: 'string' as unknown as Record<string, unknown> }]
    expect(thrown(() => provider.encode(ask({ tools })))).toMatchObject({ kind: 'config' })
  })
})

describe('a conversation with tools, for Gemini', () => {
  const call = (id: string, origin?: Record<string, string>): Part => ({
    type: 'tool-call',
    id,
    name: 'f',
    args: { x: 1 },
    ...(origin === undefined ? {} : { origin: { provider: 'gemini', ...origin } }),
  })
  const result = (id: string, content: string | Part[], isError = false): Part => ({
    type: 'tool-result',
    id,
    name: 'f',
    content,
    ...(isError ? { isError } : {}),
  })

  it('gathers the answers to parallel calls in one turn', () => {
    const messages: Message[] = [
      { role: 'assistant', content: [call('a', { id: 'w1', thoughtSignature: 's' }), call('b')] },
      { role: 'tool', content: [result('a', 'one')] },
      { role: 'tool', content: [result('b', 'two', true)] },
      { role: 'user', content: 'Go on.' },
    ]
    expect(body({ messages, model: 'gemini-2.5-flash' }).contents).toEqual([
      {
        role: 'model',
        parts: [
          { functionCall: { id: 'w1', name: 'f', args: { x: 1 } }, thoughtSignature: 's' },
          { functionCall: { name: 'f', args: { x: 1 } } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'w1', name: 'f', response: { output: 'one' } } },
          { functionResponse: { name: 'f', response: { error: 'two' } } },
        ],
      },
      { role: 'user', parts: [{ text: 'Go on.' }] },
    ])
  })

  it('never sends an id that Gemini did not give', () => {
    const messages: Message[] = [
      {
        role: 'assistant',
        content: [{ ...call('toolu_1'), origin: { provider: 'anthropic', id: 'toolu_1' } } as Part],
      },
      { role: 'tool', content: [result('toolu_1', 'x')] },
    ]
    expect(JSON.stringify(body({ messages }))).not.toContain('toolu_1')
  })

  it('marks only the first call of a turn that no Gemini 3 signed', () => {
    const extra = { ...assistant(call('a'), call('b')), model: 'gemini-3.8-flash' }
    expect(parts(extra)).toEqual([
      { functionCall: { name: 'f', args: { x: 1 } }, thoughtSignature: 'skip_thought_signature_validator' },
      { functionCall: { name: 'f', args: { x: 1 } } },
    ])
    expect(parts({ ...extra, model: 'gemini-2.5-flash' })).toEqual([
      { functionCall: { name: 'f', args: { x: 1 } } },
      { functionCall: { name: 'f', args: { x: 1 } } },
    ])
  })

  it('sends arguments that were not JSON as an object that says so', () => {
    const cut: Part = { type: 'tool-call', id: 'a', name: 'f', invalid: { raw: '{"x":', reason: 'cut' } }
    expect(parts({ ...assistant(cut), model: 'gemini-2.5-flash' })).toEqual([
      { functionCall: { name: 'f', args: { INVALID_JSON: '{"x":' } } },
    ])
  })

  it('shows pictures in a tool result inside it from Gemini 3 on, behind it before', () => {
    const image: Part = { type: 'image', data: 'AAAA', mediaType: 'image/png' }
    const messages: Message[] = [
      { role: 'tool', content: [result('a', [{ type: 'text', text: 'see' }, image]), result('b', 'x')] },
    ]
    const inlineData = { mimeType: 'image/png', data: 'AAAA' }
    const plain = { functionResponse: { name: 'f', response: { output: 'x' } } }
    expect(parts({ messages, model: 'gemini-3.8-flash' })).toEqual([
      { functionResponse: { name: 'f', response: { output: 'see' }, parts: [{ inlineData }] } },
      plain,
    ])
    expect(parts({ messages, model: 'gemini-2.5-flash' })).toEqual([
      { functionResponse: { name: 'f', response: { output: 'see' } } },
      plain,
      { inlineData },
    ])
  })
})

describe('the content of a Gemini request', () => {
  it('takes pictures, documents and sounds as bytes, by URL and by id', () => {
    expect(
      parts(
        user(
          { type: 'image', data: new Uint8Array([1, 2, 3]), mediaType: 'image/png' },
          { type: 'image', url: 'data:image/webp;base64,AAAA' },
          { type: 'image', url: 'https://example.com/a.png', mediaType: 'image/png' },
          { type: 'file', url: 'gs://bucket/a.pdf', mediaType: 'application/pdf', name: 'a.pdf' },
          { type: 'file', fileId: 'https://generativelanguage.googleapis.com/v1beta/files/abc' },
          { type: 'audio', data: 'data:audio/wav;base64,BBBB', mediaType: 'audio/wav' },
        ),
      ),
    ).toEqual([
      { inlineData: { mimeType: 'image/png', data: 'AQID' } },
      { inlineData: { mimeType: 'image/webp', data: 'AAAA' } },
      { fileData: { fileUri: 'https://example.com/a.png', mimeType: 'image/png' } },
      { fileData: { fileUri: 'gs://bucket/a.pdf', mimeType: 'application/pdf' } },
      { fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/abc' } },
      { inlineData: { mimeType: 'audio/wav', data: 'BBBB' } },
    ])
  })

  it.each([
    { type: 'image', data: 'AAAA', mediaType: 'application/pdf' },
    { type: 'audio', data: 'AAAA', mediaType: 'image/png' },
  ] as Part[])('refuses a part that is not what it says', (part) => {
    expect(thrown(() => provider.encode(ask(user(part))))).toMatchObject({ kind: 'invalid-request' })
  })

  it('holds no blank text and no empty turns', () => {
    const messages: Message[] = [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: ' \n' },
        ],
      },
      { role: 'assistant', content: '' },
      { role: 'user', content: 'b' },
    ]
    expect(body({ messages }).contents).toEqual([
      { role: 'user', parts: [{ text: 'a' }] },
      { role: 'user', parts: [{ text: 'b' }] },
    ])
  })

  it('leaves out what another provider made, and says so', () => {
    const extra = assistant(
      { type: 'reasoning', text: 'hm', signature: 's', origin: { provider: 'anthropic' } },
      { type: 'provider', provider: 'openai', value: { type: 'web_search_call' } },
      { type: 'text', text: 'Yes.', origin: { provider: 'vertex', thoughtSignature: 's' } },
    )
    expect(parts(extra)).toEqual([{ text: 'Yes.' }])
    expect(warnings(extra)).toEqual(['messages', 'messages', 'messages'])
  })

  it('never holds a lone surrogate', () => {
    expect(provider.encode(ask({ messages: [{ role: 'user', content: 'x\ud83d' }] })).body).toContain(
      'x\ufffd',
    )
  })
})

describe('beside the conversation', () => {
  it('Gemini counts tokens of the whole request', () => {
    const http = provider.countTokens?.encode(ask({ model: 'gemini-3.8-flash', system: 'S' }))
    expect(http?.url).toMatch(/models\/gemini-3\.8-flash:countTokens$/)
    expect(JSON.parse(http?.body as string)).toEqual({
      generateContentRequest: {
        model: 'models/gemini-3.8-flash',
        systemInstruction: { parts: [{ text: 'S' }] },
        contents: [{ role: 'user', parts: [{ text: 'Hi' }] }],
      },
    })
    expect(provider.countTokens?.decode({ totalTokens: 31 })).toBe(31)
    expect(thrown(() => provider.countTokens?.decode({}))).toMatchObject({ kind: 'protocol' })
  })

  it('Gemini lists models, page by page', () => {
    expect(provider.listModels?.encode().url).toMatch(/v1beta\/models\?pageSize=1000$/)
    expect(provider.listModels?.encode('a/b').url).toMatch(/&pageToken=a%2Fb$/)
    const page = { models: [{ name: 'models/gemini-3.8-flash' }, {}], nextPageToken: 'next' }
    expect(provider.listModels?.decode(page)).toEqual({ models: ['gemini-3.8-flash'], cursor: 'next' })
    expect(provider.listModels?.decode({})).toEqual({ models: [] })
  })
})
