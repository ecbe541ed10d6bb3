/** Calls that end in every way there is, over one shared signal: afterwards nothing is left of them. */

import { describe, expect, test } from 'vitest'
import { undiciTransport } from '../../src/adapters/node.ts'
import { systemClock } from '../../src/http/clock.ts'
import { LlmError } from '../../src/errors.ts'
import type { Client } from '../../src/client.ts'
import type { Clock, Options } from '../../src/types.ts'
import { answerOf, chunk, SSE, startServer, until } from '../server.ts'
import { clientOn, FAST } from './fixture.ts'

const CALLS = process.env['LLMSWAP_FULL'] === '1' ? 10_000 : 220

/** Counts timers that are armed. */
function countingClock(): Clock & { armed: Set<unknown> } {
  const armed = new Set<unknown>()
  return {
    ...systemClock,
    armed,
    setTimer(callback, delayMs) {
      const timer: unknown = systemClock.setTimer(() => {
        armed.delete(timer)
        callback()
      }, delayMs)
      armed.add(timer)
      return timer
    },
    clearTimer(timer) {
      armed.delete(timer)
      systemClock.clearTimer(timer)
    },
  }
}

/** Counts listeners that were added and not removed. */
function countingSignal(): { signal: AbortSignal; listeners: () => number } {
  const { signal } = new AbortController()
  const held = new Set<unknown>()
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = ((type: string, listener: EventListener, options?: object) => {
    held.add(listener)
    add(type, listener, options)
  }) as typeof add
  signal.removeEventListener = ((type: string, listener: EventListener) => {
    held.delete(listener)
    remove(type, listener)
  }) as typeof remove
  return { signal, listeners: () => held.size }
}

type Way = (client: Client, options: Options) => Promise<unknown>
const WAYS: Record<string, Way> = {
  complete: (client, options) => client.complete('/good', options),
  'run to the end': async (client, options) => {
    for await (const _ of client.stream('/good', options));
  },
  'break at once': async (client, options) => {
    for await (const _ of client.stream('/endless', options)) break
  },
  'break later': async (client, options) => {
    let seen = 0
    for await (const _ of client.stream('/endless', options).text) if (++seen === 3) break
  },
  throw: async (client, options) => {
    for await (const _ of client.stream('/endless', options))
      throw new LlmError({ kind: 'config', message: 'mine' })
  },
  'abort before it begins': (client, options) => {
    const run = client.stream('/endless', options)
    run.abort()
    return run.completion
  },
  'abort in the middle': (client, options) => {
    const run = client.stream('/endless', options)
    setTimeout(() => run.abort(), 15)
    return run.completion
  },
  'abort while it hangs': (client, options) => {
    const run = client.stream('/hang', options)
    setTimeout(() => run.abort(), 5)
    return run.completion
  },
  'time out': (client, options) => client.complete('/hang', { ...options, timeouts: { headers: 10 } }),
  stall: (client, options) => client.complete('/stall', { ...options, timeouts: { idle: 20 } }),
  'run out of time': (client, options) => client.complete('/hang', { ...options, timeouts: { total: 10 } }),
  refuse: (client, options) => client.complete('/400', options),
  'give up': (client, options) => client.complete('/503', { ...options, retry: FAST }),
  cut: (client, options) => client.complete('/cut', options),
  page: (client, options) => client.complete('/page', options),
  empty: (client, options) => client.complete('/empty', options),
  'one body': (client, options) => client.complete('/json', { ...options, wire: 'json' }),
  redirect: (client, options) => client.complete('/redirect', options),
  'proxy and leave': async (client, options) => {
    const reader = client.stream('/endless', options).toSSE().getReader()
    await reader.read()
    await reader.cancel()
  },
  'proxy to the end': async (client, options) => (await client.stream('/good', options).toResponse()).text(),
  'never read': async (client, options) => {
    const run = client.stream('/endless', options)
    await new Promise((resolve) => setTimeout(resolve, 5))
    run.abort()
  },
  'ask nothing': (client, options) => client.complete('', options),
}

describe.each(['fetch', 'undici'])('over %s', (kind) => {
  test(`${CALLS} calls in ${Object.keys(WAYS).length} ways leave no listener, no timer, no response open`, async () => {
    let open = 0
    const server = await startServer((response, seen) => {
      open++
      response.on('close', () => open--)
      const [, way] = /"content":"\/(\w+)"/.exec(seen.body) ?? []
      switch (way) {
        case 'good':
          return response.writeHead(200, SSE).end(answerOf('Hel', 'lo'))
        case 'endless': {
          response.writeHead(200, SSE)
          const timer = setInterval(() => response.write(chunk('word ')), 2)
          return response.on('close', () => clearInterval(timer))
        }
        case 'stall':
          return response.writeHead(200, SSE).write(chunk('word '))
        case 'cut':
          response.writeHead(200, SSE)
          return response.write(chunk('word '), () => response.socket?.resetAndDestroy())
        case 'page':
          return response.writeHead(200).end('<html>')
        case 'empty':
          return response.writeHead(200).end()
        case 'json':
          return response
            .writeHead(200)
            .end('{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}')
        case 'redirect':
          return response.writeHead(307, { location: '/' }).end()
        case 'hang':
          return undefined
        default:
          return response.writeHead(Number(way)).end('{"error":{"message":"no"}}')
      }
    })
    const clock = countingClock()
    const { signal, listeners } = countingSignal()
    const transport = kind === 'undici' ? { transport: undiciTransport() } : {}
    const client = clientOn(server.url, { clock, signal, ...transport })
    const ways = Object.values(WAYS)
    const unhandled: unknown[] = []
    const note = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', note)

    for (let call = 0; call < CALLS; call += 50) {
      await Promise.all(
        Array.from({ length: Math.min(50, CALLS - call) }, async (_, index) => {
          try {
            await ways[(call + index) % ways.length]!(client, {})
          } catch (error) {
            expect(LlmError.is(error), String(error)).toBe(true)
          }
        }),
      )
    }

    await until('every response to be closed', () => open === 0)
    await until('every timer to be gone', () => clock.armed.size === 0)
    expect(listeners()).toBe(0)
    expect(unhandled).toEqual([])
    process.off('unhandledRejection', note)
    await server.close()
  })
})
