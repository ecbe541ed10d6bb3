/**
 * The nine pages in reading order: what the build makes, what the index lists, what the tests open.
 */

/** One page: its file name without extension, its title, and its one idea in a sentence. */
export interface PageInfo {
  readonly slug: string
  readonly title: string
  /** The same for the list at the top of every page, which shall fit on one line. */
  readonly short: string
  readonly idea: string
}

/** In the order in which a reader should meet them. */
export const pages: readonly PageInfo[] = [
  {
    slug: 'guess',
    title: 'You are the model',
    short: 'You are the model',
    idea: 'A language model does one thing: it says how likely each next character is, and is surprised.',
  },
  {
    slug: 'tokenizer',
    title: 'Tokenizer',
    short: 'Tokens',
    idea: 'A model never sees letters. It sees the numbers of pieces that were frequent in somebody’s text.',
  },
  {
    slug: 'sampling',
    title: 'Temperature and sampling',
    short: 'Sampling',
    idea: 'The model gives a distribution; what is written depends on how you draw from it, and in which order.',
  },
  {
    slug: 'attention',
    title: 'Attention explorer',
    short: 'Attention',
    idea: 'Every position asks a question, every earlier one holds up an answer; how well they fit is a dot product.',
  },
  {
    slug: 'cache',
    title: 'O(n²) and the KV cache',
    short: 'KV cache',
    idea: 'Remembering keys and values turns cubic work into quadratic work, and costs memory for every token.',
  },
  {
    slug: 'norm',
    title: 'LayerNorm against BatchNorm',
    short: 'Norms',
    idea: 'Move one number and see who else moves: one of the two norms tells the past about the future.',
  },
  {
    slug: 'train',
    title: 'Train it',
    short: 'Training',
    idea: 'Predict, be surprised, follow the gradient; a thousand times. It runs in this tab.',
  },
  {
    slug: 'stream',
    title: 'Stream scrubber',
    short: 'Streaming',
    idea: 'An answer arrives as bytes that may be cut anywhere; the text must not depend on where.',
  },
  {
    slug: 'evolution',
    title: 'Prompt evolution',
    short: 'Evolution',
    idea: 'A prompt can be searched for like any other parameter, and the search must beat the simple ones.',
  },
]
