/**
 * `npm run test:gguf`: our model in somebody else's engine. In: the embedded weights. Out: exit code 0 when llama.cpp,
 * through `node-llama-cpp`, reads the exported GGUF, tokenizes as we do and gives the same probabilities (largest
 * difference below 1e-3: its GELU is a table of float16). The engine, about 85 MB, is installed into .cache on
 * first use and stands in no lockfile.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { toGguf } from '../src/learn/gguf.ts'
import { createCache, decode, load } from '../src/learn/llm500.ts'
import { dequantize } from '../src/learn/quantize.ts'

const VERSION = '3.22.1'
const LIMIT = 1e-3
const folder = resolve('.cache', 'llama')

interface Step {
  next: { token: number; probabilities?: Map<number, number> }
}
interface Sequence {
  controlledEvaluate(input: [number, object][]): Promise<(Step | undefined)[]>
}
interface LlamaModel {
  tokenize(text: string, special?: boolean): number[]
  createContext(options: object): Promise<{ getSequence(): Sequence }>
}
interface Engine {
  getLlama(
    options: object,
  ): Promise<{ loadModel(options: object): Promise<LlamaModel>; dispose(): Promise<void> }>
}

/** The bindings without their optional builds (CUDA, Vulkan: 725 MB), and the one build for this machine. */
function install(): void {
  if (existsSync(join(folder, 'node_modules', 'node-llama-cpp'))) return
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  const build = `@node-llama-cpp/${process.platform === 'darwin' ? 'mac' : process.platform}-${process.arch}`
  const flags = ['--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
  for (const name of ['node-llama-cpp', build]) {
    execFileSync('npm', ['install', ...flags, `${name}@${VERSION}`], { cwd: folder, stdio: 'inherit' })
  }
}

function softmax(logits: Float64Array): number[] {
  const max = Math.max(...logits)
  const exps = Array.from(logits, (logit) => Math.exp(logit - max))
  const sum = exps.reduce((a, b) => a + b)
  return exps.map((e) => e / sum)
}

async function main(): Promise<void> {
  install()
  const { model, vocabulary } = load(dequantize(readFileSync('fixtures/learn/tiny.llm')))
  const path = join(folder, 'tiny.gguf')
  writeFileSync(path, toGguf(model, vocabulary.chars))
  const entry = createRequire(join(folder, 'package.json')).resolve('node-llama-cpp')
  const { getLlama } = (await import(pathToFileURL(entry).href)) as Engine
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' })
  const theirs = await llama.loadModel({ modelPath: path })
  const text = '\nOnce upon a time there lived a clever and quiet miller,'.slice(0, model.shape.context - 1)
  const ours = [...vocabulary.encode(text)]
  const tokens = theirs.tokenize(text)
  // Their tokenizer may put the begin token, which is our newline, in front.
  const ids = tokens.length === ours.length + 1 ? tokens.slice(1) : tokens
  if (ids.join() !== ours.join()) throw new Error(`Tokens differ: ${ids.join()} instead of ${ours.join()}`)
  const context = await theirs.createContext({
    contextSize: model.shape.context,
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  })
  const options = {
    generateNext: { probabilities: true, options: { temperature: 1, topK: 0, topP: 1, minP: 0 } },
  }
  const steps = await context.getSequence().controlledEvaluate(ours.map((id) => [id, options]))
  const cache = createCache(model)
  let [worst, compared] = [0, 0]
  ours.forEach((id, i) => {
    const expected = softmax(decode(model, cache, id))
    const found = steps[i]?.next.probabilities
    expected.forEach((p, token) => {
      const other = found?.get(token)
      if (other === undefined) throw new Error(`No probability of token ${token} at position ${i}.`)
      worst = Math.max(worst, Math.abs(p - other))
      compared++
    })
  })
  console.log(
    `${compared} probabilities compared, largest difference ${worst.toExponential(2)} (limit ${LIMIT}).`,
  )
  await llama.dispose()
  if (!(worst < LIMIT)) process.exitCode = 1
}

await main()
