/**
 * o200k_harmony: the encoding of gpt-oss. Ranks and pattern of o200k_base, with the special tokens of the harmony chat
 * format (openai/harmony docs/format.md) and 1,081 reserved ones.
 *
 * `<|endofprompt|>` and `<|reserved_200018|>` are both 200018, which decodes to the former (tiktoken 0.14.0).
 */

import { defineEncoding, vocabularyOf, type Encoding } from '../encoding.ts'
import { o200kMerges } from './o200k_base.ranks.ts'

/** Ids that are named; every other one from 200000 to 201087 is `<|reserved_N|>`. */
const NAMED: Readonly<Record<string, number>> = {
  '<|startoftext|>': 199998,
  '<|endoftext|>': 199999,
  '<|endofprompt|>': 200018,
  '<|return|>': 200002,
  '<|constrain|>': 200003,
  '<|channel|>': 200005,
  '<|start|>': 200006,
  '<|end|>': 200007,
  '<|message|>': 200008,
  '<|call|>': 200012,
}

function harmonySpecials(): Record<string, number> {
  const specials: Record<string, number> = { ...NAMED }
  const named = new Set(Object.values(NAMED))
  named.delete(200018)
  for (let id = 200000; id < 201088; id++) if (!named.has(id)) specials[`<|reserved_${id}|>`] = id
  return specials
}

/** The encoding as one value, to hand to functions that take an `Encoding`. */
export const o200k_harmony: Encoding = /* @__PURE__ */ defineEncoding({
  name: 'o200k_harmony',
  family: 'o200k',
  specials: harmonySpecials,
  load: () => vocabularyOf([o200kMerges]),
})

/** Token ids of a text; throws on a special token that is not allowed. See `Encoding.encode`. */
export const encode: Encoding['encode'] = o200k_harmony.encode
/** Token ids of a text in which special tokens are plain text. See `Encoding.encodeOrdinary`. */
export const encodeOrdinary: Encoding['encodeOrdinary'] = o200k_harmony.encodeOrdinary
/** `encode` into an existing array; whole pieces while they fit. See `Encoding.encodeInto`. */
export const encodeInto: Encoding['encodeInto'] = o200k_harmony.encodeInto
/** Text of token ids. See `Encoding.decode`. */
export const decode: Encoding['decode'] = o200k_harmony.decode
/** Bytes of token ids. See `Encoding.decodeBytes`. */
export const decodeBytes: Encoding['decodeBytes'] = o200k_harmony.decodeBytes
/** Decodes ids as they arrive, holding back incomplete characters. See `Encoding.createDecoder`. */
export const createDecoder: Encoding['createDecoder'] = o200k_harmony.createDecoder
/** Number of tokens, without making a list of them. See `Encoding.countTokens`. */
export const countTokens: Encoding['countTokens'] = o200k_harmony.countTokens
/** The number of tokens if it is at most `limit`, else `false`. See `Encoding.isWithinTokenLimit`. */
export const isWithinTokenLimit: Encoding['isWithinTokenLimit'] = o200k_harmony.isWithinTokenLimit
/** The longest start (or end) of the text with at most `limit` tokens. See `Encoding.truncate`. */
export const truncate: Encoding['truncate'] = o200k_harmony.truncate
/** Counts text that arrives in parts. See `Encoding.createCounter`. */
export const createCounter: Encoding['createCounter'] = o200k_harmony.createCounter
/** Tokens with byte ranges, display groups, and the merges of each piece. See `Encoding.explain`. */
export const explain: Encoding['explain'] = o200k_harmony.explain
