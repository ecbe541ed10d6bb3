/**
 * Gemini's streamed function arguments: values with the place they belong to, one after the other.
 *
 * In:  `partialArgs`: [{ jsonPath: "$.items[0].name", stringValue: "Ad", willContinue: true }, …].
 * Out: JSON text that grows with them, as every other provider sends it, and the value they add up to.
 * Paths come in document order, so the text can be written as they arrive; when one goes back to a finished place,
 * the text stops and the value decides. Arrays grow by one: `$.a[1000000000]` is refused, not allocated.
 * Not here: which call the values belong to (gemini.ts).
 * Spec: https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc
 */

import { asArray, own, stringIn } from './body.ts'

type Path = readonly (string | number)[]

/** The arguments of one call, as they arrive. */
export interface PartialArgs {
  /** Adds a chunk's `partialArgs`; returns the JSON text they add. */
  push(partialArgs: unknown): string
  /** The rest of the text, and the value where the text could not follow it. After a senseless path the text stays cut. */
  end(): { text: string; value?: unknown }
}

/** Deeper than any schema; JSON.stringify of the value must not run out of stack. */
const MAX_DEPTH = 256

/** A container whose brackets are open in the text. */
interface Level {
  isArray: boolean
  count: number
  keys: Set<string>
}

/** Starts the arguments of one call. */
export function createPartialArgs(): PartialArgs {
  const root: Record<string, unknown> = {}
  const levels: Level[] = []
  /** Where the last value stands; its string is still open when `inString`. */
  let at: Path = []
  let inString = false
  let state: 'written' | 'out of order' | 'nonsense' = 'written'

  /** The text that brings the writer from the last value to `path`; undefined when the text cannot go there. */
  function moveTo(path: Path): string | undefined {
    let text = inString ? '"' : ''
    inString = false
    let common = 0
    while (common < Math.min(at.length, path.length) - 1 && at[common] === path[common]) common++
    while (levels.length > common + 1) text += levels.pop()?.isArray === true ? ']' : '}'
    for (let depth = Math.min(common, levels.length); depth < path.length; depth++) {
      const key = path[depth] as string | number
      const isArray = typeof key === 'number'
      if (levels.length === depth) {
        levels.push({ isArray, count: 0, keys: new Set() })
        text += isArray ? '[' : '{'
      }
      const level = levels[depth] as Level
      if (level.isArray !== isArray || (isArray ? key !== level.count : level.keys.has(key))) return undefined
      if (level.count++ > 0) text += ','
      if (!isArray) {
        level.keys.add(key)
        text += `${JSON.stringify(key)}:`
      }
    }
    at = path
    return text
  }

  function write(path: Path, value: unknown, more: boolean, goesOn: boolean): string {
    if (state !== 'written') return ''
    let text = ''
    if (!goesOn) {
      const way = moveTo(path)
      if (way === undefined) {
        state = 'out of order'
        return ''
      }
      text = way
    }
    if (typeof value !== 'string') return text + JSON.stringify(value)
    // The halves of a surrogate pair may come in two chunks: each is written as an escape, and together they are one.
    text += (goesOn ? '' : '"') + JSON.stringify(value).slice(1, -1)
    inString = more
    return more ? text : `${text}"`
  }

  /** Sets the value in the tree; false when the path contradicts what is there. */
  function assign(path: Path, value: unknown, goesOn: boolean): boolean {
    let node: object = root
    for (let depth = 0; depth < path.length; depth++) {
      const key = path[depth] as string | number
      if (Array.isArray(node) !== (typeof key === 'number')) return false
      if (Array.isArray(node) && (key as number) > node.length) return false
      const before = own(node, String(key))
      if (depth === path.length - 1) {
        define(node, key, goesOn && typeof before === 'string' ? before + String(value) : value)
        return true
      }
      if (typeof before === 'object' && before !== null) node = before
      else {
        const child: object = typeof path[depth + 1] === 'number' ? [] : {}
        define(node, key, child)
        node = child
      }
    }
    return true
  }

  let open: string | undefined
  return {
    push(partialArgs) {
      let text = ''
      for (const item of asArray(partialArgs)) {
        const jsonPath = stringIn(item, 'jsonPath') ?? ''
        const path = parsePath(jsonPath)
        const value = valueOf(item)
        const more = own(item, 'willContinue') === true
        const goesOn = open === jsonPath && typeof value === 'string'
        if (path === undefined || value === undefined || !assign(path, value, goesOn)) {
          state = 'nonsense'
          continue
        }
        text += write(path, value, more, goesOn)
        open = more && typeof value === 'string' ? jsonPath : undefined
      }
      return text
    },
    end() {
      if (state === 'nonsense') return { text: levels.length === 0 ? '{' : '' }
      if (state === 'out of order') return { text: '', value: root }
      let text = inString ? '"' : ''
      while (levels.length > 0) text += levels.pop()?.isArray === true ? ']' : '}'
      return { text }
    },
  }
}

/** Not assignment: `__proto__` must become a member, not the prototype. */
function define(node: object, key: string | number, value: unknown): void {
  Object.defineProperty(node, key, { value, writable: true, enumerable: true, configurable: true })
}

function valueOf(item: unknown): unknown {
  for (const key of ['stringValue', 'numberValue', 'boolValue']) {
    const value = own(item, key)
    if (value !== undefined) return value
  }
  return own(item, 'nullValue') === undefined ? undefined : null
}

/** `.name`, `[0]`, `['any name']`, `["any name"]`. */
const STEP = /\.([^.[\]]+)|\[(\d{1,9})\]|\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]/y

/** The steps of a JSONPath below `$`; undefined for anything but plain steps that begin with a name. */
function parsePath(jsonPath: string): Path | undefined {
  if (!jsonPath.startsWith('$')) return undefined
  const path: (string | number)[] = []
  STEP.lastIndex = 1
  while (STEP.lastIndex < jsonPath.length) {
    const step = STEP.exec(jsonPath)
    if (step === null || path.length === MAX_DEPTH) return undefined
    const [, name, index, single, double] = step
    path.push(
      index === undefined ? (name ?? (single ?? double ?? '').replaceAll(/\\(.)/g, '$1')) : Number(index),
    )
  }
  return typeof path[0] === 'string' ? path : undefined
}
