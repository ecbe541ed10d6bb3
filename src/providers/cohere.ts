/**
 * Cohere's own API, `POST /v2/chat`.
 *
 * In:  our Request, then SSE events named after what they begin, grow or end. Out: an HTTP request, then our events.
 * `tool_plan`, what the model says before it calls tools, is reasoning here and goes back as the plan it was.
 * Not here: reading answers (cohere-decode.ts), embeddings (cohere-embeddings.ts), v1, rerank.
 * Spec: https://docs.cohere.com/reference/chat-stream, https://docs.cohere.com/docs/citations
 */

import type { Provider } from '../provider.ts'
import type { ImagePart, Message, Part, Reasoning, Request, Warning } from '../types.ts'
import { createSseDecoder } from '../wire/sse.ts'
import {
  defined,
  endpoint,
  isForeign,
  jsonBody,
  jsonText,
  own,
  parseFrameJson,
  partsOf,
  textOf,
} from './body.ts'
import { bodyEvents, COHERE, createAnswer } from './cohere-decode.ts'
import { acceptFor, httpRequest, modelPage } from './envelope.ts'
import { httpError, streamError } from './errors.ts'
import { type ApiKey, keyAuthorize } from './key.ts'
import { imageUrl } from './media.ts'
import { leftOut, type Notes, notSent, protocol, unsupported } from './notes.ts'
import { argsObject, wireTools } from './tool-names.ts'

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
  const { baseURL = 'https://api.cohere.com', headers, apiKey } = options
  const url = (path: string): string => endpoint(baseURL, path, COHERE)
  return {
    name: COHERE,
    framing: 'sse',
    encode(request) {
      const warnings: Warning[] = []
      const body = jsonBody(encodeBody(request, { provider: COHERE, warnings }), request.body)
      return httpRequest(url('v2/chat'), { ...acceptFor(request), ...headers }, body, warnings)
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
      encode({ model, system = '', messages }) {
        const text = [system, ...messages.map(({ content }) => textOf(content))].join('\n').trim()
        return httpRequest(url('v1/tokenize'), headers, jsonBody({ model, text }))
      },
      decode(json) {
        const tokens = own(json, 'tokens')
        if (Array.isArray(tokens)) return tokens.length
        throw protocol(COHERE, 'tokenized without answering tokens')
      },
    },
    listModels: {
      encode: (cursor) =>
        httpRequest(
          url(
            `v1/models?endpoint=chat&page_size=1000${cursor === undefined ? '' : `&page_token=${encodeURIComponent(cursor)}`}`,
          ),
          headers,
        ),
      decode: (json) => modelPage(json, 'models', 'name', own(json, 'next_page_token')),
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

function encodeBody(request: Request, notes: Notes): Wire {
  const { reasoning, schema, logprobs } = request
  if (request.parallelToolCalls !== undefined) unsupported(notes, 'parallelToolCalls')
  if (request.promptCache !== undefined) {
    unsupported(notes, 'promptCache', 'prefixes are cached by themselves')
  }
  if (typeof logprobs === 'number') {
    unsupported(notes, 'logprobs', 'the chosen tokens only, without alternatives')
  }
  const tools = wireTools(request, notes, ({ name, description }, parameters) => ({
    type: 'function',
    function: { name, description, parameters },
  }))
  return {
    model: request.model,
    messages: encodeMessages(request, notes),
    stream: request.stream,
    max_tokens: request.maxTokens,
    temperature: request.temperature,
    p: request.topP,
    k: request.topK,
    stop_sequences: request.stop,
    seed: request.seed,
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
    logprobs: logprobs === undefined || logprobs === false ? undefined : true,
    response_format: schema === undefined ? undefined : { type: 'json_object', json_schema: schema },
    thinking: reasoning === undefined ? undefined : encodeThinking(reasoning),
    ...(tools.length === 0 ? {} : { tools, tool_choice: encodeChoice(request, notes) }),
  }
}

function encodeThinking(reasoning: Reasoning): Wire {
  if (reasoning === 'off') return { type: 'disabled' }
  return {
    type: 'enabled',
    token_budget: typeof reasoning === 'object' ? reasoning.budgetTokens : BUDGETS[reasoning],
  }
}

function encodeChoice({ toolChoice }: Request, notes: Notes): string | undefined {
  if (typeof toolChoice === 'object') {
    unsupported(notes, 'toolChoice', 'one tool cannot be named, so any tool was required')
    return 'REQUIRED'
  }
  return toolChoice === 'auto' ? undefined : toolChoice?.toUpperCase()
}

function encodeMessages({ system, messages }: Request, notes: Notes): Wire[] {
  const encoded = messages.flatMap((message) =>
    message.role === 'assistant' ? encodeAssistant(message, notes) : encodeUser(message, notes),
  )
  return system?.trim() ? [{ role: 'system', content: system }, ...encoded] : encoded
}

/** One text is a string. */
function contentOf(blocks: Wire[]): unknown {
  return blocks.length === 1 && blocks[0]?.['type'] === 'text' ? blocks[0]['text'] : blocks
}

/** System and user turns, and tool results, of which each is a message of its own. */
function encodeUser({ role, content }: Message, notes: Notes): Wire[] {
  const results: Wire[] = []
  const blocks: Wire[] = []
  for (const part of partsOf(content)) {
    if (part.type === 'tool-result') {
      const text = partsOf(part.content).map((piece) => textOfPiece(piece, notes))
      // There is no error flag; the model has to read it.
      const answer = `${part.isError === true ? 'Error: ' : ''}${text.join('')}`
      results.push({ role: 'tool', tool_call_id: part.id, content: answer })
    } else if (part.type === 'image' && part.fileId === undefined) blocks.push(encodeImage(part))
    else {
      const text = textOfPiece(part, notes)
      if (text.trim() !== '') blocks.push({ type: 'text', text })
    }
  }
  if (blocks.length === 0) return results
  return [...results, { role: role === 'system' ? role : 'user', content: contentOf(blocks) }]
}

function encodeImage(image: ImagePart): Wire {
  const url = imageUrl(image, COHERE)
  return { type: 'image_url', image_url: defined({ url, detail: image.detail }) }
}

/** Text; of anything else, images by file id among it, a note, so that neither the model nor the caller believes it was seen. */
function textOfPiece(part: Part, notes: Notes): string {
  if (part.type === 'text') return part.text
  if (part.type !== 'provider' && part.type !== 'reasoning') return notSent(notes, part.type)
  leftOut(notes, `A ${part.type} part`)
  return ''
}

function encodeAssistant({ content }: Message, notes: Notes): Wire[] {
  const blocks: Wire[] = []
  const calls: Wire[] = []
  let plan = ''
  let text = ''
  for (const part of partsOf(content)) {
    if (part.type === 'text') text += part.text
    else if (part.type === 'reasoning') {
      if (isForeign(part.origin, [COHERE])) leftOut(notes, `Reasoning of ${part.origin?.provider}`)
      else if (part.origin?.['plan'] === true) plan += part.text
      else if (part.text.trim() !== '') blocks.push({ type: 'thinking', thinking: part.text })
    } else if (part.type === 'tool-call') {
      const call = { name: part.name, arguments: jsonText(argsObject(part)) }
      calls.push({ id: part.id, type: 'function', function: call })
    } else text += textOfPiece(part, notes)
  }
  if (calls.length === 0) {
    if (`${plan}${text}`.trim() !== '') blocks.push({ type: 'text', text: plan + text })
    return blocks.length === 0 ? [] : [{ role: 'assistant', content: contentOf(blocks) }]
  }
  return [
    defined({
      role: 'assistant',
      content: blocks.length === 0 ? undefined : blocks,
      // What a turn of calls says besides them is its plan here.
      tool_plan: [plan, text].filter((one) => one.trim() !== '').join('\n') || undefined,
      tool_calls: calls,
    }),
  ]
}
