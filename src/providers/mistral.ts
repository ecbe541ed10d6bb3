/**
 * Mistral: Chat Completions with content blocks.
 *
 * In:  our Request. Out: an HTTP request; then frames in, our events out, all through openai-chat.ts.
 * What differs: thinking comes, and goes back, as blocks of `content`; tool-call ids are nine letters or digits;
 * `tool_choice` says "any"; the seed is `random_seed`; usage comes without being asked for.
 * Spec: https://docs.mistral.ai/api/endpoint/chat, read 2026-11.
 */

import type { Provider } from '../provider.ts'
import type { VendorOptions } from './compatible.ts'
import { openaiChat } from './openai-chat.ts'
import type { Dialect } from './openai-chat-dialect.ts'

/** The embedding half, a codec of its own: a program that only chats does not ship it. */
export { openaiEmbeddings } from './openai-embeddings.ts'

/** Environment variables that may hold the key. */
export const MISTRAL_KEYS: readonly string[] = ['MISTRAL_API_KEY']

/** Used when the caller names no model; released 2026-11 (pi-ai 1.5.2 data, 2026-11-10). */
export const MISTRAL_MODEL = 'mistral-large-4'

/** The whole of Mistral's accent. */
export const MISTRAL_DIALECT: Dialect = {
  rename: { seed: 'random_seed' },
  // 422 "Extra inputs are not permitted": stream_options is not a field; usage stands in the last content chunk.
  streamOptions: false,
  toolChoiceRequired: 'any',
  // "Tool call id was call_abc123 but must be a-z, A-Z, 0-9, with a length of 9." (400)
  callIdLength: 9,
  // "Unexpected role 'user' after role 'tool'" (400, code 3230, seen 2025-05 to 2026-06)
  wordsAfterResults: 'I have read the results.',
  // The content of a tool turn may be chunks, images among them. docs.mistral.ai, ToolMessage (2026-11)
  imagesInToolResults: true,
  // "Assistant message must have either content or tool_calls, but not none": '' is content, null is not, on old models.
  emptyContent: '',
  replayReasoning: 'content',
  toolResultName: true,
  strictTools: true,
  schema: 'strict',
  unsupported: [
    { fields: ['logprobs'] },
    {
      fields: ['reasoning'],
      models:
        /^(?!.*(?:magistral|mistral-(?:large-4|medium-(?:2604|latest)|small-(?:2603|latest))|leanstral|deepseek|glm))/,
      detail: 'the model does not reason on request',
    },
  ],
  // pi-ai 1.5.2 data, 2026-11-10.
  efforts: [
    { models: /mistral-large-4/, words: 'low medium high' },
    { models: /deepseek/, words: 'off=none low high max' },
    { models: /glm/, words: 'low high max' },
    { words: 'off=none high' },
  ],
  mediaUrls: true,
  promptCache: 'key',
}

/** The codec for Mistral's API. */
export function mistral(options: VendorOptions = {}): Provider {
  return openaiChat({
    name: 'mistral',
    apiKey: options.apiKey,
    baseURL: options.baseURL ?? 'https://api.mistral.ai/v1',
    headers: options.headers,
    dialect: MISTRAL_DIALECT,
    keyNames: MISTRAL_KEYS,
    defaultModel: MISTRAL_MODEL,
  })
}
