/**
 * Streaming, the wire half: SSE and AWS frames against the parsers the field uses.
 *
 * Bytes in, parsed events out, synchronously; transports and clients are in stream-e2e.ts, partial JSON in
 * stream-json.ts.
 */
import { createAwsFrameDecoder, encodeAwsFrame } from '../../src/wire/aws-frames.ts'
import { createSseDecoder } from '../../src/wire/sse.ts'
import type { Contestant, Suite } from './run.ts'

const EVENTS = 20_000

/** What OpenAI sends per token: 290 bytes with its line ends. */
function openaiEvent(i: number, word = 'token'): string {
  const chunk = {
    id: 'chatcmpl-9f8e7d6c5b4a39281706f5e4d3',
    object: 'chat.completion.chunk',
    created: 1_795_435_200,
    model: 'gpt-6.1-terra-2026-10-01',
    system_fingerprint: 'fp_0123456789',
    choices: [
      {
        index: 0,
        delta: { content: ` ${word}${String(i % 1000).padStart(3, '0')}` },
        logprobs: null,
        finish_reason: null,
      },
    ],
    obfuscation: 'a',
  }
  return `data: ${JSON.stringify(chunk)}\n\n`
}

const encoder = new TextEncoder()

function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.slice(at, at + size))
  return chunks
}

const onePerRead = (): Uint8Array[] =>
  Array.from({ length: EVENTS }, (_, i) => encoder.encode(openaiEvent(i)))
const in16kReads = (): Uint8Array[] =>
  pieces(encoder.encode(Array.from({ length: EVENTS }, (_, i) => openaiEvent(i)).join('')), 16 * 1024)
const chineseIn16kReads = (): Uint8Array[] =>
  pieces(encoder.encode(Array.from({ length: EVENTS }, (_, i) => openaiEvent(i, '世界')).join('')), 16 * 1024)
const longLines = (lines: number, lineBytes: number): Uint8Array[] =>
  pieces(encoder.encode(`data: ${'x'.repeat(lineBytes - 6)}\n\n`.repeat(lines)), 1024)

/** Reads every event and adds up something of each, so that nothing can be optimised away. */
function oursReads(chunks: Uint8Array[], see: (event: string, data: string) => void): void {
  const decoder = createSseDecoder()
  for (const chunk of chunks) for (const frame of decoder.push(chunk)) see(frame.event, frame.data)
  for (const frame of decoder.end()) see(frame.event, frame.data)
}

interface EventsourceParser {
  createParser(callbacks: { onEvent(event: { event?: string; data: string }): void }): {
    feed(text: string): void
  }
}

function ours(name: string, make: () => Uint8Array[], ops: number): Contestant {
  return {
    name,
    prepare() {
      const chunks = make()
      return {
        ops,
        answer() {
          const seen: unknown[] = []
          oursReads(chunks, (event, data) => seen.push([event, data]))
          return seen
        },
        run() {
          let total = 0
          oursReads(chunks, (event, data) => (total += event.length + data.length))
          return total
        },
      }
    },
  }
}

function eventsourceParser(
  name: string,
  specifier: string,
  make: () => Uint8Array[],
  ops: number,
): Contestant {
  return {
    name,
    async prepare({ peer }) {
      const { createParser } = await peer<EventsourceParser>(specifier)
      const chunks = make()
      const read = (see: (event: string, data: string) => void): void => {
        const parser = createParser({ onEvent: ({ event, data }) => see(event ?? 'message', data) })
        const decoder = new TextDecoder()
        for (const chunk of chunks) parser.feed(decoder.decode(chunk, { stream: true }))
        parser.feed(decoder.decode())
      }
      return {
        ops,
        answer() {
          const seen: unknown[] = []
          read((event, data) => seen.push([event, data]))
          return seen
        },
        run() {
          let total = 0
          read((event, data) => (total += event.length + data.length))
          return total
        },
      }
    },
  }
}

/** Bedrock's delta: about 170 bytes, framing included. */
function bedrockStream(): Uint8Array[] {
  return Array.from({ length: EVENTS }, (_, i) =>
    encodeAwsFrame(
      {
        ':event-type': 'contentBlockDelta',
        ':content-type': 'application/json',
        ':message-type': 'event',
      },
      JSON.stringify({ contentBlockIndex: 0, delta: { text: ` tok${i % 1000}` }, p: 'abcdef' }),
    ),
  )
}

interface Smithy {
  EventStreamCodec: new (
    toUtf8: (bytes: Uint8Array) => string,
    fromUtf8: (text: string) => Uint8Array,
  ) => { decode(message: Uint8Array): { headers: Record<string, { value: unknown }>; body: Uint8Array } }
}

const suite: Suite = {
  title: 'Streaming',
  peers: {
    'eventsource-parser': '3.1.1',
    'eventsource-parser-4': 'npm:eventsource-parser@4.1.3',
    '@smithy/eventstream-codec': '4.5.2',
  },
  rows: [
    {
      name: 'SSE decode, OpenAI chunks, one per read',
      unit: 'ns/event',
      note: 'Bytes to event and data; no JSON.parse. eventsource-parser is fed by a streaming TextDecoder, as its users do.',
      contestants: [
        ours('ours', onePerRead, EVENTS),
        eventsourceParser('eventsource-parser 3', 'eventsource-parser', onePerRead, EVENTS),
        eventsourceParser('eventsource-parser 4', 'eventsource-parser-4', onePerRead, EVENTS),
      ],
      targets: [{ than: 'eventsource-parser 3', atMost: 0.75 }],
    },
    {
      name: 'SSE decode, OpenAI chunks, 16 KB reads',
      unit: 'ns/event',
      contestants: [
        ours('ours', in16kReads, EVENTS),
        eventsourceParser('eventsource-parser 3', 'eventsource-parser', in16kReads, EVENTS),
        eventsourceParser('eventsource-parser 4', 'eventsource-parser-4', in16kReads, EVENTS),
      ],
      targets: [{ than: 'eventsource-parser 3', atMost: 0.5 }],
    },
    {
      name: 'SSE decode, the same in Chinese, 16 KB reads',
      unit: 'ns/event',
      contestants: [
        ours('ours', chineseIn16kReads, EVENTS),
        eventsourceParser('eventsource-parser 3', 'eventsource-parser', chineseIn16kReads, EVENTS),
        eventsourceParser('eventsource-parser 4', 'eventsource-parser-4', chineseIn16kReads, EVENTS),
      ],
    },
    {
      name: 'Four 1 MB lines in 1 KB reads',
      unit: 'ms',
      contestants: [
        ours('ours', () => longLines(4, 1 << 20), 1),
        eventsourceParser('eventsource-parser 3', 'eventsource-parser', () => longLines(4, 1 << 20), 1),
      ],
    },
    {
      name: 'One line in 1 KB reads, 1 MB then 2 MB',
      unit: 'ms',
      note: 'Twice the input must not cost more than 2.3 times as much. The answers differ by design and are not compared.',
      contestants: [1, 2].map((megabytes) => ({
        name: `ours, ${megabytes} MB`,
        prepare() {
          const chunks = longLines(1, megabytes << 20)
          return {
            run() {
              let total = 0
              oursReads(chunks, (_, data) => (total += data.length))
              return total
            },
          }
        },
      })),
      targets: [{ of: 'ours, 2 MB', than: 'ours, 1 MB', atMost: 2.3 }],
    },
    {
      name: 'AWS frame and its JSON, 170-byte deltas',
      rounds: 9,
      unit: 'ns/frame',
      note: 'One frame per read. Smithy is given whole frames, which spares it the search for their ends.',
      contestants: [
        {
          name: 'ours',
          prepare() {
            const chunks = bedrockStream()
            const read = (see: (event: string, value: unknown) => void): void => {
              const decoder = createAwsFrameDecoder()
              for (const chunk of chunks) {
                for (const { event, data } of decoder.push(chunk)) see(event, JSON.parse(data))
              }
            }
            return reader(read)
          },
        },
        {
          name: '@smithy/eventstream-codec',
          async prepare({ peer }) {
            const { EventStreamCodec } = await peer<Smithy>('@smithy/eventstream-codec')
            const utf8 = new TextDecoder()
            const codec = new EventStreamCodec(
              (bytes) => utf8.decode(bytes),
              (text) => encoder.encode(text),
            )
            const chunks = bedrockStream()
            return reader((see) => {
              for (const chunk of chunks) {
                const { headers, body } = codec.decode(chunk)
                see(headers[':event-type']!.value as string, JSON.parse(utf8.decode(body)))
              }
            })
          },
        },
      ],
      targets: [{ than: '@smithy/eventstream-codec', atMost: 0.5 }],
    },
  ],
}

function reader(read: (see: (event: string, value: unknown) => void) => void): {
  ops: number
  answer(): unknown
  run(): number
} {
  return {
    ops: EVENTS,
    answer() {
      const seen: unknown[] = []
      read((event, value) => seen.push([event, value]))
      return seen
    },
    run() {
      let total = 0
      read((event, value) => (total += event.length + (value as { p: string }).p.length))
      return total
    },
  }
}

export default suite
