/**
 * src/ → dist/: compiled by tsc, then joined into few files.
 *
 * In:  src/**.ts. Out: dist/ with declarations of every source file, and the JavaScript of every subpath, with maps into src/.
 * Before anything is written the sources are checked once without Node's typings, so that `process` or `Buffer` cannot slip
 * into a file that runs on the edge.
 * Node pays about as much for finding, reading and linking a module as for compiling 10 kB of one, and `llmswap` is 91 of
 * them: joined into GROUPS it loads in a quarter of the time. No code is in two files, and what a bundler keeps of an import
 * is the same (scripts/package/run.ts compares): only files are joined, nothing is rewritten or minified.
 */

import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')

/** Each group is what its entries reach and no group before it has. The rest is joined with the entries that need it. */
const GROUPS: readonly { name: string; entries: readonly string[] }[] = [
  { name: 'wire', entries: ['wire/sse.js', 'wire/ndjson.js'] },
  { name: 'stream', entries: ['sse.js', 'stream/json.js'] },
  { name: 'client', entries: ['client.js'] },
  { name: 'providers', entries: ['index.js'] },
]

function tsc(project: string): void {
  const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}

/** Files below dist/ that `file` loads, itself included. `import()` is not followed: what it names is loaded later. */
function reach(file: string, seen: Set<string> = new Set()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  const imports = /^(?:import|export)\b[^'";]*?(?:from )?'(\.[^']+)'/gm
  for (const [, path = ''] of readFileSync(file, 'utf8').matchAll(imports))
    reach(resolve(dirname(file), path), seen)
  return seen
}

/** Every module of the package, below dist/. */
function entryFiles(): string[] {
  const { exports, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { default: string }>
    bin: Record<string, string>
  }
  const modules = Object.values(exports).flatMap((target) =>
    typeof target === 'string' ? [] : [target.default],
  )
  return [...modules, ...Object.values(bin)].map((target) => target.replace('./dist/', ''))
}

async function joinFiles(): Promise<void> {
  const groupOf = new Map<string, string>()
  for (const { name, entries } of GROUPS)
    for (const entry of entries)
      for (const file of reach(join(dist, entry))) if (!groupOf.has(file)) groupOf.set(file, name)

  const bundle = await rolldown({
    input: Object.fromEntries(entryFiles().map((file) => [file.replace(/\.js$/, ''), join(dist, file)])),
    external: [/^node:/, 'undici'],
    platform: 'neutral',
    // Joined files may export more than they did, to each other; the files of subpaths that are in a group do not.
    preserveEntrySignatures: 'allow-extension',
    plugins: [
      {
        name: 'the maps of tsc',
        load: (file) => ({ code: readFileSync(file, 'utf8'), map: readFileSync(`${file}.map`, 'utf8') }),
      },
    ],
  })
  const joined = `${dist}.joined`
  rmSync(joined, { recursive: true, force: true })
  await bundle.write({
    dir: joined,
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name].js',
    sourcemap: true,
    // What the comments say is in src/ and in the declarations; bundlers need their own.
    comments: { legal: false, jsdoc: false, annotation: true },
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: GROUPS.map(({ name }) => ({ name, test: (file) => groupOf.get(file) === name })),
    },
  })
  for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' }))
    if (/\.js(?:\.map)?$/.test(name)) rmSync(join(dist, name))
  cpSync(joined, dist, { recursive: true })
  rmSync(joined, { recursive: true })
}

tsc('scripts/tsconfig.edge.json')
rmSync(dist, { recursive: true, force: true })
tsc('scripts/tsconfig.build.json')
await joinFiles()
