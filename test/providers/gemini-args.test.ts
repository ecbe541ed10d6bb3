import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createPartialArgs } from '../../src/providers/gemini-args.ts'

interface Item {
  jsonPath: string
  stringValue?: string
  numberValue?: number
  boolValue?: boolean
  nullValue?: string
  willContinue?: boolean
}

/** The pieces Google would send for a value: leaves in document order, strings cut in two and then closed. */
function* pieces(value: unknown, path: string, cut: number): Generator<Item> {
  if (typeof value === 'string') {
    const at = Math.min(cut, value.length)
    yield { jsonPath: path, stringValue: value.slice(0, at), willContinue: true }
    yield { jsonPath: path, stringValue: value.slice(at), willContinue: true }
    yield { jsonPath: path, stringValue: '' }
  } else if (typeof value === 'number') yield { jsonPath: path, numberValue: value }
  else if (typeof value === 'boolean') yield { jsonPath: path, boolValue: value }
  else if (value === null) yield { jsonPath: path, nullValue: 'NULL_VALUE' }
  else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* pieces(item, `${path}[${index}]`, cut)
  } else {
    for (const [key, item] of Object.entries(value as object)) {
      const quoted = `${path}['${key.replaceAll(/['\\]/g, '\\$&')}']`
      yield* pieces(item, /^\w+$/.test(key) ? `${path}.${key}` : quoted, cut)
    }
  }
}

function assembled(items: Iterable<Item>): unknown {
  const args = createPartialArgs()
  let text = ''
  for (const item of items) text += args.push([item])
  const end = args.end()
  text += end.text
  return end.value ?? JSON.parse(text === '' ? '{}' : text)
}

/** Leaves carry everything on this wire: what has none cannot be said. */
const hasLeaf = (value: unknown): boolean =>
  typeof value !== 'object' ||
  value === null ||
  (Object.values(value).length > 0 && Object.values(value).every(hasLeaf))

const { tree } = fc.letrec((tie) => ({
  leaf: fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.boolean(), fc.constant(null)),
  array: fc.array(tie('tree'), { minLength: 1, maxLength: 3 }),
  object: fc.dictionary(fc.string({ minLength: 1, maxLength: 4 }), tie('tree'), { minKeys: 1, maxKeys: 3 }),
  tree: fc.oneof({ maxDepth: 4 }, tie('leaf'), tie('array'), tie('object')),
}))
const object = fc.dictionary(fc.string({ minLength: 1, maxLength: 6 }), tree).filter(hasLeaf)
const runs = { numRuns: process.env['LLMSWAP_FULL'] === '1' ? 5000 : 300, seed: 7 }

describe('streamed arguments of Gemini', () => {
  it('add up to the value they were taken from, in order and out of order', () => {
    fc.assert(
      fc.property(object, fc.nat({ max: 3 }), (value, cut) => {
        const items = [...pieces(value, '$', cut)]
        expect(assembled(items)).toEqual(value)
        // Members in another order, and then all of it again: the text gives up, the value does not.
        const members = Object.entries(value).map(([key, item]) => [...pieces({ [key]: item }, '$', cut)])
        expect(assembled([...members.reverse().flat(), ...items])).toEqual(value)
      }),
      runs,
    )
  })

  it('survive a return to a container that was closed', () => {
    const items: Item[] = [
      { jsonPath: '$.a.x', numberValue: 1 },
      { jsonPath: '$.b', numberValue: 2 },
      { jsonPath: '$.a.y', numberValue: 3 },
    ]
    expect(assembled(items)).toEqual({ a: { x: 1, y: 3 }, b: 2 })
  })

  it('take the last word on a place that was written twice', () => {
    const items: Item[] = [
      { jsonPath: '$.a', stringValue: 'one' },
      { jsonPath: '$.a', stringValue: 'two' },
    ]
    expect(assembled(items)).toEqual({ a: 'two' })
  })

  it('are linear: one chunk is worth its own length', () => {
    const args = createPartialArgs()
    let length = 0
    const chunk = 'x'.repeat(16)
    for (let n = 0; n < 20_000; n++) {
      length += args.push([{ jsonPath: '$.text', stringValue: chunk, willContinue: true }]).length
    }
    length += args.end().text.length
    expect(length).toBe('{"text":""}'.length + 20_000 * 16)
  })
})
