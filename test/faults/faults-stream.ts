/** Rows 74 to 78: errors inside a good response, in the way each provider sends them. Data; see harness.ts. */

import type { ErrorKind } from '../../src/errors.ts'
import type { Provider } from '../../src/provider.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { vendor } from '../../src/providers/compatible.ts'
import { gemini } from '../../src/providers/gemini.ts'
import { mistral } from '../../src/providers/mistral.ts'
import { ollama } from '../../src/providers/ollama.ts'
import { openai } from '../../src/providers/openai.ts'
import { chunk, frame, SSE } from '../server.ts'
import { KEY, type Fault, type Serve } from './harness.ts'
import { http } from './server.ts'

const apiKey = KEY
const codecs = {
  chat: undefined,
  responses: (baseURL: string): Provider => openai({ baseURL, apiKey }),
  claude: (baseURL: string): Provider => anthropic({ baseURL, apiKey }),
  google: (baseURL: string): Provider => gemini({ baseURL, apiKey }),
  mistral: (baseURL: string): Provider => mistral({ baseURL, apiKey }),
  ollama: (baseURL: string): Provider => ollama({ baseURL }),
  openrouter: (baseURL: string): Provider => vendor('openrouter', { baseURL, apiKey })!,
  groq: (baseURL: string): Provider => vendor('groq', { baseURL, apiKey })!,
}

const named = (event: string, data: object): string => `event: ${event}\n${frame({ type: event, ...data })}`

/** How each of them begins, and says "Hel". */
const HELLO: Record<keyof typeof codecs, [opening: string, content: string]> = {
  chat: ['', chunk('Hel')],
  openrouter: [': OPENROUTER PROCESSING\n\n', chunk('Hel')],
  groq: ['', chunk('Hel')],
  mistral: ['', chunk('Hel')],
  responses: [
    named('response.created', { response: { id: 'r', model: 'm', status: 'in_progress', output: [] } }),
    named('response.output_item.added', {
      output_index: 0,
      item: { id: 'i', type: 'message', role: 'assistant', content: [] },
    }) +
      named('response.output_text.delta', { item_id: 'i', output_index: 0, content_index: 0, delta: 'Hel' }),
  ],
  claude: [
    named('message_start', {
      message: {
        id: 'm',
        role: 'assistant',
        model: 'm',
        content: [],
        usage: { input_tokens: 1, output_tokens: 1 },
      },
    }),
    named('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
      named('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hel' } }),
  ],
  google: ['', frame({ candidates: [{ index: 0, content: { role: 'model', parts: [{ text: 'Hel' }] } }] })],
  ollama: [
    '',
    `${JSON.stringify({ model: 'm', message: { role: 'assistant', content: 'Hel' }, done: false })}\n`,
  ],
}

/**
 * Each failure twice: before content it is what it says and is tried again where that may help (phase P2); after
 * content it is an interruption that carries the text and the failure (P3).
 */
const FAILURES: [row: number, codec: keyof typeof codecs, name: string, sent: string, kind: ErrorKind][] = [
  [
    74,
    'chat',
    'data: {"error"}',
    frame({ error: { message: 'boom', type: 'server_error', code: null } }),
    'server',
  ],
  [
    75,
    'responses',
    'event: error',
    named('error', { code: 'server_error', message: 'boom', sequence_number: 3 }),
    'server',
  ],
  [
    75,
    'responses',
    'response.failed',
    named('response.failed', {
      response: { id: 'r', status: 'failed', error: { code: 'server_error', message: 'boom' }, output: [] },
    }),
    'server',
  ],
  [
    76,
    'claude',
    'event: error, overloaded_error',
    named('error', { error: { type: 'overloaded_error', message: 'Overloaded' } }),
    'overloaded',
  ],
  [
    77,
    'google',
    'an error, UNAVAILABLE',
    frame({ error: { code: 503, status: 'UNAVAILABLE', message: 'The model is overloaded.' } }),
    'overloaded',
  ],
  [
    78,
    'openrouter',
    'an error beside finish_reason "error"',
    frame({
      id: 'x',
      object: 'chat.completion.chunk',
      model: 'm',
      error: { code: 502, message: 'Upstream died' },
      choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error' }],
    }),
    'server',
  ],
  [
    78,
    'groq',
    'event: error',
    `event: error\ndata: ${JSON.stringify({ error: { message: 'boom', type: 'internal_server_error' } })}\n\n`,
    'server',
  ],
  [
    78,
    'mistral',
    'object: "error"',
    frame({ object: 'error', message: 'Service unavailable', type: 'service_unavailable', code: 3505 }),
    'overloaded',
  ],
  [
    78,
    'ollama',
    'a line with "error"',
    '{"error":"an error was encountered while running the model"}\n',
    'server',
  ],
]

export const STREAM: Fault[] = FAILURES.flatMap(([row, codec, name, sent, kind]): Fault[] => {
  const [opening, content] = HELLO[codec]
  const serve =
    (...pieces: string[]): Serve =>
    () =>
      http((response) => response.writeHead(200, SSE).end(pieces.join('')))
  const shared = { row, ...(codecs[codec] === undefined ? {} : { codec: codecs[codec] }) }
  return [
    {
      ...shared,
      name: `${codec}: ${name}, before content`,
      serve: serve(opening, sent),
      expected: { tries: 3, failsOver: true, health: 'open', kind },
    },
    {
      ...shared,
      name: `${codec}: ${name}, after content`,
      serve: serve(opening, content, sent),
      expected: {
        tries: 1,
        failsOver: false,
        health: 'open',
        kind: 'interrupted',
        text: 'Hel',
        error: { cause: { kind } },
      },
    },
  ]
})
