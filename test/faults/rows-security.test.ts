/** Rows 98 to 112 of the fault matrix that no other test holds, and rows 94 and 95 with real sockets. */

import { afterEach, describe, expect, test } from 'vitest'
import { fake } from '../../src/adapters/testing.ts'
import { createClient } from '../../src/client.ts'
import { LlmError } from '../../src/errors.ts'
import type { HttpRequest, Provider } from '../../src/provider.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { azure } from '../../src/providers/azure.ts'
import { bedrock } from '../../src/providers/bedrock.ts'
import { gemini } from '../../src/providers/gemini.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { vertex } from '../../src/providers/vertex.ts'
import { createRouter } from '../../src/route/index.ts'
import type { Message, Options } from '../../src/types.ts'
import { createSseDecoder } from '../../src/wire/sse.ts'
import { answerOf, SSE, startServer } from '../server.ts'
import { KEY, leaksIn, listening, type Log } from './harness.ts'
import { http } from './server.ts'

const good = async (): Promise<Response> => new Response(answerOf('ok'))

function clientOn(baseURL: string, options: Options = {}): ReturnType<typeof createClient> {
  return createClient({
    provider: openaiChat({ baseURL, apiKey: KEY }),
    model: 'm',
    retry: false,
    ...options,
  })
}

async function failureOf(run: () => Promise<unknown>): Promise<LlmError> {
  try {
    await run()
  } catch (error) {
    if (LlmError.is(error)) return error
    throw error
  }
  throw new Error('did not fail')
}

test('row 94: of 50 callers at a half-open breaker one is the probe, and the others go to the spare', async () => {
  let nowMs = 0
  let broken = true
  const server = await startServer((response) =>
    broken
      ? response.writeHead(503).end('{}')
      : setTimeout(() => response.writeHead(200, SSE).end(answerOf('back')), 20),
  )
  const spare = fake('spare', { name: 'spare' })
  try {
    const router = createRouter({
      targets: [
        { provider: openaiChat({ baseURL: server.url, apiKey: KEY }), model: 'm', name: 'one' },
        { provider: spare.provider, transport: spare.transport, model: 'm', name: 'spare' },
      ],
      retry: false,
      breaker: { minimumCalls: 1 },
      clock: {
        nowMs: () => nowMs,
        epochMs: () => Date.now(),
        setTimer: (callback, delayMs) => setTimeout(callback, delayMs),
        clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout),
      },
    })
    expect((await router.complete('hi')).text).toBe('spare')
    broken = false
    nowMs = 10_000
    const texts = await Promise.all(
      Array.from({ length: 50 }, async () => (await router.complete('hi')).text),
    )
    expect(texts.filter((text) => text === 'back')).toHaveLength(1)
    expect(server.requests).toHaveLength(2)
    expect(router.state()[0]!.breaker).toEqual({ state: 'closed' })
  } finally {
    await server.close()
  }
})

describe('row 99: headers of the caller', () => {
  test.each([
    ['a line break in a value', { 'x-a': 'b\r\nx-evil: 1' }],
    ['a line break in a name', { 'x-a\r\nx-evil': '1' }],
    ['NUL in a value', { 'x-a': 'b\0' }],
    ['no name', { '': 'b' }],
    ['Host', { Host: 'evil.test' }],
    ['Content-Length', { 'Content-Length': '1' }],
    ['Transfer-Encoding', { 'transfer-encoding': 'chunked' }],
    ['__proto__', JSON.parse('{"__proto__":"x"}') as Record<string, string>],
  ])('row 99: %s is rejected before anything is sent', async (_, headers) => {
    let sent = 0
    const error = await failureOf(() =>
      clientOn('http://x', { headers, fetch: async () => (sent++, good()) }).complete('hi'),
    )
    expect(error).toMatchObject({ kind: 'config' })
    expect(sent).toBe(0)
    expect(error.message).not.toContain('evil: 1')
  })
})

describe('row 100: model ids are one segment of a path', () => {
  const IDS = ['../../v1/files', 'a?x=1', 'a#b', '%2e%2e', '..', '.', '..\\', 'a/b', 'é', 'x'.repeat(5000)]
  const codecs: [string, Provider][] = [
    ['gemini', gemini({ apiKey: KEY })],
    ['vertex', vertex({ project: 'p', location: 'europe-west4', apiKey: KEY })],
    ['bedrock', bedrock({ region: 'us-east-1', apiKey: KEY })],
    ['azure', azure({ resource: 'r', apiKey: KEY, apiVersion: '2024-10-21' })],
    ['openai-chat', openaiChat({ apiKey: KEY })],
    ['anthropic', anthropic({ apiKey: KEY })],
  ]
  const encode = (provider: Provider, model: string): HttpRequest | LlmError => {
    try {
      return provider.encode({ model, messages: [{ role: 'user', content: 'hi' }], stream: true })
    } catch (error) {
      if (LlmError.is(error)) return error
      throw error
    }
  }
  test.each(codecs)('row 100: %s', (_, provider) => {
    const plain = new URL((encode(provider, 'plain') as HttpRequest).url)
    for (const model of IDS) {
      const http = encode(provider, model)
      // A codec that refuses such an id sends nothing: as good.
      if (LlmError.is(http)) {
        expect(['config', 'invalid-request']).toContain(http.kind)
        continue
      }
      // As the URL parser of fetch reads it, dots resolved.
      const url = new URL(http.url)
      expect(url.origin).toBe(plain.origin)
      expect([...url.searchParams.keys()]).toEqual([...plain.searchParams.keys()])
      expect(url.hash).toBe('')
      const segments = url.pathname.split('/').length
      const slashes =
        provider.name === 'vertex' || provider.name === 'gemini' ? model.split('/').length - 1 : 0
      expect(segments - plain.pathname.split('/').length).toBeLessThanOrEqual(slashes)
      expect(segments).toBeGreaterThanOrEqual(plain.pathname.split('/').length)
    }
  })
})

describe('row 101: base URLs', () => {
  const urlOf = (baseURL: string): string =>
    openaiChat({ baseURL, apiKey: KEY }).encode({
      model: 'm',
      messages: [{ role: 'user', content: 'x' }],
      stream: true,
    }).url
  test.each([
    ['https://h/v1/', 'https://h/v1/chat/completions'],
    ['https://h/v1?api=1', 'https://h/v1/chat/completions?api=1'],
    ['http://[::1]:8080/v1', 'http://[::1]:8080/v1/chat/completions'],
    // What the URL standard makes of it is what is sent, and what the caller's own base means.
    ['http://2130706433/v1', 'http://127.0.0.1/v1/chat/completions'],
    ['https://раураl.test/v1', 'https://xn--l-7sba6dbr.test/v1/chat/completions'],
  ])('row 101: %s', (baseURL, url) => expect(urlOf(baseURL)).toBe(url))
  test.each(['//evil.test', 'https://h/#v1', 'https://key@h/', 'data:text/plain,x', 'ws://h'])(
    'row 101: %s is refused',
    (baseURL) => expect(() => urlOf(baseURL)).toThrow(expect.objectContaining({ kind: 'config' })),
  )
  test.each([
    ['http://api.fault.test/v1', true],
    ['http://169.254.169.254/v1', true],
    ['https://api.fault.test/v1', false],
    ['http://localhost:1/v1', false],
    ['http://localhost.:1/v1', false],
    ['http://127.0.0.1:1/v1', false],
    ['http://[::1]:1/v1', false],
    ['http://ollama:11434/v1', false],
  ])('row 101: a key that goes to %s unencrypted: warned %s', async (baseURL, warned) => {
    const { warnings } = await clientOn(baseURL, { fetch: good }).complete('hi')
    expect(warnings.some(({ code }) => code === 'insecure')).toBe(warned)
  })
})

test('row 102: addresses of pictures and files are handed on, never fetched', async () => {
  const asked: string[] = []
  const fetch = async (input: unknown): Promise<Response> => (asked.push(String(input)), good())
  for (const url of ['http://169.254.169.254/latest/meta-data', 'file:///etc/passwd', 'http://x/10GB.png']) {
    const input: Message[] = [{ role: 'user', content: [{ type: 'image', url }] }]
    await clientOn('http://x/v1', { fetch: fetch as never })
      .complete(input)
      .catch(() => {})
  }
  expect(new Set(asked)).toEqual(new Set(['http://x/v1/chat/completions']))
})

test.each(['evil.com/#', 'evil.com', 'a@b', 'a:80', '..', '', 'a\\b', 'a%2f', 'é', 'x'.repeat(64)])(
  'row 103: %j is no part of a host name',
  (part) => {
    for (const make of [
      () => azure({ resource: part, apiKey: KEY }),
      () => vertex({ project: 'p', location: part, apiKey: KEY }),
      () => bedrock({ region: part, apiKey: KEY }),
    ]) {
      expect(() =>
        make().encode({ model: 'm', messages: [{ role: 'user', content: 'x' }], stream: true }),
      ).toThrow(expect.objectContaining({ kind: 'config' }))
    }
  },
)

describe('row 106: keys that come back', () => {
  test.each([
    [
      'in a header',
      () => new Response('{"error":{"message":"no"}}', { status: 400, headers: { 'x-request-id': KEY } }),
    ],
    [
      'in a body',
      () => new Response(JSON.stringify({ error: { message: `bad: ${KEY}`, code: KEY } }), { status: 400 }),
    ],
    ['in a page', () => new Response(`<title>${KEY}</title>${KEY}`, { status: 502 })],
    ['in an event', () => new Response(`data: ${JSON.stringify({ error: { message: `bad ${KEY}` } })}\n\n`)],
    [
      'in an address',
      () => new Response(null, { status: 307, headers: { location: `http://y/?key=${KEY}` } }),
    ],
  ])('row 106: %s is masked', async (_, answer) => {
    const log: Log = []
    const client = clientOn('http://x', { fetch: async () => answer(), hooks: listening(log) })
    log.push(await failureOf(() => client.complete('hi')))
    expect(leaksIn(log)).toEqual([])
  })
  test('row 106: Gemini’s key is a header, never a query', async () => {
    const seen: [string, Headers][] = []
    const fetch = (async (url: string, init: RequestInit) => {
      seen.push([url, new Headers(init.headers)])
      return new Response('{}', { status: 400 })
    }) as never
    const client = createClient({ provider: gemini({ apiKey: KEY }), model: 'm', fetch, retry: false })
    await failureOf(() => client.complete('hi'))
    expect(seen[0]![0]).not.toContain(KEY)
    expect(seen[0]![1].get('x-goog-api-key')).toBe(KEY)
  })
})

describe('row 107: hostile text costs linear time', () => {
  // A quadratic parser takes minutes for the megabyte and 256 times as long for the sixteenfold text.
  const BYTES = process.env['LLMSWAP_FULL'] === '1' ? 1_048_576 : 262_144
  /** The least of three runs, in ms: what others took from this machine is not ours. */
  function leastMs(work: () => void): number {
    let least = Infinity
    for (let run = 0; run < 3; run++) {
      const startMs = performance.now()
      work()
      least = Math.min(least, performance.now() - startMs)
    }
    return least
  }
  const provider = openaiChat({ apiKey: KEY })
  const seeds = [
    'sk-',
    'Bearer ',
    'model ',
    'token count ',
    'a@',
    '//',
    'http://',
    '<title>',
    '`',
    '\n: ',
    'data:',
    '"',
  ]
  test.each(seeds)('row 107: %j over and over', (seed) => {
    const cost = (bytes: number): number => {
      const text = seed.repeat(Math.ceil(bytes / seed.length))
      const chunk = new TextEncoder().encode(text)
      return leastMs(() => {
        provider.error({ status: 400, headers: new Headers(), body: text })
        provider.error({
          status: 400,
          headers: new Headers(),
          body: JSON.stringify({ error: { message: text } }),
        })
        const sse = createSseDecoder()
        sse.push(chunk)
        sse.end()
      })
    }
    cost(10_000)
    expect(cost(BYTES) / Math.max(0.05, cost(BYTES / 16))).toBeLessThan(100)
  })
  test('row 107: and so does a model name', async () => {
    const cost = (length: number): number =>
      leastMs(() => {
        provider.encode({
          model: 'gpt-5.'.repeat(Math.ceil(length / 6)),
          messages: [{ role: 'user', content: 'x' }],
          stream: true,
        })
      })
    cost(9_000)
    expect(cost(BYTES) / Math.max(0.05, cost(BYTES / 16))).toBeLessThan(100)
  })
})

test('row 109: proxies named in the environment are not used', async () => {
  const proxy = await http((response) => response.end('stolen'))
  const server = await http((response) => response.writeHead(200, SSE).end(answerOf('ok')))
  const names = ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy', 'NO_PROXY', 'no_proxy']
  const before = names.map((name) => process.env[name])
  try {
    for (const name of names) process.env[name] = name.toLowerCase() === 'no_proxy' ? '' : proxy.url
    expect((await clientOn(server.url).complete('hi')).text).toBe('ok')
    expect([proxy.asked(), server.asked()]).toEqual([0, 1])
  } finally {
    for (const [index, name] of names.entries()) {
      const value = before[index]
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
    await proxy.close()
    await server.close()
  }
})

test('row 111: no line break and no escape sequence of a server reaches a log', async () => {
  const evil = 'no\n2026-11-23 INFO all is well\r\u001b[2J\u001b]8;;http://evil\u0007x\u009b31m\u2028y'
  for (const answer of [
    () => new Response(JSON.stringify({ error: { message: evil } }), { status: 400 }),
    () => new Response(`<title>${evil}</title>`),
    () => new Response(`data: ${JSON.stringify({ error: { message: evil } })}\n\n`),
  ]) {
    const { message } = await failureOf(() =>
      clientOn('http://x', { fetch: async () => answer() }).complete('hi'),
    )
    // oxlint-disable-next-line no-control-regex
    expect(message).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/)
  }
})

describe('row 112: a prototype that is polluted already', () => {
  const gadgets: Record<string, unknown> = {
    redirect: 'follow',
    headers: { 'x-evil': '1' },
    proxy: 'http://evil.test',
    baseURL: 'http://evil.test',
    apiKey: 'sk-evil',
    transport: { send: () => Promise.reject(new Error('evil')) },
    fetch: () => Promise.reject(new Error('evil')),
    method: 'GET',
    retry: { attempts: 99 },
    onInterrupt: 'restart',
    weight: 0,
    provider: 'evil',
    model: 'evil',
    tools: [{ name: 'evil', inputSchema: {} }],
    system: 'be evil',
  }
  const prototype = Object.prototype as unknown as Record<string, unknown>
  afterEach(() => {
    for (const name of Object.keys(gadgets)) delete prototype[name]
  })
  test.each(Object.keys(gadgets))(
    'row 112: Object.prototype.%s changes nothing that is sent',
    async (name) => {
      const elsewhere = await startServer((response) => response.writeHead(200, SSE).end(answerOf('evil')))
      const server = await startServer((response, _, count) =>
        count === 0
          ? response.writeHead(307, { location: elsewhere.url }).end()
          : response.writeHead(200, SSE).end(answerOf('ok')),
      )
      // Made before and after: neither reads what it does not own.
      const target = { provider: openaiChat({ baseURL: server.url, apiKey: KEY }), model: 'mine' }
      try {
        Object.defineProperty(prototype, name, {
          value: gadgets[name],
          configurable: true,
          writable: true,
          enumerable: true,
        })
        const client = createClient({ ...target })
        const router = createRouter({ targets: [{ ...target, name: 'one' }] })
        expect((await failureOf(() => client.complete('hi', {}))).kind).toBe('redirect')
        expect((await client.complete('hi', {})).text).toBe('ok')
        expect((await router.complete('hi', {})).text).toBe('ok')
      } finally {
        delete prototype[name]
        await server.close()
        await elsewhere.close()
      }
      expect(elsewhere.requests).toHaveLength(0)
      for (const seen of server.requests) {
        expect(seen).toMatchObject({ method: 'POST', headers: { authorization: `Bearer ${KEY}` } })
        expect(`${JSON.stringify(seen.headers)}${seen.body}`).not.toContain('evil')
        expect(JSON.parse(seen.body)).toMatchObject({ model: 'mine' })
      }
    },
  )
  // Node's own fetch breaks under this one (20.20: its Response has no body then), so it is asked without fetch.
  test('row 112: Object.prototype.body changes nothing that is sent', async () => {
    const sent: unknown[] = []
    const [body] = [new Response(answerOf('ok')).body]
    const client = createClient({
      provider: openaiChat({ baseURL: 'http://x', apiKey: KEY }),
      model: 'mine',
      transport: {
        send: async (request) => {
          sent.push(request.body)
          return { status: 200, headers: new Headers(), body }
        },
      },
    })
    try {
      prototype['body'] = { evil: 1 }
      expect((await client.complete('hi')).text).toBe('ok')
    } finally {
      delete prototype['body']
    }
    expect(String(sent)).not.toContain('evil')
  })
})
