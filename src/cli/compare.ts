/**
 * `llmswap compare`: one prompt, several models, side by side.
 *
 * In:  a prompt and two or more -m. Out: each answer with its latency, tokens and cost; with --judge a model's opinion.
 * All are asked at once; one that fails is a row with its error, and the others stand.
 */

import { parseArgs } from 'node:util'
import { complete } from '../complete.ts'
import { LlmError } from '../errors.ts'
import type { Completion } from '../types.ts'
import { CALL_FLAGS, callOptions, promptOf } from './ask.ts'
import { dollars, duration, EXIT, forOutput, grouped, paint, table, UsageError } from './terminal.ts'
import type { Io } from './terminal.ts'

interface Entry {
  model: string
  completion?: Completion
  error?: LlmError
}

export async function compare(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...CALL_FLAGS,
      model: { type: 'string', short: 'm', multiple: true },
      judge: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  })
  const { model: models = [], judge, json, ...flags } = values
  if (models.length < 2)
    throw new UsageError(
      'compare needs two models or more: -m openai/gpt-6-luna -m anthropic/claude-haiku-5-5.',
    )
  const prompt = await promptOf(positionals, io)
  const entries = await Promise.all(
    models.map(async (model): Promise<Entry> => {
      try {
        return { model, completion: await complete(prompt, callOptions({ ...flags, model }, io)) }
      } catch (error) {
        if (!LlmError.is(error)) throw error
        return { model, error }
      }
    }),
  )
  if (io.signal.aborted) return EXIT.interrupted
  const answered = entries.filter(({ completion }) => completion !== undefined)
  let verdict: string | undefined
  let judgeError: LlmError | undefined
  if (judge !== undefined && answered.length > 1) {
    // The answers are paid for: a judge that fails takes nothing away from them.
    try {
      const { system: _, 'max-tokens': __, ...where } = flags
      const asked = callOptions({ ...where, model: judge }, io)
      verdict = (await complete(judgePrompt(prompt, answered), { ...asked, temperature: 0 })).text
    } catch (error) {
      if (!LlmError.is(error)) throw error
      judgeError = error
    }
  }
  if (json) io.write(`${JSON.stringify({ prompt, entries, verdict }, null, 2)}\n`)
  else show(entries, verdict, io)
  if (judgeError !== undefined)
    io.error(`The judge did not answer: ${judgeError.message} (${judgeError.kind})\n`)
  if (answered.length === 0)
    return entries.every(({ error }) => error?.kind === 'config' || error?.kind === 'auth')
      ? EXIT.config
      : EXIT.failed
  return answered.length < entries.length || judgeError !== undefined ? EXIT.partly : EXIT.ok
}

function show(entries: readonly Entry[], verdict: string | undefined, io: Io): void {
  for (const { model, completion, error } of entries) {
    io.write(`${paint(io, '1', model)}\n`)
    io.write(
      `${completion === undefined ? paint(io, '31', error?.message ?? '') : forOutput(io, completion.text.trim())}\n\n`,
    )
  }
  const rows = entries.map(({ model, completion, error }) => {
    if (completion === undefined) return [model, error?.kind ?? '', '', '', '', '']
    const { timing, usage, cost } = completion
    return [
      model,
      timing.firstTokenMs === undefined ? '' : duration(timing.firstTokenMs),
      duration(timing.totalMs),
      usage.inputTokens === undefined ? '' : grouped(usage.inputTokens),
      usage.outputTokens === undefined ? '' : grouped(usage.outputTokens),
      cost === undefined ? 'unknown' : dollars(cost.total),
    ]
  })
  io.write(`${table([['model', 'first token', 'total', 'in', 'out', 'cost'], ...rows], [1, 2, 3, 4, 5])}\n`)
  if (verdict === undefined) return
  const answered = entries.filter(({ completion }) => completion !== undefined)
  const key = answered.map(({ model }, at) => `${letter(at)} = ${model}`).join(', ')
  io.write(`\n${paint(io, '1', `judge (${key})`)}\n${forOutput(io, verdict.trim())}\n`)
}

/** The judge sees letters, not names: models prefer their own family when they know it. */
function judgePrompt(prompt: string, entries: readonly Entry[]): string {
  const answers = entries.map(
    ({ completion }, at) => `<answer id="${letter(at)}">\n${completion?.text ?? ''}\n</answer>`,
  )
  return [
    'Several answers to one question follow. Say in three short lines where they agree, where they differ, and which is best and why.',
    `<question>\n${prompt}\n</question>`,
    ...answers,
  ].join('\n\n')
}

function letter(at: number): string {
  return String.fromCharCode(65 + at)
}
