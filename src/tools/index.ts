/** `llmswap/tools`: typed tools and the loop that runs them. */

export { runTools } from './run-tools.ts'
export type {
  Askable,
  ReadyCall,
  RunToolsOptions,
  Step,
  StepEvent,
  StopReason,
  ToolDecision,
  ToolRun,
  ToolRunCompletion,
  ToolRunEvent,
} from './run-tools.ts'
export { tool } from './tool.ts'
export type { ToolDefinitionOf } from './tool.ts'
