import { toStandardJsonSchema } from '@valibot/to-json-schema'
import { type } from 'arktype'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { toJsonSchema, validateOutput } from '../src/schema.ts'

const SCHEMAS: Record<string, unknown> = {
  zod: z.object({ a: z.number() }),
  arktype: type({ a: 'number' }),
  valibot: toStandardJsonSchema(v.object({ a: v.number() })),
}

describe.each(Object.keys(SCHEMAS))('%s', (name) => {
  test('renders JSON Schema', () => {
    expect(toJsonSchema(SCHEMAS[name])).toMatchObject({
      type: 'object',
      properties: { a: { type: 'number' } },
      required: ['a'],
    })
  })
  test('validates', async () => {
    expect(await validateOutput(SCHEMAS[name], { a: 1 })).toMatchObject({ value: { a: 1 } })
    const { issues } = await validateOutput(SCHEMAS[name], { a: 'x' })
    expect(issues?.length).toBeGreaterThan(0)
  })
})

describe('a JSON Schema', () => {
  const jsonSchema = { type: 'object' }
  test('with a validator, which keeps its this', async () => {
    const schema = {
      jsonSchema,
      offset: 1,
      validate(value: unknown) {
        return { value: (value as number) + this.offset }
      },
    }
    expect(toJsonSchema(schema)).toBe(jsonSchema)
    expect(await validateOutput(schema, 1)).toEqual({ value: 2 })
  })
  test('without one accepts everything', () => {
    expect(validateOutput({ jsonSchema }, 'anything')).toEqual({ value: 'anything' })
    expect(validateOutput(jsonSchema, 'anything')).toEqual({ value: 'anything' })
  })
  test('raw is sent as it is, whatever its properties are called', async () => {
    const raw = { type: 'object', properties: { jsonSchema: {}, validate: {} } }
    expect(toJsonSchema(raw)).toBe(raw)
    expect(await validateOutput(raw, 1)).toEqual({ value: 1 })
  })
})

describe('what is none', () => {
  test.each([[undefined], [null], [5], ['text'], [[]], [{ jsonSchema: 'x' }], [() => {}]])('%j', (schema) => {
    expect(() => toJsonSchema(schema)).toThrow(expect.objectContaining({ kind: 'config' }))
  })
  test('a valibot schema without its converter says how to get one', () => {
    expect(() => toJsonSchema(v.object({ a: v.number() }))).toThrow(/toStandardJsonSchema/)
  })
  test('one whose library cannot render it', () => {
    expect(() => toJsonSchema(z.object({ when: z.date() }), 'inputSchema of tool "x"')).toThrow(
      expect.objectContaining({
        kind: 'config',
        message: expect.stringContaining('inputSchema of tool "x"'),
      }),
    )
  })
})
