/**
 * What must behave the same everywhere: one suite, run by every runtime against one server.
 *
 * In:  the server's URL. Out: one row per check. Only Web standards in here: the file is bundled once and runs as it is in
 * Node, Deno, Bun, workerd, an edge VM, a page and a worker.
 * Not here: starting runtimes (run.ts), and anything whose answer may depend on the machine.
 */

import { createClient } from '../../src/client.ts'
import type { ErrorKind } from '../../src/errors.ts'
import { LlmError } from '../../src/errors.ts'
import { gpt100 } from '../../src/learn/gpt100.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { fromSSE } from '../../src/sse.ts'
import { createJsonParser } from '../../src/stream/json.ts'
import { cl100k_base } from '../../src/tokens/encodings/cl100k_base.ts'
import type { Options, StreamEvent } from '../../src/types.ts'

/** One check. */
export interface Row {
  name: string
  problem?: string
}

/** What a runtime reports. */
export interface Report {
  rows: Row[]
  /** Milliseconds to the first token of the first stream; 0 where the runtime hides time. */
  firstTokenMs: number
}

/** What the server says in pieces of seven bytes: line ends, accents and emoji are all cut somewhere. */
export const STORY = 'Zwölf Boxkämpfer jagen Viktor — 東京, Ελλάδα, 👩‍👩‍👧‍👦 and back.\r\nSecond line.'

/** The documents and settings of the gpt100 check; losses are compared with Node 20's. */
export const TINY: { docs: string[]; steps: number; seed: number } = {
  docs: ['ada', 'bea', 'cleo', 'dora', 'ella'],
  steps: 5,
  seed: 7,
}

/** Losses of {@link TINY}, to six digits. */
export function tinyLosses(): number[] {
  const losses: number[] = []
  const run = gpt100(TINY.docs, { steps: TINY.steps, seed: TINY.seed })
  for (let step = run.next(); step.done !== true; step = run.next())
    losses.push(Number(step.value.toFixed(6)))
  return losses
}

function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

function same(actual: unknown, expected: unknown, what: string): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)]
  assert(left === right, `${what}: got ${left.slice(0, 200)}, not ${right.slice(0, 200)}`)
}

async function failure(run: Promise<unknown>): Promise<LlmError> {
  try {
    await run
  } catch (error) {
    if (LlmError.is(error)) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** Runs every check; never throws. */
export async function runSuite(base: string): Promise<Report> {
  let calls = 0
  // All runtimes share one server, which counts by model name.
  const tag = Math.floor(Math.random() * 1e9)
  let firstTokenMs = 0
  const ask = (model: string, options: Options = {}): ReturnType<ReturnType<typeof createClient>['stream']> =>
    createClient({
      provider: openaiChat({ baseURL: `${base}/v1`, apiKey: 'test-key' }),
      dangerouslyAllowBrowser: true,
      retry: false,
    }).stream('hi', { model: `${model}-${++calls}-${tag}`, ...options })
  const kindOf = async (kind: ErrorKind, phase: string | undefined, run: Promise<unknown>): Promise<void> => {
    const error = await failure(run)
    same([error.kind, error.phase], [kind, phase ?? error.phase], error.message)
  }
  /** How many requests of this model the server saw closed before it was done with them. */
  const closed = async (model: string): Promise<number> => {
    for (let look = 0; look < 40; look++) {
      const count = Number(await (await globalThis.fetch(`${base}/closed?model=${model}`)).text())
      if (count > 0) return count
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return 0
  }

  const checks: [name: string, run: () => Promise<void> | void][] = [
    [
      'stream: text, usage, finish; UTF-8 and line ends cut anywhere',
      async () => {
        const run = ask('story')
        let text = ''
        for await (const piece of run.text) text += piece
        same(text, STORY, 'text')
        const { usage, finishReason, timing } = await run.completion
        same([usage.inputTokens, usage.outputTokens, finishReason], [3, 9, 'stop'], 'usage')
        firstTokenMs = timing.firstTokenMs ?? 0
      },
    ],
    [
      'break closes the request at the server',
      async () => {
        const model = `slow-${calls + 1}-${tag}`
        for await (const event of ask('slow')) if (event.type === 'text-delta') break
        assert((await closed(model)) === 1, 'the server did not see it go')
      },
    ],
    [
      'abort rejects with the reason, and closes the request',
      async () => {
        const model = `slow-${calls + 1}-${tag}`
        const controller = new AbortController()
        const run = ask('slow', { signal: controller.signal })
        const reason = new Error('enough')
        const error = await failure(
          (async () => {
            for await (const event of run) if (event.type === 'text-delta') controller.abort(reason)
          })(),
        )
        same([error.kind, error.name], ['aborted', 'AbortError'], 'error')
        assert(error.cause === reason, 'the cause is not the reason')
        assert((await closed(model)) === 1, 'the server did not see it go')
      },
    ],
    [
      'deadline: headers',
      () => kindOf('timeout', 'headers', ask('no-headers', { timeouts: { headers: 150 } }).completion),
    ],
    [
      'deadline: first token',
      () => kindOf('timeout', 'firstToken', ask('comments', { timeouts: { firstToken: 200 } }).completion),
    ],
    [
      'deadline: idle, with the text so far',
      async () => {
        const error = await failure(ask('stall', { timeouts: { idle: 200 } }).completion)
        same([error.kind, error.partial?.text], ['interrupted', 'half '], error.message)
      },
    ],
    [
      'deadline: progress, which comments do not reset',
      async () => {
        const error = await failure(
          ask('stall-comments', { timeouts: { progress: 300, idle: 5_000 } }).completion,
        )
        same([error.kind, error.partial?.text], ['interrupted', 'half '], error.message)
      },
    ],
    [
      'deadline: total',
      async () => {
        const error = await failure(ask('slow', { timeouts: { total: 250 } }).completion)
        assert(error.kind === 'timeout' || error.kind === 'interrupted', `kind ${error.kind}`)
      },
    ],
    [
      'a port where nobody listens',
      async () => {
        const client = createClient({
          provider: openaiChat({ baseURL: 'http://127.0.0.1:9', apiKey: 'k' }),
          dangerouslyAllowBrowser: true,
          retry: false,
        })
        await kindOf('connect', undefined, client.complete('hi', { model: 'm' }))
      },
    ],
    ['an HTML page instead of an answer', () => kindOf('protocol', undefined, ask('html').completion)],
    [
      'a body cut in the middle keeps its text',
      async () => {
        const error = await failure(ask('cut').completion)
        same([error.kind, error.partial?.text], ['interrupted', 'half '], error.message)
      },
    ],
    [
      'a redirect is refused',
      async () => {
        await kindOf('redirect', undefined, ask('redirect').completion)
      },
    ],
    [
      'tool calls: two at once, partial arguments on the way',
      async () => {
        const model = `tools-seen-${calls + 1}-${tag}`
        const run = ask('tools-seen', { tools: [{ name: 'look', inputSchema: { type: 'object' } }] })
        let half = ''
        for await (const event of run) {
          if (event.type !== 'tool-call-delta' || half !== '') continue
          const partial = JSON.stringify(event.partial ?? null)
          if (partial !== '{"city":"São Paulo"}') continue
          half = partial
          // The server sends the rest once it hears this.
          await (await globalThis.fetch(`${base}/seen?model=${model}`)).text()
        }
        const { toolCalls, finishReason } = await run.completion
        same(
          toolCalls,
          [
            { id: 'call_a', name: 'look', args: { city: 'São Paulo', deep: { n: [1, 2, 3] } } },
            { id: 'call_b', name: 'look', args: {} },
          ],
          'calls',
        )
        same(finishReason, 'tool-calls', 'finish')
        assert(half !== '', 'the first half of the arguments was not seen before the second was sent')
      },
    ],
    [
      'toSSE → fromSSE gives the same events',
      async () => {
        const direct: StreamEvent[] = []
        for await (const event of ask('tools')) direct.push(event)
        const again: StreamEvent[] = []
        for await (const event of fromSSE(ask('tools').toSSE())) again.push(event)
        same(again.slice(1), direct.slice(1), 'events')
      },
    ],
    [
      'toResponse has the status and the stream',
      async () => {
        const response = await ask('story').toResponse()
        same(response.status, 200, 'status')
        assert((await response.text()).includes('"type":"finish"'), 'no finish event')
      },
    ],
    [
      'partial JSON at every split',
      () => {
        const text = '{"a":[1,2.5e3,"x\\u00e9😀"],"b":{"c":null,"__proto__":1},"d":true}'
        for (let split = 0; split <= text.length; split++) {
          const parser = createJsonParser()
          parser.push(text.slice(0, split))
          parser.push(text.slice(split))
          parser.end()
          same(parser.value, JSON.parse(text), `split ${split}`)
        }
      },
    ],
    [
      'tokenizer golden vectors',
      async () => {
        const vectors = (await (await globalThis.fetch(`${base}/vectors`)).json()) as {
          text: string
          ids: number[]
        }[]
        assert(vectors.length > 100, 'no vectors')
        for (const { text, ids } of vectors) {
          same(cl100k_base.encodeOrdinary(text), ids, JSON.stringify(text))
          same(cl100k_base.countTokens(text), ids.length, 'count')
        }
      },
    ],
    [
      'gpt100 losses to six digits',
      async () => same(tinyLosses(), await (await globalThis.fetch(`${base}/losses`)).json(), 'losses'),
    ],
  ]

  const rows: Row[] = []
  for (const [name, run] of checks) {
    try {
      await run()
      rows.push({ name })
    } catch (error) {
      rows.push({ name, problem: error instanceof Error ? error.message : String(error) })
    }
  }
  return { rows, firstTokenMs }
}
