/**
 * `llmswap/otel`: calls as OpenTelemetry spans and metrics.
 *
 * In:  a tracer and, if wanted, a meter of the program's own OpenTelemetry: taken by their shape, nothing is imported.
 * Out: hooks for the option `hooks`. A span a call, begun when the call is, ended when it is over however it ends; attempts
 * that failed are events on it. Three histograms: duration, time to first chunk, tokens.
 * What was asked and answered is recorded only with `content: true`; keys and headers never reach a hook.
 * Not here: embeddings (observers are told of no end of them), HTTP spans (undici has its own), exporters.
 * Spec: semantic conventions for generative AI 1.41; every name of them is in otel-names.ts.
 */

import type { Completion, ErrorSummary, Hooks, Request } from '../types.ts'
import { inputMessages, outputMessages, systemInstructions } from './otel-content.ts'
import { ATTRIBUTE, METRIC, operationName, providerName, type Metric } from './otel-names.ts'

/** Values OpenTelemetry takes as attributes. */
export type OtelAttributes = Record<string, string | number | boolean | string[]>

/** What is used of a span. */
export interface OtelSpan {
  /** Sets several attributes. */
  setAttributes(attributes: OtelAttributes): unknown
  /** Adds what happened on the way. */
  addEvent(name: string, attributes?: OtelAttributes): unknown
  /** `code` 2 is an error. */
  setStatus(status: { code: number; message?: string }): unknown
  /** Ends it now. */
  end(): void
}

/** What is used of a tracer: `trace.getTracer('my-app')` of @opentelemetry/api is one. */
export interface OtelTracer {
  /** Begins a span, child of the active one. `kind` 2 is a client's. */
  startSpan(name: string, options?: { kind?: number; attributes?: OtelAttributes }): OtelSpan
}

/** What is used of a meter: `metrics.getMeter('my-app')` of @opentelemetry/api is one. */
export interface OtelMeter {
  /** Makes a histogram. */
  createHistogram(
    name: string,
    options?: { unit?: string; advice?: { explicitBucketBoundaries?: number[] } },
  ): OtelHistogram
}

/** What is used of a histogram. */
export interface OtelHistogram {
  /** Counts one value. */
  record(value: number, attributes?: OtelAttributes): void
}

/** Options of {@link otel}. */
export interface OtelOptions {
  /** Where spans begin. */
  tracer: OtelTracer
  /** Where histograms are made. Default: no metrics. */
  meter?: OtelMeter
  /** Record messages, system prompt and tool definitions, which may be personal. Default false. */
  content?: boolean
  /** Monotonic milliseconds, for the durations. Default `performance.now`. */
  nowMs?: () => number
}

const CLIENT = 2
const ERROR = 2

/** One call on its way. */
interface Open {
  span: OtelSpan
  startMs: number
  /** What the metrics of the call are told apart by. */
  labels: OtelAttributes
}

/**
 * Hooks that report every call to OpenTelemetry: `complete(…, { hooks: otel({ tracer, meter }) })`.
 * A routed call is one span, named after the router; who answered is in `gen_ai.provider.name` at its end.
 * @example const hooks = otel({ tracer: trace.getTracer('app'), meter: metrics.getMeter('app') })
 */
export function otel(options: OtelOptions): Hooks {
  const { tracer, meter, content = false, nowMs = () => performance.now() } = options
  const calls = new Map<string, Open>()
  const histogram = ({ name, unit, buckets }: Metric): OtelHistogram | undefined =>
    meter?.createHistogram(name, { unit, advice: { explicitBucketBoundaries: [...buckets] } })
  const duration = histogram(METRIC.duration)
  const firstChunk = histogram(METRIC.firstChunk)
  const tokens = histogram(METRIC.tokens)

  /** Ends the span and forgets the call. */
  function close(callId: string, labels: OtelAttributes, finish: (open: Open) => void): void {
    const open = calls.get(callId)
    if (open === undefined) return
    calls.delete(callId)
    Object.assign(open.labels, labels)
    try {
      open.span.setAttributes(labels)
      finish(open)
    } finally {
      open.span.end()
    }
    duration?.record((nowMs() - open.startMs) / 1000, open.labels)
  }

  return {
    onRequest({ callId, provider, model, request }) {
      const labels: OtelAttributes = {
        [ATTRIBUTE.operation]: operationName(provider),
        [ATTRIBUTE.provider]: providerName(provider),
        [ATTRIBUTE.requestModel]: model,
      }
      const attributes = { ...labels, ...requestAttributes(request), ...(content ? asked(request) : {}) }
      const span = tracer.startSpan(`${operationName(provider)} ${model}`, { kind: CLIENT, attributes })
      calls.set(callId, { span, startMs: nowMs(), labels })
    },
    onAttempt({ callId, url }) {
      const open = calls.get(callId)
      if (open === undefined) return
      const server = serverOf(url)
      Object.assign(open.labels, server)
      open.span.setAttributes(server)
    },
    onRetry({ callId, attempt, delayMs, error }) {
      calls.get(callId)?.span.addEvent('llmswap.retry', {
        'llmswap.attempt': attempt,
        'llmswap.delay_ms': delayMs,
        [ATTRIBUTE.errorType]: error.kind,
      })
    },
    onFirstEvent({ callId, firstTokenMs }) {
      const open = calls.get(callId)
      if (open === undefined) return
      open.span.setAttributes({ [ATTRIBUTE.firstChunk]: firstTokenMs / 1000 })
      firstChunk?.record(firstTokenMs / 1000, open.labels)
    },
    onFinish({ callId, completion }) {
      const who = {
        [ATTRIBUTE.provider]: providerName(completion.provider),
        [ATTRIBUTE.responseModel]: completion.model,
      }
      close(callId, who, ({ span, labels }) => {
        span.setAttributes({
          ...answerAttributes(completion),
          ...(content ? { [ATTRIBUTE.outputMessages]: outputMessages(completion) } : {}),
        })
        const { inputTokens, outputTokens } = completion.usage
        if (inputTokens !== undefined)
          tokens?.record(inputTokens, { ...labels, [ATTRIBUTE.tokenType]: 'input' })
        if (outputTokens !== undefined)
          tokens?.record(outputTokens, { ...labels, [ATTRIBUTE.tokenType]: 'output' })
      })
    },
    onError({ callId, error }) {
      close(callId, { [ATTRIBUTE.errorType]: error.kind }, ({ span }) => {
        span.setAttributes(usageAttributes(error.usage ?? {}))
        // To be stopped is what the caller wanted; it is not the operation that failed.
        if (error.kind !== 'aborted') span.setStatus({ code: ERROR, message: messageOf(error) })
      })
    },
  }
}

function messageOf({ kind, message }: Pick<ErrorSummary, 'kind' | 'message'>): string {
  return `${kind}: ${message}`
}

/** Undefined values are left out: OpenTelemetry has none. */
function defined(attributes: Record<string, OtelAttributes[string] | undefined>): OtelAttributes {
  const found = Object.entries(attributes).filter(([, value]) => value !== undefined)
  return Object.fromEntries(found) as OtelAttributes
}

function requestAttributes(request: Readonly<Request>): OtelAttributes {
  return defined({
    [ATTRIBUTE.stream]: request.stream,
    [ATTRIBUTE.maxTokens]: request.maxTokens,
    [ATTRIBUTE.temperature]: request.temperature,
    [ATTRIBUTE.topP]: request.topP,
    [ATTRIBUTE.topK]: request.topK,
    [ATTRIBUTE.seed]: request.seed,
    [ATTRIBUTE.presencePenalty]: request.presencePenalty,
    [ATTRIBUTE.frequencyPenalty]: request.frequencyPenalty,
    [ATTRIBUTE.stop]: request.stop,
    [ATTRIBUTE.outputType]: request.schema === undefined ? 'text' : 'json',
  })
}

function asked({ system, messages, tools }: Readonly<Request>): OtelAttributes {
  return defined({
    [ATTRIBUTE.systemInstructions]: systemInstructions(system, messages),
    [ATTRIBUTE.inputMessages]: inputMessages(messages),
    [ATTRIBUTE.toolDefinitions]: tools === undefined ? undefined : JSON.stringify(tools),
  })
}

function answerAttributes(completion: Completion): OtelAttributes {
  return defined({
    [ATTRIBUTE.responseId]: completion.id,
    [ATTRIBUTE.finishReasons]: [completion.rawFinishReason ?? completion.finishReason],
    ...usageAttributes(completion.usage),
  })
}

/** Usage has OpenTelemetry's meaning already: input includes what the cache read and wrote, output includes reasoning. */
function usageAttributes(usage: Completion['usage']): OtelAttributes {
  return defined({
    [ATTRIBUTE.inputTokens]: usage.inputTokens,
    [ATTRIBUTE.outputTokens]: usage.outputTokens,
    [ATTRIBUTE.cachedInputTokens]: usage.cachedInputTokens,
    [ATTRIBUTE.cacheWriteTokens]: usage.cacheWriteTokens,
    [ATTRIBUTE.reasoningTokens]: usage.reasoningTokens,
  })
}

function serverOf(url: string): OtelAttributes {
  const { hostname, port, protocol } = new URL(url)
  const usual = protocol === 'http:' ? 80 : 443
  return { [ATTRIBUTE.serverAddress]: hostname, [ATTRIBUTE.serverPort]: port === '' ? usual : Number(port) }
}
