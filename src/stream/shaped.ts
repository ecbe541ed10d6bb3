/**
 * The last word on structured output: does what the model wrote fit the schema?
 *
 * In:  the batches of one answer and the schema. Out: the same batches with 'object-delta' events, and the validated
 *      object; or, in place of the 'finish' event, an error that says what does not fit.
 * Not here: previews while it streams (object.ts), asking for the shape (the codecs).
 */

import { LlmError } from '../errors.ts'
import { toJsonSchema, validateOutput } from '../schema.ts'
import type { FinishEvent, StandardIssue, StreamEvent } from '../types.ts'
import { createAccumulator, NO_FACTS } from './accumulate.ts'
import { dropAddedNulls } from './added-nulls.ts'
import { objectStage, type ObjectMode } from './object.ts'

/** What batches come from. */
interface Batches {
  next(): Promise<StreamEvent[] | undefined>
}

/** A schema applied to one answer. */
export interface Shaped extends Batches {
  /**
   * The next batch; a 'finish' event is held back when what came before it does not fit.
   * @throws LlmError `invalid-output` with `issues`, in its place.
   */
  next(): Promise<StreamEvent[] | undefined>
  /** The validated object; undefined until the end, and where the model did something else than answer. */
  readonly object: unknown
}

/** @param mode where the codec put the schema. */
export function shaped(answer: Batches, schema: unknown, mode: ObjectMode): Shaped {
  const stage = objectStage(mode)
  const sum = createAccumulator()
  let object: unknown
  let failure: LlmError | undefined

  async function check({ finishReason }: FinishEvent): Promise<void> {
    const { text, toolCalls } = sum.partial(NO_FACTS)
    // A refusal, a pause and a call of another tool are answers too, but not the object.
    if (finishReason === 'content-filter' || finishReason === 'pause') return
    if (toolCalls.length > 0 && text.trim() === '') return
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      throw invalidOutput(
        finishReason === 'length'
          ? 'The answer was cut at maxTokens before its object was whole: allow more.'
          : `The answer is not JSON (${text.length} characters): this model may not support schemas.`,
      )
    }
    const { issues, value: fitting } = await verdictOf(value)
    if (issues === undefined) {
      object = fitting
      return
    }
    const where = pathOf(issues[0])
    const what = issues[0]?.message ?? 'no reason given'
    throw invalidOutput(
      `The answer does not fit the schema: ${what}${where === '' ? '' : ` (at ${where})`}.`,
      issues,
    )
  }

  async function verdictOf(value: unknown): Promise<{ issues?: readonly StandardIssue[]; value?: unknown }> {
    try {
      return (await validateOutput(schema, dropAddedNulls(value, toJsonSchema(schema)))) as {
        issues?: readonly StandardIssue[]
        value?: unknown
      }
    } catch (cause) {
      throw invalidOutput('The validator of the schema threw; the cause says why.', undefined, cause)
    }
  }

  return {
    async next() {
      if (failure !== undefined) throw failure
      const events = await answer.next()
      if (events === undefined) return undefined
      const staged = stage(events)
      for (const event of staged) sum.push(event)
      const last = staged.at(-1)
      if (last?.type !== 'finish') return staged
      try {
        await check(last)
      } catch (error) {
        failure = error as LlmError
        if (staged.length === 1) throw failure
        staged.pop()
      }
      return staged
    },
    get object() {
      return object
    },
  }
}

function pathOf(issue: StandardIssue | undefined): string {
  return (issue?.path ?? []).map((step) => String(typeof step === 'object' ? step.key : step)).join('.')
}

function invalidOutput(message: string, issues?: readonly StandardIssue[], cause?: unknown): LlmError {
  return new LlmError({ kind: 'invalid-output', phase: 'stream', message, issues, cause })
}
