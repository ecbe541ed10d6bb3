/**
 * Which search deserved the money. In: a task, some strategies, some seeds. Out: every strategy run with every seed at
 * the same budget, a table, and one sentence that says who won, or that nobody did. Evaluations are charged to each run
 * in full, but a (prompt, example) that several runs ask for is made once. Not here: drawing it (report.ts).
 */
import { optimize, settingsOf } from './optimize.ts'
import { compare, mean, median } from './statistics.ts'
import type {
  Comparison,
  Evaluate,
  Example,
  Journal,
  OptimizeResult,
  SearchEvent,
  Strategy,
  StrategySettings,
  Task,
} from './types.ts'

/** What to race. */
export interface RaceOptions<E extends Example = Example> extends Omit<Task<E>, 'onEvent'> {
  /** Default: all four. Random search and hill climbing are added when they are missing: they are the ones to beat. */
  readonly strategies?: readonly Strategy[]
  /** One run of each strategy per seed; default 1, 2, 3. One seed names no winner. */
  readonly seeds?: readonly number[]
  /** Journals by `label/seed`, from `onState`: what they hold is not paid for again. */
  readonly state?: RaceState
  /** Told after every paid call; the same growing object. */
  readonly onState?: (state: RaceState) => void
  /** Told what `optimize` tells, and of which run. */
  readonly onEvent?: (event: SearchEvent & { readonly label: string; readonly seed: number }) => void
}

/** Journals of all runs, by `label/seed`. Plain JSON. */
export type RaceState = Record<string, Journal>

/** One strategy over all seeds. */
export interface RaceRow {
  /** The strategy by name, numbered where two share one. */
  readonly label: string
  /** With all its settings. */
  readonly strategy: StrategySettings
  /** By seed: the best mean on the examples, and the same prompt on held-out ones (null without any). */
  readonly finals: readonly number[]
  /** By seed, on held-out examples. */
  readonly holdouts: readonly (number | null)[]
  /** Mean over the seeds of what is judged: held-out scores where there are any, else finals. */
  readonly mean: number
  /** The same, as a median. */
  readonly median: number
  /** Evaluations charged, by seed: equal budgets, though a search may stop a few short. */
  readonly spent: readonly number[]
  /** By seed. */
  readonly results: readonly OptimizeResult[]
}

/** How it ended. */
export interface RaceReport {
  /** Evaluations a run, as asked. */
  readonly budget: number
  /** As asked. */
  readonly seeds: readonly number[]
  /** What the rows are judged by. */
  readonly judgedBy: 'holdout' | 'examples'
  /** Best mean first. */
  readonly rows: readonly RaceRow[]
  /** The first row against each other, seed by seed. */
  readonly comparisons: readonly { readonly against: string; readonly comparison: Comparison }[]
  /** Only when the interval of the difference to every other row lies above 0. */
  readonly winner?: string
  /** The same in one sentence. */
  readonly verdict: string
  /** Evaluations charged to the runs, and those really made. */
  readonly charged: number
  /** Evaluations made; journals of an earlier run save some. */
  readonly made: number
}

/** Runs the race. Throws what `optimize` throws. */
export async function race<E extends Example>(options: RaceOptions<E>): Promise<RaceReport> {
  const { seeds = [1, 2, 3], budget, holdout = [] } = options
  if (seeds.length === 0) throw new RangeError('There is no seed: a race needs at least one.')
  const strategies = withBaselines(options.strategies ?? ['random', 'hill-climb', 'genetic', 'pareto'])
  const labels = labelsOf(strategies)
  const state: RaceState = options.state ?? {}
  const memo = memoized(options.evaluate)
  for (const journal of Object.values(state)) {
    for (const { prompt, example, score, feedback, cost } of journal.evaluations) {
      if (score === null) continue
      memo.know(journal.prompts[prompt]!, example, {
        score,
        ...(feedback !== undefined && { feedback }),
        ...(cost !== undefined && { cost }),
      })
    }
  }
  const judgedBy = holdout.length > 0 ? 'holdout' : 'examples'
  const rows: RaceRow[] = []
  for (const [i, strategy] of strategies.entries()) {
    const label = labels[i]!
    const results: OptimizeResult[] = []
    for (const seed of seeds) {
      const key = `${label}/${seed}`
      const known = Object.hasOwn(state, key) ? state[key] : undefined
      results.push(
        await optimize({
          ...options,
          evaluate: memo.evaluate,
          strategy,
          seed,
          state: known,
          onEvent: (event) => options.onEvent?.({ ...event, label, seed }),
          onState: (journal) => {
            state[key] = journal
            options.onState?.(state)
          },
        } as Parameters<typeof optimize<E>>[0]),
      )
      if (options.signal?.aborted === true) throw options.signal.reason
    }
    const finals = results.map(({ best }) => best.mean!)
    const holdouts = results.map((result) => result.holdout?.best ?? null)
    const judged = judgedBy === 'holdout' ? holdouts.filter((each) => each !== null) : finals
    rows.push({
      label,
      strategy,
      finals,
      holdouts,
      mean: mean(judged),
      median: median(judged),
      spent: results.map(({ record }) => record.spent),
      results,
    })
  }
  rows.sort((a, b) => b.mean - a.mean)
  return {
    budget,
    seeds,
    judgedBy,
    rows,
    ...judge(rows, judgedBy),
    charged: rows.reduce((sum, { spent }) => sum + spent.reduce((a, b) => a + b, 0), 0),
    made: memo.made(),
  }
}

function judge(
  rows: readonly RaceRow[],
  judgedBy: RaceReport['judgedBy'],
): Pick<RaceReport, 'comparisons' | 'winner' | 'verdict'> {
  const [first, ...others] = rows as [RaceRow, ...RaceRow[]]
  const scores = (row: RaceRow): readonly (number | null)[] =>
    judgedBy === 'holdout' ? row.holdouts : row.finals
  const comparisons = others.map((row) => ({
    against: row.label,
    comparison: compare(scores(first), scores(row)),
  }))
  const where = judgedBy === 'holdout' ? 'held-out examples' : 'the examples searched on'
  const seeds = first.finals.length
  const equals = comparisons.filter(({ comparison }) => !(comparison.low > 0)).map(({ against }) => against)
  if (seeds < 3)
    return {
      comparisons,
      verdict: `${first.label} is ahead on ${where}, but ${seeds === 1 ? 'one seed proves' : 'two seeds prove'} nothing: race more.`,
    }
  if (equals.length > 0)
    return {
      comparisons,
      verdict: `No clear winner: ${first.label} is ahead on ${where}, but not measurably of ${equals.join(' and ')} over ${seeds} seeds.`,
    }
  return {
    comparisons,
    winner: first.label,
    verdict: `${first.label} won on ${where}: measurably ahead of every other search over ${seeds} seeds.`,
  }
}

function withBaselines(strategies: readonly Strategy[]): StrategySettings[] {
  const settings = strategies.map(settingsOf)
  const missing = (['random', 'hill-climb'] as const).filter((name) =>
    settings.every((each) => each.name !== name),
  )
  return [...settings, ...missing.map((name) => ({ name }))]
}

/** Names, told apart by their settings where one stands twice. */
function labelsOf(strategies: readonly StrategySettings[]): string[] {
  return strategies.map((each) => {
    const alone = strategies.filter(({ name }) => name === each.name).length === 1
    if (alone) return each.name
    const settings = Object.entries(each).filter(([key]) => key !== 'name')
    return [each.name, ...settings.map(([key, value]) => `${key}=${value}`)].join(' ')
  })
}

/** The evaluator, asked once per pair over all runs. A call that failed is not remembered: another run may have luck. */
function memoized<E extends Example>(
  evaluate: Evaluate<E>,
): { evaluate: Evaluate<E>; know(prompt: string, id: string, value: Answer): void; made(): number } {
  const answers = new Map<string, Answer>()
  let made = 0
  return {
    made: () => made,
    know: (prompt, id, value) => answers.set(`${id}\0${prompt}`, value),
    evaluate: (prompt, example, context) => {
      const key = `${example.id}\0${prompt}`
      const known = answers.get(key)
      if (known !== undefined) return known
      made++
      const keep = (value: Answer): Answer => {
        answers.set(key, value)
        return value
      }
      const answer = evaluate(prompt, example, context)
      return answer instanceof Promise ? answer.then(keep) : keep(answer)
    },
  }
}

type Answer = Awaited<ReturnType<Evaluate>>
