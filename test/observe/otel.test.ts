/** Calls as OpenTelemetry sees them: against a recorder always, against its own SDK where that is installed. */

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { toolPath } from '../../scripts/package/install.ts'
import { fake } from '../../src/adapters/testing.ts'
import type { FakeScript } from '../../src/adapters/testing.ts'
import { createClient } from '../../src/client.ts'
import type { Client } from '../../src/client.ts'
import { operationName, providerName } from '../../src/observe/otel-names.ts'
import { otel } from '../../src/observe/otel.ts'
import type { OtelAttributes, OtelMeter, OtelTracer } from '../../src/observe/otel.ts'
import { providerNames } from '../../src/providers/registry.ts'
import { createRouter } from '../../src/route/router.ts'
import type { Hooks, Options } from '../../src/types.ts'

interface Recorded {
  name: string
  attributes: OtelAttributes
  events: string[]
  status?: { code: number; message?: string }
  ended: number
}

function recorder(): {
  tracer: OtelTracer
  meter: OtelMeter
  spans: Recorded[]
  points: [string, number, OtelAttributes][]
} {
  const spans: Recorded[] = []
  const points: [string, number, OtelAttributes][] = []
  return {
    spans,
    points,
    tracer: {
      startSpan(name, { attributes = {} } = {}) {
        const span: Recorded = { name, attributes: { ...attributes }, events: [], ended: 0 }
        spans.push(span)
        return {
          setAttributes: (more) => Object.assign(span.attributes, more),
          addEvent: (event) => span.events.push(event),
          setStatus: (status) => (span.status = status),
          end: () => void span.ended++,
        }
      },
    },
    meter: {
      createHistogram: (name) => ({
        record: (value, attributes = {}) => void points.push([name, value, { ...attributes }]),
      }),
    },
  }
}

const client = (script: FakeScript, hooks: Hooks, options: Options = {}): Client =>
  createClient({ ...fake(script), hooks, retry: { baseMs: 0 }, ...options })

const ANSWER = {
  reasoning: 'hm',
  text: 'blue',
  usage: { inputTokens: 10, outputTokens: 4, cachedInputTokens: 6, reasoningTokens: 1 },
}

describe('a call', () => {
  it('is one span with the request, the answer and the tokens', async () => {
    const { tracer, meter, spans, points } = recorder()
    const hooks = otel({ tracer, meter })
    await client([ANSWER], hooks).complete('Why?', { model: 'm1', temperature: 0.5, maxTokens: 9, stop: 'x' })
    expect(spans).toHaveLength(1)
    expect(spans[0]).toMatchObject({ name: 'chat m1', ended: 1, events: [] })
    expect(spans[0]?.status).toBeUndefined()
    expect(spans[0]?.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'fake',
      'gen_ai.request.model': 'm1',
      'gen_ai.request.stream': true,
      'gen_ai.request.temperature': 0.5,
      'gen_ai.request.max_tokens': 9,
      'gen_ai.request.stop_sequences': ['x'],
      'gen_ai.output.type': 'text',
      'gen_ai.response.model': 'm1',
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.usage.input_tokens': 10,
      'gen_ai.usage.output_tokens': 4,
      'gen_ai.usage.cache_read.input_tokens': 6,
      'gen_ai.usage.reasoning.output_tokens': 1,
      'server.port': 443,
    })
    // What was not asked for or not reported is no attribute.
    for (const name of ['gen_ai.request.seed', 'gen_ai.usage.cache_creation.input_tokens', 'error.type'])
      expect(spans[0]?.attributes).not.toHaveProperty([name])
    expect(points.map(([name]) => name)).toEqual([
      'gen_ai.client.operation.time_to_first_chunk',
      'gen_ai.client.token.usage',
      'gen_ai.client.token.usage',
      'gen_ai.client.operation.duration',
    ])
    expect(points.slice(1, 3).map(([, value, { 'gen_ai.token.type': type }]) => [type, value])).toEqual([
      ['input', 10],
      ['output', 4],
    ])
  })

  it('says nothing of what was said, unless it is asked to', async () => {
    const quiet = recorder()
    await client(['secret answer'], otel(quiet)).complete('secret question', {
      model: 'm',
      system: 'secret rule',
    })
    expect(JSON.stringify([quiet.spans, quiet.points])).not.toContain('secret')

    const { tracer, spans } = recorder()
    const tools = [{ name: 'look', inputSchema: { type: 'object' } }]
    const hooks = otel({ tracer, content: true })
    await client([{ toolCalls: [{ name: 'look', args: { city: 'Rome' } }] }], hooks).complete(
      [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: [{ type: 'image', data: 'AAAA', mediaType: 'image/png' }] },
      ],
      { model: 'm', tools },
    )
    const said = (name: string): unknown => JSON.parse(String(spans[0]?.attributes[name]))
    expect(said('gen_ai.system_instructions')).toEqual([{ type: 'text', content: 'be brief' }])
    expect(said('gen_ai.input.messages')).toEqual([
      { role: 'user', parts: [{ type: 'blob', modality: 'image', mime_type: 'image/png', content: 'AAAA' }] },
    ])
    expect(said('gen_ai.output.messages')).toMatchObject([
      {
        role: 'assistant',
        parts: [{ type: 'tool_call', name: 'look', arguments: { city: 'Rome' } }],
        finish_reason: 'tool_call',
      },
    ])
    expect(said('gen_ai.tool.definitions')).toMatchObject([{ name: 'look' }])
  })

  it('that was tried again has each failure as an event, and one span', async () => {
    const { tracer, spans } = recorder()
    await client([{ error: { status: 503 } }, 'ok'], otel({ tracer })).complete('hi', { model: 'm' })
    expect(spans).toMatchObject([{ events: ['llmswap.retry'], ended: 1 }])
  })

  it('that fails has the kind, a status, a duration, and ends', async () => {
    const { tracer, meter, spans, points } = recorder()
    const failing = client([{ error: { status: 401 } }], otel({ tracer, meter }))
    await expect(failing.complete('hi', { model: 'm' })).rejects.toMatchObject({ kind: 'auth' })
    expect(spans).toMatchObject([{ ended: 1, status: { code: 2 }, attributes: { 'error.type': 'auth' } }])
    expect(points).toMatchObject([
      ['gen_ai.client.operation.duration', expect.any(Number), { 'error.type': 'auth' }],
    ])
  })

  it('that the caller leaves ends too, and is no failure', async () => {
    const { tracer, spans } = recorder()
    const run = client(['one two three four'], otel({ tracer })).stream('hi', { model: 'm' })
    for await (const event of run) if (event.type === 'text-delta') break
    await run.completion.catch(() => {})
    expect(spans).toMatchObject([{ ended: 1, attributes: { 'error.type': 'aborted' } }])
    expect(spans[0]?.status).toBeUndefined()
  })

  it('that is routed is one span, which says who answered', async () => {
    const { tracer, spans } = recorder()
    const targets = [client([{ error: { status: 503 } }], {}, { retry: false }), client(['ok'], {})]
    const router = createRouter({ targets, retry: { baseMs: 0, attempts: 1 } })
    await router.complete('hi', { hooks: otel({ tracer }) })
    expect(spans).toHaveLength(1)
    expect(spans[0]).toMatchObject({ ended: 1, attributes: { 'gen_ai.provider.name': 'fake' } })
  })

  it('goes on when the tracer fails', async () => {
    const told: unknown[] = []
    const tracer: OtelTracer = {
      startSpan() {
        throw new Error('exporter')
      },
    }
    const hooks = { ...otel({ tracer }), onHookError: (error: unknown) => void told.push(error) }
    const { text } = await client(['ok'], hooks).complete('hi', { model: 'm' })
    expect([text, told.length]).toEqual(['ok', 1])
  })
})

it('knows the names the conventions have for providers', () => {
  expect(['gemini', 'bedrock', 'openai-chat', 'groq'].map(providerName)).toEqual([
    'gcp.gemini',
    'aws.bedrock',
    'openai',
    'groq',
  ])
  for (const name of providerNames()) expect(providerName(name)).toMatch(/^[a-z0-9_.-]+$/)
  expect([operationName('vertex'), operationName('anthropic')]).toEqual(['generate_content', 'chat'])
})

const sdk = toolPath('@opentelemetry/sdk-trace-base/package.json')

describe.skipIf(!existsSync(sdk))(
  "OpenTelemetry's own SDK (skipped unless npm run package:install was run)",
  () => {
    // Its packages have no types here, and are CommonJS.
    // oxlint-disable-next-line typescript/no-explicit-any
    const load = (name: string): any => createRequire(sdk)(`@opentelemetry/${name}`)

    it('exports the span as a child of the active one, and the histograms', async () => {
      const api = load('api')
      const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = load('sdk-trace-base')
      const { MeterProvider, InMemoryMetricExporter, PeriodicExportingMetricReader } = load('sdk-metrics')
      const { AsyncLocalStorageContextManager } = load('context-async-hooks')
      const exporter = new InMemorySpanExporter()
      const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
      const metricExporter = new InMemoryMetricExporter(0)
      const reader = new PeriodicExportingMetricReader({
        exporter: metricExporter,
        exportIntervalMillis: 3_600_000,
      })
      const meters = new MeterProvider({ readers: [reader] })
      const manager = new AsyncLocalStorageContextManager().enable()
      api.context.setGlobalContextManager(manager)
      try {
        const tracer = provider.getTracer('test')
        const hooks = otel({ tracer, meter: meters.getMeter('test') })
        const outer = tracer.startSpan('outer')
        const run = api.context.with(api.trace.setSpan(api.context.active(), outer), () =>
          client([{ error: { status: 503 } }, ANSWER], hooks).stream('hi', { model: 'm' }),
        )
        await run.completion
        outer.end()
        const [span] = exporter.getFinishedSpans()
        expect(span.name).toBe('chat m')
        expect(span.kind).toBe(api.SpanKind.CLIENT)
        expect(span.parentSpanContext.spanId).toBe(outer.spanContext().spanId)
        expect(span.attributes).toMatchObject({
          'gen_ai.usage.input_tokens': 10,
          'gen_ai.provider.name': 'fake',
        })
        expect(span.events.map(({ name }: { name: string }) => name)).toEqual(['llmswap.retry'])

        await reader.forceFlush()
        const [{ scopeMetrics }] = metricExporter.getMetrics()
        const metrics = scopeMetrics[0].metrics as {
          descriptor: { name: string; unit: string }
          dataPoints: { value: { count: number; sum: number; buckets: { boundaries: number[] } } }[]
        }[]
        const found = Object.fromEntries(metrics.map((metric) => [metric.descriptor.name, metric]))
        expect(Object.keys(found).sort()).toEqual([
          'gen_ai.client.operation.duration',
          'gen_ai.client.operation.time_to_first_chunk',
          'gen_ai.client.token.usage',
        ])
        const tokens = found['gen_ai.client.token.usage']!
        expect(tokens.descriptor.unit).toBe('{token}')
        expect(tokens.dataPoints.map(({ value }) => value.sum).sort()).toEqual([10, 4])
        expect(tokens.dataPoints[0]?.value.buckets.boundaries.slice(0, 3)).toEqual([1, 4, 16])
      } finally {
        api.context.disable()
        await meters.shutdown()
        await provider.shutdown()
      }
    })
  },
)
