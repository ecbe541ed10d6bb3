/**
 * The vocabulary: every noun that crosses the public surface, and nothing that runs.
 *
 * In:  nothing; this file imports only the error type and the codec contract it names in options.
 * Out: types. It emits no JavaScript.
 * Not here: behaviour, defaults in code, provider names (those stand in providers/registry.ts).
 *
 * Everything an answer contains is plain JSON: it survives `JSON.stringify` / `parse` and `structuredClone`.
 */

import type { LlmError, SerializedLlmError } from './errors.ts'
import type { EmbeddingProvider, Provider, Transport } from './provider.ts'

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** A JSON Schema document, draft 2020-12 unless the provider's dialect says otherwise. */
export type JsonSchema = { readonly [keyword: string]: unknown }

// ---------------------------------------------------------------------------------------------- messages

/**
 * What the provider that produced a part needs to see again, byte for byte, when the part goes back to it:
 * item ids, thought signatures. Opaque to everyone else; another provider drops it with a warning.
 */
export interface Origin {
  /** The codec that produced the part, e.g. `anthropic`, `openai`, `gemini`. */
  provider: string
  [field: string]: Json | undefined
}

/** Where a statement comes from: a web page, a document, a search result. Offsets are UTF-16 units into the text part. */
export interface Source {
  /** The provider's id of the source, where it has one. */
  id?: string
  /** Its address, where it is a page. */
  url?: string
  /** Its title, as the provider gives it. */
  title?: string
  /** The cited passage, where the provider quotes it. */
  text?: string
  /** First UTF-16 unit of the supported text, in its text part. */
  start?: number
  /** One past the last UTF-16 unit of the supported text. */
  end?: number
}

/** Plain text; `sources` back it up where the provider cites. */
export interface TextPart {
  type: 'text'
  text: string
  /** What backs the text up; only in answers that cite. */
  sources?: Source[]
  /** What the same provider needs to see again. */
  origin?: Origin
}

/** The bytes of an image, file or sound, by one of three ways. `data` is base64; bytes are accepted, never emitted. */
export type Media =
  | { url: string; mediaType?: string; data?: never; fileId?: never }
  | { data: string | Uint8Array; mediaType: string; url?: never; fileId?: never }
  | { fileId: string; mediaType?: string; url?: never; data?: never }

/** A picture. `detail` is a hint some providers price by. */
export type ImagePart = { type: 'image'; detail?: 'auto' | 'low' | 'high'; origin?: Origin } & Media

/** A document, e.g. a PDF. */
export type FilePart = { type: 'file'; name?: string; origin?: Origin } & Media

/** A sound. */
export type AudioPart = { type: 'audio'; origin?: Origin } & Media

/** What the model thought. `signature`, `encrypted` and `redacted` go back to the same provider unchanged. */
export interface ReasoningPart {
  type: 'reasoning'
  /** '' where the provider hides what the model thought. */
  text: string
  /** Proves to the provider that it wrote this. */
  signature?: string
  /** The reasoning itself, readable only to the provider. */
  encrypted?: string
  /** True where the provider withheld the text. */
  redacted?: boolean
  /** What the same provider needs to see again. */
  origin?: Origin
}

/** Arguments that are not what a tool can be run with: the raw text and a sentence saying why. */
export interface InvalidArgs {
  /** The JSON text as the model wrote it. */
  raw: string
  /** One sentence that may go back to the model. */
  reason: string
}

/** The model asks for a tool. Exactly one of `args` and `invalid` is present. */
export type ToolCallPart = { type: 'tool-call'; origin?: Origin } & ToolCall

/** What the tool answered. */
export interface ToolResultPart {
  type: 'tool-result'
  /** The id of the call it answers. */
  id: string
  /** The name of the tool. */
  name: string
  /** What the model is told: text, or parts where the provider takes them. */
  content: string | Part[]
  /** The tool failed, and `content` says how. Default false. */
  isError?: boolean
  /** What the same provider needs to see again. */
  origin?: Origin
}

/** Anything bound to one provider, passed through untouched: server-side tools, compaction blocks. */
export interface ProviderPart {
  type: 'provider'
  /** The codec it belongs to; others drop it with a warning. */
  provider: string
  /** The part as the provider has it, in its own words. */
  value: unknown
}

/** One piece of a message. */
export type Part =
  | TextPart
  | ImagePart
  | FilePart
  | AudioPart
  | ReasoningPart
  | ToolCallPart
  | ToolResultPart
  | ProviderPart

/** Who speaks. */
export type Role = 'system' | 'user' | 'assistant' | 'tool'

/** One turn. */
export interface Message {
  role: Role
  content: string | Part[]
}

/** What the model wrote; goes back into `messages` unchanged. */
export interface AssistantMessage extends Message {
  role: 'assistant'
  content: Part[]
}

// ------------------------------------------------------------------------------------- tools and schemas

/** What a Standard Schema (https://standardschema.dev) says about a value. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

/** One thing wrong with a value, and where. */
export interface StandardIssue {
  /** One sentence. */
  readonly message: string
  /** Keys from the root of the value to the fault; absent for the value itself. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** A Standard Schema that can render JSON Schema: zod 4, arktype; valibot through its own converter. */
export interface StandardJsonSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
    readonly jsonSchema: {
      readonly input: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown>
    }
  }
}

/** A JSON Schema with a validator of your own. Without `validate` the value is passed on unchecked. */
export interface CheckedJsonSchema<Output = unknown> {
  /** What the provider is sent. */
  readonly jsonSchema: JsonSchema
  /** Default: nothing is checked. */
  readonly validate?: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
}

/** Any of the three ways to describe a value. A raw JSON Schema gives `unknown`, unvalidated. */
export type Schema<Output = unknown> = StandardJsonSchema<Output> | CheckedJsonSchema<Output> | JsonSchema

/** The type a schema describes. */
export type Infer<S> = S extends { readonly '~standard': { readonly types?: infer T } }
  ? NonNullable<T> extends { readonly output: infer Output }
    ? Output
    : unknown
  : S extends CheckedJsonSchema<infer Output>
    ? Output
    : unknown

/** What a running tool may use. */
export interface ToolContext {
  /** The id of the call. */
  id: string
  /** Aborted by the caller, by the per-tool deadline, or when the run ends. */
  signal: AbortSignal
  /** The conversation so far, including the turn that asked for the tool. */
  messages: readonly Message[]
}

/** A function the model may ask for. MCP's shape; `execute` is run by `runTools`, never by `complete` / `stream`. */
export interface Tool<Args = never, Result = unknown> {
  /** What the model calls it by; a codec renames it where the provider forbids its characters. */
  name: string
  /** When to use it and what it gives, for the model. */
  description?: string
  /** The arguments, as an object schema. */
  inputSchema: Schema
  /** Asks the provider to keep the arguments to the schema. Default: the provider's. */
  strict?: boolean
  /**
   * Does it; what it gives, or the message of what it throws, goes back to the model. Default: the caller does it.
   * A method, so that a tool of narrow arguments stands in a list of tools.
   */
  execute?(args: Args, context: ToolContext): Result | Promise<Result>
}

/** A tool of the provider's own (web search, code execution), passed through untouched. */
export interface ProviderTool {
  type: 'provider'
  /** The codec it belongs to; others drop it with a warning. */
  provider: string
  /** The tool as the provider has it, in its own words. */
  value: unknown
}

/** `auto`: the model decides; `required`: at least one call; `{ tool }`: that one. */
export type ToolChoice = 'auto' | 'none' | 'required' | { tool: string }

// ------------------------------------------------------------------------------------------------- input

/** A question, a conversation, or a conversation with its system prompt and tools. */
export type Input =
  | string
  | Message[]
  | { messages: Message[]; system?: string; tools?: (Tool | ProviderTool)[] }

/** How hard to think: a word, or a number of tokens. */
export type Reasoning = 'off' | 'minimal' | 'low' | 'medium' | 'high' | 'max' | { budgetTokens: number }

/** Ask the provider to keep the prompt's prefix. `key` groups requests that share one. */
export type PromptCache = boolean | { key?: string; ttl?: '5m' | '1h' }

/** Deadlines, all in milliseconds; `false` (or Infinity) turns one off. */
export interface Timeouts {
  /** TCP and TLS, where the transport can see it. Default 10,000. */
  connect?: number | false
  /** Until the response headers. Default 300,000. */
  headers?: number | false
  /** Until the first content event. Default 300,000. */
  firstToken?: number | false
  /** Between two reads; any byte resets it. Default 90,000. */
  idle?: number | false
  /** Between two meaningful events; comments and pings do not reset it. Default 600,000. */
  progress?: number | false
  /** The whole call, attempts and pauses included. Default: none. */
  total?: number | false
}

/** How often to try, and how long to wait in between. */
export interface Retry {
  /** Tries in all, the first included. Default 3. */
  attempts?: number
  /** Backoff base. Default 500 (1,000 when throttled). */
  baseMs?: number
  /** Longest backoff. Default 30,000. */
  maxMs?: number
  /** A server's hint above this is not slept through. Default 60,000. */
  maxRetryAfterMs?: number
}

/** Memory bounds in decoded bytes. */
export interface Limits {
  /** One event or line. Default 64 MiB. */
  eventBytes?: number
  /** One response. Default 512 MiB. */
  responseBytes?: number
}

/** Time and timers, injected so that a test owns them. */
export interface Clock {
  /** Monotonic milliseconds. */
  nowMs(): number
  /** Wall-clock milliseconds since 1970, for dates in headers and signatures. */
  epochMs(): number
  /** Calls once, after at least `delayMs`. Gives what `clearTimer` takes. */
  setTimer(callback: () => void, delayMs: number): unknown
  /** Clearing one that has fired does nothing. */
  clearTimer(timer: unknown): void
}

/** Sampling and content options a request carries to the provider. */
export interface GenerationOptions {
  /** The instructions. Those of the options win over those of the input. Default: none. */
  system?: string
  /** What the model may ask for. Those of the options win over those of the input. Default: none. */
  tools?: (Tool | ProviderTool)[]
  /** Whether it must. Default: the provider's, which is `auto` everywhere. */
  toolChoice?: ToolChoice
  /** `false`: at most one call a turn. Default: the provider's. */
  parallelToolCalls?: boolean
  /**
   * Most output tokens, reasoning included. Default: none where the API allows that; Anthropic and others
   * that require one get the model's maximum (8,192 for an unknown model), and a warning when the answer
   * ends there.
   */
  maxTokens?: number
  /** 0 is greedy. Providers differ in range: 0–2, Anthropic 0–1. Default: the provider's. */
  temperature?: number
  /** Sample from the likeliest tokens of this total probability, 0–1. Default: the provider's. */
  topP?: number
  /** Sample from this many likeliest tokens. Default: the provider's. */
  topK?: number
  /** Text that ends the answer; it is not part of it. Default: none. */
  stop?: string | string[]
  /** An integer; equal requests may then get equal answers, which no provider promises. Default: none. */
  seed?: number
  /** From -2 to 2; positive values disfavour tokens that have occurred. Default: the provider's. */
  presencePenalty?: number
  /**
   * From -2 to 2; positive values disfavour tokens by how often they have occurred. Default: the
   * provider's.
   */
  frequencyPenalty?: number
  /** `true`, or how many alternatives per token. Default: none. */
  logprobs?: boolean | number
  /** How hard to think. Default: the provider's. */
  reasoning?: Reasoning
  /** Default: the provider's; some cache without being asked. */
  promptCache?: PromptCache
  /** Raw provider fields, merged last: objects merge, arrays replace, `null` deletes. */
  body?: Record<string, unknown>
}

/**
 * Makes a conversation fit the model's window before it is sent; `fit()` of `llmswap/tokens` builds one.
 * A value, so that no tokenizer is bundled unasked.
 */
export interface Fit {
  /** @param overflow set when a server refused the conversation as too long: what its message says. */
  apply(
    request: Request,
    overflow?: { limitTokens?: number; actualTokens?: number },
  ): Request | Promise<Request>
  /** Told what the server counted, so that an estimate can be calibrated. */
  observe?(request: Request, usage: Usage): void
}

/** A price list; `catalog` and `createCatalog` of `llmswap/cost` build one. */
export interface Prices {
  /** An unknown price has no total but a reason; it is never 0. */
  price(usage: Usage, model: string, provider: string): Cost | UnknownCost
}

/** Everything a call can be told. */
export interface Options<S = unknown> extends GenerationOptions {
  /** `auto` (default), a name from the registry, or a codec. */
  provider?: ProviderName | Provider
  /**
   * A model id, or `provider/model` where `provider` is absent or `auto`. Default: the registry row's dated
   * one.
   */
  model?: Model
  /** A key, or a function that fetches one; called once per attempt. */
  apiKey?: string | (() => string | Promise<string>)
  /** Where requests go: up to and without the path of the endpoint. Default: the provider's. */
  baseURL?: string
  /** Where `auto` looks for keys before `process.env`. */
  env?: object
  /** Used instead of `globalThis.fetch`; called as a plain function, without a `this`. */
  fetch?: typeof globalThis.fetch
  /** Used instead of fetch altogether, e.g. `undiciTransport()` of `llmswap/node`. */
  transport?: Transport
  /** The embedding half of a provider, for `embed` of `llmswap/client`; the root finds it by name. */
  embedding?: EmbeddingProvider
  /** Extra request headers. */
  headers?: Record<string, string>
  /** Allows a key in a page, where every visitor can read it. Default false: kind `config`. */
  dangerouslyAllowBrowser?: boolean
  /** The shape of the answer; `completion.object` holds it. */
  schema?: S
  /** `auto` streams and falls back where a server refuses to; `json` asks for one JSON body. */
  wire?: 'auto' | 'stream' | 'json'
  /** Aborting it ends the call with kind `aborted`, whose `cause` is the reason. */
  signal?: AbortSignal
  /** Deadlines, in milliseconds. */
  timeouts?: Timeouts
  /** How often to try before content was delivered; `false` for once. Default: three times. */
  retry?: Retry | false
  /** Memory bounds, in bytes. */
  limits?: Limits
  /** Default: none; a conversation that is too long fails with kind `context-length`. */
  fit?: Fit
  /** Fills `completion.cost`. Default: none, and only what the provider itself reports. */
  prices?: Prices
  /** Observers; they can change nothing. */
  hooks?: Hooks | Hooks[]
  /** Default: the runtime's. */
  clock?: Clock
  /** A number in [0, 1). Default: `Math.random`. */
  random?: () => number
}

/** Names of the registry, completed by the editor; any other string is accepted and checked at run time. */
export type ProviderName = KnownProvider | (string & {})

/** The registry's names. */
export type KnownProvider =
  | 'auto'
  | 'openai'
  | 'openai-chat'
  | 'anthropic'
  | 'gemini'
  | 'ollama'
  | 'vertex'
  | 'bedrock'
  | 'azure'
  | 'cohere'
  | 'mistral'
  | 'watsonx'
  | 'groq'
  | 'deepseek'
  | 'xai'
  | 'openrouter'
  | 'perplexity'
  | 'together'
  | 'fireworks'
  | 'cerebras'
  | 'moonshot'
  | 'zai'
  | 'alibaba'
  | 'minimax'
  | 'nvidia'
  | 'huggingface'
  | 'github'
  | 'lmstudio'
  | 'vllm'
  | 'llamacpp'
  | 'sglang'
  | 'sarvam'

/** Model ids, completed by the editor; any string is accepted and passed on untouched. */
export type Model = KnownModel | (string & {})

/** Ids people use in late 2026. Not a check: the provider decides what it serves. */
export type KnownModel =
  | 'gpt-6-astra'
  | 'gpt-6.1-sol'
  | 'gpt-6.1-terra'
  | 'gpt-6-sol'
  | 'gpt-6-luna'
  | 'gpt-5.6-sol'
  | 'gpt-5.6-terra'
  | 'gpt-5.6-luna'
  | 'claude-fable-5-2'
  | 'claude-opus-5-5'
  | 'claude-sonnet-5-5'
  | 'claude-haiku-5-5'
  | 'gemini-4-argon'
  | 'gemini-3.8-flash'
  | 'gemini-3.5-flash-lite'
  | 'gemini-3.1-pro-preview'
  | 'grok-4.7'
  | 'mistral-large-4'
  | 'deepseek-flash'
  | 'deepseek-v4-pro'
  | 'kimi-k3.1-pro'
  | 'glm-5.3'
  | 'MiniMax-M3'
  | 'openai/gpt-oss-120b'
  | 'anthropic/claude-sonnet-5-5'
  | 'anthropic/claude-haiku-5-5'
  | 'openai/gpt-6.1-terra'
  | 'openai/gpt-6-luna'
  | 'gemini/gemini-3.8-flash'

// ------------------------------------------------------------------------------------- what a codec sees

/** A tool as a codec sees it: its schema already rendered as JSON Schema. */
export interface ToolDefinition {
  /** As the caller named it. */
  name: string
  /** When to use it and what it gives. */
  description?: string
  /** The arguments, draft 2020-12. */
  inputSchema: JsonSchema
  /** Keep the arguments to the schema. */
  strict?: boolean
}

/** A call, normalised and complete: what `provider.encode` turns into an HTTP request. */
export interface Request extends Omit<GenerationOptions, 'tools' | 'stop'> {
  /** The id the provider knows, without a provider in front. */
  model: string
  /** At least one; system messages stand where the caller put them. */
  messages: Message[]
  /** Schemas rendered. */
  tools?: (ToolDefinition | ProviderTool)[]
  /** At least one text, where present. */
  stop?: string[]
  /** The shape asked for, as JSON Schema. */
  schema?: JsonSchema
  /** Ask for a stream (default) or for one JSON body. */
  stream: boolean
  /** `false` after a server refused `stream_options`: leave them out. */
  streamOptions?: boolean
}

// ------------------------------------------------------------------------------------------------ events

/** Why the model stopped, in six words; the provider's own is in `rawFinishReason`. */
export type FinishReason = 'stop' | 'length' | 'tool-calls' | 'content-filter' | 'pause' | 'unknown'

/**
 * Tokens, in OpenTelemetry's meaning: `inputTokens` includes cache reads and writes, `outputTokens` includes
 * reasoning. What a provider does not report is undefined, never 0.
 */
export interface Usage {
  /** Everything that was read: fresh, from the cache, and into it. */
  inputTokens?: number | undefined
  /** Everything that was written, reasoning included. */
  outputTokens?: number | undefined
  /** Their sum, as the provider reports it or as it adds up. */
  totalTokens?: number | undefined
  /** Of the input: read from the cache. */
  cachedInputTokens?: number | undefined
  /** Of the input: written to the cache. */
  cacheWriteTokens?: number | undefined
  /** Of the output: spent on thinking. */
  reasoningTokens?: number | undefined
}

/** Something the caller asked for that did not happen as asked, or a default it should know of. */
export interface Warning {
  code: 'unsupported' | 'converted' | 'dropped' | 'default' | 'fallback' | 'deprecated' | 'insecure'
  /** One sentence. */
  message: string
  /** The option or field it is about. */
  field?: string
}

/** Log-probability of one output token and its alternatives. Natural logarithm. */
export interface TokenLogprob {
  /** The token as text; a part of a character stands as U+FFFD. */
  token: string
  /** 0 is certain, more negative is less likely. */
  logprob: number
  /** The alternatives asked for, likeliest first. */
  top?: { token: string; logprob: number }[]
}

/** A tool call as it stands in a completion: arguments, or why there are none. */
export type ToolCall =
  | { id: string; name: string; args: unknown; invalid?: never }
  | { id: string; name: string; args?: never; invalid: InvalidArgs }

/** The server accepted the request. First event of an answer. */
export interface StartEvent {
  type: 'start'
  /** The codec's name. */
  provider: string
  /** What answers, as the server names it. */
  model: string
  /** The server's id of the answer, where it gives one at once. */
  id?: string
}

/** More text of message part `part`. */
export interface TextDeltaEvent {
  type: 'text-delta'
  /** Index of the message part. */
  part: number
  /** Never empty. */
  text: string
  /** Of the tokens of `text`, where `logprobs` was asked for. */
  logprobs?: TokenLogprob[]
}

/** More reasoning of message part `part`. */
export interface ReasoningDeltaEvent {
  type: 'reasoning-delta'
  /** Index of the message part. */
  part: number
  text: string
}

/** A tool call begins. */
export interface ToolCallStartEvent {
  type: 'tool-call-start'
  /** Index of the message part. */
  part: number
  /** The call's id: the provider's, or one made up where it gives none. */
  id: string
  /** The tool's name as the caller wrote it. */
  name: string
}

/** More of a tool call's arguments: `delta` is raw JSON text. */
export interface ToolCallDeltaEvent {
  type: 'tool-call-delta'
  /** Index of the message part. */
  part: number
  /** The call's id. */
  id: string
  /** The next piece of JSON text; it may end anywhere. */
  delta: string
  /** The arguments so far: live, read-only, by reference. Computed on first access; never serialised. */
  readonly partial: unknown
}

/** A tool call is finished: the provider said so. */
export type ToolCallEvent = { type: 'tool-call'; part: number } & ToolCall

/** Structured output grew. */
export interface ObjectDeltaEvent {
  type: 'object-delta'
  /** The value so far: live, read-only, by reference. Computed on first access; never serialised. */
  readonly object: unknown
}

/** A closed part as it will stand in the message: reasoning with its signature, provider part, cited text. */
export interface PartEvent {
  type: 'part'
  /** Index of the message part. */
  part: number
  /** Replaces what the deltas of this part added up to. */
  value: Part
}

/** A source the answer rests on. */
export interface SourceEvent {
  type: 'source'
  source: Source
}

/** See {@link Warning}. */
export interface WarningEvent {
  type: 'warning'
  warning: Warning
}

/** The answer begins anew: forget what came before. Opt-in (`onInterrupt: 'restart'`). */
export interface RestartEvent {
  type: 'restart'
  error: ErrorSummary
}

/** The answer is whole. Last event. */
export interface FinishEvent {
  type: 'finish'
  /** In our six words. */
  finishReason: FinishReason
  /** In the provider's. */
  rawFinishReason: string | undefined
  /** Of the whole call. */
  usage: Usage
}

/** What of an error may cross a wire to someone else. */
export interface ErrorSummary {
  /** In one word. */
  kind: LlmError['kind']
  /** One sentence, without keys. */
  message: string
  /** The same request may well succeed later. */
  retryable: boolean
}

/** Only on the wire of `toSSE()`; in process errors are thrown. */
export interface ErrorEvent {
  type: 'error'
  error: ErrorSummary
}

/** One step of an answer, told apart by `type`. */
export type StreamEvent =
  | StartEvent
  | TextDeltaEvent
  | ReasoningDeltaEvent
  | ToolCallStartEvent
  | ToolCallDeltaEvent
  | ToolCallEvent
  | ObjectDeltaEvent
  | PartEvent
  | SourceEvent
  | WarningEvent
  | RestartEvent
  | FinishEvent
  | ErrorEvent

// ------------------------------------------------------------------------------------------- completions

/** Money, in one currency, exact to what the price list says. */
export interface Cost {
  /** The sum, as a number for display. */
  total: number
  currency: 'USD'
  /** The sum and its items as exact decimal strings. */
  exact: string
  /** Its parts, e.g. `input`, `cached input`, `output`; of a catalog only. */
  items?: { name: string; tokens?: number; amount: string }[]
  /** `provider` when the provider reported it, `catalog` when it was computed. */
  from: 'provider' | 'catalog'
  /** The date of the price list. */
  asOf?: string
}

/** Why there is no cost: an unknown model, a usage that was not reported. */
export interface UnknownCost {
  total: undefined
  /** One sentence. */
  reason: string
}

/** What the call took. */
export interface Timing {
  /** From the call to the response headers of the attempt that answered. */
  headersMs: number | undefined
  /** From the call to the first content event. */
  firstTokenMs: number | undefined
  /** From the call to its end. */
  totalMs: number
  /** Output tokens per second after the first token; undefined without usage. */
  tokensPerSecond: number | undefined
  /** Gaps between content events. */
  interTokenMs: { p50: number; p95: number; max: number } | undefined
}

/** One try at one target. */
export interface Attempt {
  /** The codec's name. */
  provider: string
  /** The model that was asked. */
  model: string
  /** HTTP status, when there was a response. */
  status?: number
  /** Milliseconds from its start to its end. */
  durationMs: number
  /** Milliseconds slept before it. */
  delayMs: number
  /** Why it failed; absent on the one that answered. */
  error?: ErrorSummary
  /** The request reached the server, so tokens may have been charged although no answer came. */
  maybeBilled: boolean
  /** The server's id of the request, for its support. */
  requestId?: string
}

/** A whole answer. `ObjectType` is what `schema` describes. */
export interface Completion<ObjectType = unknown> {
  /** All text parts, joined. */
  text: string
  /** Goes back into `messages` unchanged. */
  message: AssistantMessage
  /** The reasoning text, or '' when there is none. */
  reasoning: string
  /** In the order the model asked. */
  toolCalls: ToolCall[]
  /** What `schema` described, validated where it can be; absent without `schema`. */
  object?: ObjectType
  /** Everything cited, each once, in order of appearance. */
  sources: Source[]
  /** Of the text, where `logprobs` was asked for and the provider gives them. */
  logprobs?: TokenLogprob[]
  /** In our six words. */
  finishReason: FinishReason
  /** In the provider's. */
  rawFinishReason: string | undefined
  /** Of the attempt that answered. */
  usage: Usage
  /** Where `prices` was given and knows the model, or the provider reported one. */
  cost?: Cost
  /** In milliseconds. */
  timing: Timing
  /** What did not happen as asked. */
  warnings: Warning[]
  /** What answered, as the server names it. */
  model: string
  /** The codec's name. */
  provider: string
  /** The server's id of the answer. */
  id: string | undefined
  /** Every try, the one that answered last. */
  attempts: Attempt[]
  /** The provider's last usage and finish objects. */
  raw: { usage?: unknown; finish?: unknown }
}

/** The answer so far: of an interrupted call, or of one still running. */
export type PartialCompletion = Omit<Completion, 'finishReason' | 'object'> & {
  finishReason: FinishReason | undefined
  object?: unknown
}

/**
 * An answer on its way. One consumer: the loop, or `text`, or `toSSE()` / `toResponse()`; a second one throws
 * kind `config`. Nobody has to consume it: `completion` collects by itself.
 */
export interface CompletionStream<ObjectType = unknown> extends AsyncIterable<StreamEvent> {
  [Symbol.asyncIterator](): AsyncIterator<StreamEvent, undefined, undefined>
  /** The text as it grows. Throws `interrupted` at a restart, which text alone cannot express. */
  readonly text: AsyncIterable<string>
  /** Resolves when the answer is whole. Never an unhandled rejection. */
  readonly completion: Promise<Completion<ObjectType>>
  /** The answer so far. A copy of the frame, the live parts. */
  readonly partial: PartialCompletion
  /** Stops the call; the loop and `completion` reject with kind `aborted`. */
  abort(reason?: unknown): void
  /** The events as server-sent events, for `fromSSE()` on the other side. */
  toSSE(options?: { heartbeatMs?: number }): ReadableStream<Uint8Array>
  /** Waits for the first event to choose the HTTP status; cancels upstream when the client goes. */
  toResponse(init?: ResponseInit & { heartbeatMs?: number }): Promise<Response>
}

// ------------------------------------------------------------------------------------------------- embed

/** What `embed` can be told, beside the options of a call. */
export interface EmbedOptions extends Omit<Options, keyof GenerationOptions | 'schema' | 'wire' | 'fit'> {
  /** Length of the vectors, where the model offers a choice. Default: the model's. */
  dimensions?: number
  /** What the vectors are for, where the model tells them apart. Default: not said. */
  purpose?: 'query' | 'document'
  /** Raw provider fields, merged last. */
  body?: Record<string, unknown>
}

/** One row of `Float32Array` per text, in order. */
export interface EmbedResult {
  /** In the order of the texts. */
  embeddings: Float32Array[]
  /** Summed over all batches. */
  usage: Usage
  /** What answered, as the server names it. */
  model: string
  /** The codec's name. */
  provider: string
  /** What did not happen as asked. */
  warnings: Warning[]
}

// ------------------------------------------------------------------------------------------------- hooks

/** What every hook is told. Frozen; no bodies, no keys. */
export interface CallInfo {
  /** Unique within the process, the same for all attempts of a call. */
  callId: string
  /** Which verb. */
  operation: 'chat' | 'embed'
  /** The codec's name. */
  provider: string
  /** The model that is asked. */
  model: string
}

/** Observers. Each may be absent; one that throws is ignored after being reported once to `onHookError`. */
export interface Hooks {
  /** Once a call, before its first attempt. */
  onRequest?(info: CallInfo & { request: Readonly<Request> }): void
  /** Before each attempt is sent; attempts count from 1. */
  onAttempt?(info: CallInfo & { attempt: number; url: string }): void
  /** When the headers of an attempt are there; `headersMs` counts from the start of the attempt. */
  onResponse?(
    info: CallInfo & { attempt: number; status: number; headersMs: number; requestId?: string },
  ): void
  /** At the first content event; `firstTokenMs` counts from the start of the call. */
  onFirstEvent?(info: CallInfo & { firstTokenMs: number }): void
  /** Before the pause of `delayMs` that follows a failed attempt. */
  onRetry?(info: CallInfo & { attempt: number; delayMs: number; error: ErrorSummary }): void
  /** Once, when the answer is whole; this or `onError` is the last. */
  onFinish?(info: CallInfo & { completion: Completion }): void
  /** Once, when the call failed or was stopped. */
  onError?(info: CallInfo & { error: SerializedLlmError }): void
  /** Another hook threw. */
  onHookError?(error: unknown): void
}
