import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createToolCalls, type ToolCallFragment, UNNAMED_TOOL } from '../../src/stream/tool-calls.ts'
import type { StreamEvent, ToolCallDeltaEvent, ToolCallEvent } from '../../src/types.ts'
import { fuzzRuns } from '../corpus.ts'

/** One thing the wire says: a fragment as [index, id, name, args], or the end of a call as { close, args? }. */
type Step =
  | [index: unknown, id?: unknown, name?: unknown, args?: unknown]
  | { close: unknown; args?: unknown }

interface Run {
  events: StreamEvent[]
  /** [id, name, args] or [id, name, { invalid: reason pattern source }] per finished call. */
  calls: ToolCallEvent[]
}

function play(steps: Step[], cut?: string): Run {
  let part = 0
  const events: StreamEvent[] = []
  const calls = createToolCalls({ nextPart: () => part++, newId: (n) => `made_${n}` })
  for (const step of steps) {
    if (Array.isArray(step)) {
      const [index, id, name, args] = step
      calls.push({ index, id, name, args }, events)
    } else {
      calls.close(step.close, events, step.args)
    }
  }
  calls.end(events, cut)
  return { events, calls: events.filter((event) => event.type === 'tool-call') }
}

const ok = (id: string, name: string, args: unknown) => ({ id, name, args })
const bad = (id: string, name: string, reason: RegExp, raw?: string) => ({ id, name, reason, raw })
type Expected = ReturnType<typeof ok> | ReturnType<typeof bad>

function check(calls: ToolCallEvent[], expected: Expected[]): void {
  expect(calls.map(({ id, name }) => ({ id, name }))).toEqual(expected.map(({ id, name }) => ({ id, name })))
  for (const [i, want] of expected.entries()) {
    const got = calls[i]!
    if ('args' in want) {
      expect(got.invalid).toBeUndefined()
      expect(got.args).toStrictEqual(want.args)
    } else {
      expect(Object.hasOwn(got, 'args')).toBe(false)
      expect(got.invalid!.reason).toMatch(want.reason)
      if (want.raw !== undefined) expect(got.invalid!.raw).toBe(want.raw)
    }
  }
}

/** What every run must keep, whatever came in: start before deltas before end, unique ids, parts in order. */
function checkOrder({ events }: Run): void {
  const open = new Map<string, string>()
  const seen = new Set<string>()
  for (const event of events) {
    if (event.type === 'tool-call-start') {
      expect(seen.has(event.id)).toBe(false)
      expect(event.id).not.toBe('')
      seen.add(event.id)
      open.set(event.id, '')
    } else if (event.type === 'tool-call-delta') {
      expect(open.has(event.id)).toBe(true)
      open.set(event.id, open.get(event.id)! + event.delta)
    } else if (event.type === 'tool-call') {
      expect(open.has(event.id)).toBe(true)
      open.delete(event.id)
    }
  }
  expect(open.size).toBe(0)
}

// One row per behaviour; the quirk numbers are those of the issue trackers' list the rows were written from.
const rows: { quirk: string; title: string; steps: Step[]; cut?: string; calls: Expected[] }[] = [
  {
    quirk: '—',
    title: 'two parallel calls by index, id and name first',
    steps: [
      [0, 'a', 'f', ''],
      [0, undefined, undefined, '{"x"'],
      [1, 'b', 'g', ''],
      [0, undefined, undefined, ':1}'],
      [1, undefined, undefined, '{"y":2}'],
    ],
    calls: [ok('a', 'f', { x: 1 }), ok('b', 'g', { y: 2 })],
  },
  {
    quirk: '1',
    title: 'no index: a new id begins a call',
    steps: [
      [undefined, 'a', 'f', '{"x":1}'],
      [undefined, 'b', 'g', '{"y":2}'],
    ],
    calls: [ok('a', 'f', { x: 1 }), ok('b', 'g', { y: 2 })],
  },
  {
    quirk: '1',
    title: 'no index: deltas follow the call before them',
    steps: [
      [undefined, 'a', 'f', ''],
      [undefined, undefined, undefined, '{"x":'],
      [undefined, undefined, undefined, '1}'],
      [null, 'b', 'f', null],
      [null, null, null, '{"x":2}'],
    ],
    calls: [ok('a', 'f', { x: 1 }), ok('b', 'f', { x: 2 })],
  },
  {
    quirk: '1',
    title: 'no index, no id: a name begins a call',
    steps: [
      [undefined, undefined, 'f', '{"x":1}'],
      [undefined, undefined, 'g', '{"y":'],
      [undefined, undefined, undefined, '2}'],
      [undefined, undefined, 'g', '{"y":3}'],
    ],
    calls: [ok('made_0', 'f', { x: 1 }), ok('made_1', 'g', { y: 2 }), ok('made_2', 'g', { y: 3 })],
  },
  {
    quirk: '1',
    title: 'no index, no id: a name repeated on every chunk carries its call on',
    steps: [
      [undefined, undefined, 'f', '{"x"'],
      [undefined, undefined, 'f', ':1'],
      [undefined, undefined, 'f', '}'],
    ],
    calls: [ok('made_0', 'f', { x: 1 })],
  },
  {
    quirk: '1',
    title: 'no index, no id, no name: arguments after whole arguments are another call, unnamed',
    steps: [
      [undefined, 'a', 'f', '{"x":1}'],
      [undefined, undefined, undefined, '{"y":2}'],
    ],
    calls: [ok('a', 'f', { x: 1 }), bad('made_0', UNNAMED_TOOL, /never named/, '{"y":2}')],
  },
  {
    quirk: '2',
    title: 'index always 0: a new id with a name is a new call',
    steps: [
      [0, 'a', 'f', '{"x":1}'],
      [0, 'b', 'f', '{"x":2}'],
      [0, 'c', 'g', ''],
      [0, undefined, undefined, '{"y":'],
      [0, undefined, undefined, '3}'],
    ],
    calls: [ok('a', 'f', { x: 1 }), ok('b', 'f', { x: 2 }), ok('c', 'g', { y: 3 })],
  },
  {
    quirk: '2',
    title: 'index always 0, calls interleaved by id',
    steps: [
      [0, 'a', 'f', '{"x":'],
      [0, 'b', 'g', '{"y":'],
      [0, 'a', undefined, '1}'],
      [0, 'b', undefined, '2}'],
    ],
    calls: [ok('a', 'f', { x: 1 }), ok('b', 'g', { y: 2 })],
  },
  {
    quirk: '2',
    title: 'index always 0 and no ids: another name is another call, the same name after whole arguments too',
    steps: [
      [0, undefined, 'f', '{"x":1}'],
      [0, undefined, 'g', '{"y":1}'],
      [0, undefined, 'g', '{"y":2}'],
    ],
    calls: [ok('made_0', 'f', { x: 1 }), ok('made_1', 'g', { y: 1 }), ok('made_2', 'g', { y: 2 })],
  },
  {
    quirk: '3',
    title: 'indices start above 0, leave gaps, are huge, negative, fractional, text',
    steps: [
      [1, 'a', 'f', '{"i":1}'],
      [7, 'b', 'f', '{"i":'],
      [2 ** 53, 'c', 'f', '{"i":3}'],
      [-1, 'd', 'f', '{"i":4}'],
      [0.5, 'e', 'f', '{"i":5}'],
      ['item_9', 'g', 'f', '{"i":6}'],
      [7, undefined, undefined, '2}'],
    ],
    calls: ['a', 'b', 'c', 'd', 'e', 'g'].map((id, i) => ok(id, 'f', { i: i + 1 })),
  },
  {
    quirk: '3',
    title: 'an index of the wrong type counts as none',
    steps: [
      [{}, 'a', 'f', '{"x"'],
      [Number.NaN, undefined, undefined, ':1}'],
      [Infinity, 'b', 'g', '{}'],
    ],
    calls: [ok('a', 'f', { x: 1 }), ok('b', 'g', {})],
  },
  {
    quirk: '3',
    title: 'an index is used again after its call was closed',
    steps: [[0, 'a', 'f', '{"x":1}'], { close: 0 }, [0, 'b', 'g', ''], [0, undefined, undefined, '{"y":2}']],
    calls: [ok('a', 'f', { x: 1 }), ok('b', 'g', { y: 2 })],
  },
  {
    quirk: '3',
    title: 'an index named like a member of Object.prototype',
    steps: [
      ['__proto__', 'a', 'f', '{"x":'],
      ['constructor', 'b', 'g', '{"y":2}'],
      ['__proto__', undefined, undefined, '1}'],
    ],
    calls: [ok('a', 'f', { x: 1 }), ok('b', 'g', { y: 2 })],
  },
  {
    quirk: '4',
    title: 'the arguments come under another index than id and name',
    steps: [
      [0, 'a', 'f', ''],
      [1, undefined, undefined, '{"x":'],
      [1, undefined, undefined, '1}'],
      [2, 'b', 'g', ''],
      [3, undefined, undefined, '{"y":2}'],
    ],
    calls: [ok('a', 'f', { x: 1 }), ok('b', 'g', { y: 2 })],
  },
  {
    quirk: '4',
    title: 'the arguments come under another index, with the id again',
    steps: [
      [0, 'a', 'f', ''],
      [1, 'b', 'g', ''],
      [5, 'a', undefined, '{"x":1}'],
      [6, 'b', '', '{"y":2}'],
    ],
    calls: [ok('a', 'f', { x: 1 }), ok('b', 'g', { y: 2 })],
  },
  {
    quirk: '5',
    title: 'id on the first chunk only, then "" or null',
    steps: [
      [0, 'a', 'f', '{'],
      [0, '', '', '"x"'],
      [0, null, null, ':1'],
      [0, undefined, undefined, '}'],
    ],
    calls: [ok('a', 'f', { x: 1 })],
  },
  {
    quirk: '5',
    title: 'no id at all: one is made, unlike any other',
    steps: [
      [0, '', 'f', '{"x":1}'],
      [1, undefined, 'f', '{"x":2}'],
    ],
    calls: [ok('made_0', 'f', { x: 1 }), ok('made_1', 'f', { x: 2 })],
  },
  {
    quirk: '5',
    title: 'an id later than the name',
    steps: [
      [0, undefined, 'f'],
      [0, 'late', undefined, '{"x":1}'],
    ],
    calls: [ok('late', 'f', { x: 1 })],
  },
  {
    quirk: '5',
    title: 'an id later than the arguments changes nothing that was announced',
    steps: [
      [0, undefined, 'f', '{"x":'],
      [0, 'late', undefined, '1'],
      [0, 'late', undefined, '}'],
    ],
    calls: [ok('made_0', 'f', { x: 1 })],
  },
  {
    quirk: '5',
    title: 'an id repeated on every chunk',
    steps: [
      [0, 'a', 'f', '{"x"'],
      [0, 'a', 'f', ':1'],
      [0, 'a', '', '}'],
    ],
    calls: [ok('a', 'f', { x: 1 })],
  },
  {
    quirk: '5',
    title: 'another id on every chunk of one call',
    steps: [
      [0, 'r1', 'f', ''],
      [0, 'r2', undefined, '{"x"'],
      [0, 'r3', undefined, ':1}'],
      [1, 'r4', 'g', ''],
      [1, 'r5', undefined, '{}'],
    ],
    calls: [ok('r1', 'f', { x: 1 }), ok('r4', 'g', {})],
  },
  {
    quirk: '5',
    title: 'one id for two calls: the second gets one of its own',
    steps: [
      [0, 'same', 'f', '{"x":1}'],
      [1, 'same', 'f', '{"x":2}'],
      [2, 'same', 'g', ''],
      [2, 'same', undefined, '{"y":3}'],
    ],
    calls: [ok('same', 'f', { x: 1 }), ok('made_0', 'f', { x: 2 }), ok('made_1', 'g', { y: 3 })],
  },
  {
    quirk: '5',
    title: 'a finished call repeated word for word is one call',
    steps: [
      [0, 'a', 'f', '{"x":'],
      [0, undefined, undefined, '1}'],
      [0, 'a', 'f', '{"x":1}'],
      { close: 0 },
      [0, 'a', 'f', '{"x":1}'],
      [undefined, 'a', '', ''],
    ],
    calls: [ok('a', 'f', { x: 1 })],
  },
  {
    quirk: '5',
    title: 'a numeric id',
    steps: [[0, 17, 'f', '{}']],
    calls: [ok('17', 'f', {})],
  },
  {
    quirk: '7',
    title: 'the name comes after id and arguments',
    steps: [
      [0, 'a', undefined, '{"x"'],
      [0, undefined, undefined, ':1'],
      [0, undefined, 'f', '}'],
    ],
    calls: [ok('a', 'f', { x: 1 })],
  },
  {
    quirk: '7',
    title: 'the name comes last, without index',
    steps: [
      [undefined, 'a', undefined, '{"x":1}'],
      [undefined, undefined, 'f'],
    ],
    calls: [ok('a', 'f', { x: 1 })],
  },
  {
    quirk: '7',
    title: 'the name never comes: flagged, not dropped',
    steps: [[0, 'a', undefined, '{"x":1}']],
    calls: [bad('a', UNNAMED_TOOL, /never named/, '{"x":1}')],
  },
  {
    quirk: '8',
    title: 'arguments as an object',
    steps: [
      [0, 'a', 'f', { x: 1, y: ['z'] }],
      [1, 'b', 'g', {}],
    ],
    calls: [ok('a', 'f', { x: 1, y: ['z'] }), ok('b', 'g', {})],
  },
  {
    quirk: '8',
    title: '"{}" first, then deltas',
    steps: [
      [0, 'a', 'f', '{}'],
      [0, undefined, undefined, ''],
      [0, undefined, undefined, '{"x":'],
      [0, undefined, undefined, '1}'],
    ],
    calls: [ok('a', 'f', { x: 1 })],
  },
  {
    quirk: '8',
    title: 'arguments null, then deltas',
    steps: [
      [0, 'a', 'f', null],
      [0, undefined, undefined, '{"x":1}'],
      [1, 'b', 'g', null],
    ],
    calls: [ok('a', 'f', { x: 1 }), ok('b', 'g', {})],
  },
  {
    quirk: '8',
    title: 'arguments of a wrong type',
    steps: [
      [0, 'a', 'f', 5],
      [1, 'b', 'f', true],
      [2, 'c', 'f', ['x']],
    ],
    calls: [
      bad('a', 'f', /a number; a tool takes a JSON object/, '5'),
      bad('b', 'f', /a boolean/, 'true'),
      bad('c', 'f', /an array/, '["x"]'),
    ],
  },
  {
    quirk: '9',
    title: 'cut by the token limit: whole arguments stand, cut and absent ones do not',
    steps: [
      [0, 'a', 'f', '{"x":1}'],
      [1, 'b', 'f', '{"path":"/'],
      [2, 'c', 'f', ''],
      [3, 'd', 'f', '{}'],
    ],
    cut: 'The answer was cut at the token limit.',
    calls: [
      ok('a', 'f', { x: 1 }),
      bad('b', 'f', /cut at the token limit/, '{"path":"/'),
      bad('c', 'f', /cut at the token limit/, ''),
      bad('d', 'f', /cut at the token limit/),
    ],
  },
  {
    quirk: '10',
    title: 'no arguments: "", white space, nothing',
    steps: [
      [0, 'a', 'f', ''],
      [1, 'b', 'f', ' \n'],
      [2, 'c', 'f'],
    ],
    calls: [ok('a', 'f', {}), ok('b', 'f', {}), ok('c', 'f', {})],
  },
  {
    quirk: '12',
    title: 'arguments that are not JSON are handed on as they are',
    steps: [
      [0, 'a', 'f', '{"x":"a\nb"}'],
      [1, 'b', 'f', '{"x":1} thanks'],
      [2, 'c', 'f', '{"x":1}{"x":2}'],
      [3, 'd', 'f', '{"x":'],
      [4, 'e', 'f', '"{\\"x\\":1}"'],
      [5, 'g', 'f', 'null'],
    ],
    calls: [
      bad('a', 'f', /offset 7.*needs no escape/, '{"x":"a\nb"}'),
      bad('b', 'f', /offset 8.*nothing after the value/, '{"x":1} thanks'),
      bad('c', 'f', /offset 7/, '{"x":1}{"x":2}'),
      bad('d', 'f', /end in the middle/, '{"x":'),
      bad('e', 'f', /a string; a tool takes/),
      bad('g', 'f', /null; a tool takes/),
    ],
  },
  {
    quirk: '13',
    title: 'a wrapper tool is a tool like any other',
    steps: [[0, 'a', 'multi_tool_use.parallel', '{"tool_uses":[]}']],
    calls: [ok('a', 'multi_tool_use.parallel', { tool_uses: [] })],
  },
  {
    quirk: '14',
    title: 'arguments only in the opening fragment, as a value',
    steps: [[3, 'a', 'f', { x: 1 }], [3, undefined, undefined, ''], { close: 3 }],
    calls: [ok('a', 'f', { x: 1 })],
  },
  {
    quirk: '14',
    title: 'arguments in the opening fragment as a value and again as deltas',
    steps: [
      [3, 'a', 'f', { x: 1 }],
      [3, undefined, undefined, '{"x":'],
      [3, undefined, undefined, '1}'],
      { close: 3 },
    ],
    calls: [ok('a', 'f', { x: 1 })],
  },
  {
    quirk: '16',
    title: 'whole calls without ids, closed one by one under fresh indices',
    steps: [[0, undefined, 'f', { x: 1 }], { close: 0 }, [1, undefined, 'f', undefined], { close: 1 }],
    calls: [ok('made_0', 'f', { x: 1 }), ok('made_1', 'f', {})],
  },
  {
    quirk: '16',
    title: 'deltas, and a terminal fragment that never comes',
    steps: [
      [0, undefined, 'f', '{"x":"par'],
      [0, undefined, undefined, 'is"}'],
    ],
    calls: [ok('made_0', 'f', { x: 'paris' })],
  },
  {
    quirk: '55',
    title: '__proto__ is an own member and reaches no prototype',
    steps: [[0, '__proto__', 'f', '{"__proto__":{"polluted":true},"constructor":1}']],
    calls: [ok('__proto__', 'f', JSON.parse('{"__proto__":{"polluted":true},"constructor":1}'))],
  },
  {
    quirk: 'final',
    title: 'final arguments equal to the deltas',
    steps: [
      [0, 'a', 'f', '{"x":1}'],
      { close: 0, args: '{"x":1}' },
      [1, 'b', 'f', '{"x":1,"y":2}'],
      { close: 1, args: '{ "y": 2, "x": 1 }' },
    ],
    calls: [ok('a', 'f', { x: 1 }), ok('b', 'f', { x: 1, y: 2 })],
  },
  {
    quirk: 'final',
    title: 'final arguments where no delta came, as text and as a value',
    steps: [
      [0, 'a', 'f', ''],
      { close: 0, args: '{"x":1}' },
      [1, 'b', 'f', '{}'],
      { close: 1, args: { x: 2 } },
    ],
    calls: [ok('a', 'f', { x: 1 }), ok('b', 'f', { x: 2 })],
  },
  {
    quirk: 'final',
    title: 'final arguments complete deltas of which the last, or one between, was lost',
    steps: [
      [0, 'a', 'f', '{"x":'],
      { close: 0, args: '{"x":1}' },
      [1, 'b', 'f', '{"x":}'],
      { close: 1, args: '{"x":1}' },
    ],
    calls: [ok('a', 'f', { x: 1 }), ok('b', 'f', { x: 1 })],
  },
  {
    quirk: 'final',
    title: 'final arguments that contradict the deltas make the call invalid; broken final ones do not count',
    steps: [
      [0, 'a', 'f', '{"x":1}'],
      { close: 0, args: '{"x":2}' },
      [1, 'b', 'f', '{"x":1}'],
      { close: 1, args: '{"x":' },
    ],
    calls: [bad('a', 'f', /differ/, '{"x":1}'), ok('b', 'f', { x: 1 })],
  },
]

describe('tool-call correlator', () => {
  for (const { quirk, title, steps, cut, calls } of rows) {
    it(`quirk ${quirk}: ${title}`, () => {
      const run = play(steps, cut)
      checkOrder(run)
      check(run.calls, calls)
    })
  }

  it('quirk 6: says nothing about a fragment that says nothing', () => {
    const run = play([[undefined], [3], [0, '', '', ''], [null, null, null, null]])
    expect(run.events).toEqual([])
  })

  it('quirk 11 and 24: ends every open call at the terminal marker, in order, once', () => {
    const events: StreamEvent[] = []
    const calls = createToolCalls({ nextPart: () => 4 })
    calls.push({ index: 0, id: 'a', name: 'f', args: '{}' }, events)
    calls.end(events)
    calls.end(events)
    calls.close(0, events)
    expect(events.map((event) => event.type)).toEqual(['tool-call-start', 'tool-call-delta', 'tool-call'])
  })

  it('quirk 9: sends no tool-call before the provider said so, although the JSON parses', () => {
    const events: StreamEvent[] = []
    const calls = createToolCalls({ nextPart: () => 0 })
    calls.push({ index: 0, id: 'a', name: 'f', args: '{"path":"/tmp"}' }, events)
    expect(events.map((event) => event.type)).toEqual(['tool-call-start', 'tool-call-delta'])
    calls.close(0, events)
    expect(events.at(-1)).toMatchObject({ type: 'tool-call', args: { path: '/tmp' } })
  })

  it('quirk 15 and 16: makes ids that are unique and of letters, digits and _', () => {
    const ids = new Set<string>()
    for (let i = 0; i < 100; i++) {
      const events: StreamEvent[] = []
      const calls = createToolCalls({ nextPart: () => 0 })
      calls.push({ name: 'f', args: {} }, events)
      calls.end(events)
      const call = events.at(-1) as ToolCallEvent
      expect(call.id).toMatch(/^call_[a-z0-9]{24}$/)
      ids.add(call.id)
    }
    expect(ids.size).toBe(100)
  })

  it('quirk 18: invalid arguments keep the raw text and have no args', () => {
    const [call] = play([[0, 'a', 'f', '{"x":tru}']]).calls
    expect(call).toEqual({
      type: 'tool-call',
      part: 0,
      id: 'a',
      name: 'f',
      invalid: { raw: '{"x":tru}', reason: expect.stringContaining('offset 8') },
    })
  })

  it('asks newId again while an id is taken', () => {
    const { calls } = play([
      [0, 'made_0', 'f', '{}'],
      [1, undefined, 'g', '{}'],
    ])
    expect(calls.map((call) => call.id)).toEqual(['made_0', 'made_1'])
  })

  it('gives the caller its own tool names back', () => {
    const events: StreamEvent[] = []
    const calls = createToolCalls({ nextPart: () => 0, rename: (wire) => wire.replaceAll('__', '.') })
    calls.push({ index: 0, id: 'a', name: 'db__query', args: '{}' }, events)
    calls.push({ index: 0, name: 'db__query' }, events)
    calls.end(events)
    expect(events[0]).toMatchObject({ type: 'tool-call-start', name: 'db.query' })
    expect(events.at(-1)).toMatchObject({ type: 'tool-call', name: 'db.query', args: {} })
  })

  it('counts calls and finds their parts', () => {
    let part = 5
    const calls = createToolCalls({ nextPart: () => part++ })
    const events: StreamEvent[] = []
    calls.push({ index: 9, id: 'a', name: 'f' }, events)
    calls.push({ index: 'x', id: 'b', name: 'f' }, events)
    expect(calls.count).toBe(2)
    expect(calls.partOf(9)).toBe(5)
    expect(calls.partOf('x')).toBe(6)
    expect(calls.partOf(0)).toBeUndefined()
    expect(calls.partOf(null)).toBeUndefined()
  })

  it('arguments too deep for JSON.stringify are invalid, as text and as a value', () => {
    const deep = `{"x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`
    const { calls } = play([
      [0, 'a', 'f', deep],
      [1, 'b', 'f', JSON.parse(deep)],
      [2, 'c', 'f', '{"x":1}'],
      { close: 2, args: deep },
    ])
    const reasons = new Map(calls.map((call) => [call.id, call.invalid?.reason]))
    expect(reasons.get('a')).toContain('deeper than 1000')
    expect(reasons.get('b')).toContain('a tool takes a JSON object')
    expect(reasons.get('c')).toContain('deeper than 1000')
  })

  it('the deltas of a call, put together, are its arguments', () => {
    for (const { steps, cut } of rows) {
      const { events, calls } = play(steps, cut)
      for (const call of calls) {
        const text = events
          .filter((event): event is ToolCallDeltaEvent => event.type === 'tool-call-delta')
          .filter((event) => event.id === call.id)
          .map((event) => event.delta)
          .join('')
        if (call.invalid === undefined && text.trim() !== '' && text !== '{"x":}') {
          expect(JSON.parse(text)).toStrictEqual(call.args)
        }
      }
    }
  })
})

describe('tool-call-delta.partial', () => {
  function deltas(steps: Step[]): { events: StreamEvent[]; deltas: ToolCallDeltaEvent[]; end: () => void } {
    const events: StreamEvent[] = []
    const calls = createToolCalls({ nextPart: () => 0 })
    for (const step of steps) {
      const [index, id, name, args] = step as unknown[]
      calls.push({ index, id, name, args }, events)
    }
    return {
      events,
      deltas: events.filter((event) => event.type === 'tool-call-delta'),
      end: () => calls.end(events),
    }
  }

  it('is not own, not enumerable, and never serialised', () => {
    const [delta] = deltas([[0, 'a', 'f', '{"x":"he']]).deltas
    expect(Object.keys(delta!)).toEqual(['type', 'part', 'id', 'delta'])
    expect(Object.hasOwn(delta!, 'partial')).toBe(false)
    expect(JSON.stringify(delta)).toBe(
      '{"type":"tool-call-delta","part":0,"id":"a","delta":"{\\"x\\":\\"he"}',
    )
    expect({ ...delta }).not.toHaveProperty('partial')
    expect(structuredClone(delta)).toEqual({ type: 'tool-call-delta', part: 0, id: 'a', delta: '{"x":"he' })
  })

  it('is one live object, growing, and the arguments in the end', () => {
    const events: StreamEvent[] = []
    const calls = createToolCalls({ nextPart: () => 0 })
    const seen: unknown[] = []
    for (const args of ['{"x":"he', 'llo","list":[1,', '2]}']) {
      calls.push({ index: 0, id: 'a', name: 'f', args }, events)
      seen.push((events.at(-1) as ToolCallDeltaEvent).partial)
    }
    expect(seen[0]).toBe(seen[2])
    expect(seen[0]).toEqual({ x: 'hello', list: [1, 2] })
    calls.end(events)
    expect((events.at(-1) as ToolCallEvent).args).toBe(seen[0])
    expect((events[1] as ToolCallDeltaEvent).partial).toBe(seen[0])
  })

  it('can be read first when the call is over', () => {
    const run = deltas([
      [0, 'a', 'f', '{"x":'],
      [0, undefined, undefined, '1}'],
    ])
    run.end()
    expect(run.deltas[0]!.partial).toBe((run.events.at(-1) as ToolCallEvent).args)
  })

  it('stops growing where the text stops being JSON', () => {
    const run = deltas([
      [0, 'a', 'f', '{"x":1,'],
      [0, undefined, undefined, 'oops'],
      [0, undefined, undefined, '"y":2}'],
    ])
    expect(run.deltas[2]!.partial).toEqual({ x: 1 })
    run.end()
    expect(run.deltas[2]!.partial).toEqual({ x: 1 })
  })

  it('shows nothing before a value begins', () => {
    expect(deltas([[0, 'a', 'f', ' ']]).deltas[0]!.partial).toBeUndefined()
  })
})

describe('tool-call correlator, any fragments', () => {
  const field = fc.oneof(
    fc.constantFrom(undefined, null, '', 'a', 'b', 'f', 'g', 0, 1, -1, 1e15, Number.NaN, '__proto__', true),
    fc.constant({}),
  )
  const args = fc.oneof(
    fc.constantFrom(undefined, null, '', '{}', '{', '}', '{"x":1}', '"', ' ', '[', 'null', 3),
    fc.dictionary(fc.string(), fc.integer()),
    fc.string(),
  )
  const fragment = fc.record({ index: field, id: field, name: field, args }) as fc.Arbitrary<ToolCallFragment>

  it('never throws, never loses an end, never repeats an id', () => {
    fc.assert(
      fc.property(
        fc.array(fragment, { maxLength: 12 }),
        fc.array(field, { maxLength: 3 }),
        (fragments, closes) => {
          const events: StreamEvent[] = []
          let part = 0
          const calls = createToolCalls({ nextPart: () => part++, newId: (n) => `made_${n}` })
          for (const [i, one] of fragments.entries()) {
            calls.push(one, events)
            if (i < closes.length) calls.close(closes[i], events)
          }
          calls.end(events)
          const finished = events.filter((event) => event.type === 'tool-call')
          checkOrder({ events, calls: finished })
          expect(finished.length).toBe(calls.count)
          expect(part).toBe(calls.count)
          for (const call of finished) {
            if (call.invalid === undefined) expect(Object.getPrototypeOf(call.args)).toBe(Object.prototype)
          }
        },
      ),
      { numRuns: fuzzRuns(20_000, 500) },
    )
  })

  it('one call cut into any pieces gives its arguments, with and without an index', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
        fc.boolean(),
        (value, cuts, withIndex) => {
          const json = JSON.stringify(value)
          const index = withIndex ? 0 : undefined
          const steps: Step[] = [[index, 'a', 'f', '']]
          for (let i = 0; i < json.length;) {
            const n = cuts.next().value as number
            steps.push([index, undefined, undefined, json.slice(i, i + n)])
            i += n
          }
          check(play(steps).calls, [ok('a', 'f', JSON.parse(json))])
        },
      ),
      { numRuns: fuzzRuns(20_000, 500) },
    )
  })
})
