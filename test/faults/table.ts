/**
 * The fault matrix: 112 ways for a call to go wrong, what must come of each, and which test files prove it.
 *
 * A row is proved by every test in its files whose title names it: "row 47: …", "rows 7 and 8: …", "rows 36 to 40: …".
 * `npm run faults` runs the files and prints this table. Expected, in short: R retried at the same target, F a router
 * goes on to the next one, B counts for the breaker; 1 once, 0 not. P as in "phases" of route/routed.ts.
 */

/** One row. */
export interface Row {
  row: number
  fault: string
  expected: string
  /** Test files below test/, each of which must hold a test that names the row. */
  proof: readonly string[]
  /** Why there is nothing to prove yet. */
  later?: string
}

const CONNECT = 'faults/rows-connect.test.ts'
const STATUS = 'faults/rows-status.test.ts'
const STREAM = 'faults/rows-stream.test.ts'
const SECURITY = 'faults/rows-security.test.ts'
const SSE = 'integration/faults-sse.test.ts'
const BODIES = 'integration/faults-bodies.test.ts'
const CLIENT = 'integration/faults-client.test.ts'
const ROUTER = 'route/router.test.ts'

const LIST: readonly (readonly [fault: string, expected: string, ...proof: string[]])[] = [
  // Connect
  ['the host name does not exist', 'connect; R1 F B; host named, no key', CONNECT, CLIENT],
  ['the resolver says "again", or nothing', 'connect, or timeout connect; R F B', CONNECT],
  ['connection refused', 'connect, nothing billed; R F B', CONNECT, CLIENT],
  ['the first packet is never answered', 'timeout connect; R F B', CONNECT],
  ['TLS to a plain port', 'connect; R0 F', CONNECT, CLIENT],
  ['certificate self-signed, expired, of another name', 'connect; R0 F; no bypass offered', CONNECT],
  ['FIN before headers', 'connect, maybe billed; R F B', CONNECT, CLIENT],
  ['RST before headers', 'connect, maybe billed; R F B', CONNECT, CLIENT],
  ['accepts, never answers', 'timeout headers; aborted at the server; R F B', CONNECT, CLIENT],
  ['a stale idle connection', 'R1 at once, not B', CONNECT],
  ['not HTTP/1.1', 'protocol; R1 F B', CONNECT, CLIENT],
  ['headers of more than 16 KB', 'protocol; R0 F', CONNECT, CLIENT],
  ['content-length and transfer-encoding', 'protocol; R0 F', CONNECT, CLIENT],
  ['100 early hints, then 200', 'success', CONNECT, CLIENT],
  ['101 switching protocols', 'protocol; R0 F', CONNECT],
  ['proxy 407; captive portal', 'config; protocol with a short snippet', CONNECT],
  // Slow
  ['slow headers within the limit', 'success, timed', CONNECT, CLIENT],
  ['slow headers beyond the limit, ours or Node’s 300 s', 'timeout headers, says stream; F', CONNECT],
  ['silence before content', 'timeout idle; R F B', CONNECT, SSE],
  ['silence after content', 'interrupted with the partial; R0 B', CONNECT, SSE],
  ['a trickle within events', 'success', SSE],
  ['comments for ever', 'progress watchdog; memory flat', SSE],
  ['pings, then content', 'success', SSE],
  ['a slow body', 'success, or timeout total', CONNECT],
  ['a slow close after the terminal marker', 'resolves at the marker', SSE],
  ['valid deltas for ever', 'too-large, cancelled', SSE],
  // Status codes
  ['429 retry-after: 1', 'waits ≥ 1 s; R', STATUS],
  ['429 with a date to come, past, malformed', 'waits; backoff; backoff', STATUS],
  ['429 retry-after-ms beside retry-after', 'ms wins', STATUS],
  ['429 retry-after-ms: 0', 'no hot loop', STATUS],
  ['429 with a hint beyond reason', 'no sleep; F, hint capped', STATUS],
  ['429 with a hint that is no number', 'backoff', STATUS],
  ['429, Gemini’s RetryInfo in the body', 'waits that long', STATUS],
  ['429 that is a quota', 'quota; R0 F, not B', STATUS],
  ['x-should-retry', 'obeyed', STATUS, 'client/client.test.ts'],
  ['500, 502, 503, 504', 'server, overloaded; R F B', STATUS],
  ['520 to 527 of Cloudflare', 'server; R F B; HTML stripped', STATUS],
  ['529 overloaded_error', 'overloaded; R F B', STATUS],
  ['503 retry-after: 120', 'F at once, else the error with its hint', STATUS, ROUTER],
  ['408, 409, 425', 'R', STATUS],
  ['400, 405, 415, 422', 'invalid-request; R0 F0', STATUS],
  ['context overflow in sixteen wordings, 413', 'context-length; its chain once', STATUS],
  ['content filters', 'content-filter; its chain only', STATUS],
  ['401, 403 that echo the key', 'auth, masked; R0; F when told to', STATUS],
  ['402', 'billing; R0 F', STATUS],
  ['404 of a model, of a path', 'not-found; the message tells which; R0', STATUS],
  ['204, empty 200', 'protocol; R1', STATUS, BODIES],
  ['redirects', 'redirect; the target sees nothing', CLIENT],
  ['fails twice, then succeeds', 'three attempts on record', STATUS, ROUTER],
  ['always 503, 100 callers', '≤ 1.2 × 100 + reserve; opens; the rest to the spare', STATUS, ROUTER],
  // Bodies
  ['200 that holds an error', 'as its code', BODIES],
  ['200 HTML; JSON as text/plain', 'protocol; accepted', BODIES],
  ['JSON where SSE was asked, and back', 'read by content', BODIES],
  ['invalid JSON; BOM; blanks', 'protocol without the payload; accepted', BODIES],
  ['duplicate keys, 1e999, depth 100,000', 'no crash', BODIES],
  ['__proto__ in answers', 'no pollution', BODIES],
  ['tool arguments that are none', 'flagged with the raw text', BODIES],
  ['content-length too short, too long', 'interrupted; fine', BODIES],
  ['gzip corrupt, truncated', 'interrupted', BODIES],
  ['gzip bombs and chains', 'too-large; memory flat', BODIES],
  ['an endless error body', '64 KiB, then closed', BODIES],
  ['bad chunk size', 'interrupted', BODIES],
  // SSE
  ['FIN, RST after content', 'interrupted with text and usage', SSE],
  ['the end without a marker; with a reason and no [DONE]', 'interrupted; success', SSE],
  ['RST after the marker', 'success', SSE],
  ['forged [DONE]', 'not the end', SSE],
  ['events after [DONE]', 'ignored, cancelled', SSE],
  ['one byte at a time', 'the same events', SSE],
  ['line ends, colons, fields', 'as WHATWG says', SSE],
  ['invalid UTF-8, NUL', 'U+FFFD; kept', SSE],
  ['one endless line', 'too-large at 64 MiB', SSE],
  ['an event of 40 MB', 'accepted', SSE],
  ['a flood of tiny events, a slow consumer', 'waits in the server', SSE],
  ['Chat Completions: error in the stream', 'P2 R; P3 interrupted', STREAM],
  [
    'Responses: error, failed, incomplete',
    'error; error; finish reason',
    STREAM,
    'providers/openai-responses.test.ts',
  ],
  ['Anthropic: overloaded_error in the stream', 'R; interrupted', STREAM, 'providers/anthropic.test.ts'],
  ['Gemini: error, blocked, empty', 'mapped', STREAM, 'providers/gemini-quirks.test.ts'],
  [
    'OpenRouter, Groq, Mistral, Ollama errors in the stream',
    'mapped',
    STREAM,
    'providers/gemini-quirks.test.ts',
  ],
  [
    'events twice, out of order, indices from nowhere',
    'ignored or protocol; no holes',
    STREAM,
    'providers/anthropic.test.ts',
    'providers/openai-responses.test.ts',
    'providers/bedrock.test.ts',
    'providers/gemini-quirks.test.ts',
  ],
  ['content after its end, two starts, none', 'no text twice', STREAM, 'providers/anthropic.test.ts'],
  ['usage missing, null, negative, text', 'undefined; cost never NaN', STREAM, 'providers/anthropic.test.ts'],
  ['finish_reason null, unknown', 'unknown, raw kept', STREAM, 'providers/anthropic.test.ts'],
  ['calls without name or id, interleaved', 'ids made, by index', STREAM, 'providers/anthropic.test.ts'],
  ['another model answers', 'reported and priced', STREAM, 'providers/anthropic.test.ts'],
  // Client side
  ['abort, anywhere', 'aborted with its reason; no further request', CLIENT],
  ['consumers that leave', 'cancelled; nothing left', CLIENT],
  ['late winners', 'discarded, unheard of', CLIENT],
  ['abort racing an error', 'one outcome', CLIENT],
  ['hostile fetches', 'typed; deadlines hold', CLIENT],
  ['observers that throw', 'reported once', 'client/client.test.ts'],
  ['the wall clock jumps', 'no matter', CLIENT],
  ['the machine sleeps mid-stream', 'timeout idle on waking', STREAM],
  ['hedged requests', 'one result, the other aborted', 'route/hedge.test.ts'],
  ['half-open, 50 callers', 'one probe', SECURITY, 'route/breaker.test.ts'],
  ['every target open', 'the one nearest recovery is asked', ROUTER],
  ['a request larger than the bucket', 'sent alone when it is full; never hangs', 'route/pace.test.ts'],
  ['a budget of $1, 100 calls of $0.02', '≤ 50 started', 'batch/run.test.ts', 'route/budget.test.ts'],
  // Security
  ['keys that headers cannot carry', 'config, not shown; a line end trimmed', CLIENT],
  ['headers of the caller', 'rejected', SECURITY],
  ['model ids that climb', 'one segment', SECURITY, 'providers/gemini-quirks.test.ts'],
  ['base URLs', 'http(s) only, no credentials; unencrypted warned of', CLIENT, SECURITY],
  ['picture URLs', 'never fetched', SECURITY],
  ['regions and resources that name a host', 'config', SECURITY, 'providers/bedrock.test.ts'],
  ['addresses that a server supplies', 'no key to another origin'],
  ['secrets in anything that leaves', 'none', 'route/secrets.test.ts'],
  ['keys that come back', 'masked; never in a query', SECURITY],
  ['hostile text', 'linear time', SECURITY],
  ['a browser', 'config unless allowed', 'client/client.test.ts'],
  ['proxies in the environment', 'not used', SECURITY],
  ['a shared cache', 'never across tenants'],
  ['log injection', 'no control characters', SECURITY],
  [
    'a polluted prototype',
    'nothing inherited',
    SECURITY,
    ROUTER,
    'client/request.test.ts',
    'http/transport.test.ts',
  ],
]

/** Rows of features that do not exist. */
const LATER: Readonly<Record<number, string>> = {
  104: 'no address that a server supplies is ever asked; batches of providers are not submitted',
  110: 'answers are not cached',
}

export const ROWS: readonly Row[] = LIST.map(([fault, expected, ...proof], index) => {
  const row = index + 1
  const later = LATER[row]
  return { row, fault, expected, proof, ...(later === undefined ? {} : { later }) }
})

/** The rows a test title names. */
export function rowsNamed(title: string): number[] {
  const rows: number[] = []
  for (const [, from, joint, to] of title.matchAll(/\brows? (\d+)(?: (to|and) (\d+))?/g)) {
    const first = Number(from)
    const last = to === undefined ? first : Number(to)
    if (joint === 'to') for (let row = first; row <= last; row++) rows.push(row)
    else rows.push(...new Set([first, last]))
  }
  return rows
}
