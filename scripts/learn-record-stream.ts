/**
 * Records one real stream for the scrubber page: the embedded model, asked over HTTP on this machine, with the
 * millisecond at which every chunk arrived. In: nothing. Out: fixtures/pages/recording.json. The text repeats (its seed is
 * fixed); the times are of the machine and the minute, and are the point.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { serveTiny } from './serve-tiny.ts'

const server = await serveTiny()
const started = performance.now()
const response = await fetch(`${server.url}/chat/completions`, {
  method: 'POST',
  headers: { 'content-type': 'application/json', authorization: 'Bearer local' },
  body: JSON.stringify({
    model: 'tiny',
    stream: true,
    stream_options: { include_usage: true },
    messages: [{ role: 'user', content: 'Once upon a time' }],
    temperature: 0.5,
    seed: 7,
    max_tokens: 90,
  }),
})
if (!response.ok || response.body === null)
  throw new Error(`HTTP ${response.status}: ${await response.text()}`)
const reader = response.body.getReader()
const decoder = new TextDecoder()
const chunks: [atMs: number, text: string][] = []
for (;;) {
  const { done, value } = await reader.read()
  if (done) break
  chunks.push([
    Math.round((performance.now() - started) * 100) / 100,
    decoder.decode(value, { stream: true }),
  ])
}
await server.close()
const folder = new URL('../fixtures/pages/', import.meta.url)
mkdirSync(folder, { recursive: true })
writeFileSync(
  new URL('recording.json', folder),
  `${JSON.stringify({ about: 'The embedded model over loopback HTTP; [milliseconds, bytes as text]', chunks })}\n`,
)
const bytes = chunks.reduce((sum, [, text]) => sum + Buffer.byteLength(text), 0)
console.log(`${chunks.length} chunks, ${bytes} bytes, ${chunks.at(-1)?.[0]} ms`)
