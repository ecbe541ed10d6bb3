/** Vertex AI: Gemini's responses and Anthropic's messages, told apart by the publisher in the path. */
import { vertex } from '../../../src/providers/vertex.ts'
import type { ReplayAdapter } from '../replay.ts'
import { readMessages } from './anthropic.ts'
import { readResponses } from './gemini.ts'

export const adapters: ReplayAdapter[] = [
  {
    name: 'vertex (gemini)',
    matches: ({ url }) =>
      /aiplatform\.googleapis\.com\/.*publishers\/google\/.*:(?:streamG|g)enerateContent/.test(url),
    provider: () => vertex({ project: 'p' }),
    read: readResponses,
  },
  {
    name: 'vertex (claude)',
    matches: ({ url }) =>
      /aiplatform\.googleapis\.com\/.*publishers\/anthropic\/.*:(?:streamR|r)awPredict/.test(url),
    // A replay has no request to tell the publisher by.
    provider: () => {
      const codec = vertex({ project: 'p' })
      const request = { model: 'claude', messages: [], stream: true }
      return {
        ...codec,
        decoder: () => codec.decoder(request),
        decode: (json) => codec.decode(json, request),
      }
    },
    read: readMessages,
  },
]
