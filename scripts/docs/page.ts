/**
 * The public surface as one static HTML file: no script, no request, readable from disk.
 *
 * In:  the modules of read.ts. Out: HTML with a list of subpaths, and of each its exports, declarations and comments.
 * Comments are Markdown as far as they use it: `code`, {@link Name}, links, blank lines between paragraphs.
 */

import type { Entry, Module } from './read.ts'

const STYLE = `
  :root { color-scheme: light dark; --line: #8884; --code: #8881; }
  body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 62rem; }
  nav { columns: 16rem; font-family: ui-monospace, monospace; font-size: .9rem; }
  nav a { display: block; text-decoration: none; }
  h2 { border-top: 1px solid var(--line); padding-top: 1.5rem; margin-top: 3rem; }
  h3 { margin: 2rem 0 0; font-family: ui-monospace, monospace; }
  h3 small { font: 400 .8rem system-ui, sans-serif; opacity: .7; }
  pre { background: var(--code); padding: .7rem; overflow-x: auto; font-size: .85rem; border-radius: .3rem; }
  code { background: var(--code); border-radius: .2rem; padding: 0 .2em; }
  pre code { background: none; padding: 0; }
  dl { margin: .5rem 0; } dt { font-style: italic; } dd { margin-left: 1.5rem; }
`

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/** `llmswap/sse` and `sse` → `llmswap-sse.sse`. */
function anchor(module: Module, name?: string): string {
  const base = module.specifier.replaceAll('/', '-')
  return name === undefined ? base : `${base}.${name}`
}

/** Text of a comment; names in `links` become links. */
function prose(text: string, links: ReadonlyMap<string, string>): string {
  const inline = (line: string): string =>
    escape(line)
      .replace(/`([^`]+)`/g, (_, code: string) => {
        const target = links.get(code)
        return target === undefined ? `<code>${code}</code>` : `<a href="#${target}"><code>${code}</code></a>`
      })
      .replace(/\{@link (\w+)\}/g, (_, name: string) => {
        const target = links.get(name)
        return target === undefined ? `<code>${name}</code>` : `<a href="#${target}"><code>${name}</code></a>`
      })
      .replace(/(?<!")https?:\/\/[^\s)<]+[^\s)<.,;:]/g, (url) => `<a href="${url}">${url}</a>`)
  const paragraphs = text.split(/\n\s*\n/).filter((paragraph) => paragraph.trim() !== '')
  return paragraphs
    .map((paragraph) =>
      // Indented lines are a drawing, and stay one.
      /^ {2,}\S/m.test(paragraph) ? `<pre>${escape(paragraph)}</pre>` : `<p>${inline(paragraph)}</p>`,
    )
    .join('\n')
}

function section(entry: Entry, module: Module, links: ReadonlyMap<string, string>, source: string): string {
  const { name, kind, comment, tags, signature, file, line } = entry
  const href = `${source}${file}${line === undefined ? '' : `#L${line}`}`
  const notes = tags.map(({ name, text }) =>
    name === 'example'
      ? `<dt>example</dt><dd><pre><code>${escape(text.trim())}</code></pre></dd>`
      : `<dt>${escape(name)}</dt><dd>${prose(name === 'param' ? text.replace(/^(\w+)/, '`$1`:') : text, links)}</dd>`,
  )
  return `<h3 id="${anchor(module, name)}">${escape(name)} <small>${kind} · <a href="${escape(href)}">${escape(file)}${
    line === undefined ? '' : `:${line}`
  }</a></small></h3>
${prose(comment, links)}
${notes.length === 0 ? '' : `<dl>${notes.join('\n')}</dl>`}
<pre><code>${escape(signature)}</code></pre>`
}

/** @param source where the files of src/ are, as a prefix of links: relative to the page, or a URL. */
export function renderPage(modules: readonly Module[], version: string, source: string): string {
  const links = new Map<string, string>()
  for (const module of modules)
    for (const { name } of module.entries) if (!links.has(name)) links.set(name, anchor(module, name))
  const index = modules.map(
    (module) => `<a href="#${anchor(module)}">${module.specifier} (${module.entries.length})</a>`,
  )
  const body = modules.map(
    (module) => `<h2 id="${anchor(module)}">${module.specifier}</h2>
${prose(module.comment, links)}
${module.entries.map((entry) => section(entry, module, links, source)).join('\n')}`,
  )
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>llmswap ${escape(version)}: every public name</title>
<style>${STYLE}</style>
<h1>llmswap ${escape(version)}</h1>
<p>Every public name of every subpath, from the declarations the package ships.</p>
<nav>${index.join('\n')}</nav>
${body.join('\n')}
</html>
`
}
