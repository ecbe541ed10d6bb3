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

import type { HttpRequest, Provider } from '../provider.ts'
import type { Request } from '../types.ts'
import { createMessagesDecoder, decodeMessage } from './anthropic-decode.ts'
import { encodeMessages } from './anthropic-encode.ts'
import { jsonBody, own } from './body.ts'
import { acceptFor, httpRequest, tokenCount } from './envelope.ts'
import { geminiFormat } from './gemini.ts'
import { encodeGemini } from './gemini-encode.ts'
import { fault } from './notes.ts'
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
      const message = `${request.model} needs a project: express mode serves Gemini only.`
      throw fault('config', VERTEX, 'encode', message)
    }
    const { body, betas, warnings } = encodeMessages(request, CLAUDE)
    const { model: _, ...rest } = body
    const full = { anthropic_version: ANTHROPIC_VERSION, ...rest, stream: request.stream || undefined }
    const verb = request.stream ? 'streamRawPredict' : 'rawPredict'
    return httpRequest(
      url('anthropic', request.model, verb),
      { ...acceptFor(request), 'anthropic-beta': betas.join(',') || undefined, ...headers },
      jsonBody(full, request.body),
      warnings,
    )
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
          const body = jsonBody(encodeGemini(request, VERTEX, []))
          return httpRequest(url('google', request.model, 'countTokens'), headers, body)
        }
        const { body, betas } = encodeMessages(request, CLAUDE)
        const { model, messages, system, tools } = body
        return httpRequest(
          url('anthropic', 'count-tokens', 'rawPredict'),
          { 'anthropic-beta': betas.join(',') || undefined, ...headers },
          jsonBody({ anthropic_version: ANTHROPIC_VERSION, model, messages, system, tools }),
        )
      },
      decode: (json) =>
        tokenCount(json, own(json, 'input_tokens') === undefined ? 'totalTokens' : 'input_tokens', VERTEX),
    },
  }
}

/** No automatic prompt caching here: the cache marks stand at the blocks. platform.claude.com, prompt caching (2026-11) */
const CLAUDE = { provider: VERTEX, explicitCache: true }

function isClaude(request: Request | undefined): boolean {
  return request !== undefined && /^claude/i.test(request.model)
}
