/**
 * AWS Signature Version 4, over WebCrypto: how a request to Bedrock proves its key without sending it.
 *
 * In:  a finished request, credentials, region, service, the time. Out: the same request with four more headers.
 * Not here: where credentials come from, clocks, presigned URLs, chunked uploads. Specification: "Create a signed AWS
 * API request", IAM User Guide.
 *
 *     canonical request  =  method, path, query, headers, signed header names, SHA-256 of the body
 *     string to sign     =  algorithm, time, scope (date/region/service/aws4_request), SHA-256 of the above
 *     signing key        =  HMAC(HMAC(HMAC(HMAC('AWS4' + secret, date), region), service), 'aws4_request')
 *     signature          =  HMAC(signing key, string to sign)
 */
import { LlmError } from '../errors.ts'
import type { HttpRequest } from '../provider.ts'

/** An AWS key pair; `sessionToken` for temporary credentials. */
export interface AwsCredentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string | undefined
}

/** What a signer signs for. */
export interface SignerOptions {
  /** A key pair, or where to get the current one before each request. */
  credentials: AwsCredentials | (() => AwsCredentials | Promise<AwsCredentials>)
  /** E.g. `us-east-1`. */
  region: string
  /** E.g. `bedrock`. */
  service: string
}

/** Signs requests, deriving its key once per day. */
export interface Signer {
  /**
   * The request with `authorization`, `x-amz-date`, `x-amz-content-sha256` and, for temporary credentials,
   * `x-amz-security-token`. Headers it already had under these names are replaced. The input is not changed.
   *
   * @param nowMs wall-clock milliseconds since 1970; AWS refuses more than five minutes of skew.
   * @throws LlmError `config` for an incomplete key pair, `unsupported` where WebCrypto is missing.
   */
  sign(request: HttpRequest, nowMs: number): Promise<HttpRequest>
}

/** What the canonical form of a request is made of. */
export interface CanonicalParts {
  method: string
  /** The path as it is sent, already percent-encoded once where it needs to be. */
  path: string
  /** The query as it is sent, without the question mark. */
  query: string
  /** Headers to sign; a name may occur more than once. */
  headers: readonly (readonly [name: string, value: string])[]
  /** Lower-case hex SHA-256 of the body. */
  payloadHash: string
  /** Whether `.`, `..` and empty segments of the path are resolved. Default true; only S3 wants false. */
  normalizePath?: boolean
}

/** A `CryptoKey`, by a name that the typings of Node, Bun, Workers and the DOM all have. */
export type SigningKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>

/**
 * Creates a signer. The derived key is kept in the closure for the current day and secret, and replaced when either
 * changes: four of a request's five HMACs are then paid once a day.
 */
export function createSigner({ credentials, region, service }: SignerOptions): Signer {
  let cached: { date: string; secret: string; key: Promise<SigningKey> } | undefined

  function signingKey(secret: string, date: string): Promise<SigningKey> {
    if (cached?.date !== date || cached.secret !== secret) {
      const key = deriveKey(secret, date, region, service)
      const entry = { date, secret, key }
      cached = entry
      // A failed derivation must not be remembered; the caller gets the rejection itself.
      key.catch(() => {
        if (cached === entry) cached = undefined
      })
    }
    return cached.key
  }

  return {
    async sign(request, nowMs) {
      const { accessKeyId, secretAccessKey, sessionToken } = usable(
        typeof credentials === 'function' ? await credentials() : credentials,
      )
      const time = amzDate(nowMs)
      const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`
      const payloadHash = await sha256Hex(request.body ?? '')
      const url = new URL(request.url)

      const headers: Record<string, string> = {}
      for (const [name, value] of Object.entries(request.headers)) {
        if (!OWN_HEADERS.has(name.toLowerCase())) headers[name] = value
      }
      headers['x-amz-date'] = time
      headers['x-amz-content-sha256'] = payloadHash
      if (sessionToken !== undefined) headers['x-amz-security-token'] = sessionToken

      const canonical = canonicalRequest({
        method: request.method,
        path: url.pathname,
        query: url.search.slice(1),
        // `host` is signed but left to fetch to send, which forbids setting it.
        headers: [['host', url.host], ...Object.entries(headers).filter(([name]) => isSigned(name))],
        payloadHash,
      })
      const key = await signingKey(secretAccessKey, time.slice(0, 8))
      const signature = hex(await hmac(key, await stringToSign(canonical.text, time, scope)))
      headers['authorization'] =
        `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${canonical.signedHeaders}, Signature=${signature}`
      return { ...request, headers }
    },
  }
}

/** Signs one request. For more than one, `createSigner` keeps the derived key. Throws as `Signer.sign` does. */
export function signV4(
  request: HttpRequest,
  options: SignerOptions & {
    /** Wall-clock milliseconds since 1970. */
    nowMs: number
  },
): Promise<HttpRequest> {
  return createSigner(options).sign(request, options.nowMs)
}

/** The canonical request and the list of names it signs. */
export function canonicalRequest(parts: CanonicalParts): { text: string; signedHeaders: string } {
  const values = new Map<string, string[]>()
  for (const [name, value] of parts.headers) {
    const lower = name.toLowerCase()
    const trimmed = value.trim().replace(/\s+/g, ' ')
    const list = values.get(lower)
    if (list === undefined) values.set(lower, [trimmed])
    else list.push(trimmed)
  }
  const names = [...values.keys()].sort()
  const signedHeaders = names.join(';')
  const text = [
    parts.method,
    canonicalPath(parts.path, parts.normalizePath ?? true),
    canonicalQuery(parts.query),
    ...names.map((name) => `${name}:${values.get(name)!.join(',')}`),
    '',
    signedHeaders,
    parts.payloadHash,
  ].join('\n')
  return { text, signedHeaders }
}

/** The string to sign. `time` is as in `x-amz-date`; `scope` is date/region/service/aws4_request. */
export async function stringToSign(canonical: string, time: string, scope: string): Promise<string> {
  return `AWS4-HMAC-SHA256\n${time}\n${scope}\n${await sha256Hex(canonical)}`
}

/** The signing key of one day, region and service. */
export async function deriveKey(
  secret: string,
  date: string,
  region: string,
  service: string,
): Promise<SigningKey> {
  let key = await hmacKey(new TextEncoder().encode(`AWS4${secret}`) as Uint8Array<ArrayBuffer>)
  for (const step of [date, region, service, 'aws4_request']) key = await hmacKey(await hmac(key, step))
  return key
}

/** HMAC-SHA-256. The type is `Uint8Array<ArrayBuffer>` where TypeScript knows that one (5.7), `Uint8Array` before. */
export async function hmac(key: SigningKey, text: string): Promise<ReturnType<typeof Uint8Array.of>> {
  return new Uint8Array(await subtle().sign('HMAC', key, new TextEncoder().encode(text)))
}

/** Lower-case hex. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** SHA-256 as lower-case hex; text is hashed as UTF-8. */
export async function sha256Hex(data: string | Uint8Array): Promise<string> {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : (data as Uint8Array<ArrayBuffer>)
  return hex(new Uint8Array(await subtle().digest('SHA-256', bytes)))
}

const OWN_HEADERS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'authorization',
  'host',
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-security-token',
])

/** Only what AWS requires is signed: fetch and proxies rewrite other headers, and that must not void a signature. */
function isSigned(name: string): boolean {
  const lower = name.toLowerCase()
  return lower === 'content-type' || lower.startsWith('x-amz-')
}

/**
 * Every segment is encoded once more, on top of the encoding it is sent with: a model id `…-v2:0` goes over the wire
 * as `…-v2%3A0` and is signed as `…-v2%253A0`. Every AWS service but S3 wants it so.
 */
function canonicalPath(path: string, normalize: boolean): string {
  let segments = path.split('/').slice(1)
  if (normalize) {
    const resolved: string[] = []
    for (const segment of segments) {
      if (segment === '..') resolved.pop()
      else if (segment !== '' && segment !== '.') resolved.push(segment)
    }
    if (resolved.length > 0 && path.endsWith('/')) resolved.push('')
    segments = resolved
  }
  return `/${segments.map(encodeStrictly).join('/')}`
}

function canonicalQuery(query: string): string {
  if (query === '') return ''
  return query
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=')
      const [name, value] = equals === -1 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
      return [encodeStrictly(decoded(name)), encodeStrictly(decoded(value))] as const
    })
    .sort(([a, x], [b, y]) => (a === b ? compare(x, y) : compare(a, b)))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

/** By code unit; the strings are ASCII by then. `localeCompare` would put lower case first. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** RFC 3986: everything but letters, digits and `-._~` becomes %XX. */
function encodeStrictly(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a stray percent sign stands for itself
  }
}

function amzDate(nowMs: number): string {
  return new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '')
}

function hmacKey(bytes: Uint8Array<ArrayBuffer>): Promise<SigningKey> {
  return subtle().importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
}

function subtle(): typeof crypto.subtle {
  const found = typeof crypto === 'undefined' ? undefined : crypto.subtle
  if (found === undefined) {
    throw new LlmError({
      kind: 'unsupported',
      message:
        'Signing for AWS needs WebCrypto, which browsers offer on https pages only; or use a Bedrock API key.',
    })
  }
  return found
}

function usable(credentials: AwsCredentials): AwsCredentials {
  // Trimmed: a trailing newline from a shell or a mounted file is the usual reason for a signature mismatch.
  const accessKeyId = credentials.accessKeyId?.trim()
  const secretAccessKey = credentials.secretAccessKey?.trim()
  if (!accessKeyId || !secretAccessKey || !/^\w+$/.test(accessKeyId)) {
    throw new LlmError({
      kind: 'config',
      message:
        'AWS credentials need an accessKeyId of letters and digits, and a secretAccessKey; one of them is not usable.',
    })
  }
  const sessionToken = credentials.sessionToken?.trim()
  return { accessKeyId, secretAccessKey, sessionToken: sessionToken === '' ? undefined : sessionToken }
}
