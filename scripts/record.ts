/**
 * Makes recordings of real calls, for whoever has keys: the raw bytes of answers, as the replay tests read them.
 *
 *     npx tsx scripts/record.ts <folder> [--provider NAME]… [--model ID] [--base-url URL]
 *
 * In:  keys in the environment; without --provider every provider whose key is set. Four short calls each: text, tools in
 *      parallel, a refusal of the request (400 or 404), and one JSON body.
 * Out: `<folder>/<provider>/<name>.<n>.sse` (`.ndjson`, `.eventstream.bin`, `.json`; failures under `errors/`), each with
 *      a `.meta.json` beside it: URL, status, framing, some response headers, the request body up to 20 kB.
 * Nothing secret is kept: only headers of an allow-list, no query of a URL, no request header, and whatever `authorize`
 * added is masked wherever else it turns up. A binary body that holds it is not written at all.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createClient } from '../src/client.ts'
import { LlmError } from '../src/errors.ts'
import { fetchTransport } from '../src/http/transport.ts'
import type { HttpRequest, HttpResponse, Provider, Transport } from '../src/provider.ts'
import { describeProviders, resolveProvider } from '../src/providers/registry.ts'
import type { Options } from '../src/types.ts'

/** One provider to record. */
export interface Recordable {
  name: string
  provider: Provider
  model: string
}

/** What became of one call. */
export interface Recorded {
  /** Path below the folder; undefined when nothing was written. */
  file: string | undefined
  provider: string
  scenario: string
  status: number | undefined
  bytes: number
  /** How the call itself ended. */
  outcome: string
}

const SCENARIOS: readonly { name: string; prompt: string; options: Options }[] = [
  { name: 'text', prompt: 'Two names for a pet pelican, be brief.', options: { maxTokens: 256 } },
  {
    name: 'tools',
    prompt: 'What is the weather in Paris and in Rome? Ask for both at once.',
    options: {
      maxTokens: 1024,
      tools: [
        {
          name: 'weather',
          description: 'Tells the weather of one city',
          inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
        },
      ],
    },
  },
  { name: 'json', prompt: 'Say hi.', options: { maxTokens: 64, wire: 'json' } },
  { name: 'refused', prompt: 'Say hi.', options: { model: 'no-such-model-as-this', maxTokens: 16 } },
]

/** Response headers worth keeping: what the body is, how long to wait, and by which id support finds the request. */
const KEPT_HEADERS =
  /^(?:content-type|retry-after(?:-ms)?|date|transfer-encoding|(?:x-)?request-id|x-amzn-requestid|x-amzn-bedrock-content-type|apim-request-id|openai-(?:version|processing-ms)|(?:anthropic-|x-)ratelimit-[a-z-]+)$/

/** Longer request bodies are left out of the metadata. */
const MAX_REQUEST_BYTES = 20_000

/** Shorter values mask half the alphabet. */
const MIN_SECRET_LENGTH = 6

/** Records every scenario for every provider, one after the other. Never throws for what a server answers. */
export async function record(
  folder: string,
  recordables: readonly Recordable[],
  write: (line: string) => void = () => {},
): Promise<Recorded[]> {
  const all: Recorded[] = []
  for (const { name, provider, model } of recordables) {
    for (const scenario of SCENARIOS) {
      const tape = createTape(provider)
      const client = createClient({ provider: tape.provider, model, transport: tape.transport, retry: false })
      let outcome: string
      try {
        const { finishReason } = await client.complete(scenario.prompt, scenario.options)
        outcome = finishReason
      } catch (error) {
        outcome = LlmError.is(error) ? error.kind : 'failed'
      }
      const takes = await tape.takes()
      for (const [n, take] of takes.entries()) {
        const file = save(folder, name, `${scenario.name}.${n}`, take, tape)
        const entry = { file, provider: name, scenario: scenario.name, status: take.response.status }
        all.push({ ...entry, bytes: take.body.length, outcome })
        write(
          `${name}  ${scenario.name}  ${take.response.status}  ${outcome}  ${file ?? 'not written: it holds a key'}`,
        )
      }
      if (takes.length === 0) {
        all.push({
          file: undefined,
          provider: name,
          scenario: scenario.name,
          status: undefined,
          bytes: 0,
          outcome,
        })
        write(`${name}  ${scenario.name}  no answer  ${outcome}`)
      }
    }
  }
  return all
}

// --------------------------------------------------------------------------------------------------- tape

interface Take {
  request: HttpRequest
  response: HttpResponse
  body: Uint8Array
}

interface Tape {
  provider: Provider
  transport: Transport
  /** What went over the wire, in order; waits for bodies that the client did not read to their ends. */
  takes(): Promise<Take[]>
  mask(text: string): string
  holdsSecret(bytes: Uint8Array): boolean
}

/** The provider with its secrets noted, and a transport that keeps a copy of every answer. */
function createTape(provider: Provider): Tape {
  const secrets = new Set<string>()
  const waiting: Promise<Take>[] = []
  const inner = fetchTransport()
  return {
    provider: {
      ...provider,
      async authorize(http, context) {
        const authorized = await provider.authorize(http, context)
        for (const [header, value] of Object.entries(authorized.headers)) {
          if (http.headers[header] === value) continue
          for (const form of [value, value.replace(/^[A-Za-z]+ /, '')]) {
            if (form.length >= MIN_SECRET_LENGTH) secrets.add(form)
          }
        }
        return authorized
      },
    },
    transport: {
      async send(request, context) {
        const response = await inner.send(request, context)
        if (response.body === null) return response
        const [copy, body] = response.body.tee()
        const kept = readAll(copy).then((bytes): Take => ({ request, response, body: bytes }))
        // A body cut off by an abort is no recording.
        kept.catch(() => {})
        waiting.push(kept)
        return { status: response.status, headers: response.headers, body }
      },
    },
    async takes() {
      const settled = await Promise.allSettled(waiting)
      return settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
    },
    mask: (text) => [...secrets].reduce((masked, secret) => masked.replaceAll(secret, '***'), text),
    holdsSecret: (bytes) => [...secrets].some((secret) => Buffer.from(bytes).includes(secret)),
  }
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  const reader = stream.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return Buffer.concat(pieces)
    pieces.push(value)
  }
}

// --------------------------------------------------------------------------------------------------- files

/** By content type; the names of the corpus. */
const FRAMINGS: readonly [RegExp, framing: string, ending: string][] = [
  [/amazon\.eventstream/, 'aws-eventstream', 'eventstream.bin'],
  [/text\/event-stream/, 'sse', 'sse'],
  [/ndjson/, 'ndjson', 'ndjson'],
  [/^/, 'json', 'json'],
]

/** Writes one answer and its metadata; undefined when the answer could not be freed of a secret. */
function save(folder: string, provider: string, name: string, take: Take, tape: Tape): string | undefined {
  const { request, response, body } = take
  const type = response.headers.get('content-type') ?? ''
  const [, framing, ending] = FRAMINGS.find(([pattern]) => pattern.test(type))!
  const binary = framing === 'aws-eventstream'
  // Frames carry checksums: a masked one would be a broken recording.
  if (binary && tape.holdsSecret(body)) return undefined
  const failed = response.status >= 300
  const file = `${failed ? 'errors/' : ''}${provider}/llmswap__${name}.${ending}`
  const path = join(folder, file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, binary ? body : tape.mask(Buffer.from(body).toString('utf8')))
  const headers = [...response.headers].filter(([header]) => KEPT_HEADERS.test(header))
  const sent = typeof request.body === 'string' ? request.body : ''
  const meta = {
    origin: { repo: 'llmswap', path: 'scripts/record.ts' },
    // Some servers take keys in the query.
    url: request.url.replace(/[?#].*/, ''),
    method: request.method,
    status: response.status,
    response_headers: Object.fromEntries(headers),
    framing,
    ...(sent !== '' && sent.length <= MAX_REQUEST_BYTES ? { request_body: JSON.parse(sent) as unknown } : {}),
  }
  writeFileSync(`${path}.meta.json`, tape.mask(JSON.stringify(meta, null, 1)))
  return file
}

// ----------------------------------------------------------------------------------------------- command line

/** The providers asked for, or all whose key is set. @throws LlmError `config` for one that cannot be asked. */
export function recordablesOf(
  names: readonly string[],
  choice: { model?: string; baseURL?: string; env: object },
): Recordable[] {
  const { env, model, baseURL } = choice
  const wanted =
    names.length > 0
      ? names
      : describeProviders(env).flatMap(({ name, keyFoundIn }) => (keyFoundIn === undefined ? [] : name))
  return wanted.map((name) => ({ name, ...resolveProvider({ provider: name, model, baseURL, env }) }))
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      provider: { type: 'string', multiple: true, default: [] },
      model: { type: 'string' },
      'base-url': { type: 'string' },
    },
  })
  const [folder] = positionals
  const { provider, model, 'base-url': baseURL } = values
  if (folder === undefined) {
    console.error(
      'usage: npx tsx scripts/record.ts <folder> [--provider NAME]… [--model ID] [--base-url URL]',
    )
    return 2
  }
  const recordables = recordablesOf(provider, {
    env: process.env,
    ...(model === undefined ? {} : { model }),
    ...(baseURL === undefined ? {} : { baseURL }),
  })
  if (recordables.length === 0) {
    console.error('No key is set: set one, such as OPENAI_API_KEY, or name a provider that needs none.')
    return 3
  }
  const all = await record(folder, recordables, (line) => console.log(line))
  return all.every(({ file }) => file !== undefined) ? 0 : 1
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main()
