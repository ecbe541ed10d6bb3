/**
 * Environment variables, wherever the program runs.
 *
 * In:  a name, and the object that the caller says holds variables (a Worker's bindings). Out: its value, or undefined.
 * Deno asks its user before it reads a variable, through `process.env` too. So there the permission is looked up first,
 * which asks nobody, and one that is not granted means "not set".
 * Not here: what the variables mean (registry.ts).
 */

/** The parts of two runtimes that may be there. */
interface Runtime {
  Deno?: {
    permissions?: { querySync?(what: { name: 'env'; variable: string }): { state: string } }
    env: { get(name: string): string | undefined }
  }
  process?: { env?: Record<string, string | undefined> }
}

/** The first of these variables that is set and not blank: each in `env`, then in the runtime's environment. */
export function readVariable(names: readonly string[], env: object | undefined): string | undefined {
  for (const name of names) {
    for (const value of [(env as Record<string, unknown> | undefined)?.[name], fromRuntime(name)]) {
      if (typeof value === 'string' && value.trim() !== '') return value
    }
  }
  return undefined
}

function fromRuntime(name: string): unknown {
  const { Deno, process } = globalThis as unknown as Runtime
  if (Deno === undefined) return process?.env?.[name]
  const state = Deno.permissions?.querySync?.({ name: 'env', variable: name }).state
  return state === 'granted' ? Deno.env.get(name) : undefined
}
