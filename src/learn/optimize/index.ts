/**
 * Searching for a better prompt, honestly. Reading order: types.ts (what a task is), lab.ts (bounds, journal, cache),
 * strategies.ts and pareto.ts (four searches), optimize.ts (one of them), race.ts (all of them at equal cost),
 * statistics.ts, report.ts; mutators.ts writes prompts, simulated.ts is a model whose best prompt is known.
 *
 *   const { best, holdout } = await optimize({ candidates, examples, holdout, evaluate, mutate, budget: 600, seed: 1 })
 *   const { verdict, rows } = await race({ candidates, examples, evaluate, mutate, budget: 600, seeds: [1, 2, 3] })
 *
 * The record of a run (`result.record`, `RunRecord`) is plain JSON, made to be drawn:
 *   strategy, seed, budget, spent, cost, mutations   settings and totals; `spent` counts prompt × example
 *   exampleIds      what the columns of `scores` are
 *   individuals     every prompt ever born, by id: { id, prompt, operator, parents, generation, bornAt, scores, mean, fate }.
 *                   `parents` are ids, so lineage is a walk; `bornAt` and the evaluations below share one axis;
 *                   `mean` is null unless fate is `measured`
 *   curve           best so far, one point per rise: { evaluations, best, id }; a step function, constant until `spent`
 *   populations     who was alive when: { evaluations, alive: ids, best first }; of pareto the frontier
 *   skips           how often something was passed over, by reason
 * A race (`RaceReport`) holds the same for every strategy and seed at `rows[].results[].record`.
 */
export { optimize } from './optimize.ts'
export { race } from './race.ts'
export { lineage, raceMarkdown, raceSvg, wordDiff } from './report.ts'
export { frontier } from './pareto.ts'
export { likelihood } from './likelihood.ts'
export { modelMutator, wordMutator } from './mutators.ts'
export { bootstrapInterval, compare, mean, median } from './statistics.ts'
export { promptOf, simulatedModel, traitsOf } from './simulated.ts'

export type * from './types.ts'
export type { TextExample } from './likelihood.ts'
export type { ModelMutatorOptions, PromptWriter } from './mutators.ts'
export type { RaceOptions, RaceReport, RaceRow, RaceState } from './race.ts'
export type { Landscape, SimulatedModel } from './simulated.ts'
