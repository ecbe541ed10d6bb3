/**
 * Charts that can be read without eyes. In: numbers. Out: a figure with an SVG of the width it has on the screen, a
 * caption, and the same numbers as a table (full precision in `data-value`). Colours are CSS classes, so both themes
 * apply. Not here: axes of time, zooming; nothing on these pages needs them.
 */
import { h, svg, type Child } from './dom.ts'

/** A cell of a table: a number is printed with `digits`, its exact value kept beside it. */
export type Cell = string | number

/** Rows under headings, folded away until asked for. */
export function tableView(
  caption: string,
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
  digits: number = 4,
): HTMLElement {
  const cell = (value: Cell, i: number): HTMLElement => {
    if (i === 0) return h('th', { scope: 'row', 'data-value': value }, value)
    if (typeof value === 'string') return h('td', {}, value)
    const shown = Number.isInteger(value) ? String(value) : value.toFixed(digits)
    return h('td', { class: 'number', 'data-value': value }, shown)
  }
  const details = h('details', { class: 'table' }, h('summary', {}, `Table: ${caption}`))
  const fill = (): void => {
    if (details.querySelector('table') !== null) return
    const table = h(
      'table',
      {},
      h('caption', {}, caption),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          columns.map((name) => h('th', { scope: 'col' }, name)),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map((row) => h('tr', {}, row.map(cell))),
      ),
    )
    details.append(h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption }, table))
  }
  // A table of 1,000 cells costs more to build than its chart: only built when opened.
  details.addEventListener('toggle', fill)
  return details
}

/** Puts a drawing and its table into `at`; an open table stays open. Draws again when the width changes. */
export function figure(
  at: HTMLElement,
  caption: string,
  draw: (width: number) => Child,
  table?: {
    readonly columns: readonly string[]
    readonly rows: readonly (readonly Cell[])[]
    readonly digits?: number
  },
): void {
  const open = at.querySelector('details')?.open ?? false
  const drawing = h('div', { class: 'drawing' })
  const view = table === undefined ? null : tableView(caption, table.columns, table.rows, table.digits)
  const body = h('figure', {}, drawing, h('figcaption', {}, caption), view)
  at.replaceChildren(body)
  if (view instanceof HTMLDetailsElement && open) view.open = true
  const paint = (): void => drawing.replaceChildren(...[draw(drawingWidth(drawing))].flat().filter(isNode))
  paint()
  redraws.set(at, { paint, width: drawingWidth(drawing), drawing })
  observer ??= new ResizeObserver(() => {
    for (const [key, entry] of redraws) {
      const width = drawingWidth(entry.drawing)
      if (!entry.drawing.isConnected) redraws.delete(key)
      else if (width !== entry.width) {
        entry.width = width
        entry.paint()
      }
    }
  })
  observer.observe(at)
}

let observer: ResizeObserver | undefined
const redraws = new Map<HTMLElement, { paint: () => void; width: number; drawing: HTMLElement }>()

const isNode = (child: unknown): child is Node => child instanceof Node

/** A window can be resized to nothing; a drawing cannot. */
function drawingWidth(element: HTMLElement): number {
  return Math.max(160, Math.floor(element.clientWidth || 320))
}

/** One bar of a bar chart. */
export interface Bar {
  readonly label: string
  readonly value: number
  /** A second value behind the first: what it was before. */
  readonly base?: number
  readonly cut?: boolean
  readonly chosen?: boolean
}

/** Horizontal bars, one line each, so that 20 of them fit a telephone. */
export function bars(
  width: number,
  data: readonly Bar[],
  format: (value: number) => string,
  top: number = Math.max(1e-9, ...data.map(({ value, base }) => Math.max(value, base ?? 0))),
): SVGElement {
  const line = 22
  const left = Math.min(width / 3, 16 + 8.5 * Math.max(3, ...data.map(({ label }) => label.length)))
  const span = Math.max(10, width - left - 64)
  const size = (value: number): number => Math.max(0, (span * value) / top)
  return svg(
    'svg',
    {
      width,
      height: line * data.length + 4,
      role: 'img',
      'aria-label': `Bars of ${data.length} values; see the table.`,
    },
    data.map((bar, i) =>
      svg(
        'g',
        { transform: `translate(0 ${i * line + 2})`, class: bar.cut === true ? 'bar cut' : 'bar' },
        svg(
          'text',
          { x: left - 8, y: 15, 'text-anchor': 'end', class: bar.chosen === true ? 'chosen' : undefined },
          bar.label,
        ),
        bar.base === undefined
          ? null
          : svg('rect', { class: 'base', x: left, y: 1, width: size(bar.base), height: 18, rx: 2 }),
        svg('rect', {
          class: bar.chosen === true ? 'fill chosen' : 'fill',
          x: left,
          y: bar.base === undefined ? 2 : 5,
          width: size(bar.value),
          height: bar.base === undefined ? 16 : 10,
          rx: 2,
        }),
        svg(
          'text',
          { x: left + size(Math.max(bar.value, bar.base ?? 0)) + 6, y: 15, class: 'small' },
          format(bar.value),
        ),
      ),
    ),
  )
}

/** One line, or a cloud of points, of a line chart. `series` 1 to 4 chooses the colour. */
export interface Series {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
  readonly series: 1 | 2 | 3 | 4
  readonly dots?: boolean
  readonly dashed?: boolean
}

/** How a line chart is scaled and named. */
export interface Axes {
  readonly x: string
  readonly y: string
  readonly height?: number
  readonly logX?: boolean
  readonly logY?: boolean
  readonly format?: (value: number) => string
  /** Do not begin the axes at zero: for clouds whose distance from it says nothing. */
  readonly tight?: boolean
}

function ticks(low: number, high: number, log: boolean, count: number): number[] {
  if (log) {
    const found: number[] = []
    for (let power = Math.ceil(Math.log10(low)); power <= Math.log10(high) + 1e-9; power++)
      found.push(10 ** power)
    return found
  }
  const raw = (high - low) / count
  const unit = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 5, 10].map((factor) => factor * unit).find((candidate) => candidate >= raw) ?? raw
  const found: number[] = []
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) found.push(at)
  return found
}

/** Lines over two axes, with a legend that is text. */
export function lines(width: number, data: readonly Series[], axes: Axes): SVGElement {
  const {
    height = 260,
    logX = false,
    logY = false,
    tight = false,
    format = (value) => String(Number(value.toPrecision(3))),
  } = axes
  const all = data
    .flatMap(({ points }) => points)
    .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y))
  const xs = all.map(([x]) => x)
  const ys = all.map(([, y]) => y)
  const smallest = (values: readonly number[]): number =>
    Math.min(...values.filter((value) => value > 0), 1e9)
  const [x0, x1] = [logX ? smallest(xs) : Math.min(tight ? Infinity : 0, ...xs), Math.max(1e-9, ...xs)]
  const [y0, y1] = [logY ? smallest(ys) : Math.min(tight ? Infinity : 0, ...ys), Math.max(1e-9, ...ys)]
  const [left, right, top, bottom] = [54, 12, 12 + 18 * data.length, 40]
  const scale = (value: number, low: number, high: number, log: boolean): number => {
    if (high <= low) return 0
    if (!log) return (value - low) / (high - low)
    return Math.log(Math.max(value, low) / low) / Math.log(high / low)
  }
  const px = (x: number): number => left + Math.max(10, width - left - right) * scale(x, x0, x1, logX)
  const py = (y: number): number => height - bottom - (height - top - bottom) * scale(y, y0, y1, logY)
  return svg(
    'svg',
    { width, height, role: 'img', 'aria-label': `${axes.y} over ${axes.x}; see the table.` },
    ticks(y0, y1, logY, 4).map((y) => [
      svg('line', { class: 'grid', x1: left, x2: width - right, y1: py(y), y2: py(y) }),
      svg('text', { class: 'small', x: left - 6, y: py(y) + 4, 'text-anchor': 'end' }, format(y)),
    ]),
    ticks(x0, x1, logX, Math.max(2, Math.floor(width / 110))).map((x) =>
      svg('text', { class: 'small', x: px(x), y: height - bottom + 16, 'text-anchor': 'middle' }, format(x)),
    ),
    svg(
      'text',
      { class: 'small', x: width - right, y: height - 4, 'text-anchor': 'end' },
      `${axes.x} → · ${axes.y} ↑`,
    ),
    data.map(({ points, series, dots, dashed }) => {
      const placed = points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y))
      const name = `series-${series}`
      if (dots === true)
        return placed.map(([x, y]) => svg('circle', { class: `dot ${name}`, cx: px(x), cy: py(y), r: 3 }))
      const path = placed.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(' ')
      return svg('polyline', { class: `line ${name}${dashed === true ? ' dashed' : ''}`, points: path })
    }),
    data.map(({ name, series, dots, dashed }, i) => [
      dots === true
        ? svg('circle', { class: `dot series-${series}`, cx: left + 10, cy: 10 + 18 * i, r: 3 })
        : svg('line', {
            class: `line series-${series}${dashed === true ? ' dashed' : ''}`,
            x1: left,
            x2: left + 20,
            y1: 10 + 18 * i,
            y2: 10 + 18 * i,
          }),
      svg('text', { class: 'small', x: left + 26, y: 14 + 18 * i }, name),
    ]),
  )
}

/** A colour for a share between 0 and 1, dark to light as viridis does, so that it survives a grey print. */
export function shade(share: number): string {
  const at = Math.max(0, Math.min(1, share)) * (SHADES.length - 1)
  const i = Math.min(SHADES.length - 2, Math.floor(at))
  const mix = SHADES[i]!.map((from, c) => Math.round(from + (SHADES[i + 1]![c]! - from) * (at - i)))
  return `rgb(${mix.join(' ')})`
}

/** Five stops of a perceptually even ramp, from deep violet to yellow. */
const SHADES: readonly (readonly [number, number, number])[] = [
  [62, 20, 88],
  [58, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
]
