/**
 * `llmswap doctor`: what would stop a call from working on this machine.
 *
 * In:  the environment. Out: the runtime, the keys that are set (their variables' names, never a character of them), for
 * each whether its endpoint answers and how far this machine's clock is from the server's; with --live one tiny real call
 * per key, which costs a fraction of a cent.
 */

import { parseArgs } from 'node:util'
import { createClient } from '../complete.ts'
import { LlmError } from '../errors.ts'
import type { HttpRequest } from '../provider.ts'
import { describeProviders, resolveProvider } from '../providers/registry.ts'
import { duration, EXIT, paint, table } from './terminal.ts'
import type { Io } from './terminal.ts'

/** Signatures and tokens are refused from about five minutes on. */
const SKEW_LIMIT_MS = 120_000
const PROBE_MS = 5_000

export async function doctor(args: string[], io: Io): Promise<number> {
  const { values } = parseArgs({ args, options: { live: { type: 'boolean', default: false } } })
  io.write(`runtime   node ${process.versions.node} on ${process.platform} ${process.arch}\n`)
  for (const variable of ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy']) {
    if ((io.env[variable] ?? '') !== '')
      io.write(`proxy     ${variable} is set; Node's fetch does not use it\n`)
  }
  const found = describeProviders(io.env).filter(({ keyFoundIn }) => keyFoundIn !== undefined)
  if (found.length === 0) {
    io.write('keys      none is set; set one of these, or pass apiKey:\n')
    for (const { name, keyNames } of describeProviders(io.env).slice(0, 8))
      io.write(`          ${keyNames[0] ?? ''} (${name})\n`)
    return EXIT.config
  }
  const checks = await Promise.all(
    found.map(({ name, defaultModel }) => check(name, defaultModel, values.live, io)),
  )
  const header = ['provider', 'key in', 'endpoint', 'clock', ...(values.live ? ['live call'] : [])]
  const rows = found.map(({ name, keyFoundIn = '' }, at) => [name, keyFoundIn, ...checks[at]!.cells])
  io.write(`\n${table([header, ...rows])}\n`)
  for (const { problem } of checks)
    if (problem !== undefined) io.write(`${paint(io, '33', '!')} ${problem}\n`)
  return checks.every(({ problem }) => problem === undefined) ? EXIT.ok : EXIT.failed
}

async function check(
  name: string,
  defaultModel: string | undefined,
  live: boolean,
  io: Io,
): Promise<{ cells: string[]; problem?: string }> {
  let url: URL
  try {
    // Where a deployment has to be named, any name finds the host.
    const { provider, model } = resolveProvider({
      provider: name,
      model: defaultModel ?? 'any',
      env: io.env,
    })
    const http: HttpRequest = provider.encode({
      model,
      messages: [{ role: 'user', content: 'hi' }],
      stream: true,
      maxTokens: 16,
    })
    url = new URL(http.url)
  } catch (error) {
    return {
      cells: ['', '', ...(live ? [''] : [])],
      problem: `${name}: ${LlmError.is(error) ? error.message : 'its codec failed'}`,
    }
  }
  const probe = await reach(url.origin)
  const cells = [probe.text, probe.skewMs === undefined ? '' : skewText(probe.skewMs)]
  let problem = probe.problem === undefined ? undefined : `${name}: ${probe.problem}`
  if (probe.skewMs !== undefined && Math.abs(probe.skewMs) > SKEW_LIMIT_MS) {
    problem = `${name}: this machine's clock is off by ${duration(Math.abs(probe.skewMs))}; signed requests will be refused.`
  }
  if (live && defaultModel === undefined) cells.push('needs a model: llmswap -p ' + name + ' -m …')
  else if (live) {
    const result = await liveCall(name, io)
    cells.push(result.text)
    problem ??= result.problem
  }
  return { cells, ...(problem === undefined ? {} : { problem }) }
}

/** Any answer at all means that the host is there; what it says without a key does not matter. */
async function reach(origin: string): Promise<{ text: string; skewMs?: number; problem?: string }> {
  const startMs = Date.now()
  try {
    const response = await globalThis.fetch(origin, {
      method: 'HEAD',
      redirect: 'manual',
      signal: AbortSignal.timeout(PROBE_MS),
    })
    await response.body?.cancel()
    const tookMs = Date.now() - startMs
    const date = Date.parse(response.headers.get('date') ?? '')
    // The server wrote its date about half a round trip ago, to the second.
    const skewMs = Number.isNaN(date) ? undefined : startMs + tookMs / 2 - date
    return { text: `${duration(tookMs)}`, ...(skewMs === undefined ? {} : { skewMs }) }
  } catch {
    return {
      text: 'unreachable',
      problem: `${origin} does not answer; check the network, a proxy or a firewall.`,
    }
  }
}

function skewText(skewMs: number): string {
  return Math.abs(skewMs) < 2_000 ? 'in step' : `${skewMs > 0 ? '+' : '-'}${duration(Math.abs(skewMs))}`
}

async function liveCall(provider: string, io: Io): Promise<{ text: string; problem?: string }> {
  try {
    const { timing, model } = await createClient({ provider, env: io.env, signal: io.signal }).complete(
      'Say hi.',
      {
        maxTokens: 64,
        timeouts: { total: 30_000 },
      },
    )
    return { text: `${model} in ${duration(timing.totalMs)}` }
  } catch (error) {
    const message = LlmError.is(error) ? error.message : 'it failed'
    return { text: LlmError.is(error) ? error.kind : 'failed', problem: `${provider}: ${message}` }
  }
}
