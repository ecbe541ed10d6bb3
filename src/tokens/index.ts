/**
 * `llmswap/tokens`: choosing an encoding, counting chats, estimating, fitting.
 *
 * The encodings themselves are subpaths (`llmswap/tokens/o200k_base` and so on), so that a program ships only the
 * vocabulary it uses. Reading order: bpe-naive, split, vocabulary, bpe, encoding, decode, then what stands on them.
 */

export { encodePieceNaive, encodeNaive, type MergeStep, type Ranks } from './bpe-naive.ts'
export { countChatTokens, toolNamespace, CHAT_RULES, type ChatRule, type CountChatOptions } from './chat.ts'
export type { TokenCounter } from './counter.ts'
export type { DecodeOptions, TokenDecoder } from './decode.ts'
export { createEncoding, type EncodeOptions, type Encoding, type EncodingDefinition } from './encoding.ts'
export { estimateTokens, type EstimateInput, type TokenEstimate } from './estimate.ts'
export type {
  ExplainedGroup,
  ExplainedMerge,
  ExplainedPiece,
  ExplainedToken,
  Explanation,
} from './explain.ts'
export { fit, fitMessages, fitText, summarize } from './fit.ts'
export type {
  FitMessagesOptions,
  FitOptions,
  FitPolicy,
  FittedMessages,
  FittedText,
  FitTextOptions,
  Summarize,
  TokenCounterLike,
} from './fit.ts'
export { renderHarmony, typeScriptOf, type HarmonyOptions } from './harmony.ts'
export { countImageTokens, imageSize, IMAGE_RULES, type ImageCounting, type ImageSize } from './images.ts'
export { encodingForModel, encodingNameForModel, loadEncoding, type EncodingName } from './models.ts'
export type { SplitFamily } from './split.ts'
