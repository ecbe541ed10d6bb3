/**
 * Train a model in this tab. In: a shape, a number of steps, a text. Out: the loss as it falls, samples along the way on
 * a timeline, and the model as files other programs open. The work is done in a worker (train-job.ts).
 */
import { presets, type Preset } from '../train.ts'
import { figure, lines } from './kit/charts.ts'
import { button, checkbox, numeric, range, select, textField } from './kit/controls.ts'
import { h, slot } from './kit/dom.ts'
import { afterPaint, announce, download, notice, startPage } from './kit/page.ts'
import { choice, createState, flag, integer, text } from './kit/state.ts'
import { startJob, type Running } from './kit/worker.ts'
import type { TrainAnswer, TrainAsk, TrainFiles } from './train-job.ts'
import type { TrainStep } from '../types.ts'

const state = createState({
  size: choice('10s', ['10s', '1min', '5min']),
  steps: integer(400, 10, 4000),
  seed: integer(1, 1, 999_999),
  kernel: choice('wasm', ['wasm', 'typescript']),
  log: flag(false),
  prompt: text('Once upon a time', 60),
  corpus: text('', 200_000),
  at: integer(4000, 0, 4000),
})

let running: Running | undefined
let paused = false
let steps: TrainStep[] = []
let samples: { step: number; text: string }[] = []
let files: TrainFiles | undefined
let facts: { params: number; vocab: number; used: string; flops: number; trigramLoss: number } | undefined
let stepMs = 0

slot('controls').append(
  select(state, 'size', 'Size', {
    '10s': 'small: 2 layers of 32',
    '1min': 'middle: 3 layers of 64',
    '5min': 'large: 4 layers of 96',
  }),
  range(state, 'steps', 'Steps', { step: 10 }),
  numeric(state, 'seed', 'Seed of everything'),
  select(state, 'kernel', 'Matrix product', { wasm: 'WebAssembly SIMD', typescript: 'TypeScript' }),
  textField(state, 'prompt', 'Samples begin with', { longest: 60 }),
  checkbox(state, 'log', 'Logarithmic steps'),
)
const own = textField(state, 'corpus', 'Your own text to learn (empty: this project’s tales)', {
  lines: 3,
  longest: 200_000,
  hint: 'At least 700 characters for the small model; it stays in this tab, and is kept out of the address when long.',
})
own.classList.add('wide')
slot('own').append(own)

const go = button('Train', () => start())
go.classList.add('primary')
const pause = button('Pause', () => {
  paused = !paused
  running?.pause(paused)
  pause.textContent = paused ? 'Go on' : 'Pause'
})
const save = (kind: 'gguf' | 'safetensors' | 'weights', name: string, label: string): HTMLButtonElement =>
  button(label, () => {
    const bytes = files?.[kind]
    if (bytes !== undefined) download(bytes, name)
  })
const gguf = save('gguf', 'trained-here.gguf', 'Download GGUF')
const safetensors = save('safetensors', 'model.safetensors', 'Download safetensors')
slot('buttons').append(go, pause, gguf, safetensors)
slot('timeline').append(
  range(state, 'at', 'Sample', {
    max: () => Math.max(0, samples.length - 1),
    format: (value) =>
      samples.length === 0 ? '–' : `step ${samples[Math.min(value, samples.length - 1)]!.step}`,
  }),
)

function start(): void {
  running?.end()
  steps = []
  samples = []
  files = undefined
  paused = false
  pause.textContent = 'Pause'
  const { size, steps: count, seed, kernel, corpus, prompt } = state.value
  const preset: Preset = { ...presets[size], steps: count }
  document.documentElement.dataset['trained'] = 'false'
  running = startJob<TrainAsk, TrainAnswer>(
    'train-worker.js',
    async () => (await import('./train-job.ts')).trainJob,
    {
      preset,
      kernel,
      seed,
      prompt,
      sampleEvery: Math.max(5, Math.ceil(count / 20)),
      ...(corpus === '' ? {} : { corpus }),
    },
    take,
  )
  notice(
    'worker',
    running.inWorker ? '' : 'Workers are not allowed here; training runs in the page and makes it slow.',
  )
  notice('job', '')
  redraw()
}

function take(answer: TrainAnswer | { error: string }): void {
  if ('error' in answer) {
    notice('job', `Training stopped: ${answer.error}`)
    return
  }
  switch (answer.kind) {
    case 'start':
      facts = answer
      notice(
        'wasm',
        state.value.kernel === 'wasm' && answer.used !== 'wasm'
          ? 'This browser has no WebAssembly SIMD; the TypeScript product computes the same, slower.'
          : '',
      )
      break
    case 'step':
      steps.push(answer.step)
      stepMs = stepMs === 0 || steps.length < 3 ? answer.ms : 0.95 * stepMs + 0.05 * answer.ms
      break
    case 'sample':
      samples.push(answer)
      // The slider follows the newest sample unless the reader went back.
      if (state.value.at >= samples.length - 2) state.set({ at: samples.length - 1 })
      break
    case 'files':
      files = answer.files
      break
    case 'done':
      document.documentElement.dataset['trained'] = 'true'
      announce(`Trained: loss ${steps.at(-1)?.loss.toFixed(2)}.`)
      break
  }
  redraw()
}

function draw(): void {
  const preset = presets[state.value.size]
  const last = steps.at(-1)
  gguf.disabled = files?.gguf === undefined
  safetensors.disabled = files === undefined
  notice('gguf', files?.why === undefined ? '' : `No GGUF of this text: ${files.why}`)
  pause.disabled = running === undefined || last?.step === state.value.steps
  const rate = stepMs > 0 ? 1000 / stepMs : 0
  slot('facts').hidden = last === undefined
  slot('sample').hidden = samples.length === 0
  slot('timeline').hidden = samples.length === 0
  slot('facts').replaceChildren(
    ...[
      ['step', last === undefined ? '–' : `${last.step} of ${state.value.steps}`],
      ['loss, nats a character', last === undefined ? '–' : last.loss.toFixed(3)],
      ['held out', steps.findLast((step) => step.valLoss !== undefined)?.valLoss?.toFixed(3) ?? '–'],
      ['parameters', facts === undefined ? '–' : facts.params.toLocaleString('en')],
      ['tokens/s', rate === 0 ? '–' : Math.round(rate * preset.batch * preset.context).toLocaleString('en')],
      ['GFLOP/s', rate === 0 || facts === undefined ? '–' : ((rate * facts.flops) / 1e9).toFixed(2)],
    ].map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  )
  if (steps.length > 0) {
    const held = steps.filter((step) => step.valLoss !== undefined)
    const every = Math.max(1, Math.ceil(steps.length / 400))
    figure(
      slot('loss'),
      'Loss by step, and two lines to get below: knowing nothing, and a table of three-letter counts.',
      (width) =>
        lines(
          width,
          [
            {
              name: 'training',
              points: steps.filter((_, i) => i % every === 0).map((step) => [step.step, step.loss]),
              series: 1,
            },
            {
              name: 'held out',
              points: held.map((step) => [step.step, step.valLoss!]),
              series: 2,
              dots: held.length < 20,
            },
            ...(facts === undefined
              ? []
              : (
                  [
                    [`nothing known, ${Math.log(facts.vocab).toFixed(2)}`, Math.log(facts.vocab), 4],
                    [`trigrams, ${facts.trigramLoss.toFixed(2)}`, facts.trigramLoss, 3],
                  ] as const
                ).map(([name, level, series]) => ({
                  name,
                  series,
                  dashed: true,
                  points: [
                    [1, level],
                    [steps.length, level],
                  ] as const,
                }))),
          ],
          { x: 'step', y: 'nats a character', logX: state.value.log, height: 300 },
        ),
      {
        columns: ['step', 'loss', 'held out', 'learning rate', 'gradient norm'],
        rows: steps.map((step) => [step.step, step.loss, step.valLoss ?? '', step.lr, step.norm]),
        digits: 6,
      },
    )
  } else
    slot('loss').replaceChildren(
      h(
        'p',
        { class: 'still' },
        'Press Train: ten seconds, and letters become words. Nothing leaves this tab.',
      ),
    )
  const shown = samples[Math.min(state.value.at, samples.length - 1)]
  slot('sample').textContent = shown?.text ?? ''
}

const { redraw } = startPage(state, draw)
afterPaint('job', async () => {})
