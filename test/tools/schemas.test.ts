import { toStandardJsonSchema } from '@valibot/to-json-schema'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { fake } from '../../src/adapters/testing.ts'
import { createClient } from '../../src/client.ts'
import { describeIssues } from '../../src/tools/schema.ts'
import { sumUsage } from '../../src/stream/usage.ts'
import { sumCost } from '../../src/tools/sums.ts'
import { runTools, tool } from '../../src/tools/index.ts'
import type { Cost, ToolResultPart } from '../../src/types.ts'

/** The same shape in every way a schema can be given. */
const kinds = {
  zod: z.object({ city: z.string(), days: z.int().min(1).optional() }),
  arktype: type({ city: 'string', 'days?': 'number >= 1' }),
  valibot: toStandardJsonSchema(
    v.object({ city: v.string(), days: v.optional(v.pipe(v.number(), v.minValue(1))) }),
  ),
  own: {
    jsonSchema: {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' } },
      required: ['city'],
    },
    validate: (value: unknown) =>
      typeof (value as { city?: unknown }).city === 'string'
        ? { value }
        : { issues: [{ message: 'not a string', path: ['city'] }] },
  },
}

/** Through the real pipeline: a fake transport, real frames, the real correlator. */
async function callWith(inputSchema: (typeof kinds)[keyof typeof kinds], args: unknown) {
  const seen: unknown[] = []
  const answering = fake([{ text: 'Let me see.', toolCalls: [{ name: 'weather', args }] }, 'It rains.'])
  const client = createClient({ provider: answering.provider, transport: answering.transport })
  const weather = tool({
    name: 'weather',
    description: 'The weather of a city.',
    inputSchema,
    execute: (given) => {
      seen.push(given)
      return { rain: true }
    },
  })
  const completion = await runTools('Does it rain?', { client, tools: [weather] }).completion
  const [result] = completion.messages[2]!.content as ToolResultPart[]
  return { seen, completion, result: result!, calls: answering.calls }
}

describe('a tool with a schema of every kind, through the real pipeline', () => {
  for (const [name, schema] of Object.entries(kinds)) {
    it(`${name}: sent as JSON Schema, arguments validated, result told`, async () => {
      const { seen, completion, result, calls } = await callWith(schema, { city: 'Oslo', days: 2 })
      expect(calls[0]!.request.tools).toMatchObject([
        {
          name: 'weather',
          inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
        },
      ])
      expect(seen).toEqual([{ city: 'Oslo', days: 2 }])
      expect(result.content).toBe('{"rain":true}')
      expect(completion).toMatchObject({ text: 'It rains.', stopReason: 'answered' })
      expect(calls[1]!.request.messages).toEqual(completion.messages.slice(0, 3))
    })

    it(`${name}: arguments that do not fit are told to the model and never run`, async () => {
      const { seen, result } = await callWith(schema, { city: 5 })
      expect(seen).toEqual([])
      expect(result).toMatchObject({ isError: true, content: expect.stringMatching(/do not fit: .*city/) })
    })

    it(`${name}: broken JSON is told to the model and never run`, async () => {
      const { seen, result } = await callWith(schema, '{"city": "Os')
      expect(seen).toEqual([])
      expect(result).toMatchObject({ isError: true, content: expect.stringContaining('could not be read') })
    })
  }

  it('hands on what the schema makes of the arguments', async () => {
    let got: unknown
    const answering = fake([{ toolCalls: [{ name: 't', args: { at: '2026-01-02' } }] }, 'ok'])
    const client = createClient({ provider: answering.provider, transport: answering.transport })
    const made = tool({
      name: 't',
      inputSchema: z.object({ at: z.string().transform((text) => new Date(text)) }),
      execute: ({ at }) => {
        got = at
      },
    })
    await runTools('go', { client, tools: [made] }).completion
    expect(got).toEqual(new Date('2026-01-02'))
  })

  it('a validator that throws fails the run: it is the program that is wrong', async () => {
    const answering = fake([{ toolCalls: [{ name: 't', args: {} }] }])
    const client = createClient({ provider: answering.provider, transport: answering.transport })
    const inputSchema = {
      jsonSchema: { type: 'object' },
      validate: () => {
        throw new Error('mine')
      },
    }
    const made = tool({ name: 't', inputSchema, execute: () => 1 })
    await expect(runTools('go', { client, tools: [made] }).completion).rejects.toMatchObject({
      kind: 'config',
    })
  })

  it('a schema its library cannot render is an error before anything is sent', async () => {
    const answering = fake('ok')
    const client = createClient({ provider: answering.provider, transport: answering.transport })
    const made = tool({ name: 'when', inputSchema: z.object({ at: z.date() }), execute: () => 1 })
    await expect(runTools('go', { client, tools: [made] }).completion).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringContaining('"when"'),
    })
    expect(answering.calls).toHaveLength(0)
  })

  it('the final answer has its object, with tools on the way', async () => {
    const answering = fake([{ toolCalls: [{ name: 'roll', args: {} }] }, { object: { total: 7 } }])
    const client = createClient({ provider: answering.provider, transport: answering.transport })
    const roll = tool({ name: 'roll', inputSchema: z.object({}), execute: () => [3, 4] })
    const run = runTools('Roll two dice.', { client, tools: [roll], schema: z.object({ total: z.number() }) })
    const shown: unknown[] = []
    for await (const event of run)
      if (event.type === 'object-delta') shown.push(structuredClone(event.object))
    expect(shown.at(-1)).toEqual({ total: 7 })
    expect((await run.completion).object).toEqual({ total: 7 })
  })

  it('a cut stream runs nothing and keeps what was said', async () => {
    let ran = 0
    const answering = fake([{ text: 'one two three', toolCalls: [{ name: 't', args: {} }], cutAfter: 4 }])
    const client = createClient({
      provider: answering.provider,
      transport: answering.transport,
      retry: false,
    })
    const made = tool({ name: 't', inputSchema: z.object({}), execute: () => ran++ })
    const run = runTools('go', { client, tools: [made] })
    await expect(run.completion).rejects.toMatchObject({
      kind: 'interrupted',
      partial: { text: expect.stringContaining('one') },
    })
    expect(ran).toBe(0)
    expect(run.messages).toHaveLength(1)
  })
})

describe('describeIssues', () => {
  it('names paths, at most ten', () => {
    const issues = Array.from({ length: 12 }, (_, i) => ({ message: 'bad', path: ['a', { key: i }] }))
    expect(describeIssues(issues)).toBe(
      `${Array.from({ length: 10 }, (_, i) => `a.${i}: bad`).join('; ')}; and 2 more`,
    )
    expect(describeIssues([{ message: 'at the root' }])).toBe('at the root')
  })
})

describe('sums', () => {
  it('adds what was reported and leaves the rest undefined', () => {
    expect(sumUsage([])).toEqual({})
    expect(sumUsage([{ inputTokens: 1 }, { inputTokens: 2, reasoningTokens: 0 }, {}])).toEqual({
      inputTokens: 3,
      reasoningTokens: 0,
    })
  })

  it('adds money exactly, or not at all', () => {
    const cost = (exact: string, from: Cost['from'] = 'catalog'): Cost => ({
      total: Number(exact),
      currency: 'USD',
      exact,
      from,
    })
    const dimes = sumCost(Array.from({ length: 10 }, () => cost('0.1')))
    expect(dimes).toEqual({ total: 1, currency: 'USD', exact: '1', from: 'catalog' })
    expect(sumCost([cost('1', 'provider'), cost('2', 'provider')])).toMatchObject({
      exact: '3',
      from: 'provider',
    })
    expect(sumCost([cost('1'), undefined])).toBeUndefined()
    expect(sumCost([cost('1'), cost('unknown')])).toBeUndefined()
    expect(sumCost([])).toBeUndefined()
  })
})
