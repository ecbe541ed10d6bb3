/**
 * Exact decimal numbers, because money is not binary: 0.1 + 0.2 must be 0.3.
 *
 * In:  decimal texts such as `0.075` and whole numbers of tokens. Out: exact sums and products, as text again.
 * A number is `digits × 10^-scale` with a bigint for the digits; nothing is ever rounded.
 */

/** `digits × 10^-scale`. */
export interface Decimal {
  digits: bigint
  scale: number
}

/** 0. */
export const ZERO: Decimal = { digits: 0n, scale: 0 }

/** The number a text such as `12`, `0.075` or `5e-7` stands for; undefined for anything else, negative numbers included. */
export function parseDecimal(text: string): Decimal | undefined {
  const match = /^(\d{1,40})(?:\.(\d{1,40}))?(?:e([+-]?\d{1,2}))?$/i.exec(text)
  if (match === null) return undefined
  const [, whole = '', fraction = '', exponent = '0'] = match
  const scale = fraction.length - Number(exponent)
  const digits = BigInt(whole + fraction)
  return scale >= 0 ? { digits, scale } : { digits: digits * 10n ** BigInt(-scale), scale: 0 }
}

/** a + b. */
export function add(a: Decimal, b: Decimal): Decimal {
  const scale = Math.max(a.scale, b.scale)
  return {
    digits: a.digits * 10n ** BigInt(scale - a.scale) + b.digits * 10n ** BigInt(scale - b.scale),
    scale,
  }
}

/** a × b. */
export function multiply(a: Decimal, b: Decimal): Decimal {
  return { digits: a.digits * b.digits, scale: a.scale + b.scale }
}

/** Shortest exact text, without exponent: `0.00225`. */
export function formatDecimal({ digits, scale }: Decimal): string {
  const text = digits.toString().padStart(scale + 1, '0')
  const whole = text.slice(0, text.length - scale)
  const fraction = text.slice(text.length - scale).replace(/0+$/, '')
  return fraction === '' ? whole : `${whole}.${fraction}`
}
