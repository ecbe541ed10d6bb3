/**
 * Counts the tokens of text that arrives in parts, such as a stream of deltas.
 *
 * In:  strings, cut anywhere, even inside a surrogate pair. Out: the exact number of tokens of all text so far.
 * How: more text can change the last two pieces at most, so all before them is counted once and forgotten. Inside an
 *      unfinished giant word the counts of its prefixes are kept instead (`PrefixCounts`), so that a word of n bytes
 *      read after every byte costs n steps of merging, not n².
 * Not here: ids; a counter keeps none. Memory: the last two pieces, and eight bytes for each byte of a giant word.
 */

import { LlmError } from '../errors.ts'
import { isBoundary, type PieceEncoder } from './bpe.ts'
import { END_MARK } from './split.ts'
import { PADDING, type Vocabulary } from './vocabulary.ts'

/** See `Encoding.createCounter`. */
export type TokenCounter = {
  /** Adds text. */
  push(text: string): void
  /** No more text will come; returns the final count. */
  end(): number
  /** Tokens of all text so far, as if it were encoded in one go. */
  readonly count: number
}

/** From this length on an unfinished piece is counted prefix by prefix. */
const GIANT_BYTES = 512

/** Bytes taken in before pieces are looked for, where nobody asks for the count. */
const LOOK_BYTES = 4_096

/**
 * For each prefix of a growing piece, how many tokens encode it. A prefix has one encoding, and without its last token
 * that is the encoding of a shorter prefix: so each byte only asks which token ends with it and goes with what was
 * there before. github/rust-gems calls this the appendable encoder.
 */
class PrefixCounts {
  /** Where the piece begins in the counter's bytes. */
  start: number
  /** Number of bytes counted. */
  #known = 0
  #lastToken: Int32Array = new Int32Array(2 * GIANT_BYTES)
  #counts: Int32Array = new Int32Array(2 * GIANT_BYTES)

  constructor(start: number) {
    this.start = start
  }

  /** Forgets what was counted beyond `length` bytes: they were not there to stay. */
  cut(length: number): void {
    this.#known = Math.min(this.#known, length)
  }

  count(vocabulary: Vocabulary, view: DataView, length: number): number {
    if (length >= this.#counts.length) {
      this.#lastToken = grown(this.#lastToken, 2 * length)
      this.#counts = grown(this.#counts, 2 * length)
    }
    while (this.#known < length) this.#step(vocabulary, view, ++this.#known)
    return this.#counts[length]!
  }

  #step(vocabulary: Vocabulary, view: DataView, to: number): void {
    const most = Math.min(to, vocabulary.maxTokenBytes)
    for (let length = 1; length <= most; length++) {
      const from = to - length
      const id = vocabulary.find(view, this.start + from, length)
      if (id < 0 || (length > 1 && vocabulary.parts[2 * id]! < 0)) continue
      if (from === 0 || isBoundary(vocabulary, view, this.start + from, this.#lastToken[from]!, id)) {
        this.#lastToken[to] = id
        this.#counts[to] = this.#counts[from]! + 1
        return
      }
    }
  }
}

/**
 * Kinds of characters of which any number in a row behaves like four in a row, in every pattern: a piece that ends in
 * four of a kind goes on through more of it. 0 for all other characters.
 */
function kindOf(unit: number): number {
  if (unit >= 0x61 && unit <= 0x7a) return 1
  if (unit >= 0x41 && unit <= 0x5a) return 2
  if (unit === 0x20) return 3
  // Han, Hangul, and the kana that are \p{Lo}.
  if ((unit >= 0x4e00 && unit <= 0x9fff) || (unit >= 0xac00 && unit <= 0xd7a3)) return 4
  if ((unit >= 0x3041 && unit <= 0x3096) || (unit >= 0x30a1 && unit <= 0x30fa)) return 4
  // ASCII symbols but the apostrophe, which begins contractions, and the slash, which may follow line breaks.
  if (unit > 0x20 && unit < 0x7f && unit !== 0x27 && unit !== 0x2f)
    return unit >= 0x30 && unit <= 0x39 ? 0 : 5
  return 0
}

function grown(array: Int32Array, size: number): Int32Array {
  const larger = new Int32Array(size)
  larger.set(array)
  return larger
}

/** `encoder` is called when text is there to count; its buffers are borrowed only during a call. */
export function createPieceCounter(encoder: () => PieceEncoder): TokenCounter {
  const utf8 = new TextEncoder()
  /** Tokens of the text that can no longer change, which is no longer kept. */
  let settled = 0
  /** The rest: the last two pieces and what came since they were found, as UTF-8. */
  let bytes = new Uint8Array(256)
  let view = new DataView(bytes.buffer)
  let size = 0
  /** Half a surrogate pair: U+FFFD so far, but a letter or an emoji once the other half is here. */
  let half = ''
  /** `size` after the pieces were last looked for. */
  let lastLooked = 0
  let giants: PrefixCounts[] = []
  /** Where the last piece begins, and the tokens of the one before it. */
  let lastPiece = 0
  let tokensBefore = 0
  /** The kind of all characters the last piece, a giant one, has got lately; 0 when its end must be scanned for. */
  let run = 0
  let known: number | undefined = 0
  let ended = false

  function append(text: string): void {
    const need = size + 3 * text.length + PADDING
    if (need > bytes.length) {
      const larger = new Uint8Array(2 * need)
      larger.set(bytes.subarray(0, size))
      bytes = larger
      view = new DataView(bytes.buffer)
    }
    size += utf8.encodeInto(text, bytes.subarray(size)).written
  }

  function pieceTokens(start: number, end: number, open: boolean): number {
    const pieces = encoder()
    if (open && end - start >= Math.max(GIANT_BYTES, pieces.vocabulary.maxTokenBytes + 1)) {
      const giant = giants.find((one) => one.start === start)
      if (giant !== undefined) return giant.count(pieces.vocabulary, view, end - start)
      // Whoever asks once may never ask again, and counting all at once is twenty times as fast.
      giants = [...giants.slice(-1), new PrefixCounts(start)]
    }
    pieces.reserve(end - start, 0)
    pieces.bytes.set(bytes.subarray(start, end))
    return pieces.pieceCount(end - start)
  }

  /** Counts all pieces but the last two, and drops them. Returns where the last one begins. */
  function settle(): number {
    const { scan } = encoder()
    bytes[size] = END_MARK
    let [before, last] = [0, 0]
    for (let at = 0; at < size; at = scan(bytes, at)) {
      if (last > before)
        settled += pieceTokens(
          before,
          last,
          giants.some((one) => one.start === before),
        )
      before = last
      last = at
    }
    bytes.copyWithin(0, before, size)
    size -= before
    last -= before
    for (const giant of giants) giant.start -= before
    giants = giants.filter((one) => one.start >= 0)
    lastLooked = size
    return last
  }

  /** Tokens of what is kept: a piece up to `lastPiece`, if there is one, and the last piece. */
  function openTokens(): number {
    if (run === 0) {
      lastPiece = settle()
      tokensBefore = lastPiece > 0 ? pieceTokens(0, lastPiece, true) : 0
      run = size - lastPiece >= GIANT_BYTES ? lastKind() : 0
    }
    return size > lastPiece ? tokensBefore + pieceTokens(lastPiece, size, true) : tokensBefore
  }

  /** The kind of the last four characters, if it is one. */
  function lastKind(): number {
    const tail = Array.from(new TextDecoder().decode(bytes.subarray(size - 16, size))).slice(-4)
    const kinds = new Set(tail.map((character) => kindOf(character.charCodeAt(0))))
    return kinds.size === 1 ? [...kinds][0]! : 0
  }

  function allOfKind(text: string, kind: number): boolean {
    for (let i = 0; i < text.length; i++) if (kindOf(text.charCodeAt(i)) !== kind) return false
    return true
  }

  /** The same with U+FFFD at the end, which is not there to stay. */
  function openTokensWithHalf(): number {
    const { scan } = encoder()
    const whole = size
    append(half)
    bytes[size] = END_MARK
    let total = 0
    for (let at = 0; at < size;) {
      const end = scan(bytes, at)
      total += pieceTokens(at, end, true)
      at = end
    }
    size = whole
    for (const giant of giants) giant.cut(whole - giant.start)
    return total
  }

  function count(): number {
    if (known === undefined) {
      if (half !== '') {
        run = 0
        settle()
      }
      const open = half === '' ? openTokens() : openTokensWithHalf()
      known = settled + open
      encoder().release()
    }
    return known
  }

  return {
    push(text: string): void {
      if (typeof text !== 'string') {
        throw new LlmError({ kind: 'config', message: `A token counter takes strings; got ${typeof text}.` })
      }
      if (ended) {
        throw new LlmError({ kind: 'config', message: 'This token counter has ended; create another one.' })
      }
      if (text === '') return
      known = undefined
      let whole = half + text
      const cut = (whole.charCodeAt(whole.length - 1) & 0xfc00) === 0xd800 ? whole.length - 1 : whole.length
      half = whole.slice(cut)
      whole = whole.slice(0, cut)
      if (run !== 0 && !allOfKind(whole, run)) run = 0
      for (let from = 0; from < whole.length;) {
        let to = Math.min(whole.length, from + LOOK_BYTES)
        if (to < whole.length && (whole.charCodeAt(to - 1) & 0xfc00) === 0xd800) to--
        append(whole.slice(from, to))
        from = to
        // Only after the rest doubled, so that a word of any length is scanned a bounded number of times.
        if (run === 0 && size > 2 * lastLooked + LOOK_BYTES) settle()
      }
    },
    end(): number {
      ended = true
      return count()
    },
    get count(): number {
      return count()
    },
  }
}
