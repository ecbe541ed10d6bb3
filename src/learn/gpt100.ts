/**
 * A GPT in 100 lines, nothing left out: data, tokenizer, autograd, transformer, Adam, training loop, sampling.
 * In: short documents (names, words). Out: the loss of every step, then new documents of the same kind.
 * The idea, one file that is the whole algorithm, is Andrej Karpathy's microgpt (2026); this design is another one:
 * its autograd is not a graph of objects but a TAPE of numbers. Every operation appends one record: its value, and for
 * each of its two inputs their index and the local derivative. Recording order is already a topological order, so the
 * backward pass is one loop from the end. Not here: speed. llm500.ts computes the same with matrices, not scalars.
 */
import { createRandom, gaussian } from './random.ts'
import type { Gpt100Options, Row, Tape } from './types.ts'

/**
 * An empty tape. Place 0 is a sink for the derivatives of inputs that do not exist.
 * @throws RangeError, from `push`, when it is full.
 */
export function createTape(capacity: number): Tape {
  const [data, grad] = [new Float64Array(capacity), new Float64Array(capacity)]
  const [slopeA, slopeB] = [new Float64Array(capacity), new Float64Array(capacity)]
  const [inputA, inputB] = [new Int32Array(capacity), new Int32Array(capacity)]
  let n = 1
  const push = (value: number, a = 0, dA = 0, b = 0, dB = 0): number => {
    if (n === capacity) throw new RangeError(`The tape is full after ${capacity} records.`)
    data[n] = value
    inputA[n] = a
    slopeA[n] = dA
    inputB[n] = b
    slopeB[n] = dB
    return n++
  }
  const add = (a: number, b: number): number => push(data[a]! + data[b]!, a, 1, b, 1)
  const mul = (a: number, b: number): number => push(data[a]! * data[b]!, a, data[b]!, b, data[a]!)
  const backward = (end: number): void => {
    grad.fill(0, 0, end).fill(1, end, end + 1)
    for (let i = end; i > 0; i--) {
      grad[inputA[i]!]! += slopeA[i]! * grad[i]!
      grad[inputB[i]!]! += slopeB[i]! * grad[i]!
    }
  }
  return { data, grad, push, add, mul, backward, rewind: (length) => void (n = length) }
}

/**
 * Trains on documents, yielding the loss of every step in nats a character; returns new documents.
 * @throws RangeError below two different characters.
 */
export function* gpt100(docs: string[], options: Gpt100Options = {}): Generator<number, string[]> {
  const { heads = 4, width = 16, context = 16, steps = 1000, lr = 0.01, seed = 42 } = options
  const { samples = 20, temperature = 0.5 } = options

  // Let there be tokens: a character is a token, and one more stands for both ends of a document.
  const chars = [...new Set(docs.join(''))].sort()
  const edge = chars.length
  if (edge < 2) throw new RangeError('The documents need at least two different characters.')

  // Let there be parameters: the first places of the tape, in matrices of small random numbers.
  const { data, grad, push, add, mul, backward, rewind } = createTape(1 << 20)
  const random = createRandom(seed)
  const row = (cols: number) => Array.from({ length: cols }, () => push(0.08 * gaussian(random)))
  const matrix = (rows: number, cols = width) => Array.from({ length: rows }, () => row(cols))
  const [wte, wpe, head] = [matrix(edge + 1), matrix(context), matrix(edge + 1)]
  const [wq, wk, wv, wo] = [matrix(width), matrix(width), matrix(width), matrix(width)]
  const [up, down] = [matrix(4 * width), matrix(width, 4 * width)]
  const params = push(0)

  // Let there be a transformer: a character and what came before it → a score for each next character.
  const power = (x: number, p: number) => push(data[x]! ** p, x, p * data[x]! ** (p - 1))
  const log = (x: number) => push(Math.log(data[x]!), x, 1 / data[x]!)
  const relu = (x: number) => push(Math.max(0, data[x]!), x, data[x]! > 0 ? 1 : 0)
  const sum = (x: Row) => x.reduce(add)
  const plus = (x: Row, y: Row) => x.map((xi, i) => add(xi, y[i]!))
  const scaled = (x: Row, factor: number) => x.map((xi) => mul(xi, factor))
  const dot = (x: Row, y: Row) => sum(x.map((xi, i) => mul(xi, y[i]!)))
  const linear = (x: Row, w: Row[]) => w.map((row) => dot(x, row))
  const norm = (x: Row) => scaled(x, power(add(mul(dot(x, x), push(1 / width)), push(1e-5)), -0.5))
  const softmax = (x: Row): Row => {
    const max = Math.max(...x.map((i) => data[i]!))
    const exps = x.map((i) => push(Math.exp(data[i]! - max), i, Math.exp(data[i]! - max)))
    return scaled(exps, power(sum(exps), -1))
  }
  const [keys, values]: [Row[], Row[]] = [[], []]
  const gpt = (id: number, time: number): Row => {
    if (time === 0) rewind(params)
    const x = norm(plus(wte[id]!, wpe[time]!))
    const q = scaled(linear(norm(x), wq), push((width / heads) ** -0.5))
    keys.splice(time, keys.length, linear(norm(x), wk))
    values.splice(time, values.length, linear(norm(x), wv))
    const mixed = Array.from({ length: heads }, (_, h) => {
      const part = (y: Row) => y.slice((h * width) / heads, ((h + 1) * width) / heads)
      const weights = softmax(keys.map((key) => dot(part(q), part(key))))
      return part(q).map((_, c) =>
        dot(
          weights,
          values.map((value) => part(value)[c]!),
        ),
      )
    })
    const y = plus(x, linear(mixed.flat(), wo))
    return linear(plus(y, linear(linear(norm(y), up).map(relu), down)), head)
  }

  // Let there be learning: Adam walks every parameter against its derivative, in ever smaller steps.
  const [m, v] = [new Float64Array(params), new Float64Array(params)]
  for (let step = 1; step <= steps; step++) {
    const ids = Array.from(docs[Math.floor(random() * docs.length)]!, (c) => chars.indexOf(c))
    const learn = (id: number, time: number) => log(softmax(gpt(ids[time - 1] ?? edge, time))[id]!)
    const logs = [...ids, edge].slice(0, context).map(learn)
    const loss = mul(sum(logs), push(-1 / logs.length))
    backward(loss)
    for (let i = 1; i < params; i++) {
      m[i] = 0.9 * m[i]! + 0.1 * grad[i]!
      v[i] = 0.99 * v[i]! + 0.01 * grad[i]! ** 2
      const size = Math.sqrt(v[i]! / (1 - 0.99 ** step)) + 1e-8
      data[i]! -= (lr * (1 - step / steps) * m[i]!) / (1 - 0.9 ** step) / size
    }
    yield data[loss]!
  }

  // Let there be words: the highest of (score + temperature · Gumbel noise) is a draw from
  // softmax(score / temperature). It is fed back until it is the end.
  const noise = () => -temperature * Math.log(-Math.log(random()))
  return Array.from({ length: samples }, () => {
    const ids = [edge]
    do {
      const noisy = gpt(ids.at(-1)!, ids.length - 1).map((score) => data[score]! + noise())
      ids.push(noisy.indexOf(Math.max(...noisy)))
    } while (ids.at(-1) !== edge && ids.length <= context)
    return ids.map((id) => chars[id] ?? '').join('')
  })
}
