/**
 * Reasoning that a server leaves inside the text: `<think>…</think>` at the very start, told apart while it streams.
 *
 * In:  text deltas, cut anywhere. Out: what was thought and what was said.
 * Only a tag that opens the answer counts, and only one: later ones are the model talking about tags.
 * Not here: deciding which vendors do this (compatible.ts); by default text is left alone.
 */

const OPEN = '<think>'
const CLOSE = '</think>'

/** Splits the text of one answer. */
export interface ThinkSplitter {
  push(delta: string): { thought: string; said: string }
  /** What was held back because it might have become a tag. */
  end(): { thought: string; said: string }
}

/** Makes the splitter of one answer. Holds back at most a tag's length. */
export function createThinkSplitter(): ThinkSplitter {
  let state: 'start' | 'thinking' | 'gap' | 'text' = 'start'
  let held = ''

  function step(): { thought: string; said: string } {
    let thought = ''
    let said = ''
    if (state === 'start') {
      const text = held.trimStart()
      if (text.startsWith(OPEN)) {
        state = 'thinking'
        held = text.slice(OPEN.length)
      } else if (!OPEN.startsWith(text)) state = 'text'
    }
    if (state === 'thinking') {
      const at = held.indexOf(CLOSE)
      const safe = at < 0 ? held.length - overlap(held) : at
      thought = held.slice(0, safe)
      held = at < 0 ? held.slice(safe) : held.slice(at + CLOSE.length)
      if (at >= 0) state = 'gap'
    }
    if (state === 'gap') {
      // The blank lines between the tag and the answer belong to neither.
      held = held.trimStart()
      if (held !== '') state = 'text'
    }
    if (state === 'text') {
      said = held
      held = ''
    }
    return { thought, said }
  }

  return {
    push(delta) {
      held += delta
      return step()
    },
    end() {
      const rest = held
      held = ''
      return state === 'thinking' ? { thought: rest, said: '' } : { thought: '', said: rest }
    },
  }
}

/** How many of the last characters could be the beginning of the closing tag. */
function overlap(text: string): number {
  for (let length = Math.min(CLOSE.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(CLOSE.slice(0, length))) return length
  }
  return 0
}
