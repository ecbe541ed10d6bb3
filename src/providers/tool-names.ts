/**
 * Tools as a wire takes them: names and ids in a provider's alphabet, arguments and schemas that are objects.
 *
 * In:  the caller's tools and calls. Out: the same, fit for an API that insists on `[a-zA-Z0-9_-]` and objects.
 * Not here: the fields a provider puts them in.
 */

import type { Json, JsonSchema, Part, Request, ToolDefinition } from '../types.ts'
import { asRecord, invalidArgsObject, jsonText, own } from './body.ts'
import { fault, leftOut, type Notes } from './notes.ts'
import type { ConvertedSchema } from './schema-dialects.ts'

/** Tool names as the wire takes them, and back. */
export interface ToolNames {
  toWire: (name: string) => string
  toCaller: (wireName: string) => string
}

/**
 * Names outside `[a-zA-Z0-9_-]{1,max}` are rewritten.
 * @throws LlmError `config` when two tools would share a name.
 */
export function toolNames(
  request: Request | undefined,
  provider: string,
  max: number,
  toWire = (name: string): string => name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, max) || '_',
): ToolNames {
  const callers = new Map<string, string>()
  for (const tool of request?.tools ?? []) {
    if (!isDefinition(tool)) continue
    const wire = toWire(tool.name)
    if (callers.has(wire)) {
      const both = `${callers.get(wire)} and ${tool.name}`
      throw fault('config', provider, 'encode', `${both} are both called ${wire} at ${provider}: rename one.`)
    }
    callers.set(wire, tool.name)
  }
  return { toWire, toCaller: (wireName) => callers.get(wireName) ?? wireName }
}

/** Tool-call ids as the wire takes them: `[a-zA-Z0-9_-]`, at most `max` long, still told apart. */
export function idMap(max = 128): (id: string) => string {
  const known = new Map<string, string>()
  const taken = new Set<string>()
  return (id) => {
    let wire = known.get(id)
    if (wire !== undefined) return wire
    const plain = id.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, max) || 'call'
    wire = plain
    for (let n = 2; taken.has(wire); n++) wire = `${plain.slice(0, max - String(n).length - 1)}_${n}`
    taken.add(wire)
    known.set(id, wire)
    return wire
  }
}

/** The ids of a conversation on the wire, for providers that want each to be called once. */
export interface CallIds {
  call(id: string): string
  result(id: string): string
}

/**
 * As {@link idMap}, and an id that is called again is another id: some servers begin anew with `call_0` in every turn,
 * which Anthropic refuses in the turn after: 400 "`tool_use` ids must be unique". Results answer the oldest call of
 * their id that has none. Calls and results are to be asked for in the order of the conversation.
 */
export function callIds(max?: number): CallIds {
  const wireId = idMap(max)
  /** By our id: wire ids in the order of the calls, and how many of them are answered. */
  const called = new Map<string, { wire: string[]; answered: number }>()
  return {
    call(id) {
      const calls = called.get(id) ?? { wire: [], answered: 0 }
      called.set(id, calls)
      // No id of the caller's holds a NUL, so the second call of `a` is never the first one of another id.
      const wire = wireId(calls.wire.length === 0 ? id : `${id}\0${calls.wire.length + 1}`)
      calls.wire.push(wire)
      return wire
    },
    result(id) {
      const calls = called.get(id)
      return calls?.wire[calls.answered++] ?? calls?.wire.at(-1) ?? wireId(id)
    },
  }
}

/** A function of the caller's, as opposed to a tool of a provider's. */
export function isDefinition(tool: NonNullable<Request['tools']>[number]): tool is ToolDefinition {
  return !('type' in tool && tool.type === 'provider')
}

/**
 * The tools of a request as the wire takes them. Those of the provider's own go as they are; another's stay behind.
 * @param write one function, or nothing, from its schema and whether the server is to hold the model to it.
 * @param strict how a schema becomes one that the provider enforces, where it can.
 * @throws LlmError `config` for a schema that describes anything but an object.
 */
export function wireTools(
  request: Request,
  notes: Notes,
  write: (tool: ToolDefinition, schema: JsonSchema, strict: boolean | undefined) => unknown,
  strict?: (schema: JsonSchema) => ConvertedSchema,
  mine: readonly string[] = [notes.provider],
): unknown[] {
  const tools = (request.tools ?? []).map((tool) => {
    if (isDefinition(tool)) {
      const schema = objectSchema(tool, notes.provider)
      if (tool.strict !== true || strict === undefined) return write(tool, schema, undefined)
      const converted = strict(schema)
      notes.warnings.push(...converted.warnings)
      return write(tool, converted.schema, converted.strict)
    }
    if (mine.includes(tool.provider)) return tool.value
    return leftOut(notes, `A tool of ${tool.provider}`, 'tools')
  })
  return tools.filter((tool) => tool !== undefined)
}

/**
 * The schema of a tool's arguments, which must describe an object.
 * @throws LlmError `config` when it describes anything else.
 */
export function objectSchema(tool: ToolDefinition, provider: string): JsonSchema {
  const schema = asRecord(tool.inputSchema)
  const type = own(schema, 'type')
  if (schema !== undefined && type === 'object') return schema
  if (schema !== undefined && type === undefined) return { type: 'object', ...schema }
  const message = `The inputSchema of tool ${tool.name} must describe an object: give it "type": "object".`
  throw fault('config', provider, 'encode', message)
}

/** The arguments as the JSON object the API insists on. Quirk 18. */
export function argsObject(part: Part & { type: 'tool-call' }): Json | Record<string, unknown> {
  if (part.invalid !== undefined) return invalidArgsObject(part.invalid.raw)
  return asRecord(part.args ?? {}) ?? invalidArgsObject(jsonText(part.args ?? {}))
}

/**
 * Arguments that the server completed although the answer was cut, as the text of arguments that are not whole; as they
 * are when they cannot be written.
 */
export function unfinishedArgs(args: unknown): unknown {
  try {
    return (JSON.stringify(args) ?? '').slice(0, -1)
  } catch {
    return args
  }
}

/** Arguments as the text they stand for, where a forced tool carries a structured answer. */
export function answerText(whole: unknown): string {
  try {
    return JSON.stringify(whole ?? {}) ?? ''
  } catch {
    return ''
  }
}

/** The input of a tool that the server runs itself. */
export function parseInput(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return invalidArgsObject(json)
  }
}
