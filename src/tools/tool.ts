/**
 * `tool()`: a tool whose arguments have the type its schema describes.
 *
 * In:  name, description, schema, function. Out: the same object, typed; nothing is wrapped and nothing runs.
 * Not here: running tools (run-tools.ts) and rendering the schema (schema.ts).
 */

import type { Infer, Tool, ToolContext } from '../types.ts'

/** What {@link tool} takes: a `Tool` whose argument type comes from `inputSchema`. */
export interface ToolDefinitionOf<Schema, Result> {
  /** Unique among the tools of a request. */
  name: string
  /** What it does and when to use it: this is all the model knows of it. */
  description?: string
  inputSchema: Schema
  /** Ask the provider to hold the model to the schema, where it can. */
  strict?: boolean
  /** Gets the validated arguments. Absent: the call is yours to answer, and `runTools` stops at it. */
  execute?(args: Infer<Schema>, context: ToolContext): Result | Promise<Result>
}

/**
 * A tool with inferred arguments: from a Standard Schema or `{ jsonSchema, validate }` the validated type, from a raw
 * JSON Schema `unknown`.
 *
 *     const weather = tool({
 *       name: 'weather',
 *       inputSchema: z.object({ city: z.string() }),
 *       execute: ({ city }) => lookUp(city),
 *     })
 */
export function tool<const Schema extends Tool['inputSchema'], Result>(
  definition: ToolDefinitionOf<Schema, Result>,
): Tool<Infer<Schema>, Result> {
  return definition as Tool<Infer<Schema>, Result>
}
