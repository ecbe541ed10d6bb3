/** A chat in the terminal whose model can look at the clock and at this folder. Empty line ends. `OPENAI_API_KEY=… npx tsx chat-tools.ts` */

import { readdir } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import type { Message } from 'llmswap'
import { runTools, tool } from 'llmswap/tools'
import { z } from 'zod'

const tools = [
  tool({
    name: 'time_now',
    description: 'The time, in a time zone.',
    inputSchema: z.object({ timeZone: z.string().describe('IANA name, e.g. Europe/Berlin') }),
    execute: ({ timeZone }) => new Date().toLocaleTimeString('en-GB', { timeZone }),
  }),
  tool({
    name: 'list_files',
    description: 'Names of the files in the current folder.',
    inputSchema: z.object({}),
    execute: () => readdir('.'),
  }),
]

const terminal = createInterface({ input: process.stdin, output: process.stdout })
let messages: Message[] = []
for (;;) {
  const question = await terminal.question('\n> ').catch(() => '')
  if (question === '') break
  const run = runTools([...messages, { role: 'user', content: question }], {
    tools,
    maxSteps: 6,
    model: 'openai/gpt-6-luna',
  })
  for await (const event of run) {
    if (event.type === 'text-delta') process.stdout.write(event.text)
    if (event.type === 'tool-start') console.log(`[${event.name} ${JSON.stringify(event.args)}]`)
  }
  messages = (await run.completion).messages
}
terminal.close()
