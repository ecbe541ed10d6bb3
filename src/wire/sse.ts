/**
 * Server-sent events, decoded by hand.
 *
 * In:  chunks of a `text/event-stream` body, cut anywhere. Out: frames `{ event, data, id?, retry? }`.
 * The rules are WHATWG HTML §9.2.6 "Interpreting an event stream", with one deliberate difference: the end of the body
 * also ends the last line and the last event, because servers that forget the final blank line are common and a
 * client of a language model must not lose their last event.
 * Not here: reconnecting, JSON, and what `[DONE]` means (that is the provider's business).
 */
import type { Frame, FrameDecoder } from '../provider.ts'
import { deliverBeforeFault, iterateBody } from './drive.ts'
import { createLineReader, DEFAULT_MAX_EVENT_BYTES, eventTooLarge } from './lines.ts'

/**
 * A dispatched event. `event` is 'message' when the stream names none. `id` is the stream's last event id, which
 * stays in force for later events, absent while it is empty. `retry` is the reconnection time in milliseconds,
 * present on the first event after the stream changed it.
 */
export type SseFrame = Pick<Frame, 'event' | 'data' | 'id' | 'retry'>

/** Limits and dialect of one decoder. */
export interface SseOptions {
  /**
   * Longest line in bytes, and longest event data in UTF-16 units. Default 64 MiB.
   */
  maxEventBytes?: number | undefined
  /**
   * Names of fields outside the standard that are delivered as a frame of their own, `{ event: name, data: value }`,
   * as soon as their line ends. GPUStack reports failures as a line `error: {…}` in the middle of a 200 stream.
   * Default none: the standard says to ignore unknown fields.
   */
  fields?: readonly string[] | undefined
}

const LF = 10
const SPACE = 32

/**
 * Creates the decoder of one body: `push` every chunk, then `end` once.
 *
 * The strings of a frame may be slices of the decoded window (8 KiB, or one longer line) and keep it alive; copy what
 * you store for long.
 *
 * @throws LlmError kind `too-large`, from `push`, when an event exceeds `maxEventBytes`. Events before it are returned
 *   first; the call after that throws.
 */
export function createSseDecoder(options: SseOptions = {}): FrameDecoder {
  const maxEventBytes = options.maxEventBytes ?? DEFAULT_MAX_EVENT_BYTES
  const extraFields = new Set(options.fields)
  let frames: Frame[] = []
  // The event being collected. `data` is undefined until a data line came: no data, no event.
  let data: string | undefined
  let event = ''
  // These outlive an event.
  let id = ''
  let retry: number | undefined

  function dispatch(): void {
    if (data !== undefined) {
      const frame: Frame = { event: event === '' ? 'message' : event, data }
      if (id !== '') frame.id = id
      if (retry !== undefined) {
        frame.retry = retry
        retry = undefined
      }
      frames.push(frame)
      data = undefined
    }
    event = ''
  }

  function addData(value: string): void {
    data = data === undefined ? value : `${data}\n${value}`
    if (data.length > maxEventBytes) throw eventTooLarge(maxEventBytes)
  }

  /** Any line but a blank one. A line without a colon is a field name with an empty value. */
  function field(line: string): void {
    const colon = line.indexOf(':')
    if (colon === 0) return // a comment: OpenRouter sends dozens before the first token
    const name = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1)
    if (name === 'data') addData(value)
    else if (name === 'event') event = value
    else if (name === 'id') {
      if (!value.includes('\0')) id = value
    } else if (name === 'retry') {
      if (/^[0-9]+$/.test(value)) retry = Number(value)
    } else if (extraFields.has(name)) frames.push({ event: name, data: value })
  }

  function onLines(text: string): void {
    let at = 0
    while (at < text.length) {
      if (text.charCodeAt(at) === LF) {
        dispatch()
        at += 1
        continue
      }
      const end = text.indexOf('\n', at)
      // Nearly every line is `data:…`. Five character tests tell, without slicing out a name to compare.
      if (
        text.charCodeAt(at) === 100 &&
        text.charCodeAt(at + 1) === 97 &&
        text.charCodeAt(at + 2) === 116 &&
        text.charCodeAt(at + 3) === 97 &&
        text.charCodeAt(at + 4) === 58
      ) {
        addData(text.slice(text.charCodeAt(at + 5) === SPACE ? at + 6 : at + 5, end))
      } else {
        field(text.slice(at, end))
      }
      at = end + 1
    }
  }

  const lines = createLineReader(maxEventBytes, true, onLines)
  return deliverBeforeFault<Frame>((chunk, out) => {
    frames = out
    lines(chunk)
    if (chunk === undefined) dispatch()
  })
}

/**
 * The events of a body, as an async iterator. Reads only when asked; `break`, `throw` and `return` cancel the body.
 *
 * @param body the body of a response, not yet locked by another reader.
 * @throws LlmError `too-large`; `interrupted` or `aborted` when reading fails; `config` when the body is in use.
 */
export function sse(
  body: ReadableStream<Uint8Array>,
  options: SseOptions = {},
): AsyncIterableIterator<SseFrame> {
  return iterateBody<SseFrame>(body, createSseDecoder(options))
}
