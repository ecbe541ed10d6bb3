/** What of the package can be known without packing it; `npm run test:package` installs, compiles and publishes it dry. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { describe, expect, it } from 'vitest'
import { root } from '../programs.ts'

interface Target {
  types: string
  default: string
}

const read = (file: string): unknown => JSON.parse(readFileSync(join(root, file), 'utf8'))
const manifest = read('package.json') as {
  exports: Record<string, string | Target>
  files: string[]
  scripts: Record<string, string>
  dependencies?: object
  sideEffects: unknown
}
const subpaths = Object.entries(manifest.exports).filter(
  (entry): entry is [string, Target] => typeof entry[1] === 'object',
)
const sourceOf = ({ default: file }: Target): string =>
  file.replace('./dist/', 'src/').replace(/\.js$/, '.ts')

describe('package.json', () => {
  it.each(subpaths)('%s: types first, both of one source file', (_, target) => {
    expect(Object.keys(target)).toEqual(['types', 'default'])
    expect(target.types).toBe(target.default.replace(/\.js$/, '.d.ts'))
    expect(existsSync(join(root, sourceOf(target))), sourceOf(target)).toBe(true)
  })

  it('is what the compiler resolves to in this repository', () => {
    const { compilerOptions } = read('tsconfig.json') as {
      compilerOptions: { paths: Record<string, string[]> }
    }
    const exported = subpaths.map(([subpath, target]) => [
      `llmswap${subpath.slice(1)}`,
      [`./${sourceOf(target)}`],
    ])
    expect(Object.fromEntries(exported)).toEqual(compilerOptions.paths)
  })

  it('ships dist and src, depends on nothing, runs nothing when installed', () => {
    expect(manifest.files).toEqual(['dist', 'src'])
    expect(manifest.dependencies ?? {}).toEqual({})
    expect(manifest.sideEffects).toBe(false)
    const hooks = [
      'preinstall',
      'install',
      'postinstall',
      'prepare',
      'preprepare',
      'postprepare',
      'prepublish',
    ]
    expect(hooks.filter((name) => manifest.scripts[name] !== undefined)).toEqual([])
  })
})

it('awaits nothing while it loads, so that require() can load it', async () => {
  const imports = subpaths.map(([, target], index) => `import * as m${index} from './${sourceOf(target)}'`)
  const uses = subpaths.map((_, index) => `m${index}`)
  const { errors } = await build({
    stdin: { contents: `${imports.join('\n')}\nexport const all = [${uses.join()}]`, resolveDir: root },
    bundle: true,
    // A top-level await is an error in this format.
    format: 'cjs',
    platform: 'node',
    write: false,
    logLevel: 'silent',
  })
  expect(errors).toEqual([])
})
