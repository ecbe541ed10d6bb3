/**
 * A race of prompt searches at equal cost: evolution, a Pareto frontier, and the two simple searches they have to beat.
 * In: a task, a budget, seeds. Out: who won and how sure that is, the population of any run as it grew, the ancestors of
 * any prompt. First shows a recording (scripts/learn-evolve.ts); Run makes a race in a worker with the same code.
 */
import { wordDiff } from '../optimize/report.ts'
import {
  aliveAt,
  curvesOf,
  familyChart,
  familyOf,
  gainsChart,
  gainsOf,
  medianAfter,
  raceChart,
  readings,
} from './evolution-charts.ts'
import type { EvolutionAnswer, EvolutionAsk } from './evolution-job.ts'
import { COUNTS, BUDGETS, STRATEGIES, TASKS, TEXTS, SENTENCES } from './evolution-texts.ts'
import type { Prompt, RaceView, RunView } from './evolution-tasks.ts'
import { figure } from './kit/charts.ts'
import { button, numeric, range, select } from './kit/controls.ts'
import { h, slot } from './kit/dom.ts'
import { afterPaint, announce, notice, startPage } from './kit/page.ts'
import { choice, createState, integer } from './kit/state.ts'
import { startJob, type Running } from './kit/worker.ts'

const state = createState({
  task: choice('frida', TASKS),
  budget: choice('240', BUDGETS),
  count: choice('5', COUNTS),
  seed: integer(1, 1, 99_999),
  look: choice('genetic', STRATEGIES),
  run: integer(1, 1, 8),
  at: integer(960, 1, 960),
  chosen: integer(-1, -1, 9999),
})

let recorded: RaceView | undefined
let view: RaceView | undefined
let live: Map<string, [number, number][][]> = new Map()
let running: Running | undefined
let progress = ''
let share = 0
/** The settings that `view`, or the running race, belongs to. */
let settled = ''

const ask = (): EvolutionAsk => ({
  task: state.value.task,
  budget: Number(state.value.budget),
  seeds: Array.from({ length: Number(state.value.count) }, (_, i) => state.value.seed + i),
})
const key = ({ task, budget, seeds }: EvolutionAsk): string => [task, budget, ...seeds].join(' ')

const titles = Object.fromEntries(TASKS.map((name) => [name, TEXTS[name].title]))
slot('controls').append(
  select(state, 'task', 'Task', titles),
  select(state, 'budget', 'Evaluations for each search'),
  select(state, 'count', 'Seeds'),
  numeric(state, 'seed', 'First seed'),
)
const go = button('Run it here', start)
go.classList.add('primary')
const end = button('Stop', () => {
  stop()
  progress = 'Stopped.'
  redraw()
})
const bar = h('progress', { max: 1, value: 0, 'aria-label': 'Progress of the race' })
slot('buttons').append(go, end, bar, h('span', { id: 'progress', class: 'still', role: 'status' }))
slot('view-controls').append(
  select(state, 'look', 'Search', { first: 'the one ahead' }),
  range(state, 'run', 'Run', {
    max: () => view?.seeds.length ?? 1,
    format: (value) => `seed ${view?.seeds[Math.min(value, view.seeds.length) - 1] ?? '–'}`,
  }),
  range(state, 'at', 'Evaluations spent', {
    max: () => view?.budget ?? 960,
    format: (value) => String(Math.min(value, view?.budget ?? 960)),
  }),
)
slot('view-buttons').append(
  button('Choose the best so far', () => state.set({ chosen: -1 })),
  button('Choose its better parent', () => {
    const run = runShown()
    const parents = run === undefined ? [] : chosenOf(run).parents.map((id) => run.prompts[id]!)
    if (parents.length > 0) state.set({ chosen: parents.reduce(better).id })
  }),
)

function stop(): void {
  running?.end()
  running = undefined
  share = 0
}

function start(): void {
  stop()
  view = undefined
  live = new Map()
  settled = key(ask())
  document.documentElement.dataset['raced'] = 'false'
  progress = 'Starting …'
  notice('job', '')
  running = startJob<EvolutionAsk, EvolutionAnswer>(
    'evolution-worker.js',
    async () => (await import('./evolution-job.ts')).evolutionJob,
    ask(),
    take,
  )
  notice(
    'worker',
    running.inWorker ? '' : 'Workers are not allowed here; the race runs in the page and makes it slow.',
  )
  redraw()
}

function take(answer: EvolutionAnswer | { error: string }): void {
  if ('error' in answer) {
    notice('job', `The race stopped: ${answer.error}.`)
    stop()
  } else if (answer.kind === 'done') {
    view = answer.view
    progress = 'Computed here.'
    stop()
    document.documentElement.dataset['raced'] = 'true'
    state.set({})
    announce(view.verdict)
  } else {
    const { seeds, budget } = ask()
    const curves = live.get(answer.label) ?? []
    const i = seeds.indexOf(answer.seed)
    if (answer.kind === 'best') (curves[i] ??= []).push([...answer.point])
    live.set(answer.label, curves)
    const spent = answer.kind === 'best' ? answer.point[0] : answer.spent
    share = ((live.size - 1) * seeds.length + i + spent / budget) / (4 * seeds.length)
    progress = `${answer.label}, seed ${answer.seed}: ${spent} of ${budget}`
  }
  redraw()
}

const better = (a: Prompt, b: Prompt): Prompt => ((b.mean ?? -Infinity) > (a.mean ?? -Infinity) ? b : a)

function runShown(): RunView | undefined {
  const row = view?.rows.find(({ label }) => label === state.value.look) ?? view?.rows[0]
  return row?.runs[Math.min(state.value.run, row.runs.length) - 1]
}

const spentShown = (): number => Math.min(state.value.at, view?.budget ?? 960)

/** The prompt of that id, or the best born so far. */
function chosenOf(run: RunView): Prompt {
  const one = run.prompts[state.value.chosen]
  if (one !== undefined && one.mean !== null && one.bornAt <= spentShown()) return one
  const id = run.curve.findLast(({ evaluations }) => evaluations <= spentShown())?.id ?? run.baseline
  return run.prompts[id]!
}

function draw(): void {
  const now = ask()
  if (settled !== key(now)) {
    stop()
    settled = key(now)
    view = undefined
    live = new Map()
    progress = 'Nothing computed for these settings yet.'
    if (recorded !== undefined && key(recorded) === settled) {
      view = recorded
      progress = 'A recorded race; press Run to make it again.'
    } else if (recorded !== undefined && now.task !== 'frida') {
      // Simulated models answer in microseconds: no need to be asked.
      start()
    }
    // The sliders end where the race ends, which is known only now.
    if (view !== undefined) state.set({})
  }
  end.disabled = running === undefined
  bar.hidden = running === undefined
  bar.value = share
  slot('progress').textContent = progress
  slot('about').textContent = TEXTS[now.task].about
  slot('sentences').hidden = now.task !== 'frida'
  drawRace()
  const run = runShown()
  for (const id of ['family', 'chosen', 'gains']) slot(id).hidden = run === undefined
  if (run !== undefined) drawRun(run)
}

function drawRace(): void {
  const curves =
    view === undefined
      ? new Map([...live].map(([label, list]) => [label, list.filter(Boolean)]))
      : curvesOf(view)
  const { budget, task } = ask()
  const { score } = TEXTS[task]
  slot('verdict').textContent =
    view === undefined
      ? running === undefined
        ? 'Press “Run it here”: four searches, the same budget each.'
        : 'Racing …'
      : `${view.verdict[0]!.toUpperCase()}${view.verdict.slice(1)}`
  if (curves.size === 0) return slot('race').replaceChildren()
  const labels = [...curves.keys()]
  figure(
    slot('race'),
    'Best prompt so far on the examples searched on. Bold: the median of the seeds; pale: each seed.',
    (width) => raceChart(width, curves, budget, view?.optimum, score),
    {
      columns: ['evaluations', ...labels],
      rows: readings(budget).map((at) => [at, ...labels.map((label) => medianAfter(curves, label, at))]),
    },
  )
  if (view === undefined) return
  const gains = gainsOf(view)
  figure(
    slot('gains'),
    view.judgedBy === 'holdout'
      ? 'What the best prompt gained where it was searched for, and where nobody looked. A dot a seed, a bar the mean.'
      : 'What the best prompt gained. A dot a seed, a bar the mean. Nothing is held out: these examples are the whole world.',
    (width) => gainsChart(width, gains),
    {
      columns: [
        'search',
        'seed',
        'gain, searched on',
        ...(view.judgedBy === 'holdout' ? ['gain, held out'] : []),
      ],
      rows: gains.flatMap(({ label, searched, held }) =>
        searched.map((gain, i) => [label, view!.seeds[i]!, gain, ...held.slice(i, i + 1)]),
      ),
    },
  )
}

function drawRun(run: RunView): void {
  const spent = spentShown()
  const chosen = chosenOf(run)
  // Kept by the figure, which draws again when its width changes: `view` may be another one by then.
  const { task, budget } = view!
  const { score } = TEXTS[task]
  const alive = aliveAt(run, spent)
  const seen = run.prompts.filter(({ bornAt, mean }) => bornAt <= spent && mean !== null)
  figure(
    slot('family'),
    `Every prompt of this run. ${seen.length} tried in full, ${alive.size} alive; prompt ${chosen.id} has ${familyOf(run, chosen).length - 1} ancestors.`,
    (width) => familyChart(width, run, spent, budget, chosen, score, (id) => state.set({ chosen: id })),
    {
      columns: ['id', 'prompt', 'score', 'made by', 'parents', 'born at', 'alive'],
      rows: [...seen]
        .sort((a, b) => b.mean! - a.mean!)
        .map(({ id, prompt, mean, operator, parents, bornAt }) => [
          id,
          prompt,
          mean!,
          operator,
          parents.join(' '),
          bornAt,
          alive.has(id) ? 'yes' : '',
        ]),
    },
  )
  drawChosen(run, chosen)
}

/** The chosen prompt, and how its line of first parents came to it. */
function drawChosen(run: RunView, chosen: Prompt): void {
  const line = [chosen]
  for (let id = chosen.parents[0]; id !== undefined; id = run.prompts[id]!.parents[0])
    line.unshift(run.prompts[id]!)
  const SHOWN = 6
  const items = line.slice(-SHOWN).map((one) => {
    const parent = run.prompts[one.parents[0] ?? -1]
    const from = one.parents.length < 2 ? '' : ` of ${one.parents.join(' and ')}`
    return h(
      'li',
      {},
      h(
        'span',
        { class: 'still' },
        `${one.id}, ${one.operator}${from}, ${one.mean?.toFixed(3) ?? 'cut short'}: `,
      ),
      parent === undefined ? one.prompt : marked(wordDiff(parent.prompt, one.prompt)),
    )
  })
  slot('chosen').replaceChildren(
    h('h2', {}, `Prompt ${chosen.id}: ${chosen.mean!.toFixed(3)} ${TEXTS[view!.task].score}`),
    h('p', { class: 'text-out' }, chosen.prompt),
    h('h2', {}, 'How it came to be, first parents only'),
    h('ol', { class: 'lineage', start: Math.max(1, line.length - SHOWN + 1) }, items),
  )
}

/** `[-gone-] {+new+}` as markup a screen reader knows. */
function marked(diff: string): Node[] {
  return diff.split(/(\[-.*?-\]|\{\+.*?\+\})/s).map((part) => {
    if (part.startsWith('[-')) return h('del', {}, part.slice(2, -2))
    if (part.startsWith('{+')) return h('ins', {}, part.slice(2, -2))
    return document.createTextNode(part)
  })
}

const { redraw } = startPage(state, draw)
afterPaint('recording', async () => {
  const answer = await globalThis.fetch('evolution.json')
  if (!answer.ok) throw new Error(`the recording did not come (HTTP ${answer.status})`)
  recorded = (await answer.json()) as RaceView
  settled = ''
  const list = (title: string, texts: readonly string[]): HTMLElement =>
    h(
      'div',
      {},
      h('h2', {}, title),
      h(
        'ul',
        { class: 'mono' },
        texts.map((text) => h('li', {}, text)),
      ),
    )
  slot('sentences').replaceChildren(list('Searched on', SENTENCES.dev), list('Held out', SENTENCES.held))
  draw()
})
