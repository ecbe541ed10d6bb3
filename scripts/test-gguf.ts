/**
 * `npm run test:gguf`: our models in somebody else's engine. In: a 10-second model trained on the spot, and the
 * embedded one. Out: exit code 0 when llama.cpp, through `node-llama-cpp`, reads the exported GGUF, tokenizes as we do
 * and gives the same probabilities, largest difference below 1e-3. Its GELU is a table of float16 that no option turns
 * off and that a sharper model feels: the embedded one is compared with the same rounding in our GELU, and the plain
 * difference is printed. A float16 cache or flash attention, both turned off here, raise the rounded one's 2.8e-4 to
 * 1.2e-3 and 1.5e-3.
 * The engine, about 85 MB, is installed into .cache on first use and stands in no lockfile.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { wasmMemory } from '../src/learn/gemm-wasm.ts'
import { toGguf } from '../src/learn/gguf.ts'
import { attentionForward, embedForward, geluForward, headForward } from '../src/learn/llm500.ts'
import { layerNormForward, linearForward, load } from '../src/learn/llm500.ts'
import { copyModel } from '../src/learn/naive.ts'
import { dequantize } from '../src/learn/quantize.ts'
import { presets, trainPreset } from '../src/learn/train.ts'
import type { Model, Vocabulary } from '../src/learn/types.ts'

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
interface Llama {
  loadModel(options: object): Promise<LlamaModel>
  dispose(): Promise<void>
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

function softmax(logits: ArrayLike<number>): number[] {
  const max = Math.max(...Array.from(logits))
  const exps = Array.from(logits, (logit) => Math.exp(logit - max))
  const sum = exps.reduce((a, b) => a + b)
  return exps.map((e) => e / sum)
}

/** The nearest float16: 11 significant bits, and no exponent below −14. */
function half(x: number): number {
  const ulp = 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(x) || 1))) - 10)
  return Math.round(x / ulp) * ulp
}

/** Our probabilities after every token; `rounded` computes GELU as ggml does. */
function probabilities(weights: Model, ids: readonly number[], rounded: boolean): number[][] {
  const model = copyModel(weights, { batch: 1 })
  const { channels: C, context: T, heads: H, layers, vocab: V } = model.shape
  const { at, f } = model
  const w = (name: string): [number, number] => [at(`${name}.weight`), at(`${name}.bias`)]
  const [x, norm, branch] = [at('x.0'), at('normF'), at('branch')]
  const add = (): void => {
    for (let i = 0; i < T * C; i++) f[x + i]! += f[branch + i]!
  }
  // The rest of the window is padding, which causality hides.
  const window = Int32Array.from({ length: T }, (_, t) => ids[t] ?? 0)
  embedForward(model, window, x, at('wte.weight'), at('wpe.weight'), T, C)
  for (let l = 0; l < layers; l++) {
    const [qkv, heads, up, act] = [at(`qkv.${l}`), at(`heads.${l}`), at(`up.${l}`), at(`act.${l}`)]
    layerNormForward(model, norm, at('meanF'), at('rstdF'), x, ...w(`h.${l}.ln_1`), T, C)
    linearForward(model, qkv, norm, ...w(`h.${l}.attn.c_attn`), T, C, 3 * C)
    attentionForward(model, heads, at(`att.${l}`), qkv, 1, T, C, H)
    linearForward(model, branch, heads, ...w(`h.${l}.attn.c_proj`), T, C, C)
    add()
    layerNormForward(model, norm, at('meanF'), at('rstdF'), x, ...w(`h.${l}.ln_2`), T, C)
    linearForward(model, up, norm, ...w(`h.${l}.mlp.c_fc`), T, C, 4 * C)
    if (rounded) for (let i = up; i < up + T * 4 * C; i++) f[i] = half(f[i]!)
    geluForward(model, act, up, T * 4 * C)
    if (rounded) for (let i = act; i < act + T * 4 * C; i++) f[i] = half(f[i]!)
    linearForward(model, branch, act, ...w(`h.${l}.mlp.c_proj`), T, 4 * C, C)
    add()
  }
  layerNormForward(model, norm, at('meanF'), at('rstdF'), x, ...w('ln_f'), T, C)
  headForward(model, at('logits'), norm, at('wte.weight'), T, C, V)
  return ids.map((_, t) => softmax(f.subarray(at('logits') + t * V, at('logits') + (t + 1) * V)))
}

/** llama.cpp's probabilities after every position. */
async function theirProbabilities(
  engine: Llama,
  gguf: Uint8Array,
  ids: readonly number[],
  text: string,
  contextLength: number,
): Promise<number[][]> {
  const path = join(folder, 'model.gguf')
  writeFileSync(path, gguf)
  const model = await engine.loadModel({ modelPath: path })
  const tokens = model.tokenize(text)
  // Their tokenizer may put the begin token, which is our newline, in front.
  const found = tokens.length === ids.length + 1 ? tokens.slice(1) : tokens
  if (found.join() !== ids.join()) throw new Error(`Tokens differ: ${found.join()} instead of ${ids.join()}`)
  const context = await model.createContext({
    contextSize: contextLength,
    flashAttention: false,
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  })
  const options = {
    generateNext: { probabilities: true, options: { temperature: 1, topK: 0, topP: 1, minP: 0 } },
  }
  const steps = await context.getSequence().controlledEvaluate(ids.map((id) => [id, options]))
  return steps.map((step) => {
    const all = [...(step?.next.probabilities ?? [])]
    return all.sort(([a], [b]) => a - b).map(([, p]) => p)
  })
}

/** The largest difference between two lists of distributions, and how many reach the limit. */
function compare(a: readonly number[][], b: readonly number[][]): { largest: number; over: number } {
  const [left, right] = [a.flat(), b.flat()]
  if (left.length !== right.length)
    throw new Error(`${left.length} probabilities, ${right.length} of theirs.`)
  const differences = left.map((p, i) => Math.abs(p - right[i]!))
  return { largest: Math.max(...differences), over: differences.filter((d) => !(d < LIMIT)).length }
}

function trainQuickly(): { model: Model; vocabulary: Vocabulary } {
  const run = trainPreset(presets['10s'], { memory: wasmMemory })
  for (;;) {
    const next = run.next()
    if (next.done === true) return next.value
  }
}

async function main(): Promise<void> {
  install()
  const entry = createRequire(join(folder, 'package.json')).resolve('node-llama-cpp')
  const { getLlama } = (await import(pathToFileURL(entry).href)) as {
    getLlama(options: object): Promise<Llama>
  }
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' })
  const models = [
    { name: '10-second model', ...trainQuickly(), rounded: false },
    { name: 'embedded model', ...load(dequantize(readFileSync('fixtures/learn/tiny.llm'))), rounded: true },
  ]
  for (const { name, model, vocabulary, rounded } of models) {
    const text = '\nOnce upon a time, near the shore of the grey sea, there lived a miller.'.slice(
      0,
      model.shape.context - 8,
    )
    const ids = [...vocabulary.encode(text)]
    const theirs = await theirProbabilities(
      llama,
      toGguf(model, vocabulary.chars),
      ids,
      text,
      model.shape.context,
    )
    const plain = compare(probabilities(model, ids, false), theirs)
    const same = compare(probabilities(model, ids, true), theirs)
    const checked = rounded ? same : plain
    const say = ({ largest, over }: typeof plain): string =>
      `${largest.toExponential(2)} (${over} not below ${LIMIT})`
    console.log(`${name}, ${theirs.flat().length} probabilities, largest difference:`)
    console.log(`  our GELU in float32     ${say(plain)}${rounded ? '' : ', the check'}`)
    console.log(`  our GELU as their table ${say(same)}${rounded ? ', the check' : ''}`)
    if (checked.over > 0) process.exitCode = 1
  }
  await llama.dispose()
}

await main()
