/** Rows 74 to 84 and 92 of the fault matrix: answers that begin well. What single codecs do is in test/providers. */

import { describe, expect, test } from 'vitest'
import type { Provider } from '../../src/provider.ts'
import { LlmError } from '../../src/errors.ts'
import { createClient } from '../../src/client.ts'
import { gemini } from '../../src/providers/gemini.ts'
import { openai } from '../../src/providers/openai.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import type { Completion } from '../../src/types.ts'
import { createFakeClock } from '../fake-clock.ts'
import { chunk, ENDING, frame } from '../server.ts'
import { STREAM } from './faults-stream.ts'
import { check, KEY } from './harness.ts'

describe('errors inside a response', () => {
  test.each(STREAM)('row $row: $name', check)
})

/** One call that is answered with this body. */
async function answered(
  body: string,
  provider: Provider = openaiChat({ baseURL: 'http://x', apiKey: KEY }),
): Promise<Completion> {
  const fetch = async (): Promise<Response> => new Response(body)
  return createClient({ provider, model: 'asked', fetch, retry: false }).complete('hi')
}

async function failureOf(run: Promise<unknown>): Promise<LlmError | undefined> {
  try {
    await run
  } catch (error) {
    if (LlmError.is(error)) return error
    throw error
  }
  return undefined
}

test('row 75: response.incomplete ends with its reason', async () => {
  const provider = openai({ baseURL: 'http://x', apiKey: KEY })
  for (const [reason, finishReason] of [
    ['max_output_tokens', 'length'],
    ['content_filter', 'content-filter'],
  ]) {
    const response = { id: 'r', model: 'm', status: 'incomplete', incomplete_details: { reason }, output: [] }
    const body = `event: response.incomplete\n${frame({ type: 'response.incomplete', response })}`
    expect(await answered(body, provider)).toMatchObject({ finishReason })
  }
})

describe('row 77: Gemini', () => {
  const provider = gemini({ baseURL: 'http://x', apiKey: KEY })
  const ending = (finishReason: string, text = ''): string =>
    frame({ candidates: [{ content: { parts: text === '' ? [] : [{ text }] }, finishReason }] })
  test.each(['SAFETY', 'RECITATION'])('row 77: %s after text is a finish reason', async (reason) => {
    expect(await answered(ending(reason, 'Hel'), provider)).toMatchObject({
      text: 'Hel',
      finishReason: 'content-filter',
      rawFinishReason: reason,
    })
  })
  test('row 77: no candidate at all is never a whole answer', async () => {
    const error = await failureOf(answered(frame({ candidates: [] }), provider))
    expect(['interrupted', 'protocol', 'content-filter']).toContain(error?.kind)
  })
  test('row 77: MALFORMED_FUNCTION_CALL is not a stop', async () => {
    const outcome = await answered(ending('MALFORMED_FUNCTION_CALL'), provider).catch(
      (error: unknown) => error,
    )
    if (LlmError.is(outcome)) expect(['invalid-output', 'server', 'interrupted']).toContain(outcome.kind)
    else expect((outcome as Completion).finishReason).not.toBe('stop')
  })
})

describe('Chat Completions that are odd', () => {
  const call = (index: unknown, more: object): string =>
    frame({
      model: 'm',
      choices: [{ index: 0, delta: { tool_calls: [{ index, ...more }] }, finish_reason: null }],
    })
  const done = `${frame({ model: 'm', choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] })}data: [DONE]\n\n`
  const begin = { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }

  test.each([1e9, -1, 1.5, '__proto__', null])(
    'row 79: a call at index %j makes no hole and no crash',
    async (index) => {
      const outcome = await answered(call(index, begin) + done).catch((error: unknown) => error)
      if (LlmError.is(outcome)) expect(outcome.kind).toBe('protocol')
      else expect((outcome as Completion).message.content).toHaveLength(1)
    },
  )
  test('row 79: arguments for a call that never began', async () => {
    const outcome = await answered(call(7, { function: { arguments: '{"a":1}' } }) + done).catch(
      (error: unknown) => error,
    )
    if (LlmError.is(outcome)) expect(outcome.kind).toBe('protocol')
    else
      expect((outcome as Completion).toolCalls.every((one) => 'invalid' in one || one.name !== '')).toBe(true)
  })
  test('row 80: two roles, a start in the middle, content after the end: no text twice, no crash', async () => {
    const role = frame({ model: 'm', choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] })
    expect((await answered(role + role + chunk('Hel') + role + chunk('lo') + ENDING)).text).toBe('Hello')
  })
  test.each([
    ['missing', undefined],
    ['null', null],
    ['negative', { prompt_tokens: -5, completion_tokens: -1 }],
    ['strings', { prompt_tokens: 'many', completion_tokens: '3' }],
    ['NaN in disguise', { prompt_tokens: null, completion_tokens: {} }],
  ])('row 81: usage that is %s is no number, and no cost is NaN', async (_, usage) => {
    const last = frame({ model: 'm', choices: [], ...(usage === undefined ? {} : { usage }) })
    const { usage: counted, cost } = await answered(
      `${chunk('ok', null)}${chunk('', 'stop')}${last}data: [DONE]\n\n`,
    )
    for (const count of Object.values(counted)) {
      if (count !== undefined) expect(count).toBeGreaterThanOrEqual(0)
    }
    expect(Number.isNaN(cost?.total)).toBe(false)
  })
  test('row 81: usage that only the last chunk has, after the finish, is counted', async () => {
    expect((await answered(chunk('ok') + ENDING)).usage).toMatchObject({ inputTokens: 5, outputTokens: 2 })
  })
  test.each([
    ['a reason nobody knows', 'because', 'because'],
    ['an empty one', '', ''],
  ])('row 82: %s is "unknown", and kept', async (_, reason, kept) => {
    const { finishReason, rawFinishReason } = await answered(
      `${chunk('ok')}${chunk('', reason)}data: [DONE]\n\n`,
    )
    expect(finishReason).toBe('unknown')
    if (kept !== '') expect(rawFinishReason).toBe(kept)
  })
  test('row 83: two calls, interleaved, without ids or with one id', async () => {
    for (const id of [undefined, 'same']) {
      const one = (index: number, name: string, args: string): string =>
        call(index, {
          ...(id === undefined ? {} : { id }),
          type: 'function',
          function: { name, arguments: args },
        })
      const more = (index: number, args: string): string => call(index, { function: { arguments: args } })
      const body = one(0, 'f', '{"a"') + one(1, 'g', '{"b"') + more(0, ':1}') + more(1, ':2}') + done
      const { toolCalls } = await answered(body)
      expect(toolCalls).toMatchObject([
        { name: 'f', args: { a: 1 } },
        { name: 'g', args: { b: 2 } },
      ])
      expect(new Set(toolCalls.map((one_) => one_.id)).size).toBe(2)
      expect(toolCalls.every((one_) => one_.id !== '')).toBe(true)
    }
  })
  test('row 83: a call without a name is flagged, not run', async () => {
    const body = call(0, { id: 'a', type: 'function', function: { name: '', arguments: '{}' } }) + done
    const outcome = await answered(body).catch((error: unknown) => error)
    if (LlmError.is(outcome)) expect(outcome.kind).toBe('protocol')
    else expect((outcome as Completion).toolCalls[0]).toHaveProperty('invalid')
  })
  test('row 84: the model is the one the response names, and is the one that is priced', async () => {
    const priced: string[] = []
    const client = createClient({
      provider: openaiChat({ baseURL: 'http://x', apiKey: KEY }),
      model: 'asked',
      fetch: async () => new Response(chunk('ok') + ENDING),
      prices: {
        price: (_: unknown, model: string) => {
          priced.push(model)
          return { total: 1, currency: 'USD', exact: '1', from: 'catalog' } as never
        },
      } as never,
    })
    expect(await client.complete('hi')).toMatchObject({ model: 'test-model', cost: { total: 1 } })
    expect(new Set(priced)).toEqual(new Set(['test-model']))
  })
})

test('row 92: a machine that slept in the middle of a stream wakes to an idle timeout', async () => {
  const clock = createFakeClock()
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode(chunk('Hel'))),
  })
  const client = createClient({
    provider: openaiChat({ baseURL: 'http://x', apiKey: KEY }),
    model: 'm',
    fetch: async () => new Response(body),
    clock,
    retry: false,
  })
  const failed = failureOf(client.complete('hi'))
  await clock.advance(10)
  // Eight hours in one go: what a monotonic clock shows on waking, with every timer overdue.
  await clock.advance(8 * 3_600_000)
  expect(await failed).toMatchObject({
    kind: 'interrupted',
    phase: 'idle',
    partial: { text: 'Hel' },
    cause: { kind: 'timeout' },
  })
  expect(clock.armed).toBe(0)
})
