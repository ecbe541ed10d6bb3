/** Rows 1 to 26: connections that fail, and answers that are slow. Data; see harness.ts. */

import type { HttpResponse } from '../../src/provider.ts'
import { answerOf, chunk, SSE } from '../server.ts'
import { selfSigned } from './certificate.ts'
import type { Expected, Fault } from './harness.ts'
import { holding } from './matchers.ts'
import { http, raw, refused, secure } from './server.ts'

/** What Node's fetch rejects with: the reason stands one level down. */
export function fetchFailed(code: string, message: string = code): () => Promise<never> {
  return async () => {
    throw new TypeError('fetch failed', { cause: Object.assign(new Error(message), { code }) })
  }
}

/** Retried, worth another target, a failure of this one. */
const RFB = { tries: 3, failsOver: true, health: 'open' } as const
/** Not retried, worth another target. */
const F = { tries: 1, failsOver: true, health: 'open' } as const
const FINE: Expected = { tries: 1, failsOver: false, health: 'closed', text: 'ok' }

/** A transport that sees connecting, on a host that never answers the first packet. */
const blackhole = {
  transport: {
    send: (_: unknown, { signal, connectMs }: { signal: AbortSignal; connectMs?: number }) =>
      new Promise<HttpResponse>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
        // Real transports keep this deadline themselves; a twentieth, as the clock of the harness runs.
        setTimeout(() => void fetchFailed('UND_ERR_CONNECT_TIMEOUT')().catch(reject), (connectMs ?? 0) / 20)
      }),
  },
}

const certificate = (name: string, fromYear: number, toYear: number) => () =>
  secure(selfSigned({ name, fromYear, toYear }))

const OK = `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: ${answerOf('ok').length}\r\n`

export const CONNECT: Fault[] = [
  {
    row: 1,
    name: 'the host name does not exist',
    simulate: () => ({ fetch: fetchFailed('ENOTFOUND', 'getaddrinfo ENOTFOUND fault.test') }),
    why: 'a resolver without a network answers EAI_AGAIN instead; the real one is asked in test/integration',
    expected: {
      ...RFB,
      kind: 'connect',
      tries: 2,
      billed: false,
      error: { message: holding('fault.test'), code: 'ENOTFOUND' },
    },
  },
  {
    row: 2,
    name: 'the resolver says: try again',
    simulate: () => ({ fetch: fetchFailed('EAI_AGAIN') }),
    why: 'loopback has no resolver to break',
    expected: { ...RFB, kind: 'connect', billed: false, error: { code: 'EAI_AGAIN' } },
  },
  {
    row: 2,
    name: 'the resolver never answers',
    simulate: () => blackhole,
    why: 'loopback has no resolver to break; to a transport it is a connection that is never made',
    options: { timeouts: { connect: 200 } },
    expected: { ...RFB, kind: 'timeout', billed: false, error: { phase: 'connect' } },
  },
  {
    row: 3,
    name: 'nothing listens on the port',
    serve: refused,
    // Nobody counts what nobody receives: the attempts do.
    expected: { ...RFB, kind: 'connect', tries: 0, billed: false, error: { attempts: { length: 3 } } },
  },
  {
    row: 4,
    name: 'the first packet is never answered',
    simulate: () => blackhole,
    why: 'the kernel completes every handshake on loopback, and a network that drops packets is not everywhere',
    options: { timeouts: { connect: 200 } },
    expected: { ...RFB, kind: 'timeout', billed: false, error: { phase: 'connect' } },
  },
  {
    row: 5,
    name: 'TLS to a port that speaks plain HTTP',
    serve: async () => {
      const server = await raw('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n')
      return { ...server, url: server.url.replace('http:', 'https:') }
    },
    expected: { ...F, kind: 'connect', billed: false, error: { retryable: false } },
  },
  ...(
    [
      ['self-signed', certificate('127.0.0.1', 2020, 2090)],
      ['expired', certificate('127.0.0.1', 2001, 2002)],
      ['of another name', certificate('elsewhere.test', 2020, 2090)],
    ] as const
  ).map(([name, serve]): Fault => ({
    row: 6,
    name: `the certificate is ${name}`,
    serve,
    // No request ever reaches a server that cannot be trusted.
    expected: {
      ...F,
      kind: 'connect',
      tries: 0,
      billed: false,
      error: { retryable: false, attempts: { length: 1 }, message: holding('certificate') },
    },
  })),
  {
    row: 7,
    name: 'FIN before the headers',
    serve: () => raw((socket) => void socket.end()),
    expected: { ...RFB, kind: 'connect', billed: true },
  },
  {
    row: 8,
    name: 'RST before the headers',
    serve: () => raw((socket) => void socket.resetAndDestroy()),
    expected: { ...RFB, kind: 'connect', billed: true },
  },
  {
    row: 9,
    name: 'accepts and never answers',
    serve: () => raw(() => {}),
    options: { timeouts: { headers: 1000 } },
    expected: { ...RFB, kind: 'timeout', billed: true, error: { phase: 'headers' } },
  },
  {
    row: 11,
    name: 'answers with something that is not HTTP/1.1',
    serve: () => raw('HELLO\r\n\r\n'),
    expected: { ...RFB, kind: 'protocol', tries: 2 },
  },
  {
    row: 12,
    name: 'headers of more than 16 KB',
    serve: () => raw(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`),
    expected: { ...F, kind: 'protocol' },
  },
  {
    row: 13,
    name: 'content-length and transfer-encoding at once',
    serve: () => raw('HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
    expected: { ...F, kind: 'protocol' },
  },
  {
    row: 14,
    name: 'a hundred early hints, then an answer',
    serve: () =>
      raw(`${'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'.repeat(100)}${OK}\r\n${answerOf('ok')}`),
    expected: FINE,
  },
  {
    row: 15,
    name: 'switches protocols',
    serve: () => raw('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
    expected: { ...F, kind: 'protocol' },
  },
  {
    row: 16,
    name: 'a proxy that wants a password',
    serve: () => http((response) => response.writeHead(407, { 'proxy-authenticate': 'Basic' }).end('no')),
    expected: { tries: 1, failsOver: false, health: 'closed', kind: 'config' },
  },
  {
    row: 16,
    name: 'a captive portal',
    serve: () =>
      http((response) =>
        response
          .writeHead(200, { 'content-type': 'text/html' })
          .end(`<!doctype html><title>Welcome to the hotel</title>${'x'.repeat(1000)}`),
      ),
    expected: { ...F, kind: 'protocol', error: { message: holding('Welcome to the hotel') } },
  },
]

export const SLOW: Fault[] = [
  {
    row: 17,
    name: 'slow headers within the limit',
    serve: () => http((response) => setTimeout(() => response.writeHead(200, SSE).end(answerOf('ok')), 40)),
    options: { timeouts: { headers: 300_000 } },
    expected: FINE,
  },
  {
    row: 18,
    name: 'headers slower than the limit',
    serve: () => raw(() => {}),
    options: { timeouts: { headers: 1000 } },
    expected: { ...RFB, kind: 'timeout', error: { phase: 'headers' } },
  },
  {
    row: 18,
    name: 'headers slower than the limit that Node keeps for itself',
    simulate: () => ({ fetch: fetchFailed('UND_ERR_HEADERS_TIMEOUT') }),
    why: 'it takes 300 s',
    expected: {
      ...RFB,
      kind: 'timeout',
      billed: true,
      error: { phase: 'headers', message: holding('stream') },
    },
  },
  {
    row: 18,
    name: 'headers slower than the call may take: nothing is left for another try',
    serve: () => raw(() => {}),
    options: {
      timeouts: { headers: 1000, total: 1200 },
      retry: { attempts: 3, baseMs: 5000 },
      random: () => 0.9,
    },
    expected: { kind: 'timeout', tries: 1, failsOver: true, health: 'open' },
  },
  {
    row: 19,
    name: 'silence after the first byte, before content',
    serve: () => http((response) => response.writeHead(200, SSE).write(': hello\n\n')),
    options: { timeouts: { idle: 1000 } },
    expected: { ...RFB, kind: 'timeout', billed: true, error: { phase: 'idle' } },
  },
  {
    row: 20,
    name: 'silence after content',
    serve: () => http((response) => response.writeHead(200, SSE).write(chunk('Hel'))),
    options: { timeouts: { idle: 1000 } },
    expected: { tries: 1, failsOver: false, health: 'open', kind: 'interrupted', text: 'Hel' },
  },
  {
    row: 24,
    name: 'a thousand bytes at a time, within the limits',
    serve: () =>
      http((response) => {
        const body = answerOf(...Array.from({ length: 40 }, () => 'ok '))
        response.writeHead(200, SSE)
        let at = 0
        const timer = setInterval(() => {
          response.write(body.slice(at, (at += 1000)))
          if (at < body.length) return
          clearInterval(timer)
          response.end()
        }, 2)
      }),
    expected: { tries: 1, failsOver: false, health: 'closed', text: 'ok '.repeat(40) },
  },
  {
    row: 24,
    name: 'a thousand bytes at a time, for longer than the call may take',
    serve: () =>
      http((response) => {
        response.writeHead(200, SSE)
        const timer = setInterval(() => response.write(chunk('x'.repeat(900))), 5)
        response.on('close', () => clearInterval(timer))
      }),
    options: { timeouts: { total: 1500 } },
    // The caller's own patience ended: that says nothing about the target.
    expected: { tries: 1, failsOver: false, health: 'closed', kind: 'interrupted' },
  },
]
