import { describe, expectTypeOf, test } from 'vitest'
import type { Client } from '../src/client.ts'
import type { ErrorKind, LlmError } from '../src/errors.ts'
import { complete, createClient, stream } from '../src/index.ts'
import type {
  AssistantMessage,
  Completion,
  CompletionStream,
  Infer,
  Input,
  Json,
  Media,
  Message,
  Model,
  Options,
  Part,
  ProviderName,
  Request,
  StreamEvent,
  ToolCall,
  Usage,
} from '../src/types.ts'

describe('input', () => {
  test('text, messages, or a conversation', () => {
    expectTypeOf('hi').toExtend<Input>()
    expectTypeOf<Message[]>().toExtend<Input>()
    expectTypeOf<{ messages: Message[]; system: string }>().toExtend<Input>()
    expectTypeOf<number>().not.toExtend<Input>()
    expectTypeOf<{ prompt: string }>().not.toExtend<Input>()
  })
  test('what a model wrote goes back in', () => {
    expectTypeOf<Completion['message']>().toExtend<Message>()
    expectTypeOf<AssistantMessage['content']>().toEqualTypeOf<Part[]>()
  })
  test('media come by exactly one way', () => {
    expectTypeOf<{ url: string }>().toExtend<Media>()
    expectTypeOf<{ data: Uint8Array; mediaType: string }>().toExtend<Media>()
    expectTypeOf<{ data: string }>().not.toExtend<Media>()
    expectTypeOf<{ url: string; fileId: string }>().not.toExtend<Media>()
  })
})

describe('options', () => {
  test('known names are suggested, any string is accepted', () => {
    expectTypeOf<'anthropic'>().toExtend<ProviderName>()
    expectTypeOf<'my-own'>().toExtend<ProviderName>()
    expectTypeOf<'some-model-of-tomorrow'>().toExtend<Model>()
  })
  test('misspelt options are errors', () => {
    // @ts-expect-error max_tokens is the wire's name
    const options: Options = { max_tokens: 5 }
    void options
  })
  test('undefined is not a value', () => {
    // @ts-expect-error exactOptionalPropertyTypes
    const options: Options = { temperature: undefined }
    void options
  })
})

describe('events', () => {
  test('are told apart by type', () => {
    const event = {} as StreamEvent
    if (event.type === 'text-delta') expectTypeOf(event.text).toBeString()
    if (event.type === 'finish') expectTypeOf(event.usage).toEqualTypeOf<Usage>()
    if (event.type === 'tool-call' && event.invalid === undefined) expectTypeOf(event.args).toBeUnknown()
    // @ts-expect-error only text deltas have text
    void event.text
  })
  test('a call has arguments or a reason why not', () => {
    const call = {} as ToolCall
    if (call.invalid !== undefined)
      expectTypeOf(call.invalid).toEqualTypeOf<{ raw: string; reason: string }>()
    expectTypeOf<{ id: string; name: string }>().not.toExtend<ToolCall>()
  })
})

describe('schemas', () => {
  type Standard = {
    '~standard': {
      version: 1
      vendor: 'x'
      validate: (value: unknown) => { value: { a: number } }
      types?: { input: unknown; output: { a: number } }
      jsonSchema: { input: () => Record<string, unknown> }
    }
  }
  test('a Standard Schema gives its output type', () => {
    expectTypeOf<Infer<Standard>>().toEqualTypeOf<{ a: number }>()
  })
  test('a JSON Schema with a validator gives what the validator gives, a raw one unknown', () => {
    expectTypeOf<
      Infer<{ jsonSchema: { type: 'object' }; validate: (value: unknown) => { value: { b: string } } }>
    >().toEqualTypeOf<{
      b: string
    }>()
    expectTypeOf<Infer<{ type: 'object' }>>().toBeUnknown()
    expectTypeOf<Infer<unknown>>().toBeUnknown()
  })
  test('the object of a call has the type of its schema', () => {
    const schema = {} as Standard
    expectTypeOf(complete('x', { schema })).resolves.toEqualTypeOf<Completion<{ a: number }>>()
    expectTypeOf(stream('x', { schema })).toEqualTypeOf<CompletionStream<{ a: number }>>()
    expectTypeOf(stream('x', { schema }).completion).resolves.toEqualTypeOf<Completion<{ a: number }>>()
    expectTypeOf(createClient().complete('x', { schema })).resolves.toEqualTypeOf<Completion<{ a: number }>>()
    expectTypeOf(complete('x')).resolves.toEqualTypeOf<Completion>()
  })
})

describe('answers', () => {
  test('a completion has a finish reason, an error may have a partial without one', () => {
    expectTypeOf<Completion['finishReason']>().not.toBeNullable()
    expectTypeOf<NonNullable<LlmError['partial']>['finishReason']>().toBeNullable()
    expectTypeOf<ErrorKind>().toExtend<string>()
  })
  test('a stream is read by loops', () => {
    expectTypeOf<CompletionStream>().toExtend<AsyncIterable<StreamEvent>>()
    expectTypeOf<CompletionStream['text']>().toEqualTypeOf<AsyncIterable<string>>()
  })
  test('what is not reported is undefined', () => {
    expectTypeOf<Usage['inputTokens']>().toEqualTypeOf<number | undefined>()
  })
  test('a message is JSON', () => {
    expectTypeOf<Extract<Part, { type: 'text' }>['text']>().toExtend<Json>()
  })
})

test('a codec sees rendered schemas only', () => {
  expectTypeOf<NonNullable<Request['stop']>>().toEqualTypeOf<string[]>()
  expectTypeOf<Request['stream']>().toEqualTypeOf<boolean>()
})

test('a client has the verbs', () => {
  expectTypeOf<keyof Client & string>().toEqualTypeOf<
    'complete' | 'stream' | 'embed' | 'countTokens' | 'listModels'
  >()
})
