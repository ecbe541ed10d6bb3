/**
 * Our request as the body of OpenAI's Responses API: https://developers.openai.com/api/reference/responses.
 *
 * In:  a Request. Out: the body as an object, without `stream`, and the warnings about what could not be honoured.
 * Stateless: nothing is stored at the server (`store: false`), so reasoning comes back encrypted and goes along again.
 * Not here: URLs, headers, keys (openai.ts), reading answers (openai-decode.ts).
 */

import type {
  AudioPart,
  FilePart,
  JsonSchema,
  Message,
  Part,
  Request,
  ToolDefinition,
  Warning,
} from '../types.ts'
import {
  asArray,
  asNumber,
  asRecord,
  base64Of,
  isForeign,
  jsonText,
  listIn,
  own,
  partsOf,
  splitSystem,
  stringIn,
  textOf,
} from './body.ts'
import { audioFormat, dataUrl, fromDataUrl, httpUrl, imageUrl, notMedia } from './media.ts'
import { converted, leftOut, type Notes, unsupported, unsupportedOptions } from './notes.ts'
import { SEPARATOR } from './openai-decode.ts'
import { convertSchema, type ConvertedSchema } from './schema-dialects.ts'
import { idMap, isDefinition, toolNames, wireTools } from './tool-names.ts'
import type { ToolNames } from './tool-names.ts'

type Body = Record<string, unknown>

/** Body of one request. */
export interface EncodedResponses {
  body: Body
  warnings: Warning[]
}

/**
 * Writes the body. `stream` is left to the caller; `model` is included.
 * @param provider whose answers go back unchanged; parts of others lose what is bound to them.
 * @throws LlmError `config` for tools that cannot be sent, `invalid-request` for media that cannot.
 */
export function encodeResponses(request: Request, provider: string): EncodedResponses {
  const { model, schema, logprobs, promptCache } = request
  const warnings: Warning[] = []
  const { system, messages } = splitSystem(request)
  const context: Context = {
    provider,
    warnings,
    request,
    names: toolNames(request, provider, 64),
    id: idMap(64),
    customIds: new Set(),
  }
  const reasons = reasonsAbout(model)
  const include = reasons ? ['reasoning.encrypted_content'] : []
  const effort = encodeEffort(context, reasons)
  const sampling = (field: 'temperature' | 'topP'): number | undefined => {
    if (request[field] === undefined || !reasons || effort === 'none') return request[field]
    // 400 "Unsupported parameter: 'temperature' is not supported with this model."
    unsupported(context, field, `${model} rejects it while it reasons`)
    return undefined
  }
  const body: Body = {
    model,
    instructions: system,
    input: messages.flatMap((message) => encodeMessage(message, context)),
    store: false,
    max_output_tokens: request.maxTokens,
    parallel_tool_calls: request.parallelToolCalls,
    // No `summary`: 400 "Your organization must be verified to generate reasoning summaries" (dozens of reports, 2026-01).
    // `body: { reasoning: { summary: 'auto' } }` asks for one.
    reasoning: effort === undefined ? undefined : { effort },
    temperature: sampling('temperature'),
    top_p: sampling('topP'),
    ...encodeTools(context),
  }
  if (schema !== undefined) {
    const { schema: subset, strict, warnings: notes } = enforced(schema)
    warnings.push(...notes)
    body['text'] = { format: { type: 'json_schema', name: 'answer', schema: subset, strict } }
  }
  if (logprobs !== undefined && logprobs !== false) {
    include.push('message.output_text.logprobs')
    if (logprobs !== true) body['top_logprobs'] = logprobs
  }
  if (include.length > 0) body['include'] = include
  // Caching itself is automatic; there is no way to turn it off.
  if (typeof promptCache === 'object') {
    body['prompt_cache_key'] = promptCache.key
    if (promptCache.ttl !== undefined) unsupported(context, 'promptCache.ttl')
  }
  unsupportedOptions(context, request, ['topK', 'seed', 'presencePenalty', 'frequencyPenalty', 'stop'])
  return { body, warnings }
}

const enforced = (schema: JsonSchema): ConvertedSchema => convertSchema(schema, 'openai-strict')

// ---------------------------------------------------------------------------------------------- reasoning

/** Efforts from least to most. */
const LADDER = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const
type Rung = (typeof LADDER)[number]

const DEFAULT_EFFORTS = 'low medium high'

/**
 * Which efforts a model takes; first match wins. Any other one is a 400 "Unsupported value".
 * Source: thinking levels of pi-ai 1.5.2, 2026-11-10.
 */
const EFFORTS: readonly [RegExp, string][] = [
  [/^gpt-5-pro/, 'high'],
  [/^gpt-5\.[24]-pro/, 'medium high xhigh'],
  [/^gpt-5\.5-pro|^gpt-5\.3-codex-spark/, 'low medium high xhigh'],
  [/^gpt-5(?:-mini|-nano|-codex|-\d|$)/, 'minimal low medium high'],
  [/^gpt-5\.1/, 'none low medium high'],
  [/^gpt-5\.[2-5]/, 'none low medium high xhigh'],
  [/^gpt-(?:6-astra|6\.1-sol|5\.6-cyber)/, 'low medium high xhigh max'],
  [/^gpt-(?:5\.|[6-9])/, 'none low medium high xhigh max'],
]

/** Models that take no `reasoning` and answer 400 to `include: ["reasoning.encrypted_content"]`. */
function reasonsAbout(model: string): boolean {
  return !/^(?:ft:)?(?:gpt-[34]|chatgpt)|-chat-latest$|^chat-latest$/.test(model)
}

function encodeEffort(context: Context, reasons: boolean): Rung | undefined {
  const { reasoning, model } = context.request
  if (reasoning === undefined) return undefined
  if (!reasons) {
    if (reasoning !== 'off') unsupported(context, 'reasoning', `${model} does not reason`)
    return undefined
  }
  const words = EFFORTS.find(([pattern]) => pattern.test(model))?.[1] ?? DEFAULT_EFFORTS
  const known = words.split(' ') as Rung[]
  const isBudget = typeof reasoning === 'object'
  const wanted = isBudget ? rungFor(reasoning.budgetTokens) : reasoning === 'off' ? 'none' : reasoning
  if (!isBudget && known.includes(wanted)) return wanted
  const distance = (rung: Rung): number => Math.abs(LADDER.indexOf(rung) - LADDER.indexOf(wanted))
  const [nearest = 'medium'] = known
    .filter((rung) => wanted === 'none' || rung !== 'none')
    .sort((a, b) => distance(a) - distance(b))
  // The words at either end mean "as little" and "as much as there is".
  if (isBudget || wanted === 'none') {
    const missing = wanted === 'none' ? 'switch to turn reasoning off' : 'token budget'
    converted(context, 'reasoning', `${model} takes no ${missing}; the effort "${nearest}" was sent.`)
  }
  return nearest
}

/** The word for a number of tokens. */
function rungFor(budgetTokens: number): Rung {
  const steps = { none: 0, low: 2048, medium: 8192, high: 24_576, max: Infinity } as const
  return Object.entries(steps).find(([, most]) => budgetTokens <= most)?.[0] as Rung
}

// -------------------------------------------------------------------------------------------------- tools

interface Context extends Notes {
  request: Request
  names: ToolNames
  id: (id: string) => string
  /** Calls of free-text tools, whose results have a type of their own. */
  customIds: Set<string>
}

function encodeTools(context: Context): Body {
  const { request, provider, names } = context
  const { toolChoice } = request
  const write = ({ name, description }: ToolDefinition, parameters: JsonSchema, strict = false): unknown => ({
    type: 'function',
    name: names.toWire(name),
    description,
    parameters,
    // Unlike in Chat Completions the default is true, which rewrites schemas at the server.
    strict,
  })
  const tools = wireTools(request, context, write, enforced)
  const named = typeof toolChoice === 'object' ? toolChoice.tool : undefined
  if (tools.length === 0) {
    if (toolChoice === 'required' || named !== undefined) {
      unsupported(context, 'toolChoice', 'there are no tools')
    }
    return {}
  }
  /** A free-text tool of the caller's. */
  const isCustom = (request.tools ?? []).some(
    (tool) =>
      !isDefinition(tool) &&
      tool.provider === provider &&
      own(tool.value, 'type') === 'custom' &&
      own(tool.value, 'name') === named,
  )
  const choice =
    named === undefined
      ? toolChoice
      : isCustom
        ? { type: 'custom', name: named }
        : { type: 'function', name: names.toWire(named) }
  return { tools, tool_choice: choice }
}

// ----------------------------------------------------------------------------------------------- messages

function encodeMessage(message: Message, context: Context): Body[] {
  switch (message.role) {
    case 'system': {
      const content = textOf(message.content)
      return content.trim() === '' ? [] : [{ role: 'system', content }]
    }
    case 'assistant':
      return encodeAssistant(partsOf(message.content), context)
    case 'user':
    case 'tool':
      return encodeUser(partsOf(message.content), context)
  }
}

function encodeUser(parts: readonly Part[], context: Context): Body[] {
  const items: Body[] = []
  let content: Body[] = []
  const flush = (): void => {
    const [only] = content
    if (content.length === 1 && only?.['type'] === 'input_text') {
      items.push({ role: 'user', content: only['text'] })
    } else if (content.length > 0) items.push({ role: 'user', content })
    content = []
  }
  for (const part of parts) {
    if (part.type === 'tool-result') {
      flush()
      items.push(encodeResult(part, context))
    } else if (part.type === 'provider') {
      flush()
      items.push(...encodeProviderPart(part, context))
    } else content.push(...encodeContent(part, context))
  }
  flush()
  return items
}

function encodeAssistant(parts: readonly Part[], context: Context): Body[] {
  const { provider, names, id, customIds } = context
  const items: Body[] = []
  for (const part of parts) {
    const foreign = 'origin' in part && isForeign(part.origin, [provider])
    const origin = 'origin' in part && !foreign ? part.origin : undefined
    switch (part.type) {
      case 'text': {
        if (part.text.trim() === '') break
        if (own(origin, 'refusal') === true) {
          items.push({ role: 'assistant', content: [{ type: 'refusal', refusal: part.text }] })
          break
        }
        const phase = stringIn(origin, 'phase')
        const last = items.at(-1)
        if (
          last?.['role'] === 'assistant' &&
          typeof last['content'] === 'string' &&
          last['phase'] === phase
        ) {
          last['content'] += part.text
        } else items.push({ role: 'assistant', content: part.text, phase })
        break
      }
      case 'reasoning':
        if (foreign) leftOut(context, `Reasoning of ${part.origin?.provider}`)
        else items.push(...encodeReasoning(part, context))
        break
      case 'tool-call':
        if (own(origin, 'custom') === true) {
          customIds.add(part.id)
          const input = part.invalid?.raw ?? stringIn(part.args, 'input') ?? jsonText(part.args ?? {})
          items.push({ type: 'custom_tool_call', call_id: id(part.id), name: part.name, input })
        } else {
          items.push({
            type: 'function_call',
            call_id: id(part.id),
            name: names.toWire(part.name),
            arguments: part.invalid?.raw ?? jsonText(part.args ?? {}),
            namespace: own(origin, 'namespace'),
          })
        }
        break
      case 'provider':
        items.push(...encodeProviderPart(part, context))
        break
      case 'tool-result':
        items.push(encodeResult(part, context))
        break
      default:
        leftOut(context, `The ${part.type} in an answer`)
    }
  }
  // 400 "Item 'rs_…' of type 'reasoning' was provided without its required following item." (recorded 2025-09)
  while (items.at(-1)?.['type'] === 'reasoning') {
    items.pop()
    leftOut(context, 'Reasoning that nothing follows')
  }
  return items
}

function encodeReasoning(part: Part & { type: 'reasoning' }, context: Context): Body[] {
  const { text, encrypted, origin } = part
  const summary: Body[] = []
  const content: Body[] = []
  const sections = listIn(origin, 'sections').map((section) => asArray(section))
  let at = 0
  const pieces = sections.map(([, length]) => {
    const piece = text.slice(at, at + (asNumber(length) ?? 0))
    at += piece.length + SEPARATOR.length
    return piece
  })
  // Somebody may have edited the text since.
  if (sections.length > 0 && pieces.join(SEPARATOR) === text) {
    for (const [n, piece] of pieces.entries()) {
      if (sections[n]?.[0] === 'content') content.push({ type: 'reasoning_text', text: piece })
      else summary.push({ type: 'summary_text', text: piece })
    }
  } else if (text !== '') summary.push({ type: 'summary_text', text })
  // Without the encrypted form the server knows nothing of it, unless it keeps items or takes the raw thoughts.
  if (encrypted === undefined && content.length === 0 && own(context.request.body, 'store') !== true) {
    leftOut(context, 'Reasoning without its encrypted form')
    return []
  }
  return [
    {
      type: 'reasoning',
      id: own(origin, 'id'),
      summary,
      content: content.length === 0 ? undefined : content,
      encrypted_content: encrypted,
    },
  ]
}

function encodeProviderPart(part: Part & { type: 'provider' }, context: Context): Body[] {
  const value = asRecord(part.value)
  if (part.provider === context.provider && value !== undefined) return [value]
  leftOut(context, `A ${part.provider} part`)
  return []
}

function encodeResult(part: Part & { type: 'tool-result' }, context: Context): Body {
  const blocks = partsOf(part.content).flatMap((piece) => encodeContent(piece, context))
  // There is no field for failure; the model has to read it.
  const failed = part.isError === true ? 'Error: ' : ''
  const plain = blocks.every((block) => block['type'] === 'input_text')
  if (!plain && failed !== '') blocks.unshift({ type: 'input_text', text: failed.trim() })
  return {
    type: context.customIds.has(part.id) ? 'custom_tool_call_output' : 'function_call_output',
    call_id: context.id(part.id),
    output: plain ? failed + textOf(part.content) : blocks,
  }
}

/** One piece of what a user says or a tool answers. */
function encodeContent(part: Part, context: Context): Body[] {
  const { provider } = context
  switch (part.type) {
    case 'text':
      return part.text.trim() === '' ? [] : [{ type: 'input_text', text: part.text }]
    case 'image':
      return [
        {
          type: 'input_image',
          file_id: part.fileId,
          image_url: part.fileId === undefined ? imageUrl(part, provider) : undefined,
          detail: part.detail,
        },
      ]
    case 'file':
      return [encodeFile(part, provider)]
    case 'audio':
      return [encodeAudio(part, provider)]
    default:
      leftOut(context, `A ${part.type} part`)
      return []
  }
}

function encodeFile(part: FilePart, provider: string): Body {
  const { fileId, url, data, mediaType } = fromDataUrl(part)
  if (fileId !== undefined) return { type: 'input_file', file_id: fileId }
  if (url !== undefined) return { type: 'input_file', file_url: httpUrl(url, provider) }
  // The name is required beside the data.
  return { type: 'input_file', filename: part.name ?? 'file', file_data: dataUrl(data, mediaType) }
}

function encodeAudio(part: AudioPart, provider: string): Body {
  if (part.data === undefined) throw notMedia(provider, 'audio by address or file id; pass its bytes')
  return {
    type: 'input_audio',
    input_audio: { data: base64Of(part.data), format: audioFormat(part, provider) },
  }
}
