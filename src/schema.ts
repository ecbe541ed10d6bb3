/**
 * One face for the three ways to describe a value.
 *
 * In:  a Standard Schema that renders JSON Schema, `{ jsonSchema, validate? }`, or a raw JSON Schema.
 * Out: the JSON Schema to send, and the verdict on a value that came back.
 * Not here: the dialects providers accept (providers/schema-dialects.ts) and any validator of our own: a raw JSON
 * Schema is sent, not checked. Spec: https://standardschema.dev.
 */

import { LlmError } from './errors.ts'
import type { JsonSchema, StandardResult } from './types.ts'

type Validate = (value: unknown) => StandardResult<unknown> | Promise<StandardResult<unknown>>

/**
 * The JSON Schema (draft 2020-12) of any schema this library accepts.
 * @param what names the schema in the error, e.g. `the inputSchema of tool "search"`.
 * @throws LlmError `config` when it is none of the three, or a Standard Schema that cannot render JSON Schema.
 */
export function toJsonSchema(schema: unknown, what = 'schema'): JsonSchema {
  const standard = property(schema, '~standard')
  if (standard !== undefined) {
    const render = property(property(standard, 'jsonSchema'), 'input')
    if (typeof render !== 'function') {
      throw unusable(
        what,
        'it is a Standard Schema that cannot render JSON Schema: use zod 4 or arktype, toStandardJsonSchema() of ' +
          '@valibot/to-json-schema, or { jsonSchema, validate }',
      )
    }
    try {
      return checked(render({ target: 'draft-2020-12' }), what)
    } catch (cause) {
      if (LlmError.is(cause)) throw cause
      throw unusable(what, 'its library could not render it as JSON Schema', cause)
    }
  }
  return checked(property(schema, 'jsonSchema') ?? schema, what)
}

/**
 * What the schema says about a value. A raw JSON Schema, and `{ jsonSchema }` without `validate`, accept everything.
 * The schema's own validator may throw or be asynchronous; both are the caller's to await.
 */
export function validateOutput(
  schema: unknown,
  value: unknown,
): StandardResult<unknown> | Promise<StandardResult<unknown>> {
  const standard = property(schema, '~standard')
  const owner = standard ?? (property(schema, 'jsonSchema') === undefined ? undefined : schema)
  const validate = property(owner, 'validate') as Validate | undefined
  return typeof validate === 'function' ? validate.call(owner, value) : { value }
}

/** arktype's schemas are functions; class instances keep `~standard` on their prototype, so `in` is right here. */
function property(value: unknown, key: string): unknown {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined
  if (!(key in value) || Object.hasOwn(Object.prototype, key)) return undefined
  return (value as Record<string, unknown>)[key]
}

function checked(schema: unknown, what: string): JsonSchema {
  if (typeof schema === 'object' && schema !== null && !Array.isArray(schema)) return schema as JsonSchema
  throw unusable(what, 'a JSON Schema is an object, such as { type: "object", properties: { … } }')
}

function unusable(what: string, reason: string, cause?: unknown): LlmError {
  return new LlmError({
    kind: 'config',
    phase: 'encode',
    message: `The ${what} cannot be used: ${reason}.`,
    cause,
  })
}
