/**
 * The fault server: loopback servers that break in one exact way each.
 *
 * In:  what to do with each connection or request. Out: a base URL, and how often it was asked.
 * `raw` speaks bytes (`node:net`), `secure` TLS with a chosen certificate (`node:tls`), `http` whole answers
 * (`node:http`). Every one of them closes what it opened.
 * Not here: what the faults are (faults.ts) and what must come of them (rows-*.test.ts).
 */

import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { startServer, type Answer } from '../server.ts'

/** A server under test. */
export interface FaultServer {
  url: string
  /** Requests that arrived, failed or not. */
  asked(): number
  /** Responses whose client hung up on them. */
  aborted(): number
  close(): Promise<void>
}

async function listen(server: Server, scheme: string, asked: () => number): Promise<FaultServer> {
  const sockets = new Set<Socket>()
  let aborted = 0
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      if (!socket.writableEnded) aborted++
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    aborted: () => aborted,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** What to do once a request (or whatever stands for one) came in on a socket. `index` counts from 0. */
export type RawAnswer = string | Buffer | ((socket: Socket, index: number) => void)

/** Bytes, or a function of the socket. A request is the first data after a connection or after the last answer. */
export async function raw(answer: RawAnswer): Promise<FaultServer> {
  let asked = 0
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (data) => {
      if (!/^(?:GET|POST) /.test(data.toString('latin1', 0, 5)) && !(data[0] === 0x16)) return
      const index = asked++
      if (typeof answer === 'function') answer(socket, index)
      else socket.end(answer)
    })
  })
  return listen(server, 'http', () => asked)
}

/** TLS with this certificate; answers nothing, because nobody should get that far. */
export async function secure(certificate: { key: string; cert: string }): Promise<FaultServer> {
  let asked = 0
  const server = createTlsServer(certificate, (socket) => {
    socket.on('error', () => {})
    socket.on('data', () => {
      asked++
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}')
    })
  })
  server.on('tlsClientError', () => {})
  return listen(server, 'https', () => asked)
}

/** A port on which nothing listens. */
export async function refused(): Promise<FaultServer> {
  const server = await raw('')
  await server.close()
  return { ...server, close: async () => {} }
}

/** Whole answers. */
export async function http(answer: Answer): Promise<FaultServer> {
  const server = await startServer(answer)
  return {
    url: server.url,
    asked: () => server.requests.length,
    aborted: () => server.aborted,
    close: () => server.close(),
  }
}
