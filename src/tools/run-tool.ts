/**
 * One tool call, run: arguments checked, deadline kept, whatever comes back made into text for the model.
 *
 * In:  a call, its tool, a signal. Out: a tool result, always: an exception, a timeout, a result that is no JSON
 *      become results marked `isError`, because the model can act on those and a crash helps nobody.
 * Not here: which calls are run and when (run-tools.ts). The tool is never trusted to stop: its promise is raced.
 */

import { LlmError } from '../errors.ts'
import { onAbort, orAbort } from '../http/clock.ts'
import type { Clock, JsonSchema, Message, Part, Tool, ToolCall, ToolResultPart } from '../types.ts'
import { checkArgs, describeIssues } from './schema.ts'

/** A tool that can be run, its schema rendered. */
export interface RunnableTool {
  tool: Tool<unknown, unknown> & Required<Pick<Tool<unknown, unknown>, 'execute'>>
  jsonSchema: JsonSchema
}

/** What running one call takes. */
export interface ToolRunContext {
  /** The run's; aborting it aborts every tool. */
  signal: AbortSignal
  messages: readonly Message[]
  /** Milliseconds; Infinity for none. */
  timeoutMs: number
  /** Longest result text in UTF-16 units. */
  maxResultChars: number
  clock: Clock
}

/** The result for the model, and what was thrown, for the program. */
export interface ToolOutcome {
  result: ToolResultPart
  error?: unknown
}

/** The result of a call. */
export function resultOf(
  call: ToolCall,
  content: ToolResultPart['content'],
  isError = false,
): ToolResultPart {
  return { type: 'tool-result', id: call.id, name: call.name, content, ...(isError && { isError }) }
}

/** A result that says why there is none. */
export function refusal(call: ToolCall, content: string): ToolResultPart {
  return resultOf(call, content, true)
}

/**
 * Runs one call.
 * @throws LlmError `aborted` when the run's signal is aborted; `config` when the schema's validator throws.
 */
export async function runTool(
  call: ToolCall,
  { tool, jsonSchema }: RunnableTool,
  context: ToolRunContext,
): Promise<ToolOutcome> {
  if (call.invalid !== undefined) {
    return { result: refusal(call, `The arguments could not be read: ${call.invalid.reason}`) }
  }
  const checked = await checkArgs(call.args, tool.inputSchema, jsonSchema)
  if (checked.issues !== undefined) {
    return { result: refusal(call, `The arguments do not fit: ${describeIssues(checked.issues)}.`) }
  }
  context.signal.throwIfAborted()

  const { signal: outer, clock, timeoutMs, maxResultChars } = context
  const controller = new AbortController()
  const { signal } = controller
  const unbridge = onAbort(outer, (reason) => controller.abort(reason))
  const tooLate = new Error(`The tool did not answer within ${timeoutMs} ms and was stopped.`)
  const timer =
    timeoutMs === Infinity ? undefined : clock.setTimer(() => controller.abort(tooLate), timeoutMs)
  try {
    const { id } = call
    // In an async function, so that a tool that throws at once is no different from one that rejects.
    const running = async (): Promise<unknown> =>
      tool.execute(checked.value, { id, signal, messages: context.messages })
    return { result: toResult(call, await orAbort(running, signal), maxResultChars) }
  } catch (error) {
    if (outer.aborted) throw outer.reason
    const reason = (error instanceof Error ? error.message : String(error)) || 'no reason was given'
    const content = error === tooLate ? reason : `The tool failed: ${reason}`
    return { result: refusal(call, clip(content, maxResultChars)), error }
  } finally {
    clock.clearTimer(timer)
    unbridge()
    // A tool that was given up on, and work it left behind, learn that nobody waits any more.
    controller.abort(new LlmError({ kind: 'aborted', message: 'The tool call is over.' }))
  }
}

/** What a tool returned, as the model will read it. */
function toResult(call: ToolCall, value: unknown, maxChars: number): ToolResultPart {
  const parts = readParts(value)
  if (parts !== undefined) {
    const content = parts.map((part) =>
      part.type === 'text' ? { ...part, text: clip(part.text, maxChars) } : part,
    )
    return resultOf(call, content, (value as { isError?: unknown }).isError === true)
  }
  if (typeof value === 'string') return resultOf(call, clip(value, maxChars))
  let json: string | undefined
  let why = `a ${typeof value}`
  try {
    // Some providers refuse an empty result, and a model reads null as nothing.
    json = JSON.stringify(value ?? null, (_, member: unknown) =>
      typeof member === 'bigint' ? String(member) : member,
    )
  } catch (error) {
    why = (error as Error).message.split('\n')[0]!
  }
  return json === undefined
    ? refusal(call, `The tool ran, but its result is no JSON: ${why}`)
    : resultOf(call, clip(json, maxChars))
}

/**
 * Content made of parts: `{ content: Part[] }`, which is also what an MCP tool answers (2025-06-18, `CallToolResult`;
 * its media carry `mimeType`). Undefined for every other value.
 */
function readParts(value: unknown): Part[] | undefined {
  const { content } = (value ?? {}) as { content?: unknown }
  if (!Array.isArray(content) || content.length === 0 || !Object.hasOwn(value as object, 'content')) {
    return undefined
  }
  const parts = content.map(readPart)
  return parts.includes(undefined) ? undefined : (parts as Part[])
}

function readPart(item: unknown): Part | undefined {
  const part = (item ?? {}) as Record<string, unknown>
  const { mimeType, ...rest } = part
  const { type, text } = rest
  switch (type) {
    case 'text':
      return typeof text === 'string' ? { type, text } : undefined
    case 'image':
    case 'audio':
    case 'file':
      return (typeof mimeType === 'string' ? { mediaType: mimeType, ...rest } : part) as unknown as Part
    case 'resource':
    case 'resource_link':
      // A model reads text; what only a program can follow is handed over as it is written.
      return { type: 'text', text: JSON.stringify(part['resource'] ?? part) }
    default:
      return undefined
  }
}

/** Cuts what no context window holds, and says so where the model sees it. */
function clip(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text
  // Not between the halves of a surrogate pair.
  const last = text.charCodeAt(maxChars - 1)
  const end = last >= 0xd800 && last <= 0xdbff ? maxChars - 1 : maxChars
  return `${text.slice(0, end)}\n[cut: ${end} of ${text.length} characters]`
}
