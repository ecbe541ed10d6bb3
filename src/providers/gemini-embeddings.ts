/**
 * Gemini's embeddings, `POST /models/{model}:batchEmbedContents`.
 *
 * In:  texts. Out: an HTTP request; then one vector per text.
 * With fewer `dimensions` than 3,072 the vectors of gemini-embedding-001 are not of length 1: normalise them before
 * comparing by dot product. Not here: cutting a long list into batches (the client does).
 * Spec: https://ai.google.dev/api/embeddings, read 2026-11.
 */

import type { EmbeddingProvider } from '../provider.ts'
import { endpoint, jsonBody, own, pathSegment, countIn, listIn } from './body.ts'
import { httpError } from './errors.ts'
import type { GeminiOptions } from './gemini.ts'
import { keyAuthorize } from './key.ts'
import { floatRows } from './vectors.ts'

/** What a text is for, in Google's words. Vertex uses the same. */
export const TASK_TYPES: Readonly<Record<'query' | 'document', string>> = {
  query: 'RETRIEVAL_QUERY',
  document: 'RETRIEVAL_DOCUMENT',
}

/** The embedding codec for Gemini's developer API: 100 texts a request. `body` is merged into each of them. */
export function geminiEmbeddings(options: GeminiOptions = {}): EmbeddingProvider {
  const { baseURL = 'https://generativelanguage.googleapis.com/v1beta', headers, apiKey } = options
  const name = 'gemini'
  return {
    name,
    defaultModel: 'gemini-embedding-001', // 2025-07; the generally available one, 2026-11
    maxTexts: 100,
    encode({ model, texts, dimensions, purpose, body }) {
      const id = model.replace(/^models\//, '')
      const requests = texts.map((text) => ({
        model: `models/${id}`,
        content: { parts: [{ text }] },
        taskType: purpose === undefined ? undefined : TASK_TYPES[purpose],
        outputDimensionality: dimensions,
        ...body,
      }))
      return {
        method: 'POST',
        url: endpoint(baseURL, `models/${pathSegment(id)}:batchEmbedContents`, name),
        headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
        body: jsonBody({ requests }),
      }
    },
    authorize: keyAuthorize({
      provider: name,
      header: 'x-goog-api-key',
      apiKey,
      keyNames: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    }),
    decode(json) {
      const rows = listIn(json, 'embeddings').map((row) => own(row, 'values'))
      const inputTokens = countIn(own(json, 'usageMetadata'), 'promptTokenCount')
      return { rows: floatRows(rows, name), usage: { inputTokens } }
    },
    error: (response) => httpError({ provider: name, response }),
  }
}
