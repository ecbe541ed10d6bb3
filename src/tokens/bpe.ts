/**
 * Byte-pair encoding in linear time, exact on every input.
 *
 * In:  UTF-8 bytes. Out: ids, equal to those of `bpe-naive.ts`.
 * Not here: strings, special tokens and options (`encoding.ts`), where pieces end (`split.ts`).
 *
 * How. Joining pairs one after another is O(n²) on a long word, which is where other tokenizers hang. But whether an
 * answer is right can be checked locally: a list of tokens is *the* encoding of its bytes exactly if every two
 * neighbours, encoded together, stay those two tokens. So we look for such a list from left to right: take the longest
 * token that goes with its left neighbour; at a dead end take back the last token and try the next shorter one. A
 * prefix of the bytes has only one encoding, so a position that was left once need never be entered again, and the
 * search as a whole is linear. In text it hardly ever turns back.
 *
 * The neighbour test and the linearity are those of github/rust-gems `bpe` (A. Neubeck, H. van Antwerpen, 2024); the
 * longest token comes from the length hints of `vocabulary.ts` instead of an Aho–Corasick automaton.
 */

import { RecentPieces } from './recent.ts'
import { END_MARK, SCANNERS, WORD_PREFIXES, type Scanner, type SplitFamily } from './split.ts'
import { bytesOfCharacter, MASK, NO_TOKEN, PADDING, togetherBit, type Vocabulary } from './vocabulary.ts'

/**
 * Would BPE leave the boundary between these two tokens alone? `at` is where it lies in `view`. Undoes the merges next
 * to the boundary, the latest first, and asks each time whether the two parts now facing each other would have been
 * joined before that merge was made.
 */
export function isBoundary(
  vocabulary: Vocabulary,
  view: DataView,
  at: number,
  leftId: number,
  rightId: number,
): boolean {
  const { parts, offsets } = vocabulary
  let a = leftId
  let b = rightId
  let limit = 0x7fffffff
  for (;;) {
    const lengthA = offsets[a + 1]! - offsets[a]!
    const lengthB = offsets[b + 1]! - offsets[b]!
    const joined = vocabulary.find(view, at - lengthA, lengthA + lengthB)
    if (joined >= 0 && joined < limit) return false
    // The part with the higher id was joined later. A single byte (−1) was never joined. Equal ids: the left pair is
    // joined first, so a join across the boundary that ties with `b`'s own comes before it: hence + 1.
    const rightOfA = parts[2 * a + 1]!
    const leftOfB = parts[2 * b]!
    if (rightOfA >= 0 && (a > b || leftOfB < 0)) {
      limit = a
      a = rightOfA
    } else if (leftOfB >= 0) {
      limit = b + 1
      b = leftOfB
    } else return true
  }
}

/** Up to this many bytes joining pairs is faster than searching: fewer lookups, and squares of small numbers. */
const MERGE_BYTES = 32

/**
 * Which of the four bytes of a word are not `a` … `z` (with `fold`, in either case), as four bits. Adding 0x1f carries
 * 0x61 and above into the top bit of each byte, adding 5 does so above `z`; the product gathers the four top bits.
 */
function otherThanLetters(word: number, fold: number): number {
  const low = (word | fold) & 0x7f7f7f7f
  const letters = (low + 0x1f1f1f1f) & ~(low + 0x05050505) & ~word
  return Math.imul((~letters >>> 7) & 0x01010101, 0x10204080) >>> 28
}

/** Position of the lowest set bit of a number that is not 0. */
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}

/** Encodes pieces of one byte buffer into one id buffer. Holds scratch memory, so each encoding has one, reused. */
export class PieceEncoder {
  readonly vocabulary: Vocabulary
  readonly scan: Scanner
  /** Ored to letters before they are compared: capitals are letters like any other, except in o200k. */
  readonly #fold: number
  /** 1 for the bytes that a word takes in before its first letter, see `split.ts`. */
  readonly #prefixes: Uint8Array
  /** Bytes to encode; room for `PADDING` more. */
  bytes: Uint8Array = new Uint8Array(PADDING)
  view: DataView = new DataView(this.bytes.buffer)
  /** Ids found. A piece of n bytes has at most n. */
  ids: Int32Array = new Int32Array(0)
  /** After `encodeRange(…, false)`: where the first piece begins that more text could still change. */
  resumeAt = 0
  /** After `encodeRange(…, limit, true)`: the text has more than `limit` tokens, though its ids were not all found. */
  exceeded = false
  #limit = Infinity
  /** Count at which it is worth proving that there are more than `#limit`. */
  #proveAt = Infinity
  #dead: Uint8Array = new Uint8Array(0)
  /** What stands inside pieces and has up to 12 bytes: 128 KB. */
  readonly #recent: RecentPieces = new RecentPieces(12, 8)
  /** Whole pieces of 13 to 28 bytes: 64 KB. */
  readonly #recentLong: RecentPieces = new RecentPieces(10, 16)
  readonly #keys: Int32Array = new Int32Array(MERGE_BYTES)
  readonly #part: Int32Array = new Int32Array(MERGE_BYTES)

  constructor(vocabulary: Vocabulary, family: SplitFamily) {
    this.vocabulary = vocabulary
    this.scan = SCANNERS[family]
    this.#fold = family === 'o200k' ? 0 : 0x20202020
    this.#prefixes = WORD_PREFIXES[family]
  }

  /** Makes room for `size` bytes, keeping the first `keep`. */
  reserve(size: number, keep: number): void {
    if (size + PADDING <= this.bytes.length) return
    size = Math.max(size, 2 * this.bytes.length, 1024)
    const bytes = new Uint8Array(size + PADDING)
    bytes.set(this.bytes.subarray(0, keep))
    this.bytes = bytes
    this.view = new DataView(bytes.buffer)
    this.ids = new Int32Array(size)
  }

  /** Lets go of buffers that one unusual text made large. */
  release(): void {
    if (this.bytes.length <= 1 << 22) return
    this.bytes = new Uint8Array(PADDING)
    this.view = new DataView(this.bytes.buffer)
    this.ids = new Int32Array(0)
    this.#dead = new Uint8Array(0)
  }

  /** How many bytes the first `count` ids stand for. */
  bytesOf(count: number): number {
    const { offsets } = this.vocabulary
    let size = 0
    for (let i = 0; i < count; i++) size += offsets[this.ids[i]! + 1]! - offsets[this.ids[i]!]!
    return size
  }

  /** Number of tokens of the one piece `bytes[0 … end)`. */
  pieceCount(end: number): number {
    this.exceeded = false
    this.#proveAt = Infinity
    return this.vocabulary.find(this.view, 0, end) >= 0 ? 1 : this.encodePiece(0, end, 0)
  }

  /** The highest number of ids, at most `most`, after which a piece ends. */
  wholePieces(most: number): number {
    const { offsets } = this.vocabulary
    let whole = 0
    let size = 0
    let pieceEnd = 0
    for (let i = 0; i < most; i++) {
      if (size === pieceEnd) {
        whole = i
        pieceEnd = this.scan(this.bytes, size)
      }
      size += offsets[this.ids[i]! + 1]! - offsets[this.ids[i]!]!
    }
    return size === pieceEnd ? most : whole
  }

  /**
   * Encodes the text in `bytes[start … end)` into `ids` from 0 on and returns how many there are. With `final` false
   * more text follows: the last two pieces, which it could still change (a contraction or a mark can join
   * two into one), are not encoded, and `resumeAt` says where they begin. Stops early once there
   * are more than `limit` ids that no further text can change; with `onlyWhether` also inside a piece, where the ids
   * are then not those of the text.
   */
  encodeRange(start: number, end: number, final: boolean, limit: number, onlyWhether = false): number {
    const { bytes, view, ids, scan, vocabulary } = this
    const fold = this.#fold
    const prefixes = this.#prefixes
    const { slots, shift } = vocabulary
    const wrap = slots.length - 1
    bytes[end] = END_MARK
    this.exceeded = false
    this.#limit = limit
    this.#proveAt = onlyWhether ? limit + 2 * vocabulary.maxTokenBytes : Infinity
    let count = 0
    let at = start
    // The last two pieces: where they begin and how many ids there were before them.
    let lastAt = start
    let lastCount = 0
    let previousAt = start
    let previousCount = 0
    while (at < end) {
      let w0 = view.getInt32(at, true)
      let w1 = view.getInt32(at + 4, true)
      let w2 = view.getInt32(at + 8, true)
      // A word of letters with or without a space or symbol before it, by far the most frequent piece, in twelve bytes
      // at once.
      const first = prefixes[w0 & 0xff]!
      const lead = (w0 >>> (first << 3)) & 0xff
      let pieceEnd = 0
      if (((lead | 0x20) - 0x61) >>> 0 < 26) {
        const others =
          (otherThanLetters(w0, fold) |
            (otherThanLetters(w1, fold) << 4) |
            (otherThanLetters(w2, fold) << 8) |
            0x1000) &
          (-2 << first)
        const length = lowestBit(others)
        const next = bytes[at + length]!
        // Apostrophes, characters beyond ASCII, and capitals after a capital where case counts: see split.ts.
        const plain = length < 12 && next !== 0x27 && (next < 0x80 || next === END_MARK)
        pieceEnd = plain && (length > first + 1 || fold !== 0 || lead >= 0x61) ? at + length : scan(bytes, at)
      } else {
        pieceEnd = scan(bytes, at)
      }
      previousAt = lastAt
      previousCount = lastCount
      lastAt = at
      lastCount = count
      if (pieceEnd === end && !final) break
      const length = pieceEnd - at
      if (length <= 12) {
        w0 &= MASK[3 * length]!
        w1 &= MASK[3 * length + 1]!
        w2 &= MASK[3 * length + 2]!
        const h = Math.imul(w0, 0x9e3779b1) ^ Math.imul(w1, 0x85ebca6b) ^ Math.imul(w2, 0xc2b2ae35)
        let slot = (Math.imul(h ^ (h >>> 15), 0x2c1b3c6d) >>> shift) << 2
        let id = -1
        for (;;) {
          const entry = slots[slot + 3]!
          const other =
            (slots[slot]! ^ w0) | (slots[slot + 1]! ^ w1) | (slots[slot + 2]! ^ w2) | ((entry >> 20) ^ length)
          if (other === 0) {
            id = entry & 0xfffff
            break
          }
          if (entry === -1) break
          slot = (slot + 4) & wrap
        }
        if (id >= 0) ids[count++] = id
        else {
          count = this.encodePiece(at, pieceEnd, count)
          if (this.exceeded) return count
        }
      } else {
        count = this.#longPiece(at, length, count)
        if (this.exceeded) return count
      }
      at = pieceEnd
      if (previousCount > limit) return previousCount
    }
    if (final) return count
    this.resumeAt = previousAt
    return previousCount
  }

  /** Appends the ids of a piece of more than twelve bytes. */
  #longPiece(start: number, length: number, count: number): number {
    const { vocabulary, view, ids } = this
    const recent = this.#recentLong
    const known = length <= recent.maxBytes ? recent.copy(view, start, length, ids, count) : 0
    if (known > 0) return count + known
    const id = vocabulary.find(view, start, length)
    let after = count + 1
    if (id >= 0) ids[count] = id
    else after = this.encodePiece(start, start + length, count)
    // After an early exit these are not all of its tokens.
    if (length <= recent.maxBytes && !this.exceeded) recent.keep(length, ids, count, after)
    return after
  }

  /**
   * Appends the ids of the piece `bytes[start … end)`, which is no token as a whole, to `ids[count …)`; returns the
   * new count. See the head of this file.
   */
  encodePiece(start: number, end: number, count: number): number {
    const { vocabulary, bytes } = this
    let from = start
    // Characters no token holds side by side part the piece: in Chinese that is every second or third one.
    let at = start
    let left = 0
    while (at < end) {
      const byte = bytes[at]!
      let character = byte
      let after = at + 1
      while (after < end && (bytes[after]! & 0xc0) === 0x80) character = (character << 8) | bytes[after++]!
      // A character of four bytes is a negative number.
      if (left !== 0 && (left > 0x7f || left < 0 || byte >= 0x80)) {
        const { straddled, together } = vocabulary.crossings
        const bit = togetherBit(left, character)
        if (((together[bit >> 5]! >>> bit) & 1) === 0 && straddled[(bytes[at - 1]! << 8) | byte] === 0) {
          count = this.#segment(from, at, count)
          // Nothing reaches across: these ids are final. But a limit is about finished pieces, so that cuts agree.
          if (this.exceeded || count > this.#proveAt) {
            this.exceeded = true
            return count
          }
          from = at
        }
      }
      left = character
      at = after
    }
    return this.#segment(from, end, count)
  }

  #segment(start: number, end: number, count: number): number {
    const { vocabulary, view, ids } = this
    const length = end - start
    if (length > 12) {
      return length <= MERGE_BYTES ? this.#merge(start, end, count) : this.#search(start, end, count)
    }
    const id = vocabulary.find(view, start, length)
    if (id >= 0 && (length === 1 || vocabulary.parts[2 * id]! >= 0)) {
      ids[count] = id
      return count + 1
    }
    const known = this.#recent.copy(view, start, length, ids, count)
    if (known > 0) return count + known
    const after = this.#merge(start, end, count)
    this.#recent.keep(length, ids, count, after)
    return after
  }

  /**
   * The textbook's way for up to 32 bytes. Parts are bits of `live`, at the offset of their first byte; `keys[i]` is
   * what part i makes with the next one, as `id << 5 | i`, so that the smallest key is the next merge and the leftmost
   * on a tie. Loops of fixed length without branches inside: in the words that come here nothing can be predicted.
   */
  #merge(start: number, end: number, count: number): number {
    const { vocabulary, view, bytes, ids } = this
    const { byteIds, pairs } = vocabulary
    const keys = this.#keys
    const part = this.#part
    const length = end - start
    let live = 0
    let last = -1
    for (let at = 0; at < length;) {
      const byte = bytes[start + at]!
      let id = byteIds[byte]!
      let after = at + 1
      keys[at] = NO_TOKEN
      if (byte >= 0xc0) {
        const { straddled } = vocabulary.crossings
        after = Math.min(at + bytesOfCharacter(byte), length)
        const whole =
          (at === 0 || straddled[(bytes[start + at - 1]! << 8) | byte] === 0) &&
          (after === length || straddled[(bytes[start + after - 1]! << 8) | bytes[start + after]!] === 0)
            ? vocabulary.find(view, start + at, after - at)
            : -1
        if (whole >= 0) {
          id = whole
          for (let i = at + 1; i < after; i++) keys[i] = NO_TOKEN
        } else after = at + 1
      }
      if (last >= 0) {
        const id =
          after - last === 2
            ? pairs[(bytes[start + last]! << 8) | byte]!
            : vocabulary.find(view, start + last, after - last)
        if (id >= 0) keys[last] = (id << 5) | last
      }
      live |= 1 << at
      part[at] = id
      last = at
      at = after
    }
    if (length < MERGE_BYTES) keys[length] = NO_TOKEN
    for (;;) {
      // The sign of a difference, spread over all bits, chooses the smaller one; two chains, so that neither waits.
      let key = NO_TOKEN
      let odd = NO_TOKEN
      for (let j = 0; j < length; j += 2) {
        const difference = keys[j]! - key
        key += difference & (difference >> 31)
        const oddDifference = keys[j + 1]! - odd
        odd += oddDifference & (oddDifference >> 31)
      }
      const difference = odd - key
      key += difference & (difference >> 31)
      if (key === NO_TOKEN) break
      const i = key & 31
      part[i] = key >> 5
      const later = live & ~((2 << i) - 1)
      const joined = lowestBit(later)
      live ^= 1 << joined
      keys[joined] = NO_TOKEN
      const following = later & (later - 1)
      const partEnd = following === 0 ? length : lowestBit(following)
      if (following === 0) keys[i] = NO_TOKEN
      else {
        const beyond = following & (following - 1)
        const id = vocabulary.find(view, start + i, (beyond === 0 ? length : lowestBit(beyond)) - i)
        keys[i] = id < 0 ? NO_TOKEN : (id << 5) | i
      }
      const earlier = live & ((1 << i) - 1)
      if (earlier !== 0) {
        const before = 31 - Math.clz32(earlier)
        const id = vocabulary.find(view, start + before, partEnd - before)
        keys[before] = id < 0 ? NO_TOKEN : (id << 5) | before
      }
    }
    for (let rest = live; rest !== 0; rest &= rest - 1) ids[count++] = part[lowestBit(rest)]!
    return count
  }

  /**
   * The search described at the head of this file. `leftId` is the token before `start`, −1 for none.
   * @returns the new count, or −1 when no encoding continues that token
   */
  #search(start: number, end: number, count: number, leftId = -1): number {
    const { vocabulary, view, ids } = this
    const { offsets, maxTokenBytes } = vocabulary
    const first = count
    let dead: Uint8Array | undefined
    let at = start
    let max = Math.min(end - start, maxTokenBytes)
    for (;;) {
      const left = count > first ? ids[count - 1]! : leftId
      let id = -1
      let length = max
      while (length > 0) {
        id = vocabulary.longest(view, at, length)
        length = offsets[id + 1]! - offsets[id]!
        if (
          (dead === undefined || dead[at + length - start] === 0) &&
          (left < 0 || isBoundary(vocabulary, view, at, left, id))
        ) {
          break
        }
        length--
        id = -1
      }
      if (id >= 0) {
        ids[count++] = id
        at += length
        if (at === end) return count
        max = Math.min(end - at, maxTokenBytes)
        if (count > this.#proveAt) {
          this.exceeded = this.#everyEndingExceeds(first, start, at, count)
          if (this.exceeded) return count
          this.#proveAt = 2 * count
        }
      } else {
        if (count === first) return -1
        dead ??= this.#noDeadEnds(end - start)
        dead[at - start] = 1
        const taken = ids[--count]!
        const takenLength = offsets[taken + 1]! - offsets[taken]!
        at -= takenLength
        max = takenLength - 1
      }
    }
  }

  /**
   * Inside a giant word the ids so far may still be taken back, so their number proves nothing. But the encoding of the
   * whole word has a boundary within the length of the longest token before `at`, and up to that boundary it is the
   * encoding of a prefix. So: encode each of those 128 prefixes (from a common boundary 1,024 bytes back) and see
   * whether all have more than `limit` tokens. Some milliseconds, once, instead of the rest of the word.
   */
  #everyEndingExceeds(first: number, start: number, at: number, count: number): boolean {
    const { vocabulary, ids } = this
    const { offsets, maxTokenBytes } = vocabulary
    let base = count
    let from = at
    while (base > first && at - from < 8 * maxTokenBytes) {
      base--
      from -= offsets[ids[base]! + 1]! - offsets[ids[base]!]!
    }
    if (from <= start || count + 9 * maxTokenBytes > ids.length) return false
    const { exceeded } = this
    const [outerDead, outerProveAt] = [this.#dead, this.#proveAt]
    this.#dead = new Uint8Array(9 * maxTokenBytes)
    this.#proveAt = Infinity
    let all = true
    for (let end = at; all && end > at - maxTokenBytes; end--) {
      // Above the ids that are in use; they stay as they are.
      const after = this.#search(from, end, count, ids[base - 1]!)
      all = after >= 0 && base + (after - count) > this.#limit
    }
    this.#dead = outerDead
    this.#proveAt = outerProveAt
    this.exceeded = exceeded
    return all
  }

  #noDeadEnds(length: number): Uint8Array {
    if (this.#dead.length <= length) this.#dead = new Uint8Array(Math.max(256, 2 * length))
    else this.#dead.fill(0, 0, length + 1)
    return this.#dead
  }
}
