/**
 * Copies exactly the source files an entry needs into another project.
 *
 *     npm run vendor -- client anthropic --out ../worker/src/llmswap
 *     npm run vendor -- --check ../worker/src/llmswap
 *
 * In:  names of subpaths, or files below src/. Out: the `.ts` files with their relative places kept, each under the licence, and
 * `llmswap.json` with the version and a hash per file. `--check` tells which copies were changed by hand and which are behind
 * this source; exit code 1 when any is. The copies need no build: Deno, Bun and Node ≥ 22 run them as they are.
 */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = join(root, 'src')
const MANIFEST = 'llmswap.json'

interface Manifest {
  version: string
  entries: string[]
  /** Path below the folder → SHA-256 of the copy. */
  files: Record<string, string>
}

interface Package {
  version: string
  exports: Record<string, string | { types: string }>
}

const { version, exports: subpaths } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Package

const LICENCE = `// llmswap ${version}, MIT licence, copyright (c) 2026 the llmswap authors. Vendored: see ${MANIFEST}.\n`

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** The file behind `client`, `tokens/o200k_base` or `wire/sse.ts`. */
function fileOf(entry: string): string {
  const target = subpaths[`./${entry}`]
  const file =
    typeof target === 'object' ? target.types.replace('./dist/', '').replace('.d.ts', '.ts') : entry
  const path = join(source, file)
  if (existsSync(path)) return path
  const names = Object.keys(subpaths).filter((name) => typeof subpaths[name] === 'object')
  console.error(
    `There is no entry ${entry}. Entries: ${names.map((name) => name.slice(2) || '.').join(', ')}.`,
  )
  process.exit(2)
}

/** Every file an entry reaches, by its import lines; sources here always name `.ts` files. */
function reach(entries: readonly string[]): string[] {
  const seen = new Set<string>()
  const open = entries.map(fileOf)
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (seen.has(file)) continue
    seen.add(file)
    const text = readFileSync(file, 'utf8')
    for (const [, path = ''] of text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+\.ts)'/g))
      open.push(resolve(dirname(file), path))
  }
  return [...seen].sort()
}

function copyOf(file: string): string {
  return LICENCE + readFileSync(file, 'utf8')
}

function vendor(entries: readonly string[], out: string): void {
  const files: Record<string, string> = {}
  for (const file of reach(entries)) {
    const name = relative(source, file)
    const text = copyOf(file)
    mkdirSync(dirname(join(out, name)), { recursive: true })
    writeFileSync(join(out, name), text)
    files[name] = hash(text)
  }
  const manifest: Manifest = { version, entries: [...entries], files }
  writeFileSync(join(out, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`)
  console.log(`${Object.keys(files).length} files in ${out}`)
}

function check(out: string): number {
  const path = join(out, MANIFEST)
  if (!existsSync(path)) {
    console.error(`There is no ${MANIFEST} in ${out}: nothing was vendored there.`)
    return 2
  }
  const { entries, files } = JSON.parse(readFileSync(path, 'utf8')) as Manifest
  let problems = 0
  const tell = (what: string, name: string): void => {
    problems++
    console.log(`${what}: ${name}`)
  }
  const needed = new Set(reach(entries).map((file) => relative(source, file)))
  for (const [name, digest] of Object.entries(files)) {
    const copy = join(out, name)
    if (!existsSync(copy)) tell('missing', name)
    else if (hash(readFileSync(copy, 'utf8')) !== digest) tell('changed by hand', name)
    else if (!needed.has(name)) tell('no longer needed', name)
    else if (hash(copyOf(join(source, name))) !== digest) tell('behind', name)
  }
  for (const name of needed) if (files[name] === undefined) tell('new', name)
  console.log(
    problems === 0
      ? `${Object.keys(files).length} files, all as vendored and up to date`
      : `${problems} differences`,
  )
  return problems === 0 ? 0 : 1
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: 'string' }, check: { type: 'string' } },
})
if (values.check !== undefined) process.exitCode = check(values.check)
else if (values.out === undefined || positionals.length === 0) {
  console.error('usage: npm run vendor -- <entry…> --out <folder>   |   npm run vendor -- --check <folder>')
  process.exitCode = 2
} else vendor(positionals, values.out)
