/**
 * A race of prompt searches, run where the page is: in its worker, or between its frames. In: a task, a budget, seeds.
 * Out: how far it is and every new best while it runs, then the race. All searching is done by `race` and `optimize`.
 */
import { dequantize } from '../quantize.ts'
import { evolutionTask, raceTask, type RaceView } from './evolution-tasks.ts'
import type { TaskName } from './evolution-texts.ts'
import { memoryOf } from './kit/model.ts'
import type { Job } from './kit/worker.ts'

/** What to race. */
export interface EvolutionAsk {
  readonly task: TaskName
  readonly budget: number
  readonly seeds: readonly number[]
}

/** What is told. */
export type EvolutionAnswer =
  | {
      readonly kind: 'best'
      readonly label: string
      readonly seed: number
      readonly point: readonly [number, number]
    }
  | { readonly kind: 'spent'; readonly label: string; readonly seed: number; readonly spent: number }
  | { readonly kind: 'done'; readonly view: RaceView }

/** Races, giving others a turn every 30 ms. */
export const evolutionJob: Job<EvolutionAsk, EvolutionAnswer> = async (
  { task, budget, seeds },
  answer,
  control,
) => {
  let weights = new Uint8Array()
  if (task === 'frida') {
    const response = await globalThis.fetch('tiny.llm')
    if (!response.ok) throw new Error(`the weights did not come (HTTP ${response.status})`)
    weights = dequantize(new Uint8Array(await response.arrayBuffer())) as Uint8Array<ArrayBuffer>
  }
  const built = evolutionTask(task, weights, memoryOf('wasm').memory)
  const abort = new AbortController()
  let turned = performance.now()
  const evaluate: typeof built.evaluate = async (prompt, example, context) => {
    if (performance.now() - turned > 30) {
      if (await control.turn()) abort.abort()
      turned = performance.now()
    }
    return built.evaluate(prompt, example, context)
  }
  let told = 0
  const view = await raceTask(
    task,
    { ...built, evaluate },
    {
      budget,
      seeds,
      signal: abort.signal,
      onEvent(event) {
        const { label, seed, spent } = event
        if (event.type === 'best')
          answer({ kind: 'best', label, seed, point: [spent, event.individual.mean!] })
        else if (performance.now() - told > 100) {
          answer({ kind: 'spent', label, seed, spent })
          told = performance.now()
        }
      },
    },
  )
  answer({ kind: 'done', view })
}
