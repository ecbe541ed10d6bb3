/**
 * Properties of the router, over random worlds: `P1` to `P16` are the numbers they have in the literature of this
 * project. A world that breaks one prints its seed; `SEED=123 npx vitest run test/route/simulation` replays it.
 * P12 (memory) appears as bytes read beyond a limit, P13 (linear work) as steps per request; P15 belongs to batches and
 * is tested with `kill -9` in test/batch/kill.test.ts, P8 to P10 to features other than routing.
 */

import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import { KEY, RESPONSE_BYTES, simulate, type Asked, type Called, type World } from './simulation/world.ts'

const FULL = process.env['LLMSWAP_FULL'] === '1'
const ONE = process.env['SEED']
const SEEDS = ONE !== undefined ? 1 : FULL ? 5_000 : 300
const FIRST = ONE === undefined ? 1 : Number(ONE)

/** Throws what a world has broken. */
function judge(world: World): void {
  const { asked, called, router, options, delays, lanes, attempts, endMs, steps } = world
  const prototype = Object.getOwnPropertyNames(Object.prototype).length
  const retry = options.retry as { baseMs: number; budget: { reserve: number; ratio: number } }
  for (const call of called) judgeCall(call, world)

  // P2: a timer is never longer than timers can be, nor a pause nothing at all.
  for (const delayMs of delays) expect(delayMs, 'P2').toBeLessThanOrEqual(0x7fff_ffff)
  // P3: nothing is left, wherever the calls ended.
  expect(world.timers, 'P3: timers').toBe(0)
  for (const { name, inFlight } of router.state()) expect(inFlight, `P3: in flight at ${name}`).toBe(0)
  for (const { bodyOpen, id } of asked) expect(bodyOpen, `P3: body of request ${id}`).toBe(false)
  for (const one of asked) judgeRequest(one, world)
  // P11: retries are at most the budget's, whatever happens.
  const windows = Math.ceil((endMs - 1_000_000) / 10_000) + 1
  for (let lane = 0; lane < lanes; lane++) {
    const mine = asked.filter((one) => one.lane === lane)
    const allowed = retry.budget.reserve * windows + retry.budget.ratio * mine.length
    expect(mine.filter((one) => isRetry(one, world)).length, 'P11').toBeLessThanOrEqual(Math.ceil(allowed))
  }
  // P12: of an endless answer no more is read than is allowed, and one chunk.
  for (const { pulledBytes } of asked) expect(pulledBytes, 'P12').toBeLessThan(RESPONSE_BYTES + 2_000)
  // P13: the work is in proportion to what came in.
  const pulled = asked.reduce((sum, one) => sum + one.pulledBytes, 0)
  expect(steps, 'P13').toBeLessThan(100 + 40 * (asked.length + called.length) + pulled)
  // P1: every call has an end to its tries: one round over all lanes, and as many more as answers may break off.
  for (const { index } of called) {
    const rounds = options.onInterrupt === 'throw' ? 1 : 1 + Math.max(1, attempts - 1)
    const mine = asked.filter((one) => one.call === index)
    expect(mine.length, 'P1').toBeLessThanOrEqual(lanes * attempts * rounds)
  }
  // P16: no answer has reached the prototype of everything.
  expect(Object.getOwnPropertyNames(Object.prototype).length, 'P16').toBe(prototype)
  expect('polluted' in {}, 'P16').toBe(false)
}

const broke = ({ fate }: Asked): boolean => ['cut', 'stall', 'failed', 'endless', 'late', 'ok'].includes(fate)

/** A request that follows a failed one of the same call at the same lane. */
function isRetry({ id, call, lane }: Asked, { asked }: World): boolean {
  const previous = asked.findLast((one) => one.call === call && one.id < id)
  return previous !== undefined && previous.lane === lane && !broke(previous)
}

function judgeCall(call: Called, world: World): void {
  const { asked, options } = world
  const { events, completion, error, totalMs, abortMs, startMs, endMs, left } = call
  const mine = asked.filter((one) => one.call === call.index)
  // P1: the deadline holds over all targets.
  if (totalMs !== undefined) expect(endMs - startMs, 'P1').toBeLessThanOrEqual(totalMs)
  // P3: after an abort nothing is asked, and the call is over in that instant.
  if (abortMs !== undefined) {
    expect(endMs - startMs, 'P3').toBeLessThanOrEqual(abortMs)
    for (const { atMs } of mine) expect(atMs - startMs, 'P3').toBeLessThanOrEqual(abortMs)
  }
  expect(call.listeners, 'P3: listeners').toBeLessThanOrEqual(0)
  // P4: one outcome; events in order.
  expect(call.outcomes, 'P4').toBe(1)
  const types = events.map(({ type }) => type)
  expect(types.filter((type) => type === 'finish').length, 'P4').toBe(
    completion === undefined ? Number(types.at(-1) === 'finish') : 1,
  )
  if (completion !== undefined) expect(types.at(-1), 'P4').toBe('finish')
  if (types.length > 0) expect(types[0], 'P4').toBe('start')
  if (options.onInterrupt !== 'restart') expect(types, 'P4').not.toContain('restart')
  if (error !== undefined) expect(LlmError.is(error), `P4: ${inspect(error)}`).toBe(true)
  if (error === undefined && !left) expect(completion, 'P4').toBeDefined()
  // P5 and P14: the text is that of one answer, or of answers that continue each other, each word once.
  const text = events.reduce(
    (sum, event) => (event.type === 'restart' ? '' : event.type === 'text-delta' ? sum + event.text : sum),
    '',
  )
  expect(text.replace(/x+$/, ''), 'P14').toBe(pieced(text, options.onInterrupt))
  if (completion !== undefined) {
    expect(completion.text, 'P14').toBe(text)
    const last = mine.find(({ words }) => text.endsWith(words.join('')))
    if (options.onInterrupt === 'throw' || options.onInterrupt === 'restart') {
      expect(last?.words.join(''), 'P5: the whole of one answer').toBe(text)
    }
  }
  if (LlmError.is(error) && error.partial !== undefined) expect(error.partial.text, 'P14').toBe(text)
  // P2: pauses keep to the server's hints, and never are none.
  const record = completion?.attempts ?? (LlmError.is(error) ? error.attempts : undefined) ?? []
  for (const { delayMs } of record) {
    expect(delayMs, 'P2').toBeGreaterThanOrEqual(0)
    expect(delayMs, 'P2').toBeLessThanOrEqual(90_000)
  }
  for (const [index, one] of mine.entries()) {
    const previous = mine[index - 1]
    if (previous === undefined || !isRetry(one, world)) continue
    expect(one.atMs - previous.atMs, 'P2: no hot loop').toBeGreaterThanOrEqual(10)
    if (previous.hintMs !== undefined)
      expect(one.atMs - previous.atMs, 'P2: hint').toBeGreaterThanOrEqual(previous.hintMs)
  }
  // Every request is on record, once.
  if (!left) expect(record.length, 'P1: on record').toBe(mine.length)
  // P6: the key is in nothing that leaves.
  const shown =
    inspect([completion, error, events], { depth: 6 }) + JSON.stringify([completion, error, events])
  expect(shown.includes(KEY), 'P6').toBe(false)
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
    expect(denied(before) && denied(during), `P7: request ${id} of call ${call} at lane ${lane}`).toBe(false)
  // Half-open: one probe at a time, unless nobody else could be asked.
  if (untried && during[lane]?.breaker.state === 'half-open' && before[lane]?.breaker.state === 'half-open') {
    const probes = asked.filter(
      (one) =>
        one.lane === lane &&
        one.id < id &&
        one.during[lane]?.breaker.state === 'half-open' &&
        (called[one.call]?.endMs ?? 0) > asked[id]!.atMs &&
        !asked.some((later) => later.call === one.call && later.id > one.id && later.id < id),
    )
    expect(probes.filter(({ fate }) => fate === 'hang').length, 'P7: one probe').toBe(0)
  }
}
type TargetStates = World['asked'][number]['before']

test(`P1 to P7, P11 to P14 and P16 hold in ${SEEDS} worlds`, async () => {
  let requests = 0
  let ends = ''
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    try {
      const world = await simulate(seed)
      judge(world)
      requests += world.asked.length
      for (const { completion, error } of world.called) ends += completion ? 'c' : error ? 'e' : 'l'
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new Error(
        `seed ${seed}: ${reason}\nreplay: SEED=${seed} npx vitest run --config test/vitest.config.ts test/route/simulation`,
        { cause: error },
      )
    }
  }
  // Worlds in which nothing happens prove nothing.
  if (SEEDS > 100) {
    expect(requests).toBeGreaterThan(SEEDS * 5)
    for (const end of 'cel') expect(ends.split(end).length, end).toBeGreaterThan(SEEDS / 4)
  }
})

test('the same seed is the same world', async () => {
  const trace = async (): Promise<unknown> => {
    const { asked, called, endMs } = await simulate(FIRST + 41)
    return [
      endMs,
      asked.map(({ id, lane, atMs, fate }) => [id, lane, atMs, fate]),
      called.map(({ events, endMs: end }) => [events.length, end]),
    ]
  }
  expect(await trace()).toEqual(await trace())
})
