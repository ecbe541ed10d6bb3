/**
 * A batch checkpoint in a file: one JSON line per finished row, appended, never rewritten.
 *
 * In:  a path. Out: the `checkpoint` of a batch run.
 * Each line is one `write` of one buffer that ends in a newline, so `kill -9` leaves whole lines and at most one torn
 * tail, which is cut off before the next line is written — not before: a run that refuses the file has changed nothing. The write is synchronous: about 10 µs, where a round trip
 * through the thread pool takes 50. A lock file beside it names the writing process; the lock of a dead one is taken over.
 * Not here: what the lines mean (batch/checkpoint.ts).
 */

import {
  closeSync,
  createReadStream,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import type { Checkpoint } from '../batch/checkpoint.ts'
import { LlmError } from '../errors.ts'

/** See {@link fileCheckpoint}. */
export interface FileCheckpointOptions {
  /** Flush each line to the disk itself, so that it also survives a power cut. Costs milliseconds a row. Default false. */
  sync?: boolean
}

const NEWLINE = 10

/**
 * A checkpoint of `llmswap/batch` in one file of lines, that a run can be killed over.
 * @throws LlmError `config`, from `lock()`, when another process writes the file or it cannot be written — before the
 *   first call of the run.
 */
export function fileCheckpoint(path: string, options: FileCheckpointOptions = {}): Checkpoint {
  const lockPath = `${path}.lock`
  let file: number | undefined
  let isWhole = false

  function cannot(what: string, cause: unknown): LlmError {
    return new LlmError({
      kind: 'config',
      message: `The checkpoint ${path} cannot be ${what}; nothing was sent.`,
      cause,
    })
  }

  function open(): number {
    try {
      return openSync(path, 'a+')
    } catch (cause) {
      throw cannot('written', cause)
    }
  }

  return {
    async *read() {
      if (!existsSync(path)) return
      // Lines are cut at byte 10, which never occurs inside a UTF-8 sequence, so pieces may end anywhere.
      let rest = ''
      for await (const piece of createReadStream(path, 'utf8') as AsyncIterable<string>) {
        const lines = (rest + piece).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) if (line !== '') yield line
      }
      if (rest !== '') yield rest
    },

    async append(line) {
      file ??= open()
      if (!isWhole) mendTail(file)
      isWhole = true
      const bytes = new TextEncoder().encode(`${line}\n`)
      // A full disk or a signal can write less than asked; the rest must follow before anything else does.
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
      if (options.sync === true) fsyncSync(file)
    },

    async lock() {
      takeLock(lockPath, path)
      try {
        file = open()
      } catch (error) {
        unlinkSync(lockPath)
        throw error
      }
      return async () => {
        if (file !== undefined) closeSync(file)
        file = undefined
        isWhole = false
        unlinkSync(lockPath)
      }
    },
  }
}

/** Gives a last line that lacks only its newline that newline, and cuts off one that a kill left without its end. */
function mendTail(file: number): void {
  const { size } = fstatSync(file)
  const start = lastLineStart(file, size)
  if (start === size) return
  const tail = Buffer.alloc(size - start)
  for (let at = 0, read = 1; read > 0; at += read)
    read = readSync(file, tail, at, tail.length - at, start + at)
  try {
    JSON.parse(tail.toString())
  } catch {
    ftruncateSync(file, start)
    return
  }
  writeSync(file, '\n')
}

/** Where what follows the last newline begins. */
function lastLineStart(file: number, size: number): number {
  const window = new Uint8Array(64 * 1024)
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - window.length)
    const length = readSync(file, window, 0, end - start, start)
    const at = window.subarray(0, length).lastIndexOf(NEWLINE)
    if (at >= 0) return start + at + 1
    end = start
  }
  return 0
}

/** The lock appears with its owner already in it: a link either makes both or fails. */
function takeLock(lockPath: string, path: string): void {
  const mine = `${lockPath}.${process.pid}`
  try {
    writeFileSync(mine, `${process.pid}@${hostname()}`)
  } catch (cause) {
    throw new LlmError({
      kind: 'config',
      message: `The checkpoint ${path} cannot be locked: its folder cannot be written. Nothing was sent.`,
      cause,
    })
  }
  try {
    if (link(mine, lockPath)) return
    const owner = readFileSync(lockPath, 'utf8')
    const [pid = '', host = ''] = owner.split('@')
    if (host === hostname() && !isAlive(Number(pid)) && evict(lockPath, owner) && link(mine, lockPath)) return
    throw new LlmError({
      kind: 'config',
      message: `The checkpoint ${path} is being written by process ${owner}. Wait for it, or remove ${lockPath} if it is gone.`,
    })
  } finally {
    unlinkSync(mine)
  }
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as { code?: string }).code === 'EEXIST') return false
    throw error
  }
}

/** Removes a dead process's lock. Of two that try, one finds it gone, or finds the other's and puts it back. */
function evict(lockPath: string, owner: string): boolean {
  const aside = `${lockPath}.${process.pid}.stale`
  try {
    renameSync(lockPath, aside)
  } catch {
    return false
  }
  const dead = readFileSync(aside, 'utf8') === owner
  if (!dead) link(aside, lockPath)
  unlinkSync(aside)
  return dead
}

/** Signal 0 asks whether a process exists without touching it; EPERM means it does, and is someone else's. */
function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM'
  }
}
