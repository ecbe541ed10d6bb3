/** `llmswap/sse`: the decoder of any event stream, and the reader of streams that `toSSE()` wrote. */

export { createSseDecoder, sse } from './wire/sse.ts'
export type { SseFrame, SseOptions } from './wire/sse.ts'
export { fromSSE } from './stream/sse-wire.ts'
