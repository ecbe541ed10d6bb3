import { describe, expect, it } from 'vitest'
import { openaiEmbeddings } from '../../src/providers/openai-embeddings.ts'

const codec = openaiEmbeddings({ apiKey: 'k' })

function base64(numbers: number[]): string {
  return Buffer.from(new Float32Array(numbers).buffer).toString('base64')
}

describe('openai embeddings', () => {
  it('asks for base64 and passes dimensions on', () => {
    const http = codec.encode({ model: 'text-embedding-3-small', texts: ['a', 'b'], dimensions: 3 })
    expect(http.url).toBe('https://api.openai.com/v1/embeddings')
    expect(JSON.parse(http.body as string)).toEqual({
      model: 'text-embedding-3-small',
      input: ['a', 'b'],
      dimensions: 3,
      encoding_format: 'base64',
    })
  })

  it('reads base64 and lists of numbers alike, in the order of the texts', () => {
    const json = {
      model: 'm',
      data: [
        { index: 1, embedding: base64([1.5, -2]) },
        { index: 0, embedding: [0.25, 4] },
      ],
      usage: { prompt_tokens: 7, total_tokens: 7 },
    }
    expect(codec.decode(json)).toEqual({
      rows: [new Float32Array([0.25, 4]), new Float32Array([1.5, -2])],
      usage: { inputTokens: 7, totalTokens: 7 },
      model: 'm',
    })
  })

  it.each([
    [
      'an index twice',
      {
        data: [
          { index: 0, embedding: [1] },
          { index: 0, embedding: [1] },
        ],
      },
    ],
    ['an index far away', { data: [{ index: 1e9, embedding: [1] }] }],
    ['broken base64', { data: [{ index: 0, embedding: '***' }] }],
    ['half a number', { data: [{ index: 0, embedding: btoa('abc') }] }],
    ['no numbers', { data: [{ index: 0, embedding: ['x'] }] }],
    ['nothing', { data: [{ index: 0 }] }],
  ])('%s is a protocol error', (_, json) => {
    expect(() => codec.decode(json)).toThrow(expect.objectContaining({ kind: 'protocol' }))
  })

  it('an error with status 200 is that error', () => {
    expect(() => codec.decode({ error: { message: 'x', type: 'insufficient_quota' } })).toThrow(
      expect.objectContaining({ kind: 'quota' }),
    )
  })

  it('says that purpose is not a thing here', () => {
    expect(codec.encode({ model: 'm', texts: ['a'], purpose: 'query' }).warnings).toEqual([
      expect.objectContaining({ code: 'unsupported', field: 'purpose' }),
    ])
  })
})
