/**
 * From a name, or from what the environment holds, to a codec and a model.
 *
 * In:  what the caller said (provider, model, apiKey, baseURL, headers) and where keys may lie.
 * Out: a `Provider` and the model id to send, or `config` with a sentence that says what to set.
 * Never a silent guess: a model nobody knows does not go to whoever happens to have a key.
 * Not here: wire formats, and anything asynchronous; this file reads variables and nothing else.
 *
 * Whose turn it is, in this order:
 * 1. `provider` is a codec: it, with `model` as it is.
 * 2. `provider` is a name: that row, with `model` as it is (`openai/gpt-oss-120b` is an id at Groq).
 * 3. `model` begins with a known name and a slash: that row, with the rest of the id.
 * 4. `model` is a known bare id (`gpt-…`, `claude-…`): the row it belongs to, with the id as it is.
 * 5. no `model`: the first row, in the order of ORDER, whose key variable is set, with its default model.
 */

import { LlmError } from '../errors.ts'
import type { EmbeddingProvider, Provider } from '../provider.ts'
import type { AwsCredentials } from '../wire/sigv4.ts'
import { anthropic } from './anthropic.ts'
import { azureEmbeddings } from './azure-embeddings.ts'
import { azure } from './azure.ts'
import { bedrockEmbeddings } from './bedrock-embeddings.ts'
import { bedrock } from './bedrock.ts'
import { cohereEmbeddings } from './cohere-embeddings.ts'
import { cohere } from './cohere.ts'
import { defined } from './body.ts'
import { vendor, VENDORS, type VendorOptions } from './compatible.ts'
import { readVariable } from './detect.ts'
import { geminiEmbeddings } from './gemini-embeddings.ts'
import { gemini } from './gemini.ts'
import { mistral, MISTRAL_KEYS, MISTRAL_MODEL } from './mistral.ts'
import { ollamaEmbeddings } from './ollama-embeddings.ts'
import { ollama } from './ollama.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiEmbeddings } from './openai-embeddings.ts'
import { openai } from './openai.ts'
import { vertexEmbeddings } from './vertex-embeddings.ts'
import { vertex } from './vertex.ts'
import { watsonx } from './watsonx.ts'

/** What a caller may say about where a call goes. */
export interface ProviderChoice {
  /** `auto` (default), a name, or a codec. */
  provider?: string | Provider | undefined
  model?: string | undefined
  /** Where keys are looked for before `process.env` and Deno's environment. */
  env?: object | undefined
  apiKey?: VendorOptions['apiKey']
  baseURL?: string | undefined
  headers?: Record<string, string> | undefined
}

/** The first of some variables that is set: for regions, projects and resources. */
type Read = (...names: string[]) => string | undefined

/** One provider as the registry knows it. */
interface Row {
  /** Environment variables that may hold the key, the first one preferred. */
  keyNames: readonly string[]
  /** Absent where only the server knows what it serves. */
  defaultModel?: string
  embeddingModel?: string
  /** True where a `baseURL` means somebody else's server, which has no business with this row's key. */
  keyStaysHome?: true
  create(options: VendorOptions, read: Read): Provider
  embedder?(options: VendorOptions, read: Read): EmbeddingProvider
}

/** The rows with a format of their own. Default models: the newest small or middle one, dated. */
const OWN_FORMATS: Readonly<Record<string, Row>> = {
  openai: {
    keyNames: ['OPENAI_API_KEY'],
    defaultModel: 'gpt-6.1-terra', // 2026-11
    embeddingModel: 'text-embedding-3-small',
    create: (options) => openai(defined(options)),
    embedder: (options) => openaiEmbeddings({ ...options, name: 'openai' }),
  },
  'openai-chat': {
    keyNames: ['OPENAI_API_KEY'],
    defaultModel: 'gpt-6.1-terra', // 2026-11
    embeddingModel: 'text-embedding-3-small',
    // With a baseURL this is any server, often a local one: it gets a key only when one is passed.
    keyStaysHome: true,
    create: (options) => openaiChat({ ...options, keyOptional: options.baseURL !== undefined }),
    embedder: (options) => openaiEmbeddings({ ...options, keyOptional: options.baseURL !== undefined }),
  },
  anthropic: {
    keyNames: ['ANTHROPIC_API_KEY'],
    defaultModel: 'claude-sonnet-5-5', // 2026-11
    create: (options) => anthropic(defined(options)),
  },
  gemini: {
    keyNames: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    defaultModel: 'gemini-3.8-flash', // 2026-11
    embeddingModel: 'gemini-embedding-001', // 2025-07
    create: (options) => gemini(defined(options)),
    embedder: (options) => geminiEmbeddings(defined(options)),
  },
  vertex: {
    // An access token with a project, an API key without one (express mode).
    keyNames: ['VERTEX_ACCESS_TOKEN', 'VERTEX_API_KEY'],
    defaultModel: 'gemini-3.8-flash', // 2026-09
    embeddingModel: 'text-embedding-005', // 2024-11
    create: (options, read) => vertex(defined({ ...options, ...vertexPlace(read) })),
    embedder: (options, read) => vertexEmbeddings(defined({ ...options, ...vertexPlace(read) })),
  },
  bedrock: {
    keyNames: ['AWS_BEARER_TOKEN_BEDROCK'],
    defaultModel: 'global.openai.gpt-6-luna', // 2026-09
    embeddingModel: 'amazon.titan-embed-text-v2:0', // 2024-04
    create: (options, read) => bedrock(defined({ ...options, ...awsPlace(read) })),
    embedder: (options, read) => bedrockEmbeddings(defined({ ...options, ...awsPlace(read) })),
  },
  azure: {
    keyNames: ['AZURE_OPENAI_API_KEY', 'AZURE_API_KEY'],
    // Models are deployments here, named by whoever made them.
    create: (options, read) => azure(defined({ ...options, ...azureRoom(options, read) })),
    embedder: (options, read) => azureEmbeddings(defined({ ...options, ...azureRoom(options, read) })),
  },
  cohere: {
    keyNames: ['COHERE_API_KEY', 'CO_API_KEY'],
    defaultModel: 'command-a-plus-05-2026', // 2026-05
    embeddingModel: 'embed-v4.0', // 2025-04
    create: (options) => cohere(defined(options)),
    embedder: (options) => cohereEmbeddings(defined(options)),
  },
  watsonx: {
    keyNames: ['WATSONX_AI_APIKEY', 'WATSONX_API_KEY'],
    defaultModel: 'ibm/granite-4-h-small', // 2025-10
    create: (options, read) =>
      watsonx(
        defined({
          ...options,
          baseURL: options.baseURL ?? read('WATSONX_AI_URL', 'WATSONX_URL'),
          region: read('WATSONX_REGION'),
          projectId: read('WATSONX_AI_PROJECT_ID', 'WATSONX_PROJECT_ID'),
          spaceId: read('WATSONX_AI_SPACE_ID', 'WATSONX_SPACE_ID'),
        }),
      ),
  },
  mistral: {
    keyNames: MISTRAL_KEYS,
    defaultModel: MISTRAL_MODEL,
    embeddingModel: 'mistral-embed',
    create: mistral,
    embedder: (options) =>
      openaiEmbeddings({
        ...options,
        name: 'mistral',
        baseURL: options.baseURL ?? 'https://api.mistral.ai/v1',
        keyNames: MISTRAL_KEYS,
        maxTexts: 128,
        base64: false,
      }),
  },
  ollama: {
    keyNames: ['OLLAMA_API_KEY'],
    defaultModel: 'gpt-oss:20b', // 2025-08; the most pulled model that calls tools
    embeddingModel: 'nomic-embed-text',
    create: (options) => ollama(defined(options)),
    embedder: (options) => ollamaEmbeddings(defined(options)),
  },
}

/**
 * The order in which `auto` looks for keys: makers of models first, then hosts of other people's. Not among them:
 * github, whose variable is set in every CI job; the clouds (vertex, bedrock, azure, watsonx), which need a region or a
 * project beside the key; ollama and the other local servers, which need no key to be there.
 */
const ORDER: readonly string[] = /* @__PURE__ */ (
  'openai anthropic gemini xai mistral cohere deepseek moonshot zai alibaba minimax perplexity sarvam ' +
  'groq cerebras together fireworks nvidia openrouter huggingface'
).split(' ')

/** The bare ids that tell whose they are. Ids of open models that many hosts serve (gpt-oss, llama) are not here. */
const MODELS: readonly (readonly [RegExp, string])[] = [
  [/^(?:gpt-(?!oss)|o[1-9](?:-|$)|chatgpt-|ft:gpt-|codex-|text-embedding-(?:3|ada)|computer-use-)/, 'openai'],
  [/^claude-/, 'anthropic'],
  [/^(?:gemini-|gemini-embedding)/, 'gemini'],
  [/^grok-/, 'xai'],
  [/^(?:mistral|ministral|magistral|codestral|devstral|pixtral|voxtral|open-mi[sx]tral)-/, 'mistral'],
  [/^deepseek-(?:chat|reasoner|flash|v\d[^:]*)$/, 'deepseek'],
  [/^(?:kimi|moonshot)-/, 'moonshot'],
  [/^glm-\d[^:]*$/, 'zai'],
  [/^qwen(?:-|\d[\d.]*-)(?:max|plus|flash|turbo|long|coder-plus|coder-flash|vl-max|vl-plus)/, 'alibaba'],
  [/^MiniMax-/, 'minimax'],
  [/^sonar(?:-|$)/, 'perplexity'],
  [/^(?:command|c4ai|embed)-(?:a|r|r7b|aya|v\d)/, 'cohere'],
  [/^sarvam-/, 'sarvam'],
]

function row(name: string): Row | undefined {
  if (Object.hasOwn(OWN_FORMATS, name)) return OWN_FORMATS[name]
  if (!Object.hasOwn(VENDORS, name)) return undefined
  const { keyNames, defaultModel, embeddingModel, baseURL, keyOptional, headers } = VENDORS[name]!
  return {
    keyNames,
    ...(defaultModel === undefined ? {} : { defaultModel }),
    ...(embeddingModel === undefined ? {} : { embeddingModel }),
    create: (options) => vendor(name, options)!,
    embedder: (options) =>
      openaiEmbeddings({
        ...options,
        name,
        baseURL: options.baseURL ?? baseURL,
        headers: { ...headers, ...options.headers },
        keyNames,
        keyOptional: keyOptional ?? false,
        base64: false,
      }),
  }
}

/** Every name the registry knows, `auto` aside. */
export function providerNames(): string[] {
  return [...new Set([...Object.keys(OWN_FORMATS), ...Object.keys(VENDORS)])]
}

/** What may be told of a row: its name, where a key is looked for, and what is used when no model is named. */
export interface ProviderFacts {
  name: string
  keyNames: readonly string[]
  defaultModel?: string
  embeddingModel?: string
  /** The variable that holds a key now; undefined when none does. */
  keyFoundIn?: string
}

/** Every row, in the order in which `auto` looks for keys, then the rest. Reads variables, never shows them. */
export function describeProviders(env?: object): ProviderFacts[] {
  return [...new Set([...ORDER, ...providerNames()])].map((name) => {
    const { keyNames, defaultModel, embeddingModel } = row(name)!
    const keyFoundIn = keyNames.find((variable) => readVariable([variable], env) !== undefined)
    return {
      name,
      keyNames,
      ...(defaultModel === undefined ? {} : { defaultModel }),
      ...(embeddingModel === undefined ? {} : { embeddingModel }),
      ...(keyFoundIn === undefined ? {} : { keyFoundIn }),
    }
  })
}

/**
 * The codec and the model of a call.
 * @throws LlmError `config`: unknown provider, unknown model without a provider, no key anywhere (every variable is
 *   listed), no model and no default, or an `apiKey` or `baseURL` that nothing says whose it is.
 */
export function resolveProvider(choice: ProviderChoice): { provider: Provider; model: string } {
  const { provider: wanted, model } = choice
  if (typeof wanted === 'object') {
    return { provider: wanted, model: model ?? wanted.defaultModel ?? noModel(wanted.name) }
  }
  const { name, entry, model: id } = choose(choice, (candidate) => candidate.defaultModel)
  return { provider: entry.create(optionsFor(choice, entry), reader(choice)), model: id ?? noModel(name) }
}

/**
 * The embedding codec and model of a call, by the same rules.
 * @throws LlmError `config` as above, `unsupported` when the provider has no embeddings here.
 */
export function resolveEmbedding(
  choice: Omit<ProviderChoice, 'provider'> & { provider?: string | EmbeddingProvider | undefined },
): { provider: EmbeddingProvider; model: string } {
  const { provider: wanted } = choice
  if (typeof wanted === 'object') {
    return { provider: wanted, model: choice.model ?? wanted.defaultModel ?? noModel(wanted.name) }
  }
  const { name, entry, model } = choose(
    { ...choice, provider: wanted },
    (candidate) => candidate.embeddingModel,
  )
  if (entry.embedder === undefined) {
    throw new LlmError({
      kind: 'unsupported',
      provider: name,
      message: `${name} offers no embeddings through this library: choose another provider for embed().`,
    })
  }
  return {
    provider: entry.embedder(optionsFor(choice, entry), reader(choice)),
    model: model ?? noModel(name),
  }
}

function choose(
  choice: ProviderChoice,
  fallback: (entry: Row) => string | undefined,
): { name: string; entry: Row; model: string | undefined } {
  const { provider: wanted, model } = choice
  if (typeof wanted === 'string' && wanted !== 'auto') {
    const entry = row(wanted)
    if (entry === undefined)
      throw config(`There is no provider "${wanted}". Known: ${providerNames().join(', ')}.`)
    return { name: wanted, entry, model: model ?? fallback(entry) }
  }
  if (model !== undefined) {
    const slash = model.indexOf('/')
    const prefix = slash > 0 ? row(model.slice(0, slash)) : undefined
    if (prefix !== undefined && slash < model.length - 1) {
      return { name: model.slice(0, slash), entry: prefix, model: model.slice(slash + 1) }
    }
    const name = MODELS.find(([pattern]) => pattern.test(model))?.[1]
    if (name !== undefined) return { name, entry: row(name)!, model }
    throw config(
      `Nothing says which provider serves the model "${model.slice(0, 200)}": set provider, or write it as "groq/…", "openrouter/…".`,
    )
  }
  // A key or an address without an owner would be sent to whoever is first in the list.
  for (const field of ['apiKey', 'baseURL'] as const) {
    if (choice[field] !== undefined)
      throw config(`${field} was given, but nothing says for which provider: set provider.`)
  }
  for (const name of ORDER) {
    const entry = row(name)!
    if (readVariable(entry.keyNames, choice.env) !== undefined) return { name, entry, model: fallback(entry) }
  }
  const names = ORDER.flatMap((name) => row(name)!.keyNames)
  throw config(`No provider was named and no key was found: set provider, or one of ${names.join(', ')}.`)
}

function reader({ env }: { env?: object | undefined }): Read {
  return (...names) => readVariable(names, env)
}

function optionsFor(choice: Omit<ProviderChoice, 'provider'>, entry: Row): VendorOptions {
  const { apiKey, baseURL, headers } = choice
  const withheld = entry.keyStaysHome === true && baseURL !== undefined
  return {
    apiKey: apiKey ?? (withheld ? undefined : readVariable(entry.keyNames, choice.env)),
    baseURL,
    headers,
  }
}

/** Where a Google Cloud project stands; the names are those of Google's own clients, then of others. */
function vertexPlace(read: Read): { project: string | undefined; location: string | undefined } {
  return {
    project: read('GOOGLE_CLOUD_PROJECT', 'GOOGLE_VERTEX_PROJECT'),
    location: read('GOOGLE_CLOUD_LOCATION', 'GOOGLE_VERTEX_LOCATION'),
  }
}

/** Region and key pair, under the names of AWS's own clients; a bearer token wins over the pair. */
function awsPlace(read: Read): { region: string | undefined; credentials: AwsCredentials | undefined } {
  const accessKeyId = read('AWS_ACCESS_KEY_ID')
  const secretAccessKey = read('AWS_SECRET_ACCESS_KEY')
  const sessionToken = read('AWS_SESSION_TOKEN')
  return {
    region: read('AWS_REGION', 'AWS_DEFAULT_REGION'),
    credentials:
      accessKeyId === undefined || secretAccessKey === undefined
        ? undefined
        : { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
  }
}

/** A resource by name, or by its endpoint in full. */
function azureRoom(
  options: VendorOptions,
  read: Read,
): { baseURL: string | undefined; resource: string | undefined } {
  const baseURL = options.baseURL ?? read('AZURE_OPENAI_ENDPOINT')
  return {
    baseURL,
    resource: baseURL === undefined ? read('AZURE_RESOURCE_NAME', 'AZURE_OPENAI_RESOURCE') : undefined,
  }
}

function noModel(name: string): never {
  throw config(`${name} has no default model here: set model to one that its server lists.`)
}

function config(message: string): LlmError {
  return new LlmError({ kind: 'config', message })
}
