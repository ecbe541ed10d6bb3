/**
 * Token ids to text.
 *
 * In:  ids, all at once or as they arrive. Out: bytes, or strings that never hold half a character.
 * How: the bytes of the tokens are put side by side, eight at a time, in a buffer that stays in the first-level cache,
 *      and made into text a bufferful at a time. Joining a string per token is slower, and what comes out is a tree of as
 *      many nodes until it is first read.
 */

import { LlmError } from '../errors.ts'
import { PADDING, type Vocabulary } from './vocabulary.ts'

/** What to do about an id that no token has: throw (default) or decode it as U+FFFD. */
export type DecodeOptions = { readonly unknown?: 'error' | 'replace' }

/** Decodes ids as they arrive; a character whose bytes are not complete yet is held back. */
export type TokenDecoder = {
  /** Text that is complete after these ids. */
  push(ids: number | Iterable<number>): string
  /** The rest: U+FFFD for a character that never was completed, else ''. */
  end(): string
}

/** The three ways to decode; see `Encoding`. */
export type Decoding = {
  decode(ids: Iterable<number>, options?: DecodeOptions): string
  decodeBytes(ids: Iterable<number>, options?: DecodeOptions): ReturnType<typeof Uint8Array.of>
  createDecoder(options?: DecodeOptions): TokenDecoder
}

/** Decoding with a vocabulary and special tokens that are there when the first id is. */
export function defineDecoding(
  name: string,
  vocabulary: () => Vocabulary,
  specials: () => ReadonlyMap<string, number>,
): Decoding {
  const utf8 = new TextEncoder()
  let specialBytes: Map<number, Uint8Array> | undefined

  /** Bytes of a special id, or an error that names the id. Only asked for ids that are no ordinary token. */
  function otherBytes(id: number, index: number, options: DecodeOptions | undefined): Uint8Array {
    specialBytes ??= new Map([...specials()].reverse().map(([text, special]) => [special, utf8.encode(text)]))
    const bytes = specialBytes.get(id)
    if (bytes !== undefined) return bytes
    if (options?.unknown === 'replace') return REPLACEMENT
    throw invalid(
      `${name} has no token ${String(id)} (index ${index}). Decode with the encoding that made the ids, or ` +
        `pass { unknown: 'replace' } to get U+FFFD instead.`,
    )
  }

  /**
   * Writes the bytes of `list[from …]` behind what `into` holds, growing it where needed, until it holds more than
   * `limit`. Returns the index of the id that comes next.
   */
  function writeBytes(
    list: ArrayLike<number>,
    from: number,
    into: ByteSink,
    limit: number,
    options: DecodeOptions | undefined,
  ): number {
    const { offsets, view: tokens, size: ordinary } = vocabulary()
    let { bytes, view, size } = into
    let i = from
    for (; i < list.length && size <= limit; i++) {
      const id = list[i]!
      let start = 0
      let length = 0
      if (id >= 0 && id < ordinary && (id | 0) === id) {
        start = offsets[id]!
        length = offsets[id + 1]! - start
      }
      const special = length === 0 ? otherBytes(id, i, options) : undefined
      if (special !== undefined) length = special.length
      if (size + length + PADDING > bytes.length) {
        const larger = new Uint8Array(2 * (size + length + PADDING))
        larger.set(bytes.subarray(0, size))
        bytes = larger
        view = new DataView(bytes.buffer)
      }
      if (special === undefined) {
        // Eight bytes at once, whether the token has them or not: the next one overwrites what is too much.
        view.setInt32(size, tokens.getInt32(start, true), true)
        view.setInt32(size + 4, tokens.getInt32(start + 4, true), true)
        for (let at = 8; at < length; at += 4) {
          view.setInt32(size + at, tokens.getInt32(start + at, true), true)
        }
      } else {
        bytes.set(special, size)
      }
      size += length
    }
    into.bytes = bytes
    into.view = view
    into.size = size
    return i
  }

  function decodeBytes(ids: Iterable<number>, options?: DecodeOptions): ReturnType<typeof Uint8Array.of> {
    const list = arrayOf(ids)
    // Five bytes a token is more than prose has.
    const sink = byteSink(5 * list.length + 256)
    writeBytes(list, 0, sink, Infinity, options)
    return sink.bytes.slice(0, sink.size)
  }

  function decode(ids: Iterable<number>, options?: DecodeOptions): string {
    const list = arrayOf(ids)
    // ignoreBOM: a decoder otherwise swallows a leading U+FEFF, which is text like any other here.
    const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })
    const sink = byteSink(Math.min(5 * list.length + 256, DECODE_BYTES + 256))
    let text = ''
    for (let next = 0; ;) {
      next = writeBytes(list, next, sink, DECODE_BYTES, options)
      const { bytes, size } = sink
      if (next === list.length) return text + decoder.decode(bytes.subarray(0, size))
      // Before a byte that begins a character a decoder holds nothing back: cutting there changes nothing, however
      // invalid the bytes. (`stream: true` would do too, at a third of the speed in Node 20.)
      let cut = size - 1
      while (cut > 0 && (bytes[cut]! & 0xc0) === 0x80) cut--
      text += decoder.decode(bytes.subarray(0, cut))
      bytes.copyWithin(0, cut, size)
      sink.size = size - cut
    }
  }

  function createDecoder(options?: DecodeOptions): TokenDecoder {
    const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })
    return {
      push: (ids) =>
        decoder.decode(decodeBytes(typeof ids === 'number' ? [ids] : ids, options), { stream: true }),
      end: () => decoder.decode(),
    }
  }

  return { decode, decodeBytes, createDecoder }
}

/** Bytes with room behind them. */
type ByteSink = { bytes: Uint8Array; view: DataView; size: number }

function byteSink(capacity: number): ByteSink {
  const bytes = new Uint8Array(capacity)
  return { bytes, view: new DataView(bytes.buffer), size: 0 }
}

/** Bytes made into text at a time: they are read again while they are still in the first-level cache. */
const DECODE_BYTES = 32_768

/** U+FFFD in UTF-8. */
const REPLACEMENT: Uint8Array = /* @__PURE__ */ Uint8Array.of(0xef, 0xbf, 0xbd)

function arrayOf(ids: Iterable<number>): ArrayLike<number> {
  if (Array.isArray(ids) || ArrayBuffer.isView(ids)) return ids as unknown as ArrayLike<number>
  if (ids === null || typeof ids !== 'object' || !(Symbol.iterator in ids)) {
    throw invalid('decode takes a list of token ids.')
  }
  return [...ids]
}

function invalid(message: string): LlmError {
  return new LlmError({ kind: 'config', message })
}
