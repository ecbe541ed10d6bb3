/**
 * Requests that other people's programs sent to the Responses API, said in this library's vocabulary and encoded again.
 *
 * In: the request bodies beside the recordings. `toRequest` reads one the way a person would; what the vocabulary has
 * no word for goes into `body`. The encoded body must equal the recorded one, but for the rows of DIFFERENCES.
 */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { openai } from '../../src/providers/openai.ts'
import type { Json, Message, Origin, Part, Request } from '../../src/types.ts'
import { corpusFolder } from '../corpus.ts'
import { listRecordings } from './replay.ts'

type Wire = Record<string, unknown>

/** What we write differently, and why. Each row changes a recorded body into what is expected of us. */
const DIFFERENCES: readonly { reason: string; apply(body: Wire): Wire }[] = [
  {
    reason: 'a string as input means one message of the user: the API documents both as the same',
    apply: (body) =>
      typeof body['input'] === 'string'
        ? { ...body, input: [{ role: 'user', content: body['input'] }] }
        : body,
  },
  {
    reason: 'nothing is stored at the server unless asked: the API would, by default',
    apply: (body) => ({ store: false, ...body }),
  },
  {
    reason: 'an empty include, null and an empty text say nothing',
    apply: (body) => {
      const empty = (value: unknown): boolean =>
        value === null || value === '' || (Array.isArray(value) && value.length === 0)
      return Object.fromEntries(Object.entries(body).filter(([, value]) => !empty(value)))
    },
  },
  {
    reason: 'strict is always said: its default differs between the two APIs of OpenAI',
    apply: (body) =>
      mapTools(body, (tool) => (tool['type'] === 'function' ? { strict: false, ...tool } : tool)),
  },
  {
    reason: 'a description that is null says nothing',
    apply: (body) =>
      mapTools(body, ({ description, ...tool }) => (description === null ? tool : { description, ...tool })),
  },
  {
    reason: 'a default is said in the description, as strict schemas are converted (schema-dialects.ts)',
    apply: (body) => mapTools(body, (tool) => (tool['strict'] === true ? (tell(tool) as Wire) : tool)),
  },
  {
    reason: 'ids of calls and messages do not go back: only reasoning is looked up by its id',
    apply: (body) => ({
      ...body,
      input: (body['input'] as Wire[]).map(({ id, status, ...item }) =>
        item['type'] === 'function_call' || item['type'] === 'message' ? item : { id, status, ...item },
      ),
    }),
  },
  {
    reason: 'what an answer said goes back as text without annotations',
    apply: (body) => ({
      ...body,
      input: (body['input'] as Wire[]).map(({ type, content, ...item }) =>
        type === 'message'
          ? { ...item, content: (content as { text: string }[])[0]?.text }
          : { type, content, ...item },
      ),
    }),
  },
]

function tell(value: unknown): unknown {
  if (Array.isArray(value) || typeof value !== 'object' || value === null) return value
  const { default: preset, ...rest } = value as Wire
  const told = Object.fromEntries(Object.entries(rest).map(([key, item]) => [key, tell(item)]))
  return preset === undefined ? told : { ...told, description: `(default: ${JSON.stringify(preset)})` }
}

function mapTools(body: Wire, change: (tool: Wire) => Wire): Wire {
  const tools = body['tools'] as Wire[] | undefined
  return tools === undefined ? body : { ...body, tools: tools.map((tool) => change(tool)) }
}

function toMessage(item: Wire): Message {
  const { type, role, content } = item
  const origin: Origin = { provider: 'openai' }
  if (type === 'function_call') {
    if (item['namespace'] !== undefined) origin['namespace'] = item['namespace'] as Json
    const args = JSON.parse(item['arguments'] as string) as unknown
    const raw = { raw: item['arguments'] as string, reason: 'spelled differently' }
    const call = {
      type: 'tool-call',
      id: item['call_id'] as string,
      name: item['name'] as string,
      origin,
    } as const
    // Recorded arguments hold spaces that JSON.stringify would not write.
    const same = JSON.stringify(args) === item['arguments']
    return { role: 'assistant', content: [same ? { ...call, args } : { ...call, invalid: raw }] }
  }
  if (type === 'function_call_output') {
    const result = {
      type: 'tool-result',
      id: item['call_id'] as string,
      name: '',
      content: item['output'] as string,
    } as const
    return { role: 'tool', content: [result] }
  }
  if (type === 'message') {
    if (item['phase'] !== undefined) origin['phase'] = item['phase'] as Json
    const parts = (content as { text: string }[]).map(({ text }): Part => ({ type: 'text', text, origin }))
    return { role: 'assistant', content: parts }
  }
  if (type === 'reasoning') {
    origin['id'] = item['id'] as Json
    const text = (item['summary'] as { text: string }[]).map((part) => part.text).join('\n\n')
    const encrypted = item['encrypted_content'] as string
    return { role: 'assistant', content: [{ type: 'reasoning', text, encrypted, origin }] }
  }
  if (type !== undefined || typeof content !== 'string') {
    return { role: 'assistant', content: [{ type: 'provider', provider: 'openai', value: item }] }
  }
  return { role: role as 'user' | 'assistant', content }
}

/** Items of one answer stand in one message, as the library would have given them. */
function toMessages(items: Wire[]): Message[] {
  const messages: Message[] = []
  for (const item of items) {
    const message = toMessage(item)
    const last = messages.at(-1)
    if (last?.role === 'assistant' && message.role === 'assistant' && typeof message.content !== 'string') {
      const before =
        typeof last.content === 'string' ? [{ type: 'text', text: last.content } as const] : last.content
      last.content = [...before, ...message.content]
    } else messages.push(message)
  }
  return messages
}

function toRequest(recorded: Wire): Request {
  const { model, input, instructions, stream, tools, tool_choice, include, ...rest } = recorded
  const messages =
    typeof input === 'string' ? [{ role: 'user', content: input } as const] : toMessages(input as Wire[])
  const request: Request = { model: model as string, messages: [...messages], stream: stream === true }
  if (typeof instructions === 'string') request.system = instructions
  if (tools !== undefined) {
    request.tools = (tools as Wire[]).map(({ type, name, description, parameters, strict, ...more }) =>
      type === 'function' && Object.keys(more).length === 0
        ? {
            name: name as string,
            inputSchema: parameters as Record<string, unknown>,
            ...(description == null ? {} : { description: description as string }),
            ...(strict === undefined ? {} : { strict: strict as boolean }),
          }
        : {
            type: 'provider',
            provider: 'openai',
            value: { type, name, description, parameters, strict, ...more },
          },
    )
  }
  if (tool_choice !== undefined) request.toolChoice = tool_choice as 'auto'
  const extra =
    (include as string[] | undefined)?.filter((name) => name !== 'reasoning.encrypted_content') ?? []
  if (extra.length > 0) rest['include'] = include
  return Object.keys(rest).length === 0 ? request : { ...request, body: rest }
}

corpusFolder('responses requests', 'recordings/openai-responses', (folder, ran) => {
  const seen = new Set<string>()
  const used = new Set<string>()
  for (const file of listRecordings(folder)) {
    const meta = JSON.parse(readFileSync(`${file}.meta.json`, 'utf8')) as { request_body?: Wire | null }
    const recorded = meta.request_body
    const key = JSON.stringify(recorded)
    // A resumed stream is a GET without a body.
    if (recorded?.['input'] === undefined || seen.has(key)) continue
    seen.add(key)
    it(`${file.slice(folder.length + 1)}: encodes to the recorded body`, () => {
      let expected = recorded
      for (const row of DIFFERENCES) {
        const changed = row.apply(expected)
        if (JSON.stringify(changed) !== JSON.stringify(expected)) used.add(row.reason)
        expected = changed
      }
      const sent = JSON.parse(openai().encode(toRequest(recorded)).body as string) as Wire
      expect(sent).toEqual(JSON.parse(JSON.stringify(expected)))
      ran()
    })
  }

  it('knows no difference that no recording shows', () => {
    expect([...used].sort()).toEqual(DIFFERENCES.map(({ reason }) => reason).sort())
  })
})
