/** Server-sent events: own fixtures in every chunking, limits, and the iterator over a body. */
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import type { Frame } from '../../src/provider.ts'
import { createSseDecoder, sse } from '../../src/wire/sse.ts'
import { FUZZ_TIMEOUT_MS } from '../corpus.ts'
import { bodyOf, feed, feedUntilFault, randomSplit, seeded, splits, unhex, utf8 } from './splits.ts'

vi.setConfig({ testTimeout: FUZZ_TIMEOUT_MS })

interface Case {
  name: string
  text?: string
  hex?: string
  fields?: string[]
  frames: Frame[]
}
const { cases } = JSON.parse(readFileSync('fixtures/wire/sse-cases.json', 'utf8')) as { cases: Case[] }

describe('every chunking of a stream gives the frames the standard asks for', () => {
  it.each(cases)('$name', ({ text, hex, fields, frames }) => {
    const bytes = hex === undefined ? utf8(text!) : unhex(hex)
    for (const { name, chunks } of splits(bytes)) {
      expect(feed(createSseDecoder({ fields }), chunks), name).toEqual(frames)
    }
  })
})

describe('an event is delivered by the push that completes it', () => {
  it.each([
    ['LF', 'data: a\n\n'],
    ['CRLF, at its CR', 'data: a\r\n\r'],
    ['CR', 'data: a\r\r'],
    ['CR behind an LF', 'data: x\ndata: a\r\r'],
  ])('%s', (_name, text) => {
    const decoder = createSseDecoder()
    const bytes = utf8(text)
    expect(decoder.push(bytes.subarray(0, -1))).toEqual([])
    expect(decoder.push(bytes.subarray(-1))).toHaveLength(1)
  })

  it('takes the LF of a CRLF from the next chunk without seeing a blank line in it', () => {
    const decoder = createSseDecoder()
    expect(decoder.push(utf8('data: a\r'))).toEqual([])
    expect(decoder.push(utf8('\n'))).toEqual([])
    expect(decoder.push(utf8('data: b\r'))).toEqual([])
    expect(decoder.push(utf8('\n\r'))).toEqual([{ event: 'message', data: 'a\nb' }])
    expect(decoder.push(utf8('\n'))).toEqual([])
    expect(decoder.end()).toEqual([])
  })
})

describe('long input', () => {
  const line = `data: ${'a\u00e9\u4e16\u{1f600}'.repeat(100_000)}`
  const long = utf8(`${line}\n\ndata: end\n\n`)

  it('reads a megabyte line in 16-byte reads', () => {
    const chunks: Uint8Array[] = []
    for (let at = 0; at < long.length; at += 16) chunks.push(long.subarray(at, at + 16))
    const frames = feed(createSseDecoder(), chunks)
    expect(frames.map((frame) => frame.data.length)).toEqual([line.length - 6, 3])
    expect(frames[0]!.data === line.slice(6)).toBe(true)
  })

  it('reads windows that hold many lines, and lines that are longer than a window', () => {
    const random = seeded(3)
    const expected = Array.from(
      { length: 300 },
      (_, i) => `${i} ${'x\u00e9'.repeat(Math.floor(random() ** 4 * 12_000))}`,
    )
    for (const [end, blank] of [
      ['\n', '\n'],
      ['\r\n', '\r\n'],
      ['\r', '\r'],
      ['\r', '\n'],
    ] as const) {
      const bytes = utf8(
        expected
          .map((data) => `data: ${data}${end}${end === '\r' && blank === '\n' ? '\r' : blank}`)
          .join(''),
      )
      for (const chunks of [[bytes], randomSplit(bytes, seeded(4)), randomSplit(bytes, seeded(5))]) {
        const data = feed(createSseDecoder(), chunks).map((frame) => frame.data)
        expect(data.length).toBe(expected.length)
        expect(data.every((text, i) => text === expected[i])).toBe(true)
      }
    }
  })

  it('decodes a long line piece by piece as if it were decoded whole, broken bytes included', () => {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = seeded(seed)
      // Leading and continuation bytes in every wrong order; no line ends.
      const alphabet = [
        0x61, 0x80, 0xbf, 0xc3, 0xa9, 0xe4, 0xb8, 0x96, 0xed, 0xa0, 0xf0, 0x9f, 0x98, 0x80, 0xf8, 0xff,
      ]
      const body = Uint8Array.from({ length: 40_000 }, () => alphabet[Math.floor(random() * 16)]!)
      const bytes = new Uint8Array([...utf8('data:'), ...body, 10, 10])
      const frames = feed(createSseDecoder(), randomSplit(bytes, random))
      expect(frames.length).toBe(1)
      expect(frames[0]!.data === decoder.decode(body)).toBe(true)
    }
  })

  describe('costs', () => {
    afterEach(() => vi.restoreAllMocks())

    /** Bytes copied, searched and decoded for one line of `size` bytes in 16-byte reads. */
    function work(size: number): number {
      let bytes = 0
      const prototype = Uint8Array.prototype
      const { set, indexOf, lastIndexOf } = prototype
      vi.spyOn(prototype, 'set').mockImplementation(function (this: Uint8Array, source, at) {
        bytes += source.length
        set.call(this, source, at)
      })
      vi.spyOn(prototype, 'indexOf').mockImplementation(function (this: Uint8Array, value, from) {
        bytes += this.length
        return indexOf.call(this, value, from)
      })
      vi.spyOn(prototype, 'lastIndexOf').mockImplementation(function (this: Uint8Array, value) {
        bytes += this.length
        return lastIndexOf.call(this, value)
      })
      const decode = TextDecoder.prototype.decode
      vi.spyOn(TextDecoder.prototype, 'decode').mockImplementation(function (this: TextDecoder, input) {
        bytes += (input as Uint8Array).length
        return decode.call(this, input)
      })
      const decoder = createSseDecoder()
      const chunk = new Uint8Array(16).fill(120)
      decoder.push(utf8('data: '))
      for (let at = 0; at < size; at += 16) decoder.push(chunk)
      expect(decoder.push(utf8('\n\n'))[0]!.data.length).toBe(size)
      vi.restoreAllMocks()
      return bytes
    }

    it('are linear: twice the line is twice the work', () => {
      const once = work(1 << 19)
      expect(once).toBeLessThan(8 * (1 << 19))
      expect(work(1 << 20)).toBeLessThan(2.3 * once)
    })
  })
})

describe('limits', () => {
  const limit = 64
  const tooLarge = expect.objectContaining({ kind: 'too-large' })

  it.each([
    ['a line that never ends', `data: a\n\ndata: ${'x'.repeat(80)}`, ['a']],
    ['a line that ends', `data: a\n\ndata: ${'x'.repeat(80)}\n\ndata: b\n\n`, ['a']],
    ['a line that ends in CR', `data: a\r\rdata: ${'x'.repeat(80)}\r\rdata: b\r\r`, ['a']],
    ['a comment', `data: a\n\n:${'x'.repeat(80)}\n\ndata: b\n\n`, ['a']],
    ['data of many lines', `data: a\n\n${'data: 0123456789\n'.repeat(9)}\n`, ['a']],
    ['a line of many-byte characters', `data: a\n\ndata: ${'\u4e16'.repeat(30)}\n\n`, ['a']],
    ['the first line', `data: ${'x'.repeat(80)}\n\n`, []],
  ])('%s: the events before it arrive, then the error, in every chunking', (_name, text, before) => {
    for (const { name, chunks } of splits(utf8(text))) {
      const { items, fault } = feedUntilFault(createSseDecoder({ maxEventBytes: limit }), chunks)
      expect(
        items.map((frame) => frame.data),
        name,
      ).toEqual(before)
      expect(fault, name).toEqual(tooLarge)
    }
  })

  it('accepts what is exactly as long as allowed', () => {
    for (const end of ['\n', '\r', '\r\n']) {
      const line = `data: ${'x'.repeat(limit - 6)}`
      for (const { name, chunks } of splits(utf8(`${line}${end}${end}${line}${end}${end}`))) {
        const frames = feed(createSseDecoder({ maxEventBytes: limit }), chunks)
        expect(frames, name).toHaveLength(2)
      }
    }
    const most = utf8(`data: ${'x'.repeat(31)}\ndata: ${'y'.repeat(32)}\n\n`)
    for (const { name, chunks } of splits(most)) {
      expect(feed(createSseDecoder({ maxEventBytes: limit }), chunks)[0]!.data.length, name).toBe(limit)
    }
  })

  it('does not add up comments, unknown fields or finished events', () => {
    const decoder = createSseDecoder({ maxEventBytes: limit })
    for (let i = 0; i < 100; i += 1) {
      decoder.push(utf8(': keep-alive\nfoo: 0123456789\n'))
      decoder.push(utf8('data: 0123456789\n\n'))
    }
    expect(decoder.end()).toEqual([])
  })

  it('keeps failing once it has failed, and is spent once it has ended', () => {
    const failed = createSseDecoder({ maxEventBytes: 4 })
    expect(() => failed.push(utf8('data: x'))).toThrow(tooLarge)
    expect(() => failed.push(utf8('\n\n'))).toThrow(tooLarge)
    expect(() => failed.end()).toThrow(tooLarge)
    const ended = createSseDecoder()
    ended.end()
    expect(() => ended.push(utf8('data: x\n\n'))).toThrow(expect.objectContaining({ kind: 'config' }))
    expect(() => ended.end()).toThrow(expect.objectContaining({ kind: 'config' }))
  })

  it('takes an event of 40 MB by default', () => {
    const decoder = createSseDecoder()
    const chunk = new Uint8Array(64 * 1024).fill(120)
    decoder.push(utf8('data: '))
    for (let i = 0; i < 640; i += 1) decoder.push(chunk)
    expect(decoder.push(utf8('\n\n'))[0]!.data.length).toBe(640 * 64 * 1024)
  })

  it('stops at 64 MiB by default', () => {
    const decoder = createSseDecoder()
    const chunk = new Uint8Array(1024 * 1024).fill(120)
    for (let i = 0; i < 64; i += 1) decoder.push(chunk)
    expect(() => decoder.push(chunk)).toThrow(tooLarge)
  })
})

describe('sse(body)', () => {
  const three = ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n'].map(utf8)

  async function collect(body: ReadableStream<Uint8Array>): Promise<string[]> {
    const seen: string[] = []
    for await (const frame of sse(body)) seen.push(frame.data)
    return seen
  }

  it('iterates over the events and unlocks the body', async () => {
    const { body, cancelled } = bodyOf([...three, utf8('data: 4')])
    expect(await collect(body)).toEqual(['1', '2', '3', '4'])
    expect(body.locked).toBe(false)
    expect(cancelled()).toBe(0)
  })

  it('reads the body of a Response', async () => {
    expect(await collect(new Response('data: a\n\ndata: b\n\n').body!)).toEqual(['a', 'b'])
  })

  it('cancels once and unlocks on break', async () => {
    const { body, cancelled, reads } = bodyOf(three)
    for await (const frame of sse(body)) {
      expect(frame.data).toBe('1')
      break
    }
    await new Promise((resolve) => setTimeout(resolve, 0))
    expect(cancelled()).toBe(1)
    expect(reads()).toBe(1)
    expect(body.locked).toBe(false)
  })

  it('cancels when the loop throws', async () => {
    const { body, cancelled } = bodyOf(three)
    const failing = async (): Promise<void> => {
      for await (const frame of sse(body)) throw new Error(`stop at ${frame.data}`)
    }
    await expect(failing()).rejects.toThrow('stop at 1')
    expect(cancelled()).toBe(1)
  })

  it('cancels when the stream is too large, after the events before it', async () => {
    const { body, cancelled, reads } = bodyOf([utf8(`data: 1\n\ndata: ${'x'.repeat(100)}`), ...three])
    const events = sse(body, { maxEventBytes: 20 })
    expect(await events.next()).toEqual({ done: false, value: { event: 'message', data: '1' } })
    await expect(events.next()).rejects.toMatchObject({ kind: 'too-large' })
    expect(await events.next()).toEqual({ done: true, value: undefined })
    expect(cancelled()).toBe(1)
    expect(reads()).toBe(1)
  })

  it('does not wait for a cancel that hangs', async () => {
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(three[0]!),
      cancel: () => new Promise(() => {}),
    })
    const events = sse(body)
    await events.next()
    expect(await events.return!()).toEqual({ done: true, value: undefined })
  })

  it('ends a pending read when it is returned from outside', async () => {
    const body = new ReadableStream<Uint8Array>({})
    const events = sse(body)
    const pending = events.next()
    await events.return!()
    expect(await pending).toEqual({ done: true, value: undefined })
  })

  it('decodes at most 64 KiB ahead of the consumer', async () => {
    const million = utf8('data: x\n\n'.repeat(1_000_000))
    const { body } = bodyOf([million])
    const decode = vi.spyOn(TextDecoder.prototype, 'decode')
    const events = sse(body)
    await events.next()
    const decoded = decode.mock.calls.reduce((sum, [input]) => sum + (input as Uint8Array).length, 0)
    vi.restoreAllMocks()
    expect(decoded).toBeLessThanOrEqual(64 * 1024)
    await events.return!()
  })

  it('answers requests made before the first was answered, in order', async () => {
    const { body } = bodyOf(three)
    const events = sse(body)
    const answers = await Promise.all([events.next(), events.next(), events.next(), events.next()])
    expect(answers.map((answer) => answer.value?.data)).toEqual(['1', '2', '3', undefined])
  })

  it('types a broken connection as interrupted, and an abort as aborted', async () => {
    const reset = Object.assign(new Error('terminated'), { code: 'UND_ERR_SOCKET' })
    for (const [cause, kind] of [
      [reset, 'interrupted'],
      [new DOMException('stop', 'AbortError'), 'aborted'],
      [new LlmError({ kind: 'timeout', message: 'idle' }), 'timeout'],
    ] as const) {
      let sent = false
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (sent) controller.error(cause)
          else controller.enqueue(three[0]!)
          sent = true
        },
      })
      const events = sse(body)
      expect((await events.next()).value?.data).toBe('1')
      const fault = await events.next().catch((error: unknown) => error)
      expect(fault).toMatchObject({ kind })
      expect(fault === cause || (fault as Error).cause === cause).toBe(true)
    }
  })

  it('refuses a body that is already being read', () => {
    const { body } = bodyOf(three)
    body.getReader()
    expect(() => sse(body)).toThrow(expect.objectContaining({ kind: 'config' }))
  })
})
