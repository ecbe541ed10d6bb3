/** What the decoders make of real answers goes on anywhere: `completion.message` of each provider to every endpoint. */
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.ts'
import { LlmError } from '../../src/errors.ts'
import type { Provider } from '../../src/provider.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { bedrock } from '../../src/providers/bedrock.ts'
import { cohere } from '../../src/providers/cohere.ts'
import { gemini } from '../../src/providers/gemini.ts'
import { ollama } from '../../src/providers/ollama.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { openai } from '../../src/providers/openai.ts'
import type { Message, Part } from '../../src/types.ts'
import { corpusFolder } from '../corpus.ts'
import { ask, run, sum } from './codec.ts'
import { type Endpoint, ENDPOINTS } from './handover.ts'
import { listRecordings, type RecordingMeta } from './replay.ts'
import { loadAdapters } from './replay/adapters.ts'

/** A question, this answer, results for every call in it, and another question. Through JSON, as a database would. */
function after(message: Message): Message[] {
  const calls = (message.content as Part[]).filter((part) => part.type === 'tool-call')
  const history: Message[] = [
    { role: 'user', content: 'First question' },
    message,
    ...(calls.length === 0
      ? []
      : [
          {
            role: 'tool',
            content: calls.map(({ id, name }) => ({ type: 'tool-result', id, name, content: 'done' })),
          } as Message,
        ]),
    { role: 'user', content: 'Second question' },
  ]
  return JSON.parse(JSON.stringify(history)) as Message[]
}

/** What an endpoint has against a history; `refused` where it cannot take a kind of media. */
function verdict({ provider, model, rules }: Endpoint, messages: Message[]): string[] | 'refused' {
  let body: string
  try {
    body = provider.encode({ model, messages, stream: true }).body as string
  } catch (error) {
    if (!LlmError.is(error)) throw error
    const media = /"type":"(?:image|file|audio)"/.test(JSON.stringify(messages))
    return media && /unsupported|invalid-request/.test(error.kind) ? 'refused' : [error.message]
  }
  const wrong = rules(JSON.parse(body) as Record<string, unknown>)
  for (const part of messages[1]!.content as Part[]) {
    if (
      part.type === 'text' &&
      part.text.trim() !== '' &&
      !body.includes(JSON.stringify(part.text).slice(1, -1).trim())
    ) {
      wrong.push(`the text ${part.text.slice(0, 40)} is gone`)
    }
  }
  return wrong
}

interface Answer {
  file: string
  provider: Provider
  model?: string
}

const answers: Answer[] = [
  ...['text', 'thinking', 'tools', 'search'].map((name) => ({
    file: `anthropic/${name}.sse`,
    provider: anthropic(),
  })),
  ...['text', 'tools', 'search'].map((name) => ({ file: `openai/${name}.sse`, provider: openai() })),
  ...['text', 'tools', 'reasoning', 'search'].map((name) => ({
    file: `openai-chat/${name}.sse`,
    provider: openaiChat(),
  })),
  ...['text', 'thinking-tools', 'code-execution', 'grounding', 'server-tools', 'partial-args'].map(
    (name) => ({ file: `gemini/${name}.sse`, provider: gemini() }),
  ),
  ...['text', 'thinking-tools'].map((name) => ({ file: `ollama/${name}.ndjson`, provider: ollama() })),
  ...['text', 'tools'].map((name) => ({ file: `cohere/${name}.sse`, provider: cohere() })),
  {
    file: 'bedrock/tools-body.json',
    provider: bedrock({ region: 'us-east-1' }),
    model: 'anthropic.claude-sonnet-5-5',
  },
]

describe.each(answers)('the answer in $file', ({ file, provider, model = 'test-model' }) => {
  it('goes on everywhere', async () => {
    const json = file.endsWith('.json')
    const type = json
      ? 'application/json'
      : file.endsWith('.sse')
        ? 'text/event-stream'
        : 'application/x-ndjson'
    const client = createClient({
      provider,
      model,
      apiKey: 'k',
      wire: json ? 'json' : 'stream',
      fetch: async () =>
        new Response(readFileSync(join('fixtures', file)), { headers: { 'content-type': type } }),
    })
    const { message } = await client.complete('First question')
    expect(message.content.length).toBeGreaterThan(0)
    const messages = after(message)
    for (const endpoint of ENDPOINTS) {
      const wrong = verdict(endpoint, messages)
      if (wrong !== 'refused') expect(wrong, endpoint.label).toEqual([])
    }
  })
})

/** One endpoint per format, and the dialects that differ in how they take a history. */
const FORMATS = ENDPOINTS.filter(
  ({ label, model }) =>
    model !== 'test-model' && !/^(?:groq|xai|together|fireworks|cerebras|nvidia)$/.test(label),
)
const adapters = await loadAdapters()

corpusFolder('hand-over of recorded answers', 'recordings', (folder, ran) => {
  const files = listRecordings(folder).map((file) => {
    const meta = JSON.parse(readFileSync(`${file}.meta.json`, 'utf8')) as RecordingMeta
    return { file, meta, adapter: adapters.find((one) => one.matches(meta, relative(folder, file))) }
  })
  it('every recorded answer goes on everywhere', () => {
    const wrong: string[] = []
    for (const { file, meta, adapter } of files) {
      if (adapter === undefined || meta.status >= 300) continue
      const provider = adapter.provider(meta)
      const asked = meta.request_body as { model?: string } | undefined
      const request = ask({
        model: asked?.model ?? decodeURIComponent(/models?\/([^/:]+)/.exec(meta.url)?.[1] ?? 'm'),
      })
      let parts: Part[]
      try {
        const bytes = readFileSync(file)
        parts = file.endsWith('.json')
          ? sum(provider.decode(JSON.parse(bytes.toString('utf8')), request).events).parts
          : sum(run(provider, [lines(file, bytes)], request)).parts
      } catch (error) {
        // Recorded failures and recordings that were cut have no message.
        if (!LlmError.is(error)) throw error
        continue
      }
      if (parts.length === 0) continue
      const messages = after({ role: 'assistant', content: parts })
      for (const endpoint of FORMATS) {
        const found = verdict(endpoint, messages)
        if (found !== 'refused' && found.length > 0) {
          wrong.push(`${relative(folder, file)} → ${endpoint.label}: ${found.join('; ')}`)
        }
      }
      ran()
    }
    expect(wrong).toEqual([])
  })
})

function lines(file: string, bytes: Buffer): Uint8Array {
  if (!file.endsWith('.chunks.txt')) return bytes
  const payloads = bytes.toString('utf8').split('\n')
  return new TextEncoder().encode(
    payloads.flatMap((one) => (one === '' ? [] : [`data: ${one}\n\n`])).join(''),
  )
}
