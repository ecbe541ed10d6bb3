import { describe, expect, test } from 'vitest'
import type { LlmError } from '../../src/errors.ts'
import { createDeadlines, limitMs } from '../../src/http/deadlines.ts'
import type { Timeouts } from '../../src/types.ts'
import { createFakeClock } from '../fake-clock.ts'

function watch(timeouts: Timeouts = {}) {
  const clock = createFakeClock()
  const expired: LlmError[] = []
  const deadlines = createDeadlines({ clock, timeouts, expire: (error) => void expired.push(error) })
  return { clock, expired, deadlines }
}

describe('defaults', () => {
  test.each([
    ['connect', 10_000],
    ['headers', 300_000],
    ['firstToken', 300_000],
    ['idle', 90_000],
    ['progress', 600_000],
    ['total', Infinity],
  ] as const)('%s is %d ms', (name, ms) => expect(limitMs(undefined, name)).toBe(ms))
  test('false and Infinity turn one off', () => {
    expect(limitMs({ idle: false }, 'idle')).toBe(Infinity)
    expect(limitMs({ idle: Infinity }, 'idle')).toBe(Infinity)
  })
  test.each([-1, Number.NaN, '5' as never])('%s is refused', (idle) => {
    expect(() => limitMs({ idle }, 'idle')).toThrow(/timeouts\.idle/)
  })
})

test('headers: runs from sending until they come', async () => {
  const slow = watch({ headers: 100 })
  slow.deadlines.sent()
  await slow.clock.advance(99)
  expect(slow.expired).toEqual([])
  await slow.clock.advance(1)
  expect(slow.expired[0]).toMatchObject({ kind: 'timeout', phase: 'headers', retryable: true })

  const fast = watch({ headers: 100 })
  fast.deadlines.sent()
  await fast.clock.advance(99)
  fast.deadlines.headers()
  await fast.clock.advance(1000)
  expect(fast.expired).toEqual([])
})

test('firstToken: runs from sending, not from the headers, until content', async () => {
  const { clock, expired, deadlines } = watch({ firstToken: 100 })
  deadlines.sent()
  await clock.advance(60)
  deadlines.headers()
  await clock.advance(39)
  expect(expired).toEqual([])
  await clock.advance(1)
  expect(expired[0]).toMatchObject({ kind: 'timeout', phase: 'firstToken' })
})

test('idle: runs only while a read is pending', async () => {
  const { clock, expired, deadlines } = watch({ idle: 100, firstToken: false })
  deadlines.sent()
  deadlines.headers()
  for (let read = 0; read < 5; read++) {
    deadlines.reading()
    await clock.advance(99)
    deadlines.read()
    // The consumer takes its time.
    await clock.advance(10_000)
  }
  expect(expired).toEqual([])
  deadlines.reading()
  await clock.advance(100)
  expect(expired[0]).toMatchObject({ phase: 'idle' })
})

test('progress: adds up reads that brought nothing, and only those', async () => {
  const { clock, expired, deadlines } = watch({ progress: 100, idle: 50 })
  deadlines.sent()
  deadlines.headers()
  deadlines.progressed()
  const read = async (ms: number): Promise<void> => {
    deadlines.reading()
    await clock.advance(ms)
    deadlines.read()
    await clock.advance(1000)
  }
  await read(40)
  await read(40)
  deadlines.progressed()
  await read(40)
  await read(40)
  expect(expired).toEqual([])
  deadlines.reading()
  await clock.advance(20)
  expect(expired[0]).toMatchObject({ phase: 'progress' })
})

test('expires once, and never after stop()', async () => {
  const { clock, expired, deadlines } = watch({ headers: 10, firstToken: 10 })
  deadlines.sent()
  await clock.advance(100)
  expect(expired).toHaveLength(1)
  expect(clock.armed).toBe(0)

  const stopped = watch({ headers: 10 })
  stopped.deadlines.sent()
  stopped.deadlines.stop()
  await stopped.clock.advance(100)
  expect(stopped.expired).toEqual([])
  expect(stopped.clock.armed).toBe(0)
})

test('ten thousand reads arm a handful of timers, not twenty thousand', async () => {
  const { clock, deadlines } = watch({ idle: 1000, progress: 5000 })
  deadlines.sent()
  deadlines.headers()
  deadlines.progressed()
  for (let read = 0; read < 10_000; read++) {
    deadlines.reading()
    // One timer a second at most: 10 s of stream here.
    if (read % 100 === 0) await clock.advance(100)
    deadlines.read()
    deadlines.progressed()
  }
  expect(clock.delays.length).toBeLessThan(30)
})

test('a limit that is off arms nothing', () => {
  const { clock, deadlines } = watch({ headers: false, firstToken: false, idle: false, progress: false })
  deadlines.sent()
  deadlines.reading()
  expect(clock.armed).toBe(0)
})

test('a read that begins after stop() starts no clock', async () => {
  const { clock, expired, deadlines } = watch({ idle: 100 })
  deadlines.sent()
  deadlines.stop()
  deadlines.reading()
  expect(clock.armed).toBe(0)
  await clock.advance(1000)
  expect(expired).toEqual([])
})
