/**
 * The decoder beside two others, on streams nobody wrote by hand: whatever bytes, cut wherever, all three agree.
 *
 * Known differences are left out of the comparison, each where it is named below.
 */
import { createRequire } from 'node:module'
import { createParser } from 'eventsource-parser'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { createSseDecoder } from '../../src/wire/sse.ts'
import { FUZZ_TIMEOUT_MS, fuzzRuns } from '../corpus.ts'
import { feed, utf8 } from './splits.ts'

vi.setConfig({ testTimeout: FUZZ_TIMEOUT_MS })

interface UndiciEvent {
  type: string
  options: { data: string; lastEventId: string }
}
interface UndiciParser {
  push(event: UndiciEvent): boolean
  _transform(chunk: Buffer, encoding: string, done: (error?: Error) => void): void
}
// Not among undici's public exports, but the only parser besides this one that passes every conformance case.
const { EventSourceStream } = createRequire(import.meta.url)(
  'undici/lib/web/eventsource/eventsource-stream.js',
) as { EventSourceStream: new (options: object) => UndiciParser }

function undici(chunks: readonly Uint8Array[]): { event: string; data: string; id: string }[] {
  const events: { event: string; data: string; id: string }[] = []
  const parser = new EventSourceStream({ eventSourceSettings: { lastEventId: '', reconnectionTime: 0 } })
  parser.push = ({ type, options }) => {
    events.push({ event: type, data: options.data, id: options.lastEventId })
    return true
  }
  for (const chunk of chunks) {
    parser._transform(Buffer.from(chunk), 'buffer', (error) => {
      if (error != null) throw error
    })
  }
  return events
}

function eventsourceParser(chunks: readonly Uint8Array[]): { event: string; data: string }[] {
  const events: { event: string; data: string }[] = []
  const parser = createParser({
    onEvent: ({ event, data }) => events.push({ event: event ?? 'message', data }),
  })
  const decoder = new TextDecoder()
  for (const chunk of chunks) parser.feed(decoder.decode(chunk, { stream: true }))
  parser.feed(decoder.decode())
  return events
}

function ours(chunks: readonly Uint8Array[]): { event: string; data: string; id: string }[] {
  return feed(createSseDecoder(), chunks).map(({ event, data, id }) => ({ event, data, id: id ?? '' }))
}

const lineEnd = fc.constantFrom('\n', '\n', '\r\n', '\r')
const field = fc.constantFrom(
  'data',
  'data',
  'data',
  'event',
  'id',
  'retry',
  '',
  'foo',
  'dat',
  'DATA',
  ' data',
)
const colon = fc.constantFrom(': ', ':', ' :', '', ':  ')
const value = fc.oneof(
  fc.constantFrom(
    '',
    'x',
    '{"a":1}',
    '[DONE]',
    '12',
    'a:b',
    '\u2028',
    '\u00e9',
    '\u4e16\u{1f600}',
    '\0',
    '\ufeff',
  ),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
)
const line = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(field, colon, value, lineEnd).map((parts) => parts.join('')) },
  { weight: 3, arbitrary: lineEnd },
  {
    weight: 1,
    arbitrary: fc.string({ unit: fc.constantFrom('d', 'a', 't', ':', ' ', '\n', '\r', 'e', '\ufeff') }),
  },
)
const text = fc
  .tuple(fc.constantFrom('', '', '', '\ufeff'), fc.array(line, { maxLength: 12 }))
  .map(([bom, lines]) => bom + lines.join(''))
/** Streams of text, some with broken bytes in them. */
const stream = fc
  .tuple(text, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }))
  .map(([source, damage]) => {
    const bytes = utf8(source)
    for (const [at, byte] of damage) if (bytes.length > 0) bytes[at % bytes.length] = byte
    return bytes
  })
const sizes = fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 8 })

/** Cuts by sizes, used over and over; zero is an empty chunk. */
function cut(bytes: Uint8Array, steps: readonly number[]): Uint8Array[] {
  if (steps.every((step) => step === 0)) return [bytes]
  const chunks: Uint8Array[] = []
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = steps[i % steps.length]!
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

/** Both oracles drop an event that the body ends in (that is the standard); this tail completes it for all three. */
function completed(bytes: Uint8Array): Uint8Array {
  return new Uint8Array([...bytes, 10, 10])
}

describe('any bytes in any chunking', () => {
  it('give what undici gives', () => {
    fc.assert(
      fc.property(stream, sizes, (source, steps) => {
        const bytes = completed(source)
        const chunks = cut(bytes, steps)
        const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
        // undici ignores an `event` field with an empty value where the standard resets the name.
        const named = !/(^\ufeff?|[\r\n])event(: ?)?[\r\n]/.test(text)
        const strip = (event: { event: string; data: string; id: string }): object =>
          named ? event : { data: event.data, id: event.id }
        expect(ours(chunks).map(strip)).toEqual(undici(chunks).map(strip))
      }),
      { numRuns: fuzzRuns(40_000, 1_500) },
    )
  })

  it('give what eventsource-parser gives', () => {
    fc.assert(
      fc.property(stream, sizes, (source, steps) => {
        // It strips one BOM, as does the TextDecoder before it: a second one must not stand behind the first.
        const bytes = completed(source)
        fc.pre(!(bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf))
        const chunks = cut(bytes, steps)
        expect(ours(chunks).map(({ event, data }) => ({ event, data }))).toEqual(eventsourceParser(chunks))
      }),
      { numRuns: fuzzRuns(40_000, 1_500) },
    )
  })

  it('give the same frames as the whole, and the same fault under a small limit', () => {
    fc.assert(
      fc.property(stream, sizes, fc.integer({ min: 1, max: 40 }), (bytes, steps, maxEventBytes) => {
        expect(ours(cut(bytes, steps))).toEqual(ours([bytes]))
        const outcome = (chunks: readonly Uint8Array[]): unknown => {
          const decoder = createSseDecoder({ maxEventBytes })
          const frames: unknown[] = []
          try {
            for (const chunk of chunks) frames.push(...decoder.push(chunk))
            frames.push(...decoder.end())
            decoder.push(new Uint8Array(0))
          } catch (error) {
            return { frames, kind: (error as { kind: string }).kind }
          }
          return { frames }
        }
        expect(outcome(cut(bytes, steps))).toEqual(outcome([bytes]))
      }),
      { numRuns: fuzzRuns(20_000, 1_500) },
    )
  })
})
