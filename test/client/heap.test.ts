import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { createClient } from '../../src/client.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Kilobytes in use after a collection. */
function inUse(): number {
  collect()
  collect()
  return process.memoryUsage().heapUsed / 1024
}

it('a finished call leaves nothing behind, even when no timer ever fires in between', async () => {
  const frame = (choice: object): string =>
    `data: ${JSON.stringify({ id: 'c', model: 'm', choices: [choice] })}\n\n`
  const body = new TextEncoder().encode(
    `${frame({ index: 0, delta: { content: 'hello' } })}${frame({ index: 0, delta: {}, finish_reason: 'stop' })}data: [DONE]\n\n`,
  )
  const client = createClient({
    provider: openaiChat({ apiKey: 'k' }),
    model: 'm',
    transport: {
      async send() {
        const stream = new ReadableStream<Uint8Array>({
          start(controller) {
            controller.enqueue(body)
            controller.close()
          },
        })
        return { status: 200, headers: new Headers(), body: stream }
      },
    },
  })
  for (let call = 0; call < 500; call++) await client.complete('hi')
  const before = inUse()
  const calls = 2_000
  for (let call = 0; call < calls; call++) await client.complete('hi')
  // 27 kB a call were held before runs let go of their backstop; what is left is the compiler's own growth.
  expect((inUse() - before) / calls).toBeLessThan(2)
})
