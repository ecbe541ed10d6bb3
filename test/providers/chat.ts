/**
 * Chat Completions under test: chunks written by hand, through the whole client, over a fetch that is not one.
 *
 * In:  the body a server would send. Out: the completion, after every chunking gave the same one; or its error.
 */
import { expect } from 'vitest'
import { createClient } from '../../src/client.ts'
import { LlmError } from '../../src/errors.ts'
import type { Provider } from '../../src/provider.ts'
import { openaiChat, type OpenAIChatOptions } from '../../src/providers/openai-chat.ts'
import type { Completion, Input, Options, StreamEvent } from '../../src/types.ts'

/** The codec under test, of a server nobody knows. */
export function server(options: OpenAIChatOptions = {}): Provider {
  return openaiChat({ baseURL: 'https://server.test/v1', keyOptional: true, ...options })
}

/** One `data:` line of a chunk with this delta. */
export function delta(fields: object, choice: object = {}, chunk: object = {}): string {
  return data({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    model: 'm-1',
    choices: [{ index: 0, delta: fields, finish_reason: null, ...choice }],
    ...chunk,
  })
}

/** One fragment of a tool call. */
export function call(fragment: object): string {
  return delta({ tool_calls: [fragment] })
}

/** The chunk that says why it stopped. */
export function finish(reason: string, chunk: object = {}): string {
  return delta({}, { finish_reason: reason }, chunk)
}

export function data(value: unknown): string {
  return `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`
}

export const DONE: string = data('[DONE]')

/** What the server answers instead of a 200 event stream. */
export interface Reply {
  status?: number
  type?: string
}

/** The completion, the same whole and cut in every way. */
export async function answer(
  body: string,
  provider: Provider = server(),
  options: Options = {},
  input: Input = 'Hi',
  reply: Reply = {},
): Promise<Completion> {
  const bytes = new TextEncoder().encode(body)
  let first: Completion | undefined
  for (const chunks of [[bytes], everyByte(bytes), cutAt(bytes, 7), cutAt(bytes, 61)]) {
    const client = createClient({ provider, retry: false, model: 'm', fetch: fakeFetch(chunks, reply) })
    const completion = await client.complete(input, options)
    if (first === undefined) first = completion
    else expect(plain(completion)).toEqual(plain(first))
  }
  return first!
}

/** The error, the same whole and cut in every way. */
export async function failure(
  body: string,
  provider: Provider = server(),
  options: Options = {},
  reply: Reply = {},
): Promise<LlmError> {
  const bytes = new TextEncoder().encode(body)
  let first: LlmError | undefined
  for (const chunks of [[bytes], everyByte(bytes), cutAt(bytes, 7)]) {
    const client = createClient({ provider, retry: false, model: 'm', fetch: fakeFetch(chunks, reply) })
    const error = await client.complete('Hi', options).then(
      (completion) => expect.fail(`answered ${JSON.stringify(completion.text)} (${completion.finishReason})`),
      (reason: unknown) => reason,
    )
    expect(LlmError.is(error), String(error)).toBe(true)
    if (first === undefined) first = error as LlmError
    else expect((error as LlmError).kind).toBe(first.kind)
  }
  return first!
}

/** The events of a whole body, straight from the codec. */
export function events(body: string, provider: Provider = server()): StreamEvent[] {
  const frames = provider.frames()
  const decoder = provider.decoder()
  const list = [...frames.push(new TextEncoder().encode(body)), ...frames.end()]
  return [...list.flatMap((frame) => decoder.push(frame)), ...decoder.end()]
}

function fakeFetch(chunks: readonly Uint8Array[], { status = 200, type = 'text/event-stream' }: Reply) {
  return (() => {
    let at = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const chunk = chunks[at++]
        if (chunk === undefined) controller.close()
        else controller.enqueue(chunk.slice())
      },
    })
    return Promise.resolve(new Response(body, { status, headers: { 'content-type': type } }))
  }) as typeof globalThis.fetch
}

function everyByte(bytes: Uint8Array): Uint8Array[] {
  return cutAt(bytes, 1)
}

function cutAt(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  )
}

/** Without what differs between two runs: times, and ids that were made up. */
function plain(completion: Completion): unknown {
  const { timing: _, attempts: __, ...rest } = completion
  return JSON.parse(JSON.stringify(rest).replace(/"call_[a-z0-9]{24}"/g, '"made up"'))
}
