/**
 * O(n²) and the KV cache, measured on the reader's machine beside the formula. In: a shape. Out: the time of each token
 * with and without a cache, the curve the operation count predicts, bytes of cache, and prefill against decode. The one
 * free number of the prediction, operations a second, is taken from the measurement itself; the shape of the curve is not.
 */
import {
  attentionFlops,
  cacheBytes,
  cachedFlops,
  crossover,
  linearFlops,
  uncachedFlops,
} from '../kv-cache.ts'
import type { CacheAnswer, CacheAsk } from './cache-job.ts'
import { figure, lines } from './kit/charts.ts'
import { button, checkbox, range, select } from './kit/controls.ts'
import { h, slot } from './kit/dom.ts'
import { afterPaint, announce, notice, startPage } from './kit/page.ts'
import { choice, createState, flag, integer } from './kit/state.ts'
import { startJob, type Running } from './kit/worker.ts'

const PROBES = 8
const state = createState({
  layers: integer(2, 1, 6),
  channels: choice('32', ['16', '32', '64', '96']),
  tokens: choice('256', ['64', '128', '256', '512', '1024']),
  sequences: integer(1, 1, 64),
  log: flag(false),
})

slot('controls').append(
  range(state, 'layers', 'Layers'),
  select(state, 'channels', 'Channels C'),
  select(state, 'tokens', 'Tokens n'),
  range(state, 'sequences', 'Sequences (memory)'),
  checkbox(state, 'log', 'Logarithmic axes'),
)

let running: Running | undefined
let cached: [number, number][] = []
let uncached: [number, number][] = []
let prefill: { ms: number; tokens: number } | undefined
let measuredShape = ''

const shape = (): CacheAsk['shape'] => ({
  layers: state.value.layers,
  heads: 4,
  channels: Number(state.value.channels),
  context: Number(state.value.tokens),
  vocab: 71,
})

const start = button('Measure now', () => measure())
start.classList.add('primary')
slot('buttons').append(start, h('span', { id: 'progress', class: 'still' }, 'Starting …'))

function measure(): void {
  running?.end()
  cached = []
  uncached = []
  prefill = undefined
  measuredShape = JSON.stringify(shape())
  start.textContent = 'Measuring …'
  document.documentElement.dataset['measured'] = 'false'
  running = startJob<CacheAsk, CacheAnswer>(
    'cache-worker.js',
    async () => (await import('./cache-job.ts')).measureCache,
    { shape: shape(), probes: PROBES },
    (answer) => {
      if ('error' in answer) {
        notice('job', `The measurement stopped: ${answer.error}.`)
        start.textContent = 'Measure again'
        return
      }
      if (answer.kind === 'cached') cached.push([answer.position, answer.ms])
      else if (answer.kind === 'uncached') uncached.push([answer.position, answer.ms])
      else if (answer.kind === 'prefill') prefill = answer
      else {
        start.textContent = 'Measure again'
        document.documentElement.dataset['measured'] = 'true'
        announce(slot('verdict').textContent ?? '')
      }
      redraw()
    },
  )
  notice(
    'worker',
    running.inWorker ? '' : 'Workers are not allowed here; the measurement runs in the page and may stutter.',
  )
}

const sum = (points: readonly (readonly [number, number])[]): number =>
  points.reduce((all, [, ms]) => all + ms, 0)

function draw(): void {
  const now = shape()
  const n = now.context
  const facts: [string, string][] = [
    ['cache, bytes = 2·L·C·n·4·sequences', cacheBytes(now, n, 4, state.value.sequences).toLocaleString('en')],
    ['attention = matrices at position 6·C', String(crossover(now).token)],
    ['… summed over n at 12·C', String(crossover(now).generation)],
    ['operations saved by the cache', `${(uncachedFlops(now, n) / cachedFlops(now, n)).toFixed(0)} ×`],
    [
      'attention’s share of them',
      `${((100 * (cachedFlops(now, n) - n * linearFlops(now))) / cachedFlops(now, n)).toFixed(0)} %`,
    ],
  ]
  slot('facts').replaceChildren(
    ...facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  )
  const stale = measuredShape !== '' && measuredShape !== JSON.stringify(now)
  notice('stale', stale ? 'The shape changed since the measurement; measure again.' : '')
  if (stale || measuredShape === '') {
    cached = stale ? [] : cached
    uncached = stale ? [] : uncached
  }
  slot('progress').textContent =
    cached.length === 0
      ? 'Nothing measured for this shape yet; the dashed lines are the formula alone.'
      : `${cached.length} tokens with cache, ${uncached.length} of ${PROBES} positions without.`
  drawToken(now)
  drawTotal(now)
  if (prefill !== undefined && uncached.length === PROBES) {
    const decodeMs = sum(cached)
    slot('verdict').textContent =
      `Measured here: writing ${n} tokens took ${decodeMs.toFixed(0)} ms with the cache; the last token alone took ${cached.at(-1)![1].toFixed(2)} ms with it and ${uncached.at(-1)![1].toFixed(0)} ms without. Reading ${n} tokens of prompt at once (prefill) took ${prefill.ms.toFixed(1)} ms, ${(decodeMs / prefill.ms).toFixed(0)} times less than one by one: that is time to first token against time between tokens.`
  } else slot('verdict').textContent = ''
}

/** Milliseconds for one operation, from everything that was measured with the cache. */
function msPerFlop(now: CacheAsk['shape']): number {
  return cached.length === 0 ? NaN : sum(cached) / cachedFlops(now, cached.length)
}

function drawToken(now: CacheAsk['shape']): void {
  const n = now.context
  const rate = msPerFlop(now)
  const unit = Number.isFinite(rate) ? rate : 1e-6
  const at = Array.from({ length: 33 }, (_, i) => Math.max(1, Math.round((n * i) / 32)))
  const flops = (t: number): number => linearFlops(now) + attentionFlops(now, t)
  // One dot for each reading of eight tokens.
  const measured = cached.filter(([position]) => position % 8 === 1)
  const rows = at.map((t) => [
    t,
    flops(t) * unit,
    cached[t - 1]?.[1] ?? 'not measured',
    cachedFlops(now, t) * unit,
    uncached.find(([position]) => position === t)?.[1] ?? 'not measured',
  ])
  figure(
    slot('token'),
    Number.isFinite(rate)
      ? `Milliseconds for the token at each position; formula at ${(1e-6 / rate).toFixed(2)} GFLOP/s, measured here`
      : 'Million operations for the token at each position',
    (width) =>
      lines(
        width,
        [
          { name: 'with cache', points: measured, series: 1, dots: true },
          {
            name: 'formula: 24C² + 4tC a layer',
            points: at.map((t) => [t, flops(t) * unit]),
            series: 1,
            dashed: true,
          },
          { name: 'without', points: uncached, series: 2, dots: true },
          {
            name: 'formula: all of it again',
            points: at.map((t) => [t, cachedFlops(now, t) * unit]),
            series: 2,
            dashed: true,
          },
        ],
        {
          x: 'position',
          y: Number.isFinite(rate) ? 'ms' : 'million operations',
          logY: true,
          logX: state.value.log,
          height: 300,
        },
      ),
    {
      columns: [
        'position',
        'with cache, formula',
        'with cache, measured',
        'without, formula',
        'without, measured',
      ],
      rows,
    },
  )
}

function drawTotal(now: CacheAsk['shape']): void {
  const n = now.context
  const at = Array.from({ length: 24 }, (_, i) => Math.max(1, Math.round((n * (i + 1)) / 24)))
  figure(
    slot('total'),
    `Attention’s share of all operations so far: half of them at n = 12·C = ${crossover(now).generation}`,
    (width) =>
      lines(width, [{ name: 'attention', points: at.map((t) => [t, share(now, t)]), series: 3 }], {
        x: 'tokens written',
        y: 'attention, % of all operations',
        logX: state.value.log,
        height: 300,
      }),
    {
      columns: ['tokens', 'attention, %', 'cache, bytes'],
      rows: at.map((t) => [t, share(now, t), cacheBytes(now, t, 4, state.value.sequences)]),
      digits: 1,
    },
  )
}

const share = (now: CacheAsk['shape'], t: number): number =>
  (100 * (cachedFlops(now, t) - t * linearFlops(now))) / cachedFlops(now, t)

const { redraw } = startPage(state, draw)
// At once: a second or two in a worker, and the page shows the reader's own machine before anything is pressed.
afterPaint('job', async () => measure())
