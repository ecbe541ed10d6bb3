/**
 * Ollama's embeddings, `POST /api/embed`.
 *
 * In:  texts. Out: an HTTP request; then one vector per text.
 * Texts longer than the model's window are refused (`truncate: false`); by default Ollama cuts them in silence.
 * Not here: cutting a long list into batches (the client does); the prefixes (`search_query: …`) that some models want.
 * Spec: https://docs.ollama.com/api/embed, read 2026-11.
 */

import type { EmbeddingProvider } from '../provider.ts'
import { endpoint, jsonBody, countIn, stringIn, listIn } from './body.ts'
import { httpError } from './errors.ts'
import { keyAuthorize } from './key.ts'
import type { OllamaOptions } from './ollama.ts'
import { floatRows, purposeIgnored } from './vectors.ts'

/** The embedding codec for Ollama. The server has no limit of its own; 512 texts keep one request within seconds. */
export function ollamaEmbeddings(options: OllamaOptions = {}): EmbeddingProvider {
  const { baseURL = 'http://localhost:11434', headers, apiKey } = options
  const name = 'ollama'
  return {
    name,
    defaultModel: 'nomic-embed-text', // the most pulled one, 2026-11
    maxTexts: 512,
    encode: ({ model, texts, dimensions, purpose, body }) => ({
      method: 'POST',
      url: endpoint(baseURL, 'api/embed', name),
      headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
      body: jsonBody({ model, input: texts, truncate: false, dimensions }, body),
      ...(purpose === undefined ? {} : { warnings: [purposeIgnored(name)] }),
    }),
    authorize: keyAuthorize({
      provider: name,
      header: 'authorization',
      prefix: 'Bearer ',
      apiKey,
      keyNames: ['OLLAMA_API_KEY'],
      optional: true,
    }),
    decode(json) {
      const model = stringIn(json, 'model')
      return {
        rows: floatRows(listIn(json, 'embeddings'), name),
        usage: { inputTokens: countIn(json, 'prompt_eval_count') },
        ...(model === undefined ? {} : { model }),
      }
    },
    error: (response) => httpError({ provider: name, response }),
  }
}
