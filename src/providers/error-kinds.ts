/**
 * What providers' names and sentences for failures mean: three tables and the order in which they are asked.
 *
 * In:  the names found in an error body (code, type, RPC status, exception), its sentence, the HTTP status.
 * Out: an `ErrorKind`.
 * Not here: finding those names in a body (errors.ts).
 *
 * Names and texts are asked before the status, because statuses lie: xAI and Gemini answer a bad key with 400, Z.ai an
 * empty account with 429, OpenAI a request that can never fit with 429. Every row carries the provider's own words;
 * undated ones were read in the provider's documentation or in recordings in 2026-11.
 */

import type { ErrorKind } from '../errors.ts'
import { listed } from './body.ts'

/** Names that settle the kind wherever they stand. Written as `plainName` makes them. */
const SPECIFIC: readonly (readonly [ErrorKind, string])[] = [
  [
    'auth',
    // OpenAI: invalid_api_key, account_deactivated. Anthropic: authentication_error, permission_error.
    'invalidapikey accountdeactivated unsupportedcountryregionterritory authentication permission ' +
      // Google: ErrorInfo.reason API_KEY_INVALID (with status 400), UNAUTHENTICATED, PERMISSION_DENIED.
      'apikeyinvalid apikeyserviceblocked unauthenticated permissiondenied ' +
      // AWS: AccessDeniedException, UnrecognizedClientException, ExpiredTokenException, InvalidSignatureException.
      'accessdenied unrecognizedclient expiredtoken invalidsignature missingauthenticationtoken ' +
      // Moonshot: invalid_authentication_error. MiniMax base_resp 1004 "login fail", 2049 "invalid api key".
      'invalidauthentication 1004 2049',
  ],
  [
    'billing',
    // OpenAI. Anthropic: billing_error. Google: BILLING_DISABLED. Alibaba: Arrearage.
    'billinghardlimitreached billingnotactive billing billingdisabled arrearage ' +
      // Z.ai 1113 with HTTP 429: "Insufficient balance or no resource package. Please recharge."; MiniMax 1008.
      '1113 1008',
  ],
  [
    'quota',
    // OpenAI: 429 insufficient_quota. Anthropic: 429 rate_limit_error whose details.error_code alone says otherwise.
    'insufficientquota enforcedspendlimitreached contractspendlimitreached linkedorganizationspendlimitreached ' +
      // AWS: ServiceQuotaExceededException. Moonshot: 429 exceeded_current_quota_error.
      'servicequotaexceeded exceededcurrentquota ' +
      // Z.ai 1308, HTTP 429: "Usage limit reached for 5 hour. Your limit will reset at …". MiniMax 2056 likewise.
      '1308 2056',
  ],
  [
    'context-length',
    // OpenAI. Anthropic: 413 request_too_large. Cohere: TOO_MANY_TOKENS. Z.ai 1261: "Prompt exceeds max length".
    'contextlengthexceeded requesttoolarge toomanytokens 1261',
  ],
  [
    'content-filter',
    // OpenAI and Azure: content_filter, innererror ResponsibleAIPolicyViolation.
    'contentfilter contentpolicyviolation responsibleaipolicyviolation biopolicy misalignmentpolicyviolation ' +
      // Responses, invalid_prompt: "your prompt was flagged as potentially violating our usage policy".
      'invalidprompt ' +
      // Alibaba: data_inspection_failed. Z.ai 1301: "potentially unsafe or sensitive content". MiniMax 1026, 1027.
      'datainspectionfailed 1301 1026 1027',
  ],
  [
    'not-found',
    // OpenAI: model_not_found, with 404 on chat and 400 on responses. Azure: DeploymentNotFound. Z.ai 1211.
    'modelnotfound deploymentnotfound notfound resourcenotfound 1211',
  ],
  [
    'overloaded',
    // OpenAI 503 slow_down. Anthropic 529 overloaded_error. Google UNAVAILABLE. AWS ServiceUnavailable, ModelNotReady.
    'slowdown overloaded unavailable serviceunavailable modelnotready engineoverloaded capacityexceeded',
  ],
  [
    'server',
    // Google DEADLINE_EXCEEDED, CANCELLED, INTERNAL, ABORTED. AWS exception frames of a stream.
    'deadlineexceeded cancelled internal aborted timeout modeltimeout model modelstream internalserver vectorstoretimeout',
  ],
  // Groq (recorded 2025-11): the model wrote a call that does not fit the tool.
  ['invalid-output', 'toolusefailed'],
]

/** A rate: asked after the texts, because a request larger than a minute's allowance carries this code too. */
const RATE =
  // OpenAI, Anthropic, Azure RateLimitReached, AWS ThrottlingException, Google, Z.ai 1302 and 1305, MiniMax 1002, 1039.
  'ratelimitexceeded ratelimit ratelimitreached throttling resourceexhausted toomanyrequests 1302 1305 1002 1039'

/** Names so general that a status says more; inside a stream there is none. */
const GENERAL: readonly (readonly [ErrorKind, string])[] = [
  [
    'invalid-request',
    'invalidrequest invalidargument failedprecondition outofrange unimplemented validation badrequest invalidvalue 2013',
  ],
  ['rate-limit', 'requests tokens'],
]

/**
 * Sentences, for servers that give no code or a wrong one. First match wins. From recordings and from the public
 * lists of pi-ai 1.5 (MIT, read 2026-11); the comment above each pattern is the verbatim sentence.
 */
const TEXTS: readonly (readonly [ErrorKind, readonly RegExp[]])[] = [
  [
    'rate-limit',
    [
      // Bedrock, 429: "Too many tokens, please wait before trying again." A throttle, although it speaks of tokens.
      /too many tokens, please wait/i,
    ],
  ],
  [
    'context-length',
    [
      // Anthropic: "prompt is too long: 213462 tokens > 200000 maximum". Z.ai: "Prompt too long".
      // Ollama: "prompt too long; exceeded max context length by 812 tokens"
      /prompt (?:is )?too long/i,
      // Anthropic: "input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000"
      /exceeds? context limit/i,
      // OpenAI: "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
      // vLLM: "Input length (265330) exceeds model's maximum context length (262144)."
      // Mistral: "Prompt contains 40000 tokens … too large for model with 32768 maximum context length"
      /maximum context length/i,
      // Responses: "Your input exceeds the context window of this model." MiniMax: "context window exceeds limit"
      // LiteLLM: "ContextWindowExceededError: … Context Window exceeded for given call."
      /exceeds the context window|context ?window exceed/i,
      // Gemini: "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575)."
      // GitHub Copilot: "prompt token count of 140000 exceeds the limit of 128000"
      /token count.{1,30}exceeds the (?:maximum|limit)/i,
      // xAI: "This model's maximum prompt length is 131072 but the request contains 537812 tokens."
      // OpenRouter (Poolside): "Input length 300000 exceeds the maximum allowed input length of 262144 tokens."
      /maximum (?:prompt|allowed input) length/i,
      // Groq: "Please reduce the length of the messages or completion."
      /reduce the length of/i,
      // Groq 413 and OpenAI 429: "Request too large for model `…` on tokens per minute (TPM): Limit 6000, Requested
      // 7123": more than a whole minute's allowance, so waiting never helps.
      /request too large for/i,
      // Together: "The input (140000 tokens) is longer than the model's context length (131072 tokens)."
      // LM Studio: "tokens to keep from the initial prompt is greater than the context length"
      /(?:longer|greater) than the (?:model'?s )?context length/i,
      // LM Studio: "Trying to keep the first 9000 tokens when context the overflows."
      /context the overflows/i,
      // Together, TGI: "`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens and 512 …"
      /max_new_tokens.{0,3} must be <=/i,
      // llama.cpp: "the request exceeds the available context size, try increasing it"
      /exceeds the available context size/i,
      // DS4: "Prompt has 9000 tokens, but the configured context size is 8192 tokens"
      /configured context size is/i,
      // Kimi: "Your request exceeded model token limit: 262144 (requested: 291351)"
      /exceeded model token limit/i,
      // Alibaba: "Range of input length should be [1, 98304]"
      /range of input length should/i,
      // Amazon Bedrock: "Input is too long for requested model."
      /input is too long/i,
      // Cohere: "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292"
      /too many tokens: /i,
      // Proxies that keep OpenAI's code only inside the text.
      /context_length_exceeded/,
    ],
  ],
  [
    'billing',
    [
      // Anthropic, 400: "Your credit balance is too low to access the Anthropic API."
      /credit balance is too low/i,
      // DeepSeek, 402: "Insufficient Balance". OpenRouter, 402: "Insufficient credits".
      /insufficient (?:account )?(?:balance|credits)/i,
      // xAI, 403: "Your newly created team doesn't have any credits yet." / "has either used all available credits …"
      /doesn't have any credits|used all available credits/i,
    ],
  ],
  [
    'quota',
    [
      // Groq: "Organization has reached its spend limit". Gateways: "Monthly usage limit reached".
      /spend(?:ing)? limit|(?:monthly|weekly|daily) usage limit/i,
      // OpenAI through a proxy that lost the code: "You exceeded your current quota, please check your plan and billing
      // details." Gemini says the same of one minute, but then names a wait (see `kindOf`).
      /exceeded your current quota/i,
    ],
  ],
  [
    'content-filter',
    [
      // OpenRouter, 403: "Your chosen model requires moderation and your input was flagged for …"
      // Azure: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
      // xAI, 403: "Content violates usage guidelines." Alibaba: "Input data may contain inappropriate content."
      /input was flagged|content management policy|violates usage guidelines|contain inappropriate content/i,
    ],
  ],
  [
    'auth',
    [
      // xAI, 400: "Incorrect API key provided: xa***yz." Gemini, 400: "API key not valid. Please pass a valid API key."
      /incorrect api key|api key not valid|invalid api key/i,
    ],
  ],
  [
    'not-found',
    [
      // Bedrock, 400: "The provided model identifier is invalid." DeepSeek, 400: "Model Not Exist".
      // vLLM: "The model `x` does not exist."
      /model identifier is invalid|model not (?:exist|found)|model .{1,120} does not exist/i,
    ],
  ],
  [
    'overloaded',
    [
      // Groq, 498: "Flex tier capacity exceeded". Mistral, 429: "Service tier capacity exceeded for this model."
      // Gemini: "The model is overloaded. Please try again later."
      /capacity exceeded|at capacity|(?:is|are) (?:currently )?overloaded/i,
    ],
  ],
]

/** What a status means when nothing better is known. */
function kindOfStatus(status: number): ErrorKind {
  if (status === 401 || status === 403 || status === 498) return 'auth'
  if (status === 402) return 'billing'
  if (status === 404 || status === 410) return 'not-found'
  // A proxy on the way wants a password; the provider never saw the request.
  if (status === 407) return 'config'
  if (status === 413) return 'context-length'
  if (status === 429) return 'rate-limit'
  if (status === 503 || status === 529) return 'overloaded'
  // A deadline at the server, a lock, a model that failed underway, a request sent too early, a client that seemed
  // gone: the same request may succeed later.
  if (status === 408 || status === 409 || status === 424 || status === 425 || status === 499) return 'server'
  if (status < 400) return 'redirect'
  return status < 500 ? 'invalid-request' : 'server'
}

/** The kind of a failure. `waitGiven`: the provider says how many seconds to wait. */
export function kindOf(
  facts: { names: readonly string[]; message: string; waitGiven: boolean },
  status: number | undefined,
): ErrorKind | undefined {
  const names = facts.names.map(plainName)
  const specific = lookup(SPECIFIC, names)
  if (specific !== undefined) return specific
  const text = TEXTS.find(([, patterns]) => patterns.some((pattern) => pattern.test(facts.message)))?.[0]
  // A quota that is over in seconds is a rate: Gemini's 429 for one minute.
  if (text !== undefined) return text === 'quota' && facts.waitGiven ? 'rate-limit' : text
  if (lookup([['rate-limit', RATE]], names) !== undefined) return 'rate-limit'
  return status !== undefined && status >= 300 ? kindOfStatus(status) : lookup(GENERAL, names)
}

/** `rate_limit_error`, `RateLimitError`, `rateLimitException` are one name: `ratelimit`. */
function plainName(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .replace(/(?:exception|error)$/, '')
}

function lookup(
  table: readonly (readonly [ErrorKind, string])[],
  names: readonly string[],
): ErrorKind | undefined {
  for (const name of names) {
    const row = table.find(([, list]) => listed(list, name))
    if (row !== undefined) return row[0]
  }
  return undefined
}
