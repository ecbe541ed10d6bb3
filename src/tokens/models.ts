/**
 * Which encoding a model uses, for the models whose vocabulary is public.
 *
 * In:  a model name. Out: an encoding, loaded on demand so that a bundle holds only what it asks for.
 * It does not guess: a name that is in no row is an error, because a wrong encoding gives plausible wrong numbers.
 *
 * tiktoken/model.py of tiktoken 0.14.0, read 2026-11. For gpt-6 and later nothing was public then.
 */

import { LlmError } from '../errors.ts'
import type { Encoding } from './encoding.ts'

/** Names of the encodings that ship. */
export type EncodingName =
  | 'o200k_base'
  | 'o200k_harmony'
  | 'cl100k_base'
  | 'p50k_base'
  | 'p50k_edit'
  | 'r50k_base'

/**
 * Model names and their encodings. A row matches the name itself and the name with a suffix after `-` (dates, sizes);
 * `gpt-5` also matches `gpt-5.4`. The first match counts.
 */
const MODELS: readonly (readonly [pattern: RegExp, encoding: EncodingName])[] = [
  [/^gpt-oss(-|$)/, 'o200k_harmony'],
  [/^gpt-5(\.\d+)?(-|$)/, 'o200k_base'],
  [/^gpt-4\.[15](-|$)/, 'o200k_base'],
  [/^(chatgpt|gpt)-4o(-|$)/, 'o200k_base'],
  [/^o[134](-|$)/, 'o200k_base'],
  [/^gpt-4(-|$)/, 'cl100k_base'],
  [/^gpt-3\.?5-turbo(-|$)/, 'cl100k_base'],
  [/^text-embedding-(3-small|3-large|ada-002)$/, 'cl100k_base'],
  [/^(davinci|babbage)-002$/, 'cl100k_base'],
  [/^text-davinci-00[23]$/, 'p50k_base'],
  [/^(code-(davinci|cushman)-00[12]|(davinci|cushman)-codex)$/, 'p50k_base'],
  [/^(text|code)-davinci-edit-001$/, 'p50k_edit'],
  [/^(text-)?(davinci|curie|babbage|ada)(-001)?$/, 'r50k_base'],
  [/^gpt-?2$/, 'r50k_base'],
]

/**
 * Name of a model's encoding, or `undefined`. `openai/gpt-4o`, `azure/gpt-4o` and fine-tuned names
 * (`ft:gpt-4o-mini:org::id`) are looked through.
 * @throws LlmError `config` for anything but a string; an unknown model is undefined.
 */
export function encodingNameForModel(model: string): EncodingName | undefined {
  if (typeof model !== 'string') {
    throw new LlmError({ kind: 'config', message: `A model is named by a string; got ${typeof model}.` })
  }
  const afterSlash = model.slice(model.lastIndexOf('/') + 1).toLowerCase()
  const name = afterSlash.startsWith('ft:') ? afterSlash.split(':')[1]! : afterSlash
  return MODELS.find(([pattern]) => pattern.test(name))?.[1]
}

/**
 * Loads an encoding by name.
 * @throws LlmError `config` for a name that is none.
 */
export async function loadEncoding(name: EncodingName): Promise<Encoding> {
  switch (name) {
    case 'o200k_base':
      return (await import('./encodings/o200k_base.ts')).o200k_base
    case 'o200k_harmony':
      return (await import('./encodings/o200k_harmony.ts')).o200k_harmony
    case 'cl100k_base':
      return (await import('./encodings/cl100k_base.ts')).cl100k_base
    case 'p50k_base':
      return (await import('./encodings/p50k_base.ts')).p50k_base
    case 'p50k_edit':
      return (await import('./encodings/p50k_edit.ts')).p50k_edit
    case 'r50k_base':
      return (await import('./encodings/r50k_base.ts')).r50k_base
    default:
      throw new LlmError({
        kind: 'config',
        message: `There is no encoding ${String(name)}. The encodings are o200k_base, o200k_harmony, cl100k_base, p50k_base, p50k_edit and r50k_base.`,
      })
  }
}

/**
 * The encoding of a model.
 * @throws LlmError kind `config` for a model whose vocabulary is not public or not known; `estimateTokens` is for those
 */
export async function encodingForModel(model: string): Promise<Encoding> {
  const name = encodingNameForModel(model)
  if (name === undefined) {
    throw new LlmError({
      kind: 'config',
      message:
        `No public vocabulary is known for the model ${JSON.stringify(model)}. estimateTokens(input, model) gives an ` +
        'estimate with its error, client.countTokens(input) the provider’s own count; if you know the encoding, import it.',
    })
  }
  return loadEncoding(name)
}
