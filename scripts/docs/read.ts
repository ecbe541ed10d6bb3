/**
 * The public surface as the compiler sees it: every export of every subpath, with its declaration and its comment.
 *
 * In:  package.json's subpaths and src/. Out: a list of modules, each with its exports.
 * Declarations are emitted by tsc into a folder of their own and read with the compiler's own API, which TypeScript 7 has only as
 * `typescript/unstable`: the version is pinned, and this file is the only one that touches it.
 * Not here: what a page looks like (page.ts), what a comment must say (test/docs.test.ts).
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { API, SymbolFlags } from 'typescript/unstable/sync'
import type { Checker, Project, Symbol as CompilerSymbol } from 'typescript/unstable/sync'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** One public name. */
export interface Entry {
  name: string
  kind: 'function' | 'class' | 'interface' | 'type' | 'value'
  /** The comment's prose, Markdown as far as backticks go. */
  comment: string
  /** `@throws`, `@param`, `@example`, …, in order. */
  tags: { name: string; text: string }[]
  /** The declaration with the comments of its members. Overloads stand one below the other. */
  signature: string
  /** The file it is declared in, below src/. */
  file: string
  /** Line of the declaration in that file, from 1; absent where it cannot be found. */
  line: number | undefined
}

/** One subpath. */
export interface Module {
  /** `llmswap/sse`. */
  specifier: string
  /** The file behind it, below src/. */
  file: string
  /** What the head of that file says. */
  comment: string
  entries: Entry[]
}

/** Reads everything. Takes a few seconds: it runs the compiler. */
export function readPublicSurface(): Module[] {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { types: string }>
  }
  const entries = Object.entries(exports).flatMap(([subpath, target]) =>
    typeof target === 'string' ? [] : [{ subpath, file: target.types.replace('./dist/', '') }],
  )
  // The compiler answers with real paths; the folder of temporary files may be a link.
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'declarations-')))
  emit(
    folder,
    entries.map(({ file }) => file),
  )
  const config = join(folder, 'tsconfig.json')
  const api = new API({ cwd: folder })
  try {
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config)
    if (project === undefined) throw new Error(`The compiler did not open ${config}.`)
    return entries
      .map(({ subpath, file }) => readModule({ project, folder }, `llmswap${subpath.slice(1)}`, file))
      .sort((a, b) => (a.specifier < b.specifier ? -1 : 1))
  } finally {
    api.close()
    rmSync(folder, { recursive: true })
  }
}

/** The compiler's project, and where its declarations are. */
interface Emitted {
  project: Project
  folder: string
}

function emit(folder: string, files: readonly string[]): void {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const options = [
    '--outDir',
    folder,
    '--emitDeclarationOnly',
    '--declarationMap',
    'false',
    '--sourceMap',
    'false',
  ]
  execFileSync(process.execPath, [tsc, '-p', join(root, 'scripts/tsconfig.build.json'), ...options])
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
    types: [],
    skipLibCheck: true,
    noEmit: true,
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
}

function readModule(emitted: Emitted, specifier: string, file: string): Module {
  const { project, folder } = emitted
  const { checker, program } = project
  const source = program.getSourceFile(join(folder, file))
  const symbol = source === undefined ? undefined : checker.getSymbolAtLocation(source)
  if (symbol === undefined) throw new Error(`${specifier}: ${file} is not a module.`)
  const entries = checker
    .getExportsOfModule(symbol)
    .map((exported) => readEntry(emitted, exported))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const path = file.replace(/\.d\.ts$/, '.ts')
  const head = /^\/\*\*([\s\S]*?)\*\//.exec(readFileSync(join(root, 'src', path), 'utf8'))?.[1] ?? ''
  return { specifier, file: path, comment: head.replace(/^\s*\*? ?/gm, '').trim(), entries }
}

function readEntry({ project, folder }: Emitted, exported: CompilerSymbol): Entry {
  const { checker } = project
  const symbol = (exported.flags & SymbolFlags.Alias) === 0 ? exported : checker.getAliasedSymbol(exported)
  const [first] = symbol.declarations
  if (first === undefined) throw new Error(`${exported.name} has no declaration.`)
  const file = relative(folder, first.path).replace(/\.d\.ts$/, '.ts')
  const declared = symbol.declarations.map((handle) => handle.resolve(project)?.getText() ?? '')
  // A variable's declaration is `x: T`; its statement has the `const`.
  const signature = declared.map((text) => (symbol.flags & SymbolFlags.Variable ? `const ${text}` : text))
  return {
    name: exported.name,
    kind: kindOf(symbol),
    ...commentOf(checker, symbol),
    signature: signature.map((text) => text.replace(/^export (?:declare )?/, '')).join('\n'),
    file,
    line: lineOf(file, symbol.name),
  }
}

function kindOf({ flags }: CompilerSymbol): Entry['kind'] {
  if (flags & SymbolFlags.Function) return 'function'
  if (flags & SymbolFlags.Class) return 'class'
  if (flags & SymbolFlags.Interface) return 'interface'
  return flags & SymbolFlags.TypeAlias ? 'type' : 'value'
}

function commentOf(checker: Checker, symbol: CompilerSymbol): Pick<Entry, 'comment' | 'tags'> {
  return {
    comment: checker.getDocumentationCommentOfSymbol(symbol).trim(),
    tags: checker.getJsDocTagsOfSymbol(symbol).map(({ name, text = '' }) => ({ name, text })),
  }
}

function lineOf(file: string, name: string): number | undefined {
  const declaration = new RegExp(
    `^(?:export )?(?:declare )?(?:async )?(?:abstract )?(?:function\\*?|class|interface|type|const|let) ${name.replace('$', '\\$')}\\b`,
  )
  const lines = readFileSync(join(root, 'src', file), 'utf8').split('\n')
  const at = lines.findIndex((line) => declaration.test(line))
  return at === -1 ? undefined : at + 1
}
