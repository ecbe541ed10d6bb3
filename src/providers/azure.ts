/**
 * Azure OpenAI and Microsoft Foundry: other people's formats at an address of your own.
 *
 * In:  our Request; `model` is the name of a deployment. Out: a request to the resource in the format of `api`.
 *   chat       {resource}.openai.azure.com/openai/v1/chat/completions, or /openai/deployments/{model}/… with a dated version
 *   responses  {resource}.openai.azure.com/openai/v1/responses
 *   anthropic  {resource}.services.ai.azure.com/anthropic/v1/messages
 *   foundry    {resource}.services.ai.azure.com/models/chat/completions
 * Not here: the formats themselves, and how an Entra token comes about (pass a function).
 * Spec: https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
 */

import type { Provider } from '../provider.ts'
import { createSseDecoder } from '../wire/sse.ts'
import { createMessagesDecoder, decodeMessage } from './anthropic-decode.ts'
import { ANTHROPIC_VERSION, encodeMessages } from './anthropic-encode.ts'
import {
  azureAuthorize,
  azureEndpoint,
  type AzureOptions,
  azureUrl,
  azureVersion,
  AZURE,
  isDated,
} from './azure-place.ts'
import { endpoint, jsonBody } from './body.ts'
import { acceptFor, httpRequest } from './envelope.ts'
import { httpError } from './errors.ts'
import { OPENAI_DIALECT, openaiChat } from './openai-chat.ts'
import type { Dialect } from './openai-chat-dialect.ts'
import { openai } from './openai.ts'

/** The embedding half, a codec of its own: a program that only chats does not ship it. */
export { azureEmbeddings } from './azure-embeddings.ts'

export type { AzureOptions }

/** The only version of the model inference API that is generally known; `models/` demands one. (2026-11) */
const FOUNDRY_VERSION = '2024-05-01-preview'

/** `max_completion_tokens` and `stream_options` are refused before. learn.microsoft.com, API lifecycle (2026-11) */
const MODERN_VERSION = '2024-09-01'

/** Models of many makers, behind an API that is strict about fields it does not know. */
const FOUNDRY: Dialect = { maxTokensField: 'max_tokens', replayReasoning: 'none' }

/**
 * The codec for Azure OpenAI and Foundry.
 * @throws LlmError `config` when the resource or the version cannot stand in a URL.
 * @example azure({ resource: 'my-resource', apiKey })
 * @example azure({ resource: 'my-resource', token: () => credential.getToken(), api: 'responses' })
 */
export function azure(options: AzureOptions): Provider {
  const codec = select(options)
  return { ...codec, authorize: azureAuthorize(options) }
}

function select(options: AzureOptions): Omit<Provider, 'authorize'> {
  const { api = 'chat', apiVersion = 'v1', headers = {} } = options
  const dated = isDated(apiVersion)
  if (api === 'anthropic') return claude(azureEndpoint(options, 'services.ai.azure.com'), headers)
  if (api === 'foundry') {
    const root = azureEndpoint(options, 'services.ai.azure.com')
    const query = `?api-version=${azureVersion(dated ? apiVersion : FOUNDRY_VERSION)}`
    return openaiChat({
      name: AZURE,
      baseURL: endpoint(root, `models${query}`, AZURE),
      headers,
      dialect: FOUNDRY,
    })
  }
  const at = azureUrl(options)
  if (api === 'responses') return openai({ name: AZURE, baseURL: at(), headers })
  const old = dated && apiVersion.slice(0, MODERN_VERSION.length) < MODERN_VERSION
  const dialect: Dialect = old
    ? { ...OPENAI_DIALECT, maxTokensField: 'max_tokens', streamOptions: false }
    : OPENAI_DIALECT
  const chat = (deployment?: string): Provider =>
    openaiChat({ name: AZURE, baseURL: at(deployment), headers, dialect })
  if (!dated) return chat()
  // Old versions list deployments elsewhere, under another key.
  const { listModels: _, ...shared } = chat()
  return { ...shared, encode: (request) => chat(request.model).encode(request) }
}

/** Claude on Foundry: Anthropic's format, under our name. */
function claude(root: string, headers: Record<string, string>): Omit<Provider, 'authorize'> {
  return {
    name: AZURE,
    framing: 'sse',
    encode(request) {
      const { body, betas, warnings } = encodeMessages(request, { provider: AZURE })
      const own = {
        ...acceptFor(request),
        'anthropic-version': ANTHROPIC_VERSION,
        'anthropic-beta': betas.join(',') || undefined,
      }
      return httpRequest(
        endpoint(root, 'anthropic/v1/messages', AZURE),
        { ...own, ...headers },
        jsonBody({ ...body, stream: request.stream || undefined }, request.body),
        warnings,
      )
    },
    frames: (limits) => createSseDecoder(limits),
    decoder: (request) => createMessagesDecoder(AZURE, request),
    decode: (json, request) => decodeMessage(json, AZURE, request),
    error: (response) => httpError({ provider: AZURE, response }),
  }
}
