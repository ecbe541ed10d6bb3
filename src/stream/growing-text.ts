/**
 * Text that grows by pieces, in little more memory than it takes.
 *
 * In:  deltas, some of four characters and some of four hundred. Out: all of it, when it is asked for.
 * `text += delta` makes a rope: 32 bytes for each delta beside the 24 of the delta itself, five times what a token of
 * four characters takes as text. So pieces are kept in a list, and small ones are joined every 512. Large ones stay as
 * they are, shared with whoever else holds them.
 */

/** Pieces between two looks at their size. 512 four-character deltas make one flat string of 2 KB. */
const RUN = 512
/** Average length from which a piece is not worth copying. */
const LARGE_CHARS = 64

/** Text that grows by pieces. */
export class GrowingText {
  #pieces: string[] = []
  /** Pieces since the last look, and their characters. */
  #fresh = 0
  #chars = 0

  /** Adds a piece. */
  push(piece: string): void {
    if (piece === '') return
    this.#pieces.push(piece)
    this.#chars += piece.length
    if (++this.#fresh < RUN) return
    if (this.#chars < RUN * LARGE_CHARS) this.#pieces.push(this.#pieces.splice(-RUN).join(''))
    this.#fresh = this.#chars = 0
  }

  /** True until a piece that says something was added. */
  get empty(): boolean {
    return this.#pieces.length === 0
  }

  /** All of it. */
  toString(): string {
    // Added up, not joined: this makes a rope over the pieces instead of a second copy of a large answer.
    let whole = ''
    for (const piece of this.#pieces) whole += piece
    if (whole !== '') this.#pieces = [whole]
    this.#fresh = this.#chars = 0
    return whole
  }
}
