import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import type { ErrorKind } from '../../src/errors.ts'
import { createBreaker, outcomeOf } from '../../src/route/breaker.ts'
import type { Breaker, Outcome, Permit } from '../../src/route/breaker.ts'

const runs = process.env['LLMSWAP_FULL'] === '1' ? 5000 : 300
const closed: Permit = { granted: true, probe: false }

function fail(breaker: Breaker, times: number, nowMs: number): void {
  for (let call = 0; call < times; call++) breaker.record('failure', closed, nowMs)
}

describe('breaker', () => {
  it('opens at half of at least five calls and not before', () => {
    const breaker = createBreaker({}, () => 0)
    fail(breaker, 4, 0)
    expect(breaker.acquire(0)).toEqual({ granted: true, probe: false })
    breaker.record('failure', closed, 0)
    expect(breaker.acquire(1)).toEqual({ granted: false, retryAtMs: 5_000 })
  })

  it('does not open below the ratio, however many fail', () => {
    const breaker = createBreaker({}, () => 0)
    for (let call = 0; call < 100; call++) breaker.record(call % 5 < 3 ? 'success' : 'failure', closed, call)
    expect(breaker.state(100)).toEqual({ state: 'closed' })
  })

  it('forgets what is older than the window', () => {
    const breaker = createBreaker({}, () => 0)
    fail(breaker, 4, 0)
    breaker.record('failure', closed, 60_001)
    expect(breaker.state(60_001).state).toBe('closed')
  })

  it('row 94: lets exactly one of 50 callers probe when half-open', () => {
    const breaker = createBreaker({}, () => 0)
    fail(breaker, 5, 0)
    const permits = Array.from({ length: 50 }, () => breaker.acquire(5_000))
    expect(permits.filter((permit) => permit.granted)).toEqual([{ granted: true, probe: true }])
  })

  it('closes when the probe succeeds, with a clean window', () => {
    const breaker = createBreaker({}, () => 0)
    fail(breaker, 5, 0)
    breaker.record('success', breaker.acquire(5_000), 5_001)
    expect(breaker.state(5_001)).toEqual({ state: 'closed' })
    breaker.record('failure', closed, 5_002)
    expect(breaker.state(5_002).state).toBe('closed')
  })

  it('doubles the open time with each probe that fails, up to the cap', () => {
    const breaker = createBreaker({}, () => 0)
    fail(breaker, 5, 0)
    let nowMs = 0
    const waits: number[] = []
    for (let probe = 0; probe < 6; probe++) {
      const state = breaker.state(nowMs)
      if (state.state !== 'open') throw new Error('not open')
      waits.push(state.untilMs - nowMs)
      nowMs = state.untilMs
      breaker.record('failure', breaker.acquire(nowMs), nowMs)
    }
    expect(waits).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000])
  })

  it('gives the probe back when its call was aborted', () => {
    const breaker = createBreaker({}, () => 0)
    fail(breaker, 5, 0)
    breaker.record('ignored', breaker.acquire(5_000), 5_001)
    expect(breaker.acquire(5_002)).toEqual({ granted: true, probe: true })
  })

  it('spreads the open time by up to a fifth', () => {
    const breaker = createBreaker({}, () => 0.5)
    fail(breaker, 5, 0)
    expect(breaker.state(0)).toMatchObject({ untilMs: 5_500 })
  })

  it('takes a 429 as a cooldown of the hinted length, never as a failure', () => {
    const breaker = createBreaker({}, () => 0)
    for (let call = 0; call < 100; call++) breaker.record('throttled', closed, 0, 1_000)
    expect(breaker.state(0)).toEqual({ state: 'cooling', untilMs: 1_000 })
    breaker.record('throttled', closed, 0, 10)
    expect(breaker.acquire(999)).toEqual({ granted: false, retryAtMs: 1_000 })
    expect(breaker.acquire(1_000)).toEqual({ granted: true, probe: false })
  })

  it('a late 429 does not shorten an open time', () => {
    const breaker = createBreaker({}, () => 0)
    fail(breaker, 5, 0)
    breaker.record('throttled', closed, 1, 10)
    expect(breaker.state(11)).toEqual({ state: 'open', openMs: 5_000, untilMs: 5_000 })
  })

  it('a hint longer than the pause of an unusable target is kept to, a shorter one is not', () => {
    const breaker = createBreaker({}, () => 0)
    breaker.record('unusable', closed, 0, 1_000)
    expect(breaker.state(0)).toMatchObject({ untilMs: 300_000 })
    breaker.record('unusable', closed, 0, 400_000)
    expect(breaker.state(0)).toMatchObject({ untilMs: 400_000 })
  })

  it('forgets a slice that nothing has overwritten', () => {
    const breaker = createBreaker({}, () => 0)
    fail(breaker, 4, 0)
    // Twelve slices later, in another slot: the four are out of the window.
    breaker.record('failure', closed, 72_000)
    expect(breaker.state(72_000).state).toBe('closed')
  })

  it('stays away longer from a target that will refuse every call alike', () => {
    const breaker = createBreaker()
    breaker.record('unusable', closed, 0)
    expect(breaker.acquire(299_999).granted).toBe(false)
    expect(breaker.acquire(300_000).granted).toBe(true)
  })

  it('goes on from a stored state', () => {
    const first = createBreaker({}, () => 0)
    fail(first, 5, 0)
    const stored = JSON.parse(JSON.stringify(first.state(0))) as ReturnType<Breaker['state']>
    expect(createBreaker({}, () => 0, stored).acquire(4_999)).toEqual({ granted: false, retryAtMs: 5_000 })
    const probing = createBreaker({}, () => 0, { state: 'half-open', openMs: 5_000, probing: true })
    expect(probing.acquire(0)).toEqual({ granted: true, probe: true })
  })

  it.each<[ErrorKind, Outcome]>([
    ['connect', 'failure'],
    ['timeout', 'failure'],
    ['server', 'failure'],
    ['overloaded', 'failure'],
    ['protocol', 'failure'],
    ['interrupted', 'failure'],
    ['rate-limit', 'throttled'],
    ['auth', 'unusable'],
    ['quota', 'unusable'],
    ['billing', 'unusable'],
    ['not-found', 'unusable'],
    ['invalid-request', 'ignored'],
    ['context-length', 'ignored'],
    ['content-filter', 'ignored'],
    ['aborted', 'ignored'],
    ['config', 'ignored'],
  ])('reads kind %s as %s', (kind, outcome) => {
    expect(outcomeOf(new LlmError({ kind, message: '' }))).toBe(outcome)
  })

  it('P7: agrees with a reference model that keeps every outcome, over random commands', () => {
    const waitMs = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 20_000 }))
    const outcome = fc.constantFrom<Outcome>('success', 'failure', 'failure', 'throttled', 'ignored')
    const commands = fc.commands<Model, Real>(
      [
        waitMs.map(wait),
        fc.constant(ask),
        fc.tuple(outcome, fc.integer({ min: 1, max: 9_000 })).map((one) => settle(...one)),
        // Most calls are asked for and settled at once; left to chance, breakers would hardly ever open.
        fc.tuple(outcome, fc.integer({ min: 1, max: 9_000 })).map((one) => call(...one)),
      ],
      { maxCommands: 150 },
    )
    fc.assert(
      fc.property(commands, (steps) =>
        fc.modelRun(
          () => ({
            model: { nowMs: 0, reference: referenceModel(), waiting: 0 },
            real: { breaker: createBreaker({}, () => 0), permits: [] },
          }),
          steps,
        ),
      ),
      { numRuns: runs },
    )
  })
})

interface Model {
  nowMs: number
  reference: ReturnType<typeof referenceModel>
  /** Calls that were let in and have not ended. */
  waiting: number
}

interface Real {
  breaker: Breaker
  permits: Permit[]
}

const wait = (ms: number): fc.Command<Model, Real> => ({
  check: () => true,
  run(model, { breaker }) {
    model.nowMs += ms
    expect(breaker.state(model.nowMs).state).toBe(model.reference.state(model.nowMs))
  },
  toString: () => `wait ${ms}`,
})

/** One caller asks; whether it is let in is the model's to say. */
const ask: fc.Command<Model, Real> = {
  check: () => true,
  run(model, { breaker, permits }) {
    const permit = breaker.acquire(model.nowMs)
    expect(permit.granted).toBe(model.reference.acquire(model.nowMs))
    if (!permit.granted) return
    model.waiting++
    permits.push(permit)
  },
  toString: () => 'ask',
}

/** The call that waits longest ends. */
const settle = (outcome: Outcome, hintMs: number): fc.Command<Model, Real> => ({
  check: ({ waiting }) => waiting > 0,
  run(model, { breaker, permits }) {
    const { nowMs, reference } = model
    const permit = permits.shift()!
    model.waiting--
    breaker.record(outcome, permit, nowMs, hintMs)
    reference.record(outcome, permit.granted && permit.probe, nowMs, hintMs)
    expect(breaker.state(nowMs).state).toBe(reference.state(nowMs))
  },
  toString: () => `${outcome} (${hintMs})`,
})

/** Asks and ends in one. */
const call = (outcome: Outcome, hintMs: number): fc.Command<Model, Real> => ({
  check: () => true,
  run(model, real) {
    void ask.run(model, real)
    if (model.waiting > 0) void settle(outcome, hintMs).run(model, real)
  },
  toString: () => `call ${outcome} (${hintMs})`,
})

/** The same rules written for the eye: a list of all outcomes, filtered on every question. */
function referenceModel(): {
  acquire(nowMs: number): boolean
  record(outcome: Outcome, probe: boolean, nowMs: number, hintMs: number): void
  state(nowMs: number): string
} {
  const SLICE_MS = 6_000
  let history: { slice: number; failed: boolean }[] = []
  let openUntil = -1
  let openMs = 0
  let halfOpen = false
  let probing = false
  let coolUntil = -1
  const state = (nowMs: number): string => {
    if (openMs > 0) {
      if (!halfOpen && nowMs >= openUntil) halfOpen = true
      if (coolUntil <= nowMs) return halfOpen ? 'half-open' : 'open'
    }
    return coolUntil > nowMs ? 'cooling' : openMs > 0 ? 'half-open' : 'closed'
  }
  const open = (nowMs: number, forMs: number): void => {
    history = []
    openMs = forMs
    openUntil = nowMs + forMs
    halfOpen = false
    probing = false
  }
  return {
    state,
    acquire(nowMs) {
      const now = state(nowMs)
      if (now === 'closed') return true
      if (now !== 'half-open' || probing) return false
      probing = true
      return true
    },
    record(outcome, probe, nowMs, hintMs) {
      const now = state(nowMs)
      if (outcome === 'throttled') {
        if (now === 'open') return
        // A 429 proves that the target lives: it ends a half-open spell and starts a cooldown.
        openMs = 0
        halfOpen = false
        probing = false
        coolUntil = Math.max(now === 'cooling' ? coolUntil : -1, nowMs + hintMs)
      } else if (now === 'half-open' && probe && probing) {
        if (outcome === 'failure') open(nowMs, Math.min(openMs * 2, 60_000))
        else {
          probing = false
          if (outcome === 'success') {
            openMs = 0
            halfOpen = false
            history = []
          }
        }
      } else if (now === 'closed' && outcome !== 'ignored') {
        const slice = Math.floor(nowMs / SLICE_MS)
        history.push({ slice, failed: outcome === 'failure' })
        const recent = history.filter((entry) => entry.slice > slice - 10)
        const failures = recent.filter((entry) => entry.failed).length
        if (outcome === 'failure' && recent.length >= 5 && failures / recent.length >= 0.5) open(nowMs, 5_000)
      }
    },
  }
}
