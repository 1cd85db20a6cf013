// SPDX-License-Identifier: GPL-2.0-only
/**
 * A file under random calls is what a model of it is: on a few mounts, for a moment each. An exhaustive run and
 * `npm run stress` take mounts of every kind, and longer. PMFS2_SEED repeats the choice and the calls.
 */
import tap from 'tap'
import { extent, sampleOf } from '../support/extent.js'
import { Random, seed } from '../support/random.js'
import { turnRingOn } from '../support/ring-switch.js'
import { exerciseFiles, exercisedMounts } from './exercise-files.js'

tap.setTimeout(600_000)

const secondsEach = extent(30, 1)
const random = new Random(seed)

for (const args of sampleOf(exercisedMounts(turnRingOn(tap) === 'uring'), 3)) {
  void tap.test(`files of a mount with ${args.join(' ')}, seed ${seed}`, async (t) => {
    const { operations, problems } = await exerciseFiles(args, random, secondsEach)
    for (const problem of problems) t.fail(problem)
    t.ok(operations > 0, `${operations} operations`)
  })
}
