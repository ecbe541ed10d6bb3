/** Errors inside a stream, seen from outside: retried before the first word, interrupted after it. Rows 75 and 76. */
import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.ts'
import type { LlmError } from '../../src/errors.ts'
import type { Provider } from '../../src/provider.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { openai } from '../../src/providers/openai.ts'

type Event = Record<string, unknown> & { type: string }

const formats: readonly { name: string; provider: Provider; begin: Event[]; error: Event; end: Event[] }[] = [
  {
    name: 'row 76: anthropic',
    provider: anthropic({ apiKey: 'k' }),
    begin: [
      { type: 'message_start', message: { id: 'm', model: 'x', content: [], usage: { input_tokens: 7 } } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Half an ' } },
    ],
    error: { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
    end: [
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'answer' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } },
      { type: 'message_stop' },
    ],
  },
  {
    name: 'row 75: openai',
    provider: openai({ apiKey: 'k' }),
    begin: [
      { type: 'response.created', response: { id: 'r', model: 'x' } },
      { type: 'response.output_item.added', output_index: 0, item: { type: 'message' } },
      { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'Half an ' },
    ],
    error: {
      type: 'response.failed',
      response: { error: { code: 'server_is_overloaded', message: 'Overloaded' } },
    },
    end: [
      { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'answer' },
      { type: 'response.completed', response: { status: 'completed', output: [] } },
    ],
  },
]

describe.each(formats)('$name', ({ provider, begin, error, end }) => {
  /** A client whose server gives these bodies one after the other. */
  function clientOf(...bodies: Event[][]) {
    let sent = 0
    const client = createClient({
      provider,
      model: 'm',
      retry: { baseMs: 1, attempts: 2 },
      fetch: async () => {
        const events = bodies[Math.min(sent, bodies.length - 1)] ?? []
        sent += 1
        return new Response(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''), {
          headers: { 'content-type': 'text/event-stream' },
        })
      },
    })
    return { client, sent: () => sent }
  }

  it('an error before any content is tried again', async () => {
    const { client, sent } = clientOf([...begin.slice(0, 1), error], [...begin, ...end])
    const { text, attempts } = await client.complete('Hi')
    expect([text, sent()]).toEqual(['Half an answer', 2])
    expect(attempts[0]?.error).toMatchObject({ retryable: true })
  })

  it('an error after content interrupts, with the text so far and the error as cause', async () => {
    const { client, sent } = clientOf([...begin, error])
    const failure = (await client.complete('Hi').catch((caught: unknown) => caught)) as LlmError
    expect(failure).toMatchObject({ kind: 'interrupted', partial: { text: 'Half an ' } })
    expect((failure.cause as LlmError).message).toContain('Overloaded')
    expect(sent()).toBe(1)
  })

  it('a cut after content interrupts likewise', async () => {
    const { client } = clientOf(begin)
    await expect(client.complete('Hi')).rejects.toMatchObject({
      kind: 'interrupted',
      partial: { text: 'Half an ' },
    })
  })
})
