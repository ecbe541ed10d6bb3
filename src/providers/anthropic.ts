/**
 * Anthropic's Messages API: https://platform.claude.com/docs/en/api/messages.
 *
 * In:  our Request; out: an HTTP request, and from its answer StreamEvents. This file is the envelope: addresses,
 * headers, the key, counting and listing. The body is written in anthropic-encode.ts and the answer read in
 * anthropic-decode.ts, both of which also serve the clouds that host these models.
 * Not here: sending, retrying, deadlines.
 */

import type { HttpRequest, Provider } from '../provider.ts'
import { createSseDecoder } from '../wire/sse.ts'
import { createMessagesDecoder, decodeMessage } from './anthropic-decode.ts'
import { ANTHROPIC, ANTHROPIC_VERSION, type EncodedMessages, encodeMessages } from './anthropic-encode.ts'
import { endpoint, jsonBody, own, pick } from './body.ts'
import { acceptFor, httpRequest, modelPage, tokenCount } from './envelope.ts'
import { httpError } from './errors.ts'
import { keyAuthorize } from './key.ts'
import type { ApiKey } from './key.ts'

/** Options of {@link anthropic}. */
export interface AnthropicOptions {
  /** Key from https://platform.claude.com, or a function that fetches one. */
  apiKey?: ApiKey
  /** Default `https://api.anthropic.com`; with or without `/v1`. */
  baseURL?: string
  /** Send the key as `authorization: Bearer` (OAuth tokens, several compatible servers) instead of `x-api-key`; default false. */
  bearer?: boolean
  /** Beta features to ask for, e.g. `files-api-2025-04-14`. */
  betas?: string[]
  /** Further request headers; they win over the codec's own. */
  headers?: Record<string, string>
}

/**
 * The codec for Anthropic's Messages API and servers that speak it.
 *
 * @example createClient({ provider: anthropic({ apiKey }) }).complete('Hello', { model: 'claude-sonnet-5-5' })
 */
export function anthropic(options: AnthropicOptions = {}): Provider {
  const { apiKey, baseURL = 'https://api.anthropic.com', bearer = false, betas = [], headers = {} } = options
  const url = (path: string) =>
    endpoint(baseURL, /\/v1\/*(?:$|\?)/.test(baseURL) ? path : `v1/${path}`, ANTHROPIC)
  const http = (
    path: string,
    { betas: flags, warnings }: Partial<EncodedMessages>,
    body?: string,
    accept?: { accept?: string },
  ): HttpRequest => {
    const beta = [...new Set([...betas, ...(flags ?? [])])].join(',')
    const own = {
      ...accept,
      'anthropic-version': ANTHROPIC_VERSION,
      // Lets browsers through CORS; that a page may hold a key at all is decided by the client.
      'anthropic-dangerous-direct-browser-access': 'true',
      'anthropic-beta': beta || undefined,
    }
    return httpRequest(url(path), { ...own, ...headers }, body, warnings)
  }
  return {
    name: ANTHROPIC,
    framing: 'sse',
    encode(request) {
      const encoded = encodeMessages(request, { provider: ANTHROPIC })
      const body = { ...encoded.body, stream: request.stream || undefined }
      return http('messages', encoded, jsonBody(body, request.body), acceptFor(request))
    },
    authorize: keyAuthorize({
      provider: ANTHROPIC,
      header: bearer ? 'authorization' : 'x-api-key',
      prefix: bearer ? 'Bearer ' : '',
      apiKey,
      keyNames: ['ANTHROPIC_API_KEY'],
    }),
    frames: (limits) => createSseDecoder(limits),
    decoder: (request) => createMessagesDecoder(ANTHROPIC, request),
    decode: (json, request) => decodeMessage(json, ANTHROPIC, request),
    error: (response) => httpError({ provider: ANTHROPIC, response }),
    countTokens: {
      encode(request) {
        const { body, betas } = encodeMessages(request, { provider: ANTHROPIC })
        return http('messages/count_tokens', { betas }, jsonBody(pick(body, COUNTED)))
      },
      decode: (json) => tokenCount(json, 'input_tokens', ANTHROPIC),
    },
    listModels: {
      encode: (cursor) =>
        http(`models?limit=1000${cursor === undefined ? '' : `&after_id=${encodeURIComponent(cursor)}`}`, {}),
      decode: (json) =>
        modelPage(json, 'data', 'id', own(json, 'has_more') === true ? own(json, 'last_id') : undefined),
    },
  }
}

/** What shapes the answer is not counted, and the endpoint rejects it. */
const COUNTED = 'model messages system tools tool_choice thinking output_config cache_control'
