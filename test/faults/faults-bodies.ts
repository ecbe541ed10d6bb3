/**
 * Rows 51 to 70 in short: bodies that are wrong, each once, with the key echoed wherever a server could put it. Their
 * exact outcomes are tested in test/integration; here they are only data for the search for the key.
 */

import { chunk, ENDING, frame, SSE } from '../server.ts'
import { KEY, type Expected, type Fault } from './harness.ts'
import { http, raw } from './server.ts'

const ANY: Expected = { tries: 1, failsOver: false, health: 'closed' }
const said = frame({ error: { message: `key ${KEY} is wrong`, code: KEY } })

const TEXTS: readonly (readonly [row: number, body: string])[] = [
  [51, JSON.stringify({ error: { message: `key ${KEY} is wrong`, code: 429 } })],
  [52, `<!doctype html><title>${KEY}</title>${KEY}`],
  [53, JSON.stringify({ choices: [{ message: { content: 'ok' }, finish_reason: 'stop' }] })],
  [54, `{"choices": "${KEY}`],
  [55, `${'['.repeat(5000)}"${KEY}"`],
  [56, frame(JSON.parse(`{"__proto__":{"key":"${KEY}"},"choices":[]}`)) + said],
  [64, chunk('Hel')],
  [66, `${chunk('Hel')}data: [DONE]x ${KEY}\n\n`],
  [67, chunk('ok') + ENDING + said],
  [69, `id: ${KEY}\nretry: ${KEY}\n${KEY}\ndata: {"key":"${KEY}"\n\n`],
  [70, `data: "\ufffd ${KEY}\n\n`],
  [79, frame({ choices: [{ index: 1e9, delta: { tool_calls: [{ index: -1, id: KEY }] } }] }) + said],
  [81, frame({ choices: [], usage: { prompt_tokens: KEY } }) + said],
  [82, frame({ choices: [{ index: 0, delta: {}, finish_reason: 'error' }] }) + said],
]

const CUT = `HTTP/1.1 200 OK\r\nx-request-id: ${KEY}\r\ncontent-type: text/event-stream\r\n`

export const BODIES: Fault[] = [
  ...TEXTS.map(([row, body]): Fault => ({
    row,
    name: body.slice(0, 30),
    serve: () => http((response) => response.writeHead(200, { ...SSE, 'x-request-id': KEY }).end(body)),
    expected: ANY,
  })),
  ...(
    [
      [58, `${CUT}content-length: 9999\r\n\r\n${chunk('Hel')}`],
      [59, `${CUT}content-encoding: gzip\r\n\r\n${KEY}`],
      [62, `${CUT}transfer-encoding: chunked\r\n\r\n5\r\ndata:\r\n${KEY}\r\n`],
      [63, `${CUT}\r\n${chunk('Hel')}`],
    ] as const
  ).map(([row, bytes]): Fault => ({ row, name: bytes.slice(-20), serve: () => raw(bytes), expected: ANY })),
  ...['location', 'www-authenticate', 'set-cookie'].map((header): Fault => ({
    row: 48,
    name: `a redirect with ${header}`,
    serve: () =>
      http((response) => response.writeHead(307, { [header]: `http://other.test/?key=${KEY}` }).end(KEY)),
    expected: ANY,
  })),
]
