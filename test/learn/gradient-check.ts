/**
 * Gradients against finite differences. In: a model maker with `loss` and `backward`, as the module or a mutant of it
 * exports them. Out: the worst relative error over entries of every tensor. Five-point differences in float64: their
 * own error, about 1e-11 here, bounds what can be seen.
 */
import { doubleMemory } from '../../src/learn/gemm.ts'
import { createRandom } from '../../src/learn/random.ts'
import type { Memory, Model, ModelOptions, Shape } from '../../src/learn/types.ts'

export interface Differentiable {
  createModel(shape: Shape, options?: ModelOptions): Model
  loss(model: Model, ids: ArrayLike<number>, targets: ArrayLike<number>): number
  backward(model: Model, ids: ArrayLike<number>, targets: ArrayLike<number>): void
}

export const smallShape: Shape = { layers: 2, heads: 2, channels: 8, context: 6, vocab: 7 }

/** Token ids of `rows` positions, the same every time. */
export function someIds(rows: number, vocab: number, seed: number): Int32Array {
  const random = createRandom(seed)
  return Int32Array.from({ length: rows }, () => Math.floor(random() * vocab))
}

/** A model whose weights are large and whose gains and biases are random: at GPT-2's start most gradients are near 0. */
export function lively(lib: Differentiable, memory: (length: number) => Memory = doubleMemory): Model {
  const model = lib.createModel(smallShape, { batch: 2, seed: 3, memory })
  const random = createRandom(5)
  for (const { at, size, dims } of model.tensors) {
    for (let i = at; i < at + size; i++)
      model.f[i] = dims.length === 2 ? model.f[i]! * 8 : model.f[i]! + random() - 0.5
  }
  return model
}

export interface GradientError {
  readonly worst: number
  readonly tensor: string
  /** Tensors whose gradient was nowhere above 1e-6: a check of those would be empty. */
  readonly silent: readonly string[]
}

/** Checks up to `entries` numbers of every tensor. */
export function gradientError(lib: Differentiable, entries: number): GradientError {
  const model = lively(lib)
  const ids = someIds(model.rows, model.shape.vocab, 1)
  const targets = someIds(model.rows, model.shape.vocab, 2)
  lib.loss(model, ids, targets)
  lib.backward(model, ids, targets)
  const gradient = model.f.slice(model.at('gradient'), model.at('gradient') + model.params)
  const random = createRandom(9)
  const silent: string[] = []
  let [worst, where] = [0, '']
  for (const { name, at, size } of model.tensors) {
    const all = Array.from({ length: size }, (_, i) => at + i)
    const some =
      size <= entries ? all : Array.from({ length: entries }, () => all[Math.floor(random() * size)]!)
    if (some.every((i) => Math.abs(gradient[i]!) < 1e-6)) silent.push(name)
    for (const i of some) {
      const original = model.f[i]!
      const lossAt = (shift: number): number => {
        model.f[i] = original + shift
        const value = lib.loss(model, ids, targets)
        model.f[i] = original
        return value
      }
      const step = 1e-4
      const numeric =
        (8 * (lossAt(step) - lossAt(-step)) - (lossAt(2 * step) - lossAt(-2 * step))) / (12 * step)
      const analytic = gradient[i]!
      // The floor is where a difference of losses near 3 no longer has six digits.
      const error = Math.abs(numeric - analytic) / Math.max(1e-4, Math.abs(numeric) + Math.abs(analytic))
      if (!(error <= worst)) [worst, where] = [Number.isNaN(error) ? Infinity : error, name]
    }
  }
  return { worst, tensor: where, silent }
}
