/**
 * `llmswap ask`: one question, the answer as it is written.
 *
 * In:  words of the command line, and stdin when something is piped in. Out: the answer on stdout, everything about it
 * on stderr, so that a pipe gets the answer alone.
 */

import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { complete, stream } from '../complete.ts'
import { catalog } from '../cost/index.ts'
import { LlmError } from '../errors.ts'
import type { Completion, JsonSchema, Options } from '../types.ts'
import { dollars, duration, EXIT, forOutput, grouped, paint, UsageError } from './terminal.ts'
import type { Io } from './terminal.ts'

/** Flags that say where a call goes and how; shared by ask, compare and batch. */
export const CALL_FLAGS = {
  model: { type: 'string', short: 'm' },
  provider: { type: 'string', short: 'p' },
  'base-url': { type: 'string' },
  system: { type: 'string', short: 's' },
  'max-tokens': { type: 'string' },
  temperature: { type: 'string' },
  timeout: { type: 'string' },
} as const

/** The values of {@link CALL_FLAGS}. */
export interface CallFlags {
  model?: string
  provider?: string
  'base-url'?: string
  system?: string
  'max-tokens'?: string
  temperature?: string
  timeout?: string
}

/** Options of a call from flags. @throws UsageError for a number that is none. */
export function callOptions(flags: CallFlags, io: Io): Options {
  const options: Options = { env: io.env, signal: io.signal, prices: catalog }
  if (flags.model !== undefined) options.model = flags.model
  if (flags.provider !== undefined) options.provider = flags.provider
  if (flags['base-url'] !== undefined) options.baseURL = flags['base-url']
  if (flags.system !== undefined) options.system = flags.system
  if (flags['max-tokens'] !== undefined) options.maxTokens = positive(flags['max-tokens'], '--max-tokens')
  if (flags.temperature !== undefined) {
    options.temperature = flags.temperature.trim() === '' ? Number.NaN : Number(flags.temperature)
    if (!Number.isFinite(options.temperature))
      throw new UsageError(`--temperature takes a number, not ${flags.temperature}.`)
  }
  if (flags.timeout !== undefined) options.timeouts = { total: seconds(flags.timeout) * 1_000 }
  return options
}

function seconds(text: string): number {
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return value
  throw new UsageError(`--timeout takes seconds, more than 0, not ${text}.`)
}

/** A whole number above 0. */
export function positive(text: string, flag: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`${flag} takes a whole number above 0, not ${text}.`)
  return value
}

/** The question: the words, what is piped in, or both with a blank line between. */
export async function promptOf(words: readonly string[], io: Io, verb: string = 'ask'): Promise<string> {
  const said = words.join(' ')
  const piped = await io.readInput()
  const prompt = [said, piped].filter((text) => text !== undefined && text.trim() !== '').join('\n\n')
  if (prompt === '')
    throw new UsageError(`There is nothing to ${verb}: write it after the command, or pipe it in.`)
  return prompt
}

export async function ask(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...CALL_FLAGS,
      schema: { type: 'string' },
      json: { type: 'boolean', default: false },
      stats: { type: 'boolean', default: false },
    },
  })
  const options = callOptions(values, io)
  if (values.schema !== undefined) options.schema = readSchema(values.schema)
  const prompt = await promptOf(positionals, io)
  if (values.json) {
    const completion = await complete(prompt, options)
    io.write(`${JSON.stringify(completion, null, 2)}\n`)
    if (values.stats) io.error(`${paint(io, '2', statsOf(completion), io.errorIsTerminal)}\n`)
    return EXIT.ok
  }
  const run = stream(prompt, options)
  let last = '\n'
  try {
    for await (const text of run.text) {
      io.write(forOutput(io, text))
      last = text
    }
  } finally {
    if (!last.endsWith('\n')) io.write('\n')
  }
  const completion = await run.completion
  for (const warning of completion.warnings)
    io.error(`${paint(io, '33', 'warning:', io.errorIsTerminal)} ${warning.message}\n`)
  if (completion.finishReason === 'length')
    io.error('The answer was cut at the output limit; raise --max-tokens.\n')
  if (values.stats) io.error(`${paint(io, '2', statsOf(completion), io.errorIsTerminal)}\n`)
  return EXIT.ok
}

function readSchema(path: string): JsonSchema {
  let schema: unknown
  try {
    schema = JSON.parse(readFileSync(path, 'utf8').replace(/^\ufeff/, ''))
  } catch (cause) {
    const why = (cause as Error).message
    throw new LlmError({ kind: 'config', message: `The schema file ${path} cannot be used: ${why}.`, cause })
  }
  if (typeof schema === 'object' && schema !== null && !Array.isArray(schema)) return schema as JsonSchema
  throw new LlmError({ kind: 'config', message: `The schema file ${path} holds no JSON Schema object.` })
}

/** One line: who answered, how fast, how much. */
export function statsOf({ provider, model, timing, usage, cost, finishReason }: Completion): string {
  const facts = [`${provider}/${model}`]
  if (timing.firstTokenMs !== undefined) facts.push(`first token ${duration(timing.firstTokenMs)}`)
  facts.push(`total ${duration(timing.totalMs)}`)
  if (timing.tokensPerSecond !== undefined) facts.push(`${Math.round(timing.tokensPerSecond)} tokens/s`)
  if (usage.inputTokens !== undefined) facts.push(`${grouped(usage.inputTokens)} in`)
  if (usage.outputTokens !== undefined) facts.push(`${grouped(usage.outputTokens)} out`)
  if (cost !== undefined) facts.push(dollars(cost.total))
  if (finishReason !== 'stop') facts.push(finishReason)
  return facts.join(' · ')
}
