/**
 * The client, bound to the registry: providers by name, keys from the environment, `'auto'`.
 *
 * In:  an Input and Options. Out: what client.ts gives.
 * Not here: the pipeline (client.ts), the names and their defaults (providers/registry.ts).
 */

import { clientOf, type Client } from './client.ts'
import { LlmError } from './errors.ts'
import { resolveEmbedding, resolveProvider } from './providers/registry.ts'
import type {
  Completion,
  CompletionStream,
  EmbedOptions,
  EmbedResult,
  Infer,
  Input,
  Options,
} from './types.ts'
import type { Resolver } from './verbs.ts'

const REGISTRY: Resolver = {
  chat: resolveProvider,
  embedding({ embedding, provider, ...choice }) {
    if (embedding !== undefined) return resolveEmbedding({ ...choice, provider: embedding })
    if (typeof provider !== 'object') return resolveEmbedding({ ...choice, provider })
    throw new LlmError({
      kind: 'config',
      provider: provider.name,
      message: `${provider.name} was passed as a chat codec: pass its embedding codec as the option embedding.`,
    })
  },
}

/**
 * The whole answer.
 * @throws LlmError of every kind; `partial` holds what had arrived.
 * @example const { text } = await complete('Why is the sky blue?')
 */
export async function complete<S = unknown>(
  input: Input,
  options?: Options<S>,
): Promise<Completion<Infer<S>>> {
  return clientOf(REGISTRY).complete(input, options)
}

/**
 * The answer as it is written: loop over the events, over `.text`, or return `.toResponse()`.
 * The request starts here. Never throws; failures reach whoever reads.
 * @example for await (const text of stream('Tell me a story').text) process.stdout.write(text)
 */
export function stream<S = unknown>(input: Input, options?: Options<S>): CompletionStream<Infer<S>> {
  return clientOf(REGISTRY).stream(input, options)
}

/**
 * One `Float32Array` per text, in order.
 * @throws LlmError of every kind; `unsupported` for providers without embeddings.
 */
export async function embed(texts: string | readonly string[], options?: EmbedOptions): Promise<EmbedResult> {
  return clientOf(REGISTRY).embed(texts, options)
}

/** The same verbs with options bound; those of a call win. */
export function createClient(options: Options = {}): Client {
  return clientOf(REGISTRY, options)
}
