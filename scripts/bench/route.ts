/**
 * What a router costs beside the client it wraps, and what it spares a target that is down: `npm run bench -- route`.
 *
 * No socket: a transport in memory hands out the same bytes to both, so that what differs is the router. Both differences
 * are small against the noise of a machine, so both sides run in the same process, in turns of a few milliseconds, and the
 * figure is the median over the turns.
 */

import { fake } from '../../src/adapters/testing.ts'
import { createClient } from '../../src/client.ts'
import type { Client } from '../../src/client.ts'
import type { Transport } from '../../src/provider.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { createRequest } from '../../src/request.ts'
import { createRouter } from '../../src/route/index.ts'
import type { RouterOptions } from '../../src/route/index.ts'
import { ableLanes, nextLane } from '../../src/route/lanes.ts'
import { createRules } from '../../src/route/router.ts'
import { demandOf } from '../../src/route/target.ts'
import type { Options } from '../../src/types.ts'
import { median } from './run.ts'
import type { Contestant, Row, Suite } from './run.ts'

const CHUNKS = 5_000
const CALLERS = 100

// ---------------------------------------------------------------------------------------- one stream

const event = (delta: object, finish: string | null): string =>
  `data: ${JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`

/** Answers every request with the same chunks, each as its own read. */
function transportOf(chunks: number): Transport {
  const bytes = Array.from({ length: chunks }, (_, at) =>
    new TextEncoder().encode(event({ content: ` token${at}` }, null)),
  )
  bytes.push(new TextEncoder().encode(`${event({}, 'stop')}data: [DONE]\n\n`))
  return {
    async send() {
      let at = 0
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          const next = bytes[at++]
          if (next === undefined) controller.close()
          // A copy: a reader may keep or transfer what it is given.
          else controller.enqueue(next.slice())
        },
      })
      return { status: 200, headers: new Headers({ 'content-type': 'text/event-stream' }), body }
    },
  }
}

function optionsOf(transport: Transport): Options {
  return { provider: openaiChat({ baseURL: 'http://bench', apiKey: 'key' }), model: 'm', transport }
}

/** The bare client and a router over the same target and a spare, with options of the router's own. */
function pair(transport: Transport, more: Partial<RouterOptions> = {}): { bare: Client; routed: Client } {
  const options = optionsOf(transport)
  return {
    bare: createClient(options),
    routed: createRouter({ targets: [options, { ...options, name: 'spare' }], ...more }),
  }
}

async function read(client: Client): Promise<void> {
  for await (const _ of client.stream('hi'));
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Processor time of both, in µs per piece of work, turn about; the order changes with every turn. */
async function inTurns(
  { bare, routed }: { bare: Client; routed: Client },
  calls: number,
  turns: number,
): Promise<{ bare: number[]; routed: number[] }> {
  const taken = { bare: [] as number[], routed: [] as number[] }
  const run = async (name: 'bare' | 'routed', client: Client): Promise<void> => {
    const before = cpuUs()
    for (let call = 0; call < calls; call++) await read(client)
    taken[name].push((cpuUs() - before) / calls)
  }
  for (let turn = -5; turn < turns; turn++) {
    if (turn === 0) taken.bare.length = taken.routed.length = 0
    if (turn % 2 === 0) await run('bare', bare)
    await run('routed', routed)
    if (turn % 2 !== 0) await run('bare', bare)
  }
  return taken
}

const middle = (values: number[]): number => median(values.sort((a, b) => a - b))

const chunk = (name: string, more: Partial<RouterOptions>): Contestant => ({
  name,
  prepare: () => ({
    async measure() {
      const { bare, routed } = await inTurns(pair(transportOf(CHUNKS), more), 2, 60)
      return middle(routed) / middle(bare)
    },
  }),
})

const perChunk: Row = {
  name: 'processor time per chunk, router over bare client',
  unit: '× bare',
  note: `A stream of ${CHUNKS.toLocaleString('en-US')} chunks, read to its end. With onInterrupt the router sums the answer a second time, to be able to go on with it.`,
  contestants: [chunk('router', {}), chunk('router, onInterrupt: continue', { onInterrupt: 'continue' })],
  targets: [{ atMost: 1.05 }],
}

const perCall: Row = {
  name: 'processor time per call, router above bare client',
  unit: 'µs/call',
  note: 'An answer of one chunk; the figure is the difference.',
  contestants: [
    {
      name: 'router',
      prepare: () => ({
        async measure() {
          const { bare, routed } = await inTurns(pair(transportOf(1)), 100, 60)
          return middle(routed) - middle(bare)
        },
      }),
    },
  ],
  targets: [{ atMost: 100 }],
}

// ------------------------------------------------------------------------------------------ one pick

const pick = (name: string, more: Partial<RouterOptions>, system?: string): Contestant => ({
  name,
  prepare() {
    const rules = createRules({
      targets: Array.from({ length: 10 }, (_, index) => ({
        ...optionsOf(transportOf(1)),
        name: `target ${index}`,
        weight: 1 + (index % 3),
        capabilities: ['tools', 'image', 'schema'],
        contextTokens: 200_000,
      })),
      ...more,
    })
    for (const [index, lane] of rules.lanes.entries()) lane.ttft.observe(200 + 10 * index, performance.now())
    const request = createRequest('Why is the sky blue?', system === undefined ? {} : { system }, 'router')
    const demand = demandOf(request)
    const tried = new Set<never>()
    return {
      ops: 1_000,
      run() {
        let sum = 0
        for (let turn = 0; turn < 1_000; turn++) {
          const able = ableLanes(rules.lanes, tried, demand, [])
          sum += nextLane(rules, able, request, performance.now(), true)!.weight
        }
        return sum
      },
    }
  },
})

const picking: Row = {
  name: 'one pick among 10 targets',
  unit: 'ns/pick',
  note: 'Abilities and breakers of all ten, then the strategy. The long prompt is above the 4,000 characters from which on the same prefix prefers the same target.',
  contestants: [
    pick('fastest', { strategy: 'fastest' }),
    pick('weighted', { strategy: 'weighted' }),
    pick('fallback', {}),
    pick('weighted, a prompt of 20,000 characters', { strategy: 'weighted' }, 'manual '.repeat(3_000)),
  ],
  targets: [
    { atMost: 2_000 },
    { of: 'weighted', atMost: 2_000 },
    { of: 'fallback', atMost: 2_000 },
    { of: 'weighted, a prompt of 20,000 characters', atMost: 2_000 },
  ],
}

// ---------------------------------------------------------------------------------- one target, down

const down = { error: { status: 503, message: 'overloaded' } }

/** Requests that reach a target that always fails. */
const flood = (name: string, ask: (options: Options) => () => Promise<unknown>): Contestant => ({
  name,
  prepare: () => ({
    async measure() {
      const { provider, transport, calls } = fake(() => down)
      const call = ask({ provider, transport, model: 'm' })
      await Promise.allSettled(Array.from({ length: CALLERS }, call))
      return calls.length
    },
  }),
})

const routedBy = (more: Partial<RouterOptions>) => (options: Options) => {
  const router = createRouter({ targets: [options], retry: { baseMs: 20 }, ...more })
  return () => router.complete('hi')
}

const flooding: Row = {
  name: `requests to a target that always fails, ${CALLERS} callers at once`,
  unit: 'requests',
  rounds: 3,
  note: 'Wanted: 1.2 × callers and the reserve of 10. The second line has no breaker, so that the budget alone holds.',
  contestants: [
    flood('router', routedBy({})),
    flood('router, breaker never opens', routedBy({ breaker: { minimumCalls: 1e9 } })),
    flood('bare client, three tries', (options) => {
      const client = createClient({ ...options, retry: { baseMs: 20 } })
      return () => client.complete('hi')
    }),
  ],
  targets: [
    { atMost: 1.2 * CALLERS + 10 },
    { of: 'router, breaker never opens', atMost: 1.2 * CALLERS + 10 },
  ],
}

const suite: Suite = { title: 'Routing', rows: [perChunk, perCall, picking, flooding] }
export default suite
