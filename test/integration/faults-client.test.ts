/** Rows 1 to 18, 48 and 85 to 91 of the fault matrix: connecting, redirects, and what callers do, over real sockets. */

import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { createClient } from '../../src/client.ts'
import { LlmError } from '../../src/errors.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import type { Options, StreamEvent } from '../../src/types.ts'
import { createFakeClock, settle } from '../fake-clock.ts'
import { answerOf, chunk, SSE, startServer, until } from '../server.ts'
import { clientOn, FAST, KEY, run, withServer } from './fixture.ts'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A TCP server that answers every connection with these bytes, or with what the function does. */
async function withRawServer(
  answer: string | ((socket: import('node:net').Socket, count: number) => void),
  test: (url: string, connections: () => number) => Promise<void>,
): Promise<void> {
  let count = 0
  const sockets = new Set<import('node:net').Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => {
      if (typeof answer === 'string') socket.end(answer)
      else answer(socket, count)
      count++
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await test(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, () => count)
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

/** A port on which nothing listens. */
async function closedPort(): Promise<number> {
  const server = createTcpServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('connecting', () => {
  test('row 1: a host name that does not exist', async () => {
    const { error } = await run(clientOn('http://nope.invalid', { retry: FAST }))
    expect(error).toMatchObject({
      kind: 'connect',
      attempts: [{ maybeBilled: false }, { maybeBilled: false }],
    })
    expect(error?.message).toContain('nope.invalid')
  })
  test('row 3: a port on which nothing listens is tried three times and named', async () => {
    const port = await closedPort()
    const { error } = await run(clientOn(`http://127.0.0.1:${port}`, { retry: FAST }))
    expect(error).toMatchObject({ kind: 'connect', code: 'ECONNREFUSED', retryable: true })
    expect(error?.attempts).toHaveLength(3)
    expect(error?.attempts?.every((attempt) => !attempt.maybeBilled && attempt.status === undefined)).toBe(
      true,
    )
    expect(error?.message).toContain(`127.0.0.1:${port}`)
  })
  test('row 5: TLS to a plain port', async () => {
    await withServer(
      (response) => response.end(),
      async (server) => {
        const { error } = await run(clientOn(server.url.replace('http:', 'https:'), { retry: FAST }))
        expect(error).toMatchObject({ kind: 'connect', retryable: false })
        expect(error?.attempts).toHaveLength(1)
      },
    )
  })
  test.each(['end', 'resetAndDestroy'] as const)('rows 7 and 8: %s before the headers', async (how) => {
    await withRawServer(
      (socket) => void socket[how](),
      async (url) => {
        const { error } = await run(clientOn(url, { retry: FAST }))
        expect(error).toMatchObject({ kind: 'connect' })
        expect(error?.attempts).toHaveLength(3)
        expect(error?.attempts?.[0]).toMatchObject({ maybeBilled: true })
      },
    )
  })
  test('row 9: a server that accepts and never answers', async () => {
    await withServer(
      () => {},
      async (server, client) => {
        const { error } = await run(client({ timeouts: { headers: 50 } }))
        expect(error).toMatchObject({ kind: 'timeout', phase: 'headers', attempts: [{ maybeBilled: true }] })
        await until('the request to be given up', () => server.aborted === 1)
      },
    )
  })
  test('row 11: a server that does not speak HTTP', async () => {
    await withRawServer('HELLO\r\n\r\n', async (url, connections) => {
      const { error } = await run(clientOn(url, { retry: FAST }))
      expect(error).toMatchObject({ kind: 'protocol' })
      expect(connections()).toBe(2)
    })
  })
  test.each([
    ['row 12: headers that never end', `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`],
    [
      'row 13: two lengths',
      'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
  ])('%s', async (_, bytes) => {
    await withRawServer(bytes, async (url, connections) => {
      expect((await run(clientOn(url, { retry: FAST }))).error).toMatchObject({
        kind: 'protocol',
        retryable: false,
      })
      expect(connections()).toBe(1)
    })
  })
  test('row 14: a hundred early hints and then an answer', async () => {
    const body = answerOf('ok')
    const hints = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'.repeat(100)
    await withRawServer(
      `${hints}HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      async (url) => expect((await run(clientOn(url))).text).toBe('ok'),
    )
  })
  test('row 15: a switch of protocols is no answer', async () => {
    await withRawServer(
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
      async (url) => {
        const { error } = await run(clientOn(url))
        expect(['protocol', 'connect']).toContain(error?.kind)
      },
    )
  })
  test('row 17: slow headers within the limit', async () => {
    await withServer(
      (response) => setTimeout(() => response.writeHead(200, SSE).end(answerOf('ok')), 60),
      async (_, client) => {
        const { completion } = await run(client())
        expect(completion?.timing.headersMs).toBeGreaterThan(50)
        expect(completion?.timing.firstTokenMs).toBeGreaterThanOrEqual(completion!.timing.headersMs!)
      },
    )
  })
  test('the total deadline ends the call wherever it is, and is not tried again', async () => {
    await withServer(
      (response) => response.writeHead(503, { 'retry-after-ms': '40' }).end('{}'),
      async (server, client) => {
        const { error } = await run(client({ timeouts: { total: 600 }, retry: { attempts: 100 } }))
        // Either a pause would have outlived it, or it fired during an attempt.
        expect(['server', 'overloaded', 'timeout']).toContain(error?.kind)
        expect(server.requests.length).toBeGreaterThan(1)
        expect(server.requests.length).toBeLessThan(20)
      },
    )
    await withServer(
      () => {},
      async (_, client) => {
        const { error } = await run(client({ timeouts: { total: 50 }, retry: FAST }))
        expect(error).toMatchObject({ kind: 'timeout', phase: 'total', retryable: false })
      },
    )
  })
})

describe('row 48: redirects', () => {
  for (const status of [301, 302, 303, 307, 308]) {
    test(`row 48: ${status} is refused; the target sees no request`, async () => {
      const target = await startServer((response) => response.writeHead(200, SSE).end(answerOf('stolen')))
      for (const location of [
        `${target.url}/v1/chat/completions?k=1`,
        '/elsewhere',
        'file:///etc/passwd',
        '//evil.example/x',
      ]) {
        await withServer(
          (response) => response.writeHead(status, { location }).end(),
          async (server, client) => {
            const { error } = await run(client({ retry: FAST }))
            expect(error).toMatchObject({ kind: 'redirect', status, retryable: false })
            expect(error?.message).not.toContain('k=1')
            expect(server.requests).toHaveLength(1)
          },
        )
      }
      expect(target.requests).toHaveLength(0)
      await target.close()
    })
  }
})

describe('row 85: abort', () => {
  test('row 85: before the call: no key is fetched, no request is made', async () => {
    await withServer(
      (response) => response.writeHead(200, SSE).end(answerOf('x')),
      async (server, client) => {
        let keys = 0
        const apiKey = (): string => (keys++, KEY)
        const reason = new Error('too late')
        const { error } = await run(client({ signal: AbortSignal.abort(reason), apiKey }))
        expect(error).toMatchObject({ kind: 'aborted', name: 'AbortError' })
        expect(error?.cause).toBe(reason)
        expect([server.requests.length, keys]).toEqual([0, 0])
      },
    )
  })

  const phases: [string, Options, Parameters<typeof withServer>[0]][] = [
    ['while the key is fetched', { apiKey: () => new Promise<string>(() => {}) }, () => {}],
    ['while waiting for headers', {}, () => {}],
    ['while waiting for content', {}, (response) => response.writeHead(200, SSE).write(': hello\n\n')],
    [
      'during a pause between tries',
      { retry: { baseMs: 60_000 }, random: () => 0.9 },
      (response) => response.writeHead(503).end('{}'),
    ],
    ['while an error body is read', {}, (response) => response.writeHead(500).write('{')],
    ['in the middle of the answer', {}, (response) => response.writeHead(200, SSE).write(chunk('Hel'))],
  ]
  test.each(phases)('row 85: %s', async (phase, options, answer) => {
    await withServer(answer, async (server, client) => {
      const controller = new AbortController()
      const reason = { who: 'me' }
      setTimeout(() => controller.abort(reason), 60)
      const { error, text } = await run(client(options), { signal: controller.signal })
      expect(error).toMatchObject({ kind: 'aborted', retryable: false })
      expect(error?.cause).toBe(reason)
      if (phase.includes('middle')) expect([text, error?.partial?.text]).toEqual(['Hel', 'Hel'])
      const requests = server.requests.length
      if (requests > 0 && !phase.includes('pause'))
        await until('the response to be given up', () => server.aborted === 1)
      await pause(20)
      expect(server.requests).toHaveLength(requests)
    })
  })

  test('row 85: run.abort() in the middle', async () => {
    await withServer(
      (response) => response.writeHead(200, SSE).write(chunk('Hel')),
      async (server, client) => {
        const stream = client().stream('hi')
        const seen: string[] = []
        await expect(
          (async () => {
            for await (const text of stream.text) {
              seen.push(text)
              setTimeout(() => stream.abort('enough'), 10)
            }
          })(),
        ).rejects.toMatchObject({ kind: 'aborted', cause: 'enough', partial: { text: 'Hel' } })
        expect(seen).toEqual(['Hel'])
        await until('the response to be given up', () => server.aborted === 1)
      },
    )
  })
})

describe('row 86: consumers that leave', () => {
  const endless: Parameters<typeof withServer>[0] = (response) => {
    response.writeHead(200, SSE)
    const timer = setInterval(() => response.write(chunk('word ')), 2)
    response.on('close', () => clearInterval(timer))
  }
  const ways: Record<string, (stream: AsyncIterable<StreamEvent>) => Promise<unknown>> = {
    'break at the first event': async (stream) => {
      for await (const _ of stream) break
    },
    'break after a while': async (stream) => {
      let seen = 0
      for await (const _ of stream) if (++seen > 10) break
    },
    'throw in the loop': async (stream) => {
      try {
        for await (const _ of stream) throw new Error('mine')
      } catch (error) {
        expect(String(error)).toBe('Error: mine')
      }
    },
    'return() without next()': async (stream) => {
      await stream[Symbol.asyncIterator]().return?.()
    },
    'return() while next() is pending': async (stream) => {
      const iterator = stream[Symbol.asyncIterator]()
      const pending = [1, 2, 3].map(() => iterator.next().catch((error: unknown) => error))
      await iterator.return?.()
      await Promise.all(pending)
    },
    'cancel the SSE stream': async (stream) => {
      const reader = (stream as unknown as { toSSE(): ReadableStream }).toSSE().getReader()
      await reader.read()
      await reader.cancel()
    },
  }
  test.each(Object.keys(ways))('row 86: %s closes the response at the server', async (way) => {
    await withServer(endless, async (server, client) => {
      const stream = client().stream('hi')
      await ways[way]!(stream)
      await expect(stream.completion).rejects.toMatchObject({ kind: 'aborted' })
      await until('the response to be given up', () => server.requests.length === 0 || server.aborted === 1)
    })
  })

  test('row 86: one that never reads holds one window, not the answer', async () => {
    let written = 0
    await withServer(
      (response) => {
        response.writeHead(200, SSE)
        const pump = (): void => {
          while (!response.destroyed && written < 100_000_000) {
            written += 6400
            if (!response.write(chunk('never').repeat(64))) return void response.once('drain', pump)
          }
        }
        pump()
      },
      async (server, client) => {
        const stream = client().stream('hi')
        await until('the server to be held up', () => written > 0)
        await pause(100)
        const held = written
        await pause(50)
        expect(written).toBe(held)
        expect(held).toBeLessThan(50_000_000)
        stream.abort()
        await until('the response to be given up', () => server.aborted === 1)
      },
    )
  })
})

describe('row 87: late winners', () => {
  test('row 87: a response that comes after the abort is cancelled and nobody hears of it', async () => {
    const cancelled: unknown[] = []
    let resolve: (response: Response) => void = () => {}
    const fetch = (): Promise<Response> => new Promise((done) => (resolve = done))
    const stream = clientOn('http://127.0.0.1:9', { fetch }).stream('hi')
    const outcome = stream.completion.catch((error: unknown) => error)
    await settle()
    stream.abort()
    expect(await outcome).toMatchObject({ kind: 'aborted' })
    resolve(new Response(new ReadableStream({ cancel: (reason) => void cancelled.push(reason) })))
    await settle()
    expect(cancelled).toHaveLength(1)
  })
  test('row 87: a rejection that comes after the abort is nobody’s unhandled one', async () => {
    let reject: (error: unknown) => void = () => {}
    const fetch = (): Promise<Response> => new Promise((_, fail) => (reject = fail))
    const stream = clientOn('http://127.0.0.1:9', { fetch }).stream('hi')
    const outcome = stream.completion.catch((error: unknown) => error)
    await settle()
    stream.abort()
    await outcome
    reject(new Error('late'))
    await settle()
  })
})

test('row 88: an abort that races an error has one outcome', async () => {
  for (let round = 0; round < 20; round++) {
    await withServer(
      (response) => setTimeout(() => response.writeHead(500).end('{"error":{"message":"boom"}}'), 10),
      async (_, client) => {
        const controller = new AbortController()
        setTimeout(() => controller.abort('me'), 9 + (round % 5))
        const { error } = await run(client(), { signal: controller.signal })
        expect(['aborted', 'server']).toContain(error?.kind)
        if (error?.kind === 'aborted') expect(error.cause).toBe('me')
        else expect(error?.status).toBe(500)
      },
    )
  }
})

describe('row 89: hostile fetches', () => {
  const hostile: Record<string, () => unknown> = {
    'throws synchronously': () => {
      throw new Error('sync')
    },
    'rejects with a string': () => Promise.reject('a string'),
    'rejects with undefined': () => Promise.reject(undefined),
    'rejects with a frozen object': () => Promise.reject(Object.freeze({ a: 1 })),
    'returns undefined': () => undefined,
    'returns a number': () => 42,
    'resolves to null': () => Promise.resolve(null),
    'resolves to an object': () => Promise.resolve({}),
    'resolves to a response without a body': () =>
      Promise.resolve({ status: 200, headers: new Headers(), body: undefined }),
    'resolves to a body that is none': () =>
      Promise.resolve({ status: 200, headers: new Headers(), body: 'text' }),
    'resolves to a body that throws': () =>
      Promise.resolve({
        status: 200,
        headers: new Headers(),
        body: new ReadableStream({
          pull() {
            throw new Error('in pull')
          },
        }),
      }),
    'resolves to a body of strings': () =>
      Promise.resolve(new Response(new ReadableStream({ start: (c) => c.enqueue('text') }))),
    'resolves to a body that is locked': () => {
      const response = new Response(answerOf('x'))
      response.body!.getReader()
      return Promise.resolve(response)
    },
  }
  test.each(Object.keys(hostile))('row 89: a fetch that %s', async (name) => {
    const { error } = await run(clientOn('http://127.0.0.1:9', { fetch: hostile[name] as never }))
    expect(LlmError.is(error)).toBe(true)
    expect(['connect', 'protocol', 'interrupted']).toContain(error?.kind)
  })
  test.each(['headers', 'total'] as const)(
    'row 89: a fetch that ignores its signal: %s still settles',
    async (deadline) => {
      const clock = createFakeClock()
      const outcome = run(
        clientOn('http://127.0.0.1:9', {
          fetch: () => new Promise(() => {}),
          clock,
          timeouts: { [deadline]: 50 },
        }),
      )
      await clock.advance(50)
      expect((await outcome).error).toMatchObject({ kind: 'timeout', phase: deadline })
      expect(clock.armed).toBe(0)
    },
  )
  test('row 89: a reader of its own making that never answers: idle, abort and break still settle', async () => {
    const never = (): Promise<never> => new Promise(() => {})
    const body = { getReader: () => ({ read: never, cancel: never, releaseLock() {} }) }
    const fetch = (() => Promise.resolve({ status: 200, headers: new Headers(), body })) as never
    const clock = createFakeClock()
    const idle = run(clientOn('http://127.0.0.1:9', { fetch, clock, timeouts: { idle: 50 } }))
    await clock.advance(50)
    expect((await idle).error).toMatchObject({ kind: 'timeout', phase: 'idle' })
    const controller = new AbortController()
    const aborted = run(clientOn('http://127.0.0.1:9', { fetch, clock, signal: controller.signal }))
    await clock.advance(1)
    controller.abort('enough')
    expect((await aborted).error).toMatchObject({ kind: 'aborted', cause: 'enough' })
    expect(clock.armed).toBe(0)
  })
  test('row 89: a body that ignores cancel and its signal: idle still settles', async () => {
    const clock = createFakeClock()
    const body = new ReadableStream({
      pull: () => new Promise(() => {}),
      cancel: () => new Promise(() => {}),
    })
    const outcome = run(
      clientOn('http://127.0.0.1:9', {
        fetch: () => Promise.resolve(new Response(body)),
        clock,
        timeouts: { idle: 50 },
      }),
    )
    await clock.advance(50)
    expect((await outcome).error).toMatchObject({ kind: 'timeout', phase: 'idle' })
    expect(clock.armed).toBe(0)
  })
})

test('row 91: the wall clock may jump as it likes', async () => {
  const clock = createFakeClock()
  let calls = 0
  const fetch = async (): Promise<Response> => {
    clock.jump(calls % 2 === 0 ? 3_600_000 : -7_200_000)
    if (calls++ < 2) return new Response('{}', { status: 503 })
    return new Response(answerOf('ok'))
  }
  const outcome = run(
    clientOn('http://127.0.0.1:9', { fetch, clock, retry: { attempts: 3 }, random: () => 0.5 }),
  )
  await clock.advance(500)
  await clock.advance(1000)
  expect((await outcome).text).toBe('ok')
  expect((await outcome).completion?.timing.totalMs).toBe(1500)
})

describe('rows 98 and 101: keys and addresses', () => {
  test.each([
    ['a line break inside', 'sk-a\nb'],
    ['a header behind it', 'sk-a\r\nX-Evil: 1'],
    ['NUL', 'sk-a\0'],
    ['a non-Latin letter', 'sk-ключ'],
    ['a curly quote', '“sk-a”'],
    ['a space', 'sk-a b'],
    ['nothing', ''],
    ['blanks', '  '],
  ])('row 98: a key with %s is a config error that does not show it', async (_, apiKey) => {
    const fetch = (): never => {
      throw new Error('must not be called')
    }
    const { error } = await run(clientOn('http://127.0.0.1:9', { apiKey, fetch }))
    expect(error).toMatchObject({ kind: 'config' })
    if (apiKey.trim() !== '') expect(JSON.stringify(error)).not.toContain(apiKey.trim())
    expect(JSON.stringify(error)).not.toContain('ключ')
  })
  test('row 98: a line break at the end is trimmed', async () => {
    await withServer(
      (response) => response.writeHead(200, SSE).end(answerOf('ok')),
      async (server, client) => {
        expect((await run(client({ apiKey: `${KEY}\n` }))).text).toBe('ok')
        expect(server.requests[0]?.headers.authorization).toBe(`Bearer ${KEY}`)
      },
    )
  })
  test.each(['file:///etc', 'javascript:alert(1)', 'ftp://h/', 'not a url', 'http://user:pw@h/', ''])(
    'row 101: the baseURL %j is a config error',
    async (baseURL) => {
      let error: unknown
      try {
        const client = createClient({
          provider: openaiChat({ baseURL, apiKey: KEY }),
          model: 'm',
          retry: false,
        })
        error = (await run(client)).error
      } catch (thrown) {
        error = thrown
      }
      expect(error).toMatchObject({ kind: 'config' })
    },
  )
})
