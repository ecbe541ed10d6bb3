/**
 * The tool-call correlator: which fragment belongs to which call, and what a finished call holds.
 *
 * In:  fragments as they came off the wire, every field of which may be absent, null, wrong or repeated.
 * Out: 'tool-call-start', 'tool-call-delta' and 'tool-call' events, one start and one end per call, ids unique.
 * A call is finished only when the provider says so (`close`, `end`), never because its JSON happens to parse:
 * `{"path":"/"}` cut from `{"path":"/"}`-and-more would be run. Arguments that cannot be run are flagged `invalid`
 * with their raw text, never repaired and never dropped.
 * Not here: reading a provider's field names (providers/), running tools (tools/run-tools.ts).
 */

import type { InvalidArgs, StreamEvent } from '../types.ts'
import { createJsonParser, parsePartialJson } from './json.ts'
import { LiveJson, ToolCallDelta } from './live.ts'

/** One fragment as it came off the wire: every field may be absent, null, or of a wrong type. */
export interface ToolCallFragment {
  /** Which call, in the provider's counting. A number, or a string such as an item id. */
  index?: unknown
  id?: unknown
  name?: unknown
  /** JSON text, or the arguments as a value. */
  args?: unknown
}

/** The calls of one answer. */
export interface ToolCalls {
  /** Adds a fragment; appends 'tool-call-start' / 'tool-call-delta' events to `out`. */
  push(fragment: ToolCallFragment, out: StreamEvent[]): void
  /**
   * The provider said that the call at this index is finished: appends its 'tool-call' event. Final full `args`
   * (text or value), where the provider repeats them, win when no delta arrived or the deltas are cut; when both are
   * whole and differ, the call is invalid.
   */
  close(index: unknown, out: StreamEvent[], args?: unknown): void
  /**
   * The terminal marker was seen: every call still open is closed. `reason` is a sentence, set when the answer was
   * cut (length): unfinished JSON becomes invalid with that reason.
   */
  end(out: StreamEvent[], reason?: string): void
  /** Calls seen so far (open and closed). */
  readonly count: number
  /** Message-part index of the call at this wire index, if any. */
  partOf(index: unknown): number | undefined
}

/** What the correlator needs from its codec. */
export interface ToolCallsOptions {
  /** Reserves the next message-part index; called once per call, in the order in which calls begin. */
  nextPart: () => number
  /** An id for call number `n` (from 0), where the provider sent none or one that is taken. Default: random. */
  newId?: (n: number) => string
  /** The caller's name of a tool from the name on the wire. Default: the same. */
  rename?: (wireName: string) => string
}

/** Stands for the name a provider never sent: a name every provider takes back. Such a call is always invalid. */
export const UNNAMED_TOOL = 'unknown'

/** Deepest arguments accepted. JSON.stringify recurses, and a message must survive it: V8 gives up near 5,000. */
const MAX_ARGS_DEPTH = 1000

/** Arguments as they arrived: a piece of text, a whole value (as text), or nothing. */
interface WireArgs {
  text: string
  whole: boolean
}

const NO_ARGS: WireArgs = { text: '', whole: false }

interface Call {
  readonly part: number
  readonly live: LiveJson
  /** The provider's id; '' while unknown. */
  wireId: string
  /** The provider's name for the tool; '' while unknown. */
  wireName: string
  /** Our id; '' until the start event, fixed from then on. */
  id: string
  /** The caller's name for the tool; set with the id. */
  name: string
  /** Deltas that came before the start event could be sent. */
  waiting: string[]
  /** Whole arguments not sent as a delta yet, because deltas may still replace them. */
  held: string | undefined
  /** Whole arguments from the provider that overrule cut deltas. */
  overruling: string | undefined
  closed: boolean
}

/** Makes the correlator of one answer. */
export function createToolCalls(options: ToolCallsOptions): ToolCalls {
  const { nextPart, newId = randomId, rename } = options
  const calls: Call[] = []
  // Maps, never arrays by wire index: an index may be 2^53, -1, or a string.
  const byIndex = new Map<number | string, Call>()
  const byId = new Map<string, Call>()
  const takenIds = new Set<string>()
  let current: Call | undefined
  let madeIds = 0

  function begin(): Call {
    const call: Call = {
      part: nextPart(),
      live: new LiveJson(),
      wireId: '',
      wireName: '',
      id: '',
      name: '',
      waiting: [],
      held: undefined,
      overruling: undefined,
      closed: false,
    }
    calls.push(call)
    return call
  }

  /**
   * The call a fragment belongs to; a new one when it begins one; undefined when it says nothing new. Evidence in
   * falling order: the index, the id, and that it follows the fragment before it.
   */
  function route(
    index: number | string | undefined,
    id: string,
    name: string,
    args: WireArgs,
  ): Call | undefined {
    const more = !isBlank(args.text)
    const slot = index === undefined ? undefined : byIndex.get(index)
    const known = id === '' ? undefined : byId.get(id)

    // A call that is repeated when it is finished, or trailed by empty fragments, is not asked for twice.
    if (slot?.closed && slot === known) return undefined
    if (known !== undefined && name !== '' && more && isRepeated(known, name, args.text)) return undefined
    if (slot !== undefined && continues(slot, 'index', id, name, more)) return slot
    if ((slot ?? known)?.closed && name === '' && !more) return undefined

    // A name and an unseen index make a call of its own, whatever its id says: some servers repeat ids.
    const itsOwn = index !== undefined && slot === undefined && name !== ''
    if (known !== undefined && known !== slot && !itsOwn && continues(known, 'id', id, name, more))
      return known

    if (slot === undefined && known === undefined && current !== undefined) {
      if (index === undefined) {
        if (continues(current, 'order', id, name, more)) return current
      } else if (id === '' && name === '' && !current.closed && current.wireName !== '' && isEmpty(current)) {
        // The arguments of a call that was announced under another index.
        return current
      }
    }
    return id !== '' || name !== '' || more ? begin() : undefined
  }

  /** Whether a fragment that reached `call` by its index, its id or its place is more of it, or begins another. */
  function continues(
    call: Call,
    by: 'index' | 'id' | 'order',
    id: string,
    name: string,
    more: boolean,
  ): boolean {
    if (call.closed) return false
    const sameId = id !== '' && byId.get(id) === call
    if (id !== '' && !sameId && call.wireId !== '') {
      // Another id with a name is another call. Without one it may be a server that makes up an id per chunk, which
      // cannot be told from a new call until the arguments so far are whole.
      return name === '' && !byId.has(id) && !isWhole(call)
    }
    if (name !== '' && call.wireName !== '') {
      if (name !== call.wireName) return sameId && by === 'index'
      // By place alone a repeated name is a second call, unless it carries on arguments that are not whole.
      if (by === 'order' && !more) return false
    } else if (sameId || (by === 'index' && id === '')) {
      // Vouched for. What follows whole arguments here is garbage, and makes the call invalid.
      return true
    }
    return !more || !isWhole(call)
  }

  function add(call: Call, args: WireArgs, out: StreamEvent[]): void {
    if (args.text === '') return
    if (args.whole || (isEmpty(call) && isEmptyObject(args.text))) {
      // Some servers open with `{}` and then stream: what is whole is held back until it is known which it is.
      hold(call, args.text)
    } else if (call.held === undefined || !isBlank(args.text)) {
      call.held = undefined
      emit(call, args.text, out)
    }
  }

  function emit(call: Call, text: string, out: StreamEvent[]): void {
    call.live.append(text)
    if (call.id === '') call.waiting.push(text)
    else out.push(new ToolCallDelta(call.part, call.id, text, call.live))
  }

  /** Sends the start event once the name is known, and the id, or arguments, which show that no id is coming. */
  function announce(call: Call, out: StreamEvent[], atClose = false): void {
    if (call.id !== '') return
    if (!atClose && (call.wireName === '' || (call.wireId === '' && isEmpty(call)))) return
    call.name = call.wireName === '' ? UNNAMED_TOOL : (rename?.(call.wireName) ?? call.wireName)
    call.id = call.wireId
    while (call.id === '' || takenIds.has(call.id)) call.id = newId(madeIds++)
    takenIds.add(call.id)
    out.push({ type: 'tool-call-start', part: call.part, id: call.id, name: call.name })
    for (const text of call.waiting) out.push(new ToolCallDelta(call.part, call.id, text, call.live))
    call.waiting = []
  }

  function finish(call: Call, out: StreamEvent[], cut: string | undefined, final: WireArgs): void {
    call.closed = true
    announce(call, out, true)
    if (!isBlank(final.text)) hold(call, final.text)
    const conflict = call.overruling === undefined ? undefined : reconcile(call, call.overruling, out)
    // At a cut, `{}` may stand for arguments that never came; then nothing was said.
    if (call.held !== undefined && !(cut !== undefined && isEmptyObject(call.held))) {
      emit(call, call.held, out)
    }
    const outcome = conflict ?? readArgs(call, cut)
    const { part, id, name, live } = call
    live.settle('args' in outcome ? outcome.args : live.value)
    out.push({ type: 'tool-call', part, id, name, ...('args' in outcome ? outcome : { invalid: outcome }) })
  }

  /** Whole arguments from the provider beside the deltas it sent. Returns why they cannot both be meant. */
  function reconcile(call: Call, final: string, out: StreamEvent[]): InvalidArgs | undefined {
    const streamed = call.live.text
    call.overruling = undefined
    if (streamed === final) return undefined
    if (final.startsWith(streamed)) {
      emit(call, final.slice(streamed.length), out)
      return undefined
    }
    const theirs = parsePartialJson(final)
    if (!theirs.complete) return undefined
    if (deeperThan(final, MAX_ARGS_DEPTH)) return tooDeep(final)
    const ours = parsePartialJson(streamed)
    if (!ours.complete) {
      call.overruling = final
      return undefined
    }
    if (sameJson(ours.value, theirs.value)) return undefined
    return { raw: streamed, reason: 'The streamed arguments and the final ones from the provider differ.' }
  }

  return {
    push(fragment, out) {
      const index = readIndex(fragment.index)
      const id = readId(fragment.id)
      const name = typeof fragment.name === 'string' ? fragment.name : ''
      if (id === '' && name === '' && index !== undefined && typeof fragment.args === 'string') {
        // Nearly every fragment is more text of a call that is under way: no question arises.
        const call = byIndex.get(index)
        if (call !== undefined && !call.closed && call.id !== '' && !call.live.empty) {
          current = call
          if (fragment.args !== '') emit(call, fragment.args, out)
          return
        }
      }
      const args = readWireArgs(fragment.args)
      const call = route(index, id, name, args)
      if (call === undefined) return
      current = call
      if (index !== undefined) byIndex.set(index, call)
      if (id !== '') {
        byId.set(id, call)
        if (call.wireId === '') call.wireId = id
      }
      if (call.wireName === '') call.wireName = name
      add(call, args, out)
      announce(call, out)
    },
    close(index, out, args) {
      const key = readIndex(index)
      const call = key === undefined ? current : byIndex.get(key)
      if (call !== undefined && !call.closed) finish(call, out, undefined, readWireArgs(args))
    },
    end(out, reason) {
      for (const call of calls) if (!call.closed) finish(call, out, reason, NO_ARGS)
    },
    get count() {
      return calls.length
    },
    partOf(index) {
      const key = readIndex(index)
      return key === undefined ? undefined : byIndex.get(key)?.part
    },
  }
}

/** The arguments of a finished call, or why it has none. `cut` is set when the answer was cut. */
function readArgs(call: Call, cut: string | undefined): { args: unknown } | InvalidArgs {
  const { live } = call
  const raw = call.overruling ?? live.text
  if (call.wireName === '') return { raw, reason: 'The provider never named the tool.' }
  if (isBlank(raw)) return cut === undefined ? { args: {} } : { raw, reason: cut }
  let args: unknown
  if (call.overruling === undefined && live.parsed && live.complete) {
    args = live.value
  } else {
    try {
      args = JSON.parse(raw)
    } catch {
      // Our own parser's words: engines differ in theirs, and it can tell wrong from unfinished.
      const { error } = parsePartialJson(raw)
      return { raw, reason: error?.message ?? cut ?? 'The arguments end in the middle of their JSON.' }
    }
  }
  if (typeof args !== 'object' || args === null || Array.isArray(args)) {
    const found = args === null ? 'null' : Array.isArray(args) ? 'an array' : `a ${typeof args}`
    return { raw, reason: `The arguments are ${found}; a tool takes a JSON object.` }
  }
  return deeperThan(raw, MAX_ARGS_DEPTH) ? tooDeep(raw) : { args }
}

function tooDeep(raw: string): InvalidArgs {
  return { raw, reason: `The arguments are nested deeper than ${MAX_ARGS_DEPTH} levels.` }
}

/** Whether id, name and whole arguments of a call come once more, word for word. */
function isRepeated(call: Call, name: string, text: string): boolean {
  return !call.closed && name === call.wireName && isWhole(call) && text === (call.held ?? call.live.text)
}

/** Whole arguments: beside deltas they overrule them, without they may still turn out to be the beginning of some. */
function hold(call: Call, text: string): void {
  if (call.live.empty) call.held = text
  else call.overruling = text
}

function isEmpty(call: Call): boolean {
  return call.held === undefined && call.live.empty
}

/** Whether a call's arguments are one whole JSON value. Makes its parser, so it is asked only of odd streams. */
function isWhole(call: Call): boolean {
  if (call.held !== undefined) return !isEmptyObject(call.held)
  return !call.live.empty && call.live.complete
}

const isBlank = (text: string): boolean => text === '' || /^[ \t\r\n]*$/.test(text)

const isEmptyObject = (text: string): boolean => text.length < 9 && /^\s*\{\s*\}\s*$/.test(text)

function readIndex(index: unknown): number | string | undefined {
  if (typeof index === 'number') return Number.isFinite(index) ? index : undefined
  return typeof index === 'string' && index !== '' ? index : undefined
}

function readId(id: unknown): string {
  return typeof id === 'string' ? id : typeof id === 'number' ? String(id) : ''
}

function readWireArgs(args: unknown): WireArgs {
  if (args === undefined || args === null) return NO_ARGS
  if (typeof args === 'string') return { text: args, whole: false }
  try {
    return { text: JSON.stringify(args) ?? '', whole: true }
  } catch {
    // Too deep for JSON.stringify, hence too deep for a message: text no one can mistake for arguments.
    return { text: '"(arguments nested too deeply)"', whole: true }
  }
}

/** Whether JSON text nests deeper than `limit`. The opening brackets are counted first, which mostly settles it. */
function deeperThan(json: string, limit: number): boolean {
  let openings = 0
  for (let i = 0; i < json.length && openings <= limit; i++) {
    const code = json.charCodeAt(i)
    if (code === 123 || code === 91) openings++
  }
  if (openings <= limit) return false
  try {
    createJsonParser({ maxDepth: limit, maxBytes: Infinity }).push(json)
    return false
  } catch {
    return true
  }
}

/** Equality of JSON values, whatever the order of their keys. */
function sameJson(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every(
    (key) =>
      Object.hasOwn(b, key) &&
      sameJson((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  )
}

/** 24 letters and digits, 124 bits: unique across the turns of a conversation, in a charset every provider takes. */
function randomId(): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'
  let id = 'call_'
  for (const byte of crypto.getRandomValues(new Uint8Array(24))) id += alphabet[byte % 36]
  return id
}
