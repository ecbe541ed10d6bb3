/**
 * The vendors that speak Chat Completions: where they are, what their key is called, and how each one differs.
 *
 * In:  a vendor's name, or the URL of any server. Out: a `Provider` over openai-chat.ts.
 * A quirk is a field of a `Dialect` with the vendor's own words, or the recording that shows it, in the comment.
 * Sources: D = the vendor's documentation, R = recorded traffic, P = model data of pi-ai 1.5.2 (2026-11-10),
 * M = models.dev (2026-09-28). Default models are dated: they are a convenience, never a recommendation.
 * Not here: Mistral (mistral.ts), which differs in more than data, and vendors with a format of their own.
 */

import type { Provider } from '../provider.ts'
import type { ApiKey } from './key.ts'
import { openaiChat } from './openai-chat.ts'
import type { Dialect, DialectOption } from './openai-chat-dialect.ts'

/** The embedding half, a codec of its own: a program that only chats does not ship it. */
export { openaiEmbeddings } from './openai-embeddings.ts'

/** One row of the table. */
export interface Vendor {
  /** Everything up to, and without, `/chat/completions`. */
  baseURL: string
  /** Environment variables that may hold the key, the first one preferred. */
  keyNames: readonly string[]
  /** The server also answers without a key: a local one. */
  keyOptional?: boolean
  /** Used when the caller names no model; absent where only the server knows what it serves. */
  defaultModel?: string
  /** The same for embeddings, where the vendor has them. */
  embeddingModel?: string
  /** Sent with every request, lower-case names. */
  headers?: Readonly<Record<string, string>>
  dialect: Dialect
}

/** What reasoning models of several vendors do not take. */
const SAMPLING: readonly DialectOption[] = ['temperature', 'topP', 'presencePenalty', 'frequencyPenalty']

/** The table. Order does not matter here; the order in which keys are looked for stands in registry.ts. */
export const VENDORS: Readonly<Record<string, Vendor>> = {
  // D https://console.groq.com/docs/openai (2026-11)
  groq: {
    baseURL: 'https://api.groq.com/openai/v1',
    keyNames: ['GROQ_API_KEY'],
    defaultModel: 'openai/gpt-oss-120b', // M, released 2025-08-05
    dialect: {
      // Same page: max_tokens is deprecated in favour of max_completion_tokens.
      maxTokensField: 'max_completion_tokens',
      // Same page: logprobs, logit_bias and top_logprobs "will result in a 400 error (Bad Request) currently".
      unsupported: [{ fields: ['logprobs'], detail: 'it answers 400' }],
      // D /docs/reasoning: the default `raw` leaves <think> in the content, and R shows `delta.reasoning` with `parsed`.
      body: [{ models: /qwen3|deepseek-r1/, fields: { reasoning_format: 'parsed' } }],
      efforts: [
        { models: /gpt-oss/, words: 'low medium high' }, // P
        { models: /qwen3\.6/, words: 'off=none high=default' }, // P
        { models: /qwen3/, words: 'off=none low medium high' }, // P
      ],
      // "'messages.1' : for 'role:assistant' … property 'reasoning_content' is unsupported" (400, seen 2026-08-30).
      replayReasoning: 'none',
    },
  },

  // D https://api-docs.deepseek.com (2026-11)
  deepseek: {
    baseURL: 'https://api.deepseek.com',
    keyNames: ['DEEPSEEK_API_KEY'],
    defaultModel: 'deepseek-flash', // M, released 2026-09-10
    dialect: {
      // D /guides/thinking_mode: `thinking: {"type": "enabled"}`.
      reasoning: 'thinking',
      efforts: [
        { models: /v4-pro/, words: 'high max' }, // P
        { words: 'low high max' }, // P
      ],
      // D same page: a turn with tool calls without its reasoning_content is answered with 400; '' is enough (P:
      // requiresReasoningContentOnAssistantMessages).
      replayReasoning: 'reasoning_content',
      reasoningWithCalls: true,
      // D /guides/json_mode: json_object only, and the prompt must contain the word "json".
      schema: 'object',
      // "Failed to deserialize the JSON body into the target type: messages[0]: invalid type: sequence, expected a string"
      textOnly: true,
    },
  },

  // D https://docs.x.ai/docs/api-reference (2026-11)
  xai: {
    baseURL: 'https://api.x.ai/v1',
    keyNames: ['XAI_API_KEY'],
    defaultModel: 'grok-4.7', // M, released 2026-09-21
    dialect: {
      maxTokensField: 'max_completion_tokens',
      // D /docs/guides/reasoning: "presencePenalty, frequencyPenalty and stop parameters are not supported by reasoning
      // models. Adding them in the request would result in an error."
      unsupported: [
        {
          fields: ['presencePenalty', 'frequencyPenalty', 'stop'],
          models: /^grok-(?:3-mini|4|[5-9])(?!.*non-reasoning)/,
          detail: 'reasoning models answer an error',
        },
      ],
      efforts: [
        { models: /^grok-3-mini/, words: 'low high' },
        { models: /^grok-4\.3/, words: 'off=none low medium high max=xhigh' }, // P
        { words: 'low medium high max=xhigh' }, // P
      ],
      // Sign of life while it thinks, repeated many times (vercel/ai issue 7311, 2025-07).
      placeholder: 'Thinking... ',
      // D /developers/cost-tracking: "1 USD = 10,000,000,000 ticks".
      cost: { path: ['cost_in_usd_ticks'], usdPerUnit: 1e-10 },
    },
  },

  // D https://openrouter.ai/docs/api-reference/overview (2026-11)
  openrouter: {
    baseURL: 'https://openrouter.ai/api/v1',
    keyNames: ['OPENROUTER_API_KEY'],
    defaultModel: 'openai/gpt-oss-120b', // M, released 2025-08-05; long-lived, and many hosts serve it
    dialect: {
      topK: true,
      // D /docs/use-cases/reasoning-tokens: `reasoning: { effort } | { max_tokens }`.
      reasoning: 'object',
      // R (2025-11): reasoning_details carry signatures and encrypted data; D: pass them back unmodified.
      replayReasoning: 'reasoning_details',
      // D /docs/features/multimodal/pdfs: `file_data` may be a URL.
      mediaUrls: true,
      promptCache: 'marks',
      schema: 'strict',
      strictTools: true,
      // R: usage.cost, in credits of one US dollar.
      cost: { path: ['cost'], usdPerUnit: 1 },
    },
  },

  // D https://docs.perplexity.ai/api-reference/chat-completions-post (2026-11)
  perplexity: {
    baseURL: 'https://api.perplexity.ai',
    keyNames: ['PERPLEXITY_API_KEY', 'PPLX_API_KEY'],
    defaultModel: 'sonar-pro', // M
    dialect: {
      topK: true,
      // R: usage stands in every chunk without being asked for.
      streamOptions: false,
      unsupported: [
        { fields: ['stop', 'seed', 'logprobs', 'parallelToolCalls', 'toolChoice'] },
        { fields: ['reasoning'], models: /^sonar(?!-deep-research)/, detail: 'the model decides' },
      ],
      efforts: [{ words: 'low medium high' }],
      // "After the (optional) system message(s), user or assistant roles should be alternating." (400)
      alternate: true,
      // D /docs/sonar/models/sonar-reasoning-pro: the answer opens with a <think> section.
      think: 'split',
      thinkModels: /reasoning|deep-research|^r1/,
      cost: { path: ['cost', 'total_cost'], usdPerUnit: 1 }, // R
    },
  },

  // D https://docs.together.ai/reference/chat-completions-1 (2026-11)
  together: {
    baseURL: 'https://api.together.ai/v1',
    keyNames: ['TOGETHER_API_KEY'],
    defaultModel: 'zai-org/GLM-5.3-Flash', // M, released 2026-08-26
    dialect: {
      topK: true,
      // Same page: logprobs is an integer from 0 to 20.
      logprobsCount: true,
      reasoning: 'toggle', // P: thinkingFormat "together"
      efforts: [
        { models: /gpt-oss/, words: 'low medium high' }, // P
        { models: /GLM-5\.3/, words: 'low medium high max' }, // D /docs/glm-5.3-quickstart
        { models: /DeepSeek-V4-Pro/, words: 'high' }, // P
        { words: '' },
      ],
      // D /docs/glm-5.3-quickstart: some models use `reasoning_content`, others `reasoning`.
      replayReasoning: 'field',
    },
  },

  // D https://docs.fireworks.ai/api-reference/post-chatcompletions (2026-11)
  fireworks: {
    baseURL: 'https://api.fireworks.ai/inference/v1',
    keyNames: ['FIREWORKS_API_KEY'],
    defaultModel: 'accounts/fireworks/models/glm-5p3-flash', // M, released 2026-08-26
    embeddingModel: 'nomic-ai/nomic-embed-text-v1.5',
    dialect: {
      topK: true,
      efforts: [
        { models: /glm|kimi/, words: 'low high max' }, // P
        { words: 'off=none low medium high' },
      ],
      // P: kimi-k3 requires reasoning_content on assistant turns.
      replayReasoning: 'reasoning_content',
    },
  },

  // D https://inference-docs.cerebras.ai/resources/openai (2026-11)
  cerebras: {
    baseURL: 'https://api.cerebras.ai/v1',
    keyNames: ['CEREBRAS_API_KEY'],
    defaultModel: 'gpt-oss-120b', // M, released 2025-08-05
    dialect: {
      maxTokensField: 'max_completion_tokens',
      // Same page: frequency_penalty, logit_bias and presence_penalty "will result in a 400 error".
      unsupported: [{ fields: ['frequencyPenalty', 'presencePenalty'], detail: 'it answers 400' }],
      efforts: [
        { models: /gpt-oss/, words: 'low medium high' }, // P
        { words: 'off=none low medium high' }, // P
      ],
      strictTools: true,
      schema: 'strict',
      textOnly: true,
    },
  },

  // D https://platform.moonshot.ai/docs/api/chat (2026-11)
  moonshot: {
    baseURL: 'https://api.moonshot.ai/v1',
    keyNames: ['MOONSHOT_API_KEY'],
    defaultModel: 'kimi-k3', // M, released 2026-07-16
    dialect: {
      // "invalid temperature: only 1 is allowed for this model", and 0.6 without thinking (nanobot issue 4961, 2026-07).
      unsupported: [
        {
          fields: SAMPLING,
          models: /^kimi-k(?:2\.[5-9]|[3-9])/,
          detail: 'the model fixes its sampling and answers 400 to any other value',
        },
      ],
      reasoning: 'thinking',
      efforts: [
        { models: /^kimi-k[3-9]/, words: 'low high max' }, // P
        { words: '' },
      ],
      // P: kimi-k3 requires reasoning_content on assistant turns with calls.
      replayReasoning: 'reasoning_content',
      reasoningWithCalls: true,
      promptCache: 'key',
    },
  },

  // D https://docs.z.ai/api-reference/llm/chat-completion (2026-11)
  zai: {
    baseURL: 'https://api.z.ai/api/paas/v4',
    keyNames: ['ZAI_API_KEY', 'ZHIPU_API_KEY'],
    defaultModel: 'glm-5.3-flash', // M, released 2026-08-26
    dialect: {
      reasoning: 'thinking',
      efforts: [
        { models: /^glm-5\.3/, words: 'low high max' }, // P; thinking cannot be disabled from 5.3 on
        { models: /^glm-5\.2/, words: 'high max' }, // P
        { words: '' },
      ],
      // Without it the arguments of a call arrive in one piece after minutes of silence.
      bodyWithTools: { tool_stream: true },
      // Same page: tool_choice "currently only supports auto".
      unsupported: [
        { fields: ['toolChoice'], detail: 'only "auto" is supported' },
        { fields: ['presencePenalty', 'frequencyPenalty', 'seed', 'logprobs', 'parallelToolCalls'] },
      ],
      // D /guides/capabilities/thinking-mode: thinking blocks have to be returned together with the tool results.
      replayReasoning: 'reasoning_content',
      schema: 'object',
    },
  },

  // D https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope (2026-11)
  alibaba: {
    baseURL: 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1',
    keyNames: ['DASHSCOPE_API_KEY'],
    defaultModel: 'qwen3.8-flash', // M, released 2026-08-26
    embeddingModel: 'text-embedding-v4',
    dialect: {
      topK: true,
      // D /help/en/model-studio/deep-thinking: enable_thinking, thinking_budget.
      reasoning: 'enable',
      budgetField: 'thinking_budget',
      unsupported: [{ fields: ['frequencyPenalty'] }],
    },
  },

  // D https://platform.minimax.io/docs/api-reference/text-openai-api (2026-11)
  minimax: {
    baseURL: 'https://api.minimax.io/v1',
    keyNames: ['MINIMAX_API_KEY'],
    defaultModel: 'MiniMax-M3', // M, released 2026-06-01
    dialect: {
      // Same page: without it "the content field will contain <think> tag content, which must be preserved completely".
      body: [{ fields: { reasoning_split: true } }],
      replayReasoning: 'reasoning_details',
      // Older models repeat the whole text in every delta, and so does the last chunk of some newer ones.
      cumulative: true,
      reasoning: 'none',
      unsupported: [{ fields: ['presencePenalty', 'frequencyPenalty', 'logprobs'] }],
      media: [],
    },
  },

  // D https://docs.api.nvidia.com/nim/reference/llm-apis (2026-11)
  nvidia: {
    baseURL: 'https://integrate.api.nvidia.com/v1',
    keyNames: ['NVIDIA_API_KEY'],
    defaultModel: 'nvidia/nemotron-3.5-lightning-30b-a3b', // M, released 2026-08-11
    embeddingModel: 'nvidia/nv-embedqa-e5-v5',
    dialect: { reasoning: 'template', replayReasoning: 'field', textOnly: true },
  },

  // D https://huggingface.co/docs/inference-providers (2026-11)
  huggingface: {
    baseURL: 'https://router.huggingface.co/v1',
    keyNames: ['HF_TOKEN', 'HUGGINGFACE_API_KEY'],
    defaultModel: 'openai/gpt-oss-120b', // M
    dialect: {
      efforts: [
        { models: /gpt-oss/, words: 'low medium high' }, // P
        { models: /DeepSeek/i, words: 'low high max' }, // P
        { words: 'off=none low medium high' }, // P
      ],
      replayReasoning: 'none',
    },
  },

  // D https://docs.github.com/en/rest/models/inference (2026-11)
  github: {
    baseURL: 'https://models.github.ai/inference',
    keyNames: ['GITHUB_MODELS_TOKEN', 'GITHUB_TOKEN'],
    defaultModel: 'openai/gpt-5-mini', // D, released 2025-08-07
    headers: { accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' },
    dialect: {
      // "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
      maxCompletionTokens: /(?:^|\/)(?:o\d|gpt-[5-9])/,
      unsupported: [{ fields: SAMPLING, models: /(?:^|\/)(?:o\d|gpt-5(?!-chat))/ }],
    },
  },

  // D https://docs.sarvam.ai/api-reference/chat/chat-completions-v1 (2026-11): "serves only sarvam-105b and
  // sarvam-105b-conversations"; a bearer token is accepted beside api-subscription-key.
  sarvam: {
    baseURL: 'https://api.sarvam.ai/v1',
    keyNames: ['SARVAM_API_KEY'],
    defaultModel: 'sarvam-105b', // M, released 2026-02-18
    dialect: { efforts: [{ words: 'low medium high' }], replayReasoning: 'none', textOnly: true, media: [] },
  },

  // --- servers of one's own: the model is what was loaded, so most rows have no default
  // D https://lmstudio.ai/docs/developer/openai-compat (2026-11). R: `event: error` inside a stream.
  lmstudio: {
    baseURL: 'http://localhost:1234/v1',
    keyNames: ['LMSTUDIO_API_KEY', 'LM_API_TOKEN'],
    keyOptional: true,
    defaultModel: 'openai/gpt-oss-20b', // M, released 2025-08-05; loaded on demand when it was downloaded
    embeddingModel: 'text-embedding-nomic-embed-text-v1.5',
    dialect: { topK: true, efforts: [{ words: 'low medium high' }], replayReasoning: 'field' },
  },

  // D https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html (2026-11)
  vllm: {
    baseURL: 'http://localhost:8000/v1',
    keyNames: ['VLLM_API_KEY'],
    keyOptional: true,
    dialect: {
      topK: true,
      reasoning: 'template',
      budgetField: 'thinking_token_budget', // P
      // `reasoning_content` was renamed `reasoning` in late 2025; both are read, and answered in kind.
      replayReasoning: 'field',
    },
  },

  // D https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md (2026-11): any model name is accepted.
  llamacpp: {
    baseURL: 'http://localhost:8080/v1',
    keyNames: ['LLAMACPP_API_KEY'],
    keyOptional: true,
    defaultModel: 'default',
    embeddingModel: 'default',
    dialect: {
      topK: true,
      reasoning: 'template',
      budgetField: 'thinking_budget_tokens', // P
      replayReasoning: 'reasoning_content',
    },
  },

  // D https://docs.sglang.ai/basic_usage/openai_api_completions.html (2026-11): "default" is the model that is served.
  sglang: {
    baseURL: 'http://localhost:30000/v1',
    keyNames: ['SGLANG_API_KEY'],
    keyOptional: true,
    defaultModel: 'default',
    embeddingModel: 'default',
    dialect: {
      topK: true,
      reasoning: 'template',
      budgetField: 'thinking_budget', // P
      replayReasoning: 'reasoning_content',
    },
  },
}

/** What a caller may set for any vendor. */
export interface VendorOptions {
  /** A key, or a function that fetches one; called once per attempt. */
  apiKey?: ApiKey | undefined
  /** Default: the vendor's. */
  baseURL?: string | undefined
  /** Extra headers, lower-case names. */
  headers?: Record<string, string> | undefined
}

/** A server that is in no table. */
export interface CompatibleOptions extends VendorOptions {
  /** Everything up to, and without, `/chat/completions`. */
  baseURL: string
  /** The name reported in completions and errors. Default `compatible`. */
  name?: string
  /** What differs from OpenAI. Default: a careful set that no strict parser rejects. */
  dialect?: Dialect
  /** Used when the caller names no model. */
  defaultModel?: string
}

/**
 * The codec for any server that speaks Chat Completions. No key is sent unless one is given.
 *
 * @throws LlmError `config`, at the first request, when `baseURL` is not an http(s) URL.
 */
export function compatible(options: CompatibleOptions): Provider {
  return openaiChat({
    // `reasoning` comes back in whatever field it came in, which the many hosts of open models expect.
    ...options,
    name: options.name ?? 'compatible',
    dialect: options.dialect ?? { topK: true, replayReasoning: 'none' },
    keyNames: [],
    keyOptional: true,
  })
}

/**
 * The codec for a vendor of the table, e.g. `vendor('groq', { apiKey })`. Undefined when the table has no such row.
 */
export function vendor(name: string, options: VendorOptions = {}): Provider | undefined {
  if (!Object.hasOwn(VENDORS, name)) return undefined
  const row = VENDORS[name]!
  return openaiChat({
    name,
    apiKey: options.apiKey,
    baseURL: options.baseURL ?? row.baseURL,
    headers: { ...row.headers, ...options.headers },
    dialect: row.dialect,
    keyNames: row.keyNames,
    keyOptional: row.keyOptional,
    defaultModel: row.defaultModel,
  })
}
