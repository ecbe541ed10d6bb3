/**
 * A complete GPT in under 500 lines: characters in, a trained model and new text out, no dependency.
 * In: a string. Out: a model, its loss as it learns, text, and a file of weights that loads again.
 * The architecture is GPT-2's (Radford et al. 2019: pre-LayerNorm, biases, tanh-GELU, tied head), so that
 * other engines can run what is trained here (gguf.ts, safetensors.ts). Not here: dropout, byte pairs, GPUs.
 *
 * Every number lives in ONE flat array `f`; a tensor is an integer, the index of its first element, as a
 * pointer is in C. Each layer is a forward/backward PAIR; the shapes stand in the comment above it.
 * B batch rows, T time steps, C channels, H heads, D = C/H, V vocabulary, L layers, R = B·T rows.
 * Every clever loop has a slow twin in naive.ts that says the same thing plainly: the tests compare them.
 */

// ─── 1. Text: a character is a token ────────────────────────────────────────────────────────────────────

/** Characters ↔ token ids. The id of a character is its index in `chars`. */
export interface Vocabulary {
  /** Every known character, in code point order. */
  readonly chars: readonly string[]
  /** Ids of a text. A character the model does not know is clamped: see {@link createVocabulary}. */
  encode(text: string): Int32Array
  /** Text of some ids. Throws RangeError on an id outside the vocabulary. */
  decode(ids: ArrayLike<number>): string
}

/**
 * The vocabulary of a text, or of a list of characters. The documented clamp for characters outside it, in
 * this order: its NFKD base (é → e, ﬁ → fi, ① → 1), plain quotes and dashes for typographic ones, the other
 * case, then a space; where even the space is unknown, nothing.
 */
export function createVocabulary(text: Iterable<string>): Vocabulary {
  const chars = [...new Set(text)].sort()
  if (chars.length < 2) throw new RangeError('The corpus needs at least two different characters.')
  const ids = new Map(chars.map((char, id) => [char, id]))
  const plain = new Map([...'‘’‚“”„–—−…'].map((char, i) => [char, `'''"""---.`[i] ?? ' ']))
  const look = (char: string): number | undefined =>
    ids.get(char) ?? ids.get(char.toLowerCase()) ?? ids.get(char.toUpperCase())
  const clamp = (char: string): number[] => {
    const base = [...char.normalize('NFKD')].map((c) => look(plain.get(c) ?? c))
    const known = base.filter((id) => id !== undefined)
    return known.length > 0 ? known : [ids.get(' ')].filter((id) => id !== undefined)
  }
  const encode = (source: string): Int32Array =>
    Int32Array.from([...source].flatMap((char) => ids.get(char) ?? clamp(char)))
  const decode = (tokens: ArrayLike<number>): string =>
    Array.from(tokens, (id) => {
      if (chars[id] === undefined) throw new RangeError(`Token ${id} is not in 0..${chars.length - 1}.`)
      return chars[id]
    }).join('')
  return { chars, encode, decode }
}

/** Seeded uniform numbers in [0, 1): 32 bits of splitmix-style mixing, the same on every engine. */
export function createRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return ((z ^ (z >>> 15)) >>> 0) / 4294967296
  }
}

// ─── 2. Memory and the one matrix product ───────────────────────────────────────────────────────────────

/** float32 to train, float64 to prove the gradients. */
export type Floats = Float32Array | Float64Array

/**
 * out[m,n] = (add ? out[m,n] : 0) + Σk a[m,k]·b[k,n], all three in the same memory. `a` is read through two
 * strides (swap them: a transposed), `b` and `out` have contiguous rows `bRow` and `outRow` apart.
 */
export type Gemm = (
  out: number,
  a: number,
  b: number,
  M: number,
  N: number,
  K: number,
  aRow: number,
  aCol: number,
  bRow: number,
  outRow: number,
  add: boolean,
) => void

/** One flat array and the matrix product over it. `wasmMemory` (gemm-wasm.ts) is the fast one. */
export interface Memory {
  readonly f: Floats
  readonly gemm: Gemm
}

/** The memory of a layer that multiplies no matrices. */
export type Numbers = Pick<Memory, 'f'>

/** Float32 memory with the register-blocked product below. */
export function plainMemory(length: number): Memory {
  const f = new Float32Array(length)
  return { f, gemm: blockedGemm(f) }
}

/** Float64 memory: the precision in which gradients are checked against finite differences. */
export function doubleMemory(length: number): Memory {
  const f = new Float64Array(length)
  return { f, gemm: blockedGemm(f) }
}

/** 4 × 2 outputs at a time: each loaded number is used 2 or 4 times before it leaves its register. */
export function blockedGemm(f: Floats): Gemm {
  return (out, a, b, M, N, K, aRow, aCol, bRow, outRow, add) => {
    const put = (at: number, sum: number): void => {
      f[at] = (add ? f[at]! : 0) + sum
    }
    for (let m = 0; m < M; m += 4) {
      for (let n = 0; n < N; n += 2) {
        const o = out + m * outRow + n
        let p = a + m * aRow
        let q = b + n
        if (m + 4 > M || n + 2 > N) {
          for (let i = 0; i < Math.min(4, M - m); i++) {
            for (let j = 0; j < Math.min(2, N - n); j++) {
              let sum = 0
              for (let k = 0; k < K; k++) sum += f[p + i * aRow + k * aCol]! * f[q + j + k * bRow]!
              put(o + i * outRow + j, sum)
            }
          }
          continue
        }
        let s00 = 0
        let s01 = 0
        let s10 = 0
        let s11 = 0
        let s20 = 0
        let s21 = 0
        let s30 = 0
        let s31 = 0
        for (let k = 0; k < K; k++) {
          const b0 = f[q]!
          const b1 = f[q + 1]!
          const a0 = f[p]!
          const a1 = f[p + aRow]!
          const a2 = f[p + 2 * aRow]!
          const a3 = f[p + 3 * aRow]!
          s00 += a0 * b0
          s01 += a0 * b1
          s10 += a1 * b0
          s11 += a1 * b1
          s20 += a2 * b0
          s21 += a2 * b1
          s30 += a3 * b0
          s31 += a3 * b1
          p += aCol
          q += bRow
        }
        put(o, s00)
        put(o + 1, s01)
        put(o + outRow, s10)
        put(o + outRow + 1, s11)
        put(o + 2 * outRow, s20)
        put(o + 2 * outRow + 1, s21)
        put(o + 3 * outRow, s30)
        put(o + 3 * outRow + 1, s31)
      }
    }
  }
}

// ─── 3. Layers, in pairs: what a layer computes, and how an error at its output reaches its inputs ──────────

/** out = x·W + b.  x (R,K) · W (K,N) + b (N) → out (R,N) */
export function linearForward(
  { f, gemm }: Memory,
  out: number,
  x: number,
  w: number,
  b: number,
  R: number,
  K: number,
  N: number,
): void {
  for (let r = 0; r < R; r++) f.copyWithin(out + r * N, b, b + N)
  gemm(out, x, w, R, N, K, K, 1, N, N, true)
}

/** dx = dout·Wᵀ (R,K) · dW += xᵀ·dout (K,N) · db += Σrows dout (N).  `scratch` holds Wᵀ (N,K). */
export function linearBackward(
  { f, gemm }: Memory,
  dx: number,
  dw: number,
  db: number,
  dout: number,
  x: number,
  w: number,
  scratch: number,
  R: number,
  K: number,
  N: number,
): void {
  transpose(f, scratch, w, K, N, N)
  gemm(dx, dout, scratch, R, K, N, N, 1, K, K, false)
  gemm(dw, x, dout, K, N, R, 1, K, N, N, true)
  for (let r = 0; r < R; r++) {
    for (let n = 0; n < N; n++) f[db + n]! += f[dout + r * N + n]!
  }
}

/** out (columns,rows) = x (rows,columns)ᵀ, where the rows of x lie `stride` apart. */
function transpose(f: Floats, out: number, x: number, rows: number, cols: number, stride: number): void {
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) f[out + c * rows + r] = f[x + r * stride + c]!
  }
}

const EPSILON = 1e-5

/** out = (x − mean) / √(var + ε) · w + b, every row by itself.  x, out (R,C) · mean, rstd (R) · w, b (C) */
export function layerNormForward(
  { f }: Numbers,
  out: number,
  mean: number,
  rstd: number,
  x: number,
  w: number,
  b: number,
  R: number,
  C: number,
): void {
  for (let r = 0; r < R; r++) {
    const row = x + r * C
    let sum = 0
    for (let c = 0; c < C; c++) sum += f[row + c]!
    const mu = sum / C
    let squares = 0
    for (let c = 0; c < C; c++) squares += (f[row + c]! - mu) ** 2
    const s = 1 / Math.sqrt(squares / C + EPSILON)
    for (let c = 0; c < C; c++) f[out + r * C + c] = (f[row + c]! - mu) * s * f[w + c]! + f[b + c]!
    f[mean + r] = mu
    f[rstd + r] = s
  }
}

/** dx += (g − avg(g) − x̂·avg(g·x̂))·rstd with g = dout·w, x̂ the normalised x; dw += dout·x̂; db += dout. */
export function layerNormBackward(
  { f }: Numbers,
  dx: number,
  dw: number,
  db: number,
  dout: number,
  x: number,
  w: number,
  mean: number,
  rstd: number,
  R: number,
  C: number,
): void {
  for (let r = 0; r < R; r++) {
    const mu = f[mean + r]!
    const s = f[rstd + r]!
    let sumG = 0
    let sumGx = 0
    for (let c = 0; c < C; c++) {
      const d = f[dout + r * C + c]!
      const hat = (f[x + r * C + c]! - mu) * s
      sumG += d * f[w + c]!
      sumGx += d * f[w + c]! * hat
      f[dw + c]! += d * hat
      f[db + c]! += d
    }
    for (let c = 0; c < C; c++) {
      const hat = (f[x + r * C + c]! - mu) * s
      const g = f[dout + r * C + c]! * f[w + c]!
      f[dx + r * C + c]! += (g - sumG / C - (hat * sumGx) / C) * s
    }
  }
}

const GELU = 2 * Math.sqrt(2 / Math.PI)

/** out = x·σ(2u), u = √(2/π)(x + 0.044715x³): the tanh form of GELU, written with one exponential. */
export function geluForward({ f }: Numbers, out: number, x: number, n: number): void {
  for (let i = 0; i < n; i++) {
    const v = f[x + i]!
    f[out + i] = v / (1 + Math.exp(-GELU * (v + 0.044715 * v * v * v)))
  }
}

/** dx = dout·(σ + x·σ(1 − σ)·2u′).  In place where dx = dout. */
export function geluBackward({ f }: Numbers, dx: number, dout: number, x: number, n: number): void {
  for (let i = 0; i < n; i++) {
    const v = f[x + i]!
    const s = 1 / (1 + Math.exp(-GELU * (v + 0.044715 * v * v * v)))
    f[dx + i] = f[dout + i]! * (s + v * s * (1 - s) * GELU * (1 + 0.134145 * v * v))
  }
}

/**
 * Causal multi-head attention: out = softmax(q·kᵀ/√D)·v, position t seeing only positions ≤ t.
 * qkv (B,T,3C) · att (B,H,T,T), each row a distribution, zero above the diagonal · out (B,T,C) · scratch (D,T)
 */
export function attentionForward(
  { f, gemm }: Memory,
  out: number,
  att: number,
  qkv: number,
  scratch: number,
  B: number,
  T: number,
  C: number,
  H: number,
): void {
  const D = C / H
  const scale = 1 / Math.sqrt(D)
  for (let bh = 0; bh < B * H; bh++) {
    const q = qkv + Math.floor(bh / H) * T * 3 * C + (bh % H) * D
    const p = att + bh * T * T
    transpose(f, scratch, q + C, T, D, 3 * C)
    gemm(p, q, scratch, T, T, D, 3 * C, 1, T, T, false)
    for (let t = 0; t < T; t++) softmaxRow(f, p + t * T, t + 1, T, scale)
    const o = out + Math.floor(bh / H) * T * C + (bh % H) * D
    gemm(o, p, q + 2 * C, T, D, T, T, 1, 3 * C, C, false)
  }
}

/** In place: the first n of `width` scores become softmax(scale·score), the rest (the future) zero. */
function softmaxRow(f: Floats, row: number, n: number, width: number, scale: number): void {
  let max = -Infinity
  for (let i = 0; i < n; i++) max = Math.max(max, f[row + i]!)
  let sum = 0
  for (let i = 0; i < n; i++) {
    const e = Math.exp((f[row + i]! - max) * scale)
    f[row + i] = e
    sum += e
  }
  for (let i = 0; i < n; i++) f[row + i]! /= sum
  f.fill(0, row + n, row + width)
}

/** dqkv (B,T,3C) from dout (B,T,C): the four products of the forward pass, in reverse. scratch (D,T) + (T,T) */
export function attentionBackward(
  { f, gemm }: Memory,
  dqkv: number,
  dout: number,
  att: number,
  qkv: number,
  scratch: number,
  B: number,
  T: number,
  C: number,
  H: number,
): void {
  const D = C / H
  const scale = 1 / Math.sqrt(D)
  const ds = scratch + D * T
  for (let bh = 0; bh < B * H; bh++) {
    const head = Math.floor(bh / H) * T * 3 * C + (bh % H) * D
    const q = qkv + head
    const dq = dqkv + head
    const p = att + bh * T * T
    const d = dout + Math.floor(bh / H) * T * C + (bh % H) * D
    transpose(f, scratch, q + 2 * C, T, D, 3 * C)
    gemm(ds, d, scratch, T, T, D, C, 1, T, T, false)
    gemm(dq + 2 * C, p, d, T, D, T, 1, T, C, 3 * C, false)
    for (let t = 0; t < T; t++) {
      let dot = 0
      for (let i = 0; i <= t; i++) dot += f[p + t * T + i]! * f[ds + t * T + i]!
      for (let i = 0; i < T; i++) f[ds + t * T + i] = f[p + t * T + i]! * (f[ds + t * T + i]! - dot) * scale
    }
    gemm(dq, ds, q + C, T, D, T, T, 1, 3 * C, 3 * C, false)
    gemm(dq + C, ds, q, T, D, T, 1, T, 3 * C, 3 * C, false)
  }
}

/** out[r] = wte[token of r] + wpe[time of r].  wte (V,C) · wpe (T,C) · out (R,C) */
export function embedForward(
  { f }: Numbers,
  out: number,
  wte: number,
  wpe: number,
  tokens: ArrayLike<number>,
  T: number,
  C: number,
): void {
  for (let r = 0; r < tokens.length; r++) {
    for (let c = 0; c < C; c++) f[out + r * C + c] = f[wte + tokens[r]! * C + c]! + f[wpe + (r % T) * C + c]!
  }
}

/** dwte[token of r] += dout[r] · dwpe[time of r] += dout[r] */
export function embedBackward(
  { f }: Numbers,
  dwte: number,
  dwpe: number,
  dout: number,
  tokens: ArrayLike<number>,
  T: number,
  C: number,
): void {
  for (let r = 0; r < tokens.length; r++) {
    for (let c = 0; c < C; c++) {
      f[dwte + tokens[r]! * C + c]! += f[dout + r * C + c]!
      f[dwpe + (r % T) * C + c]! += f[dout + r * C + c]!
    }
  }
}

/** logits = x·wteᵀ: the table that reads characters also names them.  x (R,C) · wte (V,C) → (R,V) */
export function headForward(
  { f, gemm }: Memory,
  logits: number,
  x: number,
  wte: number,
  scratch: number,
  R: number,
  C: number,
  V: number,
): void {
  transpose(f, scratch, wte, V, C, C)
  gemm(logits, x, scratch, R, V, C, C, 1, V, V, false)
}

/** dx = dlogits·wte · dwte += dlogitsᵀ·x (the second of wte's two gradients; embedBackward adds the other) */
export function headBackward(
  { gemm }: Memory,
  dx: number,
  dwte: number,
  dlogits: number,
  x: number,
  wte: number,
  R: number,
  C: number,
  V: number,
): void {
  gemm(dx, dlogits, wte, R, C, V, V, 1, C, C, false)
  gemm(dwte, dlogits, x, V, C, R, 1, V, C, C, true)
}

/** Mean cross-entropy in nats: avg of −log softmax(logits)[target]. In place: logits (R,V) become probabilities. */
export function lossForward({ f }: Numbers, logits: number, targets: ArrayLike<number>, V: number): number {
  let sum = 0
  for (let r = 0; r < targets.length; r++) {
    softmaxRow(f, logits + r * V, V, V, 1)
    sum -= Math.log(f[logits + r * V + targets[r]!]! + 1e-38)
  }
  return sum / targets.length
}

/** In place: probabilities (R,V) become dlogits = (p − onehot(target)) / R. */
export function lossBackward({ f }: Numbers, probs: number, targets: ArrayLike<number>, V: number): void {
  const R = targets.length
  for (let r = 0; r < R; r++) f[probs + r * V + targets[r]!]! -= 1
  for (let i = 0; i < R * V; i++) f[probs + i]! /= R
}

// ─── 4. The model: parameters, activations, forward, backward ───────────────────────────────────────────

/** The five numbers that fix a model. `channels` must be a multiple of `heads`. */
export interface Shape {
  readonly layers: number
  readonly heads: number
  readonly channels: number
  /** Longest window in tokens. */
  readonly context: number
  readonly vocab: number
}

/** One parameter tensor; names and (in, out) orientation are those of GPT-2's published checkpoints. */
export interface Tensor {
  readonly name: string
  readonly dims: readonly number[]
  /** Index of the first element in `f`. */
  readonly at: number
  readonly size: number
}

/** Parameters in `f` at [0, P), then gradients, then AdamW's two moments, then activations. */
export interface Model extends Memory {
  readonly shape: Shape
  readonly tensors: readonly Tensor[]
  /** Number of parameters, P. */
  readonly params: number
  /** Rows R the activations have room for; 0 when the model was made for inference only. */
  readonly rows: number
  /** Where each tensor and activation starts. */
  readonly at: (name: string) => number
  /** Optimizer steps taken. */
  step: number
}

/** What {@link createModel} can be told. */
export interface ModelOptions {
  /** Windows per training step; 0 (default) reserves nothing for training. */
  readonly batch?: number
  /** Seed of the initial weights; default 1. */
  readonly seed?: number
  /** Where numbers live; default {@link plainMemory}. */
  readonly memory?: (length: number) => Memory
}

/** Name → dims of every parameter tensor, in file order. */
export function parameterShapes({ layers, channels: C, context, vocab }: Shape): [string, number[]][] {
  const block = (l: number): [string, number[]][] => [
    [`h.${l}.ln_1.weight`, [C]],
    [`h.${l}.ln_1.bias`, [C]],
    [`h.${l}.attn.c_attn.weight`, [C, 3 * C]],
    [`h.${l}.attn.c_attn.bias`, [3 * C]],
    [`h.${l}.attn.c_proj.weight`, [C, C]],
    [`h.${l}.attn.c_proj.bias`, [C]],
    [`h.${l}.ln_2.weight`, [C]],
    [`h.${l}.ln_2.bias`, [C]],
    [`h.${l}.mlp.c_fc.weight`, [C, 4 * C]],
    [`h.${l}.mlp.c_fc.bias`, [4 * C]],
    [`h.${l}.mlp.c_proj.weight`, [4 * C, C]],
    [`h.${l}.mlp.c_proj.bias`, [C]],
  ]
  return [
    ['wte.weight', [vocab, C]],
    ['wpe.weight', [context, C]],
    ...Array.from({ length: layers }, (_, l) => block(l)).flat(),
    ['ln_f.weight', [C]],
    ['ln_f.bias', [C]],
  ]
}

/**
 * A new model with GPT-2's initial weights: N(0, 0.02), the projections into the residual stream scaled by
 * 1/√(2·layers), gains 1, biases 0. Throws RangeError on a shape that cannot be.
 */
export function createModel(shape: Shape, options: ModelOptions = {}): Model {
  const { batch = 0, seed = 1, memory = plainMemory } = options
  const { layers: L, heads: H, channels: C, context: T, vocab: V } = shape
  const whole = [L, H, C, T, V].every((n) => Number.isSafeInteger(n) && n > 0)
  if (!whole || C % H !== 0 || V < 2) {
    throw new RangeError(
      `Impossible model shape ${JSON.stringify(shape)}: positive integers, C % H = 0, V ≥ 2.`,
    )
  }
  const at = new Map<string, number>()
  let end = 0
  const claim = (name: string, size: number): number => {
    at.set(name, end)
    end += size
    return end - size
  }
  const tensors = parameterShapes(shape).map(([name, dims]) => {
    const size = dims.reduce((a, b) => a * b)
    return { name, dims, size, at: claim(name, size) }
  })
  const params = end
  const R = batch * T
  if (R > 0) {
    for (const name of ['gradient', 'moment1', 'moment2']) claim(name, params)
    claim('x.0', R * C)
    for (let l = 0; l < L; l++) {
      for (const name of ['mean1', 'rstd1', 'mean2', 'rstd2']) claim(`${name}.${l}`, R)
      for (const name of ['norm1', 'heads', 'mid', 'norm2']) claim(`${name}.${l}`, R * C)
      claim(`qkv.${l}`, R * 3 * C)
      claim(`att.${l}`, R * H * T)
      claim(`up.${l}`, R * 4 * C)
      claim(`act.${l}`, R * 4 * C)
      claim(`x.${l + 1}`, R * C)
    }
    for (const name of ['meanF', 'rstdF']) claim(name, R)
    for (const name of ['normF', 'branch', 'dx', 'dnorm']) claim(name, R * C)
    claim('logits', R * V)
    claim('dqkv', R * 3 * C)
    claim('dup', R * 4 * C)
    claim('scratch', Math.max(4 * C * C, C * V, (C / H) * T + T * T))
  }
  const { f, gemm } = memory(end)
  const find = (name: string): number => {
    const offset = at.get(name)
    if (offset === undefined) throw new RangeError(`This model has no "${name}": was it made with a batch?`)
    return offset
  }
  const random = createRandom(seed)
  for (const tensor of tensors) {
    const std = tensor.name.endsWith('c_proj.weight') ? 0.02 / Math.sqrt(2 * L) : 0.02
    for (let i = tensor.at; i < tensor.at + tensor.size; i++) {
      if (tensor.dims.length === 2) f[i] = std * gaussian(random)
      else f[i] = tensor.name.endsWith('weight') ? 1 : 0
    }
  }
  return { shape, tensors, params, rows: R, f, gemm, at: find, step: 0 }
}

/** One standard normal number (Box–Muller). */
export function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** Runs `tokens` (B·T ids, row by row) through the model; the logits stand at `model.at('logits')`, (R,V). */
export function forward(model: Model, tokens: ArrayLike<number>, T: number = model.shape.context): void {
  const { at, f, shape } = model
  const { layers, heads: H, channels: C, vocab: V } = shape
  const R = tokens.length
  if (R === 0 || R > model.rows || R % T !== 0 || T > shape.context) {
    throw new RangeError(`${R} tokens in windows of ${T} do not fit ${model.rows} rows of ${shape.context}.`)
  }
  embedForward(model, at('x.0'), at('wte.weight'), at('wpe.weight'), tokens, T, C)
  for (let l = 0; l < layers; l++) {
    const w = (name: string): number => at(`h.${l}.${name}`)
    const a = (name: string): number => at(`${name}.${l}`)
    const [x, mid, branch] = [a('x'), a('mid'), at('branch')]
    const norm = (out: string, i: number, from: number): void => {
      const [gain, bias] = [w(`ln_${i}.weight`), w(`ln_${i}.bias`)]
      layerNormForward(model, a(out), a(`mean${i}`), a(`rstd${i}`), from, gain, bias, R, C)
    }
    const linear = (out: number, from: number, name: string, K: number, N: number): void =>
      linearForward(model, out, from, w(`${name}.weight`), w(`${name}.bias`), R, K, N)
    norm('norm1', 1, x)
    linear(a('qkv'), a('norm1'), 'attn.c_attn', C, 3 * C)
    attentionForward(model, a('heads'), a('att'), a('qkv'), at('scratch'), R / T, T, C, H)
    linear(branch, a('heads'), 'attn.c_proj', C, C)
    for (let i = 0; i < R * C; i++) f[mid + i] = f[x + i]! + f[branch + i]!
    norm('norm2', 2, mid)
    linear(a('up'), a('norm2'), 'mlp.c_fc', C, 4 * C)
    geluForward(model, a('act'), a('up'), R * 4 * C)
    linear(branch, a('act'), 'mlp.c_proj', 4 * C, C)
    const next = at(`x.${l + 1}`)
    for (let i = 0; i < R * C; i++) f[next + i] = f[mid + i]! + f[branch + i]!
  }
  const [gain, bias] = [at('ln_f.weight'), at('ln_f.bias')]
  layerNormForward(model, at('normF'), at('meanF'), at('rstdF'), at(`x.${layers}`), gain, bias, R, C)
  headForward(model, at('logits'), at('normF'), at('wte.weight'), at('scratch'), R, C, V)
}

/** Mean loss over a batch, in nats a token; leaves probabilities where the logits were. */
export function loss(
  model: Model,
  tokens: ArrayLike<number>,
  targets: ArrayLike<number>,
  T: number = model.shape.context,
): number {
  forward(model, tokens, T)
  return lossForward(model, model.at('logits'), targets, model.shape.vocab)
}

/** Gradients of the mean loss, overwriting the last ones; call right after {@link loss}, same arguments. */
export function backward(
  model: Model,
  tokens: ArrayLike<number>,
  targets: ArrayLike<number>,
  T: number = model.shape.context,
): void {
  const { at, f, shape, params } = model
  const { layers, heads: H, channels: C, vocab: V } = shape
  const R = tokens.length
  const gradient = at('gradient')
  const d = (name: string): number => gradient + at(name)
  const [dx, dnorm, dup, dqkv, scratch] = [at('dx'), at('dnorm'), at('dup'), at('dqkv'), at('scratch')]
  f.fill(0, gradient, gradient + params)
  f.fill(0, dx, dx + R * C)
  const norm = (name: string, from: number, mean: number, rstd: number): void => {
    const [w, dw, db] = [at(`${name}.weight`), d(`${name}.weight`), d(`${name}.bias`)]
    layerNormBackward(model, dx, dw, db, dnorm, from, w, mean, rstd, R, C)
  }
  const linear = (out: number, dout: number, from: number, name: string, K: number, N: number): void => {
    const [w, dw, db] = [at(`${name}.weight`), d(`${name}.weight`), d(`${name}.bias`)]
    linearBackward(model, out, dw, db, dout, from, w, scratch, R, K, N)
  }
  lossBackward(model, at('logits'), targets, V)
  headBackward(model, dnorm, d('wte.weight'), at('logits'), at('normF'), at('wte.weight'), R, C, V)
  norm('ln_f', at(`x.${layers}`), at('meanF'), at('rstdF'))
  for (let l = layers - 1; l >= 0; l--) {
    const a = (name: string): number => at(`${name}.${l}`)
    linear(dup, dx, a('act'), `h.${l}.mlp.c_proj`, 4 * C, C)
    geluBackward(model, dup, dup, a('up'), R * 4 * C)
    linear(dnorm, dup, a('norm2'), `h.${l}.mlp.c_fc`, C, 4 * C)
    norm(`h.${l}.ln_2`, a('mid'), a('mean2'), a('rstd2'))
    linear(dnorm, dx, a('heads'), `h.${l}.attn.c_proj`, C, C)
    attentionBackward(model, dqkv, dnorm, a('att'), a('qkv'), scratch, R / T, T, C, H)
    linear(dnorm, dqkv, a('norm1'), `h.${l}.attn.c_attn`, C, 3 * C)
    norm(`h.${l}.ln_1`, a('x'), a('mean1'), a('rstd1'))
  }
  embedBackward(model, d('wte.weight'), d('wpe.weight'), dx, tokens, T, C)
}

// ─── 5. Learning: AdamW, warm-up and cosine, clipping, the loop ─────────────────────────────────────────────

/** How {@link train} learns. */
export interface TrainOptions {
  /** Optimizer steps. */
  readonly steps: number
  /** Peak learning rate, reached after `warmup` steps; default 1e-3. */
  readonly lr?: number
  /** Learning rate at the last step, after a half cosine; default lr/10. */
  readonly minLr?: number
  /** Steps of linear warm-up; default 5 % of the steps. */
  readonly warmup?: number
  /** Decoupled weight decay of the matrices; default 0.1. Gains and biases are not decayed. */
  readonly decay?: number
  /** Largest gradient norm; default 1. */
  readonly clip?: number
  /** Measure the validation loss every so many steps and at the end; default 100. */
  readonly evalEvery?: number
  /** Seed of the batches; default 1. */
  readonly seed?: number
}

/** What one step of training reports. */
export interface TrainStep {
  readonly step: number
  /** Mean training loss of this batch in nats a token. */
  readonly loss: number
  /** Mean loss on held-out text, at the steps where it was measured. */
  readonly valLoss?: number
  readonly lr: number
  /** Gradient norm before clipping. */
  readonly norm: number
}

/** Learning rate at `step` (from 0): linear warm-up, then half a cosine from `lr` down to `minLr`. */
export function learningRate(step: number, options: TrainOptions): number {
  const { steps, lr = 1e-3, minLr = lr / 10, warmup = Math.ceil(steps / 20) } = options
  if (step < warmup) return (lr * (step + 1)) / warmup
  const progress = (step - warmup) / Math.max(1, steps - warmup)
  return minLr + ((lr - minLr) * (1 + Math.cos(Math.PI * Math.min(1, progress)))) / 2
}

/** One AdamW step (Loshchilov & Hutter 2019; β 0.9/0.99) on gradients scaled to norm ≤ `clip`; returns the norm. */
export function adamw(model: Model, lr: number, decay: number, clip: number): number {
  const { f, params, at } = model
  const [g, m, v] = [at('gradient'), at('moment1'), at('moment2')]
  let squares = 0
  for (let i = 0; i < params; i++) squares += f[g + i]! ** 2
  const norm = Math.sqrt(squares)
  const scale = norm > clip ? clip / norm : 1
  model.step++
  const correct1 = 1 - 0.9 ** model.step
  const correct2 = 1 - 0.99 ** model.step
  for (const tensor of model.tensors) {
    const keep = tensor.dims.length === 2 ? 1 - lr * decay : 1
    for (let i = tensor.at; i < tensor.at + tensor.size; i++) {
      const grad = f[g + i]! * scale
      const m1 = 0.9 * f[m + i]! + 0.1 * grad
      const m2 = 0.99 * f[v + i]! + 0.01 * grad * grad
      f[m + i] = m1
      f[v + i] = m2
      f[i] = f[i]! * keep - (lr * (m1 / correct1)) / (Math.sqrt(m2 / correct2) + 1e-8)
    }
  }
  return norm
}

/** Trains in place, yielding after every step, so that a caller can draw, pause, stop. Needs a `batch`. */
export function* train(
  model: Model,
  data: { readonly train: Int32Array; readonly val: Int32Array },
  options: TrainOptions,
): Generator<TrainStep, void> {
  const { steps, decay = 0.1, clip = 1, evalEvery = 100, seed = 1 } = options
  const T = model.shape.context
  const random = createRandom(seed)
  const inputs = new Int32Array(model.rows)
  const targets = new Int32Array(model.rows)
  const draw = (ids: Int32Array, next: () => number): void => {
    if (ids.length <= T)
      throw new RangeError(`Training needs over ${T} tokens of each kind, not ${ids.length}.`)
    for (let row = 0; row < model.rows; row += T) {
      const from = Math.floor(next() * (ids.length - T))
      inputs.set(ids.subarray(from, from + T), row)
      targets.set(ids.subarray(from + 1, from + T + 1), row)
    }
  }
  const validate = (): number => {
    const next = createRandom(0)
    let sum = 0
    for (let i = 0; i < 8; i++) {
      draw(data.val, next)
      sum += loss(model, inputs, targets)
    }
    return sum / 8
  }
  for (let step = 0; step < steps; step++) {
    draw(data.train, random)
    const value = loss(model, inputs, targets)
    if (!Number.isFinite(value)) throw new RangeError(`The loss is ${value} at step ${step}: lower lr.`)
    backward(model, inputs, targets)
    const lr = learningRate(step, options)
    const norm = adamw(model, lr, decay, clip)
    const due = (step + 1) % evalEvery === 0 || step + 1 === steps
    yield { step, loss: value, lr, norm, ...(due ? { valLoss: validate() } : {}) }
  }
}

// ─── 6. Writing: one token at a time over a cache of keys and values ────────────────────────────────────────

/** Keys and values of the tokens read so far: (L,T,C) each. Several caches may share one model. */
export interface Cache {
  readonly k: Float32Array
  readonly v: Float32Array
  /** Tokens read; set it lower to forget the newest. */
  length: number
}

/** An empty cache of 2·L·T·C·4 bytes. */
export function createCache({ shape }: Model): Cache {
  const size = shape.layers * shape.context * shape.channels
  return { k: new Float32Array(size), v: new Float32Array(size), length: 0 }
}

/** x (K) · W (K,N) + b (N), row by row of W as it lies in memory. */
function affine(f: Floats, x: Float64Array, w: number, b: number, N: number): Float64Array {
  const out = Float64Array.from(f.subarray(b, b + N))
  for (let k = 0; k < x.length; k++) {
    const row = w + k * N
    for (let n = 0; n < N; n++) out[n]! += x[k]! * f[row + n]!
  }
  return out
}

/** Reads one token; returns the logits (V) of the next. Throws RangeError when the window is full. */
export function decode({ shape, f, at }: Model, cache: Cache, token: number): Float64Array {
  const { layers, heads: H, channels: C, context, vocab: V } = shape
  const t = cache.length
  if (t >= context) throw new RangeError(`The window of ${context} tokens is full.`)
  if (!(token >= 0 && token < V)) throw new RangeError(`Token ${token} is not in 0..${V - 1}.`)
  const [wte, wpe] = [at('wte.weight'), at('wpe.weight')]
  const x = Float64Array.from({ length: C }, (_, c) => f[wte + token * C + c]! + f[wpe + t * C + c]!)
  const norm = (name: string): Float64Array => {
    const mean = x.reduce((a, b) => a + b) / C
    const rstd = 1 / Math.sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / C + EPSILON)
    const [w, b] = [at(`${name}.weight`), at(`${name}.bias`)]
    return x.map((value, c) => (value - mean) * rstd * f[w + c]! + f[b + c]!)
  }
  const linear = (name: string, input: Float64Array, N: number): Float64Array =>
    affine(f, input, at(`${name}.weight`), at(`${name}.bias`), N)
  const D = C / H
  const weights = new Float64Array(t + 1)
  for (let l = 0; l < layers; l++) {
    const qkv = linear(`h.${l}.attn.c_attn`, norm(`h.${l}.ln_1`), 3 * C)
    const base = l * context * C
    cache.k.set(qkv.subarray(C, 2 * C), base + t * C)
    cache.v.set(qkv.subarray(2 * C), base + t * C)
    const heads = new Float64Array(C)
    for (let h = 0; h < C; h += D) {
      for (let s = 0; s <= t; s++) {
        let dot = 0
        for (let c = h; c < h + D; c++) dot += qkv[c]! * cache.k[base + s * C + c]!
        weights[s] = dot
      }
      softmaxRow(weights, 0, t + 1, t + 1, 1 / Math.sqrt(D))
      for (let s = 0; s <= t; s++) {
        for (let c = h; c < h + D; c++) heads[c]! += weights[s]! * cache.v[base + s * C + c]!
      }
    }
    linear(`h.${l}.attn.c_proj`, heads, C).forEach((value, c) => (x[c]! += value))
    const up = linear(`h.${l}.mlp.c_fc`, norm(`h.${l}.ln_2`), 4 * C)
    geluForward({ f: up }, 0, 0, 4 * C)
    linear(`h.${l}.mlp.c_proj`, up, C).forEach((value, c) => (x[c]! += value))
  }
  cache.length++
  const last = norm('ln_f')
  return Float64Array.from({ length: V }, (_, v) => last.reduce((a, b, c) => a + b * f[wte + v * C + c]!, 0))
}

/** How the next token is chosen. Order: temperature, then top-k, top-p, min-p (sampling.ts shows other orders). */
export interface SampleOptions {
  /** Divides the logits; default 1; 0 takes the likeliest token. Negative or NaN throws RangeError. */
  readonly temperature?: number
  /** Keep the k likeliest; default all; more than the vocabulary means all. */
  readonly topK?: number
  /** Keep the fewest tokens that together have at least this probability; default 1, all. */
  readonly topP?: number
  /** Keep tokens at least this fraction as likely as the likeliest; default 0, all. */
  readonly minP?: number
}

/** Draws an id from the logits. Throws RangeError on options that mean nothing. */
export function sampleToken(logits: Float64Array, options: SampleOptions, random: () => number): number {
  const { temperature = 1, topK = Infinity, topP = 1, minP = 0 } = options
  if (!(temperature >= 0) || !(topK >= 1) || !(topP > 0) || !(minP >= 0 && minP <= 1)) {
    throw new RangeError('Sampling needs temperature ≥ 0, topK ≥ 1, topP > 0 and 0 ≤ minP ≤ 1.')
  }
  const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b)
  if (temperature === 0) return order[0]!
  const best = logits[order[0]!]!
  const ranked = order.slice(0, topK).map((id) => ({ id, p: Math.exp((logits[id]! - best) / temperature) }))
  const total = ranked.reduce((sum, { p }) => sum + p, 0)
  const kept: typeof ranked = []
  let mass = 0
  for (const candidate of ranked) {
    if (mass >= topP * total || candidate.p < minP) break
    kept.push(candidate)
    mass += candidate.p
  }
  let left = random() * mass
  for (const { id, p } of kept) if ((left -= p) < 0) return id
  return kept.at(-1)!.id
}

/** One generated token with the logits it was drawn from. */
export interface Generated {
  readonly id: number
  readonly logits: Float64Array
}

/**
 * Continues `prompt` for ever; stop by leaving the loop. A longer text than the model's window is clamped: when
 * the window is full, the newest half of it is read again and the rest forgotten. Needs at least one token.
 */
export function* generate(
  model: Model,
  prompt: ArrayLike<number>,
  options: SampleOptions & { readonly random?: () => number } = {},
): Generator<Generated, never> {
  if (prompt.length === 0) throw new RangeError('The prompt is empty: give at least one known character.')
  const { random = createRandom(1) } = options
  const { context } = model.shape
  const cache = createCache(model)
  let window = Array.from(prompt).slice(-context)
  let unread = window
  for (;;) {
    let logits: Float64Array = new Float64Array(0)
    for (const token of unread) logits = decode(model, cache, token)
    const id = sampleToken(logits, options, random)
    yield { id, logits }
    window.push(id)
    unread = [id]
    if (cache.length === context) {
      window = window.slice(-Math.ceil(context / 2))
      unread = window
      cache.length = 0
    }
  }
}

// ─── 7. A file of weights ─────────────────────────────────────────────────────────────────────────────────────

const MAGIC = 'llm500/1'

/** What stands in a weight file beside the weights. */
export interface Header {
  readonly shape: Shape
  /** The vocabulary's characters, in id order. */
  readonly chars: string
  /** int8: every row of a tensor is a float32 scale and its values rounded to −127..127 of it. */
  readonly format: 'float32' | 'int8'
  readonly step: number
  /** FNV-1a of the payload, and its length. */
  readonly checksum: number
  readonly bytes: number
}

function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

/** Magic, u32 header length, header JSON, payload; all little-endian. int8 is a quarter of the size. */
export function save(
  model: Model,
  chars: readonly string[],
  format: Header['format'] = 'float32',
): Uint8Array {
  const { f, shape, step } = model
  const payload = new Uint8Array(payloadBytes(shape, format))
  const view = new DataView(payload.buffer)
  let to = 0
  for (const { at, size, dims } of model.tensors) {
    const width = dims.at(-1)!
    for (let row = at; row < at + size; row += width) {
      const values = Float64Array.from(f.subarray(row, row + width))
      const scale = values.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-9) / 127
      if (format === 'int8') {
        view.setFloat32(to, scale, true)
        to += 4
      }
      for (const value of values) {
        if (format === 'int8') view.setInt8(to, Math.round(value / scale))
        else view.setFloat32(to, value, true)
        to += format === 'int8' ? 1 : 4
      }
    }
  }
  const about: Header = {
    shape,
    chars: chars.join(''),
    format,
    step,
    checksum: fnv1a(payload),
    bytes: payload.length,
  }
  const header = new TextEncoder().encode(JSON.stringify(about))
  const file = new Uint8Array(MAGIC.length + 4 + header.length + payload.length)
  file.set(new TextEncoder().encode(MAGIC))
  new DataView(file.buffer).setUint32(MAGIC.length, header.length, true)
  file.set(header, MAGIC.length + 4)
  file.set(payload, file.length - payload.length)
  return file
}

function payloadBytes(shape: Shape, format: Header['format']): number {
  return parameterShapes(shape).reduce((sum, [, dims]) => {
    const size = dims.reduce((a, b) => a * b)
    return sum + (format === 'int8' ? size + 4 * (size / dims.at(-1)!) : 4 * size)
  }, 0)
}

/** A model from {@link save}'s bytes. Throws RangeError on a file that is foreign, cut, changed or inconsistent. */
export function load(
  file: Uint8Array,
  options: ModelOptions = {},
): { model: Model; vocabulary: Vocabulary; header: Header } {
  const start = MAGIC.length + 4
  const text = (from: number, to: number): string => new TextDecoder().decode(file.subarray(from, to))
  if (file.length < start || text(0, MAGIC.length) !== MAGIC) {
    throw new RangeError(`Not a weight file of this library: it does not begin with "${MAGIC}".`)
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const body = start + view.getUint32(MAGIC.length, true)
  if (body > file.length) throw new RangeError('The weight file is cut inside its header.')
  const header = JSON.parse(text(start, body)) as Header
  const { shape, format, chars, bytes } = header
  const payload = file.subarray(body)
  if (payload.length !== bytes || fnv1a(payload) !== header.checksum) {
    throw new RangeError(
      `The weight file is damaged: ${payload.length} of ${bytes} bytes, or a wrong checksum.`,
    )
  }
  const vocabulary = createVocabulary(chars)
  if (payloadBytes(shape, format) !== bytes || vocabulary.chars.length !== shape.vocab) {
    throw new RangeError(`The weights do not belong to the shape ${JSON.stringify(shape)}.`)
  }
  const model = createModel(shape, options)
  let at = body
  for (const tensor of model.tensors) {
    const width = tensor.dims.at(-1)!
    for (let i = 0; i < tensor.size; i++) {
      if (format === 'int8' && i % width === 0) at += 4
      const scale = format === 'int8' ? view.getFloat32(at - 4 - (i % width), true) : 1
      model.f[tensor.at + i] = format === 'int8' ? scale * view.getInt8(at) : view.getFloat32(at, true)
      at += format === 'int8' ? 1 : 4
    }
  }
  model.step = header.step
  return { model, vocabulary, header }
}
