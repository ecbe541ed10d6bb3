/**
 * Cuts a text to a number of tokens, at a place where a person would have cut it.
 *
 * In:  a text, a limit, and an encoding if there is one. Out: the text, what was left out, and whether the count is exact.
 * The most that fits is found first (one pass of `truncate`, or the inverse of the estimate); then the cut moves back to
 * the best edge within reach: code fence > blank line > line > sentence > word > grapheme. A fence that was cut open is
 * closed again, and opened again where the text goes on.
 * `Intl.Segmenter` is asked only about windows of at most 4 K characters: on Node 20 it takes 57 s for a megabyte, and
 * 175 ms in windows. Where it is missing, rules of the same order stand in. Not here: conversations (fit.ts).
 */

import { LlmError } from '../errors.ts'

/** What counting needs; an `Encoding` is one. */
export interface TokenCounterLike {
  countTokens(text: string): number
  truncate(text: string, limit: number, options?: { keep?: 'start' | 'end' }): string
}

/** How a text is cut. */
export interface FitTextOptions {
  /** Exact counts. Without it: one token per three UTF-8 bytes, which over-counts all prose that was measured. */
  encoding?: TokenCounterLike
  /** Which part stays. `head-tail` keeps 30 % from the start and the rest from the end. Default `start`. */
  keep?: 'start' | 'end' | 'head-tail'
  /** Stands where text was left out; `{tokens}` becomes the number. Default `[… {tokens} tokens omitted …]`. */
  marker?: string
}

/** A text that fits. */
export interface FittedText {
  text: string
  tokens: number
  /** 0 when nothing was cut. */
  droppedTokens: number
  /** False when the counts are estimates. */
  exact: boolean
}

/** Share of a `head-tail` cut that the head gets: instructions tend to stand first, the question last. */
const HEAD_SHARE = 0.3

/** Bytes per token of the estimate. Prose has 4–6, JSON 2.4, base64 1.5: three errs on the safe side for text. */
const BYTES_PER_TOKEN = 3

const DEFAULT_MARKER = '[… {tokens} tokens omitted …]'

/** The estimate behind `exact: false`. */
export const estimating: TokenCounterLike = {
  countTokens: (text) => Math.ceil(utf8Length(text) / BYTES_PER_TOKEN),
  truncate(text, limit, { keep = 'start' } = {}) {
    const bytes = limit * BYTES_PER_TOKEN
    return keep === 'start'
      ? text.slice(0, unitsWithin(text, bytes, false))
      : text.slice(text.length - unitsWithin(text, bytes, true))
  },
}

/** UTF-8 bytes of a text, without writing them. */
export function utf8Length(text: string): number {
  let bytes = text.length
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    // Three bytes for the rest of the plane; a pair of surrogates is four, two per unit.
    if (unit > 0x7f) bytes += unit > 0x7ff ? (unit >= 0xd800 && unit <= 0xdfff ? 1 : 2) : 1
  }
  return bytes
}

/** UTF-16 units from one end whose UTF-8 form takes at most `bytes`. */
function unitsWithin(text: string, bytes: number, fromEnd: boolean): number {
  let left = bytes
  let units = 0
  while (units < text.length) {
    const unit = text.charCodeAt(fromEnd ? text.length - 1 - units : units)
    left -= unit <= 0x7f ? 1 : unit <= 0x7ff || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3
    if (left < 0) break
    units++
  }
  return units
}

/**
 * The text cut to `limitTokens`, at the edge of a sentence where one is near, never inside a character.
 * @throws LlmError `config` for a limit that is not a whole number of tokens, 0 included in what is allowed.
 */
export function fitText(text: string, limitTokens: number, options: FitTextOptions = {}): FittedText {
  const { encoding, keep = 'start', marker = DEFAULT_MARKER } = options
  if (typeof text !== 'string' || !Number.isInteger(limitTokens) || limitTokens < 0) {
    throw new LlmError({
      kind: 'config',
      message: 'fitText(text, limitTokens) needs a string and a whole number of tokens, 0 or more.',
    })
  }
  const exact = encoding !== undefined
  const counter = encoding ?? estimating
  const total = counter.countTokens(text)
  if (total <= limitTokens) return { text, tokens: total, droppedTokens: 0, exact }

  // The marker's own number has at most as many digits as the total.
  const markerTokens = counter.countTokens(`\n${marker.replace('{tokens}', String(total))}\n`)
  let room = limitTokens - markerTokens
  if (room <= 0) {
    const bare = counter.truncate(text, limitTokens, { keep: keep === 'end' ? 'end' : 'start' })
    const kept =
      keep === 'end'
        ? bare.slice(graphemeEdge(bare, 0, 1))
        : bare.slice(0, graphemeEdge(text, bare.length, -1))
    const tokens = counter.countTokens(kept)
    return { text: kept, tokens, droppedTokens: total - tokens, exact }
  }
  // Joining pieces can cost a token or two more than their sum; each round gives back what was over. Two are the rule.
  for (;;) {
    const [head, tail] = cut(text, room, keep, counter)
    const dropped = Math.max(0, total - counter.countTokens(head + tail))
    const fitted = [head, marker.replace('{tokens}', String(dropped)), tail]
      .filter((piece) => piece !== '')
      .join('\n')
    const tokens = counter.countTokens(fitted)
    if (tokens <= limitTokens) return { text: fitted, tokens, droppedTokens: dropped, exact }
    if (room === 0) return { text: '', tokens: 0, droppedTokens: total, exact }
    room = Math.max(0, room - Math.max(1, tokens - limitTokens))
  }
}

function cut(
  text: string,
  room: number,
  keep: 'start' | 'end' | 'head-tail',
  counter: TokenCounterLike,
): [head: string, tail: string] {
  const headRoom = keep === 'start' ? room : keep === 'end' ? 0 : Math.floor(room * HEAD_SHARE)
  const tailRoom = room - headRoom
  let head = ''
  let end = 0
  if (headRoom > 0) {
    end = bestEdge(text, counter.truncate(text, headRoom, { keep: 'start' }).length, -1)
    head = closeFence(text.slice(0, end)).trimEnd()
  }
  if (tailRoom === 0 || keep === 'start') return [head, '']
  const rest = counter.truncate(text, tailRoom, { keep: 'end' })
  const start = bestEdge(text, Math.max(end, text.length - rest.length), 1)
  return [head, reopenFence(text, start)]
}

// ------------------------------------------------------------------------------------------------- edges

/** How far a cut may move for a better edge: a fifth of what is kept, at most this many characters. */
const REACH = 4096

/** The best place to cut at or before (`direction` -1), or at or after (1), `at`. */
function bestEdge(text: string, at: number, direction: -1 | 1): number {
  const kept = direction < 0 ? at : text.length - at
  const reach = Math.min(REACH, Math.ceil(kept / 5))
  const from = direction < 0 ? Math.max(0, at - reach) : at
  const until = direction < 0 ? at : Math.min(text.length, at + reach)
  const window = text.slice(from, until)
  for (const edges of [FENCE_EDGE, BLANK_LINE, LINE]) {
    const edge = matchEdge(window, edges, direction)
    if (edge !== undefined) return from + edge
  }
  const sentence = sentenceEdge(window, direction)
  if (sentence !== undefined) return from + sentence
  const word = matchEdge(window, WORD, direction)
  if (word !== undefined) return from + word
  return graphemeEdge(text, at, direction)
}

// Each matches up to and including the place to cut at.
const FENCE_EDGE = /\n[ \t]*(?:```|~~~)[ \t]*\n/g
const BLANK_LINE = /\n[ \t]*\n/g
const LINE = /\n/g
const WORD = /\s/g

/** The end of the last match, or of the first one, depending on the direction. The window's own ends are no edges. */
function matchEdge(window: string, edges: RegExp, direction: -1 | 1): number | undefined {
  let found: number | undefined
  for (const match of window.matchAll(edges)) {
    const end = match.index + match[0].length
    if (direction > 0) return end < window.length ? end : undefined
    found = end
  }
  return found
}

interface Segments {
  segment(text: string): Iterable<{ index: number; segment: string }>
}

/** Node's Segmenter, or undefined where there is none. */
function segmenter(granularity: 'sentence' | 'grapheme'): Segments | undefined {
  return typeof Intl === 'object' && typeof Intl.Segmenter === 'function'
    ? new Intl.Segmenter(undefined, { granularity })
    : undefined
}

/** Latin, CJK and Indic full stops, with closing quotes. Stands in where there is no Segmenter. */
const SENTENCE = /[.!?…。！？।]["'”’)\]]*(?:\s|$)|[。！？।]/g

/** @internal Exported so that the fallback is tested where a Segmenter exists. */
export function sentenceEdge(
  window: string,
  direction: -1 | 1,
  segments: Segments | undefined = segmenter('sentence'),
): number | undefined {
  if (segments === undefined) return matchEdge(window, SENTENCE, direction)
  let found: number | undefined
  for (const { index } of segments.segment(window)) {
    if (index === 0) continue
    if (direction > 0) return index
    found = index
  }
  return found
}

/** Thirty-two units hold any cluster people write; a longer one is cut between code points. */
const CLUSTER = 32

/** @internal The nearest place that splits no user-perceived character. */
export function graphemeEdge(
  text: string,
  at: number,
  direction: -1 | 1,
  segments: Segments | undefined = segmenter('grapheme'),
): number {
  if (at <= 0 || at >= text.length) return Math.max(0, Math.min(at, text.length))
  const from = codePointEdge(text, Math.max(0, at - CLUSTER), -1)
  const window = text.slice(from, Math.min(text.length, at + CLUSTER))
  if (segments === undefined) {
    let edge = codePointEdge(text, at, direction)
    while (edge > 0 && edge < text.length && JOINED.test(text.slice(edge - 1, edge + 2)))
      edge = codePointEdge(text, edge + direction, direction)
    return edge
  }
  let before = from
  for (const { index } of segments.segment(window)) {
    const edge = from + index
    if (edge === at) return at
    if (edge > at) return direction < 0 ? before : edge
    before = edge
  }
  return direction < 0 ? before : codePointEdge(text, at, direction)
}

/** A combining mark, variation selector or joiner holds on to its neighbour. */
const JOINED = /^(?:\u200d|.(?:\p{M}|\u200d))/su

function codePointEdge(text: string, at: number, direction: -1 | 1): number {
  const low = text.charCodeAt(at)
  const high = text.charCodeAt(at - 1)
  const splits = low >= 0xdc00 && low <= 0xdfff && high >= 0xd800 && high <= 0xdbff
  return splits ? at + direction : at
}

// ------------------------------------------------------------------------------------------------ fences

const FENCE_LINE = /^[ \t]*(`{3,}|~{3,})(.*)$/gm

/** The fence that is open at the end of a text: its opening line and its marks. */
function openFence(text: string): { line: string; marks: string } | undefined {
  let open: { line: string; marks: string } | undefined
  for (const [line, marks = '', info = ''] of text.matchAll(FENCE_LINE)) {
    if (open === undefined) open = { line: line.trim(), marks }
    else if (marks.startsWith(open.marks) && info.trim() === '') open = undefined
  }
  return open
}

function closeFence(head: string): string {
  const open = openFence(head)
  return open === undefined ? head : `${head.trimEnd()}\n${open.marks}`
}

function reopenFence(text: string, start: number): string {
  const tail = text.slice(start)
  const open = openFence(text.slice(0, start))
  return open === undefined ? tail : `${open.line}\n${tail}`
}
