/** The hand-written answers of fixtures/openai-chat: the same as a stream, in every chunking, and as one JSON body. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { compatible } from '../../src/providers/compatible.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import type { Part, StreamEvent } from '../../src/types.ts'
import { run, stream, thrown } from './codec.ts'

const read = (name: string): string => readFileSync(join('fixtures', 'openai-chat', name), 'utf8')

/** What events add up to, however finely the answer was cut. */
function sum(events: readonly StreamEvent[]): unknown {
  const parts: Part[] = []
  let finish: unknown
  const sources: unknown[] = []
  for (const event of events) {
    if (event.type === 'text-delta' || event.type === 'reasoning-delta') {
      const part = (parts[event.part] ??= {
        type: event.type === 'text-delta' ? 'text' : 'reasoning',
        text: '',
      })
      if ('text' in part) part.text += event.text
    } else if (event.type === 'tool-call') {
      const { part, ...value } = event
      parts[part] = value
    } else if (event.type === 'part') parts[event.part] = event.value
    else if (event.type === 'source') sources.push(event.source)
    else if (event.type === 'finish' || event.type === 'start') finish = { ...(finish as object), ...event }
  }
  return { parts, finish, sources }
}

describe('fixtures', () => {
  const provider = openaiChat()
  const usage = {
    inputTokens: 19,
    outputTokens: 12,
    totalTokens: 31,
    cachedInputTokens: 8,
    cacheWriteTokens: undefined,
    reasoningTokens: 0,
  }

  it.each(['text', 'tools', 'reasoning', 'search'])(
    '%s: the stream and the JSON body say the same',
    (name) => {
      const streamed = sum(stream(provider, read(`${name}.sse`)))
      expect(sum(provider.decode(JSON.parse(read(`${name}.json`))).events)).toEqual(streamed)
    },
  )

  it('text', () => {
    expect(sum(stream(provider, read('text.sse')))).toMatchObject({
      parts: [{ type: 'text', text: 'The sky is blue — mostly 🌤️.' }],
      finish: { id: 'chatcmpl-fixture', model: 'gpt-fixture-2026', finishReason: 'stop', usage },
    })
  })

  it('tools: two calls, arguments in pieces', () => {
    expect(sum(stream(provider, read('tools.sse')))).toMatchObject({
      parts: [
        { type: 'tool-call', id: 'call_one', name: 'weather', args: { city: 'Zürich', days: [1, 2] } },
        { type: 'tool-call', id: 'call_two', name: 'clock', args: {} },
      ],
      finish: { finishReason: 'tool-calls', rawFinishReason: 'tool_calls' },
    })
  })

  it('reasoning: counted inside the output, kept with the field it came in', () => {
    expect(sum(stream(provider, read('reasoning.sse')))).toMatchObject({
      parts: [
        {
          type: 'reasoning',
          text: 'Six times seven.',
          origin: { provider: 'openai-chat', field: 'reasoning_content' },
        },
        { type: 'text', text: 'Forty-two.' },
      ],
      finish: { usage: { outputTokens: 40, reasoningTokens: 28 } },
    })
  })

  it('search: sources of the text they support', () => {
    const sources = [
      { url: 'https://example.org/sky', title: 'On the sky', start: 0, end: 16 },
      { url: 'https://example.org/sea', title: 'On the sea', start: 17, end: 33 },
    ]
    expect(sum(stream(provider, read('search.sse')))).toMatchObject({
      parts: [{ type: 'text', sources }],
      sources,
    })
  })

  it('an error after text is thrown', () => {
    expect(thrown(() => stream(provider, read('error-after-text.sse')))).toMatchObject({
      kind: 'server',
      retryable: true,
    })
  })
})

describe('hostile answers', () => {
  const provider = compatible({ baseURL: 'http://server.test/v1' })
  const whole = (body: string): StreamEvent[] => run(provider, [new TextEncoder().encode(body)])
  const deep = (depth: number): string => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth)
  const chunk = (delta: string, rest = ''): string =>
    `data: {"id":"c","choices":[{"index":0,"delta":${delta}${rest}}]}\n\n`
  const end = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n'

  it('arguments nested 100,000 deep, as text and as a value, are flagged', () => {
    for (const args of [JSON.stringify(deep(100_000)), deep(100_000)]) {
      const body =
        chunk(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":${args}}}]}`) + end
      const [call] = whole(body).filter((event) => event.type === 'tool-call')
      expect(call).toMatchObject({ invalid: { reason: expect.stringMatching(/deep|a string/) as string } })
    }
  })

  it('what is kept as it came can always be written as JSON again', () => {
    const body =
      chunk(
        `{"content":"x","reasoning_details":[{"type":"reasoning.text","text":"a","x":${deep(50_000)}}],"executed_tools":[${deep(50_000)}]}`,
      ) +
      chunk(
        `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"},"extra_content":${deep(50_000)}}]}`,
        `,"x":${deep(50_000)}`,
      ) +
      end
    expect(JSON.stringify(whole(body)).length).toBeLessThan(2000)
  })
})
