/**
 * Requests that other people's clients sent to Gemini and Vertex, written in our vocabulary and encoded again.
 *
 * In: the recorded bodies. Out: one case each: our body equals theirs, but for the rows of DIFFERENCES, each of which
 * says why and must be needed by some recording.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Provider } from '../../src/provider.ts'
import { gemini } from '../../src/providers/gemini.ts'
import { vertex } from '../../src/providers/vertex.ts'
import type { Json, Message, Part, Request } from '../../src/types.ts'
import { corpusFolder } from '../corpus.ts'
import { ask } from './codec.ts'

interface Piece {
  text?: string
  thought?: boolean
  thoughtSignature?: string
  functionCall?: {
    id?: string
    name: string
    args?: Json
    partialArgs?: { jsonPath: string; numberValue: number }[]
  }
  functionResponse?: { id?: string; name: string; response: Record<string, Json> }
}
interface Declaration {
  name: string
  description?: string | null
  parameters?: Record<string, unknown>
  parametersJsonSchema?: Record<string, unknown>
  responseJsonSchema?: unknown
}
interface Body {
  contents: { role: string; parts: Piece[] }[]
  systemInstruction?: { role?: string; parts: { text: string }[] }
  tools?: { functionDeclarations?: Declaration[] }[]
  toolConfig?: { functionCallingConfig?: { mode?: string } }
  generationConfig?: {
    maxOutputTokens?: number
    temperature?: number
    responseMimeType?: string
    responseSchema?: Record<string, unknown>
    responseJsonSchema?: Record<string, unknown>
    thinkingConfig?: { thinkingBudget?: number; includeThoughts?: boolean }
    [key: string]: unknown
  }
  safetySettings?: unknown
}

/** What is not the same, and why. `change` makes a recorded body ours and says whether there was anything to do. */
const DIFFERENCES: { reason: string; change(body: Body): boolean }[] = [
  {
    reason: 'an empty generationConfig says nothing',
    change(body) {
      const empty = body.generationConfig !== undefined && Object.keys(body.generationConfig).length === 0
      if (empty) delete body.generationConfig
      return empty
    },
  },
  {
    reason: 'a system instruction has no role',
    change: ({ systemInstruction }) => {
      const had = systemInstruction?.role !== undefined
      delete systemInstruction?.role
      return had
    },
  },
  {
    reason: 'blank text is not sent',
    change(body) {
      const before = pieces(body).length
      for (const content of body.contents) content.parts = content.parts.filter(({ text }) => text !== '')
      body.contents = body.contents.filter(({ parts }) => parts.length > 0)
      return pieces(body).length < before
    },
  },
  {
    reason: 'schemas go as JSON Schema, not in the dialect of OpenAPI with types in capitals',
    change: (body) =>
      declarations(body).filter((one) => {
        const { parameters } = one
        if (parameters !== undefined)
          one.parametersJsonSchema = lowerTypes(parameters) as Record<string, unknown>
        delete one.parameters
        return parameters !== undefined
      }).length > 0,
  },
  {
    reason: 'a schema for the answer is sent as responseJsonSchema',
    change({ generationConfig }) {
      const schema = generationConfig?.responseSchema
      if (generationConfig === undefined || schema === undefined) return false
      generationConfig.responseJsonSchema = schema
      return delete generationConfig.responseSchema
    },
  },
  {
    reason: 'which draft a schema is written in is not said: Gemini has a dialect of its own',
    change: (body) =>
      declarations(body).filter(({ parametersJsonSchema }) => {
        const said = parametersJsonSchema !== undefined && '$schema' in parametersJsonSchema
        if (said) delete parametersJsonSchema['$schema']
        return said
      }).length > 0,
  },
  {
    reason: 'what a function answers is not declared, and a description of null is none',
    change: (body) =>
      declarations(body).filter((one) => {
        const needless = 'responseJsonSchema' in one || one.description === null
        delete one.responseJsonSchema
        if (one.description === null) delete one.description
        return needless
      }).length > 0,
  },
  {
    reason: 'a tool result is text, under `output`',
    change: (body) =>
      pieces(body).filter(({ functionResponse }) => {
        if (functionResponse === undefined || typeof functionResponse.response['output'] === 'string')
          return false
        functionResponse.response = { output: JSON.stringify(functionResponse.response) }
        return true
      }).length > 0,
  },
  {
    reason: 'an id that no call has is not sent with its result',
    change(body) {
      const ids = new Set(pieces(body).map(({ functionCall }) => functionCall?.id))
      return (
        pieces(body).filter(({ functionResponse }) => {
          const lost = functionResponse?.id !== undefined && !ids.has(functionResponse.id)
          if (lost) delete functionResponse.id
          return lost
        }).length > 0
      )
    },
  },
  {
    reason: 'streamed arguments go back as the object they add up to',
    change: (body) =>
      pieces(body).filter(({ functionCall }) => {
        if (functionCall?.partialArgs === undefined) return false
        functionCall.args = argsOf(functionCall.partialArgs)
        return delete functionCall.partialArgs
      }).length > 0,
  },
  {
    reason: 'thinking that was asked for is also shown',
    change({ generationConfig }) {
      const thinking = generationConfig?.thinkingConfig
      if (thinking?.thinkingBudget === undefined || thinking.includeThoughts === true) return false
      return (thinking.includeThoughts = true)
    },
  },
]

const pieces = (body: Body): Piece[] => body.contents.flatMap(({ parts }) => parts)
const declarations = (body: Body): Declaration[] =>
  (body.tools ?? []).flatMap((tool) => tool.functionDeclarations ?? [])
const argsOf = (partial: { jsonPath: string; numberValue: number }[]): Json =>
  Object.fromEntries(partial.map(({ jsonPath, numberValue }) => [jsonPath.slice(2), numberValue]))

function lowerTypes(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) =>
    key === 'type' && typeof value === 'string' ? value.toLowerCase() : value,
  ) as unknown
}

/** Proto JSON takes both spellings; one of the recorded clients writes the other one. */
function camelCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(camelCase)
  if (typeof value !== 'object' || value === null) return value
  const inside = (key: string): boolean =>
    /^(args|response|parameters|parametersJsonSchema|responseSchema)$/.test(key)
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      const name = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
      return [name, inside(name) ? item : camelCase(item)]
    }),
  )
}

/** The same request in our words. What we have no word for goes through `body`. */
function inOurWords(body: Body, model: string, provider: string): Request {
  const { contents, systemInstruction, tools, toolConfig, generationConfig = {}, ...rest } = body
  const {
    maxOutputTokens,
    temperature,
    responseMimeType: _,
    responseSchema,
    responseJsonSchema,
    ...config
  } = generationConfig
  const schema = responseJsonSchema ?? responseSchema
  const budget = config.thinkingConfig?.thinkingBudget
  if (budget !== undefined) delete config.thinkingConfig
  const { mode, ...callConfig } = toolConfig?.functionCallingConfig ?? {}
  const ids = new Map<string, string>()
  const functions = (tools ?? []).flatMap((tool) => tool.functionDeclarations ?? [])
  const others = (tools ?? []).filter((tool) => tool.functionDeclarations === undefined)
  return ask({
    model,
    messages: contents.map(({ role, parts }) => message(role, parts, provider, ids)),
    ...(systemInstruction === undefined
      ? {}
      : { system: systemInstruction.parts.map(({ text }) => text).join('') }),
    ...(maxOutputTokens === undefined ? {} : { maxTokens: maxOutputTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(schema === undefined ? {} : { schema }),
    ...(budget === undefined ? {} : { reasoning: { budgetTokens: budget } }),
    ...(mode === undefined ? {} : { toolChoice: mode === 'ANY' ? 'required' : 'auto' }),
    tools: [
      ...functions.map(({ name, description, parameters, parametersJsonSchema }) => ({
        name,
        ...(description == null ? {} : { description }),
        inputSchema: parametersJsonSchema ?? (lowerTypes(parameters) as Record<string, unknown>),
      })),
      ...others.map((value) => ({ type: 'provider' as const, provider, value })),
    ],
    body: {
      ...rest,
      ...(Object.keys(config).length === 0 ? {} : { generationConfig: config }),
      ...(toolConfig === undefined
        ? {}
        : {
            toolConfig: {
              ...toolConfig,
              functionCallingConfig: mode === undefined ? toolConfig.functionCallingConfig : callConfig,
            },
          }),
    },
  })
}

function message(role: string, parts: Piece[], provider: string, ids: Map<string, string>): Message {
  const answers = parts.some(({ functionResponse }) => functionResponse !== undefined)
  return {
    role: role === 'model' ? 'assistant' : answers ? 'tool' : 'user',
    content: parts.map((piece): Part => {
      const { text, functionCall, functionResponse, thoughtSignature } = piece
      const signed = thoughtSignature === undefined ? {} : { thoughtSignature }
      if (functionCall !== undefined) {
        const id = functionCall.id ?? `call-${ids.size}`
        ids.set(functionCall.name, id)
        const args =
          functionCall.partialArgs === undefined ? functionCall.args : argsOf(functionCall.partialArgs)
        const origin = { provider, ...(functionCall.id === undefined ? {} : { id }), ...signed }
        return { type: 'tool-call', id, name: functionCall.name, args, origin }
      }
      if (functionResponse !== undefined) {
        const { name, response, id = ids.get(name) ?? 'none' } = functionResponse
        const output = response['output']
        const content = typeof output === 'string' ? output : JSON.stringify(response)
        return { type: 'tool-result', id, name, content }
      }
      if (text === undefined) return { type: 'provider', provider, value: piece }
      return { type: 'text', text, origin: { provider, ...signed } }
    }),
  }
}

const CODECS: [folder: string, codec: Provider][] = [
  ['gemini', gemini()],
  ['vertex', vertex({ project: 'REDACTED', location: 'us-central1' })],
]

const modelAndVerb = (url: string): string | undefined => /models\/[^?]+/.exec(url)?.[0]

const needed = new Set<string>()
for (const [name, codec] of CODECS) {
  corpusFolder(`request encoding: ${name}`, `recordings/${name}`, (folder, ran) => {
    const metas = readdirSync(folder).filter((file) => file.endsWith('.meta.json'))
    it.each(metas)('%s', (file) => {
      const { url, request_body: recorded } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
        url: string
        request_body: unknown
      }
      const model = /models\/([^:]+):/.exec(url)?.[1] ?? ''
      const theirs = camelCase(recorded) as Body
      const request = inOurWords(structuredClone(theirs), model, name)
      const http = codec.encode(request)
      // Without alt=sse the same stream is one JSON array; an SSE stream shows errors and ends more clearly.
      expect(modelAndVerb(http.url)).toBe(modelAndVerb(url))
      for (const { reason, change } of DIFFERENCES) if (change(theirs)) needed.add(reason)
      expect(JSON.parse(http.body as string)).toEqual(theirs)
      ran()
    })
  })
}

it.runIf(process.env['LLMSWAP_CORPUS'])('every row of the differences is needed by a recording', () => {
  expect(DIFFERENCES.map(({ reason }) => reason).filter((reason) => !needed.has(reason))).toEqual([])
})
