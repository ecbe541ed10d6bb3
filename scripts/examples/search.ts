/** Search by meaning: embed the notes once, then every question; the nearest rows win. `OPENAI_API_KEY=… npx tsx search.ts "question"` */

import { embed } from 'llmswap'

const notes = [
  'The boiler is serviced every October by Hahn & Sons.',
  'Wi-Fi password hangs inside the kitchen cupboard.',
  'The neighbour feeds the cat on Tuesdays.',
  'Spare keys are with Ms Okafor on the second floor.',
]
const options = { provider: 'openai', model: 'text-embedding-3-small', dimensions: 256 } as const

const { embeddings: rows, usage } = await embed(notes, { ...options, purpose: 'document' })
const question = process.argv[2] ?? 'Who has a key?'
const { embeddings } = await embed(question, { ...options, purpose: 'query' })
const query = embeddings[0]!

function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0
  let aa = 0
  let bb = 0
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!
    aa += a[i]! ** 2
    bb += b[i]! ** 2
  }
  return dot / Math.sqrt(aa * bb)
}

const ranked = notes
  .map((note, i) => ({ note, score: cosine(query, rows[i]!) }))
  .sort((a, b) => b.score - a.score)
for (const { note, score } of ranked.slice(0, 2)) console.log(`${score.toFixed(3)}  ${note}`)
console.log(`(${notes.length} notes, ${usage.inputTokens} tokens)`)
