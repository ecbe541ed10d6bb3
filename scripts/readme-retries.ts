/**
 * The README's table of what is tried again, and where: asked of the code that decides it.
 *
 * In:  ways for a call to end before content. Out: Markdown, one row per way: its kind, how often one target is tried, the
 *      longest pauses between the tries, and whether a router goes on to the next target.
 * Used by build-readme.ts.
 */

import { LlmError, type ErrorKind } from '../src/errors.ts'
import { DEFAULT_RETRY, retryDelayMs } from '../src/http/retry.ts'
import { httpError } from '../src/providers/errors.ts'
import { FAILOVER } from '../src/route/router.ts'

const status = (code: number, body: unknown = {}): LlmError =>
  httpError({
    provider: 'any',
    response: { status: code, headers: new Headers(), body: JSON.stringify(body) },
  })

const failure = (kind: ErrorKind, more: { code?: string; retryable?: boolean } = {}): LlmError =>
  new LlmError({ kind, message: '', ...more })

/** Each row's errors must agree; the first is shown. */
const WAYS: readonly (readonly [what: string, ...errors: LlmError[]])[] = [
  ['connection refused, reset, closed before an answer', failure('connect')],
  ['no such host', failure('connect', { code: 'ENOTFOUND' })],
  ['TLS or certificate', failure('connect', { retryable: false })],
  ['a deadline before content', failure('timeout')],
  ['408, 409, 425', status(408), status(409), status(425)],
  ['429', status(429)],
  ['429 that is a quota', status(429, { error: { code: 'insufficient_quota' } })],
  ['500, 502, 504, 520–527', status(500), status(502), status(504), status(520), status(527)],
  ['503, 529', status(503), status(529)],
  ['an answer that is none: HTML, nothing', failure('protocol', { retryable: true })],
  ['400, 405, 415, 422', status(400), status(405), status(415), status(422)],
  ['400 “too long”, 413', status(400, { error: { code: 'context_length_exceeded' } }), status(413)],
  ['a content filter', status(400, { error: { code: 'content_filter' } })],
  ['401, 403', status(401), status(403)],
  ['402', status(402)],
  ['404', status(404)],
  ['3xx', failure('redirect')],
]

/** The longest pauses between the tries at one target, in ms. */
function pausesMs(error: LlmError): number[] {
  const pauses: number[] = []
  for (let tries = 1; ; tries++) {
    const pauseMs = retryDelayMs(DEFAULT_RETRY, error, tries, Infinity, () => 1)
    if (pauseMs === undefined) return pauses
    pauses.push(pauseMs)
  }
}

function goesOn({ kind }: LlmError): string {
  if (kind === 'context-length' || kind === 'content-filter') return 'its own chain'
  return FAILOVER.includes(kind) ? 'yes' : kind === 'auth' ? 'if told to' : ''
}

function cells(error: LlmError): string {
  const pauses = pausesMs(error)
  const shown = pauses.map((ms) => `${ms / 1000} s`).join(', ')
  return `\`${error.kind}\` | ${pauses.length + 1} | ${shown === '' ? '' : `up to ${shown}`} | ${goesOn(error)}`
}

export function retries(): string {
  const rows = WAYS.flatMap(([what, ...errors]) => {
    // Statuses that share a row may differ in kind, never in what is done about them.
    const kinds = [...new Map(errors.map((error) => [cells(error), error])).values()]
    return kinds.map((error, index) => `| ${index === 0 ? what : ''} | ${cells(error)} |`)
  })
  return [
    '| before content | `kind` | tries | pauses | then the router’s next target |',
    '|---|---|--:|---|---|',
    ...rows,
    '| **after content, anything** | `interrupted` | 1 |  | only by `onInterrupt` |',
  ].join('\n')
}
