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
import type { Context, Row, Suite } from './run.ts'

const CONCURRENCY = 32
const ANSWER_MS = 200

function* rows(count: number): Generator<{ id: string; prompt: string }> {
  for (let at = 0; at < count; at++) yield { id: `row-${at}`, prompt: `question ${at}` }
}

/** A server, in a process of its own, that takes 200 ms to answer three words. Prints its port. */
async function server(): Promise<void> {
  const frame = (delta: object, finish: string | null): string =>
    `data: ${JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
  const body = `${frame({ content: 'three short words' }, null)}${frame({}, 'stop')}data: [DONE]\n\n`
  const listening = createServer((request, response) => {
    request.resume()
    request.on('end', () =>
      setTimeout(() => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(body), ANSWER_MS),
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

const COUNT = 3_200

const throughput: Row = {
  name: `${COUNT.toLocaleString('en-US')} rows against a loopback server, ${CONCURRENCY} at once`,
  unit: 'ms/row',
  clock: 'wall',
  rounds: 3,
  note: `The server takes ${ANSWER_MS} ms per answer, so ${CONCURRENCY} at once allow ${ANSWER_MS / CONCURRENCY} ms a row; the bare loop is ${CONCURRENCY} workers around the same client.`,
  contestants: (
    [
      ['ours', runAll],
      ['bare loop', bareLoop],
    ] as const
  ).map(([name, run]) => ({
    name,
    async prepare({ start }: Context) {
      const client = clientAt(await start('server'))
      await run(client, 4 * CONCURRENCY)
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

const overhead: Row = {
  name: 'processor time per row above the bare client',
  unit: 'ms/row',
  rounds: 3,
  note: 'The scripted client answers at once, so what is left is the runner. Wanted: at most 0.5 ms above the bare loop.',
  contestants: (
    [
      ['ours', runAll],
      ['bare loop', bareLoop],
    ] as const
  ).map(([name, run]) => ({
    name,
    async prepare() {
      const client = createClient(fake(() => 'three short words'))
      await run(client, 2_000)
      return {
        async measure() {
          const before = cpuMs()
          await run(client, 10_000)
          return (cpuMs() - before) / 10_000
        },
      }
    },
  })),
}

/** Peak of what is in use after a collection, above what was in use before. */
function memoryOf(count: number): Row['contestants'][number]['prepare'] {
  return async () => {
    const completion = { text: 'three short words', usage: { inputTokens: 3, outputTokens: 3 } } as Completion
    const client: BatchClient = { complete: async () => completion }
    const inUse = (): number => {
      ;(globalThis as { gc?: () => void }).gc?.()
      const { heapUsed, arrayBuffers } = process.memoryUsage()
      return (heapUsed + arrayBuffers) / 1e6
    }
    return {
      async measure() {
        const before = inUse()
        let peak = 0
        let taken = 0
        for await (const _ of batch(rows(count), { client, concurrency: CONCURRENCY })) {
          if (++taken % Math.ceil(count / 20) === 0) peak = Math.max(peak, inUse() - before)
        }
        return peak
      },
    }
  }
}

const memory: Row = {
  name: 'memory in use, a million rows against ten thousand',
  unit: 'MB',
  rounds: 1,
  nodeFlags: ['--expose-gc'],
  note: 'Heap and array buffers after a collection, at the highest of twenty looks. Row ids take 32 bytes each, in a table that doubles.',
  contestants: [
    { name: 'a million rows', prepare: memoryOf(1_000_000) },
    { name: 'ten thousand rows', prepare: memoryOf(10_000) },
  ],
}

const checkpoint: Row = {
  name: 'one checkpoint line of 500 bytes',
  unit: 'µs/row',
  rounds: 3,
  note: 'Wanted: at most 30 µs a row.',
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
  programs: { server },
  rows: [throughput, overhead, memory, checkpoint, fitting],
}
export default suite
