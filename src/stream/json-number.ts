/**
 * The grammar of a JSON number (RFC 8259 §6), one character at a time.
 *
 * In:  a state and a character. Out: the next state, or -1 where the character is not part of the number.
 * Not here: the value. `Number()` of the finished text gives what JSON.parse gives, to the last bit.
 */

// What was read last. A number may end in ZERO, INTEGER, FRACTION, EXPONENT.
export const MINUS: number = 0
export const ZERO: number = 1
export const INTEGER: number = 2
const POINT = 3
const FRACTION = 4
const E = 5
const SIGN = 6
const EXPONENT = 7

/** Whether a char code is one of 0 to 9. */
export const isDigit = (code: number): boolean => code >= 48 && code <= 57

/** The number state after one more character; -1 when the character is not part of the number. */
export function afterNumberChar(state: number, code: number): number {
  if (isDigit(code)) {
    switch (state) {
      case MINUS:
        return code === 48 ? ZERO : INTEGER
      case ZERO:
        return -1
      case INTEGER:
        return INTEGER
      case POINT:
      case FRACTION:
        return FRACTION
      default:
        return EXPONENT
    }
  }
  switch (code) {
    case 46: // .
      return state === ZERO || state === INTEGER ? POINT : -1
    case 69: // E
    case 101: // e
      return state === ZERO || state === INTEGER || state === FRACTION ? E : -1
    case 43: // +
    case 45: // -
      return state === E ? SIGN : -1
    default:
      return -1
  }
}

/** Whether a number may end here. */
export function isWholeNumber(state: number): boolean {
  return state === ZERO || state === INTEGER || state === FRACTION || state === EXPONENT
}
