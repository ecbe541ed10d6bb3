import { expect, test } from 'vitest'
import { createStopwatch } from '../../src/stream/timing.ts'

test('headers, first content, total: all from the start of the call', () => {
  const watch = createStopwatch(1000)
  watch.headers(1100)
  watch.content(1300, 1)
  watch.end(2300)
  watch.end(9999)
  expect(watch.timing(5000, 50)).toEqual({
    headersMs: 100,
    firstTokenMs: 300,
    totalMs: 1300,
    tokensPerSecond: 50,
    interTokenMs: undefined,
  })
})

test('the headers of the last attempt count', () => {
  const watch = createStopwatch(0)
  watch.headers(10)
  watch.headers(500)
  expect(watch.timing(600, undefined).headersMs).toBe(500)
})

test('without usage there is no rate; without content nothing but the total', () => {
  expect(createStopwatch(0).timing(7, undefined)).toEqual({
    headersMs: undefined,
    firstTokenMs: undefined,
    totalMs: 7,
    tokensPerSecond: undefined,
    interTokenMs: undefined,
  })
})

test('percentiles are right to six percent, whatever the number of gaps', () => {
  for (const scale of [0.1, 1, 20, 5000]) {
    const watch = createStopwatch(0)
    const gaps = Array.from({ length: 1000 }, (_, n) => scale * (1 + n / 100))
    let now = 0
    watch.content(now, 1)
    for (const gap of gaps) watch.content((now += gap), 1)
    const { interTokenMs } = watch.timing(now, undefined)
    expect(interTokenMs!.p50 / gaps[499]!).toBeGreaterThan(0.94)
    expect(interTokenMs!.p50 / gaps[499]!).toBeLessThan(1.07)
    expect(interTokenMs!.p95 / gaps[949]!).toBeGreaterThan(0.94)
    expect(interTokenMs!.p95 / gaps[949]!).toBeLessThan(1.07)
    expect(interTokenMs!.max).toBeCloseTo(gaps[999]!, 5)
  }
})

test('events of one window came together: their gaps are nothing', () => {
  const watch = createStopwatch(0)
  watch.content(0, 10)
  watch.content(100, 10)
  expect(watch.timing(100, undefined).interTokenMs).toEqual({ p50: 0, p95: 100, max: 100 })
})

test('a clock that stands still or goes back makes no negative gap', () => {
  const watch = createStopwatch(100)
  watch.content(100, 1)
  watch.content(90, 1)
  expect(watch.timing(100, 5)).toMatchObject({ tokensPerSecond: undefined, interTokenMs: { p50: 0, max: 0 } })
})
