/**
 * `npm run learn [-- page]`: builds the nine pages of src/learn/pages, serves them on loopback and opens one.
 * `npm run learn:build` (`--build [folder]`): leaves them in a folder that any web server can host; default
 * .cache/learn. In: page sources, the weights and fixtures they show, and excerpts of this repository's code, which are
 * read from the source now and never retyped. Out: HTML, one script a page, data. Fails when an excerpt is gone, or when
 * the scripts a page needs for its first paint are over 100 kB.
 */
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { extname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type Metafile } from 'esbuild'
import { pages, type PageInfo } from '../src/learn/pages/pages.ts'
import { thumbnails } from './learn-thumbnails.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PAGES = join(ROOT, 'src/learn/pages')
/** Script bytes a page may need before its first paint. */
export const SCRIPT_BUDGET = 100_000

/** What stands under the list of pages. */
const INDEX_END =
  '<p>In this order they go from what a model does to what it costs, and end where a library begins: with bytes. The article that joins them is <code>src/learn/README.md</code> in the repository.</p>'

/** Data beside the pages: name there → path here. */
const DATA: Readonly<Record<string, string>> = {
  'tiny.llm': 'fixtures/learn/tiny.llm',
  'evolution.json': 'fixtures/pages/evolution.json',
  'recording.json': 'fixtures/pages/recording.json',
  'openai-chat-text.sse': 'fixtures/openai-chat/text.sse',
  'openai-chat-tools.sse': 'fixtures/openai-chat/tools.sse',
  'anthropic-tools.sse': 'fixtures/anthropic/tools.sse',
  'anthropic-thinking.sse': 'fixtures/anthropic/thinking.sse',
}

const escaped = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)

/**
 * The declaration of a name in a source file, with the comment above it. Throws when there is none: a page must not
 * show code that is no longer there.
 */
export function excerpt(file: string, name: string): string {
  const source = readFileSync(join(ROOT, file), 'utf8').split('\n')
  const opening = new RegExp(
    `^(export )?(async )?(function\\*?|const|interface|type|class) ${name.replaceAll('$', '\\$')}\\b`,
  )
  const at = source.findIndex((line) => opening.test(line))
  if (at === -1) throw new Error(`${file} has no top-level "${name}" to show.`)
  let from = at
  if (source[at - 1]?.endsWith('*/') === true) {
    from = at - 1
    while (!source[from]!.startsWith('/**')) from--
  }
  // It goes on while lines are indented, blank, or close something at the margin.
  let to = at
  for (let i = at + 1; i < source.length && /^(\s|$|[}\])])/.test(source[i]!); i++)
    if (source[i] !== '') to = i
  return source.slice(from, to + 1).join('\n')
}

/** Code as HTML, its comments set back. */
function highlighted(code: string): string {
  return escaped(code).replace(
    /(\/\*\*[\s\S]*?\*\/|(?<=^|\s)\/\/[^\n]*)/g,
    (comment) => `<span class="comment">${comment}</span>`,
  )
}

function withExcerpts(html: string): string {
  const filled = html.replace(
    /<code-of\s+file="([^"]+)"\s+names="([^"]+)"\s*><\/code-of\s*>/g,
    (_, file: string, names: string) => {
      const code = names
        .split(' ')
        .map((name) => excerpt(file, name))
        .join('\n\n')
      const label = `${names.replaceAll(' ', ', ')} in ${file}`
      return `<h2>The code that drives it</h2><p class="mono">${file}</p><pre tabindex="0" role="region" aria-label="${label}"><code>${highlighted(code)}</code></pre>`
    },
  )
  if (filled.includes('<code-of'))
    throw new Error('A page asks for code in a way the build does not understand.')
  return filled
}

function render(layout: string, info: PageInfo, main: string, script: boolean): string {
  const link = ({ slug, title }: PageInfo): string => `<a href="${slug}.html">${escaped(title)}</a>`
  const entry = ({ slug, short }: PageInfo): string =>
    `<a href="${slug}.html"${slug === info.slug ? ' aria-current="page"' : ''}>${escaped(short)}</a>`
  const at = pages.indexOf(info)
  const around = [pages[at - 1], pages[at + 1]]
    .map((page, i) =>
      page === undefined || at === -1 ? '' : `${i === 0 ? 'Before' : 'Next'}: ${link(page)}`,
    )
    .filter((text) => text !== '')
    .join(' · ')
  const values: Readonly<Record<string, string>> = {
    title: escaped(info.title),
    idea: escaped(info.idea),
    nav: `<a href="index.html"${at === -1 ? ' aria-current="page"' : ''}>All</a>${pages.map(entry).join('')}`,
    main: withExcerpts(main),
    around,
    script: script ? `<script type="module" src="${info.slug}.js"></script>` : '',
  }
  return layout.replace(/\{\{(\w+)\}\}/g, (_, key: string) => values[key] ?? '')
}

/** Bytes of an entry and everything it imports statically. */
function firstPaintBytes(outputs: Metafile['outputs'], entry: string): number {
  const seen = new Set<string>()
  const visit = (path: string): void => {
    if (seen.has(path)) return
    seen.add(path)
    for (const each of outputs[path]?.imports ?? [])
      if (each.kind === 'import-statement' && !each.external) visit(each.path)
  }
  visit(entry)
  return [...seen].reduce((sum, path) => sum + (outputs[path]?.bytes ?? 0), 0)
}

/** Builds everything into `folder`, which is emptied first; returns the first-paint script bytes of each page. */
export async function buildPages(folder: string): Promise<Map<string, number>> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const workers = ['train-worker', 'cache-worker', 'evolution-worker']
  const { metafile } = await build({
    entryPoints: [...pages.map(({ slug }) => slug), 'index', ...workers].map((name) =>
      join(PAGES, `${name}.ts`),
    ),
    outdir: folder,
    absWorkingDir: ROOT,
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    metafile: true,
    logLevel: 'warning',
  })
  const layout = readFileSync(join(PAGES, 'layout.html'), 'utf8')
  const pictures = thumbnails()
  const list = pages.map(
    ({ slug, title, idea }) =>
      `<li><a href="${slug}.html">${pictures.get(slug) ?? ''}<strong>${escaped(title)}</strong></a><p>${escaped(idea)}</p></li>`,
  )
  const index: PageInfo = {
    slug: 'index',
    title: 'A language model, to touch',
    short: 'All',
    idea: 'Nine pages, one idea each. The code that computes them is this repository’s own, and runs in your browser.',
  }
  writeFileSync(
    join(folder, 'index.html'),
    render(layout, index, `<ol class="cards">${list.join('')}</ol>${INDEX_END}`, true),
  )
  for (const info of pages) {
    const main = readFileSync(join(PAGES, `${info.slug}.html`), 'utf8')
    writeFileSync(join(folder, `${info.slug}.html`), render(layout, info, main, true))
  }
  copyFileSync(join(PAGES, 'style.css'), join(folder, 'style.css'))
  for (const [name, path] of Object.entries(DATA)) copyFileSync(join(ROOT, path), join(folder, name))
  const sizes = new Map<string, number>()
  for (const [path, { entryPoint }] of Object.entries(metafile.outputs)) {
    const slug = [index, ...pages].find((page) => entryPoint?.endsWith(`pages/${page.slug}.ts`))?.slug
    if (slug !== undefined) sizes.set(slug, firstPaintBytes(metafile.outputs, path))
  }
  for (const [slug, bytes] of sizes) {
    if (bytes > SCRIPT_BUDGET)
      throw new Error(
        `${slug} needs ${bytes} bytes of script for its first paint; the budget is ${SCRIPT_BUDGET}.`,
      )
  }
  return sizes
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
}

/** Serves a folder on 127.0.0.1; port 0 takes a free one. */
export async function servePages(folder: string, port: number): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://local').pathname
    // A page's files lie in one flat folder: a name with a slash or two dots in it is nobody's.
    const name = /^\/[\w-]+\.\w+$/.test(path) ? path.slice(1) : path === '/' ? 'index.html' : ''
    const file = join(folder, name)
    if (name === '' || !existsSync(file)) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('There is no such page.\n')
      return
    }
    response.writeHead(200, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'cache-control': 'no-store',
      // An isolated page gets a clock of 5 µs instead of 100; the cache page times single tokens.
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
    })
    response.end(readFileSync(file))
  })
  await new Promise<void>((done, fail) => {
    server.once('error', fail)
    server.listen(port, '127.0.0.1', done)
  })
  const address = server.address()
  return { server, url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : port}/` }
}

function openBrowser(url: string): void {
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open', url]
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', '', url]
        : ['xdg-open', url]
  // Without a desktop there is nothing to open; the address was printed.
  spawn(command!, args, { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref()
}

async function main(args: string[]): Promise<void> {
  const buildOnly = args.includes('--build')
  const words = args.filter((arg) => !arg.startsWith('--'))
  const folder = resolve(buildOnly ? (words[0] ?? join(ROOT, '.cache/learn')) : join(ROOT, '.cache/learn'))
  const sizes = await buildPages(folder)
  for (const [slug, bytes] of sizes)
    console.log(`${slug.padEnd(10)} ${(bytes / 1000).toFixed(1)} kB of script`)
  if (buildOnly) return console.log(`Built ${pages.length} pages and their list in ${folder}.`)
  const port = Number(/--port=(\d+)/.exec(args.join(' '))?.[1] ?? 0)
  const { url } = await servePages(folder, port)
  const slug = words[0]
  if (slug !== undefined && !sizes.has(slug))
    console.log(`There is no page "${slug}"; there are ${[...sizes.keys()].join(', ')}.`)
  const start = slug !== undefined && sizes.has(slug) ? `${url}${slug}.html` : url
  console.log(`Open ${start} (Ctrl+C ends it).`)
  if (!args.includes('--no-open')) openBrowser(start)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(process.argv.slice(2))
}
