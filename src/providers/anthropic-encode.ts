/**
 * Our request as the body of Anthropic's Messages API.
 *
 * In:  a Request. Out: the body as an object, without `stream`, and the warnings about what could not be honoured.
 * Used by the Messages API itself and by the clouds that host it (Vertex AI, Bedrock InvokeModel), which differ in
 * the envelope only. Spec: https://platform.claude.com/docs/en/api/messages.
 * Not here: URLs, headers, keys, reading answers (anthropic.ts).
 */

import type { FilePart, ImagePart, JsonSchema, Part, Request, ToolDefinition, Warning } from '../types.ts'
import { encodeSampling, encodeThinking, traitsOf } from './anthropic-models.ts'
import { asRecord, base64Of, defined, isForeign, splitSystem } from './body.ts'
import { fromDataUrl, httpUrl, notMedia, textOfBase64 } from './media.ts'
import { leftOut, notSent, type Notes, unsupported, unsupportedOptions } from './notes.ts'
import { type ConvertedSchema, convertSchema } from './schema-dialects.ts'
import { argsObject, callIds, objectSchema, toolNames, wireTools } from './tool-names.ts'
import type { CallIds, ToolNames } from './tool-names.ts'
import { type Block, encodeTurns, resultBlocks, type Turn } from './turns.ts'

/** The name in `origin.provider` of everything Anthropic models produce, on whichever cloud: signatures are portable. */
export const ANTHROPIC = 'anthropic'

/** The API's only version; clouds have names of their own for it. */
export const ANTHROPIC_VERSION = '2023-06-01'

/** The tool that carries a structured answer for models without native structured output. */
export const ANSWER_TOOL = 'json_answer'

/** A schema as Anthropic's models are held to it. */
export const enforced = (schema: JsonSchema): ConvertedSchema => convertSchema(schema, 'anthropic')

/**
 * True when the answer's shape is asked for through a forced tool call, whose arguments are then the text: the model
 * has no native structured output, or the shape does not fit what that can enforce (maps with free keys).
 */
export function answersByTool({ schema, model }: Request): boolean {
  return schema !== undefined && !(traitsOf(model).schema && enforced(schema).strict)
}

/** The schema of the tool that carries the answer. */
export function answerSchema({ schema = {} }: Request, provider: string): JsonSchema {
  return objectSchema({ name: ANSWER_TOOL, inputSchema: schema }, provider)
}

/** What the model is told of it. */
export const ANSWER_TOOL_DESCRIPTION = 'Give the final answer in this shape.'

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

interface Context extends Notes {
  request: Request
  betas: Set<string>
  names: ToolNames
  ids: CallIds
}

/**
 * Writes the body. `stream` is left to the caller; `model` is included.
 * @throws LlmError `config` for tools that cannot be sent, `invalid-request` for media that cannot.
 */
export function encodeMessages(request: Request, dialect: MessagesDialect): EncodedMessages {
  const { provider } = dialect
  const { model, schema } = request
  const warnings: Warning[] = []
  const betas = new Set<string>()
  const names = toolNames(request, provider, 128)
  const context: Context = { provider, warnings, request, betas, names, ids: callIds() }
  const { system, messages } = splitSystem(request)
  const turns = encodeTurns(messages, context, (part) => encodePart(part, context))
  tidy(turns)

  const { thinking, effort, maxTokens } = encodeThinking(request, context)
  let format: unknown
  if (schema !== undefined && !answersByTool(request)) {
    const converted = enforced(schema)
    warnings.push(...converted.warnings)
    format = { type: 'json_schema', schema: converted.schema }
  }
  const body: Record<string, unknown> = {
    model,
    messages: turns,
    system,
    thinking,
    output_config: effort === undefined && format === undefined ? undefined : { effort, format },
    max_tokens: maxTokens,
    ...encodeSampling(request, thinking !== undefined, context),
    ...encodeTools(context, thinking !== undefined),
  }
  encodeCache(context, dialect, body, turns)
  unsupportedOptions(context, request, ['seed', 'presencePenalty', 'frequencyPenalty', 'logprobs'])
  return { body, betas: [...betas], warnings }
}

function encodeTools(context: Context, thinks: boolean): Record<string, unknown> {
  const { request, provider, names } = context
  const { toolChoice, parallelToolCalls } = request
  const write = ({ name, description }: ToolDefinition, schema: JsonSchema, strict?: boolean): unknown => ({
    name: names.toWire(name),
    description,
    input_schema: schema,
    strict: strict || undefined,
  })
  const tools = wireTools(request, context, write, enforced)
  let type: string | undefined
  let name: string | undefined
  if (answersByTool(request)) {
    // Thinking and a forced tool exclude each other: 400 "Thinking may not be enabled when tool_choice forces tool use".
    const alone = tools.length === 0 || toolChoice === 'none'
    type = thinks ? 'auto' : alone ? 'tool' : 'any'
    if (type === 'tool') name = ANSWER_TOOL
    tools.push({
      name: ANSWER_TOOL,
      description: ANSWER_TOOL_DESCRIPTION,
      input_schema: answerSchema(request, provider),
    })
  } else {
    if (typeof toolChoice === 'object') {
      type = 'tool'
      name = names.toWire(toolChoice.tool)
    } else type = toolChoice === 'required' ? 'any' : toolChoice
    const forced = type === 'any' || type === 'tool'
    if (forced && (thinks || tools.length === 0)) {
      const why = tools.length === 0 ? 'there are no tools' : 'a tool cannot be forced while thinking'
      unsupported(context, 'toolChoice', why)
      type = 'auto'
      name = undefined
    }
  }
  if (tools.length === 0) return {}
  const alone = parallelToolCalls === false && type !== 'none' ? true : undefined
  if (alone) type ??= 'auto'
  const choice = defined({ type, name, disable_parallel_tool_use: alone })
  return { tools, tool_choice: type === undefined ? undefined : choice }
}

function encodeCache(context: Context, dialect: MessagesDialect, body: Block, turns: Turn[]): void {
  const { promptCache } = context.request
  if (promptCache === undefined || promptCache === false) return
  const { key, ttl } = promptCache === true ? {} : promptCache
  if (key !== undefined) unsupported(context, 'promptCache.key')
  const cache_control = { type: 'ephemeral', ttl }
  if (dialect.explicitCache !== true) {
    body['cache_control'] = cache_control
    return
  }
  const { system } = body
  if (system !== undefined) body['system'] = [{ type: 'text', text: system, cache_control }]
  const last = turns.at(-1)?.content.at(-1)
  // Thinking blocks take no mark.
  if (last !== undefined && !String(last['type']).endsWith('thinking')) last['cache_control'] = cache_control
}

// ----------------------------------------------------------------------------------------------- messages

/** What the API demands of turns beyond their blocks. */
function tidy(turns: readonly Turn[]): void {
  for (const turn of turns) {
    // Results must open the turn that follows the calls: 400 "tool_result blocks must come first".
    const isResult = (block: Block) => block['type'] === 'tool_result'
    turn.content = [...turn.content.filter(isResult), ...turn.content.filter((block) => !isResult(block))]
  }
  const last = turns.at(-1)
  const text = last?.role === 'assistant' ? last.content.at(-1) : undefined
  // 400 "final assistant content cannot end with trailing whitespace".
  if (text?.['type'] === 'text') text['text'] = String(text['text']).trimEnd()
}

function encodePart(part: Part, context: Context): Block | undefined {
  const { names, ids } = context
  const foreign = 'origin' in part && isForeign(part.origin, [ANTHROPIC])
  const kept = (field: string): unknown => ('origin' in part && !foreign ? part.origin?.[field] : undefined)
  switch (part.type) {
    case 'text':
      // 400 "text content blocks must be non-empty" and "… must contain non-whitespace text".
      if (part.text.trim() === '') return undefined
      return { type: 'text', text: part.text, citations: kept('citations') }
    case 'image':
    case 'file':
      return encodeMedia(part, context)
    case 'audio':
      return { type: 'text', text: notSent(context, 'sound') }
    case 'reasoning':
      if (foreign) leftOut(context, `Reasoning of ${part.origin?.provider}`)
      else if (part.redacted === true) return { type: 'redacted_thinking', data: part.encrypted ?? '' }
      else if (part.signature === undefined) leftOut(context, 'Reasoning without a signature')
      else return { type: 'thinking', thinking: part.text, signature: part.signature }
      return undefined
    case 'tool-call':
      return {
        type: 'tool_use',
        id: ids.call(part.id),
        name: names.toWire(part.name),
        input: argsObject(part),
        caller: kept('caller'),
      }
    case 'tool-result': {
      const blocks = resultBlocks(part, context, (piece) => encodePart(piece, context))
      return {
        type: 'tool_result',
        tool_use_id: ids.result(part.id),
        content: blocks.length === 0 ? undefined : typeof part.content === 'string' ? part.content : blocks,
        is_error: part.isError || undefined,
      }
    }
    case 'provider':
      if (part.provider === ANTHROPIC) return { ...asRecord(part.value) }
      leftOut(context, `A ${part.provider} part`)
      return undefined
  }
}

/**
 * A picture or a document as bytes, address or file id.
 * @throws LlmError `invalid-request` when it is neither.
 */
function encodeMedia(part: ImagePart | FilePart, { provider, betas }: Context): Block {
  const { fileId, url, data, mediaType } = fromDataUrl(part)
  const block = (source: Block): Block =>
    part.type === 'image' ? { type: 'image', source } : { type: 'document', title: part.name, source }
  if (fileId !== undefined) {
    betas.add('files-api-2025-04-14')
    return block({ type: 'file', file_id: fileId })
  }
  const image = part.type === 'image'
  if (image && mediaType !== undefined && !mediaType.startsWith('image/')) {
    throw notMedia(provider, `an image of type ${mediaType}`)
  }
  if (url !== undefined) return block({ type: 'url', url: httpUrl(url, provider) })
  const base64 = base64Of(data)
  if (image || mediaType === 'application/pdf') {
    return block({ type: 'base64', media_type: mediaType, data: base64 })
  }
  if (mediaType.startsWith('text/') || mediaType === 'application/json') {
    return block({ type: 'text', media_type: 'text/plain', data: textOfBase64(base64, provider) })
  }
  throw notMedia(provider, `a file of type ${mediaType}; send application/pdf or text`)
}
