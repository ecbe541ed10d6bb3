/**
 * A race as something to read. In: a `RaceReport`. Out: Markdown with the verdict, the table, the winner's lineage with
 * word diffs and what was skipped; and an SVG: best so far of every strategy, and every prompt of the winning run with
 * its family line. Every figure is taken from the report. Not here: running anything, writing files.
 */
import { median } from './statistics.ts'
import type { RaceReport, RaceRow } from './race.ts'
import type { Individual, OptimizeResult, RunRecord } from './types.ts'

/** The report as Markdown. `chart` is the address of the SVG beside it. */
export function raceMarkdown(report: RaceReport, title: string, chart?: string): string {
  const { rows, comparisons, judgedBy, budget, seeds, charged, made } = report
  const winning = bestResult(rows[0]!)
  const { best, baseline, comparison, holdout, record } = winning
  const skips = new Map<string, number>()
  for (const { results } of rows)
    for (const result of results)
      for (const [reason, count] of Object.entries(result.record.skips))
        skips.set(reason, (skips.get(reason) ?? 0) + count)
  const cost = rows.flatMap(({ results }) => results).reduce((sum, result) => sum + result.record.cost, 0)
  const lines = [
    `# ${title}`,
    '',
    report.verdict,
    '',
    `Budget ${budget} evaluations a run, seeds ${seeds.join(', ')}; ${charged} evaluations charged, ${made} made` +
      `${cost > 0 ? `, ${cost.toFixed(4)} spent` : ''}. Judged by ${judgedBy === 'holdout' ? 'held-out examples' : 'the examples searched on'}.`,
    '',
    ...(chart === undefined ? [] : [`![Best so far against evaluations](${chart})`, '']),
    '| strategy | best on examples (median) | held out (median) | evaluations | against the first: difference, 95 % interval |',
    '|---|---|---|---|---|',
    ...rows.map((row, i) => {
      const held = row.holdouts.filter((score) => score !== null)
      const { difference, low, high } = comparisons[i - 1]?.comparison ?? {}
      const against =
        difference === undefined ? '' : `${fixed(-difference)} [${fixed(-high!)}, ${fixed(-low!)}]`
      return `| ${row.label} | ${fixed(median(row.finals))} | ${held.length > 0 ? fixed(median(held)) : ''} | ${row.spent.join(', ')} | ${against} |`
    }),
    '',
    `## The best prompt of ${rows[0]!.label} (${fixed(best.mean!)})`,
    '',
    fence(best.prompt),
    '',
    `Against the first candidate (${fixed(baseline.mean!)}): ${fixed(comparison.difference)} on the examples, 95 % interval ` +
      `[${fixed(comparison.low)}, ${fixed(comparison.high)}], ${comparison.wins} wins, ${comparison.losses} losses, ${comparison.ties} ties. ` +
      (holdout === undefined
        ? 'No held-out examples: this gain is optimistic, the prompt was chosen by it.'
        : `Held out: ${fixed(holdout.comparison.difference)} [${fixed(holdout.comparison.low)}, ${fixed(holdout.comparison.high)}]; gap ${fixed(holdout.gap)}.`),
    '',
    '## Lineage',
    '',
    ...lineage(record, best).flatMap((one) => {
      const parent = record.individuals[one.parents[0] ?? -1]
      const diff = parent === undefined ? one.prompt : wordDiff(parent.prompt, one.prompt)
      const from = one.parents.length === 0 ? '' : ` of ${one.parents.map((id) => `#${id}`).join(' and ')}`
      return [
        `- #${one.id}, ${one.operator}${from}, ${fixed(one.mean ?? Number.NaN)}:`,
        '',
        fence(diff, '  '),
        '',
      ]
    }),
    `Passed over: ${skips.size === 0 ? 'nothing' : [...skips].map(([reason, count]) => `${reason} ${count}`).join(', ')}.`,
    '',
  ]
  return lines.join('\n')
}

/** Words only in `before` as [-…-], words only in `after` as {+…+}; by longest common subsequence. */
export function wordDiff(before: string, after: string): string {
  const [a, b] = [before.split(/(?<=\s)/), after.split(/(?<=\s)/)]
  // Quadratic in words: a prompt of a thousand makes a million cells; longer ones are shown whole.
  if (a.length * b.length > 4_000_000) return `[-${before}-]{+${after}+}`
  const width = b.length + 1
  const common = new Uint32Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i * width + j] =
        a[i]!.trim() === b[j]!.trim()
          ? 1 + common[(i + 1) * width + j + 1]!
          : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!)
    }
  }
  let [i, j, out] = [0, 0, '']
  const spaced = (word: string): string => (/\s$/.test(word) ? word : `${word} `)
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i]!.trim() === b[j]!.trim())
      [out, i, j] = [out + spaced(b[j]!), i + 1, j + 1]
    else if (j >= b.length || (i < a.length && common[(i + 1) * width + j]! >= common[i * width + j + 1]!))
      out += `[-${a[i++]!.trim()}-] `
    else out += `{+${b[j++]!.trim()}+} `
  }
  return out.trim()
}

/** The individual and its first parents, oldest first. */
export function lineage(record: RunRecord, one: Individual): Individual[] {
  const line = [one]
  for (let parent = one.parents[0]; parent !== undefined;) {
    const next = record.individuals[parent]!
    line.unshift(next)
    parent = next.parents[0]
  }
  return line
}

/** The run whose best prompt scored highest on the examples. */
function bestResult({ results }: RaceRow): OptimizeResult {
  return results.reduce((a, b) => (b.best.mean! > a.best.mean! ? b : a))
}

const fixed = (value: number): string => value.toFixed(3)

/** A code block that the text cannot close. */
function fence(text: string, indent = ''): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length))
  const ticks = '`'.repeat(longest + 1)
  return [ticks, ...text.split('\n'), ticks].map((line) => indent + line).join('\n')
}

const COLOURS = ['#c0392b', '#2471a3', '#1e8449', '#b7950b', '#7d3c98', '#5d6d7e']
const [WIDTH, HEIGHT, LEFT, TOP] = [720, 300, 56, 30]

/** Two panels: the median best so far of every strategy; the winning run's prompts, its best one's family joined. */
export function raceSvg(report: RaceReport, title: string): string {
  const { rows, budget } = report
  const run = bestResult(rows[0]!)
  const family = lineage(run.record, run.best)
  const steps = Array.from({ length: 61 }, (_, i) => Math.max(1, Math.round((budget * i) / 60)))
  const curves = rows.map(({ results }) =>
    steps.flatMap((spent): [number, number][] => {
      const heights = results.map(({ record }) => record.curve.findLast((p) => p.evaluations <= spent)?.best)
      return heights.every((each) => each !== undefined) ? [[spent, median(heights)]] : []
    }),
  )
  const measured = run.record.individuals.filter((one) => one.mean !== null)
  const x = (spent: number): string => (LEFT + ((WIDTH - LEFT - 16) * spent) / budget).toFixed(1)
  const top = panel(
    curves.flat().map(([, best]) => best),
    0,
  )
  const bottom = panel(
    measured.map((one) => one.mean!),
    HEIGHT,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${2 * HEIGHT}" role="img" font-size="12"`,
    ` font-family="system-ui, sans-serif" color-scheme="light dark"><title>${escaped(title)}</title>`,
    '<style>text{fill:light-dark(#333,#ccc)}.grid{stroke:light-dark(#ddd,#444)}polyline{fill:none;stroke-width:2}</style>',
    `<text x="${LEFT}" y="16" font-weight="600">Best so far by evaluations, median of ${report.seeds.length} seeds</text>`,
    top.axis,
    ...curves.map((points, i) => {
      const line = points.map(([spent, best]) => `${x(spent)},${top.y(best)}`).join(' ')
      return `<polyline stroke="${COLOURS[i % COLOURS.length]}" points="${line}"/>`
    }),
    ...rows.map(
      ({ label }, i) =>
        `<text x="${WIDTH - 20}" y="${HEIGHT - 60 - 16 * (rows.length - 1 - i)}" text-anchor="end" style="fill:${COLOURS[i % COLOURS.length]}">${escaped(label)}</text>`,
    ),
    `<text x="${LEFT}" y="${HEIGHT + 16}" font-weight="600">Every prompt of ${escaped(rows[0]!.label)}, seed ${run.record.seed}; the best one's line of descent</text>`,
    bottom.axis,
    ...measured.map(
      (one) =>
        `<circle cx="${x(one.bornAt)}" cy="${bottom.y(one.mean!)}" r="2.5" fill="#7aa6c2" opacity="0.7"/>`,
    ),
    `<polyline stroke="${COLOURS[0]}" points="${family
      .filter((one) => one.mean !== null)
      .map((one) => `${x(one.bornAt)},${bottom.y(one.mean!)}`)
      .join(' ')}"/>`,
    ...[0, HEIGHT].flatMap((from) =>
      [0, 0.25, 0.5, 0.75, 1].map(
        (part) =>
          `<text x="${x(part * budget)}" y="${from + HEIGHT - 14}" text-anchor="middle">${Math.round(part * budget)}</text>`,
      ),
    ),
    '</svg>\n',
  ].join('\n')
}

/** A scale for some values, and its five lines. */
function panel(values: readonly number[], from: number): { y: (value: number) => string; axis: string } {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity)
  const high = Math.max(
    values.reduce((a, b) => Math.max(a, b), -Infinity),
    low + 1e-9,
  )
  const y = (value: number): string =>
    (from + TOP + (HEIGHT - TOP - 34) * (1 - (value - low) / (high - low))).toFixed(1)
  const axis = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const value = low + part * (high - low)
    return (
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - 16}" y1="${y(value)}" y2="${y(value)}"/>` +
      `<text x="${LEFT - 6}" y="${y(value)}" dy="4" text-anchor="end">${value.toFixed(2)}</text>`
    )
  })
  return { y, axis: axis.join('\n') }
}

const escaped = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)
