/**
 * Runs recorded answers through the codecs and prints what they came to, one line per provider.
 *
 *     npx tsx scripts/replay.ts <folder> [--quick]
 *
 * In:  a folder of recordings (see test/providers/replay.ts for what lies in one). Out: a table, then every failure.
 * Exit code 1 when a recording failed or nobody knows what it is.
 */
import {
  FULL_EFFORT,
  listRecordings,
  QUICK_EFFORT,
  replay,
  summarize,
  type Outcome,
} from '../test/providers/replay.ts'
import { loadAdapters } from '../test/providers/replay/adapters.ts'
import { OUT_OF_SCOPE } from '../test/providers/replay/out-of-scope.ts'

const [folder, ...flags] = process.argv.slice(2)
if (folder === undefined) {
  console.error('usage: npx tsx scripts/replay.ts <folder of recordings> [--quick]')
  process.exit(2)
}
const effort = flags.includes('--quick') ? QUICK_EFFORT : FULL_EFFORT
const adapters = await loadAdapters()
const outcomes: Outcome[] = listRecordings(folder).map((file) =>
  replay(folder, file, adapters, OUT_OF_SCOPE, effort),
)
console.log(summarize(outcomes))

const reasons = new Map<string, number>()
for (const one of outcomes) {
  if (one.status === 'out-of-scope') reasons.set(one.reason!, (reasons.get(one.reason!) ?? 0) + 1)
}
if (reasons.size > 0) console.log('\nout of scope:')
for (const [reason, count] of reasons) console.log(`  ${String(count).padStart(4)}  ${reason}`)

const kinds = new Map<string, number>()
for (const one of outcomes) {
  if (one.errorKind !== undefined) kinds.set(one.errorKind, (kinds.get(one.errorKind) ?? 0) + 1)
}
if (kinds.size > 0) {
  console.log(`\nerrors by kind: ${[...kinds].map(([kind, count]) => `${kind} ${count}`).join(', ')}`)
}

const failed = outcomes.filter((one) => one.status === 'failed' || one.status === 'unclassified')
for (const one of failed) console.log(`\n${one.status}: ${one.file}\n  ${one.reason}`)
const count = (status: Outcome['status']): number => outcomes.filter((one) => one.status === status).length
console.log(
  `\n${outcomes.length} recordings: ${count('passed')} passed, ${count('out-of-scope')} out of scope, ` +
    `${count('failed')} failed, ${count('unclassified')} unclassified`,
)
process.exitCode = failed.length === 0 ? 0 : 1
