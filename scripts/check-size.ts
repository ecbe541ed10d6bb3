/**
 * What a program pays for what it imports: bundles each entry, minifies, gzips, compares.
 *
 *     npm run check:size
 *
 * In:  the table ENTRIES. Out: one line per entry; exit code 1 when one is above its ceiling or imports something that is
 *      not in src/ (a package, a `node:` module).
 * Two figures stand against each measurement. The goal is what the project set out to reach; where it is missed the line
 * says by how much. The ceiling is where the entry stands now plus a little: it may only go down.
 * The numbers are bytes after esbuild --minify and gzip -9, as a CDN would send them.
 */

import { gzipSync } from 'node:zlib'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const SRC = resolve(dirname(fileURLToPath(import.meta.url)), '../src')

/** `code` is what a program would write; paths are below src/. Figures in kB of 1,000 bytes. */
export interface Entry {
  name: string
  code: string
  goalKb: number
  ceilingKb: number
  /** Files that are the caller's other imports, and not counted. */
  external?: RegExp
}

/** A program of one provider: the client without the registry, and its codec. */
function clientWith(file: string, factory: string, goalKb: number, ceilingKb: number): Entry {
  return {
    name: `client + ${factory}`,
    code: `
      import { createClient } from './client.ts'
      import { ${factory} } from './providers/${file}.ts'
      export const client = createClient({ provider: ${factory}() })`,
    goalKb,
    ceilingKb,
  }
}

export const ENTRIES: readonly Entry[] = [
  clientWith('openai-chat', 'openaiChat', 12, 42.1),
  clientWith('anthropic', 'anthropic', 12, 39.8),
  clientWith('openai', 'openai', 12, 39.6),
  clientWith('gemini', 'gemini', 12, 39.4),
  clientWith('ollama', 'ollama', 12, 31),
  clientWith('cohere', 'cohere', 12, 32.5),
  clientWith('mistral', 'mistral', 12, 42.4),
  clientWith('compatible', 'compatible', 12, 42.1),
  clientWith('vertex', 'vertex', 12, 46.1),
  clientWith('azure', 'azure', 12, 54),
  clientWith('bedrock', 'bedrock', 15, 46.2),
  { name: 'llmswap', code: `export { complete, stream } from './index.ts'`, goalKb: 34, ceilingKb: 82.1 },
  {
    name: 'llmswap/router',
    code: `export { createRouter } from './route/router.ts'`,
    goalKb: 8,
    ceilingKb: 8,
    // The router alone: whoever routes has a client already.
    external: /(?:client|complete|request|errors|retry|clock|call|run|accumulate)\.ts$/,
  },
  {
    name: 'llmswap/tools',
    code: `export { runTools, tool } from './tools/index.ts'`,
    goalKb: 4,
    ceilingKb: 4,
    // Whoever runs tools has a client already; the loop's own schema.ts is its own.
    external: /\.\.\/(?:client|complete|schema|errors|stream\/added-nulls)\.ts$/,
  },
  {
    name: 'llmswap/sse',
    code: `export { createSseDecoder, sse } from './wire/sse.ts'`,
    goalKb: 1.2,
    ceilingKb: 3.1,
  },
  { name: 'llmswap/partial-json', code: `export * from './stream/json.ts'`, goalKb: 2, ceilingKb: 3.7 },
  { name: 'llmswap/cost', code: `export * from './cost/index.ts'`, goalKb: 15, ceilingKb: 15 },
]

/** What an entry weighs. */
export interface Weight {
  bytes: number
  minified: number
  outside: string[]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  let failed = 0
  for (const entry of ENTRIES) {
    const { bytes, minified, outside } = await measure(entry)
    const over = bytes > entry.ceilingKb * 1000 || outside.length > 0
    if (over) failed++
    const missed =
      bytes > entry.goalKb * 1000
        ? `, ${kB(bytes - entry.goalKb * 1000)} above the goal of ${entry.goalKb}`
        : ''
    console.log(
      `size: ${entry.name.padEnd(21)} ${kB(bytes).padStart(6)} kB gzip (${kB(minified)} minified)${missed}` +
        `${over ? `  OVER the ceiling of ${entry.ceilingKb}` : ''}${outside.length > 0 ? `  IMPORTS ${outside.join(', ')}` : ''}`,
    )
  }
  if (failed > 0) {
    console.error(`size: ${failed} above the ceiling, or with imports from outside`)
    process.exitCode = 1
  }
}

/** Bundles one entry. */
export async function measure({ code, external }: Entry): Promise<Weight> {
  const outside: string[] = []
  const result = await build({
    stdin: { contents: code, resolveDir: SRC, loader: 'ts', sourcefile: 'entry.ts' },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    metafile: true,
    plugins: [
      {
        name: 'nothing-from-outside',
        setup({ onResolve }) {
          if (external !== undefined) {
            onResolve({ filter: external }, ({ path, kind }) =>
              kind === 'entry-point' ? undefined : { path, external: true },
            )
          }
          onResolve({ filter: /^[^.]/ }, ({ path, kind }) => {
            if (kind === 'entry-point') return undefined
            outside.push(path)
            return { path, external: true }
          })
        },
      },
    ],
  })
  const [output] = result.outputFiles
  if (output === undefined) throw new Error('esbuild wrote nothing')
  return { bytes: gzipSync(output.contents, { level: 9 }).length, minified: output.contents.length, outside }
}

function kB(bytes: number): string {
  return (bytes / 1000).toFixed(2)
}
