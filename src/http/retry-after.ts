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
    secondsOrDate(headers.get('retry-after'), nowEpochMs) ??
    exhaustedMs(headers, nowEpochMs)
  return waitMs === undefined ? undefined : Math.min(waitMs, MAX_HINT_MS)
}

/** Digits with at most one point, and nothing else: no sign, no exponent, no unit, no list. */
function decimal(value: string | null): number | undefined {
  return value !== null && /^\s*\d+(?:\.\d+)?\s*$/.test(value) ? Number(value) : undefined
}

function future(epochMs: number, nowEpochMs: number): number | undefined {
  return epochMs > nowEpochMs ? epochMs - nowEpochMs : undefined
}

function secondsOrDate(value: string | null, nowEpochMs: number): number | undefined {
  const seconds = decimal(value)
  if (seconds !== undefined) return seconds * 1000
  const date = new Date(value ?? '')
  // IMF-fixdate, the one form RFC 9110 lets servers send, "Sun, 06 Nov 1994 08:49:37 GMT", is what toUTCString() writes.
  return date.toUTCString() === value?.trim() ? future(+date, nowEpochMs) : undefined
}

/**
 * The longest reset among the limits that are used up; one with room left says nothing about us. Limits come as pairs of
 * headers that differ in one word: `x-ratelimit-remaining-tokens` and `x-ratelimit-reset-tokens` (OpenAI and its kin),
 * `anthropic-ratelimit-input-tokens-remaining` and `…-reset`.
 */
function exhaustedMs(headers: Headers, nowEpochMs: number): number | undefined {
  let longest: number | undefined
  headers.forEach((left, name) => {
    if (!/ratelimit.*remaining/.test(name) || decimal(left) !== 0) return
    const waitMs = resetMs(headers.get(name.replace('remaining', 'reset')), nowEpochMs)
    if (waitMs !== undefined) longest = Math.max(longest ?? 0, waitMs)
  })
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
