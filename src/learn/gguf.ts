/**
 * GGUF export, so that other engines (llama.cpp and what is built on it) can run a model trained here. In: a model and
 * its characters. Out: the bytes of a GGUF v3 file, architecture `gpt2`, float32. A character becomes a byte-pair
 * token without any merges, so their tokenizer is ours. Follows ggml's docs/gguf.md. Not here: quantisation, reading.
 */
import type { Model } from './types.ts'

const UINT32 = 4
const FLOAT32 = 6
const STRING = 8
const ARRAY = 9
const INT32 = 5
const ALIGNMENT = 32

/** Bytes written one after another, little-endian. */
class Writer {
  private bytes = new Uint8Array(1 << 16)
  private view = new DataView(this.bytes.buffer)
  length = 0

  private grow(by: number): number {
    const at = this.length
    this.length += by
    if (this.length > this.bytes.length) {
      const larger = new Uint8Array(2 * this.length)
      larger.set(this.bytes)
      this.bytes = larger
      this.view = new DataView(larger.buffer)
    }
    return at
  }
  u8(value: number): void {
    const at = this.grow(1)
    this.view.setUint8(at, value)
  }
  u32(value: number): void {
    const at = this.grow(4)
    this.view.setUint32(at, value, true)
  }
  u64(value: number): void {
    const at = this.grow(8)
    this.view.setBigUint64(at, BigInt(value), true)
  }
  f32(value: number): void {
    const at = this.grow(4)
    this.view.setFloat32(at, value, true)
  }
  string(text: string): void {
    const encoded = new TextEncoder().encode(text)
    this.u64(encoded.length)
    const at = this.grow(encoded.length)
    this.bytes.set(encoded, at)
  }
  pad(): void {
    this.grow((ALIGNMENT - (this.length % ALIGNMENT)) % ALIGNMENT)
  }
  done(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }
}

/**
 * GPT-2's byte alphabet: printable Latin-1 bytes stand for themselves, the other 68 for the code points from 256 on
 * (newline, byte 10, is Ċ; space, byte 32, is Ġ).
 */
export function byteToUnicode(byte: number): string {
  const printable = (b: number): boolean => (b > 32 && b < 127) || (b > 160 && b < 256 && b !== 173)
  if (printable(byte)) return String.fromCodePoint(byte)
  let shifted = 256
  for (let b = 0; b < byte; b++) if (!printable(b)) shifted++
  return String.fromCodePoint(shifted)
}

/** Our tensor name → theirs, and whether rows and columns change places (ours are (in, out), theirs rows of out). */
function renamed(name: string): { name: string; transposed: boolean } {
  const layer = /^h\.(\d+)\.(.+)\.(weight|bias)$/.exec(name)
  const inside: Record<string, string> = {
    ln_1: 'attn_norm',
    'attn.c_attn': 'attn_qkv',
    'attn.c_proj': 'attn_output',
    ln_2: 'ffn_norm',
    'mlp.c_fc': 'ffn_up',
    'mlp.c_proj': 'ffn_down',
  }
  if (layer !== null) {
    const [, l, part, kind] = layer
    return {
      name: `blk.${l}.${inside[part!]}.${kind}`,
      transposed: part!.includes('c_') && kind === 'weight',
    }
  }
  const outside = name
    .replace('wte', 'token_embd')
    .replace('wpe', 'position_embd')
    .replace('ln_f', 'output_norm')
  return { name: outside, transposed: false }
}

/**
 * The model as a GGUF file. `chars` in id order, a newline among them: it is named as the begin and end token. Throws
 * RangeError on a character that is more than one byte in UTF-8, which a merge-less tokenizer could not express.
 */
export function toGguf(model: Model, chars: readonly string[], name: string = 'tiny'): Uint8Array {
  const { shape, tensors, f } = model
  const wide = chars.find((char) => char.length !== 1 || char > '\x7f')
  if (wide !== undefined)
    throw new RangeError(`GGUF export needs ASCII characters, not ${JSON.stringify(wide)}.`)
  const edge = Math.max(0, chars.indexOf('\n'))
  const out = new Writer()
  const keys: (() => void)[] = []
  const key = (text: string, type: number, write: () => void): void => {
    keys.push(() => {
      out.string(text)
      out.u32(type)
      write()
    })
  }
  const uint = (text: string, value: number): void => key(text, UINT32, () => out.u32(value))
  const string = (text: string, value: string): void => key(text, STRING, () => out.string(value))
  const list = <T>(text: string, type: number, values: readonly T[], write: (value: T) => void): void =>
    key(text, ARRAY, () => {
      out.u32(type)
      out.u64(values.length)
      values.forEach(write)
    })
  string('general.architecture', 'gpt2')
  string('general.name', name)
  uint('gpt2.context_length', shape.context)
  uint('gpt2.embedding_length', shape.channels)
  uint('gpt2.feed_forward_length', 4 * shape.channels)
  uint('gpt2.block_count', shape.layers)
  uint('gpt2.attention.head_count', shape.heads)
  key('gpt2.attention.layer_norm_epsilon', FLOAT32, () => out.f32(1e-5))
  string('tokenizer.ggml.model', 'gpt2')
  string('tokenizer.ggml.pre', 'gpt-2')
  const tokens = chars.map((char) => byteToUnicode(char.charCodeAt(0)))
  list('tokenizer.ggml.tokens', STRING, tokens, (token) => out.string(token))
  list('tokenizer.ggml.token_type', INT32, tokens, () => out.u32(1))
  list<string>('tokenizer.ggml.merges', STRING, [], () => {})
  uint('tokenizer.ggml.bos_token_id', edge)
  uint('tokenizer.ggml.eos_token_id', edge)
  // The head is tied: the same numbers are written a second time, for engines that do not know.
  const wte = tensors[0]!
  const entries = tensors.map((tensor) => ({ ...tensor, ...renamed(tensor.name) }))
  entries.push({ ...wte, name: 'output.weight', transposed: false })
  for (const letter of 'GGUF') out.u8(letter.charCodeAt(0))
  out.u32(3)
  out.u64(entries.length)
  out.u64(keys.length)
  for (const write of keys) write()
  let offset = 0
  for (const { name, dims, size, transposed } of entries) {
    out.string(name)
    out.u32(dims.length)
    // Dimensions fastest first: of rows of `in` numbers, one row for each output, that is in, out.
    for (const dim of transposed ? dims : [...dims].reverse()) out.u64(dim)
    out.u32(0)
    out.u64(offset)
    offset += Math.ceil((4 * size) / ALIGNMENT) * ALIGNMENT
  }
  for (const { at, dims, size, transposed } of entries) {
    out.pad()
    const [rows, cols] = transposed ? [dims[0]!, dims[1]!] : [size, 1]
    for (let c = 0; c < cols; c++) for (let r = 0; r < rows; r++) out.f32(f[at + r * cols + c]!)
  }
  out.pad()
  return out.done()
}
