/**
 * `llmswap/node`: what only Node.js can do.
 *
 * In:  nothing, or a dispatcher of undici. Out: a Transport that sees the connection being made, and a checkpoint file.
 * `fetch` hides two things that matter here: how long connecting takes (it folds TCP and TLS into "headers"), and two
 * limits of 300 s of its own that end long answers of reasoning models whatever the caller allowed. `undici.request`
 * shows the first and drops the second, at half the CPU per chunk (0.74 against 1.4–1.9 µs, Node 20).
 * undici is an optional peer dependency, loaded at the first request. Its types are not in our declarations.
 * Not here: anything a program on another runtime needs.
 */

import type { Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { LlmError } from '../errors.ts'
import { checkHeaders } from '../http/transport.ts'
import type { HttpResponse, Transport } from '../provider.ts'

export { fileCheckpoint } from './file-checkpoint.ts'
export type { FileCheckpointOptions } from './file-checkpoint.ts'

/** What is used of undici 6 and newer. */
interface Undici {
  Agent: new (options: {
    connect?: { timeout: number }
    headersTimeout: number
    bodyTimeout: number
  }) => object
  request(
    url: string,
    options: Record<string, unknown>,
  ): Promise<{ statusCode: number; headers: Record<string, string | string[] | undefined>; body: Readable }>
}

/** Options of {@link undiciTransport}. */
export interface UndiciTransportOptions {
  /** An undici dispatcher, e.g. a `ProxyAgent`. It then decides about connect timeouts. */
  dispatcher?: object
}

/**
 * A transport over `undici.request`: `timeouts.connect` is observed, and no limits apply but ours.
 * @throws LlmError `config`, at the first request, when undici is not installed.
 * @example const client = createClient({ provider: 'anthropic', transport: undiciTransport() })
 */
export function undiciTransport(options: UndiciTransportOptions = {}): Transport {
  let loaded: Promise<Undici> | undefined
  /** One agent, and so one pool of connections, per connect limit: programs use one. */
  const agents = new Map<number, object>()

  function agentFor(undici: Undici, connectMs: number): object {
    let agent = agents.get(connectMs)
    if (agent === undefined) {
      // 0 means none to undici.
      agent = new undici.Agent({ connect: { timeout: connectMs }, headersTimeout: 0, bodyTimeout: 0 })
      agents.set(connectMs, agent)
    }
    return agent
  }

  return {
    async send(request, { signal, connectMs = 0 }): Promise<HttpResponse> {
      const headers = Object.fromEntries(checkHeaders(request))
      const undici = await (loaded ??= loadUndici())
      const {
        statusCode,
        headers: received,
        body,
      } = await undici.request(request.url, {
        method: request.method,
        headers,
        body: request.body ?? null,
        signal,
        headersTimeout: 0,
        bodyTimeout: 0,
        dispatcher: options.dispatcher ?? agentFor(undici, connectMs),
      })
      const list = Object.entries(received).flatMap(([name, value]) =>
        [value ?? []].flat().map((one): [string, string] => [name, one]),
      )
      const responseHeaders = new Headers(list)
      return { status: statusCode, headers: responseHeaders, body: webStream(decoded(body, responseHeaders)) }
    },
  }
}

async function loadUndici(): Promise<Undici> {
  try {
    return (await import('undici')) as unknown as Undici
  } catch (cause) {
    throw new LlmError({
      kind: 'config',
      message: 'undiciTransport() needs the package undici: npm install undici.',
      cause,
    })
  }
}

/** Compression nobody asked for; `request` leaves it to its caller, unlike `fetch`. */
function decoded(body: Readable, headers: Headers): Readable {
  const codings = (headers.get('content-encoding') ?? 'identity').toLowerCase().split(',')
  let stream = body
  // At most a few in practice; a chain of a hundred is an attack (CVE-2026-22036).
  for (const coding of codings.slice(-3).reverse()) {
    const unpack = UNPACK[coding.trim()]
    if (unpack === undefined) continue
    const next = unpack()
    const previous = stream
    previous.once('error', (error) => next.destroy(error))
    next.once('close', () => previous.destroy())
    stream = previous.pipe(next)
  }
  return stream
}

const UNPACK: Readonly<Record<string, (() => ReturnType<typeof createGunzip>) | undefined>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
}

/** One chunk ahead, no more: `Readable.toWeb` buffers by its own measure. */
function webStream(body: Readable): ReadableStream<Uint8Array> {
  let open = true
  return new ReadableStream<Uint8Array>({
    start(controller) {
      body.on('data', (chunk: Uint8Array) => {
        controller.enqueue(chunk)
        if ((controller.desiredSize ?? 0) <= 0) body.pause()
      })
      body.once('end', () => {
        if (open) controller.close()
        open = false
      })
      body.on('error', (error) => {
        if (open) controller.error(error)
        open = false
      })
      body.once('close', () => {
        if (open) controller.error(new Error('the connection was closed before the body ended'))
        open = false
      })
      body.pause()
    },
    pull: () => void body.resume(),
    cancel() {
      open = false
      body.destroy()
    },
  })
}
