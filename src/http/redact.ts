/**
 * Secrets leave only in the request.
 *
 * In:  strings and errors on their way to the caller, and the secret values this call sent.
 * Out: the same with every secret masked, by value first and by the shape of well-known keys second.
 * Not here: the content of answers, which is the model's and is never touched.
 */

import { LlmError } from '../errors.ts'

/** Shorter values mask half the alphabet: a test key `x` would turn every error into stars. */
const MIN_SECRET_LENGTH = 6

/**
 * Keys by shape, for those a server echoes from elsewhere: OpenAI and its kin `sk-…`, Groq `gsk_…`, xAI `xai-…`,
 * Google `AIza…`, Hugging Face `hf_…`, NVIDIA `nvapi-…`, Perplexity `pplx-…`, AWS `AKIA…`, and any bearer token.
 */
const KEY_SHAPES =
  /\b(?:sk|pk|gsk|xai|hf|nvapi|pplx|r8|csk|fw)[-_][\w-]{8,}|\bAIza[\w-]{10,}|\bA[KS]IA[A-Z0-9]{12,}|\bBearer\s+[\w.~+/=-]{8,}/g

/**
 * A server's words end up in logs and terminals, where a line break forges an entry and an escape sequence paints over
 * others (CWE-117). A name and a code hold none by nature.
 */
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g

/** Masks what it was made to keep. */
export interface Redactor {
  /** Another secret of this call; `Bearer …` is kept with and without its scheme. */
  add(secret: string): void
  text(text: string): string
  /** An error whose message and causes hold no secret, no URL query, no headers. An `LlmError` stays one. */
  error(error: LlmError): LlmError
}

/** A redactor that knows no secret yet. */
export function createRedactor(): Redactor {
  const secrets = new Set<string>()

  function text(value: string): string {
    let masked = value
    for (const secret of secrets) masked = masked.replaceAll(secret, '***')
    return masked.replace(KEY_SHAPES, '***')
  }

  /** A foreign error keeps its name, message and code. Its own fields may be the request: they go. */
  function cause(value: unknown, depth: number): unknown {
    if (value === undefined) return undefined
    if (LlmError.is(value)) return error(value, depth)
    if (depth === 0) return undefined
    if (!(value instanceof Error)) return text(String(value))
    const { name, code } = value as { name: string; code?: unknown }
    const message = withoutQueries(text(value.message))
    const inner = cause(value.cause, depth - 1)
    // The frames say where it happened; the runtime repeats the message above them.
    const [frames = ''] = /\n\s+at [\s\S]*/.exec(value.stack ?? '') ?? []
    return Object.assign(
      new Error(message, inner === undefined ? undefined : { cause: inner }),
      { name, stack: `${name}: ${message}${withoutQueries(text(frames))}` },
      typeof code === 'string' && { code },
    )
  }

  function error(value: LlmError, depth = 4): LlmError {
    // An abort's cause is the caller's own reason and is handed back as it came.
    const kept = value.kind === 'aborted' ? value.cause : cause(value.cause, depth)
    const message = text(value.message).replace(CONTROLS, ' ')
    const code = value.code && text(value.code)
    const requestId = value.requestId && text(value.requestId)
    const changed =
      message !== value.message ||
      code !== value.code ||
      requestId !== value.requestId ||
      kept !== value.cause
    return changed ? value.with({ message, code, requestId, cause: kept }) : value
  }

  return {
    add(secret) {
      for (const form of [secret, secret.replace(/^[A-Za-z]+ /, '')]) {
        if (form.length >= MIN_SECRET_LENGTH) secrets.add(form)
      }
    },
    text,
    error: (value) => error(value),
  }
}

/** Queries of URLs may be keys (`?key=…`); hosts and paths help, and stay. */
function withoutQueries(message: string): string {
  return message.replace(/(\bhttps?:\/\/[^\s?#"']*)[?#][^\s"')]*/g, '$1').replace(/(\/\/)[^\s/@]*@/g, '$1')
}
