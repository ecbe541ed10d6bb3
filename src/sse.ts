/** `llmswap/sse`: the decoder, its pull form, and the reader of what `toSSE()` wrote. Names only. */

export { createSseDecoder, sse } from './wire/sse.ts'
export type { SseOptions } from './wire/sse.ts'
export { fromSSE } from './stream/sse-wire.ts'
