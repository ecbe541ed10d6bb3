/**
 * Elements in one line each. In: a tag, its properties, its children. Out: the element. Strings become text, never
 * markup, so nothing a reader types can become HTML. Not here: a virtual tree; pages are small enough to draw again.
 */

/** What may stand inside an element. */
export type Child = Node | string | number | null | undefined | readonly Child[]

type Attributes = Readonly<Record<string, string | number | boolean | EventListener | undefined>>

const SVG = 'http://www.w3.org/2000/svg'

function fill(element: Element, attributes: Attributes, children: readonly Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value)
    else if (value === true) element.setAttribute(name, '')
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value))
  }
  append(element, children)
}

function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined) continue
    if (child instanceof Node) element.append(child)
    else if (typeof child === 'object') append(element, child)
    else element.append(String(child))
  }
}

/** An HTML element. A function among the attributes listens to the event of its name. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  fill(element, attributes, children)
  return element
}

/** An SVG element. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag)
  fill(element, attributes, children)
  return element
}

/** The element of an id that the page's own HTML holds. */
export function slot(id: string): HTMLElement {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`The page has no element "${id}".`)
  return element
}

/** A character as a reader can see it: space and newline get a sign. */
export function visible(text: string): string {
  return text.replaceAll(' ', '␣').replaceAll('\n', '⏎')
}
