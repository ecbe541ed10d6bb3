/**
 * The arguments of a tool call, checked.
 *
 * In:  arguments and the tool's schema. Out: the value its validator makes of them, or what is wrong, by path.
 * Nothing is repaired but what our own strict mode did (stream/added-nulls.ts).
 * Not here: rendering schemas (schema.ts), the object of an answer (stream/shaped.ts), running tools.
 */

import { LlmError } from '../errors.ts'
import { validateOutput } from '../schema.ts'
import { dropAddedNulls } from '../stream/added-nulls.ts'
import type { JsonSchema, StandardIssue, StandardResult } from '../types.ts'

/**
 * What a tool's schema says about the arguments a model wrote.
 * @param schema any of the three kinds; a raw JSON Schema accepts what it gets.
 * @param rendered the same schema as JSON Schema.
 * @throws LlmError `config` when the schema's own validator throws instead of answering.
 */
export async function checkArgs(
  args: unknown,
  schema: unknown,
  rendered: JsonSchema,
): Promise<StandardResult<unknown>> {
  try {
    return await validateOutput(schema, dropAddedNulls(args, rendered))
  } catch (cause) {
    throw new LlmError({
      kind: 'config',
      phase: 'tool',
      message: 'The validator of a tool threw; it should return issues.',
      cause,
    })
  }
}

/** `a.0.b: expected a number; c: required`, at most ten of them. */
export function describeIssues(issues: readonly StandardIssue[]): string {
  const shown = issues.slice(0, 10).map(({ message, path }) => {
    const keys = (path ?? []).map((step) => String(typeof step === 'object' ? step.key : step))
    return keys.length === 0 ? message : `${keys.join('.')}: ${message}`
  })
  return shown.join('; ') + (issues.length > 10 ? `; and ${issues.length - 10} more` : '')
}
