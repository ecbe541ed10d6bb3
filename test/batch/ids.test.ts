import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { digest } from '../../src/batch/digest.ts'
import { createRowIds } from '../../src/batch/ids.ts'
import type { RowIds } from '../../src/batch/ids.ts'

const request = digest('ask')

/** Bytes held after a collection is no figure for a test; the shapes below are counted by what they do instead. */
function admitAll(ids: RowIds, texts: Iterable<string>): Map<number, number> {
  const twins = new Map<number, number>()
  let index = 0
  for (const text of texts) {
    const known = ids.admit(text, request, index)
    if (known.is === 'twice') twins.set(index, known.earlier)
    index++
  }
  return twins
}

/** What a Map would say. */
function twinsOf(texts: readonly string[]): Map<number, number> {
  const first = new Map<string, number>()
  const twins = new Map<number, number>()
  for (const [index, text] of texts.entries()) {
    const earlier = first.get(text)
    if (earlier === undefined) first.set(text, index)
    else twins.set(index, earlier)
  }
  return twins
}

/** Stretches of ids that count up, forwards and from anywhere, padded or not, between ids that do not. */
const stretches = fc
  .array(
    fc.oneof(
      fc
        .record({
          prefix: fc.constantFrom('', 'a', 'a-', 'a-0', 'b9x'),
          from: fc.oneof(fc.nat(130), fc.nat(12_000)),
          count: fc.integer({ min: 1, max: 150 }),
          width: fc.constantFrom(0, 3, 5),
        })
        .map(({ prefix, from, count, width }) =>
          Array.from({ length: count }, (_, n) => prefix + String(from + n).padStart(width, '0')),
        ),
      fc.array(fc.oneof(fc.string(), fc.uuid(), fc.constantFrom('a', 'a-', 'b9x', '0', '00')), {
        maxLength: 5,
      }),
    ),
    { maxLength: 20 },
  )
  .map((parts) => parts.flat())

describe('row ids', () => {
  it('find every twin and name the row that had the id first, as a Map would', () => {
    fc.assert(
      fc.property(stretches, (texts) => {
        expect(admitAll(createRowIds(), texts)).toEqual(twinsOf(texts))
      }),
      { numRuns: 300 },
    )
  })

  it('find them at the edges where a run ends: one digit more, and numbers too long to count', () => {
    const texts = [
      ...Array.from({ length: 200 }, (_, n) => `r${n}`),
      ...Array.from({ length: 80 }, (_, n) => `9${'0'.repeat(20)}${String(n).padStart(2, '0')}`),
      ...Array.from({ length: 80 }, (_, n) => `x${9_999_999_999_960 + n}`),
      ...Array.from({ length: 70 }, (_, n) => `x${999_999_999_999_960 + n}`),
    ]
    const again = [...texts, ...texts.toReversed()]
    expect(admitAll(createRowIds(), again)).toEqual(twinsOf(again))
  })

  it('do not run on into a stretch that was met before', () => {
    const stretch = (from: number, to: number): string[] =>
      Array.from({ length: to - from }, (_, n) => `q${from + n}`)
    const texts = [...stretch(500, 700), ...stretch(300, 800), ...stretch(400, 450)]
    expect(admitAll(createRowIds(), texts)).toEqual(twinsOf(texts))
  })

  it('hold 300,000 random ids without mixing any up', () => {
    const ids = createRowIds()
    const texts = Array.from({ length: 300_000 }, (_, n) => `${(n * 2_654_435_761) % 2 ** 32}-${n % 7}x`)
    expect(admitAll(ids, texts).size).toBe(0)
    expect(admitAll(ids, texts).size).toBe(300_000)
  })

  it('tell what an earlier run did, how it ended, and whether it asked the same', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('done', 'failed', 'again'), fc.nat(200)), { maxLength: 2_000 }),
        (history) => {
          const ids = createRowIds()
          const model = new Map<number, string>()
          for (const [step, n] of history) {
            if (step === 'again') ids.unmark(`k${n}`)
            else ids.markDone(`k${n}`, digest(`request ${n}`), step === 'failed')
            model.set(n, step === 'again' ? 'new' : step)
          }
          for (let n = 0; n <= 200; n++) {
            const expected = model.get(n) ?? 'new'
            const asked = n % 3 === 0 ? 'edited' : `request ${n}`
            const changed = expected !== 'new' && n % 3 === 0
            expect(ids.admit(`k${n}`, digest(asked), n).is).toBe(changed ? 'changed' : expected)
          }
          for (let n = 0; n <= 200; n++)
            expect(ids.admit(`k${n}`, request, 999)).toEqual({ is: 'twice', earlier: n })
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('digests', () => {
  it.each<[string, (n: number) => string]>([
    ['counting up', (n) => `row-${n}`],
    ['hexadecimal', (n) => n.toString(16).padStart(8, '0')],
    ['bits', (n) => n.toString(2).padStart(18, '0')],
    ['two numbers', (n) => `${n % 500}/${Math.floor(n / 500)}`],
  ])('of ids %s spread as chance would: any 34 of their bits collide about once in 200,000', (_, make) => {
    const many = 200_000
    const parts: ((one: { high: number; low: number }) => number)[] = [
      ({ high }) => high % 2 ** 34,
      ({ low }) => low % 2 ** 34,
      ({ high }) => Math.floor(high / 2 ** 19),
      ({ high, low }) => (high % 2 ** 17) * 2 ** 17 + (low % 2 ** 17),
    ]
    const seen = parts.map(() => new Set<number>())
    for (let n = 0; n < many; n++) {
      const one = digest(make(n))
      for (const [at, part] of parts.entries()) seen[at]!.add(part(one))
    }
    // 1.2 are expected; ten or more happen once in a million million.
    for (const set of seen) expect(many - set.size).toBeLessThan(10)
  })
})
