import { afterEach, describe, expect, test } from 'vitest'
import { createRequest, mergeOptions, ownOptions } from '../../src/request.ts'
import type { Input, Options } from '../../src/types.ts'

const request = (input: unknown, options: Options = {}) => createRequest(input as Input, options, 'm')
const user = (content: string) => ({ role: 'user' as const, content })

describe('the three inputs', () => {
  test('text', () => {
    expect(request('hi')).toEqual({ model: 'm', messages: [user('hi')], stream: true })
  })
  test('messages', () => {
    expect(request([user('hi')]).messages).toEqual([user('hi')])
  })
  test('a conversation with its system prompt and tools; options win', () => {
    const tools = [{ name: 'a', inputSchema: { type: 'object' } }]
    const input = { messages: [user('hi')], system: 'input', tools }
    expect(request(input)).toMatchObject({ system: 'input', tools: [{ name: 'a' }] })
    const other = [{ name: 'b', inputSchema: { type: 'object' } }]
    expect(request(input, { system: 'options', tools: other })).toMatchObject({
      system: 'options',
      tools: [{ name: 'b' }],
    })
  })
})

describe('what cannot be meant', () => {
  test.each([
    ['an empty prompt', '', /prompt is empty/],
    ['blanks', ' \n ', /prompt is empty/],
    ['no messages', [], /no messages/],
    ['no messages in an object', { messages: [] }, /no messages/],
    ['undefined', undefined, /neither text/],
    ['null', null, /neither text/],
    ['a number', 5, /neither text/],
    ['an object without messages', { prompt: 'x' }, /neither text/],
    ['messages that are no list', { messages: 'x' }, /no messages/],
    ['a message that is text', ['hi'], /Message 0 is not an object/],
    ['an unknown role', [{ role: 'bot', content: 'x' }], /role "bot"/],
    ['no content', [{ role: 'user' }], /no content/],
    ['only empty messages', [user('')], /Every message is empty/],
  ])('%s', (_, input, message) => {
    expect(() => request(input)).toThrow(
      expect.objectContaining({ kind: 'invalid-request', message: expect.stringMatching(message) }),
    )
  })
  test('two tools of one name', () => {
    const tools = [1, 2].map(() => ({ name: 'search', inputSchema: { type: 'object' } }))
    expect(() => request('x', { tools })).toThrow(expect.objectContaining({ kind: 'config' }))
  })
  test('a tool without a name, and one whose schema is none', () => {
    expect(() => request('x', { tools: [{ name: '', inputSchema: {} }] })).toThrow(/no name/)
    expect(() => request('x', { tools: [{ name: 'a', inputSchema: 'text' as never }] })).toThrow(
      /inputSchema of tool "a"/,
    )
  })
})

test('every option of the request arrives, and nothing else', () => {
  const given: Options = {
    temperature: 0.5,
    topP: 0.9,
    topK: 3,
    maxTokens: 10,
    stop: 'END',
    seed: 1,
    presencePenalty: 1,
    frequencyPenalty: 2,
    logprobs: 3,
    reasoning: 'high',
    promptCache: true,
    toolChoice: 'none',
    parallelToolCalls: false,
    body: { x: 1 },
    schema: { type: 'object' },
    wire: 'json',
    apiKey: 'secret',
    headers: { a: 'b' },
  }
  const { apiKey: _, headers: __, wire: ___, stop: ____, ...passed } = given
  expect(request('hi', given)).toEqual({
    ...passed,
    model: 'm',
    messages: [user('hi')],
    stop: ['END'],
    stream: false,
  })
})

test('provider tools pass through untouched', () => {
  const search = { type: 'provider' as const, provider: 'anthropic', value: { type: 'web_search' } }
  expect(request('x', { tools: [search] }).tools).toEqual([search])
})

describe('options', () => {
  afterEach(() => {
    for (const key of ['temperature', 'headers', 'apiKey', 'system', 'messages']) {
      delete (Object.prototype as Record<string, unknown>)[key]
    }
  })

  test('row 112: inherited properties are none', () => {
    Object.assign(Object.prototype, {
      temperature: 2,
      headers: { evil: '1' },
      apiKey: 'evil',
      system: 'evil',
    })
    const merged = mergeOptions({}, {})
    expect(merged.headers).toBeUndefined()
    expect(merged.apiKey).toBeUndefined()
    const made = createRequest({ messages: [user('hi')] }, merged, 'm')
    expect(Object.hasOwn(made, 'temperature')).toBe(false)
    expect(Object.hasOwn(made, 'system')).toBe(false)
  })
  test('row 112: inherited messages are no conversation', () => {
    Object.assign(Object.prototype, { messages: [user('evil')] })
    expect(() => request({})).toThrow(/neither text/)
  })
  test('own properties only, undefined is absent, later bags win', () => {
    const merged = ownOptions<Options>(
      Object.create({ seed: 9 }) as Options,
      { seed: 1, topP: 1 },
      { seed: undefined, topP: 2 },
    )
    expect({ ...merged }).toEqual({ seed: 1, topP: 2 })
  })
  test('a call wins over the client; bags merge', () => {
    expect(
      mergeOptions(
        { model: 'a', timeouts: { idle: 1, total: 2 }, headers: { a: '1' } },
        { model: 'b', timeouts: { total: 3 } },
      ),
    ).toMatchObject({ model: 'b', timeouts: { idle: 1, total: 3 }, headers: { a: '1' } })
  })
  test('naming another provider leaves the client’s model, key and address behind', () => {
    const client: Options = {
      provider: 'openai',
      model: 'gpt',
      apiKey: 'key',
      baseURL: 'http://x',
      temperature: 1,
    }
    expect({ ...mergeOptions(client, { provider: 'anthropic' }) }).toEqual({
      provider: 'anthropic',
      temperature: 1,
    })
    expect(mergeOptions(client, { provider: 'openai' })).toMatchObject({ apiKey: 'key' })
    expect(mergeOptions(client, {})).toMatchObject({ apiKey: 'key', model: 'gpt' })
  })
})
