/**
 * Our request as the body of Bedrock's Converse.
 *
 * In:  a Request. Out: the body as an object (the model stands in the URL) and the warnings.
 * Converse has its own words for what all models share; what only one maker's models know (thinking, top_k) goes into
 * `additionalModelRequestFields` in that maker's words.
 * Spec: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.
 * Not here: URLs and signatures (bedrock.ts), InvokeModel bodies (anthropic-encode.ts), reading answers.
 */

import type { FilePart, ImagePart, JsonSchema, Part, Request, ToolDefinition, Warning } from '../types.ts'
import {
  ANSWER_TOOL,
  ANSWER_TOOL_DESCRIPTION,
  answerSchema,
  ANTHROPIC,
  enforced,
} from './anthropic-encode.ts'
import { encodeSampling, encodeThinking, traitsOf } from './anthropic-models.ts'
import { asRecord, base64Of, defined, isForeign, jsonText, own, splitSystem } from './body.ts'
import { fromDataUrl, notMedia } from './media.ts'
import { converted, leftOut, notSent, type Notes, unsupported, unsupportedOptions } from './notes.ts'
import { argsObject, callIds, toolNames, wireTools } from './tool-names.ts'
import type { CallIds, ToolNames } from './tool-names.ts'
import { type Block, encodeTurns, resultBlocks, type Turn } from './turns.ts'

/** The codec's name. */
export const BEDROCK = 'bedrock'

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
  return !(native && enforced(schema).strict)
}

/** Body of one request. */
export interface EncodedConverse {
  body: Block
  warnings: Warning[]
}

interface Context extends Notes {
  request: Request
  names: ToolNames
  /** The model is Anthropic's, so signed reasoning may go back. */
  claude: boolean
  ids: CallIds
  /** Names of the documents so far. */
  documents: Set<string>
}

/**
 * Writes the body of `converse` and `converse-stream`, which is the same.
 * @throws LlmError `config` for tools that cannot be sent, `invalid-request` for media that cannot.
 */
export function encodeConverse(request: Request): EncodedConverse {
  const { model, schema } = request
  const warnings: Warning[] = []
  const context: Context = {
    provider: BEDROCK,
    warnings,
    request,
    names: toolNames(request, BEDROCK, 64),
    claude: isClaude(model),
    ids: callIds(64),
    documents: new Set(),
  }
  const split = splitSystem(request)
  const messages = encodeTurns(split.messages, context, (part) => encodePart(part, context))
  openWithUser(messages, context)
  addTextToDocuments(messages, context)
  const system: Block[] = split.system === undefined ? [] : [{ text: split.system }]
  const body: Block = {
    messages,
    ...(context.claude ? optionsOfClaude(context) : optionsOfOthers(context)),
    toolConfig: encodeTools(context, messages),
  }
  if (schema !== undefined && !answersByTool(request)) {
    const { schema: subset, warnings: notes } = enforced(schema)
    warnings.push(...notes)
    // A schema as a string inside the JSON: recorded 2026-02.
    const structure = { jsonSchema: { name: 'answer', schema: jsonText(subset) } }
    body['outputConfig'] = { textFormat: { type: 'json_schema', structure } }
  }
  encodeCache(context, system, messages)
  if (system.length > 0) body['system'] = system
  unsupportedOptions(context, request, ['seed', 'presencePenalty', 'frequencyPenalty', 'logprobs'])
  if (request.parallelToolCalls === false) unsupported(context, 'parallelToolCalls')
  return { body: defined(body), warnings }
}

// ------------------------------------------------------------------------------------ sampling and thinking

/** `inferenceConfig` for what all models share, `additionalModelRequestFields` for the rest; neither when empty. */
function options(inference: Block, extra: Block): Block {
  const filled = (fields: Block): Block | undefined =>
    Object.values(fields).some((value) => value !== undefined) ? defined(fields) : undefined
  return { inferenceConfig: filled(inference), additionalModelRequestFields: filled(extra) }
}

function optionsOfClaude(context: Context): Block {
  const { request } = context
  const { thinking, effort, maxTokens } = encodeThinking(request, context)
  const sampling = encodeSampling(request, thinking !== undefined, context)
  return options(
    {
      // Converse knows the model's maximum itself; a budget is the one thing that must stay below the limit.
      maxTokens: thinking?.['type'] === 'enabled' ? maxTokens : request.maxTokens,
      temperature: sampling['temperature'],
      topP: sampling['top_p'],
      stopSequences: sampling['stop_sequences'],
    },
    {
      top_k: sampling['top_k'],
      thinking,
      output_config: effort === undefined ? undefined : { effort },
    },
  )
}

function optionsOfOthers(context: Context): Block {
  const { model, maxTokens, temperature, topP, topK, stop, reasoning } = context.request
  const extra: Block = {}
  if (topK !== undefined) {
    if (/nova/.test(model)) extra['inferenceConfig'] = { topK }
    else unsupported(context, 'topK')
  }
  const on = reasoning !== undefined && reasoning !== 'off'
  const effort = !on
    ? undefined
    : typeof reasoning === 'object'
      ? reasoning.budgetTokens <= 2048
        ? 'low'
        : reasoning.budgetTokens <= 8192
          ? 'medium'
          : 'high'
      : reasoning === 'minimal'
        ? 'low'
        : reasoning === 'max'
          ? 'high'
          : reasoning
  // Amazon Nova 2: "reasoningConfig"; OpenAI's open models: "reasoning_effort". docs.aws.amazon.com, 2026-11.
  if (reasoning !== undefined && /nova-2/.test(model)) {
    extra['reasoningConfig'] = on ? { type: 'enabled', maxReasoningEffort: effort } : { type: 'disabled' }
  } else if (/gpt-oss/.test(model)) extra['reasoning_effort'] = effort
  else if (on) unsupported(context, 'reasoning', `not for ${model}`)
  return options({ maxTokens, temperature, topP, stopSequences: stop?.length ? stop : undefined }, extra)
}

// -------------------------------------------------------------------------------------------------- tools

function encodeTools(context: Context, turns: readonly Turn[]): Block | undefined {
  const { request, names } = context
  const { toolChoice, reasoning } = request
  const write = ({ name, description }: ToolDefinition, schema: JsonSchema, strict?: boolean): unknown =>
    toolSpec(names.toWire(name), description, schema, strict)
  const tools = wireTools(request, context, write, enforced)
  // Wire names of the tools that the conversation mentions.
  const called = new Set<string>()
  for (const { content } of turns) {
    for (const block of content) {
      const name = own(block['toolUse'], 'name')
      if (typeof name === 'string') called.add(name)
    }
  }
  if (toolChoice === 'none' && called.size === 0) tools.length = 0
  let choice: Block | undefined
  if (answersByTool(request)) {
    choice = tools.length === 0 ? { tool: { name: ANSWER_TOOL } } : { any: {} }
    tools.push(toolSpec(ANSWER_TOOL, ANSWER_TOOL_DESCRIPTION, answerSchema(request, BEDROCK)))
    if (reasoning !== undefined && reasoning !== 'off') choice = { auto: {} }
  } else if (typeof toolChoice === 'object') choice = { tool: { name: names.toWire(toolChoice.tool) } }
  else if (toolChoice === 'required') choice = { any: {} }
  else if (toolChoice === 'auto') choice = { auto: {} }
  else if (toolChoice === 'none' && tools.length > 0) {
    unsupported(context, 'toolChoice', 'calls in the history require tools, which cannot be forbidden')
  }
  if (tools.length === 0 && called.size > 0) {
    // 400 "The toolConfig field must be defined when using toolUse and toolResult content blocks."
    for (const name of called) tools.push(toolSpec(name, undefined, { type: 'object' }))
    const why = `${BEDROCK} requires them`
    converted(context, 'tools', `The tools called earlier were declared again without arguments: ${why}.`)
  }
  return tools.length === 0 ? undefined : { tools, toolChoice: choice }
}

function toolSpec(name: string, description: string | undefined, json: unknown, strict?: boolean): Block {
  // A blank description is a validation error.
  const said = description?.trim() ? description : undefined
  return { toolSpec: { name, description: said, inputSchema: { json }, strict: strict || undefined } }
}

function encodeCache(context: Context, system: Block[], turns: readonly Turn[]): void {
  const { promptCache, model } = context.request
  if (promptCache === undefined || promptCache === false) return
  const { key, ttl } = promptCache === true ? {} : promptCache
  if (key !== undefined) unsupported(context, 'promptCache.key')
  if (!context.claude && !/nova/.test(model)) {
    unsupported(context, 'promptCache', `not for ${model}`)
    return
  }
  const point = { cachePoint: { type: 'default', ttl } }
  if (system.length > 0) system.push(point)
  const last = turns.at(-1)
  if (last?.role === 'user') last.content.push(point)
}

// ----------------------------------------------------------------------------------------------- messages

/** A history cut to its last turns may begin with an answer. */
function openWithUser(turns: Turn[], context: Context): void {
  if (turns[0]?.role !== 'assistant') return
  // 400 "A conversation must start with a user message." github.com/strands-agents/harness-sdk/issues/2085, 2026-04.
  const text = '[start of conversation]'
  turns.unshift({ role: 'user', content: [{ text }] })
  const why = `${BEDROCK} takes no conversation that starts with an answer`
  converted(context, 'messages', `The user message "${text}" was put in front: ${why}.`)
}

function addTextToDocuments(turns: readonly Turn[], context: Context): void {
  for (const { content } of turns) {
    const has = (kind: string) => content.some((block) => block[kind] !== undefined)
    if (!has('document') || has('text')) continue
    // 400 "A text block must be included when using documents." github.com/maximhq/bifrost/pull/5817, 2026-08.
    // Behind the document, so that tool results stay the first blocks of their turn.
    const text = '[document attached]'
    content.push({ text })
    const why = `${BEDROCK} takes none without text in its turn`
    converted(context, 'messages', `The text "${text}" was put behind a document: ${why}.`)
  }
}

function encodePart(part: Part, context: Context): Block | undefined {
  const { names, ids } = context
  switch (part.type) {
    case 'text':
      // 400 "The text field in the ContentBlock object … is blank."
      return part.text.trim() === '' ? undefined : { text: part.text }
    case 'image':
      return encodeImage(part)
    case 'file':
      return encodeDocument(part, context)
    case 'audio':
      return { text: notSent(context, 'sound') }
    case 'reasoning':
      return encodeReasoning(part, context)
    case 'tool-call':
      return {
        toolUse: { toolUseId: ids.call(part.id), name: names.toWire(part.name), input: argsObject(part) },
      }
    case 'tool-result': {
      const content = resultBlocks(part, context, (piece) => encodePart(piece, context))
      // Neither no content nor blank text is accepted.
      if (content.length === 0) content.push({ json: {} })
      return {
        toolResult: {
          toolUseId: ids.result(part.id),
          content,
          status: part.isError === true ? 'error' : undefined,
        },
      }
    }
    case 'provider':
      if (part.provider === BEDROCK) return { ...asRecord(part.value) }
      leftOut(context, `A ${part.provider} part`)
      return undefined
  }
}

function encodeReasoning(part: Part & { type: 'reasoning' }, context: Context): Block | undefined {
  const { origin, text, signature, encrypted } = part
  if (isForeign(origin, context.claude ? [BEDROCK, ANTHROPIC] : [BEDROCK])) {
    leftOut(context, `Reasoning of ${origin?.provider}`)
  } else if (part.redacted === true) {
    // Bedrock wraps Anthropic's text once more in base64.
    const wrapped = origin?.provider === ANTHROPIC ? btoa(encrypted ?? '') : encrypted
    return { reasoningContent: { redactedContent: wrapped } }
  } else if (signature === undefined) leftOut(context, 'Reasoning without a signature')
  else return { reasoningContent: { reasoningText: { text, signature } } }
  return undefined
}

function encodeImage(part: ImagePart): Block {
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

function encodeDocument(part: FilePart, { documents }: Context): Block {
  const { url, data, mediaType } = fromDataUrl(part)
  const name = documentName(part.name, documents)
  if (data === undefined) {
    return { document: { format: formatOfName(url), name, source: s3(url, 'a file') } }
  }
  const format = own(DOCUMENTS, mediaType) ?? (mediaType.startsWith('text/') ? 'txt' : undefined)
  if (format === undefined) throw notMedia(BEDROCK, `a file of type ${mediaType}`)
  return { document: { format, name, source: { bytes: base64Of(data) } } }
}

/** Longest name of a document. API reference, DocumentBlock (2026-11). */
const MAX_NAME = 200

/**
 * Letters, digits, single spaces, hyphens, parentheses and square brackets; anything else is a validation error. So is a
 * name that two documents of one request share, whatever the case of its letters: "Messages can't contain duplicate
 * document names. Rename the document and retry your request." (github.com/maximhq/bifrost/issues/7003, 2026-09-08).
 * The second `report` is `report (2)`, in every turn that follows too, so that a cached prefix stays the same.
 */
function documentName(given = '', taken: Set<string>): string {
  const plain =
    given
      .replace(/[^a-zA-Z0-9\s()[\]-]/g, '-')
      .replace(/\s+/g, ' ')
      .trim()
      .slice(0, MAX_NAME)
      .trimEnd() || 'document'
  let name = plain
  for (let n = 2; taken.has(name.toLowerCase()); n++) {
    const suffix = ` (${n})`
    name = plain.slice(0, MAX_NAME - suffix.length).trimEnd() + suffix
  }
  taken.add(name.toLowerCase())
  return name
}

/** @throws LlmError `invalid-request` for addresses that Bedrock does not fetch: all but S3. */
function s3(url: string | undefined, what: string): Block {
  if (url?.startsWith('s3://') === true) return { s3Location: { uri: url } }
  throw notMedia(BEDROCK, `${what} by address or file id; pass its bytes, or an s3:// address`)
}

function formatOfName(url: string | undefined): string | undefined {
  const ending = /\.([a-z0-9]+)$/i.exec(url ?? '')?.[1]?.toLowerCase()
  return ending === 'jpg' ? 'jpeg' : ending
}
