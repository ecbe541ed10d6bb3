/**
 * `npm run test:pages [-- --only=guess --screenshots]`: the nine pages and their list in a real browser. In: Debian's
 * Chromium (or the one named in CHROMIUM_PATH) and axe-core. Out: one row a check; exit code 1 when one fails. Without a
 * browser every row is printed as skipped, with how to get one: never green. The checks compare what a page shows with what the library computes here.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type Page } from 'playwright-core'
import { buildPages, SCRIPT_BUDGET, servePages } from '../../scripts/learn.ts'
import { pages } from '../../src/learn/pages/pages.ts'
import { takeScreenshots } from './screenshots.ts'
import { checks } from './checks.ts'
import { openPage, settle, type Opened } from './browser.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const CACHE = join(ROOT, '.cache/pages')
const AXE = join(CACHE, 'node_modules/axe-core/axe.min.js')
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

type Verdict = 'passed' | 'failed' | 'skipped'
const rows: { name: string; verdict: Verdict; detail: string }[] = []

function record(name: string, verdict: Verdict, detail: string): void {
  rows.push({ name, verdict, detail })
  console.log(`${verdict.padEnd(8)} ${name}${detail === '' ? '' : `: ${detail}`}`)
}

/** Runs one check; what it returns is the detail of its row, what it throws the failure. */
async function check(name: string, run: () => Promise<string>): Promise<void> {
  try {
    record(name, 'passed', await run())
  } catch (error) {
    record(name, 'failed', error instanceof Error ? error.message.slice(0, 1200) : String(error))
  }
}

/** Installs axe-core beside, not in, the project; returns its source, or why there is none. */
function axeSource(): { source: string } | { why: string } {
  if (!existsSync(AXE)) {
    try {
      const args = ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', CACHE, 'axe-core@4']
      execFileSync('npm', args, { stdio: 'ignore' })
    } catch {
      return { why: 'axe-core is not in .cache/pages and npm could not fetch it' }
    }
  }
  return existsSync(AXE) ? { source: readFileSync(AXE, 'utf8') } : { why: 'axe-core did not install' }
}

interface AxeViolation {
  readonly id: string
  readonly help: string
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary?: string }[]
}

async function axe(page: Page, source: string): Promise<string> {
  // Evaluated by the debugger, which the page's own policy does not bind.
  await page.evaluate(source)
  const violations = (await page.evaluate(
    '(async () => (await axe.run(document, { resultTypes: ["violations"] })).violations)()',
  )) as AxeViolation[]
  if (violations.length > 0) {
    const told = violations.map(
      ({ id, nodes }) =>
        `${id} at ${nodes
          .slice(0, 3)
          .map(({ target, failureSummary }) => `${target.join(' ')} (${failureSummary ?? ''})`)
          .join('; ')}`,
    )
    throw new Error(told.join('\n'))
  }
  return 'no violation'
}

/** Every control can be reached by Tab and changed by keys; returns how many were. */
async function keyboard({ page }: Opened): Promise<string> {
  // What is still being measured is drawn anew; the stops of a finished page can be counted.
  await page.waitForFunction(() => document.documentElement.dataset['measured'] !== 'false', undefined, {
    timeout: 120_000,
  })
  const names = await page
    .locator(
      'main input:visible:not([disabled]), main select:visible, main textarea:visible, main button:visible:not([disabled]), main canvas[tabindex], main summary:visible, header a, header button',
    )
    .count()
  await page.evaluate(() => {
    document.body.tabIndex = -1
    document.body.focus()
    ;(window as unknown as { seen: Set<Element> }).seen = new Set()
  })
  const groups = await page.locator('.tokens button[tabindex="-1"], .norm-grid button[tabindex="-1"]').count()
  let repeats = 0
  for (let i = 0; i < names + 60 && repeats < 2; i++) {
    await page.keyboard.press('Tab')
    repeats = await page.evaluate(() => {
      const { seen } = window as unknown as { seen: Set<Element> }
      const now = document.activeElement
      if (now === null || now === document.body) return 2
      if (seen.has(now)) return 2
      seen.add(now)
      const outline = getComputedStyle(now)
      if (now.matches(':focus-visible') && outline.outlineStyle === 'none' && !now.classList.contains('skip'))
        throw new Error(`${now.outerHTML.slice(0, 120)} has no visible focus`)
      return 0
    })
  }
  const missed = await page.evaluate(() => {
    const { seen } = window as unknown as { seen: Set<Element> }
    return [
      ...document.querySelectorAll(
        'main input, main select, main textarea, main button, main canvas[tabindex="0"], main summary',
      ),
    ]
      .filter(
        (each) =>
          !seen.has(each) &&
          !each.hasAttribute('disabled') &&
          each.getAttribute('tabindex') !== '-1' &&
          each.getClientRects().length > 0,
      )
      .map((each) => each.outerHTML.slice(0, 100))
  })
  if (missed.length > 0) throw new Error(`not reached by Tab: ${missed.join(' | ')}`)
  // Each range and select answers to a key.
  const deaf: string[] = []
  for (const control of await page.locator('main input[type=range]:visible').all()) {
    await control.focus()
    const before = await control.inputValue()
    const limit = await control.evaluate((each: HTMLInputElement) => each.min === each.max)
    await page.keyboard.press('ArrowLeft')
    await settle(page)
    if ((await control.inputValue()) === before) await page.keyboard.press('ArrowRight')
    await settle(page)
    if ((await control.inputValue()) === before && !limit)
      deaf.push((await control.getAttribute('data-name')) ?? '?')
    else await control.focus()
  }
  for (const control of await page.locator('main input[type=checkbox]:visible').all()) {
    const before = await control.isChecked()
    await control.focus()
    await page.keyboard.press('Space')
    if ((await control.isChecked()) === before) deaf.push('checkbox')
    await page.keyboard.press('Space')
  }
  if (deaf.length > 0) throw new Error(`does not answer to keys: ${deaf.join(', ')}`)
  const stops = await page.evaluate(() => (window as unknown as { seen: Set<Element> }).seen.size)
  return `${stops} stops${groups > 0 ? `, ${groups} more by arrow keys` : ''}`
}

async function main(): Promise<void> {
  const screenshots = process.argv.includes('--screenshots')
  const executablePath = [process.env['CHROMIUM_PATH'] ?? '', ...BROWSERS].find(
    (path) => path !== '' && existsSync(path),
  )
  const names = [
    ...['index', ...pages.map(({ slug }) => slug)].map((slug) => `${slug}: loads, budget, keyboard, axe`),
    ...checks.map(({ name }) => name),
  ]
  if (executablePath === undefined) {
    const why = 'no Chromium here: apt-get install chromium, or set CHROMIUM_PATH'
    for (const name of names) record(name, 'skipped', why)
    return summarise()
  }
  const folder = join(CACHE, 'site')
  const sizes = await buildPages(folder)
  const { server, url } = await servePages(folder, 0)
  // Without the three last Chromium looks up its maker's hosts at every start, which a closed network makes slow.
  const args = [
    '--no-sandbox',
    '--disable-dev-shm-usage',
    '--disable-gpu',
    '--force-color-profile=srgb',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ]
  const browser: Browser = await chromium.launch({ executablePath, args })
  const only = process.argv.find((arg) => arg.startsWith('--only='))?.slice(7)
  try {
    const axeCore = axeSource()
    const slugs = ['index', ...pages.map(({ slug }) => slug)]
    for (const slug of slugs.filter((each) => only === undefined || each === only)) {
      let opened: Opened | undefined
      await check(`${slug}: loads without console error or foreign request`, async () => {
        opened = await openPage(browser, url, slug)
        return `${opened.requests.length} requests, all to its own folder`
      })
      if (opened === undefined) continue
      const page = opened
      await check(`${slug}: script before first paint`, async () => {
        const before = await page.page.evaluate(() => {
          const paint = performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Infinity
          const scripts = performance.getEntriesByType('resource') as PerformanceResourceTiming[]
          return scripts
            .filter((each) => each.name.endsWith('.js') && each.startTime < paint)
            .reduce((sum, each) => sum + each.decodedBodySize, 0)
        })
        const bytes = Math.max(before, sizes.get(slug) ?? Infinity)
        if (!(bytes > 0 && bytes < SCRIPT_BUDGET)) throw new Error(`${bytes} bytes, allowed ${SCRIPT_BUDGET}`)
        return `${(bytes / 1000).toFixed(1)} kB of ${SCRIPT_BUDGET / 1000}`
      })
      await check(`${slug}: keyboard`, () => keyboard(page))
      for (const scheme of ['light', 'dark'] as const) {
        const name = `${slug}: axe, ${scheme}`
        if ('why' in axeCore) {
          record(name, 'skipped', axeCore.why)
          continue
        }
        await check(name, async () => {
          const dressed = await openPage(browser, url, slug, { scheme })
          const told = await axe(dressed.page, axeCore.source)
          await dressed.close()
          return told
        })
      }
      await check(`${slug}: 360 pixels wide, and resized to nothing`, async () => {
        const narrow = await openPage(browser, url, slug, { width: 360 })
        const over = await narrow.page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        )
        if (over > 0) {
          const wide = await narrow.page.evaluate(() =>
            [...document.querySelectorAll('main *')]
              .filter(
                (each) =>
                  each.getBoundingClientRect().right > innerWidth + 1 &&
                  each.closest('.scroll, pre') === null,
              )
              .slice(0, 3)
              .map((each) => each.outerHTML.slice(0, 120)),
          )
          throw new Error(`scrolls sideways by ${over} pixels: ${wide.join(' | ')}`)
        }
        await narrow.page.setViewportSize({ width: 1, height: 1 })
        await settle(narrow.page)
        await narrow.page.setViewportSize({ width: 800, height: 600 })
        await settle(narrow.page)
        narrow.assertQuiet()
        await narrow.close()
        return 'no sideways scrolling, no error'
      })
      await check(`${slug}: a hash from another version, and an edited one`, async () => {
        const strange = await openPage(
          browser,
          url,
          `${slug}.html#v=9&seed=-4&nonsense=1`.replace('.html', ''),
          {},
        )
        const told = await strange.page.locator('#notices').textContent()
        if (told === null || !/another version/.test(told) || !/nonsense/.test(told))
          throw new Error(`the page says: ${told}`)
        strange.assertQuiet()
        await strange.close()
        return 'said in a sentence'
      })
      await check(`${slug}: quiet until the end`, async () => {
        page.assertQuiet()
        await page.close()
        return ''
      })
    }
    for (const { name, run } of checks.filter((each) => only === undefined || each.name.startsWith(only)))
      await check(name, () => run({ browser, url, folder }))
    if (screenshots)
      await check('screenshots', () => takeScreenshots(browser, url, join(ROOT, 'fixtures/pages'), only))
  } finally {
    await browser.close()
    server.close()
  }
  summarise()
}

/** The last line, and the same for a program to read: .ci/run adds it to the other tests. */
function summarise(): void {
  const count = (verdict: Verdict): number => rows.filter((row) => row.verdict === verdict).length
  const [passed, failed, skipped] = [count('passed'), count('failed'), count('skipped')]
  mkdirSync(CACHE, { recursive: true })
  writeFileSync(join(CACHE, 'summary.json'), `${JSON.stringify({ passed, failed, skipped })}\n`)
  console.log(`pages: ${passed} passed, ${failed} failed, ${skipped} skipped`)
  if (failed > 0) process.exitCode = 1
}

await main()
