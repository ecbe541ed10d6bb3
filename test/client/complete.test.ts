import { afterEach, describe, expect, test, vi } from 'vitest'
import { complete, createClient, embed, LlmError, stream, tool } from '../../src/index.ts'
import { ollama } from '../../src/providers/ollama.ts'
import type { Options } from '../../src/types.ts'
import { answerOf } from '../server.ts'

/** Keys of the machine that runs the tests must not choose the provider. */
const NO_KEYS = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) => /_(?:API_)?(?:KEY|TOKEN)$/.test(name))
    .map((name) => [name, undefined]),
)
afterEach(() => vi.unstubAllEnvs())

function recorder() {
  const urls: string[] = []
  const fetch = async (url: unknown): Promise<Response> => {
    urls.push(String(url))
    return new Response(answerOf('ok'))
  }
  return { urls, fetch: fetch as typeof globalThis.fetch }
}

describe('the root', () => {
  test('a key in env chooses its provider; what answered is in the completion', async () => {
    const { urls, fetch } = recorder()
    const { text, provider } = await complete('hi', {
      env: { ...NO_KEYS, GROQ_API_KEY: 'gsk_test_key' },
      fetch,
    })
    expect([text, provider]).toEqual(['ok', 'groq'])
    expect(new URL(urls[0]!).host).toBe('api.groq.com')
  })

  test('a provider before the slash of the model', async () => {
    const { urls, fetch } = recorder()
    const run = stream('hi', { model: 'deepseek/deepseek-flash', apiKey: 'sk-test-key', fetch })
    expect((await run.completion).provider).toBe('deepseek')
    expect(new URL(urls[0]!).host).toBe('api.deepseek.com')
  })

  test('no key anywhere is a config error that names the variables', async () => {
    for (const name of Object.keys(NO_KEYS)) vi.stubEnv(name, '')
    await expect(complete('hi', { env: {} })).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringMatching(/OPENAI_API_KEY.*ANTHROPIC_API_KEY/s),
    })
  })

  test('an unknown provider and an unknown model say what is known', async () => {
    await expect(complete('hi', { provider: 'nobody' })).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringContaining('anthropic'),
    })
    await expect(complete('hi', { model: 'nobody-knows-1' })).rejects.toMatchObject({ kind: 'config' })
  })

  test('stream() never throws, complete() and embed() reject', async () => {
    const run = stream('', { provider: 'nobody' })
    await expect(run.completion).rejects.toMatchObject({ kind: 'config' })
    const calls = [complete(undefined as never), embed([]), embed('x', { provider: 'nobody' })]
    for (const call of calls) await expect(call).rejects.toSatisfy((error) => LlmError.is(error))
  })

  test('a codec may be passed instead of a name', async () => {
    const line = JSON.stringify({
      model: 'm',
      message: { role: 'assistant', content: 'hi' },
      done: true,
      done_reason: 'stop',
    })
    const fetch = (async () => new Response(`${line}\n`)) as typeof globalThis.fetch
    expect((await complete('hi', { provider: ollama(), model: 'm', fetch })).text).toBe('hi')
  })
})

describe('a client', () => {
  test('binds options; naming another provider leaves its key and address behind', async () => {
    const { urls, fetch } = recorder()
    const headers: unknown[] = []
    const client = createClient({
      provider: 'groq',
      apiKey: 'gsk_first_key',
      model: 'openai/gpt-oss-120b',
      fetch: (async (url, init) => {
        headers.push(init?.headers)
        return fetch(url, init)
      }) as typeof globalThis.fetch,
    })
    await client.complete('hi')
    await client.complete('hi', { provider: 'deepseek', apiKey: 'sk-second-key' })
    expect(urls.map((url) => new URL(url).host)).toEqual(['api.groq.com', 'api.deepseek.com'])
    expect(JSON.stringify(headers[0])).toContain('gsk_first_key')
    expect(JSON.stringify(headers[1])).not.toContain('gsk_first_key')
  })

  test('a chat codec cannot embed, and says what to pass', async () => {
    await expect(embed('x', { provider: ollama() })).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringContaining('embedding'),
    })
  })

  test('embeds through the registry, with a model that embeds and not the one that chats', async () => {
    const bodies: string[] = []
    const fetch = (async (_url: unknown, init?: RequestInit) => {
      bodies.push(String(init?.body))
      return new Response(
        JSON.stringify({
          data: [{ index: 0, embedding: [1, 2] }],
          usage: { prompt_tokens: 1, total_tokens: 1 },
          model: 'e',
        }),
      )
    }) as typeof globalThis.fetch
    const options: Options = { provider: 'mistral', apiKey: 'test-key-1', model: 'mistral-large-4', fetch }
    const { embeddings, provider } = await createClient(options).embed(['x'])
    expect([...embeddings[0]!]).toEqual([1, 2])
    expect(provider).toBe('mistral')
    expect(bodies[0]).not.toContain('mistral-large-4')
  })
})

test('tool() is at the root', () => {
  expect(tool({ name: 'a', inputSchema: { type: 'object' } })).toMatchObject({ name: 'a' })
})
