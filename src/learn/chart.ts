/**
 * The loss of a training run as a picture. In: what `train` reported. Out: an SVG with both losses over the steps and
 * the baseline to beat. Colours follow the reader's light or dark scheme. Not here: interaction.
 */
import type { TrainStep } from './types.ts'

const WIDTH = 720
const HEIGHT = 360
const LEFT = 52
const BOTTOM = 40
const TOP = 28

/** The chart; losses in nats a character. Throws RangeError without any step. */
export function lossChart(steps: readonly TrainStep[], title: string, trigramLoss?: number): string {
  const last = steps.at(-1)
  if (last === undefined) throw new RangeError('A loss chart needs at least one step.')
  const top = Math.ceil(Math.max(...steps.map(({ loss }) => loss), trigramLoss ?? 0) * 2) / 2
  const x = (step: number): number => LEFT + ((WIDTH - LEFT - 16) * step) / last.step
  const y = (loss: number): number => TOP + (HEIGHT - TOP - BOTTOM) * (1 - loss / top)
  const line = (points: readonly (readonly [number, number])[]): string =>
    points.map(([step, loss]) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`).join(' ')
  const held = steps.filter((step) => step.valLoss !== undefined)
  const ticks = Array.from({ length: top * 2 + 1 }, (_, i) => i / 2)
  const marks = [0, 0.25, 0.5, 0.75, 1].map((part) => Math.round(part * last.step))
  const escaped = title.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" font-size="12"`,
    ` font-family="system-ui, sans-serif" color-scheme="light dark"><title>${escaped}</title>`,
    '<style>text{fill:light-dark(#333,#ccc)}.grid{stroke:light-dark(#ddd,#444)}.train{stroke:#7aa6c2}',
    '.val{stroke:#c0392b}.base{stroke:light-dark(#777,#aaa);stroke-dasharray:5 4}polyline{fill:none}</style>',
    `<text x="${LEFT}" y="16" font-weight="600">${escaped}</text>`,
    ...ticks.map((loss) => {
      const at = y(loss).toFixed(1)
      const rule = `<line class="grid" x1="${LEFT}" x2="${WIDTH - 16}" y1="${at}" y2="${at}"/>`
      return `${rule}<text x="${LEFT - 8}" y="${at}" dy="4" text-anchor="end">${loss}</text>`
    }),
    ...marks.map((step) => `<text x="${x(step)}" y="${HEIGHT - 20}" text-anchor="middle">${step}</text>`),
    `<text x="${WIDTH - 16}" y="${HEIGHT - 4}" text-anchor="end">step; nats a character</text>`,
    `<polyline class="train" points="${line(steps.map((s) => [s.step, s.loss]))}"/>`,
    `<polyline class="val" stroke-width="2" points="${line(held.map((s) => [s.step, s.valLoss ?? 0]))}"/>`,
    ...(trigramLoss === undefined
      ? []
      : [
          `<line class="base" x1="${LEFT}" x2="${WIDTH - 16}" y1="${y(trigramLoss)}" y2="${y(trigramLoss)}"/>`,
          `<text x="${WIDTH - 20}" y="${y(trigramLoss) - 6}" text-anchor="end">trigrams ${trigramLoss.toFixed(2)}</text>`,
        ]),
    `<text x="${WIDTH - 20}" y="${y(last.valLoss ?? last.loss) - 8}" text-anchor="end">`,
    `held-out text ${(last.valLoss ?? last.loss).toFixed(2)}</text></svg>\n`,
  ].join('')
}
