/**
 * A conversation as turns that alternate between user and assistant, as Anthropic and Bedrock's Converse demand.
 *
 * In:  messages, and how one part becomes a block. Out: turns, and warnings for what had to change its place or stay.
 * Not here: what a block looks like (anthropic-encode.ts, bedrock-encode.ts).
 */

import type { Message, Part, ToolResultPart } from '../types.ts'
import { partsOf, textOf } from './body.ts'
import { converted, leftOut, type Notes, notSent } from './notes.ts'

/** A block of a message, as the wire has it. */
export type Block = Record<string, unknown>

/** One turn. */
export interface Turn {
  role: string
  content: Block[]
}

/** The turns. `encode` gives no block for a part that cannot go along. */
export function encodeTurns(
  messages: readonly Message[],
  notes: Notes,
  encode: (part: Part) => Block | undefined,
): Turn[] {
  const turns: Turn[] = []
  for (const message of messages) {
    const role = message.role === 'assistant' ? message.role : 'user'
    let { content } = message
    if (message.role === 'system') {
      content = textOf(content)
      const why = `${notes.provider} takes them at the start only`
      converted(notes, 'messages', `A system message in mid-conversation became a user message: ${why}.`)
    }
    const blocks = encodeAll(partsOf(content), (part) => {
      // Pictures and documents stand in the user's turns only; of one that a model made, a note is left.
      const made = role === 'assistant' && (part.type === 'image' || part.type === 'file')
      return encode(made ? { type: 'text', text: notSent(notes, part.type) } : part)
    })
    const last = turns.at(-1)
    if (last?.role === role) last.content.push(...blocks)
    else if (blocks.length > 0) turns.push({ role, content: blocks })
  }
  return turns
}

/** The blocks inside a tool's answer: text, pictures and documents. */
export function resultBlocks(
  { content }: ToolResultPart,
  notes: Notes,
  encode: (part: Part) => Block | undefined,
): Block[] {
  return encodeAll(partsOf(content), (piece) => {
    if (piece.type === 'text' || piece.type === 'image' || piece.type === 'file') return encode(piece)
    leftOut(notes, `A ${piece.type} part of a tool result`)
    return undefined
  })
}

function encodeAll(parts: readonly Part[], encode: (part: Part) => Block | undefined): Block[] {
  return parts.map((part) => encode(part)).filter((block) => block !== undefined)
}
