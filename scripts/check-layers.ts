/**
 * Imports only point down: reads every import in src/ and fails when one points up, sideways across a wall, or round.
 *
 * In:  src/**\/*.ts. Out: one line per violation and exit code 1, or one line that says how many imports were checked.
 * The ranks are the architecture: types at the bottom, then pure parsers and HTTP, then codecs, then the client, then
 * what is built from clients. Five walls stand inside the ranks, each named in WALLS with its reason.
 * Not here: what a bundle weighs (check-size.ts).
 */

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const SRC = resolve(dirname(fileURLToPath(import.meta.url)), '../src')

/** First match wins; a file that matches none is itself a violation. */
const RANKS: readonly (readonly [pattern: RegExp, rank: number])[] = [
  [/^(types|errors|provider)\.ts$/, 0],
  // The pages stand on top of everything they show; nothing imports them.
  [/^learn\/pages\//, 5],
  [/^learn\//, 0],
  [/^(schema|request|sse)\.ts$/, 1],
  [/^(wire|stream|http|tokens|cost)\//, 1],
  [/^providers\//, 2],
  [/^(client|complete|verbs)\.ts$/, 3],
  [/^tools\//, 3],
  [/^(route|batch|observe|adapters)\//, 4],
  [/^index\.ts$/, 5],
  [/^cli(\.ts$|\/)/, 5],
]

/** Folders that may import less than their rank allows: `may` lists everything reachable, beside the folder itself. */
const WALLS: readonly { from: RegExp; may: RegExp; why: string }[] = [
  { from: /^providers\//, may: /^(?!http\/)/, why: 'a codec never reaches the network' },
  { from: /^wire\//, may: /^(types|errors|provider)\.ts$/, why: 'a wire parser stands alone' },
  { from: /^tokens\//, may: /^(types|errors|provider)\.ts$/, why: 'the tokenizer stands alone' },
  { from: /^cost\//, may: /^(types|errors|provider)\.ts$/, why: 'prices are data' },
  { from: /^learn\/(?!pages\/)/, may: /^types\.ts$/, why: 'the educational half stands alone' },
]

/** `import … from '…'`, `export … from '…'`, `import('…')`. Type-only ones count for ranks and walls, not for cycles. */
const IMPORT =
  /(?:^|\n)\s*(?:import|export)(\s+type)?\b[^'"\n;]*?(?:\{[^}]*\}[^'"\n;]*?)?from\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g

const NODE_ALLOWED = /^(adapters\/node\.ts|adapters\/(node|file)-[a-z-]+\.ts|cli\.ts|cli\/.*)$/

const files = list(SRC).map((path) => relative(SRC, path).split('\\').join('/'))
const graph = new Map<string, string[]>()
const faults: string[] = []
let checked = 0

for (const file of files) {
  const targets: string[] = []
  graph.set(file, targets)
  if (rankOf(file) === undefined) faults.push(`${file}: has no rank; add it to RANKS or move it`)
  for (const { specifier, typeOnly } of imports(readFileSync(join(SRC, file), 'utf8'))) {
    checked++
    if (!specifier.startsWith('.')) {
      const node = specifier.startsWith('node:')
      if (node && !NODE_ALLOWED.test(file))
        faults.push(`${file}: imports ${specifier}; src/ is Web standards only`)
      if (!node && !file.startsWith('adapters/')) faults.push(`${file}: imports the package ${specifier}`)
      continue
    }
    const target = posix.normalize(posix.join(posix.dirname(file), specifier))
    if (target.startsWith('..')) faults.push(`${file}: imports ${specifier}, which lies outside src/`)
    if (!typeOnly) targets.push(target)
    judge(file, target)
  }
}
for (const cycle of cycles()) faults.push(`cycle: ${cycle.join(' → ')}`)

if (faults.length > 0) {
  console.error(faults.join('\n'))
  console.error(
    `layers: ${faults.length} violation${faults.length === 1 ? '' : 's'} in ${files.length} files`,
  )
  process.exitCode = 1
} else console.log(`layers: ${files.length} files, ${checked} imports, all point down`)

function judge(file: string, target: string): void {
  const from = rankOf(file)
  const to = rankOf(target)
  if (from === undefined || to === undefined) return
  if (to > from) faults.push(`${file} (L${from}) imports ${target} (L${to})`)
  for (const wall of WALLS) {
    if (!wall.from.test(file) || wall.from.test(target) || wall.may.test(target)) continue
    faults.push(`${file} imports ${target}: ${wall.why}`)
  }
  if (target.startsWith('learn/') && !/^(learn|cli)(\/|\.)/.test(file)) {
    faults.push(`${file} imports ${target}: nothing is built on the educational half`)
  }
}

function rankOf(file: string): number | undefined {
  return RANKS.find(([pattern]) => pattern.test(file))?.[1]
}

function imports(source: string): { specifier: string; typeOnly: boolean }[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
  return [...code.matchAll(IMPORT)].map((match) => ({
    specifier: (match[2] ?? match[3] ?? match[4]) as string,
    typeOnly: match[1] !== undefined,
  }))
}

/** Depth-first search; each cycle is reported once, from the file it was entered by. Dynamic imports count; types vanish and do not. */
function cycles(): string[][] {
  const found: string[][] = []
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): void => {
    const at = path.indexOf(file)
    if (at >= 0) {
      found.push([...path.slice(at), file])
      return
    }
    if (done.has(file)) return
    path.push(file)
    for (const target of graph.get(file) ?? []) visit(target)
    path.pop()
    done.add(file)
  }
  for (const file of files) visit(file)
  return found
}

function list(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return list(path)
    return path.endsWith('.ts') ? [path] : []
  })
}
