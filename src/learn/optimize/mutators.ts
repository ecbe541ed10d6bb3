/**
 * Who writes the prompts. In: a list of words, or a client. Out: a `Mutate` for `optimize`. `wordMutator` is blind,
 * free and seeded, and shows what searching alone can do; `modelMutator` asks a language model, in the roles EvoPrompt
 * and GEPA gave it. Not here: judging what was written; the lab refuses what is empty, too long or known.
 */
import type { Completion, Input, Options } from '../../types.ts'
import type { Random } from '../random.ts'
import { pick } from './strategies.ts'
import type { Example, Mutate, MutateRequest } from './types.ts'

/** Prompts of at most `maxWords` words from a list, joined by blanks. Throws RangeError on an empty list. */
export function wordMutator(words: readonly string[], maxWords = 8): Mutate<Example> {
  if (words.length === 0) throw new RangeError('There is no word to write prompts with.')
  const change = (list: readonly string[], random: Random): string[] => {
    const next = [...list]
    const at = Math.floor(random() * next.length)
    const grow = next.length < maxWords
    const kind = Math.floor(random() * 4)
    if (kind === 0 && grow) next.splice(at, 0, pick(words, random))
    else if (kind === 1 && next.length > 1) next.splice(at, 1)
    else if (kind === 2 && next.length > 1) next.push(...next.splice(at, 1))
    else next[at] = pick(words, random)
    return next
  }
  return ({ operator, parents }, { random }) => {
    const [a = [], b = []] = parents.map((parent) => parent.split(/\s+/))
    if (operator === 'sample') {
      const length = 1 + Math.floor(random() * maxWords)
      return Array.from({ length }, () => pick(words, random)).join(' ')
    }
    if (operator !== 'crossover' && operator !== 'merge') return change(a, random).join(' ')
    const head = a.slice(0, Math.ceil(random() * a.length))
    const mixed = [...head, ...b.slice(Math.floor(random() * b.length))].slice(0, maxWords)
    return (operator === 'merge' || random() < 0.5 ? mixed : change(mixed, random)).join(' ')
  }
}

/** Whoever can be asked: a client of this library, a router, a fake. */
export interface PromptWriter {
  complete(input: Input, options?: Options): Promise<Completion>
}

/** How {@link modelMutator} asks. */
export interface ModelMutatorOptions {
  /** What the prompts are for, in a sentence or two. */
  readonly task: string
  /** Passed to every call; `temperature` is 1 unless it says otherwise. */
  readonly options?: Options
}

/** Prompts by a language model; one call each. Its cost is passed on where the client knows prices. */
export function modelMutator<E extends Example>(
  client: PromptWriter,
  { task, options = {} }: ModelMutatorOptions,
): Mutate<E> {
  return async (request, { signal }) => {
    const { text, cost } = await client.complete(instruction(task, request), {
      temperature: 1,
      ...options,
      signal,
    })
    return { prompt: between(text), ...(cost !== undefined && { cost: cost.total }) }
  }
}

const ROLES: Readonly<Record<MutateRequest['operator'], string>> = {
  sample: 'Write a new instruction for the task below. Take another approach than the one shown.',
  mutate:
    'Change the instruction below a little so that it may work better: one wording, one rule, one omission.',
  crossover:
    'Mix the two instructions below into one that takes parts of both, then change one detail of the result.',
  reflect:
    'Improve the instruction below. Read how it did, find the reason behind the low scores, and write an ' +
    'instruction that removes it for all inputs of this kind. Keep what works; name no single input.',
  merge:
    'Make one instruction of the two below. They have a common ancestor: where only one of them changed it, keep the ' +
    'change; where both did, keep what is clearer.',
}

/** The text of a request. Instructions under study stand in tags: they are material, not orders. */
function instruction<E extends Example>(task: string, request: MutateRequest<E>): string {
  const { operator, parents, lessons = [], ancestor } = request
  return [
    ROLES[operator],
    `The task: ${task}`,
    ...parents.map((parent, i) => `<instruction number="${i + 1}">\n${parent}\n</instruction>`),
    ...(ancestor === undefined ? [] : [`<ancestor>\n${ancestor}\n</ancestor>`]),
    ...lessons.map(({ example, score, feedback }) =>
      [
        `<result score="${score}">`,
        JSON.stringify(example),
        ...(feedback === undefined ? [] : [`Reviewer: ${feedback}`]),
        '</result>',
      ].join('\n'),
    ),
    'Reply with the new instruction alone, between <prompt> and </prompt>.',
  ].join('\n\n')
}

/** What stands between the last pair of tags; the whole text where a model forgot them. */
function between(text: string): string {
  const end = text.lastIndexOf('</prompt>')
  const start = text.lastIndexOf('<prompt>', end < 0 ? text.length : end)
  if (start < 0) return text
  return text.slice(start + '<prompt>'.length, end < start ? text.length : end)
}
