/**
 * From an API key to the one header that carries it.
 *
 * In:  a key or a function that fetches one. Out: `authorize` for a codec.
 * The key lives in this closure and in the header; no message, not even of the runtime's own `Headers`, shows it:
 * `new Headers({ 'x-api-key': 'sk…\n' })` throws an error that quotes the whole value (Node 20, 22, 24).
 * Not here: SigV4 (wire/sigv4.ts) and token exchanges, which belong to their providers.
 */

import { LlmError } from '../errors.ts'
import type { AuthorizeContext, HttpRequest } from '../provider.ts'

/** A key, or a function that fetches one; called once per attempt. */
export type ApiKey = string | (() => string | Promise<string>)

/**
 * The key, trimmed and safe to put into a header.
 * @throws LlmError `config` when there is none or it holds anything but printable ASCII; `auth` when the function fails.
 */
export async function resolveKey(
  apiKey: ApiKey | undefined,
  provider: string,
  keyNames: readonly string[],
): Promise<string> {
  let key: unknown = apiKey
  if (typeof apiKey === 'function') {
    try {
      key = await apiKey()
    } catch (cause) {
      if (LlmError.is(cause)) throw cause
      throw new LlmError({
        kind: 'auth',
        provider,
        phase: 'authorize',
        message: `The apiKey function for ${provider} failed.`,
        cause,
      })
    }
  }
  const where = keyNames.length === 0 ? 'pass apiKey' : `pass apiKey or set ${keyNames.join(' or ')}`
  const text = typeof key === 'string' ? key.trim() : ''
  if (text === '') throw keyError(provider, `There is no API key for ${provider}: ${where}.`)
  if (!/^[\x21-\x7e]+$/.test(text)) {
    throw keyError(
      provider,
      `The API key for ${provider} holds a space, a line break or a character outside ASCII: copy it again, then ${where}.`,
    )
  }
  return text
}

function keyError(provider: string, message: string): LlmError {
  return new LlmError({ kind: 'config', provider, phase: 'authorize', message })
}

/** How one provider wants its key. */
export interface KeyOptions {
  provider: string
  /** Lower-case header name. */
  header: string
  /** What stands before the key, e.g. `Bearer `. */
  prefix?: string
  apiKey?: ApiKey | undefined
  /** Environment variables, for the error message only. */
  keyNames: readonly string[]
  /** A server that also answers without a key: a local one. */
  optional?: boolean
}

/** `authorize` for providers whose key goes into one header. */
export function keyAuthorize(
  options: KeyOptions,
): (http: HttpRequest, context: AuthorizeContext) => Promise<HttpRequest> {
  const { provider, header, prefix = '', keyNames, optional = false } = options
  return async (http, context) => {
    const apiKey = context.apiKey ?? options.apiKey
    if (optional && (apiKey === undefined || apiKey === '')) return http
    const key = await resolveKey(apiKey, provider, keyNames)
    return { ...http, headers: { ...http.headers, [header]: prefix + key } }
  }
}
