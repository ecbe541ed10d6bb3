/** The figures in the heads of http/retry.ts and route/index.ts are what `npm run retries` prints. */

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { lessons } from '../../scripts/simulate-retries.ts'

/** A file's first comment as running text. */
function head(path: string): string {
  const text = readFileSync(new URL(`../../src/${path}`, import.meta.url), 'utf8')
  return /^\/\*\*([\s\S]*?)\*\//.exec(text)![1]!.replace(/\s*\n \*\s*/g, ' ')
}

const figures = lessons()

describe('the lesson', () => {
  test.each(Object.entries(figures))('http/retry.ts quotes the simulation: %s', (_, sentence) => {
    expect(head('http/retry.ts')).toContain(sentence)
  })
  test.each(['jitter', 'hint', 'deadline', 'budget', 'owner'] as const)(
    'route/index.ts quotes the simulation: %s',
    (name) => expect(head('route/index.ts')).toContain(figures[name]),
  )
  test('the same dice, the same figures', () => expect(lessons()).toEqual(figures))
})
