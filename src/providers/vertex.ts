/**
 * Google Cloud's Vertex AI: Gemini and Claude under one roof.
 *
 * In:  our Request. Out: an HTTP request to the publisher of the model, and its answer in that publisher's format.
 * With a `project` the credential is an access token (OAuth, an hour long: pass a function); without one it is an API
 * key of express mode. Not here: how a token comes about. Service accounts, workload identity and `gcloud` each have
 * their own ways, none of which belongs into a codec.
 * Spec: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference,
 *       https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
 */

import { LlmError } from '../errors.ts'
import type { HttpRequest, Provider } from '../provider.ts'
import type { Request } from '../types.ts'
import { createMessagesDecoder, decodeMessage } from './anthropic-decode.ts'
import { type EncodedMessages, encodeMessages } from './anthropic-encode.ts'
import { asCount, jsonBody, own } from './body.ts'
import { geminiFormat } from './gemini.ts'
import { encodeGemini } from './gemini-encode.ts'
import { VERTEX, vertexAuthorize, type VertexOptions, vertexUrl } from './vertex-place.ts'

/** The embedding half, a codec of its own: a program that only chats does not ship it. */
export { vertexEmbeddings } from './vertex-embeddings.ts'

/** Anthropic's API version as Vertex calls it; there is no other. docs.cloud.google.com, use-claude (2026-11). */
const ANTHROPIC_VERSION = 'vertex-2023-10-16'

export type { VertexOptions }

/**
 * The codec for Vertex AI. Models named `claude…` are asked in Anthropic's format, all others in Gemini's.
 * @throws LlmError `config` when project or location cannot stand in a URL.
 * @example vertex({ project: 'my-project', location: 'europe-west4', apiKey: () => auth.getAccessToken() })
 */
export function vertex(options: VertexOptions = {}): Provider {
  const { project, headers = {} } = options
  const url = vertexUrl(options)
  const authorize = vertexAuthorize(options)
  const gemini = geminiFormat({
    name: VERTEX,
    headers,
    authorize,
    url: (model, verb) => url('google', model, verb),
  })

  /** A request in Anthropic's format: the version goes into the body, where the model stood. */
  function encodeClaude(request: Request): HttpRequest {
    if (project === undefined) {
      throw new LlmError({
        kind: 'config',
        provider: VERTEX,
        phase: 'encode',
        message: `${request.model} needs a project: express mode serves Gemini only.`,
      })
    }
    const encoded = encodeMessages(request, CLAUDE)
    const { model: _, ...body } = encoded.body
    const stream = request.stream ? { stream: true } : {}
    return {
      method: 'POST',
      url: url('anthropic', request.model, request.stream ? 'streamRawPredict' : 'rawPredict'),
      headers: claudeHeaders(encoded, request.stream ? 'text/event-stream' : 'application/json'),
      body: jsonBody({ anthropic_version: ANTHROPIC_VERSION, ...body, ...stream }, request.body),
      ...(encoded.warnings.length === 0 ? {} : { warnings: encoded.warnings }),
    }
  }

  function claudeHeaders({ betas }: EncodedMessages, accept: string): Record<string, string> {
    return {
      'content-type': 'application/json',
      accept,
      ...(betas.length === 0 ? {} : { 'anthropic-beta': betas.join(',') }),
      ...headers,
    }
  }

  return {
    ...gemini,
    defaultModel: 'gemini-3.8-flash', // newest generally available Flash, 2026-11
    encode: (request) => (isClaude(request) ? encodeClaude(request) : gemini.encode(request)),
    decoder: (request) =>
      isClaude(request) ? createMessagesDecoder(VERTEX, request) : gemini.decoder(request),
    decode: (json, request) =>
      isClaude(request) ? decodeMessage(json, VERTEX, request) : gemini.decode(json, request),
    countTokens: {
      encode(request) {
        if (!isClaude(request)) {
          return {
            method: 'POST',
            url: url('google', request.model, 'countTokens'),
            headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
            body: jsonBody(encodeGemini(request, VERTEX, [])),
          }
        }
        const encoded = encodeMessages(request, CLAUDE)
        const { model, messages, system, tools } = encoded.body
        return {
          method: 'POST',
          url: url('anthropic', 'count-tokens', 'rawPredict'),
          headers: claudeHeaders(encoded, 'application/json'),
          body: jsonBody({ anthropic_version: ANTHROPIC_VERSION, model, messages, system, tools }),
        }
      },
      decode(json) {
        const count = asCount(own(json, 'totalTokens')) ?? asCount(own(json, 'input_tokens'))
        if (count !== undefined) return count
        throw new LlmError({
          kind: 'protocol',
          provider: VERTEX,
          message: `${VERTEX} counted the tokens without saying how many.`,
        })
      },
    },
  }
}

/** No automatic prompt caching here: the cache marks stand at the blocks. platform.claude.com, prompt caching (2026-11) */
const CLAUDE = { provider: VERTEX, explicitCache: true }

function isClaude(request: Request | undefined): boolean {
  return request !== undefined && /^claude/i.test(request.model)
}
