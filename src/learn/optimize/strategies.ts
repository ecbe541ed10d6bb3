/**
 * Three searches, each a loop that reads as its textbook does. In: a lab. Out: nothing; they run until the lab stops
 * them, and what they found stands there. All draw from the lab's seeded numbers only. Not here: the fourth (pareto.ts).
 */
import type { Random } from '../random.ts'
import type { Growing, Lab } from './lab.ts'
import type { Example, GeneticSearch, HillClimbing } from './types.ts'

/** An element, each as likely as any other. */
export function pick<T>(list: readonly T[], random: Random): T {
  return list[Math.floor(random() * list.length)]!
}

/** Best mean first; of equals the older. */
export function byMean(a: Growing, b: Growing): number {
  return b.mean! - a.mean! || a.id - b.id
}

/** New prompts, one after another, without looking back. */
export async function randomSearch<E extends Example>(lab: Lab<E>): Promise<never> {
  const seeds = await lab.seeds()
  for (;;) {
    const one = await lab.propose('sample', [pick(seeds, lab.random)])
    if (one?.fate === 'unfinished') await lab.measure(one)
  }
}

/**
 * Change the best, keep what is not worse (equal steps cross plateaus). Stuck for `patience` proposals, it starts from
 * a new sample: without restarts it would be a straw man on any landscape with more than one hill.
 */
export async function hillClimbing<E extends Example>(
  lab: Lab<E>,
  { patience = 60 }: HillClimbing,
): Promise<never> {
  const seeds = await lab.seeds()
  let current = [...seeds].sort(byMean)[0]!
  lab.alive([current])
  for (let idle = 0; ; idle++) {
    const stuck = idle >= patience
    const next = await (stuck
      ? lab.propose('sample', [pick(seeds, lab.random)])
      : lab.propose('mutate', [current]))
    if (next === undefined || !(await lab.measure(next))) continue
    if (stuck || next.mean! > current.mean!) idle = -1
    if (!stuck && next.mean! < current.mean!) continue
    current = next
    lab.alive([current])
  }
}

/**
 * EvoPrompt-GA: λ = μ children per generation, two parents each, crossed over and mutated in one call; the best μ of
 * parents and children live on, no prompt twice. Candidates short of μ are filled up with samples.
 */
export async function geneticSearch<E extends Example>(
  lab: Lab<E>,
  { population: size = 12, selection = 'tournament', crossoverRate = 1 }: GeneticSearch,
): Promise<never> {
  const { random } = lab
  const seeds = await lab.seeds()
  const founders = [...seeds]
  while (founders.length < size) {
    const one = await lab.propose('sample', [pick(seeds, random)])
    if (one?.fate === 'unfinished' && (await lab.measure(one))) founders.push(one)
  }
  let population = founders.sort(byMean).slice(0, size)
  lab.alive(population)
  for (;;) {
    const parent = parents(population, selection, random)
    const children: Growing[] = []
    for (let i = 0; i < size; i++) {
      const [mother, father] = [parent(), parent()]
      const child = await (random() < crossoverRate && mother !== father
        ? lab.propose('crossover', [mother, father])
        : lab.propose('mutate', [mother]))
      // A known prompt is a duplicate, alive or long dead: it was judged once.
      if (child?.fate === 'unfinished' && (await lab.measure(child))) children.push(child)
    }
    population = [...population, ...children].sort(byMean).slice(0, size)
    lab.alive(population)
  }
}

/** A function that draws one parent. */
function parents(
  population: readonly Growing[],
  selection: NonNullable<GeneticSearch['selection']>,
  random: Random,
): () => Growing {
  if (selection === 'random') return () => pick(population, random)
  if (selection === 'tournament') {
    return () => [pick(population, random), pick(population, random)].sort(byMean)[0]!
  }
  // Scores may be negative, so the wheel is divided by the distance to the worst; a little for everyone keeps it turning.
  const worst = Math.min(...population.map((one) => one.mean!))
  const range = Math.max(...population.map((one) => one.mean!)) - worst
  const weights = population.map((one) => one.mean! - worst + range / population.length + Number.MIN_VALUE)
  return () => drawByWeight(population, weights, random)
}

/** An element, as likely as its weight. */
export function drawByWeight<T>(list: readonly T[], weights: readonly number[], random: Random): T {
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [i, weight] of weights.entries()) {
    left -= weight
    if (left < 0) return list[i]!
  }
  return list.at(-1)!
}
