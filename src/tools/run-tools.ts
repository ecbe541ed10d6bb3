/**
 * The tool loop: ask the model, run the tools it asked for, tell it the results, until it answers.
 *
 * In:  an input, tools with `execute`, bounds, hooks. Out: the StreamEvents of every step with step boundaries and
 *      tool results between them; in the end one completion with the whole conversation and the summed usage.
 * Tools run after the step's terminal marker, never while it streams: a cut answer must have no side effects. Every
 * call gets exactly one result in the history, also the ones not run, so that the history can always be sent again.
 * Not here: one tool's deadline and its result (run-tool.ts), the model call itself (client.ts).
 *
 *            ┌────────────── results ──────────────┐
 *     input ─▶ model ─▶ finish ─▶ calls? ─▶ beforeTool ─▶ tools in parallel
 *                          └─ no calls: the answer
 */

import { LlmError } from '../errors.ts'
import { onAbort, orAbort, systemClock } from '../http/clock.ts'
import { toJsonSchema } from '../schema.ts'
import { sumUsage } from '../stream/usage.ts'
import type {
  Completion,
  CompletionStream,
  Infer,
  Input,
  Message,
  Options,
  ProviderTool,
  StreamEvent,
  Tool,
  ToolCall,
  ToolContext,
  ToolResultPart,
  Usage,
} from '../types.ts'
import { createGate } from './gate.ts'
import { refusal, resultOf, runTool, type RunnableTool, type ToolOutcome } from './run-tool.ts'
import { sumCost } from './sums.ts'

/** Anything that can be asked: a client, a router, a fake. */
export interface Askable {
  stream(input: Input, options?: Options): CompletionStream
}

/** A tool call that can be read: its arguments are JSON. */
export type ReadyCall = Extract<ToolCall, { args: unknown }>

/** What `beforeTool` decides. Nothing (undefined) allows. */
export type ToolDecision =
  | { action: 'allow' }
  /** Not run; the model is told why. */
  | { action: 'deny'; message: string }
  /** Run with other arguments, or not run and answered with this. */
  | { action: 'replace'; args: unknown }
  | { action: 'replace'; result: string }

/** One finished step. */
export interface Step {
  /** From 0. */
  step: number
  completion: Completion
  /** Results of the calls of this step, in the order of the calls. */
  results: ToolResultPart[]
}

/** Why a run ended. */
export type StopReason =
  /** The model answered. */
  | 'answered'
  /** The last step was cut or filtered: its calls were not run. */
  | 'cut'
  /** `maxSteps` model calls were made, and the last one asked for more tools. */
  | 'max-steps'
  /** `stopWhen` said so. */
  | 'stop-when'
  /** Calls of tools without `execute` wait for you: `completion.toolCalls`. */
  | 'pending-calls'

/** What happens between the events of the model. */
export type StepEvent =
  | { type: 'step-start'; step: number }
  | { type: 'step-finish'; step: number; completion: Completion }
  | { type: 'tool-start'; step: number; id: string; name: string; args: unknown }
  /** In the order in which tools finish. `error` is what the tool threw, for your log; the model sees its message. */
  | { type: 'tool-result'; step: number; result: ToolResultPart; error?: unknown }

/** An event of a run. */
export type ToolRunEvent = StreamEvent | StepEvent

/** The answer of a run: the last step's, with the sums and the history of all. */
export interface ToolRunCompletion<ObjectType = unknown> extends Completion<ObjectType> {
  /** The whole conversation, the input included. Every tool call in it has its result. */
  messages: Message[]
  steps: Step[]
  stopReason: StopReason
}

/** A run on its way. It starts when it is consumed: by the loop, or by asking for `completion`. */
export interface ToolRun<ObjectType = unknown> extends AsyncIterable<ToolRunEvent> {
  [Symbol.asyncIterator](): AsyncIterator<ToolRunEvent, undefined, undefined>
  /** Collects by itself when nobody iterates. Never an unhandled rejection. */
  readonly completion: Promise<ToolRunCompletion<ObjectType>>
  /** The conversation so far; also after a failure. */
  readonly messages: readonly Message[]
  /** Finished steps. */
  readonly steps: readonly Step[]
  /** Tokens of the finished steps. */
  readonly usage: Usage
  /** Stops the model and every tool. */
  abort(reason?: unknown): void
}

/** Options of {@link runTools}: all of a call's, and these. */
export interface RunToolsOptions<S = unknown> extends Omit<Options<S>, 'tools'> {
  /** Tools of the model's; those without `execute` end the run when they are called. */
  tools?: (Tool | ProviderTool)[]
  /** Most model calls. Default 10. */
  maxSteps?: number
  /** Who is asked. Default: `stream` of `llmswap`. */
  client?: Askable
  /** Deadline of one tool call in milliseconds, for all or by tool name; `false` for none. Default 60,000. */
  toolTimeoutMs?: number | false | Readonly<Record<string, number | false>>
  /** Most tools running at once. Default 8. */
  maxParallel?: number
  /** Longest tool result handed to the model, in UTF-16 units; more is cut with a notice. Default 1,000,000. */
  maxResultChars?: number
  /** Asked before each call, in order, with valid JSON arguments: allow, deny, replace. May take as long as it likes. */
  beforeTool?(call: ReadyCall, context: ToolContext & { step: number }): Decided | Promise<Decided>
  /** Asked after the tools of each step: true ends the run. */
  stopWhen?(step: Step, run: { messages: readonly Message[]; usage: Usage }): boolean | Promise<boolean>
}

// eslint-disable-next-line typescript/no-invalid-void-type
type Decided = ToolDecision | undefined | void

/** Options of the run, which are no business of the client's. */
const RUN_OPTIONS = [
  'maxSteps',
  'client',
  'toolTimeoutMs',
  'maxParallel',
  'maxResultChars',
  'beforeTool',
  'stopWhen',
] as const
type RunOption = (typeof RUN_OPTIONS)[number]

const DEFAULT_MAX_STEPS = 10
const DEFAULT_TOOL_TIMEOUT_MS = 60_000
const DEFAULT_MAX_PARALLEL = 8
const DEFAULT_MAX_RESULT_CHARS = 1_000_000

/**
 * Asks a model that may use tools, and runs the tools.
 * @throws LlmError through the run: `config` for two tools of one name or a `beforeTool` that throws; whatever the
 *   model call throws; `aborted`. Tools that throw do not fail a run.
 */
export function runTools<const S = unknown>(input: Input, options: RunToolsOptions<S>): ToolRun<Infer<S>> {
  const { messages, ...rest } = readInput(input)
  return createRun([...messages], { ...rest, ...(options as RunToolsOptions) }) as ToolRun<Infer<S>>
}

function createRun(messages: Message[], options: RunToolsOptions): ToolRun<unknown> {
  const { tools = [], maxSteps = DEFAULT_MAX_STEPS, beforeTool, stopWhen, toolTimeoutMs } = options
  const { maxResultChars = DEFAULT_MAX_RESULT_CHARS, clock = systemClock } = options
  const steps: Step[] = []
  const controller = new AbortController()
  const { signal } = controller
  const stop = (reason: unknown): void => controller.abort(aborted(reason))
  let consumed = false
  let resolve!: (completion: ToolRunCompletion) => void
  let reject!: (error: unknown) => void
  const completion = new Promise<ToolRunCompletion>((...settle) => {
    ;[resolve, reject] = settle
  })
  // Whoever wants the failure asks for it.
  completion.catch(() => {})

  const usage = (): Usage => sumUsage(steps.map((step) => step.completion.usage))

  function consume(): AsyncGenerator<ToolRunEvent, undefined, undefined> {
    if (consumed) {
      throw new LlmError({
        kind: 'config',
        message: 'A run has one consumer: it is being read already, by a loop or by its completion.',
      })
    }
    consumed = true
    return events()
  }

  async function collect(): Promise<void> {
    // A loop that follows in the same breath is to be the consumer.
    await Promise.resolve()
    if (consumed) return
    const all = consume()
    try {
      while (!(await all.next()).done);
    } catch {
      // Told through the completion.
    }
  }

  async function* events(): AsyncGenerator<ToolRunEvent, undefined, undefined> {
    const unbridge = options.signal && onAbort(options.signal, stop)
    // What stands when the consumer leaves the loop.
    let failure: unknown = aborted(undefined)
    let answered = false
    try {
      resolve(yield* loop())
      answered = true
    } catch (error) {
      failure = error
      throw error
    } finally {
      unbridge?.()
      if (!answered) controller.abort(failure)
      reject(failure)
    }
    return undefined
  }

  async function* loop(): AsyncGenerator<ToolRunEvent, ToolRunCompletion, undefined> {
    if (!(maxSteps >= 1)) {
      throw new LlmError({ kind: 'config', message: 'maxSteps must be at least 1: it counts model calls.' })
    }
    const runnable = prepareTools(tools)
    // Imported when it is needed, so that a program which passes its client does not carry the registry.
    const client: Askable = options.client ?? (await import('../complete.ts'))
    for (let step = 0; ; step++) {
      signal.throwIfAborted()
      yield { type: 'step-start', step }
      const completion = yield* ask(client, step)
      messages.push(completion.message)
      const record: Step = { step, completion, results: [] }
      steps.push(record)
      yield { type: 'step-finish', step, completion }

      const { toolCalls, finishReason } = completion
      const isLast = step + 1 >= maxSteps
      const cut = finishReason === 'length' || finishReason === 'content-filter'
      if (toolCalls.length === 0) {
        if (finishReason === 'pause' && !isLast) continue
        return finish(finishReason === 'pause' ? 'max-steps' : cut ? 'cut' : 'answered')
      }
      // 'unknown': the provider did not say that it had finished asking.
      if (cut || finishReason === 'unknown') {
        refuse(record, 'Not run: the answer was cut before its end.')
        return finish('cut')
      }
      if (isLast) {
        refuse(record, `Not run: this was the last of ${maxSteps} steps.`)
        return finish('max-steps')
      }
      if (yield* runCalls(record, runnable)) return finish('pending-calls')
      if (await stopWhen?.(record, { messages, usage: usage() })) return finish('stop-when')
    }
  }

  /** One model call. */
  async function* ask(client: Askable, step: number): AsyncGenerator<StreamEvent, Completion, undefined> {
    const call: Options & { [Name in RunOption]?: unknown } = { ...options, signal }
    for (const name of RUN_OPTIONS) delete call[name]
    // A forced tool is forced once: asked for at every step it would be called for ever.
    if (step > 0 && call.toolChoice !== undefined && call.toolChoice !== 'none') call.toolChoice = 'auto'
    const answer = client.stream([...messages], call)
    yield* answer
    return answer.completion
  }

  /** Runs the calls of a step; true when some of them are the caller's to answer. */
  async function* runCalls(record: Step, runnable: Runnable): AsyncGenerator<StepEvent, boolean, undefined> {
    const { step } = record
    const calls = record.completion.toolCalls
    const queue: StepEvent[] = []
    let wake: () => void = () => {}
    const emit = (event: StepEvent): void => {
      queue.push(event)
      wake()
    }
    const results: (ToolResultPart | undefined)[] = calls.map(() => undefined)
    let left = calls.length
    let failure: { error: unknown } | undefined
    const gate = createGate(options.maxParallel ?? DEFAULT_MAX_PARALLEL)
    // Approvals are asked one after another, in the order of the calls: a person reads them.
    let asked: Promise<unknown> = Promise.resolve()
    for (const [i, call] of calls.entries()) {
      const decided = asked.then(() => decide(call, runnable, step))
      asked = decided.catch(() => {})
      void decided
        .then(async (plan) => {
          if (plan === undefined) return
          const outcome = 'tool' in plan ? await gate(() => execute(plan, emit, step)) : plan
          results[i] = outcome.result
          emit({ type: 'tool-result', step, ...outcome })
        })
        .catch((error: unknown) => {
          failure ??= { error }
          // The other tools must not go on for a run that is over.
          controller.abort(error)
        })
        .finally(() => {
          left--
          wake()
        })
    }
    for (let head = 0; ;) {
      while (head < queue.length) yield queue[head++]!
      if (left === 0) break
      await new Promise<void>((woken) => {
        wake = woken
        if (head < queue.length || left === 0) woken()
      })
    }
    // Assigned in a callback, which the compiler does not see.
    if ((failure as { error: unknown } | undefined) !== undefined) throw failure!.error
    record.results = results.filter((result) => result !== undefined)
    if (record.results.length > 0) messages.push({ role: 'tool', content: record.results })
    return results.includes(undefined)
  }

  async function decide(call: ToolCall, runnable: Runnable, step: number): Promise<Plan> {
    const { id, name } = call
    signal.throwIfAborted()
    if (!runnable.has(name)) {
      const names = [...runnable.keys()].join(', ') || 'none'
      const result = refusal(
        call,
        `There is no tool named ${JSON.stringify(name.slice(0, 100))}. Tools: ${names}.`,
      )
      return { result }
    }
    const tool = runnable.get(name)
    if (tool === undefined) return undefined
    if (call.invalid !== undefined || beforeTool === undefined) return { call, tool }
    let decision: Decided
    try {
      const context = { id, signal, messages: [...messages], step }
      decision = await orAbort(async () => beforeTool(call as ReadyCall, context), signal)
    } catch (cause) {
      signal.throwIfAborted()
      throw new LlmError({
        kind: 'config',
        phase: 'tool',
        message: `beforeTool threw for the call of ${name}, so the tool was not run: ${String((cause as Error)?.message ?? cause)}`,
        cause,
      })
    }
    if (decision === undefined || decision.action === 'allow') return { call, tool }
    if (decision.action === 'deny') return { result: refusal(call, decision.message) }
    if ('result' in decision) return { result: resultOf(call, decision.result) }
    return { call: { id, name, args: decision.args }, tool }
  }

  async function execute(
    { call, tool }: Run,
    emit: (event: StepEvent) => void,
    step: number,
  ): Promise<ToolOutcome> {
    const { id, name } = call
    signal.throwIfAborted()
    if (call.invalid === undefined) emit({ type: 'tool-start', step, id, name, args: call.args })
    const own = typeof toolTimeoutMs === 'object' ? toolTimeoutMs[name] : toolTimeoutMs
    const timeoutMs = own === false ? Infinity : (own ?? DEFAULT_TOOL_TIMEOUT_MS)
    return runTool(call, tool, { signal, messages: [...messages], timeoutMs, maxResultChars, clock })
  }

  /** Gives every call of a step the same refusal. */
  function refuse(record: Step, content: string): void {
    record.results = record.completion.toolCalls.map((call) => refusal(call, content))
    messages.push({ role: 'tool', content: record.results })
  }

  function finish(stopReason: StopReason): ToolRunCompletion {
    const all = steps.map((step) => step.completion)
    const cost = sumCost(all.map((completion) => completion.cost))
    return {
      ...all.at(-1)!,
      usage: usage(),
      ...(cost && { cost }),
      warnings: all.flatMap((completion) => completion.warnings),
      attempts: all.flatMap((completion) => completion.attempts),
      messages,
      steps,
      stopReason,
    }
  }

  return {
    [Symbol.asyncIterator]: consume,
    get completion() {
      void collect()
      return completion
    },
    messages,
    steps,
    get usage() {
      return usage()
    },
    abort: stop,
  }
}

/** Tools by name; undefined for those without `execute`. */
type Runnable = ReadonlyMap<string, RunnableTool | undefined>

/** A call to be run. */
interface Run {
  call: ToolCall
  tool: RunnableTool
}

/** What is to be done with a call: run it, answer it with this, or leave it to the caller. */
type Plan = Run | ToolOutcome | undefined

function prepareTools(tools: readonly (Tool | ProviderTool)[]): Runnable {
  const runnable = new Map<string, RunnableTool | undefined>()
  for (const tool of tools) {
    if ('type' in tool) continue
    if (runnable.has(tool.name)) {
      throw new LlmError({
        kind: 'config',
        phase: 'encode',
        message: `Two tools are named ${JSON.stringify(tool.name)}: a call could mean either.`,
      })
    }
    const jsonSchema = toJsonSchema(tool.inputSchema, `inputSchema of tool ${JSON.stringify(tool.name)}`)
    runnable.set(
      tool.name,
      tool.execute === undefined ? undefined : { tool: tool as RunnableTool['tool'], jsonSchema },
    )
  }
  return runnable
}

function readInput(input: Input): Exclude<Input, string | Message[]> {
  if (typeof input === 'string') return { messages: [{ role: 'user', content: input }] }
  return Array.isArray(input) ? { messages: input } : input
}

function aborted(reason: unknown): LlmError {
  if (LlmError.is(reason)) return reason
  return new LlmError({ kind: 'aborted', phase: 'tool', message: 'The run was aborted.', cause: reason })
}
