/**
 * Controls bound to a page's settings: what one of them shows is what the URL says. In: a state, the name of a field, a
 * label. Out: native elements, so that keyboard and screen reader work without any code of ours.
 */
import { h } from './dom.ts'
import type { Field } from './state.ts'

/** Any page's state: each control reads its own field, and the page's types guard the names. */
interface AnyState {
  readonly fields: Readonly<Record<string, Field<number> | Field<string> | Field<boolean>>>
  readonly value: Readonly<Record<string, unknown>>
  set(change: Readonly<Record<string, unknown>>): void
  onChange(listener: () => void): void
}

let labels = 0
const nextId = (): string => `control-${++labels}`

function row(
  label: string,
  control: HTMLElement,
  output?: HTMLOutputElement | HTMLElement,
  hint?: string,
): HTMLElement {
  const id = nextId()
  control.id = id
  output?.setAttribute('for', id)
  return h(
    'div',
    { class: 'control' },
    h('label', { for: id }, label),
    control,
    output,
    hint === undefined ? null : h('small', {}, hint),
  )
}

/** How a range slider moves and what it prints. */
export interface RangeOptions {
  readonly step?: number
  readonly format?: (value: number) => string
  readonly hint?: string
  /** Highest value now, where that depends on other things. */
  readonly max?: () => number
}

/** A slider and the value it stands at. */
export function range(state: AnyState, name: string, label: string, options: RangeOptions = {}): HTMLElement {
  const { step = 1, format = String, hint, max } = options
  const field = state.fields[name] as Field<number>
  const input = h('input', { type: 'range', min: field.min, max: field.max, step, 'data-name': name })
  const output = h('output')
  const draw = (): void => {
    if (max !== undefined) input.max = String(Math.max(field.min ?? 0, max()))
    const value = state.value[name] as number
    input.value = String(value)
    output.value = format(value)
    input.setAttribute('aria-valuetext', format(value))
  }
  input.addEventListener('input', () => state.set({ [name]: Number(input.value) }))
  state.onChange(draw)
  draw()
  return row(label, input, output, hint)
}

/** A number to type: seeds. What is no number within bounds is not taken. */
export function numeric(state: AnyState, name: string, label: string, hint?: string): HTMLElement {
  const field = state.fields[name] as Field<number>
  const input = h('input', { type: 'number', min: field.min, max: field.max, step: 1, 'data-name': name })
  const draw = (): void => {
    if (document.activeElement !== input) input.value = String(state.value[name])
  }
  input.addEventListener('input', () => {
    const value = field.read(input.value)
    input.setAttribute('aria-invalid', String(value === undefined))
    if (value !== undefined) state.set({ [name]: value })
  })
  state.onChange(draw)
  draw()
  return row(label, input, undefined, hint)
}

/** One of a list. */
export function select(
  state: AnyState,
  name: string,
  label: string,
  names: Readonly<Record<string, string>> = {},
): HTMLElement {
  const choices = state.fields[name]?.choices ?? []
  const input = h(
    'select',
    { 'data-name': name },
    choices.map((value) => h('option', { value }, names[value] ?? value)),
  )
  const draw = (): void => {
    input.value = String(state.value[name])
  }
  input.addEventListener('input', () => state.set({ [name]: input.value }))
  state.onChange(draw)
  draw()
  return row(label, input)
}

/** Yes or no. */
export function checkbox(state: AnyState, name: string, label: string): HTMLElement {
  const input = h('input', { type: 'checkbox', 'data-name': name })
  const draw = (): void => {
    input.checked = state.value[name] === true
  }
  input.addEventListener('input', () => state.set({ [name]: input.checked }))
  state.onChange(draw)
  draw()
  return h('div', { class: 'control check' }, h('label', {}, input, ' ', label))
}

/** A line of text, or several. */
export function textField(
  state: AnyState,
  name: string,
  label: string,
  options: { readonly lines?: number; readonly longest?: number; readonly hint?: string } = {},
): HTMLElement {
  const { lines = 1, longest = 2000, hint } = options
  const shared = { maxlength: longest, spellcheck: 'false', autocomplete: 'off', 'data-name': name }
  const input =
    lines === 1 ? h('input', { type: 'text', ...shared }) : h('textarea', { rows: lines, ...shared })
  const draw = (): void => {
    if (document.activeElement !== input) input.value = String(state.value[name])
  }
  input.addEventListener('input', () => state.set({ [name]: input.value }))
  state.onChange(draw)
  draw()
  return row(label, input, undefined, hint)
}

/** A push button. */
export function button(label: string, onClick: () => void): HTMLButtonElement {
  return h('button', { type: 'button', click: onClick }, label)
}
