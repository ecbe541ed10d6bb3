import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { lossChart } from '../../src/learn/chart.ts'
import { createTape, gpt100 } from '../../src/learn/gpt100.ts'
import { wasmMemory } from '../../src/learn/gemm-wasm.ts'
import { createModel, createVocabulary, generate, load, loss } from '../../src/learn/llm500.ts'
import { dequantize } from '../../src/learn/quantize.ts'
import { createRandom } from '../../src/learn/random.ts'
import { tale, tales } from '../../src/learn/tales.ts'
import { presets, splitCorpus, stepFlops, trainPreset, trigramLoss } from '../../src/learn/train.ts'

describe('the vocabulary', () => {
  const vocabulary = createVocabulary(tales(100_000))

  it('reads back what it wrote', () => {
    const text = tales(5_000, 3)
    expect(vocabulary.decode(vocabulary.encode(text))).toBe(text)
  })

  it.each([
    ['Café', 'Cafe'],
    ['“ﬁne” ‘day’', `"fine" 'day'`],
    ['①②', '12'],
    ['a—b', 'a b'],
    ['日本', '  '],
    ['👩‍🚀', '   '],
    ['', ''],
  ])('clamps %s to %s', (text, clamped) => {
    expect(vocabulary.decode(vocabulary.encode(text))).toBe(clamped)
  })

  it('takes the other case where only that is known, and nothing where not even a space is', () => {
    const small = createVocabulary('abC')
    expect(small.decode(small.encode('AB c?'))).toBe('abC')
  })

  it('refuses a corpus of no or one character, and ids it does not have', () => {
    expect(() => createVocabulary('')).toThrow(RangeError)
    expect(() => createVocabulary('aaaa')).toThrow(RangeError)
    expect(() => vocabulary.decode([1000])).toThrow(RangeError)
    expect(() => vocabulary.decode([NaN])).toThrow(RangeError)
  })
})

describe('the tales', () => {
  const corpus = tales(200_000)

  it('are as long as asked, the same for the same seed, and hardly ever told twice', () => {
    expect(corpus.length).toBeGreaterThanOrEqual(200_000)
    expect(tales(5_000, 2)).toBe(tales(5_000, 2))
    expect(tales(5_000, 2)).not.toBe(tales(5_000, 3))
    const all = corpus.trim().split('\n\n')
    expect(new Set(all).size / all.length).toBeGreaterThan(0.98)
  })

  it('leave no template unfilled and begin every sentence with a capital', () => {
    expect(corpus).not.toMatch(/[{}|[\]]|undefined/)
    expect(corpus).not.toMatch(/[a-z][.] [a-z]/)
    expect(corpus).not.toMatch(/\b[Aa] [aeiou]/)
    for (const one of corpus.trim().split('\n\n')) expect(one).toMatch(/^["A-Z][^]*[."]$/)
  })

  it('keep their hero', () => {
    const told = Array.from({ length: 50 }, (_, i) => tale(createRandom(i))).filter((text) =>
      text.includes('\n'),
    )
    const named = told.map((text) => /(?:named|called|name was|So) ([A-Z][a-z]+)/.exec(text)?.[1])
    told.forEach((text, i) => {
      if (named[i] !== undefined) expect(text.split(named[i]!).length).toBeGreaterThan(2)
    })
    expect(named.filter((name) => name !== undefined).length).toBeGreaterThan(told.length / 2)
  })
})

describe('gpt100', () => {
  const words = [
    ...new Set(
      tales(50_000)
        .toLowerCase()
        .match(/[a-z]{3,9}/g),
    ),
  ]

  it('learns, and then writes words of the letters it has seen; the same for the same seed', () => {
    const run = (seed: number): { losses: number[]; samples: string[] } => {
      const training = gpt100(words, { steps: 60, seed, samples: 5 })
      const losses: number[] = []
      let next = training.next()
      for (; next.done !== true; next = training.next()) losses.push(next.value)
      return { losses, samples: next.value }
    }
    const { losses, samples } = run(1)
    const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length
    expect(losses[0]).toBeGreaterThan(2.8)
    expect(mean(losses.slice(-20))).toBeLessThan(mean(losses.slice(0, 5)) - 0.3)
    expect(samples).toHaveLength(5)
    expect(samples.join('')).toMatch(/^[a-z]+$/)
    expect(run(1)).toEqual({ losses, samples })
    expect(run(2).samples).not.toEqual(samples)
  })

  it('refuses documents of fewer than two different characters', () => {
    expect(() => gpt100([]).next()).toThrow(RangeError)
    expect(() => gpt100(['aaa', 'a']).next()).toThrow(RangeError)
  })

  it('has a tape that differentiates: d(x·y + x)/dx = y + 1, reused inputs added up', () => {
    const { push, add, mul, backward, grad, rewind, data } = createTape(10)
    const [x, y] = [push(3), push(5)]
    const end = add(mul(x, y), x)
    backward(end)
    expect([data[end], grad[x], grad[y]]).toEqual([18, 6, 3])
    rewind(end)
    expect(push(1)).toBe(end)
    expect(() => Array.from({ length: 9 }, () => push(0))).toThrow(/full/)
  })
})

describe('a preset', () => {
  it('trains on the tales, reports every step and knows what it has to beat', () => {
    const preset = { ...presets['10s'], steps: 3, batch: 2 }
    const run = trainPreset(preset, { corpus: tales(10_000) })
    const reports: number[] = []
    let next = run.next()
    for (; next.done !== true; next = run.next()) reports.push(next.value.step)
    expect(reports).toEqual([1, 2, 3])
    expect(next.value.trigramLoss).toBeGreaterThan(1)
    expect(next.value.trigramLoss).toBeLessThan(3)
    expect(stepFlops(preset, 70)).toBeGreaterThan(1e6)
  })

  it('refuses a corpus that is too short', () => {
    expect(() => splitCorpus('', 32)).toThrow(/characters/)
    expect(() => splitCorpus('a', 32)).toThrow(/characters/)
    expect(() => splitCorpus('a'.repeat(10_000), 32)).toThrow(RangeError)
  })
})

describe('the trigram baseline', () => {
  it('knows a text that repeats, and nothing of one that does not', () => {
    const period = Int32Array.from({ length: 900 }, (_, i) => i % 3)
    expect(trigramLoss(period, period.slice(0, 90), 3)).toBeLessThan(0.02)
    const random = createRandom(1)
    const noise = Int32Array.from({ length: 50_000 }, () => Math.floor(random() * 4))
    expect(trigramLoss(noise.slice(0, 45_000), noise.slice(45_000), 4)).toBeCloseTo(Math.log(4), 1)
  })
})

describe('generation', () => {
  it('takes a prompt longer than the window and refuses an empty one', () => {
    const model = createModel({ layers: 1, heads: 1, channels: 8, context: 8, vocab: 5 })
    const tail = generate(model, [1, 2, 3, 4, 0, 1, 2, 3], { temperature: 0 }).next().value
    const long = generate(model, [4, 4, 4, 1, 2, 3, 4, 0, 1, 2, 3], { temperature: 0 }).next().value
    expect(long).toEqual(tail)
    expect(() => generate(model, []).next()).toThrow(/empty/)
    expect(() => generate(model, [7]).next()).toThrow(/not in 0\.\.4/)
  })
})

describe('the embedded model', () => {
  const file = readFileSync(new URL('../../fixtures/learn/tiny.llm', import.meta.url))
  const { model, header } = load(dequantize(file), { batch: 32, memory: wasmMemory })

  it('is under 1 MB and of the shape of the 5-minute preset', () => {
    const { layers, heads, channels, context, steps } = presets['5min']
    expect(file.length).toBeLessThan(1e6)
    expect(model.shape).toMatchObject({ layers, heads, channels, context })
    expect(header.step).toBe(steps)
  })

  it('knows tales it has not seen twice as well as trigrams do', () => {
    const { vocabulary, train: seen, val } = splitCorpus(tales(600_000), model.shape.context)
    expect(vocabulary.chars.join('')).toBe(header.chars)
    const ids = val.subarray(0, model.rows)
    const held = loss(model, ids, val.subarray(1, model.rows + 1))
    expect(held).toBeLessThan(trigramLoss(seen, val, model.shape.vocab) / 2)
  })
})

describe('the loss chart', () => {
  it('draws both losses and the baseline, and escapes its title', () => {
    const steps = [
      { step: 1, loss: 4, lr: 1, norm: 1 },
      { step: 2, loss: 2, lr: 1, norm: 1, valLoss: 2.5 },
    ]
    const svg = lossChart(steps, 'a < b & c', 3)
    expect(svg.match(/<polyline/g)).toHaveLength(2)
    expect(svg).toContain('trigrams 3.00')
    expect(svg).toContain('a &#60; b &#38; c')
    expect(svg).not.toMatch(/NaN|undefined/)
    expect(() => lossChart([], 'x')).toThrow(RangeError)
  })
})

describe('the limits on length', () => {
  it.each([
    ['gpt100.ts', 100],
    ['llm500.ts', 500],
  ])('%s has at most %i lines of code of at most 100 columns, one statement each', (file, limit) => {
    const source = readFileSync(new URL(`../../src/learn/${file}`, import.meta.url), 'utf8')
    const code = source.split('\n').filter((line) => !/^\s*(\/\/|\/?\*|$)/.test(line))
    expect(code.length).toBeLessThanOrEqual(limit)
    for (const line of code) {
      expect([...line].length, line).toBeLessThanOrEqual(100)
      expect(line.replace(/for \([^)]*\)|(['"`]).*?\1/g, ''), line).not.toContain(';')
    }
  })
})
