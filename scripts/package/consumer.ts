/**
 * The program a consumer compiles: every subpath imported, and the types that inference has to carry used.
 *
 * In:  the subpaths of package.json. Out: TypeScript for tsc alone; nothing runs it.
 * A wrong declaration shows up here as an error of somebody else's compiler, older or newer than ours.
 */

/** `llmswap/tokens/o200k_base` → `all_tokens_o200k_base`. */
function binding(subpath: string): string {
  return `all_${subpath.slice(2).replace(/\W/g, '_')}`
}

const USE = `
import { complete, createClient, LlmError, stream, tool } from 'llmswap'
import type { Completion, CompletionStream, Message, Options, StreamEvent } from 'llmswap'
import { anthropic } from 'llmswap/anthropic'
import { createClient as createDirect } from 'llmswap/client'
import { createRouter } from 'llmswap/router'
import { createSseDecoder, fromSSE } from 'llmswap/sse'
import { fake } from 'llmswap/testing'
import { runTools } from 'llmswap/tools'

const options: Options = { model: 'anthropic/claude-sonnet-5-5', timeouts: { idle: 90_000 }, retry: false }
const messages: Message[] = [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }]

export async function use(body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<string> {
  const run: CompletionStream = stream(messages, { ...options, signal })
  for await (const event of run) {
    if (event.type === 'text-delta') event.text.toUpperCase()
    else if (event.type === 'tool-call' && 'args' in event) void event.args
    // @ts-expect-error: a text delta has no id
    if (event.type === 'text-delta') void event.id
  }
  for await (const text of stream('hi').text) text.toUpperCase()
  const response: Response = await stream('hi').toResponse({ headers: { 'x-a': 'b' } })
  const completion: Completion = await complete('hi', options)
  const tokens: number | undefined = completion.usage.inputTokens
  const client = createDirect({ provider: anthropic({ apiKey: async () => 'k' }) })
  const router = createRouter({ targets: ['openai/gpt-6.1-terra', client, createClient(options)] })
  const again: Completion = await router.complete('hi')
  const events: StreamEvent[] = []
  for await (const event of fromSSE(body)) events.push(event)
  createSseDecoder().push(new Uint8Array(1)).map(({ data }) => data.length)
  const clock = tool({
    name: 'clock',
    inputSchema: { type: 'object' },
    execute: () => 'now',
  })
  const { text } = await runTools('hi', { ...fake(['hi']), tools: [clock], maxSteps: 2 }).completion
  const problem: unknown = again
  const kind = LlmError.is(problem) ? problem.kind : undefined
  return [text, again.text, response.status, tokens, kind].join()
}
`

/** The whole program. */
export function consumerProgram(subpaths: readonly string[]): string {
  const imports = subpaths.map(
    (subpath) => `import * as ${binding(subpath)} from 'llmswap${subpath.slice(1)}'`,
  )
  return `${imports.join('\n')}
export const all: readonly object[] = [${subpaths.map(binding).join(', ')}]
${USE}`
}

/** What a consumer's project has in scope beside the language. */
export interface World {
  name: string
  lib: readonly string[]
  /** Packages of global typings. */
  types: readonly string[]
  skipLibCheck: boolean
}

/** The four worlds a consumer may live in. */
export const WORLDS: readonly World[] = [
  { name: 'DOM', lib: ['es2022', 'dom', 'dom.iterable'], types: [], skipLibCheck: false },
  { name: '@types/node 20', lib: ['es2022'], types: ['node'], skipLibCheck: false },
  {
    name: '@cloudflare/workers-types',
    lib: ['es2022'],
    types: ['@cloudflare/workers-types'],
    skipLibCheck: false,
  },
  // bun-types does not compile under its own skipLibCheck: false.
  { name: 'bun-types', lib: ['es2022'], types: ['bun-types'], skipLibCheck: true },
]
