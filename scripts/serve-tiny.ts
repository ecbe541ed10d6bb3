/**
 * The embedded model behind real HTTP: a node:http server on loopback that speaks OpenAI's Chat Completions in front
 * of the character-level GPT this repository trained (fixtures/learn/tiny.llm). In: requests. Out: JSON or SSE with
 * real sampling and real log probabilities. It is a server to develop and test against, not one to expose: no TLS,
 * no authentication, any key is accepted. Generation stops when the client goes away.
 */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { pathToFileURL } from 'node:url'
import { checksum, load } from '../src/learn/llm500.ts'
import { dequantize } from '../src/learn/quantize.ts'
import type { Model, Vocabulary } from '../src/learn/types.ts'
import { pieces, type Piece } from './serve-tiny/generate.ts'
import { parseChatRequest, RequestError, type ChatRequest } from './serve-tiny/request.ts'

const MODEL = 'tiny'
const BODY_LIMIT = 1 << 20

/** A running server. */
export interface TinyServer {
  /** Base URL for an OpenAI client: http://127.0.0.1:<port>/v1 */
  readonly url: string
  /** Stops listening and ends open answers. */
  close(): Promise<void>
  /** Answers being generated right now. */
  generating(): number
}

/** Loads the weights and listens on 127.0.0.1; port 0 (the default) takes a free one. */
export async function serveTiny(options: { port?: number } = {}): Promise<TinyServer> {
  const file = await readFile(new URL('../fixtures/learn/tiny.llm', import.meta.url))
  const { model, vocabulary } = load(dequantize(file))
  const fingerprint = `fp_${checksum(file).toString(16)}`
  const context: Context = { model, vocabulary, fingerprint, generating: 0 }
  const server = createServer((request, response) => {
    answer(context, request, response).catch((error: unknown) => refuse(response, error))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/v1`,
    generating: () => context.generating,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)))
        server.closeAllConnections()
      }),
  }
}

interface Context {
  readonly model: Model
  readonly vocabulary: Vocabulary
  readonly fingerprint: string
  generating: number
}

const listed = { id: MODEL, object: 'model', created: 1_767_225_600, owned_by: 'llmswap' }

async function answer(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://localhost').pathname
  const route = `${request.method} ${path}`
  if (route === 'GET /v1/models') return sendJson(response, 200, { object: 'list', data: [listed] })
  if (route === `GET /v1/models/${MODEL}`) return sendJson(response, 200, listed)
  if (path !== '/v1/chat/completions') {
    throw new RequestError(404, `Unknown request URL: ${route}.`, null, 'unknown_url')
  }
  if (request.method !== 'POST') throw new RequestError(405, `Not allowed: ${route}. Use POST.`)
  const chat = parseChatRequest(await readJson(request), MODEL)
  context.generating++
  try {
    await (chat.stream ? stream(context, chat, response) : complete(context, chat, response))
  } finally {
    context.generating--
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request) {
    size += (chunk as Uint8Array).length
    if (size > BODY_LIMIT) throw new RequestError(413, `The body is over ${BODY_LIMIT} bytes.`)
    chunks.push(chunk as Uint8Array)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new RequestError(400, 'We could not parse the JSON body of your request.')
  }
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const known = error instanceof RequestError
  const status = known ? error.status : 500
  if (status === 413) response.setHeader('connection', 'close')
  sendJson(response, status, {
    error: {
      message: known ? error.message : 'The server had an error while processing your request.',
      type: known ? 'invalid_request_error' : 'server_error',
      param: known ? error.param : null,
      code: known ? error.code : null,
    },
  })
}

/** Lets sockets speak between two tokens; false when the client is gone. */
function breathe(response: ServerResponse): Promise<boolean> {
  return new Promise((resolve) => setImmediate(() => resolve(!response.destroyed)))
}

/** Waits until the client has read what is buffered, or is gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}

function usageOf({ vocabulary }: Context, { prompt }: ChatRequest, completionTokens: number): object {
  const promptTokens = vocabulary.encode(prompt).length
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  }
}

function frame(context: Context, object: string): object {
  return {
    id: `chatcmpl-${randomBytes(12).toString('hex')}`,
    object,
    created: Math.floor(Date.now() / 1000),
    model: MODEL,
    system_fingerprint: context.fingerprint,
  }
}

function logprobsOf(list: readonly Piece[], asked: ChatRequest['topLogprobs']): object | null {
  if (asked === undefined) return null
  const one = ({ text, logprob }: { text: string; logprob: number }): object => {
    return { token: text, logprob, bytes: [...new TextEncoder().encode(text)] }
  }
  return {
    content: list.map((piece) => ({ ...one(piece), top_logprobs: piece.top.map(one) })),
    refusal: null,
  }
}

async function complete(context: Context, chat: ChatRequest, response: ServerResponse): Promise<void> {
  const run = pieces(context.model, context.vocabulary, chat)
  const made: Piece[] = []
  let next = run.next()
  for (; next.done !== true; next = run.next()) {
    if (next.value !== undefined) made.push(next.value)
    else if (!(await breathe(response))) return
  }
  const choice = {
    index: 0,
    message: { role: 'assistant', content: made.map(({ text }) => text).join(''), refusal: null },
    logprobs: logprobsOf(made, chat.topLogprobs),
    finish_reason: next.value,
  }
  sendJson(response, 200, {
    ...frame(context, 'chat.completion'),
    choices: [choice],
    usage: usageOf(context, chat, made.length),
  })
}

async function stream(context: Context, chat: ChatRequest, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' })
  const base = frame(context, 'chat.completion.chunk')
  const usage = chat.includeUsage ? { usage: null } : {}
  const write = async (value: object): Promise<void> => {
    if (!response.write(`data: ${JSON.stringify({ ...base, ...value })}\n\n`)) await drained(response)
  }
  const chunk = (delta: object, list: readonly Piece[], reason: string | null): Promise<void> => {
    const logprobs = list.length > 0 ? logprobsOf(list, chat.topLogprobs) : null
    return write({ choices: [{ index: 0, delta, logprobs, finish_reason: reason }], ...usage })
  }
  await chunk({ role: 'assistant', content: '', refusal: null }, [], null)
  const run = pieces(context.model, context.vocabulary, chat)
  let made = 0
  let next = run.next()
  for (; next.done !== true; next = run.next()) {
    if (next.value !== undefined) {
      made++
      await chunk({ content: next.value.text }, [next.value], null)
    } else if (!(await breathe(response))) return
  }
  await chunk({}, [], next.value)
  if (chat.includeUsage) await write({ choices: [], usage: usageOf(context, chat, made) })
  response.end('data: [DONE]\n\n')
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { url } = await serveTiny({ port: Number(process.env['PORT'] ?? 8080) })
  console.log(`Serving the model "${MODEL}" at ${url} (OpenAI Chat Completions; any key). Ctrl+C stops.`)
}
