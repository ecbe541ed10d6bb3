import { describe, expect, it } from 'vitest'
import { bedrock } from '../../src/providers/bedrock.ts'
import type { Message, Part, Request } from '../../src/types.ts'
import { ask, thrown } from './codec.ts'

const provider = bedrock({ region: 'us-east-1' })
const CLAUDE = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'
const NOVA = 'amazon.nova-2-lite-v1:0'

type Body = Record<string, unknown> & {
  messages: { role: string; content: Record<string, unknown>[] }[]
  toolConfig: { tools: Record<string, unknown>[]; toolChoice?: unknown }
}
const body = (extra: Partial<Request> = {}): Body =>
  JSON.parse(provider.encode(ask({ model: NOVA, ...extra })).body as string) as Body
const warned = (extra: Partial<Request>): string[] =>
  (provider.encode(ask({ model: NOVA, ...extra })).warnings ?? []).map(
    ({ code, field }) => `${code} ${field}`,
  )
const said = (...content: Part[]): Message => ({ role: 'user', content })
const wrote = (...content: Part[]): Message => ({ role: 'assistant', content })
const question = said({ type: 'text', text: 'Q' })
const call: Part = { type: 'tool-call', id: 't1', name: 'f', args: { a: 1 } }
const result: Part = { type: 'tool-result', id: 't1', name: 'f', content: 'R' }
const f = {
  name: 'f',
  description: 'F',
  inputSchema: { type: 'object', properties: { a: { type: 'string' } } },
}

describe('a request to Converse', () => {
  it('has one shape for every model', () => {
    const http = provider.encode(
      ask({ model: NOVA, system: 'S', maxTokens: 9, temperature: 0.5, topP: 0.9, stop: ['x'] }),
    )
    expect(JSON.parse(http.body as string)).toEqual({
      messages: [{ role: 'user', content: [{ text: 'Hi' }] }],
      system: [{ text: 'S' }],
      inferenceConfig: { maxTokens: 9, temperature: 0.5, topP: 0.9, stopSequences: ['x'] },
    })
    expect(http.headers).toEqual({
      accept: 'application/vnd.amazon.eventstream',
      'content-type': 'application/json',
    })
    expect(http.warnings).toEqual([])
  })

  it('says what only one maker knows in its words', () => {
    expect(body({ model: NOVA, topK: 7, reasoning: 'high' })['additionalModelRequestFields']).toEqual({
      inferenceConfig: { topK: 7 },
      reasoningConfig: { type: 'enabled', maxReasoningEffort: 'high' },
    })
    expect(body({ reasoning: 'off' })['additionalModelRequestFields']).toEqual({
      reasoningConfig: { type: 'disabled' },
    })
    expect(
      body({ model: 'openai.gpt-oss-120b-1:0', reasoning: { budgetTokens: 5000 } })[
        'additionalModelRequestFields'
      ],
    ).toEqual({ reasoning_effort: 'medium' })
    expect(body({ model: CLAUDE, topK: 7 })['additionalModelRequestFields']).toEqual({ top_k: 7 })
    expect(warned({ model: 'meta.llama3', topK: 7, reasoning: 'low' })).toEqual([
      'unsupported topK',
      'unsupported reasoning',
    ])
    expect(
      warned({ seed: 1, presencePenalty: 1, frequencyPenalty: 1, logprobs: true, parallelToolCalls: false }),
    ).toEqual([
      'unsupported seed',
      'unsupported presencePenalty',
      'unsupported frequencyPenalty',
      'unsupported logprobs',
      'unsupported parallelToolCalls',
    ])
  })

  it('keeps the limit of Claude above its thinking budget', () => {
    const sent = body({ model: CLAUDE, reasoning: { budgetTokens: 4000 } })
    expect(sent['inferenceConfig']).toEqual({ maxTokens: 64_000 })
    expect(sent['additionalModelRequestFields']).toEqual({
      thinking: { type: 'enabled', budget_tokens: 4000 },
    })
    expect(
      body({ model: 'anthropic.claude-opus-5-5', reasoning: 'max' })['additionalModelRequestFields'],
    ).toEqual({
      thinking: { type: 'adaptive', display: 'summarized' },
      output_config: { effort: 'max' },
    })
    expect(body({ model: CLAUDE })).not.toHaveProperty('inferenceConfig')
  })

  it('merges raw fields last', () => {
    const guardrailConfig = { guardrailIdentifier: 'g', guardrailVersion: '1' }
    expect(body({ body: { guardrailConfig } })['guardrailConfig']).toEqual(guardrailConfig)
  })
})

describe('messages of Converse', () => {
  it('alternate, without blank text', () => {
    expect(
      body({
        messages: [
          said({ type: 'text', text: 'Q' }),
          wrote({ type: 'text', text: ' ' }),
          said({ type: 'text', text: 'R' }),
          wrote(call),
          { role: 'tool', content: [result] },
          { role: 'system', content: 'Be quick.' },
        ],
        tools: [f],
      }).messages,
    ).toEqual([
      { role: 'user', content: [{ text: 'Q' }, { text: 'R' }] },
      { role: 'assistant', content: [{ toolUse: { toolUseId: 't1', name: 'f', input: { a: 1 } } }] },
      {
        role: 'user',
        content: [{ toolResult: { toolUseId: 't1', content: [{ text: 'R' }] } }, { text: 'Be quick.' }],
      },
    ])
  })

  it('carry pictures and documents', () => {
    expect(
      body({
        messages: [
          said(
            { type: 'image', data: new Uint8Array([1, 2, 3]), mediaType: 'image/jpg' },
            { type: 'image', url: 'data:image/png;base64,AAAA' },
            { type: 'image', url: 's3://bucket/a.webp' },
            { type: 'file', data: 'JVBERg==', mediaType: 'application/pdf', name: 'Q3_report:  final.pdf' },
            { type: 'file', data: 'YQ==', mediaType: 'text/plain' },
            { type: 'file', url: 's3://bucket/a.docx', name: '🦜' },
            { type: 'text', text: 'Compare.' },
          ),
        ],
      }).messages[0]?.content,
    ).toEqual([
      { image: { format: 'jpeg', source: { bytes: 'AQID' } } },
      { image: { format: 'png', source: { bytes: 'AAAA' } } },
      { image: { format: 'webp', source: { s3Location: { uri: 's3://bucket/a.webp' } } } },
      { document: { format: 'pdf', name: 'Q3-report- final-pdf', source: { bytes: 'JVBERg==' } } },
      { document: { format: 'txt', name: 'document', source: { bytes: 'YQ==' } } },
      { document: { format: 'docx', name: '--', source: { s3Location: { uri: 's3://bucket/a.docx' } } } },
      { text: 'Compare.' },
    ])
  })

  it.each<Part>([
    { type: 'image', data: 'AAAA', mediaType: 'text/plain' },
    { type: 'image', url: 'https://x.test/a.png' },
    { type: 'image', fileId: 'f' },
    { type: 'file', data: 'AAAA', mediaType: 'application/zip' },
    { type: 'file', url: 'https://x.test/a.pdf' },
  ])('refuse what Bedrock cannot be sent: %o', (part) => {
    expect(thrown(() => body({ messages: [said(part)] }))).toMatchObject({ kind: 'invalid-request' })
  })

  it('start with the user, whoever spoke first', () => {
    const history: Partial<Request> = { messages: [wrote({ type: 'text', text: 'Hello!' })] }
    expect(body(history).messages).toEqual([
      { role: 'user', content: [{ text: '[start of conversation]' }] },
      { role: 'assistant', content: [{ text: 'Hello!' }] },
    ])
    expect(warned(history)).toEqual(['converted messages'])
    // A question of nothing is no turn, so the answer to it would be the first.
    expect(
      body({ messages: [said({ type: 'text', text: ' ' }), wrote({ type: 'text', text: 'A' })] }).messages,
    ).toMatchObject([{ role: 'user' }, { role: 'assistant', content: [{ text: 'A' }] }])
  })

  it('have text beside every document, wherever in the turn it was said', () => {
    const file: Part = { type: 'file', data: 'JVBERg==', mediaType: 'application/pdf' }
    const document = { document: { format: 'pdf', name: 'document', source: { bytes: 'JVBERg==' } } }
    const alone: Partial<Request> = { messages: [said(file, { type: 'text', text: ' ' })] }
    expect(body(alone).messages[0]?.content).toEqual([document, { text: '[document attached]' }])
    expect(warned(alone)).toEqual(['converted messages'])
    const asked: Partial<Request> = { messages: [said(file), said({ type: 'text', text: 'What is it?' })] }
    expect(body(asked).messages[0]?.content).toEqual([document, { text: 'What is it?' }])
    expect(warned(asked)).toEqual([])
    const picture: Part = { type: 'image', data: 'AAAA', mediaType: 'image/png' }
    expect(body({ messages: [said(picture)] }).messages[0]?.content).toHaveLength(1)
    const cached = body({ ...alone, model: CLAUDE, promptCache: true }).messages[0]?.content
    expect(cached?.map((block) => Object.keys(block)[0])).toEqual(['document', 'text', 'cachePoint'])
  })

  it('give every document of a request a name of its own, which stays the same in the turns that follow', () => {
    const named = (...names: (string | undefined)[]): Message =>
      said(
        { type: 'text', text: 'Q' },
        ...names.map((name) => ({
          type: 'file' as const,
          data: 'YQ==',
          mediaType: 'text/plain',
          ...(name === undefined ? {} : { name }),
        })),
      )
    const namesIn = (...messages: Message[]): unknown[] =>
      body({ messages }).messages.flatMap(({ content }) =>
        content.flatMap((block) => (block['document'] as { name: string } | undefined)?.name ?? []),
      )
    const first = named('report.pdf', 'report.pdf', 'report-pdf (2)', undefined)
    const names = ['report-pdf', 'report-pdf (2)', 'report-pdf (2) (2)', 'document']
    expect(namesIn(first)).toEqual(names)
    const later = [first, wrote({ type: 'text', text: 'A' }), named('report  pdf', undefined, 'Report/pdf')]
    expect(namesIn(...later)).toEqual([...names, 'report pdf', 'document (2)', 'Report-pdf (3)'])
    // A document inside a tool's answer counts as well.
    const inResult = {
      ...result,
      content: [{ type: 'file' as const, name: 'r', data: 'YQ==', mediaType: 'text/csv' }],
    }
    const turns = body({ messages: [named('r'), wrote(call), said(inResult as Part)], tools: [f] }).messages
    expect(JSON.stringify(turns)).toContain('"name":"r (2)"')
  })

  it('keep the names of documents within what Bedrock takes, however many share one', () => {
    const long = 'x'.repeat(300)
    const files = Array.from({ length: 120 }, (_, n) => ({
      type: 'file' as const,
      name: n % 2 === 0 ? long : '  \u{1f600}  ',
      data: 'YQ==',
      mediaType: 'text/plain',
    }))
    const names = body({ messages: [said(...files)] }).messages.flatMap(({ content }) =>
      content.flatMap((block) => (block['document'] as { name: string } | undefined)?.name ?? []),
    )
    expect(new Set(names).size).toBe(120)
    for (const name of names) {
      expect(name).toMatch(/^[a-zA-Z0-9()[\]-]+(?: [a-zA-Z0-9()[\]-]+)*$/)
      expect(name.length).toBeLessThanOrEqual(200)
    }
  })

  it('leave a note of the pictures and documents that a model made', () => {
    const history: Partial<Request> = {
      messages: [
        said({ type: 'text', text: 'Draw.' }),
        // By address: refused in a question, but nobody has to send it to go on.
        wrote({ type: 'image', url: 'https://x.test/a.png' }, { type: 'file', fileId: 'f' }),
      ],
    }
    expect(body(history).messages[1]?.content).toEqual([
      { text: '[image not sent]' },
      { text: '[file not sent]' },
    ])
    expect(warned(history)).toEqual(['dropped messages', 'dropped messages'])
  })

  it('call every id once, and answer the call it was', () => {
    const round: Message[] = [wrote(call), { role: 'tool', content: [result] }]
    const content = body({
      messages: [question, ...round, ...round],
    }).messages.flatMap((turn) => turn.content)
    const ids = content.map(
      ({ toolUse, toolResult }) => ((toolUse ?? toolResult) as { toolUseId: string } | undefined)?.toolUseId,
    )
    expect(ids).toEqual([undefined, 't1', 't1', 't1_2', 't1_2'])
  })

  it('carry results with errors, pictures or nothing', () => {
    const sent = (content: string | Part[], isError = false): unknown =>
      body({
        messages: [
          { role: 'tool', content: [{ type: 'tool-result', id: 't', name: 'f', content, isError }] },
        ],
      }).messages[0]?.content[0]?.['toolResult']
    expect(sent('gone', true)).toEqual({ toolUseId: 't', content: [{ text: 'gone' }], status: 'error' })
    expect(sent([{ type: 'image', data: 'AAAA', mediaType: 'image/png' }])).toMatchObject({
      content: [{ image: { format: 'png' } }],
    })
    expect(sent('')).toEqual({ toolUseId: 't', content: [{ json: {} }] })
  })

  it('quirk 15: have ids of at most 64 characters of the alphabet, still told apart', () => {
    const ids = [`call|${'x'.repeat(80)}`, `call:${'x'.repeat(80)}`]
    const content = body({
      messages: [question, wrote(...ids.map((id): Part => ({ type: 'tool-call', id, name: 'f', args: {} })))],
    }).messages[1]?.content
    const sent = (content ?? []).map((block) => (block['toolUse'] as { toolUseId: string }).toolUseId)
    expect(new Set(sent).size).toBe(2)
    for (const id of sent) expect(id).toMatch(/^[a-zA-Z0-9_-]{1,64}$/)
  })

  it("take Anthropic's reasoning to Claude, and no reasoning that is not signed", () => {
    const thought: Part = {
      type: 'reasoning',
      text: 'Hm.',
      signature: 's',
      origin: { provider: 'anthropic' },
    }
    const secret: Part = {
      type: 'reasoning',
      text: '',
      encrypted: 'data',
      redacted: true,
      origin: { provider: 'anthropic' },
    }
    const text: Part = { type: 'text', text: 'A' }
    expect(
      body({ model: CLAUDE, messages: [question, wrote(thought, secret, text)] }).messages[1]?.content,
    ).toEqual([
      { reasoningContent: { reasoningText: { text: 'Hm.', signature: 's' } } },
      { reasoningContent: { redactedContent: btoa('data') } },
      { text: 'A' },
    ])
    expect(body({ messages: [question, wrote(thought, text)] }).messages[1]?.content).toEqual([{ text: 'A' }])
    const others = [
      question,
      wrote(
        thought,
        { type: 'reasoning', text: 'x' },
        { type: 'provider', provider: 'anthropic', value: {} },
        { type: 'audio', data: 'AAAA', mediaType: 'audio/wav' },
        text,
      ),
    ]
    expect(warned({ messages: others })).toEqual(Array(4).fill('dropped messages'))
  })
})

describe('tools of Converse', () => {
  it('are declared, chosen, and cannot be forbidden once called', () => {
    expect(body({ tools: [f], toolChoice: { tool: 'f' } }).toolConfig).toEqual({
      tools: [{ toolSpec: { name: 'f', description: 'F', inputSchema: { json: f.inputSchema } } }],
      toolChoice: { tool: { name: 'f' } },
    })
    expect(body({ tools: [f], toolChoice: 'required' }).toolConfig.toolChoice).toEqual({ any: {} })
    expect(body({ tools: [f], toolChoice: 'auto' }).toolConfig.toolChoice).toEqual({ auto: {} })
    expect(body({ tools: [f], toolChoice: 'none' })).not.toHaveProperty('toolConfig')
    const history: Partial<Request> = {
      tools: [f],
      toolChoice: 'none',
      messages: [question, wrote(call), { role: 'tool', content: [result] }],
    }
    expect(body(history).toolConfig.tools).toHaveLength(1)
    expect(warned(history)).toEqual(['unsupported toolChoice'])
  })

  it('are declared again when only the history knows them', () => {
    const messages = [question, wrote(call), { role: 'tool', content: [result] } as Message]
    expect(body({ messages }).toolConfig.tools).toEqual([
      { toolSpec: { name: 'f', inputSchema: { json: { type: 'object' } } } },
    ])
    expect(warned({ messages })).toEqual(['converted tools'])
  })

  it('leave a blank description out, and are strict only when they can be', () => {
    const bare = { ...f, description: ' ', strict: true }
    expect(body({ tools: [bare] }).toolConfig.tools).toEqual([
      {
        toolSpec: {
          name: 'f',
          inputSchema: { json: { ...f.inputSchema, additionalProperties: false } },
          strict: true,
        },
      },
    ])
  })

  it("may be Bedrock's own", () => {
    const value = { systemTool: { name: 'nova_code_interpreter' } }
    const tools: NonNullable<Request['tools']> = [
      { type: 'provider', provider: 'bedrock', value },
      { type: 'provider', provider: 'openai', value: {} },
    ]
    expect(body({ tools }).toolConfig.tools).toEqual([value])
    expect(warned({ tools })).toEqual(['dropped tools'])
  })
})

describe('a structured answer of Converse', () => {
  const schema = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] }

  it('is native where the model can, with the schema as a string', () => {
    const sent = body({ model: CLAUDE, schema })['outputConfig'] as {
      textFormat: { structure: { jsonSchema: { schema: string } } }
    }
    expect(JSON.parse(sent.textFormat.structure.jsonSchema.schema)).toEqual({
      ...schema,
      additionalProperties: false,
    })
  })

  it('is a forced tool elsewhere', () => {
    expect(body({ schema }).toolConfig).toMatchObject({
      tools: [{ toolSpec: { name: 'json_answer' } }],
      toolChoice: { tool: { name: 'json_answer' } },
    })
    expect(body({ schema, tools: [f] }).toolConfig.toolChoice).toEqual({ any: {} })
    expect(body({ schema, reasoning: 'low' }).toolConfig.toolChoice).toEqual({ auto: {} })
  })
})

describe('promptCache of Converse', () => {
  it('is a point after the system prompt and one after the last turn', () => {
    const point = { cachePoint: { type: 'default', ttl: '1h' } }
    const sent = body({ model: CLAUDE, system: 'S', promptCache: { ttl: '1h' } })
    expect(sent['system']).toEqual([{ text: 'S' }, point])
    expect(sent.messages[0]?.content).toEqual([{ text: 'Hi' }, point])
    expect(warned({ promptCache: { key: 'k' } })).toEqual(['unsupported promptCache.key'])
    expect(warned({ model: 'meta.llama3', promptCache: true })).toEqual(['unsupported promptCache'])
  })
})
