/**
 * Bytes to lines: what SSE and NDJSON have in common.
 *
 * In:  chunks of a UTF-8 body, cut anywhere. Out: decoded text in windows of whole lines, each line ending in LF.
 * Not here: what a line means. Costs are linear in the bytes received, for a 1 MB line in 16-byte reads too.
 *
 * Why not simply `TextDecoder` with `stream: true`: on Node ≤ 24 that leaves V8's decoder for ICU's, which takes
 * 250–480 ns for an event of ASCII instead of 50–170. A line end is never inside a multi-byte sequence, so decoding
 * whole lines without state gives the very same text, U+FFFD for U+FFFD.
 */
import { LlmError } from '../errors.ts'

const LF = 10
const CR = 13

/**
 * Windows are decoded at most this long. V8 decodes ASCII at 7 GB/s up to the first other character and at 0.8 GB/s
 * from there to the end of the window, and one character above U+00FF makes the whole string two-byte; 8 KiB keeps
 * both local and still holds some thirty events.
 */
const WINDOW_BYTES = 8 * 1024

/** Above this, text that is not ASCII is decoded faster by ICU (1.2 GB/s), which `stream: true` selects on Node ≤ 24. */
const WIDE_BYTES = 1024

/**
 * An unfinished line is kept as bytes up to this size and decoded piece by piece beyond. Copying a growing line into
 * ever larger buffers would be linear on paper, but every fresh megabyte costs its page faults.
 */
const CARRY_BYTES = 16 * 1024

const STREAM = { stream: true }

/** Default longest event: 64 MiB. Image events of 40 MB exist, and a widely used 8 MiB cap was taken back within a day. */
export const DEFAULT_MAX_EVENT_BYTES: number = 64 * 1024 * 1024

/**
 * Creates the reader of one body: takes its chunks, and `undefined` for its end, which ends an unfinished line. A BOM at the
 * very start is removed, and only there.
 *
 * @param maxLineBytes longest line in bytes, without its line end.
 * @param carriageReturns whether CR and CRLF end a line too (SSE); otherwise a CR is ordinary text (NDJSON).
 * @param onLines called with one or more complete lines, each ending in LF; CR and CRLF have become LF where they end lines.
 * @throws LlmError kind `too-large`, from the reader, when a line grows past `maxLineBytes`.
 */
export function createLineReader(
  maxLineBytes: number,
  carriageReturns: boolean,
  onLines: (text: string) => void,
): (chunk: Uint8Array | undefined) => void {
  // ignoreBOM: a stateless decode would otherwise eat a BOM at the start of every window, which is data.
  const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })
  // Never longer than a legal line: then only a window that is one single line can break the limit.
  const windowBytes = Math.min(WINDOW_BYTES, maxLineBytes)
  // The unfinished line: its decoded beginning (usually none) and the bytes behind it.
  let begun = ''
  let begunBytes = 0
  let carry: Uint8Array = new Uint8Array(256)
  let carried = 0
  let endedInCr = false
  let atStart = true
  // Whether the last window held more than ASCII; the next one is likely to be in the same language.
  let wide = false

  /** `bytes` end where a character ends, so a decoder that could keep state has none to keep. */
  function decode(bytes: Uint8Array): string {
    const text = decoder.decode(bytes, wide && bytes.length > WIDE_BYTES ? STREAM : undefined)
    wide = text.length !== bytes.length
    if (!atStart) return text
    atStart = false
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  }

  function emit(text: string): void {
    onLines(carriageReturns && text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text)
  }

  function append(bytes: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to;) {
      if (carried === CARRY_BYTES) decodeBeginning()
      const end = Math.min(to, at + CARRY_BYTES - carried)
      const length = carried + end - at
      if (length > carry.length) {
        const grown = new Uint8Array(Math.min(CARRY_BYTES, Math.max(length, 2 * carry.length)))
        grown.set(carry.subarray(0, carried))
        carry = grown
      }
      carry.set(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end), carried)
      carried = length
      at = end
    }
  }

  function decodeBeginning(): void {
    const cut = characterEnd(carry, carried)
    begun += decode(carry.subarray(0, cut))
    begunBytes += cut
    carry.copyWithin(0, cut, carried)
    carried -= cut
  }

  /** The carried line is complete. */
  function emitCarry(): void {
    emit(begun + decode(carry.subarray(0, carried)))
    begun = ''
    begunBytes = carried = 0
  }

  function limit(lineBytes: number): void {
    if (lineBytes > maxLineBytes) throw eventTooLarge(maxLineBytes)
  }

  /** Index of the first line end in [from, to), which holds one. */
  function lineEnd(bytes: Uint8Array, from: number, to: number): number {
    if (!carriageReturns) return bytes.indexOf(LF, from)
    let at = from
    while (at < to - 1 && bytes[at] !== LF && bytes[at] !== CR) at += 1
    return at
  }

  /** One past the last line end of the chunk, 0 if there is none. */
  function lastLineEnd(chunk: Uint8Array): number {
    const afterLf = chunk.lastIndexOf(LF) + 1
    if (!carriageReturns || afterLf === chunk.length) return afterLf
    // Only what follows the last LF is searched: a body that ends its lines in LF pays for its unfinished tail alone.
    return afterLf + (afterLf === 0 ? chunk : chunk.subarray(afterLf)).lastIndexOf(CR) + 1
  }

  return (chunk) => {
    if (chunk === undefined) {
      if (carried === 0) return
      append(Uint8Array.of(LF), 0, 1)
      emitCarry()
      return
    }
    const { length } = chunk
    if (length === 0) return
    // The CR of a CRLF ended its line in the chunk before; this LF is its other half.
    let at = endedInCr && chunk[0] === LF ? 1 : 0
    endedInCr = carriageReturns && chunk[length - 1] === CR
    const cut = lastLineEnd(chunk)

    if (carried > 0 && at < cut) {
      const end = lineEnd(chunk, at, cut)
      limit(begunBytes + carried + end - at)
      append(chunk, at, end + 1)
      emitCarry()
      at = afterLineEnd(chunk, end)
    }
    while (at < cut) {
      let end = cut - 1
      if (cut - at > windowBytes) {
        const lf = chunk.subarray(at, at + windowBytes).lastIndexOf(LF)
        end = lf === -1 ? lineEnd(chunk, at, cut) : at + lf
        if (lf === -1) limit(end - at)
      }
      emit(decode(at === 0 && end + 1 === length ? chunk : chunk.subarray(at, end + 1)))
      at = afterLineEnd(chunk, end)
    }
    if (at < length) {
      limit(begunBytes + carried + length - at)
      append(chunk, at, length)
    }
  }
}

/** Where the next line starts, given the index of a line end: behind the LF of a CRLF too. */
function afterLineEnd(bytes: Uint8Array, end: number): number {
  return bytes[end] === CR && bytes[end + 1] === LF ? end + 2 : end + 1
}

/**
 * The largest cut ≤ `length` that is not inside a character: behind an ASCII byte, before a leading byte, or behind
 * three continuation bytes, which is as many as a character has.
 */
function characterEnd(bytes: Uint8Array, length: number): number {
  for (let cut = length; cut > length - 4; cut -= 1) {
    const last = bytes[cut - 1]!
    if (last < 0x80) return cut
    if (last >= 0xc0) return cut - 1
  }
  return length - 1
}

/** The error of every per-event limit in wire/. */
export function eventTooLarge(maxBytes: number): LlmError {
  return new LlmError({
    kind: 'too-large',
    message: `One event of the response is larger than ${maxBytes} bytes; raise limits.eventBytes if that is expected.`,
  })
}
