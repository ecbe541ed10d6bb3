/** The shortest program: a question, the answer as it is written, what it took. `ANTHROPIC_API_KEY=… npx tsx story.ts` */

import { stream } from 'llmswap'

const run = stream('Tell me a story about a lighthouse, in three sentences.', {
  model: 'anthropic/claude-haiku-5-5',
  maxTokens: 300,
})
for await (const text of run.text) process.stdout.write(text)

const { model, usage, timing } = await run.completion
console.log(`\n\n${model}: ${usage.outputTokens} tokens in ${Math.round(timing.totalMs)} ms`)
