import { LLMock } from '@copilotkit/aimock'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { live } from '../../scripts/live.ts'
import { describeProviders } from '../../src/providers/registry.ts'

const KEY = 'sk-test-4711-do-not-show'
const server = new LLMock({ port: 0 })

beforeAll(async () => {
  // Keys of whoever runs the tests are nobody's business here.
  for (const name of describeProviders().flatMap(({ keyNames }) => keyNames)) vi.stubEnv(name, '')
  server.addFixtures([
    { match: { model: /claude/ }, response: { error: { message: `Bad key ${KEY}.` }, status: 401 } },
    { match: { userMessage: 'sky' }, response: { content: 'Blue.' } },
  ])
  await server.start()
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await server.stop()
})

async function run(
  env: Record<string, string>,
  names: string[] = [],
  path = '',
): Promise<{ code: number; text: string }> {
  let text = ''
  const code = await live({
    env,
    names,
    baseURL: `${server.url}${path}`,
    write: (piece) => {
      text += piece
    },
  })
  return { code, text }
}

it('calls every provider whose key is set, and prints a table', async () => {
  const { code, text } = await run({ OPENAI_API_KEY: KEY, GROQ_API_KEY: KEY }, [], '/v1')
  const [header, ...rows] = text.split('\n')
  expect(header).toMatch(/^provider +model +result +first token +total +in +out +answer$/)
  expect(rows.find((row) => row.startsWith('openai '))).toMatch(/gpt-6\.1-terra +stop .*Blue\.$/)
  expect(rows.find((row) => row.startsWith('groq '))).toMatch(/gpt-oss-120b +stop .*Blue\.$/)
  expect(text).toMatch(/\n(\d+) of \1 answered\n$/)
  expect(code).toBe(0)
})

it('tells failures by kind, says what to do, and exits with 1', async () => {
  const { code, text } = await run({ ANTHROPIC_API_KEY: KEY, COHERE_API_KEY: KEY })
  expect(code).toBe(1)
  expect(text).toMatch(/anthropic +claude-sonnet-5-5 +auth/)
  expect(text).toMatch(/cohere .*Blue\./)
  expect(text).toMatch(/\nanthropic: .+/)
  expect(text).toMatch(/\n1 of 2 answered\n$/)
  expect(text).not.toContain(KEY)
})

it('asks only those that are named, local ones without a key', async () => {
  const { code, text } = await run({}, ['ollama'])
  expect([code, text.split('\n').length]).toEqual([0, 5])
  expect(text).toMatch(/ollama .*Blue\./)
})

it('exits with 3 when there is nobody to ask', async () => {
  const { code, text } = await run({})
  expect(code).toBe(3)
  expect(text).toContain('No key is set')
})
