/**
 * What Claude models take: output limits, ways of thinking, sampling parameters.
 *
 * In:  a model id and our options. Out: a row of facts, and the fields of the Messages API that depend on it.
 * The table is data with dated sources; an id it does not know gets what most servers accept.
 * Not here: messages and tools (anthropic-encode.ts), prices.
 */

import type { Reasoning, Request, Warning } from '../types.ts'
import { unsupported } from './body.ts'

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

/**
 * By model id, first match wins; the id may stand inside a cloud's own id (`us.anthropic.claude-…-v1:0`).
 * Source: platform.claude.com/docs model overview and thinking pages, models.dev 2026-09-28, pi-ai 1.5.2 of 2026-11-10;
 * where they differ (sonnet-4-6: 64,000 or 128,000) the smaller figure, because asking for more than the maximum is a 400.
 */
const TRAITS: readonly [RegExp, ModelTraits][] = [
  [/claude-(?:instant|v?2)/, { maxTokens: 4096, thinking: 'none', off: 'default', schema: false }],
  [/claude-3-(?:haiku|sonnet|opus)/, { maxTokens: 4096, thinking: 'none', off: 'default', schema: false }],
  [/claude-3-5/, { maxTokens: 8192, thinking: 'none', off: 'default', schema: false }],
  [/claude-3-7/, { maxTokens: 64_000, thinking: 'budget', off: 'default', schema: false }],
  [/opus-4-1/, { maxTokens: 32_000, thinking: 'budget', off: 'default', schema: true }],
  [/(?:haiku|sonnet|opus)-4-5/, { maxTokens: 64_000, thinking: 'budget', off: 'default', schema: true }],
  [/sonnet-4-6/, { maxTokens: 64_000, thinking: 'adaptive', off: 'default', schema: true }],
  [/opus-4-6/, { maxTokens: 128_000, thinking: 'adaptive', off: 'default', schema: true }],
  [/claude-\w+-4-[7-9]/, { maxTokens: 128_000, thinking: 'adaptive-only', off: 'default', schema: true }],
  [/opus-4|claude-4-opus/, { maxTokens: 32_000, thinking: 'budget', off: 'default', schema: false }],
  [/sonnet-4|claude-4-sonnet/, { maxTokens: 64_000, thinking: 'budget', off: 'default', schema: false }],
  // "off": null in pi-ai's thinking levels: these think whatever they are told.
  [
    /claude-(?:fable|mythos)|(?:opus|sonnet)-5-5/,
    { maxTokens: 128_000, thinking: 'adaptive-only', off: 'never', schema: true },
  ],
  [/claude-\w+-[5-9]/, { maxTokens: 128_000, thinking: 'adaptive-only', off: 'explicit', schema: true }],
  [/claude/, { maxTokens: undefined, thinking: 'adaptive-only', off: 'explicit', schema: true }],
]

/** Anthropic-compatible servers of other vendors (DeepSeek, Moonshot, Z.ai): the oldest dialect is the common one. */
const OTHER: ModelTraits = { maxTokens: undefined, thinking: 'budget', off: 'explicit', schema: false }

/** For models the table does not know. Required by the API, so something must be sent. */
const UNKNOWN_MAX_TOKENS = 8192

/** Smallest `budget_tokens` the API accepts. */
const MIN_BUDGET = 1024

type Word = Exclude<Reasoning, 'off' | { budgetTokens: number }>

/** Thinking tokens for models that want a number. */
const BUDGETS: Record<Word, number> = { minimal: 1024, low: 2048, medium: 8192, high: 16_384, max: 32_000 }
/** Effort for models that decide for themselves. They know `xhigh` too, which has no word here. */
const EFFORTS: Record<Word, string> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  max: 'max',
}

/** What the table knows about a model id. */
export function traitsOf(model: string): ModelTraits {
  return TRAITS.find(([pattern]) => pattern.test(model))?.[1] ?? OTHER
}
/** The fields that thinking touches. */
export interface Thinking {
  block: Record<string, unknown> | undefined
  effort: string | undefined
  maxTokens: number
}

/** `thinking`, `output_config.effort` and `max_tokens`, which must leave room for each other. */
export function encodeThinking(
  request: Request,
  traits: ModelTraits,
  provider: string,
  warnings: Warning[],
): Thinking {
  const { reasoning, maxTokens } = request
  const most = traits.maxTokens ?? UNKNOWN_MAX_TOKENS
  const without: Thinking = { block: undefined, effort: undefined, maxTokens: maxTokens ?? most }
  if (reasoning === undefined) return without
  if (reasoning === 'off') {
    if (traits.off === 'explicit') return { ...without, block: { type: 'disabled' } }
    if (traits.off === 'never') {
      warnings.push(unsupported('reasoning', provider, `${request.model} always thinks`))
    }
    return without
  }
  if (traits.thinking === 'none') {
    warnings.push(unsupported('reasoning', provider, `${request.model} does not think`))
    return without
  }
  if (traits.thinking === 'budget' || (traits.thinking === 'adaptive' && typeof reasoning === 'object')) {
    return encodeBudget(reasoning, maxTokens, most, provider, warnings)
  }
  if (typeof reasoning === 'object') {
    warnings.push({
      code: 'converted',
      field: 'reasoning',
      message: `${request.model} takes no token budget; an effort was sent instead.`,
    })
  }
  return {
    // From Opus 4.7 on the text of the thinking is left out unless asked for, and asking to reason asks to see it.
    block: {
      type: 'adaptive',
      ...(traits.thinking === 'adaptive-only' ? { display: 'summarized' } : {}),
    },
    effort: typeof reasoning === 'object' ? effortFor(reasoning.budgetTokens) : EFFORTS[reasoning],
    maxTokens: maxTokens ?? most,
  }
}

function encodeBudget(
  reasoning: Exclude<Reasoning, 'off'>,
  maxTokens: number | undefined,
  most: number,
  provider: string,
  warnings: Warning[],
): Thinking {
  const asked = typeof reasoning === 'object' ? reasoning.budgetTokens : BUDGETS[reasoning]
  let budget = Math.max(MIN_BUDGET, Math.trunc(asked))
  // The budget is part of max_tokens and must be smaller, or the API answers 400.
  if (maxTokens !== undefined && maxTokens <= MIN_BUDGET) {
    warnings.push(
      unsupported('reasoning', provider, `thinking needs a maxTokens above ${MIN_BUDGET}, not ${maxTokens}`),
    )
    return { block: undefined, effort: undefined, maxTokens }
  }
  if (maxTokens !== undefined && budget >= maxTokens) budget = maxTokens - 1
  if (typeof reasoning === 'object' && budget !== asked) {
    warnings.push({
      code: 'converted',
      field: 'reasoning',
      message: `A thinking budget of ${asked} tokens became ${budget}: it must be at least ${MIN_BUDGET} and below maxTokens.`,
    })
  }
  return {
    block: { type: 'enabled', budget_tokens: budget },
    effort: undefined,
    maxTokens: maxTokens ?? Math.max(most, budget + UNKNOWN_MAX_TOKENS),
  }
}

function effortFor(budgetTokens: number): string {
  const word = (['low', 'medium', 'high'] as const).find((name) => budgetTokens <= BUDGETS[name])
  return word ?? 'max'
}

/** `temperature`, `top_p`, `top_k` and `stop_sequences`, without what the model answers 400 to. */
export function encodeSampling(
  request: Request,
  traits: ModelTraits,
  thinks: boolean,
  provider: string,
  body: Record<string, unknown>,
  warnings: Warning[],
): void {
  const fields = [
    ['temperature', 'temperature'],
    ['topP', 'top_p'],
    ['topK', 'top_k'],
  ] as const
  for (const [field, wire] of fields) {
    const value = request[field]
    if (value === undefined) continue
    const isDefault = field === 'temperature' && value === 1
    if (traits.thinking === 'adaptive-only' && !isDefault) {
      // Opus 4.7 and later: 400 "`temperature` is deprecated for this model".
      warnings.push(unsupported(field, provider, `${request.model} rejects sampling parameters`))
    } else if (thinks && !isDefault && !(field === 'topP' && value >= 0.95)) {
      warnings.push(unsupported(field, provider, 'it cannot be combined with thinking'))
    } else if (field === 'temperature' && value > 1) {
      warnings.push({ code: 'converted', field, message: `A temperature of ${value} became 1, the maximum.` })
      body[wire] = 1
    } else if (field === 'topP' && body['temperature'] !== undefined && traits.schema) {
      // Since Opus 4.1: 400 "`temperature` and `top_p` cannot both be specified for this model".
      warnings.push(unsupported(field, provider, `${request.model} takes temperature or topP, not both`))
    } else body[wire] = value
  }
  const stop = request.stop?.filter((sequence) => sequence.trim() !== '') ?? []
  if (stop.length < (request.stop?.length ?? 0)) {
    warnings.push(unsupported('stop', provider, 'a stop sequence must hold more than white space'))
  }
  if (stop.length > 0) body['stop_sequences'] = stop
}
