/**
 * What a program pays for what it imports: bundles each entry, minifies, gzips, compares with a budget.
 *
 * In:  the table ENTRIES. Out: one line per entry, exit code 1 when one is over its budget or imports something that
 *      is not in src/ (a package, a `node:` module).
 * The numbers are bytes after esbuild --minify and gzip -9, as a CDN would send them.
 */

import { gzipSync } from 'node:zlib'
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const SRC = resolve(dirname(fileURLToPath(import.meta.url)), '../src')

/** `code` is what a program would write; paths are below src/. Budgets in kB of 1,000 bytes. */
interface Entry {
  name: string
  code: string
  kB: number
  /** Skipped with a note when this file does not exist. */
  needs: string
}

/** A program of one provider: the client without the registry, and its codec. */
function clientWith(file: string, factory: string, kB: number): Entry {
  return {
    name: `client + ${factory}`,
    code: `
      import { createClient } from './client.ts'
      import { ${factory} } from './providers/${file}.ts'
      export const client = createClient({ provider: ${factory}() })`,
    kB,
    needs: `providers/${file}.ts`,
  }
}

const ENTRIES: readonly Entry[] = [
  { name: 'client alone', code: `export { createClient } from './client.ts'`, kB: 10, needs: 'client.ts' },
  clientWith('openai-chat', 'openaiChat', 12),
  clientWith('anthropic', 'anthropic', 12),
  clientWith('gemini', 'gemini', 12),
  clientWith('ollama', 'ollama', 12),
  clientWith('openai-responses', 'openai', 12),
  clientWith('mistral', 'mistral', 13),
  clientWith('cohere', 'cohere', 13),
  clientWith('bedrock', 'bedrock', 15),
  clientWith('vertex', 'vertex', 16),
  clientWith('azure', 'azure', 13),
  clientWith('compatible', 'compatible', 14),
  { name: 'llmswap', code: `export { complete, stream } from './index.ts'`, kB: 40, needs: 'index.ts' },
  {
    name: 'llmswap/sse',
    code: `export { createSseDecoder, sse } from './wire/sse.ts'`,
    kB: 1.2,
    needs: 'wire/sse.ts',
  },
  {
    name: 'llmswap/ndjson',
    code: `export * from './wire/ndjson.ts'`,
    kB: 1.2,
    needs: 'wire/ndjson.ts',
  },
  { name: 'llmswap/partial-json', code: `export * from './stream/json.ts'`, kB: 2, needs: 'stream/json.ts' },
  {
    name: 'llmswap/router',
    code: `export { createRouter } from './route/router.ts'`,
    kB: 20,
    needs: 'route/router.ts',
  },
]

let failed = 0
for (const entry of ENTRIES) {
  if (!existsSync(resolve(SRC, entry.needs))) {
    console.log(`size: ${entry.name.padEnd(24)} —         (no src/${entry.needs})`)
    continue
  }
  const { bytes, minified, outside } = await measure(entry.code)
  const over = bytes > entry.kB * 1000
  if (over || outside.length > 0) failed++
  console.log(
    `size: ${entry.name.padEnd(24)} ${kB(bytes).padStart(6)} of ${String(entry.kB).padStart(4)} kB gzip` +
      ` (${kB(minified)} kB minified)${over ? '  OVER' : ''}${outside.length > 0 ? `  IMPORTS ${outside.join(', ')}` : ''}`,
  )
}
if (failed > 0) {
  console.error(`size: ${failed} over budget or with imports from outside`)
  process.exitCode = 1
}

async function measure(code: string): Promise<{ bytes: number; minified: number; outside: string[] }> {
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
