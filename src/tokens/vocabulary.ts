/**
 * A vocabulary in memory: which byte strings are tokens, and which two tokens each was joined from.
 *
 * In:  merges as the `encodings/*.ranks.ts` modules ship them (six columns of base64 digits), or a user's ranks.
 * Out: `Vocabulary`: flat typed arrays and one exact lookup, bytes → id. No strings, no Map, no object per token.
 * Not here: deciding which tokens make up a piece (`bpe.ts`).
 *
 * Size for o200k_base (199,998 tokens, 1.4 MB of token bytes): short-token table 4.2 MB, merges 1.6 MB, bytes and
 * offsets 2.2 MB, length hints 0.5 MB.
 */

import { LlmError } from '../errors.ts'
import { encodePieceNaive } from './bpe-naive.ts'

/** A run of consecutive ids, each the join of two tokens with lower ids. See `scripts/build-encodings.ts`. */
export type Merges = {
  readonly firstId: number
  readonly count: number
  /** FNV-1a over the decoded ids, left and right in turn, as an unsigned 32-bit number. */
  readonly checksum: number
  /** Six columns of `count` base64 digits: left id (3 digits, most significant first), right id (3). */
  readonly columns: string
}

/** Every token's bytes, `blob[offsets[id] … offsets[id + 1])`, and its two parts; −1 where it has none. */
export type ExpandedMerges = {
  readonly parts: Int32Array
  readonly offsets: Int32Array
  readonly blob: Uint8Array
}

/** Bytes after the end of any buffer that is read four bytes at a time. */
export const PADDING = 16

/**
 * Ids 0 … 255 of every OpenAI vocabulary: GPT-2 first lists the bytes that print in Latin-1 (no space, no soft
 * hyphen), then the other 68.
 */
export const BYTE_ORDER: readonly number[] = /* @__PURE__ */ byteOrder()

function byteOrder(): number[] {
  const prints = (byte: number): boolean => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173)
  const bytes = Array.from({ length: 256 }, (_, byte) => byte)
  return [...bytes.filter(prints), ...bytes.filter((byte) => !prints(byte))]
}

/** FNV-1a, a 32-bit word at a time. */
export function checksumOf(words: Iterable<number>): number {
  let hash = 0x811c9dc5
  for (const word of words) hash = Math.imul(hash ^ word, 0x01000193)
  return hash >>> 0
}

function corrupted(what: string): LlmError {
  return new LlmError({
    kind: 'protocol',
    message: `The vocabulary is corrupted: ${what}. Install the package again, or rebuild it with scripts/build-encodings.ts.`,
  })
}

/**
 * Token bytes out of merges, in one pass: a token's parts always come before it.
 * @throws LlmError kind `protocol` when a digit, an id or the checksum is wrong
 */
export function expandMerges(segments: readonly Merges[]): ExpandedMerges {
  const last = segments.at(-1)!
  const size = last.firstId + last.count
  const parts = new Int32Array(2 * size).fill(-1)
  const offsets = new Int32Array(size + 1)
  const lengths = new Uint8Array(size)
  lengths.fill(1, 0, 256)

  // 255 marks a character that is no base64 digit: it makes an id that is too high or a wrong checksum. Entry 128 stands
  // for everything beyond ASCII.
  const digit = new Uint8Array(129).fill(255)
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  for (let i = 0; i < 64; i++) digit[alphabet.charCodeAt(i)] = i

  for (const { firstId, count, checksum, columns } of segments) {
    if (columns.length !== 6 * count) throw corrupted(`${columns.length} digits where ${6 * count} belong`)
    const at = (index: number): number => digit[Math.min(128, columns.charCodeAt(index))]!
    let hash = 0x811c9dc5
    for (let i = 0; i < count; i++) {
      const id = firstId + i
      const a = (at(i) << 12) | (at(i + count) << 6) | at(i + 2 * count)
      const b = (at(i + 3 * count) << 12) | (at(i + 4 * count) << 6) | at(i + 5 * count)
      if (!(a < id && b < id)) throw corrupted(`token ${id} refers to tokens ${a} and ${b}`)
      parts[2 * id] = a
      parts[2 * id + 1] = b
      lengths[id] = lengths[a]! + lengths[b]!
      hash = Math.imul(Math.imul(hash ^ a, 0x01000193) ^ b, 0x01000193)
    }
    if (hash >>> 0 !== checksum) throw corrupted(`its checksum is ${hash >>> 0}, not ${checksum}`)
  }

  for (let id = 0; id < size; id++) offsets[id + 1] = offsets[id]! + lengths[id]!
  const blob = new Uint8Array(offsets[size]! + PADDING)
  for (let id = 0; id < 256; id++) blob[offsets[id]!] = BYTE_ORDER[id]!
  for (let id = 256; id < size; id++) {
    const a = parts[2 * id]!
    if (a === -1) continue
    const b = parts[2 * id + 1]!
    let to = offsets[id]!
    for (let from = offsets[a]!, end = offsets[a + 1]!; from < end;) blob[to++] = blob[from++]!
    for (let from = offsets[b]!, end = offsets[b + 1]!; from < end;) blob[to++] = blob[from++]!
  }
  return { parts, offsets, blob }
}

/**
 * The same out of a user's ranks. A token whose merges do not end in two tokens of lower rank can only be a whole
 * piece: it keeps −1 as its parts.
 * @throws LlmError kind `config` when a single byte has no rank or a rank is taken twice
 */
export function expandRanks(
  ranks: Iterable<readonly [bytes: Uint8Array | string, rank: number]>,
): ExpandedMerges {
  const idOf = new Map<string, number>()
  const tokens: (string | undefined)[] = []
  for (const [bytes, rank] of ranks) {
    const token =
      typeof bytes === 'string'
        ? utf8String(bytes)
        : Array.from(bytes, (b) => String.fromCharCode(b)).join('')
    if (!Number.isInteger(rank) || rank < 0 || rank >= 1 << 20) {
      throw new LlmError({
        kind: 'config',
        message: `A rank must be an integer from 0 to 1048575; got ${rank}.`,
      })
    }
    if (token === '' || Object.hasOwn(tokens, rank) || idOf.has(token)) {
      throw new LlmError({
        kind: 'config',
        message: `Rank ${rank} is used twice, or its token is empty or listed twice.`,
      })
    }
    tokens[rank] = token
    idOf.set(token, rank)
  }
  for (let byte = 0; byte < 256; byte++) {
    if (!idOf.has(String.fromCharCode(byte))) {
      throw new LlmError({
        kind: 'config',
        message: `ranks lack byte ${byte}: a byte-level vocabulary has all 256.`,
      })
    }
  }
  const size = tokens.length
  const parts = new Int32Array(2 * size).fill(-1)
  const offsets = new Int32Array(size + 1)
  for (let id = 0; id < size; id++) offsets[id + 1] = offsets[id]! + (tokens[id]?.length ?? 0)
  const blob = new Uint8Array(offsets[size]! + PADDING)
  for (const [token, id] of idOf) {
    const bytes = Array.from(token, (unit) => unit.charCodeAt(0))
    blob.set(bytes, offsets[id])
    if (bytes.length === 1) continue
    const halves = encodePieceNaive(bytes, (part) => (part === token ? undefined : idOf.get(part)))
    if (halves.length === 2 && halves[0]! < id && halves[1]! < id) parts.set(halves, 2 * id)
  }
  return { parts, offsets, blob }
}

function utf8String(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('')
}

/** The first k bytes of a little-endian word; keys shorter than a word must not see what follows them. */
export const KEEP: Int32Array = /* @__PURE__ */ Int32Array.of(0, 0xff, 0xffff, 0xffffff, -1)

/** Words of a key of n ≤ 12 bytes that count, as masks: `MASK[3 * n + word]`. */
export const MASK: Int32Array = /* @__PURE__ */ masks()

function masks(): Int32Array {
  const table = new Int32Array(3 * 13)
  for (let length = 0; length <= 12; length++) {
    for (let word = 0; word < 3; word++) {
      table[3 * length + word] = KEEP[Math.min(4, Math.max(0, length - 4 * word))]!
    }
  }
  return table
}

/** Ids take 18 bits of a slot's last word (20 would leave room for lengths to 12 too: 4 bits), lengths the rest. */
const ID_BITS = 20
const ID_MASK = (1 << ID_BITS) - 1

/** Hash of a key of up to 12 bytes; the top bits are the good ones. */
export function hash3(w0: number, w1: number, w2: number): number {
  const h = Math.imul(w0, 0x9e3779b1) ^ Math.imul(w1, 0x85ebca6b) ^ Math.imul(w2, 0xc2b2ae35)
  return Math.imul(h ^ (h >>> 15), 0x2c1b3c6d)
}

const HINT_BITS = 16
const SEEN_BITS = 21

/** In place of an id where there is no token: above every id, so that the lowest rank is still the next merge. */
export const NO_TOKEN = 0x7fffffff

/** Index of the length hints of a token that starts with these four bytes. */
export function hintIndex(firstWord: number): number {
  return Math.imul(firstWord, 0x9e3779b1) >>> (32 - HINT_BITS)
}

/** Length in UTF-8 of the character that begins with this byte. */
export function bytesOfCharacter(lead: number): number {
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
}

/**
 * Where merging beyond ASCII can be cut short. Both tables are about boundaries between characters inside tokens.
 *
 * `straddled`, for the two bytes `last << 8 | first` around a boundary: 1 where some token crosses such a boundary and
 * begins or ends inside a character. 207 of 65,536 in o200k_base. Everywhere else the bytes of a character join each
 * other before they join anything outside, so merging may start from whole characters.
 *
 * `together`, a bit for each hash of two neighbouring characters: set where some token holds both. Where it is not set
 * (and nothing straddles) no token reaches across, so the two sides can be encoded separately.
 */
export type Crossings = { readonly straddled: Uint8Array; readonly together: Int32Array }

const TOGETHER_BITS = 21

/** Bit of `together` for a character and the next one, each as its UTF-8 bytes in one number. */
export function togetherBit(left: number, right: number): number {
  const h = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)
  return Math.imul(h ^ (h >>> 15), 0x2c1b3c6d) >>> (32 - TOGETHER_BITS)
}

function crossingsOf({ blob, offsets, size }: Vocabulary): Crossings {
  const straddled = new Uint8Array(1 << 16)
  const together = new Int32Array(1 << (TOGETHER_BITS - 5))
  for (let id = 0; id < size; id++) {
    const start = offsets[id]!
    const end = offsets[id + 1]!
    if (end - start < 2) continue
    let wide = false
    for (let at = start; at < end && !wide; at++) wide = blob[at]! >= 0x80
    if (!wide) continue
    let lead = end - 1
    while (lead > start && (blob[lead]! & 0xc0) === 0x80) lead--
    const whole = (blob[start]! & 0xc0) !== 0x80 && end - lead === bytesOfCharacter(blob[lead]!)
    let left = 0
    let character = blob[start]!
    for (let at = start + 1; at <= end; at++) {
      if (at < end && (blob[at]! & 0xc0) === 0x80) {
        character = (character << 8) | blob[at]!
        continue
      }
      if (left !== 0) {
        const bit = togetherBit(left, character)
        together[bit >> 5]! |= 1 << bit
      }
      if (at === end) break
      if (!whole) straddled[(blob[at - 1]! << 8) | blob[at]!] = 1
      left = character
      character = blob[at]!
    }
  }
  return { straddled, together }
}

/** See the head of this file. Fields are public and flat because the loops of `bpe.ts` read them directly. */
export class Vocabulary {
  /** One more than the highest id. */
  readonly size: number
  readonly offsets: Int32Array
  readonly blob: Uint8Array
  /**
   * The two parts of each token, side by side for the sake of the cache: `[left, right]`. −1 in both: a single byte, or
   * a token that no merge builds.
   */
  readonly parts: Int32Array
  /** Bytes of the longest token (128 in OpenAI's vocabularies, a run of spaces). */
  readonly maxTokenBytes: number
  /** Id of each single byte. */
  readonly byteIds: Int32Array = new Int32Array(256)
  /**
   * Tokens of up to 12 bytes (93 % of o200k_base): open addressing, 16-byte slots `[word0, word1, word2, length and
   * id]`. The key itself is in the slot, so a lookup is one cache line and an exact comparison.
   */
  readonly slots: Int32Array
  /**
   * One bit per hash of a key in `slots`, of 2^21 (a Bloom filter with one function; 9 % false positives for
   * o200k_base). Inside a piece most lookups fail, and these 256 KB stay in a second-level cache where the slots do not.
   */
  readonly #seen: Int32Array = new Int32Array(1 << (SEEN_BITS - 5))
  /** Id of the two-byte token `first << 8 | second`, or −1. */
  readonly pairs: Int32Array = new Int32Array(1 << 16).fill(-1)
  /** 32 − log2(number of slots): hashes are shifted, not masked. */
  readonly shift: number
  /** For the first four bytes of a text, the lengths of the tokens that begin so: bit k = 4 + k bytes, bit 31 = more. */
  readonly hints: Int32Array = new Int32Array(1 << HINT_BITS)
  /** Ids + 1 of tokens over 12 bytes, by a hash of all their bytes; compared with `blob`. */
  readonly #long: Int32Array
  readonly #longMask: number
  /** Of `blob`. */
  readonly view: DataView
  /** Lengths over 12 that exist, so that the search for the longest token skips the others. */
  readonly #longLengths: Uint8Array

  constructor(expanded: ExpandedMerges) {
    const { offsets, blob } = expanded
    this.offsets = offsets
    this.blob = blob
    this.size = offsets.length - 1
    this.parts = expanded.parts
    this.view = new DataView(blob.buffer)

    let short = 0
    let long = 0
    let longest = 1
    for (let id = 0; id < this.size; id++) {
      const length = offsets[id + 1]! - offsets[id]!
      if (length > 12) long++
      else if (length > 0) short++
      if (length > longest) longest = length
    }
    this.maxTokenBytes = longest
    this.#longLengths = new Uint8Array(longest + 1)
    // Load at most 0.75: 186,777 short tokens of o200k_base take 2^18 slots, 4.2 MB.
    const slotBits = Math.max(4, Math.ceil(Math.log2((short + 1) / 0.75)))
    this.slots = new Int32Array(4 << slotBits).fill(-1)
    this.shift = 32 - slotBits
    const longBits = Math.max(4, Math.ceil(Math.log2((long + 1) / 0.5)))
    this.#long = new Int32Array(1 << longBits)
    this.#longMask = (1 << longBits) - 1
    for (let id = 0; id < this.size; id++) this.#insert(id, offsets[id]!, offsets[id + 1]! - offsets[id]!)
  }

  #insert(id: number, at: number, length: number): void {
    const { slots, shift, hints } = this
    if (length === 0) return
    if (length === 1) this.byteIds[this.blob[at]!] = id
    const view = this.view
    // Whole-piece-only tokens (no parts) give no hint: they never stand inside a piece.
    if (length >= 4 && this.parts[2 * id]! >= 0) {
      const index = hintIndex(view.getInt32(at, true))
      hints[index]! |= 1 << Math.min(31, length - 4)
    }
    if (length > 12) {
      this.#longLengths[length] = 1
      let slot = this.#longHash(view, at, length) & this.#longMask
      while (this.#long[slot] !== 0) slot = (slot + 1) & this.#longMask
      this.#long[slot] = id + 1
      return
    }
    const w0 = view.getInt32(at, true) & MASK[3 * length]!
    const w1 = view.getInt32(at + 4, true) & MASK[3 * length + 1]!
    const w2 = view.getInt32(at + 8, true) & MASK[3 * length + 2]!
    const wrap = slots.length - 1
    const hash = hash3(w0, w1, w2)
    let slot = (hash >>> shift) << 2
    while (slots[slot + 3] !== -1) slot = (slot + 4) & wrap
    this.#seen[hash >>> (32 - SEEN_BITS + 5)]! |= 1 << (hash >>> (32 - SEEN_BITS))
    if (length === 2) this.pairs[(this.blob[at]! << 8) | this.blob[at + 1]!] = id
    slots[slot] = w0
    slots[slot + 1] = w1
    slots[slot + 2] = w2
    slots[slot + 3] = id | (length << ID_BITS)
  }

  /**
   * Id of the token that is exactly `view[at … at + length)`, or −1. `view` must go on for `PADDING` bytes.
   * The core of everything else: about 10 ns when the slot is in cache.
   */
  find(view: DataView, at: number, length: number): number {
    if (length > 12) return this.#findLong(view, at, length)
    if (length === 1) return this.byteIds[view.getUint8(at)]!
    const w0 = view.getInt32(at, true) & MASK[3 * length]!
    const w1 = view.getInt32(at + 4, true) & MASK[3 * length + 1]!
    const w2 = view.getInt32(at + 8, true) & MASK[3 * length + 2]!
    const hash = hash3(w0, w1, w2)
    if (((this.#seen[hash >>> (32 - SEEN_BITS + 5)]! >>> (hash >>> (32 - SEEN_BITS))) & 1) === 0) return -1
    const slots = this.slots
    const wrap = slots.length - 1
    let slot = (hash >>> this.shift) << 2
    for (;;) {
      const entry = slots[slot + 3]!
      if (entry === -1) return -1
      if (
        slots[slot] === w0 &&
        slots[slot + 1] === w1 &&
        slots[slot + 2] === w2 &&
        entry >> ID_BITS === length
      ) {
        return entry & ID_MASK
      }
      slot = (slot + 4) & wrap
    }
  }

  /**
   * Id of the longest token of at most `max` bytes at `at`. There always is one: every byte is a token. Tokens that no
   * merge builds are passed over; they are found as whole pieces only.
   */
  longest(view: DataView, at: number, max: number): number {
    if (max >= 4) {
      let hint = this.hints[hintIndex(view.getInt32(at, true))]!
      if (max >= 35) {
        if (hint < 0) {
          for (let length = Math.min(max, this.maxTokenBytes); length >= 35; length--) {
            const id = this.#findLong(view, at, length)
            if (id >= 0 && this.parts[2 * id]! >= 0) return id
          }
        }
        hint &= 0x7fffffff
      } else {
        hint &= (2 << (max - 4)) - 1
      }
      while (hint !== 0) {
        const bit = 31 - Math.clz32(hint)
        const id = this.find(view, at, bit + 4)
        if (id >= 0 && this.parts[2 * id]! >= 0) return id
        hint ^= 1 << bit
      }
    }
    for (let length = Math.min(max, 3); length > 1; length--) {
      const id = this.find(view, at, length)
      if (id >= 0 && this.parts[2 * id]! >= 0) return id
    }
    return this.byteIds[view.getUint8(at)]!
  }

  #crossings: Crossings | undefined

  /** What tokens do at character boundaries; gathered the first time a piece with characters beyond ASCII is merged. */
  get crossings(): Crossings {
    this.#crossings ??= crossingsOf(this)
    return this.#crossings
  }

  #longHash(view: DataView, at: number, length: number): number {
    let hash = length
    const end = at + length
    for (; at + 4 <= end; at += 4) hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e3779b1)
    hash = Math.imul(hash ^ (view.getInt32(at, true) & KEEP[end - at]!), 0x85ebca6b)
    return hash ^ (hash >>> 15)
  }

  #findLong(view: DataView, at: number, length: number): number {
    if (length > this.maxTokenBytes || this.#longLengths[length] === 0) return -1
    let slot = this.#longHash(view, at, length) & this.#longMask
    for (;;) {
      const id = this.#long[slot]! - 1
      if (id < 0) return -1
      const from = this.offsets[id]!
      if (this.offsets[id + 1]! - from === length) {
        let i = 0
        while (i < length && this.blob[from + i] === view.getUint8(at + i)) i++
        if (i === length) return id
      }
      slot = (slot + 1) & this.#longMask
    }
  }
}
