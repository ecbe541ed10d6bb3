/**
 * gpt100 once more with an object for every number, as autograd is usually taught: the contestant that the flat tape is
 * measured against. In and out as there: the same net, the same random numbers, the same losses. Every operation makes
 * a `Value` that knows its inputs and their local derivatives; the backward pass sorts the graph first.
 */
import { createRandom, gaussian } from '../../../src/learn/random.ts'

class Value {
  data: number
  grad = 0
  inputs: readonly Value[]
  slopes: readonly number[]

  constructor(data: number, inputs: readonly Value[] = [], slopes: readonly number[] = []) {
    this.data = data
    this.inputs = inputs
    this.slopes = slopes
  }
  add(other: Value): Value {
    return new Value(this.data + other.data, [this, other], [1, 1])
  }
  mul(other: Value): Value {
    return new Value(this.data * other.data, [this, other], [other.data, this.data])
  }
  power(p: number): Value {
    return new Value(this.data ** p, [this], [p * this.data ** (p - 1)])
  }
  log(): Value {
    return new Value(Math.log(this.data), [this], [1 / this.data])
  }
  exp(shift: number): Value {
    const e = Math.exp(this.data - shift)
    return new Value(e, [this], [e])
  }
  relu(): Value {
    return new Value(Math.max(0, this.data), [this], [this.data > 0 ? 1 : 0])
  }
  backward(): void {
    const order: Value[] = []
    const seen = new Set<Value>()
    const visit = (value: Value): void => {
      if (seen.has(value)) return
      seen.add(value)
      for (const input of value.inputs) visit(input)
      order.push(value)
    }
    visit(this)
    for (const value of order) value.grad = 0
    this.grad = 1
    for (const value of order.reverse()) {
      value.inputs.forEach((input, i) => {
        input.grad += value.slopes[i]! * value.grad
      })
    }
  }
}

type Row = Value[]

/** Trains for ever, yielding the loss of every step; `steps` sets the decay of the learning rate. */
export function* valueGraphGpt(docs: string[], steps: number, seed = 42): Generator<number, never> {
  const [heads, width, context, lr] = [4, 16, 16, 0.01]
  const chars = [...new Set(docs.join(''))].sort()
  const edge = chars.length
  const random = createRandom(seed)
  const params: Row = []
  const row = (cols: number): Row =>
    Array.from({ length: cols }, () => {
      const value = new Value(0.08 * gaussian(random))
      params.push(value)
      return value
    })
  const matrix = (rows: number, cols = width): Row[] => Array.from({ length: rows }, () => row(cols))
  const [wte, wpe, head] = [matrix(edge + 1), matrix(context), matrix(edge + 1)]
  const [wq, wk, wv, wo] = [matrix(width), matrix(width), matrix(width), matrix(width)]
  const [up, down] = [matrix(4 * width), matrix(width, 4 * width)]
  const sum = (x: Row): Value => x.reduce((a, b) => a.add(b))
  const plus = (x: Row, y: Row): Row => x.map((xi, i) => xi.add(y[i]!))
  const scaled = (x: Row, factor: Value): Row => x.map((xi) => xi.mul(factor))
  const dot = (x: Row, y: Row): Value => sum(x.map((xi, i) => xi.mul(y[i]!)))
  const linear = (x: Row, w: Row[]): Row => w.map((weights) => dot(x, weights))
  const norm = (x: Row): Row =>
    scaled(
      x,
      dot(x, x)
        .mul(new Value(1 / width))
        .add(new Value(1e-5))
        .power(-0.5),
    )
  const softmax = (x: Row): Row => {
    const max = Math.max(...x.map(({ data }) => data))
    const exps = x.map((value) => value.exp(max))
    return scaled(exps, sum(exps).power(-1))
  }
  const [keys, values]: [Row[], Row[]] = [[], []]
  const gpt = (id: number, time: number): Row => {
    const x = norm(plus(wte[id]!, wpe[time]!))
    const q = scaled(linear(norm(x), wq), new Value((width / heads) ** -0.5))
    keys.splice(time, keys.length, linear(norm(x), wk))
    values.splice(time, values.length, linear(norm(x), wv))
    const mixed = Array.from({ length: heads }, (_, h) => {
      const part = (y: Row): Row => y.slice((h * width) / heads, ((h + 1) * width) / heads)
      const weights = softmax(keys.map((key) => dot(part(q), part(key))))
      return part(q).map((_unused, c) =>
        dot(
          weights,
          values.map((value) => part(value)[c]!),
        ),
      )
    })
    const y = plus(x, linear(mixed.flat(), wo))
    return linear(
      plus(
        y,
        linear(
          linear(norm(y), up).map((value) => value.relu()),
          down,
        ),
      ),
      head,
    )
  }
  const [m, v] = [new Float64Array(params.length), new Float64Array(params.length)]
  for (let step = 1; ; step++) {
    const ids = Array.from(docs[Math.floor(random() * docs.length)]!, (c) => chars.indexOf(c))
    const logs = [...ids, edge]
      .slice(0, context)
      .map((id, time) => softmax(gpt(ids[time - 1] ?? edge, time))[id]!.log())
    const loss = sum(logs).mul(new Value(-1 / logs.length))
    for (const value of params) value.grad = 0
    loss.backward()
    params.forEach((value, i) => {
      m[i] = 0.9 * m[i]! + 0.1 * value.grad
      v[i] = 0.99 * v[i]! + 0.01 * value.grad ** 2
      const size = Math.sqrt(v[i]! / (1 - 0.99 ** step)) + 1e-8
      value.data -= (lr * (1 - step / steps) * m[i]!) / (1 - 0.9 ** step) / size
    })
    yield loss.data
  }
}
