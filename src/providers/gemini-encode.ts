/**
 * Our Request as the body of Gemini's generateContent: contents, declarations, generationConfig.
 *
 * In:  a Request. Out: the JSON body, the tool names as Gemini accepts them, and warnings for what it cannot honour.
 * Signatures, call ids and server-side parts go back exactly where they came from; what another provider made goes
 * without them. Not here: URLs and keys (gemini.ts, vertex.ts), reading answers (gemini.ts).
 * Spec: https://ai.google.dev/api/generate-content, https://ai.google.dev/gemini-api/docs/thought-signatures
 */

import { LlmError } from '../errors.ts'
import type {
  AudioPart,
  FilePart,
  ImagePart,
  Message,
  Part,
  Request,
  ToolResultPart,
  Warning,
} from '../types.ts'
import {
  asRecord,
  asString,
  base64Of,
  dropped,
  isForeign,
  partsOf,
  splitSystem,
  textOf,
  unsupported,
} from './body.ts'
import { convertSchema } from './schema-dialects.ts'
import { argsObject, isDefinition } from './tool-names.ts'

type Wire = Record<string, unknown>

/** What the encoder knows of the request besides its parts. */
interface Context {
  /** The codec's name: whose artefacts may go back. */
  name: string
  /** Gemini 3 and later: levels of thinking, signatures demanded, media inside function responses. */
  modern: boolean
  names: ToolNames
  /** Our id of a call → the id Gemini gave it. Ids we made are not sent: older models refuse them. */
  wireIds: Map<string, string>
  warnings: Warning[]
}

/**
 * The body of `generateContent` and `streamGenerateContent`, without the caller's raw fields.
 * @param name the codec's name, for warnings and to tell its own parts from those of others.
 * @throws LlmError `config` for a tool schema that is no object or names that collide; `invalid-request` for an image
 *   that is none.
 */
export function encodeGemini(request: Request, name: string, warnings: Warning[]): Wire {
  const { system, messages } = splitSystem(request)
  const context: Context = {
    name,
    modern: isModern(request.model),
    names: toolNames(request, name),
    wireIds: wireIdsOf(messages, name),
    warnings,
  }
  if (request.parallelToolCalls !== undefined) warnings.push(unsupported('parallelToolCalls', name))
  if (typeof request.promptCache === 'object') {
    warnings.push(
      unsupported(
        'promptCache',
        name,
        'prefixes are cached by themselves; pass body.cachedContent for one of your own',
      ),
    )
  }
  const { tools, choice } = encodeTools(request, context)
  return {
    contents: encodeContents(messages, context),
    systemInstruction: system === undefined ? undefined : { parts: [{ text: system }] },
    tools,
    toolConfig: choice === undefined ? undefined : { functionCallingConfig: choice },
    generationConfig: encodeConfig(request, context),
  }
}

/** True from Gemini 3 on. Names without a number (`gemini-flash-latest`) are aliases of the newest model. */
function isModern(model: string): boolean {
  const version = /gemini-(?:[a-z-]*?)(\d+)/.exec(model)?.[1]
  return version === undefined ? /gemini-/.test(model) : Number(version) >= 3
}

// ------------------------------------------------------------------------------------- generationConfig

function encodeConfig(request: Request, context: Context): Wire | undefined {
  const { logprobs, schema } = request
  const config: Wire = {
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
    thinkingConfig: encodeThinking(request, context),
  }
  return Object.values(config).some((value) => value !== undefined) ? config : undefined
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

function encodeThinking(request: Request, context: Context): Wire | undefined {
  const { reasoning, model } = request
  if (reasoning === undefined) return undefined
  if (typeof reasoning === 'object') return { includeThoughts: true, thinkingBudget: reasoning.budgetTokens }
  const converted = (sent: string): void => {
    const message = `${model} cannot think '${reasoning}': '${sent}' was sent.`
    context.warnings.push({ code: 'converted', field: 'reasoning', message })
  }
  if (context.modern) {
    const least = (reasoning === 'off' || reasoning === 'minimal') && HAS_MINIMAL.test(model)
    const level = least ? 'minimal' : LEVELS[reasoning]
    if (level !== reasoning && reasoning !== 'max') converted(level)
    return { includeThoughts: reasoning !== 'off', thinkingLevel: level }
  }
  // 2.5 Pro cannot be turned off; 128 is its least. https://ai.google.dev/gemini-api/docs/thinking (2026-11)
  const budget = reasoning === 'off' && /2\.5-pro/.test(model) ? 128 : BUDGETS[reasoning]
  if (reasoning === 'off' && budget > 0) converted(`${budget} tokens`)
  return budget === 0
    ? { thinkingBudget: 0 }
    : { includeThoughts: reasoning !== 'off', thinkingBudget: budget }
}

function dialect(schema: Record<string, unknown>, context: Context): unknown {
  const { schema: converted, warnings } = convertSchema(schema, 'gemini')
  context.warnings.push(...warnings)
  return converted
}

// ------------------------------------------------------------------------------------------------ tools

/** Both directions of a renaming. */
export interface ToolNames {
  toWire(name: string): string
  fromWire(name: string): string
}

/**
 * Tool names as Gemini accepts them: a letter or underscore, then up to 63 of letters, digits, `_ . : -`.
 * @throws LlmError `config` when two tools would get the same name.
 */
export function toolNames(request: Request | undefined, provider: string): ToolNames {
  const back = new Map<string, string>()
  for (const tool of request?.tools ?? []) {
    if (!isDefinition(tool)) continue
    const wire = wireName(tool.name)
    const taken = back.get(wire)
    if (taken !== undefined) {
      throw new LlmError({
        kind: 'config',
        provider,
        phase: 'encode',
        message: `The tools ${taken} and ${tool.name} would both be called ${wire} at ${provider}: rename one.`,
      })
    }
    back.set(wire, tool.name)
  }
  return { toWire: wireName, fromWire: (name) => back.get(name) ?? name }
}

function wireName(name: string): string {
  const safe = name.replace(/[^\w.:-]/g, '_')
  return (/^[a-z_]/i.test(safe) ? safe : `_${safe}`).slice(0, 64)
}

const GOOGLE: readonly string[] = ['gemini', 'vertex']

function encodeTools(request: Request, context: Context): { tools?: unknown[]; choice?: Wire } {
  const { name, names, warnings } = context
  const functionDeclarations: Wire[] = []
  const tools: unknown[] = []
  for (const tool of request.tools ?? []) {
    if (!isDefinition(tool)) {
      // Both services of Google run the same tools.
      if (tool.provider === name || GOOGLE.includes(tool.provider)) tools.push(tool.value)
      else
        warnings.push(dropped('tools', `A tool of ${tool.provider} cannot run at ${name} and was left out.`))
      continue
    }
    if (asRecord(tool.inputSchema) === undefined) {
      throw new LlmError({
        kind: 'config',
        provider: name,
        phase: 'encode',
        message: `The inputSchema of tool ${tool.name} is not a JSON Schema object.`,
      })
    }
    functionDeclarations.push({
      name: names.toWire(tool.name),
      description: tool.description,
      parametersJsonSchema: dialect(tool.inputSchema, context),
    })
  }
  if (functionDeclarations.length > 0) tools.unshift({ functionDeclarations })
  if (tools.length === 0) return {}
  return functionDeclarations.length === 0 || request.toolChoice === undefined
    ? { tools }
    : { tools, choice: encodeChoice(request.toolChoice, names) }
}

function encodeChoice(choice: NonNullable<Request['toolChoice']>, names: ToolNames): Wire {
  if (typeof choice === 'object') return { mode: 'ANY', allowedFunctionNames: [names.toWire(choice.tool)] }
  return { mode: choice === 'none' ? 'NONE' : choice === 'required' ? 'ANY' : 'AUTO' }
}

// --------------------------------------------------------------------------------------------- contents

function encodeContents(messages: readonly Message[], context: Context): Wire[] {
  const contents: { role: string; parts: Wire[] }[] = []
  let before: Message['role'] | undefined
  for (const { role, content } of messages) {
    if (role === 'system') {
      const message = `${context.name} knows a system prompt only at the start: a later one was sent as the user's.`
      context.warnings.push({ code: 'converted', field: 'messages', message })
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
  const encoded: Wire[] = []
  const media: Wire[] = []
  let calls = 0
  for (const part of parts) {
    const signature = signatureOf(part, context)
    if (part.type === 'text') {
      // An empty part may be all that carries a signature; otherwise blank text is no content.
      if (part.text.trim() !== '' || signature !== undefined)
        encoded.push(signed({ text: part.text }, signature))
    } else if (part.type === 'reasoning') {
      if (isForeign(part.origin, [context.name])) {
        const message = `Reasoning of ${part.origin?.provider} was left out of the history.`
        context.warnings.push(dropped('messages', message))
      } else encoded.push(signed({ text: part.text, thought: true }, part.signature))
    } else if (part.type === 'tool-call') {
      const id = context.wireIds.get(part.id)
      const functionCall: Wire = {
        ...(id === undefined ? {} : { id }),
        name: context.names.toWire(part.name),
        args: argsObject(part),
      }
      // The first call of a turn must be signed from Gemini 3 on. Only it: the other calls of a parallel group never are.
      const first = calls++ === 0 && model
      encoded.push(signed({ functionCall }, signature ?? (first && context.modern ? UNSIGNED : undefined)))
    } else if (part.type === 'tool-result') {
      encoded.push(encodeResult(part, media, context))
    } else if (part.type === 'provider') {
      const value = asRecord(part.value)
      if (part.provider === context.name && value !== undefined) encoded.push(value)
      else {
        const message = `A part of ${part.provider} cannot be sent to ${context.name} and was left out.`
        context.warnings.push(dropped('messages', message))
      }
    } else encoded.push(signed(encodeMedia(part, context), signature))
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
  if (signature === undefined || !isForeign(part.origin, [context.name])) return signature
  const message = `A signature made at ${part.origin?.provider} means nothing to ${context.name} and was left out.`
  context.warnings.push(dropped('messages', message))
  return undefined
}

function signed(part: Wire, thoughtSignature: string | undefined): Wire {
  return thoughtSignature === undefined ? part : { ...part, thoughtSignature }
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
  const text = textOf(part.content)
  const id = context.wireIds.get(part.id)
  return {
    functionResponse: {
      ...(id === undefined ? {} : { id }),
      name: context.names.toWire(part.name),
      response: part.isError === true ? { error: text } : { output: text },
      ...(inside.length === 0 ? {} : { parts: inside }),
    },
  }
}

const MEDIA_TYPES = { image: /^image\//i, audio: /^audio\//i, file: /./ } as const

function encodeMedia(part: ImagePart | FilePart | AudioPart, context: Context): Wire {
  const { type, mediaType } = part
  if (mediaType !== undefined && !MEDIA_TYPES[type].test(mediaType)) {
    throw new LlmError({
      kind: 'invalid-request',
      provider: context.name,
      phase: 'encode',
      message: `A part of type ${type} has the media type ${mediaType}: send it as a file part, or correct the type.`,
    })
  }
  if (part.type === 'image' && part.detail !== undefined && part.detail !== 'auto') {
    context.warnings.push(unsupported('detail', context.name, 'see body.generationConfig.mediaResolution'))
  }
  if (part.data !== undefined) return { inlineData: { mimeType: mediaType, data: base64Of(part.data) } }
  const inline = /^data:([^;,]+)[^,]*;base64,/i.exec(part.url ?? '')
  if (inline !== null) {
    return {
      inlineData: { mimeType: mediaType ?? inline[1], data: (part.url ?? '').slice(inline[0].length) },
    }
  }
  return {
    fileData: {
      fileUri: part.url ?? part.fileId,
      ...(mediaType === undefined ? {} : { mimeType: mediaType }),
    },
  }
}
