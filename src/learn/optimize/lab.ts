/**
 * Where prompts are written and tried. In: a task and a journal. Out: what strategies need: `propose` a prompt,
 * `measure` it. Every paid call goes into the journal; a call the journal already holds is answered from it. So a
 * search is resumed by running it again: the same seed asks the same questions in the same order, the first of them
 * are free, and the strategies know nothing of it.
 *
 * Hard bounds stand here and nowhere else: evaluations are counted before they start, and no (prompt, example) is tried
 * twice. A call that throws, hangs or returns no number is a counted skip, not the end. Not here: what to try next.
 */
import { createRandom, type Random } from '../random.ts'
import type {
  Example,
  Individual,
  Journal,
  JournalEvaluation,
  JournalMutation,
  MutateRequest,
  Operator,
  OptimizeOptions,
  RunRecord,
  SearchEvent,
  SkipReason,
  StopReason,
  StrategySettings,
} from './types.ts'

/** Proposals in a row that led to nothing new before a search gives up. */
const STALL = 500

/** Ends a strategy from within; what it found stands in the lab. */
export class Stop extends Error {
  readonly reason: StopReason
  constructor(reason: StopReason) {
    super(reason)
    this.reason = reason
  }
}

/** An individual while it grows. */
export type Growing = { -readonly [K in keyof Individual]: Individual[K] } & { scores: (number | null)[] }

/** What a strategy sees. */
export interface Lab<E extends Example> {
  readonly random: Random
  readonly examples: readonly E[]
  /** The candidates, measured. Those that cannot be scored are missing. */
  seeds(): Promise<Growing[]>
  /** A prompt by the mutator; undefined where it wrote nothing usable. May be one that is known already. */
  propose(
    operator: MutateRequest['operator'],
    parents: readonly Growing[],
    more?: More,
  ): Promise<Growing | undefined>
  /** Tries it on examples (default: all); true when all asked for have scores. Throws {@link Stop} when it cannot pay. */
  measure(one: Growing, indices?: readonly number[]): Promise<boolean>
  /** What the reviewer said about a prompt on an example. */
  feedback(one: Growing, index: number): string | undefined
  /** Tells who is alive, best first. */
  alive(population: readonly Growing[]): void
}

/** Beside the parents. */
export interface More {
  /** Indices of examples for `reflect`. */
  readonly lessons?: readonly number[]
  readonly ancestor?: Growing
}

/** The lab with its books. */
export interface OpenLab<E extends Example> extends Lab<E> {
  readonly state: Journal
  readonly individuals: readonly Growing[]
  best(): Growing | undefined
  /** On held-out examples, from the part of the budget that was set aside. */
  examine(one: Growing): Promise<(number | null)[]>
  record(): RunRecord
}

/** FNV-1a over UTF-16 units: a fingerprint, and a seed from words. */
export function fingerprint(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** Opens the lab. Throws RangeError on a task that cannot be. */
export function openLab<E extends Example>(
  options: OptimizeOptions<E>,
  strategy: StrategySettings,
  seed: number,
): OpenLab<E> {
  const { examples, holdout = [], budget, maxCost = Infinity, concurrency = 4, timeoutMs = 60_000 } = options
  const { maxPromptChars = 20_000, signal = new AbortController().signal } = options
  checkTask(options)
  const reserve = 2 * holdout.length
  const state = options.state ?? newJournal(options, strategy, seed)
  checkJournal(state, options, strategy, seed)

  const paid = new Map<string, JournalEvaluation>()
  for (const each of state.evaluations) paid.set(pairKey(state.prompts[each.prompt]!, each.example), each)
  const promptNumbers = new Map(state.prompts.map((prompt, i) => [prompt, i]))

  const individuals: Growing[] = []
  const byPrompt = new Map<string, Growing>()
  const curve: { evaluations: number; best: number; id: number }[] = []
  const populations: { evaluations: number; alive: number[] }[] = []
  const skips: Partial<Record<SkipReason, number>> = {}
  let [spent, cost, dearest, calls, stalled] = [0, 0, 0, 0, 0]
  let best: Growing | undefined
  let firstError: string | undefined

  const emit = (event: Emitted): void => options.onEvent?.({ ...event, spent, budget, cost } as SearchEvent)
  function skip(reason: SkipReason, message: string): void {
    skips[reason] = (skips[reason] ?? 0) + 1
    if (reason.startsWith('evaluator')) firstError ??= message
    emit({ type: 'skip', reason, message })
  }

  function charge(amount: number | undefined): void {
    cost += amount ?? 0
    dearest = Math.max(dearest, amount ?? 0)
  }

  /** Throws before a call that could break a bound. */
  function afford(evaluations: number, setAside: number): void {
    if (signal.aborted) throw new Stop('aborted')
    if (spent + evaluations + setAside > budget) throw new Stop('budget')
    if (cost + (Math.max(1, evaluations) + setAside) * dearest > maxCost) throw new Stop('cost')
  }

  /** One evaluation: from the journal, or made and written there. Never throws but for an abort. */
  async function pair(prompt: string, example: E): Promise<JournalEvaluation> {
    const known = paid.get(pairKey(prompt, example.id))
    if (known !== undefined) return known
    let made: Omit<JournalEvaluation, 'prompt' | 'example'>
    const answer = await within(timeoutMs, signal, (own) =>
      options.evaluate(prompt, example, { signal: own }),
    )
    if (answer.type === 'aborted') throw new Stop('aborted')
    if (answer.type === 'timeout')
      made = { score: null, skip: 'evaluator-timeout', error: `No score within ${timeoutMs} ms.` }
    else if (answer.type === 'threw') made = { score: null, skip: 'evaluator-threw', error: answer.message }
    else {
      const graded =
        typeof answer.value === 'object' && answer.value !== null ? answer.value : { score: answer.value }
      const { score, feedback, cost: price } = graded
      const extra = {
        ...(typeof feedback === 'string' && { feedback }),
        ...(priced(price) && { cost: price }),
      }
      made = Number.isFinite(score)
        ? { score, ...extra }
        : { score: null, skip: 'evaluator-not-a-number', error: `The score was ${String(score)}.`, ...extra }
    }
    let number = promptNumbers.get(prompt)
    if (number === undefined) {
      number = state.prompts.push(prompt) - 1
      promptNumbers.set(prompt, number)
    }
    const entry: JournalEvaluation = { prompt: number, example: example.id, ...made }
    state.evaluations.push(entry)
    paid.set(pairKey(prompt, example.id), entry)
    options.onState?.(state)
    return entry
  }

  /** Many at once, their books kept in the order of the examples, so that speed does not change the trace. */
  async function pairs(one: Growing, list: readonly E[]): Promise<JournalEvaluation[]> {
    const entries: JournalEvaluation[] = []
    let next = 0
    const worker = async (): Promise<void> => {
      while (next < list.length) {
        const at = next++
        entries[at] = await pair(one.prompt, list[at]!)
      }
    }
    const workers = Array.from({ length: Math.min(concurrency, list.length) }, worker)
    // Wait for all before reporting a failure of one: what was paid for must be in the journal by then.
    const ended = await Promise.allSettled(workers)
    for (const each of ended) if (each.status === 'rejected') throw each.reason
    for (const [i, entry] of entries.entries()) {
      spent++
      charge(entry.cost)
      emit({ type: 'evaluation', id: one.id, example: list[i]!.id, score: entry.score })
      if (entry.skip !== undefined) skip(entry.skip, entry.error ?? '')
    }
    return entries
  }

  function bear(prompt: string, operator: Operator, parents: readonly Growing[]): Growing {
    const one: Growing = {
      id: individuals.length,
      prompt,
      operator,
      parents: parents.map(({ id }) => id),
      generation: parents.length === 0 ? 0 : 1 + Math.max(...parents.map(({ generation }) => generation)),
      bornAt: spent,
      scores: examples.map(() => null),
      mean: null,
      fate: 'unfinished',
    }
    individuals.push(one)
    byPrompt.set(prompt, one)
    return one
  }

  async function measure(one: Growing, indices: readonly number[] = [...examples.keys()]): Promise<boolean> {
    if (one.fate === 'failed') return false
    const missing = indices.filter((i) => one.scores[i] === null)
    if (missing.length > 0) {
      afford(missing.length, reserve)
      const entries = await pairs(
        one,
        missing.map((i) => examples[i]!),
      )
      for (const [k, i] of missing.entries()) one.scores[i] = entries[k]!.score
      if (entries.some(({ score }) => score === null)) {
        one.fate = 'failed'
        emit({ type: 'individual', individual: one })
        return false
      }
    }
    if (one.mean === null && one.scores.every((score) => score !== null)) {
      one.mean = one.scores.reduce<number>((sum, score) => sum + score!, 0) / examples.length
      one.fate = 'measured'
      emit({ type: 'individual', individual: one })
      if (best === undefined || one.mean > best.mean!) {
        best = one
        curve.push({ evaluations: spent, best: one.mean, id: one.id })
        emit({ type: 'best', individual: one })
      }
    }
    return true
  }

  async function mutation(request: MutateRequest<E>): Promise<JournalMutation> {
    const call = calls++
    const known = state.mutations[call]
    if (known !== undefined) return known
    const random = createRandom(fingerprint(`${seed} mutation ${call}`))
    const answer = await within(timeoutMs, signal, (own) => options.mutate(request, { random, signal: own }))
    if (answer.type === 'aborted') throw new Stop('aborted')
    let made: JournalMutation
    if (answer.type === 'timeout')
      made = { prompt: null, skip: 'mutator-timeout', error: `No prompt within ${timeoutMs} ms.` }
    else if (answer.type === 'threw') made = { prompt: null, skip: 'mutator-threw', error: answer.message }
    else {
      const written =
        typeof answer.value === 'object' && answer.value !== null ? answer.value : { prompt: answer.value }
      const text = typeof written.prompt === 'string' ? written.prompt.trim() : ''
      const price = priced(written.cost) ? { cost: written.cost } : {}
      if (text === '') made = { prompt: null, skip: 'prompt-empty', ...price }
      else if (text.length > maxPromptChars) made = { prompt: null, skip: 'prompt-too-long', ...price }
      else if (request.parents.includes(text)) made = { prompt: null, skip: 'prompt-unchanged', ...price }
      else made = { prompt: text, ...price }
    }
    state.mutations.push(made)
    options.onState?.(state)
    return made
  }

  const lab: OpenLab<E> = {
    random: createRandom(fingerprint(`${seed} strategy`)),
    examples,
    state,
    individuals,
    best: () => best,
    measure,

    async seeds() {
      const measured: Growing[] = []
      for (const candidate of options.candidates) {
        const prompt = candidate.trim()
        if (byPrompt.has(prompt)) {
          skip('prompt-known', 'A candidate stands in the list twice.')
          continue
        }
        const one = bear(prompt, 'seed', [])
        if (await measure(one)) measured.push(one)
      }
      if (measured.length === 0)
        throw new RangeError(
          `None of the ${individuals.length} candidates could be scored; the first reason: ${firstError ?? 'unknown'}`,
        )
      return measured
    },

    async propose(operator, parents, { lessons = [], ancestor } = {}) {
      afford(0, reserve)
      const [first] = parents
      const request: MutateRequest<E> = {
        operator,
        parents: parents.map(({ prompt }) => prompt),
        ...(ancestor !== undefined && { ancestor: ancestor.prompt }),
        ...(lessons.length > 0 && {
          lessons: lessons.map((i) => {
            const feedback = lab.feedback(first!, i)
            return {
              example: examples[i]!,
              score: first!.scores[i]!,
              ...(feedback !== undefined && { feedback }),
            }
          }),
        }),
      }
      const { prompt, skip: reason, error, cost: price } = await mutation(request)
      charge(price)
      const twin = prompt === null ? undefined : byPrompt.get(prompt)
      if (prompt !== null && twin === undefined) {
        stalled = 0
        return bear(prompt, operator, parents)
      }
      skip(reason ?? 'prompt-known', error ?? 'The mutator wrote nothing new.')
      if (++stalled >= STALL) throw new Stop('exhausted')
      return twin
    },

    feedback: (one, index) => paid.get(pairKey(one.prompt, examples[index]!.id))?.feedback,

    alive(population) {
      const alive = population.map(({ id }) => id)
      populations.push({ evaluations: spent, alive })
      emit({ type: 'population', alive })
    },

    async examine(one) {
      afford(holdout.length, 0)
      return (await pairs(one, holdout)).map(({ score }) => score)
    },

    record: () => ({
      strategy,
      seed,
      budget,
      exampleIds: examples.map(({ id }) => id),
      spent,
      cost,
      mutations: calls,
      individuals: individuals.map((one) => ({ ...one, scores: [...one.scores] })),
      curve,
      populations,
      skips,
    }),
  }
  return lab
}

type Emitted = SearchEvent extends infer Each
  ? Each extends SearchEvent
    ? Omit<Each, 'spent' | 'budget' | 'cost'>
    : never
  : never

// U+0000 cannot stand in an id that came through a text file, so no two pairs share a key.
const pairKey = (prompt: string, example: string): string => `${example}\0${prompt}`

const priced = (cost: unknown): cost is number =>
  typeof cost === 'number' && Number.isFinite(cost) && cost >= 0

function newJournal<E extends Example>(
  options: OptimizeOptions<E>,
  strategy: StrategySettings,
  seed: number,
): Journal {
  return { version: 1, seed, strategy, task: taskOf(options), prompts: [], evaluations: [], mutations: [] }
}

/** The budget is left out on purpose: a finished search may be continued with a larger one. */
function taskOf<E extends Example>({ candidates, examples, holdout = [] }: OptimizeOptions<E>): string {
  const ids = (list: readonly E[]): string[] => list.map(({ id }) => id)
  return fingerprint(JSON.stringify([candidates, ids(examples), ids(holdout)])).toString(16)
}

function checkJournal<E extends Example>(
  state: Journal,
  options: OptimizeOptions<E>,
  strategy: StrategySettings,
  seed: number,
): void {
  const fits =
    state.version === 1 &&
    state.seed === seed &&
    state.task === taskOf(options) &&
    JSON.stringify(state.strategy) === JSON.stringify(strategy)
  if (!fits)
    throw new RangeError(
      'This state belongs to another search: candidates, examples, seed and strategy must be those it was written for.',
    )
}

function checkTask<E extends Example>(options: OptimizeOptions<E>): void {
  const { candidates, examples, holdout = [], budget, concurrency = 4 } = options
  if (candidates.length === 0)
    throw new RangeError('There is no candidate: pass at least one prompt to start from.')
  if (candidates.some((each) => typeof each !== 'string' || each.trim() === ''))
    throw new RangeError('A candidate is empty: every prompt to start from needs text.')
  if (examples.length === 0)
    throw new RangeError('There is no example: a prompt cannot be scored on nothing.')
  const seen = new Set<string>()
  for (const { id } of [...examples, ...holdout]) {
    if (seen.has(id))
      throw new RangeError(`Two examples have the id "${id}": ids must be unique, held-out ones included.`)
    seen.add(id)
  }
  const least = examples.length + 2 * holdout.length
  if (!Number.isInteger(budget) || budget < least)
    throw new RangeError(
      `A budget of ${budget} evaluations cannot score one prompt: this task needs at least ${least} ` +
        `(${examples.length} examples, and two prompts on ${holdout.length} held-out ones).`,
    )
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new RangeError(`concurrency is ${concurrency}: pass a whole number from 1.`)
}

type Ended<T> =
  | { type: 'value'; value: T }
  | { type: 'threw'; message: string }
  | { type: 'timeout' }
  | { type: 'aborted' }

/**
 * Waits for a call, but neither longer than its deadline nor beyond an abort. Never rejects. A call that answers at
 * once costs no timer, and one that throws at once is no different from one that rejects.
 */
async function within<T>(
  timeoutMs: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => T | Promise<T>,
): Promise<Ended<T>> {
  const own = new AbortController()
  let answer: T | Promise<T>
  try {
    answer = call(own.signal)
  } catch (error) {
    return { type: 'threw', message: messageOf(error) }
  }
  if (!(answer instanceof Promise)) return { type: 'value', value: answer }
  const late = answer
  return new Promise((resolve) => {
    const end = (how: Ended<T>): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      resolve(how)
      if (how.type === 'timeout' || how.type === 'aborted') own.abort(new Error(how.type))
    }
    const abort = (): void => end({ type: 'aborted' })
    const timer = setTimeout(() => end({ type: 'timeout' }), timeoutMs)
    signal.addEventListener('abort', abort, { once: true })
    late.then(
      // A call that heard of the abort first and gave up by itself is aborted, not wrong.
      (value) => (signal.aborted ? abort() : end({ type: 'value', value })),
      (error: unknown) => (signal.aborted ? abort() : end({ type: 'threw', message: messageOf(error) })),
    )
  })
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
