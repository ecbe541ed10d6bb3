/**
 * What every codec needs to write a request and to read a wire object: URLs, JSON bodies, message pieces.
 *
 * In:  our Request and its parts; unknown values parsed off the wire.
 * Out: a validated URL, a JSON text that every server accepts, typed reads that ignore inherited properties.
 * Not here: keys (key.ts), error bodies (errors.ts), anything that knows one provider.
 */

import { LlmError } from '../errors.ts'
import type { Message, Origin, Part, Request } from '../types.ts'
import { fault, protocol } from './notes.ts'

// -------------------------------------------------------------------------------------------------- URLs

/**
 * `path` below `baseURL`. The base keeps its own path and query; its trailing slashes do not matter.
 * @throws LlmError `config` when the base is not an absolute http(s) URL, or carries a user, password or fragment.
 */
export function endpoint(baseURL: string, path: string, provider: string): string {
  let url: URL
  try {
    url = new URL(baseURL)
  } catch {
    throw badBase(provider, 'it is not an absolute URL, such as https://api.example.com/v1')
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw badBase(provider, `its scheme is ${url.protocol} where only https: and http: are sent to`)
  }
  if (url.username !== '' || url.password !== '') {
    throw badBase(provider, 'it carries a user name or password; pass a key as apiKey instead')
  }
  if (url.hash !== '') throw badBase(provider, 'it ends in a #fragment, which no server would see')
  const [suffix = '', query = ''] = splitOnce(path, '?')
  const joined = `${url.origin}${url.pathname.replace(/\/+$/, '')}/${suffix.replace(/^\/+/, '')}`
  const search = [url.search.slice(1), query].filter((part) => part !== '').join('&')
  return search === '' ? joined : `${joined}?${search}`
}

function badBase(provider: string, reason: string): LlmError {
  // The URL itself is not quoted: people paste keys into them.
  return fault('config', provider, 'encode', `The baseURL of ${provider} cannot be used: ${reason}.`)
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

/**
 * One path segment that cannot climb, branch off into a query, or name another host.
 * Dots are encoded twice when they stand alone, because URL parsers resolve `%2e%2e` like `..`.
 */
export function pathSegment(id: string): string {
  if (id === '.' || id === '..') return id.replaceAll('.', '%252E')
  return encodeURIComponent(wellFormed(id))
}

/**
 * A string that may stand inside a host name (a region, a resource name).
 * @throws LlmError `config` for anything but letters, digits and inner hyphens.
 */
export function hostPart(value: string, field: string, provider: string): string {
  if (/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(value)) return value
  throw fault(
    'config',
    provider,
    'encode',
    `The ${field} given to ${provider} cannot be part of a host name: use letters, digits and hyphens.`,
  )
}

// ------------------------------------------------------------------------------------------- JSON bodies

/**
 * The body as JSON text, with the caller's raw fields merged last: objects merge, arrays replace, `null` deletes.
 * Lone surrogates become U+FFFD: as `\ud83d` escapes they are valid JSON that several servers answer with a 400.
 * @throws LlmError `invalid-request` for what JSON cannot hold.
 */
export function jsonBody(body: Record<string, unknown>, extra?: Record<string, unknown>): string {
  return jsonText(extra === undefined ? body : merge(body, extra))
}

/**
 * A value of the caller's as JSON text, without lone surrogates: also for JSON inside JSON (arguments), where the escape
 * would survive the one around it.
 * @throws LlmError `invalid-request` for what JSON cannot hold: cycles, BigInts, more nesting than the stack has room for.
 */
export function jsonText(value: unknown): string {
  try {
    const text = JSON.stringify(value)
    if (!LONE_ESCAPE.test(text)) return text
    return JSON.stringify(JSON.parse(text, (_, item) => wellFormedValue(item)))
  } catch (cause) {
    throw new LlmError({
      kind: 'invalid-request',
      phase: 'encode',
      message: 'The request cannot be written as JSON: it holds a cycle or a BigInt, or is nested too deep.',
      cause,
    })
  }
}

/** JSON.stringify writes a lone surrogate, and only that, as an escape in the d800–dfff range. */
const LONE_ESCAPE = /\\ud[89a-f][0-9a-f]{2}/i
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

function wellFormed(text: string): string {
  return text.replace(LONE_SURROGATE, '\ufffd')
}

function wellFormedValue(value: unknown): unknown {
  if (typeof value === 'string') return wellFormed(value)
  if (asRecord(value) === undefined) return value
  // Keys too. fromEntries defines own properties, so a '__proto__' key stays data.
  return Object.fromEntries(Object.entries(value as object).map(([key, item]) => [wellFormed(key), item]))
}

function merge(base: Record<string, unknown>, extra: Record<string, unknown>): Record<string, unknown> {
  const merged = new Map(Object.entries(base))
  for (const [key, value] of Object.entries(extra)) {
    const before = asRecord(merged.get(key))
    const after = asRecord(value)
    if (value === null) merged.delete(key)
    else if (before !== undefined && after !== undefined) merged.set(key, merge(before, after))
    else merged.set(key, value)
  }
  return Object.fromEntries(merged)
}

/**
 * The JSON of one frame.
 * @throws LlmError `protocol` when it is not JSON; the message gives its length, never the payload.
 */
export function parseFrameJson(data: string, provider: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    throw protocol(provider, `sent a stream event of ${data.length} characters that is not JSON`)
  }
}

// -------------------------------------------------------------------------------- reading unknown objects

/** True for a JSON object, not an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value when it is a JSON object, not an array. */
export function asRecord(value: unknown): Record<string, unknown> | undefined {
  return isRecord(value) ? value : undefined
}

/** The value when it is an array, otherwise an empty one. */
export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** The value when it is a string. */
export function asString(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** The value when it is a finite number. */
export function asNumber(value: unknown): number | undefined {
  return Number.isFinite(value) ? (value as number) : undefined
}

/** The value when it can be a number of tokens: finite, not negative. Fault row 81. */
export function asCount(value: unknown): number | undefined {
  return (asNumber(value) ?? -1) < 0 ? undefined : (value as number)
}

/** The own property, or undefined: what a polluted prototype offers is not read. */
export function own(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined
}

// The own property when it is of the type asked for.
export const recordIn = (value: unknown, key: string): Record<string, unknown> | undefined =>
  asRecord(own(value, key))
export const listIn = (value: unknown, key: string): readonly unknown[] => asArray(own(value, key))
export const stringIn = (value: unknown, key: string): string | undefined => asString(own(value, key))
export const numberIn = (value: unknown, key: string): number | undefined => asNumber(own(value, key))
export const countIn = (value: unknown, key: string): number | undefined => asCount(own(value, key))

/** Some fields of an object, named between blanks, as far as they are there and not null. */
export function pick(value: unknown, names: string): Record<string, unknown> {
  const entries = names.split(' ').map((name) => [name, own(value, name)] as const)
  return Object.fromEntries(entries.filter(([, field]) => field != null))
}

/** The object without its undefined fields: what `exactOptionalPropertyTypes` does not take, and JSON does not show. */
export function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>
}

/** The type of {@link defined}: a field that may be undefined is a field that may be absent. */
export type Defined<T> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K]
} & { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> }

/** Whether a word stands in a list of words between blanks. */
export function listed(words: string, word: string): boolean {
  return ` ${words} `.includes(` ${word} `)
}

/** The sum of the counts that were reported; undefined when none was. */
export function sumCounts(...counts: (number | undefined)[]): number | undefined {
  let sum: number | undefined
  for (const count of counts) if (count !== undefined) sum = (sum ?? 0) + count
  return sum
}

/** Input and output together, where both were reported. */
export function totalOf(input: number | undefined, output: number | undefined): number | undefined {
  return input === undefined || output === undefined ? undefined : input + output
}

// -------------------------------------------------------------------------------------- message pieces

/** Content as parts; an empty string is no part. */
export function partsOf(content: string | Part[]): Part[] {
  if (typeof content !== 'string') return content
  return content === '' ? [] : [{ type: 'text', text: content }]
}

/** The text of the text parts, joined. */
export function textOf(content: string | Part[]): string {
  if (typeof content === 'string') return content
  let text = ''
  for (const part of content) if (part.type === 'text') text += part.text
  return text
}

/** The system prompt: `request.system` and the system messages that lead the conversation, a blank line between. */
export function splitSystem(request: Request): { system: string | undefined; messages: Message[] } {
  let first = 0
  const texts = request.system === undefined ? [] : [request.system]
  for (; request.messages[first]?.role === 'system'; first++) {
    texts.push(textOf(request.messages[first]?.content ?? ''))
  }
  const system = texts.filter((text) => text.trim() !== '').join('\n\n')
  return { system: system === '' ? undefined : system, messages: request.messages.slice(first) }
}

/** Neighbouring turns of one role as one turn, for providers that demand alternation. */
export function mergeTurns(messages: readonly Message[]): Message[] {
  const turns: Message[] = []
  for (const message of messages) {
    const last = turns.at(-1)
    if (last?.role === message.role) {
      turns[turns.length - 1] = {
        role: last.role,
        content: [...partsOf(last.content), ...partsOf(message.content)],
      }
    } else turns.push(message)
  }
  return turns
}

/** 8,190 is a multiple of 3, so every slice but the last encodes without padding. */
const BASE64_SLICE = 8190

/** The bytes as base64; a string is taken to be base64 already, with a `data:` prefix removed. */
export function base64Of(data: string | Uint8Array): string {
  if (typeof data === 'string') return data.replace(/^data:[^,]*,/, '')
  let text = ''
  for (let at = 0; at < data.length; at += BASE64_SLICE) {
    text += btoa(String.fromCharCode(...data.subarray(at, at + BASE64_SLICE)))
  }
  return text
}

/** True when another provider made the part, so that its signatures and ids mean nothing here. */
export function isForeign(origin: Origin | undefined, names: readonly string[]): boolean {
  return origin !== undefined && !names.includes(origin.provider)
}

/** Arguments that are not JSON, as the object some APIs insist on. */
export function invalidArgsObject(raw: string): { INVALID_JSON: string } {
  return { INVALID_JSON: raw }
}
