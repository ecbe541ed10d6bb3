/**
 * The last line of a CI run: how many cases of the outside corpus the tests really ran.
 *
 * In: the count files that `test/corpus.ts` left in `.cache/corpus-counts/`. Out: one line per suite and
 * `corpus: N cases ran`, or `CORPUS ABSENT`. The count files are removed, so that the next run starts from nothing.
 * A corpus that is configured but of which no case ran ends with exit code 1.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

// Kept equal to `corpusCountsFolder` in test/corpus.ts, which cannot be imported outside a vitest process.
const folder = join('.cache', 'corpus-counts')
const root = process.env['LLMSWAP_CORPUS']

if (root === undefined || root === '') {
  console.log('CORPUS ABSENT')
} else {
  let total = 0
  const files = existsSync(folder) ? readdirSync(folder).sort() : []
  for (const file of files) {
    const { suite, cases } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
      suite: string
      cases: number
    }
    total += cases
    console.log(`corpus ${suite}: ${cases}`)
  }
  console.log(`corpus: ${total} cases ran`)
  if (total === 0) process.exitCode = 1
}
rmSync(folder, { recursive: true, force: true })
