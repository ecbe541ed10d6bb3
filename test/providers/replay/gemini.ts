/** Gemini's generateContent, at Google's developer API. */
import { gemini } from '../../../src/providers/gemini.ts'
import type { Payload, Recorded, ReplayAdapter } from '../replay.ts'

interface Response {
  candidates?: {
    index?: number
    content?: { parts?: { text?: string; thought?: boolean }[] }
    finishReason?: string
  }[]
  usageMetadata?: object
  error?: unknown
}

/** What the responses of a stream say, read by the plainest means. */
export function readResponses(payloads: Payload[]): Recorded {
  const responses = payloads.map(({ json }) => json as Response | undefined)
  const firsts = responses.map((response) => response?.candidates?.find(({ index }) => (index ?? 0) === 0))
  // An answer of several rounds (remote tools) has a finishReason per round; cut right behind the first one, nothing
  // tells it from a whole answer.
  const terminal = firsts.findIndex((first) => first?.finishReason !== undefined)
  return {
    text: firsts
      .flatMap((first) => first?.content?.parts ?? [])
      .map((part) => (part.thought === true ? '' : (part.text ?? '')))
      .join(''),
    finish: firsts.findLast((first) => first?.finishReason !== undefined)?.finishReason,
    usage: responses.some((response) =>
      Object.keys(response?.usageMetadata ?? {}).some((key) => key.endsWith('TokenCount')),
    ),
    error: responses.some((response) => response?.error !== undefined),
    terminal: terminal >= 0 ? terminal : undefined,
  }
}

export const adapters: ReplayAdapter[] = [
  {
    name: 'gemini',
    matches: ({ url }) => /generativelanguage\.googleapis\.com\/.*:(?:streamG|g)enerateContent/.test(url),
    provider: () => gemini(),
    read: readResponses,
  },
]
