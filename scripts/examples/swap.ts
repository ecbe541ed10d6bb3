/**
 * One conversation, three providers. What only one of them understands — a signature, an encrypted thought — stays behind
 * with a warning; everything else goes along. Needs the three keys. `npx tsx swap.ts`
 */

import { complete, type Message } from 'llmswap'

const messages: Message[] = []
const turns = [
  ['anthropic/claude-sonnet-5-5', 'Name a prime between 80 and 90, and think about it first.'],
  ['openai/gpt-6.1-terra', 'Add 10 to it. Is the result prime?'],
  ['gemini/gemini-3.8-flash', 'Write the first number backwards. Which of the three is largest?'],
] as const

for (const [model, question] of turns) {
  messages.push({ role: 'user', content: question })
  const answer = await complete(messages, { model, reasoning: 'low', maxTokens: 2_000 })
  messages.push(answer.message)
  console.log(`${answer.provider}: ${answer.text}`)
  for (const { message } of answer.warnings) console.log(`  (${message})`)
}
