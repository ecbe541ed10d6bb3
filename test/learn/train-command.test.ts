import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { createModel, load } from '../../src/learn/llm500.ts'
import { dequantize } from '../../src/learn/quantize.ts'
import { fromSafetensors } from '../../src/learn/safetensors.ts'
import { tales } from '../../src/learn/tales.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'train-'))
afterAll(() => rmSync(folder, { recursive: true }))

function train(args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'scripts/train.ts', ...args], { cwd: root })
    let [out, err] = ['', '']
    child.stdout.on('data', (text) => (out += String(text)))
    child.stderr.on('data', (text) => (err += String(text)))
    child.on('close', (code) => resolve({ code, out, err }))
  })
}

function text(name: string, content: string): string {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

describe('npm run train', () => {
  it.each([
    [['2h'], 'There is no preset "2h"; give 10s, 1min, 5min.'],
    [['10s', '--text'], '--text needs the name of a text file.'],
    [['10s', '--text', text('empty', '')], 'The corpus has 0 characters; a window of 32 needs 640.'],
    [['10s', '--text', text('one', 'a'.repeat(900))], 'A corpus needs at least two different characters.'],
  ])('says in a sentence what is wrong with %j', { timeout: 60_000 }, async (args, sentence) => {
    expect(await train(args)).toEqual({ code: 1, out: '', err: `${sentence}\n` })
  })

  it.runIf(process.env['LLMSWAP_FULL'] === '1')(
    'trains ten seconds on a text of one’s own and leaves weights, chart and exports that read back',
    { timeout: 300_000 },
    async () => {
      const { code, out, err } = await train(['10s', folder, '--text', text('corpus', tales(20_000))])
      expect({ code, err }).toEqual({ code: 0, err: '' })
      expect(out).toMatch(/█{20} 800\/800 {2}loss \d\.\d{3} {2}held out \d\.\d{3} {2}\d+ tok\/s/)
      expect(out).toMatch(/Held-out loss \d\.\d{3}, trigrams \d\.\d{3} nats a character\./)
      const read = (name: string): Buffer => readFileSync(join(folder, name))
      const { model, vocabulary, header } = load(read('model.llm'))
      expect(header.step).toBe(800)
      expect(vocabulary.chars).toEqual(load(dequantize(read('model-int8.llm'))).vocabulary.chars)
      expect(read('model.gguf').toString('latin1', 0, 4)).toBe('GGUF')
      const other = createModel(model.shape)
      fromSafetensors(read('model.safetensors'), other)
      expect(other.f.subarray(0, other.params)).toEqual(model.f.subarray(0, model.params))
      expect(JSON.parse(read('config.json').toString())).toMatchObject({ model_type: 'gpt2' })
      expect(read('loss.svg').toString()).toMatch(/^<svg[^]*<polyline[^]*<\/svg>\s*$/)
    },
  )
})
