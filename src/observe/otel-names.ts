/**
 * OpenTelemetry's names for generative AI, as backends read them today: semantic conventions 1.41.
 *
 * In:  nothing. Out: attribute names, metric names with their buckets, and the well-known provider names.
 * Everything of `gen_ai.*` is in development and moving (v1.42 moved it to a repository of its own, where the token metric is
 * to be replaced), so that no other file holds a name.
 * Spec: https://opentelemetry.io/docs/specs/semconv/gen-ai/, read 2026-11.
 */

/** Attributes of spans and metrics. */
export const ATTRIBUTE = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  stream: 'gen_ai.request.stream',
  maxTokens: 'gen_ai.request.max_tokens',
  temperature: 'gen_ai.request.temperature',
  topP: 'gen_ai.request.top_p',
  topK: 'gen_ai.request.top_k',
  seed: 'gen_ai.request.seed',
  presencePenalty: 'gen_ai.request.presence_penalty',
  frequencyPenalty: 'gen_ai.request.frequency_penalty',
  stop: 'gen_ai.request.stop_sequences',
  outputType: 'gen_ai.output.type',
  responseId: 'gen_ai.response.id',
  responseModel: 'gen_ai.response.model',
  finishReasons: 'gen_ai.response.finish_reasons',
  firstChunk: 'gen_ai.response.time_to_first_chunk',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  cachedInputTokens: 'gen_ai.usage.cache_read.input_tokens',
  cacheWriteTokens: 'gen_ai.usage.cache_creation.input_tokens',
  reasoningTokens: 'gen_ai.usage.reasoning.output_tokens',
  tokenType: 'gen_ai.token.type',
  errorType: 'error.type',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  inputMessages: 'gen_ai.input.messages',
  outputMessages: 'gen_ai.output.messages',
  systemInstructions: 'gen_ai.system_instructions',
  toolDefinitions: 'gen_ai.tool.definitions',
} as const

const SECONDS: readonly number[] = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
]
const TOKENS: readonly number[] = [
  1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
]

/** A histogram's name, unit and bucket boundaries. */
export interface Metric {
  name: string
  unit: string
  buckets: readonly number[]
}

/** Histograms. */
export const METRIC: Readonly<Record<'duration' | 'firstChunk' | 'tokens', Metric>> = {
  duration: { name: 'gen_ai.client.operation.duration', unit: 's', buckets: SECONDS },
  firstChunk: { name: 'gen_ai.client.operation.time_to_first_chunk', unit: 's', buckets: SECONDS },
  tokens: { name: 'gen_ai.client.token.usage', unit: '{token}', buckets: TOKENS },
}

/** Our names of providers where the conventions have another one; the rest go by ours. */
const PROVIDERS: Readonly<Record<string, string>> = {
  'openai-chat': 'openai',
  gemini: 'gcp.gemini',
  vertex: 'gcp.vertex_ai',
  bedrock: 'aws.bedrock',
  azure: 'azure.ai.openai',
  mistral: 'mistral_ai',
  xai: 'x_ai',
  watsonx: 'ibm.watsonx.ai',
  moonshot: 'moonshot_ai',
}

/** `gemini` → `gcp.gemini`. */
export function providerName(provider: string): string {
  return Object.hasOwn(PROVIDERS, provider) ? PROVIDERS[provider]! : provider
}

/** The operation of a chat: Google's is called by its method. */
export function operationName(provider: string): string {
  return provider === 'gemini' || provider === 'vertex' ? 'generate_content' : 'chat'
}
