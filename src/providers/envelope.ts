/**
 * What stands around a body: the HTTP request it goes out in, and the small answers to counting and listing.
 *
 * In:  a URL, headers, a body as text. Out: an `HttpRequest`; a number of tokens, a page of model ids.
 * Not here: keys (key.ts), URLs and JSON (body.ts).
 */

import type { HttpRequest } from '../provider.ts'
import type { Request, Warning } from '../types.ts'
import { countIn, defined, listIn, stringIn } from './body.ts'
import { protocol } from './notes.ts'

/** A POST of JSON, or without a body a GET. The headers given win; those that are undefined are left out. */
export function httpRequest(
  url: string,
  headers: Readonly<Record<string, string | undefined>> | undefined,
  body?: string,
  warnings?: Warning[],
): HttpRequest {
  const type = body === undefined ? undefined : 'application/json'
  return defined({
    method: body === undefined ? ('GET' as const) : ('POST' as const),
    url,
    headers: defined({ 'content-type': type, accept: 'application/json', ...headers }) as Record<
      string,
      string
    >,
    body,
    warnings,
  })
}

/** Asks for a stream, or for one JSON body. */
export function acceptFor({ stream }: Request, type = 'text/event-stream'): { accept?: string } {
  return stream ? { accept: type } : {}
}

/**
 * The number of tokens a server counted.
 * @throws LlmError `protocol` when it did not say.
 */
export function tokenCount(json: unknown, field: string, provider: string): number {
  const count = countIn(json, field)
  if (count !== undefined) return count
  throw protocol(provider, 'counted the tokens without saying how many')
}

/** The ids in a list of models, and where the next page begins. */
export function modelPage(
  json: unknown,
  list: string,
  id: string,
  cursor?: unknown,
): { models: string[]; cursor?: string } {
  const models = listIn(json, list).flatMap((row) => stringIn(row, id) ?? [])
  return typeof cursor === 'string' && cursor !== '' ? { models, cursor } : { models }
}
