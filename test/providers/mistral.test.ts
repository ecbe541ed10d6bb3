import { describe, expect, it } from 'vitest'
import { mistral } from '../../src/providers/mistral.ts'
import type { Request } from '../../src/types.ts'
import { answer, call, delta, DONE, failure, finish } from './chat.ts'
import { ask } from './codec.ts'

const codec = mistral({ apiKey: 'k' })

function encode(extra: Partial<Request>): Record<string, unknown> {
  return JSON.parse(codec.encode(ask({ model: 'mistral-large-4', ...extra })).body as string) as Record<
    string,
    unknown
  >
}

const thinking = (text: string): object => ({ type: 'thinking', thinking: [{ type: 'text', text }] })

describe('requests', () => {
  it('use its words', () => {
    const tools = [{ name: 'f', inputSchema: { type: 'object', properties: {} } }]
    const body = encode({ seed: 4, maxTokens: 9, tools, toolChoice: 'required', reasoning: 'high' })
    expect(body).toMatchObject({
      random_seed: 4,
      max_tokens: 9,
      tool_choice: 'any',
      reasoning_effort: 'high',
    })
    expect(body).not.toHaveProperty('seed')
    expect(body).not.toHaveProperty('stream_options')
  })

  it('ask only models that reason to reason', () => {
    const warnings = (model: string) => codec.encode(ask({ model, reasoning: 'high' })).warnings ?? []
    expect(warnings('codestral-2508')).toEqual([
      expect.objectContaining({ code: 'unsupported', field: 'reasoning' }),
    ])
    expect(warnings('magistral-medium-latest')).toEqual([])
  })

  it('a turn that only calls tools has empty content; results carry the name', () => {
    const { messages } = encode({
      messages: [
        { role: 'assistant', content: [{ type: 'tool-call', id: 'abcdefghi', name: 'f', args: {} }] },
        { role: 'tool', content: [{ type: 'tool-result', id: 'abcdefghi', name: 'f', content: 'ok' }] },
      ],
    })
    expect(messages).toEqual([
      {
        role: 'assistant',
        content: '',
        tool_calls: [{ id: 'abcdefghi', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'abcdefghi', name: 'f', content: 'ok' },
    ])
  })

  it('ids of others become nine letters and digits, different ones for different calls', () => {
    const ids = ['call_1', 'call_2', 'toolu_01ABC', '', 'x'.repeat(200)]
    const { messages } = encode({
      messages: [
        { role: 'assistant', content: ids.map((id) => ({ type: 'tool-call', id, name: 'f', args: {} })) },
      ],
    })
    const [turn] = messages as { tool_calls: { id: string }[] }[]
    const wire = turn!.tool_calls.map(({ id }) => id)
    for (const id of wire) expect(id).toMatch(/^[a-zA-Z0-9]{9}$/)
    expect(new Set(wire).size).toBe(ids.length)
  })
})

describe('answers', () => {
  it('thinking comes in blocks and goes back in blocks', async () => {
    const body =
      delta({ role: 'assistant', content: '' }) +
      delta({ content: [thinking('Let me ')] }) +
      delta({
        content: [
          { ...thinking('see.'), closed: true },
          { type: 'text', text: 'It' },
        ],
      }) +
      delta(
        { content: ' is.' },
        { finish_reason: 'stop' },
        { usage: { prompt_tokens: 5, completion_tokens: 6, total_tokens: 11, num_cached_tokens: 2 } },
      )
    const completion = await answer(body + DONE, codec)
    expect([completion.reasoning, completion.text]).toEqual(['Let me see.', 'It is.'])
    expect(completion.usage).toMatchObject({ inputTokens: 5, outputTokens: 6, cachedInputTokens: 2 })
    expect(encode({ messages: [completion.message] })['messages']).toEqual([
      { role: 'assistant', content: [thinking('Let me see.'), { type: 'text', text: 'It is.' }] },
    ])
  })

  it('whole calls with the reason in the same chunk, without an index', async () => {
    const calls = [
      { id: 'aaaaaaaaa', function: { name: 'f', arguments: '{"x":1}' } },
      { id: 'bbbbbbbbb', function: { name: 'f', arguments: '{"x":2}' } },
    ]
    const body = delta({ tool_calls: calls }, { finish_reason: 'tool_calls' })
    const { toolCalls } = await answer(body + DONE, codec)
    expect(toolCalls).toEqual([
      { id: 'aaaaaaaaa', name: 'f', args: { x: 1 } },
      { id: 'bbbbbbbbb', name: 'f', args: { x: 2 } },
    ])
  })

  it('continuations of a call have the name ""', async () => {
    const body =
      call({ index: 0, id: 'aaaaaaaaa', function: { name: 'f', arguments: '{"x"' } }) +
      call({ index: 0, id: 'null', function: { name: '', arguments: ':1}' } }) +
      finish('tool_calls')
    const { toolCalls } = await answer(body + DONE, codec)
    expect(toolCalls).toMatchObject([{ name: 'f', args: { x: 1 } }])
  })

  it('references become sources', async () => {
    const body =
      delta({
        content: [
          { type: 'text', text: 'So.' },
          { type: 'reference', reference_ids: [2, 5] },
        ],
      }) + finish('stop')
    expect((await answer(body, codec)).sources).toEqual([{ id: '2' }, { id: '5' }])
  })

  it('errors', async () => {
    const limit = {
      object: 'error',
      message: 'Requests rate limit exceeded',
      type: 'rate_limited',
      code: '1300',
    }
    expect(
      await failure(JSON.stringify(limit), codec, {}, { status: 429, type: 'application/json' }),
    ).toMatchObject({
      kind: 'rate-limit',
      provider: 'mistral',
      code: '1300',
    })
  })
})
