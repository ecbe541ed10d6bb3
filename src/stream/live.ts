/**
 * The lazy values of the two events that grow: `partial` of a tool call, `object` of structured output.
 *
 * In:  pieces of JSON text. Out: events whose accessor shows the value so far.
 * The accessors sit on the prototype: not own, not enumerable, so JSON.stringify and structuredClone leave them out.
 * They cost nothing until somebody looks: pieces are kept in an array, and the parser (json.ts) is made at the first
 * look and fed from there. All events of one call share one value, by reference.
 * Not here: deciding which piece belongs to which call (tool-calls.ts), and when a value is finished.
 */

import type { ObjectDeltaEvent, StreamEvent, ToolCallDeltaEvent } from '../types.ts'
import { createJsonParser, type JsonParser } from './json.ts'

/** JSON text that grows, parsed only when its value is asked for. */
export class LiveJson {
  #pieces: string[] = []
  #parser: JsonParser | undefined
  /** Pieces the parser has read. */
  #read = 0
  #settled = false
  #value: unknown

  /** Adds text. */
  append(piece: string): void {
    if (piece !== '') this.#pieces.push(piece)
  }

  /** All text so far. */
  get text(): string {
    return this.#pieces.join('')
  }

  /** True while there is no text. */
  get empty(): boolean {
    return this.#pieces.length === 0
  }

  /** True when the text is one whole JSON value. */
  get complete(): boolean {
    return this.#settled || this.#fed().complete
  }

  /** True when somebody has looked, so that a whole `value` is to hand and needs no second parse. */
  get parsed(): boolean {
    return this.#parser !== undefined
  }

  /** The value so far: live, read-only, by reference. Text that is no JSON stays at what was readable before it. */
  get value(): unknown {
    return this.#settled ? this.#value : this.#fed().value
  }

  /** Nothing follows: `value` is final, and the text is let go. */
  settle(value: unknown): void {
    this.#settled = true
    this.#value = value
    this.#pieces = []
    this.#parser = undefined
  }

  #fed(): JsonParser {
    this.#parser ??= createJsonParser({ maxBytes: Infinity })
    try {
      while (this.#read < this.#pieces.length) this.#parser.push(this.#pieces[this.#read++]!)
    } catch {
      // Not JSON. Whoever closes the value says so with the reason; a preview only stops growing.
      this.#read = Infinity
    }
    return this.#parser
  }
}

/** More of a tool call's arguments. */
export class ToolCallDelta implements ToolCallDeltaEvent {
  readonly type = 'tool-call-delta' as const
  readonly part: number
  readonly id: string
  readonly delta: string
  readonly #live: LiveJson

  constructor(part: number, id: string, delta: string, live: LiveJson) {
    this.part = part
    this.id = id
    this.delta = delta
    this.#live = live
  }

  get partial(): unknown {
    return this.#live.value
  }
}

/** Structured output grew. */
export class ObjectDelta implements ObjectDeltaEvent {
  readonly type = 'object-delta' as const
  readonly #live: LiveJson

  constructor(live: LiveJson) {
    this.#live = live
  }

  get object(): unknown {
    return this.#live.value
  }
}

/**
 * Gives events that crossed a wire their lazy values back: `partial` from the deltas of each call, `object` from
 * the text. One reviver per answer; events must come in order.
 */
export function createReviver(): (event: StreamEvent) => StreamEvent {
  let calls = new Map<number, LiveJson>()
  let text = new LiveJson()
  return (event) => {
    switch (event.type) {
      case 'tool-call-delta': {
        let live = calls.get(event.part)
        if (live === undefined) calls.set(event.part, (live = new LiveJson()))
        live.append(event.delta)
        return new ToolCallDelta(event.part, event.id, event.delta, live)
      }
      case 'tool-call': {
        calls.get(event.part)?.settle(event.args)
        return event
      }
      case 'text-delta':
        text.append(event.text)
        return event
      case 'object-delta':
        return new ObjectDelta(text)
      case 'restart':
        calls = new Map()
        text = new LiveJson()
        return event
      default:
        return event
    }
  }
}
