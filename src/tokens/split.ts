/**
 * Where one piece of text ends and the next begins. Merges never cross such a boundary, so it decides ids as much as
 * the vocabulary does.
 *
 * In:  UTF-8 bytes ended by a 0xFF byte (which UTF-8 never contains), and a position.
 * Out: the end of the piece that starts there, exactly as the published regular expressions match.
 * Not here: regular expressions. On two-byte strings V8 runs them at 13–20 MB/s, with the engine's Unicode version and
 *      JavaScript's idea of `\s`; these scanners run several times faster on the tables of Unicode 16 that the
 *      reference uses.
 *
 * Patterns of openai/tiktoken 0.14.0, tiktoken_ext/openai_public.py, restated above each scanner.
 */

import { UNICODE_CLASS_RUNS } from './unicode-classes.ts'

/** Finds the end of the piece that starts at `start`; `bytes[start]` is not the end mark. */
export type Scanner = (bytes: Uint8Array, start: number) => number

/** How text is cut: `o200k` (GPT-4o on), `cl100k` (GPT-3.5, GPT-4), `gpt2` (r50k, p50k). */
export type SplitFamily = 'o200k' | 'cl100k' | 'gpt2'

/** The byte that ends every scanned buffer. */
export const END_MARK = 0xff

// Character classes. B is "both": Lm and Lo count as upper and as lower case in o200k's pattern, and so do marks.
const OTHER = 0
const UPPER = 1
const LOWER = 2
const BOTH = 3
const MARK = 4
const NUMBER = 5
const SPACE = 6
const NEWLINE = 7
const END = 8
const WIDE = 9

const LETTERS = (1 << UPPER) | (1 << LOWER) | (1 << BOTH)
const UPPERISH = (1 << UPPER) | (1 << BOTH) | (1 << MARK)
const LOWERISH = (1 << LOWER) | (1 << BOTH) | (1 << MARK)
const SYMBOLS = (1 << OTHER) | (1 << MARK)
const DIGITS = 1 << NUMBER

/** Class of each byte below 0x80; WIDE for the bytes of longer characters, END for the end mark. */
const ASCII: Uint8Array = /* @__PURE__ */ asciiClasses()

function asciiClasses(): Uint8Array {
  const table = new Uint8Array(256).fill(WIDE, 0x80)
  table.fill(UPPER, 0x41, 0x5b).fill(LOWER, 0x61, 0x7b).fill(NUMBER, 0x30, 0x3a)
  table.fill(SPACE, 0x09, 0x0e)[0x20] = SPACE
  table[0x0a] = table[0x0d] = NEWLINE
  table[END_MARK] = END
  return table
}

let wideClasses: Uint8Array | undefined

/**
 * Class of every code point below U+E01F0, expanded from 5 KB of run lengths the first time a text is not ASCII.
 * Most of its 918 KB is never written and so never becomes resident.
 */
export function classTable(): Uint8Array {
  if (wideClasses !== undefined) return wideClasses
  const table = new Uint8Array(0xe01f0)
  let at = 0
  for (const [, letter, length] of UNICODE_CLASS_RUNS.matchAll(/([A-Z])([0-9a-z]*)/g)) {
    const end = at + (length === '' ? 1 : Number.parseInt(length!, 36))
    const value = 'OULBMNS'.indexOf(letter!)
    if (value !== OTHER) table.fill(value, at, end)
    at = end
  }
  table[0x0a] = table[0x0d] = NEWLINE
  wideClasses = table
  return table
}

/** Class of the character at `at`, and above its low four bits the number of its bytes. */
function peek(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!
  if (lead < 0x80) return ASCII[lead]! | 0x10
  if (lead === END_MARK) return END
  const table = wideClasses ?? classTable()
  if (lead < 0xe0) return table[((lead & 0x1f) << 6) | (bytes[at + 1]! & 0x3f)]! | 0x20
  if (lead < 0xf0) {
    return table[((lead & 0x0f) << 12) | ((bytes[at + 1]! & 0x3f) << 6) | (bytes[at + 2]! & 0x3f)]! | 0x30
  }
  const point =
    ((lead & 0x07) << 18) |
    ((bytes[at + 1]! & 0x3f) << 12) |
    ((bytes[at + 2]! & 0x3f) << 6) |
    (bytes[at + 3]! & 0x3f)
  return (point < 0xe01f0 ? table[point]! : OTHER) | 0x40
}

/** End of the run of characters whose class is in the bit set `classes`. */
function runEnd(bytes: Uint8Array, at: number, classes: number): number {
  for (;;) {
    const seen = peek(bytes, at)
    if (((classes >> (seen & 15)) & 1) === 0) return at
    at += seen >> 4
  }
}

/** Up to three numbers, the first of which is known to be one. */
function threeNumbers(bytes: Uint8Array, start: number): number {
  let at = start
  for (let count = 0; count < 3; count++) {
    const byte = bytes[at]!
    if ((byte - 0x30) >>> 0 < 10) at++
    else if (ASCII[byte] === WIDE) {
      const seen = peek(bytes, at)
      if ((seen & 15) !== NUMBER) break
      at += seen >> 4
    } else break
  }
  return at
}

/**
 * Whitespace that no letter or symbol took as its prefix: `\s*[\r\n]+` (where `newlines`), then `\s+(?!\S)`, then `\s+`.
 * That is: up to the last line break of the run; without one, everything but the last character, which goes with the
 * text that follows; at the end of the text, everything.
 */
function blanksEnd(bytes: Uint8Array, start: number, newlines: boolean): number {
  let at = start
  let lastStart = start
  let afterNewline = 0
  for (;;) {
    let kind = ASCII[bytes[at]!]!
    let length = 1
    if (kind === WIDE) {
      const seen = peek(bytes, at)
      kind = seen & 15
      length = seen >> 4
    }
    if (kind !== SPACE && kind !== NEWLINE) break
    lastStart = at
    at += length
    if (kind === NEWLINE) afterNewline = at
  }
  if (newlines && afterNewline > 0) return afterNewline
  if (bytes[at] === END_MARK || lastStart === start) return at
  return lastStart
}

/**
 * End of `'s 't 're 've 'm 'll 'd` at the apostrophe `at`, or `at` when there is none. Ignoring case, `ſ` (U+017F,
 * C5 BF) is an s: the only fold outside ASCII among these letters.
 */
function contractionEnd(bytes: Uint8Array, at: number, ignoreCase: boolean): number {
  const fold = ignoreCase ? 0x20 : 0
  const first = bytes[at + 1]! | fold
  if (first === 0x73 || first === 0x74 || first === 0x6d || first === 0x64) return at + 2
  if (first === 0x6c) return (bytes[at + 2]! | fold) === 0x6c ? at + 3 : at
  if (first === 0x72 || first === 0x76) return (bytes[at + 2]! | fold) === 0x65 ? at + 3 : at
  return ignoreCase && bytes[at + 1] === 0xc5 && bytes[at + 2] === 0xbf ? at + 3 : at
}

/**
 * o200k, with U = `\p{Lu}\p{Lt}`, L = `\p{Ll}`, B = `\p{Lm}\p{Lo}\p{M}`, and c = `(?i:'s|'t|'re|'ve|'m|'ll|'d)?`:
 *
 *     [^\r\n\p{L}\p{N}]? [UB]* [LB]+ c      A1
 *     [^\r\n\p{L}\p{N}]? [UB]+ [LB]* c      A2
 *     \p{N}{1,3}
 *      ?[^\s\p{L}\p{N}]+ [\r\n/]*           A4
 *     \s*[\r\n]+  |  \s+(?!\S)  |  \s+
 */
export const scanO200k: Scanner = (bytes, start) => {
  const first = ASCII[bytes[start]!]!
  let at = start
  if (first === UPPER || first === LOWER) {
    at = start + 1
  } else if (first === SPACE || first === OTHER) {
    const next = ASCII[bytes[start + 1]!]!
    if (next !== UPPER && next !== LOWER) {
      if (next === WIDE) return scanO200kWide(bytes, start)
      if (first === SPACE && !(next === OTHER && bytes[start] === 0x20)) return blanksEnd(bytes, start, true)
      return symbolsEnd(bytes, start + 1)
    }
    at = start + 2
  } else if (first === NUMBER) {
    return threeNumbers(bytes, start)
  } else if (first === NEWLINE) {
    return blanksEnd(bytes, start, true)
  } else {
    return scanO200kWide(bytes, start)
  }
  // In ASCII A1 is "upper* lower+" and A2 "upper+": the run ends where lower case ends or, without any, upper case.
  // Compared, not looked up: this loop runs once for every letter.
  if (bytes[at - 1]! < 0x5b) while ((bytes[at]! - 0x41) >>> 0 < 26) at++
  while ((bytes[at]! - 0x61) >>> 0 < 26) at++
  const after = bytes[at]!
  if (after === 0x27) return contractionEnd(bytes, at, true)
  return after < 0x80 || after === END_MARK ? at : scanO200kWide(bytes, start)
}

/** `[^\s\p{L}\p{N}]*` */
function symbolRunEnd(bytes: Uint8Array, at: number): number {
  while (ASCII[bytes[at]!] === OTHER) at++
  return ASCII[bytes[at]!] === WIDE ? runEnd(bytes, at, SYMBOLS) : at
}

/** A4 after its optional space: symbols, then line breaks and slashes. */
function symbolsEnd(bytes: Uint8Array, start: number): number {
  let at = symbolRunEnd(bytes, start)
  while (bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x2f) at++
  return at
}

/** The same pattern where a character beyond ASCII takes part. */
function scanO200kWide(bytes: Uint8Array, start: number): number {
  const seen = peek(bytes, start)
  const first = seen & 15
  if (first === NUMBER) return threeNumbers(bytes, start)
  if (first === NEWLINE) return blanksEnd(bytes, start, true)
  const afterFirst = start + (seen >> 4)
  if (((LETTERS >> first) & 1) === 0) {
    // A space, symbol or mark: A1 with it as prefix, A1 without it (only a mark can begin a word), then A2 with it.
    let end = upperLowerEnd(bytes, afterFirst)
    if (end < 0 && first === MARK) end = upperLowerEnd(bytes, start)
    if (end < 0) end = runEnd(bytes, afterFirst, UPPERISH)
    if (end > afterFirst || first === MARK) return withContraction(bytes, end)
    if (first === OTHER) return symbolsEnd(bytes, afterFirst)
    if (bytes[start] === 0x20 && ((SYMBOLS >> (peek(bytes, afterFirst) & 15)) & 1) === 1) {
      return symbolsEnd(bytes, afterFirst)
    }
    return blanksEnd(bytes, start, true)
  }
  const end = upperLowerEnd(bytes, start)
  return withContraction(bytes, end < 0 ? runEnd(bytes, start, UPPERISH) : end)
}

/**
 * End of `[UB]*[LB]+`, or −1. The first loop is greedy; when no lower case follows it gives back characters until one
 * that counts as both, the last of which is then all that `[LB]+` gets.
 */
function upperLowerEnd(bytes: Uint8Array, at: number): number {
  let afterBoth = -1
  for (;;) {
    const seen = peek(bytes, at)
    const kind = seen & 15
    if (kind === LOWER) return runEnd(bytes, at, LOWERISH)
    if (((UPPERISH >> kind) & 1) === 0) return afterBoth
    at += seen >> 4
    if (kind !== UPPER) afterBoth = at
  }
}

function withContraction(bytes: Uint8Array, at: number): number {
  return bytes[at] === 0x27 ? contractionEnd(bytes, at, true) : at
}

/**
 * cl100k:
 *
 *     '(?i:[sdmt]|ll|ve|re)
 *     [^\r\n\p{L}\p{N}]? \p{L}+
 *     \p{N}{1,3}
 *      ?[^\s\p{L}\p{N}]+ [\r\n]*
 *     \s+$  |  \s*[\r\n]  |  \s+(?!\S)  |  \s
 */
export const scanCl100k: Scanner = (bytes, start) => {
  const lead = bytes[start]!
  const first = ASCII[lead]!
  if (first === UPPER || first === LOWER) return lettersEnd(bytes, start + 1)
  if (first === NUMBER) return threeNumbers(bytes, start)
  if (first === NEWLINE) return blanksEnd(bytes, start, true)
  if (lead === 0x27) {
    const end = contractionEnd(bytes, start, true)
    if (end > start) return end
  }
  let seen = 0x10 | first
  if (first === WIDE) {
    seen = peek(bytes, start)
    if ((seen & 15) === NUMBER) return threeNumbers(bytes, start)
    if (((LETTERS >> (seen & 15)) & 1) === 1) return lettersEnd(bytes, start + (seen >> 4))
  }
  const kind = seen & 15
  const at = start + (seen >> 4)
  let next = ASCII[bytes[at]!]!
  if (next === WIDE) next = peek(bytes, at) & 15
  if (((LETTERS >> next) & 1) === 1) return lettersEnd(bytes, at)
  if (kind === SPACE && !(lead === 0x20 && ((SYMBOLS >> next) & 1) === 1))
    return blanksEnd(bytes, start, true)
  let end = symbolRunEnd(bytes, at)
  while (bytes[end] === 0x0a || bytes[end] === 0x0d) end++
  return end
}

function lettersEnd(bytes: Uint8Array, at: number): number {
  while (((bytes[at]! | 0x20) - 0x61) >>> 0 < 26) at++
  return ASCII[bytes[at]!] === WIDE ? runEnd(bytes, at, LETTERS) : at
}

/**
 * GPT-2's own pattern (r50k_base, p50k_base, p50k_edit); a line break is whitespace like any other:
 *
 *     '(?:[sdmt]|ll|ve|re)  |   ?\p{L}+  |   ?\p{N}+  |   ?[^\s\p{L}\p{N}]+  |  \s+(?!\S)  |  \s
 */
export const scanGpt2: Scanner = (bytes, start) => {
  const lead = bytes[start]!
  if (lead === 0x27) {
    const end = contractionEnd(bytes, start, false)
    if (end > start) return end
  }
  const at = lead === 0x20 ? start + 1 : start
  let kind = ASCII[bytes[at]!]!
  if (kind === WIDE) kind = peek(bytes, at) & 15
  if (((LETTERS >> kind) & 1) === 1) return lettersEnd(bytes, at)
  if (kind === NUMBER) return runEnd(bytes, at, DIGITS)
  if (((SYMBOLS >> kind) & 1) === 1) return symbolRunEnd(bytes, at)
  return blanksEnd(bytes, start, false)
}

/** Scanner of each family. */
export const SCANNERS: Readonly<Record<SplitFamily, Scanner>> = {
  o200k: scanO200k,
  cl100k: scanCl100k,
  gpt2: scanGpt2,
}

/** Of each family, 1 for the ASCII bytes that begin a piece together with the letter after them, whatever follows. */
export const WORD_PREFIXES: Readonly<Record<SplitFamily, Uint8Array>> = /* @__PURE__ */ wordPrefixes()

function wordPrefixes(): Record<SplitFamily, Uint8Array> {
  const notLetters = Uint8Array.from(ASCII, (kind) => (kind === OTHER || kind === SPACE ? 1 : 0))
  const space = new Uint8Array(256)
  space[0x20] = 1
  const notApostrophe = notLetters.slice()
  // cl100k tries contractions first.
  notApostrophe[0x27] = 0
  return { o200k: notLetters, cl100k: notApostrophe, gpt2: space }
}
