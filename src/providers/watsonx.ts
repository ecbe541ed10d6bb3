/**
 * IBM watsonx.ai: Chat Completions with other names for a few fields, behind a token exchange.
 *
 * In:  our Request. Out: `POST /ml/v1/text/chat_stream`, or `/ml/v1/text/chat` for one JSON body.
 * The API key never goes to the model's host: IBM's identity service trades it for a token of an hour, which
 * `authorize` keeps until a minute before it ends.
 * Not here: the format (openai-chat-encode.ts, openai-chat-decode.ts), deployments, Cloud Pak logins (pass `token`).
 * Spec: https://cloud.ibm.com/apidocs/watsonx-ai#text-chat-stream, https://cloud.ibm.com/apidocs/iam-identity-token-api
 */

import { LlmError } from '../errors.ts'
import type { AuthorizeContext, HttpResponse, Provider } from '../provider.ts'
import type { Request } from '../types.ts'
import { createSseDecoder } from '../wire/sse.ts'
import { countIn, endpoint, hostPart, jsonBody, own, parseFrameJson, stringIn } from './body.ts'
import { acceptFor, httpRequest, modelPage } from './envelope.ts'
import { httpError, streamError } from './errors.ts'
import { type ApiKey, keyAuthorize, resolveKey } from './key.ts'
import { createChatReader, type ChatReader } from './openai-chat-decode.ts'
import type { Dialect } from './openai-chat-dialect.ts'
import { encodeChat, MAX_TOOL_NAME } from './openai-chat-encode.ts'
import { toolNames } from './tool-names.ts'

/** Where the models run, for which project, and as whom. */
export interface WatsonxOptions {
  /** An IBM Cloud API key, or a function that fetches one. */
  apiKey?: ApiKey
  /** A ready access token instead, or a function that fetches one. */
  token?: ApiKey
  /** Either this or `spaceId`. */
  projectId?: string
  /** Either this or `projectId`. */
  spaceId?: string
  /** Default `us-south`. */
  region?: string
  /** Instead of `region`: Cloud Pak for Data, private endpoints. */
  baseURL?: string
  /** Where keys become tokens. Default `https://iam.cloud.ibm.com`. */
  identityURL?: string
  /** Default `2025-02-11`: the newest the codec was written against. */
  version?: string
  /** Extra headers, lower-case names. */
  headers?: Record<string, string>
}

const NAME = 'watsonx'

/** `tool_choice_option` is renamed below; usage comes unasked, with the last chunk. cloud.ibm.com/apidocs (2026-11) */
const DIALECT: Dialect = {
  maxTokensField: 'max_tokens',
  streamOptions: false,
  schema: 'schema',
  unsupported: [{ fields: ['parallelToolCalls'] }],
}

/**
 * The codec for watsonx.ai.
 * @throws LlmError `config` without a project or space, or when the region cannot stand in a host name.
 * @example watsonx({ apiKey, projectId, region: 'eu-de' })
 */
export function watsonx(options: WatsonxOptions): Provider {
  const { projectId, spaceId, version = '2025-02-11', headers = {} } = options
  if ((projectId ?? spaceId ?? '') === '') {
    throw new LlmError({
      kind: 'config',
      provider: NAME,
      message: `${NAME} needs to know whom to charge: pass projectId or spaceId.`,
    })
  }
  const root =
    options.baseURL ?? `https://${hostPart(options.region ?? 'us-south', 'region', NAME)}.ml.cloud.ibm.com`
  const url = (path: string, query = ''): string =>
    endpoint(root, `ml/v1/${path}?version=${encodeURIComponent(version)}${query}`, NAME)
  const reader = (request: Request | undefined): ChatReader =>
    createChatReader({
      provider: NAME,
      dialect: DIALECT,
      request,
      rename: request === undefined ? undefined : toolNames(request, NAME, MAX_TOOL_NAME).toCaller,
    })
  return {
    name: NAME,
    framing: 'sse',
    encode(request) {
      const { body, warnings } = encodeChat(request, NAME, DIALECT)
      const { model, stream: _, tool_choice: choice, ...rest } = body as Record<string, unknown>
      const full = {
        model_id: model,
        project_id: projectId,
        space_id: projectId === undefined ? spaceId : undefined,
        ...rest,
        [typeof choice === 'string' ? 'tool_choice_option' : 'tool_choice']: choice,
      }
      const verb = request.stream ? 'chat_stream' : 'chat'
      const own = { ...acceptFor(request), ...headers }
      return httpRequest(url(`text/${verb}`), own, jsonBody(full, request.body), warnings)
    },
    authorize:
      options.token === undefined
        ? exchangeAuthorize(options)
        : keyAuthorize({
            provider: NAME,
            header: 'authorization',
            prefix: 'Bearer ',
            apiKey: options.token,
            keyNames: [],
          }),
    frames: (limits) => createSseDecoder(limits),
    decoder(request) {
      const chat = reader(request)
      return {
        push(frame) {
          const data = frame.data.trim()
          if (data === '') return []
          const value = parseFrameJson(data, NAME)
          // `event: error` carries what a failed request would have had as its body.
          if (frame.event === 'error' || own(value, 'errors') !== undefined) {
            throw streamError({ provider: NAME, error: value })
          }
          return chat.push(value)
        },
        end: () => chat.end(),
        get done() {
          return chat.done
        },
        raw: chat.raw,
      }
    },
    decode(json, request) {
      const chat = reader(request)
      return { events: [...chat.push(json), ...chat.end()], raw: chat.raw }
    },
    error: (response) => httpError({ provider: NAME, response }),
    // One page: there are some fifty models, and 200 is the most a page holds. cloud.ibm.com/apidocs (2026-11)
    listModels: {
      encode: () =>
        httpRequest(url('foundation_model_specs', '&filters=function_text_chat&limit=200'), headers),
      decode: (json) => modelPage(json, 'resources', 'model_id'),
    },
  }
}

// ---------------------------------------------------------------------------------------- token exchange

interface Token {
  key: string
  token: string
  /** Epoch milliseconds after which a new one is fetched. */
  staleMs: number
}

/** Tokens live for an hour; one that ends while a request is on its way is refused. */
const MARGIN_MS = 60_000

function exchangeAuthorize(options: WatsonxOptions): Provider['authorize'] {
  const { identityURL = 'https://iam.cloud.ibm.com' } = options
  let kept: Token | undefined
  let asking: { key: string; token: Promise<Token> } | undefined

  async function tokenFor(key: string, context: AuthorizeContext): Promise<string> {
    if (context.refresh !== true && kept?.key === key && context.nowMs < kept.staleMs) return kept.token
    // A hundred calls at once need one exchange. One that died with the call that began it is made again by the next.
    const running = asking?.key === key && context.refresh !== true ? asking.token : undefined
    if (running !== undefined) {
      const shared = await running.catch(() => undefined)
      if (shared !== undefined) return shared.token
    }
    const token = exchange(identityURL, key, context)
    const mine = { key, token }
    asking = mine
    try {
      kept = await token
      return kept.token
    } finally {
      if (asking === mine) asking = undefined
    }
  }

  return async (http, context) => {
    const key = await resolveKey(context.apiKey ?? options.apiKey, NAME, [
      'WATSONX_API_KEY',
      'WATSONX_APIKEY',
    ])
    const token = await tokenFor(key, context)
    return { ...http, headers: { ...http.headers, authorization: `Bearer ${token}` } }
  }
}

async function exchange(identityURL: string, key: string, context: AuthorizeContext): Promise<Token> {
  const response = await context.transport.send(
    {
      method: 'POST',
      url: endpoint(identityURL, 'identity/token', NAME),
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: `grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey=${encodeURIComponent(key)}`,
    },
    { signal: context.signal },
  )
  const text = await readText(response)
  if (response.status !== 200) throw refused(response, text)
  const answer = parseFrameJson(text, NAME)
  const token = stringIn(answer, 'access_token')
  if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) {
    throw new LlmError({
      kind: 'protocol',
      provider: NAME,
      phase: 'authorize',
      message: "IBM's identity service answered without an access token.",
    })
  }
  const livesMs = (countIn(answer, 'expires_in') ?? 0) * 1000
  return { key, token, staleMs: context.nowMs + livesMs - MARGIN_MS }
}

/** IBM says 400 for a key it does not know (BXNIM0415E). Its words are not repeated: they may hold the key. */
function refused(response: HttpResponse, text: string): LlmError {
  const { status, headers } = response
  const failed = httpError({ provider: NAME, response: { status, headers, body: text } })
  const key = status === 400 || status === 401 || status === 403
  return failed.with({
    kind: key ? 'auth' : failed.kind,
    retryable: key ? false : failed.retryable,
    phase: 'authorize',
    message: key
      ? `IBM's identity service does not accept the API key for ${NAME} (${status}): make a new one in IBM Cloud.`
      : `IBM's identity service failed with ${status}; without a token ${NAME} cannot be asked.`,
  })
}

/** An answer of the identity service is 2 kB; what is much longer is something else. */
const MAX_ANSWER_BYTES = 65_536

async function readText(response: HttpResponse): Promise<string> {
  const reader = response.body?.getReader()
  if (reader === undefined) return ''
  const decoder = new TextDecoder()
  let text = ''
  for (let bytes = 0; bytes < MAX_ANSWER_BYTES;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    bytes += value.byteLength
    text += decoder.decode(value, { stream: true })
  }
  await reader.cancel()
  return text
}
