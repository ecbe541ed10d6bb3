/**
 * A gate that lets so many tasks through at once, in the order in which they came.
 *
 * In:  tasks. Out: their results. No timers, nothing shared between gates.
 */

/** Lets at most `limit` tasks run at once. */
export function createGate(limit: number): <T>(task: () => Promise<T>) => Promise<T> {
  let running = 0
  const waiting: (() => void)[] = []
  return async (task) => {
    if (running < limit) running++
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await task()
    } finally {
      // The place is handed on, not freed: nobody can slip in between.
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}
