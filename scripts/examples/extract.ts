/** An invoice becomes an object, typed and validated, visible while it is written. `GEMINI_API_KEY=… npx tsx extract.ts < invoice.txt` */

import { text } from 'node:stream/consumers'
import { LlmError, stream } from 'llmswap'
import { z } from 'zod'

const Invoice = z.object({
  supplier: z.string(),
  total: z.number(),
  currency: z.enum(['EUR', 'USD', 'GBP']),
  lines: z.array(z.object({ item: z.string(), amount: z.number() })),
})

const run = stream(await text(process.stdin), {
  model: 'gemini/gemini-3.8-flash',
  system: 'Extract the invoice. Amounts are numbers without separators.',
  schema: Invoice,
})
try {
  for await (const event of run) {
    if (event.type === 'object-delta') process.stderr.write(`\r${JSON.stringify(event.object).slice(0, 78)}`)
  }
  const { object } = await run.completion
  console.log(`${object?.supplier}: ${object?.total} ${object?.currency}, ${object?.lines.length} lines`)
} catch (error) {
  if (!LlmError.is(error) || error.kind !== 'invalid-output') throw error
  console.error('It does not fit:', error.issues, error.partial?.text)
}
