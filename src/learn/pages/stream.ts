/**
 * A recorded answer at any byte of its way. In: one of the project's fixtures or a recording with a clock. Out: the bytes,
 * the frames and events they make, the JSON of a tool call as far as it can be known, the text a user sees; and whether
 * cutting the bytes elsewhere changes anything. The parsers are the library's (stream-state.ts), loaded after the first
 * paint.
 */
import type { Provider } from '../../provider.ts'
import { showBytes } from '../../tokens/explain.ts'
import { createRandom } from '../random.ts'
import { figure, lines } from './kit/charts.ts'
import { button, numeric, range, select } from './kit/controls.ts'
import { h, slot, svg } from './kit/dom.ts'
import { afterPaint, announce, notice, sentenceOf, startPage } from './kit/page.ts'
import { choice, createState, integer } from './kit/state.ts'
import { arrive, cutAt } from './stream-state.ts'

const FILES = [
  'recording',
  'openai-chat-text',
  'openai-chat-tools',
  'anthropic-tools',
  'anthropic-thinking',
] as const
type File = (typeof FILES)[number]

const state = createState({
  file: choice('openai-chat-tools', FILES),
  at: integer(1240, 0, 100_000),
  cut: choice('whole', ['whole', 'bytes', 'random']),
  seed: integer(1, 1, 999_999),
})

interface Source {
  readonly bytes: Uint8Array
  readonly provider: Provider
  /** Milliseconds and the byte up to which had arrived, where there was a clock. */
  readonly arrivals: readonly (readonly [ms: number, upTo: number])[]
}

const sources = new Map<File, Source>()
let loading: { readonly file: File; readonly over: Promise<void> } | undefined

const length = (): number => sources.get(state.value.file)?.bytes.length ?? 0

slot('controls').append(
  select(state, 'file', 'Stream', {
    recording: 'the small model, with clock',
    'openai-chat-text': 'OpenAI: text',
    'openai-chat-tools': 'OpenAI: two tool calls',
    'anthropic-tools': 'Anthropic: tool calls',
    'anthropic-thinking': 'Anthropic: thinking, text',
  }),
  select(state, 'cut', 'The network cuts', {
    whole: 'nowhere',
    bytes: 'after every byte',
    random: 'at random places',
  }),
  numeric(state, 'seed', 'Seed of the cuts'),
)
const scrubber = range(state, 'at', 'Bytes arrived', {
  max: () => sources.get(state.value.file)?.bytes.length ?? 100_000,
  format: (value) => `${Math.min(value, length())} of ${length()}`,
})
scrubber.classList.add('wide')
slot('controls').append(scrubber)
const by = (change: number): void =>
  state.set({ at: Math.max(0, Math.min(length(), Math.min(state.value.at, length()) + change)) })
let timer = 0
const play = button('Play', () => {
  if (timer !== 0) return stop()
  if (state.value.at >= length()) state.set({ at: 0 })
  play.textContent = 'Stop'
  timer = window.setInterval(() => {
    by(Math.max(1, Math.round(length() / 400)))
    if (state.value.at >= length()) stop()
  }, 50)
})
function stop(): void {
  clearInterval(timer)
  timer = 0
  play.textContent = 'Play'
}
slot('buttons').append(
  play,
  button('One byte back', () => by(-1)),
  button('One byte on', () => by(1)),
  button('Cut everywhere and compare', compare),
)

async function load(file: File): Promise<Source> {
  const answer = await globalThis.fetch(file === 'recording' ? 'recording.json' : `${file}.sse`)
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
  const provider = file.startsWith('anthropic')
    ? (await import('../../providers/anthropic.ts')).anthropic()
    : (await import('../../providers/openai-chat.ts')).openaiChat()
  if (file !== 'recording')
    return { bytes: new Uint8Array(await answer.arrayBuffer()), provider, arrivals: [] }
  const { chunks } = (await answer.json()) as { chunks: [number, string][] }
  const encoded = chunks.map(([ms, chunk]) => [ms, new TextEncoder().encode(chunk)] as const)
  const bytes = new Uint8Array(encoded.reduce((sum, [, each]) => sum + each.length, 0))
  let at = 0
  const arrivals = encoded.map(([ms, each]) => {
    bytes.set(each, at)
    at += each.length
    return [ms, at] as const
  })
  return { bytes, provider, arrivals }
}

/** The arrived bytes in the pieces that the chosen network delivers. */
function pieces(bytes: Uint8Array): Uint8Array[] {
  const { cut, seed } = state.value
  if (cut === 'whole') return [bytes]
  if (cut === 'bytes')
    return cutAt(
      bytes,
      Array.from({ length: Math.max(0, bytes.length - 1) }, (_, i) => i + 1),
    )
  const random = createRandom(seed)
  const places = Array.from({ length: Math.ceil(bytes.length / 40) }, () =>
    Math.floor(random() * bytes.length),
  )
  return cutAt(
    bytes,
    places.sort((a, b) => a - b),
  )
}

function compare(): void {
  const source = sources.get(state.value.file)
  if (source === undefined) return
  const { bytes, provider } = source
  const plain = JSON.stringify(arrive(provider, [bytes], true).events)
  const every = Math.max(1, Math.floor(bytes.length / 3000))
  let tried = 0
  let wrong = 0
  for (let place = 1; place < bytes.length; place += every, tried++)
    if (JSON.stringify(arrive(provider, cutAt(bytes, [place]), true).events) !== plain) wrong++
  const single = cutAt(
    bytes,
    Array.from({ length: bytes.length - 1 }, (_, i) => i + 1),
  )
  // Byte by byte the same letters come; nothing may be missing, doubled or in another order.
  const same = JSON.stringify(arrive(provider, single, true).events) === plain
  slot('verdict').textContent =
    `${tried} ways of cutting in two: ${wrong === 0 ? 'all gave the same events' : `${wrong} gave other events`}. One byte at a time: ${same ? 'the same' : 'not the same'}.`
  announce(slot('verdict').textContent ?? '')
}

async function fetchSource(file: File): Promise<void> {
  slot('verdict').textContent = 'Loading the stream and the parsers …'
  try {
    const loaded = await load(file)
    sources.set(file, loaded)
    notice('load', '')
    state.set({ at: Math.min(state.value.at, loaded.bytes.length) })
  } catch (error) {
    notice('load', `The stream did not load: ${sentenceOf(error)}.`)
  }
  slot('verdict').textContent = ''
}

function draw(): void {
  const { file } = state.value
  const source = sources.get(file)
  if (source === undefined) {
    if (loading?.file !== file) loading = { file, over: fetchSource(file) }
    return
  }
  const { bytes, provider } = source
  const at = Math.min(state.value.at, bytes.length)
  const ended = at === bytes.length
  const arrived = arrive(provider, pieces(bytes.subarray(0, at)), ended)
  drawStrip(bytes, at)
  drawBytes(bytes, at)
  slot('events').textContent = arrived.events
    .slice(-6)
    .map((event) => JSON.stringify(event))
    .join('\n')
  slot('events-count').textContent =
    `${arrived.frames.length} frames, ${arrived.events.length} events; the latest:`
  slot('text').textContent = arrived.text
  slot('text').dataset['text'] = arrived.text
  slot('reasoning').textContent = arrived.reasoning === '' ? '' : `Thinking: ${arrived.reasoning}`
  const { json } = arrived
  slot('json').replaceChildren(
    ...(json === undefined
      ? [h('p', { class: 'still' }, 'No tool call has begun.')]
      : [
          h('p', {}, `Arguments of ${json.name}, raw:`),
          h('pre', { class: 'bytes' }, json.raw === '' ? ' ' : json.raw),
          h('p', {}, json.finished ? 'Finished, says the provider:' : 'What is known already (live):'),
          h(
            'pre',
            { class: 'bytes', id: 'value' },
            json.value === undefined ? 'nothing yet' : JSON.stringify(json.value, null, 1),
          ),
        ]),
  )
  slot('end').textContent =
    arrived.error !== undefined
      ? `The decoder says: ${arrived.error}`
      : arrived.done
        ? 'The provider’s own mark of the end was seen: the answer is complete.'
        : 'The end mark has not been seen. If the connection broke here, this would be an error with a partial answer, not a short answer.'
  drawClock(source, at)
  announce(`${at} bytes, ${arrived.events.length} events.`)
}

/** Where frames end (a blank line), as [from, to) in bytes. */
function framesOf(bytes: Uint8Array): [number, number][] {
  const found: [number, number][] = []
  let from = 0
  for (let i = 1; i < bytes.length; i++)
    if (bytes[i] === 10 && bytes[i - 1] === 10) {
      found.push([from, i + 1])
      from = i + 1
    }
  if (from < bytes.length) found.push([from, bytes.length])
  return found
}

/** The whole answer as a strip: frames in two tints, the network's cuts above, how far it has come. */
function drawStrip(bytes: Uint8Array, at: number): void {
  const all = framesOf(bytes)
  const cuts: number[] = []
  let sum = 0
  for (const piece of pieces(bytes).slice(0, -1)) cuts.push((sum += piece.length))
  figure(
    slot('strip'),
    `The answer as a strip: ${all.length} frames in two tints, what has arrived darker${cuts.length > 0 ? `; ticks: ${cuts.length} cuts by the network` : ''}.`,
    (width) => {
      const x = (byte: number): number => (byte / bytes.length) * width
      // A tick for every pixel at most: a cut after every byte is a bar.
      const ticks = [...new Set(cuts.map((byte) => Math.round(x(byte))))]
      return svg(
        'svg',
        { width, height: 34, role: 'img', 'aria-label': `${all.length} frames; see the table.` },
        ticks.map((place) => svg('line', { class: 'cut-tick', x1: place, x2: place, y1: 0, y2: 7 })),
        all.map(([from, to], i) =>
          svg('rect', {
            class: i % 2 === 0 ? 'base' : 'base other',
            x: x(from),
            y: 9,
            width: Math.max(0.5, x(to) - x(from)),
            height: 20,
          }),
        ),
        svg('rect', { class: 'arrived', x: 0, y: 9, width: x(at), height: 20 }),
        svg('line', { class: 'here', x1: x(at), x2: x(at), y1: 4, y2: 34 }),
      )
    },
    {
      columns: ['frame', 'from byte', 'to byte', 'bytes'],
      rows: all.map(([from, to], i) => [i + 1, from, to, to - from]),
    },
  )
}

function drawBytes(bytes: Uint8Array, at: number): void {
  // The frame around the position is marked; 700 bytes on either side are shown.
  let from = at
  while (from > 0 && !(bytes[from - 1] === 10 && bytes[from - 2] === 10)) from--
  const before = bytes.subarray(Math.max(0, from - 700), from)
  slot('bytes').replaceChildren(
    from > 700 ? '… ' : '',
    showBytes(before),
    h('mark', {}, showBytes(bytes.subarray(from, at))),
    h('span', { class: 'ahead' }, '▏', showBytes(bytes.subarray(at, at + 500))),
    at + 500 < bytes.length ? ' …' : '',
  )
}

function drawClock({ arrivals, bytes, provider }: Source, at: number): void {
  if (arrivals.length === 0) {
    slot('clock').replaceChildren(
      h(
        'p',
        { class: 'still' },
        'This fixture was written by hand and has no clock; choose the small model’s to see time.',
      ),
    )
    return
  }
  const gaps = arrivals.slice(1).map(([ms], i) => ms - arrivals[i]![0])
  const sorted = [...gaps].sort((a, b) => a - b)
  const first = arrivals.find(([, upTo]) => arrive(provider, [bytes.subarray(0, upTo)], false).text !== '')
  const now = arrivals.find(([, upTo]) => upTo >= at)?.[0] ?? arrivals.at(-1)![0]
  const total = arrivals.at(-1)![0]
  slot('clock').replaceChildren(
    h(
      'dl',
      { class: 'facts' },
      ...[
        ['time to first token, ms', first?.[0].toFixed(0) ?? '–'],
        ['median gap, ms', sorted[Math.floor(sorted.length / 2)]!.toFixed(1)],
        ['longest gap, ms', sorted.at(-1)!.toFixed(1)],
        ['at this byte, ms', now.toFixed(0)],
        ['chunks a second', ((arrivals.length / total) * 1000).toFixed(0)],
      ].map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
    ),
    h('div', { id: 'clock-chart' }),
  )
  figure(
    slot('clock-chart'),
    'Milliseconds between a chunk and the one before it, by time of arrival',
    (width) =>
      lines(
        width,
        [
          { name: 'gap', points: arrivals.slice(1).map(([ms], i) => [ms, gaps[i]!]), series: 1, dots: true },
          {
            name: 'here',
            points: [
              [now, 0],
              [now, sorted.at(-1)!],
            ],
            series: 2,
          },
        ],
        { x: 'ms', y: 'gap, ms', height: 180 },
      ),
    {
      columns: ['chunk', 'arrived, ms', 'gap, ms', 'bytes so far'],
      rows: arrivals.map(([ms, upTo], i) => [i + 1, ms, i === 0 ? '' : gaps[i - 1]!, upTo]),
      digits: 2,
    },
  )
}

startPage(state, draw)
afterPaint('load', async () => {
  await loading?.over
})
