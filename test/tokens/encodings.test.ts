import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import * as o200k from '../../src/tokens/encodings/o200k_base.ts'
import { o200k_harmony } from '../../src/tokens/encodings/o200k_harmony.ts'
import { classTable } from '../../src/tokens/split.ts'
import { corpusCases, fuzzRuns } from '../corpus.ts'
import {
  ENCODINGS,
  hardText,
  naiveIds,
  patternOf,
  ranksOf,
  tiktokenIds,
  wellFormed,
  type EncodingName,
} from './oracle.ts'

const NAMES = Object.keys(ENCODINGS) as EncodingName[]
const { o200k_base, cl100k_base, p50k_base, r50k_base } = ENCODINGS

type Vectors = { vectors: { text: string; ids: Record<EncodingName, string> }[] }
const { vectors } = JSON.parse(
  readFileSync(new URL('../../fixtures/tokens/vectors.json', import.meta.url), 'utf8'),
) as Vectors

describe('golden vectors', () => {
  it('are at least 500', () => expect(vectors.length).toBeGreaterThanOrEqual(500))
  for (const name of NAMES) {
    it(`${name} gives tiktoken's ids, and back`, () => {
      const encoding = ENCODINGS[name]
      for (const { text, ids } of vectors) {
        const found = encoding.encode(text, { disallowedSpecial: [] })
        expect(found.join(' '), JSON.stringify(text)).toBe(ids[name])
        expect(encoding.countTokens(text)).toBe(found.length)
        expect(encoding.decode(found)).toBe(wellFormed(text))
      }
    })
  }
  it('o200k_harmony gives the same ids as o200k_base', () => {
    for (const { text, ids } of vectors) {
      expect(o200k_harmony.encodeOrdinary(text).join(' ')).toBe(ids.o200k_base)
    }
  })
})

corpusCases<[string, string][]>('bpe', 'cases/bpe/cases.json', (cases, ran) => {
  for (const name of ['o200k_base', 'cl100k_base', 'p50k_base', 'r50k_base'] as const) {
    it(`${name}: ids recorded from tiktoken 0.14.0`, () => {
      const root = process.env['LLMSWAP_CORPUS']!
      const recorded = JSON.parse(readFileSync(`${root}/cases/bpe/${name}.json`, 'utf8')) as number[][]
      const encoding = ENCODINGS[name]
      for (const [i, [label, text]] of cases.entries()) {
        expect(encoding.encodeOrdinary(text), `${label}: ${JSON.stringify(text)}`).toEqual(recorded[i])
        expect(encoding.countTokens(text)).toBe(recorded[i]!.length)
        if (wellFormed(text) === text) expect(encoding.decode(recorded[i]!)).toBe(text)
        ran()
      }
    })
  }
})

corpusCases<Record<string, [number, number][]>>(
  'unicode-classes',
  'cases/bpe/unicode-classes.json',
  (classes, ran) => {
    it('the class of every code point is the reference’s', () => {
      const want = new Uint8Array(0x110000)
      for (const [i, name] of ['', 'Lu|Lt', 'Ll', 'Lm|Lo', 'M', 'N', 's'].entries()) {
        for (const [first, last] of classes[name] ?? []) want.fill(i, first, last + 1)
      }
      want[0x0a] = want[0x0d] = 7
      const table = classTable()
      let wrong = 0
      for (let point = 0; point < 0x110000; point++) if ((table[point] ?? 0) !== want[point]) wrong++
      expect(wrong).toBe(0)
      ran()
    })
  },
)

describe('equality with tiktoken', () => {
  for (const name of ['o200k_base', 'cl100k_base', 'p50k_base'] as const) {
    it(`${name}: random text`, () => {
      const encoding = ENCODINGS[name]
      fc.assert(
        fc.property(hardText, (text) => {
          const ids = encoding.encodeOrdinary(text)
          expect(ids).toEqual(tiktokenIds(name, text))
          if (wellFormed(text) === text) expect(encoding.decode(ids)).toBe(text)
        }),
        { numRuns: fuzzRuns(70_000, 1_500) },
      )
    })
  }

  // Prefix of a word, word, word before a contraction; a line break on both sides keeps one code point from the next.
  const contexts = [(c: string) => `${c}\n`, (c: string) => `x${c}'s\n`, (c: string) => ` ${c}A${c}a\n`]
  for (const name of ['o200k_base', 'cl100k_base', 'p50k_base'] as const) {
    it(`${name}: every code point in three contexts`, () => {
      const step = fuzzRuns(1, 37)
      const encoding = ENCODINGS[name]
      let text = ''
      const compare = (): void => {
        // Numbers, not arrays of a million: expect() would spend its time printing.
        const ours = encoding.encodeOrdinary(text).join()
        const theirs = tiktokenIds(name, text).join()
        if (ours !== theirs) {
          for (const line of text.split(/(?<=\n)/))
            expect(encoding.encodeOrdinary(line), JSON.stringify(line)).toEqual(tiktokenIds(name, line))
        }
        expect(ours === theirs).toBe(true)
        text = ''
      }
      for (let point = 0; point < 0x110000; point += point < 0x3000 ? 1 : step) {
        const character = String.fromCodePoint(point)
        for (const context of contexts) text += context(character)
        if (text.length > 50_000) compare()
      }
      compare()
    })
  }
})

describe('equality with the textbook', () => {
  for (const [name, family] of [
    ['o200k_base', 'o200k'],
    ['cl100k_base', 'cl100k'],
    ['r50k_base', 'gpt2'],
  ] as const) {
    it(`${name}: random text`, () => {
      const encoding = ENCODINGS[name]
      const ranks = ranksOf(encoding)
      const pattern = patternOf(family)
      fc.assert(
        fc.property(hardText, (text) => {
          expect(encoding.encodeOrdinary(text)).toEqual(naiveIds(text, pattern, ranks))
        }),
        { numRuns: fuzzRuns(10_000, 300) },
      )
    })
    it(`${name}: long words, where the search replaces the merges`, () => {
      const encoding = ENCODINGS[name]
      const ranks = ranksOf(encoding)
      const pattern = patternOf(family)
      const longWord = fc
        .tuple(
          fc.constantFrom(
            'ab',
            'abc',
            'aeinorst',
            'aáç',
            '的一是不了在人有',
            '한국어의는',
            'xyz',
            '=-',
            'acgt',
          ),
          fc.integer({ min: 20, max: 120 }),
          fc.infiniteStream(fc.nat()),
        )
        .map(([letters, length, draws]) => {
          const characters = [...letters]
          return Array.from({ length }, () => characters[draws.next().value! % characters.length]!).join('')
        })
      fc.assert(
        fc.property(longWord, (text) => {
          expect(encoding.encodeOrdinary(text)).toEqual(naiveIds(text, pattern, ranks))
        }),
        { numRuns: fuzzRuns(5_000, 200) },
      )
    })
  }
})

describe('inputs on which other tokenizers are wrong', () => {
  const same = (text: string): void => {
    for (const name of NAMES) {
      expect(ENCODINGS[name].encodeOrdinary(text), `${name} ${JSON.stringify(text)}`).toEqual(
        tiktokenIds(name, text),
      )
      expect(ENCODINGS[name].decode(ENCODINGS[name].encodeOrdinary(text))).toBe(text)
    }
  }
  it('U+FEFF is kept, and is no whitespace', () => {
    same('\ufeffhello')
    expect(o200k_base.encode('\ufeffhello')).toEqual([5574, 24912])
    same('\ufeff#include')
    same('\ufeff\ufeffx')
    same('a\ufeff')
  })
  it('U+0085 is whitespace', () => {
    same(' \u0085x')
    same('\u0085\u0085x')
    same('a\u0085 b')
  })
  it('names of Object.prototype are words', () => {
    for (const word of [
      'hasOwnProperty',
      'constructor',
      '__proto__',
      'toString',
      'valueOf',
      'isPrototypeOf',
      'toLocaleString',
    ]) {
      same(word)
      same(` ${word} ${word}`)
      same(`x.${word}()`)
    }
  })
  it('ſ is an s in a contraction where case is ignored', () => {
    same("x'ſ")
    same("X'ſs")
    same("'ſ it'ſ")
  })
  it("contractions in capitals: I'LL, I'M, Drag'n'Drop", () => {
    same("I'LL")
    same("I'M HERE, WE'RE")
    same("Drag'n'Drop")
  })
  it('lone surrogates are U+FFFD, one each', () => {
    for (const text of ['\ud800', 'a\udc00b', '\ud800\ud800', '\udc00\ud800x', 'x\ud83d']) {
      expect(o200k_base.encode(text)).toEqual(o200k_base.encode(wellFormed(text)))
    }
  })
  it('special tokens are found after index 0', () => {
    expect(o200k_base.encode('a<|endoftext|>b', { allowedSpecial: 'all' })).toEqual([64, 199999, 65])
    expect(o200k_base.encode('<|endoftext|><|endoftext|>', { allowedSpecial: 'all' })).toEqual([
      199999, 199999,
    ])
    expect(
      o200k_harmony.encode('<|start|>user<|message|>hi<|end|><|start|>assistant', { allowedSpecial: 'all' }),
    ).toEqual([200006, 1428, 200008, 3686, 200007, 200006, 173781])
  })
  it('special tokens have tiktoken’s ids', () => {
    expect(o200k_base.encode('<|endofprompt|>', { allowedSpecial: 'all' })).toEqual([200018])
    expect(o200k_base.decode([200018])).toBe('<|endofprompt|>')
    expect(() => o200k_base.decode([200000])).toThrow('200000')
    expect(cl100k_base.encode('<|fim_suffix|><|endofprompt|>', { allowedSpecial: 'all' })).toEqual([
      100260, 100276,
    ])
    expect(ENCODINGS.p50k_edit.encode('<|fim_prefix|>', { allowedSpecial: 'all' })).toEqual([50281])
    expect(p50k_base.decode([50256])).toBe('<|endoftext|>')
    expect(o200k_harmony.specials.size).toBe(1091)
    expect(o200k_harmony.vocabularySize).toBe(201088)
    expect(o200k_harmony.encode('<|reserved_200018|><|endofprompt|>', { allowedSpecial: 'all' })).toEqual([
      200018, 200018,
    ])
    expect(o200k_harmony.decode([200018, 200013, 200012])).toBe('<|endofprompt|><|reserved_200013|><|call|>')
  })
  it('a special token typed by a user is plain text to encodeOrdinary and to the counters', () => {
    const text = 'a <|endoftext|> b'
    expect(o200k_base.encodeOrdinary(text)).toEqual(tiktokenIds('o200k_base', text))
    expect(o200k_base.countTokens(text)).toBe(tiktokenIds('o200k_base', text).length)
    expect(o200k_base.countTokens(text, { allowedSpecial: 'all' })).toBe(4)
  })
  it('nothing that looks like a special token stops the search for one', () => {
    const text = '<|<|endoftext|<|endoftext|>|>'
    const ids = o200k_base.encode(text, { allowedSpecial: ['<|endoftext|>'] })
    expect(ids.filter((id) => id === 199999)).toHaveLength(1)
    expect(o200k_base.decode(ids)).toBe(text)
  })
})

describe('memory and time on long input', () => {
  it('one word of a million characters', () => {
    for (const unit of ['a', ' ', '的', 'ab']) {
      const text = unit.repeat(1_000_000 / unit.length)
      const ids = o200k_base.encodeOrdinary(text)
      expect(o200k_base.decode(ids)).toBe(text)
      expect(o200k_base.countTokens(text)).toBe(ids.length)
    }
  })
  it('counting needs no memory in proportion to the text, and a giant word gives it back', () => {
    const buffers = (): number => process.memoryUsage().arrayBuffers
    o200k_base.countTokens('The tables are built by now. 是的。')
    o200k_base.countTokens('word '.repeat(50_000))
    const before = buffers()
    o200k_base.countTokens('A sentence of nine words, again and again and again.\n'.repeat(200_000))
    expect(buffers() - before).toBeLessThan(100_000)
    o200k_base.countTokens('ab'.repeat(1_000_000))
    o200k_base.countTokens('x')
    expect(o200k_base.countTokens('word '.repeat(50_000))).toBe(50_001)
  })
  it('a text longer than a chunk has the ids of tiktoken', () => {
    const text = vectors.map((vector) => vector.text).join(' ')
    const doubled = text + text
    for (const name of ['o200k_base', 'r50k_base'] as const) {
      const ids = ENCODINGS[name].encodeOrdinary(doubled)
      expect(ids.join()).toBe(tiktokenIds(name, doubled).join())
    }
  })
  it('chunks may end anywhere', () => {
    const padding = 'word '.repeat(3_300)
    for (let shift = 0; shift < 60; shift++) {
      const text = `${padding.slice(shift)}I'LL\u0301 \ud83d\ude00 hello한AB  \n\n  x ${'!'.repeat(40)} 1234567 ${padding.slice(0, 20_000 - shift)}`
      expect(o200k_base.encodeOrdinary(text).join()).toBe(tiktokenIds('o200k_base', text).join())
    }
  })
})

describe('bad input', () => {
  const kind = (run: () => unknown): string => {
    try {
      run()
    } catch (error) {
      if (LlmError.is(error)) return error.kind
      throw error
    }
    return 'none'
  }
  it('is refused where it is no string', () => {
    for (const bad of [undefined, null, 5, {}, ['a']] as unknown as string[]) {
      expect(kind(() => o200k.encode(bad))).toBe('config')
      expect(kind(() => o200k.encodeOrdinary(bad))).toBe('config')
      expect(kind(() => o200k.countTokens(bad))).toBe('config')
      expect(kind(() => o200k.isWithinTokenLimit(bad, 5))).toBe('config')
      expect(kind(() => o200k.truncate(bad, 5))).toBe('config')
      expect(kind(() => o200k.explain(bad))).toBe('config')
      expect(kind(() => o200k.createCounter().push(bad))).toBe('config')
    }
  })
  it('a special token in the text names itself and both ways to allow it', () => {
    expect(() => o200k.encode('x <|endoftext|>')).toThrow(
      /<\|endoftext\|> at index 2.*allowedSpecial.*encodeOrdinary/,
    )
    expect(kind(() => o200k.encode('<|endoftext|>', { allowedSpecial: ['<|endofprompt|>'] }))).toBe('config')
    expect(o200k.encode('<|endoftext|>', { disallowedSpecial: [] })).toEqual(
      tiktokenIds('o200k_base', '<|endoftext|>'),
    )
    expect(o200k.encode('<|endoftext|>', { disallowedSpecial: ['<|endofprompt|>'] })).toHaveLength(7)
    expect(kind(() => o200k.encode('a.b', { disallowedSpecial: ['a.b'] }))).toBe('config')
    expect(kind(() => o200k.encode('axb', { disallowedSpecial: ['a.b'] }))).toBe('none')
  })
  it('an unknown id is named with its index, or replaced', () => {
    for (const id of [-1, 1.5, NaN, 199998, 300_000, Infinity, 2 ** 32 + 5]) {
      expect(() => o200k.decode([1, id])).toThrow(`no token ${id} (index 1)`)
      expect(o200k.decode([0, id, 0], { unknown: 'replace' })).toBe('!\ufffd!')
    }
    expect(kind(() => p50k_base.decode([50281]))).toBe('config')
    expect(kind(() => r50k_base.decode([50257]))).toBe('config')
    expect(kind(() => o200k.decode(5 as never))).toBe('config')
    expect(kind(() => o200k.decode('12' as never))).toBe('config')
  })
  it('a limit must be a count', () => {
    for (const limit of [-1, NaN, '5' as never, undefined as never]) {
      expect(kind(() => o200k.isWithinTokenLimit('a', limit))).toBe('config')
      expect(kind(() => o200k.truncate('a', limit))).toBe('config')
    }
  })
})
