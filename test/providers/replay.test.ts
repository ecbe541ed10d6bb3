import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { corpusFolder } from '../corpus.ts'
import { FULL_EFFORT, listRecordings, QUICK_EFFORT, replay } from './replay.ts'
import { loadAdapters } from './replay/adapters.ts'
import { OUT_OF_SCOPE } from './replay/out-of-scope.ts'

const adapters = await loadAdapters()
const effort = process.env['LLMSWAP_FULL'] === '1' ? FULL_EFFORT : QUICK_EFFORT

corpusFolder('recordings', 'recordings', (folder, ran) => {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    it(
      `${entry.name}: every recording is read whole, or is out of scope by a dated row`,
      { timeout: 300_000 },
      () => {
        const troubles: string[] = []
        for (const file of listRecordings(join(folder, entry.name))) {
          const outcome = replay(folder, file, adapters, OUT_OF_SCOPE, effort)
          if (outcome.status === 'failed' || outcome.status === 'unclassified') {
            troubles.push(`${outcome.status} ${outcome.file}: ${outcome.reason}`)
          }
          ran()
        }
        expect(troubles).toEqual([])
      },
    )
  }
})

it('every out-of-scope row is dated and says why', () => {
  for (const { since, reason } of OUT_OF_SCOPE) {
    expect(since).toMatch(/^\d{4}-\d{2}-\d{2}$/)
    expect(reason.length).toBeGreaterThan(10)
  }
})
