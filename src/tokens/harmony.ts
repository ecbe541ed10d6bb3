/**
 * Harmony, the chat format of gpt-oss, rendered to ids exactly.
 *
 * In:  messages, tools and what goes into the system message. Out: the ids a server feeds the model, ending in
 *      `<|start|>assistant`.
 * Not here: parsing what the model answers; built-in tools (browser, python).
 *
 * openai/harmony docs/format.md and src/encoding.rs, read 2026-11. Text between special tokens is encoded stretch by
 * stretch, as that renderer does, so that a recipient never merges with the role before it.
 */

import { LlmError } from '../errors.ts'
import type { JsonSchema, Message, Part, ToolDefinition } from '../types.ts'
import type { Encoding } from './encoding.ts'

/** What stands in the system message. Defaults are those of openai/harmony. */
export type HarmonyOptions = {
  /** Default `'You are ChatGPT, a large language model trained by OpenAI.'` */
  readonly modelIdentity?: string
  /** Default `'2024-06'`. */
  readonly knowledgeCutoff?: string
  /** `YYYY-MM-DD`. Default: no date. */
  readonly currentDate?: string
  /** Default `'medium'`. */
  readonly reasoning?: 'low' | 'medium' | 'high'
}

type Channel = 'analysis' | 'commentary' | 'final'

/** One harmony message: `<|start|>{role}[ to={recipient}][<|channel|>{channel}][ <|constrain|>json]<|message|>…` */
type HarmonyMessage = {
  readonly role: string
  readonly recipient?: string
  readonly channel?: Channel
  readonly json?: true
  readonly text: string
}

/**
 * Ids of a conversation up to the model's turn.
 * @throws LlmError kind `config` when the encoding lacks harmony's special tokens, `unsupported` for pictures and files
 */
export function renderHarmony(
  messages: readonly Message[],
  options: { readonly encoding: Encoding; readonly tools?: readonly ToolDefinition[] } & HarmonyOptions,
): number[] {
  const { encoding, tools = [] } = options
  const special = (name: string): number => {
    const id = encoding.specials.get(`<|${name}|>`)
    if (id === undefined) {
      throw new LlmError({
        kind: 'config',
        message: `${encoding.name} has no <|${name}|>: harmony needs o200k_harmony.`,
      })
    }
    return id
  }
  const ids: number[] = []
  const write = (text: string): void => {
    for (const id of encoding.encodeOrdinary(text)) ids.push(id)
  }
  for (const message of withoutOldAnalysis(harmonyMessages(messages, tools, options))) {
    ids.push(special('start'))
    write(message.role)
    if (message.recipient !== undefined) write(` to=${message.recipient}`)
    if (message.channel !== undefined) {
      ids.push(special('channel'))
      write(message.channel)
    }
    if (message.json === true) {
      write(' ')
      ids.push(special('constrain'))
      write('json')
    }
    ids.push(special('message'))
    write(message.text)
    ids.push(special(message.role === 'assistant' && message.recipient !== undefined ? 'call' : 'end'))
  }
  ids.push(special('start'))
  write('assistant')
  return ids
}

function harmonyMessages(
  messages: readonly Message[],
  tools: readonly ToolDefinition[],
  options: HarmonyOptions,
): HarmonyMessage[] {
  const out: HarmonyMessage[] = [{ role: 'system', text: systemText(options, tools.length > 0) }]
  // What APIs call the system prompt is harmony's developer message; tools stand in the first one.
  let toolText = tools.length > 0 ? toolsSection(tools) : undefined
  const developer = (instructions: string | undefined): void => {
    const sections = instructions === undefined ? [] : ['# Instructions', instructions]
    if (toolText !== undefined) sections.push(toolText)
    toolText = undefined
    out.push({ role: 'developer', text: sections.join('\n\n') })
  }
  if (toolText !== undefined && messages[0]?.role !== 'system') developer(undefined)
  for (const { role, content } of messages) {
    if (role === 'system') developer(textOf(content))
    else if (role === 'assistant') out.push(...assistantMessages(content))
    else if (role === 'tool' && typeof content !== 'string') out.push(...toolMessages(content))
    else out.push({ role: 'user', text: textOf(content) })
  }
  return out
}

function assistantMessages(content: string | Part[]): HarmonyMessage[] {
  const role = 'assistant'
  if (typeof content === 'string') return [{ role, channel: 'final', text: content }]
  // Text in a turn that goes on to call tools is a preamble, which belongs to the commentary.
  const channel: Channel = content.some((part) => part.type === 'tool-call') ? 'commentary' : 'final'
  const out: HarmonyMessage[] = []
  for (const part of content) {
    if (part.type === 'reasoning') out.push({ role, channel: 'analysis', text: part.text })
    else if (part.type === 'tool-call') {
      const text = part.invalid === undefined ? JSON.stringify(part.args) : part.invalid.raw
      out.push({ role, recipient: `functions.${part.name}`, channel: 'commentary', json: true, text })
    } else out.push({ role, channel, text: textOf([part]) })
  }
  return out
}

function toolMessages(content: readonly Part[]): HarmonyMessage[] {
  return content.map((part) => {
    if (part.type !== 'tool-result') return { role: 'user', text: textOf([part]) }
    const text = textOf(part.content)
    return { role: `functions.${part.name}`, recipient: 'assistant', channel: 'commentary', text }
  })
}

function textOf(content: string | readonly Part[]): string {
  if (typeof content === 'string') return content
  let text = ''
  for (const part of content) {
    if (part.type !== 'text') {
      throw new LlmError({
        kind: 'unsupported',
        message: `Harmony has no place for a part of type ${part.type} here.`,
      })
    }
    text += part.text
  }
  return text
}

/** Once the model has given a final answer, the thoughts that led to the first one are not shown to it again. */
function withoutOldAnalysis(messages: readonly HarmonyMessage[]): readonly HarmonyMessage[] {
  const last = messages.findLast((message) => message.role === 'assistant')
  if (last?.channel !== 'final') return messages
  const firstFinal = messages.findIndex((message) => message.channel === 'final')
  return messages.filter((message, i) => !(i < firstFinal && message.channel === 'analysis'))
}

function systemText(options: HarmonyOptions, hasTools: boolean): string {
  const top = [
    options.modelIdentity ?? 'You are ChatGPT, a large language model trained by OpenAI.',
    `Knowledge cutoff: ${options.knowledgeCutoff ?? '2024-06'}`,
  ]
  if (options.currentDate !== undefined) top.push(`Current date: ${options.currentDate}`)
  let channels = '# Valid channels: analysis, commentary, final. Channel must be included for every message.'
  if (hasTools) channels += "\nCalls to these tools must go to the commentary channel: 'functions'."
  return [top.join('\n'), `Reasoning: ${options.reasoning ?? 'medium'}`, channels].join('\n\n')
}

/** The lines of a comment, each behind `// `; a last line break adds none. */
function comments(text: string): string[] {
  const lines = text.split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line) => `// ${line}`)
}

function toolsSection(tools: readonly ToolDefinition[]): string {
  const lines = ['## functions\n', 'namespace functions {\n']
  for (const { name, description, inputSchema } of tools) {
    lines.push(...comments(description ?? ''))
    const properties = inputSchema['properties']
    const takesArguments = isObject(properties) && Object.keys(properties).length > 0
    lines.push(
      takesArguments
        ? `type ${name} = (_: ${typeScriptOf(inputSchema, '')}) => any;\n`
        : `type ${name} = () => any;\n`,
    )
  }
  lines.push('} // namespace functions')
  return `# Tools\n\n${lines.join('\n')}`
}

function isObject(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const stringOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

const hasEnum = (schema: JsonSchema): boolean => Array.isArray(schema['enum']) && schema['enum'].length > 0

/** `default: …` of a schema. A string is quoted, except that of an enumeration where `bare` asks for it. */
function defaultOf(schema: JsonSchema, bare: boolean): string | undefined {
  const value = schema['default']
  if (value === undefined) return undefined
  return `default: ${bare && typeof value === 'string' && hasEnum(schema) ? value : JSON.stringify(value)}`
}

function nullable(schema: JsonSchema, type: string): string {
  return schema['nullable'] === true && !type.includes('null') ? `${type} | null` : type
}

/** A JSON Schema as the TypeScript-like type gpt-oss was trained on. What the renderer does not know is `any`. */
export function typeScriptOf(schema: JsonSchema, indent: string): string {
  const oneOf = schema['oneOf']
  if (Array.isArray(oneOf)) {
    let out = ''
    for (const variant of oneOf.filter(isObject)) {
      out += `\n${indent} | ${nullable(variant, typeScriptOf(variant, `${indent}   `))}`
      const notes = [stringOf(variant['description']), defaultOf(variant, false)].filter(
        (note) => note !== undefined,
      )
      if (notes.length > 0) out += ` // ${notes.join(' ')}`
    }
    return out
  }
  const type = schema['type']
  if (Array.isArray(type)) {
    const names = type.filter((name) => typeof name === 'string')
    if (names.length > 0) return names.map((name) => (name === 'integer' ? 'number' : name)).join(' | ')
  }
  switch (type) {
    case 'object':
      return objectType(schema, indent)
    case 'string': {
      const values = Array.isArray(schema['enum'])
        ? schema['enum'].filter((value) => typeof value === 'string')
        : []
      return values.length > 0 ? values.map((value) => `"${value}"`).join(' | ') : 'string'
    }
    case 'number':
    case 'integer':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'array':
      return isObject(schema['items']) ? `${typeScriptOf(schema['items'], indent)}[]` : 'Array<any>'
    default:
      return 'any'
  }
}

function objectType(schema: JsonSchema, indent: string): string {
  const description = stringOf(schema['description'])
  let out = description === undefined ? '' : `${indent}// ${description}\n`
  out += '{\n'
  const required = new Set(Array.isArray(schema['required']) ? schema['required'] : [])
  const properties = isObject(schema['properties']) ? Object.entries(schema['properties']) : []
  for (const [key, value] of properties) {
    const property = isObject(value) ? value : {}
    const mark = required.has(key) ? '' : '?'
    const title = stringOf(property['title'])
    const note = stringOf(property['description'])
    if (title !== undefined) out += `${indent}// ${title}\n${indent}//\n`
    if (note !== undefined && property['oneOf'] === undefined) out += `${indent}// ${note}\n`
    const examples = property['examples']
    if (Array.isArray(examples) && examples.length > 0) {
      out += `${indent}// Examples:\n`
      for (const example of examples) if (typeof example === 'string') out += `${indent}// - "${example}"\n`
    }
    if (Array.isArray(property['oneOf'])) {
      out += unionProperty(key + mark, property, property['oneOf'].filter(isObject), indent)
      continue
    }
    out += `${indent}${key}${mark}: ${nullable(property, typeScriptOf(property, `${indent}    `))},`
    const fallback = defaultOf(property, true)
    out += fallback === undefined || property['oneOf'] !== undefined ? '\n' : ` // ${fallback}\n`
  }
  return `${out}${indent}}`
}

/** A property that is one of several types: each on its own line, the first without the description already given. */
function unionProperty(
  name: string,
  property: JsonSchema,
  variants: readonly JsonSchema[],
  indent: string,
): string {
  const note = stringOf(property['description'])
  const noteAbove = note !== undefined && note !== stringOf(variants[0]?.['description'])
  let out = noteAbove ? `${indent}// ${note}\n` : ''
  const fallback = defaultOf(property, true)
  if (fallback !== undefined) out += `${indent}// ${fallback}\n`
  out += `${indent}${name}:\n`
  for (const [i, variant] of variants.entries()) {
    out += `${indent} | ${nullable(variant, typeScriptOf(variant, `${indent}   `))}`
    const own = stringOf(variant['description'])
    const notes: string[] = []
    if (own !== undefined && own !== note && !(i === 0 && noteAbove)) notes.push(own)
    const variantDefault = defaultOf(variant, true)
    if (variantDefault !== undefined) notes.push(variantDefault)
    out += notes.length > 0 ? ` // ${notes.join(' ')}\n` : '\n'
  }
  return `${out}${indent},\n`
}
