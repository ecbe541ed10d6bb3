/**
 * The tokenizer against its peers: `npm run bench -- tokens`.
 *
 * Throughput is measured on unseen text: the code is warm (compiled), the text is new, as it is in a server. A second
 * pass over the same text would flatter every cache, and hypertok's most of all (about twice as fast then, by its own
 * report and ours). Special tokens are plain text for everyone; ids are compared before anything is timed.
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { o200k_base } from '../../src/tokens/encodings/o200k_base.ts'
import type { Contestant, Row, Suite } from './run.ts'
import {
  dataFilesOf,
  entryOf,
  load,
  NAMES,
  PEERS,
  type EncodingName,
  type Tokenizer,
} from './tokens/peers.ts'
import { chat, code, english, json, multilingual, PATHOLOGICAL, random } from './tokens/texts.ts'

const MEGABYTE = 1_000_000

type MakeText = (seed: number, units: number) => string

function cpuMs(run: () => unknown): number {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function middle(samples: number[]): number {
  return samples.sort((a, b) => a - b)[samples.length >> 1]!
}

/** A hash of ids; arrays of a quarter million numbers need not travel. */
function digest(ids: ArrayLike<number>): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < ids.length; i++) hash = Math.imul(hash ^ ids[i]!, 0x01000193)
  return `${ids.length} ids ${(hash >>> 0).toString(16)}`
}

/** A string that is flat in memory: one built by `+=` would be flattened inside the measurement. */
function flat(text: string): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text))
}

/** Median time for three unseen megabytes, after texts of other seeds for the compiler; one will do for the slowest. */
function firstPass(tokenizer: Tokenizer, make: MakeText): number {
  for (const seed of [1, 2, 3, 4]) {
    if (cpuMs(() => tokenizer.encode(flat(make(seed, MEGABYTE / 2)))) > 1_000) break
  }
  const samples: number[] = []
  for (const seed of [11, 12, 13]) {
    const text = flat(make(seed, MEGABYTE))
    samples.push(cpuMs(() => tokenizer.encode(text)))
    if (samples[0]! > 3_000) break
  }
  return middle(samples)
}

function throughput(
  encoding: EncodingName,
  kind: string,
  make: MakeText,
  atMost: number,
  names = NAMES,
): Row {
  return {
    name: `${encoding}: encode ${kind}`,
    unit: 'ms per 1,000,000 characters',
    note: 'Unseen text, warm code, median of three texts.',
    rounds: 3,
    contestants: names.map((name) => ({
      name,
      prepare: async (context) => {
        const tokenizer = await load(name, encoding, context)
        return {
          answer: () => digest(tokenizer.encode(flat(make(11, 300_000)))),
          measure: () => firstPass(tokenizer, make),
        }
      },
    })),
    targets: [
      { than: 'gpt-tokenizer', atMost },
      { than: 'hypertok', atMost: 1 },
    ],
  }
}

const chatRow: Row = {
  name: 'o200k_base: count 2,000 chat messages of 200 characters',
  unit: 'ms',
  note: 'Unseen messages; the count alone, where a peer has one.',
  rounds: 3,
  contestants: NAMES.map((name) => ({
    name,
    prepare: async (context) => {
      const tokenizer = await load(name, 'o200k_base', context)
      const messages = (seed: number): string[] => chat(seed, 2_000, 200).map(flat)
      return {
        answer: () => messages(21).reduce((sum, text) => sum + tokenizer.count(text), 0),
        measure: () => {
          for (const text of messages(1)) tokenizer.count(text)
          return middle(
            [22, 23, 24].map((seed) => {
              const unseen = messages(seed)
              return cpuMs(() => {
                for (const text of unseen) tokenizer.count(text)
              })
            }),
          )
        },
      }
    },
  })),
  targets: [
    { than: 'gpt-tokenizer', atMost: 1 / 6 },
    { than: 'hypertok', atMost: 1 },
  ],
}

const shortRow: Row = {
  name: 'o200k_base: count one string of 11 characters',
  unit: 'µs/call',
  note: '10,000 different strings in turn.',
  rounds: 3,
  contestants: NAMES.map((name) => ({
    name,
    prepare: async (context) => {
      const tokenizer = await load(name, 'o200k_base', context)
      const words = chat(31, 10_000, 11).map(flat)
      return {
        ops: words.length,
        answer: () => words.map((text) => tokenizer.count(text)),
        run: () => {
          for (let i = 0; i < words.length; i++) tokenizer.count(words[i]!)
        },
      }
    },
  })),
  targets: [{ than: 'gpt-tokenizer', atMost: 0.25 }],
}

const decodeRow: Row = {
  name: 'o200k_base: decode English',
  unit: 'ms per 1,000,000 characters',
  note: 'To a text of which one character is read. What was put together with + is a tree until then, and V8 makes it one text where it is first used; some peers answer with such a tree, a node for each token.',
  rounds: 3,
  contestants: NAMES.map((name) => ({
    name,
    prepare: async (context) => {
      const tokenizer = await load(name, 'o200k_base', context)
      const idsOf = (seed: number, units: number): ArrayLike<number> => {
        const ids = o200k_base.encodeOrdinary(english(seed, units))
        // Typed arrays for those whose encode gives them.
        return ArrayBuffer.isView(tokenizer.encode('a')) ? Uint32Array.from(ids) : ids
      }
      return {
        answer: () => tokenizer.decode(idsOf(41, 100_000)),
        measure: () => {
          for (const seed of [1, 2, 3]) tokenizer.decode(idsOf(seed, 200_000))
          return middle(
            [42, 43, 44].map((seed) => {
              const ids = idsOf(seed, MEGABYTE)
              return cpuMs(() => tokenizer.decode(ids).charCodeAt(MEGABYTE / 2))
            }),
          )
        },
      }
    },
  })),
  targets: [{ than: 'gpt-tokenizer', atMost: 0.5 }],
}

/** The smallest of a few runs: a ratio of two times must not hold a pause of the machine. */
function best(runs: number, run: () => unknown): number {
  let least = Infinity
  for (let i = 0; i < runs; i++) least = Math.min(least, cpuMs(run))
  return least
}

/** One row for each kind of giant word: how much longer ten times the text takes. */
const linearRows: Row[] = Object.entries(PATHOLOGICAL).map(([kind, make]) => ({
  name: `o200k_base: ${kind}, a million characters against 100,000`,
  unit: '× the time for 10 × the text',
  note: 'Ours alone: most peers do not come back from the longer one. Below, all of them on a tenth of the shorter one.',
  rounds: 3,
  contestants: [
    {
      name: 'llmswap',
      prepare: async (context) => {
        const tokenizer = await load('llmswap', 'o200k_base', context)
        return {
          measure: () => {
            const [short, long] = [flat(make(100_000)), flat(make(MEGABYTE))]
            tokenizer.count(short)
            tokenizer.count(short)
            const longMs = best(3, () => tokenizer.count(long))
            // Ten at a time: one may be shorter than the processor clock's tick.
            return (
              longMs /
              (best(3, () => {
                for (let i = 0; i < 10; i++) tokenizer.count(short)
              }) /
                10)
            )
          },
        }
      },
    },
  ],
  targets: [{ atMost: 11 }],
}))

const giantRow: Row = {
  name: 'o200k_base: one word of 10,000 random letters',
  unit: 'ms',
  note: 'Unseen words, median of three, after ten others for the compiler; fewer where one takes over a second.',
  rounds: 2,
  contestants: NAMES.map((name) => ({
    name,
    prepare: async (context) => {
      const tokenizer = await load(name, 'o200k_base', context)
      const next = random(51)
      const word = (): string =>
        flat(Array.from({ length: 10_000 }, () => String.fromCharCode(97 + Math.floor(next() * 26))).join(''))
      const first = word()
      return {
        answer: () => digest(tokenizer.encode(first)),
        measure: () => {
          for (let i = 0; i < 10; i++) {
            const warm = word()
            if (cpuMs(() => tokenizer.encode(warm)) > 1_000) break
          }
          const samples: number[] = []
          while (samples.length < 3 && !(samples[0]! > 1_000)) {
            const unseen = word()
            samples.push(cpuMs(() => tokenizer.encode(unseen)))
          }
          return middle(samples)
        },
      }
    },
  })),
  targets: [{ than: 'gpt-tokenizer', atMost: 0.125 }],
}

/** Runs an entry as a program of its own and returns what it prints last: `[cpu ms, resident MB]`. */
function loadCost(name: string, encoding: EncodingName): [cpuMs: number, residentMb: number] {
  const here = dirname(fileURLToPath(import.meta.url))
  const folder = mkdtempSync(join(here, 'load-'))
  try {
    const program = join(folder, 'program.mjs')
    let entry = join(folder, 'entry.mjs')
    if (name === 'llmswap') bundle(name, encoding, entry)
    else writeFileSync(entry, `${entryOf(name, encoding)}\nexport { encode }\n`)
    entry = pathToFileURL(entry).href
    writeFileSync(
      program,
      `globalThis.gc()
const resident = process.memoryUsage.rss()
const before = process.cpuUsage()
const { encode } = await import(${JSON.stringify(entry)})
const ids = encode('Hello, world!')
const { user, system } = process.cpuUsage(before)
globalThis.gc()
console.log(JSON.stringify([(user + system) / 1000, (process.memoryUsage.rss() - resident) / 1e6, ids.length]))
`,
    )
    const out = execFileSync(process.execPath, ['--expose-gc', program], { encoding: 'utf8' })
    const [cpu, resident] = JSON.parse(out) as [number, number]
    return [cpu, resident]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One encoding of a tokenizer as a single minified file, as a bundler would ship it. */
function bundle(name: string, encoding: EncodingName, outfile: string): void {
  const here = dirname(fileURLToPath(import.meta.url))
  const root = resolve(here, '../../..')
  const script = `
import { build } from 'esbuild'
await build({
  stdin: { contents: ${JSON.stringify(`${entryOf(name, encoding)}\nexport { encode }`)}, resolveDir: ${JSON.stringify(name === 'llmswap' ? root : here)}, loader: 'js' },
  outfile: ${JSON.stringify(outfile)}, bundle: true, minify: true, format: 'esm', platform: 'node', target: 'es2022', logLevel: 'error',
})`
  execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

const loadRow: Row = {
  name: 'o200k_base: load and first call',
  unit: 'ms',
  note: 'A fresh process that imports one encoding and encodes a greeting; ours as one bundled file.',
  rounds: 7,
  contestants: NAMES.map((name) => ({
    name,
    prepare: () => ({ measure: () => loadCost(name, 'o200k_base')[0] }),
  })),
  targets: [{ than: 'gpt-tokenizer', atMost: 0.6 }],
}

const memoryRow: Row = {
  name: 'o200k_base: memory after load and first call',
  unit: 'MB resident',
  note: 'Added to a process that has just started and collected its garbage; measured after collecting again.',
  rounds: 5,
  contestants: NAMES.map((name) => ({
    name,
    prepare: () => ({ measure: () => loadCost(name, 'o200k_base')[1] }),
  })),
  targets: [{ than: 'gpt-tokenizer', atMost: 0.5 }],
}

function sizeRow(encoding: EncodingName, atMost: number): Row {
  return {
    name: `${encoding}: shipped bytes, gzipped`,
    unit: 'MB',
    note: 'One encoding, bundled and minified, with the files it reads at run time. bpe-lite reads gzipped files of its own.',
    rounds: 1,
    contestants: NAMES.filter((name) => name !== 'bpe-lite').map((name): Contestant => ({
      name,
      prepare: () => ({
        measure: () => {
          const folder = mkdtempSync(join(tmpdir(), 'llmswap-size-'))
          try {
            const outfile = join(folder, 'bundle.mjs')
            bundle(name, encoding, outfile)
            const files = [outfile, ...dataFilesOf(name, encoding)]
            return (
              files.reduce((sum, file) => sum + gzipSync(readFileSync(file), { level: 9 }).length, 0) / 1e6
            )
          } finally {
            rmSync(folder, { recursive: true, force: true })
          }
        },
      }),
    })),
    targets: [{ atMost }],
  }
}

function limitRow(kind: string, make: () => string, names: readonly string[], atMost: number): Row {
  return {
    name: `o200k_base: is a megabyte of ${kind} within 100 tokens`,
    unit: '× a full count',
    rounds: 3,
    contestants: names.map((name) => ({
      name,
      prepare: async ({ peer }) => {
        type Limiter = {
          isWithinTokenLimit(text: string, limit: number): number | false
          countTokens(text: string): number
        }
        const limiter =
          name === 'llmswap' ? o200k_base : await peer<Limiter>('gpt-tokenizer/encoding/o200k_base')
        return {
          measure: () => {
            const text = flat(make())
            limiter.countTokens(text.slice(0, 20_000))
            const full = best(2, () => limiter.countTokens(text))
            const limited = best(3, () => {
              for (let i = 0; i < 5; i++)
                if (limiter.isWithinTokenLimit(text, 100) !== false) throw new Error('no')
            })
            return limited / 5 / full
          },
        }
      },
    })),
    targets: [{ atMost }],
  }
}

const suite: Suite = {
  title: 'Tokenizers',
  peers: PEERS,
  rows: [
    throughput('o200k_base', 'English', english, 1 / 8),
    throughput('o200k_base', 'code', code, 1 / 8),
    throughput('o200k_base', 'JSON', json, 1 / 8),
    throughput('o200k_base', 'Chinese, Japanese, Korean and emoji', multilingual, 1 / 10),
    throughput('cl100k_base', 'English', english, 1 / 8),
    throughput('cl100k_base', 'code', code, 1 / 8),
    throughput('cl100k_base', 'JSON', json, 1 / 8),
    chatRow,
    shortRow,
    decodeRow,
    ...linearRows,
    giantRow,
    limitRow('prose', () => english(61, MEGABYTE), ['llmswap', 'gpt-tokenizer'], 0.01),
    limitRow('one giant word', () => PATHOLOGICAL['random letters']!(MEGABYTE), ['llmswap'], 0.2),
    loadRow,
    memoryRow,
    sizeRow('o200k_base', 0.85),
    sizeRow('cl100k_base', 0.42),
  ],
}

export default suite
