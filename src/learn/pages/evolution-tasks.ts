/**
 * What prompts are searched for on the evolution page, and what of a race the page draws. In: a name. Out: candidates,
 * examples, an evaluator and a mutator for the library's own `race`; afterwards the race as plain JSON. The recording
 * (scripts/learn-evolve.ts) and the worker both come through here, so what is recorded is what would run.
 */
import { wasmMemory } from '../gemm-wasm.ts'
import { load } from '../llm500.ts'
import {
  likelihood,
  race,
  simulatedModel,
  wordMutator,
  type Comparison,
  type Evaluate,
  type Example,
  type Individual,
  type Mutate,
  type RaceOptions,
  type RaceReport,
  type RunRecord,
} from '../optimize/index.ts'
import { fingerprint } from '../optimize/lab.ts'
import { createRandom } from '../random.ts'
import type { Memory } from '../types.ts'
import { SENTENCES, type TaskName } from './evolution-texts.ts'

/** A task, ready to be raced. */
export interface EvolutionTask {
  readonly candidates: readonly string[]
  readonly examples: readonly (Example & { text?: string })[]
  readonly holdout?: readonly (Example & { text?: string })[]
  readonly evaluate: Evaluate
  readonly mutate: Mutate
  /** The best score of any prompt, where that can be known. */
  readonly optimum?: number
}

const WORDS =
  'Once upon a time there was an old young grey wolf golden key Frida girl miller said the and king castle went to her forest'.split(
    ' ',
  )

const named = (texts: readonly string[], prefix: string): { id: string; text: string }[] =>
  texts.map((text, i) => ({ id: `${prefix}${i + 1}`, text }))

/** Builds a task. `weights`: the unpacked model, which only `frida` asks. */
export function evolutionTask(
  name: TaskName,
  weights: Uint8Array,
  memory: (length: number) => Memory = wasmMemory,
): EvolutionTask {
  if (name === 'frida') {
    const { model, vocabulary } = load(weights, { batch: 1, memory })
    return {
      candidates: ['Once upon a time'],
      examples: named(SENTENCES.dev, 'dev '),
      holdout: named(SENTENCES.held, 'held '),
      evaluate: likelihood(model, vocabulary) as Evaluate,
      mutate: wordMutator(WORDS),
    }
  }
  if (name === 'coin')
    return {
      candidates: ['Once upon a time'],
      examples: Array.from({ length: 4 }, (_, i) => ({ id: `dev ${i + 1}` })),
      holdout: Array.from({ length: 4 }, (_, i) => ({ id: `held ${i + 1}` })),
      // Pure luck, the same for the same question: no prompt is better than another, and every search finds one.
      evaluate: (prompt, { id }) => createRandom(fingerprint(`${prompt}\0${id}`))(),
      mutate: wordMutator(WORDS),
    }
  const { optimum, ...rest } = simulatedModel(name)
  return { ...rest, optimum: optimum.score }
}

/** A prompt and its story; its scores on single examples are not drawn. */
export type Prompt = Pick<Individual, 'id' | 'prompt' | 'operator' | 'parents' | 'bornAt' | 'mean'>

/** One search of a race, as far as it is drawn. */
export interface RunView {
  readonly seed: number
  /** Ids into the record. */
  readonly best: number
  readonly baseline: number
  readonly comparison: Comparison
  readonly holdout?: { readonly best: number; readonly baseline: number; readonly gap: number }
  readonly prompts: readonly Prompt[]
  readonly curve: RunRecord['curve']
  readonly populations: RunRecord['populations']
  readonly spent: number
}

/** A race, as far as it is drawn. */
export interface RaceView {
  readonly task: TaskName
  readonly budget: number
  readonly seeds: readonly number[]
  readonly judgedBy: RaceReport['judgedBy']
  readonly verdict: string
  readonly charged: number
  readonly made: number
  readonly optimum?: number
  readonly rows: readonly {
    readonly label: string
    readonly mean: number
    readonly runs: readonly RunView[]
  }[]
}

/** Runs the four searches of the library at equal cost and keeps what the page draws. */
export async function raceTask(
  name: TaskName,
  task: EvolutionTask,
  options: Pick<RaceOptions, 'budget' | 'seeds' | 'signal' | 'onEvent'>,
): Promise<RaceView> {
  const { optimum, ...rest } = task
  const report = await race({ ...rest, ...options })
  const { budget, seeds, judgedBy, verdict, charged, made } = report
  return {
    task: name,
    budget,
    seeds,
    judgedBy,
    verdict,
    charged,
    made,
    ...(optimum !== undefined && { optimum }),
    rows: report.rows.map(({ label, mean, results }) => ({
      label,
      mean,
      runs: results.map(({ best, baseline, comparison, holdout, record }) => {
        const { individuals, curve, populations, spent } = record
        return {
          seed: record.seed,
          best: best.id,
          baseline: baseline.id,
          comparison,
          ...(holdout !== undefined && {
            holdout: { best: holdout.best, baseline: holdout.baseline, gap: holdout.gap },
          }),
          prompts: individuals.map(({ id, prompt, operator, parents, bornAt, mean: score }) => ({
            id,
            prompt,
            operator,
            parents,
            bornAt,
            mean: score,
          })),
          curve,
          populations,
          spent,
        }
      }),
    })),
  }
}
