/**
 * Attention, to be read: one head, one sequence, four passes. In: queries, keys and values as rows (T,D). Out: every
 * intermediate result, so that a page can draw it. The same computation by matrices, with its backward pass, is in
 * llm500.ts. Follows Vaswani et al. 2017, §3.2.1. Not here: speed.
 */
import { forward } from './llm500.ts'
import type { Model } from './types.ts'

/** Rows of numbers: a matrix small enough to look at. */
export type Rows = readonly (readonly number[])[]

/** What the four passes leave behind, row by row. */
export interface Attention {
  /** Pass 1: q·k/√D for every pair, −∞ where a position may not look. */
  readonly scores: number[][]
  /** Passes 2 and 3: each row a distribution over the positions it may see. */
  readonly weights: number[][]
  /** Pass 4: each row the mean of the values, so weighted. */
  readonly out: number[][]
}

/**
 * softmax(q·kᵀ/√D)·v. With `causal` (default) position t sees positions ≤ t. Throws RangeError when q and k differ in
 * width, or k and v in length.
 */
export function attention(q: Rows, k: Rows, v: Rows, causal: boolean = true): Attention {
  const D = k[0]?.length ?? 0
  if (D === 0 || k.length !== v.length || q.some((row) => row.length !== D)) {
    throw new RangeError('Attention needs queries and keys of one width, and a value for every key.')
  }
  // 1. How well does each key fit each query? The largest score of a row keeps exp from overflowing.
  const scores = q.map((query, t) =>
    k.map((key, s) => (causal && s > t ? -Infinity : dot(query, key) / Math.sqrt(D))),
  )
  // 2. Exponentials and their sum …
  const exps = scores.map((row) => {
    const max = Math.max(...row)
    return row.map((score) => Math.exp(score - max))
  })
  // 3. … make each row a distribution.
  const weights = exps.map((row) => {
    const sum = row.reduce((a, b) => a + b)
    return row.map((e) => e / sum)
  })
  // 4. The answer: values, in these proportions.
  const out = weights.map((row) => v[0]!.map((_, d) => row.reduce((sum, w, s) => sum + w * v[s]![d]!, 0)))
  return { scores, weights, out }
}

function dot(x: readonly number[], y: readonly number[]): number {
  return x.reduce((sum, xi, i) => sum + xi * y[i]!, 0)
}

/**
 * What every head of a model looks at while it reads `ids` (at most `context` of them): [layer][head][query][key],
 * each row summing to 1. The model needs a batch of at least 1.
 * @throws RangeError below one token and above the window.
 */
export function attentionMaps(model: Model, ids: ArrayLike<number>): number[][][][] {
  const { layers, heads, context: T } = model.shape
  const n = ids.length
  if (n === 0 || n > T) throw new RangeError(`Attention maps need 1 to ${T} tokens, not ${n}.`)
  const window = new Int32Array(T)
  window.set(Array.from(ids))
  forward(model, window)
  const times = <X>(count: number, make: (i: number) => X): X[] =>
    Array.from({ length: count }, (_, i) => make(i))
  return times(layers, (l) =>
    times(heads, (h) =>
      times(n, (t) => {
        const row = model.at(`att.${l}`) + (h * T + t) * T
        return Array.from(model.f.subarray(row, row + n))
      }),
    ),
  )
}
