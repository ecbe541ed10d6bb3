import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { catalog } from '../../src/cost/index.ts'
import { root } from '../programs.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'catalog-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Model {
  id: string
  cost?: { input: number; output: number }
  limit: { context: number; output: number }
}

/** models.dev's form of what is committed now, so that nothing has changed until a test changes it. */
function committed(): Record<string, { models: Record<string, Model> }> {
  const keys: Record<string, string> = {
    gemini: 'google',
    vertex: 'google-vertex',
    bedrock: 'amazon-bedrock',
    together: 'togetherai',
    fireworks: 'fireworks-ai',
    moonshot: 'moonshotai',
  }
  const providers: Record<string, { models: Record<string, Model> }> = {}
  for (const { provider, model, rates, contextTokens = 1, maxOutputTokens = 1 } of catalog.rows()) {
    const { models } = (providers[keys[provider] ?? provider] ??= { models: {} })
    models[model] = {
      id: model,
      cost: { input: Number(rates.input), output: Number(rates.output) },
      limit: { context: contextTokens, output: maxOutputTokens },
    }
  }
  return providers
}

function update(
  data: unknown,
  ...flags: string[]
): { status: number | null; out: string; table: string | undefined } {
  const input = join(folder, 'in.json')
  const output = join(folder, 'out.ts')
  rmSync(output, { force: true })
  writeFileSync(input, JSON.stringify(data))
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/tsx/dist/cli.mjs'),
      join(root, 'scripts/update-catalog.ts'),
      '--models-dev',
      input,
      '--out',
      output,
      '--as-of',
      '2026-12-01',
      ...flags,
    ],
    { encoding: 'utf8' },
  )
  let table: string | undefined
  try {
    table = readFileSync(output, 'utf8')
  } catch {
    // Nothing was written.
  }
  return { status, out: stdout + stderr, table }
}

describe('update-catalog', () => {
  it('writes the table with its date, and reports what is new and what moved', () => {
    const data = committed()
    data['openai']!.models['gpt-7-new'] = {
      id: 'gpt-7-new',
      cost: { input: 1.5, output: 6 },
      limit: { context: 2_000_000, output: 100 },
    }
    const [first] = Object.values(data['anthropic']!.models)
    first!.cost!.input *= 2
    const { status, out, table } = update(data)
    expect(out).toContain('+ openai/gpt-7-new 1.5/6')
    expect(out).toMatch(new RegExp(`~ anthropic/${first!.id} input`))
    expect(status).toBe(0)
    expect(table).toContain("CATALOG_AS_OF = '2026-12-01'")
    expect(table).toContain('gpt-7-new|2000000|100|1.5,6')
  })

  it.each<[string, (data: ReturnType<typeof committed>) => void, RegExp]>([
    ['a negative price', (data) => (Object.values(data['openai']!.models)[0]!.cost!.input = -1), /price -1/],
    [
      'a tenfold price',
      (data) => (Object.values(data['openai']!.models)[0]!.cost!.output *= 11),
      /more than tenfold/,
    ],
    [
      'vanished models',
      (data) => ['openrouter', 'openai', 'azure', 'alibaba'].forEach((key) => delete data[key]),
      /models vanished/,
    ],
  ])('refuses to write after %s, unless forced', (_, change, problem) => {
    const data = committed()
    change(data)
    const refused = update(data)
    expect(refused.out).toMatch(problem)
    expect(refused.status).toBe(1)
    expect(refused.table).toBeUndefined()
    expect(update(data, '--force').table).toBeDefined()
  })
})
