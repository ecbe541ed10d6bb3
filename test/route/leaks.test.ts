/** Calls through a router that end in every way there is: afterwards nothing is left of them. */

import { expect, test } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import { systemClock } from '../../src/http/clock.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { createRouter } from '../../src/route/index.ts'
import type { Router, Target } from '../../src/route/index.ts'
import type { Clock, Options } from '../../src/types.ts'
import { answerOf, chunk, SSE, startServer, until } from '../server.ts'

const CALLS = process.env['LLMSWAP_FULL'] === '1' ? 10_000 : 500

/** What a server does, by the first word of the prompt; the way a caller ends, beside it. */
const WAYS: readonly (readonly [prompt: string, (router: Router, options: Options) => Promise<unknown>])[] = [
  ['good', (router, options) => router.complete('good', options)],
  ['flaky: fails over', (router, options) => router.complete('flaky', options)],
  ['dead: fails everywhere', (router, options) => router.complete('dead', options)],
  ['refused: fails at once', (router, options) => router.complete('refused', options)],
  ['cut: restarts, and is cut again', (router, options) => router.complete('cut', options)],
  [
    'hang: out of time',
    (router, options) => router.complete('hang', { ...options, timeouts: { total: 15 } }),
  ],
  [
    'hang: each target out of time',
    (router, options) => router.complete('hang', { ...options, timeouts: { headers: 8 } }),
  ],
  [
    'endless: break',
    async (router, options) => {
      for await (const event of router.stream('endless', options)) if (event.type === 'text-delta') break
    },
  ],
  [
    'endless: throw',
    async (router, options) => {
      for await (const _ of router.stream('endless', options))
        throw new LlmError({ kind: 'config', message: 'mine' })
    },
  ],
  [
    'hang: abort',
    (router, options) => {
      const run = router.stream('hang', options)
      setTimeout(() => run.abort(), 5)
      return run.completion
    },
  ],
  [
    'good: abort before it begins',
    (router, options) => {
      const run = router.stream('good', options)
      run.abort()
      return run.completion
    },
  ],
  [
    'dead: abort in a pause',
    (router, options) => {
      const run = router.stream('dead', options)
      setTimeout(() => run.abort(), 3)
      return run.completion
    },
  ],
  [
    'endless: proxied, and left',
    async (router, options) => {
      const reader = router.stream('endless', options).toSSE().getReader()
      await reader.read()
      await reader.cancel()
    },
  ],
  ['nothing asked', (router, options) => router.complete('', options)],
]

test(`${CALLS} calls in ${WAYS.length} ways leave no listener, timer, response or count`, async () => {
  let open = 0
  const server = await startServer((response, seen) => {
    open++
    response.on('close', () => open--)
    const way = /"content":"(\w+)"/.exec(seen.body)?.[1]
    const second = seen.path.startsWith('/two')
    if (way === 'hang') return undefined
    if (way === 'good' || (way === 'flaky' && second))
      return response.writeHead(200, SSE).end(answerOf('o', 'k'))
    if (way === 'refused') return response.writeHead(400).end('{}')
    if (way === 'cut')
      return response.writeHead(200, SSE).write(chunk('x'), () => response.socket?.resetAndDestroy())
    if (way !== 'endless') return response.writeHead(503).end('{}')
    response.writeHead(200, SSE)
    const timer = setInterval(() => response.write(chunk('word ')), 2)
    return response.on('close', () => clearInterval(timer))
  })
  const armed = new Set<unknown>()
  const clock: Clock = {
    ...systemClock,
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
  const { signal } = new AbortController()
  const listeners = new Set<unknown>()
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = ((type: string, listener: EventListener, options?: object) => {
    listeners.add(listener)
    add(type, listener, options)
  }) as typeof add
  signal.removeEventListener = ((type: string, listener: EventListener) => {
    listeners.delete(listener)
    remove(type, listener)
  }) as typeof remove
  const target = (name: string): Target => ({
    name,
    provider: openaiChat({ baseURL: `${server.url}/${name}`, apiKey: 'key-of-this-test' }),
    model: 'm',
  })
  const router = createRouter({
    targets: [target('one'), target('two')],
    onInterrupt: 'restart',
    retry: { baseMs: 2, maxMs: 5, budget: { ratio: 10 } },
    // Both targets have to be asked to the end, however bad they are.
    breaker: { minimumCalls: Infinity, cooldownMs: 0, unusableMs: 0 },
    clock,
  })
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', note)

  async function calls(count: number): Promise<void> {
    for (let call = 0; call < count; call += 50) {
      await Promise.all(
        Array.from({ length: Math.min(50, count - call) }, async (_, index) => {
          try {
            await WAYS[(call + index) % WAYS.length]![1](router, { signal })
          } catch (error) {
            expect(LlmError.is(error), String(error)).toBe(true)
          }
        }),
      )
    }
    await until('every response to be closed', () => open === 0)
    await until('every timer to be gone', () => armed.size === 0)
    // What servers remember is not ours.
    server.requests.length = 0
  }
  await calls(CALLS)
  expect(listeners.size).toBe(0)
  expect(unhandled).toEqual([])
  for (const { name, inFlight } of router.state()) expect([name, inFlight]).toEqual([name, 0])
  process.off('unhandledRejection', note)
  await server.close()
})
