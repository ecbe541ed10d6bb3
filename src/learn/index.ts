/**
 * The public names of the educational half, in reading order: the whole algorithm, the whole model, what it stands on,
 * its parts to look at one by one, what can be made of it. In and out: nothing; it only names.
 */
export { createTape, gpt100 } from './gpt100.ts'
export {
  adamw,
  backward,
  createCache,
  createModel,
  createVocabulary,
  decode,
  forward,
  generate,
  learningRate,
  load,
  loss,
  parameterShapes,
  sampleToken,
  save,
  train,
} from './llm500.ts'
export { createRandom, gaussian } from './random.ts'
export { blockedGemm, doubleMemory, plainMemory } from './gemm.ts'
export { gemmModule, wasmMemory } from './gemm-wasm.ts'
export { copyModel, naiveGemm, naiveLogits, naiveMemory } from './naive.ts'
export { attention, attentionMaps } from './attention.ts'
export {
  entropyBits,
  minP,
  orders,
  repetitionPenalty,
  sample,
  softmax,
  stepsOf,
  survivors,
  temperature,
  topK,
  topP,
} from './sampling.ts'
export { batchNorm, layerNorm, leak, rmsNorm } from './norm.ts'
export {
  attentionFlops,
  cacheBytes,
  cachedFlops,
  crossover,
  linearFlops,
  measuredCacheBytes,
  measuredDecodeMs,
  measuredForwardFlops,
  uncachedFlops,
} from './kv-cache.ts'
export { tale, tales } from './tales.ts'
export { presets, splitCorpus, stepFlops, trainPreset, trigramLoss } from './train.ts'
export { lossChart } from './chart.ts'
export { dequantize, quantize } from './quantize.ts'
export { byteToUnicode, toGguf } from './gguf.ts'
export { fromSafetensors, toSafetensors, transformersConfig } from './safetensors.ts'
export * from './prompts.ts'
export * from './optimize/index.ts'

export type * from './types.ts'
export type { Attention, Rows } from './attention.ts'
export type { Activations, Leak, Norm } from './norm.ts'
export type { Candidate, SamplingSettings, Step } from './sampling.ts'
export type { Preset, PresetOptions, Trained } from './train.ts'
export type { Random } from './random.ts'
