/**
 * Cohere's own API, `POST /v2/chat`.
 *
 * In:  our Request, then SSE events named after what they begin, grow or end. Out: an HTTP request, then our events.
 * `tool_plan`, what the model says before it calls tools, is reasoning here and goes back as the plan it was.
 * Not here: reading answers (cohere-decode.ts), embeddings (cohere-embeddings.ts), v1, rerank.
 * Spec: https://docs.cohere.com/reference/chat-stream, https://docs.cohere.com/docs/citations
 */

import { LlmError } from '../errors.ts'
import type { HttpRequest, Provider } from '../provider.ts'
import type { Message, Part, Reasoning, Request, Warning } from '../types.ts'
import { createSseDecoder } from '../wire/sse.ts'
import {
  asArray,
  asString,
  base64Of,
  dropped,
  endpoint,
  isForeign,
  jsonBody,
  jsonText,
  own,
  parseFrameJson,
  partsOf,
  textOf,
  unsupported,
} from './body.ts'
import { bodyEvents, COHERE, createAnswer } from './cohere-decode.ts'
import { httpError, streamError } from './errors.ts'
import { type ApiKey, keyAuthorize } from './key.ts'
import { fromDataUrl, notMedia } from './media.ts'
import { argsObject, isDefinition, objectSchema } from './tool-names.ts'

/** The embedding half, a codec of its own: a program that only chats does not ship it. */
export { cohereEmbeddings } from './cohere-embeddings.ts'

/** How to reach Cohere. */
export interface CohereOptions {
  /** A key, or a function that fetches one. Default: the one of the call. */
  apiKey?: ApiKey
  /** Default `https://api.cohere.com`. */
  baseURL?: string
  /** Extra headers, lower-case names. */
  headers?: Record<string, string>
}

/**
 * The codec for Cohere's v2 chat.
 * `countTokens` asks `/v1/tokenize`, which knows plain text up to 65,536 characters: the template around the messages
 * and the tools are not in the number.
 * Source: https://docs.cohere.com/reference/chat, read 2026-11.
 * @throws LlmError from the methods of the codec only; see {@link Provider}.
 */
export function cohere(options: CohereOptions = {}): Provider {
  const { baseURL = 'https://api.cohere.com', headers: extra, apiKey } = options
  const url = (path: string): string => endpoint(baseURL, path, COHERE)
  const headers = (accept: string): Record<string, string> => ({
    'content-type': 'application/json',
    accept,
    ...extra,
  })
  return {
    name: COHERE,
    framing: 'sse',
    encode(request) {
      const warnings: Warning[] = []
      const body = encodeBody(request, warnings)
      const http: HttpRequest = {
        method: 'POST',
        url: url('v2/chat'),
        headers: headers(request.stream ? 'text/event-stream' : 'application/json'),
        body: jsonBody(body, request.body),
      }
      return warnings.length === 0 ? http : { ...http, warnings }
    },
    authorize: keyAuthorize({
      provider: COHERE,
      header: 'authorization',
      prefix: 'Bearer ',
      apiKey,
      keyNames: ['COHERE_API_KEY', 'CO_API_KEY'],
    }),
    frames: (limits) => createSseDecoder(limits),
    decoder(request) {
      const answer = createAnswer(request)
      return {
        push(frame) {
          const data = frame.data.trim()
          if (data === '[DONE]') return []
          const value = parseFrameJson(data, COHERE)
          if (frame.event === 'error') throw streamError({ provider: COHERE, error: value })
          return answer.push(value)
        },
        end: () => answer.end(),
        get done() {
          return answer.done
        },
        raw: answer.raw,
      }
    },
    decode(json, request) {
      const answer = createAnswer(request)
      const events = bodyEvents(json).flatMap((event) => answer.push(event))
      return { events: [...events, ...answer.end()], raw: answer.raw }
    },
    error: (response) => httpError({ provider: COHERE, response }),
    countTokens: {
      encode: (request) => ({
        method: 'POST',
        url: url('v1/tokenize'),
        headers: headers('application/json'),
        body: jsonBody({
          model: request.model,
          text: [request.system ?? '', ...request.messages.map(({ content }) => textOf(content))]
            .join('\n')
            .trim(),
        }),
      }),
      decode(json) {
        const tokens = own(json, 'tokens')
        if (Array.isArray(tokens)) return tokens.length
        throw new LlmError({
          kind: 'protocol',
          provider: COHERE,
          message: `${COHERE} tokenized without answering tokens.`,
        })
      },
    },
    listModels: {
      encode: (cursor) => ({
        method: 'GET',
        url: url(
          `v1/models?endpoint=chat&page_size=1000${cursor === undefined ? '' : `&page_token=${encodeURIComponent(cursor)}`}`,
        ),
        headers: { accept: 'application/json', ...extra },
      }),
      decode(json) {
        const models = asArray(own(json, 'models')).flatMap((model) => asString(own(model, 'name')) ?? [])
        const cursor = asString(own(json, 'next_page_token'))
        return cursor === undefined || cursor === '' ? { models } : { models, cursor }
      },
    },
  }
}

// ---------------------------------------------------------------------------------------------- encoding

type Wire = Record<string, unknown>

/** Words as `token_budget`; high and max set none, which is how Cohere says "as much as it takes". */
const BUDGETS: Readonly<Partial<Record<Extract<Reasoning, string>, number>>> = {
  minimal: 512,
  low: 2048,
  medium: 8192,
}

function encodeBody(request: Request, warnings: Warning[]): Wire {
  const { reasoning, schema } = request
  if (request.parallelToolCalls !== undefined) warnings.push(unsupported('parallelToolCalls', COHERE))
  if (request.promptCache !== undefined) {
    warnings.push(unsupported('promptCache', COHERE, 'prefixes are cached by themselves'))
  }
  if (typeof request.logprobs === 'number') {
    warnings.push(unsupported('logprobs', COHERE, 'the chosen tokens only, without alternatives'))
  }
  const tools = encodeTools(request, warnings)
  return {
    model: request.model,
    messages: encodeMessages(request, warnings),
    stream: request.stream,
    max_tokens: request.maxTokens,
    temperature: request.temperature,
    p: request.topP,
    k: request.topK,
    stop_sequences: request.stop,
    seed: request.seed,
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
    logprobs: request.logprobs === undefined || request.logprobs === false ? undefined : true,
    response_format: schema === undefined ? undefined : { type: 'json_object', json_schema: schema },
    thinking: reasoning === undefined ? undefined : encodeThinking(reasoning),
    tools,
    tool_choice: tools === undefined ? undefined : encodeChoice(request, warnings),
  }
}

function encodeThinking(reasoning: Reasoning): Wire {
  if (reasoning === 'off') return { type: 'disabled' }
  return {
    type: 'enabled',
    token_budget: typeof reasoning === 'object' ? reasoning.budgetTokens : BUDGETS[reasoning],
  }
}

function encodeTools(request: Request, warnings: Warning[]): unknown[] | undefined {
  const encoded: unknown[] = []
  for (const tool of request.tools ?? []) {
    if (isDefinition(tool)) {
      const { name, description } = tool
      const parameters = objectSchema(tool, COHERE)
      encoded.push({ type: 'function', function: { name, description, parameters } })
    } else if (tool.provider === COHERE) encoded.push(tool.value)
    else
      warnings.push(dropped('tools', `A tool of ${tool.provider} cannot run at ${COHERE} and was left out.`))
  }
  return encoded.length === 0 ? undefined : encoded
}

function encodeChoice({ toolChoice }: Request, warnings: Warning[]): string | undefined {
  if (toolChoice === 'required') return 'REQUIRED'
  if (toolChoice === 'none') return 'NONE'
  if (typeof toolChoice !== 'object') return undefined
  warnings.push(unsupported('toolChoice', COHERE, 'one tool cannot be named, so any tool was required'))
  return 'REQUIRED'
}

function encodeMessages(request: Request, warnings: Warning[]): Wire[] {
  const encoded: Wire[] = []
  if (request.system !== undefined && request.system.trim() !== '') {
    encoded.push({ role: 'system', content: request.system })
  }
  for (const message of request.messages) {
    if (message.role === 'assistant') encoded.push(...encodeAssistant(message, warnings))
    else encoded.push(...encodeUser(message, warnings))
  }
  return encoded
}

/** System and user turns, and tool results, of which each is a message of its own. */
function encodeUser({ role, content }: Message, warnings: Warning[]): Wire[] {
  const results: Wire[] = []
  const blocks: Wire[] = []
  for (const part of partsOf(content)) {
    if (part.type === 'tool-result') {
      const text = partsOf(part.content).map((piece) => textOfPiece(piece, warnings))
      // There is no error flag; the model has to read it.
      const answer = `${part.isError === true ? 'Error: ' : ''}${text.join('')}`
      results.push({ role: 'tool', tool_call_id: part.id, content: answer })
    } else if (part.type === 'image' && part.fileId === undefined) blocks.push(encodeImage(part))
    else {
      const text = textOfPiece(part, warnings)
      if (text.trim() !== '') blocks.push({ type: 'text', text })
    }
  }
  if (blocks.length === 0) return results
  const onlyText = blocks.length === 1 && blocks[0]?.['type'] === 'text'
  const whole = {
    role: role === 'system' ? 'system' : 'user',
    content: onlyText ? blocks[0]?.['text'] : blocks,
  }
  return [...results, whole]
}

function encodeImage(image: Part & { type: 'image' }): Wire {
  const { data, url, mediaType, detail } = fromDataUrl(image)
  if (mediaType !== undefined && !/^image\//i.test(mediaType))
    throw notMedia(COHERE, `an image of type ${mediaType}`)
  const source = data === undefined ? url : `data:${mediaType};base64,${base64Of(data)}`
  return { type: 'image_url', image_url: { url: source, ...(detail === undefined ? {} : { detail }) } }
}

/** Text; of anything else, images by file id among it, a note, so that neither the model nor the caller believes it was seen. */
function textOfPiece(part: Part, warnings: Warning[]): string {
  if (part.type === 'text') return part.text
  if (part.type === 'provider' || part.type === 'reasoning') {
    warnings.push(dropped('messages', `A ${part.type} part cannot stand here at ${COHERE} and was left out.`))
    return ''
  }
  warnings.push(
    dropped(
      'messages',
      `${COHERE} takes no ${part.type} here: it was replaced by "[${part.type} not sent]".`,
    ),
  )
  return `[${part.type} not sent]`
}

function encodeAssistant({ content }: Message, warnings: Warning[]): Wire[] {
  const blocks: Wire[] = []
  const calls: Wire[] = []
  let plan = ''
  let text = ''
  for (const part of partsOf(content)) {
    if (part.type === 'text') text += part.text
    else if (part.type === 'reasoning') {
      if (isForeign(part.origin, [COHERE])) {
        warnings.push(
          dropped('messages', `Reasoning of ${part.origin?.provider} was left out of the history.`),
        )
      } else if (part.origin?.['plan'] === true) plan += part.text
      else if (part.text.trim() !== '') blocks.push({ type: 'thinking', thinking: part.text })
    } else if (part.type === 'tool-call') {
      const call = { name: part.name, arguments: jsonText(argsObject(part)) }
      calls.push({ id: part.id, type: 'function', function: call })
    } else text += textOfPiece(part, warnings)
  }
  if (calls.length === 0) {
    if (`${plan}${text}`.trim() !== '') blocks.push({ type: 'text', text: plan + text })
    if (blocks.length === 0) return []
    const onlyText = blocks.length === 1 && blocks[0]?.['type'] === 'text'
    return [{ role: 'assistant', content: onlyText ? blocks[0]?.['text'] : blocks }]
  }
  // What a turn of calls says besides them is its plan here.
  const said = [plan, text].filter((one) => one.trim() !== '').join('\n')
  return [
    {
      role: 'assistant',
      ...(blocks.length === 0 ? {} : { content: blocks }),
      ...(said === '' ? {} : { tool_plan: said }),
      tool_calls: calls,
    },
  ]
}
