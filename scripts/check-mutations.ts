/**
 * Does a test fail when the code is wrong? Breaks the routing code in one place at a time, and runs its tests.
 *
 *     npm run check:mutations                    every mutation: five minutes on two idle cores
 *     npm run check:mutations -- breaker jitter  those whose file or text holds one of the words
 *     npm run check:mutations -- --quick         the first of each file
 *
 * In:  a fixed list of textual mutations: a comparison flipped, a jitter dropped, a budget skipped, a hint misread.
 * Out: one line per mutation, exit code 1 when one survives, or when its text is no longer in the file exactly once.
 * The nearest test file is asked first; only what survives it meets the router's tests and the simulation, so that most
 * mutations cost the start of one test run. The files are changed in copies of the tree, one per core, never in place.
 */

import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const ROOT = resolve(fileURLToPath(new URL('..', import.meta.url)))

/** What proves the routing as a whole; asked when the nearest test saw nothing. */
const ALL_TESTS = ['test/route/router.test.ts', 'test/route/simulation.test.ts']

interface Suite {
  file: string
  nearest: string
  mutations: readonly (readonly [from: string, to: string])[]
}

const SUITES: readonly Suite[] = [
  {
    file: 'src/route/breaker.ts',
    nearest: 'test/route/breaker.test.ts',
    mutations: [
      ['calls >= minimumCalls', 'calls > minimumCalls'],
      ['failures / calls >= failureRatio', 'failures / calls > failureRatio'],
      ['openMs * (1 + JITTER * random())', 'openMs'],
      ['Math.min(was.openMs * 2, maxOpenMs)', 'was.openMs'],
      ['Math.min(was.openMs * 2, maxOpenMs)', 'was.openMs * 2'],
      ['current = { ...current, probing: true }', 'current = { ...current }'],
      ['else current = { ...was, probing: false }', ''],
      ['{ ...initial, probing: false }', 'initial'],
      ['if (untilMs > was.untilMs) current', 'current'],
      ["if (was.state === 'open') return", ''],
      ['hintMs ?? cooldownMs', 'cooldownMs'],
      ['at <= number - SLICES || ', ''],
      ["outcome !== 'ignored'", 'true'],
      ["'rate-limit': 'throttled'", "'rate-limit': 'failure'"],
      ["auth: 'unusable'", "auth: 'failure'"],
      ["current.state === 'open' && nowMs >= current.untilMs", "current.state === 'open'"],
    ],
  },
  {
    file: 'src/route/retry-budget.ts',
    nearest: 'test/route/retry-budget.test.ts',
    mutations: [
      ['if (balance(nowMs) < 1 - 1e-9) return false', ''],
      ['< 1 - 1e-9', '< 0'],
      ['< 1 - 1e-9', '< 1'],
      ['slice(nowMs).retries++', ''],
      ['slice(nowMs).calls++', ''],
      ['calls * ratio - retries', 'calls - retries'],
      ['let left = reserve', 'let left = 0'],
      ['at > number - SLICES && ', ''],
    ],
  },
  {
    file: 'src/route/pick.ts',
    nearest: 'test/route/pick.test.ts',
    mutations: [
      ['- total', ''],
      ['ms > estimate ? ms', 'ms < estimate ? ms'],
      ['cost(b) < cost(a)', 'cost(b) > cost(a)'],
      ['score > bestScore', 'score < bestScore'],
      ['Math.exp(-Math.max(0, nowMs - atMs) / decayMs)\n  return', '1\n  return'],
      ['-(weights[index] ?? 1) / Math.log(uniform)', '-1 / Math.log(uniform)'],
    ],
  },
  {
    file: 'src/route/routed.ts',
    nearest: 'test/route/router.test.ts',
    mutations: [
      [' || !lane.budget.withdraw(nowMs)', ''],
      ['lane.budget.deposit(clock.nowMs())', ''],
      ['      lane.inFlight--', '      '],
      ['calledTool || ', ''],
      [' || !mayGoOn', ''],
      [' || !BROKE_OFF.has(cause.kind)', ''],
      ['bookDelay(source, delayMs)\n        lane', 'lane'],
      ['if (fresh.length > 0) lanes = fresh', 'if (false) lanes = fresh'],
      ['else if (!rules.failover.has(thrown.kind)) throw thrown', ''],
      ['    retry: false,\n', ''],
      ['    signal: call.signal,\n', ''],
      ['if (!acquired.granted && failure !== undefined && !alone) throw failure', ''],
      ['if (!lane.breaker.peek(open.clock.nowMs()).granted) continue', ''],
      ["if (outcome === 'failure' || outcome === 'throttled') {", 'if (false) {'],
      ['Math.max(nowMs - startMs, FAST_FAILURE_PENALTY_MS)', 'nowMs - startMs'],
      ['permit, nowMs, error.retryAfterMs', 'permit, nowMs'],
      ['alone ? Math.max(pauseMs, after.retryAtMs - nowMs) : Infinity', 'pauseMs'],
    ],
  },
  {
    file: 'src/route/lanes.ts',
    nearest: 'test/route/router.test.ts',
    mutations: [
      ['if (atMs < bestMs)', 'if (atMs > bestMs)'],
      ['if (tried.has(lane)) return false', ''],
      ['able.filter(({ breaker }) => breaker.peek(nowMs).granted)', '[...able]'],
    ],
  },
  {
    file: 'src/route/pace.ts',
    nearest: 'test/route/pace.test.ts',
    mutations: [
      ['bucket.level -= amounts[at]!', ''],
      ['Math.min(asked[at]!, capacity)', 'asked[at]!'],
      ['await orAbort(() => before, signal)', ''],
      ['Promise.all([before, ', 'Promise.all(['],
      ['queueMs > Math.min(maxWaitMs, leftMs)', 'false'],
      ['Math.min(capacity, bucket.level + ', '(bucket.level + '],
      ['amounts[at]! - Math.min(spent[at]!', '-Math.min(spent[at]!'],
    ],
  },
  {
    file: 'src/route/budget.ts',
    nearest: 'test/route/budget.test.ts',
    mutations: [
      ['spent + reserved + worst', 'spent + worst'],
      ['spent + reserved + worst', 'reserved + worst'],
      ['dollars * ROUNDING', 'dollars'],
      ['        reserved -= worst', ''],
      ['known ?? (billed ? worst : 0)', 'known ?? 0'],
      ['known ?? (billed ? worst : 0)', 'known ?? worst'],
      ['!(worst >= 0)', 'false'],
    ],
  },
  {
    file: 'src/route/hedge.ts',
    nearest: 'test/route/hedge.test.ts',
    mutations: [
      ['if (over) return discard(value)', ''],
      ['if (other !== runner) other.abort(late)', ''],
      ['onAbort(signal, (reason) => runner.abort(reason))', ''],
      ['for (const runner of runners) runner.abort(reason)', ''],
      ['&& allowance.withdraw(clock.nowMs())', ''],
      ['--running > 0 || over', 'over'],
      ['samples.length < SAMPLES_NEEDED', 'false'],
      ['samples.length * PERCENTILE', 'samples.length * 0.5'],
    ],
  },
  {
    file: 'src/route/target.ts',
    nearest: 'test/route/router.test.ts',
    mutations: [
      ['!capabilities.includes(needed)', 'false'],
      ['demand.tokens > contextTokens', 'demand.tokens < contextTokens'],
      ["capabilities.add('schema')", ''],
    ],
  },
  {
    file: 'src/route/router.ts',
    nearest: 'test/route/router.test.ts',
    mutations: [
      ["if (strategy === 'fallback' || usable.length === 1 || first.at < 0) return first", ''],
      ['price < bestPrice', 'price > bestPrice'],
      ['.total ?? Number.MAX_VALUE', '.total ?? 0'],
      ['if (!permit.granted && lane !== same.at(-1)) continue', ''],
      ['|| !failover.has(known.kind)', ''],
      ["lane.breaker.record('success', permit, clock.nowMs())", ''],
    ],
  },
  {
    file: 'src/http/retry.ts',
    nearest: 'test/http/retry.test.ts',
    mutations: [
      ['hintMs * (1 + HINT_JITTER * random())', 'hintMs'],
      ['hintMs * (1 + HINT_JITTER * random())', 'hintMs * random()'],
      ['return random() * Math.min', 'return Math.min'],
      ['2 ** (retries - 1)', '1'],
      ['Math.min(policy.maxMs, baseMs * 2 ** (retries - 1))', 'baseMs * 2 ** (retries - 1)'],
      ['policy.baseMs * THROTTLED_BASE_FACTOR', 'policy.baseMs'],
      ['tries >= Math.min', 'tries > Math.min'],
      ['hintMs > policy.maxRetryAfterMs', 'false'],
      ['delayMs < leftMs ? delayMs : undefined', 'delayMs'],
      ['!failure.retryable || ', ''],
      ['Math.max(Math.min(MIN_DELAY_MS, policy.baseMs), ', 'Math.max(0, '],
      ['diedInPool(failure, tries) ? 0 : pauseMs', 'pauseMs'],
      ["failure.code === 'ENOTFOUND' ? 2", "failure.code === 'ENOTFOUND' ? 3"],
      ['await sleep(clock, delayMs, signal)', ''],
      ['!LlmError.is(failure) || signal.aborted', '!LlmError.is(failure)'],
    ],
  },
  {
    file: 'src/http/retry-after.ts',
    nearest: 'test/http/retry-after.test.ts',
    mutations: [
      ['/^\\s*\\d+(?:\\.\\d+)?\\s*$/.test(value) ? Number(value)', 'value !== "" ? parseFloat(value)'],
      ['Math.min(waitMs, MAX_HINT_MS)', 'waitMs'],
      ["scaled(decimal(headers.get('retry-after')), 1000)", "decimal(headers.get('retry-after'))"],
      ['epochMs > nowEpochMs ? epochMs - nowEpochMs', 'true ? epochMs - nowEpochMs'],
      ['!IMF_FIXDATE.test(value.trim())', 'false'],
      ['if (decimal(headers.get(remaining)) !== 0) continue', ''],
      ['Math.max(longest ?? 0, waitMs)', 'waitMs'],
      ['m: 60_000', 'm: 1_000'],
      ["    decimal(headers.get('retry-after-ms')) ??\n", ''],
    ],
  },
]

/** A tree of its own, so that two mutations never meet. */
function copyTree(): string {
  const copy = mkdtempSync(join(tmpdir(), 'mutations-'))
  for (const name of ['src', 'test', 'scripts', 'package.json', 'tsconfig.json', 'fixtures']) {
    cpSync(join(ROOT, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

/** True when they pass. Without the environment's wish for the long form: every mutation runs them. */
function testsPass(copy: string, tests: readonly string[]): Promise<boolean> {
  const { LLMSWAP_FULL: _, CI: __, ...env } = process.env
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--config=test/vitest.config.ts']
  const child = spawn(
    process.execPath,
    [...args, '--typecheck.enabled=false', '--pool=threads', '--no-isolate', '--bail=1', ...tests],
    // A mutation may well make a loop endless; that is noticed too.
    { cwd: copy, stdio: 'ignore', env, timeout: 120_000 },
  )
  return new Promise((settle) => child.on('exit', (code) => settle(code === 0)))
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: 'boolean' } } })
const queue = SUITES.flatMap((suite) =>
  suite.mutations
    .slice(0, values.quick === true ? 1 : undefined)
    .map(([from, to]) => ({ ...suite, from, to }))
    .filter(
      ({ file, from }) =>
        positionals.length === 0 || positionals.some((word) => `${file}: ${from}`.includes(word)),
    ),
)
const total = queue.length
let survived = 0

async function work(copy: string): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { file, nearest, from, to } = next
    const path = join(copy, file)
    const text = readFileSync(path, 'utf8')
    const label = `${file}: ${from.trim()} → ${to === '' ? 'nothing' : to.trim()}`
    if (text.split(from).length !== 2) {
      console.log(`STALE     ${label}`)
      survived++
      continue
    }
    writeFileSync(
      path,
      text.replace(from, () => to),
    )
    const noticed =
      !(await testsPass(copy, [nearest])) ||
      !(await testsPass(
        copy,
        ALL_TESTS.filter((test) => test !== nearest),
      ))
    writeFileSync(path, text)
    if (!noticed) survived++
    console.log(`${noticed ? 'noticed ' : 'SURVIVED'}  ${label}`)
  }
}

async function main(): Promise<void> {
  const copies = Array.from({ length: Math.min(4, availableParallelism()) }, copyTree)
  try {
    const unbroken = [...new Set([...queue.map(({ nearest }) => nearest), ...ALL_TESTS])]
    if (!(await testsPass(copies[0]!, unbroken))) throw new Error('The tests fail before anything is broken.')
    await Promise.all(copies.map(work))
  } finally {
    for (const copy of copies) rmSync(copy, { recursive: true, force: true })
  }
  console.log(`${total} mutations: ${total - survived} noticed, ${survived} survived`)
  process.exitCode = survived === 0 ? 0 : 1
}

void main()
