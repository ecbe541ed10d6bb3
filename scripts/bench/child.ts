/**
 * The child's half of the benchmark runner: one contestant in one fresh process.
 *
 * In:  argv: `answer | figure`, row, contestant, clock; or `program` and its name. Out: one line of JSON on stdout.
 * Not here: what is measured (the suite) and what becomes of the figure (run.ts).
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import type { ChildAnswer, Context, Prepared, Suite } from './run.ts'
import { median } from './run.ts'

/** Warm enough for the optimising compiler; after this a repetition does what it will go on doing. */
const WARM_UP_MS = 400
const MEASURE_MS = 800
/** The processor clock ticks in whole milliseconds on some systems: a sample must be long against that. */
const SAMPLE_MS = 25

const PER_SECOND: Record<string, number> = { ns: 1e9, µs: 1e6, ms: 1e3, s: 1 }

/** Entry point of the bundle. */
export async function serveChild(suite: Suite): Promise<void> {
  const [mode, a = '', b = '', clock = 'cpu'] = process.argv.slice(2)
  if (mode === 'program') return suite.programs![a]!()
  const row = suite.rows[Number(a)]!
  const started: ChildProcess[] = []
  let answer: ChildAnswer
  try {
    const prepared = await row.contestants[Number(b)]!.prepare(context(started))
    answer =
      mode === 'answer'
        ? { answer: digest(await prepared.answer?.()) }
        : await figure(prepared, row.unit, clock === 'wall')
    await prepared.close?.()
  } catch (error) {
    answer = { error: String(error).slice(0, 200) }
  }
  for (const child of started) child.kill()
  process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0))
}

function context(started: ChildProcess[]): Context {
  return {
    peer: <T>(specifier: string) => import(specifier) as Promise<T>,
    start: (program) =>
      new Promise((resolve, reject) => {
        const child = spawn(process.execPath, [process.argv[1]!, 'program', program], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        started.push(child)
        let out = ''
        child.stdout.on('data', (data: Buffer) => {
          out += data.toString()
          const end = out.indexOf('\n')
          if (end !== -1) resolve(out.slice(0, end))
        })
        child.on('exit', (code) => reject(new Error(`program ${program} ended with ${code}`)))
      }),
  }
}

function digest(answer: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(answer) ?? 'undefined')
    .digest('hex')
}

async function figure(prepared: Prepared, unit: string, wall: boolean): Promise<ChildAnswer> {
  if (prepared.measure !== undefined) {
    const measured = await prepared.measure()
    return typeof measured === 'number' ? { value: measured } : measured
  }
  const { run, ops = 1 } = prepared
  if (run === undefined) throw new Error('a contestant needs run() or measure()')
  const scale = PER_SECOND[unit.split(/[\s/]/)[0]!]
  if (scale === undefined) throw new Error(`the unit ${unit} does not begin with ns, µs, ms or s`)

  let repetitions = 0
  const warm = performance.now()
  while (performance.now() - warm < WARM_UP_MS || repetitions < 2) {
    const result = run()
    if (result instanceof Promise) await result
    repetitions += 1
  }
  const batch = Math.max(1, Math.ceil((SAMPLE_MS * repetitions) / (performance.now() - warm)))
  const samples: number[] = []
  const start = performance.now()
  while (performance.now() - start < MEASURE_MS || samples.length < 3) {
    const before = now(wall)
    for (let i = 0; i < batch; i += 1) {
      const result = run()
      if (result instanceof Promise) await result
    }
    samples.push(((now(wall) - before) * scale) / (batch * ops))
  }
  return { value: median(samples.sort((x, y) => x - y)) }
}

/** Seconds: of the wall, or of processor time spent by this process in all its threads. */
function now(wall: boolean): number {
  if (wall) return performance.now() / 1e3
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
