/**
 * Requests that other people's programs sent to Bedrock's Converse, said in this library's vocabulary and encoded again.
 *
 * In: the request bodies beside the recordings. `toRequest` reads one the way a person would; what the vocabulary has
 * no word for goes into `body`. The encoded body must equal the recorded one, but for the rows of DIFFERENCES.
 */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { bedrock } from '../../src/providers/bedrock.ts'
import type { Message, Part, Request } from '../../src/types.ts'
import { corpusFolder } from '../corpus.ts'
import { listRecordings } from './replay.ts'

type Wire = Record<string, unknown>

/** What we write differently, and why. Each row changes a recorded body into what is expected of us. */
const DIFFERENCES: readonly { reason: string; apply(body: Wire): Wire }[] = [
  {
    reason: 'an empty system, inferenceConfig or additionalModelRequestFields says nothing',
    apply: (body) =>
      Object.fromEntries(Object.entries(body).filter(([, value]) => Object.keys(value as object).length > 0)),
  },
  {
    reason: 'neighbouring turns of one role are one turn: most models demand alternation',
    apply: (body) => {
      const turns: Turn[] = []
      for (const { role, content } of body['messages'] as Turn[]) {
        const last = turns.at(-1)
        if (last?.role === role) last.content = [...last.content, ...content]
        else turns.push({ role, content })
      }
      return { ...body, messages: turns }
    },
  },
  {
    reason:
      'a result without failure has no status: success is the default, and some models reject the field',
    apply: (body) =>
      mapBlocks(body, (block) => {
        const { status, ...result } = (block['toolResult'] ?? {}) as Wire
        return status === 'success' ? { toolResult: result } : block
      }),
  },
  {
    reason: 'with a thinking budget goes the limit it must stay below',
    apply: (body) => {
      const extra = body['additionalModelRequestFields'] as
        | { thinking?: { budget_tokens: number } }
        | undefined
      return extra?.thinking === undefined ? body : { ...body, inferenceConfig: { maxTokens: 64_000 } }
    },
  },
  {
    reason: 'a shape is always called "answer" and has no description',
    apply: (body) => {
      const config = body['outputConfig'] as
        | { textFormat: { structure: { jsonSchema: { schema: string } } } }
        | undefined
      if (config === undefined) return body
      const { schema } = config.textFormat.structure.jsonSchema
      const structure = { jsonSchema: { name: 'answer', schema } }
      return { ...body, outputConfig: { textFormat: { type: 'json_schema', structure } } }
    },
  },
]

interface Turn {
  role: string
  content: Wire[]
}

function mapBlocks(body: Wire, change: (block: Wire) => Wire): Wire {
  const messages = (body['messages'] as Turn[]).map(({ role, content }) => ({
    role,
    content: content.map(change),
  }))
  return { ...body, messages }
}

function toPart(block: Wire): Part {
  const call = block['toolUse'] as Wire | undefined
  const result = block['toolResult'] as { toolUseId: string; content: Wire[]; status?: string } | undefined
  if (typeof block['text'] === 'string') return { type: 'text', text: block['text'] }
  if (call !== undefined) {
    return {
      type: 'tool-call',
      id: call['toolUseId'] as string,
      name: call['name'] as string,
      args: call['input'],
    }
  }
  if (result !== undefined && result.content.every((piece) => piece['text'] !== undefined)) {
    return {
      type: 'tool-result',
      id: result.toolUseId,
      name: '',
      content: result.content.map((piece) => ({ type: 'text', text: piece['text'] as string })),
    }
  }
  // Results as JSON and guarded content have no word.
  return { type: 'provider', provider: 'bedrock', value: block }
}

function toRequest(recorded: Wire, model: string): Request {
  const {
    messages,
    system,
    inferenceConfig,
    toolConfig,
    additionalModelRequestFields,
    outputConfig,
    ...rest
  } = recorded
  const request: Request = {
    model,
    stream: true,
    messages: (messages as Turn[]).map(({ role, content }): Message => ({
      role: role as 'user',
      content: content.map(toPart),
    })),
  }
  const text = (system as { text: string }[] | undefined)?.[0]?.text
  if (text !== undefined) request.system = text
  const sampling = (inferenceConfig ?? {}) as Record<string, number | string[]>
  if (sampling['maxTokens'] !== undefined) request.maxTokens = sampling['maxTokens'] as number
  if (sampling['temperature'] !== undefined) request.temperature = sampling['temperature'] as number
  if (sampling['topP'] !== undefined) request.topP = sampling['topP'] as number
  if (sampling['stopSequences'] !== undefined) request.stop = sampling['stopSequences'] as string[]
  const config = toolConfig as { tools: Wire[]; toolChoice?: { any?: object } } | undefined
  if (config !== undefined) {
    request.tools = config.tools.map((tool) => {
      const spec = tool['toolSpec'] as
        | { name: string; description?: string; inputSchema: { json: Wire } }
        | undefined
      if (spec === undefined) return { type: 'provider', provider: 'bedrock', value: tool }
      const { name, description, inputSchema } = spec
      return { name, inputSchema: inputSchema.json, ...(description === undefined ? {} : { description }) }
    })
    if (config.toolChoice?.any !== undefined) request.toolChoice = 'required'
  }
  const extra = (additionalModelRequestFields ?? {}) as {
    thinking?: { budget_tokens: number }
    inferenceConfig?: { topK: number }
  }
  if (extra.thinking !== undefined) request.reasoning = { budgetTokens: extra.thinking.budget_tokens }
  if (extra.inferenceConfig !== undefined) request.topK = extra.inferenceConfig.topK
  const shape = outputConfig as { textFormat: { structure: { jsonSchema: { schema: string } } } } | undefined
  if (shape !== undefined) request.schema = JSON.parse(shape.textFormat.structure.jsonSchema.schema) as Wire
  return Object.keys(rest).length === 0 ? request : { ...request, body: rest }
}

corpusFolder('bedrock requests', 'recordings/bedrock', (folder, ran) => {
  const seen = new Set<string>()
  const used = new Set<string>()
  for (const file of listRecordings(folder)) {
    const meta = JSON.parse(readFileSync(`${file}.meta.json`, 'utf8')) as { url: string; request_body?: Wire }
    const recorded = meta.request_body
    const model = decodeURIComponent(/model\/([^/]+)\/converse-stream/.exec(meta.url)?.[1] ?? '')
    const key = JSON.stringify(recorded)
    if (recorded === undefined || model === '' || seen.has(key)) continue
    seen.add(key)
    it(`${file.slice(folder.length + 1)}: encodes to the recorded body, at the recorded address`, () => {
      let expected = recorded
      for (const row of DIFFERENCES) {
        const changed = row.apply(expected)
        if (JSON.stringify(changed) !== JSON.stringify(expected)) used.add(row.reason)
        expected = changed
      }
      const http = bedrock({ region: 'us-east-1' }).encode(toRequest(recorded, model))
      expect(http.url).toBe(meta.url)
      const sent = JSON.parse(http.body as string) as Wire
      expect(readSchema(sent)).toEqual(readSchema(expected))
      ran()
    })
  }

  it('knows no difference that no recording shows', () => {
    expect([...used].sort()).toEqual(DIFFERENCES.map(({ reason }) => reason).sort())
  })
})

/** The schema inside `outputConfig` is a string: compared as what it says. */
function readSchema(body: Wire): Wire {
  return JSON.parse(JSON.stringify(body), (key, value: unknown) =>
    key === 'schema' && typeof value === 'string' ? (JSON.parse(value) as unknown) : value,
  ) as Wire
}
