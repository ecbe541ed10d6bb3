/**
 * Moving a conversation: who may have begun it, who may go on with it, and what each of them insists on.
 *
 * In:  nothing. Out: SPEAKERS, the makers of histories; ENDPOINTS, the readers of them, each with the rules its API
 * answers 400 to. A rule reads an encoded body and returns what is wrong with it, in words; nothing of the library
 * is used to judge the library.
 */
import type { Provider } from '../../src/provider.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { azure } from '../../src/providers/azure.ts'
import { bedrock } from '../../src/providers/bedrock.ts'
import { cohere } from '../../src/providers/cohere.ts'
import { vendor, VENDORS } from '../../src/providers/compatible.ts'
import { gemini } from '../../src/providers/gemini.ts'
import { mistral } from '../../src/providers/mistral.ts'
import { ollama } from '../../src/providers/ollama.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { openai } from '../../src/providers/openai.ts'
import { vertex } from '../../src/providers/vertex.ts'
import { watsonx } from '../../src/providers/watsonx.ts'
import type { Message, Origin, Part, Request } from '../../src/types.ts'

type Wire = Record<string, unknown>

// ------------------------------------------------------------------------------------------------ speakers

/** One maker of histories: its ids, and how its reasoning and its own parts look in our vocabulary. */
export interface Speaker {
  name: string
  ids: [string, string]
  reasoning: Part[]
  own: Part[]
  /** What its calls carry. */
  origin?: Origin
}

const speaker = (
  name: string,
  ids: [string, string],
  thought: Partial<Part>,
  more: { own?: unknown; redacted?: boolean; origin?: Omit<Origin, 'provider'> } = {},
): Speaker => ({
  name,
  ids,
  reasoning: [
    { type: 'reasoning', text: `THOUGHT_${name}`, origin: { provider: name }, ...thought } as Part,
    ...(more.redacted === true
      ? [
          {
            type: 'reasoning',
            text: '',
            encrypted: `RED_${name}`,
            redacted: true,
            origin: { provider: name },
          } as Part,
        ]
      : []),
  ],
  own: more.own === undefined ? [] : [{ type: 'provider', provider: name, value: more.own }],
  ...(more.origin === undefined ? {} : { origin: { provider: name, ...more.origin } }),
})

export const SPEAKERS: Speaker[] = [
  speaker(
    'anthropic',
    ['toolu_01Ab', 'toolu_01Cd'],
    { signature: 'SIG_anthropic' },
    {
      redacted: true,
      own: {
        type: 'server_tool_use',
        id: 'srvtoolu_1',
        name: 'web_search',
        input: { query: 'OWN_anthropic' },
      },
    },
  ),
  speaker(
    'openai',
    ['call_b7kKQ0mR2mLw8nGkIu1QyXzT', 'call_c7kKQ0mR2mLw8nGkIu1QyXzT'],
    {
      encrypted: 'ENC_openai',
      origin: { provider: 'openai', id: 'rs_openai', sections: [['summary', 14]] },
    },
    { own: { type: 'web_search_call', id: 'ws_1', status: 'completed', action: { query: 'OWN_openai' } } },
  ),
  speaker(
    'azure',
    ['call_azure1', 'call_azure2'],
    { encrypted: 'ENC_azure', origin: { provider: 'azure', id: 'rs_azure' } },
    { own: { type: 'web_search_call', id: 'ws_1', status: 'completed', action: { query: 'OWN_azure' } } },
  ),
  speaker('mistral', ['D681PevKs', 'x7b2Qq9Za'], {}),
  speaker(
    'gemini',
    ['0b6f0e0e-6f5e-4a55-9d67-000000000001', '0b6f0e0e-6f5e-4a55-9d67-000000000002'],
    {},
    {
      own: { executableCode: { language: 'PYTHON', code: 'OWN_gemini' } },
      origin: { thoughtSignature: 'SIG_gemini' },
    },
  ),
  speaker(
    'vertex',
    ['0b6f0e0e-6f5e-4a55-9d67-000000000003', '0b6f0e0e-6f5e-4a55-9d67-000000000004'],
    {},
    {
      own: { executableCode: { language: 'PYTHON', code: 'OWN_vertex' } },
      origin: { thoughtSignature: 'SIG_vertex' },
    },
  ),
  speaker(
    'bedrock',
    ['tooluse_kZJMlvQmRJ6eAyJE5GIl7Q', 'tooluse_lZJMlvQmRJ6eAyJE5GIl7Q'],
    { signature: 'SIG_bedrock' },
    { redacted: true, own: { toolUse: { toolUseId: 'srv_1', name: 'x', input: { query: 'OWN_bedrock' } } } },
  ),
  speaker('ollama', ['call_ollama_1', 'call_ollama_2'], {}),
  speaker('cohere', ['weather_k3y9q0w1e2r3', 'weather_z3y9q0w1e2r3'], {}),
  // vLLM's ids: 46 characters.
  speaker(
    'watsonx',
    ['chatcmpl-tool-4e5c6f7a8b9c4d0e9f1a2b3c4d5e6f70', 'chatcmpl-tool-5e5c6f7a8b9c4d0e9f1a2b3c4d5e6f70'],
    {},
  ),
  speaker('deepseek', ['call_00_s8fK2', 'call_01_s8fK2'], {
    origin: { provider: 'deepseek', field: 'reasoning_content' },
  }),
  // Kimi's ids begin anew with every conversation, and hold a dot and a colon.
  speaker('moonshot', ['functions.weather:0', 'functions.weather:1'], {
    origin: { provider: 'moonshot', field: 'reasoning_content' },
  }),
  speaker('openrouter', ['call_or_1', 'call_or_2'], {
    origin: {
      provider: 'openrouter',
      field: 'reasoning',
      details: [{ type: 'reasoning.encrypted', data: 'ENC_openrouter' }],
    },
  }),
  // Nobody we know: ids of any characters and any length, told apart by their ends.
  speaker('stranger', [`wéird id/💥:${'x'.repeat(80)}1`, `wéird id/💥:${'x'.repeat(80)}2`], {
    signature: 'SIG_stranger',
    encrypted: 'ENC_stranger',
  }),
]

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII='
const PDF = 'JVBERi0xLjQKJSVFT0Y='
export const LONE = 'It is sunny \ud83d in Paris.'

/** A conversation that `by` has answered twice; `media` adds a picture and a document, and a picture in a result. */
export function conversation(by: Speaker, media: boolean): Message[] {
  const [first, second] = by.ids
  const origin = by.origin === undefined ? {} : { origin: by.origin }
  return [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'Where is it warm?' },
        { type: 'text', text: ' \n ' },
        ...(media
          ? ([
              { type: 'image', data: PIXEL, mediaType: 'image/png' },
              { type: 'file', data: PDF, mediaType: 'application/pdf', name: 'list.pdf' },
            ] as Part[])
          : []),
      ],
    },
    {
      role: 'assistant',
      content: [
        ...by.reasoning,
        { type: 'text', text: 'I will look. ' },
        ...by.own,
        { type: 'tool-call', id: first, name: 'weather', args: { city: 'Paris' }, ...origin },
        { type: 'tool-call', id: second, name: 'weather', invalid: { raw: '{"city":"Ro', reason: 'cut' } },
      ],
    },
    {
      role: 'tool',
      content: [
        {
          type: 'tool-result',
          id: first,
          name: 'weather',
          content: media
            ? [
                { type: 'text', text: 'twenty degrees' },
                { type: 'image', data: PIXEL, mediaType: 'image/png' },
              ]
            : 'twenty degrees',
        },
        { type: 'tool-result', id: second, name: 'weather', content: 'no such city', isError: true },
      ],
    },
    { role: 'assistant', content: [{ type: 'text', text: LONE }] },
    { role: 'assistant', content: [{ type: 'text', text: '' }] },
    { role: 'user', content: 'And now?' },
    // Some servers count their ids from zero in every turn.
    { role: 'assistant', content: [{ type: 'tool-call', id: first, name: 'weather', args: {}, ...origin }] },
    { role: 'tool', content: [{ type: 'tool-result', id: first, name: 'weather', content: '' }] },
    { role: 'user', content: [{ type: 'text', text: 'Well?' }] },
  ]
}

export const TOOLS: NonNullable<Request['tools']> = [
  {
    name: 'weather',
    description: 'Tells the weather',
    inputSchema: { type: 'object', properties: { city: { type: 'string' } } },
  },
]

// --------------------------------------------------------------------------------------------------- rules

/** What is wrong with a body, in words. */
type Rules = (body: Wire) => string[]

const list = (value: unknown): Wire[] => (Array.isArray(value) ? (value as Wire[]) : [])
const record = (value: unknown): Wire => (value ?? {}) as Wire
const blank = (value: unknown): boolean => typeof value === 'string' && value.trim() === ''

/** Every call is answered in the turn right behind it, and every answer has its call in the turn right before it. */
function pairing(turns: { calls: string[]; results: string[] }[]): string[] {
  const wrong: string[] = []
  for (const [at, { calls, results }] of turns.entries()) {
    const answers = turns[at + 1]?.results ?? []
    for (const id of calls) {
      // Run by the server itself, within its turn.
      if (results.includes(id)) continue
      if (!answers.includes(id)) wrong.push(`turn ${at}: the call ${id} has no result in the next turn`)
    }
    if (new Set(calls).size < calls.length) wrong.push(`turn ${at}: two calls share an id`)
    for (const id of results) {
      if (calls.includes(id)) continue
      if (!(turns[at - 1]?.calls ?? []).includes(id)) wrong.push(`turn ${at}: the result ${id} has no call`)
    }
  }
  return wrong
}

function alternating(messages: Wire[], first: string): string[] {
  const wrong: string[] = []
  if (messages[0]?.['role'] !== first) wrong.push(`the first turn is ${String(messages[0]?.['role'])}`)
  for (const [at, message] of messages.entries()) {
    if (message['role'] === messages[at - 1]?.['role']) wrong.push(`turns ${at - 1} and ${at} have one role`)
  }
  return wrong
}

const messagesApi: Rules = (body) => {
  const messages = list(body['messages'])
  const wrong = alternating(messages, 'user')
  const seen = new Set<string>()
  const turns = messages.map((message, at) => {
    const blocks = list(message['content'])
    if (blocks.length === 0) wrong.push(`turn ${at} is empty`)
    const calls: string[] = []
    const results: string[] = []
    for (const [place, block] of blocks.entries()) {
      const type = block['type']
      if (type === 'text' && blank(block['text'])) wrong.push(`turn ${at} holds blank text`)
      if (message['role'] === 'assistant' && (type === 'image' || type === 'document')) {
        wrong.push(`turn ${at}: ${type} in an answer`)
      }
      if (type === 'thinking' && (block['signature'] ?? '') === '')
        wrong.push(`turn ${at}: unsigned thinking`)
      if (type === 'tool_use') {
        const id = String(block['id'])
        if (!/^[a-zA-Z0-9_-]+$/.test(id)) wrong.push(`the id ${id}`)
        if (seen.has(id)) wrong.push(`tool_use ids must be unique: ${id}`)
        seen.add(id)
        calls.push(id)
        if (typeof block['input'] !== 'object') wrong.push(`the input of ${id} is no object`)
        if (!/^[a-zA-Z0-9_-]{1,128}$/.test(String(block['name'])))
          wrong.push(`the name ${String(block['name'])}`)
      }
      if (type === 'tool_result') {
        results.push(String(block['tool_use_id']))
        if (blocks.slice(0, place).some((before) => before['type'] !== 'tool_result')) {
          wrong.push(`turn ${at}: a result behind something else`)
        }
        for (const piece of list(block['content'])) {
          if (piece['type'] === 'text' && blank(piece['text'])) wrong.push(`turn ${at}: a blank result`)
        }
      }
    }
    return { calls, results }
  })
  const last = list(messages.at(-1)?.['content']).at(-1)
  if (messages.at(-1)?.['role'] === 'assistant' && /\s$/.test(String(last?.['text'] ?? ''))) {
    wrong.push('the last answer ends in white space')
  }
  return [...wrong, ...pairing(turns)]
}

const converse: Rules = (body) => {
  const messages = list(body['messages'])
  const wrong = alternating(messages, 'user')
  const seen = new Set<string>()
  let tools = false
  const turns = messages.map((message, at) => {
    const blocks = list(message['content'])
    if (blocks.length === 0) wrong.push(`turn ${at} is empty`)
    const calls: string[] = []
    const results: string[] = []
    const holds = (kind: string): boolean => blocks.some((block) => block[kind] !== undefined)
    if (holds('document') && !holds('text')) wrong.push(`turn ${at}: a document without text`)
    for (const block of blocks) {
      if (message['role'] === 'assistant' && ('image' in block || 'document' in block)) {
        wrong.push(`turn ${at}: media in an answer`)
      }
      if (blank(block['text'])) wrong.push(`turn ${at} holds blank text`)
      const call = record(block['toolUse'])
      const result = record(block['toolResult'])
      if (block['toolUse'] !== undefined) {
        tools = true
        const id = String(call['toolUseId'])
        if (!id.startsWith('srv_')) calls.push(id)
        if (seen.has(id)) wrong.push(`toolUse ids must be unique: ${id}`)
        seen.add(id)
        if (!/^[a-zA-Z0-9_-]{1,64}$/.test(id)) wrong.push(`the id ${id}`)
        if (typeof call['input'] !== 'object') wrong.push(`the input of ${id} is no object`)
      }
      if (block['toolResult'] !== undefined) {
        tools = true
        results.push(String(result['toolUseId']))
        if (list(result['content']).length === 0) wrong.push(`turn ${at}: an empty result`)
        for (const piece of list(result['content'])) {
          if (blank(piece['text'])) wrong.push(`turn ${at}: a blank result`)
        }
      }
    }
    return { calls, results }
  })
  if (tools && list(record(body['toolConfig'])['tools']).length === 0) wrong.push('toolConfig is missing')
  return [...wrong, ...pairing(turns)]
}

const responses: Rules = (body) => {
  const wrong: string[] = []
  const open = new Set<string>()
  const items = list(body['input'])
  for (const [at, item] of items.entries()) {
    const type = item['type']
    const id = String(item['call_id'])
    if (type === 'function_call') {
      if (!/^[a-zA-Z0-9_-]{1,64}$/.test(id)) wrong.push(`the id ${id}`)
      if (typeof item['arguments'] !== 'string') wrong.push(`the arguments of ${id} are no string`)
      open.add(id)
    } else if (type === 'function_call_output') {
      if (!open.has(id)) wrong.push(`item ${at}: the result ${id} has no call before it`)
      open.delete(id)
    } else if (type === 'reasoning') {
      const next = items[at + 1]
      if (next === undefined || next['role'] === 'user')
        wrong.push(`item ${at}: reasoning that nothing follows`)
      if (!Array.isArray(item['summary'])) wrong.push(`item ${at}: reasoning without a summary`)
    } else if (item['role'] === 'user' && open.size > 0) {
      wrong.push(`item ${at}: ${[...open].join()} without a result`)
    }
    if (blank(item['content'])) wrong.push(`item ${at} is blank`)
    for (const piece of list(item['content']))
      if (blank(piece['text'])) wrong.push(`item ${at} holds blank text`)
  }
  return wrong
}

/** Chat Completions; `idRule` and `alternate` are what servers add to it. */
function chat({ idRule, userAfterTool = true }: { idRule?: RegExp; userAfterTool?: boolean } = {}): Rules {
  return (body) => {
    const wrong: string[] = []
    let open: string[] = []
    const messages = list(body['messages'])
    for (const [at, message] of messages.entries()) {
      const { role, content } = message as { role: string; content: unknown }
      if (role === 'tool') {
        const id = String(message['tool_call_id'])
        if (!open.includes(id)) wrong.push(`turn ${at}: the result ${id} has no call`)
        open = open.filter((one) => one !== id)
        if (typeof content !== 'string' && !Array.isArray(content))
          wrong.push(`turn ${at}: a result without content`)
        continue
      }
      if (open.length > 0) wrong.push(`turn ${at}: ${open.join()} without a result`)
      open = []
      if (role === 'user' && messages[at - 1]?.['role'] === 'tool' && !userAfterTool) {
        wrong.push(`turn ${at}: Unexpected role 'user' after role 'tool'`)
      }
      if (role !== 'assistant' && (content === null || blank(content) || content === undefined)) {
        wrong.push(`turn ${at} says nothing`)
      }
      if (Array.isArray(content)) {
        if (content.length === 0) wrong.push(`turn ${at} is empty`)
        for (const piece of list(content)) if (blank(piece['text'])) wrong.push(`turn ${at} holds blank text`)
      }
      const calls = list(message['tool_calls'])
      if (role === 'assistant' && calls.length === 0 && (content === null || blank(content))) {
        wrong.push(`turn ${at}: an answer of nothing`)
      }
      for (const call of calls) {
        const id = String(call['id'])
        const named = record(call['function'])
        if (idRule !== undefined && !idRule.test(id)) wrong.push(`the id ${id}`)
        if (open.includes(id)) wrong.push(`turn ${at}: two calls share an id`)
        open.push(id)
        if (typeof named['arguments'] !== 'string') wrong.push(`the arguments of ${id} are no string`)
        if (!/^[a-zA-Z0-9_-]{1,64}$/.test(String(named['name'])))
          wrong.push(`the name ${String(named['name'])}`)
      }
    }
    if (open.length > 0) wrong.push(`${open.join()} without a result`)
    return wrong
  }
}

function generateContent(modern: boolean): Rules {
  return (body) => {
    const wrong: string[] = []
    const contents = list(body['contents'])
    for (const [at, content] of contents.entries()) {
      const parts = list(content['parts'])
      if (parts.length === 0) wrong.push(`turn ${at} is empty`)
      if (content['role'] !== 'user' && content['role'] !== 'model') wrong.push(`the role of turn ${at}`)
      const results = parts.filter((part) => part['functionResponse'] !== undefined)
      const calls = parts.filter((part) => part['functionCall'] !== undefined)
      // Run by the server itself, within its turn.
      if (content['role'] === 'model' && results.length > 0) continue
      const answers = list(contents[at + 1]?.['parts']).filter(
        (part) => part['functionResponse'] !== undefined,
      )
      if (calls.length > 0 && answers.length !== calls.length) {
        wrong.push(`turn ${at}: ${calls.length} calls, ${answers.length} results in the next turn`)
      }
      if (results.length > 0 && contents[at - 1]?.['role'] !== 'model')
        wrong.push(`turn ${at}: results without calls`)
      if (modern && calls.length > 0 && calls[0]?.['thoughtSignature'] === undefined) {
        wrong.push(`turn ${at}: the first call is not signed`)
      }
      for (const part of parts) {
        if (blank(part['text']) && part['thoughtSignature'] === undefined)
          wrong.push(`turn ${at} holds blank text`)
        const { name, args } = record(part['functionCall'])
        if (part['functionCall'] !== undefined && (typeof args !== 'object' || Array.isArray(args))) {
          wrong.push(`the args of ${String(name)} are no object`)
        }
      }
    }
    return wrong
  }
}

const ollamaChat: Rules = (body) => {
  const wrong: string[] = []
  for (const [at, message] of list(body['messages']).entries()) {
    const { role, content, tool_calls: calls, images, thinking } = message
    if (typeof content !== 'string') wrong.push(`the content of turn ${at} is no string`)
    const nothing = blank(content) && calls === undefined && images === undefined && thinking === undefined
    if (nothing && role !== 'tool') wrong.push(`turn ${at} says nothing`)
    for (const call of list(calls)) {
      const args = record(call['function'])['arguments']
      if (typeof args !== 'object' || Array.isArray(args))
        wrong.push(`turn ${at}: arguments that are no object`)
    }
  }
  return wrong
}

// ----------------------------------------------------------------------------------------------- endpoints

/** One place that may go on with a conversation. */
export interface Endpoint {
  label: string
  provider: Provider
  model: string
  /** Whose signatures and own parts it understands. */
  kin: string[]
  /** What of its own must go back, by the marks that the speakers leave. */
  keeps: string[]
  rules: Rules
}

/** What the models behind a dialect are; any would do. */
const MODEL = 'test-model'

export const ENDPOINTS: Endpoint[] = [
  {
    label: 'anthropic',
    provider: anthropic(),
    model: 'claude-sonnet-5-5',
    kin: ['anthropic'],
    keeps: ['SIG_', 'RED_', 'OWN_', 'THOUGHT_'],
    rules: messagesApi,
  },
  {
    label: 'vertex, Claude',
    provider: vertex({ project: 'p' }),
    model: 'claude-sonnet-5-5',
    kin: ['anthropic'],
    keeps: ['SIG_', 'RED_', 'OWN_'],
    rules: messagesApi,
  },
  {
    label: 'azure, Claude',
    provider: azure({ resource: 'r', api: 'anthropic' }),
    model: 'claude-sonnet-5-5',
    kin: ['anthropic'],
    keeps: ['SIG_', 'RED_', 'OWN_'],
    rules: messagesApi,
  },
  {
    label: 'bedrock invoke',
    provider: bedrock({ region: 'us-east-1', api: 'invoke' }),
    model: 'anthropic.claude-sonnet-5-5',
    kin: ['anthropic'],
    keeps: ['SIG_', 'OWN_'],
    rules: messagesApi,
  },
  {
    label: 'bedrock converse, Claude',
    provider: bedrock({ region: 'us-east-1' }),
    model: 'anthropic.claude-sonnet-5-5',
    kin: ['bedrock', 'anthropic'],
    keeps: ['SIG_'],
    rules: converse,
  },
  {
    label: 'bedrock converse, Nova',
    provider: bedrock({ region: 'us-east-1' }),
    model: 'amazon.nova-2-lite-v1:0',
    kin: ['bedrock'],
    keeps: ['SIG_', 'RED_', 'OWN_'],
    rules: converse,
  },
  {
    label: 'openai',
    provider: openai(),
    model: 'gpt-6.1-terra',
    kin: ['openai'],
    keeps: ['ENC_', 'OWN_', 'rs_'],
    rules: responses,
  },
  {
    label: 'azure, Responses',
    provider: azure({ resource: 'r', api: 'responses' }),
    model: 'gpt-6.1-terra',
    kin: ['azure'],
    keeps: ['ENC_', 'OWN_', 'rs_'],
    rules: responses,
  },
  {
    label: 'openai-chat',
    provider: openaiChat(),
    model: 'gpt-6.1-terra',
    kin: ['openai-chat'],
    keeps: [],
    rules: chat({ idRule: /^[^]{1,40}$/ }),
  },
  {
    label: 'azure, Chat',
    provider: azure({ resource: 'r' }),
    model: 'gpt-6.1-terra',
    kin: ['azure'],
    keeps: [],
    rules: chat({ idRule: /^[^]{1,40}$/ }),
  },
  {
    label: 'mistral',
    provider: mistral(),
    model: 'mistral-large-4',
    kin: ['mistral'],
    keeps: ['THOUGHT_'],
    rules: chat({ idRule: /^[a-zA-Z0-9]{9}$/, userAfterTool: false }),
  },
  {
    label: 'watsonx',
    provider: watsonx({ projectId: 'p' }),
    model: 'ibm/granite-4-h-small',
    kin: ['watsonx'],
    keeps: [],
    rules: chat(),
  },
  {
    label: 'gemini 3',
    provider: gemini(),
    model: 'gemini-3.8-flash',
    kin: ['gemini'],
    keeps: ['SIG_', 'OWN_', 'THOUGHT_'],
    rules: generateContent(true),
  },
  {
    label: 'gemini 2.5',
    provider: gemini(),
    model: 'gemini-2.5-flash',
    kin: ['gemini'],
    keeps: ['SIG_', 'OWN_'],
    rules: generateContent(false),
  },
  {
    label: 'vertex, Gemini',
    provider: vertex({ project: 'p' }),
    model: 'gemini-3.8-flash',
    kin: ['vertex'],
    keeps: ['SIG_', 'OWN_'],
    rules: generateContent(true),
  },
  {
    label: 'ollama',
    provider: ollama(),
    model: 'qwen3:8b',
    kin: ['ollama'],
    keeps: ['THOUGHT_'],
    rules: ollamaChat,
  },
  {
    label: 'cohere',
    provider: cohere(),
    model: 'command-a-plus-05-2026',
    kin: ['cohere'],
    keeps: ['THOUGHT_'],
    rules: (body) => chat()(body).filter((one) => !one.endsWith('an answer of nothing')),
  },
  ...Object.keys(VENDORS).map((name): Endpoint => ({
    label: name,
    provider: vendor(name, { apiKey: 'k' })!,
    model: VENDORS[name]!.defaultModel ?? MODEL,
    kin: [name],
    keeps: name === 'openrouter' ? ['ENC_'] : [],
    rules: chat(),
  })),
]
