import { execFile, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runtimePath } from '../../scripts/runtimes/install.ts'
import { root } from '../programs.ts'

let folder = ''
let server: Server
let url = ''

/** An Anthropic answer of three events, enough to see a vendored client work. */
const ANSWER = [
  {
    type: 'message_start',
    message: {
      id: 'm1',
      type: 'message',
      role: 'assistant',
      model: 'claude',
      content: [],
      usage: { input_tokens: 1, output_tokens: 1 },
    },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'vendored and alive' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 3 } },
  { type: 'message_stop' },
]
  .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
  .join('')

function vendor(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/tsx/dist/cli.mjs'), join(root, 'scripts/vendor.ts'), ...args],
    { encoding: 'utf8' },
  )
  return { status, output: stdout + stderr }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vendor-'))
  server = createServer((request, response) => {
    request.resume()
    request.on('end', () => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(ANSWER))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  expect(vendor('client', 'anthropic', '--out', folder).status).toBe(0)
  writeFileSync(
    join(folder, 'main.ts'),
    `import { createClient } from './client.ts'
     import { anthropic } from './providers/anthropic.ts'
     const client = createClient({ provider: anthropic({ apiKey: 'k', baseURL: '${url}' }), model: 'claude' })
     console.log((await client.complete('hi')).text)`,
  )
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

it('copies what the entries need, licensed, and nothing else', () => {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  )
  expect(files).toContain('client.ts')
  expect(files).toContain(join('providers', 'anthropic.ts'))
  expect(
    files.filter((name) => /(?:^|[\\/])(?:gemini|registry|route|tokens|learn|cli)(?:[.\\/]|$)/.test(name)),
  ).toEqual([])
  for (const name of files)
    if (name !== 'main.ts') expect(readFileSync(join(folder, name), 'utf8')).toMatch(/^\/\/ llmswap .* MIT/)
})

it('tells what was changed by hand', () => {
  expect(vendor('--check', folder).status).toBe(0)
  appendFileSync(join(folder, 'errors.ts'), '// mine\n')
  const { status, output } = vendor('--check', folder)
  expect(status).toBe(1)
  expect(output).toContain('changed by hand: errors.ts')
  expect(vendor('client', 'anthropic', '--out', folder).status).toBe(0)
})

it('refuses an entry that is none, and names those that are', () => {
  const { status, output } = vendor('nothing', '--out', folder)
  expect(status).toBe(2)
  expect(output).toContain('anthropic')
})

const node24 = runtimePath('node24/bin/node')
const deno = runtimePath('.bin/deno')
const workerd = runtimePath('.bin/workerd')

// Not execFileSync: the server that answers lives in this process.
async function run(program: string, args: string[]): Promise<string> {
  return new Promise((resolve) =>
    execFile(program, args, { cwd: folder, timeout: 60_000 }, (error, stdout, stderr) =>
      resolve(error === null ? stdout : stdout + stderr),
    ),
  )
}

it.skipIf(!existsSync(node24))(
  'runs unbuilt in Node 24 (skipped unless npm run runtimes:install was run)',
  async () => {
    expect(await run(node24, ['main.ts'])).toContain('vendored and alive')
  },
)

it.skipIf(!existsSync(deno))(
  'runs unbuilt in Deno (skipped unless npm run runtimes:install was run)',
  async () => {
    expect(
      await run(deno, ['run', '--no-config', '--no-lock', '--allow-net=127.0.0.1', 'main.ts']),
    ).toContain('vendored and alive')
  },
)

it.skipIf(!existsSync(workerd))(
  'runs in workerd through esbuild (skipped unless npm run runtimes:install was run)',
  async () => {
    writeFileSync(
      join(folder, 'worker.ts'),
      `import { createClient } from './client.ts'
     import { anthropic } from './providers/anthropic.ts'
     export default { async test() {
       const client = createClient({ provider: anthropic({ apiKey: 'k', baseURL: '${url}' }), model: 'claude' })
       console.log((await client.complete('hi')).text)
     } }`,
    )
    await build({
      entryPoints: [join(folder, 'worker.ts')],
      bundle: true,
      format: 'esm',
      outfile: join(folder, 'worker.mjs'),
    })
    writeFileSync(
      join(folder, 'worker.capnp'),
      `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [
  (name = "main", worker = (modules = [(name = "worker", esModule = embed "worker.mjs")], compatibilityDate = "2026-11-01", globalOutbound = "loopback")),
  (name = "loopback", network = (allow = ["127.0.0.1/32"]))
]);`,
    )
    expect(await run(workerd, ['test', 'worker.capnp'])).toContain('vendored and alive')
  },
)
