/**
 * The tokenizers of the field behind one shape, each the way its own documentation uses it.
 *
 * In:  a name and an encoding. Out: encode, count and decode as plain functions.
 * Not here: judging them. Where a peer encodes special tokens in text by default it is told not to; every benchmark
 * compares ids before it times anything.
 */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Context } from '../run.ts'

export type EncodingName = 'o200k_base' | 'cl100k_base'

/** One tokenizer with one vocabulary, ready. */
export type Tokenizer = {
  encode(text: string): ArrayLike<number>
  count(text: string): number
  decode(ids: ArrayLike<number>): string
}

/** Exact versions; never in the lockfile. */
export const PEERS: Record<string, string> = {
  'gpt-tokenizer': '4.0.0',
  'js-tiktoken': '1.0.21',
  'ai-tokenizer': '1.0.6',
  'bpe-lite': '0.5.2',
  tiktoken: '1.0.22',
  hypertok: '0.3.4',
  '@hypertok/vocab-o200k': '1.0.0',
  '@hypertok/vocab-cl100k': '1.0.0',
}

/** Ours first. */
export const NAMES: readonly string[] = [
  'llmswap',
  'gpt-tokenizer',
  'hypertok',
  'ai-tokenizer',
  'tiktoken',
  'bpe-lite',
  'js-tiktoken',
]

/** Statements that make `encode` for one encoding, run as a module of its own: what loading and shipping cost. */
export function entryOf(name: string, encoding: EncodingName): string {
  const short = encoding === 'o200k_base' ? 'o200k' : 'cl100k'
  switch (name) {
    case 'llmswap':
      return `import { encode } from './src/tokens/encodings/${encoding}.ts'`
    case 'gpt-tokenizer':
      return `import { encode } from 'gpt-tokenizer/encoding/${encoding}'`
    case 'hypertok':
      return `import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { fromBytes } from 'hypertok'
import { vocabulary } from '@hypertok/vocab-${short}'
const tokenizer = await fromBytes(new Uint8Array(readFileSync(fileURLToPath(vocabulary))), { tier: 'single' })
const encode = (text) => tokenizer.encodeSync(text, { reserved: { match: [] } })`
    case 'ai-tokenizer':
      return `import { Tokenizer } from 'ai-tokenizer'
import * as ranks from 'ai-tokenizer/encoding/${encoding}'
const tokenizer = new Tokenizer(ranks)
const encode = (text) => tokenizer.encode(text)`
    case 'tiktoken':
      return `import { Tiktoken } from 'tiktoken/lite'
import { createRequire } from 'node:module'
const ranks = createRequire(import.meta.url)('tiktoken/encoders/${encoding}.json')
const tokenizer = new Tiktoken(ranks.bpe_ranks, ranks.special_tokens, ranks.pat_str)
const encode = (text) => tokenizer.encode_ordinary(text)`
    case 'bpe-lite':
      return `import { openai, openaiO200k } from 'bpe-lite'
const tokenizer = ${short === 'o200k' ? 'openaiO200k' : 'openai'}()
const encode = (text) => tokenizer.encode(text)`
    default:
      return `import { Tiktoken } from 'js-tiktoken/lite'
import ranks from 'js-tiktoken/ranks/${encoding}'
const tokenizer = new Tiktoken(ranks)
const encode = (text) => tokenizer.encode(text, [], [])`
  }
}

/** Loads a tokenizer in the current process. */
export async function load(name: string, encoding: EncodingName, { peer }: Context): Promise<Tokenizer> {
  switch (name) {
    case 'llmswap': {
      const own =
        encoding === 'o200k_base'
          ? (await import('../../../src/tokens/encodings/o200k_base.ts')).o200k_base
          : (await import('../../../src/tokens/encodings/cl100k_base.ts')).cl100k_base
      return {
        encode: (text) => own.encode(text),
        count: (text) => own.countTokens(text),
        decode: (ids) => own.decode(ids as number[]),
      }
    }
    case 'gpt-tokenizer': {
      type Module = {
        encode(text: string): number[]
        countTokens(text: string): number
        decode(ids: number[]): string
      }
      const module = await peer<Module>(`gpt-tokenizer/encoding/${encoding}`)
      return {
        encode: (text) => module.encode(text),
        count: (text) => module.countTokens(text),
        decode: (ids) => module.decode(ids as number[]),
      }
    }
    case 'hypertok': {
      type Handle = {
        encodeSync(text: string, options: object): ArrayLike<number>
        decode(ids: ArrayLike<number>): string
      }
      const { fromBytes } = await peer<{ fromBytes(bytes: Uint8Array, options: object): Promise<Handle> }>(
        'hypertok',
      )
      const short = encoding === 'o200k_base' ? 'o200k' : 'cl100k'
      const { vocabulary } = await peer<{ vocabulary: URL }>(`@hypertok/vocab-${short}`)
      const handle = await fromBytes(new Uint8Array(readFileSync(fileURLToPath(vocabulary))), {
        tier: 'single',
      })
      const options = { reserved: { match: [] } }
      return {
        encode: (text) => handle.encodeSync(text, options),
        count: (text) => handle.encodeSync(text, options).length,
        decode: (ids) => handle.decode(ids),
      }
    }
    case 'ai-tokenizer': {
      type Handle = {
        encode(text: string): number[]
        count(text: string): number
        decode(ids: number[]): string
      }
      const { Tokenizer } = await peer<{ Tokenizer: new (ranks: unknown) => Handle }>('ai-tokenizer')
      const handle = new Tokenizer(await peer(`ai-tokenizer/encoding/${encoding}`))
      return {
        encode: (text) => handle.encode(text),
        count: (text) => handle.count(text),
        decode: (ids) => handle.decode(ids as number[]),
      }
    }
    case 'tiktoken': {
      type Handle = { encode_ordinary(text: string): Uint32Array; decode(ids: Uint32Array): Uint8Array }
      const { get_encoding } = await peer<{ get_encoding(name: string): Handle }>('tiktoken')
      const handle = get_encoding(encoding)
      return {
        encode: (text) => handle.encode_ordinary(text),
        count: (text) => handle.encode_ordinary(text).length,
        decode: (ids) => new TextDecoder().decode(handle.decode(Uint32Array.from(ids))),
      }
    }
    case 'bpe-lite': {
      type Handle = {
        encode(text: string): number[]
        count(text: string): number
        decode(ids: number[]): string
      }
      const module = await peer<{ openai(): Handle; openaiO200k(): Handle }>('bpe-lite')
      const handle = encoding === 'o200k_base' ? module.openaiO200k() : module.openai()
      return {
        encode: (text) => handle.encode(text),
        count: (text) => handle.count(text),
        decode: (ids) => handle.decode(ids as number[]),
      }
    }
    case 'js-tiktoken': {
      type Handle = {
        encode(text: string, allowed: string[], refused: string[]): number[]
        decode(ids: number[]): string
      }
      const { Tiktoken } = await peer<{ Tiktoken: new (ranks: unknown) => Handle }>('js-tiktoken/lite')
      const handle = new Tiktoken((await peer<{ default: unknown }>(`js-tiktoken/ranks/${encoding}`)).default)
      return {
        encode: (text) => handle.encode(text, [], []),
        count: (text) => handle.encode(text, [], []).length,
        decode: (ids) => handle.decode(ids as number[]),
      }
    }
    default:
      throw new Error(`no such tokenizer: ${name}`)
  }
}

/** Files beside the JavaScript that one encoding of a peer needs at run time. */
export function dataFilesOf(name: string, encoding: EncodingName): string[] {
  const require = createRequire(import.meta.url)
  const short = encoding === 'o200k_base' ? 'o200k' : 'cl100k'
  const folder = (specifier: string): string => dirname(require.resolve(specifier))
  switch (name) {
    case 'hypertok':
      return [
        join(folder('hypertok'), '../wasm/single/hypertok_wasm_core_bg.wasm'),
        join(folder(`@hypertok/vocab-${short}`), 'vocab.htk'),
      ]
    case 'tiktoken':
      return [
        join(folder('tiktoken'), 'lite/tiktoken_bg.wasm'),
        require.resolve(`tiktoken/encoders/${encoding}.json`),
      ]
    default:
      return []
  }
}
