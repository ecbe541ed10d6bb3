/**
 * What a program may do to this library from outside: run it where newer APIs are missing, mangle it, load it twice.
 *
 * In:  bundles of src/, as a consumer's bundler makes them. The runtimes themselves are `npm run test:runtimes`.
 */

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import type { BuildOptions } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer } from '../scripts/runtimes/server.ts'
import type { MatrixServer } from '../scripts/runtimes/server.ts'
import type { Report } from '../scripts/runtimes/suite.ts'
import { tinyLosses } from '../scripts/runtimes/suite.ts'
import { root } from './programs.ts'

let folder = ''
let server: MatrixServer

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bundles-'))
  const { vectors } = JSON.parse(readFileSync(join(root, 'fixtures/tokens/vectors.json'), 'utf8')) as {
    vectors: { text: string; ids: { cl100k_base: string } }[]
  }
  const ids = (list: string): number[] => (list === '' ? [] : list.split(' ').map(Number))
  server = await startServer({
    vectors: vectors.map((vector) => ({ text: vector.text, ids: ids(vector.ids.cl100k_base) })),
    losses: tinyLosses(),
    pages: {},
  })
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function bundle(name: string, entry: string, options: BuildOptions = {}): Promise<string> {
  const outfile = join(folder, `${name}.mjs`)
  const source = { contents: entry, resolveDir: root, loader: 'ts' as const }
  await build({ stdin: source, bundle: true, format: 'esm', target: 'es2022', outfile, ...options })
  return pathToFileURL(outfile).href
}

/** Runs the suite of the runtime matrix in a process of its own. */
async function suite(url: string, before = ''): Promise<Report> {
  const program = join(folder, `main-${Math.random()}.mjs`)
  writeFileSync(
    program,
    `${before}
     const { runSuite } = await import(${JSON.stringify(url)})
     console.log(JSON.stringify(await runSuite(${JSON.stringify(server.url)})))`,
  )
  const output = await new Promise<string>((resolve, reject) => {
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (data) => (text += String(data)))
    child.on('error', reject)
    child.on('close', () => resolve(text))
  })
  return JSON.parse(output) as Report
}

const SUITE = `export { runSuite } from './scripts/runtimes/suite.ts'`
const failed = ({ rows }: Report): unknown[] => rows.filter(({ problem }) => problem !== undefined)

/** Missing on one or another runtime that is supported, or newer than all of them. */
const MISSING: readonly [owner: string, name: string][] = [
  ['AbortSignal', 'any'],
  ['ReadableStream', 'from'],
  ['ReadableStream.prototype', 'values'],
  ['Promise', 'withResolvers'],
  ['Promise', 'try'],
  ['Uint8Array', 'fromBase64'],
  ['Uint8Array.prototype', 'toBase64'],
  ['Array', 'fromAsync'],
  ['Object', 'groupBy'],
  ['Map', 'groupBy'],
  ['globalThis', 'CompressionStream'],
  ['globalThis', 'DecompressionStream'],
  ['process', 'getBuiltinModule'],
]

describe('a runtime without what some runtimes have', () => {
  it('passes the whole suite', async () => {
    const url = await bundle('plain', SUITE)
    const remove = MISSING.map(
      ([owner, name]) => `
        delete ${owner}.${name}
        if (${owner}.${name} !== undefined) throw new Error('${owner}.${name} is still there')`,
    )
    // Node's own fetch is loaded first: it may use what it likes.
    const report = await suite(
      url,
      `await (await fetch('${server.url}/losses')).text()\n${remove.join('\n')}`,
    )
    expect(failed(report)).toEqual([])
    expect(report.rows.length).toBeGreaterThanOrEqual(18)
  })
})

describe('a bundler that mangles', () => {
  it('passes the whole suite minified, with no name kept', async () => {
    const url = await bundle('mangled', SUITE, { minify: true, keepNames: false, legalComments: 'none' })
    const report = await suite(url)
    expect(failed(report)).toEqual([])
    expect(report.rows.length).toBeGreaterThanOrEqual(18)
  })
})

describe('two copies in one process', () => {
  const COPY = `
    export { LlmError, createClient } from './src/index.ts'
    export { createRouter } from './src/route/index.ts'
    export { fake } from './src/adapters/testing.ts'
    export { fromSSE } from './src/sse.ts'
    export { runTools } from './src/tools/index.ts'`
  type Copy = typeof import('../src/index.ts') &
    Pick<typeof import('../src/route/index.ts'), 'createRouter'> &
    Pick<typeof import('../src/adapters/testing.ts'), 'fake'> &
    Pick<typeof import('../src/sse.ts'), 'fromSSE'> &
    Pick<typeof import('../src/tools/index.ts'), 'runTools'>
  let one: Copy
  let other: Copy

  beforeAll(async () => {
    one = (await import(await bundle('one', COPY))) as Copy
    other = (await import(await bundle('other', COPY, { minify: true }))) as Copy
  })

  it('are two', () => expect(one.LlmError).not.toBe(other.LlmError))

  it("know each other's errors, by their brand", async () => {
    const client = one.createClient({ ...one.fake([{ error: { status: 401 } }]) })
    const error: unknown = await client.complete('hi').catch((thrown: unknown) => thrown)
    expect(error).not.toBeInstanceOf(other.LlmError)
    expect(other.LlmError.is(error)).toBe(true)
    expect(other.LlmError.is(error) && error.kind).toBe('auth')
    expect(other.LlmError.fromJSON((error as { toJSON(): unknown }).toJSON()).kind).toBe('auth')
  })

  it("take each other's codecs and transports, and read their failures", async () => {
    const client = other.createClient({
      ...one.fake([{ error: { status: 503 } }, 'second']),
      retry: { baseMs: 0 },
    })
    const { text, attempts } = await client.complete('hi')
    expect([text, attempts.length]).toEqual(['second', 2])
  })

  it("route over each other's clients, and fall back on their errors", async () => {
    const broken = one.createClient({ ...one.fake([{ error: { status: 401 } }]), retry: false })
    const sound = one.createClient({ ...one.fake(['from the other copy']) })
    const router = other.createRouter({ targets: [broken, sound], fallbacks: { on: ['auth'] } })
    const { text, attempts } = await router.complete('hi')
    expect(text).toBe('from the other copy')
    expect(attempts).toHaveLength(2)
  })

  it("read each other's streams", async () => {
    const sent = one.createClient({ ...one.fake(['over the wire']) }).stream('hi')
    let text = ''
    for await (const event of other.fromSSE(sent.toSSE())) if (event.type === 'text-delta') text += event.text
    expect(text).toBe('over the wire')
  })
})
