/** The Responses API, at OpenAI and at everyone who has the path. */
import { openai } from '../../../src/providers/openai.ts'
import type { Payload, Recorded, ReplayAdapter } from '../replay.ts'

interface Response {
  status?: string
  output?: { content?: { type?: string; text?: string; refusal?: string }[] }[]
  usage?: object | null
  incomplete_details?: { reason?: string } | null
}
interface Event extends Response {
  type?: string
  object?: string
  delta?: string
  response?: Response
}

const ENDS: readonly (string | undefined)[] = ['response.completed', 'response.incomplete']
const FAILURES: readonly (string | undefined)[] = ['error', 'response.failed']
const TEXT: readonly (string | undefined)[] = ['response.output_text.delta', 'response.refusal.delta']

function read(payloads: Payload[]): Recorded {
  const events = payloads.map(({ json }) => json as Event | null | undefined)
  const whole = events.find((event) => event?.object === 'response')
  const terminal = whole === undefined ? events.findIndex((event) => ENDS.includes(event?.type)) : 0
  const response = whole ?? events[terminal]?.response
  const streamed = events.map((event) => (TEXT.includes(event?.type) ? event?.delta : '')).join('')
  const listed = (whole?.output ?? []).flatMap(({ content }) => content ?? [])
  return {
    text: streamed + listed.map(({ text, refusal }) => text ?? refusal ?? '').join(''),
    finish: response?.incomplete_details?.reason ?? response?.status,
    usage: response?.usage != null,
    error: events.some((event) => FAILURES.includes(event?.type)),
    terminal: terminal >= 0 ? terminal : undefined,
  }
}

/** Rows of the table by host; encrypted reasoning belongs to one of them, so each has its name. */
const HOSTS: readonly [RegExp, string][] = [
  [/api\.openai\.com/, 'openai'],
  [/azure\.com/, 'azure (responses)'],
  [/bedrock-mantle/, 'bedrock mantle (responses)'],
  [/deepseek/, 'deepseek (responses)'],
  [/openrouter/, 'openrouter (responses)'],
  [/api\.x\.ai/, 'xai (responses)'],
  [/./, 'other (responses)'],
]

export const adapters: ReplayAdapter[] = HOSTS.map(([host, name], at) => ({
  name,
  matches: ({ url }) =>
    /\/responses(?:$|[/?#])/.test(url) &&
    host.test(url) &&
    !HOSTS.slice(0, at).some(([earlier]) => earlier.test(url)),
  provider: () => openai({ name }),
  read,
}))
