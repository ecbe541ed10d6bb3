/**
 * What every head of the trained model looks at while it reads a text. In: a text of up to 64 characters. Out: a grid of
 * small maps, one large map whose cells can be walked with the arrow keys, the products behind a cell, arcs of a row; and
 * for each head what it is for (previous-token and induction score) and what the loss becomes without it. All from one
 * forward pass of the library's own model; nothing is drawn that was not computed.
 */
import { attentionMaps } from '../attention.ts'
import { loss } from '../llm500.ts'
import { createRandom } from '../random.ts'
import { tales } from '../tales.ts'
import type { Loaded, Model } from '../types.ts'
import { bars, figure, shade, tableView } from './kit/charts.ts'
import { button, checkbox, numeric, range, select, textField } from './kit/controls.ts'
import { h, slot, svg, visible } from './kit/dom.ts'
import { loadModel, memoryOf, unknownCharacters, type Kernel } from './kit/model.ts'
import { afterPaint, announce, notice, startPage } from './kit/page.ts'
import { choice, createState, flag, integer, text } from './kit/state.ts'

const LAYERS = 4
const HEADS = 4
/** Pixels that the letters beside the map take. */
const EDGE = 24
/** Windows of held-out text that the loss is measured on. */
const EXAM = 8

const state = createState({
  text: text('Once upon a time there was a miller who had a miller', 400),
  layer: integer(1, 0, LAYERS - 1),
  head: integer(0, 0, HEADS - 1),
  row: integer(40, 0, 63),
  column: integer(39, 0, 63),
  off: flag(false),
  kernel: choice('wasm', ['wasm', 'typescript']),
  seed: integer(1, 1, 999_999),
})

let loaded: Loaded | undefined
let used: Kernel = 'wasm'
let maps: number[][][][] = []
let ids: Int32Array = new Int32Array(0)
let drawnFor = ''
let scores: {
  readonly layer: number
  readonly head: number
  previous: number
  induction: number
  delta: number
}[] = []
let baseLoss = NaN

const reading = textField(state, 'text', 'The model reads (at most 64 characters)', { longest: 400 })
reading.classList.add('wide')
slot('controls').append(
  reading,
  range(state, 'row', 'Query (asks)', {
    format: (i) => named(i),
    max: () => ids.length - 1,
  }),
  range(state, 'column', 'Key (looked at)', {
    format: (i) => named(i),
    max: () => ids.length - 1,
  }),
  checkbox(state, 'off', 'Switch the chosen head off'),
  select(state, 'kernel', 'Matrix product', { wasm: 'WebAssembly SIMD', typescript: 'TypeScript' }),
  numeric(state, 'seed', 'Seed of random text'),
)

const charAt = (i: number): string => visible(loaded?.vocabulary.chars[ids[i]!] ?? '')
function named(i: number): string {
  return i < ids.length ? `${i}: ${charAt(i)}` : '–'
}

/**
 * Silences a head: its rows of the output projection become 0, so whatever it found reaches nobody. Returns the way
 * back.
 */
function silence(model: Model, layer: number, head: number): () => void {
  const { channels: C, heads } = model.shape
  const D = C / heads
  const from = model.at(`h.${layer}.attn.c_proj.weight`) + head * D * C
  const kept = model.f.slice(from, from + D * C)
  model.f.fill(0, from, from + D * C)
  return () => model.f.set(kept, from)
}

/** Mean attention from each position to the one `back` before it. */
function towards(map: readonly (readonly number[])[], from: number, target: (t: number) => number): number {
  let sum = 0
  for (let t = from; t < map.length; t++) sum += map[t]![target(t)]!
  return sum / (map.length - from)
}

/** Loss on held-out tales with the weights as they are now. */
function examine(model: Model, held: Int32Array): number {
  const T = model.shape.context
  const rows = EXAM * T
  return loss(model, held.subarray(0, rows), held.subarray(1, rows + 1))
}

function measureHeads(): void {
  const { model, vocabulary } = loaded!
  const { context: T, vocab } = model.shape
  const held = vocabulary.encode(tales(EXAM * T + 200, 77))
  const random = createRandom(state.value.seed)
  const half = T / 2
  const noise = Array.from({ length: half }, () => Math.floor(random() * vocab))
  const repeated = attentionMaps(model, [...noise, ...noise])
  baseLoss = examine(model, held)
  scores = []
  for (let layer = 0; layer < LAYERS; layer++) {
    for (let head = 0; head < HEADS; head++) {
      const map = repeated[layer]![head]!
      const restore = silence(model, layer, head)
      const without = examine(model, held)
      restore()
      scores.push({
        layer,
        head,
        previous: towards(map, 1, (t) => t - 1),
        // In the second copy, the character after this one's first appearance.
        induction: towards(map, half, (t) => t - half + 1),
        delta: without - baseLoss,
      })
    }
  }
}

function compute(): void {
  const { model, vocabulary } = loaded!
  const { text: source, layer, head, off } = state.value
  const strangers = unknownCharacters(vocabulary.chars, source)
  const sentences = []
  if (source === '') sentences.push('The text is empty: the model reads a line break.')
  if (strangers.length > 0)
    sentences.push(
      `The model does not know ${strangers.map((char) => JSON.stringify(char)).join(', ')}; it reads the nearest character it knows instead.`,
    )
  if (source.length > model.shape.context)
    sentences.push(`Only the last ${model.shape.context} characters fit its window.`)
  notice('text', sentences)
  const all = vocabulary.encode(source === '' ? '\n' : source)
  ids = (all.length === 0 ? vocabulary.encode('\n') : all).slice(-model.shape.context)
  const restore = off ? silence(model, layer, head) : () => {}
  maps = attentionMaps(model, ids)
  restore()
}

const cell = (): { row: number; column: number } => {
  const row = Math.min(state.value.row, ids.length - 1)
  return { row, column: Math.min(state.value.column, row) }
}

function paintMap(canvas: HTMLCanvasElement, map: readonly (readonly number[])[], size: number): void {
  const n = map.length
  canvas.width = size
  canvas.height = size
  const context = canvas.getContext('2d')
  if (context === null) return
  const style = getComputedStyle(canvas)
  context.clearRect(0, 0, size, size)
  const side = size / n
  for (let t = 0; t < n; t++)
    for (let s = 0; s <= t; s++) {
      context.fillStyle = shade(Math.sqrt(map[t]![s]!))
      context.fillRect(s * side, t * side, Math.ceil(side), Math.ceil(side))
    }
  // The future is not dark, it is not there: hatched.
  context.strokeStyle = style.getPropertyValue('color')
  context.globalAlpha = 0.25
  context.beginPath()
  for (let d = -size; d < size; d += Math.max(5, size / 40)) {
    context.moveTo(Math.max(0, d), Math.max(0, -d))
    context.lineTo(d > 0 ? size : size + d, d > 0 ? size - d : size)
  }
  context.save()
  context.clip(upper(n, side))
  context.stroke()
  context.restore()
  context.globalAlpha = 1
}

/** The cells above the diagonal, as a path. */
function upper(n: number, side: number): Path2D {
  const path = new Path2D()
  for (let t = 0; t < n - 1; t++) path.rect((t + 1) * side, t * side, (n - t - 1) * side, side)
  return path
}

let thumbnails: { canvas: HTMLCanvasElement; control: HTMLButtonElement }[] = []
const big = h('canvas', { tabindex: 0, role: 'img', id: 'map' })
const cursor = h('div', { 'aria-hidden': 'true', class: 'cursor' })
slot('map-holder').append(big)
slot('map-holder').append(cursor)

function makeGrid(): void {
  const grid = slot('heads')
  grid.style.gridTemplateColumns = `repeat(${HEADS}, 1fr)`
  thumbnails = Array.from({ length: LAYERS * HEADS }, (_, i) => {
    const [layer, head] = [Math.floor(i / HEADS), i % HEADS]
    const canvas = h('canvas', { 'aria-hidden': 'true' })
    const control = button('', () => state.set({ layer, head }))
    control.setAttribute('aria-label', `${layer}.${head}: layer ${layer}, head ${head}`)
    control.append(canvas, `${layer}.${head}`)
    return { canvas, control }
  })
  grid.replaceChildren(...thumbnails.map(({ control }) => control))
}

big.addEventListener('keydown', (event) => {
  const { row, column } = cell()
  const move: Readonly<Record<string, readonly [number, number]>> = {
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
  }
  const by = move[event.key]
  if (by === undefined) return
  event.preventDefault()
  const next = Math.max(0, Math.min(ids.length - 1, row + by[0]))
  state.set({ row: next, column: Math.max(0, Math.min(next, column + by[1])) })
})
big.addEventListener('pointerdown', (event) => pick(event))
big.addEventListener('pointermove', (event) => {
  if (event.buttons > 0) pick(event)
})
function pick(event: PointerEvent): void {
  const box = big.getBoundingClientRect()
  const at = (share: number): number => Math.max(0, Math.min(ids.length - 1, Math.floor(share * ids.length)))
  const row = at((event.clientY - box.top) / box.height)
  state.set({ row, column: Math.min(row, at((event.clientX - box.left) / box.width)) })
}

/** q·k of one cell, dimension by dimension, straight from the activations of the last forward pass. */
function products(row: number, column: number): number[] {
  const { model } = loaded!
  const { channels: C, heads } = model.shape
  const D = C / heads
  const base = model.at(`qkv.${state.value.layer}`) + state.value.head * D
  return Array.from(
    { length: D },
    (_, d) => model.f[base + row * 3 * C + d]! * model.f[base + column * 3 * C + C + d]!,
  )
}

function draw(): void {
  if (loaded === undefined) return
  const { layer, head, off, seed } = state.value
  if (state.value.kernel !== used && memoryOf(state.value.kernel).used !== used) void reload()
  const key = [state.value.text, off, off ? `${layer}.${head}` : '', used].join('\n')
  if (key !== drawnFor) {
    compute()
    drawnFor = key
    // The sliders end where the text ends, which is known only now.
    state.set({})
  }
  if (scores.length === 0 || slot('scores').dataset['seed'] !== String(seed)) {
    measureHeads()
    slot('scores').dataset['seed'] = String(seed)
    compute() // the measurement used the same activations
    drawScores()
  }
  const { row, column } = cell()
  const map = maps[layer]![head]!
  thumbnails.forEach(({ canvas, control }, i) => {
    paintMap(canvas, maps[Math.floor(i / HEADS)]![i % HEADS]!, 64)
    control.setAttribute('aria-pressed', String(i === layer * HEADS + head))
  })
  const size = Math.max(160, Math.min(520, (slot('map-holder').parentElement!.clientWidth || 344) - EDGE))
  paintMap(big, map, size)
  big.style.width = `${size}px`
  const weight = map[row]![column]!
  big.setAttribute(
    'aria-label',
    `Attention of layer ${layer}, head ${head}. Arrow keys move. Row ${named(row)}, column ${named(column)}: ${weight.toFixed(3)}.`,
  )
  const side = size / ids.length
  cursor.style.left = `${column * side}px`
  cursor.style.top = `${row * side}px`
  cursor.style.width = cursor.style.height = `${Math.max(4, side)}px`
  drawEdges(size)
  slot('cell').textContent =
    `Position ${named(row)} gives ${(100 * weight).toFixed(1)} % of its attention in head ${layer}.${head} to position ${named(column)}.`
  slot('map-table').replaceChildren(
    tableView(
      `Attention of head ${layer}.${head}: rows ask, columns answer`,
      ['query', ...map.map((_, s) => named(s))],
      map.map((weights, t) => [named(t), ...weights]),
      3,
    ),
  )
  const each = products(row, column)
  const sum = each.reduce((a, b) => a + b, 0)
  figure(
    slot('products'),
    `q·k by dimension: the sum ${sum.toFixed(2)}, divided by √${each.length}, is the score ${(sum / Math.sqrt(each.length)).toFixed(2)}`,
    (width) => signedBars(width, each),
    { columns: ['dimension', 'q·k'], rows: each.map((value, d) => [d, value]) },
  )
  figure(
    slot('arcs'),
    `Where position ${named(row)} looks: arcs as thick as the attention`,
    (width) => arcs(width, map[row]!, row),
    {
      columns: ['position', 'attention'],
      rows: map[row]!.slice(0, row + 1).map((value, s) => [named(s), value]),
    },
  )
  announce(`Row ${named(row)}, column ${named(column)}: ${weight.toFixed(3)}`)
}

/** The text along both edges of the map; where cells are too small for letters, only the chosen row and column. */
function drawEdges(size: number): void {
  const { row, column } = cell()
  const side = size / ids.length
  const letter = (i: number, chosen: boolean, x: number, y: number): SVGElement | null =>
    side < 7 && !chosen
      ? null
      : svg('text', { class: chosen ? 'edge chosen' : 'edge', x, y, 'text-anchor': 'middle' }, charAt(i))
  const at = (i: number): number => (i + 0.5) * side
  slot('map-top').replaceChildren(
    svg(
      'svg',
      { width: size, height: 32, 'aria-hidden': 'true' },
      svg('text', { class: 'axis', x: size, y: 11, 'text-anchor': 'end' }, 'key: looked at →'),
      Array.from(ids, (_, i) => letter(i, i === column, at(i), 28)),
    ),
  )
  slot('map-left').replaceChildren(
    svg(
      'svg',
      { width: 20, height: size, 'aria-hidden': 'true' },
      Array.from(ids, (_, i) => letter(i, i === row, 10, at(i) + 4)),
    ),
  )
}

function signedBars(width: number, values: readonly number[]): SVGElement {
  const [left, top, tall, foot] = [44, 22, 120, 36]
  const height = top + tall + foot
  const most = Math.max(1e-9, ...values.map(Math.abs))
  const step = (width - left) / values.length
  const middle = top + tall / 2
  return svg(
    'svg',
    { width, height, role: 'img', 'aria-label': `${values.length} products; see the table.` },
    svg('text', { class: 'axis', x: 0, y: 10 }, '↑ q·k'),
    [most, 0, -most].map((value) => {
      const y = middle - (value / most) * (tall / 2)
      return [
        svg('line', { class: 'grid', x1: left, x2: width, y1: y, y2: y }),
        svg('text', { class: 'small', x: left - 6, y: y + 4, 'text-anchor': 'end' }, value.toFixed(1)),
      ]
    }),
    values.map((value, d) => {
      const size = (Math.abs(value) / most) * (tall / 2)
      return [
        svg('rect', {
          class: value >= 0 ? 'fill' : 'fill chosen',
          x: left + d * step + 1,
          width: Math.max(1, step - 2),
          y: value >= 0 ? middle - size : middle,
          height: size,
        }),
        d % 4 === 0
          ? svg(
              'text',
              { class: 'small', x: left + (d + 0.5) * step, y: top + tall + 16, 'text-anchor': 'middle' },
              d,
            )
          : null,
      ]
    }),
    svg('text', { class: 'axis', x: width, y: height - 4, 'text-anchor': 'end' }, 'dimension →'),
  )
}

function arcs(width: number, weights: readonly number[], row: number): SVGElement {
  const step = width / ids.length
  const height = 40 + Math.min(110, width / 5)
  const x = (i: number): number => (i + 0.5) * step
  const floor = height - 22
  // A cubic rises to three quarters of its control points: none leaves the picture.
  const lift = (s: number): number => ((floor - 8) / 0.75) * ((row - s + 1) / (row + 1))
  return svg(
    'svg',
    { width, height, role: 'img', 'aria-label': 'Arcs over the text; see the table.' },
    weights.slice(0, row + 1).map((weight, s) =>
      weight < 0.01
        ? null
        : svg('path', {
            class: 'arc',
            opacity: Math.min(1, 0.25 + weight),
            'stroke-width': 1 + 7 * weight,
            d: `M ${x(row)} ${floor} C ${x(row)} ${floor - lift(s)}, ${x(s)} ${floor - lift(s)}, ${x(s)} ${floor}`,
          }),
    ),
    Array.from(ids, (_, i) =>
      svg(
        'text',
        { class: i === row ? 'chosen' : 'small', x: x(i), y: height - 6, 'text-anchor': 'middle' },
        step > 7 || i % 2 === 0 ? charAt(i) : '',
      ),
    ),
  )
}

function drawScores(): void {
  const name = ({ layer, head }: { layer: number; head: number }): string => `${layer}.${head}`
  const rows = scores.map((each) => [name(each), each.delta, each.previous, each.induction])
  figure(
    slot('scores'),
    `Loss on ${EXAM * 64} held-out characters: ${baseLoss.toFixed(3)} nats. Bars: how much it rises when the head is silent`,
    (width) =>
      bars(
        width,
        scores.map((each) => ({ label: name(each), value: Math.max(0, each.delta) })),
        (value) => `+${value.toFixed(3)}`,
      ),
    { columns: ['head', 'loss added', 'looks at the previous', 'induction'], rows },
  )
  const best = (by: 'previous' | 'induction' | 'delta'): (typeof scores)[number] =>
    scores.reduce((a, b) => (b[by] > a[by] ? b : a))
  const [previous, induction, needed] = [best('previous'), best('induction'), best('delta')]
  slot('verdict').textContent =
    `On random text read twice, head ${name(previous)} looks most at the character just before (${(100 * previous.previous).toFixed(0)} % of its attention), and head ${name(induction)} most at what followed last time (${(100 * induction.induction).toFixed(0)} %; even attention would give ${(100 / 48).toFixed(0)} %). Without head ${name(needed)} the loss rises by ${needed.delta.toFixed(3)}.`
}

async function reload(): Promise<void> {
  const wanted = memoryOf(state.value.kernel).used
  loaded = await loadModel({ batch: EXAM, kernel: wanted })
  used = wanted
  drawnFor = ''
  scores = []
  document.documentElement.dataset['kernel'] = used
  notice(
    'wasm',
    state.value.kernel === 'wasm' && used !== 'wasm'
      ? 'This browser has no WebAssembly SIMD; the TypeScript product computes the same, slower.'
      : '',
  )
  redraw()
}

/** What the colours mean, in the same steps as the map: the square root of the share. */
function drawScale(): void {
  const stops = [0, 0.02, 0.1, 0.25, 0.5, 1]
  slot('map-scale').replaceChildren(
    ...stops.map((share) => {
      const swatch = h('span', { class: 'swatch', 'aria-hidden': 'true' })
      swatch.style.background = shade(Math.sqrt(share))
      return h('span', {}, swatch, ` ${Math.round(100 * share)} %`)
    }),
  )
}

makeGrid()
drawScale()
const { redraw } = startPage(state, draw)
window.addEventListener('resize', redraw)
afterPaint('model', reload)
