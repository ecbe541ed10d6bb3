import { describe, expect, it } from 'vitest'
import { byteToUnicode, toGguf } from '../../src/learn/gguf.ts'
import { createModel, createVocabulary, load, save } from '../../src/learn/llm500.ts'
import { dequantize, quantize } from '../../src/learn/quantize.ts'
import { fromSafetensors, toSafetensors, transformersConfig } from '../../src/learn/safetensors.ts'
import type { Model, Shape } from '../../src/learn/types.ts'

const { chars } = createVocabulary('\n abcdé')
const shape: Shape = { layers: 2, heads: 2, channels: 8, context: 12, vocab: chars.length }
const model = createModel(shape, { seed: 4 })
const parameters = (from: Model): number[] => [...from.f.subarray(0, from.params)]

describe('a weight file', () => {
  it('gives back the same model, vocabulary and step', () => {
    model.step = 77
    const { model: again, vocabulary, header } = load(save(model, chars))
    expect(parameters(again)).toEqual(parameters(model))
    expect(vocabulary.chars).toEqual(chars)
    expect([again.step, header.shape]).toEqual([77, shape])
  })

  it('loads from the middle of a larger buffer, and ready to be trained further', () => {
    const file = save(model, chars)
    const larger = new Uint8Array(file.length + 7)
    larger.set(file, 3)
    const { model: again } = load(larger.subarray(3, 3 + file.length), { batch: 2 })
    expect(parameters(again)).toEqual(parameters(model))
    expect(again.rows).toBe(24)
  })

  it('is refused when it is foreign, cut anywhere, or changed anywhere', () => {
    const file = save(model, chars)
    expect(() => load(new Uint8Array(0))).toThrow(/does not begin/)
    expect(() => load(new TextEncoder().encode('GGUF and something else entirely'))).toThrow(/does not begin/)
    for (let length = 1; length < file.length; length += 97) {
      expect(() => load(file.slice(0, length))).toThrow(RangeError)
    }
    for (let at = 8; at < file.length; at += 97) {
      const changed = file.slice()
      changed[at]! ^= 1
      expect(() => load(changed)).toThrow(/damaged/)
    }
  })

  it('is refused when its weights belong to another shape or its characters to another vocabulary', () => {
    expect(() => load(save({ ...model, shape: { ...shape, layers: 1 } }, chars))).toThrow(/shape/)
    expect(() => load(save({ ...model, shape: { ...shape, heads: 3 } }, chars))).toThrow(/shape/)
    expect(() => load(save(model, chars.slice(1)))).toThrow(/shape/)
  })
})

describe('a quantised file', () => {
  const file = save(model, chars)

  it('is a quarter of the size, and no weight is off by more than half a step', () => {
    const small = quantize(file)
    expect(small.length).toBeLessThan(file.length / 2.5)
    const { model: again } = load(dequantize(small))
    for (const { at, size, dims } of model.tensors) {
      const width = dims.at(-1)!
      for (let row = at; row < at + size; row += width) {
        const values = [...model.f.subarray(row, row + width)]
        const step = Math.max(...values.map(Math.abs)) / 127
        values.forEach((value, i) =>
          expect(Math.abs(value - again.f[row + i]!)).toBeLessThanOrEqual(step * 0.51),
        )
      }
    }
  })

  it('does not change when it is unpacked and packed again', () => {
    const small = quantize(file)
    expect(quantize(dequantize(small))).toEqual(small)
  })

  it('is refused where the other kind is expected, and when it is damaged', () => {
    const small = quantize(file)
    expect(() => load(small)).toThrow(/does not begin/)
    expect(() => quantize(small)).toThrow(/does not begin/)
    expect(() => dequantize(file)).toThrow(/does not begin/)
    expect(() => dequantize(small.slice(0, -1))).toThrow(/damaged/)
    expect(() => dequantize(new Uint8Array(3))).toThrow(RangeError)
  })
})

describe('safetensors', () => {
  it('travel there and back', () => {
    const file = toSafetensors(model, { trained_on: 'tales' })
    const again = createModel(shape, { seed: 9 })
    expect(parameters(again)).not.toEqual(parameters(model))
    fromSafetensors(file, again)
    expect(parameters(again)).toEqual(parameters(model))
  })

  it('have the layout of the format: aligned header, names and shapes of GPT-2', () => {
    const file = toSafetensors(model)
    const length = Number(new DataView(file.buffer).getBigUint64(0, true))
    expect(length % 8).toBe(0)
    const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))) as Record<
      string,
      unknown
    >
    expect(header['h.1.attn.c_attn.weight']).toMatchObject({ dtype: 'F32', shape: [8, 24] })
    expect(header['__metadata__']).toEqual({ format: 'pt' })
    expect(transformersConfig(model)).toMatchObject({
      n_layer: 2,
      n_embd: 8,
      vocab_size: 7,
      activation_function: 'gelu_new',
    })
  })

  it('are refused when they are cut or of another shape', () => {
    const file = toSafetensors(model)
    expect(() => fromSafetensors(file.slice(0, 5), model)).toThrow(/cut/)
    expect(() => fromSafetensors(file.slice(0, 100), model)).toThrow(/cut/)
    expect(() => fromSafetensors(file.slice(0, -4), createModel(shape))).toThrow(/cut/)
    expect(() => fromSafetensors(file, createModel({ ...shape, channels: 16 }))).toThrow(/shape/)
  })
})

describe('GGUF', () => {
  const plain = createVocabulary('\n abcd').chars
  const small = createModel({ ...shape, vocab: plain.length }, { seed: 4 })

  it('reads back: keys, tokens, tensors where the header says, matrices turned', () => {
    const { keys, tensors } = readGguf(toGguf(small, plain, 'test'))
    expect(keys).toMatchObject({
      'general.architecture': 'gpt2',
      'general.name': 'test',
      'gpt2.block_count': 2,
      'gpt2.feed_forward_length': 32,
      'tokenizer.ggml.tokens': ['Ċ', 'Ġ', 'a', 'b', 'c', 'd'],
      'tokenizer.ggml.merges': [],
      'tokenizer.ggml.eos_token_id': 0,
    })
    const embed = tensors.get('token_embd.weight')!
    expect(embed.dims).toEqual([8, 6])
    expect(embed.values).toEqual([...small.f.subarray(0, 48)])
    expect(tensors.get('output.weight')).toEqual(embed)
    const qkv = tensors.get('blk.1.attn_qkv.weight')!
    expect(qkv.dims).toEqual([8, 24])
    const at = small.at('h.1.attn.c_attn.weight')
    for (let out = 0; out < 24; out++) {
      for (let input = 0; input < 8; input++)
        expect(qkv.values[out * 8 + input]).toBe(small.f[at + input * 24 + out])
    }
    expect(tensors.size).toBe(2 + 2 * 12 + 2 + 1)
  })

  it('names bytes as GPT-2 does', () => {
    expect([10, 32, 33, 126, 127, 173, 255].map(byteToUnicode)).toEqual(['Ċ', 'Ġ', '!', '~', 'ġ', 'Ń', 'ÿ'])
    expect(new Set(Array.from({ length: 256 }, (_, byte) => byteToUnicode(byte))).size).toBe(256)
  })

  it('refuses characters that a tokenizer without merges could not read', () => {
    expect(() => toGguf(model, chars)).toThrow(/ASCII/)
  })
})

/** A reader for the tests, written from the format's description, not from the writer. */
function readGguf(file: Uint8Array): {
  keys: Record<string, unknown>
  tensors: Map<string, { dims: number[]; values: number[] }>
} {
  const view = new DataView(file.buffer, file.byteOffset)
  let at = 0
  const take = (bytes: number): number => (at += bytes) - bytes
  const u32 = (): number => view.getUint32(take(4), true)
  const u64 = (): number => Number(view.getBigUint64(take(8), true))
  const text = (): string => {
    const length = u64()
    const from = take(length)
    return new TextDecoder().decode(file.subarray(from, from + length))
  }
  const value = (type: number): unknown => {
    if (type === 4 || type === 5) return u32()
    if (type === 6) return view.getFloat32(take(4), true)
    if (type === 8) return text()
    if (type !== 9) throw new Error(`type ${type}`)
    const inner = u32()
    return Array.from({ length: u64() }, () => value(inner))
  }
  expect(new TextDecoder().decode(file.subarray(0, 4))).toBe('GGUF')
  take(4)
  expect(u32()).toBe(3)
  const [tensorCount, keyCount] = [u64(), u64()]
  const keys = Object.fromEntries(Array.from({ length: keyCount }, () => [text(), value(u32())]))
  const infos = Array.from({ length: tensorCount }, () => {
    const name = text()
    const dims = Array.from({ length: u32() }, u64)
    expect(u32()).toBe(0)
    return { name, dims, offset: u64() }
  })
  const base = Math.ceil(at / 32) * 32
  const tensors = new Map(
    infos.map(({ name, dims, offset }) => {
      expect(offset % 32).toBe(0)
      const values = Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) =>
        view.getFloat32(base + offset + 4 * i, true),
      )
      return [name, { dims, values }]
    }),
  )
  return { keys, tensors }
}
