/**
 * Makes the embedded model that `npm start` talks to: the 5-minute preset on this project's own tales, as
 * fixtures/learn/tiny.llm (int8, under 1 MB), with its loss chart beside it. In: nothing; seeds are fixed, so two runs
 * on one engine write the same bytes.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { lossChart } from '../src/learn/chart.ts'
import { save } from '../src/learn/llm500.ts'
import { quantize } from '../src/learn/quantize.ts'
import { sampleText, trainWithProgress } from './train.ts'

const folder = new URL('../fixtures/learn/', import.meta.url)
const { model, vocabulary, trigramLoss, steps } = trainWithProgress('5min')
const file = quantize(save(model, vocabulary.chars))
const title = `The embedded model: ${model.params} parameters, ${steps.length} steps`
mkdirSync(folder, { recursive: true })
writeFileSync(new URL('tiny.llm', folder), file)
// Every fifth step is enough for a picture 720 pixels wide.
const drawn = steps.filter(({ step, valLoss }) => step % 5 === 0 || valLoss !== undefined)
writeFileSync(new URL('loss.svg', folder), lossChart(drawn, title, trigramLoss))
console.log(`\n${sampleText(model, vocabulary, 'Once upon a time', 600)}`)
console.log(
  `\nHeld-out loss ${steps.at(-1)?.valLoss?.toFixed(3)}, trigrams ${trigramLoss.toFixed(3)}; ${file.length} bytes.`,
)
