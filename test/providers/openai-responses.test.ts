import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import { openai } from '../../src/providers/openai.ts'
import type { Message, Request, StreamEvent } from '../../src/types.ts'
import { ask, run, stream, sum, thrown } from './codec.ts'

const provider = openai()
const fixture = (name: string): string => readFileSync(`fixtures/openai/${name}`, 'utf8')
const bytes = (text: string): Uint8Array[] => [new TextEncoder().encode(text)]

type Event = Record<string, unknown> & { type: string }

function wire(events: Event[], names = true): string {
  return events
    .map((event) => `${names ? `event: ${event.type}\n` : ''}data: ${JSON.stringify(event)}\n\n`)
    .join('')
}

const created = (response: Record<string, unknown> = {}): Event => ({
  type: 'response.created',
  response: { id: 'resp_1', model: 'gpt-6.1-terra', status: 'in_progress', output: [], ...response },
})
const ended = (response: Record<string, unknown> = {}, type = 'completed'): Event => ({
  type: `response.${type}`,
  response: { id: 'resp_1', model: 'gpt-6.1-terra', status: type, output: [], ...response },
})
const added = (output_index: unknown, item: Record<string, unknown>): Event => ({
  type: 'response.output_item.added',
  output_index,
  item,
})
const finished = (output_index: unknown, item: Record<string, unknown>): Event => ({
  type: 'response.output_item.done',
  output_index,
  item,
})
const delta = (type: string, output_index: unknown, value: unknown, extra: object = {}): Event => ({
  type: `response.${type}.delta`,
  output_index,
  delta: value,
  ...extra,
})
const text = (index: unknown, value: unknown, extra: object = {}): Event =>
  delta('output_text', index, value, { content_index: 0, ...extra })
const args = (index: unknown, value: unknown): Event => delta('function_call_arguments', index, value)
const call = (name = 'f', call_id = 'call_1', extra: object = {}): Record<string, unknown> => ({
  type: 'function_call',
  id: 'fc_1',
  call_id,
  name,
  arguments: '',
  ...extra,
})
const message = { type: 'message', id: 'msg_1', role: 'assistant', content: [] }

const answer = (...events: Event[]): StreamEvent[] => stream(provider, wire(events))
const failure = (...events: Event[]): LlmError => {
  const error = thrown(() => run(provider, bytes(wire(events))))
  expect(LlmError.is(error)).toBe(true)
  return error as LlmError
}
const input = (messages: Message[], extra: Partial<Request> = {}): unknown =>
  (JSON.parse(provider.encode(ask({ messages, ...extra })).body as string) as { input: unknown }).input

describe('an answer of the Responses API', () => {
  it('is text with log-probabilities, usage and a reason to stop, in every chunking', () => {
    const events = stream(provider, fixture('text.sse'))
    expect(events).toEqual([
      { type: 'start', provider: 'openai', model: 'gpt-6.1-terra-2026-10-01', id: 'resp_text' },
      {
        type: 'text-delta',
        part: 0,
        text: 'Blue',
        logprobs: [
          {
            token: 'Blue',
            logprob: -0.01,
            top: [
              { token: 'Blue', logprob: -0.01 },
              { token: 'The', logprob: -4.5 },
            ],
          },
        ],
      },
      { type: 'text-delta', part: 0, text: ' light 🌤️', logprobs: [{ token: ' light', logprob: -0.2 }] },
      {
        type: 'finish',
        finishReason: 'stop',
        rawFinishReason: 'completed',
        usage: {
          inputTokens: 12,
          outputTokens: 5,
          totalTokens: 17,
          cachedInputTokens: 4,
          cacheWriteTokens: 6,
          reasoningTokens: 0,
        },
      },
    ])
  })

  for (const name of ['text', 'tools', 'search']) {
    it(`is the same as a JSON body: ${name}`, () => {
      const { events, raw } = provider.decode(JSON.parse(fixture(`${name}.json`)))
      expect(sum(events)).toEqual(sum(stream(provider, fixture(`${name}.sse`))))
      expect(raw.usage).toHaveProperty('output_tokens')
      expect(raw.finish).toEqual({ status: 'completed', service_tier: 'default' })
    })
  }

  it('may reason, comment and call tools in parallel', () => {
    const { parts, reasoning, toolCalls, finish } = sum(stream(provider, fixture('tools.sse')))
    expect(parts.slice(0, 2)).toEqual([
      {
        type: 'reasoning',
        text: 'Two cities.\n\nTwo calls.',
        encrypted: 'Z0FBQUFBQm8=',
        origin: {
          provider: 'openai',
          id: 'rs_1',
          sections: [
            ['summary', 11],
            ['summary', 10],
          ],
        },
      },
      { type: 'text', text: 'Looking.', origin: { provider: 'openai', phase: 'commentary' } },
    ])
    expect(reasoning).toBe('Two cities.\n\nTwo calls.')
    expect(toolCalls).toEqual([
      { id: 'call_1', name: 'get_weather', args: { city: 'Paris' } },
      { id: 'call_2', name: 'get_time', args: {} },
    ])
    expect(finish).toMatchObject({ finishReason: 'tool-calls', usage: { reasoningTokens: 32 } })
  })

  it('cites in UTF-16 units what the server counts in characters', () => {
    const { parts, sources, text: said } = sum(stream(provider, fixture('search.sse')))
    const tower = { url: 'https://example.org/tower', title: 'The tower' }
    const notes = { id: 'file-1', title: 'notes.txt' }
    expect(sources).toEqual([tower, notes])
    expect(parts[1]).toEqual({ type: 'text', text: said, sources: [{ ...tower, start: 10, end: 15 }, notes] })
    expect(said.slice(10, 15)).toBe('330 m')
  })

  it('passes server tools through as provider parts, also those that are never reported done', () => {
    const search = { type: 'web_search_call', id: 'ws_1', status: 'completed', action: { query: 'q' } }
    const part = { type: 'provider', provider: 'openai', value: search }
    expect(sum(stream(provider, fixture('search.sse'))).parts[0]).toMatchObject({
      type: 'provider',
      value: { id: 'ws_1' },
    })
    const late = answer(
      created(),
      added(0, search),
      added(1, message),
      text(1, 'Hi'),
      ended({ output: [search] }),
    )
    expect(sum(late).parts).toEqual([{ type: 'text', text: 'Hi' }, part])
  })

  it('goes back into the conversation as it came', () => {
    const { parts } = sum(stream(provider, fixture('tools.sse')))
    const { output } = JSON.parse(fixture('tools.json')) as { output: Record<string, unknown>[] }
    const copy = JSON.parse(JSON.stringify({ role: 'assistant', content: parts })) as Message
    const [reasoning, , first, second] = output
    const bare = ({ type, call_id, name, arguments: json }: Record<string, unknown> = {}): unknown => ({
      type,
      call_id,
      name,
      arguments: json,
    })
    expect(input([copy])).toEqual([
      reasoning,
      { role: 'assistant', content: 'Looking.', phase: 'commentary' },
      bare(first),
      bare(second),
    ])
  })

  it('keeps raw thoughts apart from summaries', () => {
    const item = {
      type: 'reasoning',
      id: 'rs_1',
      summary: [],
      content: [{ type: 'reasoning_text', text: 'Hm, four.' }],
    }
    const { parts } = sum(
      answer(
        created(),
        added(0, { type: 'reasoning', id: 'rs_1', summary: [] }),
        delta('reasoning_text', 0, 'Hm, ', { content_index: 0 }),
        delta('reasoning_text', 0, 'four.', { content_index: 0 }),
        finished(0, item),
        added(1, message),
        text(1, '4'),
        ended(),
      ),
    )
    expect(parts[0]).toMatchObject({ type: 'reasoning', text: 'Hm, four.' })
    const back = input([{ role: 'assistant', content: parts }])
    expect(back).toEqual([item, { role: 'assistant', content: '4' }])
  })

  it('may refuse', () => {
    const {
      text: said,
      parts,
      finish,
    } = sum(
      answer(
        created(),
        added(0, message),
        delta('refusal', 0, 'I cannot ', { content_index: 0 }),
        delta('refusal', 0, 'do that.', { content_index: 0 }),
        finished(0, { ...message, content: [{ type: 'refusal', refusal: 'I cannot do that.' }] }),
        ended(),
      ),
    )
    expect(said).toBe('I cannot do that.')
    expect(finish?.finishReason).toBe('content-filter')
    expect(input([{ role: 'assistant', content: parts }])).toEqual([
      { role: 'assistant', content: [{ type: 'refusal', refusal: 'I cannot do that.' }] },
    ])
  })

  it('may call tools that take free text', () => {
    const item = { type: 'custom_tool_call', id: 'ctc_1', call_id: 'call_1', name: 'sql', input: '' }
    const { parts } = sum(
      answer(
        created(),
        added(0, item),
        delta('custom_tool_call_input', 0, 'SELECT "'),
        delta('custom_tool_call_input', 0, '\ud83d'),
        delta('custom_tool_call_input', 0, '\ude00"\n'),
        finished(0, { ...item, input: 'SELECT "😀"\n' }),
        ended(),
      ),
    )
    expect(parts).toEqual([
      {
        type: 'tool-call',
        id: 'call_1',
        name: 'sql',
        args: { input: 'SELECT "😀"\n' },
        origin: { provider: 'openai', custom: true },
      },
    ])
    const result = { type: 'tool-result', id: 'call_1', name: 'sql', content: '1 row' } as const
    expect(
      input([
        { role: 'assistant', content: parts },
        { role: 'tool', content: [result] },
      ]),
    ).toEqual([
      { type: 'custom_tool_call', call_id: 'call_1', name: 'sql', input: 'SELECT "😀"\n' },
      { type: 'custom_tool_call_output', call_id: 'call_1', output: '1 row' },
    ])
    const whole = provider.decode({ output: [{ ...item, input: 'a "b"' }] })
    expect(sum(whole.events).toolCalls[0]?.args).toEqual({ input: 'a "b"' })
  })

  it("leaves xAI's own searches to xAI", () => {
    const item = {
      type: 'custom_tool_call',
      id: 'ctc_1',
      call_id: 'xs_call_9',
      name: 'x_search',
      input: '{}',
    }
    const { parts, toolCalls, finish } = sum(
      answer(
        created(),
        added(0, { ...item, input: '' }),
        delta('custom_tool_call_input', 0, '{}'),
        finished(0, item),
        ended(),
      ),
    )
    expect(toolCalls).toEqual([])
    expect(parts).toEqual([{ type: 'provider', provider: 'openai', value: item }])
    expect(finish?.finishReason).toBe('stop')
  })

  it('keeps the namespace of a call', () => {
    const item = call('rate', 'call_1', { namespace: 'fx', arguments: '{}' })
    const { parts } = sum(answer(created(), added(0, item), finished(0, item), ended()))
    expect(parts[0]).toMatchObject({ origin: { provider: 'openai', namespace: 'fx' } })
    expect(input([{ role: 'assistant', content: parts }])).toMatchObject([{ namespace: 'fx' }])
  })

  it('takes arguments from the finished item where no deltas came', () => {
    const { toolCalls } = sum(
      answer(
        created(),
        added(0, call()),
        finished(0, call('f', 'call_1', { arguments: '{"a":1}' })),
        ended(),
      ),
    )
    expect(toolCalls).toEqual([{ id: 'call_1', name: 'f', args: { a: 1 } }])
  })

  it('takes text from whatever says it, once', () => {
    const whole = { ...message, content: [{ type: 'output_text', text: 'Hi' }] }
    const done: Event = { type: 'response.output_text.done', output_index: 0, content_index: 0, text: 'Hi' }
    const ways: Event[][] = [
      [added(0, message), text(0, 'Hi')],
      [added(0, message), text(0, 'Hi'), done, finished(0, whole)],
      [added(0, message), done],
      [finished(0, whole)],
      [],
    ]
    for (const way of ways) {
      expect(sum(answer(created(), ...way, ended({ output: [whole] }))).text).toBe('Hi')
    }
  })

  it('may be resumed in the middle', () => {
    const whole = { ...message, content: [{ type: 'output_text', text: 'Hello' }] }
    const { text: said, finish } = sum(answer(text(0, 'llo'), finished(0, whole), ended({ output: [whole] })))
    expect([said, finish?.finishReason]).toEqual(['llo', 'stop'])
  })

  it('needs no event names, ignores what it does not know, and does not wait for [DONE]', () => {
    const known = [created(), added(0, message), text(0, 'Hi'), ended()]
    const more = [created(), { type: 'response.sparkle', x: 1 }, ...known.slice(1), { type: 'keepalive' }]
    expect(stream(provider, `${wire(more, false)}data: [DONE]\n\n`)).toEqual(answer(...known))
  })

  it('reports what it cost where the server says so', () => {
    const cost = (usage: object): number | undefined => provider.decode({ output: [], usage }).reportedCost
    expect(cost({ cost: 0.0125 })).toBe(0.0125)
    expect(cost({ cost_in_usd_ticks: 25_000_000 })).toBe(0.0025)
    expect(cost({})).toBeUndefined()
  })

  it('has another name, and parts of its own, at another service', () => {
    const azure = openai({ name: 'azure' })
    const { events } = azure.decode({
      output: [{ type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'x' }],
    })
    expect(sum(events).parts[0]).toMatchObject({ origin: { provider: 'azure' } })
    expect(events[0]).toMatchObject({ provider: 'azure' })
  })
})

describe('an answer of the Responses API that is cut', () => {
  it('is interrupted at every frame before the end', () => {
    const frames = fixture('tools.sse').split(/(?<=\n\n)/)
    for (let count = 0; count < frames.length - 1; count += 1) {
      const error = thrown(() => run(provider, bytes(frames.slice(0, count).join(''))))
      expect(error).toMatchObject({ kind: 'interrupted', retryable: true })
    }
  })

  it('row 75: incomplete ends with a reason, and a cut call is flagged', () => {
    const cut = (reason: string, item: Record<string, unknown>, ...pieces: Event[]) =>
      sum(
        answer(
          created(),
          added(0, item),
          ...pieces,
          finished(0, { ...item, status: 'incomplete' }),
          ended({ incomplete_details: { reason } }, 'incomplete'),
        ),
      )
    const { toolCalls, finish } = cut('max_output_tokens', call(), args(0, '{"path":"/ho'))
    expect(finish).toMatchObject({ finishReason: 'length', rawFinishReason: 'max_output_tokens' })
    expect(toolCalls[0]).toMatchObject({ name: 'f', invalid: { raw: '{"path":"/ho' } })
    expect(cut('max_output_tokens', call()).toolCalls[0]).toMatchObject({ invalid: { raw: '' } })
    expect(cut('content_filter', message, text(0, 'So')).finish?.finishReason).toBe('content-filter')
    expect(cut('steered', message, text(0, 'So')).finish).toMatchObject({
      finishReason: 'unknown',
      rawFinishReason: 'steered',
    })
    const body = {
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output: [call('f', 'call_1', { status: 'incomplete', arguments: '{"a' })],
    }
    expect(sum(provider.decode(body).events).toolCalls[0]?.invalid?.raw).toBe('{"a')
  })

  it('row 75: failed, and error events flat or nested, are errors', () => {
    const failed = ended({ error: { code: 'server_error', message: 'Oops' } }, 'failed')
    expect(failure(created(), failed)).toMatchObject({
      kind: 'server',
      retryable: true,
      code: 'server_error',
    })
    const nested = {
      type: 'error',
      error: { type: 'tokens', code: 'rate_limit_exceeded', message: 'slow', param: null },
    }
    expect(failure(created(), added(0, message), text(0, 'Hi'), nested)).toMatchObject({ kind: 'rate-limit' })
    const flat = { type: 'error', code: 'context_length_exceeded', message: 'too long', param: 'input' }
    expect(failure(flat)).toMatchObject({ kind: 'context-length', retryable: false })
    expect(failure(ended({ error: null }, 'failed')).kind).toBe('server')
    expect(
      thrown(() => provider.decode({ error: { message: 'no', type: 'invalid_request_error' } })),
    ).toMatchObject({
      kind: 'invalid-request',
    })
  })

  it('says when it was cancelled, or is not ready', () => {
    expect(thrown(() => provider.decode({ status: 'cancelled', output: [] }))).toMatchObject({
      kind: 'interrupted',
      retryable: false,
    })
    expect(thrown(() => provider.decode({ status: 'queued', output: [] }))).toMatchObject({
      kind: 'interrupted',
    })
  })
})

describe('quirks and faults of Responses streams', () => {
  it('quirk 13: the parallel wrapper is an ordinary call', () => {
    const args = '{"tool_uses":[{"recipient_name":"functions.f","parameters":{}}]}'
    const item = call('parallel', 'call_1', { arguments: args })
    const { toolCalls } = sum(answer(created(), added(0, call('parallel')), finished(0, item), ended()))
    expect(toolCalls).toEqual([{ id: 'call_1', name: 'parallel', args: JSON.parse(args) as unknown }])
  })

  it('quirk 26: item ids that rotate between events change nothing', () => {
    const { text: said, toolCalls } = sum(
      answer(
        created(),
        added(0, { ...message, id: 'a1' }),
        text(0, 'Hel', { item_id: 'b2' }),
        text(0, 'lo', { item_id: 'c3' }),
        finished(0, { ...message, id: 'd4', content: [{ type: 'output_text', text: 'Hello' }] }),
        added(1, { ...call(), id: 'e5' }),
        { ...args(1, '{"a":'), item_id: 'f6' },
        { ...args(1, '1}'), item_id: 'g7' },
        finished(1, { ...call('f', 'call_1', { arguments: '{"a":1}' }), id: 'h8' }),
        ended({ output: [{ ...message, id: 'i9', content: [{ type: 'output_text', text: 'Hello' }] }] }),
      ),
    )
    expect([said, toolCalls]).toEqual(['Hello', [{ id: 'call_1', name: 'f', args: { a: 1 } }]])
  })

  it('quirk 26: a known event of the wrong shape is a protocol error', () => {
    for (const event of [text(0, 7), text(0, {}), args(0, []), { type: 'response.output_item.done' }]) {
      expect(failure(created(), event)).toMatchObject({ kind: 'protocol' })
    }
    expect(sum(answer(created(), text(0, null), text(0, 'x'), ended())).text).toBe('x')
  })

  it('quirk 28: anything but a response', () => {
    for (const body of [null, [], 'x', {}, { output: 'x' }]) {
      expect(thrown(() => provider.decode(body))).toMatchObject({ kind: 'protocol' })
    }
  })

  it('quirk 55: __proto__ in arguments stays data', () => {
    const { toolCalls } = sum(
      answer(
        created(),
        added(0, call()),
        args(0, '{"__proto__":{"x":1}}'),
        finished(0, call('f', 'call_1', { arguments: '{"__proto__":{"x":1}}' })),
        ended(),
      ),
    )
    expect(Object.keys(toolCalls[0]?.args as object)).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
  })

  it('row 79: the same event twice, and indices far out', () => {
    const numbered = (event: Event, sequence_number: number): Event => ({ ...event, sequence_number })
    const events = [created(), added(0, message), text(0, 'ha'), text(0, 'ha'), ended()].map(numbered)
    const twice = events.flatMap((event) => [event, event])
    expect(answer(...twice)).toEqual(answer(...events))
    expect(sum(answer(...events)).text).toBe('haha')
    for (const index of [1e9, -1, 1.5, '0', undefined]) {
      const { parts } = sum(answer(created(), added(index, message), text(index, 'Hi'), ended()))
      expect(parts).toEqual([{ type: 'text', text: 'Hi' }])
    }
  })

  it('row 80: pieces of a finished item are ignored', () => {
    const whole = { ...message, content: [{ type: 'output_text', text: 'Hi' }] }
    const events = [added(0, message), text(0, 'Hi'), finished(0, whole), text(0, 'Hi'), finished(0, whole)]
    expect(sum(answer(...events, ended())).text).toBe('Hi')
  })

  it('row 82: a status nobody knows', () => {
    expect(sum(answer(created(), ended({ status: 'paused' }))).finish).toMatchObject({
      finishReason: 'unknown',
      rawFinishReason: 'paused',
    })
  })

  it('row 83: calls without id or name, with one id, and interleaved', () => {
    const { toolCalls } = sum(
      answer(
        created(),
        added(0, call('a', 'same')),
        added(1, call('b', 'same')),
        added(2, call('', '')),
        args(1, '{"n":'),
        args(0, '{"n":0}'),
        args(1, '1}'),
        args(2, '{}'),
        finished(1, call('b', 'same', { arguments: '{"n":1}' })),
        finished(0, call('a', 'same', { arguments: '{"n":0}' })),
        finished(2, call('', '', { arguments: '{}' })),
        ended(),
      ),
    )
    expect(toolCalls.map((one) => one.args)).toEqual([{ n: 0 }, { n: 1 }, undefined])
    expect(new Set(toolCalls.map((one) => one.id)).size).toBe(3)
    expect(toolCalls[2]?.invalid?.reason).toContain('never named')
  })

  it('row 84: the model that answered is the one the server names', () => {
    expect(answer(created({ model: 'gpt-other' }), ended())[0]).toMatchObject({ model: 'gpt-other' })
    expect(answer(created({ model: '' }), ended())[0]).toMatchObject({ model: 'test-model' })
  })
})

describe('the other endpoints of OpenAI', () => {
  it('count tokens', () => {
    const http = provider.countTokens?.encode(ask({ system: 'Be brief.', maxTokens: 5 }))
    expect(http?.url).toBe('https://api.openai.com/v1/responses/input_tokens')
    expect(JSON.parse(http?.body as string)).toEqual({
      model: 'test-model',
      instructions: 'Be brief.',
      input: [{ role: 'user', content: 'Hi' }],
    })
    expect(provider.countTokens?.decode({ object: 'response.input_tokens', input_tokens: 11 })).toBe(11)
    expect(thrown(() => provider.countTokens?.decode({ input_tokens: '11' }))).toMatchObject({
      kind: 'protocol',
    })
  })

  it('list models', () => {
    expect(provider.listModels?.encode()).toMatchObject({
      method: 'GET',
      url: 'https://api.openai.com/v1/models',
    })
    expect(provider.listModels?.decode({ data: [{ id: 'a' }, { id: 'b' }] })).toEqual({ models: ['a', 'b'] })
  })
})
