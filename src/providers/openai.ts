/**
 * OpenAI's Responses API: https://developers.openai.com/api/reference/responses.
 *
 * In:  our Request; out: an HTTP request, and from its answer StreamEvents. This file is the envelope: addresses,
 * headers, the key, counting and listing. The body is written in openai-encode.ts, the answer read in
 * openai-decode.ts. Chat Completions is another format: openai-chat.ts.
 * Not here: sending, retrying, deadlines.
 */

import { LlmError } from '../errors.ts'
import type { HttpRequest, Provider } from '../provider.ts'
import { createSseDecoder } from '../wire/sse.ts'
import { asArray, asCount, asString, endpoint, jsonBody, own } from './body.ts'
import { httpError } from './errors.ts'
import { keyAuthorize } from './key.ts'
import type { ApiKey } from './key.ts'
import { createResponsesDecoder, decodeResponse } from './openai-decode.ts'
import { encodeResponses } from './openai-encode.ts'

/** The embedding half, a codec of its own: a program that only chats does not ship it. */
export { openaiEmbeddings } from './openai-embeddings.ts'

/** Options of {@link openai}. */
export interface OpenAIOptions {
  /** Key from https://platform.openai.com, or a function that fetches one. */
  apiKey?: ApiKey
  /** Default `https://api.openai.com/v1`. */
  baseURL?: string
  /** `openai-organization` header. */
  organization?: string
  /** `openai-project` header. */
  project?: string
  /** Further request headers; they win over the codec's own. */
  headers?: Record<string, string>
  /**
   * The name in completions, errors and `origin`. Default `openai`. Give another service that speaks this format a
   * name of its own, so that encrypted reasoning does not wander between them.
   */
  name?: string
  /** Environment variables named when the key is missing. Default `OPENAI_API_KEY`. */
  keyNames?: readonly string[]
}

/**
 * The codec for the Responses API and servers that speak it. Reasoning comes back encrypted and goes along in the next
 * turn; a readable summary, which OpenAI gives to verified organisations only, is asked for with
 * `body: { reasoning: { summary: 'auto' } }`.
 *
 * @example createClient({ provider: openai({ apiKey }) }).complete('Hello', { model: 'gpt-6.1-terra' })
 * @throws LlmError from the methods of the codec only; see {@link Provider}.
 */
export function openai(options: OpenAIOptions = {}): Provider {
  const { baseURL = 'https://api.openai.com/v1', headers = {}, name = 'openai' } = options
  const http = (path: string, accept: string, body?: string): HttpRequest => ({
    method: body === undefined ? 'GET' : 'POST',
    url: endpoint(baseURL, path, name),
    headers: {
      accept,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(options.organization === undefined ? {} : { 'openai-organization': options.organization }),
      ...(options.project === undefined ? {} : { 'openai-project': options.project }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  })
  return {
    name,
    framing: 'sse',
    encode(request) {
      const { body, warnings } = encodeResponses(request, name)
      const accept = request.stream ? 'text/event-stream' : 'application/json'
      const full = request.stream ? { ...body, stream: true } : body
      return { ...http('responses', accept, jsonBody(full, request.body)), warnings }
    },
    authorize: keyAuthorize({
      provider: name,
      header: 'authorization',
      prefix: 'Bearer ',
      apiKey: options.apiKey,
      keyNames: options.keyNames ?? ['OPENAI_API_KEY'],
    }),
    frames: (limits) => createSseDecoder(limits),
    decoder: (request) => createResponsesDecoder(name, request),
    decode: (json, request) => decodeResponse(json, name, request),
    error: (response) => httpError({ provider: name, response }),
    countTokens: {
      encode(request) {
        const { body } = encodeResponses(request, name)
        const counted = Object.fromEntries(COUNTED.map((field) => [field, body[field]]))
        return http('responses/input_tokens', 'application/json', jsonBody(counted))
      },
      decode(json) {
        const count = asCount(own(json, 'input_tokens'))
        if (count !== undefined) return count
        throw new LlmError({
          kind: 'protocol',
          provider: name,
          message: `The token count is missing in the answer of ${name}.`,
        })
      },
    },
    listModels: {
      encode: () => http('models', 'application/json'),
      decode: (json) => ({
        models: asArray(own(json, 'data')).flatMap((row) => asString(own(row, 'id')) ?? []),
      }),
    },
  }
}

/** The fields that the counting endpoint takes. */
const COUNTED = [
  'model',
  'instructions',
  'input',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'reasoning',
  'text',
] as const
