import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEncoding } from '../../src/tokens/encoding.ts'
import { RecentPieces } from '../../src/tokens/recent.ts'
import { PADDING } from '../../src/tokens/vocabulary.ts'
import { fuzzRuns } from '../corpus.ts'
import { ENCODINGS, tiktokenIds } from './oracle.ts'

const { o200k_base, cl100k_base } = ENCODINGS

describe('RecentPieces', () => {
  const bytes = new Uint8Array(64 + PADDING)
  const view = new DataView(bytes.buffer)
  const put = (text: string): number => new TextEncoder().encodeInto(text, bytes).written

  it('gives back what was kept, and only for the same bytes', () => {
    const recent = new RecentPieces(4, 8)
    expect(recent.maxBytes).toBe(12)
    const ids = Int32Array.of(7, 8, 9, 0, 0, 0, 0)
    expect(recent.copy(view, 0, put('abcdefg'), ids, 3)).toBe(0)
    recent.keep(7, ids, 0, 3)
    // What follows a piece does not matter; what it is and how long it is does.
    put('abcdefgxyz')
    expect(recent.copy(view, 0, 7, ids, 3)).toBe(3)
    expect([...ids]).toEqual([7, 8, 9, 7, 8, 9, 0])
    put('abcdefg\0')
    expect(recent.copy(view, 0, 8, ids, 3)).toBe(0)
    put('abcdefh')
    expect(recent.copy(view, 0, 7, ids, 3)).toBe(0)
  })
  it('keeps no piece of more tokens than an entry holds', () => {
    const recent = new RecentPieces(4, 8)
    const ids = Int32Array.of(1, 2, 3, 4, 5)
    const length = put('zqzqz')
    recent.copy(view, 0, length, ids, 0)
    recent.keep(length, ids, 0, 5)
    expect(recent.copy(view, 0, length, ids, 0)).toBe(0)
    recent.keep(length, ids, 0, 4)
    expect(recent.copy(view, 0, length, ids, 0)).toBe(4)
  })
})

describe('a piece that was met before', () => {
  const names = fc.array(fc.constantFrom('gradient', 'Buffer', 'zq', 'Xk', 'ſt', '的', 'ment', 'éa', '_'), {
    minLength: 2,
    maxLength: 7,
  })

  it.each(['o200k_base', 'cl100k_base', 'p50k_base'] as const)('%s: has the same tokens again', (name) => {
    fc.assert(
      fc.property(fc.array(names, { minLength: 1, maxLength: 6 }), (list) => {
        const words = list.map((parts) => parts.join(''))
        const text = [...words, ...words, ...words.toReversed()].join(' ')
        expect(ENCODINGS[name].encode(text)).toEqual(tiktokenIds(name, text))
      }),
      { numRuns: fuzzRuns(5_000, 150) },
    )
  })
  it('is not kept when a limit ended its encoding', () => {
    const rare = Array.from('龘靐齉爩鱻麤灪龖')
    const noise = Array.from({ length: 700 }, (_, i) => 'qzxjkvbw'[(i * i + 3 * i + (i >> 3)) % 8]).join('')
    for (const encoding of [o200k_base, cl100k_base]) {
      // A word of about as many tokens as make the encoder ask whether the limit is passed for good, then one of 25 bytes.
      for (let length = 300; length < 700; length++) {
        const last = ` ${rare.slice(length % 8).join('')}${rare.slice(0, length % 8).join('')}`
        encoding.isWithinTokenLimit(noise.slice(0, length) + last, 10)
        expect(encoding.decode(encoding.encode(last))).toBe(last)
      }
    }
  })
  it('is one token alone and several inside another, in either order', () => {
    const bytes = Array.from({ length: 256 }, (_, byte) => [Uint8Array.of(byte), byte] as const)
    const ranks = [...bytes, ['bcd', 256], ['的中', 257]] as [Uint8Array | string, number][]
    const own = createEncoding({ ranks, family: 'gpt2' })
    const inside = own.encode('的中一'.repeat(3))
    expect(inside).not.toContain(257)
    for (let round = 0; round < 3; round++) {
      expect(own.encode('bcd,的中,abcd')).toEqual([256, 44, 257, 44, 97, 98, 99, 100])
      expect(own.encode('的中一'.repeat(3))).toEqual(inside)
    }
  })
})
