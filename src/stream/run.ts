/**
 * CompletionStream: one answer on its way, and whoever reads it.
 *
 * In:  a source of batches of events, one batch per 64 KiB window. Out: `run`, `run.text`, `run.completion`, …
 * A batch is decoded synchronously and read from its head index by one hand-written async iterator: no generator, no
 * TransformStream, no `Array.shift`, no promise between layers. Per event that is 0.2–0.5 µs where a chain of web
 * streams takes 8–20 (Node 20). Nothing is decoded ahead beyond the batch at hand, so backpressure reaches the socket.
 * The accumulator is fed on delivery: `partial` is what the consumer saw, no more and no less.
 * Not here: where batches come from (client.ts), SSE on the way out (sse-wire.ts).
 */

import { LlmError } from '../errors.ts'
import type { Completion, CompletionStream, PartialCompletion, StreamEvent } from '../types.ts'
import { createAccumulator, type Facts } from './accumulate.ts'
import { isContent } from './content.ts'
import { eventsToResponse, eventsToSSE } from './sse-wire.ts'

/** What feeds a run. */
export interface RunSource {
  /**
   * Told once, before the first `next`, how to end the run from within: the caller's signal fired, or the time is up.
   * What was decoded but not delivered is dropped, because whoever aborts wants no more events.
   */
  attach?(stop: (error: LlmError) => void): void
  /**
   * The next events; undefined when the answer is whole. Called only when the batch before is used up, and never
   * again after it resolved to undefined or rejected.
   */
  next(): Promise<readonly StreamEvent[] | undefined>
  /** Stops everything and frees what is held. `next` may then settle or not. Never throws. */
  cancel(error: LlmError): void
  /** What events do not say. */
  facts(): Facts
  /** Dresses a failure: `delivered` tells whether content had reached the consumer. */
  fail(error: unknown, partial: PartialCompletion, delivered: boolean): LlmError
  /** Told once how it ended. */
  ended?(outcome: { completion: Completion } | { error: LlmError }): void
}

/**
 * How one client of this library asks another for a call's batches, instead of its events one by one: the key of
 * `(input, options) => RunSource`. Shared by every copy of this file in a process.
 */
export const SOURCE: unique symbol = /* @__PURE__ */ Symbol.for('llmswap.source') as never

/** The one consumer a run may have. */
type Consumer = 'the loop' | 'run.text' | 'run.toSSE()' | 'run.toResponse()' | 'run.completion'

const DONE: IteratorResult<StreamEvent, undefined> = { done: true, value: undefined }

/** A source being read on behalf of one consumer. */
interface Delivery {
  /** @throws LlmError `config` for a second consumer. */
  claim(consumer: Consumer): void
  /** The next event, at once when it is already decoded and nobody else is waiting for one. */
  next(): Promise<IteratorResult<StreamEvent, undefined>>
  /** The next event, when that needs no waiting. */
  takeNow(): StreamEvent | undefined
  /** The answer so far; of one that is whole, the answer. */
  partial(): PartialCompletion
  /** Ends the run from outside; what was decoded but not delivered is dropped. */
  stop(error: LlmError): void
  /** Reads to the end on behalf of `run.completion`, unless somebody else has begun to read. */
  collect(): Promise<unknown>
  /** Settles with the run. */
  settled: Promise<Completion>
}

/** Begins to read. The run and its iterators point to what this returns; nothing here points back. */
function deliver(source: RunSource): Delivery {
  const sum = createAccumulator()
  let consumer: Consumer | undefined
  /** True once content reached the consumer: from here on a failure is an interruption. */
  let delivered = false
  let batch: readonly StreamEvent[] = []
  let head = 0
  /** The pull under way, and how to end it when the run is stopped. */
  let turn: Promise<void> | undefined
  let interrupt = (): void => {}
  /** How many calls of next() are waiting, and the last of them. */
  let waiting = 0
  let last: Promise<unknown> | undefined
  /** How the run ended; the failure is thrown to the consumer once, what follows is the end. */
  let open = true
  let answer: Completion | undefined
  let failure: LlmError | undefined
  let resolve!: (completion: Completion) => void
  let reject!: (error: LlmError) => void
  const settled = new Promise<Completion>((...settle) => {
    ;[resolve, reject] = settle
  })
  // Whoever wants the failure asks for it: here it must not become an unhandled rejection.
  settled.catch(() => {})

  function take(): StreamEvent | undefined {
    if (head >= batch.length) return undefined
    const event = batch[head++]!
    sum.push(event)
    if (!delivered) delivered = isContent(event)
    if (event.type === 'finish') end()
    return event
  }

  function takeNow(): StreamEvent | undefined {
    return waiting === 0 ? take() : undefined
  }

  async function wait(before: Promise<unknown> | undefined): Promise<IteratorResult<StreamEvent, undefined>> {
    if (before !== undefined) await before.catch(() => {})
    try {
      for (;;) {
        const event = take()
        if (event !== undefined) return { done: false, value: event }
        if (!open) {
          const error = failure
          failure = undefined
          if (error !== undefined) throw error
          return DONE
        }
        await pullOnce()
      }
    } finally {
      waiting--
    }
  }

  function pullOnce(): Promise<void> {
    return (turn ??= pull())
  }

  /** One batch. Never rejects: a failure ends the run. */
  function pull(): Promise<void> {
    return new Promise((over) => {
      const done = (): void => {
        turn = undefined
        over()
      }
      interrupt = done
      const received = (more: readonly StreamEvent[] | undefined): void => {
        if (open) {
          if (more === undefined) end()
          else {
            batch = more
            head = 0
          }
        }
        done()
      }
      const failed = (error: unknown): void => {
        fail(error)
        done()
      }
      try {
        source.next().then(received, failed)
      } catch (error) {
        failed(error)
      }
    })
  }

  function end(): void {
    if (!open) return
    try {
      answer = sum.completion(source.facts())
    } catch (error) {
      return fail(error)
    }
    close()
    source.ended?.({ completion: answer })
    resolve(answer)
  }

  function fail(cause: unknown): void {
    if (!open) return
    const error = source.fail(cause, sum.partial(source.facts()), delivered)
    failure = error
    close()
    batch = []
    source.ended?.({ error })
    reject(error)
  }

  function close(): void {
    open = false
    // A run that is over needs no backstop. Its answer would otherwise be held until the engine next runs cleanups.
    abandoned?.unregister(delivery)
  }

  const delivery: Delivery = {
    claim(by) {
      if (consumer !== undefined) {
        throw new LlmError({
          kind: 'config',
          message:
            `This stream is already being read by ${consumer}; it has one consumer: read run.completion after it, ` +
            'or call stream() again.',
        })
      }
      consumer = by
    },
    next() {
      const event = takeNow()
      if (event !== undefined) return Promise.resolve({ done: false, value: event })
      // Calls of next() that overlap are answered in their order.
      const before = waiting++ === 0 ? undefined : last
      return (last = wait(before))
    },
    takeNow,
    partial: () => answer ?? sum.partial(source.facts()),
    stop(error) {
      if (!open) return
      fail(error)
      source.cancel(error)
      interrupt()
    },
    async collect() {
      // A loop that starts in the same turn as `run.completion` is asked for is the consumer, not the collector.
      await undefined
      if (consumer !== undefined || !open) return
      consumer = 'run.completion'
      for (;;) {
        if (!open) return
        if (take() === undefined) await pullOnce()
      }
    },
    settled,
  }
  source.attach?.(delivery.stop)
  // The request starts now, whether or not anybody is listening yet.
  void pullOnce()
  return delivery
}

function aborted(message: string, reason?: unknown): LlmError {
  return new LlmError({ kind: 'aborted', message, cause: reason })
}

/**
 * Cancels runs that nobody can read any more: dropped before they were read, or in the middle of a loop that was
 * left without `return()`. A backstop; the rules of the language release everything earlier in every other case.
 */
let abandoned: FinalizationRegistry<Delivery> | undefined

/** Held by the run and its iterator. Nothing it leads to leads back to it, so it is collected with them. */
interface Handle {
  delivery: Delivery
}

/** A stream over a source. The source's first `next()` is called here: the request starts now. */
export function createRun<ObjectType = unknown>(source: RunSource): CompletionStream<ObjectType> {
  const delivery = deliver(source)
  const handle: Handle = { delivery }
  if (typeof FinalizationRegistry === 'function') {
    abandoned ??= new FinalizationRegistry((lost) =>
      lost.stop(aborted('The stream was dropped before its end.')),
    )
    abandoned.register(handle, delivery, delivery)
  }

  const run: CompletionStream<ObjectType> = {
    [Symbol.asyncIterator]() {
      delivery.claim('the loop')
      return iterate(handle)
    },
    get text() {
      return { [Symbol.asyncIterator]: () => iterateText(handle) }
    },
    get completion() {
      // The handle is kept for as long as it takes: nobody may have kept the run.
      void delivery.collect().then(() => handle)
      return delivery.settled as Promise<Completion<ObjectType>>
    },
    get partial() {
      return delivery.partial()
    },
    abort(reason) {
      delivery.stop(aborted('The call was aborted.', reason))
    },
    toSSE(options) {
      delivery.claim('run.toSSE()')
      return eventsToSSE(iterate(handle), options)
    },
    async toResponse(init) {
      delivery.claim('run.toResponse()')
      return eventsToResponse(iterate(handle), init)
    },
  }
  // Not in every runtime yet, and not in the types of those that lack it.
  const { asyncDispose } = Symbol as { asyncDispose?: symbol }
  if (asyncDispose !== undefined) {
    Object.defineProperty(run, asyncDispose, {
      value: async () => delivery.stop(aborted('The stream was disposed of before its end.')),
    })
  }
  return run
}

/** Reads events one by one; leaving the loop early stops the call. */
function iterate(handle: Handle): AsyncIterator<StreamEvent, undefined, undefined> {
  return {
    next: () => handle.delivery.next(),
    return() {
      handle.delivery.stop(aborted('The loop over the stream was left before its end.'))
      return Promise.resolve(DONE)
    },
    throw(error) {
      handle.delivery.stop(aborted('The loop over the stream threw before its end.', error))
      return Promise.reject(error)
    },
  }
}

function iterateText(handle: Handle): AsyncIterator<string, undefined, undefined> {
  const { delivery } = handle
  delivery.claim('run.text')
  const events = iterate(handle)

  /** The text of an event that has some. */
  function textOf(event: StreamEvent): string | undefined {
    if (event.type === 'text-delta') return event.text
    if (event.type !== 'restart') return undefined
    const message = 'The answer began anew, which run.text cannot say: loop over the stream instead.'
    const error = new LlmError({ kind: 'interrupted', message })
    delivery.stop(error)
    throw error
  }

  async function wait(): Promise<IteratorResult<string, undefined>> {
    for (;;) {
      const result = await events.next()
      if (result.done === true) return result
      const text = textOf(result.value)
      if (text !== undefined) return { done: false, value: text }
    }
  }

  return {
    next() {
      for (let event; (event = delivery.takeNow()) !== undefined;) {
        if (event.type === 'text-delta') return Promise.resolve({ done: false, value: event.text })
        if (event.type === 'restart') return Promise.resolve(event).then(textOf as never)
      }
      return wait()
    },
    return: () => events.return!() as Promise<IteratorReturnResult<undefined>>,
    throw: (error) => events.throw!(error) as Promise<never>,
  }
}
