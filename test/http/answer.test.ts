/** Reading a body as an answer: what ends it, and what no longer matters once it is whole. */
import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import { readAnswer } from '../../src/http/answer.ts'
import type { Exchange } from '../../src/http/exchange.ts'
import type { Provider } from '../../src/provider.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { createStopwatch } from '../../src/stream/timing.ts'
import type { Request, StreamEvent } from '../../src/types.ts'

const request: Request = { model: 'm', messages: [], tools: [], stream: true }

/** An exchange that yields these windows, and then fails, ends or stays silent. */
function open(
  windows: string[],
  then: LlmError | 'end' | 'silence',
): Exchange & { told: string[]; reads: number } {
  const queue: Uint8Array<ArrayBuffer>[] = windows.map((text) => new TextEncoder().encode(text))
  const told: string[] = []
  return {
    url: 'https://a.example/',
    status: 200,
    headers: new Headers(),
    unread: (window) => queue.unshift(window as Uint8Array<ArrayBuffer>),
    deadlines: { sent() {}, headers() {}, reading() {}, read() {}, progressed() {}, stop() {} },
    told,
    reads: 0,
    read() {
      this.reads += 1
      const window = queue.shift()
      if (window !== undefined || then === 'end') return Promise.resolve(window)
      return then === 'silence' ? new Promise(() => {}) : Promise.reject(then)
    },
    finish: () => void told.push('finish'),
    fail: (error) => void told.push(error.kind),
  }
}

async function collect(
  exchange: Exchange,
  provider: Provider,
  maxEventBytes?: number,
): Promise<(StreamEvent | LlmError)[]> {
  const answer = await readAnswer(exchange, provider, request, {
    stopwatch: createStopwatch(0),
    nowMs: () => 0,
    maxEventBytes,
  })
  const all: (StreamEvent | LlmError)[] = []
  try {
    for (let batch; (batch = await answer.next()) !== undefined;) all.push(...batch)
  } catch (error) {
    all.push(error as LlmError)
  }
  return all
}

const chunk = (content: string, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`

const lost = (kind: LlmError['kind']): LlmError => new LlmError({ kind, message: `The test says ${kind}.` })

describe('a connection that is lost behind the last word', () => {
  it.each(['interrupted', 'connect', 'timeout'] as const)('leaves the answer whole: %s', async (kind) => {
    const exchange = open([chunk('Hello'), chunk('', 'stop')], lost(kind))
    const events = await collect(exchange, openaiChat())
    expect(events.at(-1)).toMatchObject({ type: 'finish', finishReason: 'stop' })
    expect(exchange.told).toEqual(['finish'])
  })

  it('also where the end is another event', async () => {
    const events = [
      { type: 'message_start', message: { id: 'm', content: [], usage: {} } },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' } },
    ].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    expect((await collect(open(events, lost('interrupted')), anthropic())).at(-1)).toMatchObject({
      type: 'finish',
      finishReason: 'stop',
    })
  })

  it.each(['aborted', 'too-large'] as const)('but %s stays what it is', async (kind) => {
    const error = lost(kind)
    const exchange = open([chunk('Hello'), chunk('', 'stop')], error)
    expect((await collect(exchange, openaiChat())).at(-1)).toBe(error)
    expect(exchange.told).toEqual([kind])
  })
})

describe('a connection that is lost before it', () => {
  it.each(['interrupted', 'timeout'] as const)('breaks the answer: %s', async (kind) => {
    const error = lost(kind)
    const exchange = open([chunk('Hello')], error)
    const events = await collect(exchange, openaiChat())
    expect(events.slice(-2)).toEqual([{ type: 'text-delta', part: 0, text: 'Hello' }, error])
    expect(exchange.told).toEqual([kind])
  })
})

it('a fault in a window is told when what came before it was delivered, though the server says no more', async () => {
  const exchange = open([`${chunk('Hello')}data: ${'x'.repeat(2_000)}`], 'silence')
  const events = await collect(exchange, openaiChat(), 1_000)
  expect(events.slice(-2)).toMatchObject([{ type: 'text-delta', text: 'Hello' }, { kind: 'too-large' }])
  // One by the sniffer, one of the same window again.
  expect(exchange.reads).toBe(2)
})
