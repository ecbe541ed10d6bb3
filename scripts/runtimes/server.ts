/**
 * The one server all runtimes talk to: Chat Completions whose model name says how to misbehave.
 *
 * In:  a port on loopback. Out: its URL, and the reports that runtimes without an exit code post to it.
 */

import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Report } from './suite.ts'
import { STORY } from './suite.ts'

/** A running server. */
export interface MatrixServer {
  url: string
  /** The report posted under this name, once it is there. */
  report(name: string, timeoutMs: number): Promise<Report & { importMs?: number; version?: string }>
  close(): void
}

/** Files a browser may fetch, by path. */
export type Pages = Record<string, { type: string; body: string }>

export async function startServer(init: {
  vectors: unknown
  losses: readonly number[]
  pages: Pages
}): Promise<MatrixServer> {
  const reports = new Map<string, Report>()
  const closed = new Map<string, number>()
  /** Models of which a client said that it saw the first half. */
  const halves = new Set<string>()
  const seen = async (model: string): Promise<void> => {
    for (let waitedMs = 0; waitedMs < 10_000 && !halves.has(model); waitedMs += 20) await delay(20)
  }

  const server = createServer((request, response) => {
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('access-control-allow-headers', '*')
    if (request.method === 'OPTIONS') {
      response.end()
      return
    }
    const url = new URL(request.url ?? '/', 'http://matrix')
    const page = init.pages[url.pathname]
    if (page !== undefined) {
      response.writeHead(200, { 'content-type': page.type }).end(page.body)
    } else if (url.pathname === '/vectors') json(response, init.vectors)
    else if (url.pathname === '/losses') json(response, init.losses)
    else if (url.pathname === '/seen') {
      halves.add(url.searchParams.get('model') ?? '')
      response.end()
    } else if (url.pathname === '/closed')
      response.end(String(closed.get(url.searchParams.get('model') ?? '') ?? 0))
    else if (request.method !== 'POST') response.writeHead(404).end()
    else {
      void read(request).then((text) => {
        if (url.pathname === '/report') {
          reports.set(url.searchParams.get('name') ?? '', JSON.parse(text) as Report)
          response.end()
          return
        }
        const { model } = JSON.parse(text) as { model: string }
        response.on('close', () => {
          if (!response.writableEnded) closed.set(model, (closed.get(model) ?? 0) + 1)
        })
        return answer(model, response, seen)
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async report(name, timeoutMs) {
      for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += 50) {
        const found = reports.get(name)
        if (found !== undefined) return found
        await delay(50)
      }
      throw new Error(`no report within ${timeoutMs} ms`)
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(value))
}

async function read(request: IncomingMessage): Promise<string> {
  let text = ''
  request.setEncoding('utf8')
  for await (const piece of request) text += String(piece)
  return text
}

const frame = (delta: object, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: 'c1', model: 'matrix', choices: [{ index: 0, delta, finish_reason: finish }] })}\r\n\r\n`
const usage = `data: ${JSON.stringify({ id: 'c1', model: 'matrix', choices: [], usage: { prompt_tokens: 3, completion_tokens: 9, total_tokens: 12 } })}\r\n\r\n`

async function answer(
  model: string,
  response: ServerResponse,
  seen: (model: string) => Promise<void>,
): Promise<void> {
  const kind = model.replace(/-\d+-\d+$/, '')
  if (kind === 'no-headers') return
  if (kind === 'html') {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Sign in</title>')
    return
  }
  if (kind === 'redirect') {
    response.writeHead(307, { location: '/elsewhere' }).end()
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const write = (text: string): void => void response.write(text)
  if (kind === 'story')
    return inPieces(
      response,
      `${STORY.split(/(?<= )/)
        .map((content) => frame({ content }))
        .join('')}${frame({}, 'stop')}${usage}data: [DONE]\r\n\r\n`,
    )
  if (kind === 'tools' || kind === 'tools-seen') {
    const call = (index: number, fields: object): string => frame({ tool_calls: [{ index, ...fields }] })
    const args = '{"city":"São Paulo","deep":{"n":[1,2,3]}}'.match(/.{1,5}/gsu) ?? []
    const pieces = args.map((piece) => call(0, { function: { arguments: piece } }))
    const begin = call(0, { id: 'call_a', type: 'function', function: { name: 'look', arguments: '' } })
    const rest =
      call(1, { id: 'call_b', type: 'function', function: { name: 'look', arguments: '' } }) +
      `${frame({}, 'tool_calls')}${usage}data: [DONE]\r\n\r\n`
    if (kind === 'tools') return inPieces(response, begin + pieces.join('') + rest)
    // Up to `{"city":"São Paulo",`, and no more before the client says that it saw it.
    write(begin + pieces.slice(0, 4).join(''))
    await seen(model)
    return inPieces(response, pieces.slice(4).join('') + rest)
  }
  if (kind === 'cut') {
    write(frame({ content: 'half ' }))
    await delay(30)
    response.destroy()
    return
  }
  if (kind === 'stall' || kind === 'stall-comments') write(frame({ content: 'half ' }))
  if (kind === 'stall') return
  while (!response.destroyed) {
    await delay(25)
    write(kind === 'slow' ? frame({ content: 'word ' }) : ': still here\n\n')
  }
}

/** Seven bytes at a time: no frame, no line end and hardly a character arrives whole. */
async function inPieces(response: ServerResponse, text: string): Promise<void> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += 7) {
    response.write(bytes.subarray(at, at + 7))
    if (at % 70 === 0) await delay(1)
  }
  response.end()
}
