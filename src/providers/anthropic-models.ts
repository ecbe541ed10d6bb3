/**
 * What Claude models take: output limits, ways of thinking, sampling parameters.
 *
 * In:  a model id and our options. Out: a row of facts, and the fields of the Messages API that depend on it.
 * The table is data with dated sources; an id it does not know gets what most servers accept.
 * Not here: messages and tools (anthropic-encode.ts), prices.
 */

import type { Reasoning, Request } from '../types.ts'
import { defined } from './body.ts'
import { converted, type Notes, unsupported } from './notes.ts'

/** What may be asked of a family of models. */
export interface ModelTraits {
  /** Most output tokens one answer may have; undefined when unknown. */
  maxTokens: number | undefined
  /** How thinking is asked for. `adaptive-only` models answer 400 to a budget and to sampling parameters. */
  thinking: 'none' | 'budget' | 'adaptive' | 'adaptive-only'
  /** Whether thinking can be turned off, and whether it is off unless asked for. */
  off: 'default' | 'explicit' | 'never'
  /** Native structured output (`output_config.format`). */
  schema: boolean
}

type Row = [
  model: RegExp,
  maxTokens: number | undefined,
  thinking: ModelTraits['thinking'],
  off: ModelTraits['off'],
  schema: boolean,
]

/**
 * By model id, first match wins; the id may stand inside a cloud's own id (`us.anthropic.claude-…-v1:0`).
 * Source: platform.claude.com/docs model overview and thinking pages, models.dev 2026-09-28, pi-ai 1.5.2 of 2026-11-10;
 * where they differ (sonnet-4-6: 64,000 or 128,000) the smaller figure, because asking for more than the maximum is a 400.
 */
const TRAITS: readonly Row[] = [
  [/claude-(?:instant|v?2|3-(?:haiku|sonnet|opus))/, 4096, 'none', 'default', false],
  [/claude-3-5/, 8192, 'none', 'default', false],
  [/claude-3-7/, 64_000, 'budget', 'default', false],
  [/opus-4-1/, 32_000, 'budget', 'default', true],
  [/(?:haiku|sonnet|opus)-4-5/, 64_000, 'budget', 'default', true],
  [/sonnet-4-6/, 64_000, 'adaptive', 'default', true],
  [/opus-4-6/, 128_000, 'adaptive', 'default', true],
  [/claude-\w+-4-[7-9]/, 128_000, 'adaptive-only', 'default', true],
  [/opus-4|claude-4-opus/, 32_000, 'budget', 'default', false],
  [/sonnet-4|claude-4-sonnet/, 64_000, 'budget', 'default', false],
  // "off": null in pi-ai's thinking levels: these think whatever they are told.
  [/claude-(?:fable|mythos)|(?:opus|sonnet)-5-5/, 128_000, 'adaptive-only', 'never', true],
  [/claude-\w+-[5-9]/, 128_000, 'adaptive-only', 'explicit', true],
  [/claude/, undefined, 'adaptive-only', 'explicit', true],
  // Anthropic-compatible servers of other vendors (DeepSeek, Moonshot, Z.ai): the oldest dialect is the common one.
  [/(?:)/, undefined, 'budget', 'explicit', false],
]

/** What the table knows about a model id. */
export function traitsOf(model: string): ModelTraits {
  const [, maxTokens, thinking, off, schema] = TRAITS.find(([pattern]) => pattern.test(model))!
  return { maxTokens, thinking, off, schema }
}

/** For models the table does not know. Required by the API, so something must be sent. */
const UNKNOWN_MAX_TOKENS = 8192

/** Smallest `budget_tokens` the API accepts. */
const MIN_BUDGET = 1024

type Word = Exclude<Reasoning, 'off' | { budgetTokens: number }>

/** Thinking tokens for models that want a number. */
const BUDGETS: Record<Word, number> = { minimal: 1024, low: 2048, medium: 8192, high: 16_384, max: 32_000 }

/** The fields that thinking touches. */
export interface Thinking {
  thinking?: Record<string, unknown>
  effort?: string
  maxTokens: number
}

/** `thinking`, `output_config.effort` and `max_tokens`, which must leave room for each other. */
export function encodeThinking(request: Request, notes: Notes): Thinking {
  const { reasoning, model, maxTokens } = request
  const traits = traitsOf(model)
  const most = traits.maxTokens ?? UNKNOWN_MAX_TOKENS
  const without: Thinking = { maxTokens: maxTokens ?? most }
  if (reasoning === undefined) return without
  if (reasoning === 'off') {
    if (traits.off === 'explicit') return { ...without, thinking: { type: 'disabled' } }
    if (traits.off === 'never') unsupported(notes, 'reasoning', `${model} always thinks`)
    return without
  }
  if (traits.thinking === 'none') {
    unsupported(notes, 'reasoning', `${model} does not think`)
    return without
  }
  const asked = typeof reasoning === 'object' ? reasoning.budgetTokens : undefined
  if (traits.thinking === 'budget' || (traits.thinking === 'adaptive' && asked !== undefined)) {
    // The budget is part of max_tokens and must be smaller, or the API answers 400.
    if (without.maxTokens <= MIN_BUDGET) {
      const why = `thinking needs a maxTokens above ${MIN_BUDGET}, not ${maxTokens}`
      unsupported(notes, 'reasoning', why)
      return without
    }
    const wanted = Math.max(MIN_BUDGET, Math.trunc(asked ?? BUDGETS[reasoning as Word]))
    const budget = Math.min(wanted, (maxTokens ?? Infinity) - 1)
    if (asked !== undefined && budget !== asked) {
      const message = `A thinking budget of ${asked} tokens became ${budget}: it must be at least ${MIN_BUDGET} and below maxTokens.`
      converted(notes, 'reasoning', message)
    }
    return {
      thinking: { type: 'enabled', budget_tokens: budget },
      maxTokens: maxTokens ?? Math.max(most, budget + UNKNOWN_MAX_TOKENS),
    }
  }
  let word = reasoning as Word
  if (asked !== undefined) {
    converted(notes, 'reasoning', `${model} takes no token budget; an effort was sent instead.`)
    word = (['low', 'medium', 'high'] as const).find((name) => asked <= BUDGETS[name]) ?? 'max'
  }
  return {
    // From Opus 4.7 on the text of the thinking is left out unless asked for, and asking to reason asks to see it.
    thinking: {
      type: 'adaptive',
      ...(traits.thinking === 'adaptive-only' ? { display: 'summarized' } : {}),
    },
    // Efforts go from `low`; they know `xhigh` too, which has no word here.
    effort: word === 'minimal' ? 'low' : word,
    ...without,
  }
}

/** `temperature`, `top_p`, `top_k` and `stop_sequences`, without what the model answers 400 to. */
export function encodeSampling(request: Request, thinks: boolean, notes: Notes): Record<string, unknown> {
  const { temperature, topP, topK, stop = [], model } = request
  const traits = traitsOf(model)
  /** The value, or nothing with a warning. */
  const allowed = (field: string, value: number | undefined, isSafe: boolean): number | undefined => {
    if (value === undefined || isSafe) return value
    // Opus 4.7 and later: 400 "`temperature` is deprecated for this model".
    const rejects = traits.thinking === 'adaptive-only'
    if (!rejects && (!thinks || (field === 'topP' && value >= 0.95))) return value
    const why = rejects ? `${model} rejects sampling parameters` : 'it cannot be combined with thinking'
    unsupported(notes, field, why)
    return undefined
  }
  let heat = allowed('temperature', temperature, temperature === 1)
  if (heat !== undefined && heat > 1) {
    converted(notes, 'temperature', `A temperature of ${heat} became 1, the maximum.`)
    heat = 1
  }
  let nucleus = allowed('topP', topP, false)
  if (nucleus !== undefined && heat !== undefined && traits.schema) {
    // Since Opus 4.1: 400 "`temperature` and `top_p` cannot both be specified for this model".
    unsupported(notes, 'topP', `${model} takes temperature or topP, not both`)
    nucleus = undefined
  }
  const stops = stop.filter((sequence) => sequence.trim() !== '')
  if (stops.length < stop.length) {
    unsupported(notes, 'stop', 'a stop sequence must hold more than white space')
  }
  return defined({
    temperature: heat,
    top_p: nucleus,
    top_k: allowed('topK', topK, false),
    stop_sequences: stops.length > 0 ? stops : undefined,
  })
}
