/**
 * What a client knows after some bytes of a body. In: a provider and bytes, in any pieces. Out: frames, events, the text
 * so far, and the JSON of the tool call that is being written, all from the library's own parsers. The page draws this and
 * the test compares it, byte by byte, with the same parsers run elsewhere.
 */
import type { Frame, Provider } from '../../provider.ts'
import type { StreamEvent } from '../../types.ts'

/** Everything a page can show of a half-arrived stream. */
export interface Arrived {
  readonly frames: readonly Frame[]
  readonly events: readonly StreamEvent[]
  readonly text: string
  readonly reasoning: string
  /** Raw arguments of the tool call being written, and the value they show so far. */
  readonly json:
    | { readonly name: string; readonly raw: string; readonly value: unknown; readonly finished: boolean }
    | undefined
  /** What the provider's error said, when the stream held one. */
  readonly error: string | undefined
  /** The provider's own mark of the end was seen. */
  readonly done: boolean
}

/** Feeds the pieces to the provider's frame decoder and event decoder. `ended`: the body is over. */
export function arrive(provider: Provider, pieces: readonly Uint8Array[], ended: boolean): Arrived {
  const framing = provider.frames()
  const decoder = provider.decoder()
  const frames: Frame[] = []
  const events: StreamEvent[] = []
  let text = ''
  let reasoning = ''
  let json: Arrived['json']
  let error: string | undefined
  const take = (more: readonly StreamEvent[]): void => {
    for (const event of more) {
      events.push(event)
      if (event.type === 'text-delta') text += event.text
      if (event.type === 'reasoning-delta') reasoning += event.text
      if (event.type === 'tool-call-start')
        json = { name: event.name, raw: '', value: undefined, finished: false }
      if (event.type === 'tool-call-delta' && json !== undefined) {
        // `partial` is live: it is copied as it is now, for the next delta will change it.
        json = { ...json, raw: json.raw + event.delta, value: structuredClone(event.partial) }
      }
      if (event.type === 'tool-call' && json !== undefined)
        json = { ...json, finished: true, value: 'args' in event ? event.args : event.invalid }
    }
  }
  try {
    for (const piece of pieces)
      for (const frame of framing.push(piece)) {
        frames.push(frame)
        take(decoder.push(frame))
      }
    if (ended) {
      for (const frame of framing.end()) {
        frames.push(frame)
        take(decoder.push(frame))
      }
      take(decoder.end())
    }
  } catch (cause) {
    error = cause instanceof Error ? cause.message : String(cause)
  }
  return { frames, events, text, reasoning, json, error, done: decoder.done }
}

/** Bytes cut at the given places. */
export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const edges = [0, ...places, bytes.length]
  return edges.slice(1).map((end, i) => bytes.subarray(edges[i], end))
}
