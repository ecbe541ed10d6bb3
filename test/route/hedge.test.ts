import { describe, expect, it } from 'vitest'
import { fake } from '../../src/adapters/testing.ts'
import type { FakeScript } from '../../src/adapters/testing.ts'
import { LlmError } from '../../src/errors.ts'
import { createRouter, hedge } from '../../src/route/index.ts'
import type { Target } from '../../src/route/index.ts'
import { createFakeClock, settle } from '../fake-clock.ts'

type Faked = Target & { calls: ReturnType<typeof fake>['calls'] }

function target(name: string, script: FakeScript): Faked {
  const { provider, transport, calls } = fake(script, { name })
  return { provider, transport, model: `${name}-1`, name, calls }
}

const down = { error: { status: 503, message: 'overloaded' } }

describe('hedge', () => {
  it('row 93: the second is asked after the wait, the first to write is heard, the other is aborted', async () => {
    const slow = target('slow', { text: 'slow', delayMs: Infinity })
    const quick = target('quick', 'quick')
    const router = createRouter({ targets: [slow, quick], hedge: hedge({ afterMs: 10 }) })
    const answer = await router.complete('hi')
    expect(answer).toMatchObject({ text: 'quick', provider: 'quick' })
    await settle()
    expect(slow.calls[0]?.aborted).toBe(true)
    // Both are on record, and nothing is left.
    expect(answer.attempts.map(({ provider }) => provider).sort()).toEqual(['quick', 'slow'])
    expect(router.state().map(({ inFlight, breaker }) => [inFlight, breaker.state])).toEqual([
      [0, 'closed'],
      [0, 'closed'],
    ])
  })

  it('row 93: headers do not count, content does', async () => {
    const slow = target('slow', { text: 'slow', firstTokenMs: Infinity })
    const quick = target('quick', 'quick')
    const answer = await createRouter({ targets: [slow, quick], hedge: hedge({ afterMs: 10 }) }).complete(
      'hi',
    )
    expect(answer.text).toBe('quick')
    expect(slow.calls[0]?.aborted).toBe(true)
  })

  it('row 93: when both win in the same instant there is one answer, and the other is let go', async () => {
    const clock = createFakeClock()
    let starts = 0
    const discarded: string[] = []
    const answer = hedge({ afterMs: 5 }).race<string>({
      clock,
      signal: new AbortController().signal,
      async start() {
        const name = ['first', 'second'][starts++]!
        await new Promise<void>((resolve) => clock.setTimer(resolve, name === 'first' ? 10 : 5))
        return name
      },
      target: () => 'a',
      winner: () => 'a',
      discard: (value) => discarded.push(value),
    })
    await clock.advance(10)
    expect([await answer, ...discarded].sort()).toEqual(['first', 'second'])
    expect(discarded).toHaveLength(1)
    expect(clock.armed).toBe(0)
  })

  it('row 93: a loser that fails changes nothing', async () => {
    const first = target('first', { text: 'first', delayMs: 60 })
    const second = target('second', { error: { status: 400, message: 'bad' } })
    const answer = await createRouter({ targets: [first, second], hedge: hedge({ afterMs: 5 }) }).complete(
      'hi',
    )
    expect(answer.text).toBe('first')
    expect(second.calls).toHaveLength(1)
  })

  it('row 93: when the first fails before the wait is over, the next is asked at once', async () => {
    const clock = createFakeClock()
    const router = createRouter({
      targets: [target('a', down), target('b', 'from b')],
      retry: { attempts: 1 },
      hedge: hedge({ afterMs: 1e6 }),
      clock,
    })
    const answer = router.complete('hi')
    await clock.advance(0)
    expect((await answer).text).toBe('from b')
    expect(clock.armed).toBe(0)
  })

  it('fails with the first error when both fail', async () => {
    const router = createRouter({
      targets: [target('a', { ...down, delayMs: 30 }), target('b', { error: { status: 500 }, delayMs: 30 })],
      retry: { attempts: 1 },
      hedge: hedge({ afterMs: 5 }),
    })
    const error = await router.complete('hi').catch((thrown: unknown) => thrown)
    expect(LlmError.is(error) && error.attempts?.length).toBe(2)
  })

  it('an abort ends both', async () => {
    const a = target('a', { delayMs: Infinity })
    const b = target('b', { delayMs: Infinity })
    const controller = new AbortController()
    const router = createRouter({ targets: [a, b], hedge: hedge({ afterMs: 5 }) })
    const answer = router.complete('hi', { signal: controller.signal }).catch((thrown: unknown) => thrown)
    await new Promise((resolve) => setTimeout(resolve, 60))
    controller.abort(new Error('enough'))
    expect(await answer).toMatchObject({ kind: 'aborted' })
    expect([a.calls[0]?.aborted, b.calls[0]?.aborted]).toEqual([true, true])
    expect(router.state().map(({ inFlight }) => inFlight)).toEqual([0, 0])
  })

  it('an abort while the winner writes ends it', async () => {
    const slow = target('slow', { delayMs: Infinity })
    const quick = target('quick', { text: 'one two three', tokensPerSecond: 5 })
    const controller = new AbortController()
    const run = createRouter({ targets: [slow, quick], hedge: hedge({ afterMs: 5 }) }).stream('hi', {
      signal: controller.signal,
    })
    const read = async (): Promise<void> => {
      for await (const { type } of run) if (type === 'text-delta') controller.abort(new Error('enough'))
    }
    await expect(read()).rejects.toMatchObject({ kind: 'aborted' })
    expect(quick.calls[0]?.aborted).toBe(true)
  })

  it('waits for the 95th percentile once twenty times are known, and for nothing before', async () => {
    const clock = createFakeClock()
    const policy = hedge({ share: 1 })
    let starts = 0
    const race = async (ms: number): Promise<number> => {
      starts = 0
      const done = policy.race<number>({
        clock,
        signal: new AbortController().signal,
        async start() {
          starts++
          await new Promise<void>((resolve) => clock.setTimer(resolve, ms))
          return ms
        },
        target: () => 'a',
        winner: () => 'a',
        discard: () => {},
      })
      await clock.advance(ms)
      return done
    }
    for (let ms = 1; ms <= 20; ms++) {
      await race(ms)
      expect(starts).toBe(1)
    }
    await race(19)
    expect(starts).toBe(1)
    await race(25)
    expect(starts).toBe(2)
  })

  it('asks twice no more often than its share', async () => {
    const clock = createFakeClock()
    const policy = hedge({ afterMs: 1, share: 0.05, reserve: 0 })
    let starts = 0
    const races = Array.from({ length: 100 }, () =>
      policy.race<void>({
        clock,
        signal: new AbortController().signal,
        async start() {
          starts++
          await new Promise<void>((resolve) => clock.setTimer(resolve, 10))
        },
        target: () => 'a',
        winner: () => 'a',
        discard: () => {},
      }),
    )
    await clock.advance(20)
    await Promise.all(races)
    expect(starts).toBe(105)
    expect(clock.armed).toBe(0)
  })

  it('refuses a wait that is none', () => expect(() => hedge({ afterMs: -1 })).toThrow(LlmError))
})
