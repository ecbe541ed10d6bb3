/**
 * The differential test of quirks: 25 streams that every client of Chat Completions meets and none of six neighbours
 * reads all of (the best passes 21), then the numbered quirks that concern this format. Each goes through the whole
 * client, whole and cut into bytes.
 */
import { describe, expect, it } from 'vitest'
import type { ToolCall } from '../../src/types.ts'
import { compatible, vendor } from '../../src/providers/compatible.ts'
import { mistral } from '../../src/providers/mistral.ts'
import { OPENAI_DIALECT, openaiChat } from '../../src/providers/openai-chat.ts'
import { answer, call, data, delta, DONE, events, failure, finish, server } from './chat.ts'

const HELLO = delta({ role: 'assistant', content: 'Hel' }) + delta({ content: 'lo' })
const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }

function fn(name: string, args?: unknown): object {
  return { type: 'function', function: { name, arguments: args } }
}

async function calls(body: string): Promise<ToolCall[]> {
  const completion = await answer(body + DONE)
  expect(completion.finishReason).toBe('tool-calls')
  return completion.toolCalls
}

const F: ToolCall = { id: 'a', name: 'f', args: { x: 1 } }
const G: ToolCall = { id: 'b', name: 'g', args: { y: 2 } }

describe('D.1', () => {
  it('case: a continuation lacks `arguments`', async () => {
    const body =
      call({ index: 0, id: 'a', ...fn('f', '{"x":') }) +
      call({ index: 0, function: {} }) +
      call({ index: 0, function: { arguments: '1}' } })
    expect(await calls(body + finish('tool_calls'))).toEqual([F])
  })

  it('case: two calls without an index', async () => {
    const body = call({ id: 'a', ...fn('f', '{"x":1}') }) + call({ id: 'b', ...fn('g', '{"y":2}') })
    expect(await calls(body + finish('tool_calls'))).toEqual([F, G])
  })

  it('case: two calls, both with index 0, the second with a new id', async () => {
    const body =
      call({ index: 0, id: 'a', ...fn('f', '{"x":1}') }) + call({ index: 0, id: 'b', ...fn('g', '{"y":2}') })
    expect(await calls(body + finish('tool_calls'))).toEqual([F, G])
  })

  it('case: the id is "" on a continuation', async () => {
    const body =
      call({ index: 0, id: 'a', ...fn('f', '{"x":') }) +
      call({ index: 0, id: '', function: { arguments: '1}' } })
    expect(await calls(body + finish('tool_calls'))).toEqual([F])
  })

  it('case: the name is "" on a continuation', async () => {
    const body =
      call({ index: 0, id: 'a', ...fn('f', '{"x":') }) + call({ index: 0, id: 'a', ...fn('', '1}') })
    expect(await calls(body + finish('tool_calls'))).toEqual([F])
  })

  it('case: `arguments` is an object', async () => {
    expect(await calls(call({ index: 0, id: 'a', ...fn('f', { x: 1 }) }) + finish('tool_calls'))).toEqual([F])
  })

  it('case: the first index is 1', async () => {
    const body =
      call({ index: 1, id: 'a', ...fn('f', '{"x":') }) + call({ index: 1, function: { arguments: '1}' } })
    expect(await calls(body + finish('tool_calls'))).toEqual([F])
  })

  it('case: text and a tool call in one delta', async () => {
    const body = delta({ content: 'Look: ', tool_calls: [{ index: 0, id: 'a', ...fn('f', '{"x":1}') }] })
    const completion = await answer(body + finish('tool_calls') + DONE)
    expect(completion.text).toBe('Look: ')
    expect(completion.toolCalls).toEqual([F])
  })

  it('case: finish_reason is "" in every chunk', async () => {
    const body =
      delta({ content: 'Hel' }, { finish_reason: '' }) + delta({ content: 'lo' }, { finish_reason: '' })
    const completion = await answer(body + finish('stop') + DONE)
    expect([completion.text, completion.finishReason, completion.rawFinishReason]).toEqual([
      'Hello',
      'stop',
      'stop',
    ])
  })

  it('case: finish_reason is "stop" although there are tool calls', async () => {
    expect(await calls(call({ index: 0, id: 'a', ...fn('f', '{"x":1}') }) + finish('stop'))).toEqual([F])
  })

  it('case: the role is ""', async () => {
    const completion = await answer(
      delta({ role: '', content: 'Hel' }) + delta({ role: '', content: 'lo' }) + finish('stop') + DONE,
    )
    expect(completion.text).toBe('Hello')
  })

  it('case: there is no role at all', async () => {
    expect((await answer(delta({ content: 'Hello' }) + finish('stop') + DONE)).text).toBe('Hello')
  })

  it('case: Azure sends a chunk without a delta', async () => {
    const filter = data({
      id: '',
      model: '',
      object: '',
      choices: [],
      prompt_filter_results: [{ prompt_index: 0 }],
    })
    const late = data({
      choices: [{ index: 0, finish_reason: null, content_filter_offsets: { start_offset: 1 } }],
    })
    const completion = await answer(filter + HELLO + late + finish('stop') + late + DONE)
    expect([completion.text, completion.model, completion.id]).toEqual(['Hello', 'm-1', 'chatcmpl-1'])
  })

  it('case: {"error"} in the middle of a stream', async () => {
    const error = await failure(HELLO + data({ error: { message: 'Overloaded', type: 'overloaded_error' } }))
    expect(error.kind).toBe('interrupted')
    expect(error.partial?.text).toBe('Hello')
    expect(error.cause).toMatchObject({ kind: 'overloaded' })
  })

  it('case: event: error in the middle of a stream', async () => {
    const error = await failure(
      `${HELLO}event: error\n${data({ error: { message: 'Boom', code: 'server_error' } })}`,
    )
    expect(error.kind).toBe('interrupted')
    expect(error.cause).toMatchObject({ kind: 'server', message: expect.stringContaining('Boom') as string })
  })

  it('case: GPUStack reports its failure in an `error:` field', async () => {
    const error = await failure(`${HELLO}error: {"code": 503, "message": "worker died"}\n\n`)
    expect(error.kind).toBe('interrupted')
    expect(error.partial?.text).toBe('Hello')
    expect(error.cause).toMatchObject({ message: expect.stringContaining('worker died') as string })
  })

  it('case: the error stands inside a choice (OpenRouter)', async () => {
    const body =
      HELLO + delta({ content: '' }, { finish_reason: 'error', error: { code: 502, message: 'Upstream' } })
    const error = await failure(body + DONE)
    expect(error.cause).toMatchObject({ kind: 'server', status: 502 })
  })

  it('case: the stream ends without a terminal marker', async () => {
    const error = await failure(HELLO)
    expect(error.kind).toBe('interrupted')
    expect(error.partial?.text).toBe('Hello')
  })

  it('case: the stream is cut inside the arguments of a call', async () => {
    const error = await failure(call({ index: 0, id: 'a', ...fn('f', '{"x":') }))
    expect(error.kind).toBe('interrupted')
    expect(error.partial?.toolCalls ?? []).not.toContainEqual(
      expect.objectContaining({ args: expect.anything() as unknown }),
    )
  })

  it('case: the last event has no blank line after it', async () => {
    const body = (HELLO + finish('stop', { usage: USAGE })).trimEnd()
    const completion = await answer(body)
    expect([completion.text, completion.finishReason, completion.usage.totalTokens]).toEqual([
      'Hello',
      'stop',
      5,
    ])
  })

  it('case: lines end in CRLF', async () => {
    const body = (HELLO + finish('stop') + DONE).replaceAll('\n', '\r\n')
    expect((await answer(body)).text).toBe('Hello')
  })

  it('case: a BOM and comments', async () => {
    const body = `\ufeff: OPENROUTER PROCESSING\n\n: keep-alive\n${HELLO}: ping\n\n${finish('stop')}${DONE}`
    expect((await answer(body)).text).toBe('Hello')
  })

  it('case: UTF-8 one byte at a time', async () => {
    const text = 'Grüße, 世界 👩‍👩‍👧 — ∞'
    expect((await answer(delta({ content: text }) + finish('stop') + DONE)).text).toBe(text)
  })

  it('case: a JSON body although a stream was asked for', async () => {
    const body = JSON.stringify({
      id: 'chatcmpl-1',
      model: 'm-1',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
      usage: USAGE,
    })
    const completion = await answer(body, server(), {}, 'Hi', { type: 'application/json' })
    expect([completion.text, completion.finishReason, completion.usage.inputTokens]).toEqual([
      'Hello',
      'stop',
      3,
    ])
  })

  it('case: a `__proto__` key in the arguments', async () => {
    const [first] = await calls(
      call({ index: 0, id: 'a', ...fn('f', '{"__proto__":{"polluted":1},"x":1}') }) + finish('tool_calls'),
    )
    expect(Object.getPrototypeOf(first?.args)).toBe(Object.prototype)
    expect(Object.hasOwn(first?.args as object, '__proto__')).toBe(true)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('tool calls', () => {
  it('quirk 1: no index, and the continuations follow their call', async () => {
    const body =
      call({ id: 'a', ...fn('f', '') }) +
      call({ function: { arguments: '{"x":' } }) +
      call({ function: { arguments: '1}' } }) +
      call({ id: 'b', ...fn('g', '{"y":2}') })
    expect(await calls(body + finish('tool_calls'))).toEqual([F, G])
  })

  it('quirk 2: index 0 for every call, in one chunk', async () => {
    const body = delta({
      tool_calls: [
        { index: 0, id: 'a', ...fn('f', '{"x":1}') },
        { index: 0, id: 'b', ...fn('g', '{"y":2}') },
      ],
    })
    expect(await calls(body + finish('tool_calls'))).toEqual([F, G])
  })

  it('quirk 3: indices with gaps, from far away, negative, fractional', async () => {
    for (const index of [7, 1e9, 2 ** 53, -1, 1.5]) {
      const body =
        call({ index, id: 'a', ...fn('f', '{"x":') }) +
        call({ index: 3, id: 'b', ...fn('g', '{"y":2}') }) +
        call({ index, function: { arguments: '1}' } })
      expect(await calls(body + finish('tool_calls'))).toEqual([F, G])
    }
  })

  it('quirk 4: the arguments come under another index than the id', async () => {
    const body =
      call({ index: 0, id: 'a', ...fn('f') }) + call({ index: 1, function: { arguments: '{"x":1}' } })
    expect(await calls(body + finish('tool_calls'))).toEqual([F])
  })

  it('quirk 5: ids missing, blank, or the same for two calls', async () => {
    const one = await calls(call({ index: 0, ...fn('f', '{"x":1}') }) + finish('tool_calls'))
    expect(one[0]?.id).toMatch(/^call_/)
    const two = await calls(
      call({ index: 0, id: 'a', ...fn('f', '{"x":1}') }) +
        call({ index: 1, id: 'a', ...fn('g', '{"y":2}') }) +
        finish('tool_calls'),
    )
    expect(two.map((item) => item.args)).toEqual([{ x: 1 }, { y: 2 }])
    expect(new Set(two.map((item) => item.id)).size).toBe(2)
  })

  it('quirk 6: type null or absent', async () => {
    const body = call({ index: 0, id: 'a', type: null, function: { name: 'f', arguments: '{"x":1}' } })
    expect(await calls(body + finish('tool_calls'))).toEqual([F])
  })

  it('quirk 7: the name comes after the id and the arguments', async () => {
    const body =
      call({ index: 0, id: 'a', function: { arguments: '{"x"' } }) +
      call({ index: 0, function: { name: 'f', arguments: ':1}' } })
    expect(await calls(body + finish('tool_calls'))).toEqual([F])
  })

  it('quirk 8: "{}" first and the real arguments after, or null', async () => {
    const body =
      call({ index: 0, id: 'a', ...fn('f', '{}') }) + call({ index: 0, function: { arguments: '{"x":1}' } })
    expect(await calls(body + finish('tool_calls'))).toEqual([F])
    expect(await calls(call({ index: 0, id: 'a', ...fn('f', null) }) + finish('tool_calls'))).toEqual([
      { id: 'a', name: 'f', args: {} },
    ])
  })

  it('quirk 9: arguments that parse are not finished until the server says so', async () => {
    const body = call({ index: 0, id: 'a', ...fn('rm', '{"path":"/"}') })
    expect((await failure(body)).kind).toBe('interrupted')
    expect(() => events(body)).toThrow(expect.objectContaining({ kind: 'interrupted' }))
  })

  it('quirk 10: a tool without arguments gets {}', async () => {
    expect(await calls(call({ index: 0, id: 'a', ...fn('f', '') }) + finish('tool_calls'))).toEqual([
      { id: 'a', name: 'f', args: {} },
    ])
  })

  it('quirk 11: "stop", "", null or nothing at all with tool calls', async () => {
    for (const end of [finish('stop'), finish(''), '']) {
      expect(await calls(call({ index: 0, id: 'a', ...fn('f', '{"x":1}') }) + end)).toEqual([F])
    }
  })

  it('quirk 12: arguments that are not JSON are flagged, never lost', async () => {
    for (const raw of ['{"x":1}}', '{"x": "a\nb', "{'x':1}", '[1]', '"x"', '<tool>']) {
      const [first] = await calls(call({ index: 0, id: 'a', ...fn('f', raw) }) + finish('tool_calls'))
      expect(first?.invalid?.raw).toBe(raw)
      expect(first?.invalid?.reason).not.toBe('')
    }
  })

  it('quirk 12: arguments cut by the token limit are flagged with that reason', async () => {
    const completion = await answer(
      call({ index: 0, id: 'a', ...fn('f', '{"x":') }) + finish('length') + DONE,
    )
    expect(completion.finishReason).toBe('length')
    expect(completion.toolCalls[0]?.invalid).toMatchObject({
      raw: '{"x":',
      reason: expect.stringContaining('limit') as string,
    })
  })

  it('quirk 13: the parallel wrapper is a call like any other', async () => {
    const args = { tool_uses: [{ recipient_name: 'functions.f', parameters: {} }] }
    const body = call({ index: 0, id: 'a', ...fn('multi_tool_use.parallel', JSON.stringify(args)) })
    expect(await calls(body + finish('tool_calls'))).toEqual([
      { id: 'a', name: 'multi_tool_use.parallel', args },
    ])
  })

  it('quirk 15: Mistral gets ids of nine letters and digits, the same for call and result', () => {
    const http = mistral().encode({
      model: 'mistral-large-4',
      stream: true,
      messages: [
        {
          role: 'assistant',
          content: [
            { type: 'tool-call', id: 'call_abc-123', name: 'f', args: {} },
            { type: 'tool-call', id: 'abcDEF123', name: 'f', args: {} },
          ],
        },
        { role: 'tool', content: [{ type: 'tool-result', id: 'call_abc-123', name: 'f', content: 'x' }] },
      ],
    })
    const { messages } = JSON.parse(http.body as string) as {
      messages: { tool_calls?: { id: string }[]; tool_call_id?: string }[]
    }
    const ids = messages[0]!.tool_calls!.map(({ id }) => id)
    expect(ids[0]).toMatch(/^[a-zA-Z0-9]{9}$/)
    expect(ids[1]).toBe('abcDEF123')
    expect(messages[1]!.tool_call_id).toBe(ids[0])
  })

  it('quirk 17: Groq rejects a call, and what the model wrote is kept', async () => {
    const generation = '{"name": "f", "arguments": {"x": "wrong"}}'
    const event = {
      error: {
        message: 'Tool call validation failed',
        type: 'invalid_request_error',
        code: 'tool_use_failed',
        failed_generation: generation,
        status_code: 400,
      },
    }
    const error = await failure(`event: error\n${data(event)}`, vendor('groq', { apiKey: 'k' }))
    expect(error).toMatchObject({ kind: 'invalid-output', code: 'tool_use_failed', status: 400 })
    expect(error.issues?.[0]?.message).toContain(generation)
  })
})

describe('the shape of the stream', () => {
  it('quirk 19: a usage chunk with choices: []', async () => {
    const completion = await answer(
      HELLO + finish('stop') + data({ id: 'x', choices: [], usage: USAGE }) + DONE,
    )
    expect(completion.usage).toMatchObject({ inputTokens: 3, outputTokens: 2, totalTokens: 5 })
  })

  it('quirk 19: usage inside the choice (Moonshot), in x_groq, null, and in every chunk', async () => {
    const places: [string, number | undefined][] = [
      [HELLO + delta({}, { finish_reason: 'stop', usage: USAGE }), 5],
      [HELLO + finish('stop', { x_groq: { usage: USAGE } }), 5],
      [HELLO + finish('stop', { usage: null }), undefined],
      [
        delta({ content: 'Hel' }, {}, { usage: { ...USAGE, total_tokens: 4 } }) +
          finish('stop', { usage: USAGE }),
        5,
      ],
      [HELLO + finish('stop', { usage: USAGE }) + data({ choices: [], usage: null }), 5],
      [HELLO + finish('stop'), undefined],
    ]
    for (const [body, total] of places) expect((await answer(body + DONE)).usage.totalTokens).toBe(total)
  })

  it('quirk 19: usage that is nonsense is not reported', async () => {
    const usage = {
      prompt_tokens: '3',
      completion_tokens: -2,
      total_tokens: null,
      prompt_tokens_details: null,
    }
    const completion = await answer(HELLO + finish('stop', { usage }) + DONE)
    expect(Object.values(completion.usage).filter((count) => count !== undefined)).toEqual([])
  })

  it('quirk 20: an empty model and id are not latched', async () => {
    const first = data({ id: '', model: '', choices: [], prompt_filter_results: [] })
    const completion = await answer(first + HELLO + finish('stop') + DONE)
    expect([completion.id, completion.model]).toEqual(['chatcmpl-1', 'm-1'])
  })

  it('quirk 21: role "" on every chunk', async () => {
    expect(
      (await answer(delta({ role: '', content: 'a' }) + delta({ role: '', content: 'b' }) + finish('stop')))
        .text,
    ).toBe('ab')
  })

  it('quirk 22: finish_reason "" is no reason', async () => {
    expect((await failure(delta({ content: 'a' }, { finish_reason: '' }))).kind).toBe('interrupted')
  })

  it('quirk 23: a finish_reason without [DONE] is whole; [DONE] without one too, if something came; neither is cut', async () => {
    expect((await answer(HELLO + finish('stop'))).finishReason).toBe('stop')
    expect((await answer(HELLO + DONE)).finishReason).toBe('unknown')
    expect((await failure(DONE)).kind).toBe('interrupted')
    expect((await failure(HELLO)).kind).toBe('interrupted')
  })

  it('quirk 24: text and usage after the finish_reason are read; what follows [DONE] is not', async () => {
    const completion = await answer(
      HELLO +
        finish('stop') +
        delta({ content: '!' }) +
        data({ choices: [], usage: USAGE }) +
        DONE +
        delta({ content: 'x' }),
    )
    expect([completion.text, completion.usage.totalTokens]).toEqual(['Hello!', 5])
  })

  it('quirk 25: cumulative text (MiniMax), and repetition that is real', async () => {
    const minimax = vendor('minimax', { apiKey: 'k' })!
    const said = async (...texts: string[]): Promise<string> =>
      (await answer(texts.map((content) => delta({ content })).join('') + finish('stop'), minimax)).text
    expect(await said('He', 'Hello', 'Hello you', 'Hello you')).toBe('Hello you')
    expect(await said('ha', 'ha', 'ha')).toBe('hahaha')
    expect(await said('no ', 'no no', ' no')).toBe('no no no')
    expect((await answer(delta({ content: 'ha' }) + delta({ content: 'haha' }) + finish('stop'))).text).toBe(
      'hahaha',
    )
  })

  it('quirk 25: xAI says "Thinking... " over and over', async () => {
    const xai = vendor('xai', { apiKey: 'k' })!
    const thinking = delta({ reasoning_content: 'Thinking... ' })
    expect((await answer(thinking + thinking + thinking + HELLO + finish('stop'), xai)).reasoning).toBe(
      'Thinking... ',
    )
    expect(
      (
        await answer(
          delta({ reasoning_content: 'ha' }) + delta({ reasoning_content: 'ha' }) + finish('stop'),
          xai,
        )
      ).reasoning,
    ).toBe('haha')
  })

  it('quirk 28: an HTML page with status 200, an empty body, payloads that are no objects', async () => {
    const page = await failure('<html><title>Sign in</title></html>', server(), {}, { type: 'text/html' })
    expect(['protocol', 'interrupted']).toContain(page.kind)
    expect(page.message).not.toContain('<html')
    expect(['protocol', 'interrupted']).toContain((await failure('')).kind)
    const odd =
      data('null') +
      data('"ping"') +
      data('17') +
      data('[]') +
      data('{}') +
      data('{"choices":null}') +
      data('{"choices":[null,1]}')
    expect((await answer(odd + HELLO + finish('stop') + DONE)).text).toBe('Hello')
  })

  it('quirk 28: a payload that is not JSON is a protocol error without the payload', async () => {
    const error = await failure(data('{"secret": oops'))
    expect(error.kind).toBe('protocol')
    expect(error.message).not.toContain('secret')
  })

  it('quirk 29: of several choices the first is read, and the rest reported', async () => {
    const other = delta({ content: 'Other' }, { index: 1 })
    const completion = await answer(
      other.replace('"index":1', '"index":0').replace('Other', 'One') +
        other +
        delta({}, { index: 1, finish_reason: 'length' }) +
        finish('stop') +
        DONE,
    )
    expect([completion.text, completion.finishReason]).toEqual(['One', 'stop'])
    expect(completion.warnings).toEqual([expect.objectContaining({ code: 'dropped', field: 'n' })])
  })
})

describe('reasoning', () => {
  it.each([
    ['reasoning_content', { reasoning_content: 'hm' }],
    ['reasoning', { reasoning: 'hm' }],
    ['reasoning_text', { reasoning_text: 'hm' }],
    ['thinking', { thinking: 'hm' }],
    ['reasoning_details', { reasoning_details: [{ type: 'reasoning.text', text: 'hm', index: 0 }] }],
    [
      'reasoning_details summary',
      { reasoning_details: [{ type: 'reasoning.summary', summary: 'hm', index: 0 }] },
    ],
    ['content blocks', { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }] }],
    ['content blocks, plain', { content: [{ type: 'thinking', thinking: 'hm' }] }],
    ['two fields with the same', { reasoning_content: 'hm', reasoning: 'hm' }],
    [
      'details beside the field',
      { reasoning: 'hm', reasoning_details: [{ type: 'reasoning.text', text: 'hm', index: 0 }] },
    ],
  ])('quirk 30: %s', async (_, fields) => {
    const completion = await answer(delta(fields) + HELLO + finish('stop') + DONE)
    expect([completion.reasoning, completion.text]).toEqual(['hm', 'Hello'])
    expect(completion.message.content[0]).toMatchObject({
      type: 'reasoning',
      text: 'hm',
      origin: { provider: 'openai-chat' },
    })
  })

  it('quirk 30: <think> is text, unless the vendor’s row splits it', async () => {
    const body =
      delta({ content: '\n<thi' }) +
      delta({ content: 'nk>a <b' }) +
      delta({ content: '</thin' }) +
      delta({ content: 'k>\n\nHello <think>' }) +
      finish('stop')
    expect((await answer(body)).text).toBe('\n<think>a <b</think>\n\nHello <think>')
    const split = await answer(body, compatible({ baseURL: 'https://x.test', dialect: { think: 'split' } }))
    expect([split.reasoning, split.text]).toEqual(['a <b', 'Hello <think>'])
  })

  it('quirk 30: Mistral’s chunk that turns from thinking to text holds both', async () => {
    const thinking = (text: string): object => ({ type: 'thinking', thinking: [{ type: 'text', text }] })
    const body =
      delta({ content: [thinking('a')] }) +
      delta({ content: [thinking('4.'), { type: 'text', text: '1' }] }) +
      delta({ content: '2' }) +
      finish('stop')
    const completion = await answer(body + DONE, mistral({ apiKey: 'k' }))
    expect([completion.reasoning, completion.text]).toEqual(['a4.', '12'])
  })

  it('quirk 31: DeepSeek gets its reasoning back with tool calls, and "" when there was none', async () => {
    const deepseek = vendor('deepseek', { apiKey: 'k' })!
    const body =
      delta({ reasoning_content: 'hm' }) +
      call({ index: 0, id: 'a', ...fn('f', '{"x":1}') }) +
      finish('tool_calls')
    const { message } = await answer(body, deepseek)
    const bare = {
      role: 'assistant' as const,
      content: [{ type: 'tool-call' as const, id: 'b', name: 'f', args: {} }],
    }
    const sent = JSON.parse(
      deepseek.encode({ model: 'deepseek-flash', stream: true, messages: [message, bare] }).body as string,
    ) as { messages: unknown[] }
    expect(sent.messages).toEqual([
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'hm',
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } }],
      },
      {
        role: 'assistant',
        content: null,
        reasoning_content: '',
        tool_calls: [{ id: 'b', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
    ])
  })

  it('quirk 31: Groq and OpenAI never get reasoning back; a stranger’s reasoning goes to nobody', async () => {
    for (const provider of [vendor('groq')!, openaiChat()]) {
      const origin = { provider: provider.name, field: 'reasoning' }
      const http = provider.encode({
        model: 'x',
        stream: true,
        messages: [
          {
            role: 'assistant',
            content: [
              { type: 'reasoning', text: 'hm', origin },
              { type: 'text', text: 'Hi' },
            ],
          },
        ],
      })
      expect(http.body).not.toContain('hm')
      expect(http.warnings ?? []).toEqual([])
    }
    const http = vendor('deepseek')!.encode({
      model: 'x',
      stream: true,
      messages: [
        {
          role: 'assistant',
          content: [
            { type: 'reasoning', text: 'hm', signature: 'sig', origin: { provider: 'anthropic' } },
            { type: 'text', text: 'Hi' },
          ],
        },
      ],
    })
    expect(http.body).not.toMatch(/hm|sig/)
    expect(http.warnings).toEqual([expect.objectContaining({ code: 'dropped' })])
  })

  it('quirk 33: Gemini’s thought signature on a call goes back on the same call', async () => {
    const google = { google: { thought_signature: 'sig' } }
    const body =
      call({ id: 'a', ...fn('f', '{"x":1}'), extra_content: google }) +
      call({ id: 'b', ...fn('g', '{"y":2}') }) +
      finish('stop')
    const { message } = await answer(body)
    const sent = JSON.parse(
      server().encode({ model: 'x', stream: true, messages: [message] }).body as string,
    ) as { messages: { tool_calls: object[] }[] }
    expect(sent.messages[0]!.tool_calls).toEqual([
      { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' }, extra_content: google },
      { id: 'b', type: 'function', function: { name: 'g', arguments: '{"y":2}' } },
    ])
  })

  it('quirk 35: OpenRouter’s reasoning_details are merged by index and type, and go back as they were', async () => {
    const openrouter = vendor('openrouter', { apiKey: 'k' })!
    const detail = (fields: object): string =>
      delta({ reasoning_details: [{ format: 'anthropic-claude-v1', index: 0, ...fields }] })
    const body =
      detail({ type: 'reasoning.text', text: 'let ' }) +
      detail({ type: 'reasoning.text', text: 'me' }) +
      detail({ type: 'reasoning.text', signature: 'sig' }) +
      delta({
        reasoning_details: [{ type: 'reasoning.encrypted', data: 'xyz', id: 'rs_1', index: 1, format: null }],
      }) +
      HELLO +
      finish('stop') +
      DONE
    const { message, reasoning } = await answer(body, openrouter)
    expect(reasoning).toBe('let me')
    const sent = JSON.parse(
      openrouter.encode({ model: 'x', stream: true, messages: [message] }).body as string,
    ) as { messages: object[] }
    expect(sent.messages).toEqual([
      {
        role: 'assistant',
        content: 'Hello',
        reasoning_details: [
          {
            type: 'reasoning.text',
            text: 'let me',
            signature: 'sig',
            format: 'anthropic-claude-v1',
            index: 0,
          },
          { type: 'reasoning.encrypted', data: 'xyz', id: 'rs_1', index: 1, format: null },
        ],
      },
    ])
  })

  it('quirk 35: encrypted reasoning without text is kept', async () => {
    const body =
      delta({ reasoning_details: [{ type: 'reasoning.encrypted', data: 'xyz', index: 0 }] }) +
      HELLO +
      finish('stop')
    const { message, reasoning } = await answer(body)
    expect(reasoning).toBe('')
    expect(message.content[0]).toMatchObject({ type: 'reasoning', origin: { details: [{ data: 'xyz' }] } })
  })
})

describe('errors', () => {
  it('quirk 36: an error inside a 200 before any output is that error', async () => {
    const error = await failure(data({ error: { type: 'overloaded_error', message: 'Overloaded' } }))
    expect(error).toMatchObject({ kind: 'overloaded', retryable: true })
  })

  it.each([
    ['OpenRouter', { id: 'x', choices: [], error: { code: 429, message: 'Rate limited' } }, 'rate-limit'],
    [
      'DashScope',
      {
        code: 'DataInspectionFailed',
        message: 'Output data may contain inappropriate content.',
        request_id: 'r',
      },
      'content-filter',
    ],
    [
      'vLLM',
      {
        object: 'error',
        message: 'maximum context length is 4096 tokens',
        type: 'BadRequestError',
        code: 400,
      },
      'context-length',
    ],
    [
      'MiniMax',
      { choices: null, base_resp: { status_code: 1008, status_msg: 'insufficient balance' } },
      'billing',
    ],
    ['FastAPI', { detail: 'Model not found' }, 'not-found'],
    ['a string', { error: 'out of memory' }, 'server'],
  ])('quirk 37: %s reports its error with empty choices', async (_, payload, kind) => {
    expect((await failure(data(payload) + DONE)).kind).toBe(kind)
  })

  it('quirk 37: the error wins over a finish_reason before it', async () => {
    const body =
      finish('length') +
      delta({ content: '' }, {}, { error: { code: 400, message: 'Token limit reached' } }) +
      DONE
    expect((await failure(body)).message).toContain('Token limit reached')
  })

  it('quirk 37: finish_reason "error", "network_error", "insufficient_system_resource"', async () => {
    for (const reason of ['error', 'network_error', 'insufficient_system_resource']) {
      expect(await failure(finish(reason) + DONE)).toMatchObject({ kind: 'server', retryable: true })
    }
  })

  it('quirk 39: a cut stream is never a finished turn, wherever it is cut', () => {
    const lines = [HELLO, call({ index: 0, id: 'a', ...fn('f', '{"x":1}') }), delta({ content: 'more' })]
    for (let at = 0; at <= lines.length; at++) {
      expect(() => events(lines.slice(0, at).join(''))).toThrow(
        expect.objectContaining({ kind: 'interrupted' }),
      )
    }
  })

  it('quirk 51: every shape of error body is read', async () => {
    const bodies: [number, unknown, string][] = [
      [400, { code: 'invalid-argument', error: 'Incorrect API key provided' }, 'auth'],
      [401, { detail: 'Invalid API Key' }, 'auth'],
      [404, { message: 'model removed' }, 'not-found'],
      [429, [{ error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'x' } }], 'rate-limit'],
      [503, '<html><h1>Service Unavailable</h1></html>', 'overloaded'],
    ]
    for (const [status, body, kind] of bodies) {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      expect(await failure(text, server(), {}, { status, type: 'application/octet-stream' })).toMatchObject({
        kind,
        status,
      })
    }
  })
})

describe('parsing and safety', () => {
  it('quirk 52: characters split between chunks', async () => {
    expect((await answer(delta({ content: '🧵é' }) + finish('stop'))).text).toBe('🧵é')
  })

  it('quirk 53: 20,000 argument deltas of one character cost one parse each', () => {
    const body =
      call({ index: 0, id: 'a', ...fn('f', '{"x":"') }) +
      call({ index: 0, function: { arguments: 'a' } }).repeat(20_000) +
      call({ index: 0, function: { arguments: '"}' } }) +
      finish('tool_calls')
    const done = events(body).find((event) => event.type === 'tool-call')
    expect(done).toMatchObject({ args: { x: 'a'.repeat(20_000) } })
  })

  it('quirk 54: an event without end stops at the limit', () => {
    const frames = server().frames({ maxEventBytes: 1000 })
    expect(() => {
      for (let at = 0; at < 100; at++) frames.push(new TextEncoder().encode(`data: ${'x'.repeat(500)}`))
    }).toThrow(expect.objectContaining({ kind: 'too-large' }))
  })

  it('quirk 55: `__proto__` as id, name, index, field and detail stays data', async () => {
    const body =
      data(
        '{"__proto__":{"polluted":1},"choices":[{"__proto__":{"polluted":1},"index":0,"delta":{"__proto__":{"tool_calls":[{}]},"reasoning_details":[{"__proto__":{"polluted":1},"type":"reasoning.text","text":"a","index":0},{"__proto__":{"polluted":1},"type":"reasoning.text","text":"b","index":0}]}}]}',
      ) +
      call({ index: '__proto__', id: '__proto__', ...fn('__proto__', '{"__proto__":1}') }) +
      finish('tool_calls', { usage: JSON.parse('{"__proto__":{"prompt_tokens":9}}') as object })
    const completion = await answer(body + DONE)
    expect(completion.toolCalls).toHaveLength(1)
    expect(completion.toolCalls[0]).toMatchObject({ id: '__proto__', name: '__proto__' })
    expect(completion.usage.inputTokens).toBeUndefined()
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('quirk 55: what a polluted prototype offers is not read', async () => {
    const prototype = Object.prototype as unknown as Record<string, unknown>
    prototype['tool_calls'] = [{ index: 0, id: 'forged', function: { name: 'rm', arguments: '{}' } }]
    try {
      const found = events(HELLO + finish('stop'))
      expect(found.filter((event) => event.type.startsWith('tool-call'))).toEqual([])
    } finally {
      delete prototype['tool_calls']
    }
  })

  it('quirk 56: a key that a server echoes is masked', async () => {
    const error = await failure(
      JSON.stringify({ error: { message: 'Incorrect API key provided: sk-proj-abcdef123456.' } }),
      server(),
      {},
      { status: 401, type: 'application/json' },
    )
    expect(JSON.stringify(error.toJSON())).not.toContain('abcdef123456')
  })

  it('quirk 57: surrogates split between two deltas, numbers cut in the middle', async () => {
    const [first] = await calls(
      call({ index: 0, id: 'a', ...fn('f', '{"s":"\\ud83d') }) +
        call({ index: 0, function: { arguments: '\\ude00","n":1' } }) +
        call({ index: 0, function: { arguments: '23e' } }) +
        call({ index: 0, function: { arguments: '1}' } }) +
        finish('tool_calls'),
    )
    expect(first?.args).toEqual({ s: '😀', n: 1230 })
  })
})

describe('requests', () => {
  const body = (provider = openaiChat(), extra: object = {}): Record<string, unknown> =>
    JSON.parse(
      provider.encode({ model: 'gpt-4o', stream: true, messages: [{ role: 'user', content: 'x' }], ...extra })
        .body as string,
    ) as Record<string, unknown>

  it('quirk 59: max_tokens or max_completion_tokens, by server and model', () => {
    expect(body(openaiChat(), { maxTokens: 5 })).toMatchObject({ max_completion_tokens: 5 })
    expect(body(server(), { maxTokens: 5 })).toMatchObject({ max_tokens: 5 })
    expect(body(vendor('github'), { maxTokens: 5, model: 'openai/o3' })).toMatchObject({
      max_completion_tokens: 5,
    })
    expect(body(vendor('github'), { maxTokens: 5, model: 'meta/llama-4' })).toMatchObject({ max_tokens: 5 })
  })

  it('quirk 59: sampling options that reasoning models reject are left out, with a warning', () => {
    const request = {
      model: 'o3',
      stream: true,
      messages: [{ role: 'user' as const, content: 'x' }],
      temperature: 0.2,
      topP: 0.5,
    }
    const http = openaiChat().encode(request)
    expect(http.body).not.toMatch(/temperature|top_p/)
    expect(http.warnings?.map(({ field }) => field)).toEqual(['temperature', 'topP'])
    expect(openaiChat().encode({ ...request, model: 'gpt-4o' }).body).toContain('temperature')
    expect(openaiChat().encode({ ...request, model: 'gpt-6.1-terra' }).body).toContain('temperature')
    expect(openaiChat().encode({ ...request, model: 'gpt-6.1-terra', reasoning: 'high' }).body).not.toContain(
      'temperature',
    )
  })

  it('quirk 59: null content only with tool calls, no empty tools, no tool_choice without tools', () => {
    const messages = [
      { role: 'assistant', content: [{ type: 'tool-call', id: 'a', name: 'f', args: {} }] },
      { role: 'assistant', content: [{ type: 'text', text: ' ' }] },
    ]
    const sent = body(openaiChat(), { messages, tools: [], toolChoice: 'auto' })
    expect(sent['messages']).toHaveLength(1)
    expect(sent).not.toHaveProperty('tools')
    expect(sent).not.toHaveProperty('tool_choice')
  })

  it('quirk 60: blank text is not sent, lone surrogates are made whole', () => {
    const sent = body(server(), {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: '  ' },
            { type: 'text', text: 'a\ud83db' },
          ],
        },
      ],
    })
    expect(sent['messages']).toEqual([{ role: 'user', content: 'a\ufffdb' }])
  })

  it('the dialect of OpenAI is used at OpenAI only', () => {
    expect(body(openaiChat(), { topK: 3 })).not.toHaveProperty('top_k')
    expect(body(server(), { topK: 3 })).toMatchObject({ top_k: 3 })
    expect(OPENAI_DIALECT.maxTokensField).toBe('max_completion_tokens')
  })
})
