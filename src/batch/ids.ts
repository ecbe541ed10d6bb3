/**
 * Which row ids a run has met, in as little memory as telling them apart takes.
 *
 * In:  ids in the order of the rows, and those of an earlier run. Out: whether an id is new, and if not, whose it was.
 * Ids that count up — `row-0`, `row-1` … as the default does, or `q-00017`, `q-00018` … — are kept as runs: a few numbers
 * for any number of rows. Each other id takes 12 bytes of a hash table that is never less than two thirds full once it
 * has grown: about 16 MB a million. Two different ids are taken for one when 72 bits of their digests agree: once in
 * 10^10 runs of a million rows. Not here: reading rows (rows.ts), checkpoints (checkpoint.ts).
 */

import { digest } from './digest.ts'
import type { Digest } from './digest.ts'

/**
 * What was known of an id: nothing; that an earlier run got an answer or an error for it; that it asked something else
 * there; or that row `earlier` of this run has it.
 */
export type Known = { is: 'new' | 'done' | 'failed' | 'changed' } | { is: 'twice'; earlier: number }

/** The ids of one run. */
export interface RowIds {
  /** Takes note of a row of this run. */
  admit(id: string, request: Digest, index: number): Known
  /** An earlier run did this row. */
  markDone(id: string, request: Digest, hasFailed: boolean): void
  /** It failed there, and is to be asked again. */
  unmark(id: string): void
}

/** An empty set of ids. */
export function createRowIds(): RowIds {
  const table = createTable()
  const runs = createRuns((id, index) => table.set(digest(id), seenAt(index)))
  return {
    admit(id, request, index) {
      if (table.size > 0) {
        const key = digest(id)
        const value = table.get(key)
        if (value > FORGOTTEN) {
          if (value % 2 === 0) return { is: 'twice', earlier: value / 2 - 1 }
          table.set(key, seenAt(index))
          if (value === doneAs(request, false)) return { is: 'done' }
          return { is: value === doneAs(request, true) ? 'failed' : 'changed' }
        }
      }
      if (runs.continueWith(id, index)) return { is: 'new' }
      const earlier = runs.find(id)
      if (earlier !== undefined) return { is: 'twice', earlier }
      if (!runs.start(id, index)) table.set(digest(id), seenAt(index))
      return { is: 'new' }
    },
    markDone: (id, request, hasFailed) => table.set(digest(id), doneAs(request, hasFailed)),
    unmark(id) {
      const key = digest(id)
      if (table.get(key) !== FREE) table.set(key, FORGOTTEN)
    },
  }
}

// ---------------------------------------------------------------------------------------------- table

/** A slot holds 64 bits of a key and one of these: nothing, an id taken back, … */
const FREE = 0
const FORGOTTEN = 1
/** … an even number, the index of a row of this run, … */
const seenAt = (index: number): number => 2 + 2 * index
/** … or an odd one, 29 bits of what an earlier run asked, and how it ended: an edited row passes for the old one once in 2^29. */
const doneAs = ({ low }: Digest, hasFailed: boolean): number => ((low << 3) | (hasFailed ? 7 : 3)) >>> 0

/** Eight more bits of the key choose the shard; each grows alone, so that growing never doubles what is in use. */
const SHARDS = 256
const FIELDS = 3
const GROWTH = 1.25
const FULL = 5 / 6

interface Table {
  /** The value of a key, or FREE. */
  get(key: Digest): number
  set(key: Digest, value: number): void
  /** Slots in use. */
  readonly size: number
}

/** Open addressing with linear probing, in order of the keys' low word. */
function createTable(): Table {
  const shards: Uint32Array[] = Array.from({ length: SHARDS }, () => new Uint32Array(0))
  const used = new Uint32Array(SHARDS)
  let size = 0

  const shardOf = ({ high }: Digest): number => Math.floor(high / 2 ** 45)

  /** Where the key is, or where it would go; the shard has a free slot. */
  function place(shard: Uint32Array, high: number, low: number): number {
    let at = Math.floor((low / 2 ** 32) * (shard.length / FIELDS)) * FIELDS
    while (shard[at + 2] !== FREE && (shard[at] !== high || shard[at + 1] !== low)) {
      at += FIELDS
      if (at === shard.length) at = 0
    }
    return at
  }

  function grow(number: number): Uint32Array {
    const shard = shards[number]!
    const wider = new Uint32Array(Math.max(4, Math.ceil((shard.length / FIELDS) * GROWTH)) * FIELDS)
    let kept = 0
    for (let at = 0; at < shard.length; at += FIELDS) {
      if (shard[at + 2]! <= FORGOTTEN) continue
      wider.set(shard.subarray(at, at + FIELDS), place(wider, shard[at]!, shard[at + 1]!))
      kept++
    }
    size -= used[number]! - kept
    used[number] = kept
    return (shards[number] = wider)
  }

  return {
    get size() {
      return size
    },
    get(key) {
      const shard = shards[shardOf(key)]!
      if (shard.length === 0) return FREE
      return shard[place(shard, key.high >>> 0, key.low >>> 0) + 2]!
    },
    set(key, value) {
      const number = shardOf(key)
      const high = key.high >>> 0
      const low = key.low >>> 0
      let shard = shards[number]!
      if ((used[number]! + 1) * FIELDS > shard.length * FULL) shard = grow(number)
      const at = place(shard, high, low)
      if (shard[at + 2] === FREE) {
        used[number]!++
        size++
        shard[at] = high
        shard[at + 1] = low
      }
      shard[at + 2] = value
    },
  }
}

// ----------------------------------------------------------------------------------------------- runs

/** Rows in a row whose ids are the same but for a number of the same length, which rises by one. */
interface Run {
  first: number
  count: number
  /** Of the first row. */
  index: number
}

/** A run in memory costs about as much as this many slots of the table; shorter ones go there. */
const SHORTEST = 32
/** Digits of a number that is counted exactly. */
const MOST_DIGITS = 15

interface Runs {
  /** True when the id goes on where the last one left off: it is now part of the run. */
  continueWith(id: string, index: number): boolean
  /** The index of the row that has the id. */
  find(id: string): number | undefined
  /** A run may begin here; false when the id has no number at its end. */
  start(id: string, index: number): boolean
}

/** @param give takes the ids of a run that ended too early to be kept as one. */
function createRuns(give: (id: string, index: number) => void): Runs {
  // By what is before the digits and how many they are: sorted, and never overlapping.
  const ended = new Map<string, Run[]>()
  let open: (Run & { prefix: string; digits: number; before: number }) | undefined

  function end(): void {
    if (open === undefined) return
    const { prefix, digits, first, count, index } = open
    open = undefined
    if (count < SHORTEST) {
      for (let at = 0; at < count; at++) give(numbered(prefix, digits, first + at), index + at)
      return
    }
    const key = `${digits} ${prefix}`
    const same = ended.get(key)
    const run = { first, count, index }
    if (same === undefined) ended.set(key, [run])
    else same.splice(following(same, first), 0, run)
  }

  return {
    continueWith(id, index) {
      if (open === undefined) return false
      const { prefix, digits, first, count, before } = open
      const next = first + count
      if (next >= before || index !== open.index + count || id !== numbered(prefix, digits, next))
        return false
      open.count++
      return true
    },
    find(id) {
      const { prefix, digits, value } = split(id)
      if (open?.prefix === prefix && open.digits === digits) {
        const at = value - open.first
        if (at >= 0 && at < open.count) return open.index + at
      }
      end()
      const same = ended.get(`${digits} ${prefix}`)
      const run = same?.[following(same, value) - 1]
      return run !== undefined && value < run.first + run.count ? run.index + value - run.first : undefined
    },
    start(id, index) {
      const { prefix, digits, value } = split(id)
      if (digits === 0) return false
      const same = ended.get(`${digits} ${prefix}`)
      const before = same?.[following(same, value)]?.first ?? 10 ** digits
      open = { prefix, digits, first: value, count: 1, index, before }
      return true
    },
  }
}

function numbered(prefix: string, digits: number, value: number): string {
  return prefix + String(value).padStart(digits, '0')
}

/** An id, and the number it ends in. */
function split(id: string): { prefix: string; digits: number; value: number } {
  let at = id.length
  while (at > 0 && id.length - at < MOST_DIGITS && isDigit(id.charCodeAt(at - 1))) at--
  return { prefix: id.slice(0, at), digits: id.length - at, value: Number(id.slice(at)) }
}

function isDigit(unit: number): boolean {
  return unit >= 48 && unit <= 57
}

/** How many runs begin at or before a number. */
function following(runs: readonly Run[], value: number): number {
  let low = 0
  let high = runs.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (runs[middle]!.first <= value) low = middle + 1
    else high = middle
  }
  return low
}
