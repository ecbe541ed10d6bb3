/**
 * When an answer's pieces arrived, in bounded memory.
 *
 * In:  the time of each window and how many content events it held. Out: `completion.timing`.
 * Gaps are counted in a histogram of 160 buckets, each 12 % wider than the last, from 0.01 ms to 13 minutes: a
 * percentile is right to 6 % whether the answer had ten events or ten million. Events of one window arrived together;
 * their gaps are 0.
 */

import type { Timing } from '../types.ts'

const BUCKETS = 160
const GROWTH = Math.log(1.12)
const SMALLEST_MS = 0.01

/** Collects the times of one call. All arguments are monotonic milliseconds. */
export interface Stopwatch {
  /** The headers of an attempt are here; the last attempt's count. */
  headers(nowMs: number): void
  /** `events` content events arrived together. */
  content(nowMs: number, events: number): void
  /** The answer is whole, or broken; the first call counts. */
  end(nowMs: number): void
  timing(nowMs: number, outputTokens: number | undefined): Timing
  readonly firstTokenMs: number | undefined
}

/** @param startMs when the call began. */
export function createStopwatch(startMs: number): Stopwatch {
  let headersMs: number | undefined
  let firstMs: number | undefined
  let lastMs = 0
  let endMs: number | undefined
  let gaps = 0
  let maxMs = 0
  /** Index 0 counts the gaps of no length. */
  let counts: Uint32Array | undefined

  function quantile(q: number): number {
    let left = Math.ceil(gaps * q)
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      left -= counts?.[bucket] ?? 0
      // The middle of the bucket, in ratio; never more than the largest gap there was.
      if (left <= 0)
        return bucket === 0 ? 0 : Math.min(maxMs, SMALLEST_MS * Math.exp(GROWTH * (bucket - 0.5)))
    }
    return maxMs
  }

  return {
    headers(nowMs) {
      headersMs = nowMs - startMs
    },
    content(nowMs, events) {
      if (firstMs === undefined) firstMs = nowMs
      else {
        const gapMs = Math.max(0, nowMs - lastMs)
        maxMs = Math.max(maxMs, gapMs)
        counts ??= new Uint32Array(BUCKETS)
        counts[bucketOf(gapMs)]!++
        gaps++
      }
      lastMs = nowMs
      if (events > 1) {
        counts ??= new Uint32Array(BUCKETS)
        counts[0]! += events - 1
        gaps += events - 1
      }
    },
    end(nowMs) {
      endMs ??= nowMs
    },
    timing(nowMs, outputTokens) {
      const totalMs = (endMs ?? nowMs) - startMs
      const firstTokenMs = firstMs === undefined ? undefined : firstMs - startMs
      const writingMs = firstTokenMs === undefined ? 0 : totalMs - firstTokenMs
      return {
        headersMs,
        firstTokenMs,
        totalMs,
        tokensPerSecond:
          outputTokens === undefined || writingMs <= 0 ? undefined : (outputTokens / writingMs) * 1000,
        interTokenMs: gaps === 0 ? undefined : { p50: quantile(0.5), p95: quantile(0.95), max: maxMs },
      }
    },
    get firstTokenMs() {
      return firstMs === undefined ? undefined : firstMs - startMs
    },
  }
}

function bucketOf(gapMs: number): number {
  if (gapMs <= SMALLEST_MS) return 0
  return Math.min(BUCKETS - 1, 1 + Math.floor(Math.log(gapMs / SMALLEST_MS) / GROWTH))
}
