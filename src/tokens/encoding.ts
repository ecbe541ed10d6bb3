/**
 * An encoding: the functions a program calls, around one vocabulary and one way of splitting.
 *
 * In:  strings, ids, special tokens. Out: ids, strings, counts.
 * Text passes through one reused byte buffer in chunks of 16 K characters, so memory does not grow with the text (only
 * with its longest piece). Lone surrogates become U+FFFD, as in tiktoken.
 * Not here: ids to text (`decode.ts`), which model uses which encoding (`models.ts`), chat formats (`chat.ts`). Nothing
 * is built before first use.
 */

import { LlmError } from '../errors.ts'
import { PieceEncoder } from './bpe.ts'
import { createPieceCounter, type TokenCounter } from './counter.ts'
import { defineDecoding, type DecodeOptions, type TokenDecoder } from './decode.ts'
import { explainText, type Explanation } from './explain.ts'
import { SCANNERS, type SplitFamily } from './split.ts'
import { expandMerges, expandRanks, Vocabulary, type Merges } from './vocabulary.ts'

/** Which special tokens `encode` turns into their ids, and which it refuses. Both default as in tiktoken. */
export type EncodeOptions = {
  /** Special tokens to recognise anywhere in the text. Default: none. */
  readonly allowedSpecial?: 'all' | Iterable<string>
  /** Special tokens that make `encode` throw. Default `'all'`: all that are not allowed. `[]`: they are plain text. */
  readonly disallowedSpecial?: 'all' | Iterable<string>
}

/** One encoding. The functions use no `this` and may be detached. */
export type Encoding = {
  /** For example `'o200k_base'`. */
  readonly name: string
  /** Special tokens and their ids. */
  readonly specials: ReadonlyMap<string, number>
  /** One more than the highest id. */
  readonly vocabularySize: number
  /**
   * Token ids of a text.
   * @throws LlmError kind `config` when the text holds a special token that is not allowed, or is no string
   */
  encode(text: string, options?: EncodeOptions): number[]
  /** Token ids of a text in which special tokens are plain text. The function for text that users wrote. */
  encodeOrdinary(text: string): number[]
  /**
   * `encode` into an existing array, without allocating. Writes whole pieces (about words) while they fit:
   * `encodeInto(text.slice(read), out)` goes on where the last call stopped. A piece that does not fit at all leaves
   * `read` at 0.
   * @returns UTF-16 units read and ids written
   */
  encodeInto(
    text: string,
    out: Int32Array | Uint32Array | number[],
    options?: EncodeOptions,
  ): { read: number; written: number }
  /**
   * Text of token ids; bytes that are no UTF-8 become U+FFFD.
   * @throws LlmError kind `config` for an unknown id, naming it and its index
   */
  decode(ids: Iterable<number>, options?: DecodeOptions): string
  /** Bytes of token ids, joined. */
  decodeBytes(ids: Iterable<number>, options?: DecodeOptions): ReturnType<typeof Uint8Array.of>
  /** For ids that arrive one by one. */
  createDecoder(options?: DecodeOptions): TokenDecoder
  /** Number of tokens, without making a list of them. Special tokens count as plain text unless allowed. */
  countTokens(text: string, options?: { readonly allowedSpecial?: 'all' | Iterable<string> }): number
  /** The number of tokens if it is at most `limit`, else `false`. Does not read more of the text than it needs. */
  isWithinTokenLimit(text: string, limit: number): number | false
  /**
   * The longest part of the text, from its start (default) or its end, that ends between two tokens and has at most
   * `limit` of them. Never cuts a character in two.
   */
  truncate(text: string, limit: number, options?: { readonly keep?: 'start' | 'end' }): string
  /** Counts text that arrives in parts; `count` is exact for all text so far after every `push`. */
  createCounter(): TokenCounter
  /** Tokens with their byte ranges, display groups, and how each piece was merged. */
  explain(text: string): Explanation
}

/** What `defineEncoding` needs; `load` runs on first use. */
export type EncodingSource = {
  readonly name: string
  readonly family: SplitFamily
  readonly specials: () => Readonly<Record<string, number>>
  readonly load: () => Vocabulary
}

/** UTF-16 units handed to `encodeInto` at a time: at most 48 KB of UTF-8, which stays in a second-level cache. */
const CHUNK_UNITS = 16_384

/** Vocabularies that several encodings share (o200k_base and o200k_harmony), built once. */
const shared: WeakMap<Merges, Vocabulary> = /* @__PURE__ */ new WeakMap()

/** The vocabulary of shipped merges, built on first use and kept. */
export function vocabularyOf(segments: readonly Merges[]): Vocabulary {
  const key = segments.at(-1)!
  let vocabulary = shared.get(key)
  if (vocabulary === undefined) {
    vocabulary = new Vocabulary(expandMerges(segments))
    shared.set(key, vocabulary)
  }
  return vocabulary
}

function invalid(message: string): LlmError {
  return new LlmError({ kind: 'config', message })
}

function requireText(text: unknown): asserts text is string {
  if (typeof text !== 'string') {
    throw invalid(
      `A tokenizer takes a string; got ${text === null ? 'null' : typeof text}. Convert it first.`,
    )
  }
}

function requireLimit(limit: unknown): asserts limit is number {
  if (typeof limit !== 'number' || !(limit >= 0)) {
    throw invalid(`limit must be a number of tokens, 0 or more; got ${String(limit)}.`)
  }
}

/** UTF-16 units of the UTF-8 in `bytes[from … to)`: one for each character, two for those of four bytes. */
function unitsIn(bytes: Uint8Array, from: number, to: number): number {
  let units = 0
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!
    if ((byte & 0xc0) !== 0x80) units += byte >= 0xf0 ? 2 : 1
  }
  return units
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)
}

/** A search for any of these names, longest first; `undefined` for none. */
function searchFor(names: Iterable<string>): RegExp | undefined {
  const sorted = [...names].filter((name) => name !== '').sort((a, b) => b.length - a.length)
  return sorted.length === 0 ? undefined : new RegExp(sorted.map(escapeRegExp).join('|'), 'g')
}

function commonPrefix(names: readonly string[]): string {
  let prefix = names[0] ?? ''
  for (const name of names) while (!name.startsWith(prefix)) prefix = prefix.slice(0, -1)
  return prefix
}

/** An encoding whose vocabulary is loaded on first use. */
export function defineEncoding(source: EncodingSource): Encoding {
  let specialIds: ReadonlyMap<string, number> | undefined
  /** The start that all special tokens share: text without it holds none. `'<|'` in OpenAI's encodings. */
  let prefix = ''
  const utf8 = new TextEncoder()
  let loaded: PieceEncoder | undefined
  let allSearch: RegExp | undefined
  /** Ids of the chunks so far of a long text: its array is made once, at its final size. */
  let collected: Int32Array = new Int32Array(0)

  function encoder(): PieceEncoder {
    loaded ??= new PieceEncoder(source.load(), source.family)
    return loaded
  }

  function specials(): ReadonlyMap<string, number> {
    if (specialIds === undefined) {
      specialIds = new Map(Object.entries(source.specials()))
      prefix = commonPrefix([...specialIds.keys()])
    }
    return specialIds
  }

  /** Writes `text[from … to)` as UTF-8 into the encoder's bytes, behind the first `kept`; returns where it ends. */
  function fill(text: string, from: number, to: number, kept: number): number {
    const pieces = encoder()
    const units = to - from
    pieces.reserve(kept + (kept === 0 ? 3 * units : units), kept)
    // Calling into encodeInto costs more than 40 characters do.
    if (units <= 40) {
      const { bytes } = pieces
      let end = kept
      let i = from
      for (; i < to; i++) {
        const unit = text.charCodeAt(i)
        if (unit >= 0x80) break
        bytes[end++] = unit
      }
      if (i === to) return end
    }
    const part = from === 0 && to === text.length ? text : text.slice(from, to)
    let { read, written } = utf8.encodeInto(part, kept === 0 ? pieces.bytes : pieces.bytes.subarray(kept))
    if (read < units) {
      // A giant word beyond ASCII. Room for three bytes a unit from the start would be three times what others need.
      pieces.reserve(kept + 3 * units, kept)
      ;({ read, written } = utf8.encodeInto(part, pieces.bytes.subarray(kept)))
    }
    return kept + written
  }

  /**
   * Encodes `text[from … to)` chunk by chunk as plain text. `visit` gets the number of ids that now stand in
   * `encoder().ids`, the UTF-16 index at which the buffer begins, and returns true to stop.
   */
  function eachChunk(
    text: string,
    from: number,
    to: number,
    limit: number,
    visit: (count: number, bufferStart: number) => boolean | void,
    onlyWhether = false,
  ): void {
    const pieces = encoder()
    let at = from
    let kept = 0
    let left = limit
    for (;;) {
      // A piece longer than the chunk: read as much again as is there already, so that reading it stays linear.
      let stop = Math.min(to, at + Math.max(CHUNK_UNITS, kept))
      if (stop < to && (text.charCodeAt(stop - 1) & 0xfc00) === 0xd800) stop--
      const bufferStart = kept === 0 ? at : at - unitsIn(pieces.bytes, 0, kept)
      const end = fill(text, at, stop, kept)
      const final = stop === to
      const count = pieces.encodeRange(0, end, final, left, onlyWhether)
      if (visit(count, bufferStart) === true || final || count > left) break
      left -= count
      kept = end - pieces.resumeAt
      pieces.bytes.copyWithin(0, pieces.resumeAt, end)
      at = stop
    }
    pieces.release()
  }

  function countRange(text: string, from: number, to: number, limit: number): number {
    let total = 0
    if (to - from <= CHUNK_UNITS) {
      return encoder().encodeRange(0, fill(text, from, to, 0), true, limit, limit < Infinity)
    }
    eachChunk(
      text,
      from,
      to,
      limit,
      (count) => {
        total += count
      },
      limit < Infinity,
    )
    return total
  }

  /**
   * Ids of `text[from … to)`. Chunks are collected as they are and the array is made once, at its final size: growing
   * it by `push` costs as much as half the encoding.
   */
  function idsOf(text: string, from: number, to: number): number[] {
    const pieces = encoder()
    if (to - from <= CHUNK_UNITS) {
      const count = pieces.encodeRange(0, fill(text, from, to, 0), true, Infinity)
      return toArray(pieces.ids, count)
    }
    let total = 0
    eachChunk(text, from, to, Infinity, (count) => {
      if (total + count > collected.length) {
        const larger = new Int32Array(2 * (total + count))
        larger.set(collected.subarray(0, total))
        collected = larger
      }
      collected.set(pieces.ids.subarray(0, count), total)
      total += count
    })
    const ids = toArray(collected, total)
    if (collected.length > MOST_COLLECTED) collected = new Int32Array(0)
    return ids
  }

  /** Throws when the text holds a special token that `options` neither allow nor call plain text. */
  function refuseSpecials(text: string, options: EncodeOptions | undefined): void {
    const disallowed = options?.disallowedSpecial ?? 'all'
    if (disallowed === 'all') {
      if (options?.allowedSpecial === 'all' || specials().size === 0 || !text.includes(prefix)) return
    }
    const allowed = options?.allowedSpecial
    let search: RegExp | undefined
    if (disallowed !== 'all') search = searchFor(disallowed)
    else if (allowed === undefined) search = allSearch ??= searchFor(specials().keys())
    else {
      const permitted = new Set(allowed)
      search = searchFor([...specials().keys()].filter((name) => !permitted.has(name)))
    }
    const at = search === undefined ? -1 : text.search(search)
    if (at < 0) return
    search!.lastIndex = at
    const found = search!.exec(text)![0]
    throw invalid(
      `The text contains the special token ${found} at index ${at}. To encode it as one, pass ` +
        `{ allowedSpecial: [${JSON.stringify(found)}] } (or 'all'); to treat it as plain text, call encodeOrdinary ` +
        `or pass { disallowedSpecial: [] }.`,
    )
  }

  /** Calls `plain` for stretches of text and `special` for the allowed special tokens between them, in order. */
  function eachSegment(
    text: string,
    allowed: EncodeOptions['allowedSpecial'],
    plain: (from: number, to: number) => void,
    special: (id: number, to: number) => void,
  ): void {
    let from = 0
    if (allowed !== undefined && specials().size > 0 && text.includes(prefix)) {
      const search =
        allowed === 'all'
          ? (allSearch ??= searchFor(specials().keys()))
          : searchFor([...allowed].filter((name) => specials().has(name)))
      if (search !== undefined) {
        for (const match of text.matchAll(search)) {
          if (match.index > from) plain(from, match.index)
          from = match.index + match[0].length
          special(specials().get(match[0])!, from)
        }
      }
    }
    if (from < text.length) plain(from, text.length)
  }

  function encode(text: string, options?: EncodeOptions): number[] {
    requireText(text)
    refuseSpecials(text, options)
    if (options?.allowedSpecial === undefined) return idsOf(text, 0, text.length)
    const segments: number[][] = []
    eachSegment(
      text,
      options.allowedSpecial,
      (from, to) => segments.push(idsOf(text, from, to)),
      (id) => segments.push([id]),
    )
    return segments.length === 1 ? segments[0]! : segments.flat()
  }

  function encodeOrdinary(text: string): number[] {
    requireText(text)
    return idsOf(text, 0, text.length)
  }

  function encodeInto(
    text: string,
    out: Int32Array | Uint32Array | number[],
    options?: EncodeOptions,
  ): { read: number; written: number } {
    requireText(text)
    refuseSpecials(text, options)
    const capacity = Array.isArray(out) ? Infinity : out.length
    let written = 0
    let read = 0
    let full = false
    eachSegment(
      text,
      options?.allowedSpecial,
      (from, to) => {
        if (full) return
        const pieces = encoder()
        eachChunk(text, from, to, Infinity, (count, bufferStart) => {
          let fits = count
          if (written + count > capacity) {
            fits = pieces.wholePieces(capacity - written)
            full = true
          }
          for (let i = 0; i < fits; i++) out[written + i] = pieces.ids[i]!
          written += fits
          if (full) read = bufferStart + unitsIn(pieces.bytes, 0, pieces.bytesOf(fits))
          return full
        })
        if (!full) read = to
      },
      (id, to) => {
        full ||= written === capacity
        if (full) return
        out[written++] = id
        read = to
      },
    )
    return { read, written }
  }

  function countTokens(
    text: string,
    options?: { readonly allowedSpecial?: 'all' | Iterable<string> },
  ): number {
    requireText(text)
    if (options?.allowedSpecial === undefined) return countRange(text, 0, text.length, Infinity)
    let total = 0
    eachSegment(
      text,
      options.allowedSpecial,
      (from, to) => (total += countRange(text, from, to, Infinity)),
      () => total++,
    )
    return total
  }

  function isWithinTokenLimit(text: string, limit: number): number | false {
    requireText(text)
    requireLimit(limit)
    // A UTF-16 unit is at least one byte, and no token is longer than `maxTokenBytes`.
    if (text.length > limit * encoder().vocabulary.maxTokenBytes) return false
    const count = countRange(text, 0, text.length, limit)
    return count <= limit && count
  }

  /** UTF-16 index after the first `limit` tokens, moved out of a character towards `side`; −1 if there are fewer. */
  function cutAfter(text: string, limit: number, side: 'before' | 'after'): number {
    const pieces = encoder()
    let cut = -1
    let passed = 0
    eachChunk(text, 0, text.length, limit, (count, bufferStart) => {
      if (passed + count > limit) {
        let at = pieces.bytesOf(limit - passed)
        while ((pieces.bytes[at]! & 0xc0) === 0x80) at += side === 'before' ? -1 : 1
        cut = bufferStart + unitsIn(pieces.bytes, 0, at)
        return true
      }
      passed += count
      return false
    })
    return cut
  }

  function truncate(text: string, limit: number, options?: { readonly keep?: 'start' | 'end' }): string {
    requireText(text)
    requireLimit(limit)
    const whole = Math.floor(limit)
    if (options?.keep === 'end') {
      let drop = countTokens(text) - whole
      let rest = text
      while (drop > 0) {
        const cut = cutAfter(text, drop++, 'after')
        rest = cut < 0 ? '' : text.slice(cut)
        if (isWithinTokenLimit(rest, whole) !== false) break
      }
      return rest
    }
    // Cut text can have other pieces at its end than the whole had ("I'" without its "LL"), and then more tokens.
    for (let keep = whole; keep > 0; keep--) {
      const cut = cutAfter(text, keep, 'before')
      if (cut < 0) return text
      const rest = text.slice(0, cut)
      if (isWithinTokenLimit(rest, whole) !== false) return rest
    }
    return ''
  }

  return {
    name: source.name,
    get specials() {
      return specials()
    },
    get vocabularySize() {
      return Math.max(encoder().vocabulary.size, ...[...specials().values()].map((id) => id + 1))
    },
    encode,
    encodeOrdinary,
    encodeInto,
    ...defineDecoding(source.name, () => encoder().vocabulary, specials),
    countTokens,
    isWithinTokenLimit,
    truncate,
    createCounter: () => createPieceCounter(encoder),
    explain: (text) => {
      requireText(text)
      return explainText(encoder(), text)
    },
  }
}

/** Arrays beyond this many elements are made by pushing: V8 turns larger `new Array(n)` into hash tables. */
const MOST_PRESIZED = 32_000_000

/** Ids kept room for between calls. */
const MOST_COLLECTED = 1 << 20

/** The first `count` ids as an array. */
function toArray(found: Int32Array, count: number): number[] {
  // oxlint-disable-next-line unicorn/no-new-array -- a pre-sized array is the point
  const ids: number[] = count <= MOST_PRESIZED ? new Array<number>(count) : []
  for (let i = 0; i < count; i++) ids[i] = found[i]!
  return ids
}

/** A user's own byte-level vocabulary. */
export type EncodingDefinition = {
  /** Token bytes and their ranks; a string stands for its UTF-8. A token's id is its rank. All 256 bytes must occur. */
  readonly ranks: Iterable<readonly [token: Uint8Array | string, rank: number]>
  /** How text is split before merging. */
  readonly family: SplitFamily
  /** Special tokens and their ids. Default: none. */
  readonly specials?: Readonly<Record<string, number>>
  /** Default `'custom'`. */
  readonly name?: string
}

/**
 * An encoding from ranks such as a `.tiktoken` file holds. Built at once, so that a bad vocabulary shows here.
 * @throws LlmError kind `config` when ranks are missing, double, or collide with a special token
 */
export function createEncoding(definition: EncodingDefinition): Encoding {
  const { ranks, family, specials = {}, name = 'custom' } = definition
  if (!Object.hasOwn(SCANNERS, family)) {
    throw invalid(`family must be one of ${Object.keys(SCANNERS).join(', ')}; got ${String(family)}.`)
  }
  const vocabulary = new Vocabulary(expandRanks(ranks))
  for (const [special, id] of Object.entries(specials)) {
    const taken = id < vocabulary.size && vocabulary.offsets[id + 1]! > vocabulary.offsets[id]!
    if (special === '' || !Number.isInteger(id) || id < 0 || taken) {
      throw invalid(
        `The special token ${JSON.stringify(special)} needs an id of its own; ${String(id)} is not one.`,
      )
    }
  }
  return defineEncoding({ name, family, specials: () => specials, load: () => vocabulary })
}
