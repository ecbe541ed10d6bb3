/**
 * The pictures of a race. In: its runs. Out: best so far by evaluations, every seed pale behind the median; what each
 * search gained where it looked and where it did not; every prompt of one run with the family of a chosen one. Scores:
 * more is better, up is better. Not here: the page around them.
 */
import { frame, ticks, type Key } from './kit/axes.ts'
import { lines, type Series } from './kit/charts.ts'
import { svg } from './kit/dom.ts'
import { median } from '../optimize/statistics.ts'
import type { Prompt, RaceView, RunView } from './evolution-tasks.ts'

/** A search keeps its colour through all charts and all tasks. */
const COLOURS: Readonly<Record<string, 1 | 2 | 3 | 4>> = { genetic: 1, 'hill-climb': 2, pareto: 3, random: 4 }

/** Best so far as (evaluations, score), by search and seed. */
export type Curves = ReadonlyMap<string, readonly (readonly (readonly [number, number])[])[]>

/** The curves of a finished race. */
export function curvesOf(view: RaceView): Curves {
  return new Map(
    view.rows.map(({ label, runs }) => [
      label,
      // The last best stands until the budget is spent.
      runs.map(({ curve, spent }) => [
        ...curve.map(({ evaluations, best }) => [evaluations, best] as const),
        [spent, curve.at(-1)!.best] as const,
      ]),
    ]),
  )
}

/** Best after so many evaluations; NaN before the first. */
const after = (curve: readonly (readonly [number, number])[], spent: number): number =>
  curve.findLast(([evaluations]) => evaluations <= spent)?.[1] ?? Number.NaN

/** Median over the seeds after so many evaluations; NaN while one has none. */
export function medianAfter(curves: Curves, label: string, spent: number): number {
  const heights = (curves.get(label) ?? []).map((curve) => after(curve, spent))
  return heights.length === 0 || heights.some(Number.isNaN) ? Number.NaN : median(heights)
}

/** Evaluations at which the race is read off. */
export const readings = (budget: number): number[] =>
  Array.from({ length: 40 }, (_, i) => Math.max(1, Math.round((budget * (i + 1)) / 40)))

/** The race: a step is a better prompt. */
export function raceChart(
  width: number,
  curves: Curves,
  budget: number,
  optimum: number | undefined,
  score: string,
): SVGElement {
  const colour = (label: string): 1 | 2 | 3 | 4 => COLOURS[label] ?? 4
  const seeds = [...curves].flatMap(([label, list]) =>
    list.map((curve): Series => ({
      name: label,
      series: colour(label),
      faint: true,
      // A step function: it stays, then it rises.
      points: curve.flatMap(([at, best], i) => [
        [at, i === 0 ? best : curve[i - 1]![1]] as const,
        [at, best] as const,
      ]),
    })),
  )
  const medians = [...curves.keys()].map((label): Series => ({
    name: label,
    series: colour(label),
    points: readings(budget).map((at) => [at, medianAfter(curves, label, at)] as const),
  }))
  const best: Series[] =
    optimum === undefined
      ? []
      : [
          {
            name: 'best there is',
            series: 3,
            dashed: true,
            points: [
              [0, optimum],
              [budget, optimum],
            ],
          },
        ]
  return lines(width, [...seeds, ...medians, ...best], {
    x: 'evaluations',
    y: score,
    tight: true,
    height: 300,
  })
}

/** What one search gained over the first candidate: where it searched, and on held-out examples. */
export interface Gain {
  readonly label: string
  readonly searched: readonly number[]
  readonly held: readonly number[]
}

/** Gains by search, a dot a seed. */
export function gainsOf(view: RaceView): Gain[] {
  return view.rows.map(({ label, runs }) => ({
    label,
    searched: runs.map(({ comparison }) => comparison.difference),
    held: runs.flatMap(({ holdout }) => (holdout === undefined ? [] : [holdout.best - holdout.baseline])),
  }))
}

/** A row a search: hollow dots where it searched, full ones where it did not, and the mean of each as a bar. */
export function gainsChart(width: number, gains: readonly Gain[]): SVGElement {
  const all = gains.flatMap(({ searched, held }) => [...searched, ...held])
  const [low, high] = [Math.min(0, ...all), Math.max(1e-6, ...all)]
  const [left, right, top, row] = [84, 14, 28, 50]
  const height = top + row * gains.length + 40
  const x = (gain: number): number => left + ((width - left - right) * (gain - low)) / (high - low)
  const floor = top + row * gains.length
  const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length
  const track = (list: readonly number[], y: number, kind: string): (SVGElement | null)[] => [
    ...list.map((gain) => svg('circle', { class: kind, cx: x(gain), cy: y, r: 4 })),
    list.length === 0
      ? null
      : svg('line', { class: `mean ${kind}`, x1: x(mean(list)), x2: x(mean(list)), y1: y - 9, y2: y + 9 }),
  ]
  return svg(
    'svg',
    { width, height, role: 'img', 'aria-label': 'Gains by search and seed; see the table.' },
    svg('circle', { class: 'searched', cx: 10, cy: 10, r: 4 }),
    svg('text', { class: 'small', x: 20, y: 14 }, 'searched on'),
    gains.some(({ held }) => held.length > 0)
      ? [
          svg('circle', { class: 'held', cx: 110, cy: 10, r: 4 }),
          svg('text', { class: 'small', x: 120, y: 14 }, 'held out'),
        ]
      : null,
    ticks(low, high, false, Math.max(2, Math.floor((width - left) / 90))).map((at) => [
      svg('line', {
        class: Math.abs(at) < 1e-9 ? 'zero' : 'grid',
        x1: x(at),
        x2: x(at),
        y1: top,
        y2: floor,
      }),
      svg(
        'text',
        { class: 'small', x: x(at), y: floor + 17, 'text-anchor': 'middle' },
        String(Number(at.toPrecision(3))),
      ),
    ]),
    svg(
      'text',
      { class: 'axis', x: width - right, y: floor + 34, 'text-anchor': 'end' },
      'gain over the first prompt →',
    ),
    gains.map(({ label, searched, held }, i) => {
      const y = top + row * i + row / 2
      return [
        svg('text', { x: left - 10, y: y + 4, 'text-anchor': 'end' }, label),
        track(searched, held.length === 0 ? y : y - 10, 'searched'),
        track(held, y + 10, 'held'),
      ]
    }),
  )
}

/** A prompt and all it descends from, itself first. */
export function familyOf(run: RunView, chosen: Prompt): Prompt[] {
  const family = new Set<Prompt>()
  const visit = (one: Prompt | undefined): void => {
    if (one === undefined || family.has(one)) return
    family.add(one)
    for (const id of one.parents) visit(run.prompts[id])
  }
  visit(chosen)
  return [...family]
}

/** Those alive after so many evaluations. */
export function aliveAt(run: RunView, spent: number): ReadonlySet<number> {
  return new Set(run.populations.findLast(({ evaluations }) => evaluations <= spent)?.alive)
}

/** Every measured prompt of a run, up to now, with the chosen one's family joined. */
export function familyChart(
  width: number,
  run: RunView,
  spent: number,
  budget: number,
  chosen: Prompt,
  score: string,
  choose: (id: number) => void,
): SVGElement {
  const measured = run.prompts.filter(({ mean }) => mean !== null)
  const seen = measured.filter(({ bornAt }) => bornAt <= spent)
  const alive = aliveAt(run, spent)
  const family = familyOf(run, chosen)
  const keys: Key[] = [
    { name: 'tried', series: 4, dots: true },
    { name: 'alive now', series: 3, dots: true },
    { name: 'the chosen one and its ancestors', series: 2 },
  ]
  const { height, px, py, nodes } = frame(
    width,
    [0, budget],
    measured.map(({ mean }) => mean!),
    { x: 'evaluations spent when it was born', y: score, tight: true, height: 320 },
    keys,
  )
  return svg(
    'svg',
    { width, height, role: 'img', 'aria-label': `Prompts of this run; see the table.` },
    nodes,
    svg('line', {
      class: 'grid',
      x1: px(spent),
      x2: px(spent),
      y1: py(Math.max(...measured.map(({ mean }) => mean!))),
      y2: height - 38,
    }),
    family.flatMap((one) =>
      one.parents.map((id) => {
        const parent = run.prompts[id]!
        if (one.mean === null || parent.mean === null) return null
        return svg('line', {
          class: 'line series-2',
          x1: px(one.bornAt),
          y1: py(one.mean),
          x2: px(parent.bornAt),
          y2: py(parent.mean),
        })
      }),
    ),
    seen.map((one) => {
      const kind = one === chosen || family.includes(one) ? 2 : alive.has(one.id) ? 3 : 4
      return svg('circle', {
        class: `dot series-${kind}${kind === 4 ? ' faint' : ''} clickable`,
        cx: px(one.bornAt),
        cy: py(one.mean!),
        r: one === chosen ? 7 : kind === 4 ? 3.5 : 4.5,
        click: () => choose(one.id),
      })
    }),
  )
}
