/**
 * Our request as the body of Anthropic's Messages API.
 *
 * In:  a Request. Out: the body as an object, without `stream`, and the warnings about what could not be honoured.
 * Used by the Messages API itself and by the clouds that host it (Vertex AI, Bedrock InvokeModel), which differ in
 * the envelope only. Spec: https://platform.claude.com/docs/en/api/messages.
 * Not here: URLs, headers, keys, reading answers (anthropic.ts).
 */

import type { FilePart, ImagePart, Message, Part, Request, Warning } from '../types.ts'
import { asRecord, base64Of, dropped, isForeign, partsOf, splitSystem, textOf, unsupported } from './body.ts'
import { encodeSampling, encodeThinking, traitsOf } from './anthropic-models.ts'
import { fromDataUrl, httpUrl, notMedia, textOfBase64 } from './media.ts'
import { convertSchema } from './schema-dialects.ts'
import { argsObject, callIds, isDefinition, objectSchema, toolNames } from './tool-names.ts'
import type { CallIds, ToolNames } from './tool-names.ts'

/** The name in `origin.provider` of everything Anthropic models produce, on whichever cloud: signatures are portable. */
export const ANTHROPIC = 'anthropic'

/** The tool that carries a structured answer for models without native structured output. */
export const ANSWER_TOOL = 'json_answer'

/**
 * True when the answer's shape is asked for through a forced tool call, whose arguments are then the text: the model
 * has no native structured output, or the shape does not fit what that can enforce (maps with free keys).
 */
export function answersByTool(request: Request): boolean {
  if (request.schema === undefined) return false
  return !traitsOf(request.model).schema || !convertSchema(request.schema, 'anthropic').strict
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
    ids: callIds(),
  })
  const body: Record<string, unknown> = { model: request.model, messages, system: split.system }

  const thinking = encodeThinking(request, traits, provider, warnings)
  if (thinking.block !== undefined) body['thinking'] = thinking.block
  if (thinking.effort !== undefined) body['output_config'] = { effort: thinking.effort }
  body['max_tokens'] = thinking.maxTokens

  encodeSampling(request, traits, thinking.block !== undefined, provider, body, warnings)
  encodeTools(request, names, thinking.block !== undefined, provider, body, warnings)
  if (request.schema !== undefined && !answersByTool(request)) {
    const { schema, warnings: notes } = convertSchema(request.schema, 'anthropic')
    warnings.push(...notes)
    const format = { type: 'json_schema', schema }
    body['output_config'] = { ...(body['output_config'] as object | undefined), format }
  }
  encodeCache(request, dialect, body, warnings)
  for (const field of ['seed', 'presencePenalty', 'frequencyPenalty', 'logprobs'] as const) {
    if (request[field] !== undefined && request[field] !== false) warnings.push(unsupported(field, provider))
  }
  return { body, betas: [...betas], warnings }
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
      const converted = tool.strict === true ? convertSchema(schema, 'anthropic') : undefined
      warnings.push(...(converted?.warnings ?? []))
      tools.push({
        name: names.toWire(tool.name),
        description: tool.description,
        input_schema: converted?.schema ?? schema,
        strict: converted?.strict === true ? true : undefined,
      })
    } else if (tool.provider === ANTHROPIC) tools.push(tool.value)
    else
      warnings.push(dropped('tools', `A tool of ${tool.provider} was left out: ${provider} cannot run it.`))
  }
  const { toolChoice, parallelToolCalls } = request
  const choice: Record<string, unknown> = {}
  if (answersByTool(request)) {
    const alone = tools.length === 0 || toolChoice === 'none'
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
  ids: CallIds
}

type Block = Record<string, unknown>

function encodeTurns(messages: readonly Message[], context: Context): { role: string; content: Block[] }[] {
  const turns: { role: string; content: Block[] }[] = []
  for (const message of messages) {
    const { role, content } = asTurn(message, context)
    const blocks = partsOf(content)
      .map((part) => encodePart(role === 'assistant' ? said(part, context) : part, context))
      .filter((block) => block !== undefined)
    const last = turns.at(-1)
    if (last?.role === role) last.content.push(...blocks)
    else if (blocks.length > 0) turns.push({ role, content: blocks })
  }
  for (const turn of turns) {
    // Results must open the turn that follows the calls: 400 "tool_result blocks must come first".
    const isResult = (block: Block) => block['type'] === 'tool_result'
    turn.content = [...turn.content.filter(isResult), ...turn.content.filter((block) => !isResult(block))]
  }
  const last = turns.at(-1)
  const text = last?.role === 'assistant' ? last.content.at(-1) : undefined
  if (text?.['type'] === 'text') {
    // 400 "final assistant content cannot end with trailing whitespace".
    text['text'] = (text['text'] as string).trimEnd()
  }
  return turns
}

/** Pictures and documents stand in the user's turns only; of one that a model made, a note is left. */
function said(part: Part, { warnings, provider }: Context): Part {
  if (part.type !== 'image' && part.type !== 'file') return part
  warnings.push(
    dropped(
      'messages',
      `The ${part.type} in an answer was replaced by the note "[${part.type} not sent]": ${provider} takes none back.`,
    ),
  )
  return { type: 'text', text: `[${part.type} not sent]` }
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
  const { warnings, names, ids } = context
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
      warnings.push(dropped('messages', 'A sound was replaced by the note "[sound not sent]".'))
      return { type: 'text', text: '[sound not sent]' }
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
        id: ids.call(part.id),
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
        tool_use_id: ids.result(part.id),
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
// -------------------------------------------------------------------------------------------------- media

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
