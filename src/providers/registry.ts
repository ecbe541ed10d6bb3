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
import { anthropic } from './anthropic.ts'
import { vendor, VENDORS, type VendorOptions } from './compatible.ts'
import { gemini } from './gemini.ts'
import { mistral, MISTRAL_KEYS, MISTRAL_MODEL } from './mistral.ts'
import { ollama } from './ollama.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiEmbeddings } from './openai-embeddings.ts'
import { openai } from './openai.ts'

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

/** One provider as the registry knows it. */
interface Row {
  /** Environment variables that may hold the key, the first one preferred. */
  keyNames: readonly string[]
  /** Absent where only the server knows what it serves. */
  defaultModel?: string
  embeddingModel?: string
  /** True where a `baseURL` means somebody else's server, which has no business with this row's key. */
  keyStaysHome?: true
  create(options: VendorOptions): Provider
  embedder?(options: VendorOptions): EmbeddingProvider
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
    create: (options) => gemini(defined(options)),
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
    embedder: (options) =>
      openaiEmbeddings({
        ...options,
        name: 'ollama',
        baseURL: `${(options.baseURL ?? 'http://localhost:11434').replace(/\/+$/, '')}/v1`,
        keyNames: ['OLLAMA_API_KEY'],
        keyOptional: true,
      }),
  },
}

/**
 * The order in which `auto` looks for keys: makers of models first, then hosts of other people's. Not among them:
 * github, whose variable is set in every CI job, and ollama and the other local servers, which need no key to be there.
 */
const ORDER: readonly string[] = (
  'openai anthropic gemini xai mistral deepseek moonshot zai alibaba minimax perplexity sarvam ' +
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
    const keyFoundIn = keyNames.find((variable) => readVariable(variable, env) !== undefined)
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
  return { provider: entry.create(optionsFor(choice, entry)), model: id ?? noModel(name) }
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
  return { provider: entry.embedder(optionsFor(choice, entry)), model: model ?? noModel(name) }
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
    if (keyOf(entry, choice.env) !== undefined) return { name, entry, model: fallback(entry) }
  }
  const names = ORDER.flatMap((name) => row(name)!.keyNames)
  throw config(`No provider was named and no key was found: set provider, or one of ${names.join(', ')}.`)
}

function optionsFor(choice: Omit<ProviderChoice, 'provider'>, entry: Row): VendorOptions {
  const { apiKey, baseURL, headers } = choice
  const withheld = entry.keyStaysHome === true && baseURL !== undefined
  return { apiKey: apiKey ?? (withheld ? undefined : keyOf(entry, choice.env)), baseURL, headers }
}

function keyOf(entry: Row, env: object | undefined): string | undefined {
  for (const name of entry.keyNames) {
    const value = readVariable(name, env)
    if (value !== undefined) return value
  }
  return undefined
}

/**
 * A variable from `env`, from `process.env`, from Deno's. Deno asks its user before it reads one, so there the
 * permission is looked up first and a missing one means "not set"; its `process.env` would ask too.
 */
function readVariable(name: string, env: object | undefined): string | undefined {
  const { Deno, process } = globalThis as unknown as {
    Deno?: {
      permissions?: { querySync?(what: { name: 'env'; variable: string }): { state: string } }
      env: { get(name: string): string | undefined }
    }
    process?: { env?: Record<string, string | undefined> }
  }
  const given = env === undefined ? undefined : (env as Record<string, unknown>)[name]
  if (typeof given === 'string' && given.trim() !== '') return given
  let value: unknown
  if (Deno !== undefined) {
    const state = Deno.permissions?.querySync?.({ name: 'env', variable: name }).state
    value = state === 'granted' ? Deno.env.get(name) : undefined
  } else value = process?.env?.[name]
  return typeof value === 'string' && value.trim() !== '' ? value : undefined
}

/** Without the undefined ones, which factories under exactOptionalPropertyTypes do not take. */
function defined(options: VendorOptions): { [K in keyof VendorOptions]?: NonNullable<VendorOptions[K]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function noModel(name: string): never {
  throw config(`${name} has no default model here: set model to one that its server lists.`)
}

function config(message: string): LlmError {
  return new LlmError({ kind: 'config', message })
}
