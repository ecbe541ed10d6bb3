/**
 * The properties of the router (simulation/properties.ts) in random worlds (simulation/world.ts).
 * A world that breaks one prints its seed; `SEED=123` replays it. Under LLMSWAP_FULL=1 there are 20,000 worlds, in a
 * process per core.
 */

import { execFile } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { judgeSeeds, type Tally } from './simulation/properties.ts'
import { simulate } from './simulation/world.ts'

const ONE = process.env['SEED']
const SEEDS = ONE !== undefined ? 1 : process.env['LLMSWAP_FULL'] === '1' ? 20_000 : 300
const FIRST = ONE === undefined ? 1 : Number(ONE)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Bundled, because transpiling loaders name every closure when it is made: a quarter of the time. */
const BUNDLE = `${ROOT}.cache/simulation.mjs`

/** The same in a process of its own. */
async function judgeElsewhere(first: number, count: number): Promise<Tally> {
  const { stdout } = await promisify(execFile)(process.execPath, [BUNDLE, String(first), String(count)])
  return JSON.parse(stdout) as Tally
}

async function tallies(): Promise<Tally[]> {
  if (SEEDS < 1_000) return [await judgeSeeds(FIRST, SEEDS)]
  await build({
    entryPoints: [`${ROOT}test/route/simulation/run.ts`],
    outfile: BUNDLE,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  })
  const processes = Math.min(4, availableParallelism())
  const share = Math.ceil(SEEDS / processes)
  return Promise.all(
    Array.from({ length: processes }, (_, index) => judgeElsewhere(FIRST + index * share, share)),
  )
}

test(`P1 to P7, P11 to P14 and P16 hold in ${SEEDS} worlds`, async () => {
  const parts = await tallies()
  const broken = parts.flatMap((part) => part.broken)
  expect(
    broken.map(
      ({ seed, reason }) =>
        `seed ${seed}: ${reason} (SEED=${seed} npx vitest run --config test/vitest.config.ts test/route/simulation)`,
    ),
  ).toEqual([])
  // Worlds in which nothing happens prove nothing.
  if (SEEDS < 100) return
  const sum = (count: (part: Tally) => number): number =>
    parts.reduce((total, part) => total + count(part), 0)
  expect(sum(({ worlds }) => worlds)).toBeGreaterThanOrEqual(SEEDS)
  expect(sum(({ requests }) => requests)).toBeGreaterThan(SEEDS * 5)
  for (const end of ['completed', 'failed', 'left'] as const) {
    expect(
      sum((part) => part[end]),
      end,
    ).toBeGreaterThan(SEEDS / 4)
  }
})

test('the same seed is the same world', async () => {
  const trace = async (): Promise<unknown> => {
    const { asked, called, endMs } = await simulate(FIRST + 41)
    return [
      endMs,
      asked.map(({ id, lane, atMs, fate }) => [id, lane, atMs, fate]),
      called.map(({ events, endMs: end }) => [events.length, end]),
    ]
  }
  expect(await trace()).toEqual(await trace())
})
