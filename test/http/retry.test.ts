import { describe, expect, test } from 'vitest'
import { LlmError, type ErrorKind } from '../../src/errors.ts'
import { backoffMs, DEFAULT_RETRY, retry, retryDelayMs, retryPolicy } from '../../src/http/retry.ts'
import { STALE_CONNECTION } from '../../src/http/transport.ts'
import { createFakeClock, settle } from '../fake-clock.ts'
import type { Clock } from '../../src/types.ts'

const failure = (kind: ErrorKind, more: Partial<ConstructorParameters<typeof LlmError>[0]> = {}): LlmError =>
  new LlmError({ kind, message: 'x', ...more })
const policy = DEFAULT_RETRY
const always = (value: number) => () => value

describe('backoff', () => {
  test('doubles from the base to the cap, with full jitter', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8].map((n) => backoffMs(policy, n, false, always(1)))).toEqual([
      500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
    ])
    expect(backoffMs(policy, 3, false, always(0.25))).toBe(500)
    expect(backoffMs(policy, 3, false, always(0))).toBe(0)
  })
  test('starts at twice the base when throttled', () => {
    expect(backoffMs(policy, 1, true, always(1))).toBe(1000)
  })
})

describe('the pause', () => {
  const pause = (error: LlmError, tries = 1, leftMs = Infinity, random = 1): number | undefined =>
    retryDelayMs(policy, error, tries, leftMs, always(random))

  test.each(['connect', 'timeout', 'rate-limit', 'overloaded', 'server', 'interrupted'] as const)(
    '%s is tried again',
    (kind) => expect(pause(failure(kind))).toBeGreaterThan(0),
  )
  test.each([
    'config',
    'unsupported',
    'redirect',
    'too-large',
    'auth',
    'billing',
    'quota',
    'not-found',
    'invalid-request',
    'context-length',
    'content-filter',
    'invalid-output',
    'aborted',
    'budget',
    'protocol',
  ] as const)('%s is not', (kind) => expect(pause(failure(kind))).toBeUndefined())

  test('three tries in all', () => {
    expect(pause(failure('server'), 2)).toBe(1000)
    expect(pause(failure('server'), 3)).toBeUndefined()
  })
  test('a hint is a lower bound, exceeded by at most a tenth', () => {
    expect(pause(failure('rate-limit', { retryAfterMs: 34_000 }), 1, Infinity, 0)).toBe(34_000)
    expect(pause(failure('rate-limit', { retryAfterMs: 34_000 }), 1, Infinity, 1)).toBe(37_400)
  })
  test('a hint of 0 and lucky dice still make a pause', () => {
    expect(pause(failure('rate-limit', { retryAfterMs: 0 }), 1, Infinity, 0)).toBe(10)
    expect(pause(failure('server'), 1, Infinity, 0)).toBe(10)
  })
  test('a hint above the cap is handed on instead of slept through', () => {
    expect(pause(failure('rate-limit', { retryAfterMs: 60_000 }))).toBeDefined()
    expect(pause(failure('rate-limit', { retryAfterMs: 60_001 }))).toBeUndefined()
  })
  test('a pause that outlives the deadline is not made', () => {
    expect(pause(failure('server'), 1, 500)).toBeUndefined()
    expect(pause(failure('server'), 1, 501)).toBe(500)
  })
  test('a connection that died in the pool is replaced at once, the first time', () => {
    expect(pause(failure('connect', { code: STALE_CONNECTION }), 1)).toBe(10)
    expect(pause(failure('connect', { code: STALE_CONNECTION }), 2)).toBe(1000)
  })
  test('a name that does not resolve, and nonsense, get one more try', () => {
    expect(pause(failure('connect', { code: 'ENOTFOUND' }), 1)).toBeDefined()
    expect(pause(failure('connect', { code: 'ENOTFOUND' }), 2)).toBeUndefined()
    expect(pause(failure('protocol', { retryable: true }), 1)).toBeDefined()
    expect(pause(failure('protocol', { retryable: true }), 2)).toBeUndefined()
  })
  test('the error’s own verdict wins over its kind', () => {
    expect(pause(failure('rate-limit', { retryable: false }))).toBeUndefined()
    expect(pause(failure('invalid-request', { retryable: true }))).toBeDefined()
  })
})

test('policies fill in defaults, refuse nonsense, and false is one try', () => {
  expect(retryPolicy(undefined)).toEqual({ attempts: 3, baseMs: 500, maxMs: 30_000, maxRetryAfterMs: 60_000 })
  expect(retryPolicy({ attempts: 5 })).toMatchObject({ attempts: 5, baseMs: 500 })
  expect(retryPolicy(false)).toMatchObject({ attempts: 1 })
  expect(() => retryPolicy({ baseMs: -1 })).toThrow(/retry\.baseMs/)
  expect(() => retryPolicy({ attempts: Number.NaN })).toThrow(/retry\.attempts/)
})

/** What the loop takes of a call. */
const callOf = (clock: Clock, signal: AbortSignal = new AbortController().signal) => ({
  options: { retry: policy },
  clock,
  random: always(1),
  signal,
  leftMs: always(Infinity),
})

describe('the loop', () => {
  test('a failure that was repaired is tried again at once, and is none of the tries', async () => {
    let attempts = 0
    const repairs: string[] = []
    const done = retry(callOf(createFakeClock()), {
      async attempt(delayMs) {
        if (++attempts < 4) throw failure(attempts === 1 ? 'auth' : 'invalid-request')
        return delayMs
      },
      async repair({ kind }) {
        repairs.push(kind)
        return true
      },
    })
    expect(await done).toBe(0)
    expect(repairs).toEqual(['auth', 'invalid-request', 'invalid-request'])
  })

  test('fails twice, succeeds, having slept the schedule', async () => {
    const clock = createFakeClock()
    const seen: number[] = []
    const done = retry(callOf(clock), {
      async attempt(delayMs) {
        seen.push(delayMs)
        if (seen.length < 3) throw failure('server')
        return 'ok'
      },
    })
    await clock.advance(499)
    expect(seen).toHaveLength(1)
    await clock.advance(1)
    expect(seen).toHaveLength(2)
    await clock.advance(1000)
    expect(await done).toBe('ok')
    expect(seen).toEqual([0, 500, 1000])
    expect(clock.armed).toBe(0)
  })

  test('an abort ends a pause at once, with its reason, and leaves no timer and no listener', async () => {
    const clock = createFakeClock()
    const controller = new AbortController()
    let listeners = 0
    const { signal } = controller
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = ((...args: Parameters<typeof add>) => (listeners++, add(...args))) as typeof add
    signal.removeEventListener = ((...args: Parameters<typeof remove>) => (
      listeners--,
      remove(...args)
    )) as typeof remove
    let attempts = 0
    const done = retry(callOf(clock, signal), {
      async attempt() {
        attempts++
        throw failure('server')
      },
    })
    await settle()
    expect(clock.armed).toBe(1)
    const reason = failure('aborted')
    controller.abort(reason)
    await expect(done).rejects.toBe(reason)
    expect(clock.armed).toBe(0)
    await clock.advance(100_000)
    expect(attempts).toBe(1)
    expect(listeners).toBeLessThanOrEqual(1)
  })

  test('what fails because of the abort is not tried again, and the failure stands', async () => {
    const clock = createFakeClock()
    const controller = new AbortController()
    const told = failure('server')
    let attempts = 0
    const done = retry(callOf(clock, controller.signal), {
      async attempt() {
        attempts++
        controller.abort(failure('aborted'))
        throw told
      },
      onRetry: () => expect.fail('told of a retry that never comes'),
    })
    await expect(done).rejects.toBe(told)
    expect(attempts).toBe(1)
  })

  test('what is not an LlmError is not tried again', async () => {
    const bug = new TypeError('bug')
    await expect(
      retry(callOf(createFakeClock()), {
        attempt: () => Promise.reject(bug),
        repair: () => Promise.resolve(true),
      }),
    ).rejects.toBe(bug)
  })
})
