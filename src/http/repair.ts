/**
 * One more try with something changed: failures that tell what to do differently.
 *
 * In:  the failure of an attempt, and what was asked. Out: true when asking again makes sense, the change made.
 *   401                        fetch the key again, once; pointless when it comes out the same
 *   400 naming stream_options  ask without them; naming stream: ask for one JSON body
 *   context too long           let `fit` shorten the conversation, with the numbers the server gave
 * Each once per call. None of the refused requests was charged.
 * Not here: trying the same again (retry.ts).
 */

import type { LlmError } from '../errors.ts'
import type { Options, Request, Warning } from '../types.ts'

/** What is asked, as it changes from attempt to attempt. */
export interface Ask {
  request: Request
  /** The 401 because of which keys are fetched anew for the next attempt. */
  refresh: LlmError | undefined
  /** What was changed, for the caller to know. */
  warnings: Warning[]
  /** Repairs already made. */
  done: Set<'refresh' | 'stream' | 'streamOptions' | 'fit'>
}

/** Nothing repaired yet. */
export function createAsk(request: Request): Ask {
  return { request, refresh: undefined, warnings: [], done: new Set() }
}

/** @returns whether to ask again. */
export async function repair(ask: Ask, failure: LlmError, options: Options): Promise<boolean> {
  ask.refresh = undefined
  // AWS answers 403 ExpiredTokenException where everybody else answers 401.
  const stale = failure.status === 401 || /^expired/i.test(failure.code ?? '')
  if (stale && once(ask, 'refresh')) {
    ask.refresh = failure
    return true
  }
  if (failure.kind === 'context-length' && options.fit !== undefined && once(ask, 'fit')) {
    ask.request = await options.fit.apply(ask.request, overflowOf(failure.message))
    return true
  }
  if (failure.status !== 400 || options.wire === 'stream' || !ask.request.stream) return false
  if (failure.kind !== 'invalid-request' && failure.kind !== 'unsupported') return false
  if (/\bstream_options\b/.test(failure.message) && once(ask, 'streamOptions')) {
    ask.request = without(ask.request, { streamOptions: false })
    ask.warnings.push(fallback('The server refuses stream_options: usage may be missing.'))
    return true
  }
  if (/\bstream(?:ing|ed)?\b/i.test(failure.message) && once(ask, 'stream')) {
    ask.request = without(ask.request, { stream: false })
    ask.warnings.push(fallback('The server refuses to stream: the answer was asked for in one piece.'))
    return true
  }
  return false
}

function once(ask: Ask, what: 'refresh' | 'stream' | 'streamOptions' | 'fit'): boolean {
  if (ask.done.has(what)) return false
  ask.done.add(what)
  return true
}

function fallback(message: string): Warning {
  return { code: 'fallback', field: 'wire', message }
}

/**
 * What a refusal says about sizes: "maximum context length is 8192 tokens. However, you requested 10000 tokens (6000
 * in the messages, 4000 in the completion)" (OpenAI), "prompt is too long: 210000 tokens > 200000 maximum" (Anthropic),
 * "input token count (1048577) exceeds the maximum number of tokens allowed (1048576)" (Gemini). The largest number is
 * the request, the next one the limit. Numbers inside names (`gpt-4-0613`) are none.
 */
export function overflowOf(message: string): { limitTokens?: number; actualTokens?: number } {
  // "input length and `max_tokens` exceed context limit: 199000 + 21000 > 200000" (Anthropic)
  const sum = /(\d+) \+ (\d+) > (\d+)/.exec(message)
  if (sum !== null) return { actualTokens: Number(sum[1]) + Number(sum[2]), limitTokens: Number(sum[3]) }
  const numbers = [...message.matchAll(/(?<![\w.-])\d{1,3}(?:,\d{3})+(?![\w-])|(?<![\w.-])\d{3,}(?![\w-])/g)]
    .map(([digits]) => Number(digits.replaceAll(',', '')))
    .sort((a, b) => b - a)
  const [actualTokens] = numbers
  const limitTokens = numbers.find((number) => number < actualTokens!)
  if (actualTokens === undefined) return {}
  return limitTokens === undefined ? { limitTokens: actualTokens } : { actualTokens, limitTokens }
}

/** The request with less asked for; like the first one it inherits nothing. */
function without(request: Request, less: Partial<Request>): Request {
  return Object.assign(Object.create(null) as Request, request, less)
}
