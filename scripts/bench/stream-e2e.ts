/**
 * Streaming end to end: whole clients against a server on loopback, beside a loop that does the least one can do.
 *
 * The server is a process of its own and sends one HTTP chunk per event, as providers do; only the client's processor
 * time counts. The bare loop is fetch, a streaming TextDecoder, split at line feeds and JSON.parse: it has no retries,
 * no deadlines, no errors and no tool calls, and is the floor everything else is measured against.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient } from '../../src/client.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { openai as openaiResponses } from '../../src/providers/openai.ts'
import type { Provider } from '../../src/provider.ts'
import type { Contestant, Context, Figure, Suite } from './run.ts'

const FAST_CHUNKS = 5_000
const TOOL_ARGUMENTS = JSON.stringify({
  path: 'src/index.ts',
  edits: Array.from({ length: 1_000 }, (_, i) => ({
    line: i,
    insert: `const value${i} = "${'abc '.repeat(16)}"\n`,
  })),
})
const TOOL_CHUNK = 20
const PACED_STREAMS = 200
const PACED_TOKENS = 100
const PACED_MS = 20
const BIG_CHARACTERS = 400
const BIG_EVENTS = 166_000

// ------------------------------------------------------------------------------------------- server

interface Delta {
  content?: string
  tool_calls?: { index: number; id?: string; function: { name?: string; arguments?: string } }[]
}

function event(delta: Delta, finish: string | null = null): string {
  return `data: ${JSON.stringify({
    id: 'chatcmpl-9f8e7d6c5b4a39281706f5e4d3',
    object: 'chat.completion.chunk',
    created: 1_795_435_200,
    model: 'gpt-6.1-terra-2026-10-01',
    system_fingerprint: 'fp_0123456789',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  })}\n\n`
}

const END = 'data: [DONE]\n\n'

const fast = (): string[] => [
  ...Array.from({ length: FAST_CHUNKS - 2 }, (_, i) => event({ content: ` token${i}` })),
  event({}, 'stop'),
  END,
]

function toolCall(): string[] {
  const events = [
    event({ tool_calls: [{ index: 0, id: 'call_1', function: { name: 'edit', arguments: '' } }] }),
  ]
  for (let at = 0; at < TOOL_ARGUMENTS.length; at += TOOL_CHUNK) {
    const part = TOOL_ARGUMENTS.slice(at, at + TOOL_CHUNK)
    events.push(event({ tool_calls: [{ index: 0, function: { arguments: part } }] }))
  }
  return [...events, event({}, 'tool_calls'), END]
}

const named = (type: string, fields: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`

const anthropicFast = (): string[] => [
  named('message_start', {
    message: { id: 'msg_01', type: 'message', role: 'assistant', model: 'claude', content: [], usage: {} },
  }),
  named('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
  ...Array.from({ length: FAST_CHUNKS - 5 }, (_, i) =>
    named('content_block_delta', { index: 0, delta: { type: 'text_delta', text: ` token${i}` } }),
  ),
  named('content_block_stop', { index: 0 }),
  named('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: {} }),
  named('message_stop', {}),
]

const responsesFast = (): string[] => {
  const item = { item_id: 'msg_68a1b2c3d4e5f60718293a4b5c6d7e8f', output_index: 0, content_index: 0 }
  const response = { id: 'resp_01', object: 'response', status: 'in_progress', model: 'gpt', output: [] }
  return [
    named('response.created', { sequence_number: 0, response }),
    ...Array.from({ length: FAST_CHUNKS - 2 }, (_, i) =>
      named('response.output_text.delta', {
        sequence_number: i + 1,
        ...item,
        delta: ` token${i}`,
        logprobs: [],
        obfuscation: 'aB3xYz9QwErTyUiO'.slice(i % 16),
      }),
    ),
    named('response.completed', {
      sequence_number: FAST_CHUNKS,
      response: { ...response, status: 'completed', usage: { input_tokens: 1, output_tokens: 1 } },
    }),
  ]
}

const bigEvent = event({ content: 'The quick brown fox jumps over it. '.repeat(20).slice(0, BIG_CHARACTERS) })

/** Milliseconds that mean the same in every process of this machine. */
const now = (): number => performance.timeOrigin + performance.now()

async function serve(): Promise<void> {
  const prepared: Record<string, Buffer[]> = {
    fast: fast().map((text) => Buffer.from(text)),
    tools: toolCall().map((text) => Buffer.from(text)),
    anthropic: anthropicFast().map((text) => Buffer.from(text)),
    responses: responsesFast().map((text) => Buffer.from(text)),
  }
  const server = createServer(async (request, response) => {
    request.resume()
    await once(request, 'end')
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const mode = request.url!.split('/')[1]!
    let writable: () => void = () => {}
    response.on('drain', () => writable())
    response.on('close', () => writable())
    const send = async (data: string | Buffer): Promise<void> => {
      if (!response.write(data) && !response.destroyed) {
        await new Promise<void>((resolve) => (writable = resolve))
      }
    }
    if (mode === 'paced') {
      let sent = 0
      const timer = setInterval(() => {
        response.write(event({ content: `${now().toFixed(3)} ` }))
        sent += 1
        if (sent < PACED_TOKENS) return
        clearInterval(timer)
        response.end(event({}, 'stop') + END)
      }, PACED_MS)
      return
    }
    if (mode === 'big') {
      const sixteen = Buffer.from(bigEvent.repeat(16))
      for (let i = 0; i < BIG_EVENTS / 16 && !response.destroyed; i += 1) await send(sixteen)
      response.end(event({}, 'stop') + END)
      return
    }
    for (const data of prepared[mode]!) await send(data)
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  console.log((server.address() as AddressInfo).port)
}

// ------------------------------------------------------------------------------------------ clients

/** Consumes one stream: text goes to `onText`, tool arguments are what it resolves with. */
type Consume = (onText: (text: string) => void) => Promise<unknown>
type Client = (context: Context, baseURL: string) => Consume | Promise<Consume>

const MODEL = 'gpt-6.1-terra'
const messages = [{ role: 'user' as const, content: 'Hi' }]

interface Chunk {
  choices: { delta: Delta }[]
}

const post = (url: string): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer key' },
    body: JSON.stringify({ model: MODEL, messages, stream: true }),
  })

const bare: Client = (_, baseURL) => async (onText) => {
  const response = await post(`${baseURL}/chat/completions`)
  const reader = response.body!.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  let toolArguments = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    const lines = (rest + decoder.decode(value, { stream: true })).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      if (!line.startsWith('data: ') || line === 'data: [DONE]') continue
      const { delta } = (JSON.parse(line.slice(6)) as Chunk).choices[0]!
      if (delta.content !== undefined) onText(delta.content)
      if (delta.tool_calls !== undefined) toolArguments += delta.tool_calls[0]!.function.arguments
    }
  }
  return toolArguments === '' ? undefined : JSON.parse(toolArguments)
}

const ours: Client = (_, baseURL) => reading(openaiChat({ apiKey: 'key', baseURL }))
const oursAnthropic: Client = (_, baseURL) => reading(anthropic({ apiKey: 'key', baseURL }))
const oursResponses: Client = (_, baseURL) => reading(openaiResponses({ apiKey: 'key', baseURL }))

function reading(provider: Provider): Consume {
  const client = createClient({ provider, model: MODEL })
  return async (onText) => {
    const run = client.stream({ messages })
    let args: unknown
    for await (const event of run) {
      if (event.type === 'text-delta') onText(event.text)
      else if (event.type === 'tool-call-delta') args = event.partial
    }
    return args
  }
}

/** The same floor under a format whose events say their type and hold their text in `textOf`. */
function bareEvents(path: string, textOf: (value: { type: string; delta?: unknown }) => unknown): Client {
  return (_, baseURL) => async (onText) => {
    const reader = (await post(`${baseURL}/${path}`)).body!.getReader()
    const decoder = new TextDecoder()
    let rest = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return undefined
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        if (!line.startsWith('data: ')) continue
        const text = textOf(JSON.parse(line.slice(6)) as { type: string })
        if (typeof text === 'string') onText(text)
      }
    }
  }
}

const bareAnthropic = bareEvents('messages', ({ type, delta }) =>
  type === 'content_block_delta' ? (delta as { text: string }).text : undefined,
)
const bareResponses = bareEvents('responses', ({ type, delta }) =>
  type === 'response.output_text.delta' ? delta : undefined,
)

interface OpenAI {
  default: new (options: object) => {
    chat: { completions: { create(request: object): Promise<AsyncIterable<Chunk>> } }
  }
}

const openai: Client = async ({ peer }, baseURL) => {
  const { default: OpenAI } = await peer<OpenAI>('openai')
  const client = new OpenAI({ apiKey: 'key', baseURL, maxRetries: 0 })
  return async (onText) => {
    let toolArguments = ''
    for await (const { choices } of await client.chat.completions.create({
      model: MODEL,
      messages,
      stream: true,
    })) {
      const { delta } = choices[0]!
      if (delta.content !== undefined) onText(delta.content)
      if (delta.tool_calls !== undefined) toolArguments += delta.tool_calls[0]!.function.arguments
    }
    return toolArguments === '' ? undefined : JSON.parse(toolArguments)
  }
}

interface AiSdk {
  streamText(request: object): { textStream: AsyncIterable<string> }
}
interface AiSdkProvider {
  createOpenAICompatible(options: object): { chatModel(id: string): unknown }
}

const ai: Client = async ({ peer }, baseURL) => {
  const { streamText } = await peer<AiSdk>('ai')
  const { createOpenAICompatible } = await peer<AiSdkProvider>('@ai-sdk/openai-compatible')
  const model = createOpenAICompatible({ name: 'bench', apiKey: 'key', baseURL }).chatModel(MODEL)
  return async (onText) => {
    for await (const text of streamText({ model, messages }).textStream) onText(text)
    return undefined
  }
}

async function open(client: Client, context: Context, mode: string): Promise<Consume> {
  const port = await context.start('server')
  return client(context, `http://127.0.0.1:${port}/${mode}/v1`)
}

/** One whole stream, over and over on warm connections. */
function whole(name: string, client: Client, mode: string, ops: number): Contestant {
  return {
    name,
    async prepare(context) {
      const consume = await open(client, context, mode)
      return {
        ops,
        async answer() {
          let text = ''
          const args = await consume((part) => (text += part))
          return { text, args }
        },
        async run() {
          let length = 0
          await consume((part) => (length += part.length))
          return length
        },
      }
    },
  }
}

/** Many slow streams at once: how late, in the middle, is a token when the program sees it? */
function paced(name: string, client: Client): Contestant {
  return {
    name,
    async prepare(context) {
      const consume = await open(client, context, 'paced')
      return {
        async measure() {
          const all = (onText: (text: string) => void): Promise<unknown> =>
            Promise.all(Array.from({ length: PACED_STREAMS }, () => consume(onText)))
          // One round unmeasured: 200 connections, every code path and the compiler are warm for everyone. A first round
          // measures how long a process takes to start, 2 ms a call for ours and 1 for the bare loop.
          await all(() => {})
          const delays: number[] = []
          await all((text) => delays.push(now() - Number(text)))
          return delays.sort((a, b) => a - b)[delays.length >> 1]!
        },
      }
    },
  }
}

/** What stays on the heap beyond the text itself while 100 MB go by. */
function heap(name: string, client: Client, keeps: boolean): Contestant {
  return {
    name,
    async prepare(context) {
      const consume = await open(client, context, 'big')
      return {
        async measure(): Promise<Figure> {
          const { gc } = globalThis as { gc?: () => void }
          const used = (): number => {
            gc!()
            return process.memoryUsage().heapUsed / 1e6
          }
          const before = used()
          const series: [number, number][] = []
          let events = 0
          let worst = 0
          let kept = ''
          await consume((text) => {
            events += 1
            if (keeps) kept += text
            if (events % 5_000 !== 0) return
            const grown = used() - before
            worst = Math.max(worst, grown - (events * BIG_CHARACTERS) / 1e6)
            series.push([(events * bigEvent.length) / 1e6, grown])
          })
          if (keeps && kept.length !== BIG_EVENTS * BIG_CHARACTERS) throw new Error('text is missing')
          return { value: worst, series }
        },
      }
    },
  }
}

const suite: Suite = {
  title: 'Streaming end to end',
  peers: { openai: '7.57.0', ai: '7.0.173', '@ai-sdk/openai-compatible': '3.0.92', zod: '4.6.7' },
  programs: { server: serve },
  rows: [
    {
      name: 'A stream of 5,000 chunks over loopback',
      unit: 'µs/chunk',
      note: 'Processor time of the client alone, on warm connections, global fetch.',
      contestants: [
        whole('ours', ours, 'fast', FAST_CHUNKS),
        whole('bare fetch loop', bare, 'fast', FAST_CHUNKS),
        whole('openai 7', openai, 'fast', FAST_CHUNKS),
        whole('ai 7', ai, 'fast', FAST_CHUNKS),
      ],
      targets: [
        { than: 'bare fetch loop', atMost: 1.2 },
        { than: 'openai 7', atMost: 0.5 },
        { than: 'ai 7', atMost: 0.15 },
      ],
    },
    {
      name: 'The same in events of Anthropic',
      unit: 'µs/chunk',
      contestants: [
        whole('ours', oursAnthropic, 'anthropic', FAST_CHUNKS),
        whole('bare fetch loop', bareAnthropic, 'anthropic', FAST_CHUNKS),
      ],
      targets: [{ than: 'bare fetch loop', atMost: 1.2 }],
    },
    {
      name: "The same in events of OpenAI's Responses",
      unit: 'µs/chunk',
      contestants: [
        whole('ours', oursResponses, 'responses', FAST_CHUNKS),
        whole('bare fetch loop', bareResponses, 'responses', FAST_CHUNKS),
      ],
      targets: [{ than: 'bare fetch loop', atMost: 1.2 }],
    },
    {
      name: '100 KB of tool arguments in 20-character deltas',
      unit: 'µs/chunk',
      note: 'Ours reads `partial` at every delta; the others join the deltas and parse once at the end.',
      contestants: [
        whole('ours', ours, 'tools', Math.ceil(TOOL_ARGUMENTS.length / TOOL_CHUNK)),
        whole('bare fetch loop', bare, 'tools', Math.ceil(TOOL_ARGUMENTS.length / TOOL_CHUNK)),
        whole('openai 7', openai, 'tools', Math.ceil(TOOL_ARGUMENTS.length / TOOL_CHUNK)),
      ],
      targets: [{ than: 'bare fetch loop', atMost: 1.4 }],
    },
    {
      name: '200 streams of 50 tokens/s at once: median latency',
      unit: 'ms',
      clock: 'wall',
      note: 'From the write in the server to the text in the program; 100 tokens per stream.',
      contestants: [
        paced('ours', ours),
        paced('bare fetch loop', bare),
        paced('openai 7', openai),
        paced('ai 7', ai),
      ],
      targets: [{ than: 'bare fetch loop', atMost: 1.3 }],
    },
    {
      name: 'Heap while 100 MB stream by, above the text received',
      unit: 'MB',
      clock: 'wall',
      rounds: 3,
      nodeFlags: ['--expose-gc'],
      note: 'Heap used after a full collection at every 5,000th event, less the start, less one byte per character received. The curve is the heap over the megabytes received. Ours keeps the text in its completion; the bare loop joins it.',
      contestants: [heap('ours', ours, false), heap('bare fetch loop', bare, true)],
      targets: [{ atMost: 16 }],
    },
  ],
}

export default suite
