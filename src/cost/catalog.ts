/**
 * Models, their limits and their prices, as a value one passes in.
 *
 * In:  rows — the shipped table, or your own. Out: lookups by model and provider, and prices.
 * The shipped table (catalog-data.ts, generated) is parsed on first use; importing this file costs nothing else.
 * Figures carry their date: prices move, public catalogs disagree about a third of the models they share, and nothing
 * here is fetched at run time. Not here: reading public catalogs (scripts/update-catalog.ts).
 */

import { LlmError } from '../errors.ts'
import type { Cost, Input, Prices, UnknownCost, Usage } from '../types.ts'
import { CATALOG_AS_OF, CATALOG_SOURCE, CATALOG_TABLE } from './catalog-data.ts'
import { parseDecimal } from './decimal.ts'
import { priceByRow } from './price.ts'
import type { CatalogRow, PriceOptions, Rates } from './price.ts'

/** A catalog: `prices` of a call's options, and a table to look things up in. */
export interface Catalog extends Prices {
  rows(): readonly CatalogRow[]
  /**
   * The row of a model. Without `provider` the first row of that id; a dated or prefixed id
   * (`gpt-6.1-terra-2026-10-01`, `us.anthropic.claude-…`) finds its base row.
   */
  find(model: string, provider?: string): CatalogRow | undefined
  /** Prices a usage; see {@link PriceOptions}. Unknown models give no total but a reason. */
  price(usage: Usage, model: string, provider?: string, options?: PriceOptions): Cost | UnknownCost
}

/**
 * A catalog of your own rows; later rows replace earlier ones of the same provider and model.
 * @throws LlmError `config` naming the row whose price is negative, NaN or not a number, or whose id is missing.
 */
export function createCatalog(rows: Iterable<CatalogRow>): Catalog {
  const byId = new Map<string, CatalogRow[]>()
  const all = new Map<string, CatalogRow>()
  for (const row of rows) {
    check(row)
    all.set(`${row.provider}/${row.model}`, row)
  }
  for (const row of all.values()) {
    const same = byId.get(row.model)
    if (same === undefined) byId.set(row.model, [row])
    else same.push(row)
  }
  const list = [...all.values()]

  function find(model: string, provider?: string): CatalogRow | undefined {
    for (const id of candidates(model)) {
      const same = byId.get(id)
      const row = provider === undefined ? same?.[0] : same?.find((one) => one.provider === provider)
      if (row !== undefined) return row
    }
    return undefined
  }

  return {
    rows: () => list,
    find,
    price(usage, model, provider, options) {
      if (options?.reported !== undefined) return priceByRow(usage, list[0] as CatalogRow, options)
      const row = find(model, provider)
      if (row !== undefined) return priceByRow(usage, row, options)
      const where = provider === undefined ? '' : ` at ${provider}`
      return { total: undefined, reason: `The catalog has no row for ${model}${where}.` }
    },
  }
}

/** The ids under which a served model may be listed, most exact first. */
function candidates(model: string): string[] {
  const ids = [model]
  const undated = model.replace(/[-@](?:20\d{2}-?\d{2}-?\d{2})(?:-v\d+(?::\d+)?)?$/, '')
  if (undated !== model) ids.push(undated)
  const slash = undated.indexOf('/')
  if (slash > 0) ids.push(undated.slice(slash + 1))
  // Bedrock's inference profiles: the model behind a region prefix.
  const regional = /^(?:us|eu|apac|jp|au|global)\.(.+)$/.exec(model)?.[1]
  if (regional !== undefined) ids.push(regional)
  return ids
}

function check(row: CatalogRow): void {
  const fail = (problem: string): never => {
    throw new LlmError({
      kind: 'config',
      message: `The catalog row ${String(row?.provider)}/${String(row?.model)} ${problem}.`,
    })
  }
  if (typeof row?.model !== 'string' || row.model === '' || typeof row.provider !== 'string')
    fail('has no id')
  const notPrice = (rate: unknown): boolean => typeof rate !== 'string' || parseDecimal(rate) === undefined
  const refuse = (field: string): never =>
    fail(`has a price that is not a non-negative decimal text: ${field}`)
  const { rates: base, longContext, batch, flex, priority } = row
  for (const [name, rates] of Object.entries({ rates: base, longContext, batch, flex, priority })) {
    if (rates === undefined) continue
    for (const key of ['input', 'output', 'cacheRead', 'cacheWrite', 'cacheWrite1h'] as const) {
      const isOptional = key !== 'input' && key !== 'output'
      if (!(isOptional && rates[key] === undefined) && notPrice(rates[key])) refuse(`${name}.${key}`)
    }
  }
  for (const key of ['audioInput', 'audioOutput', 'imageOutput'] as const)
    if (row[key] !== undefined && notPrice(row[key])) refuse(key)
}

let shipped: Catalog | undefined
const load = (): Catalog => (shipped ??= createCatalog(parseTable(CATALOG_TABLE)))

/** The shipped table. Parsed on first use. */
export const catalog: Catalog = {
  rows: () => load().rows(),
  find: (model, provider) => load().find(model, provider),
  price: (usage, model, provider, options) => load().price(usage, model, provider, options),
}

/** What {@link price} can be told. */
export interface PriceLookup extends PriceOptions {
  /** Whose price, where several serve the model. Default: the first row of that id. */
  provider?: string
  /** Default: the shipped catalog. */
  catalog?: Catalog
}

/** Prices a usage by model id. No row, no usage, no batch price: `total` is undefined and `reason` says why. */
export function price(usage: Usage, model: string, options: PriceLookup = {}): Cost | UnknownCost {
  return (options.catalog ?? catalog).price(usage, model, options.provider, options)
}

/**
 * What a call may cost, before it is sent.
 * @param options.outputTokens what the answer is expected to hold; default 500.
 * @param options.countTokens counts the text; default: one token per three UTF-8 bytes, which over-counts prose by
 *   half and is about right for code and Chinese. Pass `countTokens` of an encoding for an exact input count.
 */
export function estimate(
  input: Input,
  model: string,
  options: PriceLookup & { outputTokens?: number; countTokens?: (text: string) => number } = {},
): Cost | UnknownCost {
  const { outputTokens = 500, countTokens = threeBytesAToken } = options
  const text = typeof input === 'string' ? input : JSON.stringify(input)
  return price({ inputTokens: countTokens(text), outputTokens }, model, options)
}

function threeBytesAToken(text: string): number {
  return Math.ceil(new TextEncoder().encode(text).length / 3)
}

/**
 * The shipped table: a line `= provider` opens a section, every other line is one model:
 * `id|context|maxOutput|input,output,cacheRead,cacheWrite,cacheWrite1h|key:value …|capabilities`.
 */
function parseTable(table: string): CatalogRow[] {
  const rows: CatalogRow[] = []
  let provider = ''
  for (const line of table.split('\n')) {
    if (line.startsWith('= ')) provider = line.slice(2)
    else if (line !== '') rows.push(parseLine(line, provider))
  }
  return rows
}

const CAPABILITY: Readonly<Record<string, string>> = {
  t: 'tools',
  i: 'image',
  p: 'pdf',
  a: 'audio',
  v: 'video',
  r: 'reasoning',
  s: 'schema',
}

function parseLine(line: string, provider: string): CatalogRow {
  const [model = '', context = '', output = '', rates = '', extra = '', capabilities = ''] = line.split('|')
  const row: CatalogRow = {
    provider,
    model,
    ...(context === '' ? {} : { contextTokens: Number(context) }),
    ...(output === '' ? {} : { maxOutputTokens: Number(output) }),
    rates: parseRates(rates),
    capabilities: Array.from(capabilities, (letter) => CAPABILITY[letter] ?? letter),
    asOf: CATALOG_AS_OF,
    source: CATALOG_SOURCE,
  }
  for (const field of extra === '' ? [] : extra.split(' ')) {
    const value = field.slice(1)
    switch (field[0]) {
      case '>': {
        const colon = value.indexOf(':')
        row.longContext = {
          aboveInputTokens: Number(value.slice(0, colon)),
          ...parseRates(value.slice(colon + 1)),
        }
        break
      }
      case 'b':
        row.batch = parseRates(value)
        break
      case 'f':
        row.flex = parseRates(value)
        break
      case 'p':
        row.priority = parseRates(value)
        break
      case 'A':
        row.audioInput = value
        break
      case 'O':
        row.audioOutput = value
        break
      case 'I':
        row.imageOutput = value
        break
      case 'x':
        row.deprecated = value
    }
  }
  return row
}

function parseRates(text: string): Rates {
  const [input = '', output = '', cacheRead = '', cacheWrite = '', cacheWrite1h = ''] = text.split(',')
  return {
    input,
    output,
    ...(cacheRead === '' ? {} : { cacheRead }),
    ...(cacheWrite === '' ? {} : { cacheWrite }),
    ...(cacheWrite1h === '' ? {} : { cacheWrite1h }),
  }
}
