/**
 * Every way a network may cut the same bytes, and one function that feeds them to a push decoder.
 *
 * In: bytes. Out: lists of chunks whose concatenation is the bytes. Used by every test of wire/.
 */
import type { PushDecoder } from '../../src/wire/drive.ts'

/** A reproducible generator of numbers in [0, 1) (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Chunks of random sizes, empty ones among them. */
export function randomSplit(bytes: Uint8Array, random: () => number): Uint8Array[] {
  const chunks: Uint8Array[] = []
  // A handful of pieces, or pieces of a few bytes: both ends of what sockets do.
  const typical = random() < 0.5 ? 4 : Math.max(1, Math.ceil(bytes.length / (1 + random() * 8)))
  for (let at = 0; at < bytes.length;) {
    const size = Math.floor(random() * 2 * typical)
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

/**
 * Whole, byte by byte (with empty chunks between), and every two-way split for fewer than 512 bytes; whole and 20
 * seeded splits for more.
 */
export function* splits(bytes: Uint8Array): Generator<{ name: string; chunks: Uint8Array[] }> {
  yield { name: 'whole', chunks: [bytes] }
  if (bytes.length >= 512) {
    for (let seed = 1; seed <= 20; seed += 1) {
      yield { name: `seed ${seed}`, chunks: randomSplit(bytes, seeded(seed)) }
    }
    return
  }
  const empty = new Uint8Array(0)
  const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
  yield { name: 'byte by byte', chunks: single }
  yield { name: 'byte by byte, empty chunks between', chunks: single.flatMap((one) => [empty, one, empty]) }
  for (let at = 1; at < bytes.length; at += 1) {
    yield { name: `cut at ${at}`, chunks: [bytes.subarray(0, at), bytes.subarray(at)] }
  }
}

/**
 * Feeds the chunks and ends. Each chunk is a copy that is overwritten once pushed, as a reader with one reused buffer
 * would do it: a decoder that keeps views instead of bytes fails.
 */
export function feed<T>(decoder: PushDecoder<T>, chunks: Iterable<Uint8Array>): T[] {
  const items: T[] = []
  for (const chunk of chunks) {
    const copy = new Uint8Array(chunk)
    for (const item of decoder.push(copy)) items.push(item)
    copy.fill(0x58)
  }
  for (const item of decoder.end()) items.push(item)
  return items
}

/** As `feed`, but what a fault leaves behind: the items before it, and the fault. */
export function feedUntilFault<T>(
  decoder: PushDecoder<T>,
  chunks: Iterable<Uint8Array>,
): { items: T[]; fault: unknown } {
  const items: T[] = []
  try {
    for (const chunk of chunks) for (const item of decoder.push(chunk)) items.push(item)
    for (const item of decoder.end()) items.push(item)
    // A fault found in the last call was held back for the items before it.
    decoder.end()
  } catch (fault) {
    return { items, fault }
  }
  return { items, fault: undefined }
}

/** A body that hands out the given chunks one read at a time and tells whether it was cancelled. */
export function bodyOf(chunks: readonly Uint8Array[]): {
  body: ReadableStream<Uint8Array>
  reads: () => number
  cancelled: () => number
} {
  let reads = 0
  let cancelled = 0
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const chunk = chunks[reads]
        if (chunk === undefined) controller.close()
        else {
          reads += 1
          controller.enqueue(chunk)
        }
      },
      cancel() {
        cancelled += 1
      },
    },
    { highWaterMark: 0 },
  )
  return { body, reads: () => reads, cancelled: () => cancelled }
}

/** UTF-8. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text)
}

/** Bytes of a hex string; white space is for the eye. */
export function unhex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '')
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  )
}
