/**
 * Embeddings of an Azure OpenAI deployment: OpenAI's format at an address of your own.
 *
 * In:  texts; `model` is the name of a deployment. Out: an HTTP request; then one vector per text.
 * Not here: the format (openai-embeddings.ts), the address and the key (azure.ts).
 */

import type { EmbeddingProvider } from '../provider.ts'
import { azureAuthorize, type AzureOptions, azureUrl } from './azure-place.ts'
import { openaiEmbeddings } from './openai-embeddings.ts'

/** The embedding codec for Azure OpenAI: 2,048 texts a request. Without a default model, as deployments have your names. */
export function azureEmbeddings(options: AzureOptions): EmbeddingProvider {
  const at = azureUrl(options)
  const codec = (deployment: string): EmbeddingProvider =>
    openaiEmbeddings({
      name: 'azure',
      baseURL: at(deployment),
      ...(options.headers === undefined ? {} : { headers: options.headers }),
    })
  return {
    ...codec('deployment'),
    encode: (request) => codec(request.model).encode(request),
    authorize: azureAuthorize(options),
  }
}
