/**
 * A small picture for each page, for their list. In: the weights and fixtures that the pages show. Out: SVG as text, by
 * page; every shape in it is computed here by the code the page is about, at build time. Colours are the pages' classes,
 * so both themes apply.
 */
import { readFileSync } from 'node:fs'
import { attentionMaps } from '../src/learn/attention.ts'
import { attentionFlops, cachedFlops, linearFlops } from '../src/learn/kv-cache.ts'
import { createCache, decode, load } from '../src/learn/llm500.ts'
import { batchNorm, layerNorm, type Norm } from '../src/learn/norm.ts'
import { curvesOf, medianAfter, readings } from '../src/learn/pages/evolution-charts.ts'
import type { RaceView } from '../src/learn/pages/evolution-tasks.ts'
import { dequantize } from '../src/learn/quantize.ts'
import { createRandom, gaussian } from '../src/learn/random.ts'
import { orders, softmax, stepsOf, survivors } from '../src/learn/sampling.ts'
import { tales } from '../src/learn/tales.ts'
import { o200k_base } from '../src/tokens/encodings/o200k_base.ts'

const [WIDTH, HEIGHT] = [240, 110]
const fixture = (path: string): Buffer => readFileSync(new URL(`../fixtures/${path}`, import.meta.url))
const escaped = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)
const n = (value: number): string => String(Number(value.toFixed(1)))

const rect = (x: number, y: number, width: number, height: number, rest: string): string =>
  `<rect x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" ${rest}/>`
const line = (points: readonly (readonly [number, number])[], series: number, more = ''): string =>
  `<polyline class="line series-${series}${more}" points="${points.map(([x, y]) => `${n(x)},${n(y)}`).join(' ')}"/>`
/** Text of a fixed width a letter, whatever the font. */
const mono = (x: number, y: number, text: string, rest = ''): string =>
  `<text class="mono" x="${n(x)}" y="${n(y)}" textLength="${n(9 * text.length)}" lengthAdjust="spacingAndGlyphs" xml:space="preserve" ${rest}>${escaped(text)}</text>`

/** Draws all of them. */
export function thumbnails(): ReadonlyMap<string, string> {
  const { model, vocabulary } = load(dequantize(new Uint8Array(fixture('learn/tiny.llm'))), { batch: 1 })
  const read = (text: string): Float64Array[] => {
    const cache = createCache(model)
    return Array.from(vocabulary.encode(text), (id) => decode(model, cache, id).slice())
  }

  function guess(): string {
    const [columns, text] = [24, tales(400, 5).slice(0, 54).replaceAll('\n', ' ')]
    const logits = read(text)
    return [...text]
      .map((char, i) => {
        const ids = Array.from(logits[i - 1] ?? [], (logit, id) => ({ id, logit }))
        const bits = i === 0 ? 0 : -Math.log2(softmax(ids)[vocabulary.encode(char)[0]!]!)
        const [x, y] = [10 + 9 * (i % columns), 22 + 26 * Math.floor(i / columns)]
        const shade = rect(x - 0.5, y, 9, 20, `class="surprise" opacity="${n(Math.min(1, bits / 6))}"`)
        return shade + mono(x, y + 15, char)
      })
      .join('')
  }

  function tokenizer(): string {
    let [x, y] = [10, 8]
    const ids: string[] = []
    const blocks = o200k_base.encode('A model never sees letters: unbelievable, 12345.').map((id, i) => {
      const text = o200k_base.decode([id])
      const wide = 9 * text.length
      if (x + wide > WIDTH - 8) [x, y] = [10, y + 27]
      const block = rect(x, y, wide - 1, 22, `rx="3" class="tint tint-${i % 5}"`) + mono(x, y + 16, text)
      x += wide
      ids.push(String(id))
      return block
    })
    return `${blocks.join('')}<text class="small" x="10" y="${HEIGHT - 8}">${ids.slice(0, 6).join(' ')} …</text>`
  }

  function sampling(): string {
    const logits = read('Once upon a time there was a ').at(-1)!
    return [0.5, 1, 2]
      .map((temperature, i) => {
        const left = 10 + 78 * i
        const chances = softmax(survivors(logits, stepsOf({ temperature }, orders.transformers)))
        const bars = chances.slice(0, 11).map((p, k) => {
          const tall = 84 * Math.sqrt(p)
          return rect(left + 6 * k, 88 - tall, 5, tall, 'class="fill"')
        })
        return `${bars.join('')}<text class="small" x="${left}" y="105">T ${temperature}</text>`
      })
      .join('')
  }

  function attention(): string {
    const map = attentionMaps(model, vocabulary.encode('Once upon a time there'))[0]![1]!
    const side = 4.6
    return map
      .flatMap((row, t) =>
        row
          .slice(0, t + 1)
          .map((share, s) =>
            rect(
              66 + side * s,
              4 + side * t,
              side,
              side,
              `class="fill" opacity="${(0.06 + 0.94 * Math.sqrt(share)).toFixed(2)}"`,
            ),
          ),
      )
      .join('')
  }

  function cache(): string {
    const shape = { layers: 2, heads: 4, channels: 16, context: 256, vocab: 71 }
    const at = Array.from({ length: 33 }, (_, i) => 1 + i * 8)
    const most = cachedFlops(shape, at.at(-1)!)
    const curve = (flops: (t: number) => number): [number, number][] =>
      at.map((t) => [12 + (216 * t) / 258, 100 - 92 * (flops(t) / most)])
    return (
      line(
        curve((t) => cachedFlops(shape, t)),
        2,
      ) +
      line(
        curve((t) => linearFlops(shape) + attentionFlops(shape, t)),
        1,
      ) +
      '<text class="small" x="60" y="30">without a cache</text><text class="small" x="150" y="92">with</text>'
    )
  }

  function norm(): string {
    const random = createRandom(1)
    const before = Array.from({ length: 2 }, () =>
      Array.from({ length: 6 }, () => Array.from({ length: 4 }, () => gaussian(random))),
    )
    const after = before.map((row, r) =>
      row.map((position, t) =>
        position.map((value, c) => (r === 0 && t === 3 && c === 0 ? value + 1.5 : value)),
      ),
    )
    const grid = (which: Norm, top: number): string => {
      const [old, now] = [which(before), which(after)]
      return old
        .flatMap((row, r) =>
          row.map((position, t) => {
            const moved = Math.max(...position.map((value, c) => Math.abs(value - now[r]![t]![c]!)))
            const shade = `class="surprise" opacity="${Math.min(1, 3 * moved).toFixed(2)}"`
            const [x, y] = [92 + 23 * t, top + 21 * r]
            return rect(x, y, 21, 19, 'class="cell" rx="3"') + rect(x, y, 21, 19, `${shade} rx="3"`)
          }),
        )
        .join('')
    }
    return `<text class="small" x="8" y="33">LayerNorm</text>${grid(layerNorm, 8)}<text class="small" x="8" y="87">BatchNorm</text>${grid(batchNorm, 62)}`
  }

  function train(): string {
    // Drawn by `npm run learn:numbers` from a training of the smallest preset, on a canvas of 640 × 260.
    const points = /points="([^"]+)"/.exec(fixture('pages/article-loss.svg').toString())![1]!
    const scaled = points.split(' ').map((pair) => pair.split(',').map(Number) as [number, number])
    return line(
      scaled.map(([x, y]) => [10 + ((x - 46) * 220) / 582, 8 + ((y - 30) * 96) / 200]),
      1,
    )
  }

  function stream(): string {
    const bytes = fixture('openai-chat/tools.sse')
    const frames = bytes.toString().split(/(?<=\n\n)/)
    let at = 0
    const strip = frames.map((frame, i) => {
      const [from, wide] = [at, Buffer.byteLength(frame)]
      at += wide
      return rect(
        10 + (220 * from) / bytes.length,
        60,
        (220 * wide) / bytes.length,
        18,
        `class="base${i % 2 === 0 ? '' : ' other'}"`,
      )
    })
    const here = 10 + (220 * 1240) / bytes.length
    const arrived = rect(10, 60, here - 10, 18, 'class="arrived"')
    return `${mono(10, 34, '{"city":"Zürich","days')}${strip.join('')}${arrived}<line class="here" x1="${n(here)}" x2="${n(here)}" y1="52" y2="88"/>`
  }

  function evolution(): string {
    const view = JSON.parse(fixture('pages/evolution.json').toString()) as RaceView
    const curves = curvesOf(view)
    const lines = [...curves.keys()].map((label) =>
      readings(view.budget).flatMap((at): [number, number][] => {
        const score = medianAfter(curves, label, at)
        return Number.isNaN(score) ? [] : [[at, score]]
      }),
    )
    const scores = lines.flat().map(([, score]) => score)
    const [low, high] = [Math.min(...scores), Math.max(...scores)]
    const series = { genetic: 1, 'hill-climb': 2, pareto: 3, random: 4 } as Record<string, number>
    return [...curves.keys()]
      .map((label, i) =>
        line(
          lines[i]!.map(([at, score]) => [
            10 + (220 * at) / view.budget,
            102 - (94 * (score - low)) / (high - low),
          ]),
          series[label] ?? 4,
        ),
      )
      .join('')
  }

  return new Map(
    Object.entries({ guess, tokenizer, sampling, attention, cache, norm, train, stream, evolution }).map(
      ([slug, draw]) => [slug, `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" aria-hidden="true">${draw()}</svg>`],
    ),
  )
}
