/**
 * What nobody should send: Messages, Responses and Converse against nonsense, depth and `__proto__`.
 * Whatever arrives, a decoder gives events or throws an LlmError; whatever is asked, an encoder gives a body or throws one.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import type { Decoder, Provider } from '../../src/provider.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { bedrock } from '../../src/providers/bedrock.ts'
import { openai } from '../../src/providers/openai.ts'
import type { Message, Part, StreamEvent } from '../../src/types.ts'
import { fuzzRuns } from '../corpus.ts'
import { ask, sum, thrown } from './codec.ts'

const providers: Provider[] = [anthropic(), openai(), bedrock({ region: 'us-east-1' })]
const DEPTH = 100_000
const DEEP = `${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`

/** Pushes payloads until the decoder is done; for Converse the event's name stands in the frame. */
function decode(decoder: Decoder, payloads: string[], names: string[] = []): StreamEvent[] {
  const events = payloads.flatMap((data, at) =>
    decoder.push({ event: names[at] ?? 'message', data, messageType: 'event' }),
  )
  return [...events, ...decoder.end()]
}

/** A stream of one call with these arguments as text, in each format. */
const calls: readonly [Provider, (args: string) => [payloads: unknown[], names?: string[]]][] = [
  [
    anthropic(),
    (args) => [
      [
        { type: 'message_start', message: { id: 'm', model: 'x', content: [] } },
        {
          type: 'content_block_start',
          index: 0,
          content_block: { type: 'tool_use', id: 't', name: 'f', input: {} },
        },
        { type: 'content_block_delta', index: 0, delta: { type: 'input_json_delta', partial_json: args } },
        { type: 'content_block_stop', index: 0 },
        { type: 'message_delta', delta: { stop_reason: 'tool_use' } },
        { type: 'message_stop' },
      ],
    ],
  ],
  [
    openai(),
    (args) => [
      [
        { type: 'response.created', response: { id: 'r' } },
        {
          type: 'response.output_item.added',
          output_index: 0,
          item: { type: 'function_call', call_id: 't', name: 'f' },
        },
        { type: 'response.function_call_arguments.delta', output_index: 0, delta: args },
        {
          type: 'response.output_item.done',
          output_index: 0,
          item: { type: 'function_call', call_id: 't', name: 'f', arguments: args },
        },
        { type: 'response.completed', response: { status: 'completed' } },
      ],
    ],
  ],
  [
    bedrock({ region: 'us-east-1' }),
    (args) => [
      [
        { role: 'assistant' },
        { contentBlockIndex: 0, start: { toolUse: { toolUseId: 't', name: 'f' } } },
        { contentBlockIndex: 0, delta: { toolUse: { input: args } } },
        { contentBlockIndex: 0 },
        { stopReason: 'tool_use' },
      ],
      ['messageStart', 'contentBlockStart', 'contentBlockDelta', 'contentBlockStop', 'messageStop'],
    ],
  ],
]

describe.each(calls.map(([provider, stream]) => [provider.name, provider, stream] as const))(
  'arguments from %s',
  (_, provider, stream) => {
    const call = (args: string) => {
      const [payloads, names] = stream(args)
      const frames = payloads.map((payload) => JSON.stringify(payload))
      return sum(decode(provider.decoder(ask()), frames, names)).toolCalls[0]
    }

    it('100,000 levels deep are flagged, not followed', () => {
      expect(call(DEEP)?.invalid?.reason).toContain('deeper')
      expect(call('['.repeat(DEPTH))?.invalid).toBeDefined()
    })

    it('quirk 12: that are not JSON, or JSON and more, are flagged with their text', () => {
      for (const raw of ['{"a":1}garbage', "{'a':1}", '{"a":"\n"}', '[1]', 'null', '"x"', 'nonsense']) {
        expect(call(raw), raw).toMatchObject({ name: 'f', invalid: { raw } })
      }
    })

    it('quirk 10: of white space or nothing are an empty object', () => {
      for (const raw of ['', ' \n', '{}']) expect(call(raw)?.args).toEqual({})
    })

    it('named __proto__ stay data', () => {
      expect(Object.keys(call('{"__proto__":{"x":1}}')?.args as object)).toEqual(['__proto__'])
      expect(({} as Record<string, unknown>)['x']).toBeUndefined()
    })
  },
)

describe('whole bodies that nest deeply', () => {
  const deep = JSON.parse(DEEP) as unknown

  it.each(['tool_use', 'max_tokens'])('are read from anthropic, stopped for %s', (stop_reason) => {
    const content = [{ type: 'tool_use', id: 't', name: 'f', input: deep }]
    const { events } = anthropic().decode({ content, stop_reason })
    expect(sum(events).toolCalls[0]?.invalid).toBeDefined()
  })

  it.each(['tool_use', 'max_tokens'])('are read from bedrock, stopped for %s', (stopReason) => {
    const content = [{ toolUse: { toolUseId: 't', name: 'f', input: deep } }]
    const { events } = bedrock({ region: 'us-east-1' }).decode({
      output: { message: { content } },
      stopReason,
    })
    expect(sum(events).toolCalls[0]?.invalid).toBeDefined()
  })

  it('are read from openai', () => {
    const { events } = openai().decode({
      output: [{ type: 'function_call', call_id: 't', name: 'f', arguments: deep }],
    })
    expect(sum(events).toolCalls[0]?.invalid).toBeDefined()
  })

  it.each(providers.map((provider) => [provider.name, provider] as const))(
    'are not written to %s: a typed error before any byte is sent',
    (_, provider) => {
      const part: Part = { type: 'tool-call', id: 't', name: 'f', args: deep }
      const tools = [{ name: 'f', inputSchema: { type: 'object', properties: { a: deep } } }]
      expect(
        LlmError.is(
          thrown(() => provider.encode(ask({ messages: [{ role: 'assistant', content: [part] }] }))),
        ),
      ).toBe(true)
      expect(LlmError.is(thrown(() => provider.encode(ask({ tools } as never))))).toBe(true)
    },
  )
})

// Names and values that mean something to one of the formats, so that nonsense gets past the first check.
const KEYS = (
  'type index delta message content content_block usage stop_reason id name input text thinking signature partial_json ' +
  'citations citation output_index item response output status arguments call_id summary encrypted_content annotation ' +
  'content_index summary_index logprobs token logprob incomplete_details reason error contentBlockIndex start toolUse ' +
  'toolUseId toolResult reasoningContent redactedContent stopReason bytes iterations __proto__ constructor'
).split(' ')
const TYPES = (
  'message_start content_block_start content_block_delta content_block_stop message_delta message_stop error text ' +
  'thinking tool_use redacted_thinking text_delta input_json_delta thinking_delta citations_delta response.created ' +
  'response.output_item.added response.output_item.done response.output_text.delta response.output_text.done ' +
  'response.function_call_arguments.delta response.custom_tool_call_input.delta response.completed response.incomplete ' +
  'response.reasoning_summary_text.delta response.output_text.annotation.added reasoning function_call ' +
  'custom_tool_call completed incomplete end_turn max_tokens server_tool_use'
).split(' ')
const EVENTS =
  'messageStart contentBlockStart contentBlockDelta contentBlockStop messageStop metadata chunk'.split(' ')

const { value: anyValue } = fc.letrec<{ value: unknown; object: unknown }>((tie) => ({
  value: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...TYPES) },
    { weight: 2, arbitrary: fc.constantFrom(0, 1, -1, 1.5, 1e9, true, null, '', '{"a":1}', 'x') },
    { weight: 4, arbitrary: tie('object') },
    { weight: 1, arbitrary: fc.array(tie('value'), { maxLength: 3 }) },
  ),
  object: fc
    .array(fc.tuple(fc.constantFrom(...KEYS), tie('value')), { maxLength: 5 })
    .map((pairs) => Object.fromEntries(pairs)),
}))
const anyEvent = fc
  .tuple(fc.constantFrom(...TYPES), fc.constantFrom(...EVENTS), anyValue)
  .map(([type, event, body]) => ({
    event,
    data: JSON.stringify(
      typeof body === 'object' && body !== null && !Array.isArray(body) ? { type, ...body } : body,
    ),
  }))

describe.each(providers.map((provider) => [provider.name, provider] as const))(
  '%s and nonsense',
  (_, provider) => {
    it('any stream gives events or an LlmError', () => {
      fc.assert(
        fc.property(fc.array(anyEvent, { maxLength: 12 }), (frames) => {
          const decoder = provider.decoder(ask())
          let error: unknown
          try {
            const events = frames.flatMap((frame) => decoder.push({ ...frame, messageType: 'event' }))
            JSON.stringify([...events, ...decoder.end()])
          } catch (caught) {
            error = caught
          }
          expect(error === undefined || LlmError.is(error), String(error)).toBe(true)
        }),
        { numRuns: fuzzRuns(20_000, 300) },
      )
      expect(Object.keys(Object.prototype)).toEqual([])
    })

    it('any body gives events or an LlmError', () => {
      fc.assert(
        fc.property(anyValue, anyValue, (body, content) => {
          const error = thrown(() =>
            provider.decode({
              ...(body as object),
              content: [content],
              output: provider.name === 'bedrock' ? { message: { content: [content] } } : [content],
            }),
          )
          expect(error === undefined || LlmError.is(error), String(error)).toBe(true)
        }),
        { numRuns: fuzzRuns(20_000, 300) },
      )
    })

    it('any valid history is written, or refused by name', () => {
      const origin = fc.constantFrom(
        undefined,
        { provider: 'anthropic' },
        { provider: 'gemini', phase: 'x' },
        { provider: 'openai' },
      )
      const text = fc.string({ unit: 'binary', maxLength: 8 })
      const part = fc.oneof(
        fc.record({ type: fc.constant('text'), text, origin }),
        fc.record({
          type: fc.constant('reasoning'),
          text,
          signature: fc.option(text, { nil: undefined }),
          origin,
        }),
        fc.record({ type: fc.constant('tool-call'), id: text, name: text, args: anyValue, origin }),
        fc.record({
          type: fc.constant('tool-result'),
          id: text,
          name: text,
          content: text,
          isError: fc.boolean(),
        }),
        fc.record({
          type: fc.constant('provider'),
          provider: fc.constantFrom('openai', 'x'),
          value: anyValue,
        }),
        fc.record({
          type: fc.constant('image'),
          url: fc.constantFrom('https://x.test/a.png', 'data:image/png;base64,AAAA'),
        }),
        fc.record({
          type: fc.constant('audio'),
          data: fc.constant('AAAA'),
          mediaType: fc.constant('audio/wav'),
        }),
      )
      const message = fc.record({
        role: fc.constantFrom('system', 'user', 'assistant', 'tool'),
        content: fc.oneof(text, fc.array(part, { maxLength: 4 })),
      })
      fc.assert(
        fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
          const request = ask({ messages: messages as unknown as Message[] })
          const error = thrown(() => JSON.parse(provider.encode(request).body as string) as unknown)
          // Bedrock fetches nothing: a picture by address is refused.
          const refused = LlmError.is(error) && error.kind === 'invalid-request'
          expect(error === undefined || (refused && provider.name === 'bedrock'), String(error)).toBe(true)
        }),
        { numRuns: fuzzRuns(5000, 100) },
      )
    })
  },
)
