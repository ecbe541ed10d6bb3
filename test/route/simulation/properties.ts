/**
 * What must hold in every world: `P1` to `P16` are the numbers the properties have in the literature of this project.
 *
 * In:  a world that has run to its end. Out: nothing, or an error that names the property and what broke it.
 * P12 (memory) appears as bytes read beyond a limit, P13 (linear work) as steps per request; P15 belongs to batches and
 * is tested with `kill -9` in test/batch/kill.test.ts, P8 to P10 to features other than routing.
 */

import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { LlmError } from '../../../src/errors.ts'
import { KEY, RESPONSE_BYTES, simulate, type Asked, type Called, type World } from './world.ts'

/** What everything inherits before any answer was read. */
const INHERITED = Object.getOwnPropertyNames(Object.prototype).length

/** Throws what a world has broken. */
export function judge(world: World): void {
  const { asked, called, router, options, delays, lanes, attempts, endMs, steps } = world
  const retry = options.retry as { baseMs: number; budget: { reserve: number; ratio: number } }
  for (const call of called) judgeCall(call, world)

  // P2: a timer is never longer than timers can be, nor a pause nothing at all.
  for (const delayMs of delays) atMost(delayMs, 0x7fff_ffff, 'P2')
  // P3: nothing is left, wherever the calls ended.
  assert.equal(world.timers, 0, 'P3: timers')
  for (const { name, inFlight } of router.state()) assert.equal(inFlight, 0, `P3: in flight at ${name}`)
  for (const { bodyOpen, id } of asked) assert.equal(bodyOpen, false, `P3: body of request ${id}`)
  for (const one of asked) judgeRequest(one, world)
  // P11: retries are at most the budget's, whatever happens.
  const windows = Math.ceil((endMs - 1_000_000) / 10_000) + 1
  for (let lane = 0; lane < lanes; lane++) {
    const mine = asked.filter((one) => one.lane === lane)
    const allowed = retry.budget.reserve * windows + retry.budget.ratio * mine.length
    atMost(mine.filter((one) => isRetry(one, world)).length, Math.ceil(allowed), 'P11')
  }
  // P12: of an endless answer no more is read than is allowed, and one chunk.
  for (const { pulledBytes } of asked) assert.ok(pulledBytes < RESPONSE_BYTES + 2_000, 'P12')
  // P13: the work is in proportion to what came in.
  const pulled = asked.reduce((sum, one) => sum + one.pulledBytes, 0)
  assert.ok(steps < 100 + 40 * (asked.length + called.length) + pulled, 'P13')
  // P1: every call has an end to its tries: one round over all lanes, and as many more as answers may break off.
  for (const { index } of called) {
    const rounds = options.onInterrupt === 'throw' ? 1 : 1 + Math.max(1, attempts - 1)
    const mine = asked.filter((one) => one.call === index)
    atMost(mine.length, lanes * attempts * rounds, 'P1')
  }
  // P16: no answer has reached the prototype of everything.
  assert.equal(Object.getOwnPropertyNames(Object.prototype).length, INHERITED, 'P16')
  assert.equal('polluted' in {}, false, 'P16')
}

const broke = ({ fate }: Asked): boolean => ['cut', 'stall', 'failed', 'endless', 'late', 'ok'].includes(fate)

/** A request that follows a failed one of the same call at the same lane. */
function isRetry({ id, call, lane }: Asked, { asked }: World): boolean {
  const previous = asked.findLast((one) => one.call === call && one.id < id)
  return previous !== undefined && previous.lane === lane && !broke(previous)
}

function atMost(value: number, limit: number, property: string): void {
  assert.ok(value <= limit, `${property}: ${value} is more than ${limit}`)
}

function judgeCall(call: Called, world: World): void {
  const { asked, options } = world
  const { events, completion, error, totalMs, abortMs, startMs, endMs, left } = call
  const mine = asked.filter((one) => one.call === call.index)
  // P1: the deadline holds over all targets.
  if (totalMs !== undefined) atMost(endMs - startMs, totalMs, 'P1')
  // P3: after an abort nothing is asked, and the call is over in that instant.
  if (abortMs !== undefined) {
    atMost(endMs - startMs, abortMs, 'P3')
    for (const { atMs } of mine) atMost(atMs - startMs, abortMs, 'P3')
  }
  atMost(call.listeners, 0, 'P3: listeners')
  // P4: one outcome; events in order.
  assert.equal(call.outcomes, 1, 'P4')
  const types = events.map(({ type }) => type)
  const finishes = types.filter((type) => type === 'finish').length
  assert.equal(finishes, completion === undefined ? Number(types.at(-1) === 'finish') : 1, 'P4')
  if (completion !== undefined) assert.equal(types.at(-1), 'finish', 'P4')
  if (types.length > 0) assert.equal(types[0], 'start', 'P4')
  if (options.onInterrupt !== 'restart') assert.ok(!types.includes('restart'), 'P4')
  if (error !== undefined) assert.equal(LlmError.is(error), true, `P4: ${inspect(error)}`)
  if (error === undefined && !left) assert.ok(completion !== undefined, 'P4')
  // P5 and P14: the text is that of one answer, or of answers that continue each other, each word once.
  const text = events.reduce(
    (sum, event) => (event.type === 'restart' ? '' : event.type === 'text-delta' ? sum + event.text : sum),
    '',
  )
  assert.equal(text.replace(/x+$/, ''), pieced(text, options.onInterrupt), 'P14')
  if (completion !== undefined) {
    assert.equal(completion.text, text, 'P14')
    const last = mine.find(({ words }) => text.endsWith(words.join('')))
    if (options.onInterrupt === 'throw' || options.onInterrupt === 'restart') {
      assert.equal(last?.words.join(''), text, 'P5: the whole of one answer')
    }
  }
  if (LlmError.is(error) && error.partial !== undefined) assert.equal(error.partial.text, text, 'P14')
  // P2: pauses keep to the server's hints, and never are none.
  const record = completion?.attempts ?? (LlmError.is(error) ? error.attempts : undefined) ?? []
  for (const { delayMs } of record) {
    atMost(0, delayMs, 'P2')
    atMost(delayMs, 90_000, 'P2')
  }
  for (const [index, one] of mine.entries()) {
    const previous = mine[index - 1]
    if (previous === undefined || !isRetry(one, world)) continue
    atMost(10, one.atMs - previous.atMs, 'P2: no hot loop')
    if (previous.hintMs !== undefined) atMost(previous.hintMs, one.atMs - previous.atMs, 'P2: hint')
  }
  // Every request is on record, once.
  if (!left) assert.equal(record.length, mine.length, 'P1: on record')
  // P6: the key is in nothing that leaves.
  const shown =
    inspect([completion, error, events], { depth: 6 }) + JSON.stringify([completion, error, events])
  assert.equal(shown.includes(KEY), false, 'P6')
}

/** The text again, built only from runs of words that count up from 0 within one request. */
function pieced(text: string, onInterrupt: unknown): string {
  let built = ''
  let request = -1
  let next = 0
  let runs = 0
  for (const [word, id, index] of text.matchAll(/\[(\d+)\.(\d+)\]/g)) {
    if (Number(id) !== request) {
      request = Number(id)
      next = 0
      runs++
    }
    if (Number(index) !== next++) return `${built}?`
    if (runs > 1 && (onInterrupt === 'throw' || onInterrupt === 'restart')) return `${built}?`
    built += word
  }
  return built
}

/** P7: what a breaker forbids is not asked while another target is well. */
function judgeRequest({ id, lane, before, during, call }: Asked, { asked, called, lanes }: World): void {
  if (lanes === 1) return
  const closed = (states: TargetStates, at: number): boolean => states[at]?.breaker.state === 'closed'
  const denied = (states: TargetStates): boolean => {
    const state = states[lane]?.breaker
    return state !== undefined && ['open', 'cooling', 'unusable'].includes(state.state)
  }
  const others = Array.from(before.keys()).filter(
    (at) => at !== lane && closed(before, at) && closed(during, at),
  )
  const untried = others.some(
    (at) => !asked.some((one) => one.call === call && one.lane === at && one.id < id),
  )
  if (untried)
    assert.equal(denied(before) && denied(during), false, `P7: request ${id} of call ${call} at lane ${lane}`)
  // Half-open: one probe at a time, unless nobody else could be asked.
  if (untried && during[lane]?.breaker.state === 'half-open' && before[lane]?.breaker.state === 'half-open') {
    const probes = asked.filter(
      (one) =>
        one.lane === lane &&
        one.id < id &&
        // A call asks one target at a time: its own probe before this one is over.
        one.call !== call &&
        one.during[lane]?.breaker.state === 'half-open' &&
        (called[one.call]?.endMs ?? 0) > asked[id]!.atMs &&
        !asked.some((later) => later.call === one.call && later.id > one.id && later.id < id),
    )
    assert.equal(probes.filter(({ fate }) => fate === 'hang').length, 0, 'P7: one probe')
  }
}
type TargetStates = World['asked'][number]['before']

/** What so many worlds came to. */
export interface Tally {
  worlds: number
  requests: number
  completed: number
  failed: number
  left: number
  /** Up to twenty worlds that broke something, and what. */
  broken: { seed: number; reason: string }[]
}

/** Runs and judges the worlds of `count` seeds, from `first`. */
export async function judgeSeeds(first: number, count: number): Promise<Tally> {
  const tally: Tally = { worlds: count, requests: 0, completed: 0, failed: 0, left: 0, broken: [] }
  for (let seed = first; seed < first + count && tally.broken.length < 20; seed++) {
    try {
      const world = await simulate(seed)
      judge(world)
      tally.requests += world.asked.length
      for (const { completion, error } of world.called) {
        tally[completion !== undefined ? 'completed' : error !== undefined ? 'failed' : 'left']++
      }
    } catch (error) {
      tally.broken.push({ seed, reason: error instanceof Error ? error.message : String(error) })
    }
  }
  return tally
}
