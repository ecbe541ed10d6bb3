/**
 * o200k_base: the encoding of GPT-4o, GPT-4.1, GPT-4.5, GPT-5 and the o series.
 *
 * Ids equal tiktoken's. The vocabulary is built on first use; importing this module only loads its string.
 */

import { defineEncoding, vocabularyOf, type Encoding } from '../encoding.ts'
import { o200kMerges } from './o200k_base.ranks.ts'

/** The encoding as one value, to hand to functions that take an `Encoding`. */
export const o200k_base: Encoding = /* @__PURE__ */ defineEncoding({
  name: 'o200k_base',
  family: 'o200k',
  specials: () => ({
    '<|endoftext|>': 199999,
    '<|endofprompt|>': 200018,
  }),
  load: () => vocabularyOf([o200kMerges]),
})

/** Token ids of a text; throws on a special token that is not allowed. See `Encoding.encode`. */
export const encode: Encoding['encode'] = o200k_base.encode
/** Token ids of a text in which special tokens are plain text. See `Encoding.encodeOrdinary`. */
export const encodeOrdinary: Encoding['encodeOrdinary'] = o200k_base.encodeOrdinary
/** `encode` into an existing array; whole pieces while they fit. See `Encoding.encodeInto`. */
export const encodeInto: Encoding['encodeInto'] = o200k_base.encodeInto
/** Text of token ids. See `Encoding.decode`. */
export const decode: Encoding['decode'] = o200k_base.decode
/** Bytes of token ids. See `Encoding.decodeBytes`. */
export const decodeBytes: Encoding['decodeBytes'] = o200k_base.decodeBytes
/** Decodes ids as they arrive, holding back incomplete characters. See `Encoding.createDecoder`. */
export const createDecoder: Encoding['createDecoder'] = o200k_base.createDecoder
/** Number of tokens, without making a list of them. See `Encoding.countTokens`. */
export const countTokens: Encoding['countTokens'] = o200k_base.countTokens
/** The number of tokens if it is at most `limit`, else `false`. See `Encoding.isWithinTokenLimit`. */
export const isWithinTokenLimit: Encoding['isWithinTokenLimit'] = o200k_base.isWithinTokenLimit
/** The longest start (or end) of the text with at most `limit` tokens. See `Encoding.truncate`. */
export const truncate: Encoding['truncate'] = o200k_base.truncate
/** Counts text that arrives in parts. See `Encoding.createCounter`. */
export const createCounter: Encoding['createCounter'] = o200k_base.createCounter
/** Tokens with byte ranges, display groups, and the merges of each piece. See `Encoding.explain`. */
export const explain: Encoding['explain'] = o200k_base.explain
