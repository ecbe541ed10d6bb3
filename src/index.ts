/** The public names of `llmswap`. Everything else stands on a subpath of its own, so that nothing unasked is bundled. */

export { complete, createClient, embed, stream } from './complete.ts'
export { LlmError } from './errors.ts'
export { tool } from './tools/tool.ts'

export type { Client } from './client.ts'
export type { ErrorKind, ErrorPhase, LlmErrorInit, SerializedLlmError } from './errors.ts'
export type {
  AuthorizeContext,
  Decoder,
  EmbeddingProvider,
  EmbedRequest,
  Frame,
  FrameDecoder,
  HttpRequest,
  HttpResponse,
  Provider,
  Transport,
  TransportContext,
} from './provider.ts'
export type * from './types.ts'
