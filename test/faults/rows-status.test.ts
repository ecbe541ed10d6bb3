/** Rows 27 to 50 of the fault matrix: statuses, the hints that come with them, and where a router goes then. */

import { describe, expect, test } from 'vitest'
import { fake } from '../../src/adapters/testing.ts'
import { createClient } from '../../src/client.ts'
import type { Provider } from '../../src/provider.ts'
import { gemini } from '../../src/providers/gemini.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { createRouter } from '../../src/route/index.ts'
import type { Target } from '../../src/route/index.ts'
import { answerOf, SSE } from '../server.ts'
import { fastClock } from './clock.ts'
import { STATUS } from './faults-status.ts'
import { check, KEY } from './harness.ts'
import { http } from './server.ts'

describe('what a client and a router make of it', () => {
  test.each(STATUS)('row $row: $name', check)
})

describe('pauses', () => {
  /** The pause a client makes after one 429 with these headers, in ms of its clock. */
  async function pauseAfter(
    headers: (epochMs: number) => Record<string, string>,
    body: unknown = { error: { message: 'slow down' } },
    codec: (url: string) => Provider = (baseURL) => openaiChat({ baseURL, apiKey: KEY }),
  ): Promise<{ delayMs: number; waitedMs: number }> {
    const clock = fastClock(200)
    const good = codec('http://x').name === 'gemini' ? GEMINI : answerOf('ok')
    const server = await http((response, _, count) => {
      if (count > 0) return response.writeHead(200, SSE).end(good)
      return response.writeHead(429, headers(clock.epochMs())).end(JSON.stringify(body))
    })
    try {
      const client = createClient({ provider: codec(server.url), model: 'm', clock, random: () => 0.5 })
      const startMs = clock.nowMs()
      const { attempts, text } = await client.complete('hi')
      expect([text, attempts.length]).toEqual(['ok', 2])
      return { delayMs: attempts[1]!.delayMs, waitedMs: clock.nowMs() - startMs }
    } finally {
      await server.close()
    }
  }
  const GEMINI = `data: ${JSON.stringify({ candidates: [{ content: { parts: [{ text: 'ok' }] }, finishReason: 'STOP' }] })}\n\n`
  /** Full jitter over 1 s, in the middle. */
  const BACKOFF = 500

  test('row 27: retry-after: 1 is waited for, and no less', async () => {
    const { delayMs, waitedMs } = await pauseAfter(() => ({ 'retry-after': '1' }))
    expect(delayMs).toBe(1050)
    expect(waitedMs).toBeGreaterThanOrEqual(1000)
  })
  test('row 28: a date to come is waited for', async () => {
    const { delayMs, waitedMs } = await pauseAfter((epochMs) => ({
      'retry-after': new Date(Math.ceil(epochMs / 1000) * 1000 + 20_000).toUTCString(),
    }))
    expect(delayMs).toBeGreaterThan(BACKOFF)
    expect(delayMs).toBeLessThan(22_100)
    expect(waitedMs).toBeGreaterThanOrEqual(delayMs)
  })
  test.each(['Mon, 23 Nov 2020 00:00:11 GMT', 'Mon, 23 Nov 2036', 'tomorrow'])(
    'row 28: %s, past or malformed, is no hint',
    async (date) => {
      expect((await pauseAfter(() => ({ 'retry-after': date }))).delayMs).toBe(BACKOFF)
    },
  )
  test('row 29: retry-after-ms wins over retry-after', async () => {
    const headers = { 'retry-after-ms': '250', 'retry-after': '9' }
    expect((await pauseAfter(() => headers)).delayMs).toBe(262.5)
  })
  test('row 30: retry-after-ms: 0 is no hot loop', async () => {
    expect((await pauseAfter(() => ({ 'retry-after-ms': '0' }))).delayMs).toBe(10)
  })
  test('row 33: Gemini writes its 34 s into the body', async () => {
    const body = {
      error: {
        code: 429,
        status: 'RESOURCE_EXHAUSTED',
        message: 'You exceeded your current quota.',
        details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34s' }],
      },
    }
    const google = (baseURL: string): Provider => gemini({ baseURL, apiKey: KEY })
    const { delayMs, waitedMs } = await pauseAfter(() => ({}), body, google)
    expect(delayMs).toBe(35_700)
    expect(waitedMs).toBeGreaterThanOrEqual(34_000)
  })
})

describe('chains', () => {
  /** A router whose first target fails like this, with a chain for each reason. */
  async function routed(fault: (typeof STATUS)[number], on: 'auth'[] = []): Promise<string> {
    const server = await fault.serve!()
    const spare = (name: string): Target => ({ ...fake(name, { name }), model: 'm', name })
    try {
      const codec = fault.codec ?? ((baseURL: string) => openaiChat({ baseURL, apiKey: KEY }))
      const router = createRouter({
        targets: [{ provider: codec(server.url), model: 'm', name: 'first' }, spare('next')],
        fallbacks: { contextLength: [spare('longer')], contentFilter: [spare('laxer')], on },
      })
      return (await router.complete('hi')).text
    } finally {
      await server.close()
    }
  }
  test.each(STATUS.filter(({ row }) => row === 42))('row 42: to the longer window: $name', async (fault) =>
    expect(await routed(fault)).toBe('longer'),
  )
  test.each(STATUS.filter(({ row }) => row === 43))('row 43: to the laxer filter: $name', async (fault) =>
    expect(await routed(fault)).toBe('laxer'),
  )
  test('row 43: a refusal is a finish reason, and no chain is asked', async () => {
    const refusing = fake({ refusal: 'I would rather not.' })
    const laxer = fake('x')
    const router = createRouter({
      targets: [{ provider: refusing.provider, transport: refusing.transport, model: 'm' }],
      fallbacks: { contentFilter: [{ provider: laxer.provider, transport: laxer.transport, model: 'm' }] },
    })
    expect(await router.complete('hi')).toMatchObject({ finishReason: 'content-filter' })
    expect(laxer.calls).toHaveLength(0)
  })
  test.each(STATUS.filter(({ row }) => row === 44))('row 44: on, when told to: $name', async (fault) =>
    expect(await routed(fault, ['auth'])).toBe('next'),
  )
})

test('row 49: fails twice, then succeeds: three attempts on record, with the pauses of the schedule', async () => {
  const server = await http((response, _, count) =>
    count < 2
      ? response.writeHead([500, 503][count]!).end('{}')
      : response.writeHead(200, SSE).end(answerOf('ok')),
  )
  try {
    const router = createRouter({
      targets: [{ provider: openaiChat({ baseURL: server.url, apiKey: KEY }), model: 'm', name: 'one' }],
      clock: fastClock(100),
      random: () => 0.5,
    })
    const { text, attempts } = await router.complete('hi')
    expect(text).toBe('ok')
    // Half of 500 ms; half of twice the throttled second.
    expect(attempts.map(({ status, delayMs }) => [status, delayMs])).toEqual([
      [500, 0],
      [503, 250],
      [200, 1000],
    ])
  } finally {
    await server.close()
  }
})

test('row 50: always 503, 100 callers: at most 1.2 × 100 + reserve there, breaker open, the rest to the spare', async () => {
  const server = await http((response) => response.writeHead(503).end('{}'))
  const spare = fake('spare', { name: 'spare' })
  try {
    const router = createRouter({
      targets: [
        { provider: openaiChat({ baseURL: server.url, apiKey: KEY }), model: 'm', name: 'dead' },
        { provider: spare.provider, transport: spare.transport, model: 'm', name: 'spare' },
      ],
      // Open or not, the budget has to hold on its own.
      breaker: { minimumCalls: 1000 },
      retry: { baseMs: 1 },
    })
    const answers = await Promise.all(Array.from({ length: 100 }, () => router.complete('hi')))
    expect(answers.every(({ text }) => text === 'spare')).toBe(true)
    expect(server.asked()).toBeLessThanOrEqual(1.2 * 100 + 10)
    expect(server.asked()).toBeGreaterThan(100)

    const asked = server.asked()
    const wary = createRouter({
      targets: [
        { provider: openaiChat({ baseURL: server.url, apiKey: KEY }), model: 'm', name: 'dead' },
        { provider: spare.provider, transport: spare.transport, model: 'm', name: 'spare' },
      ],
    })
    for (let call = 0; call < 20; call++) expect((await wary.complete('hi')).text).toBe('spare')
    expect(wary.state()[0]!.breaker.state).toBe('open')
    expect(server.asked() - asked).toBe(5)
  } finally {
    await server.close()
  }
})
