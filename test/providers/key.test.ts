import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import type { AuthorizeContext, HttpRequest } from '../../src/provider.ts'
import { keyAuthorize, resolveKey } from '../../src/providers/key.ts'

const http: HttpRequest = { method: 'POST', url: 'https://h/', headers: { accept: '*/*' } }
const context = {
  nowMs: 0,
  signal: new AbortController().signal,
  transport: { send: () => Promise.reject(new Error('unused')) },
} satisfies AuthorizeContext

async function failure(key: unknown): Promise<LlmError> {
  try {
    await resolveKey(key as string, 'openai', ['OPENAI_API_KEY'])
  } catch (error) {
    if (LlmError.is(error)) return error
    throw error
  }
  throw new Error('did not fail')
}

describe('resolveKey, row 98', () => {
  it.each([
    'sk-se cret',
    'sk-secret\r\nX-Evil: 1',
    'sk-sec\0ret',
    'sk-\u201csecret\u201d',
    'sk-secret…',
    'sk\ufeff-secret',
  ])('refuses %j as kind config with the key nowhere in the error', async (key) => {
    const error = await failure(key)
    expect(error.kind).toBe('config')
    expect(JSON.stringify(error) + String(error.stack)).not.toContain('secret')
    expect(error.message).toContain('OPENAI_API_KEY')
  })

  it.each(['', '   ', undefined, null, 7, {}])('treats %j as no key at all', async (key) => {
    expect((await failure(key)).kind).toBe('config')
  })

  it('trims what copying from a terminal adds', async () => {
    await expect(resolveKey(' sk-1\n', 'openai', [])).resolves.toBe('sk-1')
  })

  it('calls a key function, and reports one that fails as kind auth with its cause', async () => {
    await expect(resolveKey(async () => 'sk-2', 'openai', [])).resolves.toBe('sk-2')
    const cause = new Error('vault is down')
    const error = await failure(() => Promise.reject(cause))
    expect(error.kind).toBe('auth')
    expect(error.cause).toBe(cause)
  })
})

describe('keyAuthorize', () => {
  it('adds one header and leaves the request it was given alone', async () => {
    const authorize = keyAuthorize({
      provider: 'p',
      header: 'authorization',
      prefix: 'Bearer ',
      apiKey: 'k',
      keyNames: [],
    })
    const authorized = await authorize(http, context)
    expect(authorized.headers).toEqual({ accept: '*/*', authorization: 'Bearer k' })
    expect(http.headers).toEqual({ accept: '*/*' })
  })

  it('prefers the key of the call, and sends none where none is needed', async () => {
    const authorize = keyAuthorize({ provider: 'p', header: 'x-api-key', apiKey: 'a', keyNames: [] })
    expect((await authorize(http, { ...context, apiKey: 'b' })).headers['x-api-key']).toBe('b')
    const local = keyAuthorize({ provider: 'p', header: 'x-api-key', keyNames: [], optional: true })
    expect(await local(http, context)).toBe(http)
  })
})
