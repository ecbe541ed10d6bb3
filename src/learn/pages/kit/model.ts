/**
 * The trained model, fetched once from beside the page. In: nothing. Out: the model with its vocabulary, ready to run.
 * Weights are data, not script: the page paints before they come. Not here: training (train.ts has a worker for it).
 */
import { wasmMemory } from '../../gemm-wasm.ts'
import { plainMemory } from '../../gemm.ts'
import { createCache, decode, load } from '../../llm500.ts'
import { dequantize } from '../../quantize.ts'
import type { Loaded, Memory, Model } from '../../types.ts'

/** The matrix product to use. */
export type Kernel = 'wasm' | 'typescript'

/** Memory of the kernel, and which one it turned out to be: without SIMD the TypeScript product serves. */
export function memoryOf(kernel: Kernel): { memory: (length: number) => Memory; used: Kernel } {
  const slow = kernel === 'typescript' || !hasWasm()
  return slow ? { used: 'typescript', memory: plainMemory } : { used: 'wasm', memory: wasmMemory }
}

/** Whether this browser runs the SIMD kernel: its memory comes in pages of 64 kB, the fallback's does not. */
export function hasWasm(): boolean {
  return wasmMemory(8).f.byteLength < wasmMemory(8).f.buffer.byteLength
}

/** Fetches and unpacks fixtures/learn/tiny.llm. */
export async function loadModel(options: { batch?: number; kernel?: Kernel } = {}): Promise<Loaded> {
  const answer = await globalThis.fetch('tiny.llm')
  if (!answer.ok) throw new Error(`the weights did not come (HTTP ${answer.status})`)
  const file = dequantize(new Uint8Array(await answer.arrayBuffer()))
  return load(file, { batch: options.batch ?? 0, memory: memoryOf(options.kernel ?? 'wasm').memory })
}

/** Logits after a prompt, which is cut to its end where it is longer than the window. */
export function logitsAfter(model: Model, ids: ArrayLike<number>): Float64Array {
  const cache = createCache(model)
  let logits: Float64Array | undefined
  for (const id of Array.from(ids).slice(-model.shape.context)) logits = decode(model, cache, id)
  if (logits === undefined) throw new RangeError('The prompt is empty: give at least one character.')
  return logits
}

/** Characters of a text that the model does not know and {@link Loaded.vocabulary} therefore replaces. */
export function unknownCharacters(chars: readonly string[], text: string): string[] {
  return [...new Set(text)].filter((char) => !chars.includes(char))
}
