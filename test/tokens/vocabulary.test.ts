import { describe, expect, it } from 'vitest'
import { byteString, encodePieceNaive } from '../../src/tokens/bpe-naive.ts'
import { isBoundary } from '../../src/tokens/bpe.ts'
import { o200kMerges } from '../../src/tokens/encodings/o200k_base.ranks.ts'
import { p50kMerges } from '../../src/tokens/encodings/p50k_base.ranks.ts'
import { r50kMerges } from '../../src/tokens/encodings/r50k_base.ranks.ts'
import { BYTE_ORDER, expandMerges, PADDING, Vocabulary } from '../../src/tokens/vocabulary.ts'

describe('merges', () => {
  it('expand to every token, each the join of two earlier ones', () => {
    for (const [segments, size] of [
      [[o200kMerges], 199_998],
      [[r50kMerges], 50_256],
      [[r50kMerges, p50kMerges], 50_281],
    ] as const) {
      const { offsets, blob, parts } = expandMerges(segments)
      expect(offsets.length - 1).toBe(size)
      const bytes = (id: number): string => byteString(blob.subarray(offsets[id], offsets[id + 1]))
      for (let id = 256; id < size; id += 97) {
        if (parts[2 * id]! >= 0) expect(bytes(id)).toBe(bytes(parts[2 * id]!) + bytes(parts[2 * id + 1]!))
      }
    }
  })
  it('begin with the 256 bytes, printable ones first', () => {
    expect(BYTE_ORDER.slice(0, 3)).toEqual([33, 34, 35])
    expect(new Set(BYTE_ORDER).size).toBe(256)
    expect(BYTE_ORDER[220]).toBe(32)
  })
  it('that are corrupted are refused: a digit, an order, a length, a checksum', () => {
    const { columns } = p50kMerges
    const broken = [
      { ...p50kMerges, columns: `!${columns.slice(1)}` },
      { ...p50kMerges, columns: `/${columns.slice(1)}` },
      { ...p50kMerges, columns: columns.slice(1) },
      { ...p50kMerges, columns: `${columns.slice(0, -1)}A` },
      { ...p50kMerges, columns: `\u2603${columns.slice(1)}` },
      { ...p50kMerges, checksum: p50kMerges.checksum ^ 1 },
    ]
    for (const merges of broken) {
      expect(() => expandMerges([r50kMerges, merges])).toThrow(/corrupted/)
      try {
        expandMerges([r50kMerges, merges])
      } catch (error) {
        expect((error as { kind: string }).kind).toBe('protocol')
      }
    }
    expect(() => expandMerges([r50kMerges, p50kMerges])).not.toThrow()
  })
})

describe('Vocabulary', () => {
  const vocabulary = new Vocabulary(expandMerges([o200kMerges]))
  const { offsets, blob } = vocabulary
  const scratch = new Uint8Array(512 + PADDING)
  const view = new DataView(scratch.buffer)

  it('finds every token by its bytes, whatever follows them', () => {
    for (let id = 0; id < vocabulary.size; id++) {
      const bytes = blob.subarray(offsets[id], offsets[id + 1])
      scratch.fill(0xaa).set(bytes, 7)
      if (vocabulary.find(view, 7, bytes.length) !== id) expect.fail(`token ${id} is not found`)
    }
  })
  it('finds nothing else', () => {
    for (const text of ['zqxj', 'qqqqqqqqq', 'hello worlds and more of them', '\0\0\0\0\0\0\0\0\0\0\0\0\0']) {
      scratch.fill(0).set(new TextEncoder().encode(text))
      expect(vocabulary.find(view, 0, text.length)).toBe(-1)
    }
    // A key and the same key with a zero byte more are not the same.
    scratch.fill(0).set(new TextEncoder().encode('hello'))
    expect(vocabulary.find(view, 0, 5)).toBeGreaterThan(0)
    expect(vocabulary.find(view, 0, 6)).toBe(-1)
    expect(vocabulary.find(view, 0, 400)).toBe(-1)
  })
  it('the longest token is the one a search over all lengths finds', () => {
    for (const text of [
      'international',
      ' '.repeat(200),
      '-'.repeat(90),
      '的的的的',
      'zq',
      'a',
      '================x',
    ]) {
      const bytes = new TextEncoder().encode(text)
      for (const max of [1, 2, 3, 4, 7, 12, 13, 34, 35, 64, bytes.length]) {
        if (max > bytes.length) continue
        scratch.fill(0).set(bytes)
        let longest = -1
        for (let length = 1; length <= max; length++) {
          const id = vocabulary.find(view, 0, length)
          if (id >= 0) longest = id
        }
        expect(vocabulary.longest(view, 0, max)).toBe(longest)
      }
    }
  })
  it('two tokens stay apart exactly where encoding their bytes together gives the two again', () => {
    const rankOf = (part: string): number | undefined => {
      const at = 256
      scratch.set(
        Uint8Array.from(part, (unit) => unit.charCodeAt(0)),
        at,
      )
      const id = vocabulary.find(view, at, part.length)
      return id < 0 ? undefined : id
    }
    let state = 1
    const random = (below: number): number => {
      state = (Math.imul(state, 0x41c64e6d) + 12_345) | 0
      return ((state >>> 8) & 0xffff) % below
    }
    let apart = 0
    for (let round = 0; round < 6_000; round++) {
      // Low ids are frequent, short tokens, whose neighbours often do join.
      const [a, b] = [random(round % 2 === 0 ? 2_000 : 60_000), random(2_000)]
      const left = blob.slice(offsets[a], offsets[a + 1])
      const right = blob.slice(offsets[b], offsets[b + 1])
      if (left.length + right.length > 100) continue
      scratch.set(left, 0)
      scratch.set(right, left.length)
      const together = [...left, ...right]
      const whole = rankOf(byteString(together))
      const expected = whole === undefined && encodePieceNaive(together, rankOf).join() === `${a},${b}`
      scratch.set(left, 0)
      scratch.set(right, left.length)
      expect(isBoundary(vocabulary, view, left.length, a, b), `${a} ${b}`).toBe(expected)
      if (expected) apart++
    }
    expect(apart).toBeGreaterThan(500)
  })
})
