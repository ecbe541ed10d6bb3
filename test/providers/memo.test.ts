/**
 * Codecs that recognise a frame instead of parsing it: what they say must be what they say when they parse each one.
 *
 * The same frames go through a decoder with its memo and through one whose memo never matches; events, errors and what
 * is kept beside them must be equal. Frames are streams of the project's own making, and recordings where there are any,
 * damaged in every way: characters, values, fields, order.
 */
import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import type { Frame, Provider } from '../../src/provider.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { compatible } from '../../src/providers/compatible.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { openai } from '../../src/providers/openai.ts'
import type { Request } from '../../src/types.ts'
import { corpusFolder, FUZZ_TIMEOUT_MS, fuzzRuns } from '../corpus.ts'
import { listRecordings, type RecordingMeta } from './replay.ts'
import { loadAdapters } from './replay/adapters.ts'

vi.setConfig({ testTimeout: FUZZ_TIMEOUT_MS })

const memo = vi.hoisted(() => ({ on: true, hits: 0 }))
vi.mock('../../src/wire/skeleton.ts', async (original) => {
  const { createSkeleton } = await original<typeof import('../../src/wire/skeleton.ts')>()
  return {
    createSkeleton<Tag>(ignored?: readonly string[]) {
      const skeleton = createSkeleton<Tag>(ignored)
      return {
        get tag() {
          return skeleton.tag
        },
        learn: skeleton.learn,
        match(data: string) {
          const text = memo.on ? skeleton.match(data) : undefined
          if (text !== undefined) memo.hits += 1
          return text
        },
      }
    },
  }
})

const request: Request = { model: 'm', messages: [], tools: [], stream: true }

/** Everything a decoder says about these frames, as text. */
function said(provider: Provider, frames: readonly Frame[], on: boolean): string {
  memo.on = on
  let made = 0
  // Ids that a server left out are random.
  const random = [
    vi.spyOn(globalThis.crypto, 'getRandomValues').mockImplementation((array) => {
      ;(array as Uint8Array).fill(made++)
      return array
    }),
    vi.spyOn(globalThis.crypto, 'randomUUID').mockImplementation(() => `0-0-0-0-${made++}`),
  ]
  const decoder = provider.decoder(request)
  const events: unknown[] = []
  try {
    for (const frame of frames) {
      events.push(decoder.push(frame))
      if (decoder.done) break
    }
    events.push(decoder.end())
  } catch (error) {
    if (!LlmError.is(error)) throw error
    events.push(error.kind, error.message)
  } finally {
    for (const spy of random) spy.mockRestore()
  }
  return JSON.stringify([events, decoder.raw, decoder.usage, decoder.reportedCost])
}

function agrees(provider: Provider, frames: readonly Frame[]): void {
  expect(said(provider, frames, true)).toBe(said(provider, frames, false))
}

const json = (value: object, event = 'message'): Frame => ({ event, data: JSON.stringify(value) })

const TEXTS = [
  'Hello',
  ' sky',
  ' a "word"',
  '\\',
  '\n\n',
  '',
  '世界',
  '\u{1f600}',
  ' and so on and on',
  '{"a":',
]

function chat(wrap: (text: string) => object, more: object = {}): Frame[] {
  const chunk = (delta: object, finish: string | null = null): Frame =>
    json({
      id: 'c1',
      object: 'chat.completion.chunk',
      model: 'm',
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      ...more,
    })
  return [
    chunk({ role: 'assistant', content: '' }),
    chunk({
      tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '' } }],
    }),
    ...TEXTS.map((text) => chunk(wrap(text))),
    chunk({}, 'stop'),
    { event: 'message', data: '[DONE]' },
  ]
}

const numbered = (events: [type: string, fields: object][]): Frame[] =>
  events.map(([type, fields], n) => json({ type, sequence_number: n, ...fields }, type))

const STREAMS: [string, Provider, Frame[]][] = [
  ['chat text', openaiChat(), chat((content) => ({ content }), { obfuscation: 'aB3' })],
  [
    'chat text in a careful dialect',
    compatible({ baseURL: 'https://a.example' }),
    chat((content) => ({ content })),
  ],
  ['chat reasoning', openaiChat(), chat((text) => ({ content: null, reasoning_content: text }))],
  [
    'chat reasoning with details',
    openaiChat(),
    chat((text) => ({ reasoning: text, reasoning_details: [{ type: 'reasoning.text', text: `${text}.` }] })),
  ],
  [
    'chat tool arguments',
    openaiChat(),
    chat((text) => ({ tool_calls: [{ index: 0, function: { arguments: text } }] })),
  ],
  ['chat refusal', openaiChat(), chat((refusal) => ({ content: null, refusal }))],
  [
    'chat usage in every chunk',
    openaiChat(),
    chat((content) => ({ content }), { usage: { prompt_tokens: 3 } }),
  ],
  [
    'chat citations in every chunk',
    openaiChat(),
    chat((content) => ({ content }), { citations: ['https://a.example'] }),
  ],
  [
    'thinking left in the text',
    compatible({ baseURL: 'https://a.example', dialect: { think: 'split' } }),
    [...chat((content) => ({ content: `<think>${content}` }))],
  ],
  [
    'an index that is an object, and so never the same (every)',
    openaiChat(),
    chat((content) => ({ content })).map((frame) => ({
      ...frame,
      data: frame.data.replace('"index":0,"delta"', '"index":{},"delta"'),
    })),
  ],
  [
    'anthropic',
    anthropic(),
    [
      json({
        type: 'message_start',
        message: { id: 'm1', model: 'm', content: [], usage: { input_tokens: 3 } },
      }),
      json({ type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '' } }),
      ...TEXTS.map((thinking) =>
        json({ type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking } }),
      ),
      json({ type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'c2ln' } }),
      json({ type: 'content_block_stop', index: 0 }),
      json({ type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } }),
      ...TEXTS.map((text) =>
        json(
          { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text } },
          'content_block_delta',
        ),
      ),
      json({ type: 'content_block_stop', index: 1 }),
      json({
        type: 'content_block_start',
        index: 2,
        content_block: { type: 'tool_use', id: 't1', name: 'f', input: {} },
      }),
      ...TEXTS.map((partial_json) =>
        json({ type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json } }),
      ),
      json({ type: 'content_block_stop', index: 2 }),
      json({ type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 9 } }),
      json({ type: 'message_stop' }),
    ],
  ],
  [
    'responses',
    openai(),
    numbered([
      ['response.created', { response: { id: 'r1', model: 'm' } }],
      ...TEXTS.map((delta): [string, object] => [
        'response.output_text.delta',
        { item_id: 'i1', output_index: 0, content_index: 0, delta, logprobs: [], obfuscation: 'x9' },
      ]),
      [
        'response.output_item.added',
        { output_index: 1, item: { type: 'function_call', call_id: 'c1', name: 'f' } },
      ],
      ...TEXTS.map((delta): [string, object] => [
        'response.function_call_arguments.delta',
        { item_id: 'i2', output_index: 1, delta, obfuscation: 'x9' },
      ]),
      [
        'response.completed',
        { response: { status: 'completed', usage: { input_tokens: 3, output_tokens: 4 } } },
      ],
    ]),
  ],
]

/** One act of damage to a list of frames; numbers are taken modulo what there is. */
type Damage =
  | { do: 'repeat' | 'drop' | 'swap'; at: number; with: number }
  | { do: 'cut'; at: number; from: number; length: number; insert: string }
  | { do: 'replace'; at: number; leaf: number; value: unknown }
  | { do: 'rename'; at: number; event: string }

const NASTY = [
  '"',
  '\\',
  '\\"',
  '\\n',
  '\\u00e9',
  '\\ud83d',
  ',',
  ':',
  '{',
  '}',
  '[',
  ']',
  'null',
  '0',
  '\n',
  ' ',
  'x',
  '"a":1,',
]

const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ do: fc.constantFrom('repeat', 'drop', 'swap'), at: fc.nat(), with: fc.nat() }),
  fc.record({
    do: fc.constant('cut' as const),
    at: fc.nat(),
    from: fc.nat(),
    length: fc.nat(3),
    insert: fc.oneof(fc.constantFrom(...NASTY), fc.string({ maxLength: 3 })),
  }),
  fc.record({
    do: fc.constant('replace' as const),
    at: fc.nat(),
    leaf: fc.nat(),
    value: fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom(null, 0, 1, [], {}, true, ['x'], { text: 'x' }),
    ),
  }),
  fc.record({
    do: fc.constant('rename' as const),
    at: fc.nat(),
    event: fc.constantFrom('message', 'error', 'content_block_delta', 'ping'),
  }),
)

function damaged(whole: readonly Frame[], acts: readonly Damage[]): Frame[] {
  const frames = [...whole]
  for (const act of acts) {
    if (frames.length === 0) break
    const at = act.at % frames.length
    const frame = frames[at]!
    if (act.do === 'repeat') frames.splice(act.with % frames.length, 0, frame)
    else if (act.do === 'drop') frames.splice(at, 1)
    else if (act.do === 'swap') {
      const other = act.with % frames.length
      frames[at] = frames[other]!
      frames[other] = frame
    } else if (act.do === 'rename') frames[at] = { ...frame, event: act.event }
    else if (act.do === 'cut') {
      const from = act.from % (frame.data.length + 1)
      frames[at] = {
        ...frame,
        data: frame.data.slice(0, from) + act.insert + frame.data.slice(from + act.length),
      }
    } else if (act.do === 'replace')
      frames[at] = { ...frame, data: withLeaf(frame.data, act.leaf, act.value) }
  }
  return frames
}

/** The JSON text with one of its leaves replaced. */
function withLeaf(data: string, leaf: number, value: unknown): string {
  let leaves = 0
  const count = (_: string, item: unknown): unknown => {
    if (typeof item !== 'object') leaves += 1
    return item
  }
  try {
    JSON.parse(data, count)
  } catch {
    return data
  }
  let left = leaves === 0 ? 0 : leaf % leaves
  return JSON.stringify(
    JSON.parse(data, (_, item: unknown) => (typeof item !== 'object' && left-- === 0 ? value : item)),
  )
}

describe('a codec with its memo says what it says without', () => {
  it.each(STREAMS)('of a whole stream: %s', (_name, provider, frames) => agrees(provider, frames))

  it.each(STREAMS)('of a damaged stream: %s', (_name, provider, frames) => {
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 6 }), (acts) => {
        agrees(provider, damaged(frames, acts))
      }),
      { numRuns: fuzzRuns(5_000, 150) },
    )
  })

  it('and uses it', () => {
    for (const [name, provider, frames] of STREAMS) {
      memo.hits = 0
      said(provider, frames, true)
      // Of ten texts the first is learned; chunks that do more than say a text are parsed each time.
      if (!/every|details|refusal/.test(name)) expect.soft(memo.hits, name).toBeGreaterThan(5)
      else expect.soft(memo.hits, name).toBe(0)
    }
  })
})

const adapters = await loadAdapters()

corpusFolder('memo', 'recordings', (folder, ran) => {
  it('of every recording, as it is and damaged', () => {
    const troubles: string[] = []
    for (const file of listRecordings(folder)) {
      const meta = JSON.parse(readFileSync(`${file}.meta.json`, 'utf8')) as RecordingMeta
      const adapter = adapters.find((candidate) => candidate.matches(meta, file))
      if (adapter === undefined || meta.status >= 300 || file.endsWith('.json')) continue
      const provider = adapter.provider(meta)
      if (provider.framing !== 'sse') continue
      const framer = provider.frames({})
      const frames = [...framer.push(readFileSync(file)), ...framer.end()]
      const few = frames.slice(0, 400)
      try {
        agrees(provider, frames)
        fc.assert(
          fc.property(fc.array(damage, { minLength: 1, maxLength: 6 }), (acts) =>
            agrees(provider, damaged(few, acts)),
          ),
          { numRuns: fuzzRuns(40, 2) },
        )
      } catch (error) {
        troubles.push(`${file}: ${String(error).slice(0, 500)}`)
      }
      ran()
    }
    expect(troubles).toEqual([])
  })
})
