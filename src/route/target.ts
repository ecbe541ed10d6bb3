/**
 * What a router can send a call to.
 *
 * In:  a model string, options with a weight, or anything with a client's verbs (another router is one).
 * Out: one shape for all three, with what is known of its abilities, and the reason it cannot take a request.
 * A string needs the registry, which is loaded only then: a router over explicit codecs ships none of the others.
 * Not here: whether the target is healthy (breaker.ts), which one comes first (pick.ts).
 */

import type { Client } from '../client.ts'
import { createClient } from '../client.ts'
import { LlmError } from '../errors.ts'
import { ownOptions } from '../request.ts'
import type { RunSource } from '../stream/run.ts'
import { SOURCE } from '../stream/run.ts'
import type { CompletionStream, Input, Options, Request, StreamEvent } from '../types.ts'
import type { Breaker } from './breaker.ts'
import type { PeakEwma } from './pick.ts'
import type { RetryBudget } from './retry-budget.ts'

/** What a model can be asked for beside text. */
export type Capability = 'tools' | 'image' | 'pdf' | 'audio' | 'schema'

/** A client's options, and what a router wants to know of the model behind them. */
export interface Target extends Options {
  /** Stands in `attempts`, in state and in hashes. Default: provider/model. */
  name?: string
  /** Share of the calls under `weighted`. Default 1. */
  weight?: number
  /** What the model can do; left out: everything, until it says otherwise. */
  capabilities?: readonly Capability[]
  /** The model's window in tokens; left out: any length is tried. */
  contextTokens?: number
  /**
   * How an answer that broke off can be continued here: `prefill` puts the partial answer last as the assistant's own,
   * `user-turn` asks for the rest in a further user message. Left out: it cannot.
   */
  continuation?: 'prefill' | 'user-turn'
}

/** A target as the router keeps it. */
export interface Lane {
  name: string
  weight: number
  /** Its place in the router's own list; -1 in a chain of its own. */
  at: number
  options: Target
  /** Resolved on first use. */
  client(): Client | Promise<Client>
  breaker: Breaker
  budget: RetryBudget
  ttft: PeakEwma
  inFlight: number
}

/** Fields that are the router's and not a client's. */
const ROUTER_FIELDS = ['name', 'weight', 'capabilities', 'contextTokens', 'continuation'] as const

/** True for anything with the two verbs a router needs. */
function isClient(value: object): value is Client {
  return (
    typeof (value as { stream?: unknown }).stream === 'function' &&
    typeof (value as { complete?: unknown }).complete === 'function'
  )
}

/**
 * The name and the client of a target.
 * @throws LlmError `config` for something that is none of the three.
 */
export function readTarget(
  target: string | Target | Client,
  index: number,
): Pick<Lane, 'name' | 'weight' | 'options' | 'client'> {
  if (typeof target === 'string') {
    return {
      name: target,
      weight: 1,
      options: { model: target },
      client: once(() => registryClient({ model: target })),
    }
  }
  if (typeof target !== 'object' || target === null) {
    throw new LlmError({
      kind: 'config',
      message: `Target ${index} of the router is a ${typeof target}: pass a model string, options, or a client.`,
    })
  }
  if (isClient(target)) return { name: `client ${index}`, weight: 1, options: {}, client: () => target }
  const own: Target = ownOptions(target)
  const options: Target = ownOptions(own)
  for (const field of ROUTER_FIELDS) delete options[field]
  const provider = typeof own.provider === 'object' ? own.provider.name : own.provider
  const name =
    own.name ?? ([provider, own.model].filter((part) => part !== undefined).join('/') || `target ${index}`)
  const { weight = 1 } = own
  if (!(weight > 0) || weight === Infinity) {
    throw new LlmError({ kind: 'config', message: `The weight of target ${name} must be a number above 0.` })
  }
  const make = (): Client | Promise<Client> =>
    typeof own.provider === 'object' ? createClient(options) : registryClient(options)
  return { name, weight, options: own, client: once(make) }
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}

async function registryClient(options: Options): Promise<Client> {
  const { createClient: createNamedClient } = await import('../complete.ts')
  return createNamedClient(options)
}

/** The events of one call, batch by batch where the client is ours, one by one where it is somebody's own. */
export function sourceOf(client: Client, input: Input, options: Options): RunSource {
  const open = (client as { [SOURCE]?: (input: Input, options: Options) => RunSource })[SOURCE]
  return open === undefined ? foreignSource(client.stream(input, options)) : open(input, options)
}

function foreignSource(run: CompletionStream): RunSource {
  const events: AsyncIterator<StreamEvent, undefined, undefined> = run[Symbol.asyncIterator]()
  return {
    async next() {
      const result = await events.next()
      return result.done === true ? undefined : [result.value]
    },
    cancel: (error) => run.abort(error),
    facts() {
      const { provider, model, timing, attempts, raw, usage, cost, object } = run.partial
      return {
        provider,
        model,
        attempts,
        raw,
        usage,
        object,
        timing: () => timing,
        ...(cost === undefined ? {} : { cost: () => cost }),
      }
    },
    fail: (error) =>
      LlmError.is(error)
        ? error
        : new LlmError({
            kind: 'protocol',
            message: 'A client of the router failed with something else than an LlmError.',
            cause: error,
          }),
  }
}

/** Provider and model of a target, as far as its options say; both empty for a client. */
export function modelOf({ options }: Lane): { provider: string; model: string } {
  const { provider, model = '' } = options
  if (provider !== undefined)
    return { provider: typeof provider === 'object' ? provider.name : provider, model }
  const slash = model.indexOf('/')
  return { provider: model.slice(0, Math.max(0, slash)), model: model.slice(slash + 1) }
}

// ------------------------------------------------------------------------------------------- abilities

/** What a request asks of a model. */
export interface Demand {
  capabilities: Set<Capability>
  /** At least this many tokens: one per four bytes, so that nothing is refused that might fit. */
  tokens: number
}

/** Reads a request once. */
export function demandOf(request: Request): Demand {
  const capabilities = new Set<Capability>()
  let bytes = request.system?.length ?? 0
  if ((request.tools?.length ?? 0) > 0) capabilities.add('tools')
  if (request.schema !== undefined) capabilities.add('schema')
  for (const { content } of request.messages) {
    if (typeof content === 'string') {
      bytes += content.length
      continue
    }
    for (const part of content) {
      if (part.type === 'text' || part.type === 'reasoning') bytes += part.text.length
      else if (part.type === 'image' || part.type === 'audio') capabilities.add(part.type)
      else if (part.type === 'file') capabilities.add('pdf')
      else if (part.type === 'tool-result' && typeof part.content === 'string') bytes += part.content.length
    }
  }
  return { capabilities, tokens: Math.floor(bytes / 4) }
}

/** Why the target cannot take the request; undefined when it may. */
export function unfit({ options }: Lane, demand: Demand): string | undefined {
  const { capabilities, contextTokens } = options
  if (capabilities !== undefined) {
    for (const needed of demand.capabilities) if (!capabilities.includes(needed)) return `it has no ${needed}`
  }
  if (contextTokens !== undefined && demand.tokens > contextTokens) {
    return `its window of ${contextTokens} tokens is too small`
  }
  return undefined
}
