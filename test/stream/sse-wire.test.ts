import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { LlmError, type ErrorKind } from '../../src/errors.ts'
import { createRun, type RunSource } from '../../src/stream/run.ts'
import { fromSSE } from '../../src/stream/sse-wire.ts'
import type { CompletionStream, StreamEvent } from '../../src/types.ts'
import { clientOn, withServer } from '../integration/fixture.ts'
import { chunk, frame, SSE, until } from '../server.ts'

const FINISH: StreamEvent = {
  type: 'finish',
  finishReason: 'stop',
  rawFinishReason: 'stop',
  usage: { outputTokens: 2 },
}
const text = (value: string): StreamEvent => ({ type: 'text-delta', part: 0, text: value })

function runOf(...batches: (StreamEvent[] | LlmError | number)[]): {
  run: CompletionStream
  cancelled: LlmError[]
  pulls: () => number
} {
  const cancelled: LlmError[] = []
  let at = 0
  const source: RunSource = {
    async next() {
      let batch = batches[at++]
      while (typeof batch === 'number') {
        await delay(batch)
        batch = batches[at++]
      }
      if (batch instanceof LlmError) throw batch
      return batch
    },
    cancel: (error) => void cancelled.push(error),
    facts: () => ({ provider: 'p', model: 'm', attempts: [], raw: {} }),
    fail: (error) => error as LlmError,
  }
  return { run: createRun(source), cancelled, pulls: () => at }
}

async function collect(events: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const all: StreamEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

describe('toSSE and fromSSE', () => {
  test('the same events on the other side', async () => {
    const events: StreamEvent[] = [
      { type: 'start', provider: 'p', model: 'm' },
      text('Grüße\n\ndata: x'),
      { type: 'part', part: 1, value: { type: 'provider', provider: 'p', value: { a: 1 } } },
      { type: 'source', source: { url: 'https://x' } },
      FINISH,
    ]
    expect(await collect(fromSSE(runOf(events).run.toSSE()))).toEqual(events)
  })

  test('partial arguments and the object are derived again', async () => {
    const delta = (piece: string): StreamEvent => ({
      type: 'tool-call-delta',
      part: 0,
      id: 'c',
      delta: piece,
      partial: 'server side',
    })
    const { run } = runOf([
      { type: 'tool-call-start', part: 0, id: 'c', name: 'f' },
      delta('{"a":"x'),
      delta('y"}'),
      { type: 'tool-call', part: 0, id: 'c', name: 'f', args: { a: 'xy' } },
      { type: 'text-delta', part: 1, text: '{"b":[1' },
      { type: 'object-delta', object: 'server side' } as StreamEvent,
      FINISH,
    ])
    const seen: unknown[] = []
    for await (const event of fromSSE(run.toSSE())) {
      if (event.type === 'tool-call-delta') seen.push(structuredClone(event.partial))
      if (event.type === 'object-delta') seen.push(structuredClone(event.object))
    }
    expect(seen).toEqual([{ a: 'x' }, { a: 'xy' }, { b: [] }])
  })

  test('of an error only kind, message and retryable cross', async () => {
    const error = new LlmError({
      kind: 'interrupted',
      message: 'cut',
      status: 500,
      requestId: 'secret-id',
      partial: { text: 'secret text' } as never,
      cause: new Error('secret cause'),
    })
    const wire = await new Response(runOf([text('a')], error).run.toSSE()).text()
    expect(wire).not.toContain('secret')
    const events: StreamEvent[] = []
    await expect(
      (async () => {
        for await (const event of fromSSE(new Response(wire).body!)) events.push(event)
      })(),
    ).rejects.toMatchObject({ kind: 'interrupted', message: 'cut', retryable: true, status: undefined })
    expect(events).toEqual([text('a')])
  })

  test.each([
    ['the end before finish', frame(text('a')), 'interrupted'],
    ['something else', 'data: {"hello":1}\n\n', 'protocol'],
    ['no JSON', 'data: nope\n\n', 'protocol'],
    ['a web page', '<html>', 'interrupted'],
    ['nothing', '', 'interrupted'],
    ['an error that is none', frame({ type: 'error', error: null }), 'server'],
  ])('a body of %s is a typed error', async (_, body, kind) => {
    await expect(
      collect(fromSSE(new Response(body).body ?? new ReadableStream({ start: (c) => c.close() }))),
    ).rejects.toMatchObject({ kind })
  })

  test('a connection that breaks is interrupted', async () => {
    let pulls = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulls++ === 0) controller.enqueue(new TextEncoder().encode(frame(text('a'))))
        else controller.error(new TypeError('terminated'))
      },
    })
    await expect(collect(fromSSE(body))).rejects.toMatchObject({
      kind: 'interrupted',
      cause: { message: 'terminated' },
    })
  })

  test('break on the far side cancels the body', async () => {
    let cancelled = 0
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode(frame(text('a')))),
      cancel: () => void cancelled++,
    })
    for await (const _ of fromSSE(body)) break
    expect(cancelled).toBe(1)
  })

  test('overlapping reads are answered in order', async () => {
    const iterator = fromSSE(runOf([text('a'), text('b'), FINISH]).run.toSSE())[Symbol.asyncIterator]()
    const results = await Promise.all([1, 2, 3, 4].map(() => iterator.next()))
    expect(results.map(({ value }) => value?.type)).toEqual(['text-delta', 'text-delta', 'finish', undefined])
  })
})

describe('backpressure', () => {
  test('nothing is pulled from the provider that nobody asked for', async () => {
    const { run, pulls } = runOf([text('a')], [text('b')], [text('c')], [FINISH])
    const reader = run.toSSE().getReader()
    await delay(10)
    expect(pulls()).toBe(1)
    await reader.read()
    await delay(10)
    expect(pulls()).toBe(1)
    await reader.read()
    await delay(10)
    expect(pulls()).toBe(2)
  })
  test('cancel stops the call', async () => {
    const { run, cancelled } = runOf([text('a')], 1000, [FINISH])
    const reader = run.toSSE().getReader()
    await reader.read()
    await reader.cancel('gone')
    expect(cancelled).toHaveLength(1)
    await expect(run.completion).rejects.toMatchObject({ kind: 'aborted' })
  })
  test('cancel while a read is pending stops the call and the heartbeat', async () => {
    const { run, cancelled } = runOf([text('a')], 1000, [FINISH])
    const reader = run.toSSE({ heartbeatMs: 1 }).getReader()
    await reader.read()
    const pending = reader.read()
    await pending
    await reader.cancel()
    expect(cancelled).toHaveLength(1)
    await delay(10)
  })
})

test('a silence is filled with comments, which the far side does not see', async () => {
  const wire = await new Response(
    runOf([text('a')], 60, [text('b'), FINISH]).run.toSSE({ heartbeatMs: 10 }),
  ).text()
  expect(wire.match(/: heartbeat\n\n/g)!.length).toBeGreaterThanOrEqual(2)
  expect(await collect(fromSSE(new Response(wire).body!))).toEqual([text('a'), text('b'), FINISH])
  const silent = await new Response(runOf([text('a')], 30, [FINISH]).run.toSSE({ heartbeatMs: 0 })).text()
  expect(silent).not.toContain('heartbeat')
})

describe('toResponse', () => {
  test('is an event stream that proxies leave alone', async () => {
    const response = await runOf([text('a'), FINISH]).run.toResponse({
      headers: { 'x-mine': '1', 'Cache-Control': 'no-store' },
    })
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-mine': '1',
    })
    expect(await collect(fromSSE(response.body!))).toEqual([text('a'), FINISH])
  })
  test.each([
    ['invalid-request', 400],
    ['context-length', 413],
    ['rate-limit', 429],
    ['auth', 500],
    ['config', 500],
    ['overloaded', 503],
    ['timeout', 504],
    ['connect', 502],
    ['server', 502],
  ] as [ErrorKind, number][])(
    'a failure before the first event sets the status: %s is %d',
    async (kind, status) => {
      const error = new LlmError({ kind, message: 'why', retryAfterMs: 1500 })
      const response = await runOf(error).run.toResponse()
      expect(response.status).toBe(status)
      expect(response.headers.get('retry-after')).toBe('2')
      await expect(collect(fromSSE(response.body!))).rejects.toMatchObject({ kind, message: 'why' })
    },
  )
  test('a failure after it is an event', async () => {
    const response = await runOf(
      [text('a')],
      new LlmError({ kind: 'interrupted', message: 'cut' }),
    ).run.toResponse()
    expect(response.status).toBe(200)
    await expect(collect(fromSSE(response.body!))).rejects.toMatchObject({ kind: 'interrupted' })
  })
  test('a client that goes closes the response of the provider', async () => {
    await withServer(
      (response) => {
        response.writeHead(200, SSE)
        const timer = setInterval(() => response.write(chunk('word ')), 2)
        response.on('close', () => clearInterval(timer))
      },
      async (server) => {
        const response = await clientOn(server.url).stream('hi').toResponse()
        const reader = response.body!.getReader()
        await reader.read()
        await reader.cancel()
        await until('the response to be given up', () => server.aborted === 1)
      },
    )
  })
})
