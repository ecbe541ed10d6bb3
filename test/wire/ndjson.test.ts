/** Newline-delimited JSON: own fixtures in every chunking, limits, values, and whatever fast-check thinks of. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { createNdjsonDecoder, ndjson } from '../../src/wire/ndjson.ts'
import { FUZZ_TIMEOUT_MS, fuzzRuns } from '../corpus.ts'
import { bodyOf, feed, feedUntilFault, randomSplit, seeded, splits, utf8 } from './splits.ts'

vi.setConfig({ testTimeout: FUZZ_TIMEOUT_MS })

const { cases } = JSON.parse(readFileSync('fixtures/wire/ndjson-cases.json', 'utf8')) as {
  cases: { name: string; text: string; lines: string[] }[]
}

describe('every chunking of a body gives the same lines', () => {
  it.each(cases)('$name', ({ text, lines }) => {
    for (const { name, chunks } of splits(utf8(text))) {
      expect(feed(createNdjsonDecoder(), chunks), name).toEqual(
        lines.map((data) => ({ event: 'message', data })),
      )
    }
  })

  it('any JSON values, in any chunking', () => {
    fc.assert(
      fc.property(
        fc.array(fc.json()),
        fc.constantFrom('\n', '\r\n', '\n\n'),
        fc.nat(),
        (values, end, seed) => {
          const bytes = utf8(values.join(end))
          const lines = feed(createNdjsonDecoder(), randomSplit(bytes, seeded(seed)))
          expect(lines.map((frame) => frame.data)).toEqual(values)
        },
      ),
      { numRuns: fuzzRuns(10_000, 500) },
    )
  })
})

describe('limits', () => {
  it('the lines before a too long one arrive, then the error, in every chunking', () => {
    for (const text of [`1\n22\n"${'x'.repeat(40)}"\n3\n`, `1\n22\n"${'x'.repeat(40)}`]) {
      for (const { name, chunks } of splits(utf8(text))) {
        const { items, fault } = feedUntilFault(createNdjsonDecoder({ maxEventBytes: 20 }), chunks)
        expect(
          items.map((frame) => frame.data),
          name,
        ).toEqual(['1', '22'])
        expect(fault, name).toMatchObject({ kind: 'too-large' })
      }
    }
  })
})

describe('ndjson(body)', () => {
  async function collect(chunks: Uint8Array[]): Promise<unknown[]> {
    const values: unknown[] = []
    for await (const value of ndjson(bodyOf(chunks).body)) values.push(value)
    return values
  }

  it('iterates over the values', async () => {
    expect(await collect([utf8('\ufeff{"a":1}\r\n[tr'), utf8('ue]\n\n"x"')])).toEqual([{ a: 1 }, [true], 'x'])
  })

  it('keeps __proto__ an own property', async () => {
    const [value] = await collect([utf8('{"__proto__":{"polluted":true}}\n')])
    expect(Object.hasOwn(value as object, '__proto__')).toBe(true)
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('ends in protocol at a line that is not JSON, after the values before it and without quoting it', async () => {
    const { body, cancelled } = bodyOf([utf8('{"a":1}\n{"secret": sk-123}\n{"b":2}\n')])
    const values = ndjson(body)
    expect(await values.next()).toEqual({ done: false, value: { a: 1 } })
    const fault = (await values.next().catch((error: unknown) => error)) as Error
    expect(fault).toMatchObject({ kind: 'protocol' })
    expect(`${fault.message} ${String(fault.cause)} ${fault.stack}`).not.toContain('sk-123')
    expect(cancelled()).toBe(1)
  })

  it('types a value that is nested too deeply instead of overflowing the stack', async () => {
    const deep = utf8(`${'['.repeat(5_000_000)}\n`)
    await expect(collect([deep])).rejects.toMatchObject({ kind: 'protocol' })
  })
})
