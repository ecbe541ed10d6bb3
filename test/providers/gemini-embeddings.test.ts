/** The embedding halves of Gemini, Vertex, Ollama, Cohere and Azure: one suite, a row each. */
import { LLMock } from '@copilotkit/aimock'
import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.ts'
import type { EmbeddingProvider } from '../../src/provider.ts'
import { azureEmbeddings } from '../../src/providers/azure-embeddings.ts'
import { cohereEmbeddings } from '../../src/providers/cohere-embeddings.ts'
import { geminiEmbeddings } from '../../src/providers/gemini-embeddings.ts'
import { ollamaEmbeddings } from '../../src/providers/ollama-embeddings.ts'
import { vertexEmbeddings } from '../../src/providers/vertex-embeddings.ts'
import { thrown } from './codec.ts'

interface Row {
  provider: EmbeddingProvider
  url: string
  /** The body for the texts a and b, as queries of 8 dimensions. */
  body: unknown
  answer(rows: unknown[]): unknown
  /** What `answer` reports as input tokens. */
  tokens: number | undefined
}

const rows: Row[] = [
  {
    provider: geminiEmbeddings(),
    url: 'https://generativelanguage.googleapis.com/v1beta/models/m:batchEmbedContents',
    body: {
      requests: ['a', 'b'].map((text) => ({
        model: 'models/m',
        content: { parts: [{ text }] },
        taskType: 'RETRIEVAL_QUERY',
        outputDimensionality: 8,
      })),
    },
    answer: (all) => ({
      embeddings: all.map((values) => ({ values })),
      usageMetadata: { promptTokenCount: 4 },
    }),
    tokens: 4,
  },
  {
    provider: vertexEmbeddings({ project: 'p', location: 'us-central1' }),
    url: 'https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers/google/models/m:predict',
    body: {
      instances: ['a', 'b'].map((content) => ({ content, task_type: 'RETRIEVAL_QUERY' })),
      parameters: { autoTruncate: false, outputDimensionality: 8 },
    },
    answer: (all) => ({
      predictions: all.map((values) => ({
        embeddings: { values, statistics: { token_count: 2, truncated: false } },
      })),
    }),
    tokens: 4,
  },
  {
    provider: ollamaEmbeddings(),
    url: 'http://localhost:11434/api/embed',
    body: { model: 'm', input: ['a', 'b'], truncate: false, dimensions: 8 },
    answer: (embeddings) => ({ model: 'm', embeddings, prompt_eval_count: 4 }),
    tokens: 4,
  },
  {
    provider: cohereEmbeddings(),
    url: 'https://api.cohere.com/v2/embed',
    body: {
      model: 'm',
      texts: ['a', 'b'],
      input_type: 'search_query',
      embedding_types: ['float'],
      output_dimension: 8,
      truncate: 'NONE',
    },
    answer: (float) => ({ id: 'x', embeddings: { float }, meta: { billed_units: { input_tokens: 4 } } }),
    tokens: 4,
  },
  {
    provider: azureEmbeddings({ resource: 'r', apiVersion: '2024-10-21' }),
    url: 'https://r.openai.azure.com/openai/deployments/m/embeddings?api-version=2024-10-21',
    body: { model: 'm', input: ['a', 'b'], dimensions: 8, encoding_format: 'base64' },
    answer: (all) => ({
      data: all.map((embedding, index) => ({ index, embedding })),
      usage: { prompt_tokens: 4, total_tokens: 4 },
    }),
    tokens: 4,
  },
]

describe.each(rows)('embeddings of $provider.name', ({ provider, url, body, answer, tokens }) => {
  const request = { model: 'm', texts: ['a', 'b'], dimensions: 8, purpose: 'query' as const }

  it('are asked for in one batch', () => {
    const http = provider.encode(request)
    expect(http.url).toBe(url)
    expect(JSON.parse(http.body as string)).toEqual(body)
  })

  it('come as Float32Arrays in the order of the texts, with usage', () => {
    const decoded = provider.decode(
      answer([
        [1, 0.5],
        [-1, 0],
      ]),
    )
    expect(decoded.rows).toEqual([Float32Array.of(1, 0.5), Float32Array.of(-1, 0)])
    expect(decoded.usage.inputTokens).toBe(tokens)
  })

  it.each([[[[1], []]], [[[1], null]], [[[1], ['x']]], [[[1], [null]]], [[[1], 'x']]])(
    'are refused as a protocol error when they are %j',
    (all) => {
      expect(thrown(() => provider.decode(answer(all)))).toMatchObject({
        kind: 'protocol',
        provider: provider.name,
      })
    },
  )

  it('may be batched without growing the request beyond the limit', () => {
    expect(provider.maxTexts).toBeGreaterThan(50)
  })
})

it.each(rows.filter(({ provider }) => provider.name !== 'azure'))(
  'a row that is wrong is named by its index: $provider.name',
  ({ provider, answer }) => {
    const mixed = thrown(() => provider.decode(answer([[1, 2], [1, 2], [1]]))) as Error
    expect(mixed.message).toContain('row 2 has 1 numbers where the first has 2')
    expect((thrown(() => provider.decode(answer([[1], ['x']]))) as Error).message).toContain('row 1')
  },
)

it('Cohere says that it took the texts for documents, Ollama that it does not care', () => {
  const warned = (provider: EmbeddingProvider, purpose?: 'query'): unknown =>
    provider.encode({ model: 'm', texts: ['a'], ...(purpose === undefined ? {} : { purpose }) }).warnings?.[0]
      ?.code
  expect([warned(cohereEmbeddings()), warned(cohereEmbeddings(), 'query')]).toEqual(['default', undefined])
  expect([warned(ollamaEmbeddings()), warned(ollamaEmbeddings(), 'query')]).toEqual([
    undefined,
    'unsupported',
  ])
})

it('Vertex says which model takes one text a request', () => {
  const request = { model: 'gemini-embedding-001', texts: ['a', 'b'] }
  const error = thrown(() => vertexEmbeddings({ project: 'p' }).encode(request))
  expect(error).toMatchObject({ kind: 'config' })
  const one = vertexEmbeddings({ project: 'p', maxTexts: 1 })
  expect(one.maxTexts).toBe(1)
  expect(one.encode({ ...request, texts: ['a'] }).url).toContain('gemini-embedding-001:predict')
})

// Cohere only: aimock answers Ollama's /api/embed in the shape of the older /api/embeddings, and Gemini one text a time.
it('embeddings are read from aimock over a socket', async () => {
  const server = new LLMock({ port: 0 })
  server.onEmbedding(/first/, { embedding: [1, 0, 0] })
  await server.start()
  try {
    const client = createClient({ embedding: cohereEmbeddings({ baseURL: server.url }), apiKey: 'k' })
    const { embeddings, provider } = await client.embed(['first'])
    expect([embeddings, provider]).toEqual([[Float32Array.of(1, 0, 0)], 'cohere'])
  } finally {
    await server.stop()
  }
})
