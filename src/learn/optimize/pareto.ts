/**
 * GEPA: improve whoever is best at something. In: a lab. Out: nothing; it runs until the lab stops it.
 *
 *   frontier  of every example those who score best on it, less the dominated: whoever is alone in nothing
 *   parent    drawn as likely as the examples it wins
 *   child     the mutator reads how the parent did on a minibatch, with the reviewer's words, and writes a new prompt
 *   gate      the child is tried on that minibatch first; unless its sum is strictly higher, that is all it costs
 *   merge     two of the frontier with a common ancestor they both beat become one
 *
 * A specialist that wins one example is kept though its mean is poor; a search by mean would drop it and the idea in it.
 */
import type { Random } from '../random.ts'
import type { Growing, Lab } from './lab.ts'
import { byMean, drawByWeight, pick } from './strategies.ts'
import type { Example, ParetoSearch } from './types.ts'

/** Examples a merge is tried on before it is tried on all. */
const MERGE_TRIALS = 5

/** Who wins which examples, by id: dominated ones removed, ties shared. */
export function frontier(pool: readonly Growing[]): Map<Growing, number[]> {
  const count = pool[0]?.scores.length ?? 0
  const winners = Array.from({ length: count }, (_, i) => {
    const top = Math.max(...pool.map((one) => one.scores[i]!))
    return new Set(pool.filter(({ scores }) => scores[i] === top))
  })
  // Worst mean first: whoever is not needed, because others share all its wins, goes.
  for (const one of [...pool].sort(byMean).reverse()) {
    if (winners.every((set) => !set.has(one) || set.size > 1)) for (const set of winners) set.delete(one)
  }
  const wins = new Map<Growing, number[]>()
  for (const [i, set] of winners.entries()) {
    for (const one of set) wins.set(one, [...(wins.get(one) ?? []), i])
  }
  return wins
}

/** The search. */
export async function paretoSearch<E extends Example>(lab: Lab<E>, settings: ParetoSearch): Promise<never> {
  const {
    minibatch: size = 3,
    selection = 'pareto',
    gate = true,
    merges = 5,
    perfectScore = Infinity,
  } = settings
  const { random } = lab
  const pool = await lab.seeds()
  const nextBatch = epochs(lab.examples.length, Math.min(size, lab.examples.length), random)
  const merged = new Set<string>()
  let mergesLeft = merges
  let passedOver = 0
  let wins = frontier(pool)
  const update = (): void => {
    wins = frontier(pool)
    lab.alive([...wins.keys()].sort(byMean))
  }
  update()
  for (;;) {
    const parent =
      selection === 'greedy'
        ? [...pool].sort(byMean)[0]!
        : drawByWeight(
            [...wins.keys()],
            [...wins.values()].map((list) => list.length),
            random,
          )
    const batch = nextBatch()
    // Nothing to learn here. After as many looks as there are examples ask anyway, or a perfect pool would never end.
    if (batch.every((i) => parent.scores[i]! >= perfectScore) && ++passedOver <= lab.examples.length) continue
    passedOver = 0
    const child = await lab.propose('reflect', [parent], { lessons: batch })
    if (child?.fate !== 'unfinished') continue
    if (!(await lab.measure(child, gate ? batch : undefined))) continue
    if (gate && total(child, batch) <= total(parent, batch)) {
      child.fate = 'gated'
      continue
    }
    if (!(await lab.measure(child))) continue
    pool.push(child)
    update()
    if (mergesLeft > 0 && (await merge(lab, pool, [...wins.keys()], merged))) {
      mergesLeft--
      update()
    }
  }
}

/** Tries one merge; true when a mutator call was spent on it. */
async function merge<E extends Example>(
  lab: Lab<E>,
  pool: Growing[],
  front: readonly Growing[],
  merged: Set<string>,
): Promise<boolean> {
  const { random } = lab
  const byId = new Map(pool.map((one) => [one.id, one]))
  const pairs = front.flatMap((a, i) =>
    front.slice(i + 1).flatMap((b) => {
      if (merged.has(`${a.id} ${b.id}`)) return []
      const [mine, theirs] = [ancestors(a, byId), ancestors(b, byId)]
      if (mine.has(b) || theirs.has(a)) return []
      const shared = [...mine].filter((one) => theirs.has(one) && one.mean! <= Math.min(a.mean!, b.mean!))
      const ancestor = shared.sort(byMean)[0]
      return ancestor === undefined ? [] : [{ a, b, ancestor }]
    }),
  )
  if (pairs.length === 0) return false
  const { a, b, ancestor } = pick(pairs, random)
  merged.add(`${a.id} ${b.id}`)
  const child = await lab.propose('merge', [a, b], { ancestor })
  if (child?.fate !== 'unfinished') return true
  const trials = mergeTrials(a, b, random)
  if (!(await lab.measure(child, trials))) return true
  if (total(child, trials) < Math.max(total(a, trials), total(b, trials))) {
    child.fate = 'gated'
    return true
  }
  if (await lab.measure(child)) pool.push(child)
  return true
}

/** Examples where either wins and where they tie, in turn, so that a merge must keep the strengths of both. */
function mergeTrials(a: Growing, b: Growing, random: Random): number[] {
  const all = shuffle([...a.scores.keys()], random)
  const groups = [1, -1, 0].map((sign) => all.filter((i) => Math.sign(a.scores[i]! - b.scores[i]!) === sign))
  const trials: number[] = []
  while (trials.length < Math.min(MERGE_TRIALS, all.length)) {
    for (const group of groups) {
      const next = group.pop()
      if (next !== undefined && trials.length < MERGE_TRIALS) trials.push(next)
    }
  }
  return trials
}

/** Everyone it comes from. */
function ancestors(one: Growing, byId: ReadonlyMap<number, Growing>): Set<Growing> {
  const found = new Set<Growing>()
  const visit = (each: Growing): void => {
    for (const id of each.parents) {
      const parent = byId.get(id)
      if (parent === undefined || found.has(parent)) continue
      found.add(parent)
      visit(parent)
    }
  }
  visit(one)
  return found
}

const total = (one: Growing, indices: readonly number[]): number =>
  indices.reduce((sum, i) => sum + one.scores[i]!, 0)

/** Minibatches that use every example once before any comes again. */
function epochs(count: number, size: number, random: Random): () => number[] {
  let order: number[] = []
  return () => {
    if (order.length < size) order = shuffle([...Array(count).keys()], random)
    return order.splice(0, size)
  }
}

/** Fisher–Yates, in place. */
function shuffle<T>(list: T[], random: Random): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[list[i], list[j]] = [list[j]!, list[i]!]
  }
  return list
}
