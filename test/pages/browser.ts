/**
 * A page under test. In: a browser and a slug. Out: the page when it is ready, every request it made, and a way to insist
 * that it has been quiet: no console error, no uncaught exception, no request to another origin.
 */
import type { Browser, Page } from 'playwright-core'

/** An open page and what it did so far. */
export interface Opened {
  readonly page: Page
  readonly requests: string[]
  /** Throws when the page wrote an error, threw one, or asked another origin for something. */
  assertQuiet(): void
  close(): Promise<void>
}

/** How to open it. */
export interface Look {
  readonly scheme?: 'light' | 'dark'
  readonly width?: number
  readonly height?: number
  /** Script that runs before the page's own: takes features away. */
  readonly before?: string
}

/** Waits until everything asked for so far was drawn. */
export async function settle(page: Page): Promise<void> {
  await page.evaluate(
    () => new Promise<void>((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve()))),
  )
}

/** Opens `slug`, which may carry a hash, and waits until it is ready. */
export async function openPage(
  browser: Browser,
  url: string,
  slug: string,
  look: Look = {},
): Promise<Opened> {
  const { scheme = 'light', width = 1200, height = 900, before } = look
  const context = await browser.newContext({
    colorScheme: scheme,
    viewport: { width, height },
    reducedMotion: 'reduce',
  })
  const page = await context.newPage()
  const requests: string[] = []
  const faults: string[] = []
  page.on('request', (request) => {
    requests.push(request.url())
    const own = request.url().startsWith(url) || /^(blob|data):/.test(request.url())
    if (!own) faults.push(`asked for ${request.url()}`)
  })
  page.on('requestfailed', (request) => {
    if (!/ERR_ABORTED/.test(request.failure()?.errorText ?? '')) faults.push(`${request.url()} failed`)
  })
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
  })
  page.on('pageerror', (error) => faults.push(error.message))
  if (before !== undefined) await page.addInitScript(before)
  const [name, hash] = slug.split('#')
  await page.goto(`${url}${name}.html${hash === undefined ? '' : `#${hash}`}`)
  try {
    await page.waitForFunction(() => document.documentElement.dataset['ready'] === 'true', undefined, {
      timeout: 60_000,
    })
  } catch {
    throw new Error(
      `${slug} was not ready: ${faults.join('; ')} ${await page.locator('#notices').textContent()}`,
    )
  }
  await settle(page)
  const opened: Opened = {
    page,
    requests,
    assertQuiet() {
      if (faults.length > 0) throw new Error(faults.join('; '))
    },
    close: () => context.close(),
  }
  opened.assertQuiet()
  return opened
}

/** The rows of a chart's table: opens it when it is closed; numbers at full precision. */
export async function tableOf(page: Page, slot: string): Promise<(string | number)[][]> {
  await page.evaluate((id) => {
    const details = document.querySelector<HTMLDetailsElement>(`#${id} details.table`)
    if (details === null) throw new Error(`#${id} has no table`)
    details.open = true
  }, slot)
  await page.waitForSelector(`#${slot} details.table table`)
  return page.evaluate(
    (id) =>
      [...document.querySelectorAll(`#${id} details.table tbody tr`)].map((row) =>
        [...row.children].map((cell) => {
          const exact = (cell as HTMLElement).dataset['value']
          return exact === undefined || cell.tagName === 'TH' ? (cell.textContent ?? '') : Number(exact)
        }),
      ),
    slot,
  )
}

/** Throws unless it holds. */
export function insist(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}
