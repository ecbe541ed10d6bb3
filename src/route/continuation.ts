/**
 * How an answer that broke off goes on at a target: what it is asked, and how its parts join those delivered before.
 *
 * In:  the request and the answer so far. Out: the input that asks for the rest; events renumbered behind the old parts.
 * A `prefill` target goes on from an assistant turn that stands last; a `user-turn` target is asked in words. Only a
 * target that says which of the two it knows is ever asked (Target.continuation).
 * Not here: whether to go on at all, and where (routed.ts).
 */

import { ownOptions } from '../request.ts'
import type { Input, Message, PartialCompletion, Request, StreamEvent } from '../types.ts'
import type { Interrupt } from './routed.ts'
import type { Lane } from './target.ts'

/** Asks for the rest in words; a caller whose users write another language passes their own. */
const CONTINUE_PROMPT =
  'Continue exactly where your last message stops. Repeat nothing and add no introduction.'

/** The conversation with the answer so far at its end, in the way the target wants it. */
export function continuation(
  request: Request,
  partial: PartialCompletion,
  lane: Lane,
  onInterrupt: Interrupt,
): Input {
  const prompt = typeof onInterrupt === 'object' ? onInterrupt.prompt : CONTINUE_PROMPT
  // Several providers refuse a final assistant turn that ends in white space.
  const text = lane.options.continuation === 'prefill' ? partial.text.trimEnd() : partial.text
  const messages: Message[] = [...request.messages]
  // Where nothing was said yet there is nothing to go on from; an empty turn is refused by several providers.
  if (text !== '') messages.push({ role: 'assistant', content: text })
  if (text !== '' && lane.options.continuation === 'user-turn') {
    messages.push({ role: 'user', content: prompt })
  }
  return ownOptions({ messages, system: request.system, tools: request.tools })
}

/** The first text of the continuation goes on with the last text of the answer; everything else comes after it. */
export function shiftParts(
  partial: PartialCompletion,
  trimmed: boolean,
): (event: StreamEvent) => StreamEvent[] {
  const { content } = partial.message
  const lastText = content.findLastIndex(({ type }) => type === 'text')
  // What a prefill was trimmed of; a model that goes on from the trimmed text begins with it.
  const space = trimmed ? partial.text.slice(partial.text.trimEnd().length) : ''
  let joined: number | undefined
  return (event) => {
    if (event.type === 'start') return []
    if (!('part' in event)) return [event]
    if (event.type === 'text-delta' && lastText >= 0 && joined === undefined) {
      joined = event.part
      if (space !== '' && event.text.startsWith(space)) event.text = event.text.slice(space.length)
      if (event.text === '') return []
    }
    const part = event.part === joined ? lastText : event.part + content.length
    // A closed part would replace the text it goes on with.
    if (event.type === 'part' && event.part === joined) return []
    // In place: the event is nobody else's yet, and a copy would lose its lazy accessors.
    event.part = part
    return [event]
  }
}
