/** `tsx test/route/simulation/run.ts FIRST COUNT`: judges those worlds, and prints the tally as JSON. One process a core. */

import { judgeSeeds } from './properties.ts'

const [first, count] = process.argv.slice(2).map(Number)
void judgeSeeds(first ?? 1, count ?? 300).then((tally) => console.log(JSON.stringify(tally)))
