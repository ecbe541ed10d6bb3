/** Anthropic's Messages API, and whoever else has it under /v1/messages. */
import { anthropic } from '../../../src/providers/anthropic.ts'
import type { Payload, Recorded, ReplayAdapter } from '../replay.ts'

interface Block {
  type?: string
  text?: string
}
interface Event {
  type?: string
  message?: { content?: Block[]; stop_reason?: string | null; usage?: object | null }
  content_block?: Block
  delta?: { type?: string; text?: string; stop_reason?: string | null }
  usage?: object | null
}

/** What the events of the Messages API say, read by the plainest means. */
export function readMessages(payloads: Payload[]): Recorded {
  // A whole body is a message where the stream has an event.
  const events = payloads.map(({ json }) => {
    const event = json as (Event & Event['message']) | null | undefined
    return event?.type === 'message' ? { type: 'message_start', message: event } : event
  })
  const reasons = events.map((event) => event?.delta?.stop_reason ?? event?.message?.stop_reason ?? undefined)
  const terminal = events.findIndex(
    (event, at) => event?.type === 'message_stop' || reasons[at] !== undefined,
  )
  return {
    text: events
      .map((event) => {
        if (event?.delta?.type === 'text_delta') return event.delta.text
        const blocks = event?.message?.content ?? [event?.content_block]
        return blocks.map((block) => (block?.type === 'text' ? block.text : '')).join('')
      })
      .join(''),
    finish: reasons.findLast((reason) => reason !== undefined),
    usage: events.some((event) => event?.usage != null || event?.message?.usage != null),
    error: events.some((event) => event?.type === 'error'),
    terminal: terminal >= 0 ? terminal : undefined,
  }
}

export const adapters: ReplayAdapter[] = [
  {
    name: 'anthropic',
    matches: ({ url }) => /\/v1\/messages(?:\/count_tokens)?(?:$|[?#])/.test(url),
    provider: () => anthropic(),
    read: readMessages,
  },
]
