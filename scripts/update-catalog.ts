/**
 * Public catalogs → src/cost/catalog-data.ts, with gates and a report of what changed.
 *
 *     npx tsx scripts/update-catalog.ts --models-dev FILE|URL [--pi FILE|URL] [--litellm FILE|URL] [--out FILE] [--force]
 *
 * In:  models.dev's api.json (limits, capabilities, prices, dates), optionally the pi model data (newer prices) and
 *      LiteLLM's price map (batch, one-hour cache, service tiers, audio, deprecation dates).
 * Out: the table, and on stdout what was added, removed and repriced since the committed one.
 * Refuses to write when a price is negative or not a number, moved more than tenfold, or more than a fifth of the models
 * vanished — each of these has been a mistake in a catalog before it was news. `--force` writes all the same.
 */

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { catalog } from '../src/cost/index.ts'
import type { CatalogRow, Rates } from '../src/cost/index.ts'

type Json = Record<string, any> // oxlint-disable-line typescript/no-explicit-any -- three foreign, unversioned formats

/** Our provider name; its key in models.dev, in the pi data, and LiteLLM's key prefix; how many models to keep. */
const PROVIDERS: [name: string, modelsDev: string, pi: string, litellm: string, most: number][] = [
  ['openai', 'openai', 'openai', '', 45],
  ['anthropic', 'anthropic', 'anthropic', '', 20],
  ['gemini', 'google', 'google', 'gemini/', 24],
  ['vertex', 'google-vertex', 'google-vertex', 'vertex_ai/', 16],
  ['bedrock', 'amazon-bedrock', 'amazon-bedrock', '', 30],
  ['azure', 'azure', 'azure', 'azure/', 24],
  ['mistral', 'mistral', 'mistral', 'mistral/', 20],
  ['cohere', 'cohere', '', '', 10],
  ['groq', 'groq', 'groq', 'groq/', 12],
  ['deepseek', 'deepseek', 'deepseek', 'deepseek/', 6],
  ['xai', 'xai', 'xai', 'xai/', 12],
  ['openrouter', 'openrouter', 'openrouter', 'openrouter/', 40],
  ['perplexity', 'perplexity', '', 'perplexity/', 6],
  ['together', 'togetherai', 'together', 'together_ai/', 16],
  ['fireworks', 'fireworks-ai', 'fireworks', 'fireworks_ai/', 16],
  ['cerebras', 'cerebras', 'cerebras', 'cerebras/', 6],
  ['moonshot', 'moonshotai', 'moonshotai', 'moonshot/', 8],
  ['zai', 'zai', 'zai', 'zai/', 10],
  ['alibaba', 'alibaba', '', 'dashscope/', 20],
  ['minimax', 'minimax', 'minimax', 'minimax/', 6],
  ['nvidia', 'nvidia', 'nvidia', 'nvidia_nim/', 10],
  ['huggingface', 'huggingface', 'huggingface', '', 12],
  ['sarvam', 'sarvam', '', 'sarvam/', 4],
]

const { values: flags } = parseArgs({
  options: {
    'models-dev': { type: 'string' },
    pi: { type: 'string' },
    litellm: { type: 'string' },
    'as-of': { type: 'string' },
    out: { type: 'string' },
    force: { type: 'boolean', default: false },
  },
})

const digests: string[] = []

async function load(where: string | undefined): Promise<Json> {
  if (where === undefined) return {}
  const text = /^https?:/.test(where) ? await (await fetch(where)).text() : readFileSync(where, 'utf8')
  digests.push(createHash('sha256').update(text).digest('hex').slice(0, 12))
  return JSON.parse(text) as Json
}

/** Dollars per million tokens as the shortest decimal text; undefined when absent or 0 without meaning. */
function rate(value: unknown, perToken = false): string | undefined {
  if (typeof value !== 'number') return undefined
  const perMillion = perToken ? value * 1e6 : value
  // Nine decimals: float noise such as 0.30000000000000004 goes, the smallest price seen (0.0028) stays.
  return String(Number(perMillion.toFixed(9)))
}

/** A 0 beside a positive input price means "no such price", not "free". */
function ratesOf(
  input: string | undefined,
  output: string | undefined,
  read?: string,
  write?: string,
  write1h?: string,
): Rates | undefined {
  if (input === undefined || output === undefined) return undefined
  const meant = (text: string | undefined): text is string =>
    text !== undefined && (text !== '0' || input === '0')
  return {
    input,
    output,
    ...(meant(read) ? { cacheRead: read } : {}),
    ...(meant(write) ? { cacheWrite: write } : {}),
    ...(meant(write1h) ? { cacheWrite1h: write1h } : {}),
  }
}

function text({ input, output, cacheRead = '', cacheWrite = '', cacheWrite1h = '' }: Rates): string {
  return [input, output, cacheRead, cacheWrite, cacheWrite1h].join(',').replace(/,+$/, '')
}

/** The newest first; what has no date goes last. */
function recency(model: Json): string {
  return String(model['last_updated'] ?? model['release_date'] ?? '')
}

function piModels(pi: Json, key: string): Json {
  const section = (pi[key] ?? {}) as Json
  const name = Object.keys(section).find(
    (one) => one.endsWith('_MODELS') && !/(?:CLASSIFIER|IMAGE)_MODELS$/.test(one),
  )
  return name === undefined ? {} : (section[name] as Json)
}

function line(id: string, dev: Json, pi: Json, lite: Json): string | undefined {
  const cost = (pi['cost'] ?? dev['cost']) as Json | undefined
  if (cost === undefined) return undefined
  const isPi = pi['cost'] !== undefined
  const read = rate(isPi ? cost['cacheRead'] : cost['cache_read'])
  const write = rate(isPi ? cost['cacheWrite'] : cost['cache_write'])
  const write1h = rate(lite['cache_creation_input_token_cost_above_1hr'], true)
  const rates = ratesOf(rate(cost['input']), rate(cost['output']), read, write)
  if (rates === undefined) return undefined
  // Anthropic's one-hour cache write is twice the input price by its own price page; taken from LiteLLM only while both agree on the input price.
  const agrees = rate(lite['input_cost_per_token'], true) === rates.input
  if (agrees && write1h !== undefined && rates.cacheWrite !== undefined) rates.cacheWrite1h = write1h
  const extra: string[] = []
  const tier = (cost['tiers'] as Json[] | undefined)?.[0]
  if (tier !== undefined) {
    const above = Number(isPi ? tier['inputTokensAbove'] : tier['tier']?.['size'])
    const long = ratesOf(
      rate(tier['input']),
      rate(tier['output']),
      rate(isPi ? tier['cacheRead'] : tier['cache_read']),
      rate(isPi ? tier['cacheWrite'] : tier['cache_write']),
    )
    if (long !== undefined && above > 0) extra.push(`>${above}:${text(long)}`)
  }
  if (agrees) {
    for (const [letter, suffix] of [
      ['b', 'batches'],
      ['f', 'flex'],
      ['p', 'priority'],
    ] as const) {
      const special = ratesOf(
        rate(lite[`input_cost_per_token_${suffix}`], true),
        rate(lite[`output_cost_per_token_${suffix}`], true),
        rate(lite[`cache_read_input_token_cost_${suffix}`], true),
      )
      if (special !== undefined) extra.push(letter + text(special))
    }
  }
  const audioIn =
    rate(dev['cost']?.['input_audio']) ??
    (agrees ? rate(lite['input_cost_per_audio_token'], true) : undefined)
  const audioOut =
    rate(dev['cost']?.['output_audio']) ??
    (agrees ? rate(lite['output_cost_per_audio_token'], true) : undefined)
  const imageOut = agrees ? rate(lite['output_cost_per_image_token'], true) : undefined
  if (audioIn !== undefined) extra.push(`A${audioIn}`)
  if (audioOut !== undefined) extra.push(`O${audioOut}`)
  if (imageOut !== undefined) extra.push(`I${imageOut}`)
  if (typeof lite['deprecation_date'] === 'string') extra.push(`x${lite['deprecation_date']}`)
  const inputs = new Set<string>([...(dev['modalities']?.['input'] ?? []), ...(pi['input'] ?? [])])
  const capabilities = [
    // The pi data lists only models that call tools.
    dev['tool_call'] === true || isPi || lite['supports_function_calling'] === true ? 't' : '',
    inputs.has('image') ? 'i' : '',
    inputs.has('pdf') || lite['supports_pdf_input'] === true ? 'p' : '',
    inputs.has('audio') ? 'a' : '',
    inputs.has('video') ? 'v' : '',
    dev['reasoning'] === true || pi['reasoning'] === true ? 'r' : '',
    dev['structured_output'] === true || lite['supports_response_schema'] === true ? 's' : '',
  ].join('')
  // The pi data states price-tier boundaries as windows for some models: the other two go first.
  const context = dev['limit']?.['context'] ?? lite['max_input_tokens'] ?? pi['contextWindow'] ?? ''
  const most = dev['limit']?.['output'] ?? pi['maxTokens'] ?? lite['max_output_tokens'] ?? ''
  return [id, context || '', most || '', text(rates), extra.join(' '), capabilities].join('|')
}

const modelsDev = await load(flags['models-dev'])
const pi = await load(flags.pi)
const litellm = await load(flags.litellm)
if (Object.keys(modelsDev).length === 0) {
  console.error('Give --models-dev a file or a URL of https://models.dev/api.json.')
  process.exit(2)
}

/** Windows as OpenAI states them, where only the pi data knows the model and gives its price-tier boundary instead. */
function trueWindow(row: string): string {
  return row.replace(/^(gpt-[56][^|]*)\|272000\|/, '$1|1050000|')
}

const sections: string[] = []
let count = 0
for (const [name, devKey, piKey, prefix, most] of PROVIDERS) {
  const devModels = (modelsDev[devKey]?.['models'] ?? {}) as Json
  const ours = piModels(pi, piKey)
  const ids = [...new Set([...Object.keys(ours), ...Object.keys(devModels)])]
    .filter(
      (id) =>
        !/embed|tts|whisper|transcribe|image|realtime|moderation|guard|-latest$|audio|rerank|live/.test(id),
    )
    // A model only the newer catalog knows is newer than anything dated.
    .sort((a, b) => {
      const [left, right] = [a, b].map((id) =>
        devModels[id] === undefined ? '9999' : recency(devModels[id] as Json),
      )
      return left === right ? (a < b ? -1 : 1) : left! < right! ? 1 : -1
    })
  const lines: string[] = []
  for (const id of ids) {
    if (lines.length >= most) break
    const lite = (litellm[prefix + id] ?? litellm[id] ?? {}) as Json
    const row = line(id, (devModels[id] ?? {}) as Json, (ours[id] ?? {}) as Json, lite)
    if (row !== undefined && !/[\n ]/.test(id)) lines.push(trueWindow(row))
  }
  if (lines.length > 0) sections.push(`= ${name}`, ...lines)
  count += lines.length
}

// ------------------------------------------------------------------------------------------------- gates

const table = sections.join('\n')
const before = new Map<string, CatalogRow>()
try {
  for (const row of catalog.rows()) before.set(`${row.provider}/${row.model}`, row)
} catch {
  // The first run has nothing to compare with.
}
const after = new Map<string, string[]>()
let provider = ''
for (const row of sections) {
  if (row.startsWith('= ')) provider = row.slice(2)
  else {
    const [id = '', , , rates = ''] = row.split('|')
    after.set(`${provider}/${id}`, rates.split(','))
  }
}

const problems: string[] = []
const report: string[] = []
for (const [id, rates] of after) {
  for (const one of rates) if (one !== '' && !(Number(one) >= 0)) problems.push(`${id}: price ${one}`)
  const old = before.get(id)
  if (old === undefined) {
    report.push(`+ ${id} ${rates.join('/')}`)
    continue
  }
  const was = [old.rates.input, old.rates.output]
  for (const [at, price] of was.entries()) {
    const [a, b] = [Number(price), Number(rates[at])]
    if (a !== b) report.push(`~ ${id} ${at === 0 ? 'input' : 'output'} ${price} -> ${rates[at]}`)
    if (a > 0 && b > 0 && (a / b > 10 || b / a > 10))
      problems.push(`${id}: ${price} -> ${rates[at]} is more than tenfold`)
  }
}
const removed = [...before.keys()].filter((id) => !after.has(id))
for (const id of removed) report.push(`- ${id}`)
if (removed.length > before.size * 0.2) problems.push(`${removed.length} of ${before.size} models vanished`)

console.log(report.join('\n'))
console.log(`${count} models, ${report.length} changes, ${problems.length} problems`)
if (problems.length > 0) {
  console.error(problems.join('\n'))
  if (!flags.force) {
    console.error('Nothing was written. Look at each, then run again with --force.')
    process.exit(1)
  }
}

const asOf = flags['as-of'] ?? new Date().toISOString().slice(0, 10)
const header = `/**
 * Generated by scripts/update-catalog.ts; do not edit. ${count} models; input digests ${digests.join(' ')}.
 * Facts gathered from the public catalogs models.dev, pi and LiteLLM (all MIT). The format is in catalog.ts.
 */
`
writeFileSync(
  flags.out ?? fileURLToPath(new URL('../src/cost/catalog-data.ts', import.meta.url)),
  `${header}
/** The date of the newest figures. */
export const CATALOG_AS_OF = '${asOf}'

/** Where they come from. */
export const CATALOG_SOURCE = 'models.dev, pi, LiteLLM'

/** See parseTable in catalog.ts. */
export const CATALOG_TABLE: string = \`
${table.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}
\`
`,
)
