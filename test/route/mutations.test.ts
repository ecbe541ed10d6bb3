/** One mutation per file of the routing code: that the check of the checks still works. All: `npm run check:mutations`. */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

test.runIf(process.env['LLMSWAP_FULL'] === '1')('wrong code is noticed', async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', 'scripts/check-mutations.ts', '--quick'],
    { cwd: fileURLToPath(new URL('../..', import.meta.url)) },
  ).catch((failure: { stdout: string }) => failure)
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^(\d+) mutations: \1 noticed, 0 survived$/)
})
