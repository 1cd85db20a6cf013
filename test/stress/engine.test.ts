// SPDX-License-Identifier: GPL-2.0-only
/**
 * Threads with an engine each over one volume in memory, as the workers of a mount: random calls on what they share and
 * on what is their own, ended in order or where they happen to be. `npm run stress` does the same for longer.
 * PMFS2_SEED repeats a run's choices, though not its timing.
 */
import tap from 'tap'
import { seed } from '../support/random.js'
import { stressEngine } from './stress-engine.js'

tap.setTimeout(300_000)

const durationMs = 10_000

void tap.test(`threads over one volume, seed ${seed}`, async (t) => {
  const result = await stressEngine({ seed, durationMs, progress: ({ what }) => t.comment(what) })
  for (const problem of result.problems) t.fail(problem)
  t.ok(result.rounds > 0 && result.calls > 0, `${result.rounds} rounds, ${result.calls} calls`)
})
