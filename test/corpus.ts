/**
 * The outside corpus: conformance cases written by other people, read and never copied.
 *
 * In: the folder named by the environment variable LLMSWAP_CORPUS. Out: vitest suites over what lies there, and one
 * small count file per suite under `.cache/corpus-counts/`, from which `scripts/corpus-summary.ts` prints the last
 * line of a CI run (`corpus: N cases ran` or `CORPUS ABSENT`).
 *
 * Without the variable a suite is skipped under a title that says why. With the variable set, a missing file is a
 * failure: a corpus that silently shrank must not look like a pass.
 *
 *     corpusCases<{ cases: Case[] }>('sse', 'cases/sse-cases.json', ({ cases }, ran) => {
 *       for (const one of cases) it(one.id, () => { expect(…).toEqual(…); ran() })
 *     })
 *     corpusFolder('recordings/openai-chat', 'recordings/openai-chat', (folder, ran) => { … })
 *
 * `ran()` is called once per outside case, after its assertions, however many chunkings the case was fed in.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, it } from 'vitest'

/** Absolute path of `relative` inside the corpus; undefined when no corpus is configured. Throws if it is missing. */
export function corpusPath(relative: string): string | undefined {
  const root = process.env['LLMSWAP_CORPUS']
  if (root === undefined || root === '') return undefined
  const path = join(root, relative)
  if (!existsSync(path)) throw new Error(`LLMSWAP_CORPUS is set, but the corpus holds no ${relative}`)
  return path
}

/** The parsed JSON file at `relative`; undefined when no corpus is configured. */
export function loadCases<T>(relative: string): T | undefined {
  const path = corpusPath(relative)
  return path === undefined ? undefined : (JSON.parse(readFileSync(path, 'utf8')) as T)
}

/** Where the count files lie, from the repository root (the folder vitest and npm run in). */
export const corpusCountsFolder: string = join('.cache', 'corpus-counts')

/** Defines a suite over one JSON file of the corpus. `define` gets the parsed file and the per-case counter. */
export function corpusCases<T>(
  suite: string,
  relative: string,
  define: (data: T, ran: (count?: number) => void) => void,
): void {
  const data = loadCases<T>(relative)
  counted(suite, data, define)
}

/** Defines a suite over one folder of the corpus. `define` gets its absolute path and the per-case counter. */
export function corpusFolder(
  suite: string,
  relative: string,
  define: (folder: string, ran: (count?: number) => void) => void,
): void {
  counted(suite, corpusPath(relative), define)
}

function counted<T>(
  suite: string,
  data: T | undefined,
  define: (data: T, ran: (count?: number) => void) => void,
): void {
  if (data === undefined) {
    describe(`corpus ${suite}`, () => {
      it.skip('CORPUS ABSENT: set LLMSWAP_CORPUS to the folder that holds it')
    })
    return
  }
  describe(`corpus ${suite}`, () => {
    let cases = 0
    define(data, (count = 1) => {
      cases += count
    })
    afterAll(() => {
      mkdirSync(corpusCountsFolder, { recursive: true })
      // One file per suite: test files run in parallel processes and must not share a counter.
      const file = `${suite.replace(/[^\w.-]+/g, '_')}.json`
      writeFileSync(join(corpusCountsFolder, file), JSON.stringify({ suite, cases }))
    })
  })
}

/** `full` under LLMSWAP_FULL=1 (what CI sets), else `reduced`: the case count of a fuzzer or a split search. */
export function fuzzRuns(full: number, reduced: number): number {
  return process.env['LLMSWAP_FULL'] === '1' ? full : reduced
}

/** Timeout of a fuzzer or of a large case: only a guard against hanging, on a machine that is busy with other things. */
export const FUZZ_TIMEOUT_MS = 180_000
