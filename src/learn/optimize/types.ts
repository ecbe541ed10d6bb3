/**
 * The vocabulary of the prompt search: a task, a strategy, a journal, a record, a result. Types only; nothing runs.
 * Scores are numbers of which more is better. An evaluation is one prompt on one example: the unit of every budget.
 */
import type { Random } from '../random.ts'

/** What a prompt is tried on. Only the id matters here; the rest is between you and your evaluator. */
export interface Example {
  /** Unique among all examples, held-out ones included. */
  readonly id: string
}

/** How good one answer was. Feedback is what a reviewer would say; cost is money, in any one unit. */
export interface Graded {
  /** Higher is better; any finite number. */
  readonly score: number
  /** For a reflecting mutator. Default: none. */
  readonly feedback?: string
  /** Money, in any one unit. Default: 0. */
  readonly cost?: number
}

/** How a prompt came to be. */
export type Operator = 'seed' | 'sample' | 'mutate' | 'crossover' | 'reflect' | 'merge'

/** One line of what a reflecting mutator is shown. */
export interface Lesson<E extends Example = Example> {
  /** What was tried. */
  readonly example: E
  /** How it went. */
  readonly score: number
  /** What the evaluator said. */
  readonly feedback?: string
}

/** What the mutator is asked for. */
export interface MutateRequest<E extends Example = Example> {
  /**
   * `sample`: a new prompt, however far from the parent. `mutate`: a small change of the parent. `crossover`: two
   * parents mixed, the result changed a little (EvoPrompt's one call for both). `reflect`: the parent improved in the
   * light of `lessons`. `merge`: two good parents made one; where only one of them differs from `ancestor`, its side.
   */
  readonly operator: Exclude<Operator, 'seed'>
  /** One prompt, or two for `crossover` and `merge`. */
  readonly parents: readonly string[]
  /** Of `reflect`: how the parent did on a few examples. */
  readonly lessons?: readonly Lesson<E>[]
  /** Of `merge`: the prompt both parents come from. */
  readonly ancestor?: string
}

/** What a mutator is given beside the request. */
export interface MutateContext {
  /** Its own seeded numbers for this call: use no others and the whole search repeats. */
  readonly random: Random
  readonly signal: AbortSignal
}

/** Writes a prompt. A string, or the prompt with what it cost. */
export type Mutate<E extends Example = Example> = (
  request: MutateRequest<E>,
  context: MutateContext,
) => string | { prompt: string; cost?: number } | Promise<string | { prompt: string; cost?: number }>

/** Tries a prompt on an example. Must depend on nothing else: each pair is asked for once. */
export type Evaluate<E extends Example = Example> = (
  prompt: string,
  example: E,
  context: { readonly signal: AbortSignal },
) => number | Graded | Promise<number | Graded>

/** New prompts drawn without looking at scores: the baseline every search has to beat. */
export interface RandomSearch {
  readonly name: 'random'
}

/** Change the best, keep what is not worse; start anew when stuck. The baseline most searches fail to beat. */
export interface HillClimbing {
  readonly name: 'hill-climb'
  /** Proposals in a row without a gain before it starts from a new sample; default 60. */
  readonly patience?: number
}

/** EvoPrompt-GA (Guo et al., ICLR 2024): selection, crossover and mutation in one call, μ+λ survivors. */
export interface GeneticSearch {
  readonly name: 'genetic'
  /** μ = λ; default 12. */
  readonly population?: number
  /** How parents are chosen; default `tournament` (of two). */
  readonly selection?: 'tournament' | 'roulette' | 'random'
  /** Share of children with two parents; default 1. 0 is the ablation: mutation alone. */
  readonly crossoverRate?: number
}

/** GEPA (Agrawal et al., ICLR 2026): reflection on few examples, a frontier per example, merges. */
export interface ParetoSearch {
  readonly name: 'pareto'
  /** Examples a child must win on before it is tried on all; default 3. */
  readonly minibatch?: number
  /** `greedy` is the ablation: always improve the best mean. Default `pareto`. */
  readonly selection?: 'pareto' | 'greedy'
  /** `false` is the ablation: every child is tried on every example. Default true. */
  readonly gate?: boolean
  /** Most merges tried; default 5. */
  readonly merges?: number
  /** A score that cannot be beaten: minibatches full of it teach nothing and are passed over. Default: none. */
  readonly perfectScore?: number
}

/** The four searches with their settings. */
export type StrategySettings = RandomSearch | HillClimbing | GeneticSearch | ParetoSearch

/** A search by name, or with its settings. */
export type Strategy = StrategySettings['name'] | StrategySettings

/** What to optimise, and within which bounds. */
export interface Task<E extends Example = Example> {
  /** Prompts to start from. The first is the one in use today: gains are measured against it. */
  readonly candidates: readonly string[]
  /** What prompts are tried on; ids are unique. */
  readonly examples: readonly E[]
  /** Never searched on: the first candidate and the winner are tried on them at the end, within the budget. */
  readonly holdout?: readonly E[]
  /** Scores one prompt on one example. */
  readonly evaluate: Evaluate<E>
  /** Writes new prompts. */
  readonly mutate: Mutate<E>
  /** Most evaluations (prompt × example), held-out and failed ones included. */
  readonly budget: number
  /** Most money, in the unit of `cost`. No call starts that, at the highest price seen so far, would exceed it. */
  readonly maxCost?: number
  /** Evaluations running at once; default 4. Does not change the result. */
  readonly concurrency?: number
  /** Deadline of one evaluation or mutation in milliseconds; default 60,000. What takes longer is skipped, counted. */
  readonly timeoutMs?: number
  /** Longest prompt accepted from the mutator, in UTF-16 units; default 20,000. */
  readonly maxPromptChars?: number
  /** Ends the search; what was found so far is the result. */
  readonly signal?: AbortSignal
  /** Told of every evaluation and every new prompt. */
  readonly onEvent?: (event: SearchEvent) => void
}

/** One search. */
export interface OptimizeOptions<E extends Example = Example> extends Task<E> {
  /** Default 1. Everything drawn depends on it alone. */
  readonly seed?: number
  /** Default `genetic`. */
  readonly strategy?: Strategy
  /** A journal to continue: what it holds is neither evaluated nor mutated again. */
  readonly state?: Journal
  /** Told after every paid call; the same growing object, plain JSON: write it to disk and nothing is lost. */
  readonly onState?: (state: Journal) => void
}

/** Why something was passed over. Every reason is counted in the record. */
export type SkipReason =
  | 'evaluator-threw'
  | 'evaluator-not-a-number'
  | 'evaluator-timeout'
  | 'mutator-threw'
  | 'mutator-timeout'
  | 'prompt-empty'
  | 'prompt-too-long'
  | 'prompt-unchanged'
  | 'prompt-known'

/** Everything paid for so far, in order. Plain JSON. */
export interface Journal {
  readonly version: 1
  /** Of the search. */
  readonly seed: number
  /** Of the search. */
  readonly strategy: StrategySettings
  /** Fingerprint of candidates and example ids: a journal continues only the task it was written for. */
  readonly task: string
  /** Prompts by number. */
  readonly prompts: string[]
  readonly evaluations: JournalEvaluation[]
  readonly mutations: JournalMutation[]
}

/** One evaluation: a score, or why there is none. */
export interface JournalEvaluation {
  /** Index into `prompts`. */
  readonly prompt: number
  /** Id of the example. */
  readonly example: string
  /** Null where there is none. */
  readonly score: number | null
  /** The evaluator's. */
  readonly feedback?: string
  /** The evaluator's, in its unit. */
  readonly cost?: number
  /** Why there is no score. */
  readonly skip?: SkipReason
  /** What was thrown. */
  readonly error?: string
}

/** One call of the mutator. */
export interface JournalMutation {
  /** Null where none came. */
  readonly prompt: string | null
  /** The mutator's, in its unit. */
  readonly cost?: number
  /** Why there is none. */
  readonly skip?: SkipReason
  /** What was thrown. */
  readonly error?: string
}

/** A prompt and its story. */
export interface Individual {
  /** From 0, in order of birth. */
  readonly id: number
  readonly prompt: string
  readonly operator: Operator
  /** Ids; the common ancestor of a merge is not among them. */
  readonly parents: readonly number[]
  /** One more than its latest parent's. */
  readonly generation: number
  /** Evaluations spent when it was born. */
  readonly bornAt: number
  /** By example; null where it was not tried or could not be scored. */
  readonly scores: readonly (number | null)[]
  /** Over all examples; null unless every one has a score. */
  readonly mean: number | null
  /** `gated`: it did not win on its minibatch. `failed`: an example could not be scored. `unfinished`: budget over. */
  readonly fate: 'unfinished' | 'measured' | 'gated' | 'failed'
}

/** A search as plain JSON, for reports and pages. Described field by field in index.ts. */
export interface RunRecord {
  /** With all its settings. */
  readonly strategy: StrategySettings
  /** Of everything drawn. */
  readonly seed: number
  /** Most evaluations, as asked. */
  readonly budget: number
  readonly exampleIds: readonly string[]
  /** Evaluations spent, held-out ones included. */
  readonly spent: number
  /** Money spent, as far as evaluator and mutator reported it. */
  readonly cost: number
  /** Calls of the mutator. */
  readonly mutations: number
  readonly individuals: readonly Individual[]
  /** Best so far: one point wherever it rose. Constant between two points, and from the last one to `spent`. */
  readonly curve: readonly { evaluations: number; best: number; id: number }[]
  /** Ids of those alive, best first, each time that changed. Of `pareto`: the frontier. */
  readonly populations: readonly { evaluations: number; alive: readonly number[] }[]
  readonly skips: Readonly<Partial<Record<SkipReason, number>>>
}

/** Two prompts on the same examples. */
export interface Comparison {
  /** Examples both have a score on. */
  readonly pairs: number
  /** Pairs where the first scored higher. */
  readonly wins: number
  /** Pairs where the second did. */
  readonly losses: number
  /** Pairs where both scored the same. */
  readonly ties: number
  /** Mean of (first − second). */
  readonly difference: number
  /** 95 % bootstrap interval of that mean, by percentiles. */
  readonly low: number
  /** Its upper end. */
  readonly high: number
}

/** Why a search ended. */
export type StopReason =
  | 'budget'
  /** The money, not the evaluations. */
  | 'cost'
  /** The mutator found nothing new for long. */
  | 'exhausted'
  | 'aborted'

/** What a search found, and what that is worth. */
export interface OptimizeResult {
  readonly best: Individual
  /** The first candidate that could be scored. */
  readonly baseline: Individual
  /** Best against baseline on the examples searched on: optimistic, for the best was chosen on them. */
  readonly comparison: Comparison
  /** On the held-out examples: the honest figure. Absent without any, and when the search was aborted. */
  readonly holdout?: {
    readonly best: number
    readonly baseline: number
    readonly comparison: Comparison
    /** How much the best lost by leaving home: its gain on the examples less its gain on held-out ones. */
    readonly gap: number
  }
  readonly stopReason: StopReason
  readonly record: RunRecord
  readonly state: Journal
}

/** What happens while it happens. `spent` of `budget` moves a progress bar. */
export type SearchEvent = { readonly spent: number; readonly budget: number; readonly cost: number } & (
  | {
      readonly type: 'evaluation'
      readonly id: number
      readonly example: string
      readonly score: number | null
    }
  | { readonly type: 'individual'; readonly individual: Individual }
  | { readonly type: 'best'; readonly individual: Individual }
  | { readonly type: 'population'; readonly alive: readonly number[] }
  | { readonly type: 'skip'; readonly reason: SkipReason; readonly message: string }
)
