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
import { refusal, runTool, type RunnableTool, type ToolOutcome } from './run-tool.ts'
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
  return new Run(input, options as RunToolsOptions) as ToolRun<unknown> as ToolRun<Infer<S>>
}

class Run implements ToolRun {
  readonly messages: Message[]
  readonly steps: Step[] = []
  readonly #options: RunToolsOptions
  readonly #controller = new AbortController()
  readonly #completion: Promise<ToolRunCompletion>
  #settle!: { resolve: (completion: ToolRunCompletion) => void; reject: (error: unknown) => void }
  #consumed = false

  constructor(input: Input, options: RunToolsOptions) {
    const given = readInput(input)
    this.messages = given.messages
    this.#options = { ...given.rest, ...options }
    this.#completion = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    // Whoever wants the failure asks for it.
    this.#completion.catch(() => {})
  }

  get usage(): Usage {
    return sumUsage(this.steps.map((step) => step.completion.usage))
  }

  get completion(): Promise<ToolRunCompletion> {
    // A loop that follows in the same breath is to be the consumer.
    queueMicrotask(() => {
      if (!this.#consumed) void this.#drain()
    })
    return this.#completion
  }

  abort(reason?: unknown): void {
    this.#controller.abort(aborted(reason))
  }

  [Symbol.asyncIterator](): AsyncIterator<ToolRunEvent, undefined, undefined> {
    if (this.#consumed) {
      throw new LlmError({
        kind: 'config',
        message: 'A run has one consumer: it is being read already, by a loop or by its completion.',
      })
    }
    this.#consumed = true
    return this.#events()
  }

  async #drain(): Promise<void> {
    const events = this[Symbol.asyncIterator]()
    try {
      while (!(await events.next()).done);
    } catch {
      // Told through the completion.
    }
  }

  async *#events(): AsyncGenerator<ToolRunEvent, undefined, undefined> {
    const { signal } = this.#options
    const unbridge = signal && onAbort(signal, (reason) => this.abort(reason))
    // What stands when the consumer leaves the loop.
    let failure: unknown = aborted(undefined)
    let answered = false
    try {
      this.#settle.resolve(yield* this.#run())
      answered = true
    } catch (error) {
      failure = error
      throw error
    } finally {
      unbridge?.()
      if (!answered) this.#controller.abort(failure)
      this.#settle.reject(failure)
    }
    return undefined
  }

  async *#run(): AsyncGenerator<ToolRunEvent, ToolRunCompletion, undefined> {
    const { tools = [], maxSteps = DEFAULT_MAX_STEPS, stopWhen } = this.#options
    if (!(maxSteps >= 1)) {
      throw new LlmError({ kind: 'config', message: 'maxSteps must be at least 1: it counts model calls.' })
    }
    const runnable = prepareTools(tools)
    // Imported when it is needed, so that a program which passes its client does not carry the registry.
    const client: Askable = this.#options.client ?? (await import('../complete.ts'))
    for (let step = 0; ; step++) {
      this.#controller.signal.throwIfAborted()
      yield { type: 'step-start', step }
      const completion = yield* this.#ask(client, step)
      this.messages.push(completion.message)
      const record: Step = { step, completion, results: [] }
      this.steps.push(record)
      yield { type: 'step-finish', step, completion }

      const { toolCalls, finishReason } = completion
      const isLast = step + 1 >= maxSteps
      const cut = finishReason === 'length' || finishReason === 'content-filter'
      if (toolCalls.length === 0) {
        if (finishReason === 'pause' && !isLast) continue
        return this.#finish(finishReason === 'pause' ? 'max-steps' : cut ? 'cut' : 'answered')
      }
      // 'unknown': the provider did not say that it had finished asking.
      if (cut || finishReason === 'unknown') {
        this.#answer(record, toolCalls, 'Not run: the answer was cut before its end.')
        return this.#finish('cut')
      }
      if (isLast) {
        this.#answer(record, toolCalls, `Not run: this was the last of ${maxSteps} steps.`)
        return this.#finish('max-steps')
      }
      const pending = yield* this.#runCalls(record, toolCalls, runnable)
      if (pending) return this.#finish('pending-calls')
      if (await stopWhen?.(record, { messages: this.messages, usage: this.usage })) {
        return this.#finish('stop-when')
      }
    }
  }

  /** One model call. */
  async *#ask(client: Askable, step: number): AsyncGenerator<StreamEvent, Completion, undefined> {
    const call: Options & { [Name in RunOption]?: unknown } = { ...this.#options }
    for (const name of RUN_OPTIONS) delete call[name]
    call.signal = this.#controller.signal
    // A forced tool is forced once: asked for at every step it would be called for ever.
    if (step > 0 && call.toolChoice !== undefined && call.toolChoice !== 'none') call.toolChoice = 'auto'
    const answer = client.stream([...this.messages], call)
    yield* answer
    return answer.completion
  }

  /** Runs the calls of a step; true when some of them are the caller's to answer. */
  async *#runCalls(
    record: Step,
    calls: ToolCall[],
    runnable: ReadonlyMap<string, RunnableTool | undefined>,
  ): AsyncGenerator<StepEvent, boolean, undefined> {
    const { step } = record
    const events: StepEvent[] = []
    let wake: () => void = () => {}
    const emit = (event: StepEvent): void => {
      events.push(event)
      wake()
    }
    const results: (ToolResultPart | undefined)[] = calls.map(() => undefined)
    const state: { left: number; failure?: { error: unknown } } = { left: calls.length }
    const gate = createGate(this.#options.maxParallel ?? DEFAULT_MAX_PARALLEL)
    // Approvals are asked one after another, in the order of the calls: a person reads them.
    let asked: Promise<unknown> = Promise.resolve()
    for (const [i, call] of calls.entries()) {
      const decided = asked.then(() => this.#decide(call, runnable, step))
      asked = decided.catch(() => {})
      void decided
        .then(async (plan) => {
          if (plan.kind === 'pending') return
          const outcome =
            plan.kind === 'answered' ? plan.outcome : await gate(() => this.#execute(plan, emit, step))
          results[i] = outcome.result
          emit({ type: 'tool-result', step, ...outcome })
        })
        .catch((error: unknown) => {
          state.failure ??= { error }
          // The other tools must not go on for a run that is over.
          this.#controller.abort(error)
        })
        .finally(() => {
          state.left--
          wake()
        })
    }
    for (let head = 0; ;) {
      while (head < events.length) yield events[head++]!
      if (state.left === 0) break
      await new Promise<void>((resolve) => {
        wake = resolve
        if (head < events.length || state.left === 0) resolve()
      })
    }
    if (state.failure !== undefined) throw state.failure.error
    record.results = results.filter((result) => result !== undefined)
    if (record.results.length > 0) this.messages.push({ role: 'tool', content: record.results })
    return results.includes(undefined)
  }

  async #decide(
    call: ToolCall,
    runnable: ReadonlyMap<string, RunnableTool | undefined>,
    step: number,
  ): Promise<Plan> {
    const { signal } = this.#controller
    signal.throwIfAborted()
    const answered = (result: ToolResultPart): Plan => ({ kind: 'answered', outcome: { result } })
    if (!runnable.has(call.name)) {
      const names = [...runnable.keys()].join(', ') || 'none'
      return answered(
        refusal(call, `There is no tool named ${JSON.stringify(call.name.slice(0, 100))}. Tools: ${names}.`),
      )
    }
    const tool = runnable.get(call.name)
    if (tool === undefined) return { kind: 'pending' }
    const { beforeTool } = this.#options
    if (call.invalid !== undefined || beforeTool === undefined) return { kind: 'run', call, tool }
    let decision: Decided
    try {
      const context = { id: call.id, signal, messages: [...this.messages], step }
      decision = await orAbort(async () => beforeTool(call as ReadyCall, context), signal)
    } catch (cause) {
      signal.throwIfAborted()
      throw new LlmError({
        kind: 'config',
        phase: 'tool',
        message: `beforeTool threw for the call of ${call.name}, so the tool was not run: ${String((cause as Error)?.message ?? cause)}`,
        cause,
      })
    }
    if (decision === undefined || decision.action === 'allow') return { kind: 'run', call, tool }
    if (decision.action === 'deny') return answered(refusal(call, decision.message))
    if ('result' in decision) {
      return answered({ type: 'tool-result', id: call.id, name: call.name, content: decision.result })
    }
    return { kind: 'run', call: { id: call.id, name: call.name, args: decision.args }, tool }
  }

  async #execute(
    plan: Plan & { kind: 'run' },
    emit: (event: StepEvent) => void,
    step: number,
  ): Promise<ToolOutcome> {
    const { call, tool } = plan
    const { maxResultChars = DEFAULT_MAX_RESULT_CHARS, toolTimeoutMs, clock = systemClock } = this.#options
    const { signal } = this.#controller
    signal.throwIfAborted()
    if (call.invalid === undefined)
      emit({ type: 'tool-start', step, id: call.id, name: call.name, args: call.args })
    const own = typeof toolTimeoutMs === 'object' ? toolTimeoutMs[call.name] : toolTimeoutMs
    const timeoutMs = own === false ? Infinity : (own ?? DEFAULT_TOOL_TIMEOUT_MS)
    return runTool(call, tool, { signal, messages: [...this.messages], timeoutMs, maxResultChars, clock })
  }

  /** Gives every call of a step the same refusal. */
  #answer(record: Step, calls: ToolCall[], content: string): void {
    record.results = calls.map((call) => refusal(call, content))
    this.messages.push({ role: 'tool', content: record.results })
  }

  #finish(stopReason: StopReason): ToolRunCompletion {
    const completions = this.steps.map((step) => step.completion)
    const last = completions.at(-1)!
    const cost = sumCost(completions.map((completion) => completion.cost))
    return {
      ...last,
      usage: this.usage,
      ...(cost && { cost }),
      warnings: completions.flatMap((completion) => completion.warnings),
      attempts: completions.flatMap((completion) => completion.attempts),
      messages: this.messages,
      steps: this.steps,
      stopReason,
    }
  }
}

/** What is to be done with a call. */
type Plan =
  | { kind: 'run'; call: ToolCall; tool: RunnableTool }
  | { kind: 'answered'; outcome: ToolOutcome }
  | { kind: 'pending' }

/** Tools by name; undefined for those without `execute`. */
function prepareTools(tools: readonly (Tool | ProviderTool)[]): Map<string, RunnableTool | undefined> {
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

function readInput(input: Input): {
  messages: Message[]
  rest: { system?: string; tools?: (Tool | ProviderTool)[] }
} {
  if (typeof input === 'string') return { messages: [{ role: 'user', content: input }], rest: {} }
  if (Array.isArray(input)) return { messages: [...input], rest: {} }
  const { messages, ...rest } = input
  return { messages: [...messages], rest }
}

function aborted(reason: unknown): LlmError {
  if (LlmError.is(reason)) return reason
  return new LlmError({ kind: 'aborted', phase: 'tool', message: 'The run was aborted.', cause: reason })
}
