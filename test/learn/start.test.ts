import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Runs `scripts/start.ts` as `npm start` does, in an environment without keys unless given. */
function start(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'scripts/start.ts', ...args], {
      cwd: root,
      env: { PATH: process.env['PATH'] ?? '', ...env },
    })
    let [out, err] = ['', '']
    child.stdout.on('data', (text) => (out += String(text)))
    child.stderr.on('data', (text) => (err += String(text)))
    child.on('close', (code) => resolve({ code, out, err }))
  })
}

describe('npm start', () => {
  it(
    'without a key talks to the embedded model over HTTP and says what to set',
    { timeout: 60_000 },
    async () => {
      const { code, out, err } = await start(['The', 'old', 'owl'])
      expect(err).toBe('')
      expect(code).toBe(0)
      expect(out).toMatch(/^The old owl/)
      expect(out).toMatch(
        /\[openai-chat tiny · first token \d+ ms · \d+ tokens\/s · 11 tokens in, \d+ out · /,
      )
      expect(out).toMatch(/set OPENAI_API_KEY, .* to talk to a big model\]\n$/)
    },
  )

  it(
    'with a key asks that provider, and fails by its name without showing the key',
    { timeout: 60_000 },
    async () => {
      const key = 'sk-not-a-key\nat-all'
      const { code, out, err } = await start(['Hello'], { OPENAI_API_KEY: key })
      expect(code).toBe(1)
      expect(err).toMatch(/^config: .*OPENAI_API_KEY|^config: .*key/i)
      expect(out + err).not.toContain('sk-not-a-key')
      expect(out).not.toContain('tiny')
    },
  )
})
