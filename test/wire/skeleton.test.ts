/** The skeleton memo: it finds the text JSON.parse would find, or nothing. */
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { createSkeleton } from '../../src/wire/skeleton.ts'
import { FUZZ_TIMEOUT_MS, fuzzRuns } from '../corpus.ts'

vi.setConfig({ testTimeout: FUZZ_TIMEOUT_MS })

const frame = (content: string, more: object = {}): string =>
  JSON.stringify({ id: 'c1', choices: [{ index: 0, delta: { content }, finish_reason: null }], ...more })

function learned(
  data: string,
  text: string,
  ignored?: readonly string[],
): (data: string) => string | undefined {
  const skeleton = createSkeleton<string>(ignored)
  skeleton.learn(data, text, 'tag')
  return (other) => skeleton.match(other)
}

describe('a frame like the learned one', () => {
  const match = learned(frame('Hello'), 'Hello')

  it.each([
    '',
    ' ',
    'x',
    'a longer text than thirteen',
    '\u00e9\u4e16\u{1f600}',
    'a"b',
    'a\\',
    '\\"',
    '\n',
    '\u0000',
    '\ud83d',
  ])('gives its text: %j', (text) => expect(match(frame(text))).toBe(text))

  it.each([
    ['another id', frame('Hi').replace('c1', 'c2')],
    ['a field more', frame('Hi', { usage: null })],
    ['a finish reason', frame('Hi').replace('null', '"stop"')],
    ['white space', `${frame('Hi')} `],
    ['a text that is not a string', frame('Hi').replace('"Hi"', 'null')],
    ['a text that ends early', frame('Hi').replace('Hi', 'Hi","x":"')],
    ['a control character', frame('Hi').replace('Hi', 'H\ti')],
    ['an escape that is none', frame('Hi').replace('Hi', '\\x')],
    ['a cut escape', frame('Hi').replace('Hi', '\\ud8')],
    ['a cut frame', frame('Hi').slice(0, -1)],
    ['no frame', ''],
    ['[DONE]', '[DONE]'],
  ])('but for %s gives nothing', (_name, data) => expect(match(data)).toBeUndefined())
})

describe('fields that change and mean nothing', () => {
  const responses = (delta: string, sequence_number: number, obfuscation: string): string =>
    JSON.stringify({ type: 'response.output_text.delta', sequence_number, delta, obfuscation })
  const match = learned(responses('Hello', 7, 'aB3'), 'Hello', ['obfuscation', 'sequence_number', 'absent'])

  it('may have any value of their kind', () => {
    expect(match(responses('Hi', 8, 'zZ9qqqqqqqqqqqqqqqqq'))).toBe('Hi')
    expect(match(responses('', 0, ''))).toBe('')
    expect(match(responses('a"b', 123_456, 'x'))).toBe('a"b')
  })

  it.each([
    ['a leading zero', '"sequence_number":08'],
    ['a sign', '"sequence_number":-8'],
    ['a fraction', '"sequence_number":8.5'],
    ['an exponent', '"sequence_number":8e2'],
    ['a string', '"sequence_number":"8"'],
    ['nothing', '"sequence_number":'],
  ])('but not %s', (_name, field) => {
    expect(match(responses('Hi', 8, 'x').replace('"sequence_number":8', field))).toBeUndefined()
  })
})

describe('what cannot be proven is not learned', () => {
  it.each([
    ['the text stands there twice', '{"a":"x","b":"x"}', 'x'],
    ['the text is empty', '{"a":""}', ''],
    ['the text is not there', '{"a":"x"}', 'y'],
    ['the text is a key', '{"x":1}', 'x'],
    ['the text is between two strings', '{"a":"b"}', ':'],
    ['the text is inside a string', String.raw`{"a":"say \"x\" twice"}`, 'x'],
    ['a later field of the same name wins', '{"a":"x","a":"y"}', 'x'],
    ['the frame is not JSON', '{"a":"x"', 'x'],
  ])('%s', (_name, data, text) => {
    const match = learned(data, text)
    expect(match(data)).toBeUndefined()
    expect(match(data.replace(text, 'z'))).toBeUndefined()
  })
})

describe('learning', () => {
  it('keeps the last frame and its tag', () => {
    const skeleton = createSkeleton<string>()
    expect(skeleton.match(frame('x'))).toBeUndefined()
    skeleton.learn(frame('Hello'), 'Hello', 'content')
    for (let i = 0; i < 10; i += 1) expect(skeleton.match(frame(`t${i}`))).toBe(`t${i}`)
    skeleton.learn('{"reasoning":"Hm"}', 'Hm', 'reasoning')
    expect(skeleton.match(frame('x'))).toBeUndefined()
    expect(skeleton.match('{"reasoning":"so"}')).toBe('so')
    expect(skeleton.tag).toBe('reasoning')
  })

  it('is given up on a stream whose frames have nothing in common', () => {
    const skeleton = createSkeleton<number>()
    for (let i = 0; i < 10; i += 1) skeleton.learn(`{"id":${i},"text":"Hello"}`, 'Hello', i)
    expect(skeleton.match('{"id":9,"text":"x"}')).toBeUndefined()
  })

  it('goes on where frames alternate seldom', () => {
    const skeleton = createSkeleton<number>()
    for (let i = 0; i < 100; i += 1) {
      skeleton.learn(`{"id":${i},"text":"Hello"}`, 'Hello', i)
      for (let k = 0; k < 8; k += 1) expect(skeleton.match(`{"id":${i},"text":"${k}"}`)).toBe(String(k))
    }
  })
})

describe('any JSON', () => {
  /** Sets the one leaf that equals `from`. */
  function replaced(value: unknown, from: string, to: string): unknown {
    if (value === from) return to
    if (Array.isArray(value)) return value.map((item) => replaced(item, from, to))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replaced(item, from, to)]))
  }
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('"', '\\', ':', ',', '":"', 'a'),
  )

  it('around the text: another text is found, and is what JSON.parse finds', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.string(),
        text,
        text,
        fc.jsonValue(),
        (before, key, first, second, after) => {
          const make = (content: string): string => JSON.stringify([before, { [key]: content }, after])
          const found = learned(make(first), first)(make(second))
          // Not learnable where the first text stands there twice, as a key or as part of what JSON writes.
          if (found !== undefined)
            expect(found).toBe((JSON.parse(make(second)) as [0, Record<string, string>])[1][key])
        },
      ),
      { numRuns: fuzzRuns(20_000, 800) },
    )
  })

  it('damaged in any place: what is still found is what JSON.parse finds', () => {
    let still = 0
    const data = JSON.stringify({ id: 'c1', n: 17, choices: [{ delta: { content: 'Hello' } }], p: 'abc' })
    const match = learned(data, 'Hello', ['n', 'p'])
    const damage = fc.tuple(
      fc.nat(data.length),
      fc.nat(3),
      fc.oneof(
        fc.constantFrom('"', '\\', '\\n', '\\u00e9', '0', '7', ',', 'x', '\n', '{', '}', '\\"'),
        fc.string({ maxLength: 3 }),
      ),
    )
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), (cuts) => {
        let damaged = data
        for (const [at, length, insert] of cuts)
          damaged = damaged.slice(0, at) + insert + damaged.slice(at + length)
        const found = match(damaged)
        if (found === undefined) return
        still += 1
        const parsed = JSON.parse(damaged) as { n: number; p: string }
        const expected = replaced(JSON.parse(data), 'Hello', found) as { n: number; p: string }
        expect(parsed).toEqual({ ...expected, n: parsed.n, p: parsed.p })
        expect(typeof parsed.n).toBe('number')
        expect(typeof parsed.p).toBe('string')
      }),
      { numRuns: fuzzRuns(20_000, 1_500) },
    )
    expect(still).toBeGreaterThan(50)
  })
})
