/**
 * Request encoding against recorded requests: each recorded body is written in this library's vocabulary, encoded, and
 * must come out equal, up to the order of fields and the differences in the table below.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Provider } from '../../src/provider.ts'
import { vendor } from '../../src/providers/compatible.ts'
import { mistral } from '../../src/providers/mistral.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import type { Json, Message, Part, Request } from '../../src/types.ts'
import { corpusFolder } from '../corpus.ts'
import { listRecordings } from './replay.ts'

type Body = Record<string, unknown>
interface WireMessage {
  role: string
  content?: unknown
  tool_calls?: null | { id: string; function: { name: string; arguments: string } }[]
  tool_call_id?: string | null
  name?: string | null
}

/** What may differ between a recorded body and ours, and why: each row rewrites the recorded one. */
const DIFFERENCES: readonly { what: string; why: string; apply(body: Body, url: string): void }[] = [
  {
    what: 'stream_options: { include_usage: true } is always sent',
    why: 'without it OpenAI reports no usage; a server that refuses it is asked again without (client)',
    apply: (body, url) => {
      if (!url.includes('mistral')) body['stream_options'] ??= { include_usage: true }
    },
  },
  {
    what: 'role "developer" is "system"',
    why: 'OpenAI reads them alike, and no other server knows the first',
    apply: (body) => {
      for (const message of messagesOf(body)) if (message.role === 'developer') message.role = 'system'
    },
  },
  {
    what: 'content "", or none, of a turn that only calls tools is null',
    why: 'the documented value; "" is text that was never said',
    apply: (body) => {
      for (const message of messagesOf(body)) {
        if (message.role === 'assistant' && message.tool_calls != null) message.content ||= null
      }
    },
  },
  {
    what: 'an assistant turn that says nothing is left out',
    why: 'several servers refuse it',
    apply: (body) => {
      body['messages'] = messagesOf(body).filter(
        (message) => message.role !== 'assistant' || message.content !== '' || message.tool_calls != null,
      )
    },
  },
  {
    what: 'OpenRouter is asked with max_tokens',
    why: 'it reads both names, and so do the servers behind it',
    apply: (body, url) => {
      if (!url.includes('openrouter') || body['max_completion_tokens'] === undefined) return
      body['max_tokens'] = body['max_completion_tokens']
      delete body['max_completion_tokens']
    },
  },
  {
    what: 'a cache mark of five minutes does not say so',
    why: 'it is the default',
    apply: (body) => {
      for (const message of messagesOf(body)) {
        if (!Array.isArray(message.content)) continue
        for (const block of message.content as { cache_control?: { ttl?: string } }[]) {
          if (block.cache_control?.ttl === '5m') delete block.cache_control.ttl
        }
      }
    },
  },
  {
    what: 'tool_choice "auto" is left out',
    why: 'it is the default, and some servers reject the field',
    apply: (body) => {
      if (body['tool_choice'] === 'auto') delete body['tool_choice']
    },
  },
  {
    what: 'a single text block is a string',
    why: 'both mean the same, and every server reads the string',
    apply: (body) => {
      for (const message of messagesOf(body)) {
        const [block, more] = Array.isArray(message.content) ? (message.content as Body[]) : []
        if (block?.['type'] === 'text' && more === undefined && block['cache_control'] === undefined)
          message.content = block['text']
      }
    },
  },
  {
    what: 'a system message of several blocks is one string',
    why: 'our system prompt is text',
    apply: (body) => {
      for (const message of messagesOf(body)) {
        if (
          message.role === 'system' &&
          Array.isArray(message.content) &&
          !JSON.stringify(message.content).includes('cache_control')
        ) {
          message.content = (message.content as { text: string }[]).map(({ text }) => text).join('')
        }
      }
    },
  },
  {
    what: 'parameters without properties get an empty set of them',
    why: 'OpenAI: "object schema missing properties" (400)',
    apply: (body) => {
      for (const tool of (body['tools'] ?? []) as { function?: { parameters?: Body } }[]) {
        if (tool.function?.parameters !== undefined) tool.function.parameters['properties'] ??= {}
      }
    },
  },
  {
    what: 'fields that are null, and an empty list of tools, are left out',
    why: 'they say nothing; an empty list is refused by OpenAI',
    apply: (body) => {
      for (const message of messagesOf(body)) {
        for (const field of ['name', 'tool_calls', 'tool_call_id'] as const) {
          if (message[field] === null) delete message[field]
        }
      }
      if (Array.isArray(body['tools']) && body['tools'].length === 0) delete body['tools']
    },
  },
  {
    what: 'the required names of a strict tool stand in the order of its properties',
    why: 'it is a set; strict mode wants every name in it',
    apply: (body) => {
      for (const tool of (body['tools'] ?? []) as {
        function?: { strict?: boolean; parameters?: unknown }
      }[]) {
        if (tool.function?.strict === true) orderRequired(tool.function.parameters)
      }
    },
  },
  {
    what: 'arguments are compact JSON',
    why: 'they travel as a value between turns; the text of the model is not kept',
    apply: (body) => {
      for (const message of messagesOf(body)) {
        for (const { function: target } of message.tool_calls ?? [])
          target.arguments = JSON.stringify(JSON.parse(target.arguments))
      }
    },
  },
]

function orderRequired(schema: unknown): void {
  if (typeof schema !== 'object' || schema === null) return
  const { required, properties } = schema as { required?: string[]; properties?: object }
  if (Array.isArray(required) && properties !== undefined) {
    const order = Object.keys(properties)
    required.sort((a, b) => order.indexOf(a) - order.indexOf(b))
  }
  for (const child of Object.values(schema)) orderRequired(child)
}

function messagesOf(body: Body): WireMessage[] {
  return body['messages'] as WireMessage[]
}

/** The recorded request in our words. Fields of one vendor go through `body`, as a caller would write them. */
function ours(recorded: Body): Request {
  const {
    model,
    messages,
    stream,
    stream_options: _,
    tools,
    tool_choice,
    temperature,
    top_p,
    max_tokens,
    max_completion_tokens,
    stop,
    ...rest
  } = recorded
  const request: Request = { model: model as string, messages: [], stream: stream === true }
  const names = new Map<string, string>()
  for (const message of messages as WireMessage[]) request.messages.push(toMessage(message, names))
  const extra: Body = { ...rest }
  if (JSON.stringify(messages).includes('cache_control')) request.promptCache = true
  if (temperature !== undefined) request.temperature = temperature as number
  if (top_p !== undefined) request.topP = top_p as number
  if (max_tokens !== undefined) request.maxTokens = max_tokens as number
  if (max_completion_tokens !== undefined) request.maxTokens = max_completion_tokens as number
  if (stop !== undefined) request.stop = stop as string[]
  const raw: unknown[] = []
  for (const tool of (tools ?? []) as {
    type: string
    function?: { name: string; description?: string; parameters?: object; strict?: boolean }
  }[]) {
    const { function: target } = tool
    if (tool.type !== 'function' || target === undefined) {
      raw.push(tool)
      continue
    }
    const { name, description, parameters = {}, strict } = target
    request.tools ??= []
    request.tools.push({
      name,
      ...(description === undefined ? {} : { description }),
      inputSchema: parameters as Record<string, unknown>,
      ...(strict === undefined ? {} : { strict }),
    })
  }
  if (raw.length > 0) extra['tools'] = raw
  if (typeof tool_choice === 'string') request.toolChoice = tool_choice as 'auto'
  else if (tool_choice !== undefined)
    request.toolChoice = { tool: (tool_choice as { function: { name: string } }).function.name }
  if (Object.keys(extra).length > 0) request.body = extra
  return request
}

function toMessage(message: WireMessage, names: Map<string, string>): Message {
  if (message.role === 'tool') {
    const id = message.tool_call_id!
    return {
      role: 'tool',
      content: [{ type: 'tool-result', id, name: names.get(id) ?? 'f', content: message.content as string }],
    }
  }
  const role = message.role === 'developer' ? 'system' : (message.role as 'user')
  if (message.tool_calls == null && typeof message.content === 'string')
    return { role, content: message.content }
  const parts: Part[] = []
  if (typeof message.content === 'string' && message.content !== '')
    parts.push({ type: 'text', text: message.content })
  if (Array.isArray(message.content)) {
    for (const block of message.content as { type: string; text?: string; image_url?: { url: string } }[]) {
      if (block.type === 'text') parts.push({ type: 'text', text: block.text! })
      if (block.type === 'image_url') parts.push({ type: 'image', url: block.image_url!.url })
    }
  }
  for (const { id, function: target } of message.tool_calls ?? []) {
    names.set(id, target.name)
    parts.push({ type: 'tool-call', id, name: target.name, args: JSON.parse(target.arguments) as Json })
  }
  return { role, content: parts }
}

const VENDORS: readonly [RegExp, () => Provider][] = [
  [/api\.openai\.com/, () => openaiChat()],
  [/api\.mistral\.ai/, () => mistral()],
  [/api\.groq\.com/, () => vendor('groq')!],
  [/api\.deepseek\.com/, () => vendor('deepseek')!],
  [/openrouter\.ai/, () => vendor('openrouter')!],
  [/huggingface/, () => vendor('huggingface')!],
  [/api\.z\.ai/, () => vendor('zai')!],
  [/./, () => openaiChat({ baseURL: 'http://localhost/v1' })],
]

corpusFolder('recorded requests', 'recordings', (folder, ran) => {
  it('come out as they were, in our words, up to the table of differences', () => {
    let count = 0
    for (const file of listRecordings(folder)) {
      const meta = JSON.parse(readFileSync(`${file}.meta.json`, 'utf8')) as {
        url: string
        request_body?: unknown
      }
      const body = meta.request_body as Body | undefined
      if (
        !/\/chat\/completions/.test(meta.url) ||
        typeof body !== 'object' ||
        !Array.isArray(body['messages'])
      )
        continue
      if (file.includes(join('recordings', 'errors'))) continue
      const provider = VENDORS.find(([host]) => host.test(meta.url))![1]()
      const sent = JSON.parse(provider.encode(ours(structuredClone(body))).body as string) as Body
      const expected = structuredClone(body)
      for (const { apply } of DIFFERENCES) apply(expected, meta.url)
      expect(sent, file).toEqual(expected)
      count++
      ran()
    }
    expect(count).toBeGreaterThan(100)
  })
})

describe('the table', () => {
  it('gives a reason for each difference', () => {
    for (const { what, why } of DIFFERENCES) expect([what.length > 10, why.length > 10]).toEqual([true, true])
  })
})
