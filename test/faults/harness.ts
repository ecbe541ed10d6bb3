/**
 * One fault, seen from both sides that matter: a bare client that may try three times, and a router that could go on
 * to a spare target.
 *
 * In:  a Fault (data). Out: what became of it (data), and every word that left the library meanwhile, for the search
 *      for the key.
 * Deadlines are the fault's own, scaled down; pauses pass on a fast clock. Nothing measures time.
 */

import { inspect } from 'node:util'
import { expect } from 'vitest'
import { fake } from '../../src/adapters/testing.ts'
import { createClient } from '../../src/client.ts'
import { LlmError } from '../../src/errors.ts'
import type { ErrorKind } from '../../src/errors.ts'
import type { Provider } from '../../src/provider.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { createRouter } from '../../src/route/index.ts'
import type { BreakerState } from '../../src/route/index.ts'
import type { Completion, Hooks, Options, Tool } from '../../src/types.ts'
import { fastClock } from './clock.ts'
import type { FaultServer } from './server.ts'

/** No known shape of key, so that only masking by value can hide it. */
export const KEY = 'Zq7.fault~matrix~4711.xYw9'

/** Starts a server that fails in one way. */
export type Serve = () => Promise<FaultServer>

/** A server or a transport that misbehaves. */
export interface Fault {
  /** Number in the matrix. */
  row: number
  name: string
  /** A server on loopback… */
  serve?: Serve
  /** …or, where loopback cannot produce it, what a fetch or transport does instead, and why not loopback. */
  simulate?: () => Pick<Options, 'fetch' | 'transport'>
  why?: string
  /** Default: Chat Completions at the server's `/v1`. */
  codec?: (url: string) => Provider
  options?: Options
  tools?: Tool[]
  expected: Expected
}

/** The outcome a row asks for. */
export interface Expected {
  /** Absent: success. */
  kind?: ErrorKind
  /** Further fields of the error. */
  error?: Record<string, unknown>
  /** R: requests that a client allowed three makes. */
  tries: number
  /** F: whether a router goes on to its next target. */
  failsOver: boolean
  /** B: where one such outcome leaves a breaker that opens at the first failure. */
  health: BreakerState['state']
  /** `maybeBilled` of every attempt. */
  billed?: boolean
  /** The text that arrived: of the completion, or of the partial. */
  text?: string
}

export interface Outcome {
  completion?: Completion
  error?: LlmError
}

/** Everything that left the library: errors, what hooks were told, what was printed. */
export type Log = unknown[]

const ORIGIN = 'http://fault.test'
const SPEED = 20
const QUICK = { attempts: 3, baseMs: 1, maxMs: 20 }

/** Options of a target that fails this way. */
async function open(fault: Fault): Promise<{ options: Options; server: FaultServer; asked: () => number }> {
  let sent = 0
  const server =
    fault.serve === undefined
      ? { url: ORIGIN, asked: () => sent, aborted: () => 0, close: async () => {} }
      : await fault.serve()
  const simulated = fault.simulate?.() ?? {}
  const { fetch, transport } = simulated
  const codec =
    fault.codec ?? ((url: string) => openaiChat({ baseURL: `${url}/v1`, apiKey: KEY, keyNames: [] }))
  const options: Options = {
    provider: codec(server.url),
    model: 'test-model',
    clock: fastClock(SPEED),
    ...fault.options,
    ...(fetch === undefined
      ? {}
      : {
          fetch: ((...args: Parameters<typeof globalThis.fetch>) => (sent++, fetch(...args))) as typeof fetch,
        }),
    ...(transport === undefined
      ? {}
      : { transport: { send: (request, context) => (sent++, transport.send(request, context)) } }),
  }
  return { options, server, asked: server.asked }
}

/** Hooks that write down everything they are told. */
export function listening(log: Log): Hooks {
  const note = (info: unknown): void => void log.push(info)
  return {
    onRequest: note,
    onAttempt: note,
    onResponse: note,
    onFirstEvent: note,
    onRetry: note,
    onFinish: note,
    onError: note,
    onHookError: note,
  }
}

async function outcomeOf(run: Promise<Completion>, log: Log): Promise<Outcome> {
  try {
    const completion = await run
    log.push(completion)
    return { completion }
  } catch (error) {
    if (!LlmError.is(error)) throw error
    log.push(error)
    return { error }
  }
}

/** Clients and routers look alike whatever happens to them, and showing all that hangs on one takes a while. */
const walked = new Set<string>()

/** As a bare client with three tries sees it. */
export async function throughClient(
  fault: Fault,
  log: Log = [],
): Promise<Outcome & { asked: number; aborted: number }> {
  const { options, server, asked } = await open(fault)
  try {
    const client = createClient({ retry: QUICK, ...options, hooks: listening(log) })
    const outcome = await outcomeOf(
      client.complete('hi', fault.tools === undefined ? {} : { tools: fault.tools }),
      log,
    )
    if (!walked.has('client')) log.push(client)
    walked.add('client')
    return { ...outcome, asked: asked(), aborted: server.aborted() }
  } finally {
    await server.close()
  }
}

/** As a router with a healthy spare sees it. */
export async function throughRouter(
  fault: Fault,
  log: Log = [],
): Promise<Outcome & { failedOver: boolean; health: BreakerState['state'] }> {
  const { options, server } = await open(fault)
  try {
    const { provider, transport } = fake('spare', { name: 'spare' })
    const { clock = fastClock(SPEED), ...target } = options
    const router = createRouter({
      targets: [
        { ...target, name: 'faulty' },
        { provider, transport, model: 'spare-1', name: 'spare' },
      ],
      retry: QUICK,
      breaker: { minimumCalls: 1 },
      clock,
    })
    const outcome = await outcomeOf(
      router.complete('hi', {
        hooks: listening(log),
        // A call's deadlines are its own: the router gives them to whichever target it asks.
        ...(target.timeouts === undefined ? {} : { timeouts: target.timeouts }),
        ...(target.limits === undefined ? {} : { limits: target.limits }),
        ...(fault.tools === undefined ? {} : { tools: fault.tools }),
      }),
      log,
    )
    if (!walked.has('router')) log.push(router)
    walked.add('router')
    log.push(router.state())
    return {
      ...outcome,
      failedOver: outcome.completion?.provider === 'spare',
      health: router.state()[0]!.breaker.state,
    }
  } finally {
    await server.close()
  }
}

/** Both views, against what the row asks for. */
export async function check(fault: Fault): Promise<void> {
  const { expected } = fault
  const log: Log = []
  const direct = await throughClient(fault, log)
  const { error } = direct
  expect({ kind: error?.kind, asked: direct.asked }, error?.message).toEqual({
    kind: expected.kind,
    asked: expected.tries,
  })
  if (expected.error !== undefined) expect(error).toMatchObject(expected.error)
  const attempts = error?.attempts ?? direct.completion?.attempts ?? []
  if (expected.billed !== undefined) {
    expect(attempts.map(({ maybeBilled }) => maybeBilled)).toEqual(attempts.map(() => expected.billed))
  }
  if (expected.text !== undefined) {
    expect(direct.completion?.text ?? error?.partial?.text).toBe(expected.text)
  }
  const routed = await throughRouter(fault, log)
  expect({ failsOver: routed.failedOver, health: routed.health }, routed.error?.message).toEqual({
    failsOver: expected.failsOver,
    health: expected.health,
  })
  for (const place of leaksIn(log)) expect.fail(place)
}

/** Where the key shows, in any way a value can be shown. */
export function leaksIn(log: Log, secret: string = KEY): string[] {
  const found: string[] = []
  const look = (what: string, text: string | undefined): void => {
    const at = text?.indexOf(secret) ?? -1
    if (at >= 0) found.push(`${what} shows the key: …${text!.slice(Math.max(0, at - 60), at)}`)
  }
  const seen = new Set<unknown>()
  const visit = (value: unknown, path: string): void => {
    if (typeof value === 'string') return look(path, value)
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    look(`inspect(${path})`, inspect(value, { depth: Infinity, showHidden: true, maxStringLength: null }))
    look(`String(${path})`, String(value))
    for (const [how, show] of [
      ['JSON', JSON.stringify],
      [
        'structuredClone',
        (it: unknown) => inspect(structuredClone(it), { depth: Infinity, showHidden: true }),
      ],
    ] as const) {
      try {
        look(`${how}(${path})`, show(value))
      } catch {
        // What cannot be shown this way shows nothing.
      }
    }
    if (value instanceof Error) {
      look(`${path}.stack`, value.stack)
      visit(value.cause, `${path}.cause`)
    }
  }
  for (const [index, value] of log.entries()) visit(value, `log[${index}]`)
  return found
}
