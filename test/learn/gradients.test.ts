import { describe, expect, it } from 'vitest'
import { wasmMemory } from '../../src/learn/gemm-wasm.ts'
import { blockedGemm, doubleMemory, plainMemory } from '../../src/learn/gemm.ts'
import { createTape } from '../../src/learn/gpt100.ts'
import * as llm500 from '../../src/learn/llm500.ts'
import { naiveAttentionBackward, naiveAttentionForward, naiveMemory } from '../../src/learn/naive.ts'
import { createRandom, gaussian } from '../../src/learn/random.ts'
import type { Memory, Model, Row } from '../../src/learn/types.ts'
import { gradientError, lively, smallShape, someIds } from './gradient-check.ts'

const full = process.env['LLMSWAP_FULL'] === '1'
const ids = someIds(2 * smallShape.context, smallShape.vocab, 1)
const targets = someIds(2 * smallShape.context, smallShape.vocab, 2)

function gradientOf(model: Model): Float64Array {
  llm500.loss(model, ids, targets)
  llm500.backward(model, ids, targets)
  const at = model.at('gradient')
  return Float64Array.from(model.f.subarray(at, at + model.params))
}

function relativeL2(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, size] = [0, 0]
  for (let i = 0; i < a.length; i++) {
    difference += (a[i]! - b[i]!) ** 2
    size += b[i]! ** 2
  }
  return Math.sqrt(difference / size)
}

describe('the hand-written backward pass', () => {
  it('agrees with finite differences in every tensor to 1e-6', () => {
    const { worst, tensor, silent } = gradientError(llm500, full ? Infinity : 12)
    expect(silent).toEqual([])
    expect(worst, tensor).toBeLessThan(1e-6)
  })

  it('gives the same gradients in float32 and through WebAssembly as in float64, to 1e-6', () => {
    // The same weights in all three: float32 values, which float64 holds exactly.
    const single = lively(llm500, plainMemory)
    const wasm = lively(llm500, wasmMemory)
    const naive = lively(llm500, naiveMemory)
    const double = lively(llm500, doubleMemory)
    double.f.set(single.f.subarray(0, single.params))
    const exact = gradientOf(double)
    expect(relativeL2(gradientOf(single), exact)).toBeLessThan(1e-6)
    expect(relativeL2(gradientOf(wasm), exact)).toBeLessThan(1e-6)
    expect(relativeL2(gradientOf(naive), exact)).toBeLessThan(1e-6)
  })

  it('agrees with the tape of gpt100 on the same net: two derivations, one answer', () => {
    const model = lively(llm500)
    const analytic = gradientOf(model)
    const { gradient, loss } = tapeGradient(model)
    expect(Math.abs(loss - llm500.loss(model, ids, targets))).toBeLessThan(1e-12)
    expect(relativeL2(analytic, gradient)).toBeLessThan(1e-10)
  })
})

describe('attention by matrices', () => {
  it('equals attention position by position, forward and backward', () => {
    const [B, T, C, H] = [2, 9, 12, 3]
    const sizes = {
      qkv: B * T * 3 * C,
      out: B * T * C,
      att: B * H * T * T,
      dqkv: B * T * 3 * C,
      dout: B * T * C,
    }
    const at = { qkv: 0, out: 0, att: 0, dqkv: 0, dout: 0, end: 0 }
    for (const [name, size] of Object.entries(sizes)) {
      at[name as keyof typeof sizes] = at.end
      at.end += size
    }
    const fresh = (): Memory => {
      const f = new Float64Array(at.end + T * T)
      const random = createRandom(4)
      for (let i = 0; i < f.length; i++) f[i] = gaussian(random)
      return { f, gemm: blockedGemm(f) }
    }
    const [fast, slow] = [fresh(), fresh()]
    llm500.attentionForward(fast, at.out, at.att, at.qkv, B, T, C, H)
    llm500.attentionBackward(fast, at.dqkv, at.dout, at.att, at.qkv, at.end, B, T, C, H)
    naiveAttentionForward(slow, at.out, at.att, at.qkv, B, T, C, H)
    naiveAttentionBackward(slow, at.dqkv, at.dout, at.att, at.qkv, B, T, C, H)
    for (let i = 0; i < at.end; i++) expect(fast.f[i]).toBeCloseTo(slow.f[i]!, 12)
  })
})

/** GPT-2 once more, out of the tape's scalar operations: nothing shared with llm500 but the parameters. */
function tapeGradient(model: Model): { gradient: Float64Array; loss: number } {
  const { layers, heads, channels: C, context: T, vocab: V } = model.shape
  const { data, grad, push, add, mul, backward } = createTape(1 << 21)
  for (let i = 0; i < model.params; i++) push(model.f[i]!)
  const rows = (name: string, count: number, width: number): Row[] =>
    Array.from({ length: count }, (_, r) =>
      Array.from({ length: width }, (_, c) => 1 + model.at(name) + r * width + c),
    )
  const vector = (name: string): Row => rows(name, 1, model.tensors.find((t) => t.name === name)!.size)[0]!
  const power = (x: number, p: number): number => push(data[x]! ** p, x, p * data[x]! ** (p - 1))
  const exp = (x: number): number => push(Math.exp(data[x]!), x, Math.exp(data[x]!))
  const sum = (x: Row): number => x.reduce(add)
  const dot = (x: Row, y: Row): number => sum(x.map((xi, i) => mul(xi, y[i]!)))
  const plus = (x: Row, y: Row): Row => x.map((xi, i) => add(xi, y[i]!))
  const times = (x: Row, y: number): Row => x.map((xi) => mul(xi, y))
  const linear = (x: Row, name: string, N: number): Row => {
    const w = rows(`${name}.weight`, x.length, N)
    return vector(`${name}.bias`).map((bias, n) =>
      add(
        bias,
        dot(
          x,
          w.map((row) => row[n]!),
        ),
      ),
    )
  }
  const norm = (x: Row, name: string): Row => {
    const centred = plus(
      x,
      x.map(() => mul(sum(x), push(-1 / C))),
    )
    const variance = add(mul(dot(centred, centred), push(1 / C)), push(1e-5))
    const hat = times(centred, power(variance, -0.5))
    return plus(
      hat.map((h, c) => mul(h, vector(`${name}.weight`)[c]!)),
      vector(`${name}.bias`),
    )
  }
  const gelu = (x: number): number => {
    const cubic = add(x, mul(push(0.044715), mul(x, mul(x, x))))
    const e = exp(mul(push(-2 * Math.sqrt(2 / Math.PI)), cubic))
    return mul(x, power(add(push(1), e), -1))
  }
  const softmax = (x: Row): Row => {
    const exps = x.map(exp)
    return times(exps, power(sum(exps), -1))
  }
  const wte = rows('wte.weight', V, C)
  const wpe = rows('wpe.weight', T, C)
  const losses: number[] = []
  for (let start = 0; start < ids.length; start += T) {
    let xs = Array.from({ length: T }, (_, t) => plus(wte[ids[start + t]!]!, wpe[t]!))
    for (let l = 0; l < layers; l++) {
      const qkv = xs.map((x) => linear(norm(x, `h.${l}.ln_1`), `h.${l}.attn.c_attn`, 3 * C))
      xs = xs.map((x, t) => {
        const mixed = Array.from({ length: heads }, (_, h) => {
          const part = (s: number, which: number): Row => {
            const from = which * C + (h * C) / heads
            return qkv[s]!.slice(from, from + C / heads)
          }
          const past = Array.from({ length: t + 1 }, (_, s) => s)
          const scores = past.map((s) => mul(dot(part(t, 0), part(s, 1)), push((C / heads) ** -0.5)))
          const weights = softmax(scores)
          return part(t, 2).map((_, d) =>
            dot(
              weights,
              past.map((s) => part(s, 2)[d]!),
            ),
          )
        })
        const mid = plus(x, linear(mixed.flat(), `h.${l}.attn.c_proj`, C))
        const up = linear(norm(mid, `h.${l}.ln_2`), `h.${l}.mlp.c_fc`, 4 * C)
        return plus(mid, linear(up.map(gelu), `h.${l}.mlp.c_proj`, C))
      })
    }
    xs.forEach((x, t) => {
      const chances = softmax(wte.map((row) => dot(norm(x, 'ln_f'), row)))
      const p = chances[targets[start + t]!]!
      losses.push(push(-Math.log(data[p]!), p, -1 / data[p]!))
    })
  }
  const loss = mul(sum(losses), push(1 / losses.length))
  backward(loss)
  return { gradient: grad.slice(1, 1 + model.params), loss: data[loss]! }
}
