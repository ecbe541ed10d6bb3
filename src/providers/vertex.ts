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
import { asCount, endpoint, hostPart, jsonBody, own, pathSegment } from './body.ts'
import { geminiFormat } from './gemini.ts'
import { encodeGemini } from './gemini-encode.ts'
import { type ApiKey, keyAuthorize } from './key.ts'

/** Where in Google Cloud to ask, and as whom. */
export interface VertexOptions {
  /** Project id or number. Without it: express mode, Gemini only. */
  project?: string
  /** A region such as `europe-west4`, a multi-region `us` or `eu`, or `global`. Default `global`. */
  location?: string
  /** An access token, or a function that fetches one; an API key in express mode. Called once per attempt. */
  apiKey?: ApiKey
  /** Default: the API's host for the location. Everything before `/projects/…`, the version included. */
  baseURL?: string
  /** Extra headers, lower-case names. */
  headers?: Record<string, string>
}

const NAME = 'vertex'

/** Anthropic's API version as Vertex calls it; there is no other. docs.cloud.google.com, use-claude (2026-11). */
const ANTHROPIC_VERSION = 'vertex-2023-10-16'

/**
 * The codec for Vertex AI. Models named `claude…` are asked in Anthropic's format, all others in Gemini's.
 * @throws LlmError `config` when project or location cannot stand in a URL.
 * @example vertex({ project: 'my-project', location: 'europe-west4', apiKey: () => auth.getAccessToken() })
 */
export function vertex(options: VertexOptions = {}): Provider {
  const { project, location = 'global', apiKey, headers = {} } = options
  const base = options.baseURL ?? `https://${hostOf(hostPart(location, 'location', NAME))}/v1`
  const scope = project === undefined ? '' : `projects/${checked(project)}/locations/${location}/`
  const url = (publisher: string, model: string, verb: string): string =>
    endpoint(base, `${scope}publishers/${publisher}/models/${modelSegment(model)}:${verb}`, NAME)
  const authorize = keyAuthorize({
    provider: NAME,
    apiKey,
    keyNames: [],
    ...(project === undefined
      ? { header: 'x-goog-api-key' }
      : { header: 'authorization', prefix: 'Bearer ' }),
  })
  const gemini = geminiFormat({
    name: NAME,
    headers,
    authorize,
    url: (model, verb) => url('google', model, verb),
  })

  /** A request in Anthropic's format: the version goes into the body, where the model stood. */
  function encodeClaude(request: Request): HttpRequest {
    if (project === undefined) {
      throw new LlmError({
        kind: 'config',
        provider: NAME,
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
      isClaude(request) ? createMessagesDecoder(NAME, request) : gemini.decoder(request),
    decode: (json, request) =>
      isClaude(request) ? decodeMessage(json, NAME, request) : gemini.decode(json, request),
    countTokens: {
      encode(request) {
        if (!isClaude(request)) {
          return {
            method: 'POST',
            url: url('google', request.model, 'countTokens'),
            headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
            body: jsonBody(encodeGemini(request, NAME, [])),
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
          provider: NAME,
          message: `${NAME} counted the tokens without saying how many.`,
        })
      },
    },
  }
}

/** No automatic prompt caching here: the cache marks stand at the blocks. platform.claude.com, prompt caching (2026-11) */
const CLAUDE = { provider: NAME, explicitCache: true }

function isClaude(request: Request | undefined): boolean {
  return request !== undefined && /^claude/i.test(request.model)
}

/** `us` and `eu` are served from hosts of their own. https://cloud.google.com/vertex-ai/docs/general/locations (2026-11) */
function hostOf(location: string): string {
  if (location === 'global') return 'aiplatform.googleapis.com'
  if (location === 'us' || location === 'eu') return `aiplatform.${location}.rep.googleapis.com`
  return `${location}-aiplatform.googleapis.com`
}

/** Project ids, numbers, and ids scoped to a domain (`example.com:my-project`). */
function checked(project: string): string {
  if (/^[a-z0-9][\w.:-]*$/i.test(project)) return project
  throw new LlmError({
    kind: 'config',
    provider: NAME,
    message: `The project given to ${NAME} is no project id: use letters, digits and hyphens.`,
  })
}

/** Versions of Claude stand behind an `@`, which Google's own clients leave as it is. */
function modelSegment(model: string): string {
  return pathSegment(model).replaceAll('%40', '@')
}
