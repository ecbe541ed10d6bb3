import { afterEach, describe, expect, test } from 'vitest'
import type { LlmError } from '../../src/errors.ts'
import { checkResponse, connectionError, fetchTransport, neverSent } from '../../src/http/transport.ts'
import type { HttpRequest, HttpResponse } from '../../src/provider.ts'

const live = (): AbortSignal => new AbortController().signal
const request = (headers: Record<string, string> = {}, url = 'http://127.0.0.1:9/v1'): HttpRequest => ({
  method: 'POST',
  url,
  headers,
  body: '{}',
})

/** What fetch was called with. */
async function sent(headers: Record<string, string>): Promise<RequestInit> {
  let seen: RequestInit | undefined
  const fetch = async (_: unknown, init?: RequestInit): Promise<Response> => {
    seen = init
    return new Response('')
  }
  await fetchTransport(fetch as typeof globalThis.fetch).send(request(headers), { signal: live() })
  return seen!
}

describe('what is sent', () => {
  test('method, headers, body, signal, and never a redirect followed', async () => {
    const init = await sent({ 'x-a': '1' })
    expect(init).toMatchObject({ method: 'POST', headers: [['x-a', '1']], body: '{}', redirect: 'manual' })
  })

  afterEach(() => {
    delete (Object.prototype as Record<string, unknown>)['redirect']
    delete (Object.prototype as Record<string, unknown>)['dispatcher']
    delete (Object.prototype as Record<string, unknown>)['x-evil']
  })

  test('row 112: a polluted Object.prototype adds nothing', async () => {
    Object.assign(Object.prototype, { redirect: 'follow', dispatcher: {}, 'x-evil': '1' })
    const init = await sent({ 'x-a': '1' })
    expect(init.redirect).toBe('manual')
    expect('dispatcher' in init).toBe(false)
    expect(init.headers).toEqual([['x-a', '1']])
  })

  test('fetch is called as a plain function', async () => {
    const calledOn: unknown[] = []
    async function fetch(this: unknown): Promise<Response> {
      calledOn.push(this)
      return new Response('')
    }
    await fetchTransport(fetch as typeof globalThis.fetch).send(request(), { signal: live() })
    expect(calledOn).toEqual([undefined])
  })
})

describe('a runtime without fetch', () => {
  const own = globalThis.fetch
  afterEach(() => {
    globalThis.fetch = own
  })

  test('is told what to pass, and is not tried again', async () => {
    Reflect.deleteProperty(globalThis, 'fetch')
    const sent = fetchTransport().send(request(), { signal: live() })
    await expect(sent).rejects.toMatchObject({ kind: 'config', retryable: false })
    await expect(sent).rejects.toThrow(/pass one as the option fetch/)
  })

  test('works with one that is passed', async () => {
    Reflect.deleteProperty(globalThis, 'fetch')
    const transport = fetchTransport(async () => new Response('here'))
    const response = await transport.send(request(), { signal: live() })
    expect(response.status).toBe(200)
  })

  test('a fetch that is no function is refused alike', async () => {
    const transport = fetchTransport('fetch' as never)
    await expect(transport.send(request(), { signal: live() })).rejects.toMatchObject({ kind: 'config' })
  })
})

describe('rows 98 and 99: headers are checked before Headers sees them', () => {
  test.each([
    ['a line break', { 'x-api-key': 'sk-1\nX-Evil: 1' }],
    ['a carriage return', { 'x-api-key': 'sk-1\r\n' }],
    ['NUL', { 'x-api-key': 'sk-1\0' }],
    ['a curly quote', { 'x-api-key': 'sk-1’' }],
    ['an ellipsis', { 'x-api-key': 'sk-…' }],
    ['a byte order mark', { 'x-api-key': '\uFEFFsk-1' }],
    ['something that is no string', { 'x-api-key': undefined as never }],
  ])('a value with %s', async (_, headers) => {
    const error = (await fetchTransport()
      .send(request(headers), { signal: live() })
      .catch((thrown: unknown) => thrown)) as LlmError
    expect(error).toMatchObject({ kind: 'config' })
    expect(error.message).toContain('x-api-key')
    expect(error.message).not.toContain('sk-')
  })
  test.each([
    'x evil',
    'x\r\ny',
    '',
    'ключ',
    '__proto__',
    'Host',
    'content-length',
    'Transfer-Encoding',
    'connection',
  ])('the name %j', async (name) => {
    const headers = Object.fromEntries([[name, 'v']])
    await expect(fetchTransport().send(request(headers), { signal: live() })).rejects.toMatchObject({
      kind: 'config',
    })
  })
})

describe('failures are told apart by code, never by message', () => {
  const coded = (code: string): Error =>
    new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code }) })
  test.each([
    ['ENOTFOUND', 'connect', 'connect', true, true],
    ['EAI_AGAIN', 'connect', 'connect', true, true],
    ['ECONNREFUSED', 'connect', 'connect', true, true],
    ['ECONNRESET', 'connect', 'connect', true, false],
    ['UND_ERR_SOCKET', 'connect', 'connect', true, false],
    ['UND_ERR_CONNECT_TIMEOUT', 'timeout', 'connect', true, true],
    ['UND_ERR_HEADERS_TIMEOUT', 'timeout', 'headers', true, false],
    ['UND_ERR_BODY_TIMEOUT', 'timeout', 'idle', true, false],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'connect', 'connect', false, true],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'connect', 'connect', false, true],
    ['CERT_HAS_EXPIRED', 'connect', 'connect', false, true],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'connect', 'connect', false, true],
    ['HPE_INVALID_CONSTANT', 'protocol', 'headers', true, false],
    ['HPE_UNEXPECTED_CONTENT_LENGTH', 'protocol', 'headers', false, false],
    ['UND_ERR_HEADERS_OVERFLOW', 'protocol', 'headers', false, false],
    ['SOMETHING_NEW', 'connect', 'connect', true, false],
  ] as const)('%s', (code, kind, phase, retryable, unsent) => {
    const error = connectionError('https://api.example.com/v1?key=1', coded(code))
    expect(error).toMatchObject({ kind, phase, retryable, code })
    expect(error.message).toContain('api.example.com')
    expect(error.message).not.toContain('key=')
    expect(neverSent(error)).toBe(unsent)
  })
  test('happy eyeballs: one code per address', () => {
    const both = new AggregateError([Object.assign(new Error('a'), { code: 'ECONNREFUSED' })])
    expect(connectionError('http://h/', new TypeError('fetch failed', { cause: both })).code).toBe(
      'ECONNREFUSED',
    )
  })
  test.each([new Error('Network connection lost.'), 'a string', undefined, null, 42, { odd: true }])(
    'no code at all (%s) is a lost connection',
    (thrown) =>
      expect(connectionError('http://h/', thrown)).toMatchObject({ kind: 'connect', retryable: true }),
  )
})

describe('responses', () => {
  const check = (response: unknown): HttpResponse =>
    checkResponse(response as HttpResponse, 'https://api.example.com/v1')
  test.each([undefined, null, 'text', {}, { status: 200 }, { status: '200', headers: new Headers() }])(
    'row 89: %j is none',
    (garbage) => expect(() => check(garbage)).toThrow(expect.objectContaining({ kind: 'protocol' })),
  )
  test.each([301, 302, 303, 307, 308])('a %d is refused and told with the origin it points at', (status) => {
    const headers = new Headers({ location: 'https://evil.example/path?token=secret' })
    expect(() => check({ status, headers, body: null })).toThrow(
      expect.objectContaining({
        kind: 'redirect',
        status,
        message: expect.stringMatching(/https:\/\/evil\.example\./),
      }),
    )
    expect(() => check({ status, headers, body: null })).not.toThrow(/secret/)
  })
  test('how browsers show a redirect they did not follow', () => {
    expect(() => check({ status: 0, type: 'opaqueredirect', headers: new Headers(), body: null })).toThrow(
      expect.objectContaining({ kind: 'redirect' }),
    )
  })
  test('a location that is no URL', () => {
    const headers = new Headers({ location: 'http://[' })
    expect(() => check({ status: 302, headers, body: null })).toThrow(/another address/)
  })
})
