import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { compatible, vendor, VENDORS } from '../../src/providers/compatible.ts'
import { ask } from './codec.ts'

const EXPECTED = (
  'alibaba cerebras deepseek fireworks github groq huggingface llamacpp lmstudio minimax moonshot nvidia ' +
  'openrouter perplexity sarvam sglang together vllm xai zai'
).split(' ')

describe('the table of vendors', () => {
  it('has its twenty rows', () => {
    expect(Object.keys(VENDORS).sort()).toEqual(EXPECTED)
  })

  it.each(Object.entries(VENDORS))('%s: https with a key, or a machine of one’s own without', (name, row) => {
    const url = new URL(row.baseURL)
    expect(url.protocol).toBe(row.keyOptional === true ? 'http:' : 'https:')
    expect(row.keyOptional === true).toBe(url.hostname === 'localhost')
    expect(row.baseURL.endsWith('/')).toBe(false)
    expect(row.keyNames.length).toBeGreaterThan(0)
    const provider = vendor(name, { apiKey: 'k' })!
    const http = provider.encode(ask())
    expect(http.url).toBe(`${row.baseURL}/chat/completions`)
    expect(provider.defaultModel).toBe(row.defaultModel)
    if (row.keyOptional !== true) expect(row.defaultModel).toBeDefined()
  })

  it('each row has a dated source, and each default model a date', () => {
    const source = readFileSync('src/providers/compatible.ts', 'utf8')
    for (const [name, row] of Object.entries(VENDORS)) {
      const at = source.indexOf(`\n  ${name}: {`)
      expect(source.slice(source.lastIndexOf('\n\n', at), at), name).toMatch(
        /https:\/\/\S+ \((20\d\d-\d\d)\)/,
      )
      if (row.defaultModel === undefined || row.defaultModel === 'default') continue
      const line = source.slice(at).match(/defaultModel: .*\n/)?.[0]
      expect(line, name).toMatch(/\/\/ [MD]/)
    }
  })

  it('an unknown name, and names of the prototype, are no vendors', () => {
    for (const name of ['nobody', '__proto__', 'constructor', 'toString'])
      expect(vendor(name)).toBeUndefined()
  })

  it('headers of the row and of the caller go along, the caller’s last', () => {
    const { headers } = vendor('github', { headers: { 'x-a': 'b', accept: 'application/json' } })!.encode(
      ask(),
    )
    expect(headers).toMatchObject({
      'x-github-api-version': '2022-11-28',
      'x-a': 'b',
      accept: 'application/json',
    })
  })
})

describe('compatible()', () => {
  it('asks any server, without a key unless one is given', async () => {
    const context = {
      nowMs: 0,
      signal: new AbortController().signal,
      transport: { send: () => Promise.reject(new Error('unused')) },
    }
    const open = compatible({ baseURL: 'http://localhost:9/v1/' })
    const http = open.encode(ask({ maxTokens: 5, topK: 2 }))
    expect(http.url).toBe('http://localhost:9/v1/chat/completions')
    expect(JSON.parse(http.body as string)).toMatchObject({ max_tokens: 5, top_k: 2 })
    expect((await open.authorize(http, context)).headers).not.toHaveProperty('authorization')
    const locked = compatible({
      baseURL: 'http://localhost:9/v1',
      apiKey: 'k',
      name: 'mine',
      defaultModel: 'm',
    })
    expect((await locked.authorize(http, context)).headers['authorization']).toBe('Bearer k')
    expect([locked.name, locked.defaultModel]).toEqual(['mine', 'm'])
  })

  it.each(['localhost:9', 'ftp://x.example', 'http://user:hunter2@x.example/v1', 'http://x.example/#a', ''])(
    'the address "%s" is refused, and not quoted',
    (baseURL) => {
      expect(() => compatible({ baseURL }).encode(ask())).toThrow(expect.objectContaining({ kind: 'config' }))
      expect(() => compatible({ baseURL }).encode(ask())).not.toThrow(/hunter2/)
    },
  )

  it('keeps the query of the base, which Azure needs', () => {
    const provider = compatible({ baseURL: 'https://x.example/openai?api-version=2024-10-21' })
    expect(provider.encode(ask()).url).toBe(
      'https://x.example/openai/chat/completions?api-version=2024-10-21',
    )
  })
})
