/** The worked example of CONTRIBUTING: its row is a vendor, and does what the text says. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { compatible } from '../src/providers/compatible.ts'
import type { Vendor } from '../src/providers/compatible.ts'
import { createClient } from '../src/client.ts'
import { openPrograms, root } from './programs.ts'
import type { Programs } from './programs.ts'

const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8')
let programs: Programs
let row: Vendor

beforeAll(async () => {
  programs = await openPrograms()
  const block = /```ts\n([\s\S]*?)```/.exec(text)?.[1]
  const file = await programs.bundle({ text: `export const rows = {${block}}`, name: 'row.ts' }, 'neutral')
  row = ((await import(file)) as { rows: { acme: Vendor } }).rows.acme
})
afterAll(() => programs.close())

it('is a row that works: its address, its fields, its warning, its thoughts', async () => {
  let sent: { url: string; body: Record<string, unknown> } | undefined
  const answer = {
    choices: [
      { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: '<think>hm</think>yes' } },
    ],
  }
  const { baseURL, dialect, defaultModel } = row
  const client = createClient({
    provider: compatible({ name: 'acme', baseURL, dialect, ...(defaultModel ? { defaultModel } : {}) }),
    wire: 'json',
    fetch: async (url, init) => {
      sent = { url: String(url), body: JSON.parse(String(init?.body)) as Record<string, unknown> }
      return Response.json(answer)
    },
  })
  const completion = await client.complete('hi', { seed: 7, maxTokens: 5, logprobs: true })
  expect(sent?.url).toBe('https://api.acme.example/v1/chat/completions')
  expect(sent?.body).toMatchObject({ model: 'acme-large-2', max_tokens: 5, random_seed: 7 })
  expect(sent?.body).not.toHaveProperty('logprobs')
  expect(completion.warnings.map(({ field }) => field)).toEqual(['logprobs'])
  expect([completion.text, completion.reasoning]).toEqual(['yes', 'hm'])
  expect(row.keyNames).toEqual(['ACME_API_KEY'])
})

it('fits one screen, and names only files that exist', () => {
  expect(text.split('\n').length).toBeLessThan(60)
  for (const [, path = ''] of text.matchAll(/\]\(([^)#:]+)\)/g))
    expect(existsSync(join(root, path)), path).toBe(true)
  for (const [, path = ''] of text.matchAll(/`((?:src|test|scripts)\/[\w/-]+\.ts)`/g))
    expect(existsSync(join(root, path)), path).toBe(true)
})
