/**
 * Our request as the body of Bedrock's Converse.
 *
 * In:  a Request. Out: the body as an object (the model stands in the URL) and the warnings.
 * Converse has its own words for what all models share; what only one maker's models know (thinking, top_k) goes into
 * `additionalModelRequestFields` in that maker's words.
 * Spec: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.
 * Not here: URLs and signatures (bedrock.ts), InvokeModel bodies (anthropic-encode.ts), reading answers.
 */

import type { FilePart, ImagePart, Message, Part, Reasoning, Request, Warning } from '../types.ts'
import { ANTHROPIC } from './anthropic-encode.ts'
import { encodeSampling, encodeThinking, traitsOf } from './anthropic-models.ts'
import { asRecord, base64Of, dropped, isForeign, partsOf, splitSystem, textOf, unsupported } from './body.ts'
import { fromDataUrl, notMedia } from './media.ts'
import { convertSchema } from './schema-dialects.ts'
import { argsObject, callIds, isDefinition, objectSchema, toolNames } from './tool-names.ts'
import type { CallIds, ToolNames } from './tool-names.ts'

/** The codec's name. */
export const BEDROCK = 'bedrock'

/** The tool that carries a structured answer for models without native structured output. */
export const ANSWER_TOOL = 'json_answer'

type Wire = Record<string, unknown>

/** True for models of Anthropic's, whatever the profile: `anthropic.…`, `us.anthropic.…`, an ARN. */
export function isClaude(model: string): boolean {
  return /anthropic|claude/.test(model)
}

/** True when the answer's shape is asked for through a forced tool call, whose arguments are then the text. */
export function answersByTool(request: Request): boolean {
  const { schema, model } = request
  if (schema === undefined) return false
  // Structured output is Claude 4.5's and open models'; Amazon's, AI21's, Cohere's and Meta's know tools only.
  const native = isClaude(model) ? traitsOf(model).schema : !/amazon|nova|titan|ai21|cohere|llama/.test(model)
  return !native || !convertSchema(schema, 'anthropic').strict
}

/** Body of one request. */
export interface EncodedConverse {
  body: Wire
  warnings: Warning[]
}

/**
 * Writes the body of `converse` and `converse-stream`, which is the same.
 * @throws LlmError `config` for tools that cannot be sent, `invalid-request` for media that cannot.
 */
export function encodeConverse(request: Request): EncodedConverse {
  const warnings: Warning[] = []
  const split = splitSystem(request)
  const names = toolNames(request, BEDROCK, 64)
  const context: Context = { warnings, names, claude: isClaude(request.model), ids: callIds(64) }
  const messages = encodeTurns(split.messages, context)
  const system: Wire[] = split.system === undefined ? [] : [{ text: split.system }]
  const body: Wire = { messages }
  const inference: Wire = {}
  const extra: Wire = {}
  if (context.claude) encodeClaude(request, inference, extra, warnings)
  else encodeOther(request, inference, extra, warnings)
  encodeTools(request, context, messages, body)
  if (request.schema !== undefined && !answersByTool(request)) {
    const { schema, warnings: notes } = convertSchema(request.schema, 'anthropic')
    warnings.push(...notes)
    // A schema as a string inside the JSON: recorded 2026-02.
    const structure = { jsonSchema: { name: 'answer', schema: JSON.stringify(schema) } }
    body['outputConfig'] = { textFormat: { type: 'json_schema', structure } }
  }
  encodeCache(request, system, messages, warnings)
  if (system.length > 0) body['system'] = system
  if (Object.keys(inference).length > 0) body['inferenceConfig'] = inference
  if (Object.keys(extra).length > 0) body['additionalModelRequestFields'] = extra
  for (const field of ['seed', 'presencePenalty', 'frequencyPenalty', 'logprobs'] as const) {
    if (request[field] !== undefined && request[field] !== false) warnings.push(unsupported(field, BEDROCK))
  }
  if (request.parallelToolCalls === false) warnings.push(unsupported('parallelToolCalls', BEDROCK))
  return { body, warnings }
}

// ------------------------------------------------------------------------------------ sampling and thinking

function encodeClaude(request: Request, inference: Wire, extra: Wire, warnings: Warning[]): void {
  const traits = traitsOf(request.model)
  const thinking = encodeThinking(request, traits, BEDROCK, warnings)
  const sampling: Wire = {}
  encodeSampling(request, traits, thinking.block !== undefined, BEDROCK, sampling, warnings)
  // Converse knows the model's maximum itself; a budget is the one thing that must stay below the limit.
  const budget = thinking.block?.['type'] === 'enabled'
  inference['maxTokens'] = budget ? thinking.maxTokens : request.maxTokens
  inference['temperature'] = sampling['temperature']
  inference['topP'] = sampling['top_p']
  inference['stopSequences'] = sampling['stop_sequences']
  if (sampling['top_k'] !== undefined) extra['top_k'] = sampling['top_k']
  if (thinking.block !== undefined) extra['thinking'] = thinking.block
  if (thinking.effort !== undefined) extra['output_config'] = { effort: thinking.effort }
  dropUndefined(inference)
}

function encodeOther(request: Request, inference: Wire, extra: Wire, warnings: Warning[]): void {
  const { model, reasoning, topK } = request
  inference['maxTokens'] = request.maxTokens
  inference['temperature'] = request.temperature
  inference['topP'] = request.topP
  inference['stopSequences'] =
    request.stop === undefined || request.stop.length === 0 ? undefined : request.stop
  dropUndefined(inference)
  if (topK !== undefined) {
    if (/nova/.test(model)) extra['inferenceConfig'] = { topK }
    else warnings.push(unsupported('topK', BEDROCK))
  }
  if (reasoning === undefined) return
  // Amazon Nova 2: "reasoningConfig"; OpenAI's open models: "reasoning_effort". docs.aws.amazon.com, 2026-11.
  if (/nova-2/.test(model)) {
    extra['reasoningConfig'] =
      reasoning === 'off'
        ? { type: 'disabled' }
        : { type: 'enabled', maxReasoningEffort: effortOf(reasoning) }
  } else if (/gpt-oss/.test(model) && reasoning !== 'off') extra['reasoning_effort'] = effortOf(reasoning)
  else if (reasoning !== 'off') warnings.push(unsupported('reasoning', BEDROCK, `not for ${model}`))
}

function effortOf(reasoning: Exclude<Reasoning, 'off'>): string {
  if (typeof reasoning === 'object') {
    return reasoning.budgetTokens <= 2048 ? 'low' : reasoning.budgetTokens <= 8192 ? 'medium' : 'high'
  }
  return reasoning === 'minimal' ? 'low' : reasoning === 'max' ? 'high' : reasoning
}

function dropUndefined(fields: Wire): void {
  for (const [key, value] of Object.entries(fields)) if (value === undefined) delete fields[key]
}

// -------------------------------------------------------------------------------------------------- tools

interface Context {
  warnings: Warning[]
  names: ToolNames
  /** The model is Anthropic's, so signed reasoning may go back. */
  claude: boolean
  ids: CallIds
}

type Turn = { role: string; content: Wire[] }

function encodeTools(
  request: Request,
  { warnings, names }: Context,
  turns: readonly Turn[],
  body: Wire,
): void {
  const tools: Wire[] = []
  for (const tool of request.tools ?? []) {
    if (isDefinition(tool)) {
      const schema = objectSchema(tool, BEDROCK)
      const converted = tool.strict === true ? convertSchema(schema, 'anthropic') : undefined
      warnings.push(...(converted?.warnings ?? []))
      tools.push(
        toolSpec(
          names.toWire(tool.name),
          tool.description,
          converted?.schema ?? schema,
          converted?.strict === true ? true : undefined,
        ),
      )
    } else if (tool.provider === BEDROCK) tools.push({ ...asRecord(tool.value) })
    else warnings.push(dropped('tools', `A tool of ${tool.provider} was left out: ${BEDROCK} cannot run it.`))
  }
  const { toolChoice } = request
  const called = calledTools(turns)
  const byTool = answersByTool(request)
  if (toolChoice === 'none' && called.size === 0) tools.length = 0
  let choice: Wire | undefined
  if (byTool) {
    choice = tools.length === 0 ? { tool: { name: ANSWER_TOOL } } : { any: {} }
    const schema = objectSchema({ name: ANSWER_TOOL, inputSchema: request.schema ?? {} }, BEDROCK)
    tools.push(toolSpec(ANSWER_TOOL, 'Give the final answer in this shape.', schema))
    if (request.reasoning !== undefined && request.reasoning !== 'off') choice = { auto: {} }
  } else if (typeof toolChoice === 'object') choice = { tool: { name: names.toWire(toolChoice.tool) } }
  else if (toolChoice === 'required') choice = { any: {} }
  else if (toolChoice === 'auto') choice = { auto: {} }
  else if (toolChoice === 'none' && tools.length > 0) {
    warnings.push(
      unsupported('toolChoice', BEDROCK, 'calls in the history require tools, which cannot be forbidden'),
    )
  }
  if (tools.length === 0 && called.size > 0) {
    // 400 "The toolConfig field must be defined when using toolUse and toolResult content blocks."
    for (const name of called) tools.push(toolSpec(name, undefined, { type: 'object' }))
    warnings.push({
      code: 'converted',
      field: 'tools',
      message: `The tools called earlier were declared again without arguments: ${BEDROCK} requires them.`,
    })
  }
  if (tools.length === 0) return
  body['toolConfig'] = { tools, toolChoice: choice }
}

function toolSpec(name: string, description: string | undefined, json: unknown, strict?: true): Wire {
  // A blank description is a validation error.
  const said = description === undefined || description.trim() === '' ? undefined : description
  return { toolSpec: { name, description: said, inputSchema: { json }, strict } }
}

/** Wire names of the tools that the conversation mentions. */
function calledTools(turns: readonly Turn[]): ReadonlySet<string> {
  const found = new Set<string>()
  for (const { content } of turns) {
    for (const block of content) {
      const call = asRecord(block['toolUse'])
      if (call !== undefined && typeof call['name'] === 'string') found.add(call['name'])
    }
  }
  return found
}

function encodeCache(request: Request, system: Wire[], turns: readonly Turn[], warnings: Warning[]): void {
  const { promptCache, model } = request
  if (promptCache === undefined || promptCache === false) return
  const { key, ttl } = promptCache === true ? {} : promptCache
  if (key !== undefined) warnings.push(unsupported('promptCache.key', BEDROCK))
  if (!isClaude(model) && !/nova/.test(model)) {
    warnings.push(unsupported('promptCache', BEDROCK, `not for ${model}`))
    return
  }
  const point = { cachePoint: { type: 'default', ttl } }
  if (system.length > 0) system.push(point)
  const last = turns.at(-1)
  if (last?.role === 'user') last.content.push(point)
}

// ----------------------------------------------------------------------------------------------- messages

function encodeTurns(messages: readonly Message[], context: Context): Turn[] {
  const turns: Turn[] = []
  for (const message of messages) {
    const { role, content } = asTurn(message, context)
    const blocks = partsOf(content)
      .map((part) => encodePart(role === 'assistant' ? said(part, context) : part, context))
      .filter((block) => block !== undefined)
    const last = turns.at(-1)
    // Roles must alternate.
    if (last?.role === role) last.content.push(...blocks)
    else if (blocks.length > 0) turns.push({ role, content: blocks })
  }
  openWithUser(turns, context)
  addTextToDocuments(turns, context)
  return turns
}

/** A history cut to its last turns may begin with an answer. */
function openWithUser(turns: Turn[], { warnings }: Context): void {
  if (turns[0]?.role !== 'assistant') return
  // 400 "A conversation must start with a user message." github.com/strands-agents/harness-sdk/issues/2085, 2026-04.
  turns.unshift({ role: 'user', content: [{ text: OPENING }] })
  warnings.push({
    code: 'converted',
    field: 'messages',
    message: `The user message "${OPENING}" was put in front: ${BEDROCK} takes no conversation that starts with an answer.`,
  })
}

const OPENING = '[start of conversation]'

function addTextToDocuments(turns: readonly Turn[], { warnings }: Context): void {
  for (const { content } of turns) {
    const has = (kind: string) => content.some((block) => block[kind] !== undefined)
    if (!has('document') || has('text')) continue
    // 400 "A text block must be included when using documents." github.com/maximhq/bifrost/pull/5817, 2026-08.
    // Behind the document, so that tool results stay the first blocks of their turn.
    content.push({ text: ATTACHED })
    warnings.push({
      code: 'converted',
      field: 'messages',
      message: `The text "${ATTACHED}" was put behind a document: ${BEDROCK} takes none without text in its turn.`,
    })
  }
}

const ATTACHED = '[document attached]'

/** Pictures and documents stand in the user's turns only; of one that a model made, a note is left. */
function said(part: Part, { warnings }: Context): Part {
  if (part.type !== 'image' && part.type !== 'file') return part
  warnings.push(
    dropped(
      'messages',
      `The ${part.type} in an answer was replaced by the note "[${part.type} not sent]": ${BEDROCK} takes none back.`,
    ),
  )
  return { type: 'text', text: `[${part.type} not sent]` }
}

function asTurn(message: Message, { warnings }: Context): Message {
  if (message.role === 'tool') return { role: 'user', content: message.content }
  if (message.role !== 'system') return message
  warnings.push({
    code: 'converted',
    field: 'messages',
    message: `A system message in the middle of the conversation became a user message: ${BEDROCK} takes them at the start only.`,
  })
  return { role: 'user', content: textOf(message.content) }
}

function encodePart(part: Part, context: Context): Wire | undefined {
  const { warnings, names, ids } = context
  switch (part.type) {
    case 'text':
      // 400 "The text field in the ContentBlock object … is blank."
      return part.text.trim() === '' ? undefined : { text: part.text }
    case 'image':
      return encodeImage(part)
    case 'file':
      return encodeDocument(part)
    case 'audio':
      warnings.push(dropped('messages', `A sound was replaced by the note "[sound not sent]".`))
      return { text: '[sound not sent]' }
    case 'reasoning':
      return encodeReasoning(part, context)
    case 'tool-call':
      return {
        toolUse: { toolUseId: ids.call(part.id), name: names.toWire(part.name), input: argsObject(part) },
      }
    case 'tool-result': {
      const content = partsOf(part.content).flatMap((piece): Wire[] => {
        if (piece.type !== 'text' && piece.type !== 'image' && piece.type !== 'file') {
          warnings.push(dropped('messages', `A ${piece.type} part of a tool result was left out.`))
          return []
        }
        const block = encodePart(piece, context)
        return block === undefined ? [] : [block]
      })
      // Neither no content nor blank text is accepted.
      if (content.length === 0) content.push({ json: {} })
      const status = part.isError === true ? 'error' : undefined
      return { toolResult: { toolUseId: ids.result(part.id), content, status } }
    }
    case 'provider':
      if (part.provider === BEDROCK) return { ...asRecord(part.value) }
      warnings.push(dropped('messages', `A ${part.provider} part was left out.`))
      return undefined
  }
}

function encodeReasoning(
  part: Part & { type: 'reasoning' },
  { warnings, claude }: Context,
): Wire | undefined {
  if (isForeign(part.origin, claude ? [BEDROCK, ANTHROPIC] : [BEDROCK])) {
    warnings.push(dropped('messages', `Reasoning of ${part.origin?.provider} was left out.`))
    return undefined
  }
  if (part.redacted === true) {
    // Bedrock wraps Anthropic's text once more in base64.
    const wrapped = part.origin?.provider === ANTHROPIC ? btoa(part.encrypted ?? '') : part.encrypted
    return { reasoningContent: { redactedContent: wrapped } }
  }
  if (part.signature === undefined) {
    warnings.push(dropped('messages', 'Reasoning without a signature was left out.'))
    return undefined
  }
  return { reasoningContent: { reasoningText: { text: part.text, signature: part.signature } } }
}

function encodeImage(part: ImagePart): Wire {
  const media = fromDataUrl(part)
  if (media.data === undefined)
    return { image: { format: formatOfName(media.url), source: s3(media.url, 'an image') } }
  const format = /^image\/([a-z0-9]+)/.exec(media.mediaType)?.[1]
  if (format === undefined) throw notMedia(BEDROCK, `an image of type ${media.mediaType}`)
  return { image: { format: format === 'jpg' ? 'jpeg' : format, source: { bytes: base64Of(media.data) } } }
}

/** Media types of documents. */
const DOCUMENTS: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'text/csv': 'csv',
  'text/html': 'html',
  'text/markdown': 'md',
  'application/msword': 'doc',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
}

function encodeDocument(part: FilePart): Wire {
  const media = fromDataUrl(part)
  const name = documentName(part.name)
  if (media.data === undefined) {
    return { document: { format: formatOfName(media.url), name, source: s3(media.url, 'a file') } }
  }
  const format = Object.hasOwn(DOCUMENTS, media.mediaType)
    ? DOCUMENTS[media.mediaType]
    : media.mediaType.startsWith('text/')
      ? 'txt'
      : undefined
  if (format === undefined) throw notMedia(BEDROCK, `a file of type ${media.mediaType}`)
  return { document: { format, name, source: { bytes: base64Of(media.data) } } }
}

/** Letters, digits, single spaces, hyphens, parentheses and square brackets; anything else is a validation error. */
function documentName(name = 'document'): string {
  const plain = name
    .replace(/[^a-zA-Z0-9\s()[\]-]/g, '-')
    .replace(/\s+/g, ' ')
    .trim()
  return plain === '' ? 'document' : plain.slice(0, 200)
}

/** @throws LlmError `invalid-request` for addresses that Bedrock does not fetch: all but S3. */
function s3(url: string | undefined, what: string): Wire {
  if (url?.startsWith('s3://') === true) return { s3Location: { uri: url } }
  throw notMedia(BEDROCK, `${what} by address or file id; pass its bytes, or an s3:// address`)
}

function formatOfName(url: string | undefined): string | undefined {
  const ending = /\.([a-z0-9]+)$/i.exec(url ?? '')?.[1]?.toLowerCase()
  return ending === 'jpg' ? 'jpeg' : ending
}
