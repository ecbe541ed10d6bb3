/**
 * A complete GPT in under 500 lines of code: characters in, a trained model and new text out, no dependency.
 * In: a string. Out: a model, its loss as it learns, text, and a file of weights that loads again.
 * The architecture is GPT-2's (Radford et al. 2019: pre-LayerNorm, biases, tanh-GELU, tied head), so that
 * other engines can run what is trained here (gguf.ts, safetensors.ts). Not here: dropout, byte pairs, GPUs.
 *
 * Every number lives in ONE flat array `f`; a tensor is an integer, the index of its first element, as a
 * pointer is in C. Each layer is a forward/backward PAIR whose comment lists its arguments and their shapes.
 * B batch rows, T time steps, C channels, H heads, D = C/H, V vocabulary, L layers, R = B·T rows.
 * Every clever loop has a slow twin in naive.ts that says the same thing plainly: the tests compare them.
 */

import { exp } from './exp.ts'
import { plainMemory } from './gemm.ts'
import { createRandom, gaussian, type Random } from './random.ts'
import type { Cache, Corpus, Floats, Generated, GenerateOptions, Header, Loaded } from './types.ts'
import type { Memory, Model, ModelOptions, SampleOptions, Shape, Tensor } from './types.ts'
import type { TrainOptions, TrainStep, Vocabulary } from './types.ts'

// ─── 1. Text: a character is a token ────────────────────────────────────────────────────────────────────

/**
 * The vocabulary of a text, or of a list of characters. The documented clamp for characters outside it, in
 * this order: its NFKD base (é → e, ﬁ → fi, ① → 1), plain quotes and stops for typographic ones, the other
 * case, then a space; where even the space is unknown, nothing. Throws RangeError below two characters.
 */
export function createVocabulary(text: Iterable<string>): Vocabulary {
  const chars = [...new Set(text)].sort()
  if (chars.length < 2) throw new RangeError('A corpus needs at least two different characters.')
  const ids = new Map(chars.map((char, id) => [char, id]))
  const plain = new Map([...'‘’“”–—'].map((char, i) => [char, `''""--`[i]!]))
  const find = (char: string): number | undefined =>
    ids.get(char) ?? ids.get(char.toLowerCase()) ?? ids.get(char.toUpperCase())
  const clamp = (char: string): number[] => {
    const base = [...char.normalize('NFKD')].map((c) => find(plain.get(c) ?? c))
    const known = base.filter((id) => id !== undefined)
    return known.length > 0 ? known : [ids.get(' ') ?? []].flat()
  }
  const encode = (source: string): Int32Array =>
    Int32Array.from([...source].flatMap((char) => ids.get(char) ?? clamp(char)))
  const decode = (tokens: ArrayLike<number>): string => {
    const unknown = Array.from(tokens).find((id) => chars[id] === undefined)
    if (unknown !== undefined) throw new RangeError(`Token ${unknown} is not in the vocabulary.`)
    return Array.from(tokens, (id) => chars[id]).join('')
  }
  return { chars, encode, decode }
}

// ─── 2. Layers in pairs: what a layer computes; how an error at its output reaches its inputs ──────────────

/** Arguments: addresses in memory, then sizes, as the layer's comment lists them. */
type Layer = (memory: Memory, ...args: number[]) => void
/** The same for the two ends of the model, which also see token ids. */
type TokenLayer<Result = void> = (m: Memory, ids: Ids, ...args: number[]) => Result
type Ids = ArrayLike<number>

/** (out, x, w, b, R, K, N): out (R,N) = x (R,K)·w (K,N) + b (N) */
export const linearForward: Layer = ({ f, gemm }, out, x, w, b, R, K, N) => {
  for (let r = 0; r < R; r++) f.copyWithin(out + r * N, b, b + N)
  gemm(out, x, w, R, N, K, K, 1, N, N, 1)
}

/** (dx, dw, db, dout, x, w, R, K, N): dx = dout·wᵀ · dw += xᵀ·dout · db += Σr dout */
export const linearBackward: Layer = ({ f, gemm }, dx, dw, db, dout, x, w, R, K, N) => {
  gemm(dx, dout, w, R, K, N, N, 1, 1, K, 0, N)
  gemm(dw, x, dout, K, N, R, 1, K, N, N, 1)
  for (let r = 0; r < R; r++) {
    for (let n = 0; n < N; n++) f[db + n]! += f[dout + r * N + n]!
  }
}

const EPSILON = 1e-5

/** (out, mean, rstd, x, w, b, R, C): out = (x − mean)·rstd·w + b, every row of x (R,C) by itself */
export const layerNormForward: Layer = ({ f }, out, mean, rstd, x, w, b, R, C) => {
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

/**
 * (dx, dw, db, dout, x, w, mean, rstd, R, C): with x̂ = (x − mean)·rstd and g = dout·w,
 * dx += (g − avg(g) − x̂·avg(g·x̂))·rstd · dw += Σr dout·x̂ · db += Σr dout
 */
export const layerNormBackward: Layer = ({ f }, dx, dw, db, dout, x, w, mean, rstd, R, C) => {
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

/** The share of v that GELU lets through: σ(2u), u = √(2/π)·(v + 0.044715v³), which is (1 + tanh u)/2. */
const gate = (v: number): number => 1 / (1 + exp(-SLOPE * (v + 0.044715 * v * v * v)))
const SLOPE = 2 * Math.sqrt(2 / Math.PI)

/** (out, x, n): out = x·gate(x) */
export const geluForward: Layer = ({ f }, out, x, n) => {
  for (let i = 0; i < n; i++) {
    const v = f[x + i]!
    f[out + i] = v * gate(v)
  }
}

/** (dx, dout, x, out, n): dx = dout·(s + x·s·(1 − s)·2u′), s = gate(x) = out/x; dx may be dout */
export const geluBackward: Layer = ({ f }, dx, dout, x, out, n) => {
  for (let i = 0; i < n; i++) {
    const v = f[x + i]!
    const s = v === 0 ? 0.5 : f[out + i]! / v
    f[dx + i] = f[dout + i]! * (s + v * s * (1 - s) * SLOPE * (1 + 3 * 0.044715 * v * v))
  }
}

/**
 * (out, att, qkv, B, T, C, H): out (B,T,C) = att·v per head, att (B,H,T,T) = softmax(q·kᵀ/√D) where row t sees
 * columns ≤ t; qkv (B,T,3C) holds q, k and v of a position side by side.
 */
export const attentionForward: Layer = ({ f, gemm }, out, att, qkv, B, T, C, H) => {
  const D = C / H
  for (let i = 0; i < B * H; i++) {
    const [b, head, p] = [Math.floor(i / H), (i % H) * D, att + i * T * T]
    const q = qkv + b * T * 3 * C + head
    gemm(p, q, q + C, T, T, D, 3 * C, 1, 1, T, 0, 3 * C)
    for (let t = 0; t < T; t++) softmaxRow(f, p + t * T, t + 1, T, 1 / Math.sqrt(D))
    gemm(out + b * T * C + head, p, q + 2 * C, T, D, T, T, 1, 3 * C, C, 0)
  }
}

/** In place: the first n of `width` scores become softmax(scale·score), the others (the future) 0. */
function softmaxRow(f: Floats, row: number, n: number, width: number, scale: number): void {
  let max = -Infinity
  for (let i = row; i < row + n; i++) max = Math.max(max, f[i]!)
  let sum = 0
  for (let i = row; i < row + n; i++) {
    const e = exp((f[i]! - max) * scale)
    f[i] = e
    sum += e
  }
  for (let i = row; i < row + n; i++) f[i]! /= sum
  f.fill(0, row + n, row + width)
}

/** (dqkv, dout, att, qkv, ds, B, T, C, H): the forward pass in reverse; ds (T,T) is scratch */
export const attentionBackward: Layer = ({ f, gemm }, dqkv, dout, att, qkv, ds, B, T, C, H) => {
  const D = C / H
  const scale = 1 / Math.sqrt(D)
  for (let i = 0; i < B * H; i++) {
    const [b, head, p] = [Math.floor(i / H), (i % H) * D, att + i * T * T]
    const q = qkv + b * T * 3 * C + head
    const dq = dqkv + b * T * 3 * C + head
    const d = dout + b * T * C + head
    gemm(ds, d, q + 2 * C, T, T, D, C, 1, 1, T, 0, 3 * C)
    gemm(dq + 2 * C, p, d, T, D, T, 1, T, C, 3 * C, 0)
    for (let row = 0; row < T * T; row += T) {
      let dot = 0
      for (let k = row; k < row + T; k++) dot += f[p + k]! * f[ds + k]!
      for (let k = row; k < row + T; k++) f[ds + k] = f[p + k]! * (f[ds + k]! - dot) * scale
    }
    gemm(dq, ds, q + C, T, D, T, T, 1, 3 * C, 3 * C, 0)
    gemm(dq + C, ds, q, T, D, T, 1, T, 3 * C, 3 * C, 0)
  }
}

/** (out, wte, wpe, T, C): out[r] = wte[ids[r]] + wpe[r mod T]; wte (V,C), wpe (T,C) */
export const embedForward: TokenLayer = ({ f }, ids, out, wte, wpe, T, C) => {
  for (let r = 0; r < ids.length; r++) {
    const [token, time] = [wte + ids[r]! * C, wpe + (r % T) * C]
    for (let c = 0; c < C; c++) f[out + r * C + c] = f[token + c]! + f[time + c]!
  }
}

/** (dwte, dwpe, dout, T, C): dwte[ids[r]] += dout[r] · dwpe[r mod T] += dout[r] */
export const embedBackward: TokenLayer = ({ f }, ids, dwte, dwpe, dout, T, C) => {
  for (let r = 0; r < ids.length; r++) {
    const [token, time] = [dwte + ids[r]! * C, dwpe + (r % T) * C]
    for (let c = 0; c < C; c++) {
      f[token + c]! += f[dout + r * C + c]!
      f[time + c]! += f[dout + r * C + c]!
    }
  }
}

/** (logits, x, wte, R, C, V): logits (R,V) = x·wteᵀ, the table that reads characters also names them */
export const headForward: Layer = ({ gemm }, logits, x, wte, R, C, V) => {
  gemm(logits, x, wte, R, V, C, C, 1, 1, V, 0, C)
}

/** (dx, dwte, dlogits, x, wte, R, C, V): dx = dlogits·wte · dwte += dlogitsᵀ·x; embedBackward adds the rest */
export const headBackward: Layer = ({ gemm }, dx, dwte, dlogits, x, wte, R, C, V) => {
  gemm(dx, dlogits, wte, R, C, V, V, 1, C, C, 0)
  gemm(dwte, dlogits, x, V, C, R, 1, V, C, C, 1)
}

/** (logits, V): mean of −log softmax(logits)[target] in nats; logits (R,V) become probabilities in place */
export const lossForward: TokenLayer<number> = ({ f }, targets, logits, V) => {
  let sum = 0
  for (let r = 0; r < targets.length; r++) {
    softmaxRow(f, logits + r * V, V, V, 1)
    sum -= Math.log(f[logits + r * V + targets[r]!]! + 1e-38)
  }
  return sum / targets.length
}

/** (probs, V): probabilities (R,V) become dlogits = (p − onehot(target)) / R in place */
export const lossBackward: TokenLayer = ({ f }, targets, probs, V) => {
  for (let r = 0; r < targets.length; r++) f[probs + r * V + targets[r]!]! -= 1
  for (let i = probs; i < probs + targets.length * V; i++) f[i]! /= targets.length
}

// ─── 3. The model: its tensors, forward, backward ───────────────────────────────────────────────────────

/** Name and dims of every parameter tensor, in file order. */
export function parameterShapes(shape: Shape): [name: string, dims: number[]][] {
  const { layers, channels: C, context, vocab } = shape
  const pair = (name: string, ...dims: number[]): [string, number[]][] => [
    [`${name}.weight`, dims],
    [`${name}.bias`, dims.slice(-1)],
  ]
  const blocks = Array.from({ length: layers }, (_, l) => [
    ...pair(`h.${l}.ln_1`, C),
    ...pair(`h.${l}.attn.c_attn`, C, 3 * C),
    ...pair(`h.${l}.attn.c_proj`, C, C),
    ...pair(`h.${l}.ln_2`, C),
    ...pair(`h.${l}.mlp.c_fc`, C, 4 * C),
    ...pair(`h.${l}.mlp.c_proj`, 4 * C, C),
  ])
  const [wte, wpe] = [pair('wte', vocab, C)[0]!, pair('wpe', context, C)[0]!]
  return [wte, wpe, ...blocks.flat(), ...pair('ln_f', C)]
}

/** Name and width of every activation of R rows: [of each layer, of the model as a whole]. */
function activationWidths({ layers, heads, channels: C, context: T, vocab: V }: Shape) {
  const attention = { x: C, norm1: C, mean1: 1, rstd1: 1, qkv: 3 * C, att: heads * T, heads: C }
  const mlp = { mid: C, norm2: C, mean2: 1, rstd2: 1, up: 4 * C, act: 4 * C }
  const ends = { [`x.${layers}`]: C, normF: C, meanF: 1, rstdF: 1, logits: V, branch: C }
  const backward = { dx: C, dnorm: C, dqkv: 3 * C, dup: 4 * C }
  return { perLayer: { ...attention, ...mlp }, once: { ...ends, ...backward } }
}

/**
 * A new model with GPT-2's initial weights: N(0, 0.02), the projections into the residual stream scaled by
 * 1/√(2L), gains 1, biases 0. Throws RangeError on a shape that cannot be.
 */
export function createModel(shape: Shape, options: ModelOptions = {}): Model {
  const { batch = 0, seed = 1, memory = plainMemory } = options
  const { layers, heads, channels: C, context: T, vocab: V } = shape
  const whole = [layers, heads, C, T, V].every((n) => Number.isSafeInteger(n) && n > 0)
  if (!whole || C % heads !== 0) {
    throw new RangeError(`No model has the shape ${JSON.stringify(shape)} (channels % heads = 0).`)
  }
  const at = new Map<string, number>()
  let end = 0
  const claim = (name: string, size: number): void => {
    at.set(name, end)
    end += size
  }
  const tensors = parameterShapes(shape).map(([name, dims]): Tensor => {
    const size = dims.reduce((a, b) => a * b)
    claim(name, size)
    return { name, dims, size, at: end - size }
  })
  const params = end
  const rows = batch * T
  if (rows > 0) {
    const { perLayer, once } = activationWidths(shape)
    for (const name of ['gradient', 'moment1', 'moment2']) claim(name, params)
    for (const [name, width] of Object.entries(once)) claim(name, rows * width)
    for (let l = 0; l < layers; l++) {
      for (const [name, width] of Object.entries(perLayer)) claim(`${name}.${l}`, rows * width)
    }
    claim('ds', T * T)
  }
  const { f, gemm } = memory(end)
  const random = createRandom(seed)
  for (const { name, dims, at, size } of tensors) {
    const std = name.endsWith('c_proj.weight') ? 0.02 / Math.sqrt(2 * layers) : 0.02
    const gain = name.endsWith('weight') ? 1 : 0
    for (let i = at; i < at + size; i++) f[i] = dims.length === 2 ? std * gaussian(random) : gain
  }
  const find = (name: string): number => {
    if (!at.has(name)) throw new RangeError(`No "${name}": to train, createModel needs a batch.`)
    return at.get(name)!
  }
  return { shape, tensors, params, rows, f, gemm, at: find, step: 0 }
}

/**
 * Runs ids (B·T, one window after another) through the model; the logits stand at `model.at('logits')`, (R,V).
 * @throws RangeError unless `ids` are whole windows that the model has room for.
 */
export function forward(model: Model, ids: Ids): void {
  const { at, f, shape } = model
  const { layers, heads: H, channels: C, context: T, vocab: V } = shape
  const R = ids.length
  if (R === 0 || R > model.rows || R % T !== 0) {
    throw new RangeError(`${R} tokens are not 1 to ${model.rows / T} windows of ${T}.`)
  }
  const norm = (n: string, x: number, name: string): void => {
    const [out, mean, rstd] = [at(`norm${n}`), at(`mean${n}`), at(`rstd${n}`)]
    layerNormForward(model, out, mean, rstd, x, at(`${name}.weight`), at(`${name}.bias`), R, C)
  }
  const linear = (out: number, x: number, name: string, K: number, N: number): void =>
    linearForward(model, out, x, at(`${name}.weight`), at(`${name}.bias`), R, K, N)
  const sum = (out: number, x: number, y: number): void => {
    for (let i = 0; i < R * C; i++) f[out + i] = f[x + i]! + f[y + i]!
  }
  const branch = at('branch')
  embedForward(model, ids, at('x.0'), at('wte.weight'), at('wpe.weight'), T, C)
  for (let l = 0; l < layers; l++) {
    const [x, mid, heads, qkv] = [at(`x.${l}`), at(`mid.${l}`), at(`heads.${l}`), at(`qkv.${l}`)]
    const [up, act] = [at(`up.${l}`), at(`act.${l}`)]
    norm(`1.${l}`, x, `h.${l}.ln_1`)
    linear(qkv, at(`norm1.${l}`), `h.${l}.attn.c_attn`, C, 3 * C)
    attentionForward(model, heads, at(`att.${l}`), qkv, R / T, T, C, H)
    linear(branch, heads, `h.${l}.attn.c_proj`, C, C)
    sum(mid, x, branch)
    norm(`2.${l}`, mid, `h.${l}.ln_2`)
    linear(up, at(`norm2.${l}`), `h.${l}.mlp.c_fc`, C, 4 * C)
    geluForward(model, act, up, R * 4 * C)
    linear(branch, act, `h.${l}.mlp.c_proj`, 4 * C, C)
    sum(at(`x.${l + 1}`), mid, branch)
  }
  norm('F', at(`x.${layers}`), 'ln_f')
  headForward(model, at('logits'), at('normF'), at('wte.weight'), R, C, V)
}

/** Mean loss of a batch in nats a token; leaves probabilities where the logits were. */
export function loss(model: Model, ids: Ids, targets: Ids): number {
  forward(model, ids)
  return lossForward(model, targets, model.at('logits'), model.shape.vocab)
}

/** Gradients of that mean loss, in place of the last ones. Call it right after {@link loss}, same arguments. */
export function backward(model: Model, ids: Ids, targets: Ids): void {
  const { at, f, shape, params } = model
  const { layers, heads: H, channels: C, context: T, vocab: V } = shape
  const R = ids.length
  const gradient = at('gradient')
  const d = (name: string): number => gradient + at(name)
  const [dx, dnorm, dup, dqkv] = [at('dx'), at('dnorm'), at('dup'), at('dqkv')]
  const norm = (name: string, x: number, n: string): void => {
    const [dw, db, w] = [d(`${name}.weight`), d(`${name}.bias`), at(`${name}.weight`)]
    layerNormBackward(model, dx, dw, db, dnorm, x, w, at(`mean${n}`), at(`rstd${n}`), R, C)
  }
  const linear = (to: number, dy: number, x: number, name: string, K: number, N: number): void => {
    const [dw, db, w] = [d(`${name}.weight`), d(`${name}.bias`), at(`${name}.weight`)]
    linearBackward(model, to, dw, db, dy, x, w, R, K, N)
  }
  f.fill(0, gradient, gradient + params)
  f.fill(0, dx, dx + R * C)
  lossBackward(model, targets, at('logits'), V)
  headBackward(model, dnorm, d('wte.weight'), at('logits'), at('normF'), at('wte.weight'), R, C, V)
  norm('ln_f', at(`x.${layers}`), 'F')
  for (let l = layers - 1; l >= 0; l--) {
    linear(dup, dx, at(`act.${l}`), `h.${l}.mlp.c_proj`, 4 * C, C)
    geluBackward(model, dup, dup, at(`up.${l}`), at(`act.${l}`), R * 4 * C)
    linear(dnorm, dup, at(`norm2.${l}`), `h.${l}.mlp.c_fc`, C, 4 * C)
    norm(`h.${l}.ln_2`, at(`mid.${l}`), `2.${l}`)
    linear(dnorm, dx, at(`heads.${l}`), `h.${l}.attn.c_proj`, C, C)
    const [att, qkv, ds] = [at(`att.${l}`), at(`qkv.${l}`), at('ds')]
    attentionBackward(model, dqkv, dnorm, att, qkv, ds, R / T, T, C, H)
    linear(dnorm, dqkv, at(`norm1.${l}`), `h.${l}.attn.c_attn`, C, 3 * C)
    norm(`h.${l}.ln_1`, at(`x.${l}`), `1.${l}`)
  }
  embedBackward(model, ids, d('wte.weight'), d('wpe.weight'), dx, T, C)
}

// ─── 4. Learning: AdamW, warm-up and cosine, clipping, the loop ─────────────────────────────────────────────

/** Learning rate of a step (from 1): linear warm-up to `lr`, then half a cosine down to `minLr`. */
export function learningRate(step: number, options: TrainOptions): number {
  const { steps, lr = 1e-3, minLr = lr / 10 } = options
  const warmup = Math.ceil(steps / 20)
  if (step <= warmup) return (lr * step) / warmup
  return minLr + ((lr - minLr) * (1 + Math.cos((Math.PI * (step - warmup)) / (steps - warmup)))) / 2
}

/** One AdamW step (Loshchilov & Hutter 2019, β 0.9 and 0.99), the gradient's norm clipped; returns the norm. */
export function adamw(model: Model, lr: number, decay: number, clip: number): number {
  const { f, params, at } = model
  const [g, m, v] = [at('gradient'), at('moment1'), at('moment2')]
  let squares = 0
  for (let i = 0; i < params; i++) squares += f[g + i]! ** 2
  const norm = Math.sqrt(squares)
  const scale = Math.min(1, clip / norm)
  const t = ++model.step
  const rate = lr / (1 - 0.9 ** t)
  const correction = 1 / (1 - 0.99 ** t)
  for (const { at, size, dims } of model.tensors) {
    const keep = dims.length === 2 ? 1 - lr * decay : 1
    for (let i = at; i < at + size; i++) {
      const grad = f[g + i]! * scale
      const mean = 0.9 * f[m + i]! + 0.1 * grad
      const square = 0.99 * f[v + i]! + 0.01 * grad * grad
      f[m + i] = mean
      f[v + i] = square
      f[i] = f[i]! * keep - (rate * mean) / (Math.sqrt(square * correction) + 1e-8)
    }
  }
  return norm
}

/**
 * Trains in place, yielding after every step, so that a caller can draw, pause or stop. Needs a `batch`.
 * @throws RangeError on a corpus shorter than a window, and where the loss is no longer a number.
 */
export function* train(model: Model, data: Corpus, options: TrainOptions): Generator<TrainStep> {
  const { steps, decay = 0.1, clip = 1, evalEvery = 100, seed = 1 } = options
  const T = model.shape.context
  const ids = new Int32Array(model.rows)
  const targets = new Int32Array(model.rows)
  const draw = (source: Int32Array, random: Random): number => {
    if (source.length <= T) throw new RangeError(`${source.length} tokens: windows have ${T}.`)
    for (let row = 0; row < model.rows; row += T) {
      const from = Math.floor(random() * (source.length - T))
      ids.set(source.subarray(from, from + T), row)
      targets.set(source.subarray(from + 1, from + T + 1), row)
    }
    return loss(model, ids, targets)
  }
  const validate = (): number => {
    const random = createRandom(0)
    return Array.from({ length: 8 }, () => draw(data.val, random) / 8).reduce((a, b) => a + b)
  }
  const random = createRandom(seed)
  for (let step = 1; step <= steps; step++) {
    const value = draw(data.train, random)
    if (!Number.isFinite(value)) throw new RangeError(`Loss ${value} at step ${step}: lower lr.`)
    backward(model, ids, targets)
    const lr = learningRate(step, options)
    const norm = adamw(model, lr, decay, clip)
    const due = step % evalEvery === 0 || step === steps
    yield { step, loss: value, lr, norm, ...(due ? { valLoss: validate() } : {}) }
  }
}

// ─── 5. Writing: one token at a time, over a cache of keys and values ───────────────────────────────────────

/** An empty cache of 2·L·T·C·4 bytes. */
export function createCache({ shape }: Model): Cache {
  const size = shape.layers * shape.context * shape.channels
  return { k: new Float32Array(size), v: new Float32Array(size), length: 0 }
}

/** Reads one token; returns the logits (V) of the next. Throws RangeError when the window is full. */
export function decode({ shape, f, at }: Model, cache: Cache, token: number): Float64Array {
  const { layers, heads: H, channels: C, context, vocab: V } = shape
  const [t, D] = [cache.length, C / H]
  if (t >= context) throw new RangeError(`The window of ${context} tokens is full.`)
  if (!(token >= 0 && token < V)) throw new RangeError(`Token ${token} is not in 0..${V - 1}.`)
  const [row, time] = [at('wte.weight') + token * C, at('wpe.weight') + t * C]
  const x = new Float64Array(f.subarray(row, row + C)).map((value, c) => value + f[time + c]!)
  const norm = (name: string): Float64Array => {
    const [w, b] = [at(`${name}.weight`), at(`${name}.bias`)]
    const mean = x.reduce((a, b) => a + b) / C
    const rstd = 1 / Math.sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / C + EPSILON)
    return x.map((value, c) => (value - mean) * rstd * f[w + c]! + f[b + c]!)
  }
  const linear = (name: string, input: Float64Array, N: number): Float64Array => {
    const [w, b] = [at(`${name}.weight`), at(`${name}.bias`)]
    const out = new Float64Array(f.subarray(b, b + N))
    for (let k = 0; k < input.length; k++)
      for (let n = 0; n < N; n++) out[n]! += input[k]! * f[w + k * N + n]!
    return out
  }
  const addTo = (branch: Float64Array): void => branch.forEach((value, c) => (x[c]! += value))
  for (let l = 0; l < layers; l++) {
    const qkv = linear(`h.${l}.attn.c_attn`, norm(`h.${l}.ln_1`), 3 * C)
    const k = cache.k.subarray(l * context * C, (l + 1) * context * C)
    const v = cache.v.subarray(l * context * C, (l + 1) * context * C)
    k.set(qkv.subarray(C, 2 * C), t * C)
    v.set(qkv.subarray(2 * C), t * C)
    const out = new Float64Array(C)
    for (let head = 0; head < C; head += D) {
      const weights = new Float64Array(t + 1)
      for (let s = 0; s <= t; s++)
        for (let c = head; c < head + D; c++) weights[s]! += qkv[c]! * k[s * C + c]!
      softmaxRow(weights, 0, t + 1, t + 1, 1 / Math.sqrt(D))
      for (let s = 0; s <= t; s++)
        for (let c = head; c < head + D; c++) out[c]! += weights[s]! * v[s * C + c]!
    }
    addTo(linear(`h.${l}.attn.c_proj`, out, C))
    const act = linear(`h.${l}.mlp.c_fc`, norm(`h.${l}.ln_2`), 4 * C).map((v) => v * gate(v))
    addTo(linear(`h.${l}.mlp.c_proj`, act, C))
  }
  cache.length++
  const last = norm('ln_f')
  const dot = (at: number): number => last.reduce((sum, value, c) => sum + value * f[at + c]!, 0)
  return new Float64Array(V).map((_, id) => dot(at('wte.weight') + id * C))
}

/** Draws an id from the logits. Throws RangeError on options that mean nothing (negative, NaN). */
export function sampleToken(logits: Float64Array, how: SampleOptions, random: Random): number {
  const { temperature = 1, topK = Infinity, topP = 1, minP = 0 } = how
  if (!(temperature >= 0 && topK >= 1 && topP > 0 && minP >= 0 && minP <= 1)) {
    throw new RangeError('Sampling needs temperature ≥ 0, topK ≥ 1, topP > 0 and 0 ≤ minP ≤ 1.')
  }
  const ranked = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b)
  const best = ranked[0]!
  if (temperature === 0) return best
  const weight = (id: number): number => Math.exp((logits[id]! - logits[best]!) / temperature)
  const candidates = ranked.slice(0, topK)
  const total = candidates.reduce((sum, id) => sum + weight(id), 0)
  let mass = 0
  const kept: number[] = []
  for (const id of candidates) {
    if (mass >= topP * total || weight(id) < minP) break
    kept.push(id)
    mass += weight(id)
  }
  let left = random() * mass
  return kept.find((id) => (left -= weight(id)) < 0) ?? kept.at(-1)!
}

type Written = Generator<Generated, never>

/**
 * Continues the prompt for ever; leave the loop to stop. A text longer than the model's window is clamped: the
 * prompt to its end, and a full window to its newer half, which is then read again. Needs at least one token.
 * @throws RangeError on an empty prompt.
 */
export function* generate(model: Model, prompt: Ids, options: GenerateOptions = {}): Written {
  const { random = createRandom(1) } = options
  const { context } = model.shape
  const cache = createCache(model)
  let window = Array.from(prompt).slice(-context)
  let unread = window
  if (window.length === 0) throw new RangeError('The prompt is empty: give at least one token.')
  for (;;) {
    const logits = unread.map((token) => decode(model, cache, token)).at(-1)!
    const id = sampleToken(logits, options, random)
    yield { id, logits }
    window.push(id)
    unread = [id]
    if (cache.length === context) {
      window = window.slice(-Math.ceil(context / 2))
      unread = [...window]
      cache.length = 0
    }
  }
}

// ─── 6. A file of weights ─────────────────────────────────────────────────────────────────────────────────────

const MAGIC = 'llm500/1'
const JSON_AT = MAGIC.length + 8

/** FNV-1a of everything behind the checksum itself. */
export function checksum(file: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of file.subarray(MAGIC.length + 4)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

/** magic · u32 checksum · u32 JSON length · JSON {@link Header} · float32 parameters; little-endian. */
export function save({ f, shape, params, step }: Model, chars: readonly string[]): Uint8Array {
  const header: Header = { shape, chars: chars.join(''), step }
  const text = new TextEncoder()
  const json = text.encode(JSON.stringify(header))
  const file = new Uint8Array(JSON_AT + json.length + 4 * params)
  const view = new DataView(file.buffer)
  file.set(text.encode(MAGIC))
  view.setUint32(JSON_AT - 4, json.length, true)
  file.set(json, JSON_AT)
  const body = JSON_AT + json.length
  for (let i = 0; i < params; i++) view.setFloat32(body + 4 * i, f[i]!, true)
  view.setUint32(MAGIC.length, checksum(file), true)
  return file
}

/** A model from {@link save}'s bytes. Throws RangeError on a foreign, cut, changed or contradictory file. */
export function load(file: Uint8Array, options: ModelOptions = {}): Loaded {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const text = (...range: number[]): string => new TextDecoder().decode(file.subarray(...range))
  if (file.length < JSON_AT || text(0, MAGIC.length) !== MAGIC) {
    throw new RangeError(`Not a weight file: it does not begin with "${MAGIC}".`)
  }
  if (view.getUint32(MAGIC.length, true) !== checksum(file)) {
    throw new RangeError('The weight file is cut short or damaged: its checksum is wrong.')
  }
  const body = JSON_AT + view.getUint32(JSON_AT - 4, true)
  const header = JSON.parse(text(JSON_AT, body)) as Header
  const vocabulary = createVocabulary(header.chars)
  const model = createModel(header.shape, options)
  if (body + 4 * model.params !== file.length || vocabulary.chars.length !== header.shape.vocab) {
    throw new RangeError(`The weights are not of the shape ${JSON.stringify(header.shape)}.`)
  }
  for (let i = 0; i < model.params; i++) model.f[i] = view.getFloat32(body + 4 * i, true)
  model.step = header.step
  return { model, vocabulary, header }
}
