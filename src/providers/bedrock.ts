/**
 * Amazon Bedrock: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html.
 *
 * In:  our Request; out: an HTTP request to Converse, or to InvokeModel in Anthropic's format, and from its answer
 * StreamEvents. This file is the envelope: addresses, the API key or the signature, counting and listing.
 * Not here: where credentials come from (profiles, roles, metadata servers each have their own ways: pass a function).
 */

import type { LlmError } from '../errors.ts'
import type { AuthorizeContext, FailedResponse, HttpRequest, Provider } from '../provider.ts'
import { createAwsFrameDecoder } from '../wire/aws-frames.ts'
import { createSigner } from '../wire/sigv4.ts'
import type { AwsCredentials, Signer } from '../wire/sigv4.ts'
import { encodeMessages } from './anthropic-encode.ts'
import { createConverseDecoder, decodeConverse } from './bedrock-decode.ts'
import { BEDROCK, encodeConverse } from './bedrock-encode.ts'
import { endpoint, hostPart, jsonBody, pathSegment } from './body.ts'
import { acceptFor, httpRequest, modelPage, tokenCount } from './envelope.ts'
import { httpError } from './errors.ts'
import { keyAuthorize } from './key.ts'
import type { ApiKey } from './key.ts'
import { fault } from './notes.ts'

/** Fetches credentials; `refresh` is true once, after the last ones were refused: a cache must be passed by. */
export type AwsCredentialsSource = (options: { refresh: boolean }) => AwsCredentials | Promise<AwsCredentials>

/** Options of {@link bedrock}. */
export interface BedrockOptions {
  /** E.g. `us-east-1`. Required unless `baseURL` names a host of AWS. */
  region?: string
  /** A Bedrock API key (bearer token), or a function that fetches one. Wins over `credentials`. */
  apiKey?: ApiKey
  /** A key pair to sign with, or a function that fetches the current one before each attempt. */
  credentials?: AwsCredentials | AwsCredentialsSource
  /** Default `https://bedrock-runtime.{region}.amazonaws.com`. */
  baseURL?: string
  /**
   * `converse` (default) serves every model that chats. `invoke` asks Claude models in Anthropic's own format, which has
   * what Converse has no word for (server tools, betas, exact citations).
   */
  api?: 'converse' | 'invoke'
  /** Further request headers; they win over the codec's own. */
  headers?: Record<string, string>
}

/** What Bedrock calls its version of Anthropic's API; there is no other. */
const ANTHROPIC_VERSION = 'bedrock-2023-05-31'

/** AWS refuses a signature that is further off than this. */
const MAX_SKEW_MS = 5 * 60_000

/** No automatic prompt caching: the marks stand at the blocks. */
const CLAUDE = { provider: BEDROCK, explicitCache: true }

/**
 * The codec for Amazon Bedrock. Model ids, inference profiles and ARNs pass through as they are.
 *
 * @throws LlmError `config` when the region cannot be part of a host name.
 * @example bedrock({ region: 'eu-central-1', credentials: () => provider() })
 */
export function bedrock(options: BedrockOptions = {}): Provider {
  const { apiKey, credentials, headers = {}, api = 'converse' } = options
  const region =
    options.region === undefined
      ? /\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\./.exec(options.baseURL ?? '')?.[1]
      : hostPart(options.region, 'region', BEDROCK)
  // When this provider last signed, to recognise a clock that is wrong in the answer to it.
  let signedAtMs: number | undefined

  const base = (service: string): string => {
    if (options.baseURL !== undefined) return options.baseURL
    if (region === undefined) {
      throw fault(
        'config',
        BEDROCK,
        'encode',
        'Bedrock has an address per region: pass region, e.g. "us-east-1".',
      )
    }
    return `https://${service}.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
  }
  const operation = (model: string, name: string): string =>
    endpoint(base('bedrock-runtime'), `model/${pathSegment(model)}/${name}`, BEDROCK)

  const withKey = keyAuthorize({
    provider: BEDROCK,
    header: 'authorization',
    prefix: 'Bearer ',
    apiKey,
    keyNames: ['AWS_BEARER_TOKEN_BEDROCK'],
  })
  // One signer for the ordinary case, which keeps its derived key for the day.
  let signer: Signer | undefined

  async function sign(
    request: HttpRequest,
    context: AuthorizeContext,
    source: AwsCredentials | AwsCredentialsSource,
  ): Promise<HttpRequest> {
    const { refresh = false, nowMs } = context
    const make = (fresh: boolean): Signer =>
      createSigner({
        credentials: typeof source === 'function' ? () => source({ refresh: fresh }) : source,
        region: region ?? 'us-east-1',
        service: 'bedrock',
      })
    signedAtMs = nowMs
    if (refresh) return make(true).sign(request, nowMs)
    signer ??= make(false)
    return signer.sign(request, nowMs)
  }

  return {
    name: BEDROCK,
    framing: 'aws',
    encode(request) {
      const { model, stream } = request
      const own = { ...acceptFor(request, 'application/vnd.amazon.eventstream'), ...headers }
      if (api === 'converse') {
        const { body, warnings } = encodeConverse(request)
        const url = operation(model, stream ? 'converse-stream' : 'converse')
        return httpRequest(url, own, jsonBody(body, request.body), warnings)
      }
      const { body, betas, warnings } = encodeMessages(request, CLAUDE)
      const { model: _, ...rest } = body
      const url = operation(model, stream ? 'invoke-with-response-stream' : 'invoke')
      const full = {
        anthropic_version: ANTHROPIC_VERSION,
        anthropic_beta: betas.length === 0 ? undefined : betas,
        ...rest,
      }
      return httpRequest(url, own, jsonBody(full, request.body), warnings)
    },
    async authorize(request, context) {
      if (context.apiKey === undefined && apiKey === undefined && credentials !== undefined) {
        return sign(request, context, credentials)
      }
      if (context.apiKey === undefined && apiKey === undefined) {
        throw fault(
          'config',
          BEDROCK,
          'authorize',
          'Bedrock needs an API key or a key pair: pass apiKey, set AWS_BEARER_TOKEN_BEDROCK, or pass credentials.',
        )
      }
      return withKey(request, context)
    },
    frames: (limits) => createAwsFrameDecoder({ maxFrameBytes: limits?.maxEventBytes }),
    decoder: (request) => createConverseDecoder(request),
    decode: (json, request) => decodeConverse(json, request),
    error: (response) => skewError(response, signedAtMs) ?? httpError({ provider: BEDROCK, response }),
    countTokens: {
      encode(request) {
        const { messages, system, toolConfig } = encodeConverse(request).body
        const input = { converse: { messages, system, toolConfig } }
        return httpRequest(operation(request.model, 'count-tokens'), headers, jsonBody({ input }))
      },
      decode: (json) => tokenCount(json, 'inputTokens', BEDROCK),
    },
    listModels: {
      // The catalogue stands at the control plane, a host of its own.
      encode: () => httpRequest(endpoint(base('bedrock'), 'foundation-models', BEDROCK), headers),
      decode: (json) => modelPage(json, 'modelSummaries', 'modelId'),
    },
  }
}

/**
 * A refused signature that a wrong clock explains: AWS dates its answers, and says no to signatures more than five
 * minutes away from that. "Signature expired: 20261123T101500Z is now earlier than …", "Signature not yet current: …".
 */
function skewError(response: FailedResponse, signedAtMs: number | undefined): LlmError | undefined {
  if (signedAtMs === undefined || (response.status !== 403 && response.status !== 400)) return undefined
  const serverMs = Date.parse(response.headers.get('date') ?? '')
  const skewMs = signedAtMs - serverMs
  if (!(Math.abs(skewMs) > MAX_SKEW_MS)) return undefined
  const refused = httpError({ provider: BEDROCK, response })
  if (refused.kind !== 'auth' && !/signature/i.test(refused.message)) return undefined
  const minutes = Math.round(Math.abs(skewMs) / 60_000)
  return refused.with({
    kind: 'auth',
    retryable: false,
    message:
      `This machine's clock is ${minutes} minutes ${skewMs > 0 ? 'ahead of' : 'behind'} AWS, ` +
      'which refuses signatures more than 5 minutes off: set the clock.',
    cause: refused,
  })
}
