/**
 * Embeddings on Vertex AI, `POST …/publishers/google/models/{model}:predict`.
 *
 * In:  texts. Out: an HTTP request; then one vector per text.
 * Texts that are too long are refused here (`autoTruncate: false`); by default Google cuts them and says so in a field
 * nobody reads. Not here: cutting a long list into batches (the client does), multimodal embeddings.
 * Spec: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api, read 2026-11.
 */

import type { EmbeddingProvider } from '../provider.ts'
import { jsonBody, own, sumCounts, countIn, listIn } from './body.ts'
import { httpError } from './errors.ts'
import { TASK_TYPES } from './gemini-embeddings.ts'
import { fault } from './notes.ts'
import { floatRows } from './vectors.ts'
import { vertexAuthorize, type VertexOptions, vertexUrl } from './vertex-place.ts'

/** Options of {@link vertexEmbeddings}. */
export interface VertexEmbeddingsOptions extends VertexOptions {
  /** Texts per request. Default 100 (20,000 tokens at most); gemini-embedding-001 gets 1, which is all it takes. */
  maxTexts?: number
}

/**
 * The embedding codec for Vertex AI.
 * @throws LlmError `config` from `encode` when the model takes one text a request and got more.
 */
export function vertexEmbeddings(options: VertexEmbeddingsOptions = {}): EmbeddingProvider {
  const { maxTexts = 100, headers } = options
  const name = 'vertex'
  const url = vertexUrl(options)
  return {
    name,
    defaultModel: 'text-embedding-005', // 2024-11; the newest that takes batches, 2026-11
    maxTexts,
    maxTextsOf: (model) => (model === 'gemini-embedding-001' ? 1 : maxTexts),
    encode({ model, texts, dimensions, purpose, body }) {
      if (model === 'gemini-embedding-001' && texts.length > 1) {
        throw fault(
          'config',
          name,
          'encode',
          `${model} takes one text a request on ${name}: make the provider with maxTexts: 1.`,
        )
      }
      const instances = texts.map((content) => ({
        content,
        task_type: purpose === undefined ? undefined : TASK_TYPES[purpose],
      }))
      return {
        method: 'POST',
        url: url('google', model, 'predict'),
        headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
        body: jsonBody(
          { instances, parameters: { autoTruncate: false, outputDimensionality: dimensions } },
          body,
        ),
      }
    },
    authorize: vertexAuthorize(options),
    decode(json) {
      const embeddings = listIn(json, 'predictions').map((one) => own(one, 'embeddings'))
      const counts = embeddings.map((one) => countIn(own(one, 'statistics'), 'token_count'))
      return {
        rows: floatRows(
          embeddings.map((one) => own(one, 'values')),
          name,
        ),
        usage: { inputTokens: sumCounts(...counts) },
      }
    },
    error: (response) => httpError({ provider: name, response }),
  }
}
