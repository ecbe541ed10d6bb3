/**
 * `npm run bench -- <name> [--rounds N] [--only text] [--dry]`: runs `scripts/bench/<name>.ts` and `<name>-*.ts`,
 * and writes `fixtures/bench/<name>.md`, `.svg` and `.json` (not with `--dry`). How to add one: see run.ts.
 *
 * Ends with exit code 1 when a contestant gave another answer or a target was missed.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { markdown, mergeRows, svg } from './report.ts'
import { runSuite } from './run.ts'
import type { RowResult, Suite } from './run.ts'

const FOLDER = join('scripts', 'bench')
/** The runner's own files are not suites. */
const RUNNER = new Set(['index.ts', 'run.ts', 'child.ts', 'report.ts'])

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, only: { type: 'string' }, dry: { type: 'boolean' } },
})
const [name = ''] = positionals
const suites = readdirSync(FOLDER).filter((file) => file.endsWith('.ts') && !RUNNER.has(file))
const files = suites
  .filter((file) => file === `${name}.ts` || file.startsWith(`${name}-`))
  .sort((a, b) => a.length - b.length || (a < b ? -1 : 1))

if (name === '' || files.length === 0) {
  const names = [...new Set(suites.map((file) => file.replace(/(-.*)?\.ts$/, '')))].sort()
  console.error(`usage: npm run bench -- <${names.join(' | ')}> [--rounds N] [--only text] [--dry]`)
  process.exit(2)
}

const results: RowResult[] = []
const rowNames: string[] = []
let title = name
for (const [i, file] of files.entries()) {
  const path = join(FOLDER, file)
  const { default: suite } = (await import(resolve(path))) as { default: Suite }
  if (i === 0) title = suite.title
  rowNames.push(...suite.rows.map((row) => row.name))
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
  results.push(...(await runSuite(path, { rounds, only: values.only })))
}

if (values.dry !== true) {
  const base = join('fixtures', 'bench', name)
  mkdirSync(join('fixtures', 'bench'), { recursive: true })
  const kept = existsSync(`${base}.json`)
    ? (JSON.parse(readFileSync(`${base}.json`, 'utf8')) as RowResult[])
    : []
  const merged = mergeRows(kept, results, rowNames)
  writeFileSync(`${base}.json`, `${JSON.stringify(merged, null, 1)}\n`)
  writeFileSync(`${base}.md`, markdown(title, name, merged))
  writeFileSync(`${base}.svg`, svg(title, merged))
  console.log(`wrote ${base}.md, .svg and .json`)
}
const bad = results.some(
  (result) =>
    result.targets.some((target) => !target.met) ||
    result.contestants.some((one) => one.failed !== undefined),
)
if (bad) process.exitCode = 1
