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

import { LlmError } from '../errors.ts'
import type { Provider } from '../provider.ts'
import type { Request } from '../types.ts'
import { createSseDecoder } from '../wire/sse.ts'
import { createMessagesDecoder, decodeMessage } from './anthropic-decode.ts'
import { encodeMessages } from './anthropic-encode.ts'
import { endpoint, hostPart, jsonBody, pathSegment } from './body.ts'
import { httpError } from './errors.ts'
import { type ApiKey, keyAuthorize } from './key.ts'
import { OPENAI_DIALECT, openaiChat } from './openai-chat.ts'
import type { Dialect } from './openai-chat-dialect.ts'
import { openai } from './openai.ts'

/** Where the resource is, how it is spoken to, and as whom. */
export interface AzureOptions {
  /** Name of the resource: the first part of its host name. Either this or `baseURL`. */
  resource?: string
  /** The endpoint in full, where it is not `{resource}.openai.azure.com`: sovereign clouds, gateways. */
  baseURL?: string
  /** The resource's key, sent as `api-key`. */
  apiKey?: ApiKey
  /** An Entra ID access token for `https://cognitiveservices.azure.com/.default`, or a function that fetches one. */
  token?: ApiKey
  /** Default `chat`: every deployment speaks it. */
  api?: 'chat' | 'responses' | 'anthropic' | 'foundry'
  /** `v1` (default), `preview`, or a date such as `2024-10-21`, with the paths of that time. */
  apiVersion?: string
  /** Extra headers, lower-case names. */
  headers?: Record<string, string>
}

const NAME = 'azure'

/** The only version of the model inference API that is generally known; `models/` demands one. (2026-11) */
const FOUNDRY_VERSION = '2024-05-01-preview'

/** `max_completion_tokens` and `stream_options` are refused before. learn.microsoft.com, API lifecycle (2026-11) */
const MODERN_VERSION = '2024-09-01'

/** Models of many makers, behind an API that is strict about fields it does not know. */
const FOUNDRY: Dialect = { maxTokensField: 'max_tokens', replayReasoning: 'none' }

/** Where a resource of that name is reached, without the path. */
export function azureEndpoint({ resource, baseURL }: AzureOptions, domain: string): string {
  if (baseURL !== undefined) return baseURL.replace(/\/+$/, '')
  if (resource !== undefined) return `https://${hostPart(resource, 'resource', NAME)}.${domain}`
  throw new LlmError({
    kind: 'config',
    provider: NAME,
    message: `${NAME} needs to know where to send to: pass resource (the name of your resource) or baseURL.`,
  })
}

/** The header that carries the key or the token. */
export function azureAuthorize({ apiKey, token }: AzureOptions): Provider['authorize'] {
  return token === undefined
    ? keyAuthorize({ provider: NAME, header: 'api-key', apiKey, keyNames: ['AZURE_OPENAI_API_KEY'] })
    : keyAuthorize({
        provider: NAME,
        header: 'authorization',
        prefix: 'Bearer ',
        apiKey: token,
        keyNames: [],
      })
}

/** `/openai/v1`, with `api-version` only where it says something. */
export function azureV1(root: string, apiVersion: string): string {
  return endpoint(
    root,
    apiVersion === 'v1' ? 'openai/v1' : `openai/v1?api-version=${version(apiVersion)}`,
    NAME,
  )
}

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
  const dated = /^\d/.test(apiVersion)
  if (api === 'anthropic') {
    return claude(azureEndpoint(options, 'services.ai.azure.com'), headers)
  }
  if (api === 'foundry') {
    const root = azureEndpoint(options, 'services.ai.azure.com')
    const baseURL = endpoint(
      root,
      `models?api-version=${version(dated ? apiVersion : FOUNDRY_VERSION)}`,
      NAME,
    )
    return openaiChat({ name: NAME, baseURL, headers, dialect: FOUNDRY })
  }
  const root = azureEndpoint(options, 'openai.azure.com')
  if (api === 'responses') {
    const dateless = dated
      ? endpoint(root, `openai?api-version=${version(apiVersion)}`, NAME)
      : azureV1(root, apiVersion)
    return openai({ name: NAME, baseURL: dateless, headers })
  }
  if (!dated)
    return openaiChat({ name: NAME, baseURL: azureV1(root, apiVersion), headers, dialect: OPENAI_DIALECT })
  const old = apiVersion.slice(0, MODERN_VERSION.length) < MODERN_VERSION
  const dialect: Dialect = old
    ? { ...OPENAI_DIALECT, maxTokensField: 'max_tokens', streamOptions: false }
    : OPENAI_DIALECT
  const chat = (path: string): Provider => {
    const baseURL = endpoint(root, `openai/${path}?api-version=${version(apiVersion)}`, NAME)
    return openaiChat({ name: NAME, baseURL, headers, dialect })
  }
  const { listModels: _, ...shared } = chat('deployments')
  return { ...shared, encode: (request) => chat(`deployments/${deployment(request)}`).encode(request) }
}

/** The deployment is a piece of the path. */
function deployment({ model }: Request): string {
  return pathSegment(model)
}

/** Claude on Foundry: Anthropic's format, under our name. */
function claude(root: string, headers: Record<string, string>): Omit<Provider, 'authorize'> {
  return {
    name: NAME,
    framing: 'sse',
    encode(request) {
      const { body, betas, warnings } = encodeMessages(request, { provider: NAME })
      return {
        method: 'POST',
        url: endpoint(root, 'anthropic/v1/messages', NAME),
        headers: {
          'content-type': 'application/json',
          accept: request.stream ? 'text/event-stream' : 'application/json',
          'anthropic-version': '2023-06-01',
          ...(betas.length === 0 ? {} : { 'anthropic-beta': betas.join(',') }),
          ...headers,
        },
        body: jsonBody(request.stream ? { ...body, stream: true } : body, request.body),
        ...(warnings.length === 0 ? {} : { warnings }),
      }
    },
    frames: (limits) => createSseDecoder(limits),
    decoder: (request) => createMessagesDecoder(NAME, request),
    decode: (json, request) => decodeMessage(json, NAME, request),
    error: (response) => httpError({ provider: NAME, response }),
  }
}

function version(apiVersion: string): string {
  if (/^[\w.-]+$/.test(apiVersion)) return apiVersion
  throw new LlmError({
    kind: 'config',
    provider: NAME,
    message: `The apiVersion given to ${NAME} is no version: use v1, preview or a date such as 2024-10-21.`,
  })
}
