/**
 * Safetensors export and import: the format of the Hugging Face hub. In: a model. Out: the bytes of a file that
 * `GPT2LMHeadModel` loads beside the configuration below, because tensor names and orientation are GPT-2's own; and
 * back. Follows the safetensors format (huggingface/safetensors, README "Format"): u64 header length, JSON header,
 * little-endian data. Not here: other dtypes than F32.
 */
import type { Model } from './types.ts'

interface Entry {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data_offsets: readonly [number, number]
}

/** The model as a safetensors file; strings in `metadata` travel along. */
export function toSafetensors(model: Model, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const header: Record<string, Entry | Readonly<Record<string, string>>> = {
    __metadata__: { format: 'pt', ...metadata },
  }
  let end = 0
  for (const { name, dims, size } of model.tensors) {
    header[name] = { dtype: 'F32', shape: dims, data_offsets: [end, end + 4 * size] }
    end += 4 * size
  }
  const json = new TextEncoder().encode(JSON.stringify(header))
  const start = 8 + Math.ceil(json.length / 8) * 8
  const file = new Uint8Array(start + end).fill(0x20, 8, start)
  const view = new DataView(file.buffer)
  view.setBigUint64(0, BigInt(start - 8), true)
  file.set(json, 8)
  for (let i = 0; i < model.params; i++) view.setFloat32(start + 4 * i, model.f[i]!, true)
  return file
}

/** Reads the tensors of a model of the same shape from a file. Throws RangeError where they do not fit. */
export function fromSafetensors(file: Uint8Array, model: Model): void {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const length = file.length < 8 ? Infinity : Number(view.getBigUint64(0, true))
  if (8 + length > file.length) throw new RangeError('The safetensors file is cut inside its header.')
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))) as Record<string, Entry>
  for (const { name, dims, at, size } of model.tensors) {
    const entry = Object.hasOwn(header, name) ? header[name] : undefined
    if (entry === undefined || entry.dtype !== 'F32' || entry.shape.join() !== dims.join()) {
      throw new RangeError(`The safetensors file has no F32 tensor ${name} of shape ${dims.join('×')}.`)
    }
    const start = 8 + length + entry.data_offsets[0]
    if (start + 4 * size > file.length) throw new RangeError(`The safetensors file is cut inside ${name}.`)
    for (let i = 0; i < size; i++) model.f[at + i] = view.getFloat32(start + 4 * i, true)
  }
}

/** `config.json` of a Transformers GPT-2 that computes exactly what this model does. */
export function transformersConfig({ shape }: Model): Record<string, unknown> {
  return {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    activation_function: 'gelu_new',
    layer_norm_epsilon: 1e-5,
    n_ctx: shape.context,
    n_positions: shape.context,
    n_embd: shape.channels,
    n_head: shape.heads,
    n_layer: shape.layers,
    vocab_size: shape.vocab,
    tie_word_embeddings: true,
    attn_pdrop: 0,
    embd_pdrop: 0,
    resid_pdrop: 0,
  }
}
