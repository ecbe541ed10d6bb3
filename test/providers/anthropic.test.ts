import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import type { StreamEvent } from '../../src/types.ts'
import { ask, run, stream, sum, thrown } from './codec.ts'

const provider = anthropic()
const fixture = (name: string): string => readFileSync(`fixtures/anthropic/${name}`, 'utf8')
const bytes = (text: string): Uint8Array[] => [new TextEncoder().encode(text)]

type Event = Record<string, unknown> & { type: string }

/** Events as the API writes them; `names: false` leaves the `event:` lines out, as some proxies do. */
function wire(events: Event[], names = true): string {
  return events
    .map((event) => `${names ? `event: ${event.type}\n` : ''}data: ${JSON.stringify(event)}\n\n`)
    .join('')
}

const start = (message: Record<string, unknown> = {}): Event => ({
  type: 'message_start',
  message: { id: 'msg_1', model: 'claude-sonnet-5-5', content: [], usage: { input_tokens: 3 }, ...message },
})
const open = (index: unknown, content_block: Record<string, unknown>): Event => ({
  type: 'content_block_start',
  index,
  content_block,
})
const delta = (index: unknown, value: Record<string, unknown>): Event => ({
  type: 'content_block_delta',
  index,
  delta: value,
})
const text = (index: unknown, value: string): Event => delta(index, { type: 'text_delta', text: value })
const json = (index: unknown, value: unknown): Event =>
  delta(index, { type: 'input_json_delta', partial_json: value })
const close = (index: unknown): Event => ({ type: 'content_block_stop', index })
const last = (stop_reason: string | null, usage: unknown = { output_tokens: 5 }): Event => ({
  type: 'message_delta',
  delta: { stop_reason, stop_sequence: null },
  usage,
})
const stop: Event = { type: 'message_stop' }
const textBlock = { type: 'text', text: '' }
const tool = (name = 'f', id = 'toolu_1', input: unknown = {}): Event => ({
  type: 'tool_use',
  id,
  name,
  input,
})

const answer = (...events: Event[]): StreamEvent[] => stream(provider, wire(events))
const failure = (...events: Event[]): LlmError => {
  const error = thrown(() => run(provider, bytes(wire(events))))
  expect(LlmError.is(error)).toBe(true)
  return error as LlmError
}

describe('an Anthropic answer', () => {
  it('is text, usage and a reason to stop, in every chunking', () => {
    const events = stream(provider, fixture('text.sse'))
    expect(events[0]).toEqual({
      type: 'start',
      provider: 'anthropic',
      model: 'claude-sonnet-5-5',
      id: 'msg_text',
    })
    const { text: said, finish } = sum(events)
    expect(said).toBe('Rayleigh scattering: blue light bends most. 🌤️')
    expect(finish).toEqual({
      type: 'finish',
      finishReason: 'stop',
      rawFinishReason: 'end_turn',
      usage: {
        inputTokens: 42,
        outputTokens: 17,
        totalTokens: 59,
        cachedInputTokens: 30,
        cacheWriteTokens: 0,
      },
    })
  })

  for (const name of ['text', 'tools', 'thinking', 'search']) {
    it(`is the same as a JSON body: ${name}`, () => {
      const { events, raw } = provider.decode(JSON.parse(fixture(`${name}.json`)))
      expect(sum(events)).toEqual(sum(stream(provider, fixture(`${name}.sse`))))
      expect(raw.usage).toHaveProperty('output_tokens')
    })
  }

  it('may call several tools, with and without arguments', () => {
    const events = stream(provider, fixture('tools.sse'))
    const { toolCalls, finish, parts } = sum(events)
    expect(toolCalls).toEqual([
      { id: 'toolu_1', name: 'get_weather', args: { city: 'Paris', unit: 'c' } },
      { id: 'toolu_2', name: 'get_time', args: {} },
      { id: 'toolu_3', name: 'get_news', args: {} },
    ])
    expect(parts.map((part) => part.type)).toEqual(['text', 'tool-call', 'tool-call', 'tool-call'])
    expect(finish?.finishReason).toBe('tool-calls')
  })

  it('shows arguments while they grow', () => {
    const partials: unknown[] = []
    const decoder = provider.decoder(ask())
    for (const frame of provider.frames().push(bytes(fixture('tools.sse'))[0] as Uint8Array)) {
      for (const event of decoder.push(frame)) {
        if (event.type === 'tool-call-delta') partials.push(structuredClone(event.partial))
      }
    }
    expect(partials).toEqual([{ city: 'Pa' }, { city: 'Paris', unit: 'c' }, {}, {}])
  })

  it('keeps every thinking block with its own signature', () => {
    const { parts, reasoning, finish } = sum(stream(provider, fixture('thinking.sse')))
    const origin = { provider: 'anthropic' }
    expect(parts).toEqual([
      { type: 'reasoning', text: 'One r in straw, two in berry.', signature: 'c2lnLW9uZQ==', origin },
      { type: 'reasoning', text: '', encrypted: 'cmVkYWN0ZWQ=', redacted: true, origin },
      { type: 'reasoning', text: '', signature: 'c2lnLXR3bw==', origin },
      { type: 'text', text: 'Three.' },
    ])
    expect(reasoning).toBe('One r in straw, two in berry.')
    expect(finish?.usage.reasoningTokens).toBe(52)
  })

  it('cites: sources on the text, and once each on their own', () => {
    const { parts, sources, finish } = sum(stream(provider, fixture('search.sse')))
    const tower = {
      url: 'https://example.org/tower',
      title: 'The tower',
      text: 'The tower is 330 m tall.',
    }
    const history = { title: 'History', text: 'It was finished in 1889.' }
    expect(sources).toEqual([tower, history])
    expect(parts[2]).toMatchObject({
      type: 'text',
      text: 'It is 330 m tall',
      sources: [{ ...tower, start: 0, end: 16 }],
    })
    expect(parts[3]).toEqual({ type: 'text', text: ' and ' })
    expect(parts[4]).toMatchObject({
      sources: [
        { ...history, start: 0, end: 21 },
        { ...tower, start: 0 },
      ],
    })
    expect(finish?.finishReason).toBe('pause')
  })

  it('passes server tools and unknown blocks through as provider parts', () => {
    const { parts } = sum(stream(provider, fixture('search.sse')))
    const [call, result] = (JSON.parse(fixture('search.json')) as { content: unknown[] }).content
    expect(parts[0]).toEqual({ type: 'provider', provider: 'anthropic', value: call })
    expect(parts[1]).toEqual({ type: 'provider', provider: 'anthropic', value: result })
    const { parts: compacted } = sum(
      answer(
        start(),
        open(0, { type: 'compaction', content: null }),
        delta(0, { type: 'compaction_delta', content: 'So far: ' }),
        delta(0, { type: 'compaction_delta', content: 'foxes.' }),
        close(0),
        open(1, { type: 'hologram', beam: { w: 3 } }),
        close(1),
        last('end_turn'),
        stop,
      ),
    )
    expect(compacted).toEqual([
      {
        type: 'provider',
        provider: 'anthropic',
        value: { type: 'compaction', content: 'So far: foxes.' },
      },
      { type: 'provider', provider: 'anthropic', value: { type: 'hologram', beam: { w: 3 } } },
    ])
  })

  it('goes back into the conversation byte for byte', () => {
    for (const name of ['tools', 'thinking', 'search']) {
      const { parts } = sum(stream(provider, fixture(`${name}.sse`)))
      const message = JSON.parse(JSON.stringify({ role: 'assistant', content: parts })) as never
      const { body } = provider.encode(
        ask({ messages: [{ role: 'user', content: 'Q' }, message, { role: 'user', content: 'Go on' }] }),
      )
      const sent = (JSON.parse(body as string) as { messages: { content: unknown }[] }).messages[1]
      // Blank text is the one thing that may not be sent back: the API refuses it.
      const expected = (JSON.parse(fixture(`${name}.json`)) as { content: { text?: string }[] }).content
      expect(sent?.content, name).toEqual(expected.filter((block) => block.text?.trim() !== ''))
    }
  })

  it('keeps who called a tool that the model called from a program', () => {
    const caller = { type: 'code_execution_20250825', tool_id: 'srvtoolu_9' }
    const { parts } = sum(
      answer(start({ content: [{ ...tool('q', 'toolu_p'), caller }], stop_reason: 'tool_use' }), stop),
    )
    expect(parts).toEqual([
      {
        type: 'tool-call',
        id: 'toolu_p',
        name: 'q',
        args: {},
        origin: { provider: 'anthropic', caller },
      },
    ])
    const { body } = provider.encode(ask({ messages: [{ role: 'assistant', content: parts }] }))
    expect(body).toContain(JSON.stringify(caller))
  })

  it('counts compaction, which is billed beside the totals, and not an adviser of another model', () => {
    const iteration = { input_tokens: 100, output_tokens: 80, cache_read_input_tokens: 5000 }
    const { finish } = sum(
      answer(
        start(),
        open(0, textBlock),
        text(0, 'Hi'),
        close(0),
        last('end_turn', {
          input_tokens: 181,
          output_tokens: 8,
          cache_read_input_tokens: 0,
          iterations: [
            { ...iteration, type: 'compaction' },
            { ...iteration, type: 'advisor_message', model: 'claude-opus-4-8' },
            { input_tokens: 181, output_tokens: 8, type: 'message' },
          ],
        }),
        stop,
      ),
    )
    expect(finish?.usage).toMatchObject({ inputTokens: 5281, outputTokens: 88, cachedInputTokens: 5000 })
  })

  it('takes the usage of message_delta over that of message_start, field by field', () => {
    const { finish } = sum(
      answer(
        start({ usage: { input_tokens: 10, cache_read_input_tokens: 4, output_tokens: 1 } }),
        open(0, textBlock),
        text(0, 'Hi'),
        close(0),
        last('end_turn', { input_tokens: 900, cache_read_input_tokens: null, output_tokens: 7 }),
        stop,
      ),
    )
    expect(finish?.usage).toMatchObject({
      inputTokens: 904,
      cachedInputTokens: 4,
      outputTokens: 7,
      totalTokens: 911,
    })
  })

  it('reports what was used so far when it is interrupted', () => {
    const decoder = provider.decoder(ask())
    for (const frame of provider.frames().push(bytes(wire([start(), open(0, textBlock)]))[0] as Uint8Array)) {
      decoder.push(frame)
    }
    expect(decoder.usage).toMatchObject({ inputTokens: 3 })
  })

  const reasons = [
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['pause_turn', 'pause'],
    ['compaction', 'pause'],
    ['refusal', 'content-filter'],
    ['something_new', 'unknown'],
    ['toString', 'unknown'],
  ] as const
  for (const [raw, reason] of reasons) {
    it(`stops for ${raw}: ${reason}`, () => {
      const events = answer(start(), open(0, textBlock), text(0, 'Hi'), close(0), last(raw), stop)
      expect(sum(events).finish).toMatchObject({ finishReason: reason, rawFinishReason: raw })
    })
  }

  it('warns when the answer ends at a limit nobody set', () => {
    const body = wire([start(), open(0, textBlock), text(0, 'Hi'), close(0), last('max_tokens'), stop])
    const warning = (request: Parameters<typeof ask>[0]) =>
      run(provider, bytes(body), ask(request)).find((event) => event.type === 'warning')?.warning
    expect(warning({ model: 'claude-opus-5-5' })).toMatchObject({ code: 'default', field: 'maxTokens' })
    expect(warning({ model: 'kimi' })?.message).toContain('set maxTokens')
    expect(warning({ model: 'claude-opus-5-5', maxTokens: 10 })).toBeUndefined()
  })

  it('keeps the details of a refusal', () => {
    const details = { type: 'refusal', category: 'cyber', explanation: 'No.' }
    const decoder = provider.decoder(ask())
    const body = wire([
      start(),
      { type: 'message_delta', delta: { stop_reason: 'refusal', stop_details: details } },
      stop,
    ])
    for (const frame of provider.frames().push(bytes(body)[0] as Uint8Array)) decoder.push(frame)
    expect(decoder.end().at(-1)).toMatchObject({ finishReason: 'content-filter' })
    expect(decoder.raw.finish).toEqual({ stop_reason: 'refusal', stop_details: details })
  })

  it('needs no event names, and ignores what it does not know', () => {
    const events = [
      start(),
      { type: 'ping' },
      { type: 'aurora', glow: 1 },
      open(0, textBlock),
      text(0, 'Hi'),
      close(0),
      last('end_turn'),
      stop,
    ]
    expect(stream(provider, `${wire(events, false)}data: [DONE]\n\n`)).toEqual(stream(provider, wire(events)))
  })

  it('may be whole in message_start', () => {
    const content = [{ type: 'text', text: 'Hello' }, tool('f', 'toolu_1', { a: 1 })]
    const { text: said, toolCalls, finish } = sum(answer(start({ content }), stop))
    expect(said).toBe('Hello')
    expect(toolCalls).toEqual([{ id: 'toolu_1', name: 'f', args: { a: 1 } }])
    expect(finish).toMatchObject({ finishReason: 'tool-calls', rawFinishReason: undefined })
  })

  it('gives a structured answer as text when it came through the forced tool', () => {
    const request = ask({ model: 'claude-3-haiku', schema: { type: 'object' } })
    const { name } = (JSON.parse(provider.encode(request).body as string) as { tools: { name: string }[] })
      .tools[0] ?? { name: '' }
    const streamed = [
      start(),
      open(0, tool(name)),
      json(0, '{"a":'),
      json(0, '1}'),
      close(0),
      last('tool_use'),
      stop,
    ]
    const { text: said, toolCalls, finish } = sum(stream(provider, wire(streamed), request))
    expect([said, toolCalls, finish?.finishReason]).toEqual(['{"a":1}', [], 'stop'])
    const whole = { content: [tool(name, 'toolu_1', { a: 1 })], stop_reason: 'tool_use' }
    expect(sum(provider.decode(whole, request).events).text).toBe('{"a":1}')
  })

  it('speaks of tools by the names the caller gave them', () => {
    const request = ask({ tools: [{ name: 'my.tool', inputSchema: {} }] })
    const sent = JSON.parse(provider.encode(request).body as string) as { tools: { name: string }[] }
    expect(sent.tools[0]?.name).toBe('my_tool')
    const body = wire([start(), open(0, tool('my_tool')), close(0), last('tool_use'), stop])
    expect(sum(stream(provider, body, request)).toolCalls[0]?.name).toBe('my.tool')
  })
})

describe('an Anthropic answer that is cut', () => {
  it('is interrupted at every frame before the stop reason', () => {
    const frames = fixture('tools.sse').split(/(?<=\n\n)/)
    const end = frames.findIndex((frame) => frame.includes('stop_reason":"tool_use'))
    for (let count = 0; count < end; count += 1) {
      const error = thrown(() => run(provider, bytes(frames.slice(0, count).join(''))))
      expect(error).toMatchObject({ kind: 'interrupted', retryable: true })
    }
    expect(sum(run(provider, bytes(frames.slice(0, end + 1).join('')))).finish).toBeDefined()
  })

  it('never finishes a call whose block is closed but whose answer is not', () => {
    const decoder = provider.decoder(ask())
    const events = provider
      .frames()
      .push(bytes(wire([start(), open(0, tool()), json(0, '{"a":1}'), close(0)]))[0] as Uint8Array)
      .flatMap((frame) => decoder.push(frame))
    expect(events.some((event) => event.type === 'tool-call')).toBe(false)
  })

  it('flags a call that the token limit cut, also one that had not begun its arguments', () => {
    const cut = (...pieces: Event[]) =>
      sum(answer(start(), open(0, tool()), ...pieces, close(0), last('max_tokens'), stop)).toolCalls[0]
    expect(cut(json(0, '{"path":"/ho'))).toMatchObject({ invalid: { raw: '{"path":"/ho' } })
    expect(cut()).toMatchObject({ invalid: { raw: '' } })
    const whole = { content: [tool('f', 't', { path: '/' })], stop_reason: 'max_tokens' }
    expect(sum(provider.decode(whole).events).toolCalls[0]).toMatchObject({ id: 't', name: 'f' })
    expect(sum(provider.decode(whole).events).toolCalls[0]?.invalid?.raw).toBe('{"path":"/"')
  })
})

describe('quirks and faults', () => {
  it('quirk 14: arguments that come whole in content_block_start', () => {
    const { toolCalls } = sum(
      answer(start(), open(0, tool('f', 't1', { a: [1] })), close(0), last('tool_use'), stop),
    )
    expect(toolCalls).toEqual([{ id: 't1', name: 'f', args: { a: [1] } }])
  })

  it('quirk 27: a message_start that comes twice changes nothing', () => {
    const rest = [open(0, textBlock), text(0, 'Hi'), close(0), last('end_turn'), stop]
    expect(answer(start(), start(), ...rest)).toEqual(answer(start(), ...rest))
    const late = [start(), open(0, textBlock), start(), text(0, 'Hi'), close(0), last('end_turn'), stop]
    expect(answer(...late)).toEqual(answer(start(), ...rest))
  })

  it('quirk 27: a second answer spliced into the first is an interruption', () => {
    const error = failure(
      start(),
      open(0, tool()),
      json(0, '{"a'),
      start({ id: 'msg_2' }),
      open(0, textBlock),
      text(0, 'Again'),
      close(0),
      last('end_turn'),
      stop,
    )
    expect(error).toMatchObject({ kind: 'interrupted', retryable: true })
  })

  it('quirk 28: an error object, or anything else, in place of a message', () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
    expect(thrown(() => provider.decode(error))).toMatchObject({ kind: 'overloaded' })
    for (const body of [null, [], 'x', {}, { content: 'x' }]) {
      expect(thrown(() => provider.decode(body))).toMatchObject({ kind: 'protocol' })
    }
  })

  it('quirk 32: thinking blocks are never merged, and keep their order', () => {
    const block = (index: number, thought: string, signature: string): Event[] => [
      open(index, { type: 'thinking', thinking: '', signature: '' }),
      delta(index, { type: 'thinking_delta', thinking: thought }),
      delta(index, { type: 'signature_delta', signature }),
      close(index),
    ]
    const { parts } = sum(
      answer(start(), ...block(0, 'a', 's1'), ...block(1, 'b', 's2'), last('end_turn'), stop),
    )
    expect(parts).toMatchObject([
      { text: 'a', signature: 's1' },
      { text: 'b', signature: 's2' },
    ])
  })

  it('quirk 36 and row 76: overloaded inside a 200, before and after content', () => {
    const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
    expect(failure(start(), overloaded)).toMatchObject({ kind: 'overloaded', retryable: true })
    expect(failure(start(), open(0, textBlock), text(0, 'Hi'), overloaded)).toMatchObject({
      kind: 'overloaded',
    })
    const limit = { type: 'error', error: { type: 'rate_limit_error', message: 'slow' } }
    expect(failure(limit)).toMatchObject({ kind: 'rate-limit', retryable: true })
    const bad = { type: 'error', error: { type: 'invalid_request_error', message: 'no' } }
    expect(failure(bad)).toMatchObject({ kind: 'invalid-request', retryable: false })
  })

  it('quirk 55: __proto__ in arguments and deltas stays data', () => {
    const { toolCalls, parts } = sum(
      answer(
        start(),
        open(0, tool()),
        json(0, '{"__proto__":{"x":1}}'),
        close(0),
        open(1, { type: 'odd' }),
        delta(1, JSON.parse('{"type":"odd_delta","__proto__":{"polluted":true}}') as Event),
        close(1),
        last('tool_use'),
        stop,
      ),
    )
    expect(Object.keys(toolCalls[0]?.args as object)).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    expect((parts[1] as unknown as { value: Record<string, unknown> }).value['polluted']).toBeUndefined()
  })

  it('row 45: a spend limit is not worth waiting for', () => {
    const body = JSON.stringify({
      type: 'error',
      error: {
        type: 'rate_limit_error',
        message: 'Spend limit reached',
        details: { error_code: 'enforced_spend_limit_reached' },
      },
    })
    expect(provider.error({ status: 429, headers: new Headers(), body })).toMatchObject({
      kind: 'quota',
      retryable: false,
    })
  })

  it('row 42: a prompt that is too long is a context overflow', () => {
    const body = JSON.stringify({
      type: 'error',
      error: {
        type: 'invalid_request_error',
        message: 'prompt is too long: 213462 tokens > 200000 maximum',
      },
      request_id: 'req_1',
    })
    const error = provider.error({ status: 400, headers: new Headers(), body })
    expect(error).toMatchObject({ kind: 'context-length', requestId: 'req_1' })
  })

  it('row 79: events twice and deltas for blocks that never began', () => {
    const once = [open(0, textBlock), text(0, 'Hi'), close(0), last('end_turn'), stop]
    const twice = [
      open(0, textBlock),
      open(0, textBlock),
      text(0, 'Hi'),
      close(0),
      close(0),
      ...once.slice(3),
    ]
    expect(answer(start(), ...twice)).toEqual(answer(start(), ...once))
    for (const index of [1, 1e9, -7, 1.5]) {
      expect(failure(start(), open(0, textBlock), text(index, 'x'))).toMatchObject({ kind: 'protocol' })
    }
  })

  it('row 79: any index will do when it is used throughout, and part numbers stay dense', () => {
    for (const index of [7, 1e9, -1, 1.5]) {
      const { parts } = sum(
        answer(start(), open(index, textBlock), text(index, 'Hi'), close(index), last('end_turn'), stop),
      )
      expect(parts).toEqual([{ type: 'text', text: 'Hi' }])
    }
  })

  it('row 80: pieces of a closed block are ignored, and no message_start is needed', () => {
    const { text: said, finish } = sum(
      answer(open(0, textBlock), text(0, 'Hi'), close(0), text(0, 'Hi'), last('end_turn'), stop),
    )
    expect(said).toBe('Hi')
    expect(finish?.finishReason).toBe('stop')
  })

  it('row 81: counts that cannot be are not reported', () => {
    const usage = { input_tokens: -4, output_tokens: '9', cache_read_input_tokens: null }
    const { finish } = sum(
      answer(
        start({ usage: null }),
        open(0, textBlock),
        text(0, 'Hi'),
        close(0),
        last('end_turn', usage),
        stop,
      ),
    )
    expect(Object.values(finish?.usage ?? {}).every((count) => count === undefined)).toBe(true)
  })

  it('row 82: without a reason the answer ends for reasons unknown', () => {
    const { finish } = sum(answer(start(), open(0, textBlock), text(0, 'Hi'), close(0), last(null), stop))
    expect(finish).toMatchObject({ finishReason: 'unknown', rawFinishReason: undefined })
  })

  it('row 83: calls without id or name, with one id, and interleaved', () => {
    const { toolCalls } = sum(
      answer(
        start(),
        open(0, tool('a', 'same')),
        open(1, tool('b', 'same')),
        open(2, tool('', '')),
        json(1, '{"n":'),
        json(0, '{"n":0}'),
        json(1, '1}'),
        json(2, '{}'),
        close(1),
        close(0),
        close(2),
        last('tool_use'),
        stop,
      ),
    )
    expect(toolCalls.map((call) => call.args)).toEqual([{ n: 0 }, { n: 1 }, undefined])
    expect(new Set(toolCalls.map((call) => call.id)).size).toBe(3)
    expect(toolCalls[2]?.invalid?.reason).toContain('never named')
  })

  it('row 84: the model that answered is the one the server names', () => {
    expect(answer(start({ model: 'claude-other' }), stop)[0]).toMatchObject({ model: 'claude-other' })
  })

  it('a frame that is not JSON is a protocol error that does not quote it', () => {
    const error = thrown(() => run(provider, bytes('data: <html>secret</html>\n\n'))) as LlmError
    expect(error.kind).toBe('protocol')
    expect(error.message).not.toContain('secret')
  })
})

describe('the other endpoints', () => {
  it('counts tokens without what shapes the answer', () => {
    const http = provider.countTokens?.encode(
      ask({ system: 'Be brief.', temperature: 0.5, maxTokens: 5, tools: [{ name: 'f', inputSchema: {} }] }),
    )
    expect(http?.url).toBe('https://api.anthropic.com/v1/messages/count_tokens')
    expect(JSON.parse(http?.body as string)).toEqual({
      model: 'test-model',
      system: 'Be brief.',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
      tools: [{ name: 'f', input_schema: { type: 'object' } }],
    })
    expect(provider.countTokens?.decode({ input_tokens: 12 })).toBe(12)
    expect(thrown(() => provider.countTokens?.decode({}))).toMatchObject({ kind: 'protocol' })
  })

  it('lists models page by page', () => {
    expect(provider.listModels?.encode('a b').url).toBe(
      'https://api.anthropic.com/v1/models?limit=1000&after_id=a%20b',
    )
    const page = { data: [{ id: 'm1' }, { id: 'm2' }, {}], has_more: true, last_id: 'm2' }
    expect(provider.listModels?.decode(page)).toEqual({ models: ['m1', 'm2'], cursor: 'm2' })
    expect(provider.listModels?.decode({ data: [], has_more: false })).toEqual({ models: [] })
  })
})
