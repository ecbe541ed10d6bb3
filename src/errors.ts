/**
 * The one error class, its kinds, and the table from the field's names for faults to those kinds.
 *
 * In:  plain data about what went wrong.
 * Out: `LlmError`, which survives `toJSON` / `fromJSON` and decides what a job queue should do (`retryable`,
 *      `retryAfterMs`).
 * Not here: reading provider error bodies (providers/errors.ts) and deciding to retry (http/retry.ts).
 * It never holds a request body, a header that was sent, or a key.
 */

import type { Attempt, ErrorSummary, PartialCompletion, StandardIssue, Usage } from './types.ts'

/** What went wrong, in one word. */
export type ErrorKind =
  | 'config'
  | 'unsupported'
  | 'connect'
  | 'timeout'
  | 'protocol'
  | 'redirect'
  | 'too-large'
  | 'auth'
  | 'billing'
  | 'quota'
  | 'rate-limit'
  | 'overloaded'
  | 'server'
  | 'not-found'
  | 'invalid-request'
  | 'context-length'
  | 'content-filter'
  | 'invalid-output'
  | 'interrupted'
  | 'aborted'
  | 'budget'
  | 'all-targets-failed'

/** Where in a call it went wrong; for kind `timeout` the name of the deadline in `timeouts`. */
export type ErrorPhase =
  | 'encode'
  | 'authorize'
  | 'connect'
  | 'headers'
  | 'firstToken'
  | 'idle'
  | 'progress'
  | 'total'
  | 'stream'
  | 'tool'

/** Kinds where the same request may well succeed later. Everything else fails again the same way. */
const RETRYABLE: readonly ErrorKind[] = [
  'connect',
  'timeout',
  'rate-limit',
  'overloaded',
  'server',
  'interrupted',
]

/** The names used for faults elsewhere, and the kind each is here. */
export const FAULT_KINDS: Readonly<Record<string, ErrorKind>> = {
  AbortError: 'aborted',
  AllTargetsUnavailable: 'all-targets-failed',
  AuthError: 'auth',
  BillingError: 'billing',
  BudgetError: 'budget',
  ConfigError: 'config',
  ConnectError: 'connect',
  ContentFilterError: 'content-filter',
  ContextLengthError: 'context-length',
  IncompleteStream: 'interrupted',
  InvalidOutputError: 'invalid-output',
  InvalidRequestError: 'invalid-request',
  NotFoundError: 'not-found',
  OverloadedError: 'overloaded',
  ProtocolError: 'protocol',
  QuotaError: 'quota',
  RateLimitError: 'rate-limit',
  RedirectError: 'redirect',
  ResponseTooLargeError: 'too-large',
  ServerError: 'server',
  StreamInterruptedError: 'interrupted',
  TimeoutError: 'timeout',
  UnsupportedError: 'unsupported',
}

/** What an error is made of. Only `kind` and `message` are required. */
export interface LlmErrorInit {
  /** In one word. */
  kind: ErrorKind
  /** A sentence that says what to do. */
  message: string
  /** The codec's name. */
  provider?: string | undefined
  /** The model that was asked. */
  model?: string | undefined
  /** HTTP status, when there was a response. */
  status?: number | undefined
  /** Default: by kind. */
  retryable?: boolean | undefined
  /** What the server asked us to wait. */
  retryAfterMs?: number | undefined
  /** Where in the call. */
  phase?: ErrorPhase | undefined
  /** The answer so far. */
  partial?: PartialCompletion | undefined
  /** Tokens so far, as far as reported. */
  usage?: Usage | undefined
  /** Every try so far. */
  attempts?: readonly Attempt[] | undefined
  /** The server's id of the request, for its support. */
  requestId?: string | undefined
  /** What is wrong with the output, by path. */
  issues?: readonly StandardIssue[] | undefined
  /** The provider's own code, e.g. `context_length_exceeded`. */
  code?: string | undefined
  /** Where in the text it went wrong, in UTF-16 units; of errors about JSON. */
  offset?: number | undefined
  /** The error below; of kind `aborted` the reason of the signal. */
  cause?: unknown
}

/** An error as JSON. */
export type SerializedLlmError = Omit<LlmErrorInit, 'cause'> & {
  name: string
  retryable: boolean
  cause?: { name: string; message: string; code?: string } | SerializedLlmError
}

/** Shared by every copy of this file in a process, so that vendored copies recognise each other's errors. */
const BRAND: unique symbol = /* @__PURE__ */ Symbol.for('llmswap.LlmError') as never

/** Own and enumerable, unlike `message`, `cause` and `name`: a logger that spreads an error repeats none of those. */
const FIELDS = [
  'kind',
  'provider',
  'model',
  'status',
  'retryable',
  'retryAfterMs',
  'phase',
  'partial',
  'usage',
  'attempts',
  'requestId',
  'issues',
  'code',
  'offset',
] as const

/**
 * The only error this library throws on purpose.
 * `name` is `LlmError`, or `AbortError` for kind `aborted`, where `cause` is the signal's reason.
 */
export class LlmError extends Error {
  /** What went wrong, in one word. */
  declare readonly kind: ErrorKind
  /** The codec's name. */
  declare readonly provider: string | undefined
  /** The model that was asked. */
  declare readonly model: string | undefined
  /** HTTP status, when there was a response. */
  declare readonly status: number | undefined
  /** The same request may well succeed later: what a job queue asks. */
  declare readonly retryable: boolean
  /** Milliseconds the server asked us to wait. */
  declare readonly retryAfterMs: number | undefined
  /** Where in the call; of kind `timeout` which deadline. */
  declare readonly phase: ErrorPhase | undefined
  /** The answer so far. */
  declare readonly partial: PartialCompletion | undefined
  /** Tokens so far, as far as reported. */
  declare readonly usage: Usage | undefined
  /** Every try so far. */
  declare readonly attempts: readonly Attempt[] | undefined
  /** The server's id of the request, for its support. */
  declare readonly requestId: string | undefined
  /** What is wrong with the output, by path. */
  declare readonly issues: readonly StandardIssue[] | undefined
  /** The provider's own code. */
  declare readonly code: string | undefined
  /** Where in the text it went wrong, in UTF-16 units; of errors about JSON. */
  declare readonly offset: number | undefined

  constructor(init: LlmErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause })
    const all: LlmErrorInit = {
      ...init,
      retryable: init.retryable ?? RETRYABLE.includes(init.kind),
      usage: init.usage ?? init.partial?.usage,
    }
    for (const field of FIELDS) (this as Record<string, unknown>)[field] = all[field]
    Object.defineProperties(this, {
      name: {
        value: init.kind === 'aborted' ? 'AbortError' : 'LlmError',
        configurable: true,
        writable: true,
      },
      [BRAND]: { value: true },
    })
  }

  /** True for an `LlmError` of any copy of this library in the process. */
  static is(value: unknown): value is LlmError {
    return (value as Record<symbol, unknown> | null | undefined)?.[BRAND] === true
  }

  /** The same error with some fields replaced; the stack is the new one, the cause is kept. */
  with(changes: Partial<LlmErrorInit>): LlmError {
    return new LlmError({ ...this, message: this.message, cause: this.cause, ...changes })
  }

  /** Kind, message and retryable: what may be shown to someone else. */
  summary(): ErrorSummary {
    return { kind: this.kind, message: this.message, retryable: this.retryable }
  }

  /** Plain JSON: a job payload, a log record. The stack is left out. */
  toJSON(): SerializedLlmError {
    const json: Record<string, unknown> = { name: this.name, message: this.message }
    for (const field of FIELDS) if (this[field] !== undefined) json[field] = this[field]
    if (this.cause !== undefined) json['cause'] = serialized(this.cause)
    return json as SerializedLlmError
  }

  /**
   * The error `toJSON()` was called on, in another process.
   * @throws LlmError kind `config` when the value is not a serialised error.
   */
  static fromJSON(json: unknown): LlmError {
    const { cause, ...init } = (json ?? {}) as SerializedLlmError
    if (typeof init.kind !== 'string') {
      throw new LlmError({
        kind: 'config',
        message: 'LlmError.fromJSON() takes what LlmError.toJSON() wrote.',
      })
    }
    return new LlmError({ ...init, cause: cause && deserialized(cause) })
  }
}

function serialized(cause: unknown): SerializedLlmError['cause'] {
  if (LlmError.is(cause)) return cause.toJSON()
  if (!(cause instanceof Error)) return { name: typeof cause, message: String(cause) }
  const { name, message, code } = cause as Error & { code?: unknown }
  return { name, message, ...(typeof code === 'string' && { code }) }
}

function deserialized(cause: NonNullable<SerializedLlmError['cause']>): Error {
  if ('kind' in cause) return LlmError.fromJSON(cause)
  const { name, message, code } = cause
  return Object.assign(new Error(message), { name }, code !== undefined && { code })
}
