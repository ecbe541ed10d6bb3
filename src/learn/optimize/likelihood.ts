/**
 * A fitness without a network: how likely a model finds a text behind a prompt. In: a model of this half, its
 * vocabulary. Out: an evaluator in nats a character, 0 at best. The prompt is cut to what the window leaves, from its
 * front. Not here: many windows at once; one (prompt, text) is one evaluation.
 */
import { forward } from '../llm500.ts'
import type { Model, Vocabulary } from '../types.ts'
import type { Evaluate, Example } from './types.ts'

/** A text that a good prompt makes likely. */
export interface TextExample extends Example {
  readonly text: string
}

/**
 * Mean log p of the characters of `text` behind `prompt`, in nats. The model needs activations for one window:
 * `load(file, { batch: 1 })`. Throws RangeError on an empty text and on one that fills the window.
 */
export function likelihood(model: Model, vocabulary: Vocabulary): Evaluate<TextExample> {
  const { context: T, vocab: V } = model.shape
  const ids = new Int32Array(T)
  return (prompt, { id, text }) => {
    const target = vocabulary.encode(text)
    const room = T - target.length
    if (target.length === 0 || room < 1)
      throw new RangeError(`Text "${id}" has ${target.length} characters: between 1 and ${T - 1} fit.`)
    const read = vocabulary.encode(prompt).slice(-room)
    // A line break stands for no prompt: the first character is judged from something.
    const before = read.length > 0 ? read : vocabulary.encode('\n')
    ids.fill(0)
    ids.set(before)
    ids.set(target, before.length)
    forward(model, ids)
    const logits = model.at('logits')
    let sum = 0
    for (const [i, character] of target.entries()) {
      // Row r predicts what stands at r + 1.
      const at = logits + (before.length + i - 1) * V
      let max = -Infinity
      for (let v = at; v < at + V; v++) max = Math.max(max, model.f[v]!)
      let total = 0
      for (let v = at; v < at + V; v++) total += Math.exp(model.f[v]! - max)
      sum += model.f[at + character]! - max - Math.log(total)
    }
    return sum / target.length
  }
}
