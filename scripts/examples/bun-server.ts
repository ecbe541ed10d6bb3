/** The same proxy on Bun, as plain text instead of events. `OPENAI_API_KEY=… bun run bun-server.ts` */

import { stream } from 'llmswap'

interface BunApi {
  env: Record<string, string | undefined>
  serve(options: { port: number; hostname: string; fetch(request: Request): Promise<Response> }): unknown
}
const { Bun } = globalThis as unknown as { Bun: BunApi }

Bun.serve({
  port: Number(Bun.env['PORT'] ?? 8787),
  hostname: '127.0.0.1',
  async fetch(request) {
    const run = stream(await request.text(), { model: 'openai/gpt-6-luna', signal: request.signal })
    const text = run.text[Symbol.asyncIterator]()
    const encoder = new TextEncoder()
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await text.next()
        if (done === true) controller.close()
        else controller.enqueue(encoder.encode(value))
      },
      cancel: () => run.abort(),
    })
    return new Response(body, { headers: { 'content-type': 'text/plain; charset=utf-8' } })
  },
})
