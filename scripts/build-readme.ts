/**
 * Fills the generated parts of README.md: the printed output of its first program, the provider table, the error
 * table, what is tried again, the sizes. Each stands between `<!-- NAME -->` and `<!-- /NAME -->`.
 *
 *     npx tsx scripts/build-readme.ts            rewrites them
 *     npx tsx scripts/build-readme.ts --check    fails when one, sizes aside, is not what the code says now
 */

import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { describeProviders } from '../src/providers/registry.ts'
import { outcomeOf } from '../src/route/breaker.ts'
import type { ErrorKind } from '../src/errors.ts'
import { LlmError } from '../src/errors.ts'
import { ENTRIES, measure } from './check-size.ts'
import { retries } from './readme-retries.ts'
import { serveTiny } from './serve-tiny.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const README = `${root}README.md`

/** The address the first program names. Here it gets one that is free. */
const ADDRESS = 'http://127.0.0.1:8080/v1'

/** What each kind means and what to do; the order is that of a call. */
const KINDS: readonly [kind: ErrorKind, meaning: string][] = [
  ['config', 'an option, a key or an address that cannot be used; nothing was sent'],
  ['unsupported', 'this provider or target cannot do what was asked'],
  ['invalid-request', 'the request itself is at fault'],
  ['connect', 'no connection: DNS, refused port, TLS'],
  ['timeout', 'one of the deadlines passed; `phase` says which'],
  ['redirect', 'the server sent us elsewhere; redirects are refused'],
  ['protocol', 'the answer is not what the protocol says: HTML, broken JSON, an empty body'],
  ['too-large', 'an event or the answer is above its limit'],
  ['auth', 'the key is wrong or may not do this'],
  ['billing', 'no money left'],
  ['quota', 'a quota that will not refill soon'],
  ['rate-limit', 'too many requests for now; `retryAfterMs` says how long'],
  ['overloaded', 'the provider has no capacity right now'],
  ['server', 'the provider failed'],
  ['not-found', 'no such model, or a wrong path'],
  ['context-length', 'the conversation is longer than the model’s window'],
  ['content-filter', 'blocked before any output; after output it is a finish reason'],
  ['invalid-output', 'the output does not fit the schema; `issues` and `partial` say how'],
  ['interrupted', 'the answer broke off after content was delivered; `partial` has it'],
  ['aborted', 'you stopped it; `cause` is your reason'],
  ['budget', 'the budget is spent'],
  ['all-targets-failed', 'every target of a router failed; `attempts` has each'],
]

function providers(): string {
  const rows = describeProviders({}).map(({ name, keyNames, defaultModel = '–', embeddingModel }) => {
    const keys = keyNames.map((key) => `\`${key}\``).join(' or ')
    return `| \`${name}\` | ${keys} | ${defaultModel === '–' ? '–' : `\`${defaultModel}\``} | ${embeddingModel === undefined ? '' : `\`${embeddingModel}\``} |`
  })
  return ['| provider | key | model when none is named | embeddings |', '|---|---|---|---|', ...rows].join(
    '\n',
  )
}

function errors(): string {
  const rows = KINDS.map(([kind, meaning]) => {
    const error = new LlmError({ kind, message: '' })
    const breaker = {
      failure: 'counts',
      throttled: 'cooldown',
      unusable: 'longer pause',
      ignored: '',
      success: '',
    }[outcomeOf(error)]
    return `| \`${kind}\` | ${meaning} | ${error.retryable ? 'yes' : ''} | ${breaker} |`
  })
  return [
    '| `kind` | what happened | retried before content | router’s breaker |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n')
}

async function sizes(): Promise<string> {
  const rows: string[] = []
  for (const entry of ENTRIES) {
    const { bytes } = await measure(entry)
    rows.push(`| ${entry.name} | ${(bytes / 1000).toFixed(1)} | ${entry.goalKb} |`)
  }
  return ['| import | kB, minified and gzipped | goal |', '|---|--:|--:|', ...rows].join('\n')
}

/** The first program of the README, run as it stands there against the embedded model. */
async function output(readme: string): Promise<string> {
  const program = /```ts\n([\s\S]*?)```/.exec(readme)?.[1]
  if (program === undefined) throw new Error('The README has no program.')
  if (!program.includes(ADDRESS)) throw new Error(`The first program of the README does not name ${ADDRESS}.`)
  const server = await serveTiny({ port: 0 })
  const folder = `${root}.cache/readme`
  mkdirSync(folder, { recursive: true })
  await build({
    stdin: { contents: program.replace(ADDRESS, server.url), resolveDir: root, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: `${folder}/first.mjs`,
    tsconfig: `${root}tsconfig.json`,
  })
  try {
    const printed = await new Promise<string>((resolve, reject) => {
      const child = spawn(process.execPath, [`${folder}/first.mjs`], { stdio: ['ignore', 'pipe', 'inherit'] })
      let text = ''
      child.stdout.on('data', (data) => (text += String(data)))
      child.on('close', (code) =>
        code === 0 ? resolve(text) : reject(new Error(`the program ended with ${code}`)),
      )
    })
    return `\`\`\`text\n${printed.trimEnd()}\n\`\`\``
  } finally {
    await server.close()
  }
}

let readme = readFileSync(README, 'utf8')
const before = readme
const put = (name: string, text: string): void => {
  const part = new RegExp(`(<!-- ${name} -->\\n)[\\s\\S]*?(\\n<!-- /${name} -->)`)
  if (!part.test(readme)) throw new Error(`The README has no place for ${name}.`)
  readme = readme.replace(part, (_, open: string, close: string) => open + text + close)
}
put('output', await output(readme))
put('providers', providers())
put('errors', errors())
put('retries', retries())
// Sizes move with every edit; check:size is what holds them.
if (!process.argv.includes('--check')) put('sizes', await sizes())

if (process.argv.includes('--check')) {
  if (readme === before) console.log('readme: up to date')
  else {
    console.error(
      'readme: its generated parts are not what the code says; run npx tsx scripts/build-readme.ts',
    )
    process.exitCode = 1
  }
} else writeFileSync(README, readme)
