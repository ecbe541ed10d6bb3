/**
 * The model side of the tiny server: checked parameters → tokens, one at a time, and why it stopped. In: a loaded
 * model and a ChatRequest. Out: every token with its true log probability (of the model, before temperature). A token
 * that may be the beginning of a stop sequence is held back until that is decided. An empty line ends a tale: it is
 * this model's end-of-text.
 */
import { generate } from '../../src/learn/llm500.ts'
import { createRandom } from '../../src/learn/random.ts'
import type { Model, Vocabulary } from '../../src/learn/types.ts'
import type { ChatRequest } from './request.ts'

/** One token as it goes over the wire. */
export interface Piece {
  readonly text: string
  readonly logprob: number
  /** The likeliest alternatives, best first; as many as were asked for. */
  readonly top: readonly { readonly text: string; readonly logprob: number }[]
}

const END_OF_TALE = '\n\n'

/** What the model reads: the end of another tale, so that it knows where it is, and the prompt. */
function encodePrompt(vocabulary: Vocabulary, prompt: string): Int32Array {
  return vocabulary.encode(END_OF_TALE + prompt)
}

/** Yields tokens until a stop sequence, the end of the tale or `maxTokens`; returns the finish reason. */
export function* pieces(
  model: Model,
  vocabulary: Vocabulary,
  request: ChatRequest,
): Generator<Piece | undefined, 'stop' | 'length'> {
  const { temperature, topP, topLogprobs = 0, maxTokens } = request
  const stops = [...request.stop, END_OF_TALE]
  const random = createRandom(request.seed)
  const held: Piece[] = []
  let tokens = 0
  let pending = ''
  for (const { id, logits } of generate(model, encodePrompt(vocabulary, request.prompt), {
    temperature,
    topP,
    random,
  })) {
    const piece = describe(logits, id, topLogprobs, vocabulary)
    held.push(piece)
    pending += piece.text
    const found = stops.map((stop) => pending.indexOf(stop)).filter((index) => index >= 0)
    const cut = found.length > 0 ? Math.min(...found) : undefined
    const safe = ++tokens === maxTokens ? pending.length : pending.length - heldBack(pending, stops)
    for (let sent = 0; sent < (cut ?? safe); sent++) yield held.shift()!
    pending = pending.slice(cut ?? safe)
    if (cut !== undefined) return 'stop'
    if (tokens === maxTokens) return 'length'
    yield undefined // a token was made but may not be shown yet: lets the caller breathe
  }
  return 'length'
}

/** Length of the longest end of `text` that begins a stop sequence. */
function heldBack(text: string, stops: readonly string[]): number {
  for (let n = Math.min(text.length, Math.max(...stops.map((stop) => stop.length))); n > 0; n--) {
    if (stops.some((stop) => stop.startsWith(text.slice(-n)))) return n
  }
  return 0
}

function describe(logits: Float64Array, id: number, alternatives: number, vocabulary: Vocabulary): Piece {
  const max = logits.reduce((a, b) => Math.max(a, b))
  const logSum = max + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0))
  const at = (token: number): { text: string; logprob: number } => {
    return { text: vocabulary.decode([token]), logprob: logits[token]! - logSum }
  }
  if (alternatives === 0) return { ...at(id), top: [] }
  const best = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!).slice(0, alternatives)
  return { ...at(id), top: best.map(at) }
}
