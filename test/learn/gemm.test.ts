import { describe, expect, it } from 'vitest'
import { gemmModule, wasmMemory } from '../../src/learn/gemm-wasm.ts'
import { doubleMemory, plainMemory } from '../../src/learn/gemm.ts'
import { naiveGemm } from '../../src/learn/naive.ts'
import { createRandom } from '../../src/learn/random.ts'

// [M, N, K]: whole tiles, ragged edges on either side, single rows and columns, nothing to sum; more columns than a
// panel has, more terms than a chunk, and both at once.
const shapes = [
  [4, 8, 5],
  [8, 16, 16],
  [5, 9, 3],
  [3, 7, 4],
  [1, 1, 1],
  [1, 24, 6],
  [12, 1, 6],
  [7, 8, 2],
  [4, 13, 1],
  [16, 61, 24],
  [4, 8, 0],
  [4, 264, 3],
  [4, 8, 256],
  [5, 259, 131],
] as const

describe.each([
  ['blocked float64', doubleMemory],
  ['blocked float32', plainMemory],
  ['WebAssembly', wasmMemory],
])('the %s matrix product', (_, memory) => {
  it.each(shapes)(
    'equals the triple loop for M %i, N %i, K %i: straight, transposed, added, in wider rows',
    (M, N, K) => {
      for (const transposed of [false, true]) {
        for (const add of [0, 1]) {
          const outRow = N + 5
          const [bRow, bCol] = transposed ? [1, K + 3] : [N + 3, 1]
          const [b, out] = [M * K, M * K + Math.max(K * bRow, N * bCol)]
          const [fast, slow] = [memory(out + M * outRow), doubleMemory(out + M * outRow)]
          const random = createRandom(M * 100 + N)
          for (let i = 0; i < fast.f.length; i++) slow.f[i] = fast.f[i] = Math.fround(random() - 0.5)
          const args = [out, 0, b, M, N, K, transposed ? 1 : K, transposed ? M : 1, bRow, outRow, add, bCol]
          fast.gemm(...args)
          naiveGemm(slow.f)(...args)
          for (let i = 0; i < fast.f.length; i++) expect(fast.f[i]).toBeCloseTo(slow.f[i]!, 5)
        }
      }
    },
  )

  it('overwrites what was there, not a number included', () => {
    const { f, gemm } = memory(4 * 8 + 4 + 8)
    f.fill(NaN, 12, 44)
    f.fill(1, 0, 12)
    gemm(12, 0, 4, 4, 8, 1, 1, 1, 8, 8, 0)
    expect([...f.subarray(12)]).toEqual(Array.from({ length: 32 }, () => 1))
  })
})

describe('the WebAssembly kernel', () => {
  it('is a valid module of under 1 kB', () => {
    const bytes = gemmModule()
    expect(WebAssembly.validate(bytes)).toBe(true)
    expect(bytes.length).toBeLessThan(1024)
  })

  it('gives way to TypeScript where the engine has no WebAssembly', () => {
    const original = globalThis.WebAssembly
    Reflect.deleteProperty(globalThis, 'WebAssembly')
    try {
      const { f, gemm } = wasmMemory(4)
      f.set([2, 3])
      gemm(2, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0)
      expect(f[2]).toBe(6)
    } finally {
      Object.defineProperty(globalThis, 'WebAssembly', {
        value: original,
        writable: true,
        configurable: true,
      })
    }
  })
})
