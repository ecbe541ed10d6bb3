/**
 * From logits to a choice, one visible step at a time. In: logits and a list of steps. Out: what is left of the
 * distribution after each. The ORDER is part of the meaning: top-p of a flattened distribution keeps more tokens than
 * a flattened top-p. Engines differ, and so the order is an argument here; `sampleToken` (llm500.ts) is the short
 * version of the first order below. Nucleus sampling: Holtzman et al. 2020; min-p: Nguyen et al. 2024.
 */

/** One token that may still be chosen. */
export interface Candidate {
  /** The token. */
  readonly id: number
  /** Its score; probabilities are the softmax of these. */
  readonly logit: number
}

/** Removes candidates or changes their logits. Candidates arrive and leave sorted, likeliest first. */
export type Step = (candidates: readonly Candidate[]) => Candidate[]

/** exp(logit)/Σexp: the probabilities of candidates among themselves. */
export function softmax(candidates: readonly Candidate[]): number[] {
  const max = candidates.reduce((best, { logit }) => Math.max(best, logit), -Infinity)
  const exps = candidates.map(({ logit }) => Math.exp(logit - max))
  const sum = exps.reduce((a, b) => a + b, 0)
  return exps.map((e) => e / sum)
}

function check(ok: boolean, rule: string): void {
  if (!ok) throw new RangeError(`${rule}.`)
}

/** Divides the logits: below 1 sharpens, above 1 flattens. 0 leaves the likeliest alone. */
export function temperature(t: number): Step {
  check(t >= 0 && t < Infinity, 'A temperature is a number ≥ 0')
  if (t === 0) return (candidates) => candidates.slice(0, 1)
  return (candidates) => candidates.map(({ id, logit }) => ({ id, logit: logit / t }))
}

/** Keeps the k likeliest; a k above their number keeps all. */
export function topK(k: number): Step {
  check(k >= 1, 'top-k is a number ≥ 1')
  return (candidates) => candidates.slice(0, k)
}

/** Keeps the fewest likeliest whose probabilities reach p together: the nucleus. */
export function topP(p: number): Step {
  check(p > 0 && p <= 1, 'top-p is a probability > 0')
  return (candidates) => {
    let mass = 0
    const chances = softmax(candidates)
    return candidates.filter((_, i) => {
      const open = i === 0 || p === 1 || mass < p
      mass += chances[i]!
      return open
    })
  }
}

/** Keeps those at least p times as likely as the likeliest. */
export function minP(p: number): Step {
  check(p >= 0 && p <= 1, 'min-p is a probability')
  return (candidates) => candidates.filter(({ logit }) => Math.exp(logit - candidates[0]!.logit) >= p)
}

/**
 * Makes tokens already written less likely (Keskar et al. 2019): positive logits are divided by `penalty`, negative
 * ones multiplied.
 */
export function repetitionPenalty(penalty: number, written: Iterable<number>): Step {
  check(penalty > 0, 'A repetition penalty is a number > 0; 1 changes nothing')
  const seen = new Set(written)
  const punished = (logit: number): number => (logit > 0 ? logit / penalty : logit * penalty)
  return (candidates) =>
    ranked(candidates.map(({ id, logit }) => ({ id, logit: seen.has(id) ? punished(logit) : logit })))
}

function ranked(candidates: Candidate[]): Candidate[] {
  return candidates.sort((a, b) => b.logit - a.logit || a.id - b.id)
}

/** The settings a request carries; undefined steps are left out. */
export interface SamplingSettings {
  /** Divides the logits; 0 takes the likeliest token. Default: no such step. */
  readonly temperature?: number
  /** Keep the k likeliest. Default: no such step. */
  readonly topK?: number
  /** Keep the fewest whose probabilities reach this sum. Default: no such step. */
  readonly topP?: number
  /** Keep those at least this fraction as likely as the likeliest. Default: no such step. */
  readonly minP?: number
}

/**
 * Orders in use: Transformers builds its list of warpers with the temperature first (5.x, `_get_logits_processor`);
 * llama.cpp's default sampler chain truncates first and applies the temperature last (`common_params_sampling`).
 */
export const orders: {
  readonly [name in 'transformers' | 'llama.cpp']: readonly (keyof SamplingSettings)[]
} = {
  transformers: ['temperature', 'topK', 'topP', 'minP'],
  'llama.cpp': ['topK', 'topP', 'minP', 'temperature'],
}

/** The steps of some settings in a given order. */
export function stepsOf(settings: SamplingSettings, order: readonly (keyof SamplingSettings)[]): Step[] {
  const make = { temperature, topK, topP, minP }
  return order.flatMap((name) => {
    const value = settings[name]
    return value === undefined ? [] : [make[name](value)]
  })
}

/** Logits after all steps: the survivors, likeliest first. */
export function survivors(logits: ArrayLike<number>, steps: readonly Step[]): Candidate[] {
  const all = ranked(Array.from(logits, (logit, id) => ({ id, logit })))
  return steps.reduce((candidates, step) => step(candidates), all)
}

/** Draws one id: the survivor at which a uniform number, walked down the distribution, runs out. */
export function sample(logits: ArrayLike<number>, steps: readonly Step[], random: () => number): number {
  const left = survivors(logits, steps)
  const chances = softmax(left)
  let rest = random()
  const drawn = left.findIndex((_, i) => (rest -= chances[i]!) < 0)
  return left.at(drawn)!.id
}

/** Surprise to expect, in bits: −Σ p·log₂ p. Two to that power is the effective number of choices. */
export function entropyBits(probabilities: readonly number[]): number {
  return probabilities.reduce((sum, p) => (p > 0 ? sum - p * Math.log2(p) : sum), 0)
}
