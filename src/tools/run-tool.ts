/**
 * One tool call, run: arguments checked, deadline kept, whatever comes back made into text for the model.
 *
 * In:  a call, its tool, a signal. Out: a tool result, always: an exception, a timeout, a result that is no JSON
 *      become results marked `isError`, because the model can act on those and a crash helps nobody.
 * Not here: which calls are run and when (run-tools.ts). The tool is never trusted to stop: its promise is raced.
 */

import { LlmError } from '../errors.ts'
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

/** A result that says why there is none. */
export function refusal(call: ToolCall, content: string): ToolResultPart {
  return { type: 'tool-result', id: call.id, name: call.name, content, isError: true }
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

  const controller = new AbortController()
  const stop = (reason: unknown): void => controller.abort(reason)
  const onAbort = (): void => stop(context.signal.reason)
  context.signal.addEventListener('abort', onAbort, { once: true })
  let timer: unknown
  const stopped = new Promise<never>((_, reject) => {
    controller.signal.addEventListener('abort', () => reject(controller.signal.reason as Error), {
      once: true,
    })
  })
  // When the tool wins the race nobody is left to hear of a later abort.
  stopped.catch(() => {})
  if (context.timeoutMs !== Infinity) {
    timer = context.clock.setTimer(() => stop(new ToolTimeout(context.timeoutMs)), context.timeoutMs)
  }
  try {
    const { signal } = controller
    // Called in a then, so that a tool that throws at once is no different from one that rejects.
    const running = Promise.resolve().then(() =>
      tool.execute(checked.value, { id: call.id, signal, messages: context.messages }),
    )
    const value = await Promise.race([running, stopped])
    return { result: toResult(call, value, context.maxResultChars) }
  } catch (error) {
    if (context.signal.aborted) throw context.signal.reason
    const reason =
      error instanceof ToolTimeout
        ? error.message
        : `The tool failed: ${(error instanceof Error ? error.message : String(error)) || 'no reason was given'}`
    return { result: refusal(call, clip(reason, context.maxResultChars)), error }
  } finally {
    if (timer !== undefined) context.clock.clearTimer(timer)
    context.signal.removeEventListener('abort', onAbort)
    // A tool that was given up on, and work it left behind, learn that nobody waits any more.
    if (!controller.signal.aborted) stop(new LlmError({ kind: 'aborted', message: 'The tool call is over.' }))
  }
}

class ToolTimeout extends Error {
  constructor(timeoutMs: number) {
    super(`The tool did not answer within ${timeoutMs} ms and was stopped.`)
  }
}

/** What a tool returned, as the model will read it. */
function toResult(call: ToolCall, value: unknown, maxChars: number): ToolOutcome['result'] {
  const { id, name } = call
  const base = { type: 'tool-result' as const, id, name }
  const parts = readParts(value)
  if (parts !== undefined) {
    const content = parts.content.map((part) =>
      part.type === 'text' ? { ...part, text: clip(part.text, maxChars) } : part,
    )
    return parts.isError ? { ...base, content, isError: true } : { ...base, content }
  }
  if (typeof value === 'string') return { ...base, content: clip(value, maxChars) }
  // Some providers refuse an empty result, and a model reads null as nothing.
  if (value === undefined) return { ...base, content: 'null' }
  let json: string | undefined
  try {
    json = JSON.stringify(value, (_, member: unknown) =>
      typeof member === 'bigint' ? String(member) : member,
    )
  } catch (error) {
    return refusal(
      call,
      `The tool ran, but its result is no JSON: ${(error as Error).message.split('\n')[0]}`,
    )
  }
  if (json === undefined)
    return refusal(call, `The tool ran, but its result is a ${typeof value}, which is no JSON.`)
  return { ...base, content: clip(json, maxChars) }
}

/**
 * Content made of parts: `{ content: Part[] }`, which is also what an MCP tool answers (2025-06-18, `CallToolResult`;
 * its media carry `mimeType`). Undefined for every other value.
 */
function readParts(value: unknown): { content: Part[]; isError: boolean } | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'content')) return undefined
  const { content, isError } = value as { content: unknown; isError?: unknown }
  if (!Array.isArray(content) || content.length === 0) return undefined
  const parts: Part[] = []
  for (const item of content as unknown[]) {
    const part = readPart(item)
    if (part === undefined) return undefined
    parts.push(part)
  }
  return { content: parts, isError: isError === true }
}

function readPart(item: unknown): Part | undefined {
  if (typeof item !== 'object' || item === null) return undefined
  const part = item as Record<string, unknown>
  switch (part['type']) {
    case 'text':
      return typeof part['text'] === 'string' ? { type: 'text', text: part['text'] } : undefined
    case 'image':
    case 'audio':
    case 'file': {
      const { mimeType, ...rest } = part
      return (typeof mimeType === 'string' ? { mediaType: mimeType, ...rest } : part) as unknown as Part
    }
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
