/**
 * The replay harness: recorded answers of real servers, fed to the codec that should read them.
 *
 * In:  a folder of recordings, each `<file>` with a `<file>.meta.json` (url, status, request body …) beside it.
 * Out: one `Outcome` per recording: it passed, it failed and why, it is out of scope by a dated row, or nobody knows it.
 * Used by test/providers/replay.test.ts (vitest) and scripts/replay.ts (a table on the terminal).
 *
 * To add a provider, add a file to test/providers/replay/ that exports
 *
 *     export const adapters: ReplayAdapter[] = [{
 *       name: 'acme',
 *       matches: (meta) => meta.url.startsWith('https://api.acme.example/v1/chat'),
 *       provider: () => acme(),
 *       read: (payloads) => ({ text: …, finish: …, usage: …, error: …, terminal: … }),
 *     }]
 *
 * `read` is the second opinion: it must find text, finish reason and so on in the parsed payloads by the plainest
 * means, and must not call the codec. Recordings are matched by URL, not by folder, so recordings of other origins find
 * their codec too. What no codec reads stands in replay/out-of-scope.ts, by endpoint, with a date and a reason.
 *
 * A recording passes when
 * - whole, byte by byte and at seeded splits give the same events;
 * - the text is what `read` found; the finish reason and usage are reported where the recording holds them;
 * - every tool call has arguments that are a JSON object, or says why not; part indices are contiguous from 0;
 * - cut at a frame boundary before the terminal marker it ends as `interrupted`;
 * - a recorded error is thrown as an LlmError, and nothing else is ever thrown.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { LlmError } from '../../src/errors.ts'
import type { Frame, Provider } from '../../src/provider.ts'
import { httpError } from '../../src/providers/errors.ts'
import type { StreamEvent, Usage } from '../../src/types.ts'
import { createAwsFrameDecoder } from '../../src/wire/aws-frames.ts'

/** What stands beside a recording. */
export interface RecordingMeta {
  url: string
  method?: string
  status: number
  response_headers?: Record<string, string>
  framing?: string
  request_body?: unknown
}

/** One frame of the body, by a parser that shares nothing with src/wire (AWS frames excepted). */
export interface Payload {
  event: string
  data: string
  /** The parsed data, or undefined when it is not JSON. */
  json: unknown
}

/** What a recording holds, read without the codec. */
export interface Recorded {
  /** All text of the answer. */
  text: string
  /** The provider's last finish reason, undefined when there is none. */
  finish: string | undefined
  /** Whether usage was reported. */
  usage: boolean
  /** Whether the server reported a failure inside the body. */
  error: boolean
  /** Index of the first payload with which the answer counts as whole; undefined when it never does. */
  terminal: number | undefined
}

/** How one format is replayed. */
export interface ReplayAdapter {
  /** The row of the table. */
  name: string
  matches(meta: RecordingMeta, file: string): boolean
  provider(meta: RecordingMeta): Provider
  read(payloads: Payload[], meta: RecordingMeta): Recorded
}

/** An endpoint that no codec reads, since when, and why. */
export interface OutOfScope {
  /** Matched against the recording's URL. */
  url: RegExp
  /** ISO date of the decision. */
  since: string
  reason: string
}

/** What became of one recording. */
export interface Outcome {
  /** Path below the folder. */
  file: string
  /** Name of the adapter, or of the folder the recording lies in. */
  provider: string
  status: 'passed' | 'failed' | 'out-of-scope' | 'unclassified'
  /** Why it failed or is out of scope. */
  reason?: string
  events: number
  textUnits: number
  toolCalls: number
  usage: boolean
  finish: boolean
  /** The kind of the error that was recorded, inside a stream or as an HTTP failure. */
  errorKind?: string
}

/** How thorough to be. */
export interface ReplayEffort {
  /** Seeded splits per recording. */
  splits: number
  /** Frame boundaries at which a recording is cut; recordings with fewer boundaries are cut at each. */
  cuts: number
  /** Feed bodies up to this many bytes one byte at a time. */
  byteByByteUpTo: number
}

/** Every check at full count, and a quick look. */
export const FULL_EFFORT: ReplayEffort = { splits: 8, cuts: 200, byteByByteUpTo: Infinity }
export const QUICK_EFFORT: ReplayEffort = { splits: 1, cuts: 4, byteByByteUpTo: 20_000 }

/** The recordings below `folder`, sorted by path. */
export function listRecordings(folder: string): string[] {
  const files: string[] = []
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) files.push(...listRecordings(path))
    else if (name.endsWith('.meta.json')) files.push(path.slice(0, -'.meta.json'.length))
  }
  return files.sort()
}

/** Replays one recording. */
export function replay(
  folder: string,
  file: string,
  adapters: readonly ReplayAdapter[],
  outOfScope: readonly OutOfScope[],
  effort: ReplayEffort,
): Outcome {
  const name = relative(folder, file)
  const meta = JSON.parse(readFileSync(`${file}.meta.json`, 'utf8')) as RecordingMeta
  const body = readFileSync(file)
  const adapter = adapters.find((candidate) => candidate.matches(meta, name))
  const outcome: Outcome = {
    file: name,
    provider: adapter?.name ?? name.split('/').at(-2) ?? '(folder)',
    status: 'passed',
    events: 0,
    textUnits: 0,
    toolCalls: 0,
    usage: false,
    finish: false,
  }
  try {
    if (meta.status >= 300) replayFailure(outcome, body, meta, adapter)
    else if (adapter !== undefined) replayAnswer(outcome, file, body, meta, adapter, effort)
    else {
      const row = outOfScope.find(({ url }) => url.test(meta.url))
      outcome.status = row === undefined ? 'unclassified' : 'out-of-scope'
      outcome.reason = row === undefined ? meta.url : `${row.since} ${row.reason}`
    }
  } catch (error) {
    outcome.status = 'failed'
    outcome.reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  }
  return outcome
}

/** An HTTP failure: must be understood, and must not be taken for a fault of the server when it is not one. */
function replayFailure(
  outcome: Outcome,
  body: Buffer,
  meta: RecordingMeta,
  adapter: ReplayAdapter | undefined,
): void {
  const headers = new Headers(meta.response_headers)
  const response = { status: meta.status, headers, body: body.toString('utf8') }
  const error =
    adapter === undefined
      ? httpError({ provider: outcome.provider, response })
      : adapter.provider(meta).error(response)
  expectThat(LlmError.is(error), 'provider.error() returned something other than an LlmError')
  expectThat(error.status === meta.status, `the error has status ${error.status} instead of ${meta.status}`)
  if (meta.status >= 400 && meta.status < 500) {
    const own: readonly string[] = ['server', 'protocol', 'connect']
    expectThat(!own.includes(error.kind), `a ${meta.status} became kind "${error.kind}"`)
  }
  expectThat(error.message.length > 20, 'the message says nothing')
  outcome.errorKind = error.kind
}

function replayAnswer(
  outcome: Outcome,
  file: string,
  body: Buffer,
  meta: RecordingMeta,
  adapter: ReplayAdapter,
  effort: ReplayEffort,
): void {
  const provider = (): Provider => adapter.provider(meta)
  if (file.endsWith('.json')) {
    const json = JSON.parse(body.toString('utf8')) as unknown
    const payloads = (Array.isArray(json) ? json : [json]).map((item: unknown) => ({
      event: 'message',
      data: JSON.stringify(item),
      json: item,
    }))
    judge(
      outcome,
      attempt(() => provider().decode(json).events),
      adapter.read(payloads, meta),
    )
    return
  }
  const bytes = file.endsWith('.chunks.txt') ? asSse(body) : new Uint8Array(body)
  const payloads = readPayloads(provider().framing, bytes)
  const recorded = adapter.read(payloads, meta)
  const whole = run(provider(), [bytes])
  judge(outcome, whole, recorded)

  const random = seeded(bytes.length)
  const expected = fingerprint(whole)
  const chunkings = Array.from({ length: effort.splits }, () => randomSplit(bytes, random))
  if (bytes.length <= effort.byteByByteUpTo) chunkings.push(everyByte(bytes))
  for (const chunks of chunkings) {
    expectThat(
      fingerprint(run(provider(), chunks)) === expected,
      `${chunks.length} chunks changed the result`,
    )
  }

  // Cut before the terminal marker, or before the error that ended it.
  const frames = framesOf(provider(), [bytes])
  const marks = [recorded.terminal, recorded.error ? errorAt(provider(), frames) : undefined]
  const last = Math.min(...marks.filter((mark) => mark !== undefined))
  if (last === Infinity) return
  for (const at of boundaries(last, effort.cuts, random)) {
    const cut = attempt(() => decodeFrames(provider(), frames.slice(0, at)))
    expectThat(
      'error' in cut && cut.error.kind === 'interrupted',
      `cut after ${at} of ${frames.length} frames it ended as ${'error' in cut ? cut.error.kind : 'a whole answer'}`,
    )
  }
}

/** Compares what the codec said with what the recording holds. */
function judge(outcome: Outcome, result: Result, recorded: Recorded): void {
  const { events } = result
  outcome.events = events.length
  let text = ''
  let usage: Usage | undefined
  const parts = new Set<number>()
  const open = new Set<string>()
  for (const event of events) {
    if ('part' in event) parts.add(event.part)
    if (event.type === 'text-delta') {
      expectThat(event.text !== '', 'an empty text-delta')
      text += event.text
    } else if (event.type === 'tool-call-start') open.add(event.id)
    else if (event.type === 'tool-call') {
      outcome.toolCalls++
      expectThat(open.delete(event.id), `tool call ${event.id} finished without a start, or twice`)
      const sound =
        event.invalid === undefined
          ? typeof event.args === 'object' && event.args !== null && !Array.isArray(event.args)
          : event.invalid.raw !== undefined && event.invalid.reason !== ''
      expectThat(sound, `tool call ${event.id} has neither arguments nor a reason`)
    } else if (event.type === 'finish') {
      usage = event.usage
      outcome.finish = event.finishReason !== 'unknown'
      outcome.usage = usage.inputTokens !== undefined || usage.outputTokens !== undefined
    }
  }
  outcome.textUnits = text.length
  expectThat(
    [...parts].every((part) => part < parts.size),
    `part indices are not contiguous: ${[...parts].join(' ')}`,
  )
  if ('error' in result) {
    outcome.errorKind = result.error.kind
    expectThat(recorded.error || recorded.terminal === undefined, `it ended as ${result.error.message}`)
    if (!recorded.error) {
      expectThat(result.error.kind === 'interrupted', `a cut recording ended as "${result.error.kind}"`)
    }
    return
  }
  expectThat(!recorded.error, 'the error in the recording was not reported')
  expectThat(recorded.terminal !== undefined, 'a cut recording was taken for a whole answer')
  expectThat(text === recorded.text, `text differs:\n${text.slice(0, 200)}\n${recorded.text.slice(0, 200)}`)
  expectThat(open.size === 0, `tool calls were started and not finished: ${[...open].join(' ')}`)
  const finish = events.at(-1)
  expectThat(finish?.type === 'finish', 'the last event is not "finish"')
  if (finish?.type === 'finish' && recorded.finish !== undefined) {
    expectThat(
      finish.rawFinishReason === recorded.finish,
      `finish reason ${finish.rawFinishReason} instead of ${recorded.finish}`,
    )
    expectThat(finish.finishReason !== 'unknown', `finish reason ${recorded.finish} is not understood`)
  }
  expectThat(outcome.usage === recorded.usage, `usage ${outcome.usage ? 'invented' : 'lost'}`)
}

// ------------------------------------------------------------------------------------------- running codecs

type Result = { events: StreamEvent[] } | { events: StreamEvent[]; error: LlmError }

/** Runs something that may throw an LlmError, and nothing else. */
function attempt(work: () => StreamEvent[]): Result {
  const events: StreamEvent[] = []
  try {
    events.push(...work())
    return { events }
  } catch (error) {
    if (LlmError.is(error)) return { events, error }
    throw new Error(`threw something other than an LlmError: ${String(error)}`, { cause: error })
  }
}

function run(provider: Provider, chunks: readonly Uint8Array[]): Result {
  const events: StreamEvent[] = []
  try {
    const frames = provider.frames()
    const decoder = provider.decoder()
    for (const chunk of chunks) for (const frame of frames.push(chunk)) events.push(...decoder.push(frame))
    for (const frame of frames.end()) events.push(...decoder.push(frame))
    events.push(...decoder.end())
    return { events }
  } catch (error) {
    if (LlmError.is(error)) return { events, error }
    throw new Error(`threw something other than an LlmError: ${String(error)}`, { cause: error })
  }
}

function framesOf(provider: Provider, chunks: readonly Uint8Array[]): Frame[] {
  const decoder = provider.frames()
  return [...chunks.flatMap((chunk) => decoder.push(chunk)), ...decoder.end()]
}

function decodeFrames(provider: Provider, frames: readonly Frame[]): StreamEvent[] {
  const decoder = provider.decoder()
  const events = frames.flatMap((frame) => decoder.push(frame))
  return [...events, ...decoder.end()]
}

/** Index of the frame at which the decoder throws. */
function errorAt(provider: Provider, frames: readonly Frame[]): number | undefined {
  const decoder = provider.decoder()
  for (const [at, frame] of frames.entries()) {
    try {
      decoder.push(frame)
    } catch {
      return at
    }
  }
  return undefined
}

/** Events as text. Ids that the codec made up are numbered, since they are random. */
function fingerprint(result: Result): string {
  const ids = new Map<string, number>()
  const text = JSON.stringify(result.events, (key, value: unknown) => {
    if (key !== 'id' || typeof value !== 'string' || !/^call_[a-z0-9]{24}$/.test(value)) return value
    if (!ids.has(value)) ids.set(value, ids.size)
    return `made up ${ids.get(value)}`
  })
  return 'error' in result ? `${text} ${result.error.kind} ${result.error.message}` : text
}

// ---------------------------------------------------------------------------------------- reading recordings

/** A `.chunks.txt`: one JSON payload a line, framing lost. */
function asSse(body: Buffer): Uint8Array {
  const lines = body.toString('utf8').split('\n')
  return new TextEncoder().encode(
    lines.flatMap((line) => (line === '' ? [] : [`data: ${line}\n\n`])).join(''),
  )
}

function readPayloads(framing: Provider['framing'], bytes: Uint8Array): Payload[] {
  if (framing === 'aws') {
    const decoder = createAwsFrameDecoder()
    return [...decoder.push(bytes), ...decoder.end()].map(({ event, data }) => ({
      event,
      data,
      json: parse(data),
    }))
  }
  const text = new TextDecoder().decode(bytes)
  const lines = text.split(/\r\n|\n|\r/)
  if (framing === 'ndjson') {
    return lines.flatMap((line) =>
      line.trim() === '' ? [] : [{ event: 'message', data: line, json: parse(line) }],
    )
  }
  const payloads: Payload[] = []
  let event = 'message'
  let data: string[] = []
  for (const line of [...lines, '']) {
    if (line === '') {
      const joined = data.join('\n')
      if (data.length > 0) payloads.push({ event, data: joined, json: parse(joined) })
      event = 'message'
      data = []
    } else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
    else if (line.startsWith('event:')) event = line.slice(6).trim()
    else if (line.startsWith('error:'))
      payloads.push({ event: 'error', data: line.slice(6), json: parse(line.slice(6)) })
  }
  return payloads
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

// ------------------------------------------------------------------------------------------------- chunking

/** mulberry32: 32 bits of state, the same sequence everywhere. */
export function seeded(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Chunks of 1 to 300 bytes. */
function randomSplit(bytes: Uint8Array, random: () => number): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + Math.floor(random() * 300)
    chunks.push(bytes.subarray(at, end))
    at = end
  }
  return chunks
}

function everyByte(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))
}

/** Every boundary from 0 to `last`, or `most` seeded ones among them, the first and the last included. */
function boundaries(last: number, most: number, random: () => number): number[] {
  if (last + 1 <= most) return Array.from({ length: last + 1 }, (_, at) => at)
  const chosen = new Set([0, last])
  while (chosen.size < most) chosen.add(Math.floor(random() * (last + 1)))
  return [...chosen]
}

function expectThat(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise)
}

// ------------------------------------------------------------------------------------------------ the table

/** One row per provider, then the rows of failures. Columns: recordings, events, text, tool calls, … */
export function summarize(outcomes: readonly Outcome[]): string {
  const head = [
    'provider',
    'recordings',
    'events',
    'text',
    'tool calls',
    'usage',
    'finish',
    'errors',
    'out of scope',
    'failures',
  ]
  const rows = new Map<string, number[]>()
  for (const one of outcomes) {
    const row = rows.get(one.provider) ?? head.slice(1).map(() => 0)
    rows.set(one.provider, row)
    const counts = [
      1,
      one.events,
      one.textUnits,
      one.toolCalls,
      Number(one.usage),
      Number(one.finish),
      Number(one.errorKind !== undefined),
      Number(one.status === 'out-of-scope'),
      Number(one.status === 'failed' || one.status === 'unclassified'),
    ]
    for (const [at, count] of counts.entries()) row[at] = row[at]! + count
  }
  const total = head.slice(1).map((_, at) => [...rows.values()].reduce((sum, row) => sum + row[at]!, 0))
  const lines = [...[...rows].sort(([a], [b]) => a.localeCompare(b)), ['total', total] as const]
  const table = [head, ...lines.map(([name, counts]) => [name, ...counts.map(String)])]
  const widths = head.map((_, at) => Math.max(...table.map((cells) => cells[at]!.length)))
  return table
    .map((cells) =>
      cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('  '),
    )
    .join('\n')
}
