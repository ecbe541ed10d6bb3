/**
 * Gemini's answers as events, whether streamed or whole.
 *
 * In:  GenerateContentResponses, parsed, one per frame, each holding the next pieces. Out: our events.
 * A finishReason is not the end: with server-side tools a call, its answer and more text follow it. So tool calls are
 * handed out when the body has ended, and a call that was answered on the way is history.
 * Not here: framing and requests (gemini.ts), streamed arguments (gemini-args.ts), citations (gemini-sources.ts).
 * Spec: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
 */

import { LlmError } from '../errors.ts'
import type { Decoder } from '../provider.ts'
import { createToolCalls } from '../stream/tool-calls.ts'
import type { FinishReason, Origin, Part, Request, StreamEvent, TokenLogprob, Usage } from '../types.ts'
import { asRecord, countIn, defined, listIn, listed, own, recordIn, stringIn, sumCounts } from './body.ts'
import { streamError } from './errors.ts'
import { createPartialArgs, type PartialArgs } from './gemini-args.ts'
import { geminiNames } from './gemini-encode.ts'
import { groundingSources } from './gemini-sources.ts'
import { interrupted, protocol } from './notes.ts'
import { markCalls, readLogprob } from './parts.ts'
import { isDefinition } from './tool-names.ts'

/** Every reason documented or recorded; what is not here is `unknown`. https://ai.google.dev/api/generate-content#FinishReason */
const FINISH_REASONS: Readonly<Partial<Record<FinishReason, string>>> = {
  stop: 'STOP',
  length: 'MAX_TOKENS CONTINUATION',
  'content-filter':
    'SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII MODEL_ARMOR ' +
    'IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT IMAGE_RECITATION IMAGE_OTHER',
}

function reasonOf(word: string): FinishReason {
  const row = Object.entries(FINISH_REASONS).find(([, words]) => listed(words, word))
  return (row?.[0] ?? 'unknown') as FinishReason
}

/** Not an end but a failure: the model wrote what its own parser rejects. Trying again often works (python-genai #2868). */
const FAILURES = 'MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MALFORMED_RESPONSE'

/** A function call of the answer. */
interface Call {
  id: string | undefined
  name: string
  signature: string | undefined
  /** Arguments that come in pieces. */
  pieces: PartialArgs | undefined
  /** The part as it came, for a call that turns out to have been run by the server. */
  value: unknown
  /** Its message part, while it is not yet known whose call it is. */
  reserved: number | undefined
  answered: boolean
}

/** A part of text being written, or written. */
interface Written {
  type: 'text' | 'reasoning'
  part: number
  pieces: string[]
  signature?: string
}

/** A {@link Decoder} of parsed responses. */
export interface GeminiAnswer extends Pick<Decoder, 'end' | 'raw'> {
  push(response: unknown): StreamEvent[]
}

/**
 * Reads one answer.
 * @param name the codec's name in events, errors and `origin`.
 * @param request what was asked, where known: for renamed tools and for servers that do not name the model.
 */
export function createAnswer(name: string, request: Request | undefined): GeminiAnswer {
  const raw: Decoder['raw'] = {}
  let parts = 0
  let id: string | undefined
  let started = false
  let open: Written | undefined
  const texts: Written[] = []
  const calls: Call[] = []
  /** Index of the call whose arguments are coming in. */
  let streaming: number | undefined
  /** Arguments whose text could not be written in order. */
  const finalArgs = new Map<number, unknown>()
  let finish: { raw: string; reason: FinishReason } | undefined
  /** The last candidate that cites something. */
  let citing: Record<string, unknown> | undefined
  let saidOneCandidate = false
  const declared = new Set<string>()
  let remoteTools = false
  for (const tool of request?.tools ?? []) {
    if (!isDefinition(tool)) remoteTools ||= own(tool.value, 'mcpServers') !== undefined
    else declared.add(tool.name)
  }
  const names = geminiNames(request, name)
  /** A tool nobody declared, in a request that names MCP servers: theirs, and Google calls them itself. */
  const ranThere = (called: string): boolean => remoteTools && !declared.has(names.toCaller(called))
  let reserved: number | undefined
  const toolCalls = createToolCalls({
    nextPart: () => reserved ?? parts++,
    // Most models send no ids. One made from the response's is unique in the conversation.
    newId: (n) => (id === undefined ? `call_${randomText()}` : `call_${id}_${n}`),
    rename: names.toCaller,
  })

  const origin = (id: string | undefined, thoughtSignature: string | undefined): Origin =>
    defined({ provider: name, id, thoughtSignature })

  /** Ends the open text or reasoning. */
  function close(out: StreamEvent[]): void {
    if (open === undefined) return
    const { type, part, pieces, signature } = open
    if (type === 'reasoning') {
      const text = pieces.join('')
      const value = defined({ type, text, signature, origin: origin(undefined, undefined) })
      out.push({ type: 'part', part, value })
    } else if (signature !== undefined) out.push({ type: 'part', part, value: textPart(open) })
    open = undefined
  }

  function textPart({ pieces, signature }: Written): Part {
    const text = pieces.join('')
    return signature === undefined
      ? { type: 'text', text }
      : { type: 'text', text, origin: origin(undefined, signature) }
  }

  function write(
    type: Written['type'],
    text: string,
    out: StreamEvent[],
    logprobs?: TokenLogprob[],
  ): Written {
    if (open?.type !== type) {
      close(out)
      announceCalls(out)
      open = { type, part: parts++, pieces: [] }
      if (type === 'text') texts.push(open)
    }
    if (text !== '') {
      open.pieces.push(text)
      out.push(
        type === 'text'
          ? { type: 'text-delta', part: open.part, text, ...(logprobs === undefined ? {} : { logprobs }) }
          : { type: 'reasoning-delta', part: open.part, text },
      )
    }
    return open
  }

  function readPart(part: unknown, out: StreamEvent[], logprobs: TokenLogprob[] | undefined): void {
    const signature = stringIn(part, 'thoughtSignature')
    const text = stringIn(part, 'text')
    const call = recordIn(part, 'functionCall')
    const media = recordIn(part, 'inlineData')
    if (text !== undefined) {
      const thought = own(part, 'thought') === true
      if (signature === undefined) {
        if (text !== '') write(thought ? 'reasoning' : 'text', text, out, logprobs)
        return
      }
      // A signature belongs to exactly the text it came with: that text is a part of its own and goes back as it came.
      if (!thought) close(out)
      write(thought ? 'reasoning' : 'text', text, out, logprobs).signature = signature
      close(out)
    } else if (call !== undefined) {
      close(out)
      readCall(call, signature, part, out)
    } else if (media !== undefined && own(part, 'thought') !== true) {
      close(out)
      announceCalls(out)
      const mediaType = stringIn(media, 'mimeType') ?? 'application/octet-stream'
      const type = mediaType.startsWith('image/')
        ? 'image'
        : mediaType.startsWith('audio/')
          ? 'audio'
          : 'file'
      const data = stringIn(media, 'data') ?? ''
      out.push({
        type: 'part',
        part: parts++,
        value: { type, data, mediaType, origin: origin(undefined, signature) },
      })
    } else if (asRecord(part) !== undefined && Object.keys(part as object).length > 0) {
      // executableCode, codeExecutionResult, toolCall, toolResponse, functionResponse, and what comes next year.
      close(out)
      const response = recordIn(part, 'functionResponse')
      if (response === undefined) announceCalls(out)
      else markAnswered(response, out)
      out.push({ type: 'part', part: parts++, value: { type: 'provider', provider: name, value: part } })
    }
  }

  /** A whole call, the first piece of a streamed one, or a further piece of it, which has no name. */
  function readCall(
    call: Record<string, unknown>,
    signature: string | undefined,
    value: unknown,
    out: StreamEvent[],
  ): void {
    const called = stringIn(call, 'name') ?? ''
    const args = own(call, 'args')
    const more = own(call, 'willContinue') === true
    const partialArgs = own(call, 'partialArgs')
    if (called !== '' || (streaming === undefined && args !== undefined)) {
      endStreaming(out)
      const pieces = more || partialArgs !== undefined ? createPartialArgs() : undefined
      const whole = pieces === undefined && called !== ''
      if (!whole) announceCalls(out)
      const index = calls.length
      const id = stringIn(call, 'id') || undefined
      const part = whole ? parts++ : undefined
      calls.push({ id, name: called, signature, pieces, value, reserved: part, answered: false })
      if (!whole) toolCalls.push({ index, id, name: called, args }, out)
      if (pieces !== undefined) streaming = index
    }
    const current = streaming === undefined ? undefined : calls[streaming]
    if (current === undefined) return
    current.signature ??= signature
    toolCalls.push({ index: streaming, args: current.pieces?.push(partialArgs) }, out)
    if (!more) endStreaming(out)
  }

  /**
   * A whole call is announced when something else follows it, or nothing: until then the next thing may be the answer
   * to it, and then it was never ours.
   */
  function announceCalls(out: StreamEvent[]): void {
    for (const [index, call] of calls.entries()) {
      if (call.reserved === undefined) continue
      reserved = call.reserved
      call.reserved = undefined
      // A call without arguments has no `args`.
      const args = own(own(call.value, 'functionCall'), 'args') ?? {}
      toolCalls.push({ index, id: call.id, name: call.name, args }, out)
      reserved = undefined
    }
  }

  /** The last piece of a streamed call is empty, and is sometimes missing. https://github.com/vercel/ai/pull/15438 */
  function endStreaming(out: StreamEvent[]): void {
    const rest = streaming === undefined ? undefined : calls[streaming]?.pieces?.end()
    if (streaming === undefined || rest === undefined) return
    toolCalls.push({ index: streaming, args: rest.text }, out)
    if (rest.value !== undefined) finalArgs.set(streaming, rest.value)
    streaming = undefined
  }

  /** A call answered inside the answer was run by Google (remote MCP servers): history, and not ours to run. */
  function markAnswered(response: Record<string, unknown>, out: StreamEvent[]): void {
    const id = stringIn(response, 'id')
    const called = stringIn(response, 'name')
    const index = calls.findIndex((call) => !call.answered && call.name === called && (call.id ?? id) === id)
    const call = calls[index]
    const part = call?.reserved ?? toolCalls.partOf(index)
    if (call === undefined || part === undefined) return
    call.answered = true
    call.reserved = undefined
    toolCalls.close(index, [])
    out.push({ type: 'part', part, value: { type: 'provider', provider: name, value: call.value } })
  }

  function readCandidate(candidate: Record<string, unknown>, out: StreamEvent[]): void {
    const pieces = listIn(own(candidate, 'content'), 'parts')
    // What follows a finishReason is a next round inside the same answer, which has to finish by itself.
    if (pieces.length > 0) finish = undefined
    let logprobs = readLogprobs(own(candidate, 'logprobsResult'))
    for (const piece of pieces) {
      readPart(piece, out, logprobs)
      if (own(piece, 'text') !== undefined) logprobs = undefined
    }
    for (const key of ['groundingMetadata', 'citationMetadata', 'urlContextMetadata']) {
      const metadata = recordIn(candidate, key)
      // Chunks before the last carry `groundingMetadata: {}`.
      if (metadata !== undefined && Object.keys(metadata).length > 0) citing = { ...citing, [key]: metadata }
    }
    const reason = stringIn(candidate, 'finishReason')
    if (reason === undefined || reason === '') return
    const { content: _, ...rest } = candidate
    raw.finish = rest
    finish = { raw: reason, reason: reasonOf(reason) }
    const blocked = finish.reason === 'content-filter' && parts === 0
    if (blocked || listed(FAILURES, reason)) throw failure(reason, own(candidate, 'finishMessage'), blocked)
  }

  function failure(code: string, detail: unknown, blocked: boolean): LlmError {
    const what = blocked
      ? `${name} blocked this request with ${code} before any output`
      : `The model failed with ${code}: it wrote something that ${name} could not read as an answer`
    return new LlmError({
      kind: blocked ? 'content-filter' : 'invalid-output',
      provider: name,
      phase: 'stream',
      code,
      // The model rolls the dice again: what it wrote once it need not write twice.
      retryable: !blocked,
      usage: readUsage(raw.usage),
      message: typeof detail === 'string' ? `${what}: ${detail.slice(0, 300)}` : `${what}.`,
    })
  }

  /** Sources come with the last chunk and speak of all the text. */
  function cite(out: StreamEvent[]): void {
    if (citing === undefined) return
    const written = texts.map(({ pieces }) => pieces.join(''))
    const { perText, all } = groundingSources(citing, written)
    for (const [at, sources] of perText.entries()) {
      const text = texts[at]
      if (text === undefined || sources.length === 0) continue
      out.push({ type: 'part', part: text.part, value: { ...textPart(text), sources } as Part })
    }
    for (const source of all) out.push({ type: 'source', source })
  }

  return {
    raw,
    push(response) {
      const out: StreamEvent[] = []
      // An error may come wrapped in an array, as the whole stream does without alt=sse.
      const value = asRecord(Array.isArray(response) ? response[0] : response)
      if (value === undefined) {
        throw protocol(name, 'sent something that is not an object')
      }
      const error = own(value, 'error')
      if (error !== undefined && error !== null) throw streamError({ provider: name, error })
      id ??= stringIn(value, 'responseId') || undefined
      if (!started) {
        started = true
        const model = stringIn(value, 'modelVersion') || (request?.model ?? '')
        out.push(defined({ type: 'start' as const, provider: name, model, id }))
      }
      const usage = recordIn(value, 'usageMetadata')
      // Chunks with nothing but a traffic type exist. The last object with a count holds the whole truth: never merge.
      if (usage !== undefined && Object.keys(usage).some((key) => key.endsWith('TokenCount')))
        raw.usage = usage
      const candidates = listIn(value, 'candidates')
      for (const item of candidates) {
        const candidate = asRecord(item)
        if (candidate === undefined) continue
        if ((own(candidate, 'index') ?? 0) === 0) readCandidate(candidate, out)
        else if (!saidOneCandidate) {
          saidOneCandidate = true
          const message = 'Only the first candidate is read; the others were left out.'
          out.push({ type: 'warning', warning: { code: 'unsupported', field: 'body', message } })
        }
      }
      const feedback = own(value, 'promptFeedback')
      const blockReason = stringIn(feedback, 'blockReason')
      if (blockReason !== undefined && candidates.length === 0) {
        raw.finish = feedback
        if (parts === 0) throw failure(blockReason, own(feedback, 'blockReasonMessage'), true)
        finish = { raw: blockReason, reason: 'content-filter' }
      }
      return out
    },
    end() {
      const waiting = calls.some(({ answered, name }) => !answered && ranThere(name))
      if (finish === undefined || waiting) {
        throw interrupted(name, waiting ? 'the answer to a tool it runs itself' : 'a finishReason')
      }
      const out: StreamEvent[] = []
      const cut = finish.reason === 'length'
      close(out)
      announceCalls(out)
      if (!cut) endStreaming(out)
      for (const [index, args] of finalArgs) toolCalls.close(index, out, args)
      toolCalls.end(out, cut ? 'The answer reached its token limit inside the arguments.' : undefined)
      const ours = calls.filter(({ answered }) => !answered).length
      const origins = new Map(
        calls.flatMap(({ id, signature, answered }, index) =>
          answered || (id === undefined && signature === undefined)
            ? []
            : [[toolCalls.partOf(index), origin(id, signature)]],
        ),
      )
      markCalls(out, 0, (part) => origins.get(part))
      cite(out)
      const { raw: rawFinishReason, reason } = finish
      const open = reason === 'stop' || reason === 'unknown'
      const finishReason = ours > 0 && open ? 'tool-calls' : reason
      out.push({ type: 'finish', finishReason, rawFinishReason, usage: readUsage(raw.usage) })
      return out
    },
  }
}

function randomText(): string {
  return crypto.randomUUID().replaceAll('-', '').slice(0, 24)
}

/** `promptTokenCount` includes what was cached; `candidatesTokenCount` excludes the thoughts. */
function readUsage(usage: unknown): Usage {
  const count = (key: string): number | undefined => countIn(usage, key)
  const reasoningTokens = count('thoughtsTokenCount')
  return {
    inputTokens: sumCounts(count('promptTokenCount'), count('toolUsePromptTokenCount')),
    outputTokens: sumCounts(count('candidatesTokenCount'), reasoningTokens),
    totalTokens: count('totalTokenCount'),
    cachedInputTokens: count('cachedContentTokenCount'),
    reasoningTokens,
  }
}

/** `chosenCandidates[i]` goes with `topCandidates[i]`. */
function readLogprobs(result: unknown): TokenLogprob[] | undefined {
  // Nearly always: this runs once per chunk.
  if (result === undefined) return undefined
  const tops = listIn(result, 'topCandidates')
  const read = (value: unknown): TokenLogprob[] => {
    const one = readLogprob(value, 'logProbability')
    return one === undefined ? [] : [one]
  }
  const logprobs = listIn(result, 'chosenCandidates').flatMap((chosen, at) => {
    const top = listIn(tops[at], 'candidates').flatMap(read)
    return read(chosen).map((one) => (top.length === 0 ? one : { ...one, top }))
  })
  return logprobs.length === 0 ? undefined : logprobs
}
