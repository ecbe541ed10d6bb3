/**
 * The benchmark's report: a Markdown table and an SVG chart per name, from the results kept beside them as JSON.
 *
 * In:  row results. Out: three strings. Rows measured earlier and not now keep their older figures and their date.
 * Not here: measuring.
 */
import type { Measured, RowResult } from './run.ts'

/** The rows of `fresh`, and those of `kept` that were not measured again, in the order given by `names`. */
export function mergeRows(
  kept: readonly RowResult[],
  fresh: readonly RowResult[],
  names: readonly string[],
): RowResult[] {
  const byName = new Map([...kept, ...fresh].map((result) => [result.row, result]))
  return names.flatMap((name) => byName.get(name) ?? [])
}

/** The report as Markdown. */
export function markdown(title: string, name: string, results: readonly RowResult[]): string {
  const out = [`# ${title}: measured`, '']
  out.push(
    `\`npm run bench -- ${name}\` writes this file. Same answer checked first, fresh process per figure, rounds`,
    'interleaved, median (smallest–largest). Ratios hold between machines better than figures; `×` is what a',
    'contestant takes for one of ours.',
    '',
    `![${title}](${name}.svg)`,
    '',
  )
  for (const { row, unit, note, contestants, targets, measured } of results) {
    const ours = contestants[0]!.median
    out.push(`## ${row}`, '', `| contestant | ${unit} | spread | × |`, '|---|--:|--:|--:|')
    for (const one of contestants) {
      out.push(
        one.failed === undefined
          ? `| ${one.name} | ${number(one.median)} | ${number(one.smallest)}–${number(one.largest)} | ${(one.median / ours).toFixed(2)} |`
          : `| ${one.name} | ${one.failed.replaceAll('|', '\\|')} | | |`,
      )
    }
    out.push('')
    for (const { of, than, atMost, ratio, met } of targets) {
      const what = than === undefined ? of : `${of} ÷ ${than}`
      out.push(`- ${what} = **${ratio.toFixed(2)}**, wanted ≤ ${atMost}: ${met ? 'reached' : 'not reached'}.`)
    }
    if (targets.length > 0) out.push('')
    if (note !== undefined) out.push(note, '')
    const clock = measured.clock === 'cpu' ? 'processor time' : 'wall time'
    out.push(
      `${measured.date}, Node ${measured.node}, ${measured.cpu}, ${measured.rounds} rounds, ${clock}.`,
      '',
    )
  }
  return out.join('\n')
}

/** Three significant digits, no exponent, thousands apart. */
function number(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toLocaleString('en-US', { maximumFractionDigits: Math.min(digits, 4) })
}

const WIDTH = 760
const LABEL = 230
const BAR = WIDTH - LABEL - 150
const LINE = 20
/** Longer bars are cut off with a mark: beyond this, the eye only needs to know that it is far. */
const LONGEST_RATIO = 12

const STYLE = [
  'text{font:12px system-ui,sans-serif;fill:#24292f}',
  '.h{font-weight:600}.m{fill:#57606a}.o{fill:#0969da}.p{fill:#afb8c1}.c{fill:none;stroke-width:1.5}',
  '.a{stroke:#d0d7de}.so{stroke:#0969da}.sp{stroke:#8c959f}',
  '@media(prefers-color-scheme:dark){text{fill:#e6edf3}.m{fill:#9198a1}.o{fill:#4493f8}.p{fill:#656c76}',
  '.a{stroke:#3d444d}.so{stroke:#4493f8}.sp{stroke:#9198a1}}',
].join('')

/** The report as one SVG: bars per row, ours in colour; a curve under the rows that have one. */
export function svg(title: string, results: readonly RowResult[]): string {
  const parts: string[] = []
  let y = 24
  parts.push(text(12, y, title, 'h'))
  for (const result of results) {
    y += 30
    parts.push(text(12, y, result.row, 'h'), text(WIDTH - 12, y, result.unit, 'm', 'end'))
    const shown = result.contestants.filter((one) => one.failed === undefined)
    const ours = shown[0]?.median ?? 1
    const longest = Math.min(LONGEST_RATIO * ours, Math.max(...shown.map((one) => one.median)))
    for (const [i, one] of shown.entries()) {
      y += LINE
      const width = Math.max(1, (Math.min(one.median, longest) / longest) * BAR)
      parts.push(text(LABEL - 8, y, one.name, '', 'end'))
      parts.push(
        `<rect class="${i === 0 ? 'o' : 'p'}" x="${LABEL}" y="${y - 11}" width="${width.toFixed(1)}" height="13" rx="2"/>`,
      )
      const cut = one.median > longest ? ' ⋯' : ''
      const ratio = i === 0 ? '' : `  ${(one.median / ours).toFixed(one.median / ours < 10 ? 2 : 0)}×`
      parts.push(text(LABEL + width + 6, y, `${cut}${number(one.median)}${ratio}`, 'm'))
    }
    const curves = shown.filter((one) => one.series !== undefined)
    if (curves.length > 0) {
      parts.push(curveChart(curves, y + 12))
      y += CURVE_HEIGHT + 30
    }
  }
  const height = y + 20
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}"><style>${STYLE}</style>${parts.join('')}</svg>\n`
}

const CURVE_HEIGHT = 140

function curveChart(curves: readonly Measured[], top: number): string {
  const points = curves.flatMap((one) => one.series!)
  const maxX = Math.max(...points.map(([x]) => x))
  const maxY = Math.max(...points.map(([, y]) => y))
  const place = ([x, y]: [number, number]): string =>
    `${(LABEL + (x / maxX) * BAR).toFixed(1)},${(top + CURVE_HEIGHT - (y / maxY) * CURVE_HEIGHT).toFixed(1)}`
  const bottom = top + CURVE_HEIGHT
  const lines = curves.map(
    ({ series }, i) =>
      `<polyline class="c ${i === 0 ? 'so' : 'sp'}" points="${series!.map(place).join(' ')}"/>`,
  )
  return [
    `<path class="a" d="M${LABEL} ${top}V${bottom}H${LABEL + BAR}" fill="none"/>`,
    text(LABEL - 8, top + 10, number(maxY), 'm', 'end'),
    text(LABEL - 8, bottom, '0', 'm', 'end'),
    text(LABEL + BAR, bottom + 14, number(maxX), 'm', 'end'),
    ...lines,
  ].join('')
}

function text(x: number, y: number, content: string, style: string, anchor = 'start'): string {
  return `<text x="${x.toFixed(1)}" y="${y}" class="${style}" text-anchor="${anchor}">${escaped(content)}</text>`
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
