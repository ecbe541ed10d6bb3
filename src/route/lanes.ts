/**
 * Which target a call asks next, and what it is told when none is left.
 *
 * In:  the lanes of a router or of a chain, those tried already, what the request needs. Out: a lane, or an LlmError.
 * A lane is asked when it can take the request and its breaker grants it; with every breaker open the one nearest
 * recovery is asked all the same, once, because refusing helps nobody.
 * Not here: asking (routed.ts), which of several usable lanes is best (pick.ts), what a lane can take (target.ts).
 */

import { LlmError } from '../errors.ts'
import type { Attempt, Request } from '../types.ts'
import type { Rules } from './routed.ts'
import { unfit } from './target.ts'
import type { Demand, Lane } from './target.ts'

/** The lanes not tried yet that can take the request; why the others cannot is added to `reasons`. */
export function ableLanes(
  lanes: readonly Lane[],
  tried: ReadonlySet<Lane>,
  demand: Demand,
  reasons: string[],
): Lane[] {
  return lanes.filter((lane) => {
    if (tried.has(lane)) return false
    const reason = unfit(lane, demand)
    if (reason !== undefined) reasons.push(`${lane.name}: ${reason}`)
    return reason === undefined
  })
}

/**
 * The lane to ask next.
 * @param anyway with every breaker open, one is asked all the same.
 */
export function nextLane(
  rules: Rules,
  able: readonly Lane[],
  request: Request,
  nowMs: number,
  anyway: boolean,
): Lane | undefined {
  const usable = able.filter(({ breaker }) => breaker.peek(nowMs).granted)
  if (usable.length > 0) return rules.choose(usable, request)
  return anyway ? nearestRecovery(able, nowMs) : undefined
}

/** With everything open, the target whose breaker ends first. */
function nearestRecovery(lanes: readonly Lane[], nowMs: number): Lane | undefined {
  let best: Lane | undefined
  let bestMs = Infinity
  for (const lane of lanes) {
    const permit = lane.breaker.peek(nowMs)
    const atMs = permit.granted ? nowMs : permit.retryAtMs
    if (atMs < bestMs) {
      best = lane
      bestMs = atMs
    }
  }
  return best
}

/** What to tell a caller whose call no target took, or every target failed. */
export function noneLeft(
  last: LlmError | undefined,
  attempts: readonly Attempt[],
  tried: number,
  reasons: readonly string[],
  lanes: readonly Lane[],
  nowMs: number,
): LlmError {
  if (last === undefined) {
    return new LlmError({
      kind: 'unsupported',
      attempts,
      message: `No target of the router can take this request: ${[...new Set(reasons)].join('; ')}.`,
    })
  }
  if (tried === 1 && lanes.length === 1) return last.with({ attempts })
  const waits = lanes
    .map(({ breaker }) => breaker.peek(nowMs))
    .flatMap((permit) => (permit.granted ? [] : [permit.retryAtMs - nowMs]))
  return new LlmError({
    kind: 'all-targets-failed',
    attempts,
    provider: last.provider,
    model: last.model,
    status: last.status,
    retryable: last.retryable,
    retryAfterMs: waits.length === 0 ? last.retryAfterMs : Math.ceil(Math.min(...waits)),
    message: `All ${tried} targets failed; the last error was: ${last.message}`,
    cause: last,
  })
}
