/**
 * Temperature and truncation on the real logits of the trained model. In: a prefix and the settings a request carries.
 * Out: the distribution before and after, who survives, what it means in bits, and 1,000 draws beside it. The library's
 * own `survivors` does the work; this file draws.
 */
import { createRandom } from '../random.ts'
import {
  entropyBits,
  orders,
  repetitionPenalty,
  sample,
  softmax,
  stepsOf,
  survivors,
  type SamplingSettings,
  type Step,
} from '../sampling.ts'
import { createCache, decode } from '../llm500.ts'
import type { Loaded } from '../types.ts'
import { bars, figure } from './kit/charts.ts'
import { button, numeric, range, select, textField } from './kit/controls.ts'
import { h, slot, visible } from './kit/dom.ts'
import { loadModel, logitsAfter, unknownCharacters } from './kit/model.ts'
import { afterPaint, announce, notice, startPage } from './kit/page.ts'
import { choice, createState, integer, number, text } from './kit/state.ts'

const V = 71
const DRAWS = 1000
const state = createState({
  prefix: text('Once upon a time there was a ', 400),
  t: number(1, 0, 3),
  k: integer(V, 1, V),
  p: number(1, 0.01, 1),
  minp: number(0, 0, 1),
  penalty: number(1, 1, 2),
  order: choice('transformers', ['transformers', 'llama.cpp']),
  seed: integer(1, 1, 999_999),
  drawn: integer(0, 0, DRAWS),
})

let loaded: Loaded | undefined
let cached: { prefix: string; logits: Float64Array } | undefined

const prefixField = textField(state, 'prefix', 'The model has read', { longest: 400 })
prefixField.classList.add('wide')
slot('controls').append(
  prefixField,
  range(state, 't', 'Temperature', {
    step: 0.05,
    format: (value) => (value === 0 ? '0: the likeliest' : value.toFixed(2)),
  }),
  range(state, 'k', 'top-k', { format: (value) => (value === V ? 'all' : String(value)) }),
  range(state, 'p', 'top-p', { step: 0.01, format: (value) => (value === 1 ? 'all' : value.toFixed(2)) }),
  range(state, 'minp', 'min-p', { step: 0.01, format: (value) => (value === 0 ? 'all' : value.toFixed(2)) }),
  range(state, 'penalty', 'Repetition penalty', {
    step: 0.05,
    format: (value) => (value === 1 ? 'none' : value.toFixed(2)),
  }),
  select(state, 'order', 'Order of the steps', {
    transformers: 'T first (Transformers)',
    'llama.cpp': 'T last (llama.cpp)',
  }),
  numeric(state, 'seed', 'Seed of the draws'),
)
slot('buttons').append(
  button('Careful', () => state.set({ t: 0.5, k: V, p: 0.9, minp: 0, penalty: 1 })),
  button('As learned', () => state.set({ t: 1, k: V, p: 1, minp: 0, penalty: 1 })),
  button('Wild', () => state.set({ t: 2, k: V, p: 1, minp: 0, penalty: 1 })),
  button(`Draw ${DRAWS} samples`, () => state.set({ drawn: DRAWS })),
  button('Take back the draws', () => state.set({ drawn: 0 })),
)

/** The settings as the library takes them; those that change nothing are left out. */
function settings(): SamplingSettings {
  const { t, k, p, minp } = state.value
  return {
    temperature: t,
    ...(k < V ? { topK: k } : {}),
    ...(p < 1 ? { topP: p } : {}),
    ...(minp > 0 ? { minP: minp } : {}),
  }
}

function steps(order: keyof typeof orders, written: Int32Array): Step[] {
  const { penalty } = state.value
  return [
    ...(penalty > 1 ? [repetitionPenalty(penalty, written)] : []),
    ...stepsOf(settings(), orders[order]),
  ]
}

/** How far 1,000 draws lie from what they should be: Pearson's χ² over the survivors, and its degrees of freedom. */
function chiSquare(
  counts: readonly number[],
  chances: readonly number[],
): { value: number; freedom: number } {
  // Cells that expect fewer than 5 are put together, as the test asks for.
  let [value, cells, restCount, restChance] = [0, 0, 0, 0]
  chances.forEach((chance, i) => {
    const expected = chance * DRAWS
    if (expected < 5) {
      restCount += counts[i]!
      restChance += chance
    } else {
      value += (counts[i]! - expected) ** 2 / expected
      cells++
    }
  })
  if (restChance * DRAWS >= 1) {
    value += (restCount - restChance * DRAWS) ** 2 / (restChance * DRAWS)
    cells++
  }
  return { value, freedom: Math.max(0, cells - 1) }
}

function draw(): void {
  if (loaded === undefined) return
  const { model, vocabulary } = loaded
  const { prefix, order, seed, drawn } = state.value
  const strangers = unknownCharacters(vocabulary.chars, prefix)
  notice(
    'prefix',
    prefix === ''
      ? 'The prefix is empty: the model is given a line break to start from.'
      : strangers.length === 0
        ? []
        : `The model does not know ${strangers.map((char) => JSON.stringify(char)).join(', ')}; it reads the nearest character it knows instead.`,
  )
  if (cached?.prefix !== prefix) {
    const ids = vocabulary.encode(prefix)
    cached = { prefix, logits: logitsAfter(model, ids.length === 0 ? vocabulary.encode('\n') : ids) }
  }
  const { logits } = cached
  const written = vocabulary.encode(prefix)
  const base = softmax(Array.from(logits, (logit, id) => ({ id, logit })))
  const list = steps(order, written)
  const left = survivors(logits, list)
  const chances = softmax(left)
  const final = new Map(left.map(({ id }, i) => [id, chances[i]!]))
  const counts = new Map<number, number>()
  if (drawn > 0) {
    const random = createRandom(seed)
    for (let i = 0; i < drawn; i++) {
      const id = sample(logits, list, random)
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
  }
  const ranked = base.map((p, id) => ({ p, id })).sort((a, b) => b.p - a.p || a.id - b.id)
  const rows = ranked.map(({ p, id }) => [
    visible(vocabulary.chars[id]!),
    p,
    final.get(id) ?? 0,
    final.has(id) ? 'survives' : 'cut',
    counts.get(id) ?? 0,
  ])
  figure(
    slot('bars'),
    `The likeliest next characters: what the model said (pale) and what is drawn from.${drawn > 0 ? ` In brackets: how often it came in ${drawn} draws.` : ''}`,
    (width) =>
      bars(
        width,
        ranked.slice(0, width < 400 ? 10 : 20).map(({ p, id }) => ({
          label: visible(vocabulary.chars[id]!) + (drawn > 0 ? ` [${counts.get(id) ?? 0}]` : ''),
          value: final.get(id) ?? 0,
          base: p,
          cut: !final.has(id),
        })),
        (value) => (value === 0 ? 'cut' : `${(100 * value).toFixed(1)} %`),
      ),
    { columns: ['character', 'before', 'after', 'fate', 'drawn'], rows, digits: 6 },
  )
  const bits = entropyBits(chances)
  const facts: [string, string][] = [
    ['survivors of 71', String(left.length)],
    ['entropy before', `${entropyBits(base).toFixed(2)} bits`],
    ['entropy after', `${bits.toFixed(2)} bits`],
    ['effective choices, 2^H', (2 ** bits).toFixed(1)],
  ]
  if (drawn > 0) {
    const { value, freedom } = chiSquare(
      left.map(({ id }) => counts.get(id) ?? 0),
      chances,
    )
    facts.push([`χ² at ${freedom} degrees of freedom`, value.toFixed(1)])
  }
  slot('facts').replaceChildren(
    ...facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  )
  const other = order === 'transformers' ? 'llama.cpp' : 'transformers'
  const there = survivors(logits, steps(other, written)).map(({ id }) => id)
  const here = left.map(({ id }) => id)
  const gained = there.filter((id) => !here.includes(id))
  const lost = here.filter((id) => !there.includes(id))
  const names = (ids: readonly number[]): string => ids.map((id) => visible(vocabulary.chars[id]!)).join(' ')
  slot('order').textContent =
    gained.length + lost.length === 0
      ? `In the order of ${other} the same ${here.length} would survive.`
      : `In the order of ${other}, ${there.length} would survive: ${gained.length > 0 ? `also ${names(gained)}` : ''}${gained.length > 0 && lost.length > 0 ? '; ' : ''}${lost.length > 0 ? `not ${names(lost)}` : ''}.`
  drawStrip(logits)
  write(prefix, list)
  announce(`${left.length} survivors, entropy ${bits.toFixed(2)} bits.`)
}

/** Characters of a continuation. */
const WRITTEN = 60
let due = 0

/**
 * Three texts drawn with these settings. A few hundred passes through the model: a moment after the last slider moved,
 * not while it moves. The repetition penalty goes on counting from the prefix alone.
 */
function write(prefix: string, list: readonly Step[]): void {
  clearTimeout(due)
  due = window.setTimeout(() => {
    const { model, vocabulary } = loaded!
    const room = model.shape.context - 1
    const ids = vocabulary.encode(prefix === '' ? '\n' : prefix).slice(-room)
    slot('texts').replaceChildren(
      ...[0, 1, 2].map((i) => {
        const random = createRandom(state.value.seed + i)
        const written: number[] = []
        let cache = createCache(model)
        let logits = new Float64Array()
        const read = (more: ArrayLike<number>): void => {
          for (const id of Array.from(more)) logits = decode(model, cache, id) as typeof logits
        }
        read(ids)
        while (written.length < WRITTEN) {
          const id = sample(logits, list, random)
          written.push(id)
          if (ids.length + written.length < room) read([id])
          else {
            // The window is full: begin again with its later half.
            cache = createCache(model)
            read([...ids, ...written].slice(-room / 2))
          }
        }
        return h(
          'p',
          { class: 'text-out' },
          h('span', { class: 'still' }, prefix.slice(-30)),
          vocabulary.decode(written),
        )
      }),
    )
  }, 200)
}

/** The same logits at eight temperatures: probability of the five likeliest. */
function drawStrip(logits: Float64Array): void {
  const { vocabulary } = loaded!
  const at = [0.2, 0.4, 0.6, 0.8, 1, 1.4, 2, 3]
  const top = survivors(logits, []).slice(0, 5)
  const rows = at.map((t) => {
    const all = survivors(logits, stepsOf({ temperature: t }, orders.transformers))
    const chances = softmax(all)
    return [
      t,
      ...top.map(({ id }) => chances[all.findIndex((each) => each.id === id)]!),
      entropyBits(chances),
    ]
  })
  figure(
    slot('strip'),
    'Entropy at eight temperatures, bits',
    (width) =>
      bars(
        width,
        rows.map((row) => ({ label: `T ${row[0]}`, value: Number(row.at(-1)) })),
        (value) => value.toFixed(2),
      ),
    {
      columns: ['temperature', ...top.map(({ id }) => visible(vocabulary.chars[id]!)), 'entropy'],
      rows,
      digits: 4,
    },
  )
}

const { redraw } = startPage(state, draw)
afterPaint('model', async () => {
  loaded = await loadModel()
  redraw()
})
