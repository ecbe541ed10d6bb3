/** The embedded model's own log-likelihood as a fitness, the written mutators, and the report of a real race. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { builtIn, fromFile, raceInto, type TaskFile } from '../../scripts/optimize.ts'
import { fake } from '../../src/adapters/testing.ts'
import { createClient } from '../../src/client.ts'
import { wasmMemory } from '../../src/learn/gemm-wasm.ts'
import { load, loss } from '../../src/learn/llm500.ts'
import { balancedShots } from '../../src/learn/prompts.ts'
import { dequantize } from '../../src/learn/quantize.ts'
import { likelihood, modelMutator, optimize, wordDiff, type Graded } from '../../src/learn/optimize/index.ts'

const FULL = process.env['LLMSWAP_FULL'] === '1'
const file = readFileSync(new URL('../../fixtures/learn/tiny.llm', import.meta.url))
const { model, vocabulary } = load(dequantize(new Uint8Array(file)), { batch: 1, memory: wasmMemory })
const signal = new AbortController().signal
const score = (prompt: string, text: string): number =>
  likelihood(model, vocabulary)(prompt, { id: 'x', text }, { signal }) as number

describe('log-likelihood as fitness', () => {
  it('is the loss of the model with its sign turned', () => {
    const { context } = model.shape
    const text = 'Once upon a time there was a girl '.repeat(20).slice(0, context + 1)
    const ids = vocabulary.encode(text)
    // All but the last character of the text have a row in both; that one is judged alone.
    const mean = -loss(model, ids.slice(0, context), ids.slice(1))
    const first = score(text[0]!, text.slice(1, context)) * (context - 1)
    expect((first + score(text.slice(0, context), text[context]!)) / context).toBeCloseTo(mean, 2)
    let sum = 0
    for (let i = 1; i < 40; i++) sum += score(text.slice(0, i), text[i]!)
    expect(score(text[0]!, text.slice(1, 40))).toBeCloseTo(sum / 39, 4)
  })

  it('knows a good few-shot prefix from a bad one', () => {
    const shots = ['the golden key', 'the golden ring', 'the golden bird'].map((input) => ({
      input,
      output: 'x',
    }))
    const prefix = balancedShots(shots, 3)
      .map(({ input }) => `${input}, `)
      .join('')
    expect(score(prefix, 'the golden key')).toBeGreaterThan(score('qqq zzz ', 'the golden key') + 0.3)
  })

  it('refuses texts that do not fit the window', () => {
    expect(() => score('a', '')).toThrow(RangeError)
    expect(() => score('a', 'b'.repeat(model.shape.context))).toThrow(RangeError)
  })

  it('is improved by every search, on texts it never saw too', async () => {
    for (const strategy of FULL
      ? (['hill-climb', 'genetic', 'pareto'] as const)
      : (['hill-climb'] as const)) {
      const { holdout, comparison } = await optimize({ ...builtIn(FULL ? 160 : 60), strategy, seed: 1 })
      expect(comparison.low).toBeGreaterThan(0)
      expect(holdout!.comparison.difference).toBeGreaterThan(0)
    }
  })
})

describe('the model as mutator', () => {
  it('is asked in its role, with the instructions in tags, and heard between the last tags', async () => {
    const asked: string[] = []
    const { provider, transport } = fake((request) => {
      asked.push(JSON.stringify(request.messages))
      return 'Let me think of <prompt>old</prompt>. Better: <prompt>\nnew text\n</prompt> Done.'
    })
    const mutate = modelMutator(createClient({ provider, transport }), { task: 'sums' })
    const context = { random: Math.random, signal }
    const lessons = [{ example: { id: 'q1' }, score: 0, feedback: 'Wrong unit.' }]
    expect(await mutate({ operator: 'reflect', parents: ['one'], lessons }, context)).toEqual({
      prompt: '\nnew text\n',
    })
    await mutate({ operator: 'crossover', parents: ['one', 'two'] }, context)
    expect(asked[0]).toContain('Wrong unit.')
    expect(asked[1]).toMatch(/number=\\"1\\">\\none.*number=\\"2\\">\\ntwo/)
  })
})

describe('the report', () => {
  it('holds the figures of the run, and a second run pays for nothing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'optimize-'))
    try {
      const report = await raceInto(folder, builtIn(26, [1, 2]), () => undefined)
      const text = readFileSync(join(folder, 'report.md'), 'utf8')
      const svg = readFileSync(join(folder, 'report.svg'), 'utf8')
      expect(text).toContain(report.verdict)
      expect(text).toContain(`${report.charged} evaluations charged, ${report.made} made`)
      for (const { label, spent } of report.rows) {
        expect(text).toContain(`| ${label} |`)
        expect(text).toContain(spent.join(', '))
        expect(svg).toContain(`>${label}</text>`)
      }
      expect(svg.match(/<polyline/g)).toHaveLength(5)
      expect(JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))).toEqual(report)
      const again = await raceInto(folder, builtIn(26, [1, 2]), () => undefined)
      expect(again.made).toBe(0)
      expect(again.rows).toEqual(report.rows)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('runs a task file against a model, graded and priced', async () => {
    const task = JSON.parse(
      readFileSync(new URL('../../fixtures/learn/optimize/capitals.json', import.meta.url), 'utf8'),
    ) as TaskFile
    const { provider, transport } = fake((request) => {
      if (request.system === undefined)
        return `<prompt>Name the city alone. ${request.messages.length}</prompt>`
      const question = JSON.stringify(request.messages)
      const answer = question.includes('France') ? 'Paris' : 'Rome'
      return request.system.includes('alone') ? answer : `It is ${answer}.`
    })
    const { complete } = createClient({ provider, transport })
    const { model: _, ...local } = task
    const options = fromFile(local, complete as never)
    const { best, baseline } = await optimize({
      ...options,
      onEvent: () => undefined,
      strategy: 'hill-climb',
    })
    expect([baseline.mean, best.mean]).toEqual([0, 1])
    const graded = (await options.evaluate('x', task.examples[0]!, { signal })) as Graded
    expect(graded).toMatchObject({ score: 0, feedback: 'Expected "Paris", got "It is Paris.".' })
  })

  it('marks what changed, word by word', () => {
    expect(wordDiff('Think hard now', 'Think very hard')).toBe('Think {+very+} hard [-now-]')
    expect(wordDiff('same text', 'same text')).toBe('same text')
  })
})
