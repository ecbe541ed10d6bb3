/**
 * Newline-delimited JSON, the way Ollama streams and batch files are written.
 *
 * In:  chunks of a body, cut anywhere. Out: one frame per line, or one parsed value per line.
 * Lines end in LF or CRLF; blank lines are skipped; a BOM at the start is removed; the last line needs no line end.
 * A lone CR is not a line end: it is white space to JSON. Not here: what the values mean.
 */
import { LlmError } from '../errors.ts'
import type { FrameDecoder } from '../provider.ts'
import { deliverBeforeFault, iterateBody } from './drive.ts'
import type { PushDecoder } from './drive.ts'
import { createLineReader, DEFAULT_MAX_EVENT_BYTES } from './lines.ts'

/** Limits of one decoder. */
export interface NdjsonOptions {
  /** Longest line in bytes, without its LF. Default 64 MiB. */
  maxEventBytes?: number | undefined
}

/**
 * Creates the decoder of one body: frames `{ event: 'message', data: line }`, the line without its line end and
 * otherwise as it came. The JSON is not looked at.
 *
 * @throws LlmError kind `too-large`, from `push`, when a line exceeds `maxEventBytes`. Lines before it are returned
 *   first; the call after that throws.
 */
export function createNdjsonDecoder(options: NdjsonOptions = {}): FrameDecoder {
  return createLineDecoder(options, (line) => ({ event: 'message', data: line }))
}

/**
 * The values of a body, as an async iterator: each line through `JSON.parse`. Reads only when asked; `break`, `throw`
 * and `return` cancel the body.
 *
 * @throws LlmError `protocol` for a line that is not JSON (the line itself is not in the message); `too-large`;
 *   `interrupted` or `aborted` when reading fails; `config` when the body is in use.
 */
export function ndjson(
  body: ReadableStream<Uint8Array>,
  options: NdjsonOptions = {},
): AsyncIterableIterator<unknown> {
  let line = 0
  return iterateBody<unknown>(
    body,
    createLineDecoder(options, (text) => {
      line += 1
      return parseLine(text, line)
    }),
  )
}

function createLineDecoder<T>(options: NdjsonOptions, read: (line: string) => T): PushDecoder<T> {
  let items: T[] = []
  const lines = createLineReader(options.maxEventBytes ?? DEFAULT_MAX_EVENT_BYTES, false, (text) => {
    let at = 0
    while (at < text.length) {
      const end = text.indexOf('\n', at)
      const line = text.slice(at, text.charCodeAt(end - 1) === 13 && end > at ? end - 1 : end)
      // Only JSON's own white space makes a line blank: what `trim` would drop besides is bad JSON, not nothing.
      if (/[^ \t\r]/.test(line)) items.push(read(line))
      at = end + 1
    }
  })
  return deliverBeforeFault<T>((chunk, out) => {
    items = out
    lines(chunk)
  })
}

function parseLine(text: string, line: number): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new LlmError({
      kind: 'protocol',
      // V8's own message quotes the input, which may be a user's text: it stays out, as does the cause.
      message: `Value ${line} of the NDJSON body is not valid JSON (${text.length} characters${
        cause instanceof RangeError ? ', nested too deeply' : ''
      }); ask the server for application/x-ndjson.`,
    })
  }
}
