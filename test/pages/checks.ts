/**
 * What each page must get right, beside loading: its numbers against the library's, computed here in Node from the same
 * weights and fixtures. In: a browser and an address. Out: for each check a sentence, or an error that says what differs.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { attentionMaps } from '../../src/learn/attention.ts'
import { createCache, decode, load } from '../../src/learn/llm500.ts'
import { optimize } from '../../src/learn/optimize/index.ts'
import { evolutionTask, raceTask } from '../../src/learn/pages/evolution-tasks.ts'
import { pages } from '../../src/learn/pages/pages.ts'
import { arrive, cutAt } from '../../src/learn/pages/stream-state.ts'
import { dequantize } from '../../src/learn/quantize.ts'
import { orders, stepsOf, survivors, type SamplingSettings } from '../../src/learn/sampling.ts'
import { trainPreset, presets } from '../../src/learn/train.ts'
import { anthropic } from '../../src/providers/anthropic.ts'
import { openaiChat } from '../../src/providers/openai-chat.ts'
import { o200k_base } from '../../src/tokens/encodings/o200k_base.ts'
import { insist, openPage, settle, tableOf } from './browser.ts'

/** Where to look. */
export interface Place {
  readonly browser: Browser
  readonly url: string
  /** Where the built pages lie. */
  readonly folder: string
}

/** One check. */
export interface Check {
  readonly name: string
  run(place: Place): Promise<string>
}

const file = (path: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../fixtures/${path}`, import.meta.url)))
const visible = (text: string): string => text.replaceAll(' ', '␣').replaceAll('\n', '⏎')
const tiny = (batch: number): ReturnType<typeof load> => load(dequantize(file('learn/tiny.llm')), { batch })

function logitsOf(prefix: string): { logits: Float64Array; chars: readonly string[] } {
  const { model, vocabulary } = tiny(0)
  const cache = createCache(model)
  let logits = new Float64Array()
  for (const id of vocabulary.encode(prefix)) logits = decode(model, cache, id) as Float64Array<ArrayBuffer>
  return { logits, chars: vocabulary.chars }
}

const sampling: Check = {
  name: 'sampling: bars sum to 1, survivors are the library’s',
  async run({ browser, url }) {
    const prefix = 'Once upon a time there was a '
    const { logits, chars } = logitsOf(prefix)
    const cases: [SamplingSettings, keyof typeof orders][] = [
      [{ temperature: 1 }, 'transformers'],
      [{ temperature: 2, topP: 0.9 }, 'transformers'],
      [{ temperature: 2, topP: 0.9 }, 'llama.cpp'],
      [{ temperature: 0.5, topK: 5 }, 'transformers'],
      [{ temperature: 1.5, topK: 12, topP: 0.8, minP: 0.05 }, 'llama.cpp'],
      [{ temperature: 0 }, 'transformers'],
    ]
    const counts = []
    for (const [settings, order] of cases) {
      const hash = new URLSearchParams({ v: '1', t: String(settings.temperature), order })
      if (settings.topK !== undefined) hash.set('k', String(settings.topK))
      if (settings.topP !== undefined) hash.set('p', String(settings.topP))
      if (settings.minP !== undefined) hash.set('minp', String(settings.minP))
      const { page, close, assertQuiet } = await openPage(browser, url, `sampling#${hash.toString()}`)
      const rows = await tableOf(page, 'bars')
      for (const column of [1, 2]) {
        const sum = rows.reduce((all, row) => all + Number(row[column]), 0)
        insist(Math.abs(sum - 1) < 1e-9, `column ${column} sums to ${sum} at ${hash.toString()}`)
      }
      const shown = rows.filter((row) => row[3] === 'survives').map((row) => row[0])
      const expected = survivors(logits, stepsOf(settings, orders[order])).map(({ id }) =>
        visible(chars[id]!),
      )
      insist(
        shown.toSorted().join() === expected.toSorted().join(),
        `shown ${shown.join(' ')}, library ${expected.join(' ')}`,
      )
      counts.push(expected.length)
      assertQuiet()
      await close()
    }
    return `${cases.length} settings, ${counts.join(', ')} survivors`
  },
}

const samplingInput: Check = {
  name: 'sampling: an empty prompt and characters the model does not know',
  async run({ browser, url }) {
    const { page, close, assertQuiet } = await openPage(browser, url, 'sampling')
    const prefix = page.locator('[data-name=prefix]')
    await prefix.fill('')
    await settle(page)
    insist(
      /empty/.test((await page.locator('#notices').textContent()) ?? ''),
      'an empty prefix is not mentioned',
    )
    await prefix.fill('日本語 €')
    await settle(page)
    insist(
      /does not know/.test((await page.locator('#notices').textContent()) ?? ''),
      'unknown characters are not mentioned',
    )
    insist((await page.locator('#bars rect').count()) > 0, 'no bars are shown')
    await page.waitForFunction(() => document.querySelectorAll('#texts .text-out').length === 3)
    await prefix.fill('Once')
    await settle(page)
    insist((await page.locator('#notices').textContent()) === '', 'the sentence stays')
    assertQuiet()
    await close()
    return 'said in a sentence, and drawn'
  },
}

const guess: Check = {
  name: 'guess: a game by keyboard; surprise is −log₂ p',
  async run({ browser, url }) {
    const { page, close, assertQuiet } = await openPage(browser, url, 'guess')
    await page.locator('[data-name=next]').focus()
    for (const key of ['e', 'Space', 'x', 'Enter', 'ü']) {
      await page.keyboard.press(key === 'ü' ? 'KeyU' : key)
      await settle(page)
    }
    await page.locator('[data-name=next]').fill('ü')
    await settle(page)
    insist(
      /alphabet/.test((await page.locator('#notices').textContent()) ?? ''),
      'ü is not refused in a sentence',
    )
    const rows = await tableOf(page, 'history')
    insist(rows.length === 5, `${rows.length} guesses instead of 5`)
    // The shade of a letter says the same as the table: the last five letters are the five guesses.
    const shades = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('#tale .mine')].map((each) => parseFloat(each.title)),
    )
    insist(
      rows.every((row, i) => Math.abs(shades[i]! - Number(row[6])) < 0.051),
      `letters shaded by ${shades.join()}`,
    )
    for (const [, , , p, bits, q, its] of rows) {
      insist(Math.abs(-Math.log2(Number(p)) - Number(bits)) < 1e-9, 'your bits are not −log₂ p')
      insist(Math.abs(-Math.log2(Number(q)) - Number(its)) < 1e-9, 'its bits are not −log₂ p')
    }
    const bars = await tableOf(page, 'bars')
    for (const column of [1, 2]) {
      const sum = bars.reduce((all, row) => all + Number(row[column]), 0)
      insist(Math.abs(sum - 1) < 1e-9, `bars sum to ${sum}`)
    }
    assertQuiet()
    await close()
    return '5 guesses, both distributions sum to 1'
  },
}

const tokenizer: Check = {
  name: 'tokenizer: ids are the library’s, an empty text is said',
  async run({ browser, url }) {
    const text = 'naïve 12345 👩‍👩‍👧 x\n'
    const { page, close, assertQuiet } = await openPage(
      browser,
      url,
      `tokenizer#${new URLSearchParams({ v: '1', text }).toString()}`,
    )
    const shown = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('#tokens button')]
        .map((each) => each.title.replace('id ', ''))
        .join(' '),
    )
    insist(shown === o200k_base.encodeOrdinary(text).join(' '), `shown ${shown}`)
    const cost = await tableOf(page, 'cost')
    insist(cost.length >= 5, `${cost.length} prices`)
    await page.locator('[data-name=text]').fill('')
    await settle(page)
    insist(
      /empty/.test((await page.locator('#notices').textContent()) ?? ''),
      'an empty text is not mentioned',
    )
    assertQuiet()
    await close()
    return `${shown.split(' ').length} ids, ${cost.length} prices`
  },
}

const attention: Check = {
  name: 'attention: rows sum to 1, the future is 0, WASM and TypeScript agree with the library',
  async run({ browser, url }) {
    const text = 'Once upon a time there was a miller'
    const { model, vocabulary } = tiny(1)
    const maps = attentionMaps(model, vocabulary.encode(text))
    let worst = 0
    for (const kernel of ['wasm', 'typescript'] as const) {
      for (const [layer, head] of [
        [0, 0],
        [2, 3],
      ] as const) {
        const hash = new URLSearchParams({ v: '1', text, kernel, layer: String(layer), head: String(head) })
        const { page, close, assertQuiet } = await openPage(browser, url, `attention#${hash.toString()}`)
        await page.waitForFunction((wanted) => document.documentElement.dataset['kernel'] === wanted, kernel)
        await settle(page)
        const rows = await tableOf(page, 'map-table')
        rows.forEach((row, t) => {
          const weights = row.slice(1).map(Number)
          const sum = weights.reduce((a, b) => a + b, 0)
          insist(Math.abs(sum - 1) < 1e-5, `row ${t} sums to ${sum}`)
          insist(
            weights.every((weight, s) => s <= t || weight === 0),
            `row ${t} sees the future`,
          )
          weights.forEach(
            (weight, s) => (worst = Math.max(worst, Math.abs(weight - maps[layer]![head]![t]![s]!))),
          )
        })
        assertQuiet()
        await close()
      }
    }
    insist(worst < 1e-5, `differs from the library by ${worst}`)
    return `2 heads × 2 kernels, largest difference ${worst.toExponential(1)}`
  },
}

const attentionKeys: Check = {
  name: 'attention: arrow keys walk the map; silencing a head changes later layers only',
  async run({ browser, url }) {
    const { page, close, assertQuiet } = await openPage(
      browser,
      url,
      'attention#v=1&layer=1&head=2&row=10&column=4',
    )
    await page.locator('#map').focus()
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('ArrowDown')
    await settle(page)
    const cell = (await page.locator('#cell').textContent()) ?? ''
    insist(/Position 11: .*position 5: /.test(cell), `the cell is: ${cell}`)
    const before = await tableOf(page, 'map-table')
    await page.locator('[data-name=off]').check()
    await settle(page)
    const same = await tableOf(page, 'map-table')
    insist(JSON.stringify(before) === JSON.stringify(same), 'the silenced head’s own map changed')
    const scores = await tableOf(page, 'scores')
    insist(scores.length === 16 && scores.some((row) => Number(row[1]) > 0.01), 'no head matters')
    assertQuiet()
    await close()
    return `16 heads measured, the dearest costs ${Math.max(...scores.map((row) => Number(row[1]))).toFixed(3)} nats`
  },
}

const cache: Check = {
  name: 'cache: measures here, with the cache cheaper than without',
  async run({ browser, url }) {
    const { page, close, assertQuiet } = await openPage(
      browser,
      url,
      'cache#v=1&channels=16&layers=1&tokens=128',
    )
    // It measures by itself when it opens.
    await page.waitForFunction(() => document.documentElement.dataset['measured'] === 'true', undefined, {
      timeout: 120_000,
    })
    await settle(page)
    const last = (await tableOf(page, 'token')).at(-1)!
    // One run, one machine: the last token without a cache reads 128 tokens instead of 1.
    insist(Number(last[4]) > 4 * Number(last[2]), `with cache ${last[2]} ms, without ${last[4]} ms`)
    assertQuiet()
    await close()
    return `token 128: ${(Number(last[4]) / Number(last[2])).toFixed(0)} times dearer without`
  },
}

const norm: Check = {
  name: 'norm: LayerNorm moves nobody else, BatchNorm the past',
  async run({ browser, url }) {
    const { page, close, assertQuiet } = await openPage(browser, url, 'norm')
    const moved = (name: string, where: string): Promise<number[]> =>
      page.evaluate(
        ([norm, place]) =>
          [...document.querySelectorAll<HTMLElement>(`[data-norm=${norm}] [data-where="${place}"]`)].map(
            (each) => Number(each.dataset['change']),
          ),
        [name, where],
      )
    for (const where of ['past', 'future', 'other text'])
      for (const name of ['LayerNorm', 'RMSNorm'])
        insist(
          (await moved(name, where)).every((by) => by === 0),
          `${name} moved its ${where}`,
        )
    const past = await moved('BatchNorm', 'past')
    insist(past.length === 3 && past.every((by) => by > 0.001), `BatchNorm’s past moved by ${past.join()}`)
    await page.locator('.norm-grid [aria-pressed=true]').focus()
    await page.keyboard.press('ArrowLeft')
    await settle(page)
    insist((await moved('BatchNorm', 'past')).length === 2, 'the arrow key did not move the choice')
    assertQuiet()
    await close()
    return `the past hears up to ${Math.max(...past).toFixed(2)}`
  },
}

async function trained(
  { browser, url }: Place,
  kernel: string,
  steps: number,
): Promise<{ losses: number[]; gguf: number; start: string }> {
  const { page, close, assertQuiet } = await openPage(
    browser,
    url,
    `train#v=1&steps=${steps}&kernel=${kernel}&seed=3`,
  )
  await page.getByRole('button', { name: 'Train', exact: true }).click()
  await page.waitForFunction(() => document.documentElement.dataset['trained'] === 'true', undefined, {
    timeout: 180_000,
  })
  await settle(page)
  const losses = (await tableOf(page, 'loss')).map((row) => Number(row[1]))
  const [saved] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download GGUF' }).click(),
  ])
  const bytes = readFileSync(await saved.path())
  assertQuiet()
  await close()
  return { losses, gguf: bytes.length, start: bytes.toString('latin1', 0, 4) }
}

const train: Check = {
  name: 'train: 50 steps in the worker lower the loss, WASM and TypeScript agree with the library',
  async run(place) {
    const wasm = await trained(place, 'wasm', 50)
    const typescript = await trained(place, 'typescript', 50)
    const here = []
    for (const { loss } of trainPreset({ ...presets['10s'], steps: 50 }, { seed: 3 })) here.push(loss)
    insist(wasm.losses.length === 50, `${wasm.losses.length} losses`)
    const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b) / list.length
    const [first, last] = [mean(wasm.losses.slice(0, 5)), mean(wasm.losses.slice(-5))]
    insist(last < first - 0.5, `the loss went from ${first} to ${last}`)
    const apart = (a: readonly number[], b: readonly number[]): number =>
      Math.max(...a.map((loss, i) => Math.abs(loss - b[i]!)))
    const [kernels, library] = [apart(wasm.losses, typescript.losses), apart(typescript.losses, here)]
    insist(kernels < 1e-3 && library < 1e-3, `kernels differ by ${kernels}, from the library by ${library}`)
    insist(wasm.start === 'GGUF' && wasm.gguf > 100_000, `the download begins with ${wasm.start}`)
    return `${first.toFixed(2)} → ${last.toFixed(2)} nats; kernels differ by ${kernels.toExponential(1)}; GGUF of ${wasm.gguf} bytes`
  },
}

const without: Check = {
  name: 'train: no WASM, no worker: said in a sentence, and it trains',
  async run({ browser, url }) {
    const { page, close, assertQuiet } = await openPage(browser, url, 'train#v=1&steps=10', {
      before:
        'delete globalThis.WebAssembly; globalThis.Worker = class { constructor() { throw new Error("forbidden") } }',
    })
    await page.getByRole('button', { name: 'Train', exact: true }).click()
    await page.waitForFunction(() => document.documentElement.dataset['trained'] === 'true', undefined, {
      timeout: 120_000,
    })
    const told = (await page.locator('#notices').textContent()) ?? ''
    insist(/Workers are not allowed/.test(told) && /no WebAssembly/.test(told), `the page says: ${told}`)
    assertQuiet()
    await close()
    return 'both said, 10 steps done'
  },
}

const corpus: Check = {
  name: 'train: a text that is too short is refused in a sentence',
  async run({ browser, url }) {
    const { page, close, assertQuiet } = await openPage(browser, url, 'train#v=1&steps=10&corpus=too+short')
    await page.getByRole('button', { name: 'Train', exact: true }).click()
    await page.waitForSelector('#notices [data-topic=job]')
    const told = (await page.locator('#notices').textContent()) ?? ''
    insist(/The corpus has 9 characters/.test(told), `the page says: ${told}`)
    assertQuiet()
    await close()
    return told
  },
}

const stream: Check = {
  name: 'stream: the text at every byte is the parser’s',
  async run({ browser, url }) {
    const full = process.env['LLMSWAP_FULL'] === '1'
    const tried = []
    for (const [name, path, provider, every] of [
      ['openai-chat-text', 'openai-chat/text.sse', openaiChat(), 1],
      ['openai-chat-tools', 'openai-chat/tools.sse', openaiChat(), full ? 1 : 5],
      ['anthropic-thinking', 'anthropic/thinking.sse', anthropic(), full ? 1 : 5],
    ] as const) {
      const bytes = file(path)
      const { page, close, assertQuiet } = await openPage(browser, url, `stream#v=1&file=${name}&at=0`)
      const shown = await page.evaluate(
        async ([count, step]) => {
          const slider = document.querySelector<HTMLInputElement>('[data-name=at]')!
          const found: [number, string, string, string][] = []
          for (let at = 0; at <= count!; at += step!) {
            slider.value = String(at)
            slider.dispatchEvent(new Event('input'))
            await new Promise((resolve) => requestAnimationFrame(resolve))
            found.push([
              at,
              document.getElementById('text')!.textContent!,
              document.getElementById('reasoning')!.textContent!,
              document.getElementById('value')?.textContent ?? '',
            ])
          }
          return found
        },
        [bytes.length, every],
      )
      for (const [at, text, reasoning, value] of shown) {
        // Here one byte at a time; there in one piece.
        const single = cutAt(
          bytes.subarray(0, at),
          Array.from({ length: Math.max(0, at - 1) }, (_, i) => i + 1),
        )
        const expected = arrive(provider, single, at === bytes.length)
        insist(
          text === expected.text,
          `${name} at byte ${at}: ${JSON.stringify(text)}, parser ${JSON.stringify(expected.text)}`,
        )
        insist(
          reasoning === (expected.reasoning === '' ? '' : `Thinking: ${expected.reasoning}`),
          `${name} at byte ${at}: ${reasoning}`,
        )
        const json =
          expected.json === undefined
            ? ''
            : expected.json.value === undefined
              ? 'nothing yet'
              : JSON.stringify(expected.json.value, null, 1)
        insist(value === json, `${name} at byte ${at}: ${value}, parser ${json}`)
      }
      await page.getByRole('button', { name: 'Cut everywhere and compare' }).click()
      const verdict = (await page.locator('#verdict').textContent()) ?? ''
      insist(/all gave the same events\. One byte at a time: the same/.test(verdict), verdict)
      assertQuiet()
      await close()
      tried.push(`${shown.length} positions of ${name}`)
    }
    return tried.join(', ')
  },
}

const evolution: Check = {
  name: 'evolution: shows a recording that the library makes again; no best is lost',
  async run({ browser, url }) {
    const { page, close, assertQuiet } = await openPage(browser, url, 'evolution')
    const race = await tableOf(page, 'race')
    for (let column = 1; column < 5; column++)
      insist(
        race.every((row, i) => i === 0 || !(Number(row[column]) < Number(race[i - 1]![column]))),
        'the best so far got worse',
      )
    const shown = await tableOf(page, 'family')
    await page.locator('[data-name=at]').focus()
    await page.keyboard.press('Home')
    await settle(page)
    const first = await tableOf(page, 'family')
    insist(first.length < shown.length, `${first.length} prompts at the start, ${shown.length} at the end`)
    assertQuiet()
    await close()
    // The run on show: genetic, the first seed.
    const { holdout, ...task } = evolutionTask('frida', dequantize(file('learn/tiny.llm')))
    const options = { ...task, holdout: holdout!, budget: 240, strategy: 'genetic', seed: 1 } as const
    const { record } = await optimize(options)
    const made = record.individuals.filter(({ mean }) => mean !== null).sort((a, b) => b.mean! - a.mean!)
    insist(
      made.length === shown.length &&
        made.every(({ mean }, i) => Math.abs(mean! - Number(shown[i]![2])) < 1e-4) &&
        made[0]!.prompt === shown[0]![1],
      `recorded “${shown[0]![1]}” ${shown[0]![2]}, made “${made[0]!.prompt}” ${made[0]!.mean}`,
    )
    return `${made.length} prompts of the recorded run made again, the best “${made[0]!.prompt}” ${made[0]!.mean!.toFixed(3)}`
  },
}

const evolutionLive: Check = {
  name: 'evolution: a race in the worker is the library’s; dice gain nothing where nobody looked',
  async run({ browser, url }) {
    const told = []
    for (const task of ['deceptive', 'coin'] as const) {
      const { page, close, assertQuiet } = await openPage(
        browser,
        url,
        `evolution#v=1&task=${task}&budget=240&count=5`,
      )
      await page.waitForFunction(() => document.documentElement.dataset['raced'] === 'true', undefined, {
        timeout: 120_000,
      })
      await settle(page)
      const verdict = await page.locator('#verdict').textContent()
      const gains = await tableOf(page, 'gains')
      const here = await raceTask(task, evolutionTask(task, new Uint8Array()), {
        budget: 240,
        seeds: [1, 2, 3, 4, 5],
      })
      insist(
        verdict?.toLowerCase() === here.verdict.toLowerCase(),
        `the page says “${verdict}”, the library “${here.verdict}”`,
      )
      const expected = here.rows.flatMap(({ runs }) => runs.map(({ comparison }) => comparison.difference))
      insist(
        expected.every((gain, i) => Math.abs(gain - Number(gains[i]![2])) < 1e-9),
        'the gains differ',
      )
      const mean = (column: number): number =>
        gains.reduce((sum, row) => sum + Number(row[column]), 0) / gains.length
      if (task === 'coin') {
        insist(mean(2) > 0.2 && Math.abs(mean(3)) < mean(2) / 2, `gained ${mean(2)}, held out ${mean(3)}`)
        told.push(`dice gain ${mean(2).toFixed(2)} on the searched and ${mean(3).toFixed(2)} on the held out`)
      }
      assertQuiet()
      await close()
    }
    return told.join(', ')
  },
}

const evolutionWithout: Check = {
  name: 'evolution: no WASM, no worker: said in a sentence, and it races; Stop stops',
  async run({ browser, url }) {
    const { page, close, assertQuiet } = await openPage(
      browser,
      url,
      'evolution#v=1&task=specialists&budget=120&count=3',
      {
        before:
          'delete globalThis.WebAssembly; globalThis.Worker = class { constructor() { throw new Error("forbidden") } }',
      },
    )
    await page.waitForFunction(() => document.documentElement.dataset['raced'] === 'true', undefined, {
      timeout: 60_000,
    })
    const told = (await page.locator('#notices').textContent()) ?? ''
    insist(/Workers are not allowed/.test(told), `the page says: ${told}`)
    await page.locator('[data-name=task]').selectOption('frida')
    await page.getByRole('button', { name: 'Run it here' }).click()
    await page.waitForFunction(() => /\d of 120/.test(document.getElementById('progress')!.textContent!))
    await page.getByRole('button', { name: 'Stop' }).click()
    await settle(page)
    insist((await page.locator('#progress').textContent()) === 'Stopped.', 'it does not stop')
    assertQuiet()
    await close()
    return 'said, raced, stopped'
  },
}

const anywhere: Check = {
  name: 'learn:build: the folder works below any path of any server, all requests stay in it',
  async run({ browser, folder }) {
    const prefix = '/some/where/'
    // The plainest server: no headers but a type, and none for what it does not know.
    const types: Readonly<Record<string, string>> = {
      html: 'text/html',
      js: 'text/javascript',
      css: 'text/css',
    }
    const server = createServer((request, response) => {
      const path = new URL(request.url ?? '/', 'http://local').pathname
      const name = path.startsWith(prefix) ? path.slice(prefix.length) : ''
      const known = /^[\w-]+\.\w+$/.test(name) && existsSync(join(folder, name))
      const type = types[name.split('.').pop()!]
      response.writeHead(known ? 200 : 404, type === undefined ? {} : { 'content-type': type })
      response.end(known ? readFileSync(join(folder, name)) : '')
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const { port } = server.address() as AddressInfo
    const below = `http://127.0.0.1:${port}${prefix}`
    try {
      let requests = 0
      for (const slug of [
        'index',
        'tokenizer',
        'attention',
        'stream',
        'evolution#v=1&task=additive&count=3',
      ]) {
        const opened = await openPage(browser, below, slug)
        requests += opened.requests.length
        opened.assertQuiet()
        await opened.close()
      }
      const opened = await openPage(browser, below, 'train#v=1&steps=10')
      await opened.page.getByRole('button', { name: 'Train', exact: true }).click()
      await opened.page.waitForFunction(
        () => document.documentElement.dataset['trained'] === 'true',
        undefined,
        { timeout: 120_000 },
      )
      opened.assertQuiet()
      await opened.close()
      return `${requests + opened.requests.length} requests below ${prefix}, workers and WebAssembly included`
    } finally {
      server.close()
    }
  },
}

const bare: Check = {
  name: 'without WASM, workers and storage: every page is ready and says what it lacks',
  async run({ browser, url }) {
    const before = `
      delete globalThis.WebAssembly
      globalThis.Worker = class { constructor() { throw new Error("forbidden") } }
      Object.defineProperty(globalThis, 'localStorage', { get() { throw new Error('forbidden') } })`
    const told = []
    for (const { slug } of pages) {
      const { page, close, assertQuiet } = await openPage(browser, url, slug, { before })
      await page.locator('#theme').click()
      const notices = (await page.locator('#notices').textContent()) ?? ''
      if (slug === 'attention') insist(/no WebAssembly/.test(notices), `attention says: ${notices}`)
      if (slug === 'cache') insist(/Workers are not allowed/.test(notices), `cache says: ${notices}`)
      told.push(`${slug}${notices === '' ? '' : ' (says so)'}`)
      assertQuiet()
      await close()
    }
    return told.join(', ')
  },
}

const missing: Check = {
  name: 'when the weights or the recording do not come, the page says so in a sentence and its text stays',
  async run({ browser, url }) {
    for (const slug of ['guess', 'sampling', 'attention', 'evolution']) {
      const context = await browser.newContext()
      const page = await context.newPage()
      await page.route(/tiny\.llm|evolution\.json/, (route) => route.fulfill({ status: 503 }))
      await page.goto(`${url}${slug}.html`)
      await page.waitForSelector('#notices .notice')
      const told = (await page.locator('#notices').textContent()) ?? ''
      insist(/did not come \(HTTP 503\)/.test(told), `${slug} says: ${told}`)
      insist((await page.locator('.reading').count()) === 1, 'the text is gone')
      await context.close()
    }
    return 'four pages'
  },
}

/** In the order of the pages. */
export const checks: readonly Check[] = [
  guess,
  tokenizer,
  sampling,
  samplingInput,
  attention,
  attentionKeys,
  cache,
  norm,
  train,
  without,
  corpus,
  stream,
  evolution,
  evolutionLive,
  evolutionWithout,
  bare,
  missing,
  anywhere,
]
