/**
 * Our Request as the body of Gemini's generateContent: contents, declarations, generationConfig.
 *
 * In:  a Request. Out: the JSON body, the tool names as Gemini accepts them, and warnings for what it cannot honour.
 * Signatures, call ids and server-side parts go back exactly where they came from; what another provider made goes
 * without them. Not here: URLs and keys (gemini.ts, vertex.ts), reading answers (gemini.ts).
 * Spec: https://ai.google.dev/api/generate-content, https://ai.google.dev/gemini-api/docs/thought-signatures
 */

import type {
  AudioPart,
  FilePart,
  ImagePart,
  JsonSchema,
  Message,
  Part,
  Request,
  ToolDefinition,
  ToolResultPart,
  Warning,
} from '../types.ts'
import { asRecord, asString, base64Of, defined, isForeign, partsOf, splitSystem, textOf } from './body.ts'
import { fromDataUrl, notMedia } from './media.ts'
import { converted, leftOut, type Notes, unsupported } from './notes.ts'
import { convertSchema } from './schema-dialects.ts'
import { argsObject, toolNames, type ToolNames, wireTools } from './tool-names.ts'

type Wire = Record<string, unknown>

/** What the encoder knows of the request besides its parts. `provider` is whose artefacts may go back. */
interface Context extends Notes {
  request: Request
  /** Gemini 3 and later: levels of thinking, signatures demanded, media inside function responses. */
  modern: boolean
  names: ToolNames
  /** Our id of a call → the id Gemini gave it. Ids we made are not sent: older models refuse them. */
  wireIds: Map<string, string>
}

/**
 * The body of `generateContent` and `streamGenerateContent`, without the caller's raw fields.
 * @param provider the codec's name, for warnings and to tell its own parts from those of others.
 * @throws LlmError `config` for a tool schema that is no object or names that collide; `invalid-request` for an image
 *   that is none.
 */
export function encodeGemini(request: Request, provider: string, warnings: Warning[]): Wire {
  const { system, messages } = splitSystem(request)
  const context: Context = {
    provider,
    warnings,
    request,
    modern: isModern(request.model),
    names: geminiNames(request, provider),
    wireIds: wireIdsOf(messages, provider),
  }
  if (request.parallelToolCalls !== undefined) unsupported(context, 'parallelToolCalls')
  if (typeof request.promptCache === 'object') {
    const why = 'prefixes are cached by themselves; pass body.cachedContent for one of your own'
    unsupported(context, 'promptCache', why)
  }
  return {
    ...encodeTools(context),
    contents: encodeContents(messages, context),
    systemInstruction: system === undefined ? undefined : { parts: [{ text: system }] },
    generationConfig: encodeConfig(context),
  }
}

/** True from Gemini 3 on. Names without a number (`gemini-flash-latest`) are aliases of the newest model. */
function isModern(model: string): boolean {
  const version = /gemini-(?:[a-z-]*?)(\d+)/.exec(model)?.[1]
  return version === undefined ? /gemini-/.test(model) : Number(version) >= 3
}

// ------------------------------------------------------------------------------------- generationConfig

function encodeConfig(context: Context): Wire | undefined {
  const { request } = context
  const { logprobs, schema } = request
  const config = defined({
    maxOutputTokens: request.maxTokens,
    temperature: request.temperature,
    topP: request.topP,
    topK: request.topK,
    stopSequences: request.stop,
    seed: request.seed,
    presencePenalty: request.presencePenalty,
    frequencyPenalty: request.frequencyPenalty,
    responseLogprobs: logprobs === undefined || logprobs === false ? undefined : true,
    logprobs: typeof logprobs === 'number' ? logprobs : undefined,
    responseMimeType: schema === undefined ? undefined : 'application/json',
    responseJsonSchema: schema === undefined ? undefined : dialect(schema, context),
    thinkingConfig: encodeThinking(context),
  })
  return Object.keys(config).length === 0 ? undefined : config
}

/** Words as tokens for Gemini 2.5, within what its three sizes accept (pro 128–32,768, flash 0–24,576). */
const BUDGETS = { off: 0, minimal: 512, low: 2048, medium: 8192, high: 24576, max: 24576 } as const
const LEVELS = {
  off: 'low',
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  max: 'high',
} as const

/**
 * Flash models before 3.8 have a level below low; 3.8 lists low, medium and high. No Gemini 3 can stop thinking.
 * https://ai.google.dev/gemini-api/docs/thinking and llm-gemini 0.34 (2026-11).
 */
const HAS_MINIMAL = /gemini-3(\.[0-7])?-flash/

function encodeThinking(context: Context): Wire | undefined {
  const { reasoning, model } = context.request
  if (reasoning === undefined) return undefined
  if (typeof reasoning === 'object') return { includeThoughts: true, thinkingBudget: reasoning.budgetTokens }
  const includeThoughts = reasoning !== 'off'
  const sent = (what: string): void =>
    converted(context, 'reasoning', `${model} cannot think '${reasoning}': '${what}' was sent.`)
  if (context.modern) {
    const least = (!includeThoughts || reasoning === 'minimal') && HAS_MINIMAL.test(model)
    const thinkingLevel = least ? 'minimal' : LEVELS[reasoning]
    if (thinkingLevel !== reasoning && reasoning !== 'max') sent(thinkingLevel)
    return { includeThoughts, thinkingLevel }
  }
  // 2.5 Pro cannot be turned off; 128 is its least. https://ai.google.dev/gemini-api/docs/thinking (2026-11)
  const thinkingBudget = !includeThoughts && /2\.5-pro/.test(model) ? 128 : BUDGETS[reasoning]
  if (thinkingBudget === 0) return { thinkingBudget }
  if (!includeThoughts) sent(`${thinkingBudget} tokens`)
  return { includeThoughts, thinkingBudget }
}

function dialect(schema: Record<string, unknown>, context: Context): unknown {
  const { schema: subset, warnings } = convertSchema(schema, 'gemini')
  context.warnings.push(...warnings)
  return subset
}

// ------------------------------------------------------------------------------------------------ tools

/**
 * Tool names as Gemini accepts them: a letter or underscore, then up to 63 of letters, digits, `_ . : -`.
 * @throws LlmError `config` when two tools would get the same name.
 */
export function geminiNames(request: Request | undefined, provider: string): ToolNames {
  return toolNames(request, provider, 64, (name) => {
    const safe = name.replace(/[^\w.:-]/g, '_')
    return (/^[a-z_]/i.test(safe) ? safe : `_${safe}`).slice(0, 64)
  })
}

/** Both services of Google run the same tools. */
const GOOGLE: readonly string[] = ['gemini', 'vertex']

function encodeTools(context: Context): Wire {
  const { request, names, provider } = context
  const { toolChoice } = request
  const functionDeclarations: Wire[] = []
  const declare = ({ name, description }: ToolDefinition, schema: JsonSchema): void => {
    const parametersJsonSchema = dialect(schema, context)
    functionDeclarations.push({ name: names.toWire(name), description, parametersJsonSchema })
  }
  const tools = wireTools(request, context, declare, undefined, [provider, ...GOOGLE])
  if (functionDeclarations.length > 0) tools.unshift({ functionDeclarations })
  if (tools.length === 0) return {}
  const functionCallingConfig =
    typeof toolChoice === 'object'
      ? { mode: 'ANY', allowedFunctionNames: [names.toWire(toolChoice.tool)] }
      : { mode: { none: 'NONE', required: 'ANY', auto: 'AUTO' }[toolChoice ?? 'auto'] }
  const chooses = toolChoice !== undefined && functionDeclarations.length > 0
  return { tools, toolConfig: chooses ? { functionCallingConfig } : undefined }
}

// --------------------------------------------------------------------------------------------- contents

function encodeContents(messages: readonly Message[], context: Context): Wire[] {
  const contents: { role: string; parts: Wire[] }[] = []
  let before: Message['role'] | undefined
  for (const { role, content } of messages) {
    if (role === 'system') {
      const why = `${context.provider} takes them at the start only`
      converted(context, 'messages', `A system message in mid-conversation became a user message: ${why}.`)
    }
    const parts = encodeParts(partsOf(content), role === 'assistant', context)
    if (parts.length === 0) continue
    const last = contents.at(-1)
    // All answers to one turn of calls must stand in one turn; 400 "number of function response parts" otherwise.
    if (role === 'tool' && before === 'tool' && last !== undefined) last.parts.push(...parts)
    else contents.push({ role: role === 'assistant' ? 'model' : 'user', parts })
    before = role
  }
  return contents
}

function encodeParts(parts: readonly Part[], model: boolean, context: Context): Wire[] {
  const { provider, names, modern, wireIds } = context
  const encoded: Wire[] = []
  const media: Wire[] = []
  let calls = 0
  for (const part of parts) {
    let thoughtSignature = signatureOf(part, context)
    const put = (piece: Wire): number => encoded.push(defined({ ...piece, thoughtSignature }))
    if (part.type === 'text') {
      // An empty part may be all that carries a signature; otherwise blank text is no content.
      if (part.text.trim() !== '' || thoughtSignature !== undefined) put({ text: part.text })
    } else if (part.type === 'reasoning') {
      thoughtSignature = part.signature
      if (isForeign(part.origin, [provider])) leftOut(context, `Reasoning of ${part.origin?.provider}`)
      else put({ text: part.text, thought: true })
    } else if (part.type === 'tool-call') {
      // The first call of a turn must be signed from Gemini 3 on. Only it: the other calls of a parallel group never are.
      if (calls++ === 0 && model && modern) thoughtSignature ??= UNSIGNED
      const args = argsObject(part)
      put({ functionCall: defined({ id: wireIds.get(part.id), name: names.toWire(part.name), args }) })
    } else if (part.type === 'tool-result') encoded.push(encodeResult(part, media, context))
    else if (part.type === 'provider') {
      const value = asRecord(part.value)
      if (part.provider === provider && value !== undefined) encoded.push(value)
      else leftOut(context, `A part of ${part.provider}`)
    } else put(encodeMedia(part, context))
  }
  return [...encoded, ...media]
}

/**
 * What Google tells clients to send for calls that no Gemini 3 has signed: of another model, or written by hand.
 * https://ai.google.dev/gemini-api/docs/thought-signatures
 */
const UNSIGNED = 'skip_thought_signature_validator'

function signatureOf(part: Part, context: Context): string | undefined {
  if (part.type === 'provider' || part.type === 'reasoning') return undefined
  const signature = asString(part.origin?.['thoughtSignature'])
  if (signature === undefined || !isForeign(part.origin, [context.provider])) return signature
  leftOut(context, `A signature made at ${part.origin?.provider}`)
  return undefined
}

function wireIdsOf(messages: readonly Message[], name: string): Map<string, string> {
  const ids = new Map<string, string>()
  for (const { content } of messages) {
    for (const part of partsOf(content)) {
      if (part.type !== 'tool-call' || isForeign(part.origin, [name])) continue
      const id = asString(part.origin?.['id'])
      if (id !== undefined) ids.set(part.id, id)
    }
  }
  return ids
}

/**
 * A tool's answer. Pictures and documents stand inside it from Gemini 3 on; before, they follow all answers of the turn.
 * https://ai.google.dev/gemini-api/docs/function-calling (multimodal function responses)
 */
function encodeResult(part: ToolResultPart, media: Wire[], context: Context): Wire {
  const inside: Wire[] = []
  for (const piece of partsOf(part.content)) {
    if (piece.type === 'image' || piece.type === 'file' || piece.type === 'audio') {
      const target = context.modern ? inside : media
      target.push(encodeMedia(piece, context))
    }
  }
  const output = textOf(part.content)
  return {
    functionResponse: defined({
      id: context.wireIds.get(part.id),
      name: context.names.toWire(part.name),
      response: part.isError === true ? { error: output } : { output },
      parts: inside.length === 0 ? undefined : inside,
    }),
  }
}

const MEDIA_TYPES = { image: /^image\//i, audio: /^audio\//i, file: /./ } as const

function encodeMedia(given: ImagePart | FilePart | AudioPart, context: Context): Wire {
  const { type, mediaType: said } = given
  if (said !== undefined && !MEDIA_TYPES[type].test(said)) {
    const what = `a part of type ${type} with the media type ${said}: send it as a file, or correct the type`
    throw notMedia(context.provider, what)
  }
  if (given.type === 'image' && given.detail !== undefined && given.detail !== 'auto') {
    unsupported(context, 'detail', 'see body.generationConfig.mediaResolution')
  }
  const { data, mediaType: mimeType, url, fileId } = fromDataUrl(given)
  if (data !== undefined) return { inlineData: { mimeType, data: base64Of(data) } }
  return { fileData: defined({ fileUri: url ?? fileId, mimeType }) }
}
