import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { LlmError } from '../../src/errors.ts'
import { accumulate, createAccumulator, type Facts } from '../../src/stream/accumulate.ts'
import { createToolCalls } from '../../src/stream/tool-calls.ts'
import { type Askable, runTools, type ToolRunEvent, tool } from '../../src/tools/index.ts'
import type {
  CompletionStream,
  Cost,
  FinishReason,
  Input,
  Message,
  Options,
  Part,
  StreamEvent,
  Tool,
  ToolResultPart,
  Usage,
} from '../../src/types.ts'

interface Answer {
  text?: string
  calls?: [id: string, name: string, args?: unknown][]
  finishReason?: FinishReason
  usage?: Usage
  cost?: Cost
  error?: LlmError
}

const facts = (cost?: Cost): Facts => ({
  provider: 'fake',
  model: 'm',
  attempts: [],
  raw: {},
  ...(cost === undefined ? {} : { cost: () => cost }),
})

/** A client that answers from a script; it records what it was asked and whether it was let go. */
function scripted(script: Answer[] | ((messages: Message[], step: number) => Answer)) {
  const asked: { messages: Message[]; options: Options }[] = []
  let returned = 0
  const client: Askable = {
    stream(input: Input, options: Options = {}): CompletionStream {
      const messages = input as Message[]
      const answer = typeof script === 'function' ? script(messages, asked.length) : script[asked.length]
      asked.push({ messages: structuredClone(messages), options })
      if (answer === undefined) throw new Error('the script has no answer left')
      const events = eventsOf(answer)
      const completion =
        answer.error === undefined
          ? Promise.resolve(accumulate(events, facts(answer.cost)))
          : Promise.reject(answer.error)
      completion.catch(() => {})
      async function* play() {
        try {
          for (const event of events) {
            options.signal?.throwIfAborted()
            yield event
          }
          if (answer?.error !== undefined) throw answer.error
        } finally {
          returned++
        }
      }
      return {
        [Symbol.asyncIterator]: play,
        completion,
        get partial() {
          return createAccumulator().partial(facts())
        },
      } as unknown as CompletionStream
    },
  }
  return { client, asked, returned: () => returned }
}

function eventsOf({ text, calls = [], finishReason, usage = {} }: Answer): StreamEvent[] {
  const events: StreamEvent[] = [{ type: 'start', provider: 'fake', model: 'm' }]
  let part = 0
  if (text !== undefined) events.push({ type: 'text-delta', part: part++, text })
  const tools = createToolCalls({ nextPart: () => part++ })
  for (const [index, [id, name, args]] of calls.entries()) {
    tools.push(
      { index, id, name, args: typeof args === 'string' ? args : JSON.stringify(args ?? {}) },
      events,
    )
  }
  tools.end(events)
  const reason = finishReason ?? (calls.length > 0 ? 'tool-calls' : 'stop')
  events.push({ type: 'finish', finishReason: reason, rawFinishReason: reason, usage })
  return events
}

const anyObject = { type: 'object', properties: {} }
const simple = (name: string, execute?: (args: never, context: never) => unknown): Tool =>
  ({ name, inputSchema: anyObject, ...(execute === undefined ? {} : { execute }) }) as Tool

async function collect(run: AsyncIterable<ToolRunEvent>): Promise<ToolRunEvent[]> {
  const events: ToolRunEvent[] = []
  for await (const event of run) events.push(event)
  return events
}

const resultsOf = (message: Message | undefined): ToolResultPart[] => message!.content as ToolResultPart[]

/** One step of calls, then an answer; gives the results the model was told. */
async function results(
  calls: Answer['calls'],
  tools: Tool[],
  options: Partial<Parameters<typeof runTools>[1]> = {},
): Promise<ToolResultPart[]> {
  const { client, asked } = scripted([{ calls: calls! }, { text: 'done' }])
  await runTools('go', { ...options, tools, client }).completion
  return resultsOf(asked[1]!.messages.at(-1))
}

describe('runTools', () => {
  it('runs the tools of a step and tells the model, until it answers', async () => {
    const weather = tool({
      name: 'weather',
      inputSchema: z.object({ city: z.string() }),
      execute: ({ city }) => ({ city, degrees: 21 }),
    })
    const { client, asked } = scripted([
      {
        text: 'Let me look.',
        calls: [['a', 'weather', { city: 'Paris' }]],
        usage: { inputTokens: 10, outputTokens: 5 },
      },
      { text: '21 degrees.', usage: { inputTokens: 30, outputTokens: 4, cachedInputTokens: 8 } },
    ])
    const run = runTools('How warm is Paris?', {
      tools: [weather],
      client,
      system: 'Be brief.',
      maxTokens: 9,
    })
    const events = await collect(run)
    expect(events.map((event) => event.type)).toEqual([
      'step-start',
      'start',
      'text-delta',
      'tool-call-start',
      'tool-call-delta',
      'tool-call',
      'finish',
      'step-finish',
      'tool-start',
      'tool-result',
      'step-start',
      'start',
      'text-delta',
      'finish',
      'step-finish',
    ])
    const completion = await run.completion
    expect(completion.text).toBe('21 degrees.')
    expect(completion.stopReason).toBe('answered')
    expect(completion.steps).toHaveLength(2)
    expect(completion.usage).toEqual({ inputTokens: 40, outputTokens: 9, cachedInputTokens: 8 })
    expect(completion.messages).toEqual([
      { role: 'user', content: 'How warm is Paris?' },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'Let me look.' },
          { type: 'tool-call', id: 'a', name: 'weather', args: { city: 'Paris' } },
        ],
      },
      {
        role: 'tool',
        content: [
          { type: 'tool-result', id: 'a', name: 'weather', content: '{"city":"Paris","degrees":21}' },
        ],
      },
      { role: 'assistant', content: [{ type: 'text', text: '21 degrees.' }] },
    ])
    expect(asked[1]!.messages).toEqual(completion.messages.slice(0, 3))
    expect(asked[0]!.options).toMatchObject({ system: 'Be brief.', maxTokens: 9, tools: [weather] })
    expect(Object.keys(asked[0]!.options).toSorted()).toEqual(['maxTokens', 'signal', 'system', 'tools'])
    expect(JSON.parse(JSON.stringify(completion.messages))).toEqual(completion.messages)
  })

  it('collects by itself when only the completion is asked for, and runs nothing before', async () => {
    const { client, asked } = scripted([{ text: 'hi' }])
    const run = runTools('hello', { client })
    await Promise.resolve()
    expect(asked).toHaveLength(0)
    expect((await run.completion).text).toBe('hi')
  })

  it('has one consumer', async () => {
    const { client } = scripted([{ text: 'hi' }])
    const run = runTools('hello', { client })
    await collect(run)
    expect(() => run[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ kind: 'config' }))
    expect((await run.completion).text).toBe('hi')
  })

  it('takes messages, system and tools from the input; options win; the input is not changed', async () => {
    const { client, asked } = scripted([{ text: 'ok' }])
    const messages: Message[] = [{ role: 'user', content: 'q' }]
    await runTools({ messages, system: 'a', tools: [simple('x')] }, { client, system: 'b' }).completion
    expect(asked[0]!.options).toMatchObject({ system: 'b', tools: [{ name: 'x' }] })
    expect(messages).toHaveLength(1)
  })

  it('runs the calls of a step at the same time and answers in the order of the calls', async () => {
    const order: string[] = []
    const gate = new Map<string, () => void>()
    const slow = (name: string): Tool =>
      simple(name, () => {
        order.push(`start ${name}`)
        return new Promise((resolve) => gate.set(name, () => resolve(name)))
      })
    const { client, asked } = scripted([
      {
        calls: [
          ['1', 'a'],
          ['2', 'b'],
          ['3', 'c'],
        ],
      },
      { text: 'ok' },
    ])
    const run = runTools('go', { client, tools: [slow('a'), slow('b'), slow('c')] })
    const finished: string[] = []
    for await (const event of run) {
      if (event.type === 'tool-start' && event.name === 'c') {
        for (const name of ['c', 'a', 'b']) {
          gate.get(name)!()
          await new Promise((resolve) => setTimeout(resolve, 1))
        }
      }
      if (event.type === 'tool-result') finished.push(event.result.name)
    }
    expect(order).toEqual(['start a', 'start b', 'start c'])
    expect(finished).toEqual(['c', 'a', 'b'])
    expect(resultsOf(asked[1]!.messages.at(-1)).map((result) => result.content)).toEqual(['a', 'b', 'c'])
  })

  it('runs no more than maxParallel at once', async () => {
    let running = 0
    let most = 0
    const busy = simple('busy', async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 2))
      running--
    })
    const calls = Array.from({ length: 9 }, (_, i): [string, string] => [`c${i}`, 'busy'])
    expect(await results(calls, [busy], { maxParallel: 3 })).toHaveLength(9)
    expect(most).toBe(3)
  })

  it('forces a forced tool once', async () => {
    const { client, asked } = scripted([{ calls: [['a', 'x']] }, { text: 'ok' }])
    await runTools('go', { client, tools: [simple('x', () => 1)], toolChoice: { tool: 'x' } }).completion
    expect(asked.map((call) => call.options.toolChoice)).toEqual([{ tool: 'x' }, 'auto'])
  })

  it('continues a turn the provider paused', async () => {
    const { client, asked } = scripted([{ text: 'searching', finishReason: 'pause' }, { text: 'found' }])
    const completion = await runTools('go', { client }).completion
    expect(completion.text).toBe('found')
    expect(asked[1]!.messages.map((message) => message.role)).toEqual(['user', 'assistant'])
  })

  it('sums cost exactly, and not at all when a step has none', async () => {
    const cost = (exact: string): Cost => ({ total: Number(exact), currency: 'USD', exact, from: 'catalog' })
    const once = scripted([
      { calls: [['a', 'x']], cost: cost('0.1') },
      { text: 'ok', cost: cost('0.2') },
    ])
    const tools = [simple('x', () => 1)]
    expect((await runTools('go', { client: once.client, tools }).completion).cost).toMatchObject({
      exact: '0.3',
      total: 0.3,
    })
    const none = scripted([{ calls: [['a', 'x']], cost: cost('0.1') }, { text: 'ok' }])
    expect((await runTools('go', { client: none.client, tools }).completion).cost).toBeUndefined()
  })

  it('hands a tool the id, the conversation and a signal that ends with the call', async () => {
    let seen: { id: string; roles: string[]; signal: AbortSignal } | undefined
    await results(
      [['a', 'x']],
      [
        simple('x', (_args: never, context: { id: string; signal: AbortSignal; messages: Message[] }) => {
          const roles = context.messages.map((message) => message.role)
          seen = { id: context.id, roles, signal: context.signal }
          expect(context.signal.aborted).toBe(false)
        }) as Tool,
      ],
    )
    expect(seen).toMatchObject({ id: 'a', roles: ['user', 'assistant'] })
    expect(seen!.signal.aborted).toBe(true)
  })
})

describe('runTools, bad input', () => {
  it('refuses two tools of one name', async () => {
    const { client } = scripted([{ text: 'ok' }])
    const run = runTools('go', { client, tools: [simple('x', () => 1), simple('x', () => 2)] })
    await expect(run.completion).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringContaining('"x"'),
    })
  })

  it('refuses maxSteps below 1', async () => {
    const { client } = scripted([{ text: 'ok' }])
    await expect(runTools('go', { client, maxSteps: 0 }).completion).rejects.toMatchObject({ kind: 'config' })
  })

  it('tells the model of a tool that does not exist', async () => {
    const [result] = await results([['a', 'nope', {}]], [simple('x', () => 1)])
    expect(result).toEqual({
      type: 'tool-result',
      id: 'a',
      name: 'nope',
      isError: true,
      content: 'There is no tool named "nope". Tools: x.',
    })
  })

  it('tells the model of arguments that do not fit, and does not run the tool', async () => {
    let ran = 0
    const add = tool({
      name: 'add',
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      execute: ({ a, b }) => (ran++, a + b),
    })
    const got = await results(
      [
        ['1', 'add', { a: 1, b: 'two' }],
        ['2', 'add', '{"a":1,"b":'],
        ['3', 'add', '{"a":1,"b":2}'],
      ],
      [add],
    )
    expect(got[0]).toMatchObject({ isError: true, content: expect.stringMatching(/do not fit: b: .*number/) })
    expect(got[1]).toMatchObject({ isError: true, content: expect.stringContaining('could not be read') })
    expect(got[2]).toEqual({ type: 'tool-result', id: '3', name: 'add', content: '3' })
    expect(ran).toBe(1)
  })

  it('accepts null where strict mode made an optional property nullable', async () => {
    const find = tool({
      name: 'find',
      strict: true,
      inputSchema: z.object({ q: z.string(), page: z.int().optional() }),
      execute: (args) => Object.keys(args),
    })
    const [result] = await results([['1', 'find', { q: 'x', page: null }]], [find])
    expect(result!.content).toBe('["q"]')
  })

  it('tells the model of a tool that throws, now or later, whatever it throws', async () => {
    const tools = [
      simple('now', () => {
        throw new Error('boom')
      }),
      simple('later', () => Promise.reject(new TypeError('bang'))),
      simple('odd', () => Promise.reject('just text')),
      simple('empty', () => Promise.reject(new Error(''))),
    ]
    const got = await results(
      tools.map(({ name }, i): [string, string] => [String(i), name]),
      tools,
    )
    expect(got.map((result) => result.content)).toEqual([
      'The tool failed: boom',
      'The tool failed: bang',
      'The tool failed: just text',
      'The tool failed: no reason was given',
    ])
    expect(got.every((result) => result.isError)).toBe(true)
  })

  it('shows the program what a tool threw', async () => {
    const failure = new Error('boom')
    const { client } = scripted([{ calls: [['a', 'x']] }, { text: 'ok' }])
    const events = await collect(
      runTools('go', { client, tools: [simple('x', () => Promise.reject(failure))] }),
    )
    expect(events.find((event) => event.type === 'tool-result')).toMatchObject({ error: failure })
  })

  it('gives up on a tool that hangs, aborts its signal, and says so', async () => {
    let reason: unknown
    const hang = simple('hang', (_args: never, { signal }: { signal: AbortSignal }) => {
      signal.addEventListener('abort', () => (reason = signal.reason))
      return new Promise(() => {})
    }) as Tool
    const quick = simple('quick', () => 'fine')
    const got = await results(
      [
        ['1', 'hang'],
        ['2', 'quick'],
      ],
      [hang, quick],
      { toolTimeoutMs: { hang: 5 } },
    )
    expect(got[0]).toMatchObject({ isError: true, content: expect.stringContaining('within 5 ms') })
    expect(got[1]).toMatchObject({ content: 'fine' })
    expect(reason).toBeInstanceOf(Error)
  })

  it('hands on what a tool returns: text, JSON, nothing, a BigInt', async () => {
    const values: unknown[] = ['text', { a: [1] }, undefined, null, 12n, { n: 9007199254740993n }, 0, '']
    const tools = values.map((value, i) => simple(`t${i}`, () => value))
    const got = await results(
      tools.map(({ name }): [string, string] => [name, name]),
      tools,
    )
    expect(got.map((result) => result.content)).toEqual([
      'text',
      '{"a":[1]}',
      'null',
      'null',
      '"12"',
      '{"n":"9007199254740993"}',
      '0',
      '',
    ])
  })

  it('tells the model of a result that is no JSON', async () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`) as unknown
    const tools = [
      simple('cycle', () => cycle),
      simple('function', () => () => 1),
      simple('deep', () => deep),
      simple('mean', () => ({
        toJSON() {
          throw new Error('no')
        },
      })),
    ]
    const got = await results(
      tools.map(({ name }): [string, string] => [name, name]),
      tools,
    )
    for (const result of got) {
      expect(result).toMatchObject({ isError: true, content: expect.stringContaining('is') })
      expect(result.content).toMatch(/no JSON/)
    }
  })

  it('cuts a result no window holds, not inside a surrogate pair, and says so', async () => {
    const got = await results(
      [
        ['1', 'big'],
        ['2', 'emoji'],
      ],
      [simple('big', () => 'x'.repeat(10_000_000)), simple('emoji', () => '😀'.repeat(10))],
      { maxResultChars: 5 },
    )
    expect(got[0]!.content).toBe('xxxxx\n[cut: 5 of 10000000 characters]')
    expect(got[1]!.content).toBe('😀😀\n[cut: 4 of 20 characters]')
  })

  it('passes content parts on, also in MCP spelling', async () => {
    const picture = {
      content: [
        { type: 'text', text: 'a cat' },
        { type: 'image', data: 'AAAA', mimeType: 'image/png' },
      ],
      isError: false,
    }
    const failed = { content: [{ type: 'text', text: 'no such row' }], isError: true }
    const data = { content: [{ type: 'paragraph' }] }
    const got = await results(
      [
        ['1', 'a'],
        ['2', 'b'],
        ['3', 'c'],
      ],
      [simple('a', () => picture), simple('b', () => failed), simple('c', () => data)],
    )
    expect(got[0]!.content).toEqual([
      { type: 'text', text: 'a cat' },
      { type: 'image', data: 'AAAA', mediaType: 'image/png' },
    ] satisfies Part[])
    expect(got[0]).not.toHaveProperty('isError')
    expect(got[1]).toMatchObject({ isError: true })
    expect(got[2]!.content).toBe('{"content":[{"type":"paragraph"}]}')
  })

  it('stops a model that calls for ever after maxSteps, with a history that can be sent again', async () => {
    let ran = 0
    const { client, asked } = scripted((_messages, step) => ({ calls: [[`c${step}`, 'again']] }))
    const run = runTools('go', { client, maxSteps: 3, tools: [simple('again', () => ran++)] })
    const completion = await run.completion
    expect(asked).toHaveLength(3)
    expect(ran).toBe(2)
    expect(completion.stopReason).toBe('max-steps')
    expect(completion.toolCalls).toEqual([{ id: 'c2', name: 'again', args: {} }])
    expect(resultsOf(completion.messages.at(-1))[0]).toMatchObject({ id: 'c2', isError: true })
  })

  it('runs no call of an answer that was cut, filtered, or ended without a word', async () => {
    for (const finishReason of ['length', 'content-filter', 'unknown'] as const) {
      let ran = 0
      const { client } = scripted([{ calls: [['a', 'x', { ok: true }]], finishReason }])
      const completion = await runTools('go', { client, tools: [simple('x', () => ran++)] }).completion
      expect(ran).toBe(0)
      expect(completion).toMatchObject({ stopReason: 'cut', finishReason })
      expect(resultsOf(completion.messages.at(-1))[0]).toMatchObject({ id: 'a', isError: true })
    }
  })

  it('runs the calls of an answer that says stop', async () => {
    const { client, asked } = scripted([{ calls: [['a', 'x']], finishReason: 'stop' }, { text: 'ok' }])
    await runTools('go', { client, tools: [simple('x', () => 1)] }).completion
    expect(asked).toHaveLength(2)
  })

  it('runs no tool of an answer that broke off, and keeps what was said before', async () => {
    let ran = 0
    const error = new LlmError({ kind: 'interrupted', message: 'cut' })
    const { client } = scripted([{ calls: [['a', 'x']] }, { calls: [['b', 'x']], error }])
    const run = runTools('go', { client, tools: [simple('x', () => ran++)] })
    await expect(run.completion).rejects.toBe(error)
    expect(ran).toBe(1)
    expect(run.messages.map((message) => message.role)).toEqual(['user', 'assistant', 'tool'])
    expect(run.steps).toHaveLength(1)
  })

  it('stops at calls that are the caller’s to answer, and runs the others', async () => {
    const { client } = scripted([
      {
        calls: [
          ['1', 'ask_user'],
          ['2', 'x'],
        ],
      },
    ])
    const run = runTools('go', { client, tools: [simple('ask_user'), simple('x', () => 'done')] })
    const completion = await run.completion
    expect(completion.stopReason).toBe('pending-calls')
    expect(completion.toolCalls).toHaveLength(2)
    expect(resultsOf(completion.messages.at(-1))).toMatchObject([{ id: '2', content: 'done' }])
  })
})

describe('runTools, control', () => {
  const call: Answer = { calls: [['a', 'x', { n: 1 }]] }
  const echo = simple('x', (args) => args)

  it('beforeTool allows, denies, replaces arguments, replaces the result', async () => {
    const seen: unknown[] = []
    const ask = async (decision: unknown) => {
      const { client, asked } = scripted([call, { text: 'ok' }])
      const run = runTools('go', {
        client,
        tools: [echo],
        beforeTool: (ready, context) => {
          seen.push([ready.name, ready.args, context.step, context.id])
          return decision as undefined
        },
      })
      await run.completion
      return resultsOf(asked[1]!.messages.at(-1))[0]
    }
    expect(await ask(undefined)).toMatchObject({ content: '{"n":1}' })
    expect(await ask({ action: 'allow' })).toMatchObject({ content: '{"n":1}' })
    expect(await ask({ action: 'deny', message: 'Not on Sundays.' })).toMatchObject({
      content: 'Not on Sundays.',
      isError: true,
    })
    expect(await ask({ action: 'replace', args: { n: 2 } })).toMatchObject({ content: '{"n":2}' })
    expect(await ask({ action: 'replace', result: 'cached' })).toMatchObject({ content: 'cached' })
    expect(seen[0]).toEqual(['x', { n: 1 }, 0, 'a'])
  })

  it('a beforeTool that throws fails the run and nothing is run', async () => {
    let ran = 0
    const { client } = scripted([
      {
        calls: [
          ['a', 'x'],
          ['b', 'x'],
        ],
      },
    ])
    const run = runTools('go', {
      client,
      tools: [simple('x', () => ran++)],
      beforeTool: () => {
        throw new Error('no approver')
      },
    })
    await expect(run.completion).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringContaining('no approver'),
    })
    expect(ran).toBe(0)
  })

  it('asks for approvals one after another, in the order of the calls', async () => {
    const log: string[] = []
    const { client } = scripted([
      {
        calls: [
          ['1', 'x'],
          ['2', 'x'],
        ],
      },
      { text: 'ok' },
    ])
    await runTools('go', {
      client,
      tools: [echo],
      beforeTool: async ({ id }) => {
        log.push(`ask ${id}`)
        await new Promise((resolve) => setTimeout(resolve, 2))
        log.push(`said ${id}`)
      },
    }).completion
    expect(log).toEqual(['ask 1', 'said 1', 'ask 2', 'said 2'])
  })

  it('stopWhen ends the run after a step', async () => {
    const { client, asked } = scripted([call, call, call])
    const completion = await runTools('go', {
      client,
      tools: [echo],
      stopWhen: ({ step, results: done }) => step === 1 && done.length === 1,
    }).completion
    expect(completion.stopReason).toBe('stop-when')
    expect(asked).toHaveLength(2)
  })

  it('abort reaches the tool, and the run rejects with aborted, also for a tool that ignores it', async () => {
    for (const how of ['signal', 'method'] as const) {
      const outer = new AbortController()
      let told: unknown
      const hang = simple('x', (_args: never, { signal }: { signal: AbortSignal }) => {
        signal.addEventListener('abort', () => (told = signal.reason))
        return new Promise(() => {})
      }) as Tool
      const { client } = scripted([call])
      const run = runTools('go', { client, tools: [hang], signal: outer.signal })
      const events: string[] = []
      const failure = await (async () => {
        for await (const event of run) {
          events.push(event.type)
          if (event.type !== 'tool-start') continue
          if (how === 'signal') outer.abort('enough')
          else run.abort('enough')
        }
      })().catch((error: unknown) => error)
      expect(failure).toMatchObject({ kind: 'aborted', name: 'AbortError', cause: 'enough' })
      expect(events.at(-1)).toBe('tool-start')
      expect(told).toBe(failure)
      await expect(run.completion).rejects.toBe(failure)
    }
  })

  it('aborted before it began it asks nobody', async () => {
    const { client, asked } = scripted([{ text: 'ok' }])
    const run = runTools('go', { client, signal: AbortSignal.abort() })
    await expect(run.completion).rejects.toMatchObject({ kind: 'aborted' })
    expect(asked).toHaveLength(0)
  })

  it('leaving the loop lets the model call go and stops the tools', async () => {
    const fake = scripted([{ text: 'a long story', calls: [['a', 'x']] }])
    const run = runTools('go', { client: fake.client, tools: [echo] })
    for await (const event of run) if (event.type === 'text-delta') break
    expect(fake.returned()).toBe(1)
    await expect(run.completion).rejects.toMatchObject({ kind: 'aborted' })
    expect(fake.asked[0]!.options.signal!.aborted).toBe(true)
  })

  it('takes its listener off the caller’s signal', async () => {
    const { client } = scripted([call, { text: 'ok' }])
    const outer = new AbortController()
    let listeners = 0
    const { signal } = outer
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = ((...args: Parameters<typeof add>) => (listeners++, add(...args))) as typeof add
    signal.removeEventListener = ((...args: Parameters<typeof remove>) => (
      listeners--,
      remove(...args)
    )) as typeof remove
    await runTools('go', { client, tools: [echo], signal }).completion
    expect(listeners).toBe(0)
  })
})
