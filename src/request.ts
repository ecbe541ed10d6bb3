/**
 * What the caller wrote, made regular and checked.
 *
 * In:  `Input` and `Options`, per client and per call. Out: one option bag without a prototype, and one `Request`.
 * Options are copied own property by own property into objects that inherit nothing, so a polluted
 * `Object.prototype.headers` (the axios gadget class, CVE-2026-42264) never becomes an option.
 * Not here: choosing a provider (providers/registry.ts), and what a provider can express (its `encode`).
 */

import { LlmError } from './errors.ts'
import { toJsonSchema } from './schema.ts'
import type { Input, Message, Options, Request, Tool, ToolDefinition, ProviderTool } from './types.ts'

/** Own, defined properties only, on an object that inherits none. Later bags win. */
export function ownOptions<T extends object>(...bags: (object | undefined)[]): T {
  const merged = Object.create(null) as Record<string, unknown>
  for (const bag of bags) {
    for (const [key, value] of Object.entries(bag ?? {})) if (value !== undefined) merged[key] = value
  }
  return merged as T
}

/** What belongs to one provider and must not follow the caller to another. */
const BOUND_TO_PROVIDER = ['model', 'apiKey', 'baseURL', 'embedding'] as const

/** A client's options with a call's on top; a call that names another provider leaves the client's key behind. */
export function mergeOptions(client: Options, call: Options | undefined): Options {
  const own: Options = ownOptions(call)
  const base: Options = ownOptions(client)
  if (own.provider !== undefined && own.provider !== base.provider) {
    for (const key of BOUND_TO_PROVIDER) delete base[key]
  }
  const merged: Options = ownOptions(base, own)
  // Bags of settings merge one level deep: raising one deadline keeps the client's others.
  for (const key of ['timeouts', 'limits', 'headers', 'retry'] as const) {
    if (isObject(merged[key])) {
      const under = isObject(base[key]) ? base[key] : {}
      Object.assign(merged, { [key]: ownOptions(under, merged[key]) })
    }
  }
  return merged
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Fields of the request that are taken from the options as they are. */
const PASSED_ON = [
  'system',
  'toolChoice',
  'parallelToolCalls',
  'maxTokens',
  'temperature',
  'topP',
  'topK',
  'seed',
  'presencePenalty',
  'frequencyPenalty',
  'logprobs',
  'reasoning',
  'promptCache',
  'body',
] as const

/**
 * The request a codec sees. `system` and `tools` may stand in the input or the options; options win.
 * @throws LlmError `invalid-request` for an empty prompt or no messages, `config` for options that cannot be meant.
 */
export function createRequest(input: Input, options: Options, model: string): Request {
  const given = readInput(input)
  const { stop, schema } = options
  const tools = options.tools ?? given.tools ?? []
  // Inherits nothing: codecs read it field by field, and what is not there must stay absent.
  return ownOptions(
    { model, messages: given.messages, stream: options.wire !== 'json', system: given.system },
    Object.fromEntries(PASSED_ON.map((key) => [key, options[key]])),
    {
      tools: tools.length > 0 ? renderTools(tools) : undefined,
      stop: typeof stop === 'string' ? [stop] : stop && [...stop],
      schema: schema === undefined ? undefined : toJsonSchema(schema),
    },
  )
}

function readInput(input: Input): { messages: Message[]; system?: string; tools?: (Tool | ProviderTool)[] } {
  if (typeof input === 'string') {
    if (input.trim() === '') throw badInput('The prompt is empty: pass some text, or messages.')
    return ownOptions({ messages: [{ role: 'user', content: input }] })
  }
  if (Array.isArray(input)) return ownOptions({ messages: checkMessages(input) })
  if (isObject(input) && Object.hasOwn(input, 'messages')) {
    return ownOptions({ ...input, messages: checkMessages(input.messages) })
  }
  throw badInput(
    'The input is neither text, nor a list of messages, nor { messages }: pass one of the three.',
  )
}

const ROLES: readonly unknown[] = ['system', 'user', 'assistant', 'tool']

function checkMessages(messages: unknown): Message[] {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw badInput('There are no messages: pass { role: "user", content: "…" }.')
  }
  for (const [index, message] of (messages as unknown[]).entries()) {
    if (!isObject(message) || !Object.hasOwn(message, 'role')) {
      throw badInput(`Message ${index} is not an object with a role and content.`)
    }
    const { role, content } = message as { role: unknown; content?: unknown }
    if (!ROLES.includes(role)) {
      throw badInput(`Message ${index} has the role ${quote(role)}; roles are ${ROLES.join(', ')}.`)
    }
    if (typeof content !== 'string' && !Array.isArray(content)) {
      throw badInput(`Message ${index} (${String(role)}) has no content: pass text or a list of parts.`)
    }
  }
  if (!messages.some((message: Message) => message.content.length > 0)) {
    throw badInput('Every message is empty: there is nothing to answer.')
  }
  return messages as Message[]
}

function renderTools(tools: readonly (Tool | ProviderTool)[]): (ToolDefinition | ProviderTool)[] {
  const names = new Set<string>()
  return tools.map((tool, index) => {
    if ('type' in tool) return tool
    const { name, description, strict } = tool
    if (typeof name !== 'string' || name === '') throw badTool(`Tool ${index} has no name.`)
    if (names.has(name)) throw badTool(`Two tools are named ${quote(name)}: a call could mean either.`)
    names.add(name)
    const inputSchema = toJsonSchema(tool.inputSchema, `inputSchema of tool ${quote(name)}`)
    return ownOptions<ToolDefinition>({ name, inputSchema, description, strict })
  })
}

function quote(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 80))
}

function badInput(message: string): LlmError {
  return new LlmError({ kind: 'invalid-request', phase: 'encode', message })
}

function badTool(message: string): LlmError {
  return new LlmError({ kind: 'config', phase: 'encode', message })
}
