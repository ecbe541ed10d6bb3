/**
 * The four codecs against a stranger's server: `@copilotkit/aimock`, which somebody else wrote from the same wire
 * formats. Over real sockets, streamed and as one JSON body, with errors and its chaos.
 */

import { LLMock } from '@copilotkit/aimock'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createClient, type Client } from '../../src/client.ts'
import type { Provider } from '../../src/provider.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { gemini } from '../../src/providers/gemini.ts'
import { ollama } from '../../src/providers/ollama.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import type { Fit } from '../../src/types.ts'
import { FAST, KEY, run } from './fixture.ts'

const mock = new LLMock({ port: 0, logLevel: 'silent' })
const apiKey = KEY

beforeAll(async () => {
  mock
    .onMessage('hello', { content: 'Hi there! 👋 Grüße aus 東京.' })
    .onMessage('think', { content: 'Four.', reasoning: 'Two and two.' })
    .onMessage('weather', { toolCalls: [{ name: 'weather', arguments: '{"city":"Paris"}' }] })
    .onMessage('long', { content: 'word '.repeat(2000).trim() })
    .onMessage('cut', { content: 'word '.repeat(200).trim() }, { truncateAfterChunks: 4, latency: 20 })
    .onMessage('limited', { error: { message: 'Rate limit reached', type: 'rate_limit_error' }, status: 429 })
    .onMessage('forbidden', {
      error: { message: 'Incorrect API key provided', type: 'authentication_error', code: 'invalid_api_key' },
      status: 401,
    })
    .onMessage('broken', { error: { message: 'Internal error', type: 'api_error' }, status: 500 })
    .onMessage('invalid', {
      error: { message: 'temperature is too high', type: 'invalid_request_error' },
      status: 400,
    })
  await mock.start()
})
afterAll(() => mock.stop())
afterEach(() => {
  mock.clearChaos()
  mock.clearRequests()
})

const PROVIDERS: Record<string, () => { provider: Provider; model: string }> = {
  'openai-chat': () => ({ provider: openaiChat({ baseURL: `${mock.url}/v1`, apiKey }), model: 'gpt-6-luna' }),
  anthropic: () => ({ provider: anthropic({ baseURL: mock.url, apiKey }), model: 'claude-haiku-5-5' }),
  gemini: () => ({ provider: gemini({ baseURL: `${mock.url}/v1beta`, apiKey }), model: 'gemini-3.8-flash' }),
  ollama: () => ({ provider: ollama({ baseURL: mock.url }), model: 'llama3' }),
}

describe.each(Object.keys(PROVIDERS))('%s', (name) => {
  const client = (): Client => createClient({ ...PROVIDERS[name]!(), retry: false })

  test.each(['auto', 'json'] as const)('text, usage and finish reason, wire %s', async (wire) => {
    const { completion, events, error } = await run(client(), { wire, fit: say('hello') })
    expect(error).toBeUndefined()
    expect(completion).toMatchObject({
      text: 'Hi there! 👋 Grüße aus 東京.',
      finishReason: 'stop',
      provider: name,
      message: { role: 'assistant', content: [{ type: 'text' }] },
    })
    expect(completion!.usage.outputTokens).toBeTypeOf('number')
    expect(events[0]?.type).toBe('start')
    expect(events.at(-1)?.type).toBe('finish')
  })

  test('the same answer streamed and whole', async () => {
    const [streamed, whole] = await Promise.all(
      (['stream', 'json'] as const).map((wire) => run(client(), { wire, fit: say('long') })),
    )
    expect(whole!.completion?.text).toBe('word '.repeat(2000).trim())
    expect(streamed!.completion).toMatchObject({
      text: whole!.completion!.text,
      finishReason: whole!.completion!.finishReason,
      usage: whole!.completion!.usage,
    })
  })

  test('reasoning', async () => {
    const { completion } = await run(client(), { fit: say('think'), reasoning: 'low' })
    expect(completion).toMatchObject({ text: 'Four.', reasoning: 'Two and two.' })
  })

  test('a tool call, finished', async () => {
    const { completion, events } = await run(client(), {
      fit: say('weather'),
      tools: [{ name: 'weather', inputSchema: { type: 'object', properties: { city: { type: 'string' } } } }],
    })
    expect(completion).toMatchObject({
      finishReason: 'tool-calls',
      toolCalls: [{ name: 'weather', args: { city: 'Paris' }, id: expect.any(String) }],
    })
    expect(events.filter((event) => event.type === 'tool-call')).toHaveLength(1)
  })

  test.each([
    ['limited', 'rate-limit', 429, true],
    ['forbidden', 'auth', 401, false],
    ['broken', 'server', 500, true],
    ['invalid', 'invalid-request', 400, false],
  ] as const)('the error %s', async (prompt, kind, status, retryable) => {
    const { error } = await run(client(), { fit: say(prompt) })
    expect(error).toMatchObject({ kind, status, retryable, provider: name, attempts: [{ status }] })
  })

  test('a prompt nobody knows is a not-found', async () => {
    const { error } = await run(client(), { fit: say('zzz') })
    expect(error).toMatchObject({ kind: 'not-found', status: 404 })
  })

  test('a stream cut in the middle is an interruption with the text so far', async () => {
    const { error, text } = await run(client(), { fit: say('cut') })
    expect(error).toMatchObject({ kind: 'interrupted', partial: { text } })
    expect(text.length).toBeLessThan('word '.repeat(200).length)
  })

  test('break in the middle of a long answer', async () => {
    const stream = client().stream('hi', { fit: say('long') })
    for await (const event of stream) if (event.type === 'text-delta') break
    await expect(stream.completion).rejects.toMatchObject({ kind: 'aborted' })
  })

  describe('chaos', () => {
    test('a server that always fails is tried three times', async () => {
      mock.setChaos({ dropRate: 1 })
      const { error } = await run(createClient({ ...PROVIDERS[name]!(), retry: FAST }), { fit: say('hello') })
      expect(error).toMatchObject({ kind: 'server', status: 500, retryable: true })
      expect(error?.attempts).toHaveLength(3)
    })
    test('malformed JSON is an error, not an empty answer', async () => {
      mock.setChaos({ malformedRate: 1 })
      const { error, text } = await run(client(), { fit: say('hello') })
      expect(text).toBe('')
      expect(['protocol', 'interrupted']).toContain(error?.kind)
    })
    test('a dropped connection is a typed error', async () => {
      mock.setChaos({ disconnectRate: 1 })
      const { error } = await run(client(), { fit: say('hello') })
      expect(['connect', 'interrupted']).toContain(error?.kind)
      expect(error?.retryable).toBe(true)
    })
    test('rate limits carry their hint', async () => {
      mock.setChaos({ rateLimitRate: 1 })
      const { error } = await run(client(), { fit: say('hello') })
      expect(error).toMatchObject({ kind: 'rate-limit', status: 429, retryAfterMs: expect.any(Number) })
    })
    test('latency trips the deadline it should', async () => {
      mock.setChaos({ latencyMs: 300 })
      const { error } = await run(client(), { fit: say('hello'), timeouts: { headers: 50 } })
      expect(error).toMatchObject({ kind: 'timeout', phase: 'headers' })
    })
    test('half the calls failing is a success in the end', async () => {
      mock.setChaos({ dropRate: 0.5 })
      const patient = createClient({ ...PROVIDERS[name]!(), retry: { ...FAST, attempts: 20 } })
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => run(patient, { fit: say('hello') })))
      expect(outcomes.map(({ text }) => text)).toEqual(
        Array.from({ length: 8 }, () => 'Hi there! 👋 Grüße aus 東京.'),
      )
    })
  })
})

/** Puts the prompt in place of what `run` asks. */
function say(content: string): Fit {
  return { apply: (request) => ({ ...request, messages: [{ role: 'user', content }] }) }
}
