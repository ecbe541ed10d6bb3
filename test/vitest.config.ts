/** How `npm test` runs: every `*.test.ts` in processes of their own, and every `*.test-d.ts` through tsc. */

import { fileURLToPath } from 'node:url'
import type { ViteUserConfig } from 'vitest/config'

const full = process.env['LLMSWAP_FULL'] === '1'

const config: ViteUserConfig = {
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['test/**/*.test.ts'],
    // Sockets and child processes are slow to start on a busy machine; nothing here asserts absolute times.
    testTimeout: full ? 600_000 : 60_000,
    hookTimeout: 120_000,
    // CI shares two cores with whatever else runs there: a socket test may lose a race once, a broken one loses all.
    retry: process.env['CI'] === 'true' ? 2 : 0,
    pool: 'forks',
    // Vitest leaves one core free unless told otherwise: of two, that is half, and the full counts take 17 minutes on one.
    maxWorkers: '100%',
    typecheck: {
      enabled: true,
      include: ['test/**/*.test-d.ts'],
      tsconfig: './tsconfig.json',
      ignoreSourceErrors: false,
    },
  },
}

export default config
