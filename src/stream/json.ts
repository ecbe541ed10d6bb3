/**
 * Partial JSON: text in as it arrives, one live value out.
 *
 * In:  pieces of one JSON text (RFC 8259), cut anywhere, also inside an escape or a surrogate pair.
 * Out: `value`, the same object from first to last, growing in place: strings grow, numbers and literals appear when
 *      finished, a member appears with the first sign of its value. The final value is what JSON.parse would give.
 * Cost: O(text) in total and O(piece) per push, however deep or long a value is; no recursion, no re-reading.
 * Not here: the grammar of numbers (json-number.ts); repair: what JSON.parse rejects is an error here, at the first
 *      character that makes it so; several texts in a row; bytes (decode them first; a byte order mark is an error, as
 *      it is to JSON.parse).
 *
 * Long, because it is one machine: its states share some twenty variables, and they are locals of one function so that
 * a delta costs tens of nanoseconds. Read push() first, then the reader of each state.
 */

import { LlmError } from '../errors.ts'
import { afterNumberChar, INTEGER, isDigit, isWholeNumber, MINUS, ZERO } from './json-number.ts'

/** Where a value stands in the document: keys and array indices from the root; `[]` is the root. */
export type JsonPath = readonly (string | number)[]

/** Bounds and the observer of {@link createJsonParser}. */
export interface JsonParserOptions {
  /**
   * Deepest nesting accepted; one array or object is depth 1. Default: unbounded, because depth costs heap here and
   * never stack; 1,024 when `onValue` is given, because each of its calls copies a path of that length.
   */
  maxDepth?: number
  /** Longest text accepted, in bytes of UTF-8. Default 67,108,864 (64 MiB). */
  maxBytes?: number
  /** Called as each value closes, children before parents. The path is the callee's to keep. */
  onValue?: (path: JsonPath, value: unknown) => void
}

/** An incremental parser of one JSON text. */
export interface JsonParser {
  /**
   * Reads more text.
   * @throws LlmError `invalid-output` with `offset` at the first character JSON does not allow there;
   *   `too-large` beyond `maxDepth` or `maxBytes`. The parser then stays failed and keeps the value it had.
   */
  push(text: string): void
  /**
   * Says that no text follows.
   * @throws LlmError `invalid-output` when the text ended inside a value. A number at the root is finished by this.
   */
  end(): void
  /** The value so far, live and read-only; undefined while nothing can be shown. */
  readonly value: unknown
  /** True when what was read is one whole JSON text. */
  readonly complete: boolean
}

/** What {@link parsePartialJson} found. */
export interface PartialJson {
  /** What the text shows so far; undefined when that is nothing. */
  value: unknown
  /** The text is whole. False for a text that is merely cut and for one that is wrong. */
  complete: boolean
  /** Kind `invalid-output` with `offset`: the text is no beginning of any JSON. */
  error?: LlmError
}

// What the parser waits for. Small integers and one switch: this runs once per character of a model's output, and a
// tagged object per state would be an allocation per character.
const VALUE = 0 //          a value
const FIRST_ELEMENT = 1 //  a value or ]      after [
const FIRST_KEY = 2 //      a key or }        after {
const KEY = 3 //            a key             after , in an object
const COLON = 4 //          :                 after a key
const AFTER = 5 //          , or ] or }       after a value; at the root nothing but white space
const STRING = 6 //         the rest of a string or key
const ESCAPE = 7 //         the character after \
const HEX = 8 //            the rest of \uXXXX
const NUMBER = 9 //         the rest of a number
const LITERAL = 10 //       the rest of true, false, null
const KNOWN_KEY = 11 //     the rest of a key that is probably `guess`

const QUOTE = 34
const BACKSLASH = 92

/** What each one-character escape stands for, by char code. */
const ESCAPES: Readonly<Record<number, string>> = {
  34: '"',
  47: '/',
  92: '\\',
  98: '\b',
  102: '\f',
  110: '\n',
  114: '\r',
  116: '\t',
}

/** By first letter. */
const LITERALS: Readonly<Record<number, string>> = { 102: 'false', 110: 'null', 116: 'true' }

const EXPECTED: Readonly<Record<number, string>> = {
  [VALUE]: 'a value',
  [FIRST_ELEMENT]: 'a value or "]"',
  [FIRST_KEY]: 'a quoted key or "}"',
  [KEY]: 'a quoted key',
  [COLON]: '":"',
  [STRING]: 'a character that needs no escape',
  [ESCAPE]: 'one of "\\/bfnrtu after a backslash',
  [HEX]: 'a hexadecimal digit',
  [NUMBER]: 'a digit',
  [LITERAL]: 'true, false or null',
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024
const DEFAULT_MAX_OBSERVED_DEPTH = 1024

/** Most keys whose follower is remembered: an object used as a map has a new key every time. */
const MAX_FOLLOWERS = 256

/** Longest rope, in pieces; and the length in UTF-16 units from which a piece may stay a node of one. */
const ROPE_PIECES = 256
const LONG_PIECE = 1024

/** An array or an object, seen as what both are: members by key. */
type Container = Record<string | number, unknown>

const isHighSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdbff

/**
 * Makes a parser of one JSON text.
 * @param options bounds and an observer; see {@link JsonParserOptions}.
 * @throws LlmError `invalid-output` from `push` and `end`, with `offset`, at text that is not JSON; `too-large` above `maxBytes` or `maxDepth`.
 */
export function createJsonParser(options: JsonParserOptions = {}): JsonParser {
  const { onValue, maxBytes = DEFAULT_MAX_BYTES } = options
  const maxDepth = options.maxDepth ?? (onValue ? DEFAULT_MAX_OBSERVED_DEPTH : Infinity)

  // The document hangs at index 0 of an array of our own, so that the root is an element like any other.
  const root: unknown[] = []
  let container = root as unknown as Container
  /** Index or key of the member being read. A number means that the container is an array. */
  let key: string | number = 0
  /** The way back up: containers above this one, and where each hangs in its own. */
  const parents: Container[] = []
  const parentKeys: (string | number)[] = []

  let state = VALUE
  let inKey = false
  /** Of the string, key or number being read: what is known of it. */
  let text = ''
  /** How `text` ends: the pieces since it was last made flat, and the flat string before them; see append(). */
  const pieces: string[] = []
  let filled = 0
  let flat = ''
  /** A high surrogate that waits for its low half: shown alone it would be half a character. 0 = none. */
  let high = 0
  /** Keys come in the order they came in before: the key that followed each. */
  const followers = new Map<string, string>()
  /** The key before the one being read. */
  let lastKey = ''
  /** What the key or literal being read ought to be, and how much of it was read. */
  let guess = ''
  let guessed = 0
  let keyExtraBytes = 0
  let keyHasEscapes = false
  let hexValue = 0
  let hexDigits = 0
  let numberState = MINUS
  /** UTF-16 units of all pushes before this one, and how many bytes of UTF-8 they took beyond that. */
  let units = 0
  let extraBytes = 0
  let failure: LlmError | undefined
  /** Set while onValue runs. Still set at the next push, it threw, and the push it threw from was half read. */
  let observing = false

  function fail(kind: 'invalid-output' | 'too-large', offset: number, reason: string): never {
    show()
    failure = new LlmError({
      kind,
      message: `${kind === 'too-large' ? 'JSON refused' : 'Invalid JSON'} at offset ${offset}: ${reason}.`,
      offset,
      issues: [{ message: reason }],
    })
    throw failure
  }

  function unexpected(input: string, i: number): never {
    const inside = typeof key === 'number' ? '"," or "]"' : '"," or "}"'
    const after = parents.length === 0 ? 'nothing after the value' : inside
    const expected = state === AFTER ? after : EXPECTED[state]
    return fail('invalid-output', units + i, `expected ${expected}, found ${JSON.stringify(input[i])}`)
  }

  /**
   * Adds to the string being read. Engines make a rope of `a + b`, a node per delta, and a megabyte of them is what a
   * garbage collector spends its time on: so every 256 pieces the last of the rope is replaced by one flat string.
   */
  function append(more: string): void {
    let piece = more
    if (high !== 0) {
      piece = String.fromCharCode(high) + more
      high = 0
    }
    text = text === '' ? piece : text + piece
    if (piece.length > LONG_PIECE) {
      // Few nodes for much text: nothing to gain, and nothing to hold on to.
      flat = text
      filled = 0
      return
    }
    pieces[filled++] = piece
    if (filled === ROPE_PIECES) {
      flat += pieces.join('')
      text = flat
      filled = 0
    }
  }

  /** The finished string. A rope is made flat: kept as one, 24 characters that came in six pieces take 250 bytes. */
  function whole(): string {
    // To read one character, engines flatten all. The result is put where it does no harm, because an optimising
    // compiler leaves out a reading that nobody uses.
    hexValue = text.charCodeAt(0)
    return text
  }

  /** Writes the unfinished string, if one is being read, where it belongs. */
  function show(): void {
    if (state >= STRING && state <= HEX && !inKey) put(text)
  }

  /** A key that would reach the prototype's setter becomes a plain own member. */
  function put(value: unknown): void {
    if (key !== '__proto__') container[key] = value
    else {
      Object.defineProperty(container, key, { value, writable: true, enumerable: true, configurable: true })
    }
  }

  function close(value: unknown): void {
    put(value)
    state = AFTER
    if (onValue) observe(value)
  }

  function observe(value: unknown): void {
    // parentKeys[0] is our own root array's 0.
    const path = parentKeys.slice(1)
    if (parents.length > 0) path.push(key)
    observing = true
    onValue!(path, value)
    observing = false
  }

  function open(child: Container, childKey: string | number, next: number, i: number): void {
    if (parents.length >= maxDepth) {
      fail('too-large', units + i, `nested deeper than ${maxDepth} levels (maxDepth)`)
    }
    put(child)
    parents.push(container)
    parentKeys.push(key)
    container = child
    key = childKey
    state = next
  }

  function leave(): void {
    const child = container
    container = parents.pop()!
    key = parentKeys.pop()!
    state = AFTER
    if (onValue) observe(child)
  }

  /** Starts the value at input[i]; returns where to go on. */
  function startValue(input: string, i: number, code: number): number {
    if (code === QUOTE) {
      startText(false)
      return i + 1
    }
    if (code === 123 /* { */) {
      open({}, '', FIRST_KEY, i)
      return i + 1
    }
    if (code === 91 /* [ */) {
      open(smallArray() as unknown as Container, 0, FIRST_ELEMENT, i)
      return i + 1
    }
    if (code === 45 || isDigit(code)) {
      text = ''
      numberState = code === 45 ? MINUS : code === 48 ? ZERO : INTEGER
      state = NUMBER
      return readNumber(input, i, i + 1)
    }
    const literal = LITERALS[code]
    if (literal === undefined) unexpected(input, i)
    guess = literal
    guessed = 0
    state = LITERAL
    return readLiteral(input, i)
  }

  /** Reads up to the quote, an escape, or the end of the input; returns where to go on. */
  function readString(input: string, start: number): number {
    const length = input.length
    let i = start
    let code = 0
    for (; i < length; i++) {
      code = input.charCodeAt(i)
      if (code === QUOTE || code === BACKSLASH || code < 32) break
      // UTF-8 takes 2 bytes from U+0080, 3 from U+0800, and 4 for a pair, which is 2 per half.
      if (code > 127) extraBytes += code > 2047 && (code & 0xf800) !== 0xd800 ? 2 : 1
    }
    if (i > start) {
      const last = input.charCodeAt(i - 1)
      // Unless the string ends here, the other half may still come; of an error's neighbours it is held back as well.
      const half = code !== QUOTE && isHighSurrogate(last)
      const end = half ? i - 1 : i
      append(start === 0 && end === length ? input : input.slice(start, end))
      if (half) high = last
    }
    if (i === length) return i
    if (code === BACKSLASH) {
      state = ESCAPE
      return i + 1
    }
    if (code !== QUOTE) unexpected(input, i)
    if (high !== 0) append('')
    if (inKey) closeKey(text)
    else close(filled > 1 ? whole() : text)
    return i + 1
  }

  function startKey(input: string, i: number): number {
    lastKey = state === KEY ? (key as string) : ''
    keyExtraBytes = extraBytes
    keyHasEscapes = false
    const follower = followers.get(lastKey)
    if (follower === undefined) {
      startText(true)
      return i
    }
    guess = follower
    guessed = 0
    state = KNOWN_KEY
    return readKnownKey(input, i)
  }

  /** Compares instead of building: in a list of records nearly every key is known, and none is made twice. */
  function readKnownKey(input: string, start: number): number {
    const i = compare(input, start)
    if (i === input.length) return i
    if (guessed === guess.length && input.charCodeAt(i) === QUOTE) {
      key = guess
      state = COLON
      return i + 1
    }
    // Another key, an escape, or an error: from here on it is read like any string.
    startText(true)
    append(guess.slice(0, guessed))
    return readString(input, i)
  }

  /** How far the input goes on as `guess` does. */
  function compare(input: string, start: number): number {
    let i = start
    while (i < input.length && guessed < guess.length && input.charCodeAt(i) === guess.charCodeAt(guessed)) {
      guessed++
      i++
    }
    return i
  }

  function readLiteral(input: string, start: number): number {
    const i = compare(input, start)
    if (guessed === guess.length) close(JSON.parse(guess))
    else if (i < input.length) unexpected(input, i)
    return i
  }

  function closeKey(whole: string): void {
    // Only keys that stand in the text as they are, of one byte per character: comparing neither decodes nor counts.
    if (!keyHasEscapes && keyExtraBytes === extraBytes && followers.size < MAX_FOLLOWERS) {
      followers.set(lastKey, whole)
    }
    key = whole
    state = COLON
  }

  function startText(isKey: boolean): void {
    text = ''
    flat = ''
    filled = 0
    inKey = isKey
    state = STRING
  }

  /** Reads the character after a backslash. */
  function readEscape(input: string, i: number): number {
    const code = input.charCodeAt(i)
    if (inKey) keyHasEscapes = true
    if (code === 117) {
      hexValue = 0
      hexDigits = 0
      state = HEX
      return i + 1
    }
    const character = ESCAPES[code]
    if (character === undefined) unexpected(input, i)
    append(character)
    state = STRING
    return i + 1
  }

  /** Reads one digit of \uXXXX. */
  function readHex(input: string, i: number): number {
    const code = input.charCodeAt(i)
    const lower = code | 32
    const digit = isDigit(code) ? code - 48 : lower >= 97 && lower <= 102 ? lower - 87 : unexpected(input, i)
    hexValue = hexValue * 16 + digit
    if (++hexDigits === 4) {
      const half = isHighSurrogate(hexValue)
      if (high !== 0 || !half) append(half ? '' : String.fromCharCode(hexValue))
      if (half) high = hexValue
      state = STRING
    }
    return i + 1
  }

  /** Reads digits from `i`; `start` is where this push's share of the number begins. */
  function readNumber(input: string, start: number, from: number): number {
    const length = input.length
    let i = from
    for (; i < length; i++) {
      const next = afterNumberChar(numberState, input.charCodeAt(i))
      if (next < 0) break
      numberState = next
    }
    text += input.slice(start, i)
    if (i === length) return i
    if (!isWholeNumber(numberState)) unexpected(input, i)
    // "01" would otherwise be told as "nothing after the value".
    if (numberState === ZERO && isDigit(input.charCodeAt(i))) {
      fail('invalid-output', units + i, 'a number may not start with 0')
    }
    close(Number(text))
    return i
  }

  function readPunctuation(input: string, i: number): number {
    const code = input.charCodeAt(i)
    if (code === 32 || code === 10 || code === 13 || code === 9) return i + 1
    switch (state) {
      case VALUE:
        return startValue(input, i, code)
      case FIRST_ELEMENT:
        if (code !== 93) return startValue(input, i, code)
        leave()
        return i + 1
      case FIRST_KEY:
      case KEY:
        if (code === 125 && state === FIRST_KEY) {
          leave()
          return i + 1
        }
        if (code !== QUOTE) unexpected(input, i)
        return startKey(input, i + 1)
      case COLON:
        if (code !== 58) unexpected(input, i)
        state = VALUE
        return i + 1
      default: {
        // AFTER
        const isArray = typeof key === 'number'
        if (parents.length === 0) unexpected(input, i)
        if (code === (isArray ? 93 : 125)) leave()
        else if (code !== 44) unexpected(input, i)
        else if (isArray) {
          ;(key as number)++
          state = VALUE
        } else state = KEY
        return i + 1
      }
    }
  }

  function tooLong(): never {
    return fail('too-large', units, `longer than ${maxBytes} bytes (maxBytes)`)
  }

  function refuseIfStopped(): void {
    if (failure) throw failure
    if (observing) fail('invalid-output', units, 'onValue threw, or pushed')
  }

  function push(input: string): void {
    refuseIfStopped()
    const length = input.length
    // Before the work by the least it can be, after it by what it was.
    if (units + extraBytes + length > maxBytes) tooLong()
    let i = 0
    if (state === STRING && high === 0 && !inKey) {
      // Most deltas are plain text inside a string, and nothing else.
      let code = 0
      while (
        i < length &&
        (code = input.charCodeAt(i)) > 31 &&
        code < 128 &&
        code !== QUOTE &&
        code !== BACKSLASH
      )
        i++
      if (i === length) {
        append(input)
        put(text)
        units += length
        return
      }
      i = 0
    }
    while (i < length) {
      switch (state) {
        case STRING:
          i = readString(input, i)
          break
        case ESCAPE:
          i = readEscape(input, i)
          break
        case HEX:
          i = readHex(input, i)
          break
        case NUMBER:
          i = readNumber(input, i, i)
          break
        case LITERAL:
          i = readLiteral(input, i)
          break
        case KNOWN_KEY:
          i = readKnownKey(input, i)
          break
        default:
          i = readPunctuation(input, i)
      }
    }
    units += length
    if (units + extraBytes > maxBytes) tooLong()
    show()
  }

  function end(): void {
    refuseIfStopped()
    if (state === NUMBER && parents.length === 0 && isWholeNumber(numberState)) close(Number(text))
    if (state !== AFTER || parents.length > 0) {
      const where =
        parents.length === 0 ? 'before its value was whole' : `inside ${parents.length} open brackets`
      fail('invalid-output', units, `the text ended ${where}`)
    }
  }

  return {
    push,
    end,
    get value(): unknown {
      return root[0]
    },
    get complete(): boolean {
      return failure === undefined && state === AFTER && parents.length === 0
    },
  }
}

/**
 * An empty array with room for three. V8 gives `[]` seventeen places at its first write, 136 bytes, and the arrays of
 * a model's answer are short and many; places of a literal stay when its elements are taken out. (Zeros, because an
 * array that began with small integers can still become one of unboxed doubles.)
 */
function smallArray(): unknown[] {
  const array: unknown[] = [0, 0, 0]
  array.pop()
  array.pop()
  array.pop()
  return array
}

/**
 * Reads what there is of one JSON text. For text that keeps growing use {@link createJsonParser}: calling this at
 * every delta reads everything again each time, which is the quadratic cost the parser above avoids.
 *
 * Never throws: `error` is set when the text is no beginning of any JSON, and absent when it is merely cut.
 */
export function parsePartialJson(text: string): PartialJson {
  const parser = createJsonParser({ maxBytes: Infinity })
  try {
    parser.push(text)
  } catch (error) {
    return { value: parser.value, complete: false, error: error as LlmError }
  }
  try {
    // Finishes a number at the root. Anything else that was open stays cut, which is no error here.
    parser.end()
  } catch {}
  return { value: parser.value, complete: parser.complete }
}
