import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LlmError } from '../../src/errors.ts'
import {
  base64Of,
  endpoint,
  hostPart,
  jsonBody,
  mergeTurns,
  parseFrameJson,
  partsOf,
  pathSegment,
  splitSystem,
} from '../../src/providers/body.ts'

function kindOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (LlmError.is(error)) return error.kind
    throw error
  }
  return 'none'
}

describe('endpoint', () => {
  it('keeps the base path and both queries, and does not mind slashes', () => {
    expect(endpoint('https://api.example.com/v1/', '/chat?x=2', 'p')).toBe(
      'https://api.example.com/v1/chat?x=2',
    )
    expect(endpoint('https://api.example.com/v1?api-version=1', 'chat?x=2', 'p')).toBe(
      'https://api.example.com/v1/chat?api-version=1&x=2',
    )
  })

  it.each([
    'file:///etc/passwd',
    'javascript:alert(1)',
    'http://user:pw@host/',
    'https://host/#fragment',
    '//evil',
    'no url',
    '',
  ])('refuses %j as kind config without quoting it', (base) => {
    expect(kindOf(() => endpoint(base, 'chat', 'p'))).toBe('config')
    try {
      endpoint(base, 'chat', 'p')
    } catch (error) {
      if (base !== '') expect((error as Error).message).not.toContain(base)
    }
  })
})

describe('pathSegment', () => {
  it('stays one segment on the same host, whatever the model id holds', () => {
    for (const id of ['../../v1/files', 'a?x=', 'a#', '%2e%2e', '..\\', '.', '..', 'models/x:tuned']) {
      const url = new URL(endpoint('https://api.example.com/v1', `models/${pathSegment(id)}:go`, 'p'))
      expect(url.host).toBe('api.example.com')
      expect(url.pathname.startsWith('/v1/models/')).toBe(true)
      expect(url.pathname.split('/')).toHaveLength(4)
      expect(url.search + url.hash).toBe('')
    }
  })

  it('holds for any string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (id) => {
        const url = new URL(`https://h/v1/${pathSegment(id)}/end`)
        return url.pathname.split('/').length === 4 && url.pathname.startsWith('/v1/') && url.search === ''
      }),
    )
  })
})

describe('hostPart', () => {
  it('accepts regions and resource names, refuses anything that could name another host', () => {
    expect(hostPart('eu-central-1', 'region', 'bedrock')).toBe('eu-central-1')
    for (const bad of ['evil.com/#', 'a.b', '', '-a', 'a-', 'a@b', 'a:1', 'ä', 'a'.repeat(64)]) {
      expect(kindOf(() => hostPart(bad, 'region', 'bedrock'))).toBe('config')
    }
  })
})

describe('jsonBody', () => {
  it('merges raw fields last: objects merge, arrays replace, null deletes', () => {
    expect(
      JSON.parse(
        jsonBody({ a: 1, b: { x: 1, y: 2 }, c: [1, 2], d: 0 }, { a: null, b: { y: 3 }, c: [9], e: 'new' }),
      ),
    ).toEqual({ b: { x: 1, y: 3 }, c: [9], d: 0, e: 'new' })
  })

  it('keeps __proto__ as data and pollutes nothing', () => {
    const text = jsonBody(
      { a: {} },
      JSON.parse('{"a":{"__proto__":{"polluted":1}}}') as Record<string, unknown>,
    )
    expect(text).toBe('{"a":{"__proto__":{"polluted":1}}}')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('writes lone surrogates, in keys and values, as U+FFFD and leaves pairs alone', () => {
    expect(jsonBody({ 'k\ud83d': ['\ude00x', '😀', { z: '\ud83d' }] })).toBe(
      '{"k\ufffd":["\ufffdx","😀",{"z":"\ufffd"}]}',
    )
    expect(jsonBody({ literal: '\\ud83d' })).toBe('{"literal":"\\\\ud83d"}')
  })
})

describe('parseFrameJson', () => {
  it('names the length of what is not JSON, never the text', () => {
    try {
      parseFrameJson('{"secret": sk-1', 'openai')
      expect.unreachable()
    } catch (error) {
      expect(LlmError.is(error) && error.kind).toBe('protocol')
      expect((error as Error).message).toContain('15 characters')
      expect((error as Error).message).not.toContain('secret')
    }
  })
})

describe('base64Of', () => {
  it('equals Buffer over any bytes and strips a data: prefix', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 20_000 }),
        (bytes) => base64Of(bytes) === Buffer.from(bytes).toString('base64'),
      ),
      { numRuns: 50 },
    )
    expect(base64Of('data:image/png;base64,AAAA')).toBe('AAAA')
  })
})

describe('messages', () => {
  it('splitSystem joins the option and the leading system messages and leaves later ones in place', () => {
    const later = { role: 'system' as const, content: 'later' }
    const user = { role: 'user' as const, content: 'hi' }
    expect(
      splitSystem({
        model: 'm',
        stream: true,
        system: 'a',
        messages: [{ role: 'system', content: 'b' }, user, later],
      }),
    ).toEqual({ system: 'a\n\nb', messages: [user, later] })
    expect(splitSystem({ model: 'm', stream: true, system: '  ', messages: [user] }).system).toBeUndefined()
  })

  it('mergeTurns joins neighbours of one role and keeps the order of parts', () => {
    expect(
      mergeTurns([
        { role: 'user', content: 'a' },
        { role: 'user', content: [{ type: 'text', text: 'b' }] },
        { role: 'assistant', content: 'c' },
      ]),
    ).toEqual([
      { role: 'user', content: [...partsOf('a'), { type: 'text', text: 'b' }] },
      { role: 'assistant', content: 'c' },
    ])
  })
})
