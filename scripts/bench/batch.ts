/**
 * The batch runner and the fitter: `npm run bench -- batch`.
 *
 * What is asked: does the runner keep its slots full, what does it cost per row above the client itself, does memory stay
 * flat from ten thousand rows to a million, what does a checkpoint line cost, and does fitting a million-token history cost
 * about one count of it.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileCheckpoint } from '../../src/adapters/file-checkpoint.ts'
import { fake } from '../../src/adapters/testing.ts'
import { batch } from '../../src/batch/index.ts'
import type { BatchClient } from '../../src/batch/index.ts'
import { createClient } from '../../src/client.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { cl100k_base } from '../../src/tokens/encodings/cl100k_base.ts'
import { fitMessages } from '../../src/tokens/fit.ts'
import type { Completion, Message } from '../../src/types.ts'
import { median } from './run.ts'
import type { Context, Row, Suite } from './run.ts'

const CONCURRENCY = 64
const ANSWER_MS = 200

function* rows(count: number): Generator<{ prompt: string }> {
  for (let at = 0; at < count; at++) yield { prompt: `question ${at}` }
}

/** A server, in a process of its own, that takes so long to answer three words. Prints its port. */
async function serve(answerMs: number): Promise<void> {
  const frame = (delta: object, finish: string | null): string =>
    `data: ${JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
  const body = `${frame({ content: 'three short words' }, null)}${frame({}, 'stop')}data: [DONE]\n\n`
  const listening = createServer((request, response) => {
    request.resume()
    request.on('end', () =>
      setTimeout(() => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(body), answerMs),
    )
  })
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  console.log((listening.address() as AddressInfo).port)
}

function clientAt(port: string): BatchClient {
  return createClient({
    provider: openaiChat({ baseURL: `http://127.0.0.1:${port.trim()}/v1`, apiKey: 'k' }),
    model: 'm',
  })
}

/** Just enough workers to keep the same number of calls in flight: what the runner is measured against. */
async function bareLoop(client: BatchClient, count: number): Promise<void> {
  const source = rows(count)
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      for (const { prompt } of source) await client.complete(prompt)
    }),
  )
}

async function runAll(client: BatchClient, count: number): Promise<void> {
  for await (const { error } of batch(rows(count), { client, concurrency: CONCURRENCY }))
    if (error !== undefined) throw error
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

const COUNT = 10_000

const throughput: Row = {
  name: `${COUNT.toLocaleString('en-US')} rows against a loopback server, ${CONCURRENCY} at once`,
  unit: 'ms/row',
  clock: 'wall',
  rounds: 3,
  note: `The server takes ${ANSWER_MS} ms per answer, so ${CONCURRENCY} at once allow ${ANSWER_MS / CONCURRENCY} ms a row, and 95 % of that is ${(ANSWER_MS / CONCURRENCY / 0.95).toFixed(2)}; the bare loop is ${CONCURRENCY} workers around the same client, with nothing read, kept or counted.`,
  contestants: (
    [
      ['ours', runAll],
      ['bare loop', bareLoop],
    ] as const
  ).map(([name, run]) => ({
    name,
    async prepare({ start }: Context) {
      const client = clientAt(await start('server'))
      await run(client, 10 * CONCURRENCY)
      return {
        async measure() {
          const startMs = performance.now()
          await run(client, COUNT)
          return (performance.now() - startMs) / COUNT
        },
      }
    },
  })),
  targets: [{ than: 'bare loop', atMost: 1 / 0.95 }, { atMost: ANSWER_MS / CONCURRENCY / 0.95 }],
}

/** Both in one process, by turns: a difference of two figures is only as good as the minute they share. */
const overhead: Row = {
  name: 'processor time per row above the bare client',
  unit: 'ms/row',
  rounds: 3,
  note: 'Over loopback, to a server that answers at once: five times 2,000 rows in the bare loop and 2,000 in the runner, by turns in one process; the medians.',
  contestants: (
    [
      ['ours above the bare loop', (ours, bare) => ours - bare],
      ['the bare loop itself', (_, bare) => bare],
    ] as [string, (ours: number, bare: number) => number][]
  ).map(([name, figure]) => ({
    name,
    async prepare({ start }: Context) {
      const client = clientAt(await start('quick'))
      const took = async (run: typeof runAll): Promise<number> => {
        const before = cpuMs()
        await run(client, 2_000)
        return (cpuMs() - before) / 2_000
      }
      await took(bareLoop)
      await took(runAll)
      return {
        async measure() {
          const ours: number[] = []
          const bare: number[] = []
          for (let turn = 0; turn < 5; turn++) {
            bare.push(await took(bareLoop))
            ours.push(await took(runAll))
          }
          const middle = (figures: number[]): number => median(figures.sort((a, b) => a - b))
          return figure(middle(ours), middle(bare))
        },
      }
    },
  })),
  targets: [{ atMost: 0.5 }],
}

// --------------------------------------------------------------------------------------------- memory

/**
 * The fake's own codec over the fake transport, and nothing of the client between: a million rows are about the runner.
 * The fake keeps what it was asked, for tests; here that is thrown away.
 */
function fakeClient(): BatchClient {
  const { provider, transport, calls } = fake(() => 'three short words')
  return {
    async complete(input) {
      if (calls.length > 1_000) calls.length = 0
      const messages: Message[] = [{ role: 'user', content: input as string }]
      const http = provider.encode({ model: 'fake-1', messages, stream: false })
      const { body } = await transport.send(http, { signal: new AbortController().signal })
      const { events } = provider.decode(JSON.parse(await new Response(body).text()))
      const text = events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('')
      return { text, usage: { inputTokens: 3, outputTokens: 3 } } as Completion
    },
  }
}

/** What answers at once, where only the runner is looked at. */
function instantClient(): BatchClient {
  const completion = { text: 'three short words', usage: { inputTokens: 3, outputTokens: 3 } } as Completion
  return { complete: async () => completion }
}

/** Ids like those of a database: 32 hexadecimal digits in no order. */
function* randomRows(count: number): Generator<{ id: string; prompt: string }> {
  const part = (at: number, factor: number): string =>
    (Math.imul(at + 1, factor) >>> 0).toString(16).padStart(8, '0')
  for (let at = 0; at < count; at++) {
    const id = part(at, 0x9e3779b1) + part(at, 0x85ebca6b) + part(at, 0xc2b2ae35) + part(at, 0x27d4eb2f)
    yield { id, prompt: `question ${at}` }
  }
}

type Look = 'in use' | 'resident'

const LOOKS: Record<Look, () => number> = {
  'in use'() {
    ;(globalThis as { gc?: () => void }).gc?.()
    const { heapUsed, external } = process.memoryUsage()
    return (heapUsed + external) / 1e6
  },
  resident: () => process.memoryUsage.rss() / 1e6,
}

/** The highest of fifty looks, and all of them as a curve over the rows. */
function memoryOf(
  count: number,
  client: () => BatchClient,
  input: (count: number) => Iterable<unknown>,
  look: Look,
): Row['contestants'][number]['prepare'] {
  return async () => ({
    async measure() {
      const series: [number, number][] = [[0, LOOKS[look]()]]
      let taken = 0
      for await (const _ of batch(input(count), { client: client(), concurrency: CONCURRENCY }))
        if (++taken % (count / 50) === 0) series.push([taken, LOOKS[look]()])
      if (taken !== count) throw new Error(`${taken} results of ${count} rows`)
      return { value: Math.max(...series.map(([, megabytes]) => megabytes)), series }
    },
  })
}

const MILLION = 1_000_000

const memory: Row = {
  name: 'memory in use over the fake transport, by rows',
  unit: 'MB',
  rounds: 1,
  nodeFlags: ['--expose-gc'],
  note: 'Heap and what it holds outside itself, after a collection, the highest of fifty looks; one fresh process each. The rows have no ids of their own, which are then `row-0`, `row-1` …: ids that count up are kept as runs, whatever stands before the number.',
  contestants: [
    { name: 'a million rows', prepare: memoryOf(MILLION, fakeClient, rows, 'in use') },
    { name: 'a hundred thousand', prepare: memoryOf(100_000, fakeClient, rows, 'in use') },
    { name: 'ten thousand', prepare: memoryOf(10_000, fakeClient, rows, 'in use') },
  ],
  targets: [{ than: 'ten thousand', atMost: 1.1 }],
}

const randomIds: Row = {
  name: 'memory in use, ids in no order',
  unit: 'MB',
  rounds: 1,
  nodeFlags: ['--expose-gc'],
  note: 'What it costs to know that an id occurs for the second time, and where it was the first: 12 bytes in a table that is two thirds to five sixths full, so about 16 bytes a row. The client here is a function that answers at once.',
  contestants: [
    { name: 'a million rows', prepare: memoryOf(MILLION, instantClient, randomRows, 'in use') },
    { name: 'a hundred thousand', prepare: memoryOf(100_000, instantClient, randomRows, 'in use') },
    { name: 'ten thousand', prepare: memoryOf(10_000, instantClient, randomRows, 'in use') },
    { name: 'a million, counting up', prepare: memoryOf(MILLION, instantClient, rows, 'in use') },
  ],
}

const resident: Row = {
  name: 'resident memory of the process, by rows',
  unit: 'MB',
  rounds: 1,
  note: 'What the operating system sees (rss), Node itself included, with no collection asked for.',
  contestants: [
    { name: 'a million rows', prepare: memoryOf(MILLION, instantClient, rows, 'resident') },
    { name: 'a million, ids in no order', prepare: memoryOf(MILLION, instantClient, randomRows, 'resident') },
    { name: 'ten thousand', prepare: memoryOf(10_000, instantClient, rows, 'resident') },
  ],
}

const checkpoint: Row = {
  name: 'one checkpoint line of 500 bytes',
  unit: 'µs/row',
  rounds: 3,
  contestants: [
    {
      name: 'ours',
      prepare() {
        const folder = mkdtempSync(join(tmpdir(), 'bench-checkpoint-'))
        const file = fileCheckpoint(join(folder, 'c.jsonl'))
        const line = JSON.stringify({ id: 'row', text: 'x'.repeat(470) })
        return {
          async measure() {
            const count = 20_000
            const before = cpuMs()
            for (let at = 0; at < count; at++) await file.append(line)
            const us = ((cpuMs() - before) * 1_000) / count
            rmSync(folder, { recursive: true, force: true })
            return us
          },
        }
      },
    },
  ],
  targets: [{ atMost: 30 }],
}

/** A conversation of about a million tokens in 2,000 turns. */
function history(): Message[] {
  const words =
    'river stone lantern winter harbour copper orchard meadow thunder silver paper window garden candle'.split(
      ' ',
    )
  let seed = 7
  const next = (): string => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return words[seed % words.length]!
  }
  return Array.from({ length: 2_000 }, (_, at) => ({
    role: at % 2 === 0 ? ('user' as const) : ('assistant' as const),
    content: Array.from({ length: 480 }, next).join(' '),
  }))
}

const fitting: Row = {
  name: 'fitMessages on a history of a million tokens, against one count of it',
  unit: 'ms',
  rounds: 5,
  contestants: [
    {
      name: 'fitMessages, drop-oldest to 128,000',
      prepare() {
        const messages = history()
        cl100k_base.countTokens('warm up '.repeat(50_000))
        return {
          measure() {
            const before = cpuMs()
            fitMessages(messages, { limitTokens: 128_000, policy: 'drop-oldest', encoding: cl100k_base })
            return cpuMs() - before
          },
        }
      },
    },
    {
      name: 'one count',
      prepare() {
        const messages = history()
        cl100k_base.countTokens('warm up '.repeat(50_000))
        return {
          measure() {
            const before = cpuMs()
            for (const { content } of messages) cl100k_base.countTokens(content as string)
            return cpuMs() - before
          },
        }
      },
    },
  ],
  targets: [{ than: 'one count', atMost: 1.3 }],
}

const suite: Suite = {
  title: 'Batch and fit',
  programs: { server: () => serve(ANSWER_MS), quick: () => serve(0) },
  rows: [throughput, overhead, memory, randomIds, resident, checkpoint, fitting],
}
export default suite
