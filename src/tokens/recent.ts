/**
 * Pieces that were merged lately, and their tokens. A text repeats its names: of the identifiers in code that are no
 * tokens, three in four were met before, and what costs a microsecond to merge costs a tenth of that to copy.
 *
 * In:  the bytes of a piece. Out: its tokens, or a place to keep them.
 * Not here: what a piece is. The same bytes must always have the same tokens, so the encoder keeps nothing that it
 *      would encode otherwise elsewhere.
 *
 * One place for each hash, and a newcomer takes it. An entry is `[words of the piece, length << 4 | tokens, tokens]` and
 * fills half a cache line or a whole one.
 */

import { KEEP } from './vocabulary.ts'

export class RecentPieces {
  /** Pieces of more bytes are not kept. */
  readonly maxBytes: number
  readonly #entries: Int32Array
  readonly #shift: number
  readonly #entryWords: number
  /** Of the piece asked for last: its words, and where its entry begins. */
  readonly #words: Int32Array
  #entry = 0

  /** 2^`bits` entries of `entryWords` words, which must be a power of two; half of them less one hold the bytes. */
  constructor(bits: number, entryWords: number) {
    this.#entries = new Int32Array(entryWords << bits)
    this.#shift = 32 - bits
    this.#entryWords = entryWords
    this.#words = new Int32Array(entryWords / 2 - 1)
    this.maxBytes = 4 * this.#words.length
  }

  /** Copies the tokens of the piece `view[at … at + length)` to `ids[to …)`; returns their number, 0 for "not known". */
  copy(view: DataView, at: number, length: number, ids: Int32Array, to: number): number {
    const words = this.#words
    const entries = this.#entries
    let hash = length
    let count = 0
    for (let i = 0; i < length; i += 4) {
      const word = view.getInt32(at + i, true) & KEEP[Math.min(4, length - i)]!
      words[count++] = word
      hash = Math.imul(hash ^ word, 0x9e3779b1)
      hash ^= hash >>> 15
    }
    const entry = (Math.imul(hash, 0x2c1b3c6d) >>> this.#shift) * this.#entryWords
    this.#entry = entry
    const head = entry + words.length
    if (entries[head]! >> 4 !== length) return 0
    for (let i = 0; i < count; i++) if (entries[entry + i] !== words[i]) return 0
    const tokens = entries[head]! & 15
    for (let i = 1; i <= tokens; i++) ids[to++] = entries[head + i]!
    return tokens
  }

  /** Keeps the tokens `ids[from … to)` of the piece of `length` bytes that `copy` did not know, if they fit. */
  keep(length: number, ids: Int32Array, from: number, to: number): void {
    const entries = this.#entries
    const words = this.#words
    const tokens = to - from
    if (tokens > this.#entryWords / 2) return
    const entry = this.#entry
    for (let i = 0; i < words.length; i++) entries[entry + i] = words[i]!
    const head = entry + words.length
    entries[head] = (length << 4) | tokens
    for (let i = 1; i <= tokens; i++) entries[head + i] = ids[from++]!
  }
}
