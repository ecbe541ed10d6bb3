/**
 * Training, step by step. In: a preset, a corpus, a kernel. Out: the loss of every step, now and then a sample, at the end
 * (or when asked by pausing) the model as files. The library's `trainPreset` does the work.
 */
import { toGguf } from '../gguf.ts'
import { generate, save } from '../llm500.ts'
import { createRandom } from '../random.ts'
import { toSafetensors } from '../safetensors.ts'
import { tales } from '../tales.ts'
import { splitCorpus, stepFlops, trainPreset, trigramLoss, type Preset } from '../train.ts'
import type { Model, TrainStep, Vocabulary } from '../types.ts'
import { memoryOf, type Kernel } from './kit/model.ts'
import type { Job } from './kit/worker.ts'

/** What to train. */
export interface TrainAsk {
  readonly preset: Preset
  /** Text to learn; undefined: the project's own tales. */
  readonly corpus?: string
  readonly kernel: Kernel
  readonly seed: number
  readonly sampleEvery: number
  readonly prompt: string
}

/** Files of a model. */
export interface TrainFiles {
  readonly gguf?: Uint8Array
  readonly safetensors: Uint8Array
  readonly weights: Uint8Array
  /** Why there is no GGUF. */
  readonly why?: string
}

/** What is reported. */
export type TrainAnswer =
  | {
      readonly kind: 'start'
      readonly params: number
      readonly vocab: number
      readonly used: Kernel
      readonly flops: number
      /** What a table of three-letter counts reaches on the same held-out text: the line to get below. */
      readonly trigramLoss: number
    }
  | { readonly kind: 'step'; readonly step: TrainStep; readonly ms: number }
  | { readonly kind: 'sample'; readonly step: number; readonly text: string }
  | { readonly kind: 'files'; readonly files: TrainFiles }
  | { readonly kind: 'done' }

function sampleText(model: Model, vocabulary: Vocabulary, prompt: string): string {
  let text = prompt
  const ids = vocabulary.encode(prompt)
  const start = ids.length === 0 ? Int32Array.of(0) : ids
  for (const { id } of generate(model, start, { temperature: 0.7, random: createRandom(7) })) {
    text += vocabulary.decode([id])
    if (text.length >= prompt.length + 160) break
  }
  return text
}

function filesOf(model: Model, vocabulary: Vocabulary): TrainFiles {
  const shared = { safetensors: toSafetensors(model), weights: save(model, vocabulary.chars) }
  try {
    return { ...shared, gguf: toGguf(model, vocabulary.chars) }
  } catch (error) {
    return { ...shared, why: error instanceof Error ? error.message : String(error) }
  }
}

/** Trains, reporting every step. */
export const trainJob: Job<TrainAsk, TrainAnswer> = async (ask, answer, control) => {
  const { preset, corpus = tales(600_000), kernel, seed, sampleEvery, prompt } = ask
  const { memory, used } = memoryOf(kernel)
  const { train, val, vocabulary: alphabet } = splitCorpus(corpus, preset.context)
  const baseline = trigramLoss(train, val, alphabet.chars.length)
  const run = trainPreset(preset, { memory, seed, corpus })
  let since = performance.now()
  let turned = since
  for (;;) {
    const next = run.next()
    if (next.done === true) {
      answer({ kind: 'files', files: filesOf(next.value.model, next.value.vocabulary) })
      answer({ kind: 'done' })
      return
    }
    const { model, vocabulary, ...step } = next.value
    if (step.step === 1) {
      const vocab = vocabulary.chars.length
      const flops = stepFlops(preset, vocab)
      answer({ kind: 'start', params: model.params, vocab, used, flops, trigramLoss: baseline })
    }
    const now = performance.now()
    answer({ kind: 'step', step, ms: now - since })
    if (step.step === 1 || step.step % sampleEvery === 0 || step.step === preset.steps) {
      answer({ kind: 'sample', step: step.step, text: sampleText(model, vocabulary, prompt) })
      answer({ kind: 'files', files: filesOf(model, vocabulary) })
    }
    since = performance.now()
    // A turn costs a few milliseconds in a browser; one every 30 ms keeps pausing prompt and training fast.
    if (since - turned > 30) {
      if (await control.turn()) return
      turned = since = performance.now()
    }
  }
}
