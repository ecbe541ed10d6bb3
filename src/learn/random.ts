/**
 * Randomness that can be repeated. In: a seed. Out: uniform and normal numbers, the same on every engine for the
 * same seed. Not for secrets.
 */

/** Uniform numbers in [0, 1). */
export type Random = () => number

/** Seeded uniform numbers in [0, 1): a Weyl sequence mixed to 32 bits, the same on every engine. */
export function createRandom(seed: number): Random {
  let state = seed | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32
  }
}

/** One standard normal number (Box–Muller). */
export function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
