/**
 * Stay below a provider's limits instead of running into them: token buckets for requests, input and output tokens.
 *
 * In:  limits per minute. Out: a Gate that lets attempts wait, first come first served, target by target.
 * A bucket fills at the limit's rate up to `burstMs` worth of it. An attempt takes what it will probably need — its input,
 * and as much output as answers have had lately (the mean of the last 50; `maxTokens` is what nobody uses up) — and gives
 * back the difference when it knows. What was underestimated becomes a debt that the next ones wait for.
 * A request larger than a bucket is sent when the bucket is full; it is never refused for its size, and never waits
 * for ever. Over any time t no more than capacity + rate × t is let in, sizes taken at most at the capacity.
 * Not here: what the server says about its limits; a 429 is a cooldown (breaker.ts).
 */

import { LlmError } from '../errors.ts'
import { orAbort, sleep } from '../http/clock.ts'
import { ownOptions } from '../request.ts'
import type { Gate, GateAttempt } from './gate.ts'

/** Limits per minute; what is left out is unlimited. */
export interface PaceLimits {
  /** Attempts begun. */
  requestsPerMinute?: number
  /** As estimated before, as reported after. */
  inputTokensPerMinute?: number
  /** As expected before, as reported after. */
  outputTokensPerMinute?: number
}

/** See {@link pace}. */
export interface PaceOptions extends PaceLimits {
  /** Limits of single targets, by name, in place of the common ones. */
  targets?: Record<string, PaceLimits>
  /** How much of a limit may be used at once, in milliseconds of its rate. Default 10,000. */
  burstMs?: number
  /** Longer waits are refused with kind `rate-limit`, so that another target is asked. Default 60,000. */
  maxWaitMs?: number
}

const MINUTE_MS = 60_000
/** Output of an answer before any was seen, in tokens. */
const FIRST_OUTPUT_TOKENS = 500
/** Answers whose mean length is expected of the next. */
const REMEMBERED = 50

interface Bucket {
  perMs: number
  capacity: number
  level: number
  atMs: number
  /** Taken by those who wait before us. */
  queued: number
}

interface Line {
  buckets: Bucket[]
  /** Settles when everybody before us has been let in, or has left. */
  turn: Promise<void>
  outputs: number[]
}

/** The gate; one per account, as limits are. @throws LlmError `config` for limits that are not above 0. */
export function pace(paceOptions: PaceOptions): Gate {
  const options: PaceOptions = ownOptions(paceOptions)
  const { burstMs = 10_000, maxWaitMs = 60_000 } = options
  const lines = new Map<string, Line>()
  for (const limits of [options, ...Object.values(options.targets ?? {})]) {
    for (const perMinute of [
      limits.requestsPerMinute,
      limits.inputTokensPerMinute,
      limits.outputTokensPerMinute,
    ]) {
      if (perMinute === undefined || perMinute > 0) continue
      throw new LlmError({
        kind: 'config',
        message: `A limit of ${perMinute} per minute lets nothing through.`,
      })
    }
  }

  function open(target: string, nowMs: number): Line {
    const own = options.targets
    const limits: PaceLimits =
      own !== undefined && Object.hasOwn(own, target) ? ownOptions(own[target]) : options
    const bucket = (perMinute = Infinity): Bucket => {
      const perMs = perMinute / MINUTE_MS
      // At least one: a limit of one request a minute must let that one in.
      const capacity = Math.max(1, perMs * burstMs)
      return { perMs, capacity, level: capacity, atMs: nowMs, queued: 0 }
    }
    const { requestsPerMinute, inputTokensPerMinute, outputTokensPerMinute } = limits
    return {
      buckets: [bucket(requestsPerMinute), bucket(inputTokensPerMinute), bucket(outputTokensPerMinute)],
      turn: Promise.resolve(),
      outputs: [],
    }
  }

  return {
    async enter({ target, inputTokens, clock, signal, leftMs }: GateAttempt) {
      const line = lines.get(target) ?? open(target, clock.nowMs())
      lines.set(target, line)
      const { buckets, outputs } = line
      const expected =
        outputs.length === 0
          ? FIRST_OUTPUT_TOKENS
          : outputs.reduce((sum, one) => sum + one, 0) / outputs.length
      const asked = [1, inputTokens, expected]
      // What is larger than its bucket waits for a full one.
      const amounts = buckets.map(({ capacity }, at) => Math.min(asked[at]!, capacity))
      const queueMs = longest(buckets, (bucket, at) =>
        waitMs(bucket, bucket.queued + amounts[at]!, clock.nowMs()),
      )
      if (queueMs > Math.min(maxWaitMs, leftMs)) {
        throw new LlmError({
          kind: 'rate-limit',
          retryAfterMs: Math.ceil(queueMs),
          message: `The pace set for ${target} has no room for this request within the next ${Math.floor(Math.min(maxWaitMs, leftMs))} ms.`,
        })
      }
      const before = line.turn
      let leaveLine!: () => void
      // Whoever gives up while waiting lets nobody overtake: the next one still waits for those before.
      line.turn = Promise.all([before, new Promise<void>((resolve) => (leaveLine = resolve))]).then(() => {})
      for (const [at, bucket] of buckets.entries()) bucket.queued += amounts[at]!
      try {
        await orAbort(() => before, signal)
        for (;;) {
          const nowMs = clock.nowMs()
          const pauseMs = longest(buckets, (bucket, at) => waitMs(bucket, amounts[at]!, nowMs))
          if (pauseMs <= 0) break
          await sleep(clock, pauseMs, signal)
        }
        for (const [at, bucket] of buckets.entries()) bucket.level -= amounts[at]!
      } finally {
        for (const [at, bucket] of buckets.entries()) bucket.queued -= amounts[at]!
        leaveLine()
      }
      return ({ usage, billed }) => {
        const spent = [
          1,
          usage?.inputTokens ?? (billed ? amounts[1]! : 0),
          usage?.outputTokens ?? (billed ? amounts[2]! : 0),
        ]
        for (const [at, bucket] of buckets.entries()) {
          bucket.level += amounts[at]! - Math.min(spent[at]!, Math.max(bucket.capacity, amounts[at]!))
        }
        if (usage?.outputTokens === undefined) return
        outputs.push(usage.outputTokens)
        if (outputs.length > REMEMBERED) outputs.shift()
      }
    },
  }
}

/** Until the bucket holds that much, in ms. Fills it up to now. */
function waitMs(bucket: Bucket, amount: number, nowMs: number): number {
  const { perMs, capacity } = bucket
  if (perMs === Infinity) return 0
  bucket.level = Math.min(capacity, bucket.level + Math.max(0, nowMs - bucket.atMs) * perMs)
  bucket.atMs = Math.max(bucket.atMs, nowMs)
  // 1e-9: filling in many small steps leaves a sum a little short of the whole.
  return bucket.level >= amount - 1e-9 ? 0 : (amount - bucket.level) / perMs
}

function longest(buckets: readonly Bucket[], wait: (bucket: Bucket, at: number) => number): number {
  return Math.max(...buckets.map(wait))
}
