/**
 * Anthropic's Messages API: https://platform.claude.com/docs/en/api/messages.
 *
 * In:  our Request; out: an HTTP request, and from its answer StreamEvents. This file is the envelope: addresses,
 * headers, the key, counting and listing. The body is written in anthropic-encode.ts and the answer read in
 * anthropic-decode.ts, both of which also serve the clouds that host these models.
 * Not here: sending, retrying, deadlines.
 */

import { LlmError } from '../errors.ts'
import type { HttpRequest, Provider } from '../provider.ts'
import { createSseDecoder } from '../wire/sse.ts'
import { createMessagesDecoder, decodeMessage } from './anthropic-decode.ts'
import { ANTHROPIC, encodeMessages } from './anthropic-encode.ts'
import { asArray, asCount, asString, endpoint, jsonBody, own } from './body.ts'
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
  const http = (path: string, flags: readonly string[], accept: string, body?: string): HttpRequest => {
    const beta = [...new Set([...betas, ...flags])].join(',')
    return {
      method: body === undefined ? 'GET' : 'POST',
      url: url(path),
      headers: {
        accept,
        'anthropic-version': '2023-06-01',
        // Lets browsers through CORS; that a page may hold a key at all is decided by the client.
        'anthropic-dangerous-direct-browser-access': 'true',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(beta === '' ? {} : { 'anthropic-beta': beta }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    }
  }
  return {
    name: ANTHROPIC,
    framing: 'sse',
    encode(request) {
      const encoded = encodeMessages(request, { provider: ANTHROPIC })
      const body = request.stream ? { ...encoded.body, stream: true } : encoded.body
      const accept = request.stream ? 'text/event-stream' : 'application/json'
      return {
        ...http('messages', encoded.betas, accept, jsonBody(body, request.body)),
        warnings: encoded.warnings,
      }
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
        const { body, betas: flags } = encodeMessages(request, { provider: ANTHROPIC })
        // What shapes the answer is not counted, and the endpoint rejects it.
        const counted = Object.fromEntries(COUNTED.map((field) => [field, body[field]]))
        return http('messages/count_tokens', flags, 'application/json', jsonBody(counted))
      },
      decode: (json) => requiredCount(own(json, 'input_tokens')),
    },
    listModels: {
      encode: (cursor) =>
        http(
          `models?limit=1000${cursor === undefined ? '' : `&after_id=${encodeURIComponent(cursor)}`}`,
          [],
          'application/json',
        ),
      decode(json) {
        const models = asArray(own(json, 'data')).flatMap((row) => asString(own(row, 'id')) ?? [])
        const cursor = own(json, 'has_more') === true ? asString(own(json, 'last_id')) : undefined
        return cursor === undefined ? { models } : { models, cursor }
      },
    },
  }
}

const COUNTED = [
  'model',
  'messages',
  'system',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'cache_control',
] as const

function requiredCount(value: unknown): number {
  const count = asCount(value)
  if (count !== undefined) return count
  throw new LlmError({
    kind: 'protocol',
    provider: ANTHROPIC,
    message: 'The token count is missing in the answer of anthropic.',
  })
}
