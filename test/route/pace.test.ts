import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fake } from '../../src/adapters/testing.ts'
import { LlmError } from '../../src/errors.ts'
import { createRouter, pace } from '../../src/route/index.ts'
import type { GateAttempt, Leave } from '../../src/route/index.ts'
import { createFakeClock, settle } from '../fake-clock.ts'
import type { FakeClock } from '../fake-clock.ts'

const runs = process.env['LLMSWAP_FULL'] === '1' ? 1_000 : 60

function attempt(clock: FakeClock, more: Partial<GateAttempt> = {}): GateAttempt {
  return {
    target: 'a',
    provider: 'p',
    model: 'm',
    request: { model: 'm', messages: [{ role: 'user', content: 'hi' }], stream: true },
    inputTokens: 1,
    clock,
    signal: new AbortController().signal,
    leftMs: Infinity,
    ...more,
  }
}

describe('pace', () => {
  it('lets a burst through and spaces what follows by the rate', async () => {
    const clock = createFakeClock()
    const gate = pace({ requestsPerMinute: 60, burstMs: 3_000 })
    const at: number[] = []
    const startMs = clock.nowMs()
    for (let one = 0; one < 6; one++)
      void Promise.resolve(gate.enter(attempt(clock))).then(() => at.push(clock.nowMs() - startMs))
    await clock.advance(10_000)
    expect(at.map((ms) => Math.round(ms / 1000))).toEqual([0, 0, 0, 1, 2, 3])
  })

  it('row 96: a request larger than its bucket is sent when the bucket is full, and never hangs', async () => {
    const clock = createFakeClock()
    const gate = pace({ inputTokensPerMinute: 6_000, burstMs: 10_000, maxWaitMs: Infinity })
    const order: string[] = []
    const ask = (name: string, inputTokens: number): void =>
      void Promise.resolve(gate.enter(attempt(clock, { inputTokens }))).then(() => order.push(name))
    ask('small', 500)
    ask('huge', 1_000_000)
    ask('after', 500)
    await settle()
    expect(order).toEqual(['small'])
    await clock.advance(5_000)
    expect(order).toEqual(['small', 'huge'])
    await clock.advance(5_001)
    expect(order).toEqual(['small', 'huge', 'after'])
    expect(clock.armed).toBe(0)
  })

  it('P8: over any window lets in no more than the capacity and the rate, in order, and all of it in the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ waitMs: fc.integer({ min: 0, max: 3_000 }), size: fc.integer({ min: 1, max: 400 }) }),
          {
            minLength: 1,
            maxLength: 30,
          },
        ),
        async (steps) => {
          const clock = createFakeClock()
          const perMs = 6_000 / 60_000
          const capacity = perMs * 2_000
          const gate = pace({ inputTokensPerMinute: 6_000, burstMs: 2_000, maxWaitMs: Infinity })
          const entered: { id: number; atMs: number; size: number }[] = []
          for (const [id, { waitMs, size }] of steps.entries()) {
            await clock.advance(waitMs)
            void Promise.resolve(gate.enter(attempt(clock, { inputTokens: size }))).then((leave) => {
              entered.push({ id, atMs: clock.nowMs(), size: Math.min(size, capacity) })
              leave({ usage: { inputTokens: size }, billed: true })
            })
          }
          await clock.advance(1_000_000)
          expect(entered.map(({ id }) => id)).toEqual(steps.map((_, id) => id))
          for (let from = 0; from < entered.length; from++) {
            let sum = 0
            for (let to = from; to < entered.length; to++) {
              sum += entered[to]!.size
              const windowMs = entered[to]!.atMs - entered[from]!.atMs
              expect(sum).toBeLessThanOrEqual(capacity + perMs * windowMs + 1e-6)
            }
          }
          expect(clock.armed).toBe(0)
        },
      ),
      { numRuns: runs },
    )
  })

  it('gives back what was not used, and waits for what was used beyond it', async () => {
    const clock = createFakeClock()
    const gate = pace({ outputTokensPerMinute: 6_000, burstMs: 10_000 })
    const enter = async (): Promise<Leave> => gate.enter(attempt(clock))
    const first = await enter()
    const second = await enter()
    let third: Leave | undefined
    void enter().then((leave) => (third = leave))
    await settle()
    // Two times 500 expected: the bucket of 1,000 is empty.
    expect(third).toBeUndefined()
    first({ usage: { outputTokens: 100 }, billed: true })
    second({ usage: undefined, billed: false })
    await clock.advance(5_000)
    expect(third).toBeDefined()
    third!({ usage: { outputTokens: 900 }, billed: true })
    let fourth = false
    void enter().then(() => (fourth = true))
    await settle()
    // 1,000 less 900 are left, and 500 is what answers have had on average.
    expect(fourth).toBe(false)
    await clock.advance(4_000)
    expect(fourth).toBe(true)
  })

  it('a waiting attempt that is aborted leaves, and nobody overtakes', async () => {
    const clock = createFakeClock()
    const gate = pace({ inputTokensPerMinute: 6_000, burstMs: 10_000 })
    const controller = new AbortController()
    const order: string[] = []
    const ask = (name: string, inputTokens: number, signal = new AbortController().signal): unknown =>
      Promise.resolve(gate.enter(attempt(clock, { inputTokens, signal }))).then(
        () => order.push(name),
        () => order.push(`${name} left`),
      )
    ask('first', 1_000)
    ask('second', 1_000)
    ask('third', 1_000, controller.signal)
    // A hundredth of a bucket: there would be room for it long before the second has its share.
    ask('fourth', 10)
    await settle()
    controller.abort(new Error('enough'))
    await clock.advance(5_000)
    expect(order).toEqual(['first', 'third left'])
    await clock.advance(5_000)
    expect(order).toEqual(['first', 'third left', 'second'])
    await clock.advance(100)
    expect(order).toEqual(['first', 'third left', 'second', 'fourth'])
    expect(clock.armed).toBe(0)
  })

  it('sends a router to its next target instead of waiting beyond what it may', async () => {
    const a = fake('from a', { name: 'a' })
    const b = fake('from b', { name: 'b' })
    const router = createRouter({
      targets: [
        { ...a, model: 'm', name: 'a' },
        { ...b, model: 'm', name: 'b' },
      ],
      pace: pace({ targets: { a: { requestsPerMinute: 1 } }, maxWaitMs: 100 }),
    })
    expect((await router.complete('1')).text).toBe('from a')
    expect((await router.complete('2')).text).toBe('from b')
    // What was refused here says nothing of the target.
    expect(router.state()[0]?.breaker.state).toBe('closed')
    expect(a.calls).toHaveLength(1)
  })

  it('refuses limits that let nothing through', () => {
    expect(() => pace({ requestsPerMinute: 0 })).toThrow(LlmError)
    expect(() => pace({ targets: { a: { inputTokensPerMinute: Number.NaN } } })).toThrow(LlmError)
  })
})
