import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { catalog, createCatalog, estimate, price } from '../../src/cost/index.ts'
import type { CatalogRow } from '../../src/cost/index.ts'
import { add, formatDecimal, multiply, parseDecimal } from '../../src/cost/decimal.ts'
import { LlmError } from '../../src/errors.ts'

const row: CatalogRow = {
  provider: 'anthropic',
  model: 'm',
  rates: { input: '3', output: '15', cacheRead: '0.3', cacheWrite: '3.75', cacheWrite1h: '6' },
  longContext: { aboveInputTokens: 200_000, input: '6', output: '22.5', cacheRead: '0.6', cacheWrite: '7.5' },
  batch: { input: '1.5', output: '7.5' },
  audioInput: '40',
  imageOutput: '60',
  capabilities: [],
  asOf: '2026-11-10',
  source: 'test',
}
const own = createCatalog([row])
const at = (usage: object, options: object = {}): unknown => price(usage, 'm', { catalog: own, ...options })

describe('price', () => {
  it('charges each input token once, at its own rate, and reasoning not twice', () => {
    expect(
      at({
        inputTokens: 1000,
        cachedInputTokens: 600,
        cacheWriteTokens: 100,
        outputTokens: 50,
        reasoningTokens: 40,
      }),
    ).toEqual({
      total: 0.002205,
      currency: 'USD',
      exact: '0.002205',
      items: [
        { name: 'input', tokens: 300, amount: '0.0009' },
        { name: 'cache read', tokens: 600, amount: '0.00018' },
        { name: 'cache write', tokens: 100, amount: '0.000375' },
        { name: 'output', tokens: 50, amount: '0.00075' },
      ],
      from: 'catalog',
      asOf: '2026-11-10',
    })
  })

  it('takes the one-hour price for one-hour cache writes', () => {
    expect(
      at({ inputTokens: 100, cacheWriteTokens: 100, outputTokens: 0 }, { cacheTtl: '1h' }),
    ).toMatchObject({
      exact: '0.0006',
    })
  })

  it('applies a long-context tier to the whole request, and only above the threshold', () => {
    expect(at({ inputTokens: 200_000, outputTokens: 0 })).toMatchObject({ exact: '0.6' })
    expect(at({ inputTokens: 200_001, outputTokens: 1000 })).toMatchObject({ exact: '1.222506' })
  })

  it('takes batch prices from the row and invents none', () => {
    expect(at({ inputTokens: 1000, outputTokens: 1000 }, { batch: true })).toMatchObject({ exact: '0.009' })
    expect(at({ inputTokens: 1, outputTokens: 1 }, { tier: 'flex' })).toMatchObject({ total: undefined })
  })

  it('prices sound apart, and says so when it has no price for it', () => {
    expect(at({ inputTokens: 100, outputTokens: 0 }, { audioInputTokens: 50 })).toMatchObject({
      exact: '0.00215',
    })
    expect(at({ inputTokens: 0, outputTokens: 9 }, { audioOutputTokens: 9 })).toEqual({
      total: undefined,
      reason: 'm has no price for audio output.',
    })
  })

  it('prices pictures that were drawn apart from the words about them', () => {
    expect(at({ inputTokens: 0, outputTokens: 1_300 }, { imageOutputTokens: 1_290 })).toMatchObject({
      exact: '0.07755',
      items: [
        { name: 'output', tokens: 10, amount: '0.00015' },
        { name: 'image output', tokens: 1_290, amount: '0.0774' },
      ],
    })
    const mute = createCatalog([{ ...row, imageOutput: undefined } as never])
    expect(price({ inputTokens: 0, outputTokens: 9 }, 'm', { catalog: mute, imageOutputTokens: 9 })).toEqual({
      total: undefined,
      reason: 'm has no price for image output.',
    })
  })

  it.each([['audioInput'], ['audioOutput'], ['imageOutput']])(
    'refuses a row whose %s is no price',
    (field) => {
      for (const bad of ['NaN', '-1', 'free'])
        expect(() => createCatalog([{ ...row, [field]: bad }])).toThrow(`decimal text: ${field}`)
    },
  )

  it.each([
    [{}, 'inputTokens'],
    [{ inputTokens: 5 }, 'outputTokens'],
    [{ inputTokens: Number.NaN, outputTokens: 1 }, 'inputTokens'],
    [{ inputTokens: -1, outputTokens: 1 }, 'inputTokens'],
  ])('gives a reason and no total for %j', (usage, field) => {
    const cost = at(usage) as { total: unknown; reason: string }
    expect(cost.total).toBeUndefined()
    expect(cost.reason).toContain(field)
  })

  it('never charges for fewer than no tokens when a server reports more cached than input', () => {
    expect(at({ inputTokens: 10, cachedInputTokens: 99, outputTokens: 0 })).toMatchObject({
      exact: '0.000003',
    })
  })

  it('lets a cost the provider reported win', () => {
    expect(at({}, { reported: 0.0123 })).toEqual({
      total: 0.0123,
      currency: 'USD',
      exact: '0.0123',
      from: 'provider',
    })
  })

  it('knows no price for an unknown model, and says which', () => {
    expect(price({ inputTokens: 1, outputTokens: 1 }, 'gpt-99')).toEqual({
      total: undefined,
      reason: 'The catalog has no row for gpt-99.',
    })
  })

  it('estimates before sending, exactly so when given a tokenizer', () => {
    expect(estimate('abcdef', 'm', { catalog: own, outputTokens: 0 })).toMatchObject({ exact: '0.000006' })
    expect(estimate('abcdef', 'm', { catalog: own, outputTokens: 10, countTokens: () => 1 })).toMatchObject({
      exact: '0.000153',
    })
  })

  it('is additive: the items sum to the total, exactly, for any usage', () => {
    fc.assert(
      fc.property(
        fc.nat(10_000_000),
        fc.nat(10_000_000),
        fc.nat(10_000_000),
        fc.nat(10_000_000),
        (inputTokens, cached, written, outputTokens) => {
          const cost = own.price(
            { inputTokens, cachedInputTokens: cached, cacheWriteTokens: written, outputTokens },
            'm',
          )
          if (cost.total === undefined) throw new Error(cost.reason)
          let sum = parseDecimal('0')!
          for (const item of cost.items ?? []) sum = add(sum, parseDecimal(item.amount)!)
          expect(formatDecimal(sum)).toBe(cost.exact)
          expect((cost.items ?? []).reduce((tokens, item) => tokens + (item.tokens ?? 0), 0)).toBe(
            inputTokens + outputTokens,
          )
        },
      ),
    )
  })
})

describe('decimals', () => {
  it('does not know the binary error of 0.1 + 0.2', () => {
    expect(formatDecimal(add(parseDecimal('0.1')!, parseDecimal('0.2')!))).toBe('0.3')
  })

  it('agrees with bigint arithmetic on scaled integers', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(9), fc.nat(), fc.nat(9), (a, i, b, j) => {
        const left = { digits: BigInt(a), scale: i }
        const right = { digits: BigInt(b), scale: j }
        const product = parseDecimal(formatDecimal(multiply(left, right)))!
        expect(product.digits * 10n ** BigInt(i + j - product.scale)).toBe(BigInt(a) * BigInt(b))
      }),
      // Nineteen digits: one more than an earlier parser took.
      { examples: [[2 ** 31 - 1, 0, 2 ** 31 - 1, 0]] },
    )
  })

  it.each(['', '-1', 'NaN', 'Infinity', '1,5', '0x1', ' 1', '1e999'])('refuses %j', (text) => {
    expect(parseDecimal(text)).toBeUndefined()
  })
})

describe('catalog', () => {
  it('covers at least 150 models of at least 15 providers, all with date, source and sane prices', () => {
    const rows = catalog.rows()
    expect(rows.length).toBeGreaterThanOrEqual(150)
    expect(new Set(rows.map((one) => one.provider)).size).toBeGreaterThanOrEqual(15)
    for (const one of rows) {
      expect(one.asOf).toMatch(/^\d{4}-\d{2}-\d{2}$/)
      expect(one.source).not.toBe('')
      for (const rate of [one.rates.input, one.rates.output]) expect(Number(rate)).toBeGreaterThanOrEqual(0)
      expect(Number(one.rates.input)).toBeLessThan(1000)
      if (one.longContext !== undefined) expect(one.longContext.aboveInputTokens).toBeGreaterThan(10_000)
    }
  })

  it('finds dated, routed and regional ids under their base row, and prefers an exact one', () => {
    const own2 = createCatalog([row, { ...row, model: 'm-2026-01-01', rates: { input: '9', output: '9' } }])
    expect(own2.find('m-2026-02-02')?.rates.input).toBe('3')
    expect(own2.find('m-2026-01-01')?.rates.input).toBe('9')
    expect(own2.find('anthropic/m')?.model).toBe('m')
    expect(own2.find('us.m')?.model).toBe('m')
    expect(own2.find('m', 'openai')).toBeUndefined()
    expect(own2.find('constructor')).toBeUndefined()
  })

  it.each([
    [{ ...row, rates: { input: '-1', output: '1' } }, 'rates.input'],
    [{ ...row, rates: { input: 'NaN', output: '1' } }, 'rates.input'],
    [{ ...row, rates: { input: 1 as never, output: '1' } }, 'rates.input'],
    [{ ...row, batch: { input: '1', output: 'x' } }, 'batch.output'],
    [{ ...row, model: '' }, 'no id'],
  ])('refuses a bad row, naming it', (bad, problem) => {
    try {
      createCatalog([bad])
      expect.unreachable()
    } catch (error) {
      expect(LlmError.is(error) && error.kind).toBe('config')
      expect((error as Error).message).toContain(problem)
    }
  })
})
