/**
 * src/ → dist/, by tsc alone.
 *
 * In:  src/**.ts. Out: dist/ with JavaScript, declarations and maps, one file per source file, nothing bundled.
 * Before anything is written the sources are checked once without Node's typings, so that `process` or `Buffer`
 * cannot slip into a file that runs on the edge.
 */

import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

function tsc(project: string): void {
  const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}

tsc('scripts/tsconfig.edge.json')
rmSync(`${root}/dist`, { recursive: true, force: true })
tsc('scripts/tsconfig.build.json')
