import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serveTiny, type TinyServer } from '../../scripts/serve-tiny.ts'

interface Logprob {
  token: string
  logprob: number
  bytes: number[]
  top_logprobs: { token: string; logprob: number }[]
}
interface Choice {
  delta?: { role?: string; content?: string }
  message?: { role: string; content: string }
  finish_reason: string | null
  logprobs: { content: Logprob[] } | null
}
interface Answer {
  id: string
  object: string
  model: string
  choices: Choice[]
  usage?: { prompt_tokens: number; completion_tokens: number; total_tokens: number } | null
  error?: { message: string; type: string; param: string | null; code: string | null }
}

let server: TinyServer
beforeAll(async () => {
  server = await serveTiny()
})
afterAll(() => server.close())

function post(body: unknown, init: RequestInit = {}): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return fetch(`${server.url}/chat/completions`, { method: 'POST', body: text, ...init })
}

function chat(prompt: string, more: object = {}): object {
  return { model: 'tiny', messages: [{ role: 'user', content: prompt }], max_tokens: 24, seed: 1, ...more }
}

async function json(body: object): Promise<Answer> {
  return (await (await post(body)).json()) as Answer
}

async function chunks(body: object): Promise<Answer[]> {
  const response = await post({ ...body, stream: true })
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
  const events = (await response.text()).split('\n\n').slice(0, -1)
  expect(events.every((event) => event.startsWith('data: '))).toBe(true)
  expect(events.pop()).toBe('data: [DONE]')
  return events.map((event) => JSON.parse(event.slice(6)) as Answer)
}

const textOf = (list: Answer[]): string =>
  list.map(({ choices }) => choices[0]?.delta?.content ?? '').join('')

describe('an answer', () => {
  it('is the same text streamed and not, for the same seed, and another for another', async () => {
    const whole = await json(chat('Once upon a time'))
    const streamed = await chunks(chat('Once upon a time'))
    const text = whole.choices[0]!.message!.content
    expect(text).toHaveLength(24)
    expect(textOf(streamed)).toBe(text)
    expect((await json(chat('Once upon a time', { seed: 2 }))).choices[0]!.message!.content).not.toBe(text)
  })

  it('is made of words of the tales: the model has learned to spell', async () => {
    const { choices } = await json(
      chat('Once upon a time there lived ', { max_tokens: 150, temperature: 0.5 }),
    )
    const words = choices[0]!.message!.content.match(/\b[a-z]{3,}\b/g) ?? []
    const { tales } = await import('../../src/learn/tales.ts')
    const known = new Set(tales(300_000).match(/\b[a-z]{3,}\b/g))
    expect(words.length).toBeGreaterThan(10)
    expect(words.filter((word) => known.has(word)).length / words.length).toBeGreaterThan(0.8)
  })

  it('begins with the role, ends with the reason, and sends usage last when asked', async () => {
    const list = await chunks(chat('The king', { stream_options: { include_usage: true } }))
    expect(list[0]!.choices[0]!.delta).toMatchObject({ role: 'assistant', content: '' })
    const last = list.pop()!
    expect(last.choices).toEqual([])
    expect(last.usage).toEqual({ prompt_tokens: 8, completion_tokens: 24, total_tokens: 32 })
    expect(list.every(({ usage }) => usage === null)).toBe(true)
    expect(list.at(-1)!.choices[0]).toMatchObject({ delta: {}, finish_reason: 'length' })
    expect(new Set(list.map(({ id }) => id)).size).toBe(1)
    expect((await chunks(chat('The king'))).some((one) => 'usage' in one)).toBe(false)
  })

  it('stops before a stop sequence, never showing a part of it', async () => {
    const free = (await json(chat('The king said: ', { temperature: 0 }))).choices[0]!.message!.content
    const stop = free.slice(9, 13)
    const at = free.indexOf(stop)
    const cut = await json(chat('The king said: ', { temperature: 0, stop: ['never this', stop] }))
    expect(cut.choices[0]).toMatchObject({ message: { content: free.slice(0, at) }, finish_reason: 'stop' })
    expect(cut.usage!.completion_tokens).toBe(at)
    expect(textOf(await chunks(chat('The king said: ', { temperature: 0, stop })))).toBe(free.slice(0, at))
  })

  it('comes with the log probabilities the model really had', async () => {
    const { choices } = await json(chat('The king', { temperature: 0, logprobs: true, top_logprobs: 3 }))
    const list = choices[0]!.logprobs!.content
    expect(list.map(({ token }) => token).join('')).toBe(choices[0]!.message!.content)
    for (const { token, logprob, bytes, top_logprobs } of list) {
      expect(new TextDecoder().decode(Uint8Array.from(bytes))).toBe(token)
      expect(top_logprobs).toHaveLength(3)
      // Temperature 0 takes the likeliest.
      expect(top_logprobs[0]).toMatchObject({ token, logprob })
      expect(logprob).toBeLessThan(0)
      expect(top_logprobs.reduce((sum, one) => sum + Math.exp(one.logprob), 0)).toBeLessThan(1 + 1e-9)
    }
    const streamed = await chunks(chat('The king', { temperature: 0, logprobs: true, top_logprobs: 3 }))
    expect(streamed.flatMap((one) => one.choices[0]?.logprobs?.content ?? [])).toEqual(list)
  })

  it('continues a conversation as one text, and takes text parts', async () => {
    const turns = [
      { role: 'system', content: 'Tales.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Once' },
          { type: 'text', text: ' upon' },
        ],
      },
      { role: 'assistant', content: ' a time' },
    ]
    const { usage } = await json({ ...chat(''), messages: turns })
    expect(usage!.prompt_tokens).toBe('Tales.\nOnce upon a time'.length)
  })

  it('begins a tale when the prompt is empty, and reads only the end of one longer than its window', async () => {
    expect((await json(chat(''))).choices[0]!.message!.content.length).toBeGreaterThan(0)
    const long = await json(chat('The king went home. '.repeat(50)))
    expect(long.usage!.prompt_tokens).toBe(1000)
  })

  it('prefers max_completion_tokens', async () => {
    expect((await json(chat('The', { max_completion_tokens: 3 }))).usage!.completion_tokens).toBe(3)
  })
})

describe('the server', () => {
  it('lists its model', async () => {
    const list = (await (await fetch(`${server.url}/models`)).json()) as { data: { id: string }[] }
    expect(list.data.map(({ id }) => id)).toEqual(['tiny'])
    expect((await fetch(`${server.url}/models/tiny`)).status).toBe(200)
  })

  it('stops generating when the client goes, streaming or not', async () => {
    for (const stream of [true, false]) {
      const gone = new AbortController()
      const body = chat('Once', {
        stream,
        max_tokens: 1_000_000,
        stop: undefined,
        messages: [{ role: 'user', content: 'A' }],
      })
      const answering = post(body, { signal: gone.signal }).then((response) => response.text())
      await expect.poll(() => server.generating()).toBe(1)
      gone.abort()
      await expect(answering).rejects.toThrow(/abort/i)
      await expect.poll(() => server.generating()).toBe(0)
    }
  })

  it('writes no faster than the client reads', async () => {
    const { hostname, port } = new URL(server.url)
    const socket = connect({ host: hostname, port: Number(port) })
    const body = JSON.stringify(chat('Once', { stream: true, max_tokens: 1_000_000 }))
    socket.pause()
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await expect.poll(() => server.generating()).toBe(1)
    socket.destroy()
    await expect.poll(() => server.generating()).toBe(0)
  })

  it('answers several clients at once without mixing them up', async () => {
    const alone = await Promise.all([1, 2, 3].map((seed) => json(chat('The old owl', { seed }))))
    const together = await Promise.all([3, 2, 1].map((seed) => json(chat('The old owl', { seed }))))
    const texts = (list: Answer[]): string[] => list.map(({ choices }) => choices[0]!.message!.content)
    expect(texts(together).reverse()).toEqual(texts(alone))
  })
})

describe('a refusal', () => {
  it.each([
    ['unknown path', '/nope', {}, 404, null],
    ['wrong method', '/chat/completions', { method: 'GET' }, 405, null],
    ['no JSON', '/chat/completions', { method: 'POST', body: '{"a":' }, 400, null],
    ['no object', '/chat/completions', { method: 'POST', body: '[]' }, 400, null],
  ])('is OpenAI-shaped: %s', async (_, path, init, status, param) => {
    const response = await fetch(server.url + path, init)
    expect(response.status).toBe(status)
    expect(((await response.json()) as Answer).error).toMatchObject({ type: 'invalid_request_error', param })
  })

  it.each([
    [{ model: undefined }, 400, 'model'],
    [{ model: 'gpt-6' }, 404, 'model'],
    [{ messages: [] }, 400, 'messages'],
    [{ messages: 'hello' }, 400, 'messages'],
    [{ messages: [{ role: 'robot', content: 'x' }] }, 400, 'messages[0].role'],
    [{ messages: [{ role: 'user', content: 5 }] }, 400, 'messages[0].content'],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, 400, 'messages[0].content[0]'],
    [{ temperature: -1 }, 400, 'temperature'],
    [{ temperature: 'hot' }, 400, 'temperature'],
    [{ temperature: 3 }, 400, 'temperature'],
    [{ top_p: 0 }, 400, 'top_p'],
    [{ max_tokens: 0 }, 400, 'max_tokens'],
    [{ max_tokens: 1.5 }, 400, 'max_tokens'],
    [{ seed: 0.5 }, 400, 'seed'],
    [{ stop: ['a', 'b', 'c', 'd', 'e'] }, 400, 'stop'],
    [{ stop: '' }, 400, 'stop'],
    [{ stream: 'yes' }, 400, 'stream'],
    [{ stream_options: { include_usage: true } }, 400, 'stream_options'],
    [{ top_logprobs: 2 }, 400, 'top_logprobs'],
    [{ logprobs: true, top_logprobs: 21 }, 400, 'top_logprobs'],
    [{ n: 2 }, 400, 'n'],
    [{ tools: [{ type: 'function' }] }, 400, 'tools'],
    [{ presence_penalty: 1 }, 400, 'presence_penalty'],
    [{ response_format: { type: 'json_object' } }, 400, 'response_format'],
  ])('names the parameter: %j', async (wrong, status, param) => {
    const response = await post(chat('x', wrong))
    expect(response.status).toBe(status)
    expect(((await response.json()) as Answer).error).toMatchObject({ param, type: 'invalid_request_error' })
  })

  it('comes before the whole of a body over 1 MiB is read', async () => {
    const response = await post(JSON.stringify(chat('x'.repeat(1 << 20))))
    expect(response.status).toBe(413)
  })
})
