/**
 * AWS event-stream frames (`application/vnd.amazon.eventstream`), decoded by hand: how Bedrock streams.
 *
 * In:  chunks of a body, cut anywhere. Out: frames `{ event, data, messageType }`, or raw messages.
 * Not here: what the events mean, and base64 inside `chunk` events (providers/bedrock.ts).
 *
 *     offset  0   u32  total length, this prelude and the last CRC included
 *             4   u32  length of the header block
 *             8   u32  CRC-32 of bytes 0..7
 *            12        headers: u8 name length, name, u8 type, value
 *                      payload
 *       total-4   u32  CRC-32 of everything before it            all numbers big-endian, CRC-32 as in gzip
 *
 * The prelude is verified at byte 12, before its length is believed: an HTML page read as a frame announces a
 * gigabyte (`<!DO` is 0x3c21444f). Memory follows the bytes received, never the length announced.
 */
import { LlmError } from '../errors.ts'
import type { Frame, FrameDecoder } from '../provider.ts'
import { deliverBeforeFault } from './drive.ts'
import type { PushDecoder } from './drive.ts'

/** A typed header value. 64-bit integers are bigints; a timestamp is milliseconds since 1970. */
export type AwsHeader =
  | { type: 'boolean'; value: boolean }
  | { type: 'byte' | 'short' | 'integer'; value: number }
  | { type: 'long'; value: bigint }
  | { type: 'binary'; value: Uint8Array }
  | { type: 'string'; value: string }
  | { type: 'timestamp'; value: number }
  | { type: 'uuid'; value: string }

/** One message as it is on the wire. The payload is a copy and may be kept. */
export interface AwsMessage {
  headers: Map<string, AwsHeader>
  payload: Uint8Array
}

/** Limits of one decoder. */
export interface AwsFrameOptions {
  /** Longest frame in bytes, its 16 bytes of framing included. Default 24 MiB, the limit of aws-c-event-stream. */
  maxFrameBytes?: number | undefined
}

const DEFAULT_MAX_FRAME_BYTES = 24 * 1024 * 1024
/** As aws-c-event-stream has it; a block of 24 MiB could otherwise hold eight million headers. */
const MAX_HEADERS = 1024
const PRELUDE_BYTES = 12
const CRC_BYTES = 4
const SMALLEST_FRAME_BYTES = PRELUDE_BYTES + CRC_BYTES
/** A carry buffer above this size is given back once its frame is complete. */
const KEPT_CARRY_BYTES = 64 * 1024

/**
 * Creates the frame decoder of one body.
 *
 * `event` is `:event-type`, `:exception-type` or `:error-code`, by `messageType`. `data` is the payload as UTF-8; an
 * `error` message has no payload, its `data` is `:error-message`. Exceptions and errors are frames here, not throws:
 * they arrive inside HTTP 200 and it takes the provider's table to tell what they are.
 *
 * @throws LlmError `protocol` for a checksum or structure that is wrong, `too-large` for a frame above
 *   `maxFrameBytes`, `interrupted` from `end` when the body stops inside a frame. Frames before the bad one are
 *   returned first; the call after that throws.
 */
export function createAwsFrameDecoder(options: AwsFrameOptions = {}): FrameDecoder {
  const utf8 = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })
  let name: FrameName | undefined

  return createSplitter<Frame>(options, (bytes, { headersStart, headersEnd, end, sameHeaders }, frames) => {
    if (name === undefined || !sameHeaders)
      name = nameOf(headersOf(bytes.subarray(headersStart, headersEnd), utf8))
    const { event, messageType, message } = name
    const data = headersEnd === end ? message : utf8.decode(bytes.subarray(headersEnd, end))
    frames.push({ event, data, messageType })
  })
}

/** Creates the decoder of one body into raw messages, every header typed. Throws as `createAwsFrameDecoder` does. */
export function createAwsMessageDecoder(options: AwsFrameOptions = {}): PushDecoder<AwsMessage> {
  const utf8 = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true })
  return createSplitter<AwsMessage>(options, (bytes, { headersStart, headersEnd, end }, messages) => {
    const headers = new Map<string, AwsHeader>()
    for (const header of headersOf(bytes.subarray(headersStart, headersEnd), utf8)) {
      headers.set(header.name, typedHeader(header))
    }
    messages.push({ headers, payload: bytes.slice(headersEnd, end) })
  })
}

/**
 * Encodes one frame with string headers, in the order given: what a fake Bedrock needs.
 *
 * @throws LlmError `config` when a header name is longer than 255 bytes or a value than 65,535.
 */
export function encodeAwsFrame(
  headers: Readonly<Record<string, string>>,
  payload: string | Uint8Array,
): Uint8Array {
  const utf8 = new TextEncoder()
  const body = typeof payload === 'string' ? utf8.encode(payload) : payload
  const fields = Object.entries(headers).map(
    ([name, value]) => [utf8.encode(name), utf8.encode(value)] as const,
  )
  let headersLength = 0
  for (const [name, value] of fields) {
    if (name.length === 0 || name.length > 255 || value.length > 65_535) {
      throw new LlmError({
        kind: 'config',
        message: 'An event-stream header needs a name of 1 to 255 bytes and a value of at most 65,535.',
      })
    }
    headersLength += 1 + name.length + 3 + value.length
  }
  const total = SMALLEST_FRAME_BYTES + headersLength + body.length
  const frame = new Uint8Array(total)
  const view = new DataView(frame.buffer)
  view.setUint32(0, total)
  view.setUint32(4, headersLength)
  view.setUint32(8, crc32(frame, 0, 8))
  let at = PRELUDE_BYTES
  for (const [name, value] of fields) {
    frame[at] = name.length
    frame.set(name, at + 1)
    at += 1 + name.length
    frame[at] = 7
    view.setUint16(at + 1, value.length)
    frame.set(value, at + 3)
    at += 3 + value.length
  }
  frame.set(body, at)
  view.setUint32(total - CRC_BYTES, crc32(frame, 0, total - CRC_BYTES))
  return frame
}

/** Where a verified frame's headers and payload lie. */
interface Bounds {
  headersStart: number
  headersEnd: number
  /** Of the payload: where the last CRC starts. */
  end: number
  /** The header block is byte for byte that of the frame before. */
  sameHeaders: boolean
}

/**
 * Bedrock repeats the same 90-byte header block for every delta. Comparing it saves decoding six strings, and its
 * checksum: what the CRC is behind the headers depends on the block and on the frame's length alone.
 */
interface KnownHeaders {
  block: Uint8Array
  /** Frame length → CRC register behind the headers. */
  registers: Map<number, number>
}

/** Padding varies the length of deltas within a few dozen bytes; more lengths than this are not worth remembering. */
const MAX_REGISTERS = 256

/** Cuts the bytes into verified frames. */
function createSplitter<T>(
  options: AwsFrameOptions,
  read: (bytes: Uint8Array, bounds: Bounds, out: T[]) => void,
): PushDecoder<T> {
  const maxFrameBytes = options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES
  let carry: Uint8Array = new Uint8Array(256)
  let carried = 0
  /** Total length of the carried frame, 0 until its prelude is complete and verified. */
  let carriedFrame = 0

  function append(chunk: Uint8Array, from: number, to: number): void {
    const length = carried + to - from
    if (length > carry.length) {
      const grown = new Uint8Array(Math.max(length, 2 * carry.length))
      grown.set(carry.subarray(0, carried))
      carry = grown
    }
    carry.set(chunk.subarray(from, to), carried)
    carried = length
  }

  let known: KnownHeaders | undefined

  function emit(bytes: Uint8Array, start: number, total: number, out: T[]): void {
    const headersStart = start + PRELUDE_BYTES
    const headersEnd = headersStart + u32(bytes, start + 4)
    const end = start + total - CRC_BYTES
    const sameHeaders = known !== undefined && sameBytes(known.block, bytes, headersStart, headersEnd)
    let register = sameHeaders ? known!.registers.get(total) : undefined
    const computed = register === undefined
    register ??= crcRegister(-1, bytes, start, headersEnd)
    if (~crcRegister(register, bytes, headersEnd, end) >>> 0 !== u32(bytes, end)) {
      throw brokenFrame('its checksum does not match its content')
    }
    if (!sameHeaders) known = { block: bytes.slice(headersStart, headersEnd), registers: new Map() }
    if (computed && known!.registers.size < MAX_REGISTERS) known!.registers.set(total, register)
    read(bytes, { headersStart, headersEnd, end, sameHeaders }, out)
  }

  return deliverBeforeFault<T>((chunk, out) => {
    if (chunk === undefined) {
      if (carried === 0) return
      throw new LlmError({
        kind: 'interrupted',
        message: `The event stream was cut inside a frame: ${carried} bytes of ${
          carriedFrame === 0 ? 'an unknown number' : carriedFrame
        } arrived. Retry the request.`,
      })
    }
    let at = 0
    while (carried > 0 && at < chunk.length) {
      const wanted = carriedFrame === 0 ? PRELUDE_BYTES : carriedFrame
      const to = Math.min(chunk.length, at + wanted - carried)
      append(chunk, at, to)
      at = to
      if (carried < wanted) break
      if (carriedFrame === 0) {
        carriedFrame = frameLength(carry, 0, maxFrameBytes)
      } else {
        emit(carry, 0, carriedFrame, out)
        carried = 0
        carriedFrame = 0
        if (carry.length > KEPT_CARRY_BYTES) carry = new Uint8Array(256)
      }
    }
    while (chunk.length - at >= PRELUDE_BYTES) {
      const total = frameLength(chunk, at, maxFrameBytes)
      if (chunk.length - at < total) {
        carriedFrame = total
        break
      }
      emit(chunk, at, total, out)
      at += total
    }
    if (at < chunk.length) append(chunk, at, chunk.length)
  })
}

/** Verifies the prelude at `start` and gives the length of its frame. */
function frameLength(bytes: Uint8Array, start: number, maxFrameBytes: number): number {
  if (crc32(bytes, start, start + 8) !== u32(bytes, start + 8)) {
    throw brokenFrame('the checksum of its first 8 bytes is wrong (a proxy may have answered in its place)')
  }
  const total = u32(bytes, start)
  if (total > maxFrameBytes) {
    throw new LlmError({
      kind: 'too-large',
      message: `One frame of the response announces ${total} bytes, above the limit of ${maxFrameBytes}; raise limits.eventBytes if that is expected.`,
    })
  }
  if (total < SMALLEST_FRAME_BYTES || u32(bytes, start + 4) > total - SMALLEST_FRAME_BYTES) {
    throw brokenFrame('its headers are longer than itself')
  }
  return total
}

/** What a frame is called and, for an `error`, its text. */
interface FrameName {
  event: string
  messageType: 'event' | 'exception' | 'error'
  message: string
}

/** Which header names the event, by `:message-type`. */
const NAMED_BY: Readonly<Record<string, string>> = {
  event: ':event-type',
  exception: ':exception-type',
  error: ':error-code',
}

function nameOf(headers: Iterable<WireHeader>): FrameName {
  const texts = new Map<string, string>()
  for (const { name, type, text } of headers) if (type === STRING) texts.set(name, text())
  const text = (name: string): string => texts.get(name) ?? ''
  const messageType = text(':message-type')
  if (!Object.hasOwn(NAMED_BY, messageType)) {
    throw brokenFrame('its :message-type is not event, exception or error')
  }
  return {
    event: text(NAMED_BY[messageType]!),
    messageType: messageType as FrameName['messageType'],
    message: messageType === 'error' ? text(':error-message') : '',
  }
}

/** A header as it lies on the wire: its type, and its value in `bytes`. */
interface WireHeader {
  name: string
  type: number
  bytes: Uint8Array
  text(): string
}

/** Bytes of a value by its type; -1: as many as its first two bytes say. */
const VALUE_BYTES = [0, 0, 1, 2, 4, 8, -1, -1, 8, 16]
const STRING = 7

/** Walks a header block. */
function* headersOf(
  block: Uint8Array,
  utf8: { decode(bytes: Uint8Array): string },
): Generator<WireHeader, void, undefined> {
  let at = 0
  let count = 0
  /** Moves past `length` bytes and answers them. */
  function take(length: number): Uint8Array {
    if (at + length > block.length) throw brokenFrame('a header runs past the header block')
    return block.subarray(at, (at += length))
  }
  while (at < block.length) {
    if (count++ === MAX_HEADERS) throw brokenFrame(`it has more than ${MAX_HEADERS} headers`)
    const name = utf8.decode(take(take(1)[0]!))
    const type = take(1)[0]!
    let length = VALUE_BYTES[type]
    if (length === undefined) throw brokenFrame(`a header has the unknown type ${type}`)
    if (length === -1) {
      const [high, low] = take(2)
      length = high! * 256 + low!
    }
    const bytes = take(length)
    yield { name, type, bytes, text: () => utf8.decode(bytes) }
  }
}

function typedHeader({ type, bytes, text }: WireHeader): AwsHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  switch (type) {
    case 0:
    case 1:
      return { type: 'boolean', value: type === 0 }
    case 2:
      return { type: 'byte', value: view.getInt8(0) }
    case 3:
      return { type: 'short', value: view.getInt16(0) }
    case 4:
      return { type: 'integer', value: view.getInt32(0) }
    case 5:
      return { type: 'long', value: view.getBigInt64(0) }
    case 6:
      return { type: 'binary', value: bytes.slice() }
    case STRING:
      return { type: 'string', value: text() }
    case 8:
      return { type: 'timestamp', value: Number(view.getBigInt64(0)) }
    default:
      return { type: 'uuid', value: uuid(bytes) }
  }
}

function uuid(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

function sameBytes(block: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (block.length !== to - from) return false
  for (let i = 0; i < block.length; i += 1) if (block[i] !== bytes[from + i]) return false
  return true
}

function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

function brokenFrame(why: string): LlmError {
  return new LlmError({
    kind: 'protocol',
    message: `The body is not a valid AWS event stream: in one frame, ${why}. Check the endpoint and what stands between.`,
  })
}

/**
 * Eight tables of 256: entry k·256+b is the CRC of byte b followed by k zero bytes, so that eight input bytes cost
 * eight independent look-ups ("slicing by 8"). 0.24–0.6 µs for a 170-byte delta, a third of one byte at a time.
 */
const CRC_TABLES: Int32Array = /* @__PURE__ */ crcTables()

function crcTables(): Int32Array {
  const tables = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
    tables[byte] = crc
  }
  for (let i = 256; i < tables.length; i += 1) {
    const before = tables[i - 256]!
    tables[i] = (before >>> 8) ^ tables[before & 255]!
  }
  return tables
}

/** CRC-32 (IEEE 802.3, reflected polynomial 0xEDB88320) of bytes[start, end), unsigned. */
function crc32(bytes: Uint8Array, start: number, end: number): number {
  return ~crcRegister(-1, bytes, start, end) >>> 0
}

/** The CRC register after bytes[start, end), from `register` before them; -1 before the first byte. */
function crcRegister(register: number, bytes: Uint8Array, start: number, end: number): number {
  const t = CRC_TABLES
  let crc = register
  let i = start
  for (; i + 8 <= end; i += 8) {
    const low = crc ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24))
    crc =
      t[1792 + (low & 255)]! ^
      t[1536 + ((low >>> 8) & 255)]! ^
      t[1280 + ((low >>> 16) & 255)]! ^
      t[1024 + (low >>> 24)]! ^
      t[768 + bytes[i + 4]!]! ^
      t[512 + bytes[i + 5]!]! ^
      t[256 + bytes[i + 6]!]! ^
      t[bytes[i + 7]!]!
  }
  for (; i < end; i += 1) crc = (crc >>> 8) ^ t[(crc ^ bytes[i]!) & 255]!
  return crc
}
