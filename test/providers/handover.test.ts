/** A conversation begun anywhere goes on anywhere: every speaker's history through every endpoint's rules. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import type { HttpRequest } from '../../src/provider.ts'
import type { Message, Part, Request } from '../../src/types.ts'
import { FUZZ_TIMEOUT_MS, fuzzRuns } from '../corpus.ts'
import { thrown } from './codec.ts'
import { conversation, type Endpoint, ENDPOINTS, SPEAKERS, type Speaker, TOOLS } from './handover.ts'

function request(endpoint: Endpoint, messages: Message[], more: Partial<Request> = {}): Request {
  return { model: endpoint.model, messages, system: 'Be brief.', stream: true, ...more }
}

function bodyOf(http: HttpRequest): Record<string, unknown> {
  return JSON.parse(http.body as string) as Record<string, unknown>
}

/** The marks that a speaker left and that nobody else may be sent. */
function marksOf({ name }: Speaker): string[] {
  return ['SIG_', 'ENC_', 'RED_', 'OWN_', 'THOUGHT_', 'rs_'].map((mark) => mark + name)
}

/** Strings that are not well-formed, also in JSON that stands in a string. */
function brokenText(value: unknown, key = ''): string[] {
  if (typeof value === 'string') {
    // encodeURIComponent throws for a lone surrogate.
    if (thrown(() => encodeURIComponent(value)) !== undefined) return [value]
    if (key !== 'arguments') return []
    try {
      return brokenText(JSON.parse(value))
    } catch {
      return []
    }
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, item]) => [...brokenText(name), ...brokenText(item, name)])
}

/** What was said and done must be there, whoever reads it. */
const SAID = [
  'Be brief.',
  'Where is it warm?',
  'I will look.',
  'Paris',
  'twenty degrees',
  'no such city',
  'It is sunny \ufffd in Paris.',
  'And now?',
  'Well?',
]

describe.each(ENDPOINTS)('a history goes on at $label', (endpoint) => {
  const { provider, kin, keeps, rules } = endpoint

  it.each(SPEAKERS)('from $name', (by) => {
    const messages = conversation(by, false)
    const before = structuredClone(messages)
    const http = provider.encode(request(endpoint, messages, { tools: TOOLS }))
    expect(messages, 'the history is not touched').toEqual(before)
    const text = http.body as string
    expect(rules(bodyOf(http))).toEqual([])
    expect(brokenText(bodyOf(http))).toEqual([])
    for (const said of SAID) expect(text).toContain(said)
    // The call whose arguments never were JSON, as a string or as an object.
    expect(text.replaceAll('\\', '')).toContain('{"city":"Ro')
    // Where results know no failure, the model has to read it.
    expect(text).toMatch(/"is_error":true|"status":"error"|Error: no such city|\{"error":"no such city"\}/)

    const dropped = (http.warnings ?? []).filter(({ code }) => code === 'dropped')
    if (kin.includes(by.name)) {
      const own = JSON.stringify(messages)
      for (const mark of keeps) if (own.includes(mark + by.name)) expect(text).toContain(mark + by.name)
    } else {
      for (const mark of marksOf(by)) expect(text, mark).not.toContain(mark)
      const about = dropped.map(({ message }) => message).join('\n')
      expect(about).toMatch(new RegExp(`[Rr]easoning.*${by.name}|${by.name}.*reasoning`))
      if (by.own.length > 0)
        expect(about).toMatch(new RegExp(`part.*(?:${by.name}|"provider")|(?:${by.name}|provider) part`))
      expect(dropped.length).toBeGreaterThanOrEqual(by.reasoning.length + by.own.length)
    }
  })

  it.each(SPEAKERS)('with pictures and documents, or refuses them by name, from $name', (by) => {
    let http: HttpRequest
    try {
      http = provider.encode(request(endpoint, conversation(by, true), { tools: TOOLS }))
    } catch (error) {
      expect(LlmError.is(error), String(error)).toBe(true)
      expect(error).toMatchObject({ provider: provider.name, phase: 'encode' })
      expect((error as LlmError).kind).toMatch(/^(?:unsupported|invalid-request)$/)
      expect((error as LlmError).message).toMatch(/image|file|document/)
      return
    }
    expect(rules(bodyOf(http))).toEqual([])
    // What is not there was named to the model and to the caller.
    const gone = ['iVBORw0KGgo', 'JVBERi0x'].filter((data) => !(http.body as string).includes(data))
    const notes = (http.warnings ?? []).filter(({ message }) => /not sent/.test(message))
    expect(notes.length).toBeGreaterThanOrEqual(gone.length)
  })
})

it('what was refused above is refused by the formats that have no place for it, and by no others', () => {
  const refusing = ENDPOINTS.filter(
    (endpoint) =>
      thrown(() => endpoint.provider.encode(request(endpoint, conversation(SPEAKERS[0]!, true)))) !==
      undefined,
  )
  expect(refusing.map(({ label }) => label).sort()).toEqual(['minimax', 'sarvam'])
})

describe('ids', () => {
  it.each(ENDPOINTS)('are the same in the call and in its result, and told apart, at $label', (endpoint) => {
    // Two ids that differ in their last character only, after more characters than any provider takes.
    const stranger = SPEAKERS.find(({ name }) => name === 'stranger')!
    const http = endpoint.provider.encode(request(endpoint, conversation(stranger, false), { tools: TOOLS }))
    expect(endpoint.rules(bodyOf(http))).toEqual([])
  })

  it('of the provider itself are left alone', () => {
    for (const [label, id] of [
      ['anthropic', 'toolu_01A-b'],
      ['openai', 'call_b7kKQ0mR2mLw8nGkIu1QyXzT'],
      ['openai-chat', 'call_b7kKQ0mR2mLw8nGkIu1QyXzT'],
      ['mistral', 'D681PevKs'],
      ['bedrock converse, Nova', 'tooluse_kZJMlvQmRJ6eAyJE5GIl7Q'],
      ['cohere', 'weather_k3y9q0w1e2r3'],
      ['moonshot', 'functions.weather:0'],
    ]) {
      const endpoint = ENDPOINTS.find((one) => one.label === label)!
      const http = endpoint.provider.encode(
        request(endpoint, [
          { role: 'user', content: 'Hi' },
          { role: 'assistant', content: [{ type: 'tool-call', id: id!, name: 'weather', args: {} }] },
          { role: 'tool', content: [{ type: 'tool-result', id: id!, name: 'weather', content: 'x' }] },
        ]),
      )
      expect((http.body as string).split(JSON.stringify(id)).length - 1, label).toBe(2)
    }
  })
})

describe('what Converse answers 400 to', () => {
  const converse = ENDPOINTS.filter(({ label }) => label.startsWith('bedrock converse'))
  const image: Part = { type: 'image', data: 'iVBORw0KGgo=', mediaType: 'image/png' }
  const file: Part = { type: 'file', data: 'JVBERi0=', mediaType: 'application/pdf' }
  const lookup: Message[] = [
    { role: 'assistant', content: [{ type: 'tool-call', id: 'call_0', name: 'weather', args: {} }] },
    { role: 'tool', content: [{ type: 'tool-result', id: 'call_0', name: 'weather', content: 'warm' }] },
  ]
  const histories: [string, Message[], string[]][] = [
    [
      'a first turn that is an answer',
      [
        { role: 'assistant', content: 'Hello!' },
        { role: 'user', content: 'Hi' },
      ],
      ['converted'],
    ],
    ['a first turn that is a call', [...lookup, { role: 'user', content: 'And?' }], ['converted']],
    ['a document that nobody says a word about', [{ role: 'user', content: [file] }], ['converted']],
    [
      'pictures and documents in an answer',
      [
        { role: 'user', content: 'Draw.' },
        { role: 'assistant', content: [image, file] },
        { role: 'user', content: 'Thanks' },
      ],
      ['dropped', 'dropped'],
    ],
    ['an id that is called again', [{ role: 'user', content: 'Q' }, ...lookup, ...lookup], []],
  ]

  it.each(
    converse.flatMap((endpoint) => histories.map((one) => [endpoint.label, ...one, endpoint] as const)),
  )('is not sent to %s: %s', (_label, _what, messages, warnings, endpoint) => {
    const http = endpoint.provider.encode(request(endpoint, messages, { tools: TOOLS }))
    expect(endpoint.rules(bodyOf(http))).toEqual([])
    expect((http.warnings ?? []).map(({ code }) => code)).toEqual(warnings)
  })
})

// ------------------------------------------------------------------------------------------------- property

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('', ' \n', '\ud83d', 'a\udc00', '__proto__', '{"a":', 'x'.repeat(70)),
)
/** What servers sign and encrypt with is base64. */
const opaque = fc.base64String({ maxLength: 12 })
const origin = fc.option(
  fc
    .record({ provider: fc.oneof(fc.constantFrom(...SPEAKERS.map(({ name }) => name)), text) })
    .chain((base) =>
      fc
        .dictionary(
          fc.constantFrom(
            'id',
            'field',
            'details',
            'sections',
            'plan',
            'thoughtSignature',
            'citations',
            'custom',
            'phase',
          ),
          fc.jsonValue({ maxDepth: 1 }) as fc.Arbitrary<never>,
        )
        .map((more) => ({ ...more, ...base })),
    ),
  { nil: undefined },
)
const textPart = fc.record({ type: fc.constant('text'), text })
const originated = (part: fc.Arbitrary<object>): fc.Arbitrary<Part> =>
  fc
    .tuple(part, origin)
    .map(([one, from]) => ({ ...one, ...(from === undefined ? {} : { origin: from }) }) as Part)

const reasoning = originated(
  fc.record(
    { type: fc.constant('reasoning'), text, signature: opaque, encrypted: opaque, redacted: fc.boolean() },
    { requiredKeys: ['type', 'text'] },
  ),
)
const toolCall = originated(
  fc.oneof(
    fc.record({
      type: fc.constant('tool-call'),
      id: text,
      name: text,
      args: fc.oneof(fc.jsonValue({ maxDepth: 2 }), text),
    }),
    fc.record({
      type: fc.constant('tool-call'),
      id: text,
      name: text,
      invalid: fc.record({ raw: text, reason: text }),
    }),
  ),
)
const providerPart = fc.record({
  type: fc.constant('provider'),
  provider: fc.constantFrom(...SPEAKERS.map(({ name }) => name)),
  value: fc.jsonValue({ maxDepth: 2 }),
}) as fc.Arbitrary<Part>
const media = fc.oneof(
  fc.record({
    type: fc.constant('image'),
    data: fc.constant('iVBORw0KGgo='),
    mediaType: fc.constant('image/png'),
  }),
  fc.record({ type: fc.constant('image'), url: fc.constant('https://example.com/a.png') }),
  fc.record({ type: fc.constantFrom('image', 'file'), fileId: text }),
  fc.record({ type: fc.constant('file'), data: fc.uint8Array(), mediaType: fc.constant('application/pdf') }),
  fc.record({
    type: fc.constant('audio'),
    data: fc.constant('UklGRg=='),
    mediaType: fc.constant('audio/wav'),
  }),
) as unknown as fc.Arbitrary<Part>

const says = originated(textPart)
/** Results, with what may stand in them beside text. */
const result = (inside: fc.Arbitrary<Part>): fc.Arbitrary<Part> =>
  originated(
    fc.record(
      {
        type: fc.constant('tool-result'),
        id: text,
        name: text,
        content: fc.oneof(text, fc.array(fc.oneof(says, inside), { maxLength: 3 })),
        isError: fc.boolean(),
      },
      { requiredKeys: ['type', 'id', 'name', 'content'] },
    ),
  )

/** Any turns in any order, each of what its role may hold; `more` may stand wherever a user or a model shows things. */
function history(more: fc.Arbitrary<Part>): fc.Arbitrary<Message[]> {
  const turn = (role: Message['role'], ...parts: fc.Arbitrary<Part>[]): fc.Arbitrary<Message> =>
    fc.record({
      role: fc.constant(role),
      content: fc.oneof(text, fc.array(fc.oneof(...parts), { maxLength: 5 })),
    })
  return fc.array(
    fc.oneof(
      turn('system', says),
      turn('user', says, providerPart, more, result(fc.oneof(providerPart, more))),
      turn('assistant', says, reasoning, toolCall, providerPart, more),
      fc.record({
        role: fc.constant('tool' as const),
        content: fc.array(result(fc.oneof(providerPart, more)), { maxLength: 3 }),
      }),
    ),
    { minLength: 1, maxLength: 6 },
  )
}

describe('any history at all', () => {
  const runs = fuzzRuns(100, 20)

  it.each(ENDPOINTS)(
    'is encoded, and nothing is thrown, at $label',
    (endpoint) => {
      fc.assert(
        fc.property(history(says), (messages) => {
          const copy = structuredClone(messages)
          const http = endpoint.provider.encode(request(endpoint, messages, { tools: TOOLS }))
          expect(brokenText(bodyOf(http))).toEqual([])
          expect(messages).toEqual(copy)
        }),
        { numRuns: runs },
      )
    },
    FUZZ_TIMEOUT_MS,
  )

  it.each(ENDPOINTS)(
    'with media is encoded, or refused before anything is sent, at $label',
    (endpoint) => {
      fc.assert(
        fc.property(history(media), (messages) => {
          const error = thrown(() => endpoint.provider.encode(request(endpoint, messages)))
          if (error === undefined) return
          expect(LlmError.is(error), String(error)).toBe(true)
          expect((error as LlmError).kind).toMatch(/^(?:unsupported|invalid-request)$/)
          expect((error as LlmError).message).toMatch(/image|file|audio|sound/)
        }),
        { numRuns: runs },
      )
    },
    FUZZ_TIMEOUT_MS,
  )
})
