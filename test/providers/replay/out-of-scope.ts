/**
 * Endpoints that recordings exist of and that no codec reads: by URL, with the date of the decision and the reason.
 * A recording that matches no adapter and no row here fails the replay as unclassified.
 */
import type { OutOfScope } from '../replay.ts'

export const OUT_OF_SCOPE: readonly OutOfScope[] = [
  {
    url: /\/v1\/completions(?:$|[?#])/,
    since: '2026-11-23',
    reason: 'legacy text completions: a prompt without turns, superseded everywhere by chat',
  },
  {
    url: /\/v1\/threads\//,
    since: '2026-11-23',
    reason: 'OpenAI Assistants: stateful runs, shut down by their vendor',
  },
  { url: /\/images\/generations/, since: '2026-11-23', reason: 'image generation is not a goal' },
  {
    url: /\/api\/generate(?:$|[?#])/,
    since: '2026-11-23',
    reason: 'Ollama generate: the text-completion sister of /api/chat',
  },
  { url: /api\.cohere\.(?:com|ai)\/v1\//, since: '2026-11-23', reason: 'Cohere v1, superseded by v2' },
  {
    url: /bedrock-runtime\.[^/]+\/model\/[^/]*(?:titan|llama|ai21|jamba|cohere)[^/]*\/invoke/i,
    since: '2026-11-23',
    reason: 'InvokeModel in the formats of older models; Converse reads them all',
  },
]
