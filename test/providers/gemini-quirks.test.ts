/**
 * What users of other clients reported about Gemini, Ollama, Cohere and Azure, each by its number, and the faults that
 * a server or a caller may bring about. Most behaviours have tests of their own beside; here they have their names.
 */
import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.ts'
import type { LlmError } from '../../src/errors.ts'
import type { HttpRequest, Provider } from '../../src/provider.ts'
import { azure } from '../../src/providers/azure.ts'
import { cohere } from '../../src/providers/cohere.ts'
import { gemini } from '../../src/providers/gemini.ts'
import { ollama } from '../../src/providers/ollama.ts'
import { vertex } from '../../src/providers/vertex.ts'
import { watsonx } from '../../src/providers/watsonx.ts'
import type { Message, Part, Request } from '../../src/types.ts'
import { ask, run, stream, sum, thrown } from './codec.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const sse = (...payloads: unknown[]): string =>
  payloads.map((payload) => `data: ${JSON.stringify(payload)}\r\n\r\n`).join('')
const parts = (...all: object[]): object => ({ candidates: [{ content: { parts: all } }], responseId: 'r1' })
const stop = (more: object = {}): object => ({ candidates: [{ finishReason: 'STOP' }], ...more })
const line = (more: object): string => `${JSON.stringify({ model: 'm', ...more })}\n`
const body = (provider: Provider, extra: Partial<Request>): Record<string, unknown> =>
  JSON.parse(provider.encode(ask(extra)).body as string) as Record<string, unknown>

const PROVIDERS: [name: string, provider: Provider][] = [
  ['gemini', gemini()],
  ['vertex', vertex({ project: 'p' })],
  ['ollama', ollama()],
  ['cohere', cohere()],
  ['azure', azure({ resource: 'r' })],
  ['watsonx', watsonx({ projectId: 'p' })],
]

describe('Gemini', () => {
  it('quirk 10: a call without arguments has {}', () => {
    const calls = parts({ functionCall: { name: 'now' } }, { functionCall: { name: 'then', args: {} } })
    const { toolCalls } = sum(stream(gemini(), sse(calls, stop())))
    expect(toolCalls.map(({ args }) => args)).toEqual([{}, {}])
  })

  it('quirk 11: STOP with calls means that tools are to be run', () => {
    const { finish } = sum(stream(gemini(), sse(parts({ functionCall: { name: 'now' } }), stop())))
    expect(finish?.finishReason).toBe('tool-calls')
  })

  it('quirk 16: ids are made where none came, kept where they came, and only those go back', () => {
    const calls = parts(
      { functionCall: { name: 'f', args: { n: 1 } } },
      { functionCall: { name: 'f', args: { n: 2 }, id: 'x' } },
    )
    const { toolCalls, parts: content } = sum(stream(gemini(), sse(calls, stop())))
    expect(new Set(toolCalls.map(({ id }) => id)).size).toBe(2)
    const results: Part[] = toolCalls.map(({ id, name }) => ({
      type: 'tool-result',
      id,
      name,
      content: 'ok',
    }))
    const messages: Message[] = [
      { role: 'assistant', content },
      { role: 'tool', content: results },
    ]
    const { contents } = body(gemini(), { model: 'gemini-2.5-flash', messages }) as {
      contents: { parts: object[] }[]
    }
    expect(
      contents.map((content) => content.parts.map((part) => JSON.stringify(part).includes('"id"'))),
    ).toEqual([
      [false, true],
      [false, true],
    ])
  })

  it('quirk 19: usage is cumulative: the last one counts, never the sum', () => {
    const usage = (n: number): object => ({
      usageMetadata: { promptTokenCount: 5, candidatesTokenCount: n, totalTokenCount: 5 + n },
    })
    const text = sse(
      { ...parts({ text: 'a' }), ...usage(1) },
      { ...parts({ text: 'b' }), ...usage(2) },
      stop(usage(3)),
    )
    expect(sum(stream(gemini(), text)).finish?.usage).toEqual({
      inputTokens: 5,
      outputTokens: 3,
      totalTokens: 8,
    })
  })

  it('quirk 33: a signature goes back on the part it came with; unsigned parallel calls stay unsigned', () => {
    const calls = parts(
      { functionCall: { name: 'f', args: {} }, thoughtSignature: 's1' },
      { functionCall: { name: 'g', args: {} } },
    )
    const { parts: content } = sum(stream(gemini(), sse(calls, stop())))
    const { contents } = body(gemini(), {
      model: 'gemini-3.8-flash',
      messages: [{ role: 'assistant', content: JSON.parse(JSON.stringify(content)) as Part[] }],
    }) as { contents: { parts: { thoughtSignature?: string }[] }[] }
    expect(contents[0]?.parts.map(({ thoughtSignature }) => thoughtSignature)).toEqual(['s1', undefined])
  })

  it('quirk 47: MALFORMED_FUNCTION_CALL in an empty 200 is no empty answer', () => {
    const empty = sse({ candidates: [{ content: {}, finishReason: 'MALFORMED_FUNCTION_CALL' }] })
    expect(thrown(() => stream(gemini(), empty))).toMatchObject({ kind: 'invalid-output', retryable: true })
  })

  it('row 77: an error, a block or nothing at all in the stream is never a whole answer', () => {
    const unavailable = sse({ error: { code: 503, status: 'UNAVAILABLE', message: 'overloaded' } })
    expect(thrown(() => run(gemini(), [bytes(unavailable)]))).toMatchObject({ kind: 'overloaded' })
    expect(thrown(() => run(gemini(), [bytes(sse({ candidates: [] }))]))).toMatchObject({
      kind: 'interrupted',
    })
  })

  it('row 83: calls without a name are flagged, ids that repeat are told apart', () => {
    const calls = parts(
      { functionCall: { args: { x: 1 } } },
      { functionCall: { name: 'f', id: 'a' } },
      { functionCall: { name: 'g', id: 'a' } },
    )
    const { toolCalls } = sum(stream(gemini(), sse(calls, stop())))
    expect(toolCalls).toHaveLength(3)
    expect(toolCalls[0]).toHaveProperty('invalid')
    expect(new Set(toolCalls.map(({ id }) => id)).size).toBe(3)
  })

  it('row 84: the model that answered is the one that is reported', () => {
    const events = stream(
      gemini(),
      sse({ ...parts({ text: 'x' }), modelVersion: 'gemini-3.8-flash-001' }, stop()),
    )
    expect(events[0]).toMatchObject({ model: 'gemini-3.8-flash-001' })
  })

  it('arguments 100,000 deep are delivered whole or flagged, without running out of stack', () => {
    const deep = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`
    const frame = `data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":${deep}}}]},"finishReason":"STOP"}]}\n\n`
    const error = thrown(() => run(gemini(), [bytes(frame)])) as LlmError | undefined
    if (error !== undefined) expect(error.kind).toMatch(/protocol|too-large|invalid-output/)
  })
})

describe('Ollama', () => {
  it('quirk 2: several calls that all say index 0 are several calls', () => {
    const call = (n: number): object => ({ function: { index: 0, name: 'f', arguments: { n } } })
    const text =
      line({ message: { tool_calls: [call(1), call(2)] } }) + line({ done: true, done_reason: 'stop' })
    const { toolCalls, finish } = sum(stream(ollama(), text))
    expect(toolCalls.map(({ args }) => args)).toEqual([{ n: 1 }, { n: 2 }])
    expect(finish?.finishReason).toBe('tool-calls')
  })

  it('quirk 22: done_reason "" or none is not a reason', () => {
    const text = line({ message: { content: 'x' }, done: true, done_reason: '' })
    expect(sum(stream(ollama(), text)).finish?.finishReason).toBe('unknown')
    expect(sum(stream(ollama(), line({ message: { content: 'x' }, done: true }))).finish?.finishReason).toBe(
      'stop',
    )
  })

  it('quirk 51: the error is a string', () => {
    const error = ollama().error({
      status: 404,
      headers: new Headers(),
      body: '{"error":"model \'x\' not found"}',
    })
    expect(error).toMatchObject({ kind: 'not-found' })
    expect(error.message).toContain("model 'x' not found")
  })

  it('row 78: a line with an error ends the answer, before and after text', () => {
    const failed = line({ error: 'llama runner process has terminated' })
    for (const text of [failed, line({ message: { content: 'x' }, done: false }) + failed]) {
      expect(thrown(() => run(ollama(), [bytes(text)]))).toMatchObject({ kind: 'server', retryable: true })
    }
  })
})

describe('Cohere', () => {
  it('quirk 10: a call whose arguments are "" from start to end has {}', () => {
    const call = { id: 'a', type: 'function', function: { name: 'now', arguments: '' } }
    const text = sse(
      { type: 'tool-call-start', index: 0, delta: { message: { tool_calls: call } } },
      { type: 'tool-call-end', index: 0 },
      { type: 'message-end', delta: { finish_reason: 'TOOL_CALL' } },
    )
    expect(sum(stream(cohere(), text)).toolCalls).toEqual([{ id: 'a', name: 'now', args: {} }])
  })

  it('row 79: indices from nowhere make no holes, no crash and no memory', () => {
    const content = (index: unknown): object => ({
      type: 'content-delta',
      index,
      delta: { message: { content: { text: 'x' } } },
    })
    const text = sse(content(1e9), content(-1), content(1.5), content(null), {
      type: 'message-end',
      delta: { finish_reason: 'COMPLETE' },
    })
    const { text: said, parts } = sum(stream(cohere(), text))
    expect([said, parts.length]).toEqual(['xxxx', 4])
  })
})

describe.each(PROVIDERS)('%s', (name, provider) => {
  it('rows 98 and 99: a key that cannot stand in a header is refused without being shown', async () => {
    const http = provider.encode(ask())
    for (const key of ['', ' ', 'a b', 'sk-\u2026', 'sk-1\r\nx-evil: 1', 'sk-\0', '\ufeffsk-1x\u00e9']) {
      const context = {
        nowMs: 0,
        signal: new AbortController().signal,
        transport: { send: () => Promise.reject(new Error('sent')) },
      }
      let failed: unknown
      let signed: HttpRequest | undefined
      try {
        signed = await provider.authorize(http, { ...context, apiKey: key })
      } catch (error) {
        failed = error
      }
      // A server without keys answers without one.
      if (signed !== undefined && name === 'ollama' && key === '') continue
      expect(failed, JSON.stringify(key)).toMatchObject({ kind: 'config', provider: name })
      if (key.trim() !== '') expect(JSON.stringify(failed)).not.toContain(JSON.stringify(key).slice(1, -1))
    }
  })

  it('row 100: no model id leaves the host or the path', () => {
    const { host } = new URL(provider.encode(ask()).url)
    for (const model of [
      '../../v1/files',
      'a?x=1',
      'a#b',
      '%2e%2e',
      '..\\..',
      '..',
      '//evil.example',
      'x'.repeat(5000),
    ]) {
      const url = new URL(provider.encode(ask({ model })).url)
      expect(url.host).toBe(host)
      expect(url.hash).toBe('')
      expect(url.pathname).not.toMatch(/\/v1\/files|\/\.\.?(\/|$)/)
    }
  })

  it('row 112: a polluted prototype is not read', () => {
    const prototype = Object.prototype as Record<string, unknown>
    prototype['error'] = { message: 'polluted' }
    prototype['text'] = 'polluted'
    try {
      const decoder = provider.decoder(ask())
      let polluted = ''
      try {
        const events = decoder.push({ event: 'message', data: '{"type":"content-delta"}' })
        polluted = JSON.stringify(events)
      } catch (error) {
        polluted = (error as LlmError).message
      }
      expect(polluted).not.toContain('polluted')
    } finally {
      delete prototype['error']
      delete prototype['text']
    }
  })

  it('bad input: a tool schema that is no object, before any byte is sent', () => {
    for (const inputSchema of ['x', 7, [], null]) {
      const tools = [{ name: 'f', inputSchema: inputSchema as unknown as Record<string, unknown> }]
      expect(thrown(() => provider.encode(ask({ tools })))).toMatchObject({ kind: 'config' })
    }
  })

  it('bad input: arguments nested 100,000 deep, a cycle', () => {
    let deep: unknown = 1
    for (let n = 0; n < 100_000; n++) deep = { deep }
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    for (const args of [deep, cycle]) {
      const messages: Message[] = [
        { role: 'assistant', content: [{ type: 'tool-call', id: 'a', name: 'f', args }] },
      ]
      expect(thrown(() => provider.encode(ask({ messages })))).toMatchObject({ kind: 'invalid-request' })
    }
  })

  it('bad input: an image that is none, before any byte is sent', () => {
    const content: Part[] = [{ type: 'image', data: 'AAAA', mediaType: 'text/html' }]
    const messages: Message[] = [{ role: 'user', content }]
    expect(thrown(() => provider.encode(ask({ messages })))).toMatchObject({ kind: 'invalid-request' })
  })
})

it('bad input of the client: nothing is sent for a base URL that is none', async () => {
  for (const baseURL of ['file:///x', 'javascript:alert(1)', 'http://user:pw@example.com', 'nonsense']) {
    const client = createClient({ provider: gemini({ baseURL }), model: 'm', apiKey: 'k' })
    await expect(client.complete('x')).rejects.toMatchObject({ kind: 'config' })
  }
})
