/**
 * Our request as the body of OpenAI's Responses API: https://developers.openai.com/api/reference/responses.
 *
 * In:  a Request. Out: the body as an object, without `stream`, and the warnings about what could not be honoured.
 * Stateless: nothing is stored at the server (`store: false`), so reasoning comes back encrypted and goes along again.
 * Not here: URLs, headers, keys (openai.ts), reading answers (openai-decode.ts).
 */

import type { AudioPart, FilePart, ImagePart, Message, Part, Request, Warning } from '../types.ts'
import {
  jsonText,
  asArray,
  asNumber,
  asRecord,
  asString,
  base64Of,
  dropped,
  isForeign,
  own,
  partsOf,
  splitSystem,
  textOf,
  unsupported,
} from './body.ts'
import { fromDataUrl, httpUrl, notMedia } from './media.ts'
import { SEPARATOR } from './openai-decode.ts'
import { convertSchema } from './schema-dialects.ts'
import { idMap, isDefinition, objectSchema, toolNames } from './tool-names.ts'
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
  const warnings: Warning[] = []
  const { system, messages } = splitSystem(request)
  const names = toolNames(request, provider, 64)
  const custom = customTools(request, provider)
  const reasons = reasonsAbout(request.model)
  const stored = own(request.body, 'store') === true
  const context: Context = { provider, warnings, names, custom, stored, id: idMap(64), customIds: new Set() }
  const include: string[] = []
  if (reasons) include.push('reasoning.encrypted_content')
  const body: Body = {
    model: request.model,
    instructions: system,
    input: messages.flatMap((message) => encodeMessage(message, context)),
    store: false,
    max_output_tokens: request.maxTokens,
    parallel_tool_calls: request.parallelToolCalls,
  }
  const effort = encodeEffort(request, reasons, provider, warnings)
  // No `summary`: 400 "Your organization must be verified to generate reasoning summaries" (dozens of reports, 2026-01).
  // `body: { reasoning: { summary: 'auto' } }` asks for one.
  if (effort !== undefined) body['reasoning'] = { effort }
  for (const [field, wire] of [
    ['temperature', 'temperature'],
    ['topP', 'top_p'],
  ] as const) {
    if (request[field] === undefined) continue
    // 400 "Unsupported parameter: 'temperature' is not supported with this model."
    if (reasons && effort !== 'none') {
      warnings.push(unsupported(field, provider, `${request.model} rejects it while it reasons`))
    } else body[wire] = request[field]
  }
  encodeTools(request, context, body)
  if (request.schema !== undefined) {
    const { schema, strict, warnings: notes } = convertSchema(request.schema, 'openai-strict')
    warnings.push(...notes)
    body['text'] = { format: { type: 'json_schema', name: 'answer', schema, strict } }
  }
  if (request.logprobs !== undefined && request.logprobs !== false) {
    include.push('message.output_text.logprobs')
    if (request.logprobs !== true) body['top_logprobs'] = request.logprobs
  }
  if (include.length > 0) body['include'] = include
  encodeCache(request, provider, body, warnings)
  for (const field of ['topK', 'seed', 'presencePenalty', 'frequencyPenalty', 'stop'] as const) {
    const value = request[field]
    if (value !== undefined && !(Array.isArray(value) && value.length === 0)) {
      warnings.push(unsupported(field, provider))
    }
  }
  return { body, warnings }
}

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

function encodeEffort(
  request: Request,
  reasons: boolean,
  provider: string,
  warnings: Warning[],
): Rung | undefined {
  const { reasoning, model } = request
  if (reasoning === undefined) return undefined
  if (!reasons) {
    if (reasoning !== 'off') warnings.push(unsupported('reasoning', provider, `${model} does not reason`))
    return undefined
  }
  const known = (EFFORTS.find(([pattern]) => pattern.test(model))?.[1] ?? DEFAULT_EFFORTS).split(
    ' ',
  ) as Rung[]
  const wanted: Rung =
    typeof reasoning === 'object' ? rungFor(reasoning.budgetTokens) : reasoning === 'off' ? 'none' : reasoning
  if (typeof reasoning !== 'object' && known.includes(wanted)) return wanted
  const place = LADDER.indexOf(wanted)
  const distance = (rung: Rung) => Math.abs(LADDER.indexOf(rung) - place)
  const [nearest = 'medium'] = [...known]
    .filter((rung) => wanted === 'none' || rung !== 'none')
    .sort((a, b) => distance(a) - distance(b))
  // The words at either end mean "as little" and "as much as there is".
  if (typeof reasoning === 'object' || wanted === 'none') {
    warnings.push({
      code: 'converted',
      field: 'reasoning',
      message: `${model} takes no ${wanted === 'none' ? 'switch to turn reasoning off' : 'token budget'}; the effort "${nearest}" was sent.`,
    })
  }
  return nearest
}

function rungFor(budgetTokens: number): Rung {
  if (budgetTokens <= 0) return 'none'
  return budgetTokens <= 2048
    ? 'low'
    : budgetTokens <= 8192
      ? 'medium'
      : budgetTokens <= 24_576
        ? 'high'
        : 'max'
}

// -------------------------------------------------------------------------------------------------- tools

interface Context {
  provider: string
  warnings: Warning[]
  names: ToolNames
  /** Names of the caller's free-text tools. */
  custom: ReadonlySet<string>
  /** The server keeps items, so ids alone will do. */
  stored: boolean
  id: (id: string) => string
  /** Calls of free-text tools, whose results have a type of their own. */
  customIds: Set<string>
}

function customTools(request: Request, provider: string): ReadonlySet<string> {
  const found = new Set<string>()
  for (const tool of request.tools ?? []) {
    if (isDefinition(tool) || tool.provider !== provider || own(tool.value, 'type') !== 'custom') continue
    const name = asString(own(tool.value, 'name'))
    if (name !== undefined) found.add(name)
  }
  return found
}

function encodeTools(request: Request, { provider, warnings, names, custom }: Context, body: Body): void {
  const tools: unknown[] = []
  for (const tool of request.tools ?? []) {
    if (isDefinition(tool)) {
      const parameters = objectSchema(tool, provider)
      const converted = tool.strict === true ? convertSchema(parameters, 'openai-strict') : undefined
      warnings.push(...(converted?.warnings ?? []))
      tools.push({
        type: 'function',
        name: names.toWire(tool.name),
        description: tool.description,
        parameters: converted?.schema ?? parameters,
        // Unlike in Chat Completions the default is true, which rewrites schemas at the server.
        strict: converted?.strict ?? false,
      })
    } else if (tool.provider === provider) tools.push(tool.value)
    else
      warnings.push(dropped('tools', `A tool of ${tool.provider} was left out: ${provider} cannot run it.`))
  }
  const { toolChoice } = request
  if (tools.length > 0) {
    body['tools'] = tools
    body['tool_choice'] =
      typeof toolChoice !== 'object'
        ? toolChoice
        : custom.has(toolChoice.tool)
          ? { type: 'custom', name: toolChoice.tool }
          : { type: 'function', name: names.toWire(toolChoice.tool) }
  } else if (toolChoice === 'required' || typeof toolChoice === 'object') {
    warnings.push(unsupported('toolChoice', provider, 'there are no tools'))
  }
}

function encodeCache(request: Request, provider: string, body: Body, warnings: Warning[]): void {
  const { promptCache } = request
  // Caching itself is automatic; there is no way to turn it off.
  if (typeof promptCache !== 'object') return
  if (promptCache.key !== undefined) body['prompt_cache_key'] = promptCache.key
  if (promptCache.ttl !== undefined) warnings.push(unsupported('promptCache.ttl', provider))
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
  const { provider, warnings, names, id, customIds } = context
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
        const phase = asString(own(origin, 'phase'))
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
        if (foreign) warnings.push(dropped('messages', `Reasoning of ${part.origin?.provider} was left out.`))
        else items.push(...encodeReasoning(part, context))
        break
      case 'tool-call':
        if (own(origin, 'custom') === true) {
          customIds.add(part.id)
          const input = part.invalid?.raw ?? asString(own(part.args, 'input')) ?? jsonText(part.args ?? {})
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
        warnings.push(
          dropped('messages', `The ${part.type} in an answer was left out: ${provider} takes none back.`),
        )
    }
  }
  // 400 "Item 'rs_…' of type 'reasoning' was provided without its required following item." (recorded 2025-09)
  while (items.at(-1)?.['type'] === 'reasoning') {
    items.pop()
    warnings.push(dropped('messages', 'Reasoning that nothing follows was left out.'))
  }
  return items
}

function encodeReasoning(part: Part & { type: 'reasoning' }, { warnings, stored }: Context): Body[] {
  const { text, encrypted, origin } = part
  const summary: Body[] = []
  const content: Body[] = []
  const sections = asArray(own(origin, 'sections')).map((section) => asArray(section))
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
  if (encrypted === undefined && content.length === 0 && !stored) {
    warnings.push(dropped('messages', 'Reasoning without its encrypted form was left out.'))
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

function encodeProviderPart(part: Part & { type: 'provider' }, { provider, warnings }: Context): Body[] {
  const value = asRecord(part.value)
  if (part.provider === provider && value !== undefined) return [value]
  warnings.push(dropped('messages', `A ${part.provider} part was left out.`))
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
  const { provider, warnings } = context
  switch (part.type) {
    case 'text':
      return part.text.trim() === '' ? [] : [{ type: 'input_text', text: part.text }]
    case 'image':
      return [encodeImage(part, provider)]
    case 'file':
      return [encodeFile(part, provider)]
    case 'audio':
      return [encodeAudio(part, provider)]
    default:
      warnings.push(dropped('messages', `A ${part.type} part was left out: ${provider} takes none there.`))
      return []
  }
}

function encodeImage(part: ImagePart, provider: string): Body {
  const media = fromDataUrl(part)
  const detail = part.detail
  if (media.fileId !== undefined) return { type: 'input_image', file_id: media.fileId, detail }
  if (media.mediaType !== undefined && !media.mediaType.startsWith('image/')) {
    throw notMedia(provider, `an image of type ${media.mediaType}`)
  }
  const url =
    media.url === undefined
      ? `data:${media.mediaType};base64,${base64Of(media.data)}`
      : httpUrl(media.url, provider)
  return { type: 'input_image', image_url: url, detail }
}

function encodeFile(part: FilePart, provider: string): Body {
  const media = fromDataUrl(part)
  if (media.fileId !== undefined) return { type: 'input_file', file_id: media.fileId }
  if (media.url !== undefined) return { type: 'input_file', file_url: httpUrl(media.url, provider) }
  return {
    type: 'input_file',
    // Required beside file_data.
    filename: part.name ?? 'file',
    file_data: `data:${media.mediaType};base64,${base64Of(media.data)}`,
  }
}

function encodeAudio(part: AudioPart, provider: string): Body {
  if (part.data === undefined) throw notMedia(provider, 'audio by address or file id; pass its bytes')
  const subtype = /^audio\/(?:x-)?([\w.+-]+)/.exec(part.mediaType)?.[1]
  if (subtype === undefined) throw notMedia(provider, `audio of type ${part.mediaType}`)
  const format = subtype === 'mpeg' ? 'mp3' : subtype === 'wave' ? 'wav' : subtype
  return { type: 'input_audio', input_audio: { data: base64Of(part.data), format } }
}
