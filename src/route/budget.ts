/**
 * A sum of money that calls cannot overspend, however many run at once.
 *
 * In:  a limit in dollars and a price list. Out: a Gate that reserves the worst case of an attempt before it is sent, and
 * settles what it came to — of retries and broken answers too: they are billed.
 * The worst case is the whole input and `maxTokens` of output (4,096 where the call names none). Without a price nothing is
 * sent: an unknown price is not 0. What is refused has kind `budget`, and no other target is tried: the money is gone.
 * Not here: budgets of batches (batch/run.ts), and what things cost (cost/).
 */

import { LlmError } from '../errors.ts'
import { ownOptions } from '../request.ts'
import type { Prices, Usage } from '../types.ts'
import type { Gate, GateAttempt } from './gate.ts'

/** See {@link budget}. */
export interface BudgetOptions {
  dollars: number
  /** Prices of the targets' models; `createCatalog` and the catalog of `llmswap/cost` are some. */
  prices?: Prices
  /** The worst case of one attempt in dollars, instead of one from `prices`. */
  estimate?: (attempt: GateAttempt) => number
}

/** A gate with its books open. */
export interface Budget extends Gate {
  /** Dollars of attempts that ended. */
  readonly spent: number
  /** Dollars held back for attempts under way. */
  readonly reserved: number
}

/** Output that is reserved for a call without `maxTokens`. */
const WORST_OUTPUT_TOKENS = 4_096

/** 50 × 0.02 is 1.0000000000000002 in binary; nobody means that by a budget of 1. */
const ROUNDING = 1 + 1e-9

/** The gate. @throws LlmError `config` for a limit that is not above 0, or neither prices nor an estimate. */
export function budget(options: BudgetOptions): Budget {
  const { dollars, prices, estimate }: BudgetOptions = ownOptions(options)
  if (!(dollars > 0)) throw config(`A budget of ${dollars} dollars pays for nothing: pass more than 0.`)
  if (prices === undefined && estimate === undefined)
    throw config('A budget needs prices, or an estimate per attempt.')
  let spent = 0
  let reserved = 0

  const priceOf = (usage: Usage, { model, provider }: GateAttempt): number | undefined =>
    prices?.price(usage, model, provider).total

  return {
    get spent() {
      return spent
    },
    get reserved() {
      return reserved
    },
    enter(attempt) {
      const { inputTokens, request, target } = attempt
      const worst =
        estimate?.(attempt) ??
        priceOf({ inputTokens, outputTokens: request.maxTokens ?? WORST_OUTPUT_TOKENS }, attempt) ??
        NaN
      if (!(worst >= 0)) {
        throw refusal(
          `There is no price for ${target}, so nothing is sent to it: add one, or pass an estimate.`,
        )
      }
      if (spent + reserved + worst > dollars * ROUNDING) {
        throw refusal(
          `The budget of $${dollars} has no room for this attempt: $${spent.toFixed(4)} spent, ` +
            `$${reserved.toFixed(4)} reserved, up to $${worst.toFixed(4)} asked for.`,
        )
      }
      reserved += worst
      return ({ usage, cost, billed }) => {
        reserved -= worst
        const known = cost?.total ?? (usage === undefined ? undefined : priceOf(usage, attempt))
        // Billed, but nobody said how much: what was reserved is the one figure that is never too small.
        spent += known ?? (billed ? worst : 0)
      }
    },
  }
}

function config(message: string): LlmError {
  return new LlmError({ kind: 'config', message })
}

function refusal(message: string): LlmError {
  return new LlmError({ kind: 'budget', message })
}
