/**
 * The request side of the tiny server: the JSON body of POST /v1/chat/completions → checked parameters, or an error
 * in OpenAI's shape that names the parameter. Follows the Chat Completions reference (read 2026-11). The model is a
 * base model without turns: the conversation becomes one text, which it continues. What it cannot do (tools, images,
 * several choices, penalties, JSON mode) is refused, never ignored.
 */

/** A refusal as it goes over the wire. */
export class RequestError extends Error {
  override name = 'RequestError'
  readonly status: number
  readonly param: string | null
  readonly code: string | null
  constructor(status: number, message: string, param: string | null = null, code: string | null = null) {
    super(message)
    this.status = status
    this.param = param
    this.code = code
  }
}

/** Checked parameters of one completion. */
export interface ChatRequest {
  readonly prompt: string
  readonly maxTokens: number
  readonly temperature: number
  readonly topP: number
  readonly stop: readonly string[]
  readonly seed: number
  readonly stream: boolean
  readonly includeUsage: boolean
  /** Undefined: no log probabilities; otherwise how many alternatives each token comes with. */
  readonly topLogprobs: number | undefined
}

/** A tale ends by itself long before this; it keeps a forgotten client from costing an hour. */
const DEFAULT_MAX_TOKENS = 2048

const REFUSED = ['tools', 'functions', 'audio', 'logit_bias', 'prediction', 'web_search_options']

type Body = Readonly<Record<string, unknown>>

function isRecord(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function bad(message: string, param: string, code: string | null = null): RequestError {
  return new RequestError(400, message, param, code)
}

function numberIn(body: Body, param: string, low: number, high: number, whole = false): number | undefined {
  const value = body[param]
  if (value === undefined || value === null) return undefined
  const fits = typeof value === 'number' && value >= low && value <= high
  if (!fits || (whole && !Number.isSafeInteger(value))) {
    throw bad(`'${param}' must be ${whole ? 'an integer' : 'a number'} between ${low} and ${high}.`, param)
  }
  return value
}

function booleanOf(body: Body, param: string): boolean {
  const value = body[param] ?? false
  if (typeof value !== 'boolean') throw bad(`'${param}' must be true or false.`, param)
  return value
}

function textOf(content: unknown, param: string): string {
  if (typeof content === 'string') return content
  if (content === null || content === undefined) return ''
  if (!Array.isArray(content)) throw bad(`'${param}' must be a string or an array of parts.`, param)
  return content
    .map((part: unknown, i) => {
      if (isRecord(part) && part['type'] === 'text' && typeof part['text'] === 'string') return part['text']
      throw bad(`'${param}[${i}]': this model reads text parts only.`, `${param}[${i}]`, 'unsupported_value')
    })
    .join('')
}

/** One text of the whole conversation: an assistant turn continues the turn before it, others begin a new line. */
function promptOf(messages: unknown): string {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw bad("'messages' must be a non-empty array.", 'messages')
  }
  let prompt = ''
  messages.forEach((message: unknown, i) => {
    const param = `messages[${i}]`
    const role = isRecord(message) ? message['role'] : undefined
    if (!isRecord(message) || !['system', 'developer', 'user', 'assistant'].includes(String(role))) {
      throw bad(`'${param}.role' must be one of system, developer, user, assistant.`, `${param}.role`)
    }
    const text = textOf(message['content'], `${param}.content`)
    prompt += (prompt === '' || role === 'assistant' ? '' : '\n') + text
  })
  return prompt
}

function stopOf(stop: unknown): string[] {
  if (stop === undefined || stop === null) return []
  const list: unknown[] = Array.isArray(stop) ? stop : [stop]
  if (list.length > 4 || !list.every((text) => typeof text === 'string' && text !== '')) {
    throw bad("'stop' must be a non-empty string or up to four of them.", 'stop')
  }
  return list as string[]
}

/** Checks a parsed body. Throws {@link RequestError}. */
export function parseChatRequest(body: unknown, model: string): ChatRequest {
  if (!isRecord(body)) throw new RequestError(400, 'The body must be a JSON object.')
  const asked = body['model']
  if (typeof asked !== 'string') throw bad("you must provide a 'model' parameter", 'model')
  if (asked !== model) {
    throw new RequestError(
      404,
      `The model '${asked}' does not exist; this server has '${model}'.`,
      'model',
      'model_not_found',
    )
  }
  for (const param of REFUSED) {
    const value = body[param]
    const empty = value == null || (typeof value === 'object' && Object.keys(value).length === 0)
    if (!empty) throw bad(`'${param}' is not supported by this model.`, param, 'unsupported_parameter')
  }
  for (const param of ['presence_penalty', 'frequency_penalty']) {
    if ((body[param] ?? 0) !== 0)
      throw bad(`'${param}' must be 0 for this model.`, param, 'unsupported_value')
  }
  if ((body['n'] ?? 1) !== 1) throw bad("'n' must be 1 for this model.", 'n', 'unsupported_value')
  const format = body['response_format']
  if (format != null && !(isRecord(format) && format['type'] === 'text')) {
    throw bad("'response_format' must be text for this model.", 'response_format', 'unsupported_value')
  }
  const stream = booleanOf(body, 'stream')
  const streamOptions = body['stream_options'] ?? {}
  if (!isRecord(streamOptions)) throw bad("'stream_options' must be an object.", 'stream_options')
  if (body['stream_options'] != null && !stream) {
    throw bad("'stream_options' is only allowed when 'stream' is true.", 'stream_options')
  }
  const topLogprobs = numberIn(body, 'top_logprobs', 0, 20, true)
  const logprobs = booleanOf(body, 'logprobs')
  if (topLogprobs !== undefined && !logprobs) {
    throw bad("'top_logprobs' is only allowed when 'logprobs' is true.", 'top_logprobs')
  }
  return {
    prompt: promptOf(body['messages']),
    maxTokens:
      numberIn(body, 'max_completion_tokens', 1, 1e6, true) ??
      numberIn(body, 'max_tokens', 1, 1e6, true) ??
      DEFAULT_MAX_TOKENS,
    temperature: numberIn(body, 'temperature', 0, 2) ?? 0.8,
    topP: numberIn(body, 'top_p', Number.MIN_VALUE, 1) ?? 1,
    stop: stopOf(body['stop']),
    seed:
      numberIn(body, 'seed', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, true) ??
      Math.random() * 2 ** 32,
    stream,
    includeUsage: booleanOf(streamOptions, 'include_usage'),
    topLogprobs: logprobs ? (topLogprobs ?? 0) : undefined,
  }
}
