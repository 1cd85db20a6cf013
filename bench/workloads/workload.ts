// SPDX-License-Identifier: GPL-2.0-only
/** What is measured, and what a workload is given to measure it. */
import type { Contender } from '../contenders/contender.js'
import type { Metric, Settings } from '../results.js'
import type { Session } from '../session.js'

export interface Turn {
  readonly contender: Contender
  readonly round: number
  readonly settings: Settings
  readonly session: Session
  readonly packageRoot: string
  readonly signal: AbortSignal
}

export interface Workload {
  /** As after --only. */
  readonly name: string
  readonly title: string
  readonly metrics: readonly Metric[]
  text(settings: Settings): string
  /** Others have an empty cell. */
  suits(contender: Contender): boolean
  /** A guess of the seconds that a turn takes, for the time left until turns have been timed. */
  guessSeconds(settings: Settings): number
  /** @returns values by metric; one that is missing is an empty cell @throws BenchError */
  run(turn: Turn): Promise<Readonly<Record<string, number>>>
}

/** Files for which the common instances have room. */
export const commonFiles = 20_000
