/**
 * Counts the tokens of text that arrives in parts, such as a stream of deltas.
 *
 * In:  strings, cut anywhere, even inside a surrogate pair. Out: the exact number of tokens of all text so far.
 * How: more text can change the last two pieces at most, so all before them is counted once and forgotten.
 * Not here: ids; a counter keeps none.
 */

import type { PieceEncoder } from './bpe.ts'
import { LlmError } from '../errors.ts'

/** See `Encoding.createCounter`. */
export type TokenCounter = {
  /** Adds text. */
  push(text: string): void
  /** No more text will come; returns the final count. */
  end(): number
  /** Tokens of all text so far, as if it were encoded in one go. */
  readonly count: number
}

/** UTF-16 units taken in at a time. */
const STEP_UNITS = 16_384

/** `encoder` is called when text is there to count; its buffers are borrowed only during a call. */
export function createPieceCounter(encoder: () => PieceEncoder): TokenCounter {
  const utf8 = new TextEncoder()
  /** Tokens of the text that can no longer change, which is no longer kept. */
  let settled = 0
  /** The rest: the last two pieces and what came since they were found. */
  let tail = ''
  /** `tail.length` when pieces were last looked for. */
  let lastLooked = 0
  let openCount: number | undefined = 0
  let ended = false

  function load(text: string): number {
    const pieces = encoder()
    pieces.reserve(3 * text.length, 0)
    return utf8.encodeInto(text, pieces.bytes).written
  }

  /** Counts and drops the pieces of `tail` that are final. */
  function settle(): void {
    // Half a surrogate pair stays: it is U+FFFD so far, but a letter or an emoji once the other half is here.
    const half = (tail.charCodeAt(tail.length - 1) & 0xfc00) === 0xd800 ? 1 : 0
    const end = load(half === 0 ? tail : tail.slice(0, -1))
    const pieces = encoder()
    settled += pieces.encodeRange(0, end, false, Infinity)
    if (pieces.resumeAt > 0) {
      let units = 0
      for (let i = 0; i < pieces.resumeAt; i++) {
        const byte = pieces.bytes[i]!
        if ((byte & 0xc0) !== 0x80) units += byte >= 0xf0 ? 2 : 1
      }
      tail = tail.slice(units)
    }
    lastLooked = tail.length
  }

  function count(): number {
    if (openCount === undefined) {
      if (tail.length > lastLooked + 64) settle()
      openCount = encoder().encodeRange(0, load(tail), true, Infinity)
      encoder().release()
    }
    return settled + openCount
  }

  return {
    push(text: string): void {
      if (typeof text !== 'string') {
        throw new LlmError({ kind: 'config', message: `A token counter takes strings; got ${typeof text}.` })
      }
      if (ended) {
        throw new LlmError({ kind: 'config', message: 'This token counter has ended; create another one.' })
      }
      for (let from = 0; from < text.length; from += STEP_UNITS) {
        tail += from === 0 && text.length <= STEP_UNITS ? text : text.slice(from, from + STEP_UNITS)
        openCount = undefined
        // Only after the tail doubled, so that a word of any length is looked through a bounded number of times.
        if (tail.length > 2 * lastLooked + STEP_UNITS / 4) settle()
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
