// SPDX-License-Identifier: GPL-2.0-only
/**
 * Stress of mounts: client processes over io_uring where there is one and over /dev/fuse, with 2, 4 and 8 workers, for
 * a given time.
 */
import { devicesBySeed } from '../support/device-count.js'
import { Random } from '../support/random.js'
import { SHARED_MEMORY } from '../support/temporary.js'
import { TestMount } from '../support/test-mount.js'
import { type MountRoundPlan, MountStress, copyOnWrite } from './mount-round.js'
import type { StressOptions, StressResult } from './stress-options.js'
import { type StressedVolume, stressRounds } from './stress-rounds.js'
import type { Teardowns } from './teardowns.js'

type Channel = 'uring' | 'devfuse'

const roundsPerVolume = 8
const size = '256M'
/** So small that it gets full. */
const smallSize = '16M'
const longestRoundMs = 3000
const ends = ['order', 'SIGKILL', 'SIGKILL', 'SIGTERM'] as const
const variantsOf = (channel: Channel): readonly (readonly string[])[] => [
  ['--channel', channel],
  ['--channel', 'devfuse', '--workers', '2'],
  ['--channel', channel, '-o', 'direct_io'],
  ['--channel', channel, copyOnWrite],
  ['--channel', 'devfuse', '--workers', '4'],
  ['--channel', channel, copyOnWrite, '-odirect_io'],
  ['--channel', channel, '--workers', '1'],
  ['--channel', 'devfuse', '--workers', '8'],
]

/** Ends at the first problem, or when the time is over. @param channel of every other round: uring where it is on */
export function stressMount(options: StressOptions, channel: Channel): Promise<StressResult> {
  const random = new Random(options.seed)
  const variants = variantsOf(channel)
  const make = (teardowns: Teardowns) => makeVolume(random, variants, teardowns)
  return stressRounds({ roundsPerVolume, make, describe }, options)
}

async function makeVolume(
  random: Random,
  variants: readonly (readonly string[])[],
  teardowns: Teardowns,
): Promise<StressedVolume<MountRoundPlan>> {
  const fill = random.below(4) === 0
  const devices = devicesBySeed(random)
  const mount = await TestMount.make(teardowns, fill ? smallSize : size, SHARED_MEMORY, devices)
  const stress = new MountStress(mount)
  return {
    plan: (rounds) => ({
      seed: random.below(2 ** 31),
      clients: random.of([2, 4, 6]),
      durationMs: 300 + random.below(longestRoundMs),
      end: random.of(ends),
      arguments: argumentsOf(variants[rounds % variants.length]!, fill),
      fill,
      devices,
    }),
    round: (plan) => stress.round(plan),
  }
}

/** On a full device, copy-on-write may refuse to write over a cell, which a round takes for a fault. */
function argumentsOf(variant: readonly string[], fill: boolean): readonly string[] {
  return fill ? variant.filter((argument) => argument !== copyOnWrite) : variant
}

function describe(plan: MountRoundPlan): string {
  const words = [`${plan.clients} clients`, plan.arguments.join(' ')]
  words.push(plan.end === 'order' ? 'unmounted' : plan.end)
  if (plan.fill) words.push('full device')
  if (plan.devices > 1) words.push('two devices')
  return words.join(', ')
}
