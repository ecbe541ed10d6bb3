/**
 * How many tokens a text or a request probably has, where no vocabulary is public or none is at hand.
 *
 * In:  text, messages or a whole input, and a model name. Out: an estimate and how far off it may be.
 * How: bytes of each kind of script, divided by how many bytes of it a token of that family holds, plus what the family's
 *      chat format adds. Linear, no tables to load, about 1 KB of numbers.
 * Not here: exact counts, which `Encoding.countTokens` and `client.countTokens()` give.
 */

import { LlmError } from '../errors.ts'
import type { Message, Part, ToolDefinition } from '../types.ts'

/** `tokens` ± `error`, both in tokens; 9 of 10 recorded requests lie within. */
export type TokenEstimate = { readonly tokens: number; readonly exact: false; readonly error: number }

/** What can be estimated: a text, messages, or an input with its system prompt and tools. */
export type EstimateInput =
  | string
  | readonly Message[]
  | {
      readonly messages: readonly Message[]
      readonly system?: string
      readonly tools?: readonly Pick<ToolDefinition, 'name' | 'description' | 'inputSchema'>[]
    }

/** UTF-8 bytes in one token, by kind of text. */
type BytesPerToken = {
  /** ASCII letters, and spaces between words. */
  readonly words: number
  readonly digits: number
  /** Other ASCII: punctuation, line breaks, indentation. */
  readonly symbols: number
  /** Accented Latin, Greek, Hebrew, Arabic: letters of two bytes. */
  readonly alphabets: number
  readonly cyrillic: number
  /** Indic, Thai and other letters of three bytes, and three-byte symbols. */
  readonly abugidas: number
  /** Chinese and Japanese. */
  readonly cjk: number
  readonly hangul: number
  /** Characters of four bytes. */
  readonly emoji: number
}

type Family = {
  readonly name: string
  readonly models: RegExp
  readonly bytesPerToken: BytesPerToken
  /** Tokens around the first message (with the start of the answer) and around each further one. */
  readonly firstMessage: number
  readonly perMessage: number
  /** Tokens that come with the first tool, besides the tools' JSON. */
  readonly toolPrompt: number
  /** A picture of ordinary size. */
  readonly perImage: number
  /** Part of the estimate by which it may be off, besides a few tokens for the chat format. */
  readonly relativeError: number
}

/** Bytes per token measured with o200k_base on one paragraph in 13 languages, code and JSON, 2026-11. */
const LARGE_VOCABULARY: BytesPerToken = {
  words: 5.2,
  digits: 2.1,
  symbols: 1.7,
  alphabets: 5.5,
  cyrillic: 9,
  abugidas: 9,
  cjk: 3.7,
  hangul: 4.7,
  emoji: 2.6,
}

/** The same with cl100k_base: 100,000 tokens, most of them English. */
const SMALL_VOCABULARY: BytesPerToken = {
  words: 5,
  digits: 2.1,
  symbols: 1.7,
  alphabets: 2.4,
  cyrillic: 4.6,
  abugidas: 3.1,
  cjk: 2.6,
  hangul: 2.5,
  emoji: 1.5,
}

function scaled(base: BytesPerToken, factor: number, digits: number): BytesPerToken {
  return {
    words: base.words * factor,
    digits,
    symbols: base.symbols * factor,
    alphabets: base.alphabets * factor,
    cyrillic: base.cyrillic * factor,
    abugidas: base.abugidas * factor,
    cjk: base.cjk * factor,
    hangul: base.hangul * factor,
    emoji: base.emoji * factor,
  }
}

/** What the estimates rest on, newest facts first; the first family that matches the model is used. */
const FAMILIES: readonly Family[] = /* @__PURE__ */ families()

function families(): Family[] {
  return [
    {
      // Anthropic's documentation, 2026-11: these have a new tokenizer, "about 30 % more tokens" for the same text.
      name: 'claude, since Opus 4.7',
      models: /claude-(opus-(4-[7-9]|4\.[7-9]|[5-9])|(sonnet|haiku)-[5-9]|fable|mythos)/,
      bytesPerToken: scaled(SMALL_VOCABULARY, 0.93 / 1.3, 1.2),
      firstMessage: 8,
      perMessage: 4,
      toolPrompt: 550,
      perImage: 2_000,
      relativeError: 0.35,
    },
    {
      // 17 tokens for ten of o200k_base's, 32 for 17 in three messages: usage in recorded requests, 2026-11.
      name: 'claude',
      models: /claude/,
      bytesPerToken: scaled(SMALL_VOCABULARY, 0.93, 1.6),
      firstMessage: 8,
      perMessage: 4,
      toolPrompt: 480,
      perImage: 1_500,
      relativeError: 0.25,
    },
    {
      // Gemma 3's vocabulary, 262,144 entries, one digit a token; nothing around messages. Recorded usage, 2026-11.
      name: 'gemini',
      models: /gemini|gemma/,
      bytesPerToken: scaled(LARGE_VOCABULARY, 1, 1),
      firstMessage: 1,
      perMessage: 1,
      toolPrompt: 0,
      perImage: 258,
      relativeError: 0.25,
    },
    {
      name: 'mistral',
      models: /mi[sx]tral|magistral|ministral|codestral|devstral|pixtral/,
      bytesPerToken: scaled(SMALL_VOCABULARY, 0.95, 1),
      firstMessage: 4,
      perMessage: 3,
      toolPrompt: 20,
      perImage: 1_500,
      relativeError: 0.3,
    },
    {
      // Llama 3: 128,000 tokens, 100,000 of them cl100k_base's; headers of four tokens around each turn.
      name: 'llama',
      models: /llama/,
      bytesPerToken: scaled(SMALL_VOCABULARY, 1, 2.1),
      firstMessage: 10,
      perMessage: 5,
      toolPrompt: 60,
      perImage: 1_600,
      relativeError: 0.3,
    },
    {
      name: 'qwen',
      models: /qwen|qwq/,
      bytesPerToken: scaled(LARGE_VOCABULARY, 0.9, 1),
      firstMessage: 9,
      perMessage: 5,
      toolPrompt: 120,
      perImage: 1_200,
      relativeError: 0.3,
    },
    {
      name: 'deepseek',
      models: /deepseek/,
      bytesPerToken: scaled(LARGE_VOCABULARY, 0.93, 2.1),
      firstMessage: 4,
      perMessage: 2,
      toolPrompt: 250,
      perImage: 1_000,
      relativeError: 0.3,
    },
    {
      name: 'gpt',
      models: /gpt|^(.*\/)?o[1-9]/,
      bytesPerToken: LARGE_VOCABULARY,
      firstMessage: 7,
      perMessage: 4,
      toolPrompt: 8,
      perImage: 765,
      relativeError: 0.25,
    },
    {
      name: 'other',
      models: /(?:)/,
      bytesPerToken: scaled(SMALL_VOCABULARY, 0.9, 1.5),
      firstMessage: 8,
      perMessage: 5,
      toolPrompt: 120,
      perImage: 1_200,
      relativeError: 0.5,
    },
  ]
}

/** Tokens by which a chat format may differ from its row. */
const FORMAT_ERROR = 5

/** Which kind a UTF-16 unit is of, and how many UTF-8 bytes it stands for. */
function textTokens(text: string, per: BytesPerToken): number {
  let words = 0
  let digits = 0
  let symbols = 0
  let alphabets = 0
  let cyrillic = 0
  let abugidas = 0
  let cjk = 0
  let hangul = 0
  let emoji = 0
  let previous = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) {
      const letter = unit | 0x20
      if (letter >= 0x61 && letter <= 0x7a) words++
      else if (unit === 0x20 && previous !== 0x20 && previous !== 0x0a) words++
      else if (unit >= 0x30 && unit <= 0x39) digits++
      // A run of spaces is a token or two, however long.
      else if (unit !== 0x20 || previous === 0x0a) symbols++
    } else if (unit >= 0x400 && unit < 0x530) cyrillic += 2
    else if (unit < 0x800) alphabets += 2
    else if (unit >= 0xd800 && unit <= 0xdfff) emoji += 2
    else if ((unit >= 0x2e80 && unit < 0xa4d0) || (unit >= 0xf900 && unit < 0xfb00) || unit >= 0xff00)
      cjk += 3
    else if ((unit >= 0xac00 && unit < 0xd7b0) || (unit >= 0x1100 && unit < 0x1200)) hangul += 3
    else abugidas += 3
    previous = unit
  }
  return (
    words / per.words +
    digits / per.digits +
    symbols / per.symbols +
    alphabets / per.alphabets +
    cyrillic / per.cyrillic +
    abugidas / per.abugidas +
    cjk / per.cjk +
    hangul / per.hangul +
    emoji / per.emoji
  )
}

function partTokens(part: Part, family: Family): number {
  const per = family.bytesPerToken
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return textTokens(part.text, per)
    case 'image':
      return family.perImage
    case 'tool-call':
      return (
        textTokens(
          part.name + (part.invalid === undefined ? JSON.stringify(part.args) : part.invalid.raw),
          per,
        ) + 8
      )
    case 'tool-result':
      return contentTokens(part.content, family) + 8
    case 'provider':
      return textTokens(JSON.stringify(part.value) ?? '', per)
    default:
      throw new LlmError({
        kind: 'unsupported',
        message: `A part of type ${part.type} cannot be estimated. Ask the provider: client.countTokens().`,
      })
  }
}

function contentTokens(content: string | readonly Part[], family: Family): number {
  if (typeof content === 'string') return textTokens(content, family.bytesPerToken)
  let total = 0
  for (const part of content) total += partTokens(part, family)
  return total
}

/** Whether a picture's cost, about as large as itself in doubt, is part of the estimate. */
function imagesIn(messages: readonly Message[]): number {
  let images = 0
  for (const { content } of messages) {
    if (typeof content !== 'string') images += content.filter((part) => part.type === 'image').length
  }
  return images
}

/**
 * An estimate of the tokens in a text (the text alone) or in a request (with the chat format, system prompt and tools).
 * For any model name; unknown ones get the widest error.
 * @throws LlmError kind `config` for an input of another shape, `unsupported` for files and sounds
 */
export function estimateTokens(input: EstimateInput, model: string): TokenEstimate {
  if (typeof model !== 'string') {
    throw new LlmError({
      kind: 'config',
      message: 'estimateTokens takes a model name as its second argument.',
    })
  }
  const family = FAMILIES.find((row) => row.models.test(model.toLowerCase()))!
  if (typeof input === 'string') return estimate(textTokens(input, family.bytesPerToken), 1, family)
  const messages = Array.isArray(input)
    ? (input as readonly Message[])
    : (input as { messages: unknown })?.messages
  if (!Array.isArray(messages)) {
    throw new LlmError({
      kind: 'config',
      message: 'estimateTokens takes a text, messages, or { messages, system, tools }.',
    })
  }
  let total = family.firstMessage
  for (const message of messages as readonly Message[]) total += contentTokens(message.content, family)
  let count = messages.length
  let uncertain = FORMAT_ERROR + imagesIn(messages) * family.perImage
  if (!Array.isArray(input)) {
    const { system, tools } = input as Exclude<EstimateInput, string | readonly Message[]>
    if (system !== undefined) {
      total += textTokens(system, family.bytesPerToken)
      count++
    }
    if (tools !== undefined && tools.length > 0) {
      for (const { name, description, inputSchema } of tools) {
        total += textTokens(JSON.stringify({ name, description, inputSchema }), family.bytesPerToken)
      }
      total += family.toolPrompt
      uncertain += family.toolPrompt / 3 + 5
    }
  }
  total += family.perMessage * Math.max(0, count - 1)
  return estimate(total, uncertain, family)
}

function estimate(tokens: number, uncertain: number, family: Family): TokenEstimate {
  const error = Math.ceil(tokens * family.relativeError + uncertain)
  return { tokens: tokens === 0 ? 0 : Math.max(1, Math.round(tokens)), exact: false, error }
}
