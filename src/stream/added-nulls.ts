/**
 * Nulls that strict mode put in, taken out again.
 *
 * OpenAI's strict mode wants every property required, so an optional one is sent as required and nullable
 * (providers/schema-dialects.ts), and the model writes null where it means nothing.
 * In:  a value a model wrote and the schema that was asked for. Out: the value without every null that the schema
 *      neither requires nor accepts, so that `z.string().optional()` is not broken by `null`.
 * Not here: any other repair. A null that no schema allows at a required place stays, for the validator to refuse.
 */

import type { JsonSchema } from '../types.ts'

/** Deepest value walked. Deeper ones are handed on as they are. */
const MAX_DEPTH = 200

type Node = Record<string, unknown>

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Leaves added nulls out.
 * @param value what the model wrote; never changed.
 * @param schema the schema before any dialect was applied.
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
