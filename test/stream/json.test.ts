// vitest's toStrictEqual asks `value.constructor`, which JSON may own; node's goes by prototypes.
import { deepStrictEqual } from 'node:assert'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import { createJsonParser, type JsonPath, parsePartialJson } from '../../src/stream/json.ts'
import { corpusCases, fuzzRuns } from '../corpus.ts'

/** What a text shows: `live` while it may go on, and what becomes of it when it ends there. */
interface Case {
  id: string
  text: string
  /** The value shown; absent: nothing yet. */
  live?: unknown
  /** The text is one whole JSON text. */
  complete?: true
  /** Offset of the first character that no JSON has there. `live` is then what was shown before it. */
  errorAt?: number
}

/** Whole, one UTF-16 unit at a time, `random` seeded splits, and with empty pieces between. */
function splits(text: string, random = 20): string[][] {
  const out = [[text], text.split(''), ['', text, '']]
  let seed = 0x2545f491 ^ text.length
  for (let run = 0; run < random; run++) {
    const pieces: string[] = []
    for (let i = 0; i < text.length;) {
      // xorshift32
      seed ^= seed << 13
      seed ^= seed >>> 17
      seed ^= seed << 5
      const length = 1 + ((seed >>> 0) % 9)
      pieces.push(text.slice(i, i + length))
      i += length
    }
    out.push(pieces)
  }
  return out
}

interface Reading {
  value: unknown
  complete: boolean
  error: LlmError | undefined
}

function read(pieces: string[], end: boolean): Reading {
  const parser = createJsonParser()
  let error: LlmError | undefined
  try {
    for (const piece of pieces) parser.push(piece)
    if (end) parser.end()
  } catch (thrown) {
    error = thrown as LlmError
  }
  return { value: parser.value, complete: parser.complete, error }
}

const fixtures = JSON.parse(readFileSync('fixtures/stream/partial-json-cases.json', 'utf8')) as {
  cases: Case[]
}

describe('partial JSON fixtures', () => {
  it('are at least 60, with ids of their own', () => {
    const ids = fixtures.cases.map((one) => one.id)
    expect(ids.length).toBeGreaterThanOrEqual(60)
    expect(new Set(ids).size).toBe(ids.length)
  })

  for (const one of fixtures.cases) {
    it(one.id, () => {
      for (const pieces of splits(one.text)) {
        const { value, complete, error } = read(pieces, false)
        deepStrictEqual(value, one.live)
        expect(complete).toBe(one.complete === true)
        expect(error?.offset).toBe(one.errorAt)
        if (one.errorAt !== undefined) expect(error).toMatchObject({ kind: 'invalid-output' })
      }
      const whole = read([one.text], true)
      expect(whole.error === undefined).toBe(isJson(one.text))
      if (whole.error === undefined) deepStrictEqual(whole.value, JSON.parse(one.text))
    })
  }
})

interface CorpusCase {
  id: string
  text?: string
  textParts?: [string, number][]
  bytes?: string
  prefix?: boolean
  live?: { none?: true; value?: unknown; ownKeys?: string[] }
  atEnd?: { value?: unknown; error?: true }
  complete?: boolean
  canonical?: string
  jsonParseAccepts?: boolean
}

interface Corpus {
  prefix: CorpusCase[]
  errors: CorpusCase[]
  completion: CorpusCase[]
  deep: CorpusCase[]
  jsonTestSuite: CorpusCase[]
}

/** A case's text; bytes are decoded as the corpus says: UTF-8 with replacement, the byte order mark kept. */
function textOf({ text, textParts, bytes }: CorpusCase): string {
  if (text !== undefined) return text
  if (textParts !== undefined) return textParts.map(([piece, count]) => piece.repeat(count)).join('')
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.from(bytes!, 'base64'))
}

/** Splits of long texts are few: one character at a time through 700 KB is one case of 23. */
const splitsOf = (text: string): string[][] => (text.length < 5000 ? splits(text) : splits(text, 1))

corpusCases<Corpus>('partial-json', 'cases/partial-json-cases.json', (corpus, ran) => {
  for (const one of corpus.prefix) {
    it(`prefix ${one.id}`, () => {
      const text = textOf(one)
      for (const pieces of splitsOf(text)) {
        const { value, complete, error } = read(pieces, false)
        expect(error).toBeUndefined()
        if (one.live!.ownKeys !== undefined) {
          expect(Object.keys(value as object)).toEqual(one.live!.ownKeys)
          expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
          expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
        } else {
          deepStrictEqual(value, one.live!.none ? undefined : one.live!.value)
        }
        if (one.complete !== undefined) expect(complete).toBe(one.complete)
        if (one.atEnd !== undefined) {
          const atEnd = read(pieces, true)
          expect(atEnd.error === undefined).toBe(one.atEnd.error === undefined)
          expect(atEnd.value).toBe(one.atEnd.value)
        }
      }
      ran()
    })
  }
  for (const one of corpus.errors) {
    it(`error ${one.id}`, () => {
      for (const pieces of splitsOf(textOf(one))) {
        expect(read(pieces, false).error).toMatchObject({ kind: 'invalid-output' })
      }
      ran()
    })
  }
  for (const one of corpus.completion) {
    it(`completion ${one.id}`, () => {
      for (const pieces of splitsOf(textOf(one))) {
        const { value, complete, error } = read(pieces, true)
        expect(error).toBeUndefined()
        expect(complete).toBe(true)
        deepStrictEqual(value, JSON.parse(textOf(one)))
        expect(JSON.stringify(value)).toBe(one.canonical)
      }
      ran()
    })
  }
  for (const one of corpus.deep) {
    it(`deep ${one.id}`, () => {
      for (const pieces of splitsOf(textOf(one))) {
        const { value, complete, error } = read(pieces, one.prefix !== true)
        expect(error).toBeUndefined()
        expect(complete).toBe(one.prefix !== true)
        // No recursion here either: toEqual would overflow.
        let depth = 0
        for (let at = value; typeof at === 'object' && at !== null; at = Object.values(at)[0]) depth++
        expect(depth).toBe(100_000)
      }
      ran()
    })
  }
  for (const one of corpus.jsonTestSuite) {
    it(`JSONTestSuite ${one.id}`, () => {
      for (const pieces of splitsOf(textOf(one))) {
        const { value, error } = read(pieces, true)
        expect(error === undefined).toBe(one.jsonParseAccepts)
        if (one.jsonParseAccepts) expect(JSON.stringify(value)).toBe(one.canonical)
      }
      ran()
    })
  }
})

/** JSON texts as people and models write them: any value, any white space, any escapes. */
const jsonText: fc.Arbitrary<string> = fc.oneof(
  fc.json(),
  fc.json({ stringUnit: 'binary' }),
  fc
    .tuple(fc.jsonValue({ stringUnit: 'binary' }), fc.constantFrom('\t', '  ', '\n', 1))
    .map(([value, space]) => JSON.stringify(value, null, space)),
  // Objects of few and treacherous keys, again and again.
  fc
    .array(
      fc.dictionary(fc.constantFrom('', 'a', 'ab', '"', '\\', '"a', '\n', 'é', '😀', '__proto__'), fc.nat(9)),
    )
    .map((rows) => JSON.stringify(rows)),
  // Every UTF-16 unit as an escape, halves of pairs too.
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 12 }).map((codes) => {
    const escapes = codes.map((code) => `\\u${code.toString(16).padStart(4, '0')}`).join('')
    return `{"${escapes}":["${escapes}"]}`
  }),
  // Surrogates in every mixture of raw and escaped.
  fc
    .array(fc.constantFrom('\ud83d', '\ude00', '\\ud83d', '\\uDE00', 'a', '\\n', '"]["'), { maxLength: 8 })
    .map((pieces) => `["${pieces.join('').replaceAll('"][', '","')}"]`)
    .filter(isJson),
)

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function cut(text: string, lengths: number[]): string[] {
  const pieces: string[] = []
  let at = 0
  for (const length of lengths) {
    if (at >= text.length) break
    pieces.push(text.slice(at, at + length))
    at += length
  }
  pieces.push(text.slice(at))
  return pieces
}

const lengths = fc.array(fc.nat({ max: 6 }), { maxLength: 40 })

describe('createJsonParser, any text', () => {
  it('ends at the value of JSON.parse, however the text is cut', () => {
    fc.assert(
      fc.property(jsonText, lengths, (text, sizes) => {
        const { value, complete, error } = read(cut(text, sizes), true)
        expect(error).toBeUndefined()
        expect(complete).toBe(true)
        deepStrictEqual(value, JSON.parse(text))
      }),
      { numRuns: fuzzRuns(60_000, 1500) },
    )
  })

  it('accepts and rejects what JSON.parse does, also after an edit', () => {
    fc.assert(
      fc.property(
        jsonText,
        fc.nat(),
        fc.constantFrom(
          '',
          '"',
          '\\',
          ',',
          ':',
          '{',
          '}',
          '[',
          ']',
          '-',
          '.',
          'e',
          '0',
          'u',
          ' ',
          '\n',
          '\u0000',
          'x',
        ),
        fc.nat({ max: 2 }),
        lengths,
        (text, at, insert, remove, sizes) => {
          const i = text.length === 0 ? 0 : at % text.length
          const edited = text.slice(0, i) + insert + text.slice(i + remove)
          const { value, error } = read(cut(edited, sizes), true)
          expect(error === undefined).toBe(isJson(edited))
          if (error === undefined) deepStrictEqual(value, JSON.parse(edited))
        },
      ),
      { numRuns: fuzzRuns(60_000, 1500) },
    )
  })

  it('shows the same at every prefix, however the prefix was cut', () => {
    fc.assert(
      fc.property(jsonText, fc.nat(), lengths, (text, at, sizes) => {
        const prefix = text.slice(0, at % (text.length + 1))
        const whole = read([prefix], false)
        expect(whole.error).toBeUndefined()
        deepStrictEqual(read(cut(prefix, sizes), false), whole)
        deepStrictEqual(parsePartialJson(prefix).value, read([prefix], true).value)
      }),
      { numRuns: fuzzRuns(30_000, 800) },
    )
  })

  it('never takes back what it showed: strings only grow, objects and arrays stay themselves', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: 'binary' }), lengths, (text, sizes) => {
        const parser = createJsonParser()
        const seen = new Map<string, unknown>()
        for (const piece of cut(text, sizes)) {
          parser.push(piece)
          walk(parser.value, '', (path, value) => {
            const before = seen.get(path)
            if (typeof before === 'object' && before !== null) expect(value).toBe(before)
            else if (typeof before === 'string') expect((value as string).startsWith(before)).toBe(true)
            else if (before !== undefined) expect(value).toBe(before)
            seen.set(path, value)
          })
        }
      }),
      { numRuns: fuzzRuns(10_000, 300) },
    )
  })
})

function walk(value: unknown, path: string, visit: (path: string, value: unknown) => void): void {
  if (value === undefined) return
  visit(path, value)
  if (typeof value !== 'object' || value === null) return
  for (const key of Object.keys(value)) {
    walk((value as Record<string, unknown>)[key], `${path}/${JSON.stringify(key)}`, visit)
  }
}

describe('createJsonParser', () => {
  it('grows one object in place', () => {
    const parser = createJsonParser()
    parser.push('{"list":[{"name":"A')
    const root = parser.value as { list: { name: string }[] }
    const first = root.list[0]
    parser.push('da"},{"na')
    expect(parser.value).toBe(root)
    expect(root.list[0]).toBe(first)
    expect(first).toEqual({ name: 'Ada' })
    expect(root.list).toEqual([{ name: 'Ada' }, {}])
  })

  it('reports each value as it closes, children first, with a path of its own', () => {
    const closed: [JsonPath, unknown][] = []
    const parser = createJsonParser({ onValue: (path, value) => closed.push([path, structuredClone(value)]) })
    for (const character of '{"a":[1,{"b":"x"}],"c":true} ') parser.push(character)
    parser.end()
    expect(closed).toEqual([
      [['a', 0], 1],
      [['a', 1, 'b'], 'x'],
      [['a', 1], { b: 'x' }],
      [['a'], [1, { b: 'x' }]],
      [['c'], true],
      [[], { a: [1, { b: 'x' }], c: true }],
    ])
  })

  it('reports a number at the root at the end only', () => {
    const closed: unknown[] = []
    const parser = createJsonParser({ onValue: (path, value) => closed.push([path, value]) })
    parser.push('12')
    expect(closed).toEqual([])
    parser.end()
    expect(closed).toEqual([[[], 12]])
    expect(parser.complete).toBe(true)
  })

  it('says where and why a text is wrong, and stays failed with the value it had', () => {
    const parser = createJsonParser()
    parser.push('{"a":[1')
    let error: LlmError | undefined
    try {
      parser.push(',}')
    } catch (thrown) {
      error = thrown as LlmError
    }
    expect(LlmError.is(error)).toBe(true)
    expect(error).toMatchObject({
      kind: 'invalid-output',
      offset: 8,
      message: 'Invalid JSON at offset 8: expected a value, found "}".',
      issues: [{ message: 'expected a value, found "}"' }],
    })
    expect(LlmError.fromJSON(JSON.parse(JSON.stringify(error)))).toMatchObject({ offset: 8 })
    expect(() => parser.push('1')).toThrow(error)
    expect(() => parser.end()).toThrow(error)
    expect(parser.complete).toBe(false)
    expect(parser.value).toEqual({ a: [1] })
  })

  it('end() refuses a text that stops inside a value', () => {
    for (const text of ['', ' ', '{', '[1', '"a', 'tru', '-', '1.', '{"a":1']) {
      const parser = createJsonParser()
      parser.push(text)
      expect(() => parser.end()).toThrow(
        expect.objectContaining({ kind: 'invalid-output', offset: text.length }),
      )
    }
  })

  it('bounds depth', () => {
    const parser = createJsonParser({ maxDepth: 3 })
    parser.push('[{"a":[')
    expect(() => parser.push('[')).toThrow(expect.objectContaining({ kind: 'too-large', offset: 7 }))
    expect(parser.value).toEqual([{ a: [] }])
    const observed = createJsonParser({ onValue: () => {} })
    expect(() => observed.push('['.repeat(1025))).toThrow(expect.objectContaining({ kind: 'too-large' }))
  })

  it('bounds bytes of UTF-8', () => {
    const fits = createJsonParser({ maxBytes: 13 })
    fits.push('"aé€')
    fits.push('😀"')
    fits.end()
    for (const pieces of [['"aé€', '😀"'], ['"aé€😀"'], '"aé€😀"'.split('')]) {
      const parser = createJsonParser({ maxBytes: 11 })
      expect(() => pieces.forEach((piece) => parser.push(piece))).toThrow(
        expect.objectContaining({ kind: 'too-large', message: expect.stringContaining('11 bytes') }),
      )
    }
    expect(() => createJsonParser({ maxBytes: 3 }).push('    ')).toThrow(LlmError)
  })

  it('does not go on after an onValue that threw, as if nothing had been lost', () => {
    const parser = createJsonParser({
      onValue: () => {
        throw new Error('mine')
      },
    })
    expect(() => parser.push('[1,2]')).toThrow('mine')
    expect(() => parser.push(',3]')).toThrow(expect.objectContaining({ kind: 'invalid-output' }))
  })

  it('does work that is linear in the text: twice the string or nesting, twice the steps', () => {
    // Steps are property writes on a spied array: every push writes the growing value once, whatever its length.
    const count = (deltas: number): number => {
      let writes = 0
      const parser = createJsonParser()
      parser.push('[')
      const root = parser.value as unknown[]
      Object.defineProperty(root, 0, {
        configurable: true,
        set(value: unknown) {
          writes++
          expect(typeof value).toBe('string')
        },
      })
      parser.push('"')
      for (let i = 0; i < deltas; i++) parser.push('text')
      return writes
    }
    expect(count(2000)).toBe(2 * count(1000) - 1)
  })
})

describe('parsePartialJson', () => {
  it('reads whole, cut and wrong texts without throwing', () => {
    expect(parsePartialJson('{"a":1}')).toEqual({ value: { a: 1 }, complete: true })
    expect(parsePartialJson(' 12 ')).toEqual({ value: 12, complete: true })
    expect(parsePartialJson('{"a":12')).toEqual({ value: {}, complete: false })
    expect(parsePartialJson('')).toEqual({ value: undefined, complete: false })
    const wrong = parsePartialJson('{"a":1,"b":nope}')
    expect(wrong).toMatchObject({
      value: { a: 1 },
      complete: false,
      error: { kind: 'invalid-output', offset: 12 },
    })
  })
})

describe('createJsonParser, long strings', () => {
  it('puts pieces of every length together, beyond the length at which ropes are made flat', () => {
    const value = { s: Array.from({ length: 3000 }, (_, i) => `${i}\u00e9😀\n`).join('') }
    const json = JSON.stringify(value)
    for (const size of [1, 3, 7, 64, 1000, 1025, 5000]) {
      const parser = createJsonParser()
      for (let i = 0; i < json.length; i += size) parser.push(json.slice(i, i + size))
      parser.end()
      deepStrictEqual(parser.value, value)
    }
    // Long and short pieces in turns.
    const parser = createJsonParser()
    for (let i = 0, size = 1; i < json.length; i += size, size = size === 1 ? 2000 : 1) {
      parser.push(json.slice(i, i + size))
    }
    parser.end()
    deepStrictEqual(parser.value, value)
  })

  it('reads keys that are like, unlike, longer, shorter than the ones before', () => {
    const names = [
      'name',
      'name',
      'nam',
      'names',
      'näme',
      'näme',
      'na"me',
      '',
      'name',
      '__proto__',
      '__proto__',
    ]
    // What an escape stands for must never be taken for the text of the next key.
    const rows = [...names, '"', '', '\\', '\\', '\n', '\n', '"', '"x']
    const json = `[${rows.map((key, i) => `{"id":${i},${JSON.stringify(key)}:${i}}`).join(',')}]`
    for (const pieces of splits(json)) deepStrictEqual(read(pieces, true).value, JSON.parse(json))
  })

  it('sees a raw control character in a key, also where the key before had it escaped', () => {
    for (const pieces of splits('[{"a\\nb":1},{"a\nb":2}]')) {
      expect(read(pieces, false).error).toMatchObject({ offset: 15 })
    }
  })
})
