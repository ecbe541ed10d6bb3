/**
 * The dialects of JSON Schema that providers hold a model to, and the way there from what people write.
 *
 * In:  a JSON Schema, draft 2020-12. Out: the same shape in a provider's subset, and a warning for all that was lost.
 * Three things happen to a keyword: it is kept; it is said in the description, where the model reads it but nothing
 * enforces it; or, where the shape itself cannot be told (a map with free keys under strict mode), the schema goes
 * out unchanged with `strict: false`, so that the codec asks for it unenforced. Your own validator runs in any case.
 * Not here: rendering zod and friends (schema.ts), validation, and which request field a schema goes into.
 *
 * Sources, read 2026-11: developers.openai.com/api/docs/guides/structured-outputs "Supported schemas";
 * platform.claude.com/docs/en/build-with-claude/structured-outputs "JSON Schema limitations";
 * ai.google.dev/api/generate-content, `responseJsonSchema`.
 */

import { LlmError } from '../errors.ts'
import type { JsonSchema, Warning } from '../types.ts'

/** `openai-strict`, `anthropic`: native structured output and strict tools. `gemini`: `responseJsonSchema`. */
export type SchemaDialect = 'openai-strict' | 'gemini' | 'anthropic' | 'none'

/** A schema in a provider's dialect. */
export interface ConvertedSchema {
  schema: JsonSchema
  /** False: the provider cannot hold a model to this shape, and `schema` is the original. Ask for it without strict. */
  strict: boolean
  warnings: Warning[]
}

function words(list: string): string[] {
  return list.split(' ')
}

/** One row of the table: what a provider's subset knows. */
interface Dialect {
  title: string
  /** Keywords kept as they are, beside the structural ones the walk itself converts. */
  keywords: readonly string[]
  /** Values of `format` that are kept. */
  formats: readonly string[] | 'any'
  /** Every object must say `additionalProperties: false`: no maps, no bare `{ "type": "object" }`. */
  closed: boolean
  /** Every property must be required: an optional one becomes nullable (stream/added-nulls.ts takes that back). */
  allRequired: boolean
  /** The root must be an object and not a union. */
  objectRoot: boolean
  recursion: boolean
  tuples: boolean
  /** A schema that accepts any value. */
  anything: boolean
  /** `const`; without it a one-element enum says the same. */
  constant: boolean
  /** JSON types that may stand in an enum. */
  enumTypes: readonly string[]
  /** Largest `minItems` that is enforced. */
  maxMinItems: number
  limits?: { depth: number; properties: number; enumValues: number }
}

const FORMATS: readonly string[] = /* @__PURE__ */ words(
  'date-time time date duration email hostname ipv4 ipv6 uuid',
)
const SCALARS: readonly string[] = /* @__PURE__ */ words('string number boolean null')

const DIALECTS: Readonly<Record<Exclude<SchemaDialect, 'none'>, Dialect>> = {
  'openai-strict': {
    title: 'OpenAI strict mode',
    keywords: words(
      'title pattern multipleOf minimum maximum exclusiveMinimum exclusiveMaximum minItems maxItems',
    ),
    formats: FORMATS,
    closed: true,
    allRequired: true,
    objectRoot: true,
    recursion: true,
    tuples: false,
    anything: false,
    constant: true,
    enumTypes: SCALARS,
    maxMinItems: Infinity,
    limits: { depth: 10, properties: 5000, enumValues: 1000 },
  },
  anthropic: {
    title: "Anthropic's structured output",
    keywords: words('title pattern default minItems'),
    formats: [...FORMATS, 'uri'],
    closed: true,
    allRequired: false,
    objectRoot: false,
    recursion: false,
    tuples: false,
    anything: false,
    constant: true,
    enumTypes: SCALARS,
    maxMinItems: 1,
  },
  gemini: {
    title: "Gemini's schema subset",
    keywords: words('title minItems maxItems minimum maximum propertyOrdering'),
    formats: 'any',
    closed: false,
    allRequired: false,
    objectRoot: false,
    recursion: true,
    tuples: true,
    anything: true,
    constant: false,
    enumTypes: ['string', 'number'],
    maxMinItems: Infinity,
  },
}

/** Converted by the walk itself, one by one. */
const STRUCTURAL: ReadonlySet<string> = /* @__PURE__ */ new Set(
  words(
    '$ref $defs definitions type properties required additionalProperties items prefixItems anyOf oneOf allOf enum const nullable format description',
  ),
)

/** Say nothing about which values are accepted: left out where a dialect does not keep them. */
const ANNOTATIONS: ReadonlySet<string> = /* @__PURE__ */ new Set(
  words('$schema $id $anchor $comment title examples deprecated readOnly writeOnly propertyOrdering'),
)

/** Lookaround and back-references: no provider's constrained decoder takes them, and all answer 400. */
const LOOKAROUND = /\(\?<?[=!]|\\[1-9]|\\k</

/** Deepest schema walked; a deeper one is a cyclic object. */
const MAX_DEPTH = 200

type Node = Record<string, unknown>

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Puts a schema into a provider's dialect.
 * @param schema draft 2020-12; never changed.
 * @throws LlmError `unsupported` when the root is no object and the provider takes nothing else; `config` for a
 *   schema that contains itself as a JavaScript object.
 */
export function convertSchema(schema: JsonSchema, dialect: SchemaDialect): ConvertedSchema {
  if (dialect === 'none') return { schema, strict: false, warnings: [] }
  return new Conversion(schema as Node, DIALECTS[dialect]).run()
}

class Conversion {
  readonly #root: Node
  readonly #dialect: Dialect
  /** Keyword → where it was lost. */
  readonly #lost = new Map<string, string[]>()
  /** Shape that cannot be told → where. */
  readonly #impossible = new Map<string, string[]>()
  /** Definitions converted so far, by name. */
  readonly #definitions = new Map<string, Node>()
  /** Names of the definitions being converted, to see recursion. `#` is the root. */
  readonly #open = new Set<string>(['#'])
  #properties = 0
  #enumValues = 0

  constructor(root: Node, dialect: Dialect) {
    this.#root = root
    this.#dialect = dialect
  }

  run(): ConvertedSchema {
    const { title, objectRoot, limits } = this.#dialect
    const root = this.#resolveRoot()
    if (objectRoot && root['type'] !== 'object' && !isNode(root['properties'])) {
      throw new LlmError({
        kind: 'unsupported',
        phase: 'encode',
        message: `${title} takes only an object as the root of a schema: wrap yours, e.g. { "type": "object", "properties": { "value": … } }.`,
      })
    }
    const converted = this.#convert(root, '', 1)
    if (this.#definitions.size > 0) converted['$defs'] = Object.fromEntries(this.#definitions)
    if (limits !== undefined) {
      if (this.#properties > limits.properties) this.#cannot(`more than ${limits.properties} properties`, '')
      if (this.#enumValues > limits.enumValues) this.#cannot(`more than ${limits.enumValues} enum values`, '')
    }
    const strict = this.#impossible.size === 0
    if (strict) return { schema: converted, strict, warnings: this.#warnings() }
    const { $schema: _, ...unchanged } = this.#root
    return { schema: unchanged, strict, warnings: this.#warnings() }
  }

  #warnings(): Warning[] {
    const { title } = this.#dialect
    if (this.#impossible.size > 0) {
      return [...this.#impossible].map(([what, paths]) => ({
        code: 'unsupported',
        field: 'schema',
        message: `${title} cannot express ${what} (${places(paths)}); the schema was sent without being enforced.`,
      }))
    }
    return [...this.#lost].map(([keyword, paths]) => ({
      code: 'converted',
      field: 'schema',
      message: `${title} does not enforce ${keyword} (${places(paths)}); the description says it instead.`,
    }))
  }

  #cannot(what: string, path: string): void {
    add(this.#impossible, what, path)
  }

  #resolveRoot(): Node {
    const { $ref, ...rest } = this.#root
    if (typeof $ref !== 'string') return this.#root
    const target = this.#lookUp($ref)
    return isNode(target) ? { ...target, ...rest } : this.#root
  }

  #lookUp(ref: string): unknown {
    if (ref === '#') return this.#root
    const match = /^#\/(\$defs|definitions)\/([^/]+)$/.exec(ref)
    const holder = match === null ? undefined : this.#root[match[1]!]
    const name = match === null ? '' : decodePointer(match[2]!)
    return isNode(holder) && Object.hasOwn(holder, name) ? holder[name] : undefined
  }

  #convert(node: unknown, path: string, depth: number): Node {
    if (depth > MAX_DEPTH) {
      throw new LlmError({
        kind: 'config',
        phase: 'encode',
        message: `The schema is nested deeper than ${MAX_DEPTH} levels: does it contain itself? Use $ref for recursion.`,
      })
    }
    if (this.#dialect.limits !== undefined && depth > this.#dialect.limits.depth) {
      this.#cannot(`more than ${this.#dialect.limits.depth} levels of nesting`, path)
    }
    if (!isNode(node)) {
      if (node === false) this.#cannot('a value that may not be', path)
      else if (!this.#dialect.anything) this.#cannot('a value of any type', path)
      return {}
    }
    if (typeof node['$ref'] === 'string') return this.#convertRef(node['$ref'], path)
    const merged = Array.isArray(node['allOf']) ? this.#mergeAll(node, path) : node

    const out: Node = {}
    const notes: string[] = []
    const { keywords, formats, maxMinItems } = this.#dialect
    const { format, description } = merged
    if (typeof format === 'string') {
      if (formats === 'any' || formats.includes(format)) out['format'] = format
      else notes.push(`format: ${format}`)
    }
    for (const [keyword, value] of Object.entries(merged)) {
      if (STRUCTURAL.has(keyword)) continue
      const enforced =
        keywords.includes(keyword) &&
        !(keyword === 'minItems' && Number(value) > maxMinItems) &&
        !(keyword === 'pattern' && LOOKAROUND.test(String(value)))
      if (enforced) out[keyword] = value
      // Renderers write a pattern beside the format it spells out.
      else if (keyword === 'pattern' && out['format'] !== undefined) continue
      else if (!ANNOTATIONS.has(keyword) && !saysNothing(keyword, value)) {
        // A default is advice anyway: nothing is lost when the description gives it.
        if (keyword !== 'default') add(this.#lost, keyword, path)
        notes.push(`${keyword}: ${JSON.stringify(value)}`)
      }
    }
    this.#convertType(merged, out, notes, path)
    this.#convertUnion(merged, out, path, depth)
    this.#convertObject(merged, out, path, depth)
    this.#convertArray(merged, out, notes, path, depth)
    const said = [description, notes.length > 0 ? `(${notes.join(', ')})` : undefined].filter(
      (text) => typeof text === 'string' && text !== '',
    )
    if (said.length > 0) out['description'] = said.join(' ')
    if (!this.#dialect.anything && !['type', 'anyOf', 'enum', 'const'].some((key) => key in out)) {
      this.#cannot('a value of any type', path)
    }
    return out
  }

  /** No dialect takes keywords beside a $ref, so they go. */
  #convertRef(ref: string, path: string): Node {
    const target = this.#lookUp(ref)
    if (target === undefined) {
      this.#cannot(`the reference ${ref}`, path)
      return {}
    }
    if (ref === '#') {
      if (!this.#dialect.recursion) this.#cannot('a schema that refers to itself', path)
      return { $ref: '#' }
    }
    const name = decodePointer(ref.slice(ref.lastIndexOf('/') + 1))
    if (this.#open.has(name)) {
      if (!this.#dialect.recursion) this.#cannot('a schema that refers to itself', path)
    } else if (!this.#definitions.has(name)) {
      this.#open.add(name)
      // Its place in the order of definitions is taken before the ones it refers to.
      this.#definitions.set(name, {})
      this.#definitions.set(name, this.#convert(target, `/$defs/${name}`, 1))
      this.#open.delete(name)
    }
    return { $ref: `#/$defs/${ref.slice(ref.lastIndexOf('/') + 1)}` }
  }

  /** `allOf` of plain objects, which is how intersections are rendered, becomes one object. */
  #mergeAll(node: Node, path: string): Node {
    const { allOf, ...rest } = node
    const out: Node = { ...rest }
    for (const entry of allOf as unknown[]) {
      const part = isNode(entry) && typeof entry['$ref'] === 'string' ? this.#lookUp(entry['$ref']) : entry
      if (!isNode(part)) {
        this.#cannot('this allOf', path)
        continue
      }
      for (const [key, value] of Object.entries(part)) {
        const before = out[key]
        if (before === undefined) out[key] = value
        else if (key === 'properties' && isNode(before) && isNode(value)) out[key] = { ...before, ...value }
        else if (key === 'required' && Array.isArray(before) && Array.isArray(value)) {
          out[key] = [...new Set([...before, ...value])]
        } else if (!ANNOTATIONS.has(key) && JSON.stringify(before) !== JSON.stringify(value)) {
          this.#cannot('this allOf', path)
        }
      }
    }
    return out
  }

  #convertType(node: Node, out: Node, notes: string[], path: string): void {
    const { constant, enumTypes } = this.#dialect
    const { type, nullable } = node
    if (typeof type === 'string' || Array.isArray(type)) {
      out['type'] = nullable === true && type !== 'null' ? [...new Set([type, 'null'].flat())] : type
    }
    if ('const' in node) {
      if (constant) out['const'] = node['const']
      else this.#putEnum([node['const']], out, notes, path)
    }
    if (Array.isArray(node['enum'])) {
      if (node['enum'].every((value) => enumTypes.includes(jsonType(value)))) {
        out['enum'] = node['enum']
        this.#enumValues += node['enum'].length
      } else this.#putEnum(node['enum'], out, notes, path)
    }
  }

  /** An enum of which the dialect takes only some types of value. */
  #putEnum(values: unknown[], out: Node, notes: string[], path: string): void {
    const taken = values.filter((value) => this.#dialect.enumTypes.includes(jsonType(value)))
    const types = [...new Set(values.map(jsonType))]
    if (out['type'] === undefined) out['type'] = types.length === 1 ? types[0] : types
    // null, and true beside false, are said by the type alone.
    const byType = values.every(
      (value) => value === null || taken.includes(value) || (values.includes(true) && values.includes(false)),
    )
    if (taken.length > 0 && byType) out['enum'] = taken
    else if (!byType) {
      add(this.#lost, 'enum', path)
      notes.push(`one of: ${values.map((value) => JSON.stringify(value)).join(' | ')}`)
    }
  }

  #convertUnion(node: Node, out: Node, path: string, depth: number): void {
    for (const keyword of ['anyOf', 'oneOf'] as const) {
      const branches = node[keyword]
      if (!Array.isArray(branches)) continue
      const converted = branches.map((branch, i) => this.#convert(branch, `${path}/${keyword}/${i}`, depth))
      const before = out['anyOf']
      if (before !== undefined) this.#cannot('anyOf beside oneOf', path)
      out['anyOf'] = node['nullable'] === true ? [...converted, { type: 'null' }] : converted
    }
  }

  #convertObject(node: Node, out: Node, path: string, depth: number): void {
    const { closed, allRequired } = this.#dialect
    const { properties, additionalProperties: rest } = node
    const isObject = isNode(properties) || hasType(node, 'object')
    if (!isObject) return
    if (out['type'] === undefined) out['type'] = 'object'
    const required = new Set(Array.isArray(node['required']) ? node['required'] : [])
    const entries = Object.entries(isNode(properties) ? properties : {})
    this.#properties += entries.length
    const converted = entries.map(([name, child]) => {
      const below = this.#convert(child, `${path}/properties/${encodePointer(name)}`, depth + 1)
      return [name, allRequired && !required.has(name) ? orNull(below) : below] as const
    })
    if (isNode(properties) || closed) out['properties'] = Object.fromEntries(converted)
    const names = allRequired ? entries.map(([name]) => name) : [...required]
    if (names.length > 0 || allRequired) out['required'] = names
    if (closed) {
      const isMap = isNode(rest) && Object.keys(rest).length > 0
      if (isMap || (entries.length === 0 && rest !== false)) this.#cannot('an object with free keys', path)
      else if (rest === true || isNode(rest)) add(this.#lost, 'additionalProperties', path)
      out['additionalProperties'] = false
    } else if (rest !== undefined) {
      out['additionalProperties'] = isNode(rest)
        ? this.#convert(rest, `${path}/additionalProperties`, depth + 1)
        : rest
    }
  }

  #convertArray(node: Node, out: Node, notes: string[], path: string, depth: number): void {
    const { items, prefixItems } = node
    if (!Array.isArray(prefixItems)) {
      if (isNode(items)) out['items'] = this.#convert(items, `${path}/items`, depth + 1)
      else if (hasType(node, 'array') && !this.#dialect.anything)
        this.#cannot('a value of any type', `${path}/items`)
      return
    }
    const converted = prefixItems.map((item, i) => this.#convert(item, `${path}/prefixItems/${i}`, depth + 1))
    const rest = isNode(items) ? [this.#convert(items, `${path}/items`, depth + 1)] : []
    if (out['type'] === undefined) out['type'] = 'array'
    if (this.#dialect.tuples) {
      out['prefixItems'] = converted
      if (rest.length > 0) out['items'] = rest[0]
      else if (items === false) out['maxItems'] = prefixItems.length
      return
    }
    const choices = unique([...converted, ...rest])
    out['items'] = choices.length === 1 ? choices[0] : { anyOf: choices }
    if (choices.length > 1) {
      add(this.#lost, 'prefixItems', path)
      notes.push(`in this order: ${prefixItems.map((item) => typeName(item)).join(', ')}`)
    }
  }
}

/** A type `null` beside what a schema accepts. */
function orNull(node: Node): Node {
  const { type } = node
  if ('const' in node || (type === undefined && node['anyOf'] === undefined)) {
    const { description, ...rest } = node
    return { anyOf: [rest, { type: 'null' }], ...(description === undefined ? {} : { description }) }
  }
  if (Array.isArray(node['anyOf'])) {
    const isNull = (branch: unknown): boolean => isNode(branch) && hasType(branch, 'null')
    return node['anyOf'].some(isNull) ? node : { ...node, anyOf: [...node['anyOf'], { type: 'null' }] }
  }
  if (hasType(node, 'null')) return node
  const withNull = { ...node, type: [type, 'null'].flat() }
  return Array.isArray(node['enum']) ? { ...withNull, enum: [...node['enum'], null] } : withNull
}

/** Constraints every value of their type meets: renderers write them for completeness. */
function saysNothing(keyword: string, value: unknown): boolean {
  if (keyword === 'minimum') return value === Number.MIN_SAFE_INTEGER
  if (keyword === 'maximum') return value === Number.MAX_SAFE_INTEGER
  if (keyword === 'propertyNames') return JSON.stringify(value) === '{"type":"string"}'
  if (keyword === 'minLength' || keyword === 'minItems' || keyword === 'minProperties') return value === 0
  return keyword.startsWith('$') || keyword.startsWith('x-')
}

const hasType = (node: Node, type: string): boolean => [node['type']].flat().includes(type)

function jsonType(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}

function typeName(schema: unknown): string {
  const type = isNode(schema) ? schema['type'] : undefined
  return type === undefined ? 'value' : [type].flat().join(' or ')
}

function unique(nodes: Node[]): Node[] {
  return [...new Map(nodes.map((node) => [JSON.stringify(node), node])).values()]
}

function add(map: Map<string, string[]>, key: string, path: string): void {
  const paths = map.get(key)
  if (paths === undefined) map.set(key, [path])
  else paths.push(path)
}

/** The first three places; a long list helps nobody. */
function places(paths: string[]): string {
  const shown = paths.slice(0, 3).map((path) => `at ${path === '' ? 'the root' : path}`)
  return shown.join(', ') + (paths.length > 3 ? ` and ${paths.length - 3} more` : '')
}

const encodePointer = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')
const decodePointer = (name: string): string => name.replaceAll('~1', '/').replaceAll('~0', '~')
