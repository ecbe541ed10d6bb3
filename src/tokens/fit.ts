/**
 * Makes a conversation fit a window, and says what that cost.
 *
 * In:  messages, a limit in tokens, a policy. Out: an ordered part of the same messages, and what was dropped.
 * What may never happen, whatever the policy: the system prompt goes; a tool result stays without its call or a call
 * without its results; the first turn kept is not the user's; a message is silently shortened.
 * Every message is counted once and the choice is made on prefix sums, so fitting costs about one count of the history.
 * Without an encoding the counts are estimates, conservative at first and calibrated on the usage servers report; every
 * result says which. Not here: cutting one text (fit-text.ts), asking a model for a summary (the caller's callback does).
 */

import { LlmError } from '../errors.ts'
import type { Fit, Message, Part, ProviderTool, Request, ToolDefinition, Usage } from '../types.ts'
import { estimating, fitText } from './fit-text.ts'
import type { TokenCounterLike } from './fit-text.ts'

export { fitText } from './fit-text.ts'
export type { FittedText, FitTextOptions, TokenCounterLike } from './fit-text.ts'

/** Writes down what is about to be dropped; its text takes the dropped messages' place. */
export interface Summarize {
  summarize(dropped: Message[]): string | Promise<string>
  /** Room kept for the summary. Default 1,000. */
  maxTokens: number
}

/**
 * What to do when it does not fit. `error`: say so, with the numbers. `drop-oldest`: whole turns from the front.
 * `head-tail`: keep the beginning too, drop the middle. `truncate-text`: shorten the longest texts. A `summarize` value:
 * drop the oldest, and put a summary of them in their place.
 */
export type FitPolicy = 'error' | 'drop-oldest' | 'head-tail' | 'truncate-text' | Summarize

/** The policy that lets `callback` write down what is dropped. */
export function summarize(callback: Summarize['summarize'], options: { maxTokens?: number } = {}): Summarize {
  return { summarize: callback, maxTokens: options.maxTokens ?? 1_000 }
}

/** See {@link fitMessages}. */
export interface FitMessagesOptions {
  /** Tokens the messages may take. */
  limitTokens: number
  /** Default `error`. */
  policy?: FitPolicy
  /** Exact counts. Without it they are estimates. */
  encoding?: TokenCounterLike
  /** Multiplies estimates; `fit()` calibrates it on what servers count. Ignored with an encoding. Default 1. */
  calibration?: number
}

/** A conversation that fits. */
export interface FittedMessages {
  messages: Message[]
  tokens: number
  /** Messages that are gone, in their order. */
  dropped: Message[]
  droppedTokens: number
  /** Messages of which a part was cut. */
  shortened: number
  exact: boolean
}

// -------------------------------------------------------------------------------------------- counting

/** Role, separators and the end mark of one message in every chat format that has been published: 3 or 4. */
const MESSAGE_OVERHEAD = 4
/** What a picture costs at most in the tile models of 2026, and about the average of the patch models. */
const IMAGE_TOKENS = 1_105
/** Bytes of a document per token: PDFs are mostly layout; vendors bill 1,500–3,000 tokens for a page of about 30 kB. */
const FILE_BYTES_PER_TOKEN = 12
/** A file given by URL or id has no size here; a few pages are assumed. */
const UNKNOWN_FILE_TOKENS = 5_000

function countPart(part: Part, count: (text: string) => number): number {
  switch (part.type) {
    case 'text':
      return count(part.text)
    case 'reasoning':
      return count(part.text) + count(part.encrypted ?? '') + count(part.signature ?? '')
    case 'tool-call':
      return (
        8 +
        count(part.name) +
        count(part.invalid === undefined ? JSON.stringify(part.args ?? {}) : part.invalid.raw)
      )
    case 'tool-result':
      return (
        8 +
        (typeof part.content === 'string'
          ? count(part.content)
          : sum(part.content, (one) => countPart(one, count)))
      )
    case 'image':
      return IMAGE_TOKENS
    case 'file':
    case 'audio':
      return part.data === undefined
        ? UNKNOWN_FILE_TOKENS
        : Math.ceil(part.data.length / FILE_BYTES_PER_TOKEN)
    case 'provider':
      return count(JSON.stringify(part.value) ?? '')
  }
}

function countMessage({ content }: Message, count: (text: string) => number): number {
  return (
    MESSAGE_OVERHEAD +
    (typeof content === 'string' ? count(content) : sum(content, (part) => countPart(part, count)))
  )
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  let total = 0
  for (const item of items) total += of(item)
  return total
}

/** What the tools take: their JSON, which is what most formats render them from. */
function countTools(
  tools: readonly (ToolDefinition | ProviderTool)[] | undefined,
  count: (text: string) => number,
): number {
  return tools === undefined || tools.length === 0
    ? 0
    : 12 + sum(tools, (tool) => 7 + count(JSON.stringify(tool)))
}

// ---------------------------------------------------------------------------------------------- units

/** Messages that stay or go together. */
interface Unit {
  messages: Message[]
  tokens: number
  /** A conversation may begin here. */
  opens: boolean
}

/** A call and all its results are one unit; everything else is a unit of its own. */
function unitsOf(messages: readonly Message[], tokens: readonly number[]): Unit[] {
  const units: Unit[] = []
  for (const [index, message] of messages.entries()) {
    const last = units.at(-1)
    if (last !== undefined && isResult(message)) {
      last.messages.push(message)
      last.tokens += tokens[index] ?? 0
    } else units.push({ messages: [message], tokens: tokens[index] ?? 0, opens: message.role === 'user' })
  }
  return units
}

function isResult({ role, content }: Message): boolean {
  return (
    role === 'tool' || (typeof content !== 'string' && content.some((part) => part.type === 'tool-result'))
  )
}

// --------------------------------------------------------------------------------------------- fitting

/**
 * The messages, made to fit. With a `summarize` policy a promise of them.
 * @throws LlmError `context-length` when the policy cannot make them fit — always for `error` — with the numbers;
 *   `config` for a limit that is not a number of tokens.
 */
export function fitMessages(
  messages: readonly Message[],
  options: FitMessagesOptions & { policy: Summarize },
): Promise<FittedMessages>
export function fitMessages(
  messages: readonly Message[],
  options: FitMessagesOptions & { policy?: Exclude<FitPolicy, Summarize> },
): FittedMessages
export function fitMessages(
  messages: readonly Message[],
  options: FitMessagesOptions,
): FittedMessages | Promise<FittedMessages>
export function fitMessages(
  messages: readonly Message[],
  options: FitMessagesOptions,
): FittedMessages | Promise<FittedMessages> {
  const { limitTokens, policy = 'error', encoding, calibration = 1 } = options
  if (!Number.isFinite(limitTokens) || limitTokens < 0) {
    throw new LlmError({
      kind: 'config',
      message: 'fitMessages needs limitTokens to be a number of tokens, 0 or more.',
    })
  }
  const exact = encoding !== undefined
  const count = counterOf(encoding, calibration)
  const tokens = messages.map((message) => countMessage(message, count))
  const total = sum(tokens, (one) => one)
  if (total <= limitTokens) {
    return { messages: [...messages], tokens: total, dropped: [], droppedTokens: 0, shortened: 0, exact }
  }

  let first = 0
  while (messages[first]?.role === 'system') first++
  const pinned = messages.slice(0, first)
  const pinnedTokens = sum(tokens.slice(0, first), (one) => one)
  const room = limitTokens - pinnedTokens
  if (room < 0) throw tooLong(total, limitTokens, exact, `the system prompt alone takes ${pinnedTokens}`)
  const units = unitsOf(messages.slice(first), tokens.slice(first))

  if (policy === 'error') throw tooLong(total, limitTokens, exact, 'the policy is to say so')
  if (policy === 'truncate-text') {
    return truncateTexts(messages, first, { total, limitTokens, encoding, exact, count })
  }
  const reserved = typeof policy === 'object' ? policy.maxTokens + MESSAGE_OVERHEAD : 0
  const keep = policy === 'head-tail' ? keepEnds(units, room) : keepNewest(units, room - reserved)
  if (keep === undefined) throw tooLong(total, limitTokens, exact, 'its last turn alone is longer than that')
  const fitted = assemble(pinned, units, keep, { total, pinnedTokens, exact })
  return typeof policy === 'object' ? withSummary(fitted, pinned.length, policy, count, encoding) : fitted
}

function counterOf(encoding: TokenCounterLike | undefined, calibration: number): (text: string) => number {
  if (encoding !== undefined) return (text) => (text === '' ? 0 : encoding.countTokens(text))
  return (text) => Math.ceil(estimating.countTokens(text) * calibration)
}

function tooLong(actual: number, limit: number, exact: boolean, why: string): LlmError {
  return new LlmError({
    kind: 'context-length',
    phase: 'encode',
    message: `The conversation takes ${exact ? '' : 'about '}${actual} tokens where ${limit} fit, and ${why}. Nothing was sent: shorten it, or choose another fit policy.`,
  })
}

/**
 * The newest units that fit, as a set of indices. Where the first of them is not a user's turn, the latest user turn
 * before it is kept too: an agent that worked a hundred steps on one question still knows the question.
 */
function keepNewest(units: readonly Unit[], room: number): Set<number> | undefined {
  let suffix = sum(units, (unit) => unit.tokens)
  let anchor: number | undefined
  for (let start = 0; start < units.length; start++) {
    const unit = units[start]!
    if (start > 0 && units[start - 1]!.opens) anchor = start - 1
    const needsAnchor = !unit.opens
    const anchorTokens = needsAnchor && anchor !== undefined ? units[anchor]!.tokens : 0
    if (suffix + anchorTokens <= room && (!needsAnchor || anchor !== undefined)) {
      return keptFrom(start, units.length, needsAnchor ? anchor : undefined)
    }
    suffix -= unit.tokens
  }
  return undefined
}

function keptFrom(start: number, end: number, anchor: number | undefined): Set<number> {
  const kept = new Set<number>(anchor === undefined ? [] : [anchor])
  for (let index = start; index < end; index++) kept.add(index)
  return kept
}

/** Up to 30 % of the room from the start, in whole exchanges; the rest from the end. */
function keepEnds(units: readonly Unit[], room: number): Set<number> | undefined {
  let headTokens = 0
  let head = 0
  for (const [index, unit] of units.entries()) {
    if (headTokens + unit.tokens > room * 0.3) break
    headTokens += unit.tokens
    // The head ends before a user's turn, so that no question stands in it without its answer.
    if (units[index + 1]?.opens === true) head = index + 1
  }
  headTokens = sum(units.slice(0, head), (unit) => unit.tokens)
  const tail = keepNewest(units.slice(head), room - headTokens)
  if (tail === undefined) return head === 0 ? undefined : keepNewest(units, room)
  const kept = keptFrom(0, head, undefined)
  for (const index of tail) kept.add(index + head)
  return kept
}

function assemble(
  pinned: readonly Message[],
  units: readonly Unit[],
  keep: ReadonlySet<number>,
  { total, pinnedTokens, exact }: { total: number; pinnedTokens: number; exact: boolean },
): FittedMessages {
  const messages = [...pinned]
  const dropped: Message[] = []
  let tokens = pinnedTokens
  for (const [index, unit] of units.entries()) {
    if (keep.has(index)) {
      messages.push(...unit.messages)
      tokens += unit.tokens
    } else dropped.push(...unit.messages)
  }
  return { messages, tokens, dropped, droppedTokens: total - tokens, shortened: 0, exact }
}

async function withSummary(
  fitted: FittedMessages,
  at: number,
  policy: Summarize,
  count: (text: string) => number,
  encoding: TokenCounterLike | undefined,
): Promise<FittedMessages> {
  if (fitted.dropped.length === 0) return fitted
  const written = await policy.summarize(fitted.dropped)
  if (typeof written !== 'string') {
    throw new LlmError({ kind: 'config', message: 'The summarize callback must return a text.' })
  }
  // A summary that is longer than its room would undo what it is for.
  const { text } = fitText(written, policy.maxTokens, encoding === undefined ? {} : { encoding })
  if (text.trim() === '') return fitted
  const summary: Message = { role: 'user', content: text }
  const messages = [...fitted.messages.slice(0, at), summary, ...fitted.messages.slice(at)]
  return { ...fitted, messages, tokens: fitted.tokens + countMessage(summary, count) }
}

// ---------------------------------------------------------------------------------------- truncate-text

/** A text that may be shortened, and where it stands. */
interface Slot {
  message: number
  part: number | undefined
  text: string
  tokens: number
}

/** Shortest length a text is cut to: below this its meaning is gone and the marker is most of it. */
const LEAST_TOKENS = 32

/** Levels the longest texts of users and tools down to one length that makes the whole fit; keeps both ends of each. */
function truncateTexts(
  messages: readonly Message[],
  first: number,
  at: {
    total: number
    limitTokens: number
    encoding: TokenCounterLike | undefined
    exact: boolean
    count: (text: string) => number
  },
): FittedMessages {
  const { total, limitTokens, encoding, exact, count } = at
  const slots: Slot[] = []
  for (let index = first; index < messages.length; index++) {
    const { role, content } = messages[index]!
    if (role === 'assistant' || role === 'system') continue
    if (typeof content === 'string')
      slots.push({ message: index, part: undefined, text: content, tokens: count(content) })
    else {
      for (const [part, one] of content.entries()) {
        const text =
          one.type === 'text'
            ? one.text
            : one.type === 'tool-result' && typeof one.content === 'string'
              ? one.content
              : ''
        if (text !== '') slots.push({ message: index, part, text, tokens: count(text) })
      }
    }
  }
  const level = levelFor(
    slots.map((slot) => slot.tokens),
    total - limitTokens,
  )
  if (level === undefined || level < LEAST_TOKENS) {
    throw tooLong(total, limitTokens, exact, 'shortening its texts is not enough')
  }
  const result = [...messages]
  let sumTokens = total
  let shortened = 0
  // An estimate of n tokens is n / calibration raw ones; one raw token for rounding.
  const scale = exact ? 1 : Math.max(1, count('x'.repeat(3_000)) / 1_000)
  for (const slot of slots) {
    if (slot.tokens <= level) continue
    const { text } = fitText(slot.text, Math.max(1, Math.floor(level / scale) - 1), {
      keep: 'head-tail',
      ...(encoding === undefined ? {} : { encoding }),
    })
    result[slot.message] = replaced(result[slot.message]!, slot.part, text)
    sumTokens += count(text) - slot.tokens
    shortened++
  }
  return {
    messages: result,
    tokens: sumTokens,
    dropped: [],
    droppedTokens: total - sumTokens,
    shortened,
    exact,
  }
}

/** The greatest level so that cutting everything above it saves `excess`; undefined when even 0 does not. */
function levelFor(lengths: readonly number[], excess: number): number | undefined {
  const longest = [...lengths].sort((a, b) => b - a)
  let saved = 0
  for (const [index, length] of longest.entries()) {
    const next = longest[index + 1] ?? 0
    const gain = (length - next) * (index + 1)
    if (saved + gain >= excess) return Math.floor(length - (excess - saved) / (index + 1))
    saved += gain
  }
  return undefined
}

function replaced(message: Message, part: number | undefined, text: string): Message {
  if (part === undefined) return { ...message, content: text }
  const content = (message.content as Part[]).map((one, index): Part => {
    if (index !== part) return one
    if (one.type === 'tool-result') return { ...one, content: text }
    return one.type === 'text' ? { ...one, text } : one
  })
  return { ...message, content }
}

// -------------------------------------------------------------------------------------- the `fit` option

/** See {@link fit}. */
export interface FitOptions {
  /** Default `error`. */
  policy?: FitPolicy
  /** Counts exactly. Default: an estimate, which the answers calibrate. */
  encoding?: TokenCounterLike
  /** The model's window in tokens, or a table that knows it; `catalog` of `llmswap/cost` is one. */
  contextTokens: number | { find(model: string): { contextTokens?: number } | undefined }
  /** Kept free for the answer. Default: the request's `maxTokens`, else 4,096. */
  outputTokens?: number
  /** Share of the window left unused, because servers add a little of their own. Default 0.02. */
  margin?: number
  /** Told what was dropped or cut; never called when everything fits. */
  onFit?: (fitted: FittedMessages) => void
}

/** Weight of the newest observation. Ten calls settle it; one odd answer does not upset it. */
const CALIBRATION_WEIGHT = 0.3

/**
 * The `fit` option of a call: makes each request fit its model before it is sent, and once more when a server still says no.
 * @throws LlmError `config`, at a call, when the window of its model is unknown; `context-length` when the policy cannot make it fit.
 */
export function fit(options: FitOptions): Fit {
  const { policy = 'error', encoding, margin = 0.02, onFit } = options
  const calibrations = new Map<string, number>()

  const windowOf = (model: string): number => {
    const given = options.contextTokens
    const tokens = typeof given === 'number' ? given : given.find(model)?.contextTokens
    if (tokens !== undefined && tokens > 0) return tokens
    throw new LlmError({
      kind: 'config',
      model,
      message: `fit() does not know the window of ${model}: pass contextTokens as a number.`,
    })
  }

  return {
    async apply(request, overflow) {
      let calibration = calibrations.get(request.model) ?? 1
      const window = overflow?.limitTokens ?? windowOf(request.model)
      if (overflow?.actualTokens !== undefined && encoding === undefined) {
        calibration *=
          overflow.actualTokens / Math.max(1, countRequest(request, counterOf(undefined, calibration)))
        calibrations.set(request.model, calibration)
      }
      const count = counterOf(encoding, calibration)
      const besides =
        (request.system === undefined ? 0 : MESSAGE_OVERHEAD + count(request.system)) +
        countTools(request.tools, count)
      const reserve = options.outputTokens ?? request.maxTokens ?? 4_096
      const limitTokens = Math.floor(window * (1 - margin)) - reserve - besides
      if (limitTokens < 0) {
        throw new LlmError({
          kind: 'context-length',
          model: request.model,
          phase: 'encode',
          message: `System prompt and tools take ${besides} tokens and the answer needs ${reserve}, where ${request.model} holds ${window}. Nothing was sent.`,
        })
      }
      const fitted = await fitMessages(request.messages, {
        limitTokens,
        policy,
        calibration,
        ...(encoding === undefined ? {} : { encoding }),
      })
      if (fitted.dropped.length === 0 && fitted.shortened === 0) return request
      onFit?.(fitted)
      return { ...request, messages: fitted.messages }
    },
    observe(request: Request, usage: Usage) {
      if (encoding !== undefined || usage.inputTokens === undefined || usage.inputTokens === 0) return
      const estimated = countRequest(request, counterOf(undefined, 1))
      // Below a few dozen tokens the fixed parts of a prompt outweigh its text, and the ratio means nothing.
      if (estimated < 50) return
      const before = calibrations.get(request.model) ?? 1
      const ratio = usage.inputTokens / estimated
      calibrations.set(request.model, before + (ratio - before) * CALIBRATION_WEIGHT)
    },
  }
}

function countRequest(request: Request, count: (text: string) => number): number {
  const system = request.system === undefined ? 0 : MESSAGE_OVERHEAD + count(request.system)
  return (
    system +
    countTools(request.tools, count) +
    sum(request.messages, (message) => countMessage(message, count))
  )
}
