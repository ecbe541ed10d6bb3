/**
 * What the server asked us to wait, read strictly.
 *
 * In:  response headers and the wall-clock time. Out: milliseconds, or undefined when nothing readable is there.
 * Order: retry-after-ms, x-ms-retry-after-ms, retry-after (seconds or an HTTP date), then the reset time of a limit
 * that is used up. `parseFloat` is not a parser here: it reads "20 Oct" as 20 and "5s" as 5, and `Number("")` is 0.
 * Not here: waits named in error bodies (providers/errors.ts) and what to do about any of them (retry.ts).
 * Spec: RFC 9110 §10.2.3; the -ms forms are Azure's and OpenAI's.
 */

/** Longest wait reported, in ms: more would overflow the timer of whoever sleeps on it. About 24.8 days. */
const MAX_HINT_MS = 0x7fff_ffff

/** @returns milliseconds from now, at most 2^31-1; undefined when no header says. A date in the past says nothing. */
export function retryAfterMs(headers: Headers, nowEpochMs: number): number | undefined {
  const waitMs =
    decimal(headers.get('retry-after-ms')) ??
    decimal(headers.get('x-ms-retry-after-ms')) ??
    scaled(decimal(headers.get('retry-after')), 1000) ??
    future(httpDate(headers.get('retry-after')), nowEpochMs) ??
    exhaustedMs(headers, nowEpochMs)
  return waitMs === undefined ? undefined : Math.min(waitMs, MAX_HINT_MS)
}

/** Digits with at most one point, and nothing else: no sign, no exponent, no unit, no list. */
function decimal(value: string | null): number | undefined {
  return value !== null && /^\s*\d+(?:\.\d+)?\s*$/.test(value) ? Number(value) : undefined
}

function scaled(value: number | undefined, by: number): number | undefined {
  return value === undefined ? undefined : value * by
}

function future(epochMs: number | undefined, nowEpochMs: number): number | undefined {
  return epochMs !== undefined && epochMs > nowEpochMs ? epochMs - nowEpochMs : undefined
}

/** IMF-fixdate, the one form RFC 9110 lets servers send: "Sun, 06 Nov 1994 08:49:37 GMT". */
const IMF_FIXDATE =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{2}:\d{2}:\d{2} GMT$/

function httpDate(value: string | null): number | undefined {
  if (value === null || !IMF_FIXDATE.test(value.trim())) return undefined
  const epochMs = Date.parse(value)
  return Number.isNaN(epochMs) ? undefined : epochMs
}

/** Pairs of headers: how much of a limit is left, and when it is whole again. */
const LIMITS: readonly (readonly [remaining: string, reset: string])[] = [
  ['x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests'],
  ['x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens'],
  ['x-ratelimit-remaining', 'x-ratelimit-reset'],
  ['anthropic-ratelimit-requests-remaining', 'anthropic-ratelimit-requests-reset'],
  ['anthropic-ratelimit-tokens-remaining', 'anthropic-ratelimit-tokens-reset'],
  ['anthropic-ratelimit-input-tokens-remaining', 'anthropic-ratelimit-input-tokens-reset'],
  ['anthropic-ratelimit-output-tokens-remaining', 'anthropic-ratelimit-output-tokens-reset'],
]

/** The longest reset among the limits that are used up. A reset of a limit with room left says nothing about us. */
function exhaustedMs(headers: Headers, nowEpochMs: number): number | undefined {
  let longest: number | undefined
  for (const [remaining, reset] of LIMITS) {
    if (decimal(headers.get(remaining)) !== 0) continue
    const waitMs = resetMs(headers.get(reset), nowEpochMs)
    if (waitMs !== undefined) longest = Math.max(longest ?? 0, waitMs)
  }
  return longest
}

/** "6m0s", "1.2s", "59ms" (OpenAI, Groq); RFC 3339 (Anthropic); seconds; epoch seconds or milliseconds (OpenRouter). */
function resetMs(value: string | null, nowEpochMs: number): number | undefined {
  if (value === null) return undefined
  const number = decimal(value)
  if (number !== undefined) {
    if (number > 1e11) return future(number, nowEpochMs)
    return number > 1e8 ? future(number * 1000, nowEpochMs) : number * 1000
  }
  if (/^\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:\d{2})$/.test(value)) {
    return future(Date.parse(value), nowEpochMs)
  }
  return goDuration(value)
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

function goDuration(value: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[smhd]))+$/.test(value)) return undefined
  let total = 0
  for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)) {
    total += Number(amount) * UNIT_MS[unit as string]!
  }
  return total
}
