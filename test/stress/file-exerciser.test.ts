// SPDX-License-Identifier: GPL-2.0-only
/**
 * A file under random calls is what a model of it is: on mounts of every kind, for a moment each. `npm run stress` goes on
 * for longer. PMFS2_SEED repeats the calls.
 */
import tap from 'tap'
import { extent } from '../support/extent.js'
import { Random, seed } from '../support/random.js'
import { turnRingOn } from '../support/ring-switch.js'
import { exerciseFiles, exercisedMounts } from './exercise-files.js'

tap.setTimeout(600_000)

const secondsEach = extent(30, 0.7)
const random = new Random(seed)

for (const args of exercisedMounts(turnRingOn(tap) === 'uring')) {
  void tap.test(`files of a mount with ${args.join(' ')}, seed ${seed}`, async (t) => {
    const { operations, problems } = await exerciseFiles(args, random, secondsEach)
    for (const problem of problems) t.fail(problem)
    t.ok(operations > 0, `${operations} operations`)
  })
}
