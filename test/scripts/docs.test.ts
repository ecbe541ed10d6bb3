/** Every public name says what it is; what the compiler reads is what `npm run docs` prints. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { renderPage } from '../../scripts/docs/page.ts'
import { readPublicSurface } from '../../scripts/docs/read.ts'
import type { Entry, Module } from '../../scripts/docs/read.ts'
import { root } from '../programs.ts'

let modules: Module[] = []
/** Each declaration once, however many subpaths export it. */
let entries: Entry[] = []

beforeAll(() => {
  modules = readPublicSurface()
  entries = [
    ...new Map(
      modules.flatMap((module) => module.entries).map((entry) => [`${entry.file} ${entry.name}`, entry]),
    ).values(),
  ]
})

/** `file:line name`, to click on. */
const where = ({ file, line, name }: Entry): string => `src/${file}:${line ?? '?'} ${name}`

/** The members of an interface or class: name, type, optional or not, and the comment above. */
function members({
  kind,
  signature,
}: Entry): { name: string; optional: boolean; type: string; comment: string }[] {
  // A type alias and the inline options of a function are explained in the comment above them.
  if (kind !== 'interface' && kind !== 'class') return []
  const found: { name: string; optional: boolean; type: string; comment: string }[] = []
  const member =
    /(?:\n {4}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/)?\n {4}(?:readonly )?(\w+)(\??)(?:: |(?=[(<]))(.*)/g
  for (const [, comment = '', name = '', mark, type = ''] of signature.matchAll(member))
    found.push({ name, optional: mark === '?', type, comment })
  return found
}

/** The source of a function, from its declaration to the brace that ends it. */
function source({ file, line }: Entry): string {
  const lines = readFileSync(join(root, 'src', file), 'utf8')
    .split('\n')
    .slice(line! - 1)
  return lines.slice(0, lines.indexOf('}') + 1).join('\n')
}

describe('public names', () => {
  it('are read: every subpath, and the names everybody knows', () => {
    expect(modules.length).toBeGreaterThanOrEqual(31)
    const root = modules.find(({ specifier }) => specifier === 'llmswap')
    const names = root?.entries.map(({ name }) => name)
    expect(names).toEqual(
      expect.arrayContaining(['complete', 'stream', 'embed', 'createClient', 'LlmError', 'tool']),
    )
    const error = root?.entries.find(({ name }) => name === 'LlmError')
    expect(error?.kind).toBe('class')
    expect(error && members(error).map(({ name }) => name)).toContain('retryAfterMs')
  })

  it('have a comment', () => {
    expect(entries.filter(({ comment }) => comment === '').map(where)).toEqual([])
  })

  it('have a place in the source', () => {
    expect(entries.filter(({ line }) => line === undefined).map(where)).toEqual([])
  })

  it('are in files whose head says what flows in and out', () => {
    expect(modules.filter(({ comment }) => comment === '').map(({ file }) => file)).toEqual([])
  })

  it('of functions that throw say what they throw', () => {
    const silent = entries.filter((entry) => {
      if (entry.kind !== 'function' || !/\bthrow |new LlmError\(/.test(source(entry))) return false
      return !entry.tags.some(({ name }) => name === 'throws') && !/\bThrows\b/.test(entry.comment)
    })
    expect(silent.map(where)).toEqual([])
  })

  it('of interfaces explain what may be left out', () => {
    const silent = entries.flatMap((entry) =>
      members(entry)
        .filter(({ optional, comment }) => optional && comment === '')
        .map(({ name }) => `${where(entry)}.${name}`),
    )
    expect(silent).toEqual([])
  })

  it('of numbers have their unit in the name or a comment', () => {
    const silent = entries.flatMap((entry) =>
      members(entry)
        .filter(({ name, type, comment }) => /^number\b/.test(type) && comment === '' && !UNIT.test(name))
        .map(({ name }) => `${where(entry)}.${name}`),
    )
    expect(silent).toEqual([])
  })

  it('of options that are numbers or switches say what happens without them', () => {
    const silent = entries.flatMap((entry) =>
      /Options|^Timeouts$|^Retry$|^Limits$/.test(entry.name)
        ? members(entry)
            .filter(({ optional, type, comment }) => optional && SWITCH.test(type) && !DEFAULT.test(comment))
            .map(({ name }) => `${where(entry)}.${name}`)
        : [],
    )
    expect(silent).toEqual([])
  })
})

const UNIT = /(?:Ms|[tT]okens|Bytes|[dD]ollars|PerSecond|PerMinute)$/
const SWITCH = /^(?:number|boolean)\b/
const DEFAULT = /default|absent|without|none|^\s*\*?\s*Of |for `etaMs`/i

describe('npm run docs', () => {
  it('writes one page with every name, and links that lead somewhere', () => {
    const page = renderPage(modules, '0.0.0', 'src/')
    const anchors = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))
    for (const { specifier, entries } of modules)
      for (const { name } of entries) expect(anchors).toContain(`${specifier.replaceAll('/', '-')}.${name}`)
    for (const [, target] of page.matchAll(/href="#([^"]+)"/g)) expect(anchors).toContain(target)
    for (const [, file] of page.matchAll(/href="(src\/[^"#]+)/g))
      expect(existsSync(join(root, file!)), file).toBe(true)
    expect(page).not.toMatch(/<script|(?:<p>|<dd>)undefined|\[object /)
  })
})
