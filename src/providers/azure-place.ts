/**
 * Where an Azure resource stands, and how one gets in: the addresses and the credential that all its codecs share.
 *
 * In:  resource, version, key. Out: base URLs and `authorize`.
 * Everything that becomes part of a URL is checked: a resource name from a form must not send a key to another host.
 * Spec: https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
 */

import type { Provider } from '../provider.ts'
import { endpoint, hostPart, pathSegment } from './body.ts'
import { type ApiKey, keyAuthorize } from './key.ts'
import { fault } from './notes.ts'

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

/** The codec's name. */
export const AZURE = 'azure'

/** Where a resource of that name is reached, without the path. */
export function azureEndpoint({ resource, baseURL }: AzureOptions, domain: string): string {
  if (baseURL !== undefined) return baseURL.replace(/\/+$/, '')
  if (resource !== undefined) return `https://${hostPart(resource, 'resource', AZURE)}.${domain}`
  throw fault(
    'config',
    AZURE,
    'encode',
    `${AZURE} needs to know where to send to: pass resource (the name of your resource) or baseURL.`,
  )
}

/** The header that carries the key or the token. */
export function azureAuthorize({ apiKey, token }: AzureOptions): Provider['authorize'] {
  return token === undefined
    ? keyAuthorize({ provider: AZURE, header: 'api-key', apiKey, keyNames: ['AZURE_OPENAI_API_KEY'] })
    : keyAuthorize({
        provider: AZURE,
        header: 'authorization',
        prefix: 'Bearer ',
        apiKey: token,
        keyNames: [],
      })
}

/** True for versions that are dates: they have paths of their own. */
export function isDated(apiVersion: string): boolean {
  return /^\d/.test(apiVersion)
}

/**
 * The base URL under which a deployment answers: `/openai/v1`, or `/openai/deployments/{deployment}` with a dated
 * version; `/openai` where such a version takes the deployment from the body.
 * @throws LlmError `config` when resource or version cannot stand in a URL.
 */
export function azureUrl(options: AzureOptions): (deployment?: string) => string {
  const { apiVersion = 'v1' } = options
  const root = azureEndpoint(options, 'openai.azure.com')
  const query = apiVersion === 'v1' ? '' : `?api-version=${azureVersion(apiVersion)}`
  return (deployment) => {
    const old = deployment === undefined ? 'openai' : `openai/deployments/${pathSegment(deployment)}`
    return endpoint(root, `${isDated(apiVersion) ? old : 'openai/v1'}${query}`, AZURE)
  }
}

/** @throws LlmError `config` for what is no version. */
export function azureVersion(apiVersion: string): string {
  if (/^[\w.-]+$/.test(apiVersion)) return apiVersion
  throw fault(
    'config',
    AZURE,
    'encode',
    `The apiVersion given to ${AZURE} is no version: use v1, preview or a date such as 2024-10-21.`,
  )
}
