/**
 * One call through a router: which targets it tried, which one answers, and what happens when that one breaks off.
 *
 * In:  the router's lanes and rules, an Input and Options. Out: a RunSource — batches pass through untouched, so a
 *      routed stream costs what the bare client's costs.
 * Until the first content event everything may be tried again unseen. After it there are three ways, by `onInterrupt`:
 *   throw     kind `interrupted` with the partial answer (default);
 *   restart   a `restart` event, then the answer from the beginning, from whichever target is usable;
 *   continue  the answer goes on where it stopped, only at a target that says how (`continuation`).
 * Never after a tool call was delivered: somebody may have run it. And no more often than a target is retried: an answer
 * that breaks off every time would otherwise be asked for, and paid for, without end.
 * Not here: the rules (router.ts), the next lane (lanes.ts), what a continuation asks (continuation.ts), health
 * (breaker.ts), pauses (http/retry.ts).
 */

import type { ErrorKind } from '../errors.ts'
import { LlmError } from '../errors.ts'
import type { Call } from '../http/call.ts'
import { openCall } from '../http/call.ts'
import { sleep } from '../http/clock.ts'
import { diedInPool, retryDelayMs } from '../http/retry.ts'
import type { RetryPolicy } from '../http/retry.ts'
import { createRequest, ownOptions } from '../request.ts'
import { createAccumulator } from '../stream/accumulate.ts'
import type { Accumulator, Facts } from '../stream/accumulate.ts'
import type { RunSource } from '../stream/run.ts'
import type { Attempt, Hooks, Input, Options, PartialCompletion, Request, StreamEvent } from '../types.ts'
import { outcomeOf } from './breaker.ts'
import type { Permit } from './breaker.ts'
import { continuation, shiftParts } from './continuation.ts'
import type { Gate, GateOutcome, Leave } from './gate.ts'
import type { Hedge } from './hedge.ts'
import { ableLanes, nextLane, noneLeft } from './lanes.ts'
import { FAST_FAILURE_PENALTY_MS } from './pick.ts'
import { demandOf, modelOf, sourceOf, unfit } from './target.ts'
import type { Demand, Lane } from './target.ts'

/** What to do when an answer breaks off after content was delivered. `prompt` is the further user turn that asks for the rest. */
export type Interrupt = 'throw' | 'restart' | 'continue' | { mode: 'continue'; prompt: string }

/** The router's rules, as a call needs them. */
export interface Rules {
  lanes: readonly Lane[]
  /** Chains for requests that are too long, or were filtered. */
  contextLength: readonly Lane[]
  contentFilter: readonly Lane[]
  /** The best of several usable lanes. */
  choose(usable: readonly Lane[], request: Request): Lane
  policy: RetryPolicy
  /** Kinds that are about the target, so that another one may do better. */
  failover: ReadonlySet<ErrorKind>
  onInterrupt: Interrupt
  /** Passed in this order by every attempt. */
  gates: readonly Gate[]
  hedge: Hedge | undefined
}

/** The lane that answers, and what it answers. */
interface Answering {
  lane: Lane
  source: RunSource
  /** When it was asked, in ms after the call began. */
  offsetMs: number
  held: readonly StreamEvent[] | undefined
  /** Undefined when nobody has to be told how it ends. */
  leave: Leave | undefined
  /** Counted as in flight until it ends, in whatever way. */
  counted: boolean
}

/** A router chooses these; in a call they would silently mean nothing. */
const CHOSEN_BY_ROUTER = ['provider', 'model', 'apiKey', 'baseURL'] as const

/** A call, not yet begun: the first `next()` does that, so that `stream()` never throws. */
export function openRouted(rules: Rules, input: Input, given: Options | undefined): RunSource {
  const options: Options = ownOptions(given)
  /** Everything that was asked, in order; also what lost a race, whose end nobody waits for. */
  const asked: RunSource[] = []
  let call: Call | undefined
  let request: Request | undefined
  let answering: Answering | undefined
  let cancelled: LlmError | undefined
  // Only an answer that may be continued is summed here; the run sums every answer anyway.
  const sum: Accumulator | undefined = rules.onInterrupt === 'throw' ? undefined : createAccumulator()
  let calledTool = false
  /** How often the answer broke off after content. */
  let breaks = 0
  let ended = false

  async function begin(): Promise<void> {
    for (const field of CHOSEN_BY_ROUTER) {
      if (options[field] === undefined) continue
      throw new LlmError({
        kind: 'config',
        message: `A router chooses its targets itself: leave ${field} out of the call, or put it into a target.`,
      })
    }
    request = createRequest(input, options, 'router')
    call = openCall(options, {
      operation: 'chat',
      provider: 'router',
      model: rules.lanes.map(({ name }) => name).join(','),
    })
    if (cancelled !== undefined) call.cancel(cancelled)
    call.tell('onRequest', { request })
    const demand = demandOf(request)
    answering = await (rules.hedge === undefined
      ? tryLanes(call, rules.lanes, input, demand)
      : tryHedged(call, rules.hedge, demand))
    call.tell('onFirstEvent', { firstTokenMs: call.clock.nowMs() - call.startMs })
  }

  /** Lane after lane until one answers. */
  async function tryLanes(
    open: Call,
    first: readonly Lane[],
    prompt: Input,
    demand: Demand,
    tried = new Set<Lane>(),
  ): Promise<Answering> {
    let lanes = first
    const reasons: string[] = []
    let last: LlmError | undefined
    for (;;) {
      const able = ableLanes(lanes, tried, demand, reasons)
      const nowMs = open.clock.nowMs()
      const lane = nextLane(rules, able, request!, nowMs, last === undefined)
      if (lane === undefined) throw noneLeft(last, attempts(), tried.size, reasons, lanes, nowMs)
      tried.add(lane)
      const alone = able.length === 1
      try {
        return await tryLane(open, lane, prompt, alone)
      } catch (thrown) {
        if (!LlmError.is(thrown) || open.signal.aborted) throw thrown
        last = thrown
        const chain =
          thrown.kind === 'context-length'
            ? rules.contextLength
            : thrown.kind === 'content-filter'
              ? rules.contentFilter
              : []
        const fresh = chain.filter((one) => !tried.has(one))
        if (fresh.length > 0) lanes = fresh
        else if (!rules.failover.has(thrown.kind)) throw thrown
      }
    }
  }

  /** As above, twice when the first takes long: the lanes tried are shared, so that no one is asked by both. */
  function tryHedged(open: Call, hedge: Hedge, demand: Demand): Promise<Answering> {
    const tried = new Set<Lane>()
    return hedge.race<Answering>({
      clock: open.clock,
      signal: open.signal,
      start(signal) {
        const nowMs = open.clock.nowMs()
        const free = ableLanes(rules.lanes, tried, demand, []).some(
          ({ breaker }) => breaker.peek(nowMs).granted,
        )
        return tried.size > 0 && !free
          ? undefined
          : tryLanes({ ...open, signal }, rules.lanes, input, demand, tried)
      },
      target: () => [...tried][0]?.name ?? '',
      winner: ({ lane }) => lane.name,
      discard(late) {
        const error = new LlmError({ kind: 'aborted', message: 'Another target answered first.' })
        letGo(late, { usage: late.source.facts().usage, billed: true })
        late.source.cancel(error)
        late.source.ended?.({ error })
      },
    })
  }

  /** All gates, or none: who is refused at one has left the others. */
  async function passGates(open: Call, lane: Lane): Promise<Leave> {
    const leaves: Leave[] = []
    const leave: Leave = (outcome) => {
      for (const one of leaves.splice(0)) one(outcome)
    }
    try {
      for (const gate of rules.gates) {
        leaves.push(
          await gate.enter({
            target: lane.name,
            ...modelOf(lane),
            request: request!,
            inputTokens: demandOf(request!).tokens,
            clock: open.clock,
            signal: open.signal,
            leftMs: open.leftMs(),
          }),
        )
      }
      return leave
    } catch (refused) {
      leave({ usage: undefined, billed: false })
      throw refused
    }
  }

  /** One lane, as often as the policy, its budget and its breaker let us. */
  async function tryLane(open: Call, lane: Lane, prompt: Input, alone: boolean): Promise<Answering> {
    const { clock } = open
    let delayMs = 0
    let failure: LlmError | undefined
    lane.budget.deposit(clock.nowMs())
    for (let tries = 1; ; tries++) {
      const acquired = lane.breaker.acquire(clock.nowMs())
      // Others found out during our pause that it is down: one more knock would not help it.
      if (!acquired.granted && failure !== undefined && !alone) throw failure
      // The panic pick goes out without a permit; it is booked as an ordinary call.
      const permit: Permit = acquired.granted ? acquired : { granted: true, probe: false }
      let startMs = clock.nowMs()
      lane.inFlight++
      let source: RunSource | undefined
      let leave: Leave | undefined
      try {
        if (rules.gates.length > 0) {
          leave = await passGates(open, lane)
          startMs = clock.nowMs()
        }
        source = sourceOf(await lane.client(), prompt, childOptions(open, options))
        asked.push(source)
        const held = await source.next()
        bookDelay(source, delayMs)
        lane.breaker.record('success', permit, clock.nowMs())
        lane.ttft.observe(clock.nowMs() - startMs, clock.nowMs())
        return { lane, source, offsetMs: startMs - open.startMs, held: held ?? [], leave, counted: true }
      } catch (thrown) {
        lane.inFlight--
        const nowMs = clock.nowMs()
        const error = failed(source, thrown)
        if (source !== undefined) bookDelay(source, delayMs)
        leave?.({
          usage: error.usage,
          billed: source?.facts().attempts.at(-1)?.maybeBilled ?? false,
        })
        // A connection that died in the pool, or a refusal by a gate of ours, says nothing of the target.
        const ours = open.signal.aborted || source === undefined || diedInPool(error, tries)
        const outcome = ours ? 'ignored' : outcomeOf(error)
        lane.breaker.record(outcome, permit, nowMs, error.retryAfterMs)
        if (open.signal.aborted) throw open.signal.reason
        if (outcome === 'failure' || outcome === 'throttled') {
          lane.ttft.observe(Math.max(nowMs - startMs, FAST_FAILURE_PENALTY_MS), nowMs)
        }
        const pauseMs = retryDelayMs(rules.policy, error, tries, open.leftMs(), open.random)
        failure = error
        if (pauseMs === undefined) throw error
        // What its breaker will not allow is not waited for while another target could answer.
        const after = lane.breaker.peek(nowMs + pauseMs)
        delayMs = after.granted ? pauseMs : alone ? Math.max(pauseMs, after.retryAtMs - nowMs) : Infinity
        if (delayMs > Math.min(open.leftMs(), rules.policy.maxRetryAfterMs) || !lane.budget.withdraw(nowMs))
          throw error
        open.tell('onRetry', { attempt: tries, delayMs, error: open.redactor.error(error).summary() })
        await sleep(clock, delayMs, open.signal)
      }
    }
  }

  function failed(source: RunSource | undefined, thrown: unknown): LlmError {
    if (source === undefined) return asError(thrown)
    const error = source.fail(thrown, createAccumulator().partial(source.facts()), false)
    source.ended?.({ error })
    return error
  }

  /** The answer broke off. Returns what comes next, or throws what it broke off with. */
  async function interrupted(thrown: unknown): Promise<readonly StreamEvent[]> {
    const open = call!
    const { lane, source } = answering!
    const cause = asError(thrown)
    letGo(answering!, { usage: source.facts().usage, billed: true })
    if (open.signal.aborted) throw open.signal.reason
    lane.breaker.record(
      outcomeOf(cause) === 'ignored' ? 'ignored' : 'failure',
      { granted: true, probe: false },
      open.clock.nowMs(),
    )
    // What breaks off again and again is given up like what fails again and again.
    const mayGoOn = ++breaks <= Math.max(1, rules.policy.attempts - 1)
    if (sum === undefined || calledTool || !mayGoOn || !BROKE_OFF.has(cause.kind)) throw cause
    const partial = sum.partial(source.facts())
    const restart = rules.onInterrupt === 'restart'
    const demand = demandOf(request!)
    const lanes = restart
      ? rules.lanes
      : rules.lanes.filter(
          (one) => one.options.continuation !== undefined && unfit(one, demand) === undefined,
        )
    const nowMs = open.clock.nowMs()
    if (!restart && !lanes.some(({ breaker }) => breaker.peek(nowMs).granted)) throw cause
    const error = source.fail(thrown, partial, true)
    source.ended?.({ error })
    open.tell('onRetry', {
      attempt: attempts().length,
      delayMs: 0,
      error: open.redactor.error(error).summary(),
    })
    if (restart) {
      answering = await tryLanes(open, lanes, input, demand)
      return [{ type: 'restart', error: error.summary() }, ...take()]
    }
    answering = await tryContinuing(open, lanes, lane, partial)
    const shift = shiftParts(partial, answering.lane.options.continuation === 'prefill')
    const { source: next, held } = answering
    answering.source = { ...next, next: async () => (await next.next())?.flatMap(shift) }
    answering.held = held?.flatMap(shift)
    return take()
  }

  /** The lane it broke off at first: it knows the prompt already. Without a lane that may be asked, the error stands. */
  async function tryContinuing(
    open: Call,
    lanes: readonly Lane[],
    broken: Lane,
    partial: PartialCompletion,
  ): Promise<Answering> {
    const ordered = [...lanes].sort((a, b) => Number(b.name === broken.name) - Number(a.name === broken.name))
    let last: unknown
    for (const lane of ordered) {
      // Asked anew before each: while one lane was tried, other calls may have found out that the next is down.
      if (!lane.breaker.peek(open.clock.nowMs()).granted) continue
      try {
        return await tryLane(
          open,
          lane,
          continuation(request!, partial, lane, rules.onInterrupt),
          ordered.length === 1,
        )
      } catch (thrown) {
        if (open.signal.aborted) throw thrown
        last = thrown
      }
    }
    throw last
  }

  function attempts(): Attempt[] {
    return asked.flatMap((source) => source.facts().attempts)
  }

  function take(): readonly StreamEvent[] {
    const events = answering?.held ?? []
    if (answering !== undefined) answering.held = undefined
    watch(events)
    return events
  }

  function watch(events: readonly StreamEvent[]): void {
    if (sum === undefined) return
    for (const event of events) {
      sum.push(event)
      if (event.type === 'tool-call-start' || event.type === 'tool-call') calledTool = true
    }
  }

  /** Where nothing is summed, batches pass as they are. */
  const watched =
    sum === undefined
      ? undefined
      : (events: readonly StreamEvent[] | undefined): readonly StreamEvent[] | undefined => {
          if (events !== undefined) watch(events)
          return events
        }

  return {
    // One promise beside the target's own, and no async function: of a token that comes alone, each is a part of the price.
    next() {
      if (answering === undefined) return begin().then(take)
      return answering.source.next().then(watched, interrupted)
    },
    cancel(error) {
      cancelled = error
      call?.cancel(error)
      answering?.source.cancel(error)
    },
    facts() {
      const now = answering?.source.facts()
      if (now === undefined) return { provider: 'router', model: '', attempts: attempts(), raw: {} }
      const { offsetMs } = answering!
      return { ...now, attempts: attempts(), ...later(now, offsetMs) }
    },
    fail(thrown, partial, delivered) {
      const dressed =
        answering === undefined ? asError(thrown) : answering.source.fail(thrown, partial, delivered)
      return (call?.redactor.error(dressed) ?? dressed).with({
        attempts: attempts(),
        ...(delivered ? { partial } : {}),
      })
    },
    ended(outcome) {
      if (ended) return
      ended = true
      if (answering !== undefined) {
        letGo(
          answering,
          'error' in outcome
            ? { usage: outcome.error.usage, billed: true }
            : { usage: outcome.completion.usage, cost: outcome.completion.cost, billed: true },
        )
      }
      answering?.source.ended?.(outcome)
      if (call === undefined) return
      call.end()
      if ('error' in outcome) call.tell('onError', { error: outcome.error.toJSON() })
      else call.tell('onFinish', { completion: outcome.completion })
    },
  }
}

/** Once, when an answer has ended, or nobody wants it any more. */
function letGo(answer: Answering, outcome: GateOutcome): void {
  if (!answer.counted) return
  answer.counted = false
  answer.lane.inFlight--
  answer.leave?.(outcome)
}

/** The pause was the router's; the target's own record begins after it. In place: the attempt is still being written. */
function bookDelay(source: RunSource, delayMs: number): void {
  const [first] = source.facts().attempts
  if (first !== undefined) first.delayMs = delayMs
}

/** After content, these mean that the answer could have gone on; the rest are decisions. */
const BROKE_OFF: ReadonlySet<ErrorKind> = /* @__PURE__ */ new Set<ErrorKind>([
  'interrupted',
  'connect',
  'timeout',
  'server',
  'overloaded',
  'rate-limit',
  'protocol',
])

/** The caller's options for one target: its retry is off, its clock is ours, and it reports only what is its own. */
function childOptions(call: Call, options: Options): Options {
  return {
    ...options,
    retry: false,
    signal: call.signal,
    clock: call.clock,
    random: call.random,
    hooks: hooksOfAttempts(options.hooks),
  }
}

/** A routed call is one call to its observers, however many targets it took. */
function hooksOfAttempts(hooks: Options['hooks']): Hooks[] {
  const list = hooks === undefined ? [] : Array.isArray(hooks) ? hooks : [hooks]
  return list.map((hook) => ({
    onAttempt: (info) => hook.onAttempt?.(info),
    onResponse: (info) => hook.onResponse?.(info),
    onHookError: (error) => hook.onHookError?.(error),
  }))
}

function asError(thrown: unknown): LlmError {
  if (LlmError.is(thrown)) return thrown
  return new LlmError({
    kind: 'protocol',
    message: 'A target failed with something that is not an LlmError.',
    cause: thrown,
  })
}

/** Times count from the call to the router, not from the call to the target that answered. */
function later({ timing }: Facts, offsetMs: number): Pick<Facts, 'timing'> {
  if (timing === undefined) return {}
  const shift = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms + offsetMs)
  return {
    timing(outputTokens) {
      const own = timing(outputTokens)
      return {
        ...own,
        headersMs: shift(own.headersMs),
        firstTokenMs: shift(own.firstTokenMs),
        totalMs: own.totalMs + offsetMs,
      }
    },
  }
}
