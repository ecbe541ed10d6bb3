/**
 * A whole world in one seed: targets that fail, callers that leave, and a clock that only moves from event to event.
 *
 * In:  a seed. Out: what every caller saw and what every target was asked, for properties.test to judge.
 * Everything that decides anything draws from one generator: latencies, faults, limits, outages, where bytes are cut,
 * the router's own dice and options. The same seed is the same world, to the byte; nothing waits for real time.
 * After FoundationDB and TigerBeetle, who test this way.
 */

import { LlmError } from '../../../src/errors.ts'
import type { HttpRequest, HttpResponse } from '../../../src/provider.ts'
import { openaiChat } from '../../../src/providers/openai-chat.ts'
import { createRouter } from '../../../src/route/index.ts'
import type { Interrupt, Router, RouterOptions, Target, TargetState } from '../../../src/route/index.ts'
import type { Clock, Completion, StreamEvent } from '../../../src/types.ts'

export const KEY = 'Zq7.simulated~key~0815.xYw9'

/** mulberry32: 32 bits of state, good enough to choose faults by. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** One request as a target saw it. */
export interface Asked {
  id: number
  lane: number
  atMs: number
  call: number
  /** What its whole answer would have been. */
  words: string[]
  fate: string
  hintMs: number | undefined
  /** States of all lanes when the instant began and when it arrived. */
  before: TargetState[]
  during: TargetState[]
  bodyOpen: boolean
  pulledBytes: number
}

/** One call as its caller saw it. */
export interface Called {
  index: number
  startMs: number
  endMs: number
  totalMs: number | undefined
  abortMs: number | undefined
  left: boolean
  events: StreamEvent[]
  completion?: Completion
  error?: unknown
  outcomes: number
  listeners: number
}

export interface World {
  seed: number
  router: Router
  options: RouterOptions
  attempts: number
  lanes: number
  asked: Asked[]
  called: Called[]
  timers: number
  delays: number[]
  endMs: number
  steps: number
}

const FATES = [
  'ok',
  'ok',
  'ok',
  'refused',
  'hang',
  '500',
  '503',
  '429',
  '400',
  '401',
  'cut',
  'stall',
  'failed',
  'late',
  'endless',
  'empty',
] as const
export const RESPONSE_BYTES = 20_000

const chunkOf = (content: string, finish: string | null): string =>
  `data: ${JSON.stringify({ model: 'm', choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`
/** Parsers of all kinds have been led by this one to write to Object.prototype. */
const POISON = 'data: {"__proto__":{"polluted":1},"choices":[{"delta":{"__proto__":{"content":"evil"}}}]}\n\n'

/** Runs the world of a seed to its end. */
export async function simulate(seed: number): Promise<World> {
  const random = randomOf(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const chance = (share: number): boolean => random() < share
  const oneOf = <T>(list: readonly T[]): T => list[below(list.length)]!

  // ------------------------------------------------------------------------------------------ time
  let nowMs = 1_000_000
  let ids = 0
  let steps = 0
  const timers = new Map<number, { dueMs: number; callback: () => void }>()
  const delays: number[] = []
  const after = (callback: () => void, delayMs: number): number => {
    timers.set(++ids, { dueMs: nowMs + Math.max(0, delayMs), callback })
    return ids
  }
  const clock: Clock = {
    nowMs: () => nowMs,
    epochMs: () => 1_800_000_000_000 + nowMs,
    setTimer(callback, delayMs) {
      delays.push(delayMs)
      return after(callback, delayMs)
    },
    clearTimer: (timer) => void timers.delete(timer as number),
  }

  // --------------------------------------------------------------------------------------- targets
  const lanes = 1 + below(4)
  const asked: Asked[] = []
  let before: TargetState[] = []
  const targets = Array.from({ length: lanes }, (_, lane): Target => {
    const health = oneOf([0, 0.3, 0.7, 1])
    const slowMs = oneOf([1, 50, 800])
    const outage = chance(0.3) ? [nowMs + below(20_000), nowMs + 20_000 + below(20_000)] : [0, 0]
    const allowed = chance(0.2) ? 1 + below(3) : Infinity
    let inFlight = 0
    return {
      name: `lane ${lane}`,
      provider: openaiChat({ baseURL: `http://lane${lane}`, apiKey: KEY, name: `lane${lane}` }),
      model: 'm',
      weight: 1 + below(3),
      ...(chance(0.5) ? { continuation: oneOf(['prefill', 'user-turn'] as const) } : {}),
      transport: { send: (request, { signal }) => send(lane, request, signal) },
    }

    async function send(at: number, request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
      const out = nowMs >= outage[0]! && nowMs < outage[1]!
      const fate = out ? 'refused' : inFlight >= allowed ? '429' : chance(health) ? 'ok' : oneOf(FATES)
      const id = asked.length
      const words = Array.from({ length: 1 + below(5) }, (__, word) => `[${id}.${word}]`)
      const hintMs = fate === '429' || fate === '503' ? oneOf([undefined, 0, 40, 2_000, 90_000]) : undefined
      const call = Number(/"call (\d+)"/.exec(String(request.body))?.[1])
      const entry: Asked = {
        id,
        lane: at,
        atMs: nowMs,
        call,
        words,
        fate,
        hintMs,
        before,
        during: router.state(),
        bodyOpen: false,
        pulledBytes: 0,
      }
      asked.push(entry)
      inFlight++
      try {
        await pause(fate === 'hang' ? Infinity : fate === 'late' ? 40_000 : below(slowMs) + 1, signal)
      } finally {
        inFlight--
      }
      if (fate === 'refused') {
        throw new TypeError('fetch failed', {
          cause: Object.assign(new Error(KEY), { code: 'ECONNREFUSED' }),
        })
      }
      const headers = new Headers(hintMs === undefined ? {} : { 'retry-after-ms': String(hintMs) })
      const status = Number(fate)
      if (status > 0) {
        return { status, headers, body: bodyOf(entry, [`{"error":{"message":"no ${KEY}"}}`], signal, 'end') }
      }
      return { status: 200, headers, body: bodyOf(entry, piecesOf(entry), signal, endingOf(fate)) }
    }
  })

  function endingOf(fate: string): 'end' | 'stall' | 'reset' | 'repeat' {
    return fate === 'stall'
      ? 'stall'
      : fate === 'cut'
        ? oneOf(['end', 'reset'] as const)
        : fate === 'endless'
          ? 'repeat'
          : 'end'
  }

  /** The answer on the wire, cut anywhere: inside a character, a line, a field name. */
  function piecesOf({ words, fate }: Asked): string[] {
    let text = chance(0.3) ? POISON : ''
    if (fate === 'empty') return ['']
    const broken = fate === 'cut' || fate === 'stall' || fate === 'failed'
    for (const word of broken ? words.slice(0, below(words.length + 1)) : words) text += chunkOf(word, null)
    if (fate === 'failed') text += 'data: {"error":{"message":"server died","code":500}}\n\n'
    else if (fate === 'endless') return [text]
    else if (!broken) text += `${chunkOf('', 'stop')}data: [DONE]\n\n`
    const pieces: string[] = []
    while (text !== '') {
      const length = chance(0.2) ? 1 + below(5) : 1 + below(400)
      pieces.push(text.slice(0, length))
      text = text.slice(length)
    }
    return pieces
  }

  function bodyOf(
    entry: Asked,
    pieces: string[],
    signal: AbortSignal,
    ending: 'end' | 'stall' | 'reset' | 'repeat',
  ): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder()
    entry.bodyOpen = true
    let index = 0
    return new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          await pause(below(30), signal).catch(() => {})
          const piece = ending === 'repeat' ? chunkOf('x'.repeat(500), null) : pieces[index++]
          if (piece !== undefined) {
            entry.pulledBytes += piece.length
            return controller.enqueue(encoder.encode(piece))
          }
          if (ending === 'stall') return pause(Infinity, signal).catch(() => {})
          entry.bodyOpen = false
          if (ending === 'reset') controller.error(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
          else controller.close()
        },
        cancel() {
          entry.bodyOpen = false
        },
      },
      { highWaterMark: 0 },
    )
  }

  function pause(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const leave = (): void => {
        if (timer !== undefined) timers.delete(timer)
        reject(signal.reason)
      }
      const timer =
        delayMs === Infinity
          ? undefined
          : after(() => {
              signal.removeEventListener('abort', leave)
              resolve()
            }, delayMs)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  // ---------------------------------------------------------------------------------------- router
  const attempts = 1 + below(4)
  const onInterrupt = oneOf<Interrupt>([
    'throw',
    'restart',
    'continue',
    { mode: 'continue', prompt: 'Weiter.' },
  ])
  const options: RouterOptions = {
    targets,
    strategy: oneOf(['fallback', 'weighted', 'fastest'] as const),
    retry: {
      attempts,
      baseMs: oneOf([20, 500]),
      maxMs: 30_000,
      budget: { reserve: oneOf([0, 2, 10]), ratio: oneOf([0, 0.2]) },
    },
    breaker: { minimumCalls: oneOf([1, 3, 5]), openMs: oneOf([200, 5_000]) },
    onInterrupt,
    clock,
    random,
  }
  const router = createRouter(options)

  // ----------------------------------------------------------------------------------------- calls
  const called: Called[] = []
  const running: Promise<void>[] = []
  const calls = 1 + below(10)
  for (let index = 0; index < calls; index++) {
    const call: Called = {
      index,
      startMs: nowMs + below(30_000),
      endMs: NaN,
      totalMs: chance(0.4) ? 1 + below(20_000) : undefined,
      abortMs: chance(0.3) ? below(5_000) : undefined,
      left: false,
      events: [],
      outcomes: 0,
      listeners: 0,
    }
    called.push(call)
    const leaveAfter = chance(0.15) ? 1 + below(4) : Infinity
    running.push(
      new Promise((resolve) => after(() => void begin(call, leaveAfter).then(resolve), call.startMs - nowMs)),
    )
  }

  async function begin(call: Called, leaveAfter: number): Promise<void> {
    const controller = new AbortController()
    const { signal } = controller
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = ((...args: Parameters<typeof add>) => (
      call.listeners++,
      add(...args)
    )) as typeof add
    signal.removeEventListener = ((...args: Parameters<typeof add>) => (
      call.listeners--,
      remove(...args)
    )) as typeof add
    if (call.abortMs !== undefined) {
      after(() => {
        // `once` listeners go by themselves.
        if (Number.isNaN(call.endMs)) call.listeners--
        controller.abort('enough')
      }, call.abortMs)
    }
    const run = router.stream([{ role: 'user', content: `call ${call.index}` }], {
      signal,
      timeouts: {
        headers: 30_000,
        idle: 20_000,
        ...(call.totalMs === undefined ? {} : { total: call.totalMs }),
      },
      limits: { responseBytes: RESPONSE_BYTES },
    })
    try {
      for await (const event of run) {
        call.events.push(event)
        if (call.events.length < leaveAfter) continue
        call.left = true
        break
      }
      call.outcomes++
      if (!call.left) call.completion = await run.completion
      else await run.completion.catch(() => {})
    } catch (error) {
      call.outcomes++
      call.error = error
    }
    call.endMs = nowMs
  }

  // ---------------------------------------------------------------------------------------- events
  let done = false
  void Promise.all(running).then(() => (done = true))
  // A step is one instant: every timer that is due at it, and everything that follows without waiting.
  for (; steps < 100_000; steps++) {
    await settle()
    let nextMs = Infinity
    for (const { dueMs } of timers.values()) nextMs = Math.min(nextMs, dueMs)
    if (nextMs === Infinity) break
    nowMs = Math.max(nowMs, nextMs)
    before = router.state()
    const due = [...timers].filter(([, { dueMs }]) => dueMs <= nowMs)
    // The order within an instant is chance as well.
    for (let left = due.length; left > 0; left--) {
      const [picked] = due.splice(below(left), 1)
      if (picked !== undefined && timers.delete(picked[0])) picked[1].callback()
    }
  }
  await settle()
  if (!done) {
    const stuck = called.filter(({ endMs }) => Number.isNaN(endMs)).map(({ index }) => index)
    throw new LlmError({ kind: 'protocol', message: `calls ${stuck.join(', ')} never ended` })
  }
  return {
    seed,
    router,
    options,
    attempts,
    lanes,
    asked,
    called,
    timers: timers.size,
    delays,
    endMs: nowMs,
    steps,
  }
}

/** Everything that can run without time passing. Web streams take a few turns. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
}
