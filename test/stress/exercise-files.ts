// SPDX-License-Identifier: GPL-2.0-only
/**
 * Single files under random calls, held against a model in memory (file-exerciser.py), on mounts of every kind in turn,
 * two at a time. After each, fsck.
 */
import { join } from 'node:path'
import { devicesBySeed } from '../support/device-count.js'
import { Random } from '../support/random.js'
import { finish } from '../support/run-command.js'
import { SHARED_MEMORY } from '../support/temporary.js'
import { TestMount, packageRoot } from '../support/test-mount.js'
import type { StressOptions, StressResult } from './stress-options.js'
import { Teardowns } from './teardowns.js'

const script = join(packageRoot, 'test', 'stress', 'file-exerciser.py')
const exercisersPerMount = 2
const graceMs = 60_000
const unlimited = 1e9
const secondsEach = 4

const kinds: readonly (readonly string[])[] = [
  [],
  ['-o', 'data=cow'],
  ['-o', 'direct_io'],
  ['-o', 'writeback_cache'],
  ['-o', 'data=cow,direct_io'],
  ['-o', 'data=cow,writeback_cache'],
]

/** Arguments of the mounts that there are. */
export function exercisedMounts(hasRing: boolean): string[][] {
  const channels = hasRing ? ['devfuse', 'uring'] : ['devfuse']
  return kinds.flatMap((kind) => channels.map((channel) => ['--channel', channel, ...kind]))
}

export interface Exercise {
  readonly operations: number
  /** One sentence each, with the operations that led there. */
  readonly problems: readonly string[]
}

/** Exercises files on a new volume for so long. @param args of its mount */
export async function exerciseFiles(
  args: readonly string[],
  random: Random,
  seconds: number,
): Promise<Exercise> {
  const teardowns = new Teardowns()
  const count = devicesBySeed(random)
  const what = `${args.join(' ')} on ${count === 1 ? 'one device' : 'two devices'}`
  const problems: string[] = []
  let operations = 0
  try {
    const mount = await TestMount.make(teardowns, '64M', SHARED_MEMORY, count)
    await mount.mount(...args)
    const exercise = async (seed: number): Promise<void> => {
      const given = [script, mount.mountpoint, String(seed), String(unlimited), String(seconds)]
      const { end, output } = await finish('python3', given, seconds * 1000 + graceMs)
      if (end === 0) operations += Number(output)
      else problems.push(`${what}, file-exerciser.py with seed ${seed} ended with ${end}: ${output}`)
    }
    const seeds = Array.from({ length: exercisersPerMount }, () => random.below(2 ** 31))
    await Promise.all(seeds.map(exercise))
    await mount.unmount()
    const said = await mount.check()
    if (!said.includes(': clean,')) problems.push(`${what}: ${said}`)
  } finally {
    await teardowns.run()
  }
  return { operations, problems }
}

/** Ends at the first problem, or when the time is over. A round is a mount. */
export async function stressFiles(
  { seed, durationMs, progress }: StressOptions,
  hasRing: boolean,
): Promise<StressResult> {
  const random = new Random(seed)
  const deadline = performance.now() + durationMs
  const mounts = exercisedMounts(hasRing)
  let [calls, rounds] = [0, 0]
  while (performance.now() < deadline) {
    const args = mounts[rounds % mounts.length]!
    const { operations, problems } = await exerciseFiles(args, random, secondsEach)
    calls += operations
    rounds++
    progress({ calls, rounds, what: `single files, ${args.join(' ')}` })
    if (problems.length > 0) return { calls, rounds, problems }
  }
  return { calls, rounds, problems: [] }
}
