/**
 * What a call amounted to: the facts beside its events, and its failure as the caller should see it.
 *
 * In:  an answer and the call it belongs to; or whatever was thrown. Out: Facts for the sum of the events; one LlmError.
 * Once content was delivered every failure of the other side is an interruption, with the failure as its cause: a
 * caller who saw half an answer has to decide about that half, whatever broke it.
 * Not here: whether to try again (retry.ts).
 */

import { LlmError } from '../errors.ts'
import type { Facts } from '../stream/accumulate.ts'
import type { Stopwatch } from '../stream/timing.ts'
import type { Cost, PartialCompletion, Usage } from '../types.ts'
import type { Answer } from './answer.ts'
import type { Call } from './call.ts'
import { typed } from './exchange.ts'

/** What events do not say. */
export function factsOf(call: Call, model: string, stopwatch: Stopwatch, answer: Answer | undefined): Facts {
  const kept = answer?.kept()
  return {
    provider: call.info.provider,
    model,
    attempts: call.attempts,
    raw: kept?.raw ?? {},
    usage: kept?.usage,
    object: answer?.object,
    timing: (outputTokens) => stopwatch.timing(call.clock.nowMs(), outputTokens),
    cost: (usage, model, provider) =>
      kept?.reportedCost === undefined
        ? listedCost(call, usage, model, provider)
        : reportedCost(kept.reportedCost),
  }
}

/** What the provider says it charged beats what a list says it should have. */
function reportedCost(total: number): Cost {
  const text = String(total)
  // Never in exponents: 1.5e-7 is "0.00000015".
  const exact = text.includes('e') ? total.toFixed(20).replace(/\.?0+$/, '') : text
  return { total, currency: 'USD', exact, from: 'provider' }
}

function listedCost(call: Call, usage: Usage, model: string, provider: string): Cost | undefined {
  let cost: Cost | undefined
  // A price list is the caller's code: one that throws must not cost the answer.
  call.observe(() => {
    const price = call.options.prices?.price(usage, model, provider)
    if (price?.total !== undefined) cost = price
  })
  return cost
}

/** Our own decisions keep their kind after content was delivered; everything else is then an interruption. */
const KEPT_KINDS: readonly LlmError['kind'][] = ['aborted', 'too-large', 'invalid-output', 'interrupted']

/**
 * The failure as the caller should see it: typed, with what was delivered, with every attempt, without a secret.
 * @param call undefined when the options or the input were at fault.
 * @param delivered content had reached the consumer.
 */
export function failureOf(
  call: Call | undefined,
  thrown: unknown,
  partial: PartialCompletion,
  delivered: boolean,
): LlmError {
  const provider = call?.info.provider
  const error = typed(provider ?? 'llmswap', thrown)
  const told = {
    provider: error.provider ?? provider,
    model: error.model ?? call?.info.model,
    attempts: call?.attempts ?? [],
    partial:
      delivered || error.kind === 'aborted' || error.kind === 'invalid-output' ? partial : error.partial,
    usage: error.usage ?? (Object.keys(partial.usage).length > 0 ? partial.usage : undefined),
  }
  const dressed =
    delivered && !KEPT_KINDS.includes(error.kind)
      ? new LlmError({
          ...told,
          kind: 'interrupted',
          phase: error.phase,
          requestId: error.requestId,
          message: `The answer broke off after ${partial.text.length} characters: ${error.message}`,
          cause: error,
        })
      : error.with(told)
  return call === undefined ? dressed : call.redactor.error(dressed)
}
