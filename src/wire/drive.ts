/**
 * How a push decoder is driven: the rule about faults that every decoder in wire/ keeps, and the pull side for
 * programs that hold a body rather than a pipeline.
 *
 * In:  a decoding step over bytes, or a body and a decoder.
 * Out: a decoder that hands over what it had before it failed, or an async iterator over a body.
 * Not here: deadlines, retries and response caps (http/), and any knowledge of a format.
 */
import { LlmError } from '../errors.ts'

/** Bytes in, items out: the shape of `FrameDecoder` with the item left open. */
export interface PushDecoder<T> {
  push(chunk: Uint8Array): T[]
  end(): T[]
}

/**
 * Makes a `PushDecoder` of one step that appends to `out` and throws on bad input; `undefined` stands for the end.
 *
 * Items decoded before the bad byte are returned first and the fault is thrown by the next call, so what a caller
 * receives depends on the bytes alone and not on how the network cut them. A fault is final: every later call throws
 * it again (pushing an empty chunk is how to ask). After `end()` a decoder is spent, and using it again throws kind
 * `config`.
 */
export function deliverBeforeFault<T>(
  step: (chunk: Uint8Array | undefined, out: T[]) => void,
): PushDecoder<T> {
  let fault: unknown
  function run(chunk: Uint8Array | undefined): T[] {
    if (fault !== undefined) throw fault
    const out: T[] = []
    try {
      step(chunk, out)
    } catch (error) {
      fault = error
      if (out.length === 0) throw error
    }
    return out
  }
  return {
    push: run,
    end() {
      const out = run(undefined)
      fault ??= new LlmError({
        kind: 'config',
        message: 'This decoder has already ended; create one decoder per response body.',
      })
      return out
    },
  }
}

const EMPTY: Uint8Array = /* @__PURE__ */ new Uint8Array(0)

/** How far ahead of the consumer one body is decoded, in bytes. */
const WINDOW_BYTES = 64 * 1024

/**
 * Iterates over the items of a body: reads it only when asked, decodes at most 64 KiB ahead of the consumer, and
 * cancels it at once on `break`, `throw` and `return` (without waiting for a cancel that hangs).
 *
 * A hand-written iterator over a head-index queue: one promise per item, none per layer.
 *
 * @throws LlmError `config` when the body is already being read; `interrupted` when reading fails; `aborted` when it
 *   fails with an AbortError; and whatever the decoder throws.
 */
export function iterateBody<T>(
  body: ReadableStream<Uint8Array>,
  decoder: PushDecoder<T>,
): AsyncIterableIterator<T> {
  if (body.locked) {
    throw new LlmError({
      kind: 'config',
      message: 'This body is already being read; a response body can be consumed only once.',
    })
  }
  const reader = body.getReader()
  let queue: T[] = []
  let head = 0
  let chunk: Uint8Array | undefined
  let offset = 0
  let state: 'open' | 'ended' | 'closed' = 'open'
  let pending: Promise<unknown> | undefined

  function close(): void {
    if (state === 'closed') return
    const drained = state === 'ended'
    state = 'closed'
    queue = []
    head = 0
    chunk = undefined
    const unlock = (): void => reader.releaseLock()
    if (drained) unlock()
    else reader.cancel().then(unlock, unlock)
  }

  /** Decodes until something is queued or the body is over. */
  async function fill(): Promise<void> {
    try {
      while (state === 'open' && head === queue.length) {
        if (chunk === undefined) {
          // Throws a fault that was held back for the items before it, rather than wait for a socket to say more.
          decoder.push(EMPTY)
          const read = await reader.read().catch((cause: unknown) => {
            throw readFault(cause)
          })
          if (state !== 'open') return
          if (read.done) {
            state = 'ended'
            queue = decoder.end()
            head = 0
            return
          }
          chunk = read.value
          offset = 0
        }
        const next = Math.min(offset + WINDOW_BYTES, chunk.length)
        queue = decoder.push(offset === 0 && next === chunk.length ? chunk : chunk.subarray(offset, next))
        head = 0
        offset = next
        if (offset === chunk.length) chunk = undefined
      }
    } catch (error) {
      close()
      throw error
    }
  }

  function take(): IteratorResult<T, undefined> {
    if (head < queue.length) return { done: false, value: queue[head++] as T }
    close()
    return { done: true, value: undefined }
  }

  return {
    [Symbol.asyncIterator]() {
      return this
    },
    next() {
      // A caller may ask again before it was answered; requests queue up in order behind the pending read.
      if (pending === undefined && (head < queue.length || state !== 'open')) return Promise.resolve(take())
      const asked = (pending ?? Promise.resolve()).then(fill).then(take)
      const settled = asked.then(ignore, ignore).then(() => {
        if (pending === settled) pending = undefined
      })
      pending = settled
      return asked
    },
    return() {
      close()
      return Promise.resolve({ done: true, value: undefined })
    },
    throw(error: unknown) {
      close()
      return Promise.reject(error)
    },
  }
}

function ignore(): void {}

function readFault(cause: unknown): unknown {
  if (LlmError.is(cause)) return cause
  if (cause instanceof Error && cause.name === 'AbortError') {
    return new LlmError({ kind: 'aborted', message: 'Reading the response body was aborted.', cause })
  }
  return new LlmError({
    kind: 'interrupted',
    message: 'The connection broke while the response body was being read; what arrived before is complete.',
    cause,
  })
}
