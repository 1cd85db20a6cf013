// SPDX-License-Identifier: GPL-2.0-only
/**
 * The order of a run, and how long it will still take. Within a workload contenders take turns (A B C, A B C, …), so
 * that whatever else the machine does falls on all of them alike.
 */
import type { Contender } from './contenders/contender.js'
import type { Settings } from './results.js'
import type { Workload } from './workloads/workload.js'

export interface Step {
  readonly workload: Workload
  readonly contender: Contender
  /** Counted from 1. */
  readonly round: number
}

export function plan(
  settings: Settings,
  workloads: readonly Workload[],
  contenders: readonly Contender[],
): readonly Step[] {
  const rounds = Array.from({ length: settings.rounds }, (_, index) => index + 1)
  return workloads.flatMap((workload) => {
    const entered = contenders.filter((contender) => workload.suits(contender))
    return rounds.flatMap((round) => entered.map((contender) => ({ workload, contender, round })))
  })
}

/** Learns how long turns take: as long as the last one did, because the first also prepares what later ones use. */
export class Clock {
  readonly #settings: Settings
  readonly #taken = new Map<string, number>()

  constructor(settings: Settings) {
    this.#settings = settings
  }

  note(step: Step, seconds: number): void {
    this.#taken.set(keyOf(step), seconds)
  }

  secondsLeft(steps: readonly Step[]): number {
    return steps.reduce((sum, step) => {
      return sum + (this.#taken.get(keyOf(step)) ?? step.workload.guessSeconds(this.#settings))
    }, 0)
  }
}

function keyOf({ workload, contender }: Step): string {
  return `${workload.name}/${contender.name}`
}

/** For example 31:05. */
export function minutesAndSeconds(seconds: number): string {
  const whole = Math.ceil(seconds)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}
