/**
 * Which of the usable targets comes first?
 *
 * In:  target indices that may be asked, and what is known of each. Out: the same indices, best first.
 *   weighted  nginx's smooth weighted round robin: over Σw picks each target gets exactly its weight, never in a burst.
 *   fastest   power of two choices (Mitzenmacher 2001) over peak-EWMA time to first token (Finagle): two at random, the
 *             cheaper one first. Looking at two avoids the herd that always picking the best one makes.
 *   affinity  rendezvous hashing (Thaler & Ravishankar 1998): the same prompt prefix prefers the same target, because a
 *             cached prefix costs a tenth; a target that disappears moves only its own prefixes.
 * Not here: whether a target may be asked (breaker.ts) and what it can do (capabilities in router.ts).
 */

/** Smooth weighted round robin. State: one running credit per target. */
export function createWeighted(weights: readonly number[]): (usable: readonly number[]) => number {
  const credit = weights.map(() => 0)
  return (usable) => {
    let total = 0
    let best = usable[0] ?? 0
    for (const index of usable) {
      const weight = weights[index] ?? 1
      total += weight
      credit[index] = (credit[index] ?? 0) + weight
      if (credit[index] > (credit[best] ?? 0)) best = index
    }
    credit[best] = (credit[best] ?? 0) - total
    return best
  }
}

/** A time that jumps up at once and comes down slowly, so that one slow answer is remembered. */
export interface PeakEwma {
  /** Current estimate in milliseconds, decayed to `nowMs`; 0 until the first observation. */
  value(nowMs: number): number
  observe(ms: number, nowMs: number): void
}

/** 10 s, Finagle's default: an idle minute forgets a bad one. */
const DECAY_MS = 10_000

/** @param decayMs time constant of the way down. Default 10,000. */
export function createPeakEwma(decayMs: number = DECAY_MS): PeakEwma {
  let estimate = 0
  let atMs = 0
  const decayed = (nowMs: number): number => estimate * Math.exp(-Math.max(0, nowMs - atMs) / decayMs)
  return {
    value: decayed,
    observe(ms, nowMs) {
      const weight = Math.exp(-Math.max(0, nowMs - atMs) / decayMs)
      estimate = ms > estimate ? ms : estimate * weight + ms * (1 - weight)
      atMs = Math.max(atMs, nowMs)
    },
  }
}

/** A 429 comes back in milliseconds and would look like the fastest target of all; it is booked as this long. */
export const FAST_FAILURE_PENALTY_MS = 5_000

/**
 * Two at random, the cheaper one wins.
 * @param cost of a target: expected wait × (calls in flight + 1). A target without observations costs 0 and is tried.
 */
export function powerOfTwo(
  usable: readonly number[],
  cost: (index: number) => number,
  random: () => number,
): number {
  const { length } = usable
  if (length < 2) return usable[0] ?? 0
  const first = Math.min(length - 1, Math.floor(random() * length))
  // The second is drawn from the others, so that two means two.
  const second = (first + 1 + Math.min(length - 2, Math.floor(random() * (length - 1)))) % length
  const [a, b] = [usable[first]!, usable[second]!]
  return cost(b) < cost(a) ? b : a
}

/** 32-bit FNV-1a over UTF-16 units. Spreads, does not protect. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  return hash >>> 0
}

/**
 * The same over the first `length` characters, of which it reads about every 24th: all of 4,000 would take 15 µs where
 * the rest of a pick takes one. The step follows the hash, so that no period of the text hides what differs.
 */
export function prefixHash(text: string, length: number, seed: number): number {
  const end = Math.min(text.length, length)
  let hash = seed ^ 0x811c9dc5
  for (let at = 0; at < end; at += 16 + (hash >>> 28))
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

/** A full-avalanche finaliser (Murmur3): FNV's low bits alone are too regular to rank by. */
function scramble(hash: number): number {
  let mixed = hash ^ (hash >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/**
 * The target that a prefix with this hash prefers. Weighted rendezvous: target i wins with probability wᵢ / Σw over all
 * prefixes.
 * @param names hashes of the targets' names: stable across processes, so that a restart keeps the caches warm.
 */
export function rendezvous(
  hash: number,
  usable: readonly number[],
  names: readonly number[],
  weights: readonly number[],
): number {
  let best = usable[0] ?? 0
  let bestScore = -Infinity
  for (const index of usable) {
    const uniform = (scramble(Math.imul(hash ^ names[index]!, 0x01000193)) + 0.5) / 2 ** 32
    const score = -(weights[index] ?? 1) / Math.log(uniform)
    if (score > bestScore) {
      best = index
      bestScore = score
    }
  }
  return best
}
