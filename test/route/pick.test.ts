import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createPeakEwma,
  createWeighted,
  fnv1a,
  powerOfTwo,
  prefixHash,
  rendezvous,
} from '../../src/route/pick.ts'

/** A small seeded generator (mulberry32), so that a failure replays. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

describe('smooth weighted round robin', () => {
  it('gives each target exactly its weight over Σw picks, whatever the weights', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }), (weights) => {
        const pick = createWeighted(weights)
        const usable = weights.map((_, index) => index)
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        for (let round = 0; round < 3; round++) {
          const counts = weights.map(() => 0)
          for (let turn = 0; turn < total; turn++) counts[pick(usable)]!++
          expect(counts).toEqual(weights)
        }
      }),
    )
  })

  it('spreads the heavy target instead of bursting it', () => {
    const pick = createWeighted([5, 1, 1])
    expect(Array.from({ length: 7 }, () => pick([0, 1, 2]))).toEqual([0, 0, 1, 0, 2, 0, 0])
  })

  it('serves only the usable ones', () => {
    const pick = createWeighted([1, 1, 1])
    for (let turn = 0; turn < 20; turn++) expect([0, 2]).toContain(pick([0, 2]))
  })
})

describe('peak EWMA', () => {
  it('jumps up at once and comes down with its time constant', () => {
    const ewma = createPeakEwma(1_000)
    ewma.observe(100, 0)
    ewma.observe(2_000, 0)
    expect(ewma.value(0)).toBe(2_000)
    expect(ewma.value(1_000)).toBeCloseTo(2_000 / Math.E, 6)
    ewma.observe(100, 1_000)
    expect(ewma.value(1_000)).toBeLessThan(2_000)
    expect(ewma.value(1_000)).toBeGreaterThan(100)
  })

  it('does not go negative or explode when the clock jumps back', () => {
    const ewma = createPeakEwma()
    ewma.observe(100, 1_000_000)
    ewma.observe(50, 0)
    expect(ewma.value(0)).toBeLessThanOrEqual(100)
    expect(ewma.value(0)).toBeGreaterThan(0)
  })
})

describe('power of two choices', () => {
  it('always compares two different targets', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 10 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (n, r1, r2) => {
          const draws = [r1, r2]
          const asked: number[] = []
          powerOfTwo(
            Array.from({ length: n }, (_, index) => index),
            (index) => asked.push(index),
            () => draws.shift() ?? 0,
          )
          expect(new Set(asked).size).toBe(2)
        },
      ),
    )
  })

  it('never picks the most expensive of three, and does not herd onto the cheapest', () => {
    const random = seeded(7)
    const counts = [0, 0, 0]
    for (let turn = 0; turn < 3_000; turn++) counts[powerOfTwo([0, 1, 2], (index) => index, random)]!++
    expect(counts[2]).toBe(0)
    expect(counts[0]! / 3_000).toBeCloseTo(2 / 3, 1)
  })
})

describe('rendezvous', () => {
  const names = ['a/x', 'b/y', 'c/z'].map((name) => fnv1a(name))

  it('is stable, and moves only the prefixes of a target that disappears', () => {
    for (let prefix = 0; prefix < 500; prefix++) {
      const all = rendezvous(fnv1a(`prefix ${prefix}`), [0, 1, 2], names, [1, 1, 1])
      const without2 = rendezvous(fnv1a(`prefix ${prefix}`), [0, 1], names, [1, 1, 1])
      if (all !== 2) expect(without2).toBe(all)
    }
  })

  it('follows the weights', () => {
    const counts = [0, 0, 0]
    for (let prefix = 0; prefix < 6_000; prefix++)
      counts[rendezvous(fnv1a(`p${prefix}`), [0, 1, 2], names, [1, 2, 3])]!++
    expect(counts.map((count) => Math.round((count / 6_000) * 12))).toEqual([2, 4, 6])
  })

  it('reads a prefix and nothing behind it', () => {
    const system = 'manual 1 '.repeat(500)
    expect(prefixHash(`${system}and so on`, 4_000, 0)).toBe(prefixHash(`${system}or else`, 4_000, 0))
    const hashes = Array.from({ length: 100 }, (_, at) => prefixHash(`manual ${at} `.repeat(500), 4_000, 0))
    expect(new Set(hashes).size).toBe(100)
    expect(prefixHash('abcd', 4_000, 1)).not.toBe(prefixHash('abcd', 4_000, 2))
  })

  it('hashes like FNV-1a', () => {
    expect(fnv1a('')).toBe(0x811c9dc5)
    expect(fnv1a('a')).toBe(0xe40c292c)
    expect(fnv1a('foobar')).toBe(0xbf9cf968)
  })
})
