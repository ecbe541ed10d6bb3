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
  /** What was read and is not decoded yet. */
  let chunk = EMPTY
  let open = true
  /** Calls of next() that wait, and the last of them. */
  let waiting = 0
  let last: Promise<unknown> = Promise.resolve()

  const unlock = (): void => reader.releaseLock()

  function close(): void {
    open = false
    queue = []
    reader.cancel().then(unlock, unlock)
  }

  /** Decodes until something is queued or the body is over. */
  async function fill(): Promise<void> {
    try {
      while (open && head >= queue.length) {
        head = 0
        if (chunk.length === 0) {
          // Throws a fault that was held back for the items before it, rather than wait for a socket to say more.
          queue = decoder.push(EMPTY)
          const { done, value } = await reader.read().catch(broken)
          if (!open) return
          if (done) {
            open = false
            unlock()
            queue = decoder.end()
            return
          }
          chunk = value
        }
        queue = decoder.push(chunk.length > WINDOW_BYTES ? chunk.subarray(0, WINDOW_BYTES) : chunk)
        chunk = chunk.length > WINDOW_BYTES ? chunk.subarray(WINDOW_BYTES) : EMPTY
      }
    } catch (error) {
      close()
      throw error
    }
  }

  const take = (): IteratorResult<T, undefined> =>
    head < queue.length ? { done: false, value: queue[head++] as T } : { done: true, value: undefined }

  return {
    [Symbol.asyncIterator]() {
      return this
    },
    next() {
      if (waiting === 0 && (head < queue.length || !open)) return Promise.resolve(take())
      // A caller may ask again before it was answered; requests queue up in order behind the pending read.
      waiting++
      const answer = last.then(fill).then(take)
      last = answer.catch(ignore).then(() => void waiting--)
      return answer
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

function broken(cause: unknown): never {
  if (LlmError.is(cause)) throw cause
  const isAbort = cause instanceof Error && cause.name === 'AbortError'
  throw new LlmError({
    kind: isAbort ? 'aborted' : 'interrupted',
    message: isAbort
      ? 'Reading the response body was aborted.'
      : 'The connection broke while the response body was being read; what arrived before is complete.',
    cause,
  })
}
