import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import { createRun, type RunSource } from '../../src/stream/run.ts'
import type { CompletionStream, StreamEvent } from '../../src/types.ts'

const START: StreamEvent = { type: 'start', provider: 'p', model: 'm', id: 'i' }
const FINISH: StreamEvent = {
  type: 'finish',
  finishReason: 'stop',
  rawFinishReason: 'stop',
  usage: { inputTokens: 1, outputTokens: 2 },
}
const text = (value: string): StreamEvent => ({ type: 'text-delta', part: 0, text: value })

interface Script extends RunSource {
  pulls: number
  cancelled: LlmError[]
  outcomes: string[]
}

/** A source that plays batches; an Error in the list is thrown, `hang` never answers. */
function script(...batches: (StreamEvent[] | Error | 'hang')[]): Script {
  const state: Script = {
    pulls: 0,
    cancelled: [],
    outcomes: [],
    async next() {
      const batch = batches[state.pulls++]
      await delay(0)
      if (batch === 'hang') return new Promise(() => {})
      if (batch instanceof Error) throw batch
      return batch
    },
    cancel: (error) => void state.cancelled.push(error),
    facts: () => ({ provider: 'p', model: 'm', attempts: [], raw: {} }),
    fail: (error, partial, delivered) =>
      LlmError.is(error)
        ? error.with({ partial, code: delivered ? 'delivered' : 'nothing delivered' })
        : new LlmError({ kind: 'protocol', message: 'unforeseen', cause: error, partial }),
    ended: (outcome) => void state.outcomes.push(Object.keys(outcome)[0]!),
  }
  return state
}

const good = (): Script => script([START, text('Hel')], [text('lo')], [FINISH])
const broken = (): Script =>
  script([START, text('Hel')], new LlmError({ kind: 'interrupted', message: 'cut' }))

const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)
beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', note)
})
afterEach(async () => {
  await delay(5)
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})

async function collect(events: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const seen: StreamEvent[] = []
  for await (const event of events) seen.push(event)
  return seen
}

async function collectText(run: CompletionStream): Promise<string> {
  let all = ''
  for await (const piece of run.text) all += piece
  return all
}

describe('the loop', () => {
  test('gives every event in order, then ends, then completion is there', async () => {
    const run = createRun(good())
    expect(await collect(run)).toEqual([START, text('Hel'), text('lo'), FINISH])
    const completion = await run.completion
    expect(completion.text).toBe('Hello')
    expect(completion.usage).toEqual({ inputTokens: 1, outputTokens: 2 })
    expect(completion.message).toEqual({ role: 'assistant', content: [{ type: 'text', text: 'Hello' }] })
  })

  test('starts the request at the call, and reads no further than one batch ahead', async () => {
    const source = good()
    createRun(source)
    expect(source.pulls).toBe(1)
    await delay(20)
    expect(source.pulls).toBe(1)
  })

  test('gives the events before a failure, then throws it once, then is done', async () => {
    const iterator = createRun(broken())[Symbol.asyncIterator]()
    expect((await iterator.next()).value).toEqual(START)
    expect((await iterator.next()).value).toEqual(text('Hel'))
    await expect(iterator.next()).rejects.toMatchObject({ kind: 'interrupted', code: 'delivered' })
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
  })

  test('answers overlapping calls of next() in their order', async () => {
    const iterator = createRun(good())[Symbol.asyncIterator]()
    const results = await Promise.all([1, 2, 3, 4, 5, 6].map(() => iterator.next()))
    expect(results.map((result) => result.value)).toEqual([
      START,
      text('Hel'),
      text('lo'),
      FINISH,
      undefined,
      undefined,
    ])
  })

  test('one overlapping call gets the failure, the others the end', async () => {
    const iterator = createRun(broken())[Symbol.asyncIterator]()
    const results = await Promise.allSettled([1, 2, 3, 4].map(() => iterator.next()))
    expect(results.map((result) => result.status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
  })

  test('break aborts the call; completion rejects with what was delivered', async () => {
    const source = good()
    const run = createRun(source)
    for await (const event of run) if (event.type === 'text-delta') break
    await expect(run.completion).rejects.toMatchObject({
      kind: 'aborted',
      name: 'AbortError',
      partial: { text: 'Hel' },
    })
    expect(source.cancelled).toHaveLength(1)
    expect(source.outcomes).toEqual(['error'])
  })

  test('break at the finish event is not an abort', async () => {
    const source = good()
    const run = createRun(source)
    for await (const event of run) if (event.type === 'finish') break
    expect((await run.completion).text).toBe('Hello')
    expect(source.cancelled).toEqual([])
    expect(source.outcomes).toEqual(['completion'])
  })

  test('a throw inside the loop aborts the call and is the error the loop throws', async () => {
    const source = good()
    const run = createRun(source)
    const mine = new Error('mine')
    await expect(
      (async () => {
        for await (const _ of run) throw mine
      })(),
    ).rejects.toBe(mine)
    await expect(run.completion).rejects.toMatchObject({ kind: 'aborted' })
    expect(source.cancelled).toHaveLength(1)
  })

  test('an answer that ends without a finish event is interrupted', async () => {
    const run = createRun(script([START, text('Hel')]))
    await expect(collect(run)).rejects.toMatchObject({ kind: 'interrupted', partial: { text: 'Hel' } })
  })

  test('an error that is none of ours comes out typed, with its cause', async () => {
    const bug = new TypeError('boom')
    const run = createRun(script([START, text('a')], bug))
    await expect(collect(run)).rejects.toMatchObject({ kind: 'protocol', cause: bug })
  })

  test('a source whose next() throws synchronously fails the run, not the caller', async () => {
    const source = good()
    source.next = () => {
      throw new LlmError({ kind: 'config', message: 'at once' })
    }
    const run = createRun(source)
    await expect(collect(run)).rejects.toMatchObject({ kind: 'config' })
  })
})

describe('run.text', () => {
  test('gives the text alone', async () => {
    expect(await collectText(createRun(good()))).toBe('Hello')
  })

  test('throws interrupted at a restart and frees the source', async () => {
    const restart: StreamEvent = {
      type: 'restart',
      error: { kind: 'interrupted', message: 'x', retryable: true },
    }
    for (const batches of [
      [[START, text('a'), restart, text('b')]],
      [
        [START, text('a')],
        [restart, text('b')],
      ],
    ]) {
      const source = script(...batches)
      const run = createRun(source)
      const seen: string[] = []
      await expect(
        (async () => {
          for await (const piece of run.text) seen.push(piece)
        })(),
      ).rejects.toMatchObject({ kind: 'interrupted' })
      expect(seen).toEqual(['a'])
      expect(source.cancelled).toHaveLength(1)
      await expect(run.completion).rejects.toMatchObject({ kind: 'interrupted' })
    }
  })

  test('break aborts', async () => {
    const source = good()
    const run = createRun(source)
    for await (const _ of run.text) break
    expect(source.cancelled).toHaveLength(1)
  })
})

describe('one consumer', () => {
  const consumers: Record<string, (run: CompletionStream) => unknown> = {
    loop: (run) => run[Symbol.asyncIterator](),
    text: (run) => run.text[Symbol.asyncIterator](),
    toSSE: (run) => run.toSSE(),
    toResponse: (run) => run.toResponse(),
  }
  for (const first of Object.keys(consumers)) {
    for (const second of Object.keys(consumers)) {
      test(`${second} after ${first} is refused`, async () => {
        const run = createRun(good())
        await consumers[first]!(run)
        await expect((async () => consumers[second]!(run))()).rejects.toMatchObject({ kind: 'config' })
        run.abort()
      })
    }
  }

  test('a consumer that comes after run.completion began to collect is refused', async () => {
    const run = createRun(good())
    const completion = run.completion
    await delay(0)
    expect(() => run[Symbol.asyncIterator]()).toThrow(/run\.completion/)
    expect((await completion).text).toBe('Hello')
  })

  test('a loop that starts in the same turn is the consumer', async () => {
    const run = createRun(good())
    const completion = run.completion
    expect(await collect(run)).toHaveLength(4)
    expect((await completion).text).toBe('Hello')
  })
})

describe('run.completion', () => {
  test('collects by itself when nobody reads', async () => {
    expect((await createRun(good()).completion).text).toBe('Hello')
  })
  test('rejects with the failure of the source', async () => {
    await expect(createRun(broken()).completion).rejects.toMatchObject({ kind: 'interrupted' })
  })
  test('is the same answer however often it is asked for', async () => {
    const run = createRun(good())
    const [a, b] = await Promise.all([run.completion, run.completion])
    expect(a).toBe(b)
    expect(await run.completion).toBe(a)
  })
  test('asked for and never awaited, a failure is nobody’s unhandled rejection', async () => {
    void createRun(broken()).completion
    void createRun(script(new LlmError({ kind: 'auth', message: 'no' }))).completion
    await delay(30)
  })
})

describe('abort', () => {
  test('settles a pending next() at once, with the reason as cause', async () => {
    const source = script([START, text('a')], 'hang')
    const run = createRun(source)
    const reason = { my: 'reason' }
    const seen: StreamEvent[] = []
    const loop = (async () => {
      for await (const event of run) seen.push(event)
    })()
    await delay(10)
    run.abort(reason)
    await expect(loop).rejects.toMatchObject({ kind: 'aborted', cause: reason, partial: { text: 'a' } })
    expect(seen).toHaveLength(2)
    expect(source.cancelled).toHaveLength(1)
  })

  test('drops what was decoded but not delivered', async () => {
    const run = createRun(script([START, text('a'), text('b'), text('c')], [FINISH]))
    const iterator = run[Symbol.asyncIterator]()
    await iterator.next()
    await iterator.next()
    run.abort()
    await expect(iterator.next()).rejects.toMatchObject({ kind: 'aborted', partial: { text: 'a' } })
  })

  test('before anything came', async () => {
    const source = script('hang')
    const run = createRun(source)
    run.abort(new Error('changed my mind'))
    await expect(run.completion).rejects.toMatchObject({
      kind: 'aborted',
      cause: { message: 'changed my mind' },
    })
    expect(source.cancelled).toHaveLength(1)
  })

  test('after the end changes nothing', async () => {
    const source = good()
    const run = createRun(source)
    await run.completion
    run.abort()
    expect((await run.completion).text).toBe('Hello')
    expect(source.cancelled).toEqual([])
  })

  test('twice is once', async () => {
    const source = script('hang')
    const run = createRun(source)
    run.abort(1)
    run.abort(2)
    await expect(run.completion).rejects.toMatchObject({ cause: 1 })
    expect(source.cancelled).toHaveLength(1)
  })

  test('disposing of a run stops it', async () => {
    const source = script('hang')
    const run = createRun(source) as unknown as AsyncDisposable
    await run[Symbol.asyncDispose]()
    expect(source.cancelled).toHaveLength(1)
  })
})

describe('every order of use', () => {
  type Step = (run: CompletionStream, held: unknown[]) => unknown
  const steps: Record<string, Step> = {
    loop: (run) => collect(run),
    text: (run) => collectText(run),
    completion: (run) => run.completion,
    'completion, never awaited': (run, held) => void held.push(run.completion),
    partial: (run) => run.partial,
    abort: (run) => run.abort('stop'),
    sse: async (run) => new Response(run.toSSE()).text(),
    response: async (run) => (await run.toResponse()).text(),
    'half a loop': async (run) => {
      for await (const _ of run) break
    },
    'half a text': async (run) => {
      for await (const _ of run.text) break
    },
    'an iterator never used': (run) => run[Symbol.asyncIterator](),
    wait: () => delay(3),
  }
  const names = Object.keys(steps)
  const sources: Record<string, () => Script> = {
    good,
    broken,
    'failing at once': () => script(new LlmError({ kind: 'auth', message: 'no key' })),
  }
  for (const [kind, source] of Object.entries(sources)) {
    test(`${names.length ** 3} triples of ways to use a ${kind} run end in LlmErrors or success, never unhandled`, async () => {
      const runs: Promise<void>[] = []
      for (const first of names) {
        for (const second of names) {
          for (const third of names) {
            runs.push(
              (async () => {
                const run = createRun(source())
                const held: unknown[] = []
                for (const name of [first, second, third]) {
                  try {
                    // Steps start without waiting for one another half of the time.
                    const result = Promise.resolve(steps[name]!(run, held))
                    held.push(result.catch((error: unknown) => expect(LlmError.is(error)).toBe(true)))
                    // Not for ever: the completion of a run whose consumer never reads waits for that consumer.
                    if (first.length % 2 === 0) await Promise.race([result, delay(20)])
                  } catch (error) {
                    expect(LlmError.is(error), `${first}, ${second}, ${third}: ${String(error)}`).toBe(true)
                  }
                }
                run.abort()
                for (const outcome of await Promise.allSettled(held)) {
                  if (outcome.status === 'rejected') expect(LlmError.is(outcome.reason)).toBe(true)
                }
              })(),
            )
          }
        }
      }
      await Promise.all(runs)
    })
  }
})

describe('a dropped run', () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void

  async function collected(source: Script): Promise<boolean> {
    for (let round = 0; round < 50 && source.cancelled.length === 0; round++) {
      gc()
      await delay(2)
    }
    return source.cancelled.length > 0
  }

  test('that nobody ever read is cancelled when it is collected', async () => {
    const source = script([START, text('a')], 'hang')
    ;(() => void createRun(source))()
    await delay(5)
    expect(await collected(source)).toBe(true)
  })

  test('whose iterator was dropped half way is cancelled', async () => {
    const source = script([START, text('a'), text('b')], 'hang')
    await (async () => {
      const iterator = createRun(source)[Symbol.asyncIterator]()
      await iterator.next()
    })()
    expect(await collected(source)).toBe(true)
  })

  test('whose completion somebody waits for goes on', async () => {
    const source = script([START, text('a')], [text('b')], [FINISH])
    const next = source.next.bind(source)
    source.next = async () => {
      gc()
      await delay(5)
      gc()
      return next()
    }
    const completion = (() => createRun(source).completion)()
    gc()
    expect((await completion).text).toBe('ab')
    expect(source.cancelled).toEqual([])
  })
})

test('partial grows with what was delivered, and survives JSON', async () => {
  const run = createRun(good())
  const texts: string[] = []
  for await (const _ of run) texts.push(run.partial.text)
  expect(texts).toEqual(['', 'Hel', 'Hello', 'Hello'])
  expect(JSON.parse(JSON.stringify(await run.completion))).toMatchObject({
    text: 'Hello',
    finishReason: 'stop',
  })
})
