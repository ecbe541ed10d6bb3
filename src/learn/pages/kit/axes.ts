/**
 * Two axes with names, ticks and a legend. In: a width, the values to make room for, how to scale them. Out: functions
 * from values to pixels, and the nodes that stand behind a drawing. The name of an axis stands where the axis ends, level,
 * because a name turned on its side is read last.
 */
import { svg, type Child } from './dom.ts'

/** How a chart is scaled and named. */
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

/** One line of a legend. `series` 1 to 4 chooses the colour. */
export interface Key {
  readonly name: string
  readonly series: 1 | 2 | 3 | 4
  readonly dots?: boolean
  readonly dashed?: boolean
  /** One of many behind another line: pale, and without a place in the legend. */
  readonly faint?: boolean
}

/** Where values stand, and what stands behind them. */
export interface Frame {
  readonly height: number
  readonly px: (x: number) => number
  readonly py: (y: number) => number
  readonly nodes: Child
}

/** Round values between two, about `count` of them. */
export function ticks(low: number, high: number, log: boolean, count: number): number[] {
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
  // Multiples, not sums: 0.1 + 0.2 has a tail that would be printed.
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-6; i++) found.push(i * step)
  return found
}

/** The legend in as few lines as the width allows. */
function legend(width: number, left: number, keys: readonly Key[]): { lines: number; nodes: Child[] } {
  let [x, line] = [left, 0]
  const nodes = keys.map(({ name, series, dots, dashed }) => {
    // About 6.6 pixels a letter at 12.5 pixels; too much is harmless.
    const wide = 40 + 6.6 * name.length
    if (x > left && x + wide > width) [x, line] = [left, line + 1]
    const y = 10 + 18 * line
    const at = x
    x += wide
    return [
      dots === true
        ? svg('circle', { class: `dot series-${series}`, cx: at + 10, cy: y, r: 4 })
        : svg('line', {
            class: `line series-${series}${dashed === true ? ' dashed' : ''}`,
            x1: at,
            x2: at + 20,
            y1: y,
            y2: y,
          }),
      svg('text', { class: 'small', x: at + 26, y: y + 4 }, name),
    ]
  })
  return { lines: keys.length === 0 ? 0 : line + 1, nodes }
}

/** Lays out axes for these values. */
export function frame(
  width: number,
  xs: readonly number[],
  ys: readonly number[],
  axes: Axes,
  keys: readonly Key[] = [],
): Frame {
  const { logX = false, logY = false, tight = false } = axes
  const { format = (value) => String(Number(value.toPrecision(3))) } = axes
  const smallest = (values: readonly number[]): number =>
    values.reduce((a, b) => (b > 0 && b < a ? b : a), 1e9)
  const range = (values: readonly number[], log: boolean): [number, number] => {
    const high = values.reduce((a, b) => Math.max(a, b), tight ? -Infinity : 1e-9)
    if (log) return [smallest(values), high]
    const low = values.reduce((a, b) => Math.min(a, b), tight ? Infinity : 0)
    return high > low ? [low, high] : [low - 0.5, low + 0.5]
  }
  const [x0, x1] = range(xs, logX)
  const [y0, y1] = range(ys, logY)
  const [left, right, bottom] = [54, 14, 38]
  const shown = legend(width, 0, keys)
  const top = 24 + 18 * shown.lines
  const height = (axes.height ?? 260) + 18 * Math.max(0, shown.lines - 1)
  const share = (value: number, low: number, high: number, log: boolean): number =>
    log ? Math.log(Math.max(value, low) / low) / Math.log(high / low) || 0 : (value - low) / (high - low)
  const px = (x: number): number => left + Math.max(10, width - left - right) * share(x, x0, x1, logX)
  const py = (y: number): number => height - bottom - (height - top - bottom) * share(y, y0, y1, logY)
  return {
    height,
    px,
    py,
    nodes: [
      shown.nodes,
      svg('text', { class: 'axis', x: 0, y: top - 10 }, `↑ ${axes.y}`),
      ticks(y0, y1, logY, 4).map((y) => [
        svg('line', { class: 'grid', x1: left, x2: width - right, y1: py(y), y2: py(y) }),
        svg('text', { class: 'small', x: left - 6, y: py(y) + 4, 'text-anchor': 'end' }, format(y)),
      ]),
      ticks(x0, x1, logX, Math.max(2, Math.floor(width / 110))).map((x) =>
        svg(
          'text',
          { class: 'small', x: px(x), y: height - bottom + 17, 'text-anchor': 'middle' },
          String(Number(x.toPrecision(3))),
        ),
      ),
      svg('text', { class: 'axis', x: width - right, y: height - 4, 'text-anchor': 'end' }, `${axes.x} →`),
    ],
  }
}
