/**
 * Models whose best prompt is known. In: a landscape and a seed. Out: candidates, examples, an evaluator and a mutator
 * for `optimize`, and the optimum, found by trying all 2^K prompts (blocks that do not touch each other one by one). A prompt is read as K yes-or-no traits, one line
 * each, found by pattern as a person would find them; the model's accuracy follows from the traits. Nothing here talks
 * to anything: a search that fails on these models is broken, whatever it does elsewhere.
 *
 *   additive    every trait helps or hurts by itself: any climber gets there
 *   pairwise    pairs of traits help or hurt together: several hills
 *   deceptive   blocks of four traits; all four are best, otherwise fewer are better: every step leads away from the
 *               optimum, and only joining halves of two prompts reaches it (concatenated traps, Goldberg 1987)
 *   specialists a mediocre trick that suits every example blocks the traits that each class of examples needs: whoever
 *               follows the mean stays with the trick
 */
import { createRandom, type Random } from '../random.ts'
import { fingerprint } from './lab.ts'
import type { Example, Graded, Mutate } from './types.ts'

/** A trait: how it is written, and how it is recognised in any prompt. */
interface Trait {
  readonly line: string
  readonly pattern: RegExp
}

/** Twenty things people put into prompts. */
const TRAITS: readonly Trait[] = [
  { line: 'You are an expert in this field.', pattern: /\bexpert\b/i },
  { line: 'Think step by step.', pattern: /step by step/i },
  { line: 'Answer in JSON.', pattern: /\bJSON\b/ },
  { line: 'Here is an example: 2 + 2 = 4.', pattern: /\bexample\b/i },
  { line: 'Keep it short.', pattern: /\bshort\b/i },
  { line: 'Check your answer.', pattern: /\bcheck\b/i },
  { line: 'Cite your sources.', pattern: /\bsources\b/i },
  { line: 'If unsure, say so.', pattern: /\bunsure\b/i },
  { line: 'Use plain words.', pattern: /\bplain\b/i },
  { line: 'Give units.', pattern: /\bunits\b/i },
  { line: 'Restate the question first.', pattern: /\brestate\b/i },
  { line: 'Consider two alternatives.', pattern: /\balternatives\b/i },
  { line: 'No preamble.', pattern: /\bpreamble\b/i },
  { line: 'Write for a child.', pattern: /\bchild\b/i },
  { line: 'Be polite.', pattern: /\bpolite\b/i },
  { line: 'Take your time.', pattern: /\btime\b/i },
  { line: 'Use a table.', pattern: /\btable\b/i },
  { line: 'Name the assumptions.', pattern: /\bassumptions\b/i },
  { line: 'Round to two digits.', pattern: /\bround\b/i },
  { line: 'End with a summary.', pattern: /\bsummary\b/i },
]

const HEAD = 'Answer the question.'

/** The four kinds of landscape. */
export type Landscape = 'additive' | 'pairwise' | 'deceptive' | 'specialists'

/** A model to be prompted, ready for {@link optimize}. */
export interface SimulatedModel {
  readonly candidates: readonly string[]
  readonly examples: readonly Example[]
  readonly evaluate: (prompt: string, example: Example) => Graded
  readonly mutate: Mutate
  /** The highest mean score of any prompt, by brute force, and one prompt that has it. */
  readonly optimum: { readonly score: number; readonly prompt: string }
}

/**
 * Builds one. `seed` draws weights and difficulties.
 * @throws RangeError, at an evaluation, for an example of another landscape.
 */
export function simulatedModel(landscape: Landscape, seed = 1): SimulatedModel {
  const built = LANDSCAPES[landscape](createRandom(fingerprint(`${landscape} ${seed}`)))
  const { traits: K, examples, score, starts } = built
  const indices = new Map(examples.map(({ id }, i) => [id, i]))
  const read = new Map<string, number>()
  const bitsOf = (prompt: string): number => {
    const known = read.get(prompt)
    if (known !== undefined) return known
    const bits = traitsOf(prompt, K)
    read.set(prompt, bits)
    return bits
  }
  const evaluate = (prompt: string, example: Example): Graded => {
    const index = indices.get(example.id)
    if (index === undefined) throw new RangeError(`This model knows no example "${example.id}".`)
    const value = score(bitsOf(prompt), index)
    return { score: value, feedback: `Example ${example.id} scored ${value.toFixed(2)}.` }
  }
  const total = (bits: number): number => examples.reduce((sum, _, i) => sum + score(bits, i), 0)
  // Groups add up without touching each other, so the best of each is part of the best of all.
  let best = 0
  for (const { from, size } of built.groups ?? [{ from: 0, size: K }]) {
    for (let part = 0; part < 2 ** size; part++) {
      const bits = (best & ~((2 ** size - 1) << from)) | (part << from)
      if (total(bits) > total(best)) best = bits
    }
  }
  return {
    candidates: starts.map((bits) => promptOf(bits, K)),
    examples,
    evaluate,
    mutate: traitMutator(K, bitsOf),
    optimum: { score: total(best) / examples.length, prompt: promptOf(best, K) },
  }
}

/** The first K traits of a text, as bits. */
export function traitsOf(prompt: string, K: number): number {
  return TRAITS.slice(0, K).reduce(
    (bits, { pattern }, i) => (pattern.test(prompt) ? bits | (1 << i) : bits),
    0,
  )
}

/** The shortest prompt with these traits. */
export function promptOf(bits: number, K: number): string {
  return [HEAD, ...TRAITS.slice(0, K).flatMap(({ line }, i) => (bits & (1 << i) ? [line] : []))].join('\n')
}

interface Built {
  readonly traits: number
  readonly examples: readonly Example[]
  /** In [0, 1], of some traits on an example. */
  readonly score: (bits: number, example: number) => number
  /** Traits that matter to each other, where not all do: a brute force needs to join only these. */
  readonly groups?: readonly { from: number; size: number }[]
  /** Traits of the candidates. */
  readonly starts: readonly number[]
}

const has = (bits: number, i: number): boolean => (bits & (1 << i)) !== 0
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
const examplesOf = (count: number): Example[] =>
  Array.from({ length: count }, (_, i) => ({ id: `q${i + 1}` }))

/** The chance of a right answer: what the traits add up to, less the difficulty of the example. */
function accuracy(
  strength: (bits: number) => number,
  count: number,
  random: Random,
): Omit<Built, 'traits' | 'starts'> {
  const difficulty = Array.from({ length: count }, () => 3 * random() - 1.5)
  return { examples: examplesOf(count), score: (bits, i) => sigmoid(strength(bits) - difficulty[i]!) }
}

const LANDSCAPES: Readonly<Record<Landscape, (random: Random) => Built>> = {
  additive(random) {
    const K = 10
    const weights = Array.from({ length: K }, () => random() * 1.6 - 0.6)
    const strength = (bits: number): number => weights.reduce((sum, w, i) => sum + (has(bits, i) ? w : 0), -1)
    return { traits: K, starts: [0], ...accuracy(strength, 8, random) }
  },

  pairwise(random) {
    const K = 10
    const pairs = Array.from({ length: 15 }, () => ({
      a: Math.floor(random() * K),
      b: Math.floor(random() * K),
      weight: random() * 2 - 1,
    }))
    const strength = (bits: number): number =>
      pairs.reduce((sum, { a, b, weight }) => sum + (has(bits, a) && has(bits, b) ? weight : 0), -1)
    return { traits: K, starts: [0], ...accuracy(strength, 8, random) }
  },

  deceptive() {
    const [BLOCK, BLOCKS] = [4, 5]
    const scores = Array.from({ length: 2 ** BLOCK }, (_, bits) => {
      const ones = Array.from({ length: BLOCK }, (_, i) => i).filter((i) => has(bits, i)).length
      return ones === BLOCK ? 1 : (0.75 * (BLOCK - 1 - ones)) / (BLOCK - 1)
    })
    return {
      traits: BLOCK * BLOCKS,
      starts: [0x41248, 0x18421],
      groups: Array.from({ length: BLOCKS }, (_, block) => ({ from: block * BLOCK, size: BLOCK })),
      examples: examplesOf(BLOCKS),
      score: (bits, block) => scores[(bits >> (block * BLOCK)) & (2 ** BLOCK - 1)]!,
    }
  },

  specialists(random) {
    // Trait 0 is the trick: 0.5 everywhere, whatever else is written. Class c needs traits 1 + 2c and 2 + 2c.
    const CLASSES = 4
    const classOf = Array.from({ length: 12 }, (_, i) => i % CLASSES)
    const ease = classOf.map(() => 0.05 * random())
    const score = (bits: number, example: number): number => {
      if (has(bits, 0)) return 0.5
      const at = 1 + 2 * classOf[example]!
      return ease[example]! + (has(bits, at) ? 0.6 : 0) + (has(bits, at) && has(bits, at + 1) ? 0.35 : 0)
    }
    const starts = [1, ...Array.from({ length: CLASSES }, (_, c) => 1 << (1 + 2 * c))]
    return { traits: 1 + 2 * CLASSES, starts, examples: examplesOf(classOf.length), score }
  },
}

/**
 * What a language model does to prompts, without one: sample writes any traits, mutate and reflect flip each with
 * chance 1/K and one for certain, crossover takes a stretch of one parent and the rest of the other, then mutates
 * every second child; merge takes from each parent what it changed of the ancestor.
 */
function traitMutator(K: number, bitsOf: (prompt: string) => number): Mutate {
  return ({ operator, parents, ancestor }, { random }) => {
    const [a, b = 0] = parents.map(bitsOf) as [number, number?]
    if (operator === 'sample') return promptOf(Math.floor(random() * 2 ** K), K)
    if (operator === 'crossover') {
      const ends = [Math.floor(random() * (K + 1)), Math.floor(random() * (K + 1))].sort((x, y) => x - y)
      const stretch = (1 << ends[1]!) - (1 << ends[0]!)
      const child = (a & stretch) | (b & ~stretch)
      return promptOf(random() < 0.5 ? flip(child, K, random) : child, K)
    }
    if (operator === 'merge') {
      const root = ancestor === undefined ? 0 : bitsOf(ancestor)
      return promptOf(root ^ ((a ^ root) | (b ^ root)), K)
    }
    return promptOf(flip(a, K, random), K)
  }
}

function flip(bits: number, K: number, random: Random): number {
  let flipped = bits ^ (1 << Math.floor(random() * K))
  for (let i = 0; i < K; i++) if (random() < 0.5 / K) flipped ^= 1 << i
  return flipped
}
