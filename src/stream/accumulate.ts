/**
 * The one reducer: events in, the completion out.
 *
 * In:  StreamEvents in order. Out: at any moment the answer so far, at the end the completion.
 * It is told only what the consumer was told, so `partial` is exactly what somebody has seen: an answer can be
 * continued from it without losing or repeating a letter.
 * Cost: O(1) per event, and little more memory than the text takes (growing-text.ts).
 * Not here: timing, attempts, cost: events do not say those (client.ts supplies them as Facts).
 */

import { LlmError } from '../errors.ts'
import type {
  AssistantMessage,
  Attempt,
  Completion,
  Cost,
  FinishReason,
  Part,
  PartialCompletion,
  Source,
  StreamEvent,
  TextPart,
  Timing,
  TokenLogprob,
  ToolCall,
  Usage,
  Warning,
} from '../types.ts'
import { GrowingText } from './growing-text.ts'

/** What a completion holds that its events do not say. */
export interface Facts {
  provider: string
  model: string
  attempts: Attempt[]
  raw: { usage?: unknown; finish?: unknown }
  /** Absent where nobody measured: of a JSON body, of a row of a batch. */
  timing?: (outputTokens: number | undefined) => Timing
  cost?: (usage: Usage, model: string, provider: string) => Cost | undefined
  /** Tokens of an answer that broke off, as far as the provider had reported them. */
  usage?: Usage | undefined
  /** The validated object of a call with a schema. */
  object?: unknown
}

/** Adds up one answer. */
export interface Accumulator {
  push(event: StreamEvent): void
  /** The answer so far, as plain JSON. Unfinished tool calls stand in it as `invalid`, with their raw text. */
  partial(facts: Facts): PartialCompletion
  /** @throws LlmError `interrupted` when no 'finish' event came. */
  completion(facts: Facts): Completion
}

/** Of what was no call: the sum of its events alone. */
export const NO_FACTS: Facts = { provider: '', model: '', attempts: [], raw: {} }

const NO_TIMING: Timing = {
  headersMs: undefined,
  firstTokenMs: undefined,
  totalMs: 0,
  tokensPerSecond: undefined,
  interTokenMs: undefined,
}

/** A part being written: deltas, or the part itself once it was delivered whole. */
type Slot =
  | { type: 'text' | 'reasoning'; text: GrowingText }
  | { type: 'call'; id: string; name: string; text: GrowingText }
  | { type: 'whole'; value: Part }

/** An accumulator that has seen nothing. */
export function createAccumulator(): Accumulator {
  let slots = new Map<number, Slot>()
  let sources: Source[] = []
  let logprobs: TokenLogprob[] = []
  const warnings: Warning[] = []
  let provider: string | undefined
  let model: string | undefined
  let id: string | undefined
  let finish: { finishReason: FinishReason; rawFinishReason: string | undefined; usage: Usage } | undefined
  // Deltas come in runs: the last slot is nearly always the next one's.
  let lastPart = -1
  let lastSlot: Slot | undefined

  function grow(part: number, type: 'text' | 'reasoning', text: string): void {
    if (part !== lastPart) {
      lastSlot = slots.get(part)
      lastPart = part
    }
    if (lastSlot === undefined || lastSlot.type !== type) {
      const before = lastSlot
      lastSlot = { type, text: new GrowingText() }
      slots.set(part, lastSlot)
      // More text after the part was said to be closed: keep both.
      if (before?.type === 'whole' && before.value.type === type) lastSlot.text.push(before.value.text)
    }
    lastSlot.text.push(text)
  }

  function put(part: number, slot: Slot): void {
    slots.set(part, slot)
    lastPart = part
    lastSlot = slot
  }

  function push(event: StreamEvent): void {
    switch (event.type) {
      case 'text-delta':
        grow(event.part, 'text', event.text)
        if (event.logprobs !== undefined) logprobs.push(...event.logprobs)
        return
      case 'reasoning-delta':
        return grow(event.part, 'reasoning', event.text)
      case 'tool-call-delta': {
        const slot = event.part === lastPart ? lastSlot : slots.get(event.part)
        if (slot?.type === 'call') slot.text.push(event.delta)
        return
      }
      case 'tool-call-start':
        return put(event.part, { type: 'call', id: event.id, name: event.name, text: new GrowingText() })
      case 'tool-call':
        return put(event.part, { type: 'whole', value: { type: 'tool-call', ...toolCallOf(event) } })
      case 'part':
        return put(event.part, { type: 'whole', value: event.value })
      case 'source':
        sources.push(event.source)
        return
      case 'warning':
        warnings.push(event.warning)
        return
      case 'start':
        provider = event.provider || provider
        model = event.model || model
        id = event.id ?? id
        return
      case 'finish':
        finish = event
        return
      case 'restart':
        slots = new Map()
        lastPart = -1
        sources = []
        logprobs = []
        finish = undefined
        return
      default:
        return
    }
  }

  function partial(facts: Facts): PartialCompletion {
    const usage = finish?.usage ?? facts.usage ?? {}
    const content = [...slots].sort(([a], [b]) => a - b).flatMap(([, slot]) => partsOf(slot))
    const message: AssistantMessage = { role: 'assistant', content }
    const answer: PartialCompletion = {
      text: joined(content, 'text'),
      message,
      reasoning: joined(content, 'reasoning'),
      toolCalls: content.flatMap((part) => (part.type === 'tool-call' ? [toolCallOf(part)] : [])),
      sources: [...sources],
      finishReason: finish?.finishReason,
      rawFinishReason: finish?.rawFinishReason,
      usage,
      timing: facts.timing?.(usage.outputTokens) ?? NO_TIMING,
      warnings: [...warnings],
      model: model ?? facts.model,
      provider: provider ?? facts.provider,
      id,
      attempts: facts.attempts,
      raw: facts.raw,
    }
    if (logprobs.length > 0) answer.logprobs = [...logprobs]
    const cost = facts.cost?.(usage, answer.model, answer.provider)
    if (cost !== undefined) answer.cost = cost
    if (facts.object !== undefined) answer.object = facts.object
    return answer
  }

  function completion(facts: Facts): Completion {
    const answer = partial(facts)
    if (answer.finishReason === undefined) {
      throw new LlmError({
        kind: 'interrupted',
        message: 'The answer ended without saying that it was whole.',
      })
    }
    return answer as Completion
  }

  return { push, partial, completion }
}

/** The completion of a list of events that came whole: a JSON body, a row of a batch. */
export function accumulate(events: Iterable<StreamEvent>, facts: Facts): Completion {
  const sum = createAccumulator()
  for (const event of events) sum.push(event)
  return sum.completion(facts)
}

function partsOf(slot: Slot): Part[] {
  if (slot.type === 'whole') return [slot.value]
  const text = slot.text.toString()
  if (slot.type === 'call') {
    const reason = 'The answer broke off before this call was finished.'
    return [{ type: 'tool-call', id: slot.id, name: slot.name, invalid: { raw: text, reason } }]
  }
  return text === '' ? [] : [{ type: slot.type, text }]
}

/** Without the fields of the event or the part around it. */
function toolCallOf(call: ToolCall): ToolCall {
  const { id, name } = call
  return call.invalid === undefined ? { id, name, args: call.args } : { id, name, invalid: call.invalid }
}

/** One text part is handed on as it is, so that a large answer is held once. */
function joined(content: readonly Part[], type: 'text' | 'reasoning'): string {
  let text = ''
  for (const part of content) if (part.type === type) text += (part as TextPart).text
  return text
}
