/**
 * What a 200 really holds, by its first byte.
 *
 * In:  the first windows of a body. Out: a verdict; what was read is put back.
 * Content types are not believed: proxies answer a login page with 200, gateways answer `stream: true` with one JSON
 * body, and Ollama's NDJSON has come without a type. Four of six SDKs turn the login page into an empty success.
 * Not here: reading either kind (answer.ts).
 */

import { LlmError } from '../errors.ts'
import type { Provider } from '../provider.ts'
import { concat } from './bytes.ts'
import type { Exchange } from './exchange.ts'

/** `frames`: what the codec's frame decoder reads. `json`: one JSON value. */
type Content = 'frames' | 'json'

/** Characters of a page that go into the error. */
const SNIPPET_CHARS = 200
/** Windows of nothing but blanks that are kept for the decoder. */
const MAX_BLANK_WINDOWS = 16
/** White space before the first telling byte; DeepSeek sends blank lines while it thinks, to keep the line open. */
const BLANKS = new Set([0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf])

/**
 * Reads until something tells. What was asked for does not matter: SSE and JSON are told apart by themselves, and one
 * JSON body is one line of NDJSON.
 * @throws LlmError `protocol` for an empty body and for a page.
 */
export async function sniff(exchange: Exchange, provider: Provider): Promise<Content> {
  let blanks: Uint8Array[] = []
  for (;;) {
    const window = await exchange.read()
    if (window === undefined) throw noAnswer(provider.name, 'success and an empty body', true)
    // AWS frames begin with a length: any byte but `{` and `<` is one, and none is a blank.
    const at = provider.framing === 'aws' ? 0 : window.findIndex((byte) => !BLANKS.has(byte))
    if (at >= 0) {
      exchange.unread(concat([...blanks, window]))
      return verdict(window, at, provider)
    }
    // The first few may be half a byte order mark; a flood of them means nothing to any framing.
    if (blanks.length < MAX_BLANK_WINDOWS) blanks.push(window)
    else blanks = []
  }
}

function verdict(window: Uint8Array, at: number, provider: Provider): Content {
  switch (window[at]) {
    case 0x3c: // <
      throw pageError(provider.name, new TextDecoder().decode(window.subarray(at, at + 4 * SNIPPET_CHARS)))
    case 0x7b: // {
      return provider.framing === 'ndjson' ? 'frames' : 'json'
    case 0x5b: // [
      return 'json'
    default:
      return 'frames'
  }
}

/** Success, by its status, and no answer. */
export function noAnswer(provider: string, what: string, retryable?: boolean): LlmError {
  return new LlmError({
    kind: 'protocol',
    provider,
    phase: 'stream',
    retryable,
    message: `${provider} answered with ${what}.`,
  })
}

/** A login page, a proxy's apology, a wrong path: the first words tell which. */
function pageError(provider: string, page: string): LlmError {
  const title = /<title[^>]*>([^<]*)/i.exec(page)?.[1] ?? page.replace(/<[^>]*>?/g, ' ')
  const snippet = title.replace(/\s+/g, ' ').trim().slice(0, SNIPPET_CHARS)
  return noAnswer(
    provider,
    `a web page instead of an answer${snippet && ` (“${snippet}”)`}: check baseURL, and whether a proxy or a login ` +
      'stands in between',
  )
}
