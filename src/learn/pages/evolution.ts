/**
 * A prompt search, recorded. In: evolution.json (scripts/learn-evolve.ts wrote it). Out: the population generation by
 * generation, the family of any individual, and the race against the simple searches at equal numbers of evaluations.
 */
import { figure, lines } from './kit/charts.ts'
import { button, range } from './kit/controls.ts'
import { h, slot, svg, visible } from './kit/dom.ts'
import { afterPaint, announce, startPage } from './kit/page.ts'
import { createState, integer } from './kit/state.ts'

interface Individual {
  readonly id: number
  readonly generation: number
  readonly prompt: string
  readonly parents: readonly number[]
  readonly dev: number
  readonly holdout: number
}

/** The recorded run. */
interface Recording {
  readonly dev: readonly string[]
  readonly holdout: readonly string[]
  readonly budget: number
  readonly population: number
  readonly references: readonly { name: string; prompt: string; dev: number; holdout: number }[]
  readonly individuals: readonly Individual[]
  readonly races: readonly { search: string; seed: number; curve: readonly (readonly [number, number])[] }[]
}

const state = createState({
  generation: integer(999, 0, 999),
  chosen: integer(-1, -1, 99_999),
})
let recording: Recording | undefined
let last = 0

slot('controls').append(
  range(state, 'generation', 'Generation', {
    max: () => last,
    format: (value) => `${Math.min(value, last)} of ${last}`,
  }),
)
slot('buttons').append(
  button('Choose the best', () => state.set({ chosen: best(until(generation())).id })),
  button('Choose its better parent', () => {
    const parents = byId(state.value.chosen)?.parents ?? []
    const known = parents.map(byId).filter((each) => each !== undefined)
    if (known.length > 0) state.set({ chosen: best(known).id })
  }),
)

const generation = (): number => Math.min(state.value.generation, last)
const until = (g: number): Individual[] => recording!.individuals.filter((each) => each.generation <= g)
const best = (list: readonly Individual[]): Individual => list.reduce((a, b) => (b.dev > a.dev ? b : a))
const byId = (id: number): Individual | undefined => recording?.individuals[id]

function draw(): void {
  if (recording === undefined) return
  const { budget, references, individuals } = recording
  const now = until(generation())
  const alive = [...new Map(now.map((each) => [each.prompt, each])).values()]
    .sort((a, b) => b.dev - a.dev || a.id - b.id)
    .slice(0, recording.population)
  const top = alive[0]!
  const chosen = individuals[state.value.chosen] ?? top
  const facts = [
    ['evaluations spent', `${Math.min(now.length, budget)} of ${budget}`],
    ['best on dev, bits a character', (-top.dev).toFixed(3)],
    ['the same on holdout', (-top.holdout).toFixed(3)],
    ...references.map(({ name, dev }) => [`${name}, dev`, (-dev).toFixed(3)]),
  ]
  slot('facts').replaceChildren(
    ...facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  )
  figure(
    slot('scatter'),
    `Generation ${generation()}: each point is a prompt; bits a character on dev (across) and on holdout (down): left and low is better`,
    (width) =>
      lines(
        width,
        [
          {
            name: 'ever tried',
            points: now.map((each) => [-each.dev, -each.holdout]),
            series: 4,
            dots: true,
          },
          { name: 'alive', points: alive.map((each) => [-each.dev, -each.holdout]), series: 3, dots: true },
          { name: 'chosen', points: [[-chosen.dev, -chosen.holdout]], series: 2, dots: true },
          {
            name: 'written by hand',
            points: references.slice(1).map((each) => [-each.dev, -each.holdout]),
            series: 1,
            dots: true,
          },
        ],
        { x: 'dev', y: 'holdout', height: 320, tight: true },
      ),
    {
      columns: ['id', 'prompt', 'generation', 'dev', 'holdout', 'parents'],
      rows: alive.map((each) => [
        each.id,
        visible(each.prompt),
        each.generation,
        -each.dev,
        -each.holdout,
        each.parents.join(' '),
      ]),
      digits: 3,
    },
  )
  drawLineage(chosen)
  drawRace()
  announce(`Generation ${generation()}, best ${(-top.dev).toFixed(2)} bits.`)
}

/** The chosen prompt, its parents and theirs, letters that came from neither marked. */
function drawLineage(chosen: Individual): void {
  const parents = chosen.parents.map(byId).filter((each) => each !== undefined)
  const diff = [...chosen.prompt].map((char, i) => {
    const from = parents.filter((parent) => [...parent.prompt][i] === char)
    return from.length === 0 && parents.length > 0 ? h('mark', {}, visible(char)) : visible(char)
  })
  slot('lineage').replaceChildren(
    h('h2', {}, `Prompt ${chosen.id}, generation ${chosen.generation}: ${(-chosen.dev).toFixed(3)} bits`),
    h('p', { class: 'mono bytes' }, diff),
    parents.length === 0
      ? h('p', {}, 'Drawn at random in the first generation.')
      : h(
          'ul',
          {},
          parents.map((parent) =>
            h(
              'li',
              {},
              h(
                'button',
                { type: 'button', click: () => state.set({ chosen: parent.id }) },
                `Parent ${parent.id}`,
              ),
              ' ',
              h('span', { class: 'mono' }, visible(parent.prompt)),
              ` ${(-parent.dev).toFixed(3)}`,
            ),
          ),
        ),
    h(
      'p',
      { class: 'still' },
      'Marked: letters that mutation put there; the others come from a parent at the same place.',
    ),
  )
  const family: Individual[] = []
  const visit = (each: Individual | undefined): void => {
    if (each === undefined || family.includes(each)) return
    family.push(each)
    each.parents.forEach((id) => visit(byId(id)))
  }
  visit(chosen)
  figure(
    slot('tree'),
    `All ${family.length} ancestors of prompt ${chosen.id}: generation (across), bits (down)`,
    (width) => tree(width, family, chosen),
    {
      columns: ['id', 'prompt', 'generation', 'dev'],
      rows: family.map((each) => [each.id, visible(each.prompt), each.generation, -each.dev]),
      digits: 3,
    },
  )
}

function tree(width: number, family: readonly Individual[], chosen: Individual): SVGElement {
  const height = 220
  const scores = family.map((each) => -each.dev)
  const [low, high] = [Math.min(...scores), Math.max(...scores) + 1e-6]
  const x = (each: Individual): number =>
    40 + ((width - 60) * each.generation) / Math.max(1, chosen.generation)
  const y = (each: Individual): number => height - 20 - ((height - 40) * (-each.dev - low)) / (high - low)
  return svg(
    'svg',
    { width, height, role: 'img', 'aria-label': `Ancestors of prompt ${chosen.id}; see the table.` },
    family.flatMap((each) =>
      each.parents.map((id) => {
        const parent = byId(id)
        return parent === undefined
          ? null
          : svg('line', { class: 'grid', x1: x(each), y1: y(each), x2: x(parent), y2: y(parent) })
      }),
    ),
    family.map((each) =>
      svg('circle', {
        class: `dot series-${each === chosen ? 2 : 3}`,
        cx: x(each),
        cy: y(each),
        r: each === chosen ? 5 : 3,
      }),
    ),
    svg('text', { class: 'small', x: 4, y: 24 }, high.toFixed(2)),
    svg('text', { class: 'small', x: 4, y: height - 16 }, low.toFixed(2)),
  )
}

function drawRace(): void {
  const { races, budget } = recording!
  const searches = [...new Set(races.map(({ search }) => search))]
  const at = Array.from({ length: 33 }, (_, i) => Math.max(1, Math.round((budget * i) / 32)))
  /** Median over the seeds of the best so far. */
  const median = (search: string, evaluations: number): number => {
    const scores = races
      .filter((race) => race.search === search)
      .map(({ curve }) => -(curve.findLast(([spent]) => spent <= evaluations)?.[1] ?? curve[0]![1]))
      .sort((a, b) => a - b)
    return scores[Math.floor(scores.length / 2)]!
  }
  const finals = searches.map((search) => `${search} ${median(search, budget).toFixed(2)}`)
  figure(
    slot('race'),
    `Best so far by evaluations, median of ${races.length / searches.length} seeds; at the end: ${finals.join(', ')} bits`,
    (width) =>
      lines(
        width,
        searches.map((search, i) => ({
          name: search,
          points: at.map((evaluations) => [evaluations, median(search, evaluations)]),
          series: (i + 1) as 1 | 2 | 3,
        })),
        { x: 'evaluations', y: 'bits', tight: true },
      ),
    {
      columns: ['evaluations', ...searches],
      rows: at.map((evaluations) => [evaluations, ...searches.map((search) => median(search, evaluations))]),
      digits: 3,
    },
  )
}

const { redraw } = startPage(state, draw)
afterPaint('recording', async () => {
  const answer = await globalThis.fetch('evolution.json')
  if (!answer.ok) throw new Error(`the recording did not come (HTTP ${answer.status})`)
  recording = (await answer.json()) as Recording
  last = Math.max(...recording.individuals.map((each) => each.generation))
  slot('task').replaceChildren(
    ...[
      ['Searched on (dev)', recording.dev],
      ['Never searched on (holdout)', recording.holdout],
    ].map(([name, list]) =>
      h(
        'div',
        {},
        h('h2', {}, String(name)),
        h(
          'ul',
          {},
          (list as string[]).map((each) => h('li', { class: 'mono' }, each)),
        ),
      ),
    ),
  )
  state.set({})
  redraw()
})
