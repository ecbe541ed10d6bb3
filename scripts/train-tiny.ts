/**
 * Makes the embedded model that `npm start` talks to: trains the 5-minute preset on this project's own tales and
 * writes fixtures/learn/tiny.llm (int8, under 1 MB). In: nothing; the seed is fixed, so two runs on one engine write
 * the same bytes. Out: the file, and a sample of what it says.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { wasmMemory } from '../src/learn/gemm-wasm.ts'
import { generate, save } from '../src/learn/llm500.ts'
import { quantize } from '../src/learn/quantize.ts'
import { createRandom } from '../src/learn/random.ts'
import { presets, trainPreset } from '../src/learn/train.ts'

const target = new URL('../fixtures/learn/tiny.llm', import.meta.url)
const preset = presets['5min']
const started = performance.now()
const run = trainPreset(preset, { memory: wasmMemory })
let next = run.next()
for (; next.done !== true; next = run.next()) {
  const { step, loss, valLoss } = next.value
  if (valLoss === undefined) continue
  const seconds = (performance.now() - started) / 1000
  console.log(
    `step ${step}/${preset.steps}  loss ${loss.toFixed(3)}  validation ${valLoss.toFixed(3)}  ` +
      `${Math.round((step * preset.batch * preset.context) / seconds)} tok/s  ${seconds.toFixed(0)} s`,
  )
}
const { model, vocabulary, trigramLoss } = next.value
const file = quantize(save(model, vocabulary.chars))
mkdirSync(new URL('.', target), { recursive: true })
writeFileSync(target, file)
console.log(`trigram baseline ${trigramLoss.toFixed(3)}; wrote ${file.length} bytes`)
let text = ''
for (const { id } of generate(model, vocabulary.encode('Once upon a time'), {
  temperature: 0.7,
  random: createRandom(7),
})) {
  text += vocabulary.decode([id])
  if (text.length > 500) break
}
console.log(text)
