/**
 * Runs every program in scripts/examples as its reader would, with its model replaced by a server on loopback: a
 * preloaded module sends whatever goes to a provider's host there instead. The programs themselves are not touched.
 */

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { LLMock } from '@copilotkit/aimock'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const folder = join(root, 'scripts/examples')
let work = ''
let mock: LLMock
/** Ollama and llama.cpp are looked for on their own ports; here nothing answers on the first, the mock on the second. */
let preload = ''

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'examples-'))
  mock = new LLMock({ port: 0 })
  mock.onTurn(0, /Berlin/, { toolCalls: [{ name: 'time_now', arguments: '{"timeZone":"Europe/Berlin"}' }] })
  mock.onTurn(1, /Berlin/, { content: 'That is the time in Berlin.' })
  mock.onMessage(/lighthouse/, { content: 'The keeper lit the lamp. A ship turned. Morning came.' })
  mock.onMessage(/INVOICE/, {
    content: JSON.stringify({
      supplier: 'Hahn & Sons',
      total: 119.5,
      currency: 'EUR',
      lines: [{ item: 'service', amount: 119.5 }],
    }),
  })
  mock.onMessage(/prime between/, { content: 'It is 83.' })
  mock.onMessage(/Add 10/, { content: '93 is not prime.' })
  mock.onMessage(/backwards/, { content: '38; the largest is 93.' })
  mock.onMessage(/sky/, { content: 'Rayleigh scattering favours blue.' })
  mock.onMessage(/haiku/, { content: 'Silicon whispers.' })
  await mock.start()
  preload = join(work, 'preload.mjs')
  writeFileSync(
    preload,
    `const own = globalThis.fetch
     globalThis.fetch = (url, init) => {
       const asked = new URL(url)
       if (asked.port === '11434') return Promise.reject(new TypeError('fetch failed'))
       return own(new URL(asked.pathname + asked.search, ${JSON.stringify(mock.url)}), init)
     }`,
  )
})
afterAll(async () => {
  await mock.stop()
  rmSync(work, { recursive: true, force: true })
})

const KEYS = { OPENAI_API_KEY: 'k', ANTHROPIC_API_KEY: 'k', GEMINI_API_KEY: 'k' }

/** Bundles an example for Node; the packages it names are found as its reader would have them. */
async function bundle(name: string, platform: 'node' | 'browser' | 'neutral' = 'node'): Promise<string> {
  const outfile = join(work, name.replace(/\.ts$/, '.mjs'))
  await build({
    entryPoints: [join(folder, name)],
    bundle: true,
    platform,
    format: 'esm',
    outfile,
    tsconfig: join(root, 'tsconfig.json'),
  })
  return outfile
}

interface Ran {
  code: number | null
  out: string
  err: string
}

async function run(name: string, args: string[] = [], input = ''): Promise<Ran> {
  const program = await bundle(name)
  return new Promise((done) => {
    const child = spawn(process.execPath, ['--import', preload, program, ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'], ...KEYS },
    })
    let out = ''
    let err = ''
    child.stdout.on('data', (data) => (out += String(data)))
    child.stderr.on('data', (data) => (err += String(data)))
    child.stdin.end(input)
    child.on('close', (code) => done({ code, out, err }))
  })
}

describe('examples', () => {
  it('are each at most 40 lines', () => {
    for (const name of readdirSync(folder)) {
      expect(readFileSync(join(folder, name), 'utf8').trimEnd().split('\n').length, name).toBeLessThanOrEqual(
        40,
      )
    }
  })

  it('story: streams, then says what it took', async () => {
    const { code, out, err } = await run('story.ts')
    expect(err).toBe('')
    expect(code).toBe(0)
    expect(out).toMatch(
      /^The keeper lit the lamp\. A ship turned\. Morning came\.\n\n.+: \d+ tokens in \d+ ms\n$/,
    )
  })

  it('chat-tools: the model looks at the clock, and knows the answer', async () => {
    const { code, out } = await run('chat-tools.ts', [], 'What time is it in Berlin?\n\n')
    expect(code).toBe(0)
    expect(out).toContain('[time_now {"timeZone":"Europe/Berlin"}]')
    expect(out).toContain('That is the time in Berlin.')
  })

  it('extract: a typed object out of free text', async () => {
    const { code, out, err } = await run('extract.ts', [], 'INVOICE Hahn & Sons, service 119.50 EUR')
    expect(code).toBe(0)
    expect(out).toBe('Hahn & Sons: 119.5 EUR, 1 lines\n')
    expect(err).toContain('"supplier":"Hahn')
  })

  it('swap: one conversation over three providers', async () => {
    const { code, out } = await run('swap.ts')
    expect(code).toBe(0)
    expect(out.split('\n').filter((line) => !line.startsWith('  ('))).toEqual([
      'anthropic: It is 83.',
      'openai: 93 is not prime.',
      'gemini: 38; the largest is 93.',
      '',
    ])
  })

  it('local: goes on to the second server when the first is not running', async () => {
    const { code, out, err } = await run('local.ts')
    expect(err).toBe('ollama is not running.\n')
    expect(out).toBe('Silicon whispers.\n(llamacpp)\n')
    expect(code).toBe(0)
  })

  it('search: ranks notes by meaning', async () => {
    const { code, out } = await run('search.ts', ['Spare keys are with Ms Okafor on the second floor.'])
    expect(code).toBe(0)
    expect(out).toMatch(/^1\.000 {2}Spare keys are with Ms Okafor on the second floor\.\n/)
  })

  it('worker: a proxy for the page, run as the Worker it is', async () => {
    const { default: worker } = (await import(await bundle('worker.ts', 'neutral'))) as {
      default: { fetch(request: Request, env: { ANTHROPIC_API_KEY: string }): Promise<Response> }
    }
    const own = globalThis.fetch
    globalThis.fetch = (url, init) => own(new URL(new URL(String(url)).pathname, mock.url), init)
    try {
      const post = (body: string): Promise<Response> =>
        worker.fetch(new Request('http://w/', { method: 'POST', body }), { ANTHROPIC_API_KEY: 'k' })
      const response = await post('{"prompt":"Why is the sky blue?"}')
      expect(response.headers.get('content-type')).toContain('text/event-stream')
      const text = await response.text()
      expect(text).toContain('"type":"finish"')
      expect(text.match(/"text":"([^"]*)"/g)?.join('')).toContain('Rayleigh')
      expect((await worker.fetch(new Request('http://w/'), { ANTHROPIC_API_KEY: 'k' })).status).toBe(405)
      expect(
        (
          await worker.fetch(new Request('http://w/', { method: 'OPTIONS' }), { ANTHROPIC_API_KEY: 'k' })
        ).headers.get('access-control-allow-origin'),
      ).toBe('*')
    } finally {
      globalThis.fetch = own
    }
  })

  it.each([
    ['deno-server.ts', 'Deno'],
    ['bun-server.ts', 'Bun'],
  ])('%s: answers a request', async (name, runtime) => {
    const program = await bundle(name)
    const shim = join(work, `${runtime}.mjs`)
    // The runtime's server is one function; the runtimes themselves are visited by the runtime matrix.
    writeFileSync(
      shim,
      `globalThis.${runtime} = {
         env: ${runtime === 'Deno' ? '{ get: (name) => process.env[name] }' : 'process.env'},
         serve: async (options, handler = options.fetch) => {
           const response = await handler(new Request('http://s/', { method: 'POST', body: 'Why is the sky blue?' }))
           process.stdout.write(response.headers.get('content-type') + '\\n' + (await response.text()))
         },
       }`,
    )
    const { out } = await new Promise<Ran>((done) => {
      const child = spawn(process.execPath, ['--import', preload, '--import', shim, program], {
        env: { PATH: process.env['PATH'], ...KEYS },
      })
      let text = ''
      child.stdout.on('data', (data) => (text += String(data)))
      child.stderr.on('data', (data) => (text += String(data)))
      child.on('close', (code) => done({ code, out: text, err: '' }))
    })
    expect(out).toContain('Rayleigh')
    expect(out).toContain(runtime === 'Deno' ? 'text/event-stream' : 'text/plain')
  })
})

describe('mcp', () => {
  const modules = join(root, '.cache/examples/node_modules')
  it.skipIf(!existsSync(join(modules, '@modelcontextprotocol/sdk')))(
    'mcp: the tools of a server reach the model, its results come back (skipped: npm run examples:install was not run)',
    async () => {
      const server = join(root, '.cache/examples/server.mjs')
      mkdirSync(join(root, '.cache/examples'), { recursive: true })
      writeFileSync(
        server,
        `import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
       import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
       import { z } from 'zod'
       const server = new McpServer({ name: 's', version: '1.0.0' })
       server.registerTool('add', { description: 'adds', inputSchema: { a: z.number(), b: z.number() } }, async ({ a, b }) => ({ content: [{ type: 'text', text: String(a + b) }] }))
       await server.connect(new StdioServerTransport())`,
      )
      mock.onTurn(0, /2 and 40/, { toolCalls: [{ name: 'add', arguments: '{"a":2,"b":40}' }] })
      mock.onTurn(1, /2 and 40/, { content: 'The server says 42.' })
      const program = join(root, '.cache/examples/mcp.mjs')
      await build({
        entryPoints: [join(folder, 'mcp.ts')],
        bundle: true,
        platform: 'node',
        format: 'esm',
        outfile: program,
        tsconfig: join(root, 'tsconfig.json'),
        external: ['@modelcontextprotocol/*'],
      })
      const out = await new Promise<string>((done) => {
        const child = spawn(process.execPath, ['--import', preload, program, process.execPath, server], {
          env: { PATH: process.env['PATH'], ...KEYS },
        })
        let text = ''
        child.stdout.on('data', (data) => (text += String(data)))
        child.stderr.on('data', (data) => (text += String(data)))
        child.on('close', () => done(text))
      })
      expect(out).toContain('The server says 42.')
    },
  )
})
