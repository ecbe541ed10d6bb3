/**
 * OpenAI's embeddings, `POST /embeddings`, which most compatible servers offer too.
 *
 * In:  texts. Out: an HTTP request; then one `Float32Array` per text, in the order of the texts.
 * Vectors come as base64 where the server can: a third of the bytes, and no decimal parsing.
 * Not here: cutting a long list into batches (the client does, by `maxTexts`).
 * Spec: https://platform.openai.com/docs/api-reference/embeddings, read 2026-11.
 */

import type { LlmError } from '../errors.ts'
import type { EmbeddingProvider } from '../provider.ts'
import { endpoint, jsonBody, own, countIn, stringIn, listIn } from './body.ts'
import { httpError, streamError } from './errors.ts'
import { type ApiKey, keyAuthorize } from './key.ts'
import { fault } from './notes.ts'
import { floatRows, purposeIgnored } from './vectors.ts'

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

/**
 * The embedding codec for OpenAI and servers that speak its format.
 * @throws LlmError from the methods of the codec only; see {@link Provider}.
 */
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
            warnings: [purposeIgnored(name)],
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
      const data = listIn(json, 'data')
      const vectors: unknown[] = []
      // `index` says where a vector belongs; a server that sends none keeps the order.
      for (const [at, item] of data.entries()) {
        const index = countIn(item, 'index') ?? at
        if (!Number.isInteger(index) || index >= data.length || vectors[index] !== undefined) {
          throw protocol(name, `it numbers an embedding ${index} of ${data.length}`)
        }
        const vector = own(item, 'embedding')
        vectors[index] = typeof vector === 'string' ? numbersOf(vector, name) : (vector ?? null)
      }
      const usage = own(json, 'usage')
      const model = stringIn(json, 'model')
      return {
        rows: floatRows(vectors, name),
        usage: {
          inputTokens: countIn(usage, 'prompt_tokens'),
          totalTokens: countIn(usage, 'total_tokens'),
        },
        ...(model === undefined || model === '' ? {} : { model }),
      }
    },
    error: (response) => httpError({ provider: name, response }),
  }
}

/** Little-endian float32, base64. Read through a DataView, so that the machine's own order does not matter. */
function numbersOf(base64: string, provider: string): number[] {
  let text: string
  try {
    text = atob(base64)
  } catch {
    throw protocol(provider, 'it holds broken base64')
  }
  if (text.length % 4 !== 0) throw protocol(provider, `it holds ${text.length} bytes where 4 make a number`)
  const bytes = new DataView(new ArrayBuffer(text.length))
  for (let at = 0; at < text.length; at++) bytes.setUint8(at, text.charCodeAt(at))
  return Array.from({ length: text.length / 4 }, (_, at) => bytes.getFloat32(at * 4, true))
}

function protocol(provider: string, reason: string): LlmError {
  return fault('protocol', provider, 'stream', `${provider} did not answer with embeddings: ${reason}.`)
}
