/** Every row of the fault matrix, with the key looked for in every value and every line that leaves the library. */

import { inspect } from 'node:util'
import { expect, test, vi } from 'vitest'
import { CONNECT, SLOW } from '../faults/faults-connect.ts'
import { STATUS } from '../faults/faults-status.ts'
import { STREAM } from '../faults/faults-stream.ts'
import { BODIES } from '../faults/faults-bodies.ts'
import { KEY, leaksIn, throughClient, throughRouter, type Log } from '../faults/harness.ts'

/** All of them when there is time; each row's own test searches its own errors as well (harness.ts, `check`). */
const EVERY = process.env['LLMSWAP_FULL'] === '1'
const SOME = new Set([1, 5, 9, 16, 20, 33, 44, 48, 51, 52, 54, 56, 59, 63, 66, 69, 74, 76, 78, 79])

test('row 105: no error, log line, inspection, JSON, clone, stack or cause of any row shows the key', async () => {
  const lines: string[] = []
  const spies = [
    ...(['log', 'info', 'warn', 'error', 'debug'] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation((...words: unknown[]) => {
        lines.push(words.map((word) => (typeof word === 'string' ? word : inspect(word))).join(' '))
      }),
    ),
    ...[process.stdout, process.stderr].map((stream) =>
      vi.spyOn(stream, 'write').mockImplementation((line) => {
        lines.push(String(line))
        return true
      }),
    ),
  ]
  const log: Log = []
  const rows = new Set<number>()
  try {
    for (const fault of [...CONNECT, ...SLOW, ...STATUS, ...BODIES, ...STREAM]) {
      if (!EVERY && (rows.has(fault.row) || !SOME.has(fault.row))) continue
      rows.add(fault.row)
      await throughClient(fault, log)
      await throughRouter(fault, log)
      for (const value of log) console.log(value)
      const found = [...leaksIn(log), ...leaksIn(lines)]
      expect(found, `row ${fault.row}: ${fault.name}`).toEqual([])
      log.length = lines.length = 0
    }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  expect(rows.size).toBeGreaterThanOrEqual(EVERY ? 60 : SOME.size)
  // The search itself finds what is there to be found.
  const planted = new Error('x', { cause: { deep: [{ key: KEY }] } })
  expect(leaksIn([planted]).length).toBeGreaterThan(0)
})
