/**
 * The model underneath: autograd on a tape against autograd in objects, training through three matrix products, the
 * WebAssembly kernel against TensorFlow.js', and the embedded model against trigrams.
 */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { wasmMemory } from '../../src/learn/gemm-wasm.ts'
import { plainMemory } from '../../src/learn/gemm.ts'
import { gpt100 } from '../../src/learn/gpt100.ts'
import { createModel, load, loss, train } from '../../src/learn/llm500.ts'
import { naiveMemory } from '../../src/learn/naive.ts'
import { dequantize } from '../../src/learn/quantize.ts'
import { createRandom } from '../../src/learn/random.ts'
import { tales } from '../../src/learn/tales.ts'
import { splitCorpus, trigramLoss } from '../../src/learn/train.ts'
import type { Memory } from '../../src/learn/types.ts'
import { valueGraphGpt } from './learn/value-graph.ts'
import type { Prepared, Row, Suite } from './run.ts'

const STEPS = 1e6

function words(): string[] {
  return [
    ...new Set(
      tales(100_000)
        .toLowerCase()
        .match(/[a-z]{3,9}/g),
    ),
  ]
}

function oneStepAtATime(make: () => Iterator<number>): Prepared {
  const first = make()
  const run = make()
  return {
    answer: () => Array.from({ length: 20 }, () => Number(first.next().value).toFixed(6)),
    run: () => run.next(),
  }
}

const tape: Row = {
  name: 'Training step of gpt100 (width 16, one word)',
  unit: 'µs/step',
  note: 'The same net and random numbers; the losses of the first 20 steps agree to 6 digits.',
  contestants: [
    { name: 'flat tape', prepare: () => oneStepAtATime(() => gpt100(words(), { steps: STEPS })) },
    { name: 'graph of Value objects', prepare: () => oneStepAtATime(() => valueGraphGpt(words(), STEPS)) },
  ],
  targets: [{ than: 'graph of Value objects', atMost: 1 / 25 }],
}

const shape = { layers: 4, heads: 4, channels: 64, context: 64 }

function training(memory: (length: number) => Memory): Prepared {
  const { vocabulary, ...data } = splitCorpus(tales(50_000), shape.context)
  const start = (): Iterator<{ loss: number }> => {
    const model = createModel({ ...shape, vocab: vocabulary.chars.length }, { batch: 16, memory })
    return train(model, data, { steps: STEPS, evalEvery: STEPS })
  }
  const [first, run] = [start(), start()]
  return {
    answer: () => Array.from({ length: 3 }, () => first.next().value.loss.toFixed(4)),
    run: () => run.next(),
  }
}

const products: Row = {
  name: 'Training step of llm500 (L4 H4 C64 T64, 16 windows: 1,024 tokens)',
  unit: 'ms/step',
  note: 'Everything but the matrix product is the same code.',
  rounds: 3,
  contestants: [
    { name: 'WebAssembly', prepare: () => training(wasmMemory) },
    { name: 'TypeScript, blocked', prepare: () => training(plainMemory) },
    { name: 'TypeScript, naive', prepare: () => training(naiveMemory) },
  ],
  targets: [
    { of: 'WebAssembly', than: 'TypeScript, naive', atMost: 1 / 15 },
    { of: 'TypeScript, blocked', than: 'TypeScript, naive', atMost: 1 / 4 },
  ],
}

const [M, K, N] = [1024, 64, 256]

function operands(): { a: Float32Array; b: Float32Array } {
  const random = createRandom(1)
  const numbers = (length: number): Float32Array => Float32Array.from({ length }, () => random() - 0.5)
  return { a: numbers(M * K), b: numbers(K * N) }
}

const some = (product: ArrayLike<number>): string[] =>
  Array.from({ length: 50 }, (_, i) => product[i * 5003]!.toFixed(3))

interface Tensor {
  dispose(): void
  dataSync(): Float32Array
}
interface TensorFlow {
  setBackend(name: string): Promise<boolean>
  ready(): Promise<void>
  tensor2d(values: Float32Array, shape: [number, number]): Tensor
  matMul(a: Tensor, b: Tensor): Tensor
}

const kernel: Row = {
  name: 'Matrix product 1024×64 · 64×256, float32',
  unit: 'µs/product',
  note: 'One thread; operands and result stay in the memory of the kernel.',
  contestants: [
    {
      name: 'ours, WebAssembly',
      prepare: () => {
        const { f, gemm } = wasmMemory(M * K + K * N + M * N)
        const { a, b } = operands()
        f.set(a)
        f.set(b, M * K)
        const out = M * K + K * N
        const run = (): void => gemm(out, 0, M * K, M, N, K, K, 1, N, N, 0)
        return {
          run,
          answer: () => {
            run()
            return some(f.subarray(out))
          },
        }
      },
    },
    {
      name: '@tensorflow/tfjs-backend-wasm',
      prepare: async ({ peer }) => {
        const tf = await peer<TensorFlow>('@tensorflow/tfjs-core')
        const backend = await peer<{ setWasmPaths(path: string): void; setThreadsCount(n: number): void }>(
          '@tensorflow/tfjs-backend-wasm',
        )
        const installed = join(
          '.cache',
          'bench',
          'peers',
          'node_modules',
          '@tensorflow',
          'tfjs-backend-wasm',
          'dist',
        )
        backend.setWasmPaths(`${resolve(installed)}/`)
        backend.setThreadsCount(1)
        if (!(await tf.setBackend('wasm'))) throw new Error('no wasm backend')
        await tf.ready()
        const { a, b } = operands()
        const [left, right] = [tf.tensor2d(a, [M, K]), tf.tensor2d(b, [K, N])]
        return {
          run: () => tf.matMul(left, right).dispose(),
          answer: () => some(tf.matMul(left, right).dataSync()),
        }
      },
    },
  ],
  targets: [{ than: '@tensorflow/tfjs-backend-wasm', atMost: 1 / 1.4 }],
}

const held: Row = {
  name: 'Loss on held-out tales',
  unit: 'nats/char',
  note: 'The embedded model (int8) on 256 windows from an empty context, trigrams on the whole of the same text.',
  rounds: 1,
  contestants: [
    {
      name: 'embedded model',
      prepare: () => ({
        measure: () => {
          const file = readFileSync(join('fixtures', 'learn', 'tiny.llm'))
          const { model } = load(dequantize(file), { batch: 256, memory: wasmMemory })
          const T = model.shape.context
          const { val } = splitCorpus(tales(600_000), T)
          const random = createRandom(5)
          const [ids, targets] = [new Int32Array(model.rows), new Int32Array(model.rows)]
          for (let row = 0; row < model.rows; row += T) {
            const from = Math.floor(random() * (val.length - T - 1))
            ids.set(val.subarray(from, from + T), row)
            targets.set(val.subarray(from + 1, from + T + 1), row)
          }
          return loss(model, ids, targets)
        },
      }),
    },
    {
      name: 'trigrams',
      prepare: () => ({
        measure: () => {
          const { vocabulary, train: ids, val } = splitCorpus(tales(600_000), shape.context)
          return trigramLoss(ids, val, vocabulary.chars.length)
        },
      }),
    },
  ],
  targets: [{ than: 'trigrams', atMost: 1 }],
}

const suite: Suite = {
  title: 'The model underneath',
  peers: { '@tensorflow/tfjs-core': '4.22.0', '@tensorflow/tfjs-backend-wasm': '4.22.0' },
  rows: [tape, products, kernel, held],
}
export default suite
