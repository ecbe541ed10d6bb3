/**
 * Structured output while it streams: the stage between a decoder and the accumulator of a call with a `schema`.
 *
 * In:  the events of one answer. Out: the same events, and an 'object-delta' behind every piece of the object's JSON.
 * Where the provider shapes its text, the text is the JSON (mode 'text'). Where it has no such thing, the model is
 * made to call a tool whose arguments are the answer (mode { tool }): that call is turned into text, so that
 * `completion.text` is the JSON and `toolCalls` is empty in both modes, and the message replays as plain text.
 * Not here: asking for the shape (the codec's encode) and validation (shaped.ts), which needs the end.
 */

import type { StreamEvent } from '../types.ts'
import { LiveJson, ObjectDelta } from './live.ts'

/** Where the object's JSON is: in the text, or in the arguments of the tool of that name. */
export type ObjectMode = 'text' | { tool: string }

/**
 * Makes the stage for one answer: events in, events out, in order. It keeps state between the calls.
 * @param mode see {@link ObjectMode}.
 */
export function objectStage(mode: ObjectMode): (events: StreamEvent[]) => StreamEvent[] {
  const begin = (): Stage => (mode === 'text' ? shapedText() : forcedTool(mode.tool))
  let stage = begin()
  return (events) => {
    const out: StreamEvent[] = []
    for (const event of events) {
      if (event.type === 'restart') {
        stage = begin()
        out.push(event)
      } else stage(event, out)
    }
    return out
  }
}

/** What becomes of one event. An answer that begins anew gets a new stage. */
type Stage = (event: StreamEvent, out: StreamEvent[]) => void

function shapedText(): Stage {
  const live = new LiveJson()
  return (event, out) => {
    out.push(event)
    if (event.type !== 'text-delta') return
    live.append(event.text)
    out.push(new ObjectDelta(live))
  }
}

function forcedTool(name: string): Stage {
  const shape = shapedText()
  /** Part of the call that is the answer; undefined while it has not begun. */
  let answer: number | undefined
  let answered = false
  /** Parts of further calls of the same tool: one answer was asked for. */
  const surplus = new Set<number>()
  let otherCalls = false
  /** Text beside the answer. It is held back until it is known that it is not the answer itself. */
  const aside: StreamEvent[] = []

  function say(part: number, text: string, out: StreamEvent[]): void {
    answered ||= text !== ''
    shape({ type: 'text-delta', part, text }, out)
  }

  return (event, out) => {
    switch (event.type) {
      case 'tool-call-start':
        if (event.name !== name) {
          otherCalls = true
          out.push(event)
        } else if (answer === undefined) {
          answer = event.part
        } else {
          surplus.add(event.part)
          out.push(dropped(`The model called ${name} again; its first answer stands.`))
        }
        return
      case 'tool-call-delta':
      case 'tool-call':
        if (event.part !== answer) {
          if (!surplus.has(event.part)) out.push(event)
        } else if (event.type === 'tool-call-delta') say(answer, event.delta, out)
        // Without deltas it came whole; with them the text stands as it was written, valid or not.
        else if (!answered) say(answer, event.invalid?.raw ?? JSON.stringify(event.args), out)
        return
      case 'part':
        if (event.part === answer || surplus.has(event.part)) return
        if (event.value.type === 'text') aside.push(event)
        else out.push(event)
        return
      case 'text-delta':
        aside.push(event)
        return
      case 'finish':
        // The model may have answered in text after all, perhaps with the object.
        if (answer === undefined) for (const held of aside) shape(held, out)
        else if (aside.length > 0) out.push(dropped(`Text beside the object was left out: ${quote(aside)}`))
        out.push(
          answer !== undefined && !otherCalls && event.finishReason === 'tool-calls'
            ? { ...event, finishReason: 'stop' }
            : event,
        )
        return
      default:
        out.push(event)
    }
  }
}

function dropped(message: string): StreamEvent {
  return { type: 'warning', warning: { code: 'dropped', field: 'schema', message } }
}

/** The first 200 characters of what was held back. */
function quote(held: StreamEvent[]): string {
  let text = ''
  for (const event of held) {
    if (event.type === 'text-delta') text += event.text
    if (text.length > 200) return JSON.stringify(`${text.slice(0, 200)}…`)
  }
  return JSON.stringify(text)
}
