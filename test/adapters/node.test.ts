import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { fileCheckpoint, undiciTransport } from '../../src/adapters/node.ts'
import { run, withServer, clientOn, FAST, KEY } from '../integration/fixture.ts'
import { answerOf, chunk, SSE, until } from '../server.ts'

test('speaks to servers, keeps connections, sends what fetch sends', async () => {
  await withServer(
    (response) => response.writeHead(200, { ...SSE, 'x-request-id': 'r1' }).end(answerOf('Hel', 'lo')),
    async (server, client) => {
      const transport = undiciTransport()
      for (let call = 0; call < 3; call++) {
        const { completion } = await run(client({ transport }))
        expect(completion).toMatchObject({ text: 'Hello', attempts: [{ requestId: 'r1' }] })
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      expect(server.connections).toBe(1)
      expect(server.requests[0]).toMatchObject({
        method: 'POST',
        headers: { authorization: `Bearer ${KEY}` },
      })
    },
  )
})

test('connect: a server that accepts and never shakes hands is a timeout of connecting', async () => {
  const sockets: Socket[] = []
  const server = createTcpServer((socket) => void sockets.push(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { error } = await run(clientOn(url, { transport: undiciTransport(), timeouts: { connect: 100 } }))
  expect(error).toMatchObject({
    kind: 'timeout',
    phase: 'connect',
    code: 'UND_ERR_CONNECT_TIMEOUT',
    attempts: [{ maybeBilled: false }],
  })
  for (const socket of sockets) socket.destroy()
  server.close()
})

test('a refused port, a reset, a redirect: the same errors as over fetch', async () => {
  const transport = undiciTransport()
  expect((await run(clientOn('http://127.0.0.1:1', { transport, retry: FAST }))).error).toMatchObject({
    kind: 'connect',
    code: 'ECONNREFUSED',
  })
  await withServer(
    (response) => {
      response.writeHead(200, SSE)
      response.write(chunk('Hello'))
      setTimeout(() => response.socket?.resetAndDestroy(), 20)
    },
    async (_, client) =>
      expect((await run(client({ transport }))).error).toMatchObject({
        kind: 'interrupted',
        partial: { text: 'Hello' },
      }),
  )
  await withServer(
    (response) => response.writeHead(307, { location: 'http://evil.example/' }).end(),
    async (server, client) => {
      expect((await run(client({ transport }))).error).toMatchObject({ kind: 'redirect', status: 307 })
      expect(server.requests).toHaveLength(1)
    },
  )
})

test('headers are checked as everywhere', async () => {
  const { error } = await run(
    clientOn('http://127.0.0.1:1', { transport: undiciTransport(), headers: { 'x-a': 'b\r\nc' } }),
  )
  expect(error).toMatchObject({ kind: 'config' })
})

describe('leaving', () => {
  const endless = (response: import('node:http').ServerResponse): void => {
    response.writeHead(200, SSE)
    const timer = setInterval(() => response.write(chunk('word ')), 2)
    response.on('close', () => clearInterval(timer))
  }
  test('break closes the response at the server', async () => {
    await withServer(endless, async (server, client) => {
      for await (const _ of client({ transport: undiciTransport() }).stream('hi')) break
      await until('the response to be given up', () => server.aborted === 1)
    })
  })
  test('abort closes it, before and after the headers', async () => {
    for (const answer of [() => {}, endless]) {
      await withServer(answer, async (server, client) => {
        const signal = AbortSignal.timeout(60)
        const { error } = await run(client({ transport: undiciTransport(), signal }))
        expect(error).toMatchObject({ kind: 'aborted', cause: { name: 'TimeoutError' } })
        await until('the response to be given up', () => server.aborted === 1)
      })
    }
  })
})

test.each([
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
] as const)('%s that nobody asked for is unpacked; cut, it is an interruption', async (coding, pack) => {
  const packed = pack(answerOf(...Array.from({ length: 300 }, (_, n) => `${n * 7919} `)))
  await withServer(
    (response, _, count) => {
      response.writeHead(200, { ...SSE, 'content-encoding': coding })
      response.end(count === 0 ? packed : packed.subarray(0, packed.length >> 1))
    },
    async (_, client) => {
      const transport = undiciTransport()
      expect((await run(client({ transport }))).completion?.finishReason).toBe('stop')
      expect((await run(client({ transport }))).error).toMatchObject({ kind: 'interrupted' })
    },
  )
})

test('a slow consumer holds up the server', async () => {
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
      const stream = client({ transport: undiciTransport() }).stream('hi')
      await until('the server to be held up', () => written > 0)
      await new Promise((resolve) => setTimeout(resolve, 150))
      const held = written
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(written).toBe(held)
      expect(held).toBeLessThan(50_000_000)
      stream.abort()
      await until('the response to be given up', () => server.aborted === 1)
    },
  )
})

test('the checkpoint of batches lives here too', () => {
  expect(fileCheckpoint).toBeTypeOf('function')
})
