/** Rows 47 and 51 to 62 of the fault matrix: what a 200 may hold, each over a real socket. */

import { deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { createClient } from '../../src/client.ts'
import { ollama } from '../../src/providers/ollama.ts'
import { answerOf, chunk, ENDING, frame, SSE, until } from '../server.ts'
import { FAST, run, withServer } from './fixture.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const whole = (content: string): string =>
  JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    model: 'test-model',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
  })

describe('row 47', () => {
  test('row 47: 204 and an empty 200 are protocol errors, tried once more', async () => {
    for (const status of [204, 200]) {
      await withServer(
        (response) => response.writeHead(status, SSE).end(),
        async (server, client) => {
          const { error } = await run(client({ retry: FAST }))
          expect(error).toMatchObject({ kind: 'protocol' })
          expect(server.requests).toHaveLength(2)
        },
      )
    }
  })
  test('row 47: a body of blanks is an empty one', async () => {
    await withServer(
      (response) => response.writeHead(200, SSE).end('\n\n   \r\n'),
      async (_, client) => expect((await run(client())).error).toMatchObject({ kind: 'protocol' }),
    )
  })
  test('row 47: comments alone are no answer', async () => {
    await withServer(
      (response) => response.writeHead(200, SSE).end(': one\n\n: two\n\n'),
      async (_, client) => {
        const { error } = await run(client())
        expect(['protocol', 'interrupted']).toContain(error?.kind)
      },
    )
  })
  test('row 47: plain text is no answer', async () => {
    await withServer(
      (response) => response.writeHead(200).end('Internal proxy failure'),
      async (_, client) => expect((await run(client())).error).toMatchObject({ kind: 'protocol' }),
    )
  })
})

describe('row 51', () => {
  test('row 51: a 200 that holds an error is that error, and is retried when it may be', async () => {
    await withServer(
      (response, _, count) => {
        response.writeHead(200, JSON_TYPE)
        response.end(
          count === 0
            ? JSON.stringify({ error: { message: 'Provider overloaded', code: 503 } })
            : whole('fine'),
        )
      },
      async (server, client) => {
        expect((await run(client({ retry: FAST }))).text).toBe('fine')
        expect(server.requests).toHaveLength(2)
      },
    )
  })
  test.each([
    [{ error: { message: 'Rate limit exceeded', code: 429 } }, 'rate-limit'],
    [{ error: { message: 'bad', type: 'invalid_request_error', code: 400 } }, 'invalid-request'],
    [{ object: 'error', message: 'Unauthorized', type: 'authentication_error', code: 401 }, 'auth'],
  ])('row 51: %j', async (body, kind) => {
    await withServer(
      (response) => response.writeHead(200, JSON_TYPE).end(JSON.stringify(body)),
      async (_, client) => expect((await run(client())).error).toMatchObject({ kind }),
    )
  })
  test('row 51: "error": null is none', async () => {
    await withServer(
      (response) =>
        response.writeHead(200, JSON_TYPE).end(JSON.stringify({ ...JSON.parse(whole('ok')), error: null })),
      async (_, client) => expect((await run(client())).text).toBe('ok'),
    )
  })
})

describe('row 52', () => {
  test('row 52: a web page is a protocol error with its title, not an empty success', async () => {
    await withServer(
      (response) =>
        response
          .writeHead(200, { 'content-type': 'text/html' })
          .end('\n<!DOCTYPE html><html><head><title>Sign in to\n Corp</title></head><body>…'),
      async (_, client) => {
        for (const wire of ['auto', 'json'] as const) {
          const { error } = await run(client(), { wire })
          expect(error).toMatchObject({ kind: 'protocol', retryable: false })
          expect(error?.message).toContain('Sign in to Corp')
        }
      },
    )
  })
  test('row 52: the snippet of a page is at most 200 characters and holds no key', async () => {
    await withServer(
      (response, seen) =>
        response.writeHead(200).end(`<p>${seen.headers.authorization} ${'x'.repeat(100_000)}</p>`),
      async (_, client) => expect((await run(client())).error!.message.length).toBeLessThan(400),
    )
  })
  test('row 52: a wrong content type does not matter', async () => {
    await withServer(
      (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end(whole('ok')),
      async (_, client) => expect((await run(client(), { wire: 'json' })).text).toBe('ok'),
    )
    await withServer(
      (response) => response.writeHead(200, { 'content-type': 'text/html' }).end(answerOf('ok')),
      async (_, client) => expect((await run(client())).text).toBe('ok'),
    )
  })
})

describe('row 53', () => {
  test('row 53: asked for a stream and got JSON; asked for JSON and got a stream', async () => {
    await withServer(
      (response) => response.writeHead(200, SSE).end(whole('whole')),
      async (_, client) => {
        const { text, completion } = await run(client())
        expect(text).toBe('whole')
        expect(completion).toMatchObject({ finishReason: 'stop', usage: { inputTokens: 5, outputTokens: 2 } })
      },
    )
    await withServer(
      (response) => response.writeHead(200, JSON_TYPE).end(answerOf('str', 'eam')),
      async (_, client) => {
        const { text, completion } = await run(client(), { wire: 'json' })
        expect(text).toBe('stream')
        expect(completion).toMatchObject({ finishReason: 'stop', usage: { inputTokens: 5, outputTokens: 2 } })
      },
    )
  })
  test('row 53: NDJSON asked as JSON', async () => {
    const lines =
      JSON.stringify({ model: 'm', message: { role: 'assistant', content: 'a' }, done: false }) +
      '\n' +
      JSON.stringify({
        model: 'm',
        message: { role: 'assistant', content: 'b' },
        done: true,
        done_reason: 'stop',
      }) +
      '\n'
    await withServer(
      (response) => response.writeHead(200).end(lines),
      async (server) => {
        const client = createClient({ provider: ollama({ baseURL: server.url }), model: 'm', retry: false })
        expect((await run(client)).text).toBe('ab')
        expect((await run(client, { wire: 'json' })).text).toBe('ab')
      },
    )
  })
})

describe('row 54', () => {
  test.each([
    ['a byte order mark', '\uFEFF', ''],
    ['blank lines and spaces', '\n\n  \n', ''],
    ['both', '\uFEFF \n', '\n\n'],
  ])('row 54: %s around the JSON', async (_, before, after) => {
    await withServer(
      (response) => response.writeHead(200, JSON_TYPE).end(before + whole('ok') + after),
      async (_server, client) => expect((await run(client(), { wire: 'json' })).text).toBe('ok'),
    )
  })
  test('row 54: a byte order mark that arrives byte by byte before a stream', async () => {
    await withServer(
      async (response) => {
        response.writeHead(200, SSE)
        for (const byte of Buffer.from(`\uFEFF${answerOf('ok')}`).subarray(0, 20)) {
          response.write(Buffer.from([byte]))
          await new Promise((resolve) => setTimeout(resolve, 1))
        }
        response.end(Buffer.from(`\uFEFF${answerOf('ok')}`).subarray(20))
      },
      async (_server, client) => expect((await run(client())).text).toBe('ok'),
    )
  })
  test.each([
    ['not JSON', '{"choices": [nope]}'],
    ['cut short', whole('secret answer').slice(0, -10)],
    ['trailing garbage', `${whole('secret answer')}garbage`],
  ])('row 54: %s is a protocol error that does not quote the payload', async (_, body) => {
    await withServer(
      (response) => response.writeHead(200, JSON_TYPE).end(body),
      async (_server, client) => {
        const { error } = await run(client(), { wire: 'json' })
        expect(error).toMatchObject({ kind: 'protocol' })
        expect(error!.message).not.toMatch(/secret|nope|garbage/)
      },
    )
  })
})

describe('row 55', () => {
  test.each([
    ['100,000 arrays deep', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['100,000 objects deep', '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000)],
    ['1e999', '{"choices":[{"message":{"content":"x"},"index":1e999}],"usage":{"prompt_tokens":1e999}}'],
    ['duplicate keys', '{"choices":1,"choices":[]}'],
  ])('row 55: %s never crashes', async (_, body) => {
    await withServer(
      (response) => response.writeHead(200, JSON_TYPE).end(body),
      async (_server, client) => {
        const { error, completion } = await run(client(), { wire: 'json' })
        expect(error !== undefined || completion !== undefined).toBe(true)
      },
    )
  })
  test('row 55: deep JSON in a frame', async () => {
    await withServer(
      (response) =>
        response.writeHead(200, SSE).end(`data: ${'['.repeat(100_000)}${']'.repeat(100_000)}\n\n`),
      async (_server, client) => expect((await run(client())).error).toBeDefined(),
    )
  })
})

describe('row 56', () => {
  test('row 56: nothing in an answer reaches Object.prototype', async () => {
    const evil =
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"model":"__proto__","choices":' +
      '[{"index":0,"delta":{"__proto__":{"tool_calls":[{"index":0,"id":"x","function":{"name":"evil","arguments":"{}"}}]},' +
      '"content":"hi"}}],"usage":{"__proto__":{"prompt_tokens":99}}}'
    await withServer(
      (response) => response.writeHead(200, SSE).end(`data: ${evil}\n\n${ENDING}`),
      async (_server, client) => {
        const { text, completion } = await run(client())
        expect(text).toBe('hi')
        expect(completion?.toolCalls).toEqual([])
        expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
      },
    )
  })
})

describe('row 57', () => {
  const call = (args: string): string =>
    frame({
      id: 'c',
      model: 'm',
      choices: [
        {
          index: 0,
          delta: { tool_calls: [{ index: 0, id: 'call_1', function: { name: 'f', arguments: args } }] },
        },
      ],
    }) +
    frame({ id: 'c', model: 'm', choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] }) +
    'data: [DONE]\n\n'
  test.each([['not json'], ['{"a":'], ['[1]'], ['"text"'], ['NaN'], [`{"a":"${'x'.repeat(1_000_000)}"`]])(
    'row 57: arguments %.20s are flagged with their raw text, not thrown and not run',
    async (args) => {
      await withServer(
        (response) => response.writeHead(200, SSE).end(call(args)),
        async (_server, client) => {
          const { completion, error } = await run(client())
          expect(error).toBeUndefined()
          expect(completion?.toolCalls).toEqual([
            { id: 'call_1', name: 'f', invalid: { raw: args, reason: expect.any(String) } },
          ])
        },
      )
    },
  )
})

describe('row 58', () => {
  test('row 58: a body shorter than its content-length is interrupted', async () => {
    await withServer(
      (response) => {
        const body = chunk('Hello')
        response.writeHead(200, { ...SSE, 'content-length': String(body.length + 100) })
        response.write(body)
        setTimeout(() => response.socket?.end(), 20)
      },
      async (_server, client) => {
        const { text, error } = await run(client())
        expect(text).toBe('Hello')
        expect(error).toMatchObject({ kind: 'interrupted', partial: { text: 'Hello' } })
      },
    )
  })
  test('row 58: extra bytes after the content-length are ignored', async () => {
    await withServer(
      (response) => {
        const body = answerOf('Hello')
        response.socket?.write(
          `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: ${body.length}\r\n\r\n${body}EXTRA`,
        )
      },
      async (_server, client) => expect((await run(client())).text).toBe('Hello'),
    )
  })
})

describe('row 59', () => {
  test('row 59: corrupt and truncated gzip are interrupted, not a short success', async () => {
    const packed = gzipSync(
      Array.from({ length: 200 }, (_, n) => chunk(`word${n * 7919} `)).join('') + ENDING,
    )
    const corrupt = Buffer.from(packed)
    corrupt.fill(0xff, packed.length >> 1, (packed.length >> 1) + 50)
    for (const body of [corrupt, packed.subarray(0, packed.length >> 1)]) {
      await withServer(
        (response) => response.writeHead(200, { ...SSE, 'content-encoding': 'gzip' }).end(body),
        async (_server, client) => expect((await run(client())).error).toMatchObject({ kind: 'interrupted' }),
      )
    }
  })
  test('row 59: sound gzip is read, although none was asked for', async () => {
    await withServer(
      (response) =>
        response.writeHead(200, { ...SSE, 'content-encoding': 'gzip' }).end(gzipSync(answerOf('zip'))),
      async (_server, client) => expect((await run(client())).text).toBe('zip'),
    )
  })
})

describe('row 60', () => {
  test('row 60: a bomb stops at the cap of decoded bytes, with memory flat', async () => {
    const bomb = gzipSync(Buffer.concat([Buffer.from('data: "'), Buffer.alloc(200_000_000, 'x')]))
    await withServer(
      (response) => response.writeHead(200, { ...SSE, 'content-encoding': 'gzip' }).end(bomb),
      async (_server, client) => {
        const before = process.memoryUsage().rss
        const { error } = await run(client({ limits: { responseBytes: 4_000_000 } }))
        expect(error).toMatchObject({ kind: 'too-large', retryable: false })
        expect(process.memoryUsage().rss - before).toBeLessThan(64_000_000)
      },
    )
  })
  test('row 60: a chain of a hundred encodings', async () => {
    let body = Buffer.from(answerOf('x'))
    for (let layer = 0; layer < 100; layer++) body = deflateSync(body)
    await withServer(
      (response) =>
        response
          .writeHead(200, {
            ...SSE,
            'content-encoding': Array.from({ length: 100 }, () => 'deflate').join(', '),
          })
          .end(body),
      async (_server, client) => {
        const { error, text } = await run(client())
        expect(error !== undefined || text === 'x').toBe(true)
      },
    )
  })
})

describe('row 61', () => {
  test('row 61: of an endless error body 64 KiB are read, then the socket closes', async () => {
    let written = 0
    await withServer(
      (response) => {
        response.writeHead(400, JSON_TYPE)
        const pump = (): void => {
          while (!response.destroyed && written < 1_000_000_000) {
            written += 65_536
            if (!response.write(Buffer.alloc(65_536, 0x20))) return void response.once('drain', pump)
          }
        }
        pump()
      },
      async (server, client) => {
        expect((await run(client())).error).toMatchObject({ kind: 'invalid-request', status: 400 })
        await until('the response to be given up', () => server.aborted === 1)
        expect(written).toBeLessThan(100_000_000)
      },
    )
  })
})

describe('row 62', () => {
  test('row 62: a bad chunk size in the middle is interrupted, with the text before it', async () => {
    await withServer(
      (response) => {
        const body = chunk('Hello')
        response.socket?.write(
          'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n' +
            `${body.length.toString(16)}\r\n${body}\r\n`,
        )
        setTimeout(() => response.socket?.write('ZZZ\r\nmore'), 30)
      },
      async (_server, client) => {
        const { text, error } = await run(client())
        expect(text).toBe('Hello')
        expect(error).toMatchObject({ kind: 'interrupted', partial: { text: 'Hello' } })
      },
    )
  })
})
