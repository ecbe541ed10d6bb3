/**
 * The program that kill.test.ts kills: 400 rows, 8 at once, a checkpoint in the file named first, and in the file named
 * second a line per question really asked.
 */

import { appendFileSync } from 'node:fs'
import type { Completion } from 'llmswap'
import { batch } from 'llmswap/batch'
import { fileCheckpoint } from 'llmswap/node'

const [checkpoint = '', asked = ''] = process.argv.slice(2)

const rows = Array.from({ length: 400 }, (_, at) => ({ id: `r${at}`, prompt: `q${at}` }))
const run = batch(rows, {
  checkpoint: fileCheckpoint(checkpoint),
  client: {
    async complete(input) {
      appendFileSync(asked, `${String(input)}\n`)
      await new Promise((resolve) => setTimeout(resolve, 1 + (String(input).length % 3)))
      return { text: String(input).repeat(20), usage: {} } as Completion
    },
  },
})
for await (const _ of run);
process.stdout.write('finished\n')
