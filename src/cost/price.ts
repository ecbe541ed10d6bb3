/**
 * What a call costs.
 *
 * In:  a usage in OpenTelemetry's meaning and one catalog row. Out: an itemised sum in exact decimals, or the reason
 *      why there is none. An unknown price is never 0.
 * The rules, each a way other calculators go wrong:
 *   - `inputTokens` includes cache reads and writes: each token is charged once, at its own rate.
 *   - `outputTokens` includes reasoning: it is not added again.
 *   - a long-context tier applies to the whole request once its input is above the threshold, not to the excess.
 *   - a batch or service-tier price is taken from the row; where the row has none there is no price, not a guess of half.
 */

import type { Cost, UnknownCost, Usage } from '../types.ts'
import { add, formatDecimal, multiply, parseDecimal, ZERO } from './decimal.ts'
import type { Decimal } from './decimal.ts'

/** US dollars per million tokens, as decimal text. */
export interface Rates {
  input: string
  output: string
  /** Default: the input price — a provider that lists no cache price bills cached tokens in full. */
  cacheRead?: string
  /** Kept five minutes. Default: the input price. */
  cacheWrite?: string
  /** Kept an hour. Default: `cacheWrite`. */
  cacheWrite1h?: string
}

/** One model at one provider. */
export interface CatalogRow {
  /** The registry's name for the provider. */
  provider: string
  model: string
  /** The window, input and output together, in tokens. */
  contextTokens?: number
  /** Most output tokens of one answer. */
  maxOutputTokens?: number
  rates: Rates
  /** Rates of the whole request once its input is above `aboveInputTokens`. */
  longContext?: Rates & { aboveInputTokens: number }
  /** Rates of the provider's batch endpoint. */
  batch?: Rates
  /** Rates of slower and faster service tiers. */
  flex?: Rates
  /** Rates of the faster, dearer tier. */
  priority?: Rates
  /** Dollars per million audio tokens. */
  audioInput?: string
  /** Dollars per million audio tokens generated. */
  audioOutput?: string
  /** Dollars per million image tokens generated. */
  imageOutput?: string
  /** Of `tools`, `image`, `pdf`, `audio`, `video`, `reasoning`, `schema`. */
  capabilities: readonly string[]
  /** ISO date after which the provider retires it. */
  deprecated?: string
  /** ISO date of the figures. */
  asOf: string
  source: string
}

/** What changes the price of the same tokens. */
export interface PriceOptions {
  /** At the rates of the provider's batch endpoint. Default false. */
  batch?: boolean
  /** Default `standard`. */
  tier?: 'standard' | 'flex' | 'priority'
  /** How long the cache writes are kept. Default `5m`. */
  cacheTtl?: '5m' | '1h'
  /** Of the input tokens, those that were sound. */
  audioInputTokens?: number
  /** Of the output tokens, those that were sound. */
  audioOutputTokens?: number
  /** Of the output tokens, those that were pictures. */
  imageOutputTokens?: number
  /** Dollars, as the provider itself reported them: they win. Default: the table's rates. */
  reported?: number
}

const PER_MILLION: Decimal = { digits: 1n, scale: 6 }

/** Prices one usage by one row; see the file's head for the rules. */
export function priceByRow(usage: Usage, row: CatalogRow, options: PriceOptions = {}): Cost | UnknownCost {
  if (options.reported !== undefined) return reportedCost(options.reported)
  const rates = ratesFor(row, usage, options)
  if (typeof rates === 'string') return unknown(rates)
  const { inputTokens, outputTokens } = usage
  if (!isCount(inputTokens)) return unknown('The usage has no inputTokens.')
  if (!isCount(outputTokens)) return unknown('The usage has no outputTokens.')

  // Servers have reported more cached tokens than input tokens; nobody is charged for fewer than none.
  const cached = Math.min(isCount(usage.cachedInputTokens) ? usage.cachedInputTokens : 0, inputTokens)
  const written = Math.min(isCount(usage.cacheWriteTokens) ? usage.cacheWriteTokens : 0, inputTokens - cached)
  const soundIn = Math.min(options.audioInputTokens ?? 0, inputTokens - cached - written)
  const soundOut = Math.min(options.audioOutputTokens ?? 0, outputTokens)
  const drawn = Math.min(options.imageOutputTokens ?? 0, outputTokens - soundOut)

  const write = rates.cacheWrite ?? rates.input
  const lines: [name: string, tokens: number, rate: string | undefined][] = [
    ['input', inputTokens - cached - written - soundIn, rates.input],
    ['cache read', cached, rates.cacheRead ?? rates.input],
    ['cache write', written, options.cacheTtl === '1h' ? (rates.cacheWrite1h ?? write) : write],
    ['audio input', soundIn, row.audioInput],
    ['output', outputTokens - soundOut - drawn, rates.output],
    ['audio output', soundOut, row.audioOutput],
    ['image output', drawn, row.imageOutput],
  ]
  const items: NonNullable<Cost['items']> = []
  let sum = ZERO
  for (const [name, tokens, rate] of lines) {
    if (tokens === 0) continue
    if (rate === undefined) return unknown(`${row.model} has no price for ${name}.`)
    const perMillion = parseDecimal(rate)
    if (perMillion === undefined)
      return unknown(`${row.model} has a price for ${name} that is not a number: ${rate}.`)
    const amount = multiply(multiply(perMillion, { digits: BigInt(tokens), scale: 0 }), PER_MILLION)
    items.push({ name, tokens, amount: formatDecimal(amount) })
    sum = add(sum, amount)
  }
  const exact = formatDecimal(sum)
  return { total: Number(exact), currency: 'USD', exact, items, from: 'catalog', asOf: row.asOf }
}

/** The rates that apply, or a sentence saying why none do. */
function ratesFor(row: CatalogRow, usage: Usage, { batch, tier }: PriceOptions): Rates | string {
  if (batch === true) return row.batch ?? `${row.model} has no batch price in the catalog.`
  if (tier === 'flex') return row.flex ?? `${row.model} has no price for the flex tier in the catalog.`
  if (tier === 'priority')
    return row.priority ?? `${row.model} has no price for the priority tier in the catalog.`
  const { longContext } = row
  return longContext !== undefined && (usage.inputTokens ?? 0) > longContext.aboveInputTokens
    ? longContext
    : row.rates
}

function reportedCost(dollars: number): Cost | UnknownCost {
  const exact = parseDecimal(String(dollars))
  if (exact === undefined) return unknown('The provider reported a cost that is not a positive number.')
  return { total: dollars, currency: 'USD', exact: formatDecimal(exact), from: 'provider' }
}

function unknown(reason: string): UnknownCost {
  return { total: undefined, reason }
}

function isCount(tokens: number | undefined): tokens is number {
  return tokens !== undefined && Number.isSafeInteger(tokens) && tokens >= 0
}
