import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { record, type Recordable, recordablesOf } from '../../scripts/record.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { bedrock } from '../../src/providers/bedrock.ts'
import { gemini } from '../../src/providers/gemini.ts'
import { ollama } from '../../src/providers/ollama.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { describeProviders } from '../../src/providers/registry.ts'
import { ask, run, sum } from '../providers/codec.ts'
import { listRecordings, QUICK_EFFORT, type RecordingMeta, replay } from '../providers/replay.ts'
import { loadAdapters } from '../providers/replay/adapters.ts'
import { startServer } from '../server.ts'

const KEY = 'sk-test-4711-do-not-keep'
const server = new LLMock({ port: 0 })
const folder = mkdtempSync(join(tmpdir(), 'llmswap-record-'))

beforeAll(async () => {
  // Keys of whoever runs the tests are nobody's business here.
  for (const name of describeProviders().flatMap(({ keyNames }) => keyNames)) vi.stubEnv(name, '')
  server.addFixtures([
    { match: { userMessage: 'pelican' }, response: { content: 'Percy and Pam.' }, chunkSize: 4 },
    {
      match: { userMessage: 'weather' },
      response: {
        toolCalls: [
          { name: 'weather', arguments: '{"city":"Paris"}' },
          { name: 'weather', arguments: '{"city":"Rome"}' },
        ],
      },
    },
    {
      match: { model: 'no-such-model-as-this' },
      response: { error: { message: 'No such model.' }, status: 404 },
    },
    { match: { userMessage: 'Say hi' }, response: { content: 'Hi.' } },
  ])
  await server.start()
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await server.stop()
  rmSync(folder, { recursive: true })
})

function targets(url: string): Recordable[] {
  return [
    {
      name: 'openai-chat',
      provider: openaiChat({ baseURL: `${url}/v1`, apiKey: KEY }),
      model: 'gpt-6.1-terra',
    },
    { name: 'anthropic', provider: anthropic({ baseURL: url, apiKey: KEY }), model: 'claude-sonnet-5-5' },
    {
      name: 'gemini',
      provider: gemini({ baseURL: `${url}/v1beta`, apiKey: KEY }),
      model: 'gemini-3.8-flash',
    },
    { name: 'ollama', provider: ollama({ baseURL: url }), model: 'qwen3:8b' },
    {
      name: 'bedrock',
      provider: bedrock({ baseURL: url, region: 'us-east-1', apiKey: KEY }),
      model: 'anthropic.claude-sonnet-5-5',
    },
  ]
}

/** Every file below the folder with its text. */
function files(root: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    try {
      found.set(name, readFileSync(join(root, name), 'latin1'))
    } catch {
      // A folder.
    }
  }
  return found
}

it('records what came over the wire, in the layout that the replay reads', async () => {
  const recorded = await record(folder, targets(server.url))
  expect(recorded.map(({ file }) => file)).not.toContain(undefined)
  const written = files(folder)
  for (const name of ['text.0.sse', 'tools.0.sse', 'json.0.json']) {
    expect([...written.keys()]).toContain(join('openai-chat', `llmswap__${name}`))
  }
  for (const file of [
    join('ollama', 'llmswap__text.0.ndjson'),
    join('bedrock', 'llmswap__text.0.eventstream.bin'),
    join('errors', 'anthropic', 'llmswap__refused.0.json'),
  ]) {
    expect([...written.keys()]).toContain(file)
    expect([...written.keys()]).toContain(`${file}.meta.json`)
  }
  expect(
    recorded.filter(({ scenario }) => scenario === 'text').every(({ outcome }) => outcome === 'stop'),
  ).toBe(true)
  expect(recorded.filter(({ scenario }) => scenario === 'tools').map(({ outcome }) => outcome)).toEqual(
    Array(5).fill('tool-calls'),
  )

  for (const { name, provider, model } of targets(server.url)) {
    const { file } = recorded.find((one) => one.provider === name && one.scenario === 'text')!
    const bytes = readFileSync(join(folder, file!))
    expect(sum(run(provider, [bytes], ask({ model }))).text).toBe('Percy and Pam.')
  }

  // Each file is where and what the replay expects, as told by its metadata.
  const adapters = await loadAdapters()
  const outcomes = listRecordings(folder).map((file) => {
    const meta = JSON.parse(readFileSync(`${file}.meta.json`, 'utf8')) as RecordingMeta
    return { meta, file, adapter: adapters.find((one) => one.matches(meta, file)) }
  })
  expect(outcomes.length).toBe(recorded.length)
  for (const { meta, file } of outcomes) {
    expect(meta.method).toBe('POST')
    expect(meta.url).toMatch(/^http:\/\/[^?]+$/)
    expect(meta.request_body, file).toBeDefined()
    const failed = meta.status >= 300
    expect(failed).toBe(file.includes('errors'))
    if (failed) expect(replay(folder, file, adapters, [], QUICK_EFFORT)).toMatchObject({ status: 'passed' })
  }
})

it('keeps no key and no cookie, whatever the server does with them', async () => {
  const hostile = await startServer((response, { headers, path }) => {
    const key = String(headers.authorization)
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'set-cookie': 'session=secret-cookie',
      'x-echo': key,
      'x-request-id': `for ${key}`,
    })
    const chunk = (content: string): string =>
      `data: ${JSON.stringify({ model: 'm', choices: [{ index: 0, delta: { content } }] })}\n\n`
    const end = { model: 'm', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
    response.end(`${chunk(`your key: ${key} at ${path}`)}data: ${JSON.stringify(end)}\n\ndata: [DONE]\n\n`)
  })
  const here = mkdtempSync(join(tmpdir(), 'llmswap-record-'))
  try {
    const provider = openaiChat({ baseURL: `${hostile.url}/v1?api-key=${KEY}`, apiKey: KEY })
    const [first] = await record(here, [{ name: 'hostile', provider, model: 'm' }])
    expect(first).toMatchObject({ status: 200, outcome: 'stop', file: 'hostile/llmswap__text.0.sse' })
    const written = files(here)
    expect(written.size).toBeGreaterThan(4)
    const text = [...written.values()].join('\n')
    expect(text).not.toContain(KEY)
    expect(text).not.toContain('secret-cookie')
    expect(text).not.toContain('x-echo')
    expect(text).toContain('your key: ***')
  } finally {
    await hostile.close()
    rmSync(here, { recursive: true })
  }
})

it('goes on when nobody answers', async () => {
  const here = mkdtempSync(join(tmpdir(), 'llmswap-record-'))
  const provider = openaiChat({ baseURL: 'http://127.0.0.1:9/v1', apiKey: KEY })
  const recorded = await record(here, [{ name: 'nobody', provider, model: 'm' }])
  expect(recorded.map(({ file, outcome }) => [file, outcome])).toEqual(
    recorded.map(() => [undefined, 'connect']),
  )
  expect(recorded.length).toBe(4)
  rmSync(here, { recursive: true })
})

it('finds its providers by the keys that are set', () => {
  const env = { OPENAI_API_KEY: 'k', GROQ_API_KEY: 'k' }
  const names = recordablesOf([], { env }).map(({ name }) => name)
  expect(names).toEqual(expect.arrayContaining(['openai', 'groq']))
  expect(recordablesOf(['ollama'], { env: {}, model: 'qwen3:8b' })).toMatchObject([
    { name: 'ollama', model: 'qwen3:8b' },
  ])
  expect(() => recordablesOf(['nobody'], { env })).toThrow(expect.objectContaining({ kind: 'config' }))
})
