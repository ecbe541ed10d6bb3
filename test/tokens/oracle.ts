/** What the tokenizer tests compare with: npm's tiktoken, the textbook twin, and random text that is hard to cut. */

import fc from 'fast-check'
import { get_encoding, type Tiktoken } from 'tiktoken'
import { byteString, encodeNaive, type Ranks } from '../../src/tokens/bpe-naive.ts'
import type { Encoding } from '../../src/tokens/encoding.ts'
import { cl100k_base } from '../../src/tokens/encodings/cl100k_base.ts'
import { o200k_base } from '../../src/tokens/encodings/o200k_base.ts'
import { p50k_base } from '../../src/tokens/encodings/p50k_base.ts'
import { p50k_edit } from '../../src/tokens/encodings/p50k_edit.ts'
import { r50k_base } from '../../src/tokens/encodings/r50k_base.ts'
import { classTable } from '../../src/tokens/split.ts'

export type EncodingName = 'o200k_base' | 'cl100k_base' | 'p50k_base' | 'p50k_edit' | 'r50k_base'
export const ENCODINGS: Readonly<Record<EncodingName, Encoding>> = {
  o200k_base,
  cl100k_base,
  p50k_base,
  p50k_edit,
  r50k_base,
}

/** The text as an encoder sees it: lone surrogates are U+FFFD. */
export function wellFormed(text: string): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text))
}

const oracles = new Map<string, Tiktoken>()

/** tiktoken's ids, special tokens as plain text. */
export function tiktokenIds(name: EncodingName, text: string): number[] {
  let oracle = oracles.get(name)
  if (oracle === undefined) oracles.set(name, (oracle = get_encoding(name)))
  return Array.from(oracle.encode_ordinary(text))
}

/** Class of a code point: U upper or title, L lower, B other letter, M mark, N number, S whitespace, O the rest. */
function rangesOf(letters: string): string {
  const table = classTable()
  let ranges = ''
  let start = -1
  for (let point = 0; point <= table.length; point++) {
    const value = point < table.length ? table[point]! : 0
    const inside = value !== 0 && letters.includes('OULBMNSS'[value]!)
    if (inside && start < 0) start = point
    if (!inside && start >= 0) {
      ranges += String.raw`\u{${start.toString(16)}}-\u{${(point - 1).toString(16)}}`
      start = -1
    }
  }
  return ranges
}

/** The published patterns, with the pinned classes written out as ranges. */
export function patternOf(family: 'o200k' | 'cl100k' | 'gpt2'): RegExp {
  const [U, L, B, M, N, S] = [...'ULBMNS'].map(rangesOf)
  const letter = U! + L! + B!
  const fold = "(?:'[sSſ]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
  const blanks = `[${S}]*[\\r\\n]+|[${S}]+(?![^${S}])|[${S}]+`
  const source = {
    o200k:
      `[^\\r\\n${letter}${N}]?[${U}${B}${M}]*[${L}${B}${M}]+${fold}?|` +
      `[^\\r\\n${letter}${N}]?[${U}${B}${M}]+[${L}${B}${M}]*${fold}?|` +
      `[${N}]{1,3}| ?[^${S}${letter}${N}]+[\\r\\n/]*|${blanks}`,
    cl100k: `${fold}|[^\\r\\n${letter}${N}]?[${letter}]+|[${N}]{1,3}| ?[^${S}${letter}${N}]+[\\r\\n]*|${blanks}`,
    gpt2: `'(?:[sdmt]|ll|ve|re)| ?[${letter}]+| ?[${N}]+| ?[^${S}${letter}${N}]+|[${S}]+(?![^${S}])|[${S}]+`,
  }[family]
  return new RegExp(source, 'gu')
}

/** Token bytes to rank, read back out of an encoding. */
export function ranksOf(encoding: Encoding): Ranks {
  const special = new Set(encoding.specials.values())
  const ranks = new Map<string, number>()
  for (let id = 0; id < encoding.vocabularySize; id++) {
    if (!special.has(id)) ranks.set(byteString(encoding.decodeBytes([id], { unknown: 'replace' })), id)
  }
  ranks.delete(byteString(new TextEncoder().encode('\ufffd')))
  const replacement = encoding.encodeOrdinary('\ufffd')
  if (replacement.length === 1) ranks.set(byteString(new TextEncoder().encode('\ufffd')), replacement[0]!)
  return ranks
}

/** Textbook ids: the pattern as a regular expression, the merges by scanning every pair. */
export function naiveIds(text: string, pattern: RegExp, ranks: Ranks): number[] {
  // The reference sees bytes, in which lone surrogates are U+FFFD already; a regular expression does not.
  return encodeNaive(wellFormed(text), pattern, ranks)
}

const atoms = [
  "'s 't 're 've 'm 'll 'd 'S 'LL 'Re ' ’s ſ 'ſ",
  'the The THE ing tion hello World HTTP ß É é ǅ ʰ ª',
  'def return { } ( ) => == != // /* */ #include std::vector<int> \\n ${x} __init__ self.',
  '你好 世界 的 これは カタカナ 한국어 สวัสดี नमस्ते Привет שלום مرحبا',
  '😀 👍🏽 👩‍👩‍👧 🇩🇪 ❤️ 1️⃣ \u200d \ufe0f \u0301 \u0903 \u20dd',
  '<|endoftext|> <|endofprompt|> <|fim_prefix|> <|start|> <| |> <|end of|> <|endoftext',
  'hasOwnProperty constructor __proto__ toString aaaaaaaaaaaa ======== ----------------',
  '0 1 12 123 1234 ١٢٣ ½ ② Ⅷ 3.14',
].flatMap((line) => line.split(' '))

/** Text made of words, whitespace, any code point, halves of surrogate pairs, and runs. */
export const hardText: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...atoms) },
      {
        weight: 6,
        arbitrary: fc.constantFrom(
          ' ',
          '  ',
          '\n',
          '\r\n',
          '\t',
          '\u00a0',
          '\u0085',
          '\ufeff',
          '\u3000',
          '/',
        ),
      },
      {
        weight: 2,
        arbitrary: fc.integer({ min: 0, max: 0x2fff }).map((point) => String.fromCodePoint(point)),
      },
      {
        weight: 2,
        arbitrary: fc.integer({ min: 0, max: 0x10ffff }).map((point) => String.fromCodePoint(point)),
      },
      {
        weight: 1,
        arbitrary: fc.integer({ min: 0xd800, max: 0xdfff }).map((unit) => String.fromCharCode(unit)),
      },
      {
        weight: 1,
        arbitrary: fc
          .tuple(
            fc.constantFrom('a', ' ', '\n', '=', '한', '的', '\u0301', 'ab', 'A'),
            fc.integer({ min: 2, max: 90 }),
          )
          .map(([unit, times]) => unit.repeat(times)),
      },
      { weight: 2, arbitrary: fc.string({ maxLength: 12 }) },
    ),
    { maxLength: 14 },
  )
  .map((parts) => parts.join(''))
