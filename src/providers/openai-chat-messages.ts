/**
 * The turns of a conversation as the `messages` of Chat Completions, in the dialect of one server.
 *
 * In:  Request, Dialect. Out: the list, and warnings for what had to stay behind.
 * What another provider made (reasoning, its own parts) means nothing here and is left out with a warning; pictures in
 * tool results follow in a user turn, because a tool turn holds text; a failure is told in words.
 * Not here: options, tools and the schema of the answer (openai-chat-encode.ts).
 */

import type { LlmError } from '../errors.ts'
import type {
  AudioPart,
  FilePart,
  ImagePart,
  Message,
  Part,
  ReasoningPart,
  Request,
  ToolCallPart,
  ToolResultPart,
} from '../types.ts'
import { base64Of, isForeign, jsonText, listIn, own, partsOf, textOf } from './body.ts'
import { audioFormat, dataUrl, fromDataUrl, httpUrl, imageUrl } from './media.ts'
import { fault, leftOut, type Notes } from './notes.ts'
import type { Dialect } from './openai-chat-dialect.ts'
import type { ToolNames } from './tool-names.ts'

/** A JSON object of the wire. */
export type Body = Record<string, unknown>

/** What every step of encoding needs. */
export interface Context extends Notes {
  dialect: Dialect
  request: Request
  names: ToolNames
}

/** The `messages` of the request. @throws LlmError `invalid-request` or `unsupported` when a part cannot be sent. */
export function encodeMessages(context: Context): Body[] {
  const { request, dialect } = context
  const messages: Body[] = []
  const system = request.system ?? ''
  const schemaNote =
    request.schema !== undefined && dialect.schema === 'object'
      ? `Answer with JSON only, fitting this JSON Schema:\n${jsonText(request.schema)}`
      : ''
  const prompt = [system, schemaNote].filter((text) => text.trim() !== '').join('\n\n')
  if (prompt !== '') messages.push({ role: 'system', content: prompt })
  /** Images out of tool results wait until the last of the results in a row: only then may a user turn stand. */
  let waiting: unknown[] = []
  const flush = (): void => {
    if (waiting.length > 0) messages.push({ role: 'user', content: waiting })
    waiting = []
  }
  for (const message of request.messages) {
    const parts = partsOf(message.content)
    const results = parts.filter((part): part is ToolResultPart => part.type === 'tool-result')
    if (results.length === 0) flush()
    for (const result of results) messages.push(encodeResult(result, context, waiting))
    const rest = parts.filter((part) => part.type !== 'tool-result')
    if (rest.length === 0) continue
    if (message.role === 'tool') {
      throw misplaced(context, rest[0]!, 'A message of role "tool"')
    }
    flush()
    const encoded =
      message.role === 'assistant' ? encodeAssistant(rest, context) : encodeTurn(message, rest, context)
    if (encoded !== undefined) messages.push(encoded)
  }
  flush()
  if (dialect.promptCache === 'marks') markCache(messages, context)
  const turns = dialect.alternate === true ? joinTurns(messages) : messages
  return dialect.wordsAfterResults === undefined ? turns : withWords(turns, dialect.wordsAfterResults)
}

/** Words of the assistant's between tool results and what the user says next. */
function withWords(messages: readonly Body[], content: string): Body[] {
  return messages.flatMap((message, at) =>
    message['role'] === 'user' && messages[at - 1]?.['role'] === 'tool'
      ? [{ role: 'assistant', content }, message]
      : [message],
  )
}

/** Neighbouring user or assistant turns of plain text as one. */
function joinTurns(messages: readonly Body[]): Body[] {
  const turns: Body[] = []
  for (const message of messages) {
    const last = turns.at(-1)
    const { role, content, ...rest } = message
    const joins =
      last?.['role'] === role && typeof last?.['content'] === 'string' && typeof content === 'string'
    if (joins && Object.keys(rest).length === 0) {
      turns[turns.length - 1] = { ...last, content: `${last['content'] as string}\n\n${content}` }
    } else turns.push(message)
  }
  return turns
}

/** A user or system turn. Undefined when nothing but blanks is left of it. */
function encodeTurn(message: Message, parts: readonly Part[], context: Context): Body | undefined {
  const { role } = message
  if (role === 'system') {
    const text = textOf(message.content)
    return text.trim() === '' ? undefined : { role, content: text }
  }
  if (typeof message.content === 'string') {
    return message.content.trim() === '' ? undefined : { role, content: message.content }
  }
  const blocks = parts.flatMap((part) => encodeBlock(part, context))
  if (blocks.length === 0) return undefined
  const texts = blocks.map((block) => own(block, 'text'))
  const allText = texts.every((text) => typeof text === 'string')
  // One text is a string everywhere; several are, where arrays are not understood.
  if (allText && (blocks.length === 1 || context.dialect.textOnly === true))
    return { role, content: texts.join('\n') }
  return { role, content: blocks }
}

function encodeBlock(part: Part, context: Context): Body[] {
  const { provider, dialect } = context
  switch (part.type) {
    case 'text':
      return part.text.trim() === '' ? [] : [{ type: 'text', text: part.text }]
    case 'image':
    case 'file':
    case 'audio':
      if (dialect.media !== undefined && !dialect.media.includes(part.type)) {
        const message = `${provider} takes no ${part.type} parts: send its text, or choose another provider.`
        throw fault('unsupported', provider, 'encode', message)
      }
      return [
        part.type === 'image'
          ? encodeImage(part, context)
          : part.type === 'file'
            ? encodeFile(part, context)
            : encodeAudio(part, context),
      ]
    case 'provider':
      if (part.provider === provider) return [part.value as Body]
      leftOut(context, `A part of ${part.provider}`)
      return []
    default:
      throw misplaced(context, part, 'A user message')
  }
}

function encodeImage(part: ImagePart, context: Context): Body {
  const url = imageUrl(part, context.provider)
  if (url === undefined) throw byReference(part, context)
  return { type: 'image_url', image_url: { url, detail: part.detail } }
}

function encodeFile(part: FilePart, context: Context): Body {
  const { fileId, url, data, mediaType, name } = fromDataUrl(part)
  if (fileId !== undefined) return { type: 'file', file: { file_id: fileId } }
  if (url !== undefined) {
    if (context.dialect.mediaUrls !== true) throw byReference(part, context)
    const file_data = httpUrl(url, context.provider)
    return { type: 'file', file: { filename: name ?? nameOf(url), file_data } }
  }
  const filename = name ?? `file.${mediaType.split(/[/+;]/)[1] ?? 'bin'}`
  return { type: 'file', file: { filename, file_data: dataUrl(data, mediaType) } }
}

function encodeAudio(part: AudioPart, context: Context): Body {
  if (part.data === undefined) throw byReference(part, context)
  const format = audioFormat(part, context.provider)
  return { type: 'input_audio', input_audio: { data: base64Of(part.data), format } }
}

function byReference(part: ImagePart | FilePart | AudioPart, { provider }: Context): LlmError {
  const way = part.url === undefined ? 'a file id' : 'a URL'
  const message = `${provider} does not take a part of type "${part.type}" by ${way}: pass its data and mediaType.`
  return fault('unsupported', provider, 'encode', message)
}

function nameOf(url: string): string {
  const last = url.split(/[?#]/, 1)[0]!.split('/').at(-1)
  return last === undefined || last === '' ? 'file' : last
}

/** An assistant turn. Undefined when nothing of it can go back. */
function encodeAssistant(parts: readonly Part[], context: Context): Body | undefined {
  const { provider, dialect } = context
  let text = ''
  const reasoning: ReasoningPart[] = []
  const calls: Body[] = []
  for (const part of parts) {
    if (part.type === 'text') text += part.text
    else if (part.type === 'tool-call') calls.push(encodeCall(part, context))
    else if (part.type === 'reasoning') {
      if (isForeign(part.origin, [provider])) {
        leftOut(context, `Reasoning of ${part.origin?.provider}`)
      } else reasoning.push(part)
    } else if (part.type === 'provider' && part.provider === provider) {
      // What this API reports of its own tools is for reading; it has no field that takes it back.
    } else {
      leftOut(context, `An assistant part of type "${part.type}"`)
    }
  }
  const turn: Body = { role: 'assistant' }
  const thought = replayReasoning(reasoning, calls.length > 0, dialect)
  if (dialect.replayReasoning === 'content' && reasoning.length > 0) {
    turn['content'] = [
      ...reasoning.map((part) => ({ type: 'thinking', thinking: [{ type: 'text', text: part.text }] })),
      ...(text.trim() === '' ? [] : [{ type: 'text', text }]),
    ]
  } else turn['content'] = text.trim() === '' ? (dialect.emptyContent ?? null) : text
  Object.assign(turn, thought)
  if (calls.length > 0) turn['tool_calls'] = calls
  const blank = text.trim() === '' && calls.length === 0
  return blank && (reasoning.length === 0 || Object.keys(thought).length === 0) ? undefined : turn
}

function replayReasoning(parts: readonly ReasoningPart[], withCalls: boolean, dialect: Dialect): Body {
  const how = dialect.replayReasoning ?? 'none'
  const text = parts.map((part) => part.text).join('')
  if (dialect.reasoningWithCalls === true && withCalls && text === '') return { reasoning_content: '' }
  if (parts.length === 0 || how === 'none' || how === 'content') return {}
  if (how === 'reasoning_details') {
    const details = parts.flatMap((part) => listIn(part.origin, 'details'))
    return details.length > 0 ? { reasoning_details: details } : text === '' ? {} : { reasoning: text }
  }
  if (text === '') return {}
  const field = how === 'field' ? part0Field(parts) : how
  return { [field]: text }
}

/** The field the reasoning came in; what came inside the text goes back as the field most servers know. */
function part0Field(parts: readonly ReasoningPart[]): string {
  const field = parts[0]?.origin?.['field']
  return field === 'reasoning' || field === 'reasoning_text' ? field : 'reasoning_content'
}

function encodeCall(part: ToolCallPart, context: Context): Body {
  const { origin } = part
  const mine = origin !== undefined && origin.provider === context.provider
  const text = part.invalid === undefined ? jsonText(part.args ?? {}) : part.invalid.raw
  const id = callId(part.id, context.dialect)
  const name = context.names.toWire(part.name)
  const extra =
    mine && origin['extra_content'] !== undefined ? { extra_content: origin['extra_content'] } : {}
  if (mine && origin['custom'] === true) {
    const input = own(part.args, 'input')
    return { id, type: 'custom', custom: { name, input: typeof input === 'string' ? input : text } }
  }
  return { id, type: 'function', function: { name, arguments: text }, ...extra }
}

function encodeResult(part: ToolResultPart, context: Context, waiting: unknown[]): Body {
  const { dialect, names } = context
  const parts = partsOf(part.content)
  const blocks: Body[] = []
  for (const inner of parts) {
    if (inner.type === 'text') continue
    if (inner.type === 'reasoning' || inner.type === 'tool-call' || inner.type === 'tool-result') {
      throw misplaced(context, inner, 'A tool result')
    }
    blocks.push(...encodeBlock(inner, context))
  }
  let text = textOf(part.content)
  // There is no field for failure; the model has to read it.
  if (part.isError === true) text = `Error: ${text}`
  let content: unknown = text
  if (blocks.length > 0 && dialect.imagesInToolResults === true) {
    content = [...(text === '' ? [] : [{ type: 'text', text }]), ...blocks]
  } else if (blocks.length > 0) {
    if (text === '') content = 'The result follows in the next user message.'
    waiting.push({ type: 'text', text: `From the result of ${part.name}:` }, ...blocks)
  }
  return {
    role: 'tool',
    tool_call_id: callId(part.id, dialect),
    name: dialect.toolResultName === true ? names.toWire(part.name) : undefined,
    content,
  }
}

/** The id as the server accepts it: the same one for call and result, however often it is asked for. */
function callId(id: string, dialect: Dialect): string {
  const { callIdLength, callIdMaxLength = Infinity } = dialect
  const length = callIdLength ?? callIdMaxLength
  const fits =
    callIdLength === undefined ? id.length <= length : id.length === length && /^[a-zA-Z0-9]+$/.test(id)
  if (fits) return id
  // FNV-1a in two halves of 32 bits, in base 36: 9 characters hold 46 bits.
  let text = ''
  for (let salt = 0; text.length < length; salt++) {
    let hash = 0x811c9dc5 ^ salt
    for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193)
    text += (hash >>> 0).toString(36)
  }
  return text.slice(0, length)
}

/** Anthropic models behind OpenRouter cache up to a mark: one after the system prompt, one after the last turn. */
function markCache(messages: Body[], { request }: Context): void {
  const cache = request.promptCache
  if (cache === undefined || cache === false || !/anthropic|claude/i.test(request.model)) return
  const ttl = typeof cache === 'object' ? cache.ttl : undefined
  const mark = { type: 'ephemeral', ...(ttl === '1h' ? { ttl } : {}) }
  const first = messages.find((message) => message['role'] === 'system')
  const last = messages.findLast((message) => message['role'] === 'user')
  for (const message of new Set([first, last])) {
    if (message === undefined) continue
    const { content } = message
    if (typeof content === 'string')
      message['content'] = [{ type: 'text', text: content, cache_control: mark }]
    else if (Array.isArray(content)) {
      const at = content.findLastIndex((block) => own(block, 'type') === 'text')
      if (at >= 0) message['content'] = content.with(at, { ...(content[at] as Body), cache_control: mark })
    }
  }
}

function misplaced({ provider }: Context, { type }: Part, where: string): LlmError {
  return fault('invalid-request', provider, 'encode', `${where} cannot hold a part of type "${type}".`)
}
