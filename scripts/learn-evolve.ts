/**
 * `tsx scripts/learn-evolve.ts`: records the race that the evolution page shows before anybody presses Run. In: the
 * embedded model. Out: fixtures/pages/evolution.json, what `race` of src/learn/optimize gives for these seeds; the same
 * again every time (`npm run test:pages` compares). Scores are kept to four decimals.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { evolutionTask, raceTask } from '../src/learn/pages/evolution-tasks.ts'
import { dequantize } from '../src/learn/quantize.ts'

const fixture = (path: string): URL => new URL(`../fixtures/${path}`, import.meta.url)
const weights = dequantize(new Uint8Array(readFileSync(fixture('learn/tiny.llm'))))
const view = await raceTask('frida', evolutionTask('frida', weights), { budget: 240, seeds: [1, 2, 3, 4, 5] })
const short = JSON.stringify(view, (_, value: unknown) =>
  typeof value === 'number' ? Math.round(value * 1e4) / 1e4 : value,
)
writeFileSync(fixture('pages/evolution.json'), `${short}\n`)
for (const { label, mean, runs } of view.rows)
  console.log(
    label.padEnd(12),
    mean.toFixed(3),
    runs.map(({ prompts, best }) => prompts[best]!.mean!.toFixed(3)).join(' '),
  )
console.log(view.verdict, `${short.length} bytes`)
