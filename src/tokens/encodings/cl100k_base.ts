/**
 * cl100k_base: the encoding of GPT-4, GPT-3.5 and the text-embedding-3 models.
 *
 * Ids equal tiktoken's. The vocabulary is built on first use; importing this module only loads its string.
 */

import { defineEncoding, vocabularyOf, type Encoding } from '../encoding.ts'
import { cl100kMerges } from './cl100k_base.ranks.ts'

/** The encoding as one value, to hand to functions that take an `Encoding`. */
export const cl100k_base: Encoding = /* @__PURE__ */ defineEncoding({
  name: 'cl100k_base',
  family: 'cl100k',
  specials: () => ({
    '<|endoftext|>': 100257,
    '<|fim_prefix|>': 100258,
    '<|fim_middle|>': 100259,
    '<|fim_suffix|>': 100260,
    '<|endofprompt|>': 100276,
  }),
  load: () => vocabularyOf([cl100kMerges]),
})

/** Token ids of a text; throws on a special token that is not allowed. See `Encoding.encode`. */
export const encode: Encoding['encode'] = cl100k_base.encode
/** Token ids of a text in which special tokens are plain text. See `Encoding.encodeOrdinary`. */
export const encodeOrdinary: Encoding['encodeOrdinary'] = cl100k_base.encodeOrdinary
/** `encode` into an existing array; whole pieces while they fit. See `Encoding.encodeInto`. */
export const encodeInto: Encoding['encodeInto'] = cl100k_base.encodeInto
/** Text of token ids. See `Encoding.decode`. */
export const decode: Encoding['decode'] = cl100k_base.decode
/** Bytes of token ids. See `Encoding.decodeBytes`. */
export const decodeBytes: Encoding['decodeBytes'] = cl100k_base.decodeBytes
/** Decodes ids as they arrive, holding back incomplete characters. See `Encoding.createDecoder`. */
export const createDecoder: Encoding['createDecoder'] = cl100k_base.createDecoder
/** Number of tokens, without making a list of them. See `Encoding.countTokens`. */
export const countTokens: Encoding['countTokens'] = cl100k_base.countTokens
/** The number of tokens if it is at most `limit`, else `false`. See `Encoding.isWithinTokenLimit`. */
export const isWithinTokenLimit: Encoding['isWithinTokenLimit'] = cl100k_base.isWithinTokenLimit
/** The longest start (or end) of the text with at most `limit` tokens. See `Encoding.truncate`. */
export const truncate: Encoding['truncate'] = cl100k_base.truncate
/** Counts text that arrives in parts. See `Encoding.createCounter`. */
export const createCounter: Encoding['createCounter'] = cl100k_base.createCounter
/** Tokens with byte ranges, display groups, and the merges of each piece. See `Encoding.explain`. */
export const explain: Encoding['explain'] = cl100k_base.explain
