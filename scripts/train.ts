/**
 * `npm run train -- 10s | 1min | 5min [folder]`: trains a preset on this project's own tales, or on a text file given
 * with `--text <file>`, with a progress bar, and leaves in the folder (default .cache/train/<preset>): the weights in
 * float32 and int8, a loss chart (SVG), a GGUF file for llama.cpp, safetensors and config.json for Transformers.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { lossChart } from '../src/learn/chart.ts'
import { wasmMemory } from '../src/learn/gemm-wasm.ts'
import { toGguf } from '../src/learn/gguf.ts'
import { generate, save } from '../src/learn/llm500.ts'
import { quantize } from '../src/learn/quantize.ts'
import { createRandom } from '../src/learn/random.ts'
import { toSafetensors, transformersConfig } from '../src/learn/safetensors.ts'
import { presets, stepFlops, trainPreset, type Trained } from '../src/learn/train.ts'
import type { Model, TrainStep, Vocabulary } from '../src/learn/types.ts'

/** Name of a preset. */
export type PresetName = keyof typeof presets

/** `length` characters continuing `prompt`, at temperature 0.7. */
export function sampleText(model: Model, vocabulary: Vocabulary, prompt: string, length: number): string {
  let text = prompt
  const options = { temperature: 0.7, random: createRandom(7) }
  for (const { id } of generate(model, vocabulary.encode(prompt), options)) {
    text += vocabulary.decode([id])
    if (text.length >= prompt.length + length) break
  }
  return text
}

/** Trains a preset and draws its progress; returns the model and every step. */
export function trainWithProgress(name: PresetName, corpus?: string): Trained & { steps: TrainStep[] } {
  const preset = presets[name]
  const started = performance.now()
  const steps: TrainStep[] = []
  const run = trainPreset(preset, { memory: wasmMemory, ...(corpus === undefined ? {} : { corpus }) })
  let held = NaN
  for (;;) {
    const next = run.next()
    if (next.done === true) return { ...next.value, steps }
    const { model, vocabulary, ...step } = next.value
    steps.push(step)
    held = step.valLoss ?? held
    const seconds = (performance.now() - started) / 1000
    const filled = Math.round((20 * step.step) / preset.steps)
    const rate = step.step / seconds
    const gflops = (rate * stepFlops(preset, vocabulary.chars.length)) / 1e9
    const line =
      `${'█'.repeat(filled)}${'░'.repeat(20 - filled)} ${step.step}/${preset.steps}  loss ${step.loss.toFixed(3)}  ` +
      `held out ${held.toFixed(3)}  ${Math.round(rate * preset.batch * preset.context)} tok/s  ` +
      `${gflops.toFixed(1)} GFLOP/s  ${seconds.toFixed(0)} s`
    if (process.stdout.isTTY) process.stdout.write(`\r${line}\u001B[K`)
    const quarter = step.step % Math.ceil(preset.steps / 4) === 0
    if (quarter || (!process.stdout.isTTY && step.valLoss !== undefined))
      console.log(process.stdout.isTTY ? '' : line)
    if (quarter)
      console.log(`  “${sampleText(model, vocabulary, 'Once upon a time', 120).replaceAll('\n', ' ')}”`)
  }
}

function main(args: string[]): void {
  const textAt = args.indexOf('--text')
  const [, file] = textAt === -1 ? [] : args.splice(textAt, 2)
  if (textAt !== -1 && file === undefined) throw new RangeError('--text needs the name of a text file.')
  const corpus = file === undefined ? undefined : readFileSync(file, 'utf8')
  const [name = '10s', folder = join('.cache', 'train', name)] = args
  if (!Object.hasOwn(presets, name)) {
    throw new RangeError(`There is no preset "${name}"; give ${Object.keys(presets).join(', ')}.`)
  }
  const { model, vocabulary, trigramLoss, steps } = trainWithProgress(name as PresetName, corpus)
  const weights = save(model, vocabulary.chars)
  const files: [string, Uint8Array | string][] = [
    ['model.llm', weights],
    ['model-int8.llm', quantize(weights)],
    ['model.gguf', toGguf(model, vocabulary.chars)],
    ['model.safetensors', toSafetensors(model)],
    ['config.json', `${JSON.stringify(transformersConfig(model), null, 2)}\n`],
    ['loss.svg', lossChart(steps, `Training the ${name} preset: ${model.params} parameters`, trigramLoss)],
  ]
  mkdirSync(folder, { recursive: true })
  for (const [file, content] of files) writeFileSync(join(folder, file), content)
  const held = steps.at(-1)?.valLoss ?? NaN
  console.log(`\n${sampleText(model, vocabulary, 'Once upon a time', 600)}\n`)
  console.log(`Held-out loss ${held.toFixed(3)}, trigrams ${trigramLoss.toFixed(3)} nats a character.`)
  console.log(`Wrote ${files.map(([file]) => file).join(', ')} to ${folder}.`)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    main(process.argv.slice(2))
  } catch (error) {
    // A name that does not exist or a corpus too short needs a sentence, not a stack.
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
