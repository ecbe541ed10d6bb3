/**
 * What several decoders do to the parts of an answer once they are whole.
 *
 * In:  the events so far. Out: more of them: sources, each told once; calls, marked with what their maker wants back.
 * Not here: deltas, and which fragment belongs to which call (stream/tool-calls.ts).
 */

import type { Origin, Source, StreamEvent, TokenLogprob } from '../types.ts'
import { listIn, numberIn, stringIn } from './body.ts'

/** Tells of the sources that are not among those `seen`. */
export function tellSources(sources: readonly Source[], seen: Set<string>, out: StreamEvent[]): void {
  for (const source of sources) {
    const key = JSON.stringify(source)
    if (!seen.has(key)) out.push({ type: 'source', source })
    seen.add(key)
  }
}

/** Gives the calls that ended since `from` the origin they have to go back with, where there is one. */
export function markCalls(
  out: StreamEvent[],
  from: number,
  originOf: (part: number) => Origin | undefined,
): void {
  for (const event of out.slice(from)) {
    if (event.type !== 'tool-call') continue
    const { part, ...call } = event
    const origin = originOf(part)
    if (origin !== undefined) out.push({ type: 'part', part, value: { ...call, origin } })
  }
}

/** Log-probabilities in OpenAI's shape: `{ token, logprob, top_logprobs }`. */
export function readLogprobs(entries: readonly unknown[]): TokenLogprob[] {
  // Nearly always: this runs once per delta.
  if (entries.length === 0) return []
  return entries.flatMap((entry) => {
    const one = readLogprob(entry)
    const top = listIn(entry, 'top_logprobs').flatMap((other) => readLogprob(other) ?? [])
    return one === undefined ? [] : top.length === 0 ? one : { ...one, top }
  })
}

/** One of them. @param field where the logarithm stands. */
export function readLogprob(entry: unknown, field = 'logprob'): TokenLogprob | undefined {
  const token = stringIn(entry, 'token')
  const logprob = numberIn(entry, field)
  return token === undefined || logprob === undefined ? undefined : { token, logprob }
}
