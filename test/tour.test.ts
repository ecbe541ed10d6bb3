/** The tour of the source mentions only what is there. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from './programs.ts'

const tour = readFileSync(join(root, 'src/README.md'), 'utf8')
const quoted = [...new Set([...tour.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text))]
const source = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.includes('encodings'))
  .map((name) => readFileSync(join(root, 'src', name), 'utf8'))
  .join('\n')

it('names files that exist', () => {
  const files = quoted.filter((text) => /^[\w/-]+\.ts$|^[\w-]+\/$/.test(text))
  expect(files.length).toBeGreaterThan(40)
  for (const file of files) expect(existsSync(join(root, 'src', file)), file).toBe(true)
})

it('names things that exist', () => {
  const names = quoted.filter((text) => /^[A-Za-z]\w+(?:\.\w+)?$/.test(text))
  expect(names.length).toBeGreaterThan(15)
  for (const name of names) expect(source.includes(name.split('.').at(-1)!), name).toBe(true)
})
