import { describe, expect, it } from 'vitest'
import { createReviver } from '../../src/stream/live.ts'
import { objectStage } from '../../src/stream/object.ts'
import { createToolCalls } from '../../src/stream/tool-calls.ts'
import type { FinishEvent, ObjectDeltaEvent, StreamEvent, ToolCallDeltaEvent } from '../../src/types.ts'

const finish = (finishReason: FinishEvent['finishReason']): FinishEvent => ({
  type: 'finish',
  finishReason,
  rawFinishReason: finishReason,
  usage: {},
})
const text = (value: string, part = 0): StreamEvent => ({ type: 'text-delta', part, text: value })
const objects = (events: StreamEvent[]): ObjectDeltaEvent[] =>
  events.filter((event) => event.type === 'object-delta')
const textOf = (events: StreamEvent[]): string =>
  events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('')

/** The events of calls given as [name, ...pieces of arguments]. */
function calls(...given: string[][]): StreamEvent[] {
  const events: StreamEvent[] = []
  let part = 1
  const tools = createToolCalls({ nextPart: () => part++ })
  for (const [index, [name, ...pieces]] of given.entries()) {
    tools.push({ index, id: `id_${index}`, name }, events)
    for (const args of pieces) tools.push({ index, args }, events)
    tools.close(index, events)
  }
  return events
}

describe('objectStage, text', () => {
  it('adds an object-delta behind every text-delta, with one live object', () => {
    const stage = objectStage('text')
    const seen: unknown[] = []
    for (const piece of ['{"ti', 'tle":"Mo', 'by","n":1', '2}']) {
      const out = stage([text(piece)])
      expect(out.map((event) => event.type)).toEqual(['text-delta', 'object-delta'])
      seen.push(structuredClone(objects(out)[0]!.object))
    }
    expect(seen).toEqual([{}, { title: 'Mo' }, { title: 'Moby' }, { title: 'Moby', n: 12 }])
  })

  it('keeps the identity of the object from first to last', () => {
    const stage = objectStage('text')
    const [first, second] = objects(stage([text('{"a":['), text('1,2]}')]))
    expect(first!.object).toBe(second!.object)
    expect(first!.object).toEqual({ a: [1, 2] })
  })

  it('shows nothing own on the event, and nothing in JSON', () => {
    const [delta] = objects(objectStage('text')([text('{"a":1')]))
    expect(Object.keys(delta!)).toEqual(['type'])
    expect(JSON.stringify(delta)).toBe('{"type":"object-delta"}')
  })

  it('begins anew at a restart and passes everything else on', () => {
    const stage = objectStage('text')
    stage([text('{"a":1')])
    const restart: StreamEvent = {
      type: 'restart',
      error: { kind: 'interrupted', message: 'cut', retryable: true },
    }
    const out = stage([restart, text('{"b":2}'), finish('stop')])
    expect(out.map((event) => event.type)).toEqual(['restart', 'text-delta', 'object-delta', 'finish'])
    expect(objects(out)[0]!.object).toEqual({ b: 2 })
  })

  it('stops growing where the text is not JSON', () => {
    const out = objectStage('text')([text('Sure! '), text('{"a":1}')])
    expect(objects(out).map((event) => event.object)).toEqual([undefined, undefined])
  })
})

describe('objectStage, forced tool', () => {
  it('turns the call into text and finishes with stop', () => {
    const out = objectStage({ tool: 'answer' })([...calls(['answer', '{"a":', '[1]}']), finish('tool-calls')])
    expect(out.map((event) => event.type)).toEqual([
      'text-delta',
      'object-delta',
      'text-delta',
      'object-delta',
      'finish',
    ])
    expect(textOf(out)).toBe('{"a":[1]}')
    expect(objects(out).at(-1)!.object).toEqual({ a: [1] })
    expect(out.at(-1)).toEqual({ ...finish('tool-calls'), finishReason: 'stop' })
  })

  it('says the arguments of a call that came whole, and of one without any', () => {
    const whole: StreamEvent[] = [
      { type: 'tool-call-start', part: 0, id: 'a', name: 'answer' },
      { type: 'tool-call', part: 0, id: 'a', name: 'answer', args: { a: 1 } },
    ]
    expect(textOf(objectStage({ tool: 'answer' })(whole))).toBe('{"a":1}')
    expect(textOf(objectStage({ tool: 'answer' })(calls(['answer'])))).toBe('{}')
  })

  it('keeps the raw text of a call that was cut', () => {
    const events: StreamEvent[] = []
    const tools = createToolCalls({ nextPart: () => 0 })
    tools.push({ index: 0, id: 'a', name: 'answer', args: '{"a":"b' }, events)
    tools.end(events, 'The answer was cut.')
    const out = objectStage({ tool: 'answer' })([...events, finish('length')])
    expect(textOf(out)).toBe('{"a":"b')
    expect(out.at(-1)).toMatchObject({ finishReason: 'length' })
  })

  it('leaves other calls alone, and then the reason to finish too', () => {
    const out = objectStage({ tool: 'answer' })([
      ...calls(['search', '{"q":1}'], ['answer', '{"a":1}']),
      finish('tool-calls'),
    ])
    expect(out.filter((event) => event.type === 'tool-call')).toMatchObject([
      { name: 'search', args: { q: 1 } },
    ])
    expect(textOf(out)).toBe('{"a":1}')
    expect(out.at(-1)).toMatchObject({ finishReason: 'tool-calls' })
  })

  it('takes the first of two answers and says so', () => {
    const out = objectStage({ tool: 'answer' })(calls(['answer', '{"a":1}'], ['answer', '{"a":2}']))
    expect(textOf(out)).toBe('{"a":1}')
    expect(out.filter((event) => event.type === 'warning')).toMatchObject([{ warning: { code: 'dropped' } }])
  })

  it('leaves text beside the answer out and says so', () => {
    const out = objectStage({ tool: 'answer' })([
      text('Let me see. '),
      ...calls(['answer', '{"a":1}']),
      text('Done.', 2),
      finish('tool-calls'),
    ])
    expect(textOf(out)).toBe('{"a":1}')
    expect(out.find((event) => event.type === 'warning')).toMatchObject({
      warning: { message: 'Text beside the object was left out: "Let me see. Done."' },
    })
  })

  it('takes the text for the answer when the tool was not called', () => {
    const out = objectStage({ tool: 'answer' })([text('{"a"'), text(':1}'), finish('stop')])
    expect(textOf(out)).toBe('{"a":1}')
    expect(objects(out).at(-1)!.object).toEqual({ a: 1 })
    expect(out.at(-1)!.type).toBe('finish')
  })

  it('passes reasoning on at once, keeps a part event of the call to itself', () => {
    const stage = objectStage({ tool: 'answer' })
    const reasoning: StreamEvent = { type: 'reasoning-delta', part: 0, text: 'hm' }
    expect(stage([reasoning])).toEqual([reasoning])
    stage(calls(['answer', '{}']))
    expect(
      stage([{ type: 'part', part: 1, value: { type: 'tool-call', id: 'id_0', name: 'answer', args: {} } }]),
    ).toEqual([])
  })
})

describe('createReviver', () => {
  it('gives partial and object back after JSON', () => {
    const stage = objectStage('text')
    const sent = [...calls(['f', '{"x":', '1}']), ...stage([text('{"a":', 9), text('2}', 9)])]
    const wire = sent.map((event) => JSON.parse(JSON.stringify(event)) as StreamEvent)
    const revive = createReviver()
    const got = wire.map(revive)
    const partials = got.filter((event): event is ToolCallDeltaEvent => event.type === 'tool-call-delta')
    expect(partials.map((event) => event.delta)).toEqual(['{"x":', '1}'])
    expect(partials[0]!.partial).toEqual({ x: 1 })
    expect(objects(got).at(-1)!.object).toEqual({ a: 2 })
    expect(JSON.stringify(got)).toBe(JSON.stringify(sent))
  })

  it('forgets at a restart', () => {
    const revive = createReviver()
    revive(text('{"a":'))
    revive({ type: 'restart', error: { kind: 'interrupted', message: 'cut', retryable: true } })
    revive(text('{"b":1}'))
    expect((revive({ type: 'object-delta' } as ObjectDeltaEvent) as ObjectDeltaEvent).object).toEqual({
      b: 1,
    })
  })
})
