/**
 * A page's settings, kept in the URL's hash so that every view can be linked. In: fields with a default and a rule.
 * Out: values that always obey the rule, and who wants to know of changes. A hash from another version, or one that was
 * edited by hand, loses only the settings that mean nothing here; `problems` says which, for the page to say so.
 */

/** One setting: its default, and how to read it from a hash; undefined means "not understood". */
export interface Field<T> {
  readonly initial: T
  read(text: string): T | undefined
  /** What may be chosen, where that is a list. */
  readonly choices?: readonly string[]
  readonly min?: number
  readonly max?: number
}

/** A number within bounds. */
export function number(initial: number, min: number, max: number): Field<number> {
  const read = (text: string): number | undefined => {
    const value = Number(text)
    return text.trim() !== '' && value >= min && value <= max ? value : undefined
  }
  return { initial, read, min, max }
}

/** A whole number within bounds: seeds, positions. */
export function integer(initial: number, min: number, max: number): Field<number> {
  const inner = number(initial, min, max)
  return {
    ...inner,
    read: (text) => {
      const value = inner.read(text)
      return Number.isInteger(value) ? value : undefined
    },
  }
}

/** Text of at most `longest` UTF-16 units. */
export function text(initial: string, longest: number = 2000): Field<string> {
  return { initial, read: (value) => (value.length <= longest ? value : undefined) }
}

/** One of a list. */
export function choice<const T extends string>(initial: T, choices: readonly T[]): Field<T> {
  return { initial, choices, read: (value) => choices.find((each) => each === value) }
}

/** Yes or no. */
export function flag(initial: boolean): Field<boolean> {
  return { initial, read: (value) => (value === '1' ? true : value === '0' ? false : undefined) }
}

type Fields = Readonly<Record<string, Field<number> | Field<string> | Field<boolean>>>
/** The values of some fields. */
export type Values<F extends Fields> = { [K in keyof F]: F[K] extends Field<infer T> ? T : never }

/** The settings of one page. */
export interface State<F extends Fields> {
  readonly fields: F
  readonly value: Values<F>
  /** Sentences about what the hash held and this page does not know. */
  readonly problems: readonly string[]
  set(change: Partial<Values<F>>): void
  /** Calls back after every change, and when the hash itself was edited. */
  onChange(listener: () => void): void
}

/** Version of the hash. A page that changes the meaning of a setting counts it up. */
export const HASH_VERSION = '1'

/** Longer texts are left out of the address: a pasted book is not a link. */
const LONGEST = 2000

function show(value: unknown): string {
  return typeof value === 'boolean' ? (value ? '1' : '0') : String(value)
}

/** Settings bound to `location.hash`. Settings that stand at their default are left out of it. */
export function createState<F extends Fields>(fields: F): State<F> {
  const listeners: (() => void)[] = []
  let problems: string[] = []
  let written = location.hash.slice(1)
  let due = 0

  function read(): Values<F> {
    const value: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(fields)) value[name] = field.initial
    problems = []
    const hash = new URLSearchParams(location.hash.slice(1))
    const version = hash.get('v')
    if (version !== null && version !== HASH_VERSION) {
      problems.push(
        `This link was made by another version of the page (${version.slice(0, 20)}); what it means may differ.`,
      )
    }
    for (const [name, raw] of hash) {
      if (name === 'v') continue
      const found = Object.hasOwn(fields, name) ? fields[name]!.read(raw) : undefined
      if (found === undefined)
        problems.push(`The link sets “${name.slice(0, 20)}” to something this page does not know; ignored.`)
      else value[name] = found
    }
    return value as Values<F>
  }

  function write(): void {
    const hash = new URLSearchParams({ v: HASH_VERSION })
    for (const [name, field] of Object.entries(fields))
      if (state.value[name] !== field.initial && show(state.value[name]).length <= LONGEST)
        hash.set(name, show(state.value[name]))
    written = [...hash].length === 1 ? '' : hash.toString()
    history.replaceState(null, '', `${location.pathname}${location.search}${written && `#${written}`}`)
  }

  const state = {
    fields,
    value: read(),
    get problems() {
      return problems
    },
    set(change: Partial<Values<F>>) {
      state.value = { ...state.value, ...change }
      // Browsers refuse more than some 200 rewrites of the address in 30 seconds: a dragged slider makes that many.
      clearTimeout(due)
      due = window.setTimeout(write, 250)
      for (const listener of listeners) listener()
    },
    onChange(listener: () => void) {
      listeners.push(listener)
    },
  }
  window.addEventListener('hashchange', () => {
    if (location.hash.slice(1) === written) return
    state.value = read()
    for (const listener of listeners) listener()
  })
  return state
}
