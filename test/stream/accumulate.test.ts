import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { accumulate, createAccumulator, type Facts } from '../../src/stream/accumulate.ts'
import type { FinishEvent, PartialCompletion, StreamEvent } from '../../src/types.ts'

const FACTS: Facts = { provider: 'p', model: 'asked', attempts: [], raw: {} }
const FINISH: FinishEvent = {
  type: 'finish',
  finishReason: 'stop',
  rawFinishReason: 'end',
  usage: { outputTokens: 3 },
}

function partialOf(events: StreamEvent[], facts: Facts = FACTS): PartialCompletion {
  const sum = createAccumulator()
  for (const event of events) sum.push(event)
  return sum.partial(facts)
}

test('text, reasoning, calls and sources in the order of their parts', () => {
  const completion = accumulate(
    [
      { type: 'start', provider: 'real', model: 'answered', id: 'id1' },
      { type: 'reasoning-delta', part: 0, text: 'hm' },
      { type: 'reasoning-delta', part: 0, text: 'm' },
      { type: 'text-delta', part: 1, text: 'Let me ' },
      { type: 'tool-call-start', part: 2, id: 'c1', name: 'f' },
      { type: 'text-delta', part: 1, text: 'look.' },
      { type: 'tool-call-delta', part: 2, id: 'c1', delta: '{"a":1}', partial: {} },
      { type: 'tool-call', part: 2, id: 'c1', name: 'f', args: { a: 1 } },
      { type: 'source', source: { url: 'https://x' } },
      { type: 'warning', warning: { code: 'dropped', message: 'w' } },
      FINISH,
    ],
    FACTS,
  )
  expect(completion).toMatchObject({
    text: 'Let me look.',
    reasoning: 'hmm',
    toolCalls: [{ id: 'c1', name: 'f', args: { a: 1 } }],
    sources: [{ url: 'https://x' }],
    warnings: [{ code: 'dropped', message: 'w' }],
    message: {
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'hmm' },
        { type: 'text', text: 'Let me look.' },
        { type: 'tool-call', id: 'c1', name: 'f', args: { a: 1 } },
      ],
    },
    provider: 'real',
    model: 'answered',
    id: 'id1',
    finishReason: 'stop',
    rawFinishReason: 'end',
    usage: { outputTokens: 3 },
  })
})

test('parts stand in the order of their index, not of their arrival', () => {
  const { message } = partialOf([
    { type: 'text-delta', part: 1, text: 'b' },
    { type: 'text-delta', part: 0, text: 'a' },
  ])
  expect(message.content).toMatchObject([{ text: 'a' }, { text: 'b' }])
})

describe('a part that comes whole', () => {
  test('replaces its deltas, and goes back to its provider untouched', () => {
    const value = { type: 'reasoning', text: 'hm', signature: 'sig', origin: { provider: 'p' } } as const
    const { message, reasoning } = partialOf([
      { type: 'reasoning-delta', part: 0, text: 'hm' },
      { type: 'part', part: 0, value },
    ])
    expect(message.content).toEqual([value])
    expect(reasoning).toBe('hm')
  })
  test('a tool call with an origin counts as a call once', () => {
    const value = {
      type: 'tool-call',
      id: 'c',
      name: 'f',
      args: {},
      origin: { provider: 'p', item: 'i' },
    } as const
    const { toolCalls, message } = partialOf([
      { type: 'tool-call', part: 0, id: 'c', name: 'f', args: {} },
      { type: 'part', part: 0, value },
    ])
    expect(toolCalls).toEqual([{ id: 'c', name: 'f', args: {} }])
    expect(message.content).toEqual([value])
  })
  test('more text after it is kept', () => {
    const { text } = partialOf([
      { type: 'part', part: 0, value: { type: 'text', text: 'a' } },
      { type: 'text-delta', part: 0, text: 'b' },
    ])
    expect(text).toBe('ab')
  })
})

test('an unfinished call is invalid with its raw text, never one that could be run', () => {
  const { toolCalls } = partialOf([
    { type: 'tool-call-start', part: 0, id: 'c', name: 'rm' },
    { type: 'tool-call-delta', part: 0, id: 'c', delta: '{"path":', partial: {} },
    { type: 'tool-call-delta', part: 0, id: 'c', delta: '"/"}', partial: {} },
  ])
  expect(toolCalls).toEqual([
    { id: 'c', name: 'rm', invalid: { raw: '{"path":"/"}', reason: expect.any(String) } },
  ])
  expect('args' in toolCalls[0]!).toBe(false)
})

test('invalid arguments stay invalid', () => {
  const invalid = { raw: 'x', reason: 'not JSON' }
  expect(partialOf([{ type: 'tool-call', part: 0, id: 'c', name: 'f', invalid }]).toolCalls).toEqual([
    { id: 'c', name: 'f', invalid },
  ])
})

test('a restart forgets what was said, not what was warned of', () => {
  const partial = partialOf([
    { type: 'warning', warning: { code: 'default', message: 'w' } },
    { type: 'text-delta', part: 0, text: 'old' },
    { type: 'source', source: { url: 'old' } },
    { type: 'restart', error: { kind: 'interrupted', message: 'x', retryable: true } },
    { type: 'text-delta', part: 0, text: 'new' },
  ])
  expect(partial).toMatchObject({ text: 'new', sources: [], warnings: [{ code: 'default' }] })
})

test('without a finish event there is a partial but no completion', () => {
  const sum = createAccumulator()
  sum.push({ type: 'text-delta', part: 0, text: 'half' })
  expect(sum.partial(FACTS)).toMatchObject({ text: 'half', finishReason: undefined, usage: {} })
  expect(() => sum.completion(FACTS)).toThrow(expect.objectContaining({ kind: 'interrupted' }))
})

test('usage so far stands in the partial until the finish event says better', () => {
  expect(partialOf([], { ...FACTS, usage: { inputTokens: 9 } }).usage).toEqual({ inputTokens: 9 })
  expect(partialOf([FINISH], { ...FACTS, usage: { inputTokens: 9 } }).usage).toEqual({ outputTokens: 3 })
})

test('an empty text part is no part', () => {
  expect(partialOf([{ type: 'text-delta', part: 0, text: '' }]).message.content).toEqual([])
})

test('the partial does not change under who holds it', () => {
  const sum = createAccumulator()
  sum.push({ type: 'text-delta', part: 0, text: 'a' })
  const before = sum.partial(FACTS)
  sum.push({ type: 'text-delta', part: 0, text: 'b' })
  sum.push({ type: 'source', source: {} })
  expect([before.text, before.sources]).toEqual(['a', []])
})

test('one text part is held once: the text of the completion is its string', () => {
  const completion = accumulate([{ type: 'text-delta', part: 0, text: 'x'.repeat(100) }, FINISH], FACTS)
  expect(completion.message.content[0]).toMatchObject({ text: completion.text })
})

test('however a text is cut, it is the same text', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 2000 }), (pieces) => {
      const events = pieces.map((text): StreamEvent => ({ type: 'text-delta', part: 0, text }))
      expect(partialOf(events).text).toBe(pieces.join(''))
    }),
    { numRuns: process.env['LLMSWAP_FULL'] === '1' ? 500 : 50 },
  )
})

test('a million deltas cost a million steps', () => {
  const sum = createAccumulator()
  const event: StreamEvent = { type: 'text-delta', part: 0, text: 'abcd' }
  for (let n = 0; n < 1_000_000; n++) sum.push(event)
  expect(sum.partial(FACTS).text.length).toBe(4_000_000)
})
