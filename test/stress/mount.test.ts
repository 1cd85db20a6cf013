// SPDX-License-Identifier: GPL-2.0-only
/**
 * Client processes on mounts, over io_uring and /dev/fuse, while the server is killed, told to end, or unmounted: what
 * clients were told is done is there after the next mount, every byte belongs where it is, and the device is clean.
 * `npm run stress` does the same for longer. PMFS2_SEED repeats a run's choices, though not its timing.
 */
import tap from 'tap'
import { extent } from '../support/extent.js'
import { seed } from '../support/random.js'
import { turnRingOn } from '../support/ring-switch.js'
import { stressMount } from './stress-mount.js'

tap.setTimeout(300_000)

const durationMs = extent(30_000, 20_000)

const channel = turnRingOn(tap)
const channels = channel === 'uring' ? 'io_uring and /dev/fuse' : '/dev/fuse only, as the kernel has no ring'

void tap.test(`clients of mounts over ${channels}, seed ${seed}`, async (t) => {
  const result = await stressMount({ seed, durationMs, progress: ({ what }) => t.comment(what) }, channel)
  for (const problem of result.problems) t.fail(problem)
  t.ok(result.rounds > 0 && result.calls > 0, `${result.rounds} rounds, ${result.calls} calls`)
})
