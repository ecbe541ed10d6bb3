/**
 * The benchmark runner: what a benchmark is, and how its figures come to be.
 *
 * A file `scripts/bench/<name>.ts` default-exports a `Suite`; `npm run bench -- <name>` runs it together with every
 * `scripts/bench/<name>-*.ts` and writes `fixtures/bench/<name>.md`, `.svg` and `.json`. A suite looks like this:
 *
 *     const suite: Suite = {
 *       title: 'Streaming',
 *       peers: { 'eventsource-parser': '3.1.1' },          // npm names and exact versions; never in the lockfile
 *       rows: [{
 *         name: 'SSE decode, one event per read',
 *         unit: 'ns/event',
 *         contestants: [
 *           { name: 'ours', prepare: () => ({ ops: 20_000, run: () => { … }, answer: () => … }) },
 *           { name: 'eventsource-parser', prepare: async ({ peer }) => {
 *               const { createParser } = await peer<typeof import('eventsource-parser')>('eventsource-parser')
 *               return { ops: 20_000, run: () => { … }, answer: () => … }
 *             } },
 *         ],
 *         targets: [{ than: 'eventsource-parser', atMost: 0.75 }],   // ours / theirs
 *       }],
 *     }
 *     export default suite
 *
 * What makes the figures worth printing:
 * - The same answer first: before anything is timed, `answer()` of every contestant must equal that of the first one
 *   (which is ours). One that differs is listed as such and gets no figure.
 * - Fresh processes, interleaved: every contestant runs once per round in a process of its own, and the rounds are
 *   repeated, so that neither a warm heap nor a busy minute belongs to one of them.
 * - The built form: a suite is bundled by esbuild without renaming or name-keeping helpers, as users will run it.
 * - Processor time of the process, not wall time, unless a row says otherwise: a shared machine steals the latter.
 * - Medians with the spread from smallest to largest, and ratios within one run. Absolute numbers are this machine's.
 *
 * Not here: assertions in tests. A missed target is printed and sets the exit code; it never fails `npm test`.
 */
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'

/** What one file of benchmarks exports by default. */
export interface Suite {
  /** Heading of the report; of several files under one name, the first file's title is used. */
  title: string
  /** npm package → exact version, installed into a cache folder. An alias is `'name': 'npm:other@1.2.3'`. */
  peers?: Record<string, string>
  rows: Row[]
  /** Programs that contestants start in processes of their own, e.g. a server: see `Context.start`. */
  programs?: Record<string, () => Promise<void>>
}

/** One line of the report: several contestants doing the same work. */
export interface Row {
  name: string
  /** What the figure counts, e.g. `ns/event`. For `run`, give the time unit first: `ns`, `µs`, `ms` or `s`. */
  unit: string
  /** One sentence under the table: what is fed, what is left out. */
  note?: string
  /** The first one is ours: the answer to match and the base of every ratio. */
  contestants: Contestant[]
  targets?: Target[]
  /** Fresh processes per contestant. Default 5. */
  rounds?: number
  /** `cpu` (default): user and system time of the process. `wall`: what a clock on the wall shows. */
  clock?: 'cpu' | 'wall'
  /** Flags for the contestants' Node processes, e.g. `--expose-gc`. */
  nodeFlags?: string[]
}

/** One way to do the work. */
export interface Contestant {
  name: string
  /** Runs in the fresh process, before anything is timed. */
  prepare(context: Context): Prepared | Promise<Prepared>
}

/** A contestant ready to run. Give `run` (the runner repeats and times it) or `measure` (it answers the figure). */
export interface Prepared {
  /** JSON-able result of the work; compared between contestants before timing. Leave out where nothing compares. */
  answer?(): unknown
  /** One repetition of the work. */
  run?(): unknown
  /** How many of the row's units one repetition is. Default 1. */
  ops?: number
  /** The figure itself, in the row's unit, with an optional curve for the chart. */
  measure?(): Figure | Promise<Figure>
  /** After everything. */
  close?(): unknown
}

/** A measured figure; `series` is a curve of (x, y) points. */
export type Figure = number | { value: number; series?: [x: number, y: number][] }

/** What the runner offers a contestant. */
export interface Context {
  /** Imports an installed peer (or one of its subpaths). */
  peer<T>(specifier: string): Promise<T>
  /** Starts one of the suite's programs and resolves with the first line it prints; it dies with the contestant. */
  start(program: string): Promise<string>
}

/**
 * Ours may take at most `atMost` times what the contestant named `than` takes; without `than`, `atMost` is in the row's
 * unit. `of` names another contestant than the first.
 */
export interface Target {
  than?: string
  atMost: number
  of?: string
}

/** What is known of one contestant after its rounds. */
export interface Measured {
  name: string
  median: number
  smallest: number
  largest: number
  /** Set instead of figures when the answer differed or the process failed. */
  failed?: string
  series?: [x: number, y: number][]
}

/** One row of the report. */
export interface RowResult {
  row: string
  unit: string
  note?: string
  contestants: Measured[]
  targets: (Target & { of: string; ratio: number; met: boolean })[]
  /** When, on what. */
  measured: { date: string; node: string; cpu: string; rounds: number; clock: 'cpu' | 'wall' }
}

/** Switches of one run. */
export interface RunOptions {
  /** Overrides every row's rounds. */
  rounds?: number | undefined
  /** Only rows whose name contains this text. */
  only?: string | undefined
}

const CACHE = join('.cache', 'bench', 'peers')
const DEFAULT_ROUNDS = 5

/** Installs the peers, bundles one suite file and runs its rows. `file` is relative to the repository root. */
export async function runSuite(file: string, options: RunOptions = {}): Promise<RowResult[]> {
  const { default: suite } = (await import(resolve(file))) as { default: Suite }
  const rows = suite.rows.filter((row) => row.name.includes(options.only ?? ''))
  if (rows.length === 0) return []
  await install(suite.peers ?? {})
  const bundle = await bundleSuite(file)
  const results: RowResult[] = []
  for (const row of rows) {
    const result = await runRow(bundle, suite.rows.indexOf(row), row, options)
    console.log(`${row.name}`)
    for (const one of result.contestants) {
      console.log(`  ${one.name.padEnd(36)} ${one.failed ?? `${one.median.toPrecision(4)} ${row.unit}`}`)
    }
    for (const { of, than, atMost, ratio, met } of result.targets) {
      console.log(
        `  ${met ? 'reached' : 'MISSED '}  ${of} / ${than} = ${ratio.toFixed(2)} (at most ${atMost})`,
      )
    }
    results.push(result)
  }
  return results
}

async function runRow(bundle: string, index: number, row: Row, options: RunOptions): Promise<RowResult> {
  const rounds = options.rounds ?? row.rounds ?? DEFAULT_ROUNDS
  const clock = row.clock ?? 'cpu'
  const ask = (mode: 'answer' | 'figure', contestant: number): Promise<ChildAnswer> =>
    runChild(bundle, [mode, String(index), String(contestant), clock], row.nodeFlags ?? [])

  const failed = new Map<string, string>()
  let expected: string | undefined
  for (const [i, { name }] of row.contestants.entries()) {
    const { answer, error } = await ask('answer', i)
    if (error !== undefined) failed.set(name, `failed: ${error}`)
    else if (i === 0) expected = answer
    else if (answer !== expected) failed.set(name, 'another answer')
  }

  const figures = new Map<string, number[]>(row.contestants.map(({ name }) => [name, []]))
  const series = new Map<string, [number, number][]>()
  for (let round = 0; round < rounds; round += 1) {
    for (const [i, { name }] of row.contestants.entries()) {
      if (failed.has(name)) continue
      const answered = await ask('figure', i)
      if (answered.error !== undefined) failed.set(name, `failed: ${answered.error}`)
      else {
        figures.get(name)!.push(answered.value!)
        if (answered.series !== undefined) series.set(name, answered.series)
      }
    }
  }

  const contestants = row.contestants.map(({ name }): Measured => {
    const sorted = figures.get(name)!.sort((a, b) => a - b)
    const reason = failed.get(name)
    if (reason !== undefined) {
      return { name, median: Number.NaN, smallest: Number.NaN, largest: Number.NaN, failed: reason }
    }
    const curve = series.get(name)
    return {
      name,
      median: median(sorted),
      smallest: sorted[0]!,
      largest: sorted.at(-1)!,
      ...(curve === undefined ? {} : { series: curve }),
    }
  })
  const of = (name: string): number => contestants.find((one) => one.name === name)?.median ?? Number.NaN
  const { cpus } = await import('node:os')
  return {
    row: row.name,
    unit: row.unit,
    ...(row.note === undefined ? {} : { note: row.note }),
    contestants,
    targets: (row.targets ?? []).map((target) => {
      const subject = target.of ?? row.contestants[0]!.name
      const ratio = of(subject) / (target.than === undefined ? 1 : of(target.than))
      return { ...target, of: subject, ratio, met: ratio <= target.atMost }
    }),
    measured: {
      date: new Date().toISOString().slice(0, 10),
      node: process.version,
      cpu: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
      rounds,
      clock,
    },
  }
}

/** The middle of sorted numbers. */
export function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** What a child prints as its last line. */
export interface ChildAnswer {
  answer?: string
  value?: number
  series?: [x: number, y: number][]
  error?: string
}

/** One contestant, one fresh process. It has half an hour: a million rows take five minutes on a quiet machine. */
function runChild(bundle: string, args: string[], nodeFlags: string[]): Promise<ChildAnswer> {
  return new Promise((resolveAnswer) => {
    const child = spawn(process.execPath, [...nodeFlags, bundle, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 1_800_000,
    })
    let out = ''
    let err = ''
    child.stdout.on('data', (data: Buffer) => (out += data.toString()))
    child.stderr.on('data', (data: Buffer) => (err += data.toString()))
    child.on('close', (code, signal) => {
      const last = out.trimEnd().split('\n').at(-1) ?? ''
      try {
        resolveAnswer(JSON.parse(last) as ChildAnswer)
      } catch {
        const why = err.trim().split('\n').at(-1) ?? ''
        resolveAnswer({ error: `exit ${code ?? signal}${why === '' ? '' : `: ${why.slice(0, 120)}`}` })
      }
    })
  })
}

/** Adds what is missing to the cache folder's own package.json; the repository's lockfile never hears of it. */
async function install(peers: Record<string, string>): Promise<void> {
  const manifest = join(CACHE, 'package.json')
  const known = existsSync(manifest)
    ? (JSON.parse(readFileSync(manifest, 'utf8')) as { dependencies: Record<string, string> }).dependencies
    : {}
  const missing = Object.entries(peers).some(
    ([name, version]) => known[name] !== version || !existsSync(join(CACHE, 'node_modules', name)),
  )
  if (!missing) return
  mkdirSync(CACHE, { recursive: true })
  const dependencies = { ...known, ...peers }
  writeFileSync(manifest, JSON.stringify({ private: true, dependencies }, null, 2))
  console.log(`installing ${Object.keys(peers).join(', ')} into ${CACHE}`)
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  await promisify(execFile)(
    npm,
    ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--legacy-peer-deps'],
    { cwd: CACHE },
  )
}

/** The suite and the child's half of this runner as one plain file that lies beside the installed peers. */
async function bundleSuite(file: string): Promise<string> {
  const outfile = join(CACHE, `${file.replace(/^.*[\\/]|\.ts$/g, '')}.mjs`)
  await build({
    stdin: {
      contents: `import suite from './${file}'\nimport { serveChild } from './scripts/bench/child.ts'\nawait serveChild(suite)\n`,
      resolveDir: process.cwd(),
      loader: 'ts',
    },
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  })
  return outfile
}
