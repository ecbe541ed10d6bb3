/**
 * Ollama's own API, `POST /api/chat`: the one mainstream server that streams newline-delimited JSON.
 *
 * In:  our Request, then one JSON object per line. Out: an HTTP request, then our events.
 * The last line has `done: true`; a line `{"error": …}` may come after a 200 at any time.
 * Not here: what the server does in silence. A prompt longer than `num_ctx` loses its front without a word, and
 * `prompt_eval_count` is counted after that; set `body: { options: { num_ctx } }` for long conversations.
 * Spec: https://docs.ollama.com/api/chat, https://docs.ollama.com/api/errors, https://docs.ollama.com/capabilities/thinking
 */

import type { Decoder, Provider } from '../provider.ts'
import { createToolCalls } from '../stream/tool-calls.ts'
import type { Message, Part, Request, StreamEvent, TokenLogprob, Warning } from '../types.ts'
import { createNdjsonDecoder } from '../wire/ndjson.ts'
import {
  asRecord,
  base64Of,
  countIn,
  defined,
  endpoint,
  isForeign,
  jsonBody,
  listIn,
  own,
  parseFrameJson,
  partsOf,
  stringIn,
  totalOf,
} from './body.ts'
import { acceptFor, httpRequest, modelPage } from './envelope.ts'
import { httpError, streamError } from './errors.ts'
import { type ApiKey, keyAuthorize } from './key.ts'
import { notMedia } from './media.ts'
import { converted, interrupted, leftOut, type Notes, notSent, protocol, unsupported } from './notes.ts'
import { readLogprobs } from './parts.ts'
import { argsObject, wireTools } from './tool-names.ts'

/** The embedding half, a codec of its own: a program that only chats does not ship it. */
export { ollamaEmbeddings } from './ollama-embeddings.ts'

/** Where to find the server. */
export interface OllamaOptions {
  /** Only Ollama's cloud (https://ollama.com) asks for one. */
  apiKey?: ApiKey
  /** Default `http://localhost:11434`. */
  baseURL?: string
  /** Extra headers, lower-case names. */
  headers?: Record<string, string>
}

const NAME = 'ollama'

/**
 * The codec for Ollama's native API.
 * Images go as base64 only; anything else that is not text is replaced by a note and reported as a warning.
 * Source: https://docs.ollama.com/api/chat, read 2026-11.
 */
export function ollama(options: OllamaOptions = {}): Provider {
  const { baseURL = 'http://localhost:11434', headers, apiKey } = options
  return {
    name: NAME,
    framing: 'ndjson',
    encode(request) {
      const warnings: Warning[] = []
      const body = jsonBody(encodeBody(request, { provider: NAME, warnings }), request.body)
      const accept = acceptFor(request, 'application/x-ndjson')
      return httpRequest(endpoint(baseURL, 'api/chat', NAME), { ...accept, ...headers }, body, warnings)
    },
    authorize: keyAuthorize({
      provider: NAME,
      header: 'authorization',
      prefix: 'Bearer ',
      apiKey,
      keyNames: ['OLLAMA_API_KEY'],
      optional: true,
    }),
    frames: (limits) => createNdjsonDecoder(limits),
    decoder(request) {
      const lines = createLines(request)
      return {
        push: (frame) => lines.push(parseFrameJson(frame.data, NAME)),
        end: () => lines.end(),
        get done() {
          return lines.done
        },
        raw: lines.raw,
      }
    },
    decode(json, request) {
      const lines = createLines(request)
      return { events: [...lines.push(json), ...lines.end()], raw: lines.raw }
    },
    error: (response) => httpError({ provider: NAME, response }),
    listModels: {
      encode: () => httpRequest(endpoint(baseURL, 'api/tags', NAME), headers),
      decode: (json) => modelPage(json, 'models', 'name'),
    },
  }
}

// ---------------------------------------------------------------------------------------------- encoding

function encodeBody(request: Request, notes: Notes): Record<string, unknown> {
  const { model, logprobs, promptCache, schema, stream } = request
  if (request.parallelToolCalls !== undefined) unsupported(notes, 'parallelToolCalls')
  if (typeof promptCache === 'object' && promptCache.key !== undefined) {
    unsupported(notes, 'promptCache.key', 'the server keeps the last prefix of each slot by itself')
  }
  // Sampling goes into `options`, under the names of a Modelfile.
  const options = defined({
    num_predict: request.maxTokens,
    temperature: request.temperature,
    top_p: request.topP,
    top_k: request.topK,
    stop: request.stop,
    seed: request.seed,
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
  })
  return {
    model,
    messages: encodeMessages(request, notes),
    stream,
    tools: encodeTools(request, notes),
    format: schema,
    think: encodeThink(request, notes),
    options: Object.keys(options).length === 0 ? undefined : options,
    logprobs: logprobs === undefined || logprobs === false ? undefined : true,
    top_logprobs: typeof logprobs === 'number' ? logprobs : undefined,
  }
}

/** Only gpt-oss knows levels, and cannot stop thinking; other models know yes and no. docs.ollama.com/capabilities/thinking */
function encodeThink({ reasoning, model }: Request, notes: Notes): boolean | string | undefined {
  if (reasoning === undefined) return undefined
  const levels = /gpt-oss/i.test(model)
  if (typeof reasoning === 'object') {
    unsupported(notes, 'reasoning.budgetTokens', 'thinking was turned on without a budget')
    return levels ? 'medium' : true
  }
  if (reasoning === 'medium' || (levels ? /low|high/.test(reasoning) : reasoning === 'off')) {
    return levels ? reasoning : reasoning !== 'off'
  }
  const sent = !levels ? 'on' : reasoning === 'max' ? 'high' : 'low'
  const knows = levels ? 'low, medium and high' : 'on and off'
  converted(
    notes,
    'reasoning',
    `${model} knows only thinking ${knows}: '${reasoning}' was sent as '${sent}'.`,
  )
  return levels ? sent : true
}

function encodeTools(request: Request, notes: Notes): unknown[] | undefined {
  const { tools = [], toolChoice } = request
  // The API has no tool_choice. Not offering tools is the same as forbidding them; forcing one cannot be expressed.
  if (tools.length === 0 || toolChoice === 'none') return undefined
  if (toolChoice !== undefined && toolChoice !== 'auto') unsupported(notes, 'toolChoice')
  const encoded = wireTools(request, notes, ({ name, description }, parameters) => ({
    type: 'function',
    function: { name, description, parameters },
  }))
  return encoded.length === 0 ? undefined : encoded
}

function encodeMessages({ system, messages }: Request, notes: Notes): unknown[] {
  const encoded: unknown[] = system?.trim() ? [{ role: 'system', content: system }] : []
  for (const message of messages) encodeMessage(message, encoded, notes)
  return encoded
}

/** One of our messages is one of theirs, but for tool results, of which each is a message. */
function encodeMessage({ role, content }: Message, encoded: unknown[], notes: Notes): void {
  const bare: Bare = { content: '', images: [] }
  const calls: unknown[] = []
  let thinking = ''
  for (const part of partsOf(content)) {
    if (part.type === 'tool-call') {
      calls.push({ id: part.id, function: { name: part.name, arguments: argsObject(part) } })
    } else if (part.type === 'reasoning') {
      if (isForeign(part.origin, [NAME])) leftOut(notes, `Reasoning of ${part.origin?.provider}`)
      else thinking += part.text
    } else if (part.type === 'tool-result') {
      const answer: Bare = { content: '', images: [] }
      for (const piece of partsOf(part.content)) encodePiece(piece, answer, notes)
      // There is no error flag; the model has to read it.
      if (part.isError === true) answer.content = `Error: ${answer.content}`
      encoded.push({ role: 'tool', ...finished(answer), tool_name: part.name, tool_call_id: part.id })
    } else encodePiece(part, bare, notes)
  }
  // A turn of nothing but blank text says nothing, and some chat templates trip over it.
  if (bare.content.trim() === '' && bare.images.length + calls.length === 0 && thinking === '') return
  encoded.push(
    defined({
      role: role === 'tool' ? 'user' : role,
      ...finished(bare),
      thinking: thinking || undefined,
      tool_calls: calls.length === 0 ? undefined : calls,
    }),
  )
}

interface Bare {
  content: string
  images: string[]
}

function finished({ content, images }: Bare): Record<string, unknown> {
  return images.length === 0 ? { content } : { content, images }
}

/** Text and base64 images; the rest is named to the model and to the caller, so that neither believes it was seen. */
function encodePiece(part: Part, bare: Bare, notes: Notes): void {
  if (part.type === 'text') bare.content += part.text
  else if (part.type === 'provider') leftOut(notes, `A part of ${part.provider}`)
  else if (part.type === 'image' || part.type === 'file' || part.type === 'audio') {
    if (part.type === 'image' && part.mediaType !== undefined && !/^image\//i.test(part.mediaType)) {
      throw notMedia(NAME, `an image of type ${part.mediaType}: send it as a file, or correct the type`)
    }
    const data = part.data ?? (part.url?.startsWith('data:') ? part.url : undefined)
    if (part.type === 'image' && data !== undefined) bare.images.push(base64Of(data))
    else {
      const kind = { image: 'image by URL or id', file: 'file', audio: 'sound' }[part.type]
      bare.content += `${bare.content === '' ? '' : '\n'}${notSent(notes, kind)}`
    }
  }
}

// ---------------------------------------------------------------------------------------------- decoding

interface Lines extends Pick<Decoder, 'end' | 'done' | 'raw'> {
  push(line: unknown): StreamEvent[]
}

/** Lines, parsed, to events. A whole JSON body is one line that is also the last. */
function createLines(request: Request | undefined): Lines {
  const raw: Decoder['raw'] = {}
  let parts = 0
  let started = false
  let open: { type: 'text' | 'reasoning'; part: number; text: string } | undefined
  let last: Record<string, unknown> | undefined
  let calls = 0
  const toolCalls = createToolCalls({ nextPart: () => parts++ })

  function close(out: StreamEvent[]): void {
    // Marked as ours, so that another provider knows not to be sent it.
    if (open?.type === 'reasoning') {
      const { part, text } = open
      out.push({ type: 'part', part, value: { type: 'reasoning', text, origin: { provider: NAME } } })
    }
    open = undefined
  }

  function add(type: 'text' | 'reasoning', text: string, out: StreamEvent[], logprobs: TokenLogprob[]): void {
    if (text === '') return
    if (open?.type !== type) {
      close(out)
      open = { type, part: parts++, text: '' }
    }
    if (type === 'reasoning') open.text += text
    out.push(
      type === 'text'
        ? { type: 'text-delta', part: open.part, text, ...(logprobs.length === 0 ? {} : { logprobs }) }
        : { type: 'reasoning-delta', part: open.part, text },
    )
  }

  return {
    raw,
    get done() {
      return last !== undefined
    },
    push(value) {
      const out: StreamEvent[] = []
      if (last !== undefined) return out
      const line = asRecord(value)
      if (line === undefined) throw protocol(NAME, 'sent something that is not an object')
      const error = own(line, 'error')
      if (error !== undefined && error !== null) throw streamError({ provider: NAME, error })
      if (!started) {
        started = true
        out.push({
          type: 'start',
          provider: NAME,
          model: stringIn(line, 'model') || (request?.model ?? ''),
        })
      }
      const message = own(line, 'message')
      // `reasoning_content` is what imitations of this API send.
      const thinking = stringIn(message, 'thinking') ?? stringIn(message, 'reasoning_content')
      add('reasoning', thinking ?? '', out, [])
      add('text', stringIn(message, 'content') ?? '', out, readLogprobs(listIn(line, 'logprobs')))
      for (const call of listIn(message, 'tool_calls')) {
        close(out)
        const called = own(call, 'function')
        // Calls come whole. `function.index` is 0 for every one of them in some versions, so we count ourselves.
        // https://github.com/ollama/ollama/issues/15457
        toolCalls.push(
          { index: calls, id: own(call, 'id'), name: own(called, 'name'), args: own(called, 'arguments') },
          out,
        )
        calls++
      }
      if (own(line, 'done') === true) {
        const { message: _, ...rest } = line
        last = rest
        raw.finish = raw.usage = rest
        close(out)
        toolCalls.end(out)
      }
      return out
    },
    end() {
      if (last === undefined) throw interrupted(NAME, 'the line that says done')
      // `load` and `unload` answer requests without messages.
      const rawFinishReason = stringIn(last, 'done_reason')
      const isStop = rawFinishReason === undefined || rawFinishReason === 'stop'
      const finishReason =
        rawFinishReason === 'length' ? 'length' : calls > 0 ? 'tool-calls' : isStop ? 'stop' : 'unknown'
      // `prompt_eval_count` is absent in some versions when the whole prompt was cached.
      const inputTokens = countIn(last, 'prompt_eval_count')
      const outputTokens = countIn(last, 'eval_count')
      const usage = { inputTokens, outputTokens, totalTokens: totalOf(inputTokens, outputTokens) }
      return [{ type: 'finish', finishReason, rawFinishReason, usage }]
    },
  }
}
