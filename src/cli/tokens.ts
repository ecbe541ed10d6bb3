/**
 * `llmswap tokens`: how many, what they cost, and with --show where they begin.
 *
 * In:  words, or stdin. Out: the count on the first line, so that `$(llmswap tokens < file | head -1)` works; below it what
 * the text costs as input, by model. Every model counts for itself: with its own encoding where that is public, else as an
 * estimate that says how far off it may be.
 */

import { parseArgs } from 'node:util'
import { catalog } from '../cost/index.ts'
import { encodingForModel, encodingNameForModel, estimateTokens, loadEncoding } from '../tokens/index.ts'
import { promptOf } from './ask.ts'
import { dollars, EXIT, grouped, hasColour, printable, table } from './terminal.ts'
import type { Io } from './terminal.ts'

/** The newest family whose vocabulary is public, so that the count is exact. */
const DEFAULT_MODEL = 'gpt-5'
/** Shown when no model is named: one small and one large of each maker. */
const PRICED = [
  'gpt-5',
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
  const text = await promptOf(positionals, io, 'count')
  const model = (values.model ?? DEFAULT_MODEL).replace(/^[a-z-]+\//, '')
  const counted = await count(text, model)
  io.write(`${counted.tokens}\n`)
  io.error(
    counted.encoding === undefined
      ? `an estimate, ${counted.tokens} ± ${grouped(counted.error)}: no vocabulary of ${model} is public\n`
      : `exact for ${values.model === undefined ? 'GPT-4o to GPT-5' : model}, ${counted.encoding}\n`,
  )
  if (values.show) {
    if (counted.encoding === undefined)
      io.error(`where its tokens begin is not known; try -m ${DEFAULT_MODEL}\n`)
    else io.write(`${await shown(text, model, io)}\n`)
  }
  const rows: string[][] = []
  for (const id of values.model === undefined ? PRICED : [model]) {
    const row = catalog.find(id)
    if (row === undefined) continue
    const { tokens: own, encoding } = id === model ? counted : await count(text, id)
    const cost = catalog.price({ inputTokens: own, outputTokens: 0 }, id, row.provider)
    if (cost.total === undefined) continue
    const amount = `${encoding === undefined ? '~' : ''}${grouped(own)}`
    rows.push([id, amount, dollars(cost.total), row.rates.input])
  }
  if (rows.length > 0) io.write(`${table([['model', 'tokens', 'cost', '$/M'], ...rows], [1, 2, 3])}\n`)
  return EXIT.ok
}

/** `error`, in tokens, is how far off an estimate may be; `encoding` is there when the count is exact. */
async function count(
  text: string,
  model: string,
): Promise<{ tokens: number; encoding?: string; error: number }> {
  const name = encodingNameForModel(model)
  if (name === undefined) {
    const { tokens: estimated, error } = estimateTokens(text, model)
    return { tokens: estimated, error: Math.ceil(error) }
  }
  const encoding = await loadEncoding(name)
  return { tokens: encoding.countTokens(text), encoding: encoding.name, error: 0 }
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
