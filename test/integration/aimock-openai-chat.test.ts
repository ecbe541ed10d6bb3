import { expect, it } from 'vitest'
import { LLMock } from '@copilotkit/aimock'
import { createClient } from '../../src/client.ts'
import { compatible } from '../../src/providers/compatible.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { openaiEmbeddings } from '../../src/providers/openai-embeddings.ts'
import { aimockSuite } from './aimock-cases.ts'

aimockSuite({
  name: 'openai-chat',
  provider: (url) => openaiChat({ baseURL: `${url}/v1` }),
  model: 'gpt-4.1',
  reasoning: true,
})

aimockSuite({
  name: 'compatible',
  provider: (url) => compatible({ baseURL: `${url}/v1` }),
  model: 'anything',
  reasoning: true,
})

it('embeds texts over real sockets', async () => {
  const server = new LLMock({ port: 0 })
  await server.start()
  try {
    const embedding = openaiEmbeddings({ baseURL: `${server.url}/v1`, apiKey: 'test-key' })
    const client = createClient({ embedding, model: 'text-embedding-3-small' })
    const { embeddings, model } = await client.embed(['a', 'b'], { model: 'text-embedding-3-small' })
    expect(embeddings).toHaveLength(2)
    expect(embeddings[0]).toBeInstanceOf(Float32Array)
    expect(embeddings[0]!.length).toBeGreaterThan(10)
    expect(embeddings[0]).not.toEqual(embeddings[1])
    expect(model).toBe('text-embedding-3-small')
  } finally {
    await server.stop()
  }
})
