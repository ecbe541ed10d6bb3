/**
 * A text as a model sees it. In: text and one of three public vocabularies. Out: tokens in colours, what each is made of,
 * the merges of a piece one after another, five languages beside each other, and what it costs to send. The vocabularies
 * are 0.3 to 1.2 MB of data and come after the first paint, one at a time.
 */
import type { Encoding } from '../../tokens/encoding.ts'
import type { Explanation } from '../../tokens/explain.ts'
import { bars, figure } from './kit/charts.ts'
import { checkbox, range, select, textField } from './kit/controls.ts'
import { h, slot, visible } from './kit/dom.ts'
import { afterPaint, announce, notice, sentenceOf, startPage } from './kit/page.ts'
import { choice, createState, flag, integer, text } from './kit/state.ts'

const ENCODINGS = ['o200k_base', 'cl100k_base', 'r50k_base'] as const
type Name = (typeof ENCODINGS)[number]

/** Tokens a vocabulary has, special ones apart. */
const SIZES: Readonly<Record<Name, number>> = { o200k_base: 199_998, cl100k_base: 100_256, r50k_base: 50_256 }

/** One sentence (Universal Declaration of Human Rights, article 1) in five languages. */
const LANGUAGES: readonly (readonly [string, string])[] = [
  ['English', 'All human beings are born free and equal in dignity and rights.'],
  ['German', 'Alle Menschen sind frei und gleich an Würde und Rechten geboren.'],
  ['Greek', 'Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.'],
  ['Hindi', 'सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।'],
  ['Japanese', 'すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。'],
]

/** Models whose price is shown: those with a public vocabulary are counted, the others estimated. */
const PRICED: readonly (readonly [model: string, provider: string, encoding?: Name])[] = [
  ['gpt-5.4', 'openai', 'o200k_base'],
  ['gpt-4.1-mini', 'openai', 'o200k_base'],
  ['gpt-4-turbo', 'openai', 'cl100k_base'],
  ['claude-sonnet-5-5', 'anthropic'],
  ['gemini-3.8-flash', 'gemini'],
  ['mistral-large-4', 'mistral'],
]

const state = createState({
  text: text('The tokenizer sees pieces: unbelievable, naïve, 12345, 日本語, 👩‍👩‍👧.', 2000),
  encoding: choice('o200k_base', ENCODINGS),
  spaces: flag(false),
  token: integer(5, 0, 4000),
  merge: integer(0, 0, 500),
})

const vocabularies = new Map<string, Encoding>()
let pending = ''
let painted = false
let sliderEnd = -1
let extras:
  | { price: typeof import('../../cost/index.ts'); estimate: typeof import('../../tokens/estimate.ts') }
  | undefined
let explained: Explanation | undefined

/** A dynamic import with a literal each, so that the build makes one file of each vocabulary. */
async function load(name: Name): Promise<Encoding> {
  switch (name) {
    case 'o200k_base':
      return (await import('../../tokens/encodings/o200k_base.ts')).o200k_base
    case 'cl100k_base':
      return (await import('../../tokens/encodings/cl100k_base.ts')).cl100k_base
    case 'r50k_base':
      return (await import('../../tokens/encodings/r50k_base.ts')).r50k_base
  }
}

const wide = textField(state, 'text', 'Your text', { lines: 3, longest: 2000 })
wide.classList.add('wide')
slot('controls').append(
  wide,
  select(state, 'encoding', 'Vocabulary', {
    o200k_base: 'o200k: GPT-4o, GPT-5',
    cl100k_base: 'cl100k: GPT-4',
    r50k_base: 'r50k: GPT-2',
  }),
  checkbox(state, 'spaces', 'Show white space'),
)
slot('merge-controls').append(
  range(state, 'merge', 'Merges made', {
    format: (value) => `${Math.min(value, mergesShown())} of ${mergesShown()}`,
    max: mergesShown,
  }),
)

/** Merges of the piece that holds the chosen token. */
function merges(): Explanation['pieces'][number]['merges'] {
  const token = explained?.tokens[state.value.token]
  return token === undefined ? [] : explained!.pieces[token.piece]!.merges
}

function mergesShown(): number {
  return merges().length
}

const shown = (part: string): string => (state.value.spaces ? visible(part) : part)

function drawTokens(explanation: Explanation): void {
  const focused = document.activeElement?.getAttribute('data-token')
  slot('tokens').replaceChildren(
    ...explanation.groups.map((group) => {
      const ids = explanation.tokens
        .slice(group.firstToken, group.firstToken + group.tokenCount)
        .map(({ id }) => id)
      const pressed =
        state.value.token >= group.firstToken && state.value.token < group.firstToken + group.tokenCount
      return h(
        'button',
        {
          type: 'button',
          class: `tint-${group.firstToken % 5}`,
          'data-token': group.firstToken,
          'aria-pressed': String(pressed),
          // One stop for the Tab key; arrows move between tokens.
          tabindex: pressed ? 0 : -1,
          title: `id ${ids.join(' ')}`,
          click: () => state.set({ token: group.firstToken, merge: 500 }),
        },
        shown(group.text),
      )
    }),
  )
  slot('ids').replaceChildren(
    ...explanation.groups.flatMap((group) =>
      explanation.tokens
        .slice(group.firstToken, group.firstToken + group.tokenCount)
        .map(({ id }) =>
          h('span', { class: `tint-${group.firstToken % 5}`, 'data-token': group.firstToken }, id),
        ),
    ),
  )
  if (focused !== null && focused !== undefined)
    slot('tokens').querySelector<HTMLElement>(`[data-token="${focused}"]`)?.focus()
  if (slot('tokens').querySelector('[tabindex="0"]') === null)
    slot('tokens').querySelector('button')?.setAttribute('tabindex', '0')
}

slot('tokens').addEventListener('keydown', (event) => {
  const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
  const all = [...slot('tokens').querySelectorAll('button')]
  const at = all.findIndex((each) => each === document.activeElement)
  const next = all[at + step]
  if (step === 0 || next === undefined) return
  event.preventDefault()
  next.focus()
  next.click()
})

/** Under the pointer, a token and its ids are marked together; the keyboard has the pressed one. */
for (const place of ['tokens', 'ids'])
  for (const kind of ['pointerover', 'pointerout'] as const)
    slot(place).addEventListener(kind, ({ target }) => {
      const token = target instanceof Element ? target.getAttribute('data-token') : null
      for (const each of document.querySelectorAll(`[data-token="${token}"]`))
        each.classList.toggle('linked', kind === 'pointerover')
    })

function drawMerges(encoding: Encoding, explanation: Explanation): void {
  const token = explanation.tokens[state.value.token]
  const list = merges()
  if (token === undefined) {
    slot('merges').replaceChildren(h('p', { class: 'still' }, 'Choose a token above.'))
    return
  }
  const piece = explanation.pieces[token.piece]!
  const made = Math.min(state.value.merge, list.length)
  const parts =
    made < list.length
      ? list[made]!.parts
      : explanation.tokens
          .slice(piece.firstToken, piece.firstToken + piece.tokenCount)
          .map((each) => each.text)
  const next = list[made]
  slot('merges').replaceChildren(
    h(
      'p',
      { class: 'tokens' },
      parts.map((part, i) => h('span', { class: `tint-${i % 5}` }, visible(part))),
    ),
    h(
      'p',
      {},
      next === undefined
        ? `“${visible(piece.text)}” is done: ${piece.tokenCount} token${piece.tokenCount === 1 ? '' : 's'}, id ${explanation.tokens
            .slice(piece.firstToken, piece.firstToken + piece.tokenCount)
            .map(({ id }) => id)
            .join(', ')}.`
        : `Next: “${visible(next.parts[next.at]!)}” + “${visible(next.parts[next.at + 1]!)}” become token ${next.id}, the lowest id any neighbours here can make in ${encoding.name}.`,
    ),
  )
}

function draw(): void {
  const { text: source, encoding: name } = state.value
  const encoding = vocabularies.get(name)
  if (encoding === undefined) {
    // Not before the first paint: a vocabulary is a megabyte of script.
    if (painted && pending !== name) {
      pending = name
      slot('status').textContent = `Loading ${name} …`
      load(name)
        .then((loaded) => {
          vocabularies.set(name, loaded)
          if (pending === name) pending = ''
          state.set({})
        })
        .catch((error: unknown) => notice('vocabulary', `${name} did not load: ${sentenceOf(error)}`))
    }
    return
  }
  explained = encoding.explain(source)
  notice('text', source === '' ? 'The text is empty: no characters, no tokens, no cost.' : '')
  const { tokens, pieces } = explained
  const bytes = new TextEncoder().encode(source).length
  slot('status').textContent = ''
  slot('facts').replaceChildren(
    ...[
      ['tokens', tokens.length],
      ['in the vocabulary', SIZES[name].toLocaleString('en')],
      ['characters', [...source].length],
      ['bytes', bytes],
      ['bytes a token', tokens.length === 0 ? '–' : (bytes / tokens.length).toFixed(2)],
      ['pieces', pieces.length],
    ].map(([label, value]) => h('div', {}, h('dt', {}, label), h('dd', { 'data-fact': label }, value))),
  )
  // The slider ends where the merges end, which is known only now.
  if (sliderEnd !== mergesShown()) {
    sliderEnd = mergesShown()
    state.set({})
  }
  drawTokens(explained)
  drawMerges(encoding, explained)
  const rows = LANGUAGES.map(
    ([language, sentence]) => [language, encoding.countTokens(sentence), [...sentence].length] as const,
  )
  figure(
    slot('languages'),
    `Tokens of one sentence in five languages, ${name}`,
    (width) =>
      bars(
        width,
        rows.map(([label, value]) => ({ label, value })),
        String,
      ),
    { columns: ['language', 'tokens', 'characters'], rows },
  )
  drawCost(source)
  announce(`${tokens.length} tokens.`)
}

function drawCost(source: string): void {
  if (extras === undefined) return
  const { price, estimate } = extras
  const rows = PRICED.flatMap(([model, provider, encoding]) => {
    const exact = encoding === undefined ? undefined : vocabularies.get(encoding)
    const guess = estimate.estimateTokens(source, model)
    const inputTokens = exact?.countTokens(source) ?? guess.tokens
    const cost = price.price({ inputTokens, outputTokens: 0 }, model, { provider })
    // A price the table does not have is not shown as nothing.
    if (cost.total === undefined) return []
    return [
      [
        model,
        inputTokens,
        exact === undefined ? `± ${Math.ceil(guess.error)}` : 'exact',
        cost.total * 1e6,
      ] as const,
    ]
  })
  figure(
    slot('cost'),
    'Dollars to send this text a million times, by the shipped price list',
    (width) =>
      bars(
        width,
        rows.map(([label, , , value]) => ({ label, value })),
        (value) => `$${value.toFixed(0)}`,
      ),
    { columns: ['model', 'input tokens', 'counted', 'dollars a million'], rows, digits: 2 },
  )
}

startPage(state, draw)
afterPaint('vocabulary', async () => {
  painted = true
  slot('status').textContent = `Loading ${state.value.encoding} …`
  vocabularies.set(state.value.encoding, await load(state.value.encoding))
  const [price, estimate] = await Promise.all([
    import('../../cost/index.ts'),
    import('../../tokens/estimate.ts'),
  ])
  extras = { price, estimate }
  state.set({})
})
