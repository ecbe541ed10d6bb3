import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, it } from 'vitest'

const kills = process.env['LLMSWAP_FULL'] === '1' ? 200 : 10
let folder = ''
let program = ''

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'killed-'))
  program = join(folder, 'killed.mjs')
  // What is published, where it was built: the program names the package, and without the paths of tsconfig.json that is dist.
  const built = existsSync('dist/batch/index.js')
  await build({
    ...(built ? { tsconfigRaw: {} } : { tsconfig: 'tsconfig.json' }),
    entryPoints: ['test/batch/killed.ts'],
    bundle: true,
    external: ['undici'],
    platform: 'node',
    format: 'esm',
    outfile: program,
  })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the program; kills it after `ms`. True when it finished first. */
function runFor(ms: number, checkpoint: string, asked: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, checkpoint, asked], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (data) => (output += String(data)))
    child.stderr.on('data', (data) => (output += String(data)))
    const timer = setTimeout(() => child.kill('SIGKILL'), ms)
    child.on('exit', (code, signal) => {
      clearTimeout(timer)
      if (signal === 'SIGKILL') resolve(false)
      else if (code === 0) resolve(true)
      else reject(new Error(`the program failed: ${output}`))
    })
  })
}

function ids(checkpoint: string): string[] {
  if (!existsSync(checkpoint)) return []
  // What follows the last newline is torn, and not yet written by anyone's account.
  const lines = readFileSync(checkpoint, 'utf8').split('\n').slice(1, -1)
  return lines.map((line) => (JSON.parse(line) as { id: string }).id)
}

it(`P15: killed ${kills} times at random moments, a run loses and repeats nothing that was written`, async () => {
  let done = 0
  let job = 0
  const before = performance.now()
  expect(await runFor(30_000, join(folder, 'first.jsonl'), join(folder, 'first.asked'))).toBe(true)
  const startMs = performance.now() - before
  while (done < kills) {
    const checkpoint = join(folder, `${job}.jsonl`)
    const asked = join(folder, `${job++}.asked`)
    for (let finished = false; !finished;) {
      const written = new Set(ids(checkpoint))
      const askedBefore = existsSync(asked) ? readFileSync(asked, 'utf8').length : 0
      // From before the first row to near the end of the work, however slow this machine is to start a process.
      finished = await runFor(startMs * (0.3 + Math.random() * 0.7), checkpoint, asked)
      const askedNow = existsSync(asked) ? readFileSync(asked, 'utf8').slice(askedBefore).split('\n') : []
      expect(askedNow.filter((prompt) => written.has(prompt.replace('q', 'r')))).toEqual([])
      if (!finished) done++
    }
    const lines = ids(checkpoint)
    expect(new Set(lines).size).toBe(lines.length)
    expect(lines.length).toBe(400)
  }
})
