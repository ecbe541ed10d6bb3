import { type } from 'arktype'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { convertSchema, type SchemaDialect } from '../../src/providers/schema-dialects.ts'
import { toJsonSchema } from '../../src/schema.ts'
import type { JsonSchema } from '../../src/types.ts'

const object = (properties: Record<string, unknown>, required = Object.keys(properties)): JsonSchema => ({
  type: 'object',
  properties,
  required,
})
const closed = (properties: Record<string, unknown>, required = Object.keys(properties)): JsonSchema => ({
  ...object(properties, required),
  additionalProperties: false,
})

/** One row per keyword: what becomes of it as the only property `p`, by dialect. */
const keywords: {
  name: string
  schema: unknown
  openai: unknown
  anthropic: unknown
  gemini: unknown
  lost?: Partial<Record<'openai' | 'anthropic' | 'gemini', string[]>>
}[] = [
  {
    name: 'types and descriptions',
    schema: { type: 'string', description: 'a name' },
    openai: { type: 'string', description: 'a name' },
    anthropic: { type: 'string', description: 'a name' },
    gemini: { type: 'string', description: 'a name' },
  },
  {
    name: 'string length',
    schema: { type: 'string', minLength: 1, maxLength: 9, description: 'a name' },
    openai: { type: 'string', description: 'a name (minLength: 1, maxLength: 9)' },
    anthropic: { type: 'string', description: 'a name (minLength: 1, maxLength: 9)' },
    gemini: { type: 'string', description: 'a name (minLength: 1, maxLength: 9)' },
    lost: {
      openai: ['minLength', 'maxLength'],
      anthropic: ['minLength', 'maxLength'],
      gemini: ['minLength', 'maxLength'],
    },
  },
  {
    name: 'numeric range',
    schema: { type: 'number', minimum: 0, exclusiveMaximum: 10 },
    openai: { type: 'number', minimum: 0, exclusiveMaximum: 10 },
    anthropic: { type: 'number', description: '(minimum: 0, exclusiveMaximum: 10)' },
    gemini: { type: 'number', minimum: 0, description: '(exclusiveMaximum: 10)' },
    lost: { anthropic: ['minimum', 'exclusiveMaximum'], gemini: ['exclusiveMaximum'] },
  },
  {
    name: 'the range of all safe integers, which says nothing',
    schema: { type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER },
    openai: { type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER },
    anthropic: { type: 'integer' },
    gemini: { type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER },
  },
  {
    name: 'pattern',
    schema: { type: 'string', pattern: '^[a-z]+$' },
    openai: { type: 'string', pattern: '^[a-z]+$' },
    anthropic: { type: 'string', pattern: '^[a-z]+$' },
    gemini: { type: 'string', description: '(pattern: "^[a-z]+$")' },
    lost: { gemini: ['pattern'] },
  },
  {
    name: 'a pattern that looks around',
    schema: { type: 'string', pattern: '^(?!x)' },
    openai: { type: 'string', description: '(pattern: "^(?!x)")' },
    anthropic: { type: 'string', description: '(pattern: "^(?!x)")' },
    gemini: { type: 'string', description: '(pattern: "^(?!x)")' },
    lost: { openai: ['pattern'], anthropic: ['pattern'], gemini: ['pattern'] },
  },
  {
    name: 'formats',
    schema: { type: 'string', format: 'uri' },
    openai: { type: 'string', description: '(format: uri)' },
    anthropic: { type: 'string', format: 'uri' },
    gemini: { type: 'string', format: 'uri' },
  },
  {
    name: 'a default is advice',
    schema: { type: 'string', default: 'x' },
    openai: { type: 'string', description: '(default: "x")' },
    anthropic: { type: 'string', default: 'x' },
    gemini: { type: 'string', description: '(default: "x")' },
  },
  {
    name: 'annotations go',
    schema: { type: 'string', title: 'P', $comment: 'c', examples: ['e'], deprecated: true },
    openai: { type: 'string', title: 'P' },
    anthropic: { type: 'string', title: 'P' },
    gemini: { type: 'string', title: 'P' },
  },
  {
    name: 'enum',
    schema: { type: 'string', enum: ['a', 'b'] },
    openai: { type: 'string', enum: ['a', 'b'] },
    anthropic: { type: 'string', enum: ['a', 'b'] },
    gemini: { type: 'string', enum: ['a', 'b'] },
  },
  {
    name: 'an enum with null',
    schema: { enum: ['a', null] },
    openai: { enum: ['a', null] },
    anthropic: { enum: ['a', null] },
    gemini: { type: ['string', 'null'], enum: ['a'] },
  },
  {
    name: 'const',
    schema: { type: 'string', const: 'a' },
    openai: { type: 'string', const: 'a' },
    anthropic: { type: 'string', const: 'a' },
    gemini: { type: 'string', enum: ['a'] },
  },
  {
    name: 'const true',
    schema: { const: true },
    openai: { const: true },
    anthropic: { const: true },
    gemini: { type: 'boolean', description: '(one of: true)' },
    lost: { gemini: ['enum'] },
  },
  {
    name: 'OpenAPI nullable',
    schema: { type: 'string', nullable: true },
    openai: { type: ['string', 'null'] },
    anthropic: { type: ['string', 'null'] },
    gemini: { type: ['string', 'null'] },
  },
  {
    name: 'array bounds',
    schema: { type: 'array', items: { type: 'string' }, minItems: 2, maxItems: 3, uniqueItems: true },
    openai: {
      type: 'array',
      items: { type: 'string' },
      minItems: 2,
      maxItems: 3,
      description: '(uniqueItems: true)',
    },
    anthropic: {
      type: 'array',
      items: { type: 'string' },
      description: '(minItems: 2, maxItems: 3, uniqueItems: true)',
    },
    gemini: {
      type: 'array',
      items: { type: 'string' },
      minItems: 2,
      maxItems: 3,
      description: '(uniqueItems: true)',
    },
    lost: {
      openai: ['uniqueItems'],
      anthropic: ['minItems', 'maxItems', 'uniqueItems'],
      gemini: ['uniqueItems'],
    },
  },
  {
    name: 'a tuple',
    schema: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }], items: false },
    openai: {
      type: 'array',
      items: { anyOf: [{ type: 'string' }, { type: 'number' }] },
      description: '(in this order: string, number)',
    },
    anthropic: {
      type: 'array',
      items: { anyOf: [{ type: 'string' }, { type: 'number' }] },
      description: '(in this order: string, number)',
    },
    gemini: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }], maxItems: 2 },
    lost: { openai: ['prefixItems'], anthropic: ['prefixItems'] },
  },
  {
    name: 'oneOf',
    schema: { oneOf: [{ type: 'string' }, { type: 'number' }] },
    openai: { anyOf: [{ type: 'string' }, { type: 'number' }] },
    anthropic: { anyOf: [{ type: 'string' }, { type: 'number' }] },
    gemini: { anyOf: [{ type: 'string' }, { type: 'number' }] },
  },
  {
    name: 'an intersection of objects',
    schema: { allOf: [object({ a: { type: 'string' } }), object({ b: { type: 'string' } })] },
    openai: closed({ a: { type: 'string' }, b: { type: 'string' } }),
    anthropic: closed({ a: { type: 'string' }, b: { type: 'string' } }),
    gemini: object({ a: { type: 'string' }, b: { type: 'string' } }),
  },
  {
    name: 'an object that is open besides its properties',
    schema: { ...object({ a: { type: 'string' } }), additionalProperties: true },
    openai: closed({ a: { type: 'string' } }),
    anthropic: closed({ a: { type: 'string' } }),
    gemini: { ...object({ a: { type: 'string' } }), additionalProperties: true },
    lost: { openai: ['additionalProperties'], anthropic: ['additionalProperties'] },
  },
]

describe('convertSchema, keyword by keyword', () => {
  const dialects = { openai: 'openai-strict', anthropic: 'anthropic', gemini: 'gemini' } as const
  for (const row of keywords) {
    for (const [short, dialect] of Object.entries(dialects) as [keyof typeof dialects, SchemaDialect][]) {
      it(`${row.name}: ${dialect}`, () => {
        const { schema, strict, warnings } = convertSchema(object({ p: row.schema }), dialect)
        expect((schema as { properties: { p: unknown } }).properties.p).toEqual(row[short])
        expect(strict).toBe(true)
        const lost = row.lost?.[short] ?? []
        expect(warnings.map(({ code }) => code)).toEqual(lost.map(() => 'converted'))
        for (const [i, keyword] of lost.entries()) {
          expect(warnings[i]!.message).toContain(`does not enforce ${keyword} (at /properties/p)`)
        }
      })
    }
  }
})

describe('convertSchema, optional properties', () => {
  it('OpenAI: required and nullable, whatever they are', () => {
    const { schema } = convertSchema(
      {
        type: 'object',
        properties: {
          string: { type: 'string' },
          nullable: { type: ['string', 'null'] },
          enum: { type: 'string', enum: ['a'] },
          const: { type: 'string', const: 'a', description: 'd' },
          union: { anyOf: [{ type: 'string' }, { type: 'number' }] },
          unionWithNull: { anyOf: [{ type: 'string' }, { type: 'null' }] },
          ref: { $ref: '#/$defs/x' },
        },
        $defs: { x: { type: 'string' } },
      },
      'openai-strict',
    )
    expect(schema).toEqual({
      type: 'object',
      properties: {
        string: { type: ['string', 'null'] },
        nullable: { type: ['string', 'null'] },
        enum: { type: ['string', 'null'], enum: ['a', null] },
        const: { anyOf: [{ type: 'string', const: 'a' }, { type: 'null' }], description: 'd' },
        union: { anyOf: [{ type: 'string' }, { type: 'number' }, { type: 'null' }] },
        unionWithNull: { anyOf: [{ type: 'string' }, { type: 'null' }] },
        ref: { anyOf: [{ $ref: '#/$defs/x' }, { type: 'null' }] },
      },
      required: ['string', 'nullable', 'enum', 'const', 'union', 'unionWithNull', 'ref'],
      additionalProperties: false,
      $defs: { x: { type: 'string' } },
    })
  })

  it('elsewhere they stay optional', () => {
    const given = object({ a: { type: 'string' }, b: { type: 'string' } }, ['a'])
    expect(convertSchema(given, 'anthropic').schema['required']).toEqual(['a'])
    expect(convertSchema(given, 'gemini').schema).toEqual(given)
  })
})

describe('convertSchema, references', () => {
  const tree = {
    type: 'object',
    properties: { root: { $ref: '#/definitions/node' } },
    required: ['root'],
    definitions: {
      node: object({
        name: { type: 'string' },
        kids: { type: 'array', items: { $ref: '#/definitions/node' } },
      }),
      unused: { type: 'object', additionalProperties: { type: 'string' } },
    },
  }

  it('definitions become $defs, and only those that are used', () => {
    const node = closed({
      name: { type: 'string' },
      kids: { type: 'array', items: { $ref: '#/$defs/node' } },
    })
    expect(convertSchema(tree, 'openai-strict')).toEqual({
      schema: { ...closed({ root: { $ref: '#/$defs/node' } }), $defs: { node } },
      strict: true,
      warnings: [],
    })
  })

  it('recursion that a provider does not know makes the schema unenforceable', () => {
    const { schema, strict, warnings } = convertSchema(tree, 'anthropic')
    expect(strict).toBe(false)
    expect(schema).toEqual(tree)
    expect(warnings).toMatchObject([
      { code: 'unsupported', message: expect.stringContaining('refers to itself') },
    ])
  })

  it('a root that is a reference is put in place', () => {
    const { schema } = convertSchema(
      { $ref: '#/$defs/a', $defs: { a: object({ x: { type: 'string' } }) } },
      'openai-strict',
    )
    expect(schema).toEqual(closed({ x: { type: 'string' } }))
  })

  it('a reference that leads nowhere, or outside, is unenforceable', () => {
    for (const $ref of ['#/$defs/none', 'https://example.com/schema.json', '#/$defs/__proto__']) {
      expect(convertSchema(object({ p: { $ref } }), 'openai-strict')).toMatchObject({
        strict: false,
        warnings: [{ message: expect.stringContaining($ref) }],
      })
    }
  })
})

describe('convertSchema, what cannot be told', () => {
  const open: [string, unknown, RegExp][] = [
    ['a map', { type: 'object', additionalProperties: { type: 'number' } }, /free keys/],
    ['an object of anything', { type: 'object' }, /free keys/],
    ['anything', {}, /any type/],
    ['an array of anything', { type: 'array' }, /any type/],
    ['a value that may not be', { type: 'array', items: { type: 'string' }, anyOf: [false] }, /may not be/],
    ['conflicting allOf', { allOf: [{ type: 'string' }, { type: 'number' }] }, /allOf/],
  ]
  for (const [name, schema, reason] of open) {
    it(`${name}: sent unchanged, unenforced, with a warning`, () => {
      const given = { $schema: 'https://json-schema.org/draft/2020-12/schema', ...object({ p: schema }) }
      for (const dialect of ['openai-strict', 'anthropic'] as const) {
        const { schema: sent, strict, warnings } = convertSchema(given, dialect)
        expect(strict).toBe(false)
        expect(sent).toEqual(object({ p: schema }))
        expect(warnings).toMatchObject([{ code: 'unsupported', message: expect.stringMatching(reason) }])
      }
    })
  }

  it('Gemini takes maps and anything', () => {
    const given = object({ map: { type: 'object', additionalProperties: { type: 'number' } }, any: {} })
    expect(convertSchema(given, 'gemini')).toEqual({ schema: given, strict: true, warnings: [] })
  })

  it('OpenAI: more levels, properties or enum values than it compiles', () => {
    let deep: unknown = { type: 'string' }
    for (let i = 0; i < 11; i++) deep = object({ p: deep })
    const many = Object.fromEntries(Array.from({ length: 5001 }, (_, i) => [`p${i}`, { type: 'string' }]))
    const values = { type: 'string', enum: Array.from({ length: 1001 }, (_, i) => `v${i}`) }
    for (const [schema, reason] of [
      [deep, 'levels'],
      [object(many), 'properties'],
      [object({ values }), 'enum values'],
    ] as const) {
      const { strict, warnings } = convertSchema(schema as JsonSchema, 'openai-strict')
      expect(strict).toBe(false)
      expect(warnings[0]!.message).toContain(reason)
    }
  })

  it('a root that is no object is an error before anything is sent', () => {
    for (const schema of [
      { type: 'array', items: { type: 'string' } },
      { anyOf: [object({})] },
      { type: 'string' },
    ]) {
      expect(() => convertSchema(schema, 'openai-strict')).toThrow(
        expect.objectContaining({ kind: 'unsupported', message: expect.stringContaining('wrap yours') }),
      )
    }
  })

  it('a schema that contains itself as an object is an error, not a hang', () => {
    const cyclic: Record<string, unknown> = { type: 'object', properties: {} }
    ;(cyclic['properties'] as Record<string, unknown>)['self'] = cyclic
    for (const dialect of ['openai-strict', 'anthropic', 'gemini'] as const) {
      expect(() => convertSchema(cyclic, dialect)).toThrow(expect.objectContaining({ kind: 'config' }))
    }
  })

  it('names at most three places', () => {
    const lengths = Object.fromEntries(
      Array.from({ length: 5 }, (_, i) => [`p${i}`, { type: 'string', minLength: 1 }]),
    )
    const { warnings } = convertSchema(object(lengths), 'gemini')
    expect(warnings[0]!.message).toContain(
      'at /properties/p0, at /properties/p1, at /properties/p2 and 2 more',
    )
  })
})

describe('convertSchema', () => {
  it('none changes nothing', () => {
    const given = object({ p: { type: 'string', minLength: 3 } })
    const { schema, strict, warnings } = convertSchema(given, 'none')
    expect(schema).toBe(given)
    expect({ strict, warnings }).toEqual({ strict: false, warnings: [] })
  })

  it('never changes what it was given, and keeps __proto__ a name', () => {
    const given = JSON.parse(
      '{"type":"object","properties":{"__proto__":{"type":"string","minLength":1},"a":{"type":"object","properties":{}}}}',
    ) as JsonSchema
    const before = JSON.stringify(given)
    for (const dialect of ['openai-strict', 'anthropic', 'gemini'] as const) {
      const { schema } = convertSchema(given, dialect)
      expect(JSON.stringify(given)).toBe(before)
      const properties = (schema as { properties: object }).properties
      expect(Object.getPrototypeOf(properties)).toBe(Object.prototype)
      expect(Object.keys(properties)).toContain('__proto__')
    }
  })

  it('takes what zod and arktype render', () => {
    const zod = z.object({
      id: z.uuid(),
      mail: z.email().optional(),
      kind: z.discriminatedUnion('type', [
        z.object({ type: z.literal('a'), n: z.int() }),
        z.object({ type: z.literal('b') }),
      ]),
    })
    const ark = type({ name: 'string > 1', 'age?': 'number >= 0', tags: 'string[]' })
    for (const schema of [toJsonSchema(zod), toJsonSchema(ark)]) {
      for (const dialect of ['openai-strict', 'anthropic', 'gemini'] as const) {
        const { schema: converted, strict } = convertSchema(schema, dialect)
        expect(strict).toBe(true)
        expect(JSON.stringify(converted)).not.toContain('$schema')
      }
    }
  })
})
