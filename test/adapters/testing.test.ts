import { describe, expect, it } from 'vitest'
import { fake } from '../../src/adapters/testing.ts'
import { createClient } from '../../src/client.ts'
import { LlmError } from '../../src/errors.ts'
import type { StreamEvent } from '../../src/types.ts'

const quick = { retry: { baseMs: 0 }, random: () => 0 }

async function failure(run: Promise<unknown>): Promise<LlmError> {
  try {
    await run
  } catch (error) {
    if (LlmError.is(error)) return error
    throw error
  }
  throw new Error('did not fail')
}

describe('fake', () => {
  it('says its text word by word, through the real pipeline', async () => {
    const { calls, ...options } = fake('The sky is blue.')
    const run = createClient(options).stream('Why?', { system: 'Be brief.', temperature: 0 })
    const texts: string[] = []
    for await (const text of run.text) texts.push(text)
    expect(texts).toEqual(['The ', 'sky ', 'is ', 'blue.'])
    expect(await run.completion).toMatchObject({
      text: 'The sky is blue.',
      finishReason: 'stop',
      provider: 'fake',
      model: 'fake-1',
    })
    expect(calls).toHaveLength(1)
    expect(calls[0]?.request).toMatchObject({
      model: 'fake-1',
      system: 'Be brief.',
      temperature: 0,
      messages: [{ role: 'user', content: 'Why?' }],
    })
  })

  it('gives the same answer as a JSON body', async () => {
    const answer = {
      reasoning: 'Hm. ',
      text: 'Blue.',
      usage: { inputTokens: 3, outputTokens: 2 },
      toolCalls: [{ name: 'look', args: { up: true } }],
    }
    const streamed = await createClient(fake(answer)).complete('Why?')
    const whole = await createClient(fake(answer)).complete('Why?', { wire: 'json' })
    for (const field of ['text', 'reasoning', 'toolCalls', 'usage', 'finishReason', 'message'] as const) {
      expect(whole[field]).toEqual(streamed[field])
    }
    expect(streamed).toMatchObject({
      reasoning: 'Hm. ',
      toolCalls: [{ id: 'call_1', name: 'look', args: { up: true } }],
      usage: { inputTokens: 3, outputTokens: 2 },
      finishReason: 'tool-calls',
    })
  })

  it('streams arguments in pieces, so that partial values grow', async () => {
    const run = createClient(
      fake({ toolCalls: [{ name: 'write', args: { text: 'a long enough text' } }] }),
    ).stream('x')
    const lengths: number[] = []
    for await (const event of run) {
      if (event.type === 'tool-call-delta')
        lengths.push(((event.partial as { text?: string } | undefined)?.text ?? '').length)
    }
    expect(lengths.length).toBeGreaterThan(2)
    expect(lengths).toEqual([...lengths].sort((a, b) => a - b))
    expect(lengths.at(-1)).toBe('a long enough text'.length)
  })

  it('flags arguments that are not JSON instead of throwing', async () => {
    const { toolCalls } = await createClient(
      fake({ toolCalls: [{ name: 'write', args: '{"text": "unfin' }] }),
    ).complete('x')
    expect(toolCalls[0]?.invalid?.raw).toBe('{"text": "unfin')
  })

  it('answers an object for a schema, and sources, and a refusal', async () => {
    const client = createClient(
      fake([
        { object: { n: 1 } },
        { text: 'x', sources: [{ url: 'https://example.com' }] },
        { refusal: 'I would rather not.' },
      ]),
    )
    expect(
      (await client.complete('x', { schema: { type: 'object', properties: { n: { type: 'integer' } } } }))
        .object,
    ).toEqual({ n: 1 })
    expect((await client.complete('x')).sources).toEqual([{ url: 'https://example.com' }])
    expect(await client.complete('x')).toMatchObject({
      text: 'I would rather not.',
      finishReason: 'content-filter',
    })
  })

  it('fails by status, and the real retry policy deals with it', async () => {
    const { calls, ...options } = fake([
      { error: { status: 503 } },
      { error: { status: 429, retryAfterMs: 5 } },
      'third time',
    ])
    const answer = await createClient({ ...options, ...quick }).complete('x')
    expect(answer.text).toBe('third time')
    expect(calls).toHaveLength(3)
    expect(answer.attempts.map(({ status }) => status)).toEqual([503, 429, 200])
  })

  it('fails without an answer, inside the stream, and by a cut', async () => {
    const refused = await failure(
      createClient({ ...fake({ error: { kind: 'connect' } }), retry: false }).complete('x'),
    )
    expect(refused.kind).toBe('connect')
    const inside = await failure(
      createClient({
        ...fake({ text: 'one two', error: { after: 1, kind: 'overloaded' } }),
        ...quick,
      }).complete('x'),
    )
    expect(inside).toMatchObject({ kind: 'interrupted', partial: { text: 'one ' } })
    expect(LlmError.is(inside.cause) && inside.cause.kind).toBe('overloaded')
    const cut = await failure(
      createClient({ ...fake({ text: 'one two', cutAfter: 1 }), ...quick }).complete('x'),
    )
    expect(cut).toMatchObject({ kind: 'interrupted', partial: { text: 'one ' } })
  })

  it('keeps its pace, and lets deadlines and aborts reach it', async () => {
    const paced = createClient(fake({ text: 'a b c d', tokensPerSecond: 200 }))
    expect((await paced.complete('x')).timing.totalMs).toBeGreaterThanOrEqual(10)
    const { calls, ...options } = fake({ text: 'x', firstTokenMs: Infinity })
    const late = await failure(
      createClient({ ...options, retry: false }).complete('x', { timeouts: { firstToken: 10 } }),
    )
    expect(late).toMatchObject({ kind: 'timeout', phase: 'firstToken' })
    expect(calls[0]?.aborted).toBe(true)
    const silent = await failure(
      createClient({ ...fake({ delayMs: Infinity }), retry: false }).complete('x', {
        timeouts: { headers: 10 },
      }),
    )
    expect(silent).toMatchObject({ kind: 'timeout', phase: 'headers' })
  })

  it('chooses by the request when it is a function', async () => {
    const client = createClient(
      fake(({ messages }, index) => `${index}: ${String(messages.at(-1)?.content).toUpperCase()}`),
    )
    expect((await client.complete('a')).text).toBe('0: A')
    expect((await client.complete('b')).text).toBe('1: B')
  })

  it('refuses the call too many, so that a test that asks too often fails', async () => {
    const client = createClient({ ...fake(['only one']), ...quick })
    await client.complete('x')
    const error = await failure(client.complete('x'))
    expect(error.kind).toBe('config')
    expect(error.message).toContain('1 answers, and call 2 came')
  })

  it('delivers the events every provider delivers', async () => {
    const run = createClient(
      fake({ reasoning: ['think'], text: ['say'], toolCalls: [{ name: 't' }] }),
    ).stream('x')
    const types: StreamEvent['type'][] = []
    for await (const { type } of run) types.push(type)
    expect(types).toEqual([
      'start',
      'reasoning-delta',
      'text-delta',
      'tool-call-start',
      'tool-call-delta',
      'tool-call',
      'finish',
    ])
  })
})
