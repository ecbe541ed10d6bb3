/** The same proxy on Deno. `deno run --allow-net --allow-env=OPENAI_API_KEY deno-server.ts` */

import { createClient } from 'llmswap/client'
import { openai } from 'llmswap/openai'

interface DenoApi {
  env: { get(name: string): string | undefined }
  serve(options: { port: number; hostname: string }, answer: (request: Request) => Promise<Response>): unknown
}
const { Deno } = globalThis as unknown as { Deno: DenoApi }

const client = createClient({
  provider: openai({ apiKey: Deno.env.get('OPENAI_API_KEY') ?? '' }),
  model: 'gpt-6-luna',
})

Deno.serve({ port: Number(Deno.env.get('PORT') ?? 8787), hostname: '127.0.0.1' }, async (request) =>
  client.stream(await request.text(), { signal: request.signal }).toResponse(),
)
