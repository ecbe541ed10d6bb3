/**
 * OpenAI's Responses API: https://developers.openai.com/api/reference/responses.
 *
 * In:  our Request; out: an HTTP request, and from its answer StreamEvents. This file is the envelope: addresses,
 * headers, the key, counting and listing. The body is written in openai-encode.ts, the answer read in
 * openai-decode.ts. Chat Completions is another format: openai-chat.ts.
 * Not here: sending, retrying, deadlines.
 */

import type { HttpRequest, Provider } from '../provider.ts'
import type { Warning } from '../types.ts'
import { createSseDecoder } from '../wire/sse.ts'
import { endpoint, jsonBody, pick } from './body.ts'
import { acceptFor, httpRequest, modelPage, tokenCount } from './envelope.ts'
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
  const { baseURL = 'https://api.openai.com/v1', name = 'openai' } = options
  const headers = {
    'openai-organization': options.organization,
    'openai-project': options.project,
    ...options.headers,
  }
  const http = (path: string, body?: string, accept?: object, warnings?: Warning[]): HttpRequest =>
    httpRequest(endpoint(baseURL, path, name), { ...accept, ...headers }, body, warnings)
  return {
    name,
    framing: 'sse',
    encode(request) {
      const { body, warnings } = encodeResponses(request, name)
      const full = { ...body, stream: request.stream || undefined }
      return http('responses', jsonBody(full, request.body), acceptFor(request), warnings)
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
        return http('responses/input_tokens', jsonBody(pick(body, COUNTED)))
      },
      decode: (json) => tokenCount(json, 'input_tokens', name),
    },
    listModels: {
      encode: () => http('models'),
      decode: (json) => modelPage(json, 'data', 'id'),
    },
  }
}

/** The fields that the counting endpoint takes. */
const COUNTED = 'model instructions input tools tool_choice parallel_tool_calls reasoning text'
