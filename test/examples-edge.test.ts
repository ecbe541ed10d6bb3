/**
 * The Worker and the page of scripts/examples, together and for real: workerd serves the one, Chromium opens the other, and
 * the model behind both is a server on loopback. Skipped, with the reason in the title, where either is not installed.
 */

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runtimePath } from '../scripts/runtimes/install.ts'
import { openPrograms, root } from './programs.ts'
import type { Programs } from './programs.ts'

const workerd = runtimePath('.bin/workerd')
const browserPath = '/usr/bin/chromium'
const able = existsSync(workerd) && existsSync(browserPath)

const frame = (event: { type: string } & Record<string, unknown>): string =>
  `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
const BEGIN =
  frame({
    type: 'message_start',
    message: {
      id: 'm',
      type: 'message',
      role: 'assistant',
      model: 'claude-haiku-5-5',
      content: [],
      usage: { input_tokens: 4, output_tokens: 1 },
    },
  }) + frame({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } })
const text = (words: string): string =>
  frame({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: words } })
const END =
  frame({ type: 'content_block_stop', index: 0 }) +
  frame({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 9 } }) +
  frame({ type: 'message_stop' })

describe.skipIf(!able)(
  'the Worker and its page (skipped unless npm run runtimes:install was run and chromium is installed)',
  () => {
    let programs: Programs
    let provider: Server
    let pages: Server
    let worker: ChildProcess
    let browser: Browser
    let workerUrl = ''
    let answer: (response: ServerResponse) => void = () => {}
    let gone = 0

    beforeAll(async () => {
      programs = await openPrograms()
      provider = createServer((request, response) => {
        request.resume()
        response.on('close', () => {
          if (!response.writableEnded) gone++
        })
        request.on('end', () => answer(response.writeHead(200, { 'content-type': 'text/event-stream' })))
      })
      await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
      const providerPort = (provider.address() as AddressInfo).port

      // Whatever the Worker fetches goes to the stand-in, as in production it would go to the provider.
      await programs.bundle({ file: join(root, 'scripts/examples/worker.ts') }, 'neutral')
      writeFileSync(
        join(programs.folder, 'worker.capnp'),
        `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker", esModule = embed "worker.mjs")],
      bindings = [(name = "ANTHROPIC_API_KEY", text = "k")],
      compatibilityDate = "2026-11-01",
      globalOutbound = "provider")),
    (name = "provider", external = (address = "127.0.0.1:${providerPort}", http = ()))
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);`,
      )
      worker = spawn(workerd, ['serve', '--control-fd=3', join(programs.folder, 'worker.capnp')], {
        stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
      })
      workerUrl = await new Promise<string>((resolve, reject) => {
        worker.on('exit', (code) => reject(new Error(`workerd ended with ${code}`)))
        worker.stdio[3]?.on('data', (data: Buffer) => {
          const port = /"port":(\d+)/.exec(String(data))?.[1]
          if (port !== undefined) resolve(`http://127.0.0.1:${port}/`)
        })
      })

      const script = await programs.bundle({ file: join(root, 'scripts/examples/page.ts') }, 'neutral')
      const html = readFileSync(join(root, 'scripts/examples/page.html'), 'utf8').replace(
        'http://127.0.0.1:8787/',
        workerUrl,
      )
      pages = createServer((request, response) => {
        if (request.url === '/page.js')
          response.writeHead(200, { 'content-type': 'text/javascript' }).end(readFileSync(script))
        else response.writeHead(200, { 'content-type': 'text/html' }).end(html)
      })
      await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve))
      browser = await chromium.launch({
        executablePath: browserPath,
        args: [
          '--no-sandbox',
          '--disable-gpu',
          '--no-first-run',
          '--disable-background-networking',
          '--disable-component-update',
          '--disable-sync',
        ],
      })
    })
    afterAll(async () => {
      await browser?.close()
      worker?.removeAllListeners('exit')
      worker?.kill()
      for (const server of [provider, pages]) {
        server?.closeAllConnections()
        server?.close()
      }
      await programs?.close()
    })

    async function open(): Promise<import('playwright-core').Page> {
      const page = await browser.newPage()
      await page.goto(`http://127.0.0.1:${(pages.address() as AddressInfo).port}/`)
      return page
    }

    it('shows the answer while it is written, and its end', async () => {
      let finish = (): void => {}
      answer = (response) => {
        response.write(BEGIN + text('Shorter waves '))
        finish = () => response.end(text('scatter more.') + END)
      }
      const page = await open()
      await page.click('button')
      await page.waitForFunction(() => document.querySelector('output')?.textContent === 'Shorter waves ')
      finish()
      await page.waitForFunction(() => document.querySelector('output')?.dataset['finished'] === 'stop')
      expect(await page.textContent('output')).toBe('Shorter waves scatter more.')
      await page.close()
    })

    it('shows an error as a sentence, without what only the Worker may know', async () => {
      answer = (response) => {
        response.write(BEGIN + text('Half '))
        setTimeout(() => response.destroy(), 100)
      }
      const page = await open()
      await page.click('button')
      await page.waitForFunction(() => (document.querySelector('output')?.textContent ?? '').includes('['))
      const shown = (await page.textContent('output')) ?? ''
      expect(shown).toMatch(/^Half {2}\[/)
      expect(shown).not.toContain('ANTHROPIC')
      await page.close()
    })

    it('stops the provider when the visitor leaves', async () => {
      answer = (response) => {
        response.write(BEGIN)
        const timer = setInterval(() => response.write(text('and on ')), 30)
        response.on('close', () => clearInterval(timer))
      }
      const before = gone
      const page = await open()
      await page.click('button')
      await page.waitForFunction(() => document.querySelector('output')?.textContent !== '')
      await page.close()
      await expect.poll(() => gone, { timeout: 10_000 }).toBe(before + 1)
    })
  },
)
