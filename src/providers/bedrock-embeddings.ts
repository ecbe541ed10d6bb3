/**
 * Embeddings on Amazon Bedrock, `POST /model/{id}/invoke`: each maker's models in that maker's own words.
 *
 * In:  texts. Out: an HTTP request; then one vector per text.
 *   Cohere  96 texts a request, told what they are for (`input_type`)
 *   Titan   one text a request; ten thousand texts are ten thousand requests, one after the other
 * Texts that are too long are refused (`truncate: NONE`; Titan never cuts).
 * Not here: addresses of the control plane, the key and the signature (bedrock.ts), pictures, other makers' models.
 * Spec: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html,
 * https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html, read 2026-11.
 */

import { LlmError } from '../errors.ts'
import type { EmbeddingProvider, EmbedRequest } from '../provider.ts'
import type { Warning } from '../types.ts'
import { BEDROCK } from './bedrock-encode.ts'
import { bedrock, type BedrockOptions } from './bedrock.ts'
import { asArray, endpoint, hostPart, jsonBody, own, pathSegment, countIn } from './body.ts'
import { unsupported } from './notes.ts'
import { floatRows, purposeIgnored } from './vectors.ts'

/**
 * The embedding codec for Bedrock: Titan Text Embeddings and Cohere Embed, by id, inference profile or ARN.
 * @throws LlmError `config` when the region cannot be part of a host name; from `encode`, `unsupported` for a model that
 *   is neither.
 */
export function bedrockEmbeddings(options: BedrockOptions = {}): EmbeddingProvider {
  const { region, headers } = options
  const { authorize, error } = bedrock(options)
  const host = region === undefined ? undefined : hostPart(region, 'region', BEDROCK)
  const base = (): string => {
    if (options.baseURL !== undefined) return options.baseURL
    if (host !== undefined) {
      return `https://bedrock-runtime.${host}.amazonaws.com${host.startsWith('cn-') ? '.cn' : ''}`
    }
    throw new LlmError({
      kind: 'config',
      provider: BEDROCK,
      phase: 'encode',
      message: 'Bedrock has an address per region: pass region, e.g. "us-east-1".',
    })
  }
  return {
    name: BEDROCK,
    defaultModel: 'amazon.titan-embed-text-v2:0', // 2024-04; on demand in most regions, 2026-11
    maxTexts: 96,
    maxTextsOf: (model) => (isTitan(model) ? 1 : 96),
    encode(request) {
      const warnings: Warning[] = []
      const body = isTitan(request.model) ? titanBody(request, warnings) : cohereBody(request, warnings)
      return {
        method: 'POST',
        url: endpoint(base(), `model/${pathSegment(request.model)}/invoke`, BEDROCK),
        headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
        body: jsonBody(body, request.body),
        ...(warnings.length === 0 ? {} : { warnings }),
      }
    },
    authorize,
    decode(json) {
      const one = own(json, 'embedding')
      if (one !== undefined) {
        // Titan.
        return {
          rows: floatRows([one], BEDROCK),
          usage: { inputTokens: countIn(json, 'inputTextTokenCount') },
        }
      }
      // Cohere: a list, or lists by type where types were asked for. Tokens are counted in a header only.
      const all = own(json, 'embeddings')
      return { rows: floatRows(asArray(Array.isArray(all) ? all : own(all, 'float')), BEDROCK), usage: {} }
    },
    error,
  }
}

function isTitan(model: string): boolean {
  return /titan-embed/.test(model)
}

function titanBody({ model, texts, dimensions, purpose }: EmbedRequest, warnings: Warning[]): Body {
  // The first Titan takes nothing but text.
  const first = /titan-embed-(?:text-v1|g1)/.test(model)
  if (first && dimensions !== undefined) {
    unsupported({ provider: BEDROCK, warnings }, 'dimensions', `${model} has 1,536 and no other`)
  }
  if (purpose !== undefined) warnings.push(purposeIgnored(model))
  return { inputText: texts[0], dimensions: first ? undefined : dimensions }
}

function cohereBody({ model, texts, dimensions, purpose }: EmbedRequest, warnings: Warning[]): Body {
  if (!/cohere\.embed|^arn:/.test(model)) {
    throw new LlmError({
      kind: 'unsupported',
      provider: BEDROCK,
      model,
      phase: 'encode',
      message: `${model} is no embedding model that this codec knows: use a Titan Text Embeddings or Cohere Embed model.`,
    })
  }
  const third = /embed-(?:english|multilingual)-v3/.test(model)
  if (third && dimensions !== undefined) {
    unsupported({ provider: BEDROCK, warnings }, 'dimensions', `${model} has 1,024 and no other`)
  }
  if (purpose === undefined) {
    warnings.push({
      code: 'default',
      field: 'purpose',
      message: "The texts were embedded as documents: pass purpose: 'query' for questions.",
    })
  }
  return {
    texts,
    input_type: purpose === 'query' ? 'search_query' : 'search_document',
    truncate: 'NONE',
    output_dimension: third ? undefined : dimensions,
  }
}

type Body = Record<string, unknown>
