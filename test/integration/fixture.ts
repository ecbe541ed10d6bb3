/** What the integration tests share: a client on a test server, and the outcome of a call as data. */

import { createClient, type Client } from '../../src/client.ts'
import { LlmError } from '../../src/errors.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import type { Completion, Options, StreamEvent } from '../../src/types.ts'
import { startServer, type Answer, type TestServer } from '../server.ts'

export const KEY = 'sk-test-4711-do-not-leak'

/** Fast retries, because nothing here measures time. */
export const FAST = { attempts: 3, baseMs: 1, maxMs: 5 }

export function clientOn(url: string, options: Options = {}): Client {
  return createClient({
    provider: openaiChat({ baseURL: `${url}/v1`, apiKey: KEY }),
    model: 'test-model',
    retry: false,
    ...options,
  })
}

export interface Outcome {
  events: StreamEvent[]
  text: string
  completion?: Completion
  error?: LlmError
}

/** Runs a call to its end, whichever; anything but an LlmError, or a key in one, is a failure of the test. */
export async function run(client: Client, options: Options = {}): Promise<Outcome> {
  const stream = client.stream('hi', options)
  const outcome: Outcome = { events: [], text: '' }
  try {
    for await (const event of stream) {
      outcome.events.push(event)
      if (event.type === 'text-delta') outcome.text += event.text
    }
    outcome.completion = await stream.completion
  } catch (error) {
    if (!LlmError.is(error)) throw error
    if (JSON.stringify(error).includes(KEY)) throw new Error('the key leaked', { cause: error })
    outcome.error = error
  }
  return outcome
}

/** Starts a server for one test, and closes it whatever happens. */
export async function withServer(
  answer: Answer,
  test: (server: TestServer, client: (options?: Options) => Client) => Promise<void>,
): Promise<void> {
  const server = await startServer(answer)
  try {
    await test(server, (options) => clientOn(server.url, options))
  } finally {
    await server.close()
  }
}
