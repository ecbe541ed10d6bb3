/** Cohere's v2 chat. */
import { cohere } from '../../../src/providers/cohere.ts'
import type { Payload, Recorded, ReplayAdapter } from '../replay.ts'

interface Event {
  type?: string
  delta?: { finish_reason?: string; usage?: object; message?: { content?: { text?: string } } }
}

function read(payloads: Payload[]): Recorded {
  const events = payloads.map(({ json }) => json as Event | undefined)
  const terminal = events.findIndex((event) => event?.type === 'message-end')
  return {
    text: events.map((event) => event?.delta?.message?.content?.text ?? '').join(''),
    finish: events[terminal]?.delta?.finish_reason,
    usage: events[terminal]?.delta?.usage !== undefined,
    error: events[terminal]?.delta?.finish_reason === 'ERROR',
    terminal: terminal >= 0 ? terminal : undefined,
  }
}

export const adapters: ReplayAdapter[] = [
  {
    name: 'cohere',
    matches: ({ url }) => /api\.cohere\.(?:com|ai)\/v2\/chat/.test(url),
    provider: () => cohere(),
    read,
  },
]
