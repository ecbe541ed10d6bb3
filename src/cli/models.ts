/** `llmswap models`: the shipped catalog as a table or as JSON. In: a filter. Out: rows; no network. */

import { parseArgs } from 'node:util'
import { catalog } from '../cost/index.ts'
import { EXIT, grouped, paint, table } from './terminal.ts'
import type { Io } from './terminal.ts'

export async function models(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { provider: { type: 'string', short: 'p' }, json: { type: 'boolean', default: false } },
  })
  const wanted = positionals.map((word) => word.toLowerCase())
  const rows = catalog
    .rows()
    .filter(({ provider }) => values.provider === undefined || provider === values.provider)
    .filter(({ provider, model }) =>
      wanted.every((word) => `${provider}/${model}`.toLowerCase().includes(word)),
    )
  if (values.json) {
    io.write(`${JSON.stringify(rows, null, 2)}\n`)
    return EXIT.ok
  }
  if (rows.length === 0) {
    io.error('The catalog has no such model. It lists what is common, not what exists: any id can be used.\n')
    return EXIT.failed
  }
  const header = ['model', 'context', 'output', '$/M in', '$/M out', 'can']
  const lines = rows.map(({ provider, model, contextTokens, maxOutputTokens, rates, capabilities }) => [
    `${provider}/${model}`,
    contextTokens === undefined ? '' : grouped(contextTokens),
    maxOutputTokens === undefined ? '' : grouped(maxOutputTokens),
    rates.input,
    rates.output,
    capabilities.join(' '),
  ])
  const [first = '', ...rest] = table([header, ...lines], [1, 2, 3, 4]).split('\n')
  io.write(`${[paint(io, '1', first), ...rest].join('\n')}\n`)
  io.error(`${rows.length} models, prices of ${rows[0]?.asOf ?? ''} from ${rows[0]?.source ?? ''}\n`)
  return EXIT.ok
}
