#!/usr/bin/env node
/**
 * `llmswap`, the command. In: arguments, stdin, the environment. Out: text, and an exit code that means something.
 *
 * This file only chooses the command and turns failures into one sentence on stderr; each command is a file in cli/.
 * Ctrl-C aborts the call, keeps what was printed and exits 130; a closed pipe ends the program in silence, as `head`
 * expects. No dependency: arguments go through node:util.
 */

import { fstatSync, readFileSync } from 'node:fs'
import { LlmError } from './errors.ts'
import { ask } from './cli/ask.ts'
import { batch } from './cli/batch.ts'
import { compare } from './cli/compare.ts'
import { doctor } from './cli/doctor.ts'
import { models } from './cli/models.ts'
import { EXIT, paint, UsageError } from './cli/terminal.ts'
import type { Io } from './cli/terminal.ts'
import { tokens } from './cli/tokens.ts'

const HELP = `llmswap [ask] [options] [prompt]     one question; the answer streams to stdout
llmswap tokens [text]                count tokens and price them
llmswap models [words]               models, windows and prices of the shipped catalog
llmswap batch in.jsonl out.jsonl     a file of prompts, resumable
llmswap compare -m A -m B [prompt]   one prompt, several models side by side
llmswap doctor                       keys, endpoints, clock, runtime

A prompt may be piped in; with words as well, they come first.

ask, compare, batch
  -m, --model provider/model   e.g. anthropic/claude-sonnet-5-5; default: the first key that is set
  -p, --provider name          then --model is passed on untouched
      --base-url URL           another server that speaks the provider's format
  -s, --system text            system prompt
      --max-tokens n           output limit
      --temperature t
      --timeout seconds        for the whole call; in a batch for each row, retries included
ask        --schema file  the answer's shape as JSON Schema   --json  the whole completion   --stats
tokens     -m model   --show  where each token begins
models     -p provider   --json
batch      --resume   --retry-failed   -c, --concurrency n   --budget dollars   (in.jsonl may be -, for stdin)
compare    --judge model   --json
doctor     --live  one tiny real call per key
-h, --help   -v, --version

Exit codes: 0 answered · 1 the call failed · 2 wrong usage · 3 no key, or a setting that cannot be used
            4 some rows or models failed, or the budget ended the run · 130 interrupted
Colour is off when NO_COLOR is set, in a pipe, and for TERM=dumb.
`

const COMMANDS: Readonly<Record<string, (args: string[], io: Io) => Promise<number>>> = {
  ask,
  batch,
  compare,
  doctor,
  models,
  tokens,
}

/** Runs one command line. Never throws; returns the exit code. */
export async function main(args: string[], io: Io): Promise<number> {
  const [first = '', ...rest] = args
  // After `--` everything is a prompt.
  const flags = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  if (first === 'help' || flags.includes('--help') || flags.includes('-h')) {
    io.write(HELP)
    return EXIT.ok
  }
  if (flags.includes('--version') || flags.includes('-v')) {
    io.write(`${version()}\n`)
    return EXIT.ok
  }
  const named = Object.hasOwn(COMMANDS, first)
  try {
    return await (named ? COMMANDS[first]! : ask)(named ? rest : args, io)
  } catch (error) {
    return explain(error, io)
  }
}

function version(): string {
  const { version: number } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  ) as { version: string }
  return number
}

function explain(error: unknown, io: Io): number {
  const label = paint(io, '31', 'error:', io.errorIsTerminal)
  if (error instanceof UsageError || isParseError(error)) {
    io.error(`${label} ${(error as Error).message}\nllmswap --help lists the commands and options.\n`)
    return EXIT.usage
  }
  if (isSystemError(error)) {
    io.error(`${label} ${error.message}\n`)
    return EXIT.failed
  }
  if (!LlmError.is(error)) {
    io.error(`${label} ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    return EXIT.failed
  }
  if (error.kind === 'aborted') return EXIT.interrupted
  io.error(
    `${label} ${error.message} (${error.kind}${error.requestId === undefined ? '' : `, request ${error.requestId}`})\n`,
  )
  return error.kind === 'config' || error.kind === 'auth' ? EXIT.config : EXIT.failed
}

/** node:util's parseArgs marks its errors with codes of this prefix. */
function isParseError(error: unknown): boolean {
  return String((error as { code?: unknown } | null)?.code ?? '').startsWith('ERR_PARSE_ARGS')
}

/** A file or a pipe that cannot be: its sentence says all, and where in this program it was noticed says nothing. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && typeof (error as { syscall?: unknown }).syscall === 'string'
}

function isPiped(): boolean {
  try {
    const input = fstatSync(0)
    return input.isFIFO() || input.isFile() || input.isSocket()
  } catch {
    return false
  }
}

/** Everything a command touches, as Node has it. */
function nodeIo(): Io {
  const { stdin, stdout, stderr } = process
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort(new Error('interrupted')))
  // Whoever reads us has read enough.
  for (const stream of [stdout, stderr])
    stream.on('error', (error: { code?: string }) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  return {
    write: (text) => void stdout.write(text),
    error: (text) => void stderr.write(text),
    async readInput() {
      // Only what somebody piped or redirected: a daemon's stdin is neither, and may never end.
      if (stdin.isTTY || !isPiped()) return undefined
      stdin.setEncoding('utf8')
      // A pipe that nobody closes would outlive Ctrl-C.
      const stop = (): void => void stdin.destroy(new LlmError({ kind: 'aborted', message: 'interrupted' }))
      controller.signal.addEventListener('abort', stop, { once: true })
      let text = ''
      for await (const piece of stdin) text += String(piece)
      return text
    },
    env: process.env,
    isTerminal: stdout.isTTY,
    errorIsTerminal: stderr.isTTY,
    // A pseudo-terminal without a size says 0.
    columns: stdout.columns || stderr.columns || 80,
    signal: controller.signal,
    nowMs: () => performance.now(),
  }
}

// Imported, it is a function; run, it is the program. npm's bin links end in the real path.
const { argv } = process
if (argv[1] !== undefined && /[\\/]cli\.[jt]s$|[\\/]llmswap$/.test(argv[1])) {
  process.exitCode = await main(argv.slice(2), nodeIo())
}
