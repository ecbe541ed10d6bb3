/** Every program in scripts/examples, run as its reader would run it (see programs.ts). */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPrograms, root } from './programs.ts'
import type { Programs, Ran } from './programs.ts'

const examples = join(root, 'scripts/examples')
let programs: Programs

beforeAll(async () => {
  programs = await openPrograms()
  const { mock } = programs
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
  mock.onTurn(0, /2 and 40/, { toolCalls: [{ name: 'add', arguments: '{"a":2,"b":40}' }] })
  mock.onTurn(1, /2 and 40/, { content: 'The server says 42.' })
})
afterAll(() => programs.close())

async function run(name: string, args: string[] = [], input = ''): Promise<Ran> {
  return programs.run(await programs.bundle({ file: join(examples, name) }), { args, input, cwd: examples })
}

describe('examples', () => {
  it('are each at most 40 lines', () => {
    for (const name of readdirSync(examples)) {
      expect(
        readFileSync(join(examples, name), 'utf8').trimEnd().split('\n').length,
        name,
      ).toBeLessThanOrEqual(40)
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

  it('chat-tools: the model looks at the clock, and answers with it', async () => {
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
    const file = await programs.bundle({ file: join(examples, 'worker.ts') }, 'neutral')
    const { default: worker } = (await import(file)) as {
      default: { fetch(request: Request, env: { ANTHROPIC_API_KEY: string }): Promise<Response> }
    }
    const own = globalThis.fetch
    globalThis.fetch = (url, init) => own(new URL(new URL(String(url)).pathname, programs.mock.url), init)
    try {
      const ask = (init: RequestInit): Promise<Response> =>
        worker.fetch(new Request('http://w/', init), { ANTHROPIC_API_KEY: 'k' })
      const response = await ask({ method: 'POST', body: '{"prompt":"Why is the sky blue?"}' })
      expect(response.headers.get('content-type')).toContain('text/event-stream')
      const text = await response.text()
      expect(text).toContain('"type":"finish"')
      expect(text.match(/"text":"([^"]*)"/g)?.join('')).toContain('Rayleigh')
      expect((await ask({})).status).toBe(405)
      expect((await ask({ method: 'OPTIONS' })).headers.get('access-control-allow-origin')).toBe('*')
    } finally {
      globalThis.fetch = own
    }
  })

  it.each([
    ['deno-server.ts', 'Deno', 'text/event-stream'],
    ['bun-server.ts', 'Bun', 'text/plain'],
  ])('%s: answers a request', async (name, runtime, type) => {
    const shim = join(programs.folder, `${runtime}.mjs`)
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
    const { out } = await programs.run(await programs.bundle({ file: join(examples, name) }), {
      preloads: [shim],
    })
    expect(out).toContain('Rayleigh')
    expect(out).toContain(type)
  })

  const cache = join(root, '.cache/examples')
  const installed = existsSync(join(cache, 'node_modules/@modelcontextprotocol/sdk'))
  it.skipIf(!installed)(
    'mcp: a server’s tools reach the model, its results come back (skipped unless npm run examples:install was run)',
    async () => {
      mkdirSync(cache, { recursive: true })
      const server = join(cache, 'server.mjs')
      writeFileSync(
        server,
        `import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
       import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
       import { z } from 'zod'
       const server = new McpServer({ name: 's', version: '1.0.0' })
       server.registerTool('add', { description: 'adds', inputSchema: { a: z.number(), b: z.number() } },
         async ({ a, b }) => ({ content: [{ type: 'text', text: String(a + b) }] }))
       await server.connect(new StdioServerTransport())`,
      )
      const bundled = await programs.bundle({ file: join(examples, 'mcp.ts') }, 'node', [
        '@modelcontextprotocol/*',
      ])
      const program = join(cache, 'mcp.mjs')
      writeFileSync(program, readFileSync(bundled))
      const { out } = await programs.run(program, { args: [process.execPath, server] })
      expect(out).toContain('The server says 42.')
    },
  )
})
