/** AWS event-stream frames: own fixtures and the outside vectors in every chunking, damage, allocation, round trips. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Frame } from '../../src/provider.ts'
import type { AwsHeader, AwsMessage } from '../../src/wire/aws-frames.ts'
import { createAwsFrameDecoder, createAwsMessageDecoder, encodeAwsFrame } from '../../src/wire/aws-frames.ts'
import { corpusCases, FUZZ_TIMEOUT_MS, fuzzRuns } from '../corpus.ts'
import { feed, feedUntilFault, randomSplit, seeded, splits, unhex, utf8 } from './splits.ts'

vi.setConfig({ testTimeout: FUZZ_TIMEOUT_MS })

type Header = [type: string, value: unknown]
interface Case {
  name: string
  hex: string
  frames?: Frame[]
  messages?: { headers: Record<string, Header> | [string, Header][]; payload: string }[]
  fault?: string
}
const { cases } = JSON.parse(readFileSync('fixtures/wire/aws-frames.json', 'utf8')) as { cases: Case[] }

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** A header as JSON can write it. */
function plain({ type, value }: AwsHeader): Header {
  if (typeof value === 'bigint') return [type, String(value)]
  return [type, value instanceof Uint8Array ? hex(value) : value]
}

const asMap = (headers: Record<string, Header> | [string, Header][]): Map<string, Header> =>
  new Map(Array.isArray(headers) ? headers : Object.entries(headers))

describe('every chunking of a body gives the same frames and the same fault', () => {
  it.each(cases)('$name', ({ hex, frames, messages, fault }) => {
    const bytes = unhex(hex)
    for (const { name, chunks } of splits(bytes)) {
      if (frames !== undefined) {
        const outcome = feedUntilFault(createAwsFrameDecoder(), chunks)
        expect(outcome.items, name).toEqual(frames)
        expect((outcome.fault as { kind?: string } | undefined)?.kind, name).toBe(fault ?? 'config')
      }
      if (messages !== undefined) {
        const decoded = feed(createAwsMessageDecoder(), chunks).map(({ headers, payload }) => ({
          headers: new Map([...headers].map(([name, header]) => [name, plain(header)])),
          payload: new TextDecoder().decode(payload),
        }))
        expect(decoded, name).toEqual(
          messages.map(({ headers, payload }) => ({ headers: asMap(headers), payload })),
        )
      }
    }
  })
})

describe('damage', () => {
  const frame = encodeAwsFrame(
    { ':event-type': 'contentBlockDelta', ':content-type': 'application/json', ':message-type': 'event' },
    '{"delta":{"text":"hi"}}',
  )

  // The second time what was remembered of the first frame's headers is used: the same must hold.
  it.each([0, 1])('no single flipped bit goes unnoticed after %i good frames', (before) => {
    for (let bit = 0; bit < 8 * frame.length; bit += 1) {
      const damaged = frame.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      const chunks = [...Array.from({ length: before }, () => frame), damaged]
      const { items, fault } = feedUntilFault(createAwsFrameDecoder(), chunks)
      expect(items, `bit ${bit}`).toHaveLength(before)
      expect(fault, `bit ${bit}`).toMatchObject({ kind: 'protocol' })
    }
  })

  it('headers that come and go, and lengths that vary, are told apart', () => {
    const make = (i: number): [Uint8Array, Frame] => {
      const event = i % 3 === 0 ? 'contentBlockStop' : `contentBlockDelta`
      const data = 'x'.repeat(i % 400)
      const headers = { ':event-type': event, ':message-type': 'event' }
      return [encodeAwsFrame(headers, data), { event, data, messageType: 'event' }]
    }
    const made = Array.from({ length: 2_000 }, (_, i) => make(i))
    const frames = feed(
      createAwsFrameDecoder(),
      made.map(([bytes]) => bytes),
    )
    expect(frames).toEqual(made.map(([, expected]) => expected))
  })

  it('every cut inside a frame is interrupted, and the frames before it arrive', () => {
    for (let cut = 1; cut < frame.length; cut += 1) {
      const { items, fault } = feedUntilFault(createAwsFrameDecoder(), [frame, frame.subarray(0, cut)])
      expect(items).toHaveLength(1)
      expect(fault, `cut at ${cut}`).toMatchObject({ kind: 'interrupted', retryable: true })
    }
  })

  it('no text of the body gets into the message', () => {
    const { fault } = feedUntilFault(createAwsFrameDecoder(), [utf8('<html>sk-secret</html>')])
    expect(String(fault)).not.toContain('sk-secret')
  })
})

describe('limits', () => {
  afterEach(() => vi.unstubAllGlobals())

  it('judges a frame at its twelfth byte and allocates nothing for it', () => {
    const allocated: number[] = []
    const Real = Uint8Array
    vi.stubGlobal(
      'Uint8Array',
      new Proxy(Real, {
        construct(target, args: [number]) {
          if (typeof args[0] === 'number') allocated.push(args[0])
          return Reflect.construct(target, args) as object
        },
      }),
    )
    // A valid prelude for 2 GiB, and the page of a proxy: 0x3c21444f bytes if it were believed.
    const huge = unhex(cases.find(({ name }) => name.startsWith('two gigabytes'))!.hex)
    for (const [bytes, kind] of [
      [huge, 'too-large'],
      [utf8('<!DOCTYPE html>'), 'protocol'],
    ] as const) {
      const decoder = createAwsFrameDecoder()
      for (let i = 0; i < 11; i += 1) expect(decoder.push(bytes.subarray(i, i + 1))).toEqual([])
      expect(() => decoder.push(bytes.subarray(11, 12))).toThrow(expect.objectContaining({ kind }))
    }
    expect(Math.max(...allocated)).toBeLessThan(1024)
  })

  it('memory follows what arrived, not what was announced', () => {
    const announced = encodeAwsFrame({ ':message-type': 'event' }, new Uint8Array(20 * 1024 * 1024))
    const decoder = createAwsFrameDecoder()
    const allocated: number[] = []
    const Real = Uint8Array
    vi.stubGlobal(
      'Uint8Array',
      new Proxy(Real, {
        construct(target, args: [number]) {
          if (typeof args[0] === 'number') allocated.push(args[0])
          return Reflect.construct(target, args) as object
        },
      }),
    )
    decoder.push(announced.subarray(0, 5))
    decoder.push(announced.subarray(5, 10_000))
    expect(Math.max(0, ...allocated)).toBeLessThan(40_000)
  })

  it('takes a frame of exactly maxFrameBytes and refuses one byte more', () => {
    const frame = encodeAwsFrame({ ':message-type': 'event', ':event-type': 'x' }, 'payload')
    expect(feed(createAwsFrameDecoder({ maxFrameBytes: frame.length }), [frame])).toHaveLength(1)
    const { fault } = feedUntilFault(createAwsFrameDecoder({ maxFrameBytes: frame.length - 1 }), [frame])
    expect(fault).toMatchObject({ kind: 'too-large' })
  })

  it('refuses to encode a header that does not fit', () => {
    expect(() => encodeAwsFrame({ '': 'x' }, '')).toThrow(expect.objectContaining({ kind: 'config' }))
    expect(() => encodeAwsFrame({ x: 'y'.repeat(65_536) }, '')).toThrow(
      expect.objectContaining({ kind: 'config' }),
    )
  })
})

describe('any frames', () => {
  const name = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => utf8(text).length < 256)
  const message = fc.tuple(
    fc.uniqueArray(fc.tuple(name, fc.string({ unit: 'grapheme', maxLength: 30 })), {
      maxLength: 5,
      selector: ([key]) => key,
    }),
    fc.uint8Array({ maxLength: 200 }),
  )

  it('come back from the encoding as they went in, in any chunking', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), fc.nat(), (messages, seed) => {
        const bytes = Buffer.concat(
          messages.map(([headers, payload]) => encodeAwsFrame(Object.fromEntries(headers), payload)),
        )
        const decoded = feed(createAwsMessageDecoder(), randomSplit(new Uint8Array(bytes), seeded(seed)))
        const back = decoded.map(({ headers, payload }) => [
          Object.fromEntries([...headers].map(([key, header]) => [key, header.value])),
          payload,
        ])
        expect(back).toEqual(messages.map(([headers, payload]) => [Object.fromEntries(headers), payload]))
      }),
      { numRuns: fuzzRuns(10_000, 500) },
    )
  })

  it('any bytes end in frames or in a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(), (bytes, seed) => {
        const { fault } = feedUntilFault(createAwsFrameDecoder(), randomSplit(bytes, seeded(seed)))
        expect(['config', 'protocol', 'too-large', 'interrupted']).toContain((fault as { kind: string }).kind)
      }),
      { numRuns: fuzzRuns(10_000, 500) },
    )
  })
})

interface Vector {
  id: string
  ok: boolean
  bytes: string
  decoded?: { headers: { name: string; type: number; value: unknown }[]; payload: string }
  headers?: Record<string, string>
  payloadText?: string
  messages?: number
}

const TYPE_NUMBERS: Record<string, number> = {
  byte: 2,
  short: 3,
  integer: 4,
  long: 5,
  binary: 6,
  string: 7,
  timestamp: 8,
  uuid: 9,
}

/** A header as the vectors write it: numbers for types, base64 for bytes and text. */
function asVector(name: string, header: AwsHeader): { name: string; type: number; value: unknown } {
  switch (header.type) {
    case 'boolean':
      return { name, type: header.value ? 0 : 1, value: header.value }
    case 'binary':
      return { name, type: 6, value: Buffer.from(header.value).toString('base64') }
    case 'string':
      return { name, type: 7, value: Buffer.from(header.value).toString('base64') }
    case 'uuid':
      return { name, type: 9, value: Buffer.from(unhex(header.value.replaceAll('-', ''))).toString('base64') }
    default:
      return { name, type: TYPE_NUMBERS[header.type]!, value: Number(header.value) }
  }
}

corpusCases<{ vectors: Vector[] }>('aws frames', 'cases/aws/eventstream-vectors.json', ({ vectors }, ran) => {
  it.each(vectors)('$id', (vector) => {
    for (const { name, chunks } of splits(Buffer.from(vector.bytes, 'base64'))) {
      if (!vector.ok) {
        for (const decoder of [createAwsMessageDecoder(), createAwsFrameDecoder()]) {
          const { items, fault } = feedUntilFault<AwsMessage | Frame>(decoder, chunks)
          expect(items, name).toEqual([])
          expect((fault as { kind: string }).kind, name).not.toBe('config')
        }
        continue
      }
      const messages = feed(createAwsMessageDecoder(), chunks)
      expect(messages, name).toHaveLength(vector.messages ?? 1)
      const [{ headers, payload }] = messages as [AwsMessage]
      if (vector.decoded !== undefined) {
        expect([...headers].map(([key, header]) => asVector(key, header))).toEqual(vector.decoded.headers)
        expect(Buffer.from(payload).toString('base64')).toBe(vector.decoded.payload)
      }
      if (vector.headers !== undefined) {
        expect(Object.fromEntries([...headers].map(([key, header]) => [key, header.value]))).toEqual(
          vector.headers,
        )
        expect(new TextDecoder().decode(payload)).toBe(vector.payloadText)
        const [frame] = feed(createAwsFrameDecoder(), chunks)
        const type = vector.headers[':message-type']!
        expect(frame).toEqual({
          event: vector.headers[type === 'error' ? ':error-code' : `:${type}-type`],
          data: type === 'error' ? vector.headers[':error-message'] : vector.payloadText,
          messageType: type,
        })
      }
    }
    ran()
  })
})
