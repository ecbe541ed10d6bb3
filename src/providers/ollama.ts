/**
 * Ollama's own API, `POST /api/chat`: the one mainstream server that streams newline-delimited JSON.
 *
 * In:  our Request, then one JSON object per line. Out: an HTTP request, then our events.
 * The last line has `done: true`; a line `{"error": …}` may come after a 200 at any time.
 * Not here: what the server does in silence. A prompt longer than `num_ctx` loses its front without a word, and
 * `prompt_eval_count` is counted after that; set `body: { options: { num_ctx } }` for long conversations.
 * Spec: https://docs.ollama.com/api/chat, https://docs.ollama.com/api/errors, https://docs.ollama.com/capabilities/thinking
 */

import { LlmError } from '../errors.ts'
import type { Decoder, HttpRequest, Provider } from '../provider.ts'
import { createToolCalls } from '../stream/tool-calls.ts'
import type {
  FinishReason,
  Message,
  Part,
  Request,
  StreamEvent,
  TokenLogprob,
  Usage,
  Warning,
} from '../types.ts'
import { createNdjsonDecoder } from '../wire/ndjson.ts'
import {
  asArray,
  asCount,
  asNumber,
  asRecord,
  asString,
  base64Of,
  dropped,
  endpoint,
  isForeign,
  jsonBody,
  own,
  parseFrameJson,
  partsOf,
  sumCounts,
  unsupported,
} from './body.ts'
import { httpError, streamError } from './errors.ts'
import { type ApiKey, keyAuthorize } from './key.ts'
import { argsObject, isDefinition } from './tool-names.ts'

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
      const body = encodeBody(request, warnings)
      const http: HttpRequest = {
        method: 'POST',
        url: endpoint(baseURL, 'api/chat', NAME),
        headers: {
          'content-type': 'application/json',
          accept: request.stream ? 'application/x-ndjson' : 'application/json',
          ...headers,
        },
        body: jsonBody(body, request.body),
      }
      return warnings.length === 0 ? http : { ...http, warnings }
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
      encode: () => ({
        method: 'GET',
        url: endpoint(baseURL, 'api/tags', NAME),
        headers: { accept: 'application/json', ...headers },
      }),
      decode: (json) => ({
        models: asArray(own(json, 'models')).flatMap((model) => asString(own(model, 'name')) ?? []),
      }),
    },
  }
}

// ---------------------------------------------------------------------------------------------- encoding

function encodeBody(request: Request, warnings: Warning[]): Record<string, unknown> {
  for (const field of ['parallelToolCalls'] as const) {
    if (request[field] !== undefined) warnings.push(unsupported(field, NAME))
  }
  if (typeof request.promptCache === 'object' && request.promptCache.key !== undefined) {
    warnings.push(
      unsupported('promptCache.key', NAME, 'the server keeps the last prefix of each slot by itself'),
    )
  }
  const { logprobs } = request
  return {
    model: request.model,
    messages: encodeMessages(request, warnings),
    stream: request.stream,
    tools: encodeTools(request, warnings),
    format: request.schema,
    think: encodeThink(request, warnings),
    options: encodeOptions(request),
    logprobs: logprobs === undefined || logprobs === false ? undefined : true,
    top_logprobs: typeof logprobs === 'number' ? logprobs : undefined,
  }
}

/** Sampling goes into `options`, under the names of a Modelfile. */
function encodeOptions(request: Request): Record<string, unknown> | undefined {
  const options = {
    num_predict: request.maxTokens,
    temperature: request.temperature,
    top_p: request.topP,
    top_k: request.topK,
    stop: request.stop,
    seed: request.seed,
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
  }
  return Object.values(options).some((value) => value !== undefined) ? options : undefined
}

/** Only gpt-oss knows levels, and cannot stop thinking; other models know yes and no. docs.ollama.com/capabilities/thinking */
function encodeThink(request: Request, warnings: Warning[]): boolean | string | undefined {
  const { reasoning } = request
  if (reasoning === undefined) return undefined
  const levels = /gpt-oss/i.test(request.model)
  if (typeof reasoning === 'object') {
    warnings.push(unsupported('reasoning.budgetTokens', NAME, 'thinking was turned on without a budget'))
    return levels ? 'medium' : true
  }
  if (!levels) {
    if (reasoning !== 'off' && reasoning !== 'medium') {
      warnings.push({
        code: 'converted',
        field: 'reasoning',
        message: `This model knows only thinking on and off: '${reasoning}' was sent as on.`,
      })
    }
    return reasoning !== 'off'
  }
  if (reasoning === 'low' || reasoning === 'medium' || reasoning === 'high') return reasoning
  const level = reasoning === 'max' ? 'high' : 'low'
  warnings.push({
    code: 'converted',
    field: 'reasoning',
    message: `This model thinks low, medium or high: '${reasoning}' was sent as '${level}'.`,
  })
  return level
}

function encodeTools(request: Request, warnings: Warning[]): unknown[] | undefined {
  const { tools, toolChoice } = request
  if (tools === undefined || tools.length === 0) return undefined
  // The API has no tool_choice. Not offering tools is the same as forbidding them; forcing one cannot be expressed.
  if (toolChoice === 'none') return undefined
  if (toolChoice !== undefined && toolChoice !== 'auto') warnings.push(unsupported('toolChoice', NAME))
  const encoded: unknown[] = []
  for (const tool of tools) {
    if (!isDefinition(tool)) {
      if (tool.provider === NAME) encoded.push(tool.value)
      else
        warnings.push(dropped('tools', `A tool of ${tool.provider} cannot run at ${NAME} and was left out.`))
      continue
    }
    if (asRecord(tool.inputSchema) === undefined) {
      throw new LlmError({
        kind: 'config',
        provider: NAME,
        phase: 'encode',
        message: `The inputSchema of tool ${tool.name} is not a JSON Schema object.`,
      })
    }
    const { name, description, inputSchema } = tool
    encoded.push({ type: 'function', function: { name, description, parameters: inputSchema } })
  }
  return encoded.length === 0 ? undefined : encoded
}

function encodeMessages(request: Request, warnings: Warning[]): unknown[] {
  const encoded: unknown[] = []
  if (request.system !== undefined && request.system.trim() !== '') {
    encoded.push({ role: 'system', content: request.system })
  }
  for (const message of request.messages) encodeMessage(message, encoded, warnings)
  return encoded
}

/** One of our messages is one of theirs, but for tool results, of which each is a message. */
function encodeMessage(message: Message, encoded: unknown[], warnings: Warning[]): void {
  const bare: Bare = { content: '', images: [] }
  const calls: unknown[] = []
  let thinking = ''
  for (const part of partsOf(message.content)) {
    if (part.type === 'tool-call') {
      calls.push({ id: part.id, function: { name: part.name, arguments: argsObject(part) } })
    } else if (part.type === 'reasoning') {
      if (isForeign(part.origin, [NAME])) {
        warnings.push(
          dropped('messages', `Reasoning of ${part.origin?.provider} was left out of the history.`),
        )
      } else thinking += part.text
    } else if (part.type === 'tool-result') {
      const answer: Bare = { content: '', images: [] }
      for (const piece of partsOf(part.content)) encodePiece(piece, answer, warnings)
      // There is no error flag; the model has to read it.
      if (part.isError === true) answer.content = `Error: ${answer.content}`
      encoded.push({ role: 'tool', ...finished(answer), tool_name: part.name, tool_call_id: part.id })
    } else encodePiece(part, bare, warnings)
  }
  const { role } = message
  const more = calls.length > 0 || thinking !== ''
  // A turn of nothing but blank text says nothing, and some chat templates trip over it.
  if (bare.content.trim() === '' && bare.images.length === 0 && !more) return
  encoded.push({
    role: role === 'tool' ? 'user' : role,
    ...finished(bare),
    ...(thinking === '' ? {} : { thinking }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  })
}

interface Bare {
  content: string
  images: string[]
}

function finished({ content, images }: Bare): Record<string, unknown> {
  return images.length === 0 ? { content } : { content, images }
}

/** Text and base64 images; the rest is named to the model and to the caller, so that neither believes it was seen. */
function encodePiece(part: Part, bare: Bare, warnings: Warning[]): void {
  if (part.type === 'text') {
    bare.content += part.text
    return
  }
  if (part.type === 'provider') {
    warnings.push(
      dropped('messages', `A part of ${part.provider} cannot be sent to ${NAME} and was left out.`),
    )
    return
  }
  if (part.type !== 'image' && part.type !== 'file' && part.type !== 'audio') return
  if (part.type === 'image') {
    if (part.mediaType !== undefined && !/^image\//i.test(part.mediaType)) {
      throw new LlmError({
        kind: 'invalid-request',
        provider: NAME,
        phase: 'encode',
        message: `An image part has the media type ${part.mediaType}: send it as a file part, or correct the type.`,
      })
    }
    const data = part.data ?? (part.url?.startsWith('data:') === true ? part.url : undefined)
    if (data !== undefined) {
      bare.images.push(base64Of(data))
      return
    }
  }
  const kind = part.type === 'file' ? 'file' : part.type === 'audio' ? 'sound' : 'image by URL or id'
  bare.content += `${bare.content === '' ? '' : '\n'}[${kind} not sent]`
  warnings.push(
    dropped(
      'messages',
      `${NAME} takes base64 images only: a ${kind} was replaced by the note "[${kind} not sent]".`,
    ),
  )
}

// ---------------------------------------------------------------------------------------------- decoding

/** Documented reasons; `load` and `unload` answer requests without messages. */
const FINISH_REASONS: ReadonlyMap<string, FinishReason> = /* @__PURE__ */ new Map([
  ['stop', 'stop'],
  ['length', 'length'],
])

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

  function add(
    type: 'text' | 'reasoning',
    text: string,
    out: StreamEvent[],
    logprobs?: TokenLogprob[],
  ): void {
    if (text === '') return
    if (open?.type !== type) {
      close(out)
      open = { type, part: parts++, text: '' }
    }
    if (type === 'reasoning') open.text += text
    out.push(
      type === 'text'
        ? { type: 'text-delta', part: open.part, text, ...(logprobs === undefined ? {} : { logprobs }) }
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
      if (line === undefined) throw notAnObject()
      const error = own(line, 'error')
      if (error !== undefined && error !== null) throw streamError({ provider: NAME, error })
      if (!started) {
        started = true
        out.push({
          type: 'start',
          provider: NAME,
          model: asString(own(line, 'model')) || (request?.model ?? ''),
        })
      }
      const message = own(line, 'message')
      // `reasoning_content` is what imitations of this API send.
      const thinking = asString(own(message, 'thinking')) ?? asString(own(message, 'reasoning_content'))
      add('reasoning', thinking ?? '', out)
      add('text', asString(own(message, 'content')) ?? '', out, readLogprobs(own(line, 'logprobs')))
      for (const call of asArray(own(message, 'tool_calls'))) {
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
      if (last === undefined) {
        throw new LlmError({
          kind: 'interrupted',
          provider: NAME,
          phase: 'stream',
          message: `The stream of ${NAME} ended before the line that says done.`,
        })
      }
      const out: StreamEvent[] = []
      const rawFinishReason = asString(own(last, 'done_reason'))
      const known = FINISH_REASONS.get(rawFinishReason ?? 'stop') ?? 'unknown'
      out.push({
        type: 'finish',
        finishReason: calls > 0 && known !== 'length' ? 'tool-calls' : known,
        rawFinishReason,
        usage: readUsage(last),
      })
      return out
    },
  }
}

function notAnObject(): LlmError {
  return new LlmError({
    kind: 'protocol',
    provider: NAME,
    phase: 'stream',
    message: `${NAME} sent something that is not an object where a chat answer belongs.`,
  })
}

/** `prompt_eval_count` is absent in some versions when the whole prompt was cached. */
function readUsage(line: Record<string, unknown>): Usage {
  const inputTokens = asCount(own(line, 'prompt_eval_count'))
  const outputTokens = asCount(own(line, 'eval_count'))
  const both = inputTokens !== undefined && outputTokens !== undefined
  return { inputTokens, outputTokens, totalTokens: both ? sumCounts(inputTokens, outputTokens) : undefined }
}

function readLogprobs(value: unknown): TokenLogprob[] | undefined {
  const logprobs = asArray(value).flatMap((item) => {
    const one = readLogprob(item)
    if (one === undefined) return []
    const top = asArray(own(item, 'top_logprobs')).flatMap((other) => readLogprob(other) ?? [])
    return top.length === 0 ? one : { ...one, top }
  })
  return logprobs.length === 0 ? undefined : logprobs
}

function readLogprob(value: unknown): { token: string; logprob: number } | undefined {
  const token = asString(own(value, 'token'))
  const logprob = asNumber(own(value, 'logprob'))
  return token === undefined || logprob === undefined ? undefined : { token, logprob }
}
