/** Counters, cuts, limits and decoders: everything that must agree with one full `encode`. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import { fuzzRuns } from '../corpus.ts'
import { ENCODINGS, hardText, wellFormed, type EncodingName } from './oracle.ts'

const NAMES: readonly EncodingName[] = ['o200k_base', 'cl100k_base', 'p50k_base']
const { o200k_base } = ENCODINGS

describe('createCounter', () => {
  for (const name of NAMES) {
    const encoding = ENCODINGS[name]
    it(`${name}: is exact after every push, one UTF-16 unit at a time`, () => {
      fc.assert(
        fc.property(hardText, (text) => {
          const counter = encoding.createCounter()
          for (let i = 0; i < text.length; i++) {
            counter.push(text[i]!)
            expect(counter.count, JSON.stringify(text.slice(0, i + 1))).toBe(
              encoding.countTokens(text.slice(0, i + 1)),
            )
          }
          expect(counter.end()).toBe(encoding.countTokens(text))
        }),
        { numRuns: fuzzRuns(3_000, 120) },
      )
    })
    it(`${name}: agrees at every cut in two`, () => {
      fc.assert(
        fc.property(hardText, hardText, (a, b) => {
          const text = a + b
          const whole = encoding.countTokens(text)
          for (let cut = 0; cut <= text.length; cut++) {
            const counter = encoding.createCounter()
            counter.push(text.slice(0, cut))
            counter.push(text.slice(cut))
            expect(counter.count).toBe(whole)
          }
        }),
        { numRuns: fuzzRuns(2_000, 100) },
      )
    })
    it(`${name}: long words of one and of many kinds of characters`, () => {
      for (const unit of [
        'a',
        'A',
        ' ',
        '\n',
        '的',
        'aB',
        '한A',
        'ก็',
        ' \n',
        '=',
        '!/',
        '12',
        "'s",
        'é',
        '\u0301',
        '\ud83d\ude00',
      ]) {
        for (const end of ['', 'x', ' x', "'ll", '\n', 'B', '的', '!', '\u0301']) {
          const text = `go ${unit.repeat(700)}${end}`
          const counter = encoding.createCounter()
          let at = 0
          for (let step = 1; at < text.length; step = (step * 7 + 1) % 97) {
            counter.push(text.slice(at, at + step))
            at += step
            expect(counter.count).toBe(encoding.countTokens(text.slice(0, at)))
          }
          expect(counter.end()).toBe(encoding.countTokens(text))
        }
      }
    })
  }

  it('two giant runs after each other, read at uneven steps', () => {
    const run = fc.tuple(
      fc.constantFrom(
        'a',
        'B',
        ' ',
        '的',
        '한',
        'か',
        '=',
        '!',
        '\n',
        '/',
        "'",
        'é',
        '\u0301',
        'aB',
        '😀',
        '1',
        "'s",
      ),
      fc.integer({ min: 1, max: 900 }),
    )
    fc.assert(
      fc.property(
        fc.constantFrom(...NAMES),
        run,
        run,
        run,
        fc.integer({ min: 1, max: 250 }),
        (name, a, b, c, step) => {
          const encoding = ENCODINGS[name]
          const text = [a, b, c].map(([unit, times]) => unit.repeat(times)).join('')
          const counter = encoding.createCounter()
          for (let at = 0; at < text.length; at += step) {
            counter.push(text.slice(at, at + step))
            expect(counter.count).toBe(encoding.countTokens(text.slice(0, at + step)))
          }
        },
      ),
      { numRuns: fuzzRuns(3_000, 100) },
    )
  })

  it('takes a word of a million characters, one delta and one reading at a time', () => {
    const counter = o200k_base.createCounter()
    const delta = '的世界'.repeat(100)
    for (let i = 0; i < 1_000; i++) {
      counter.push(delta)
      if (counter.count === 0) expect.fail('nothing counted')
    }
    expect(counter.end()).toBe(o200k_base.countTokens(delta.repeat(1_000)))
  })

  it('takes a text of several chunks', () => {
    const text = 'A few words, 1234 and 한국어 — again. '.repeat(4_000)
    const counter = o200k_base.createCounter()
    for (let at = 0; at < text.length; at += 9_999) counter.push(text.slice(at, at + 9_999))
    expect(counter.end()).toBe(o200k_base.countTokens(text))
    const whole = o200k_base.createCounter()
    whole.push(text)
    expect(whole.count).toBe(o200k_base.countTokens(text))
  })

  it('starts at 0, counts half a surrogate pair as U+FFFD, and ends for good', () => {
    const counter = o200k_base.createCounter()
    expect(counter.count).toBe(0)
    counter.push('x \ud83d')
    expect(counter.count).toBe(o200k_base.countTokens('x \ufffd'))
    counter.push('\ude00')
    expect(counter.count).toBe(o200k_base.countTokens('x 😀'))
    expect(counter.end()).toBe(counter.count)
    expect(() => counter.push('more')).toThrow(LlmError)
  })
})

describe('truncate', () => {
  for (const name of NAMES) {
    const encoding = ENCODINGS[name]
    it(`${name}: is the longest start that ends between two tokens and fits, at every limit`, () => {
      fc.assert(
        fc.property(hardText, (text) => {
          const ids = encoding.encodeOrdinary(text)
          expect(encoding.truncate(text, ids.length)).toBe(text)
          for (let limit = 0; limit < ids.length; limit++) {
            const cut = encoding.truncate(text, limit)
            expect(text.startsWith(cut)).toBe(true)
            expect(encoding.countTokens(cut)).toBeLessThanOrEqual(limit)
            // Never inside a surrogate pair.
            expect(wellFormed(cut) + wellFormed(text.slice(cut.length))).toBe(wellFormed(text))
            // The bytes of the first tokens, without an incomplete character; shorter only where that would not fit.
            const decoder = encoding.createDecoder()
            const prefix = decoder.push(ids.slice(0, limit))
            if (encoding.countTokens(prefix) <= limit) expect(wellFormed(cut)).toBe(prefix)
            else expect(prefix.startsWith(wellFormed(cut))).toBe(true)
          }
        }),
        { numRuns: fuzzRuns(3_000, 120) },
      )
    })
    it(`${name}: keeps the end where asked`, () => {
      fc.assert(
        fc.property(hardText, (text) => {
          const total = encoding.countTokens(text)
          expect(encoding.truncate(text, total, { keep: 'end' })).toBe(text)
          for (let limit = 0; limit < total; limit++) {
            const cut = encoding.truncate(text, limit, { keep: 'end' })
            expect(text.endsWith(cut)).toBe(true)
            expect(encoding.countTokens(cut)).toBeLessThanOrEqual(limit)
            expect(wellFormed(text.slice(0, text.length - cut.length)) + wellFormed(cut)).toBe(
              wellFormed(text),
            )
          }
        }),
        { numRuns: fuzzRuns(2_000, 100) },
      )
    })
  }
  it('works across chunks and takes fractions and Infinity', () => {
    const text = 'Eine längere Zeile — mit 😀 und 数字 12345.\n'.repeat(2_000)
    const ids = o200k_base.encodeOrdinary(text)
    for (const limit of [1, 999, 10_000, 20_000, ids.length - 1]) {
      expect(o200k_base.countTokens(o200k_base.truncate(text, limit))).toBe(limit)
      expect(o200k_base.countTokens(o200k_base.truncate(text, limit, { keep: 'end' }))).toBeLessThanOrEqual(
        limit,
      )
    }
    expect(o200k_base.truncate(text, Infinity)).toBe(text)
    expect(o200k_base.truncate('one two three', 2.9)).toBe('one two')
    expect(o200k_base.truncate('one two three', 2.9, { keep: 'end' })).toBe(' two three')
  })
})

describe('isWithinTokenLimit', () => {
  it('agrees with the count at every limit', () => {
    fc.assert(
      fc.property(fc.constantFrom(...NAMES), hardText, (name, text) => {
        const encoding = ENCODINGS[name]
        const count = encoding.countTokens(text)
        for (let limit = 0; limit <= count + 2; limit++) {
          expect(encoding.isWithinTokenLimit(text, limit)).toBe(count <= limit ? count : false)
        }
      }),
      { numRuns: fuzzRuns(5_000, 300) },
    )
  })
  it('agrees on long words and long texts', () => {
    for (const text of [
      'a'.repeat(5_000),
      'ab'.repeat(9_000),
      '的'.repeat(20_000),
      'some words '.repeat(9_000),
      ' '.repeat(3_000),
    ]) {
      const count = o200k_base.countTokens(text)
      for (const limit of [0, 1, Math.floor(count / 2), count - 1, count, count + 1, Infinity]) {
        expect(o200k_base.isWithinTokenLimit(text, limit)).toBe(count <= limit ? count : false)
      }
    }
  })
})

describe('a limit inside one giant word', () => {
  it('is decided without the rest of the word, and decided right', () => {
    const word = fc
      .tuple(
        fc.constantFrom(
          'ab',
          'abcdefghijklmnopqrstuvwxyz',
          'aei',
          'the',
          'acgt',
          '\u00e9\u00e0\u00fc',
          '=-',
          'xyzq',
        ),
        fc.integer({ min: 3_000, max: 12_000 }),
        fc.integer(),
      )
      .map(([letters, length, seed]) => {
        const characters = [...letters]
        let state = seed | 1
        return Array.from({ length }, () => {
          state = (Math.imul(state, 0x41c64e6d) + 12_345) | 0
          return characters[(state >>> 16) % characters.length]!
        }).join('')
      })
    fc.assert(
      fc.property(
        fc.constantFrom(...NAMES),
        word,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (name, text, part) => {
          const encoding = ENCODINGS[name]
          const count = encoding.countTokens(text)
          for (const limit of [Math.floor(count * part), count - 1, count, count - 300]) {
            if (limit < 0) continue
            expect(encoding.isWithinTokenLimit(text, limit)).toBe(count <= limit ? count : false)
          }
        },
      ),
      { numRuns: fuzzRuns(1_500, 60) },
    )
  })
})

describe('encodeInto', () => {
  it('goes on where it stopped, whatever the size of the array', () => {
    fc.assert(
      fc.property(hardText, fc.integer({ min: 1, max: 40 }), (text, size) => {
        const ids: number[] = []
        const out = new Uint32Array(size)
        for (let at = 0; at < text.length;) {
          const { read, written } = o200k_base.encodeInto(text.slice(at), out, { disallowedSpecial: [] })
          // A piece that fits no array of this size.
          if (read === 0) return
          ids.push(...out.subarray(0, written))
          at += read
        }
        expect(ids).toEqual(o200k_base.encodeOrdinary(text))
      }),
      { numRuns: fuzzRuns(5_000, 300) },
    )
  })
  it('writes everything into an array, special tokens included', () => {
    const out: number[] = []
    const text = 'a<|endoftext|>b'
    expect(o200k_base.encodeInto(text, out, { allowedSpecial: 'all' })).toEqual({
      read: text.length,
      written: 3,
    })
    expect(out).toEqual([64, 199999, 65])
    expect(o200k_base.encodeInto(text, new Int32Array(1), { allowedSpecial: 'all' })).toEqual({
      read: 1,
      written: 1,
    })
    expect(() => o200k_base.encodeInto(text, out)).toThrow('<|endoftext|>')
  })
})

describe('createDecoder', () => {
  it('gives the text of all ids, whichever way they arrive, and never half a character', () => {
    fc.assert(
      fc.property(fc.constantFrom(...NAMES), hardText, fc.integer({ min: 1, max: 4 }), (name, text, step) => {
        const encoding = ENCODINGS[name]
        const ids = encoding.encodeOrdinary(text)
        const decoder = encoding.createDecoder()
        let joined = ''
        for (let i = 0; i < ids.length; i += step) {
          const part = decoder.push(step === 1 ? ids[i]! : ids.slice(i, i + step))
          if (!text.includes('\ufffd') && wellFormed(text) === text) expect(part).not.toContain('\ufffd')
          joined += part
        }
        expect(joined + decoder.end()).toBe(wellFormed(text))
      }),
      { numRuns: fuzzRuns(5_000, 300) },
    )
  })
  it('ends an incomplete character as U+FFFD', () => {
    const decoder = o200k_base.createDecoder()
    const [first] = o200k_base.encodeOrdinary('🦜')
    expect(decoder.push(first!)).toBe('')
    expect(decoder.end()).toBe('\ufffd')
  })
})

describe('explain', () => {
  it('accounts for every byte, piece and grapheme', () => {
    fc.assert(
      fc.property(fc.constantFrom(...NAMES), hardText, (name, text) => {
        const encoding = ENCODINGS[name]
        const { tokens, pieces, groups } = encoding.explain(text)
        expect(tokens.map((token) => token.id)).toEqual(encoding.encodeOrdinary(text))
        let at = 0
        for (const token of tokens) {
          expect(token.start).toBe(at)
          at = token.end
        }
        expect(at).toBe(new TextEncoder().encode(text).length)
        expect(pieces.reduce((sum, piece) => sum + piece.tokenCount, 0)).toBe(tokens.length)
        expect(groups.reduce((sum, group) => sum + group.tokenCount, 0)).toBe(tokens.length)
        expect(groups.map((group) => group.text).join('')).toBe(wellFormed(text))
        expect(pieces.map((piece) => piece.text).join('')).toBe(wellFormed(text))
      }),
      { numRuns: fuzzRuns(2_000, 150) },
    )
  })
  it('shows the merges of a piece in order, lowest rank of the moment first', () => {
    const { pieces } = o200k_base.explain(' tokenize 🦜')
    expect(pieces[0]!.merges.map((merge) => merge.parts.join('|'))).toEqual([
      ' |t|o|k|e|n|i|z|e',
      ' t|o|k|e|n|i|z|e',
      ' t|o|k|en|i|z|e',
      ' to|k|en|i|z|e',
      ' to|k|en|iz|e',
      ' to|k|en|ize',
      ' to|ken|ize',
      ' token|ize',
    ])
    expect(pieces[1]!.merges[0]!.parts).toEqual([' ', '⟨f0⟩', '⟨9f⟩', '⟨a6⟩', '⟨9c⟩'])
  })
  it('keeps a grapheme of several tokens in one group', () => {
    const { groups } = o200k_base.explain('a👩‍👩‍👧b')
    expect(groups.map((group) => group.text)).toEqual(['a', '👩‍👩‍👧', 'b'])
  })
})
