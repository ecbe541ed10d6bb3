/** Every code block of the README, run (see programs.ts), and every file it names, looked for. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serveTiny } from '../scripts/serve-tiny.ts'
import { openPrograms, root } from './programs.ts'
import type { Programs } from './programs.ts'

const readme = readFileSync(join(root, 'README.md'), 'utf8')
const blocks = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, text = '']) => text)
let programs: Programs

beforeAll(async () => {
  programs = await openPrograms()
  const { mock } = programs
  mock.onMessage(/sky/, { content: 'Rayleigh scattering favours blue.' })
  mock.onTurn(0, /Berlin/, { toolCalls: [{ name: 'time_now', arguments: '{"timeZone":"Europe/Berlin"}' }] })
  mock.onTurn(1, /Berlin/, { content: 'That is the time in Berlin.' })
  mock.onMessage(/INVOICE/, { content: JSON.stringify({ supplier: 'Hahn & Sons', total: 119.5 }) })
})
afterAll(() => programs.close())

async function printed(at: number): Promise<string> {
  const program = await programs.bundle({ text: blocks[at]!, name: `block-${at}.ts` })
  const { code, out, err } = await programs.run(program)
  expect(err, blocks[at]).toBe('')
  expect(code).toBe(0)
  return out
}

/** Block number → what it prints. The first is run against the embedded model below, the Worker is called. */
const EXPECTED: Readonly<Record<number, RegExp>> = {
  1: /^Rayleigh scattering favours blue\. \d+ undefined \d\n$/,
  2: /^That is the time in Berlin\.$/,
  3: /Hahn & Sons\n$/,
  4: /^Rayleigh scattering favours blue\. anthropic 1\n$/,
  6: /^second try 2 2\n$/,
  7: /^6 0\.001506\n$/,
}

describe('README', () => {
  it('has eight programs, and each is run here', () => {
    expect(blocks).toHaveLength(8)
  })

  it('prints what it says it prints, from the embedded model', async () => {
    const server = await serveTiny({ port: 0 })
    try {
      const text = blocks[0]!.replace('http://127.0.0.1:8080/v1', server.url)
      const { out } = await programs.run(await programs.bundle({ text, name: 'first.ts' }), { direct: true })
      const shown = /<!-- output -->\n```text\n([\s\S]*?)\n```/.exec(readme)?.[1]
      expect(out.trimEnd()).toBe(shown)
    } finally {
      await server.close()
    }
  })

  it.each(Object.entries(EXPECTED))('block %s does what the text says', async (at, expected) => {
    expect(await printed(Number(at))).toMatch(expected)
  })

  it('the Worker answers with events', async () => {
    const file = await programs.bundle({ text: blocks[5]!, name: 'worker.ts' }, 'neutral')
    const { default: worker } = (await import(file)) as {
      default: { fetch(request: Request, env: { ANTHROPIC_API_KEY: string }): Promise<Response> }
    }
    const own = globalThis.fetch
    globalThis.fetch = (url, init) => own(new URL(new URL(String(url)).pathname, programs.mock.url), init)
    try {
      const request = new Request('http://w/', { method: 'POST', body: 'Why is the sky blue?' })
      const response = await worker.fetch(request, { ANTHROPIC_API_KEY: 'k' })
      expect(await response.text()).toContain('"type":"finish"')
    } finally {
      globalThis.fetch = own
    }
  })

  it('names only files that exist', () => {
    for (const [, path = ''] of readme.matchAll(/\]\(([^)#:]+)\)/g))
      expect(existsSync(join(root, path)), path).toBe(true)
  })
})
