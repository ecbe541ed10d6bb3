/**
 * LayerNorm against BatchNorm, as an experiment instead of an opinion. In: activations x[row][time][channel]. Out: the
 * normalised ones, and a probe: change one position and see where else the output moves. Through BatchNorm a position
 * hears of the future of its own row and of strangers in its batch; through LayerNorm and RMSNorm it does not. Gains
 * and biases are left out: they change no answer here. Ba et al. 2016; Ioffe & Szegedy 2015; Zhang & Sennrich 2019.
 */

/** x[row][time][channel] */
export type Activations = readonly (readonly (readonly number[])[])[]

/** Anything that maps activations to activations of the same shape. */
export type Norm = (x: Activations) => number[][][]

const EPSILON = 1e-5

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length
}

function standardise(values: readonly number[]): number[] {
  const mu = mean(values)
  const variance = mean(values.map((value) => (value - mu) ** 2))
  return values.map((value) => (value - mu) / Math.sqrt(variance + EPSILON))
}

/** Every position by itself, over its channels. */
export const layerNorm: Norm = (x) => x.map((row) => row.map(standardise))

/** Every position by itself; the mean is not taken off, so a constant added to all channels is not forgotten. */
export const rmsNorm: Norm = (x) =>
  x.map((row) =>
    row.map((position) => {
      const rms = Math.sqrt(mean(position.map((value) => value ** 2)) + EPSILON)
      return position.map((value) => value / rms)
    }),
  )

/** Every channel by itself, over all positions of all rows, as in training. */
export const batchNorm: Norm = (x) => {
  const positions = x.flat()
  const columns = (positions[0] ?? []).map((_, c) => standardise(positions.map((position) => position[c]!)))
  let i = 0
  return x.map((row) =>
    row.map(() => {
      const at = i++
      return columns.map((column) => column[at]!)
    }),
  )
}

/** Largest change of the output at the three kinds of places that should not have heard of it. */
export interface Leak {
  /** Earlier positions of the same row: the past hears of the future. */
  readonly past: number
  /** Later positions of the same row. */
  readonly future: number
  /** Other rows: examples hear of each other. */
  readonly rows: number
}

/** Adds `amount` to one channel of position (row, time) and measures what moves elsewhere. */
export function leak(norm: Norm, x: Activations, row: number, time: number, amount: number = 1): Leak {
  const nudged = x.map((positions, r) =>
    positions.map((channels, t) =>
      channels.map((value, c) => (r === row && t === time && c === 0 ? value + amount : value)),
    ),
  )
  const [before, after] = [norm(x), norm(nudged)]
  const worst = (where: (r: number, t: number) => boolean): number => {
    let largest = 0
    before.forEach((positions, r) =>
      positions.forEach((channels, t) => {
        if (!where(r, t)) return
        channels.forEach((value, c) => {
          largest = Math.max(largest, Math.abs(value - after[r]![t]![c]!))
        })
      }),
    )
    return largest
  }
  return {
    past: worst((r, t) => r === row && t < time),
    future: worst((r, t) => r === row && t > time),
    rows: worst((r) => r !== row),
  }
}
