/**
 * Lists of numbers off the wire as vectors that can be compared.
 *
 * In:  what a server says are embeddings. Out: one `Float32Array` per row, all of one length.
 * Not here: where in an answer they stand, and base64 (openai-embeddings.ts).
 */

import { LlmError } from '../errors.ts'
import type { Warning } from '../types.ts'

/**
 * @throws LlmError `protocol`, naming the row by its index: no list of finite numbers, an empty one, or one of another
 *   length than the rows before it.
 */
export function floatRows(rows: readonly unknown[], provider: string): Float32Array[] {
  let dimensions: number | undefined
  return rows.map((row, index) => {
    const numbers: readonly unknown[] = Array.isArray(row) ? row : []
    dimensions ??= numbers.length
    if (numbers.length === 0 || !numbers.every(Number.isFinite)) {
      throw bad(provider, index, 'is no list of numbers')
    }
    if (numbers.length !== dimensions) {
      throw bad(provider, index, `has ${numbers.length} numbers where the first has ${dimensions}`)
    }
    return Float32Array.from(numbers as number[])
  })
}

function bad(provider: string, index: number, reason: string): LlmError {
  return new LlmError({
    kind: 'protocol',
    provider,
    issues: [{ message: `row ${index} ${reason}`, path: [index] }],
    message: `The embeddings of ${provider} cannot be used: row ${index} ${reason}.`,
  })
}

/** For providers that embed questions and documents alike. */
export function purposeIgnored(provider: string): Warning {
  return {
    code: 'unsupported',
    field: 'purpose',
    message: `${provider} embeds queries and documents alike; purpose was not sent.`,
  }
}
