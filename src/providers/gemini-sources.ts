/**
 * What Gemini's answer rests on: grounding and citation metadata as sources of the text they support.
 *
 * In:  the metadata of the last chunk and the text parts. Out: sources per text part, and each source once.
 * Offsets on the wire count UTF-8 bytes of all text joined (segments of recorded searches match only so); ours count
 * UTF-16 units inside one part. Not here: search suggestions, which stay in `raw.finish` for whoever must show them.
 * Spec: https://ai.google.dev/api/generate-content#GroundingMetadata
 */

import type { Source } from '../types.ts'
import { asCount, asRecord, own, countIn, stringIn, listIn, defined } from './body.ts'

/** Sources of the text parts, in their order, and all sources without repetitions. */
export interface Grounding {
  perText: Source[][]
  all: Source[]
}

/** Reads `groundingMetadata`, `citationMetadata` and `urlContextMetadata` of a candidate. */
export function groundingSources(candidate: unknown, texts: readonly string[]): Grounding {
  const grounding = own(candidate, 'groundingMetadata')
  const chunks = listIn(grounding, 'groundingChunks').map(chunkSource)
  const all = new Map<string, Source>()
  const keep = (source: Source | undefined): void => {
    if (source === undefined) return
    const key = source.url ?? `${source.id ?? ''} ${source.text ?? ''}`
    if (!all.has(key)) all.set(key, source)
  }
  for (const chunk of chunks) keep(chunk)

  const claims: Claim[] = []
  for (const support of listIn(grounding, 'groundingSupports')) {
    const segment = own(support, 'segment')
    for (const index of listIn(support, 'groundingChunkIndices')) {
      const source = chunks[asCount(index) ?? -1]
      if (source !== undefined) claims.push({ ...span(segment), text: stringIn(segment, 'text'), source })
    }
  }
  const citation = own(candidate, 'citationMetadata')
  // `citationSources` at the developer API, `citations` on Vertex.
  for (const cited of [...listIn(citation, 'citationSources'), ...listIn(citation, 'citations')]) {
    const source = pageSource(cited)
    if (source === undefined) continue
    keep(source)
    claims.push({ ...span(cited), text: undefined, source })
  }
  for (const page of listIn(own(candidate, 'urlContextMetadata'), 'urlMetadata')) {
    const url = stringIn(page, 'retrievedUrl')
    if (url !== undefined && own(page, 'urlRetrievalStatus') === 'URL_RETRIEVAL_STATUS_SUCCESS') keep({ url })
  }
  return { perText: place(claims, texts), all: [...all.values()] }
}

/** A source and the bytes of the text it supports. */
interface Claim {
  from: number
  to: number
  text: string | undefined
  source: Source
}

function span(segment: unknown): { from: number; to: number } {
  // A start of 0 is left out, as protobuf's JSON does with zeros.
  return { from: countIn(segment, 'startIndex') ?? 0, to: countIn(segment, 'endIndex') ?? 0 }
}

function chunkSource(chunk: unknown): Source | undefined {
  for (const kind of ['web', 'retrievedContext', 'maps']) {
    const found = own(chunk, kind)
    if (asRecord(found) !== undefined) return pageSource(found)
  }
  return undefined
}

function pageSource(page: unknown): Source | undefined {
  const url = stringIn(page, 'uri')
  const title = stringIn(page, 'title')
  const text = stringIn(page, 'text')
  const id = stringIn(page, 'documentName') ?? stringIn(page, 'fileSearchStore')
  if (url === undefined && id === undefined && text === undefined) return undefined
  return defined({ id, url, title, text })
}

/** Puts each claim into the text part it begins in, its offsets counted there. */
function place(claims: readonly Claim[], texts: readonly string[]): Source[][] {
  const perText: Source[][] = texts.map(() => [])
  if (claims.length === 0) return perText
  const joined = texts.join('')
  const toUnits = unitsAtBytes(joined, claims)
  for (const { from, to, text, source } of claims) {
    const start = toUnits.get(from) ?? joined.length
    const end = toUnits.get(to) ?? joined.length
    let first = 0
    let at = 0
    while (at < texts.length - 1 && first + (texts[at] as string).length <= start) {
      first += (texts[at] as string).length
      at++
    }
    const length = texts[at]?.length ?? 0
    // Where the bytes do not spell the segment the offsets mean something else, and no offsets are better than wrong ones.
    const sure = start < end && (text === undefined || joined.slice(start, end) === text)
    perText[at]?.push({
      ...source,
      ...(text === undefined ? {} : { text }),
      ...(sure ? { start: start - first, end: Math.min(end - first, length) } : {}),
    })
  }
  return perText
}

/** One walk over the text for all offsets: from bytes of UTF-8 to units of UTF-16. */
function unitsAtBytes(text: string, claims: readonly Claim[]): Map<number, number> {
  const wanted = new Set(claims.flatMap(({ from, to }) => [from, to]))
  const units = new Map<number, number>()
  let bytes = 0
  for (let at = 0; at < text.length; at++) {
    if (wanted.has(bytes)) units.set(bytes, at)
    const code = text.codePointAt(at) as number
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (code >= 0x10000) at++
  }
  units.set(bytes, text.length)
  return units
}
