/** Rows 1 to 26 of the fault matrix that no other test holds: connecting, and slowness. */

import { describe, expect, test } from 'vitest'
import { createClient } from '../../src/client.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { createRouter } from '../../src/route/index.ts'
import { CONNECT, SLOW } from './faults-connect.ts'
import { check, KEY, throughClient } from './harness.ts'
import { http, raw } from './server.ts'
import { answerOf, until } from '../server.ts'

describe('connecting', () => {
  test.each(CONNECT)('row $row: $name', check)

  test('row 9: the request is given up at the server', async () => {
    const server = await http(() => {})
    try {
      const client = createClient({
        provider: openaiChat({ baseURL: server.url, apiKey: KEY }),
        model: 'm',
        retry: false,
        timeouts: { headers: 30 },
      })
      await expect(client.complete('hi')).rejects.toMatchObject({ kind: 'timeout', phase: 'headers' })
      await until('the connection to close', () => server.aborted() === 1)
    } finally {
      await server.close()
    }
  })

  test('row 10: a connection that died while it was idle is tried again at once and is nobody’s fault', async () => {
    const body = answerOf('ok')
    const server = await raw((socket, index) => {
      if (index === 1) socket.end()
      else socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    })
    try {
      const router = createRouter({
        targets: [{ provider: openaiChat({ baseURL: server.url, apiKey: KEY }), model: 'm', name: 'one' }],
        breaker: { minimumCalls: 1 },
        // The longest pause there is, unless there is none.
        random: () => 0.999,
        retry: { baseMs: 1_000_000, maxMs: 1_000_000 },
      })
      expect((await router.complete('hi')).text).toBe('ok')
      // The first connection goes back to its pool only after the answer was handed over.
      await new Promise((resolve) => setTimeout(resolve, 30))
      const second = await router.complete('hi')
      expect(second).toMatchObject({
        text: 'ok',
        attempts: [{ error: { kind: 'connect' } }, { status: 200 }],
      })
      expect(second.attempts[1]!.delayMs).toBeLessThanOrEqual(10)
      expect(router.state()[0]!.breaker).toEqual({ state: 'closed' })
      expect(server.asked()).toBe(3)
    } finally {
      await server.close()
    }
  })

  test('row 6: no option turns the check of certificates off', async () => {
    const { error } = await throughClient(CONNECT.find(({ row }) => row === 6)!)
    expect(`${error?.message}`).not.toMatch(/NODE_TLS_REJECT_UNAUTHORIZED|rejectUnauthorized|insecure/i)
  })
})

describe('slowness', () => {
  test.each(SLOW)('row $row: $name', check)
})
