/**
 * Requests that other people's programs sent to Anthropic, said in this library's vocabulary and encoded again.
 *
 * In: the request bodies beside the recordings. `toRequest` reads one the way a person would; what the vocabulary has
 * no word for goes into `body`. The encoded body must equal the recorded one, but for the rows of DIFFERENCES.
 */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { anthropic } from '../../src/providers/anthropic.ts'
import type { Json, Message, Part, Request } from '../../src/types.ts'
import { corpusFolder } from '../corpus.ts'
import { listRecordings } from './replay.ts'

type Wire = Record<string, unknown>

/** What we write differently, and why. Each row changes a recorded body into what is expected of us. */
const DIFFERENCES: readonly { reason: string; apply(body: Wire): Wire }[] = [
  {
    reason: 'a string as content means one text block: the API documents both as the same',
    apply: (body) => ({
      ...body,
      messages: (body['messages'] as Wire[]).map((message) =>
        typeof message['content'] === 'string'
          ? { ...message, content: [{ type: 'text', text: message['content'] }] }
          : message,
      ),
    }),
  },
  {
    reason: 'blank text is never sent: most models answer 400 to it (quirk 60)',
    apply: (body) => ({
      ...body,
      messages: (body['messages'] as { content: Wire[] }[]).map((message) => ({
        ...message,
        content: message.content.filter(
          ({ type, text }) => type !== 'text' || (text as string).trim() !== '',
        ),
      })),
    }),
  },
  {
    reason: 'is_error: false is the default',
    apply: (body) => without(body, 'is_error', false) as Wire,
  },
  {
    reason: 'a system prompt of one block is sent as a string, unless it carries a cache mark',
    apply: (body) => {
      const [only, ...more] = Array.isArray(body['system']) ? (body['system'] as Wire[]) : []
      const plain = only !== undefined && more.length === 0 && only['cache_control'] === undefined
      return plain ? { ...body, system: only['text'] } : body
    },
  },
]

function without(value: unknown, key: string, unwanted: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => without(item, key, unwanted))
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(
    ([name, item]) => name !== key || JSON.stringify(item) !== JSON.stringify(unwanted),
  )
  return Object.fromEntries(kept.map(([name, item]) => [name, without(item, key, unwanted)]))
}

function toPart(block: Wire): Part {
  const source = (block['source'] ?? {}) as Record<string, string>
  // A block that carries a cache mark has no word: it goes as it is.
  const type = block['cache_control'] === undefined ? block['type'] : undefined
  switch (type) {
    case 'text':
      return {
        type: 'text',
        text: block['text'] as string,
        ...(block['citations'] == null
          ? {}
          : { origin: { provider: 'anthropic', citations: block['citations'] as Json } }),
      }
    case 'image':
      return source['type'] === 'url'
        ? { type: 'image', url: source['url'] as string }
        : { type: 'image', data: source['data'] as string, mediaType: source['media_type'] as string }
    case 'thinking':
      return {
        type: 'reasoning',
        text: block['thinking'] as string,
        signature: block['signature'] as string,
      }
    case 'tool_use':
      return {
        type: 'tool-call',
        id: block['id'] as string,
        name: block['name'] as string,
        args: block['input'],
      }
    case 'tool_result':
      return {
        type: 'tool-result',
        id: block['tool_use_id'] as string,
        name: '',
        content:
          typeof block['content'] === 'string'
            ? block['content']
            : ((block['content'] ?? []) as Wire[]).map((inner) => toPart(inner)),
        ...(block['is_error'] === true ? { isError: true } : {}),
      }
    default:
      return { type: 'provider', provider: 'anthropic', value: block }
  }
}

function toRequest(recorded: Wire): Request {
  const rest = { ...recorded }
  const take = <T>(key: string): T | undefined => {
    const value = rest[key] as T | undefined
    delete rest[key]
    return value
  }
  const messages = (take<Wire[]>('messages') ?? []).map(({ role, content }): Message => ({
    role: role as 'user' | 'assistant',
    content: typeof content === 'string' ? content : (content as Wire[]).map((block) => toPart(block)),
  }))
  const request: Request = { model: take('model') ?? '', messages, stream: take('stream') === true }
  const maxTokens = take<number>('max_tokens')
  if (maxTokens !== undefined) request.maxTokens = maxTokens
  const temperature = take<number>('temperature')
  if (temperature !== undefined) request.temperature = temperature
  const stop = take<string[]>('stop_sequences')
  if (stop !== undefined) request.stop = stop
  const tools = take<Wire[]>('tools')
  if (tools !== undefined) {
    request.tools = tools.map(({ name, description, input_schema, strict, ...more }) =>
      input_schema === undefined || Object.keys(more).length > 0
        ? {
            type: 'provider',
            provider: 'anthropic',
            value: { name, description, input_schema, strict, ...more },
          }
        : {
            name: name as string,
            inputSchema: input_schema as Record<string, unknown>,
            ...(description === undefined ? {} : { description: description as string }),
            ...(strict === undefined ? {} : { strict: strict as boolean }),
          },
    )
  }
  const choice = take<{ type: string; name?: string; disable_parallel_tool_use?: boolean }>('tool_choice')
  if (choice?.disable_parallel_tool_use === true) request.parallelToolCalls = false
  if (choice?.type === 'any') request.toolChoice = 'required'
  else if (choice?.type === 'tool') request.toolChoice = { tool: choice.name ?? '' }
  else if (choice?.type === 'auto' || choice?.type === 'none') request.toolChoice = choice.type
  const thinking = rest['thinking'] as { type: string; budget_tokens?: number } | undefined
  if (thinking?.budget_tokens !== undefined && Object.keys(thinking).length === 2) {
    request.reasoning = { budgetTokens: thinking.budget_tokens }
    delete rest['thinking']
  }
  const output = rest['output_config'] as { format?: { schema: Record<string, unknown> } } | undefined
  if (output?.format !== undefined && Object.keys(output).length === 1) {
    request.schema = output.format.schema
    delete rest['output_config']
  }
  const system = rest['system'] as string | Wire[] | undefined
  if (typeof system === 'string') request.system = system
  else if (system?.length === 1 && system[0]?.['cache_control'] === undefined) {
    request.system = system[0]?.['text'] as string
  }
  if (request.system !== undefined) delete rest['system']
  return Object.keys(rest).length === 0 ? request : { ...request, body: rest }
}

corpusFolder('anthropic requests', 'recordings/anthropic', (folder, ran) => {
  const seen = new Set<string>()
  const used = new Set<string>()
  for (const file of listRecordings(folder)) {
    const meta = JSON.parse(readFileSync(`${file}.meta.json`, 'utf8')) as { request_body?: Wire }
    const recorded = meta.request_body
    const key = JSON.stringify(recorded)
    if (recorded === undefined || seen.has(key)) continue
    seen.add(key)
    it(`${file.slice(folder.length + 1)}: encodes to the recorded body`, () => {
      let expected = recorded
      for (const row of DIFFERENCES) {
        const changed = row.apply(expected)
        if (JSON.stringify(changed) !== JSON.stringify(expected)) used.add(row.reason)
        expected = changed
      }
      const request = toRequest(recorded)
      expect(JSON.parse(anthropic().encode(request).body as string)).toEqual(expected)
      ran()
    })
  }

  it('knows no difference that no recording shows', () => {
    expect([...used].sort()).toEqual(DIFFERENCES.map(({ reason }) => reason).sort())
  })
})
