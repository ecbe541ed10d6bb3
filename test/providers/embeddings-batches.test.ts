/** `embed()` over the embedding codecs: batches, order, and failures that say which text. */
import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.ts'
import { embed } from '../../src/complete.ts'
import { LlmError } from '../../src/errors.ts'
import type { EmbeddingProvider } from '../../src/provider.ts'
import { bedrockEmbeddings } from '../../src/providers/bedrock-embeddings.ts'
import { cohereEmbeddings } from '../../src/providers/cohere-embeddings.ts'
import { geminiEmbeddings } from '../../src/providers/gemini-embeddings.ts'
import { ollamaEmbeddings } from '../../src/providers/ollama-embeddings.ts'
import { openaiEmbeddings } from '../../src/providers/openai-embeddings.ts'
import { resolveEmbedding } from '../../src/providers/registry.ts'
import { vertexEmbeddings } from '../../src/providers/vertex-embeddings.ts'
import { thrown } from './codec.ts'

type Sent = Record<string, unknown>

/** Each format's texts in a request, and an answer of one number per text: the number that the text spells. */
interface Format {
  provider: EmbeddingProvider
  model: string
  textsOf(body: Sent): string[]
  answer(rows: number[][]): unknown
  tokens: boolean
}

const base64 = (row: number[]): string => Buffer.from(new Float32Array(row).buffer).toString('base64')
const openaiAnswer = (rows: number[][]): unknown => ({
  // Out of order, as the index allows.
  data: rows.map((row, index) => ({ index, embedding: base64(row) })).reverse(),
  usage: { prompt_tokens: rows.length, total_tokens: rows.length },
})

const formats: Record<string, Format> = {
  openai: {
    provider: openaiEmbeddings(),
    model: 'text-embedding-3-small',
    textsOf: (body) => body['input'] as string[],
    answer: openaiAnswer,
    tokens: true,
  },
  gemini: {
    provider: geminiEmbeddings(),
    model: 'gemini-embedding-001',
    textsOf: (body) =>
      (body['requests'] as { content: { parts: { text: string }[] } }[]).map(
        ({ content }) => content.parts[0]!.text,
      ),
    answer: (rows) => ({
      embeddings: rows.map((values) => ({ values })),
      usageMetadata: { promptTokenCount: rows.length },
    }),
    tokens: true,
  },
  'vertex, one by one': {
    provider: vertexEmbeddings({ project: 'p' }),
    model: 'gemini-embedding-001',
    textsOf: (body) => (body['instances'] as { content: string }[]).map(({ content }) => content),
    answer: (rows) => ({
      predictions: rows.map((values) => ({ embeddings: { values, statistics: { token_count: 1 } } })),
    }),
    tokens: true,
  },
  cohere: {
    provider: cohereEmbeddings(),
    model: 'embed-v4.0',
    textsOf: (body) => body['texts'] as string[],
    answer: (rows) => ({
      embeddings: { float: rows },
      meta: { billed_units: { input_tokens: rows.length } },
    }),
    tokens: true,
  },
  ollama: {
    provider: ollamaEmbeddings(),
    model: 'nomic-embed-text',
    textsOf: (body) => body['input'] as string[],
    answer: (embeddings) => ({ embeddings, prompt_eval_count: embeddings.length }),
    tokens: true,
  },
  'bedrock, Titan': {
    provider: bedrockEmbeddings({ region: 'us-east-1' }),
    model: 'amazon.titan-embed-text-v2:0',
    textsOf: (body) => [body['inputText'] as string],
    answer: ([embedding]) => ({ embedding, inputTextTokenCount: 1 }),
    tokens: true,
  },
  'bedrock, Cohere': {
    provider: bedrockEmbeddings({ region: 'us-east-1' }),
    model: 'us.cohere.embed-v4:0',
    textsOf: (body) => body['texts'] as string[],
    answer: (embeddings) => ({ embeddings: { float: embeddings }, response_type: 'embeddings_by_type' }),
    tokens: false,
  },
}

/** A server of that format. `fail` may answer a batch with something else. */
function server(
  { textsOf, answer }: Format,
  fail?: (texts: string[], batch: number) => Response | undefined,
): { fetch: typeof fetch; batches: string[][] } {
  const batches: string[][] = []
  return {
    batches,
    fetch: async (_, init) => {
      const texts = textsOf(JSON.parse(init!.body as string) as Sent)
      const batch = batches.push(texts) - 1
      const failed = fail?.(texts, batch)
      return failed ?? Response.json(answer(texts.map((text) => [Number(text.split(' ')[0]), 1])))
    },
  }
}

const count = (length: number): string[] => Array.from({ length }, (_, at) => String(at))
const refusal = (status: number, message: string): Response =>
  Response.json({ error: { message } }, { status })

async function failure(promise: Promise<unknown>): Promise<LlmError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(LlmError.is(error), String(error)).toBe(true)
  return error as LlmError
}

describe.each(Object.entries(formats))('embed at %s', (_, format) => {
  const { provider, model, tokens } = format
  const size = provider.maxTextsOf?.(model) ?? provider.maxTexts

  it('cuts 300 texts into the batches it takes, keeps their order and adds their tokens up', async () => {
    const { fetch, batches } = server(format)
    const client = createClient({ embedding: provider, apiKey: 'k', fetch })
    const { embeddings, usage } = await client.embed(count(300), { model, purpose: 'document' })
    expect(batches.length).toBe(Math.ceil(300 / size))
    expect(batches.flat()).toEqual(count(300))
    expect(embeddings.map(([first]) => first)).toEqual(count(300).map(Number))
    expect(embeddings.every((row) => row instanceof Float32Array)).toBe(true)
    expect(usage.inputTokens).toBe(tokens ? 300 : undefined)
  })

  it('names the texts of the batch that failed, and what the others cost', async () => {
    const at = 2 * size
    const { fetch } = server(format, (texts) =>
      texts.includes(String(at)) ? refusal(400, 'The input is rejected.') : undefined,
    )
    const client = createClient({ embedding: provider, apiKey: 'k', fetch, retry: false })
    const total = 2 * size + 5
    const error = await failure(client.embed(count(total), { model }))
    const last = Math.min(total, at + size) - 1
    expect(error).toMatchObject({ kind: 'invalid-request', status: 400, issues: [{ path: [at] }] })
    expect(error.message).toContain(`Texts ${at} to ${last} could not be embedded`)
    expect(error.message).toContain('The input is rejected.')
    expect(error.usage?.inputTokens).toBe(tokens ? at : undefined)
  })

  it('refuses vectors of two lengths, in one batch or in two', async () => {
    const { fetch } = server(format, (texts, batch) =>
      batch === 1 ? Response.json(format.answer(texts.map(() => [1, 2, 3]))) : undefined,
    )
    const client = createClient({ embedding: provider, apiKey: 'k', fetch })
    const error = await failure(client.embed(count(size + 1), { model }))
    expect(error).toMatchObject({ kind: 'protocol', issues: [{ path: [size] }] })
    expect(error.message).toContain('vectors of 3 numbers after some of 2')
    if (size === 1) return
    const mixed = server(format, (texts) =>
      Response.json(format.answer(texts.map((_text, at) => (at === 1 ? [1] : [1, 2])))),
    )
    const inOne = await failure(
      createClient({ embedding: provider, apiKey: 'k', fetch: mixed.fetch }).embed(count(3), { model }),
    )
    expect(inOne).toMatchObject({ kind: 'protocol', issues: [{ path: [1] }] })
  })

  it('tries a batch again, and only that batch', async () => {
    const { fetch, batches } = server(format, (_texts, batch) =>
      batch === 1 ? refusal(503, 'Overloaded.') : undefined,
    )
    const client = createClient({
      embedding: provider,
      apiKey: 'k',
      fetch,
      retry: { attempts: 2, baseMs: 1, maxMs: 1 },
    })
    const { embeddings } = await client.embed(count(size + 1), { model })
    expect(embeddings.length).toBe(size + 1)
    expect(batches.length).toBe(3)
    expect(batches[1]).toEqual(batches[2])
  })
})

describe('embed', () => {
  const openai = formats['openai']!
  const client = (fetch: typeof globalThis.fetch): ReturnType<typeof createClient> =>
    createClient({ embedding: openai.provider, apiKey: 'k', fetch, retry: false })

  it('names empty texts by their index, before anything is sent', async () => {
    const { fetch, batches } = server(openai)
    const error = await failure(client(fetch).embed(['a', '', 'b', '']))
    expect(error).toMatchObject({ kind: 'invalid-request', issues: [{ path: [1] }, { path: [3] }] })
    expect(error.message).toContain('number 1,3 from 0')
    const many = await failure(client(fetch).embed(Array.from({ length: 50 }, () => '')))
    expect(many.message).toMatch(/8,9 … from 0/)
    expect((await failure(client(fetch).embed([]))).message).toContain('no texts')
    expect(batches).toEqual([])
  })

  it('names the longest text where the server says only that something is too long', async () => {
    const long = `7 ${'x'.repeat(50_000)}`
    const { fetch } = server(openai, (texts) =>
      texts.includes(long)
        ? refusal(
            400,
            "This model's maximum context length is 8192 tokens, however you requested 12000 tokens.",
          )
        : undefined,
    )
    const texts = count(3000)
    texts[2500] = long
    const error = await failure(client(fetch).embed(texts))
    expect(error).toMatchObject({ kind: 'context-length', issues: [{ path: [2500] }], retryable: false })
    expect(error.message).toContain('text 2500, with 50002 characters')
  })

  it('counts a row that the codec names from the first text of all', async () => {
    const { fetch } = server(openai, (texts, batch) =>
      batch === 1
        ? Response.json({
            data: texts.map((_text, index) => ({ index, embedding: index === 3 ? ['x'] : [1, 2] })),
          })
        : undefined,
    )
    const error = await failure(client(fetch).embed(count(3000)))
    expect(error).toMatchObject({ kind: 'protocol', issues: [{ path: [2051] }] })
    expect(error.message).toMatch(/row 3 is no list of numbers.*It is text 2051/)
  })

  it.each([
    [403, 'You are not allowed to generate embeddings from this model'],
    [
      404,
      'models/gemini-3.8-flash is not found for API version v1beta, or is not supported for embedContent.',
    ],
    [400, 'this model does not support embeddings'],
  ])('says that a model does not embed (%i)', async (status, message) => {
    const { fetch } = server(openai, () => refusal(status, message))
    const error = await failure(client(fetch).embed('1', { model: 'gpt-6.1-terra' }))
    expect(error).toMatchObject({ kind: 'unsupported', status, retryable: false })
    expect(error.message).toContain('gpt-6.1-terra makes no embeddings')
  })

  it('leaves an abort an abort', async () => {
    const controller = new AbortController()
    const { fetch } = server(openai, (_texts, batch) => {
      if (batch === 1) controller.abort(new Error('enough'))
      return undefined
    })
    const error = await failure(client(fetch).embed(count(9000), { signal: controller.signal }))
    expect(error.kind).toBe('aborted')
  })

  it('holds one batch of 10,000 texts at a time', async () => {
    let open = 0
    let most = 0
    const { fetch, batches } = server(openai)
    const { embeddings } = await createClient({
      embedding: openai.provider,
      apiKey: 'k',
      fetch: async (url, init) => {
        most = Math.max(most, ++open)
        const response = await fetch(url, init)
        open--
        return response
      },
    }).embed(count(10_000))
    expect([embeddings.length, batches.length, most]).toEqual([10_000, 5, 1])
  })

  it('finds a codec by name, Bedrock among them', async () => {
    const env = { AWS_BEARER_TOKEN_BEDROCK: 'k', AWS_REGION: 'eu-central-1' }
    const { provider, model } = resolveEmbedding({ provider: 'bedrock', env })
    expect([provider.name, model]).toEqual(['bedrock', 'amazon.titan-embed-text-v2:0'])
    const { fetch } = server(formats['bedrock, Titan']!)
    const { embeddings, provider: who } = await embed(['5', '6'], { provider: 'bedrock', env, fetch })
    expect([embeddings.map(([first]) => first), who]).toEqual([[5, 6], 'bedrock'])
  })
})

describe('embeddings of bedrock', () => {
  const provider = bedrockEmbeddings({ region: 'eu-central-1' })
  const sent = (model: string, extra: object = {}): Sent =>
    JSON.parse(provider.encode({ model, texts: ['a'], ...extra }).body as string) as Sent
  const warned = (model: string, extra: object = {}): (string | undefined)[] =>
    (provider.encode({ model, texts: ['a'], ...extra }).warnings ?? []).map(({ field }) => field)

  it('speak to each maker in its own words', () => {
    expect(sent('amazon.titan-embed-text-v2:0', { dimensions: 256 })).toEqual({
      inputText: 'a',
      dimensions: 256,
    })
    expect(sent('amazon.titan-embed-text-v1', { dimensions: 256 })).toEqual({ inputText: 'a' })
    expect(sent('us.cohere.embed-v4:0', { dimensions: 256, purpose: 'query' })).toEqual({
      texts: ['a'],
      input_type: 'search_query',
      truncate: 'NONE',
      output_dimension: 256,
    })
    expect(sent('cohere.embed-multilingual-v3', { dimensions: 256 })).toEqual({
      texts: ['a'],
      input_type: 'search_document',
      truncate: 'NONE',
    })
  })

  it('say what was not sent', () => {
    expect(warned('amazon.titan-embed-text-v2:0')).toEqual([])
    expect(warned('amazon.titan-embed-text-v1', { dimensions: 256, purpose: 'query' })).toEqual([
      'dimensions',
      'purpose',
    ])
    expect(warned('cohere.embed-english-v3', { dimensions: 256 })).toEqual(['dimensions', 'purpose'])
  })

  it('go to the region of the model, an ARN as one segment', () => {
    const arn = 'arn:aws:bedrock:eu-central-1:1:inference-profile/eu.cohere.embed-v4:0'
    expect(provider.encode({ model: arn, texts: ['a'] }).url).toBe(
      `https://bedrock-runtime.eu-central-1.amazonaws.com/model/${encodeURIComponent(arn)}/invoke`,
    )
    expect(
      bedrockEmbeddings({ region: 'cn-north-1' }).encode({ model: 'x.cohere.embed-v4', texts: ['a'] }).url,
    ).toMatch(/^https:\/\/bedrock-runtime\.cn-north-1\.amazonaws\.com\.cn\//)
  })

  it('refuse regions that are no host parts, no region, and models that do not embed', () => {
    expect(thrown(() => bedrockEmbeddings({ region: 'us-east-1.evil.example/' }))).toMatchObject({
      kind: 'config',
    })
    expect(
      thrown(() => bedrockEmbeddings().encode({ model: 'amazon.titan-embed-text-v2:0', texts: ['a'] })),
    ).toMatchObject({ kind: 'config' })
    expect(thrown(() => sent('anthropic.claude-sonnet-5-5'))).toMatchObject({ kind: 'unsupported' })
  })

  it('read both shapes of Cohere', () => {
    const rows = [Float32Array.of(1, 2)]
    expect(provider.decode({ embeddings: [[1, 2]], response_type: 'embeddings_floats' }).rows).toEqual(rows)
    expect(provider.decode({ embeddings: { float: [[1, 2]] } }).rows).toEqual(rows)
    expect(thrown(() => provider.decode({ embedding: ['x'], inputTextTokenCount: 1 }))).toMatchObject({
      kind: 'protocol',
    })
  })
})
