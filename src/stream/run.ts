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

/** Where a run is. `ended` and `failed` are final. */
type State = { is: 'open' } | { is: 'ended'; completion: Completion } | { is: 'failed'; error: LlmError }

const DONE: IteratorResult<StreamEvent, undefined> = { done: true, value: undefined }

/** Reads a source on behalf of one consumer. The run and its iterators point here; nothing here points back. */
class Delivery {
  readonly source: RunSource
  readonly sum = createAccumulator()
  state: State = { is: 'open' }
  consumer: Consumer | undefined
  /** True once content reached the consumer: from here on a failure is an interruption. */
  delivered = false
  /** Settles with the run. */
  readonly settled: Promise<Completion>
  #batch: readonly StreamEvent[] = []
  #head = 0
  /** The pull under way. */
  #turn: Promise<void> | undefined
  /** How many calls of next() are waiting, and the last of them. */
  #waiting = 0
  #last: Promise<unknown> | undefined
  /** Ends the pull under way when the run is stopped. */
  #interrupt: (() => void) | undefined
  #resolve!: (completion: Completion) => void
  #reject!: (error: LlmError) => void
  /** The failure was thrown to the consumer; what follows is the end. */
  #told = false

  constructor(source: RunSource) {
    this.source = source
    this.settled = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Whoever wants the failure asks for it: here it must not become an unhandled rejection.
    this.settled.catch(() => {})
    source.attach?.((error) => this.stop(error))
    // The request starts now, whether or not anybody is listening yet.
    void this.#pullOnce()
  }

  /** @throws LlmError `config` for a second consumer. */
  claim(consumer: Consumer): void {
    if (this.consumer !== undefined) {
      throw new LlmError({
        kind: 'config',
        message:
          `This stream is already being read by ${this.consumer}; it has one consumer. ` +
          'Read run.completion after the loop, or call stream() again.',
      })
    }
    this.consumer = consumer
  }

  /** The next event, at once when it is already decoded and nobody else is waiting for one. */
  next(): Promise<IteratorResult<StreamEvent, undefined>> {
    const event = this.takeNow()
    if (event !== undefined) return Promise.resolve({ done: false, value: event })
    // Calls of next() that overlap are answered in their order.
    const before = this.#waiting++ === 0 ? undefined : this.#last
    return (this.#last = this.#wait(before))
  }

  /** The next event, when that needs no waiting. */
  takeNow(): StreamEvent | undefined {
    return this.#waiting === 0 ? this.#take() : undefined
  }

  #take(): StreamEvent | undefined {
    if (this.#head >= this.#batch.length) return undefined
    const event = this.#batch[this.#head++]!
    this.sum.push(event)
    if (!this.delivered) this.delivered = isContent(event)
    if (event.type === 'finish') this.#end()
    return event
  }

  async #wait(before: Promise<unknown> | undefined): Promise<IteratorResult<StreamEvent, undefined>> {
    if (before !== undefined) await before.catch(() => {})
    try {
      for (;;) {
        const event = this.#take()
        if (event !== undefined) return { done: false, value: event }
        if (this.state.is === 'ended') return DONE
        if (this.state.is === 'failed') {
          if (this.#told) return DONE
          this.#told = true
          throw this.state.error
        }
        await this.#pullOnce()
      }
    } finally {
      this.#waiting--
    }
  }

  #pullOnce(): Promise<void> {
    return (this.#turn ??= this.#pull())
  }

  /** One batch. Never rejects: a failure becomes the state. */
  #pull(): Promise<void> {
    return new Promise((resolve) => {
      const over = (): void => {
        this.#turn = undefined
        resolve()
      }
      this.#interrupt = over
      const received = (batch: readonly StreamEvent[] | undefined): void => {
        if (this.state.is === 'open') {
          if (batch === undefined) this.#end()
          else {
            this.#batch = batch
            this.#head = 0
          }
        }
        over()
      }
      const failed = (error: unknown): void => {
        this.#fail(error)
        over()
      }
      try {
        this.source.next().then(received, failed)
      } catch (error) {
        failed(error)
      }
    })
  }

  #end(): void {
    if (this.state.is !== 'open') return
    let completion: Completion
    try {
      completion = this.sum.completion(this.source.facts())
    } catch (error) {
      this.#fail(error)
      return
    }
    this.state = { is: 'ended', completion }
    forget(this)
    this.source.ended?.({ completion })
    this.#resolve(completion)
  }

  #fail(cause: unknown): void {
    if (this.state.is !== 'open') return
    const error = this.source.fail(cause, this.sum.partial(this.source.facts()), this.delivered)
    this.state = { is: 'failed', error }
    forget(this)
    this.#batch = []
    this.source.ended?.({ error })
    this.#reject(error)
  }

  /** Ends the run from outside; what was decoded but not delivered is dropped. */
  stop(error: LlmError): void {
    if (this.state.is !== 'open') return
    this.#fail(error)
    this.source.cancel(error)
    this.#interrupt?.()
  }

  /** Reads to the end on behalf of `run.completion`. */
  async collect(): Promise<void> {
    while (this.state.is === 'open') {
      if (this.#take() === undefined) await this.#pullOnce()
    }
  }
}

function aborted(message: string, reason?: unknown): LlmError {
  return new LlmError({ kind: 'aborted', message, cause: reason })
}

/**
 * Cancels runs that nobody can read any more: dropped before they were read, or in the middle of a loop that was
 * left without `return()`. A backstop; the rules of the language release everything earlier in every other case.
 */
let abandoned: FinalizationRegistry<Delivery> | undefined

/** A run that is over needs no backstop. Its answer would otherwise be held until the engine next runs cleanups. */
function forget(delivery: Delivery): void {
  abandoned?.unregister(delivery)
}

/** Held by the run and its iterator. Nothing it leads to leads back to it, so it is collected with them. */
interface Handle {
  delivery: Delivery
}

/** A stream over a source. The source's first `next()` is called here: the request starts now. */
export function createRun<ObjectType = unknown>(source: RunSource): CompletionStream<ObjectType> {
  const delivery = new Delivery(source)
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
      if (delivery.consumer === undefined && delivery.state.is === 'open') collectUnlessClaimed(handle)
      return delivery.settled as Promise<Completion<ObjectType>>
    },
    get partial() {
      return delivery.state.is === 'ended' ? delivery.state.completion : delivery.sum.partial(source.facts())
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

/** A loop that starts in the same turn as `run.completion` is asked for is the consumer, not the collector. */
function collectUnlessClaimed(handle: Handle): void {
  void Promise.resolve().then(() => {
    if (handle.delivery.consumer !== undefined) return
    handle.delivery.consumer = 'run.completion'
    return handle.delivery.collect().then(() => handle)
  })
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
    const message =
      'The answer began anew, which text alone cannot say: loop over the stream instead of run.text.'
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
