import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { FAULT_KINDS, LlmError, type ErrorKind, type LlmErrorInit } from '../src/errors.ts'

const KINDS: ErrorKind[] = [
  'config',
  'unsupported',
  'connect',
  'timeout',
  'protocol',
  'redirect',
  'too-large',
  'auth',
  'billing',
  'quota',
  'rate-limit',
  'overloaded',
  'server',
  'not-found',
  'invalid-request',
  'context-length',
  'content-filter',
  'invalid-output',
  'interrupted',
  'aborted',
  'budget',
  'all-targets-failed',
]

test.each(KINDS)('%s: retryable by kind, unless said otherwise', (kind) => {
  const worthwhile = ['connect', 'timeout', 'rate-limit', 'overloaded', 'server', 'interrupted'].includes(
    kind,
  )
  expect(new LlmError({ kind, message: 'x' }).retryable).toBe(worthwhile)
  expect(new LlmError({ kind, message: 'x', retryable: !worthwhile }).retryable).toBe(!worthwhile)
})

test('is an Error, with a name that platforms know for aborts', () => {
  const error = new LlmError({ kind: 'server', message: 'x' })
  expect(error).toBeInstanceOf(Error)
  expect([error.name, new LlmError({ kind: 'aborted', message: 'x' }).name]).toEqual([
    'LlmError',
    'AbortError',
  ])
  expect(error.stack).toContain('errors.test.ts')
  expect(Object.keys(error)).not.toContain('name')
})

test('is recognised across copies of the library, and nothing else is', () => {
  const copy = Object.assign(new Error('from a vendored copy'), { [Symbol.for('llmswap.LlmError')]: true })
  expect(LlmError.is(copy)).toBe(true)
  for (const value of [undefined, null, 'x', {}, new Error('x'), { kind: 'server' }])
    expect(LlmError.is(value)).toBe(false)
})

describe('with()', () => {
  test('changes some fields and keeps the rest, the cause included', () => {
    const cause = new Error('root')
    const error = new LlmError({ kind: 'server', message: 'x', status: 500, code: 'c', offset: 3, cause })
    const changed = error.with({ model: 'm', message: 'y' })
    expect(changed).toMatchObject({
      kind: 'server',
      message: 'y',
      status: 500,
      code: 'c',
      offset: 3,
      model: 'm',
    })
    expect(changed.cause).toBe(cause)
    expect(error.model).toBeUndefined()
  })
  test('an error without a cause gets none', () => {
    expect('cause' in new LlmError({ kind: 'server', message: 'x' }).with({})).toBe(false)
  })
})

describe('JSON', () => {
  const full: LlmErrorInit = {
    kind: 'interrupted',
    message: 'cut',
    provider: 'p',
    model: 'm',
    status: 200,
    retryable: false,
    retryAfterMs: 5,
    phase: 'idle',
    usage: { inputTokens: 1 },
    attempts: [{ provider: 'p', model: 'm', durationMs: 1, delayMs: 0, maybeBilled: true }],
    requestId: 'r',
    issues: [{ message: 'i', path: ['a', 0] }],
    code: 'c',
    offset: 2,
  }
  test('survives a process boundary, causes and all', () => {
    const error = new LlmError({
      ...full,
      cause: new LlmError({
        kind: 'timeout',
        message: 'idle',
        cause: Object.assign(new TypeError('t'), { code: 'ECONNRESET' }),
      }),
    })
    const back = LlmError.fromJSON(JSON.parse(JSON.stringify(error)))
    expect(back).toMatchObject(full)
    expect(back.toJSON()).toEqual(error.toJSON())
    expect(back.cause).toMatchObject({
      kind: 'timeout',
      cause: { name: 'TypeError', message: 't', code: 'ECONNRESET' },
    })
  })
  test('a reason that is no error is said in words', () => {
    const error = new LlmError({ kind: 'aborted', message: 'x', cause: 'user left' })
    expect(JSON.parse(JSON.stringify(error)).cause).toEqual({ name: 'string', message: 'user left' })
  })
  test('chains that go round end', () => {
    const loop: { cause?: unknown } & LlmError = new LlmError({ kind: 'server', message: 'x' })
    Object.defineProperty(loop, 'cause', { value: loop })
    expect(() =>
      new LlmError({ kind: 'server', message: 'y', cause: new Error('z', { cause: loop }) }).toJSON(),
    ).not.toThrow()
  })
  test.each([null, undefined, 5, 'x', {}, { kind: 5 }, []])('fromJSON refuses %j', (value) => {
    expect(() => LlmError.fromJSON(value)).toThrow(expect.objectContaining({ kind: 'config' }))
  })
  test('fromJSON reads own fields only', () => {
    const forged = JSON.parse('{"kind":"server","message":"x","__proto__":{"status":500}}') as object
    expect(LlmError.fromJSON(forged).status).toBeUndefined()
  })
  test('summary() is what may be shown to somebody else', () => {
    expect(new LlmError({ ...full, cause: 'secret' }).summary()).toEqual({
      kind: 'interrupted',
      message: 'cut',
      retryable: false,
    })
  })
})

test('the fault names of the literature map to kinds that exist', () => {
  for (const kind of Object.values(FAULT_KINDS)) expect(KINDS).toContain(kind)
  expect(FAULT_KINDS).toMatchObject({
    AbortError: 'aborted',
    StreamInterruptedError: 'interrupted',
    IncompleteStream: 'interrupted',
  })
})

test('inspecting one shows its fields and its cause', () => {
  const shown = inspect(new LlmError({ kind: 'auth', message: 'no key', cause: new Error('root') }))
  expect(shown).toContain('no key')
  expect(shown).toContain('root')
})
