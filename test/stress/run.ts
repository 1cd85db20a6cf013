// SPDX-License-Identifier: GPL-2.0-only
/**
 * `npm run stress`: threads over one volume in memory, client processes on mounts, and single files against a model, in
 * turn until the time is over.
 * Progress goes to stderr. Exit code 0: nothing was found; 1: what was found is on stdout, with the seed; 2: bad usage.
 */
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { Random, seed as newSeed } from '../support/random.js'
import { turnRingOn } from '../support/ring-switch.js'
import { stressFiles } from './exercise-files.js'
import { stressEngine } from './stress-engine.js'
import { stressMount } from './stress-mount.js'
import type { StressOptions, StressResult } from './stress-options.js'
import { Teardowns } from './teardowns.js'

const partMs = 60_000
const badUsage = 2

async function readSettings(): Promise<{ minutes: number; seed: number }> {
  const { minutes, seed } = await yargs(hideBin(process.argv))
    .scriptName('stress')
    .usage(
      '$0 [options]\n\nLooks for races: in the engine, and in mounts over io_uring and /dev/fuse. Needs root.',
    )
    .option('minutes', { type: 'number', default: 10, describe: 'How long to look' })
    .option('seed', { type: 'number', default: newSeed, describe: 'Repeats the choices of a run' })
    .check(({ minutes, seed }) => {
      if (!(minutes > 0)) throw new Error('--minutes is a number above 0')
      if (!Number.isInteger(seed)) throw new Error('--seed is a whole number')
      return true
    })
    .strict()
    .fail((message, error) => {
      console.error(message || error)
      process.exit(badUsage)
    })
    .parseAsync()
  return { minutes, seed }
}

async function main(): Promise<number> {
  const { minutes, seed } = await readSettings()
  const random = new Random(seed)
  const start = performance.now()
  const end = start + minutes * 60_000
  const total = { calls: 0, rounds: 0 }
  console.error(`stress: ${minutes} minutes, seed ${seed}`)

  const part = async (stress: (options: StressOptions) => Promise<StressResult>): Promise<boolean> => {
    const before = { ...total }
    const durationMs = Math.min(partMs, end - performance.now())
    if (durationMs <= 0) return true
    const { problems } = await stress({
      seed: random.below(2 ** 31),
      durationMs,
      progress: ({ calls, rounds, what }) => {
        total.calls = before.calls + calls
        total.rounds = before.rounds + rounds
        const seconds = Math.round((performance.now() - start) / 1000)
        console.error(`${seconds} s: ${total.calls} calls, ${total.rounds} rounds; last: ${what}`)
      },
    })
    for (const problem of problems) console.log(problem)
    return problems.length === 0
  }

  const teardowns = new Teardowns()
  try {
    const channel = turnRingOn(teardowns)
    let isClean = true
    while (isClean && performance.now() < end) {
      isClean = await part(stressEngine)
      if (isClean) isClean = await part((options) => stressMount(options, channel))
      if (isClean) isClean = await part((options) => stressFiles(options, channel === 'uring'))
    }
    console.log(
      `${isClean ? 'nothing was found' : 'found with'} seed ${seed}: ${total.calls} calls in ${total.rounds} rounds`,
    )
    return isClean ? 0 : 1
  } finally {
    await teardowns.run()
  }
}

process.exitCode = await main()
