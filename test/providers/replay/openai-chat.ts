/** Chat Completions, in whatever dialect: told by the path of the URL, its vendor by the host. */
import type { Provider } from '../../../src/provider.ts'
import { compatible, vendor } from '../../../src/providers/compatible.ts'
import { mistral } from '../../../src/providers/mistral.ts'
import { openaiChat } from '../../../src/providers/openai-chat.ts'
import type { Payload, Recorded, ReplayAdapter } from '../replay.ts'

interface Choice {
  index?: number
  delta?: { content?: unknown; refusal?: string | null }
  finish_reason?: string | null
  usage?: object | null
  error?: unknown
}
interface Chunk {
  choices?: Choice[]
  usage?: object | null
  x_groq?: { usage?: object; error?: unknown }
  error?: unknown
}

/** Vendors by host. Any other host that has the path is a compatible server. */
const HOSTS: readonly [RegExp, string, () => Provider][] = [
  [/\.openai\.azure\.com|services\.ai\.azure\.com/, 'azure (chat)', () => openaiChat({ name: 'azure' })],
  [/api\.openai\.com/, 'openai-chat', () => openaiChat()],
  [/api\.mistral\.ai/, 'mistral', () => mistral()],
  [/api\.groq\.com/, 'groq', () => vendor('groq')!],
  [/api\.deepseek\.com/, 'deepseek', () => vendor('deepseek')!],
  [/api\.x\.ai/, 'xai', () => vendor('xai')!],
  [/openrouter\.ai/, 'openrouter', () => vendor('openrouter')!],
  [/api\.perplexity\.ai/, 'perplexity', () => vendor('perplexity')!],
  [/api\.together\./, 'together', () => vendor('together')!],
  [/api\.fireworks\.ai/, 'fireworks', () => vendor('fireworks')!],
  [/api\.cerebras\.ai/, 'cerebras', () => vendor('cerebras')!],
  [/api\.moonshot\./, 'moonshot', () => vendor('moonshot')!],
  [/api\.z\.ai|bigmodel\.cn/, 'zai', () => vendor('zai')!],
  [/dashscope/, 'alibaba', () => vendor('alibaba')!],
  [/minimax/, 'minimax', () => vendor('minimax')!],
  [/api\.nvidia\.com/, 'nvidia', () => vendor('nvidia')!],
  [/huggingface/, 'huggingface', () => vendor('huggingface')!],
  [/models\.github\.ai|models\.inference\.ai\.azure/, 'github', () => vendor('github')!],
  [/api\.sarvam\.ai/, 'sarvam', () => vendor('sarvam')!],
  [/./, 'compatible', () => compatible({ baseURL: 'http://localhost/v1' })],
]

/** Writer has the format under a path of its own. */
const PATH = /\/chat\/completions|api\.writer\.com\/v1\/chat(?:$|[?#])/

function read(payloads: Payload[]): Recorded {
  const chunks = payloads.map((payload) => payload.json as Chunk | null | undefined)
  const first = chunks.find((chunk) => (chunk?.choices?.length ?? 0) > 0)?.choices?.[0]?.index ?? 0
  const choices = chunks.map((chunk) => chunk?.choices?.find(({ index }) => (index ?? 0) === first))
  const finishes = choices.map((choice) => choice?.finish_reason || undefined)
  const done = payloads.findIndex(({ data }) => data.trim() === '[DONE]')
  const finished = finishes.findIndex((reason) => reason !== undefined)
  const some = choices.some((choice) => choice?.delta !== undefined)
  const terminal = finished >= 0 ? finished : some ? done : -1
  return {
    text: choices.map((choice) => textOf(choice?.delta?.content) + (choice?.delta?.refusal ?? '')).join(''),
    finish: finishes.findLast((reason) => reason !== undefined),
    usage: chunks.some(
      (chunk, at) => chunk?.usage != null || chunk?.x_groq?.usage != null || choices[at]?.usage != null,
    ),
    error: payloads.some(({ event }, at) => event === 'error' || !!chunks[at]?.error || !!choices[at]?.error),
    terminal: terminal >= 0 ? terminal : undefined,
  }
}

function textOf(content: unknown): string {
  if (!Array.isArray(content)) return typeof content === 'string' ? content : ''
  return content
    .map((block: { type?: string; text?: string }) => (block.type === 'text' ? block.text : ''))
    .join('')
}

export const adapters: ReplayAdapter[] = HOSTS.map(([host, name, provider], at) => ({
  name,
  matches: ({ url }) =>
    PATH.test(url) &&
    host.test(url) &&
    !HOSTS.slice(0, at).some(([earlier]) => earlier.test(url)) &&
    !/generativelanguage/.test(url),
  provider,
  read,
}))
