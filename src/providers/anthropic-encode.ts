/**
 * Our request as the body of Anthropic's Messages API.
 *
 * In:  a Request. Out: the body as an object, without `stream`, and the warnings about what could not be honoured.
 * Used by the Messages API itself and by the clouds that host it (Vertex AI, Bedrock InvokeModel), which differ in
 * the envelope only. Spec: https://platform.claude.com/docs/en/api/messages.
 * Not here: URLs, headers, keys, reading answers (anthropic.ts).
 */

import { LlmError } from '../errors.ts'
import type {
  FilePart,
  ImagePart,
  Json,
  JsonSchema,
  Message,
  Part,
  Reasoning,
  Request,
  ToolDefinition,
  Warning,
} from '../types.ts'
import {
  asRecord,
  base64Of,
  dropped,
  invalidArgsObject,
  isForeign,
  mergeTurns,
  own,
  partsOf,
  splitSystem,
  textOf,
  unsupported,
} from './body.ts'

/** The name in `origin.provider` of everything Anthropic models produce, on whichever cloud: signatures are portable. */
export const ANTHROPIC = 'anthropic'

/** The tool that carries a structured answer for models without native structured output. */
export const ANSWER_TOOL = 'json_answer'

/** What may be asked of a family of models. */
export interface ModelTraits {
  /** Most output tokens one answer may have; undefined when unknown. */
  maxTokens: number | undefined
  /** How thinking is asked for. `adaptive-only` models answer 400 to a budget and to sampling parameters. */
  thinking: 'none' | 'budget' | 'adaptive' | 'adaptive-only'
  /** Whether thinking can be turned off, and whether it is off unless asked for. */
  off: 'default' | 'explicit' | 'never'
  /** Native structured output (`output_config.format`). */
  schema: boolean
}

/**
 * By model id, first match wins; the id may stand inside a cloud's own id (`us.anthropic.claude-…-v1:0`).
 * Source: platform.claude.com/docs model overview and thinking pages, models.dev 2026-09-28, pi-ai 1.5.2 of 2026-11-10;
 * where they differ (sonnet-4-6: 64,000 or 128,000) the smaller figure, because asking for more than the maximum is a 400.
 */
const TRAITS: readonly [RegExp, ModelTraits][] = [
  [/claude-(?:instant|v?2)/, { maxTokens: 4096, thinking: 'none', off: 'default', schema: false }],
  [/claude-3-(?:haiku|sonnet|opus)/, { maxTokens: 4096, thinking: 'none', off: 'default', schema: false }],
  [/claude-3-5/, { maxTokens: 8192, thinking: 'none', off: 'default', schema: false }],
  [/claude-3-7/, { maxTokens: 64_000, thinking: 'budget', off: 'default', schema: false }],
  [/opus-4-1/, { maxTokens: 32_000, thinking: 'budget', off: 'default', schema: true }],
  [/(?:haiku|sonnet|opus)-4-5/, { maxTokens: 64_000, thinking: 'budget', off: 'default', schema: true }],
  [/sonnet-4-6/, { maxTokens: 64_000, thinking: 'adaptive', off: 'default', schema: true }],
  [/opus-4-6/, { maxTokens: 128_000, thinking: 'adaptive', off: 'default', schema: true }],
  [/claude-\w+-4-[7-9]/, { maxTokens: 128_000, thinking: 'adaptive-only', off: 'default', schema: true }],
  [/opus-4|claude-4-opus/, { maxTokens: 32_000, thinking: 'budget', off: 'default', schema: false }],
  [/sonnet-4|claude-4-sonnet/, { maxTokens: 64_000, thinking: 'budget', off: 'default', schema: false }],
  // "off": null in pi-ai's thinking levels: these think whatever they are told.
  [
    /claude-(?:fable|mythos)|(?:opus|sonnet)-5-5/,
    { maxTokens: 128_000, thinking: 'adaptive-only', off: 'never', schema: true },
  ],
  [/claude-\w+-[5-9]/, { maxTokens: 128_000, thinking: 'adaptive-only', off: 'explicit', schema: true }],
  [/claude/, { maxTokens: undefined, thinking: 'adaptive-only', off: 'explicit', schema: true }],
]

/** Anthropic-compatible servers of other vendors (DeepSeek, Moonshot, Z.ai): the oldest dialect is the common one. */
const OTHER: ModelTraits = { maxTokens: undefined, thinking: 'budget', off: 'explicit', schema: false }

/** For models the table does not know. Required by the API, so something must be sent. */
const UNKNOWN_MAX_TOKENS = 8192

/** Smallest `budget_tokens` the API accepts. */
const MIN_BUDGET = 1024

type Word = Exclude<Reasoning, 'off' | { budgetTokens: number }>

/** Thinking tokens for models that want a number. */
const BUDGETS: Record<Word, number> = { minimal: 1024, low: 2048, medium: 8192, high: 16_384, max: 32_000 }
/** Effort for models that decide for themselves. They know `xhigh` too, which has no word here. */
const EFFORTS: Record<Word, string> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  max: 'max',
}

/** What the table knows about a model id. */
export function traitsOf(model: string): ModelTraits {
  return TRAITS.find(([pattern]) => pattern.test(model))?.[1] ?? OTHER
}

/** True when the answer's shape is asked for through a forced tool call, whose arguments are then the text. */
export function answersByTool(request: Request): boolean {
  return request.schema !== undefined && !traitsOf(request.model).schema
}

/** Where the Messages API stands. */
export interface MessagesDialect {
  /** For messages of errors and warnings. */
  provider: string
  /** No top-level `cache_control`: mark the last system block and the last message block instead. */
  explicitCache?: boolean
}

/** Body and beta flags of one request. */
export interface EncodedMessages {
  body: Record<string, unknown>
  /** Values for `anthropic-beta`. */
  betas: string[]
  warnings: Warning[]
}

/**
 * Writes the body. `stream` is left to the caller; `model` is included.
 * @throws LlmError `config` for tools that cannot be sent, `invalid-request` for media that cannot.
 */
export function encodeMessages(request: Request, dialect: MessagesDialect): EncodedMessages {
  const { provider } = dialect
  const warnings: Warning[] = []
  const betas = new Set<string>()
  const traits = traitsOf(request.model)
  const split = splitSystem(request)
  const names = toolNames(request, provider, 128)
  const messages = encodeTurns(split.messages, {
    provider,
    warnings,
    betas,
    names: names.toWire,
    id: idMap(),
  })
  const body: Record<string, unknown> = { model: request.model, messages, system: split.system }

  const thinking = encodeThinking(request, traits, provider, warnings)
  if (thinking.block !== undefined) body['thinking'] = thinking.block
  if (thinking.effort !== undefined) body['output_config'] = { effort: thinking.effort }
  body['max_tokens'] = thinking.maxTokens

  encodeSampling(request, traits, thinking.block !== undefined, provider, body, warnings)
  encodeTools(request, names, thinking.block !== undefined, provider, body, warnings)
  if (request.schema !== undefined && traits.schema) {
    const { schema } = request
    body['output_config'] = {
      ...(body['output_config'] as object | undefined),
      format: { type: 'json_schema', schema },
    }
  }
  encodeCache(request, dialect, body, warnings)
  for (const field of ['seed', 'presencePenalty', 'frequencyPenalty', 'logprobs'] as const) {
    if (request[field] !== undefined && request[field] !== false) warnings.push(unsupported(field, provider))
  }
  return { body, betas: [...betas], warnings }
}

// ------------------------------------------------------------------------------------ thinking and limits

interface Thinking {
  block: Record<string, unknown> | undefined
  effort: string | undefined
  maxTokens: number
}

function encodeThinking(
  request: Request,
  traits: ModelTraits,
  provider: string,
  warnings: Warning[],
): Thinking {
  const { reasoning, maxTokens } = request
  const most = traits.maxTokens ?? UNKNOWN_MAX_TOKENS
  const without: Thinking = { block: undefined, effort: undefined, maxTokens: maxTokens ?? most }
  if (reasoning === undefined) return without
  if (reasoning === 'off') {
    if (traits.off === 'explicit') return { ...without, block: { type: 'disabled' } }
    if (traits.off === 'never') {
      warnings.push(unsupported('reasoning', provider, `${request.model} always thinks`))
    }
    return without
  }
  if (traits.thinking === 'none') {
    warnings.push(unsupported('reasoning', provider, `${request.model} does not think`))
    return without
  }
  if (traits.thinking === 'budget' || (traits.thinking === 'adaptive' && typeof reasoning === 'object')) {
    return encodeBudget(reasoning, maxTokens, most, provider, warnings)
  }
  if (typeof reasoning === 'object') {
    warnings.push({
      code: 'converted',
      field: 'reasoning',
      message: `${request.model} takes no token budget; an effort was sent instead.`,
    })
  }
  return {
    // From Opus 4.7 on the text of the thinking is left out unless asked for, and asking to reason asks to see it.
    block: {
      type: 'adaptive',
      ...(traits.thinking === 'adaptive-only' ? { display: 'summarized' } : {}),
    },
    effort: typeof reasoning === 'object' ? effortFor(reasoning.budgetTokens) : EFFORTS[reasoning],
    maxTokens: maxTokens ?? most,
  }
}

function encodeBudget(
  reasoning: Exclude<Reasoning, 'off'>,
  maxTokens: number | undefined,
  most: number,
  provider: string,
  warnings: Warning[],
): Thinking {
  const asked = typeof reasoning === 'object' ? reasoning.budgetTokens : BUDGETS[reasoning]
  let budget = Math.max(MIN_BUDGET, Math.trunc(asked))
  // The budget is part of max_tokens and must be smaller, or the API answers 400.
  if (maxTokens !== undefined && maxTokens <= MIN_BUDGET) {
    warnings.push(
      unsupported('reasoning', provider, `thinking needs a maxTokens above ${MIN_BUDGET}, not ${maxTokens}`),
    )
    return { block: undefined, effort: undefined, maxTokens }
  }
  if (maxTokens !== undefined && budget >= maxTokens) budget = maxTokens - 1
  if (typeof reasoning === 'object' && budget !== asked) {
    warnings.push({
      code: 'converted',
      field: 'reasoning',
      message: `A thinking budget of ${asked} tokens became ${budget}: it must be at least ${MIN_BUDGET} and below maxTokens.`,
    })
  }
  return {
    block: { type: 'enabled', budget_tokens: budget },
    effort: undefined,
    maxTokens: maxTokens ?? Math.max(most, budget + UNKNOWN_MAX_TOKENS),
  }
}

function effortFor(budgetTokens: number): string {
  const word = (['low', 'medium', 'high'] as const).find((name) => budgetTokens <= BUDGETS[name])
  return word ?? 'max'
}

function encodeSampling(
  request: Request,
  traits: ModelTraits,
  thinks: boolean,
  provider: string,
  body: Record<string, unknown>,
  warnings: Warning[],
): void {
  const fields = [
    ['temperature', 'temperature'],
    ['topP', 'top_p'],
    ['topK', 'top_k'],
  ] as const
  for (const [field, wire] of fields) {
    const value = request[field]
    if (value === undefined) continue
    const isDefault = field === 'temperature' && value === 1
    if (traits.thinking === 'adaptive-only' && !isDefault) {
      // Opus 4.7 and later: 400 "`temperature` is deprecated for this model".
      warnings.push(unsupported(field, provider, `${request.model} rejects sampling parameters`))
    } else if (thinks && !isDefault && !(field === 'topP' && value >= 0.95)) {
      warnings.push(unsupported(field, provider, 'it cannot be combined with thinking'))
    } else if (field === 'temperature' && value > 1) {
      warnings.push({ code: 'converted', field, message: `A temperature of ${value} became 1, the maximum.` })
      body[wire] = 1
    } else if (field === 'topP' && body['temperature'] !== undefined && traits.schema) {
      // Since Opus 4.1: 400 "`temperature` and `top_p` cannot both be specified for this model".
      warnings.push(unsupported(field, provider, `${request.model} takes temperature or topP, not both`))
    } else body[wire] = value
  }
  const stop = request.stop?.filter((sequence) => sequence.trim() !== '') ?? []
  if (stop.length < (request.stop?.length ?? 0)) {
    warnings.push(unsupported('stop', provider, 'a stop sequence must hold more than white space'))
  }
  if (stop.length > 0) body['stop_sequences'] = stop
}

// -------------------------------------------------------------------------------------------------- tools

/** Tool names as the wire takes them, and back. */
export interface ToolNames {
  toWire: (name: string) => string
  toCaller: (wireName: string) => string
}

/**
 * Names outside `[a-zA-Z0-9_-]{1,max}` are rewritten.
 * @throws LlmError `config` when two tools would share a name.
 */
export function toolNames(request: Request, provider: string, max: number): ToolNames {
  const toWire = (name: string) => name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, max) || '_'
  const callers = new Map<string, string>()
  for (const tool of request.tools ?? []) {
    if (!isDefinition(tool)) continue
    const wire = toWire(tool.name)
    if (callers.has(wire)) {
      throw new LlmError({
        kind: 'config',
        provider,
        message: `Two tools are called ${wire} on the wire to ${provider}: rename one of ${callers.get(wire)} and ${tool.name}.`,
      })
    }
    callers.set(wire, tool.name)
  }
  return { toWire, toCaller: (wireName) => callers.get(wireName) ?? wireName }
}

/** Tool-call ids as the wire takes them: `[a-zA-Z0-9_-]`, at most `max` long, still told apart. */
export function idMap(max = 128): (id: string) => string {
  const known = new Map<string, string>()
  const taken = new Set<string>()
  return (id) => {
    let wire = known.get(id)
    if (wire !== undefined) return wire
    const plain = id.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, max) || 'call'
    wire = plain
    for (let n = 2; taken.has(wire); n++) wire = `${plain.slice(0, max - String(n).length - 1)}_${n}`
    taken.add(wire)
    known.set(id, wire)
    return wire
  }
}

/** A function of the caller's, as opposed to a tool of a provider's. */
export function isDefinition(tool: NonNullable<Request['tools']>[number]): tool is ToolDefinition {
  return !('type' in tool && tool.type === 'provider')
}

/**
 * The schema of a tool's arguments, which must describe an object.
 * @throws LlmError `config` when it describes anything else.
 */
export function objectSchema(tool: ToolDefinition, provider: string): JsonSchema {
  const schema = asRecord(tool.inputSchema)
  const type = own(schema, 'type')
  if (schema !== undefined && (type === undefined || type === 'object')) {
    return type === undefined ? { type: 'object', ...schema } : schema
  }
  throw new LlmError({
    kind: 'config',
    provider,
    message: `The inputSchema of tool ${tool.name} must describe an object: give it "type": "object".`,
  })
}

function encodeTools(
  request: Request,
  names: ToolNames,
  thinks: boolean,
  provider: string,
  body: Record<string, unknown>,
  warnings: Warning[],
): void {
  const tools: unknown[] = []
  for (const tool of request.tools ?? []) {
    if (isDefinition(tool)) {
      const schema = objectSchema(tool, provider)
      const strict = tool.strict === true ? { schema } : undefined
      tools.push({
        name: names.toWire(tool.name),
        description: tool.description,
        input_schema: strict?.schema ?? schema,
        strict: strict === undefined ? undefined : true,
      })
    } else if (tool.provider === ANTHROPIC) tools.push(tool.value)
    else
      warnings.push(dropped('tools', `A tool of ${tool.provider} was left out: ${provider} cannot run it.`))
  }
  const { toolChoice, parallelToolCalls } = request
  const choice: Record<string, unknown> = {}
  if (answersByTool(request)) {
    const alone = tools.length === 0
    tools.push({
      name: ANSWER_TOOL,
      description: 'Give the final answer in this shape.',
      input_schema: objectSchema({ name: ANSWER_TOOL, inputSchema: request.schema ?? {} }, provider),
    })
    // Thinking and a forced tool exclude each other: 400 "Thinking may not be enabled when tool_choice forces tool use".
    if (thinks) choice['type'] = 'auto'
    else if (alone) Object.assign(choice, { type: 'tool', name: ANSWER_TOOL })
    else choice['type'] = 'any'
  } else if (tools.length > 0) {
    if (typeof toolChoice === 'object') {
      Object.assign(choice, { type: 'tool', name: names.toWire(toolChoice.tool) })
    } else if (toolChoice !== undefined) choice['type'] = toolChoice === 'required' ? 'any' : toolChoice
    if (thinks && (choice['type'] === 'any' || choice['type'] === 'tool')) {
      warnings.push(unsupported('toolChoice', provider, 'a tool cannot be forced while thinking'))
      choice['type'] = 'auto'
      delete choice['name']
    }
  } else if (toolChoice === 'required' || typeof toolChoice === 'object') {
    warnings.push(unsupported('toolChoice', provider, 'there are no tools'))
  }
  if (tools.length === 0) return
  if (parallelToolCalls === false && choice['type'] !== 'none') {
    choice['type'] ??= 'auto'
    choice['disable_parallel_tool_use'] = true
  }
  body['tools'] = tools
  if (choice['type'] !== undefined) body['tool_choice'] = choice
}

function encodeCache(
  request: Request,
  dialect: MessagesDialect,
  body: Record<string, unknown>,
  warnings: Warning[],
): void {
  const { promptCache } = request
  if (promptCache === undefined || promptCache === false) return
  const { key, ttl } = promptCache === true ? {} : promptCache
  if (key !== undefined) warnings.push(unsupported('promptCache.key', dialect.provider))
  const mark = { type: 'ephemeral', ttl }
  if (dialect.explicitCache !== true) {
    body['cache_control'] = mark
    return
  }
  if (typeof body['system'] === 'string') {
    body['system'] = [{ type: 'text', text: body['system'], cache_control: mark }]
  }
  const last = (body['messages'] as { content: Record<string, unknown>[] }[]).at(-1)?.content.at(-1)
  // Thinking blocks take no mark.
  if (last !== undefined && !String(last['type']).endsWith('thinking')) last['cache_control'] = mark
}

// ----------------------------------------------------------------------------------------------- messages

interface Context {
  provider: string
  warnings: Warning[]
  betas: Set<string>
  names: (name: string) => string
  id: (id: string) => string
}

type Block = Record<string, unknown>

function encodeTurns(messages: readonly Message[], context: Context): { role: string; content: Block[] }[] {
  const turns: { role: string; content: Block[] }[] = []
  const merged = mergeTurns(messages.map((message) => asTurn(message, context)))
  for (const { role, content } of merged) {
    const blocks = partsOf(content)
      .map((part) => encodePart(part, context))
      .filter((block) => block !== undefined)
    // Results must open the turn that follows the calls: 400 "tool_result blocks must come first".
    const isResult = (block: Block) => block['type'] === 'tool_result'
    const ordered = [...blocks.filter(isResult), ...blocks.filter((block) => !isResult(block))]
    if (ordered.length > 0) turns.push({ role, content: ordered })
  }
  const last = turns.at(-1)
  const text = last?.role === 'assistant' ? last.content.at(-1) : undefined
  if (text?.['type'] === 'text') {
    // 400 "final assistant content cannot end with trailing whitespace".
    text['text'] = (text['text'] as string).trimEnd()
  }
  return turns
}

function asTurn(message: Message, { warnings, provider }: Context): Message {
  if (message.role === 'tool') return { role: 'user', content: message.content }
  if (message.role !== 'system') return message
  warnings.push({
    code: 'converted',
    field: 'messages',
    message: `A system message in the middle of the conversation became a user message: ${provider} takes them at the start only.`,
  })
  return { role: 'user', content: textOf(message.content) }
}

function encodePart(part: Part, context: Context): Block | undefined {
  const { warnings, provider, names, id } = context
  switch (part.type) {
    case 'text': {
      // 400 "text content blocks must be non-empty" and "… must contain non-whitespace text".
      if (part.text.trim() === '') return undefined
      const citations = isForeign(part.origin, [ANTHROPIC]) ? undefined : part.origin?.['citations']
      return { type: 'text', text: part.text, citations }
    }
    case 'image':
      return { type: 'image', source: encodeSource(part, context) }
    case 'file':
      return encodeDocument(part, context)
    case 'audio':
      warnings.push(dropped('messages', `A sound was left out: ${provider} takes no audio.`))
      return undefined
    case 'reasoning':
      if (isForeign(part.origin, [ANTHROPIC])) {
        warnings.push(dropped('messages', `Reasoning of ${part.origin?.provider} was left out.`))
        return undefined
      }
      if (part.redacted === true) return { type: 'redacted_thinking', data: part.encrypted ?? '' }
      if (part.signature === undefined) {
        warnings.push(dropped('messages', `Reasoning without a signature was left out.`))
        return undefined
      }
      return { type: 'thinking', thinking: part.text, signature: part.signature }
    case 'tool-call':
      return {
        type: 'tool_use',
        id: id(part.id),
        name: names(part.name),
        input: argsObject(part),
        caller: isForeign(part.origin, [ANTHROPIC]) ? undefined : part.origin?.['caller'],
      }
    case 'tool-result': {
      const content = partsOf(part.content).flatMap((piece): Block[] => {
        if (piece.type !== 'text' && piece.type !== 'image' && piece.type !== 'file') {
          warnings.push(dropped('messages', `A ${piece.type} part of a tool result was left out.`))
          return []
        }
        const block = encodePart(piece, context)
        return block === undefined ? [] : [block]
      })
      return {
        type: 'tool_result',
        tool_use_id: id(part.id),
        content: content.length === 0 ? undefined : typeof part.content === 'string' ? part.content : content,
        is_error: part.isError === true ? true : undefined,
      }
    }
    case 'provider':
      if (part.provider === ANTHROPIC) return { ...asRecord(part.value) }
      warnings.push(dropped('messages', `A ${part.provider} part was left out.`))
      return undefined
  }
}

/** The arguments as the JSON object the API insists on. Quirk 18. */
export function argsObject(part: Part & { type: 'tool-call' }): Json | Record<string, unknown> {
  if (part.invalid !== undefined) return invalidArgsObject(part.invalid.raw)
  return asRecord(part.args) ?? invalidArgsObject(JSON.stringify(part.args) ?? '')
}

/**
 * A picture as bytes, address or file id.
 * @throws LlmError `invalid-request` when it is not a picture.
 */
function encodeSource(part: ImagePart, { provider, betas }: Context): Block {
  const media = fromDataUrl(part)
  if (media.fileId !== undefined) {
    betas.add(FILES_BETA)
    return { type: 'file', file_id: media.fileId }
  }
  if (media.mediaType !== undefined && !media.mediaType.startsWith('image/')) {
    throw notMedia(provider, `an image of type ${media.mediaType}`)
  }
  if (media.url !== undefined) return { type: 'url', url: httpUrl(media.url, provider) }
  return { type: 'base64', media_type: media.mediaType, data: base64Of(media.data) }
}

const FILES_BETA = 'files-api-2025-04-14'

function encodeDocument(part: FilePart, { provider, betas }: Context): Block {
  const title = part.name
  const media = fromDataUrl(part)
  if (media.fileId !== undefined) {
    betas.add(FILES_BETA)
    return { type: 'document', title, source: { type: 'file', file_id: media.fileId } }
  }
  if (media.url !== undefined) {
    return { type: 'document', title, source: { type: 'url', url: httpUrl(media.url, provider) } }
  }
  const data = base64Of(media.data)
  if (media.mediaType === 'application/pdf') {
    return { type: 'document', title, source: { type: 'base64', media_type: media.mediaType, data } }
  }
  if (media.mediaType.startsWith('text/') || media.mediaType === 'application/json') {
    const text = textOfBase64(data, provider)
    return { type: 'document', title, source: { type: 'text', media_type: 'text/plain', data: text } }
  }
  throw notMedia(provider, `a file of type ${media.mediaType}; send application/pdf or text`)
}

/** A `data:` URL is bytes in disguise. */
export function fromDataUrl<P extends ImagePart | FilePart>(part: P): P {
  const match = part.url === undefined ? null : /^data:([^;,]*)(?:;[^,]*)?;base64,/i.exec(part.url)
  if (match === null || part.url === undefined) return part
  const { url, ...rest } = part
  return {
    ...rest,
    mediaType: match[1] || part.mediaType || '',
    data: url.slice(match[0].length),
  } as unknown as P
}

/** @throws LlmError `invalid-request` for addresses that no provider fetches. */
export function httpUrl(url: string, provider: string): string {
  if (/^https?:\/\//i.test(url)) return url
  throw notMedia(provider, 'an address that is neither http(s) nor base64 data')
}

function textOfBase64(data: string, provider: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(data), (char) => char.charCodeAt(0)))
  } catch {
    throw notMedia(provider, 'a file whose data is not base64')
  }
}

function notMedia(provider: string, what: string): LlmError {
  return new LlmError({
    kind: 'invalid-request',
    provider,
    phase: 'encode',
    message: `${provider} cannot be sent ${what}.`,
  })
}
