/**
 * `llmswap tokens`: how many, what they cost, and with --show where they begin.
 *
 * In:  words, or stdin. Out: the count on the first line, so that `$(llmswap tokens < file | head -1)` works; below it the
 * price of sending the text to models that use this encoding. A family without a public vocabulary gives an estimate,
 * and says how far off it may be.
 */

import { parseArgs } from 'node:util'
import { catalog } from '../cost/index.ts'
import { LlmError } from '../errors.ts'
import { encodingForModel, estimateTokens } from '../tokens/index.ts'
import { promptOf } from './ask.ts'
import { dollars, EXIT, grouped, hasColour, printable, table } from './terminal.ts'
import type { Io } from './terminal.ts'

const DEFAULT_MODEL = 'gpt-6.1-terra'
/** Shown when no model is named: one small and one large of each maker. */
const PRICED = [
  'gpt-6-luna',
  'gpt-6.1-terra',
  'gpt-6.1-sol',
  'claude-haiku-5-5',
  'claude-sonnet-5-5',
  'claude-opus-5-5',
  'gemini-3.5-flash-lite',
  'gemini-3.8-flash',
  'deepseek-flash',
  'grok-4.7',
]

export async function tokens(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { model: { type: 'string', short: 'm' }, show: { type: 'boolean', default: false } },
  })
  const text = await promptOf(positionals, io)
  const model = (values.model ?? DEFAULT_MODEL).replace(/^[a-z-]+\//, '')
  const counted = await count(text, model)
  io.write(`${counted.tokens}\n`)
  io.error(
    counted.exact
      ? `exact, ${counted.encoding}\n`
      : `an estimate, within about ${Math.round(counted.error * 100)} %\n`,
  )
  if (values.show && counted.exact) io.write(`${await shown(text, model, io)}\n`)
  const rows = (values.model === undefined ? PRICED : [model]).flatMap((id) => {
    const row = catalog.find(id)
    if (row === undefined) return []
    const cost = catalog.price({ inputTokens: counted.tokens, outputTokens: 0 }, id, row.provider)
    return cost.total === undefined ? [] : [[id, dollars(cost.total), `${row.rates.input} $/M`]]
  })
  if (rows.length > 0) io.write(`${table(rows, [1, 2])}\n`)
  return EXIT.ok
}

async function count(
  text: string,
  model: string,
): Promise<
  { tokens: number; exact: true; encoding: string } | { tokens: number; exact: false; error: number }
> {
  try {
    const encoding = await encodingForModel(model)
    return { tokens: encoding.countTokens(text), exact: true, encoding: encoding.name }
  } catch (error) {
    if (!LlmError.is(error)) throw error
    const { tokens: estimated, error: share } = estimateTokens(text, model)
    return { tokens: estimated, exact: false, error: share }
  }
}

/** Tokens on alternating grounds, or between bars where there is no colour. Blanks and line ends are made visible. */
async function shown(text: string, model: string, io: Io): Promise<string> {
  const encoding = await encodingForModel(model)
  const grounds = ['48;5;24', '48;5;58', '48;5;53', '48;5;22']
  const { groups } = encoding.explain(text)
  return groups
    .map(({ text: group, tokenCount }, at) => {
      const visible = printable(group.replaceAll('\n', '⏎\n').replaceAll('\t', '→'))
      const marked = tokenCount > 1 ? `${visible}(${grouped(tokenCount)})` : visible
      return hasColour(io) ? `\u001b[${grounds[at % grounds.length]}m${marked}\u001b[0m` : marked
    })
    .join(hasColour(io) ? '' : '|')
}
