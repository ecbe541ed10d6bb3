/**
 * Does a test fail when the code is wrong? Breaks the routing code in one place at a time, and runs its tests.
 *
 * In:  a fixed list of textual mutations: a comparison flipped, a jitter dropped, a budget skipped.
 * Out: one line per mutation, exit code 1 when one survives, or when its text is no longer in the file.
 * The files are changed in a copy of the tree, never in place.
 */

import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = resolve(fileURLToPath(new URL('..', import.meta.url)))
const TESTS = ['breaker', 'pick', 'retry-budget', 'router', 'simulation'].map(
  (name) => `test/route/${name}.test.ts`,
)

const MUTATIONS: readonly (readonly [file: string, from: string, to: string])[] = [
  ['src/route/breaker.ts', 'calls >= minimumCalls', 'calls > minimumCalls'],
  ['src/route/breaker.ts', 'failures / calls >= failureRatio', 'failures / calls > failureRatio'],
  ['src/route/breaker.ts', '(1 + JITTER * random())', '1'],
  ['src/route/breaker.ts', 'was.openMs * 2', 'was.openMs'],
  ['src/route/breaker.ts', 'current = { ...current, probing: true }', 'current = { ...current }'],
  ['src/route/breaker.ts', 'if (untilMs > was.untilMs) current', 'current'],
  ['src/route/breaker.ts', 'at <= number - SLICES', 'at < number - SLICES'],
  ['src/route/breaker.ts', 'Math.min(was.openMs * 2, maxOpenMs)', 'was.openMs * 2'],
  ['src/route/retry-budget.ts', 'if (balance(nowMs) < 1 - 1e-9) return false', ''],
  ['src/route/retry-budget.ts', 'slice(nowMs).retries++', ''],
  ['src/route/retry-budget.ts', 'calls * ratio - retries', 'calls - retries'],
  ['src/route/pick.ts', '- total', ''],
  ['src/route/pick.ts', 'ms > estimate ? ms', 'ms < estimate ? ms'],
  ['src/route/pick.ts', 'cost(b) < cost(a)', 'cost(b) > cost(a)'],
  ['src/route/pick.ts', 'score > bestScore', 'score < bestScore'],
  ['src/route/routed.ts', '|| !lane.budget.withdraw(nowMs)', ''],
  ['src/route/routed.ts', 'lane.inFlight--', ''],
  ['src/route/routed.ts', 'calledTool ||', ''],
  ['src/route/routed.ts', '!mayGoOn ||', ''],
  ['src/route/routed.ts', 'total: false', ''],
  ['src/route/routed.ts', 'bookDelay(source, delayMs)', ''],
  ['src/route/routed.ts', 'if (fresh.length > 0) lanes = fresh', 'if (false) lanes = fresh'],
  ['src/route/routed.ts', 'retry: false,', ''],
  ['src/route/routed.ts', 'if (!acquired.granted && failure !== undefined && !alone) throw failure', ''],
  ['src/http/retry.ts', '(1 + HINT_JITTER * random())', '1'],
  ['src/http/retry.ts', 'random() * Math.min', 'Math.min'],
  ['src/http/retry.ts', 'tries >= Math.min', 'tries > Math.min'],
  ['src/http/retry.ts', 'hintMs > policy.maxRetryAfterMs', 'false'],
  ['src/http/retry.ts', 'delayMs < leftMs ? delayMs : undefined', 'delayMs'],
]

const copy = mkdtempSync(join(tmpdir(), 'mutations-'))
for (const name of ['src', 'test', 'package.json', 'tsconfig.json', 'fixtures']) {
  cpSync(join(ROOT, name), join(copy, name), { recursive: true })
}
symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))

function testsPass(): boolean {
  try {
    execFileSync(
      process.execPath,
      [
        'node_modules/vitest/vitest.mjs',
        'run',
        '--config=test/vitest.config.ts',
        '--typecheck.enabled=false',
        '--bail=1',
        ...TESTS,
        'test/http/retry.test.ts',
      ],
      { cwd: copy, stdio: 'ignore' },
    )
    return true
  } catch {
    return false
  }
}

let survived = 0
try {
  if (!testsPass()) throw new Error('The tests fail before anything is broken.')
  for (const [file, from, to] of MUTATIONS) {
    const text = readFileSync(join(copy, file), 'utf8')
    if (!text.includes(from)) {
      console.log(`stale     ${file}: ${from}`)
      survived++
      continue
    }
    writeFileSync(join(copy, file), text.replace(from, to))
    const noticed = !testsPass()
    writeFileSync(join(copy, file), text)
    if (!noticed) survived++
    console.log(`${noticed ? 'noticed ' : 'SURVIVED'}  ${file}: ${from} → ${to === '' ? 'nothing' : to}`)
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
console.log(`${MUTATIONS.length} mutations: ${MUTATIONS.length - survived} noticed, ${survived} survived`)
process.exitCode = survived === 0 ? 0 : 1
