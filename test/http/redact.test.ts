import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import { createRedactor } from '../../src/http/redact.ts'

const KEY = 'my-very-own-secret-4711'

function redactorOf(...secrets: string[]) {
  const redactor = createRedactor()
  for (const secret of secrets) redactor.add(secret)
  return redactor
}

describe('text', () => {
  test('a secret is masked by value, with and without its scheme', () => {
    const redactor = redactorOf(`Bearer ${KEY}`)
    expect(redactor.text(`key ${KEY}; header "Bearer ${KEY}"`)).toBe('key ***; header "***"')
  })
  test('a value of a few letters is no secret: it would mask ordinary words', () => {
    expect(redactorOf('test').text('a test')).toBe('a test')
  })
  test.each([
    'sk-proj-abcdefghijklmnop',
    'sk-ant-api03-abcdefgh_ijkl',
    'gsk_abcdefghijklmnop',
    'xai-abcdefghijklmnop',
    'AIzaSyAbcdefghijklmnopqrstu',
    'hf_abcdefghijkl',
    'nvapi-abcdefghijkl',
    'AKIAIOSFODNN7EXAMPLE',
    'Bearer abcdefghijkl',
  ])('%s is masked by its shape', (key) => {
    expect(createRedactor().text(`Incorrect API key provided: ${key} (x)`)).toBe(
      'Incorrect API key provided: *** (x)',
    )
  })
  test('ordinary words stay', () => {
    const text = 'The risk-averse ask-me-anything desk_lamp is a task-oriented sk-8.'
    expect(createRedactor().text(text)).toBe(text)
  })
  test('a megabyte of near-misses takes no time to speak of', () => {
    const text = 'sk-'.repeat(350_000)
    const startMs = performance.now()
    createRedactor().text(text)
    expect(performance.now() - startMs).toBeLessThan(1000)
  })
})

describe('errors', () => {
  test('messages and the whole chain of causes are masked, stacks included', () => {
    const root = Object.assign(new TypeError(`Headers.append: "${KEY}" is an invalid header value.`), {
      code: 'ERR_X',
      headers: { authorization: KEY },
      request: { url: `https://x/?key=${KEY}` },
    })
    const middle = new Error(`fetch https://host/path?key=${KEY}&x=1 failed`, { cause: root })
    const error = new LlmError({ kind: 'connect', message: `Said ${KEY}.`, cause: middle })
    const safe = redactorOf(KEY).error(error)
    const everything = [
      inspect(safe, { depth: 9, showHidden: true }),
      JSON.stringify(safe),
      String(safe),
      safe.stack,
      (safe.cause as Error).stack,
    ].join('\n')
    expect(everything).not.toContain(KEY)
    expect(safe).toBeInstanceOf(LlmError)
    expect((safe.cause as Error).message).toBe('fetch https://host/path failed')
    expect((safe.cause as Error).cause).toMatchObject({ name: 'TypeError', code: 'ERR_X' })
  })
  test('user names and passwords in URLs go', () => {
    const error = new LlmError({
      kind: 'connect',
      message: 'x',
      cause: new TypeError(
        'Request cannot be constructed from a URL that includes credentials: http://user:pw@h/',
      ),
    })
    expect((redactorOf().error(error).cause as Error).message).not.toContain('pw')
  })
  test('the reason of an abort is handed back as it came', () => {
    const reason = { mine: true }
    const error = new LlmError({ kind: 'aborted', message: 'x', cause: reason })
    expect(redactorOf(KEY).error(error).cause).toBe(reason)
  })
  test('an error within an error keeps its kind', () => {
    const inner = new LlmError({ kind: 'rate-limit', message: `${KEY} is over its limit` })
    const outer = new LlmError({ kind: 'interrupted', message: 'cut', cause: inner })
    const safe = redactorOf(KEY).error(outer)
    expect(safe.cause).toMatchObject({ kind: 'rate-limit', message: '*** is over its limit' })
  })
  test('an error that holds no secret is the same object', () => {
    const error = new LlmError({ kind: 'server', message: 'plain' })
    expect(redactorOf(KEY).error(error)).toBe(error)
  })
  test('causes that point at themselves end', () => {
    const loop = new Error('loop')
    loop.cause = loop
    const safe = redactorOf(KEY).error(new LlmError({ kind: 'connect', message: 'x', cause: loop }))
    expect(inspect(safe)).toContain('loop')
  })
})
