/**
 * What every codec must do against a server that other people wrote: aimock, over real sockets.
 *
 * In: how to make the codec for a base URL, and what that format can carry. Out: a vitest suite.
 * aimock answers in the wire format of the path it is asked at, so the same script serves every codec.
 */
import { type Fixture, LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Client, createClient } from '../../src/client.ts'
import { LlmError } from '../../src/errors.ts'
import type { Provider } from '../../src/provider.ts'
import type { Message } from '../../src/types.ts'

/** What differs between the formats. */
export interface Format {
  name: string
  provider(baseURL: string): Provider
  model: string
  /** False where aimock sends reasoning in a shape the real API does not have. */
  reasoning: boolean
}

const POEM = 'Violets are blue, and the sky — at noon — is bluer. 🔵'
const ARGS = { city: 'Paris', days: [1, 2], note: '"quoted" 🗼' }
const weather = {
  name: 'weather',
  description: 'Tells the weather',
  inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}

const fixtures: Fixture[] = [
  { match: { userMessage: 'poem' }, response: { content: POEM }, chunkSize: 5 },
  { match: { userMessage: 'think' }, response: { content: 'Forty-two.', reasoning: 'Six times seven.' } },
  {
    match: { userMessage: 'weather', hasToolResult: false },
    response: {
      toolCalls: [
        { name: 'weather', arguments: JSON.stringify(ARGS) },
        { name: 'weather', arguments: '{"city":"Rome"}' },
      ],
    },
  },
  { match: { userMessage: 'weather', hasToolResult: true }, response: { content: 'Sunny in both.' } },
  { match: { userMessage: 'shape' }, response: { content: '{"city":"Paris","people":2100000}' } },
  {
    match: { userMessage: 'cut' },
    response: { content: POEM },
    chunkSize: 5,
    // Responses needs four events before the first text.
    truncateAfterChunks: 6,
    latency: 20,
  },
  { match: { userMessage: 'bad key' }, response: { error: { message: 'Bad key.' }, status: 401 } },
  { match: { userMessage: 'bad request' }, response: { error: { message: 'No such field.' }, status: 400 } },
  {
    match: { userMessage: 'slow down' },
    response: { error: { message: 'Too fast.' }, status: 429, retryAfter: 7 },
  },
  { match: { userMessage: 'broken' }, response: { error: { message: 'Broken.' }, status: 500 } },
]

/** Runs the suite for one format. */
export function aimockSuite(format: Format): void {
  describe(`${format.name} against aimock`, () => {
    const server = new LLMock({ port: 0 })
    let client: Client
    beforeAll(async () => {
      server.addFixtures(fixtures)
      await server.start()
      client = createClient({
        provider: format.provider(server.url),
        model: format.model,
        apiKey: 'test-key',
        retry: false,
      })
    })
    afterAll(() => server.stop())

    const failing = async (prompt: string, headers: Record<string, string> = {}): Promise<LlmError> => {
      try {
        await client.complete(prompt, { headers })
      } catch (error) {
        expect(LlmError.is(error), String(error)).toBe(true)
        return error as LlmError
      }
      throw new Error('it did not fail')
    }

    it.each(['stream', 'json'] as const)('reads text over %s', async (wire) => {
      const answer = await client.complete('a poem', { wire })
      expect(answer.text).toBe(POEM)
      expect(answer.finishReason).toBe('stop')
      expect(answer.provider).toBe(format.name)
      expect(answer.message).toMatchObject({ role: 'assistant', content: [{ type: 'text', text: POEM }] })
    })

    it('streams it in pieces', async () => {
      const pieces: string[] = []
      for await (const text of client.stream('a poem').text) pieces.push(text)
      expect(pieces.length).toBeGreaterThan(5)
      expect(pieces.join('')).toBe(POEM)
    })

    it.runIf(format.reasoning).each(['stream', 'json'] as const)('reads reasoning over %s', async (wire) => {
      const answer = await client.complete('think', { wire })
      expect([answer.reasoning, answer.text]).toEqual(['Six times seven.', 'Forty-two.'])
    })

    it.each(['stream', 'json'] as const)(
      'calls tools in parallel and takes their results over %s',
      async (wire) => {
        const question: Message = { role: 'user', content: 'weather?' }
        const asked = await client.complete([question], { tools: [weather], wire })
        expect(asked.finishReason).toBe('tool-calls')
        expect(asked.toolCalls).toMatchObject([
          { name: 'weather', args: ARGS },
          { name: 'weather', args: { city: 'Rome' } },
        ])
        const [one, two] = asked.toolCalls
        expect(one?.id).not.toBe(two?.id)
        const results: Message = {
          role: 'tool',
          content: asked.toolCalls.map(({ id, name }) => ({
            type: 'tool-result',
            id,
            name,
            content: 'sunny',
          })),
        }
        const answer = await client.complete([question, asked.message, results], { tools: [weather], wire })
        expect(answer.text).toBe('Sunny in both.')
      },
    )

    it('reads structured output', async () => {
      const schema = {
        type: 'object',
        properties: { city: { type: 'string' }, people: { type: 'integer' } },
        required: ['city', 'people'],
      }
      const answer = await client.complete('shape', { schema })
      expect(answer.object).toEqual({ city: 'Paris', people: 2_100_000 })
    })

    it.each([
      ['bad key', 401, 'auth', false],
      ['bad request', 400, 'invalid-request', false],
      ['slow down', 429, 'rate-limit', true],
      ['broken', 500, 'server', true],
    ])('reads the error of "%s"', async (prompt, status, kind, retryable) => {
      const error = await failing(prompt)
      expect(error).toMatchObject({ kind, status, retryable, provider: format.name })
      if (status === 429) expect(error.retryAfterMs).toBe(7000)
      expect(JSON.stringify(error)).not.toContain('test-key')
    })

    it('keeps the text of an answer that breaks off', async () => {
      const error = await failing('cut')
      expect(error.kind).toBe('interrupted')
      expect(error.partial?.text.length).toBeGreaterThan(0)
      expect(POEM.startsWith(error.partial?.text ?? 'none')).toBe(true)
    })

    it.each([
      ['drop', /server/],
      ['malformed', /protocol|interrupted/],
      ['disconnect', /connect|interrupted/],
      ['ratelimit', /rate-limit/],
    ])('survives chaos: %s', async (mode, kind) => {
      const error = await failing('a poem', { [`x-aimock-chaos-${mode}`]: '1' })
      expect(error.kind).toMatch(kind)
    })
  })
}
