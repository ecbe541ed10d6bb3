import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileCheckpoint } from '../../src/adapters/file-checkpoint.ts'
import { canonicalJson } from '../../src/batch/digest.ts'
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

  it('gives a line that lacks only its newline that newline: its reader took it for whole', async () => {
    const path = join(folder, 'a.jsonl')
    writeFileSync(path, '{"a":1}\n{"b":"日本"}')
    expect(await lines(path)).toEqual(['{"a":1}', '{"b":"日本"}'])
    await fileCheckpoint(path).append('{"c":3}')
    expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n{"b":"日本"}\n{"c":3}\n')
  })

  it('touches nothing before it writes: what a run refuses stays as it was', async () => {
    const path = join(folder, 'letter.txt')
    writeFileSync(path, 'Dear reader,\nthis is no checkpoint')
    const release = await fileCheckpoint(path).lock()
    await release()
    expect(readFileSync(path, 'utf8')).toBe('Dear reader,\nthis is no checkpoint')
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
