/**
 * A response body as windows of at most 64 KiB.
 *
 * In:  a ReadableStream, the signal of its attempt, a cap on decoded bytes.
 * Out: one `Uint8Array` per `read()`, undefined at the end; pulled, never pushed, so backpressure reaches the socket.
 * The body is cancelled on every way out: releasing the lock alone leaves the socket open (measured). After the last
 * event it is drained a little instead, so that the connection can be used again.
 * `getReader()` rather than `for await`: Safari has no async iteration of streams, and `return()` there would wait for
 * a cancel that a hung server never answers.
 * Reads are callbacks, not async functions: of a token that arrives alone, every promise between the socket and the
 * loop is a part of its latency.
 * Not here: what the deadlines are (deadlines.ts), decompression (the runtime's; the cap counts what comes out).
 */

import { LlmError } from '../errors.ts'
import type { Clock } from '../types.ts'
import { onAbort } from './clock.ts'

/** What is decoded between two looks at the consumer. */
export const WINDOW_BYTES: number = 64 * 1024
/** Design default: 512 MiB of decoded bytes for one response. */
export const DEFAULT_RESPONSE_BYTES: number = 512 * 1024 * 1024

/** What may still come after the terminal marker before the connection is given up. */
const DRAIN_MS = 1000

/** A body being read. */
export interface Windows {
  /**
   * The next window; undefined at the end of the body.
   * @throws the signal's reason when it fires, `too-large` past the cap, or whatever the runtime throws for a lost
   *   connection.
   */
  read(): Promise<Uint8Array | undefined>
  /** Puts a window back, to be read next. */
  unread(window: Uint8Array): void
  /** Gives the body up; a pending read and all later ones reject with the reason. Never waits and never throws. */
  cancel(reason?: unknown): void
  /**
   * Reads what is left, for at most `maxMs` (1 s) and 64 KiB, then cancels.
   * @returns what came; never rejects, because how the connection ends does not matter any more.
   */
  drain(clock: Clock, maxMs?: number): Promise<Uint8Array>
}

/** How a body is read. */
export interface WindowsInit {
  signal: AbortSignal
  /** Cap on decoded bytes. Default 512 MiB. */
  maxBytes?: number | undefined
  /** Told when a read begins and when it ended. */
  watch?: { reading(): void; read(): void }
  /** What to make of the error of a lost connection. Default: nothing. */
  lost?: (error: unknown) => unknown
}

/** @param body null is read as empty. */
export function openWindows(body: ReadableStream<Uint8Array> | null, init: WindowsInit): Windows {
  const maxBytes = init.maxBytes ?? DEFAULT_RESPONSE_BYTES
  const reader = body?.getReader()
  /** What is left of a chunk larger than a window, or was put back. */
  let rest: Uint8Array | undefined
  let receivedBytes = 0
  let open = reader !== undefined
  let rejectRead: ((reason: unknown) => void) | undefined

  /** Why there is nothing more to read. Asking the signal twice per read is 3 % of a stream of single tokens (Node 20). */
  let stopped: { reason: unknown } | undefined
  // Replaced below; a signal that has already fired calls back before there is anything to stop.
  let stopListening = (): void => {}
  stopListening = onAbort(init.signal, cancel)

  function cancel(reason?: unknown): void {
    rest = undefined
    if (!open) return
    close()
    if (reason !== undefined) stopped = { reason }
    rejectRead?.(reason)
    // A hung server never confirms a cancel, and a broken body rejects it: neither is anybody's concern.
    reader?.cancel(reason).catch(() => {})
  }

  function close(): void {
    open = false
    stopListening()
  }

  function take(chunk: Uint8Array): Uint8Array {
    rest = chunk.byteLength > WINDOW_BYTES ? chunk.subarray(WINDOW_BYTES) : undefined
    return rest === undefined ? chunk : chunk.subarray(0, WINDOW_BYTES)
  }

  /** Rejects with the signal's reason even when a body of someone else's making never answers. */
  function read(): Promise<Uint8Array | undefined> {
    if (rest !== undefined) return Promise.resolve(take(rest))
    return new Promise((resolve, reject) => {
      if (stopped !== undefined) return reject(stopped.reason)
      if (reader === undefined || !open) return resolve(undefined)
      rejectRead = reject
      init.watch?.reading()
      reader.read().then(
        (result) => {
          init.watch?.read()
          try {
            const window = accept(result)
            // An empty chunk is no window, and not the end.
            if (window === undefined && open) read().then(resolve, reject)
            else resolve(window)
          } catch (error) {
            cancel(error)
            reject(error)
          }
        },
        (error: unknown) => {
          init.watch?.read()
          const why = stopped === undefined ? (init.lost?.(error) ?? error) : stopped.reason
          cancel(why)
          reject(why)
        },
      )
    })
  }

  function accept(result: { done: boolean; value?: Uint8Array | undefined }): Uint8Array | undefined {
    if (stopped !== undefined) throw stopped.reason
    if (result.done) {
      close()
      return undefined
    }
    const chunk = asBytes(result.value)
    receivedBytes += chunk.byteLength
    if (receivedBytes > maxBytes) {
      throw new LlmError({
        kind: 'too-large',
        phase: 'stream',
        message: `The response exceeds ${maxBytes} bytes; raise limits.responseBytes if that is meant to be.`,
      })
    }
    return chunk.byteLength === 0 ? undefined : take(chunk)
  }

  async function drain(clock: Clock, maxMs = DRAIN_MS): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    const timer = clock.setTimer(cancel, maxMs)
    try {
      for (let left = WINDOW_BYTES, window; left > 0 && (window = await read()) !== undefined;) {
        pieces.push(window.subarray(0, left))
        left -= window.byteLength
      }
    } catch {
      // Lost, or out of time: what came before is what there is.
    }
    clock.clearTimer(timer)
    cancel()
    return concat(pieces)
  }

  return {
    read,
    unread(window) {
      rest = rest === undefined ? window : concat([window, rest])
    },
    cancel,
    drain,
  }
}

function asBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  // Bodies of other realms (edge-vm, jsdom) and of home-made streams.
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  throw new LlmError({
    kind: 'protocol',
    phase: 'stream',
    message: 'The fetch or transport that was passed in returned a body of something other than bytes.',
  })
}

/** The pieces as one array; the piece itself when there is only one. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!
  let length = 0
  for (const piece of pieces) length += piece.byteLength
  const whole = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.byteLength
  }
  return whole
}
