/**
 * The runtime matrix: one suite, every runtime that is here, one table.
 *
 *     npm run test:runtimes          (npx tsx scripts/runtimes/install.ts fetches the runtimes first)
 *
 * In:  the runtimes in .runtimes/, Chromium, and dist/, which is built when it is not there. Out: a row each — version, passed /
 * failed, milliseconds to import `llmswap` (in a fresh process, as installed; of the suite's bundle where there is no file
 * system) and to the first token — and the last line `N runtimes: … pass, … skipped, … fail`. A runtime that is not here is a skipped row with its
 * reason, never a pass.
 */

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { runtimePath } from './install.ts'
import type { MatrixServer } from './server.ts'
import { startServer } from './server.ts'
import type { Report } from './suite.ts'
import { tinyLosses } from './suite.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const work = `${root}.cache/runtimes`
const SUITE_TIMEOUT_MS = 90_000

type Outcome = (Report & { importMs?: number; version?: string }) | { skipped: string }

/** A runtime: its name in the table, and how to run the suite in it. */
interface Runtime {
  name: string
  run(server: MatrixServer): Promise<Outcome>
}

/** The program that command-line runtimes run. */
const MAIN = `
const { runSuite } = await import('./suite.mjs')
const report = await runSuite(BASE)
console.log('REPORT ' + JSON.stringify({ ...report, version: VERSION }))
`

/** Another import first: what a runtime does once for the first of all is not ours. */
const IMPORT = `
await import('data:text/javascript,')
const before = performance.now()
await import(${JSON.stringify(`${root}dist/index.js`)})
console.log('REPORT ' + JSON.stringify({ importMs: performance.now() - before }))
`
/** Odd, so that the median is one of them. */
const IMPORTS = 7

async function prepare(): Promise<void> {
  mkdirSync(work, { recursive: true })
  if (!existsSync(`${root}dist/index.js`)) {
    const { status } = spawnSync('npm', ['run', '-s', 'build'], { cwd: root, stdio: 'inherit' })
    if (status !== 0) throw new Error('dist/ could not be built')
  }
  const entry = `${root}scripts/runtimes/suite.ts`
  await build({
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    outfile: `${work}/suite.mjs`,
  })
  await build({
    entryPoints: [entry],
    bundle: true,
    format: 'iife',
    globalName: 'suite',
    target: 'es2022',
    outfile: `${work}/suite.iife.js`,
  })
}

function commandLine(
  name: string,
  command: () => string | undefined,
  args: readonly string[],
  version: string,
  main: string = MAIN,
): Runtime {
  return {
    name,
    async run({ url }) {
      const program = command()
      if (program === undefined || !existsSync(program))
        return { skipped: 'not installed: npx tsx scripts/runtimes/install.ts' }
      const file = `${work}/main-${name.replace(/\W+/g, '-')}.mjs`
      writeFileSync(file, main.replace('BASE', JSON.stringify(url)).replace('VERSION', version))
      const report = reportOf(await execute(program, [...args, file]))
      return main === MAIN ? { ...report, importMs: await importMs(program, args) } : report
    },
  }
}

/** The median of several processes. */
async function importMs(program: string, args: readonly string[]): Promise<number> {
  const file = `${work}/import.mjs`
  writeFileSync(file, IMPORT)
  const times: number[] = []
  for (let run = 0; run < IMPORTS; run++) {
    const report = reportOf(await execute(program, [...args, file]))
    if (!('importMs' in report) || report.importMs === undefined)
      throw new Error(`${program} cannot import dist/index.js: ${JSON.stringify(report)}`)
    times.push(report.importMs)
  }
  return times.sort((a, b) => a - b)[IMPORTS >> 1]!
}

/** Runs a program to its end; its output, both streams. */
function execute(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: work,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: SUITE_TIMEOUT_MS,
    })
    let output = ''
    child.stdout.on('data', (data) => (output += String(data)))
    child.stderr.on('data', (data) => (output += String(data)))
    child.on('error', (error) => resolve(String(error)))
    child.on('close', () => resolve(output))
  })
}

function reportOf(output: string): Outcome {
  const line = output.split('\n').find((text) => text.startsWith('REPORT '))
  if (line === undefined)
    return {
      rows: [{ name: 'the suite', problem: `ended without a report: ${output.slice(-400)}` }],
      firstTokenMs: 0,
    }
  return JSON.parse(line.slice('REPORT '.length)) as Outcome
}

function workerd(date: string): Runtime {
  const name = `workerd ${date}`
  return {
    name,
    async run({ url }) {
      const program = runtimePath('.bin/workerd')
      if (!existsSync(program)) return { skipped: 'not installed: npx tsx scripts/runtimes/install.ts' }
      writeFileSync(
        `${work}/worker.mjs`,
        `import { runSuite } from 'suite'
         export default { async test(controller, env) {
           const report = await runSuite(env.BASE)
           await fetch(env.BASE + '/report?name=' + encodeURIComponent(env.NAME), { method: 'POST', body: JSON.stringify(report) })
         } }`,
      )
      writeFileSync(
        `${work}/${name.replace(' ', '-')}.capnp`,
        `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [
  (name = "main", worker = (
    modules = [(name = "worker", esModule = embed "worker.mjs"), (name = "suite", esModule = embed "suite.mjs")],
    bindings = [(name = "BASE", text = "${url}"), (name = "NAME", text = "${name}")],
    compatibilityDate = "${date}",
    globalOutbound = "loopback")),
  (name = "loopback", network = (allow = ["127.0.0.1/32"]))
]);`,
      )
      const output = await execute(program, ['test', `${work}/${name.replace(' ', '-')}.capnp`])
      const version = spawnSync(program, ['--version'], { encoding: 'utf8' })
        .stdout.trim()
        .replace('workerd ', '')
      return { ...(await reportFrom(name, output, url)), version }
    },
  }
}

let server: MatrixServer

async function reportFrom(name: string, output: string, _url: string): Promise<Report> {
  try {
    return await server.report(name, 2_000)
  } catch {
    return {
      rows: [{ name: 'the suite', problem: `ended without a report: ${output.slice(-400)}` }],
      firstTokenMs: 0,
    }
  }
}

/** A VM with the web's globals and nothing else. */
const EDGE = `
const { EdgeVM } = (await import('node:module')).createRequire(import.meta.url)('EDGE_PATH')
const { readFileSync } = await import('node:fs')
const vm = new EdgeVM()
const before = performance.now()
vm.evaluate(readFileSync(new URL('./suite.iife.js', import.meta.url), 'utf8') + ';globalThis.suite = suite')
const importMs = performance.now() - before
const report = await vm.evaluate('suite.runSuite(' + JSON.stringify(BASE) + ')')
console.log('REPORT ' + JSON.stringify({ ...report, importMs, version: VERSION }))
process.exit(0)
`

function browser(kind: 'page' | 'worker'): Runtime {
  return {
    name: `Chromium ${kind}`,
    async run({ url }) {
      const executablePath = [
        '/usr/bin/chromium',
        '/usr/bin/chromium-browser',
        '/usr/bin/google-chrome',
      ].find((path) => existsSync(path))
      if (executablePath === undefined) return { skipped: 'no Chromium: apt-get install chromium' }
      const launched = await chromium.launch({
        executablePath,
        args: [
          '--no-sandbox',
          '--disable-gpu',
          '--no-first-run',
          '--disable-background-networking',
          '--disable-component-update',
          '--disable-sync',
        ],
      })
      try {
        const page = await launched.newPage()
        await page.goto(`${url}/${kind}.html`)
        return { ...(await server.report(`Chromium ${kind}`, SUITE_TIMEOUT_MS)), version: launched.version() }
      } catch (error) {
        return { rows: [{ name: 'the suite', problem: (error as Error).message }], firstTokenMs: 0 }
      } finally {
        await launched.close()
      }
    },
  }
}

/** Runs where it is loaded, posts the report. */
const IN_BROWSER = `
const before = performance.now()
const { runSuite } = await import('/suite.mjs')
const importMs = performance.now() - before
const report = await runSuite(location.origin)
await fetch('/report?name=' + encodeURIComponent(NAME), { method: 'POST', body: JSON.stringify({ ...report, importMs }) })
`

const node = (major: number): Runtime =>
  commandLine(
    `Node ${major}`,
    () => (major === 20 ? process.execPath : runtimePath(`node${major}/bin/node`)),
    [],
    'process.versions.node',
  )

const matrix: readonly Runtime[] = [
  node(20),
  node(22),
  node(24),
  node(26),
  commandLine(
    'Deno',
    () => runtimePath('.bin/deno'),
    ['run', '--no-config', '--no-lock', '--allow-net=127.0.0.1', '--allow-read'],
    'Deno.version.deno',
  ),
  commandLine('Bun', () => runtimePath('.bin/bun'), ['run'], 'Bun.version'),
  workerd('2024-01-01'),
  workerd('2026-11-01'),
  commandLine(
    'Edge VM',
    () => (existsSync(runtimePath('@edge-runtime/vm/package.json')) ? process.execPath : undefined),
    [],
    JSON.stringify(versionOf('@edge-runtime/vm')),
    EDGE.replace('EDGE_PATH', runtimePath('@edge-runtime/vm')),
  ),
  browser('page'),
  browser('worker'),
]

function versionOf(name: string): string {
  const file = runtimePath(`${name}/package.json`)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version : ''
}

await prepare()
const { vectors } = JSON.parse(readFileSync(`${root}fixtures/tokens/vectors.json`, 'utf8')) as {
  vectors: { text: string; ids: { cl100k_base: string } }[]
}
const script = (name: string): string => IN_BROWSER.replace('NAME', JSON.stringify(name))
server = await startServer({
  vectors: vectors.map(({ text, ids }) => ({
    text,
    ids: ids.cl100k_base
      .split(' ')
      .filter((id) => id !== '')
      .map(Number),
  })),
  losses: tinyLosses(),
  pages: {
    '/suite.mjs': { type: 'text/javascript', body: readFileSync(`${work}/suite.mjs`, 'utf8') },
    '/page.html': {
      type: 'text/html',
      body: `<!doctype html><script type="module">${script('Chromium page')}</script>`,
    },
    '/worker.html': {
      type: 'text/html',
      body: `<!doctype html><script>new Worker('/worker.js', { type: 'module' })</script>`,
    },
    '/worker.js': { type: 'text/javascript', body: script('Chromium worker') },
  },
})

const counts = { pass: 0, skipped: 0, fail: 0 }
const problems: string[] = []
console.log('| runtime | version | passed | failed | import ms | first token ms |\n|---|---|---|---|---|---|')
for (const { name, run } of matrix) {
  const outcome = await run(server)
  if ('skipped' in outcome) {
    counts.skipped++
    console.log(`| ${name} | – | skipped | ${outcome.skipped} | | |`)
    continue
  }
  const failed = outcome.rows.filter(({ problem }) => problem !== undefined)
  counts[failed.length === 0 ? 'pass' : 'fail']++
  const ms = (value: number | undefined): string =>
    value === undefined || value === 0 ? '–' : value.toFixed(1)
  console.log(
    `| ${name} | ${outcome.version ?? ''} | ${outcome.rows.length - failed.length} | ${failed.length} | ${ms(outcome.importMs)} | ${ms(outcome.firstTokenMs)} |`,
  )
  for (const row of failed) problems.push(`${name}: ${row.name}: ${row.problem}`)
}
server.close()
for (const problem of problems) console.log(problem)
console.log(`${matrix.length} runtimes: ${counts.pass} pass, ${counts.skipped} skipped, ${counts.fail} fail`)
process.exit(counts.fail === 0 ? 0 : 1)
