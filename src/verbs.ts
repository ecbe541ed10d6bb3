/**
 * The verbs that answer in one piece: embed, countTokens, listModels.
 *
 * In:  texts, a conversation, or nothing. Out: vectors, a count, a list.
 * Each is the pipeline of client.ts without the stream: encode, send with retries, read one JSON body, decode.
 * Not here: chat, which streams even when nobody watches (client.ts).
 */

import { LlmError } from './errors.ts'
import { parseBody, readText } from './http/answer.ts'
import { openCall, type Call } from './http/call.ts'
import { exchange, typed, type Target } from './http/exchange.ts'
import { createAsk, repair } from './http/repair.ts'
import { retry } from './http/retry.ts'
import type { EmbeddingProvider, HttpRequest, Provider } from './provider.ts'
import { createRequest, ownOptions } from './request.ts'
import { sumUsage } from './stream/usage.ts'
import type { CallInfo, EmbedOptions, EmbedResult, Input, Options, Usage } from './types.ts'

/** Turns options into a codec and a model id. */
export interface Resolver {
  chat(options: Options): { provider: Provider; model: string | undefined }
  embedding(options: EmbedOptions): { provider: EmbeddingProvider; model: string | undefined }
}

/** One vector per text, in batches as large as the provider takes, in order. */
export async function embed(
  resolver: Resolver,
  input: string | readonly string[],
  options: EmbedOptions,
): Promise<EmbedResult> {
  const { provider, model = provider.defaultModel } = resolver.embedding(options)
  if (model === undefined) throw noModel(provider.name)
  const texts = readTexts(input)
  const size = provider.maxTextsOf?.(model) ?? provider.maxTexts
  const { dimensions, purpose, body } = options
  return withCall(options, 'embed', provider, model, async (ask) => {
    const result: EmbedResult = { embeddings: [], usage: {}, model, provider: provider.name, warnings: [] }
    for (let at = 0; at < texts.length; at += size) {
      const batch = texts.slice(at, at + size)
      const http = provider.encode(ownOptions({ model, texts: batch, dimensions, purpose, body }))
      if (at === 0) result.warnings.push(...(http.warnings ?? []))
      try {
        const { rows, usage, model: answered } = provider.decode(await ask(http))
        if (rows.length !== batch.length) {
          throw wrongRows(provider.name, `${batch.length} texts with ${rows.length} vectors`)
        }
        const [first] = result.embeddings
        if (first !== undefined && rows[0]!.length !== first.length) {
          throw wrongRows(
            provider.name,
            `vectors of ${rows[0]!.length} numbers after some of ${first.length}`,
          )
        }
        result.embeddings.push(...rows)
        result.usage = sumUsage([result.usage, usage])
        result.model = answered ?? result.model
      } catch (error) {
        throw named(error, model, at, batch, result.usage)
      }
    }
    return result
  })
}

/** The texts as a list. @throws LlmError `invalid-request` naming those that are empty or no texts, by their index. */
function readTexts(input: string | readonly string[]): string[] {
  const texts = typeof input === 'string' ? [input] : [...input]
  const bad = texts.flatMap((text, row) => (typeof text !== 'string' || text === '' ? row : []))
  if (texts.length > 0 && bad.length === 0) return texts
  throw new LlmError({
    kind: 'invalid-request',
    phase: 'encode',
    issues: bad.map((row) => ({ message: 'empty, or no text', path: [row] })),
    message:
      bad.length === 0
        ? 'embed() was given no texts: pass one or more.'
        : `embed() takes texts that are not empty: look at number ${bad.slice(0, 10).join()}${bad.length > 10 ? ' …' : ''} from 0.`,
  })
}

/** "not allowed to generate embeddings" (OpenAI, 403), "not supported for embedContent" (Gemini, 404). */
const NO_EMBEDDER = /(?:not|n't) (?:allowed|support|generate|embed).*embed/i
const TOO_LONG = /too long|too large|maximum|exceed/i

/**
 * A failure of the batch that begins at text `at`, by the index of one text among all: the row that the codec named, the
 * longest one where something was too long, otherwise the first.
 * @param usage what the batches before it cost.
 */
function named(thrown: unknown, model: string, at: number, batch: readonly string[], usage: Usage): unknown {
  if (!LlmError.is(thrown) || thrown.kind === 'aborted') return thrown
  const { message, status = 0, kind } = thrown
  const refused = status >= 400 && status < 500 && status !== 429
  if (refused && NO_EMBEDDER.test(message)) {
    return thrown.with({ kind: 'unsupported', message: `${model} makes no embeddings: ${message}` })
  }
  let row = thrown.issues?.[0]?.path?.[0] as number | undefined
  let hint = ''
  if (row !== undefined) hint = ` It is text ${at + row} of all.`
  else if (batch.length > 1 && refused && (kind === 'context-length' || TOO_LONG.test(message))) {
    const lengths = batch.map((text) => text.length)
    row = lengths.indexOf(Math.max(...lengths))
    hint = ` The longest is text ${at + row}, with ${lengths[row]} characters.`
  }
  return thrown.with({
    message: `Texts ${at} to ${at + batch.length - 1} could not be embedded: ${message}${hint}`,
    issues: [{ message, path: [at + (row ?? 0)] }],
    usage,
  })
}

/** Input tokens as the server counts them. */
export async function countTokens(resolver: Resolver, input: Input, options: Options): Promise<number> {
  const { provider, model = provider.defaultModel } = resolver.chat(options)
  if (provider.countTokens === undefined) throw cannot(provider.name, 'count tokens', 'estimateTokens()')
  if (model === undefined) throw noModel(provider.name)
  const { encode, decode } = provider.countTokens
  return withCall(options, 'chat', provider, model, async (ask) =>
    decode(await ask(encode(createRequest(input, options, model)))),
  )
}

/** More pages than any provider has; a server that repeats its cursor must not keep us for ever. */
const MAX_PAGES = 100

/** Every page of the provider's list. */
export async function listModels(resolver: Resolver, options: Options): Promise<string[]> {
  const { provider, model = '' } = resolver.chat(options)
  if (provider.listModels === undefined) throw cannot(provider.name, 'list its models', 'its web site')
  const { encode, decode } = provider.listModels
  return withCall(options, 'chat', provider, model, async (ask) => {
    const models: string[] = []
    let cursor: string | undefined
    for (let page = 0; page < MAX_PAGES; page++) {
      const answer = decode(await ask(encode(cursor)))
      models.push(...answer.models)
      if (answer.cursor === undefined || answer.cursor === cursor) break
      cursor = answer.cursor
    }
    return models
  })
}

/** Runs `work` within a call, with the way to ask one thing of it: every failure leaves it typed, redacted and with its attempts. */
async function withCall<T>(
  options: Options,
  operation: CallInfo['operation'],
  target: Target,
  model: string,
  work: (ask: (http: HttpRequest) => Promise<unknown>) => Promise<T>,
): Promise<T> {
  const provider = target.name
  const call = openCall(options, { operation, provider, model })
  try {
    if (call.signal.aborted) throw call.signal.reason
    return await work((http) => requestJson(call, target, http))
  } catch (thrown) {
    const error = typed(provider, thrown)
    const told = call.redactor.error(
      error.with({
        provider: error.provider ?? provider,
        model: error.model ?? model,
        attempts: call.attempts,
      }),
    )
    call.tell('onError', { error: told.toJSON() })
    throw told
  } finally {
    call.end()
  }
}

/** One JSON request, with retries. */
async function requestJson(call: Call, target: Target, http: HttpRequest): Promise<unknown> {
  const ask = createAsk({ model: call.info.model, messages: [], stream: false })
  return retry(call, {
    attempt: (delayMs) =>
      exchange(call, target, http, { delayMs, refresh: ask.refresh }, async (open) => {
        const json = parseBody(await readText(open), target.name)
        open.finish()
        return json
      }),
    // Only a key can be repaired here: nothing was asked to stream, and nothing fits.
    repair: (failure) => repair(ask, failure, {}),
  })
}

function wrongRows(provider: string, what: string): LlmError {
  return new LlmError({ kind: 'protocol', provider, message: `${provider} answered ${what}.` })
}

function cannot(provider: string, what: string, instead: string): LlmError {
  return new LlmError({
    kind: 'unsupported',
    provider,
    message: `${provider} does not ${what} over its API; use ${instead} instead.`,
  })
}

/** Nobody named a model. */
export function noModel(provider: string): LlmError {
  return new LlmError({
    kind: 'config',
    provider,
    message: `No model was named for ${provider}, and it has no default: pass model.`,
  })
}
