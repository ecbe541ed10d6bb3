/**
 * `npm run learn:numbers`: computes every number of src/learn/README.md again and fails when the article says something
 * else. `-- --write` puts them in; `-- --only=cost` computes one section,
 * `-- --counts` (CI does) leaves out what a clock says. In: the article, whose numbers stand between `<!--n:name-->` and
 * `<!--/n-->`. Out: a line for each that drifted; the pictures fixtures/pages/article-*.svg.
 *
 * Most numbers are counts and follow from code, weights and seeds: they must be equal. Those that come from a clock are
 * marked `≈` in the table below and must lie within a factor of the article's, since machines differ; on a busy one take
 * them again before believing a drift.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { catalog, price } from '../src/cost/index.ts'
import { attentionMaps } from '../src/learn/attention.ts'
import { gemmModule, wasmMemory } from '../src/learn/gemm-wasm.ts'
import { plainMemory } from '../src/learn/gemm.ts'
import {
  attentionFlops,
  cacheBytes,
  cachedFlops,
  crossover,
  linearFlops,
  uncachedFlops,
} from '../src/learn/kv-cache.ts'
import { createCache, createModel, decode, forward, load, loss, train } from '../src/learn/llm500.ts'
import { naiveMemory } from '../src/learn/naive.ts'
import { batchNorm, layerNorm, leak } from '../src/learn/norm.ts'
import { evolutionTask, raceTask, type RaceView } from '../src/learn/pages/evolution-tasks.ts'
import { arrive, cutAt } from '../src/learn/pages/stream-state.ts'
import { dequantize } from '../src/learn/quantize.ts'
import { createRandom, gaussian } from '../src/learn/random.ts'
import {
  entropyBits,
  orders,
  sample,
  softmax,
  stepsOf,
  survivors,
  type SamplingSettings,
} from '../src/learn/sampling.ts'
import { tales } from '../src/learn/tales.ts'
import { presets, splitCorpus, stepFlops, trainPreset, trigramLoss } from '../src/learn/train.ts'
import type { Memory } from '../src/learn/types.ts'
import { openaiChat } from '../src/providers/openai-chat.ts'
import { o200k_base } from '../src/tokens/encodings/o200k_base.ts'
import { r50k_base } from '../src/tokens/encodings/r50k_base.ts'

const ARTICLE = new URL('../src/learn/README.md', import.meta.url)
const fixture = (path: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`../fixtures/${path}`, import.meta.url)))

/** A number as the article prints it; `factor` where it comes from a clock and may differ by that much. */
interface Figure {
  readonly text: string
  readonly factor?: number
}
const figures = new Map<string, Figure>()
const exact = (name: string, value: number | string, digits: number = 0): void =>
  void figures.set(name, { text: typeof value === 'string' ? value : grouped(value, digits) })
const clocked = (name: string, value: number, digits: number, factor: number): void =>
  void figures.set(name, { text: grouped(value, digits), factor })
const grouped = (value: number, digits: number): string =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })

const weights = fixture('learn/tiny.llm')
const full = dequantize(weights)
const PROMPT = 'Once upon a time there was a '

function wrapper(): void {
  const { shape } = load(full).model
  exact('params', load(full).model.params)
  exact('layers', shape.layers)
  exact('heads', shape.heads)
  exact('channels', shape.channels)
  exact('context', shape.context)
  exact('vocab', shape.vocab)
  exact('weight-bytes', weights.length)
  const { model, vocabulary } = load(full, { batch: 8, memory: wasmMemory })
  const held = vocabulary.encode(tales(8 * shape.context + 200, 77))
  const rows = 8 * shape.context
  exact('bits-nothing', Math.log2(shape.vocab), 2)
  exact('bits-model', loss(model, held.subarray(0, rows), held.subarray(1, rows + 1)) / Math.LN2, 2)
  // The game of the page: 24 characters are shown, thirty guessed.
  const tale = vocabulary.encode(tales(400, 5))
  const cache = createCache(model)
  let logits: Float64Array = new Float64Array()
  let bits = 0
  for (let i = 0; i < 54; i++) {
    const chances = i < 24 ? [] : softmax(Array.from(logits, (logit, id) => ({ id, logit })))
    if (i >= 24) bits -= Math.log2(chances[tale[i]!]!)
    logits = decode(model, cache, tale[i]!)
  }
  exact('guess-model', bits / 30, 2)
}

function streaming(): void {
  const bytes = fixture('openai-chat/tools.sse')
  const whole = arrive(openaiChat(), [bytes], true)
  const plain = JSON.stringify(whole.events)
  let same = 0
  for (let place = 1; place < bytes.length; place++)
    if (JSON.stringify(arrive(openaiChat(), cutAt(bytes, [place]), true).events) === plain) same++
  exact('sse-bytes', bytes.length)
  exact('sse-frames', whole.frames.length)
  exact('sse-events', whole.events.length)
  exact('sse-cuts', bytes.length - 1)
  exact('sse-same', same)
  const recorded = JSON.parse(new TextDecoder().decode(fixture('pages/recording.json'))) as {
    chunks: [number, string][]
  }
  const text = recorded.chunks.map(([, chunk]) => chunk).join('')
  const size = new TextEncoder().encode(text).length
  const answer = arrive(openaiChat(), [new TextEncoder().encode(text)], true).text
  exact('recording-bytes', size)
  exact('recording-characters', answer.length)
  exact('recording-overhead', size / answer.length, 0)
  // A recording has its clock in the file: these are readings of a fixture, not of this machine.
  const first = recorded.chunks.findIndex(
    (_, i) =>
      arrive(openaiChat(), [new TextEncoder().encode(textUpTo(recorded.chunks, i))], false).text !== '',
  )
  const total = recorded.chunks.at(-1)![0]
  exact('recording-first-ms', recorded.chunks[first]![0])
  exact('recording-total-ms', total)
  exact('recording-first-share', (100 * recorded.chunks[first]![0]) / total)
}

const textUpTo = (chunks: readonly [number, string][], last: number): string =>
  chunks
    .slice(0, last + 1)
    .map(([, chunk]) => chunk)
    .join('')

function tokens(): void {
  const sentences = {
    english: 'All human beings are born free and equal in dignity and rights.',
    hindi: 'सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।',
  }
  for (const [language, sentence] of Object.entries(sentences)) {
    exact(`${language}-o200k`, o200k_base.countTokens(sentence))
    exact(`${language}-r50k`, r50k_base.countTokens(sentence))
  }
  const article = o200k_base.countTokens(tales(100_000, 3))
  exact('tales-chars-per-token', 100_000 / article, 2)
  exact('tales-tokens', article)
  const family = '👩‍👩‍👧'
  exact('family-tokens', o200k_base.countTokens(family))
}

function attention(): void {
  const { model, vocabulary } = load(full, { batch: 8, memory: plainMemory })
  const { shape } = model
  const T = shape.context
  const random = createRandom(1)
  const half = T / 2
  const noise = Array.from({ length: half }, () => Math.floor(random() * shape.vocab))
  const maps = attentionMaps(model, [...noise, ...noise])
  const held = vocabulary.encode(tales(8 * T + 200, 77))
  const exam = (): number => loss(model, held.subarray(0, 8 * T), held.subarray(1, 8 * T + 1))
  const base = exam()
  const D = shape.channels / shape.heads
  let [previous, induction, dearest] = [0, 0, 0]
  let [previousName, inductionName, dearestName] = ['', '', '']
  for (let l = 0; l < shape.layers; l++)
    for (let h = 0; h < shape.heads; h++) {
      const map = maps[l]![h]!
      const mean = (from: number, to: (t: number) => number): number => {
        let sum = 0
        for (let t = from; t < T; t++) sum += map[t]![to(t)]!
        return sum / (T - from)
      }
      const at = model.at(`h.${l}.attn.c_proj.weight`) + h * D * shape.channels
      const kept = model.f.slice(at, at + D * shape.channels)
      model.f.fill(0, at, at + D * shape.channels)
      const delta = exam() - base
      model.f.set(kept, at)
      const [p, i] = [mean(1, (t) => t - 1), mean(half, (t) => t - half + 1)]
      if (p > previous) [previous, previousName] = [p, `${l}.${h}`]
      if (i > induction) [induction, inductionName] = [i, `${l}.${h}`]
      if (delta > dearest) [dearest, dearestName] = [delta, `${l}.${h}`]
    }
  exact('previous-head', previousName)
  exact('previous-share', 100 * previous, 0)
  exact('induction-head', inductionName)
  exact('induction-share', 100 * induction, 0)
  exact('dearest-head', dearestName)
  exact('dearest-cost', dearest, 2)
  exact('exam-loss', base, 2)
  exact('linear-flops', linearFlops(shape))
  exact('attention-flops-64', attentionFlops(shape, 64))
  exact('cross-token', crossover(shape).token)
  exact('gpt2-cross-token', crossover({ ...shape, channels: 768 }).token)
  // A layer by itself: no output matrix, which is paid once however many layers there are.
  const wide = { ...shape, layers: 1, channels: 768, vocab: 0 }
  for (const n of [64, 1024, 9216, 131_072]) {
    const all = cachedFlops(wide, n)
    exact(`share-${n}`, (100 * (all - n * linearFlops(wide))) / all, n === 64 ? 1 : 0)
  }
}

function norms(): void {
  const random = createRandom(1)
  const x = Array.from({ length: 2 }, () =>
    Array.from({ length: 6 }, () => Array.from({ length: 4 }, () => gaussian(random))),
  )
  const [batch, layer] = [leak(batchNorm, x, 0, 3, 1.5), leak(layerNorm, x, 0, 3, 1.5)]
  exact('batch-past', batch.past, 2)
  exact('batch-rows', batch.rows, 2)
  const alone = batchNorm([[x[0]![3]!]]).flat(2)
  exact('batch-alone', Math.max(...alone.map(Math.abs)), 2)
  exact('layer-past', layer.past, 2)
  exact('layer-rows', layer.rows, 2)
}

function training(): void {
  const run = trainPreset({ ...presets['10s'], steps: 400 }, { seed: 1, memory: wasmMemory })
  const curve: { step: number; loss: number; valLoss?: number }[] = []
  let done = run.next()
  while (done.done !== true) {
    curve.push(done.value)
    done = run.next()
  }
  const held = curve.at(-1)!.valLoss!
  exact('small-first', curve[0]!.loss, 2)
  exact('small-ln-v', Math.log(load(full).model.shape.vocab), 2)
  // Four hundred steps amplify the last bit of Math.exp, which engines may round differently.
  clocked('small-held', held, 2, 1.05)
  exact('small-params', done.value.model.params)
  // Exercise 5: the same run, once without the scaling of the residual projections, once ten times slower.
  const preset = { ...presets['10s'], steps: 400 }
  const { vocabulary, train: ids, val } = splitCorpus(tales(600_000), preset.context)
  const shape = { ...preset, vocab: vocabulary.chars.length }
  const ablated = (lr: number, projection: number): number => {
    const model = createModel(shape, { batch: preset.batch, seed: 1, memory: wasmMemory })
    for (const { name, at, size } of model.tensors)
      if (name.endsWith('c_proj.weight')) for (let i = at; i < at + size; i++) model.f[i]! *= projection
    const steps = [...train(model, { train: ids, val }, { steps: preset.steps, lr, seed: 1 })]
    return steps.at(-1)!.valLoss!
  }
  clocked('small-unscaled', ablated(preset.lr, Math.sqrt(2 * preset.layers)), 2, 1.05)
  clocked('small-slow', ablated(preset.lr / 10, 1), 2, 1.05)
  const corpus = splitCorpus(tales(600_000), 64)
  exact('trigram', trigramLoss(corpus.train, corpus.val, corpus.vocabulary.chars.length), 2)
  exact('corpus-chars', 600_000)
  exact('embedded-steps', load(full).header.step)
  exact('step-mflop', stepFlops(presets['5min'], 71) / 1e6, 0)
  chart(
    'article-loss',
    'Loss of the small model, nats a character',
    curve.filter(({ step }) => step % 4 === 0).map(({ step, loss: value }) => [step, value]),
  )
}

function sampling(): void {
  const { model, vocabulary } = load(full)
  const cache = createCache(model)
  let logits = new Float64Array()
  for (const id of vocabulary.encode(PROMPT)) logits = decode(model, cache, id) as Float64Array<ArrayBuffer>
  const bits = (temperature: number): number =>
    entropyBits(softmax(survivors(logits, stepsOf({ temperature }, orders.transformers))))
  for (const t of [0.2, 0.5, 1, 2]) {
    exact(`entropy-${t}`, bits(t), 2)
    exact(`choices-${t}`, 2 ** bits(t), 1)
    const chances = softmax(survivors(logits, stepsOf({ temperature: t }, orders.transformers)))
    exact(`top-${t}`, 100 * Math.max(...chances), 0)
  }
  const settings: SamplingSettings = { temperature: 2, topP: 0.9 }
  exact('order-transformers', survivors(logits, stepsOf(settings, orders.transformers)).length)
  exact('order-llama', survivors(logits, stepsOf(settings, orders['llama.cpp'])).length)
  const random = createRandom(1)
  const drawn = Array.from({ length: 1000 }, () =>
    sample(logits, stepsOf({ temperature: 1 }, orders.transformers), random),
  )
  exact('distinct-drawn', new Set(drawn).size)
  chart(
    'article-entropy',
    `Entropy after “${PROMPT.trim()}”, bits, by temperature`,
    Array.from({ length: 30 }, (_, i) => [(i + 1) / 10, bits((i + 1) / 10)]),
  )
}

/**
 * Milliseconds of processor time of one run: others on the machine do not count. The least of some tries, each repeated
 * until it takes 20 ms, because the clock is coarse.
 */
function fastest(tries: number, run: () => void): number {
  let best = Infinity
  for (let i = 0; i < tries; i++) {
    const start = process.cpuUsage()
    let spent = 0
    let runs = 0
    while (spent < 20) {
      run()
      runs++
      spent = process.cpuUsage(start).user / 1000
    }
    best = Math.min(best, spent / runs)
  }
  return best
}

/** The shape of the embedded model with a longer window. */
const LONG = { layers: 4, heads: 4, channels: 96, context: 512, vocab: 71 }
/** One narrow layer, where attention is most of the work. */
const NARROW = { layers: 1, heads: 1, channels: 16, vocab: 71 }

/** What a clock says, as ratios. The one section that `--counts` leaves out. */
function latency(): void {
  const n = 128
  const short = { ...LONG, context: n }
  const model = createModel(short)
  const read = (count: number): void => {
    const cache = createCache(model)
    for (let t = 0; t < count; t++) decode(model, cache, t % 71)
  }
  read(n)
  const withCache = fastest(5, () => read(n))
  // A second or more: long enough to be read once.
  const without = fastest(1, () => {
    for (let t = 1; t <= n; t++) read(t)
  })
  clocked('cache-times', without / withCache, 0, 3)
  const whole = createModel(short, { batch: 1, memory: wasmMemory })
  const ids = Int32Array.from({ length: n }, (_, i) => i % 71)
  forward(whole, ids)
  clocked('prefill-wasm-times', withCache / fastest(5, () => forward(whole, ids)), 0, 4)
  // The same arithmetic on both sides: TypeScript wide against TypeScript thin.
  const plain = createModel(short, { batch: 1 })
  forward(plain, ids)
  clocked('prefill-times', withCache / fastest(3, () => forward(plain, ids)), 1, 3)
  const reading = (length: number): number => {
    const reader = createModel({ ...NARROW, context: length }, { batch: 1, memory: wasmMemory })
    const text = Int32Array.from({ length }, (_, i) => i % 71)
    forward(reader, text)
    return fastest(5, () => forward(reader, text))
  }
  clocked('doubling-measured', reading(2048) / reading(1024), 1, 1.6)
  const gemm = (memory: (length: number) => Memory): number => {
    const [M, K, N] = [256, 96, 384]
    const { f, gemm } = memory(M * K + K * N + M * N)
    const multiply = (): void => gemm(M * K + K * N, 0, M * K, M, N, K, K, 1, N, N, 0)
    f.fill(0.5)
    multiply()
    return fastest(8, multiply)
  }
  const [naive, blocked, wasm] = [gemm(naiveMemory), gemm(plainMemory), gemm(wasmMemory)]
  clocked('blocked-times', naive / blocked, 1, 3)
  clocked('wasm-times', naive / wasm, 0, 3)
}

function cost(): void {
  exact('flops-saved-512', uncachedFlops(LONG, 512) / cachedFlops(LONG, 512), 0)
  exact('cache-bytes-512', cacheBytes(LONG, 512))
  exact(
    'cache-gpt2',
    cacheBytes({ layers: 12, heads: 12, channels: 768, context: 1024, vocab: 50257 }, 1024) / 1e6,
    1,
  )
  exact('kernel-bytes', gemmModule().length)
  const reading = (length: number): number => cachedFlops({ ...NARROW, context: length }, length)
  exact('doubling-predicted', reading(2048) / reading(1024), 1)
  // The cache must change nothing: the same logits as reading everything at once.
  const { model, vocabulary } = load(full, { batch: 1, memory: wasmMemory })
  const { context: T, vocab } = model.shape
  const story = vocabulary.encode(tales(T, 9)).subarray(0, T)
  forward(model, story)
  const cache = createCache(model)
  const rows = model.at('logits')
  let apart = 0
  story.forEach((id, t) =>
    decode(model, cache, id).forEach((logit, v) => {
      apart = Math.max(apart, Math.abs(logit - model.f[rows + t * vocab + v]!))
    }),
  )
  exact('cache-apart', apart < 1e-4 ? '10⁻⁴' : apart.toExponential(1))
  const model1 = 'gpt-5.4'
  const rates = catalog.find(model1, 'openai')?.rates
  exact('price-model', model1)
  exact('price-input', Number(rates?.input), 2)
  exact('price-output', Number(rates?.output), 2)
  exact('price-cached', Number(rates?.cacheRead), 2)
  const bill = (usage: { inputTokens: number; outputTokens: number; cachedInputTokens?: number }): number =>
    price(usage, model1, { provider: 'openai' }).total ?? NaN
  const turn = { inputTokens: 20_000, outputTokens: 500 }
  // A conversation: each question and each answer is read again by every later turn.
  const [TURNS, ASKED, ANSWERED] = [20, 200, 300]
  const talk = Array.from({ length: TURNS }, (_, k) => ({
    inputTokens: (k + 1) * ASKED + k * ANSWERED,
    outputTokens: ANSWERED,
    cachedInputTokens: k * (ASKED + ANSWERED),
  }))
  const total = (each: (turn: (typeof talk)[number]) => number): number =>
    talk.reduce((sum, one) => sum + each(one), 0)
  exact('talk-turns', TURNS)
  exact('talk-asked', ASKED)
  exact('talk-answered', ANSWERED)
  exact(
    'talk-read',
    total(({ inputTokens }) => inputTokens),
  )
  exact(
    'talk-written',
    total(({ outputTokens }) => outputTokens),
  )
  const cold = total(({ inputTokens, outputTokens }) => bill({ inputTokens, outputTokens }))
  const warm = total(bill)
  exact('talk-cold', 1000 * cold, 2)
  exact('talk-warm', 1000 * warm, 2)
  exact(
    'talk-written-share',
    (100 * total(({ outputTokens }) => bill({ inputTokens: 0, outputTokens }))) / cold,
    0,
  )
  exact(
    'talk-warm-share',
    (100 * total(({ outputTokens }) => bill({ inputTokens: 0, outputTokens }))) / warm,
    0,
  )
  exact('bill-cold', 1000 * bill(turn), 2)
  exact('bill-warm', 1000 * bill({ ...turn, cachedInputTokens: 19_000 }), 2)
  exact('bill-output-share', (100 * bill({ inputTokens: 0, outputTokens: 500 })) / bill(turn), 0)
}

async function searching(): Promise<void> {
  const { verdict, budget, seeds, rows } = JSON.parse(
    new TextDecoder().decode(fixture('pages/evolution.json')),
  ) as RaceView
  exact('race-verdict', `${verdict[0]!.toLowerCase()}${verdict.slice(1, -1)}`)
  exact('race-budget', budget)
  exact('race-seeds', seeds.length)
  const first = seeds.map((_, i) => {
    const held = ({ runs }: RaceView['rows'][number]): number => runs[i]!.holdout!.best
    return rows.reduce((a, b) => (held(b) > held(a) ? b : a)).label
  })
  exact('race-leaders', new Set(first).size)
  const dice = await raceTask('coin', evolutionTask('coin', new Uint8Array()), { budget, seeds })
  const runs = dice.rows.flatMap((row) => row.runs)
  const mean = (of: (run: (typeof runs)[number]) => number): number =>
    runs.reduce((sum, run) => sum + of(run), 0) / runs.length
  exact(
    'dice-searched',
    mean(({ comparison }) => comparison.difference),
    2,
  )
  exact(
    'dice-held',
    mean(({ holdout }) => holdout!.best - holdout!.baseline),
    2,
  )
}

/** A line over two axes, for the article; colours follow the reader's scheme. */
function chart(name: string, title: string, points: readonly (readonly number[])[]): void {
  const [width, height, left, bottom] = [640, 260, 46, 30]
  const top = Math.max(...points.map(([, y]) => y!))
  const last = points.at(-1)![0]!
  const x = (value: number): number => left + ((width - left - 12) * value) / last
  const y = (value: number): number => 30 + (height - 30 - bottom) * (1 - value / top)
  const marks = [0, 0.25, 0.5, 0.75, 1]
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" font-size="12" font-family="system-ui, sans-serif" color-scheme="light dark"><title>${title}</title>`,
    '<style>text{fill:light-dark(#333,#ccc)}line{stroke:light-dark(#ddd,#444)}polyline{fill:none;stroke:light-dark(#0b62a0,#66b5ea);stroke-width:2}</style>',
    `<text x="${left}" y="16" font-weight="600">${title}</text>`,
    ...marks.map((part) => {
      const at = y(part * top).toFixed(1)
      return `<line x1="${left}" x2="${width - 12}" y1="${at}" y2="${at}"/><text x="${left - 6}" y="${at}" dy="4" text-anchor="end">${(part * top).toFixed(1)}</text>`
    }),
    ...marks.map(
      (part) =>
        `<text x="${x(part * last).toFixed(1)}" y="${height - 10}" text-anchor="middle">${Number((part * last).toFixed(2))}</text>`,
    ),
    `<polyline points="${points.map(([px, py]) => `${x(px!).toFixed(1)},${y(py!).toFixed(1)}`).join(' ')}"/></svg>\n`,
  ].join('')
  pictures.set(`pages/${name}.svg`, svg)
}
const pictures = new Map<string, string>()

const counts = process.argv.includes('--counts')
const sections = [wrapper, streaming, tokens, attention, norms, training, sampling, searching, cost]
if (!counts) sections.push(latency)
const only = process.argv.find((arg) => arg.startsWith('--only='))?.slice(7)
for (const section of sections) if (only === undefined || only === section.name) await section()

/** The same drawing, its numbers within 3 pixels: an engine may round Math.exp differently. */
function alike(a: string, b: string): boolean {
  const numbers = (svg: string): number[] => (svg.match(/-?\d+(\.\d+)?/g) ?? []).map(Number)
  const [left, right] = [numbers(a), numbers(b)]
  return left.length === right.length && left.every((value, i) => Math.abs(value - right[i]!) <= 3)
}

const write = process.argv.includes('--write')
const article = readFileSync(ARTICLE, 'utf8')
const drifted: string[] = []
const used = new Set<string>()
const updated = article.replace(
  /<!--n:([\w.-]+)-->(.*?)<!--\/n-->/g,
  (whole, name: string, shown: string) => {
    used.add(name)
    const figure = figures.get(name)
    if (figure === undefined) {
      if (only !== undefined || counts) return whole
      drifted.push(`${name}: the article has it, no code computes it`)
      return whole
    }
    const { text, factor } = figure
    const [was, is] = [shown, text].map((each) => Number(each.replaceAll(',', '')))
    const near = factor !== undefined && is! / was! < factor && was! / is! < factor
    if (shown === text || (near && !write)) return whole
    drifted.push(
      `${name}: the article says ${shown}, computed ${text}${factor === undefined ? '' : ` (≈, within ×${factor})`}`,
    )
    return `<!--n:${name}-->${text}<!--/n-->`
  },
)
for (const line of article.split('\n'))
  if (line.startsWith('<!--n:'))
    drifted.push(
      `“${line.slice(0, 40)}…” begins with a mark: Markdown takes that for HTML and ends the paragraph`,
    )
for (const [path, svg] of pictures) {
  const url = new URL(`../fixtures/${path}`, import.meta.url)
  let old = ''
  try {
    old = readFileSync(url, 'utf8')
  } catch {
    // Not drawn yet: a drift like any other.
  }
  if (alike(old, svg)) continue
  drifted.push(`fixtures/${path}: drawn differently`)
  if (write) {
    mkdirSync(new URL('../fixtures/pages/', import.meta.url), { recursive: true })
    writeFileSync(url, svg)
  }
}
for (const name of figures.keys())
  if (!used.has(name)) console.log(`unused: ${name} = ${figures.get(name)!.text}`)
if (write) writeFileSync(ARTICLE, updated)
for (const line of drifted) console.log(line)
const computed = [...used].filter((name) => figures.has(name)).length
console.log(
  `${used.size} numbers in the article, ${computed} computed, ${drifted.length} ${write ? 'written' : 'drifted'}`,
)
if (!write && drifted.length > 0) process.exitCode = 1
