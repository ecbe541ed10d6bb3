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
const RETRYABLE: ReadonlySet<ErrorKind> = /* @__PURE__ */ new Set<ErrorKind>([
  'connect',
  'timeout',
  'rate-limit',
  'overloaded',
  'server',
  'interrupted',
])

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

const FIELDS = [
  'kind',
  'message',
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
  readonly kind: ErrorKind
  /** The codec's name. */
  readonly provider: string | undefined
  /** The model that was asked. */
  readonly model: string | undefined
  /** HTTP status, when there was a response. */
  readonly status: number | undefined
  /** The same request may well succeed later: what a job queue asks. */
  readonly retryable: boolean
  /** Milliseconds the server asked us to wait. */
  readonly retryAfterMs: number | undefined
  /** Where in the call; of kind `timeout` which deadline. */
  readonly phase: ErrorPhase | undefined
  /** The answer so far. */
  readonly partial: PartialCompletion | undefined
  /** Tokens so far, as far as reported. */
  readonly usage: Usage | undefined
  /** Every try so far. */
  readonly attempts: readonly Attempt[] | undefined
  /** The server's id of the request, for its support. */
  readonly requestId: string | undefined
  /** What is wrong with the output, by path. */
  readonly issues: readonly StandardIssue[] | undefined
  /** The provider's own code. */
  readonly code: string | undefined
  /** Where in the text it went wrong, in UTF-16 units; of errors about JSON. */
  readonly offset: number | undefined

  constructor(init: LlmErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause })
    this.kind = init.kind
    this.provider = init.provider
    this.model = init.model
    this.status = init.status
    this.retryable = init.retryable ?? RETRYABLE.has(init.kind)
    this.retryAfterMs = init.retryAfterMs
    this.phase = init.phase
    this.partial = init.partial
    this.usage = init.usage ?? init.partial?.usage
    this.attempts = init.attempts
    this.requestId = init.requestId
    this.issues = init.issues
    this.code = init.code
    this.offset = init.offset
    // Own but not enumerable, like `message`: a logger that spreads an error should not repeat it.
    Object.defineProperty(this, 'name', {
      value: init.kind === 'aborted' ? 'AbortError' : 'LlmError',
      configurable: true,
      writable: true,
      enumerable: false,
    })
    Object.defineProperty(this, BRAND, { value: true })
  }

  /** True for an `LlmError` of any copy of this library in the process. */
  static is(value: unknown): value is LlmError {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[BRAND] === true
  }

  /** The same error with some fields replaced; the stack is the new one, the cause is kept. */
  with(changes: Partial<LlmErrorInit>): LlmError {
    const init: Record<string, unknown> = { cause: this.cause }
    for (const field of FIELDS) init[field] = this[field]
    return new LlmError({ ...(init as unknown as LlmErrorInit), ...changes })
  }

  /** Kind, message and retryable: what may be shown to someone else. */
  summary(): ErrorSummary {
    return { kind: this.kind, message: this.message, retryable: this.retryable }
  }

  /** Plain JSON: a job payload, a log record. The stack is left out. */
  toJSON(): SerializedLlmError {
    const json: Record<string, unknown> = { name: this.name }
    for (const field of FIELDS) if (this[field] !== undefined) json[field] = this[field]
    const cause = serializeCause(this.cause, 0)
    if (cause !== undefined) json['cause'] = cause
    return json as SerializedLlmError
  }

  /**
   * The error `toJSON()` was called on, in another process.
   * @throws LlmError kind `config` when the value is not a serialised error.
   */
  static fromJSON(json: unknown): LlmError {
    const record = json as SerializedLlmError | null
    if (typeof record !== 'object' || record === null || typeof record.kind !== 'string') {
      throw new LlmError({
        kind: 'config',
        message: 'LlmError.fromJSON() was given something that LlmError.toJSON() did not write.',
      })
    }
    const init: Record<string, unknown> = {}
    for (const field of FIELDS) if (Object.hasOwn(record, field)) init[field] = record[field]
    const { cause } = record
    if (cause !== undefined) {
      init['cause'] = 'kind' in cause ? LlmError.fromJSON(cause) : namedError(cause)
    }
    return new LlmError(init as unknown as LlmErrorInit)
  }
}

/** Four levels: deeper chains repeat themselves, and a cyclic one must end. */
const MAX_CAUSE_DEPTH = 4

function serializeCause(cause: unknown, depth: number): SerializedLlmError['cause'] {
  if (cause === undefined || depth >= MAX_CAUSE_DEPTH) return undefined
  if (LlmError.is(cause)) return cause.toJSON()
  if (cause instanceof Error) {
    const code = (cause as { code?: unknown }).code
    return { name: cause.name, message: cause.message, ...(typeof code === 'string' ? { code } : {}) }
  }
  return { name: typeof cause, message: String(cause) }
}

function namedError(cause: { name: string; message: string; code?: string }): Error {
  const error = new Error(cause.message)
  error.name = cause.name
  if (cause.code !== undefined) Object.assign(error, { code: cause.code })
  return error
}
