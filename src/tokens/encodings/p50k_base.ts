/**
 * p50k_base: the encoding of text-davinci-002, text-davinci-003 and the Codex models: r50k_base and 24 runs of spaces.
 *
 * Ids equal tiktoken's. The vocabulary is built on first use; importing this module only loads its string.
 */

import { defineEncoding, vocabularyOf, type Encoding } from '../encoding.ts'
import { p50kMerges } from './p50k_base.ranks.ts'
import { r50kMerges } from './r50k_base.ranks.ts'

/** The encoding as one value, to hand to functions that take an `Encoding`. */
export const p50k_base: Encoding = /* @__PURE__ */ defineEncoding({
  name: 'p50k_base',
  family: 'gpt2',
  specials: () => ({
    '<|endoftext|>': 50256,
  }),
  load: () => vocabularyOf([r50kMerges, p50kMerges]),
})

/** Token ids of a text; throws on a special token that is not allowed. See `Encoding.encode`. */
export const encode: Encoding['encode'] = p50k_base.encode
/** Token ids of a text in which special tokens are plain text. See `Encoding.encodeOrdinary`. */
export const encodeOrdinary: Encoding['encodeOrdinary'] = p50k_base.encodeOrdinary
/** `encode` into an existing array; whole pieces while they fit. See `Encoding.encodeInto`. */
export const encodeInto: Encoding['encodeInto'] = p50k_base.encodeInto
/** Text of token ids. See `Encoding.decode`. */
export const decode: Encoding['decode'] = p50k_base.decode
/** Bytes of token ids. See `Encoding.decodeBytes`. */
export const decodeBytes: Encoding['decodeBytes'] = p50k_base.decodeBytes
/** Decodes ids as they arrive, holding back incomplete characters. See `Encoding.createDecoder`. */
export const createDecoder: Encoding['createDecoder'] = p50k_base.createDecoder
/** Number of tokens, without making a list of them. See `Encoding.countTokens`. */
export const countTokens: Encoding['countTokens'] = p50k_base.countTokens
/** The number of tokens if it is at most `limit`, else `false`. See `Encoding.isWithinTokenLimit`. */
export const isWithinTokenLimit: Encoding['isWithinTokenLimit'] = p50k_base.isWithinTokenLimit
/** The longest start (or end) of the text with at most `limit` tokens. See `Encoding.truncate`. */
export const truncate: Encoding['truncate'] = p50k_base.truncate
/** Counts text that arrives in parts. See `Encoding.createCounter`. */
export const createCounter: Encoding['createCounter'] = p50k_base.createCounter
/** Tokens with byte ranges, display groups, and the merges of each piece. See `Encoding.explain`. */
export const explain: Encoding['explain'] = p50k_base.explain
