/**
 * Weight files a quarter of the size. In: the bytes of `save` (float32). Out: the same file with every weight in 8
 * bits, and back. A row of a tensor (its last dimension) becomes one float32 scale, its largest magnitude / 127, and
 * its values as int8 multiples of that; the error of a weight is at most half a scale. Not here: arithmetic in int8;
 * a quantised model is unpacked before it runs.
 */
import { checksum, parameterShapes } from './llm500.ts'
import type { Header } from './types.ts'

const FULL = 'llm500/1'
const SMALL = 'llm500/8'

interface Parts {
  readonly view: DataView
  /** Offset of the weights. */
  readonly body: number
  /** Lengths of the rows of every tensor, in file order. */
  readonly rows: number[]
}

/** Checks magic and checksum, and lists the rows. Throws RangeError. */
function open(file: Uint8Array, magic: string): Parts {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const text = new TextDecoder()
  if (file.length < 16 || text.decode(file.subarray(0, 8)) !== magic) {
    throw new RangeError(`Not a weight file of this kind: it does not begin with "${magic}".`)
  }
  if (view.getUint32(8, true) !== checksum(file)) {
    throw new RangeError('The weight file is cut short or damaged: its checksum is wrong.')
  }
  const body = 16 + view.getUint32(12, true)
  const { shape } = JSON.parse(text.decode(file.subarray(16, body))) as Header
  const rows = parameterShapes(shape).flatMap(([, dims]) => {
    const width = dims.at(-1)!
    return Array.from({ length: dims.reduce((a, b) => a * b) / width }, () => width)
  })
  return { view, body, rows }
}

/** The same file under another magic, with room for a body of `bytes`. */
function copyHead(file: Uint8Array, magic: string, body: number, bytes: number): Uint8Array {
  const copy = new Uint8Array(body + bytes)
  copy.set(file.subarray(0, body))
  copy.set(new TextEncoder().encode(magic))
  return copy
}

function sign(file: Uint8Array): Uint8Array {
  new DataView(file.buffer).setUint32(8, checksum(file), true)
  return file
}

/** float32 → int8. Throws RangeError on bytes that `save` did not write. */
export function quantize(file: Uint8Array): Uint8Array {
  const { view, body, rows } = open(file, FULL)
  const small = copyHead(
    file,
    SMALL,
    body,
    rows.reduce((sum, width) => sum + 4 + width, 0),
  )
  const out = new DataView(small.buffer)
  let [from, to] = [body, body]
  for (const width of rows) {
    let largest = 0
    for (let i = 0; i < width; i++) largest = Math.max(largest, Math.abs(view.getFloat32(from + 4 * i, true)))
    out.setFloat32(to, largest / 127 || 1, true)
    const scale = out.getFloat32(to, true)
    to += 4
    for (let i = 0; i < width; i++, from += 4, to++) {
      out.setInt8(to, Math.max(-127, Math.min(127, Math.round(view.getFloat32(from, true) / scale))))
    }
  }
  return sign(small)
}

/** int8 → float32, ready for `load`. Throws RangeError on bytes that {@link quantize} did not write. */
export function dequantize(file: Uint8Array): Uint8Array {
  const { view, body, rows } = open(file, SMALL)
  const full = copyHead(file, FULL, body, 4 * rows.reduce((sum, width) => sum + width, 0))
  const out = new DataView(full.buffer)
  let [from, to] = [body, body]
  if (file.length !== body + rows.reduce((sum, width) => sum + 4 + width, 0)) {
    throw new RangeError('The weights are not of the shape the file names.')
  }
  for (const width of rows) {
    const scale = view.getFloat32(from, true)
    from += 4
    for (let i = 0; i < width; i++, from++, to += 4) out.setFloat32(to, scale * view.getInt8(from), true)
  }
  return sign(full)
}
