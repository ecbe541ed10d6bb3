/**
 * The client: the file to read first. A question goes in at the top, an answer comes out at the bottom.
 *
 *   createRequest      what the caller wrote → Request                    request.ts
 *   provider.encode    ours → HTTP request                                providers/…
 *   exchange           authorize, send, refuse redirects, read failures   http/exchange.ts, http/transport.ts
 *   retry, repair      try again, or try something else                   http/retry.ts, http/repair.ts
 *   readAnswer         bytes → frames → events, one window at a time      http/bytes.ts, wire/…, providers/…
 *   createRun          events → whoever reads them, and their sum         stream/run.ts, stream/accumulate.ts
 *
 * In:  an Input and Options. Out: a CompletionStream, or what it adds up to.
 * Not here: names of providers, keys from the environment (complete.ts and providers/registry.ts).
 */

import { LlmError } from './errors.ts'
import { readAnswer, type Answer } from './http/answer.ts'
import { openCall, type Call } from './http/call.ts'
import { onAbort, orAbort } from './http/clock.ts'
import { exchange, type Exchange } from './http/exchange.ts'
import { unencrypted } from './http/transport.ts'
import { factsOf, failureOf } from './http/outcome.ts'
import { createAsk, repair, type Ask } from './http/repair.ts'
import { retry } from './http/retry.ts'
import type { HttpRequest, Provider } from './provider.ts'
import { createRequest, mergeOptions } from './request.ts'
import { NO_FACTS } from './stream/accumulate.ts'
import { isContent } from './stream/content.ts'
import { createRun, SOURCE, type RunSource } from './stream/run.ts'
import { shaped } from './stream/shaped.ts'
import { createStopwatch, type Stopwatch } from './stream/timing.ts'
import { countTokens, embed, listModels, noModel, type Resolver } from './verbs.ts'
import type {
  Completion,
  CompletionStream,
  EmbedOptions,
  EmbedResult,
  Infer,
  Input,
  Options,
  StreamEvent,
} from './types.ts'

/** The verbs. A router has them too, so a router is a client. */
export interface Client {
  /** The whole answer. @throws LlmError of every kind. */
  complete<S = unknown>(input: Input, options?: Options<S>): Promise<Completion<Infer<S>>>
  /** The answer as it is written. The request starts here; never throws. */
  stream<S = unknown>(input: Input, options?: Options<S>): CompletionStream<Infer<S>>
  /** One vector per text, in order. @throws LlmError of every kind. */
  embed(texts: string | readonly string[], options?: EmbedOptions): Promise<EmbedResult>
  /** Input tokens as the provider counts them. @throws LlmError `unsupported` where it does not. */
  countTokens(input: Input, options?: Options): Promise<number>
  /** Ids of the models the key can use. @throws LlmError `unsupported` where the provider does not list them. */
  listModels(options?: Options): Promise<string[]>
  /** @internal How a router asks for the batches of a call. */
  [SOURCE]?(input: Input, options?: Options): RunSource
}

/**
 * A client of one provider, without the registry: `createClient({ provider: anthropic({ apiKey }) })`.
 * Per-call options win over these.
 */
export function createClient(options: Options = {}): Client {
  return clientOf(DIRECT, options)
}

/** A client whose providers are found by `resolver`. */
export function clientOf(resolver: Resolver, clientOptions: Options = {}): Client {
  function stream<S>(input: Input, options?: Options<S>): CompletionStream<Infer<S>> {
    return createRun<Infer<S>>(chat(resolver, input, clientOptions, options as Options))
  }
  const client: Client = {
    stream,
    // Streaming is the only path: a whole answer is a stream that somebody collected.
    complete: async (input, options) => stream(input, options).completion,
    embed: async (texts, options) => {
      // The client's model is one that chats.
      const { model: _, ...shared } = clientOptions
      return embed(resolver, texts, mergeOptions(shared, options as Options))
    },
    countTokens: async (input, options) => countTokens(resolver, input, mergeOptions(clientOptions, options)),
    listModels: async (options) => listModels(resolver, mergeOptions(clientOptions, options)),
  }
  // For routers: a call's batches as they are, without a second consumer's hop per event.
  Object.defineProperty(client, SOURCE, {
    value: (input: Input, options?: Options): RunSource => chat(resolver, input, clientOptions, options),
  })
  return client
}

// --------------------------------------------------------------------------------------------- chat

/** Codecs only: names belong to the registry, which a client of one provider does not carry. */
const DIRECT: Resolver = {
  chat({ provider, model, baseURL }) {
    if (typeof provider === 'object' && provider !== null) {
      if (baseURL === undefined) return { provider, model }
      throw new LlmError({
        kind: 'config',
        message: `baseURL belongs to the codec here: pass it to ${provider.name}({ baseURL }) instead.`,
      })
    }
    throw new LlmError({
      kind: 'config',
      message:
        `llmswap/client knows no provider by name${provider === undefined ? '' : ` (${String(provider)})`}: ` +
        "pass a codec, such as anthropic({ apiKey }), or import from 'llmswap'.",
    })
  },
  embedding({ embedding, model }) {
    if (embedding !== undefined) return { provider: embedding, model }
    throw new LlmError({
      kind: 'config',
      message:
        "llmswap/client embeds with the codec in the option embedding: pass one, or import from 'llmswap'.",
    })
  },
}

/** What is known of a call once its options are read. */
interface Chat {
  call: Call
  provider: Provider
  ask: Ask
  stopwatch: Stopwatch
}

/** One call, lazily: everything that can fail fails inside `next()`, so `stream()` never throws. */
function chat(
  resolver: Resolver,
  input: Input,
  clientOptions: Options,
  options: Options | undefined,
): RunSource {
  let chat: Chat | undefined
  let answer: Answer | undefined
  let stop: ((error: LlmError) => void) | undefined

  async function begin(): Promise<Answer> {
    // Without waiting for anything, so that a call can be cancelled from the moment `stream()` returns.
    chat = openChat(resolver, input, mergeOptions(clientOptions, options))
    const { call, ask } = chat
    onAbort(call.signal, (error) => stop?.(error as LlmError))
    const { fit } = call.options
    if (fit !== undefined) ask.request = await orAbort(async () => fit.apply(ask.request), call.signal)
    call.tell('onRequest', { request: ask.request })
    const begun = await retry(call, {
      attempt: (delayMs) => attempt(chat!, delayMs),
      repair: (failure) => repair(ask, failure, call.options),
      onRetry: (attempt, delayMs, error) =>
        call.tell('onRetry', { attempt, delayMs, error: call.redactor.error(error).summary() }),
    })
    call.tell('onFirstEvent', { firstTokenMs: chat.stopwatch.firstTokenMs ?? 0 })
    return (answer = begun)
  }

  return {
    attach: (end) => void (stop = end),
    // No await once it runs: each would be a part of every token's latency.
    next: () => (answer === undefined ? begin().then((begun) => begun.next()) : answer.next()),
    cancel: (error) => chat?.call.cancel(error),
    facts: () =>
      chat === undefined ? NO_FACTS : factsOf(chat.call, chat.ask.request.model, chat.stopwatch, answer),
    fail: (error, partial, delivered) => failureOf(chat?.call, error, partial, delivered),
    ended(outcome) {
      if (chat === undefined) return
      const { call, ask, stopwatch } = chat
      stopwatch.end(call.clock.nowMs())
      call.end()
      if ('error' in outcome) call.tell('onError', { error: outcome.error.toJSON() })
      else {
        call.observe(() => call.options.fit?.observe?.(ask.request, outcome.completion.usage))
        call.tell('onFinish', { completion: outcome.completion })
      }
    },
  }
}

function openChat(resolver: Resolver, input: Input, options: Options): Chat {
  const { provider, model = provider.defaultModel } = resolver.chat(options)
  if (model === undefined) throw noModel(provider.name)
  const request = createRequest(input, options, model)
  const call = openCall(options, { operation: 'chat', provider: provider.name, model })
  return {
    call,
    provider,
    ask: createAsk(request),
    stopwatch: createStopwatch(call.startMs),
  }
}

/**
 * One request, up to the first content event. Nothing is handed on before it: until then a failure can be tried
 * again without anybody having seen anything.
 */
async function attempt({ call, provider, ask, stopwatch }: Chat, delayMs: number): Promise<Answer> {
  const { request } = ask
  const { schema, limits } = call.options
  const http = provider.encode(request)

  async function begin(open: Exchange): Promise<Answer> {
    const { nowMs } = call.clock
    stopwatch.headers(nowMs())
    const maxEventBytes = limits?.eventBytes
    const answer = await readAnswer(open, provider, request, { stopwatch, nowMs, maxEventBytes })
    const held: StreamEvent[] = []
    while (!held.some(isContent)) {
      const batch = await answer.next()
      if (batch === undefined) break
      for (const event of batch) held.push(event)
    }
    const warnings = [...(http.warnings ?? []), ...ask.warnings, ...unencrypted(open.url)]
    const begun = resumed(answer, withWarnings(held, warnings))
    if (schema === undefined) return begun
    const mode = http.answerTool === undefined ? 'text' : { tool: http.answerTool }
    return Object.assign(shaped(begun, schema, mode), { kept: answer.kept })
  }

  return exchange(call, provider, streamed(http, request.stream), { delayMs, refresh: ask.refresh }, begin)
}

/** The answer again, with what was read of it in front. */
function resumed(answer: Answer, held: StreamEvent[]): Answer {
  let first: StreamEvent[] | undefined = held
  return {
    next() {
      if (first === undefined) return answer.next()
      const batch = Promise.resolve(first)
      first = undefined
      return batch
    },
    kept: answer.kept,
  }
}

/** Compressed streams arrive in blocks: gateways hold tokens back until a block is full. */
function streamed(http: HttpRequest, stream: boolean): HttpRequest {
  return stream ? { ...http, headers: { ...http.headers, 'accept-encoding': 'identity' } } : http
}

/** What could not be honoured stands right behind `start`. */
function withWarnings(events: StreamEvent[], warnings: NonNullable<HttpRequest['warnings']>): StreamEvent[] {
  const at = events[0]?.type === 'start' ? 1 : 0
  events.splice(at, 0, ...warnings.map((warning) => ({ type: 'warning' as const, warning })))
  return events
}
