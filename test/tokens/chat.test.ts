import { readFileSync, readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import { cl100k_base } from '../../src/tokens/encodings/cl100k_base.ts'
import { o200k_base } from '../../src/tokens/encodings/o200k_base.ts'
import { o200k_harmony } from '../../src/tokens/encodings/o200k_harmony.ts'
import {
  CHAT_RULES,
  countChatTokens,
  countImageTokens,
  createEncoding,
  encodingForModel,
  encodingNameForModel,
  estimateTokens,
  imageSize,
  IMAGE_RULES,
  renderHarmony,
  toolNamespace,
  typeScriptOf,
} from '../../src/tokens/index.ts'
import type { Message, Part, ToolDefinition } from '../../src/types.ts'
import { corpusFolder } from '../corpus.ts'

const weather: ToolDefinition = {
  name: 'get_current_weather',
  description: 'Gets the current weather in the provided location.',
  inputSchema: {
    type: 'object',
    properties: {
      location: { type: 'string', description: 'The city and state, e.g. San Francisco, CA' },
      format: { type: 'string', enum: ['celsius', 'fahrenheit'], default: 'celsius' },
    },
    required: ['location'],
  },
}
const location: ToolDefinition = {
  name: 'get_location',
  description: 'Gets the location of the user.',
  inputSchema: { type: 'object', properties: {} },
}

describe('harmony', () => {
  const render = (messages: Message[], options: object = {}): string =>
    o200k_harmony.decode(renderHarmony(messages, { encoding: o200k_harmony, ...options }))

  const system =
    '<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n' +
    'Knowledge cutoff: 2024-06\nCurrent date: 2025-06-28\n\nReasoning: high\n\n' +
    '# Valid channels: analysis, commentary, final. Channel must be included for every message.'
  const options = { currentDate: '2025-06-28', reasoning: 'high' }

  it('renders instructions, tools, thoughts, calls and results as the format’s document does', () => {
    const messages: Message[] = [
      { role: 'system', content: 'Use a friendly tone.' },
      { role: 'user', content: 'What is the weather like in SF?' },
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'Need to use function get_weather.' },
          { type: 'tool-call', id: '1', name: 'get_current_weather', args: { location: 'San Francisco' } },
        ],
      },
      {
        role: 'tool',
        content: [{ type: 'tool-result', id: '1', name: 'get_current_weather', content: '{"sunny": true}' }],
      },
    ]
    expect(render(messages, { tools: [location, weather], ...options })).toBe(
      `${system}\nCalls to these tools must go to the commentary channel: 'functions'.<|end|>` +
        '<|start|>developer<|message|># Instructions\n\nUse a friendly tone.\n\n# Tools\n\n## functions\n\n' +
        'namespace functions {\n\n// Gets the location of the user.\ntype get_location = () => any;\n\n' +
        '// Gets the current weather in the provided location.\ntype get_current_weather = (_: {\n' +
        '// The city and state, e.g. San Francisco, CA\nlocation: string,\n' +
        'format?: "celsius" | "fahrenheit", // default: celsius\n}) => any;\n\n} // namespace functions<|end|>' +
        '<|start|>user<|message|>What is the weather like in SF?<|end|>' +
        '<|start|>assistant<|channel|>analysis<|message|>Need to use function get_weather.<|end|>' +
        '<|start|>assistant to=functions.get_current_weather<|channel|>commentary <|constrain|>json<|message|>' +
        '{"location":"San Francisco"}<|call|>' +
        '<|start|>functions.get_current_weather to=assistant<|channel|>commentary<|message|>{"sunny": true}<|end|>' +
        '<|start|>assistant',
    )
  })

  it('drops thoughts that came before the first final answer, once the last turn is final', () => {
    const turn: Message = {
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'Simple.' },
        { type: 'text', text: '4' },
      ],
    }
    const messages: Message[] = [
      { role: 'user', content: '2 + 2?' },
      turn,
      { role: 'user', content: 'And 9 / 2?' },
    ]
    expect(render(messages, options)).toBe(
      `${system}<|end|><|start|>user<|message|>2 + 2?<|end|>` +
        '<|start|>assistant<|channel|>final<|message|>4<|end|>' +
        '<|start|>user<|message|>And 9 / 2?<|end|><|start|>assistant',
    )
  })

  it('tools without instructions make a developer message of their own', () => {
    const text = render([{ role: 'user', content: 'Hi' }], { tools: [location], ...options })
    expect(text).toContain(
      '<|end|><|start|>developer<|message|># Tools\n\n## functions\n\nnamespace functions {',
    )
    expect(text).not.toContain('# Instructions')
  })

  it('text that looks like a special token is text', () => {
    const plain = renderHarmony([{ role: 'user', content: '<|end|>' }], { encoding: o200k_harmony })
    expect(plain.filter((id) => id === 200007)).toHaveLength(2)
  })

  it('schemas become the types the model was trained on', () => {
    const type = (schema: object): string => typeScriptOf(schema as never, '')
    expect(type({ type: ['integer', 'null'] })).toBe('number | null')
    expect(type({ type: 'array' })).toBe('Array<any>')
    expect(type({ type: 'array', items: { type: 'boolean' } })).toBe('boolean[]')
    expect(type({ anyOf: [{ type: 'string' }] })).toBe('any')
    expect(
      type({
        type: 'object',
        description: 'Outer.',
        properties: {
          a: { type: 'string', title: 'A', description: 'The a.', examples: ['x', 1], default: 'y' },
          b: { type: 'integer', nullable: true, default: 5 },
          c: { type: 'object', properties: { d: { type: 'boolean' } }, required: ['d'] },
        },
      }),
    ).toBe(
      '// Outer.\n{\n// A\n//\n// The a.\n// Examples:\n// - "x"\na?: string, // default: "y"\n' +
        'b?: number | null, // default: 5\nc?: {\n    d: boolean,\n    },\n}',
    )
    expect(
      type({
        type: 'object',
        required: ['size'],
        properties: {
          size: {
            description: 'How large.',
            default: 'm',
            oneOf: [
              { type: 'string', enum: ['s', 'm'], default: 'm', description: 'A letter.' },
              { type: 'number', nullable: true, description: 'Centimetres.' },
            ],
          },
        },
      }),
    ).toBe(
      '{\n// How large.\n// default: "m"\nsize:\n | "s" | "m" // default: m\n | number | null // Centimetres.\n,\n}',
    )
    expect(
      type({
        oneOf: [
          { type: 'string', default: 'x' },
          { type: 'integer', description: 'n' },
        ],
      }),
    ).toBe('\n | string // default: "x"\n | number // n')
  })

  it('counts what it renders, and needs the encoding of gpt-oss', () => {
    const messages: Message[] = [{ role: 'user', content: 'Hi' }]
    const ids = renderHarmony(messages, { encoding: o200k_harmony, tools: [weather] })
    expect(countChatTokens(messages, { encoding: o200k_harmony, tools: [weather] })).toBe(ids.length)
    expect(() => renderHarmony(messages, { encoding: o200k_base })).toThrow('o200k_harmony')
    const picture: Message[] = [{ role: 'user', content: [{ type: 'image', url: 'https://x.test/a.png' }] }]
    expect(() => renderHarmony(picture, { encoding: o200k_harmony })).toThrow(LlmError)
  })
})

describe('countChatTokens', () => {
  it('counts roles, contents, names and the priming', () => {
    const messages: Message[] = [
      { role: 'system', content: 'You are terse.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Say ' },
          { type: 'text', text: 'hello.' },
        ],
      },
    ]
    // 3 + (3 + 1 + 4) + (3 + 1 + 1 + 2)
    expect(countChatTokens(messages, { encoding: o200k_base })).toBe(
      3 +
        (3 + 1 + o200k_base.countTokens('You are terse.')) +
        (4 + o200k_base.countTokens('Say ') + o200k_base.countTokens('hello.')),
    )
    const named = [{ role: 'user', content: 'x', name: 'ann' } as Message]
    expect(countChatTokens(named, { encoding: cl100k_base })).toBe(
      3 + 3 + 1 + 1 + 1 + cl100k_base.countTokens('ann'),
    )
    expect(countChatTokens(named, { encoding: cl100k_base, model: 'gpt-3.5-turbo-0301' })).toBe(
      3 + 4 + 1 + 1 - 1 + cl100k_base.countTokens('ann'),
    )
    expect(
      countChatTokens([{ role: 'user', content: 'x' }], { encoding: o200k_base, model: 'gpt-5-mini' }),
    ).toBe(2 + 3 + 1 + 1)
    expect(countChatTokens([], { encoding: o200k_base })).toBe(3)
  })
  it('every rule says where it is from', () => {
    for (const row of [...CHAT_RULES, ...IMAGE_RULES]) expect(row.source).toMatch(/20\d\d-\d\d/)
  })
  it('renders tools as a namespace', () => {
    expect(toolNamespace([location, weather])).toBe(
      'namespace functions {\n\n// Gets the location of the user.\ntype get_location = () => any;\n\n' +
        '// Gets the current weather in the provided location.\ntype get_current_weather = (_: {\n' +
        '// The city and state, e.g. San Francisco, CA\nlocation: string,\nformat?: "celsius" | "fahrenheit",\n}) => any;\n\n' +
        '} // namespace functions',
    )
  })
  it('says what it cannot count', () => {
    const one = (part: Part): Message[] => [{ role: 'user', content: [part] }]
    expect(() =>
      countChatTokens(one({ type: 'image', url: 'https://x.test/a.png' }), { encoding: o200k_base }),
    ).toThrow('images: { model }')
    expect(() =>
      countChatTokens(one({ type: 'image', url: 'https://x.test/a.png' }), {
        encoding: o200k_base,
        images: { model: 'gpt-4o' },
      }),
    ).toThrow('size')
    expect(() => countChatTokens(one({ type: 'file', fileId: 'f' }), { encoding: o200k_base })).toThrow(
      'client.countTokens',
    )
    expect(() => countChatTokens('text' as never, { encoding: o200k_base })).toThrow(LlmError)
  })
  it('adds pictures', () => {
    const text: Message[] = [{ role: 'user', content: [{ type: 'text', text: 'What is this?' }] }]
    const both: Message[] = [
      {
        role: 'user',
        content: [...(text[0]!.content as Part[]), { type: 'image', url: 'https://x.test/a.png' }],
      },
    ]
    const images = { model: 'gpt-4o', size: { width: 1024, height: 1024 } }
    expect(
      countChatTokens(both, { encoding: o200k_base, images }) -
        countChatTokens(text, { encoding: o200k_base }),
    ).toBe(765)
    expect(
      countChatTokens(both, {
        encoding: o200k_base,
        images: { model: 'gpt-4o', size: () => ({ width: 2048, height: 4096 }) },
      }) - countChatTokens(text, { encoding: o200k_base }),
    ).toBe(1105)
  })
})

describe('countImageTokens', () => {
  it('tiles', () => {
    expect(countImageTokens({ width: 1024, height: 1024 }, 'gpt-4o')).toBe(765)
    expect(countImageTokens({ width: 2048, height: 4096 }, 'gpt-4o-2024-08-06')).toBe(1105)
    expect(countImageTokens({ width: 2048, height: 4096, detail: 'low' }, 'gpt-4o')).toBe(85)
    expect(countImageTokens({ width: 400, height: 300 }, 'openai/gpt-4o')).toBe(255)
    expect(countImageTokens({ width: 1024, height: 1024 }, 'o3')).toBe(675)
    expect(countImageTokens({ width: 512, height: 512 }, 'gpt-4o-mini')).toBe(8500)
  })
  it('patches', () => {
    // 32 × 32 squares; then the document's example, 1800 × 2400, which shrinks to 33 × 44.
    expect(countImageTokens({ width: 1024, height: 1024 }, 'gpt-4.1-mini')).toBe(Math.ceil(1024 * 1.62))
    expect(countImageTokens({ width: 1800, height: 2400 }, 'gpt-4.1-mini')).toBe(Math.ceil(1452 * 1.62))
    expect(countImageTokens({ width: 1, height: 1 }, 'o4-mini')).toBe(2)
    for (const [width, height] of [
      [10_000, 10],
      [10, 10_000],
      [5000, 5000],
      [1568, 1568],
    ] as const) {
      expect(countImageTokens({ width, height }, 'gpt-4.1-nano')).toBeLessThanOrEqual(Math.ceil(1536 * 2.46))
    }
  })
  it('does not guess', () => {
    expect(() => countImageTokens({ width: 5, height: 5 }, 'gpt-5')).toThrow('client.countTokens')
    expect(() => countImageTokens({ width: 0, height: 5 }, 'gpt-4o')).toThrow(LlmError)
    expect(() => countImageTokens({ width: NaN, height: 5 }, 'gpt-4o')).toThrow(LlmError)
  })
  it('reads sizes from headers', () => {
    const bytes = (text: string, ...rest: number[]): Uint8Array => {
      const out = new Uint8Array(40)
      out.set([...Array.from(text, (unit) => unit.charCodeAt(0)), ...rest])
      return out
    }
    expect(
      imageSize(bytes('\x89PNG\r\n\x1a\n', 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 1, 44, 0, 0, 0, 200)),
    ).toEqual({ width: 300, height: 200 })
    expect(imageSize(bytes('GIF89a', 44, 1, 200, 0))).toEqual({ width: 300, height: 200 })
    expect(imageSize(bytes('RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0', 43, 1, 0, 199, 0, 0))).toEqual({
      width: 300,
      height: 200,
    })
    expect(imageSize(bytes('RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f', 0x2b, 0xc1, 0x31, 0))).toEqual({
      width: 300,
      height: 200,
    })
    expect(imageSize(bytes('RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a', 44, 1, 200, 0))).toEqual({
      width: 300,
      height: 200,
    })
    expect(imageSize(bytes('\xff\xd8\xff\xe0', 0, 4, 0, 0, 0xff, 0xc2, 0, 17, 8, 0, 200, 1, 44))).toEqual({
      width: 300,
      height: 200,
    })
    expect(imageSize(bytes('\xff\xd8\xff\xff\xff\xff'))).toBeUndefined()
    expect(imageSize(bytes('BM'))).toBeUndefined()
    expect(imageSize(new Uint8Array(3))).toBeUndefined()
  })
})

describe('encodingForModel', () => {
  it('knows the models whose vocabulary is public', async () => {
    const table: Record<string, string> = {
      'gpt-5': 'o200k_base',
      'gpt-5.4-mini': 'o200k_base',
      'gpt-5.2': 'o200k_base',
      'gpt-4o-2024-08-06': 'o200k_base',
      'chatgpt-4o-latest': 'o200k_base',
      'gpt-4.1-nano': 'o200k_base',
      'gpt-4.5-preview': 'o200k_base',
      o1: 'o200k_base',
      'o3-mini': 'o200k_base',
      'o4-mini': 'o200k_base',
      'openai/gpt-4o': 'o200k_base',
      'ft:gpt-4o-mini:org::id': 'o200k_base',
      'gpt-oss-120b': 'o200k_harmony',
      'openai/gpt-oss-20b': 'o200k_harmony',
      'gpt-4': 'cl100k_base',
      'gpt-4-turbo': 'cl100k_base',
      'gpt-3.5-turbo-0125': 'cl100k_base',
      'gpt-35-turbo': 'cl100k_base',
      'text-embedding-3-large': 'cl100k_base',
      'text-davinci-003': 'p50k_base',
      'code-davinci-002': 'p50k_base',
      'text-davinci-edit-001': 'p50k_edit',
      davinci: 'r50k_base',
      'text-ada-001': 'r50k_base',
      gpt2: 'r50k_base',
      'davinci-002': 'cl100k_base',
    }
    for (const [model, name] of Object.entries(table))
      expect((await encodingForModel(model)).name, model).toBe(name)
  })
  it('does not guess', async () => {
    for (const model of [
      'gpt-6',
      'gpt-6-astra',
      'gpt-5o',
      'claude-sonnet-4-5',
      'gemini-2.5-flash',
      'o9',
      '',
      'gpt',
      'my-gpt-4o',
      'constructor',
    ]) {
      expect(encodingNameForModel(model), model).toBeUndefined()
      await expect(encodingForModel(model)).rejects.toMatchObject({
        kind: 'config',
        message: expect.stringContaining('estimateTokens'),
      })
    }
    await expect(encodingForModel(undefined as never)).rejects.toMatchObject({ kind: 'config' })
  })
})

describe('createEncoding', () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => [Uint8Array.of(byte), byte] as const)
  it('encodes with a vocabulary of one’s own', () => {
    const ranks = [...bytes, ['ab', 256], ['abc', 257], [' abc', 258]] as [Uint8Array | string, number][]
    const own = createEncoding({ ranks, family: 'o200k', specials: { '[STOP]': 300 } })
    expect(own.encode('abcab')).toEqual([257, 256])
    expect(own.encode('x abc')).toEqual([120, 258])
    expect(own.encode('ab[STOP]', { allowedSpecial: 'all' })).toEqual([256, 300])
    expect(() => own.encode('ab[STOP]')).toThrow('[STOP] at index 2')
    expect(own.decode([257, 300, 256])).toBe('abc[STOP]ab')
    expect(own.vocabularySize).toBe(301)
  })
  it('a token that no merge builds is found as a whole piece only', () => {
    const own = createEncoding({ ranks: [...bytes, ['bcd', 256]], family: 'gpt2' })
    expect(own.encode('bcd')).toEqual([256])
    expect(own.encode('abcd')).toEqual([97, 98, 99, 100])
    expect(own.encode('a'.repeat(50) + 'bcd')).toHaveLength(53)
  })
  it('says what is wrong with a vocabulary', () => {
    const make =
      (extra: readonly (readonly [Uint8Array | string, number])[], more: object = {}): (() => unknown) =>
      () =>
        createEncoding({ ranks: [...bytes, ...extra], family: 'o200k', ...more })
    expect(() => createEncoding({ ranks: bytes.slice(1), family: 'o200k' })).toThrow('byte 0')
    expect(make([['ab', 255]])).toThrow('Rank 255')
    expect(
      make([
        ['ab', 256],
        ['ab', 257],
      ]),
    ).toThrow('twice')
    expect(make([['', 256]])).toThrow('empty')
    expect(make([['ab', -1]])).toThrow('-1')
    expect(make([['ab', 1.5]])).toThrow('1.5')
    expect(make([], { specials: { '<s>': 5 } })).toThrow('"<s>"')
    expect(make([], { family: 'toString' })).toThrow('o200k, cl100k, gpt2')
  })
})

describe('estimateTokens', () => {
  it('is near the truth where the truth is known, in many scripts', () => {
    for (const text of [
      'The committee reviewed the proposal and decided that further evidence was needed before any money could be spent.',
      'Der Ausschuss prüfte den Vorschlag und entschied, dass weitere Belege nötig seien.',
      'Комитет рассмотрел предложение и решил, что нужны дополнительные доказательства.',
      '委员会审查了这项提案，认为在为新桥花钱之前还需要更多证据。',
      'export function sum(values: number[]): number {\n  return values.reduce((a, b) => a + b, 0)\n}\n',
      '{"id":"a1b2","name":"Ann Lee","active":true,"score":12.5,"tags":["x","y"]}',
    ]) {
      const { tokens, exact, error } = estimateTokens(text, 'gpt-6')
      expect(exact).toBe(false)
      expect(Math.abs(tokens - o200k_base.countTokens(text)), text).toBeLessThanOrEqual(error)
      // Newer Claude models: 30 % more than older ones, by their documentation.
      const old = estimateTokens(text, 'claude-sonnet-4-5').tokens
      expect(estimateTokens(text, 'claude-opus-4-8').tokens / old).toBeGreaterThan(1.15)
    }
  })
  it('takes texts, messages and inputs', () => {
    const messages: Message[] = [{ role: 'user', content: 'Hello there' }]
    const text = estimateTokens('Hello there', 'gemini-3-pro').tokens
    expect(estimateTokens(messages, 'gemini-3-pro').tokens).toBeGreaterThanOrEqual(text)
    const withSystem = estimateTokens({ messages, system: 'Be brief.' }, 'claude-sonnet-4-5').tokens
    expect(withSystem).toBeGreaterThan(estimateTokens(messages, 'claude-sonnet-4-5').tokens)
    expect(estimateTokens({ messages, tools: [weather] }, 'claude-sonnet-4-5').tokens).toBeGreaterThan(400)
    expect(estimateTokens('', 'x')).toEqual({ tokens: 0, exact: false, error: 1 })
    expect(() => estimateTokens(5 as never, 'x')).toThrow(LlmError)
    expect(() => estimateTokens('x', undefined as never)).toThrow(LlmError)
    expect(() => estimateTokens([{ role: 'user', content: [{ type: 'audio', fileId: 'a' }] }], 'x')).toThrow(
      'client.countTokens',
    )
  })
})

// ------------------------------------------------------------------------------- usage that servers reported

type Body = {
  model?: string
  messages?: {
    role: string
    content: unknown
    name?: string | null
    tool_calls?: { function: { name: string; arguments: string } }[] | null
  }[]
  contents?: { role?: string; parts: { text?: string }[] }[]
  system?: unknown
  systemInstruction?: { parts: { text?: string }[] }
  tools?: { function: { name: string; description?: string; parameters?: object } }[]
  response_format?: unknown
}

/** Requests of a recordings folder with the input tokens their server reported, where it did. */
function recorded(folder: string): { file: string; model: string; body: Body; tokens: number }[] {
  const out = []
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.meta.json'))) {
    const meta = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')) as { url: string; request_body?: Body }
    const raw = readFileSync(`${folder}/${file.replace('.meta.json', '')}`, 'utf8')
    const counts = [...raw.matchAll(/"(?:prompt_tokens|input_tokens|promptTokenCount)"\s*:\s*(\d+)/g)].map(
      (m) => Number(m[1]),
    )
    const model = /"model"\s*:\s*"([^"]+)"/.exec(raw)?.[1] ?? /models\/([^:]+)/.exec(meta.url)?.[1]
    if (meta.request_body !== undefined && counts.length > 0 && model !== undefined) {
      out.push({ file, model, body: meta.request_body, tokens: Math.max(...counts) })
    }
  }
  return out
}

/** OpenAI's request body as messages; undefined for what a local count does not cover. */
function openaiMessages(body: Body): Message[] | undefined {
  const out: Message[] = []
  const names: string[] = []
  for (const { role, content, tool_calls } of body.messages ?? []) {
    const parts: Part[] = []
    const list =
      typeof content === 'string'
        ? [{ type: 'text', text: content }]
        : ((content ?? []) as { type: string; text: string }[])
    for (const part of list) {
      if (part.type !== 'text') return undefined
      parts.push({ type: 'text', text: part.text })
    }
    for (const { function: call } of tool_calls ?? []) {
      names.push(call.name)
      parts.push({
        type: 'tool-call',
        id: '',
        name: call.name,
        args: JSON.parse(call.arguments || '{}'),
      } as Part)
    }
    if (role === 'tool') {
      parts.splice(0, parts.length, {
        type: 'tool-result',
        id: '',
        name: names.shift() ?? '',
        content: parts.map((part) => (part as { text: string }).text).join(''),
      })
    }
    // The recorder's client sent an empty assistant message before the one with the call, which the server left out.
    if (role === 'assistant' && tool_calls == null && content === '') continue
    out.push({ role: (role === 'developer' ? 'system' : role) as Message['role'], content: parts })
  }
  return out
}

const toolsOf = (body: Body): ToolDefinition[] =>
  (body.tools ?? []).map(({ function: f }) => ({
    name: f.name,
    description: f.description ?? '',
    inputSchema: (f.parameters ?? {}) as never,
  }))

corpusFolder('chat-usage', 'recordings/openai-chat', (folder, ran) => {
  it('countChatTokens agrees with the usage OpenAI reported', () => {
    const rows = recorded(folder).filter(
      ({ model, body }) => /^(gpt|o\d)/.test(model) && body.response_format === undefined,
    )
    let plain = 0
    let tooled = 0
    for (const { file, model, body, tokens } of rows) {
      const messages = openaiMessages(body)
      if (messages === undefined) continue
      const encoding = model.startsWith('gpt-4-') ? cl100k_base : o200k_base
      const count = countChatTokens(messages, { encoding, model, tools: toolsOf(body) })
      const calls = messages
        .flatMap(({ content }) => content as Part[])
        .filter((part) => part.type === 'tool-call').length
      if (toolsOf(body).length === 0) {
        expect(count, file).toBe(tokens)
        plain++
      } else {
        expect(Math.abs(count - tokens), `${file}: ${count} for ${tokens}`).toBeLessThanOrEqual(
          Math.ceil(tokens * 0.02) + 3 * calls,
        )
        tooled++
      }
      ran()
    }
    expect(plain).toBeGreaterThan(10)
    expect(tooled).toBeGreaterThan(10)
  })
})

for (const [folder, atLeast] of [
  ['anthropic', 15],
  ['gemini', 15],
  ['vertex', 8],
  ['mistral', 5],
  ['deepseek', 3],
] as const) {
  corpusFolder(`estimates-${folder}`, `recordings/${folder}`, (path, ran) => {
    it('nine of ten estimates are within their stated error', () => {
      const misses: string[] = []
      let tried = 0
      for (const { file, model, body, tokens } of recorded(path)) {
        // Texts only, asked once: what a heuristic can know. Cached, rewritten and server-side prompts it cannot.
        if (body.tools !== undefined && body.tools.length > 0) continue
        const texts: string[] = []
        let plain = true
        for (const message of body.messages ?? body.contents ?? []) {
          const content = 'parts' in message ? message.parts : message.content
          const parts =
            typeof content === 'string'
              ? [{ text: content }]
              : (content as { type?: string; text?: unknown }[])
          for (const part of parts) {
            if (typeof part.text === 'string') texts.push(part.text)
            else plain = false
          }
        }
        if (
          !plain ||
          texts.length !== 1 ||
          body.system !== undefined ||
          'thinking' in body ||
          'context_management' in body ||
          'output_config' in body ||
          'output_format' in body
        )
          continue
        if (body.systemInstruction !== undefined)
          texts.unshift(body.systemInstruction.parts.map((part) => part.text ?? '').join(''))
        const messages: Message[] = texts.map((text) => ({ role: 'user', content: text }))
        const { tokens: guess, error } = estimateTokens(messages, model)
        if (Math.abs(guess - tokens) > error)
          misses.push(`${file} ${model}: ${guess} ± ${error} for ${tokens}`)
        tried++
        ran()
      }
      expect(tried).toBeGreaterThanOrEqual(atLeast)
      expect(misses.length, misses.join('\n')).toBeLessThanOrEqual(tried / 10)
    })
  })
}
