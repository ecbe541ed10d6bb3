/**
 * A loopback HTTP server that tests script by hand, and that counts what clients leave behind.
 *
 * In:  a function of one request. Out: a base URL, and counters of requests, open sockets and closed responses.
 * Not here: any provider's format beyond the few lines of SSE that tests need.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export interface Seen {
  method: string
  path: string
  headers: IncomingMessage['headers']
  body: string
}

export interface TestServer {
  url: string
  /** Every request, in order. */
  requests: Seen[]
  /** Sockets that are open now. */
  sockets: Set<Socket>
  /**
   * Responses whose connection closed before they were finished. Not the number of sockets: after an abort undici
   * opens an idle connection in place of the one it destroyed, and keeps it for about 3 s (Node 20.20).
   */
  aborted: number
  /** Connections accepted in all. */
  connections: number
  close(): Promise<void>
}

export type Answer = (response: ServerResponse, seen: Seen, count: number) => unknown

/** Answers every request with `answer`; told how many there were before. */
export async function startServer(answer: Answer): Promise<TestServer> {
  const sockets = new Set<Socket>()
  const state: TestServer = { url: '', requests: [], sockets, aborted: 0, connections: 0, close }
  const server: Server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const seen: Seen = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(pieces).toString('utf8'),
      }
      state.requests.push(seen)
      response.on('close', () => {
        if (!response.writableFinished) state.aborted++
      })
      response.on('error', () => {})
      void answer(response, seen, state.requests.length - 1)
    })
  })
  server.on('connection', (socket) => {
    state.connections++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function close(): Promise<void> {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  return state
}

/** Waits until it is true; a test that hangs says what it waited for. */
export async function until(what: string, true_: () => boolean, timeoutMs = 5000): Promise<void> {
  const startMs = Date.now()
  while (!true_()) {
    if (Date.now() - startMs > timeoutMs) throw new Error(`waited ${timeoutMs} ms for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export const SSE = { 'content-type': 'text/event-stream' }

/** One Chat Completions chunk as an SSE frame. */
export function chunk(content: string, finish: string | null = null): string {
  const choice = { index: 0, delta: content === '' ? {} : { content }, finish_reason: finish }
  return frame({ id: 'chatcmpl-1', object: 'chat.completion.chunk', model: 'test-model', choices: [choice] })
}

/** Any JSON as an SSE frame. */
export function frame(json: unknown): string {
  return `data: ${JSON.stringify(json)}\n\n`
}

/** The last frames of a good Chat Completions stream. */
export const ENDING: string =
  chunk('', 'stop') +
  frame({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    model: 'test-model',
    choices: [],
    usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
  }) +
  'data: [DONE]\n\n'

/** A whole good stream. */
export function answerOf(...texts: string[]): string {
  return texts.map((text) => chunk(text)).join('') + ENDING
}
