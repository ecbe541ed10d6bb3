/**
 * The vocabulary of this half: what a memory, a tensor, a model and a step of training are. Types only; the
 * reasons stand where they are used. B batch rows, T time steps, C channels, H heads, V vocabulary, L layers.
 */

/** float32 to train, float64 to prove the gradients. */
export type Floats = Float32Array | Float64Array

/**
 * (out, a, b, M, N, K, aRow, aCol, bRow, outRow, add, bCol = 1): out[m,n] = add·out[m,n] + Σk a[m,k]·b[k,n], add 0
 * or 1, all three in one memory. Element (m,k) of `a` stands at a + m·aRow + k·aCol: swap the strides and `a` is
 * transposed; so with `b` and bRow, bCol. Rows of `out` are contiguous and lie outRow apart.
 */
export type Gemm = (...args: number[]) => void

/** Characters ↔ token ids. The id of a character is its index in `chars`. */
export interface Vocabulary {
  /** Every known character, in code point order. */
  readonly chars: readonly string[]
  /** Ids of a text. A character the model does not know is clamped: see {@link createVocabulary}. */
  encode(text: string): Int32Array
  /** Text of some ids. Throws RangeError on an id outside the vocabulary. */
  decode(ids: ArrayLike<number>): string
}

/** One flat array and the matrix product over it. `wasmMemory` (gemm-wasm.ts) is the fast one. */
export interface Memory {
  readonly f: Floats
  readonly gemm: Gemm
}

/** The five numbers that fix a model. `channels` is a multiple of `heads`, `context` the longest window. */
export interface Shape {
  /** Blocks, L. */
  readonly layers: number
  /** Attention heads a block. */
  readonly heads: number
  /** Width of the residual stream, C. */
  readonly channels: number
  /** Longest window in tokens, T. */
  readonly context: number
  /** Tokens of the vocabulary, V. */
  readonly vocab: number
}

/** One parameter tensor: `size` numbers from `f[at]` on, named and oriented as in GPT-2's checkpoints. */
export interface Tensor {
  readonly name: string
  readonly dims: readonly number[]
  /** Place of its first number. */
  readonly at: number
  /** How many numbers. */
  readonly size: number
}

/** A model in memory: P parameters, then gradients and AdamW's two moments (P each), then activations. */
export interface Model extends Memory {
  readonly shape: Shape
  readonly tensors: readonly Tensor[]
  /** P, the number of parameters. */
  readonly params: number
  /** R, the rows that the activations have room for; 0 where the model was made for inference only. */
  readonly rows: number
  /** Address of a parameter tensor or an activation. */
  at(name: string): number
  /** Optimizer steps taken. */
  step: number
}

/** What {@link createModel} can be told. */
export interface ModelOptions {
  /** Windows per training step; 0 (default) reserves nothing for training. */
  readonly batch?: number
  /** Seed of the initial weights; default 1. */
  readonly seed?: number
  /** Where the numbers live; default {@link plainMemory}. */
  readonly memory?: (length: number) => Memory
}

/** How {@link train} learns. */
export interface TrainOptions {
  /** Optimizer steps. */
  readonly steps: number
  /** Peak learning rate; default 1e-3. Warm-up takes the first 5 % of the steps, a half cosine the rest. */
  readonly lr?: number
  /** Learning rate at the end; default lr/10. */
  readonly minLr?: number
  /** Decoupled weight decay of the matrices (gains and biases have none); default 0.1. */
  readonly decay?: number
  /** Largest gradient norm; default 1. */
  readonly clip?: number
  /** Steps between two measurements of the validation loss; default 100; the last step always measures. */
  readonly evalEvery?: number
  /** Seed of the batches; default 1. */
  readonly seed?: number
}

/** Text as ids: what to learn from, and what to be examined on. */
export interface Corpus {
  readonly train: Int32Array
  readonly val: Int32Array
}

/** What one step of training reports; losses in nats a token. */
export interface TrainStep {
  /** From 1. */
  readonly step: number
  /** Of the batch, in nats a token. */
  readonly loss: number
  /** On held-out text, at the steps where it was measured. */
  readonly valLoss?: number
  /** Learning rate of the step. */
  readonly lr: number
  /** Gradient norm before clipping. */
  readonly norm: number
}

/** Keys and values (L,T,C) of the `length` tokens read so far. Many caches may share one model. */
export interface Cache {
  readonly k: Float32Array
  readonly v: Float32Array
  /** Tokens read so far. */
  length: number
}

/** How the next token is chosen, in this order: temperature, top-k, top-p, min-p (sampling.ts has others). */
export interface SampleOptions {
  /** Divides the logits; default 1; 0 takes the likeliest token. */
  readonly temperature?: number
  /** Keep the k likeliest; default all; more than the vocabulary is all. */
  readonly topK?: number
  /** Keep the fewest tokens whose probabilities reach this sum; default 1, all. */
  readonly topP?: number
  /** Keep tokens at least this fraction as likely as the likeliest; default 0, all. */
  readonly minP?: number
}

/** How text is continued. */
export interface GenerateOptions extends SampleOptions {
  /** Uniform numbers in [0, 1); default `createRandom(1)`. */
  readonly random?: () => number
}

/** One generated token and the logits it was drawn from. */
export interface Generated {
  /** The token drawn. */
  readonly id: number
  /** One per token of the vocabulary. */
  readonly logits: Float64Array
}

/** What stands in a weight file beside the weights. */
export interface Header {
  readonly shape: Shape
  /** The vocabulary, in id order. */
  readonly chars: string
  /** Optimizer steps taken. */
  readonly step: number
}

/** What {@link load} returns. */
export interface Loaded {
  readonly model: Model
  readonly vocabulary: Vocabulary
  readonly header: Header
}

/** What `gpt100` can be told; defaults in the code. */
export interface Gpt100Options {
  /** Attention heads; default 4. */
  readonly heads?: number
  /** Channels; default 16. */
  readonly width?: number
  /** Longest window in tokens; default 16. */
  readonly context?: number
  /** Documents to train on; default 1000. */
  readonly steps?: number
  /** Learning rate at the start, falling to 0; default 0.01. */
  readonly lr?: number
  /** Of everything random; default 42. */
  readonly seed?: number
  /** Documents to write after training; default 20. */
  readonly samples?: number
  /** Of the documents written; default 0.5. */
  readonly temperature?: number
}

/** Places on a tape. */
export type Row = number[]

/** A record of scalar operations and their derivatives; a number is known by its place on the tape. */
export interface Tape {
  readonly data: Float64Array
  readonly grad: Float64Array
  /** Appends a value computed from the values at `a` and `b`, with its derivatives; returns its place. */
  push(value: number, a?: number, dA?: number, b?: number, dB?: number): number
  add(a: number, b: number): number
  mul(a: number, b: number): number
  /** Sets `grad` to the derivatives of the value at `end` with respect to everything before it. */
  backward(end: number): void
  /** Forgets everything from the place `length` on. */
  rewind(length: number): void
}
