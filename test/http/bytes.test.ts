import { describe, expect, test } from 'vitest'
import { concat, openWindows, WINDOW_BYTES } from '../../src/http/bytes.ts'
import { createFakeClock, settle } from '../fake-clock.ts'

interface Body {
  stream: ReadableStream<Uint8Array>
  pulls: number
  cancelled: unknown[]
}

/** A body that gives these chunks, then ends, or hangs. */
function bodyOf(chunks: Uint8Array[], end: 'close' | 'hang' | Error = 'close'): Body {
  let at = 0
  const body: Body = {
    pulls: 0,
    cancelled: [],
    stream: new ReadableStream(
      {
        pull(controller) {
          body.pulls++
          if (at < chunks.length) controller.enqueue(chunks[at++]!)
          else if (end instanceof Error) controller.error(end)
          else if (end === 'close') controller.close()
          else return new Promise<void>(() => {})
          return undefined
        },
        cancel: (reason) => void body.cancelled.push(reason),
      },
      { highWaterMark: 0 },
    ),
  }
  return body
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const live = (): AbortSignal => new AbortController().signal

async function readAll(windows: { read(): Promise<Uint8Array | undefined> }): Promise<Uint8Array[]> {
  const all: Uint8Array[] = []
  for (let window; (window = await windows.read()) !== undefined;) all.push(window)
  return all
}

test('a chunk larger than a window comes in several, nothing copied, nothing lost', async () => {
  const big = new Uint8Array(3 * WINDOW_BYTES + 5).map((_, index) => index % 251)
  const windows = openWindows(bodyOf([big]).stream, { signal: live() })
  const all = await readAll(windows)
  expect(all.map((window) => window.byteLength)).toEqual([WINDOW_BYTES, WINDOW_BYTES, WINDOW_BYTES, 5])
  expect(all[1]!.buffer).toBe(big.buffer)
  expect(concat(all)).toEqual(big)
})

test('empty chunks are skipped, a null body is empty', async () => {
  expect(await readAll(openWindows(bodyOf([bytes(), bytes(1), bytes()]).stream, { signal: live() }))).toEqual(
    [bytes(1)],
  )
  expect(await readAll(openWindows(null, { signal: live() }))).toEqual([])
})

test('nothing is read that was not asked for', async () => {
  const body = bodyOf([bytes(1), bytes(2), bytes(3)])
  const windows = openWindows(body.stream, { signal: live() })
  await settle()
  expect(body.pulls).toBe(0)
  await windows.read()
  await settle()
  expect(body.pulls).toBe(1)
})

test('a window put back is read next', async () => {
  const windows = openWindows(bodyOf([bytes(1), bytes(2)]).stream, { signal: live() })
  windows.unread((await windows.read())!)
  expect(await readAll(windows)).toEqual([bytes(1), bytes(2)])
})

describe('the cap', () => {
  test('counts bytes as they come and cancels the body', async () => {
    const body = bodyOf([new Uint8Array(60), new Uint8Array(40), new Uint8Array(1)], 'hang')
    const windows = openWindows(body.stream, { signal: live(), maxBytes: 100 })
    await windows.read()
    await windows.read()
    await expect(windows.read()).rejects.toMatchObject({ kind: 'too-large', retryable: false })
    expect(body.cancelled).toHaveLength(1)
    await expect(windows.read()).rejects.toMatchObject({ kind: 'too-large' })
  })
})

describe('an abort', () => {
  test('rejects a pending read with the reason and cancels the body once', async () => {
    const body = bodyOf([], 'hang')
    const controller = new AbortController()
    const windows = openWindows(body.stream, { signal: controller.signal })
    const read = windows.read()
    await settle()
    controller.abort('why')
    await expect(read).rejects.toBe('why')
    await expect(windows.read()).rejects.toBe('why')
    expect(body.cancelled).toEqual(['why'])
  })

  test('that came before the body: it is cancelled unread', async () => {
    const body = bodyOf([bytes(1)])
    const windows = openWindows(body.stream, { signal: AbortSignal.abort('early') })
    await expect(windows.read()).rejects.toBe('early')
    expect(body.cancelled).toEqual(['early'])
    expect(body.pulls).toBe(0)
  })

  test('of a body that never answers, not even to cancel', async () => {
    const stream = new ReadableStream<Uint8Array>({
      pull: () => new Promise(() => {}),
      cancel: () => new Promise(() => {}),
    })
    const controller = new AbortController()
    const windows = openWindows(stream, { signal: controller.signal })
    const read = windows.read()
    controller.abort('why')
    await expect(read).rejects.toBe('why')
  })

  test('of a reader of someone else’s making that ignores cancel', async () => {
    const stream = {
      getReader: () => ({ read: () => new Promise(() => {}), cancel: () => new Promise(() => {}) }),
    } as unknown as ReadableStream<Uint8Array>
    const controller = new AbortController()
    const read = openWindows(stream, { signal: controller.signal }).read()
    controller.abort('why')
    await expect(read).rejects.toBe('why')
  })
})

test('a body that breaks rejects with what broke it', async () => {
  const lost = new TypeError('terminated')
  const windows = openWindows(bodyOf([bytes(1)], lost).stream, { signal: live() })
  await windows.read()
  await expect(windows.read()).rejects.toBe(lost)
})

test('a body of anything but bytes is a protocol error', async () => {
  const stream = new ReadableStream({ start: (controller) => controller.enqueue('text') })
  await expect(openWindows(stream as never, { signal: live() }).read()).rejects.toMatchObject({
    kind: 'protocol',
  })
})

test('bytes of another realm are bytes', async () => {
  const view = new DataView(bytes(7, 8, 9).buffer, 1, 2)
  expect(await readAll(openWindows(bodyOf([view as never]).stream, { signal: live() }))).toEqual([
    bytes(8, 9),
  ])
})

describe('drain', () => {
  test('reads what is left so that the connection is reused', async () => {
    const body = bodyOf([bytes(1), bytes(2)])
    const clock = createFakeClock()
    openWindows(body.stream, { signal: live() }).drain(clock)
    await settle()
    expect(body.pulls).toBe(3)
    expect(body.cancelled).toEqual([])
    expect(clock.armed).toBe(0)
  })
  test('gives up after a second', async () => {
    const body = bodyOf([bytes(1)], 'hang')
    const clock = createFakeClock()
    openWindows(body.stream, { signal: live() }).drain(clock)
    await clock.advance(999)
    expect(body.cancelled).toHaveLength(0)
    await clock.advance(1)
    expect(body.cancelled).toHaveLength(1)
    expect(clock.armed).toBe(0)
  })
  test('gives up after 64 KiB', async () => {
    const body = bodyOf(
      Array.from({ length: 100 }, () => new Uint8Array(8192)),
      'hang',
    )
    const clock = createFakeClock()
    openWindows(body.stream, { signal: live() }).drain(clock)
    await settle()
    await settle()
    await settle()
    expect(body.pulls).toBe(8)
    expect(body.cancelled).toHaveLength(1)
    expect(clock.armed).toBe(0)
  })
  test('does not care how the connection ends', async () => {
    const clock = createFakeClock()
    openWindows(bodyOf([bytes(1)], new TypeError('terminated')).stream, { signal: live() }).drain(clock)
    await settle()
    expect(clock.armed).toBe(0)
  })
})
