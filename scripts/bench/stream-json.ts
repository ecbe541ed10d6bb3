/**
 * Streaming, the JSON half: partial JSON against the incremental parsers of the field, and against the floor.
 *
 * One megabyte arrives in deltas of four characters, and the value is taken by reference after each. The floor does
 * not look at all: it collects the deltas and parses once at the end. Two documents, because they cost differently:
 * a file written by a tool (one long string) and a table of records (many keys and short values).
 */
import { createJsonParser } from '../../src/stream/json.ts'
import { createToolCalls } from '../../src/stream/tool-calls.ts'
import type { StreamEvent, ToolCallDeltaEvent, ToolCallEvent } from '../../src/types.ts'
import type { Contestant, Prepared, Row, Suite } from './run.ts'

const SIZE = 1_000_000

/** What a coding agent writes: a path and a file of source code. */
function fileArguments(size: number): string {
  const line = "export const greet = (name: string): string => 'Hello, ' + name // café\n"
  return JSON.stringify({ path: 'src/greet.ts', content: line.repeat(Math.ceil(size / 73)) })
}

/** What an extraction writes: rows of short values. */
function records(size: number): string {
  const row = (id: number): unknown => ({
    id,
    name: `Customer ${id}`,
    email: `customer.${id}@example.com`,
    active: id % 3 === 0,
    balance: id * 1.25,
    tags: ['new', 'eu'],
    manager: null,
  })
  const count = Math.ceil(size / 132)
  return JSON.stringify({ customers: Array.from({ length: count }, (_, i) => row(i)) })
}

function deltasOf(text: string, length: number): string[] {
  const deltas: string[] = []
  // Parsed out of JSON events, deltas are flat strings of their own, not slices of one long text.
  for (let i = 0; i < text.length; i += length) {
    deltas.push(JSON.parse(JSON.stringify(text.slice(i, i + length))) as string)
  }
  return deltas
}

/** Read at every delta, so that the work of keeping the value up to date cannot be left out. */
let taken: unknown

function ours(text: string): Prepared {
  const deltas = deltasOf(text, 4)
  const read = (): unknown => {
    const parser = createJsonParser()
    for (let i = 0; i < deltas.length; i++) {
      parser.push(deltas[i]!)
      taken = parser.value
    }
    parser.end()
    return parser.value
  }
  return { ops: 1, run: read, answer: read }
}

function floor(text: string): Prepared {
  const deltas = deltasOf(text, 4)
  const read = (): unknown => {
    const collected: string[] = []
    for (let i = 0; i < deltas.length; i++) collected.push(deltas[i]!)
    return JSON.parse(collected.join(''))
  }
  return { ops: 1, run: read, answer: read }
}

interface JsonRiver {
  parse(stream: AsyncIterable<string>): AsyncIterable<unknown>
}

/** Asynchronous and pulling: it asks for the next delta when it has used up the last. */
async function jsonriver(text: string, { parse }: JsonRiver): Promise<Prepared> {
  const deltas = deltasOf(text, 4)
  const source: AsyncIterable<string> = {
    [Symbol.asyncIterator]() {
      let i = 0
      return {
        next: () =>
          Promise.resolve(
            i < deltas.length ? { done: false, value: deltas[i++]! } : { done: true, value: undefined },
          ),
      }
    },
  }
  const read = async (): Promise<unknown> => {
    let value: unknown
    for await (value of parse(source)) taken = value
    return value
  }
  const answer = await read()
  return { ops: 1, run: read, answer: () => answer }
}

interface StreamParser {
  JSONParser: new (options: { emitPartialTokens: boolean; emitPartialValues: boolean; paths?: string[] }) => {
    onValue: (info: { value: unknown; stack: unknown[]; partial?: boolean }) => void
    write(text: string): void
    readonly isEnded: boolean
    end(): void
  }
}

/** Its partial values come by callback; the one at the root holds the rest. */
function streamparser(text: string, { JSONParser }: StreamParser): Prepared {
  const deltas = deltasOf(text, 4)
  const read = (): unknown => {
    const parser = new JSONParser({ emitPartialTokens: true, emitPartialValues: true })
    let value: unknown
    parser.onValue = (info) => {
      value = info.value
    }
    for (let i = 0; i < deltas.length; i++) {
      parser.write(deltas[i]!)
      taken = value
    }
    if (!parser.isEnded) parser.end()
    return value
  }
  return { ops: 1, run: read, answer: read }
}

function documentRow(name: string, make: () => string): Row {
  const contestants: Contestant[] = [
    { name: 'ours', prepare: () => ours(make()) },
    { name: 'collect + one JSON.parse', prepare: () => floor(make()) },
    {
      name: 'jsonriver',
      prepare: async ({ peer }) => jsonriver(make(), await peer<JsonRiver>('jsonriver')),
    },
    {
      name: '@streamparser/json',
      prepare: async ({ peer }) => streamparser(make(), await peer<StreamParser>('@streamparser/json')),
    },
  ]
  return {
    name: `Partial JSON, 1 MB of ${name} in 4-character deltas`,
    unit: 'ms',
    note: 'The value is taken by reference after every delta; "collect + one JSON.parse" shows nothing before the end.',
    contestants,
    targets: [
      { than: 'collect + one JSON.parse', atMost: 1.5 },
      { than: 'jsonriver', atMost: 0.2 },
      { than: '@streamparser/json', atMost: 0.2 },
    ],
  }
}

/** 100 KB of arguments in 20-character deltas, through the correlator that every codec uses. */
function toolArguments(look: boolean): Prepared {
  const deltas = deltasOf(records(100_000), 20)
  const read = (): unknown => {
    const calls = createToolCalls({ nextPart: () => 0 })
    const events: StreamEvent[] = []
    calls.push({ index: 0, id: 'a', name: 'import_customers' }, events)
    for (let i = 0; i < deltas.length; i++) {
      events.length = 0
      calls.push({ index: 0, args: deltas[i]! }, events)
      if (look) taken = (events.at(-1) as ToolCallDeltaEvent).partial
    }
    calls.end(events)
    return (events.at(-1) as ToolCallEvent).args
  }
  return { ops: deltas.length, run: read, answer: read }
}

const suite: Suite = {
  title: 'Streaming: partial JSON',
  peers: { jsonriver: '1.1.1', '@streamparser/json': '0.0.26' },
  rows: [
    documentRow('one string', () => fileArguments(SIZE)),
    documentRow('records', () => records(SIZE)),
    {
      name: 'Partial JSON, 2 MB against 1 MB of records',
      unit: 'ms',
      note: 'Linear: twice the text, twice the time.',
      contestants: [
        { name: 'ours, 2 MB', prepare: () => ({ ...ours(records(2 * SIZE)), answer: () => 'linear' }) },
        { name: 'ours, 1 MB', prepare: () => ({ ...ours(records(SIZE)), answer: () => 'linear' }) },
      ],
      targets: [{ than: 'ours, 1 MB', atMost: 2.3 }],
    },
    {
      name: 'Tool-call correlator, 100 KB of arguments in 20-character deltas',
      unit: 'ns/delta',
      contestants: [
        { name: 'ours, partial read at every delta', prepare: () => toolArguments(true) },
        { name: 'ours, partial never read', prepare: () => toolArguments(false) },
      ],
    },
  ],
}

export default suite

/** What was taken last; exported so that taking is not dead code. */
export const lastTaken = (): unknown => taken
