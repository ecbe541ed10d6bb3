import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import { describe, expect, it } from 'vitest'
import { gradientError, type Differentiable } from './gradient-check.ts'

// A check that cannot fail proves nothing. Every backward function is broken in every way a tired hand breaks it, a
// sign flipped, a term or a statement dropped, and the gradient check has to notice each one.

const folder = fileURLToPath(new URL('../../src/learn/', import.meta.url))
const source = readFileSync(`${folder}llm500.ts`, 'utf8')
const full = process.env['LLMSWAP_FULL'] === '1'

interface Mutant {
  readonly title: string
  readonly source: string
}

/** Compiles a variant of llm500.ts; its imports come from beside the original. */
function compile(contents: string): Differentiable {
  const built = buildSync({
    stdin: { contents, resolveDir: folder, loader: 'ts' },
    bundle: true,
    format: 'iife',
    globalName: 'mutant',
    write: false,
  })
  // eslint-disable-next-line no-new-func -- a mutant exists only as text
  return new Function(`${built.outputFiles[0]!.text}; return mutant`)() as Differentiable
}

/** [start, end) of the body of every exported backward layer. */
function backwardFunctions(): { name: string; start: number; end: number }[] {
  return [...source.matchAll(/export const (\w+Backward)\b[^\n]*=> \{\n/g)].map((match) => {
    const start = match.index + match[0].length
    return { name: match[1]!, start, end: source.indexOf('\n}\n', start) }
  })
}

function mutants(): Mutant[] {
  return backwardFunctions().flatMap(({ name, start, end }) => {
    const lines = source.slice(start, end).split('\n')
    const variants = lines.flatMap((line, number) => {
      const body = line.replace(/^\s*for \([^)]*\) /, '')
      const head = line.slice(0, line.length - body.length)
      if (/^\s*(\{?$|for|\}|const (D|q|dq|d|\[))/.test(body)) return []
      const changed = new Set<string>()
      for (const [from, to] of [
        [' += ', ' -= '],
        [' -= ', ' += '],
        [' - ', ' + '],
        [' * scale', ''],
        [' * hat', ''],
        [' / ', ' * '],
      ] as const) {
        for (let at = body.indexOf(from); at !== -1; at = body.indexOf(from, at + 1)) {
          changed.add(body.slice(0, at) + to + body.slice(at + from.length))
        }
      }
      if (!/^\s*(const|let) /.test(body)) changed.add(head === '' ? '' : '{}')
      return [...changed].map((text) => ({ number, text: head + text, was: line.trim() }))
    })
    return variants.map(({ number, text, was }) => ({
      title: `${name}: ${was} → ${text.trim() || '(dropped)'}`,
      source:
        source.slice(0, start) +
        lines.map((line, i) => (i === number ? text : line)).join('\n') +
        source.slice(end),
    }))
  })
}

describe('the gradient check', () => {
  const all = mutants()

  it('accepts the code as it is', () => {
    expect(gradientError(compile(source), 6).worst).toBeLessThan(1e-6)
  })

  it('has something to say about every backward layer', () => {
    const names = backwardFunctions().map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['linearBackward', 'layerNormBackward', 'geluBackward']))
    expect(names).toEqual(
      expect.arrayContaining(['attentionBackward', 'embedBackward', 'headBackward', 'lossBackward']),
    )
    for (const name of names) expect(all.some(({ title }) => title.startsWith(name))).toBe(true)
    expect(all.length).toBeGreaterThanOrEqual(40)
  })

  it.each(full ? all : all.filter((_, i) => i % 2 === 0))('notices $title', (mutant) => {
    expect(gradientError(compile(mutant.source), 6).worst).toBeGreaterThan(1e-4)
  })
})
