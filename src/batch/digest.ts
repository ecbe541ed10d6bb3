/**
 * Short names for long texts: what a batch run remembers of an id or a request.
 *
 * In:  a text, or plain JSON. Out: 106 bits that are the same for the same text; among a million texts two are alike once
 * in 10^20 runs. Not cryptographic: it tells texts apart, it proves nothing, and whoever writes the rows is trusted.
 */

/** 106 bits in two whole numbers below 2^53. */
export interface Digest {
  high: number
  low: number
}

/** Two 53-bit lanes, each of two 32-bit multiply-xor states over UTF-16 units, mixed at the end. */
export function digest(text: string): Digest {
  let a = 0x9e3779b9
  let b = 0x85ebca77
  let c = 0xc2b2ae3d
  let d = 0x27d4eb2f
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    a = Math.imul(a ^ unit, 0x9e3779b1)
    b = Math.imul(b ^ unit, 0x5f356495)
    c = Math.imul(c ^ unit, 0x9e3779b1)
    d = Math.imul(d ^ unit, 0x5f356495)
  }
  return { high: mixed(a, b), low: mixed(c, d) }
}

function mixed(a: number, b: number): number {
  const x = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35)
  const y = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (y >>> 11) * 2 ** 32 + (x >>> 0)
}

/** A digest as text, for a line of a checkpoint. */
export function digestText({ high, low }: Digest): string {
  return `${high.toString(36)}.${low.toString(36)}`
}

/** The digest that {@link digestText} wrote; undefined for any other text. */
export function parseDigest(text: string): Digest | undefined {
  // parseInt keeps 53 bits in base 36, where Number() knows only bases up to 16.
  const [high = Number.NaN, low = Number.NaN] = text.split('.').map((half) => Number.parseInt(half, 36))
  return Number.isNaN(high) || Number.isNaN(low) ? undefined : { high, low }
}

/** JSON with sorted keys: two requests that mean the same give the same text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
  })
}
