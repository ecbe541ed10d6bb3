/**
 * One small real call per provider whose key is set: does the library still speak what the servers speak today?
 *
 *     npx tsx scripts/live.ts [PROVIDER]… [--base-url URL]
 *
 * In:  keys in the environment, or names of providers (local ones need no key). Out: a table, and what went wrong below it.
 * Costs a fraction of a cent per key. Exit code 0 when all answered, 1 when one did not, 3 when no key is set.
 */

import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { duration, table } from '../src/cli/terminal.ts'
import { createClient } from '../src/complete.ts'
import { LlmError } from '../src/errors.ts'
import { describeProviders } from '../src/providers/registry.ts'

/** Where keys are looked for, and where output goes. */
export interface LiveOptions {
  env: Record<string, string | undefined>
  write(text: string): void
  /** Instead of every provider whose key is set. */
  names?: readonly string[]
  /** Instead of the provider's own address, e.g. of a mock. */
  baseURL?: string
  /** The longest a call may take. Default 60,000. */
  totalMs?: number
}

const PROMPT = 'Answer with one word: what colour is the sky on a clear day?'

/** Enough for a word behind a little reasoning. */
const MAX_TOKENS = 512

/** Calls everyone at once and prints the table. @returns the exit code. */
export async function live(options: LiveOptions): Promise<number> {
  const { env, write } = options
  const found = describeProviders(env).filter(({ keyFoundIn }) => keyFoundIn !== undefined)
  const names = options.names?.length ? options.names : found.map(({ name }) => name)
  if (names.length === 0) {
    write('No key is set: set one, such as OPENAI_API_KEY, or name a provider that needs none.\n')
    return 3
  }
  const results = await Promise.all(names.map((name) => call(name, options)))
  const header = ['provider', 'model', 'result', 'first token', 'total', 'in', 'out', 'answer']
  write(`${table([header, ...results.map(({ cells }) => cells)], [3, 4, 5, 6])}\n`)
  for (const { problem } of results) if (problem !== undefined) write(`\n${problem}\n`)
  const answered = results.filter(({ problem }) => problem === undefined).length
  write(`\n${answered} of ${results.length} answered\n`)
  return answered === results.length ? 0 : 1
}

async function call(
  name: string,
  { env, baseURL, totalMs = 60_000 }: LiveOptions,
): Promise<{ cells: string[]; problem?: string }> {
  try {
    const client = createClient({ provider: name, env, ...(baseURL === undefined ? {} : { baseURL }) })
    const { model, finishReason, timing, usage, text } = await client.complete(PROMPT, {
      maxTokens: MAX_TOKENS,
      timeouts: { total: totalMs },
      retry: { attempts: 2 },
    })
    const first = timing.firstTokenMs === undefined ? '' : duration(timing.firstTokenMs)
    const cells = [name, model, finishReason, first, duration(timing.totalMs)]
    cells.push(count(usage.inputTokens), count(usage.outputTokens))
    const said = text.trim().replace(/\s+/g, ' ').slice(0, 40)
    cells.push(said)
    return said === '' ? { cells, problem: `${name}: it answered without any text.` } : { cells }
  } catch (error) {
    const known = LlmError.is(error)
    return {
      cells: [
        name,
        (known ? error.model : undefined) ?? '',
        known ? error.kind : 'failed',
        '',
        '',
        '',
        '',
        '',
      ],
      problem: `${name}: ${known ? error.message : 'something failed in a way that was not foreseen'}`,
    }
  }
}

function count(tokens: number | undefined): string {
  return tokens === undefined ? '' : String(tokens)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'base-url': { type: 'string' } },
  })
  process.exitCode = await live({
    env: process.env,
    write: (text) => process.stdout.write(text),
    names: positionals,
    ...(values['base-url'] === undefined ? {} : { baseURL: values['base-url'] }),
  })
}
