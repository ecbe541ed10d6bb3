/**
 * Charts that can be read without eyes. In: numbers. Out: a figure with an SVG of the width it has on the screen, a
 * caption, and the same numbers as a table (full precision in `data-value`). Colours are CSS classes, so both themes
 * apply. Not here: the axes (axes.ts); zooming, which nothing on these pages needs.
 */
import { frame, type Axes, type Key } from './axes.ts'
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
  const details = h(
    'details',
    { class: 'table' },
    h('summary', {}, 'As a table', h('span', { class: 'unseen' }, `: ${caption}`)),
  )
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

/** Puts a drawing and its table into `at`; an open table stays open, and who stood on it stays there. Draws again when the width changes. */
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
  // A chart that is drawn again while a measurement runs must not throw the keyboard back to the top.
  const stood = at.querySelector('details')?.contains(document.activeElement) === true
  at.replaceChildren(body)
  if (stood) view?.querySelector('summary')?.focus({ preventScroll: true })
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

/** One line, or a cloud of points, of a line chart. */
export interface Series extends Key {
  readonly points: readonly (readonly [x: number, y: number])[]
}

/** Lines and clouds over two axes. */
export function lines(width: number, data: readonly Series[], axes: Axes): SVGElement {
  const placed = data.map((series) => ({
    ...series,
    points: series.points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y)),
  }))
  const all = placed.flatMap(({ points }) => points)
  const { height, px, py, nodes } = frame(
    width,
    all.map(([x]) => x),
    all.map(([, y]) => y),
    axes,
    data.length > 1 ? data.filter(({ faint }) => faint !== true) : [],
  )
  return svg(
    'svg',
    { width, height, role: 'img', 'aria-label': `${axes.y} over ${axes.x}; see the table.` },
    nodes,
    placed.map(({ points, series, dots, dashed, faint }) => {
      const name = `series-${series}${faint === true ? ' faint' : ''}`
      if (dots === true)
        return points.map(([x, y]) => svg('circle', { class: `dot ${name}`, cx: px(x), cy: py(y), r: 3 }))
      const path = points.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(' ')
      return svg('polyline', { class: `line ${name}${dashed === true ? ' dashed' : ''}`, points: path })
    }),
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
