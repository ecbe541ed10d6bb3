/**
 * Gemini's generateContent, streamed and whole, at Google's developer API.
 *
 * In:  our Request, then frames of which each is a whole GenerateContentResponse holding the next pieces.
 * Out: an HTTP request, then our events. One candidate is read; several cannot stand in one message.
 * Not here: the request body (gemini-encode.ts), the answer (gemini-decode.ts), Google Cloud (vertex.ts).
 * Spec: https://ai.google.dev/api/generate-content
 */

import type { Provider } from '../provider.ts'
import type { Warning } from '../types.ts'
import { createSseDecoder } from '../wire/sse.ts'
import { endpoint, jsonBody, own, parseFrameJson, pathSegment } from './body.ts'
import { acceptFor, httpRequest, modelPage, tokenCount } from './envelope.ts'
import { httpError } from './errors.ts'
import { createAnswer } from './gemini-decode.ts'
import { encodeGemini } from './gemini-encode.ts'
import { type ApiKey, keyAuthorize } from './key.ts'

/** The embedding half, a codec of its own: a program that only chats does not ship it. */
export { geminiEmbeddings } from './gemini-embeddings.ts'

/** How to reach Gemini's developer API. */
export interface GeminiOptions {
  /** A key, or a function that fetches one. Default: the one of the call. */
  apiKey?: ApiKey
  /** Default `https://generativelanguage.googleapis.com/v1beta`. */
  baseURL?: string
  /** Extra headers, lower-case names. */
  headers?: Record<string, string>
}

/**
 * The codec for Gemini's developer API. The key goes into a header, never into the URL, where logs would keep it.
 * Source: https://ai.google.dev/api, read 2026-11.
 */
export function gemini(options: GeminiOptions = {}): Provider {
  const { baseURL = 'https://generativelanguage.googleapis.com/v1beta', headers = {}, apiKey } = options
  const name = 'gemini'
  const url = (path: string): string => endpoint(baseURL, path, name)
  const codec = geminiFormat({
    name,
    headers,
    url: (model, verb) => url(`${modelPath(model)}:${verb}`),
    authorize: keyAuthorize({
      provider: name,
      header: 'x-goog-api-key',
      apiKey,
      keyNames: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    }),
  })
  return {
    ...codec,
    defaultModel: 'gemini-3.8-flash', // newest generally available Flash, 2026-11
    countTokens: {
      encode(request) {
        const [folder, id] = modelName(request.model)
        const body = { model: `${folder}/${id}`, ...encodeGemini(request, name, []) }
        return httpRequest(
          url(`${modelPath(request.model)}:countTokens`),
          headers,
          jsonBody({ generateContentRequest: body }),
        )
      },
      decode: (json) => tokenCount(json, 'totalTokens', name),
    },
    listModels: {
      encode: (cursor) =>
        httpRequest(
          url(
            `models?pageSize=1000${cursor === undefined ? '' : `&pageToken=${encodeURIComponent(cursor)}`}`,
          ),
          headers,
        ),
      decode(json) {
        const page = modelPage(json, 'models', 'name', own(json, 'nextPageToken'))
        return { ...page, models: page.models.map((model) => model.replace(/^models\//, '')) }
      },
    },
  }
}

/** `models/…` and `tunedModels/…` are how Google lists ids; both, and bare ids, are accepted. */
function modelName(model: string): [folder: string, id: string] {
  const [, folder = 'models', id = model] = /^(models|tunedModels)\/(.+)$/.exec(model) ?? []
  return [folder, id]
}

function modelPath(model: string): string {
  const [folder, id] = modelName(model)
  return `${folder}/${pathSegment(id)}`
}

/** What differs between the places where the format is spoken. */
export interface GeminiFormat {
  /** The codec's name in events, errors and `origin`. */
  name: string
  headers: Record<string, string>
  url(model: string, verb: string): string
  authorize: Provider['authorize']
}

/** A codec for generateContent, wherever it is served. */
export function geminiFormat(format: GeminiFormat): Provider {
  const { name, headers, url, authorize } = format
  return {
    name,
    framing: 'sse',
    encode(request) {
      const warnings: Warning[] = []
      const body = jsonBody(encodeGemini(request, name, warnings), request.body)
      const verb = request.stream ? 'streamGenerateContent?alt=sse' : 'generateContent'
      return httpRequest(url(request.model, verb), { ...acceptFor(request), ...headers }, body, warnings)
    },
    authorize,
    frames: (limits) => createSseDecoder(limits),
    decoder(request) {
      const answer = createAnswer(name, request)
      let done = false
      return {
        push(frame) {
          // Google sends no [DONE]; gateways in front of it do.
          if (frame.data.trim() === '[DONE]') {
            done = true
            return []
          }
          return answer.push(parseFrameJson(frame.data, name))
        },
        end: () => answer.end(),
        get done() {
          return done
        },
        raw: answer.raw,
      }
    },
    decode(json, request) {
      const answer = createAnswer(name, request)
      // Without alt=sse a stream is one JSON array of what would have been its frames.
      const frames = Array.isArray(json) ? json : [json]
      const events = frames.flatMap((frame) => answer.push(frame))
      return { events: [...events, ...answer.end()], raw: answer.raw }
    },
    error: (response) => httpError({ provider: name, response }),
  }
}
