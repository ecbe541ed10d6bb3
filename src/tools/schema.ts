/**
 * What comes back under a schema, checked.
 *
 * In:  the text of an answer, or the arguments of a tool call, and the schema that was asked for.
 * Out: the value its validator makes of it, or the list of what is wrong, by path.
 * Nothing is repaired, with one exception that undoes our own doing: strict mode makes optional properties nullable
 * (providers/schema-dialects.ts), so a null that the schema neither requires nor accepts is left out.
 * Not here: rendering schemas (schema.ts) and running tools.
 */

import { LlmError } from '../errors.ts'
import { toJsonSchema, validateOutput } from '../schema.ts'
import { parsePartialJson } from '../stream/json.ts'
import type { JsonSchema, StandardIssue, StandardResult } from '../types.ts'

/**
 * The object an answer holds.
 * @param text the whole text of the answer.
 * @param schema any of the three kinds; a raw JSON Schema accepts what it gets.
 * @throws LlmError `invalid-output` with `issues` when the text is no JSON or does not fit; `config` when the
 *   schema's own validator throws.
 */
export async function readObject(text: string, schema: unknown): Promise<unknown> {
  const { value, complete, error } = parsePartialJson(text)
  if (!complete) {
    const reason = error?.message ?? 'The text ends in the middle of its JSON.'
    throw new LlmError({
      kind: 'invalid-output',
      message: `The answer is not the object that was asked for. ${reason}`,
      issues: [{ message: reason }],
      ...(error?.offset === undefined ? {} : { offset: error.offset }),
    })
  }
  const result = await checkValue(value, schema)
  if (result.issues === undefined) return result.value
  throw new LlmError({
    kind: 'invalid-output',
    message: `The answer does not fit the schema: ${describeIssues(result.issues)}.`,
    issues: result.issues,
  })
}

/**
 * What the schema says about a value that a model wrote.
 * @param rendered the schema as JSON Schema, where that is to hand.
 * @throws LlmError `config` when the schema's own validator throws instead of answering.
 */
export async function checkValue(
  value: unknown,
  schema: unknown,
  rendered: JsonSchema = toJsonSchema(schema),
): Promise<StandardResult<unknown>> {
  try {
    return await validateOutput(schema, dropAddedNulls(value, rendered))
  } catch (cause) {
    throw new LlmError({
      kind: 'config',
      message: 'The validator of the schema threw; it should return issues.',
      cause,
    })
  }
}

/** `a.0.b: expected a number; c: required`, at most ten of them. */
export function describeIssues(issues: readonly StandardIssue[]): string {
  const shown = issues.slice(0, 10).map(({ message, path }) => {
    const keys = (path ?? []).map((step) => String(typeof step === 'object' ? step.key : step))
    return keys.length === 0 ? message : `${keys.join('.')}: ${message}`
  })
  return shown.join('; ') + (issues.length > 10 ? `; and ${issues.length - 10} more` : '')
}

/** Deepest value walked. Deeper ones are handed on as they are. */
const MAX_DEPTH = 200

type Node = Record<string, unknown>

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Takes back what `openai-strict` does to optional properties: there they are required and nullable, so the model
 * writes null where it means nothing. Every null that the original schema neither requires nor accepts is left out.
 * @param value what the model wrote; never changed.
 * @param schema the original schema.
 */
export function dropAddedNulls(value: unknown, schema: JsonSchema): unknown {
  return new NullDropper(schema as Node).drop(value, schema, 0)
}

class NullDropper {
  readonly #root: Node
  constructor(root: Node) {
    this.#root = root
  }

  drop(value: unknown, schema: unknown, depth: number): unknown {
    const node = this.#resolve(schema)
    if (node === undefined || typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value
    if (Array.isArray(value)) {
      const prefix = Array.isArray(node['prefixItems']) ? node['prefixItems'] : []
      return value.map((item, i) => this.drop(item, prefix[i] ?? node['items'], depth + 1))
    }
    let out = value as Node
    const { properties, additionalProperties } = node
    if (isNode(properties) || isNode(additionalProperties)) {
      const required = Array.isArray(node['required']) ? node['required'] : []
      const known = isNode(properties) ? properties : {}
      out = Object.fromEntries(
        Object.entries(out).flatMap(([key, member]) => {
          const child = Object.hasOwn(known, key) ? known[key] : additionalProperties
          const added = member === null && Object.hasOwn(known, key) && !required.includes(key)
          if (added && !this.#acceptsNull(child, 0)) return []
          return [[key, this.drop(member, child, depth + 1)]]
        }),
      )
    }
    for (const keyword of ['allOf', 'anyOf', 'oneOf'] as const) {
      for (const branch of Array.isArray(node[keyword]) ? node[keyword] : []) {
        if (keyword === 'allOf' || this.#fits(out, branch)) out = this.drop(out, branch, depth + 1) as Node
      }
    }
    return out
  }

  #resolve(schema: unknown): Node | undefined {
    let node = schema
    for (let hops = 0; isNode(node) && typeof node['$ref'] === 'string' && hops < 10; hops++) {
      const [, ...steps] = node['$ref']
        .split('/')
        .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
      node = steps.reduce<unknown>(
        (at, step) => (isNode(at) && Object.hasOwn(at, step) ? at[step] : undefined),
        this.#root,
      )
    }
    return isNode(node) ? node : undefined
  }

  #acceptsNull(schema: unknown, depth: number): boolean {
    const node = this.#resolve(schema)
    if (node === undefined || depth > 10) return schema !== false
    if ('const' in node) return node['const'] === null
    if (Array.isArray(node['enum'])) return node['enum'].includes(null)
    if (node['type'] !== undefined) return [node['type']].flat().includes('null') || node['nullable'] === true
    const branches = [node['anyOf'], node['oneOf']].flatMap((list) => (Array.isArray(list) ? list : []))
    return branches.length === 0 || branches.some((branch) => this.#acceptsNull(branch, depth + 1))
  }

  /** Whether an object may be of this branch of a union: its tags say so. */
  #fits(value: Node, branch: unknown): boolean {
    const node = this.#resolve(branch)
    if (node === undefined || !isNode(node['properties'])) return false
    return Object.entries(node['properties']).every(([key, child]) => {
      if (!isNode(child)) return true
      const tags =
        'const' in child ? [child['const']] : Array.isArray(child['enum']) ? child['enum'] : undefined
      return tags === undefined || (Object.hasOwn(value, key) ? tags.includes(value[key]) : true)
    })
  }
}
