/**
 * From a corpus to a model worth talking to. In: a preset and text. Out: one report a step, then the model, its
 * vocabulary and the trigram baseline it has to beat. A preset is a number of steps, not of seconds, so that the
 * same seed gives the same weights; the names say what it took on one 2.6 GHz server core. Not here: files, clocks,
 * progress bars (scripts/train.ts has them), so that the same code trains in a browser worker.
 */
import { createModel, createVocabulary, train } from './llm500.ts'
import type { Memory, Model, Shape, TrainStep, Vocabulary } from './types.ts'
import { tales } from './tales.ts'

/** A model size and a training budget. */
export interface Preset {
  /** Blocks. */
  readonly layers: number
  /** Attention heads a block. */
  readonly heads: number
  /** Width of the residual stream. */
  readonly channels: number
  /** Window in tokens. */
  readonly context: number
  /** Windows a step. */
  readonly batch: number
  /** Optimizer steps. */
  readonly steps: number
  /** Peak learning rate. */
  readonly lr: number
}

/** About 10 seconds, 1 minute and 5 minutes with the WASM kernel on one core. */
export const presets: { readonly [name in '10s' | '1min' | '5min']: Preset } = {
  '10s': { layers: 2, heads: 4, channels: 32, context: 32, batch: 16, steps: 800, lr: 6e-3 },
  '1min': { layers: 3, heads: 4, channels: 64, context: 64, batch: 8, steps: 1200, lr: 5e-3 },
  '5min': { layers: 4, heads: 4, channels: 96, context: 64, batch: 8, steps: 3600, lr: 4e-3 },
}

/** Floating point operations of one training step: the forward pass, and twice that for the backward pass. */
export function stepFlops({ layers, channels: C, context: T, batch }: Preset, vocab: number): number {
  return 3 * batch * T * (layers * (24 * C * C + 4 * T * C) + 2 * C * vocab)
}

/** Where {@link trainPreset} takes its numbers and text from. */
export interface PresetOptions {
  /** Default: 600,000 characters of this project's own tales. */
  readonly corpus?: string
  /** Default: plain float32 memory; pass `wasmMemory` for speed. */
  readonly memory?: (length: number) => Memory
  /** Of weights and batches; default 1. */
  readonly seed?: number
}

/** What {@link trainPreset} returns at the end. */
export interface Trained {
  readonly model: Model
  readonly vocabulary: Vocabulary
  /** Cross-entropy of the trigram model on the same held-out text, nats a character. */
  readonly trigramLoss: number
}

/** A corpus as ids, its last tenth held out. Throws RangeError on a corpus too short for the window. */
export function splitCorpus(
  corpus: string,
  context: number,
): { vocabulary: Vocabulary; train: Int32Array; val: Int32Array } {
  if (corpus.length < 20 * context) {
    throw new RangeError(
      `The corpus has ${corpus.length} characters; a window of ${context} needs ${20 * context}.`,
    )
  }
  const vocabulary = createVocabulary(corpus)
  const ids = vocabulary.encode(corpus)
  const cut = Math.floor(ids.length * 0.9)
  return { vocabulary, train: ids.subarray(0, cut), val: ids.subarray(cut) }
}

/** Trains a preset, yielding after every step with the number of tokens seen; returns the model. */
export function* trainPreset(
  preset: Preset,
  options: PresetOptions = {},
): Generator<TrainStep & { model: Model; vocabulary: Vocabulary }, Trained> {
  const { corpus = tales(600_000), memory, seed = 1 } = options
  const { vocabulary, train: ids, val } = splitCorpus(corpus, preset.context)
  const { layers, heads, channels, context, batch, steps, lr } = preset
  const shape: Shape = { layers, heads, channels, context, vocab: vocabulary.chars.length }
  const model = createModel(shape, { batch, seed, ...(memory ? { memory } : {}) })
  for (const step of train(model, { train: ids, val }, { steps, lr, seed }))
    yield { ...step, model, vocabulary }
  return { model, vocabulary, trigramLoss: trigramLoss(ids, val, vocabulary.chars.length) }
}

/**
 * The baseline: p(c | a b) counted in `train`, smoothed towards p(c | b), that towards p(c), that towards 1/V, each
 * with weight k = 1 (Dirichlet smoothing). Returns the mean −log p over `val` in nats.
 */
export function trigramLoss(train: Int32Array, val: Int32Array, vocab: number): number {
  const uni = new Float64Array(vocab)
  const bi = new Float64Array(vocab ** 2)
  const tri = new Float64Array(vocab ** 3)
  const biTotal = new Float64Array(vocab)
  const triTotal = new Float64Array(vocab ** 2)
  for (let i = 2; i < train.length; i++) {
    const [a, b, c] = [train[i - 2]!, train[i - 1]!, train[i]!]
    uni[c]! += 1
    bi[b * vocab + c]! += 1
    biTotal[b]! += 1
    tri[(a * vocab + b) * vocab + c]! += 1
    triTotal[a * vocab + b]! += 1
  }
  let sum = 0
  for (let i = 2; i < val.length; i++) {
    const [a, b, c] = [val[i - 2]!, val[i - 1]!, val[i]!]
    const p1 = (uni[c]! + 1 / vocab) / (train.length - 1)
    const p2 = (bi[b * vocab + c]! + p1) / (biTotal[b]! + 1)
    const p3 = (tri[(a * vocab + b) * vocab + c]! + p2) / (triTotal[a * vocab + b]! + 1)
    sum -= Math.log(p3)
  }
  return sum / (val.length - 2)
}
