/**
 * Byte-pair encoding as a textbook states it: start from single bytes, again and again join the adjacent pair whose
 * joined bytes have the lowest rank (leftmost on a tie), stop when no adjacent pair is a token. The rank is the id.
 *
 * In:  one piece of text as bytes, and the rank of every token.
 * Out: token ids, and on request every merge in the order it was made.
 * Not here: speed. Each step looks at every pair, so a piece of n bytes costs O(n²); `bpe.ts` gives the same ids in
 * linear time and is tested against this file. Cutting text into pieces is `split.ts`. Read this file first.
 *
 * Sennrich, Haddow, Birch 2016, "Neural Machine Translation of Rare Words with Subword Units", on bytes as in GPT-2.
 */

/** Token bytes, one UTF-16 unit per byte (`'é'` is `'\xc3\xa9'`), to rank. Rank = id = the order tokens were learned. */
export type Ranks = ReadonlyMap<string, number>

/** One merge: `parts[at]` and `parts[at + 1]` became the token `id`; `parts` is the piece as it stood before. */
export type MergeStep = { readonly id: number; readonly at: number; readonly parts: readonly string[] }

/** Bytes as a string with one UTF-16 unit per byte, which JavaScript can use as a map key. */
export function byteString(bytes: Iterable<number>): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

/**
 * Token ids of one piece.
 * @param piece the bytes of the piece
 * @param rankOf rank of a byte string, `undefined` when it is no token; must know every single byte that occurs
 * @param onMerge called before each merge, in order
 */
export function encodePieceNaive(
  piece: Iterable<number>,
  rankOf: (bytes: string) => number | undefined,
  onMerge?: (step: MergeStep) => void,
): number[] {
  const whole = byteString(piece)
  let parts = [...whole]
  for (;;) {
    let best = -1
    let bestRank = Infinity
    for (let i = 0; i + 1 < parts.length; i++) {
      const rank = rankOf(parts[i]! + parts[i + 1]!)
      if (rank !== undefined && rank < bestRank) {
        best = i
        bestRank = rank
      }
    }
    if (best < 0) break
    onMerge?.({ id: bestRank, at: best, parts })
    parts = [...parts.slice(0, best), parts[best]! + parts[best + 1]!, ...parts.slice(best + 2)]
  }
  // A piece that is itself a token is that token, even in a vocabulary whose merges cannot build it, as in tiktoken.
  const wholeId = rankOf(whole)
  return wholeId === undefined ? parts.map((part) => rankOf(part)!) : [wholeId]
}

/**
 * Token ids of a text: cut it with `pattern` (global flag, the encoding's published regular expression), encode the
 * pieces one by one. The character classes are those of the engine's Unicode version, which need not be the
 * reference's: one of the reasons `split.ts` exists.
 */
export function encodeNaive(text: string, pattern: RegExp, ranks: Ranks): number[] {
  const utf8 = new TextEncoder()
  const ids: number[] = []
  for (const [piece] of text.matchAll(pattern)) {
    ids.push(...encodePieceNaive(utf8.encode(piece), (bytes) => ranks.get(bytes)))
  }
  return ids
}
