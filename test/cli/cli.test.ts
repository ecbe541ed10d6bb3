import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { main } from '../../src/cli.ts'
import { displayWidth, dollars, duration, grouped, printable, table } from '../../src/cli/terminal.ts'
import type { Io } from '../../src/cli/terminal.ts'

let folder = ''
let server: Server
let baseURL = ''
let answer: (
  body: { messages: { content: string }[]; model: string },
  response: ServerResponse,
  request: IncomingMessage,
) => void

beforeAll(async () => {
  server = createServer((request, response) => {
    let text = ''
    request.on('data', (piece) => (text += String(piece)))
    request.on('end', () => answer(JSON.parse(text === '' ? '{}' : text) as never, response, request))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cli-'))
  answer = (body, response) => say(response, `You said: ${body.messages.at(-1)?.content ?? ''}`, body.model)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A Chat Completions stream, word by word. */
function say(response: ServerResponse, text: string, model = 'm'): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const word of text.match(/\S+\s*/g) ?? []) {
    response.write(
      `data: ${JSON.stringify({ id: 'c1', model, choices: [{ index: 0, delta: { content: word } }] })}\n\n`,
    )
  }
  response.write(
    `data: ${JSON.stringify({ id: 'c1', model, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\n`,
  )
  response.write(
    `data: ${JSON.stringify({ id: 'c1', model, choices: [], usage: { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 } })}\n\n`,
  )
  response.end('data: [DONE]\n\n')
}

interface Outcome {
  code: number
  out: string
  err: string
}

async function run(args: string[], more: Partial<Io> = {}): Promise<Outcome> {
  let out = ''
  let err = ''
  const code = await main(args, {
    write: (text) => void (out += text),
    error: (text) => void (err += text),
    readInput: async () => undefined,
    env: {},
    isTerminal: false,
    errorIsTerminal: false,
    columns: 80,
    signal: new AbortController().signal,
    nowMs: () => performance.now(),
    ...more,
  })
  return { code, out, err }
}

const here = (): string[] => ['-p', 'openai-chat', '--base-url', baseURL, '-m', 'm']

// The program itself, as it is installed.

let program = ''
beforeAll(async () => {
  program = join(mkdtempSync(join(tmpdir(), 'llmswap-')), 'cli.js')
  await build({
    entryPoints: ['src/cli.ts'],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: program,
  })
  writeFileSync(join(program, '..', 'package.json'), '{"type":"module"}')
})
afterAll(() => rmSync(join(program, '..'), { recursive: true, force: true }))

function start(command: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', command], {
      env: { PATH: process.env['PATH'], HOME: folder, TERM: 'xterm' },
    })
    let out = ''
    let err = ''
    child.stdout.on('data', (data) => (out += String(data)))
    child.stderr.on('data', (data) => (err += String(data)))
    child.stdin.end()
    child.on('close', (code) => resolve({ code: code ?? -1, out, err }))
  })
}
/** A shell command that runs the program against the server here. */
const call = (rest: string, command: readonly string[] = []): string =>
  [process.execPath, program, ...command, ...here(), rest].join(' ')

describe('ask', () => {
  it('is what happens without a command, and prints the answer alone on stdout', async () => {
    const { code, out, err } = await run([...here(), 'hello', 'there'])
    expect({ code, out, err }).toEqual({ code: 0, out: 'You said: hello there\n', err: '' })
  })

  it('puts words before what is piped in', async () => {
    const { out } = await run(['ask', ...here(), 'Summarise:'], { readInput: async () => 'a long text\n' })
    expect(out).toBe('You said: Summarise:\n\na long text\n')
  })

  it('tells the figures on stderr when asked', async () => {
    const { err } = await run([...here(), '--stats', 'x'])
    expect(err).toMatch(/^openai-chat\/m · first token .* · total .* · 7 in · 5 out\n$/)
  })

  it('prints the whole completion as JSON', async () => {
    const { out } = await run([...here(), '--json', 'x'])
    expect(JSON.parse(out)).toMatchObject({
      text: 'You said: x',
      usage: { inputTokens: 7 },
      finishReason: 'stop',
    })
  })

  it('asks for a shape from a file', async () => {
    const path = join(folder, 'schema.json')
    writeFileSync(
      path,
      '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}',
    )
    answer = (_, response) => say(response, '{"n":1}')
    expect((await run([...here(), '--schema', path, 'x'])).out).toBe('{"n":1}\n')
    const missing = await run([...here(), '--schema', join(folder, 'none.json'), 'x'])
    expect(missing.code).toBe(3)
    expect(missing.err).toContain('none.json')
    for (const [text, problem] of [
      ['{"type":', 'JSON'],
      ['[]', 'no JSON Schema object'],
    ] as const) {
      writeFileSync(path, text)
      const bad = await run([...here(), '--schema', path, 'x'])
      expect(bad).toMatchObject({ code: 3, err: expect.stringContaining(problem) as string })
    }
  })

  it('shows control characters to a terminal, and passes them to a pipe', async () => {
    answer = (_, response) => say(response, 'a\u001b[31mred\u0007')
    expect((await run([...here(), 'x'], { isTerminal: true })).out).toBe('a␛[31mred␇\n')
    expect((await run([...here(), 'x'])).out).toBe('a\u001b[31mred\u0007\n')
  })

  it.each<[string, string[], number, RegExp]>([
    ['nothing to ask', [], 2, /nothing to ask/],
    ['an unknown flag', ['--nope'], 2, /--nope/],
    ['a number that is none', ['--max-tokens', 'many', 'x'], 2, /--max-tokens takes a whole number/],
    ['no key anywhere', ['x'], 3, /OPENAI_API_KEY/],
    ['an unknown provider', ['-p', 'nobody', 'x'], 3, /nobody/],
    ['no time at all', ['--timeout', '0', 'x'], 2, /--timeout takes seconds/],
    ['an empty temperature', ['--temperature', '', 'x'], 2, /--temperature takes a number/],
  ])('%s: one sentence and exit code', async (_, args, code, message) => {
    const result = await run(args)
    expect(result.code).toBe(code)
    expect(result.err).toMatch(message)
    expect(result.out).toBe('')
  })

  it('keeps the text of an answer that broke off, and says what happened', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(
        `data: ${JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta: { content: 'half an ' } }] })}\n\n`,
      )
      setTimeout(() => response.destroy(), 20)
    }
    const { code, out, err } = await run([...here(), 'x'])
    expect(code).toBe(1)
    expect(out).toBe('half an \n')
    expect(err).toContain('interrupted')
  })
})

describe('tokens', () => {
  it('gives the count alone on the first line, prices below', async () => {
    const { out } = await run(['tokens', 'hello world'])
    expect(out.split('\n')[0]).toBe('2')
    expect(out).toContain('gpt-6.1-terra')
  })

  it('shows where tokens begin', async () => {
    const { out } = await run(['tokens', '-m', 'gpt-4o', '--show', 'hello world'])
    expect(out.split('\n')[1]).toBe('hello| world')
  })

  it('estimates a family without a public vocabulary, and says so', async () => {
    const { out, err } = await run(['tokens', '-m', 'claude-sonnet-5-5', 'hello world, how are you today?'])
    expect(Number(out.split('\n')[0])).toBeGreaterThan(3)
    expect(err).toMatch(/an estimate, \d+ ± \d+: no vocabulary of claude-sonnet-5-5 is public/)
  })
})

describe('tokens, by model', () => {
  it('counts exactly where it can, marks each estimate, and prices each model by its own count', async () => {
    const { out, err } = await run(['tokens', '河'.repeat(100)])
    const [first, ...rows] = out.split('\n')
    expect(err).toContain('exact for GPT-4o to GPT-5, o200k_base')
    expect(rows.find((row) => row.startsWith('gpt-5 '))).toMatch(new RegExp(`^gpt-5 +${first} `))
    expect(rows.find((row) => row.startsWith('claude-opus-5-5 '))).toMatch(/^claude-opus-5-5 +~\d+ +\$0\.0/)
  })

  it('says that it cannot show where unknown tokens begin, and what is missing to count', async () => {
    expect((await run(['tokens', '--show', '-m', 'claude-sonnet-5-5', 'x'])).err).toContain('is not known')
    const nothing = await run(['tokens'])
    expect(nothing.code).toBe(2)
    expect(nothing.err).toContain('nothing to count')
  })
})

describe('models', () => {
  it('filters by words and provider', async () => {
    const { out } = await run(['models', 'sonnet', '-p', 'anthropic'])
    expect(out).toMatch(/anthropic\/claude-sonnet-5-5 +1,000,000 +128,000 +2 +10/)
    expect(out).not.toContain('gpt')
  })

  it('prints JSON, and says when there is nothing', async () => {
    expect(
      (JSON.parse((await run(['models', 'haiku-5-5', '--json', '-p', 'anthropic'])).out) as unknown[]).length,
    ).toBe(1)
    expect((await run(['models', 'no such model'])).code).toBe(1)
  })
})

describe('compare', () => {
  it('asks all, shows answers and figures, and lets a judge speak without knowing names', async () => {
    const judged: string[] = []
    answer = (body, response) => {
      const prompt = body.messages.at(-1)?.content ?? ''
      if (prompt.includes('<answer id="A">')) judged.push(prompt)
      say(
        response,
        judged.length > 0 && body.model === 'judge' ? 'A is best.' : `${body.model} says hi`,
        body.model,
      )
    }
    const { code, out } = await run([
      'compare',
      '-p',
      'openai-chat',
      '--base-url',
      baseURL,
      '-m',
      'one',
      '-m',
      'two',
      'hi',
    ])
    expect(code).toBe(0)
    expect(out).toContain('one says hi')
    expect(out).toContain('two says hi')
    expect(out).toMatch(/model +first token +total +in +out +cost/)
  })

  it('keeps the answers that came when one fails', async () => {
    answer = (body, response) => {
      if (body.model === 'two')
        response
          .writeHead(400, { 'content-type': 'application/json' })
          .end('{"error":{"message":"no such thing"}}')
      else say(response, 'fine', body.model)
    }
    const { code, out } = await run([
      'compare',
      '-p',
      'openai-chat',
      '--base-url',
      baseURL,
      '-m',
      'one',
      '-m',
      'two',
      'hi',
    ])
    expect(code).toBe(4)
    expect(out).toContain('fine')
    expect(out).toContain('no such thing')
  })

  const at = (...models: string[]): string[] => [
    'compare',
    '-p',
    'openai-chat',
    '--base-url',
    baseURL,
    ...models.flatMap((model) => ['-m', model]),
  ]

  it('asks the judge where the models are, and loses no answer when it fails', async () => {
    answer = (body, response) => {
      if (body.model === 'gone') response.writeHead(404).end('{"error":{"message":"no judge here"}}')
      else say(response, body.model === 'judge' ? 'B is best.' : 'an answer', body.model)
    }
    const judged = await run([...at('one', 'two'), '--judge', 'judge', 'hi'])
    expect(judged).toMatchObject({ code: 0, err: '' })
    expect(judged.out).toContain('B is best.')
    const failed = await run([...at('one', 'two'), '--judge', 'gone', 'hi'])
    expect(failed.code).toBe(4)
    expect(failed.out.match(/an answer/g)).toHaveLength(2)
    expect(failed.err).toContain('The judge did not answer: ')
  })

  it('ends with 3 when no model has a key', async () => {
    expect((await run(['compare', '-m', 'openai/a', '-m', 'anthropic/b', 'hi'])).code).toBe(3)
  })

  it('needs two', async () => {
    expect((await run(['compare', '-m', 'one', 'hi'])).code).toBe(2)
  })
})

describe('batch', () => {
  const input = (): string => join(folder, 'in.jsonl')
  const output = (): string => join(folder, 'out.jsonl')

  it('reads what people have — BOM, CRLF, blank and torn lines — and writes a line per row', async () => {
    writeFileSync(input(), '\ufeff{"id":"a","prompt":"one"}\r\n\r\n{"id":"b","prompt":"two"}\n{"id":"c","pro')
    const { code, err } = await run(['batch', input(), output(), ...here()])
    expect(code).toBe(4)
    expect(err).toContain('Line 4')
    const lines = readFileSync(output(), 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => JSON.parse(line) as { id: string; completion?: { text: string } })
    expect(
      lines
        .filter(({ completion }) => completion !== undefined)
        .map(({ id, completion }) => [id, completion?.text])
        .sort(),
    ).toEqual([
      ['a', 'You said: one'],
      ['b', 'You said: two'],
    ])
  })

  it('goes on where it stopped, and overwrites nothing unasked', async () => {
    writeFileSync(input(), '{"id":"a","prompt":"one"}\n')
    expect((await run(['batch', input(), output(), ...here()])).code).toBe(0)
    const refused = await run(['batch', input(), output(), ...here()])
    expect(refused.code).toBe(2)
    expect(refused.err).toContain('--resume')
    writeFileSync(input(), '{"id":"a","prompt":"one"}\n{"id":"b","prompt":"two"}\n')
    let asked = 0
    answer = (body, response) => {
      asked++
      say(response, 'ok', body.model)
    }
    const resumed = await run(['batch', input(), output(), '--resume', ...here()])
    expect(resumed.code).toBe(0)
    expect(asked).toBe(1)
    expect(resumed.err).toContain('1 from before')
  })

  it('refuses a line of more than 32 MiB by its number, and takes those around it', async () => {
    const long = 'x'.repeat(33 * 1024 * 1024)
    writeFileSync(
      input(),
      `{"id":"a","prompt":"one"}\n{"prompt":"${long}"}\n{"id":"b","prompt":"two"}\n${long}`,
    )
    const { code, err } = await run(['batch', input(), output(), ...here()])
    expect(code).toBe(4)
    expect(err).toContain('row-1: Line 2 of')
    expect(err).toContain('row-3: Line 4 of')
    expect(err).toContain('is longer than 33,554,432 bytes. It was not sent.')
    expect(readFileSync(output(), 'utf8').match(/You said: (one|two)/g)).toHaveLength(4)
  })

  it('reads its rows from a pipe as from a file', async () => {
    for (const [name, shell] of [
      ['-', (command: string) => `cat ${input()} | ${command}`],
      ['/dev/stdin', (command: string) => `cat ${input()} | ${command}`],
      ['-', (command: string) => `${command} < ${input()}`],
    ] as const) {
      writeFileSync(input(), '{"id":"a","prompt":"one"}\n{"id":"b","prompt":"two"}\n')
      rmSync(output(), { force: true })
      const ended = await start(shell(`${call('', ['batch', name, output()])}`))
      expect(ended).toMatchObject({ code: 0, err: expect.stringContaining('2 rows') as string })
      expect(readFileSync(output(), 'utf8').trim().split('\n')).toHaveLength(3)
    }
  })

  it('without a key: says so once, marks no row as failed, and leaves nothing in the way of the next run', async () => {
    writeFileSync(input(), '{"id":"a","prompt":"one"}\n{"id":"b","prompt":"two"}\n')
    for (const options of [[], ['-m', 'openai/gpt-5']]) {
      const { code, err } = await run(['batch', input(), output(), ...options])
      expect(code).toBe(3)
      expect(err.match(/OPENAI_API_KEY/g)).toHaveLength(1)
      expect(readFileSync(output(), 'utf8')).toBe('')
    }
    expect((await run(['batch', input(), output(), ...here()])).code).toBe(0)
  })

  it.each([
    [401, '{"error":{"message":"bad key"}}', 3],
    [429, '{"error":{"code":"insufficient_quota","message":"no money"}}', 1],
  ])('stops at %d, which is not a row’s fault, and goes on later', async (status, body, expected) => {
    writeFileSync(input(), Array.from({ length: 40 }, (_, n) => `{"prompt":"q${n}"}`).join('\n'))
    let asked = 0
    answer = (request, response) => {
      if (++asked <= 10) say(response, 'ok', request.model)
      else response.writeHead(status, { 'content-type': 'application/json' }).end(body)
    }
    const { code, err } = await run(['batch', input(), output(), ...here(), '-c', '2'])
    expect({ code, err }).toMatchObject({
      code: expected,
      err: expect.stringContaining('--resume') as string,
    })
    expect(asked).toBeLessThan(15)
    expect(readFileSync(output(), 'utf8')).not.toContain('"error"')
    answer = (request, response) => say(response, 'ok', request.model)
    const resumed = await run(['batch', input(), output(), ...here(), '--resume'])
    expect(resumed.code).toBe(0)
    expect(resumed.err).toContain('40/40 rows · 10 from before')
  })

  it('lets a row that names another model fail alone', async () => {
    writeFileSync(input(), '{"prompt":"one","provider":"anthropic","model":"claude"}\n{"prompt":"two"}\n')
    const { code, err } = await run(['batch', input(), output(), ...here()])
    expect(code).toBe(4)
    expect(err).toContain('row-0: There is no API key for anthropic')
    expect(err).toContain('--retry-failed')
  })

  it('tells failures that are alike in one line, and those of an earlier run apart', async () => {
    writeFileSync(input(), Array.from({ length: 5 }, (_, n) => `{"id":"r${n}","prompt":"q"}`).join('\n'))
    answer = (_, response) => {
      response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":{"message":"too odd"}}')
    }
    const first = await run(['batch', input(), output(), ...here()])
    expect(first.code).toBe(4)
    expect(first.err).toMatch(/^r\d and 4 more: .*too odd/m)
    const second = await run(['batch', input(), output(), ...here(), '--resume'])
    expect(second.code).toBe(4)
    expect(second.err).toContain('5 failed in an earlier run')
    answer = (body, response) => say(response, 'ok', body.model)
    expect((await run(['batch', input(), output(), ...here(), '--retry-failed'])).code).toBe(0)
  })

  it('gives each row the time that --timeout says, and says it so', async () => {
    writeFileSync(input(), '{"id":"slow","prompt":"q"}\n')
    answer = () => {}
    const { code, err } = await run(['batch', input(), output(), ...here(), '--timeout', '0.2'])
    expect(code).toBe(4)
    expect(err).toContain('slow: The row took longer than its 200 ms')
  })

  it.each<[string, () => string[], number]>([
    ['an input that is a folder', () => [folder, output()], 2],
    ['an output that is a folder', () => [input(), folder], 2],
    ['an output that is no file', () => [input(), '-'], 2],
    ['a budget that is no number', () => [input(), output(), '--budget', 'x'], 3],
    ['a missing input', () => [join(folder, 'none'), output()], 2],
    ['an output that cannot be written', () => [input(), join(folder, 'no', 'such', 'folder.jsonl')], 3],
    ['a budget of nothing', () => [input(), output(), '--budget', '0'], 3],
    ['one file only', () => [input()], 2],
  ])('%s: refused before the first call', async (_, args, code) => {
    writeFileSync(input(), '{"id":"a","prompt":"one"}\n')
    let asked = 0
    answer = (_body, response) => {
      asked++
      say(response, 'x')
    }
    expect((await run(['batch', ...args(), ...here()])).code).toBe(code)
    expect(asked).toBe(0)
  })
})

describe('doctor', () => {
  it('says which variables would help when none is set, and never shows a key', async () => {
    const { code, out } = await run(['doctor'], { env: {} })
    expect(code).toBe(3)
    expect(out).toContain('OPENAI_API_KEY')
    const found = await run(['doctor'], { env: { GROQ_API_KEY: 'gsk_secret_value' } })
    expect(found.out).toContain('GROQ_API_KEY')
    expect(found.out).not.toContain('gsk_')
  })
})

describe('the program', () => {
  it('streams, reads stdin, and ends in silence when its pipe is closed', async () => {
    expect(await start(`echo piped | ${call('words')}`)).toMatchObject({
      code: 0,
      out: 'You said: words\n\npiped\n',
    })
    answer = (body, response) => say(response, 'word '.repeat(20_000), body.model)
    const closed = await start(`${call('x')} | head -c 10`)
    expect(closed.out).toBe('word word ')
    expect(closed.err).toBe('')
  })

  it('stops at Ctrl-C with 130, keeps what was printed, and the server sees it go', async () => {
    let gone = false
    answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(
        `data: ${JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta: { content: 'begun' } }] })}\n\n`,
      )
      response.on('close', () => (gone = true))
    }
    const { code, out } = await start(`${call('x')} & pid=$!; sleep 1.5; kill -INT $pid; wait $pid`)
    expect(code).toBe(130)
    expect(out).toBe('begun\n')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(gone).toBe(true)
  })

  it('stops at Ctrl-C though a pipe that nobody closes stands open before it', async () => {
    const { code } = await start(`sleep 20 | { ${call('x')} & pid=$!; sleep 1; kill -INT $pid; wait $pid; }`)
    expect(code).toBe(130)
  })

  it('interrupted in a batch: keeps what was answered, cancels the rest, and resumes', async () => {
    const input = join(folder, 'in.jsonl')
    const output = join(folder, 'out.jsonl')
    writeFileSync(input, Array.from({ length: 30 }, (_, n) => `{"prompt":"q${n}"}`).join('\n'))
    let asked = 0
    answer = (body, response) => {
      if (++asked <= 12) say(response, 'ok', body.model)
    }
    const { code, err } = await start(
      `${call('', ['batch', input, output])} & pid=$!; sleep 2; kill -INT $pid; wait $pid`,
    )
    expect(code).toBe(130)
    expect(err).toContain('--resume goes on from here')
    expect(readFileSync(output, 'utf8').trim().split('\n')).toHaveLength(13)
    answer = (body, response) => say(response, 'ok', body.model)
    expect((await run(['batch', input, output, ...here(), '--resume'])).code).toBe(0)
    expect(readFileSync(output, 'utf8').trim().split('\n')).toHaveLength(31)
  })

  const hasScript = existsSync('/usr/bin/script')
  it.skipIf(!hasScript)('in a pseudo-terminal: colour, unless NO_COLOR; a bar that redraws', async () => {
    const models = `${process.execPath} ${program} models haiku-5-5`
    expect((await start(`script -qec '${models}' /dev/null`)).out).toContain('\u001b[1m')
    expect((await start(`NO_COLOR=1 script -qec '${models}' /dev/null`)).out).not.toContain('\u001b[')
    const input = join(folder, 'in.jsonl')
    writeFileSync(input, '{"id":"a","prompt":"one"}\n{"id":"b","prompt":"two"}\n')
    const bar = await start(
      `script -qec '${process.execPath} ${program} batch ${input} ${join(folder, 'o.jsonl')} ${here().join(' ')}' /dev/null`,
    )
    expect(bar.out).toContain('[████████████████████████] 2/2 rows')
    expect(bar.out).toContain('\r\u001b[2K')
  })

  it('prints its help and its version wherever they are asked for, and takes both for words after --', async () => {
    for (const args of [['--help'], ['-h'], ['help'], ['ask', '--help'], ['batch', 'a', 'b', '-h']])
      expect(await run(args)).toMatchObject({ code: 0, out: expect.stringContaining('Exit codes') as string })
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    for (const args of [['--version'], ['-v']]) expect((await run(args)).out).toBe(`${version}\n`)
    expect((await run([...here(), '--', '--help'])).out).toBe('You said: --help\n')
  })
})

describe('doctor, at the endpoints', () => {
  const azure = (): Record<string, string> => ({
    AZURE_OPENAI_API_KEY: 'azure-secret',
    AZURE_OPENAI_ENDPOINT: baseURL.replace('/v1', ''),
  })

  it('finds an endpoint that answers, and a clock in step with it', async () => {
    answer = (_, response) => void response.writeHead(404).end()
    const { code, out } = await run(['doctor', '--live'], { env: azure() })
    expect(out).toMatch(/azure +AZURE_OPENAI_API_KEY +\d+ ms +in step +needs a model/)
    expect(out).not.toContain('azure-secret')
    expect(code).toBe(0)
  })

  it('warns of a clock that servers will not believe', async () => {
    answer = (_, response) =>
      void response.writeHead(404, { date: new Date(Date.now() - 600_000).toUTCString() }).end()
    const { code, out } = await run(['doctor'], { env: azure() })
    // The header's date is cut to the second, so the difference is up to one larger; the round trip makes it smaller.
    expect(out).toMatch(/\+(?:10 min [01]|9 min 5\d) s/)
    expect(out).toContain("this machine's clock is off by")
    expect(code).toBe(1)
  })

  it('names a host that does not answer', async () => {
    const env = { ...azure(), AZURE_OPENAI_ENDPOINT: 'http://127.0.0.1:1' }
    const { code, out } = await run(['doctor'], { env })
    expect(out).toContain('http://127.0.0.1:1 does not answer')
    expect(code).toBe(1)
  })
})

describe('terminal text', () => {
  it('measures, groups and rounds as people read', () => {
    expect(['日本', 'e\u0301', '👍', 'ab'].map(displayWidth)).toEqual([4, 1, 2, 2])
    expect([0, 999, 1000, 1234567].map(grouped)).toEqual(['0', '999', '1,000', '1,234,567'])
    expect([350, 4200, 185_000, 7_800_000].map(duration)).toEqual([
      '350 ms',
      '4.2 s',
      '3 min 5 s',
      '2 h 10 min',
    ])
    expect([0, 0.0042, 1.5, 12.345, 0.00001234].map(dollars)).toEqual([
      '$0',
      '$0.004200',
      '$1.500',
      '$12.35',
      '$0.00001234',
    ])
    expect(
      table(
        [
          ['a', '1'],
          ['long', '22'],
        ],
        [1],
      ),
    ).toBe('a      1\nlong  22')
    expect(printable('a\tb\nc\r\u001b\u009b')).toBe('a\tb\nc␛\ufffd')
  })
})
