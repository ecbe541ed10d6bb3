import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import { graphemeEdge, sentenceEdge, utf8Length } from '../../src/tokens/fit-text.ts'
import { fit, fitMessages, fitText, summarize } from '../../src/tokens/fit.ts'
import type { FitPolicy } from '../../src/tokens/fit.ts'
import { o200k_base } from '../../src/tokens/encodings/o200k_base.ts'
import type { Message, Request } from '../../src/types.ts'

const runs = process.env['LLMSWAP_FULL'] === '1' ? 400 : 60

const SAMPLES: Record<string, string> = {
  English:
    'The river ran low that summer. Dr. Hale walked its bed each morning, counting stones! "Why?" asked the boy. ',
  Chinese: '那年夏天河水很低。每天早晨，老人都沿着河床走，数着石头！“为什么？”孩子问道。',
  Hindi: 'उस गर्मी में नदी का पानी कम था। बूढ़ा हर सुबह उसके किनारे चलता था। ',
  Thai: 'ฤดูร้อนปีนั้นแม่น้ำตื้นเขิน ชายชราเดินไปตามท้องน้ำทุกเช้า นับก้อนหิน ',
  emoji: '👩‍👩‍👧‍👦 said 🇩🇪🇫🇷 and 👍🏽 to 🤷🏾‍♀️. ',
  code: 'function add(a, b) {\n  return a + b // sum\n}\n\nexport const twice = (x) => add(x, x)\n\n',
  Markdown: '# Title\n\nSome text.\n\n```ts\nconst x = 1\nconst y = 2\n```\n\n- one\n- two\n\n',
  JSON: '{"items":[{"id":1,"name":"first"},{"id":2,"name":"second"}],"next":null}\n',
}

/** Lone surrogates as U+FFFD, by the encoder's own rule. */
function wellFormed(text: string): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text))
}

function long(name: string, times = 60): string {
  return (SAMPLES[name] ?? '').repeat(times)
}

describe('fitText', () => {
  describe.each(Object.keys(SAMPLES))('%s', (name) => {
    it.each(['start', 'end', 'head-tail'] as const)(
      'keep %s fits exactly, splits no character, and leaves no fence open',
      (keep) => {
        const text = long(name)
        for (const limit of [0, 1, 5, 20, 100, 333]) {
          const fitted = fitText(text, limit, { encoding: o200k_base, keep })
          expect(o200k_base.countTokens(fitted.text)).toBeLessThanOrEqual(limit)
          expect(fitted.exact).toBe(true)
          expect(fitted.droppedTokens).toBeGreaterThan(0)
          expect(wellFormed(fitted.text)).toBe(fitted.text)
          if (limit >= 100) {
            expect((fitted.text.match(/^```/gm) ?? []).length % 2).toBe(0)
            expect(fitted.text).toContain('tokens omitted')
            expect(fitted.tokens).toBeGreaterThan(limit * 0.6)
          }
        }
      },
    )

    it('is the identity when it fits', () => {
      const text = long(name, 3)
      const tokens = o200k_base.countTokens(text)
      expect(fitText(text, tokens, { encoding: o200k_base })).toEqual({
        text,
        tokens,
        droppedTokens: 0,
        exact: true,
      })
    })

    it('does not cut a grapheme', () => {
      const segments = [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(SAMPLES[name]!)]
      const edges = new Set(segments.map(({ index }) => index))
      for (let at = 1; at < SAMPLES[name]!.length; at++) {
        expect(edges.has(graphemeEdge(SAMPLES[name]!, at, -1))).toBe(true)
      }
    })
  })

  it('prefers a sentence to a word, a line to a sentence, a blank line to a line', () => {
    const kept = fitText(long('English'), 120, { encoding: o200k_base, marker: '…' }).text
    expect(kept.replace(/\n…$/, '')).toMatch(/[.!?"]$/)
    const lines = fitText(long('JSON'), 200, { encoding: o200k_base, marker: '…' }).text
    expect(
      lines
        .split('\n')
        .slice(0, -1)
        .every((line) => line.endsWith('}')),
    ).toBe(true)
    const paragraphs = fitText(long('code'), 200, { encoding: o200k_base, marker: '…' }).text
    expect(paragraphs.replace(/\n…$/, '')).toMatch(/(?:\}|x\))$/)
  })

  it('closes the fence it cuts, and opens it again after the gap', () => {
    const code = `\`\`\`ts\n${'const value = compute(1, 2, 3)\n'.repeat(200)}\`\`\`\n`
    const { text } = fitText(code, 150, { encoding: o200k_base, keep: 'head-tail' })
    const marks = text.split('\n').filter((line) => line.startsWith('```'))
    expect(marks).toEqual(['```ts', '```', '```ts', '```'])
  })

  it('keeps a conservative size without an encoding, and says that it is an estimate', () => {
    for (const name of Object.keys(SAMPLES)) {
      const fitted = fitText(long(name), 200)
      expect(fitted.exact).toBe(false)
      expect(utf8Length(fitted.text)).toBeLessThanOrEqual(600)
    }
  })

  it('works by rules where there is no Segmenter', () => {
    expect(sentenceEdge('One. Two! Three', -1, undefined)).toBe(10)
    expect(sentenceEdge('一。二！三', 1, undefined)).toBe(2)
    for (const at of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) {
      const edge = graphemeEdge('👩‍👩‍👧‍👦x', at, -1, undefined)
      expect([0, 11]).toContain(edge)
    }
    expect(graphemeEdge('e\u0301x', 1, -1, undefined)).toBe(0)
  })

  it.each(Object.keys(SAMPLES))('counts %s at most log2(n) + 2 times over', (name) => {
    const whole = long(name, 200)
    const total = o200k_base.countTokens(whole)
    for (const share of [0.02, 0.33, 0.9, 0.99]) {
      for (const keep of ['start', 'end', 'head-tail'] as const) {
        let counted = 0
        const countTokens = (part: string): number => ((counted += part.length), o200k_base.countTokens(part))
        const truncate: typeof o200k_base.truncate = (part, limit, options) => {
          const kept = o200k_base.truncate(part, limit, options)
          counted += kept.length
          return kept
        }
        fitText(whole, Math.floor(total * share), { encoding: { countTokens, truncate }, keep })
        expect(counted / whole.length).toBeLessThanOrEqual(Math.log2(whole.length) + 2)
      }
    }
  })

  it('stays linear: a long single word is cut too', () => {
    const fitted = fitText('x'.repeat(200_000), 50, { encoding: o200k_base })
    expect(fitted.tokens).toBeLessThanOrEqual(50)
  })

  it.each([-1, 1.5, Number.NaN, Infinity])('refuses the limit %s', (limit) => {
    expect(() => fitText('a', limit)).toThrow(LlmError)
  })

  it('utf8Length equals the encoder over any string', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        (text) => utf8Length(wellFormed(text)) === new TextEncoder().encode(text).length,
      ),
    )
  })
})

// ------------------------------------------------------------------------------------------ conversations

const text = fc
  .tuple(fc.constantFrom(...Object.keys(SAMPLES)), fc.integer({ min: 1, max: 12 }))
  .map(([name, times]) => long(name, times))

/** One user turn and what follows it: steps with parallel calls and their results, then an answer. */
const turn = fc
  .record({
    question: text,
    steps: fc.array(fc.tuple(text, fc.integer({ min: 1, max: 3 })), { maxLength: 4 }),
    answer: text,
    id: fc.uuid(),
  })
  .map(({ question, steps, answer, id }): Message[] => [
    { role: 'user', content: question },
    ...steps.flatMap(([result, calls], step): Message[] => [
      {
        role: 'assistant',
        content: Array.from({ length: calls }, (_, n) => ({
          type: 'tool-call' as const,
          id: `${id}-${step}-${n}`,
          name: 'look',
          args: { n },
        })),
      },
      ...Array.from({ length: calls }, (_, n): Message => ({
        role: 'tool',
        content: [{ type: 'tool-result', id: `${id}-${step}-${n}`, name: 'look', content: result }],
      })),
    ]),
    { role: 'assistant', content: answer },
  ])

const history = fc
  .tuple(fc.option(text, { nil: undefined }), fc.array(turn, { minLength: 1, maxLength: 6 }), text)
  .map(([system, turns, last]): Message[] => [
    ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
    ...turns.flat(),
    { role: 'user', content: last },
  ])

function callIds(messages: readonly Message[], type: 'tool-call' | 'tool-result'): string[] {
  return messages.flatMap(({ content }) =>
    typeof content === 'string'
      ? []
      : content.flatMap((part) => (part.type === type ? [(part as { id: string }).id] : [])),
  )
}

function isSubsequence(part: readonly Message[], whole: readonly Message[]): boolean {
  let at = 0
  for (const message of whole) if (part[at] === message) at++
  return at === part.length
}

describe('fitMessages, P10', () => {
  it.each(['drop-oldest', 'head-tail'] as const)(
    '%s: fits, an ordered subset, pairs whole, first turn the user’s, idempotent',
    (policy) => {
      fc.assert(
        fc.property(history, fc.double({ min: 0.15, max: 0.95, noNaN: true }), (messages, share) => {
          const all = fitMessages(messages, { limitTokens: 1e9, encoding: o200k_base })
          expect(all.messages).toEqual(messages)
          const limitTokens = Math.floor(all.tokens * share)
          let fitted
          try {
            fitted = fitMessages(messages, { limitTokens, policy, encoding: o200k_base })
          } catch (error) {
            expect(LlmError.is(error) && error.kind).toBe('context-length')
            return
          }
          expect(fitted.tokens).toBeLessThanOrEqual(limitTokens)
          expect(fitMessages(fitted.messages, { limitTokens: 1e9, encoding: o200k_base }).tokens).toBe(
            fitted.tokens,
          )
          expect(isSubsequence(fitted.messages, messages)).toBe(true)
          expect(fitted.messages.length + fitted.dropped.length).toBe(messages.length)
          expect(fitted.droppedTokens).toBe(all.tokens - fitted.tokens)
          expect(callIds(fitted.messages, 'tool-call')).toEqual(callIds(fitted.messages, 'tool-result'))
          expect(fitted.messages.find(({ role }) => role !== 'system')?.role).toBe('user')
          expect(fitted.messages.filter(({ role }) => role === 'system')).toEqual(
            messages.filter(({ role }) => role === 'system'),
          )
          expect(fitted.messages.at(-1)).toBe(messages.at(-1))
          expect(
            fitMessages(fitted.messages, { limitTokens, policy, encoding: o200k_base }).messages,
          ).toEqual(fitted.messages)
        }),
        { numRuns: runs },
      )
    },
  )

  it('truncate-text: fits, keeps every message, and touches neither system nor assistant', () => {
    fc.assert(
      fc.property(history, fc.double({ min: 0.3, max: 0.95, noNaN: true }), (messages, share) => {
        const total = fitMessages(messages, { limitTokens: 1e9, encoding: o200k_base }).tokens
        const limitTokens = Math.floor(total * share)
        let fitted
        try {
          fitted = fitMessages(messages, { limitTokens, policy: 'truncate-text', encoding: o200k_base })
        } catch (error) {
          expect(LlmError.is(error) && error.kind).toBe('context-length')
          return
        }
        expect(fitted.tokens).toBeLessThanOrEqual(limitTokens)
        expect(fitted.messages).toHaveLength(messages.length)
        expect(fitted.shortened).toBeGreaterThan(0)
        for (const [index, { role }] of messages.entries()) {
          if (role === 'assistant' || role === 'system') expect(fitted.messages[index]).toBe(messages[index])
        }
      }),
      { numRuns: runs },
    )
  })

  it('keeps the question an agent is working on, however many steps it has taken', () => {
    const steps = Array.from({ length: 100 }, (_, n): Message[] => [
      { role: 'assistant', content: [{ type: 'tool-call', id: `c${n}`, name: 'look', args: {} }] },
      {
        role: 'tool',
        content: [{ type: 'tool-result', id: `c${n}`, name: 'look', content: long('English', 2) }],
      },
    ]).flat()
    const question: Message = { role: 'user', content: 'Find the stone.' }
    const fitted = fitMessages([question, ...steps], {
      limitTokens: 1_000,
      policy: 'drop-oldest',
      encoding: o200k_base,
    })
    expect(fitted.messages[0]).toBe(question)
    expect(fitted.messages.length).toBeGreaterThan(4)
    expect(callIds(fitted.messages, 'tool-call')).toEqual(callIds(fitted.messages, 'tool-result'))
  })

  it('counts each message once, and nothing else, for policies that drop', () => {
    let counted = 0
    const counting = {
      ...o200k_base,
      countTokens: (part: string) => ((counted += part.length), o200k_base.countTokens(part)),
    }
    const messages = Array.from({ length: 200 }, (_, n): Message => ({
      role: n % 2 === 0 ? 'user' : 'assistant',
      content: long('English', 3),
    }))
    const size = messages.reduce((sum, { content }) => sum + content.length, 0)
    fitMessages(messages, { limitTokens: 2_000, policy: 'drop-oldest', encoding: counting })
    expect(counted).toBe(size)
  })

  it('says with numbers that it does not fit, by default', () => {
    const messages: Message[] = [{ role: 'user', content: long('English') }]
    expect(() => fitMessages(messages, { limitTokens: 100, encoding: o200k_base })).toThrow(
      /takes \d+ tokens where 100 fit/,
    )
    expect(() => fitMessages(messages, { limitTokens: 100 })).toThrow(/takes about \d+ tokens/)
  })

  it('names the system prompt when that alone is too long', () => {
    const messages: Message[] = [
      { role: 'system', content: long('English') },
      { role: 'user', content: 'hi' },
    ]
    for (const policy of ['error', 'drop-oldest', 'head-tail', 'truncate-text'] satisfies FitPolicy[]) {
      expect(() => fitMessages(messages, { limitTokens: 50, policy, encoding: o200k_base })).toThrow(
        /system prompt alone/,
      )
    }
  })

  it('puts a summary in the place of what it dropped, within its room', async () => {
    const messages = Array.from({ length: 20 }, (_, n): Message => ({
      role: n % 2 === 0 ? 'user' : 'assistant',
      content: long('English', 2),
    }))
    const seen: Message[][] = []
    const policy = summarize(
      (dropped) => {
        seen.push(dropped)
        return `Earlier: ${long('English', 20)}`
      },
      { maxTokens: 80 },
    )
    const fitted = await fitMessages(messages, { limitTokens: 600, policy, encoding: o200k_base })
    expect(seen).toEqual([fitted.dropped])
    expect(fitted.tokens).toBeLessThanOrEqual(600)
    expect(fitted.messages[0]).toMatchObject({ role: 'user' })
    expect(fitted.messages[0]?.content).toMatch(/^Earlier: /)
  })
})

describe('the fit option', () => {
  const request = (content: string, more: Partial<Request> = {}): Request => ({
    model: 'm',
    stream: true,
    messages: [
      { role: 'user', content },
      { role: 'assistant', content: 'yes' },
      { role: 'user', content: 'and now?' },
    ],
    ...more,
  })

  it('leaves a request that fits alone, the same object', async () => {
    const one = request('hi')
    expect(await fit({ contextTokens: 10_000, encoding: o200k_base }).apply(one)).toBe(one)
  })

  it('keeps room for the answer, the system prompt and the tools', async () => {
    const option = fit({
      contextTokens: 1_000,
      policy: 'drop-oldest',
      encoding: o200k_base,
      outputTokens: 100,
    })
    const long4 = long('English', 45)
    const small = await option.apply(request(long4))
    expect(small.messages).toEqual([{ role: 'user', content: 'and now?' }])
    await expect(option.apply(request('hi', { system: long('English', 50) }))).rejects.toThrow(
      /System prompt and tools take/,
    )
  })

  it('fits once more to the numbers a server gives', async () => {
    const option = fit({ contextTokens: 100_000, policy: 'drop-oldest', outputTokens: 10 })
    const one = request(long('English', 30))
    expect(await option.apply(one)).toBe(one)
    const again = await option.apply(one, { limitTokens: 300, actualTokens: 900 })
    expect(again.messages).toHaveLength(1)
  })

  it('learns from what servers count', async () => {
    const option = fit({ contextTokens: 2_000, policy: 'drop-oldest', outputTokens: 10 })
    // Estimated at a third of its bytes, this text is 1,284 tokens; the server counts four times as many.
    const one = request(long('English', 36))
    expect(await option.apply(one)).toBe(one)
    for (let call = 0; call < 20; call++) option.observe?.(one, { inputTokens: 5_000 })
    expect((await option.apply(one)).messages).toHaveLength(1)
  })

  it('does not guess a window', async () => {
    await expect(fit({ contextTokens: { find: () => undefined } }).apply(request('hi'))).rejects.toThrow(
      /window of m/,
    )
  })

  it('reports what it did', async () => {
    const reports: number[] = []
    const option = fit({
      contextTokens: 500,
      policy: 'drop-oldest',
      outputTokens: 10,
      onFit: ({ dropped }) => reports.push(dropped.length),
    })
    await option.apply(request(long('English', 30)))
    expect(reports).toEqual([2])
  })
})
