import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batch } from '../../src/batch/index.ts'
import type { BatchOptions, BatchResult, BatchRow, Checkpoint } from '../../src/batch/index.ts'
import { LlmError } from '../../src/errors.ts'
import type { Clock, Completion, Input, Options } from '../../src/types.ts'

/** An answer that repeats the question. */
function echo(input: Input, cost?: number): Completion {
  const text = typeof input === 'string' ? input : JSON.stringify(input)
  return {
    text,
    message: { role: 'assistant', content: [{ type: 'text', text }] },
    reasoning: '',
    toolCalls: [],
    sources: [],
    finishReason: 'stop',
    rawFinishReason: 'stop',
    usage: { inputTokens: 2, outputTokens: 3 },
    timing: {
      headersMs: 0,
      firstTokenMs: 0,
      totalMs: 0,
      tokensPerSecond: undefined,
      interTokenMs: undefined,
    },
    warnings: [],
    model: 'm',
    provider: 'p',
    id: undefined,
    attempts: [],
    raw: {},
    ...(cost === undefined
      ? {}
      : { cost: { total: cost, exact: String(cost), currency: 'USD', from: 'catalog' } }),
  }
}

interface Asked {
  prompt: string
  atMs: number
  options: Options
}

/** A client on a clock of its own: each answer takes `ms`, and `script` may fail it. */
function client(script: (prompt: string, nth: number) => number | LlmError = () => 1): {
  asked: Asked[]
  options: Pick<BatchOptions, 'client' | 'clock' | 'random'>
  most: () => number
} {
  const asked: Asked[] = []
  const clock = fastClock()
  let running = 0
  let most = 0
  return {
    asked,
    most: () => most,
    options: {
      clock,
      random: () => 0,
      client: {
        async complete(input, options = {}) {
          const prompt = input as string
          const nth = asked.push({ prompt, atMs: clock.nowMs(), options }) - 1
          most = Math.max(most, ++running)
          const outcome = script(prompt, nth)
          try {
            await new Promise<void>((resolve, reject) => {
              clock.setTimer(resolve, typeof outcome === 'number' ? outcome : 1)
              options.signal?.addEventListener('abort', () => reject(options.signal?.reason as Error), {
                once: true,
              })
            })
          } finally {
            running--
          }
          if (typeof outcome !== 'number') throw outcome
          return echo(input)
        },
      },
    },
  }
}

/** Time that jumps to the next timer whenever nothing else can run. */
function fastClock(): Clock {
  let nowMs = 0
  let timers: { atMs: number; run: () => void }[] = []
  let scheduled = false
  const step = (): void => {
    scheduled = false
    timers.sort((a, b) => a.atMs - b.atMs)
    const timer = timers.shift()
    if (timer === undefined) return
    nowMs = Math.max(nowMs, timer.atMs)
    timer.run()
    plan()
  }
  const plan = (): void => {
    if (scheduled || timers.length === 0) return
    scheduled = true
    setImmediate(step)
  }
  return {
    nowMs: () => nowMs,
    epochMs: () => nowMs,
    setTimer(run, delayMs) {
      const timer = { atMs: nowMs + delayMs, run }
      timers.push(timer)
      plan()
      return timer
    },
    clearTimer(timer) {
      timers = timers.filter((one) => one !== timer)
    },
  }
}

function memoryCheckpoint(lines: string[] = []): Checkpoint & { lines: string[]; locked: number } {
  return {
    lines,
    locked: 0,
    async *read() {
      yield* lines
    },
    async append(line) {
      lines.push(line)
    },
    async lock() {
      if (this.locked > 0) throw new LlmError({ kind: 'config', message: 'in use' })
      this.locked++
      return async () => void this.locked--
    },
  }
}

async function collect(run: AsyncIterable<BatchResult>): Promise<BatchResult[]> {
  const results: BatchResult[] = []
  for await (const result of run) results.push(result)
  return results
}

const rows = (count: number): BatchRow[] =>
  Array.from({ length: count }, (_, at) => ({ id: `r${at}`, prompt: `q${at}` }))

describe('batch', () => {
  it('answers every row once, within its concurrency, from any iterable', async () => {
    const { asked, options, most } = client((prompt) => 1 + (prompt.length % 3))
    async function* source(): AsyncGenerator<BatchRow> {
      yield* rows(50)
    }
    const run = batch(source(), { ...options, concurrency: 4 })
    const results = await collect(run)
    expect(results.map((result) => result.id).sort()).toEqual(
      rows(50)
        .map((row) => row.id)
        .sort(),
    )
    expect(asked).toHaveLength(50)
    expect(most()).toBe(4)
    expect(await run.summary).toMatchObject({
      stopped: 'end',
      done: 50,
      failed: 0,
      inputTokens: 100,
      outputTokens: 150,
    })
  })

  it('keeps the order when asked to, whatever the speeds', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 6 }),
        async (speeds, concurrency) => {
          const { options } = client((prompt) => speeds[Number(prompt.slice(1))] ?? 1)
          const results = await collect(
            batch(rows(speeds.length), { ...options, concurrency, ordered: true }),
          )
          expect(results.map((result) => result.index)).toEqual(speeds.map((_, index) => index))
        },
      ),
      { numRuns: 40 },
    )
  })

  it('pulls no further ahead of a slow consumer than it must', async () => {
    const { asked, options } = client()
    let pulled = 0
    function* source(): Generator<BatchRow> {
      for (const row of rows(1000)) {
        pulled++
        yield row
      }
    }
    const iterator = batch(source(), { ...options, concurrency: 3 })[Symbol.asyncIterator]()
    await iterator.next()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(pulled).toBeLessThan(15)
    await iterator.return?.()
    expect(asked.length).toBeLessThan(15)
  })

  it('pulls no further ahead when the rows are bad, or done before, and nothing has to be asked', async () => {
    const checkpoint = memoryCheckpoint()
    await collect(batch(rows(1000).slice(1), { ...client().options, checkpoint }))
    let pulled = 0
    function* source(make: (at: number) => unknown): Generator<unknown> {
      for (let at = 0; at < 1000; at++) {
        pulled++
        yield make(at)
      }
    }
    const bad = batch(
      source(() => 'no row'),
      { ...client().options, concurrency: 3 },
    )[Symbol.asyncIterator]()
    await bad.next()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(pulled).toBeLessThan(15)
    await bad.return?.()

    // One row to be asked, which does not answer, and then only rows that are done: in order, each waits for the first.
    pulled = 0
    const deaf = { complete: () => new Promise<never>(() => {}) }
    const first = batch(
      source((at) => rows(1000)[at]),
      { ...client().options, client: deaf, checkpoint, ordered: true, concurrency: 3 },
    )[Symbol.asyncIterator]()
    void first.next()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(pulled).toBeGreaterThan(1)
    expect(pulled).toBeLessThan(40)
  })

  it('writes nothing after its end, whatever a client without ears answers then', async () => {
    const checkpoint = memoryCheckpoint()
    const late: (() => void)[] = []
    const deaf: BatchOptions['client'] = {
      complete: (input) =>
        input === 'q0'
          ? Promise.resolve(echo(input))
          : new Promise((resolve) => late.push(() => resolve(echo(input)))),
    }
    for await (const _ of batch(rows(5), { ...client().options, client: deaf, checkpoint })) break
    const written = checkpoint.lines.length
    expect(late.length).toBeGreaterThan(0)
    for (const answer of late) answer()
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(checkpoint.lines).toHaveLength(written)
  })

  it('retries between other rows, not at the end, and gives up after its tries', async () => {
    const { asked, options } = client((prompt, nth) =>
      prompt === 'q0' || (prompt === 'q1' && nth < 3)
        ? new LlmError({ kind: 'server', message: 'down' })
        : 400,
    )
    const run = batch(rows(30), { ...options, concurrency: 2 })
    const results = await collect(run)
    expect(asked.filter((one) => one.prompt === 'q0')).toHaveLength(3)
    expect(results.find((result) => result.id === 'r0')?.error?.kind).toBe('server')
    expect(results.find((result) => result.id === 'r1')?.error).toBeUndefined()
    expect(asked.findLastIndex((one) => one.prompt === 'q0')).toBeLessThan(25)
    expect(await run.summary).toMatchObject({ done: 29, failed: 1 })
  })

  it('leaves retrying to itself: the client is told not to', async () => {
    const { asked, options } = client()
    await collect(batch(rows(1), options))
    expect(asked[0]?.options.retry).toBe(false)
  })

  it('does not retry what would fail again', async () => {
    const { asked, options } = client(() => new LlmError({ kind: 'invalid-request', message: 'no' }))
    const results = await collect(batch(rows(3), options))
    expect(asked).toHaveLength(3)
    expect(results.every((result) => result.error?.kind === 'invalid-request')).toBe(true)
  })

  it('pauses every row on a 429, for as long as the server asks', async () => {
    const { asked, options } = client((_, nth) =>
      nth === 2 ? new LlmError({ kind: 'rate-limit', message: 'slow down', retryAfterMs: 7_000 }) : 1,
    )
    await collect(batch(rows(20), { ...options, concurrency: 2 }))
    const throttledAtMs = asked[2]!.atMs + 1
    const during = asked.filter((one) => one.atMs > throttledAtMs && one.atMs < throttledAtMs + 7_000)
    expect(during).toEqual([])
    expect(asked).toHaveLength(21)
  })

  it('bounds a row by its own deadline, tries and waits together', async () => {
    const { asked, options } = client(() => new LlmError({ kind: 'server', message: 'down' }))
    const results = await collect(
      batch(rows(1), { ...options, attempts: 50, rowTimeoutMs: 3_000, random: () => 0.999 }),
    )
    expect(results[0]?.error?.kind).toBe('server')
    expect(asked.length).toBeLessThan(6)
    expect(asked.every((one) => (one.options.timeouts?.total as number) <= 3_000)).toBe(true)
  })

  it('row 97: a budget of one dollar starts at most 50 calls of two cents, however many at once', async () => {
    const base = client()
    let calls = 0
    const run = batch(rows(100), {
      ...base.options,
      concurrency: 100,
      budget: { dollars: 1, estimate: () => 0.02 },
      client: {
        async complete(input) {
          calls++
          return echo(input, 0.02)
        },
      },
    })
    await collect(run)
    expect(calls).toBe(50)
    expect(await run.summary).toMatchObject({ stopped: 'budget', done: 50 })
  })

  it('asks the very same thing once when told to remember answers', async () => {
    const { asked, options } = client()
    const twins = Array.from({ length: 10 }, (_, at) => ({ id: `t${at}`, prompt: 'same' }))
    const results = await collect(batch(twins, { ...options, dedupe: 100 }))
    expect(asked).toHaveLength(1)
    expect(results).toHaveLength(10)
  })

  it('stops starting rows on abort, cancels those in flight, and ends with a summary', async () => {
    const { asked, options } = client(() => 100)
    const controller = new AbortController()
    const checkpoint = memoryCheckpoint()
    const run = batch(rows(100), { ...options, checkpoint, concurrency: 5, signal: controller.signal })
    const results: BatchResult[] = []
    for await (const result of run) {
      results.push(result)
      if (results.length === 7) controller.abort()
    }
    expect(asked.length).toBeLessThan(25)
    expect((await run.summary).stopped).toBe('aborted')
    expect(checkpoint.lines.length - 1).toBe((await run.summary).done)
    expect(checkpoint.locked).toBe(0)
  })

  it('lets go of everything when the consumer leaves', async () => {
    const { options } = client(() => 50)
    const checkpoint = memoryCheckpoint()
    const run = batch(rows(100), { ...options, checkpoint })
    for await (const _ of run) break
    expect((await run.summary).stopped).toBe('consumer')
    expect(checkpoint.locked).toBe(0)
  })

  it('refills its slots while the consumer is busy with a result', async () => {
    const { asked, options } = client(() => 10)
    const run = batch(rows(12), { ...options, concurrency: 2 })
    let taken = 0
    for await (const _ of run) {
      if (++taken > 1) continue
      // Forty milliseconds of the run's own clock, in which nobody asks for a result.
      await new Promise<void>((resolve) => options.clock!.setTimer(resolve, 40))
      expect(asked.length).toBeGreaterThanOrEqual(2 + 4)
    }
    expect(taken).toBe(12)
  })

  it('in order, goes on with a row that failed at first though everything behind it is waiting', async () => {
    const { options } = client((prompt, nth) =>
      prompt === 'q0' && nth < 2 ? new LlmError({ kind: 'server', message: 'down' }) : 1,
    )
    const results = await collect(
      batch(rows(200), { ...options, concurrency: 2, ordered: true, random: () => 0.9 }),
    )
    expect(results.map((result) => result.index)).toEqual(rows(200).map((_, index) => index))
  })

  it('ends a row at its time though the client knows no time and hears no signal', async () => {
    const { options } = client()
    let signal: AbortSignal | undefined
    const deaf: BatchOptions['client'] = {
      complete(input, given) {
        if (input !== 'q1') return Promise.resolve(echo(input))
        signal = given?.signal
        return new Promise(() => {})
      },
    }
    const results = await collect(
      batch(rows(3), { ...options, client: deaf, rowTimeoutMs: 500, ordered: true }),
    )
    expect(results.map((result) => result.error?.kind)).toEqual([undefined, 'timeout', undefined])
    expect(signal?.aborted).toBe(true)
  })

  it('is not disturbed by an observer that throws, and tells the time left', async () => {
    const { options } = client(() => 10)
    const seen: (number | undefined)[] = []
    await collect(
      batch(rows(10), {
        ...options,
        concurrency: 1,
        total: 10,
        onProgress: ({ etaMs }) => {
          seen.push(etaMs)
          throw new Error('observer')
        },
      }),
    )
    expect(seen[4]).toBeCloseTo(50, 0)
    expect(seen.at(-1)).toBe(0)
  })

  it('passes the input’s own failure on after writing what is done', async () => {
    const { options } = client()
    const checkpoint = memoryCheckpoint()
    function* source(): Generator<BatchRow> {
      yield* rows(3)
      throw new Error('disk')
    }
    await expect(collect(batch(source(), { ...options, checkpoint }))).rejects.toThrow('disk')
    expect(checkpoint.lines).toHaveLength(4)
  })
})

describe('batch, bad input', () => {
  it('turns a bad row into a result that names it, and sends nothing for it', async () => {
    const { asked, options } = client()
    const bad: unknown[] = [
      7,
      null,
      [],
      { id: 'x' },
      { id: 5, prompt: 'a' },
      { id: 'same', prompt: 'a' },
      { id: 'same', prompt: 'b' },
      { id: 'big', prompt: 'x'.repeat(2000) },
      { id: 'odd', prompt: 'a', body: { n: 1n } },
      new LlmError({ kind: 'config', message: 'Line 9 is not JSON.' }),
    ]
    const results = await collect(batch(bad, { ...options, ordered: true, maxRowBytes: 1000 }))
    expect(asked.map((one) => one.prompt)).toEqual(['a'])
    expect(results.map((result) => result.error?.message)).toEqual([
      'Row 0 is not an object. It was not sent.',
      'Row 1 is not an object. It was not sent.',
      'Row 2 is not an object. It was not sent.',
      'Row 3 has neither messages nor a prompt. It was not sent.',
      'Row 4 has an id that is not a text. It was not sent.',
      undefined,
      'Row 6 has the id of an earlier row, row 5: same. It was not sent.',
      'Row 7 is 2013 characters long, above the limit of 1000. It was not sent.',
      'Row 8 is not plain JSON. It was not sent.',
      'Line 9 is not JSON.',
    ])
  })

  it.each([
    [{ budget: { dollars: 0 } }, 'budget.dollars'],
    [{ budget: { dollars: Number.NaN } }, 'budget.dollars'],
    [{ concurrency: 0 }, 'concurrency'],
    [{ attempts: 1.5 }, 'attempts'],
    [{ rowTimeoutMs: -1 }, 'rowTimeoutMs'],
    [{ client: {} as never }, 'client'],
  ])('refuses %j before anything is sent', async (wrong, field) => {
    const { asked, options } = client()
    await expect(collect(batch(rows(1), { ...options, ...wrong }))).rejects.toThrow(field)
    expect(asked).toEqual([])
  })
})

describe('batch, bad figures', () => {
  it.each<[string, () => number, RegExp]>([
    ['NaN', () => Number.NaN, /budget\.estimate\(\) gave NaN for row 0/],
    ['a negative', () => -1, /gave -1 for row 0/],
    [
      'an exception',
      () => {
        throw new Error('no table')
      },
      /no table/,
    ],
  ])('an estimate that is %s ends the run before it sends', async (_, estimate, message) => {
    const { asked, options } = client()
    await expect(collect(batch(rows(3), { ...options, budget: { dollars: 1, estimate } }))).rejects.toThrow(
      message,
    )
    expect(asked).toEqual([])
  })

  it('a cost that is NaN does not undo the budget', async () => {
    const { options } = client()
    const costs = [Number.NaN, 0.4, 0.4, 0.4, 0.4, 0.4]
    let nth = 0
    const run = batch(rows(6), {
      ...options,
      concurrency: 1,
      budget: { dollars: 1 },
      client: { complete: (input) => Promise.resolve(echo(input, costs[nth++])) },
    })
    await collect(run)
    expect(await run.summary).toMatchObject({ stopped: 'budget', done: 3 })
  })

  it('settles its summary when the options cannot be', async () => {
    const run = batch(rows(1), { ...client().options, attempts: 0 })
    await expect(collect(run)).rejects.toThrow('attempts')
    expect((await run.summary).done).toBe(0)
  })
})

describe('batch, resumed', () => {
  it('names both rows of a twin, writes bad rows down once, and takes them when they were mended', async () => {
    const checkpoint = memoryCheckpoint()
    const input: unknown[] = [
      { id: 'same', prompt: 'a' },
      { prompt: 'b' },
      'not a row',
      { id: 'same', prompt: 'c' },
      new LlmError({ kind: 'config', message: 'Line 5 is not JSON.' }),
    ]
    const first = client()
    const results = await collect(batch(input, { ...first.options, checkpoint, ordered: true }))
    expect(results[3]?.error?.message).toBe(
      'Row 3 has the id of an earlier row, row 0: same. It was not sent.',
    )
    const written = checkpoint.lines.length
    expect(written).toBe(1 + 5)

    const again = client()
    const run = batch(input, { ...again.options, checkpoint, ordered: true })
    expect((await collect(run)).map((result) => result.index)).toEqual([2, 3, 4])
    expect(await run.summary).toMatchObject({ done: 2, failed: 3, skipped: 2 })
    expect(again.asked).toEqual([])
    expect(checkpoint.lines).toHaveLength(written)

    const mended = [input[0], input[1], { prompt: 'd' }, { id: 'other', prompt: 'c' }, { prompt: 'e' }]
    const third = client()
    await collect(batch(mended, { ...third.options, checkpoint }))
    expect(third.asked.map((one) => one.prompt)).toEqual(['d', 'c', 'e'])
    const fourth = client()
    expect(await collect(batch(mended, { ...fourth.options, checkpoint }))).toEqual([])
  })

  it('finds its rows again by id in an input that was shuffled and grew', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(Array.from({ length: 60 }, (_, n) => n)),
        fc.shuffledSubarray(
          Array.from({ length: 60 }, (_, n) => n),
          { minLength: 60 },
        ),
        async (done, order) => {
          const row = (n: number): BatchRow => ({ id: `k${n}`, prompt: `q${n}` })
          const checkpoint = memoryCheckpoint()
          await collect(batch(done.map(row), { ...client().options, checkpoint }))
          const { asked, options } = client()
          await collect(batch(order.map(row), { ...options, checkpoint }))
          const left = order.filter((n) => !done.includes(n)).map((n) => `q${n}`)
          expect(asked.map((one) => one.prompt).sort()).toEqual(left.sort())
        },
      ),
      { numRuns: 20 },
    )
  })

  it('refuses the only line of a file that is not its own, torn or not', async () => {
    for (const line of ['Dear reader', '{"ver', '{"version":1,"job":"another']) {
      const checkpoint = memoryCheckpoint([line])
      const run = collect(batch(rows(1), { ...client().options, checkpoint, options: { model: 'a' } }))
      if (line === '{"ver') await run
      else await expect(run).rejects.toThrow('does not begin with a header')
      expect(checkpoint.lines[0]).toBe(line)
    }
  })

  it('skips what is done, asks failed rows again only when told to', async () => {
    const failing = client((prompt) =>
      prompt === 'q3' ? new LlmError({ kind: 'invalid-request', message: 'no' }) : 1,
    )
    const checkpoint = memoryCheckpoint()
    await collect(batch(rows(10), { ...failing.options, checkpoint }))

    const again = client()
    const run = batch(rows(12), { ...again.options, checkpoint, ordered: true })
    expect((await collect(run)).map((result) => result.id)).toEqual(['r10', 'r11'])
    expect(await run.summary).toMatchObject({ skipped: 10, done: 11, failed: 1 })

    const third = client()
    expect(
      (await collect(batch(rows(12), { ...third.options, checkpoint, retryFailed: true }))).map(
        (result) => result.id,
      ),
    ).toEqual(['r3'])
    const fourth = client()
    expect(await collect(batch(rows(12), { ...fourth.options, checkpoint, retryFailed: true }))).toEqual([])
  })

  it('P15: loses and repeats nothing that was written, wherever the file was cut', async () => {
    const whole = memoryCheckpoint()
    await collect(batch(rows(8), { ...client().options, checkpoint: whole, concurrency: 3 }))
    const text = `${whole.lines.join('\n')}\n`
    for (let cut = 0; cut <= text.length; cut += 7) {
      const lines = text.slice(0, cut).split('\n')
      const torn = lines.pop() ?? ''
      const written = lines.slice(1).map((line) => (JSON.parse(line) as { id: string }).id)
      // What a file does: the torn tail is read once, and gone before the next line is written.
      const checkpoint = memoryCheckpoint(lines)
      checkpoint.read = async function* () {
        yield* lines.slice()
        if (torn !== '') yield torn
      }
      const { asked, options } = client()
      await collect(batch(rows(8), { ...options, checkpoint }))
      const expected = rows(8).filter((row) => {
        const whole = torn !== '' && isWhole(torn) && (JSON.parse(torn) as { id?: string }).id === row.id
        return !written.includes(row.id!) && !whole
      })
      expect(asked.map((one) => one.prompt).sort()).toEqual(expected.map((row) => row.prompt))
    }
  })

  it('refuses a checkpoint of other options, of other rows, or of something else, and overwrites nothing', async () => {
    const checkpoint = memoryCheckpoint()
    await collect(batch(rows(3), { ...client().options, checkpoint, options: { model: 'a' } }))
    const before = [...checkpoint.lines]
    const { asked, options } = client()
    await expect(
      collect(batch(rows(3), { ...options, checkpoint, options: { model: 'b' } })),
    ).rejects.toThrow('other options')
    const others = rows(3).map((row) => ({ ...row, prompt: `${row.prompt}!` }))
    await expect(collect(batch(others, { ...options, checkpoint, options: { model: 'a' } }))).rejects.toThrow(
      'another input: row 0 (r0)',
    )
    await expect(
      collect(batch(rows(1), { ...options, checkpoint: memoryCheckpoint(['{"hello":1}']) })),
    ).rejects.toThrow('header')
    await expect(
      collect(
        batch(rows(1), {
          ...options,
          checkpoint: memoryCheckpoint([before[0]!, 'garbage', before[1]!]),
          options: { model: 'a' },
        }),
      ),
    ).rejects.toThrow('Line 2')
    expect(checkpoint.lines).toEqual(before)
    expect(checkpoint.locked).toBe(0)
    expect(asked).toEqual([])
  })

  it('resumes a job whose options hold themselves, as a recursive schema does', async () => {
    const schema: Record<string, unknown> = { type: 'object' }
    schema['properties'] = { child: schema }
    const checkpoint = memoryCheckpoint()
    for (const expected of [2, 0]) {
      const { asked, options } = client()
      await collect(batch(rows(2), { ...options, checkpoint, options: { schema } }))
      expect(asked).toHaveLength(expected)
    }
  })

  it('lets a checkpoint go on under another key and other deadlines', async () => {
    const checkpoint = memoryCheckpoint()
    await collect(batch(rows(1), { ...client().options, checkpoint, options: { apiKey: 'a' } }))
    const { asked, options } = client()
    await collect(
      batch(rows(1), { ...options, checkpoint, options: { apiKey: 'b', timeouts: { total: 5 } } }),
    )
    expect(asked).toEqual([])
    expect(checkpoint.lines.join('')).not.toContain('apiKey')
  })
})

function isWhole(line: string): boolean {
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}
