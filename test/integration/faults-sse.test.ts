/** Rows 19 to 26 and 63 to 73 of the fault matrix: streams that stall, break, lie or never end, over real sockets. */

import { describe, expect, test } from 'vitest'
import { createClient } from '../../src/client.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { answerOf, chunk, ENDING, frame, SSE, until } from '../server.ts'
import { FAST, KEY, run, withServer } from './fixture.ts'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('slow', () => {
  test('row 19: silence before content is a timeout, tried again', async () => {
    await withServer(
      (response, _, count) => {
        response.writeHead(200, SSE)
        if (count === 0) response.write(': connected\n\n')
        else response.end(answerOf('second'))
      },
      async (server, client) => {
        const { text, completion } = await run(client({ retry: FAST, timeouts: { idle: 50 } }))
        expect(text).toBe('second')
        expect(completion?.attempts).toMatchObject([
          { status: 200, maybeBilled: true, error: { kind: 'timeout', retryable: true } },
          { status: 200, maybeBilled: false },
        ])
        await until('the first response to be given up', () => server.aborted === 1)
      },
    )
  })

  test('row 20: silence after content is an interruption with the text, not tried again', async () => {
    await withServer(
      (response) => {
        response.writeHead(200, SSE)
        response.write(chunk('Hello'))
      },
      async (server, client) => {
        const { text, error } = await run(client({ retry: FAST, timeouts: { idle: 50 } }))
        expect(text).toBe('Hello')
        expect(error).toMatchObject({
          kind: 'interrupted',
          phase: 'idle',
          partial: { text: 'Hello' },
          cause: { kind: 'timeout', phase: 'idle' },
        })
        expect(server.requests).toHaveLength(1)
        await until('the response to be given up', () => server.aborted === 1)
      },
    )
  })

  test('row 21: a trickle within events is no silence', async () => {
    await withServer(
      async (response) => {
        response.writeHead(200, SSE)
        for (const byte of Buffer.from(answerOf('slow'))) {
          response.write(Buffer.from([byte]))
          await pause(1)
        }
        response.end()
      },
      async (_, client) => expect((await run(client({ timeouts: { idle: 200 } }))).text).toBe('slow'),
    )
  })

  test('a slow consumer is no silence, however short idle and progress are', async () => {
    await withServer(
      (response) =>
        response.writeHead(200, SSE).end(answerOf(...Array.from({ length: 5 }, () => 'x'.repeat(40_000)))),
      async (_, client) => {
        let text = ''
        for await (const piece of client({ timeouts: { idle: 60, progress: 60 } }).stream('hi').text) {
          text += piece
          await pause(100)
        }
        expect(text.length).toBe(200_000)
      },
    )
  })

  test('row 22: a flood of comments trips the watchdog, and memory stays flat', async () => {
    await withServer(
      (response) => {
        response.writeHead(200, SSE)
        response.write(chunk('Hello'))
        const timer = setInterval(() => response.write(': keep-alive\n\n'.repeat(100)), 1)
        response.on('close', () => clearInterval(timer))
      },
      async (server, client) => {
        const { error } = await run(client({ timeouts: { idle: 5000, progress: 150 } }))
        expect(error).toMatchObject({ kind: 'interrupted', cause: { kind: 'timeout', phase: 'progress' } })
        await until('the response to be given up', () => server.aborted === 1)
      },
    )
  })

  test('row 22: before content the same flood ends at firstToken', async () => {
    await withServer(
      (response) => {
        response.writeHead(200, SSE)
        const timer = setInterval(() => response.write(': keep-alive\n\n'), 1)
        response.on('close', () => clearInterval(timer))
      },
      async (_, client) => {
        const { error } = await run(client({ timeouts: { firstToken: 100 } }))
        expect(error).toMatchObject({ kind: 'timeout', phase: 'firstToken' })
      },
    )
  })

  test('row 23: pings keep an Anthropic stream alive', async () => {
    const event = (data: { type: string }): string => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
    await withServer(
      async (response) => {
        response.writeHead(200, SSE)
        const message = {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model: 'm',
          content: [],
          usage: { input_tokens: 3, output_tokens: 1 },
        }
        response.write(event({ type: 'message_start', message } as never))
        for (let ping = 0; ping < 12; ping++) {
          await pause(20)
          response.write(event({ type: 'ping' }))
        }
        response.write(
          event({
            type: 'content_block_start',
            index: 0,
            content_block: { type: 'text', text: '' },
          } as never),
        )
        response.write(
          event({
            type: 'content_block_delta',
            index: 0,
            delta: { type: 'text_delta', text: 'late' },
          } as never),
        )
        response.write(event({ type: 'content_block_stop', index: 0 } as never))
        response.write(
          event({
            type: 'message_delta',
            delta: { stop_reason: 'end_turn' },
            usage: { output_tokens: 1 },
          } as never),
        )
        response.end(event({ type: 'message_stop' }))
      },
      async (server) => {
        const client = createClient({
          provider: anthropic({ baseURL: server.url, apiKey: KEY }),
          model: 'claude-x',
          retry: false,
        })
        expect((await run(client, { timeouts: { idle: 150 } })).text).toBe('late')
      },
    )
  })

  test('row 25: the call resolves at the terminal marker, not at the close', async () => {
    await withServer(
      (response) => {
        response.writeHead(200, SSE)
        response.write(answerOf('Hello'))
      },
      async (server, client) => {
        const { text, completion } = await run(client())
        expect(text).toBe('Hello')
        expect(completion?.finishReason).toBe('stop')
        // Still draining in the background; given up after a second.
        expect(server.aborted).toBe(0)
        await until('the response to be given up', () => server.aborted === 1)
      },
    )
  })

  test('a body that ends a little after the marker leaves its connection for the next call', async () => {
    await withServer(
      (response) => {
        response.writeHead(200, SSE)
        response.write(answerOf('Hello'))
        setTimeout(() => response.end(), 10)
      },
      async (server, client) => {
        for (let call = 0; call < 5; call++) {
          await run(client())
          await pause(100)
        }
        // Without the drain it is a connection a call. A busy machine may end one body after the next call began.
        expect(server.connections).toBeLessThan(4)
      },
    )
  })

  test('row 26: an endless stream of valid deltas stops at the cap, with what was read', async () => {
    await withServer(
      (response) => {
        response.writeHead(200, SSE)
        const pump = (): void => {
          while (!response.destroyed) {
            if (!response.write(chunk('word ').repeat(100))) return void response.once('drain', pump)
          }
        }
        pump()
      },
      async (server, client) => {
        const { text, error } = await run(client({ limits: { responseBytes: 1_000_000 } }))
        expect(error).toMatchObject({ kind: 'too-large', partial: { text } })
        expect(text.length).toBeGreaterThan(1000)
        await until('the response to be given up', () => server.aborted === 1)
      },
    )
  })
})

describe('row 63', () => {
  test.each(['end', 'resetAndDestroy'] as const)(
    'row 63: %s of the socket mid-stream, after content',
    async (how) => {
      await withServer(
        (response) => {
          response.writeHead(200, SSE)
          response.write(chunk('Hel') + chunk('lo'))
          setTimeout(() => response.socket?.[how](), 20)
        },
        async (server, client) => {
          const { text, error } = await run(client({ retry: FAST }))
          expect(text).toBe('Hello')
          expect(error).toMatchObject({ kind: 'interrupted', retryable: true, partial: { text: 'Hello' } })
          expect(error?.attempts).toMatchObject([
            { status: 200, maybeBilled: true, error: { kind: 'interrupted' } },
          ])
          expect(server.requests).toHaveLength(1)
        },
      )
    },
  )
  test('row 63: usage reported before the cut is kept', async () => {
    await withServer(
      (response) => {
        response.writeHead(200, SSE)
        const message = {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          model: 'm',
          content: [],
          usage: { input_tokens: 31, output_tokens: 1 },
        }
        response.write(`data: ${JSON.stringify({ type: 'message_start', message })}\n\n`)
        response.write(
          `data: ${JSON.stringify({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } })}\n\n`,
        )
        response.write(
          `data: ${JSON.stringify({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } })}\n\n`,
        )
        setTimeout(() => response.socket?.resetAndDestroy(), 20)
      },
      async (server) => {
        const client = createClient({
          provider: anthropic({ baseURL: server.url, apiKey: KEY }),
          model: 'claude-x',
          retry: false,
        })
        const { error } = await run(client)
        expect(error).toMatchObject({
          kind: 'interrupted',
          usage: { inputTokens: 31 },
          partial: { text: 'Hi' },
        })
      },
    )
  })
  test('a reset before content is tried again, unseen', async () => {
    await withServer(
      (response, _, count) => {
        response.writeHead(200, SSE)
        if (count > 0) return response.end(answerOf('second'))
        response.write(
          frame({ id: 'c', model: 'm', choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] }),
        )
        return setTimeout(() => response.socket?.resetAndDestroy(), 20)
      },
      async (server, client) => {
        const { events, text } = await run(client({ retry: FAST }))
        expect(text).toBe('second')
        expect(events.filter((event) => event.type === 'start')).toHaveLength(1)
        expect(server.requests).toHaveLength(2)
      },
    )
  })
})

describe('rows 64 to 67', () => {
  test('row 64: the end of the body without a terminal marker is an interruption', async () => {
    await withServer(
      (response) => response.writeHead(200, SSE).end(chunk('Hello')),
      async (_, client) => {
        const { text, error } = await run(client())
        expect(text).toBe('Hello')
        expect(error).toMatchObject({
          kind: 'interrupted',
          partial: { text: 'Hello', finishReason: undefined },
        })
      },
    )
  })
  test('row 64: a finish_reason without [DONE] is enough', async () => {
    await withServer(
      (response) => response.writeHead(200, SSE).end(chunk('Hello') + chunk('', 'stop')),
      async (_, client) =>
        expect((await run(client())).completion).toMatchObject({ text: 'Hello', finishReason: 'stop' }),
    )
  })
  test('row 65: a reset after [DONE] is success', async () => {
    await withServer(
      (response) => {
        response.writeHead(200, SSE)
        response.write(answerOf('Hello'), () => setTimeout(() => response.socket?.resetAndDestroy(), 10))
      },
      async (_, client) => {
        expect((await run(client())).completion).toMatchObject({ text: 'Hello', usage: { outputTokens: 2 } })
        await pause(30)
      },
    )
  })
  test.each([
    ['[DONE]x', 'data: [DONE]x\n\n'],
    ['[DONE] in a text', chunk('[DONE]')],
    ['[DONE] as one line of two', 'data: {"id":"c",\ndata: "choices":[]}\n\n'],
  ])('row 66: %s is not the end', async (_, forged) => {
    await withServer(
      (response) => response.writeHead(200, SSE).end(chunk('Hel') + forged + answerOf('lo')),
      async (_server, client) => {
        const { text, error } = await run(client())
        // Either it is read past, or it is an error; in no case a short success.
        if (error === undefined) expect(text.endsWith('lo')).toBe(true)
        else expect(error.kind).toBe('interrupted')
      },
    )
  })
  test('row 67: what follows [DONE] is not read, and the body is cancelled', async () => {
    let written = 0
    await withServer(
      (response) => {
        response.writeHead(200, SSE)
        response.write(answerOf('Hello'))
        const pump = (): void => {
          while (!response.destroyed && written < 500_000_000) {
            written += 6400
            if (!response.write(chunk('after').repeat(64))) return void response.once('drain', pump)
          }
        }
        pump()
      },
      async (server, client) => {
        expect((await run(client())).text).toBe('Hello')
        await until('the response to be given up', () => server.aborted === 1)
        expect(written).toBeLessThan(100_000_000)
      },
    )
  })
})

describe('rows 68 to 70', () => {
  const text = 'Grüße, 世界 — 👩‍👩‍👧 "quoted" \\ back\n'
  test('row 68: one byte at a time, split inside UTF-8, CRLF and field names', async () => {
    const body = Buffer.from(answerOf(text, text).replaceAll('\n\n', '\r\n\r\n'))
    await withServer(
      async (response) => {
        response.writeHead(200, SSE)
        response.socket?.setNoDelay(true)
        for (let at = 0; at < body.length; at++) {
          response.write(body.subarray(at, at + 1))
          if (at % 16 === 0) await new Promise(setImmediate)
        }
        response.end()
      },
      async (_, client) => expect((await run(client())).text).toBe(text + text),
    )
  })
  test.each([
    ['CR only', (body: string) => body.replaceAll('\n', '\r')],
    ['CRLF', (body: string) => body.replaceAll('\n', '\r\n')],
    ['a mix', (body: string) => body.replace('\n\n', '\r\n\r').replace('\n\n', '\r\r')],
    ['no space after the colon', (body: string) => body.replaceAll('data: ', 'data:')],
    ['several data lines', (body: string) => body.replaceAll('"choices"', '\ndata: "choices"')],
    [
      'ids, retries and unknown fields',
      (body: string) => body.replaceAll('data: {', 'id: 1\nretry: 9\nfoo: bar\nbaz\ndata: {'),
    ],
    ['no blank line at the end', (body: string) => body.trimEnd()],
  ])('row 69: %s', async (_, change) => {
    await withServer(
      (response) => response.writeHead(200, SSE).end(change(answerOf('Hel', 'lo'))),
      async (_server, client) => expect((await run(client())).text).toBe('Hello'),
    )
  })
  test('row 70: invalid UTF-8 becomes U+FFFD, NUL stays', async () => {
    const [before, after] = chunk('a\u0000b-X-c').split('-X-')
    await withServer(
      (response) =>
        response
          .writeHead(200, SSE)
          .end(
            Buffer.concat([
              Buffer.from(before!),
              Buffer.from([0xff, 0xc0, 0xaf, 0xed, 0xa0, 0x80]),
              Buffer.from(after! + ENDING),
            ]),
          ),
      async (_, client) => {
        const { text: read } = await run(client())
        expect(read.replace(/\uFFFD+/, '-')).toBe('a\u0000b-c')
      },
    )
  })
  test('row 70: an escaped lone surrogate does not throw', async () => {
    await withServer(
      (response) => response.writeHead(200, SSE).end(chunk('X').replace('"X"', '"\\ud83d"') + ENDING),
      async (_, client) => expect((await run(client())).error).toBeUndefined(),
    )
  })
})

describe('rows 71 to 73', () => {
  test('row 71: an endless line stops at the cap of one event', async () => {
    await withServer(
      (response) => {
        response.writeHead(200, SSE)
        response.write('data: "')
        const pump = (): void => {
          while (!response.destroyed) {
            if (!response.write(Buffer.alloc(65_536, 0x78))) return void response.once('drain', pump)
          }
        }
        pump()
      },
      async (server, client) => {
        const { error } = await run(client({ limits: { eventBytes: 2_000_000 } }))
        expect(error).toMatchObject({ kind: 'too-large' })
        await until('the response to be given up', () => server.aborted === 1)
      },
    )
  })
  test('row 72: a valid event of 40 MB is accepted', async () => {
    const image = 'A'.repeat(40_000_000)
    await withServer(
      (response) => response.writeHead(200, SSE).end(answerOf(image)),
      async (_, client) => expect((await run(client())).text.length).toBe(image.length),
    )
  })
  test('row 73: a flood of tiny events waits for a slow consumer, in the server', async () => {
    const total = 200_000
    const packed = chunk('x').repeat(1000)
    let written = 0
    await withServer(
      (response) => {
        response.writeHead(200, SSE)
        const pump = (): void => {
          while (!response.destroyed && written < total) {
            written += 1000
            if (!response.write(packed)) return void response.once('drain', pump)
          }
          if (written >= total) response.end(ENDING)
        }
        pump()
      },
      async (server, client) => {
        let seen = 0
        for await (const event of client().stream('hi')) {
          if (event.type === 'text-delta') seen++
          if (seen === 1) {
            await pause(100)
            // 200,000 events are 20 MB: most of them still sit in the server and the sockets.
            expect(written).toBeLessThan(total)
          }
          if (seen === 5000) break
        }
        await until('the response to be given up', () => server.aborted === 1)
      },
    )
  })
})
