/** The 96 outside cases of server-sent events, in every chunking: the standard's events plus the end-of-body flush. */
import { expect, it, vi } from 'vitest'
import { createSseDecoder } from '../../src/wire/sse.ts'
import { corpusCases, FUZZ_TIMEOUT_MS } from '../corpus.ts'
import { feed, splits, utf8 } from './splits.ts'

vi.setConfig({ testTimeout: FUZZ_TIMEOUT_MS })

type Parts = [text: string, repeat: number][]
interface Expected {
  event: string
  data?: string
  dataParts?: Parts
  lastEventId: string
}
interface SseCase {
  id: string
  bytes?: string
  bytesParts?: Parts
  expected: Expected[]
  expectedWithEofFlush?: Expected[]
  retries?: number[]
}

const joined = (parts: Parts): string => parts.map(([text, repeat]) => text.repeat(repeat)).join('')

corpusCases<{ cases: SseCase[] }>('sse', 'cases/sse-cases.json', ({ cases }, ran) => {
  it.each(cases)('$id', (one) => {
    const bytes = one.bytes === undefined ? utf8(joined(one.bytesParts!)) : Buffer.from(one.bytes, 'base64')
    const expected = (one.expectedWithEofFlush ?? one.expected).map((event) => ({
      event: event.event,
      data: event.data ?? joined(event.dataParts!),
      id: event.lastEventId,
    }))
    for (const { name, chunks } of splits(bytes)) {
      const frames = feed(createSseDecoder(), chunks)
      const actual = frames.map((frame) => ({ event: frame.event, data: frame.data, id: frame.id ?? '' }))
      // Not `toEqual` on the whole for a 1 MB string: a diff of it would take minutes to print.
      expect(actual.length, name).toBe(expected.length)
      expect(
        actual.every(
          (frame, i) =>
            frame.event === expected[i]!.event &&
            frame.data === expected[i]!.data &&
            frame.id === expected[i]!.id,
        ),
        name,
      ).toBe(true)
      expect(
        frames.flatMap((frame) => frame.retry ?? []),
        name,
      ).toEqual(one.retries ?? [])
    }
    ran()
  })
})
