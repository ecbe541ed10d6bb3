/**
 * Records a prompt search for the evolution page, with the simple searches it has to beat beside it. In: the embedded
 * model. Out: fixtures/pages/evolution.json: every individual of one genetic run with its parents, and the best score by
 * evaluations of three searches with three seeds each.
 *
 * The task: 24 characters which, put in front, make the model find sentences about Frida and a golden key likely. Fitness
 * is the mean log₂ probability of a character of four sentences (dev); four others (holdout) are scored but never searched
 * on. Same seeds, same result. Not here: a language model that rewrites prompts; the alphabet is mutated.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { wasmMemory } from '../src/learn/gemm-wasm.ts'
import { forward, load } from '../src/learn/llm500.ts'
import { dequantize } from '../src/learn/quantize.ts'
import { createRandom, type Random } from '../src/learn/random.ts'

const DEV = [
  'So Frida walked and walked, until the ni',
  '"Hush, Frida," said the grey wolf. "Hide',
  'Now Frida had heard of a golden key that',
  'said to Frida: "Bring me the golden key,',
]
const HOLDOUT = [
  'At last Frida reached the castle of the ',
  '"Dear Frida, do not pass me by," said th',
  'and gave Frida the golden key. From that',
  'So Frida set the grey wolf free, for she',
]
const LENGTH = 24
const BUDGET = 640
const POPULATION = 24
const SEEDS = [1, 2, 3]

const file = readFileSync(new URL('../fixtures/learn/tiny.llm', import.meta.url))
const { model, vocabulary } = load(dequantize(new Uint8Array(file)), {
  batch: DEV.length,
  memory: wasmMemory,
})
const { context: T, vocab: V } = model.shape

type Prompt = readonly number[]

/** Mean log₂ p of a character of the sentences, behind a prompt. One window each: prompt, then sentence. */
function score(prompt: Prompt, sentences: readonly string[]): number {
  const ids = new Int32Array(sentences.length * T)
  const targets = sentences.map((sentence) => vocabulary.encode(sentence))
  targets.forEach((target, row) => {
    ids.set(prompt, row * T)
    ids.set(target, row * T + prompt.length)
  })
  forward(model, ids)
  const logits = model.at('logits')
  let [sum, count] = [0, 0]
  targets.forEach((target, row) => {
    target.forEach((id, i) => {
      const at = logits + (row * T + prompt.length + i - 1) * V
      let total = 0
      for (let v = 0; v < V; v++) total += Math.exp(model.f[at + v]!)
      sum += (model.f[at + id]! - Math.log(total)) / Math.LN2
      count++
    })
  })
  return sum / count
}

/** Counts evaluations and remembers those already paid for, so that no search is charged twice for one prompt. */
function createEvaluator(): { evaluate(prompt: Prompt): number; spent(): number; curve: [number, number][] } {
  const known = new Map<string, number>()
  const curve: [number, number][] = []
  let best = -Infinity
  return {
    curve,
    spent: () => known.size,
    evaluate(prompt) {
      const key = prompt.join(' ')
      const value = known.get(key) ?? score(prompt, DEV)
      known.set(key, value)
      if (value > best) {
        best = value
        curve.push([known.size, value])
      }
      return value
    },
  }
}

const pick = (random: Random, n: number): number => Math.floor(random() * n)
const randomPrompt = (random: Random): Prompt => Array.from({ length: LENGTH }, () => pick(random, V))
const mutate = (prompt: Prompt, random: Random, rate: number): Prompt =>
  prompt.map((id) => (random() < rate / LENGTH ? pick(random, V) : id))
const show = (prompt: Prompt): string => vocabulary.decode(prompt)

interface Individual {
  readonly id: number
  readonly generation: number
  readonly prompt: Prompt
  readonly parents: readonly number[]
  readonly dev: number
}

/** (μ+λ): tournaments of two choose the parents, one-point crossover and mutation make the child, the best survive. */
function genetic(seed: number): { curve: [number, number][]; individuals: Individual[] } {
  const random = createRandom(seed)
  const { evaluate, spent, curve } = createEvaluator()
  const individuals: Individual[] = []
  const born = (prompt: Prompt, generation: number, parents: readonly number[]): Individual => {
    const one = { id: individuals.length, generation, prompt, parents, dev: evaluate(prompt) }
    individuals.push(one)
    return one
  }
  let population = Array.from({ length: POPULATION }, () => born(randomPrompt(random), 0, []))
  for (let generation = 1; spent() < BUDGET; generation++) {
    const tournament = (): Individual => {
      const [a, b] = [population[pick(random, POPULATION)]!, population[pick(random, POPULATION)]!]
      return a.dev >= b.dev ? a : b
    }
    const children: Individual[] = []
    for (let i = 0; i < POPULATION && spent() < BUDGET; i++) {
      const [mother, father] = [tournament(), tournament()]
      const cut = pick(random, LENGTH)
      const child = mutate([...mother.prompt.slice(0, cut), ...father.prompt.slice(cut)], random, 1.5)
      children.push(born(child, generation, mother === father ? [mother.id] : [mother.id, father.id]))
    }
    const distinct = new Map([...population, ...children].map((one) => [one.prompt.join(' '), one]))
    population = [...distinct.values()].sort((a, b) => b.dev - a.dev || a.id - b.id).slice(0, POPULATION)
    process.stdout.write(`seed ${seed} generation ${generation} best ${population[0]!.dev.toFixed(3)}\r`)
  }
  return { curve, individuals }
}

/** Change one prompt, keep what is not worse. */
function hillClimbing(seed: number): [number, number][] {
  const random = createRandom(seed)
  const { evaluate, spent, curve } = createEvaluator()
  let best = randomPrompt(random)
  let value = evaluate(best)
  while (spent() < BUDGET) {
    const next = mutate(best, random, 1.5)
    const got = evaluate(next)
    if (got >= value) [best, value] = [next, got]
  }
  return curve
}

/** The searches whose name is luck. */
function randomSearch(seed: number): [number, number][] {
  const random = createRandom(seed)
  const { evaluate, spent, curve } = createEvaluator()
  while (spent() < BUDGET) evaluate(randomPrompt(random))
  return curve
}

const runs = SEEDS.map((seed) => genetic(seed))
const round = (value: number): number => Math.round(value * 1e4) / 1e4
const races = [
  ...SEEDS.map((seed, i) => ({ search: 'genetic', seed, curve: runs[i]!.curve })),
  ...SEEDS.map((seed) => ({ search: 'hill climbing', seed, curve: hillClimbing(seed) })),
  ...SEEDS.map((seed) => ({ search: 'random', seed, curve: randomSearch(seed) })),
].map(({ search, seed, curve }) => ({ search, seed, curve: curve.map(([at, best]) => [at, round(best)]) }))
const newline = Array.from({ length: LENGTH }, () => vocabulary.chars.indexOf('\n'))
const written = vocabulary.encode('Frida had the golden key')
const out = {
  about: 'Made by scripts/learn-evolve.ts; scores are mean log2 probabilities of a character.',
  dev: DEV,
  holdout: HOLDOUT,
  budget: BUDGET,
  population: POPULATION,
  references: [
    {
      name: '24 line breaks',
      prompt: show(newline),
      dev: round(score(newline, DEV)),
      holdout: round(score(newline, HOLDOUT)),
    },
    {
      name: 'written by hand',
      prompt: show([...written]),
      dev: round(score([...written], DEV)),
      holdout: round(score([...written], HOLDOUT)),
    },
  ],
  individuals: runs[0]!.individuals.map(({ id, generation, prompt, parents, dev }) => ({
    id,
    generation,
    prompt: show(prompt),
    parents,
    dev: round(dev),
    holdout: round(score(prompt, HOLDOUT)),
  })),
  races,
}
const folder = new URL('../fixtures/pages/', import.meta.url)
mkdirSync(folder, { recursive: true })
writeFileSync(new URL('evolution.json', folder), `${JSON.stringify(out)}\n`)
for (const { search, seed, curve } of races) console.log(search, seed, curve.at(-1))
console.log(out.references)
