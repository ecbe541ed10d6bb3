/** Ollama's native chat. */
import { ollama } from '../../../src/providers/ollama.ts'
import type { Payload, Recorded, ReplayAdapter } from '../replay.ts'

interface Line {
  message?: { content?: string }
  done?: boolean
  done_reason?: string
  eval_count?: number
  error?: string
}

function read(payloads: Payload[]): Recorded {
  const lines = payloads.map(({ json }) => json as Line | undefined)
  const terminal = lines.findIndex((line) => line?.done === true)
  return {
    text: lines.map((line) => line?.message?.content ?? '').join(''),
    finish: lines[terminal]?.done_reason,
    usage: lines[terminal]?.eval_count !== undefined,
    error: lines.some((line) => line?.error !== undefined),
    terminal: terminal >= 0 ? terminal : undefined,
  }
}

export const adapters: ReplayAdapter[] = [
  { name: 'ollama', matches: ({ url }) => url.endsWith('/api/chat'), provider: () => ollama(), read },
]
