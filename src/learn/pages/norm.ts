/**
 * LayerNorm, RMSNorm and BatchNorm as an experiment. In: activations [row][time][channel] from a seed, and one value the
 * reader moves. Out: for each norm, which positions' outputs moved. The library's `leak` says the same in three numbers.
 */
import { batchNorm, layerNorm, leak, rmsNorm, type Norm } from '../norm.ts'
import { createRandom, gaussian } from '../random.ts'
import { figure, bars } from './kit/charts.ts'
import { button, numeric, range } from './kit/controls.ts'
import { h, slot } from './kit/dom.ts'
import { afterPaint, announce, startPage } from './kit/page.ts'
import { createState, integer, number } from './kit/state.ts'

const [ROWS, TIMES, CHANNELS] = [2, 6, 4]
const NORMS: readonly (readonly [name: string, norm: Norm])[] = [
  ['LayerNorm', layerNorm],
  ['RMSNorm', rmsNorm],
  ['BatchNorm', batchNorm],
]

const state = createState({
  row: integer(0, 0, ROWS - 1),
  time: integer(3, 0, TIMES - 1),
  amount: number(1.5, -4, 4),
  shift: number(0, -3, 3),
  seed: integer(1, 1, 999_999),
})

slot('controls').append(
  range(state, 'amount', 'Added to channel 0', {
    step: 0.1,
    format: (value) => value.toFixed(1),
  }),
  range(state, 'shift', 'Added to all channels', { step: 0.1, format: (value) => value.toFixed(1) }),
  range(state, 'row', 'Text'),
  range(state, 'time', 'Position'),
  numeric(state, 'seed', 'Seed of the numbers'),
)
slot('buttons').append(button('Put everything back', () => state.set({ amount: 0, shift: 0 })))

function activations(): number[][][] {
  const random = createRandom(state.value.seed)
  return Array.from({ length: ROWS }, () =>
    Array.from({ length: TIMES }, () => Array.from({ length: CHANNELS }, () => gaussian(random))),
  )
}

type Where = 'itself' | 'past' | 'future' | 'other text'

function where(r: number, t: number): Where {
  const { row, time } = state.value
  if (r !== row) return 'other text'
  return t === time ? 'itself' : t < time ? 'past' : 'future'
}

let dragging: { x: number; amount: number } | undefined
window.addEventListener('pointerup', () => (dragging = undefined))
window.addEventListener('pointermove', (event) => {
  if (dragging === undefined) return
  const amount = Math.round((dragging.amount + (event.clientX - dragging.x) / 40) * 10) / 10
  state.set({ amount: Math.max(-4, Math.min(4, amount)) })
})

function move(event: KeyboardEvent): void {
  const { row, time, amount } = state.value
  const step: Readonly<Record<string, Partial<typeof state.value>>> = {
    ArrowLeft: { time: Math.max(0, time - 1) },
    ArrowRight: { time: Math.min(TIMES - 1, time + 1) },
    ArrowUp: { row: Math.max(0, row - 1) },
    ArrowDown: { row: Math.min(ROWS - 1, row + 1) },
    '+': { amount: Math.min(4, amount + 0.1) },
    '-': { amount: Math.max(-4, amount - 0.1) },
  }
  const change = step[event.key]
  if (change === undefined) return
  event.preventDefault()
  state.set(change)
}

/** One decimal, and no minus before a zero. */
const shown = (value: number): string => value.toFixed(1).replace(/^-0\.0$/, '0.0')

/** The input's cells, made once: what is dragged must not be replaced under the finger. */
const cells = Array.from({ length: ROWS }, (_, r) =>
  Array.from({ length: TIMES }, (_, t) => {
    const cell = h('button', { type: 'button' })
    cell.addEventListener('click', () => state.set({ row: r, time: t }))
    cell.addEventListener('keydown', move)
    cell.addEventListener('pointerdown', (event) => {
      dragging = { x: event.clientX, amount: state.value.amount }
      state.set({ row: r, time: t })
    })
    return cell
  }),
)
const grid = h(
  'div',
  { class: 'norm-grid', role: 'group', 'aria-label': 'Activations; arrow keys move, plus and minus change' },
  cells.flat(),
)
grid.style.gridTemplateColumns = `repeat(${TIMES}, minmax(0, 1fr))`
slot('input').append(grid)

function draw(): void {
  const { row, time, amount, shift } = state.value
  const x = activations()
  const nudged = x.map((positions, r) =>
    positions.map((channels, t) =>
      channels.map((value, c) => (r === row && t === time ? value + shift + (c === 0 ? amount : 0) : value)),
    ),
  )
  cells.forEach((line, r) =>
    line.forEach((cell, t) => {
      const chosen = r === row && t === time
      cell.textContent = shown(nudged[r]![t]![0]!)
      cell.setAttribute('aria-pressed', String(chosen))
      cell.setAttribute('aria-label', `Text ${r}, position ${t}, channel 0: ${shown(nudged[r]![t]![0]!)}`)
      cell.tabIndex = chosen ? 0 : -1
      if (chosen && grid.contains(document.activeElement)) cell.focus()
    }),
  )
  slot('norms').replaceChildren(
    ...NORMS.map(([name, norm]) => {
      const [before, after] = [norm(x), norm(nudged)]
      const change = (r: number, t: number): number =>
        Math.max(...before[r]![t]!.map((value, c) => Math.abs(value - after[r]![t]![c]!)))
      const list = Array.from({ length: ROWS * TIMES }, (_, i) => [Math.floor(i / TIMES), i % TIMES] as const)
      const moved = list.filter(([r, t]) => where(r, t) !== 'itself' && change(r, t) > 0)
      const output = h(
        'div',
        { class: 'norm-grid', role: 'img', 'aria-label': `${name}: ${moved.length} other positions moved` },
        list.map(([r, t]) => {
          const by = change(r, t)
          const cell = h(
            'span',
            { class: by > 0 ? 'moved' : 'still', 'data-where': where(r, t), 'data-change': by },
            by === 0 ? '0' : by < 0.005 ? '<.01' : by.toFixed(2),
          )
          return cell
        }),
      )
      output.style.gridTemplateColumns = `repeat(${TIMES}, minmax(0, 1fr))`
      return h(
        'div',
        { 'data-norm': name },
        h('h2', {}, name),
        output,
        h(
          'p',
          {},
          moved.length === 0
            ? 'Nobody else moved.'
            : `${moved.length} others moved: ${moved.filter(([r, t]) => where(r, t) === 'past').length} in its past, ${moved.filter(([r, t]) => where(r, t) === 'other text').length} in the other text.`,
        ),
      )
    }),
  )
  const rows = NORMS.map(([name, norm]) => {
    const { past, future, rows: others } = leak(norm, x, row, time, amount)
    return [name, past, future, others]
  })
  figure(
    slot('leak'),
    'Largest change in the past of the same text: what the past hears of the future',
    (width) =>
      bars(
        width,
        rows.map((each) => ({ label: String(each[0]), value: Number(each[1]) })),
        (value) => value.toFixed(3),
      ),
    { columns: ['norm', 'its past', 'its future', 'other texts'], rows },
  )
  const alone = batchNorm([[nudged[row]![time]!]])[0]![0]!
  slot('alone').textContent =
    `Alone in its batch, as when a model writes one token for one user, this position leaves BatchNorm as ${alone.map((value) => value.toFixed(2)).join(', ')}, whatever it was: its mean is itself and its variance 0.`
  announce(NORMS.map(([name], i) => `${name}: past moved by ${Number(rows[i]![1]).toFixed(2)}`).join('. '))
}

startPage(state, draw)
afterPaint('page', async () => {})
