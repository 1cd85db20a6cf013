// SPDX-License-Identifier: GPL-2.0-only
/** Round after round of stress, a few of them on each volume, until there is a problem or the time is over. */
import type { RoundResult, StressOptions, StressResult } from './stress-options.js'
import { Teardowns } from './teardowns.js'

/** A volume under stress. */
export interface StressedVolume<Plan> {
  /** Chooses what the next round does. @param rounds before it, on all volumes @param leftMs until the time is over */
  plan(rounds: number, leftMs: number): Plan
  round(plan: Plan): Promise<RoundResult>
}

export interface StressKind<Plan> {
  readonly roundsPerVolume: number
  make(teardowns: Teardowns): StressedVolume<Plan> | Promise<StressedVolume<Plan>>
  /** A round in words. */
  describe(plan: Plan): string
}

export async function stressRounds<Plan>(
  kind: StressKind<Plan>,
  options: StressOptions,
): Promise<StressResult> {
  const deadline = performance.now() + options.durationMs
  let calls = 0
  let rounds = 0
  while (performance.now() < deadline) {
    const teardowns = new Teardowns()
    try {
      const volume = await kind.make(teardowns)
      for (let n = 0; n < kind.roundsPerVolume && performance.now() < deadline; n++) {
        const plan = volume.plan(rounds, deadline - performance.now())
        const result = await volume.round(plan)
        calls += result.calls
        rounds++
        const what = kind.describe(plan)
        options.progress({ calls, rounds, what })
        if (result.problems.length > 0)
          return { calls, rounds, problems: result.problems.map((problem) => `${what}: ${problem}`) }
      }
    } finally {
      await teardowns.run()
    }
  }
  return { calls, rounds, problems: [] }
}
