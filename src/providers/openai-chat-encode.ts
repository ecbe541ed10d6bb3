/**
 * Our Request as the JSON body of `POST /chat/completions`, in the dialect of one server.
 *
 * In:  Request, Dialect. Out: the body, warnings for what could not be sent as asked, and the names tools go by.
 * Wrong input fails here, before any byte is sent: tools whose schema is not an object, names that meet.
 * Not here: the turns (openai-chat-messages.ts); URL, headers and keys (openai-chat.ts).
 * Spec: https://platform.openai.com/docs/api-reference/chat/create, read 2026-11.
 */

import type { JsonSchema, Request, ToolDefinition, Warning } from '../types.ts'
import type { Dialect, Effort } from './openai-chat-dialect.ts'
import { type Body, type Context, encodeMessages } from './openai-chat-messages.ts'
import { converted, unsupported } from './notes.ts'
import { convertSchema } from './schema-dialects.ts'
import { toolNames, wireTools } from './tool-names.ts'

/** OpenAI takes names of `[a-zA-Z0-9_-]{1,64}`, and so does everyone who copied its schema. */
export const MAX_TOOL_NAME = 64

/**
 * The body of the request.
 * @throws LlmError `invalid-request` or `config` when it cannot be one.
 */
export function encodeChat(
  request: Request,
  provider: string,
  dialect: Dialect,
): { body: Body; warnings: Warning[] } {
  const warnings: Warning[] = []
  const names = toolNames(request, provider, MAX_TOOL_NAME)
  const context: Context = { provider, dialect, request, warnings, names }
  const tools = encodeTools(context)
  const body: Body = {
    model: request.model,
    messages: encodeMessages(context),
    stream: request.stream ? true : undefined,
    stream_options:
      request.stream && request.streamOptions !== false && dialect.streamOptions !== false
        ? { include_usage: true }
        : undefined,
    ...encodeSampling(context),
    ...(tools === undefined ? {} : { tools, ...encodeToolChoice(context), ...dialect.bodyWithTools }),
    ...encodeReasoning(context),
    ...encodeSchema(context),
    ...encodePromptCache(context),
    ...bodyFor(dialect, request.model),
  }
  if (tools === undefined && request.toolChoice !== undefined && request.toolChoice !== 'auto') {
    const message = 'toolChoice was not sent: the request has no tools.'
    warnings.push({ code: 'dropped', field: 'toolChoice', message })
  }
  return { body, warnings }
}

function bodyFor(dialect: Dialect, model: string): Body {
  const rows = (dialect.body ?? []).filter(({ models }) => models === undefined || models.test(model))
  return Object.assign({}, ...rows.map(({ fields }) => fields)) as Body
}

// ---------------------------------------------------------------------------------------------- options

/** Our names of the options that are one field each, and theirs. */
const FIELDS = [
  ['temperature', 'temperature'],
  ['topP', 'top_p'],
  ['stop', 'stop'],
  ['seed', 'seed'],
  ['presencePenalty', 'presence_penalty'],
  ['frequencyPenalty', 'frequency_penalty'],
] as const

function encodeSampling(context: Context): Body {
  const { request, dialect } = context
  const limit = dialect.maxCompletionTokens?.test(request.model)
    ? 'max_completion_tokens'
    : dialect.maxTokensField
  const body: Body = { [limit ?? 'max_tokens']: request.maxTokens }
  for (const [ours, theirs] of FIELDS) {
    const value = request[ours]
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue
    if (rejects(context, ours)) continue
    body[ours === 'seed' ? (dialect.rename?.seed ?? theirs) : theirs] = value
  }
  if (request.topK !== undefined) {
    if (dialect.topK === true) body[dialect.rename?.topK ?? 'top_k'] = request.topK
    else unsupported(context, 'topK')
  }
  const { logprobs } = request
  if (logprobs !== undefined && logprobs !== false && !rejects(context, 'logprobs')) {
    const alternatives = typeof logprobs === 'number' ? logprobs : undefined
    if (dialect.logprobsCount === true) body['logprobs'] = alternatives ?? 1
    else Object.assign(body, { logprobs: true, top_logprobs: alternatives })
  }
  return body
}

/** True, with a warning, when the dialect says the model rejects the option. */
function rejects(context: Context, field: string): boolean {
  const { dialect, request } = context
  const asksToThink = request.reasoning !== undefined && request.reasoning !== 'off'
  const row = dialect.unsupported?.find(
    ({ fields, models, when }) =>
      (fields as readonly string[]).includes(field) &&
      (models === undefined || models.test(request.model)) &&
      (when === undefined || asksToThink),
  )
  if (row !== undefined) unsupported(context, field, row.detail)
  return row !== undefined
}

/** Our words for effort from least to most; nearness is counted along it. */
const EFFORTS: readonly Effort[] = ['off', 'minimal', 'low', 'medium', 'high', 'max']

const OPENAI_WORDS = 'off=none minimal low medium high max=xhigh'

/** Tokens at which a budget stops being "minimal", "low", "medium": the words pi-ai and LiteLLM use it for, 2026-11. */
const BUDGET_STEPS: readonly (readonly [number, Effort])[] = [
  [0, 'off'],
  [1024, 'minimal'],
  [4096, 'low'],
  [16384, 'medium'],
]

function encodeReasoning(context: Context): Body {
  const { request, dialect, provider } = context
  const { reasoning } = request
  if (reasoning === undefined) return {}
  const style = dialect.reasoning ?? 'effort'
  if (style === 'none') {
    unsupported(context, 'reasoning')
    return {}
  }
  if (rejects(context, 'reasoning')) return {}
  const budget = typeof reasoning === 'object' ? reasoning.budgetTokens : undefined
  const wanted =
    typeof reasoning === 'object'
      ? (BUDGET_STEPS.find(([tokens]) => reasoning.budgetTokens <= tokens)?.[1] ?? 'high')
      : reasoning
  const on = wanted !== 'off'
  const { budgetField } = dialect
  const cap = on && budget !== undefined && budgetField !== undefined ? { [budgetField]: budget } : undefined
  if (style === 'enable') return { enable_thinking: on, ...cap }
  if (style === 'template' && (budget === undefined || cap !== undefined)) {
    return { ...templateSwitch(on), ...cap }
  }
  if (style === 'object' && budget !== undefined && on) return { reasoning: { max_tokens: budget } }
  // Below here a budget becomes a word, or nothing.
  if (budget !== undefined) {
    converted(
      context,
      'reasoning',
      `${provider} takes no number of thinking tokens; ${budget} became "${wanted}".`,
    )
  }
  if (style === 'template') return templateSwitch(on)
  const effort = effortWord(context, wanted)
  if (style === 'object') return { reasoning: { effort: effort ?? 'none' } }
  if (style === 'toggle') return { reasoning: { enabled: on }, reasoning_effort: on ? effort : undefined }
  if (style === 'thinking') {
    return { thinking: { type: on ? 'enabled' : 'disabled' }, reasoning_effort: on ? effort : undefined }
  }
  return { reasoning_effort: effort }
}

/** Templates disagree on the name of the switch (Qwen, GLM and Nemotron against DeepSeek) and ignore the other one. */
function templateSwitch(on: boolean): Body {
  return { chat_template_kwargs: { enable_thinking: on, thinking: on } }
}

/** The server's word for an effort, or for the nearest one it knows. Undefined when it has no words at all. */
function effortWord(context: Context, wanted: Effort): string | undefined {
  const { dialect, request, provider } = context
  const row = (dialect.efforts ?? [{ words: OPENAI_WORDS }]).find(
    ({ models }: { models?: RegExp }) => models === undefined || models.test(request.model),
  )
  const words = new Map<string, string>()
  for (const pair of (row?.words ?? '').split(' ')) {
    const [ours, theirs = ours] = pair.split('=')
    if (ours !== undefined && ours !== '') words.set(ours, theirs!)
  }
  const exact = words.get(wanted)
  if (exact !== undefined || words.size === 0) return exact
  const at = EFFORTS.indexOf(wanted)
  // Upwards on a tie: thinking more than asked is the smaller surprise.
  const [nearest] = EFFORTS.filter((effort) => words.has(effort)).sort(
    (a, b) =>
      Math.abs(EFFORTS.indexOf(a) - at) - Math.abs(EFFORTS.indexOf(b) - at) ||
      EFFORTS.indexOf(b) - EFFORTS.indexOf(a),
  )
  converted(
    context,
    'reasoning',
    `${provider} has no reasoning effort "${wanted}" for ${request.model}; "${nearest}" was sent.`,
  )
  return words.get(nearest!)
}

function encodePromptCache(context: Context): Body {
  const { request, dialect } = context
  const cache = request.promptCache
  if (typeof cache !== 'object' || dialect.promptCache === 'marks') return {}
  const body: Body = {}
  if (cache.key !== undefined) {
    if (dialect.promptCache === 'key') body['prompt_cache_key'] = cache.key
    else unsupported(context, 'promptCache.key')
  }
  if (cache.ttl !== undefined) {
    // OpenAI knows minutes (its default) and 24 hours.
    if (dialect.cacheRetention === true)
      body['prompt_cache_retention'] = cache.ttl === '1h' ? '24h' : 'in_memory'
    else unsupported(context, 'promptCache.ttl')
  }
  return body
}

// -------------------------------------------------------------------------------- tools and answer schema

function encodeSchema(context: Context): Body {
  const { request, dialect, provider, warnings } = context
  if (request.schema === undefined) return {}
  const how = dialect.schema ?? 'schema'
  if (how === 'none') {
    unsupported(context, 'schema', 'ask for JSON in the prompt')
    return {}
  }
  if (how === 'object') {
    const instead = 'JSON was asked for and the schema was put into the system prompt'
    converted(context, 'schema', `${provider} takes no schema; ${instead}.`)
    return { response_format: { type: 'json_object' } }
  }
  const isStrict = how === 'strict'
  const {
    schema,
    strict,
    warnings: notes,
  } = convertSchema(request.schema, isStrict ? 'openai-strict' : 'none')
  warnings.push(...notes)
  // Compatible servers constrain decoding to any schema without a flag; OpenAI only when it is strict.
  const json_schema = { name: 'answer', schema, strict: isStrict ? strict : undefined }
  return { response_format: { type: 'json_schema', json_schema } }
}

function encodeTools(context: Context): unknown[] | undefined {
  const { request, dialect, names } = context
  const write = (
    { name, description, strict: asked }: ToolDefinition,
    schema: JsonSchema,
    strict?: boolean,
  ) => {
    if (asked === true && strict === undefined) unsupported(context, 'strict')
    // OpenAI: "object schema missing properties" (400), even when there are none.
    const parameters = Object.hasOwn(schema, 'properties') ? schema : { ...schema, properties: {} }
    return { type: 'function', function: { name: names.toWire(name), description, parameters, strict } }
  }
  const tools = wireTools(
    request,
    context,
    write,
    dialect.strictTools === true ? (schema) => convertSchema(schema, 'openai-strict') : undefined,
  )
  return tools.length === 0 ? undefined : tools
}

function encodeToolChoice(context: Context): Body {
  const { request, dialect, names } = context
  const { toolChoice, parallelToolCalls } = request
  const body: Body = {}
  // A server without tool_choice decides by itself, which is what 'auto' asks for.
  if (toolChoice !== undefined && toolChoice !== 'auto' && !rejects(context, 'toolChoice')) {
    body['tool_choice'] =
      typeof toolChoice === 'object'
        ? { type: 'function', function: { name: names.toWire(toolChoice.tool) } }
        : toolChoice === 'required'
          ? (dialect.toolChoiceRequired ?? 'required')
          : toolChoice
  }
  if (parallelToolCalls !== undefined && !rejects(context, 'parallelToolCalls')) {
    body['parallel_tool_calls'] = parallelToolCalls
  }
  return body
}
