// SPDX-License-Identifier: GPL-2.0-only
/** Stress without a kernel: threads with an engine each, over one volume in memory, for a given time. */
import { Random } from '../support/random.js'
import { EngineStress } from './engine-round.js'
import type { StressOptions, StressResult } from './stress-options.js'

const roundsPerVolume = 6
const plainBlocks = 65_536
/** So small that it gets full, and with lanes for so many workers. */
const smallBlocks = 4096
const smallWorkers = [2, 3, 4]
const workers = [2, 4, 8]
const roundMs = 2500

/** Ends at the first problem, or when the time is over. */
export async function stressEngine(options: StressOptions): Promise<StressResult> {
  const random = new Random(options.seed)
  const deadline = performance.now() + options.durationMs
  let calls = 0
  let rounds = 0
  while (performance.now() < deadline) {
    const fill = random.below(3) === 0
    const stress = new EngineStress(fill ? smallBlocks : plainBlocks, random.below(2 ** 31))
    try {
      for (let n = 0; n < roundsPerVolume && performance.now() < deadline; n++) {
        const plan = {
          seed: random.below(2 ** 31),
          workers: random.of(fill ? smallWorkers : workers),
          durationMs: Math.min(roundMs, Math.max(100, deadline - performance.now())),
          end: random.of(['order', 'kill'] as const),
          jittery: random.below(4) > 0,
          fill,
        }
        const result = await stress.round(plan)
        calls += result.calls
        rounds++
        options.progress({ calls, rounds, what: describe(plan) })
        if (result.problems.length > 0)
          return {
            calls,
            rounds,
            problems: result.problems.map((problem) => `${describe(plan)}: ${problem}`),
          }
      }
    } finally {
      stress.release()
    }
  }
  return { calls, rounds, problems: [] }
}

function describe(plan: { workers: number; end: string; jittery: boolean; fill: boolean }): string {
  const words = [`${plan.workers} threads`, plan.end === 'kill' ? 'killed' : 'ended in order']
  if (plan.jittery) words.push('with stops')
  if (plan.fill) words.push('full device')
  return words.join(', ')
}
