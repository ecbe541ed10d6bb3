/**
 * What a terminal is to a command: where text goes, how wide it is, whether it has colour.
 *
 * In:  Node's streams and environment. Out: an Io that tests can stand in for, and a progress line.
 * Model output is untrusted: control characters other than tab and newline are shown as what they are, so that an
 * answer can neither recolour, retitle nor answer for the user's terminal. Into a file or a pipe it goes untouched.
 * NO_COLOR (https://no-color.org) and TERM=dumb are honoured.
 */

/** Everything a command may touch of the outside. */
export interface Io {
  write(text: string): void
  error(text: string): void
  /** What stands on stdin when it is not a terminal; undefined when it is. */
  readInput(): Promise<string | undefined>
  env: Record<string, string | undefined>
  isTerminal: boolean
  errorIsTerminal: boolean
  columns: number
  /** Fires on Ctrl-C. */
  signal: AbortSignal
  nowMs(): number
}

/** How a command ended. Documented in `llmswap --help`. */
export const EXIT = { ok: 0, failed: 1, usage: 2, config: 3, partly: 4, interrupted: 130 } as const

/** A mistake in the command line: printed with a hint at --help, exit code 2. */
export class UsageError extends Error {}

/** The text as a terminal may show it. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what it is about
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (control) =>
    control === '\r' ? '' : control < ' ' ? String.fromCharCode(0x2400 + control.charCodeAt(0)) : '\ufffd',
  )
}

/** Model text for stdout: cleaned for a terminal, untouched for anything else. */
export function forOutput(io: Io, text: string): string {
  return io.isTerminal ? printable(text) : text
}

/** True where colour is wanted and possible. */
export function hasColour(io: Io, isTerminal: boolean = io.isTerminal): boolean {
  return isTerminal && (io.env['NO_COLOR'] ?? '') === '' && io.env['TERM'] !== 'dumb'
}

/** `code` is an SGR parameter: 1 bold, 2 dim, 31 red, 32 green, 33 yellow. */
export function paint(io: Io, code: string, text: string, isTerminal?: boolean): string {
  return hasColour(io, isTerminal) ? `\u001b[${code}m${text}\u001b[0m` : text
}

/** Text columns of a string: wide for CJK and emoji, none for marks. Good enough to line columns up. */
export function displayWidth(text: string): number {
  let width = 0
  for (const character of text) {
    if (/\p{M}|\p{Cf}/u.test(character)) continue
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
        character,
      )
        ? 2
        : 1
  }
  return width
}

/** Rows as columns that line up; the last column is not padded. `right` names columns of numbers. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, displayWidth(cell))
  }
  return rows
    .map((row) =>
      row
        .map((cell, at) => {
          const pad = ' '.repeat(Math.max(0, (widths[at] ?? 0) - displayWidth(cell)))
          if (right.includes(at)) return pad + cell
          return at === row.length - 1 ? cell : cell + pad
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A line on stderr that redraws itself in a terminal and prints now and then elsewhere. */
export interface ProgressLine {
  show(text: string): void
  end(): void
}

/** Ten redraws a second are smooth; a log wants a line every ten seconds. */
const REDRAW_MS = 100
const LOG_MS = 10_000

export function progressLine(io: Io): ProgressLine {
  let lastMs = -Infinity
  let last = ''
  let drawn = ''
  const draw = (): void => {
    if (last === drawn) return
    io.error(io.errorIsTerminal ? `\r\u001b[2K${last.slice(0, Math.max(20, io.columns - 1))}` : `${last}\n`)
    drawn = last
  }
  return {
    show(text) {
      last = text
      const nowMs = io.nowMs()
      if (nowMs - lastMs < (io.errorIsTerminal ? REDRAW_MS : LOG_MS)) return
      lastMs = nowMs
      draw()
    },
    end() {
      if (last === '') return
      draw()
      if (io.errorIsTerminal) io.error('\n')
    },
  }
}

/** `1,234`. */
export function grouped(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(?:\d{3})+$)/g, ',')
}

/** `350 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  const seconds = ms / 1_000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `$0.0042`: four significant digits, never an exponent. */
export function dollars(amount: number): string {
  if (amount === 0) return '$0'
  const digits = Math.max(2, 3 - Math.floor(Math.log10(amount)))
  return `$${amount.toFixed(Math.min(10, digits))}`
}
