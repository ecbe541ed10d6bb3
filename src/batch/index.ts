/** `llmswap/batch`: the public names, nothing else. */

export { batch } from './run.ts'
export type { BatchClient, BatchOptions, BatchProgress, BatchRow, BatchRun, BatchSummary } from './run.ts'
export type { BatchResult, Checkpoint } from './checkpoint.ts'
