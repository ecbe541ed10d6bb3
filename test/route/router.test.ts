import { describe, expect, it } from 'vitest'
import { fake } from '../../src/adapters/testing.ts'
import type { FakeAnswer, FakeScript } from '../../src/adapters/testing.ts'
import { createClient } from '../../src/client.ts'
import { createCatalog } from '../../src/cost/index.ts'
import { LlmError } from '../../src/errors.ts'
import { budget, createRouter, hedge, pace } from '../../src/route/index.ts'
import type { RouterOptions, Target } from '../../src/route/index.ts'
import type { StreamEvent } from '../../src/types.ts'
import { createFakeClock } from '../fake-clock.ts'

/** A target that answers by script, and what it was asked. */
function target(
  name: string,
  script: FakeScript,
  more: Partial<Target> = {},
): Target & { calls: ReturnType<typeof fake>['calls'] } {
  const { provider, transport, calls } = fake(script, { name })
  return { provider, transport, model: `${name}-1`, name, ...more, calls }
}

const quick = { retry: { baseMs: 0 }, random: () => 0 } satisfies Partial<RouterOptions>
const down: FakeAnswer = { error: { status: 503, message: 'overloaded' } }

/** A line of a price list. */
const row = (model: string, input: string) => ({
  provider: model[0]!,
  model,
  rates: { input, output: input },
  capabilities: [],
  asOf: '2026-11-10',
  source: 'test',
})

async function events(run: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const seen: StreamEvent[] = []
  for await (const event of run) seen.push(event)
  return seen
}

async function failure(run: Promise<unknown>): Promise<LlmError> {
  try {
    await run
  } catch (error) {
    if (LlmError.is(error)) return error
    throw error
  }
  throw new Error('did not fail')
}

describe('fallback', () => {
  it('answers from the first target, and asks no other', async () => {
    const a = target('a', 'from a')
    const b = target('b', 'from b')
    const answer = await createRouter({ targets: [a, b], ...quick }).complete('hi')
    expect(answer).toMatchObject({ text: 'from a', provider: 'a', model: 'a-1' })
    expect(answer.attempts).toHaveLength(1)
    expect(b.calls).toHaveLength(0)
  })

  it('tries a failing target three times, then the next, and says so', async () => {
    const a = target('a', down)
    const b = target('b', 'from b')
    const answer = await createRouter({ targets: [a, b], ...quick }).complete('hi')
    expect(answer.text).toBe('from b')
    expect(a.calls).toHaveLength(3)
    expect(answer.attempts.map(({ provider, status }) => [provider, status])).toEqual([
      ['a', 503],
      ['a', 503],
      ['a', 503],
      ['b', 200],
    ])
    expect(answer.attempts[0]).toMatchObject({ error: { kind: 'overloaded', retryable: true } })
  })

  it('row 49: fails twice, then succeeds on the same target', async () => {
    const a = target('a', [down, down, 'third'])
    const answer = await createRouter({ targets: [a], ...quick }).complete('hi')
    expect(answer.text).toBe('third')
    expect(answer.attempts).toHaveLength(3)
  })

  it('writes the pauses down: full jitter, doubling', async () => {
    const clock = createFakeClock()
    const a = target('a', [down, { error: { status: 500 } }, 'third'])
    const answer = createRouter({ targets: [a], clock, random: () => 0.5 }).complete('hi')
    await clock.advance(2_000)
    // Overloaded starts at 1 s; the second pause of a server's failure is up to 1 s.
    expect((await answer).attempts.map(({ delayMs }) => delayMs)).toEqual([0, 500, 500])
    expect(clock.armed).toBe(0)
  })

  it('does not wait for its breaker while another target can answer; alone it does', async () => {
    const clock = createFakeClock()
    const breaker = { minimumCalls: 1 }
    const a = target('a', down)
    const router = createRouter({ targets: [a, target('b', 'from b')], breaker, clock, random: () => 0 })
    const answer = router.complete('hi')
    await clock.advance(0)
    expect((await answer).text).toBe('from b')
    expect(a.calls).toHaveLength(1)
    const alone = createRouter({
      targets: [target('c', [down, 'at last'])],
      breaker,
      clock,
      random: () => 0,
    }).complete('hi')
    for (let second = 0; second < 10; second++) await clock.advance(1_000)
    expect((await alone).attempts.map(({ delayMs }) => delayMs)).toEqual([0, 5_000])
  })

  it('does not take a request elsewhere that is itself at fault', async () => {
    const a = target('a', { error: { status: 400, message: 'bad' } })
    const b = target('b', 'from b')
    const error = await failure(createRouter({ targets: [a, b], ...quick }).complete('hi'))
    expect(error.kind).toBe('invalid-request')
    expect([a.calls.length, b.calls.length]).toEqual([1, 0])
  })

  it('stays with a wrong key unless told to move on', async () => {
    const make = (): Target[] => [target('a', { error: { status: 401 } }), target('b', 'from b')]
    expect((await failure(createRouter({ targets: make(), ...quick }).complete('hi'))).kind).toBe('auth')
    const answer = await createRouter({ targets: make(), fallbacks: { on: ['auth'] }, ...quick }).complete(
      'hi',
    )
    expect(answer.text).toBe('from b')
  })

  it('moves on without retrying when money or quota is the reason', async () => {
    const a = target('a', { error: { kind: 'quota', status: 429 } })
    const b = target('b', 'from b')
    expect((await createRouter({ targets: [a, b], ...quick }).complete('hi')).text).toBe('from b')
    expect(a.calls).toHaveLength(1)
  })

  it('row 39: does not sleep through a hint of two minutes, but moves on at once', async () => {
    const a = target('a', { error: { status: 503, retryAfterMs: 120_000 } })
    const b = target('b', 'from b')
    expect((await createRouter({ targets: [a, b], ...quick }).complete('hi')).text).toBe('from b')
    expect(a.calls).toHaveLength(1)
    const alone = await failure(
      createRouter({
        targets: [target('c', { error: { status: 503, retryAfterMs: 120_000 } })],
        ...quick,
      }).complete('hi'),
    )
    expect(alone).toMatchObject({ kind: 'overloaded', retryAfterMs: 120_000 })
  })

  it('says what failed when everything did, with every attempt', async () => {
    const error = await failure(
      createRouter({ targets: [target('a', down), target('b', down)], ...quick }).complete('hi'),
    )
    expect(error.kind).toBe('all-targets-failed')
    expect(error.attempts).toHaveLength(6)
    expect(LlmError.is(error.cause) && error.cause.kind).toBe('overloaded')
  })

  it('goes to its own chain with a conversation that is too long, or filtered', async () => {
    const make = (kind: 'context-length' | 'content-filter'): Target[] => [
      target('a', { error: { kind, status: 400 } }),
    ]
    const big = target('big', 'from big')
    const free = target('free', 'from free')
    const fallbacks = { contextLength: [big], contentFilter: [free] }
    expect(
      (await createRouter({ targets: make('context-length'), fallbacks, ...quick }).complete('hi')).text,
    ).toBe('from big')
    expect(
      (await createRouter({ targets: make('content-filter'), fallbacks, ...quick }).complete('hi')).text,
    ).toBe('from free')
    expect(
      (
        await failure(
          createRouter({ targets: [...make('context-length'), target('b', 'x')], ...quick }).complete('hi'),
        )
      ).kind,
    ).toBe('context-length')
  })

  it('asks no target for what it cannot do', async () => {
    const a = target('a', 'from a', { capabilities: ['image'] })
    const b = target('b', 'from b', { contextTokens: 10 })
    const c = target('c', 'from c', { capabilities: ['tools'], contextTokens: 100_000 })
    const router = createRouter({ targets: [a, b, c], ...quick })
    const tools = [{ name: 'look', inputSchema: { type: 'object' } }]
    expect((await router.complete('x'.repeat(1_000), { tools })).text).toBe('from c')
    const error = await failure(
      router.complete([
        {
          role: 'user',
          content: [
            { type: 'audio', data: 'AAAA', mediaType: 'audio/wav' },
            { type: 'text', text: 'x'.repeat(1_000) },
          ],
        },
      ]),
    )
    expect(error.kind).toBe('unsupported')
    expect(error.message).toMatch(
      /a: it has no audio; b: its window of 10 tokens is too small; c: it has no audio/,
    )
  })

  it('nests: a router is a target like any other', async () => {
    const inner = createRouter({ targets: [target('a', down), target('b', down)], ...quick })
    const plain = createClient(target('c', 'from c'))
    const answer = await createRouter({
      targets: [inner, plain],
      retry: { attempts: 1 },
      random: () => 0,
    }).complete('hi')
    expect(answer.text).toBe('from c')
    expect(answer.attempts).toHaveLength(7)
  })

  it('takes any object with the two verbs', async () => {
    const { complete, stream, embed, countTokens, listModels } = createClient(target('a', 'own client'))
    const foreign = { complete, stream, embed, countTokens, listModels }
    const answer = await createRouter({ targets: [foreign], ...quick }).complete('hi')
    expect(answer).toMatchObject({ text: 'own client', provider: 'a' })
  })
})

describe('streams', () => {
  it('fails over unseen until content arrives: the events are those of one answer', async () => {
    const run = createRouter({
      targets: [target('a', { error: { after: 0, kind: 'overloaded' } }), target('b', 'hello there')],
      ...quick,
    }).stream('hi')
    expect((await events(run)).map(({ type }) => type)).toEqual([
      'start',
      'text-delta',
      'text-delta',
      'finish',
    ])
    expect((await run.completion).provider).toBe('b')
  })

  it('throws interrupted with the partial once content was delivered', async () => {
    const b = target('b', 'never')
    const run = createRouter({
      targets: [target('a', { text: 'one two three', cutAfter: 2 }), b],
      ...quick,
    }).stream('hi')
    const error = await failure(events(run))
    expect(error).toMatchObject({ kind: 'interrupted', partial: { text: 'one two ' } })
    expect(error.attempts).toHaveLength(1)
    expect(b.calls).toHaveLength(0)
  })

  it('restarts when asked to, with an event that says so', async () => {
    const a = target('a', { text: 'one two three', cutAfter: 2 })
    const router = createRouter({
      targets: [a, target('b', 'whole answer')],
      onInterrupt: 'restart',
      breaker: { minimumCalls: 1 },
      ...quick,
    })
    const run = router.stream('hi')
    const seen = await events(run)
    const at = seen.findIndex(({ type }) => type === 'restart')
    expect(seen.slice(0, at).flatMap((event) => (event.type === 'text-delta' ? [event.text] : []))).toEqual([
      'one ',
      'two ',
    ])
    expect(await run.completion).toMatchObject({ text: 'whole answer', provider: 'b' })
  })

  it('run.text cannot say restart, so it throws', async () => {
    const router = createRouter({
      targets: [target('a', { text: 'one two', cutAfter: 1 }), target('b', 'x')],
      onInterrupt: 'restart',
      ...quick,
    })
    const read = async (): Promise<void> => {
      for await (const _ of router.stream('hi').text);
    }
    expect((await failure(read())).kind).toBe('interrupted')
  })

  it('never restarts after a tool call was delivered', async () => {
    const a = target('a', { toolCalls: [{ name: 'pay', args: { amount: 5 } }], cutAfter: 2 })
    const b = target('b', 'x')
    const router = createRouter({ targets: [a, b], onInterrupt: 'restart', ...quick })
    const tools = [{ name: 'pay', inputSchema: { type: 'object' } }]
    expect((await failure(router.complete('hi', { tools }))).kind).toBe('interrupted')
    expect([a.calls.length, b.calls.length]).toEqual([1, 0])
  })

  it.each(['prefill', 'user-turn'] as const)(
    'continues by %s where the target says how',
    async (continuation) => {
      const a = target('a', [{ text: 'one two three', cutAfter: 2 }, 'three four'], { continuation })
      const router = createRouter({
        targets: [a],
        onInterrupt: { mode: 'continue', prompt: 'weiter' },
        ...quick,
      })
      const run = router.stream('count')
      const text = (await events(run))
        .flatMap((event) => (event.type === 'text-delta' ? [event.text] : []))
        .join('')
      expect(text).toBe('one two three four')
      expect((await run.completion).message.content).toEqual([{ type: 'text', text: 'one two three four' }])
      const last = a.calls[1]?.request.messages.slice(1)
      expect(last).toEqual(
        continuation === 'prefill'
          ? [{ role: 'assistant', content: 'one two' }]
          : [
              { role: 'assistant', content: 'one two ' },
              { role: 'user', content: 'weiter' },
            ],
      )
    },
  )

  it('continues with the tools of the input, and with nothing of the assistant when nothing was said', async () => {
    const tools = [{ name: 'look', inputSchema: { type: 'object' } }]
    const a = target('a', [{ reasoning: 'let me see', text: 'never', cutAfter: 2 }, 'the answer'], {
      continuation: 'prefill',
    })
    const router = createRouter({ targets: [a], onInterrupt: 'continue', ...quick })
    const answer = await router.complete({ messages: [{ role: 'user', content: 'hi' }], tools })
    expect(answer.text).toBe('the answer')
    expect(a.calls[1]?.request.tools).toMatchObject([{ name: 'look' }])
    expect(a.calls[1]?.request.messages).toEqual([{ role: 'user', content: 'hi' }])
  })

  it('a prefill that had to be trimmed does not double the space', async () => {
    const a = target('a', [{ text: ['one ', 'two ', 'three'], cutAfter: 2 }, { text: [' three', ' four'] }], {
      continuation: 'prefill',
    })
    const router = createRouter({ targets: [a], onInterrupt: 'continue', ...quick })
    expect((await router.complete('count')).text).toBe('one two three four')
  })

  it('does not continue at a lane that could not take the request in the first place', async () => {
    const a = target('a', [{ text: 'one two', cutAfter: 1 }])
    const b = target('b', 'rest', { continuation: 'user-turn', capabilities: [] })
    const tools = [{ name: 'look', inputSchema: { type: 'object' } }]
    const router = createRouter({ targets: [a, b], onInterrupt: 'continue', ...quick })
    expect((await failure(router.complete('hi', { tools }))).kind).toBe('interrupted')
    expect(b.calls).toHaveLength(0)
  })

  it('continues at the next lane that says how when the one that broke off is open by now', async () => {
    const a = target('a', [{ text: 'one two', cutAfter: 1 }, 'never'], { continuation: 'user-turn' })
    const b = target('b', 'two', { continuation: 'user-turn' })
    const router = createRouter({
      targets: [a, b],
      onInterrupt: 'continue',
      breaker: { minimumCalls: 1, failureRatio: 0.1 },
      ...quick,
    })
    expect((await router.complete('hi')).text).toBe('one two')
    expect([a.calls.length, b.calls.length]).toEqual([1, 1])
  })

  it('does not continue where nobody said how', async () => {
    const a = target('a', [{ text: 'one two', cutAfter: 1 }, 'rest'])
    expect(
      (await failure(createRouter({ targets: [a], onInterrupt: 'continue', ...quick }).complete('hi'))).kind,
    ).toBe('interrupted')
    expect(a.calls).toHaveLength(1)
  })

  it('aborts the target that is asked, and tries no other', async () => {
    const a = target('a', { delayMs: Infinity })
    const b = target('b', 'x')
    const controller = new AbortController()
    const run = createRouter({ targets: [a, b], ...quick }).complete('hi', { signal: controller.signal })
    await new Promise((resolve) => setTimeout(resolve, 5))
    controller.abort(new Error('enough'))
    const error = await failure(run)
    expect(error.kind).toBe('aborted')
    expect((error.cause as Error).message).toBe('enough')
    expect(a.calls[0]?.aborted).toBe(true)
    expect(b.calls).toHaveLength(0)
  })

  it('has one deadline over all targets', async () => {
    const slow = (): FakeAnswer => ({ delayMs: 40, error: { status: 503 } })
    const router = createRouter({
      targets: [target('a', slow), target('b', slow), target('c', slow)],
      ...quick,
    })
    const error = await failure(router.complete('hi', { timeouts: { total: 60 } }))
    expect(error).toMatchObject({ kind: 'timeout', phase: 'total' })
  })
})

describe('health', () => {
  it('stays away from a target that keeps failing, and probes it once when its time is over', async () => {
    let nowMs = 0
    const clock = {
      nowMs: () => nowMs,
      epochMs: () => nowMs,
      setTimer: (run: () => void) => setTimeout(run, 0),
      clearTimer: (timer: unknown) => clearTimeout(timer as never),
    }
    let healthy = false
    const a = target('a', () => (healthy ? 'a again' : down))
    const router = createRouter({ targets: [a, target('b', () => 'from b')], clock, ...quick })
    await router.complete('1')
    await router.complete('2')
    expect(router.state()[0]?.breaker.state).toBe('open')
    const before = a.calls.length
    await router.complete('3')
    expect(a.calls).toHaveLength(before)
    healthy = true
    nowMs += 6_000
    expect((await router.complete('4')).text).toBe('a again')
    expect(router.state()[0]?.breaker).toEqual({ state: 'closed' })
  })

  it('leaves a throttled target alone for as long as it asked', async () => {
    const clock = createFakeClock()
    const a = target('a', { error: { status: 429, retryAfterMs: 20_000 } })
    const router = createRouter({ targets: [a, target('b', 'from b')], clock, retry: false })
    const answer = router.complete('hi')
    await clock.advance(0)
    await answer
    expect(router.state()[0]?.breaker).toEqual({ state: 'cooling', untilMs: clock.nowMs() + 20_000 })
  })

  it('books a fast failure as five seconds, so that it does not look like the fastest target', async () => {
    const clock = createFakeClock()
    const router = createRouter({ targets: [target('a', down), target('b', 'x')], clock, retry: false })
    const answer = router.complete('hi')
    await clock.advance(0)
    await answer
    expect(router.state()[0]?.firstTokenMs).toBe(5_000)
  })

  it('embeds at a target whose breaker allows it', async () => {
    const asked: string[] = []
    const lane = (name: string) => ({
      ...createClient(target(name, 'x')),
      async embed() {
        asked.push(name)
        return { embeddings: [new Float32Array(1)], usage: {}, model: 'e', provider: name, warnings: [] }
      },
    })
    const open = { state: 'open', untilMs: 1e15, openMs: 1 } as const
    const router = createRouter({
      targets: [lane('a'), lane('b')],
      breaker: { initial: { 'client 0': open } },
      ...quick,
    })
    await router.embed('hi', { model: 'e' })
    expect(asked).toEqual(['b'])
  })

  it('does not embed elsewhere what is itself at fault', async () => {
    const asked: string[] = []
    const lane = (name: string) => ({
      ...createClient(target(name, 'x')),
      async embed() {
        asked.push(name)
        throw new LlmError({ kind: 'invalid-request', message: 'too long' })
      },
    })
    const router = createRouter({ targets: [lane('a'), lane('b')], ...quick })
    expect((await failure(router.embed('hi', { model: 'e' }))).kind).toBe('invalid-request')
    expect(asked).toEqual(['a'])
  })

  it('a probe that embeds is settled like any other', async () => {
    const vectors = {
      embeddings: [new Float32Array(2)],
      usage: {},
      model: 'e',
      provider: 'own',
      warnings: [],
    }
    let healthy = false
    const { complete, stream, countTokens, listModels } = createClient(target('a', 'x'))
    const embed = async () => {
      if (!healthy) throw new LlmError({ kind: 'server', message: 'down' })
      return vectors
    }
    const half = { state: 'half-open', openMs: 1_000, probing: false } as const
    const router = createRouter({
      targets: [{ complete, stream, embed, countTokens, listModels }],
      breaker: { initial: { 'client 0': half } },
      ...quick,
    })
    expect((await failure(router.embed('hi', { model: 'e' }))).kind).toBe('server')
    expect(router.state()[0]?.breaker).toMatchObject({ state: 'open', openMs: 2_000 })
    healthy = true
    const again = createRouter({
      targets: [{ complete, stream, embed, countTokens, listModels }],
      breaker: { initial: { 'client 0': half } },
      ...quick,
    })
    expect(await again.embed('hi', { model: 'e' })).toBe(vectors)
    expect(again.state()[0]?.breaker.state).toBe('closed')
  })

  it('row 50: with 100 callers and a dead target, sends 1.2 × callers and the reserve to it, and no more', async () => {
    const a = target('a', down)
    const router = createRouter({ targets: [a], breaker: { minimumCalls: 1e9 }, ...quick })
    await Promise.allSettled(Array.from({ length: 100 }, () => router.complete('hi')))
    expect(a.calls.length).toBe(130)
  })

  it('row 95: with every breaker open, asks the one nearest recovery', async () => {
    const a = target('a', 'from a')
    const b = target('b', 'from b')
    const router = createRouter({
      targets: [a, b],
      breaker: {
        initial: {
          a: { state: 'open', untilMs: 1e15, openMs: 1 },
          b: { state: 'open', untilMs: 1e14, openMs: 1 },
        },
      },
      ...quick,
    })
    expect((await router.complete('hi')).text).toBe('from b')
  })

  it('counts calls in flight, and forgets them however they end', async () => {
    const a = target('a', { text: 'one two', tokensPerSecond: 100 })
    const router = createRouter({ targets: [a, target('b', { text: 'x y', cutAfter: 1 })], ...quick })
    const run = router.stream('hi')
    const reader = run[Symbol.asyncIterator]()
    await reader.next()
    expect(router.state()[0]?.inFlight).toBe(1)
    await reader.return?.()
    expect(router.state()[0]?.inFlight).toBe(0)
    await router.complete('hi')
    expect(router.state().map(({ inFlight }) => inFlight)).toEqual([0, 0])
    const state = router.state()
    expect(JSON.parse(JSON.stringify(state))).toEqual(state)
  })
})

describe('strategies', () => {
  it('weighted: exactly by weight', async () => {
    const a = target('a', () => 'a', { weight: 2 })
    const b = target('b', () => 'b')
    const router = createRouter({ targets: [a, b], strategy: 'weighted', ...quick })
    for (let call = 0; call < 9; call++) await router.complete('hi')
    expect([a.calls.length, b.calls.length]).toEqual([6, 3])
  })

  it('the same long prefix prefers the same target, whose cache knows it', async () => {
    const all = ['a', 'b', 'c'].map((name) => target(name, () => name))
    const router = createRouter({ targets: all, strategy: 'weighted', ...quick })
    for (let prompt = 0; prompt < 6; prompt++) {
      const system = `manual ${prompt} `.repeat(500)
      const answers = new Set<string>()
      for (let call = 0; call < 4; call++)
        answers.add((await router.complete(`question ${call}`, { system })).text)
      expect(answers.size).toBe(1)
    }
    expect(all.filter(({ calls }) => calls.length > 0).length).toBeGreaterThan(1)
  })

  it('fastest: learns who is slow', async () => {
    const slow = target('slow', () => ({ text: 'x', firstTokenMs: 60 }))
    const fast = target('fast', () => 'y')
    const router = createRouter({ targets: [slow, fast], strategy: 'fastest', retry: { baseMs: 0 } })
    for (let call = 0; call < 20; call++) await router.complete('hi')
    expect(fast.calls.length).toBeGreaterThan(slow.calls.length)
  })

  it('cheapest: by the price list, unknown prices last', async () => {
    const prices = createCatalog([row('a-1', '10'), row('b-1', '1')])
    const all = ['c', 'a', 'b'].map((name) => target(name, () => name))
    const router = createRouter({ targets: all, strategy: 'cheapest', prices, ...quick })
    expect((await router.complete('hi')).text).toBe('b')
  })
})

describe('what a router refuses', () => {
  it.each<[string, RouterOptions]>([
    ['no targets', { targets: [] }],
    ['a target that is none', { targets: [7 as never] }],
    ['an unknown strategy', { targets: ['openai/x'], strategy: 'best' as never }],
    ['cheapest without prices', { targets: ['openai/x'], strategy: 'cheapest' }],
    ['a weight of 0', { targets: [{ provider: 'openai', weight: 0 }] }],
    ['an option that does not exist', { targets: ['openai/x'], maxCost: 1 } as never],
    ['a pace that is no gate', { targets: ['openai/x'], pace: { requestsPerMinute: 5 } as never }],
    ['a budget that is no gate', { targets: ['openai/x'], budget: 5 as never }],
    ['a hedge that is none', { targets: ['openai/x'], hedge: { afterMs: 5 } as never }],
  ])('%s, as kind config', (_, options) => {
    expect(() => createRouter(options)).toThrow(LlmError)
  })

  it('a call that names its own model', async () => {
    const a = target('a', 'x')
    expect(
      (await failure(createRouter({ targets: [a], ...quick }).complete('hi', { model: 'other' }))).kind,
    ).toBe('config')
    expect(a.calls).toHaveLength(0)
  })

  it('an empty prompt, before any target sees it', async () => {
    const a = target('a', 'x')
    expect((await failure(createRouter({ targets: [a], ...quick }).complete(''))).kind).toBe(
      'invalid-request',
    )
    expect(a.calls).toHaveLength(0)
  })
})

describe('a polluted prototype', () => {
  it('row 112: gives a router no options', async () => {
    const evil: Record<string, unknown> = {
      windowMs: 1,
      minimumCalls: 1,
      failureRatio: 0,
      openMs: 1e9,
      ratio: 1e9,
      reserve: 1e9,
      attempts: 1e9,
      contextLength: ['openai/evil'],
      contentFilter: ['openai/evil'],
      on: ['auth'],
      continuation: 'prefill',
      capabilities: [],
      contextTokens: 0,
      afterMs: 0,
      requestsPerMinute: 1e-9,
      estimate: () => Infinity,
    }
    for (const [name, value] of Object.entries(evil)) {
      Reflect.defineProperty(Object.prototype, name, { value, configurable: true, writable: true })
    }
    try {
      const a = target('a', down)
      const b = target('b', 'from b')
      const router = createRouter({
        targets: [a, b],
        fallbacks: {},
        breaker: {},
        retry: { baseMs: 0, budget: {} },
        pace: pace({ inputTokensPerMinute: 1e9 }),
        budget: budget({ dollars: 1, prices: createCatalog([row('a-1', '1'), row('b-1', '1')]) }),
        hedge: hedge({}),
        random: () => 0,
      })
      expect((await router.complete('hi')).text).toBe('from b')
      expect(a.calls).toHaveLength(3)
      const [first] = router.state()
      expect(first).toMatchObject({ breaker: { state: 'closed' }, name: 'a' })
      expect(first!.retriesLeft).toBeLessThan(11)
      expect(router.state()).toHaveLength(2)
    } finally {
      for (const name of Object.keys(evil)) Reflect.deleteProperty(Object.prototype, name)
    }
  })
})

describe('observers', () => {
  it('see one call with all its attempts, not one call per target', async () => {
    const told: string[] = []
    const hooks = {
      onRequest: () => told.push('request'),
      onAttempt: ({ provider }: { provider: string }) => told.push(`attempt ${provider}`),
      onRetry: () => told.push('retry'),
      onFirstEvent: () => told.push('first'),
      onFinish: () => told.push('finish'),
      onError: () => told.push('error'),
    }
    await createRouter({ targets: [target('a', [down, down, down]), target('b', 'x')], ...quick }).complete(
      'hi',
      { hooks: hooks as never },
    )
    expect(told).toEqual([
      'request',
      'attempt a',
      'retry',
      'attempt a',
      'retry',
      'attempt a',
      'attempt b',
      'first',
      'finish',
    ])
  })
})
