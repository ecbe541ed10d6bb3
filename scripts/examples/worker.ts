/**
 * A Cloudflare Worker that keeps the key and passes the events on; page.ts reads them. The client's `break` reaches the
 * provider. Bundle with wrangler, or esbuild; `ANTHROPIC_API_KEY` is a secret of the Worker.
 */

import { anthropic } from 'llmswap/anthropic'
import { createClient } from 'llmswap/client'

const cors = { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'content-type' }

export default {
  async fetch(request: Request, env: { ANTHROPIC_API_KEY: string }): Promise<Response> {
    if (request.method === 'OPTIONS') return new Response(null, { headers: cors })
    if (request.method !== 'POST')
      return new Response('POST { "prompt": "…" }', { status: 405, headers: cors })
    const { prompt } = (await request.json()) as { prompt: string }
    const client = createClient({
      provider: anthropic({ apiKey: env.ANTHROPIC_API_KEY }),
      model: 'claude-haiku-5-5',
    })
    return client.stream(prompt, { maxTokens: 1_000, signal: request.signal }).toResponse({ headers: cors })
  },
}
