/**
 * What the five lines of backoff cost, and what each thing they lack is worth: `npm run retries`.
 *
 * In:  nothing; a seeded simulation of a thousand callers, one target and a queue of events, with the very functions the
 *      library retries with (http/retry.ts, route/retry-budget.ts). Out: one sentence per lesson. The heads of
 *      http/retry.ts and route/router.ts quote them, and test/route/lesson.test.ts holds the quotes to what is printed.
 * Nothing waits: a thousand callers and a minute of theirs take a few milliseconds.
 */

import { fileURLToPath } from 'node:url'
import { LlmError, type ErrorKind } from '../src/errors.ts'
import { DEFAULT_RETRY, retryDelayMs } from '../src/http/retry.ts'
import { createRetryBudget, type RetryBudget } from '../src/route/retry-budget.ts'

/** How a target answers at a time; undefined is success. */
type Target = (atMs: number) => LlmError | undefined

/** The pause before the next try, or undefined: give up. `tries` counts those made. */
type Policy = (failure: LlmError, tries: number, leftMs: number, random: () => number) => number | undefined

interface Outcome {
  requests: number
  answered: number
  /** When each request was sent. */
  sentMs: number[]
  /** When the last caller knew. */
  knownMs: number
}

const CALLERS = 1_000

/** What everybody writes first: four tries, 1, 2 and 4 seconds apart. */
const fiveLines: Policy = (_, tries) => (tries > 3 ? undefined : 2 ** (tries - 1) * 1000)

const ours: Policy = (failure, tries, leftMs, random) =>
  retryDelayMs(DEFAULT_RETRY, failure, tries, leftMs, random)

/** mulberry32: the same dice in every run. */
function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** All callers begin at 0; answers and failures come at once. */
function simulate(
  policy: Policy,
  target: Target,
  { budget, deadlineMs = Infinity }: { budget?: RetryBudget; deadlineMs?: number } = {},
): Outcome {
  const random = dice(1)
  const outcome: Outcome = { requests: 0, answered: 0, sentMs: [], knownMs: 0 }
  // Callers who wait, the next one last.
  const waiting = Array.from({ length: CALLERS }, () => ({ atMs: 0, tries: 0 }))
  for (const _ of waiting) budget?.deposit(0)
  for (let caller = waiting.pop(); caller !== undefined; caller = waiting.pop()) {
    const { atMs } = caller
    outcome.requests++
    outcome.sentMs.push(atMs)
    caller.tries++
    const failure = target(atMs)
    const pauseMs =
      failure === undefined ? undefined : policy(failure, caller.tries, deadlineMs - atMs, random)
    if (pauseMs === undefined || budget?.withdraw(atMs) === false) {
      if (failure === undefined) outcome.answered++
      outcome.knownMs = atMs
      continue
    }
    caller.atMs += pauseMs
    let from = 0
    for (let to = waiting.length; from < to;) {
      const middle = (from + to) >> 1
      if (waiting[middle]!.atMs > caller.atMs) from = middle + 1
      else to = middle
    }
    waiting.splice(from, 0, caller)
  }
  return outcome
}

/** Requests of one call to a dead target through so many layers that each retry. */
function nested(layers: number): number {
  if (layers === 0) return 1
  let requests = 0
  let pauseMs: number | undefined = 0
  for (let tries = 1; pauseMs !== undefined; tries++) {
    requests += nested(layers - 1)
    pauseMs = fiveLines(new LlmError({ kind: 'server', message: 'no' }), tries, Infinity, () => 0)
  }
  return requests
}

/** The most requests within any tenth of a second after the first wave. */
function largestWave({ sentMs }: Outcome): number {
  let most = 0
  const later = sentMs.filter((at) => at > 0)
  for (let from = 0, to = 0; to < later.length; to++) {
    while (later[to]! - later[from]! >= 100) from++
    most = Math.max(most, to - from + 1)
  }
  return most
}

const failing =
  (kind: ErrorKind, retryAfterMs?: number, untilMs = Infinity): Target =>
  (atMs) =>
    atMs < untilMs ? new LlmError({ kind, message: 'no', retryAfterMs }) : undefined

const n = (value: number): string => value.toLocaleString('en-US')
const times = (requests: number): string => `${(requests / CALLERS).toFixed(2)} times the load`
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

/** One sentence per thing the five lines lack, with the figures of both sides. */
export function lessons(): Record<'verdict' | 'jitter' | 'hint' | 'deadline' | 'budget' | 'owner', string> {
  const dead = failing('server')
  const limited = failing('rate-limit', 20_000, 20_000)
  const full = failing('rate-limit', 30_000)
  const wrongKey = failing('auth')
  const limitedFive = simulate(fiveLines, limited)
  const limitedOurs = simulate(ours, limited)
  // Hints without a deadline: the pause is the server's, whatever the caller has left.
  const patient: Policy = (failure, tries, _, random) => ours(failure, tries, Infinity, random)
  return {
    verdict:
      `a wrong key: ${simulate(fiveLines, wrongKey).requests / CALLERS} requests a call and ` +
      `${seconds(simulate(fiveLines, wrongKey).knownMs)} to hear of it; ` +
      `here ${simulate(ours, wrongKey).requests / CALLERS} and ${seconds(simulate(ours, wrongKey).knownMs)}`,
    jitter:
      `${n(CALLERS)} callers fail together: ${n(largestWave(simulate(fiveLines, dead)))} come back within ` +
      `one tenth of a second; here ${n(largestWave(simulate(ours, dead)))}`,
    hint:
      `"in 20 seconds" told to ${n(CALLERS)} callers: ${n(limitedFive.requests)} requests, ` +
      `${n(limitedFive.answered)} answers; here ${n(limitedOurs.requests)} and ${n(limitedOurs.answered)}`,
    deadline:
      `"in 30 seconds" told to who has 5: the failure is known after ` +
      `${seconds(simulate(patient, full, { deadlineMs: 5_000 }).knownMs)}; ` +
      `here after ${seconds(simulate(ours, full, { deadlineMs: 5_000 }).knownMs)}`,
    budget:
      `a dead target, ${n(CALLERS)} callers: ${times(simulate(fiveLines, dead).requests)}, ` +
      `${times(simulate(ours, dead).requests)} with three tries; ` +
      `here ${times(simulate(ours, dead, { budget: createRetryBudget() }).requests)}`,
    owner:
      `three layers of the five lines around each other: ${nested(3)} requests for one call; ` +
      `here ${simulate(ours, dead).requests / CALLERS}`,
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, sentence] of Object.entries(lessons())) console.log(`${name.padEnd(9)} ${sentence}`)
}
