/**
 * The API page: every public name with its declaration, its comment and a link to its source.
 *
 *     npm run docs                                   writes .cache/docs/api.html, with links into src/
 *     npm run docs -- --source https://…/src/        the same, with links to where the source is published
 *
 * In:  the declarations tsc emits from src/. Out: one HTML file, and a line that says how many names it has.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { renderPage } from './page.ts'
import { readPublicSurface } from './read.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { source } = parseArgs({ options: { source: { type: 'string', default: '../../src/' } } }).values
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

const modules = readPublicSurface()
const out = join(root, '.cache/docs/api.html')
mkdirSync(join(root, '.cache/docs'), { recursive: true })
writeFileSync(out, renderPage(modules, version, source))
const names = modules.reduce((sum, { entries }) => sum + entries.length, 0)
console.log(`docs: ${names} names of ${modules.length} subpaths in .cache/docs/api.html`)
