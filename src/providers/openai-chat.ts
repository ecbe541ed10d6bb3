/**
 * OpenAI Chat Completions, `POST /chat/completions`: the format most servers speak, each with an accent.
 *
 * In:  our Request. Out: an HTTP request; then frames in, our events out.
 * The accent is a `Dialect` (data); encoding is openai-chat-encode.ts and openai-chat-messages.ts, reading
 * openai-chat-decode.ts.
 * Not here: vendors (compatible.ts), the Responses API (openai.ts), embeddings (openai-embeddings.ts).
 * Spec: https://platform.openai.com/docs/api-reference/chat, read 2026-11.
 */

import type { Provider } from '../provider.ts'
import type { Request } from '../types.ts'
import { createSkeleton } from '../wire/skeleton.ts'
import { createSseDecoder } from '../wire/sse.ts'
import { endpoint, jsonBody, parseFrameJson } from './body.ts'
import { acceptFor, httpRequest, modelPage } from './envelope.ts'
import { httpError, streamError } from './errors.ts'
import { type ApiKey, keyAuthorize } from './key.ts'
import { createChatReader, type ChatReader } from './openai-chat-decode.ts'
import type { Dialect } from './openai-chat-dialect.ts'
import type { Single } from './openai-chat-pieces.ts'
import { encodeChat, MAX_TOOL_NAME } from './openai-chat-encode.ts'
import { toolNames } from './tool-names.ts'

/** The embedding half, a codec of its own: a program that only chats does not ship it. */
export { openaiEmbeddings } from './openai-embeddings.ts'

/** Where to find the server, and how it differs. */
export interface OpenAIChatOptions {
  /** A key, or a function that fetches one; called once per attempt. */
  apiKey?: ApiKey | undefined
  /** Default `https://api.openai.com/v1`. Everything up to, and without, `/chat/completions`. */
  baseURL?: string | undefined
  /** Extra headers, lower-case names. */
  headers?: Record<string, string> | undefined
  /** Sent as `openai-organization`. */
  organization?: string | undefined
  /** Sent as `openai-project`. */
  project?: string | undefined
  /** What differs from api.openai.com. Default: OpenAI's own row there, a careful one for any other `baseURL`. */
  dialect?: Dialect | undefined
  /** The name reported in completions and errors. Default `openai-chat`. */
  name?: string | undefined
  /** Environment variables that hold the key, for error messages. Default `OPENAI_API_KEY`. */
  keyNames?: readonly string[] | undefined
  /** The server also answers without a key. Default false. */
  keyOptional?: boolean | undefined
  /** Used when the caller names no model. */
  defaultModel?: string | undefined
}

const OPENAI_URL = 'https://api.openai.com/v1'

/**
 * api.openai.com itself. Efforts by model: pi-ai 1.5.2 data of 2026-11-10. Sampling: "Unsupported value: 'temperature'
 * does not support 0.2 with this model. Only the default (1) value is supported." (o-series and gpt-5; from 5.1 on only
 * while reasoning, https://platform.openai.com/docs/guides/latest-model, 2026-11).
 */
export const OPENAI_DIALECT: Dialect = {
  maxTokensField: 'max_completion_tokens',
  schema: 'strict',
  strictTools: true,
  promptCache: 'key',
  cacheRetention: true,
  // "Invalid 'messages[2].tool_calls[0].id': string too long. Expected a string with maximum length 40" (400, 2025-11)
  callIdMaxLength: 40,
  unsupported: [
    {
      fields: ['temperature', 'topP', 'presencePenalty', 'frequencyPenalty', 'logprobs'],
      models: /^(?:o\d|gpt-5(?!\.|-chat))/,
      detail: 'reasoning models accept the default only',
    },
    {
      fields: ['temperature', 'topP', 'presencePenalty', 'frequencyPenalty', 'logprobs'],
      models: /^gpt-(?:5\.|[6-9])/,
      when: 'reasoning',
      detail: 'this model accepts it only with reasoning off',
    },
    {
      fields: ['reasoning'],
      models: /^(?:gpt-3|gpt-4|chatgpt|gpt-5-chat)/,
      detail: 'the model does not reason',
    },
  ],
  efforts: [
    { models: /^o\d/, words: 'low medium high' },
    { models: /^gpt-5-pro/, words: 'high' },
    { models: /^gpt-5(?!\.)/, words: 'minimal low medium high' },
    { models: /^gpt-5\.1/, words: 'off=none low medium high' },
    { models: /^gpt-5\.\d-pro/, words: 'medium high max=xhigh' },
    { models: /^gpt-5\.[2-5]/, words: 'off=none low medium high max=xhigh' },
    { models: /^gpt-(?:6-astra|6\.1-sol)/, words: 'low medium high max' },
    { words: 'off=none low medium high max' },
  ],
}

/** A server of which only the URL is known: no field that a strict parser might reject. */
const UNKNOWN_SERVER: Dialect = { topK: true, replayReasoning: 'none' }

/**
 * The codec for Chat Completions.
 *
 * `openaiChat({ apiKey })` is OpenAI; `openaiChat({ baseURL })` any server that speaks the format. One choice only:
 * further ones (`body: { n: 2 }`) are reported as dropped.
 * @throws LlmError from the methods of the codec only; see {@link Provider}.
 */
export function openaiChat(options: OpenAIChatOptions = {}): Provider {
  const { baseURL = OPENAI_URL, name = 'openai-chat', headers, organization, project } = options
  // Inherits nothing: a dialect is read field by field, and what its row leaves out must stay absent.
  const dialect: Dialect = Object.assign(
    Object.create(null) as Dialect,
    options.dialect ?? (baseURL === OPENAI_URL ? OPENAI_DIALECT : UNKNOWN_SERVER),
  )
  const shared = {
    'openai-organization': organization,
    'openai-project': project,
    ...headers,
  }
  const reader = (request: Request | undefined): ChatReader =>
    createChatReader({
      provider: name,
      dialect,
      request,
      rename: request === undefined ? undefined : toolNames(request, name, MAX_TOOL_NAME).toCaller,
    })
  return {
    name,
    framing: 'sse',
    ...(options.defaultModel === undefined ? {} : { defaultModel: options.defaultModel }),
    encode(request) {
      const { body, warnings } = encodeChat(request, name, dialect)
      return httpRequest(
        endpoint(baseURL, 'chat/completions', name),
        { ...acceptFor(request), ...shared },
        jsonBody(body, request.body),
        warnings,
      )
    },
    authorize: keyAuthorize({
      provider: name,
      header: 'authorization',
      prefix: 'Bearer ',
      apiKey: options.apiKey,
      keyNames: options.keyNames ?? ['OPENAI_API_KEY'],
      optional: options.keyOptional ?? false,
    }),
    frames: (limits) => createSseDecoder({ ...limits, fields: dialect.sseFields ?? ERROR_FIELD }),
    decoder(request) {
      const chat = reader(request)
      // Nearly every chunk is the one before it with another text: it is recognised instead of parsed.
      const skeleton = createSkeleton<Single>(IGNORED_FIELDS)
      return {
        push(frame) {
          const known = frame.event === 'message' ? skeleton.match(frame.data) : undefined
          if (known !== undefined) return chat.again(skeleton.tag!, known)
          const data = frame.data.trim()
          // `event: error` of Groq and LM Studio, the `error:` field of GPUStack.
          if (frame.event === 'error') throw streamError({ provider: name, error: data })
          if (data === '[DONE]') {
            chat.markDone()
            return []
          }
          if (data === '') return []
          const chunk = parseFrameJson(data, name)
          const events = chat.push(chunk)
          const single = frame.event === 'message' ? chat.single(chunk) : undefined
          if (single !== undefined) skeleton.learn(frame.data, single.text, single)
          return events
        },
        end: () => chat.end(),
        get done() {
          return chat.done
        },
        raw: chat.raw,
        get reportedCost() {
          return chat.reportedCost
        },
      }
    },
    decode(json, request) {
      const chat = reader(request)
      const events = chat.push(json)
      chat.markDone()
      events.push(...chat.end())
      return { events, raw: chat.raw, reportedCost: chat.reportedCost }
    },
    error: (response) => httpError({ provider: name, response }),
    listModels: {
      encode: () => httpRequest(endpoint(baseURL, 'models', name), shared),
      decode: (json) => modelPage(json, 'data', 'id'),
    },
  }
}

/** Random characters that hide the length of what is said from who listens on the wire. */
const IGNORED_FIELDS: readonly string[] = ['obfuscation']

/** GPUStack reports failures as a line `error: {…}` in the middle of a 200 stream; nobody else uses the name. */
const ERROR_FIELD: readonly string[] = ['error']
