/**
 * Tokens of a chat request: the texts, and what the provider wraps around them.
 *
 * In:  messages, tools, pictures, an encoding. Out: a number.
 * With o200k_harmony the request is rendered exactly (`harmony.ts`). For OpenAI's hosted models nothing is published
 * but an estimate; the rows below say where each number is from and how it fared against recorded requests. Exact
 * counts there: `client.countTokens()`. Not here: other providers (`estimate.ts`).
 */

import { LlmError } from '../errors.ts'
import type { JsonSchema, Message, Part, ToolCallPart, ToolDefinition } from '../types.ts'
import type { Encoding } from './encoding.ts'
import { renderHarmony, type HarmonyOptions } from './harmony.ts'
import { countImagePart, type ImageCounting } from './images.ts'

/** What a chat format adds to the texts. Numbers are tokens. */
export type ChatRule = {
  /** Model names that begin so; '' is every other model. The first match counts. */
  readonly models: readonly string[]
  /** Around each message, besides its role and its content. */
  readonly perMessage: number
  /** For a message that carries a name, besides the name. */
  readonly perName: number
  /** For the start of the answer. */
  readonly priming: number
  /** Around the rendered tools: where a system message holds them already, and where one has to be made. */
  readonly tools: { readonly withSystem: number; readonly withoutSystem: number }
  /** For each tool call, besides its name (twice: with the call and with its result) and its arguments. */
  readonly perToolCall: number
  /** More, once, for a turn with several tool calls. */
  readonly parallelCalls: number
  readonly source: string
}

const SHARED = { tools: { withSystem: 5, withoutSystem: 8 }, perToolCall: 5, parallelCalls: 20 } as const

const COOKBOOK = 'openai-cookbook "How to count tokens with tiktoken", read 2026-11'

/** Dated rows, the first that fits is used. */
export const CHAT_RULES: readonly ChatRule[] = [
  { models: ['gpt-3.5-turbo-0301'], perMessage: 4, perName: -1, priming: 3, ...SHARED, source: COOKBOOK },
  {
    models: ['o1', 'o3', 'o4', 'gpt-5'],
    perMessage: 3,
    perName: 1,
    priming: 2,
    ...SHARED,
    source: 'usage of gpt-5, gpt-5.2, gpt-5.5, o3 and o3-mini in recorded requests, 2026-11',
  },
  {
    models: [''],
    perMessage: 3,
    perName: 1,
    priming: 3,
    ...SHARED,
    source: `${COOKBOOK}; tools rendered as hmarr/openai-chat-tokens does, with numbers fitted to recorded usage, 2026-11`,
  },
]

/** See `countChatTokens`. */
export type CountChatOptions = {
  readonly encoding: Encoding
  /** Selects the rule. Default: that of gpt-4o and gpt-4.1. */
  readonly model?: string
  readonly tools?: readonly ToolDefinition[]
  /** Needed when messages hold pictures. */
  readonly images?: ImageCounting
  /** What o200k_harmony's system message says. */
  readonly harmony?: HarmonyOptions
}

/**
 * Tokens a chat request costs as input. Exact with o200k_harmony; for OpenAI's models exact for texts in recorded
 * requests, within 2 % with tools and within 3 tokens a call with tool calls, all of it an estimate by OpenAI's own word.
 * @throws LlmError kind `config` when pictures need a rule or a size, `unsupported` for files and sounds
 */
export function countChatTokens(messages: readonly Message[], options: CountChatOptions): number {
  const { encoding, tools = [], model = '' } = options
  if (!Array.isArray(messages)) {
    throw new LlmError({
      kind: 'config',
      message: 'countChatTokens takes a list of messages; for a text use countTokens.',
    })
  }
  if (encoding.specials.has('<|start|>')) {
    return renderHarmony(messages, { encoding, tools, ...options.harmony }).length
  }
  const name = model.slice(model.lastIndexOf('/') + 1)
  const rule = CHAT_RULES.find((row) => row.models.some((prefix) => name.startsWith(prefix)))!
  const count = (text: string): number => encoding.countTokens(text)
  let total = rule.priming
  for (const message of messages) total += messageTokens(message, rule, count, options.images)
  if (tools.length > 0) {
    const hasSystem = messages.some((message) => message.role === 'system')
    total += count(toolNamespace(tools)) + (hasSystem ? rule.tools.withSystem : rule.tools.withoutSystem)
  }
  return total
}

function messageTokens(
  message: Message,
  rule: ChatRule,
  count: (text: string) => number,
  images: ImageCounting | undefined,
): number {
  const { role, content } = message
  // On OpenAI's wire every tool result is a message of its own.
  const results = typeof content === 'string' ? [] : content.filter((part) => part.type === 'tool-result')
  const rest = typeof content === 'string' ? [] : content.filter((part) => part.type !== 'tool-result')
  let total = 0
  for (const result of results) {
    total += rule.perMessage + count('tool')
    total +=
      typeof result.content === 'string' ? count(result.content) : partsTokens(result.content, count, images)
  }
  if (results.length === 0 || rest.length > 0) {
    total += rule.perMessage + count(role)
    total += typeof content === 'string' ? count(content) : partsTokens(rest, count, images)
  }
  const speaker = (message as { readonly name?: unknown }).name
  if (typeof speaker === 'string') total += rule.perName + count(speaker)
  const calls = rest.filter((part): part is ToolCallPart => part.type === 'tool-call')
  for (const call of calls) {
    const args = call.invalid === undefined ? JSON.stringify(call.args) : call.invalid.raw
    total += rule.perToolCall + 2 * count(call.name) + count(args)
  }
  return calls.length > 1 ? total + rule.parallelCalls : total
}

function partsTokens(
  parts: readonly Part[],
  count: (text: string) => number,
  images: ImageCounting | undefined,
): number {
  let total = 0
  for (const part of parts) {
    switch (part.type) {
      case 'text':
        total += count(part.text)
        break
      case 'image':
        if (images === undefined) {
          throw new LlmError({
            kind: 'config',
            message:
              'The messages hold pictures, which every model counts in its own way: pass images: { model }.',
          })
        }
        total += countImagePart(part, images)
        break
      // Calls are counted with their message. Thoughts are not sent back on this wire.
      case 'tool-call':
      case 'reasoning':
        break
      default:
        throw new LlmError({
          kind: 'unsupported',
          message: `Nobody has published what a part of type ${part.type} costs. Ask the provider: client.countTokens().`,
        })
    }
  }
  return total
}

/** Tools as OpenAI's hosted models see them: a TypeScript namespace. Descriptions below the first level are left out. */
export function toolNamespace(tools: readonly ToolDefinition[]): string {
  const lines = ['namespace functions {', '']
  for (const { name, description, inputSchema } of tools) {
    if (description !== undefined && description !== '') lines.push(`// ${description.trimEnd()}`)
    const body = propertyLines(inputSchema, 0)
    if (body === '') lines.push(`type ${name} = () => any;`, '')
    else lines.push(`type ${name} = (_: {`, body, '}) => any;', '')
  }
  return [...lines, '} // namespace functions'].join('\n')
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function propertyLines(schema: JsonSchema, indent: number): string {
  const properties = isSchema(schema['properties']) ? Object.entries(schema['properties']) : []
  const required = new Set(Array.isArray(schema['required']) ? schema['required'] : [])
  const lines: string[] = []
  for (const [key, property] of properties) {
    if (!isSchema(property)) continue
    const { description } = property as { readonly description?: unknown }
    if (typeof description === 'string' && indent < 2) lines.push(`// ${description}`)
    lines.push(`${key}${required.has(key) ? '' : '?'}: ${typeOf(property, indent)},`)
  }
  return lines.map((line) => ' '.repeat(indent) + line).join('\n')
}

function typeOf(schema: JsonSchema, indent: number): string {
  const values = schema['enum']
  if (Array.isArray(values)) return values.map((value) => JSON.stringify(value)).join(' | ')
  const anyOf = schema['anyOf']
  if (Array.isArray(anyOf))
    return anyOf
      .filter(isSchema)
      .map((one) => typeOf(one, indent))
      .join(' | ')
  switch (schema['type']) {
    case 'integer':
      return 'number'
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
      return schema['type']
    case 'array':
      return isSchema(schema['items']) ? `${typeOf(schema['items'], indent)}[]` : 'any[]'
    case 'object':
      return `{\n${propertyLines(schema, indent + 2)}\n}`
    default:
      return 'any'
  }
}
