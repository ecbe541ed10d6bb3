/**
 * The package as its users get it: packed, installed elsewhere, imported, required, compiled against, published dry.
 *
 *     npm run test:package                        (npm run package:install fetches compilers, typings and attw first)
 *     npm run test:package -- --only consumers    one group of checks
 *
 * In:  the working tree, and the tools of install.ts. Out: one table, and the last line `N checks: … pass, … skipped, … fail`.
 * It builds dist/ afresh. What cannot be run here is a skipped row with its reason, never a pass.
 */

import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runtimePath } from '../runtimes/install.ts'
import { consumerProgram, WORLDS } from './consumer.ts'
import type { World } from './consumer.ts'
import { ENTRIES, measure } from '../check-size.ts'
import { compilerName, COMPILERS, toolPath } from './install.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const RUN_TIMEOUT_MS = 240_000
/** Joined files may carry a statement that a bundler cannot prove needless: 3 in 100 bytes are allowed. */
const MOST_EXTRA = 1.03

interface Manifest {
  name: string
  version: string
  exports: Record<string, string | { types: string; default: string }>
  scripts: Record<string, string>
  dependencies?: Record<string, string>
}

/** One line of the table. Resolves with what is worth saying of a pass; a rejection is a failure. */
interface Check {
  name: string
  /** Why it cannot run here. */
  skip?: string | undefined
  run(): Promise<string>
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
/** Subpaths that are modules: `.`, `./client`, …; not `./src/*` and `./package.json`. */
const subpaths = Object.keys(manifest.exports).filter((key) => typeof manifest.exports[key] === 'object')
const specifiers = subpaths.map((subpath) => manifest.name + subpath.slice(1))

/** Runs a program to its end; rejects with the end of its output when it fails. */
function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const limits = { cwd, timeout: RUN_TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 }
    execFile(program, args, limits, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${stdout}\n${stderr}`.trim().slice(-2_000) || error.message))
    })
  })
}

/** The source file of a subpath, below the root. */
function sourceOf(subpath: string): string {
  const { types } = manifest.exports[subpath] as { types: string }
  return types.replace('./dist/', 'src/').replace(/\.d\.ts$/, '.ts')
}

const work = mkdtempSync(join(tmpdir(), 'package-'))
/** A project that has installed the tarball and nothing else. */
const project = join(work, 'project')

async function pack(): Promise<{ tarball: string; files: string[] }> {
  await run('npm', ['run', '-s', 'build'], root)
  const [packed] = JSON.parse(
    await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', work], root),
  ) as [{ filename: string; files: { path: string }[] }]
  const tarball = join(work, packed.filename)
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "name": "consumer", "private": true, "type": "module" }\n')
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', tarball], project)
  return { tarball, files: packed.files.map(({ path }) => path) }
}

const { tarball, files } = await pack()

const contents: Check[] = [
  {
    name: 'npm pack holds dist, src, README, LICENSE and package.json',
    async run() {
      const stray = files.filter(
        (path) => !/^(?:dist|src)\//.test(path) && !/^(?:LICENSE|README\.md|package\.json)$/.test(path),
      )
      if (stray.length > 0) throw new Error(`also packed: ${stray.join(', ')}`)
      const packed = new Set(files)
      for (const required of ['README.md', 'LICENSE', 'src/index.ts', 'src/README.md'])
        if (!packed.has(required)) throw new Error(`not packed: ${required}`)
      for (const path of files) {
        if (!path.endsWith('.d.ts')) continue
        const source = path.replace(/^dist\//, 'src/').replace(/\.d\.ts$/, '.ts')
        if (!packed.has(source)) throw new Error(`${path} has no source beside it`)
      }
      return `${files.length} files`
    },
  },
  {
    name: 'every subpath has its module and its declarations',
    async run() {
      const packed = new Set(files.map((path) => `./${path}`))
      for (const subpath of subpaths) {
        const target = manifest.exports[subpath] as { types: string; default: string }
        for (const file of [target.types, target.default])
          if (!packed.has(file)) throw new Error(`${subpath}: ${file} is not packed`)
      }
      return `${subpaths.length} subpaths`
    },
  },
  {
    name: 'no dependency and no script that runs at installation',
    async run() {
      const { dependencies = {}, scripts } = manifest
      const names = Object.keys(dependencies)
      if (names.length > 0) throw new Error(`depends on ${names.join(', ')}`)
      const hooks = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish', 'preprepare'].filter(
        (name) => scripts[name] !== undefined,
      )
      if (hooks.length > 0) throw new Error(`has ${hooks.join(', ')}`)
      return 'none'
    },
  },
]

const exporting: Check[] = [
  {
    name: 'every subpath exports what its source exports',
    async run() {
      let names = 0
      const code = `console.log(JSON.stringify(Object.fromEntries(await Promise.all(${JSON.stringify(specifiers)}.map(
        async (s) => [s, Object.keys(await import(s)).sort()]))))) `
      const out = await run(process.execPath, ['--input-type=module', '-e', code], project)
      const built = JSON.parse(out) as Record<string, string[]>
      for (const subpath of subpaths) {
        const source = Object.keys((await import(join(root, sourceOf(subpath)))) as object).sort()
        const specifier = manifest.name + subpath.slice(1)
        const [ours, theirs] = [source.join(), built[specifier]?.join()]
        if (ours !== theirs) throw new Error(`${specifier} exports ${theirs}, not ${ours}`)
        names += source.length
      }
      return `${names} values`
    },
  },
  {
    name: 'a bundler keeps no more of the package than of the sources',
    async run() {
      const dist = relative(join(root, 'src'), join(project, 'node_modules', manifest.name, 'dist'))
      const worst = { name: '', share: 0 }
      for (const entry of ENTRIES) {
        // wire/sse.ts is behind a subpath of another name. What names a file of no subpath cannot be compared.
        const code = entry.code
          .replace('./wire/sse.ts', './sse.ts')
          .replace(/'\.\/([^']+)\.ts'/g, `'${dist}/$1.js'`)
        const paths = [...code.matchAll(/'([^']+\.js)'/g)].map(([, path = '']) => join(root, 'src', path))
        if (entry.external !== undefined || !paths.every((path) => existsSync(path))) continue
        const share = (await measure({ ...entry, code })).bytes / (await measure(entry)).bytes
        if (share > worst.share) Object.assign(worst, { name: entry.name, share })
      }
      if (worst.name === '') throw new Error('nothing was compared')
      const said = `${worst.name}: ${((worst.share - 1) * 100).toFixed(1)} %`
      if (worst.share > MOST_EXTRA) throw new Error(said)
      return `at most ${said}`
    },
  },
]

/** Every subpath in a process of its own would measure Node; all in one shows that they live together. */
const LOAD_ALL = {
  'import()': `for (const s of SPECIFIERS) if (Object.keys(await import(s)).length === 0) throw new Error(s + ' exports nothing')`,
  'require()': `
    const require = process.getBuiltinModule?.('node:module') ?? await import('node:module')
    const load = require.createRequire(process.cwd() + '/x.cjs')
    for (const s of SPECIFIERS) if (Object.keys(load(s)).length === 0) throw new Error(s + ' exports nothing')`,
}

function load(how: keyof typeof LOAD_ALL, version: string, program: string, flags: string[] = []): Check {
  const flagged = flags.length > 0 ? ` with ${flags.join(' ')}` : ''
  return {
    name: `${how} of every subpath, Node ${version}${flagged}`,
    skip: existsSync(program)
      ? undefined
      : 'this Node is not installed: npm run package:install, runtimes:install',
    async run() {
      const code = LOAD_ALL[how].replace('SPECIFIERS', JSON.stringify(specifiers))
      await run(program, [...flags, '--no-warnings', '--input-type=module', '-e', code], project)
      return (await run(program, ['--version'], project)).trim()
    },
  }
}

const old = toolPath('node20.17/bin/node')
const loading: Check[] = [
  load('import()', '20.17', old),
  // 20.19 and 22.12 took the flag away.
  load('require()', '20.17', old, ['--experimental-require-module']),
  load('import()', '20', process.execPath),
  load('require()', '20', process.execPath),
  ...['22', '24', '26'].flatMap((version) => [
    load('import()', version, runtimePath(`node${version}/bin/node`)),
    load('require()', version, runtimePath(`node${version}/bin/node`)),
  ]),
]

const attw = toolPath('@arethetypeswrong/cli/dist/index.js')
const linters: Check[] = [
  {
    name: 'publint --strict',
    async run() {
      await run(
        process.execPath,
        [join(root, 'node_modules/publint/src/cli.js'), 'run', tarball, '--strict'],
        root,
      )
      return 'clean'
    },
  },
  {
    name: 'attw --profile esm-only',
    skip: existsSync(attw) ? undefined : 'attw is not installed: npm run package:install',
    async run() {
      const args = [
        attw,
        tarball,
        '--profile',
        'esm-only',
        '--exclude-entrypoints',
        './src/*',
        '--format',
        'ascii',
      ]
      await run(process.execPath, [...args, '--no-emoji', '--no-color'], root)
      return 'clean'
    },
  },
]

/** A consumer's project: the tarball installed, the typings of one world linked, the program written. */
function consume(version: string, world: World, resolution: 'nodenext' | 'bundler'): Check {
  const tsc = toolPath(`${compilerName(version)}/bin/tsc`)
  const typings = world.types.map((name) => (name === 'node' ? '@types/node' : name))
  const absent = typings.find((name) => !existsSync(toolPath(`${name}/package.json`)))
  return {
    name: `TypeScript ${version}, ${resolution}, ${world.name}${world.skipLibCheck ? ' (skipLibCheck)' : ''}`,
    skip:
      !existsSync(tsc) || absent !== undefined
        ? `${absent ?? 'this compiler'} is not installed: npm run package:install`
        : undefined,
    async run() {
      const folder = join(work, `${compilerName(version)}-${resolution}-${world.name.replace(/\W+/g, '-')}`)
      cpSync(project, folder, { recursive: true })
      // bun-types brings Node's.
      const bun = world.types.includes('bun-types')
      for (const name of bun ? [...typings, '@types/node', 'undici-types'] : [...typings, 'undici-types']) {
        if (!existsSync(toolPath(name))) continue
        cpSync(toolPath(name), join(folder, 'node_modules', name), { recursive: true })
      }
      writeFileSync(join(folder, 'consumer.ts'), consumerProgram(subpaths))
      const compilerOptions = {
        target: 'es2022',
        module: resolution === 'nodenext' ? 'nodenext' : 'esnext',
        moduleResolution: resolution,
        strict: true,
        noEmit: true,
        lib: world.lib,
        types: world.types,
        skipLibCheck: world.skipLibCheck,
      }
      writeFileSync(
        join(folder, 'tsconfig.json'),
        JSON.stringify({ compilerOptions, files: ['consumer.ts'] }),
      )
      await run(process.execPath, [tsc, '-p', '.'], folder)
      rmSync(folder, { recursive: true })
      return 'compiles'
    },
  }
}

const consumers = COMPILERS.flatMap((version) => [
  ...WORLDS.map((world) => consume(version, world, 'nodenext')),
  consume(version, WORLDS[0]!, 'bundler'),
])

/** The sources as somebody's project compiles them after `npm run vendor`: under `strict` alone, with its typings. */
function vendored(world: World): Check {
  const lib = world.lib.map((name) => (name === 'es2022' ? 'es2023' : name))
  const absent = world.types.find(
    (name) => !existsSync(toolPath(`${name === 'node' ? '@types/node' : name}/package.json`)),
  )
  return {
    name: `src under strict, ${world.name}`,
    skip: absent === undefined ? undefined : `${absent} is not installed: npm run package:install`,
    async run() {
      const folder = join(work, `vendored-${world.name.replace(/\W+/g, '-')}`)
      cpSync(join(root, 'src'), join(folder, 'src'), { recursive: true })
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
      // Learning material wants WebAssembly's typings, which only the DOM has whole; Node's transport wants undici.
      const apart = ['src/learn', 'src/adapters/node.ts']
      const node = world.types.includes('node') || world.types.includes('bun-types')
      if (!node) apart.push('src/cli.ts', 'src/cli', 'src/adapters/file-checkpoint.ts')
      for (const path of apart) rmSync(join(folder, path), { recursive: true })
      const compilerOptions = {
        target: 'es2022',
        module: 'nodenext',
        strict: true,
        noEmit: true,
        allowImportingTsExtensions: true,
        skipLibCheck: world.skipLibCheck,
        lib,
        types: world.types,
        typeRoots: [toolPath('@types'), toolPath('')],
      }
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }))
      await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], folder)
      rmSync(folder, { recursive: true })
      return 'compiles'
    },
  }
}

const deno = runtimePath('.bin/deno')
const publishing: Check[] = [
  {
    name: 'npm ci --ignore-scripts, then build, types and a test',
    async run() {
      const clone = join(work, 'clone')
      const listed = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard'], root)
      for (const path of listed.trim().split('\n')) {
        if (!existsSync(join(root, path))) continue
        mkdirSync(dirname(join(clone, path)), { recursive: true })
        cpSync(join(root, path), join(clone, path))
      }
      await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'], clone)
      await run('npm', ['run', '-s', 'build'], clone)
      await run('npm', ['test', '--', 'test/errors.test.ts', '--typecheck.enabled=false'], clone)
      rmSync(clone, { recursive: true })
      return 'works'
    },
  },
  {
    name: 'JSR: deno publish --dry-run',
    skip: existsSync(deno) ? undefined : 'Deno is not installed: npm run runtimes:install',
    async run() {
      const folder = join(work, 'jsr')
      cpSync(join(root, 'src'), join(folder, 'src'), { recursive: true })
      // The pages are programs of the browser; nothing imports them.
      rmSync(join(folder, 'src/learn/pages'), { recursive: true })
      const exported = subpaths.map((subpath) => [subpath, `./${sourceOf(subpath)}`])
      const { version } = manifest
      writeFileSync(
        join(folder, 'jsr.json'),
        JSON.stringify({
          name: '@llmswap/llmswap',
          version,
          license: 'MIT',
          exports: Object.fromEntries(exported),
        }),
      )
      await run(deno, ['publish', '--dry-run', '--allow-dirty', '--no-lock', '--config', 'jsr.json'], folder)
      return 'no slow types'
    },
  },
]

const counts = { pass: 0, skipped: 0, fail: 0 }
const problems: string[] = []

async function report({ name, skip, run }: Check): Promise<void> {
  const row = (result: string, said: string): void => console.log(`| ${name} | ${result} | ${said} |`)
  if (skip !== undefined) {
    counts.skipped++
    return row('skipped', skip)
  }
  try {
    row('pass', await run())
    counts.pass++
  } catch (error) {
    counts.fail++
    row('FAIL', '')
    problems.push(`${name}:\n${(error as Error).message}`)
  }
}

console.log('| check | result | |\n|---|---|---|')
// `--only consumers` while working on one group.
const groups: Record<string, Check[]> = {
  contents,
  exporting,
  loading,
  linters,
  publishing,
  vendored: WORLDS.map(vendored),
  consumers,
}
const { only } = parseArgs({ options: { only: { type: 'string' } } }).values
const checks = Object.entries(groups).flatMap(([name, group]) =>
  only === undefined || only === name ? group : [],
)
for (const check of checks) await report(check)
for (const problem of problems) console.log(`\n${problem}`)
rmSync(work, { recursive: true, force: true })
console.log(`${checks.length} checks: ${counts.pass} pass, ${counts.skipped} skipped, ${counts.fail} fail`)
process.exitCode = counts.fail === 0 ? 0 : 1
