/**
 * What every page does: the theme switch, sentences for the screen reader, sentences about trouble, drawing once a frame.
 * In: a function that draws. Out: nothing a page could forget. A page that fails says so in one sentence and goes on
 * with its next change; it never shows a blank.
 */
import { h, slot } from './dom.ts'
import type { State } from './state.ts'

type Theme = 'system' | 'light' | 'dark'
const THEMES: readonly Theme[] = ['system', 'light', 'dark']

function rememberedTheme(): Theme {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem('theme')) ?? 'system'
  } catch {
    return 'system' // storage may be forbidden; the switch still works for this visit
  }
}

/** Applies the remembered theme and arms the switch. */
function startTheme(): void {
  let theme = rememberedTheme()
  const apply = (): void => {
    document.documentElement.style.colorScheme = theme === 'system' ? 'light dark' : theme
    slot('theme').textContent = `Theme: ${theme}`
  }
  slot('theme').addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!
    try {
      localStorage.setItem('theme', theme)
    } catch {
      // As above.
    }
    apply()
  })
  apply()
}

let spoken = 0
/** Says a sentence to screen readers, at most one in half a second: the latest wins. */
export function announce(sentence: string): void {
  clearTimeout(spoken)
  spoken = window.setTimeout(() => {
    slot('spoken').textContent = sentence
  }, 500)
}

/** Shows sentences about what is wrong, or nothing. Each `topic` has one place. */
export function notice(topic: string, sentences: readonly string[] | string): void {
  const list = typeof sentences === 'string' ? [sentences] : sentences
  const old = slot('notices').querySelector(`[data-topic="${topic}"]`)
  if (list.length === 0 || list[0] === '') return old?.remove()
  const shown = h(
    'div',
    { 'data-topic': topic, class: 'notice' },
    list.map((sentence) => h('p', {}, sentence)),
  )
  if (old?.textContent === shown.textContent) return
  if (old === null) slot('notices').append(shown)
  else old.replaceWith(shown)
}

/** The sentence of an error. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/**
 * Starts a page: theme, complaints about the hash, then `draw` once a frame at most after every change. Sets
 * `data-ready` on the document after the first drawing that did not wait for anything.
 */
export function startPage(
  state: Pick<State<Record<string, never>>, 'problems' | 'onChange'>,
  draw: () => void,
): { redraw(): void } {
  startTheme()
  // On a narrow screen the list of pages is one line that scrolls: begin where the reader is.
  const here = document.querySelector<HTMLElement>('nav [aria-current]')
  if (here?.parentElement) here.parentElement.scrollLeft = here.offsetLeft - 32
  let asked = false
  const paint = (): void => {
    asked = false
    try {
      draw()
      notice('draw', '')
    } catch (error) {
      notice('draw', sentenceOf(error))
    }
    document.documentElement.dataset['drawn'] = String(
      Number(document.documentElement.dataset['drawn'] ?? 0) + 1,
    )
  }
  const redraw = (): void => {
    if (asked) return
    asked = true
    // A hidden tab gets no frames; a page that waits for one would never be ready in the background.
    if (document.hidden) setTimeout(paint)
    else requestAnimationFrame(paint)
  }
  const complain = (): void => notice('hash', state.problems)
  state.onChange(() => {
    complain()
    redraw()
  })
  complain()
  paint()
  return { redraw }
}

/** Runs `load` after the first paint, so that nothing heavy delays it; what fails is said under `topic`. */
export function afterPaint(topic: string, load: () => Promise<void>): void {
  const start = (): void => {
    load()
      .then(() => {
        notice(topic, '')
        document.documentElement.dataset['ready'] = 'true'
      })
      .catch((error: unknown) => {
        notice(topic, `This part of the page could not start: ${sentenceOf(error)}.`)
      })
  }
  requestAnimationFrame(() => setTimeout(start))
}

/** Offers bytes as a file. */
export function download(bytes: Uint8Array, name: string): void {
  const url = URL.createObjectURL(new Blob([bytes.slice().buffer]))
  const link = h('a', { href: url, download: name })
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
