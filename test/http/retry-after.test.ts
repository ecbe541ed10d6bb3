import { describe, expect, test } from 'vitest'
import { retryAfterMs } from '../../src/http/retry-after.ts'

const NOW = Date.UTC(2026, 10, 23, 12, 0, 0)
const read = (headers: Record<string, string>): number | undefined => retryAfterMs(new Headers(headers), NOW)

describe('what is a wait', () => {
  test.each([
    [{ 'retry-after': '1' }, 1000],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': '1.5' }, 1500],
    [{ 'retry-after': ' 2 ' }, 2000],
    [{ 'retry-after': 'Mon, 23 Nov 2026 12:00:02 GMT' }, 2000],
    [{ 'retry-after-ms': '250' }, 250],
    [{ 'retry-after-ms': '0' }, 0],
    [{ 'x-ms-retry-after-ms': '750' }, 750],
    [{ 'retry-after': '999999999' }, 0x7fffffff],
    [{ 'retry-after': '2147483648' }, 0x7fffffff],
    [{ 'retry-after': '9'.repeat(400) }, 0x7fffffff],
  ])('%j is %d ms', (headers, ms) => expect(read(headers)).toBe(ms))
})

describe('what is not', () => {
  test.each([
    '-5',
    '',
    'abc',
    '5s',
    '20 Oct',
    '1, 2',
    'Infinity',
    '1e400',
    'NaN',
    '+3',
    '0x10',
    '.5',
    '1e3',
    '5 6',
  ])('%j is ignored', (value) => expect(read({ 'retry-after': value })).toBeUndefined())
  test('a date in the past says nothing', () => {
    expect(read({ 'retry-after': 'Mon, 23 Nov 2026 11:59:59 GMT' })).toBeUndefined()
  })
  test.each([
    'Monday, 23 Nov 2026 12:00:02 GMT',
    'Mon, 23 Nov 2026 12:00:02',
    'Mon, 99 Nov 2026 12:00:02 GMT',
    '2026-11-23T12:00:02Z',
    'Mon Nov 23 12:00:02 2026',
  ])('%j is no HTTP date', (value) => expect(read({ 'retry-after': value })).toBeUndefined())
  test('no header, no wait', () => expect(read({})).toBeUndefined())
})

describe('which one counts', () => {
  test('milliseconds before seconds', () => {
    expect(read({ 'retry-after-ms': '250', 'retry-after': '9', 'x-ms-retry-after-ms': '700' })).toBe(250)
    expect(read({ 'x-ms-retry-after-ms': '700', 'retry-after': '9' })).toBe(700)
  })
  test('an unreadable one does not hide a readable one', () => {
    expect(read({ 'retry-after-ms': 'soon', 'retry-after': '9' })).toBe(9000)
  })
  test('retry-after before reset headers', () => {
    expect(
      read({ 'retry-after': '9', 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '1s' }),
    ).toBe(9000)
  })
})

describe('resets of limits', () => {
  test.each([
    ['6m0s', 360_000],
    ['59ms', 59],
    ['1.2s', 1200],
    ['1h2m3s', 3_723_000],
    ['7', 7000],
    [String(NOW + 4000), 4000],
    [String(NOW / 1000 + 5), 5000],
  ])('of a limit that is used up: %s', (reset, ms) => {
    expect(read({ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': reset })).toBe(ms)
    expect(read({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset })).toBe(ms)
  })
  test('RFC 3339, as Anthropic writes them', () => {
    const reset = '2026-11-23T12:00:30Z'
    expect(
      read({ 'anthropic-ratelimit-tokens-remaining': '0', 'anthropic-ratelimit-tokens-reset': reset }),
    ).toBe(30_000)
  })
  test('a limit with room left says nothing', () => {
    expect(
      read({ 'x-ratelimit-remaining-requests': '1', 'x-ratelimit-reset-requests': '6m0s' }),
    ).toBeUndefined()
    expect(read({ 'x-ratelimit-reset-requests': '6m0s' })).toBeUndefined()
  })
  test('of two that are used up the later one counts', () => {
    expect(
      read({
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': '1s',
        'x-ratelimit-remaining-tokens': '0',
        'x-ratelimit-reset-tokens': '3s',
      }),
    ).toBe(3000)
    expect(
      read({
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': '4s',
        'x-ratelimit-remaining-tokens': '0',
        'x-ratelimit-reset-tokens': '3s',
      }),
    ).toBe(4000)
  })
  test.each(['1x', 's', '', 'tomorrow', '1 s'])('%j is no duration', (reset) => {
    expect(read({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset })).toBeUndefined()
  })
})
