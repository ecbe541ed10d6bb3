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
import { asArray, isRecord, jsonText, listed } from './body.ts'

/** `openai-strict`, `anthropic`: native structured output and strict tools. `gemini`: `responseJsonSchema`. */
export type SchemaDialect = 'openai-strict' | 'gemini' | 'anthropic' | 'none'

/** A schema in a provider's dialect. */
export interface ConvertedSchema {
  schema: JsonSchema
  /** False: the provider cannot hold a model to this shape, and `schema` is the original. Ask for it without strict. */
  strict: boolean
  warnings: Warning[]
}

/** One row of the table: what a provider's subset knows. Lists are words between blanks. */
interface Dialect {
  title: string
  /** Keywords kept as they are, beside the structural ones the walk itself converts. */
  keywords: string
  /** Values of `format` that are kept; absent: all. */
  formats?: string
  /** JSON types that may stand in an enum. */
  enumTypes: string
  /** Maps with free keys, tuples, and schemas that accept any value. Without it every object is closed. */
  open?: true
  recursion?: true
  /** Largest `minItems` that is enforced. Default: any. */
  maxMinItems?: number
  /**
   * OpenAI's strict mode: the root is an object and no union, every property is required (an optional one becomes
   * nullable, which stream/added-nulls.ts takes back), and more than this is refused.
   */
  strict?: { depth: number; properties: number; enumValues: number }
}

const FORMATS = 'date-time time date duration email hostname ipv4 ipv6 uuid'
const SCALARS = 'string number boolean null'

const DIALECTS: Readonly<Record<Exclude<SchemaDialect, 'none'>, Dialect>> = {
  'openai-strict': {
    title: 'OpenAI strict mode',
    keywords:
      'title pattern multipleOf minimum maximum exclusiveMinimum exclusiveMaximum minItems maxItems const',
    formats: FORMATS,
    enumTypes: SCALARS,
    recursion: true,
    strict: { depth: 10, properties: 5000, enumValues: 1000 },
  },
  anthropic: {
    title: "Anthropic's structured output",
    keywords: 'title pattern default minItems const',
    formats: `${FORMATS} uri`,
    enumTypes: SCALARS,
    maxMinItems: 1,
  },
  gemini: {
    title: "Gemini's schema subset",
    // No `const`: an enum of one value says the same.
    keywords: 'title minItems maxItems minimum maximum propertyOrdering',
    enumTypes: 'string number',
    open: true,
    recursion: true,
  },
}

/** Say nothing about which values are accepted: left out where a dialect does not keep them. */
const ANNOTATIONS =
  '$schema $id $anchor $comment title examples deprecated readOnly writeOnly propertyOrdering'

/** Lookaround and back-references: no provider's constrained decoder takes them, and all answer 400. */
const LOOKAROUND = /\(\?<?[=!]|\\[1-9]|\\k</

/** Deepest schema walked; a deeper one is a cyclic object. */
const MAX_DEPTH = 200

const ANYTHING = 'a value of any type'
const ITSELF = 'a schema that refers to itself'
const NULL = { type: 'null' }

type Node = Record<string, unknown>

/** Places in the schema, by what is wrong there. */
type Places = Map<string, string[]>

/**
 * Puts a schema into a provider's dialect.
 * @param schema draft 2020-12; never changed.
 * @throws LlmError `unsupported` when the root is no object and the provider takes nothing else; `config` for a
 *   schema that contains itself as a JavaScript object.
 */
export function convertSchema(schema: JsonSchema, dialect: SchemaDialect): ConvertedSchema {
  if (dialect === 'none') return { schema, strict: false, warnings: [] }
  const { title, keywords, formats, enumTypes, open, recursion, maxMinItems, strict } = DIALECTS[dialect]
  const lost: Places = new Map()
  const impossible: Places = new Map()
  /** Definitions converted so far, by name; undefined while one is being converted, which is how recursion shows. */
  const definitions = new Map<string, Node | undefined>()
  let properties = 0
  let enumValues = 0

  function lookUp(ref: unknown): { name: string; target: unknown } | undefined {
    if (ref === '#') return { name: '', target: schema }
    const [, folder = '', name = ''] = /^#\/(\$defs|definitions)\/([^/]+)$/.exec(String(ref)) ?? []
    const holder = schema[folder]
    const key = name.replaceAll('~1', '/').replaceAll('~0', '~')
    return isRecord(holder) && Object.hasOwn(holder, key) ? { name: key, target: holder[key] } : undefined
  }

  function convert(node: unknown, path: string, depth: number): Node {
    if (depth > MAX_DEPTH) {
      throw new LlmError({
        kind: 'config',
        phase: 'encode',
        message: `The schema is nested deeper than ${MAX_DEPTH} levels: does it contain itself? Use $ref for recursion.`,
      })
    }
    const cannot = (what: string): void => add(impossible, what, path)
    if (strict !== undefined && depth > strict.depth) cannot(`more than ${strict.depth} levels of nesting`)
    if (!isRecord(node)) {
      if (node === false) cannot('a value that may not be')
      else if (!open) cannot(ANYTHING)
      return {}
    }
    if (typeof node['$ref'] === 'string') return convertRef(node['$ref'], path)

    const out: Node = {}
    const notes: string[] = []
    const below = (child: unknown, step: string, deeper = 1): Node =>
      convert(child, `${path}/${step}`, depth + deeper)
    const lose = (keyword: string, note: string): void => {
      add(lost, keyword, path)
      notes.push(note)
    }
    const merged = Array.isArray(node['allOf']) ? mergeAll(node, cannot) : node
    // Converted one by one; the others are kept or told.
    const {
      $ref: _ref,
      $defs: _defs,
      definitions: _definitions,
      allOf: _allOf,
      type,
      nullable,
      const: constant,
      enum: values,
      anyOf,
      oneOf,
      properties: children,
      required,
      additionalProperties: rest,
      items,
      prefixItems,
      format,
      description,
      ...others
    } = merged

    if (typeof format === 'string') {
      if (formats === undefined || listed(formats, format)) out['format'] = format
      else notes.push(`format: ${format}`)
    }
    for (const [keyword, value] of Object.entries(others)) {
      if (
        listed(keywords, keyword) &&
        !(keyword === 'minItems' && Number(value) > (maxMinItems ?? Infinity)) &&
        !(keyword === 'pattern' && LOOKAROUND.test(String(value)))
      ) {
        out[keyword] = value
      } else if (
        // Renderers write a pattern beside the format it spells out.
        !(keyword === 'pattern' && 'format' in out) &&
        !listed(ANNOTATIONS, keyword) &&
        !saysNothing(keyword, value)
      ) {
        const note = `${keyword}: ${jsonText(value)}`
        // A default is advice anyway: nothing is lost when the description gives it.
        if (keyword === 'default') notes.push(note)
        else lose(keyword, note)
      }
    }

    // Which values: type, const, enum.
    if (typeof type === 'string' || Array.isArray(type)) {
      out['type'] = nullable === true ? withNull(type) : type
    }
    const putEnum = (allowed: readonly unknown[]): void => {
      const taken = allowed.filter((value) => listed(enumTypes, jsonType(value)))
      const types = [...new Set(allowed.map(jsonType))]
      const whole = taken.length === allowed.length
      // null, and true beside false, are said by the type alone.
      const byType = allowed.every(
        (value) =>
          value === null || taken.includes(value) || (allowed.includes(true) && allowed.includes(false)),
      )
      if (!whole || allowed !== values) out['type'] ??= types.length === 1 ? types[0] : types
      if (!byType) lose('enum', `one of: ${allowed.map((value) => jsonText(value)).join(' | ')}`)
      else if (taken.length > 0 || whole) out['enum'] = taken
      enumValues += taken.length
    }
    if ('const' in merged) {
      if (listed(keywords, 'const')) out['const'] = constant
      else putEnum([constant])
    }
    if (Array.isArray(values)) putEnum(values)

    for (const [keyword, branches] of Object.entries({ anyOf, oneOf })) {
      if (!Array.isArray(branches)) continue
      const choices = branches.map((branch, at) => below(branch, `${keyword}/${at}`, 0))
      if ('anyOf' in out) cannot('anyOf beside oneOf')
      out['anyOf'] = nullable === true ? [...choices, NULL] : choices
    }

    if (isRecord(children) || hasType(merged, 'object')) {
      out['type'] ??= 'object'
      const entries = Object.entries(isRecord(children) ? children : {})
      const demanded = new Set(Array.isArray(required) ? required : [])
      properties += entries.length
      const converted = entries.map(([name, child]) => {
        const place = `properties/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
        const schemaOf = below(child, place)
        return [name, strict === undefined || demanded.has(name) ? schemaOf : orNull(schemaOf)] as const
      })
      if (isRecord(children) || !open) out['properties'] = Object.fromEntries(converted)
      if (strict !== undefined) out['required'] = entries.map(([name]) => name)
      else if (demanded.size > 0) out['required'] = [...demanded]
      if (open) {
        if (rest !== undefined)
          out['additionalProperties'] = isRecord(rest) ? below(rest, 'additionalProperties') : rest
      } else {
        const isMap = isRecord(rest) && Object.keys(rest).length > 0
        if (isMap || (entries.length === 0 && rest !== false)) cannot('an object with free keys')
        else if (rest === true || isRecord(rest)) add(lost, 'additionalProperties', path)
        out['additionalProperties'] = false
      }
    }

    const places = Array.isArray(prefixItems)
      ? prefixItems.map((item, at) => below(item, `prefixItems/${at}`))
      : undefined
    let choices = isRecord(items) ? [below(items, 'items')] : []
    if (places !== undefined) {
      out['type'] ??= 'array'
      if (open) {
        out['prefixItems'] = places
        if (items === false) out['maxItems'] = places.length
      } else {
        choices = [...new Map([...places, ...choices].map((item) => [jsonText(item), item])).values()]
        if (choices.length > 1) {
          choices = [{ anyOf: choices }]
          lose('prefixItems', `in this order: ${asArray(prefixItems).map(typeName).join(', ')}`)
        }
      }
    } else if (choices.length === 0 && !open && hasType(merged, 'array')) {
      add(impossible, ANYTHING, `${path}/items`)
    }
    if (choices.length > 0) out['items'] = choices[0]

    const said = [description, notes.length > 0 ? `(${notes.join(', ')})` : ''].filter(
      (text) => typeof text === 'string' && text !== '',
    )
    if (said.length > 0) out['description'] = said.join(' ')
    if (!open && !['type', 'anyOf', 'enum', 'const'].some((key) => key in out)) cannot(ANYTHING)
    return out
  }

  /** No dialect takes keywords beside a $ref, so they go. */
  function convertRef(ref: string, path: string): Node {
    const found = lookUp(ref)
    if (found === undefined) {
      add(impossible, `the reference ${ref}`, path)
      return {}
    }
    const { name, target } = found
    if (target === schema || (definitions.has(name) && definitions.get(name) === undefined)) {
      if (!recursion) add(impossible, ITSELF, path)
    } else if (!definitions.has(name)) {
      // Its place in the order of definitions is taken before the ones it refers to.
      definitions.set(name, undefined)
      definitions.set(name, convert(target, `/$defs/${name}`, 1))
    }
    return { $ref: target === schema ? '#' : `#/$defs/${ref.slice(ref.lastIndexOf('/') + 1)}` }
  }

  /** `allOf` of plain objects, which is how intersections are rendered, becomes one object. */
  function mergeAll({ allOf, ...out }: Node, cannot: (what: string) => void): Node {
    for (const entry of allOf as unknown[]) {
      const part = isRecord(entry) && '$ref' in entry ? lookUp(entry['$ref'])?.target : entry
      if (!isRecord(part)) {
        cannot('this allOf')
        continue
      }
      for (const [key, value] of Object.entries(part)) {
        const before = out[key]
        if (before === undefined) out[key] = value
        else if (key === 'properties' && isRecord(before) && isRecord(value))
          out[key] = { ...before, ...value }
        else if (key === 'required' && Array.isArray(before) && Array.isArray(value)) {
          out[key] = [...before, ...value]
        } else if (!listed(ANNOTATIONS, key) && jsonText(before) !== jsonText(value)) {
          cannot('this allOf')
        }
      }
    }
    return out
  }

  const { $ref, $schema: _, ...unchanged } = schema
  const base = lookUp($ref)?.target
  const root: Node = isRecord(base) ? { ...base, ...unchanged } : schema
  if (strict !== undefined && root['type'] !== 'object' && !isRecord(root['properties'])) {
    throw new LlmError({
      kind: 'unsupported',
      phase: 'encode',
      message: `${title} takes only an object as the root of a schema: wrap yours, e.g. { "type": "object", "properties": { "value": … } }.`,
    })
  }
  const converted = convert(root, '', 1)
  if (definitions.size > 0) converted['$defs'] = Object.fromEntries(definitions)
  if (strict !== undefined) {
    if (properties > strict.properties) add(impossible, `more than ${strict.properties} properties`, '')
    if (enumValues > strict.enumValues) add(impossible, `more than ${strict.enumValues} enum values`, '')
  }
  const fits = impossible.size === 0
  return {
    schema: fits ? converted : $ref === undefined ? unchanged : { $ref, ...unchanged },
    strict: fits,
    warnings: [...(fits ? lost : impossible)].map(([what, paths]) => ({
      code: fits ? 'converted' : 'unsupported',
      field: 'schema',
      message: fits
        ? `${title} does not enforce ${what} (${placesOf(paths)}); the description says it instead.`
        : `${title} cannot express ${what} (${placesOf(paths)}); the schema was sent without being enforced.`,
    })),
  }
}

/** A type `null` beside what a schema accepts. */
function orNull(node: Node): Node {
  const { description, ...rest } = node
  const { type, anyOf, enum: values } = rest
  if ('const' in node || (type === undefined && anyOf === undefined)) {
    return { anyOf: [rest, NULL], ...(description === undefined ? {} : { description }) }
  }
  if (Array.isArray(anyOf)) {
    const takesNull = anyOf.some((branch) => isRecord(branch) && hasType(branch, 'null'))
    return takesNull ? node : { ...node, anyOf: [...anyOf, NULL] }
  }
  if (hasType(node, 'null')) return node
  return { ...node, type: withNull(type), ...(Array.isArray(values) ? { enum: [...values, null] } : {}) }
}

/** Constraints every value of their type meets: renderers write them for completeness. */
function saysNothing(keyword: string, value: unknown): boolean {
  return (
    /^(?:\$|x-)/.test(keyword) ||
    (keyword === 'minimum' && value === Number.MIN_SAFE_INTEGER) ||
    (keyword === 'maximum' && value === Number.MAX_SAFE_INTEGER) ||
    (keyword === 'propertyNames' && jsonText(value) === '{"type":"string"}') ||
    (/^min(?:Length|Items|Properties)$/.test(keyword) && value === 0)
  )
}

const typesOf = (node: Node): unknown[] => [node['type']].flat()
const hasType = (node: Node, type: string): boolean => typesOf(node).includes(type)

function withNull(type: unknown): unknown {
  return type === 'null' ? type : [...new Set([type, 'null'].flat())]
}

function jsonType(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
}

function typeName(schema: unknown): string {
  return (isRecord(schema) && typesOf(schema).join(' or ')) || 'value'
}

function add(map: Places, key: string, path: string): void {
  const paths = map.get(key) ?? []
  map.set(key, paths)
  paths.push(path || 'the root')
}

/** The first three places; a long list helps nobody. */
function placesOf(paths: string[]): string {
  const shown = paths.slice(0, 3).map((path) => `at ${path}`)
  return shown.join(', ') + (paths.length > 3 ? ` and ${paths.length - 3} more` : '')
}
