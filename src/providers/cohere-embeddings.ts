/**
 * Cohere's embeddings, `POST /v2/embed`.
 *
 * In:  texts. Out: an HTTP request; then one vector per text.
 * Models from version 3 on must be told what a text is for: without `purpose` it is a document to be found.
 * Not here: images, compressed types, cutting a long list into batches (the client does).
 * Spec: https://docs.cohere.com/reference/embed, read 2026-11.
 */

import type { EmbeddingProvider } from '../provider.ts'
import { endpoint, jsonBody, own, countIn, listIn } from './body.ts'
import type { CohereOptions } from './cohere.ts'
import { httpError } from './errors.ts'
import { keyAuthorize } from './key.ts'
import { floatRows } from './vectors.ts'

/** The embedding codec for Cohere: 96 texts a request. */
export function cohereEmbeddings(options: CohereOptions = {}): EmbeddingProvider {
  const { baseURL = 'https://api.cohere.com', headers, apiKey } = options
  const name = 'cohere'
  return {
    name,
    defaultModel: 'embed-v4.0', // 2025-04; the newest, 2026-11
    maxTexts: 96,
    encode: ({ model, texts, dimensions, purpose, body }) => ({
      method: 'POST',
      url: endpoint(baseURL, 'v2/embed', name),
      headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
      body: jsonBody(
        {
          model,
          texts,
          input_type: purpose === 'query' ? 'search_query' : 'search_document',
          embedding_types: ['float'],
          output_dimension: dimensions,
          truncate: 'NONE',
        },
        body,
      ),
      ...(purpose === undefined
        ? {
            warnings: [
              {
                code: 'default',
                field: 'purpose',
                message: "The texts were embedded as documents: pass purpose: 'query' for questions.",
              },
            ],
          }
        : {}),
    }),
    authorize: keyAuthorize({
      provider: name,
      header: 'authorization',
      prefix: 'Bearer ',
      apiKey,
      keyNames: ['COHERE_API_KEY', 'CO_API_KEY'],
    }),
    decode(json) {
      const billed = own(own(json, 'meta'), 'billed_units')
      return {
        rows: floatRows(listIn(own(json, 'embeddings'), 'float'), name),
        usage: { inputTokens: countIn(billed, 'input_tokens') },
      }
    },
    error: (response) => httpError({ provider: name, response }),
  }
}
