/**
 * `npm run optimize -- task.json`: a prompt search raced against its baselines. In: a task file, or nothing for the
 * built-in example, which needs no key: words put in front so that the embedded model finds some sentences likely.
 * Out: a live bar, the verdict, and report.md, report.svg, report.json in `.cache/optimize` (`--out=folder`).
 *
 * A task file: { "task": "what the prompts are for", "model": "provider/model", "mutator": "provider/model",
 *   "candidates": ["…"], "examples": [{ "id", "input", "expected" }], "holdout": […], "metric": "exact" | "contains",
 *   "budget": 300, "maxCost": 2.5 (US dollars a run), "seeds": [1, 2, 3], "strategies": ["genetic", "pareto"] }
 * Interrupted, it continues where it stopped: journals are kept in the output folder, and named by the task.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { complete } from '../src/complete.ts'
import { catalog } from '../src/cost/index.ts'
import { wasmMemory } from '../src/learn/gemm-wasm.ts'
import { load } from '../src/learn/llm500.ts'
import {
  likelihood,
  modelMutator,
  race,
  raceMarkdown,
  raceSvg,
  wordMutator,
  type Example,
  type RaceOptions,
  type RaceReport,
  type RaceState,
  type Strategy,
} from '../src/learn/optimize/index.ts'
import { dequantize } from '../src/learn/quantize.ts'

/** What a task file holds. */
export interface TaskFile {
  readonly task: string
  readonly model?: string
  readonly mutator?: string
  readonly candidates: readonly string[]
  readonly examples: readonly QuestionExample[]
  readonly holdout?: readonly QuestionExample[]
  readonly metric?: 'exact' | 'contains'
  readonly budget: number
  readonly maxCost?: number
  readonly seeds?: readonly number[]
  readonly strategies?: readonly Strategy[]
}

interface QuestionExample extends Example {
  readonly input: string
  readonly expected: string
}

type Race<E extends Example> = Omit<RaceOptions<E>, 'onEvent' | 'onState' | 'state'> & {
  readonly title: string
}

/** The built-in example: eight words in front of five sentences about Frida; three others are held out. */
export function builtIn(
  budget = 400,
  seeds: readonly number[] = [1, 2, 3, 4, 5],
): Race<Example & { text: string }> {
  const file = readFileSync(new URL('../fixtures/learn/tiny.llm', import.meta.url))
  const { model, vocabulary } = load(dequantize(new Uint8Array(file)), { batch: 1, memory: wasmMemory })
  const texts = (list: readonly string[], prefix: string): { id: string; text: string }[] =>
    list.map((text, i) => ({ id: `${prefix}${i + 1}`, text }))
  return {
    title: 'Eight words in front, log-likelihood in nats a character (embedded model)',
    candidates: ['Once upon a time'],
    examples: texts(
      [
        'So Frida walked and walked, until the ni',
        '"Hush, Frida," said the grey wolf. "Hide',
        'Now Frida had heard of a golden key that',
        'said to Frida: "Bring me the golden key,',
        'Frida thanked the grey wolf and went on ',
      ],
      'dev',
    ),
    holdout: texts(
      [
        'At last Frida reached the castle of the ',
        '"Dear Frida, do not pass me by," said th',
        'and gave Frida the golden key. From that',
      ],
      'held',
    ),
    evaluate: likelihood(model, vocabulary),
    mutate: wordMutator(
      'Once upon a time there was an old young grey wolf golden key Frida girl miller said the and king castle went to her forest'.split(
        ' ',
      ),
    ),
    budget,
    seeds,
  }
}

/** A task file as a race: prompts are system messages, answers are graded against `expected`. */
export function fromFile(file: TaskFile, ask: typeof complete = complete): Race<QuestionExample> {
  const { task, model, mutator = model, metric = 'exact', ...rest } = file
  const plain = (text: string): string => text.trim().toLowerCase().replace(/\s+/g, ' ')
  const grade = (answer: string, expected: string): boolean =>
    metric === 'exact' ? plain(answer) === plain(expected) : plain(answer).includes(plain(expected))
  return {
    ...rest,
    title: task,
    evaluate: async (prompt, { input, expected }, { signal }) => {
      const { text, cost } = await ask(input, {
        system: prompt,
        temperature: 0,
        prices: catalog,
        signal,
        ...(model !== undefined && { model }),
      })
      const right = grade(text, expected)
      return {
        score: right ? 1 : 0,
        feedback: right ? 'Right.' : `Expected "${expected}", got "${text.slice(0, 300)}".`,
        ...(cost !== undefined && { cost: cost.total }),
      }
    },
    mutate: modelMutator(
      { complete: ask },
      {
        task,
        options: { prices: catalog, ...(mutator !== undefined && { model: mutator }) },
      },
    ),
  }
}

/** Runs a race with a bar on `say`, its journals and its report in `folder`. */
export async function raceInto<E extends Example>(
  folder: string,
  options: Race<E>,
  say: (line: string) => void,
): Promise<RaceReport> {
  mkdirSync(folder, { recursive: true })
  const { title, candidates, examples, holdout } = options
  const name = Buffer.from(
    await crypto.subtle.digest(
      'SHA-256',
      new TextEncoder().encode(JSON.stringify([title, candidates, examples, holdout])),
    ),
  ).toString('hex')
  const journal = join(folder, `journal-${name.slice(0, 12)}.json`)
  const state = existsSync(journal) ? (JSON.parse(readFileSync(journal, 'utf8')) as RaceState) : {}
  // Whole or not at all: a kill while writing leaves the last journal. Not after each of thousands of cheap calls.
  let dirty = false
  const keep = (): void => {
    if (!dirty) return
    writeFileSync(`${journal}.new`, JSON.stringify(state))
    renameSync(`${journal}.new`, journal)
    dirty = false
  }
  const timer = setInterval(keep, 1000)
  let best = -Infinity
  let running = ''
  try {
    const report = await race({
      ...options,
      state,
      onState: () => {
        dirty = true
      },
      onEvent: (event) => {
        if (running !== `${event.label} ${event.seed}`)
          [running, best] = [`${event.label} ${event.seed}`, -Infinity]
        if (event.type === 'best') best = event.individual.mean!
        if (event.type === 'evaluation') say(bar(event.label, event.seed, event.spent, event.budget, best))
      },
    })
    writeFileSync(join(folder, 'report.md'), raceMarkdown(report, title, 'report.svg'))
    writeFileSync(join(folder, 'report.svg'), raceSvg(report, title))
    writeFileSync(join(folder, 'report.json'), `${JSON.stringify(report)}\n`)
    return report
  } finally {
    clearInterval(timer)
    keep()
  }
}

function bar(label: string, seed: number, spent: number, budget: number, best: number): string {
  const filled = Math.round((30 * spent) / budget)
  const height = Number.isFinite(best) ? best.toFixed(3) : '…'
  return `${label.padEnd(12)} seed ${seed} ${'█'.repeat(filled)}${'░'.repeat(30 - filled)} ${spent}/${budget} best ${height}`
}

async function main(args: readonly string[]): Promise<void> {
  const option = (name: string): string | undefined =>
    args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3)
  const path = args.find((arg) => !arg.startsWith('--'))
  const folder = option('out') ?? '.cache/optimize'
  let lastMs = 0
  const say = (line: string): void => {
    if (!process.stderr.isTTY || Date.now() - lastMs < 50) return
    lastMs = Date.now()
    process.stderr.write(`\r\u001b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`)
  }
  const report =
    path === undefined
      ? await raceInto(folder, builtIn(Number(option('budget') ?? 400)), say)
      : await raceInto(folder, fromFile(JSON.parse(readFileSync(path, 'utf8')) as TaskFile), say)
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  for (const { label, mean, median, finals } of report.rows)
    console.log(
      `${label.padEnd(12)} ${report.judgedBy} mean ${mean.toFixed(3)} median ${median.toFixed(3)}  on examples ${finals.map((each) => each.toFixed(3)).join(' ')}`,
    )
  console.log(report.verdict)
  console.log(
    `${report.charged} evaluations charged, ${report.made} made. Report: ${join(folder, 'report.md')}`,
  )
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  await main(process.argv.slice(2))
