import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { convertSchema } from '../../src/providers/schema-dialects.ts'
import { toJsonSchema } from '../../src/schema.ts'
import { dropAddedNulls } from '../../src/stream/added-nulls.ts'

const drop = (value: unknown, schema: z.ZodType): unknown => dropAddedNulls(value, toJsonSchema(schema))

describe('dropAddedNulls', () => {
  it('leaves out null of an optional property that takes no null', () => {
    const schema = z.object({
      a: z.string().optional(),
      b: z.string().nullish(),
      c: z.string().nullable(),
      d: z.string(),
    })
    const value = { a: null, b: null, c: null, d: null }
    expect(drop(value, schema)).toEqual({ b: null, c: null, d: null })
    expect(value).toEqual({ a: null, b: null, c: null, d: null })
  })

  it('reaches into objects, arrays, tuples, maps and intersections', () => {
    const item = z.object({ n: z.number().optional() })
    const schema = z.object({
      one: item,
      list: z.array(item),
      pair: z.tuple([item, z.string()]),
      map: z.record(z.string(), item),
      both: item.and(z.object({ m: z.number().optional() })),
    })
    const none = { n: null }
    expect(
      drop(
        {
          one: none,
          list: [none, { n: 1 }],
          pair: [none, 'x'],
          map: { k: none },
          both: { n: null, m: null },
        },
        schema,
      ),
    ).toEqual({ one: {}, list: [{}, { n: 1 }], pair: [{}, 'x'], map: { k: {} }, both: {} })
  })

  it('goes by the tag of a union', () => {
    const schema = z.array(
      z.discriminatedUnion('type', [
        z.object({ type: z.literal('a'), x: z.string().optional() }),
        z.object({ type: z.literal('b'), x: z.string().nullable().optional() }),
      ]),
    )
    expect(
      drop(
        [
          { type: 'a', x: null },
          { type: 'b', x: null },
        ],
        schema,
      ),
    ).toEqual([{ type: 'a' }, { type: 'b', x: null }])
  })

  it('follows references and recursion', () => {
    const Node = z.object({
      name: z.string().optional(),
      get kids() {
        return z.array(Node).optional()
      },
    })
    expect(drop({ name: null, kids: [{ name: 'x', kids: null }] }, Node)).toEqual({ kids: [{ name: 'x' }] })
  })

  it('is what makes a strict answer fit again', () => {
    const schema = z.object({ a: z.string().optional(), b: z.object({ c: z.enum(['x']).optional() }) })
    const rendered = toJsonSchema(schema)
    expect(convertSchema(rendered, 'openai-strict').schema['required']).toEqual(['a', 'b'])
    const answer = { a: null, b: { c: null } }
    expect(schema.safeParse(answer).success).toBe(false)
    expect(schema.parse(dropAddedNulls(answer, rendered))).toEqual({ b: {} })
  })

  it('keeps __proto__ an own member, and values without a schema as they are', () => {
    const value = JSON.parse('{"__proto__":{"a":null},"x":null}') as unknown
    const out = dropAddedNulls(value, { type: 'object', properties: {} })
    expect(JSON.stringify(out)).toBe('{"__proto__":{"a":null},"x":null}')
    expect(dropAddedNulls(null, {})).toBeNull()
    expect(dropAddedNulls('x', { type: 'object', properties: { a: {} } })).toBe('x')
  })
})
