/**
 * What may differ between two servers that both say they speak Chat Completions, as data.
 *
 * In:  nothing. Out: the `Dialect` type; compatible.ts and mistral.ts hold its rows.
 * A row says only what differs from api.openai.com. What any server may get wrong without saying so (missing indices,
 * `finish_reason: ""`, usage in odd places …) is tolerated for everyone by openai-chat-decode.ts and is no field here.
 */

import type { Reasoning } from '../types.ts'

/** How hard to think, as the words of our `reasoning` option. */
export type Effort = Extract<Reasoning, string>

/** One server's deviations. Every field may be absent; then the server behaves like api.openai.com. */
export interface Dialect {
  // ------------------------------------------------------------------------------------------- request
  /** Name of the output limit. Default `max_completion_tokens` at api.openai.com, `max_tokens` everywhere else. */
  maxTokensField?: 'max_tokens' | 'max_completion_tokens'
  /** Models that take `max_completion_tokens` although the server's other models take `max_tokens`. */
  maxCompletionTokens?: RegExp
  /** Our options that go under another name: `{ seed: 'random_seed' }`. */
  rename?: Readonly<Partial<Record<'seed' | 'topK', string>>>
  /**
   * Our options the server rejects: left out, with a warning. `models` limits a row to some models, `when: 'reasoning'`
   * to requests that ask for reasoning.
   */
  unsupported?: readonly {
    fields: readonly DialectOption[]
    models?: RegExp
    when?: 'reasoning'
    detail?: string
  }[]
  /** `top_k` is accepted. Default false. */
  topK?: boolean
  /** Send `stream_options: { include_usage: true }`. Default true; false where usage comes unasked or not at all. */
  streamOptions?: boolean
  /**
   * How the amount of thinking is asked for.
   * `effort`: `reasoning_effort: 'low'` · `object`: `reasoning: { effort }` or `{ max_tokens }` (OpenRouter) ·
   * `toggle`: `reasoning: { enabled }` and `reasoning_effort` (Together) ·
   * `thinking`: `thinking: { type: 'enabled' | 'disabled' }`, and `reasoning_effort` where `efforts` is given ·
   * `enable`: `enable_thinking: true` and `thinking_budget` (Qwen) · `template`: `chat_template_kwargs` (vLLM, SGLang) ·
   * `none`: the model decides; the option is reported as unsupported. Default `effort`.
   */
  reasoning?: 'effort' | 'object' | 'toggle' | 'thinking' | 'enable' | 'template' | 'none'
  /**
   * The server's words for ours, as pairs `off=none low high max=xhigh`; the first row whose `models` match counts. What
   * a row lacks goes to its nearest word, with a warning. Default: OpenAI's words, `off=none … max=xhigh`.
   */
  efforts?: readonly { models?: RegExp; words: string }[]
  /** Where `reasoning: { budgetTokens }` goes beside `enable` and `template`. */
  budgetField?: string
  /** Fields that are always sent, beneath `request.body`; `models` limits a row to some models. */
  body?: readonly { models?: RegExp; fields: Readonly<Record<string, unknown>> }[]
  /** Fields sent when the request has tools: `{ tool_stream: true }`. */
  bodyWithTools?: Readonly<Record<string, unknown>>
  /** What `toolChoice: 'required'` is called. Default `required`. */
  toolChoiceRequired?: string
  /** Function definitions may carry `strict: true`. Default false. */
  strictTools?: boolean
  /**
   * How a schema for the answer is sent. `strict`: json_schema with OpenAI's subset enforced · `schema`: json_schema as
   * it is · `object`: json_object, the schema put into the system prompt · `none`. Default `schema`.
   */
  schema?: 'strict' | 'schema' | 'object' | 'none'
  /** Tool results carry the tool's `name`. Default false. */
  toolResultName?: boolean
  /** `content` of an assistant turn that only calls tools. Default null. */
  emptyContent?: ''
  /** Several text parts go as one string: the server takes no arrays for text. Default false. */
  textOnly?: boolean
  /** Turns of one role in a row are refused: they are joined with a blank line. Default false. */
  alternate?: boolean
  /** `logprobs` is the number of alternatives instead of a boolean. Default false. */
  logprobsCount?: boolean
  /** Which media may stand in a user turn. Default all three. */
  media?: readonly ('image' | 'file' | 'audio')[]
  /** Files and sounds may be given by URL. Default false. */
  mediaUrls?: boolean
  /** Tool results may hold images. Default false: they follow in a user turn. */
  imagesInToolResults?: boolean
  /** Prompt caching: `key` sends prompt_cache_key; `marks` puts cache_control on Anthropic models (OpenRouter). */
  promptCache?: 'key' | 'marks'
  /** `prompt_cache_retention` is understood. Default false. */
  cacheRetention?: boolean
  /**
   * What of an assistant turn's own reasoning goes back, and where: the field it came in (`field`), in
   * `reasoning_content`, as OpenRouter's `reasoning_details`, as content blocks (Mistral), or not at all. Default `none`.
   */
  replayReasoning?: 'field' | 'reasoning_content' | 'reasoning_details' | 'content' | 'none'
  /** A turn with tool calls must carry `reasoning_content`, '' when there was none. Default false. */
  reasoningWithCalls?: boolean
  /** Tool-call ids are letters and digits of this length; others are replaced by a hash, the same in call and result. */
  callIdLength?: number
  /** Longer tool-call ids are refused: they are replaced by a hash of this length. */
  callIdMaxLength?: number
  /** No user turn may follow tool results: this stands between them, as the assistant's words. */
  wordsAfterResults?: string

  // ------------------------------------------------------------------------------------------ response
  /** `split`: `<think>…</think>` at the start of the text is reasoning. Default `text`: left alone. */
  think?: 'text' | 'split'
  /** Only these models do; default every model of the server. */
  thinkModels?: RegExp
  /** `delta.content` may repeat the text so far instead of continuing it; the second delta shows which. Default false. */
  cumulative?: boolean
  /** Reasoning deltas that are a sign of life, not reasoning; repeats are left out. */
  placeholder?: string
  /** Fields outside the SSE standard that carry an error. */
  sseFields?: readonly string[]
  /** Dollars per unit of the cost the server reports, and where it stands in `usage`. */
  cost?: { path: readonly string[]; usdPerUnit: number }
}

/** The options a dialect can be without, by our names. */
export type DialectOption =
  | 'temperature'
  | 'topP'
  | 'stop'
  | 'seed'
  | 'presencePenalty'
  | 'frequencyPenalty'
  | 'logprobs'
  | 'parallelToolCalls'
  | 'toolChoice'
  | 'reasoning'
