/**
 * Why a text has the tokens it has: for pages, the command line, and the curious.
 *
 * In:  text. Out: tokens with byte ranges, the pieces they belong to, groups that a reader can see (a token may be a
 *      part of a character, a grapheme may be several tokens), and the merges of a piece in the order they were made.
 * Not here: drawing. Special tokens are shown as the plain text they are when a user types them.
 */

import type { PieceEncoder } from './bpe.ts'
import { encodePieceNaive } from './bpe-naive.ts'

/** One token. `start` and `end` are byte offsets in the text's UTF-8. */
export type ExplainedToken = {
  readonly id: number
  readonly start: number
  readonly end: number
  /** The bytes as text, those that are no complete character as `⟨e4⟩`. */
  readonly text: string
  /** Index in `pieces`. */
  readonly piece: number
}

/** One merge of a piece: the parts before it, and which two of them became `id`. */
export type ExplainedMerge = {
  readonly id: number
  readonly at: number
  readonly parts: readonly string[]
}

/** What the splitter cut; merges never cross its ends. */
export type ExplainedPiece = {
  readonly text: string
  readonly start: number
  readonly end: number
  readonly firstToken: number
  readonly tokenCount: number
  /** Merges from single bytes on, in order; computed when asked for, O(n²) in the length of the piece. */
  readonly merges: readonly ExplainedMerge[]
}

/** The fewest tokens that together are whole graphemes. */
export type ExplainedGroup = {
  readonly text: string
  readonly start: number
  readonly end: number
  readonly firstToken: number
  readonly tokenCount: number
}

/** Everything about one text. */
export type Explanation = {
  readonly tokens: readonly ExplainedToken[]
  readonly pieces: readonly ExplainedPiece[]
  readonly groups: readonly ExplainedGroup[]
}

/** Bytes as text for people: valid UTF-8 as it is, other bytes as `⟨e4⟩`. */
export function showBytes(bytes: Uint8Array): string {
  let shown = ''
  let at = 0
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  while (at < bytes.length) {
    const lead = bytes[at]!
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
    try {
      shown += decoder.decode(bytes.subarray(at, at + length))
      at += length
    } catch {
      shown += `⟨${lead.toString(16).padStart(2, '0')}⟩`
      at++
    }
  }
  return shown
}

/** Byte offsets at which graphemes end (code points where the engine has no `Intl.Segmenter`). */
function graphemeEnds(text: string): Set<number> {
  const utf8 = new TextEncoder()
  const ends = new Set<number>()
  const parts: Iterable<string> =
    typeof Intl === 'object' && 'Segmenter' in Intl
      ? Array.from(
          new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text),
          (part) => part.segment,
        )
      : text
  let at = 0
  for (const part of parts) ends.add((at += utf8.encode(part).length))
  return ends
}

/** See `Encoding.explain`. */
export function explainText(encoder: PieceEncoder, text: string): Explanation {
  const { vocabulary, scan } = encoder
  const { offsets } = vocabulary
  encoder.reserve(3 * text.length, 0)
  const end = new TextEncoder().encodeInto(text, encoder.bytes).written
  const count = encoder.encodeRange(0, end, true, Infinity)
  const bytes = encoder.bytes.slice(0, end + 1)
  const ids = encoder.ids.slice(0, count)
  encoder.release()

  const tokens: ExplainedToken[] = []
  const pieces: ExplainedPiece[] = []
  const groups: ExplainedGroup[] = []
  const ends = graphemeEnds(text)
  let groupStart = 0
  let firstOfGroup = 0
  for (let start = 0; start < end;) {
    const pieceEnd = scan(bytes, start)
    const firstToken = tokens.length
    const piece = bytes.subarray(start, pieceEnd)
    for (let at = start; at < pieceEnd;) {
      const id = ids[tokens.length]!
      const tokenEnd = at + offsets[id + 1]! - offsets[id]!
      tokens.push({
        id,
        start: at,
        end: tokenEnd,
        text: showBytes(bytes.subarray(at, tokenEnd)),
        piece: pieces.length,
      })
      at = tokenEnd
      if (ends.has(at)) {
        groups.push({
          text: showBytes(bytes.subarray(groupStart, at)),
          start: groupStart,
          end: at,
          firstToken: firstOfGroup,
          tokenCount: tokens.length - firstOfGroup,
        })
        groupStart = at
        firstOfGroup = tokens.length
      }
    }
    pieces.push({
      text: showBytes(piece),
      start,
      end: pieceEnd,
      firstToken,
      tokenCount: tokens.length - firstToken,
      get merges() {
        return mergesOf(encoder, piece)
      },
    })
    start = pieceEnd
  }
  return { tokens, pieces, groups }
}

function mergesOf(encoder: PieceEncoder, piece: Uint8Array): ExplainedMerge[] {
  const { vocabulary } = encoder
  const scratch = new Uint8Array(vocabulary.maxTokenBytes + 32)
  const view = new DataView(scratch.buffer)
  const merges: ExplainedMerge[] = []
  const bytesOf = (part: string): Uint8Array => Uint8Array.from(part, (unit) => unit.charCodeAt(0))
  encodePieceNaive(
    piece,
    (part) => {
      if (part.length > vocabulary.maxTokenBytes) return undefined
      scratch.fill(0)
      scratch.set(bytesOf(part))
      const id = vocabulary.find(view, 0, part.length)
      return id < 0 ? undefined : id
    },
    ({ id, at, parts }) => merges.push({ id, at, parts: parts.map((part) => showBytes(bytesOf(part))) }),
  )
  return merges
}
