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
 * @param written what the model wrote; never changed.
 * @param root the schema before any dialect was applied.
 */
export function dropAddedNulls(written: unknown, root: JsonSchema): unknown {
  return drop(written, root, 0)

  function drop(value: unknown, schema: unknown, depth: number): unknown {
    const node = resolve(schema)
    if (node === undefined || typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value
    if (Array.isArray(value)) {
      const prefix = list(node['prefixItems'])
      return value.map((item, i) => drop(item, prefix[i] ?? node['items'], depth + 1))
    }
    let out = value as Node
    const { properties, additionalProperties } = node
    if (isNode(properties) || isNode(additionalProperties)) {
      const required = list(node['required'])
      const known = isNode(properties) ? properties : {}
      const kept: [string, unknown][] = []
      for (const [key, member] of Object.entries(out)) {
        const isKnown = Object.hasOwn(known, key)
        const child = isKnown ? known[key] : additionalProperties
        const added = member === null && isKnown && !required.includes(key) && !acceptsNull(child, 0)
        if (!added) kept.push([key, drop(member, child, depth + 1)])
      }
      out = Object.fromEntries(kept)
    }
    for (const branch of list(node['allOf'])) out = drop(out, branch, depth + 1) as Node
    for (const branch of branches(node)) if (fits(out, branch)) out = drop(out, branch, depth + 1) as Node
    return out
  }

  function resolve(schema: unknown): Node | undefined {
    let node = schema
    for (let hops = 0; isNode(node) && typeof node['$ref'] === 'string' && hops < 10; hops++) {
      const [, ...steps] = node['$ref'].split('/')
      node = root
      for (const step of steps) {
        const key = step.replaceAll('~1', '/').replaceAll('~0', '~')
        node = isNode(node) && Object.hasOwn(node, key) ? node[key] : undefined
      }
    }
    return isNode(node) ? node : undefined
  }

  function acceptsNull(schema: unknown, depth: number): boolean {
    const node = resolve(schema)
    if (node === undefined || depth > 10) return schema !== false
    const allowed = values(node)
    if (allowed !== undefined) return allowed.includes(null)
    const { type } = node
    if (type !== undefined) return [type].flat().includes('null') || node['nullable'] === true
    const any = branches(node)
    return any.length === 0 || any.some((branch) => acceptsNull(branch, depth + 1))
  }

  /** Whether an object may be of this branch of a union: its tags say so. */
  function fits(value: Node, branch: unknown): boolean {
    const properties = resolve(branch)?.['properties']
    if (!isNode(properties)) return false
    return Object.entries(properties).every(([key, child]) => {
      const tags = isNode(child) ? values(child) : undefined
      return tags === undefined || !Object.hasOwn(value, key) || tags.includes(value[key])
    })
  }
}

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

/** The only values a schema allows, where it lists them. */
function values(node: Node): unknown[] | undefined {
  if ('const' in node) return [node['const']]
  return Array.isArray(node['enum']) ? node['enum'] : undefined
}

const branches = (node: Node): unknown[] => [...list(node['anyOf']), ...list(node['oneOf'])]
