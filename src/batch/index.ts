/** `llmswap/batch`: the public names, nothing else. */

export { batch } from './run.ts'
export type { BatchRun } from './run.ts'
export type { BatchClient, BatchOptions, BatchProgress, BatchSummary } from './options.ts'
export type { BatchRow } from './rows.ts'
export type { BatchResult, Checkpoint } from './checkpoint.ts'
