// SPDX-License-Identifier: GPL-2.0-only
/** Stress without a kernel: threads with an engine each, over one volume in memory, for a given time. */
import { dataModes } from '../../src/fs/overwriting.js'
import { deviceBlocksFor, devicesBySeed } from '../support/device-count.js'
import { Random } from '../support/random.js'
import { EngineStress, type RoundPlan } from './engine-round.js'
import type { StressOptions, StressResult } from './stress-options.js'
import { type StressedVolume, stressRounds } from './stress-rounds.js'
import type { Teardowns } from './teardowns.js'

const roundsPerVolume = 6
const plainBlocks = 65_536
/** So small that it gets full, and with lanes for so many workers. */
const smallBlocks = 4096
const smallWorkers = [2, 3, 4]
const workers = [2, 4, 8]
const roundMs = 2500

/** Ends at the first problem, or when the time is over. */
export function stressEngine(options: StressOptions): Promise<StressResult> {
  const random = new Random(options.seed)
  const make = (teardowns: Teardowns) => makeVolume(random, teardowns)
  return stressRounds({ roundsPerVolume, make, describe }, options)
}

function makeVolume(random: Random, teardowns: Teardowns): StressedVolume<RoundPlan> {
  const fill = random.below(3) === 0
  const devices = devicesBySeed(random)
  const deviceBlocks = deviceBlocksFor(fill ? smallBlocks : plainBlocks, devices)
  const stress = new EngineStress(deviceBlocks, random.below(2 ** 31))
  teardowns.teardown(() => {
    stress.release()
  })
  return {
    plan: (_, leftMs) => ({
      seed: random.below(2 ** 31),
      workers: random.of(fill ? smallWorkers : workers),
      durationMs: Math.min(roundMs, Math.max(100, leftMs)),
      end: random.of(['order', 'kill'] as const),
      jittery: random.below(4) > 0,
      // On a full device, copy-on-write may refuse to write over a cell, which a round takes for a fault.
      data: fill ? 'inplace' : random.of(dataModes),
      fill,
      devices,
    }),
    round: (plan) => stress.round(plan),
  }
}

function describe(plan: RoundPlan): string {
  const words = [`${plan.workers} threads`, plan.end === 'kill' ? 'killed' : 'ended in order']
  if (plan.data === 'cow') words.push('copy-on-write')
  if (plan.jittery) words.push('with stops')
  if (plan.fill) words.push('full device')
  if (plan.devices > 1) words.push('two devices')
  return words.join(', ')
}
