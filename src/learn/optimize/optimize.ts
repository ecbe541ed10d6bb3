/**
 * One search from end to end. In: a task and a strategy. Out: the best prompt, what it gained over the one in use, on
 * the examples searched on and on held-out ones, and the whole story as plain JSON. Not here: whether another search
 * would have done better (race.ts); no result should be believed without that.
 */
import { openLab, Stop, type Lab } from './lab.ts'
import { paretoSearch } from './pareto.ts'
import { compare, mean } from './statistics.ts'
import { geneticSearch, hillClimbing, randomSearch } from './strategies.ts'
import type {
  Example,
  OptimizeOptions,
  OptimizeResult,
  StopReason,
  Strategy,
  StrategySettings,
} from './types.ts'

/**
 * Searches for a better prompt. Spends at most `budget` evaluations, tries no (prompt, example) twice, and gives the
 * same result for the same seed, also when it is killed and resumed. A call that throws, hangs or returns no number
 * is skipped and counted.
 *
 * @throws RangeError on a task that cannot be: no candidate, no example, duplicate ids, too small a budget, a state of
 * another task; and when no candidate at all could be scored.
 */
export async function optimize<E extends Example>(options: OptimizeOptions<E>): Promise<OptimizeResult> {
  const { seed = 1, holdout = [], signal } = options
  const lab = openLab(options, settingsOf(options.strategy ?? 'genetic'), seed)
  let stopReason = await untilStopped(() => run(lab, lab.state.strategy))
  const best = lab.best()
  const baseline = lab.individuals.find(({ fate }) => fate === 'measured')
  if (best === undefined || baseline === undefined) {
    if (signal?.aborted === true) throw signal.reason
    throw new RangeError(`Stopped (${stopReason}) before one candidate was scored: allow more.`)
  }
  const comparison = compare(best.scores, baseline.scores)
  const result = { best, baseline, comparison }
  let examined: OptimizeResult['holdout']
  if (holdout.length > 0 && stopReason !== 'aborted') {
    const ended = await untilStopped(async () => {
      const before = await lab.examine(baseline)
      const after = best === baseline ? before : await lab.examine(best)
      const honest = compare(after, before)
      examined = {
        best: scoreOf(after),
        baseline: scoreOf(before),
        comparison: honest,
        gap: comparison.difference - honest.difference,
      }
    })
    stopReason = ended ?? stopReason
  }
  return {
    ...result,
    ...(examined !== undefined && { holdout: examined }),
    stopReason: stopReason ?? 'exhausted',
    record: lab.record(),
    state: lab.state,
  }
}

/** A strategy's settings; throws RangeError on a name that is none. */
export function settingsOf(strategy: Strategy): StrategySettings {
  const settings = typeof strategy === 'string' ? ({ name: strategy } as StrategySettings) : strategy
  if (!['random', 'hill-climb', 'genetic', 'pareto'].includes(settings.name))
    throw new RangeError(`"${settings.name}" is no strategy: take random, hill-climb, genetic or pareto.`)
  return settings
}

function run<E extends Example>(lab: Lab<E>, strategy: StrategySettings): Promise<never> {
  switch (strategy.name) {
    case 'random':
      return randomSearch(lab)
    case 'hill-climb':
      return hillClimbing(lab, strategy)
    case 'genetic':
      return geneticSearch(lab, strategy)
    case 'pareto':
      return paretoSearch(lab, strategy)
  }
}

/** Why it stopped; undefined when it came to its end. Other errors pass. */
async function untilStopped(work: () => Promise<unknown>): Promise<StopReason | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (error instanceof Stop) return error.reason
    throw error
  }
}

const scoreOf = (scores: readonly (number | null)[]): number => mean(scores.filter((score) => score !== null))
