/**
 * Messages as OpenTelemetry's JSON schemas have them, for those who opt in to recording what was said.
 *
 * In:  our Messages. Out: JSON text of `gen_ai.input.messages`, `gen_ai.output.messages`, `gen_ai.system_instructions`.
 * What the schemas have no part for (provider parts) is named by its type and not shown. Bytes stay base64, as they are sent.
 * Spec: gen-ai-input-messages.json and gen-ai-output-messages.json of the conventions, read 2026-11.
 */

import type { Completion, Message, Part } from '../types.ts'

interface OtelMessage {
  role: string
  parts: Record<string, unknown>[]
}

/** Messages without those of the system, which have an attribute of their own. */
export function inputMessages(messages: readonly Message[]): string {
  return JSON.stringify(messages.filter(({ role }) => role !== 'system').map(messageOf))
}

/** The system prompt, wherever it stood; undefined without one. */
export function systemInstructions(
  system: string | undefined,
  messages: readonly Message[],
): string | undefined {
  const parts = messages
    .filter(({ role }) => role === 'system')
    .flatMap((message) => messageOf(message).parts)
  if (system !== undefined) parts.unshift({ type: 'text', content: system })
  return parts.length === 0 ? undefined : JSON.stringify(parts)
}

/** The answer. */
export function outputMessages({ message, finishReason }: Completion): string {
  return JSON.stringify([
    {
      ...messageOf(message),
      finish_reason: finishReason === 'tool-calls' ? 'tool_call' : finishReason.replace('-', '_'),
    },
  ])
}

function messageOf({ role, content }: Message): OtelMessage {
  const parts = typeof content === 'string' ? [{ type: 'text', content }] : content.map(partOf)
  return { role, parts }
}

function partOf(part: Part): Record<string, unknown> {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return { type: part.type, content: part.text }
    case 'tool-call':
      return { type: 'tool_call', id: part.id, name: part.name, arguments: part.invalid?.raw ?? part.args }
    case 'tool-result': {
      const { id, content } = part
      return {
        type: 'tool_call_response',
        id,
        response: typeof content === 'string' ? content : content.map(partOf),
      }
    }
    case 'image':
    case 'file':
    case 'audio': {
      const kind = { modality: part.type, mime_type: part.mediaType }
      if (part.url !== undefined) return { type: 'uri', ...kind, uri: part.url }
      if (part.fileId !== undefined) return { type: 'file', ...kind, file_id: part.fileId }
      return {
        type: 'blob',
        ...kind,
        content: typeof part.data === 'string' ? part.data : `${part.data.length} bytes`,
      }
    }
    case 'provider':
      return { type: part.type, provider: part.provider }
  }
}
