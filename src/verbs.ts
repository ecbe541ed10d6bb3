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
import { exchange, unexpected, type Target } from './http/exchange.ts'
import { createAsk, repair } from './http/repair.ts'
import { retry, retryPolicy } from './http/retry.ts'
import type { EmbeddingProvider, HttpRequest, Provider } from './provider.ts'
import { createRequest } from './request.ts'
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
  const texts = readTexts(input, provider.name)
  const size = provider.maxTextsOf?.(model) ?? provider.maxTexts
  const { dimensions, purpose, body } = options
  return withCall(options, { operation: 'embed', provider: provider.name, model }, async (call) => {
    const result: EmbedResult = { embeddings: [], usage: {}, model, provider: provider.name, warnings: [] }
    for (let at = 0; at < texts.length; at += size) {
      const batch = texts.slice(at, at + size)
      const http = provider.encode({
        model,
        texts: batch,
        ...(dimensions === undefined ? {} : { dimensions }),
        ...(purpose === undefined ? {} : { purpose }),
        ...(body === undefined ? {} : { body }),
      })
      if (at === 0) result.warnings.push(...(http.warnings ?? []))
      const {
        rows,
        usage,
        model: answered,
      } = await requestRows(call, provider, http, batch).catch((error: unknown) => {
        throw named(error, { model, at, batch, of: texts.length, usage: result.usage })
      })
      const dimensionsSoFar = result.embeddings[0]?.length ?? rows[0]?.length
      if (rows[0]?.length !== dimensionsSoFar) {
        throw otherLength(provider.name, at, rows[0]?.length, dimensionsSoFar)
      }
      result.embeddings.push(...rows)
      result.usage = addUsage(result.usage, usage)
      result.model = answered ?? result.model
    }
    return result
  })
}

/** The texts as a list. @throws LlmError `invalid-request` naming those that are empty or no texts, by their index. */
function readTexts(input: string | readonly string[], provider: string): string[] {
  const texts = typeof input === 'string' ? [input] : [...input]
  const bad = texts.flatMap((text, row) => (typeof text !== 'string' || text === '' ? [row] : []))
  if (texts.length > 0 && bad.length === 0) return texts
  const shown = bad.slice(0, 10).join(', ')
  throw new LlmError({
    kind: 'invalid-request',
    provider,
    phase: 'encode',
    issues: bad.map((row) => ({ message: `text ${row} is empty or no text`, path: [row] })),
    message:
      bad.length === 0
        ? 'embed() was given no texts: pass one or more.'
        : `embed() takes texts that are not empty: look at ${bad.length === 1 ? 'text' : 'texts'} ${shown}${bad.length > 10 ? ` and ${bad.length - 10} more` : ''}, counted from 0.`,
  })
}

/** The vectors of one batch. */
async function requestRows(
  call: Call,
  provider: EmbeddingProvider,
  http: HttpRequest,
  batch: readonly string[],
): Promise<ReturnType<EmbeddingProvider['decode']>> {
  const answer = provider.decode(await requestJson(call, provider, http))
  if (answer.rows.length !== batch.length) {
    throw wrongRows(provider.name, answer.rows.length, batch.length)
  }
  return answer
}

/** "You are not allowed to generate embeddings from this model" (OpenAI, 403), "… is not supported for embedContent" (Gemini). */
const NO_EMBEDDER = /embed/i
const REFUSES =
  /not (?:allowed|supported|available|found)|(?:does not|doesn't|cannot) (?:support|generate|embed)/i

/**
 * A failure of one batch, by the indices of its texts among all: the row that the codec named, or the longest one where
 * something was too long, or all of the batch.
 */
function named(
  thrown: unknown,
  {
    model,
    at,
    batch,
    of,
    usage,
  }: { model: string; at: number; batch: readonly string[]; of: number; usage: Usage },
): unknown {
  if (!LlmError.is(thrown) || thrown.kind === 'aborted') return thrown
  const { message, status = 0 } = thrown
  if (
    (status === 400 || status === 403 || status === 404) &&
    NO_EMBEDDER.test(message) &&
    REFUSES.test(message)
  ) {
    return thrown.with({
      kind: 'unsupported',
      retryable: false,
      message: `${model} makes no embeddings: choose an embedding model. The server said: ${message}`,
    })
  }
  const row = thrown.issues?.[0]?.path?.[0]
  const tooLong = thrown.kind === 'context-length' || /too long|too large|maximum|exceed/i.test(message)
  let index: number | undefined
  let why = ''
  if (typeof row === 'number') index = at + row
  else if (batch.length === 1) index = at
  else if (tooLong && status >= 400 && status < 500 && status !== 429) {
    const longest = batch.reduce((best, text, n) => (text.length > batch[best]!.length ? n : best), 0)
    index = at + longest
    why = ` The longest of these texts is text ${index}, with ${batch[longest]!.length} characters.`
  }
  const which = batch.length === 1 ? `Text ${at}` : `Texts ${at} to ${at + batch.length - 1}`
  const told =
    typeof row === 'number' && at > 0 ? ` Counted from the first text it is text ${at + row}.` : why
  return thrown.with({
    message: `${which} of ${of} could not be embedded: ${message}${told}`,
    issues: [{ message, path: [index ?? at] }],
    // What the batches before it cost.
    usage,
  })
}

/** Input tokens as the server counts them. */
export async function countTokens(resolver: Resolver, input: Input, options: Options): Promise<number> {
  const { provider, model = provider.defaultModel } = resolver.chat(options)
  if (provider.countTokens === undefined) throw cannot(provider.name, 'count tokens', 'estimateTokens()')
  if (model === undefined) throw noModel(provider.name)
  const { encode, decode } = provider.countTokens
  return withCall(options, { operation: 'chat', provider: provider.name, model }, async (call) =>
    decode(await requestJson(call, provider, encode(createRequest(input, options, model)))),
  )
}

/** More pages than any provider has; a server that repeats its cursor must not keep us for ever. */
const MAX_PAGES = 100

/** Every page of the provider's list. */
export async function listModels(resolver: Resolver, options: Options): Promise<string[]> {
  const { provider, model = '' } = resolver.chat(options)
  if (provider.listModels === undefined) throw cannot(provider.name, 'list its models', 'its web site')
  const { encode, decode } = provider.listModels
  return withCall(options, { operation: 'chat', provider: provider.name, model }, async (call) => {
    const models: string[] = []
    let cursor: string | undefined
    for (let page = 0; page < MAX_PAGES; page++) {
      const answer = decode(await requestJson(call, provider, encode(cursor)))
      models.push(...answer.models)
      if (answer.cursor === undefined || answer.cursor === cursor) break
      cursor = answer.cursor
    }
    return models
  })
}

/** Runs `work` within a call: every failure leaves it typed, redacted and with its attempts. */
async function withCall<T>(
  options: Options,
  who: Omit<CallInfo, 'callId'>,
  work: (call: Call) => Promise<T>,
): Promise<T> {
  const call = openCall(options, who)
  try {
    if (call.signal.aborted) throw call.signal.reason
    return await work(call)
  } catch (thrown) {
    const error = LlmError.is(thrown) ? thrown : unexpected(who.provider, thrown)
    const told = call.redactor.error(
      error.with({
        provider: error.provider ?? who.provider,
        model: error.model ?? who.model,
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

  async function once(delayMs: number): Promise<unknown> {
    const open = await exchange(call, target, http, { delayMs, refresh: ask.refresh })
    try {
      const json = parseBody(await readText(open), target.name)
      open.finish()
      return json
    } catch (thrown) {
      const error = LlmError.is(thrown) ? thrown : unexpected(target.name, thrown)
      open.fail(error)
      throw error
    }
  }

  return retry({
    policy: retryPolicy(call.options.retry),
    clock: call.clock,
    random: call.random,
    signal: call.signal,
    leftMs: call.leftMs,
    async attempt(_, delayMs) {
      for (;;) {
        try {
          return await once(delayMs)
        } catch (error) {
          // Only a key can be repaired here.
          if (!LlmError.is(error) || error.status !== 401 || !(await repair(ask, error, {}))) throw error
        }
      }
    },
  })
}

function addUsage(sum: Usage, more: Usage): Usage {
  const total: Record<string, number> = { ...(sum as Record<string, number>) }
  for (const [name, tokens] of Object.entries(more)) {
    if (tokens !== undefined) total[name] = (total[name] ?? 0) + tokens
  }
  return total
}

function wrongRows(provider: string, got: number, asked: number): LlmError {
  return new LlmError({
    kind: 'protocol',
    provider,
    message: `${provider} answered ${asked} texts with ${got} vectors.`,
  })
}

function otherLength(
  provider: string,
  index: number,
  got: number | undefined,
  before: number | undefined,
): LlmError {
  return new LlmError({
    kind: 'protocol',
    provider,
    issues: [{ message: `${got} numbers instead of ${before}`, path: [index] }],
    message: `The embeddings of ${provider} cannot be compared: text ${index} came as ${got} numbers, those before it as ${before}.`,
  })
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
