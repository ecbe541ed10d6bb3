/**
 * OpenAI's embeddings, `POST /embeddings`, which most compatible servers offer too.
 *
 * In:  texts. Out: an HTTP request; then one `Float32Array` per text, in the order of the texts.
 * Vectors come as base64 where the server can: a third of the bytes, and no decimal parsing.
 * Not here: cutting a long list into batches (the client does, by `maxTexts`).
 * Spec: https://platform.openai.com/docs/api-reference/embeddings, read 2026-11.
 */

import { LlmError } from '../errors.ts'
import type { EmbeddingProvider } from '../provider.ts'
import { asArray, asCount, asNumber, asString, endpoint, jsonBody, own } from './body.ts'
import { httpError, streamError } from './errors.ts'
import { type ApiKey, keyAuthorize } from './key.ts'

/** Where to find the server, and what it can do. */
export interface OpenAIEmbeddingsOptions {
  /** A key, or a function that fetches one; called once per attempt. */
  apiKey?: ApiKey | undefined
  /** Default `https://api.openai.com/v1`. */
  baseURL?: string | undefined
  /** Extra headers, lower-case names. */
  headers?: Record<string, string> | undefined
  /** The name reported in results and errors. Default `openai`. */
  name?: string | undefined
  /** Environment variables that hold the key, for error messages. Default `OPENAI_API_KEY`. */
  keyNames?: readonly string[] | undefined
  /** The server also answers without a key. Default false. */
  keyOptional?: boolean | undefined
  /** Largest batch one request may carry. Default 2,048, OpenAI's limit. */
  maxTexts?: number | undefined
  /** Ask for base64. Default true; both forms are read whatever was asked for. */
  base64?: boolean | undefined
}

/** The embedding codec for OpenAI and servers that speak its format. */
export function openaiEmbeddings(options: OpenAIEmbeddingsOptions = {}): EmbeddingProvider {
  const { name = 'openai', baseURL = 'https://api.openai.com/v1', headers, base64 = true } = options
  return {
    name,
    ...(options.baseURL === undefined ? { defaultModel: 'text-embedding-3-small' } : {}),
    maxTexts: options.maxTexts ?? 2048,
    encode: (request) => ({
      method: 'POST',
      url: endpoint(baseURL, 'embeddings', name),
      headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
      body: jsonBody(
        {
          model: request.model,
          input: request.texts,
          dimensions: request.dimensions,
          encoding_format: base64 ? 'base64' : undefined,
        },
        request.body,
      ),
      ...(request.purpose === undefined
        ? {}
        : {
            warnings: [
              {
                code: 'unsupported',
                field: 'purpose',
                message: `${name} embeds queries and documents alike; purpose was not sent.`,
              },
            ],
          }),
    }),
    authorize: keyAuthorize({
      provider: name,
      header: 'authorization',
      prefix: 'Bearer ',
      apiKey: options.apiKey,
      keyNames: options.keyNames ?? ['OPENAI_API_KEY'],
      optional: options.keyOptional ?? false,
    }),
    decode(json) {
      const error = own(json, 'error')
      if (error !== undefined && error !== null) throw streamError({ provider: name, error: json })
      const data = asArray(own(json, 'data'))
      const rows: Float32Array[] = []
      // `index` says where a vector belongs; a server that sends none keeps the order.
      for (const [at, item] of data.entries()) {
        const index = asCount(own(item, 'index')) ?? at
        if (!Number.isInteger(index) || index >= data.length || rows[index] !== undefined) {
          throw protocol(name, `its answer numbers an embedding ${index} of ${data.length}`)
        }
        rows[index] = vector(own(item, 'embedding'), name)
      }
      const usage = own(json, 'usage')
      const model = asString(own(json, 'model'))
      return {
        rows,
        usage: {
          inputTokens: asCount(own(usage, 'prompt_tokens')),
          totalTokens: asCount(own(usage, 'total_tokens')),
        },
        ...(model === undefined || model === '' ? {} : { model }),
      }
    },
    error: (response) => httpError({ provider: name, response }),
  }
}

function vector(value: unknown, provider: string): Float32Array {
  if (typeof value === 'string') return floatsOf(value, provider)
  const numbers = asArray(value)
  const row = new Float32Array(numbers.length)
  for (const [at, number] of numbers.entries()) row[at] = asNumber(number) ?? Number.NaN
  if (row.length === 0 || row.some(Number.isNaN))
    throw protocol(provider, 'its answer holds no list of numbers')
  return row
}

/** Little-endian float32, base64. Read through a DataView, so that the machine's own order does not matter. */
function floatsOf(base64: string, provider: string): Float32Array {
  let text: string
  try {
    text = atob(base64)
  } catch {
    throw protocol(provider, 'its answer holds broken base64')
  }
  if (text.length === 0 || text.length % 4 !== 0) {
    throw protocol(provider, `its answer holds ${text.length} bytes where 4 make a number`)
  }
  const bytes = new DataView(new ArrayBuffer(text.length))
  for (let at = 0; at < text.length; at++) bytes.setUint8(at, text.charCodeAt(at))
  const row = new Float32Array(text.length / 4)
  for (let at = 0; at < row.length; at++) row[at] = bytes.getFloat32(at * 4, true)
  return row
}

function protocol(provider: string, reason: string): LlmError {
  return new LlmError({
    kind: 'protocol',
    provider,
    message: `${provider} did not answer with embeddings: ${reason}.`,
  })
}
