/** AWS Signature Version 4: own vectors, the outside test suite, the key cache, and what must never be signed or said. */
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { HttpRequest } from '../../src/provider.ts'
import type { AwsCredentials } from '../../src/wire/sigv4.ts'
import {
  canonicalRequest,
  createSigner,
  deriveKey,
  hex,
  hmac,
  sha256Hex,
  signV4,
  stringToSign,
} from '../../src/wire/sigv4.ts'
import { corpusCases } from '../corpus.ts'

interface Case {
  name: string
  request: HttpRequest & { body: string }
  credentials: AwsCredentials
  region: string
  service: string
  time: string
  canonical: string
  added: Record<string, string>
}
const { cases } = JSON.parse(readFileSync('fixtures/wire/sigv4.json', 'utf8')) as { cases: Case[] }

/** `20261123T120000Z` as milliseconds. */
function parseTime(time: string): number {
  return Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
}

describe('signatures', () => {
  it.each(cases)('$name', async ({ request, credentials, region, service, time, added }) => {
    const nowMs = parseTime(time)
    const before = structuredClone(request)
    const signed = await signV4(request, { credentials, region, service, nowMs })
    expect(signed).toEqual({ ...request, headers: { ...request.headers, ...added } })
    expect(request).toEqual(before)
    // The same bytes as a Uint8Array, signed over a signature that was already there.
    const body = new TextEncoder().encode(request.body)
    const again = await signV4({ ...signed, body }, { credentials, region, service, nowMs })
    expect(again.headers).toEqual(signed.headers)
  })

  it.each(cases)('$name: canonical form', async ({ request, credentials, time, canonical }) => {
    const url = new URL(request.url)
    const payloadHash = await sha256Hex(request.body)
    const token = credentials.sessionToken
    const { text } = canonicalRequest({
      method: request.method,
      path: url.pathname,
      query: url.search.slice(1),
      headers: [
        ['Host', url.host],
        ['X-Amz-Date', time],
        ['x-amz-content-sha256', payloadHash],
        ...(token === undefined ? [] : [['x-amz-security-token', token] as const]),
        ...Object.entries(request.headers).filter(([name]) => /^(content-type|x-amz-.*)$/i.test(name)),
      ],
      payloadHash,
    })
    expect(text).toBe(canonical)
  })

  it('of temporary credentials never reuse the token of the request before', async () => {
    const signer = createSigner({
      credentials: cases[0]!.credentials,
      region: 'us-east-1',
      service: 'bedrock',
    })
    const request: HttpRequest = {
      method: 'POST',
      url: 'https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse',
      headers: { 'X-Amz-Security-Token': 'stale', Authorization: 'Bearer stale', host: 'elsewhere' },
      body: '{}',
    }
    const { headers } = await signer.sign(request, 0)
    expect(JSON.stringify(headers)).not.toContain('stale')
    expect(Object.keys(headers).sort()).toEqual(['authorization', 'x-amz-content-sha256', 'x-amz-date'])
  })
})

describe('the derived key', () => {
  afterEach(() => vi.restoreAllMocks())
  const request: HttpRequest = { method: 'GET', url: 'https://a.amazonaws.com/', headers: {} }
  const day = 86_400_000

  it('is derived once a day, and again when the secret changes', async () => {
    const imports = vi.spyOn(crypto.subtle, 'importKey')
    let credentials = cases[0]!.credentials
    const signer = createSigner({ credentials: () => credentials, region: 'us-east-1', service: 'bedrock' })
    const derivations = async (nowMs: number): Promise<number> => {
      imports.mockClear()
      await signer.sign(request, nowMs)
      return imports.mock.calls.length
    }
    expect(await derivations(0)).toBe(5)
    expect(await derivations(1_000)).toBe(0)
    expect(await derivations(day)).toBe(5)
    expect(await derivations(day + 1)).toBe(0)
    credentials = { ...credentials, secretAccessKey: 'rotated' }
    expect(await derivations(day + 2)).toBe(5)
    const fresh = await signV4(request, {
      credentials,
      region: 'us-east-1',
      service: 'bedrock',
      nowMs: day + 2,
    })
    expect(await signer.sign(request, day + 2)).toEqual(fresh)
  })

  it('is shared by requests that are signed at the same time', async () => {
    const imports = vi.spyOn(crypto.subtle, 'importKey')
    const signer = createSigner({ credentials: cases[0]!.credentials, region: 'r', service: 's' })
    await Promise.all(Array.from({ length: 10 }, () => signer.sign(request, 0)))
    expect(imports.mock.calls.length).toBe(5)
  })

  it('is not remembered when its derivation failed', async () => {
    const signer = createSigner({ credentials: cases[0]!.credentials, region: 'r', service: 's' })
    vi.spyOn(crypto.subtle, 'importKey').mockRejectedValueOnce(new Error('no'))
    await expect(signer.sign(request, 0)).rejects.toThrow('no')
    await expect(signer.sign(request, 0)).resolves.toBeDefined()
  })
})

describe('credentials', () => {
  const request: HttpRequest = { method: 'GET', url: 'https://a.amazonaws.com/', headers: {} }
  const sign = (credentials: AwsCredentials): Promise<HttpRequest> =>
    signV4(request, { credentials, region: 'us-east-1', service: 'bedrock', nowMs: 0 })

  it('lose the newline a shell or a mounted file put behind them', async () => {
    const clean = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token' }
    const padded = { accessKeyId: ' AKIDEXAMPLE\n', secretAccessKey: 'secret\n', sessionToken: 'token\r\n' }
    expect(await sign(padded)).toEqual(await sign(clean))
  })

  it('that cannot be right are kind config, and are not quoted', async () => {
    for (const credentials of [
      { accessKeyId: '', secretAccessKey: 'hush' },
      { accessKeyId: 'AKID', secretAccessKey: ' ' },
      { accessKeyId: 'AK\nX-Evil: 1', secretAccessKey: 'hush' },
      {} as AwsCredentials,
    ]) {
      const fault = await sign(credentials).catch((error: unknown) => error)
      expect(fault).toMatchObject({ kind: 'config' })
      expect(String(fault)).not.toMatch(/hush|Evil/)
    }
  })
})

it('a runtime without WebCrypto is kind unsupported', async () => {
  vi.stubGlobal('crypto', {})
  const fault = sha256Hex('x')
  await expect(fault).rejects.toMatchObject({ kind: 'unsupported' })
  vi.unstubAllGlobals()
})

interface SuiteVector {
  id: string
  context: {
    credentials: { access_key_id: string; secret_access_key: string; token?: string }
    expiration_in_seconds: number
    normalize: boolean
    omit_session_token?: boolean
    region: string
    service: string
    sign_body: boolean
    timestamp: string
  }
  request: string
  header: { canonicalRequest: string; stringToSign: string; signature: string }
  query: { canonicalRequest: string; stringToSign: string; signature: string }
}

/** Reads the suite's requests as they are: raw paths, folded headers. */
function parseRequest(text: string): {
  method: string
  path: string
  query: string
  headers: [string, string][]
  body: string
} {
  const [head, body = ''] = text.split('\n\n') as [string, string?]
  const [first, ...rest] = head.split('\n') as [string, ...string[]]
  const [, method, target] = /^(\S+) (.*) HTTP\/1\.1$/.exec(first)! as unknown as [string, string, string]
  const headers: [string, string][] = []
  for (const line of rest) {
    if (line === '') continue
    if (/^\s/.test(line)) headers.at(-1)![1] += `\n${line}`
    else headers.push([line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)])
  }
  const mark = target.indexOf('?')
  const [path, query] = mark === -1 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)]
  return { method, path, query, headers, body }
}

corpusCases<{ vectors: SuiteVector[] }>('aws sigv4', 'cases/aws/sigv4-vectors.json', ({ vectors }, ran) => {
  describe.each(vectors)('$id', ({ context, request, header, query }) => {
    const { region, service } = context
    const time = context.timestamp.replace(/[-:]/g, '')
    const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`
    const parsed = parseRequest(request)
    const { access_key_id: accessKeyId, secret_access_key: secret, token } = context.credentials
    const signedToken = context.omit_session_token === true ? undefined : token

    async function check(
      expected: SuiteVector['header'],
      parts: { query: string; headers: [string, string][] },
    ): Promise<void> {
      const payloadHash = await sha256Hex(parsed.body)
      const { text } = canonicalRequest({
        ...parsed,
        ...parts,
        payloadHash,
        normalizePath: context.normalize,
      })
      expect(text).toBe(expected.canonicalRequest)
      const toSign = await stringToSign(text, time, scope)
      expect(toSign).toBe(expected.stringToSign)
      const key = await deriveKey(secret, time.slice(0, 8), region, service)
      expect(hex(await hmac(key, toSign))).toBe(expected.signature)
      ran()
    }

    it('in a header', async () => {
      const headers: [string, string][] = [...parsed.headers, ['X-Amz-Date', time]]
      if (signedToken !== undefined) headers.push(['X-Amz-Security-Token', signedToken])
      if (context.sign_body) headers.push(['x-amz-content-sha256', await sha256Hex(parsed.body)])
      await check(header, { query: parsed.query, headers })
    })

    it('in the query', async () => {
      const names = [...new Set(parsed.headers.map(([name]) => name.toLowerCase()))].sort().join(';')
      const added: [string, string][] = [
        ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
        ['X-Amz-Credential', `${accessKeyId}/${scope}`],
        ['X-Amz-Date', time],
        ['X-Amz-SignedHeaders', names],
        ['X-Amz-Expires', String(context.expiration_in_seconds)],
      ]
      if (signedToken !== undefined) added.push(['X-Amz-Security-Token', signedToken])
      const pairs = added.map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
      if (parsed.query !== '') pairs.unshift(parsed.query)
      await check(query, { query: pairs.join('&'), headers: parsed.headers })
    })
  })
})

interface BedrockVector {
  id: string
  credentials: AwsCredentials
  region: string
  service: string
  timestamp: string
  method: 'POST'
  host: string
  pathOnWire: string
  body: string
  headers: Record<string, string>
}

corpusCases<{ vectors: BedrockVector[] }>(
  'aws bedrock',
  'cases/aws/bedrock-sigv4.json',
  ({ vectors }, ran) => {
    it.each(vectors)('$id', async (vector) => {
      const signed = await signV4(
        {
          method: vector.method,
          url: `https://${vector.host}${vector.pathOnWire}`,
          headers: { 'content-type': vector.headers['content-type']! },
          body: vector.body,
        },
        { ...vector, nowMs: Date.parse(vector.timestamp) },
      )
      expect({ host: vector.host, ...signed.headers }).toEqual(vector.headers)
      ran()
    })
  },
)
