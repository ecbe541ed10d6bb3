/**
 * Collects the adapters: every file of this folder that exports `adapters`, in the order of their names.
 * A provider adds itself by adding a file; nothing here has to be edited.
 */
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { ReplayAdapter } from '../replay.ts'

const SELF: readonly string[] = ['adapters.ts', 'out-of-scope.ts']

/** All adapters of this folder. */
export async function loadAdapters(): Promise<ReplayAdapter[]> {
  const folder = dirname(fileURLToPath(import.meta.url))
  const adapters: ReplayAdapter[] = []
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.ts') || SELF.includes(file)) continue
    const module = (await import(/* @vite-ignore */ pathToFileURL(join(folder, file)).href)) as {
      adapters: ReplayAdapter[]
    }
    adapters.push(...module.adapters)
  }
  return adapters
}
