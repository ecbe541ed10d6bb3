/**
 * You are the model: name the next character and how sure you are; the trained model does the same; both are charged
 * the surprise, −log₂ p, in bits. In: a tale it was not trained on, made from the seed. Out: two scores.
 */
import { createCache, decode } from '../llm500.ts'
import { tales } from '../tales.ts'
import type { Loaded } from '../types.ts'
import { bars, figure } from './kit/charts.ts'
import { button, numeric, range, textField } from './kit/controls.ts'
import { h, slot, visible } from './kit/dom.ts'
import { loadModel, logitsAfter } from './kit/model.ts'
import { afterPaint, announce, notice, startPage } from './kit/page.ts'
import { createState, integer, text } from './kit/state.ts'
import { softmax } from '../sampling.ts'

/** Characters shown before the first guess, and the guesses of one game. */
const SHOWN = 24
const GAME = 30

const state = createState({
  seed: integer(5, 1, 999_999),
  sure: integer(60, 2, 98),
  /** One character and two digits a guess: `e60`. */
  guesses: text('', 3 * GAME),
})

let loaded: Loaded | undefined

interface Guess {
  readonly char: string
  readonly sure: number
}

const list = (): Guess[] =>
  Array.from({ length: Math.floor(state.value.guesses.length / 3) }, (_, i) => {
    const char = state.value.guesses[3 * i]!
    return {
      char,
      sure: Math.min(98, Math.max(2, Number(state.value.guesses.slice(3 * i + 1, 3 * i + 3)) || 2)) / 100,
    }
  })

/** What you believe: your share for your character, the rest spread evenly over all others. */
const yours = (guess: Guess, actual: string, vocabulary: number): number =>
  guess.char === actual ? guess.sure : (1 - guess.sure) / (vocabulary - 1)

function modelProbabilities({ model, vocabulary }: Loaded, before: string): number[] {
  const logits = logitsAfter(model, vocabulary.encode(before))
  return softmax(Array.from(logits, (logit, id) => ({ id, logit })))
}

const typed = createState({ next: text('', 2) })
const field = textField(typed, 'next', 'Your next character', {
  longest: 2,
  hint: 'Type one character; a space counts.',
})
const input = field.querySelector('input')!

function guess(char: string): void {
  if (list().length >= GAME || loaded === undefined) return
  if (loaded.vocabulary.encode(char).length !== 1 || !loaded.vocabulary.chars.includes(char)) {
    notice('char', `The model’s alphabet has no ${JSON.stringify(char)}; try another character.`)
    return
  }
  notice('char', '')
  state.set({ guesses: state.value.guesses + char + String(state.value.sure).padStart(2, '0') })
}

input.addEventListener('input', () => {
  const char = [...input.value].at(-1)
  input.value = ''
  if (char !== undefined) guess(char)
})
input.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter') return
  event.preventDefault()
  guess('\n')
})
input.disabled = true

slot('controls').append(
  field,
  range(state, 'sure', 'How sure are you?', { format: (value) => `${value} %` }),
  numeric(state, 'seed', 'Seed of the tale', 'Another seed, another tale.'),
)
slot('buttons').append(
  button('Line break', () => guess('\n')),
  button('Start again', () => state.set({ guesses: '' })),
)
state.onChange(() => {
  if (state.value.guesses.length % 3 !== 0)
    notice('guesses', 'The guesses in this link are cut; the last one is left out.')
  else notice('guesses', '')
})

/** What the model charged for each character, in bits; nothing stood before the first. */
function surprises({ model, vocabulary }: Loaded, source: string): (number | undefined)[] {
  const cache = createCache(model)
  let logits: Float64Array | undefined
  return Array.from(vocabulary.encode(source), (actual) => {
    const chances = logits && softmax(Array.from(logits, (logit, id) => ({ id, logit })))
    logits = decode(model, cache, actual)
    return chances && -Math.log2(chances[actual]!)
  })
}

/** The tale, the colour of each character as strong as it surprised the model; what you guessed is underlined. */
function drawTale(tale: string, at: number, going: boolean): void {
  const bits = loaded === undefined ? [] : surprises(loaded, tale.slice(0, at))
  const letters = Array.from({ length: at }, (_, i) => {
    const each = bits[i]
    const letter = h(
      'span',
      {
        class: i < SHOWN ? 'letter' : 'letter mine',
        title: each === undefined ? '' : `${each.toFixed(1)} bits`,
      },
      tale[i] === '\n' ? '⏎\n' : tale[i],
    )
    letter.style.setProperty('--surprise', `${Math.min(100, Math.round((100 * (each ?? 0)) / 6))}%`)
    return letter
  })
  slot('tale').replaceChildren(
    ...letters,
    going ? h('span', { class: 'caret', 'aria-hidden': 'true' }, '▮') : '',
  )
}

function draw(): void {
  const tale = tales(400, state.value.seed)
  const guesses = list().slice(0, GAME)
  const at = SHOWN + guesses.length
  drawTale(tale, at, guesses.length < GAME)
  if (loaded === undefined) return
  input.disabled = guesses.length >= GAME
  const { vocabulary } = loaded
  const V = vocabulary.chars.length
  let mine = 0
  let its = 0
  const rows = guesses.map((each, i) => {
    const actual = tale[SHOWN + i]!
    const p = modelProbabilities(loaded!, tale.slice(0, SHOWN + i))[vocabulary.encode(actual)[0]!]!
    const q = yours(each, actual, V)
    mine -= Math.log2(q)
    its -= Math.log2(p)
    return [i + 1, visible(each.char), visible(actual), q, -Math.log2(q), p, -Math.log2(p)]
  })
  const mean = (bits: number): string => (guesses.length === 0 ? '–' : (bits / guesses.length).toFixed(2))
  slot('facts').replaceChildren(
    ...[
      ['your bits a character', mean(mine)],
      ['the model’s', mean(its)],
      ['knowing nothing', Math.log2(V).toFixed(2)],
      ['guesses', `${guesses.length} of ${GAME}`],
    ].map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  )
  if (guesses.length > 0) {
    const last = guesses.at(-1)!
    const actual = tale[at - 1]!
    const chances = modelProbabilities(loaded, tale.slice(0, at - 1))
    const top = chances
      .map((p, id) => ({ p, char: vocabulary.chars[id]! }))
      .sort((a, b) => b.p - a.p)
      .slice(0, 8)
    for (const char of [last.char, actual]) {
      if (!top.some((each) => each.char === char))
        top.push({ char, p: chances[vocabulary.chars.indexOf(char)]! })
    }
    const all = chances.map((p, id) => [
      visible(vocabulary.chars[id]!),
      p,
      yours(last, vocabulary.chars[id]!, V),
    ])
    figure(
      slot('bars'),
      `Guess ${guesses.length}: the model (thin) and you (wide, pale). What came was ${visible(actual)}.`,
      (width) =>
        bars(
          width,
          top.map(({ char, p }) => ({
            label: visible(char),
            value: p,
            base: yours(last, char, V),
            chosen: char === actual,
          })),
          (value) => `${(100 * value).toFixed(1)} %`,
          1,
        ),
      { columns: ['character', 'model', 'you'], rows: all as [string, number, number][] },
    )
    const verdict =
      last.char === actual ? 'Right' : `No, it was ${actual === ' ' ? 'a space' : JSON.stringify(actual)}`
    announce(
      `${verdict}. Your surprise ${Number(rows.at(-1)![4]).toFixed(1)} bits, the model’s ${Number(rows.at(-1)![6]).toFixed(1)}.`,
    )
  } else {
    slot('bars').replaceChildren(
      h(
        'p',
        { class: 'still' },
        'Type what comes next: then you see what you believed beside what it believed.',
      ),
    )
    slot('history').replaceChildren()
    return
  }
  figure(
    slot('history'),
    'Surprise of every guess, bits: yours (thin) and the model’s (wide, pale)',
    (width) =>
      bars(
        width,
        rows.map((row) => ({ label: String(row[2]), value: Number(row[4]), base: Number(row[6]) })),
        (value) => value.toFixed(1),
      ),
    {
      columns: ['guess', 'you said', 'it was', 'you gave it', 'your bits', 'model gave it', 'its bits'],
      rows: rows as (string | number)[][],
    },
  )
}

const { redraw } = startPage(state, draw)
afterPaint('model', async () => {
  loaded = await loadModel()
  redraw()
})
