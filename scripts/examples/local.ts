/** A model on this machine: Ollama if it runs, else llama.cpp's server. No key, no cloud. `npx tsx local.ts "your prompt"` */

import { LlmError, stream } from 'llmswap'

const prompt = process.argv[2] ?? 'Write a haiku about local models.'
const servers = [
  { provider: 'ollama', model: process.env['OLLAMA_MODEL'] ?? 'qwen3:4b' },
  { provider: 'llamacpp', model: 'default' },
]

for (const server of servers) {
  try {
    // Slow machines think long before the first token; nothing is wrong as long as the server answers at all.
    const run = stream(prompt, { ...server, retry: false, timeouts: { connect: 1_000, firstToken: 600_000 } })
    for await (const text of run.text) process.stdout.write(text)
    console.log(`\n(${server.provider})`)
    break
  } catch (error) {
    if (!LlmError.is(error) || error.kind !== 'connect') throw error
    console.error(`${server.provider} is not running.`)
  }
}
