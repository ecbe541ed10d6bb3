import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileCheckpoint } from '../../src/adapters/file-checkpoint.ts'
import { canonicalJson, createRowSet, digest } from '../../src/batch/checkpoint.ts'
import { LlmError } from '../../src/errors.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'checkpoint-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function lines(path: string): Promise<string[]> {
  const read: string[] = []
  for await (const line of fileCheckpoint(path).read()) read.push(line)
  return read
}

describe('fileCheckpoint', () => {
  it('reads back what it wrote, newlines inside JSON and all scripts included', async () => {
    const path = join(folder, 'a.jsonl')
    const checkpoint = fileCheckpoint(path)
    const written = ['{"a":"x\\ny"}', '{"b":"日本 😀"}', 'x'.repeat(200_000)]
    for (const line of written) await checkpoint.append(line)
    expect(await lines(path)).toEqual(written)
  })

  it('cuts a torn tail off before it writes on', async () => {
    const path = join(folder, 'a.jsonl')
    for (const torn of ['{"half', 'x'.repeat(150_000), '{"日']) {
      writeFileSync(path, `first\n${torn}`)
      expect(await lines(path)).toEqual(['first', torn])
      const checkpoint = fileCheckpoint(path)
      const release = await checkpoint.lock()
      await checkpoint.append('second')
      await release()
      expect(readFileSync(path, 'utf8')).toBe('first\nsecond\n')
    }
  })

  it('empties a file that is one torn line', async () => {
    const path = join(folder, 'a.jsonl')
    writeFileSync(path, '{"ver')
    const checkpoint = fileCheckpoint(path)
    await checkpoint.append('header')
    expect(readFileSync(path, 'utf8')).toBe('header\n')
  })

  it('refuses a second writer and names the first', async () => {
    const path = join(folder, 'a.jsonl')
    const release = await fileCheckpoint(path).lock()
    await expect(fileCheckpoint(path).lock()).rejects.toThrow(String(process.pid))
    await release()
    await (
      await fileCheckpoint(path).lock()
    )()
  })

  it('takes over the lock of a process that is gone, not that of another machine', async () => {
    const path = join(folder, 'a.jsonl')
    writeFileSync(`${path}.lock`, `999999999@${hostname()}`)
    await (
      await fileCheckpoint(path).lock()
    )()
    writeFileSync(`${path}.lock`, '999999999@elsewhere')
    await expect(fileCheckpoint(path).lock()).rejects.toThrow('elsewhere')
  })

  it('fails as kind config, before the first call, where it cannot write', async () => {
    for (const path of [join(folder, 'missing', 'a.jsonl'), folder]) {
      try {
        await fileCheckpoint(path).lock()
        expect.unreachable()
      } catch (error) {
        expect(LlmError.is(error) && error.kind).toBe('config')
      }
    }
  })

  it('does not mind lines that another process appended in the meantime', async () => {
    const path = join(folder, 'a.jsonl')
    const checkpoint = fileCheckpoint(path)
    await checkpoint.append('one')
    appendFileSync(path, 'two\n')
    await checkpoint.append('three')
    expect(await lines(path)).toEqual(['one', 'two', 'three'])
  })
})

describe('row set', () => {
  it('behaves like a Map over random histories', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('set', 'get', 'delete'), fc.nat(300)), { maxLength: 3000 }),
        (steps) => {
          const set = createRowSet()
          const model = new Map<number, unknown>()
          for (const [step, n] of steps) {
            const id = digest(`row-${n}`)
            if (step === 'set') {
              set.set(id, digest(`request-${n}`))
              model.set(n, digest(`request-${n}`))
            } else if (step === 'delete') {
              set.delete(id)
              model.delete(n)
            }
            expect(set.get(id)).toEqual(model.get(n))
            expect(set.size).toBe(model.size)
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('holds 200,000 rows without mixing any up', () => {
    const set = createRowSet()
    for (let n = 0; n < 200_000; n++) set.set(digest(`row-${n}`), { high: n, low: n })
    let wrong = 0
    for (let n = 0; n < 200_000; n++) if (set.get(digest(`row-${n}`))?.low !== n) wrong++
    expect(wrong).toBe(0)
    expect(set.get(digest('row-200000'))).toBeUndefined()
  })
})

describe('canonical JSON', () => {
  it('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse())
        return canonicalJson(reversed) === canonicalJson(value)
      }),
    )
  })
})
