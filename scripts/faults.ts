/**
 * `npm run faults`: runs every test that proves a row of the fault matrix, and prints the matrix with the outcome.
 *
 * In:  test/faults/table.ts. Out: one line per row, its last line `112 rows: N pass, M later, K fail`; exit code 1 when
 *      a row fails. A row fails when one of its tests does, or when one of its files holds no test that names it.
 * `npm run faults -- --proof` also prints the titles of the tests.
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROWS, rowsNamed, type Row } from '../test/faults/table.ts'

const ROOT = resolve(fileURLToPath(new URL('..', import.meta.url)))

/** What vitest's JSON reporter writes, as far as it is read here. */
interface Report {
  testResults: {
    name: string
    assertionResults: { fullName: string; title: string; status: string; failureMessages: string[] }[]
  }[]
}

interface Proof {
  file: string
  title: string
  passed: boolean
}

function runTests(files: readonly string[]): Report {
  const folder = mkdtempSync(join(tmpdir(), 'faults-'))
  const output = join(folder, 'report.json')
  try {
    execFileSync(
      process.execPath,
      [
        join(ROOT, 'node_modules/vitest/vitest.mjs'),
        'run',
        '--config',
        'test/vitest.config.ts',
        '--typecheck.enabled=false',
        '--reporter=json',
        `--outputFile=${output}`,
        ...files,
      ],
      { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] },
    )
  } catch {
    // Failing tests stand in the report.
  }
  try {
    return JSON.parse(readFileSync(output, 'utf8')) as Report
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Tests by the row they name; a title that names none inherits the rows of its describe block. */
function proofsByRow(report: Report): Map<number, Proof[]> {
  const proofs = new Map<number, Proof[]>()
  for (const { name, assertionResults } of report.testResults) {
    const file = relative(join(ROOT, 'test'), name)
    for (const { title, fullName, status } of assertionResults) {
      const own = rowsNamed(title)
      for (const row of new Set(own.length > 0 ? own : rowsNamed(fullName))) {
        const list = proofs.get(row) ?? []
        proofs.set(row, list)
        list.push({ file, title, passed: status === 'passed' })
      }
    }
  }
  return proofs
}

/** `pass`, `later`, or what is wrong. */
function verdict(row: Row, proofs: readonly Proof[]): string {
  if (row.later !== undefined) return 'later'
  const broken = proofs.find(({ passed }) => !passed)
  if (broken !== undefined) return `FAIL: ${broken.file}: ${broken.title}`
  const missing = row.proof.find((file) => !proofs.some((proof) => proof.file === file))
  if (row.proof.length === 0 || missing !== undefined)
    return `FAIL: no test in ${missing ?? 'any file'} names the row`
  return 'pass'
}

const files = [...new Set(ROWS.flatMap(({ proof }) => proof))].map((file) => join('test', file))
const proofs = proofsByRow(runTests(files))
const counts = { pass: 0, later: 0, fail: 0 }
for (const row of ROWS) {
  const mine = (proofs.get(row.row) ?? []).filter(({ file }) => row.proof.includes(file))
  const outcome = verdict(row, mine)
  counts[outcome === 'pass' || outcome === 'later' ? outcome : 'fail']++
  const where =
    row.later ?? `${row.proof.join(', ')} (${mine.length} ${mine.length === 1 ? 'test' : 'tests'})`
  console.log(
    `${String(row.row).padStart(3)}  ${row.fault.padEnd(52)}  ${row.expected.padEnd(50)}  ${outcome.padEnd(5)}  ${where}`,
  )
  if (process.argv.includes('--proof')) for (const { title } of mine) console.log(`       ${title}`)
}
console.log(`${ROWS.length} rows: ${counts.pass} pass, ${counts.later} later, ${counts.fail} fail`)
process.exitCode = counts.fail === 0 ? 0 : 1
