import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createClient } from '../../src/client.ts'
import type { LlmError } from '../../src/errors.ts'
import type { AuthorizeContext } from '../../src/provider.ts'
import { bedrock } from '../../src/providers/bedrock.ts'
import type { Message, Request, StreamEvent } from '../../src/types.ts'
import { encodeAwsFrame } from '../../src/wire/aws-frames.ts'
import { splits } from '../wire/splits.ts'
import { ask, run, sum, thrown } from './codec.ts'

const provider = bedrock({ region: 'us-east-1' })
type Pair = [event: string, payload: unknown]
const fixture = (name: string): Pair[] =>
  JSON.parse(readFileSync(`fixtures/bedrock/${name}.json`, 'utf8')) as Pair[]

function frame(event: string, payload: unknown): Uint8Array {
  const headers = { ':event-type': event, ':content-type': 'application/json', ':message-type': 'event' }
  return encodeAwsFrame(headers, JSON.stringify(payload))
}

function exception(name: string, message: string): Uint8Array {
  const headers = {
    ':exception-type': name,
    ':content-type': 'application/json',
    ':message-type': 'exception',
  }
  return encodeAwsFrame(headers, JSON.stringify({ message }))
}

/** A payload of InvokeModel: the model's JSON in base64, as AWS wraps it. */
function chunk(payload: unknown): Uint8Array {
  return frame('chunk', { bytes: Buffer.from(JSON.stringify(payload)).toString('base64'), p: 'abc' })
}

function joined(frames: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(frames))
}

/** The events of a body; fails when any chunking of it gives others. */
function stream(frames: Uint8Array[], request: Request = ask()): StreamEvent[] {
  const bytes = joined(frames)
  const whole = run(provider, [bytes], request)
  for (const { name, chunks } of splits(bytes)) {
    expect(run(provider, chunks, request), name).toEqual(whole)
  }
  return whole
}

const events = (pairs: Pair[]): Uint8Array[] => pairs.map(([event, payload]) => frame(event, payload))
const failure = (frames: Uint8Array[]): LlmError => thrown(() => run(provider, frames)) as LlmError
const claude: Request = ask({ model: 'us.anthropic.claude-sonnet-5-5' })
const delta = (contentBlockIndex: number, value: unknown): Pair => [
  'contentBlockDelta',
  { contentBlockIndex, delta: value },
]
const close = (contentBlockIndex: number): Pair => ['contentBlockStop', { contentBlockIndex }]
const tool = (contentBlockIndex: number, toolUseId = 'tooluse_1', name = 'f'): Pair => [
  'contentBlockStart',
  { contentBlockIndex, start: { toolUse: { toolUseId, name } } },
]
const stop = (stopReason: string): Pair => ['messageStop', { stopReason }]
const context: AuthorizeContext = {
  nowMs: Date.UTC(2026, 10, 23, 12),
  signal: new AbortController().signal,
  transport: undefined as never,
}

describe('an answer of Converse', () => {
  it('reasons, speaks and calls tools, in every chunking', () => {
    const all = stream(events(fixture('tools')), claude)
    expect(all[0]).toEqual({ type: 'start', provider: 'bedrock', model: claude.model })
    const { parts, toolCalls, text, reasoning, finish } = sum(all)
    expect([text, reasoning]).toEqual(['Looking. 🔵', 'Two cities.'])
    expect(parts.slice(0, 2)).toEqual([
      { type: 'reasoning', text: 'Two cities.', signature: 'c2ln', origin: { provider: 'anthropic' } },
      {
        type: 'reasoning',
        text: '',
        encrypted: 'cmVkYWN0ZWQ=',
        redacted: true,
        origin: { provider: 'bedrock' },
      },
    ])
    expect(toolCalls).toEqual([
      { id: 'tooluse_1', name: 'get_weather', args: { city: 'Paris' } },
      { id: 'tooluse_2', name: 'get_time', args: {} },
    ])
    expect(finish).toEqual({
      type: 'finish',
      finishReason: 'tool-calls',
      rawFinishReason: 'tool_use',
      usage: {
        inputTokens: 70,
        outputTokens: 25,
        totalTokens: 95,
        cachedInputTokens: 30,
        cacheWriteTokens: 0,
      },
    })
  })

  it('is the same as a JSON body', () => {
    const body = JSON.parse(readFileSync('fixtures/bedrock/tools-body.json', 'utf8')) as unknown
    const { events: whole, raw } = provider.decode(body, claude)
    expect(sum(whole)).toEqual(sum(stream(events(fixture('tools')), claude)))
    expect(raw).toMatchObject({ usage: { outputTokens: 25 }, finish: { stopReason: 'tool_use' } })
  })

  it('goes back into the conversation as it came', () => {
    const { parts } = sum(stream(events(fixture('tools')), claude))
    const copy = JSON.parse(JSON.stringify({ role: 'assistant', content: parts })) as Message
    const { body } = provider.encode({ ...claude, messages: [{ role: 'user', content: 'Where?' }, copy] })
    const sent = JSON.parse(body as string) as { messages: { content: unknown }[] }
    const whole = JSON.parse(readFileSync('fixtures/bedrock/tools-body.json', 'utf8')) as {
      output: { message: { content: unknown } }
    }
    expect(sent.messages[1]?.content).toEqual(whole.output.message.content)
  })

  it("shows the server's own tools as provider parts, and citations as sources", () => {
    const { parts, toolCalls, sources, finish } = sum(stream(events(fixture('server-tool'))))
    expect(toolCalls).toEqual([])
    expect(parts.slice(0, 2)).toEqual([
      {
        type: 'provider',
        provider: 'bedrock',
        value: {
          toolUse: {
            name: 'nova_grounding',
            toolUseId: 'tooluse_g',
            type: 'server_tool_use',
            input: { query: 'tower' },
          },
        },
      },
      {
        type: 'provider',
        provider: 'bedrock',
        value: {
          toolResult: {
            toolUseId: 'tooluse_g',
            status: 'success',
            type: 'nova_grounding_result',
            content: [{ text: '330 ' }, { json: { unit: 'm' } }],
          },
        },
      },
    ])
    const source = { url: 'https://example.org/tower', title: 'Tower', text: 'It is 330 m tall.' }
    expect(sources).toEqual([source])
    expect(parts[2]).toEqual({ type: 'text', text: '330 m.', sources: [{ ...source, start: 0, end: 6 }] })
    expect(finish?.finishReason).toBe('stop')
  })

  it('reads cited blocks of a JSON body', () => {
    const content = [
      {
        citationsContent: {
          content: [{ text: 'Yes.' }],
          citations: [{ title: 'Doc', location: { documentChar: { documentIndex: 0, start: 0, end: 4 } } }],
        },
      },
    ]
    const { events: whole } = provider.decode({ output: { message: { content } }, stopReason: 'end_turn' })
    expect(sum(whole)).toMatchObject({ text: 'Yes.', sources: [{ title: 'Doc' }] })
  })

  it('leaves an empty text block out', () => {
    const pairs = [delta(0, { text: '' }), close(0), delta(1, { text: 'Hi' }), close(1), stop('end_turn')]
    expect(sum(stream(events(pairs))).parts).toEqual([{ type: 'text', text: 'Hi' }])
  })

  it.each([
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['guardrail_intervened', 'content-filter'],
    ['content_filtered', 'content-filter'],
    ['malformed_tool_use', 'unknown'],
    ['toString', 'unknown'],
  ] as const)('stops for %s: %s', (raw, reason) => {
    const { finish } = sum(stream(events([delta(0, { text: 'Hi' }), close(0), stop(raw)])))
    expect(finish).toMatchObject({ finishReason: reason, rawFinishReason: raw })
  })

  it('needs no metadata, which may be lost', () => {
    const { finish } = sum(stream(events(fixture('tools').slice(0, -1))))
    expect(finish?.finishReason).toBe('tool-calls')
    expect(finish?.usage.inputTokens).toBeUndefined()
  })

  it('gives a structured answer as text when it came through the forced tool', () => {
    const request = ask({ model: 'amazon.nova-lite-v1:0', schema: { type: 'object' } })
    const answered = [
      tool(0, 't', 'json_answer'),
      delta(0, { toolUse: { input: '{"a":' } }),
      delta(0, { toolUse: { input: '1}' } }),
      close(0),
      stop('tool_use'),
    ]
    const { text, toolCalls, finish } = sum(stream(events(answered), request))
    expect([text, toolCalls, finish?.finishReason]).toEqual(['{"a":1}', [], 'stop'])
  })

  it('speaks of tools by the names the caller gave them', () => {
    const request = ask({ tools: [{ name: 'my.tool', inputSchema: {} }] })
    const called = [tool(0, 't', 'my_tool'), close(0), stop('tool_use')]
    expect(sum(stream(events(called), request)).toolCalls[0]?.name).toBe('my.tool')
  })
})

describe('an answer of InvokeModel', () => {
  it("of Claude is Anthropic's own", () => {
    const frames = [
      chunk({
        type: 'message_start',
        message: { id: 'msg_1', model: 'claude', content: [], usage: { input_tokens: 3 } },
      }),
      chunk({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
      chunk({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Grüße' } }),
      chunk({ type: 'content_block_stop', index: 0 }),
      chunk({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } }),
      chunk({ type: 'message_stop', 'amazon-bedrock-invocationMetrics': { inputTokenCount: 3 } }),
    ]
    const { text, finish } = sum(stream(frames))
    expect([text, finish?.finishReason]).toEqual(['Grüße', 'stop'])
    expect(finish?.usage).toMatchObject({ inputTokens: 3, outputTokens: 2 })
    expect(failure(frames.slice(0, 3))).toMatchObject({ kind: 'interrupted' })
    const whole = { type: 'message', content: [{ type: 'text', text: 'Hi' }], stop_reason: 'end_turn' }
    expect(sum(provider.decode(whole).events).text).toBe('Hi')
  })

  it('of Nova is Converse, one event an object', () => {
    const frames = [
      chunk({ messageStart: { role: 'assistant' } }),
      chunk({ contentBlockDelta: { delta: { text: 'Hi' }, contentBlockIndex: 0 } }),
      chunk({ contentBlockStop: { contentBlockIndex: 0 } }),
      chunk({ messageStop: { stopReason: 'end_turn' } }),
      chunk({
        metadata: { usage: { inputTokens: 3, outputTokens: 2, cacheReadInputTokenCount: 4 } },
        'amazon-bedrock-invocationMetrics': {},
      }),
    ]
    expect(sum(stream(frames))).toMatchObject({ text: 'Hi', finish: { usage: { inputTokens: 7 } } })
  })

  it('of older models is refused, as is what is not base64', () => {
    expect(failure([chunk({ outputText: 'Once' })])).toMatchObject({ kind: 'protocol' })
    expect(failure([frame('chunk', { bytes: '%%%' })])).toMatchObject({ kind: 'protocol' })
  })
})

describe('faults of Bedrock', () => {
  it('a stream that is cut is interrupted at every frame before messageStop', () => {
    const frames = events(fixture('tools'))
    for (let count = 0; count < frames.length - 2; count += 1) {
      expect(failure(frames.slice(0, count))).toMatchObject({ kind: 'interrupted', retryable: true })
    }
  })

  it.each([
    ['throttlingException', 'Too many tokens, please wait before trying again.', 'rate-limit', true],
    ['internalServerException', 'Oops', 'server', true],
    ['modelStreamErrorException', 'Oops', 'server', true],
    ['modelTimeoutException', 'Slow', 'server', true],
    ['serviceUnavailableException', 'Busy', 'overloaded', true],
    ['validationException', 'Wrong', 'invalid-request', false],
  ])('quirk 38: the exception frame %s is an error', (name, message, kind, retryable) => {
    const frames = [frame('messageStart', { role: 'assistant' }), exception(name, message)]
    expect(failure(frames)).toMatchObject({ kind, retryable, provider: 'bedrock' })
    expect(failure(frames).message).toContain(message)
  })

  it('quirk 38: so is an error frame, whose message is bare text', () => {
    const headers = {
      ':message-type': 'error',
      ':error-code': 'InternalFailure',
      ':error-message': 'It broke.',
    }
    expect(failure([encodeAwsFrame(headers, '')]).message).toContain('It broke.')
  })

  it('quirk 38: a truncated frame is no success', () => {
    const bytes = joined(events(fixture('tools')).slice(0, 4))
    expect(failure([bytes.subarray(0, bytes.length - 5)])).toMatchObject({ kind: 'interrupted' })
  })

  it('flags a call that the token limit cut', () => {
    const cut = (...pieces: Pair[]) =>
      sum(stream(events([tool(0), ...pieces, close(0), stop('max_tokens')]))).toolCalls[0]
    expect(cut(delta(0, { toolUse: { input: '{"path":"/ho' } }))).toMatchObject({
      invalid: { raw: '{"path":"/ho' },
    })
    expect(cut()).toMatchObject({ invalid: { raw: '' } })
    const content = [{ toolUse: { toolUseId: 't', name: 'f', input: { path: '/' } } }]
    const { events: whole } = provider.decode({ output: { message: { content } }, stopReason: 'max_tokens' })
    expect(sum(whole).toolCalls[0]?.invalid?.raw).toBe('{"path":"/"')
  })

  it('row 79: pieces of a call that never began are a protocol error; late pieces are ignored', () => {
    expect(failure(events([delta(3, { toolUse: { input: '{}' } })]))).toMatchObject({ kind: 'protocol' })
    const late = [delta(0, { text: 'Hi' }), close(0), delta(0, { text: 'Hi' }), stop('end_turn')]
    expect(sum(stream(events(late))).text).toBe('Hi')
  })

  it('answers that are no message, and failures by status', () => {
    for (const body of [null, [], {}, { output: {} }]) {
      expect(thrown(() => provider.decode(body))).toMatchObject({ kind: 'protocol' })
    }
    const headers = new Headers({
      'x-amzn-errortype': 'ThrottlingException:http://x/',
      'x-amzn-requestid': 'r1',
    })
    expect(provider.error({ status: 429, headers, body: '{"message":"Too many requests"}' })).toMatchObject({
      kind: 'rate-limit',
      requestId: 'r1',
    })
  })
})

describe('the address of Bedrock', () => {
  it('has the region in its host and the model in its path, encoded once', () => {
    const url = (model: string, options = {}): string =>
      bedrock({ region: 'eu-west-3', ...options }).encode(ask({ model })).url
    expect(url('anthropic.claude-v2:1')).toBe(
      'https://bedrock-runtime.eu-west-3.amazonaws.com/model/anthropic.claude-v2%3A1/converse-stream',
    )
    expect(url('arn:aws:bedrock:us-east-1:1:inference-profile/x')).toContain(
      '/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/',
    )
    expect(url('x', { region: 'cn-north-1' })).toContain('.cn-north-1.amazonaws.com.cn/')
    for (const model of ['../../evil', 'a?b', 'a#b', '..', '%2e%2e']) {
      const { host, pathname, search } = new URL(url(model))
      expect([host, search], model).toEqual(['bedrock-runtime.eu-west-3.amazonaws.com', ''])
      expect(pathname.split('/'), model).toHaveLength(4)
    }
  })

  it('row 103: is refused where the region could make another host of it', () => {
    for (const region of ['evil.com/#', 'us-east-1.evil.com', '', 'a@b', 'us east']) {
      expect(thrown(() => bedrock({ region }))).toMatchObject({ kind: 'config' })
    }
    expect(thrown(() => bedrock().encode(ask()))).toMatchObject({ kind: 'config' })
  })

  it('asks for JSON, for InvokeModel, for counts and for the catalogue elsewhere', () => {
    expect(provider.encode(ask({ stream: false })).url).toMatch(/\/converse$/)
    const invoke = bedrock({ region: 'us-east-1', api: 'invoke' })
    const http = invoke.encode(ask({ model: 'anthropic.claude-sonnet-4-6', promptCache: true }))
    expect(http.url).toMatch(/\/invoke-with-response-stream$/)
    expect(JSON.parse(http.body as string)).toEqual({
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 64_000,
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'Hi', cache_control: { type: 'ephemeral' } }] },
      ],
    })
    expect(invoke.encode(ask({ stream: false })).url).toMatch(/\/invoke$/)
    const counted = provider.countTokens?.encode(ask({ system: 'S' }))
    expect(counted?.url).toMatch(/\/model\/test-model\/count-tokens$/)
    expect(JSON.parse(counted?.body as string)).toEqual({
      input: {
        converse: { messages: [{ role: 'user', content: [{ text: 'Hi' }] }], system: [{ text: 'S' }] },
      },
    })
    expect(provider.countTokens?.decode({ inputTokens: 5 })).toBe(5)
    expect(thrown(() => provider.countTokens?.decode({}))).toMatchObject({ kind: 'protocol' })
    expect(provider.listModels?.encode().url).toBe(
      'https://bedrock.us-east-1.amazonaws.com/foundation-models',
    )
    expect(provider.listModels?.decode({ modelSummaries: [{ modelId: 'a' }] })).toEqual({ models: ['a'] })
  })
})

describe('who asks Bedrock', () => {
  const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token' }
  const http = provider.encode(ask())

  it('may have an API key', async () => {
    const signed = await bedrock({ region: 'us-east-1', apiKey: 'bedrock-key' }).authorize(http, context)
    expect(signed.headers['authorization']).toBe('Bearer bedrock-key')
    const own = await bedrock({ region: 'us-east-1', credentials }).authorize(http, {
      ...context,
      apiKey: 'other',
    })
    expect(own.headers['authorization']).toBe('Bearer other')
  })

  it('may sign with a key pair, for the region', async () => {
    const signed = await bedrock({ region: 'eu-west-1', credentials }).authorize(http, context)
    expect(signed.headers['authorization']).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20261123\/eu-west-1\/bedrock\/aws4_request, SignedHeaders=/,
    )
    expect(signed.headers).toMatchObject({
      'x-amz-date': '20261123T120000Z',
      'x-amz-security-token': 'token',
    })
    expect(JSON.stringify(signed)).not.toContain('secret"')
  })

  it('finds the region in a base URL', async () => {
    const baseURL = 'https://vpce-1.bedrock-runtime.ap-south-1.amazonaws.com'
    const signed = await bedrock({ baseURL, credentials }).authorize(http, context)
    expect(signed.headers['authorization']).toContain('/ap-south-1/bedrock/')
  })

  it('is asked for fresh credentials once they were refused', async () => {
    const asked: boolean[] = []
    const source = bedrock({
      region: 'us-east-1',
      credentials: ({ refresh }) => {
        asked.push(refresh)
        return { ...credentials, accessKeyId: refresh ? 'NEW' : 'OLD' }
      },
    })
    const first = await source.authorize(http, context)
    const second = await source.authorize(http, { ...context, refresh: true })
    expect(asked).toEqual([false, true])
    expect(first.headers['authorization']).toContain('Credential=OLD/')
    expect(second.headers['authorization']).toContain('Credential=NEW/')
  })

  it('is asked once more after AWS found its token expired, and then it is an error', async () => {
    const asked: boolean[] = []
    let sent = 0
    const expired = (): Response =>
      new Response('{"message":"The security token included in the request is expired"}', {
        status: 403,
        headers: { 'x-amzn-errortype': 'ExpiredTokenException' },
      })
    const client = createClient({
      provider: bedrock({
        region: 'us-east-1',
        credentials: ({ refresh }) => {
          asked.push(refresh)
          return { ...credentials, accessKeyId: `KEY${asked.length}` }
        },
      }),
      model: 'anthropic.claude-sonnet-5-5',
      fetch: async () => {
        sent += 1
        return expired()
      },
    })
    await expect(client.complete('Hi')).rejects.toMatchObject({ kind: 'auth', status: 403 })
    expect(asked).toEqual([false, true])
    expect(sent).toBe(2)
  })

  it('is told what to do when there is neither', async () => {
    await expect(async () => provider.authorize(http, context)).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringContaining('AWS_BEARER_TOKEN_BEDROCK') as string,
    })
  })

  it('is told when its clock is wrong', async () => {
    const signing = bedrock({ region: 'us-east-1', credentials })
    const refusal = (date: string): LlmError =>
      signing.error({
        status: 403,
        headers: new Headers({ date, 'x-amzn-errortype': 'InvalidSignatureException' }),
        body: '{"message":"Signature expired: 20261123T120000Z is now earlier than 20261123T130000Z"}',
      })
    const wrong = 'Mon, 23 Nov 2026 13:05:00 GMT'
    // Nothing was signed yet: not a matter of clocks.
    expect(refusal(wrong).message).not.toContain('clock')
    await signing.authorize(http, context)
    expect(refusal(wrong)).toMatchObject({ kind: 'auth', retryable: false })
    expect(refusal(wrong).message).toContain('65 minutes behind AWS')
    expect(refusal('Mon, 23 Nov 2026 11:00:00 GMT').message).toContain('60 minutes ahead of AWS')
    expect(refusal('Mon, 23 Nov 2026 12:01:00 GMT').message).not.toContain('clock')
    expect(refusal('').message).not.toContain('clock')
  })
})
