/**
 * Pictures of every page, both themes, wide and 360 pixels, as fixtures/pages/<page>-<theme>-<width>.png (attention: .jpg). Only the upper
 * part, where the widget is; small enough to be kept in the repository.
 */
import { join } from 'node:path'
import { statSync } from 'node:fs'
import type { Browser } from 'playwright-core'
import { pages } from '../../src/learn/pages/pages.ts'
import { openPage, settle } from './browser.ts'

const LARGEST = 150_000

/** Settings that show a page at work. */
const SHOWN: Readonly<Record<string, string>> = {
  guess: 'v=1&guesses=i60d90+95t60w40e80',
  // Text of scripts for which a bare Debian has fonts.
  tokenizer:
    'v=1&text=The+tokenizer+sees+pieces%3A+unbelievable%2C+na%C3%AFve%2C+12345%2C+%CE%BB%CF%8C%CE%B3%CE%BF%CF%82.&merge=9',
  sampling: 'v=1&p=0.9&t=1.6&drawn=1000',
  stream: 'v=1&file=openai-chat-tools&at=1240',
}

/** Takes them all, or those of one page; returns what they weigh. */
export async function takeScreenshots(
  browser: Browser,
  url: string,
  folder: string,
  only?: string,
): Promise<string> {
  let total = 0
  let count = 0
  const all = ['index', ...pages.map(({ slug }) => slug)]
  for (const slug of all.filter((each) => only === undefined || each === only)) {
    for (const scheme of ['light', 'dark'] as const) {
      for (const [width, height] of [
        [1100, 860],
        [360, 900],
      ] as const) {
        const hash = SHOWN[slug]
        const { page, close } = await openPage(browser, url, hash === undefined ? slug : `${slug}#${hash}`, {
          scheme,
          width,
          height,
        })
        if (slug === 'train') {
          await page.getByRole('button', { name: 'Train', exact: true }).click()
          await page.waitForFunction(
            () =>
              document.querySelectorAll('#loss polyline').length > 0 &&
              Number(/^\d+/.exec(document.querySelector('#facts dd')?.textContent ?? '0')?.[0]) > 200,
            undefined,
            { timeout: 60_000 },
          )
          await page.getByRole('button', { name: 'Pause' }).click()
        }
        if (slug === 'cache') {
          await page.waitForFunction(
            () => document.documentElement.dataset['measured'] === 'true',
            undefined,
            { timeout: 120_000 },
          )
        }
        await settle(page)
        const name = join(folder, `${slug}-${scheme}-${width}`)
        // A heat map compresses badly without loss: 240 kB as PNG.
        const picture =
          slug === 'attention'
            ? ({ path: `${name}.jpg`, type: 'jpeg', quality: 72 } as const)
            : { path: `${name}.png` }
        await page.screenshot(picture)
        const { path } = picture
        const bytes = statSync(path).size
        if (bytes > LARGEST) throw new Error(`${path} has ${bytes} bytes, more than ${LARGEST}.`)
        total += bytes
        count++
        await close()
      }
    }
  }
  return `${count} pictures, ${(total / 1e6).toFixed(2)} MB`
}
