import { toStandardJsonSchema } from '@valibot/to-json-schema'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { runTools, tool, type ToolRunCompletion } from '../../src/tools/index.ts'
import type { Infer, StandardResult, Tool, ToolContext } from '../../src/types.ts'

interface Place {
  city: string
  days?: number | undefined
}

describe('tool() infers the arguments', () => {
  it('from zod', () => {
    const inputSchema = z.object({ city: z.string(), days: z.number().optional() })
    const made = tool({
      name: 'weather',
      inputSchema,
      execute: (args, context) => {
        expectTypeOf(args).toEqualTypeOf<{ city: string; days?: number | undefined }>()
        expectTypeOf(context).toEqualTypeOf<ToolContext>()
        return args.city.length
      },
    })
    expectTypeOf(made).toEqualTypeOf<Tool<{ city: string; days?: number | undefined }, number>>()
    expectTypeOf<Infer<typeof inputSchema>>().toExtend<Place>()
  })

  it('from zod, with the output of a transform', () => {
    tool({
      name: 't',
      inputSchema: z.object({ at: z.string().transform((text) => new Date(text)) }),
      execute: (args) => {
        expectTypeOf(args.at).toEqualTypeOf<Date>()
      },
    })
  })

  it('from arktype', () => {
    tool({
      name: 'weather',
      inputSchema: type({ city: 'string', 'days?': 'number' }),
      execute: (args) => {
        expectTypeOf(args).toExtend<Place>()
        expectTypeOf(args.city).toEqualTypeOf<string>()
      },
    })
  })

  it('from valibot through its converter', () => {
    tool({
      name: 'weather',
      inputSchema: toStandardJsonSchema(v.object({ city: v.string(), days: v.optional(v.number()) })),
      execute: (args) => {
        expectTypeOf(args).toExtend<Place>()
        expectTypeOf(args.city).toEqualTypeOf<string>()
      },
    })
  })

  it('from a validator of your own', () => {
    const validate = (value: unknown): StandardResult<Place> => ({ value: value as Place })
    tool({
      name: 'weather',
      inputSchema: { jsonSchema: { type: 'object' }, validate },
      execute: (args) => {
        expectTypeOf(args).toEqualTypeOf<Place>()
      },
    })
  })

  it('from a raw JSON Schema: unknown', () => {
    tool({
      name: 'weather',
      inputSchema: { type: 'object', properties: { city: { type: 'string' } } },
      execute: (args) => {
        expectTypeOf(args).toBeUnknown()
      },
    })
  })

  it('a result may be a promise', () => {
    const made = tool({ name: 't', inputSchema: z.object({}), execute: async () => 'text' })
    expectTypeOf(made).toEqualTypeOf<Tool<Record<string, never>, string>>()
  })
})

describe('tools of different arguments stand in one list', () => {
  it('without a cast', () => {
    const a = tool({ name: 'a', inputSchema: z.object({ x: z.string() }), execute: ({ x }) => x })
    const b = tool({ name: 'b', inputSchema: type({ y: 'number' }), execute: ({ y }) => y })
    const c: Tool = { name: 'c', inputSchema: { type: 'object' } }
    expectTypeOf(runTools).toBeCallableWith('go', { tools: [a, b, c] })
  })
})

describe('runTools infers the object', () => {
  it('from the schema', () => {
    const run = runTools('go', { schema: z.object({ total: z.number() }) })
    expectTypeOf(run.completion).toEqualTypeOf<Promise<ToolRunCompletion<{ total: number }>>>()
    expectTypeOf<ToolRunCompletion<{ total: number }>['object']>().toEqualTypeOf<
      { total: number } | undefined
    >()
  })

  it('and is unknown without one', () => {
    expectTypeOf(runTools('go', {}).completion).resolves.toHaveProperty('object').toBeUnknown()
  })
})
