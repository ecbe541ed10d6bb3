/**
 * Several models behind the verbs of one client: retry, fall back, balance, and stay away from what is broken.
 *
 * In:  targets and a strategy. Out: a Client — so routers nest, and nothing that uses a client knows of them.
 * One owner of retries: every target is called with its own retry switched off. Nested, three layers of three tries are
 * 27 requests; 45 for one 429 have been measured in the field. What is tried when:
 *   1. the strategy orders the targets that can take the request; breakers say which may be asked;
 *   2. the same target again, while its error can heal, its budget lasts and the pause fits (http/retry.ts);
 *   3. the next target, when the error is about the target and not about the request;
 *   4. the chain for requests too long or filtered, when that is what the error says;
 *   5. with every breaker open, the target nearest recovery is asked all the same: refusing helps nobody.
 * After content was delivered nothing is tried unseen: kind `interrupted`, or what `onInterrupt` asks for (routed.ts).
 * Not here: the call itself (routed.ts), which target comes first (pick.ts), health (breaker.ts).
 */

import type { Client } from '../client.ts'
import type { ErrorKind } from '../errors.ts'
import { LlmError } from '../errors.ts'
import { systemClock } from '../http/clock.ts'
import { retryPolicy } from '../http/retry.ts'
import { ownOptions } from '../request.ts'
import { createRun, SOURCE } from '../stream/run.ts'
import type { RunSource } from '../stream/run.ts'
import type {
  Clock,
  CompletionStream,
  EmbedOptions,
  EmbedResult,
  Infer,
  Input,
  Options,
  Prices,
  Request,
  Retry,
} from '../types.ts'
import { createBreaker, outcomeOf } from './breaker.ts'
import type { BreakerOptions, BreakerState } from './breaker.ts'
import type { Gate } from './gate.ts'
import type { Hedge } from './hedge.ts'
import { createPeakEwma, createWeighted, fnv1a, powerOfTwo, prefixHash, rendezvous } from './pick.ts'
import { createRetryBudget } from './retry-budget.ts'
import type { RetryBudgetOptions } from './retry-budget.ts'
import { openRouted } from './routed.ts'
import type { Interrupt, Rules } from './routed.ts'
import { demandOf, modelOf, readTarget } from './target.ts'
import type { Lane, Target } from './target.ts'

/** See {@link createRouter}. */
export interface RouterOptions {
  /** Model strings (`anthropic/claude-sonnet-5-5`), client options with a weight, or clients — routers are clients. */
  targets: (string | Target | Client)[]
  /**
   * Which target comes first. `fallback` (default): the order of the list. `weighted`: smooth round robin by weight.
   * `fastest`: two at random, the one with the shorter time to first token. `cheapest`: by `prices`.
   */
  strategy?: 'fallback' | 'weighted' | 'fastest' | 'cheapest'
  /** Where to go with a conversation that is too long for its target, or that its target filters. */
  fallbacks?: {
    contextLength?: (string | Target | Client)[]
    contentFilter?: (string | Target | Client)[]
    /** Further kinds that move on to the next target, e.g. `auth`. */
    on?: ErrorKind[]
  }
  /** Tries per target, and the budget all of them share per target. Replaces the targets' own. */
  retry?: (Retry & { budget?: RetryBudgetOptions }) | false
  /** When a target is left alone, and for how long. */
  breaker?: BreakerOptions & {
    /** States of an earlier run, by target name; what `state()` gave. */
    initial?: Record<string, BreakerState>
  }
  /** What happens when an answer breaks off after content was delivered. Default `throw`. */
  onInterrupt?: Interrupt
  /**
   * The same prompt prefix prefers the same target, whose cache knows it; for `weighted` and `fastest`. Default: on for
   * prefixes of 4,000 characters and more, about where providers begin to cache. A function names the prefix itself.
   */
  affinity?: boolean | ((request: Request) => string)
  /** `pace({ requestsPerMinute: 500 })`: attempts wait their turn below the limits of their target. */
  pace?: Gate
  /** `budget({ dollars: 5, prices })`: no attempt is sent that could overspend it. */
  budget?: Gate
  /** `hedge()`: a second target is asked when the first takes unusually long. */
  hedge?: Hedge
  /** Needed by `cheapest`; also prices every completion whose call brings no list of its own. */
  prices?: Prices
  /** Default: the runtime's. */
  clock?: Clock
  /** A number in [0, 1). Default: `Math.random`. */
  random?: () => number
}

/** One target, as it stands. */
export interface TargetState {
  name: string
  breaker: BreakerState
  /** Calls on their way. */
  inFlight: number
  /** Expected time to first token, in ms; 0 before the first call. */
  firstTokenMs: number
  /** Retries left in the current window. */
  retriesLeft: number
}

/** A client over several. */
export interface Router extends Client {
  /** Plain JSON: log it, store it, hand `breaker` states to the next process. */
  state(): TargetState[]
}

/** Kinds that are about the target; the others would fail the same way elsewhere. */
export const FAILOVER: readonly ErrorKind[] = [
  'connect',
  'timeout',
  'protocol',
  'server',
  'overloaded',
  'rate-limit',
  'quota',
  'billing',
  'not-found',
  'unsupported',
  'all-targets-failed',
]

/** Options that are values with code in them, and the function each must have. */
const VALUES = [
  ['pace', 'enter'],
  ['budget', 'enter'],
  ['hedge', 'race'],
] as const

const KNOWN: readonly string[] = [
  'targets',
  'strategy',
  'fallbacks',
  'retry',
  'breaker',
  'onInterrupt',
  'affinity',
  'prices',
  'clock',
  'random',
  'pace',
  'budget',
  'hedge',
]

/** About 1,024 tokens: the shortest prefix that the large providers cache. */
const AFFINITY_CHARACTERS = 4_000

/** What a call is assumed to hold when targets are compared by price. */
const EXPECTED_OUTPUT_TOKENS = 500

/**
 * Options → what a call needs of them.
 * @throws LlmError `config` for targets or options that cannot be meant.
 */
export function createRules(options: RouterOptions): Rules {
  const { strategy = 'fallback', prices, clock = systemClock, random = Math.random } = options
  const chainOf = (targets: readonly (string | Target | Client)[] = []): Lane[] =>
    targets.map((target, index) => ({ ...createLane(target, index, options, random), at: -1 }))
  const lanes = (options.targets ?? []).map((target, index) => createLane(target, index, options, random))
  for (const name of Object.keys(options)) {
    // Ignored in silence, a budget is not one.
    if (!KNOWN.includes(name)) throw config(`A router has no option ${name}.`)
  }
  for (const [name, verb] of VALUES) {
    const value = options[name] as Record<string, unknown> | undefined
    if (value !== undefined && typeof value[verb] !== 'function')
      throw config(`${name} takes what ${name}({ … }) of llmswap/router returns.`)
  }
  if (lanes.length === 0) throw config('A router needs at least one target.')
  if (!['fallback', 'weighted', 'fastest', 'cheapest'].includes(strategy)) {
    throw config(`There is no strategy ${String(strategy)}: use fallback, weighted, fastest or cheapest.`)
  }
  if (strategy === 'cheapest' && prices === undefined) throw config('The strategy cheapest needs prices.')

  const weighted = createWeighted(lanes.map(({ weight }) => weight))
  const names = lanes.map(({ name }) => fnv1a(name))
  const weights = lanes.map(({ weight }) => weight)

  function choose(usable: readonly Lane[], request: Request): Lane {
    const first = usable[0]!
    // Chains of their own are kept in their order; so is `fallback`.
    if (strategy === 'fallback' || usable.length === 1 || first.at < 0) return first
    const indices = usable.map(({ at }) => at)
    if (strategy === 'cheapest') return cheapest(usable, request, prices!)
    const prefix = affinityHash(request, options.affinity ?? true)
    if (prefix !== undefined) return lanes[rendezvous(prefix, indices, names, weights)]!
    if (strategy === 'weighted') return lanes[weighted(indices)]!
    const nowMs = clock.nowMs()
    const cost = (index: number): number => lanes[index]!.ttft.value(nowMs) * (lanes[index]!.inFlight + 1)
    return lanes[powerOfTwo(indices, cost, random)]!
  }

  const fallbacks: NonNullable<RouterOptions['fallbacks']> = ownOptions(options.fallbacks)
  return {
    lanes,
    contextLength: chainOf(fallbacks.contextLength),
    contentFilter: chainOf(fallbacks.contentFilter),
    choose,
    policy: retryPolicy(options.retry),
    failover: new Set([...FAILOVER, ...(fallbacks.on ?? [])]),
    onInterrupt: options.onInterrupt ?? 'throw',
    gates: [options.budget, options.pace].filter((gate) => gate !== undefined),
    hedge: options.hedge,
  }
}

/**
 * A router; see the file's head for what it tries when.
 * @throws LlmError `config` for targets or options that cannot be meant.
 */
export function createRouter(routerOptions: RouterOptions): Router {
  const options: RouterOptions = ownOptions(routerOptions)
  const { prices, clock = systemClock, random = Math.random } = options
  const rules = createRules(options)
  const { lanes } = rules

  const source = (input: Input, given?: Options): RunSource =>
    openRouted(rules, input, { clock, random, ...(prices === undefined ? {} : { prices }), ...given })
  const stream = <S>(input: Input, given?: Options<S>): CompletionStream<Infer<S>> =>
    createRun<Infer<S>>(source(input, given as Options))

  const router: Router = {
    stream,
    complete: async (input, given) => stream(input, given).completion,
    embed: (texts, given) => embedBySameModel(lanes, texts, given, rules.failover, clock),
    async countTokens(input, given) {
      return (await lanes[0]!.client()).countTokens(input, given)
    },
    async listModels(given) {
      const lists = await Promise.all(lanes.map(async (lane) => (await lane.client()).listModels(given)))
      return [...new Set(lists.flat())]
    },
    state() {
      const nowMs = clock.nowMs()
      return [...lanes, ...rules.contextLength, ...rules.contentFilter].map((lane) => ({
        name: lane.name,
        breaker: lane.breaker.state(nowMs),
        inFlight: lane.inFlight,
        firstTokenMs: lane.ttft.value(nowMs),
        retriesLeft: lane.budget.balance(nowMs),
      }))
    },
  }
  Object.defineProperty(router, SOURCE, { value: source })
  return router
}

function createLane(
  target: string | Target | Client,
  index: number,
  options: RouterOptions,
  random: () => number,
): Lane {
  const read = readTarget(target, index)
  const breaker: NonNullable<RouterOptions['breaker']> = ownOptions(options.breaker)
  const { initial } = breaker
  const retry: { budget?: RetryBudgetOptions } = ownOptions(options.retry === false ? {} : options.retry)
  return {
    ...read,
    at: index,
    breaker: createBreaker(
      breaker,
      random,
      initial !== undefined && Object.hasOwn(initial, read.name) ? initial[read.name] : undefined,
    ),
    budget: createRetryBudget(ownOptions(retry.budget)),
    ttft: createPeakEwma(),
    inFlight: 0,
  }
}

function cheapest(usable: readonly Lane[], request: Request, prices: Prices): Lane {
  const usage = { inputTokens: demandOf(request).tokens, outputTokens: EXPECTED_OUTPUT_TOKENS }
  let best = usable[0]!
  let bestPrice = Infinity
  for (const lane of usable) {
    const { provider, model } = modelOf(lane)
    // An unknown price comes last, but before nothing at all.
    const price = prices.price(usage, model, provider).total ?? Number.MAX_VALUE
    if (price < bestPrice) {
      best = lane
      bestPrice = price
    }
  }
  return best
}

/**
 * What caches key on: the start of the conversation, which its later turns share. Tools by name and other parts by type:
 * writing out a schema or a picture for every pick would cost more than the call. Undefined: too short to be cached.
 */
function affinityHash(
  request: Request,
  affinity: boolean | ((request: Request) => string),
): number | undefined {
  if (affinity === false) return undefined
  if (typeof affinity === 'function') return fnv1a(affinity(request))
  let hash = 0
  let characters = 0
  const add = (text: string): void => {
    hash = prefixHash(text, AFFINITY_CHARACTERS - characters, hash)
    characters += text.length
  }
  add(request.system ?? '')
  for (const one of request.tools ?? []) add('name' in one ? one.name : one.type)
  for (const { content } of request.messages) {
    if (characters >= AFFINITY_CHARACTERS) break
    if (typeof content === 'string') add(content)
    else for (const part of content) add(part.type === 'text' ? part.text : part.type)
  }
  return characters < AFFINITY_CHARACTERS ? undefined : hash
}

/** Vectors of different models do not compare: only targets of the first one's model are tried. */
async function embedBySameModel(
  lanes: readonly Lane[],
  texts: string | readonly string[],
  given: EmbedOptions | undefined,
  failover: ReadonlySet<ErrorKind>,
  clock: Clock,
): Promise<EmbedResult> {
  const model = given?.model ?? lanes[0]?.options.model
  if (model === undefined)
    throw config('A router embeds with a model: pass one, and only targets of that model are used.')
  const same = lanes.filter(
    ({ options }) =>
      options.model === undefined || options.model === model || options.model.endsWith(`/${model}`),
  )
  let last: unknown = config(`No target of the router serves the embedding model ${model}.`)
  for (const lane of same) {
    const permit = lane.breaker.acquire(clock.nowMs())
    if (!permit.granted && lane !== same.at(-1)) continue
    try {
      const result = await (
        await lane.client()
      ).embed(texts, { ...given, model: lane.options.model ?? model })
      lane.breaker.record('success', permit, clock.nowMs())
      return result
    } catch (thrown) {
      last = thrown
      const known = LlmError.is(thrown) ? thrown : undefined
      const outcome = known === undefined ? 'ignored' : outcomeOf(known)
      lane.breaker.record(outcome, permit, clock.nowMs(), known?.retryAfterMs)
      if (known === undefined || !failover.has(known.kind)) throw thrown
    }
  }
  throw last
}

function config(message: string): LlmError {
  return new LlmError({ kind: 'config', message })
}
