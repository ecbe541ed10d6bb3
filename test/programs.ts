/**
 * Runs programs as their readers would, with the model replaced by a server on loopback.
 *
 * In:  TypeScript that imports `llmswap`. Out: what it printed.
 * A preloaded module sends whatever goes to a provider's host to the mock instead; the programs are not touched. Nothing
 * listens on Ollama's port, so that a program which looks there first has to go on.
 */

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { LLMock } from '@copilotkit/aimock'
import { build } from 'esbuild'

/** The repository's root. */
export const root: string = resolve(import.meta.dirname, '..')

/** What a program left behind. */
export interface Ran {
  code: number | null
  out: string
  err: string
}

/** A mock and a folder to run programs with. */
export interface Programs {
  mock: LLMock
  /** Absolute path of the module that redirects fetch. */
  preload: string
  folder: string
  /** Bundles a file, or the text of one; gives the path of the result. */
  bundle(
    source: { file: string } | { text: string; name: string },
    platform?: 'node' | 'neutral',
    external?: string[],
  ): Promise<string>
  run(
    program: string,
    options?: { args?: string[]; input?: string; preloads?: string[]; cwd?: string; direct?: boolean },
  ): Promise<Ran>
  close(): Promise<void>
}

const KEYS = { OPENAI_API_KEY: 'k', ANTHROPIC_API_KEY: 'k', GEMINI_API_KEY: 'k', GROQ_API_KEY: 'k' }

export async function openPrograms(): Promise<Programs> {
  const folder = mkdtempSync(join(tmpdir(), 'programs-'))
  const mock = new LLMock({ port: 0 })
  await mock.start()
  const preload = join(folder, 'preload.mjs')
  writeFileSync(
    preload,
    `const own = globalThis.fetch
     globalThis.fetch = (url, init) => {
       const asked = new URL(url)
       if (asked.port === '11434') return Promise.reject(new TypeError('fetch failed'))
       return own(new URL(asked.pathname + asked.search, ${JSON.stringify(mock.url)}), init)
     }`,
  )
  return {
    mock,
    preload,
    folder,
    async bundle(source, platform = 'node', external = []) {
      const name = 'file' in source ? source.file.replace(/^.*\//, '') : source.name
      const outfile = join(folder, name.replace(/\.ts$/, '.mjs'))
      await build({
        ...('file' in source
          ? { entryPoints: [source.file] }
          : { stdin: { contents: source.text, resolveDir: root, loader: 'ts' as const } }),
        bundle: true,
        platform,
        format: 'esm',
        outfile,
        external,
        tsconfig: join(root, 'tsconfig.json'),
      })
      return outfile
    },
    run(program, { args = [], input = '', preloads = [], cwd = root, direct = false } = {}) {
      const imports = [...(direct ? [] : [preload]), ...preloads].flatMap((file) => ['--import', file])
      return new Promise((done) => {
        const child = spawn(process.execPath, [...imports, program, ...args], {
          cwd,
          env: { PATH: process.env['PATH'], ...KEYS },
        })
        let out = ''
        let err = ''
        child.stdout.on('data', (data) => (out += String(data)))
        child.stderr.on('data', (data) => (err += String(data)))
        child.stdin.end(input)
        child.on('close', (code) => done({ code, out, err }))
      })
    },
    async close() {
      await mock.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
